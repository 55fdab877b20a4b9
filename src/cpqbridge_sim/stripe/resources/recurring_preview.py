"""`preview_mode=recurring`: what a subscription costs in the long run.

Source: docs.stripe.com/invoicing/preview, stored copy of 2026: neither one-time items and prorations nor
discounts that are used once count.
"""

from fractions import Fraction

from cpqbridge_sim.stripe.billing.discounts import coupon_of
from cpqbridge_sim.stripe.billing.invoicing import subscription_invoice
from cpqbridge_sim.stripe.billing.lines import item_line
from cpqbridge_sim.stripe.billing.proration import natural_period
from cpqbridge_sim.stripe.billing.tiers import is_metered
from cpqbridge_sim.stripe.state import AccountState
from cpqbridge_sim.stripe.store import Body


def recurring_invoice(copy: AccountState, subscription: Body) -> Body | None:
    """An invoice of one full period of every licensed item, on a copy of the account."""
    at = copy.time_of(subscription["customer"])
    items = copy.subscription_items(subscription)
    for holder in (subscription, *items):
        holder["discounts"] = [
            identifier
            for identifier in holder["discounts"]
            if coupon_of(copy, identifier)["duration"] != "once"
        ]
    copy.usage.closed.pop(subscription["id"], None)
    lines = []
    for item in items:
        if not is_metered(item["price"]):
            start, end = natural_period(copy, subscription, item, item["current_period_end"])
            lines.append(item_line(copy, subscription, item, start=start, end=end, fraction=Fraction(1)))
    return subscription_invoice(copy, subscription, lines, at=at, reason="upcoming", only_pending=[])
