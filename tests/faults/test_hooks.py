"""Events of Stripe over HTTP: what is signed begins what is due, once; what is not signed is turned away."""

from __future__ import annotations

import hashlib
import hmac
import json
import threading
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

import pytest
from tests.faults.test_timers import DUE, amended, own_invoices, wait_until
from tests.faults.test_troubled_calls import Setting
from tests.faults.two_sides import one_line_orders, service, two_sides

from cpqbridge.clock import SettableClock, SystemClock
from cpqbridge.store import events
from cpqbridge.sync.event_desk import EventDesk
from cpqbridge.sync.hooks import StripeHook
from cpqbridge.web.app import Outside, create_app
from cpqbridge.web.hook import EVENT_BYTES
from cpqbridge.web.site import Site
from cpqbridge_sim.hosting import host

SECRET = "whsec_of_the_endpoint"


@dataclass(frozen=True)
class Endpoint:
    """The hosted route, and everything behind it."""

    setting: Setting
    url: str
    desk: EventDesk

    def post(self, body: bytes, signature: str | None) -> int:
        """Return the status of the answer."""
        headers = {} if signature is None else {"Stripe-Signature": signature}
        request = urllib.request.Request(f"{self.url}/hooks/stripe", data=body, headers=headers)
        try:
            with urllib.request.urlopen(request) as answer:
                assert json.load(answer) == {"received": True}
                return answer.status
        except urllib.error.HTTPError as error:
            with error:
                return error.code

    def look(self) -> int:
        """Do a worker's work on the stored events; return how many contracts were queued."""
        (connection,) = self.setting.service.connections()
        return self.desk.work(connection)

    def stored(self) -> dict[str, int]:
        """Return how many events are stored by state, without those of which there are none."""
        with self.setting.service.store.read() as transaction:
            found = events.counts(transaction, connection_id=1)
        return {state.value: number for state, number in found.items() if number}

    def send(self, event: dict[str, Any], **signing: Any) -> int:
        body = json.dumps(event).encode()
        return self.post(body, signature(body, **signing))


def signature(body: bytes, *, secret: str = SECRET, age: timedelta = timedelta(0)) -> str:
    """Sign as Stripe does: HMAC-SHA256 over time and body (docs.stripe.com/webhooks/signature)."""
    stamp = int((SystemClock().now() - age).timestamp())
    signed = hmac.new(secret.encode(), f"{stamp}.".encode() + body, hashlib.sha256).hexdigest()
    return f"t={stamp},v1={signed}"


@pytest.fixture
def endpoint(tmp_path) -> Iterator[Endpoint]:
    """A contract with an amendment whose first part is due now, a worker, and the pages with the hook."""
    with two_sides(records=one_line_orders(contracted=True)) as sides:
        amended(tmp_path, sides)
        clock = SettableClock(DUE - timedelta(days=1))
        with service(tmp_path, clock=clock) as opened:
            opened.become_worker()
            setting = Setting(home=tmp_path, sides=sides, clock=clock, service=opened)
            setting.move_everything_to(DUE)
            hook = StripeHook(opened, secrets=[SECRET])
            with host(create_app(Site(opened), Outside(take_event=hook.take))) as pages:
                yield Endpoint(setting, pages.url, EventDesk(opened))


def event(kind: str, **subject: Any) -> dict[str, Any]:
    named = json.dumps([kind, subject], sort_keys=True).encode()
    return {
        "id": f"evt_{hashlib.sha256(named).hexdigest()[:12]}",
        "object": "event",
        "created": int(DUE.timestamp()),
        "livemode": False,
        "type": kind,
        "data": {"object": subject},
    }


def by_schedule(setting: Setting) -> dict[str, Any]:
    (schedule,) = setting.sides.objects("subscription_schedule")
    return event("subscription_schedule.updated", id=schedule["id"])


def by_subscription(setting: Setting) -> dict[str, Any]:
    (schedule,) = setting.sides.objects("subscription_schedule")
    (subscription,) = setting.sides.objects("subscription")
    return event("customer.subscription.updated", id=subscription["id"], schedule=schedule["id"])


def by_metadata(setting: Setting) -> dict[str, Any]:
    (schedule,) = setting.sides.objects("subscription_schedule")
    return event("invoice.created", id="in_1", metadata=schedule["metadata"])


def by_parent(setting: Setting) -> dict[str, Any]:
    (schedule,) = setting.sides.objects("subscription_schedule")
    details = {"subscription_details": {"metadata": schedule["metadata"]}}
    return event("invoice.created", id="in_1", parent=details)


