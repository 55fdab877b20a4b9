"""The inbox: causes with their orders, new tries of some or all, and what was solved disappears by itself."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from tests.faults.finding import live
from tests.faults.two_sides import NOW, connect, service, two_sides

from cpqbridge.domain.refusal import OrderState
from cpqbridge.domain.refusal_catalog import REFUSAL_CATALOG
from cpqbridge.errors import ConfigurationError, PausedError
from cpqbridge.store import alerts, audit, connections, noticed, plans
from cpqbridge.store.alerts import Trouble
from cpqbridge.store.plans import OrderStanding
from cpqbridge.sync.acting import acting_as
from cpqbridge.sync.audience import AUDIENCES
from cpqbridge.sync.inbox import COUNTED_AT_MOST, QUEUED_AT_ONCE, Inbox
from cpqbridge.sync.pausing import Pausing
from cpqbridge.sync.service import SyncService
from cpqbridge.sync.troubles import troubles

ADVICE = "Give the order a bill-to contact, or its quote a primary contact, with an e-mail address."


def a_standing(number: int, **changes: object) -> OrderStanding:
    standing = OrderStanding(
        order_id=f"801{number:015d}",
        order_number=f"{number:08d}",
        root_id=f"a0q{number:015d}",
        contract_key=f"800{number:015d}",
        state=OrderState.REFUSED,
        modified_at="",
        updated_at=NOW,
        code="no_email",
        message=f"Order {number:08d} has no e-mail address.",
        fix=ADVICE,
        record_id=f"801{number:015d}",
        field="BillToContact.Email",
    )
    return replace(standing, **changes)


def keep(opened: SyncService, *standings: OrderStanding) -> None:
    with opened.store.write() as transaction:
        for each in standings:
            plans.save_standing(transaction, connection_id=1, standing=each)


def test_orders_are_grouped_by_what_one_action_would_solve_the_largest_group_first(tmp_path: Path) -> None:
    with two_sides() as sides, service(tmp_path) as opened:
        connect(opened, sides)
        assert Inbox(opened).list().needed == ()
        later = NOW + timedelta(hours=1)
        keep(
            opened,
            a_standing(1, updated_at=later),
            a_standing(2),
            a_standing(3, root_id="a0q000000000000002"),
            a_standing(4, field="Email__c"),
            a_standing(
                5, code="backdated", state=OrderState.HELD, fix="Look.", message="Two periods passed."
            ),
            a_standing(
                6, code="waiting_for_order", state=OrderState.WAITING, fix="Solve order 00000001 first."
            ),
            a_standing(7, state=OrderState.SYNCED, code="", message="", fix=""),
        )
        listed = Inbox(opened).list()
        assert [(each.group.code, each.group.orders, each.group.contracts) for each in listed.needed] == [
            ("no_email", 3, 2),
            ("backdated", 1, 1),
            ("no_email", 1, 1),
        ]
        assert [(each.group.code, each.group.orders) for each in listed.waiting] == [("waiting_for_order", 1)]
        assert listed.orders == Inbox(opened).count() == 5
        first, held, _ = listed.needed
        assert (first.title, first.fix, first.audience.value) == ("No e-mail address", ADVICE, "RevOps")
        assert first.group.oldest_at == NOW
        assert (first.group.is_one_message, first.group.records, first.record_url) == (False, 3, "")
        assert (held.group.message, held.is_releasable) == ("Two periods passed.", True)
        assert held.record_url == f"{sides.salesforce_url}/801000000000000005"
        orders = Inbox(opened).orders(first, offset=1, limit=5)
        assert [each.order_number for each in orders] == ["00000003", "00000001"]


def test_an_order_that_may_heal_by_itself_waits_until_it_was_tried_for_hours(tmp_path: Path) -> None:
    with two_sides() as sides, service(tmp_path) as opened:
        connect(opened, sides)
        busy = a_standing(1, state=OrderState.FAILED, code="stripe_rate_limit", retryable=True, fix="Wait.")
        keep(opened, busy)
        listed = Inbox(opened).list()
        assert (len(listed.needed), len(listed.waiting)) == (0, 1)
        tries = noticed.Tries()
        for _ in range(5):
            tries = tries.after_failure(at=NOW)
        with opened.store.write() as transaction:
            noticed.save(transaction, connection_id=1, tries={busy.order_id: tries})
        listed = Inbox(opened).list()
        assert (len(listed.needed), len(listed.waiting)) == (1, 0)


def test_billed_orders_that_salesforce_does_not_show_rightly_are_listed_too(tmp_path: Path) -> None:
    with two_sides() as sides, service(tmp_path) as opened:
        connect(opened, sides)
        told = a_standing(
            1, state=OrderState.SYNCED, code="write_back_failed", message="A rule.", fix="Exempt."
        )
        keep(opened, told, replace(told, order_id="801000000000000002", retryable=True))
        listed = Inbox(opened).list()
        assert [(each.group.orders, each.title) for each in listed.needed] == [
            (1, "Salesforce could not be told")
        ]
        assert [each.group.orders for each in listed.waiting] == [1]
        assert Inbox(opened).count() == 1


def test_the_count_in_the_navigation_stops_where_it_no_longer_matters(tmp_path: Path) -> None:
    with two_sides() as sides, service(tmp_path) as opened:
        connect(opened, sides)
        keep(opened, *(a_standing(number) for number in range(COUNTED_AT_MOST + 2)))
        assert Inbox(opened).count() == COUNTED_AT_MOST
        assert Inbox(opened).list().orders == COUNTED_AT_MOST + 2


def test_some_or_all_are_tried_anew_and_what_was_solved_disappears(tmp_path: Path) -> None:
    with live(tmp_path, 2) as setting:
        org, opened = setting.sides.org, setting.service
        lines = [line["Id"] for line in org.records("OrderItem")]
        for line in lines:
            org.update("OrderItem", line, {"SBQQ__BillingFrequency__c": "Fortnightly"})
        setting.poll()
        (cause,) = Inbox(opened).list().needed
        assert (cause.group.code, cause.group.orders) == ("frequency_unknown", 2)
        assert cause.group.field == "SBQQ__BillingFrequency__c"
        first, second = Inbox(opened).orders(cause, offset=0, limit=9)
        # As long as nothing was corrected a try changes nothing.
        Inbox(opened).retry(None, cause.group.cause, [first.order_id])
        assert setting.tries(first.order_id).next_try_at is not None
        setting.settled()
        assert setting.tries(first.order_id).next_try_at is None
        assert Inbox(opened).list().needed == (cause,)
        for line in lines:
            org.update("OrderItem", line, {"SBQQ__BillingFrequency__c": "Monthly"})
        with acting_as("Ada"):
            assert Inbox(opened).retry(None, cause.group.cause, [first.order_id]).contracts == 1
        setting.settled()
        assert setting.states() == {first.order_id: "synced", second.order_id: "refused"}
        assert Inbox(opened).retry(None, cause.group.cause, None).contracts == 1
        setting.settled()
        assert Inbox(opened).list().needed == ()
        assert Inbox(opened).cause(None, cause.group.cause) is None
        with pytest.raises(ConfigurationError, match="None of these orders"):
            Inbox(opened).retry(None, cause.group.cause, None)
        with opened.store.read() as transaction:
            entry = audit.latest(transaction, connection_id=1, limit=2)[-1]
        assert (entry.action, entry.actor, entry.detail["contracts"]) == ("orders_retried", "Ada", 1)


def test_very_many_are_left_to_the_worker_and_all_of_them_are_due(tmp_path: Path) -> None:
    with two_sides() as sides, service(tmp_path) as opened:
        connect(opened, sides)
        keep(opened, *(a_standing(number) for number in range(QUEUED_AT_ONCE + 1)))
        (cause,) = Inbox(opened).list().needed
        retried = Inbox(opened).retry(None, cause.group.cause, None)
        assert (retried.contracts, retried.is_later) == (QUEUED_AT_ONCE + 1, True)
        with opened.store.read() as transaction:
            assert len(noticed.due(transaction, connection_id=1, at=NOW)) == QUEUED_AT_ONCE + 1


def test_nothing_is_tried_in_a_pause_and_the_pause_is_named_on_top(tmp_path: Path) -> None:
    with two_sides() as sides, service(tmp_path) as opened:
        connect(opened, sides)
        keep(opened, a_standing(1))
        Pausing(opened).pause("test", reason="month end")
        (cause,) = Inbox(opened).list().needed
        with pytest.raises(PausedError):
            Inbox(opened).retry(None, cause.group.cause, None)
        (trouble,) = troubles(opened)
        assert (trouble.kind, trouble.connection) == ("paused", "test")
        assert "month end" in trouble.message


def test_troubles_of_a_whole_connection_are_told_before_its_orders(tmp_path: Path) -> None:
    with two_sides() as sides, service(tmp_path) as opened:
        connect(opened, sides, live_sync=True)
        assert [each.kind for each in troubles(opened)] == ["no_worker"]
        opened.become_worker()
        opened.engine()
        assert troubles(opened) == ()
        with opened.store.write() as transaction:
            connections.mark_access_lost(transaction, connection_id=1, message="The token has expired.")
        (trouble,) = troubles(opened)
        assert (trouble.kind, trouble.path) == ("access_lost", "/connections/test/health")
        silent = Trouble(kind="events_silent", message="None came.", fix="Look at the endpoint.", items={})
        orders = Trouble(kind="orders_need_someone", message="Some.", fix="Look.", items={"801": "1"})
        with opened.store.write() as transaction:
            for each in (silent, orders):
                alerts.begin(transaction, each, connection_id=1, at=NOW)
        assert [each.kind for each in troubles(opened)] == ["access_lost", "events_silent"]


def test_every_cause_that_can_need_somebody_is_for_someone() -> None:
    for_nobody = {"access_lost", "wrong_account"}
    asked = {code for code, cause in REFUSAL_CATALOG.items() if cause.state is not OrderState.SKIPPED}
    assert asked - for_nobody <= AUDIENCES.keys()
