"""Which orders of a contract are carried out, and what stops the others (B1.5, B1.6, B13)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

from cpqbridge.domain.billing import OrderOutcome
from cpqbridge.domain.order import Order, OrderKind
from cpqbridge.domain.refusal import OrderState, Refusal
from cpqbridge.planning.billing_steps import facts_fingerprint
from cpqbridge.planning.checks import order_refusals
from cpqbridge.planning.contract import SentFacts
from cpqbridge.planning.request import Request

_STOPPING = {OrderState.FAILED, OrderState.REFUSED, OrderState.HELD, OrderState.WAITING}
_RANKING = [OrderState.FAILED, OrderState.REFUSED, OrderState.HELD, OrderState.WAITING, OrderState.SKIPPED]


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """The orders to carry out, executed ones first, and the outcomes of those that are not.

    A `frozen` contract has an executed order that is no longer what was sold: what stands in Stripe is left.
    `without_lines` are orders of which every line is left out on purpose.
    """

    accepted: tuple[Order, ...]
    new: tuple[Order, ...]
    outcomes: Mapping[str, OrderOutcome] = field(default_factory=dict)
    frozen: bool = False
    without_lines: tuple[Order, ...] = ()


def stopped(order: Order, refusals: Iterable[Refusal]) -> OrderOutcome:
    """Return the outcome of an order that does not go on; the gravest state of its refusals wins."""
    found = tuple(refusals)
    worst = min((refusal.state for refusal in found), key=_RANKING.index)
    return OrderOutcome(order_id=order.order_id, state=worst, refusals=found)


class Acceptance:
    """Decides order by order; what a trial found against an order is added with `stop`."""

    def __init__(self, request: Request, *, preview_order_id: str | None) -> None:
        """Look at every order by itself."""
        self._request = request
        self._preview_order_id = preview_order_id
        self._sent = SentFacts.of(request.state)
        self._found: dict[str, tuple[Refusal, ...]] = {}

    def stop(self, found: Mapping[str, tuple[Refusal, ...]]) -> None:
        """Add what stops orders."""
        self._found = {**self._found, **found}

    def verdict(self) -> Verdict:
        """Return which orders are carried out, as far as is known by now."""
        history = self._request.history
        outcomes: dict[str, OrderOutcome] = {}
        executed: list[Order] = []
        new: list[Order] = []
        blocker: Order | None = None
        frozen = False
        for order in history.orders:
            if order.order_id in self._sent.orders:
                trouble = tuple(self._trouble(order))
                if trouble:
                    outcomes[order.order_id] = stopped(order, trouble)
                    blocker = blocker or order
                    frozen = True
                executed.append(order)
        gone = self._sent.orders.keys() - {order.order_id for order in history.orders}
        for order in history.orders:
            if order.order_id in self._sent.orders:
                continue
            begun = bool(executed or new)
            outcome = self._outcome(order, blocker, frozen=frozen, begun=begun, gone=bool(gone))
            if outcome is None:
                new.append(order)
                continue
            outcomes[order.order_id] = outcome
            if blocker is None and outcome.state in _STOPPING:
                blocker = order
        if frozen or gone:
            return Verdict(accepted=(), new=(), outcomes=outcomes, frozen=True)
        sequence = {order.order_id: place for place, order in enumerate(history.orders)}
        executed.sort(
            key=lambda order: (self._sent.orders[order.order_id].executed_at, sequence[order.order_id])
        )
        without_lines = tuple(
            order
            for order in history.orders
            if order.order_id in outcomes and outcomes[order.order_id].state is OrderState.UNCHANGED
        )
        return Verdict(
            accepted=(*executed, *new), new=tuple(new), outcomes=outcomes, without_lines=without_lines
        )

    def _is_taken_over(self) -> bool:
        """Return whether the contract has an order from before the start date that was not executed by us."""
        return any(
            order.before_start_date and order.activated and order.order_id not in self._sent.orders
            for order in self._request.history.orders
        )

    def _may_take_over(self) -> bool:
        """Return whether a person gave the first day to bill, now or when the contract was taken over."""
        is_kept = any(entry.cutover is not None for entry in self._sent.orders.values())
        return is_kept or ("takeover" in self._request.released and self._request.cutover is not None)

    def _trouble(self, order: Order) -> Iterable[Refusal]:
        """Yield why an executed order is no longer what was carried out."""
        yield from self._found.get(order.order_id, ())
        own = [each for each in self._request.history.refusals if each.order_id == order.order_id]
        if not order.activated:
            left_out = next((each for each in own if each.state is OrderState.SKIPPED), None)
            yield changed_after_sync(order) if left_out is None else _left_out(order, left_out.message)
            return
        mark = self._sent.orders[order.order_id].fingerprint
        if mark and mark != facts_fingerprint(order, order.lines):
            yield self._other_lines(order, mark) or changed_after_sync(order)
            return
        # A policy or an address that would stop it today changes nothing of what was carried out.
        yield from own

    def _other_lines(self, order: Order, mark: str) -> Refusal | None:
        """Return the hold of an order of which other lines are left out now, None where that is not all."""
        billed = self._billed_line_ids
        gone = [line for line in order.skipped_lines if line.order_item_id in billed]
        if gone:
            texts = (f"{line.left_out_by} leaves out line {line.order_item_id}." for line in gone)
            return _left_out(order, " ".join(texts))
        kept = tuple(line for line in order.lines if line.order_item_id in billed)
        if facts_fingerprint(order, kept) != mark:
            return None
        return _taken_in(order, [line.order_item_id for line in order.lines if line not in kept])

    @property
    def _billed_line_ids(self) -> frozenset[str]:
        """Return the lines that anything sent so far bills, one-time ones too."""
        objects = self._request.state.objects.values()
        items = (item for sent in objects for phase in sent.phases for item in phase.one_time_items)
        return frozenset((*self._sent.lines, *(item.order_item_id for item in items)))

    def _outcome(
        self, order: Order, blocker: Order | None, *, frozen: bool, begun: bool, gone: bool
    ) -> OrderOutcome | None:
        """Return the outcome of an order that is not carried out now, None when it is."""
        history = self._request.history
        own = [refusal for refusal in history.refusals if refusal.order_id == order.order_id]
        if not (order.activated or order.order_id == self._preview_order_id):
            left_out = [each for each in own if each.state is OrderState.SKIPPED]
            return stopped(order, left_out or [_not_activated(order)])
        if gone:
            return stopped(order, [_order_gone(order)])
        opening = order.kind is not OrderKind.AMENDMENT
        if blocker is not None and (not opening or frozen):
            return stopped(order, [_waiting(order, blocker)])
        if self._is_taken_over() and not self._may_take_over():
            return stopped(order, [_takeover(order)])
        found = [*own, *order_refusals(order, history, self._request.configuration)]
        found += self._found.get(order.order_id, ())
        if found:
            return stopped(order, found)
        if not opening and not begun:
            first = next((each for each in history.orders if each.kind is not OrderKind.AMENDMENT), None)
            return stopped(order, [_waiting(order, first) if first is not None else _no_first_order(order)])
        if order.lines:
            return None
        if order.skipped_line_ids:
            return OrderOutcome(order_id=order.order_id, state=OrderState.UNCHANGED)
        return stopped(order, [_nothing_to_bill(order)])


def _takeover(order: Order) -> Refusal:
    return Refusal(
        code="takeover",
        message=f"Order {order.order_number} belongs to a contract with an order from before the "
        "connection's start date, which was billed elsewhere so far.",
        record_id=order.order_id,
        field="ActivatedDate",
        fix="End the billing elsewhere on a day, then sync the order with `--release takeover --cutover` and "
        "that day: what begins before it is not billed again.",
        order_id=order.order_id,
        state=OrderState.HELD,
    )


def changed_after_sync(order: Order) -> Refusal:
    """Return the hold of an order whose sold facts differ from those that Stripe bills."""
    return Refusal(
        code="changed_after_sync",
        message=f"Order {order.order_number} was changed in Salesforce after it was synced; "
        "what Stripe bills was left as it was.",
        record_id=order.order_id,
        field="",
        fix="Undo the change in Salesforce, or correct the subscription schedule in Stripe by hand.",
        order_id=order.order_id,
        state=OrderState.HELD,
    )


def _left_out(order: Order, why: str) -> Refusal:
    """Return the hold of an order that is billed, but that the connection's settings leave out now."""
    return Refusal(
        code="left_out_after_sync",
        message=f"Order {order.order_number} is billed already, but is left out now: {why} What Stripe bills "
        "was left as it was.",
        record_id=order.order_id,
        field="",
        fix="Let the connection's filters and start date cover it again; what Stripe bills is ended by an "
        "amendment to zero, not by a filter.",
        order_id=order.order_id,
        state=OrderState.HELD,
    )


