"""Single resources of the REST API: queries, records, describe, limits, changes since."""

from __future__ import annotations

from datetime import UTC, timedelta
from email.utils import format_datetime, parsedate_to_datetime
from typing import TYPE_CHECKING, Any

from cpqbridge_sim.salesforce import values
from cpqbridge_sim.salesforce.describe import describe, summary
from cpqbridge_sim.salesforce.errors import ApiError, not_found
from cpqbridge_sim.salesforce.exchange import Answer, Call
from cpqbridge_sim.salesforce.writes import SeveralMatchesError, Writer

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from cpqbridge_sim.salesforce.metadata import ObjectType
    from cpqbridge_sim.salesforce.org import Org
    from cpqbridge_sim.salesforce.query import Rows

MAX_PAGE_ROWS = 2_000
MIN_PAGE_ROWS = 200
MAX_NUMBER_DIGITS = 9
CHANGES_WINDOW = timedelta(days=30)
DELETED_KEPT = timedelta(days=15)


def method_not_allowed(call: Call, *allowed: str) -> ApiError:
    """The answer for a method the resource does not have."""
    return ApiError(
        405,
        "METHOD_NOT_ALLOWED",
        f"HTTP Method '{call.method}' not allowed. Allowed are {','.join(allowed)}",
    )


def http_date(moment: datetime) -> str:
    """A moment as HTTP headers write it: seconds, GMT."""
    return format_datetime(moment.astimezone(UTC), usegmt=True)


def parse_http_date(text: str | None) -> datetime | None:
    """The moment of a header; None when it is absent or no HTTP date."""
    if text is None:
        return None
    try:
        parsed = parsedate_to_datetime(text)
    except ValueError:
        return None
    return parsed if parsed.tzinfo is not None else parsed.replace(tzinfo=UTC)


class QueryResource:
    """`query` and `queryAll` with their pages."""

    def __init__(self, org: Org) -> None:
        self._org = org
        self._cursors: dict[str, tuple[Rows, str, int]] = {}

    def answer(self, call: Call) -> Answer:
        """Run a statement, or give the next page of one."""
        if call.method != "GET":
            raise method_not_allowed(call, "GET", "HEAD")
        if len(call.segments) > 1:
            return self._next_page(call)
        statement = call.query.get("q")
        if not statement:
            raise ApiError(400, "MALFORMED_QUERY", "A query string has to be specified")
        rows = self._org.queries.run(statement, all_rows=call.segments[0] == "queryAll")
        return Answer(body=self._page(call, rows, start=0, size=_page_rows(call), locator=None))

    def _next_page(self, call: Call) -> Answer:
        locator, _, start = call.segments[1].partition("-")
        rows, token, size = self._cursors.get(locator, (None, "", 0))
        place = int(start) if _is_number(start) else -1
        if rows is None or token != call.token or not 0 <= place < rows.total or len(call.segments) > 2:  # noqa: PLR2004
            raise ApiError(400, "INVALID_QUERY_LOCATOR", "invalid query locator")
        return Answer(body=self._page(call, rows, start=place, size=size, locator=locator))

    def _page(self, call: Call, rows: Rows, *, start: int, size: int, locator: str | None) -> dict[str, Any]:
        stop = start + min(size, self._org.page_rows or size)
        # COUNT() answers with a total and no rows, and aggregates are complete at once: neither has pages.
        done = rows.plan is None or stop >= rows.total
        body: dict[str, Any] = {"totalSize": rows.total, "done": done}
        if not done:
            if locator is None:
                locator = self._org.next_serial_id("01g")[:15]
                self._cursors[locator] = (rows, call.token, size)
            body["nextRecordsUrl"] = f"{call.base}/{call.segments[0]}/{locator}-{stop}"
        body["records"] = self._org.queries.render(rows, start, stop, call.base)
        return body


def _page_rows(call: Call) -> int:
    wish = call.headers.get("sforce-query-options", "").replace(" ", "").removeprefix("batchSize=")
    return min(max(int(wish), MIN_PAGE_ROWS), MAX_PAGE_ROWS) if _is_number(wish) else MAX_PAGE_ROWS


