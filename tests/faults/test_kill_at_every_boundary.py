"""Kill -9 at any boundary, a new process, and always the same end: of an order, and of two amendments.

The simulators and the database stay up. Real processes: `order sync` and a worker.
"""

from __future__ import annotations

import json
import signal
from collections.abc import Callable
from datetime import UTC, date, datetime
from pathlib import Path

import pytest
from tests.faults import crash_child
from tests.faults.kills import places_to_kill, run_child
from tests.faults.two_sides import (
    NOW,
    TwoSides,
    connect,
    move_everything_to,
    one_line_orders,
    service,
    two_sides,
)

from cpqbridge.clock import SettableClock

MOST_BOUNDARIES = 60
# Salesforce: find the order, read the contract, read the stamps again, write back. Stripe: one for each object.
CALLS_OF_A_NEW_ORDER = 4 + 4
CALLS_OF_A_NEW_PROCESS = 2  # each side says who it is
CALLS_OF_A_SYNC_WITHOUT_CHANGE = 2


def assert_same_end(sides: TwoSides, home: Path) -> None:
    """One of each object, shown in Salesforce, and nothing left to do."""
    result = json.loads((home / "result.json").read_text())
    assert result["states"].keys() == {sides.order_id}
    assert result["states"][sides.order_id] in {"synced", "unchanged"}
    counts = {
        kind: len(sides.objects(kind)) for kind in ("customer", "product", "price", "subscription_schedule")
    }
    assert counts == {"customer": 1, "product": 1, "price": 1, "subscription_schedule": 1}
    order = sides.order()
    assert order["Stripe_ID__c"] == sides.objects("subscription_schedule")[0]["id"]
    assert order["Stripe_Sync_Status__c"] == "Synced"
    assert (result["again"], result["nothing_to_do"]) == ("unchanged", True)


def boundaries_of(tmp_path: Path, target: Callable[..., None], *, live: bool) -> tuple[list[str], int]:
    """Return the boundaries of a run that nobody kills, and how many calls it made."""
    home = tmp_path / "counted"
    with two_sides() as sides:
        with service(home) as opened:
            connect(opened, sides, live_sync=live)
        before = sides.org_log.count + sides.account.log.count
        assert run_child(target, home, sides.order_id, crash_child.NEVER, now=NOW) == 0
        calls = sides.org_log.count + sides.account.log.count - before - CALLS_OF_A_SYNC_WITHOUT_CHANGE
        assert_same_end(sides, home)
    return json.loads((home / "result.json").read_text())["boundaries"], calls


@pytest.mark.timeout(240)
def test_a_killed_order_sync_ends_the_same_when_it_is_run_again(
    tmp_path: Path, pytestconfig: pytest.Config
) -> None:
    boundaries, calls = boundaries_of(tmp_path, crash_child.sync_once, live=False)
    assert calls == CALLS_OF_A_NEW_ORDER + CALLS_OF_A_NEW_PROCESS
    assert len(boundaries) >= calls
    assert len(boundaries) < MOST_BOUNDARIES
    for kill_at, name in places_to_kill(boundaries, pytestconfig).items():
        home = tmp_path / str(kill_at)
        with two_sides() as sides:
            with service(home) as opened:
                connect(opened, sides)
            killed = run_child(crash_child.sync_once, home, sides.order_id, kill_at, now=NOW)
            assert killed == -signal.SIGKILL, (kill_at, name)
            assert not (home / "result.json").exists()
            never = crash_child.NEVER
            assert run_child(crash_child.sync_once, home, sides.order_id, never, now=NOW) == 0, name
            assert_same_end(sides, home)


@pytest.mark.timeout(240)
def test_a_killed_worker_is_continued_by_the_next_one(tmp_path: Path, pytestconfig: pytest.Config) -> None:
    boundaries, calls = boundaries_of(tmp_path, crash_child.work, live=True)
    assert calls >= CALLS_OF_A_NEW_ORDER
    assert len({name.partition(" ")[0] for name in boundaries}) >= 7
    for kill_at, name in places_to_kill(boundaries, pytestconfig, start=1).items():
        home = tmp_path / str(kill_at)
        with two_sides() as sides:
            with service(home) as opened:
                connect(opened, sides, live_sync=True)
            killed = run_child(crash_child.work, home, sides.order_id, kill_at, now=NOW)
            assert killed == -signal.SIGKILL, (kill_at, name)
            assert run_child(crash_child.work, home, sides.order_id, crash_child.NEVER, now=NOW) == 0, name
            assert_same_end(sides, home)


AMENDED = datetime(2026, 8, 20, 10, tzinfo=UTC)


def amended(home: Path, sides: TwoSides) -> None:
    """Sync a contract, then activate a reduction to be credited and an addition to be billed at once."""
    clock = SettableClock(NOW)
    with service(home, clock=clock) as opened:
        connect(opened, sides, credits="credit_note")
        opened.sync(None, sides.order_id)
        move_everything_to(AMENDED, sides, clock)
        for by, day in (("-3", 13), ("2", 14)):
            sides.amend([(0, by)], start=date(2026, 8, day))


def assert_amended_once(home: Path, sides: TwoSides) -> list[str]:
    """The schedule is changed, the charge is on one final invoice, the credit on one note; nothing is left."""
    result = json.loads((home / "result.json").read_text())
    assert set(result["states"].values()) <= {"synced", "unchanged"}
    (schedule,) = sides.objects("subscription_schedule")
    assert [item["quantity"] for item in schedule["phases"][-1]["items"]] == [7, 2]
    own = [each for each in sides.objects("invoice") if "cpqbridge_key" in each["metadata"]]
    assert [(each["status"], each["total"]) for each in own] == [("open", 5918)]
    assert [each["total"] for each in sides.objects("credit_note")] == [9369]
    assert sides.objects("customer_balance_transaction") == []
    assert {order["Stripe_Sync_Status__c"] for order in sides.org.records("Order")} == {"Synced"}
    assert (result["again"], result["nothing_to_do"]) == ("unchanged", True)
    return list(result["boundaries"])


@pytest.mark.timeout(480)
def test_killed_amendments_bill_and_credit_once(tmp_path: Path, pytestconfig: pytest.Config) -> None:
    home = tmp_path / "counted"
    with two_sides(records=one_line_orders(contracted=True)) as sides:
        amended(home, sides)
        never = crash_child.NEVER
        assert run_child(crash_child.sync_once, home, sides.order_id, never, now=AMENDED) == 0
        boundaries = assert_amended_once(home, sides)
    assert 15 <= len(boundaries) < MOST_BOUNDARIES
    for kill_at, name in places_to_kill(boundaries, pytestconfig, start=2).items():
        home = tmp_path / str(kill_at)
        with two_sides(records=one_line_orders(contracted=True)) as sides:
            amended(home, sides)
            killed = run_child(crash_child.sync_once, home, sides.order_id, kill_at, now=AMENDED)
            assert killed == -signal.SIGKILL, (kill_at, name)
            assert run_child(crash_child.sync_once, home, sides.order_id, never, now=AMENDED) == 0, name
            assert_amended_once(home, sides)
