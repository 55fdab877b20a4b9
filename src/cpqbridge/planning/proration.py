"""How long a span is in months, by each of Salesforce CPQ's prorate precisions.

Source: Salesforce help, "Subscription Prorate Precision", and the formulas of the project's design
notes (read 20 Nov 2026). All results are exact.
"""

from __future__ import annotations

import calendar
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from fractions import Fraction

from cpqbridge.domain.dates import add_months, day_after, whole_months
from cpqbridge.domain.order import LineKind, OrderLine

PRECISIONS = ("monthly_daily", "month", "day", "calendar_monthly_daily")
DAYS_PER_YEAR = 365
MONTHS_PER_YEAR = 12
MULTIPLIER_DECIMALS_KNOWN = 4
_MONTHS_PER_DAY = Fraction(MONTHS_PER_YEAR, DAYS_PER_YEAR)


def term_months(start: date, end: date, precision: str) -> Fraction:
    """Return the length of `[start, end)` in months by `precision`; 0 when `end` is not after `start`.

    Raises:
        ValueError: `precision` is not one of `PRECISIONS`.
    """
    days = (end - start).days
    if days <= 0:
        return Fraction(0)
    if precision == "day":
        return days * _MONTHS_PER_DAY
    if precision == "calendar_monthly_daily":
        return _calendar_months(start, end)
    whole = whole_months(start, end)
    rest = (end - add_months(start, whole)).days
    if precision == "month":
        return Fraction(whole + (1 if rest else 0))
    if precision == "monthly_daily":
        return whole + rest * _MONTHS_PER_DAY
    raise ValueError(f"{precision!r} is not a prorate precision")


def _calendar_months(start: date, end: date) -> Fraction:
    total = Fraction(0)
    day = start
    while day < end:
        length = calendar.monthrange(day.year, day.month)[1]
        next_month = add_months(day.replace(day=1), 1)
        total += Fraction((min(next_month, end) - day).days, length)
        day = next_month
    return total


def _tolerance(line: OrderLine, multiplier: Decimal) -> Fraction:
    """Return by how many months CPQ's multiplier may miss the dates: half a unit of its last place.

    The scale of the field counts when it is known; else the digits of the value, at least four, because
    a value like 12.0 does not tell its scale.
    """
    decimals = line.multiplier_decimals
    if decimals is None:
        exponent = multiplier.as_tuple().exponent
        decimals = max(-exponent if isinstance(exponent, int) else 0, MULTIPLIER_DECIMALS_KNOWN)
    # A stored double carries about 15 digits, so the last one may be off by more than half of itself.
    return Fraction(line.default_term_months) * (Fraction(1, 2 * 10**decimals) + Fraction(1, 10**9))


def _says(line: OrderLine, months: Fraction) -> bool:
    """Return whether CPQ's multiplier says this many months (True where it says nothing)."""
    multiplier = line.prorate_multiplier
    if multiplier is None:
        return True
    said = Fraction(multiplier) * Fraction(line.default_term_months)
    return abs(said - months) <= _tolerance(line, multiplier)


def _typed_term(line: OrderLine, end: date) -> Fraction | None:
    """Return the term a person typed on the quote, where dates and multiplier both say it in whole months.

    Given a term CPQ takes it as it is; the setting decides only where dates were given. A year of 366 days is
    then 12 months also in an org that counts days.
    """
    whole = whole_months(line.starts_on, end)
    dates_are_whole = whole > 0 and add_months(line.starts_on, whole) == end
    known = line.prorate_multiplier is not None and dates_are_whole and _says(line, Fraction(whole))
    return Fraction(whole) if known else None


def line_term(line: OrderLine, precision: str) -> Fraction:
    """Return a line's term in months: the typed one, else that of its dates by `precision` (B3.1).

    Raises:
        ValueError: the line has no end date.
    """
    if line.ends_on is None:
        raise ValueError(f"line {line.order_item_id} has no end date")
    end = day_after(line.ends_on)
    return _typed_term(line, end) or term_months(line.starts_on, end, precision)


def multiplier_fits(line: OrderLine, precision: str) -> bool:
    """Return whether CPQ's multiplier says the same term as the line's dates (True where it says nothing)."""
    if line.evergreen:
        # `UnitPrice` is for one month, so that is what the multiplier has to say (B8.1).
        return _says(line, Fraction(1))
    return line.ends_on is None or _says(line, line_term(line, precision))


@dataclass(frozen=True, slots=True, kw_only=True)
class InferredPrecision:
    """The precision that explains most lines: `fitting` of the `telling` ones, where the formulas differ.

    `votes` says for each precision how many of these lines it explains.
    """

    precision: str
    fitting: int
    telling: int
    votes: Mapping[str, int]


def infer_precision(lines: Iterable[OrderLine]) -> InferredPrecision | None:
    """Return the precision that fits the most lines with partial months, or None when no line can tell.

    A line can tell when the four formulas give its dates different lengths. On a tie the order of
    `PRECISIONS` decides, because Monthly + Daily is CPQ's recommended setting.
    """
    votes = dict.fromkeys(PRECISIONS, 0)
    telling = 0
    for line in lines:
        if line.kind is not LineKind.RECURRING or line.prorate_multiplier is None or line.ends_on is None:
            continue
        if _typed_term(line, day_after(line.ends_on)) is not None:
            continue
        fits = [precision for precision in PRECISIONS if multiplier_fits(line, precision)]
        if not fits or len(fits) == len(PRECISIONS):
            continue
        telling += 1
        for precision in fits:
            votes[precision] += 1
    if not telling:
        return None
    best = max(PRECISIONS, key=lambda precision: votes[precision])
    return InferredPrecision(precision=best, fitting=votes[best], telling=telling, votes=votes)


def scale_of(value: Decimal) -> int:
    """Return how many decimals `value` has, 0 when it is whole."""
    exponent = value.normalize().as_tuple().exponent
    return max(-exponent, 0) if isinstance(exponent, int) else 0
