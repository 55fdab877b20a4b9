"""What Stripe holds at most, checked before anything is sent (B5.7, B7.3).

Source: Stripe API reference, subscription schedules and subscriptions (read 20 Nov 2026).
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from datetime import datetime
from fractions import Fraction

from cpqbridge.domain.billing import BillingObject
from cpqbridge.domain.money import amount_step_minor, currency_decimals, unit_amount_text
from cpqbridge.domain.order import Order, OrderHistory
from cpqbridge.domain.refusal import Refusal

MAXIMUM_PHASES = 10
MAXIMUM_ITEMS = 20
MAXIMUM_ONE_TIME_ITEMS = 20
MAXIMUM_OWN_INVOICE_LINES = 250
MAXIMUM_UNIT_AMOUNT = 10**12


def limit_refusals(
    order: Order, objects: Collection[BillingObject], history: OrderHistory, *, now: datetime
) -> Iterator[Refusal]:
    """Yield a refusal for each limit the order's objects would pass from `now` on.

    More phases than a schedule holds are loaded as time goes by, and more lines go on several schedules.
    """
    for wanted in objects:
        allowed = MAXIMUM_ONE_TIME_ITEMS if wanted.kind == "schedule" else MAXIMUM_OWN_INVOICE_LINES
        coming = [phase for phase in wanted.phases if phase.ends_at > now] or wanted.phases
        items = max(len(phase.items) for phase in coming)
        one_time = max(len(phase.one_time_items) for phase in coming)
        if items > MAXIMUM_ITEMS or one_time > allowed:
            yield _limit(
                order,
                "too_many_items",
                f"Order {order.order_number} needs {items} recurring and {one_time} one-time items at once; "
                f"Stripe holds {MAXIMUM_ITEMS} and {allowed}.",
            )
        yield from _amount_refusals(order, wanted, history)


def _amount_refusals(order: Order, wanted: BillingObject, history: OrderHistory) -> Iterator[Refusal]:
    step = amount_step_minor(order.currency)
    for product_id, amount in _amounts(wanted):
        name = history.products[product_id].name
        if abs(amount) >= MAXIMUM_UNIT_AMOUNT:
            yield _limit(
                order,
                "amount_too_large",
                f"Order {order.order_number} bills {_major(amount, order)} for {name} at once; "
                f"Stripe takes less than {_major(MAXIMUM_UNIT_AMOUNT, order)}.",
            )
            return
        if step > 1 and amount % step:
            yield _limit(
                order,
                "amount_step",
                f"Order {order.order_number} bills {_major(amount, order)} for {name} at once; "
                f"Stripe takes only multiples of {_major(step, order)}.",
            )
            return


def _amounts(wanted: BillingObject) -> Iterator[tuple[str, Fraction]]:
    """Yield each price and one-time amount in minor units, with its product."""
    for phase in wanted.phases:
        for item in phase.items:
            yield item.product_id, Fraction(item.unit_amount_decimal)
        for one_time in phase.one_time_items:
            yield one_time.product_id, Fraction(one_time.amount_minor)


def _major(amount_minor: Fraction | int, order: Order) -> str:
    """Return minor units for people, in major units and with every decimal of a price."""
    decimals = currency_decimals(order.currency)
    whole, _, rest = unit_amount_text(Fraction(amount_minor) / 10**decimals).partition(".")
    return f"{whole}.{rest.ljust(decimals, '0')} {order.currency.upper()}".replace(". ", " ")


_FIXES = {
    "amount_too_large": "Correct the price or quantity of the line.",
    "amount_step": "Sell at prices whose charges end in 0 in the last decimal, or bill the order by hand.",
}


def _limit(order: Order, code: str, message: str) -> Refusal:
    return Refusal(
        code=code,
        message=message,
        record_id=order.order_id,
        field="TotalPrice" if code in _FIXES else "OrderItems",
        fix=_FIXES.get(code, "Split the order, or bill it by hand."),
        order_id=order.order_id,
    )
