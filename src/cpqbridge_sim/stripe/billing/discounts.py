"""Coupons redeemed into discounts, and their shares of invoice lines."""

from collections.abc import Iterable, Sequence
from fractions import Fraction
from typing import Any

from cpqbridge_sim.stripe.billing.lines import LineDraft, exact_amount
from cpqbridge_sim.stripe.billing.promotions import (
    amount_off,
    count_redemption,
    redeemable_coupon,
    reduces,
)
from cpqbridge_sim.stripe.errors import invalid, no_such
from cpqbridge_sim.stripe.periods import add_months
from cpqbridge_sim.stripe.rounding import round_line
from cpqbridge_sim.stripe.state import AccountState
from cpqbridge_sim.stripe.store import Body

_HUNDRED = 100


def check_discounts(
    state: AccountState,
    entries: Sequence[Body],
    *,
    param: str,
    at: int,
    currency: str | None,
    customer_id: str | None,
) -> None:
    """Refuse unknown, expired, used-up or foreign coupons and discounts before anything is created.

    `currency` is that of what they shall reduce, None when there is nothing yet.
    """
    for index, entry in enumerate(entries):
        where = f"{param}[{index}]"
        named = [name for name in ("coupon", "discount", "promotion_code") if entry.get(name)]
        if len(named) > 1:
            raise invalid(f"You may only specify one of these parameters: {', '.join(named)}.", where)
        if not named:
            raise invalid("You must pass one of coupon, discount or promotion_code.", where)
        if "discount" in named:
            discount = state.store.get("discount", entry["discount"])
            # Only a discount "on the object (or one of its ancestors)" can be used again, says the SDK.
            if discount is None or discount["customer"] != customer_id:
                raise no_such("discount", entry["discount"], param=f"{where}[discount]")
            continue
        coupon = redeemable_coupon(state, entry, param=where, at=at, customer_id=customer_id)
        if currency is not None and not reduces(coupon, currency):
            raise invalid(
                f"The coupon {coupon['id']} is in `{coupon['currency']}` and cannot reduce amounts in "
                f"`{currency}`.",
                f"{where}[{named[0]}]",
            )


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
    """Discount ids for a list of `discounts[]` entries; months count from `start`.

    A discount that is named goes on as it is, unless it is over by `start`.
    """
    result: list[str] = []
    for entry in entries:
        if entry.get("discount"):
            if not is_over(state, entry["discount"], at=start):
                result.append(entry["discount"])
            continue
        coupon = count_redemption(state, entry)
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
                "promotion_code": entry.get("promotion_code") or None,
                "source": {"type": "coupon", "coupon": coupon["id"]},
                "start": start,
                "subscription": subscription_id,
                "subscription_item": item_id,
            }
        )
        state.discount_coupons[discount["id"]] = coupon
        result.append(discount["id"])
    return result


def is_over(state: AccountState, discount_id: str, *, at: int) -> bool:
    """Whether a discount has ended by then: its months are over, or its one invoice was made."""
    end = (state.store.get("discount", discount_id) or {}).get("end")
    return end is not None and end <= at


def coupon_of(state: AccountState, discount_id: str) -> Body:
    """The coupon behind a discount, deleted or not."""
    coupon = state.discount_coupons.get(discount_id)
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
    off = amount_off(coupon, lines[0].currency)
    return spread(off, [max(line.net_amount, 0) for line in lines])


def spread(amount_off: int, weights: Sequence[int]) -> list[int]:
    """A fixed amount over lines in proportion: each share floored, the last line takes the rest.

    Of a rest that is more than the last line, the lines before it take what remains, so that none falls below
    zero.
    """
    total = sum(weights)
    rest = off = min(amount_off, total)
    if total == 0:
        return [0 for _ in weights]
    shares = [off * weight // total for weight in weights]
    rest -= sum(shares)
    for index in reversed(range(len(weights))):
        more = min(rest, weights[index] - shares[index])
        shares[index] += more
        rest -= more
    return shares


def discounted(
    state: AccountState, subscription: Body, item: Body, *, fraction: Fraction, at: int
) -> list[tuple[str, Fraction]]:
    """What is left of an item's price for a fraction of its period after each discount in force.

    Exact, in minor units, the item's own discounts first. A fixed amount of the subscription's counts in the
    item's share of all items that the coupon covers.
    """
    amount = exact_amount(item["price"], item["quantity"])
    result: list[tuple[str, Fraction]] = []
    for discount_id in running(state, item["discounts"], at=at):
        amount = _less(coupon_of(state, discount_id), amount, item=item, share=Fraction(1))
        result.append((discount_id, amount * fraction))
    for discount_id in running(state, subscription["discounts"], at=at):
        coupon = coupon_of(state, discount_id)
        amount = _less(coupon, amount, item=item, share=_share_of(state, coupon, subscription, item))
        result.append((discount_id, amount * fraction))
    return result


def _share_of(state: AccountState, coupon: Body, subscription: Body, item: Body) -> Fraction:
    covered = [other for other in state.subscription_items(subscription) if _covers(coupon, other["price"])]
    total = sum((exact_amount(other["price"], other["quantity"]) for other in covered), Fraction(0))
    return exact_amount(item["price"], item["quantity"]) / total if total else Fraction(0)


def _less(coupon: Body, amount: Fraction, *, item: Body, share: Fraction) -> Fraction:
    if not _covers(coupon, item["price"]):
        return amount
    if coupon["percent_off"] is not None:
        return amount * (1 - Fraction(str(coupon["percent_off"])) / _HUNDRED)
    return max(amount - amount_off(coupon, item["price"]["currency"]) * share, Fraction(0))


def classic_credit(
    state: AccountState, subscription: Body, item: Body, *, fraction: Fraction, at: int
) -> Fraction:
    """What classic mode credits: the current price pro rata, fixed discounts spread evenly over the items."""
    amount = exact_amount(item["price"], item["quantity"]) * fraction
    share = Fraction(1, max(len(state.subscription_items(subscription)), 1))
    for discount_id in running(state, [*item["discounts"], *subscription["discounts"]], at=at):
        amount = _less(coupon_of(state, discount_id), amount, item=item, share=share)
    return amount


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
