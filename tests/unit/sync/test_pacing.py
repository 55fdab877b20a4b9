"""How fast Stripe is called: handfuls, waits, endpoints, and what a 429 does."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from cpqbridge.clock import SystemClock
from cpqbridge.domain.calls import Call, CallEnd
from cpqbridge.store.database import Store, open_store
from cpqbridge.sync.pacing import Pacer, endpoint_of, pace_of
from cpqbridge.sync.waiting import Waiting, WorkStoppedError


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    opened = open_store(tmp_path, synchronous="OFF")
    yield opened
    opened.close()


def call(path: str = "/v1/prices", method: str = "POST") -> Call:
    return Call(side="stripe", method=method, path=path)


def pacer(store: Store, waits: list[float], *, live: bool = False, per_second: int | None = None) -> Pacer:
    pace = pace_of("acct_1", live=live, per_second=per_second)
    return Pacer(store, pace, wait=waits.append, clock=SystemClock())


@pytest.mark.parametrize(
    ("method", "path", "endpoint"),
    [
        ("GET", "/v1/account", "GET /v1/account"),
        ("POST", "/v1/customers", "POST /v1/customers"),
        ("POST", "/v1/customers/cus_1", "POST /v1/customers/{id}"),
        ("GET", "/v1/customers/cus_1/balance_transactions", "GET /v1/customers/{id}/balance_transactions"),
        ("POST", "/v1/invoices/create_preview", "POST /v1/invoices/create_preview"),
        ("GET", "/v1/billing/meters", "GET /v1/billing/meters"),
        ("GET", "/v1/billing/meters/mtr_1", "GET /v1/billing/meters/{id}"),
    ],
)
def test_endpoints_are_told_apart_without_ids(method: str, path: str, endpoint: str) -> None:
    assert endpoint_of(call(path, method)) == endpoint


def test_a_sandbox_waits_from_its_burst_on(store: Store) -> None:
    waits: list[float] = []
    one = pacer(store, waits)
    for _ in range(14):
        one.before(call())
    assert len(waits) == pytest.approx(4, abs=2)
    assert all(0 < wait < 0.5 for wait in waits)


def test_in_live_mode_each_endpoint_has_a_bucket_of_its_own(store: Store) -> None:
    waits: list[float] = []
    one = pacer(store, waits, live=True)
    for path in ("/v1/prices", "/v1/products", "/v1/customers"):
        for _ in range(10):
            one.before(call(path))
    assert waits == []
    one.before(call())
    assert len(waits) == 1


def test_other_processes_share_the_buckets(store: Store) -> None:
    waits: list[float] = []
    for _ in range(4):
        pacer(store, waits).before(call())
    # Each took a handful of five or what was left of ten.
    assert len(waits) == 2


def test_after_a_429_everybody_slows_down(store: Store) -> None:
    waits: list[float] = []
    one = pacer(store, waits)
    one.before(call())
    one.after(CallEnd(call=call(), status=429, seconds=0.1, rate_limit="global-rate"))
    one.before(call())
    assert len(waits) == 1


@pytest.mark.parametrize("reason", ["", "endpoint-concurrency", "resource-specific"])
def test_a_429_for_another_reason_changes_nothing(store: Store, reason: str) -> None:
    waits: list[float] = []
    one = pacer(store, waits)
    one.before(call())
    one.after(CallEnd(call=call(), status=429, seconds=0.1, rate_limit=reason))
    one.before(call())
    assert waits == []


def test_a_wait_ends_when_the_service_stops(store: Store) -> None:
    waiting = Waiting()
    pace = pace_of("acct_1", live=False, per_second=1)
    one = Pacer(store, pace, wait=waiting.wait)
    for _ in range(2):
        one.before(call())
    ended: list[BaseException] = []

    def wait_long() -> None:
        try:
            for _ in range(30):
                one.before(call())
        except WorkStoppedError as error:
            ended.append(error)

    thread = threading.Thread(target=wait_long)
    thread.start()
    time.sleep(0.05)
    waiting.stop()
    thread.join(2)
    assert not thread.is_alive()
    assert len(ended) == 1


def test_a_call_costs_less_than_a_millisecond(tmp_path: Path) -> None:
    """With commits that survive a power cut, as in a real home."""
    opened = open_store(tmp_path)
    one = Pacer(opened, pace_of("acct_1", live=True, per_second=1000), wait=lambda _seconds: None)
    calls = [call(f"/v1/{name}") for name in ("prices", "products", "customers") for _ in range(5)]
    spent = []
    for _ in range(5):
        begun = time.perf_counter()
        for each in calls:
            one.before(each)
        spent.append((time.perf_counter() - begun) / len(calls))
        time.sleep(0.3)
    opened.close()
    assert min(spent) < 0.001
