"""What an earlier call came to, found again on the simulated account without a search."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from tests.contract.clients.test_stripe_side import PLAINLY, START, Played, a_charge, an_item

from cpqbridge.domain.billing import StepAction
from cpqbridge.stripe_billing.client import StripeBilling
from cpqbridge.sync.retry import Retries
from cpqbridge.sync.sides import StripeAccountSide
from cpqbridge_sim.hosting import host
from cpqbridge_sim.stripe.account import Account
from cpqbridge_sim.stripe.server import create_app


@pytest.fixture
def played() -> Iterator[Played]:
    account = Account(START)
    with (
        host(create_app(account)) as hosted,
        StripeBilling("sk_test_side", api_base=hosted.url) as billing,
    ):
        side = StripeAccountSide(client=billing, retries=Retries(sleep=lambda _seconds: None))
        yield Played(account=account, side=side)


def test_a_customer_is_found_by_its_account_among_those_made_since(played: Played) -> None:
    body = {"name": "Acme", "metadata": {"salesforce_account_id": "001A"}}
    assert played.find(StepAction.CREATE_CUSTOMER, body, None) is None
    made = played.perform(StepAction.CREATE_CUSTOMER, body)
    played.perform(StepAction.CREATE_CUSTOMER, {"name": "B", "metadata": {"salesforce_account_id": "001B"}})
    assert played.find(StepAction.CREATE_CUSTOMER, body, None)["id"] == made["id"]
    played.account.advance(START + timedelta(days=3))
    # The call that is settled now was sent now: what is three days old is not what it made.
    assert played.find(StepAction.CREATE_CUSTOMER, body, None) is None


def test_a_customer_of_a_test_clock_is_found_by_that_clock(played: Played) -> None:
    clock = played.account.request("POST", "/v1/test_helpers/test_clocks", {"frozen_time": 1_600_000_000})[1]
    body = {"test_clock": clock["id"], "metadata": {"salesforce_account_id": "001A"}}
    made = played.perform(StepAction.CREATE_CUSTOMER, body)
    assert played.find(StepAction.CREATE_CUSTOMER, body, None)["id"] == made["id"]


@pytest.mark.parametrize(
    ("action", "made_by", "body", "change"),
    [
        (
            StepAction.UPDATE_CUSTOMER,
            StepAction.CREATE_CUSTOMER,
            {"name": "Acme", "phone": "1", "metadata": {"a": "1", "b": "2"}},
            {"name": "Acme Ltd", "phone": "", "metadata": {"a": "", "b": "3"}},
        ),
        (
            StepAction.UPDATE_PRODUCT,
            StepAction.CREATE_PRODUCT,
            {"id": "seat", "name": "Seat", "description": "A seat", "metadata": {"a": "1"}},
            {"name": "Chair", "description": "", "metadata": {"a": "2"}},
        ),
    ],
)
def test_an_update_is_found_where_everything_stands_as_sent(
    played: Played,
    action: StepAction,
    made_by: StepAction,
    body: dict[str, Any],
    change: dict[str, Any],
) -> None:
    target = played.perform(made_by, body)["id"]
    assert played.find(action, change, target) is None
    played.perform(action, change, target)
    assert played.find(action, change, target)["id"] == target
    assert played.find(action, {**change, "name": "Another"}, target) is None
    assert played.find(action, change, "of_nobody") is None


def test_lines_are_found_by_what_each_is_and_not_by_there_being_some(played: Played) -> None:
    customer = played.customer()
    invoice = played.own_invoice(customer, a_charge(500, "802A"))
    lines = [a_charge(700, "802B"), a_charge(300, "802C")]
    assert played.find(StepAction.ADD_INVOICE_LINES, {"lines": lines}, invoice) is None
    played.perform(StepAction.ADD_INVOICE_LINES, {"lines": lines[:1]}, invoice)
    assert played.find(StepAction.ADD_INVOICE_LINES, {"lines": lines}, invoice) is None
    played.perform(StepAction.ADD_INVOICE_LINES, {"lines": lines[1:]}, invoice)
    assert played.find(StepAction.ADD_INVOICE_LINES, {"lines": lines}, invoice)["id"] == invoice


def test_an_invoice_that_somebody_made_void_is_not_found(played: Played) -> None:
    customer = played.customer()
    body = {"customer": customer, "currency": "usd", "metadata": {"cpqbridge_key": "invoice:1"}}
    invoice = played.own_invoice(customer, a_charge(500, "802A"), metadata=body["metadata"])
    assert played.find(StepAction.CREATE_INVOICE, body, None)["id"] == invoice
    settings = {"auto_advance": False}
    played.account.request("POST", f"/v1/invoices/{invoice}/finalize", settings)
    played.account.request("POST", f"/v1/invoices/{invoice}/void", {})
    assert played.find(StepAction.CREATE_INVOICE, body, None) is None


def test_a_schedule_that_ended_is_not_what_a_call_made(played: Played) -> None:
    customer = played.customer()
    schedule = played.schedule(customer, an_item(played.price(1000, "seat"), "802A"))
    body = {"customer": customer, "metadata": schedule["metadata"]}
    assert played.find(StepAction.CREATE_SCHEDULE, body, None)["id"] == schedule["id"]
    played.perform(StepAction.CANCEL_SCHEDULE, PLAINLY, schedule["id"])
    assert played.find(StepAction.CREATE_SCHEDULE, body, None) is None
