"""The use cases around syncing: connections, previews, syncs in this process, and the worker's work."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import date
from typing import TYPE_CHECKING

import structlog

from cpqbridge.clock import Clock, SystemClock, monotonic_seconds
from cpqbridge.domain.billing import Plan
from cpqbridge.domain.order import OrderHistory
from cpqbridge.domain.refusal import OrderState
from cpqbridge.errors import (
    AccessLostError,
    ConfigurationError,
    InvariantError,
    PausedError,
)
from cpqbridge.mapping.configuration import Configuration, default_configuration
from cpqbridge.mapping.fields import CouponFields, OurFields
from cpqbridge.mapping.raw import OrderNotice
from cpqbridge.store import connections, pauses, plans, timers
from cpqbridge.store.connections import Connection
from cpqbridge.store.database import Store
from cpqbridge.store.engine import Synchronous
from cpqbridge.store.logins import Login
from cpqbridge.store.plans import OrderStanding
from cpqbridge.store.timers import Timer
from cpqbridge.store.views import OrderViews
from cpqbridge.sync.allowance import Purpose
from cpqbridge.sync.apply import Boundary, no_boundary
from cpqbridge.sync.connect import Connections, FreshSecrets, NewConnection
from cpqbridge.sync.durable import JsonObject, StepRunner
from cpqbridge.sync.error_record import error_from_document
from cpqbridge.sync.found_order import found_order
from cpqbridge.sync.lanes import LaneKeeper
from cpqbridge.sync.liveness import ProcessMark, mark_once, mark_worker
from cpqbridge.sync.observing import Observers
from cpqbridge.sync.order_list import ListedOrder, listed_order
from cpqbridge.sync.pausing import PauseGate
from cpqbridge.sync.plan_mark import PLAN_CHANGED
from cpqbridge.sync.planner import PlanRequest, make_plan
from cpqbridge.sync.ports import OpenConnection
from cpqbridge.sync.retry import Retries
from cpqbridge.sync.runner import ContractRunner
from cpqbridge.sync.task import Task, root_of
from cpqbridge.sync.waiting import Waiting
from cpqbridge.sync.wake import contract_notice
from cpqbridge.sync.watches import Watches
from cpqbridge.sync.worker import Worker

if TYPE_CHECKING:
    from cpqbridge.sync.durable import DurableEngine

log = structlog.get_logger(__name__)

_ABOUT_NO_ORDER = (AccessLostError, ConfigurationError, PausedError)


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceOptions:
    """How a service runs.

    `simulated_clock` is the clock of simulated connections where it differs from `clock`. `sleep` stands in
    for real waits between tries. `synchronous` OFF is for throw-away homes only. `boundary` is called at
    every point where a crash would leave something half done; tests end the process there.
    """

    clock: Clock = field(default_factory=SystemClock)
    simulated_clock: Clock | None = None
    synchronous: Synchronous = "FULL"
    sleep: Callable[[float], object] | None = None
    boundary: Boundary = no_boundary


@dataclass(frozen=True, slots=True, kw_only=True)
class Preview:
    """What a sync of the order's contract would do now; nothing was written."""

    notice: OrderNotice
    history: OrderHistory
    plan: Plan


@dataclass(frozen=True, slots=True, kw_only=True)
class SyncReport:
    """Where every order of the contract stands after a run; one on which nothing was to be done is unchanged.

    `plan_id` is None when nothing of the contract was to be done.
    """

    order_id: str
    standings: tuple[OrderStanding, ...]
    plan_id: int | None

    @property
    def order(self) -> OrderStanding:
        """Return the order that was asked for."""
        return next(standing for standing in self.standings if standing.order_id == self.order_id)


