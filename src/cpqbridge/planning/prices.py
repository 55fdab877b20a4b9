"""What one billing period of a line costs: the price book's price where it is the same, else the line's own.

The dates decide how many charges there are, `TotalPrice` decides how much they sum to (B3.1 to B3.3).
All amounts are minor units; prices per unit and period are exact until they are written for Stripe with at
most 12 decimals, half up. A charge is one invoice line, price times quantity, rounded half up.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from decimal import Decimal
from fractions import Fraction

from cpqbridge.domain.money import (
    charge_minor,
    currency_decimals,
    round_half_up,
    to_minor,
    unit_amount_text,
)
from cpqbridge.domain.order import OrderLine, TierTable
from cpqbridge.domain.parameters import fingerprint
from cpqbridge.domain.pricing import PriceTier, TieredPrice
from cpqbridge.planning.proration import scale_of


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """A line as it is billed: whole quantity, unit price and total in minor units.

    `unit_minor` is the unit price for the whole term, `total_minor` what is billed in all, both unrounded;
    `sold_minor` is the latter, half up: `TotalPrice`, less what is free. `folded` tells that the quantity
    became 1 because the price is not unit price times quantity.
    """

    quantity: int
    unit_minor: Fraction
    total_minor: Fraction
    folded: bool

    @property
    def sold_minor(self) -> int:
        """Return what is billed in all, in minor units, rounded half up."""
        return round_half_up(self.total_minor)


@dataclass(frozen=True, slots=True, kw_only=True)
class PeriodPrice:
    """The price of one unit for one billing period, in minor units as Stripe writes it.

    `owner_id` is whose price it is: the price book entry's (`from_entry`), or an order line's own. Where
    there are `tiers`, they are the price.
    """

    text: str
    from_entry: bool
    owner_id: str
    tiers: TieredPrice | None = None

    @property
    def words(self) -> str:
        """Return what tells the price from others of its owner: its amount, or a hash of its tiers."""
        return self.text if self.tiers is None else f"tiers-{fingerprint(asdict(self.tiers))[:16]}"

    def charge_minor(self, quantity: int) -> int:
        """Return what one invoice line of `quantity` units comes to: one half-up rounding."""
        if self.tiers is not None:
            return self.tiers.charge_minor(quantity)
        return charge_minor(self.text, quantity)


def in_steps(price: PeriodPrice, line: OrderLine, step: int) -> PeriodPrice:
    """Return the price as it is where it is a multiple of `step` minor units, else the line's own, rounded.

    Stripe takes amounts of three-decimal currencies only as multiples of ten minor units (B3.7).
    """
    exact = Fraction(price.text)
    if step == 1 or price.tiers is not None or exact % step == 0:
        return price
    text = unit_amount_text(Fraction(round_half_up(exact / step) * step))
    return PeriodPrice(text=text, from_entry=False, owner_id=line.order_item_id)


def tier_price(line: OrderLine, table: TierTable, currency: str) -> PeriodPrice:
    """Return the price by the tiers of the line's consumption schedule (B3.5)."""
    tiers = tuple(
        PriceTier(
            up_to=tier.up_to,
            unit_amount_decimal=unit_amount_text(to_minor(tier.unit_price or Decimal(0), currency)),
            flat_amount_decimal=unit_amount_text(to_minor(tier.flat_price or Decimal(0), currency)),
        )
        for tier in table.tiers
    )
    price = TieredPrice(mode=table.mode.value, tiers=tiers)
    return PeriodPrice(text="0", from_entry=True, owner_id=line.pricebook_entry_id, tiers=price)


def usage_price(line: OrderLine, currency: str, term: Fraction) -> PeriodPrice:
    """Return the price of one unit of usage: the price book's where the line was sold at it, else its own.

    CPQ multiplies a unit price with the term, which says nothing of usage: `UnitPrice ÷ term * default term`.
    """
    sold = to_minor(line.unit_price, currency)
    default = Fraction(line.default_term_months)
    if line.entry_unit_price is not None and default > 0:
        entry = to_minor(line.entry_unit_price, currency)
        if round_half_up(entry * term / default) == round_half_up(sold):
            text = unit_amount_text(entry)
            return PeriodPrice(text=text, from_entry=True, owner_id=line.pricebook_entry_id)
    text = unit_amount_text(sold / term * default)
    return PeriodPrice(text=text, from_entry=False, owner_id=line.order_item_id)


