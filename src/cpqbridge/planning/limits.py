"""What Stripe holds at most, checked before anything is sent (B5.7, B7.3).

Source: Stripe API reference, subscription schedules and subscriptions (read 20 Nov 2026).
"""

from __future__ import annotations

from collections.abc import Collection, Iterator

from cpqbridge.domain.billing import BillingObject
from cpqbridge.domain.order import Order, OrderHistory
from cpqbridge.domain.refusal import Refusal

MAXIMUM_PHASES = 10
MAXIMUM_ITEMS = 20
MAXIMUM_ONE_TIME_ITEMS = 20
MAXIMUM_OWN_INVOICE_LINES = 250
MAXIMUM_UNIT_AMOUNT = 10**12


def limit_refusals(
    order: Order, objects: Collection[BillingObject], history: OrderHistory
) -> Iterator[Refusal]:
    """Yield a refusal for each limit the order's objects would pass."""
    for wanted in objects:
        if wanted.kind == "schedule" and len(wanted.phases) > MAXIMUM_PHASES:
            yield _limit(
                order,
                "too_many_phases",
                f"Order {order.order_number} changes {len(wanted.phases) - 1} times; "
                f"Stripe holds {MAXIMUM_PHASES} phases.",
            )
        allowed = MAXIMUM_ONE_TIME_ITEMS if wanted.kind == "schedule" else MAXIMUM_OWN_INVOICE_LINES
        items = max(len(phase.items) for phase in wanted.phases)
        one_time = max(len(phase.one_time_items) for phase in wanted.phases)
        if items > MAXIMUM_ITEMS or one_time > allowed:
            yield _limit(
                order,
                "too_many_items",
                f"Order {order.order_number} needs {items} recurring and {one_time} one-time items at once; "
                f"Stripe holds {MAXIMUM_ITEMS} and {allowed}.",
            )
        yield from _amount_refusals(order, wanted, history)


def _amount_refusals(order: Order, wanted: BillingObject, history: OrderHistory) -> Iterator[Refusal]:
    for phase in wanted.phases:
        amounts = [(item.product_id, int(item.unit_amount_decimal.partition(".")[0])) for item in phase.items]
        amounts += [(item.product_id, abs(item.amount_minor)) for item in phase.one_time_items]
        for product_id, amount in amounts:
            if amount >= MAXIMUM_UNIT_AMOUNT:
                name = history.products[product_id].name
                yield _limit(
                    order,
                    "amount_too_large",
                    f"Order {order.order_number} bills {amount} minor units for {name} at once; "
                    f"Stripe takes less than {MAXIMUM_UNIT_AMOUNT}.",
                )
                return


def _limit(order: Order, code: str, message: str) -> Refusal:
    return Refusal(
        code=code,
        message=message,
        record_id=order.order_id,
        field="OrderItems" if code != "amount_too_large" else "TotalPrice",
        fix="Split the order, or bill it by hand."
        if code != "amount_too_large"
        else "Correct the price or quantity of the line.",
        order_id=order.order_id,
    )
