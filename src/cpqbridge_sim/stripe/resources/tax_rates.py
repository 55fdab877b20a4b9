"""Tax rates, which a seller defines and names on subscriptions, invoices and their lines."""

from decimal import Decimal

from cpqbridge_sim.stripe.errors import invalid
from cpqbridge_sim.stripe.resources.call import (
    Call,
    list_answer,
    metadata_of,
    path_object,
    update_metadata,
)
from cpqbridge_sim.stripe.store import Body

_HUNDRED = 100
_DECIMALS_MAX = 4
_TEXTS = ("country", "description", "display_name", "jurisdiction", "state", "tax_type")


def create(call: Call) -> Body:
    """`POST /v1/tax_rates`; percentage and direction never change afterwards."""
    state, params = call.state, call.params
    percentage = Decimal(params["percentage"])
    if not 0 <= percentage <= _HUNDRED:
        raise invalid("`percentage` must be from 0 to 100.", "percentage")
    if percentage != round(percentage, _DECIMALS_MAX):
        raise invalid(f"`percentage` can have at most {_DECIMALS_MAX} decimal places.", "percentage")
    rate = state.store.add(
        {
            "id": state.identifiers.new("txr"),
            "object": "tax_rate",
            "active": params.get("active", True),
            "created": state.now,
            "effective_percentage": None,
            "flat_amount": None,
            "inclusive": params["inclusive"],
            "jurisdiction_level": None,
            "livemode": state.livemode,
            "metadata": metadata_of(params.get("metadata")),
            "percentage": float(percentage),
            "rate_type": "percentage",
            **{name: params.get(name) for name in _TEXTS},
        }
    )
    state.emit("tax_rate.created", rate)
    return rate


def retrieve(call: Call) -> Body:
    """`GET /v1/tax_rates/{id}`."""
    return path_object(call, "tax_rate", "tax rate")


def update(call: Call) -> Body:
    """`POST /v1/tax_rates/{id}`: texts, and whether it can be used for anything new."""
    rate = retrieve(call)
    for name in ("active", *_TEXTS):
        if name in call.params:
            rate[name] = call.params[name]
    update_metadata(rate, call.params)
    call.state.emit("tax_rate.updated", rate)
    return rate


def list_all(call: Call) -> Body:
    """`GET /v1/tax_rates`."""
    named = [name for name in ("active", "inclusive") if name in call.params]
    data = [
        rate
        for rate in call.state.store.all("tax_rate")
        if all(rate[name] == call.params[name] for name in named)
    ]
    return list_answer(data, "/v1/tax_rates")
