"""Limits on how often one subscription may be invoiced or resized.

Source: docs.stripe.com/rate-limits, read 20 Nov 2026: 10 new invoices a minute and 20 a day, 200 quantity
updates an hour, for each subscription.
"""

from collections.abc import Mapping
from typing import Any

from cpqbridge_sim.stripe.errors import StripeApiError
from cpqbridge_sim.stripe.state import AccountState
from cpqbridge_sim.stripe.store import Body

_INVOICES_MAX = ((60, 10), (86_400, 20))
_QUANTITIES_SECONDS = 3600
_QUANTITIES_MAX = 200


def check_churn(state: AccountState, subscription: Body, params: Mapping[str, Any], *, at: int) -> None:
    """Answer 429 to a change of a subscription or its schedule that asks for too much in too short a time.

    Only requests are counted and refused, never what the clock brings.
    """
    anchored = (params.get("billing_cycle_anchor") or {}).get("type") == "now"
    if params.get("proration_behavior") == "always_invoice" or anchored:
        check_new_invoice(state, subscription, at=at)
    entries = [
        *params.get("items", []),
        *(item for phase in params.get("phases", []) for item in phase["items"]),
    ]
    if any("quantity" in entry for entry in entries):
        _count_quantity_update(state, subscription, at=at)


def check_new_invoice(state: AccountState, subscription: Body, *, at: int) -> None:
    """Answer 429 when one more invoice of a subscription would be too many."""
    if not state.collection.limits_churn:
        return
    created = [
        invoice["created"]
        for invoice in state.store.of_customer("invoice", subscription["customer"])
        if _subscription_id(invoice) == subscription["id"]
    ]
    for seconds, most in _INVOICES_MAX:
        if sum(1 for moment in created if moment > at - seconds) >= most:
            raise _too_many(f"Subscription {subscription['id']} has too many new invoices.")


def _subscription_id(invoice: Body) -> str | None:
    details = (invoice["parent"] or {}).get("subscription_details") or {}
    found: str | None = details.get("subscription")
    return found


def _count_quantity_update(state: AccountState, subscription: Body, *, at: int) -> None:
    if not state.collection.limits_churn:
        return
    recent = [
        moment
        for moment in state.quantity_updates.get(subscription["id"], [])
        if moment > at - _QUANTITIES_SECONDS
    ]
    if len(recent) >= _QUANTITIES_MAX:
        raise _too_many(f"Subscription {subscription['id']} has too many quantity updates.")
    state.quantity_updates[subscription["id"]] = [*recent, at]


def _too_many(message: str) -> StripeApiError:
    return StripeApiError(
        message,
        status=429,
        code="rate_limit",
        headers={"Stripe-Rate-Limited-Reason": "resource-specific"},
    )
