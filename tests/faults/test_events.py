"""Stripe's events from end to end: doubled, shuffled, lost, forged or our own, the end is the same."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from tests.faults.test_timers import DUE, amended, own_invoices, wait_until
from tests.faults.two_sides import (
    KEY,
    NOW,
    TwoSides,
    connect,
    is_idle,
    one_line_orders,
    service,
    two_sides,
)

from cpqbridge.clock import SettableClock, SystemClock, monotonic_seconds
from cpqbridge.errors import AccessLostError, EventRefusedError
from cpqbridge.mapping.policies import EventsWay
from cpqbridge.store import connections, cursors, events, findings
from cpqbridge.store.events import StripeEvent
from cpqbridge.sync.event_desk import LISTED_FOR, OWN_CALL_LIFE, EventDesk
from cpqbridge.sync.event_names import HEARD, named
from cpqbridge.sync.hooks import StripeHook
from cpqbridge.sync.service import SyncService
from cpqbridge_sim.stripe.webhooks import signed

ENDPOINTS = "/v1/webhook_endpoints"
NO_PRORATION = {"proration_behavior": "none"}


@dataclass
class Listener:
    """An account that posts its events to a service, or keeps them back for the test to post."""

    home: Path
    sides: TwoSides
    clock: SettableClock
    service: SyncService
    secret: str = ""
    delivers: bool = True
    kept: list[tuple[bytes, str]] = field(default_factory=list)

    def listen(self) -> None:
        wanted = {"url": "http://127.0.0.1:9/hooks/stripe", "enabled_events": ["*"]}
        self.secret = self.sides.account.request("POST", ENDPOINTS, wanted)[1]["secret"]
        self.sides.account.webhooks.send = self._take

    def _take(self, _url: str, headers: dict[str, str], body: bytes) -> int:
        if not self.delivers:
            self.kept.append((body, headers["Stripe-Signature"]))
            return 500
        return self.post(body, headers["Stripe-Signature"])

    def post(self, body: bytes, signature: str) -> int:
        try:
            StripeHook(self.service, secrets=[self.secret]).take(body, signature)
        except EventRefusedError:
            return 400
        return 200

    def held_back(self) -> list[tuple[bytes, str]]:
        """Return the events kept back that may begin a sync, one of each."""
        found = {json.loads(body)["id"]: (body, signature) for body, signature in self.kept}
        return [each for each in found.values() if json.loads(each[0])["type"] in HEARD]

    def look(self) -> int:
        (connection,) = self.service.connections()
        return EventDesk(self.service).work(connection)

    def catch_up(self) -> int | None:
        return EventDesk(self.service).catch_up(self.service.open(None))

    def stored(self) -> dict[str, int]:
        with self.service.store.read() as transaction:
            found = events.counts(transaction, connection_id=1)
        return {state.value: number for state, number in found.items() if number}

    def lists(self) -> int:
        """Return how many lists of events were asked for."""
        return sum(each["path"] == "/v1/events" for each in self.sides.account.log.after())

    def is_idle(self) -> bool:
        return is_idle(self.service)

    def move_to(self, instant: Any) -> None:
        self.clock.set(instant)
        self.sides.org.set_clock(instant)
        self.sides.account.advance(instant)

    def writes(self) -> tuple[int, int]:
        return len(self.sides.stripe_writes()), len(self.sides.salesforce_writes())


@contextmanager
def listener(home: Path, *, way: EventsWay = EventsWay.WEBHOOK) -> Iterator[Listener]:
    """A connection with nothing synced, in a worker's process without a worker's loop."""
    clock = SettableClock(NOW)
    with two_sides(records=one_line_orders(contracted=True)) as sides, service(home, clock=clock) as opened:
        connect(opened, sides)
        settings = opened.configuration(None)
        if way is not EventsWay.WEBHOOK:
            opened.apply_configuration(None, replace(settings, sync=replace(settings.sync, events=way)))
        opened.become_worker()
        made = Listener(home=home, sides=sides, clock=clock, service=opened)
        made.listen()
        yield made


@pytest.fixture
def fresh(tmp_path: Path) -> Iterator[Listener]:
    with listener(tmp_path) as made:
        yield made


@contextmanager
def about_to_bill(home: Path) -> Iterator[Listener]:
    """A contract of which something is due now, and the events of it kept back."""
    with two_sides(records=one_line_orders(contracted=True)) as sides:
        amended(home, sides)
        clock = SettableClock(DUE)
        with service(home, clock=clock) as opened:
            opened.become_worker()
            made = Listener(home=home, sides=sides, clock=clock, service=opened, delivers=False)
            made.listen()
            made.move_to(DUE + timedelta(hours=2))
            (schedule,), (subscription,) = (
                sides.objects(kind) for kind in ("subscription_schedule", "subscription")
            )
            for path in (f"subscription_schedules/{schedule['id']}", f"subscriptions/{subscription['id']}"):
                change = {"metadata": {"seen": "yes"}} | NO_PRORATION
                assert sides.account.request("POST", f"/v1/{path}", change)[0] == 200
            yield made


def test_what_our_own_calls_cause_begins_nothing(fresh: Listener) -> None:
    fresh.service.sync(None, fresh.sides.order_id)
    order_id = fresh.sides.amend([(0, "2")], start=NOW.date() + timedelta(days=40))
    fresh.service.sync(None, order_id)
    calls = fresh.sides.org_log.count
    assert fresh.stored()["waiting"] > 0
    assert fresh.look() == 0
    assert set(fresh.stored()) == {"own", "ignored"}
    assert fresh.is_idle()
    assert fresh.sides.org_log.count == calls


def test_what_somebody_does_in_stripe_right_after_our_own_call_is_looked_at(fresh: Listener) -> None:
    """Leaving our own events alone loses nothing: another's call has another key, or none."""
    fresh.service.sync(None, fresh.sides.order_id)
    (schedule,) = fresh.sides.objects("subscription_schedule")
    path = f"/v1/subscription_schedules/{schedule['id']}"
    fresh.sides.account.request("POST", path, {"metadata": {"a": "b"}} | NO_PRORATION)
    assert fresh.look() == 1
    wait_until(fresh.is_idle)
    ending = {"prorate": False, "invoice_now": False}
    fresh.sides.account.request("POST", f"{path}/cancel", ending, idempotency_key="a key of somebody")
    assert fresh.look() == 1
    wait_until(fresh.is_idle)
    assert fresh.stored()["noticed"] >= 2
    with fresh.service.store.read() as transaction:
        found = findings.of_connection(transaction, connection_id=1)
    assert any(schedule["id"] in str(each.document) for each in found)


