"""`POST /v1/subscriptions/{id}/pause` and `/resume`.

Source: docs.stripe.com/billing/subscriptions/pause, stored copy of 2026, and the parameters of stripe 16.1.0.
"""

from cpqbridge_sim.stripe.billing.pauses import pause as pause_now
from cpqbridge_sim.stripe.billing.pauses import resume as resume_now
from cpqbridge_sim.stripe.billing.pauses import why_not_paused
from cpqbridge_sim.stripe.billing.payment_methods import payment_method
from cpqbridge_sim.stripe.errors import StripeApiError, invalid
from cpqbridge_sim.stripe.resources.call import Call, only
from cpqbridge_sim.stripe.resources.subscriptions import retrieve
from cpqbridge_sim.stripe.store import Body

_ON_SUCCESS = "resume_on_payment_success"


def pause(call: Call) -> Body:
    """Pause at once; what is unused is given back unless `bill_for` says otherwise."""
    state, params = call.state, call.params
    only(params, {"bill_for", "invoicing_behavior", "type"})
    subscription = retrieve(call)
    if subscription["schedule"] is not None:
        raise invalid(f"You cannot pause a subscription with a schedule: `{subscription['schedule']}`.")
    at = state.time_of(subscription["customer"])
    refusal = why_not_paused(subscription, at=at)
    if refusal is not None:
        raise invalid(refusal)
    bill_for = params.get("bill_for") or {}
    pause_now(
        state,
        subscription,
        at=at,
        unused_from=(bill_for.get("unused_time_from") or {}).get("type", "now"),
        bills_usage=(bill_for.get("outstanding_usage_through") or {}).get("type") != "none",
        invoices=params.get("invoicing_behavior") == "invoice",
    )
    return subscription


def resume(call: Call) -> Body:
    """Resume; the subscription stays paused until its resumption invoice, if there is one, is settled."""
    state, params = call.state, call.params
    only(params, {"billing_cycle_anchor", "payment_behavior", "proration_behavior", "proration_date"})
    subscription = retrieve(call)
    if subscription["status"] != "paused":
        raise invalid("You can only resume subscriptions that are paused.")
    if subscription["collection_method"] == "send_invoice":
        raise invalid("You can only resume subscriptions with `collection_method=charge_automatically`.")
    if any(waiting.subscription_id == subscription["id"] for waiting in state.resumptions.values()):
        raise invalid("The subscription is being resumed already; pay or void its latest invoice.")
    at = state.time_of(subscription["customer"])
    on_success = params.get("payment_behavior") == _ON_SUCCESS
    if on_success and subscription["billing_mode"]["type"] == "classic":
        raise invalid(f"`{_ON_SUCCESS}` needs flexible billing mode.", "payment_behavior")
    if on_success and payment_method(state, subscription["customer"], subscription) is None:
        raise StripeApiError(
            "This customer has no attached payment source or default payment method. Please consider adding "
            "a default payment method.",
            code="resource_missing",
        )
    prorated_from = params.get("proration_date")
    if prorated_from is not None and prorated_from > at:
        raise invalid("`proration_date` must not be in the future.", "proration_date")
    resume_now(
        state,
        subscription,
        at=at,
        new_cycle=(params.get("billing_cycle_anchor") or {}).get("type", "now") == "now",
        behavior=params.get("proration_behavior", "create_prorations"),
        on_success=on_success,
        prorated_from=prorated_from,
    )
    return subscription