NAMING = [by_schedule, by_subscription, by_metadata, by_parent]


def assert_left_alone(endpoint: Endpoint, calls: int) -> None:
    assert endpoint.look() == 0
    assert endpoint.setting.service.engine().waiting_partitions() == frozenset()
    assert endpoint.setting.sides.org_log.count == calls
    assert own_invoices(endpoint.setting.sides) == []


@pytest.mark.parametrize("naming", [by_subscription, by_parent])
def test_a_signed_event_that_names_the_contract_bills_what_is_due(
    endpoint: Endpoint, naming: Callable[[Setting], dict[str, Any]]
) -> None:
    assert endpoint.send(naming(endpoint.setting)) == 200
    assert own_invoices(endpoint.setting.sides) == []
    assert endpoint.look() == 1
    wait_until(lambda: own_invoices(endpoint.setting.sides) == [("open", 6246)])


def test_events_that_come_many_times_and_at_once_bill_once(endpoint: Endpoint) -> None:
    sent = [naming(endpoint.setting) for naming in NAMING] * 3
    answers: list[int] = []
    threads = [threading.Thread(target=lambda e=each: answers.append(endpoint.send(e))) for each in sent]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert answers == [200] * len(sent)
    assert endpoint.stored() == {"waiting": len(NAMING)}
    assert endpoint.look() == 1
    assert endpoint.stored() == {"noticed": len(NAMING)}
    wait_until(lambda: own_invoices(endpoint.setting.sides) == [("open", 6246)])
    wait_until(lambda: endpoint.setting.service.timers(None) == ())
    wait_until(lambda: endpoint.setting.service.engine().waiting_partitions() == frozenset())
    report = endpoint.setting.service.sync(None, endpoint.setting.sides.order_id)
    assert {standing.state.value for standing in report.standings} == {"unchanged"}
    assert own_invoices(endpoint.setting.sides) == [("open", 6246)]


def test_a_forged_or_old_event_is_turned_away(endpoint: Endpoint) -> None:
    calls = endpoint.setting.sides.org_log.count
    for signing in (
        {"secret": "whsec_of_somebody_else"},
        {"secret": SECRET[:-1]},
        {"age": timedelta(minutes=6)},
        {"age": timedelta(minutes=-6)},
    ):
        assert endpoint.send(by_schedule(endpoint.setting), **signing) == 400
    assert_left_alone(endpoint, calls)
    assert endpoint.stored() == {}


def test_a_body_that_is_not_the_signed_one_is_turned_away(endpoint: Endpoint) -> None:
    calls = endpoint.setting.sides.org_log.count
    body = json.dumps(by_schedule(endpoint.setting)).encode()
    for wrong, said in (
        (body + b" ", signature(body)),
        (body, None),
        (body, ""),
        (body, "t=now,v1=x"),
        (b"\xff\xfe", signature(b"\xff\xfe")),
        (b"[]", signature(b"[]")),
        (b"no json", signature(b"no json")),
        (b"", signature(b"")),
    ):
        assert endpoint.post(wrong, said) == 400, wrong
    assert_left_alone(endpoint, calls)


def test_a_body_too_long_for_an_event_is_not_read_to_its_end(endpoint: Endpoint) -> None:
    body = b" " * (EVENT_BYTES + 1)
    assert endpoint.post(body, signature(body)) == 413


def refusal(request: urllib.request.Request | str) -> tuple[int, dict[str, str]]:
    with pytest.raises(urllib.error.HTTPError) as caught:
        urllib.request.urlopen(request)
    with caught.value as error:
        return error.code, json.load(error)


def test_what_is_turned_away_is_told_what_to_do(endpoint: Endpoint) -> None:
    url = f"{endpoint.url}/hooks/stripe"
    for method in ("GET", "PUT", "DELETE", "PATCH"):
        status, said = refusal(urllib.request.Request(url, method=method))
        assert (status, said["fix"]) == (405, "Use POST.")
    status, said = refusal(urllib.request.Request(url, data=b"{}"))
    assert (status, "signing secret" in said["fix"]) == (400, True)
    body = b"x" * (EVENT_BYTES + 1)
    status, said = refusal(urllib.request.Request(url, data=body))
    assert (status, str(EVENT_BYTES) in said["error"]) == (413, True)


