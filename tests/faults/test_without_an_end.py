"""Schedules without an end are planned further by their timer, once; and what becomes of it when none runs."""

from __future__ import annotations

import json
import signal
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest
from tests.faults import crash_child, kinds
from tests.faults.kills import places_to_kill, run_child
from tests.faults.test_meters_and_coupons import make, set_up
from tests.faults.test_timers import wait_until
from tests.faults.test_troubled_calls import Setting
from tests.faults.two_sides import NOW, TwoSides, connect, move_everything_to, service, two_sides

from cpqbridge.clock import SettableClock
from cpqbridge.sync.finding import Finder

FIRST_END, SECOND_END = datetime(2028, 2, 1, tzinfo=UTC), datetime(2029, 2, 1, tzinfo=UTC)
DUE = datetime(2027, 2, 1, tzinfo=UTC)
LATE = datetime(2030, 3, 12, 9, tzinfo=UTC)
MONTH = 12_000


def planned_until(sides: TwoSides) -> datetime:
    (schedule,) = sides.objects("subscription_schedule")
    return datetime.fromtimestamp(schedule["phases"][-1]["end_date"], UTC)


def totals(sides: TwoSides) -> list[int]:
    return [each["total"] for each in sides.objects("invoice")]


def due(home: Path, sides: TwoSides) -> None:
    """Sync the contract, and let time pass until twelve months of its schedule are left."""
    clock = SettableClock(NOW)
    with service(home, clock=clock) as opened:
        connect(opened, sides)
        assert opened.sync(None, sides.order_id).order.state.value == "synced"
        assert [timer.due_at for timer in opened.timers(None)] == [DUE]
        assert planned_until(sides) == FIRST_END
        move_everything_to(DUE, sides, clock)


def assert_extended_once(home: Path, sides: TwoSides) -> list[str]:
    result = json.loads((home / "result.json").read_text())
    assert set(result["states"].values()) <= {"synced", "unchanged"}
    assert (result["again"], result["nothing_to_do"]) == ("unchanged", True)
    assert planned_until(sides) == SECOND_END
    changes = [
        entry["parameters"]
        for entry in sides.account.log.after()
        if entry["method"] == "POST" and entry["path"].startswith("/v1/subscription_schedules/")
    ]
    # One that was killed before its answer was kept is repeated as it was.
    assert all(change == changes[0] for change in changes)
    assert set(totals(sides)) == {MONTH}
    return list(result["boundaries"])


@pytest.mark.timeout(240)
def test_a_timer_plans_it_further_once_wherever_the_worker_is_killed(
    tmp_path: Path, pytestconfig: pytest.Config
) -> None:
    home = tmp_path / "counted"
    with two_sides(records=kinds.without_an_end()) as sides:
        due(home, sides)
        assert run_child(crash_child.extend, home, sides.order_id, crash_child.NEVER, now=DUE) == 0
        boundaries = assert_extended_once(home, sides)
    assert len({name.partition(":")[0] for name in boundaries}) >= 7
    for kill_at, name in places_to_kill(boundaries, pytestconfig, start=1).items():
        home = tmp_path / str(kill_at)
        with two_sides(records=kinds.without_an_end()) as sides:
            due(home, sides)
            assert run_child(crash_child.extend, home, sides.order_id, kill_at, now=DUE) == -signal.SIGKILL, (
                name
            )
            assert run_child(crash_child.extend, home, sides.order_id, crash_child.NEVER, now=DUE) == 0, name
            assert_extended_once(home, sides)


def test_a_worker_that_was_off_for_a_while_plans_it_further_when_it_is_back(tmp_path: Path) -> None:
    with set_up(tmp_path, kinds.without_an_end()) as setting:
        setting.service.become_worker()
        setting.service.sync(None, setting.sides.order_id)
        setting.move_everything_to(datetime(2028, 1, 30, tzinfo=UTC))
        (connection,) = setting.service.connections()
        assert Finder(setting.service).wake(connection) == 1
        wait_until(lambda: planned_until(setting.sides) == datetime(2030, 2, 1, tzinfo=UTC))


def let_years_pass(setting: Setting) -> None:
    """Sync the contract; nothing runs for four years, so that its schedule is released on its way."""
    assert setting.service.sync(None, setting.sides.order_id).order.state.value == "synced"
    setting.move_everything_to(LATE)
    (schedule,) = setting.sides.objects("subscription_schedule")
    assert schedule["status"] == "released"
    assert len(totals(setting.sides)) == 50


def changed(setting: Setting, by: str, start: date) -> str:
    return setting.sides.amend([(0, by)], start=start)


def subscription(setting: Setting) -> dict[str, Any]:
    return setting.sides.objects("subscription")[0]


def test_a_subscription_that_nothing_planned_further_is_billed_on_and_is_no_trouble(tmp_path: Path) -> None:
    with set_up(tmp_path, kinds.without_an_end()) as setting:
        let_years_pass(setting)
        for timer in setting.service.timers(None):
            setting.service.sync_timer(None, timer)
        report = setting.service.sync(None, setting.sides.order_id)
        assert (report.order.state.value, report.plan_id) == ("unchanged", None)
        assert set(totals(setting.sides)) == {MONTH}


def test_a_change_after_that_says_how_to_go_on_and_goes_on_then(tmp_path: Path) -> None:
    with set_up(tmp_path, kinds.without_an_end()) as setting:
        let_years_pass(setting)
        order_id = changed(setting, "2", date(2030, 4, 1))
        standing = setting.service.sync(None, order_id).order
        assert (standing.state.value, standing.code) == ("refused", "schedule_ended_in_stripe")
        lives = subscription(setting)["id"]
        assert "it was released on 2028-02-01, since nothing planned it further in time" in standing.message
        assert f"Its subscription {lives} goes on as it was" in standing.message
        assert f"have {lives} cancelled in Stripe at the end of its running period" in standing.fix
        assert setting.service.list_orders(None)[0].state.value == "synced"

        make(setting, f"/v1/subscriptions/{lives}", cancel_at_period_end="true", proration_behavior="none")
        again = setting.service.sync(None, order_id, released=frozenset({standing.code})).order
        assert (again.state.value, again.message) == ("synced", "")
        before = len(totals(setting.sides))
        setting.move_everything_to(datetime(2030, 6, 15, tzinfo=UTC))
        # Six workspaces in April, May and June, all on the new schedule.
        assert totals(setting.sides)[before:] == [MONTH * 6 // 4] * 3
        assert setting.service.sync(None, order_id).order.state.value == "unchanged"


def test_the_end_of_it_after_that_is_done_in_stripe_and_then_told(tmp_path: Path) -> None:
    with set_up(tmp_path, kinds.without_an_end()) as setting:
        let_years_pass(setting)
        order_id = changed(setting, "-4", date(2030, 4, 1))
        setting.move_everything_to(datetime(2030, 4, 1, 9, tzinfo=UTC))
        standing = setting.service.sync(None, order_id).order
        assert (standing.state.value, standing.code) == ("refused", "schedule_ended_in_stripe")
        lives = subscription(setting)["id"]
        assert f"Have {lives} cancelled in Stripe on 2030-04-01" in standing.fix
        _, gone = setting.sides.account.request(
            "DELETE", f"/v1/subscriptions/{lives}", {"prorate": "false", "invoice_now": "false"}
        )[:2]
        assert gone["status"] == "canceled"
        again = setting.service.sync(None, order_id, released=frozenset({standing.code})).order
        assert (again.state.value, again.message) == ("synced", "")
        assert setting.service.sync(None, order_id).order.state.value == "unchanged"
        assert setting.service.timers(None) == ()
