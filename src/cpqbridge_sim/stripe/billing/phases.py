"""Entering a phase of a schedule: settings, item diff, discounts, metadata and its one-time items."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction

from cpqbridge_sim.stripe.billing.discounts import redeem
from cpqbridge_sim.stripe.billing.items import (
    ItemChange,
    ItemTerms,
    apply_changes,
    merge_metadata,
    subscription_end,
    take_over,
)
from cpqbridge_sim.stripe.billing.lines import exact_amount, product_name
from cpqbridge_sim.stripe.billing.proration import (
    credit_unused,
    forget_future_debits,
    natural_period,
    new_invoice_item,
)
from cpqbridge_sim.stripe.billing.tiers import is_metered
from cpqbridge_sim.stripe.billing.trials import invoices_now, start_trial, trial_after
from cpqbridge_sim.stripe.billing.usage import close_usage
from cpqbridge_sim.stripe.periods import Interval
from cpqbridge_sim.stripe.rounding import round_line
from cpqbridge_sim.stripe.state import AccountState
from cpqbridge_sim.stripe.store import Body


@dataclass(frozen=True, slots=True, kw_only=True)
class PhaseEntry:
    """What a phase change asks of the same instant: prorations to invoice now, and a moved anchor."""

    invoiced_now: list[Body]
    anchor_moved: bool


def item_terms(state: AccountState, entry: Body) -> ItemTerms:
    """The terms of one `phases[].items[]` entry."""
    price = state.store.get("price", entry["price"]) or {}
    return ItemTerms(
        price=price,
        quantity=entry["quantity"],
        metadata=entry["metadata"],
        discounts=entry["discounts"],
        tax_rates=entry["tax_rates"],
    )


def enter_phase(
    state: AccountState, schedule: Body, subscription: Body, phase: Body, *, at: int, renewal_due: bool
) -> PhaseEntry:
    """Apply a phase at its start.

    Source: docs.stripe.com/billing/subscriptions/subscription-schedules, read 20 Nov 2026.
    """
    schedule["current_phase"] = {"start_date": phase["start_date"], "end_date": phase["end_date"]}
    behavior = phase["proration_behavior"]
    anchor = phase["billing_cycle_anchor"] or schedule["default_settings"]["billing_cycle_anchor"]
    # A trial that was ended before its phase began is none.
    trial_end = phase["trial_end"] if phase["trial_end"] is not None and phase["trial_end"] > at else None
    moved = anchor == "phase_start" or _classic_moves_anchor(state, subscription, phase)
    moved = moved or trial_end is not None
    if moved:
        move_anchor(state, subscription, at=at, prorate=behavior != "none")
    if trial_end is not None:
        start_trial(state, subscription, start=at, end=trial_end)
    apply_settings(subscription, schedule, phase)
    merge_metadata(subscription["metadata"], phase["metadata"])

    def new_discounts() -> None:
        subscription["discounts"] = phase_discounts(state, subscription, phase, start=at)

    prorations = change_items(
        state,
        subscription,
        phase,
        at=at,
        prorate=behavior != "none",
        renewal_due=renewal_due or moved,
        between=new_discounts,
    )
    one_time = bill_phase_items(state, subscription, phase, phase_invoice_items(phase))
    at_once = invoices_now(state, subscription, behavior=behavior, at=at)
    invoiced = [*prorations, *one_time] if prorations and at_once else []
    state.emit("customer.subscription.updated", subscription)
    state.emit("subscription_schedule.updated", schedule)
    return PhaseEntry(invoiced_now=invoiced, anchor_moved=moved)


def move_anchor(state: AccountState, subscription: Body, *, at: int, prorate: bool) -> None:
    """Start a new cycle now: credit what runs if prorating; every item is billed anew at this instant."""
    subscription["billing_cycle_anchor"] = at
    for item in state.subscription_items(subscription):
        if item["current_period_end"] > at:
            close_usage(state, subscription, item, at=at)
            if prorate:
                credit_unused(state, subscription, item, at=at)
            forget_future_debits(state, item, at=at)
        item["current_period_end"] = at


def _classic_moves_anchor(state: AccountState, subscription: Body, phase: Body) -> bool:
    """Classic mode starts a new cycle when the interval changes, or when a free plan begins to cost."""
    if subscription["billing_mode"]["type"] != "classic":
        return False
    items = state.subscription_items(subscription)
    terms = [item_terms(state, entry) for entry in phase["items"]]
    before = {Interval.of_price(item["price"]) for item in items}
    was_free = not any(
        is_metered(item["price"]) or exact_amount(item["price"], item["quantity"]) for item in items
    )
    costs_now = any(is_metered(term.price) or exact_amount(term.price, term.quantity) for term in terms)
    return before != {Interval.of_price(term.price) for term in terms} or (was_free and costs_now)


def change_items(
    state: AccountState,
    subscription: Body,
    phase: Body,
    *,
    at: int,
    prorate: bool,
    renewal_due: bool,
    previous: Body | None = None,
    between: Callable[[], None] | None = None,
) -> list[Body]:
    """Bring the subscription's items to those of a phase, in the phase's order; returns pending prorations.

    `previous` is the same phase before a schedule update: its discounts are not redeemed again.
    """
    pairs = match_items(state, subscription, phase)
    kept = {item["id"] for item in pairs if item is not None}
    removed = [item for item in state.subscription_items(subscription) if item["id"] not in kept]
    changes = [ItemChange(item=item, terms=None) for item in removed]
    for index, (item, entry) in enumerate(zip(pairs, phase["items"], strict=True)):
        terms = item_terms(state, entry)
        if previous is not None and item is not None and state.assumptions.resent_discounts_redeem_once:
            same = _discounts_before(previous, entry, index) == entry["discounts"]
            terms = replace(terms, discounts=None) if same else terms
        if item is None or differs(state, item, terms):
            changes.append(ItemChange(item=item, terms=terms))
        else:
            item["price"] = terms.price
            take_over(state, subscription, item, terms, at=at)
    prorations = apply_changes(
        state,
        subscription,
        changes,
        at=at,
        prorate=prorate,
        renewal_due=renewal_due,
        between=between,
        transition=previous is None,
    )
    order_items(state, subscription, phase)
    return prorations


def _discounts_before(previous: Body, entry: Body, index: int) -> list[Body]:
    """The discounts that an item of a phase had before an update: by its price, or by its place."""
    by_price = {other["price"]: other["discounts"] for other in previous["items"]}
    if entry["price"] in by_price:
        found: list[Body] = by_price[entry["price"]]
        return found
    return list(previous["items"][index]["discounts"]) if index < len(previous["items"]) else []


def differs(state: AccountState, item: Body, terms: ItemTerms) -> bool:
    """Whether money terms differ; tax, discount and metadata changes make no proration."""
    if item["quantity"] != terms.quantity:
        return True
    if item["price"]["id"] == terms.price["id"]:
        return False
    return state.assumptions.equal_inline_prices_are_prorated or not same_terms(item["price"], terms.price)


def same_terms(one: Body, other: Body) -> bool:
    """Whether two prices cost the same for the same product and interval."""
    names = ("product", "currency", "unit_amount_decimal", "recurring", "transform_quantity", "tiers_mode")
    return all(one[name] == other[name] for name in names)


def match_items(state: AccountState, subscription: Body, phase: Body) -> list[Body | None]:
    """For each item of the phase the running item it continues: by Price, then inline prices by position."""
    items = state.subscription_items(subscription)
    by_price = {item["price"]["id"]: item for item in items}
    pairs: list[Body | None] = [by_price.pop(entry["price"], None) for entry in phase["items"]]
    if not state.assumptions.inline_prices_match_by_position:
        return pairs
    free = {item["id"] for item in by_price.values()}
    for index, entry in enumerate(phase["items"]):
        inline = entry["price"] in state.inline_price_ids
        if pairs[index] is None and inline and index < len(items) and items[index]["id"] in free:
            pairs[index] = items[index]
    return pairs


def order_items(state: AccountState, subscription: Body, phase: Body) -> None:
    """Put the live items in the order of the phase."""
    by_price = {item["price"]["id"]: item for item in state.subscription_items(subscription)}
    state.subscription_items(subscription)[:] = [by_price[entry["price"]] for entry in phase["items"]]


def apply_settings(subscription: Body, schedule: Body, phase: Body) -> None:
    """Collection settings: the phase's value, else the default, else as it was."""
    defaults = schedule["default_settings"]
    for name in ("collection_method", "default_payment_method", "description"):
        value = phase[name] if phase[name] is not None else defaults[name]
        if value is not None:
            subscription[name] = value
    subscription["default_tax_rates"] = list(phase["default_tax_rates"])
    for settings in (defaults["invoice_settings"] or {}, phase["invoice_settings"] or {}):
        for name in ("custom_fields", "description", "footer"):
            if settings.get(name) is not None:
                subscription["invoice_settings"][name] = settings[name]
        if settings.get("days_until_due") is not None:
            subscription["days_until_due"] = settings["days_until_due"]
    if subscription["collection_method"] == "charge_automatically":
        subscription["days_until_due"] = None


