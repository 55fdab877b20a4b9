"""A process that slept past its lease while another one took over: when it wakes up it changes nothing."""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import select, update
from tests.faults import crash_child
from tests.faults.kills import CONTEXT
from tests.faults.request_checker import problems
from tests.faults.two_sides import NOW, connect, move_everything_to, one_line_orders, service, two_sides

from cpqbridge.clock import SettableClock
from cpqbridge.store.tables import intents, lanes, links, order_states
from cpqbridge.sync.service import SyncService

LATER = NOW + timedelta(hours=1)


def wait_until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.01)


def is_asleep(process_id: int) -> bool:
    """Return whether a process is stopped (proc(5): the third field of `stat` is then `T`)."""
    return Path(f"/proc/{process_id}/stat").read_text().rpartition(")")[2].split()[0] == "T"


def let_leases_run_out(opened: SyncService) -> None:
    """As a minute without a sign of life does."""
    with opened.store.write() as transaction:
        transaction.execute(update(lanes).values(expires_at=datetime(2000, 1, 1, tzinfo=UTC)))


def rows(opened: SyncService) -> list[object]:
    with opened.store.read() as transaction:
        return [transaction.execute(select(table)).all() for table in (intents, links, order_states)]


@pytest.mark.skipif(not Path("/proc").is_dir(), reason="a process's state is read from /proc")
@pytest.mark.parametrize("place", ["plan kept", "intent schedule", "answer schedule", "before write-back"])
def test_a_process_that_wakes_up_after_its_lease_changes_nothing(tmp_path: Path, place: str) -> None:
    clock = SettableClock(NOW)
    with (
        two_sides(records=one_line_orders(contracted=True)) as sides,
        service(tmp_path, clock=clock) as opened,
    ):
        connect(opened, sides)
        sleeper = CONTEXT.Process(
            target=crash_child.sync_with_a_pause, args=(tmp_path, NOW, sides.order_id, place)
        )
        sleeper.start()
        assert sleeper.pid is not None
        wait_until(lambda: is_asleep(sleeper.pid))
        let_leases_run_out(opened)
        move_everything_to(LATER, sides, clock)
        assert opened.sync(None, sides.order_id).order.state.value in {"synced", "unchanged"}
        sides.amend([(0, "2")], start=date(2026, 6, 1))
        assert "failed" not in {each.state.value for each in opened.sync(None, sides.order_id).standings}
        before, writes = rows(opened), len(sides.salesforce_writes())
        made = {
            kind: sides.objects(kind) for kind in ("customer", "product", "price", "subscription_schedule")
        }

        os.kill(sleeper.pid, signal.SIGCONT)
        sleeper.join(60)
        assert sleeper.exitcode == 0
        assert json.loads((tmp_path / "result.json").read_text())["states"] == states(opened)
        assert rows(opened) == before
        assert len(sides.salesforce_writes()) == writes
        assert {kind: sides.objects(kind) for kind in made} == made
        assert problems(stripe=sides.account.log._requests, salesforce=sides.org_log._requests) == []


def states(opened: SyncService) -> dict[str, str]:
    return {each.order_id: each.state.value for each in opened.list_orders(None)}
