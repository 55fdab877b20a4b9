"""Reading `billing_schedules[]` of a subscription request: every rule about billing ahead.

Source: docs.stripe.com/billing/subscriptions/prebilling, stored copy of 2026.
"""

from collections.abc import Mapping
from typing import Any

from cpqbridge_sim.stripe.billing.discounts import coupon_of
from cpqbridge_sim.stripe.billing.prebilling import billed_ahead_until, covered_until
from cpqbridge_sim.stripe.billing.proration import natural_period
from cpqbridge_sim.stripe.billing.tiers import is_metered
from cpqbridge_sim.stripe.errors import invalid, missing
from cpqbridge_sim.stripe.periods import Interval, add_months
from cpqbridge_sim.stripe.state import AccountState
from cpqbridge_sim.stripe.store import Body

_NAME = "billing_schedules"
_CYCLES_MAX = 50
_MONTHS_MAX = 60


def read_billing_schedules(
    state: AccountState, subscription: Body, params: Mapping[str, Any], *, at: int
) -> list[Body]:
    """What shall be billed ahead after this request; the items must have their first periods already."""
    if _NAME not in params:
        return list(subscription[_NAME])
    entries = params[_NAME] or []
    if not entries:
        return []
    _check_subscription(state, subscription)
    known = {entry["key"]: entry for entry in subscription[_NAME]}
    items = state.subscription_items(subscription)
    read = [
        _entry(entry, known.get(entry.get("key")), state, items=items, at=at, path=f"{_NAME}[{index}]")
        for index, entry in enumerate(entries)
    ]
    if len({entry["key"] for entry in read}) < len(read):
        raise invalid("The keys of billing schedules must differ.", _NAME)
    _check_reach(state, {**subscription, _NAME: read}, at=at)
    return read


def check_prebilled_discounts(state: AccountState, params: Mapping[str, Any]) -> None:
    """Only percentages, once or for ever, are redeemed by a subscription that is billed ahead."""
    for index, holder in enumerate((params, *(params.get("items") or ()))):
        for entry in holder.get("discounts") or ():
            if not _fits(_coupon(state, entry)):
                where = "discounts" if index == 0 else f"items[{index - 1}][discounts]"
                raise invalid("This coupon cannot be used with billing schedules.", where)


def _coupon(state: AccountState, entry: Mapping[str, Any]) -> Body:
    if "discount" in entry:
        return coupon_of(state, entry["discount"])
    return state.store.get("coupon", entry.get("coupon")) or {"percent_off": None}


def _check_subscription(state: AccountState, subscription: Body) -> None:
    if subscription["billing_mode"]["type"] == "classic":
        raise invalid("Billing schedules need `billing_mode[type]=flexible`.", _NAME)
    if subscription["schedule"] is not None:
        raise invalid("Billing schedules cannot be used with a subscription schedule.", _NAME)
    if subscription["status"] in ("trialing", "paused"):
        raise invalid(f"A subscription that is {subscription['status']} cannot be billed ahead.", _NAME)
    if all(is_metered(item["price"]) for item in state.subscription_items(subscription)):
        raise invalid("Usage cannot be billed ahead.", _NAME)
    if not all(_fits(coupon_of(state, identifier)) for identifier in _discounts(state, subscription)):
        raise invalid(
            "Billing schedules go with coupons of `percent_off` that last `once` or `forever` only.",
            _NAME,
        )


def _discounts(state: AccountState, subscription: Body) -> list[str]:
    items = state.subscription_items(subscription)
    return [identifier for holder in (subscription, *items) for identifier in holder["discounts"]]


def _fits(coupon: Body) -> bool:
    return coupon["percent_off"] is not None and coupon["duration"] in ("once", "forever")


def _entry(
    value: Mapping[str, Any], old: Body | None, state: AccountState, *, items: list[Body], at: int, path: str
) -> Body:
    applies = value.get("applies_to", None if old is None else old["applies_to"])
    prices = {item["price"]["id"]: item["price"] for item in items}
    for index, named in enumerate(applies or ()):
        price = prices.get(named.get("price"))
        if price is None or is_metered(price):
            raise invalid(
                "Billing schedules apply to licensed prices of the subscription.",
                f"{path}[applies_to][{index}][price]",
            )
    if "bill_until" in value:
        bill_until = _until(value["bill_until"], at=at, path=f"{path}[bill_until]")
    elif old is not None:
        bill_until = old["bill_until"]
    else:
        raise missing(f"{path}[bill_until]")
    chosen = None if not applies else [{"price": n["price"], "type": n["type"]} for n in applies]
    key = value.get("key") or state.identifiers.new("sub_bs")
    _check_end(chosen, items, int(bill_until["computed_timestamp"]), at=at, path=f"{path}[bill_until]")
    return {"applies_to": chosen, "bill_until": bill_until, "key": key}


def _until(value: Mapping[str, Any], *, at: int, path: str) -> Body:
    kind = value["type"]
    if kind not in value:
        raise missing(f"{path}[{kind}]")
    shown: Body = {"computed_timestamp": 0, "duration": None, "timestamp": None, "type": kind}
    if kind == "timestamp":
        return {**shown, "computed_timestamp": value["timestamp"], "timestamp": value["timestamp"]}
    duration = {
        "interval": value["duration"]["interval"],
        "interval_count": value["duration"].get("interval_count", 1),
    }
    length = Interval(unit=duration["interval"], count=duration["interval_count"])
    if length.count < 1:
        raise invalid("`interval_count` must be at least 1.", f"{path}[duration][interval_count]")
    end = at + length.seconds if length.seconds else add_months(at, length.months)
    return {**shown, "computed_timestamp": end, "duration": duration}


def _check_end(named: list[Body] | None, items: list[Body], end: int, *, at: int, path: str) -> None:
    if end > add_months(at, _MONTHS_MAX):
        raise invalid("Periods can be billed at most five years ahead.", path)
    chosen = {entry["price"] for entry in named or ()}
    ends = [
        int(item["current_period_end"])
        for item in items
        if not is_metered(item["price"]) and (not chosen or item["price"]["id"] in chosen)
    ]
    # Named items must all reach their end; without names those that do not are left out.
    if end < (max(ends) if chosen else min(ends)):
        raise invalid("The end of a billing schedule cannot lie before the end of the current period.", path)


def _check_reach(state: AccountState, subscription: Body, *, at: int) -> None:
    cycles, inside = 0, False
    for item in state.subscription_items(subscription):
        start, end = covered_until(item), billed_ahead_until(subscription, item)
        if subscription["cancel_at"] is not None and end > subscription["cancel_at"]:
            raise invalid("Periods cannot be billed beyond the end of the subscription.", _NAME)
        if item["current_period_start"] <= at < item["current_period_end"]:
            cycles += 1
        while start < end:
            natural_start, start = natural_period(state, subscription, item, start)
            cycles += 1
            inside = inside or natural_start < end < start
    if cycles > _CYCLES_MAX:
        raise invalid(f"At most {_CYCLES_MAX} periods can be billed ahead.", _NAME)
    if inside and not state.assumptions.prebilling_may_end_inside_a_period:
        raise invalid("A billing schedule must end where a period ends.", _NAME)
