"""Up to 200 records in one call: `composite/sobjects` and what lies below it."""

from __future__ import annotations

from functools import partial
from itertools import groupby
from typing import TYPE_CHECKING, Any

from cpqbridge_sim.salesforce.errors import ApiError, not_found
from cpqbridge_sim.salesforce.exchange import Answer, Call
from cpqbridge_sim.salesforce.ids import looks_like_id
from cpqbridge_sim.salesforce.resources import fields_of, method_not_allowed
from cpqbridge_sim.salesforce.writes import SeveralMatchesError, Writer

if TYPE_CHECKING:
    from collections.abc import Callable

    from cpqbridge_sim.salesforce.metadata import ObjectType
    from cpqbridge_sim.salesforce.org import Org
    from cpqbridge_sim.salesforce.writes import Saved

MAX_RECORDS = 200
MAX_RETRIEVED = 2_000
MAX_RUNS = 10


class CollectionResource:
    """Saves, deletes, upserts and retrieves lists of records."""

    def __init__(self, org: Org) -> None:
        self._org = org
        self._writer = Writer(org)

    def answer(self, call: Call) -> Answer:
        """Dispatch by path: the list itself, one object's records, or one object's external id."""
        match call.segments[2:]:
            case []:
                return self._any_type(call)
            case [name]:
                return self._retrieve(call, self._item(name))
            case [name, field_name] if call.method == "PATCH":
                return self._upsert(call, self._item(name), field_name)
            case [_, _]:
                raise method_not_allowed(call, "PATCH")
        raise not_found()

    def _item(self, name: str) -> ObjectType:
        item = self._org.metadata.find(name)
        if item is None:
            raise not_found()
        return item

    def _any_type(self, call: Call) -> Answer:
        if call.method == "DELETE":
            ids = [part for part in call.query.get("ids", "").split(",") if part]
            _check_count(len(ids), MAX_RECORDS)
            all_or_none = call.query.get("allOrNone", "").lower() == "true"
            return self._save([partial(self._delete, gone) for gone in ids], all_or_none=all_or_none)
        if call.method not in {"POST", "PATCH"}:
            raise method_not_allowed(call, "POST", "PATCH", "DELETE")
        records, all_or_none = _records(call.body)
        if sum(1 for _ in groupby(_type_of(record) for record in records)) > MAX_RUNS:
            raise ApiError(
                400,
                "LIMIT_EXCEEDED",
                "Cannot have more than 10 chunks in a single operation. Please rearrange the data to reduce "
                "chunking.",
            )
        one = self._create if call.method == "POST" else self._update
        return self._save([partial(one, record) for record in records], all_or_none=all_or_none)

    def _typed(self, record: Any) -> ObjectType:
        name = _type_of(record)
        if not isinstance(name, str):
            raise ApiError(400, "INVALID_TYPE", "The record has no attributes.type.")
        item = self._org.metadata.find(name)
        if item is None:
            raise ApiError(400, "INVALID_TYPE", f"sObject type '{name}' is not supported.")
        return item

    def _create(self, record: Any) -> Saved:
        return self._writer.create(self._typed(record), fields_of(record))

    def _update(self, record: Any) -> Saved:
        item = self._typed(record)
        fields = dict(fields_of(record))
        record_id = fields.pop("Id", None) or fields.pop("id", None)
        if record_id is None:
            raise ApiError(400, "MISSING_ARGUMENT", "Id not specified in an update call")
        if not looks_like_id(record_id):
            raise ApiError(400, "MALFORMED_ID", f"malformed id {record_id}")
        return self._writer.update(item, record_id, fields)

    def _delete(self, record_id: str) -> Saved:
        item = self._org.metadata.by_prefix(record_id)
        if item is None or not looks_like_id(record_id):
            raise ApiError(400, "MALFORMED_ID", f"malformed id {record_id}")
        return self._writer.delete(item, record_id)

    def _upsert(self, call: Call, item: ObjectType, field_name: str) -> Answer:
        field = self._writer.external_field(item, field_name)
        records, all_or_none = _records(call.body)
        given = [record.get(field.name) if isinstance(record, dict) else None for record in records]

        def upsert(record: Any, value: Any) -> Saved:
            if self._typed(record) is not item:
                raise ApiError(400, "INVALID_TYPE", f"All records must be of type {item.name}.")
            if not isinstance(value, str) or not value:
                raise ApiError(400, "MISSING_ARGUMENT", f"{field.name} not specified", (field.name,))
            if given.count(value) > 1:
                raise ApiError(400, "DUPLICATE_VALUE", f"Duplicate external id specified: {value}")
            rest = {name: part for name, part in record.items() if name != field.name}
            try:
                return self._writer.upsert(item, field, value, body=rest)
            except SeveralMatchesError as error:
                text = f"{field.name}: more than one record found for external id field: {error.ids}"
                raise ApiError(400, "DUPLICATE_EXTERNAL_ID", text, (field.name,)) from error

        return self._save(
            [partial(upsert, record, value) for record, value in zip(records, given, strict=True)],
            all_or_none=all_or_none,
            show_created=True,
        )

    def _save(
        self, saves: list[Callable[[], Saved]], *, all_or_none: bool, show_created: bool = False
    ) -> Answer:
        """Run the saves in order; each stands alone, or with `all_or_none` all fall together."""
        results: list[dict[str, Any]] = []
        with self._org.store.savepoint() as whole:
            for save in saves:
                with self._org.store.savepoint() as single:
                    try:
                        saved = save()
                    except ApiError as error:
                        single.undo()
                        results.append({"success": False, "errors": [_in_result(error).save_error()]})
                        continue
                created = {"created": saved.created} if show_created else {}
                results.append({"id": saved.record_id, "success": True, **created, "errors": []})
            if all_or_none and not all(result["success"] for result in results):
                whole.undo()
                results = [_rolled_back() if result["success"] else result for result in results]
        return Answer(body=results)

    def _retrieve(self, call: Call, item: ObjectType) -> Answer:
        if call.method != "POST":
            raise method_not_allowed(call, "POST")
        body = fields_of(call.body)
        ids, names = body.get("ids"), body.get("fields")
        if not isinstance(ids, list) or not isinstance(names, list) or not names:
            raise ApiError(400, "MISSING_ARGUMENT", "ids and fields must be lists")
        _check_count(len(ids), MAX_RETRIEVED)
        rows: list[dict[str, Any] | None] = []
        for record_id in ids:
            if not looks_like_id(record_id):
                raise ApiError(400, "MALFORMED_ID", f"malformed id {record_id}")
            long_form = self._org.ids.resolve(record_id)
            record = self._org.store.get(item.name, long_form)
            alive = record is not None and not record.get("IsDeleted")
            rows.append(
                self._org.queries.record_row(
                    item, long_form, names=[str(name) for name in names], base=call.base
                )
                if alive
                else None
            )
        return Answer(body=rows)


