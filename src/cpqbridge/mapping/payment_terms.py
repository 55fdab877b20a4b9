"""Payment terms: `Net 30` becomes 30 days until an invoice is due (B5.3)."""

from __future__ import annotations

import re
from decimal import Decimal

from cpqbridge.mapping.values import as_whole_number, shown

MAX_DAYS = 3650

_NET = re.compile(r"(?:net\s*)?([0-9]{1,4})(?:\.0+)?(?:\s*days?)?", re.ASCII | re.IGNORECASE)
_HYPHENS = frozenset("-\N{EN DASH}\N{EM DASH}")


def days_until_due(term: object) -> int | None:
    """Return the days until an invoice is due; None (blank or a hyphen) charges automatically.

    Raises:
        ValueError: the term is neither `Net 30` nor a number of days up to ten years.
    """
    if term is None:
        return None
    if isinstance(term, (int, Decimal)) and not isinstance(term, bool):
        days = as_whole_number(term)
    elif isinstance(term, str):
        text = term.strip()
        if not text or set(text) <= _HYPHENS:
            return None
        match = _NET.fullmatch(text)
        days = int(match.group(1)) if match else None
    else:
        days = None
    if days is None or not 0 <= days <= MAX_DAYS:
        raise ValueError(f"{shown(term)} is not a payment term like Net 30")
    return days
