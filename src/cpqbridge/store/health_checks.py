"""What the last check of each connection found, when it was made, and who asked for it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection as Transaction
from sqlalchemy import select
from sqlalchemy.dialects.sqlite import insert as upsert

from cpqbridge.store.app_tables import health_checks


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredHealth:
    """A check of a connection at `checked_at` (aware UTC, machine's clock); see `cpqbridge.sync.checks`."""

    document: Mapping[str, Any]
    actor: str
    checked_at: datetime


def put(
    transaction: Transaction, *, connection_id: int, document: Mapping[str, Any], actor: str, at: datetime
) -> None:
    """Keep a check in place of the one before."""
    values = {"document": dict(document), "actor": actor, "checked_at": at}
    transaction.execute(
        upsert(health_checks)
        .values(connection_id=connection_id, **values)
        .on_conflict_do_update(index_elements=["connection_id"], set_=values)
    )


def find(transaction: Transaction, *, connection_id: int) -> StoredHealth | None:
    """Return the last check of a connection, None before the first."""
    row = transaction.execute(
        select(health_checks).where(health_checks.c.connection_id == connection_id)
    ).first()
    if row is None:
        return None
    return StoredHealth(document=row.document, actor=row.actor, checked_at=row.checked_at)
