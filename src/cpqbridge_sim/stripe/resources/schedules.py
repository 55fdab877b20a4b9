"""Subscription schedules: create, read, cancel, release.

Source: docs.stripe.com/api/subscription_schedules, read 20 Nov 2026.
"""

from collections.abc import Mapping
from typing import Any

from cpqbridge_sim.stripe.billing.items import subscription_end
from cpqbridge_sim.stripe.billing.lifecycle import (
    ENDED,
    START_PRIORITY,
    cancel_now,
    refresh_cancel_at,
    release_schedule,
    run_until,
    start_schedule,
)
from cpqbridge_sim.stripe.billing.planned_pauses import plan_pauses
from cpqbridge_sim.stripe.billing.waking import sleep_until_next
from cpqbridge_sim.stripe.errors import StripeApiError, invalid, missing, no_such, not_simulated
from cpqbridge_sim.stripe.resources.call import (
    Call,
    cleared,
    customer_of,
    list_answer,
    metadata_of,
    only,
    path_object,
)
from cpqbridge_sim.stripe.resources.invoices import candidates
from cpqbridge_sim.stripe.resources.pause_schedules import read_pause_schedules
from cpqbridge_sim.stripe.resources.payment_methods import set_default_method
from cpqbridge_sim.stripe.resources.schedule_phases import (
    PhaseReader,
    check_collection,
    check_phase_count,
    discount_entries,
    invoice_settings,
    refuse_unsupported,
)
from cpqbridge_sim.stripe.resources.trial_params import check_backdated_trial
from cpqbridge_sim.stripe.state import AccountState
from cpqbridge_sim.stripe.store import Body

_SUBSCRIPTIONS_MAX = 500
_CREATE = frozenset(
    {
        "billing_mode",
        "customer",
        "default_settings",
        "end_behavior",
        "metadata",
        "pause_schedules",
        "phases",
        "start_date",
    }
)
_END_BEHAVIORS = ("cancel", "release")


def create(call: Call) -> Body:
    """`POST /v1/subscription_schedules`."""
    params, state = call.params, call.state
    if "from_subscription" in params:
        return _from_subscription(call)
    only(params, _CREATE)
    if "customer" not in params:
        raise missing("customer")
    customer = customer_of(state, params["customer"])
    if not params.get("phases"):
        raise missing("phases")
    check_subscription_count(state, customer)
    now = state.time_of(customer["id"])
    start = params.get("start_date", "now")
    start = now if start == "now" else start
    defaults = default_settings(params.get("default_settings") or {}, None)
    resolve_method(state, customer, defaults)
    mode = billing_mode(params)
    reader = PhaseReader(
        state=state,
        customer=customer,
        now=now,
        flexible=mode["type"] == "flexible",
        defaults=defaults,
        anchor=start,
    )
    read_phases(reader, params["phases"], start=start)
    check_phase_count(reader.phases, now)
    check_backdated_trial(state, reader.phases[0]["trial_end"], start=start, now=now)
    check_customer_currency(state, customer, reader.currency)
    if state.assumptions.elapsed_first_phase_is_refused and reader.phases[0]["end_date"] <= now:
        raise invalid("The first phase cannot end in the past.", "phases[0][end_date]")
    schedule = _new_schedule(call, customer, mode=mode, defaults=defaults, phases=reader.phases)
    set_pauses(state, schedule, params, now=now)
    state.emit("subscription_schedule.created", schedule)
    if reader.phases[0]["end_date"] <= now:
        start_schedule(state, schedule, at=start)
        run_until(state, state.clock_of(customer["id"]), now)
    elif start <= now:
        start_schedule(state, schedule, at=now)
    else:
        state.wake_at(start, priority=START_PRIORITY, kind="schedule.start", body=schedule)
    return schedule


def set_pauses(state: AccountState, schedule: Body, params: Mapping[str, Any], *, now: int) -> None:
    """Keep the pauses that a request plans; they are carried out once the schedule runs."""
    if "pause_schedules" not in params:
        return
    sent = schedule["default_settings"]["collection_method"] == "send_invoice"
    schedule["pause_schedules"] = read_pause_schedules(
        state, schedule, params["pause_schedules"], send_invoice=sent, now=now
    )


def read_phases(reader: PhaseReader, requested: list[dict[str, Any]], *, start: int, first: int = 0) -> None:
    """Read phases in order; each begins where the one before ends."""
    at = start
    for index, phase in enumerate(requested, start=first):
        path = f"phases[{index}]"
        own = phase.get("start_date")
        own = reader.now if own == "now" else own
        if own is not None and own != at:
            raise invalid(
                "The phases of a subscription schedule must follow each other without gaps or overlaps.",
                f"{path}[start_date]",
            )
        at = reader.read(phase, path=path, start=at)["end_date"]


def check_customer_currency(state: AccountState, customer: Body, currency: str | None) -> None:
    """One currency per customer, fixed by first use."""
    fixed = customer["currency"]
    if state.assumptions.one_currency_per_customer and fixed not in (None, currency):
        raise invalid(
            "You cannot combine currencies on a single customer. This customer has an active subscription, "
            f"subscription schedule, discount, quote, or invoice item with currency {fixed}.",
        )


