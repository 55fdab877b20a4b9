"""Pieces of SOQL text, safe to join."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, date, datetime

from cpqbridge.errors import ConfigurationError

# Salesforce, "Quoted String Escape Sequences", as restated in the project's design notes (20 Nov 2026).
_ESCAPES = str.maketrans(
    {"\\": "\\\\", "'": "\\'", "\n": "\\n", "\r": "\\r", "\t": "\\t", "\b": "\\b", "\f": "\\f"}
)


def quoted(text: str) -> str:
    """Return `text` as a SOQL string literal."""
    return f"'{text.translate(_ESCAPES)}'"


def datetime_literal(instant: datetime) -> str:
    """Return an aware instant as a SOQL datetime in UTC, whole seconds, rounded down."""
    return instant.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def day_start_literal(day: date) -> str:
    """Return 00:00:00 UTC of `day` as a SOQL datetime."""
    return f"{day.isoformat()}T00:00:00Z"


def select(fields: Iterable[str], source: str, *, where: str = "", order_by: str = "") -> str:
    """Return a query of `source`, an object or the name of a child list."""
    parts = ["SELECT", ", ".join(fields), "FROM", source]
    parts += ["WHERE", where] if where else []
    parts += ["ORDER BY", order_by] if order_by else []
    return " ".join(parts)


def any_of(conditions: Iterable[str]) -> str:
    """Return the conditions joined by OR, in parentheses."""
    return "(" + " OR ".join(conditions) + ")"


def one_of(field: str, values: Iterable[str]) -> str:
    """Return `field IN (...)` for text values, in sorted order."""
    return f"{field} IN ({', '.join(quoted(value) for value in sorted(set(values)))})"


def admin_condition(text: str, *, setting: str) -> str:
    """Return an admin's condition in parentheses, so that nothing in it reaches beyond them.

    Raises:
        ConfigurationError: Its quotes or parentheses do not pair up (code `filter_not_balanced`).
    """
    depth = 0
    quote_open = False
    escaped = False
    for character in text:
        if escaped:
            escaped = False
        elif quote_open:
            escaped = character == "\\"
            quote_open = character != "'"
        elif character == "'":
            quote_open = True
        elif character in "()":
            depth += 1 if character == "(" else -1
            if depth < 0:
                break
    if depth or quote_open or not text.strip():
        raise ConfigurationError(
            f"The condition {text!r} of {setting} is empty, or its quotes or parentheses do not pair up.",
            code="filter_not_balanced",
            field=setting,
            fix="Write one SOQL condition, like: Type != 'Test' AND (Amount__c > 0 OR Paid__c = true).",
        )
    return f"({text.strip()})"
