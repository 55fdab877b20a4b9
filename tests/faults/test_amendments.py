"""A contract that changes: how many calls it takes, what is kept, and what becomes of calls that go wrong."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from tests.faults.test_troubled_calls import Setting, answer_lost, refused, request_lost
from tests.faults.two_sides import NOW, connect, one_line_orders, service, two_sides

from cpqbridge.clock import SettableClock
from cpqbridge.domain.billing import StepAction
from cpqbridge.store import objects
from cpqbridge.sync.apply import no_boundary

AUGUST = datetime(2026, 8, 20, 10, tzinfo=UTC)
BEFORE = date(2026, 8, 13)
A_DAY_LATER = date(2026, 8, 14)
LATER = date(2026, 9, 1)


@pytest.fixture
def setting(tmp_path: Path) -> Iterator[Setting]:
    """A contract of 10 seats at 50.00 a month from February 2026 on, synced, looked at in August."""
    clock = SettableClock(NOW)
    with (
        two_sides(records=one_line_orders(contracted=True)) as sides,
        service(tmp_path, clock=clock) as opened,
    ):
        connect(opened, sides, credits="credit_note")
        found = Setting(home=tmp_path, sides=sides, clock=clock, service=opened)
        assert opened.sync(None, sides.order_id).order.state.value == "synced"
        found.move_everything_to(AUGUST)
        yield found


def states(setting: Setting, **wrong: Any) -> list[str]:
    """Sync the contract and return the states of its orders, oldest first."""
    return [state for _, state in sorted(setting.run(**wrong)["states"].items())]


def sent(setting: Setting) -> dict[str, Any]:
    with setting.service.store.read() as transaction:
        return objects.of_contract(transaction, connection_id=1, root_id=setting.standing().root_id)


def own_invoices(setting: Setting) -> list[tuple[str, int]]:
    found = [each for each in setting.sides.objects("invoice") if "cpqbridge_key" in each["metadata"]]
    return [(each["status"], each["total"]) for each in found]


def quantities(setting: Setting) -> list[list[int]]:
    (schedule,) = setting.sides.objects("subscription_schedule")
    return [[item["quantity"] for item in phase["items"]] for phase in schedule["phases"]]


def test_an_amendment_takes_three_calls_to_stripe_and_four_to_salesforce(setting: Setting) -> None:
    order_id = setting.sides.amend([(0, "2")], start=LATER)
    before = len(setting.sides.account.log.after()), setting.sides.org_log.count
    assert setting.service.sync(None, order_id).order.state.value == "synced"
    calls = [(entry["method"], entry["path"].split("/")[2]) for entry in setting.sides.account.log.after()]
    assert calls[before[0] :] == [
        ("GET", "subscription_schedules"),
        ("POST", "prices"),
        ("POST", "subscription_schedules"),
    ]
    assert setting.sides.org_log.count - before[1] == 4
    assert quantities(setting)[-1] == [10, 2]


def test_a_second_sync_of_an_amended_contract_reads_once_and_writes_nothing(setting: Setting) -> None:
    order_id = setting.sides.amend([(0, "2")], start=LATER)
    setting.service.sync(None, order_id)
    before = setting.sides.account.log.count, len(setting.sides.salesforce_writes())
    report = setting.service.sync(None, setting.sides.order_id)
    assert {standing.state.value for standing in report.standings} == {"unchanged"}
    assert report.plan_id is None
    assert (setting.sides.account.log.count, len(setting.sides.salesforce_writes())) == before


def test_what_was_sent_is_kept_with_the_instant_of_each_order(setting: Setting) -> None:
    order_id = setting.sides.amend([(0, "2")], start=LATER)
    setting.service.sync(None, order_id)
    (schedule,) = sent(setting).values()
    assert [(each.order_id, each.executed_at) for each in schedule.orders] == [
        (setting.sides.order_id, NOW),
        (order_id, AUGUST),
    ]


def test_a_charge_and_a_credit_are_made_once(setting: Setting) -> None:
    setting.sides.amend([(0, "-3")], start=BEFORE)
    setting.sides.amend([(0, "2")], start=A_DAY_LATER)
    assert states(setting) == ["unchanged", "synced", "synced"]
    assert own_invoices(setting) == [("open", 5918)]
    assert [note["total"] for note in setting.sides.objects("credit_note")] == [9369]
    assert states(setting) == ["unchanged"] * 3


def test_what_is_taken_back_before_anything_of_it_was_billed_costs_nothing(setting: Setting) -> None:
    setting.sides.amend([(0, "2")], start=BEFORE)
    setting.sides.amend([(0, "-3")], start=BEFORE)
    assert states(setting) == ["unchanged", "synced", "synced"]
    assert own_invoices(setting) == []
    assert [note["total"] for note in setting.sides.objects("credit_note")] == [3123]
    assert quantities(setting)[-1] == [9]


@pytest.mark.parametrize("trouble", [answer_lost, request_lost])
@pytest.mark.parametrize("away", [timedelta(minutes=1), timedelta(hours=15), timedelta(hours=30)])
@pytest.mark.parametrize(
    "action",
    [
        StepAction.UPDATE_SCHEDULE,
        StepAction.CREATE_INVOICE,
        StepAction.ADD_INVOICE_LINES,
        StepAction.FINALIZE_INVOICE,
        StepAction.CREATE_CREDIT_NOTE,
    ],
)
def test_a_lost_answer_bills_and_credits_once(
    setting: Setting, action: StepAction, away: timedelta, trouble: Callable[..., Any]
) -> None:
    setting.sides.amend([(0, "-3")], start=BEFORE)
    setting.sides.amend([(0, "2")], start=A_DAY_LATER)
    assert "failed" in states(setting, stripe=setting.troubled(action, trouble))
    setting.move_everything_to(AUGUST + away)
    assert "failed" not in states(setting)
    assert own_invoices(setting) == [("open", 5918)]
    assert [note["total"] for note in setting.sides.objects("credit_note")] == [9369]
    assert quantities(setting)[-1] == [7, 2]
    assert states(setting) == ["unchanged"] * 3


def give_up(setting: Setting, invoice: dict[str, Any]) -> None:
    """Somebody voids an invoice in Stripe."""
    assert setting.sides.account.request("POST", f"/v1/invoices/{invoice['id']}/void", {})[0] == 200


def credits_made(setting: Setting) -> list[tuple[int, str]]:
    """Return the amount of each credit note and the month of the invoice it lies on."""
    months = {each["id"]: month_of(each) for each in setting.sides.objects("invoice")}
    return [(note["total"], months[note["invoice"]]) for note in setting.sides.objects("credit_note")]


def month_of(invoice: dict[str, Any]) -> str:
    return f"{datetime.fromtimestamp(invoice['created'], UTC):%B}"


def test_a_credit_whose_second_invoice_is_voided_meanwhile_finds_another(setting: Setting) -> None:
    order_id = setting.sides.amend([(0, "-8")], start=date(2026, 7, 1))
    (july,) = [each for each in setting.sides.objects("invoice") if month_of(each) == "July"]

    def somebody_voids_the_second(name: str) -> None:
        if name.startswith("outcome credit_note:"):
            give_up(setting, july)

    assert states(setting, boundary=somebody_voids_the_second)[-1] == "failed"
    standing = setting.standing(order_id)
    assert standing.code == "credit_refused"
    assert july["id"] in standing.message
    assert july["id"] in standing.fix
    assert credits_made(setting) == [(50000, "August")]
    assert states(setting)[-1] == "synced"
    assert credits_made(setting) == [(50000, "August"), (30000, "June")]
    assert states(setting) == ["unchanged"] * 2


def test_a_credit_that_no_invoice_carries_any_more_goes_to_the_balance(setting: Setting) -> None:
    setting.sides.amend([(0, "-8")], start=date(2026, 7, 1))
    invoices = [each for each in setting.sides.objects("invoice") if month_of(each) != "August"]

    def somebody_voids_all_others(name: str) -> None:
        if name.startswith("outcome credit_note:"):
            for invoice in invoices:
                give_up(setting, invoice)

    assert states(setting, boundary=somebody_voids_all_others)[-1] == "failed"
    assert states(setting)[-1] == "synced"
    assert credits_made(setting) == [(50000, "August")]
    assert [each["amount"] for each in setting.sides.objects("customer_balance_transaction")] == [-30000]
    assert states(setting) == ["unchanged"] * 2


def test_a_refused_change_of_the_schedule_bills_nothing_of_its_order(setting: Setting) -> None:
    setting.sides.amend([(0, "2")], start=BEFORE)
    assert states(setting, stripe=setting.troubled(StepAction.UPDATE_SCHEDULE, refused)) == [
        "unchanged",
        "refused",
    ]
    assert own_invoices(setting) == []
    assert states(setting) == ["unchanged", "synced"]
    assert own_invoices(setting) == [("open", 6246)]


def test_a_draft_that_somebody_changed_is_not_finalised_until_a_person_accepts_it(setting: Setting) -> None:
    setting.sides.amend([(0, "2")], start=BEFORE)

    def somebody_adds_a_line(name: str) -> None:
        if name.startswith("outcome invoice_lines:"):
            (draft,) = [each for each in setting.sides.objects("invoice") if each["status"] == "draft"]
            line = {"amount": 1, "description": "A cent", "discountable": "false"}
            path = f"/v1/invoices/{draft['id']}/add_lines"
            assert setting.sides.account.request("POST", path, {"lines": [line]})[0] == 200

    for boundary in (somebody_adds_a_line, no_boundary):
        assert states(setting, boundary=boundary)[-1] == "failed"
        assert own_invoices(setting) == [("draft", 6247)]
    released = frozenset({"first_invoice_differs"})
    assert states(setting, released=released)[-1] == "synced"
    assert own_invoices(setting) == [("open", 6247)]


def schedule_call(setting: Setting, suffix: str = "", **parameters: Any) -> None:
    (schedule,) = setting.sides.objects("subscription_schedule")
    path = f"/v1/subscription_schedules/{schedule['id']}{suffix}"
    assert setting.sides.account.request("POST", path, parameters)[0] == 200


@pytest.mark.parametrize(
    ("suffix", "parameters", "words"),
    [
        ("/release", {}, "released"),
        ("/cancel", {"prorate": "false", "invoice_now": "false"}, "cancelled"),
        ("", {"end_behavior": "release", "proration_behavior": "none"}, "release"),
    ],
)
def test_a_schedule_that_somebody_touched_is_left_to_a_person(
    setting: Setting, suffix: str, parameters: dict[str, str], words: str
) -> None:
    schedule_call(setting, suffix, **parameters)
    order_id = setting.sides.amend([(0, "2")], start=LATER)
    writes = len(setting.sides.stripe_writes())
    report = setting.service.sync(None, order_id)
    assert report.order.state.value in {"refused", "held"}
    assert words in report.order.message
    assert len(setting.sides.stripe_writes()) == writes


def test_a_lost_home_takes_an_amendment_on_what_it_finds_again(setting: Setting, tmp_path: Path) -> None:
    setting.sides.amend([(0, "2")], start=LATER)
    setting.service.close()
    with service(tmp_path / "another", clock=setting.clock) as opened:
        connect(opened, setting.sides)
        report = opened.sync(None, setting.sides.order_id)
        assert [each.state.value for each in report.standings] == ["synced", "synced"]
        again = opened.sync(None, setting.sides.order_id)
        assert [each.state.value for each in again.standings] == ["unchanged", "unchanged"]
    assert quantities(setting)[-1] == [10, 2]


def test_a_lost_home_leaves_a_contract_that_was_amended_to_a_person(setting: Setting, tmp_path: Path) -> None:
    order_id = setting.sides.amend([(0, "2")], start=LATER)
    assert setting.service.sync(None, order_id).order.state.value == "synced"
    writes = len(setting.sides.stripe_writes())
    setting.service.close()
    with service(tmp_path / "another", clock=setting.clock) as opened:
        connect(opened, setting.sides)
        report = opened.sync(None, setting.sides.order_id)
        assert (report.order.state.value, report.order.code) == ("held", "takeover")
    assert len(setting.sides.stripe_writes()) == writes