def phase_discounts(state: AccountState, subscription: Body, phase: Body, *, start: int) -> list[str]:
    """Redeem the discounts of a phase for the subscription."""
    return redeem(
        state,
        phase["discounts"],
        start=start,
        customer_id=subscription["customer"],
        subscription_id=subscription["id"],
    )


def phase_invoice_items(phase: Body) -> Sequence[Body]:
    """The one-time items of a phase."""
    items: list[Body] = phase["add_invoice_items"]
    return items


def bill_phase_items(
    state: AccountState, subscription: Body, phase: Body, entries: Sequence[Body]
) -> list[Body]:
    """Make pending invoice items of one-time entries; the next invoice of the subscription takes them up."""
    return [_one_time(state, subscription, phase, entry) for entry in entries]


def _one_time(state: AccountState, subscription: Body, phase: Body, entry: Body) -> Body:
    price = state.store.get("price", entry["price"]) or {}
    quantity = 1 if entry["quantity"] is None else entry["quantity"]
    exact: Fraction = exact_amount(price, quantity)
    amount = round_line(exact, ties_up=state.assumptions.ordinary_line_ties_round_up)
    start, end = _one_time_period(state, subscription, phase, entry["period"] or {})
    discountable = entry["discountable"]
    body = new_invoice_item(
        state,
        customer_id=subscription["customer"],
        subscription_id=subscription["id"],
        amount=amount,
        currency=price["currency"],
        description=product_name(state, price),
        start=start,
        end=end,
        price=price,
        unit_amount_decimal=price["unit_amount_decimal"],
        quantity=quantity,
        discountable=amount >= 0 if discountable is None else discountable,
        metadata={key: value for key, value in entry["metadata"].items() if value != ""},
        tax_rates=list(entry["tax_rates"]),
    )
    body["discounts"] = redeem(
        state,
        entry["discounts"],
        start=state.time_of(subscription["customer"]),
        customer_id=subscription["customer"],
        subscription_id=subscription["id"],
        invoice_item_id=body["id"],
    )
    return body


