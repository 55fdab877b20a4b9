"""Customers and their balance."""

import hashlib
import re

from cpqbridge_sim.stripe.billing.finalization import move_balance
from cpqbridge_sim.stripe.billing.lifecycle import ENDED, cancel_now
from cpqbridge_sim.stripe.billing.payment_methods import named_method
from cpqbridge_sim.stripe.errors import invalid, no_such, not_simulated
from cpqbridge_sim.stripe.resources.call import (
    Call,
    cleared,
    customer_of,
    list_answer,
    metadata_of,
    path_object,
    update_metadata,
)
from cpqbridge_sim.stripe.store import Body

_TEXTS = (
    "address",
    "business_name",
    "description",
    "email",
    "individual_name",
    "name",
    "phone",
    "preferred_locales",
    "shipping",
)
_UNSUPPORTED = ("cash_balance", "tax", "tax_id_data", "validate")
_EMAIL = re.compile(r"^[^@\s]+@[^@\s]+$")
_PREFIX_LENGTH = 8


def create(call: Call) -> Body:
    """`POST /v1/customers`."""
    state, params = call.state, call.params
    _check(call)
    clock = params.get("test_clock")
    if clock is not None and state.store.get("test_helpers.test_clock", clock) is None:
        raise no_such("test clock", clock, param="test_clock")
    identifier = state.identifiers.new("cus")
    digest = hashlib.sha256(identifier.encode()).hexdigest().upper()
    customer: Body = {
        "id": identifier,
        "object": "customer",
        "balance": 0,
        "created": state.clock_time(clock),
        "currency": None,
        "customer_account": None,
        "default_source": None,
        "delinquent": False,
        "discount": None,
        "invoice_prefix": params.get("invoice_prefix") or digest[:_PREFIX_LENGTH],
        "invoice_settings": {
            "custom_fields": None,
            "default_payment_method": None,
            "footer": None,
            "rendering_options": None,
        },
        "livemode": state.livemode,
        "metadata": metadata_of(params.get("metadata")),
        "next_invoice_sequence": params.get("next_invoice_sequence", 1),
        "tax_exempt": params.get("tax_exempt") or "none",
        "test_clock": clock,
        **{name: cleared(params.get(name)) for name in _TEXTS},
    }
    state.store.add(customer)
    _set_payment(customer, call)
    if params.get("balance"):
        currency = state.default_currency
        move_balance(state, customer, params["balance"], kind="initial", currency=currency)
        customer["currency"] = None
    state.emit("customer.created", customer)
    return customer


def _check(call: Call) -> None:
    for name in _UNSUPPORTED:
        if name in call.params:
            raise not_simulated(f"`{name}` on a customer", name)
    email = call.params.get("email")
    if email and not _EMAIL.match(email):
        raise invalid(f"Invalid email address: {email}", "email", "email_invalid")


def _set_payment(customer: Body, call: Call) -> None:
    params, state, settings = call.params, call.state, customer["invoice_settings"]
    for name in ("source", "default_source"):
        if name in params:
            customer["default_source"] = cleared(params[name])
    if "payment_method" in params:
        method = named_method(state, customer, params["payment_method"], param="payment_method")
        if state.assumptions.customer_payment_method_becomes_default:
            settings["default_payment_method"] = method
    for name, value in (params.get("invoice_settings") or {}).items():
        settings[name] = cleared(value)
    param = "invoice_settings[default_payment_method]"
    default = settings["default_payment_method"]
    settings["default_payment_method"] = default and named_method(state, customer, default, param=param)


def retrieve(call: Call) -> Body:
    """`GET /v1/customers/{id}`; a deleted one still answers that it is deleted."""
    if call.id in call.state.deleted_customer_ids:
        return {"id": call.id, "object": "customer", "deleted": True}
    return path_object(call, "customer", "customer")


def update(call: Call) -> Body:
    """`POST /v1/customers/{id}`."""
    customer = path_object(call, "customer", "customer")
    _check(call)
    for name in (*_TEXTS, "tax_exempt", "invoice_prefix", "next_invoice_sequence"):
        if name in call.params:
            customer[name] = cleared(call.params[name])
    _set_payment(customer, call)
    update_metadata(customer, call.params)
    if "balance" in call.params:
        change = call.params["balance"] - customer["balance"]
        currency = customer["currency"] or call.state.default_currency
        move_balance(call.state, customer, change, kind="adjustment", currency=currency)
    call.state.emit("customer.updated", customer)
    return customer


def delete(call: Call) -> Body:
    """`DELETE /v1/customers/{id}`: cancels what runs."""
    customer = path_object(call, "customer", "customer")
    state = call.state
    for subscription in state.store.of_customer("subscription", customer["id"]):
        if subscription["status"] not in ENDED:
            at = state.time_of(customer["id"])
            cancel_now(state, subscription, at=at, invoice_now=False, prorate=False)
    _stop_billing(call, customer["id"])
    state.store.remove(customer)
    state.deleted_customer_ids.add(customer["id"])
    state.emit("customer.deleted", customer)
    return {"id": customer["id"], "object": "customer", "deleted": True}


def _stop_billing(call: Call, customer_id: str) -> None:
    """Schedules of a deleted customer are canceled and its drafts never finalize."""
    store = call.state.store
    for schedule in store.of_customer("subscription_schedule", customer_id):
        if schedule["status"] in ("not_started", "active"):
            schedule.update(status="canceled", canceled_at=call.state.now, current_phase=None)
    for invoice in store.of_customer("invoice", customer_id):
        if invoice["status"] == "draft":
            invoice.update(auto_advance=False, automatically_finalizes_at=None)


def list_all(call: Call) -> Body:
    """`GET /v1/customers`: customers of test clocks only when their clock is named."""
    params = call.params
    clock = params.get("test_clock")
    data = [
        customer
        for customer in call.state.store.all("customer")
        if customer["test_clock"] == clock and customer["email"] == params.get("email", customer["email"])
    ]
    return list_answer(data, "/v1/customers")


def create_balance_transaction(call: Call) -> Body:
    """`POST /v1/customers/{id}/balance_transactions`; a negative amount is the customer's credit."""
    customer = path_object(call, "customer", "customer")
    params = call.params
    currency = params["currency"].lower()
    if customer["currency"] not in (None, currency):
        raise invalid(f"The customer's currency is {customer['currency']}, not {currency}.", "currency")
    return move_balance(
        call.state,
        customer,
        params["amount"],
        kind="adjustment",
        currency=currency,
        description=cleared(params.get("description")),
        metadata=metadata_of(params.get("metadata")),
    )


def list_balance_transactions(call: Call) -> Body:
    """`GET /v1/customers/{id}/balance_transactions`."""
    customer = customer_of(call.state, call.id)
    named = call.params.get("invoice")
    data = [
        moved
        for moved in call.state.store.of_customer("customer_balance_transaction", customer["id"])
        if named is None or moved["invoice"] == named
    ]
    return list_answer(data, f"/v1/customers/{customer['id']}/balance_transactions")


def retrieve_balance_transaction(call: Call) -> Body:
    """`GET /v1/customers/{id}/balance_transactions/{id}`."""
    return path_object(call, "customer_balance_transaction", "customer balance transaction", call.path_ids[1])
