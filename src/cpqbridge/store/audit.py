"""What was done on purpose and when: connections added and checked, configurations applied."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection as Transaction
from sqlalchemy import insert, select

from cpqbridge.store.tables import audit


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditEntry:
    """One thing that was done; `detail` holds plain JSON values and never a secret."""

    connection_id: int | None
    at: datetime
    action: str
    subject: str
    detail: Mapping[str, object]


def record(transaction: Transaction, entry: AuditEntry) -> None:
    """Append an entry."""
    transaction.execute(
        insert(audit).values(
            connection_id=entry.connection_id,
            at=entry.at,
            action=entry.action,
            subject=entry.subject,
            detail=dict(entry.detail),
        )
    )


def latest(transaction: Transaction, *, connection_id: int | None, limit: int) -> tuple[AuditEntry, ...]:
    """Return the newest entries, newest first; of all connections when `connection_id` is None."""
    query = select(audit).order_by(audit.c.audit_id.desc()).limit(limit)
    if connection_id is not None:
        query = query.where(audit.c.connection_id == connection_id)
    return tuple(
        AuditEntry(
            connection_id=row.connection_id,
            at=row.at,
            action=row.action,
            subject=row.subject,
            detail=row.detail,
        )
        for row in transaction.execute(query)
    )
