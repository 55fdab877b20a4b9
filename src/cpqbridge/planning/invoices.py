"""One-time lines: riders on the first phase, or an invoice of their own (B5.1, B5.4)."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime

from cpqbridge.domain.billing import BillingObject, OneTimeItem, Phase
from cpqbridge.domain.dates import day_after, midnight
from cpqbridge.domain.money import rounded_minor
from cpqbridge.domain.order import Order, OrderLine


def one_time_item(line: OrderLine, *, currency: str, name: str) -> OneTimeItem:
    """Return a one-time line as the item that bills its `TotalPrice` once, negative ones as credits."""
    units = f"{line.quantity.normalize():f} x " if line.quantity != 1 else ""
    return OneTimeItem(
        order_item_id=line.order_item_id,
        product_id=line.product_id,
        kind="one_time",
        amount_minor=rounded_minor(line.total_price, currency),
        period_start=line.starts_on,
        period_end=day_after(line.ends_on) if line.ends_on else line.starts_on,
        description=f"{units}{name}",
    )


def split_one_time(
    lines: Sequence[OrderLine], first_recurring_on: date | None
) -> tuple[tuple[OrderLine, ...], tuple[OrderLine, ...]]:
    """Return the lines that ride on the first phase, and those that need an invoice of their own."""
    if first_recurring_on is None:
        return (), tuple(lines)
    riders = tuple(line for line in lines if line.starts_on >= first_recurring_on)
    return riders, tuple(line for line in lines if line.starts_on < first_recurring_on)


def own_invoice(
    order: Order, items: tuple[OneTimeItem, ...], *, root_id: str, instant: datetime
) -> BillingObject:
    """Return the invoice that bills one-time items by itself, made at the execution instant."""
    first = min(item.period_start for item in items)
    last = max(item.period_end for item in items)
    phase = Phase(
        starts_at=midnight(first),
        ends_at=midnight(last),
        proration_behavior="none",
        items=(),
        one_time_items=items,
        order_ids=(order.order_id,),
    )
    return BillingObject(
        key=f"invoice:{root_id}:{order.order_id}",
        kind="invoice",
        order_ids=(order.order_id,),
        currency=order.currency,
        phases=(phase,),
        end_behavior="none",
        collection_method="charge_automatically" if order.days_until_due is None else "send_invoice",
        days_until_due=order.days_until_due,
        anchor_at=instant,
    )
