"""What differs between two configuration documents, by dotted path."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from cpqbridge.errors import ConfigurationError
from cpqbridge.mapping.configuration import configuration_document, parse_configuration

_RULE_KEYS = frozenset({"field", "value"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One setting that differs: its value in each document, None where it is not set.

    The rule of a mapped parameter is one value: `{"field": path}` or `{"value": fixed}`.
    """

    path: str
    before: object
    after: object


def configuration_changes(before: Mapping[str, Any], after: Mapping[str, Any]) -> tuple[Change, ...]:
    """Return the settings that differ, by path.

    A setting that one document does not name has its default there, as when the file is read.
    """
    old, new = (dict(_settings(_completed(document), "")) for document in (before, after))
    return tuple(
        Change(path=path, before=old.get(path), after=new.get(path))
        for path in sorted(old.keys() | new.keys())
        if old.get(path) != new.get(path)
    )


def _completed(document: Mapping[str, Any]) -> Mapping[str, Any]:
    try:
        return configuration_document(parse_configuration(document))
    except ConfigurationError:
        # Another release wrote it and knew other settings: it is compared as it stands.
        return document


def _settings(value: Mapping[str, Any], path: str) -> Iterator[tuple[str, object]]:
    for name, inner in value.items():
        inner_path = f"{path}.{name}" if path else str(name)
        if isinstance(inner, Mapping) and not (inner and inner.keys() <= _RULE_KEYS):
            yield from _settings(inner, inner_path)
        else:
            yield inner_path, inner
