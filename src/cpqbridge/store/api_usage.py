"""What an org said last of its API calls, for all processes of the store."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection as Transaction
from sqlalchemy import select, update
from sqlalchemy.dialects.sqlite import insert as upsert

from cpqbridge.store.tables import api_usage


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownUsage:
    """Of `allowed` calls a day the whole org had used `used` at `noted_at` (aware UTC)."""

    used: int
    allowed: int
    noted_at: datetime


def find(transaction: Transaction, *, connection_id: int) -> KnownUsage | None:
    """Return what is known of a connection's org, None before its first answer."""
    row = transaction.execute(select(api_usage).where(api_usage.c.connection_id == connection_id)).first()
    return None if row is None else KnownUsage(used=row.used, allowed=row.allowed, noted_at=row.noted_at)


def put(transaction: Transaction, *, connection_id: int, known: KnownUsage) -> None:
    """Store what the org said, replacing what was there."""
    values = {"used": known.used, "allowed": known.allowed, "noted_at": known.noted_at}
    statement = upsert(api_usage).values(connection_id=connection_id, **values)
    transaction.execute(statement.on_conflict_do_update(index_elements=["connection_id"], set_=values))


def claim_look(transaction: Transaction, *, connection_id: int, known: KnownUsage, at: datetime) -> bool:
    """Return whether the caller is the one to look again; to the others the usage is as known at `at`."""
    outcome = transaction.execute(
        update(api_usage)
        .where(api_usage.c.connection_id == connection_id, api_usage.c.noted_at == known.noted_at)
        .values(noted_at=at)
    )
    return outcome.rowcount == 1
