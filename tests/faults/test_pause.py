"""A pause stops everything at once, at any instant, and what it stopped goes on by itself."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tests.faults.two_sides import TwoSides, connect, service, two_sides

from cpqbridge.domain.refusal import OrderState
from cpqbridge.errors import ConfigurationError, PausedError
from cpqbridge.store import audit, pauses, plans
from cpqbridge.store.views import OrderSearch
from cpqbridge.sync.notices import Notices
from cpqbridge.sync.pausing import KNOWN_FOR_SECONDS, Pausing
from cpqbridge.sync.service import SyncService
from cpqbridge.sync.task import Task
from cpqbridge.sync.wake import contract_notice
from cpqbridge.sync.worker import Worker


@pytest.fixture
def sides() -> Iterator[TwoSides]:
    with two_sides() as hosted:
        yield hosted


def states(opened: SyncService) -> dict[str, str]:
    with opened.store.read() as transaction:
        return {each.order_id: each.state.value for each in plans.standings(transaction, connection_id=1)}


def waiting(opened: SyncService) -> int:
    with opened.store.read() as transaction:
        return pauses.count_parked(transaction, connection_id=1)


def wait_until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.02)


def calls(sides: TwoSides) -> int:
    return sides.org_log.count + sides.account.log.count


class PausingAt:
    """Pauses at the boundary of that number, and notes how many calls were made by then."""

    def __init__(self, number: int, sides: TwoSides) -> None:
        self.number = number
        self.sides = sides
        self.service: SyncService | None = None
        self.seen: list[str] = []
        self.calls_then = 0

    def __call__(self, name: str) -> None:
        self.seen.append(name)
        if len(self.seen) == self.number and self.service is not None:
            Pausing(self.service).pause(None, reason="numbers look odd")
            self.calls_then = calls(self.sides)


def boundaries_of_a_new_order(tmp_path: Path) -> list[str]:
    with two_sides() as sides:
        counting = PausingAt(0, sides)
        with service(tmp_path, boundary=counting) as opened:
            connect(opened, sides)
            opened.sync(None, sides.order_id)
    return counting.seen


def test_a_run_that_is_paused_at_any_boundary_makes_no_further_call_and_goes_on_by_itself(
    tmp_path: Path, pytestconfig: pytest.Config
) -> None:
    names = boundaries_of_a_new_order(tmp_path / "counted")
    assert len(names) >= 15
    first, apart = (1, 1) if pytestconfig.getoption("--whole") else (3, 8)
    # After the last boundary of a run nothing is left to be paused.
    for number in range(first, len(names), apart):
        with two_sides() as sides:
            pausing = PausingAt(number, sides)
            with service(tmp_path / str(number), boundary=pausing) as opened:
                pausing.service = opened
                connect(opened, sides)
                opened.become_worker()
                with pytest.raises(PausedError, match="numbers look odd"):
                    opened.sync(None, sides.order_id)
                assert waiting(opened) == 1
                assert calls(sides) == pausing.calls_then, names[number - 1]
                worker = Worker(opened)
                worker.tick()
                assert calls(sides) == pausing.calls_then, names[number - 1]
                assert Pausing(opened).resume(None)
                worker.tick()
                wait_until(lambda: states(opened) == {sides.order_id: "synced"})
                wait_until(lambda: sides.order().get("Stripe_Sync_Status__c") == "Synced")
                wait_until(lambda: waiting(opened) == 0)
            made = [len(sides.objects(kind)) for kind in ("subscription_schedule", "customer", "price")]
            assert made == [1, 1, 1]


def test_a_pause_when_everything_is_queued_keeps_it_for_later(tmp_path: Path) -> None:
    with two_sides(5) as sides, service(tmp_path) as opened:
        connect(opened, sides, live_sync=True)
        opened.become_worker()
        worker = Worker(opened)
        before = calls(sides)
        Pausing(opened).pause(None)
        for _ in range(3):
            worker.tick()
        assert calls(sides) == before
        Pausing(opened).resume(None)
        worker.tick()
        wait_until(lambda: states(opened) == dict.fromkeys(sides.order_ids, "synced"))
        assert len(sides.objects("subscription_schedule")) == 5


def test_runs_from_the_queue_when_paused_wait_and_are_not_lost(tmp_path: Path, sides: TwoSides) -> None:
    with service(tmp_path) as opened:
        connect(opened, sides)
        opened.become_worker()
        opened.sync(None, sides.order_id)
        opened.start_worker()
        Pausing(opened).pause("test")
        before = calls(sides)
        with opened.store.read() as transaction:
            (standing,) = plans.standings(transaction, connection_id=1)
            notice = contract_notice(transaction, connection_id=1, root_id=standing.root_id)
        assert notice is not None
        Notices(opened).queue(Task(connection_id=1, notice=notice))
        wait_until(lambda: waiting(opened) == 1)
        assert calls(sides) == before
        Pausing(opened).resume("test")
        wait_until(lambda: waiting(opened) == 0 and calls(sides) > before)
        opened.stop_worker()


def test_an_order_synced_by_hand_in_a_pause_is_refused_with_what_to_do(
    tmp_path: Path, sides: TwoSides
) -> None:
    with service(tmp_path) as opened:
        connect(opened, sides)
        Pausing(opened).pause(None, reason="month end")
        before = calls(sides)
        with pytest.raises(PausedError) as caught:
            opened.sync(None, sides.order_id)
        assert caught.value.code == "paused"
        assert "month end" in caught.value.message
        assert "cpqbridge resume" in caught.value.fix
        assert waiting(opened) == 0
        assert opened.list_orders(None) == ()
        assert calls(sides) == before


def test_what_is_queued_in_a_pause_says_so(tmp_path: Path, sides: TwoSides) -> None:
    pausing = PausingAt(8, sides)
    with service(tmp_path, boundary=pausing) as opened:
        pausing.service = opened
        connect(opened, sides)
        with pytest.raises(PausedError):
            opened.sync(None, sides.order_id)
        (listed,) = opened.list_orders(None)
        assert listed.state is OrderState.QUEUED
        assert "paused since" in listed.message
        assert "numbers look odd" in listed.message
        (found,) = opened.views.search(OrderSearch()).rows
        shown = opened.views.detail(sides.order_id)
        assert shown is not None
        assert found.message == shown.view.standing.message == listed.message


def test_another_process_sees_a_pause_within_a_second(tmp_path: Path, sides: TwoSides) -> None:
    with service(tmp_path) as opened, service(tmp_path) as other:
        connect(opened, sides)
        opened.sync(None, sides.order_id)
        assert opened.gate.pause_of(1) is None
        Pausing(other).pause(None)
        begun = time.monotonic()
        wait_until(lambda: opened.gate.pause_of(1) is not None)
        assert time.monotonic() - begun < KNOWN_FOR_SECONDS + 0.5


def test_pauses_and_their_end_are_in_the_audit(tmp_path: Path, sides: TwoSides) -> None:
    with service(tmp_path) as opened:
        connect(opened, sides)
        Pausing(opened).pause("test", reason="why not")
        assert Pausing(opened).resume("test")
        assert not Pausing(opened).resume("test")
        with opened.store.read() as transaction:
            entries = audit.latest(transaction, connection_id=1, limit=2)
    assert [(entry.action, entry.subject) for entry in entries] == [("resumed", "test"), ("paused", "test")]
    assert entries[1].detail == {"reason": "why not"}


def test_resuming_something_else_than_what_is_paused_is_refused(tmp_path: Path, sides: TwoSides) -> None:
    with service(tmp_path) as opened:
        connect(opened, sides)
        pausing = Pausing(opened)
        pausing.pause("test")
        with pytest.raises(ConfigurationError, match="only: test"):
            pausing.resume(None)
        pausing.resume("test")
        pausing.pause(None)
        with pytest.raises(ConfigurationError, match="everything is"):
            pausing.resume("test")
        with pytest.raises(ConfigurationError, match="no connection"):
            pausing.pause("other")
