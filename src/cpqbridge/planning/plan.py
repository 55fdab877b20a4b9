"""The planner: an order history and what Stripe holds become one plan, complete before the first write."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from cpqbridge.domain.billing import (
    BillingObject,
    BillingState,
    ForecastInvoice,
    OneTimeItem,
    OrderOutcome,
    Plan,
    Proof,
    Step,
)
from cpqbridge.domain.dates import midnight
from cpqbridge.domain.order import LineKind, Order, OrderHistory, OrderKind
from cpqbridge.domain.refusal import OrderState, Refusal
from cpqbridge.mapping.configuration import Configuration
from cpqbridge.planning import steps as calls
from cpqbridge.planning.checks import order_refusals
from cpqbridge.planning.forecast import forecast_object
from cpqbridge.planning.invoices import one_time_item, own_invoice, split_one_time
from cpqbridge.planning.limits import limit_refusals
from cpqbridge.planning.phases import GroupPhases, Naming, future_phases, running_phases
from cpqbridge.planning.pieces import LinePieces
from cpqbridge.planning.proof import prove
from cpqbridge.planning.safety import NEVER_RELEASED, holds
from cpqbridge.planning.timeline import Group, group_lines


@dataclass(frozen=True, slots=True, kw_only=True)
class _OrderPlan:
    """What one order needs, or why it gets nothing."""

    outcome: OrderOutcome
    objects: tuple[BillingObject, ...] = ()
    steps: tuple[Step, ...] = ()
    forecast: tuple[ForecastInvoice, ...] = ()
    proof: tuple[Proof, ...] = ()
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class _Design:
    """The objects an order should have, before they are compared with what exists."""

    objects: tuple[BillingObject, ...]
    prices: tuple[calls.PriceWanted, ...] = ()
    pieces: Mapping[str, LinePieces] = field(default_factory=dict)
    skipped_minor: Mapping[str, int] = field(default_factory=dict)


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
        as_of: the present instant, aware UTC; an order that was executed before keeps its own instant.
        released: codes of holds a person has released for this run.
        preview_order_id: a draft order that is planned as if it were activated now.
    """
    planned: list[_OrderPlan] = []
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
        stopped = result.outcome.state in {OrderState.REFUSED, OrderState.HELD, OrderState.WAITING}
        blocker = blocker or (order if stopped else None)
        planned.append(result)
    steps = _unique(step for result in planned for step in result.steps)
    instants = [
        state.executed_at[order.order_id] for order in history.orders if order.order_id in state.executed_at
    ]
    return Plan(
        root_id=history.root_id,
        contract_key=history.contract_key,
        account_id=history.account.account_id,
        executed_at=max(instants, default=as_of),
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


def _stopped(order: Order, *refusals: Refusal) -> _OrderPlan:
    ranking = [OrderState.REFUSED, OrderState.HELD, OrderState.WAITING, OrderState.SKIPPED]
    worst = min((refusal.state for refusal in refusals), key=ranking.index)
    return _OrderPlan(outcome=OrderOutcome(order_id=order.order_id, state=worst, refusals=refusals))


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


def _changed(order: Order) -> Refusal:
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


def _object_keys(state: BillingState, history: OrderHistory) -> set[str]:
    """Return the keys of the schedules and invoices that exist for this contract."""
    prefixes = (f"schedule:{history.root_id}:", f"invoice:{history.root_id}:")
    return {key for key in state.links if key.startswith(prefixes)}


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
) -> _OrderPlan:
    existing = _object_keys(state, history) if order.kind is OrderKind.INITIAL else set()
    if not as_activated:
        return _stopped(order, _changed(order) if existing else _not_activated(order))
    found = [refusal for refusal in history.refusals if refusal.order_id == order.order_id]
    found += order_refusals(order, history, configuration)
    others = [
        other
        for other in history.orders
        if other.kind is OrderKind.INITIAL and other.activated and other.order_id != order.order_id
    ]
    if order.kind is OrderKind.INITIAL and others and not existing:
        found.append(_several_orders(order, others))
    if found:
        return _stopped(order, *found)
    if blocker is not None and order.kind is not OrderKind.INITIAL:
        return _stopped(order, _waiting(order, blocker))
    if not order.lines:
        return _OrderPlan(outcome=OrderOutcome(order_id=order.order_id, state=OrderState.UNCHANGED))
    instant = state.executed_at.get(order.order_id, as_of)
    return _plan_new_order(
        order, history, state, configuration, instant=instant, released=released, existing=existing
    )


