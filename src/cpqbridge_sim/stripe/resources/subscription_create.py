"""`POST /v1/subscriptions`: a subscription without a schedule.

Source: docs.stripe.com/api/subscriptions/create, read 20 Nov 2026.
"""

from collections.abc import Mapping
from typing import Any

from cpqbridge_sim.stripe.billing.collection import can_charge
from cpqbridge_sim.stripe.billing.discounts import check_discounts, redeem
from cpqbridge_sim.stripe.billing.finalization import finalize
from cpqbridge_sim.stripe.billing.invoicing import check_line_count, subscription_invoice
from cpqbridge_sim.stripe.billing.items import first_lines, new_item
from cpqbridge_sim.stripe.billing.lifecycle import EXPIRY_PRIORITY, INCOMPLETE_SECONDS
from cpqbridge_sim.stripe.billing.lines import LineDraft
from cpqbridge_sim.stripe.billing.payment_methods import payment_method
from cpqbridge_sim.stripe.billing.payments import minimum_charge
from cpqbridge_sim.stripe.billing.pending_interval import set_pending_interval
from cpqbridge_sim.stripe.billing.phases import bill_phase_items, item_terms
from cpqbridge_sim.stripe.billing.prebilling import (
    all_lines_ahead,
)
from cpqbridge_sim.stripe.billing.subscription_body import blank_subscription
from cpqbridge_sim.stripe.billing.taxes import read_tax_rates
from cpqbridge_sim.stripe.billing.trial_changes import settle_free_invoice
from cpqbridge_sim.stripe.billing.trials import start_trial
from cpqbridge_sim.stripe.billing.waking import sleep_until_next
from cpqbridge_sim.stripe.errors import StripeApiError, invalid, missing
from cpqbridge_sim.stripe.periods import Interval, boundary_after
from cpqbridge_sim.stripe.resources.anchor_config import configured_anchor, shown_config
from cpqbridge_sim.stripe.resources.billing_schedules import read_billing_schedules
from cpqbridge_sim.stripe.resources.call import Call, cleared, customer_of, metadata_of, only
from cpqbridge_sim.stripe.resources.payment_methods import set_default_method
from cpqbridge_sim.stripe.resources.schedule_phases import PhaseReader, check_collection, refuse_unsupported
from cpqbridge_sim.stripe.resources.schedules import (
    billing_mode,
    check_customer_currency,
    check_subscription_count,
)
from cpqbridge_sim.stripe.resources.subscription_ends import check_end, set_period_end_cancel
from cpqbridge_sim.stripe.resources.trial_params import (
    TRIAL_PARAMS,
    check_backdated_trial,
    created_trial_end,
    set_trial_settings,
)
from cpqbridge_sim.stripe.state import AccountState
from cpqbridge_sim.stripe.store import Body

_CREATE = frozenset(
    {
        "add_invoice_items",
        "automatic_tax",
        "backdate_start_date",
        "billing_cycle_anchor",
        "billing_cycle_anchor_config",
        "billing_mode",
        "billing_schedules",
        "cancel_at",
        "cancel_at_period_end",
        "collection_method",
        "currency",
        "customer",
        "days_until_due",
        "default_payment_method",
        "default_tax_rates",
        "description",
        "discounts",
        "invoice_settings",
        "items",
        "metadata",
        "off_session",
        "payment_behavior",
        "payment_settings",
        "pending_invoice_item_interval",
        "proration_behavior",
        *TRIAL_PARAMS,
    }
)

# 52 weeks and 12 months pass, 13 months do not; months count 30 days here.
_PENDING_SECONDS_MAX = 366 * 86_400


def create(call: Call) -> Body:
    """A subscription with its first invoice, which is finalized in the request when it is charged."""
    state, params = call.state, call.params
    refuse_unsupported(params, "")
    only(params, _CREATE)
    if "customer" not in params:
        raise missing("customer")
    customer = customer_of(state, params["customer"])
    now = state.time_of(customer["id"])
    mode = billing_mode(params)
    start = params.get("backdate_start_date", now)
    if start > now:
        raise invalid("`backdate_start_date` must be in the past.", "backdate_start_date")
    phase = read_items(state, customer, params, now=now, mode=mode)
    check_customer_currency(state, customer, phase["currency"])
    check_subscription_count(state, customer)
    check_discounts(
        state,
        params.get("discounts") or [],
        param="discounts",
        at=now,
        currency=phase["currency"],
        customer_id=customer["id"],
    )
    check_direct_collection(params)
    trial_end = created_trial_end(params, start=start, now=now)
    check_backdated_trial(state, trial_end, start=start, now=now)
    anchor = _anchor(state, params, phase, start=trial_end or start, now=now)
    subscription = blank_subscription(
        state,
        customer_id=customer["id"],
        currency=phase["currency"],
        billing_mode=mode,
        start=start,
        anchor=start if anchor is None else anchor,
    )
    set_plain(state, subscription, params)
    subscription["billing_cycle_anchor_config"] = shown_config(params)
    set_trial_settings(subscription, params)
    set_pending_interval(state, subscription, read_pending_interval(params), at=now)
    if trial_end is not None:
        start_trial(state, subscription, start=start, end=trial_end, anchor=anchor)
    subscription["metadata"] = metadata_of(params.get("metadata"))
    subscription["discounts"] = redeem(
        state,
        params.get("discounts") or [],
        start=start,
        customer_id=customer["id"],
        subscription_id=subscription["id"],
    )
    invoice = _bill(state, subscription, phase, params, start=start, now=now)
    _collect(state, subscription, invoice, params, now=now)
    state.emit("customer.subscription.created", subscription)
    sleep_until_next(state, subscription)
    return subscription


