"""Writing back: one call, records in lock order, every failure told apart."""

from __future__ import annotations

import json
from typing import Any

import httpx2
import pytest
from tests.unit.salesforce.fake_org import FakeOrg, answering, failing, refusal

from cpqbridge.errors import AccessLostError, OutcomeUnknownError, RecordError
from cpqbridge.mapping.raw import WriteBackRecord
from cpqbridge.salesforce.writer import write

OK = {"id": "x", "success": True, "errors": []}


def an_order(record_id: str = "801A", **fields: object) -> WriteBackRecord:
    return WriteBackRecord(object_name="Order", record_id=record_id, fields=fields or {"A__c": "1"})


def a_line(record_id: str) -> WriteBackRecord:
    return WriteBackRecord(object_name="OrderItem", record_id=record_id, fields={"A__c": "1"})


def a_sync_record(key: str) -> WriteBackRecord:
    return WriteBackRecord(
        object_name="Sync__c", record_id=key, fields={"Status__c": "Success"}, external_id_field="Key__c"
    )


def refused(code: str, message: str = "no") -> dict[str, Any]:
    return {
        "id": None,
        "success": False,
        "errors": [{"statusCode": code, "message": message, "fields": ["A__c"]}],
    }


def accepting(results: dict[str, dict[str, Any]] | None = None) -> FakeOrg:
    """An org that takes every record but those named by id or key."""

    def answer(request: httpx2.Request) -> httpx2.Response:
        answered = []
        for part in json.loads(request.content)["compositeRequest"]:
            keys = [record.get("Id") or record.get("Key__c") for record in part["body"]["records"]]
            answered.append({"httpStatusCode": 200, "body": [(results or {}).get(key, OK) for key in keys]})
        return httpx2.Response(200, json={"compositeResponse": answered})

    return FakeOrg(answer)


def test_write_when_there_is_nothing_sends_nothing() -> None:
    org = accepting()
    assert write(org.client(), []) == ()
    assert org.requests == []


def test_write_sends_everything_in_one_call_in_lock_order() -> None:
    org = accepting()
    account = WriteBackRecord(object_name="Account", record_id="001A", fields={"B__c": None})
    assert (
        write(org.client(), [a_sync_record("k"), a_line("802B"), an_order(), a_line("802A"), account]) == ()
    )
    (body,) = org.bodies
    parts = body["compositeRequest"]
    assert [part["url"].removeprefix("/services/data/v68.0") for part in parts] == [
        "/composite/sobjects",
        "/composite/sobjects",
        "/composite/sobjects/Sync__c/Key__c",
    ]
    assert parts[0]["body"] == {
        "allOrNone": False,
        "records": [
            {"attributes": {"type": "Account"}, "Id": "001A", "B__c": None},
            {"attributes": {"type": "Order"}, "Id": "801A", "A__c": "1"},
        ],
    }
    assert [record["Id"] for record in parts[1]["body"]["records"]] == ["802A", "802B"]
    assert parts[2]["body"]["records"] == [
        {"attributes": {"type": "Sync__c"}, "Key__c": "k", "Status__c": "Success"}
    ]


def test_write_when_many_lines_sends_parts_of_fifty_five_a_call() -> None:
    org = accepting()
    write(org.client(), [a_line(f"802{number:03}") for number in range(251)])
    sizes = [[len(part["body"]["records"]) for part in body["compositeRequest"]] for body in org.bodies]
    assert sizes == [[50, 50, 50, 50, 50], [1]]


def test_write_when_records_are_refused_returns_each_with_its_reason() -> None:
    org = accepting(
        {"802A": refused("FIELD_CUSTOM_VALIDATION_EXCEPTION", "Not now"), "k": refused("UNABLE_TO_LOCK_ROW")}
    )
    line, sync = write(org.client(), [an_order(), a_line("802A"), a_sync_record("k")])
    assert (line.object_name, line.record_id, line.code, line.message) == (
        "OrderItem",
        "802A",
        "FIELD_CUSTOM_VALIDATION_EXCEPTION",
        "Not now",
    )
    assert (line.fields, line.retryable, bool(line.fix)) == (("A__c",), False, True)
    assert (sync.record_id, sync.retryable) == ("k", True)


def test_write_when_a_whole_part_is_refused_names_all_its_records() -> None:
    body = {
        "compositeResponse": [
            {"httpStatusCode": 200, "body": [OK]},
            {
                "httpStatusCode": 400,
                "body": refusal("INVALID_TYPE", "sObject type 'Sync__c' is not supported."),
            },
        ]
    }
    failures = write(answering(200, body).client(), [an_order(), a_sync_record("k"), a_sync_record("l")])
    assert [(failure.record_id, failure.code) for failure in failures] == [
        ("k", "INVALID_TYPE"),
        ("l", "INVALID_TYPE"),
    ]


def test_write_when_a_part_fails_without_a_reason_says_so() -> None:
    body = {"compositeResponse": [{"httpStatusCode": 400, "body": None}]}
    (failure,) = write(answering(200, body).client(), [an_order()])
    assert failure.code == "salesforce_unexpected"
    (failure,) = write(accepting({"801A": {"success": False}}).client(), [an_order()])
    assert failure.code == "salesforce_unexpected"


@pytest.mark.parametrize(
    "part",
    [
        {"httpStatusCode": 401, "body": refusal("INVALID_SESSION_ID")},
        {"httpStatusCode": 200, "body": [refused("INVALID_SESSION_ID")]},
    ],
)
def test_write_when_access_is_lost_raises(part: dict[str, Any]) -> None:
    with pytest.raises(AccessLostError):
        write(answering(200, {"compositeResponse": [part]}).client(), [an_order()])


def test_write_when_the_answer_is_lost_is_unknown() -> None:
    with pytest.raises(OutcomeUnknownError):
        write(failing(httpx2.ReadTimeout("slow")).client(), [an_order()])


def test_write_when_results_do_not_match_the_records_stops() -> None:
    body = {"compositeResponse": [{"httpStatusCode": 200, "body": [OK, OK]}]}
    with pytest.raises(RecordError):
        write(answering(200, body).client(), [an_order()])
