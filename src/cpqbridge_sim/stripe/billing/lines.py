"""Invoice lines before they are put on an invoice, and what a price costs exactly."""

from dataclasses import dataclass, field
from fractions import Fraction
from functools import lru_cache
from typing import Any

from cpqbridge_sim.stripe.billing.itemization import line_discounts
from cpqbridge_sim.stripe.billing.tiers import cost, is_metered, is_tiered
from cpqbridge_sim.stripe.billing.trials import trial_text
from cpqbridge_sim.stripe.metering import ClosedUsage
from cpqbridge_sim.stripe.rounding import round_line, round_proration
from cpqbridge_sim.stripe.state import AccountState
from cpqbridge_sim.stripe.store import Body

ZERO_DECIMAL_CURRENCIES = frozenset(
    [
        "bif",
        "clp",
        "djf",
        "gnf",
        "jpy",
        "kmf",
        "krw",
        "mga",
        "pyg",
        "rwf",
        "ugx",
        "vnd",
        "vuv",
        "xaf",
        "xof",
        "xpf",
    ]
)


@dataclass(slots=True, kw_only=True)
class LineDraft:
    """One invoice line: `amount` in minor units before discounts, for `[period_start, period_end)`.

    `units` is the exact quantity where it is not the whole `quantity`, and `fraction` the part of the price
    that is billed. A line of usage names what it bills, and the subscription's discounts that reduce it.
    """

    amount: int
    currency: str
    description: str
    period_start: int
    period_end: int
    price: Body | None
    quantity: int | None
    discountable: bool
    metadata: dict[str, str]
    discounts: list[str] = field(default_factory=list)
    proration: bool = False
    subscription_id: str | None = None
    item_id: str | None = None
    # A line of a trial bears no discount, so a `once` coupon waits for a line that costs something.
    free_trial: bool = False
    invoice_item: Body | None = None
    discount_amounts: list[tuple[str, int]] = field(default_factory=list)
    units: Fraction | None = None
    fraction: Fraction = Fraction(1)
    usage: ClosedUsage | None = None
    tax_rates: list[Body] = field(default_factory=list)

    @property
    def net_amount(self) -> int:
        """Amount after discounts, in minor units."""
        return self.amount - sum(amount for _, amount in self.discount_amounts)


def exact_amount(price: Body, quantity: int | None) -> Fraction:
    """What a quantity costs in minor units, not rounded; an absent one is 1, of a metered price 0.

    Usage is billed when its period is over, so up front a metered item costs nothing.
    """
    if quantity is None and is_metered(price):
        return Fraction(0)
    units = 1 if quantity is None else quantity
    if is_tiered(price) or price["transform_quantity"] is not None:
        return cost(price, Fraction(units))
    return _exact(price["unit_amount_decimal"], units)


@lru_cache(maxsize=4096)
def _exact(unit_amount_decimal: str, quantity: int) -> Fraction:
    return Fraction(unit_amount_decimal) * quantity


def item_line(
    state: AccountState,
    subscription: Body,
    item: Body,
    *,
    start: int,
    end: int,
    fraction: Fraction,
    truncated: bool = False,
) -> LineDraft:
    """The line of a subscription item for one period, `fraction` of the full price."""
    whole = fraction == 1
    exact = exact_amount(item["price"], item["quantity"])
    exact = exact if whole else exact * fraction
    ties_up = state.assumptions.ordinary_line_ties_round_up
    proration = not whole and not (truncated and state.assumptions.truncated_period_is_ordinary_line)
    return LineDraft(
        amount=round_line(exact, ties_up=ties_up) if whole else round_proration(exact),
        currency=subscription["currency"],
        description=item_text(state, item),
        period_start=start,
        period_end=end,
        price=item["price"],
        quantity=item["quantity"],
        discountable=True,
        metadata=dict((item if state.assumptions.line_metadata_copies_item else subscription)["metadata"]),
        discounts=list(item["discounts"]),
        proration=proration,
        subscription_id=subscription["id"],
        item_id=item["id"],
        tax_rates=item["tax_rates"],
        fraction=fraction,
    )


