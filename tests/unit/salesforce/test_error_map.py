"""Every answer of Salesforce ends in one of our errors; an unknown one stops its record."""

from __future__ import annotations

import json

import pytest
from tests.unit.salesforce.fake_org import refusal

from cpqbridge.errors import (
    AccessLostError,
    ConfigurationError,
    CpqbridgeError,
    InvariantError,
    OutcomeUnknownError,
    RecordError,
    TransientError,
)
from cpqbridge.salesforce.error_codes import CODES, Kind
from cpqbridge.salesforce.error_map import error_for, parse_json, problems_in


def mapped(
    body: object, *, status: int = 400, writes: bool = False, retry_after_seconds: float | None = None
) -> CpqbridgeError:
    text = body if isinstance(body, str) else json.dumps(body)
    return error_for(status=status, text=text, writes=writes, retry_after_seconds=retry_after_seconds)


@pytest.mark.parametrize("code", sorted(CODES))
def test_every_known_code_has_a_class_a_code_and_a_fix(code: str) -> None:
    for writes in (False, True):
        error = mapped(refusal(code, "It said so."), writes=writes)
        assert type(error) is not CpqbridgeError
        assert error.code.startswith("salesforce_")
        assert error.code != "salesforce_unexpected"
        assert "It said so" in error.message
        assert error.fix


@pytest.mark.parametrize(
    ("code", "status", "expected"),
    [
        ("INVALID_SESSION_ID", 401, AccessLostError),
        ("REQUEST_LIMIT_EXCEEDED", 403, TransientError),
        ("API_DISABLED_FOR_ORG", 403, ConfigurationError),
        ("INSUFFICIENT_ACCESS_OR_READONLY", 403, ConfigurationError),
        ("INVALID_FIELD", 400, ConfigurationError),
        ("INVALID_TYPE", 400, ConfigurationError),
        ("MALFORMED_QUERY", 400, InvariantError),
        ("NOT_FOUND", 404, RecordError),
        ("FIELD_CUSTOM_VALIDATION_EXCEPTION", 400, RecordError),
        ("UNABLE_TO_LOCK_ROW", 400, TransientError),
        ("QUERY_TIMEOUT", 400, TransientError),
        ("SERVER_UNAVAILABLE", 503, TransientError),
        ("UNKNOWN_EXCEPTION", 500, TransientError),
        ("UNSUPPORTED_API_VERSION", 410, ConfigurationError),
    ],
)
def test_known_codes_when_reading_have_the_documented_class(
    code: str, status: int, expected: type[CpqbridgeError]
) -> None:
    assert type(mapped(refusal(code), status=status)) is expected


@pytest.mark.parametrize("code", ["SERVER_UNAVAILABLE", "UNKNOWN_EXCEPTION"])
def test_server_failure_when_writing_leaves_the_outcome_unknown(code: str) -> None:
    assert type(mapped(refusal(code), status=500, writes=True)) is OutcomeUnknownError


@pytest.mark.parametrize("text", ["UNABLE_TO_LOCK_ROW", "Too many SOQL queries: 101", "Apex CPU time limit"])
def test_trigger_failure_when_the_org_was_busy_can_be_tried_again(text: str) -> None:
    error = mapped(refusal("CANNOT_INSERT_UPDATE_ACTIVATE_ENTITY", f"SBQQ.OrderItemAfter: {text}"))
    assert type(error) is TransientError


def test_trigger_failure_when_it_is_the_orgs_own_shows_its_text() -> None:
    error = mapped(refusal("CANNOT_INSERT_UPDATE_ACTIVATE_ENTITY", "Acme.Trigger: region is missing"))
    assert type(error) is RecordError
    assert "region is missing" in error.message


def test_validation_rule_shows_its_text_and_field() -> None:
    error = mapped(refusal("FIELD_CUSTOM_VALIDATION_EXCEPTION", "Status may not go back", ["Status__c"]))
    assert (error.field, "Status may not go back" in error.message) == ("Status__c", True)


@pytest.mark.parametrize(
    ("body", "status", "expected"),
    [
        ("<html><body>Down for maintenance</body></html>", 503, TransientError),
        ("", 502, TransientError),
        ("<html>Too many</html>", 429, TransientError),
        ("<html>Sign in</html>", 401, AccessLostError),
        ("[]", 410, ConfigurationError),
        ('{"error": "x"}', 403, RecordError),
        ("moved", 302, RecordError),
        ('[{"message": 3}]', 400, RecordError),
        ('[{"errorCode": 3, "message": "x"}]', 400, RecordError),
        ("[1, null]", 400, RecordError),
        ("[" * 100_000, 400, RecordError),
    ],
)
def test_bodies_of_any_shape_are_survived(body: str, status: int, expected: type[CpqbridgeError]) -> None:
    assert type(mapped(body, status=status)) is expected


def test_unknown_code_stops_the_record_and_is_named() -> None:
    error = mapped(refusal("BRAND_NEW_CODE", "something new", ["Field__c"]))
    assert (type(error), error.code, error.field) == (RecordError, "salesforce_unexpected", "Field__c")
    assert "BRAND_NEW_CODE" in error.message


def test_retry_after_is_kept() -> None:
    error = mapped("busy", status=429, retry_after_seconds=30)
    assert isinstance(error, TransientError)
    assert error.retry_after_seconds == 30


@pytest.mark.parametrize(
    ("message", "code", "seconds"),
    [
        ("TotalRequests Limit exceeded.", "salesforce_limit", 300),
        ("ConcurrentRequests (Concurrent API Requests) Limit exceeded.", "salesforce_busy", None),
        ("ConcurrentPerOrgLongTxn Limit exceeded.", "salesforce_busy", None),
    ],
)
def test_a_day_without_calls_is_waited_for_and_too_many_at_once_is_not(
    message: str, code: str, seconds: float | None
) -> None:
    error = mapped(refusal("REQUEST_LIMIT_EXCEEDED", message), status=403)
    assert isinstance(error, TransientError)
    assert (error.code, error.retry_after_seconds) == (code, seconds)


def test_victims_of_another_failure_come_last() -> None:
    body = refusal("PROCESSING_HALTED") + refusal("INVALID_FIELD", "No such column 'X'")
    assert [problem.code for problem in problems_in(body)] == ["INVALID_FIELD", "PROCESSING_HALTED"]


def test_long_texts_are_cut_and_put_on_one_line() -> None:
    message = mapped(refusal("MALFORMED_QUERY", "a\n  b" + "x" * 10_000)).message
    assert "\n" not in message
    assert len(message) < 700


def test_refused_queries_show_the_reason_and_not_the_query() -> None:
    text = "\nSELECT Id, Typo__c FROM Order\n           ^\nERROR at Row:1:Column:12\nNo such column 'Typo__c' on entity 'Order'. If you"
    error = mapped(refusal("INVALID_FIELD", text))
    assert "SELECT" not in error.message
    assert (error.field, "No such column 'Typo__c'" in error.message) == ("Order.Typo__c", True)


def test_every_kind_is_used() -> None:
    assert {kind for kind, _ in CODES.values()} == set(Kind)


def test_parse_json_keeps_numbers_exact() -> None:
    parsed = parse_json('{"a": 8.624657534246575, "b": 1.0E-4, "c": 600.0, "d": 3}')
    assert [str(parsed[name]) for name in "abcd"] == ["8.624657534246575", "0.00010", "600.0", "3"]
