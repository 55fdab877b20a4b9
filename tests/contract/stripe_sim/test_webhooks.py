"""Webhook endpoints and the signed deliveries to them."""

import http.server
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

import httpx2
import pytest
import stripe
from tests.contract.stripe_sim.stripe_driver import Api, at, items, phase

from cpqbridge_sim.stripe.account import Account

ENDPOINTS = "/v1/webhook_endpoints"
URL = "http://127.0.0.1:9/hooks"


class Receiver:
    """Takes deliveries in process; answers come from a list, then 200 for ever."""

    def __init__(self, account: Account, *answers: int | None) -> None:
        self.posts: list[tuple[str, bytes]] = []
        self._answers = list(answers)
        account.webhooks.send = self.take

    def take(self, _url, headers, body) -> int | None:
        self.posts.append((headers["Stripe-Signature"], body))
        return self._answers.pop(0) if self._answers else 200

    @property
    def events(self) -> list[dict[str, Any]]:
        return [json.loads(body) for _, body in self.posts]

    @property
    def kinds(self) -> list[str]:
        return [event["type"] for event in self.events]


def endpoint(api: Api, *enabled: str, **params) -> dict:
    return api.post(ENDPOINTS, {"url": URL, "enabled_events": list(enabled or ["*"]), **params})


def test_the_secret_is_shown_once(api):
    made = endpoint(api, "customer.created", description="sync", metadata={"a": "b"})
    assert made["secret"].startswith("whsec_")
    shown = api.get(f"{ENDPOINTS}/{made['id']}")
    assert shown == {name: value for name, value in made.items() if name != "secret"}
    assert (shown["status"], shown["enabled_events"]) == ("enabled", ["customer.created"])
    assert api.get(ENDPOINTS)["data"] == [shown]


def test_an_endpoint_can_be_changed_disabled_and_deleted(api):
    path = f"{ENDPOINTS}/{endpoint(api)['id']}"
    changed = api.post(path, {"enabled_events": ["invoice.paid"], "disabled": True, "description": "x"})
    assert (changed["enabled_events"], changed["status"], changed["description"]) == (
        ["invoice.paid"],
        "disabled",
        "x",
    )
    assert api.post(path, {"disabled": False})["status"] == "enabled"
    assert api.call("DELETE", path)["deleted"] is True
    api.refused("GET", path, status=404)


@pytest.mark.parametrize(
    ("params", "param"),
    [
        ({"enabled_events": ["*"]}, "url"),
        ({"url": URL}, "enabled_events"),
        ({"url": URL, "enabled_events": ["invoice.nope"]}, "enabled_events[0]"),
        ({"url": URL, "enabled_events": ["*", "invoice.paid"]}, "enabled_events"),
        ({"url": "example.com/hooks", "enabled_events": ["*"]}, "url"),
        ({"url": URL, "enabled_events": ["*"], "api_version": "2024-06-20"}, "api_version"),
        ({"url": URL, "enabled_events": ["*"], "connect": True}, "connect"),
    ],
)
def test_endpoints_that_are_refused(api, params, param):
    assert api.refused("POST", ENDPOINTS, params)["param"] == param


def test_a_live_endpoint_needs_a_safe_address():
    account = Account(datetime(2026, 1, 1, tzinfo=UTC), live=True)
    params = {"url": "http://example.com/hooks", "enabled_events": ["*"]}
    status, body = account.request("POST", ENDPOINTS, params, api_key="sk_live_x")
    assert (status, body["error"]["param"]) == (400, "url")


def test_an_account_has_sixteen_endpoints_at_most(api):
    for _ in range(16):
        endpoint(api)
    api.refused("POST", ENDPOINTS, {"url": URL, "enabled_events": ["*"]})


def test_deliveries_are_signed_as_the_sdk_checks_it(api):
    receiver = Receiver(api.account)
    secret = endpoint(api, "customer.created")["secret"]
    customer = api.customer(name="Acme")
    ((signature, body),) = receiver.posts
    event = stripe.Webhook.construct_event(body, signature, secret)
    assert (event.type, event.data.object.id, event.livemode) == ("customer.created", customer, False)
    with pytest.raises(stripe.SignatureVerificationError):
        stripe.Webhook.construct_event(body + b" ", signature, secret)
    with pytest.raises(stripe.SignatureVerificationError):
        stripe.Webhook.construct_event(body, signature, "whsec_other")


def test_an_old_delivery_is_too_old_for_the_sdk(api):
    receiver = Receiver(api.account)
    secret = endpoint(api)["secret"]
    api.account.webhooks.sent_at = lambda: at(2026, 1, 1)
    api.customer()
    signature, body = receiver.posts[0]
    with pytest.raises(stripe.SignatureVerificationError, match="tolerance"):
        stripe.Webhook.construct_event(body, signature, secret)


