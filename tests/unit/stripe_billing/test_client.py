"""The Stripe client: what it sends, what it makes of answers, and what it never shows."""

from __future__ import annotations

import subprocess
import sys
import traceback
from decimal import Decimal
from typing import Any
from urllib.parse import parse_qs

import httpx2
import pytest
import stripe
from stripe._api_version import _ApiVersion
from tests.unit.stripe_billing.fake_stripe import KEY, FakeStripe, answering, failing, listing, refusal

from cpqbridge.domain.billing import StepAction
from cpqbridge.errors import AccessLostError, InvariantError, OutcomeUnknownError, RecordError
from cpqbridge.stripe_billing.client import API_VERSION, StripeBilling
from cpqbridge.stripe_billing.reader import price_parameters

CUSTOMER = {"id": "cus_1", "object": "customer", "name": "Acme"}
SCHEDULES = "/v1/subscription_schedules"


def perform(
    fake: FakeStripe, action: StepAction = StepAction.CREATE_CUSTOMER, **changes: Any
) -> dict[str, Any]:
    call = {"parameters": {"name": "Acme"}, "target": None, "idempotency_key": "key-1"} | changes
    return fake.billing().perform(
        action, call["parameters"], target=call["target"], idempotency_key=call["idempotency_key"]
    )


def test_version_is_the_one_the_sdks_types_are_for() -> None:
    assert _ApiVersion.CURRENT == API_VERSION
    assert stripe.VERSION == "16.1.0"


def test_perform_sends_key_version_and_idempotency_key() -> None:
    fake = answering(200, CUSTOMER)
    assert perform(fake) == CUSTOMER
    (request,) = fake.requests
    assert str(request.url) == "https://api.stripe.com/v1/customers"
    assert request.headers["Authorization"] == f"Bearer {KEY}"
    assert request.headers["Stripe-Version"] == API_VERSION
    assert request.headers["Idempotency-Key"] == "key-1"
    assert parse_qs(request.content.decode()) == {"name": ["Acme"]}


@pytest.mark.parametrize(
    ("action", "parameters", "target", "path"),
    [
        (StepAction.UPDATE_CUSTOMER, {"name": "A"}, "cus_1", "/v1/customers/cus_1"),
        (StepAction.CREATE_PRODUCT, {"name": "A"}, None, "/v1/products"),
        (StepAction.UPDATE_PRODUCT, {"name": "A"}, "01t/../x", "/v1/products/01t%2F..%2Fx"),
        (StepAction.CREATE_PRICE, {"currency": "usd"}, None, "/v1/prices"),
        (StepAction.CREATE_INVOICE, {"customer": "cus_1"}, None, "/v1/invoices"),
        (StepAction.ADD_INVOICE_LINES, {"lines": [{"amount": 1}]}, "in_1", "/v1/invoices/in_1/add_lines"),
        (StepAction.UPDATE_SCHEDULE, {"proration_behavior": "none"}, "sub_1", f"{SCHEDULES}/sub_1"),
        (StepAction.CANCEL_SCHEDULE, {"prorate": False}, "sub_1", f"{SCHEDULES}/sub_1/cancel"),
        (StepAction.FINALIZE_INVOICE, {"auto_advance": True}, "in_1", "/v1/invoices/in_1/finalize"),
        (StepAction.CREATE_CREDIT_NOTE, {"invoice": "in_1", "amount": 1}, None, "/v1/credit_notes"),
        (
            StepAction.CREDIT_BALANCE,
            {"amount": -1, "currency": "usd"},
            "cus_1",
            "/v1/customers/cus_1/balance_transactions",
        ),
    ],
)
def test_perform_maps_each_action_to_one_call(
    action: StepAction, parameters: dict[str, Any], target: str | None, path: str
) -> None:
    fake = answering(200, {"id": "x", "object": "thing"})
    perform(fake, action, parameters=parameters, target=target)
    (request,) = fake.requests
    assert (request.method, request.url.raw_path.decode()) == ("POST", path)


def test_perform_when_creating_a_schedule_asks_for_the_first_invoice() -> None:
    fake = answering(200, {"id": "sub_sched_1", "object": "subscription_schedule"})
    perform(
        fake,
        StepAction.CREATE_SCHEDULE,
        parameters={"customer": "cus_1", "phases": [{"items": [{"price": "p"}]}]},
    )
    sent = parse_qs(fake.requests[0].content.decode())
    assert sent["expand[0]"] == ["subscription.latest_invoice"]
    assert sent["phases[0][items][0][price]"] == ["p"]