def check_subscription_count(state: AccountState, customer: Body) -> None:
    """Refuse more running and planned subscriptions of one customer than the vendor allows."""
    running = sum(
        1 for body in state.store.of_customer("subscription", customer["id"]) if body["status"] not in ENDED
    )
    waiting = sum(
        1
        for body in state.store.of_customer("subscription_schedule", customer["id"])
        if body["status"] == "not_started"
    )
    if running + waiting >= _SUBSCRIPTIONS_MAX:
        raise StripeApiError(
            f"Customer {customer['id']} already has the maximum {_SUBSCRIPTIONS_MAX} current subscriptions.",
            code="customer_max_subscriptions",
            param="customer",
        )


def billing_mode(params: Any) -> Body:
    """`billing_mode` as an object shows it; flexible unless asked otherwise."""
    value = params.get("billing_mode") or {"type": "flexible"}
    if value["type"] == "classic":
        return {"flexible": None, "type": "classic"}
    shown = (value.get("flexible") or {}).get("proration_discounts", "included")
    return {"flexible": {"proration_discounts": shown}, "type": "flexible"}


def default_settings(value: Any, previous: Body | None) -> Body:
    """`default_settings` as a schedule shows them; what is not sent keeps its former value."""
    refuse_unsupported(value, "default_settings")
    base: Body = previous or {
        "application_fee_percent": None,
        "automatic_tax": {"disabled_reason": None, "enabled": False, "liability": None},
        "billing_cycle_anchor": "automatic",
        "billing_thresholds": None,
        "collection_method": "charge_automatically",
        "default_payment_method": None,
        "description": None,
        "invoice_settings": {"account_tax_ids": None, "days_until_due": None, "issuer": {"type": "self"}},
        "on_behalf_of": None,
        "transfer_data": None,
    }
    merged = dict(base)
    for name in ("billing_cycle_anchor", "collection_method", "default_payment_method", "description"):
        if name in value:
            merged[name] = cleared(value[name])
    if "invoice_settings" in value:
        merged["invoice_settings"] = {
            **base["invoice_settings"],
            **{
                k: v
                for k, v in invoice_settings(value["invoice_settings"]).items()
                if k in value["invoice_settings"]
            },
        }
    sent = "days_until_due" in (value.get("invoice_settings") or {})
    if merged["collection_method"] == "charge_automatically" and not sent:
        merged["invoice_settings"] = {**merged["invoice_settings"], "days_until_due": None}
    days = merged["invoice_settings"].get("days_until_due")
    settings = {"days_until_due": days}
    check_collection(merged, None, settings, param="default_settings[invoice_settings]")
    return merged


def resolve_method(state: AccountState, customer: Body, defaults: Body) -> None:
    """Show the payment method of `default_settings` by its own id."""
    param = "default_settings[default_payment_method]"
    set_default_method(state, customer, defaults, defaults["default_payment_method"], param=param)


def _new_schedule(call: Call, customer: Body, *, mode: Body, defaults: Body, phases: list[Body]) -> Body:
    state = call.state
    return state.store.add(
        {
            "id": state.identifiers.new("sub_sched"),
            "object": "subscription_schedule",
            "application": None,
            "billing_mode": mode,
            "canceled_at": None,
            "completed_at": None,
            "created": state.time_of(customer["id"]),
            "current_phase": None,
            "customer": customer["id"],
            "customer_account": None,
            "default_settings": defaults,
            "end_behavior": checked_end_behavior(call.params.get("end_behavior", "release")),
            "livemode": state.livemode,
            "metadata": metadata_of(call.params.get("metadata")),
            "pause_schedules": [],
            "phases": phases,
            "released_at": None,
            "released_subscription": None,
            "status": "not_started",
            "subscription": None,
            "test_clock": state.clock_of(customer["id"]),
        }
    )


def checked_end_behavior(value: str) -> str:
    """`cancel` or `release`; the legacy words are refused."""
    if value not in _END_BEHAVIORS:
        raise not_simulated(f"`end_behavior={value}`", "end_behavior")
    return value


def _from_subscription(call: Call) -> Body:
    params, state = call.params, call.state
    tolerated = {"from_subscription", "metadata", "expand", "pause_schedules"}
    for name in params:
        if name not in tolerated:
            raise invalid(f"You cannot set `{name}` if `from_subscription` is set.", name)
    subscription = state.store.get("subscription", params["from_subscription"])
    if subscription is None:
        raise no_such("subscription", params["from_subscription"], param="from_subscription")
    if subscription["status"] in ENDED or subscription["status"] in ("incomplete", "paused"):
        raise invalid(f"The subscription is {subscription['status']}.", "from_subscription")
    if subscription["billing_schedules"]:
        raise invalid("A subscription with billing schedules takes no schedule.", "from_subscription")
    if subscription["schedule"] is not None:
        raise invalid(
            "You cannot migrate a subscription that is already attached to a schedule: "
            f"`{subscription['schedule']}`.",
            "from_subscription",
        )
    customer = customer_of(state, subscription["customer"])
    defaults = default_settings(_collection_of(subscription), None)
    phase = mirrored_phase(state, subscription)
    mode = dict(subscription["billing_mode"])
    schedule = _new_schedule(call, customer, mode=mode, defaults=defaults, phases=[phase])
    schedule.update(status="active", subscription=subscription["id"])
    if subscription["cancel_at"] is not None:
        # The end that was set on the subscription goes on to hold.
        schedule["end_behavior"] = "cancel"
        phase["end_date"] = subscription["cancel_at"]
    schedule["current_phase"] = {"start_date": phase["start_date"], "end_date": phase["end_date"]}
    subscription["schedule"] = schedule["id"]
    sleep_until_next(state, subscription)
    set_pauses(state, schedule, params, now=state.time_of(customer["id"]))
    state.emit("subscription_schedule.created", schedule)
    plan_pauses(state, schedule)
    return schedule


