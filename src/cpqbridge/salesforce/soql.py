"""Pieces of SOQL text, safe to join."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime

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
