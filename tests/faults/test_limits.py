"""Limits and tries: how often a call that fails is sent, how fast Stripe is called, what an org allows."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from fnmatch import fnmatchcase
from pathlib import Path

import pytest
from tests.faults.two_sides import NOW, TwoSides, connect, move_everything_to, service, two_sides

from cpqbridge.clock import SettableClock
from cpqbridge.errors import CpqbridgeError, TransientError
from cpqbridge.mapping.raw import OrderNotice
from cpqbridge.store import plans, polls
from cpqbridge.store.plans import OrderStanding
from cpqbridge.sync.allowance import Purpose
from cpqbridge.sync.error_record import error_from_document
from cpqbridge.sync.notices import Notices
from cpqbridge.sync.service import SyncService
from cpqbridge.sync.task import Task
from cpqbridge.sync.try_book import SENDS_AN_HOUR
from cpqbridge.sync.worker import Worker
from cpqbridge_sim.hosting import host
from cpqbridge_sim.stripe.account import Account
from cpqbridge_sim.stripe.rate_limits import RateLimiter
from cpqbridge_sim.stripe.server import create_app

CHILD = Path(__file__).with_name("pacing_child.py")
ALWAYS = 10_000
ONE_OF_EACH = {"customer": 1, "product": 1, "price": 1, "subscription_schedule": 1}


@dataclass
class Setting:
    sides: TwoSides
    clock: SettableClock
    service: SyncService

    def sync(self) -> str:
        """Sync the order as a person does; return its state, or the code of the error that ended it."""
        try:
            return self.service.sync(None, self.sides.order_id).order.state.value
        except CpqbridgeError as error:
            return error.code

    def notice(self) -> OrderNotice:
        found = self.service.open(None).salesforce.find_order(self.sides.order_id)
        assert found is not None
        return found

    def run(self, purpose: Purpose, notice: OrderNotice) -> CpqbridgeError | None:
        """Sync the order in this process for `purpose`; return the error that ended the run."""
        task = Task(connection_id=1, notice=notice, purpose=purpose)
        result = self.service.engine().run_now(task.as_document(), root_id=task.root_id)
        return error_from_document(result["error"]) if result["error"] else None

    def standing(self) -> OrderStanding:
        with self.service.store.read() as transaction:
            (found,) = plans.standings(transaction, connection_id=1, order_id=self.sides.order_id)
        return found

    def sent(self, path: str, method: str = "POST") -> int:
        """Return how often a call was sent to Stripe."""
        return sum(
            entry["method"] == method and fnmatchcase(entry["path"], path)
            for entry in self.sides.account.log.after()
        )

    def counts(self) -> dict[str, int]:
        return {kind: len(self.sides.objects(kind)) for kind in ONE_OF_EACH}

    def over_an_hour(self) -> set[str]:
        """Sync every ten minutes of an hour, more often than it happens by itself."""
        ended = set()
        for minutes in range(0, 60, 10):
            move_everything_to(NOW + timedelta(minutes=minutes), self.sides, self.clock)
            ended.add(self.sync())
        return ended


@pytest.fixture
def setting(tmp_path: Path) -> Iterator[Setting]:
    clock = SettableClock(NOW)
    with two_sides() as sides, service(tmp_path, clock=clock, synchronous="OFF") as opened:
        connect(opened, sides)
        yield Setting(sides=sides, clock=clock, service=opened)


STAYING = [
    {"kind": "reset", "when": "before"},
    {"kind": "cut", "when": "before"},
    {"kind": "server_error", "status": 503},
    {"kind": "server_error", "when": "before", "stored": True},
    {"kind": "rate_limit", "retry_after": 2},
    {"kind": "conflict"},
    {"kind": "lock_timeout"},
]


@pytest.mark.parametrize("fault", STAYING, ids=lambda fault: "-".join(map(str, fault.values())))
def test_a_call_to_stripe_that_keeps_failing_is_sent_nine_times_an_hour(
    setting: Setting, fault: dict[str, object]
) -> None:
    values = dict(fault)
    setting.sides.account.faults.plan(
        str(values.pop("kind")), method="POST", path="/v1/prices", times=ALWAYS, **values
    )
    ended = setting.over_an_hour()
    assert "synced" not in ended
    assert 2 <= setting.sent("/v1/prices") <= SENDS_AN_HOUR
    assert setting.sent("/v1/customers") == setting.sent("/v1/products") == 1
    setting.sides.account.faults.clear()
    move_everything_to(NOW + timedelta(minutes=61), setting.sides, setting.clock)
    assert setting.sync() == "synced"
    assert setting.counts() == ONE_OF_EACH


def test_a_call_whose_answer_is_always_lost_is_found_and_not_sent_again(setting: Setting) -> None:
    setting.sides.account.faults.plan(
        "reset", when="after", method="POST", path="/v1/customers", times=ALWAYS
    )
    assert setting.sync() == "failed"
    sent = setting.sent("/v1/customers")
    assert setting.sync() == "synced"
    assert setting.sent("/v1/customers") == sent + 1
    assert setting.counts() == ONE_OF_EACH


def test_a_refusal_is_not_tried_again_by_itself(setting: Setting) -> None:
    setting.sides.account.faults.plan("bad_request", method="POST", path="/v1/prices", times=ALWAYS)
    assert setting.sync() == "refused"
    assert (setting.standing().retryable, setting.sent("/v1/prices")) == (False, 1)


def test_reading_a_contract_that_keeps_failing_is_sent_nine_times_an_hour(setting: Setting) -> None:
    already = len(setting.sides.org_log.after())
    setting.sides.org.faults.plan("server_error", status=503, path="*/composite", times=ALWAYS)
    setting.over_an_hour()
    asked = [
        entry for entry in setting.sides.org_log.after()[already:] if entry["path"].endswith("/composite")
    ]
    assert 5 <= len(asked) <= SENDS_AN_HOUR
    assert setting.standing().code in {"salesforce_unavailable", "too_many_tries"}


def test_records_that_stay_locked_are_written_nine_times_an_hour(setting: Setting) -> None:
    setting.sides.org.faults.plan("row_lock", sobject="Order", times=ALWAYS)
    assert setting.over_an_hour() == {"synced", "failed"}
    tried = [
        part
        for part in setting.sides.salesforce_writes()
        if any(record.get("Id") == setting.sides.order_id for record in part["body"]["records"])
    ]
    assert 5 <= len(tried) <= SENDS_AN_HOUR
    assert setting.standing().code == "write_back_failed"
    assert setting.standing().retryable
    setting.sides.org.faults.clear()
    move_everything_to(NOW + timedelta(minutes=61), setting.sides, setting.clock)
    assert setting.sync() == "synced"
    assert setting.standing().code == ""


def test_only_records_that_were_not_taken_are_written_again(setting: Setting) -> None:
    setting.sides.org.faults.plan("row_lock", sobject="OrderItem", times=2)
    assert setting.sync() == "synced"
    assert setting.standing().code == ""
    written = [
        sorted({record["attributes"]["type"] for record in part["body"]["records"]})
        for part in setting.sides.salesforce_writes()
    ]
    assert written[-2:] == [["OrderItem"], ["OrderItem"]]
    assert sum("Order" in types for types in written) == 1


@pytest.mark.parametrize("text", ["UNABLE_TO_LOCK_ROW", "System.LimitException: Too many SOQL queries: 101"])
def test_a_trigger_without_room_gets_the_record_again(setting: Setting, text: str) -> None:
    setting.sides.org.faults.plan("trigger", sobject="Order", times=1, message=f"SBQQ.OrderAfter: {text}")
    assert setting.sync() == "synced"
    assert setting.standing().code == ""


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize(
    "path", ["/v1/customers", "/v1/products", "/v1/prices", "/v1/subscription_schedules"]
)
def test_a_stored_error_is_looked_behind_and_called_anew(setting: Setting, path: str, when: str) -> None:
    setting.sides.account.faults.plan(
        "server_error", status=500, when=when, stored=True, method="POST", path=path
    )
    assert setting.sync() == "synced"
    assert setting.counts() == ONE_OF_EACH
    keys = [
        entry["idempotency_key"]
        for entry in setting.sides.account.log.after()
        if (entry["method"], entry["path"]) == ("POST", path)
    ]
    # The error, its replay, and a call under a new key only where nothing had been made.
    assert len(keys) == (3 if when == "before" else 2)
    assert keys[0] == keys[1]
    assert len(set(keys)) == len(keys) - 1


def test_a_wait_that_stripe_asks_for_is_not_sat_out(setting: Setting) -> None:
    setting.sides.account.faults.plan("rate_limit", retry_after=90, method="POST", path="/v1/prices")
    error = setting.run(Purpose.PERSON, setting.notice())
    assert isinstance(error, TransientError)
    assert (error.code, error.retry_after_seconds) == ("stripe_rate_limit", 90)
    assert setting.sent("/v1/prices") == 1


def test_work_in_the_background_waits_at_the_share_and_a_person_does_not(setting: Setting) -> None:
    setting.sides.org.daily_limit = setting.sides.org.usage() + 2
    notice = setting.notice()
    before = setting.sides.org.usage()
    error = setting.run(Purpose.BACKGROUND, notice)
    assert isinstance(error, TransientError)
    assert (error.code, error.retry_after_seconds) == ("api_share_used", 300)
    standing = setting.standing()
    assert (standing.state.value, standing.code, standing.retryable) == ("queued", "api_share_used", True)
    assert "API calls" in standing.message
    assert setting.sides.org.usage() == before
    setting.sides.org.daily_limit = 1000
    assert setting.sync() == "synced"


def test_work_goes_on_by_itself_when_the_usage_has_fallen(setting: Setting) -> None:
    setting.sides.org.daily_limit = setting.sides.org.usage() + 2
    notice = setting.notice()
    assert setting.run(Purpose.BACKGROUND, notice) is not None
    move_everything_to(NOW + timedelta(hours=25), setting.sides, setting.clock)
    setting.sides.org.daily_limit = 1000
    assert setting.run(Purpose.BACKGROUND, notice) is None
    assert setting.standing().state.value == "synced"


def test_an_org_without_calls_left_holds_everything_up_at_once(setting: Setting) -> None:
    notice = setting.notice()
    setting.sides.org.faults.plan("request_limit", reason="total", path="*/composite", times=1)
    assert setting.sync() == "queued"
    assert setting.standing().code == "salesforce_limit"
    asked = len(setting.sides.org_log.after())
    for purpose in (Purpose.BACKGROUND, Purpose.WORK):
        error = setting.run(purpose, notice)
        assert error is not None
        assert error.code == "api_share_used"
    assert len(setting.sides.org_log.after()) == asked
    setting.clock.set(NOW + timedelta(minutes=5))
    assert setting.run(Purpose.BACKGROUND, notice) is None


def test_a_live_connection_waits_at_the_share_and_goes_on_by_itself(tmp_path: Path) -> None:
    clock = SettableClock(NOW)
    with two_sides() as sides, service(tmp_path, clock=clock, synchronous="OFF") as opened:
        connect(opened, sides, live_sync=True)
        sides.org.daily_limit = sides.org.usage() + 2
        opened.open(None).salesforce.find_order(sides.order_id)
        opened.become_worker()
        asked = len(sides.org_log.after())
        for _ in range(3):
            Worker(opened).tick()
        assert len(sides.org_log.after()) == asked
        with opened.store.read() as transaction:
            problem = polls.find(transaction, connection_id=1)
        assert problem is not None
        assert problem.code == "api_share_used"
        move_everything_to(NOW + timedelta(hours=25), sides, clock)
        sides.org.daily_limit = 1000
        Worker(opened).tick()
        wait_until(lambda: [each.state.value for each in opened.list_orders(None)] == ["synced"])


def test_too_many_at_once_backs_off_for_seconds(setting: Setting) -> None:
    setting.sides.org.faults.plan("request_limit", reason="concurrent", path="*/composite", times=2)
    assert setting.sync() == "synced"


def test_three_processes_share_what_stripe_allows(tmp_path: Path) -> None:
    calls, account = 25, Account(NOW)
    account.limiter = RateLimiter(live=False)
    with host(create_app(account)) as stripe:
        children = [
            subprocess.Popen(
                [sys.executable, CHILD, str(tmp_path), stripe.url, str(calls)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
            )
            for _ in range(3)
        ]
        for child in children:
            assert child.stdout is not None
            assert child.stdout.readline() == "ready\n"
        for child in children:
            child.communicate("go\n", timeout=60)
            assert child.returncode == 0
        statuses = [entry["status"] for entry in account.log.after()]
    assert len(statuses) == 3 * calls
    assert statuses.count(429) <= 1


def test_a_lost_customer_is_found_without_listing_the_account(setting: Setting) -> None:
    account = setting.sides.account
    for number in range(250):
        account.request("POST", "/v1/customers", {"name": f"Somebody {number}"})
    move_everything_to(NOW + timedelta(days=30), setting.sides, setting.clock)
    account.faults.plan("reset", when="after", method="POST", path="/v1/customers", times=5)
    setting.sync()
    move_everything_to(NOW + timedelta(days=32), setting.sides, setting.clock)
    before = setting.sent("/v1/customers", "GET")
    assert setting.sync() == "synced"
    assert setting.sent("/v1/customers", "GET") == before + 1
    assert len(setting.sides.objects("customer")) == 251


def test_a_service_that_stops_ends_its_waits_and_the_next_one_goes_on(tmp_path: Path) -> None:
    with two_sides() as sides:
        sides.account.faults.plan("rate_limit", retry_after=15, method="POST", path="/v1/prices")
        with service(tmp_path, synchronous="OFF", sleep=None) as opened:
            connect(opened, sides)
            notice = opened.open(None).salesforce.find_order(sides.order_id)
            assert notice is not None
            opened.become_worker()
            Notices(opened).take(1, [notice], because="test")
            wait_until(lambda: sides.account.faults.struck)
            begun = time.monotonic()
        assert time.monotonic() - begun < 5
        with service(tmp_path, synchronous="OFF") as opened:
            opened.become_worker()
            wait_until(lambda: opened.list_orders(None)[0].state.value == "synced")
        assert [len(sides.objects(kind)) for kind in ONE_OF_EACH] == [1, 1, 1, 1]


def wait_until(happened: Callable[[], object]) -> None:
    deadline = time.monotonic() + 30
    while not happened():
        assert time.monotonic() < deadline
        time.sleep(0.05)
