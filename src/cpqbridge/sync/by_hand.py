"""Writing down that a person asked for a sync, before it begins: also one that fails was asked for."""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING

from cpqbridge.store import audit, connections
from cpqbridge.store.audit import AuditEntry

if TYPE_CHECKING:
    from cpqbridge.sync.service import SyncService


def note_sync(
    service: SyncService, name: str | None, order: str, *, released: frozenset[str], cutover: date | None
) -> None:
    """Record that somebody syncs `order` (id or number, as given), and what they released for it.

    Raises:
        ConfigurationError: there is no such connection.
    """
    detail: dict[str, object] = {"released": sorted(released)} if released else {}
    if cutover is not None:
        detail["cutover"] = cutover.isoformat()
    with service.store.write() as transaction:
        connection = connections.find(transaction, name)
        entry = AuditEntry(
            connection_id=connection.connection_id,
            at=service.clock_of(connection).now(),
            action="order_released" if released else "order_synced",
            subject=order,
            detail=detail,
        )
        audit.record(transaction, entry)
