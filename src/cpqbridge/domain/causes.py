"""What orders that need somebody have in common: one cause is what one kind of action would solve."""

from __future__ import annotations

import hashlib
import re

_TOLD_BY_MESSAGE = frozenset({"stripe_refused", "salesforce_refused", "unexpected"})
"""Codes whose advice is always the same; the message alone says what is wrong."""

_LETTERS_OF_A_MARK = 8
_LONGEST_CODE = 64

_VARYING = (
    # A quoted value, an id of Salesforce or Stripe, an address, a number, an amount or a day.
    re.compile(r"'[^']*'|\"[^\"]*\""),
    re.compile(r"\bhttps?://\S+"),
    re.compile(r"\b(?=[A-Za-z0-9_]*\d)[A-Za-z0-9]+(?:_[A-Za-z0-9]+)+\b"),
    re.compile(r"\b(?=[A-Za-z]*\d)[A-Za-z0-9]{10,18}\b"),
    re.compile(r"-?\d[\d.,:-]*"),
)


def cause_of(*, code: str, field: str, message: str, fix: str) -> str:
    """Return the name of a cause: the code and a short mark of field and advice; empty without a code.

    Orders whose advice differs only in ids, quoted values, numbers and dates have the same cause.
    """
    if not code:
        return ""
    said = message if code in _TOLD_BY_MESSAGE else fix
    mark = hashlib.sha256(f"{field}\n{pattern_of(said)}".encode()).hexdigest()[:_LETTERS_OF_A_MARK]
    return f"{code[:_LONGEST_CODE]}-{mark}"


def pattern_of(text: str) -> str:
    """Return a text with everything that differs from record to record replaced by `…`."""
    for varying in _VARYING:
        text = varying.sub("…", text)
    return " ".join(text.split())
