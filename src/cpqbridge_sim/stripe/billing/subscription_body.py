"""The shape of a subscription object."""

from typing import Any

from cpqbridge_sim.stripe.billing.items import merge_metadata
from cpqbridge_sim.stripe.billing.phases import apply_settings
from cpqbridge_sim.stripe.state import AccountState
from cpqbridge_sim.stripe.store import Body


def blank_subscription(
    state: AccountState,
    *,
    customer_id: str,
    currency: str,
    billing_mode: dict[str, Any],
    start: int,
    anchor: int,
    schedule_id: str | None = None,
) -> Body:
    """An active subscription without items, kept in the store."""
    identifier = state.identifiers.new("sub")
    return state.store.add(
        {
            "id": identifier,
            "object": "subscription",
            "application": None,
            "application_fee_percent": None,
            "automatic_tax": {"disabled_reason": None, "enabled": False, "liability": None},
            "billing_cycle_anchor": anchor,
            "billing_cycle_anchor_config": None,
            "billing_mode": billing_mode,
            "billing_schedules": [],
            "billing_thresholds": None,
            "cancel_at": None,
            "cancel_at_period_end": False,
            "canceled_at": None,
            "cancellation_details": {"comment": None, "feedback": None, "reason": None},
            "collection_method": "charge_automatically",
            "created": state.time_of(customer_id),
            "currency": currency,
            "customer": customer_id,
            "customer_account": None,
            "days_until_due": None,
            "default_payment_method": None,
            "default_source": None,
            "default_tax_rates": [],
            "description": None,
            "discounts": [],
            "ended_at": None,
            "invoice_settings": {"account_tax_ids": None, "issuer": {"type": "self"}},
            "items": {
                "object": "list",
                "data": [],
                "has_more": False,
                "url": f"/v1/subscription_items?subscription={identifier}",
            },
            "latest_invoice": None,
            "livemode": state.livemode,
            "metadata": {},
            "next_pending_invoice_item_invoice": None,
            "on_behalf_of": None,
            "pause_collection": None,
            "payment_settings": {
                "payment_method_options": None,
                "payment_method_types": None,
                "save_default_payment_method": "off",
            },
            "pending_invoice_item_interval": None,
            "pending_setup_intent": None,
            "pending_update": None,
            "schedule": schedule_id,
            "start_date": start,
            "status": "active",
            "status_details": None,
            "test_clock": state.clock_of(customer_id),
            "transfer_data": None,
            "trial_end": None,
            "trial_settings": {
                "end_behavior": {"billing_cycle_anchor": "now", "missing_payment_method": "create_invoice"}
            },
            "trial_start": None,
        }
    )


def new_subscription(state: AccountState, *, schedule: Body, phase: Body, start: int, at: int) -> Body:
    """The subscription that a schedule creates when its first phase begins."""
    price = state.store.get("price", phase["items"][0]["price"]) or {}
    subscription = blank_subscription(
        state,
        customer_id=schedule["customer"],
        currency=price["currency"],
        billing_mode=dict(schedule["billing_mode"]),
        start=start,
        anchor=start,
        schedule_id=schedule["id"],
    )
    subscription["created"] = at
    apply_settings(subscription, schedule, phase)
    merge_metadata(subscription["metadata"], phase["metadata"])
    return subscription
