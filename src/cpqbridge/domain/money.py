"""Money: integer minor units and a currency; rates are Decimals. Never float."""

from __future__ import annotations

from decimal import ROUND_HALF_UP, Context, Decimal
from fractions import Fraction

# Stripe, "Supported currencies", zero-decimal and three-decimal lists, read 20 Nov 2026.
ZERO_DECIMAL_CURRENCIES = frozenset(
    {"bif", "clp", "djf", "gnf", "jpy", "kmf", "krw", "mga"}
    | {"pyg", "rwf", "ugx", "vnd", "vuv", "xaf", "xof", "xpf"}
)
THREE_DECIMAL_CURRENCIES = frozenset({"bhd", "jod", "kwd", "omr", "tnd"})

UNIT_AMOUNT_DECIMALS = 12
_WIDE = Context(prec=60, rounding=ROUND_HALF_UP)


def currency_decimals(currency: str) -> int:
    """Return how many decimals the currency's major unit has: 0, 2 or 3."""
    code = currency.lower()
    if code in ZERO_DECIMAL_CURRENCIES:
        return 0
    return 3 if code in THREE_DECIMAL_CURRENCIES else 2


def amount_step_minor(currency: str) -> int:
    """Return of how many minor units Stripe's amounts are multiples: 10 with three decimals, else 1.

    Source: Stripe, "Supported currencies", three-decimal currencies, as restated in the project's design
    notes (20 Nov 2026): the last digit must be 0.
    """
    return 10 if currency.lower() in THREE_DECIMAL_CURRENCIES else 1


def round_half_up(value: Decimal | Fraction) -> int:
    """Return the nearest integer; an exact half goes away from zero."""
    return _half_up(*value.as_integer_ratio())


def _half_up(numerator: int, denominator: int) -> int:
    magnitude = (2 * abs(numerator) + denominator) // (2 * denominator)
    return magnitude if numerator >= 0 else -magnitude


def charge_minor(unit_amount_decimal: str, units: int) -> int:
    """Return what one invoice line of so many units at a price of Stripe's comes to, in minor units.

    The exact product is rounded once, half up.
    """
    numerator, denominator = Decimal(unit_amount_decimal).as_integer_ratio()
    return _half_up(numerator * units, denominator)


def to_minor(amount: Decimal | Fraction, currency: str) -> Fraction:
    """Return an amount in major units as an exact, unrounded number of minor units."""
    return Fraction(amount) * Fraction(10 ** currency_decimals(currency))


def rounded_minor(amount: Decimal | Fraction, currency: str) -> int:
    """Return an amount in major units as whole minor units, half up."""
    return round_half_up(to_minor(amount, currency))


def major_text(amount_minor: int, currency: str) -> str:
    """Return minor units as a decimal string in major units: 86246 USD is "862.46"."""
    decimals = currency_decimals(currency)
    sign = "-" if amount_minor < 0 else ""
    digits = str(abs(amount_minor)).rjust(decimals + 1, "0")
    if not decimals:
        return sign + digits
    return f"{sign}{digits[:-decimals]}.{digits[-decimals:]}"


def unit_amount_text(amount_minor: Fraction) -> str:
    """Return a price in minor units as Stripe's `unit_amount_decimal`: at most 12 decimals, half up."""
    scaled = round_half_up(amount_minor * 10**UNIT_AMOUNT_DECIMALS)
    value = Decimal(scaled).scaleb(-UNIT_AMOUNT_DECIMALS, _WIDE)
    text = format(value, "f")
    return text.rstrip("0").rstrip(".") if "." in text else text
