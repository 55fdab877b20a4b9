"""Where an object of ours is in Stripe's Dashboard."""

from __future__ import annotations

from cpqbridge.domain.billing import Link
from cpqbridge.store.connections import ConnectionFacts

BALANCE_TRANSACTION = "cbtxn_"
"""How the ids of credits on a customer's balance begin."""

_PATHS = {
    "customer": "customers",
    "schedule": "subscription_schedules",
    "invoice": "invoices",
    "credit_note": "credit_notes",
}


def dashboard_address(link: Link, facts: ConnectionFacts) -> str | None:
    """Return the page of a linked object; None in a simulated account and for a credit on the balance."""
    if facts.simulated or link.stripe_id.startswith(BALANCE_TRANSACTION):
        return None
    kind = link.key.partition(":")[0]
    mode = "" if facts.live_mode else "test/"
    return f"https://dashboard.stripe.com/{mode}{_PATHS.get(kind, kind)}/{link.stripe_id}"


_PAGES_BY_PREFIX = {
    "sub_sched_": "subscription_schedules",
    "sub_": "subscriptions",
    "in_": "invoices",
    "cn_": "credit_notes",
    "cus_": "customers",
}


def page_of(stripe_id: str | None, facts: ConnectionFacts) -> str | None:
    """Return the page of an object by its id; None in a simulated account and where it has no page."""
    kind = next(
        (kind for begin, kind in _PAGES_BY_PREFIX.items() if (stripe_id or "").startswith(begin)), None
    )
    if facts.simulated or kind is None:
        return None
    return f"https://dashboard.stripe.com/{'' if facts.live_mode else 'test/'}{kind}/{stripe_id}"
