"""Mapping rules as somebody edits them: typed texts become rules, and each mistake stays at its parameter."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from decimal import Decimal
from enum import StrEnum

from cpqbridge.errors import ConfigurationError
from cpqbridge.mapping.configuration import Configuration
from cpqbridge.mapping.mapping_section import parse_mapping
from cpqbridge.mapping.rules import FixedValue, MappedValue
from cpqbridge.mapping.targets import Kind, target
from cpqbridge.sync.mapping_check import RuleProblem


class How(StrEnum):
    """What fills a parameter."""

    DEFAULT = "default"
    FIELD = "field"
    VALUE = "value"


@dataclass(frozen=True, slots=True)
class DraftRule:
    """One rule as it is typed: the text is a field path or a fixed value."""

    how: How = How.DEFAULT
    text: str = ""


Draft = Mapping[str, DraftRule]
"""The rules of one Stripe object by parameter; a parameter that is not named has its default."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadDraft:
    """A draft as rules: those that can be read, and what is wrong with the others."""

    rules: Mapping[str, MappedValue]
    problems: tuple[RuleProblem, ...]


def draft_of(rules: Mapping[str, MappedValue]) -> dict[str, DraftRule]:
    """Return rules as texts that can be edited."""
    return {
        parameter: DraftRule(How.FIELD, rule.path)
        if rule.path is not None
        else DraftRule(How.VALUE, _text(rule.value))
        for parameter, rule in rules.items()
    }


def read_draft(stripe_object: str, draft: Draft) -> ReadDraft:
    """Return the draft's rules, sorted by parameter; every mistake is a problem at its own parameter."""
    rules: dict[str, MappedValue] = {}
    problems = []
    for parameter in sorted(draft):
        rule = draft[parameter]
        try:
            read = _read(stripe_object, parameter, rule)
        except ConfigurationError as error:
            problems.append(_problem(stripe_object, parameter, error.message, error.fix))
            continue
        if read is not None:
            rules[parameter] = read
        elif rule.text.strip():
            problems.append(
                _problem(
                    stripe_object,
                    parameter,
                    "A text stands here, but the parameter is left at its default.",
                    "Choose whether it is a field or a fixed value, or empty the text.",
                )
            )
    return ReadDraft(rules=rules, problems=tuple(problems))


def with_rules(
    configuration: Configuration, stripe_object: str, rules: Mapping[str, MappedValue]
) -> Configuration:
    """Return the configuration with these rules for one Stripe object, all others as they are."""
    objects = {**configuration.mapping.objects, stripe_object: rules}
    mapping = replace(configuration.mapping, objects={name: each for name, each in objects.items() if each})
    return replace(configuration, mapping=mapping)


def _read(stripe_object: str, parameter: str, rule: DraftRule) -> MappedValue | None:
    if rule.how is How.DEFAULT:
        return None
    text = rule.text.strip()
    value: object = text if rule.how is How.FIELD else _typed(stripe_object, parameter, text)
    document = {stripe_object: {parameter: {rule.how.value: value}}}
    return parse_mapping(document, "mapping").of(stripe_object)[parameter]


def _typed(stripe_object: str, parameter: str, text: str) -> FixedValue:
    """Return a typed text as the configuration file would hold it; what does not fit is refused there."""
    try:
        wanted = target(stripe_object, parameter)
        if wanted is not None and wanted.kind is Kind.WHOLE_NUMBER:
            return int(text)
    except ValueError:
        return text
    if wanted is not None and wanted.kind is Kind.TRUE_FALSE and text.lower() in {"true", "false"}:
        return text.lower() == "true"
    return text


def _problem(stripe_object: str, parameter: str, message: str, fix: str) -> RuleProblem:
    return RuleProblem(stripe_object=stripe_object, parameter=parameter, message=message, fix=fix)


def _text(value: FixedValue | None) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return format(value, "f") if isinstance(value, Decimal) else str(value)
