"""What prices and schedules read from Stripe say, in the words of the planner."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from cpqbridge.domain.billing import RunningDiscount
from cpqbridge.domain.order import Parameters
from cpqbridge.domain.schedule_standing import MISSING, ScheduleStanding, StandingItem, StandingPhase


def price_parameters(price: Mapping[str, Any]) -> Parameters:
    """Return what decides whether a price is the one a line needs, as `BillingState.verified_prices` has it.

    `unit_amount_decimal` is plain digits in minor units without trailing zeros, None for a tiered price;
    `interval`, `interval_count` and `usage_type` are None for a one-time price.
    """
    recurring = price.get("recurring") or {}
    return {
        "product": _id(price.get("product")),
        "currency": price.get("currency"),
        "unit_amount_decimal": _digits(price.get("unit_amount_decimal")),
        "interval": recurring.get("interval"),
        "interval_count": recurring.get("interval_count"),
        "usage_type": recurring.get("usage_type"),
        "active": price.get("active") is True,
    }


def schedule_standing(schedule_id: str, schedule: Mapping[str, Any] | None) -> ScheduleStanding:
    """Return a schedule, read with the prices of its items, as the planner compares it; None is missing."""
    found = schedule or {"status": MISSING}
    current = found.get("current_phase") or {}
    start = current.get("start_date")
    ends = (found.get(name) for name in ("canceled_at", "released_at", "completed_at"))
    ended_at = next((end for end in ends if end is not None), None)
    return ScheduleStanding(
        schedule_id=schedule_id,
        status=str(found.get("status")),
        end_behavior=str(found.get("end_behavior") or ""),
        subscription_id=_id(found.get("subscription") or found.get("released_subscription")),
        current_phase_starts_at=None if start is None else instant(start),
        phases=tuple(_phase(phase) for phase in found.get("phases") or ()),
        metadata=dict(found.get("metadata") or {}),
        ended_at=None if ended_at is None else instant(ended_at),
        discounts=tuple(_discounts(found.get("subscription"))),
    )


def _discounts(subscription: Any) -> Iterator[RunningDiscount]:
    """Yield the discounts of a subscription and of its items, where it was asked for with them."""
    if not isinstance(subscription, Mapping):
        return
    for discount in subscription.get("discounts") or ():
        yield from _discount(discount, None)
    for item in (subscription.get("items") or {}).get("data") or ():
        lines = (item.get("metadata") or {}).get("salesforce_order_item_id", "")
        for discount in item.get("discounts") or ():
            yield from _discount(discount, lines)


def _discount(discount: Any, order_item_ids: str | None) -> Iterator[RunningDiscount]:
    if isinstance(discount, Mapping):
        coupon_id = _id((discount.get("source") or {}).get("coupon"))
        if coupon_id is not None:
            yield RunningDiscount(
                discount_id=str(discount["id"]),
                coupon_id=coupon_id,
                order_item_ids=order_item_ids,
                ends_at=instant(discount["end"]) if discount.get("end") else None,
            )


def _phase(phase: Mapping[str, Any]) -> StandingPhase:
    return StandingPhase(
        starts_at=instant(phase["start_date"]),
        ends_at=instant(phase["end_date"]),
        items=tuple(_item(item) for item in phase.get("items") or ()),
        one_time_metadata=tuple(
            dict(item.get("metadata") or {}) for item in phase.get("add_invoice_items") or ()
        ),
        coupons=_coupons(phase),
        trial_ends_at=None if phase.get("trial_end") is None else instant(phase["trial_end"]),
    )


def _item(item: Mapping[str, Any]) -> StandingItem:
    price = item.get("price")
    terms: Mapping[str, Any] = price if isinstance(price, Mapping) else {}
    recurring = terms.get("recurring") or {}
    return StandingItem(
        price_id=_id(price) or "",
        product_id=_id(terms.get("product")) or "",
        unit_amount_decimal=_digits(terms.get("unit_amount_decimal")),
        interval=recurring.get("interval"),
        interval_count=recurring.get("interval_count"),
        quantity=item.get("quantity"),
        metadata=dict(item.get("metadata") or {}),
        lookup_key=terms.get("lookup_key"),
        coupons=_coupons(item),
    )


def _coupons(reduced: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the coupons of a phase or item; of a discount that runs already, the one behind it."""
    found = []
    for entry in reduced.get("discounts") or ():
        running = entry.get("discount")
        source = (running.get("source") or {}) if isinstance(running, Mapping) else {}
        named = entry.get("coupon") or source.get("coupon") or running or entry.get("promotion_code")
        found.append(_id(named) or "")
    return tuple(found)


def instant(timestamp: int) -> datetime:
    """Return the aware UTC time of Unix seconds."""
    return datetime.fromtimestamp(timestamp, UTC)


def _id(value: Any) -> str | None:
    """Return the id of what is shown as an id or, where it was asked for, as a whole object."""
    found = value.get("id") if isinstance(value, Mapping) else value
    return found if isinstance(found, str) else None


def _digits(amount: object) -> str | None:
    if amount is None:
        return None
    text = format(Decimal(str(amount)), "f")
    return text.rstrip("0").rstrip(".") if "." in text else text
