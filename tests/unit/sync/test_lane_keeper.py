"""Holding lanes and telling the living from the dead."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from tests.a_connection import FACTS

from cpqbridge.clock import SettableClock
from cpqbridge.errors import ConflictError
from cpqbridge.store import connections, lanes
from cpqbridge.store.connections import ConnectionSecrets
from cpqbridge.store.database import Store, open_store
from cpqbridge.sync.lanes import LEASE, LaneKeeper
from cpqbridge.sync.liveness import mark_once, mark_worker

NOW = datetime(2026, 2, 1, tzinfo=UTC)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    opened = open_store(tmp_path)
    with opened.write() as transaction:
        connections.add(
            opened,
            transaction,
            name="one",
            facts=FACTS,
            secrets=ConnectionSecrets(salesforce_token="t", stripe_key="k"),
            at=NOW,
        )
    yield opened
    opened.close()


def hold(keeper: LaneKeeper, patience_seconds: float = 0.0):
    return keeper.hold(connection_id=1, root_id="Q1", workflow_id="w", patience_seconds=patience_seconds)


def test_a_lane_is_waited_for_and_then_given_up(store: Store) -> None:
    mark = mark_once(store.home)
    keeper, other = LaneKeeper(store, mark), LaneKeeper(store, mark)
    with hold(keeper) as first:
        with pytest.raises(ConflictError) as caught, hold(other):
            pass
        assert caught.value.code == "lane_busy"
    with hold(other) as second:
        assert second.fence == first.fence + 1
    keeper.stop()
    other.stop()
    mark.release()


def test_a_lane_is_left_when_the_work_in_it_fails(store: Store) -> None:
    mark = mark_once(store.home)
    keeper = LaneKeeper(store, mark)
    with pytest.raises(ValueError, match="x"), hold(keeper):
        raise ValueError("x")
    with store.read() as transaction:
        assert lanes.held(transaction) == ()
    keeper.stop()
    mark.release()


def test_the_lane_of_a_dead_process_is_free_at_once_and_of_a_living_one_is_not(store: Store) -> None:
    dead, living = mark_once(store.home), mark_once(store.home)
    left_open = hold(LaneKeeper(store, dead))
    left_open.__enter__()
    keeper = LaneKeeper(store, living)
    with pytest.raises(ConflictError), hold(keeper):
        pass
    dead.release()
    with hold(keeper) as lane:
        assert lane.owner.startswith(living.name)
    keeper.stop()
    living.release()


def test_a_worker_that_came_back_takes_the_lane_of_its_former_self(store: Store) -> None:
    former = mark_worker(store.home)
    left_open = hold(LaneKeeper(store, former))
    left_open.__enter__()
    former.release()
    again = mark_worker(store.home)
    assert again.name == former.name
    keeper = LaneKeeper(store, again)
    with hold(keeper):
        pass
    keeper.stop()
    again.release()


def test_a_held_lane_is_renewed_and_a_silent_one_runs_out(store: Store) -> None:
    clock = SettableClock(NOW)
    mark = mark_once(store.home)
    keeper = LaneKeeper(store, mark, clock=clock, renew_seconds=0.02)
    silent = LaneKeeper(store, mark, clock=clock, renew_seconds=3600)
    with hold(keeper):
        clock.set(NOW + LEASE - timedelta(seconds=1))
        time.sleep(0.3)
        clock.set(NOW + LEASE + timedelta(seconds=1))
        with pytest.raises(ConflictError), hold(silent):
            pass
    with hold(silent):
        clock.set(NOW + 3 * LEASE)
        with hold(keeper):
            pass
    keeper.stop()
    silent.stop()
    mark.release()


def test_workers_get_the_first_free_name_and_the_same_after_a_restart(tmp_path: Path) -> None:
    first, second = mark_worker(tmp_path), mark_worker(tmp_path)
    assert (first.name, second.name) == ("worker-1", "worker-2")
    first.release()
    assert mark_worker(tmp_path).name == "worker-1"
    second.release()


def test_only_the_dead_of_this_machine_are_dead(tmp_path: Path) -> None:
    mark, other = mark_once(tmp_path), mark_once(tmp_path)
    assert not mark.is_dead(other.identity, mark.host)
    assert not mark.is_dead(mark.identity, mark.host)
    assert not mark.is_dead(mark.name, mark.host)
    other.release()
    assert mark.is_dead(other.identity, mark.host)
    assert not mark.is_dead(other.identity, "another machine")
    mark.release()
    mark.release()