@pytest.mark.parametrize("answer_comes", [True, False])
def test_an_own_event_waits_for_the_answer_of_its_call(fresh: Listener, answer_comes: bool) -> None:
    """The process ends after the effect of a call and before its outcome was stored."""
    fresh.service.sync(None, fresh.sides.order_id)
    order_id = fresh.sides.amend([(0, "2")], start=NOW.date() + timedelta(days=40))
    fresh.look()
    dead: list[str] = []

    def boundary(name: str) -> None:
        if name.startswith("answer schedule:") and not dead:
            dead.append(name)
            raise InterruptedError

    fresh.service.close()
    with service(fresh.home, clock=fresh.clock, boundary=boundary) as opened:
        opened.become_worker()
        fresh.service = opened
        with pytest.raises(InterruptedError):
            opened.sync(None, order_id)
        assert fresh.look() == 0
        waiting = fresh.stored()["waiting"]
        assert waiting > 0
        if answer_comes:
            opened.sync(None, order_id)
            assert fresh.look() == 0
            assert "waiting" not in fresh.stored()
        else:
            fresh.move_to(NOW + OWN_CALL_LIFE)
            assert fresh.look() == 1
        wait_until(fresh.is_idle)
        assert len(fresh.sides.objects("subscription_schedule")) == 1
        report = opened.sync(None, order_id)
        assert report.order.state.value == "unchanged"


@pytest.mark.parametrize("seed", range(3))
def test_each_event_one_to_ten_times_in_any_order_ends_the_same(tmp_path: Path, seed: int) -> None:
    chance = random.Random(seed)
    with about_to_bill(tmp_path) as made:
        one_of_each = made.held_back()
        assert len(one_of_each) >= 3
        posts = [post for post in one_of_each for _ in range(chance.randint(1, 10))]
        chance.shuffle(posts)
        for post in posts:
            assert made.post(*post) == 200
            if chance.random() < 0.3:
                made.look()
        made.look()
        wait_until(lambda: made.service.timers(None) == ())
        wait_until(made.is_idle)
        assert own_invoices(made.sides) == [("open", 6246)]
        before = made.writes()
        for post in reversed(posts):
            assert made.post(*post) == 200
        assert made.look() == 0
        assert made.service.sync(None, made.sides.order_id).order.state.value == "unchanged"
        assert made.writes() == before
        assert sum(made.stored().values()) == len(one_of_each)


