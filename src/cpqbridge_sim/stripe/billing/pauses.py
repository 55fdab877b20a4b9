"""Subscriptions that stand still: no periods, no invoices, no prorations.

Source: docs.stripe.com/billing/subscriptions/pause, stored copy of 2026.
"""

from cpqbridge_sim.stripe.state import AccountState
from cpqbridge_sim.stripe.store import Body


def enter_pause(state: AccountState, subscription: Body, *, at: int, reason: str) -> None:
    """Show a subscription as paused from now on."""
    subscription["status"] = "paused"
    subscription["status_details"] = {
        "paused": {"subscription": {"type": reason}, "transitioned_at": at, "type": "subscription"}
    }
    state.emit_all(("customer.subscription.paused", "customer.subscription.updated"), subscription)
