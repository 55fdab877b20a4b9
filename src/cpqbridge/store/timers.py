"""When a contract is to be synced although no order changes: at most one timer each.

A timer stands until a sync of its contract has planned what comes after it. Taking it for a try only puts off
the next try, so that a crash or a failure never loses it.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Connection as Transaction
from sqlalchemy import Select, delete, select, update
from sqlalchemy.dialects.sqlite import insert as upsert

from cpqbridge.store.tables import timers

FIRST_WAIT = timedelta(minutes=2)
LONGEST_WAIT = timedelta(hours=6)


@dataclass(frozen=True, slots=True, kw_only=True)
class Timer:
    """The contract `root_id`, by one of its orders, is due at `due_at` (aware UTC).

    `attempts` is how often a sync was begun for it, `next_at` when the next may begin.
    """

    root_id: str
    order_id: str
    due_at: datetime
    attempts: int
    next_at: datetime


def put(
    transaction: Transaction, *, connection_id: int, root_id: str, order_id: str, due_at: datetime | None
) -> None:
    """Set the contract's timer, or with None delete it; one that is set to the same instant is left alone."""
    present = find(transaction, connection_id=connection_id, root_id=root_id)
    if (present.due_at if present else None) == due_at:
        return
    if due_at is None:
        transaction.execute(
            delete(timers).where(timers.c.connection_id == connection_id, timers.c.root_id == root_id)
        )
        return
    values = {"order_id": order_id, "due_at": due_at, "attempts": 0, "next_at": due_at}
    statement = upsert(timers).values(connection_id=connection_id, root_id=root_id, **values)
    transaction.execute(
        statement.on_conflict_do_update(index_elements=["connection_id", "root_id"], set_=values)
    )


def find(transaction: Transaction, *, connection_id: int, root_id: str) -> Timer | None:
    """Return the contract's timer, None without one."""
    row = (
        transaction.execute(
            _all().where(timers.c.connection_id == connection_id, timers.c.root_id == root_id)
        )
        .mappings()
        .first()
    )
    return None if row is None else Timer(**row)


def upcoming(
    transaction: Transaction, *, connection_id: int, until: datetime | None = None
) -> tuple[Timer, ...]:
    """Return the timers whose next try is due at `until` or before (all without it), oldest first."""
    query = _all().where(timers.c.connection_id == connection_id)
    if until is not None:
        query = query.where(timers.c.next_at <= until)
    rows = transaction.execute(query.order_by(timers.c.due_at, timers.c.root_id)).mappings()
    return tuple(Timer(**row) for row in rows)


def claim(transaction: Transaction, *, connection_id: int, timer: Timer, at: datetime) -> None:
    """Put off the next try: by 2 minutes, then twice as long each time, at most 6 hours.

    A timer that was set anew since it was read is left alone.
    """
    wait = min(FIRST_WAIT * 2 ** min(timer.attempts, 16), LONGEST_WAIT)
    transaction.execute(
        update(timers)
        .where(
            timers.c.connection_id == connection_id,
            timers.c.root_id == timer.root_id,
            timers.c.due_at == timer.due_at,
        )
        .values(attempts=timer.attempts + 1, next_at=at + wait)
    )


def _all() -> Select[tuple[str, str, datetime, int, datetime]]:
    return select(timers.c.root_id, timers.c.order_id, timers.c.due_at, timers.c.attempts, timers.c.next_at)