def test_lost_events_are_caught_up_with_once(tmp_path: Path) -> None:
    with about_to_bill(tmp_path) as made:
        lost = made.held_back()
        posted = lost.pop()
        assert made.post(*posted) == 200
        assert made.catch_up() >= len(lost)
        assert made.lists() == 2
        assert made.look() == 1
        wait_until(lambda: made.service.timers(None) == ())
        assert own_invoices(made.sides) == [("open", 6246)]
        known = sum(made.stored().values())
        assert made.catch_up() <= sum(each["object"] == "event" for each in made.sides.objects("event"))
        known = sum(made.stored().values())
        assert made.catch_up() == 0
        for post in made.held_back():
            made.post(*post)
        assert sum(made.stored().values()) == known


def test_a_list_of_many_pages_is_read_to_its_end(fresh: Listener) -> None:
    fresh.service.sync(None, fresh.sides.order_id)
    fresh.delivers = False
    (product,) = fresh.sides.objects("product")
    for number in range(230):
        change = {"metadata": {"number": str(number)}}
        fresh.sides.account.request("POST", f"/v1/products/{product['id']}", change)
    before = fresh.lists()
    new = fresh.catch_up()
    assert fresh.lists() - before == 4
    assert new == 230
    assert fresh.catch_up() == 0
    assert fresh.look() == 0


def test_nothing_is_listed_while_no_contract_is_in_stripe(fresh: Listener) -> None:
    assert fresh.catch_up() is None
    assert fresh.lists() == 0


def test_after_more_than_the_days_that_stripe_lists_every_contract_is_looked_at(fresh: Listener) -> None:
    fresh.service.sync(None, fresh.sides.order_id)
    fresh.catch_up()
    fresh.delivers = False
    fresh.move_to(NOW + LISTED_FOR - timedelta(days=2))
    fresh.catch_up()
    assert fresh.service.engine().waiting_partitions() == frozenset()
    wait_until(fresh.is_idle)
    calls = fresh.sides.org_log.count
    fresh.move_to(NOW + 2 * LISTED_FOR + timedelta(days=1))
    fresh.catch_up()
    wait_until(lambda: fresh.sides.org_log.count > calls)
    wait_until(fresh.is_idle)
    with fresh.service.store.read() as transaction:
        assert cursors.read(transaction, connection_id=1, name="stripe_listed") == fresh.clock.now()


@pytest.mark.parametrize(
    ("way", "lists"),
    [
        (EventsWay.WEBHOOK, [2, 0, 0, 2]),
        (EventsWay.POLL, [2, 0, 1, 2]),
        (EventsWay.OFF, [0, 0, 0, 0]),
    ],
)
def test_a_worker_lists_at_its_start_and_then_as_often_as_configured(
    tmp_path: Path, way: EventsWay, lists: list[int]
) -> None:
    """After 0 seconds, 4 minutes, 5 minutes, and an hour more; what contracts share once an hour."""
    passed = 0.0
    with listener(tmp_path, way=way) as made:
        desk = EventDesk(made.service, elapsed_seconds=lambda: passed)
        opened = made.service.open(None)
        desk.tick(opened)
        passed += 60
        assert made.lists() == 0
        made.service.sync(None, made.sides.order_id)
        found = []
        for seconds in (0, 240, 60, 3600):
            passed += seconds
            before = made.lists()
            for _ in range(3):
                desk.tick(opened)
            found.append(made.lists() - before)
        assert found == lists
        assert "waiting" not in made.stored()


def test_a_list_that_fails_is_asked_for_again_before_long(fresh: Listener) -> None:
    fresh.service.sync(None, fresh.sides.order_id)
    desk, opened = EventDesk(fresh.service), fresh.service.open(None)
    fresh.sides.account.credentials.expire(KEY)
    with pytest.raises(AccessLostError):
        desk.tick(opened)
    desk.tick(opened)
    with fresh.service.store.read() as transaction:
        assert cursors.read(transaction, connection_id=1, name="stripe_listed") is None