def _one_time_period(state: AccountState, subscription: Body, phase: Body, period: Body) -> tuple[int, int]:
    now = state.time_of(subscription["customer"])
    periods = [
        _item_period(state, subscription, item, at=now) for item in state.subscription_items(subscription)
    ]
    start = period.get("start") or {"type": "max_item_period_start"}
    end = period.get("end") or {"type": "min_item_period_end"}
    starts = {
        "max_item_period_start": max(item_start for item_start, _ in periods),
        "phase_start": phase["start_date"],
        "now": now,
    }
    ends = {
        "min_item_period_end": min(item_end for _, item_end in periods),
        "phase_end": phase["end_date"],
    }
    first = start["timestamp"] if start["type"] == "timestamp" else starts[start["type"]]
    last = end["timestamp"] if end["type"] == "timestamp" else ends[end["type"]]
    return first, last


def _item_period(state: AccountState, subscription: Body, item: Body, *, at: int) -> tuple[int, int]:
    """The period of an item that runs from now on: at a boundary the one about to be billed."""
    if item["current_period_end"] > at:
        return item["current_period_start"], item["current_period_end"]
    start, end = at, trial_after(subscription, at)
    if end is None:
        start, end = natural_period(state, subscription, item, item["current_period_end"])
    last = subscription_end(state, subscription)
    return start, end if last is None else min(end, last)