def test_an_event_that_cannot_be_stored_is_to_be_sent_again(endpoint: Endpoint) -> None:
    def broken(_payload: bytes, _signature: str) -> None:
        raise RuntimeError("the disk is full")

    with host(create_app(Site(endpoint.setting.service), Outside(take_event=broken))) as pages:
        status, said = refusal(urllib.request.Request(f"{pages.url}/hooks/stripe", data=b"{}"))
    assert (status, "disk" in str(said)) == (500, False)
    assert "sends it again" in said["fix"]


def test_a_huge_header_is_turned_away(endpoint: Endpoint) -> None:
    for value in ("x" * 8000, ",".join(["v1=" + "0" * 64] * 100), "t=1," * 2000):
        assert endpoint.post(b"{}", value) == 400
    with pytest.raises((urllib.error.HTTPError, OSError)) as caught:
        urllib.request.urlopen(
            urllib.request.Request(
                f"{endpoint.url}/hooks/stripe", data=b"{}", headers={"Stripe-Signature": "x" * 1_000_000}
            )
        )
    if isinstance(caught.value, urllib.error.HTTPError):
        assert caught.value.code in {400, 431}
        caught.value.close()
    assert endpoint.stored() == {}


def test_a_flood_of_bodies_up_to_the_limit_leaves_room_for_an_event(endpoint: Endpoint) -> None:
    answers: list[int] = []

    def flood() -> None:
        body = b"x" * EVENT_BYTES
        answers.extend(endpoint.post(body, signature(body, secret="whsec_wrong")) for _ in range(5))

    threads = [threading.Thread(target=flood) for _ in range(8)]
    for thread in threads:
        thread.start()
    assert endpoint.send(by_schedule(endpoint.setting)) == 200
    for thread in threads:
        thread.join()
    assert answers == [400] * 40
    assert endpoint.stored() == {"waiting": 1}


def test_a_signed_event_of_something_else_does_nothing(endpoint: Endpoint) -> None:
    calls = endpoint.setting.sides.org_log.count
    foreign = [
        event("subscription_schedule.updated", id="sub_sched_foreign"),
        event("invoice.created", id="in_1", metadata={"salesforce_root_id": "a0z000000000000AAA"}),
        event("invoice.created", metadata=None, parent=None),
        event("invoice.created") | {"id": "evt_none", "data": None},
        event("invoice.created") | {"id": "evt_list", "data": {"object": [1]}, "request": "no"},
    ]
    assert [endpoint.send(each) for each in foreign] == [200] * len(foreign)
    assert_left_alone(endpoint, calls)
    assert endpoint.stored() == {"ignored": len(foreign)}


def test_an_event_of_another_kind_does_nothing(endpoint: Endpoint) -> None:
    calls = endpoint.setting.sides.org_log.count
    assert endpoint.send(by_schedule(endpoint.setting) | {"type": "customer.updated"}) == 200
    assert_left_alone(endpoint, calls)


def test_without_a_secret_there_is_nothing_under_the_address(endpoint: Endpoint) -> None:
    body = json.dumps(by_schedule(endpoint.setting)).encode()
    with host(create_app(Site(endpoint.setting.service))) as pages:
        assert replace(endpoint, url=pages.url).post(body, signature(body)) == 404


def test_what_the_simulated_account_signs_and_posts_itself_bills_what_is_due(endpoint: Endpoint) -> None:
    setting = endpoint.setting
    account, (schedule,) = setting.sides.account, setting.sides.objects("subscription_schedule")
    wanted = {"url": endpoint.url, "enabled_events": ["subscription_schedule.updated"]}
    made = account.request("POST", "/v1/webhook_endpoints", wanted)[1]
    hook = StripeHook(setting.service, secrets=[made["secret"]])
    with host(create_app(Site(setting.service), Outside(take_event=hook.take))) as pages:
        address = {"url": f"{pages.url}/hooks/stripe"}
        account.request("POST", f"/v1/webhook_endpoints/{made['id']}", address)
        change = {"metadata": {"seen": "yes"}, "proration_behavior": "none"}
        account.request("POST", f"/v1/subscription_schedules/{schedule['id']}", change)
        with urllib.request.urlopen(f"{setting.sides.stripe_url}/_sim/webhooks/deliver", data=b"") as answer:
            deliveries = json.load(answer)["deliveries"]
        assert [delivery["status"] for delivery in deliveries] == ["succeeded"]
        endpoint.look()
        wait_until(lambda: own_invoices(setting.sides) == [("open", 6246)])
