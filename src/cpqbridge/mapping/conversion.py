"""Mapped values in the form a Stripe parameter takes (B10.3, B10.4)."""

from __future__ import annotations

from datetime import date, datetime, time
from decimal import Decimal

from cpqbridge.mapping.payment_terms import days_until_due
from cpqbridge.mapping.targets import Kind, Target
from cpqbridge.mapping.values import as_date, as_decimal, as_instant, as_whole_number, shown

_DATE_LENGTH = 10


class UnfitValueError(ValueError):
    """A value that a parameter cannot take; `wanted` says what it takes."""

    def __init__(self, value: object, wanted: str) -> None:
        """Keep what was wanted apart from the message."""
        super().__init__(f"{shown(value)} is not {wanted}")
        self.wanted = wanted


def converted(target: Target, value: object) -> object:
    """Return `value` as `target` takes it, uncut; None where it is empty. False and 0 are values.

    Texts come back as text, dates as `date`, amounts and percentages as Decimal (major units), payment terms
    as days (None: charge automatically).

    Raises:
        UnfitValueError: the value is of another type, or not one of the choices.
    """
    if value is None or (isinstance(value, str) and not value.strip()):
        return None
    try:
        match target.kind:
            case Kind.TEXT:
                return plain_text(value)
            case Kind.CHOICE:
                return _choice(target, value)
            case Kind.TRUE_FALSE:
                return _truth(value)
            case Kind.WHOLE_NUMBER:
                return as_whole_number(value)
            case Kind.PAYMENT_TERM:
                return days_until_due(value)
            case Kind.DATE:
                return _date(value)
            case _:  # an amount or a percentage
                return as_decimal(value)
    except UnfitValueError:
        raise
    except ValueError:
        raise UnfitValueError(value, _wanted(target)) from None


def plain_text(value: object) -> str:
    """Return a text, number, truth value or date as text: `true`, `12.5`, `2026-01-31`.

    Raises:
        ValueError: the value is something else, or a number that Salesforce cannot hold.
    """
    if isinstance(value, str):
        return value.strip()
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, date):
        return value.isoformat()
    number = as_decimal(value)
    if number is None:
        raise ValueError("nothing is not a text")
    return number_text(number)


def number_text(number: Decimal) -> str:
    """Return a number without exponent and without needless zeros: `600.0` is `600`."""
    text = format(number, "f")
    return (text.rstrip("0").rstrip(".") or "0") if "." in text else text


def _wanted(target: Target) -> str:
    if target.kind is Kind.CHOICE:
        return f"one of {', '.join(target.choices)}"
    return "a text" if target.kind is Kind.TEXT else str(target.kind)


def _choice(target: Target, value: object) -> str:
    wanted = value.strip().lower() if isinstance(value, str) else ""
    if wanted not in target.choices:
        raise UnfitValueError(value, _wanted(target))
    return wanted


def _truth(value: object) -> bool:
    if isinstance(value, bool):
        return value
    if isinstance(value, str) and value.strip().lower() in {"true", "false"}:
        return value.strip().lower() == "true"
    raise ValueError("neither true nor false")


def _date(value: object) -> date | None:
    """Return a date, or that of a date-time at midnight as it is written; no other time is a whole day's."""
    if not isinstance(value, str) or len(value.strip()) <= _DATE_LENGTH:
        return as_date(value.isoformat() if isinstance(value, date) else value)
    as_instant(value)
    if datetime.fromisoformat(value.strip()).time() != time():
        raise ValueError("not at midnight")
    return as_date(value.strip()[:_DATE_LENGTH])
