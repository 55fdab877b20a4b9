"""Prices by tiers and what coupons take off, in minor units as Stripe counts them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from fractions import Fraction

from cpqbridge.domain.money import charge_minor, round_half_up

_WHOLE_PERCENT = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class DiscountTerms:
    """What a coupon takes off an invoice line: `percent_off` of it, else `amount_off_minor` of the invoice.

    `key` is the coupon's link, `name` what people call it; `until_on` is the first day whose periods are not
    reduced any more, None without an end. One that holds `once` is used up by its first invoice.
    """

    key: str
    name: str
    percent_off: str | None
    amount_off_minor: int | None
    until_on: date | None = None
    once: bool = False

    def is_in_force(self, day: date) -> bool:
        """Return whether a period that begins on `day` is still reduced."""
        return self.until_on is None or day < self.until_on

    def off_minor(self, amount_minor: int, share: Fraction = Fraction(1)) -> int:
        """Return what is taken off an amount, in minor units, rounded half up.

        Of a fixed amount it is `share`, and never more than there is.
        """
        if self.percent_off is not None:
            return round_half_up(Fraction(self.percent_off) * amount_minor / _WHOLE_PERCENT)
        return min(round_half_up((self.amount_off_minor or 0) * share), max(amount_minor, 0))


@dataclass(frozen=True, slots=True, kw_only=True)
class PriceTier:
    """One tier of a price (minor units, as Stripe writes them); `up_to` is the last unit, None when open."""

    up_to: int | None
    unit_amount_decimal: str
    flat_amount_decimal: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TieredPrice:
    """What a quantity costs by tiers; `mode` is graduated or volume as in Stripe."""

    mode: str
    tiers: tuple[PriceTier, ...]

    @property
    def unused_minor(self) -> int:
        """Return what a period by usage costs in which nothing was used, in minor units.

        Source: Stripe, "Tiered pricing" (read 21 Nov 2026): the flat amount of the first tier is billed then.
        """
        return charge_minor(self.tiers[0].flat_amount_decimal, 1)

    def charge_minor(self, quantity: int) -> int:
        """Return what so many units cost for one period, in minor units; each tier is rounded half up once.

        Source: Stripe, "Tiered pricing" (read 20 Nov 2026): graduated prices each unit by its own tier and
        adds the flat amount of every tier that is reached, volume prices all units by the tier they reach.
        """
        return sum(self.charges_minor(quantity))

    def charges_minor(self, quantity: int) -> tuple[int, ...]:
        """Return the invoice lines so many units make, in minor units: one for each tier that is reached.

        Stripe rounds, and takes a percentage off, each of these lines by itself; `charge_minor` is their sum.
        """
        if quantity <= 0:
            return ()
        if self.mode == "volume":
            reached = next(tier for tier in self.tiers if tier.up_to is None or quantity <= tier.up_to)
            return (_tier_minor(reached, quantity),)
        found, below = [], 0
        for tier in self.tiers:
            if quantity <= below:
                break
            held = quantity if tier.up_to is None else min(quantity, tier.up_to)
            found.append(_tier_minor(tier, held - below))
            below = held
        return tuple(found)


def _tier_minor(tier: PriceTier, units: int) -> int:
    return charge_minor(tier.unit_amount_decimal, units) + charge_minor(tier.flat_amount_decimal, 1)