def _is_number(text: str) -> bool:
    return text.isdecimal() and text.isascii() and len(text) <= MAX_NUMBER_DIGITS


class RecordResource:
    """Everything below `sobjects`."""

    def __init__(self, org: Org) -> None:
        self._org = org
        self._writer = Writer(org)

    def answer(self, call: Call) -> Answer:
        """Describe, read, write or list changes of one object."""
        _, *rest = call.segments
        if not rest:
            return self._list_objects(call)
        item = self._org.metadata.find(rest[0])
        if item is None:
            raise not_found()
        match rest[1:]:
            case []:
                return self._object(call, item)
            case ["describe"]:
                return self._describe(call, item)
            case ["updated" | "deleted" as kind]:
                return self._changes(call, item, kind)
            case [record_id]:
                return self._record(call, item, record_id)
            case [field_name, value]:
                return self._by_external_id(call, item, field_name, value)
        raise not_found()

    def _list_objects(self, call: Call) -> Answer:
        if call.method != "GET":
            raise method_not_allowed(call, "GET", "HEAD")
        objects = [summary(item, call.base) for item in self._org.metadata.all()]
        return Answer(body={"encoding": "UTF-8", "maxBatchSize": 200, "sobjects": objects})

    def _object(self, call: Call, item: ObjectType) -> Answer:
        if call.method == "GET":
            return Answer(body={"objectDescribe": summary(item, call.base), "recentItems": []})
        if call.method != "POST":
            raise method_not_allowed(call, "GET", "HEAD", "POST")
        saved = self._writer.create(item, fields_of(call.body))
        return _created(call, item, saved.record_id, body_created=None)

    def _describe(self, call: Call, item: ObjectType) -> Answer:
        if call.method != "GET":
            raise method_not_allowed(call, "GET", "HEAD")
        changed_at = self._org.metadata_changed_at.replace(microsecond=0)
        headers = {"Last-Modified": http_date(changed_at)}
        known = parse_http_date(call.headers.get("if-modified-since"))
        if known is not None and known >= changed_at:
            return Answer(status=304, headers=headers)
        return Answer(body=describe(self._org.metadata, item, call.base), headers=headers)

    def _record(self, call: Call, item: ObjectType, record_id: str) -> Answer:
        if call.method not in {"GET", "PATCH", "DELETE"}:
            raise method_not_allowed(call, "GET", "HEAD", "PATCH", "DELETE")
        if call.method == "GET":
            return self._read(call, item, record_id)
        self._unmodified(call, item, record_id)
        if call.method == "DELETE":
            self._writer.delete(item, record_id)
        else:
            fields = fields_of(call.body)
            if "Id" in fields:
                raise ApiError(
                    400, "INVALID_FIELD", "The Id field should not be specified in the sobject data.", ("Id",)
                )
            self._writer.update(item, record_id, fields)
        return Answer(status=204)

    def _read(self, call: Call, item: ObjectType, record_id: str) -> Answer:
        try:
            long_form, _ = self._writer.existing(item, record_id)
        except ApiError as error:
            # Reading does not tell deleted from unknown, writing does.
            raise not_found() from error
        names = call.query.get("fields")
        row = self._org.queries.record_row(
            item, long_form, names=names.split(",") if names else None, base=call.base
        )
        return Answer(body=row)

    def _unmodified(self, call: Call, item: ObjectType, record_id: str) -> None:
        since = parse_http_date(call.headers.get("if-unmodified-since"))
        if since is None:
            return
        _, record = self._writer.existing(item, record_id)
        modified = values.parse_datetime(str(record["LastModifiedDate"]))
        if modified is not None and modified.replace(microsecond=0) > since:
            raise ApiError(412, "ENTITY_IS_MODIFIED", "The record was changed since the given date.")

    def _by_external_id(self, call: Call, item: ObjectType, field_name: str, value: str) -> Answer:
        field = self._writer.external_field(item, field_name)
        if call.method == "PATCH":
            fields = fields_of(call.body)
            if field.name in fields:
                raise ApiError(
                    400,
                    "INVALID_FIELD",
                    f"The {field.name} field should not be specified in the sobject data.",
                    (field.name,),
                )
            only_update = call.query.get("updateOnly", "").lower() == "true"
            try:
                saved = self._writer.upsert(item, field, value, body=fields, update_only=only_update)
            except SeveralMatchesError as error:
                return self._several(call, item, error.ids)
            if saved.created:
                return _created(call, item, saved.record_id, body_created=True)
            return Answer(body={"id": saved.record_id, "success": True, "errors": [], "created": False})
        matches = self._writer.matches(item, field, value)
        if not matches:
            raise not_found()
        if len(matches) > 1:
            return self._several(call, item, matches)
        return self._record(call, item, matches[0])

    def _several(self, call: Call, item: ObjectType, ids: list[str]) -> Answer:
        return Answer(status=300, body=[f"{call.base}/sobjects/{item.name}/{found}" for found in ids])

    def _changes(self, call: Call, item: ObjectType, kind: str) -> Answer:
        if call.method != "GET":
            raise method_not_allowed(call, "GET", "HEAD")
        start, end = self._window(call)
        ids = self._org.store.table(item.name).records
        covered = values.datetime_text(end)
        changed = [
            record
            for _, record in sorted(ids.items())
            if values.datetime_text(start) <= str(record["SystemModstamp"]) < covered
        ]
        if kind == "updated":
            found = [record["Id"] for record in changed if not record.get("IsDeleted")]
            return Answer(body={"ids": found, "latestDateCovered": covered})
        deleted = [
            {"id": record["Id"], "deletedDate": record["SystemModstamp"]}
            for record in changed
            if record.get("IsDeleted")
        ]
        earliest = values.datetime_text(self._org.now - DELETED_KEPT)
        return Answer(
            body={
                "deletedRecords": deleted,
                "earliestDateAvailable": earliest,
                "latestDateCovered": covered,
            }
        )

    def _window(self, call: Call) -> tuple[datetime, datetime]:
        """The asked-for span in whole minutes; its end is not after the clock."""
        moments = [values.parse_datetime(call.query.get(name, "")) for name in ("start", "end")]
        start, end = moments
        if start is None or end is None:
            raise ApiError(400, "INVALID_REPLICATION_DATE", "start and end must be date-times")
        start, end = (moment.replace(second=0, microsecond=0) for moment in (start, end))
        if end <= start:
            raise ApiError(
                400, "INVALID_REPLICATION_DATE", "endDate must be at least one minute after startDate"
            )
        if self._org.now - start > CHANGES_WINDOW:
            raise ApiError(400, "INVALID_REPLICATION_DATE", "startDate cannot be more than 30 days ago")
        return start, min(end, self._org.now.replace(second=0, microsecond=0))


def fields_of(body: Any) -> Mapping[str, Any]:
    """The fields of a record in a request body.

    Raises:
        ApiError: JSON_PARSER_ERROR when the body is no object.
    """
    if not isinstance(body, dict):
        raise ApiError(400, "JSON_PARSER_ERROR", "Can not deserialize the request body to a record")
    return body


def _created(call: Call, item: ObjectType, record_id: str, *, body_created: bool | None) -> Answer:
    body: dict[str, Any] = {"id": record_id, "success": True, "errors": []}
    if body_created is not None:
        body["created"] = body_created
    location = f"{call.base}/sobjects/{item.name}/{record_id}"
    return Answer(status=201, body=body, headers={"Location": location})


def limits(org: Org) -> dict[str, Any]:
    """The answer of `limits`."""
    remaining = max(org.daily_limit - org.usage(), 0)
    return {
        "DailyApiRequests": {"Max": org.daily_limit, "Remaining": remaining},
        "DailyBulkV2QueryJobs": {"Max": 10_000, "Remaining": 10_000},
        "HourlyPublishedPlatformEvents": {"Max": 50_000, "Remaining": 50_000},
        "DataStorageMB": {"Max": 10_240, "Remaining": 10_000},
    }
