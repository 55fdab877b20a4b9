"""`POST /v1/invoices/create_preview`: the engine run on a copy until the next invoice appears.

Source: docs.stripe.com/api/invoices/create_preview, read 20 Nov 2026. It previews one invoice only.
"""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from cpqbridge_sim.stripe.billing.lifecycle import run_until
from cpqbridge_sim.stripe.errors import StripeApiError, invalid, missing, no_such, not_simulated
from cpqbridge_sim.stripe.resources import (
    invoice_items,
    schedule_update,
    schedules,
    subscription_create,
    subscription_pause,
    subscription_update,
)
from cpqbridge_sim.stripe.resources.call import Call, customer_of, only
from cpqbridge_sim.stripe.resources.invoices import subscription_id
from cpqbridge_sim.stripe.resources.recurring_preview import recurring_invoice
from cpqbridge_sim.stripe.state import AccountState
from cpqbridge_sim.stripe.store import Body

_PARAMS = frozenset(
    {
        "currency",
        "customer",
        "discounts",
        "invoice_items",
        "preview_mode",
        "schedule",
        "schedule_details",
        "subscription",
        "subscription_details",
    }
)
_HORIZON_SECONDS = 6 * 366 * 86_400


def create_preview(call: Call) -> Body:
    """The next invoice of a subscription or schedule, as it is or as it would be with other details."""
    params = call.params
    only(params, _PARAMS)
    recurring = params.get("preview_mode") == "recurring"
    if recurring and {"schedule", "schedule_details"} & set(params):
        raise invalid("`preview_mode=recurring` is for subscriptions only.", "preview_mode")
    if "discounts" in params and not {"subscription", "subscription_details"} & set(params):
        raise not_simulated("Discounts of a preview without a subscription", "discounts")
    if {"schedule", "schedule_details"} & set(params) and {"subscription", "subscription_details"} & set(
        params
    ):
        raise invalid("You may only specify one of these parameters: schedule, subscription.", "schedule")
    owner = _owner(call)
    copy = call.state.fork(owner)
    for entry in params.get("invoice_items", []):
        _one_time(copy, owner, params, entry)
    known = set(copy.store.by_type.get("invoice", {}))
    subscription = _changed_subscription(copy, params, owner)
    if recurring:
        invoice = None if subscription is None else recurring_invoice(copy, subscription)
    else:
        invoice = _next_invoice(copy, owner, subscription, known)
    if invoice is None:
        raise StripeApiError(
            f"No upcoming invoices for customer: {owner}", status=404, code="invoice_upcoming_none"
        )
    return _shown(invoice)


def _owner(call: Call) -> str:
    params, store = call.params, call.state.store
    for name, kind in (("schedule", "subscription_schedule"), ("subscription", "subscription")):
        if name in params:
            body = store.get(kind, params[name])
            if body is None:
                raise no_such(name, params[name], param=name)
            return str(body["customer"])
    if "customer" not in params:
        raise missing("customer")
    return str(customer_of(call.state, params["customer"])["id"])


def _one_time(copy: AccountState, owner: str, params: Mapping[str, Any], entry: Mapping[str, Any]) -> None:
    if "invoiceitem" in entry:
        raise not_simulated("Changing an invoice item in a preview", "invoice_items")
    values = {"customer": owner, **entry}
    if "price" in values:
        values["pricing"] = {"price": values.pop("price")}
    if "unit_amount" in values:
        values["unit_amount_decimal"] = Decimal(values.pop("unit_amount"))
    if "subscription" in params:
        values["subscription"] = params["subscription"]
    invoice_items.create(Call(state=copy, path_ids=(), params=values))