def line_terms(line: OrderLine, currency: str) -> Terms:
    """Return how the line is billed; block prices and decimal quantities become quantity 1 at `TotalPrice`.

    A price is a block price when unit price times quantity misses `TotalPrice` by more than half a minor unit
    (B3.8). Whether decimal quantities are allowed is checked before.
    """
    total_minor = to_minor(line.total_price, currency)
    whole = line.quantity == line.quantity.to_integral_value()
    if line.custom_price is not None:
        # The price of a period is given, so `TotalPrice` says nothing (B3.9).
        unit_minor = to_minor(line.custom_price, currency)
        quantity = int(line.quantity) if whole else 1
        if not whole:
            unit_minor *= Fraction(line.quantity)
        return Terms(
            quantity=quantity, unit_minor=unit_minor, total_minor=unit_minor * quantity, folded=not whole
        )
    product = round_half_up(to_minor(line.unit_price, currency) * Fraction(line.quantity))
    as_block = abs(product - total_minor) * 2 > 1
    if whole and not as_block:
        return Terms(
            quantity=int(line.quantity),
            unit_minor=to_minor(line.unit_price, currency),
            total_minor=total_minor,
            folded=False,
        )
    return Terms(quantity=1, unit_minor=total_minor, total_minor=total_minor, folded=True)


def custom_price(line: OrderLine, terms: Terms) -> PeriodPrice | None:
    """Return the price of one unit for a period that a field of its own holds; None without it (B3.9)."""
    if line.custom_price is None:
        return None
    text = unit_amount_text(terms.unit_minor)
    return PeriodPrice(text=text, from_entry=False, owner_id=line.order_item_id)


def entry_price(line: OrderLine, currency: str, frequency_months: int) -> Fraction | None:
    """Return the price book entry's price of one unit for one billing period, unrounded minor units."""
    if line.entry_unit_price is None or line.default_term_months <= 0:
        return None
    return to_minor(line.entry_unit_price, currency) * frequency_months / Fraction(line.default_term_months)


def forward_matches(entry: Fraction, line: OrderLine, term: Fraction, currency: str) -> bool:
    """Return whether the entry's price over the line's term, rounded as CPQ stores it, is the unit price.

    Rounding is half up to the currency, or to the decimals the stored unit price has where it has more.
    """
    frequency = line.frequency_months or 1
    extra = max(scale_of(line.unit_price) - currency_decimals(currency), 0)
    scale = 10**extra
    forward = entry * term / frequency
    return round_half_up(forward * scale) == int(to_minor(line.unit_price, currency) * scale)


def period_price(
    line: OrderLine,
    terms: Terms,
    *,
    currency: str,
    term: Fraction,
    cycles: int,
    partial: bool,
    revised: PeriodPrice | None = None,
) -> PeriodPrice:
    """Return the price one unit of the line has for one billing period (B3.2, B3.3, B5.6).

    `term` is the line's length in months, `cycles` its number of full cycles, `partial` whether it has a head
    or tail that takes the remainder; `revised` is the price of the line it revises. The price book's price,
    or else that of the revised line, is used only when it passes the forward test; otherwise it is
    `UnitPrice ÷ term * frequency`, or `TotalPrice ÷ cycles` when only full cycles exist.
    """
    frequency = line.frequency_months or 1
    entry = None if terms.folded else entry_price(line, currency, frequency)
    known: list[tuple[Fraction, PeriodPrice]] = []
    if entry is not None:
        text = unit_amount_text(entry)
        known.append((entry, PeriodPrice(text=text, from_entry=True, owner_id=line.pricebook_entry_id)))
    if revised is not None and not terms.folded:
        known.append((Fraction(revised.text), revised))
    for exact, price in known:
        if forward_matches(exact, line, term, currency):
            missed = abs(price.charge_minor(terms.quantity) * cycles - terms.sold_minor)
            if partial or missed * 2 <= cycles:
                return price
    if cycles and not partial:
        per_unit = terms.total_minor / cycles / terms.quantity
    else:
        per_unit = terms.unit_minor / term * frequency
    return PeriodPrice(text=unit_amount_text(per_unit), from_entry=False, owner_id=line.order_item_id)