def _taken_in(order: Order, line_ids: Iterable[str]) -> Refusal:
    """Return the hold of a billed order of which lines count now that were left out when it was synced."""
    named = ", ".join(line_ids)
    return replace(
        changed_after_sync(order),
        message=f"Order {order.order_number} is billed already without line {named}, which is not left out "
        "any more; what Stripe bills was left as it was.",
        fix="Leave the line out again, by the filter or by Skip_Line_Item__c; to bill it from now on, "
        "sell it in an amendment.",
    )


def _order_gone(order: Order) -> Refusal:
    return Refusal(
        code="changed_after_sync",
        message=f"Order {order.order_number} changes a contract of which a synced order is gone from "
        "Salesforce; what Stripe bills was left as it was.",
        record_id=order.order_id,
        field="",
        fix="Restore the order in Salesforce, or correct the subscription schedule in Stripe by hand.",
        order_id=order.order_id,
        state=OrderState.HELD,
    )


def _waiting(order: Order, blocker: Order) -> Refusal:
    return Refusal(
        code="waiting_for_order",
        message=f"Order {order.order_number} waits for order {blocker.order_number}, "
        "which changes the same contract before it.",
        record_id=blocker.order_id,
        field="",
        fix=f"Solve what stops order {blocker.order_number} first.",
        order_id=order.order_id,
        state=OrderState.WAITING,
    )


def _no_first_order(order: Order) -> Refusal:
    return Refusal(
        code="order_line_not_found",
        message=f"Order {order.order_number} amends a contract whose first order was not found.",
        record_id=order.order_id,
        field="SBQQ__Quote__r.SBQQ__MasterContract__c",
        fix="Let the connection's user see the contract's first order and its quote, then sync again.",
        order_id=order.order_id,
    )


def _not_activated(order: Order) -> Refusal:
    return Refusal(
        code="not_activated",
        message=f"Order {order.order_number} is not activated.",
        record_id=order.order_id,
        field="StatusCode",
        fix="Activate the order in Salesforce when it is ready to be billed.",
        order_id=order.order_id,
        state=OrderState.SKIPPED,
    )


def _nothing_to_bill(order: Order) -> Refusal:
    return Refusal(
        code="nothing_to_bill",
        message=f"Order {order.order_number} has no order lines with a quantity, so nothing was billed.",
        record_id=order.order_id,
        field="OrderItems",
        fix="Check that the order lines can be seen; for an export, export OrderItem again in full.",
        order_id=order.order_id,
        state=OrderState.SKIPPED,
    )