@pytest.mark.parametrize(
    ("action", "target"),
    [
        (StepAction.CREATE_CUSTOMER, "cus_1"),
        (StepAction.UPDATE_CUSTOMER, None),
        (StepAction.UPDATE_CUSTOMER, ""),
    ],
)
def test_perform_when_the_target_does_not_fit_is_our_mistake(action: StepAction, target: str | None) -> None:
    fake = answering(200, CUSTOMER)
    with pytest.raises(InvariantError):
        perform(fake, action, target=target)
    assert fake.requests == []


def test_perform_when_parameters_are_wrong_sends_nothing() -> None:
    fake = answering(200, CUSTOMER)
    with pytest.raises(InvariantError):
        perform(fake, parameters={"full_name": "Acme"})
    assert fake.requests == []


def test_answers_are_plain_and_decimals_exact() -> None:
    price = {
        "id": "price_1",
        "object": "price",
        "unit_amount_decimal": "833.333333333333",
        "product": {"id": "p", "object": "product"},
    }
    found = answering(200, price).billing().retrieve_price("price_1")
    assert found is not None
    assert found["unit_amount_decimal"] == Decimal("833.333333333333")
    assert type(found["product"]) is dict


@pytest.mark.parametrize("status", [429, 500, 503])
def test_nothing_is_tried_again_here(status: int) -> None:
    fake = answering(status, refusal(), **{"Stripe-Should-Retry": "true"})
    with pytest.raises(Exception):  # noqa: B017 - the class is the error map's business
        perform(fake)
    assert len(fake.requests) == 1


def test_redirect_is_not_followed() -> None:
    fake = answering(302, "", location="https://evil.com/")
    with pytest.raises(RecordError) as caught:
        perform(fake)
    assert (caught.value.code, len(fake.requests)) == ("stripe_unexpected", 1)


def test_unreadable_success_of_a_write_is_repeated_with_the_same_key() -> None:
    with pytest.raises(OutcomeUnknownError):
        perform(answering(200, "<html>proxy</html>"))


def test_retrieve_when_absent_is_none() -> None:
    missing = refusal("No such price", code="resource_missing", param="id")
    assert answering(404, missing).billing().retrieve_price("price_x") is None
    with pytest.raises(RecordError):
        answering(400, refusal("Bad")).billing().retrieve_price("price_x")


def test_find_by_key_when_a_price_has_the_lookup_key_returns_it() -> None:
    fake = answering(200, listing({"id": "price_1", "object": "price"}))
    found = fake.billing().find_by_key(StepAction.CREATE_PRICE, {"lookup_key": "cpqbridge:1"})
    assert found == {"id": "price_1", "object": "price"}
    assert dict(fake.requests[0].url.params)["lookup_keys[0]"] == "cpqbridge:1"


def test_find_by_key_when_a_product_has_the_id_returns_it() -> None:
    fake = answering(200, {"id": "01t", "object": "product"})
    found = fake.billing().find_by_key(StepAction.CREATE_PRODUCT, {"id": "01t", "name": "x"})
    assert found is not None
    assert found["id"] == "01t"


def test_find_by_key_when_nothing_can_be_found_is_none() -> None:
    assert (
        answering(200, listing()).billing().find_by_key(StepAction.CREATE_PRICE, {"lookup_key": "a"}) is None
    )
    fake = answering(200, CUSTOMER)
    assert fake.billing().find_by_key(StepAction.CREATE_CUSTOMER, {"name": "a"}) is None
    assert fake.billing().find_by_key(StepAction.CREATE_PRICE, {"currency": "usd"}) is None
    assert fake.requests == []


def test_lists_are_read_to_the_last_page() -> None:
    pages = {
        None: listing(
            {"id": "cus_3", "object": "customer"}, {"id": "cus_2", "object": "customer"}, has_more=True
        ),
        "cus_2": listing({"id": "cus_1", "object": "customer"}),
    }
    fake = FakeStripe(
        lambda request: httpx2.Response(200, json=pages[request.url.params.get("starting_after")])
    )
    assert [customer["id"] for customer in fake.billing().list_customers()] == ["cus_3", "cus_2", "cus_1"]
    assert fake.requests[0].url.params["limit"] == "100"


def test_list_when_a_page_is_empty_but_promises_more_ends() -> None:
    fake = answering(200, listing(has_more=True))
    assert list(fake.billing().list_customers()) == []
    assert len(fake.requests) == 1


