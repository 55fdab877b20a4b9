"""The form of preferences: a configuration as its fields' texts, and the sent fields as a configuration."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from cpqbridge.errors import ConfigurationError
from cpqbridge.mapping.configuration import Configuration, configuration_document, parse_configuration
from cpqbridge.mapping.policy_words import POLICY_WORDS
from cpqbridge.sync.preferences import problems
from cpqbridge.web.ask import Fields

_SWITCH = "sync.live"
_PRECISION = "policy.prorate_precision"
_NUMBERS = (
    "sync.poll_seconds",
    "sync.stripe_rate",
    "sync.record_retention",
    "sync.history_days",
    "sync.audit_days",
    "sync.events_poll_seconds",
    "caps.cancels_per_hour",
    "caps.backdated_periods",
)
_TEXTS = (
    "sync.start_date",
    "sync.api_share",
    "sync.events",
    "currency",
    "filters.activated",
    "filters.Order",
    "filters.Account",
    "filters.Product2",
    "filters.PricebookEntry",
    "policy.time_zone",
    *(f"policy.{words.name}" for words in POLICY_WORDS),
    "caps.bill_per_order",
)
_NONE_WHEN_EMPTY = frozenset(
    {
        "sync.start_date",
        "sync.stripe_rate",
        "currency",
        "filters.activated",
        "filters.Order",
        "filters.Account",
        "filters.Product2",
        "filters.PricebookEntry",
        "caps.bill_per_order",
    }
)
_WHOLE_NUMBER = re.compile(r"-?\d{1,9}", re.ASCII)
FIELDS = (_SWITCH, *_NUMBERS, *_TEXTS)
"""Every field of the form, named by the dotted path of its setting."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PreferenceForm:
    """The texts of all fields, and what is wrong with them by field.

    `configuration` is what they stand for, None where something is wrong.
    """

    values: Mapping[str, str]
    configuration: Configuration | None = None
    errors: Mapping[str, ConfigurationError] = field(default_factory=dict)

    def error(self, name: str) -> str:
        """Return what is wrong with a field and what to do, empty where nothing is.

        The configuration file names the setting by its path; beside its field that is "this".
        """
        found = self.errors.get(name)
        if found is None:
            return ""
        fix = (found.fix or "").replace(f" there, or leave {name} out", "")
        return f"{found.message.replace(name, 'This', 1)} {fix}".strip()


def shown_form(configuration: Configuration) -> PreferenceForm:
    """Return the form as a configuration fills it."""
    document = configuration_document(configuration)
    values = {name: _text(_value_at(document, name)) for name in FIELDS}
    values["filters.activated"] = configuration.filters.activated or ""
    values[_SWITCH] = "yes" if configuration.sync.live else ""
    return PreferenceForm(values=values, configuration=configuration)


def read_form(sent: Fields, before: Configuration) -> PreferenceForm:
    """Return the form as it was sent; what it does not hold, like the mapping, stays as it was before."""
    values = {name: sent.text(name) for name in FIELDS}
    document = configuration_document(before)
    filters: dict[str, object] = {}
    for name in FIELDS:
        section, _, key = name.rpartition(".")
        inner: Any = filters if section == "filters" else document[section] if section else document
        inner[key] = _given(name, values[name])
    document["filters"] = filters
    policy: Any = document["policy"]
    if not values[_PRECISION]:
        # Nobody has confirmed one: the default is used until somebody does.
        del policy["prorate_precision"]
    errors = problems(document)
    if errors:
        return PreferenceForm(values=values, errors=errors)
    return PreferenceForm(values=values, configuration=parse_configuration(document))


def _given(name: str, text: str) -> object:
    """Return what a field's text stands for in the document; what it cannot be is refused when it is read."""
    if name == _SWITCH:
        return text == "yes"
    if not text and name in _NONE_WHEN_EMPTY:
        return None
    return int(text) if name in _NUMBERS and _WHOLE_NUMBER.fullmatch(text) else text


def _value_at(document: Mapping[str, Any], path: str) -> object:
    section, _, key = path.rpartition(".")
    inner = document.get(section, {}) if section else document
    return inner.get(key)


def _text(value: object) -> str:
    return "" if value is None else str(value)
