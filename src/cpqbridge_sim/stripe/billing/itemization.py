"""How a proration shows the discounts in it: taken off its amount already, or listed beside the gross amount.

Source: docs.stripe.com/changelog/clover/2025-09-30/itemize-proration-discount-amounts, read 20 Nov 2026.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fractions import Fraction

from cpqbridge_sim.stripe.rounding import round_proration
from cpqbridge_sim.stripe.state import AccountState, Debit
from cpqbridge_sim.stripe.store import Body


@dataclass(frozen=True, slots=True, kw_only=True)
class ProrationPrice:
    """A prorated amount in minor units before discounts, and what each of them takes off, in their order."""

    gross: int
    discount_amounts: tuple[tuple[str, int], ...]

    @property
    def net(self) -> int:
        """The amount after discounts, in minor units."""
        return self.gross - sum(amount for _, amount in self.discount_amounts)


def rounded(gross: Fraction, left: Sequence[tuple[str, Fraction]]) -> ProrationPrice:
    """Round an exact gross amount and what is left of it after each discount.

    The discounts are differences of rounded amounts, so that gross less discounts is the rounded net amount:
    a proration costs the same to the cent however it is shown.
    """
    before = round_proration(gross)
    start, amounts = before, []
    for discount_id, exact in left:
        after = round_proration(exact)
        amounts.append((discount_id, before - after))
        before = after
    return ProrationPrice(gross=start, discount_amounts=tuple(amounts))


def credit_price(debit: Debit, *, start: int) -> ProrationPrice:
    """What giving back the time of a debit from `start` on comes to; nothing in it is positive."""
    part = Fraction(debit.end - start, debit.end - debit.start)
    remaining = debit.net_amount + sum(amount for _, amount in debit.discount_amounts)
    gross, left = remaining, []
    for discount_id, amount in debit.discount_amounts:
        remaining -= amount
        left.append((discount_id, -remaining * part))
    return rounded(-gross * part, left)


def lower(debit: Debit, price: ProrationPrice, *, end: int) -> None:
    """Take a credit off what a debit billed, and cut it at `end`."""
    debit.net_amount += price.net
    debit.discount_amounts = [
        (discount_id, amount + given_back)
        for (discount_id, amount), (_, given_back) in zip(
            debit.discount_amounts, price.discount_amounts, strict=True
        )
    ]
    debit.end = end


def add_discounts(debit: Debit, amounts: Iterable[tuple[str, int]]) -> None:
    """Count what further discounts took off a debit, each under its id."""
    taken = dict(debit.discount_amounts)
    for discount_id, amount in amounts:
        taken[discount_id] = taken.get(discount_id, 0) + amount
    debit.discount_amounts = list(taken.items())


def is_itemized(subscription: Body) -> bool:
    """Whether prorations of this subscription list their discounts beside the gross amount."""
    return (subscription["billing_mode"]["flexible"] or {}).get("proration_discounts") == "itemized"


def shown_amount(subscription: Body, price: ProrationPrice) -> int:
    """The `amount` of a proration: gross when discounts are itemized, else net of them; in minor units."""
    return price.gross if is_itemized(subscription) else price.net


def shown_discounts(subscription: Body, price: ProrationPrice) -> list[Body]:
    """`proration_details.discount_amounts`: all with what they took off, or with 0 when that is included."""
    if subscription["billing_mode"]["type"] == "classic":
        return []
    itemized = is_itemized(subscription)
    return [
        {"amount": amount if itemized else 0, "discount": discount_id}
        for discount_id, amount in price.discount_amounts
    ]


def own_discounts(state: AccountState, price: ProrationPrice) -> list[str]:
    """Those of the discounts that are the item's own, not the subscription's."""
    return [
        discount_id
        for discount_id, _ in price.discount_amounts
        if (state.store.get("discount", discount_id) or {}).get("subscription_item") is not None
    ]


def line_discounts(invoice_item: Body) -> list[tuple[str, int]]:
    """The discount amounts that the line of a proration starts with.

    When they are included in its amount, only the subscription's discounts are named, with 0.
    """
    details = invoice_item["proration_details"] or {}
    return [
        (entry["discount"], entry["amount"])
        for entry in details.get("discount_amounts", [])
        if entry["amount"] or entry["discount"] not in invoice_item["discounts"]
    ]
