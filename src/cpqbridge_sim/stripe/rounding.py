"""Rounding of exact amounts to whole minor units; each tie rule has one home here."""

import math
from fractions import Fraction

_HALF = Fraction(1, 2)


def round_proration(amount: Fraction) -> int:
    """Nearest minor unit, an exact half toward minus infinity (vendor samples: -2.5 is -3, 4.5 is 4)."""
    return math.ceil(amount - _HALF)


def round_half_up(amount: Fraction) -> int:
    """Nearest minor unit, an exact half away from minus infinity."""
    return math.floor(amount + _HALF)


def round_line(amount: Fraction, *, ties_up: bool) -> int:
    """Nearest minor unit, an exact half up or else to even."""
    return round_half_up(amount) if ties_up else round(amount)
