"""Deciding about findings and reconciling in the background: shown plans, reasons, one run at a time."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.faults.finding import finding as a_worker
from tests.faults.test_meters_and_coupons import set_up
from tests.faults.test_reconcile import MAY, found, schedule_of, seats, synced_until, three_seats
from tests.faults.test_troubled_calls import Setting
from tests.faults.two_sides import two_sides

from cpqbridge.errors import ConfigurationError, ConflictError
from cpqbridge.store import audit
from cpqbridge.store.findings import FindingState
from cpqbridge.sync.acting import acting_as
from cpqbridge.sync.finding_desk import FindingDesk, FindingFilter, ShownFinding
from cpqbridge.sync.finding_words import KIND_WORDS, what_to_do
from cpqbridge.sync.findings import FindingKind
from cpqbridge.sync.reconcile import Reconciler
from cpqbridge.sync.reconcile_lock import alone, is_running
from cpqbridge.sync.reconciling import Reconciling
from cpqbridge.sync.worker import Worker


@pytest.fixture
def setting(tmp_path: Path) -> Iterator[Setting]:
    with set_up(tmp_path, seats()) as made:
        yield made


def the_finding(setting: Setting, **wanted: object) -> ShownFinding:
    (shown,) = FindingDesk(setting.service).page(FindingFilter(**wanted)).findings
    return shown


def changed_by_hand(setting: Setting) -> ShownFinding:
    synced_until(setting, MAY)
    three_seats(setting)
    assert len(found(setting)) == 1
    return the_finding(setting)


def actions(setting: Setting) -> list[tuple[str, str]]:
    with setting.service.store.read() as transaction:
        return [(each.action, each.actor) for each in audit.latest(transaction, connection_id=1, limit=3)]


def test_findings_are_listed_counted_and_found_by_order_contract_and_kind(setting: Setting) -> None:
    assert len(found(setting)) == 1
    desk = FindingDesk(setting.service)
    (shown,) = desk.page(FindingFilter()).findings
    said = shown.finding.document
    assert desk.count() == 1
    (kind,) = desk.page(FindingFilter(kind="extra")).kinds
    assert (kind.kind, kind.currency, kind.found_minor, kind.wanted_minor) == ("missing", "usd", 0, 600_000)
    for text in (said["contract"], said["order_numbers"][0], shown.finding.root_id):
        assert desk.page(FindingFilter(contract=text)).total == 1, text
    assert desk.page(FindingFilter(contract="00009999")).total == 0
    assert desk.page(FindingFilter(kind="extra")).total == 0
    assert desk.page(FindingFilter(connection_id=2)).total == 0
    assert desk.page(FindingFilter(), offset=1).findings == ()


def test_a_fix_does_what_was_shown_and_is_written_into_the_audit_log(setting: Setting) -> None:
    shown = changed_by_hand(setting)
    desk = FindingDesk(setting.service)
    planned = desk.fix_of(shown)
    assert planned is not None
    assert [step.action.value for step in planned.fix.plan.steps] == ["update_schedule"]
    with acting_as("Fin"):
        assert desk.carry_out(shown, planned.mark) == ()
    assert found(setting) == []
    after = desk.find(shown.finding.finding_id)
    assert after is not None
    assert after.finding.state is FindingState.FIXED
    assert actions(setting)[0] == ("findings_fixed", "Fin")
    assert desk.fix_of(after) is None
    with pytest.raises(ConfigurationError, match="nothing left to do"):
        desk.carry_out(after, planned.mark)


def test_a_fix_whose_plan_changed_meanwhile_does_nothing(setting: Setting) -> None:
    shown = changed_by_hand(setting)
    before = schedule_of(setting)
    with pytest.raises(ConflictError, match="changed since"):
        FindingDesk(setting.service).carry_out(shown, "another mark")
    assert schedule_of(setting) == before
    assert len(found(setting)) == 1


def test_accepting_takes_a_reason_and_exactly_the_difference_that_was_looked_at(setting: Setting) -> None:
    shown = changed_by_hand(setting)
    desk, number = FindingDesk(setting.service), shown.finding.finding_id
    with pytest.raises(ConflictError, match="says something else"):
        desk.accept("test", number, "On ice", fingerprint="of another difference")
    with acting_as("Fin"):
        accepted = desk.accept("test", number, "On ice", fingerprint=shown.finding.fingerprint)
    assert (accepted.accepted_by, accepted.accepted_at) == ("Fin", MAY)
    assert found(setting) == []
    listed = the_finding(setting, state=FindingState.ACCEPTED)
    assert (listed.finding.reason, listed.finding.accepted_by) == ("On ice", "Fin")
    with acting_as("Ada"):
        opened = desk.open_again(listed)
    assert (opened.state, opened.reason, opened.accepted_by) == (FindingState.OPEN, "", "")
    assert [number] == [each.finding_id for each in found(setting)]
    assert actions(setting)[:2] == [("finding_opened_again", "Ada"), ("finding_accepted", "Fin")]
    with pytest.raises(ConfigurationError, match="not an accepted one"):
        desk.open_again(listed)


def test_a_page_speaks_of_its_button_and_not_of_an_option(setting: Setting) -> None:
    shown = changed_by_hand(setting)
    assert "--fix" not in what_to_do(shown.finding)
    assert KIND_WORDS.keys() == set(FindingKind)


def test_only_one_reconciliation_of_a_connection_runs_whoever_begins_it(setting: Setting) -> None:
    home = setting.service.store.home
    assert not is_running(home, 1)
    with alone(home, 1):
        assert is_running(home, 1)
        with pytest.raises(ConflictError, match="being compared just now"):
            found(setting)
        # One contract is compared all the same, and a night leaves it to whoever does it.
        assert len(found(setting, order=setting.sides.order_id)) == 1
        assert Reconciler(setting.service).nightly(setting.service.open(None)) == 0
    assert not is_running(home, 1)
    assert len(found(setting)) == 1


def test_a_worker_carries_out_what_was_asked_for_and_tells_how_it_went(tmp_path: Path) -> None:
    with two_sides(3) as sides, a_worker(tmp_path, sides) as setting:
        reconciling = Reconciling(setting.service)
        (standing,) = reconciling.standings()
        assert (standing.started_at, standing.is_under_way) == (None, False)
        with acting_as("Fin"):
            assert reconciling.ask_for(None)
            assert not reconciling.ask_for("test")
        (standing,) = reconciling.standings()
        assert (standing.asked_by, standing.is_under_way) == ("Fin", True)
        Worker(setting.service).tick()
        setting.settled()
        (standing,) = reconciling.standings()
        assert (standing.contracts, standing.total, standing.percent) == (3, 3, 100)
        assert (standing.is_under_way, standing.problem, standing.has_worker) == (False, "", True)
        assert standing.finished_at == setting.clock.now()


def test_what_stops_a_reconciliation_is_told_where_it_was_asked_for(tmp_path: Path) -> None:
    with two_sides(2) as sides, a_worker(tmp_path, sides) as setting:
        reconciling = Reconciling(setting.service)
        reconciling.ask_for(None)
        sides.org.faults.at_random(seed=1, rate=1.0, kinds=("server_error",))
        Worker(setting.service).tick()
        sides.org.faults.clear()
        (standing,) = reconciling.standings()
        assert (standing.finished_at, standing.is_under_way) == (None, False)
        assert "Salesforce" in standing.problem
        reconciling.ask_for(None)
        Worker(setting.service).tick()
        setting.settled()
        (standing,) = reconciling.standings()
        assert (standing.problem, standing.finished_at is not None) == ("", True)
