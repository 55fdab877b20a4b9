"""A worker's work beside carrying out queued runs: polls, timers, new tries, nights, take-over from the dead.

Each connection has its own turns in threads of its own, so that one whose org is slow holds up no other.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING

import structlog

from cpqbridge.clock import monotonic_seconds
from cpqbridge.errors import AccessLostError, CpqbridgeError, PausedError, TransientError
from cpqbridge.store import connections
from cpqbridge.store.connections import Connection
from cpqbridge.sync.allowance import Purpose, calling_for
from cpqbridge.sync.event_desk import EventDesk
from cpqbridge.sync.finding import Finder
from cpqbridge.sync.housekeeping import Housekeeping
from cpqbridge.sync.nightly import Night
from cpqbridge.sync.pausing import go_on
from cpqbridge.sync.ports import OpenConnection
from cpqbridge.sync.reconciling import Reconciling

if TYPE_CHECKING:
    from cpqbridge.sync.service import SyncService

TICK_SECONDS = 0.5
TAKE_OVER_SECONDS = 5.0
FORGET_SECONDS = 3600.0
ALERT_SECONDS = 3600.0
NIGHT_SECONDS = 300.0
"""How often it is looked whether a night's work is due, and how long after a failure it is tried again."""

STOP_SECONDS = 3.0
"""How long stopping waits for turns under way; what they were doing is done again by the next worker."""

KEEP_FINISHED = timedelta(days=7)

log = structlog.get_logger(__name__)


