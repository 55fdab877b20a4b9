"""Reconciliations in the background: asked for by a person, done by a worker, watched on a page."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

import structlog

from cpqbridge.errors import ConflictError
from cpqbridge.store import audit, connections, reconciliations
from cpqbridge.store.audit import AuditEntry, current_actor
from cpqbridge.store.connections import Connection
from cpqbridge.store.reconciliations import Reconciliation, Request
from cpqbridge.sync import liveness
from cpqbridge.sync.ports import OpenConnection
from cpqbridge.sync.reconcile import Reconciler
from cpqbridge.sync.reconcile_lock import is_running

if TYPE_CHECKING:
    from cpqbridge.sync.service import SyncService

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class ReconciliationStanding:
    """How the reconciliation of a connection stands; times are aware UTC by the connection's clock.

    `contracts` of `total` were compared by the last one, that began at `started_at` (None: there was none)
    and ended at `finished_at`, or was cut off by `problem`. `asked_by` is who waits for the next one.
    `has_worker` tells whether a worker of this home runs that would take it up.
    """

    connection: Connection
    started_at: datetime | None
    finished_at: datetime | None
    contracts: int
    total: int
    problem: str
    asked_by: str
    is_running: bool
    has_worker: bool

    @property
    def is_under_way(self) -> bool:
        """Return whether one goes on or is about to begin."""
        return self.is_running or bool(self.asked_by)

    @property
    def percent(self) -> int:
        """Return how much of it is done."""
        return 100 * self.contracts // self.total if self.total else 0


class Reconciling:
    """Takes wishes for reconciliations, carries them out, and says how far they are."""

    def __init__(self, service: SyncService) -> None:
        """Work on the service's connections."""
        self._service = service
        self._store = service.store

    def ask_for(self, name: str | None) -> bool:
        """Have all contracts of a connection compared soon; return False where that was asked for already.

        Raises:
            ConfigurationError: there is no such connection.
            PausedError: it is paused.
        """
        with self._store.read() as transaction:
            connection = connections.find(transaction, name)
        self._service.gate.require_open(connection.connection_id)
        now = self._service.clock_of(connection).now()
        with self._store.write() as transaction:
            is_new = reconciliations.ask_for(
                transaction,
                connection_id=connection.connection_id,
                request=Request(actor=current_actor.get(), requested_at=now),
            )
            if is_new:
                entry = AuditEntry(
                    connection_id=connection.connection_id,
                    at=now,
                    action="reconciliation_asked_for",
                    subject=connection.name,
                    detail={},
                )
                audit.record(transaction, entry)
        return is_new

    def is_asked_for(self, connection: Connection) -> bool:
        """Return whether somebody waits for a reconciliation."""
        with self._store.read() as transaction:
            found = reconciliations.requested(transaction, connection_id=connection.connection_id)
        return found is not None

    def work(self, opened: OpenConnection) -> None:
        """Carry out what was asked for; what stops it is stored for whoever asked, and raised."""
        try:
            result = Reconciler(self._service).run(opened.connection.name)
            log.info(
                "reconciled",
                connection=opened.connection.name,
                contracts=result.contracts,
                findings=len(result.open),
            )
        except ConflictError:
            # The one that runs answers the wish as well.
            log.info("reconciliation_runs_already", connection=opened.connection.name)
        finally:
            # A process that is killed does not come here, so the next one takes it up.
            with self._store.write() as transaction:
                reconciliations.answer(transaction, connection_id=opened.connection_id)

    def standings(self) -> tuple[ReconciliationStanding, ...]:
        """Return how the reconciliation of every connection stands, by name."""
        has_worker = any(each.alive for each in liveness.workers(self._store.home))
        return tuple(self._standing(each, has_worker) for each in self._service.connections())

    def _standing(self, connection: Connection, has_worker: bool) -> ReconciliationStanding:
        connection_id = connection.connection_id
        with self._store.read() as transaction:
            state = reconciliations.find(transaction, connection_id=connection_id)
            request = reconciliations.requested(transaction, connection_id=connection_id)
        known = state or Reconciliation(
            started_at=connection.created_at, finished_at=None, last_place="", contracts=0
        )
        return ReconciliationStanding(
            connection=connection,
            started_at=state.started_at if state is not None else None,
            finished_at=known.finished_at,
            contracts=known.contracts,
            total=known.total,
            problem=known.problem,
            asked_by=request.actor if request is not None else "",
            is_running=is_running(self._store.home, connection_id),
            has_worker=has_worker,
        )
