"""How many requests each connection sent to each side in each hour, and how many of them failed."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection as Transaction
from sqlalchemy import delete, select
from sqlalchemy.dialects.sqlite import insert as upsert

from cpqbridge.store.app_tables import call_hours
from cpqbridge.store.tables import connections


@dataclass(frozen=True, slots=True, kw_only=True)
class CallHour:
    """The requests to `side` (salesforce, stripe) in the hour that began at `hour_at` (aware UTC)."""

    connection_id: int
    hour_at: datetime
    side: str
    calls: int
    failures: int


def add(transaction: Transaction, hours: Iterable[CallHour]) -> None:
    """Add what a process counted to what is stored; of connections that are gone nothing is kept."""
    known = set(transaction.execute(select(connections.c.connection_id)).scalars())
    for hour in hours:
        if hour.connection_id not in known:
            continue
        statement = upsert(call_hours).values(
            connection_id=hour.connection_id,
            hour_at=hour.hour_at,
            side=hour.side,
            calls=hour.calls,
            failures=hour.failures,
        )
        transaction.execute(
            statement.on_conflict_do_update(
                index_elements=["connection_id", "hour_at", "side"],
                set_={
                    "calls": call_hours.c.calls + hour.calls,
                    "failures": call_hours.c.failures + hour.failures,
                },
            )
        )


def since(transaction: Transaction, *, connection_id: int, at: datetime) -> tuple[CallHour, ...]:
    """Return a connection's hours that began at or after `at` (aware UTC), oldest first."""
    rows = transaction.execute(
        select(call_hours)
        .where(call_hours.c.connection_id == connection_id, call_hours.c.hour_at >= at)
        .order_by(call_hours.c.hour_at, call_hours.c.side)
    )
    return tuple(CallHour(**row) for row in rows.mappings())


def prune(transaction: Transaction, *, connection_id: int, before: datetime) -> int:
    """Delete a connection's hours that began before `before` (aware UTC); return how many rows."""
    return transaction.execute(
        delete(call_hours).where(call_hours.c.connection_id == connection_id, call_hours.c.hour_at < before)
    ).rowcount
