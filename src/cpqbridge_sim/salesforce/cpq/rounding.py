"""How numbers become field values: rounding of prices, and the digits that the REST API shows."""

from decimal import ROUND_HALF_UP, Context, Decimal
from fractions import Fraction
from typing import Final

CURRENCY_DECIMALS: Final[dict[str, int]] = {"JPY": 0, "KRW": 0, "BHD": 3, "KWD": 3}
_USUAL_DECIMALS: Final = 2
_STORED: Final = Context(prec=16, rounding=ROUND_HALF_UP)


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


def whole_number(value: int | None) -> Decimal | None:
    """Return a whole number as a number field holds it."""
    return None if value is None else Decimal(value)


def unscaled_number(value: Fraction) -> Decimal:
    """Return a number that is kept without a scale, with the sixteen significant digits REST shows of it.

    Assumption (salesforce.md 4.5 and 5 of the design notes): nothing rounds the multiplier but the storage.
    """
    return field_number(_STORED.divide(Decimal(value.numerator), Decimal(value.denominator)))
