"""A dry run against both simulated sides: plans everything, writes nothing, survives the end of its process."""

from __future__ import annotations

import csv
import io
import time
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path

import pytest
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
from cpqbridge.domain.refusal import OrderState
from cpqbridge.errors import ConfigurationError
from cpqbridge.store import audit, dry_runs, overview
from cpqbridge.sync.acting import acting_as
from cpqbridge.sync.dry_run import DryRun, DryRuns, DryRunState
from cpqbridge.sync.service import SyncService


def ended(opened: SyncService, dry_run_id: int) -> DryRun:
    until = time.monotonic() + 20
    while time.monotonic() < until:
        found = DryRuns(opened).find(None, dry_run_id)
        if found.state is not DryRunState.RUNNING:
            return found
        time.sleep(0.02)
    raise AssertionError("the dry run does not end")


def writes(sides: TwoSides) -> tuple[list, list]:
    return sides.stripe_writes(), sides.salesforce_writes()


def test_it_says_what_would_be_billed_and_writes_nothing(tmp_path: Path) -> None:
    with two_sides(3) as sides, service(tmp_path) as opened:
        connect(opened, sides)
        with acting_as("Ada"):
            found = ended(opened, DryRuns(opened).start(None))
        assert found.result is not None
        assert (found.state, found.actor, found.done, found.total) == (DryRunState.DONE, "Ada", 3, 3)
        assert found.result.counts == {OrderState.SYNCED: 3}
        # 10 seats at 50.00 for 12 months, three times.
        assert found.result.totals == {"usd": 3 * 12 * 50_000}
        assert {(each.month, each.total_minor) for each in found.result.months} == {
            (f"{2026 + month // 12}-{month % 12 + 1:02}", 150_000) for month in range(1, 13)
        }
        assert {each.billed_minor for each in found.result.orders} == {600_000}
        assert writes(sides) == ([], [])
        with opened.store.read() as transaction:
            assert overview.order_counts(transaction, connection_id=1).seen == 0
            newest = audit.latest(transaction, connection_id=None, limit=1)[0]
        assert (newest.action, newest.actor, newest.detail) == ("dry_run_started", "Ada", {"days": 30})


def test_what_it_says_is_what_a_sync_then_does(tmp_path: Path) -> None:
    with two_sides() as sides, service(tmp_path) as opened:
        connect(opened, sides)
        before = ended(opened, DryRuns(opened).start(None)).result
        assert before is not None
        assert opened.sync(None, sides.order_id).order.state is before.orders[0].state
        after = ended(opened, DryRuns(opened).start(None)).result
        assert after is not None
        assert after.counts == {OrderState.UNCHANGED: 1}
        # What is billed already is nothing that a sync would add.
        assert after.months == ()
        assert after.orders[0].billed_minor == before.orders[0].billed_minor


def test_orders_that_would_be_refused_are_grouped_with_what_to_do(tmp_path: Path) -> None:
    with two_sides(3) as sides, service(tmp_path) as opened:
        connect(opened, sides)
        for order_id in sides.order_ids[:2]:
            sides.org.update("Order", order_id, {"SBQQ__Quote__c": None})
        found = ended(opened, DryRuns(opened).start(None))
        assert found.result is not None
        (cause,) = found.result.causes
        assert (cause.state, cause.count, len(cause.order_numbers)) == (OrderState.REFUSED, 2, 2)
        assert cause.fix
        assert found.result.counts[OrderState.SYNCED] == 1
        rows = list(csv.reader(io.StringIO(found.result.as_csv().decode("utf-8-sig"))))
        assert len(rows) == 4
        assert {row[2] for row in rows[1:]} == {"refused", "synced"}


def test_only_orders_of_the_last_days_are_planned(tmp_path: Path) -> None:
    clock = SettableClock(NOW)
    with two_sides(2) as sides, service(tmp_path, clock=clock) as opened:
        connect(opened, sides)
        move_everything_to(NOW + timedelta(days=40), sides, clock)
        assert ended(opened, DryRuns(opened).start(None)).total == 0
        assert ended(opened, DryRuns(opened).start(None, days=41)).total == 2
        for days in (0, 366):
            with pytest.raises(ConfigurationError) as caught:
                DryRuns(opened).start(None, days=days)
            assert caught.value.field == "days"


