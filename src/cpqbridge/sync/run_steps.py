"""What happens inside the recorded steps of a run. Each answers with small JSON that names things only.

The contract itself is kept in memory and read again when it is needed after a restart; everything else is
in the store.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta

from cpqbridge.clock import Clock
from cpqbridge.domain.billing import Plan, StepAction
from cpqbridge.domain.order import OrderHistory
from cpqbridge.errors import ConflictError, CpqbridgeError, InvariantError, RecordError
from cpqbridge.mapping.raw import RawContract, WriteBackRecord
from cpqbridge.planning.usage import usage_spans
from cpqbridge.salesforce.writer import WriteFailure
from cpqbridge.store import intents, plans
from cpqbridge.store.database import Store
from cpqbridge.store.lanes import Lane
from cpqbridge.store.order_holds import HELD_BY_PERSON
from cpqbridge.store.plans import OrderStanding
from cpqbridge.sync.aftermath import EndOfRun, keep_end
from cpqbridge.sync.allowance import going_on
from cpqbridge.sync.apply import PLAN_ANEW, Applier, Boundary, no_boundary
from cpqbridge.sync.durable import JsonObject
from cpqbridge.sync.error_record import error_document
from cpqbridge.sync.ledger import USAGE_CLAIMED, Ledger, Planned
from cpqbridge.sync.plan_mark import plan_mark
from cpqbridge.sync.planner import PlanRequest, make_plan
from cpqbridge.sync.ports import OpenConnection
from cpqbridge.sync.standings import (
    FIRST_INVOICE_DIFFERS,
    planned_standings,
)
from cpqbridge.sync.task import Task
from cpqbridge.sync.write_back_step import WriteBackRequest, write_back_records_for

PLAN_LIFE = timedelta(minutes=10)
"""How old a plan may be when a step of it begins; after a longer stop the contract is planned anew."""

_ON_SCHEDULE = frozenset({StepAction.CREATE_SCHEDULE, StepAction.UPDATE_SCHEDULE, StepAction.CANCEL_SCHEDULE})


def is_stale(made_at: datetime, now: datetime) -> bool:
    """Return whether a plan may no longer be carried out: it is old, or what lay ahead may have begun.

    Everything begins and ends at 00:00 UTC (B5.2), so no plan outlives the UTC day it was made on.
    """
    return now - made_at > PLAN_LIFE or now.date() != made_at.date()


@dataclass(frozen=True, slots=True, kw_only=True)
class RunParts:
    """What a run works with."""

    store: Store
    opened: OpenConnection
    clock: Clock
    wait: Callable[[float], object]
    boundary: Boundary = no_boundary


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadContract:
    """A contract as it was read in this process."""

    raw: RawContract
    history: OrderHistory


class RunSteps:
    """The steps of one run over one contract, while its lane is held."""

    def __init__(self, parts: RunParts, task: Task, lane: Lane) -> None:
        """Prepare; nothing is read yet."""
        self._parts = parts
        self._store = parts.store
        self._opened = parts.opened
        self._connection_id = parts.opened.connection_id
        self._task = task
        self._lane = lane
        self._ledger = Ledger(store=parts.store, task=task, lane=lane)
        self._root_id = task.root_id
        self._expected = task.expects
        self._read: ReadContract | None = None
        self._plan: tuple[int, Plan] | None = None
        self._applier = Applier(
            store=parts.store,
            opened=parts.opened,
            clock=parts.clock,
            lane=lane,
            wait=parts.wait,
            boundary=parts.boundary,
            released=task.released,
        )

    def open_intents(self) -> JsonObject:
        """Return the calls of earlier runs whose outcome is not known."""
        with self._store.read() as transaction:
            found = intents.unsettled(transaction, connection_id=self._connection_id, root_id=self._root_id)
        return {"intents": [intent.intent_id for intent in found]}

    def settle(self, intent_id: int) -> JsonObject:
        """Find out what became of one of these calls."""
        with self._store.read() as transaction:
            found = intents.unsettled(transaction, connection_id=self._connection_id, root_id=self._root_id)
        for intent in found:
            if intent.intent_id == intent_id:
                self._applier.settle(intent)
        return {}

    def make_plan(self) -> JsonObject:
        """Read the contract, plan it, and keep the plan before anything of it is carried out."""
        read = self._read_again()
        planned = self._planned(read)
        self._require_expected(planned.plan)
        self._parts.boundary("planned")
        is_done = not planned.plan.steps and planned.plan.record is None
        is_same = is_done and all(map(planned.is_same, planned.final))
        if is_same and not self._records(read, planned.plan, planned.final):
            self._ledger.note_stamps(planned)
            self._ledger.keep_listed(planned.plan)
            self._ledger.set_timer_if_it_differs(planned.plan)
            return {"plan_id": None, "steps": [], "states": planned.reported()}
        plan_id, planned = self._kept(planned, read)
        self._plan = (plan_id, planned.plan)
        self._parts.boundary("plan kept")
        steps = [step.key for step in planned.plan.steps]
        return {"plan_id": plan_id, "steps": steps, "states": planned.reported()}

    def _kept(self, planned: Planned, read: ReadContract) -> tuple[int, Planned]:
        """Keep the plan and return it with its id; planned again where another contract was faster."""
        try:
            return self._ledger.keep_plan(planned), planned
        except ConflictError as error:
            if error.code != USAGE_CLAIMED:
                raise
        planned = self._planned(read)
        return self._ledger.keep_plan(planned), planned

    def _require_expected(self, plan: Plan) -> None:
        """Check that the run's first plan does what the person who asked for it was shown.

        Raises:
            ConflictError: it does something else; nothing was done.
        """
        expected, self._expected = self._expected, ""
        if expected and plan_mark(plan) != expected:
            raise ConflictError(
                "The contract changed since its plan was shown, so nothing was done.",
                code="plan_changed",
                record_id=self._task.notice.order_id,
                fix="Look at the plan again.",
            )

    def check_stamps(self, plan_id: int) -> JsonObject:
        """Return whether an order of the contract was saved in Salesforce since it was read for the plan."""
        stamps = {
            standing.order_id: standing.modified_at
            for standing in self._ledger.standings()
            if standing.plan_id == plan_id
        }
        with going_on():
            now = self._opened.salesforce.read_stamps(sorted(stamps))
        self._parts.boundary("stamps read")
        return {"changed": any(now.get(order_id) != stamp for order_id, stamp in stamps.items())}

    def apply(self, plan_id: int, key: str) -> JsonObject:
        """Carry out one step of the plan; a refusal is an answer, since the contract's other orders go on."""
        with self._store.read() as transaction:
            made_at = plans.made_at(transaction, plan_id=plan_id)
        if is_stale(made_at, self._parts.clock.now()):
            return {"stale": True}
        plan = self.plan(plan_id)
        step = next(step for step in plan.steps if step.key == key)
        sends = next((wanted for wanted in plan.objects if wanted.key == step.object_key), None)
        try:
            self._applier.apply(step, sends)
        except RecordError as error:
            return {"refused": error_document(error)}
        except ConflictError as error:
            if error.code not in PLAN_ANEW:
                raise
            return {"stale": True}
        return {}

    def was_too_late(self, plan_id: int, refused: Sequence[str]) -> JsonObject:
        """Return whether Stripe may have refused a call on a schedule because the plan had grown old by then.

        What was to lie ahead is past then; a new plan is decided by a new instant.
        """
        keys = {step.key for step in self.plan(plan_id).steps if step.action in _ON_SCHEDULE}
        with self._store.read() as transaction:
            made_at = plans.made_at(transaction, plan_id=plan_id)
        return {"late": bool(keys & set(refused)) and is_stale(made_at, self._parts.clock.now())}

    def keep_outcome(self, plan_id: int, refused: Mapping[str, CpqbridgeError]) -> None:
        """Store where the orders stand now that the plan was carried out; `refused` is by order id."""
        self._ledger.keep_outcome(plan_id, self.plan(plan_id), refused, at=self._parts.clock.now())

    def keep_failure(self, error: CpqbridgeError) -> None:
        """Store that an error stopped the run for the orders under way, at least for the one asked for."""
        self._ledger.keep_failure(error, at=self._parts.clock.now())

    def keep_not_told(self, error: CpqbridgeError) -> None:
        """Store that Salesforce could not be told of orders that Stripe bills rightly."""
        self._ledger.keep_not_told(error, at=self._parts.clock.now())

    def keep_end(self, error: CpqbridgeError | None) -> None:
        """Store when the contract's orders are tried next and what is watched, unless the lane was lost."""
        end = EndOfRun(
            at=self._parts.clock.now(),
            error=error,
            raw=self._read.raw if self._read is not None else None,
            asked_for=self._task.notice.order_id,
        )
        with suppress(ConflictError):
            keep_end(self._store, self._lane, end)

    def write_back(self, plan_id: int) -> JsonObject:
        """Write ids, states and sync records to Salesforce where they differ; note what it did not take."""
        with going_on():
            read = self._read or self._read_again()
            standings = self._ledger.standings()
            records = self._records(read, self.plan(plan_id), standings)
            self._parts.boundary("before write-back")
            self._ledger.require_lane()
            failures = self._write(records) if records else ()
        self._parts.boundary("written back")
        if failures:
            self._ledger.keep_not_written(failures)
        return {"records": len(records), "failures": len(failures)}

    def _write(self, records: Sequence[WriteBackRecord]) -> Sequence[WriteFailure]:
        return self._opened.salesforce.write(records, root_id=self._root_id)

    def states(self) -> dict[str, str]:
        """Return the state of every order of the contract as it is stored."""
        return {standing.order_id: standing.state.value for standing in self._ledger.standings()}

    def plan(self, plan_id: int) -> Plan:
        """Return a stored plan of this contract."""
        if self._plan is None or self._plan[0] != plan_id:
            with self._store.read() as transaction:
                plan = plans.load_plan(transaction, connection_id=self._connection_id, plan_id=plan_id)
            if plan is None:
                raise InvariantError(f"Plan {plan_id} is not stored.", code="plan_missing")
            self._plan = (plan_id, plan)
        return self._plan[1]

    def _read_again(self) -> ReadContract:
        raw = self._opened.salesforce.read_contract(self._task.notice)
        self._read = ReadContract(raw=raw, history=self._opened.salesforce.history(raw))
        return self._read

    def _planned(self, read: ReadContract) -> Planned:
        now = self._parts.clock.now()
        if FIRST_INVOICE_DIFFERS in self._task.released:
            self._ledger.accept_doubts()
        if HELD_BY_PERSON in self._task.released:
            self._ledger.lift_hold()
        request = PlanRequest(
            history=read.history,
            as_of=now,
            released=self._task.released,
            cutover=self._task.cutover,
            restores=self._task.restores,
            cancels=self._task.cancels,
        )
        made = make_plan(self._store, self._opened, request)
        self._ledger.keep_found(made.found, at=now)
        plan, doubted = made.plan, self._ledger.doubts(made.plan)
        return Planned(
            plan=plan,
            at=now,
            final=planned_standings(plan, read.history, doubted=doubted, at=now),
            before={standing.order_id: standing for standing in self._ledger.standings()},
            usage=usage_spans(read.history, plan.objects),
            usage_elsewhere=made.usage_elsewhere,
        )

    def _records(
        self, read: ReadContract, plan: Plan, standings: Sequence[OrderStanding]
    ) -> Sequence[WriteBackRecord]:
        return write_back_records_for(
            WriteBackRequest(
                store=self._store,
                opened=self._opened,
                raw=read.raw,
                history=read.history,
                plan=plan,
                standings=standings,
            )
        )