def _changed_subscription(copy: AccountState, params: Mapping[str, Any], owner: str) -> Body | None:
    """Apply the details to the copy; returns the subscription whose invoice is wanted, if it is known yet."""
    if "schedule" in params or "schedule_details" in params:
        return _changed_schedule(copy, params, owner)
    details = dict(params.get("subscription_details") or {})
    if "discounts" in params:
        details["discounts"] = params["discounts"]
    if "subscription" not in params:
        if not details:
            return None
        return _new_subscription(copy, owner, details)
    path_ids = (params["subscription"],)
    if (details.get("billing_cycle_anchor") or {}).get("type") == "timestamp":
        raise invalid(
            "The anchor of an existing subscription can only be `now` or `unchanged`.",
            "subscription_details[billing_cycle_anchor]",
        )
    if details.pop("resume_at", None):
        subscription_pause.resume(Call(state=copy, path_ids=path_ids, params=details))
        return copy.store.get("subscription", params["subscription"])
    if details.pop("cancel_now", False):
        flags = {
            "prorate": details.get("proration_behavior", "create_prorations") != "none",
            "invoice_now": True,
        }
        return subscription_update.cancel(Call(state=copy, path_ids=path_ids, params=flags))
    if details:
        return subscription_update.update(Call(state=copy, path_ids=path_ids, params=details))
    return copy.store.get("subscription", params["subscription"])


def _new_subscription(copy: AccountState, owner: str, details: dict[str, Any]) -> Body:
    values = {"customer": owner, "payment_behavior": "default_incomplete", **details}
    anchor = values.pop("billing_cycle_anchor", None) or {}
    if anchor.get("type") == "timestamp":
        if "timestamp" not in anchor:
            raise missing("subscription_details[billing_cycle_anchor][timestamp]")
        values["billing_cycle_anchor"] = anchor["timestamp"]
    now = copy.time_of(owner)
    start = values.pop("start_date", now)
    if start > now:
        run_until(copy, copy.clock_of(owner), start)
    elif start < now:
        values["backdate_start_date"] = start
    return subscription_create.create(Call(state=copy, path_ids=(), params=values))


def _changed_schedule(copy: AccountState, params: Mapping[str, Any], owner: str) -> Body | None:
    details = dict(params.get("schedule_details") or {})
    if "phases" in details:
        # Here, unlike elsewhere, `trial` may come with the `trial_end` that it means anyway.
        details["phases"] = [_without_known_end(phase) for phase in details["phases"]]
    if "schedule" in params:
        schedule = copy.store.get("subscription_schedule", params["schedule"]) or {}
        if details:
            call = Call(state=copy, path_ids=(params["schedule"],), params=details)
            schedule = schedule_update.update(call)
    else:
        phases = details.get("phases") or [{}]
        values = {"customer": owner, "start_date": phases[0].get("start_date", "now"), **details}
        values.pop("proration_behavior", None)
        schedule = schedules.create(Call(state=copy, path_ids=(), params=values))
    if schedule["subscription"] is None:
        run_until(copy, copy.clock_of(owner), max(copy.time_of(owner), schedule["phases"][0]["start_date"]))
    return copy.store.get("subscription", schedule["subscription"])


def _without_known_end(phase: Mapping[str, Any]) -> dict[str, Any]:
    known = phase.get("trial") and "trial_end" in phase and phase["trial_end"] == phase.get("end_date")
    return {name: value for name, value in phase.items() if not (known and name == "trial_end")}


def _next_invoice(copy: AccountState, owner: str, subscription: Body | None, known: set[str]) -> Body | None:
    clock_id = copy.clock_of(owner)
    latest = copy.time_of(owner) + _HORIZON_SECONDS
    while True:
        for body in copy.store.all("invoice"):
            wanted = subscription is None or subscription_id(body) == subscription["id"]
            if body["id"] not in known and wanted:
                return body
        queue = copy.wakes.get(clock_id)
        if not queue or queue[0].at > latest:
            return None
        run_until(copy, clock_id, max(queue[0].at, copy.time_of(owner)))


def _shown(invoice: Body) -> Body:
    """An invoice that does not exist yet: a draft without number."""
    return {
        **invoice,
        "id": f"upcoming_{invoice['id']}",
        "status": "draft",
        "number": None,
        "hosted_invoice_url": None,
        "invoice_pdf": None,
        "effective_at": None,
        "attempted": False,
        "status_transitions": dict.fromkeys(invoice["status_transitions"]),
    }
