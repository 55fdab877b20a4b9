"""Prices, with inline prices of other objects, and the products they are made with."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from cpqbridge_sim.stripe.currencies import THREE_DECIMAL_CURRENCIES, checked_currency
from cpqbridge_sim.stripe.errors import invalid, missing, no_such, not_simulated
from cpqbridge_sim.stripe.periods import Interval
from cpqbridge_sim.stripe.resources.call import (
    Call,
    cleared,
    list_answer,
    metadata_of,
    only,
    path_object,
    update_metadata,
)
from cpqbridge_sim.stripe.resources.products import create_product
from cpqbridge_sim.stripe.state import AccountState
from cpqbridge_sim.stripe.store import Body

_DECIMALS_MAX = 12
_INTEGER_DIGITS_MAX = 12
_MONTHS_MAX = 36
_DAYS_MAX = 156 * 7
_SECONDS_PER_DAY = 86_400
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
        "transfer_lookup_key",
        "unit_amount",
        "unit_amount_decimal",
    }
)


def create(call: Call) -> Body:
    """`POST /v1/prices`."""
    params = call.params
    only(params, _CREATE)
    if params.get("billing_scheme", "per_unit") != "per_unit":
        raise not_simulated("A tiered price", "billing_scheme")
    if ("product" in params) == ("product_data" in params):
        if "product" in params:
            raise invalid("You may only specify one of these parameters: product, product_data.", "product")
        raise missing("product")
    terms = price_terms(params, path="", negative=False)
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
    terms = price_terms(data, path=path, negative=one_time)
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


def price_terms(data: Mapping[str, Any], *, path: str, negative: bool) -> dict[str, Any]:
    """Checked money terms of `price_data` or of a price: currency, exact unit amount, recurrence."""

    def at(name: str) -> str:
        return f"{path}[{name}]" if path else name

    if "unit_amount" in data and "unit_amount_decimal" in data:
        raise invalid(
            "You may only specify one of these parameters: unit_amount, unit_amount_decimal.",
            at("unit_amount"),
        )
    if "unit_amount" not in data and "unit_amount_decimal" not in data:
        raise missing(at("unit_amount"))
    decimal = Decimal(str(data.get("unit_amount", data.get("unit_amount_decimal"))))
    if decimal < 0 and not negative:
        raise invalid("Invalid non-negative integer", at("unit_amount"), "parameter_invalid_integer")
    exponent = decimal.normalize().as_tuple().exponent
    if isinstance(exponent, int) and -exponent > _DECIMALS_MAX:
        raise invalid(f"Invalid decimal: at most {_DECIMALS_MAX} decimal places.", at("unit_amount_decimal"))
    if abs(decimal) >= 10**_INTEGER_DIGITS_MAX:
        raise invalid("Invalid integer: the amount is too large.", at("unit_amount"))
    currency = checked_currency(data["currency"], param=at("currency"))
    if currency in THREE_DECIMAL_CURRENCIES and decimal % 10:
        raise invalid("Amounts in a three-decimal currency must end in 0.", at("unit_amount"))
    return {
        "currency": currency,
        "unit": decimal,
        "recurring": _recurring(data.get("recurring"), at("recurring")),
        "tax_behavior": data.get("tax_behavior", "unspecified"),
    }


def _recurring(value: Any, path: str) -> dict[str, Any] | None:
    if not value:
        return None
    for name in ("meter", "trial_period_days"):
        if name in value:
            raise not_simulated(f"`recurring.{name}`", f"{path}[{name}]")
    if value.get("usage_type", "licensed") != "licensed":
        raise not_simulated("A metered price", f"{path}[usage_type]")
    count = value.get("interval_count", 1)
    if count < 1:
        raise invalid("`interval_count` must be at least 1.", f"{path}[interval_count]")
    interval = Interval(unit=value["interval"], count=count)
    if interval.months > _MONTHS_MAX or interval.seconds > _DAYS_MAX * _SECONDS_PER_DAY:
        raise invalid("The interval of a recurring price can be at most 3 years.", f"{path}[interval_count]")
    return {
        "interval": interval.unit,
        "interval_count": count,
        "meter": None,
        "trial_period_days": None,
        "usage_type": "licensed",
    }


def _known_product(state: AccountState, identifier: str, *, param: str) -> str:
    product = state.store.get("product", identifier)
    if product is None:
        raise no_such("product", identifier, param=param)
    if not product["active"]:
        raise invalid(f"The product {identifier} is not active.", param, "product_inactive")
    return str(product["id"])


def _new_price(state: AccountState, terms: Mapping[str, Any], *, product_id: str, active: bool) -> Body:
    unit: Decimal = terms["unit"]
    whole = unit == unit.to_integral_value()
    return state.store.add(
        {
            "id": state.identifiers.new("price"),
            "object": "price",
            "active": active,
            "billing_scheme": "per_unit",
            "created": state.now,
            "currency": terms["currency"],
            "custom_unit_amount": None,
            "livemode": state.livemode,
            "lookup_key": None,
            "metadata": {},
            "nickname": None,
            "product": product_id,
            "recurring": terms["recurring"],
            "tax_behavior": terms["tax_behavior"],
            "tiers_mode": None,
            "transform_quantity": None,
            "type": "one_time" if terms["recurring"] is None else "recurring",
            "unit_amount": int(unit) if whole else None,
            "unit_amount_decimal": str(int(unit)) if whole else f"{unit.normalize():f}",
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