def _records(body: Any) -> tuple[list[Any], bool]:
    parsed = fields_of(body)
    records = parsed.get("records")
    if not isinstance(records, list):
        raise ApiError(400, "JSON_PARSER_ERROR", "records must be a list")
    _check_count(len(records), MAX_RECORDS)
    return records, parsed.get("allOrNone") is True


def _check_count(count: int, maximum: int) -> None:
    if count > maximum:
        raise ApiError(
            400,
            "EXCEEDED_ID_LIMIT",
            f"record limit reached. cannot submit more than {maximum} records into this call",
        )


def _type_of(record: Any) -> Any:
    attributes = record.get("attributes") if isinstance(record, dict) else None
    return attributes.get("type") if isinstance(attributes, dict) else None


def _in_result(error: ApiError) -> ApiError:
    """Inside a save result an unknown id has another code than in a path."""
    if error.code == "NOT_FOUND":
        return ApiError(400, "INVALID_CROSS_REFERENCE_KEY", "invalid cross reference id")
    return error


def _rolled_back() -> dict[str, Any]:
    error = ApiError(
        400,
        "ALL_OR_NONE_OPERATION_ROLLED_BACK",
        "Record rolled back because not all records were valid and the request was using AllOrNone header",
    )
    return {"success": False, "errors": [error.save_error()]}
