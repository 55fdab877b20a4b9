"""A dry run: every recent order is planned as a preview plans it, and nothing is written on either side.

It works in a thread of the process that was asked, so that a page can be left and come back to. What it finds
is stored; when the process ends before it does, it counts as stopped.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from cpqbridge.clock import SystemClock
from cpqbridge.errors import ConfigurationError
from cpqbridge.store import audit, connections, dry_runs
from cpqbridge.store.audit import AuditEntry, current_actor
from cpqbridge.store.connections import Connection
from cpqbridge.store.dry_runs import DryRunState, StoredDryRun
from cpqbridge.sync.dry_run_result import DryRunResult
from cpqbridge.sync.dry_run_work import MOST_ORDERS, DryRunWork, Run, carry_out
from cpqbridge.sync.liveness import is_alive, mark_once

if TYPE_CHECKING:
    from cpqbridge.sync.service import SyncService

__all__ = ["DEFAULT_DAYS", "MOST_DAYS", "DryRun", "DryRunState", "DryRuns"]

DEFAULT_DAYS = 30
MOST_DAYS = 365
_MACHINE = SystemClock()


@dataclass(frozen=True, slots=True, kw_only=True)
class DryRun:
    """A dry run as people see it. `done` of `total` contracts are planned; `now` is the order at hand.

    `orders_found` is how many orders there were, more than were planned when `is_cut`. `problem` is why it
    ended early, with what to do in `fix`. `result` is None while it runs. Times are aware UTC.
    """

    dry_run_id: int
    connection: str
    state: DryRunState
    days: int
    activated_since: datetime
    actor: str
    started_at: datetime
    finished_at: datetime | None
    done: int
    total: int
    now: str
    orders_found: int
    problem: str
    fix: str
    result: DryRunResult | None

    @property
    def is_cut(self) -> bool:
        """Return whether there were more orders than a dry run takes."""
        return self.orders_found > MOST_ORDERS

    @property
    def percent(self) -> int:
        """Return how much is done, 0 to 100."""
        return 100 * self.done // self.total if self.total else 0


class DryRuns:
    """The dry runs of the connections of a service."""

    def __init__(self, service: SyncService) -> None:
        """Begin nothing yet."""
        self._service = service

    def start(self, name: str | None, *, days: int = DEFAULT_DAYS) -> int:
        """Begin a dry run of the orders activated in the last `days` days, and return its id at once.

        Raises:
            ConfigurationError: one of the connection runs already, or the number of days is out of bounds.
        """
        if not 1 <= days <= MOST_DAYS:
            raise ConfigurationError(
                f"A dry run looks at the last 1 to {MOST_DAYS} days.",
                code="dry_run_days",
                field="days",
                fix="Choose a number of days between these.",
            )
        service, store = self._service, self._service.store
        connection = self._found(name)
        self._end_abandoned(connection)
        as_of = service.clock_of(connection).now()
        mark = mark_once(store.home)
        run = Run(
            days=days,
            as_of=as_of,
            activated_since=as_of - timedelta(days=days),
            mark=mark.name,
        )
        try:
            with store.write() as transaction:
                dry_run_id = dry_runs.begin(
                    transaction,
                    connection_id=connection.connection_id,
                    document=run.as_document(),
                    actor=current_actor.get(),
                    at=_MACHINE.now(),
                )
                audit.record(
                    transaction,
                    AuditEntry(
                        connection_id=connection.connection_id,
                        at=as_of,
                        action="dry_run_started",
                        subject=connection.name,
                        detail={"days": days},
                    ),
                )
        except BaseException:
            mark.release()
            raise
        work = DryRunWork(service, connection, dry_run_id, run)
        threading.Thread(
            target=carry_out, args=(work, mark), name=f"cpqbridge-dry-run-{dry_run_id}", daemon=True
        ).start()
        return dry_run_id

    def stop(self, name: str | None, dry_run_id: int) -> bool:
        """End a dry run; return whether it ran."""
        return self._end(self._stored(self._found(name), dry_run_id))

    def find(self, name: str | None, dry_run_id: int) -> DryRun:
        """Return one dry run with what it found.

        Raises:
            ConfigurationError: there is none with this id (code `dry_run_unknown`).
        """
        connection = self._found(name)
        self._end_abandoned(connection)
        return _shown(self._stored(connection, dry_run_id), connection)

    def latest(self, name: str | None) -> DryRun | None:
        """Return the newest dry run of a connection without what it found, None before the first."""
        known = self.all(name)
        return known[0] if known else None

    def all(self, name: str | None) -> tuple[DryRun, ...]:
        """Return the dry runs of a connection that are kept, newest first, without what they found."""
        connection = self._found(name)
        return tuple(_shown(each, connection) for each in self._end_abandoned(connection))

    def _found(self, name: str | None) -> Connection:
        with self._service.store.read() as transaction:
            return connections.find(transaction, name)

    def _stored(self, connection: Connection, dry_run_id: int) -> StoredDryRun:
        with self._service.store.read() as transaction:
            found = dry_runs.find(transaction, connection_id=connection.connection_id, dry_run_id=dry_run_id)
        if found is None:
            raise ConfigurationError(
                f"There is no dry run {dry_run_id} of {connection.name}.",
                code="dry_run_unknown",
                fix="Begin a new one; the last ten are kept.",
            )
        return found

    def _end_abandoned(self, connection: Connection) -> tuple[StoredDryRun, ...]:
        """Return the dry runs of a connection; those whose process is gone are stopped."""
        while True:
            with self._service.store.read() as transaction:
                known = dry_runs.of_connection(transaction, connection_id=connection.connection_id)
            abandoned = [each for each in known if self._is_abandoned(each)]
            if not abandoned:
                return known
            for each in abandoned:
                self._end(each)

    def _is_abandoned(self, stored: StoredDryRun) -> bool:
        is_running = stored.state is DryRunState.RUNNING
        return is_running and not is_alive(self._service.store.home, str(stored.document["mark"]))

    def _end(self, stored: StoredDryRun) -> bool:
        with self._service.store.write() as transaction:
            return dry_runs.end(
                transaction,
                dry_run_id=stored.dry_run_id,
                state=DryRunState.STOPPED,
                document=stored.document,
                at=_MACHINE.now(),
            )


def _shown(stored: StoredDryRun, connection: Connection) -> DryRun:
    told = stored.document
    return DryRun(
        dry_run_id=stored.dry_run_id,
        connection=connection.name,
        state=stored.state,
        days=told["days"],
        activated_since=datetime.fromisoformat(told["activated_since"]),
        actor=stored.actor,
        started_at=stored.started_at,
        finished_at=stored.finished_at,
        done=told["done"],
        total=told["total"],
        now=told["now"],
        orders_found=told["orders_found"],
        problem=told["problem"],
        fix=told["fix"],
        result=None if stored.result is None else DryRunResult.from_document(stored.result),
    )
