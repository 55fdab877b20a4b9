"""One new order: what it should have in Stripe, what that bills, and the calls that make it."""

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
    Proof,
    Step,
)
from cpqbridge.domain.dates import midnight
from cpqbridge.domain.money import major_text
from cpqbridge.domain.order import LineKind, Order, OrderHistory
from cpqbridge.domain.refusal import OrderState, Refusal
from cpqbridge.mapping.configuration import Configuration
from cpqbridge.planning import billing_steps, steps
from cpqbridge.planning.forecast import forecast_object
from cpqbridge.planning.invoices import one_time_item, own_invoice, split_one_time
from cpqbridge.planning.limits import limit_refusals
from cpqbridge.planning.phases import GroupPhases, Naming, future_phases, running_phases
from cpqbridge.planning.pieces import LinePieces
from cpqbridge.planning.proof import MISMATCH, prove
from cpqbridge.planning.safety import LATE, holds, later_head_warnings, multiplier_warnings
from cpqbridge.planning.timeline import Group, group_lines


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderPlan:
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
    prices: Mapping[str, steps.PriceWanted] = field(default_factory=dict)
    pieces: Mapping[str, LinePieces] = field(default_factory=dict)
    skipped_minor: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Instants:
    """When each object counts as executed: `kept` for those that exist, `as_of` (now) for the others.

    An order that was cut off between two schedules is decided anew for the missing one, whose start may have
    passed since.
    """

    kept: datetime
    as_of: datetime
    existing: Collection[str]

    def of(self, key: str) -> datetime:
        """Return the instant of the object under this key, aware UTC."""
        return self.kept if key in self.existing else self.as_of


def stopped(order: Order, *refusals: Refusal) -> OrderPlan:
    """Return the outcome of an order that does not go on; the gravest state of its refusals wins."""
    ranking = [OrderState.FAILED, OrderState.REFUSED, OrderState.HELD, OrderState.WAITING, OrderState.SKIPPED]
    worst = min((refusal.state for refusal in refusals), key=ranking.index)
    return OrderPlan(outcome=OrderOutcome(order_id=order.order_id, state=worst, refusals=refusals))


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


def _mismatches(order: Order, proof: Collection[Proof]) -> Iterator[Refusal]:
    """Yield a failure for each line whose bills would not sum to what was sold, for no reason we know."""
    for line in proof:
        if line.reason == MISMATCH:
            yield Refusal(
                code=MISMATCH,
                message=f"Order line {line.order_item_id} was sold for "
                f"{major_text(line.sold_minor, line.currency)} but would be billed "
                f"{major_text(line.billed_minor, line.currency)}; nothing was sent.",
                record_id=line.order_item_id,
                field="TotalPrice",
                fix="Report this order to the maintainers with its rehearsal; bill it by hand meanwhile.",
                order_id=order.order_id,
                state=OrderState.FAILED,
            )


def plan_new_order(
    order: Order,
    history: OrderHistory,
    state: BillingState,
    configuration: Configuration,
    *,
    instant: datetime,
    as_of: datetime,
    released: frozenset[str],
    existing: set[str],
) -> OrderPlan:
    """Return what one order without refusals needs.

    `instant` is when it counts as executed, `released` are codes of holds a person released, `existing` the
    keys of its schedules and invoices that exist already.
    """
    recurring = [line for line in order.lines if line.kind is LineKind.RECURRING]
    mark = billing_steps.facts_fingerprint(order, order.lines)
    if any(state.links[key].fingerprint != mark for key in existing):
        return stopped(order, changed_after_sync(order))
    policy = configuration.policy
    groups: tuple[Group, ...] = ()
    if recurring:
        groups = group_lines(
            recurring,
            currency=order.currency,
            precision=policy.prorate_precision,
            true_up=policy.rounding == "true_up",
        )
    missing = [group for group in groups if _key(history, group) not in existing]
    held = [
        hold
        for hold in holds(order, missing, configuration, instant=as_of)
        if hold.code not in released and (not existing or hold.code in LATE)
    ]
    if any(hold.code == "contract_over" for hold in held):
        return stopped(order, *held)
    instants = _Instants(kept=instant, as_of=as_of, existing=existing)
    design = _design(order, groups, history, instants=instants)
    names = {product_id: product.name for product_id, product in history.products.items()}
    forecast = tuple(
        invoice
        for wanted in design.objects
        for invoice in forecast_object(wanted, instant=instants.of(wanted.key), product_names=names)
    )
    proof = prove(
        order.lines,
        forecast,
        currency=order.currency,
        pieces=design.pieces,
        skipped_minor=design.skipped_minor,
    )
    stops = (*limit_refusals(order, design.objects, history), *held)
    stops = stops or tuple(_mismatches(order, proof))
    steps = tuple(_steps(order, history, state, design, mark=mark, forecast=forecast, instants=instants))
    result = OrderState.SYNCED if steps else OrderState.UNCHANGED
    return OrderPlan(
        outcome=stopped(order, *stops).outcome
        if stops
        else OrderOutcome(order_id=order.order_id, state=result),
        objects=design.objects,
        steps=() if stops else steps,
        forecast=forecast,
        proof=proof,
        warnings=(
            *_warnings(order),
            *multiplier_warnings(groups, policy),
            *later_head_warnings(groups, policy, instant=instant),
        ),
    )


