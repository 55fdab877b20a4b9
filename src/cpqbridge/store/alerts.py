"""What is wrong or was: one row per trouble of a connection, from the moment it began until it is over."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection as Transaction
from sqlalchemy import delete, insert, select, update

from cpqbridge.store.app_tables import alerts


@dataclass(frozen=True, slots=True, kw_only=True)
class Alert:
    """A trouble of a connection; times are aware UTC.

    `items` are what it is about by key (orders, contracts, findings), with a short text each. `told_at` is
    when it was last told for being new or for new items, `reminded_at` when it was last told at all.
    `ended_at` is None while it lasts.
    """

    alert_id: int
    connection_id: int
    kind: str
    message: str
    fix: str
    items: Mapping[str, str]
    raised_at: datetime
    told_at: datetime
    reminded_at: datetime
    ended_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Trouble:
    """What is wrong now; see `Alert`."""

    kind: str
    message: str
    fix: str
    items: Mapping[str, str]


def open_alerts(transaction: Transaction, *, connection_id: int | None = None) -> tuple[Alert, ...]:
    """Return the troubles that last, oldest first; of all connections unless one is named."""
    query = select(alerts).where(alerts.c.ended_at.is_(None)).order_by(alerts.c.alert_id)
    if connection_id is not None:
        query = query.where(alerts.c.connection_id == connection_id)
    return tuple(Alert(**row) for row in transaction.execute(query).mappings())


def latest(transaction: Transaction, *, limit: int) -> tuple[Alert, ...]:
    """Return the newest troubles, also those that are over, newest first."""
    query = select(alerts).order_by(alerts.c.alert_id.desc()).limit(limit)
    return tuple(Alert(**row) for row in transaction.execute(query).mappings())


def begin(transaction: Transaction, trouble: Trouble, *, connection_id: int, at: datetime) -> Alert:
    """Store a trouble that just began."""
    statement = insert(alerts).values(
        connection_id=connection_id,
        kind=trouble.kind,
        message=trouble.message,
        fix=trouble.fix,
        items=dict(trouble.items),
        raised_at=at,
        told_at=at,
        reminded_at=at,
    )
    row = transaction.execute(statement.returning(alerts)).mappings().one()
    return Alert(**row)


def keep(
    transaction: Transaction,
    trouble: Trouble,
    *,
    alert_id: int,
    items: Mapping[str, str],
    told_at: datetime,
    reminded_at: datetime,
) -> None:
    """Store how a trouble that lasts stands now, which items were told, and when."""
    transaction.execute(
        update(alerts)
        .where(alerts.c.alert_id == alert_id)
        .values(
            message=trouble.message,
            fix=trouble.fix,
            items=dict(items),
            told_at=told_at,
            reminded_at=reminded_at,
        )
    )


def end(transaction: Transaction, *, alert_id: int, at: datetime) -> None:
    """Note that a trouble is over."""
    transaction.execute(update(alerts).where(alerts.c.alert_id == alert_id).values(ended_at=at))


def prune(transaction: Transaction, *, connection_id: int, before: datetime) -> int:
    """Delete a connection's troubles that were over before `before`, with their messages; return how many."""
    return transaction.execute(
        delete(alerts).where(alerts.c.connection_id == connection_id, alerts.c.ended_at < before)
    ).rowcount
