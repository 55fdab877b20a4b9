"""Payment methods: test cards, made, attached, listed and detached."""

from collections.abc import Mapping
from typing import Any

from cpqbridge_sim.stripe.billing.payment_methods import attach as attach_to
from cpqbridge_sim.stripe.billing.payment_methods import named_method, new_card
from cpqbridge_sim.stripe.errors import invalid, missing, no_such, not_simulated
from cpqbridge_sim.stripe.resources.call import (
    Call,
    cleared,
    customer_of,
    list_answer,
    metadata_of,
    only,
    path_object,
    update_metadata,
)
from cpqbridge_sim.stripe.state import AccountState
from cpqbridge_sim.stripe.store import Body

_NOUN = "PaymentMethod"


def create(call: Call) -> Body:
    """`POST /v1/payment_methods`: a card by a test token such as `tok_visa`."""
    state, params = call.state, call.params
    only(params, {"type", "card", "billing_details", "metadata"})
    if params.get("type") != "card":
        raise not_simulated(f"`type={params.get('type')}`", "type")
    card = params.get("card") or {}
    if "token" not in card:
        raise not_simulated("A card without a test token such as `tok_visa`", "card[token]")
    method = new_card(state, card["token"], param="card[token]")
    _set_details(method, params)
    method["metadata"] = metadata_of(params.get("metadata"))
    return method


def _set_details(method: Body, params: Mapping[str, Any]) -> None:
    for name, value in (params.get("billing_details") or {}).items():
        kept = method["billing_details"][name]
        method["billing_details"][name] = (
            {**kept, **value} if isinstance(kept, dict) and value else cleared(value)
        )


def retrieve(call: Call) -> Body:
    """`GET /v1/payment_methods/{id}`."""
    return path_object(call, "payment_method", _NOUN)


def update(call: Call) -> Body:
    """`POST /v1/payment_methods/{id}`: details and metadata of one that is attached."""
    only(call.params, {"billing_details", "metadata"})
    method = retrieve(call)
    if method["customer"] is None:
        raise invalid("You must save this PaymentMethod to a customer before you can update it.")
    _set_details(method, call.params)
    update_metadata(method, call.params)
    call.state.emit("payment_method.updated", method)
    return method


def attach(call: Call) -> Body:
    """`POST /v1/payment_methods/{id}/attach`; a test card's name such as `pm_card_visa` makes a new one."""
    only(call.params, {"customer"})
    if "customer" not in call.params:
        raise missing("customer")
    customer = customer_of(call.state, call.params["customer"])
    method = call.state.store.get("payment_method", call.id) or new_card(call.state, call.id, param="id")
    return attach_to(call.state, method, customer)


def detach(call: Call) -> Body:
    """`POST /v1/payment_methods/{id}/detach`; nothing charges it any more."""
    method, state = retrieve(call), call.state
    if method["customer"] is None:
        raise invalid(
            "The payment method you provided is not attached to a customer so detachment is impossible."
        )
    customer = customer_of(state, method["customer"])
    holders = [customer["invoice_settings"], *state.store.of_customer("subscription", customer["id"])]
    for holder in holders:
        if holder["default_payment_method"] == method["id"]:
            holder["default_payment_method"] = None
    state.store.move_to_customer(method, None)
    state.emit("payment_method.detached", method)
    return method


def list_all(call: Call) -> Body:
    """`GET /v1/payment_methods` of one customer."""
    if "customer" not in call.params:
        raise missing("customer")
    customer = customer_of(call.state, call.params["customer"])
    return _listed(call, customer, "/v1/payment_methods")


def list_of_customer(call: Call) -> Body:
    """`GET /v1/customers/{id}/payment_methods`."""
    customer = path_object(call, "customer", "customer")
    return _listed(call, customer, f"/v1/customers/{customer['id']}/payment_methods")


def _listed(call: Call, customer: Body, url: str) -> Body:
    data = [
        method
        for method in call.state.store.of_customer("payment_method", customer["id"])
        if method["type"] == call.params.get("type", method["type"])
        and method["allow_redisplay"] == call.params.get("allow_redisplay", method["allow_redisplay"])
    ]
    return list_answer(data, url)


def retrieve_of_customer(call: Call) -> Body:
    """`GET /v1/customers/{id}/payment_methods/{id}`."""
    customer = path_object(call, "customer", "customer")
    method = path_object(call, "payment_method", _NOUN, call.path_ids[1])
    if method["customer"] != customer["id"]:
        raise no_such(_NOUN, method["id"], param="id", status=404)
    return method


def set_default_method(
    state: AccountState, customer: Body, holder: Body, value: Any, *, param: str = "default_payment_method"
) -> None:
    """Give a subscription, a phase or an invoice its own payment method; an empty value takes it away."""
    name = cleared(value)
    holder["default_payment_method"] = name and named_method(state, customer, name, param=param)