def read_items(
    state: AccountState, customer: Body, params: Mapping[str, Any], *, now: int, mode: Body
) -> Body:
    """The items and one-time items of a subscription request, checked as those of a phase."""
    reader = PhaseReader(
        state=state,
        customer=customer,
        now=now,
        flexible=mode["type"] == "flexible",
        defaults={"collection_method": "charge_automatically", "invoice_settings": {}},
        anchor=now,
        currency=str(params["currency"]).lower() if "currency" in params else None,
    )
    requested = {name: params[name] for name in ("items", "add_invoice_items") if name in params}
    return reader.read_lists(requested)


def check_direct_collection(params: Mapping[str, Any]) -> None:
    """`send_invoice` needs `days_until_due`, and only it may have it."""
    settings = {"days_until_due": params.get("days_until_due")}
    defaults: Body = {"collection_method": "charge_automatically", "invoice_settings": {}}
    check_collection(defaults, params.get("collection_method"), settings, param="days_until_due")


def _anchor(
    state: AccountState, params: Mapping[str, Any], phase: Body, *, start: int, now: int
) -> int | None:
    """The anchor that was asked for; `start` is where billing begins, after a trial."""
    intervals = [Interval.of_price(item_terms(state, entry).price) for entry in phase["items"]]
    configured = configured_anchor(params, intervals, now=now)
    anchor = params.get("billing_cycle_anchor")
    if anchor is None:
        return configured
    if anchor <= now:
        raise invalid(
            "`billing_cycle_anchor` expects a unix timestamp in the future.", "billing_cycle_anchor"
        )
    for interval in intervals:
        natural = boundary_after(start, interval, max(start, now))
        if anchor > natural:
            raise invalid(
                f"`billing_cycle_anchor` cannot be later than next natural billing date ({natural}).",
                "billing_cycle_anchor",
            )
    return int(anchor)


def set_plain(state: AccountState, subscription: Body, params: Mapping[str, Any]) -> None:
    """Settings that need no arithmetic."""
    if "default_payment_method" in params:
        customer = customer_of(state, subscription["customer"])
        set_default_method(state, customer, subscription, params["default_payment_method"])
    _set_tax_rates(state, subscription, params)
    for name in ("collection_method", "days_until_due", "description"):
        if name in params:
            subscription[name] = cleared(params[name])
    for name, value in (params.get("invoice_settings") or {}).items():
        subscription["invoice_settings"][name] = cleared(value)


def _set_tax_rates(state: AccountState, subscription: Body, params: Mapping[str, Any]) -> None:
    if "default_tax_rates" in params:
        # A rate that it has already may be archived by now.
        known = frozenset(rate["id"] for rate in subscription["default_tax_rates"])
        rates = read_tax_rates(state, params["default_tax_rates"], path="default_tax_rates", known=known)
        subscription["default_tax_rates"] = rates


def read_pending_interval(params: Mapping[str, Any]) -> Body | None:
    """How often pending items shall be billed, None for never."""
    name = "pending_invoice_item_interval"
    if not params.get(name):
        return None
    value: Body = {
        "interval": params[name]["interval"],
        "interval_count": params[name].get("interval_count", 1),
    }
    length = Interval(unit=value["interval"], count=value["interval_count"])
    if length.count < 1 or length.sort_key > _PENDING_SECONDS_MAX:
        raise invalid("The interval can be at most a year.", f"{name}[interval_count]")
    return value


def _bill(
    state: AccountState, subscription: Body, phase: Body, params: Mapping[str, Any], *, start: int, now: int
) -> Body | None:
    behavior = params.get("proration_behavior", "create_prorations")
    check_end(params, now=now)
    if isinstance(params.get("cancel_at"), int):
        subscription["cancel_at"] = params["cancel_at"]
    lines: list[LineDraft] = []
    for entry in phase["items"]:
        item = new_item(state, subscription, item_terms(state, entry), start=start)
        lines += first_lines(state, subscription, item, start=start, now=now, behavior=behavior)
    subscription["billing_schedules"] = read_billing_schedules(state, subscription, params, at=now)
    lines += all_lines_ahead(state, subscription)
    check_line_count(len(lines) + len(phase["add_invoice_items"]))
    set_period_end_cancel(state, subscription, params)
    bounds: Body = {"start_date": start, "end_date": None}
    bill_phase_items(state, subscription, bounds, phase["add_invoice_items"])
    return subscription_invoice(state, subscription, lines, at=now, reason="subscription_create")


def _collect(
    state: AccountState, subscription: Body, invoice: Body | None, params: Mapping[str, Any], *, now: int
) -> None:
    settle_free_invoice(state, subscription, invoice, at=now)
    if invoice is None or subscription["collection_method"] == "send_invoice" or invoice["status"] != "draft":
        return
    incomplete = params.get("payment_behavior") == "default_incomplete"
    # Less than the smallest charge goes to the customer's balance instead.
    owed = invoice["amount_due"] >= minimum_charge(invoice["currency"])
    if owed and payment_method(state, subscription["customer"], subscription) is None and not incomplete:
        raise StripeApiError(
            "This customer has no attached payment source or default payment method. Please consider adding "
            "a default payment method.",
            code="resource_missing",
        )
    fails = owed and not incomplete and not can_charge(state, invoice)
    if fails and params.get("payment_behavior") == "error_if_incomplete":
        raise StripeApiError("Your card was declined.", status=402, kind="card_error", code="card_declined")
    if fails or (owed and incomplete):
        subscription["status"] = "incomplete"
        expires = now + INCOMPLETE_SECONDS
        state.wake_at(expires, priority=EXPIRY_PRIORITY, kind="subscription.expire", body=subscription)
        invoice["auto_advance"] = fails
    finalize(state, invoice, at=now)
