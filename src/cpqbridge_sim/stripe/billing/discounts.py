"""Coupons redeemed into discounts, and their shares of invoice lines."""

from collections.abc import Iterable, Sequence
from fractions import Fraction
from typing import Any

from cpqbridge_sim.stripe.billing.lines import LineDraft, exact_amount
from cpqbridge_sim.stripe.errors import invalid, no_such, not_simulated
from cpqbridge_sim.stripe.periods import add_months
from cpqbridge_sim.stripe.rounding import round_line
from cpqbridge_sim.stripe.state import AccountState
from cpqbridge_sim.stripe.store import Body

_HUNDRED = 100


def check_discounts(
    state: AccountState, entries: Sequence[Body], *, param: str, at: int, currency: str | None
) -> None:
    """Refuse unknown, expired, used-up or foreign coupons before anything is created.

    `currency` is that of what they shall reduce, None when there is nothing yet.
    """
    for index, entry in enumerate(entries):
        where = f"{param}[{index}]"
        named = [name for name in ("coupon", "discount", "promotion_code") if entry.get(name)]
        if len(named) > 1:
            raise invalid(f"You may only specify one of these parameters: {', '.join(named)}.", where)
        if "promotion_code" in entry:
            raise not_simulated("A promotion code", f"{where}[promotion_code]")
        if "discount_end" in entry or "settings" in entry:
            raise not_simulated("A discount end", where)
        if "discount" in entry:
            if state.store.get("discount", entry["discount"]) is None:
                raise no_such("discount", entry["discount"], param=f"{where}[discount]")
            continue
        if "coupon" not in entry:
            raise invalid("You must pass one of coupon, discount or promotion_code.", where)
        coupon = state.store.get("coupon", entry["coupon"])
        if coupon is None:
            raise no_such("coupon", entry["coupon"], param=f"{where}[coupon]")
        _check_redeemable(coupon, param=f"{where}[coupon]", at=at)
        if currency is not None and coupon["currency"] not in (None, currency):
            raise invalid(
                f"The coupon {coupon['id']} is in `{coupon['currency']}` and cannot reduce amounts in "
                f"`{currency}`.",
                f"{where}[coupon]",
            )


def _check_redeemable(coupon: Body, *, param: str, at: int) -> None:
    if coupon["redeem_by"] is not None and coupon["redeem_by"] <= at:
        raise invalid(f"Coupon expired: {coupon['id']}", param, "coupon_expired")
    most = coupon["max_redemptions"]
    if most is not None and coupon["times_redeemed"] >= most:
        raise invalid(f"This coupon has reached its maximum redemptions: {coupon['id']}", param)


def redeem(
    state: AccountState,
    entries: Iterable[Body],
    *,
    start: int,
    customer_id: str,
    subscription_id: str | None = None,
    item_id: str | None = None,
    invoice_item_id: str | None = None,
) -> list[str]:
    """Discount ids for a list of `discounts[]` entries; months count from `start`."""
    result: list[str] = []
    for entry in entries:
        if entry.get("discount"):
            result.append(entry["discount"])
            continue
        coupon = state.store.get("coupon", entry["coupon"])
        if coupon is None:
            raise no_such("coupon", entry["coupon"], param="discounts")
        coupon["times_redeemed"] += 1
        months = coupon["duration_in_months"]
        discount = state.store.add(
            {
                "id": state.identifiers.new("di"),
                "object": "discount",
                "checkout_session": None,
                "customer": customer_id,
                "customer_account": None,
                "end": add_months(start, months) if coupon["duration"] == "repeating" else None,
                "invoice": None,
                "invoice_item": invoice_item_id,
                "promotion_code": None,
                "source": {"type": "coupon", "coupon": coupon["id"]},
                "start": start,
                "subscription": subscription_id,
                "subscription_item": item_id,
            }
        )
        result.append(discount["id"])
    return result


def coupon_of(state: AccountState, discount_id: str) -> Body:
    """The coupon behind a discount."""
    discount = state.store.get("discount", discount_id)
    coupon = None if discount is None else state.store.get("coupon", discount["source"]["coupon"])
    if coupon is None:
        raise no_such("discount", discount_id, param="discounts")
    return coupon


def apply_discounts(
    state: AccountState, lines: Sequence[LineDraft], invoice_discounts: Sequence[str], *, at: int
) -> list[str]:
    """Fill `discount_amounts` of the lines and return the `once` discounts that were used up.

    Line-level discounts come first, then the invoice's, each list in its order; every discount works on what
    the earlier ones left.
    """
    used: list[str] = []
    own = list(dict.fromkeys(identifier for line in lines for identifier in line.discounts))
    for discount_id in own:
        bearers = [line for line in lines if discount_id in line.discounts]
        used.extend(_apply_one(state, bearers, discount_id, at=at))
    for discount_id, bearers in _by_invoice_discount(lines, invoice_discounts):
        used.extend(_apply_one(state, bearers, discount_id, at=at))
    return used


