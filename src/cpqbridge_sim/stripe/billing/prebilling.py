"""Periods that are billed ahead of time.

Source: docs.stripe.com/billing/subscriptions/prebilling, stored copy of 2026: one invoice with all that is
billed ahead, then nothing until its end.
"""

from fractions import Fraction

from cpqbridge_sim.stripe.billing.items import next_lines, period_line, subscription_end
from cpqbridge_sim.stripe.billing.lines import LineDraft, item_line
from cpqbridge_sim.stripe.billing.proration import natural_period
from cpqbridge_sim.stripe.billing.tiers import is_metered
from cpqbridge_sim.stripe.state import AccountState
from cpqbridge_sim.stripe.store import Body


def billed_ahead_until(subscription: Body, item: Body) -> int:
    """Until when the subscription's billing schedules want this item billed; 0 when none speaks of it."""
    if is_metered(item["price"]):
        return 0
    wanted = 0
    for entry in subscription["billing_schedules"]:
        prices = {named["price"] for named in entry["applies_to"] or ()}
        if not prices or item["price"]["id"] in prices:
            wanted = max(wanted, int(entry["bill_until"]["computed_timestamp"]))
    return wanted


def covered_until(item: Body) -> int:
    """Until when an item is billed, by its running period or ahead of it."""
    return max(int(item["billed_until"] or 0), int(item["current_period_end"]))


def lines_ahead(state: AccountState, subscription: Body, item: Body) -> list[LineDraft]:
    """One line for each further period, or part of one, that shall be billed now."""
    at, end = covered_until(item), billed_ahead_until(subscription, item)
    last = subscription_end(state, subscription)
    end = end if last is None else min(end, last)
    if end <= at or subscription["status"] == "paused":
        return []
    item["billed_until"] = end
    lines: list[LineDraft] = []
    while at < end:
        until = min(natural_period(state, subscription, item, at)[1], end)
        lines.append(_part(state, subscription, item, start=at, end=until))
        at = until
    return lines


def all_lines_ahead(state: AccountState, subscription: Body) -> list[LineDraft]:
    """The lines of all items that shall be billed ahead now."""
    return [
        line
        for item in state.subscription_items(subscription)
        for line in lines_ahead(state, subscription, item)
    ]


def renewal_lines(state: AccountState, subscription: Body, item: Body) -> list[LineDraft]:
    """Begin the next period of an item: its line, less what is billed already, and the periods ahead."""
    billed = item["billed_until"]
    if billed is None and not subscription["billing_schedules"]:
        return next_lines(state, subscription, item)
    start = item["current_period_end"]
    if billed is None or billed <= start:
        item["billed_until"] = None
        lines = next_lines(state, subscription, item)
    else:
        period_line(state, subscription, item, start=start)
        end = item["current_period_end"]
        lines = [_part(state, subscription, item, start=billed, end=end)] if billed < end else []
    return [*lines, *lines_ahead(state, subscription, item)]


def _part(state: AccountState, subscription: Body, item: Body, *, start: int, end: int) -> LineDraft:
    natural_start, natural_end = natural_period(state, subscription, item, start)
    fraction = Fraction(end - start, natural_end - natural_start)
    return item_line(
        state, subscription, item, start=start, end=end, fraction=fraction, truncated=fraction < 1
    )
