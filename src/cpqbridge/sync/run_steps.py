"""What happens inside the recorded steps of a run. Each answers with small JSON that names things only.

The contract itself is kept in memory and read again when it is needed after a restart; everything else is
in the store.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from sqlalchemy import Connection as Transaction

from cpqbridge.clock import Clock
from cpqbridge.domain.billing import Plan, StepAction
from cpqbridge.domain.order import OrderHistory
from cpqbridge.domain.refusal import OrderState
from cpqbridge.errors import CpqbridgeError, InvariantError, RecordError
from cpqbridge.mapping.raw import RawContract, WriteBackRecord
from cpqbridge.store import intents, lanes, links, objects, plans, timers
from cpqbridge.store.database import Store
from cpqbridge.store.lanes import Lane
from cpqbridge.store.plans import OrderStanding
from cpqbridge.sync.adoption import Shown
from cpqbridge.sync.apply import Applier, Boundary, no_boundary
from cpqbridge.sync.durable import JsonObject
from cpqbridge.sync.error_record import error_document
from cpqbridge.sync.planner import PlanRequest, make_plan
from cpqbridge.sync.ports import OpenConnection
from cpqbridge.sync.standings import (
    FIRST_INVOICE_DIFFERS,
    carried_out,
    failed_standing,
    not_told,
    not_written,
    order_ids_of,
    orders_begun,
    planned_standings,
    says_the_same,
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
    boundary: Boundary = no_boundary


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadContract:
    """A contract as it was read in this process."""

    raw: RawContract
    history: OrderHistory


@dataclass(frozen=True, slots=True, kw_only=True)
class _Planned:
    """A plan made at `at` (aware UTC), where orders will stand after it, and where they stood before."""

    plan: Plan
    at: datetime
    final: tuple[OrderStanding, ...]
    before: Mapping[str, OrderStanding]

    def state_of(self, order_id: str) -> OrderState:
        """Return what the plan does with the order."""
        return next(outcome.state for outcome in self.plan.outcomes if outcome.order_id == order_id)

    def is_same(self, standing: OrderStanding) -> bool:
        """Return whether the order stood like this before."""
        return says_the_same(self.before.get(standing.order_id), standing)

    def reported(self) -> dict[str, str]:
        """Return each order's state as this run reports it: unchanged where nothing was to be done."""
        return {
            standing.order_id: OrderState.UNCHANGED.value
            if self.state_of(standing.order_id) is OrderState.UNCHANGED and self.is_same(standing)
            else standing.state.value
            for standing in self.final
        }


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
        self._root_id = task.root_id
        self._read: ReadContract | None = None
        self._plan: tuple[int, Plan] | None = None
        self._applier = Applier(
            store=parts.store,
            opened=parts.opened,
            clock=parts.clock,
            lane=lane,
            boundary=parts.boundary,
            accepts_differences=FIRST_INVOICE_DIFFERS in task.released,
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
        self._parts.boundary("planned")
        states = planned.reported()
        is_same = not planned.plan.steps and all(map(planned.is_same, planned.final))
        if is_same and not self._records(read, planned.plan, planned.final):
            self._note_stamps(planned)
            self._set_timer_if_it_differs(planned.plan)
            return {"plan_id": None, "steps": [], "states": states}
        plan_id = self._keep(planned)
        self._parts.boundary("plan kept")
        return {"plan_id": plan_id, "steps": [step.key for step in planned.plan.steps], "states": states}

    def check_stamps(self, plan_id: int) -> JsonObject:
        """Return whether an order of the contract was saved in Salesforce since it was read for the plan."""
        stamps = {
            standing.order_id: standing.modified_at
            for standing in self._standings()
            if standing.plan_id == plan_id
        }
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
        now = self._parts.clock.now()
        with self._store.write() as transaction:
            lanes.require(transaction, self._lane)
            doubted = self._doubts(transaction, self.plan(plan_id))
            for standing in self._standings_in(transaction):
                if standing.state is not OrderState.QUEUED:
                    continue
                plans.save_standing(
                    transaction,
                    connection_id=self._connection_id,
                    standing=carried_out(
                        standing,
                        refused=refused.get(standing.order_id),
                        doubt=doubted.get(standing.order_id),
                        at=now,
                    ),
                )
            plans.finish_plan(transaction, plan_id=plan_id, state="failed" if refused else "done", at=now)
            if not refused:
                self._set_timer(transaction, self.plan(plan_id).wake_at)

    def keep_failure(self, error: CpqbridgeError) -> None:
        """Store that an error stopped the run for the orders under way, at least for the one asked for."""
        now = self._parts.clock.now()
        standings = {standing.order_id: standing for standing in self._standings()}
        stopped = [each for each in standings.values() if each.state is OrderState.QUEUED]
        if not stopped:
            stopped = [standings.get(self._task.notice.order_id) or self._first_standing(now)]
        with self._store.write() as transaction:
            lanes.require(transaction, self._lane)
            for standing in stopped:
                plans.save_standing(
                    transaction,
                    connection_id=self._connection_id,
                    standing=failed_standing(standing, error, state=OrderState.FAILED, at=now),
                )

    def keep_not_told(self, error: CpqbridgeError) -> None:
        """Store that Salesforce could not be told of orders that Stripe bills rightly."""
        now = self._parts.clock.now()
        with self._store.write() as transaction:
            lanes.require(transaction, self._lane)
            for standing in self._standings_in(transaction):
                if standing.state is OrderState.SYNCED:
                    plans.save_standing(
                        transaction,
                        connection_id=self._connection_id,
                        standing=not_told(standing, error, at=now),
                    )

    def write_back(self, plan_id: int) -> JsonObject:
        """Write ids, states and sync records to Salesforce where they differ; note what it did not take."""
        read = self._read or self._read_again()
        standings = self._standings()
        records = self._records(read, self.plan(plan_id), standings)
        self._parts.boundary("before write-back")
        failures = self._opened.salesforce.write(records) if records else ()
        self._parts.boundary("written back")
        if failures:
            with self._store.write() as transaction:
                lanes.require(transaction, self._lane)
                for standing in not_written(standings, failures):
                    plans.save_standing(transaction, connection_id=self._connection_id, standing=standing)
        return {"records": len(records), "failures": len(failures)}

    def states(self) -> dict[str, str]:
        """Return the state of every order of the contract as it is stored."""
        return {standing.order_id: standing.state.value for standing in self._standings()}

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

    def _planned(self, read: ReadContract) -> _Planned:
        now = self._parts.clock.now()
        if FIRST_INVOICE_DIFFERS in self._task.released:
            with self._store.write() as transaction:
                lanes.require(transaction, self._lane)
                intents.accept_doubts(transaction, connection_id=self._connection_id, root_id=self._root_id)
        request = PlanRequest(history=read.history, as_of=now, released=self._task.released)
        made = make_plan(self._store, self._opened, request)
        self._keep_found(made.found, at=now)
        plan = made.plan
        with self._store.read() as transaction:
            doubted = self._doubts(transaction, plan)
            before = self._standings_in(transaction)
        return _Planned(
            plan=plan,
            at=now,
            final=planned_standings(plan, read.history, doubted=doubted, at=now),
            before={standing.order_id: standing for standing in before},
        )

    def _keep_found(self, found: Shown, *, at: datetime) -> None:
        """Store links and objects that were found again, before anything is planned on top of them."""
        if not found.links:
            return
        with self._store.write() as transaction:
            lanes.require(transaction, self._lane)
            for link in found.links.values():
                links.save(transaction, connection_id=self._connection_id, link=link, at=at)
            for sent in found.objects.values():
                objects.save(
                    transaction,
                    connection_id=self._connection_id,
                    root_id=self._root_id,
                    sent=sent,
                    at=at,
                )

    def _keep(self, planned: _Planned) -> int:
        """Store plan, standings and the contract's timer in one transaction; return the plan's id.

        While steps are to be carried out, a timer that was set before is not put off.
        """
        plan, now = planned.plan, planned.at
        begun = orders_begun(plan)
        with self._store.write() as transaction:
            lanes.require(transaction, self._lane)
            plan_id = plans.save_plan(transaction, connection_id=self._connection_id, plan=plan, at=now)
            self._set_timer(transaction, plan.wake_at, may_put_off=not plan.steps)
            for standing in planned.final:
                state = OrderState.QUEUED if standing.order_id in begun else standing.state
                plans.save_standing(
                    transaction,
                    connection_id=self._connection_id,
                    standing=replace(standing, state=state, plan_id=plan_id),
                )
        self._plan = (plan_id, plan)
        return plan_id

    def _set_timer(
        self, transaction: Transaction, due_at: datetime | None, *, may_put_off: bool = True
    ) -> None:
        if not may_put_off:
            present = timers.find(transaction, connection_id=self._connection_id, root_id=self._root_id)
            instants = [due_at, present.due_at if present is not None else None]
            due_at = min((instant for instant in instants if instant is not None), default=None)
        timers.put(
            transaction,
            connection_id=self._connection_id,
            root_id=self._root_id,
            order_id=self._task.notice.order_id,
            due_at=due_at,
        )

    def _set_timer_if_it_differs(self, plan: Plan) -> None:
        with self._store.read() as transaction:
            present = timers.find(transaction, connection_id=self._connection_id, root_id=self._root_id)
        if (present.due_at if present is not None else None) == plan.wake_at:
            return
        with self._store.write() as transaction:
            lanes.require(transaction, self._lane)
            self._set_timer(transaction, plan.wake_at)

    def _note_stamps(self, planned: _Planned) -> None:
        """Keep the stamps of orders that were saved without a change that matters."""
        moved = [
            replace(before, modified_at=standing.modified_at)
            for standing in planned.final
            if (before := planned.before[standing.order_id]).modified_at != standing.modified_at
        ]
        if not moved:
            return
        with self._store.write() as transaction:
            lanes.require(transaction, self._lane)
            for standing in moved:
                plans.save_standing(transaction, connection_id=self._connection_id, standing=standing)

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

    def _doubts(self, transaction: Transaction, plan: Plan) -> dict[str, str]:
        """Return by order id what is not as planned of what was made for it."""
        return {
            order_id: doubt.text
            for doubt in intents.doubts(transaction, connection_id=self._connection_id, root_id=self._root_id)
            for order_id in doubt.order_ids or order_ids_of(plan, doubt.step_key)
        }

    def _standings(self) -> tuple[OrderStanding, ...]:
        with self._store.read() as transaction:
            return self._standings_in(transaction)

    def _standings_in(self, transaction: Transaction) -> tuple[OrderStanding, ...]:
        return plans.standings(transaction, connection_id=self._connection_id, root_id=self._root_id)

    def _first_standing(self, at: datetime) -> OrderStanding:
        notice = self._task.notice
        return OrderStanding(
            order_id=notice.order_id,
            order_number=notice.order_number,
            root_id=self._root_id,
            contract_key=notice.contract_id or notice.order_id,
            state=OrderState.QUEUED,
            modified_at="",
            updated_at=at,
        )