def test_a_key_that_may_not_list_events_stops_nothing(fresh: Listener) -> None:
    fresh.service.sync(None, fresh.sides.order_id)
    fresh.sides.account.credentials.restrict(KEY, ["rak_subscription_write"])
    assert fresh.catch_up() == 0
    assert fresh.service.connections()[0].access_lost is None


def test_forged_events_are_refused_and_not_stored(fresh: Listener) -> None:
    fresh.service.sync(None, fresh.sides.order_id)
    before = sum(fresh.stored().values())
    fresh.sides.account.webhooks.forged = True
    (schedule,) = fresh.sides.objects("subscription_schedule")
    change = {"metadata": {"forged": "no"}} | NO_PRORATION
    fresh.sides.account.request("POST", f"/v1/subscription_schedules/{schedule['id']}", change)
    forged = fresh.sides.account.webhooks.forged_answers
    assert forged
    assert set(forged) == {400}
    assert sum(fresh.stored().values()) - before == len(forged)


def test_a_rolled_secret_is_believed_beside_the_old_one(fresh: Listener) -> None:
    account = fresh.sides.account
    (endpoint,) = fresh.sides.objects("webhook_endpoint")

    def believed(*secrets: str) -> bool:
        fresh.delivers, fresh.kept = False, []
        account.request("POST", "/v1/customers", {"name": "Somebody"})
        body, signature = fresh.kept[-1]
        try:
            StripeHook(fresh.service, secrets=secrets).take(body, signature)
        except EventRefusedError:
            return False
        return True

    old = fresh.secret
    new = account.webhooks.roll_secret(endpoint["id"], keep_seconds=3600)
    assert believed(old)
    assert believed(new)
    newest = account.webhooks.roll_secret(endpoint["id"], keep_seconds=0)
    assert not believed(old, new)
    assert believed(old, new, newest)


def test_an_event_of_another_account_or_mode_is_refused(fresh: Listener) -> None:
    whole = {"id": "evt_x", "object": "event", "type": "invoice.paid", "created": 1, "livemode": False}
    for said, code in (
        ({"livemode": True}, "event_of_another"),
        ({"account": "acct_of_somebody"}, "event_of_another"),
        ({"object": "v2.core.event"}, "event_not_one"),
        ({"id": None}, "event_not_one"),
    ):
        (delivery,) = signed_by(fresh, json.dumps({**whole, **said}).encode())
        with pytest.raises(EventRefusedError) as caught:
            StripeHook(fresh.service, secrets=[fresh.secret]).take(*delivery)
        assert caught.value.code == code
        assert caught.value.fix
    assert fresh.stored() == {}


def signed_by(made: Listener, *bodies: bytes) -> Iterator[tuple[bytes, str]]:
    stamp = int(SystemClock().now().timestamp())
    for body in bodies:
        yield body, f"t={stamp},v1={signed(made.secret, stamp, body)}"


def test_a_secret_of_a_connection_is_believed_for_that_connection_only(fresh: Listener) -> None:
    opened = fresh.service
    (known,) = opened.connections()
    with opened.store.write() as transaction:
        second = connections.add(
            opened.store,
            transaction,
            name="other org, same account",
            facts=replace(known.facts, org_id="00D000000000002AAA"),
            secrets=connections.ConnectionSecrets(salesforce_token="t", stripe_key="k"),
            at=NOW,
        )
        connections.add_webhook_secret(
            opened.store,
            transaction,
            connection_id=second.connection_id,
            secret=fresh.secret,
            keeps_old=False,
            at=NOW,
        )
    body = b'{"id": "evt_x", "object": "event", "type": "invoice.paid", "created": 1, "livemode": false}'
    (delivery,) = signed_by(fresh, body)
    StripeHook(opened).take(*delivery)
    assert (fresh.stored(), stored_of(opened, second.connection_id)) == ({}, 1)
    StripeHook(opened, secrets=[fresh.secret]).take(*delivery)
    assert (fresh.stored(), stored_of(opened, second.connection_id)) == ({"waiting": 1}, 1)


def stored_of(opened: SyncService, connection_id: int) -> int:
    with opened.store.read() as transaction:
        return sum(events.counts(transaction, connection_id=connection_id).values())


