"""What reconciliation found, kept until it is put right.

A finding is known by its contract, kind and subject. One that a person accepted stays accepted as long as
what it says is part of what was accepted (`marks`); anything else opens it again.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import Connection as Transaction
from sqlalchemy import RowMapping, func, insert, select, update

from cpqbridge.errors import ConfigurationError, ConflictError
from cpqbridge.store.tables import findings

MARKS = "marks"
"""Where a finding's document holds the parts of the difference (a list of texts)."""


class FindingState(StrEnum):
    """Where a finding stands: `gone` went away by itself, `fixed` by what was done about it."""

    OPEN = "open"
    ACCEPTED = "accepted"
    FIXED = "fixed"
    GONE = "gone"


_SHOWN = (FindingState.OPEN, FindingState.ACCEPTED)
_BY_NOBODY: Mapping[str, Any] = {"accepted_by": "", "accepted_at": None}


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredFinding:
    """One finding; times are aware UTC, `closed_at` is None while it is open or accepted.

    `document` is what there is to say about it, `reason` why it was accepted, by whom and when. What was
    accepted as the consequence of another finding is accepted by nobody.
    """

    finding_id: int
    connection_id: int
    root_id: str
    kind: str
    subject: str
    fingerprint: str
    document: Mapping[str, Any]
    state: FindingState
    reason: str
    first_seen_at: datetime
    last_seen_at: datetime
    closed_at: datetime | None
    accepted_by: str = ""
    accepted_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SeenFinding:
    """A finding as it was just seen; see `StoredFinding`. With a `reason` it is accepted from the start."""

    root_id: str
    kind: str
    subject: str
    fingerprint: str
    document: Mapping[str, Any]
    reason: str = ""

    @property
    def state(self) -> FindingState:
        """Return the state in which it begins."""
        return FindingState.ACCEPTED if self.reason else FindingState.OPEN


def of_connection(
    transaction: Transaction,
    *,
    connection_id: int,
    states: Collection[FindingState] = _SHOWN,
    root_id: str | None = None,
) -> tuple[StoredFinding, ...]:
    """Return the findings in these states by id, of one contract where it is named."""
    query = select(findings).where(
        findings.c.connection_id == connection_id, findings.c.state.in_([state.value for state in states])
    )
    if root_id is not None:
        query = query.where(findings.c.root_id == root_id)
    rows = transaction.execute(query.order_by(findings.c.finding_id))
    return tuple(finding_of(row) for row in rows.mappings())


def open_subjects(transaction: Transaction, *, connection_id: int) -> Mapping[int, str]:
    """Return what the open findings are about, by id, oldest first."""
    rows = transaction.execute(
        select(findings.c.finding_id, findings.c.subject)
        .where(findings.c.connection_id == connection_id, findings.c.state == FindingState.OPEN.value)
        .order_by(findings.c.finding_id)
    )
    return {row.finding_id: row.subject for row in rows}


def counts(transaction: Transaction, *, connection_id: int) -> Mapping[FindingState, int]:
    """Return how many findings are in each state, those with none left out."""
    rows = transaction.execute(
        select(findings.c.state, func.count())
        .where(findings.c.connection_id == connection_id)
        .group_by(findings.c.state)
    )
    return {FindingState(state): int(count) for state, count in rows}


def keep(
    transaction: Transaction,
    *,
    connection_id: int,
    root_id: str,
    seen: Collection[SeenFinding],
    at: datetime,
    closes: bool = True,
) -> None:
    """Store what was seen of a contract just now; where it `closes`, what is not among it any more is gone.

    Args:
        transaction: a writing one.
        connection_id: the connection.
        root_id: the contract.
        seen: everything that was found for it.
        at: when, aware UTC.
        closes: whether everything of the contract could be seen.
    """
    present = of_connection(
        transaction, connection_id=connection_id, states=tuple(FindingState), root_id=root_id
    )
    known = {(each.kind, each.subject): each for each in present}
    for each in seen:
        stored = known.get((each.kind, each.subject))
        if stored is None:
            _add(transaction, connection_id, each, at)
        else:
            _see_again(transaction, each, stored, at)
    there = {(each.kind, each.subject) for each in seen}
    gone = [
        stored.finding_id
        for place, stored in known.items()
        if closes and place not in there and stored.state in _SHOWN
    ]
    close(transaction, finding_ids=gone, state=FindingState.GONE, at=at)


def close(
    transaction: Transaction, *, finding_ids: Collection[int], state: FindingState, at: datetime
) -> None:
    """Note that findings are gone or fixed."""
    transaction.execute(
        update(findings)
        .where(findings.c.finding_id.in_(list(finding_ids)))
        .values(state=state.value, closed_at=at)
    )


