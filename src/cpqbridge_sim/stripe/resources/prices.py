"""Prices, with inline prices of other objects, and the products they are made with."""

from collections.abc import Mapping
from typing import Any

from cpqbridge_sim.stripe.errors import invalid, missing, no_such, not_simulated
from cpqbridge_sim.stripe.resources.call import (
    Call,
    cleared,
    list_answer,
    metadata_of,
    only,
    path_object,
    update_metadata,
)
from cpqbridge_sim.stripe.resources.price_terms import price_terms
from cpqbridge_sim.stripe.resources.products import create_product
from cpqbridge_sim.stripe.state import AccountState
from cpqbridge_sim.stripe.store import Body

_CREATE = frozenset(
    {
        "active",
        "billing_scheme",
        "currency",
        "lookup_key",
        "metadata",
        "nickname",
        "product",
        "product_data",
        "recurring",
        "tax_behavior",
        "tiers",
        "tiers_mode",
        "transfer_lookup_key",
        "transform_quantity",
        "unit_amount",
        "unit_amount_decimal",
    }
)


def create(call: Call) -> Body:
    """`POST /v1/prices`."""
    params = call.params
    only(params, _CREATE)
    if ("product" in params) == ("product_data" in params):
        if "product" in params:
            raise invalid("You may only specify one of these parameters: product, product_data.", "product")
        raise missing("product")
    terms = price_terms(call.state, params, path="", negative=False)
    _claim_lookup_key(call.state, params)
    if "product_data" in params:
        product_id = create_product(call.state, params["product_data"], path="product_data")["id"]
    else:
        product_id = _known_product(call.state, params["product"], param="product")
    price = _new_price(call.state, terms, product_id=product_id, active=params.get("active", True))
    _give_lookup_key(call.state, price, cleared(params.get("lookup_key")))
    price["metadata"] = metadata_of(params.get("metadata"))
    price["nickname"] = params.get("nickname")
    call.state.emit("price.created", price)
    return price


def inline_price(state: AccountState, data: Mapping[str, Any], *, path: str, one_time: bool) -> Body:
    """The archived price that `price_data` makes; it cannot be used by id in new objects.

    One-time inline prices may be negative.
    """
    terms = price_terms(state, data, path=path, negative=one_time)
    if ("product" in data) == ("product_data" in data):
        if "product" in data:
            raise invalid(
                "You may only specify one of these parameters: product, product_data.", f"{path}[product]"
            )
        raise missing(f"{path}[product]")
    if "product_data" in data:
        product_id = create_product(state, data["product_data"], path=f"{path}[product_data]")["id"]
    else:
        product_id = _known_product(state, data["product"], param=f"{path}[product]")
    if one_time and terms["recurring"] is not None:
        raise invalid("The price must be of type `one_time`.", path)
    if not one_time and terms["recurring"] is None:
        raise missing(f"{path}[recurring]")
    price = _new_price(state, terms, product_id=product_id, active=False)
    state.inline_price_ids.add(price["id"])
    state.emit("price.created", price)
    return price


def _known_product(state: AccountState, identifier: str, *, param: str) -> str:
    product = state.store.get("product", identifier)
    if product is None:
        raise no_such("product", identifier, param=param)
    if not product["active"]:
        raise invalid(f"The product {identifier} is not active.", param, "product_inactive")
    return str(product["id"])


def _new_price(state: AccountState, terms: Mapping[str, Any], *, product_id: str, active: bool) -> Body:
    return state.store.add(
        {
            "id": state.identifiers.new("price"),
            "object": "price",
            "active": active,
            "created": state.now,
            "custom_unit_amount": None,
            "livemode": state.livemode,
            "lookup_key": None,
            "metadata": {},
            "nickname": None,
            "product": product_id,
            **terms,
        }
    )


def _claim_lookup_key(state: AccountState, params: Mapping[str, Any]) -> None:
    key = cleared(params.get("lookup_key"))
    if key is None:
        return
    holder = _holder(state, key)
    if holder is not None and not params.get("transfer_lookup_key"):
        raise invalid(
            f"A price (`{holder['id']}`) already uses that lookup key.",
            "lookup_key",
            "resource_already_exists",
        )
    if holder is not None:
        holder["lookup_key"] = None


def _holder(state: AccountState, key: str) -> Body | None:
    """The price that has this lookup key now."""
    price = state.store.get("price", state.lookup_keys.get(key))
    return price if price is not None and price["lookup_key"] == key else None


def _give_lookup_key(state: AccountState, price: Body, key: str | None) -> None:
    price["lookup_key"] = key
    if key is not None:
        state.lookup_keys[key] = price["id"]


def retrieve(call: Call) -> Body:
    """`GET /v1/prices/{id}`."""
    return path_object(call, "price", "price")


def update(call: Call) -> Body:
    """`POST /v1/prices/{id}`."""
    price = path_object(call, "price", "price")
    params = call.params
    if "currency_options" in params:
        raise not_simulated("`currency_options`", "currency_options")
    if "lookup_key" in params and cleared(params["lookup_key"]) != price["lookup_key"]:
        _claim_lookup_key(call.state, params)
        _give_lookup_key(call.state, price, cleared(params["lookup_key"]))
    if "active" in params:
        price["active"] = params["active"]
    if "nickname" in params:
        price["nickname"] = cleared(params["nickname"])
    if "tax_behavior" in params:
        if price["tax_behavior"] not in ("unspecified", params["tax_behavior"]):
            raise invalid("The tax behavior of a price cannot be changed once it is set.", "tax_behavior")
        price["tax_behavior"] = params["tax_behavior"]
    update_metadata(price, params)
    call.state.emit("price.updated", price)
    return price


def list_all(call: Call) -> Body:
    """`GET /v1/prices`, without inline prices."""
    params = call.params
    keys = params.get("lookup_keys")
    if keys is not None and len(keys) > 10:  # noqa: PLR2004 - the vendor's limit
        raise invalid("You can pass at most 10 lookup keys.", "lookup_keys")
    simple = ("active", "currency", "product", "type")
    if keys is None:
        found = list(call.state.store.all("price"))
    else:
        held = (_holder(call.state, key) for key in dict.fromkeys(keys))
        found = sorted((price for price in held if price is not None), key=lambda price: price["created"])
    data = [
        price
        for price in found
        if price["id"] not in call.state.inline_price_ids
        and all(price[name] == params[name] for name in simple if name in params)
        and all(
            (price["recurring"] or {}).get(name) == value
            for name, value in params.get("recurring", {}).items()
        )
    ]
    return list_answer(data, "/v1/prices")
