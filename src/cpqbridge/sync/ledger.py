"""What a run keeps in the store of its contract: plan, standings, timer, and what became of it.

Every write checks first, in its own transaction, that the contract's lane is still ours.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime

from sqlalchemy import Connection as Transaction

from cpqbridge.domain.billing import Plan
from cpqbridge.domain.refusal import OrderState
from cpqbridge.domain.usage import UsageSpan
from cpqbridge.errors import ConflictError, CpqbridgeError
from cpqbridge.salesforce.writer import WriteFailure
from cpqbridge.store import intents, lanes, links, objects, order_holds, order_lists, plans, timers, usage
from cpqbridge.store.database import Store
from cpqbridge.store.lanes import Lane
from cpqbridge.store.plans import OrderStanding
from cpqbridge.sync.adoption import Shown
from cpqbridge.sync.allowance import WAITS_FOR_CALLS
from cpqbridge.sync.standings import (
    carried_out,
    failed_standing,
    not_told,
    not_written,
    order_ids_of,
    orders_begun,
    says_the_same,
)
from cpqbridge.sync.task import Task

USAGE_CLAIMED = "usage_claimed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Planned:
    """A plan made at `at` (aware UTC), where orders will stand after it, and where they stood before.

    `usage` is what the contract bills by usage then, `usage_elsewhere` what others of its customer do.
    """

    plan: Plan
    at: datetime
    final: tuple[OrderStanding, ...]
    before: Mapping[str, OrderStanding]
    usage: tuple[UsageSpan, ...] = ()
    usage_elsewhere: tuple[UsageSpan, ...] = ()

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


@dataclass(frozen=True, slots=True, kw_only=True)
class Ledger:
    """The rows of the contract that `task` names, in the name of the run that holds `lane`."""

    store: Store
    task: Task
    lane: Lane

    def standings(self) -> tuple[OrderStanding, ...]:
        """Return where the contract's orders stand."""
        with self.store.read() as transaction:
            return self._standings(transaction)

    def require_lane(self) -> None:
        """Check that the lane is still ours, before something is sent that stands for what was found.

        Raises:
            ConflictError: somebody else took it; nothing more may be written.
        """
        with self.store.read() as transaction:
            lanes.require(transaction, self.lane)

    def doubts(self, plan: Plan) -> dict[str, str]:
        """Return by order id what is not as planned of what was made for it."""
        with self.store.read() as transaction:
            return self._doubts(transaction, plan)

    def accept_doubts(self) -> None:
        """Drop the contract's doubts: a person has looked at them."""
        with self._writing() as transaction:
            intents.accept_doubts(transaction, connection_id=self._connection_id, root_id=self._root_id)

    def lift_hold(self) -> None:
        """Lift the hold that a person put on the contract: a person released it."""
        with self._writing() as transaction:
            order_holds.lift(transaction, connection_id=self._connection_id, root_id=self._root_id)

    def keep_found(self, found: Shown, *, at: datetime) -> None:
        """Store links and objects that were found again, before anything is planned on top of them."""
        if not found.links:
            return
        with self._writing() as transaction:
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

    def keep_plan(self, planned: Planned) -> int:
        """Store plan, standings and the contract's timer in one transaction; return the plan's id.

        While steps are to be carried out, a timer that was set before is not put off.

        Raises:
            ConflictError: another contract of the customer began to bill the same usage since it was planned.
        """
        plan, now = planned.plan, planned.at
        begun = orders_begun(plan)
        with self._writing() as transaction:
            self._claim_usage(transaction, planned)
            plan_id = plans.save_plan(transaction, connection_id=self._connection_id, plan=plan, at=now)
            self._set_timer(transaction, plan.wake_at, may_put_off=not plan.steps)
            if plan.record is not None:
                objects.save_record(
                    transaction,
                    connection_id=self._connection_id,
                    root_id=self._root_id,
                    record=plan.record,
                    at=now,
                )
            self._save(
                transaction,
                (
                    replace(
                        standing,
                        state=OrderState.QUEUED if standing.order_id in begun else standing.state,
                        plan_id=plan_id,
                    )
                    for standing in planned.final
                ),
            )
            order_lists.keep_plan(transaction, connection_id=self._connection_id, plan=plan)
        return plan_id

    def _claim_usage(self, transaction: Transaction, planned: Planned) -> None:
        connection_id, account_id = self._connection_id, planned.plan.account_id
        others = usage.elsewhere(
            transaction, connection_id=connection_id, account_id=account_id, root_id=self._root_id
        )
        for other in others:
            if other not in planned.usage_elsewhere and any(map(other.overlaps, planned.usage)):
                raise ConflictError(
                    f"Contract {other.contract_key} of the same customer began to bill the same usage.",
                    code=USAGE_CLAIMED,
                )
        usage.replace(
            transaction,
            connection_id=connection_id,
            account_id=account_id,
            root_id=self._root_id,
            spans=planned.usage,
        )

    def set_timer_if_it_differs(self, plan: Plan) -> None:
        """Set the contract's timer to what a plan without steps says, where it says something else."""
        with self.store.read() as transaction:
            present = timers.find(transaction, connection_id=self._connection_id, root_id=self._root_id)
        if (present.due_at if present is not None else None) == plan.wake_at:
            return
        with self._writing() as transaction:
            self._set_timer(transaction, plan.wake_at)

    def keep_listed(self, plan: Plan) -> None:
        """Keep what lists show of a plan of which nothing else is kept, where they show something else."""
        with self.store.read() as transaction:
            news = order_lists.news(transaction, connection_id=self._connection_id, plan=plan)
        if news:
            with self._writing() as transaction:
                order_lists.keep_plan(transaction, connection_id=self._connection_id, plan=plan)

    def note_stamps(self, planned: Planned) -> None:
        """Keep the stamps of orders that were saved without a change that matters."""
        moved = [
            replace(before, modified_at=standing.modified_at)
            for standing in planned.final
            if (before := planned.before[standing.order_id]).modified_at != standing.modified_at
        ]
        if not moved:
            return
        with self._writing() as transaction:
            self._save(transaction, moved)

    def keep_outcome(
        self, plan_id: int, plan: Plan, refused: Mapping[str, CpqbridgeError], *, at: datetime
    ) -> None:
        """Store where the orders stand now that the plan was carried out; `refused` is by order id."""
        with self._writing() as transaction:
            doubted = self._doubts(transaction, plan)
            self._save(
                transaction,
                (
                    carried_out(
                        standing,
                        refused=refused.get(standing.order_id),
                        doubt=doubted.get(standing.order_id),
                        at=at,
                    )
                    for standing in self._standings(transaction)
                    if standing.state is OrderState.QUEUED
                ),
            )
            plans.finish_plan(transaction, plan_id=plan_id, state="failed" if refused else "done", at=at)
            if not refused:
                self._set_timer(transaction, plan.wake_at)

    def keep_failure(self, error: CpqbridgeError, *, at: datetime) -> None:
        """Store that an error stopped the run for the orders under way, at least for the one asked for.

        Orders that only wait for calls of the org stay queued and say what they wait for.
        """
        state = OrderState.QUEUED if error.code in WAITS_FOR_CALLS else OrderState.FAILED
        standings = {standing.order_id: standing for standing in self.standings()}
        stopped = [each for each in standings.values() if each.state is OrderState.QUEUED]
        if not stopped:
            stopped = [standings.get(self.task.notice.order_id) or self._first_standing(at)]
        with self._writing() as transaction:
            self._save(
                transaction,
                (failed_standing(each, error, state=state, at=at) for each in stopped),
            )

    def keep_not_told(self, error: CpqbridgeError, *, at: datetime) -> None:
        """Store that Salesforce could not be told of orders that Stripe bills rightly."""
        with self._writing() as transaction:
            self._save(
                transaction,
                (
                    not_told(standing, error, at=at)
                    for standing in self._standings(transaction)
                    if standing.state is OrderState.SYNCED
                ),
            )

    def keep_not_written(self, failures: Sequence[WriteFailure]) -> None:
        """Store that Salesforce did not take some records."""
        standings = self.standings()
        with self._writing() as transaction:
            self._save(transaction, not_written(standings, failures))

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
            order_id=self.task.notice.order_id,
            due_at=due_at,
        )

    def _doubts(self, transaction: Transaction, plan: Plan) -> dict[str, str]:
        """Return by order id what is not as planned of what was made for it."""
        return {
            order_id: doubt.text
            for doubt in intents.doubts(transaction, connection_id=self._connection_id, root_id=self._root_id)
            for order_id in doubt.order_ids or order_ids_of(plan, doubt.step_key)
        }

    def _standings(self, transaction: Transaction) -> tuple[OrderStanding, ...]:
        return plans.standings(transaction, connection_id=self._connection_id, root_id=self._root_id)

    def _first_standing(self, at: datetime) -> OrderStanding:
        notice = self.task.notice
        return OrderStanding(
            order_id=notice.order_id,
            order_number=notice.order_number,
            root_id=self._root_id,
            contract_key=notice.contract_id or notice.order_id,
            state=OrderState.QUEUED,
            modified_at="",
            updated_at=at,
        )

    @property
    def _connection_id(self) -> int:
        return self.task.connection_id

    @property
    def _root_id(self) -> str:
        return self.task.root_id

    @contextmanager
    def _writing(self) -> Iterator[Transaction]:
        with self.store.write() as transaction:
            lanes.require(transaction, self.lane)
            yield transaction

    def _save(self, transaction: Transaction, standings: Iterable[OrderStanding]) -> None:
        for standing in standings:
            plans.save_standing(transaction, connection_id=self._connection_id, standing=standing)
