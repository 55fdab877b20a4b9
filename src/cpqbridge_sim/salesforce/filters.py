"""Conditions of a query, checked against the org's fields and applied to its records."""

from __future__ import annotations

import operator
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from cpqbridge_sim.salesforce import soql
from cpqbridge_sim.salesforce.errors import SoqlError
from cpqbridge_sim.salesforce.ids import looks_like_id

if TYPE_CHECKING:
    from collections.abc import Callable

    from cpqbridge_sim.salesforce.metadata import Field, ObjectType
    from cpqbridge_sim.salesforce.org import Org
    from cpqbridge_sim.salesforce.values import Record, Value

MAX_LEVELS_UP = 5
MAX_SEMI_JOINS = 2
_ORDERED: dict[str, Callable[[str, str], bool]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}
_LITERAL_OF_TYPE = {"boolean": "boolean", "date": "date", "datetime": "datetime"}

Predicate = "Callable[[Record], bool]"


@dataclass(frozen=True, slots=True, kw_only=True)
class ResolvedPath:
    """A field reached from an object: the lookups on the way, each with its target, and the field."""

    steps: tuple[tuple[Field, ObjectType], ...]
    field: Field


@dataclass(frozen=True, slots=True, kw_only=True)
class Filter:
    """A condition ready to use.

    Attributes:
        matches: Says whether a record fulfils the condition.
        candidates: Ids that include every match, found by look-up; None when only a scan can tell.
    """

    matches: Callable[[Record], bool]
    candidates: frozenset[str] | None


def resolve(org: Org, item: ObjectType, path: soql.Path) -> ResolvedPath:
    """Find the field a path means, by names without regard to case.

    Raises:
        SoqlError: INVALID_FIELD for an unknown or hidden name, MALFORMED_QUERY above five levels.
    """
    names = path.names
    if len(names) > 1 and item.lookup(names[0]) is None and names[0].lower() == item.name.lower():
        names = names[1:]
    if len(names) - 1 > MAX_LEVELS_UP:
        raise SoqlError(
            "MALFORMED_QUERY", f"Relationship path {path} goes up more than 5 levels.", at=names[0]
        )
    steps: list[tuple[Field, ObjectType]] = []
    for name in names[:-1]:
        step = org.metadata.parent(item, name)
        if step is None:
            raise SoqlError(
                "INVALID_FIELD",
                f"Didn't understand relationship '{name}' in field path. "
                + advice("relationship", "__r", "relationship name"),
                at=name,
            )
        steps.append(step)
        item = step[1]
    found = item.find(names[-1])
    if found is None:
        raise SoqlError("INVALID_FIELD", no_such_column(names[-1], item.name), at=names[-1])
    return ResolvedPath(steps=tuple(steps), field=found)


def no_such_column(field_name: str, object_name: str) -> str:
    """The text Salesforce answers for a field that is missing or hidden."""
    return f"No such column '{field_name}' on entity '{object_name}'. " + advice("field", "__c", "field name")


def advice(thing: str, ending: str, where: str) -> str:
    """The sentences Salesforce adds to every name it does not know."""
    return (
        f"If you are attempting to use a custom {thing}, be sure to append the '{ending}' after the custom "
        f"{where}. Please reference your WSDL or the describe call for the appropriate names."
    )


def value_at(org: Org, record: Record, path: ResolvedPath) -> Value:
    """The value a path has for a record; None where a lookup on the way is empty."""
    current: Record | None = record
    for lookup, target in path.steps:
        parent_id = current.get(lookup.name) if current is not None else None
        current = org.store.get(target.name, parent_id) if isinstance(parent_id, str) else None
    return field_value(current, path.field) if current is not None else None


def field_value(record: Record, field: Field) -> Value:
    """A field of a record; a checkbox that was never set is false."""
    value = record.get(field.name)
    return False if value is None and field.type == "boolean" else value


