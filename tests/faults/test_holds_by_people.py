"""A person looks at a plan, carries exactly that plan out, and holds and releases contracts."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from pathlib import Path

import pytest
from tests.faults.test_pause import wait_until
from tests.faults.two_sides import TwoSides, connect, one_line_orders, service, two_sides

from cpqbridge.domain.refusal import OrderState
from cpqbridge.errors import ConfigurationError, ConflictError
from cpqbridge.store import audit, plans
from cpqbridge.store.views import OrderSearch
from cpqbridge.sync.acting import acting_as
from cpqbridge.sync.notices import Notices
from cpqbridge.sync.order_actions import Asked, OrderActions
from cpqbridge.sync.pausing import Pausing
from cpqbridge.sync.service import SyncService
from cpqbridge.sync.task import Task
from cpqbridge.sync.worker import Worker

RELEASED = Asked(released=frozenset({"held_by_person"}))


@pytest.fixture
def sides() -> Iterator[TwoSides]:
    with two_sides(records=one_line_orders(contracted=True)) as hosted:
        yield hosted


@pytest.fixture
def opened(tmp_path: Path, sides: TwoSides) -> Iterator[SyncService]:
    with service(tmp_path) as started:
        connect(started, sides)
        yield started


def codes(opened: SyncService) -> dict[str, tuple[str, str]]:
    with opened.store.read() as transaction:
        found = plans.standings(transaction, connection_id=1)
    return {each.order_id: (each.state.value, each.code) for each in found}


def test_a_plan_that_was_looked_at_is_carried_out_by_its_mark(opened: SyncService, sides: TwoSides) -> None:
    actions = OrderActions(opened)
    look = actions.look(sides.order_id)
    assert sides.stripe_writes() == []
    assert [each.total_minor for each in look.plan.forecast][:2] == [50_000, 50_000]
    with acting_as("olga"):
        outcome = actions.carry_out(sides.order_id, Asked(), mark=look.mark)
    assert outcome.standings is not None
    assert [each.state for each in outcome.standings] == [OrderState.SYNCED]
    with opened.store.read() as transaction:
        (entry,) = audit.latest(transaction, connection_id=1, limit=1)
    assert (entry.action, entry.actor, entry.after) == (
        "order_synced",
        "olga",
        {look.notice.order_number: "synced"},
    )
    assert entry.detail["billed"] == {"usd": "6000.00"}


def test_a_plan_that_changed_since_it_was_shown_is_shown_again_and_not_carried_out(
    opened: SyncService, sides: TwoSides
) -> None:
    actions = OrderActions(opened)
    look = actions.look(sides.order_id)
    item = next(iter(sides.org.records("OrderItem")))
    sides.org.update(
        "OrderItem", item["Id"], {"Quantity": 7, "SBQQ__OrderedQuantity__c": 7, "TotalPrice": 4200}
    )
    outcome = actions.carry_out(sides.order_id, Asked(), mark=look.mark)
    assert outcome.standings is None
    assert outcome.changed is not None
    assert outcome.changed.mark != look.mark
    assert sides.stripe_writes() == []


def test_a_run_whose_first_plan_is_another_one_ends_before_any_write_and_says_nothing_of_the_order(
    opened: SyncService, sides: TwoSides
) -> None:
    look = OrderActions(opened).look(sides.order_id)
    with pytest.raises(ConflictError) as caught:
        opened.sync_task(Task(connection_id=1, notice=look.notice, expects="another plan"))
    assert caught.value.code == "plan_changed"
    assert sides.stripe_writes() == []
    assert codes(opened) == {}


def test_a_held_contract_is_not_carried_out_by_anybody_until_it_is_released(
    opened: SyncService, sides: TwoSides
) -> None:
    opened.become_worker()
    actions = OrderActions(opened)
    opened.sync(None, sides.order_id)
    with acting_as("olga"):
        outcome = actions.hold(sides.order_id, reason="the customer disputes the price")
    assert outcome.trouble is None
    assert codes(opened) == {sides.order_id: ("held", "held_by_person")}
    assert sides.order()["Stripe_Sync_Status__c"] == "Held"
    assert "olga holds the contract since" in sides.order()["Stripe_Sync_Message__c"]
    amendment = sides.amend([(0, "2")], start=date(2026, 3, 1))
    before = sides.stripe_writes()
    report = opened.sync(None, amendment)
    Worker(opened).tick()
    assert report.order.state is OrderState.WAITING
    assert sides.stripe_writes() == before

    look = actions.look(amendment, RELEASED)
    assert look.state is OrderState.SYNCED
    assert [each.code for each in actions.look(amendment).holds] == ["held_by_person"]
    outcome = actions.carry_out(amendment, RELEASED, mark=look.mark)
    assert outcome.standings is not None
    assert {each.state for each in outcome.standings} == {OrderState.SYNCED}
    assert sides.order()["Stripe_Sync_Status__c"] == "Synced"
    assert actions.hold_of(1, look.plan.root_id) is None
    assert opened.sync(None, amendment).order.state is OrderState.UNCHANGED


def test_an_order_that_was_only_noticed_is_listed_with_its_customer(
    opened: SyncService, sides: TwoSides
) -> None:
    opened.become_worker()
    notice = OrderActions(opened).look(sides.order_id).notice
    Pausing(opened).pause(None)
    Notices(opened).take(1, [notice], because="test")
    (row,) = opened.views.search(OrderSearch(text="customer 0")).rows
    assert (row.account_name, row.state) == ("Customer 0", OrderState.QUEUED)


def test_a_hold_before_the_first_sync_keeps_the_worker_from_it(opened: SyncService, sides: TwoSides) -> None:
    opened.become_worker()
    OrderActions(opened).hold(sides.order_id, reason="not yet")
    Worker(opened).tick()
    wait_until(lambda: codes(opened) == {sides.order_id: ("held", "held_by_person")})
    assert sides.stripe_writes() == []


def test_a_hold_in_a_pause_stands_at_once_and_salesforce_is_told_after_it(
    opened: SyncService, sides: TwoSides
) -> None:
    opened.become_worker()
    opened.sync(None, sides.order_id)
    Pausing(opened).pause(None)
    outcome = OrderActions(opened).hold(sides.order_id, reason="month end")
    assert outcome.trouble is not None
    assert codes(opened) == {sides.order_id: ("held", "held_by_person")}
    assert sides.order()["Stripe_Sync_Status__c"] == "Synced"
    Pausing(opened).resume(None)
    Worker(opened).tick()
    wait_until(lambda: sides.order()["Stripe_Sync_Status__c"] == "Held")


@pytest.mark.parametrize("reason", ["", "  ", "x" * 501])
def test_a_hold_without_a_reason_is_refused(opened: SyncService, sides: TwoSides, reason: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        OrderActions(opened).hold(sides.order_id, reason=reason)
    assert caught.value.field == "reason"


def test_a_run_that_takes_long_goes_on_by_itself(opened: SyncService, sides: TwoSides) -> None:
    opened.become_worker()
    hasty = OrderActions(opened, patience_seconds=0.0)
    outcome = hasty.carry_out(sides.order_id, Asked(), mark=hasty.look(sides.order_id).mark)
    assert outcome.standings is None
    assert outcome.changed is None
    wait_until(lambda: codes(opened) == {sides.order_id: ("synced", "")})


def test_a_draft_is_previewed_by_its_number_and_nothing_is_kept(tmp_path: Path) -> None:
    with two_sides(drafts=True) as sides, service(tmp_path) as opened:
        connect(opened, sides)
        look = OrderActions(opened).preview(sides.order()["OrderNumber"])
        assert [each.total_minor for each in look.plan.forecast][:1] == [50_000]
        assert sides.stripe_writes() == sides.salesforce_writes() == []
        assert codes(opened) == {}
        assert look.notice.account_name == "Customer 0"
        assert look.is_draft
        with pytest.raises(ConfigurationError, match="no order"):
            OrderActions(opened).preview("99999999")