def trial_line(state: AccountState, subscription: Body, item: Body, *, start: int, end: int) -> LineDraft:
    """The line of a subscription item for a free trial."""
    return LineDraft(
        amount=0,
        currency=subscription["currency"],
        description=trial_text(subscription, product_name(state, item["price"]), item["quantity"]),
        period_start=start,
        period_end=end,
        price=item["price"],
        quantity=item["quantity"],
        discountable=True,
        metadata=dict((item if state.assumptions.line_metadata_copies_item else subscription)["metadata"]),
        discounts=list(item["discounts"]),
        subscription_id=subscription["id"],
        item_id=item["id"],
        free_trial=True,
    )


def item_text(state: AccountState, item: Body) -> str:
    """`2 x Name (at $10.00 / month)` as the vendor writes it, with a multiplication sign."""
    price = item["price"]
    quantity = 1 if item["quantity"] is None else item["quantity"]
    return price_text(state, price, str(quantity), exact_amount(price, 1))


def price_text(state: AccountState, price: Body, quantity: str, each: Fraction, *, tier: str = "") -> str:
    """The same for any quantity, with `each` in minor units for one unit; `tier` may name a tier."""
    recurring = price["recurring"]
    count, unit = recurring["interval_count"], recurring["interval"]
    interval = unit if count == 1 else f"{count} {unit}s"
    money = money_text(each, price["currency"])
    name = product_name(state, price)
    return f"{quantity} \N{MULTIPLICATION SIGN} {name} ({tier}at {money} / {interval})"


def product_name(state: AccountState, price: Body | None) -> str:
    """The name of a price's product."""
    product = None if price is None else state.store.get("product", price["product"])
    return "" if product is None else str(product["name"])


@lru_cache(maxsize=4096)
def money_text(amount: Fraction, currency: str) -> str:
    """An amount for people: `$10.00`, `12.5 EUR`."""
    decimals = 0 if currency in ZERO_DECIMAL_CURRENCIES else 2
    major = amount / 10**decimals
    scaled = major * 10**12
    text = f"{int(scaled) // 10**12}.{int(scaled) % 10**12:012d}".rstrip("0")
    whole, _, part = text.partition(".")
    shown = f"{whole}.{part.ljust(decimals, '0')}" if part or decimals else whole
    return f"${shown}" if currency == "usd" else f"{shown} {currency.upper()}"


def invoice_item_line(invoice_item: Body) -> LineDraft:
    """The line that a pending invoice item becomes."""
    details = (invoice_item["parent"] or {}).get("subscription_details") or {}
    price_id = ((invoice_item["pricing"] or {}).get("price_details") or {}).get("price")
    product = ((invoice_item["pricing"] or {}).get("price_details") or {}).get("product")
    price: dict[str, Any] | None = None
    if price_id is not None:
        unit = invoice_item["pricing"]["unit_amount_decimal"]
        price = {"id": price_id, "product": product, "unit_amount_decimal": unit}
    return LineDraft(
        amount=invoice_item["amount"],
        currency=invoice_item["currency"],
        description=invoice_item["description"] or "",
        period_start=invoice_item["period"]["start"],
        period_end=invoice_item["period"]["end"],
        price=price,
        quantity=invoice_item["quantity"],
        discountable=invoice_item["discountable"],
        metadata=dict(invoice_item["metadata"]),
        discounts=list(invoice_item["discounts"]),
        discount_amounts=line_discounts(invoice_item),
        proration=invoice_item["proration"],
        subscription_id=details.get("subscription"),
        item_id=details.get("subscription_item"),
        invoice_item=invoice_item,
        tax_rates=invoice_item["tax_rates"],
    )
