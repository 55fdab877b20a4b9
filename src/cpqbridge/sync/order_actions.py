"""What a person does with an order: look at its plan, carry exactly that plan out, release, hold.

Nothing is carried out that was not shown: whoever asks sends the mark of the plan that was looked at, and a
plan that does something else by now is shown again instead.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date, datetime
from typing import TYPE_CHECKING

import structlog

from cpqbridge.domain.billing import BillingObject, Plan
from cpqbridge.domain.money import major_text
from cpqbridge.domain.refusal import OrderState, Refusal
from cpqbridge.errors import ConfigurationError, ConflictError, CpqbridgeError, PausedError
from cpqbridge.mapping.raw import OrderNotice
from cpqbridge.planning.tracks import going_on
from cpqbridge.store import audit, connections, objects, order_holds, plans
from cpqbridge.store.audit import AuditEntry, current_actor
from cpqbridge.store.connections import Connection
from cpqbridge.store.order_holds import OrderHold
from cpqbridge.store.plans import OrderStanding
from cpqbridge.sync.found_order import found_order
from cpqbridge.sync.plan_mark import PLAN_CHANGED, plan_mark
from cpqbridge.sync.planner import PlanRequest, make_plan
from cpqbridge.sync.releases import releasable
from cpqbridge.sync.task import Task, root_of
from cpqbridge.sync.wake import contract_notice

if TYPE_CHECKING:
    from cpqbridge.sync.ports import OpenConnection
    from cpqbridge.sync.service import SyncReport, SyncService

PATIENCE_SECONDS = 20.0
"""How long a person waits for a run; it goes on by itself after that."""

REASON_LENGTH = 500
_NOT_SHOWN_HELD = frozenset({OrderState.SKIPPED, OrderState.QUEUED, OrderState.REFUSED})
"""States that stay although the contract is held: a run under way ends, and what is refused stays so."""

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What a person lets through: codes of holds, and the first day billed after a take-over."""

    released: frozenset[str] = frozenset()
    cutover: date | None = None


