"""Keeping the newest Sync Records only (B12.2): older ones of what went well are deleted."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from cpqbridge.mapping.fields import SYNC_RECORD_OBJECT, SyncRecordFields
from cpqbridge.salesforce.client import QUERY_LIMIT, Answer, SalesforceClient, Subrequest
from cpqbridge.salesforce.error_map import problems_in
from cpqbridge.salesforce.soql import select

RECORDS_A_PART = 200
"""Source: REST API guide, "Delete Multiple Records with a Single Request": up to 200 ids (20 Nov 2026)."""

DELETED_AT_ONCE = QUERY_LIMIT * RECORDS_A_PART
_GONE = "ENTITY_IS_DELETED"


@dataclass(frozen=True, slots=True, kw_only=True)
class Deleted:
    """How many records are gone, and the words of the org for the first that it kept, empty for none."""

    count: int
    problem: str = ""


def delete_oldest(client: SalesforceClient, *, keep: int) -> Deleted:
    """Delete the oldest resolved Sync Records, at most a thousand, until `keep` records of any kind are left.

    Open ones are never deleted, however many they are. One call looks how many there are; two more are made
    where there are too many.

    Raises:
        CpqbridgeError: the org does not answer, or does not let us in.
    """
    total = client.query(select(["COUNT()"], SYNC_RECORD_OBJECT)).get("totalSize")
    excess = (total if isinstance(total, int) else 0) - keep
    if excess <= 0:
        return Deleted(count=0)
    resolved = select(
        ["Id"],
        SYNC_RECORD_OBJECT,
        where=f"{SyncRecordFields.RESOLVED} = true",
        order_by=f"SystemModstamp, Id LIMIT {min(excess, DELETED_AT_ONCE)}",
    )
    page = client.query(resolved)
    ids = [str(record["Id"]) for record in page["records"]]
    if not ids:
        return Deleted(count=0)
    parts = [
        Subrequest(
            method="DELETE",
            path=f"/composite/sobjects?ids={','.join(ids[start : start + RECORDS_A_PART])}&allOrNone=false",
            reference=f"delete_{number}",
        )
        for number, start in enumerate(range(0, len(ids), RECORDS_A_PART))
    ]
    return _deleted(client.composite(parts, writes=True))


def _deleted(answers: Sequence[Answer]) -> Deleted:
    count, problem = 0, ""
    for answer in answers:
        if not answer.is_success:
            raise answer.failure(writes=True)
        for result in answer.body if isinstance(answer.body, list) else ():
            problems = problems_in(result.get("errors") or ())
            if result.get("success") is True or any(each.code == _GONE for each in problems):
                count += 1
            elif problems and not problem:
                problem = f"{problems[0].code}: {problems[0].message}"
    return Deleted(count=count, problem=problem)
