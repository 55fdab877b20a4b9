"""A dry run: every recent order is planned as a preview plans it, and nothing is written on either side.

It works in a thread of the process that was asked, so that a page can be left and come back to. What it finds
is stored; when the process ends before it does, it counts as stopped.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, Any

import structlog
from sqlalchemy.exc import DBAPIError

from cpqbridge.clock import SystemClock, monotonic_seconds
from cpqbridge.errors import ConfigurationError, CpqbridgeError, InvariantError, RecordError
from cpqbridge.mapping.raw import OrderNotice
from cpqbridge.store import audit, connections, dry_runs
from cpqbridge.store.audit import AuditEntry, current_actor
from cpqbridge.store.connections import Connection
from cpqbridge.store.dry_runs import DryRunState, StoredDryRun
from cpqbridge.sync.allowance import Purpose, calling_for
from cpqbridge.sync.dry_run_result import DryRunResult, Gathering, PlannedContract
from cpqbridge.sync.liveness import ProcessMark, is_alive, mark_once
from cpqbridge.sync.planner import PlanRequest, make_plan
from cpqbridge.sync.ports import OpenConnection
from cpqbridge.sync.task import root_of

if TYPE_CHECKING:
    from cpqbridge.sync.service import SyncService

__all__ = ["DEFAULT_DAYS", "MOST_DAYS", "DryRun", "DryRunState", "DryRuns"]

DEFAULT_DAYS = 30
MOST_DAYS = 365
MOST_ORDERS = 5000
"""Of more orders only the newest are planned: each contract costs a call of the org's day."""

_TOLD_EVERY_SECONDS = 0.5
_MACHINE = SystemClock()

log = structlog.get_logger(__name__)


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
        run = _Run(
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
        worker = _Worker(service, connection, dry_run_id, run)
        threading.Thread(
            target=_carry_out, args=(worker, mark), name=f"cpqbridge-dry-run-{dry_run_id}", daemon=True
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


@dataclass(frozen=True, slots=True, kw_only=True)
class _Run:
    """How far a dry run is, as it is stored; `mark` is held for as long as its process lives."""

    days: int
    as_of: datetime
    activated_since: datetime
    mark: str
    done: int = 0
    total: int = 0
    now: str = ""
    orders_found: int = 0
    problem: str = ""
    fix: str = ""

    def as_document(self) -> dict[str, Any]:
        return {
            "days": self.days,
            "as_of": self.as_of.isoformat(),
            "activated_since": self.activated_since.isoformat(),
            "mark": self.mark,
            "done": self.done,
            "total": self.total,
            "now": self.now,
            "orders_found": self.orders_found,
            "problem": self.problem,
            "fix": self.fix,
        }


class _StoppedError(Exception):
    """Somebody stopped the dry run."""


@dataclass(slots=True, kw_only=True)
class _Told:
    """When progress was stored last, by the machine's monotonic clock."""

    at: float = field(default_factory=monotonic_seconds)


class _Worker:
    """Plans one contract after the other and keeps what came of it."""

    def __init__(self, service: SyncService, connection: Connection, dry_run_id: int, run: _Run) -> None:
        self._service = service
        self._connection = connection
        self._id = dry_run_id
        self._run = run
        self._told = _Told()
        self._found = Gathering(as_of=run.as_of)

    def work(self) -> None:
        """Do the whole of it; every end is stored."""
        state = DryRunState.DONE
        try:
            # It waits behind the work that nobody is looking at: the org's calls are for syncing first.
            with calling_for(Purpose.BACKGROUND):
                self._plan_all()
        except _StoppedError:
            return
        except CpqbridgeError as error:
            state = DryRunState.FAILED
            self._run = replace(self._run, problem=error.message, fix=error.fix)
        except Exception as error:
            state = DryRunState.FAILED
            log.exception("dry_run_failed", connection=self._connection.name)
            self._run = replace(
                self._run,
                problem=f"An unexpected error ended it: {type(error).__name__}.",
                fix="Look into the log for details and report it.",
            )
        with self._service.store.write() as transaction:
            dry_runs.end(
                transaction,
                dry_run_id=self._id,
                state=state,
                document=replace(self._run, now="").as_document(),
                result=self._found.result().as_document(),
                at=_MACHINE.now(),
            )

    def _plan_all(self) -> None:
        opened = self._service.open_id(self._connection.connection_id)
        found = tuple(
            opened.salesforce.qualifying_orders(since=None, activated_since=self._run.activated_since)
        )
        by_root: dict[str, list[OrderNotice]] = {}
        for notice in found[-MOST_ORDERS:]:
            by_root.setdefault(root_of(notice), []).append(notice)
        self._run = replace(self._run, total=len(by_root), orders_found=len(found))
        self._tell(at_once=True)
        for done, notices in enumerate(by_root.values()):
            self._run = replace(self._run, done=done, now=notices[0].order_number)
            self._tell()
            self._found.add(self._planned(opened, notices))
        self._run = replace(self._run, done=len(by_root))

    def _planned(self, opened: OpenConnection, notices: list[OrderNotice]) -> PlannedContract:
        planned = partial(PlannedContract, notices=tuple(notices))
        try:
            history = opened.salesforce.history(opened.salesforce.read_contract(notices[0]))
            made = make_plan(self._service.store, opened, PlanRequest(history=history, as_of=self._run.as_of))
        except CpqbridgeError as error:
            if not _is_of_one_contract(error):
                raise
            return planned(error=error)
        return planned(plan=made.plan)

    def _tell(self, *, at_once: bool = False) -> None:
        now = monotonic_seconds()
        if not at_once and now - self._told.at < _TOLD_EVERY_SECONDS:
            return
        self._told.at = now
        with self._service.store.write_lightly() as transaction:
            if not dry_runs.note(transaction, dry_run_id=self._id, document=self._run.as_document()):
                raise _StoppedError


def _carry_out(worker: _Worker, mark: ProcessMark) -> None:
    try:
        worker.work()
    except DBAPIError as error:
        # The process is ending, or the disk is full: nobody can be told in the store.
        log.warning("dry_run_not_kept", problem=str(error.orig))
    finally:
        mark.release()


def _is_of_one_contract(error: CpqbridgeError) -> bool:
    """Return whether the other contracts can be planned all the same."""
    return isinstance(error, (InvariantError, RecordError))


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
