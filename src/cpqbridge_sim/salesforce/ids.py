"""Salesforce record ids: 15 case-sensitive characters, or 18 with a checksum."""

from __future__ import annotations

import re

_CHECKSUM = "ABCDEFGHIJKLMNOPQRSTUVWXYZ012345"
_DIGITS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_SHAPE = re.compile(r"[A-Za-z0-9]{15}(?:[A-Za-z0-9]{3})?")
SHORT_LENGTH = 15


def looks_like_id(text: object) -> bool:
    """True for text of 15 or 18 letters and digits."""
    return isinstance(text, str) and _SHAPE.fullmatch(text) is not None


def checksum(short: str) -> str:
    """The three characters that complete a 15-character id.

    For each group of five, bit k is set when character k is A-Z; the value picks one of 32 characters.
    """
    groups = (short[0:5], short[5:10], short[10:15])
    return "".join(
        _CHECKSUM[sum(1 << bit for bit, character in enumerate(group) if "A" <= character <= "Z")]
        for group in groups
    )


def long_id(text: str) -> str:
    """The 18-character form of a well-formed id; an 18-character id stays as it is."""
    return text if len(text) > SHORT_LENGTH else text + checksum(text)


def numbered_id(prefix: str, number: int) -> str:
    """An 18-character id with a key prefix, the marker `Sm0` of this org and a serial number >= 0."""
    digits = ""
    while number:
        number, digit = divmod(number, len(_DIGITS))
        digits = _DIGITS[digit] + digits
    return long_id(f"{prefix}Sm0{digits.rjust(9, '0')}")


class IdRegistry:
    """Knows which 18-character form each id of the org has.

    Ids in exports written by hand may carry a wrong checksum. The org then keeps the form it was given, so
    that answers show the same id as the export, and still finds it by its first 15 characters.
    """

    def __init__(self) -> None:
        self._long: dict[str, str] = {}

    def register(self, text: str) -> str:
        """Remember and return the 18-character form of a record's own id."""
        return self._long.setdefault(text[:SHORT_LENGTH], long_id(text))

    def resolve(self, text: str) -> str:
        """The 18-character form by which a record would be known; works for unknown ids too."""
        return self._long.get(text[:SHORT_LENGTH]) or long_id(text)
