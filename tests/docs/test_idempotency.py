"""The page on idempotency says of every action how it is found again, as the code does it."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx2
import pytest
from tests.unit.stripe_billing.fake_stripe import FakeStripe, listing

from cpqbridge.domain.billing import StepAction
from cpqbridge.stripe_billing.client import StripeBilling
from cpqbridge.sync.find_again import SentCall, find_again
from cpqbridge.sync.pacing import LIVE_PER_SECOND, SANDBOX_PER_SECOND
from cpqbridge.sync.retry import ATTEMPTS, LONGEST_WAIT_SECONDS
from cpqbridge.sync.try_book import SENDS_AN_HOUR

PAGE = Path(__file__).resolve().parents[2] / "docs" / "explanation" / "idempotency.md"
ROW = re.compile(r"^\| `(\w+)` \| (.+?) \| `(GET [^`]+)` \| (.+?) \|$", re.MULTILINE)
SENT: dict[str, Any] = {
    "id": "own_id",
    "lookup_key": "own_key",
    "event_name": "own_event",
    "customer": "cus_1",
    "invoice": "in_1",
    "lines": [{"metadata": {"salesforce_order_item_id": "802A"}}],
    "metadata": {"salesforce_account_id": "001A", "cpqbridge_key": "key"},
}
# What a change of a schedule came to is read as a schedule's standing (`cpqbridge.sync.apply`).
READ_BY_APPLY = StepAction.UPDATE_SCHEDULE


def rows() -> dict[str, tuple[str, str, str]]:
    return {action: (name, read, when) for action, name, read, when in ROW.findall(PAGE.read_text())}


def asked(action: StepAction) -> str:
    """Return the first request with which an action is looked for, as the page writes it."""
    fake = FakeStripe(lambda _request: httpx2.Response(200, json=listing()))
    billing: StripeBilling = fake.billing()
    target = None if action.value.startswith("create") else "target_1"
    sent = SentCall(action=action, parameters=SENT, target=target, sent_at=datetime(2026, 11, 21, tzinfo=UTC))
    if action is READ_BY_APPLY:
        billing.retrieve_schedule("target_1", with_prices=True)
    else:
        find_again(billing, sent)
    request = fake.requests[0]
    path = re.sub(r"/(own_id|target_1)", "/{id}", request.url.path)
    names = [re.sub(r"\[\d+\]", "[]", name) for name in request.url.params if name != "limit"]
    filters = [name for name in names if not name.startswith("expand")]
    return f"{request.method} {path}" + (f"?{filters[0]}" if filters else "")


def test_the_page_names_every_action_once() -> None:
    assert list(rows()) == [action.value for action in StepAction]


@pytest.mark.parametrize("action", list(StepAction))
def test_each_action_is_looked_for_as_the_page_says(action: StepAction) -> None:
    assert asked(action) == rows()[action.value][1]


def test_nothing_is_searched_for() -> None:
    assert not any("search" in asked(action) for action in StepAction)


def test_the_numbers_on_the_page_are_those_of_the_code() -> None:
    text = PAGE.read_text()
    assert (ATTEMPTS, SENDS_AN_HOUR, LONGEST_WAIT_SECONDS) == (5, 9, 20.0)
    assert "sent five times in its first run" in text
    assert "at most nine times an\nhour" in text
    assert "more than 20 seconds" in text
    assert f"{LIVE_PER_SECOND} calls a second in live mode, {SANDBOX_PER_SECOND} in\na sandbox" in text