def test_a_rolled_secret_signs_beside_the_new_one_for_a_while(api):
    receiver = Receiver(api.account)
    made = endpoint(api, "customer.created")
    now = [1_000_000]
    api.account.webhooks.sent_at = lambda: now[0]
    fresh = api.account.webhooks.roll_secret(made["id"], keep_seconds=60)

    def accepted() -> list[bool]:
        api.customer()
        signature, body = receiver.posts[-1]
        result = []
        for secret in (made["secret"], fresh):
            try:
                stripe.WebhookSignature.verify_header(body.decode(), signature, secret)
                result.append(True)
            except stripe.SignatureVerificationError:
                result.append(False)
        assert signature.count("v1=") == sum(result)
        return result

    assert accepted() == [True, True]
    now[0] += 60
    assert accepted() == [False, True]
    with pytest.raises(ValueError, match="keep_seconds"):
        api.account.webhooks.roll_secret(made["id"], keep_seconds=86_401)
    with pytest.raises(KeyError):
        api.account.webhooks.roll_secret("we_nope", keep_seconds=0)


def test_only_what_was_asked_for_is_delivered_as_it_was(api):
    receiver = Receiver(api.account)
    endpoint(api, "invoice.created", "invoice.paid")
    api.schedule(phase(api.price(100), end=at(2026, 2, 1)), start=at(2026, 1, 1))
    assert receiver.kinds == ["invoice.created"]
    api.go(2026, 1, 2)
    assert receiver.kinds == ["invoice.created", "invoice.paid"]
    assert [event["data"]["object"]["status"] for event in receiver.events] == ["draft", "paid"]
    assert [event["api_version"] for event in receiver.events] == ["2026-10-28.endive"] * 2


def test_a_refused_request_delivers_nothing(api):
    receiver = Receiver(api.account)
    endpoint(api)
    data = {"currency": "usd", "product_data": {"name": "Pro"}, "unit_amount": 5}
    api.refused("POST", "/v1/prices", {**data, "recurring": {"interval": "month", "interval_count": 99}})
    assert receiver.posts == []


def test_what_fails_is_tried_again_as_time_goes_by(api):
    receiver = Receiver(api.account, 500, None, 302)
    endpoint(api, "customer.created")
    api.customer()
    (event,) = api.get("/v1/events", {"delivery_success": False})["data"]
    assert (event["type"], event["pending_webhooks"]) == ("customer.created", 1)
    tries = []
    for minutes in (4, 5, 34, 35, 154, 155, 600):
        api.account.advance(datetime.fromtimestamp(at(2026, 1, 1) + 60 * minutes, UTC))
        tries.append(len(receiver.posts))
    assert tries == [1, 2, 2, 3, 3, 4, 4]
    assert api.get("/v1/events", {"delivery_success": False})["data"] == []
    assert len({event["id"] for event in receiver.events}) == 1


def test_what_fails_for_good_is_given_up_and_can_be_sent_again(api):
    receiver = Receiver(api.account, *[500] * 4)
    endpoint(api, "customer.created")
    api.customer()
    api.go(2026, 1, 10)
    assert [entry["answers"] for entry in api.account.webhooks.told()] == [[500] * 4]
    assert len(api.get("/v1/events", {"delivery_success": False})["data"]) == 1
    api.account.webhooks.retry()
    api.account.webhooks.send_due()
    assert [entry["status"] for entry in api.account.webhooks.told()] == ["succeeded"]
    assert len(receiver.posts) == 5


def test_a_live_account_tries_for_three_days():
    account = Account(datetime(2026, 1, 1, tzinfo=UTC), live=True)
    receiver = Receiver(account, *[500] * 99)
    params = {"url": "https://example.com/hooks", "enabled_events": ["customer.created"]}
    account.request("POST", ENDPOINTS, params, api_key="sk_live_x")
    account.request("POST", "/v1/customers", {}, api_key="sk_live_x")
    account.advance(datetime(2026, 1, 4, tzinfo=UTC))
    tries = len(receiver.posts)
    account.advance(datetime(2026, 2, 1, tzinfo=UTC))
    assert tries == len(receiver.posts) == 9


def test_a_disabled_endpoint_gets_nothing_more(api):
    receiver = Receiver(api.account, 500)
    path = f"{ENDPOINTS}/{endpoint(api, 'customer.created')['id']}"
    api.customer()
    api.post(path, {"disabled": True})
    api.go(2026, 1, 2)
    api.customer()
    assert len(receiver.posts) == 1
    assert [entry["status"] for entry in api.account.webhooks.told()] == ["failed"]


def test_deliveries_may_come_twice_and_in_any_order(api):
    receiver = Receiver(api.account)
    endpoint(api)
    api.account.webhooks.shuffled = api.account.webhooks.duplicated = True
    api.schedule(phase(api.price(100), end=at(2026, 1, 25)), start=at(2026, 1, 1))
    api.go(2026, 1, 26)
    found = api.get("/v1/events", {"limit": 100})["data"][::-1]
    delivered = [event["id"] for event in receiver.events]
    assert sorted(delivered) == sorted([event["id"] for event in found] * 2)
    assert delivered[::2] != [event["id"] for event in found]
    assert all(event["pending_webhooks"] == 0 for event in found)


