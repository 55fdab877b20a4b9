"""What was done on purpose, by whom and when: connections, configurations, people, pauses."""

from __future__ import annotations

from collections.abc import Mapping
from contextvars import ContextVar
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import Connection as Transaction
from sqlalchemy import insert, select

from cpqbridge.store.tables import audit

NOBODY = "cpqbridge"
"""The actor of what the program does by itself."""

current_actor: ContextVar[str] = ContextVar("cpqbridge_actor", default=NOBODY)
"""Who acts here and now; set by `cpqbridge.sync.acting.acting_as`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditEntry:
    """One thing that was done; `detail`, `before` and `after` hold plain JSON values and never a secret.

    `actor` is the name of the person, "command line" or "cpqbridge"; whoever acts now unless it is given.
    """

    connection_id: int | None
    at: datetime
    action: str
    subject: str
    detail: Mapping[str, object]
    actor: str = field(default_factory=current_actor.get)
    before: Mapping[str, object] | None = None
    after: Mapping[str, object] | None = None


def record(transaction: Transaction, entry: AuditEntry) -> None:
    """Append an entry."""
    transaction.execute(
        insert(audit).values(
            connection_id=entry.connection_id,
            at=entry.at,
            action=entry.action,
            subject=entry.subject,
            detail=dict(entry.detail),
            actor=entry.actor,
            before=_plain(entry.before),
            after=_plain(entry.after),
        )
    )


def latest(transaction: Transaction, *, connection_id: int | None, limit: int) -> tuple[AuditEntry, ...]:
    """Return the newest entries, newest first; of all connections when `connection_id` is None."""
    query = select(audit).order_by(audit.c.audit_id.desc()).limit(limit)
    if connection_id is not None:
        query = query.where(audit.c.connection_id == connection_id)
    return tuple(entry_of(row) for row in transaction.execute(query))


def entry_of(row: Any) -> AuditEntry:
    """Return the entry of a row of the table `audit`."""
    return AuditEntry(
        connection_id=row.connection_id,
        at=row.at,
        action=row.action,
        subject=row.subject,
        detail=row.detail,
        actor=row.actor,
        before=row.before,
        after=row.after,
    )


def _plain(values: Mapping[str, object] | None) -> dict[str, object] | None:
    return None if values is None else dict(values)
