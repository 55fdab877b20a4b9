"""Coupons."""

from decimal import Decimal

from cpqbridge_sim.stripe.billing.promotions import is_valid
from cpqbridge_sim.stripe.currencies import checked_currency
from cpqbridge_sim.stripe.errors import invalid, missing, no_such
from cpqbridge_sim.stripe.periods import add_months
from cpqbridge_sim.stripe.resources.call import (
    Call,
    cleared,
    list_answer,
    metadata_of,
    path_object,
    update_metadata,
)
from cpqbridge_sim.stripe.store import Body

_HUNDRED = 100
_REDEEM_BY_MONTHS_MAX = 60


def create(call: Call) -> Body:
    """`POST /v1/coupons`."""
    params, state = call.params, call.state
    _check_value(call)
    duration = params.get("duration", "once")
    if (duration == "repeating") != ("duration_in_months" in params):
        if duration == "repeating":
            raise missing("duration_in_months")
        raise invalid(
            "`duration_in_months` can only be passed when `duration` is `repeating`.", "duration_in_months"
        )
    identifier = params.get("id") or state.identifiers.new("cpn")
    if state.store.get("coupon", identifier) is not None:
        raise invalid("Coupon already exists.", "id", "resource_already_exists")
    redeem_by = params.get("redeem_by")
    if redeem_by is not None and redeem_by > add_months(state.now, _REDEEM_BY_MONTHS_MAX):
        raise invalid("`redeem_by` can be at most 5 years in the future.", "redeem_by")
    percent = params.get("percent_off")
    own = params["currency"].lower() if "amount_off" in params else None
    coupon = state.store.add(
        {
            "id": identifier,
            "object": "coupon",
            "amount_off": params.get("amount_off"),
            "applies_to": params.get("applies_to"),
            "created": state.now,
            "currency": own,
            "currency_options": _currency_options(call, own),
            "duration": duration,
            "duration_in_months": params.get("duration_in_months"),
            "livemode": state.livemode,
            "max_redemptions": params.get("max_redemptions"),
            "metadata": metadata_of(params.get("metadata")),
            "name": params.get("name"),
            "percent_off": None if percent is None else float(percent),
            "redeem_by": redeem_by,
            "times_redeemed": 0,
            "valid": True,
        }
    )
    state.emit("coupon.created", coupon)
    return coupon


def _check_value(call: Call) -> None:
    params = call.params
    if ("percent_off" in params) == ("amount_off" in params):
        raise invalid(
            "You must pass exactly one of `percent_off` and `amount_off`.",
            "percent_off" if "percent_off" in params else None,
        )
    percent = params.get("percent_off")
    if percent is not None and not 0 < Decimal(percent) <= _HUNDRED:
        raise invalid("`percent_off` must be greater than 0 and at most 100.", "percent_off")
    if "amount_off" in params:
        if params["amount_off"] <= 0:
            raise invalid("`amount_off` must be greater than 0.", "amount_off")
        if "currency" not in params:
            raise missing("currency")
        checked_currency(params["currency"], param="currency")
    for name in ("duration_in_months", "max_redemptions"):
        if params.get(name, 1) < 1:
            raise invalid("Invalid positive integer", name, "parameter_invalid_integer")
    for index, product in enumerate((params.get("applies_to") or {}).get("products", [])):
        if call.state.store.get("product", product) is None:
            raise no_such("product", product, param=f"applies_to[products][{index}]")


def _currency_options(call: Call, own: str | None) -> Body:
    """Fixed amounts in further currencies."""
    options: Body = {}
    for name, option in call.params.get("currency_options", {}).items():
        param = f"currency_options[{name}]"
        currency = checked_currency(name, param=param)
        if own is None:
            raise invalid(
                "`currency_options` is only supported if `amount_off` is passed.", "currency_options"
            )
        if currency == own:
            raise invalid(f"`{currency}` is the coupon's own currency.", param)
        if option["amount_off"] <= 0:
            raise invalid("`amount_off` must be greater than 0.", f"{param}[amount_off]")
        options[currency] = {"amount_off": option["amount_off"]}
    return options


def retrieve(call: Call) -> Body:
    """`GET /v1/coupons/{id}`."""
    return _as_of_now(call, path_object(call, "coupon", "coupon"))


def _as_of_now(call: Call, coupon: Body) -> Body:
    coupon["valid"] = is_valid(coupon, at=call.state.now)
    return coupon


def update(call: Call) -> Body:
    """`POST /v1/coupons/{id}`: name, metadata and amounts in further currencies."""
    coupon = path_object(call, "coupon", "coupon")
    if "currency_options" in call.params:
        coupon["currency_options"].update(_currency_options(call, coupon["currency"]))
    if "name" in call.params:
        coupon["name"] = cleared(call.params["name"])
    update_metadata(coupon, call.params)
    call.state.emit("coupon.updated", coupon)
    return coupon


def delete(call: Call) -> Body:
    """`DELETE /v1/coupons/{id}`: running discounts go on, nobody can redeem it any more."""
    coupon = path_object(call, "coupon", "coupon")
    for code in call.state.store.all("promotion_code"):
        if code["promotion"]["coupon"] == coupon["id"]:
            code["active"] = False
    call.state.store.remove(coupon)
    call.state.emit("coupon.deleted", coupon)
    return {"id": coupon["id"], "object": "coupon", "deleted": True}


def list_all(call: Call) -> Body:
    """`GET /v1/coupons`."""
    data = [_as_of_now(call, coupon) for coupon in call.state.store.all("coupon")]
    return list_answer(data, "/v1/coupons")
