"""Token buckets: what is taken at once, what is waited for, in which order."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from cpqbridge.store.database import Store, open_store
from cpqbridge.store.rate_buckets import Rate, Taken, drain, take

AT = datetime(2026, 11, 21, 12, tzinfo=UTC)
WHOLE = Rate(scope="acct_1:test", per_second=20, burst=10)
ENDPOINT = Rate(scope="acct_1:test POST /v1/prices", per_second=4, burst=2)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    opened = open_store(tmp_path, synchronous="OFF")
    yield opened
    opened.close()


def taken(store: Store, *rates: Rate, wanted: int = 1, after: float = 0.0) -> Taken:
    with store.write() as transaction:
        return take(transaction, rates, wanted=wanted, at=AT + timedelta(seconds=after))


def test_take_from_a_full_bucket_gives_a_handful_without_a_wait(store: Store) -> None:
    assert taken(store, WHOLE, wanted=5) == Taken(count=5, wait_seconds=0.0)


def test_take_gives_no_more_than_there_is(store: Store) -> None:
    taken(store, WHOLE, wanted=7)
    assert taken(store, WHOLE, wanted=5) == Taken(count=3, wait_seconds=0.0)


def test_take_from_an_empty_bucket_waits_in_the_order_of_asking(store: Store) -> None:
    taken(store, WHOLE, wanted=10)
    waits = [taken(store, WHOLE, wanted=5) for _ in range(3)]
    assert waits == [Taken(count=1, wait_seconds=each) for each in (0.05, 0.1, 0.15)]


def test_a_bucket_fills_up_to_its_burst(store: Store) -> None:
    taken(store, WHOLE, wanted=10)
    assert taken(store, WHOLE, wanted=10, after=0.2).count == 4
    assert taken(store, WHOLE, wanted=99, after=3600).count == 10


def test_the_scarcest_bucket_decides(store: Store) -> None:
    assert taken(store, WHOLE, ENDPOINT, wanted=5) == Taken(count=2, wait_seconds=0.0)
    assert taken(store, WHOLE, ENDPOINT, wanted=5) == Taken(count=1, wait_seconds=0.25)
    assert taken(store, WHOLE, wanted=9).count == 7


def test_a_clock_that_is_set_back_takes_nothing_away(store: Store) -> None:
    taken(store, WHOLE, wanted=4)
    assert taken(store, WHOLE, wanted=9, after=-60).count == 6


def test_a_drained_bucket_keeps_those_who_wait(store: Store) -> None:
    for seconds, wait in ((0.0, 0.05), (0.0, 0.1)):
        with store.write() as transaction:
            drain(transaction, [WHOLE], at=AT)
        assert taken(store, WHOLE, after=seconds).wait_seconds == wait


@pytest.mark.parametrize("per_second", [1, 7, 20, 80])
def test_over_an_hour_never_more_than_the_rate_and_the_burst(store: Store, per_second: int) -> None:
    rate = Rate(scope="acct_2:live", per_second=per_second, burst=max(1, per_second // 2))
    begun = []
    for number in range(200):
        asked = number * 0.01
        got = taken(store, rate, wanted=5, after=asked)
        begun += [asked + got.wait_seconds] * got.count
    first = min(begun)
    for instant in begun:
        allowed = rate.burst + per_second * (instant - first) + 1e-6
        assert sum(1 for each in begun if each <= instant) <= allowed + 1
