"""Idempotency keys: what is stored under them, for whom, for how long, and what is not."""

from datetime import UTC, datetime, timedelta

import pytest
from tests.contract.stripe_sim.stripe_driver import items, phase

from cpqbridge_sim.stripe.account import Account, Answer
from cpqbridge_sim.stripe.errors import invalid

CUSTOMERS = "/v1/customers"
REPLAYED = "Idempotent-Replayed"


def send(account: Account, path: str, params=None, *, key="order-1", method="POST", **options) -> Answer:
    options.setdefault("api_key", "sk_test_x")
    return account.respond(method, path, params or {}, idempotency_key=key, **options)


def test_the_headers_of_the_first_answer_and_of_its_replay(account):
    first = send(account, CUSTOMERS)
    again = send(account, CUSTOMERS)
    assert (first.headers["Idempotency-Key"], first.headers["Stripe-Version"]) == (
        "order-1",
        "2026-10-28.endive",
    )
    assert first.headers["Original-Request"] == first.headers["Request-Id"]
    assert REPLAYED not in first.headers
    assert again.headers["Original-Request"] == first.headers["Request-Id"] != again.headers["Request-Id"]
    assert (again.headers[REPLAYED], again.headers["Idempotency-Key"]) == ("true", "order-1")
    assert "Original-Request" not in send(account, CUSTOMERS, key=None).headers


@pytest.mark.parametrize("method", ["GET", "DELETE"])
def test_reading_and_deleting_ignore_keys(account, method):
    made = send(account, CUSTOMERS, key=None).body["id"]
    path = f"{CUSTOMERS}/{made}"
    first = send(account, path, method=method)
    assert "Idempotency-Key" not in first.headers
    send(account, CUSTOMERS, key=None)
    again = send(account, path, method=method)
    assert REPLAYED not in again.headers
    assert send(account, CUSTOMERS, {"name": "unrelated"}).status == 200


def test_a_key_has_at_most_255_characters(account):
    refused = send(account, CUSTOMERS, key="k" * 256)
    assert (refused.status, refused.body["error"]["type"]) == (400, "idempotency_error")
    assert send(account, CUSTOMERS, key="k" * 255).status == 200


def test_parameters_are_compared_by_value_not_by_writing(account):
    first = send(account, CUSTOMERS, {"name": "Acme", "balance": 5, "metadata": {"a": "1", "b": "2"}})
    again = send(account, CUSTOMERS, {"metadata": {"b": "2", "a": "1"}, "balance": "5", "name": "Acme"})
    assert again.body == first.body
    assert again.headers[REPLAYED] == "true"


@pytest.mark.parametrize(
    ("path", "params", "words"),
    [
        (CUSTOMERS, {"name": "Other"}, "same parameters"),
        ("/v1/products", {"name": "Acme"}, "same endpoint"),
    ],
)
def test_a_key_belongs_to_one_request(account, path, params, words):
    send(account, CUSTOMERS, {"name": "Acme"})
    refused = send(account, path, params)
    assert (refused.status, refused.body["error"]["type"]) == (400, "idempotency_error")
    assert words in refused.body["error"]["message"]
    assert send(account, CUSTOMERS, {"name": "Acme"}).headers[REPLAYED] == "true"


def test_another_objects_address_is_another_endpoint(api, account):
    first, second = api.customer(), api.customer()
    assert send(account, f"{CUSTOMERS}/{first}", {"name": "A"}).status == 200
    assert send(account, f"{CUSTOMERS}/{second}", {"name": "A"}).body["error"]["type"] == "idempotency_error"


def test_business_refusals_are_stored(api, account):
    customer = api.customer(payment_method="pm_card_chargeCustomerFail")
    declined = {
        "customer": customer,
        "items": items(api.price(500)),
        "payment_behavior": "error_if_incomplete",
    }
    unknown = {"customer": customer, "phases": [phase("price_nope", end=1_900_000_000)]}
    for key, path, params, status in (
        ("a", "/v1/subscriptions", declined, 402),
        ("b", "/v1/subscription_schedules", unknown, 400),
        ("c", f"{CUSTOMERS}/cus_nope", {"name": "x"}, 404),
    ):
        first = send(account, path, params, key=key)
        again = send(account, path, params, key=key)
        assert (first.status, again.status, again.headers[REPLAYED]) == (status, status, "true")
        assert again.body == first.body
    api.post(f"{CUSTOMERS}/{customer}", {"invoice_settings": {"default_payment_method": "pm_card_visa"}})
    assert send(account, "/v1/subscriptions", declined, key="a").status == 402
    assert send(account, "/v1/subscriptions", declined, key="a, second try").status == 200


@pytest.mark.parametrize(
    ("params", "options", "status"),
    [
        ({"nme": "x"}, {}, 400),
        ({"balance": "2.4"}, {}, 400),
        ({}, {"api_key": "sk_live_x"}, 401),
        ({}, {"stripe_account": "acct_other"}, 403),
        ({}, {"stripe_version": "2024-06-20"}, 400),
        (invalid("The parameters are not valid UTF-8."), {}, 400),
    ],
    ids=["unknown", "ill-typed", "key", "account", "version", "unreadable"],
)
def test_what_never_began_is_not_stored(account, params, options, status):
    assert send(account, CUSTOMERS, params, **options).status == status
    began = send(account, CUSTOMERS, {"name": "Acme"})
    assert (began.status, REPLAYED in began.headers) == (200, False)


def test_a_missing_parameter_is_found_before_execution(account):
    assert send(account, "/v1/webhook_endpoints", {"enabled_events": ["*"]}).status == 400
    assert (
        send(account, "/v1/webhook_endpoints", {"enabled_events": ["*"], "url": "http://127.0.0.1:9"}).status
        == 200
    )


def test_an_answer_is_kept_for_a_day(account):
    first = send(account, CUSTOMERS).body["id"]
    account.advance(account.now + timedelta(hours=24) - timedelta(seconds=1))
    assert send(account, CUSTOMERS).body["id"] == first
    account.advance(account.now + timedelta(seconds=1))
    fresh = send(account, CUSTOMERS, {"name": "anything now"})
    assert (fresh.status, REPLAYED in fresh.headers, fresh.body["id"] == first) == (200, False, False)


def test_accounts_do_not_share_keys(account):
    other = Account(datetime(2026, 1, 1, tzinfo=UTC), live=True)
    assert send(account, CUSTOMERS).status == 200
    answer = send(other, "/v1/products", {"name": "x"}, api_key="sk_live_x")
    assert (answer.status, REPLAYED in answer.headers) == (200, False)


def test_a_replay_shows_the_answer_as_it_was_and_does_nothing(api, account):
    made = send(account, CUSTOMERS, {"name": "Acme"}).body
    api.post(f"{CUSTOMERS}/{made['id']}", {"name": "Acme Ltd"})
    told = len(api.get("/v1/events", {"limit": 100})["data"])
    assert send(account, CUSTOMERS, {"name": "Acme"}).body == made
    assert len(api.get("/v1/events", {"limit": 100})["data"]) == told
