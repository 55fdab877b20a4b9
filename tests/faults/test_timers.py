"""What is due without a change in Salesforce: by timer, once, whatever is repeated or killed."""

from __future__ import annotations

import json
import signal
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from tests.faults import crash_child
from tests.faults.kills import places_to_kill, run_child
from tests.faults.test_troubled_calls import Setting
from tests.faults.two_sides import (
    NOW,
    TOKEN,
    TwoSides,
    connect,
    move_everything_to,
    one_line_orders,
    service,
    two_sides,
)

from cpqbridge.clock import SettableClock
from cpqbridge.store.timers import FIRST_WAIT
from cpqbridge.sync.finding import Finder

SUMMER = datetime(2026, 8, 3, 10, tzinfo=UTC)
DUE = datetime(2026, 8, 13, tzinfo=UTC)


def amended(home: Path, sides: TwoSides) -> None:
    """Sync a contract and an amendment whose first part is to be billed on a day of its own."""
    clock = SettableClock(NOW)
    with service(home, clock=clock) as opened:
        connect(opened, sides)
        opened.sync(None, sides.order_id)
        move_everything_to(SUMMER, sides, clock)
        order_id = sides.amend([(0, "2")], start=DUE.date())
        assert opened.sync(None, order_id).order.state.value == "synced"
        assert [timer.due_at for timer in opened.timers(None)] == [DUE]


@pytest.fixture
def setting(tmp_path: Path) -> Iterator[Setting]:
    with two_sides(records=one_line_orders(contracted=True)) as sides:
        amended(tmp_path, sides)
        clock = SettableClock(SUMMER)
        with service(tmp_path, clock=clock) as opened:
            yield Setting(home=tmp_path, sides=sides, clock=clock, service=opened)


def own_invoices(sides: TwoSides) -> list[tuple[str, int]]:
    found = [each for each in sides.objects("invoice") if "cpqbridge_key" in each["metadata"]]
    return [(each["status"], each["total"]) for each in found]


def woken(setting: Setting) -> int:
    """Let a worker see to what is due; return how many contracts it queued."""
    (connection,) = setting.service.connections()
    return Finder(setting.service).wake(connection)


def wait_until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.02)


def assert_billed_by_worker(setting: Setting) -> None:
    assert woken(setting) == 1
    wait_until(lambda: setting.service.timers(None) == ())
    assert own_invoices(setting.sides) == [("open", 6246)]


def test_nothing_is_due_before_its_instant(setting: Setting) -> None:
    setting.service.become_worker()
    calls = setting.sides.org_log.count
    assert woken(setting) == 0
    assert setting.sides.org_log.count == calls
    assert own_invoices(setting.sides) == []


def test_a_timer_bills_what_is_due_once_although_the_connection_is_not_live(setting: Setting) -> None:
    setting.service.become_worker()
    setting.move_everything_to(DUE)
    assert_billed_by_worker(setting)
    assert woken(setting) == 0
    report = setting.service.sync(None, setting.sides.order_id)
    assert {standing.state.value for standing in report.standings} == {"unchanged"}


def test_a_timer_whose_sync_fails_is_tried_again_after_a_while(setting: Setting) -> None:
    setting.service.become_worker()
    setting.move_everything_to(DUE)
    setting.sides.org.tokens = frozenset({"another"})
    assert woken(setting) == 1
    wait_until(lambda: setting.service.connections()[0].access_lost is not None)
    assert own_invoices(setting.sides) == []
    setting.sides.org.tokens = frozenset({TOKEN})
    setting.service.check_connection(None)
    assert woken(setting) == 0
    setting.move_everything_to(DUE + FIRST_WAIT)
    assert_billed_by_worker(setting)


def test_an_order_that_changes_nothing_leaves_the_timer(setting: Setting) -> None:
    setting.move_everything_to(SUMMER + timedelta(days=1))
    setting.service.sync(None, setting.sides.order_id)
    assert [timer.due_at for timer in setting.service.timers(None)] == [DUE]


def test_an_amendment_that_takes_back_what_was_to_come_takes_the_timer_back(setting: Setting) -> None:
    setting.move_everything_to(SUMMER + timedelta(days=1))
    order_id = setting.sides.amend([(0, "-2")], start=DUE.date())
    setting.service.sync(None, order_id)
    setting.move_everything_to(DUE)
    for timer in setting.service.timers(None):
        setting.service.sync_timer(None, timer)
    assert setting.service.timers(None) == ()
    assert own_invoices(setting.sides) == []


def due(home: Path, sides: TwoSides) -> None:
    amended(home, sides)
    sides.org.set_clock(DUE)
    sides.account.advance(DUE)


def assert_billed_once(home: Path, sides: TwoSides) -> list[str]:
    result = json.loads((home / "result.json").read_text())
    assert own_invoices(sides) == [("open", 6246)]
    assert set(result["states"].values()) == {"synced"}
    assert (result["again"], result["nothing_to_do"]) == ("unchanged", True)
    return list(result["boundaries"])


@pytest.mark.timeout(240)
def test_a_timer_survives_a_kill_at_every_kind_of_boundary(
    tmp_path: Path, pytestconfig: pytest.Config
) -> None:
    home = tmp_path / "counted"
    with two_sides(records=one_line_orders(contracted=True)) as sides:
        due(home, sides)
        assert run_child(crash_child.wake, home, sides.order_id, crash_child.NEVER, now=DUE) == 0
        boundaries = assert_billed_once(home, sides)
    assert len({name.partition(":")[0] for name in boundaries}) >= 10
    for kill_at, name in places_to_kill(boundaries, pytestconfig).items():
        home = tmp_path / str(kill_at)
        with two_sides(records=one_line_orders(contracted=True)) as sides:
            due(home, sides)
            killed = run_child(crash_child.wake, home, sides.order_id, kill_at, now=DUE)
            assert killed == -signal.SIGKILL, (kill_at, name)
            assert run_child(crash_child.wake, home, sides.order_id, crash_child.NEVER, now=DUE) == 0, name
            assert_billed_once(home, sides)
