"""A worker's loop: connections leave each other alone, it stops in time, and nothing ends it."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from tests.faults.finding import Setting, live, wait_until
from tests.faults.two_sides import KEY, NOW, TOKEN, two_sides

from cpqbridge.domain.refusal import OrderState
from cpqbridge.store import cursors, plans
from cpqbridge.sync.live import switch_live
from cpqbridge.sync.nightly import Night, NightlyJob, night_began
from cpqbridge.sync.ports import OpenConnection
from cpqbridge.sync.worker import STOP_SECONDS, Worker


@contextmanager
def running(setting: Setting) -> Iterator[Worker]:
    worker = Worker(setting.service)
    worker.start()
    try:
        yield worker
    finally:
        worker.stop()


def test_live_switched_on_and_off_is_seen_by_a_running_worker_within_a_second(tmp_path: Path) -> None:
    with live(tmp_path) as setting:
        switch_live(setting.service, None, on=False)
        with running(setting):
            time.sleep(1.2)
            before = setting.calls()
            assert setting.states() == {}
            began = time.monotonic()
            switched = switch_live(setting.service, "test", on=True)
            assert (switched.was_live, switched.is_live) == (False, True)
            wait_until(lambda: setting.calls() > before)
            assert time.monotonic() - began < 2, "one second, and one more for a busy machine"
            wait_until(lambda: setting.states() == {setting.sides.order_id: "synced"})


def test_a_connection_whose_org_does_not_answer_holds_up_no_other(tmp_path: Path) -> None:
    with two_sides() as slow, live(tmp_path / "home") as setting:
        configuration = setting.service.configuration("test")
        slow.account.state.account_id = "acct_1SSimulated01"
        setting.service.add_connection(
            name="slow",
            salesforce_url=slow.salesforce_url,
            salesforce_token=TOKEN,
            stripe_key=KEY,
            stripe_api_base=slow.stripe_url,
            configuration=configuration,
        )
        lock = slow.org.lock
        lock.acquire()
        try:
            with running(setting) as worker:
                wait_until(lambda: setting.states() == {setting.sides.order_id: "synced"})
                began = time.monotonic()
                worker.stop()
                assert time.monotonic() - began < STOP_SECONDS + 3
        finally:
            lock.release()


def test_a_worker_goes_on_after_an_error_nobody_thought_of(tmp_path: Path) -> None:
    with live(tmp_path) as setting:
        connection_id = setting.service.connections()[0].connection_id
        worker = Worker(setting.service)
        struck = threading.Event()

        class Broken:
            def tick(self, _opened: OpenConnection) -> None:
                struck.set()
                raise ZeroDivisionError

        worker._events = Broken()  # type: ignore[assignment]
        worker.tick()
        setting.settled()
        assert struck.is_set()
        with setting.service.store.read() as transaction:
            (found,) = plans.standings(transaction, connection_id=connection_id)
        assert found.state is OrderState.SYNCED


@pytest.mark.parametrize(
    ("now", "zone", "began"),
    [
        ("2026-03-10T01:59:00+00:00", "UTC", "2026-03-09T02:00:00+00:00"),
        ("2026-03-10T02:00:00+00:00", "UTC", "2026-03-10T02:00:00+00:00"),
        ("2026-03-10T08:59:00+00:00", "America/Los_Angeles", "2026-03-09T09:00:00+00:00"),
        ("2026-03-10T09:00:00+00:00", "America/Los_Angeles", "2026-03-10T09:00:00+00:00"),
        ("2026-03-08T09:30:00+00:00", "America/Los_Angeles", "2026-03-07T10:00:00+00:00"),
    ],
)
def test_a_night_begins_at_two_in_the_connections_own_time(now: str, zone: str, began: str) -> None:
    assert night_began(datetime.fromisoformat(now), zone) == datetime.fromisoformat(began)


def test_nightly_jobs_are_done_once_a_night_and_again_when_they_failed(tmp_path: Path) -> None:
    done: list[datetime] = []
    with live(tmp_path) as setting:
        fails = [False]

        def job(opened: OpenConnection) -> int:
            if fails[0]:
                raise ValueError("not tonight")
            done.append(setting.service.clock_of(opened.connection).now())
            return 0

        night = Night(setting.service, [NightlyJob(name="job", run=job)])
        opened = setting.service.open(None)
        assert night.due(opened) == (), "the first night is the next one"
        setting.clock.set(datetime(2026, 1, 29, 2, tzinfo=UTC))
        night.work(opened, night.due(opened))
        assert night.due(opened) == ()
        setting.clock.set(datetime(2026, 1, 30, 3, tzinfo=UTC))
        fails[0] = True
        with pytest.raises(ValueError, match="not tonight"):
            night.work(opened, night.due(opened))
        fails[0] = False
        night.work(opened, night.due(opened))
        assert [moment.day for moment in done] == [29, 30]
        with setting.service.store.read() as transaction:
            at = cursors.read(transaction, connection_id=1, name="night job")
        assert at == datetime(2026, 1, 30, 3, tzinfo=UTC)


def test_a_worker_sweeps_at_night_what_its_polls_never_saw(tmp_path: Path) -> None:
    with live(tmp_path, 2, drafts=True) as setting:
        worker = Worker(setting.service)
        worker.tick()
        setting.settled()
        late = setting.sides.order_ids[0]
        fields = {"Status": "Activated", "StatusCode": "Activated"}
        setting.sides.org.update("Order", late, fields)
        with setting.service.store.write() as transaction:
            cursors.move(transaction, connection_id=1, name=cursors.ORDERS, instant=NOW + timedelta(hours=1))
        setting.pass_time(timedelta(hours=14))
        sweeping = Worker(setting.service)
        sweeping.tick()
        setting.settled()
        assert setting.states() == {late: "synced"}
