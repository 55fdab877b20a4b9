"""A worker's work beside carrying out queued runs: polling, timers, take-over from the dead, new tries."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

import structlog

from cpqbridge.clock import monotonic_seconds
from cpqbridge.domain.refusal import OrderState
from cpqbridge.errors import AccessLostError, CpqbridgeError, PausedError
from cpqbridge.mapping.raw import OrderNotice
from cpqbridge.store import connections, cursors, plans, timers
from cpqbridge.store.connections import Connection
from cpqbridge.store.plans import OrderStanding
from cpqbridge.sync.event_desk import EventDesk
from cpqbridge.sync.pausing import go_on
from cpqbridge.sync.ports import OpenConnection
from cpqbridge.sync.task import Task
from cpqbridge.sync.wake import contract_notice

if TYPE_CHECKING:
    from cpqbridge.sync.service import SyncService

OVERLAP = timedelta(minutes=15)
"""How far back a poll looks again: a slow transaction appears with an older stamp than it was committed.
Source: the project's design notes, salesforce.md 3.1 (20 Nov 2026)."""

TRY_AGAIN_AFTER = timedelta(minutes=5)
TICK_SECONDS = 1.0
TAKE_OVER_SECONDS = 5.0
FORGET_SECONDS = 3600.0
ALERT_SECONDS = 3600.0
KEEP_FINISHED = timedelta(days=7)
_CURSOR = "orders"

log = structlog.get_logger(__name__)


class Worker:
    """Puts contracts to sync on the queue, until it is stopped.

    These are the ones that changed, where a connection is live, and everywhere the ones whose timer is due: a
    connection that is no longer live still finishes what was begun.
    """

    def __init__(self, service: SyncService) -> None:
        """Prepare; nothing runs yet."""
        self._service = service
        self._stopped = threading.Event()
        self._thread: threading.Thread | None = None
        self._next: dict[str, float] = {}
        self._events = EventDesk(service)

    def start(self) -> None:
        """Begin in a thread of its own."""
        self._service.engine()
        self._thread = threading.Thread(target=self.run, name="cpqbridge-worker", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """End the loop and wait for it; queued runs stay queued."""
        self._stopped.set()
        if self._thread is not None:
            self._thread.join()

    def run(self) -> None:
        """Work until stopped; a problem of one connection is logged and does not touch the others."""
        while not self._stopped.is_set():
            self.tick()
            self._service.turned()
            self._stopped.wait(TICK_SECONDS)

    def tick(self) -> None:
        """Do what is due."""
        engine = self._service.engine()
        if self._is_due("take over", TAKE_OVER_SECONDS):
            taken = engine.take_over_from_the_dead()
            if taken:
                log.info("work_taken_over", runs=taken)
        if self._is_due("forget", FORGET_SECONDS):
            engine.forget_finished(older_than=KEEP_FINISHED)
        if self._is_due("alert", ALERT_SECONDS):
            self.alert()
        for connection in self._service.connections():
            if connection.access_lost is None:
                self._begin(connection)

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

    def wake(self, connection: Connection) -> int:
        """Queue every contract whose timer is due; return how many.

        The timer stands until the sync has planned what comes after it, and is tried again later if that
        does not happen (`cpqbridge.store.timers`).
        """
        store, connection_id = self._service.store, connection.connection_id
        now = self._service.clock_of(connection).now()
        with store.read() as transaction:
            due = timers.upcoming(transaction, connection_id=connection_id, until=now)
        queued = self._service.engine().waiting_partitions() if due else frozenset()
        for timer in due:
            with store.read() as transaction:
                notice = contract_notice(
                    transaction,
                    connection_id=connection_id,
                    root_id=timer.root_id,
                    order_id=timer.order_id,
                )
            if notice is not None:
                self._service.enqueue(Task(connection_id=connection_id, notice=notice), queued)
            with store.write() as transaction:
                timers.claim(transaction, connection_id=connection_id, timer=timer, at=now)
        return len(due)

    def poll(self, opened: OpenConnection) -> int:
        """Queue every contract that changed since the last poll or is to be tried again; return how many."""
        connection_id = opened.connection_id
        with self._service.store.read() as transaction:
            since = cursors.read(transaction, connection_id=connection_id, name=_CURSOR)
            known = {
                standing.order_id: standing
                for standing in plans.standings(transaction, connection_id=connection_id)
            }
        newest = since
        queued = set(self._service.engine().waiting_partitions())
        count = 0
        for notice in self._notices(opened, known, since=since - OVERLAP if since else None):
            stamp = _instant(notice)
            newest = max(newest, stamp) if newest and stamp else newest or stamp
            partition = self._service.enqueue(Task(connection_id=connection_id, notice=notice), queued)
            if partition is not None:
                queued.add(partition)
                count += 1
        if newest is not None and newest != since:
            with self._service.store.write() as transaction:
                cursors.move(transaction, connection_id=connection_id, name=_CURSOR, instant=newest)
        return count

    def _notices(
        self, opened: OpenConnection, known: dict[str, OrderStanding], *, since: datetime | None
    ) -> Iterator[OrderNotice]:
        for notice in opened.salesforce.qualifying_orders(since=since):
            standing = known.get(notice.order_id)
            if standing is None or standing.modified_at != notice.modified_at:
                yield notice
        now = self._service.clock_of(opened.connection).now()
        for standing in known.values():
            waits = standing.retryable or standing.state is OrderState.QUEUED
            if waits and now - standing.updated_at > TRY_AGAIN_AFTER:
                found = opened.salesforce.find_order(standing.order_id)
                if found is not None:
                    yield found

    def _begin(self, connection: Connection) -> None:
        if self._service.gate.pause_of(connection.connection_id) is not None:
            return
        try:
            going_on = go_on(self._service, connection.connection_id)
            if going_on:
                log.info("runs_resumed", connection=connection.name, contracts=going_on)
            woken = self.wake(connection)
            if woken:
                log.info("timers_due", connection=connection.name, contracts=woken)
            opened = self._service.open_id(connection.connection_id)
            settings = opened.configuration.sync
            self._events.tick(opened)
            if not settings.live or not self._is_due(f"poll {connection.name}", settings.poll_seconds):
                return
            count = self.poll(opened)
            if count:
                log.info("contracts_queued", connection=connection.name, contracts=count)
        except AccessLostError as error:
            log.warning("access_lost", connection=connection.name, problem=error.message)
            with self._service.store.write() as transaction:
                connections.mark_access_lost(
                    transaction, connection_id=connection.connection_id, message=error.message
                )
        except PausedError:
            return
        except CpqbridgeError as error:
            log.warning("poll_failed", connection=connection.name, code=error.code, problem=error.message)
        except Exception:
            log.exception("poll_failed_unexpectedly", connection=connection.name)

    def _is_due(self, what: str, every_seconds: float) -> bool:
        now = monotonic_seconds()
        if self._next.get(what, now) > now:
            return False
        self._next[what] = now + every_seconds
        return True


def _instant(notice: OrderNotice) -> datetime | None:
    try:
        return datetime.fromisoformat(notice.modified_at)
    except ValueError:
        return None
