"""Lanes: one contract of one connection is worked on by one run at a time.

A lane is taken, renewed and left in one UPDATE each. Its fence rises with every owner, so that a run that
lost its lane (a paused process that wakes up) can be told apart. `at` is the machine's time here, never a
simulated one: a lease is about processes.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, and_, or_, select, update
from sqlalchemy import Connection as Transaction
from sqlalchemy.dialects.sqlite import insert as upsert

from cpqbridge.errors import ConflictError
from cpqbridge.store.tables import lanes


@dataclass(frozen=True, slots=True, kw_only=True)
class Lane:
    """A lane and who holds it; `owner` names one run of one process."""

    connection_id: int
    root_id: str
    owner: str
    host: str
    process_id: int
    workflow_id: str
    fence: int
    expires_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """Who wants a lane and for how long without renewal."""

    owner: str
    host: str
    process_id: int
    workflow_id: str
    lease: timedelta


def take(
    transaction: Transaction,
    *,
    connection_id: int,
    root_id: str,
    claim: Claim,
    at: datetime,
    dead_owners: Collection[str] = (),
) -> Lane | None:
    """Take the lane if it is free, expired, or held by one of `dead_owners`; None when it is not."""
    transaction.execute(
        upsert(lanes)
        .values(
            connection_id=connection_id,
            root_id=root_id,
            owner="",
            host="",
            process_id=0,
            workflow_id="",
            fence=0,
            expires_at=at,
        )
        .on_conflict_do_nothing()
    )
    taken = transaction.execute(
        update(lanes)
        .where(
            _is(connection_id, root_id),
            or_(lanes.c.owner == "", lanes.c.expires_at < at, lanes.c.owner.in_(list(dead_owners))),
        )
        .values(
            owner=claim.owner,
            host=claim.host,
            process_id=claim.process_id,
            workflow_id=claim.workflow_id,
            fence=lanes.c.fence + 1,
            expires_at=at + claim.lease,
        )
    )
    return find(transaction, connection_id=connection_id, root_id=root_id) if taken.rowcount else None


def find(transaction: Transaction, *, connection_id: int, root_id: str) -> Lane | None:
    """Return the lane, None when nobody ever took it; an empty owner means that it is free."""
    row = transaction.execute(select(lanes).where(_is(connection_id, root_id))).mappings().first()
    return None if row is None else Lane(**row)


def held(transaction: Transaction) -> tuple[Lane, ...]:
    """Return every lane that has an owner, over all connections."""
    rows = transaction.execute(select(lanes).where(lanes.c.owner != "")).mappings()
    return tuple(Lane(**row) for row in rows)


def renew(transaction: Transaction, lane: Lane, *, expires_at: datetime) -> bool:
    """Push the end of the lease; False when the lane was lost meanwhile."""
    result = transaction.execute(update(lanes).where(_held_by(lane)).values(expires_at=expires_at))
    return result.rowcount == 1


def leave(transaction: Transaction, lane: Lane) -> None:
    """Give the lane back; does nothing when it was lost meanwhile."""
    transaction.execute(
        update(lanes).where(_held_by(lane)).values(owner="", host="", process_id=0, workflow_id="")
    )


def require(transaction: Transaction, lane: Lane) -> None:
    """Check inside the caller's transaction that the lane is still ours.

    Raises:
        ConflictError: somebody else took it; nothing more may be written.
    """
    if transaction.execute(select(lanes.c.fence).where(_held_by(lane))).first() is None:
        raise ConflictError(
            f"Another process took over contract {lane.root_id}.",
            code="lane_lost",
            record_id=lane.root_id,
            fix="Nothing to do: it goes on there.",
        )


def _is(connection_id: int, root_id: str) -> ColumnElement[bool]:
    return and_(lanes.c.connection_id == connection_id, lanes.c.root_id == root_id)


def _held_by(lane: Lane) -> ColumnElement[bool]:
    return and_(
        _is(lane.connection_id, lane.root_id), lanes.c.owner == lane.owner, lanes.c.fence == lane.fence
    )
