"""Metered items: usage is billed in arrears, when the period it fell in is over; it is never prorated.

Source: docs.stripe.com/billing/subscriptions/usage-based/manage-billing-setup and
docs.stripe.com/billing/subscriptions/billing-mode/compare, read 21 Nov 2026.
"""

from collections.abc import Iterable
from decimal import Decimal, localcontext
from fractions import Fraction

from cpqbridge_sim.stripe.billing.discounts import apply_discounts, coupon_of, running
from cpqbridge_sim.stripe.billing.lines import LineDraft, exact_amount, price_text, product_name
from cpqbridge_sim.stripe.billing.proration import new_invoice_item
from cpqbridge_sim.stripe.billing.tiers import cost, is_metered
from cpqbridge_sim.stripe.metering import ClosedUsage, aggregated
from cpqbridge_sim.stripe.rounding import round_line
from cpqbridge_sim.stripe.state import AccountState
from cpqbridge_sim.stripe.store import Body

_DIGITS = 60


def close_usage(state: AccountState, subscription: Body, item: Body, *, at: int) -> None:
    """Cut the usage of a metered item off at `at`; the subscription's next invoice bills what ran until then.

    Whoever ends a period of an item, or the item, calls this while its former terms are still in force.
    """
    if not is_metered(item["price"]):
        return
    start = _usage_start(state, item)
    state.usage.since.pop(item["id"], None)
    if start < at:
        closed = _closed(state, subscription, item, start=start, end=at)
        state.usage.closed.setdefault(subscription["id"], []).append(closed)


def close_ended_usage(state: AccountState, subscription: Body, *, at: int) -> None:
    """Cut off the usage of every metered item whose period ends now."""
    for item in state.subscription_items(subscription):
        if item["current_period_end"] <= at:
            close_usage(state, subscription, item, at=item["current_period_end"])


def leave_metered(
    state: AccountState, subscription: Body, item: Body, *, at: int, prorate: bool, transition: bool
) -> list[Body]:
    """What becomes of the usage of a metered item whose price goes while its period runs.

    A flexible subscription bills it as a pending invoice item, unless proration is off, or as a line where a
    phase begins together with another item's period. A classic one invoices it where a phase begins and
    drops it otherwise. Returns the pending invoice items made.
    """
    if not is_metered(item["price"]) or item["current_period_end"] <= at:
        return []
    classic = subscription["billing_mode"]["type"] == "classic"
    others_end = any(other["current_period_end"] <= at for other in state.subscription_items(subscription))
    if transition and (classic or others_end):
        close_usage(state, subscription, item, at=at)
        return []
    start = _usage_start(state, item)
    state.usage.since.pop(item["id"], None)
    if classic or not prorate or start >= at:
        return []
    closed = _closed(state, subscription, item, start=start, end=at)
    line = usage_line(state, closed)
    return [_usage_item(state, subscription, closed, line, at=at)] if line.units or line.amount else []


def count_from(state: AccountState, item: Body, *, at: int) -> None:
    """From here on the usage of an item counts at its present price, whatever its period."""
    if is_metered(item["price"]) and item["current_period_start"] < at < item["current_period_end"]:
        state.usage.since[item["id"]] = at


def take_closed(state: AccountState, subscription: Body) -> list[LineDraft]:
    """The lines of all usage that was cut off and not invoiced yet, 0-amount ones too."""
    rates = {item["id"]: item["tax_rates"] for item in state.subscription_items(subscription)}
    lines = [usage_line(state, closed) for closed in state.usage.closed.pop(subscription["id"], [])]
    for line in lines:
        # The rates of the phase that begins tax the usage of the one that ended.
        line.tax_rates = rates.get(line.item_id, line.tax_rates)
    return lines