def test_deliveries_may_be_lost_and_are_listed_all_the_same(api):
    receiver = Receiver(api.account)
    endpoint(api, "customer.created")
    api.account.webhooks.lost = True
    customer = api.customer()
    api.go(2026, 1, 10)
    assert receiver.posts == []
    assert [entry["status"] for entry in api.account.webhooks.told()] == ["lost"]
    (listed,) = api.get("/v1/events", {"delivery_success": False})["data"]
    assert listed["data"]["object"]["id"] == customer
    api.account.webhooks.lost = False
    api.account.webhooks.retry()
    api.account.webhooks.send_due()
    assert [event["id"] for event in receiver.events] == [listed["id"]]


def test_forgeries_look_like_deliveries_and_are_signed_by_nobody(api):
    receiver = Receiver(api.account, 400, 200)
    secret = endpoint(api, "customer.created")["secret"]
    api.account.webhooks.forged = True
    api.customer()
    (forged, genuine) = receiver.posts
    assert stripe.Webhook.construct_event(genuine[1], genuine[0], secret).type == "customer.created"
    with pytest.raises(stripe.SignatureVerificationError):
        stripe.Webhook.construct_event(forged[1], forged[0], secret)
    first, second = receiver.events
    assert first["id"] != second["id"]
    assert {**first, "id": ""} == {**second, "id": ""}
    assert api.account.webhooks.forged_answers == [400]
    assert [entry["status"] for entry in api.account.webhooks.told()] == ["succeeded"]


def test_without_a_receiver_deliveries_wait(api):
    endpoint(api, "customer.created")
    api.customer()
    (outgoing,) = api.account.webhooks.take()
    assert (outgoing.url, outgoing.headers["Content-Type"]) == (URL, "application/json; charset=utf-8")
    api.account.webhooks.settle(outgoing.delivery, 204)
    assert api.account.webhooks.take() == []


def test_a_receiver_may_ask_the_account_at_once(api):
    endpoint(api, "customer.created")
    seen = []

    def take(_url, _headers, body) -> int:
        event = json.loads(body)
        seen.append(api.get(f"/v1/customers/{event['data']['object']['id']}")["name"])
        if len(seen) < 3:
            api.customer(name=f"number {len(seen)}")
        return 200

    api.account.webhooks.send = take
    api.customer(name="number 0")
    assert seen == ["number 0", "number 1", "number 2"]


class _Handler(http.server.BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.posts.append((self.path, self.headers["Stripe-Signature"], body))
        self.send_response(self.server.answers.pop(0) if self.server.answers else 200)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@contextmanager
def listening(*answers: int) -> Iterator[http.server.HTTPServer]:
    server = http.server.HTTPServer(("127.0.0.1", 0), _Handler)
    server.posts, server.answers = [], list(answers)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


def test_the_server_posts_to_this_machine(server):
    client = server.client()
    with listening(503) as receiver, httpx2.Client(base_url=server.url) as controls:
        url = f"http://127.0.0.1:{receiver.server_port}/hooks/stripe?tenant=1"
        made = client.v1.webhook_endpoints.create({"url": url, "enabled_events": ["*"]})
        client.v1.customers.create({"name": "Acme"})
        controls.post("/_sim/clock", json={"now": "2026-01-01T00:04:00Z"})
        told = controls.post("/_sim/webhooks/deliver").json()["deliveries"]
        assert [(entry["type"], entry["status"]) for entry in told] == [("customer.created", "succeeded")]
        assert told[0]["answers"] == [503, 200]
        path, signature, body = receiver.posts[-1]
        assert path == "/hooks/stripe?tenant=1"
        assert stripe.Webhook.construct_event(body, signature, made.secret).data.object.name == "Acme"
        fresh = controls.post(f"/_sim/webhooks/{made.id}/roll", json={"keep_seconds": 60}).json()["secret"]
        assert fresh.startswith("whsec_")
        assert controls.post("/_sim/webhooks/we_nope/roll", json={}).status_code == 404
        assert controls.post(f"/_sim/webhooks/{made.id}/roll", json={"keep_seconds": -1}).status_code == 400


def test_the_server_posts_to_no_other_machine(server):
    client = server.client()
    with httpx2.Client(base_url=server.url) as controls:
        for url in ("http://192.0.2.1/hooks", "https://127.0.0.1/hooks"):
            client.v1.webhook_endpoints.create({"url": url, "enabled_events": ["customer.created"]})
        client.v1.customers.create({"name": "Acme"})
        told = controls.post("/_sim/webhooks/deliver").json()["deliveries"]
        assert [(entry["status"], set(entry["answers"])) for entry in told] == [("pending", {None})] * 2


def test_what_time_brings_is_delivered_too(server):
    client = server.client()
    with listening() as receiver, httpx2.Client(base_url=server.url) as controls:
        url = f"http://127.0.0.1:{receiver.server_port}/"
        client.v1.webhook_endpoints.create({"url": url, "enabled_events": ["invoice.paid"]})
        Api(server.account).subscribe(*items(Api(server.account).price(100)))
        controls.post("/_sim/clock", json={"now": "2026-03-02T00:00:00Z"})
        told = controls.post("/_sim/webhooks/deliver").json()["deliveries"]
        assert [entry["status"] for entry in told] == ["succeeded"] * 3
        assert len(receiver.posts) == 3