def test_one_at_a_time_and_one_that_is_stopped_stays_stopped(tmp_path: Path) -> None:
    with two_sides(20) as sides, service(tmp_path) as opened:
        connect(opened, sides)
        sides.org.faults.read({"faults": [{"kind": "latency", "path": "*/composite"}] * 4})
        runs = DryRuns(opened)
        first = runs.start(None)
        with pytest.raises(ConfigurationError) as caught:
            runs.start(None)
        assert caught.value.code == "dry_run_runs"
        assert runs.stop(None, first)
        assert not runs.stop(None, first)
        assert ended(opened, first).state is DryRunState.STOPPED
        second = ended(opened, runs.start(None))
        assert second.state is DryRunState.DONE
        assert [each.dry_run_id for each in runs.all(None)] == [second.dry_run_id, first]
        latest = runs.latest(None)
        assert latest is not None
        assert latest.dry_run_id == second.dry_run_id
        assert runs.find(None, first).state is DryRunState.STOPPED


def test_one_whose_process_ended_counts_as_stopped_and_another_can_begin(tmp_path: Path) -> None:
    with two_sides() as sides, service(tmp_path) as opened:
        connect(opened, sides)
        finished = ended(opened, DryRuns(opened).start(None))
        with opened.store.write() as transaction:
            document = dry_runs.of_connection(transaction, connection_id=1)[0].document
            left = dry_runs.begin(
                transaction,
                connection_id=1,
                document={**document, "mark": "once-1-gone"},
                actor="Ada",
                at=NOW,
            )
        assert DryRuns(opened).find(None, left).state is DryRunState.STOPPED
        assert ended(opened, DryRuns(opened).start(None)).state is DryRunState.DONE
        assert DryRuns(opened).find(None, finished.dry_run_id) == finished


def test_a_side_that_refuses_ends_it_with_what_to_do(tmp_path: Path) -> None:
    with two_sides() as sides, service(tmp_path) as opened:
        connect(opened, sides)
        sides.org.tokens = frozenset({"another"})
        found = ended(opened, DryRuns(opened).start(None))
        assert found.state is DryRunState.FAILED
        assert found.problem
        assert found.fix


def test_only_the_last_ten_are_kept_and_an_unknown_one_says_so(tmp_path: Path) -> None:
    with two_sides() as sides, service(tmp_path) as opened:
        connect(opened, sides)
        first = ended(opened, DryRuns(opened).start(None)).dry_run_id
        for _ in range(10):
            ended(opened, DryRuns(opened).start(None))
        assert len(DryRuns(opened).all(None)) == 10
        with pytest.raises(ConfigurationError) as caught:
            DryRuns(opened).find(None, first)
        assert caught.value.code == "dry_run_unknown"


def test_contracts_that_are_billed_elsewhere_stand_apart(tmp_path: Path) -> None:
    clock = SettableClock(NOW)
    with (
        two_sides(records=one_line_orders(contracted=True)) as sides,
        service(tmp_path, clock=clock) as opened,
    ):
        connect(opened, sides)
        configuration = opened.configuration(None)
        settings = replace(configuration.sync, start_date=date(2026, 2, 5))
        opened.apply_configuration(None, replace(configuration, sync=settings))
        move_everything_to(NOW + timedelta(days=10), sides, clock)
        amendment = sides.amend([(0, "2")], start=date(2026, 3, 1))
        found = ended(opened, DryRuns(opened).start(None)).result
        assert found is not None
        (held,) = found.take_overs
        assert (held.order_id, held.state) == (sides.order_id, OrderState.HELD)
        (cause,) = found.causes
        assert (cause.state, cause.count) == (OrderState.WAITING, 1)
        assert {each.order_id for each in found.orders} == {sides.order_id, amendment}
        assert found.months == ()
