"""Whole connections reconciled: no false alarm over a contract's life, bad records, cut-off runs, lost homes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from tests.faults import kinds
from tests.faults.test_meters_and_coupons import make, set_up
from tests.faults.test_reconcile import fixed, found, schedule_of, seats, told
from tests.faults.test_troubled_calls import Setting
from tests.faults.two_sides import NOW, connect, one_line_orders, service, two_sides

from cpqbridge.clock import SettableClock
from cpqbridge.errors import RecordError, TransientError
from cpqbridge.store import findings, reconciliations
from cpqbridge.sync.reconcile import Reconciler

KINDS: Mapping[str, tuple[Callable[[], kinds.Records], Mapping[str, object] | None]] = {
    "usage under a coupon": (kinds.usage_under_a_coupon, None),
    "a coupon for six months": (kinds.seats_at_launch, None),
    "tiers": (kinds.licences, None),
    "without an end": (kinds.without_an_end, None),
    "two schedules": (kinds.with_and_without_an_end, None),
    "every frequency": (kinds.every_frequency, None),
    "a trial": (kinds.seats_after_a_trial, kinds.TRIAL_MAPPING),
}


@pytest.mark.parametrize("name", KINDS)
def test_a_contract_that_nobody_touched_is_silent_through_amendments_to_its_end(
    tmp_path: Path, name: str
) -> None:
    records, mapping = KINDS[name]
    with set_up(tmp_path, records(), mapping=mapping) as setting:
        assert setting.service.sync(None, setting.sides.order_id).order.state.value == "synced"
        for month, day, units in ((5, 20, "2"), (8, 12, "-1")):
            setting.move_everything_to(datetime(2026, month, 10, 9, tzinfo=UTC))
            assert found(setting) == []
            order_id = setting.sides.amend([(0, units)], start=date(2026, month, day))
            released = frozenset({"credit_needs_person"})
            assert setting.service.sync(None, order_id, released=released).order.state.value == "synced"
            assert found(setting) == []
        setting.move_everything_to(datetime(2027, 3, 10, 9, tzinfo=UTC))
        do_what_is_due(setting)
        assert found(setting) == []


def do_what_is_due(setting: Setting) -> None:
    """Sync the contracts whose timers are due, as a worker does."""
    for timer in setting.service.timers(None):
        if timer.due_at <= setting.clock.now():
            setting.service.sync_timer(None, timer)


def test_what_is_due_is_missing_once_no_worker_did_it_for_an_hour(tmp_path: Path) -> None:
    with set_up(tmp_path, kinds.without_an_end()) as setting:
        setting.service.sync(None, setting.sides.order_id)
        (timer,) = setting.service.timers(None)
        setting.move_everything_to(timer.due_at + timedelta(minutes=30))
        assert found(setting) == []
        setting.move_everything_to(timer.due_at + timedelta(hours=2))
        (finding,) = found(setting)
        assert (finding.kind, finding.document["remedy"]) == ("missing", "sync")
        assert fixed(setting) == []


@dataclass
class Org:
    """The real org side; reading the contract of one order goes wrong."""

    real: Any
    order_id: str
    error: Exception

    def read_contract(self, notice: Any) -> Any:
        if notice.order_id == self.order_id:
            raise self.error
        return self.real.read_contract(notice)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.real, name)


class Troubled:
    """A service whose org cannot read one contract."""

    def __init__(self, real: Any, order_id: str, error: Exception) -> None:
        self._real, self._order_id, self._error = real, order_id, error

    def open(self, name: str | None) -> Any:
        opened = self._real.open(name)
        org = Org(opened.salesforce, self._order_id, self._error)
        return replace(opened, salesforce=org)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._real, name)


def three_contracts(tmp_path: Path) -> Any:
    return set_up(tmp_path, one_line_orders(3))


def test_a_contract_that_cannot_be_read_is_a_finding_of_its_own_and_the_others_go_on(tmp_path: Path) -> None:
    with three_contracts(tmp_path) as setting:
        first, second, third = setting.sides.order_ids
        setting.service.sync(None, first)
        bad = RecordError("Order line 802 has no price.", code="price_missing", record_id="802")
        result = Reconciler(Troubled(setting.service, second, bad)).run(None)
        assert result.contracts == 3
        assert {(each.kind, each.document["orders"][0]) for each in result.open} == {
            ("unreadable", second),
            ("missing", third),
        }
        # What was open before is not taken for solved while it cannot be seen.
        assert ("missing", second) in {(e.kind, e.document["orders"][0]) for e in found(setting)}
        again = Reconciler(Troubled(setting.service, second, ValueError("our bug"))).run(None).open
        kinds_of_second = sorted(each.kind for each in again if each.document["orders"] == [second])
        assert kinds_of_second == ["missing", "unreadable"]


def test_a_run_that_was_cut_off_is_gone_on_with_and_not_begun_anew(tmp_path: Path) -> None:
    with three_contracts(tmp_path) as setting:
        busy = TransientError("Salesforce is busy.", code="salesforce_busy")
        seen: list[int] = []
        with pytest.raises(TransientError):
            Reconciler(Troubled(setting.service, setting.sides.order_ids[-1], busy)).run(None)
        with setting.service.store.read() as transaction:
            state = reconciliations.find(transaction, connection_id=1)
        assert state is not None
        assert (state.finished_at, state.contracts) == (None, 2)
        result = Reconciler(setting.service, progress=lambda done, _all, _next: seen.append(done)).run(None)
        assert (result.contracts, result.earlier, seen) == (1, 2, [3])
        assert told(list(result.open)) == [("missing", 0, 600_000)] * 3
        # A whole day later it begins anew.
        setting.move_everything_to(NOW + timedelta(hours=30))
        assert Reconciler(setting.service).run(None).contracts == 3


def test_reconciling_a_contract_takes_one_call_to_salesforce_and_three_to_stripe(tmp_path: Path) -> None:
    with three_contracts(tmp_path) as setting:
        for order_id in setting.sides.order_ids:
            setting.service.sync(None, order_id)
        found(setting)
        org, account = setting.sides.org_log.count, setting.sides.account.log.count
        writes = setting.sides.stripe_writes()
        assert found(setting) == []
        # One more to list what qualifies, and one for schedules that no contract knows.
        assert setting.sides.org_log.count - org == 3 + 1
        assert setting.sides.account.log.count - account == 3 * 3 + 1
        assert setting.sides.stripe_writes() == writes


def test_a_schedule_of_an_order_that_nobody_knows_is_found_in_the_account(tmp_path: Path) -> None:
    with three_contracts(tmp_path) as setting:
        setting.service.sync(None, setting.sides.order_id)
        original = schedule_of(setting)
        (phase,) = original["phases"]
        (item,) = phase["items"]
        link = original["metadata"]["salesforce_order_link"]
        for root_id, address in (("a0zGONE", link), ("a0zELSE", "https://another.my.salesforce.com/801")):
            make(
                setting,
                "/v1/subscription_schedules",
                customer=original["customer"],
                start_date=int(datetime(2026, 6, 1, tzinfo=UTC).timestamp()),
                end_behavior="cancel",
                metadata={
                    **original["metadata"],
                    "salesforce_root_id": root_id,
                    "salesforce_order_link": address,
                },
                phases=[
                    {
                        "items": [{"price": item["price"], "quantity": 1}],
                        "end_date": phase["end_date"],
                        "proration_behavior": "none",
                    }
                ],
            )
        (finding,) = [each for each in found(setting) if each.kind == "extra"]
        assert (finding.root_id, finding.document["remedy"]) == ("a0zGONE", "by_hand")
        make(setting, f"/v1/subscription_schedules/{finding.subject}/release")
        assert [each.kind for each in found(setting)] == ["missing", "missing"]


def test_a_lost_home_finds_what_orders_show_and_a_fix_takes_it_over_without_making_anything(
    tmp_path: Path,
) -> None:
    clock = SettableClock(NOW)
    with two_sides(records=seats()) as sides:
        with service(tmp_path / "first", clock=clock) as opened:
            connect(opened, sides)
            assert opened.sync(None, sides.order_id).order.state.value == "synced"
        with service(tmp_path / "second", clock=clock) as opened:
            connect(opened, sides)
            reconciler = Reconciler(opened)
            (finding,) = reconciler.run(None).open
            assert (finding.kind, finding.document["remedy"]) == ("link_broken", "sync")
            (fix,) = reconciler.fixes(None, [finding])
            assert reconciler.carry_out(None, fix) == ()
            made = [path for method, path, _ in sides.stripe_writes() if "subscription_schedules" in path]
            assert made == ["/v1/subscription_schedules"]
            assert reconciler.run(None).open == ()


def test_a_night_leaves_what_is_open_in_the_store_and_writes_nothing(tmp_path: Path) -> None:
    with set_up(tmp_path, seats()) as setting:
        writes = setting.sides.stripe_writes()
        assert Reconciler(setting.service).nightly(setting.service.open(None)) == 1
        with setting.service.store.read() as transaction:
            counts = findings.counts(transaction, connection_id=1)
        assert {state.value: count for state, count in counts.items()} == {"open": 1}
        assert setting.sides.stripe_writes() == writes
