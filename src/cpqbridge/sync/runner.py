"""One run from the queue or a command: its lane, its place in the log, and what becomes of it in a pause."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import structlog
from structlog.contextvars import bound_contextvars

from cpqbridge.clock import Clock, SystemClock, monotonic_seconds
from cpqbridge.domain.refusal import OrderState
from cpqbridge.errors import AccessLostError, CpqbridgeError, InvariantError, PausedError
from cpqbridge.store import connections
from cpqbridge.store.connections import Connection
from cpqbridge.store.database import Store
from cpqbridge.sync.allowance import calling_for
from cpqbridge.sync.apply import Boundary
from cpqbridge.sync.connect import Connections
from cpqbridge.sync.durable import JsonObject, StepRunner, seconds_since_queued
from cpqbridge.sync.error_record import error_document, error_from_document
from cpqbridge.sync.lanes import LaneKeeper
from cpqbridge.sync.observing import Observer, RunEnd
from cpqbridge.sync.pausing import PauseGate
from cpqbridge.sync.run_steps import RunParts, RunSteps
from cpqbridge.sync.task import Task
from cpqbridge.sync.waiting import WorkStoppedError
from cpqbridge.sync.workflow import GOES_ON_LATER, run_contract

log = structlog.get_logger(__name__)

_NEEDS_SOMEONE = frozenset({OrderState.HELD.value, OrderState.REFUSED.value})
_PATIENCE_SECONDS = 900.0
"""How long a run waits for another one that holds its contract."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ContractRunner:
    """Carries out runs in this process; in a worker nobody waits for a run and sees its error."""

    store: Store
    connections: Connections
    lanes: LaneKeeper
    gate: PauseGate
    observer: Observer
    clock_of: Callable[[Connection], Clock]
    wait: Callable[[float], object]
    boundary: Boundary
    is_worker: bool

    def run(self, document: JsonObject, run_id: str, steps: StepRunner) -> JsonObject:
        """Sync the contract that the task names; see `cpqbridge.sync.workflow.run_contract` for the result.

        A run that meets a pause ends, with nothing but what was begun recorded, and is queued again when the
        pause is over.
        """
        task, begun = Task.from_document(document), monotonic_seconds()
        with self.store.read() as transaction:
            connection = connections.get(transaction, connection_id=task.connection_id)
        notice = task.notice
        with bound_contextvars(
            connection=connection.name,
            contract=task.root_id,
            contract_key=notice.contract_id or notice.order_id,
            order_number=notice.order_number,
            run=run_id,
        ):
            ended, states = "unexpected", frozenset[str]()
            try:
                result = self._unless_paused(task, run_id, steps)
                ended = result["error"]["code"] if result["error"] else "done"
                states = frozenset(result["states"].values())
            except WorkStoppedError:
                ended = "stopped"
                raise
            finally:
                seconds = monotonic_seconds() - begun
                self.observer.run_ended(
                    RunEnd(
                        connection_id=task.connection_id,
                        result=ended,
                        needs_someone=bool(states & _NEEDS_SOMEONE),
                        seconds=seconds,
                        seconds_since_seen=seconds_since_queued(run_id, now=SystemClock().now()) or seconds,
                    )
                )
                log.info("run_ended", result=ended, seconds=round(seconds, 3))
        return result

    def _unless_paused(self, task: Task, run_id: str, steps: StepRunner) -> JsonObject:
        try:
            self.gate.require_open(task.connection_id)
            result = self._in_lane(task, run_id, steps)
        except (AccessLostError, PausedError) as error:
            # Raised outside of the steps where not even the connection could be opened.
            result = _stopped(error)
        stopped_by = error_from_document(result["error"]) if result["error"] else None
        if isinstance(stopped_by, PausedError):
            self.gate.park(task)
        else:
            self.gate.was_done(task)
        if isinstance(stopped_by, AccessLostError):
            with self.store.write() as transaction:
                connections.mark_access_lost(
                    transaction, connection_id=task.connection_id, message=stopped_by.message
                )
        if stopped_by is not None and self.is_worker:
            log.warning("run_stopped", code=stopped_by.code, problem=stopped_by.message)
        return result

    def _in_lane(self, task: Task, run_id: str, steps: StepRunner) -> JsonObject:
        opened = self.connections.open(task.connection_id)
        parts = RunParts(
            store=self.store,
            opened=opened,
            clock=self.clock_of(opened.connection),
            wait=self.wait,
            boundary=self.boundary,
        )
        with (
            self.lanes.hold(
                connection_id=task.connection_id,
                root_id=task.root_id,
                workflow_id=run_id,
                patience_seconds=_PATIENCE_SECONDS,
            ) as lane,
            calling_for(task.purpose),
        ):
            bodies = RunSteps(parts, task, lane)
            try:
                result = run_contract(bodies, steps)
            except Exception as error:
                if self.is_worker:
                    log.exception("run_failed_unexpectedly")
                bodies.keep_failure(_unexpected(error))
                bodies.keep_end(_unexpected(error))
                raise
            stopped_by = error_from_document(result["error"]) if result["error"] else None
            if stopped_by is None or stopped_by.code not in GOES_ON_LATER:
                bodies.keep_end(stopped_by)
            return result


def _stopped(error: CpqbridgeError) -> JsonObject:
    return {"states": {}, "plan_id": None, "error": error_document(error)}


def _unexpected(error: Exception) -> CpqbridgeError:
    return InvariantError(
        f"An unexpected error stopped the sync: {type(error).__name__}.",
        code="unexpected",
        fix="Look into the log for details and report it; nothing is done twice when it is synced again.",
    )
