"""Stopping everything at once, and going on: the gate before every call, and the runs that wait behind it."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from typing import TYPE_CHECKING

from cpqbridge.clock import Clock, SystemClock, monotonic_seconds
from cpqbridge.domain.refusal import OrderState
from cpqbridge.errors import ConfigurationError, PausedError
from cpqbridge.store import audit, connections, pauses, plans
from cpqbridge.store.audit import AuditEntry
from cpqbridge.store.connections import Connection
from cpqbridge.store.database import Store
from cpqbridge.store.pauses import EVERYTHING, Pause, scope_of
from cpqbridge.store.plans import OrderStanding
from cpqbridge.sync.notices import Notices
from cpqbridge.sync.task import Task

if TYPE_CHECKING:
    from cpqbridge.sync.service import SyncService

KNOWN_FOR_SECONDS = 0.25
"""How long a process goes by what it read; a pause by another process is seen after that at the latest."""


class PauseGate:
    """What is paused, asked before every call to either side."""

    def __init__(self, store: Store, *, clock: Clock | None = None) -> None:
        """Read nothing yet. `clock` is the machine's unless a test hands in another."""
        self._store = store
        self._clock = clock or SystemClock()
        self._guard = threading.Lock()
        self._known: Mapping[str, Pause] = {}
        self._read_again_at = 0.0

    def pause_of(self, connection_id: int) -> Pause | None:
        """Return the pause that stops a connection, that of everything first; None when it may work."""
        return pauses.of_connection(self._standing(), connection_id)

    def require_open(self, connection_id: int) -> None:
        """Check that a connection may work.

        Raises:
            PausedError: it is paused.
        """
        pause = self.pause_of(connection_id)
        if pause is not None:
            raise PausedError(
                pauses.waits_because(pause),
                code="paused",
                fix=pauses.GOES_ON,
            )

    def forget(self) -> None:
        """Read the pauses again at the next question."""
        with self._guard:
            self._read_again_at = 0.0

    def park(self, task: Task) -> None:
        """Keep a run that a pause stopped, to be queued again after it; its order is shown as queued."""
        notice, now = task.notice, self._clock.now()
        with self._store.write() as transaction:
            if not plans.standings(transaction, connection_id=task.connection_id, root_id=task.root_id):
                waiting = OrderStanding(
                    order_id=notice.order_id,
                    order_number=notice.order_number,
                    root_id=task.root_id,
                    contract_key=notice.contract_id or notice.order_id,
                    state=OrderState.QUEUED,
                    modified_at="",
                    updated_at=now,
                )
                plans.save_standing(transaction, connection_id=task.connection_id, standing=waiting)
            pauses.park(
                transaction,
                connection_id=task.connection_id,
                root_id=task.root_id,
                task=task.as_document(),
                at=now,
            )

    def was_done(self, task: Task) -> None:
        """Forget that a run of the contract waits, now that one of it came to its end."""
        connection_id, root_id = task.connection_id, task.root_id
        with self._store.read() as transaction:
            waits = pauses.is_parked(transaction, connection_id=connection_id, root_id=root_id)
        if waits:
            with self._store.write() as transaction:
                pauses.unpark(transaction, connection_id=connection_id, root_id=root_id)

    def _standing(self) -> Mapping[str, Pause]:
        with self._guard:
            if monotonic_seconds() >= self._read_again_at:
                with self._store.read() as transaction:
                    self._known = pauses.standing(transaction)
                self._read_again_at = monotonic_seconds() + KNOWN_FOR_SECONDS
            return self._known


class Pausing:
    """The use cases of a person: stop, go on."""

    def __init__(self, service: SyncService) -> None:
        """Work on the service's store."""
        self._service = service

    def pause(self, name: str | None, *, reason: str = "") -> Pause:
        """Stop everything, or one connection by name; a call under way ends and is recorded.

        Raises:
            ConfigurationError: there is no such connection.
        """
        now = self._service.clock.now()
        with self._service.store.write() as transaction:
            connection = None if name is None else connections.find(transaction, name)
            scope = _scope(connection)
            pauses.put(transaction, Pause(scope=scope, reason=reason.strip(), paused_at=now))
            audit.record(transaction, self._entry("paused", connection, {"reason": reason.strip()}))
            made = pauses.standing(transaction)[scope]
        self._service.gate.forget()
        return made

    def resume(self, name: str | None) -> bool:
        """Go on; return whether anything was paused. Without a name the pause of everything is lifted.

        Raises:
            ConfigurationError: there is no such connection, or another pause than the one named stands.
        """
        with self._service.store.write() as transaction:
            connection = None if name is None else connections.find(transaction, name)
            standing = pauses.standing(transaction)
            scope = _scope(connection)
            if scope not in standing:
                _require_no_other(standing, connection, connections.list_all(transaction))
                return False
            pauses.lift(transaction, scope=scope)
            audit.record(transaction, self._entry("resumed", connection, {}))
        self._service.gate.forget()
        return True

    def _entry(self, action: str, connection: Connection | None, detail: Mapping[str, object]) -> AuditEntry:
        return AuditEntry(
            connection_id=None if connection is None else connection.connection_id,
            at=self._service.clock.now(),
            action=action,
            subject=EVERYTHING if connection is None else connection.name,
            detail=detail,
        )


def go_on(service: SyncService, connection_id: int) -> int:
    """Queue the runs of a connection that waited for the end of a pause; return how many."""
    with service.store.read() as transaction:
        waiting = pauses.parked(transaction, connection_id=connection_id)
    notices = Notices(service)
    for document in waiting:
        task = Task.from_document(document)
        notices.queue(task)
        with service.store.write() as transaction:
            pauses.unpark(transaction, connection_id=connection_id, root_id=task.root_id)
    return len(waiting)


def _scope(connection: Connection | None) -> str:
    return EVERYTHING if connection is None else scope_of(connection.connection_id)


def _require_no_other(
    standing: Mapping[str, Pause], connection: Connection | None, known: tuple[Connection, ...]
) -> None:
    """Say what is paused where something else is than what is to be resumed."""
    if connection is not None and EVERYTHING in standing:
        raise ConfigurationError(
            f"{connection.name} is not paused by itself: everything is.",
            code="pause_other",
            field="--connection",
            fix="Go on with everything: cpqbridge resume. Before that pause those that shall not.",
        )
    named = [each.name for each in known if scope_of(each.connection_id) in standing]
    if connection is None and named:
        raise ConfigurationError(
            f"Not everything is paused, only: {', '.join(named)}.",
            code="pause_other",
            field="--connection",
            fix=f"Name it: cpqbridge resume --connection {named[0]}",
        )
