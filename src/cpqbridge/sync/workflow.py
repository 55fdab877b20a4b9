"""One run: read the contract, plan, carry out each step, write back. One external call per recorded step.

A run can be cut off anywhere and be continued, or begun anew: what it already did is in the store. Whatever
is recorded between steps is small and names things only.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial

from cpqbridge.domain.billing import Plan
from cpqbridge.domain.refusal import OrderState
from cpqbridge.errors import ConflictError, CpqbridgeError
from cpqbridge.sync.durable import JsonObject, StepRunner
from cpqbridge.sync.error_record import error_document, error_from_document
from cpqbridge.sync.plan_mark import PLAN_CHANGED
from cpqbridge.sync.run_steps import RunSteps
from cpqbridge.sync.standings import concerns_only, needs_one_of, orders_of_step

PLANS_AT_MOST = 4
GOES_ON_LATER = frozenset({"lane_lost", "paused", PLAN_CHANGED})
"""Codes of errors that say nothing of the orders: another process goes on, this one after a pause, or a
person looks again."""


def run_contract(bodies: RunSteps, steps: StepRunner) -> JsonObject:
    """Sync one contract whose lane is held, and return what came of it.

    The result is `states` (order id -> state as this run reports it), `plan_id` (None when nothing was to be
    done) and `error` (None, or the document of the error that stopped the run). Every order of the contract
    ends in one state, also after an error; only what is no `CpqbridgeError` is raised.
    """
    flow = _Flow(bodies, steps)
    try:
        refused = flow.plan_and_apply()
    except CpqbridgeError as error:
        return flow.failed(error)
    return flow.ended(refused)


class _Flow:
    """The order in which the steps run; it must be the same when a run is continued after a restart."""

    def __init__(self, bodies: RunSteps, steps: StepRunner) -> None:
        self._bodies = bodies
        self._steps = steps
        self._plan_id: int | None = None
        self._states: dict[str, str] = {}

    def plan_and_apply(self) -> Mapping[str, CpqbridgeError]:
        """Carry out the contract's plan; return the refusals by order id."""
        for _ in range(PLANS_AT_MOST):
            # Before every plan, since a run continued after a stop has recorded that nothing was open then.
            for intent_id in self._step("find open calls", self._bodies.open_intents)["intents"]:
                self._step(f"settle {intent_id}", partial(self._bodies.settle, intent_id))
            planned = self._step("plan", self._bodies.make_plan)
            self._plan_id, self._states = planned["plan_id"], planned["states"]
            if self._plan_id is None or not planned["steps"]:
                return {}
            if self._step("stamps", partial(self._bodies.check_stamps, self._plan_id))["changed"]:
                continue
            refused = self._apply(self._plan_id)
            if refused is None:
                continue
            if refused:
                late = partial(self._bodies.was_too_late, self._plan_id, sorted(refused))
                if self._step("was too late", late)["late"]:
                    continue
            plan = self._bodies.plan(self._plan_id)
            by_order: dict[str, CpqbridgeError] = {}
            for key, error in refused.items():
                by_order = dict.fromkeys(orders_of_step(plan, key), error) | by_order
            return by_order
        raise ConflictError(
            "The contract kept changing in Salesforce while it was being synced.",
            code="keeps_changing",
            fix="Sync it again when the changes are done.",
        )

    def ended(self, refused: Mapping[str, CpqbridgeError]) -> JsonObject:
        """Store and write back the end of a run that carried out its plan."""
        if self._plan_id is None:
            return self._result(None)
        self._bodies.keep_outcome(self._plan_id, refused)
        try:
            self._step("write back", partial(self._bodies.write_back, self._plan_id))
        except CpqbridgeError as error:
            if error.code not in GOES_ON_LATER:
                self._bodies.keep_not_told(error)
            return self._result(error)
        return self._result(None)

    def failed(self, error: CpqbridgeError) -> JsonObject:
        """Store the end of a run that an error stopped, and say so in Salesforce where that is possible."""
        if error.code in GOES_ON_LATER:
            return self._result(error)
        self._bodies.keep_failure(error)
        if self._plan_id is not None:
            try:
                self._step("write back", partial(self._bodies.write_back, self._plan_id))
            except CpqbridgeError:
                # The first error is the one to show.
                return self._result(error)
        return self._result(error)

    def _apply(self, plan_id: int) -> dict[str, CpqbridgeError] | None:
        """Return the refusals by step key, or None when the plan had grown too old to go on with.

        After a refusal the orders it concerns get no further call: what a refused change of a schedule would
        have billed is not billed by half.
        """
        plan: Plan = self._bodies.plan(plan_id)
        refused: dict[str, CpqbridgeError] = {}
        left_out: set[str] = set()
        stopped: frozenset[str] = frozenset()
        for step in plan.steps:
            if needs_one_of(step, {*refused, *left_out}) or concerns_only(plan, step.key, stopped):
                left_out.add(step.key)
                continue
            answer = self._step(f"apply {step.key}", partial(self._bodies.apply, plan_id, step.key))
            if "stale" in answer:
                return None
            if "refused" in answer:
                refused[step.key] = error_from_document(answer["refused"])
                stopped |= orders_of_step(plan, step.key)
        return refused

    def _step(self, name: str, function: Callable[[], JsonObject]) -> JsonObject:
        def captured() -> JsonObject:
            try:
                return {"answer": function()}
            except CpqbridgeError as error:
                return {"error": error_document(error)}

        outcome = self._steps.step(name, captured)
        if "error" in outcome:
            raise error_from_document(outcome["error"])
        answer: JsonObject = outcome["answer"]
        return answer

    def _result(self, error: CpqbridgeError | None) -> JsonObject:
        stored = self._bodies.states()
        untouched = {
            order_id: state
            for order_id, state in self._states.items()
            if state == OrderState.UNCHANGED and stored.get(order_id) == OrderState.SYNCED
        }
        return {
            "states": {**stored, **untouched} if error is None else stored,
            "plan_id": self._plan_id,
            "error": error_document(error) if error is not None else None,
        }
