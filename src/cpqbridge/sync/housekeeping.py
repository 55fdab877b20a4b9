"""Keeping home and org small: finished work is let go by age, old Sync Records by number."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import structlog

from cpqbridge.store import alerts, call_hours, retention, run_hours
from cpqbridge.sync.ports import OpenConnection

if TYPE_CHECKING:
    from cpqbridge.sync.service import SyncService

KEEP_HOURS = timedelta(days=35)
"""How long the hourly counts of runs and requests are kept."""

KEEP_AUDIT = timedelta(days=730)
"""How long entries of the audit that belong to no connection are kept."""

log = structlog.get_logger(__name__)


class Housekeeping:
    """What a worker does about old rows and records."""

    def __init__(self, service: SyncService) -> None:
        """Work on the service's store and connections."""
        self._service = service

    def prune(self) -> int:
        """Delete finished work of every connection that is older than its settings keep; return how many."""
        store = self._service.store
        long_ago = self._service.clock.now() - KEEP_AUDIT
        count = retention.prune_audit(store, connection_id=None, before=long_ago)
        for connection in self._service.connections():
            settings = self._service.configuration(connection.name).sync
            now, connection_id = self._service.clock_of(connection).now(), connection.connection_id
            count += retention.prune_history(
                store, connection_id=connection_id, before=now - timedelta(days=settings.history_days)
            )
            count += retention.prune_audit(
                store, connection_id=connection_id, before=now - timedelta(days=settings.audit_days)
            )
            with store.write() as transaction:
                for hours in (run_hours, call_hours):
                    count += hours.prune(transaction, connection_id=connection_id, before=now - KEEP_HOURS)
                long_over = now - timedelta(days=settings.history_days)
                count += alerts.prune(transaction, connection_id=connection_id, before=long_over)
        if count:
            log.info("history_pruned", rows=count)
        return count

    def prune_sync_records(self, opened: OpenConnection) -> int:
        """Delete the oldest resolved Sync Records beyond `sync.record_retention`; return how many (B12.2)."""
        kept = opened.configuration.sync.record_retention
        count = 0
        while True:
            deleted = opened.salesforce.delete_sync_records(keep=kept)
            count += deleted.count
            if deleted.problem:
                log.warning(
                    "sync_records_not_deleted",
                    connection=opened.connection.name,
                    problem=deleted.problem,
                    what_to_do="Give the integration user Delete on Stripe_Sync_Record__c.",
                )
            if deleted.problem or not deleted.count:
                return count
