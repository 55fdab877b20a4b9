"""Raw REST values as typed ones. Nothing is guessed: what does not fit raises with the reason."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime
from decimal import Decimal

MAX_WHOLE_DIGITS = 18
"""Salesforce numbers have at most 18 digits (Salesforce help, "Custom Field Types", 20 Nov 2026)."""
MAX_DECIMALS = 40
FIRST_YEAR = 1970
LAST_YEAR = 2199

_SHOWN_LENGTH = 60
_DATE = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)


class UnreadableValueError(ValueError):
    """A raw value is not what its field should hold; the message says what it is instead."""


def shown(value: object) -> str:
    """Return a value as a short text for messages; never fails."""
    try:
        text = str(value) if isinstance(value, Decimal) else repr(value)
    except (ValueError, RecursionError):
        # Python refuses to write whole numbers of thousands of digits.
        return "a value too large to show"
    return text if len(text) <= _SHOWN_LENGTH else f"{text[:_SHOWN_LENGTH]}…"


def as_text(value: object) -> str | None:
    """Return a text, None where it is empty or blank.

    Raises:
        UnreadableValueError: the value is not a text.
    """
    if value is None:
        return None
    if not isinstance(value, str):
        raise UnreadableValueError(f"{shown(value)} is not a text")
    return value.strip() or None


def as_boolean(value: object) -> bool:
    """Return a check box; empty counts as false.

    Raises:
        UnreadableValueError: the value is not true or false.
    """
    if value is None:
        return False
    if not isinstance(value, bool):
        raise UnreadableValueError(f"{shown(value)} is not true or false")
    return value


def as_decimal(value: object) -> Decimal | None:
    """Return a number with exactly its digits, None where it is empty.

    Raises:
        UnreadableValueError: the value is not a finite number that Salesforce can hold.
    """
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, (int, float, Decimal)):
        raise UnreadableValueError(f"{shown(value)} is not a number")
    number = Decimal(str(value)) if isinstance(value, float) else Decimal(value)
    if not number.is_finite():
        raise UnreadableValueError(f"{shown(value)} is not a number")
    if number and number.adjusted() >= MAX_WHOLE_DIGITS:
        raise UnreadableValueError(f"{shown(value)} has more than {MAX_WHOLE_DIGITS} digits before the point")
    exponent = number.as_tuple().exponent
    if isinstance(exponent, int) and exponent < -MAX_DECIMALS:
        raise UnreadableValueError(f"{shown(value)} has more than {MAX_DECIMALS} decimals")
    return number


def as_whole_number(value: object) -> int | None:
    """Return a whole number, None where it is empty.

    Raises:
        UnreadableValueError: the value is not a number, or has decimals.
    """
    number = as_decimal(value)
    if number is None:
        return None
    if number != number.to_integral_value():
        raise UnreadableValueError(f"{shown(value)} is not a whole number")
    return int(number)


def as_date(value: object) -> date | None:
    """Return a calendar date of the years 1970 to 2199, None where it is empty.

    Raises:
        UnreadableValueError: the value is not such a date.
    """
    text = as_text(value)
    if text is None:
        return None
    try:
        day = date.fromisoformat(text) if _DATE.fullmatch(text) else None
    except ValueError:
        day = None
    if day is None:
        raise UnreadableValueError(f"{shown(value)} is not a date like 2026-01-31")
    return _in_range(day, value)


def as_instant(value: object) -> datetime | None:
    """Return a date-time such as `2026-01-28T15:04:05.000+0000` as an aware UTC instant, None where empty.

    Raises:
        UnreadableValueError: the value is not a date-time with an offset, of the years 1970 to 2199.
    """
    text = as_text(value)
    if text is None:
        return None
    try:
        given = datetime.fromisoformat(text)
        instant = given.astimezone(UTC) if given.tzinfo is not None else None
    except (ValueError, OverflowError):
        instant = None
    if instant is None:
        raise UnreadableValueError(f"{shown(value)} is not a time like 2026-01-31T09:30:00.000+0000")
    _in_range(instant.date(), value)
    return instant


def _in_range(day: date, value: object) -> date:
    if not FIRST_YEAR <= day.year <= LAST_YEAR:
        raise UnreadableValueError(f"{shown(value)} lies outside the years {FIRST_YEAR} to {LAST_YEAR}")
    return day
