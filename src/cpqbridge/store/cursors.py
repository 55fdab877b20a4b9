"""How far a poll has read, per connection."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Connection as Transaction
from sqlalchemy import select
from sqlalchemy.dialects.sqlite import insert as upsert

from cpqbridge.store.tables import cursors


def read(transaction: Transaction, *, connection_id: int, name: str) -> datetime | None:
    """Return the instant the cursor stands at, None before its first use."""
    found: datetime | None = transaction.execute(
        select(cursors.c.instant).where(cursors.c.connection_id == connection_id, cursors.c.name == name)
    ).scalar()
    return found


def move(transaction: Transaction, *, connection_id: int, name: str, instant: datetime) -> None:
    """Set the cursor."""
    statement = upsert(cursors).values(connection_id=connection_id, name=name, instant=instant)
    transaction.execute(
        statement.on_conflict_do_update(index_elements=["connection_id", "name"], set_={"instant": instant})
    )
