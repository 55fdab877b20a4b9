"""Which coupon a `discounts[]` entry redeems, by its own id or by a promotion code, and whether it still may.

Source: docs.stripe.com/billing/subscriptions/coupons, read 20 Nov 2026.
"""

from cpqbridge_sim.stripe.errors import invalid, no_such
from cpqbridge_sim.stripe.state import AccountState
from cpqbridge_sim.stripe.store import Body


def redeemable_coupon(
    state: AccountState, entry: Body, *, param: str, at: int, customer_id: str | None
) -> Body:
    """The coupon that an entry names, directly or by a promotion code.

    Raises:
        StripeApiError: when coupon or code is unknown, over, used up or another customer's.
    """
    if entry.get("promotion_code"):
        where = f"{param}[promotion_code]"
        code = _code_of(state, entry["promotion_code"], param=where)
        _check_code(code, param=where, at=at, customer_id=customer_id)
        coupon = state.store.get("coupon", code["promotion"]["coupon"])
        identifier = code["promotion"]["coupon"]
    else:
        where, identifier = f"{param}[coupon]", entry["coupon"]
        coupon = state.store.get("coupon", identifier)
    if coupon is None:
        raise no_such("coupon", identifier, param=where)
    _check_coupon(coupon, param=where, at=at)
    return coupon


def _code_of(state: AccountState, identifier: str, *, param: str) -> Body:
    code = state.store.get("promotion_code", identifier)
    if code is None:
        raise no_such("promotion code", identifier, param=param)
    return code


def _check_code(code: Body, *, param: str, at: int, customer_id: str | None) -> None:
    if not code["active"] or (code["expires_at"] is not None and code["expires_at"] <= at):
        raise invalid(f"This promotion code has expired: {code['code']}", param, "promotion_code_expired")
    if code["max_redemptions"] is not None and code["times_redeemed"] >= code["max_redemptions"]:
        raise invalid(f"This promotion code has been used up: {code['code']}", param)
    if code["customer"] not in (None, customer_id):
        raise invalid(f"This promotion code belongs to another customer: {code['code']}", param)


def _check_coupon(coupon: Body, *, param: str, at: int) -> None:
    if coupon["redeem_by"] is not None and coupon["redeem_by"] <= at:
        raise invalid(f"Coupon expired: {coupon['id']}", param, "coupon_expired")
    most = coupon["max_redemptions"]
    if most is not None and coupon["times_redeemed"] >= most:
        raise invalid(f"This coupon has reached its maximum redemptions: {coupon['id']}", param)


def is_valid(coupon: Body, *, at: int) -> bool:
    """Whether a coupon can still be redeemed: the `valid` that the API shows."""
    most = coupon["max_redemptions"]
    used_up = most is not None and coupon["times_redeemed"] >= most
    return not used_up and (coupon["redeem_by"] is None or coupon["redeem_by"] > at)


def count_redemption(state: AccountState, entry: Body) -> Body:
    """Count one use of what an entry names and return the coupon behind it."""
    identifier = entry.get("coupon")
    if entry.get("promotion_code"):
        code = _code_of(state, entry["promotion_code"], param="discounts")
        code["times_redeemed"] += 1
        identifier = code["promotion"]["coupon"]
    coupon = state.store.get("coupon", identifier)
    if coupon is None:
        raise no_such("coupon", str(identifier), param="discounts")
    coupon["times_redeemed"] += 1
    return coupon


def amount_off(coupon: Body, currency: str) -> int:
    """What a fixed coupon takes off in this currency, in minor units; 0 when it knows no such amount."""
    if coupon["currency"] == currency:
        return int(coupon["amount_off"])
    return int(coupon["currency_options"].get(currency, {}).get("amount_off", 0))


def reduces(coupon: Body, currency: str) -> bool:
    """Whether a coupon can reduce amounts in this currency: a percentage any, a fixed amount its own."""
    return coupon["percent_off"] is not None or amount_off(coupon, currency) > 0