def _add(transaction: Transaction, connection_id: int, seen: SeenFinding, at: datetime) -> None:
    transaction.execute(
        insert(findings).values(
            connection_id=connection_id,
            root_id=seen.root_id,
            kind=seen.kind,
            subject=seen.subject,
            fingerprint=seen.fingerprint,
            document=dict(seen.document),
            state=seen.state.value,
            reason=seen.reason,
            first_seen_at=at,
            last_seen_at=at,
        )
    )


def _see_again(transaction: Transaction, seen: SeenFinding, known: StoredFinding, at: datetime) -> None:
    values: dict[str, Any] = {
        "fingerprint": seen.fingerprint,
        "document": dict(seen.document),
        "last_seen_at": at,
    }
    if known.state is FindingState.ACCEPTED and _is_part_of(seen, known):
        # What was accepted stays what it was, or each part that time takes away would narrow it for ever.
        values = {"last_seen_at": at}
    else:
        values |= {"state": seen.state.value, "reason": seen.reason, "closed_at": None, **_BY_NOBODY}
        if known.state not in _SHOWN:
            values["first_seen_at"] = at
    transaction.execute(update(findings).where(findings.c.finding_id == known.finding_id).values(values))


def _is_part_of(seen: SeenFinding, accepted: StoredFinding) -> bool:
    return set(seen.document[MARKS]) <= set(accepted.document[MARKS])


def accept(
    transaction: Transaction,
    *,
    connection_id: int,
    finding_id: int,
    reason: str,
    at: datetime,
    actor: str,
    fingerprint: str | None = None,
) -> StoredFinding:
    """Note that a person accepts a finding as it is now, and return it.

    Raises:
        ConfigurationError: there is no such finding that is open or accepted (code `finding_unknown`).
        ConflictError: it is not the difference of the given `fingerprint` any more.
    """
    known = find(transaction, finding_id=finding_id)
    if known is None or known.connection_id != connection_id or known.state not in _SHOWN:
        raise ConfigurationError(
            f"There is no open finding {finding_id} in this connection.",
            code="finding_unknown",
            field="--accept",
            fix="Run cpqbridge reconcile and give the number of one of its findings.",
        )
    if fingerprint is not None and fingerprint != known.fingerprint:
        raise ConflictError(
            "The finding says something else now than what you were shown.",
            code="finding_changed",
            fix="Look at it again, then accept it as it is.",
        )
    values = {"state": FindingState.ACCEPTED.value, "reason": reason, "last_seen_at": at}
    values |= {"accepted_by": actor, "accepted_at": at}
    transaction.execute(update(findings).where(findings.c.finding_id == finding_id).values(values))
    return _found(transaction, finding_id)


def open_again(transaction: Transaction, *, finding_id: int, at: datetime) -> StoredFinding:
    """Take back that a finding was accepted, and return it.

    Raises:
        ConfigurationError: it is not an accepted finding (code `finding_not_accepted`).
    """
    changed = transaction.execute(
        update(findings)
        .where(findings.c.finding_id == finding_id, findings.c.state == FindingState.ACCEPTED.value)
        .values(state=FindingState.OPEN.value, reason="", last_seen_at=at, **_BY_NOBODY)
    )
    if not changed.rowcount:
        raise ConfigurationError(
            f"Finding {finding_id} is not an accepted one.",
            code="finding_not_accepted",
            fix="Look at the accepted findings: it may be gone, or open already.",
        )
    return _found(transaction, finding_id)


def find(transaction: Transaction, *, finding_id: int) -> StoredFinding | None:
    """Return a finding of any connection and state, None when there is none of that number."""
    row = transaction.execute(select(findings).where(findings.c.finding_id == finding_id)).mappings().first()
    return None if row is None else finding_of(row)


def _found(transaction: Transaction, finding_id: int) -> StoredFinding:
    return finding_of(
        transaction.execute(select(findings).where(findings.c.finding_id == finding_id)).mappings().one()
    )


def roots(transaction: Transaction, *, connection_id: int) -> Iterator[str]:
    """Yield the contracts that have an open or accepted finding."""
    rows = transaction.execute(
        select(findings.c.root_id)
        .where(
            findings.c.connection_id == connection_id,
            findings.c.state.in_([state.value for state in _SHOWN]),
        )
        .distinct()
    )
    for row in rows:
        yield row.root_id


def finding_of(row: RowMapping) -> StoredFinding:
    """Return a row of the table as a finding."""
    values = {name: row[name] for name in StoredFinding.__slots__}
    return StoredFinding(**{**values, "state": FindingState(values["state"])})