def _plan_new_order(
    order: Order,
    history: OrderHistory,
    state: BillingState,
    configuration: Configuration,
    *,
    instant: datetime,
    released: frozenset[str],
    existing: set[str],
) -> _OrderPlan:
    recurring = [line for line in order.lines if line.kind is LineKind.RECURRING]
    mark = calls.facts_fingerprint(order, order.lines)
    if any(state.links[key].fingerprint != mark for key in existing):
        return _stopped(order, _changed(order))
    precision = configuration.policy.prorate_precision
    groups = group_lines(recurring, currency=order.currency, precision=precision) if recurring else ()
    held = [
        hold
        for hold in holds(order, groups, configuration, instant=instant)
        if hold.code not in released and not existing
    ]
    if any(hold.code == "contract_over" for hold in held):
        return _stopped(order, *held)
    design = _design(order, groups, history, instant=instant)
    names = {product_id: product.name for product_id, product in history.products.items()}
    forecast = tuple(
        invoice
        for wanted in design.objects
        for invoice in forecast_object(wanted, instant=instant, product_names=names)
    )
    proof = prove(
        order.lines,
        forecast,
        currency=order.currency,
        pieces=design.pieces,
        skipped_minor=design.skipped_minor,
    )
    stops = (*limit_refusals(order, design.objects, history), *held)
    steps = tuple(_steps(order, history, state, design, mark=mark, forecast=forecast, instant=instant))
    result = OrderState.SYNCED if steps else OrderState.UNCHANGED
    return _OrderPlan(
        outcome=_stopped(order, *stops).outcome
        if stops
        else OrderOutcome(order_id=order.order_id, state=result),
        objects=design.objects,
        steps=() if stops else steps,
        forecast=forecast,
        proof=proof,
        warnings=_warnings(order),
    )


def _warnings(order: Order) -> tuple[str, ...]:
    if order.days_until_due is not None:
        return ()
    text = f"Order {order.order_number} has no payment term, so Stripe charges automatically: "
    return (text + "its customer needs a payment method in Stripe.",)


def _wanted_prices(order: Order, groups: Collection[Group]) -> tuple[calls.PriceWanted, ...]:
    """Return the price of every line that has full cycles, duplicates in slots of their own."""
    slots: Counter[tuple[str, str]] = Counter()
    prices = []
    for pieces in (line for group in groups for line in group.lines):
        line = pieces.line
        from_entry = pieces.price.from_entry
        owner = line.pricebook_entry_id if from_entry else line.order_item_id
        slots[owner, pieces.price.text] += 1
        prices.append(
            calls.PriceWanted(
                owner_id=owner,
                from_entry=from_entry,
                product_id=line.product_id,
                currency=order.currency,
                unit_amount_decimal=pieces.price.text,
                interval_count=pieces.cycle.months,
                slot=slots[owner, pieces.price.text],
                parameters=line.price_parameters,
            )
        )
    return tuple(prices)


