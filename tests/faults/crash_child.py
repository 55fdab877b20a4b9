"""What runs in the processes that are killed. Started by a fork server that has everything imported."""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

import dbos  # noqa: F401 - loaded once, before the forks
import stripe  # noqa: F401 - loaded once, before the forks

from cpqbridge.clock import SettableClock
from cpqbridge.domain.refusal import OrderState
from cpqbridge.errors import CpqbridgeError
from cpqbridge.store import plans
from cpqbridge.store.database import open_store
from cpqbridge.sync.service import ServiceOptions, SyncService

NEVER = 0


def killing_boundary(kill_at: int, seen: list[str]) -> Callable[[str], None]:
    """End this process, as a power cut would, at the boundary of that number; count them otherwise."""

    def boundary(name: str) -> None:
        seen.append(name)
        if len(seen) == kill_at:
            os.kill(os.getpid(), signal.SIGKILL)

    return boundary


def pausing_boundary(pause_at: str) -> Callable[[str], None]:
    """Stop this process, as a machine that sleeps does, at the first boundary whose name begins like this."""
    left = [pause_at]

    def boundary(name: str) -> None:
        if left and name.startswith(left[0]):
            left.clear()
            os.kill(os.getpid(), signal.SIGSTOP)

    return boundary


def sync_with_a_pause(home: Path, now: datetime, order_id: str, pause_at: str) -> None:
    """Sync an order like `order sync`, asleep for a while; leave what came of it in `result.json`."""
    service = open_service(home, now, pausing_boundary(pause_at))
    try:
        report = service.sync(None, order_id)
        result = {"error": "", "states": {each.order_id: each.state.value for each in report.standings}}
    except CpqbridgeError as error:
        result = {"error": error.code}
    (home / "result.json").write_text(json.dumps(result))
    service.close()


def open_service(home: Path, now: datetime, boundary: Callable[[str], None]) -> SyncService:
    options = ServiceOptions(clock=SettableClock(now), boundary=boundary, sleep=lambda _seconds: None)
    return SyncService(open_store(home), options)


def sync_once(home: Path, now: datetime, order_id: str, kill_at: int) -> None:
    """Sync an order like `order sync`; leave the result in `result.json`."""
    seen: list[str] = []
    service = open_service(home, now, killing_boundary(kill_at, seen))
    report = service.sync(None, order_id)
    states = {standing.order_id: standing.state.value for standing in report.standings}
    write_result(home, service, order_id, states, seen)


def write_result(
    home: Path, service: SyncService, order_id: str, states: dict[str, str], seen: list[str]
) -> None:
    """Sync once more, which must find nothing to do, and leave everything in `result.json`."""
    boundaries = list(seen)
    again = service.sync(None, order_id)
    result = {
        "states": states,
        "boundaries": boundaries,
        "again": again.order.state.value,
        "nothing_to_do": again.plan_id is None,
    }
    (home / "result.json").write_text(json.dumps(result))
    service.close()


def work(home: Path, now: datetime, order_id: str, kill_at: int) -> None:
    """Be a worker until the order is synced; leave the result in `result.json`."""
    seen: list[str] = []
    service = open_service(home, now, killing_boundary(kill_at, seen))
    service.start_worker()
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        with service.store.read() as transaction:
            found = plans.standings(transaction, connection_id=1, order_id=order_id)
        if found and found[0].state is OrderState.SYNCED and "written back" in seen:
            break
        time.sleep(0.02)
    service.stop_worker()
    states = {standing.order_id: standing.state.value for standing in found}
    write_result(home, service, order_id, states, seen)


def wake(home: Path, now: datetime, order_id: str, kill_at: int) -> None:
    """Be a worker until no timer is left; leave the result in `result.json`."""
    seen: list[str] = []
    service = open_service(home, now, killing_boundary(kill_at, seen))
    service.start_worker()
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and not (service.timers(None) == () and "written back" in seen):
        time.sleep(0.02)
    service.stop_worker()
    with service.store.read() as transaction:
        found = plans.standings(transaction, connection_id=1)
    write_result(home, service, order_id, {each.order_id: each.state.value for each in found}, seen)


def extend(home: Path, now: datetime, order_id: str, kill_at: int) -> None:
    """Be a worker until the one timer that is due has done its work; leave the result in `result.json`."""
    seen: list[str] = []
    service = open_service(home, now, killing_boundary(kill_at, seen))
    service.start_worker()
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and any(timer.due_at <= now for timer in service.timers(None)):
        time.sleep(0.02)
    service.stop_worker()
    with service.store.read() as transaction:
        found = plans.standings(transaction, connection_id=1)
    write_result(home, service, order_id, {each.order_id: each.state.value for each in found}, seen)