class SyncService:
    """Everything commands and pages can ask for; one per process, closed at the end."""

    def __init__(self, store: Store, options: ServiceOptions | None = None) -> None:
        """Work on `store`; the durable engine starts with the first sync."""
        self._store = store
        self._options = options or ServiceOptions()
        self.views = OrderViews(store)
        self.gate = PauseGate(store)
        self.observers = Observers()
        self.turned_at: float | None = None
        self._waiting = Waiting()
        sleep = self._options.sleep or self._waiting.wait
        retries = Retries(sleep=sleep, told=lambda code: self.observers.tried_again(code=code))
        watches = Watches(
            store=store,
            gate=self.gate,
            observer=self.observers,
            clock_of=self.clock_of,
            wait=self._waiting.wait,
        )
        self._connections = Connections(store, retries, watch=watches.of, clock_of=self.clock_of)
        self._guard = threading.Lock()
        self._is_worker = False
        self._is_closed = False
        self._worker: Worker | None = None
        self._mark: ProcessMark | None = None
        self._lanes: LaneKeeper | None = None
        self._engine: DurableEngine | None = None

    # Connections.

    def add_connection(
        self,
        *,
        name: str,
        salesforce_url: str,
        salesforce_token: str,
        stripe_key: str,
        stripe_api_base: str | None = None,
        configuration: Configuration | None = None,
        live: bool = False,
        login: Login | None = None,
    ) -> Connection:
        """Check both sides and store the connection; see `Connections.add`."""
        new = NewConnection(
            name=name,
            salesforce_url=salesforce_url,
            salesforce_token=salesforce_token,
            stripe_key=stripe_key,
            stripe_api_base=stripe_api_base,
            configuration=configuration or default_configuration(),
            live=live,
            login=login,
        )
        return self._connections.add(new, self._options.clock)

    def connections(self) -> tuple[Connection, ...]:
        """Return all connections by name."""
        with self._store.read() as transaction:
            return connections.list_all(transaction)

    def check_connection(
        self, name: str | None, *, salesforce_token: str | None = None, stripe_key: str | None = None
    ) -> Connection:
        """Check both sides again, with fresh secrets where they are given; see `Connections.check`."""
        fresh = FreshSecrets(salesforce_token=salesforce_token, stripe_key=stripe_key)
        return self._connections.check(name, self._options.clock, fresh=fresh)

    def fields_not_written(self, name: str | None) -> tuple[str, ...]:
        """Return the fields (`Object.Field`) that a sync would write but the org lacks or protects."""
        opened = self.open(name)
        ours = OurFields(opened.configuration.mapping.salesforce_prefix)
        writable = opened.salesforce.writable()
        written = list(ours.written())
        if CouponFields.OBJECT in writable:
            written.append((CouponFields.OBJECT, CouponFields.STRIPE_ID))
        return tuple(
            f"{object_name}.{field}"
            for object_name, field in written
            if field not in writable.get(object_name, frozenset())
        )

    def configuration(self, name: str | None) -> Configuration:
        """Return a connection's configuration."""
        return self._connections.configuration(name)

    def apply_configuration(self, name: str | None, configuration: Configuration) -> Connection:
        """Replace a connection's configuration."""
        return self._connections.apply_configuration(name, configuration, self._options.clock)

    # Orders.

    def list_orders(self, name: str | None) -> tuple[OrderStanding, ...]:
        """Return the orders that qualify in Salesforce now, and those seen before, by order number.

        One that was never synced is queued and has no message. In a pause Salesforce is not asked, and what
        is queued says so.
        """
        with self._store.read() as transaction:
            connection = connections.find(transaction, name)
            known = {
                standing.order_id: standing
                for standing in plans.standings(transaction, connection_id=connection.connection_id)
            }
        pause = self.gate.pause_of(connection.connection_id)
        if pause is not None:
            return tuple(pauses.told(standing, pause) for standing in known.values())
        opened = self.open(name)
        at = self.clock_of(connection).now()
        for notice in opened.salesforce.qualifying_orders(since=None):
            known.setdefault(
                notice.order_id,
                OrderStanding(
                    order_id=notice.order_id,
                    order_number=notice.order_number,
                    root_id=root_of(notice),
                    contract_key=notice.contract_id or notice.order_id,
                    state=OrderState.QUEUED,
                    modified_at="",
                    updated_at=at,
                ),
            )
        return tuple(sorted(known.values(), key=lambda each: (each.order_number, each.order_id)))

    def order_list(self, name: str | None) -> tuple[ListedOrder, ...]:
        """Return the same orders as `list_orders`, with their amounts and where they are in Stripe."""
        standings = self.list_orders(name)
        with self._store.read() as transaction:
            connection = connections.find(transaction, name)
        known = {
            each.view.standing.order_id: each for each in self.views.of_connection(connection.connection_id)
        }
        now = self.clock_of(connection).now()
        missing = self.views.missing_phases(connection.connection_id, now=now)
        alerts = {each.root_id: each.text for each in missing}
        return tuple(
            listed_order(
                standing,
                known.get(standing.order_id),
                connection=connection,
                now=now,
                alert=alerts.get(standing.root_id, ""),
            )
            for standing in standings
        )

    def preview(
        self,
        name: str | None,
        order: str,
        *,
        released: frozenset[str] = frozenset(),
        cutover: date | None = None,
    ) -> Preview:
        """Return what a sync of the order (id or number, drafts too) would do; nothing is written anywhere.

        `released` and `cutover` are what `sync` would be given.

        Raises:
            ConfigurationError: there is no such order.
        """
        opened = self.open(name)
        notice = found_order(opened, order)
        history = opened.salesforce.history(opened.salesforce.read_contract(notice))
        request = PlanRequest(
            history=history,
            as_of=self.clock_of(opened.connection).now(),
            released=released,
            preview_order_id=notice.order_id,
            cutover=cutover,
        )
        return Preview(notice=notice, history=history, plan=make_plan(self._store, opened, request).plan)

    def sync(
        self,
        name: str | None,
        order: str,
        *,
        released: frozenset[str] = frozenset(),
        cutover: date | None = None,
    ) -> SyncReport:
        """Sync the contract of an order (id or number) in this process, to a final state of all its orders.

        While another run works on the contract this one waits, and then finds what that one left.

        Args:
            name: the connection; None for the only one there is.
            order: id or number.
            released: codes of holds that a person released for this run.
            cutover: the first day (calendar date) that is billed here of a contract that is taken over.

        Raises:
            ConfigurationError: there is no such order, or the connection lacks something.
            AccessLostError: a side no longer lets us in; the connection is stopped.
            ConflictError: another run kept the contract busy for a quarter of an hour.
            PausedError: the connection is paused; what was begun goes on by itself when it is resumed.
        """
        opened = self.open(name)
        notice = found_order(opened, order)
        return self.sync_task(
            Task(connection_id=opened.connection_id, notice=notice, released=released, cutover=cutover)
        )

    def sync_task(self, task: Task) -> SyncReport:
        """Carry out a task in this process; see `sync`."""
        task = replace(task, purpose=Purpose.PERSON)
        connection_id, notice = task.connection_id, task.notice
        self.gate.require_open(connection_id)
        result = self.engine().run_now(task.as_document(), root_id=task.root_id)
        error = error_from_document(result["error"]) if result["error"] else None
        if isinstance(error, _ABOUT_NO_ORDER) or (error is not None and error.code == PLAN_CHANGED):
            raise error
        with self._store.read() as transaction:
            stored = plans.standings(transaction, connection_id=connection_id, root_id=task.root_id)
        reported = tuple(
            replace(standing, state=OrderState(result["states"].get(standing.order_id, standing.state)))
            for standing in stored
        )
        if error is not None and notice.order_id not in result["states"]:
            raise error
        return SyncReport(order_id=notice.order_id, standings=reported, plan_id=result["plan_id"])

    # What is due without a change in Salesforce.

    def timers(self, name: str | None) -> tuple[Timer, ...]:
        """Return when contracts of a connection are to be synced next by themselves, oldest first."""
        with self._store.read() as transaction:
            connection = connections.find(transaction, name)
            return timers.upcoming(transaction, connection_id=connection.connection_id)

    def sync_timer(self, name: str | None, timer: Timer) -> SyncReport | None:
        """Sync the contract of a timer in this process, as `sync` does; None when nobody knows it."""
        with self._store.write() as transaction:
            connection = connections.find(transaction, name)
            now = self.clock_of(connection).now()
            timers.claim(transaction, connection_id=connection.connection_id, timer=timer, at=now)
        return self._sync_contract(connection.connection_id, timer.root_id, timer.order_id)

    # The worker.

    def start_worker(self) -> None:
        """Carry out queued runs in this process and poll live connections, in threads of their own."""
        self.become_worker()
        self._worker = Worker(self)
        self._worker.start()

    def stop_worker(self) -> None:
        """End polling; runs under way are continued by the next worker."""
        if self._worker is not None:
            self._worker.stop()
            self._worker = None

    def run_worker(self) -> None:
        """Do a worker's work in this thread until interrupted."""
        self.become_worker()
        Worker(self).run()

    def become_worker(self) -> None:
        """Carry out queued runs in this process from now on, without polling.

        Raises:
            InvariantError: something was synced already, as a process without a queue.
        """
        if self._engine is not None and not self._is_worker:
            raise InvariantError("This process began as no worker.", code="worker_too_late")
        self._is_worker = True
        self.engine()

    def turned(self) -> None:
        """Show that this process still does its work; see `cpqbridge.sync.liveness.workers`."""
        self.turned_at = monotonic_seconds()
        if self._mark is not None:
            self._mark.turn()

    def open(self, name: str | None) -> OpenConnection:
        """Return both sides of the connection of this name; without a name of the only one there is."""
        with self._store.read() as transaction:
            connection = connections.find(transaction, name)
        return self._connections.open(connection.connection_id)

    def open_id(self, connection_id: int) -> OpenConnection:
        """Return both sides of a connection by id."""
        return self._connections.open(connection_id)

    def clock_of(self, connection: Connection) -> Clock:
        """Return the clock a connection lives by."""
        simulated = self._options.simulated_clock
        return simulated if connection.facts.simulated and simulated is not None else self._options.clock

    @property
    def clock(self) -> Clock:
        """Return the clock of this machine's work, and of connections that are not simulated."""
        return self._options.clock

    @property
    def store(self) -> Store:
        """Return the store this service works on."""
        return self._store

    def engine(self) -> DurableEngine:
        """Return the durable engine, started.

        Raises:
            InvariantError: the service was closed; a thread of it that goes on must not start anything.
        """
        with self._guard:
            if self._is_closed:
                raise InvariantError("The service is closed.", code="service_closed")
            if self._engine is None:
                # The engine takes a second to load; commands that only look do without it.
                from cpqbridge.sync.durable import DurableEngine, EngineOptions  # noqa: PLC0415

                home = self._store.home
                self._mark = mark_worker(home) if self._is_worker else mark_once(home)
                self._lanes = LaneKeeper(self._store, self._mark)
                self._engine = DurableEngine(
                    EngineOptions(
                        home=home,
                        mark=self._mark,
                        listens=self._is_worker,
                        synchronous=self._options.synchronous,
                    ),
                    self._run,
                )
            return self._engine

    def close(self) -> None:
        """Stop the engine and close every client; runs under way are continued by the next worker."""
        self.stop_worker()
        self._waiting.stop()
        with self._guard:
            self._is_closed = True
            if self._engine is not None:
                self._engine.stop()
                self._engine = None
            if self._lanes is not None:
                self._lanes.stop()
                self._lanes = None
            if self._mark is not None:
                self._mark.release()
                self._mark = None
        self._connections.close()

    def _sync_contract(
        self, connection_id: int, root_id: str, order_id: str | None = None
    ) -> SyncReport | None:
        with self._store.read() as transaction:
            notice = contract_notice(
                transaction, connection_id=connection_id, root_id=root_id, order_id=order_id
            )
        if notice is None:
            return None
        return self.sync_task(Task(connection_id=connection_id, notice=notice))

    def _run(self, document: JsonObject, run_id: str, steps: StepRunner) -> JsonObject:
        if self._lanes is None:
            raise InvariantError("The service is closed.", code="service_closed")
        runner = ContractRunner(
            store=self._store,
            connections=self._connections,
            lanes=self._lanes,
            gate=self.gate,
            observer=self.observers,
            clock_of=self.clock_of,
            wait=self._waiting.wait,
            boundary=self._options.boundary,
            is_worker=self._is_worker,
        )
        return runner.run(document, run_id, steps)
