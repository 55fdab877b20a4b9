"""A worker by itself: it finds what qualifies, sees changes, tries again, and leaves the rest alone."""

from __future__ import annotations

import multiprocessing
import time
from collections.abc import Callable, Iterator
from datetime import date
from decimal import Decimal
from pathlib import Path

import pytest
from tests.faults import crash_child
from tests.faults.two_sides import NOW, TwoSides, connect, is_idle, service, two_sides

from cpqbridge.clock import SettableClock
from cpqbridge.domain.refusal import OrderState
from cpqbridge.errors import InvariantError
from cpqbridge.store import connections, plans
from cpqbridge.sync.finding import Finder
from cpqbridge.sync.service import SyncService
from cpqbridge.sync.worker import Worker
from cpqbridge_sim.salesforce.cpq.engine import Cpq
from cpqbridge_sim.salesforce.cpq.model import Line


@pytest.fixture
def sides() -> Iterator[TwoSides]:
    with two_sides(3) as hosted:
        yield hosted


def states(opened: SyncService) -> dict[str, str]:
    with opened.store.read() as transaction:
        return {each.order_id: each.state.value for each in plans.standings(transaction, connection_id=1)}


def wait_until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.02)


def test_a_live_connection_is_synced_without_being_asked(tmp_path: Path, sides: TwoSides) -> None:
    with service(tmp_path) as opened:
        connect(opened, sides, live_sync=True)
        opened.start_worker()
        wait_until(lambda: states(opened) == dict.fromkeys(sides.order_ids, "synced"))
        opened.stop_worker()
    assert len(sides.objects("subscription_schedule")) == 3
    assert len(sides.objects("product")) == 1


def test_a_connection_that_is_not_live_is_left_alone(tmp_path: Path, sides: TwoSides) -> None:
    with service(tmp_path) as opened:
        connect(opened, sides)
        before = sides.org_log.count
        opened.start_worker()
        time.sleep(1.5)
        opened.stop_worker()
        assert states(opened) == {}
    assert sides.org_log.count == before


def polled(opened: SyncService) -> int:
    count = Finder(opened).poll(opened.open(None))
    wait_until(lambda: is_idle(opened))
    return count


def test_a_poll_passes_orders_it_has_seen_and_queues_what_changed(tmp_path: Path, sides: TwoSides) -> None:
    clock = SettableClock(NOW)
    with service(tmp_path, clock=clock) as opened:
        connect(opened, sides, live_sync=True)
        opened.become_worker()
        assert polled(opened) == 3
        wait_until(lambda: states(opened) == dict.fromkeys(sides.order_ids, "synced"))
        wait_until(
            lambda: {each.get("Stripe_Sync_Status__c") for each in sides.org.records("Order")} == {"Synced"}
        )
        # Our own write-back bumped every stamp: they are looked at once more, and then no longer.
        assert polled(opened) == 3
        wait_until(lambda: polled(opened) == 0)
        writes = len(sides.salesforce_writes())
        sides.org.update("Order", sides.order_id, {"Description": "changed"})
        assert polled(opened) == 1
        wait_until(lambda: polled(opened) == 0)
    assert len(sides.salesforce_writes()) == writes


def test_lost_access_stops_polling_until_somebody_checks(tmp_path: Path, sides: TwoSides) -> None:
    with service(tmp_path) as opened:
        connect(opened, sides, live_sync=True)
        sides.org.tokens = frozenset({"another"})
        worker = Worker(opened)
        opened.become_worker()
        worker.tick()
        assert opened.connections()[0].access_lost is not None
        before = sides.org_log.count
        worker.tick()
        assert sides.org_log.count == before
        with opened.store.read() as transaction:
            assert connections.find(transaction, None).access_lost is not None


def test_a_process_that_began_without_a_queue_cannot_become_a_worker(tmp_path: Path, sides: TwoSides) -> None:
    with service(tmp_path) as opened:
        connect(opened, sides)
        opened.sync(None, sides.order_id)
        with pytest.raises(InvariantError):
            opened.start_worker()


def test_several_processes_syncing_one_order_at_once_make_one_schedule(
    tmp_path: Path, sides: TwoSides
) -> None:
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["tests.faults.crash_child"])
    with service(tmp_path) as opened:
        connect(opened, sides)
    processes = [
        context.Process(target=crash_child.sync_once, args=(tmp_path, NOW, sides.order_id, crash_child.NEVER))
        for _ in range(3)
    ]
    for process in processes:
        process.start()
    for process in processes:
        process.join(60)
        assert process.exitcode == 0
        process.close()
    assert len(sides.objects("subscription_schedule")) == 1
    assert len([write for write in sides.stripe_writes() if write[1] == "/v1/subscription_schedules"]) == 1


def several_contracts_of_one_account(count: int) -> tuple[dict, tuple[str, ...]]:
    cpq = Cpq(clock=lambda: NOW)
    product = cpq.product("Seat", frequency="Monthly", default_term=1)
    cpq.price(product, Decimal(50))
    account = cpq.account("Customer", email="billing@customer.example")
    ids = []
    for number in range(count):
        line = Line(product=product, quantity=10 + number)
        order = cpq.order(cpq.quote(account, start=date(2026, 2, 1), lines=[line], term=12))
        cpq.activate(order, at=NOW)
        ids.append(order.record_id)
    return cpq.records(), tuple(ids)


def test_contracts_of_one_new_account_that_are_synced_at_once_share_one_customer(tmp_path: Path) -> None:
    with two_sides(records=several_contracts_of_one_account(6)) as sides, service(tmp_path) as opened:
        connect(opened, sides, live_sync=True)
        opened.start_worker()
        wait_until(lambda: states(opened) == dict.fromkeys(sides.order_ids, "synced"))
        opened.stop_worker()
        (customer,) = sides.objects("customer")
        schedules = sides.objects("subscription_schedule")
        assert [each["customer"] for each in schedules] == [customer["id"]] * 6


def test_a_contract_waits_while_it_is_not_known_whether_another_made_the_customer(tmp_path: Path) -> None:
    def boundary(name: str) -> None:
        if name.startswith("answer customer"):
            raise Killed

    clock = SettableClock(NOW)
    with two_sides(records=several_contracts_of_one_account(2)) as sides:
        first, second = sides.order_ids
        with service(tmp_path, clock=clock, boundary=boundary) as opened:
            connect(opened, sides)
            with pytest.raises(Killed):
                opened.sync(None, first)
        with service(tmp_path, clock=clock) as opened:
            waiting = opened.sync(None, second).order
            assert (waiting.state, waiting.code) == (OrderState.FAILED, "customer_being_made")
            assert waiting.retryable
            assert opened.sync(None, first).order.state is OrderState.SYNCED
            assert opened.sync(None, second).order.state is OrderState.SYNCED
        assert len(sides.objects("customer")) == 1


class Killed(BaseException):
    """The process ends here."""
