"""The real client, over the official SDK, against the simulated account."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from cpqbridge.domain.billing import StepAction
from cpqbridge.errors import AccessLostError, InvariantError, RecordError, TransientError
from cpqbridge.stripe_billing.client import StripeBilling
from cpqbridge.stripe_billing.error_codes import ALREADY_EXISTS
from cpqbridge.stripe_billing.reader import price_parameters
from cpqbridge_sim.hosting import host
from cpqbridge_sim.stripe.account import Account
from cpqbridge_sim.stripe.server import create_app

START = datetime(2026, 2, 1, tzinfo=UTC)
KEY = "sk_test_contract"


@dataclass(frozen=True, kw_only=True)
class Side:
    """A hosted account and a client on it."""

    account: Account
    billing: StripeBilling

    def perform(
        self, action: StepAction, parameters: dict[str, Any], *, key: str, target: str | None = None
    ) -> dict[str, Any]:
        return self.billing.perform(action, parameters, target=target, idempotency_key=key)

    def writes(self) -> int:
        return sum(entry["method"] == "POST" for entry in self.account.log.after())


@pytest.fixture
def side() -> Iterator[Side]:
    account = Account(START)
    with host(create_app(account)) as hosted, StripeBilling(KEY, api_base=hosted.url) as billing:
        yield Side(account=account, billing=billing)


def a_customer(side: Side) -> str:
    made = side.perform(
        StepAction.CREATE_CUSTOMER, {"name": "Acme", "email": "a@acme.example"}, key="customer"
    )
    return str(made["id"])


PRICE = {
    "currency": "usd",
    "product_data": {"id": "prod_seats", "name": "Seats"},
    "recurring": {"interval": "month", "interval_count": 1, "usage_type": "licensed"},
    "unit_amount_decimal": "833.333333333333",
    "lookup_key": "cpqbridge:01u:1",
}


def a_schedule(side: Side, *, months: int = 12, starts_at: datetime = START) -> dict[str, Any]:
    customer_id = a_customer(side)
    price = side.perform(StepAction.CREATE_PRICE, PRICE, key="price")
    month = starts_at.month - 1 + months
    ends_at = starts_at.replace(year=starts_at.year + month // 12, month=month % 12 + 1)
    parameters = {
        "customer": customer_id,
        "start_date": int(starts_at.timestamp()),
        "end_behavior": "cancel",
        "billing_mode": {"type": "flexible"},
        "metadata": {"salesforce_root_id": "a0Q1"},
        "default_settings": {"collection_method": "send_invoice", "invoice_settings": {"days_until_due": 30}},
        "phases": (
            {
                "items": (
                    {"price": price["id"], "quantity": 12, "metadata": {"salesforce_order_item_id": "802A"}},
                ),
                "end_date": int(ends_at.timestamp()),
                "proration_behavior": "none",
            },
        ),
    }
    return side.perform(StepAction.CREATE_SCHEDULE, parameters, key="schedule")


def test_account_and_mode(side: Side) -> None:
    account = side.billing.account()
    assert (account.account_id, account.livemode) == (side.account.state.account_id, False)
    assert account.display_name == "Simulated account"


def test_customer_is_made_and_updated(side: Side) -> None:
    customer_id = a_customer(side)
    side.perform(StepAction.UPDATE_CUSTOMER, {"name": "Acme Ltd"}, key="update", target=customer_id)
    found = [(customer["id"], customer["name"]) for customer in side.billing.list_customers()]
    assert found == [(customer_id, "Acme Ltd")]


def test_price_and_product_are_made_in_one_call_with_every_digit(side: Side) -> None:
    price = side.perform(StepAction.CREATE_PRICE, PRICE, key="price")
    assert side.writes() == 1
    assert price["unit_amount_decimal"] == Decimal("833.333333333333")
    product = side.billing.retrieve_product("prod_seats")
    assert product is not None
    side.perform(
        StepAction.UPDATE_PRODUCT, {"description": "by the month"}, key="update", target="prod_seats"
    )
    read = side.billing.retrieve_price(price["id"])
    assert read is not None
    assert price_parameters(read) == {
        "product": "prod_seats",
        "currency": "usd",
        "unit_amount_decimal": "833.333333333333",
        "interval": "month",
        "interval_count": 1,
        "usage_type": "licensed",
        "active": True,
    }
    assert side.billing.retrieve_price("price_no") is None


def test_same_key_when_repeated_makes_nothing_new(side: Side) -> None:
    first = side.perform(StepAction.CREATE_PRICE, PRICE, key="price")
    assert side.perform(StepAction.CREATE_PRICE, PRICE, key="price") == first
    with pytest.raises(InvariantError) as caught:
        side.perform(StepAction.CREATE_PRICE, {**PRICE, "lookup_key": "other"}, key="price")
    assert caught.value.code == "stripe_idempotency"


def test_taken_lookup_key_and_taken_id_are_found_again(side: Side) -> None:
    price = side.perform(StepAction.CREATE_PRICE, PRICE, key="price")
    again = {key: PRICE[key] for key in PRICE if key != "product_data"} | {"product": "prod_seats"}
    with pytest.raises(RecordError) as caught:
        side.perform(StepAction.CREATE_PRICE, again, key="again")
    assert caught.value.code == ALREADY_EXISTS
    found = side.billing.find_by_key(StepAction.CREATE_PRICE, again)
    assert found is not None
    assert found["id"] == price["id"]
    product = {"id": "prod_seats", "name": "Seats"}
    with pytest.raises(RecordError) as caught:
        side.perform(StepAction.CREATE_PRODUCT, product, key="product")
    assert caught.value.code == ALREADY_EXISTS
    found = side.billing.find_by_key(StepAction.CREATE_PRODUCT, product)
    assert found is not None
    assert found["name"] == "Seats"
    assert side.billing.find_by_key(StepAction.CREATE_PRICE, {**PRICE, "lookup_key": "free"}) is None


def test_refusal_keeps_stripes_text_parameter_and_link(side: Side) -> None:
    with pytest.raises(RecordError) as caught:
        side.perform(
            StepAction.CREATE_PRICE, {"currency": "usd", "product": "prod_no", "unit_amount": 5}, key="a"
        )
    assert caught.value.code == "stripe_gone"
    assert "prod_no" in caught.value.message
    assert caught.value.field == "product"
    assert (caught.value.request_link or "").startswith("https://dashboard.stripe.com/")


def test_schedule_answers_with_its_first_invoice(side: Side) -> None:
    schedule = a_schedule(side)
    invoice = schedule["subscription"]["latest_invoice"]
    assert invoice["total"] == 10_000
    assert [found["id"] for found in side.billing.list_schedules(customer_id=schedule["customer"])] == [
        schedule["id"]
    ]
    read = side.billing.retrieve_schedule(schedule["id"])
    assert read is not None
    assert read["metadata"] == {"salesforce_root_id": "a0Q1"}


def test_schedule_in_the_future_has_no_invoice_yet(side: Side) -> None:
    schedule = a_schedule(side, starts_at=START + timedelta(days=28))
    assert schedule["subscription"] is None


def test_invoices_are_read_whole_after_the_clock_has_run(side: Side) -> None:
    schedule = a_schedule(side)
    side.account.advance(datetime(2027, 3, 1, tzinfo=UTC))
    invoices = list(side.billing.list_invoices(customer_id=schedule["customer"]))
    assert [invoice["total"] for invoice in invoices] == [10_000] * 12
    assert all(invoice["status"] != "draft" for invoice in invoices)
    assert {
        line["metadata"]["salesforce_order_item_id"]
        for invoice in invoices
        for line in invoice["lines"]["data"]
    } == {"802A"}
    assert list(side.billing.list_invoices(customer_id="cus_other")) == []
    assert list(side.billing.list_credit_notes(customer_id=schedule["customer"])) == []


def test_invoice_with_more_lines_than_a_page_is_read_whole(side: Side) -> None:
    customer_id = a_customer(side)
    invoice = side.perform(
        StepAction.CREATE_INVOICE,
        {
            "customer": customer_id,
            "currency": "usd",
            "collection_method": "send_invoice",
            "days_until_due": 30,
        },
        key="invoice",
    )
    lines = [
        {
            "amount": number,
            "description": f"line {number}",
            "period": {"start": 1_770_000_000, "end": 1_780_000_000},
        }
        for number in range(1, 131)
    ]
    for part, offset in enumerate(range(0, len(lines), 65)):
        side.perform(
            StepAction.ADD_INVOICE_LINES,
            {"lines": lines[offset : offset + 65]},
            key=f"lines{part}",
            target=invoice["id"],
        )
    whole = side.billing.retrieve_invoice(invoice["id"])
    assert whole is not None
    assert sorted(line["amount"] for line in whole["lines"]["data"]) == list(range(1, 131))
    assert whole["lines"]["has_more"] is False
    assert list(side.billing.list_invoices(customer_id=customer_id)) == []
    (draft,) = side.billing.list_invoices(customer_id=customer_id, drafts=True)
    assert sum(line["amount"] for line in draft["lines"]["data"]) == draft["total"] == 8_515


def test_lists_longer_than_a_page_are_read_to_the_end(side: Side) -> None:
    for number in range(101):
        side.account.request("POST", "/v1/customers", {"name": f"Customer {number}"})
    assert len({customer["id"] for customer in side.billing.list_customers()}) == 101


def test_wrong_key_loses_access() -> None:
    account = Account(START, keys={"sk_test_right"})
    with (
        host(create_app(account)) as hosted,
        StripeBilling("sk_test_wrong", api_base=hosted.url) as billing,
        pytest.raises(AccessLostError) as caught,
    ):
        billing.account()
    assert "sk_test_wrong" not in str(caught.value)


def test_dead_server_can_be_tried_again() -> None:
    with host(create_app(Account(START))) as hosted:
        url = hosted.url
    with (
        StripeBilling(KEY, api_base=url, timeout_seconds=2) as billing,
        pytest.raises(TransientError) as caught,
    ):
        billing.perform(StepAction.CREATE_CUSTOMER, {"name": "A"}, target=None, idempotency_key="a")
    assert caught.value.code == "stripe_unreachable"


def test_key_is_in_no_log(side: Side, caplog: pytest.LogCaptureFixture) -> None:
    # Another test may have begun our own log, which quiets the libraries.
    for name in ("httpx2", "stripe"):
        caplog.set_level(logging.DEBUG, logger=name)
    with caplog.at_level(logging.DEBUG):
        a_customer(side)
        with pytest.raises(RecordError):
            side.perform(
                StepAction.CREATE_PRICE, {"currency": "usd", "product": "prod_no", "unit_amount": 5}, key="a"
            )
    assert caplog.records
    assert KEY not in caplog.text