def _collection_of(subscription: Body) -> Body:
    settings: Body = {"collection_method": subscription["collection_method"]}
    if subscription["days_until_due"] is not None:
        settings["invoice_settings"] = {"days_until_due": subscription["days_until_due"]}
    return settings


def mirrored_phase(state: AccountState, subscription: Body) -> Body:
    """One phase that shows a running subscription up to the end of its current period."""
    items = state.subscription_items(subscription)
    return {
        "add_invoice_items": [],
        "application_fee_percent": None,
        "automatic_tax": {"disabled_reason": None, "enabled": False, "liability": None},
        "billing_cycle_anchor": None,
        "billing_thresholds": None,
        "collection_method": None,
        "currency": subscription["currency"],
        "default_payment_method": None,
        "default_tax_rates": list(subscription["default_tax_rates"]),
        "description": None,
        "discounts": discount_entries([{"discount": identifier} for identifier in subscription["discounts"]]),
        "end_date": min(item["current_period_end"] for item in items),
        "invoice_settings": None,
        "items": [
            {
                "billing_thresholds": None,
                "discounts": discount_entries([{"discount": identifier} for identifier in item["discounts"]]),
                "metadata": dict(item["metadata"]),
                "plan": item["price"]["id"],
                "price": item["price"]["id"],
                "quantity": item["quantity"],
                "tax_rates": list(item["tax_rates"]),
            }
            for item in items
        ],
        "metadata": {},
        "on_behalf_of": None,
        "proration_behavior": "create_prorations",
        "start_date": max(item["current_period_start"] for item in items),
        "transfer_data": None,
        "trial": None,
        "trial_end": subscription["trial_end"] if subscription["status"] == "trialing" else None,
    }


def retrieve(call: Call) -> Body:
    """`GET /v1/subscription_schedules/{id}`."""
    return path_object(call, "subscription_schedule", "subscription schedule")


def list_all(call: Call) -> Body:
    """`GET /v1/subscription_schedules`."""
    params = call.params
    if "canceled_at" in params and "scheduled" in params:
        raise invalid("You may only specify one of these parameters: canceled_at, scheduled.", "canceled_at")
    data = [
        body
        for body in candidates(call, "subscription_schedule", params.get("customer"))
        if body["customer"] == params.get("customer", body["customer"])
        and (not params.get("scheduled") or body["status"] == "not_started")
    ]
    return list_answer(data, "/v1/subscription_schedules")


def require_live(schedule: Body, verb: str, past: str) -> None:
    """Refuse to change a schedule in a terminal state."""
    if schedule["status"] not in ("not_started", "active"):
        raise invalid(
            f"You cannot {verb} a subscription schedule that is currently in the `{schedule['status']}` "
            f"status. It must be in `not_started, active` status to be {past}."
        )


def cancel(call: Call) -> Body:
    """`POST /v1/subscription_schedules/{id}/cancel`; `invoice_now` and `prorate` are on by default."""
    state = call.state
    schedule = retrieve(call)
    require_live(schedule, "cancel", "canceled")
    at = state.time_of(schedule["customer"])
    subscription = state.store.get("subscription", schedule["subscription"])
    schedule["status"] = "canceled"
    schedule["canceled_at"] = at
    schedule["current_phase"] = None
    if subscription is not None:
        cancel_now(
            state,
            subscription,
            at=at,
            invoice_now=call.params.get("invoice_now", True),
            prorate=call.params.get("prorate", True),
        )
    state.emit("subscription_schedule.canceled", schedule)
    return schedule


def release(call: Call) -> Body:
    """`POST /v1/subscription_schedules/{id}/release`: the subscription lives on without its cancel date."""
    state = call.state
    schedule = retrieve(call)
    require_live(schedule, "release", "released")
    subscription = state.store.get("subscription", schedule["subscription"])
    end = None if subscription is None else subscription_end(state, subscription)
    release_schedule(state, schedule, subscription, at=state.time_of(schedule["customer"]))
    if subscription is not None:
        subscription["cancel_at"] = end if call.params.get("preserve_cancel_date") else None
        refresh_cancel_at(state, subscription)
        sleep_until_next(state, subscription)
        state.emit("customer.subscription.updated", subscription)
    return schedule
