"""The checker over all requests finds what was planted, and nothing in what is right."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from tests.faults.request_checker import problems
from tests.faults.two_sides import NOW

from cpqbridge_sim.request_log import LoggedRequest

CREATE = {"customer": "cus_1", "metadata": {"cpqbridge_key": "schedule:1"}}
LOST = {"status": 0, "fault": "reset after"}
NOT_SENT = {"status": 0, "fault": "reset before"}


def post(after: timedelta = timedelta(), *, key: str = "a", **said: Any) -> LoggedRequest:
    values = {
        "number": 0,
        "at": (NOW + after).isoformat(),
        "method": "POST",
        "path": "/v1/subscription_schedules",
        "parameters": CREATE,
        "idempotency_key": key,
        "status": 200,
        "response": {},
    }
    return LoggedRequest(**(values | said))


def read(after: timedelta = timedelta(), **said: Any) -> LoggedRequest:
    return post(
        after, method="GET", **({"idempotency_key": None, "parameters": {"customer": "cus_1"}} | said)
    )


def written(value: str, after: timedelta = timedelta(), *, taken: bool = True, **said: Any) -> LoggedRequest:
    record = {"attributes": {"type": "Order"}, "Id": "801", "Stripe_Sync_Status__c": value}
    part = {"method": "PATCH", "url": "x", "body": {"records": [record]}}
    path = "/services/data/v68.0/composite"
    return post(
        after,
        path=path,
        parameters={"compositeRequest": [part]},
        **(
            {
                "idempotency_key": None,
                "response": {"compositeResponse": [{"body": [{"success": taken}]}]},
            }
            | said
        ),
    )


def found(*log: LoggedRequest, side: str = "stripe") -> list[str]:
    numbered = [replace(entry, number=number) for number, entry in enumerate(log, start=1)]
    return problems(**({"stripe": [], "salesforce": []} | {side: numbered}))


MINUTE, DAY = timedelta(minutes=1), timedelta(days=1)
RIGHT = {
    "the same key again": [post(**LOST), post(MINUTE)],
    "a read, then a new key": [post(**LOST), read(DAY), post(DAY, key="b", parameters={**CREATE, "x": 1})],
    "a refusal, then a new key": [post(status=400), post(key="b")],
    "nine sends": [post(MINUTE * number, status=503) for number in range(9)],
    "what was asked is waited": [post(status=429, retry_after_seconds=30), post(MINUTE)],
    "two steps": [post(**LOST), post(key="b", parameters={"metadata": {"cpqbridge_key": "schedule:2"}})],
    "cancelled, and made anew": [
        post(),
        post(path="/v1/subscription_schedules/s/cancel", key="c"),
        post(key="b"),
    ],
}
WRONG = {
    "a new key after a lost answer": ([post(**NOT_SENT), post(MINUTE, key="b")], "was not known"),
    "a new key after a server error": ([post(status=500), post(key="b")], "was not known"),
    "a read of something else": ([post(**NOT_SENT), read(path="/v1/prices"), post(key="b")], "was not known"),
    "a read that failed": ([post(**NOT_SENT), read(status=503), post(key="b")], "was not known"),
    "another body": ([post(**LOST), post(parameters={**CREATE, "x": 1})], "under the same key"),
    "an old key": ([post(**LOST), post(DAY)], "older than 23 hours"),
    "twice": ([post(), post(MINUTE, key="b")], "had done already"),
    "twice after a read": ([post(**LOST), read(), post(key="b")], "had done already"),
    "ten sends": ([post(MINUTE * number, status=503) for number in range(10)], "10 times"),
    "ten reads": ([read(MINUTE * number, status=503) for number in range(10)], "10 times"),
    "not waited": ([post(status=429, retry_after_seconds=90), post(MINUTE)], "asked to wait"),
}


@pytest.mark.parametrize("name", RIGHT)
def test_what_is_right_passes(name: str) -> None:
    assert found(*RIGHT[name]) == []


@pytest.mark.parametrize("name", WRONG)
def test_what_was_planted_is_found(name: str) -> None:
    log, words = WRONG[name]
    said = found(*log)
    assert len(said) == 1
    assert words in said[0]


def test_a_write_of_what_stands_there_is_found() -> None:
    assert "has these values already" in found(written("Synced"), written("Synced"), side="salesforce")[0]


def test_a_write_whose_answer_was_lost_may_be_repeated() -> None:
    assert found(written("Synced", **LOST), written("Synced"), side="salesforce") == []


def test_a_write_that_was_not_taken_may_be_repeated() -> None:
    assert found(written("Synced", taken=False), written("Synced"), side="salesforce") == []


def test_a_write_of_something_else_is_none_of_what_stands_there() -> None:
    assert found(written("Failed"), written("Synced"), written("Failed"), side="salesforce") == []
