"""Writing back: many records in one composite call, each with its own outcome."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

from cpqbridge.errors import AccessLostError, RecordError
from cpqbridge.mapping.raw import WriteBackRecord
from cpqbridge.salesforce.client import QUERY_LIMIT, Answer, SalesforceClient, Subrequest
from cpqbridge.salesforce.error_map import SalesforceProblem, problems_in

_RECORDS_PER_PART = 200
# The triggers of Salesforce CPQ run per chunk and share its CPU limit. Source: design notes, section 2.5.
_ORDER_ITEMS_PER_PART = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class WriteFailure:
    """One record that Salesforce did not take, in Salesforce's words.

    `retryable` says that the same record may be written by simply trying again.
    """

    object_name: str
    record_id: str
    code: str
    message: str
    fields: tuple[str, ...]
    fix: str
    retryable: bool


def write(
    client: SalesforceClient, records: Sequence[WriteBackRecord], *, divisor: int = 1
) -> tuple[WriteFailure, ...]:
    """Write the records and return those that were not taken; nothing is sent for no records.

    Records are written sorted by object and id, so that two writers lock rows in the same order. One
    composite call holds five parts of up to 200 records (50 of OrderItem); more take more calls. Writing
    the same values again is harmless. Parts are smaller by `divisor`, 1 or more, where the org was too busy
    for whole ones; a part has one record at least.

    Raises:
        AccessLostError: The token no longer opens the org.
        OutcomeUnknownError: The answer was lost; write the same again.
        TransientError: Nothing was written; write the same again later.
    """
    chunks = list(_chunks(records, divisor))
    failures: list[WriteFailure] = []
    for offset in range(0, len(chunks), QUERY_LIMIT):
        sent = chunks[offset : offset + QUERY_LIMIT]
        parts = [_part(number, chunk) for number, chunk in enumerate(sent)]
        for chunk, answer in zip(sent, client.composite(parts, writes=True), strict=True):
            failures.extend(_failures(chunk, answer))
    return tuple(failures)


def _chunks(records: Sequence[WriteBackRecord], divisor: int) -> Iterator[Sequence[WriteBackRecord]]:
    """Yield what one part takes: updates of any objects together, upserts one object at a time."""
    ordered = sorted(records, key=lambda record: (record.external_id_field or "", *_place(record)))
    for (_, _), group in groupby(ordered, key=_part_kind):
        members = list(group)
        whole = _ORDER_ITEMS_PER_PART if members[0].object_name == "OrderItem" else _RECORDS_PER_PART
        size = max(1, whole // divisor)
        for offset in range(0, len(members), size):
            yield members[offset : offset + size]


def _part_kind(record: WriteBackRecord) -> tuple[str, str]:
    if record.external_id_field is not None:
        return record.external_id_field, record.object_name
    return "", "OrderItem" if record.object_name == "OrderItem" else ""


def _place(record: WriteBackRecord) -> tuple[bool, str, str]:
    # The order's lines come after the order, and apart from it, since they go in smaller parts.
    return record.object_name == "OrderItem", record.object_name, record.record_id


def _part(number: int, chunk: Sequence[WriteBackRecord]) -> Subrequest:
    first = chunk[0]
    target = f"/{first.object_name}/{first.external_id_field}" if first.external_id_field else ""
    return Subrequest(
        method="PATCH",
        path=f"/composite/sobjects{target}",
        reference=f"write_{number}",
        body={"allOrNone": False, "records": [_body(record) for record in chunk]},
    )


def _body(record: WriteBackRecord) -> dict[str, Any]:
    key = record.external_id_field or "Id"
    return {"attributes": {"type": record.object_name}, key: record.record_id, **record.fields}


def _failures(chunk: Sequence[WriteBackRecord], answer: Answer) -> Iterator[WriteFailure]:
    if not answer.is_success:
        error = answer.failure(writes=True)
        if isinstance(error, AccessLostError):
            raise error
        problems = problems_in(answer.body) or (_unknown(error.message),)
        yield from (_failure(record, problems[0]) for record in chunk)
        return
    if not isinstance(answer.body, list) or len(answer.body) != len(chunk):
        raise RecordError(
            "Salesforce answered a write with another number of results than records.",
            code="salesforce_unexpected",
            fix="Check that no proxy changes answers; else report this text.",
        )
    for record, result in zip(chunk, answer.body, strict=True):
        if isinstance(result, Mapping) and result.get("success") is True:
            continue
        problems = problems_in(result.get("errors")) if isinstance(result, Mapping) else ()
        problem = problems[0] if problems else _unknown("no reason was given")
        if problem.is_access_lost:
            raise AccessLostError(
                f"Salesforce does not accept the token: {problem.message}.",
                code="salesforce_access_lost",
                fix=problem.fix,
            )
        yield _failure(record, problem)


def _failure(record: WriteBackRecord, problem: SalesforceProblem) -> WriteFailure:
    return WriteFailure(
        object_name=record.object_name,
        record_id=record.record_id,
        code=problem.code,
        message=problem.message,
        fields=problem.fields,
        fix=problem.fix or "Look at the text Salesforce gave.",
        retryable=problem.retryable,
    )


def _unknown(message: str) -> SalesforceProblem:
    return SalesforceProblem(code="salesforce_unexpected", message=message)