def test_list_invoices_reads_all_lines_and_leaves_drafts_out() -> None:
    def lines(*ids: str, has_more: bool = False) -> dict[str, Any]:
        return listing(*({"id": line, "object": "line_item"} for line in ids), has_more=has_more)

    def answer(request: httpx2.Request) -> httpx2.Response:
        if request.url.path == "/v1/invoices/in_2/lines":
            return httpx2.Response(200, json=lines("il_1", "il_2", "il_3"))
        invoices = [
            {"id": "in_1", "object": "invoice", "status": "draft", "lines": lines("il_0", has_more=True)},
            {"id": "in_2", "object": "invoice", "status": "open", "lines": lines("il_1", has_more=True)},
            {"id": "in_3", "object": "invoice", "status": "paid", "lines": lines("il_4")},
        ]
        return httpx2.Response(200, json=listing(*invoices))

    fake = FakeStripe(answer)
    found = list(fake.billing().list_invoices(customer_id="cus_1"))
    assert [(invoice["id"], [line["id"] for line in invoice["lines"]["data"]]) for invoice in found] == [
        ("in_2", ["il_1", "il_2", "il_3"]),
        ("in_3", ["il_4"]),
    ]
    assert fake.requests[0].url.params["customer"] == "cus_1"
    assert len(fake.requests) == 2
    assert len(list(fake.billing().list_invoices(drafts=True))) == 3


def test_account_tells_id_mode_and_name() -> None:
    body = {"id": "acct_1", "object": "account", "settings": {"dashboard": {"display_name": "Acme"}}}
    account = answering(200, body).billing().account()
    assert (account.account_id, account.livemode, account.display_name) == ("acct_1", False, "Acme")
    bare = answering(200, {"id": "acct_1", "object": "account", "settings": None}).billing().account()
    assert bare.display_name == "acct_1"


def test_account_when_the_answer_is_none_stops() -> None:
    with pytest.raises(RecordError):
        answering(200, {"object": "account"}).billing().account()


@pytest.mark.parametrize(
    "fake",
    [
        answering(401, refusal(f"Invalid API Key provided: {KEY}")),
        answering(400, refusal(f"Bad {KEY}")),
        answering(500, f"<html>{KEY}</html>"),
        answering(200, "nonsense"),
        failing(httpx2.ConnectError("no")),
        failing(httpx2.ReadTimeout("no")),
    ],
)
def test_key_is_shown_nowhere(fake: FakeStripe) -> None:
    billing = fake.billing()
    assert KEY not in repr(billing)
    with pytest.raises(Exception) as caught:
        perform(fake)
    shown = "".join(traceback.format_exception(caught.value)) + repr(caught.value) + str(vars(caught.value))
    assert KEY not in shown


def test_wrong_key_loses_access() -> None:
    with pytest.raises(AccessLostError):
        answering(401, refusal("Invalid API Key provided")).billing().account()


def test_simulated_when_the_api_is_on_this_machine() -> None:
    assert StripeBilling(KEY, api_base="http://127.0.0.1:9").simulated
    assert not StripeBilling(KEY).simulated


def test_sdk_is_loaded_only_by_those_who_talk_to_stripe() -> None:
    code = "import sys, cpqbridge.stripe_billing.client, cpqbridge.stripe_billing.reader; print('stripe' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


PRICE = {
    "id": "price_1",
    "object": "price",
    "active": True,
    "currency": "usd",
    "product": "prod_1",
    "recurring": {"interval": "month", "interval_count": 3, "usage_type": "licensed"},
    "unit_amount_decimal": "5000.50",
}


def test_price_parameters_are_those_a_line_is_compared_with() -> None:
    assert price_parameters(PRICE) == {
        "product": "prod_1",
        "currency": "usd",
        "unit_amount_decimal": "5000.5",
        "interval": "month",
        "interval_count": 3,
        "usage_type": "licensed",
        "active": True,
    }


def test_price_parameters_when_tiered_or_one_time_have_no_amount_or_interval() -> None:
    found = price_parameters(
        {
            **PRICE,
            "product": {"id": "prod_2"},
            "recurring": None,
            "unit_amount_decimal": None,
            "active": False,
        }
    )
    assert (found["product"], found["unit_amount_decimal"], found["interval"], found["active"]) == (
        "prod_2",
        None,
        None,
        False,
    )
    assert price_parameters({**PRICE, "unit_amount_decimal": Decimal(500)})["unit_amount_decimal"] == "500"
