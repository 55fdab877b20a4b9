"""Field paths: `Account.Name`, `SBQQ__Quote__r.SBQQ__StartDate__c`, and how they are read from a record."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from cpqbridge.mapping.raw import RawRecord

_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]*", re.ASCII)
_TO_MANY = frozenset(
    {"accounts", "assets", "cases", "childaccounts", "contacts", "contracts", "events", "notes"}
    | {"opportunities", "opportunitylineitems", "orderitems", "orders", "pricebookentries", "tasks"}
    | {"attachments", "histories", "feeds", "contentdocumentlinks"}
)


def parse_path(text: str) -> tuple[str, ...]:
    """Return the steps of a dot path: relationships first, the field last.

    Custom to-many relationships look like to-one ones and are found when the org's schema is read.

    Raises:
        ValueError: the text is no path of to-one relationships; the message says why.
    """
    steps = tuple(text.strip().split("."))
    for step in steps:
        if not _NAME.fullmatch(step):
            raise ValueError(f"{step!r} is not the API name of a field or relationship")
    *relationships, last = steps
    for name in relationships:
        _check_relationship(name)
    if last.endswith("__r") or last.lower() in _TO_MANY:
        raise ValueError(f"{last!r} is a relationship; the path must end with a field")
    return steps


def _check_relationship(name: str) -> None:
    if name.lower() in _TO_MANY:
        raise ValueError(f"{name!r} leads to many records; only paths to one record can be mapped")
    if name.endswith("__c"):
        raise ValueError(f"{name!r} is a field; write {name[:-1] + 'r'!r} to follow it")
    if name.endswith("Id") and len(name) > len("Id"):
        raise ValueError(f"{name!r} is an id field; write {name[:-2]!r} to follow it")


def follow(record: RawRecord, steps: Sequence[str]) -> object:
    """Return the value at the end of `steps`, None where a relationship or the field is empty or absent."""
    value: object = record
    for step in steps:
        if not isinstance(value, Mapping):
            return None
        value = value.get(step)
    return value


def follow_any_case(record: RawRecord, steps: Sequence[str]) -> object:
    """Return what `follow` returns, for paths typed by a person: Salesforce ignores the case of names."""
    value: object = record
    for step in steps:
        if not isinstance(value, Mapping):
            return None
        value = value[step] if step in value else _any_case(value, step)
    return value


def _any_case(record: Mapping[object, object], name: str) -> object:
    wanted = name.lower()
    return next(
        (value for key, value in record.items() if isinstance(key, str) and key.lower() == wanted), None
    )
