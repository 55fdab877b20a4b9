"""Smaller steps of a subscription: its way to flexible billing, and the end of its discounts.

Source: docs.stripe.com/api/subscriptions/migrate and the SDK's parameters, stripe 16.1.0.
"""

from cpqbridge_sim.stripe.billing.itemization import is_itemized
from cpqbridge_sim.stripe.billing.lifecycle import ENDED
from cpqbridge_sim.stripe.errors import StripeApiError, invalid
from cpqbridge_sim.stripe.resources.call import Call
from cpqbridge_sim.stripe.resources.phase_split import split_running_phase
from cpqbridge_sim.stripe.resources.schedules import billing_mode
from cpqbridge_sim.stripe.resources.subscriptions import retrieve
from cpqbridge_sim.stripe.store import Body


def migrate(call: Call) -> Body:
    """`POST /v1/subscriptions/{id}/migrate`: from classic to flexible billing, never back.

    A flexible subscription can begin to itemize the discounts of its prorations, and not end it either.
    """
    state, subscription = call.state, retrieve(call)
    if subscription["schedule"] is not None:
        raise invalid(
            "You cannot migrate a subscription that is already attached to a schedule: "
            f"`{subscription['schedule']}`."
        )
    if subscription["status"] in ENDED:
        raise invalid(f"You cannot migrate a subscription that is {subscription['status']}.")
    mode = billing_mode(call.params)
    if subscription["billing_mode"]["type"] == "flexible" and (
        is_itemized(subscription) or not is_itemized({"billing_mode": mode})
    ):
        raise invalid("The subscription already uses flexible billing mode.", "billing_mode[type]")
    subscription["billing_mode"] = {**mode, "updated_at": state.time_of(subscription["customer"])}
    state.emit("customer.subscription.updated", subscription)
    return subscription


def delete_discount(call: Call) -> Body:
    """`DELETE /v1/subscriptions/{id}/discount`: every discount but those of its items."""
    state, subscription = call.state, retrieve(call)
    if not subscription["discounts"]:
        raise StripeApiError(
            f"No active discount for subscription: {subscription['id']}",
            status=404,
            code="resource_missing",
            param="id",
        )
    first = subscription["discounts"][0]
    subscription["discounts"] = []
    at = state.time_of(subscription["customer"])
    split_running_phase(state, subscription, {"discounts": ""}, at=at)
    state.emit("customer.subscription.updated", subscription)
    return {"id": first, "object": "discount", "deleted": True}