def _by_invoice_discount(
    lines: Sequence[LineDraft], invoice_discounts: Sequence[str]
) -> list[tuple[str, list[LineDraft]]]:
    """Each discount of the whole invoice with its lines; usage keeps those under which it ran."""
    former = [discount for line in lines if line.usage for discount in line.usage.subscription_discounts]
    return [
        (
            discount_id,
            [
                line
                for line in lines
                if discount_id in (line.usage.subscription_discounts if line.usage else invoice_discounts)
            ],
        )
        for discount_id in dict.fromkeys([*former, *invoice_discounts])
    ]


def _apply_one(state: AccountState, lines: Sequence[LineDraft], discount_id: str, *, at: int) -> list[str]:
    coupon = coupon_of(state, discount_id)
    discount = state.store.get("discount", discount_id) or {}
    eligible = [
        line
        for line in lines
        if line.discountable
        and not line.free_trial
        and _covers(coupon, line.price)
        and _in_force(state, discount, line, at=at)
    ]
    if not eligible:
        return []
    for line, share in zip(eligible, _shares(state, coupon, eligible), strict=True):
        if share:
            line.discount_amounts.append((discount_id, share))
    return [discount_id] if coupon["duration"] == "once" else []


def _covers(coupon: Body, price: Body | None) -> bool:
    products = (coupon["applies_to"] or {}).get("products")
    return not products or (price is not None and price["product"] in products)


def _in_force(state: AccountState, discount: Body, line: LineDraft, *, at: int) -> bool:
    # Coupon months count from the backdated start, so a line is judged by the period it bills.
    judged_by_period = line.usage is None or state.assumptions.usage_is_discounted_by_its_period
    moment = line.period_start if line.invoice_item is None and judged_by_period else at
    return discount["end"] is None or moment < discount["end"]


def _shares(state: AccountState, coupon: Body, lines: Sequence[LineDraft]) -> list[int]:
    if coupon["percent_off"] is not None:
        rate = Fraction(str(coupon["percent_off"])) / _HUNDRED
        ties_up = state.assumptions.percent_discount_ties_round_up
        return [round_line(line.net_amount * rate, ties_up=ties_up) for line in lines]
    return spread(int(coupon["amount_off"]), [max(line.net_amount, 0) for line in lines])


def spread(amount_off: int, weights: Sequence[int]) -> list[int]:
    """A fixed amount over lines in proportion: each share floored, the last line takes the rest."""
    total = sum(weights)
    off = min(amount_off, total)
    if total == 0:
        return [0 for _ in weights]
    shares = [off * weight // total for weight in weights[:-1]]
    return [*shares, off - sum(shares)]


def net_price(
    state: AccountState, subscription: Body, item: Body, *, fraction: Fraction, at: int
) -> Fraction:
    """The exact price of an item for a fraction of its period, after the discounts in force; not rounded."""
    amount = exact_amount(item["price"], item["quantity"])
    amount = _less(state, item["discounts"], amount, item=item, at=at, share=Fraction(1))
    share = _share_of(state, subscription, item)
    return _less(state, subscription["discounts"], amount, item=item, at=at, share=share) * fraction


def _share_of(state: AccountState, subscription: Body, item: Body) -> Fraction:
    items = state.subscription_items(subscription)
    total = sum((exact_amount(other["price"], other["quantity"]) for other in items), Fraction(0))
    return exact_amount(item["price"], item["quantity"]) / total if total else Fraction(0)


def _less(
    state: AccountState, discounts: Sequence[str], amount: Fraction, *, item: Body, at: int, share: Fraction
) -> Fraction:
    for discount_id in running(state, discounts, at=at):
        coupon = coupon_of(state, discount_id)
        if not _covers(coupon, item["price"]):
            continue
        if coupon["percent_off"] is not None:
            amount *= 1 - Fraction(str(coupon["percent_off"])) / _HUNDRED
        else:
            amount = max(amount - coupon["amount_off"] * share, Fraction(0))
    return amount


def classic_credit(
    state: AccountState, subscription: Body, item: Body, *, fraction: Fraction, at: int
) -> Fraction:
    """What classic mode credits: the current price pro rata, fixed discounts spread evenly over the items."""
    amount = exact_amount(item["price"], item["quantity"]) * fraction
    share = Fraction(1, max(len(state.subscription_items(subscription)), 1))
    discounts = [*item["discounts"], *subscription["discounts"]]
    return _less(state, discounts, amount, item=item, at=at, share=share)


def running(state: AccountState, discounts: Iterable[str], *, at: int) -> list[str]:
    """The discounts that reduce a proration made at this time."""
    result: list[str] = []
    for discount_id in discounts:
        discount: dict[str, Any] = state.store.get("discount", discount_id) or {}
        once = coupon_of(state, discount_id)["duration"] == "once"
        if once and not state.assumptions.once_coupon_reduces_prorations:
            continue
        if discount.get("end") is None or at < discount["end"]:
            result.append(discount_id)
    return result
