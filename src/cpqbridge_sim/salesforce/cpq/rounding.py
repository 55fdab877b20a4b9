"""How numbers become field values: rounding of prices, and the digits that the REST API shows."""

from decimal import Decimal
from fractions import Fraction
from typing import Final

CURRENCY_DECIMALS: Final[dict[str, int]] = {"JPY": 0, "KRW": 0, "BHD": 3, "KWD": 3}
_USUAL_DECIMALS: Final = 2


def currency_decimals(currency: str) -> int:
    """Return how many decimals amounts of this currency have: two unless listed otherwise."""
    return CURRENCY_DECIMALS.get(currency, _USUAL_DECIMALS)


def round_half_up(value: Fraction | Decimal, places: int) -> Decimal:
    """Return the value rounded to so many decimals, halves away from zero."""
    scaled = abs(Fraction(value)) * 10**places
    units = (2 * scaled.numerator + scaled.denominator) // (2 * scaled.denominator)
    return Decimal(f"{'-' if value < 0 and units else ''}{units}E-{places}")


def field_number(value: Decimal | int) -> Decimal:
    """Return the number with the digits of a REST answer: plain, at least one decimal, no idle zeros."""
    whole, _, decimals = format(Decimal(value), "f").partition(".")
    return Decimal(f"{whole}.{decimals.rstrip('0') or '0'}")


def stored_double(value: Fraction) -> Decimal:
    """Return the digits under which a number without a scale comes back from the database.

    Salesforce keeps such a number as an IEEE double and prints the shortest text that reads back as the same
    double, so the exact fraction goes through one on purpose.
    """
    return field_number(Decimal(repr(float(value))))
