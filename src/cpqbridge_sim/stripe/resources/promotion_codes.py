"""Promotion codes: names that customers type in for a coupon."""

import re

from cpqbridge_sim.stripe.billing.promotions import is_valid
from cpqbridge_sim.stripe.errors import invalid, missing, no_such, not_simulated
from cpqbridge_sim.stripe.resources.call import (
    Call,
    customer_of,
    list_answer,
    metadata_of,
    path_object,
    update_metadata,
)
from cpqbridge_sim.stripe.store import Body

_CODE = re.compile(r"^[A-Za-z0-9-]{1,500}$")
_CODE_LENGTH = 8


def create(call: Call) -> Body:
    """`POST /v1/promotion_codes`; without `code` one is made up."""
    state, params = call.state, call.params
    if params.get("restrictions"):
        raise not_simulated("`restrictions` on a promotion code", "restrictions")
    if "customer_account" in params:
        raise not_simulated("`customer_account`", "customer_account")
    coupon = _coupon(call)
    owner = None
    if "customer" in params:
        owner = customer_of(state, params["customer"])["id"]
    identifier = state.identifiers.new("promo")
    text = params.get("code") or identifier[-_CODE_LENGTH:].upper()
    _check_code(call, text, owner)
    _check_bounds(call, coupon)
    code = state.store.add(
        {
            "id": identifier,
            "object": "promotion_code",
            "active": params.get("active", True),
            "code": text,
            "created": state.now,
            "customer": owner,
            "customer_account": None,
            "expires_at": params.get("expires_at"),
            "livemode": state.livemode,
            "max_redemptions": params.get("max_redemptions"),
            "metadata": metadata_of(params.get("metadata")),
            "promotion": {"coupon": coupon["id"], "type": "coupon"},
            "restrictions": {
                "first_time_transaction": False,
                "minimum_amount": None,
                "minimum_amount_currency": None,
            },
            "times_redeemed": 0,
        }
    )
    state.emit("promotion_code.created", code)
    return code


def _coupon(call: Call) -> Body:
    named = call.params["promotion"].get("coupon")
    if named is None:
        raise missing("promotion[coupon]")
    coupon = call.state.store.get("coupon", named)
    if coupon is None:
        raise no_such("coupon", named, param="promotion[coupon]")
    if not is_valid(coupon, at=call.state.now):
        raise invalid(f"The coupon {coupon['id']} can no longer be redeemed.", "promotion[coupon]")
    return coupon


def _check_code(call: Call, text: str, owner: str | None) -> None:
    if not _CODE.match(text):
        raise invalid("A promotion code can only have letters, digits and dashes.", "code")
    for other in call.state.store.all("promotion_code"):
        same = other["code"].lower() == text.lower() and other["active"]
        if same and (other["customer"] is None or owner is None or other["customer"] == owner):
            raise invalid(
                f"An active promotion code with `code: {text}` already exists.",
                "code",
                "resource_already_exists",
            )


def _check_bounds(call: Call, coupon: Body) -> None:
    params = call.params
    expires, last = params.get("expires_at"), coupon["redeem_by"]
    if expires is not None and (expires <= call.state.now or (last is not None and expires > last)):
        raise invalid("`expires_at` must be in the future and not after the coupon's.", "expires_at")
    most, limit = params.get("max_redemptions"), coupon["max_redemptions"]
    if most is not None and (most < 1 or (limit is not None and most > limit)):
        raise invalid("`max_redemptions` must be at least 1 and at most the coupon's.", "max_redemptions")


def retrieve(call: Call) -> Body:
    """`GET /v1/promotion_codes/{id}`."""
    return path_object(call, "promotion_code", "promotion code")


def update(call: Call) -> Body:
    """`POST /v1/promotion_codes/{id}`: on or off, and metadata."""
    code = retrieve(call)
    if call.params.get("restrictions"):
        raise not_simulated("`restrictions` on a promotion code", "restrictions")
    if "active" in call.params:
        if call.params["active"] and not code["active"]:
            _check_code(call, code["code"], code["customer"])
        code["active"] = call.params["active"]
    update_metadata(code, call.params)
    call.state.emit("promotion_code.updated", code)
    return code


def list_all(call: Call) -> Body:
    """`GET /v1/promotion_codes`; the code is looked up whatever its case."""
    params = call.params
    data = [
        code
        for code in call.state.store.all("promotion_code")
        if all(code[name] == params[name] for name in ("active", "customer") if name in params)
        and code["code"].lower() == params.get("code", code["code"]).lower()
        and code["promotion"]["coupon"] == params.get("coupon", code["promotion"]["coupon"])
    ]
    return list_answer(data, "/v1/promotion_codes")
