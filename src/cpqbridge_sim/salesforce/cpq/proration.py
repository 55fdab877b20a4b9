"""The four Subscription Prorate Precision settings of Salesforce CPQ, as exact fractions.

Source: "Subscription Prorate Precision" and the SteelBrick community article on it (read November 2026); the
completed Monthly + Daily formula and the clipping of month ends are assumptions until seen in a sandbox.
"""

from calendar import monthrange
from datetime import date
from decimal import Decimal
from fractions import Fraction
from typing import Final, Literal, get_args

from cpqbridge_sim.salesforce.cpq.dates import add_months, whole_months

Precision = Literal["month", "day", "monthly_daily", "calendar_monthly_daily"]
PRECISIONS: Final[tuple[Precision, ...]] = get_args(Precision)

DEFAULT_TERM_WHEN_BLANK: Final = 12
_MONTHS_PER_DAY: Final = Fraction(12, 365)


def months_in_span(precision: Precision, start: date, end: date) -> Fraction:
    """Return the length in months from `start` to `end`, both inclusive, as the setting counts it.

    Raises:
        ValueError: `end` lies before `start`.
    """
    months, days = whole_months(start, end)
    if precision == "month":
        return Fraction(months + (1 if days else 0))
    if precision == "monthly_daily":
        return months + days * _MONTHS_PER_DAY
    if precision == "day":
        return ((end - start).days + 1) * _MONTHS_PER_DAY
    return _calendar_months(start, end)


def prorate_multiplier(months: Fraction, default_term: Decimal | None) -> Fraction:
    """Return how many default terms so many months are; a blank default term counts as twelve months."""
    return months / Fraction(default_term if default_term is not None else DEFAULT_TERM_WHEN_BLANK)


def _calendar_months(start: date, end: date) -> Fraction:
    total = Fraction(0)
    first = start.replace(day=1)
    while first <= end:
        length = monthrange(first.year, first.month)[1]
        last = first.replace(day=length)
        used = (min(end, last) - max(start, first)).days + 1
        total += Fraction(used, length)
        first = add_months(first, 1)
    return total
