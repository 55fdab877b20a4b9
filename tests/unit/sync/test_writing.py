"""Writing records until everything is taken: what goes again, in which parts, and what is left."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from typing import Any

import httpx2
import pytest
from tests.unit.salesforce.fake_org import FakeOrg, refusal
from tests.unit.salesforce.test_writer import OK, a_line, an_order, refused

from cpqbridge.errors import OutcomeUnknownError
from cpqbridge.mapping.raw import WriteBackRecord
from cpqbridge.salesforce.writer import WriteFailure
from cpqbridge.sync.retry import Retries
from cpqbridge.sync.writing import write_all

LOCKED = "UNABLE_TO_LOCK_ROW"


class Org:
    """Refuses records as told, by id, and notes the parts that were sent."""

    def __init__(self, verdict: Callable[[str, int], dict[str, Any]]) -> None:
        self.parts: list[list[str]] = []
        self.seen: Counter[str] = Counter()
        self._verdict = verdict
        self.org = FakeOrg(self._answer)

    def _answer(self, request: httpx2.Request) -> httpx2.Response:
        answered = []
        for part in json.loads(request.content)["compositeRequest"]:
            ids = [record["Id"] for record in part["body"]["records"]]
            self.parts.append(ids)
            self.seen.update(ids)
            body = [self._verdict(each, self.seen[each]) for each in ids]
            answered.append({"httpStatusCode": 200, "body": body})
        return httpx2.Response(200, json={"compositeResponse": answered})

    def write(self, records: list[WriteBackRecord]) -> tuple[WriteFailure, ...]:
        retries = Retries(sleep=lambda _seconds: None)
        return write_all(self.org.client(), records, retries, step="write 0Q0")


def test_nothing_is_sent_for_no_records() -> None:
    org = Org(lambda _record, _time: OK)
    assert org.write([]) == ()
    assert org.parts == []


def test_only_what_was_locked_goes_again() -> None:
    org = Org(lambda record, time: refused(LOCKED) if record == "801B" and time < 3 else OK)
    assert org.write([an_order("801A"), an_order("801B"), an_order("801C")]) == ()
    assert org.parts == [["801A", "801B", "801C"], ["801B"], ["801B"]]


def test_parts_get_smaller_while_triggers_have_no_room() -> None:
    no_room = refused("CANNOT_INSERT_UPDATE_ACTIVATE_ENTITY", "SBQQ: CPU time limit exceeded")
    lines = [a_line(f"802{number:03}") for number in range(50)]
    org = Org(lambda _record, time: no_room if time < 4 else OK)
    assert org.write(lines) == ()
    assert [len(part) for part in org.parts] == [50, 25, 25, *[10] * 5, *[5] * 10]


def test_what_stays_locked_is_left_with_what_was_refused() -> None:
    verdicts = {"801A": refused("STRING_TOO_LONG"), "801B": refused(LOCKED), "801C": OK}
    org = Org(lambda record, _time: verdicts[record])
    failures = org.write([an_order(each) for each in verdicts])
    assert [(each.record_id, each.retryable) for each in failures] == [("801A", False), ("801B", True)]
    assert org.seen == {"801A": 1, "801B": 5, "801C": 1}


def test_a_lost_answer_sends_the_same_again() -> None:
    answers = [httpx2.ReadTimeout("lost"), None]

    def answer(request: httpx2.Request) -> httpx2.Response:
        error = answers.pop(0)
        if error is not None:
            raise error
        count = len(json.loads(request.content)["compositeRequest"][0]["body"]["records"])
        body = {"compositeResponse": [{"httpStatusCode": 200, "body": [OK] * count}]}
        return httpx2.Response(200, json=body)

    org = FakeOrg(answer)
    retries = Retries(sleep=lambda _seconds: None)
    assert write_all(org.client(), [an_order()], retries, step="write 0Q0") == ()
    first, second = (request.content for request in org.requests)
    assert first == second


def test_an_org_that_never_answers_is_an_error() -> None:
    org = FakeOrg(lambda _request: httpx2.Response(503, json=refusal("SERVER_UNAVAILABLE", "no")))
    with pytest.raises(OutcomeUnknownError):
        write_all(org.client(), [an_order()], Retries(sleep=lambda _seconds: None), step="write 0Q0")
    assert len(org.requests) == 5
