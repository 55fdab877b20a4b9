"""The planner: an order history and what Stripe holds become one plan, complete before the first write."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from datetime import datetime

from cpqbridge.domain.billing import BillingState, OrderOutcome, Plan, Step
from cpqbridge.domain.order import Order, OrderHistory, OrderKind
from cpqbridge.domain.refusal import OrderState, Refusal
from cpqbridge.mapping.configuration import Configuration
from cpqbridge.planning.checks import order_refusals
from cpqbridge.planning.new_order import OrderPlan, changed_after_sync, plan_new_order, stopped
from cpqbridge.planning.safety import NEVER_RELEASED

_STOPPING = {OrderState.FAILED, OrderState.REFUSED, OrderState.HELD, OrderState.WAITING}


def plan_contract(
    history: OrderHistory,
    state: BillingState,
    configuration: Configuration,
    *,
    as_of: datetime,
    released: Collection[str] = frozenset(),
    preview_order_id: str | None = None,
) -> Plan:
    """Return the whole plan for one contract.

    Args:
        history: every order of the contract as the mapper read it.
        state: what exists in Stripe for it, through our links.
        configuration: mapping and policies of the connection.
        as_of: the present instant, aware UTC; an order that has a schedule or invoice keeps its own instant.
        released: codes of holds a person has released for this run.
        preview_order_id: a draft order that is planned as if it were activated now.
    """
    planned: list[OrderPlan] = []
    blocker: Order | None = None
    for order in history.orders:
        result = _plan_order(
            order,
            history,
            state,
            configuration,
            as_of=as_of,
            released=frozenset(released) - NEVER_RELEASED,
            as_activated=order.activated or order.order_id == preview_order_id,
            blocker=blocker,
        )
        if blocker is None and result.outcome.state in _STOPPING:
            blocker = order
        planned.append(result)
    steps = _unique(step for result in planned for step in result.steps)
    instants = _kept_instants(state, history)
    return Plan(
        root_id=history.root_id,
        contract_key=history.contract_key,
        account_id=history.account.account_id,
        account_name=str(history.account.parameters.get("name") or ""),
        executed_at=max(
            (instants[order.order_id] for order in history.orders if order.order_id in instants),
            default=as_of,
        ),
        outcomes=tuple(result.outcome for result in planned),
        objects=tuple(wanted for result in planned for wanted in result.objects),
        steps=steps,
        forecast=tuple(
            sorted(
                (invoice for result in planned for invoice in result.forecast),
                key=lambda invoice: (invoice.on, invoice.object_key),
            )
        ),
        proof=tuple(proof for result in planned for proof in result.proof),
        warnings=(*history.warnings, *(text for result in planned for text in result.warnings)),
    )


def _unique(steps: Iterator[Step]) -> tuple[Step, ...]:
    return tuple({step.key: step for step in steps}.values())


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


def _several_orders(order: Order, others: Collection[Order]) -> Refusal:
    numbers = ", ".join(sorted(other.order_number for other in others))
    return Refusal(
        code="kind_not_built",
        message=f"Order {order.order_number} shares its quote with order {numbers}; "
        "this release bills one order per quote.",
        record_id=order.order_id,
        field="SBQQ__Quote__c",
        fix="Bill the orders by hand, or wait for the release that covers several orders per quote.",
        order_id=order.order_id,
    )


def _object_keys(state: BillingState, history: OrderHistory) -> set[str]:
    """Return the keys of the schedules and invoices that exist for this contract."""
    prefixes = (f"schedule:{history.root_id}:", f"invoice:{history.root_id}:")
    return {key for key in state.links if key.startswith(prefixes)}


def _belongs_to_another(order: Order, history: OrderHistory, state: BillingState) -> bool:
    """Return whether what exists was made for another order of the same quote."""
    executed = {other.order_id for other in history.orders if other.order_id in state.executed_at}
    return bool(executed) and order.order_id not in executed


def _kept_instants(state: BillingState, history: OrderHistory) -> Mapping[str, datetime]:
    """Return the stored execution instants by order id: none while no schedule or invoice exists yet.

    A run that was cut off before it made one may be continued after service has begun; a schedule planned for
    the future would then begin in the past without prorations, and its first period would be given away.
    """
    return state.executed_at if _object_keys(state, history) else {}


def _plan_order(
    order: Order,
    history: OrderHistory,
    state: BillingState,
    configuration: Configuration,
    *,
    as_of: datetime,
    released: frozenset[str],
    as_activated: bool,
    blocker: Order | None,
) -> OrderPlan:
    existing = _object_keys(state, history) if order.kind is OrderKind.INITIAL else set()
    refusals = [refusal for refusal in history.refusals if refusal.order_id == order.order_id]
    left_out = [refusal for refusal in refusals if refusal.state is OrderState.SKIPPED]
    if left_out and not as_activated:
        return stopped(order, *left_out)
    if not as_activated:
        was_synced = bool(existing) and not _belongs_to_another(order, history, state)
        return stopped(order, changed_after_sync(order) if was_synced else _not_activated(order))
    if blocker is not None and order.kind is not OrderKind.INITIAL:
        return stopped(order, _waiting(order, blocker))
    found = [*refusals, *order_refusals(order, history, configuration)]
    others = [
        other
        for other in history.orders
        if other.kind is OrderKind.INITIAL and other.activated and other.order_id != order.order_id
    ]
    if order.kind is OrderKind.INITIAL and others and order.order_id not in state.executed_at:
        found.append(_several_orders(order, others))
    if found:
        # What no change of the data can solve comes first, so that nobody mends the rest in vain.
        found.sort(key=lambda refusal: refusal.code != "kind_not_built")
        return stopped(order, *found)
    if not order.lines and existing and not _belongs_to_another(order, history, state):
        return stopped(order, changed_after_sync(order))
    if not order.lines and not order.skipped_line_ids:
        return stopped(order, _nothing_to_bill(order))
    if not order.lines:
        return OrderPlan(outcome=OrderOutcome(order_id=order.order_id, state=OrderState.UNCHANGED))
    instant = _kept_instants(state, history).get(order.order_id, as_of)
    return plan_new_order(
        order,
        history,
        state,
        configuration,
        instant=instant,
        as_of=as_of,
        released=released,
        existing=existing,
    )


def line_price_keys(plan: Plan) -> Mapping[str, str]:
    """Return the link key of each order line's price, for lines that have one."""
    return {
        order_item_id: item.price_key
        for wanted in plan.objects
        for phase in wanted.phases
        for item in phase.items
        if item.price_key is not None
        for order_item_id in item.order_item_ids
    }
