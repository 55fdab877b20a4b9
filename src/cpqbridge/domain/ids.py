"""Salesforce record ids: 18 characters inside, 15 accepted at the edge."""

from __future__ import annotations

import re

_CHECKSUM_ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZ012345"
_SHORT_ID = re.compile(r"[0-9A-Za-z]{15}")
_SHORT_LENGTH = 15
_LONG_LENGTH = 18
_GROUP_LENGTH = 5


def checksum(short_id: str) -> str:
    """Return the three checksum characters of a 15-character id.

    Source: Salesforce help, "ID field values", as restated in the project's design notes (20 Nov 2026):
    bit k of each group of five is 1 where character k is an upper-case letter.
    """
    characters = []
    for offset in range(0, _SHORT_LENGTH, _GROUP_LENGTH):
        group = short_id[offset : offset + _GROUP_LENGTH]
        value = sum(1 << place for place, character in enumerate(group) if "A" <= character <= "Z")
        characters.append(_CHECKSUM_ALPHABET[value])
    return "".join(characters)


def salesforce_id(text: str) -> str:
    """Return `text` as an 18-character id with the right checksum.

    Raises:
        ValueError: `text` is not a 15- or 18-character id, or its checksum does not fit.
    """
    short = text[:_SHORT_LENGTH]
    if len(text) not in (_SHORT_LENGTH, _LONG_LENGTH) or not _SHORT_ID.fullmatch(short):
        raise ValueError(f"{text!r} is not a Salesforce id of 15 or 18 characters")
    full = short + checksum(short)
    if len(text) == _LONG_LENGTH and text.upper() != full.upper():
        raise ValueError(f"{text!r} has a wrong checksum; the id of these 15 characters is {full}")
    return full


def is_salesforce_id(text: object) -> bool:
    """Return whether `text` is a string that `salesforce_id` accepts."""
    try:
        salesforce_id(text if isinstance(text, str) else "")
    except ValueError:
        return False
    return True
