"""What counts as trouble, judged from the store, and when it is over."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from tests.unit.sync.a_home import Home, a_home

from cpqbridge.domain.refusal import OrderState
from cpqbridge.errors import TransientError
from cpqbridge.store import api_usage, connections, cursors, findings, pauses, polls
from cpqbridge.store.api_usage import KnownUsage
from cpqbridge.store.findings import SeenFinding
from cpqbridge.store.pauses import EVERYTHING, Pause
from cpqbridge.sync.alert_conditions import Moment, judge
from cpqbridge.sync.alert_kinds import WORDS, AlertKind
from cpqbridge.sync.liveness import SeenWorker

NOW = datetime(2026, 2, 1, 12, tzinfo=UTC)


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Home]:
    with a_home(tmp_path, now=NOW) as made:
        yield made


def troubles(
    home: Home, *, lasting: frozenset[str] = frozenset(), idle_at: datetime | None = None, **workers
):
    alive = workers.get("alive", True)
    moment = Moment(
        workers=(SeenWorker(name="worker-1", alive=alive, turned_at=home.clock.now()),),
        idle_at=idle_at,
        lasting=lasting,
        with_phases=True,
    )
    sync = home.service.configuration(None).sync
    return {each.kind: each for each in judge(home.service, home.connection(), sync, moment)}


def test_every_kind_has_words_and_fits_its_column() -> None:
    assert set(WORDS) == set(AlertKind)
    assert all(len(kind.value) <= 32 for kind in AlertKind)


def test_connection_when_all_is_well_has_no_trouble(home: Home) -> None:
    home.go_live()
    home.polled()
    home.order("801000000000001AAA", "00000101", OrderState.SYNCED)
    assert troubles(home) == {}


def test_nothing_ran_when_the_last_look_is_old_and_not_while_paused(home: Home) -> None:
    home.go_live()
    home.polled()
    home.clock.set(NOW + timedelta(minutes=15))
    assert troubles(home) == {}
    home.clock.set(NOW + timedelta(minutes=16))
    found = troubles(home, alive=False)
    assert set(found) == {AlertKind.NOTHING_RAN}
    assert "13:00 (Europe/Berlin)" in found[AlertKind.NOTHING_RAN].message
    assert "No worker runs" in found[AlertKind.NOTHING_RAN].fix
    assert "does not turn" in troubles(home)[AlertKind.NOTHING_RAN].fix
    assert troubles(home, idle_at=NOW + timedelta(minutes=10)) == {}
    with home.service.store.write() as transaction:
        pauses.put(transaction, Pause(scope=EVERYTHING, reason="", paused_at=NOW))
    home.service.gate.forget()
    assert troubles(home) == {}


def test_nothing_ran_when_polls_are_rare_waits_for_five_of_them(home: Home) -> None:
    home.go_live(poll_seconds=600)
    home.polled()
    home.clock.set(NOW + timedelta(minutes=50))
    assert troubles(home) == {}
    home.clock.set(NOW + timedelta(minutes=51))
    assert set(troubles(home)) == {AlertKind.NOTHING_RAN}


def test_connection_that_is_not_live_is_not_expected_to_look(home: Home) -> None:
    home.clock.set(NOW + timedelta(days=3))
    assert troubles(home, alive=False) == {}


def test_failing_looks_are_trouble_once_they_fail_for_ten_minutes(home: Home) -> None:
    home.go_live()
    home.polled()
    error = TransientError("Salesforce is down.", code="salesforce_down", fix="Wait.")
    for minutes, kinds in ((9, set()), (11, {AlertKind.LOOKING_FAILS})):
        home.clock.set(NOW + timedelta(minutes=minutes))
        with home.service.store.write() as transaction:
            polls.keep_failed(transaction, connection_id=1, error=error, at=home.clock.now())
        assert set(troubles(home)) == kinds
    assert troubles(home)[AlertKind.LOOKING_FAILS].message.endswith("Salesforce is down.")


def test_lost_access_is_trouble_with_its_reason_and_not_the_silence_after_it(home: Home) -> None:
    home.go_live()
    with home.service.store.write() as transaction:
        connections.mark_access_lost(transaction, connection_id=1, message="The token expired.")
    home.clock.set(NOW + timedelta(days=1))
    found = troubles(home, alive=False)
    assert set(found) == {AlertKind.ACCESS_LOST}
    assert "The token expired." in found[AlertKind.ACCESS_LOST].message


def test_orders_are_told_under_the_kind_that_says_what_to_do(home: Home) -> None:
    home.order("801000000000001AAA", "00000101", OrderState.REFUSED, code="quantity_not_whole")
    home.order("801000000000002AAA", "00000102", OrderState.HELD, code="cap_bill")
    home.order("801000000000003AAA", "00000103", OrderState.FAILED, code="proof_mismatch")
    home.order("801000000000004AAA", "00000104", OrderState.SYNCED, code="write_back_failed")
    home.order("801000000000005AAA", "00000105", OrderState.FAILED, code="write_back_failed")
    home.order("801000000000006AAA", "00000106", OrderState.FAILED, code="stripe_down", retryable=True)
    found = troubles(home)
    numbers = {kind: sorted(text[:8] for text in each.items.values()) for kind, each in found.items()}
    assert numbers == {
        AlertKind.ORDERS_NEED_SOMEONE: ["00000101", "00000102"],
        AlertKind.PROOF_MISMATCH: ["00000103"],
        AlertKind.SALESFORCE_NOT_TOLD: ["00000104", "00000105"],
    }


def test_order_queued_for_half_an_hour_is_trouble(home: Home) -> None:
    home.order("801000000000001AAA", "00000101", OrderState.QUEUED)
    home.clock.set(NOW + timedelta(minutes=30))
    assert troubles(home) == {}
    home.clock.set(NOW + timedelta(minutes=31))
    assert set(troubles(home)) == {AlertKind.QUEUE_STUCK}


def test_open_differences_are_trouble_and_accepted_ones_are_not(home: Home) -> None:
    seen = SeenFinding(root_id="r", kind="missing", subject="s", fingerprint="f", document={"marks": []})
    with home.service.store.write() as transaction:
        findings.keep(transaction, connection_id=1, root_id="r", seen=[seen], at=NOW)
        accepted = replace(seen, subject="other", reason="agreed")
        findings.keep(
            transaction, connection_id=1, root_id="r2", seen=[replace(accepted, root_id="r2")], at=NOW
        )
    found = troubles(home)
    assert list(found[AlertKind.DIFFERENCES_FOUND].items.values()) == ["s"]


def test_api_calls_are_low_from_nine_tenths_of_the_share_until_eight(home: Home) -> None:
    for used, lasting, is_trouble in (
        (539, frozenset(), False),
        (540, frozenset(), True),
        (500, frozenset({AlertKind.API_CALLS_LOW.value}), True),
        (479, frozenset({AlertKind.API_CALLS_LOW.value}), False),
    ):
        with home.service.store.write() as transaction:
            known = KnownUsage(used=used, allowed=1000, noted_at=NOW)
            api_usage.put(transaction, connection_id=1, known=known)
        assert (AlertKind.API_CALLS_LOW in troubles(home, lasting=lasting)) is is_trouble


def test_webhook_is_silent_when_events_are_missed_and_none_came_for_an_hour(home: Home) -> None:
    store = home.service.store
    with store.write() as transaction:
        cursors.move(transaction, connection_id=1, name=cursors.EVENTS_MISSED, instant=NOW)
    home.clock.set(NOW + timedelta(hours=2))
    assert troubles(home) == {}, "nobody set up a webhook"
    with store.write() as transaction:
        connections.add_webhook_secret(
            store,
            transaction,
            connection_id=1,
            secret="whsec_x",
            keeps_old=False,
            at=NOW - timedelta(days=1),
        )
    assert "never brought one" in troubles(home)[AlertKind.EVENTS_SILENT].message
    with store.write() as transaction:
        heard_at = NOW + timedelta(minutes=1)
        cursors.move(transaction, connection_id=1, name=cursors.EVENTS_HEARD, instant=heard_at)
    assert troubles(home) == {}
