"""A refused change of something that has ended is looked at: it is done, it is too late, or it is an error."""

from __future__ import annotations

from typing import Any

import httpx2
import pytest
from tests.unit.stripe_billing.fake_stripe import FakeStripe, refusal

from cpqbridge.domain.billing import StepAction
from cpqbridge.errors import RecordError, TransientError
from cpqbridge.stripe_billing.error_codes import GONE, REFUSED, SCHEDULE_ENDED

PARAMETERS = {
    StepAction.UPDATE_SCHEDULE: {"proration_behavior": "none"},
    StepAction.CANCEL_SCHEDULE: {"prorate": False, "invoice_now": False},
    StepAction.FINALIZE_INVOICE: {"auto_advance": True},
    StepAction.CREATE_CREDIT_NOTE: {"invoice": "in_1", "amount": 1},
    StepAction.ADD_INVOICE_LINES: {"lines": [{"amount": 1}]},
}


def refusing(shown: dict[str, Any] | None, *, code: str | None = None, read_status: int = 200) -> FakeStripe:
    """Refuse every write; a read shows the object, or what it answers instead."""

    def answer(request: httpx2.Request) -> httpx2.Response:
        if request.method == "POST":
            return httpx2.Response(400, json=refusal("No.", **({"code": code} if code else {})))
        return httpx2.Response(read_status, json=shown or refusal("Busy.", code="resource_missing"))

    return FakeStripe(answer)


def perform(fake: FakeStripe, action: StepAction, target: str | None = "x_1") -> dict[str, Any]:
    return fake.billing().perform(action, PARAMETERS[action], target=target, idempotency_key="k")


@pytest.mark.parametrize(
    ("action", "status"),
    [
        (StepAction.CANCEL_SCHEDULE, "canceled"),
        (StepAction.FINALIZE_INVOICE, "open"),
        (StepAction.FINALIZE_INVOICE, "paid"),
        (StepAction.FINALIZE_INVOICE, "uncollectible"),
    ],
)
def test_refusal_when_it_is_done_already_is_no_refusal(action: StepAction, status: str) -> None:
    shown = {"id": "x_1", "status": status}
    assert perform(refusing(shown), action) == shown
    assert refusing(shown).billing().find_done(action, "x_1") == shown


@pytest.mark.parametrize(
    ("action", "status"),
    [
        (StepAction.CANCEL_SCHEDULE, "active"),
        (StepAction.FINALIZE_INVOICE, "draft"),
        (StepAction.FINALIZE_INVOICE, "void"),
    ],
)
def test_refusal_when_it_is_not_done_stays_a_refusal(action: StepAction, status: str) -> None:
    shown = {"id": "x_1", "status": status}
    with pytest.raises(RecordError) as caught:
        perform(refusing(shown), action)
    assert caught.value.code == REFUSED
    assert refusing(shown).billing().find_done(action, "x_1") is None


@pytest.mark.parametrize(
    ("action", "status"),
    [
        (StepAction.UPDATE_SCHEDULE, "released"),
        (StepAction.UPDATE_SCHEDULE, "canceled"),
        (StepAction.UPDATE_SCHEDULE, "completed"),
        (StepAction.CANCEL_SCHEDULE, "released"),
        (StepAction.CANCEL_SCHEDULE, "completed"),
    ],
)
def test_change_of_an_ended_schedule_says_how_it_stands(action: StepAction, status: str) -> None:
    with pytest.raises(RecordError) as caught:
        perform(refusing({"id": "x_1", "status": status}), action)
    assert caught.value.code == SCHEDULE_ENDED
    assert caught.value.message == (
        f"The subscription schedule x_1 is {status} in Stripe and cannot be changed any more."
    )
    assert all(word in caught.value.fix for word in ("adopt", "restart", "ignore"))


@pytest.mark.parametrize("action", [StepAction.CREATE_CREDIT_NOTE, StepAction.ADD_INVOICE_LINES])
def test_other_refusals_are_not_looked_into(action: StepAction) -> None:
    fake = refusing(None)
    with pytest.raises(RecordError) as caught:
        perform(fake, action, None if action is StepAction.CREATE_CREDIT_NOTE else "in_1")
    assert caught.value.code == REFUSED
    assert [request.method for request in fake.requests] == ["POST"]
    assert fake.billing().find_done(action, "in_1") is None


def test_refusal_when_the_schedule_is_unknown_says_that_it_is_gone() -> None:
    fake = refusing(None, code="resource_missing")
    with pytest.raises(RecordError) as caught:
        perform(fake, StepAction.CANCEL_SCHEDULE)
    assert caught.value.code == GONE
    assert [request.method for request in fake.requests] == ["POST"]


def test_refusal_when_stripe_is_too_busy_to_look_can_be_tried_again() -> None:
    with pytest.raises(TransientError):
        perform(refusing({"error": {"message": "later"}}, read_status=500), StepAction.CANCEL_SCHEDULE)


def test_refusal_when_the_object_is_not_found_stays_a_refusal() -> None:
    with pytest.raises(RecordError) as caught:
        perform(refusing(None, read_status=404), StepAction.UPDATE_SCHEDULE)
    assert caught.value.code == REFUSED