class Worker:
    """Puts contracts to sync on the queue, until it is stopped.

    These are the ones that changed, where a connection is live, and everywhere the ones whose timer or new
    try is due: a connection that is no longer live still finishes what was begun.
    """

    def __init__(self, service: SyncService) -> None:
        """Prepare; nothing runs yet."""
        self._service = service
        self._finder = Finder(service)
        self._night = Night(service)
        self._stopped = threading.Event()
        self._thread: threading.Thread | None = None
        self._turns: dict[tuple[int, str], threading.Thread] = {}
        self._begun: set[int] = set()
        self._next: dict[str, float] = {}
        self._told: dict[int, str] = {}
        self._events = EventDesk(service)
        self._reconciling = Reconciling(service)
        self._housekeeping = Housekeeping(service)

    def start(self) -> None:
        """Begin in a thread of its own."""
        self._service.engine()
        self._thread = threading.Thread(target=self.run, name="cpqbridge-worker", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """End the loop and wait for it a few seconds; queued runs stay queued."""
        self._stopped.set()
        if self._thread is not None:
            self._thread.join()
        deadline = monotonic_seconds() + STOP_SECONDS
        for turn in self._turns.values():
            turn.join(max(0.0, deadline - monotonic_seconds()))

    def run(self) -> None:
        """Work until stopped; no problem ends it."""
        while not self._stopped.is_set():
            self._begin_turns()
            self._service.turned()
            self._stopped.wait(TICK_SECONDS)

    def tick(self) -> None:
        """Do what is due now, and wait for it."""
        self._begin_turns()
        while under_way := [turn for turn in tuple(self._turns.values()) if turn.is_alive()]:
            under_way[0].join()

    def alert(self) -> int:
        """Log every phase that Stripe was not given in time, of all connections; return how many (B7.3)."""
        found = [
            (connection.name, missing)
            for connection in self._service.connections()
            for missing in self._service.views.missing_phases(
                connection.connection_id, now=self._service.clock_of(connection).now()
            )
        ]
        for name, missing in found:
            log.error(
                "phase_not_in_stripe",
                connection=name,
                contract=missing.root_id,
                schedule=missing.key,
                begins_at=missing.begins_at.isoformat(),
                what_to_do=missing.text,
            )
        return len(found)

    def _begin_turns(self) -> None:
        try:
            self._do_common_work()
            found = [each for each in self._service.connections() if self._may_work(each)]
        except Exception:
            log.exception("worker_tick_failed")
            return
        for connection in found:
            self._begin(connection, "turn", partial(self._turn, connection))

    def _may_work(self, connection: Connection) -> bool:
        paused = self._service.gate.pause_of(connection.connection_id) is not None
        return connection.access_lost is None and not paused

    def _do_common_work(self) -> None:
        engine = self._service.engine()
        if self._is_due("take over", TAKE_OVER_SECONDS):
            taken = engine.take_over_from_the_dead()
            if taken:
                log.info("work_taken_over", runs=taken)
        if self._is_due("forget", FORGET_SECONDS):
            engine.forget_finished(older_than=KEEP_FINISHED)
            self._housekeeping.prune()
        if self._is_due("alert", ALERT_SECONDS):
            self.alert()

    def _begin(self, connection: Connection, kind: str, work: Callable[[], object]) -> None:
        """Begin a piece of work in a thread of its own, unless the one before it still goes on."""
        key = (connection.connection_id, kind)
        present = self._turns.get(key)
        if self._stopped.is_set() or (present is not None and present.is_alive()):
            return
        turn = threading.Thread(
            target=self._guarded,
            args=(connection, work),
            name=f"cpqbridge-{kind}-{connection.connection_id}",
            daemon=True,
        )
        self._turns[key] = turn
        turn.start()

    def _guarded(self, connection: Connection, work: Callable[[], object]) -> None:
        try:
            with calling_for(Purpose.BACKGROUND):
                work()
        except AccessLostError as error:
            log.warning("access_lost", connection=connection.name, problem=error.message)
            with self._service.store.write() as transaction:
                connections.mark_access_lost(
                    transaction, connection_id=connection.connection_id, message=error.message
                )
        except PausedError:
            return
        except CpqbridgeError as error:
            if not self._stopped.is_set():
                self._tell(connection, error)
        except Exception:
            if not self._stopped.is_set():
                log.exception("worker_turn_failed", connection=connection.name)

    def _tell(self, connection: Connection, error: CpqbridgeError) -> None:
        """Log a problem once, and again when it is another one or an hour has passed."""
        key = f"tell {connection.connection_id} {error.code}"
        if self._told.get(connection.connection_id) != error.code:
            self._next.pop(key, None)
        self._told[connection.connection_id] = error.code
        if self._is_due(key, ALERT_SECONDS):
            log.warning(
                "poll_failed",
                connection=connection.name,
                code=error.code,
                problem=error.message,
                what_to_do=error.fix,
            )

    def _turn(self, connection: Connection) -> None:
        """Do what is due for one connection."""
        if connection.connection_id not in self._begun:
            self._finder.queue_again(connection)
            self._begun.add(connection.connection_id)
        going_on = go_on(self._service, connection.connection_id)
        if going_on:
            log.info("runs_resumed", connection=connection.name, contracts=going_on)
        self._finder.wake(connection)
        self._finder.try_again(connection)
        opened = self._service.open_id(connection.connection_id)
        self._begin(connection, "events", partial(self._events.tick, opened))
        if self._reconciling.is_asked_for(connection):
            self._begin(connection, "reconcile", partial(self._reconciling.work, opened))
        poll = f"poll {connection.connection_id}"
        if not opened.configuration.sync.live:
            self._next.pop(poll, None)
            return
        if self._is_due(poll, opened.configuration.sync.poll_seconds):
            self._poll(opened, poll)
        if self._is_due(f"night {connection.connection_id}", NIGHT_SECONDS):
            jobs = self._night.due(opened)
            if jobs:
                self._begin(connection, "night", partial(self._night.work, opened, jobs))

    def _poll(self, opened: OpenConnection, key: str) -> None:
        outcome = "unexpected"
        try:
            self._finder.poll(opened)
            outcome = "ok"
        except CpqbridgeError as error:
            outcome = error.code
            if not isinstance(error, TransientError):
                raise
            asked_seconds = error.retry_after_seconds or 0.0
            self._next[key] = max(self._next[key], monotonic_seconds() + asked_seconds)
            raise
        finally:
            self._service.observers.polled(connection=opened.connection.name, outcome=outcome)
        self._told.pop(opened.connection_id, None)

    def _is_due(self, what: str, every_seconds: float) -> bool:
        now = monotonic_seconds()
        if self._next.get(what, now) > now:
            return False
        self._next[what] = now + every_seconds
        return True