def usage_line(state: AccountState, closed: ClosedUsage) -> LineDraft:
    """The line of a stretch of usage as it is counted now."""
    units = counted(state, closed)
    price = dict(closed.price)
    exact = Fraction(0) if closed.is_free else cost(price, units)
    quantity = decimal_text(units)
    name = product_name(state, price)
    text = price_text(state, price, quantity, exact_amount(price, 1))
    return LineDraft(
        amount=round_line(exact, ties_up=state.assumptions.ordinary_line_ties_round_up),
        currency=price["currency"],
        description=f"Free trial for {quantity} \N{MULTIPLICATION SIGN} {name}" if closed.is_free else text,
        period_start=closed.start,
        period_end=closed.end,
        price=price,
        quantity=int(units),
        discountable=True,
        metadata=dict(closed.metadata),
        discounts=list(closed.item_discounts),
        subscription_id=closed.subscription_id,
        item_id=closed.item_id,
        units=units,
        fraction=Fraction(0) if closed.is_free else Fraction(1),
        usage=closed,
        free_trial=closed.is_free,
        tax_rates=list(closed.tax_rates),
    )


def counted(state: AccountState, closed: ClosedUsage) -> Fraction:
    """The usage of a stretch by its meter's formula; a negative one counts as 0."""
    meter_id = closed.price["recurring"]["meter"]
    meter = state.store.get("billing.meter", meter_id) or {}
    events = state.usage.between(closed.customer_id, meter_id, closed.start, closed.end)
    return max(aggregated(meter, events), Fraction(0))


def decimal_text(number: Fraction) -> str:
    """A sum of decimals as plain text, without an exponent."""
    with localcontext(prec=_DIGITS):
        value = Decimal(number.numerator) / Decimal(number.denominator)
        return f"{value.normalize():f}" if value else "0"


def has_departed(state: AccountState, subscription: Body, closed: ClosedUsage) -> bool:
    """Whether the item of this usage is gone, or has another price now."""
    items: Iterable[Body] = state.subscription_items(subscription)
    prices: dict[str, str] = {item["id"]: item["price"]["id"] for item in items}
    return prices.get(closed.item_id) != str(closed.price["id"])


def _usage_start(state: AccountState, item: Body) -> int:
    return state.usage.since.get(item["id"], int(item["current_period_start"]))


def _closed(state: AccountState, subscription: Body, item: Body, *, start: int, end: int) -> ClosedUsage:
    trial = (subscription["trial_start"], subscription["trial_end"])
    holder = item if state.assumptions.line_metadata_copies_item else subscription
    return ClosedUsage(
        item_id=item["id"],
        subscription_id=subscription["id"],
        customer_id=subscription["customer"],
        price=item["price"],
        start=start,
        end=end,
        metadata=dict(holder["metadata"]),
        item_discounts=tuple(item["discounts"]),
        subscription_discounts=tuple(subscription["discounts"]),
        tax_rates=tuple(item["tax_rates"]),
        is_free=None not in trial and trial[0] <= start and end <= trial[1],
    )


def _usage_item(
    state: AccountState, subscription: Body, closed: ClosedUsage, line: LineDraft, *, at: int
) -> Body:
    """The pending invoice item of usage that was cut off, net of percent discounts as prorations are."""
    line.usage = None
    line.discounts = _percent_only(state, closed.item_discounts, at=at)
    apply_discounts(state, [line], _percent_only(state, closed.subscription_discounts, at=at), at=at)
    return new_invoice_item(
        state,
        customer_id=subscription["customer"],
        subscription_id=subscription["id"],
        item_id=closed.item_id,
        amount=line.net_amount,
        currency=line.currency,
        description=line.description,
        start=closed.start,
        end=closed.end,
        price=dict(closed.price),
        unit_amount_decimal=closed.price["unit_amount_decimal"],
        quantity=line.quantity,
        quantity_decimal=decimal_text(line.units or Fraction(0)),
        discountable=False,
        metadata=line.metadata,
        tax_rates=line.tax_rates,
    )


def _percent_only(state: AccountState, discounts: Iterable[str], *, at: int) -> list[str]:
    # A fixed amount reduces the next whole invoice, so it is not given away on a part of a period as well.
    return [
        identifier
        for identifier in running(state, discounts, at=at)
        if coupon_of(state, identifier)["percent_off"] is not None
    ]
