"""`cpqbridge status`: numbers that add up, and what to do next."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import delete, insert
from tests.faults.two_sides import NOW, TwoSides, connect, service, two_sides

from cpqbridge.clock import SettableClock
from cpqbridge.domain.refusal import OrderState
from cpqbridge.store import connections, plans, tables
from cpqbridge.store.plans import OrderStanding
from cpqbridge.sync.liveness import workers
from cpqbridge.sync.notices import Notices
from cpqbridge.sync.pausing import Pausing
from cpqbridge.sync.service import SyncService
from cpqbridge.sync.status import ConnectionStatus, Status, look
from cpqbridge.sync.status_words import status_document, status_text
from cpqbridge.sync.task import Task
from cpqbridge.sync.wake import contract_notice


@pytest.fixture(scope="module")
def sides() -> Iterator[TwoSides]:
    with two_sides(2) as hosted:
        yield hosted


def of_test(status: Status) -> ConnectionStatus:
    (found,) = status.connections
    return found


def stand(opened: SyncService, number: int, state: OrderState, **values: object) -> None:
    standing = OrderStanding(
        order_id=f"801Qy00000000{number:02}IAA",
        order_number=f"000002{number:02}",
        root_id=f"a0zQy00000000{number:02}IAA",
        contract_key=f"801Qy00000000{number:02}IAA",
        state=state,
        modified_at="",
        updated_at=NOW,
        **values,
    )
    with opened.store.write() as transaction:
        plans.save_standing(transaction, connection_id=1, standing=standing)


def test_orders_in_every_state_add_up_and_those_that_need_someone_are_named(
    tmp_path: Path, sides: TwoSides
) -> None:
    with service(tmp_path) as opened:
        connect(opened, sides)
        for number, state in enumerate(OrderState):
            stand(opened, number, state, code="price_empty" if state is OrderState.REFUSED else "")
        stand(opened, 20, OrderState.FAILED, code="stripe_rate_limit", retryable=True)
        found = look(opened)
        orders = of_test(found).orders
        assert orders.adds_up
        assert (orders.seen, orders.open, orders.done, orders.needs_someone) == (9, 3, 3, 3)
        assert orders.by_state == dict.fromkeys((state.value for state in OrderState), 1) | {"failed": 2}
        assert found.needs_someone
        assert "(price_empty)" in status_text(found)
        assert "9 seen = 3 open + 3 done + 3 need someone" in status_text(found)


def test_a_failure_that_is_tried_in_vain_for_hours_needs_someone(tmp_path: Path, sides: TwoSides) -> None:
    with service(tmp_path) as opened:
        connect(opened, sides)
        stand(opened, 1, OrderState.FAILED, code="stripe_unavailable", retryable=True)
        assert not look(opened).needs_someone
        with opened.store.write() as transaction:
            transaction.execute(tables.order_states.update().values(attempts=5))
        assert of_test(look(opened)).orders.needs_someone == 1


def test_a_contract_that_is_worked_on_but_not_shown_does_not_add_up(tmp_path: Path, sides: TwoSides) -> None:
    with service(tmp_path) as opened:
        connect(opened, sides)
        opened.sync(None, sides.order_id)
        assert of_test(look(opened)).lost == ()
        assert not look(opened).needs_someone
        with opened.store.write() as transaction:
            transaction.execute(delete(tables.order_states))
        found = look(opened)
        assert len(of_test(found).lost) == 1
        assert "do not add up" in found.what_to_do[0]
        assert status_document(found)["connections"][0]["orders"]["adds_up"] is False


def test_a_pause_is_told_with_what_waits_and_how_to_go_on(tmp_path: Path, sides: TwoSides) -> None:
    with service(tmp_path) as opened:
        connect(opened, sides)
        Pausing(opened).pause("test", reason="audit")
        found = look(opened)
        assert of_test(found).pause is not None
        (advice,) = found.what_to_do
        assert "audit" in advice
        assert "cpqbridge resume --connection test" in advice


def test_lost_access_and_open_differences_are_told(tmp_path: Path, sides: TwoSides) -> None:
    with service(tmp_path) as opened:
        connect(opened, sides)
        with opened.store.write() as transaction:
            connections.mark_access_lost(transaction, connection_id=1, message="The token has expired.")
            transaction.execute(
                insert(tables.findings).values(
                    connection_id=1,
                    root_id="r",
                    kind="missing",
                    subject="s",
                    fingerprint="f",
                    document={},
                    state="open",
                    reason="",
                    first_seen_at=NOW,
                    last_seen_at=NOW,
                )
            )
            transaction.execute(
                insert(tables.api_usage).values(connection_id=1, used=600, allowed=1000, noted_at=NOW)
            )
        found = look(opened)
        assert ["access was lost" in found.what_to_do[0], "open difference" in found.what_to_do[1]] == [
            True,
            True,
        ]
        assert "600 of 1000 a day (60%); background work stops at 60%" in status_text(found)


def test_a_live_connection_without_a_worker_and_an_order_queued_for_long_are_told(
    tmp_path: Path, sides: TwoSides
) -> None:
    clock = SettableClock(NOW)
    with service(tmp_path, clock=clock) as opened:
        connect(opened, sides, live_sync=True)
        stand(opened, 1, OrderState.QUEUED)
        assert "No worker runs" in look(opened).what_to_do[0]
        clock.set(NOW + timedelta(minutes=16))
        assert "is queued since" in look(opened).what_to_do[1]


def test_what_waits_on_the_queue_is_counted_with_its_age(tmp_path: Path, sides: TwoSides) -> None:
    with service(tmp_path) as opened:
        connect(opened, sides)
        opened.sync(None, sides.order_id)
        with opened.store.read() as transaction:
            (standing,) = plans.standings(transaction, connection_id=1)
            notice = contract_notice(transaction, connection_id=1, root_id=standing.root_id)
        assert notice is not None
        Notices(opened).queue(Task(connection_id=1, notice=notice))
        found = look(opened)
        assert (found.queue.waiting, found.queue.running) == (1, 0)
        assert found.queue.oldest_at is not None
        assert timedelta(0) <= found.at - found.queue.oldest_at < timedelta(seconds=20)
        assert "1 contract waiting" in found.what_to_do[0]


def test_the_queue_and_the_workers_are_seen_by_another_process(tmp_path: Path, sides: TwoSides) -> None:
    with service(tmp_path) as opened:
        connect(opened, sides)
        assert look(opened).queue.waiting == 0
        opened.become_worker()
        opened.sync(None, sides.order_id)
        opened.turned()
        found = look(opened)
        assert [(each.name, each.alive) for each in found.workers] == [("worker-1", True)]
        assert found.queue.running == 0
        assert found.dead_with_work == ()
        assert json.dumps(status_document(found))
        assert "workers on this machine: worker-1" in status_text(found)
    assert [each.alive for each in workers(tmp_path)] == [False]
