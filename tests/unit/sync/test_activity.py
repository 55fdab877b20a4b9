"""Runs and requests by the hour: what is counted, added up over processes, and kept when it cannot be stored."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy.exc import OperationalError
from tests.a_connection import FACTS

from cpqbridge.clock import SettableClock
from cpqbridge.domain.calls import Call, CallEnd
from cpqbridge.store import call_hours, connections, run_hours
from cpqbridge.store.connections import ConnectionSecrets
from cpqbridge.store.database import Store, open_store
from cpqbridge.sync.activity import ActivityRecorder
from cpqbridge.sync.durable import seconds_since_queued
from cpqbridge.sync.observing import RunEnd

NOW = datetime(2026, 2, 1, 12, 34, 56, tzinfo=UTC)
HOUR = NOW.replace(minute=0, second=0)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    opened = open_store(tmp_path, synchronous="OFF")
    secrets = ConnectionSecrets(salesforce_token="00D!token", stripe_key="sk_test_secret")
    with opened.write() as transaction:
        connections.add(opened, transaction, name="test", facts=FACTS, secrets=secrets, at=NOW)
    yield opened
    opened.close()


def recorder_of(store: Store, clock: SettableClock | None = None) -> ActivityRecorder:
    moving = clock or SettableClock(NOW)
    return ActivityRecorder(store, clock_of=lambda _connection: moving, every_seconds=3600)


def call(side: str, status: int | None) -> CallEnd:
    return CallEnd(call=Call(side=side, method="GET", path="/"), status=status, seconds=0.1)


def run(result: str = "done", *, seconds: float = 2.5, needs_someone: bool = False, of: int = 1) -> RunEnd:
    return RunEnd(
        connection_id=of,
        result=result,
        needs_someone=needs_someone,
        seconds=seconds,
        seconds_since_seen=seconds,
    )


def test_requests_when_several_processes_count_add_up_by_hour_and_side(store: Store) -> None:
    clock = SettableClock(NOW)
    first, second = recorder_of(store, clock), recorder_of(store, clock)
    for status in (200, 429, None):
        first.call_ended(call("stripe", status), connection_id=1)
    second.call_ended(call("stripe", 200), connection_id=1)
    second.call_ended(call("salesforce", 200), connection_id=1)
    first.close()
    second.flush()
    clock.set(NOW + timedelta(hours=1))
    second.call_ended(call("salesforce", 200), connection_id=1)
    second.close()
    with store.read() as transaction:
        found = call_hours.since(transaction, connection_id=1, at=HOUR)
    assert [(each.hour_at - HOUR, each.side, each.calls, each.failures) for each in found] == [
        (timedelta(0), "salesforce", 1, 0),
        (timedelta(0), "stripe", 4, 2),
        (timedelta(hours=1), "salesforce", 1, 0),
    ]


def test_runs_when_they_end_count_by_what_came_of_them_and_by_how_long_they_waited(store: Store) -> None:
    for _ in range(2):
        recorder = recorder_of(store)
        for ended in (
            run(),
            run(seconds=4000),
            run(needs_someone=True, seconds=3),
            run("stripe_down"),
            run("paused"),
            run("stopped"),
        ):
            recorder.run_ended(ended)
        recorder.close()
    with store.read() as transaction:
        found = {each.result: each for each in run_hours.since(transaction, connection_id=1, at=HOUR)}
    assert {result: each.runs for result, each in found.items()} == {
        "done": 4,
        "needs someone": 2,
        "failed": 2,
    }
    assert found["done"].by_bucket == {"3": 2, "longer": 2}
    assert found["needs someone"].by_bucket == {"3": 2}


def test_counts_of_a_connection_that_is_gone_are_dropped_and_those_of_others_kept(store: Store) -> None:
    recorder = recorder_of(store)
    recorder.run_ended(run(of=7))
    recorder.run_ended(run())
    recorder.call_ended(call("stripe", 200), connection_id=7)
    recorder.close()
    with store.read() as transaction:
        assert len(run_hours.since(transaction, connection_id=1, at=HOUR)) == 1
        assert call_hours.since(transaction, connection_id=7, at=HOUR) == ()


def test_counts_are_stored_by_themselves_after_a_moment(store: Store) -> None:
    recorder = ActivityRecorder(store, clock_of=lambda _connection: SettableClock(NOW), every_seconds=0.01)
    recorder.run_ended(run())
    timer = recorder._timer
    assert timer is not None
    timer.join(5)
    with store.read() as transaction:
        assert len(run_hours.since(transaction, connection_id=1, at=HOUR)) == 1
    recorder.close()


class BusyStore:
    """A store whose writes fail as long as it is busy."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self.is_busy = True

    def read(self):
        return self._store.read()

    def write_lightly(self):
        if self.is_busy:
            raise OperationalError("INSERT", {}, Exception("database is locked"))
        return self._store.write_lightly()


def test_counts_that_cannot_be_stored_are_stored_the_next_time(store: Store) -> None:
    busy = BusyStore(store)
    recorder = ActivityRecorder(busy, clock_of=lambda _connection: SettableClock(NOW), every_seconds=3600)
    recorder.run_ended(run())
    recorder.call_ended(call("stripe", None), connection_id=1)
    recorder.flush()
    busy.is_busy = False
    recorder.run_ended(run())
    recorder.close()
    with store.read() as transaction:
        assert [each.runs for each in run_hours.since(transaction, connection_id=1, at=HOUR)] == [2]
        (calls,) = call_hours.since(transaction, connection_id=1, at=HOUR)
    assert (calls.calls, calls.failures) == (1, 1)


def test_old_hours_when_pruned_go_and_young_ones_stay(store: Store) -> None:
    clock = SettableClock(NOW - timedelta(days=40))
    recorder = recorder_of(store, clock)
    recorder.run_ended(run())
    clock.set(NOW)
    recorder.run_ended(run())
    recorder.close()
    with store.write() as transaction:
        assert run_hours.prune(transaction, connection_id=1, before=NOW - timedelta(days=35)) == 1
        assert len(run_hours.since(transaction, connection_id=1, at=NOW - timedelta(days=99))) == 1


@pytest.mark.parametrize(
    ("counts", "share", "seconds"),
    [
        ({}, 0.5, None),
        ({"3": 1}, 0.5, 3),
        ({"3": 1, "8": 1}, 0.5, 3),
        ({"3": 1, "8": 2}, 0.5, 8),
        ({"3": 94, "8": 5, "20": 1}, 0.95, 8),
        ({"3": 95, "longer": 5}, 0.95, 3),
        ({"3": 1, "longer": 9}, 0.5, float("inf")),
    ],
)
def test_time_within_which_a_share_was_done_is_the_bound_that_covers_it(counts, share, seconds) -> None:
    assert run_hours.seconds_within(counts, share) == seconds


def test_bounds_of_buckets_are_closed_above() -> None:
    found = [run_hours.bucket_of(seconds) for seconds in (0, 1, 1.01, 3600, 3600.1)]
    assert found == ["1", "1", "2", "3600", "longer"]


def test_run_id_tells_since_when_its_contract_waits_and_another_text_does_not() -> None:
    assert seconds_since_queued("20260201T123446.000000Z-0Q0-x-abc", now=NOW) == 10
    assert seconds_since_queued("strange", now=NOW) is None