def _warnings(order: Order) -> tuple[str, ...]:
    if order.days_until_due is not None:
        return ()
    text = f"Order {order.order_number} has no payment term, so Stripe charges automatically: "
    return (text + "its customer needs a payment method in Stripe.",)


def _wanted_prices(order: Order, groups: Collection[tuple[Group, datetime]]) -> dict[str, steps.PriceWanted]:
    """Return the price of each order line with full cycles to come, duplicates in slots of their own.

    Each group comes with its instant.
    """
    slots: Counter[tuple[str, str]] = Counter()
    prices = {}
    for pieces, instant in ((line, instant) for group, instant in groups for line in group.lines):
        line = pieces.line
        if not pieces.renews_after(max(instant.date(), pieces.start)):
            continue
        from_entry = pieces.price.from_entry
        owner = line.pricebook_entry_id if from_entry else line.order_item_id
        slots[owner, pieces.price.text] += 1
        prices[line.order_item_id] = steps.PriceWanted(
            owner_id=owner,
            from_entry=from_entry,
            product_id=line.product_id,
            currency=order.currency,
            unit_amount_decimal=pieces.price.text,
            interval_count=pieces.cycle.months,
            slot=slots[owner, pieces.price.text],
            parameters=line.price_parameters,
        )
    return prices


def _design(
    order: Order, groups: tuple[Group, ...], history: OrderHistory, *, instants: _Instants
) -> _Design:
    """Return the schedules and the own invoice an order should have."""
    names = {product_id: product.name for product_id, product in history.products.items()}
    lines = [pieces for group in groups for pieces in group.lines]
    prices = _wanted_prices(order, [(group, instants.of(_key(history, group))) for group in groups])
    naming = Naming(
        price_keys={order_item_id: price.key for order_item_id, price in prices.items()},
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
        instant = instants.of(_key(history, group))
        phases = _group_phases(order, group, riders if number == 0 else (), naming, instant=instant)
        skipped |= phases.skipped_minor
        objects.append(_schedule(order, history, group, phases))
    if alone:
        items = tuple(
            one_time_item(line, currency=order.currency, name=names[line.product_id]) for line in alone
        )
        instant = instants.of(f"invoice:{history.root_id}:{order.order_id}")
        objects.append(own_invoice(order, items, root_id=history.root_id, instant=instant))
    return _Design(
        objects=tuple(objects),
        prices=prices,
        pieces={pieces.line.order_item_id: pieces for pieces in lines},
        skipped_minor=skipped,
    )


def _key(history: OrderHistory, group: Group) -> str:
    return f"schedule:{history.root_id}:{group.cycle.anchor.isoformat()}"


def _group_phases(
    order: Order, group: Group, riders: tuple[OneTimeItem, ...], naming: Naming, *, instant: datetime
) -> GroupPhases:
    if midnight(group.cycle.anchor) > instant:
        return future_phases(group, riders, naming, (order.order_id,), instant=instant)
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
        key=_key(history, group),
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
    instants: _Instants,
) -> Iterator[Step]:
    """Yield every call the order needs: customer, products, prices, then what bills them."""
    yield from steps.customer_steps(history, state)
    for product_id in dict.fromkeys(line.product_id for line in order.lines):
        yield from steps.product_steps(history, state, history.products[product_id])
    missing = [wanted for wanted in design.objects if not _complete(wanted, state)]
    used = {item.price_key for wanted in missing for phase in wanted.phases for item in phase.items}
    displayed = {line.order_item_id: line.displayed_price_id for line in order.lines}
    resolved: dict[str, str] = {}
    for order_item_id, price in design.prices.items():
        if price.key not in used or price.key in state.links:
            continue
        price_id = displayed.get(order_item_id)
        if price_id and steps.matches_verified(price, state, price_id):
            resolved[price.key] = price_id
        else:
            yield steps.price_step(history, price, resolved)
    for wanted in missing:
        if wanted.kind == "invoice":
            yield from billing_steps.invoice_steps(history, order, wanted, state, mark=mark)
            continue
        own = [invoice for invoice in forecast if invoice.object_key == wanted.key]
        at_once = wanted.phases[0].starts_at <= instants.of(wanted.key) and own
        yield billing_steps.schedule_step(
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
