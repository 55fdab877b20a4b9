"""How often a call that keeps failing was sent, so that it is not sent too often over runs and restarts.

Only calls that failed have a row; one that succeeds again loses it.
"""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Connection as Transaction
from sqlalchemy import delete, select
from sqlalchemy.dialects.sqlite import insert as upsert

from cpqbridge.store.tables import tries


def sent_since(
    transaction: Transaction, *, connection_id: int, step: str, since: datetime
) -> tuple[datetime, ...]:
    """Return when a failing call was sent after `since` (aware UTC), oldest first."""
    row = transaction.execute(
        select(tries.c.instants).where(tries.c.connection_id == connection_id, tries.c.step == step)
    ).first()
    sent = map(datetime.fromisoformat, row.instants) if row is not None else ()
    return tuple(instant for instant in sent if instant > since)


def note(
    transaction: Transaction, *, connection_id: int, step: str, at: datetime, since: datetime
) -> tuple[datetime, ...]:
    """Record that a failing call is sent at `at`; return when it was sent after `since`, this one last.

    Calls that nobody sent after `since` are forgotten, so that the table stays small by itself.
    """
    known = sent_since(transaction, connection_id=connection_id, step=step, since=since)
    sent = (*known, at)
    values = {"instants": [instant.isoformat() for instant in sent], "last_at": at}
    statement = upsert(tries).values(connection_id=connection_id, step=step, **values)
    transaction.execute(
        statement.on_conflict_do_update(index_elements=["connection_id", "step"], set_=values)
    )
    transaction.execute(delete(tries).where(tries.c.connection_id == connection_id, tries.c.last_at <= since))
    return sent


def note_earlier(transaction: Transaction, *, connection_id: int, step: str, at: datetime) -> None:
    """Record that a call was sent at `at` whose process ended before it could say so; once for all."""
    statement = upsert(tries).values(
        connection_id=connection_id, step=step, instants=[at.isoformat()], last_at=at
    )
    transaction.execute(statement.on_conflict_do_nothing())


def forget(transaction: Transaction, *, connection_id: int, step: str) -> None:
    """Drop a call that succeeded, or that was answered for good."""
    transaction.execute(delete(tries).where(tries.c.connection_id == connection_id, tries.c.step == step))