NOTHING = Asked()


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """What a sync of the order's contract would do now; `mark` names exactly this plan.

    `numbers` are order numbers by id, `before` the states of the orders that were seen, `sent` what Stripe
    was sent last by key. `is_draft` tells that the order is not activated and planned as if it were.
    """

    notice: OrderNotice
    connection: Connection
    asked: Asked
    plan: Plan
    mark: str
    numbers: Mapping[str, str]
    before: Mapping[str, OrderState]
    sent: Mapping[str, BillingObject]
    is_draft: bool
    now: datetime

    @property
    def state(self) -> OrderState:
        """Return what the plan does with the order; skipped where the plan does not have it."""
        outcomes = (each.state for each in self.plan.outcomes if each.order_id == self.notice.order_id)
        return next(outcomes, OrderState.SKIPPED)

    @property
    def refusals(self) -> tuple[Refusal, ...]:
        """Return what stops orders of the contract, that of this order first."""
        found = [each for outcome in self.plan.outcomes for each in outcome.refusals]
        return tuple(sorted(found, key=lambda each: each.order_id != self.notice.order_id))

    @property
    def holds(self) -> tuple[Refusal, ...]:
        """Return what stands in the way and a person can release, of any order, each code once."""
        can_be = releasable()
        found = {each.code: each for each in reversed(self.refusals) if each.code in can_be}
        return tuple(found[code] for code in sorted(found))


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What came of asking for a plan to be carried out.

    `standings` are those of the contract's orders after the run; None while it still runs. `changed` is the
    plan as it is now where it is no longer the one that was shown; nothing was done then. `trouble` is why
    Salesforce could not be told of a hold, which stands all the same.
    """

    standings: tuple[OrderStanding, ...] | None = None
    changed: Look | None = None
    trouble: CpqbridgeError | None = None


class OrderActions:
    """The use cases of a person who has an order before them."""

    def __init__(self, service: SyncService, *, patience_seconds: float = PATIENCE_SECONDS) -> None:
        """Work with `service`; whoever carries a plan out waits `patience_seconds` for it."""
        self._service = service
        self._patience_seconds = patience_seconds

    def preview(self, order: str, *, connection: str | None = None) -> Look:
        """Return what a sync would do with an order by id or number; a draft as if it were activated now.

        Without a connection's name every connection is asked in turn, by name.

        Raises:
            ConfigurationError: there is no such order, or no connection.
        """
        opened, notice = self._found(order, connection)
        return self._planned(opened, notice, NOTHING, preview_order_id=notice.order_id)

    def look(self, order_id: str, asked: Asked = NOTHING) -> Look:
        """Return what `carry_out` would do now with the order's contract; nothing is written anywhere.

        Raises:
            ConfigurationError: there is no such order.
        """
        opened, notice = self._known(order_id)
        return self._planned(opened, notice, asked)

    def carry_out(self, order_id: str, asked: Asked, *, mark: str) -> Outcome:
        """Carry out the plan of this mark, or return the plan as it is by now.

        Raises:
            CpqbridgeError: the run could not begin, or an error ended it that says nothing of the order.
        """
        look = self.look(order_id, asked)
        if look.mark != mark:
            return Outcome(changed=look)
        self._service.gate.require_open(look.connection.connection_id)
        self._record("order_released" if asked.released else "order_synced", look)
        task = Task(
            connection_id=look.connection.connection_id,
            notice=look.notice,
            released=asked.released,
            cutover=asked.cutover,
            expects=mark,
        )
        try:
            report = self._run(task)
        except ConflictError as error:
            if error.code != PLAN_CHANGED:
                raise
            return Outcome(changed=self.look(order_id, asked))
        return Outcome(standings=None if report is None else report.standings)

    def hold(self, order_id: str, *, reason: str) -> Outcome:
        """Hold the order's contract until a person releases it, and say so in Salesforce.

        A run under way is finished; none begins any more.

        Raises:
            ConfigurationError: there is no reason, or no such order.
        """
        why = reason.strip()
        if not why or len(why) > REASON_LENGTH:
            raise ConfigurationError(
                f"A hold needs a reason of at most {REASON_LENGTH} characters.",
                code="hold_reason",
                field="reason",
                fix="Say why, so that whoever finds the order held knows what to wait for.",
            )
        opened, notice = self._known(order_id)
        hold = OrderHold(
            root_id=root_of(notice),
            order_id=notice.order_id,
            reason=why,
            actor=current_actor.get(),
            held_at=self._service.clock.now(),
        )
        self._put(opened.connection_id, notice, hold)
        task = Task(connection_id=opened.connection_id, notice=notice)
        try:
            report = self._run(task)
        except PausedError as error:
            self._service.gate.park(task)
            return Outcome(trouble=error)
        except CpqbridgeError as error:
            return Outcome(trouble=error)
        return Outcome(standings=None if report is None else report.standings)

    def hold_of(self, connection_id: int, root_id: str) -> OrderHold | None:
        """Return the hold on a contract, None where nobody holds it."""
        with self._service.store.read() as transaction:
            return order_holds.find(transaction, connection_id=connection_id, root_id=root_id)

    def _put(self, connection_id: int, notice: OrderNotice, hold: OrderHold) -> None:
        with self._service.store.write() as transaction:
            before = order_holds.find(transaction, connection_id=connection_id, root_id=hold.root_id)
            order_holds.put(transaction, connection_id=connection_id, hold=hold)
            for standing in plans.standings(transaction, connection_id=connection_id, root_id=hold.root_id):
                if standing.state not in _NOT_SHOWN_HELD:
                    held = _held(standing, hold)
                    plans.save_standing(transaction, connection_id=connection_id, standing=held)
            audit.record(
                transaction,
                AuditEntry(
                    connection_id=connection_id,
                    at=hold.held_at,
                    action="order_held",
                    subject=notice.order_number,
                    detail={"order_id": notice.order_id, "contract": hold.root_id},
                    before=None if before is None else {"reason": before.reason, "by": before.actor},
                    after={"reason": hold.reason},
                ),
            )

    def _planned(
        self,
        opened: OpenConnection,
        notice: OrderNotice,
        asked: Asked,
        *,
        preview_order_id: str | None = None,
    ) -> Look:
        history = opened.salesforce.history(opened.salesforce.read_contract(notice))
        now = self._service.clock_of(opened.connection).now()
        request = PlanRequest(
            history=history,
            as_of=now,
            released=asked.released,
            cutover=asked.cutover,
            preview_order_id=preview_order_id,
        )
        plan = make_plan(self._service.store, opened, request).plan
        connection_id, root_id = opened.connection_id, history.root_id
        with self._service.store.read() as transaction:
            sent = objects.of_contract(transaction, connection_id=connection_id, root_id=root_id)
            before = plans.standings(transaction, connection_id=connection_id, root_id=root_id)
        return Look(
            notice=notice,
            connection=opened.connection,
            asked=asked,
            plan=plan,
            mark=plan_mark(plan),
            numbers={order.order_id: order.order_number for order in history.orders},
            before={each.order_id: each.state for each in before},
            is_draft=any(
                order.order_id == notice.order_id and not order.activated for order in history.orders
            ),
            sent={key: going_on(each, now) for key, each in sent.items()},
            now=now,
        )

    def _known(self, order_id: str) -> tuple[OpenConnection, OrderNotice]:
        """Return the connection and a notice of an order that was seen, or that any connection finds."""
        with self._service.store.read() as transaction:
            for connection in connections.list_all(transaction):
                connection_id = connection.connection_id
                seen = plans.standings(transaction, connection_id=connection_id, order_id=order_id)
                notice = seen and contract_notice(
                    transaction, connection_id=connection_id, root_id=seen[0].root_id, order_id=order_id
                )
                if notice:
                    break
            else:
                notice, connection_id = None, 0
        return (self._service.open_id(connection_id), notice) if notice else self._found(order_id, None)

    def _found(self, order: str, connection: str | None) -> tuple[OpenConnection, OrderNotice]:
        names = [each.name for each in self._service.connections()] if connection is None else [connection]
        for name in names[:-1]:
            opened = self._service.open(name)
            notice = opened.salesforce.find_order(order)
            if notice is not None:
                return opened, notice
        opened = self._service.open(names[-1] if names else None)
        return opened, found_order(opened, order)

    def _run(self, task: Task) -> SyncReport | None:
        """Return what a run reports, None when it takes longer than a person waits; then it goes on."""
        run = _Run(self._service, task)
        run.start()
        run.join(self._patience_seconds)
        if run.is_alive():
            return None
        if run.error is not None:
            raise run.error
        return run.report

    def _record(self, action: str, look: Look) -> None:
        connection_id = look.connection.connection_id
        with self._service.store.write() as transaction:
            standings = plans.standings(transaction, connection_id=connection_id, root_id=look.plan.root_id)
            audit.record(
                transaction,
                AuditEntry(
                    connection_id=connection_id,
                    at=self._service.clock.now(),
                    action=action,
                    subject=look.notice.order_number,
                    detail={
                        "order_id": look.notice.order_id,
                        "released": sorted(look.asked.released),
                        "cutover": look.asked.cutover.isoformat() if look.asked.cutover else None,
                        "steps": [step.summary for step in look.plan.steps],
                        "billed": _billed(look.plan),
                    },
                    before={each.order_number: each.state.value for each in standings},
                    after={
                        look.numbers.get(each.order_id, each.order_id): each.state.value
                        for each in look.plan.outcomes
                    },
                ),
            )


class _Run(threading.Thread):
    """A run that somebody waits for, as long as they like."""

    def __init__(self, service: SyncService, task: Task) -> None:
        super().__init__(name=f"cpqbridge-asked-{task.root_id}", daemon=True)
        self._service = service
        self._task = task
        self.report: SyncReport | None = None
        self.error: Exception | None = None

    def run(self) -> None:
        try:
            self.report = self._service.sync_task(self._task)
        except CpqbridgeError as error:
            self.error = error
        except Exception as error:
            log.exception("asked_run_failed")
            self.error = error


def _held(standing: OrderStanding, hold: OrderHold) -> OrderStanding:
    """Return the standing of an order from the moment of the hold on, as its next plan finds it too."""
    refusal = order_holds.refusal(hold, order_id=standing.order_id)
    return replace(
        standing,
        state=refusal.state,
        code=refusal.code,
        message=refusal.message,
        fix=refusal.fix,
        record_id=refusal.record_id,
        field=refusal.field,
        request_link=None,
        retryable=False,
        updated_at=hold.held_at,
    )


def _billed(plan: Plan) -> dict[str, str]:
    """Return what the contract's orders are billed for in all, by currency, in major units."""
    totals: dict[str, int] = {}
    for proof in plan.proof:
        totals[proof.currency] = totals.get(proof.currency, 0) + proof.billed_minor
    return {currency: major_text(minor, currency) for currency, minor in sorted(totals.items())}