class FilterBuilder:
    """Turns the WHERE clause of one statement into filters; counts its semi-joins."""

    def __init__(self, org: Org, select_ids: Callable[[soql.Query], set[Value]]) -> None:
        self._org = org
        self._select_ids = select_ids
        self._semi_joins = 0

    def build(self, item: ObjectType, condition: soql.Condition, *, under_or: bool = False) -> Filter:
        """Check a condition and make it ready to use.

        Raises:
            SoqlError: A field, value or operator that does not fit, or a forbidden semi-join.
        """
        if isinstance(condition, soql.Junction):
            parts = [
                self.build(item, part, under_or=under_or or not condition.all_of) for part in condition.parts
            ]
            return _joined(parts, all_of=condition.all_of)
        if isinstance(condition, soql.Negation):
            inner = self.build(item, condition.part, under_or=under_or)
            return Filter(matches=lambda record: not inner.matches(record), candidates=None)
        if isinstance(condition, soql.SemiJoin):
            return self._semi_join(item, condition, under_or=under_or)
        return self._comparison(item, condition)

    def _comparison(self, item: ObjectType, condition: soql.Comparison) -> Filter:
        path = resolve(self._org, item, condition.path)
        _check_operator(path.field, condition)
        test = self._test(path.field, condition)
        org = self._org
        candidates = None
        # A checkbox that was never set is stored empty but false: no look-up finds it.
        if condition.operator in {"=", "IN"} and path.field.type != "boolean":
            wanted = [self._operand(path.field, literal) for literal in condition.literals]
            if None not in wanted:
                candidates = self._reachable(item, path, wanted)
        return Filter(matches=lambda record: test(value_at(org, record, path)), candidates=candidates)

    def _reachable(self, item: ObjectType, path: ResolvedPath, wanted: list[Value]) -> frozenset[str]:
        """Ids of records whose path ends in one of the values, by look-ups from the far end back."""
        owners = [item, *(target for _, target in path.steps)]
        found = self._org.store.table(owners[-1].name).ids_where(path.field.name, wanted)
        for owner, (lookup, _) in zip(reversed(owners[:-1]), reversed(path.steps), strict=True):
            found = self._org.store.table(owner.name).ids_where(lookup.name, found)
        return frozenset(found)

    def _test(self, field: Field, condition: soql.Comparison) -> Callable[[Value], bool]:
        kind = condition.operator
        if kind == "LIKE":
            pattern = like_pattern(condition.literals[0].raw)
            return lambda value: isinstance(value, str) and pattern.fullmatch(value) is not None
        if kind in {"INCLUDES", "EXCLUDES"}:
            return _multi_test(condition)
        wanted = [self._comparable(field, self._operand(field, literal)) for literal in condition.literals]
        if kind in _ORDERED:
            compare, bound = _ORDERED[kind], wanted[0]
            return lambda value: (
                value is not None and compare(self._comparable(field, value), bound)  # type: ignore[arg-type]  # both sides are of the field's type
            )
        among = frozenset(wanted)
        if kind in {"=", "IN"}:
            return lambda value: self._comparable(field, value) in among
        return lambda value: self._comparable(field, value) not in among

    def _comparable(self, field: Field, value: Value) -> Value:
        exact = field.case_sensitive or field.type in {"id", "reference"}
        return value.casefold() if isinstance(value, str) and not exact else value

    def _operand(self, field: Field, literal: soql.Literal) -> Value:
        if literal.kind == "null":
            return None
        wanted = "number" if field.is_number else _LITERAL_OF_TYPE.get(field.type, "string")
        if literal.kind != wanted:
            quotes = "be enclosed in quotes" if wanted == "string" else "not be enclosed in quotes"
            raise SoqlError(
                "INVALID_FIELD",
                f"value of filter criterion for field '{field.name}' must be of type {field.type} and should "
                f"{quotes}",
                at=field.name,
            )
        if field.type in {"id", "reference"}:
            if not looks_like_id(literal.value):
                raise SoqlError("INVALID_QUERY_FILTER_OPERATOR", f"invalid ID field: {literal.value}")
            return self._org.ids.resolve(str(literal.value))
        return None if literal.value == "" else literal.value

    def _semi_join(self, item: ObjectType, condition: soql.SemiJoin, *, under_or: bool) -> Filter:
        self._semi_joins += 1
        if under_or or self._semi_joins > MAX_SEMI_JOINS:
            raise SoqlError(
                "MALFORMED_QUERY",
                "Semi join sub-selects are only allowed at the top level WHERE expressions, not in OR, "
                "and at most two.",
            )
        path = resolve(self._org, item, condition.path)
        if path.field.type not in {"id", "reference"}:
            raise SoqlError(
                "INVALID_FIELD", f"{path.field.name} is no id or lookup field", at=path.field.name
            )
        ids = self._select_ids(condition.query)
        org, negated = self._org, condition.negated
        candidates = None if negated else self._reachable(item, path, list(ids))
        return Filter(
            matches=lambda record: (value_at(org, record, path) in ids) != negated, candidates=candidates
        )


def like_pattern(escaped: str) -> re.Pattern[str]:
    """A LIKE text as a pattern: `%` any characters, `_` one; matching takes linear time per part."""
    parts: list[list[str]] = [[]]
    characters = iter(escaped)
    for character in characters:
        if character == "\\":
            parts[-1].append(re.escape(next(characters, "")))
        elif character == "%":
            parts.append([])
        else:
            parts[-1].append("." if character == "_" else re.escape(character))
    first, *rest = ["".join(part) for part in parts]
    # An atomic group never tries a later place for a middle part: the first place is always as good.
    middle = "".join(f"(?>.*?{part})" for part in rest[:-1] if part)
    last = f".*{rest[-1]}" if rest else ""
    return re.compile(f"{first}{middle}{last}", re.IGNORECASE | re.DOTALL)


def _multi_test(condition: soql.Comparison) -> Callable[[Value], bool]:
    choices = [frozenset(str(literal.value).casefold().split(";")) for literal in condition.literals]
    excluding = condition.operator == "EXCLUDES"

    def test(value: Value) -> bool:
        chosen = frozenset(value.casefold().split(";")) if isinstance(value, str) else frozenset[str]()
        return any(choice <= chosen for choice in choices) != excluding

    return test


def _check_operator(field: Field, condition: soql.Comparison) -> None:
    kind = condition.operator
    if not field.filterable:
        raise SoqlError(
            "INVALID_FIELD", f"field '{field.name}' can not be filtered in a query call", at=field.name
        )
    wrong = (
        (kind == "LIKE" and (not field.is_text or field.type in {"id", "reference"}))
        or (kind in {"INCLUDES", "EXCLUDES"} and field.type != "multipicklist")
        or (
            kind in _ORDERED
            and (field.type == "boolean" or any(literal.kind == "null" for literal in condition.literals))
        )
    )
    if wrong:
        raise SoqlError(
            "INVALID_QUERY_FILTER_OPERATOR",
            f"invalid operator on {field.type} field {field.name}: {kind}",
            at=field.name,
        )


def _joined(parts: list[Filter], *, all_of: bool) -> Filter:
    tests = [part.matches for part in parts]
    known = [part.candidates for part in parts if part.candidates is not None]
    if all_of:
        smallest = min(known, key=len) if known else None
        return Filter(matches=lambda record: all(test(record) for test in tests), candidates=smallest)
    union = frozenset[str]().union(*known) if len(known) == len(parts) else None
    return Filter(matches=lambda record: any(test(record) for test in tests), candidates=union)
