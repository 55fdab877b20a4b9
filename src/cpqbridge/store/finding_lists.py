"""Lists of findings over all connections: some of them in pages, and how many there are of each kind."""

from __future__ import annotations

import json
from dataclasses import dataclass

from sqlalchemy import ColumnElement, func, or_, select
from sqlalchemy import Connection as Transaction

from cpqbridge.store.findings import FindingState, StoredFinding, finding_of
from cpqbridge.store.tables import findings, order_states


@dataclass(frozen=True, slots=True, kw_only=True)
class FindingFilter:
    """Which findings are meant; None and empty texts leave out a condition.

    `contract` is the id of a contract or of its original quote, or the number or id of one of its orders.
    """

    state: FindingState = FindingState.OPEN
    connection_id: int | None = None
    kind: str = ""
    contract: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class KindCount:
    """How many findings of a kind there are, and what they come to in one currency, in minor units.

    The amounts are sums over findings about amounts in `currency`; it is empty for findings about none.
    """

    kind: str
    currency: str
    findings: int
    found_minor: int
    wanted_minor: int


def page(
    transaction: Transaction, wanted: FindingFilter, *, offset: int = 0, limit: int | None = None
) -> tuple[StoredFinding, ...]:
    """Return `limit` findings after the first `offset`, the oldest first."""
    rows = transaction.execute(
        select(findings)
        .where(*_conditions(transaction, wanted))
        .order_by(findings.c.finding_id)
        .offset(offset)
        .limit(limit)
    ).mappings()
    return tuple(finding_of(row) for row in rows)


def count(transaction: Transaction, wanted: FindingFilter) -> int:
    """Return how many findings there are."""
    return int(
        transaction.execute(
            select(func.count()).select_from(findings).where(*_conditions(transaction, wanted))
        ).scalar_one()
    )


def kinds(transaction: Transaction, wanted: FindingFilter) -> tuple[KindCount, ...]:
    """Return the kinds of findings that there are, with their amounts by currency."""
    currency = func.coalesce(func.json_extract(findings.c.document, "$.currency"), "")
    found, should = (
        func.coalesce(func.sum(func.json_extract(findings.c.document, f"$.{name}")), 0)
        for name in ("found_minor", "wanted_minor")
    )
    rows = transaction.execute(
        select(findings.c.kind, currency, func.count(), found, should)
        .where(*_conditions(transaction, wanted))
        .group_by(findings.c.kind, currency)
        .order_by(findings.c.kind, currency)
    )
    return tuple(
        KindCount(
            kind=kind,
            currency=str(code),
            findings=int(number),
            found_minor=int(found_minor),
            wanted_minor=int(wanted_minor),
        )
        for kind, code, number, found_minor, wanted_minor in rows
    )


def _conditions(transaction: Transaction, wanted: FindingFilter) -> list[ColumnElement[bool]]:
    conditions = [findings.c.state == wanted.state.value]
    if wanted.connection_id is not None:
        conditions.append(findings.c.connection_id == wanted.connection_id)
    if wanted.kind:
        conditions.append(findings.c.kind == wanted.kind)
    if wanted.contract:
        # Of a contract that was never synced only the finding itself knows the order's number.
        told = func.json_extract(findings.c.document, "$.order_numbers")
        named = json.dumps(wanted.contract)
        conditions.append(
            or_(
                findings.c.root_id.in_(_roots(transaction, wanted.contract)),
                func.json_extract(findings.c.document, "$.contract") == wanted.contract,
                told.contains(named, autoescape=True),
            )
        )
    return conditions


def _roots(transaction: Transaction, text: str) -> list[str]:
    """Return the root ids of contracts that a person may mean by a text."""
    columns = order_states.c
    known = transaction.execute(
        select(columns.root_id)
        .where(
            or_(
                columns.order_number == text,
                columns.order_id == text,
                columns.contract_key == text,
                columns.root_id == text,
            )
        )
        .distinct()
        .limit(100)
    ).scalars()
    return sorted({text, *known})
