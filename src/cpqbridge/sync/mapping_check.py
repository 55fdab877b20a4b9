"""Whether mapping rules fit both sides (B10.3): readable fields, types, metadata limits."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from cpqbridge.errors import ConfigurationError
from cpqbridge.mapping.field_fit import Fit, fit_of
from cpqbridge.mapping.rules import MAX_RELATIONSHIPS, MappedValue, MappingRules, SourcePath
from cpqbridge.mapping.targets import METADATA, Kind, Target, target
from cpqbridge.salesforce.schema import FieldSchema, ObjectSchema, OrgSchema
from cpqbridge.sync.ports import SalesforceSide

MOST_METADATA_KEYS = 40
"""Stripe takes 50 keys on one object (API reference, "Metadata", read 21 Nov 2026); ten are kept for ours."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleProblem:
    """What is wrong with one rule; `path` is its place in the configuration file."""

    stripe_object: str
    parameter: str
    message: str
    fix: str

    @property
    def path(self) -> str:
        """Return the dotted path of the rule."""
        return f"mapping.{self.stripe_object}.{self.parameter}"


def require_fitting(rules: MappingRules, schema: OrgSchema) -> None:
    """Check the rules against the org's schema, which must know every object their paths lead through.

    Raises:
        ConfigurationError: a rule does not fit; `field` is the place of the first one.
    """
    problems = rule_problems(rules, schema)
    if problems:
        first, others = problems[0], len(problems) - 1
        more = f" {others} more of the mapping {'does' if others == 1 else 'do'} not fit." if others else ""
        raise ConfigurationError(
            f"{first.path}: {first.message}{more}",
            code="mapping_unfit",
            field=first.path,
            fix=first.fix,
        )


def described_for(rules: MappingRules, salesforce: SalesforceSide) -> OrgSchema:
    """Return the org's schema with every object that the rules lead through; see `described_along`."""
    every = (rule for each in rules.objects.values() for rule in each.values())
    return described_along(salesforce, [rule.source for rule in every if rule.source is not None])


def described_along(salesforce: SalesforceSide, sources: Iterable[SourcePath]) -> OrgSchema:
    """Return the org's schema with every object that these paths lead through; one call each step at most."""
    paths = list(sources)
    schema = salesforce.describe({path.object_name for path in paths})
    for _ in range(MAX_RELATIONSHIPS):
        reached = {name for path in paths for name in schema.targets(path.object_name, path.text)}
        if reached <= schema.objects.keys() | schema.absent:
            break
        schema = salesforce.describe(reached)
    return schema


def rule_problems(rules: MappingRules, schema: OrgSchema) -> tuple[RuleProblem, ...]:
    """Return what is wrong with the rules where the org has this schema."""
    return tuple(
        problem
        for stripe_object in rules.objects
        for problem in _object_problems(stripe_object, rules, schema)
    )


def _object_problems(stripe_object: str, rules: MappingRules, schema: OrgSchema) -> Iterator[RuleProblem]:
    for parameter, rule in rules.of(stripe_object).items():
        wanted = target(stripe_object, parameter)
        found = _problem(rule, wanted, schema) if wanted is not None else None
        if found is not None:
            message, fix = found
            yield RuleProblem(stripe_object=stripe_object, parameter=parameter, message=message, fix=fix)
    keys = [parameter for parameter in rules.of(stripe_object) if parameter.startswith(METADATA)]
    for parameter in keys[MOST_METADATA_KEYS:]:
        yield RuleProblem(
            stripe_object=stripe_object,
            parameter=parameter,
            message=f"Stripe takes 50 metadata keys on one object; {MOST_METADATA_KEYS} of them are yours.",
            fix="Remove a metadata key.",
        )


def _problem(rule: MappedValue, wanted: Target, schema: OrgSchema) -> tuple[str, str] | None:
    """Return what is wrong with one rule and what to do; fixed values were checked when they were read."""
    if rule.source is None:
        return None
    found = _field_at(schema, rule.source)
    if not isinstance(found, FieldSchema):
        return found
    if fit_of(wanted.kind, found.kind, decimals=found.scale) is Fit.NEVER:
        needs = f"one of {', '.join(wanted.choices)}" if wanted.kind is Kind.CHOICE else wanted.kind.value
        return (
            f"{rule.path} is of the type {found.kind}, but the parameter takes {needs}.",
            "Choose a field of a type that fits, or write a formula field that makes one.",
        )
    return None


def _field_at(schema: OrgSchema, source: SourcePath) -> FieldSchema | tuple[str, str]:
    """Return the field at the end of a path, or what is wrong on the way and what to do."""
    *relationships, last = source.steps
    names: tuple[str, ...] = (source.object_name,)
    for step in relationships:
        objects = [schema.objects[name] for name in names if name in schema.objects]
        if not objects:
            return _hidden(names)
        entries = [entry for each in objects for entry in each.fields.values() if entry.relationship == step]
        if not entries:
            return _no_relationship(objects, step)
        names = tuple(sorted({name for entry in entries for name in entry.targets}))
    objects = [schema.objects[name] for name in names if name in schema.objects]
    if not objects:
        return _hidden(names)
    found = next((each.fields[last] for each in objects if last in each.fields), None)
    return found or _no_field(objects, last)


def _hidden(names: Iterable[str]) -> tuple[str, str]:
    return (
        f"The integration user cannot see the object {' or '.join(names)}.",
        "Give the integration user's permission set read access to it, or choose another field.",
    )


def _no_relationship(objects: list[ObjectSchema], step: str) -> tuple[str, str]:
    where = " or ".join(each.name for each in objects)
    if any(step.lower() == name.lower() for each in objects for name in each.children.values()):
        return (
            f"{step} leads from {where} to many records; only paths to one record can be mapped.",
            "Choose a field that is reached through lookups to one record.",
        )
    known = [entry.relationship for each in objects for entry in each.fields.values() if entry.relationship]
    return f"{where} has no relationship {step}.", _suggestion(step, known)


def _no_field(objects: list[ObjectSchema], last: str) -> tuple[str, str]:
    where = " or ".join(each.name for each in objects)
    known = [name for each in objects for name in each.fields]
    return (f"{where} has no field {last}, or hides it from the integration user.", _suggestion(last, known))


def _suggestion(word: str, known: Iterable[str]) -> str:
    names = {name.lower(): name for name in known}
    nearest = difflib.get_close_matches(word.lower(), names, n=1, cutoff=0.6)
    if nearest:
        return f"Did you mean {names[nearest[0]]}?"
    return "Choose one from the list of fields, or let the integration user see it."
