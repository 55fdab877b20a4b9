"""How far a poll has read, per connection."""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlalchemy import Connection as Transaction
from sqlalchemy import select
from sqlalchemy.dialects.sqlite import insert as upsert

from cpqbridge.store.tables import cursors

ORDERS = "orders"
"""The cursor of polls for orders: the org's own time at the last poll that found what there was."""

EVENTS_HEARD, EVENTS_MISSED = "events_heard", "events_missed"
"""When a webhook last brought an event, and when one was last found by asking that no webhook had brought."""

OVERLAP = timedelta(minutes=15)
"""How far back a poll looks again: a slow transaction appears with an older stamp than it was committed.
Source: the project's design notes, salesforce.md 3.1 (20 Nov 2026)."""


def orders_since(transaction: Transaction, *, connection_id: int) -> datetime | None:
    """Return from when on orders are looked for, `OVERLAP` before the cursor; None before the first poll."""
    found = read(transaction, connection_id=connection_id, name=ORDERS)
    return None if found is None else found - OVERLAP


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