class Dying:
    """A service whose process ends just before it writes to its store."""

    def __init__(self, real: SyncService) -> None:
        self._real = real
        self.store = self

    def read(self) -> Any:
        return self._real.store.read()

    def write(self) -> Any:
        raise InterruptedError

    def __getattr__(self, name: str) -> Any:
        return getattr(self._real, name)


@pytest.mark.parametrize("dies_after_queueing", [False, True])
def test_a_stop_between_storing_and_looking_loses_nothing(tmp_path: Path, dies_after_queueing: bool) -> None:
    with about_to_bill(tmp_path) as made:
        for post in made.held_back():
            assert made.post(*post) == 200
        waiting = made.stored()
        if dies_after_queueing:
            with pytest.raises(InterruptedError):
                EventDesk(Dying(made.service)).work(made.service.connections()[0])
        assert made.stored() == waiting
        made.service.close()
        with service(tmp_path, clock=made.clock) as opened:
            opened.become_worker()
            made.service = opened
            made.look()
            wait_until(lambda: opened.timers(None) == ())
            wait_until(made.is_idle)
        assert own_invoices(made.sides) == [("open", 6246)]


def test_what_a_process_without_a_worker_stores_another_ones_worker_looks_at(tmp_path: Path) -> None:
    with about_to_bill(tmp_path) as made:
        made.service.close()
        with service(tmp_path, clock=made.clock) as pages:
            made.service = pages
            for post in made.held_back():
                assert made.post(*post) == 200
        with service(tmp_path, clock=made.clock) as opened:
            opened.start_worker()
            wait_until(lambda: opened.timers(None) == ())
            opened.stop_worker()
        assert own_invoices(made.sides) == [("open", 6246)]


def test_a_customer_that_is_deleted_names_its_contracts(fresh: Listener) -> None:
    fresh.service.sync(None, fresh.sides.order_id)
    fresh.look()
    (customer,) = fresh.sides.objects("customer")
    deleted = {"id": "evt_x", "type": "customer.deleted", "created": 1, "data": {"object": customer}}
    foreign = {**deleted, "id": "evt_y", "data": {"object": {"id": "cus_of_somebody"}}}
    with fresh.service.store.write() as transaction:
        found = [named(deleted), named(foreign)]
        events.keep(transaction, connection_id=1, events=found, at=NOW)
    before = fresh.stored()["ignored"]
    assert fresh.look() == 1
    assert fresh.stored()["ignored"] == before + 1
    wait_until(fresh.is_idle)


def test_a_product_that_is_corrected_in_stripe_begins_the_sync_that_was_refused(fresh: Listener) -> None:
    account = fresh.sides.account
    account.faults.plan("bad_request", method="POST", path="/v1/prices", message="The product is not active.")
    assert fresh.service.sync(None, fresh.sides.order_id).order.state.value == "refused"
    assert fresh.look() == 0
    (product,) = fresh.sides.objects("product")
    account.request("POST", "/v1/products", {"name": "Another"})
    account.request("POST", f"/v1/products/{product['id']}", {"metadata": {"corrected": "yes"}})
    assert fresh.look() == 1
    wait_until(lambda: len(fresh.sides.objects("subscription_schedule")) == 1)
    wait_until(fresh.is_idle)
    account.request("POST", f"/v1/products/{product['id']}", {"metadata": {"corrected": "again"}})
    assert fresh.look() == 0


def test_ten_thousand_events_are_looked_at_in_seconds(fresh: Listener) -> None:
    fresh.service.sync(None, fresh.sides.order_id)
    fresh.look()
    (schedule,) = fresh.sides.objects("subscription_schedule")
    kinds = sorted(HEARD)
    many = [
        StripeEvent(
            event_id=f"evt_{number}",
            type=kinds[number % len(kinds)],
            created_at=NOW,
            stripe_ids=(f"in_{number}",) if number % 10 else (schedule["id"],),
        )
        for number in range(10_000)
    ]
    began = monotonic_seconds()
    with fresh.service.store.write() as transaction:
        assert events.keep(transaction, connection_id=1, events=many, at=NOW) == 10_000
    looks: list[Callable[[], int]] = [fresh.look] * 11
    queued = [look() for look in looks]
    took = monotonic_seconds() - began
    assert queued[-1] == 0
    assert "waiting" not in fresh.stored()
    assert took < 20, f"{took:.1f} s for 10,000 events"
    wait_until(fresh.is_idle)
