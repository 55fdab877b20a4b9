"""What a quantity costs exactly: per unit, in packages, or by tiers.

Source: docs.stripe.com/subscriptions/pricing-models/tiered-pricing, read 21 Nov 2026. The flat amount of the
first tier is billed even for a quantity of 0.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Charge:
    """What the units of one tier cost: `amount` in minor units, not rounded; `tier` counts from 1."""

    tier: int
    quantity: Fraction
    unit_amount_decimal: str | None
    flat_amount_decimal: str | None

    @property
    def amount(self) -> Fraction:
        """Units at the tier's unit amount, and the tier's flat amount once."""
        return self.quantity * Fraction(self.unit_amount_decimal or 0) + Fraction(
            self.flat_amount_decimal or 0
        )


def is_metered(price: Mapping[str, Any]) -> bool:
    """Whether a price bills what a meter counted, in arrears."""
    recurring = price.get("recurring")
    return recurring is not None and recurring["usage_type"] == "metered"


def is_tiered(price: Mapping[str, Any]) -> bool:
    """Whether a price has tiers."""
    return price.get("tiers_mode") is not None


def cost(price: Mapping[str, Any], quantity: Fraction) -> Fraction:
    """What a quantity costs in minor units, not rounded."""
    if is_tiered(price):
        return sum((charge.amount for charge in tier_charges(price, quantity)), Fraction(0))
    return Fraction(price["unit_amount_decimal"]) * transformed(price, quantity)


def transformed(price: Mapping[str, Any], quantity: Fraction) -> Fraction:
    """The quantity that is billed: packages where the price divides it, whole ones."""
    rule = price.get("transform_quantity")
    if rule is None:
        return quantity
    packages = quantity / rule["divide_by"]
    return Fraction(math.ceil(packages) if rule["round"] == "up" else math.floor(packages))


def tier_charges(price: Mapping[str, Any], quantity: Fraction) -> list[Charge]:
    """One charge per tier touched (graduated), or that of the one tier that holds the quantity (volume)."""
    tiers = price["tiers"]
    if price["tiers_mode"] == "volume":
        index = next(i for i, tier in enumerate(tiers) if tier["up_to"] is None or quantity <= tier["up_to"])
        return [_charge(tiers[index], index, quantity)]
    charges: list[Charge] = []
    below = Fraction(0)
    for index, tier in enumerate(tiers):
        top = quantity if tier["up_to"] is None else min(quantity, Fraction(tier["up_to"]))
        if index and top <= below:
            break
        charges.append(_charge(tier, index, top - below))
        below = top
    return charges


def _charge(tier: Mapping[str, Any], index: int, quantity: Fraction) -> Charge:
    return Charge(
        tier=index + 1,
        quantity=quantity,
        unit_amount_decimal=tier["unit_amount_decimal"],
        flat_amount_decimal=tier["flat_amount_decimal"],
    )
