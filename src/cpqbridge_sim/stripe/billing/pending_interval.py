"""Pending invoice items that are billed at an interval of their own.

Source: the SDK's text of `pending_invoice_item_interval`, stripe 16.1.0.
"""

from typing import Any

from cpqbridge_sim.stripe.billing.invoicing import subscription_invoice
from cpqbridge_sim.stripe.periods import Interval, boundary_after
from cpqbridge_sim.stripe.state import AccountState
from cpqbridge_sim.stripe.store import Body

_PRIORITY = 3


def set_pending_interval(state: AccountState, subscription: Body, value: Any, *, at: int) -> None:
    """Start, change or (with an empty value) stop the interval."""
    subscription["pending_invoice_item_interval"] = value or None
    subscription["next_pending_invoice_item_invoice"] = None
    if value:
        _sleep(state, subscription, at=at)


def bill_pending(state: AccountState, subscription: Body, *, at: int) -> None:
    """Invoice what waits; a wake-up of an interval that was changed since does nothing."""
    if subscription["next_pending_invoice_item_invoice"] != at:
        return
    if subscription["status"] in ("canceled", "incomplete_expired"):
        subscription["next_pending_invoice_item_invoice"] = None
        return
    if subscription["status"] != "paused":
        reason = "automatic_pending_invoice_item_invoice"
        subscription_invoice(state, subscription, [], at=at, reason=reason)
    _sleep(state, subscription, at=at)


def _sleep(state: AccountState, subscription: Body, *, at: int) -> None:
    chosen = subscription["pending_invoice_item_interval"]
    interval = Interval(unit=chosen["interval"], count=chosen["interval_count"])
    following = boundary_after(subscription["billing_cycle_anchor"], interval, at)
    subscription["next_pending_invoice_item_invoice"] = following
    state.wake_at(following, priority=_PRIORITY, kind="subscription.pending_items", body=subscription)
