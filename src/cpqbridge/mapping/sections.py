"""Reading one section of the configuration file: types checked, unknown names refused with a suggestion."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable, Mapping
from datetime import date, datetime
from decimal import Decimal, InvalidOperation
from enum import StrEnum
from typing import TypeVar

from cpqbridge.errors import ConfigurationError
from cpqbridge.mapping.values import shown

T = TypeVar("T")
Choice = TypeVar("Choice", bound=StrEnum)
Reader = Callable[[object, str], T]
"""Turns the value at a dotted path into what it stands for, or raises ConfigurationError."""


def suggestion(word: str, known: Iterable[str]) -> str:
    """Return "Did you mean …?" for the nearest known word, else the list of the known ones."""
    names = sorted(known)
    nearest = difflib.get_close_matches(word, names, n=1, cutoff=0.6)
    if nearest:
        return f"Did you mean {nearest[0]!r}?"
    return f"Known here: {', '.join(names)}." if names else "Nothing can be set here."


def wrong_value(path: str, value: object, wanted: str) -> ConfigurationError:
    """Return the error for a value that is not what `path` needs."""
    return ConfigurationError(
        f"{path} is {shown(value)}, which is not {wanted}.",
        code="configuration_value",
        field=path,
        fix=f"Write {wanted} there, or leave {path} out.",
    )


def unknown_key(path: str, word: object, known: Iterable[str]) -> ConfigurationError:
    """Return the error for a name that the configuration does not have."""
    full = f"{path}.{word}" if path else str(word)
    return ConfigurationError(
        f"The configuration has no {shown(full)}.",
        code="configuration_unknown_key",
        field=full,
        fix=suggestion(str(word), known),
    )


def mapping_at(value: object, path: str) -> Mapping[object, object]:
    """Return the mapping at `path`; nothing there counts as an empty one."""
    if value is None:
        return {}
    if isinstance(value, Mapping):
        return value
    if path:
        raise wrong_value(path, value, "a section with names and values")
    raise ConfigurationError(
        f"The configuration is {shown(value)}, not a file of names and values.",
        code="configuration_value",
        fix="Begin with a line like `version: 1`.",
    )


class Section:
    """One section; `read` takes a value out, names that are not in `known` are refused at once."""

    def __init__(self, raw: object, path: str, known: Iterable[str]) -> None:
        """Check the names of the section at `path` ("" is the file itself)."""
        self._path = path
        self._values = mapping_at(raw, path)
        names = tuple(known)
        for word in self._values:
            if word not in names:
                raise unknown_key(path, word, names)

    def read(self, name: str, reader: Reader[T], default: T) -> T:
        """Return what `reader` makes of `name`, or `default` where the section does not have it."""
        if name not in self._values:
            return default
        return reader(self._values[name], f"{self._path}.{name}" if self._path else name)

    def has(self, name: str) -> bool:
        """Return whether the section names `name` at all."""
        return name in self._values


def text(value: object, path: str) -> str:
    """Return a text that is not blank."""
    if not isinstance(value, str) or not value.strip():
        raise wrong_value(path, value, "a text")
    return value.strip()


def optional_text(value: object, path: str) -> str | None:
    """Return a text; None or a blank one counts as none."""
    if value is None or (isinstance(value, str) and not value.strip()):
        return None
    return text(value, path)


def true_or_false(value: object, path: str) -> bool:
    """Return a truth value."""
    if not isinstance(value, bool):
        raise wrong_value(path, value, "true or false")
    return value


def whole_number(lowest: int, highest: int) -> Reader[int]:
    """Return a reader of whole numbers from `lowest` to `highest`, both included."""

    def read(value: object, path: str) -> int:
        if isinstance(value, bool) or not isinstance(value, int) or not lowest <= value <= highest:
            raise wrong_value(path, value, f"a whole number from {lowest} to {highest}")
        return value

    return read


def number(value: object, path: str) -> Decimal:
    """Return a finite number, exactly as written; YAML's floats are taken by their shortest text."""
    if isinstance(value, (int, float, Decimal)) and not isinstance(value, bool):
        try:
            found = Decimal(str(value))
        except (InvalidOperation, ValueError):
            raise wrong_value(path, value, "a number") from None
        if found.is_finite():
            return found
    raise wrong_value(path, value, "a number")


def calendar_date(value: object, path: str) -> date | None:
    """Return a date such as 2026-01-31; None stays None."""
    if value is None or (isinstance(value, date) and not isinstance(value, datetime)):
        return value
    if isinstance(value, str):
        try:
            return date.fromisoformat(value.strip())
        except ValueError:
            pass
    raise wrong_value(path, value, "a date like 2026-01-31")


def choice(values: type[Choice]) -> Reader[Choice]:
    """Return a reader of one of the values of an enumeration."""
    known = tuple(member.value for member in values)

    def read(value: object, path: str) -> Choice:
        if isinstance(value, str) and value in known:
            return values(value)
        raise ConfigurationError(
            f"{path} is {shown(value)}, which is not one of its values.",
            code="configuration_value",
            field=path,
            fix=suggestion(value if isinstance(value, str) else "", known),
        )

    return read