def _design(order: Order, groups: tuple[Group, ...], history: OrderHistory, *, instant: datetime) -> _Design:
    """Return the schedules and the own invoice an order should have."""
    names = {product_id: product.name for product_id, product in history.products.items()}
    lines = [pieces for group in groups for pieces in group.lines]
    prices = _wanted_prices(order, groups)
    naming = Naming(
        price_keys={
            pieces.line.order_item_id: price.key for pieces, price in zip(lines, prices, strict=True)
        },
        product_names=names,
    )
    first_on = groups[0].cycle.anchor if groups else None
    one_time = [line for line in order.lines if line.kind is LineKind.ONE_TIME]
    riding, alone = split_one_time(one_time, first_on)
    riders = tuple(
        one_time_item(line, currency=order.currency, name=names[line.product_id]) for line in riding
    )
    objects: list[BillingObject] = []
    skipped: dict[str, int] = {}
    for number, group in enumerate(groups):
        phases = _group_phases(order, group, riders if number == 0 else (), naming, instant=instant)
        skipped |= phases.skipped_minor
        objects.append(_schedule(order, history, group, phases))
    if alone:
        items = tuple(
            one_time_item(line, currency=order.currency, name=names[line.product_id]) for line in alone
        )
        objects.append(own_invoice(order, items, root_id=history.root_id, instant=instant))
    return _Design(
        objects=tuple(objects),
        prices=prices,
        pieces={pieces.line.order_item_id: pieces for pieces in lines},
        skipped_minor=skipped,
    )


def _group_phases(
    order: Order, group: Group, riders: tuple[OneTimeItem, ...], naming: Naming, *, instant: datetime
) -> GroupPhases:
    if midnight(group.cycle.anchor) > instant:
        return future_phases(group, riders, naming, (order.order_id,))
    return running_phases(
        group,
        riders,
        naming,
        (order.order_id,),
        instant=instant,
        skip_past=order.skip_past_initial_invoices,
    )


def _schedule(order: Order, history: OrderHistory, group: Group, phases: GroupPhases) -> BillingObject:
    return BillingObject(
        key=f"schedule:{history.root_id}:{group.cycle.anchor.isoformat()}",
        kind="schedule",
        order_ids=(order.order_id,),
        currency=order.currency,
        phases=phases.phases,
        end_behavior=order.end_behavior,
        collection_method="charge_automatically" if order.days_until_due is None else "send_invoice",
        days_until_due=order.days_until_due,
        anchor_at=midnight(phases.start),
    )


def _steps(
    order: Order,
    history: OrderHistory,
    state: BillingState,
    design: _Design,
    *,
    mark: str,
    forecast: tuple[ForecastInvoice, ...],
    instant: datetime,
) -> Iterator[Step]:
    """Yield every call the order needs: customer, products, prices, then what bills them."""
    yield from calls.customer_steps(history, state)
    for product_id in dict.fromkeys(line.product_id for line in order.lines):
        yield from calls.product_steps(history, state, history.products[product_id])
    missing = [wanted for wanted in design.objects if not _complete(wanted, state)]
    used = {item.price_key for wanted in missing for phase in wanted.phases for item in phase.items}
    displayed = {line.order_item_id: line.displayed_price_id for line in order.lines}
    resolved: dict[str, str] = {}
    for (order_item_id, _), price in zip(design.pieces.items(), design.prices, strict=True):
        if price.key not in used or price.key in state.links:
            continue
        price_id = displayed.get(order_item_id)
        if price_id and calls.matches_verified(price, state, price_id):
            resolved[price.key] = price_id
        else:
            yield calls.price_step(history, price)
    for wanted in missing:
        if wanted.kind == "invoice":
            yield from calls.invoice_steps(history, order, wanted, state, mark=mark)
            continue
        own = [invoice for invoice in forecast if invoice.object_key == wanted.key]
        at_once = wanted.phases[0].starts_at <= instant and own
        yield calls.schedule_step(
            history,
            order,
            wanted,
            resolved=resolved,
            mark=mark,
            first_invoice_minor=own[0].total_minor if at_once else None,
        )


def _complete(wanted: BillingObject, state: BillingState) -> bool:
    if wanted.kind == "invoice":
        return wanted.key.replace("invoice:", "invoice_lines:", 1) in state.links
    return wanted.key in state.links


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
