"""Runs parsed queries over the org's records and shapes the rows as REST shows them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from cpqbridge_sim.salesforce import soql
from cpqbridge_sim.salesforce.errors import SoqlError
from cpqbridge_sim.salesforce.filters import (
    Filter,
    FilterBuilder,
    ResolvedPath,
    advice,
    field_value,
    resolve,
    value_at,
)

if TYPE_CHECKING:
    from collections.abc import Iterable

    from cpqbridge_sim.salesforce.metadata import Field, ObjectType
    from cpqbridge_sim.salesforce.org import Org
    from cpqbridge_sim.salesforce.values import Record, Value

MAX_LEVELS_DOWN = 5
MAX_CHILD_LISTS = 20
MAX_PARENTS = 55
MAX_FIELDS_LIMIT = 200
MAX_AGGREGATE_ROWS = 2_000


@dataclass(slots=True)
class _Columns:
    """What to show of one object: fields, parents and child lists, in the order they were asked for."""

    item: ObjectType
    entries: dict[str, Field | _Parent | _Children] = field(default_factory=dict)


@dataclass(slots=True)
class _Parent:
    lookup: Field
    columns: _Columns


@dataclass(slots=True)
class _Children:
    lookup: Field
    plan: _Plan


@dataclass(slots=True, kw_only=True)
class _Plan:
    """A checked query over one object."""

    columns: _Columns
    condition: Filter | None
    order_by: list[tuple[ResolvedPath, soql.Ordering]]
    limit: int | None


@dataclass(slots=True, kw_only=True)
class Rows:
    """The result of a query: row ids fixed now, fields read when a page is rendered.

    Attributes:
        total: Rows of the whole query.
        ready: Aggregate rows, which are complete at once; None for ordinary rows.
    """

    total: int
    ids: list[str] = field(default_factory=list)
    ready: list[dict[str, Any]] | None = None
    plan: _Plan | None = None


class Queries:
    """Answers SOQL for one org."""

    def __init__(self, org: Org) -> None:
        self._org = org

    def run(self, text: str, *, all_rows: bool = False) -> Rows:
        """Parse, check and run a statement.

        Args:
            text: The SOQL.
            all_rows: Deleted records count too, as with `queryAll`.

        Raises:
            SoqlError: The statement is malformed or names what the org does not have.
        """
        statement = soql.parse(text)
        try:
            return _Run(self._org, all_rows=all_rows).rows(statement)
        except SoqlError as error:
            raise _placed(error, text) from None

    def render(self, rows: Rows, start: int, stop: int, base: str) -> list[dict[str, Any]]:
        """Rows `start` (included) to `stop` (not included) as REST shows them, with `base` in their urls."""
        if rows.ready is not None:
            return rows.ready[start:stop]
        if rows.plan is None:
            return []
        renderer = _Renderer(self._org, base)
        return [renderer.row(rows.plan.columns, record_id) for record_id in rows.ids[start:stop]]

    def record_row(
        self, item: ObjectType, record_id: str, *, names: Iterable[str] | None, base: str
    ) -> dict[str, Any]:
        """One stored record as REST shows it, with the named fields or paths, or every visible field.

        Raises:
            SoqlError: INVALID_FIELD for a name the object does not have.
        """
        columns = _Columns(item)
        run = _Run(self._org, all_rows=False)
        if names is None:
            columns.entries |= {visible.name: visible for visible in item.visible()}
        for name in names or ():
            run.add_path(columns, soql.Path(tuple(name.split("."))))
        return _Renderer(self._org, base).row(columns, record_id)


def _placed(error: SoqlError, text: str) -> SoqlError:
    """The same error with the line and a marker in front, as the API shows it."""
    if error.at is None:
        return error
    position = max(text.lower().find(error.at.lower()), 0)
    before = text[:position]
    line, column = before.count("\n") + 1, position - (before.rfind("\n") + 1) + 1
    shown = text.split("\n")[line - 1]
    marker = f"\n{shown}\n{' ' * (column - 1)}^\nERROR at Row:{line}:Column:{column}\n"
    return SoqlError(error.code, marker + error.message)


class _Run:
    """One statement being checked and run."""

    def __init__(self, org: Org, *, all_rows: bool) -> None:
        self._org = org
        self._all_rows = all_rows
        self._filters = FilterBuilder(org, self._semi_join_ids)
        self._child_lists = 0
        self._parents: set[tuple[int, str]] = set()

    def rows(self, statement: soql.Query) -> Rows:
        item = self._object(statement.object_name)
        if any(isinstance(entry, soql.Count) for entry in statement.select) or statement.group_by:
            return self._aggregate(item, statement)
        plan = self._plan(item, statement, level=1)
        ids = self.ids(plan)
        return Rows(total=len(ids), ids=ids, plan=plan)

    def ids(self, plan: _Plan) -> list[str]:
        """Ids of the matching records in the order asked for, else by id."""
        return select_ids(self._org, plan, all_rows=self._all_rows)

    def _object(self, name: str) -> ObjectType:
        item = self._org.metadata.find(name)
        if item is None:
            raise SoqlError(
                "INVALID_TYPE",
                f"sObject type '{name}' is not supported. " + advice("object", "__c", "entity name"),
                at=name,
            )
        return item

    def _plan(self, item: ObjectType, statement: soql.Query, *, level: int) -> _Plan:
        columns = _Columns(item)
        for entry in statement.select:
            if isinstance(entry, soql.Query):
                self._add_children(columns, entry, level=level + 1)
            elif isinstance(entry, soql.FieldSet):
                self._add_field_set(columns, entry, statement.limit)
            elif isinstance(entry, soql.Path):
                self.add_path(columns, entry)
            else:
                raise SoqlError("MALFORMED_QUERY", "COUNT is not allowed in a child query.")
        return _Plan(
            columns=columns,
            condition=None if statement.where is None else self._filters.build(item, statement.where),
            order_by=[(resolve(self._org, item, key.path), key) for key in statement.order_by],
            limit=statement.limit,
        )

    def add_path(self, columns: _Columns, path: soql.Path) -> None:
        """Show a field, through parents where the path names them."""
        resolved = resolve(self._org, columns.item, path)
        for lookup, target in resolved.steps:
            name = lookup.relationship or lookup.name
            parent = columns.entries.get(name)
            if not isinstance(parent, _Parent):
                parent = columns.entries[name] = _Parent(lookup, _Columns(target))
            self._parents.add((id(columns), name))
            columns = parent.columns
        if len(self._parents) > MAX_PARENTS:
            raise SoqlError("MALFORMED_QUERY", "A query cannot have more than 55 parent relationships.")
        if resolved.field.name in columns.entries:
            raise SoqlError("INVALID_FIELD", f"duplicate field selected: {path}", at=path.names[-1])
        columns.entries[resolved.field.name] = resolved.field

    def _add_field_set(self, columns: _Columns, entry: soql.FieldSet, limit: int | None) -> None:
        if entry.name not in {"ALL", "CUSTOM", "STANDARD"}:
            raise SoqlError("MALFORMED_QUERY", f"FIELDS({entry.name}) is not known.")
        if entry.name != "STANDARD" and (limit is None or limit > MAX_FIELDS_LIMIT):
            raise SoqlError(
                "MALFORMED_QUERY",
                f"The SOQL FIELDS function must have a LIMIT of at most {MAX_FIELDS_LIMIT}",
            )
        for visible in columns.item.visible():
            if entry.name == "ALL" or visible.custom == (entry.name == "CUSTOM"):
                columns.entries.setdefault(visible.name, visible)

    def _add_children(self, columns: _Columns, entry: soql.Query, *, level: int) -> None:
        self._child_lists += 1
        if level > MAX_LEVELS_DOWN or self._child_lists > MAX_CHILD_LISTS:
            raise SoqlError(
                "MALFORMED_QUERY", "A query cannot have more than 20 child lists, five levels deep."
            )
        found = self._org.metadata.child(columns.item, entry.object_name)
        if found is None:
            raise SoqlError(
                "INVALID_TYPE",
                f"Didn't understand relationship '{entry.object_name}' in FROM part of query call. "
                + advice("relationship", "__r", "relationship name"),
                at=entry.object_name,
            )
        child, lookup = found
        if entry.group_by:
            raise SoqlError("MALFORMED_QUERY", "GROUP BY is not allowed in a child query.")
        plan = self._plan(child, entry, level=level)
        columns.entries[lookup.children or child.name] = _Children(lookup, plan)

    def _semi_join_ids(self, statement: soql.Query) -> set[Value]:
        item = self._object(statement.object_name)
        selected = statement.select[0]
        if (
            len(statement.select) != 1
            or not isinstance(selected, soql.Path)
            or _holds_semi_join(statement.where)
        ):
            raise SoqlError(
                "MALFORMED_QUERY", "A semi join selects one id field and holds no other semi join."
            )
        if statement.order_by or statement.group_by or statement.limit is not None:
            raise SoqlError("MALFORMED_QUERY", "A semi join has no ORDER BY, GROUP BY or LIMIT.")
        path = resolve(self._org, item, selected)
        if path.field.type not in {"id", "reference"}:
            raise SoqlError("MALFORMED_QUERY", f"{selected} is no id or lookup field.")
        condition = None if statement.where is None else self._filters.build(item, statement.where)
        plan = _Plan(columns=_Columns(item), condition=condition, order_by=[], limit=None)
        table = self._org.store.table(item.name)
        found = {value_at(self._org, table.records[record_id], path) for record_id in self.ids(plan)}
        return found - {None}

    def _aggregate(self, item: ObjectType, statement: soql.Query) -> Rows:
        condition = None if statement.where is None else self._filters.build(item, statement.where)
        counts = [entry for entry in statement.select if isinstance(entry, soql.Count)]
        groups = [resolve(self._org, item, path) for path in statement.group_by]
        plan = _Plan(columns=_Columns(item), condition=condition, order_by=[], limit=None)
        if any(count.path is None for count in counts):
            if len(statement.select) != 1 or groups or statement.order_by:
                raise SoqlError("MALFORMED_QUERY", "COUNT() must be the only element of the SELECT list.")
            total = len(self.ids(plan))
            return Rows(total=total if statement.limit is None else min(total, statement.limit))
        rows = self._grouped(item, statement, groups, self.ids(plan))
        return Rows(total=len(rows), ready=rows)

    def _grouped(
        self, item: ObjectType, statement: soql.Query, groups: list[ResolvedPath], ids: Iterable[str]
    ) -> list[dict[str, Any]]:
        if statement.order_by:
            raise SoqlError("MALFORMED_QUERY", "ORDER BY is not known together with aggregates here.")
        shown: list[tuple[str, ResolvedPath, bool]] = []
        for entry in statement.select:
            if isinstance(entry, soql.Count) and entry.path is not None:
                counted = sum(1 for _, _, is_count in shown if is_count)
                name = entry.alias or f"expr{counted}"
                shown.append((name, resolve(self._org, item, entry.path), True))
            elif isinstance(entry, soql.Path) and resolve(self._org, item, entry) in groups:
                path = resolve(self._org, item, entry)
                shown.append((path.field.name, path, False))
            else:
                raise SoqlError("MALFORMED_QUERY", "Field must be grouped or aggregated")
        buckets: dict[tuple[Value, ...], list[Record]] = {} if groups else {(): []}
        table = self._org.store.table(item.name)
        for record_id in ids:
            record = table.records[record_id]
            key = tuple(value_at(self._org, record, path) for path in groups)
            buckets.setdefault(key, []).append(record)
        if len(buckets) > MAX_AGGREGATE_ROWS:
            raise SoqlError("EXCEEDED_ID_LIMIT", "Aggregate query does not support queryMore(), use LIMIT")
        return [self._bucket_row(shown, records) for records in list(buckets.values())[: statement.limit]]

    def _bucket_row(
        self, shown: list[tuple[str, ResolvedPath, bool]], records: list[Record]
    ) -> dict[str, Any]:
        row: dict[str, Any] = {"attributes": {"type": "AggregateResult"}}
        for name, path, is_count in shown:
            if is_count:
                row[name] = sum(1 for record in records if value_at(self._org, record, path) is not None)
            else:
                row[name] = value_at(self._org, records[0], path)
        return row


def _holds_semi_join(condition: soql.Condition | None) -> bool:
    if isinstance(condition, soql.Junction):
        return any(_holds_semi_join(part) for part in condition.parts)
    if isinstance(condition, soql.Negation):
        return _holds_semi_join(condition.part)
    return isinstance(condition, soql.SemiJoin)


def select_ids(
    org: Org, plan: _Plan, *, all_rows: bool = False, among: Iterable[str] | None = None
) -> list[str]:
    """Ids of the records that fulfil a plan, ordered and limited."""
    records = org.store.table(plan.columns.item.name).records
    ids = among
    if ids is None and plan.condition is not None:
        ids = plan.condition.candidates
    found = [
        record_id
        for record_id in (records if ids is None else ids)
        if (all_rows or not records[record_id].get("IsDeleted"))
        and (plan.condition is None or plan.condition.matches(records[record_id]))
    ]
    found.sort()
    for path, ordering in reversed(plan.order_by):
        empty: list[str] = []
        keyed: list[tuple[Any, str]] = []
        for record_id in found:
            value = value_at(org, records[record_id], path)
            if value is None:
                empty.append(record_id)
            else:
                folded = isinstance(value, str) and path.field.type not in {"id", "reference"}
                keyed.append((value.casefold() if folded and isinstance(value, str) else value, record_id))
        keyed.sort(key=lambda pair: pair[0], reverse=ordering.descending)
        ordered = [record_id for _, record_id in keyed]
        found = [*ordered, *empty] if ordering.nulls_last else [*empty, *ordered]
    return found if plan.limit is None else found[: plan.limit]


class _Renderer:
    """Shapes records as REST rows."""

    def __init__(self, org: Org, base: str) -> None:
        self._org = org
        self._base = base

    def row(self, columns: _Columns, record_id: str) -> dict[str, Any]:
        name = columns.item.name
        record = self._org.store.table(name).records[record_id]
        shown: dict[str, Any] = {
            "attributes": {"type": name, "url": f"{self._base}/sobjects/{name}/{record_id}"}
        }
        for key, entry in columns.entries.items():
            if isinstance(entry, _Parent):
                parent_id = record.get(entry.lookup.name)
                table = self._org.store.table(entry.columns.item.name)
                present = isinstance(parent_id, str) and parent_id in table.records
                shown[key] = self.row(entry.columns, str(parent_id)) if present else None
            elif isinstance(entry, _Children):
                shown[key] = self._children(entry, record_id)
            else:
                shown[key] = field_value(record, entry)
        return shown

    def _children(self, entry: _Children, parent_id: str) -> dict[str, Any] | None:
        item = entry.plan.columns.item
        table = self._org.store.table(item.name)
        found = table.ids_where(entry.lookup.name, [parent_id])
        among = [child for child in found if table.records[child].get(entry.lookup.name) == parent_id]
        ids = select_ids(self._org, entry.plan, among=among)
        if not ids:
            return None
        rows = [self.row(entry.plan.columns, record_id) for record_id in ids]
        return {"totalSize": len(rows), "done": True, "records": rows}
