"""The `mapping` section of the configuration file (B10): parsed, checked, and written back."""

from __future__ import annotations

import re
from datetime import date
from decimal import Decimal
from functools import partial

from cpqbridge.errors import ConfigurationError
from cpqbridge.mapping import sections
from cpqbridge.mapping.conversion import UnfitValueError, converted
from cpqbridge.mapping.rules import STRIPE_OBJECTS, FixedValue, MappedValue, MappingRules, field_rule
from cpqbridge.mapping.targets import METADATA, TARGETS, Kind, Target, target
from cpqbridge.mapping.values import shown

_PREFIX = re.compile(r"[A-Za-z](?:_?[A-Za-z0-9])*_{0,2}", re.ASCII)
_PREFIX_LIMIT = 20
_RULE_NAMES = ("field", "value")
_DECIMALS = frozenset({Kind.PERCENT, Kind.AMOUNT})


def parse_mapping(raw: object, path: str) -> MappingRules:
    """Return the rules of the section at `path`.

    Raises:
        ConfigurationError: unknown object, parameter or key, a malformed path, or a value that does not fit.
    """
    section = sections.Section(raw, path, ("salesforce_prefix", *STRIPE_OBJECTS))
    none: dict[str, MappedValue] = {}
    objects = {name: section.read(name, _rules_reader(name), none) for name in STRIPE_OBJECTS}
    return MappingRules(
        salesforce_prefix=section.read("salesforce_prefix", _prefix, ""),
        objects={name: rules for name, rules in objects.items() if rules},
    )


def mapping_document(rules: MappingRules) -> dict[str, object]:
    """Return the section's content; parsing it gives the same rules again."""
    document: dict[str, object] = {"salesforce_prefix": rules.salesforce_prefix}
    for name, parameters in rules.objects.items():
        document[name] = {
            parameter: {"field": rule.path} if rule.path is not None else {"value": _written(rule.value)}
            for parameter, rule in parameters.items()
        }
    return document


def _written(value: FixedValue | None) -> FixedValue | None:
    return format(value, "f") if isinstance(value, Decimal) else value


def _prefix(value: object, path: str) -> str:
    given = sections.optional_text(value, path)
    if given is None:
        return ""
    if len(given) > _PREFIX_LIMIT or not _PREFIX.fullmatch(given):
        raise sections.wrong_value(path, value, "the beginning of an API name, like Acme_")
    return given


def _rules_reader(stripe_object: str) -> sections.Reader[dict[str, MappedValue]]:
    def read(raw: object, path: str) -> dict[str, MappedValue]:
        found = {}
        for word, rule in sections.mapping_at(raw, path).items():
            parameter = str(word)
            wanted = _target(stripe_object, parameter, path)
            found[parameter] = _rule(stripe_object, wanted, rule, f"{path}.{parameter}")
        return found

    return read


def _target(stripe_object: str, parameter: str, path: str) -> Target:
    try:
        found = target(stripe_object, parameter)
    except ValueError as error:
        raise ConfigurationError(
            f"{path}.{parameter} cannot be mapped: {error}.",
            code="configuration_unknown_key",
            field=f"{path}.{parameter}",
            fix="Choose another metadata key.",
        ) from None
    if found is None:
        raise sections.unknown_key(path, parameter, (*TARGETS[stripe_object], f"{METADATA}<key>"))
    return found


def _rule(stripe_object: str, wanted: Target, raw: object, path: str) -> MappedValue:
    if isinstance(raw, str):
        raise ConfigurationError(
            f"{path} is {shown(raw)}; it must say whether that is a field or a value.",
            code="configuration_value",
            field=path,
            fix=f"Write {{field: {raw}}} or {{value: {raw}}}.",
        )
    section = sections.Section(raw, path, _RULE_NAMES)
    if section.has("field") == section.has("value"):
        raise ConfigurationError(
            f"{path} needs either a field or a value.",
            code="configuration_value",
            field=path,
            fix="Write {field: Path.To.Field} or {value: …}.",
        )
    if section.has("field"):
        typed = section.read("field", sections.text, "")
        return _checked_field(stripe_object, typed, f"{path}.field")
    none: FixedValue = ""
    return MappedValue(value=section.read("value", partial(_fixed, wanted), none))


def _checked_field(stripe_object: str, typed: str, path: str) -> MappedValue:
    try:
        return field_rule(stripe_object, typed)
    except ValueError as error:
        raise ConfigurationError(
            f"{path} is {typed!r}, which cannot be mapped: {error}.",
            code="configuration_path",
            field=path,
            fix="Write API names with dots between them, for example Order.BillToContact.Email.",
        ) from None


def _fixed(wanted: Target, value: object, path: str) -> FixedValue:
    plain = value.isoformat() if isinstance(value, date) else value
    if isinstance(plain, float):
        plain = sections.number(plain, path)
    if isinstance(plain, str) and wanted.kind in _DECIMALS:
        # A number that is written as a text keeps all its digits in YAML and JSON.
        plain = _decimal(plain)
    try:
        text = converted(wanted, plain)
    except UnfitValueError as error:
        raise sections.wrong_value(path, value, error.wanted) from None
    if isinstance(text, str) and len(text) > wanted.limit:
        raise sections.wrong_value(path, value, f"a text of at most {wanted.limit} characters")
    if isinstance(plain, (str, bool, int, Decimal)) and plain != "":
        return plain
    raise sections.wrong_value(path, value, "a text, a number, true or false")


def _decimal(text: str) -> Decimal | str:
    try:
        return Decimal(text.strip())
    except ArithmeticError:
        return text
