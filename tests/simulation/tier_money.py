"""The money of lines priced by tiers: what each change adds to the whole periods of its lineage (B3.5, B6.5).

The units of a lineage count together. Each order's line is told as what it adds to, or takes from, every
whole period it reaches, after all that was carried out before it; so the lines of a lineage sum to what the
tiers ask for the units that are there.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from datetime import date
from fractions import Fraction

from tests.acceptance.slow_calculator import DECIMALS, half_up
from tests.simulation.line_money import LineMoney, Series, Stretch

from cpqbridge.domain.order import TiersMode, TierTable


def tiered(table: TierTable, units: int, currency: str) -> int:
    """Return what so many units cost in a period, in minor units, unit by unit."""
    minor, owed = 10 ** DECIMALS[currency], Fraction(0)
    lowest = 1
    for tier in table.tiers if units > 0 else ():
        highest = units if tier.up_to is None else tier.up_to
        reached = units >= lowest
        if table.mode is TiersMode.VOLUME:
            inside = units if reached and units <= highest else 0
            reached = inside > 0
        else:
            inside = sum(1 for unit in range(1, units + 1) if lowest <= unit <= highest)
        owed += half_up(inside * Fraction(tier.unit_price or 0) * minor)
        owed += half_up(Fraction(tier.flat_price or 0) * minor) if reached else 0
        lowest = highest + 1
    return int(owed)


@dataclass(frozen=True, kw_only=True)
class TierLedger:
    """How many units each lineage has in each of its whole periods, as far as it is told."""

    currency: str
    units: dict[tuple[str, Series, date], int] = field(default_factory=lambda: defaultdict(int))

    def told(
        self, money: LineMoney, periods: Iterable[Stretch], table: TierTable, units: Callable[[date], int]
    ) -> LineMoney:
        """Return the money of a line that changes the units of these periods by `units` of their first day."""
        # A part of a period costs nothing, but it begins on a day of its own.
        found = [each for each in money.stretches if each.kind in ("head", "tail") and not each.amount]
        for period in periods:
            place = (money.root_id, money.series, period.start)
            before = self.units[place]
            self.units[place] = after = before + units(period.start)
            amount = tiered(table, after, self.currency) - tiered(table, before, self.currency)
            found.append(replace(period, kind="cycle", amount=amount))
        return replace(money, stretches=tuple(found), missed=0, rounding=0)
