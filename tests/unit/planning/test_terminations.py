"""Contracts that are ended: before, on and after their start, inside a period, and lines added afterwards."""

from __future__ import annotations

from datetime import timedelta

import pytest
from tests.simulation import in_process
from tests.unit.planning.builders import (
    a_history,
    a_life,
    a_line,
    a_policy,
    an_amendment,
    an_order,
    at,
    differences_of,
    documents_of,
    invoices_of,
    one_time_items_of,
    seats,
    states_of,
)

from cpqbridge.domain.billing import StepAction
from cpqbridge.domain.refusal import OrderState

SOLD = at("2026-01-28T09:00:00")
FIRST = an_order([seats(1, 10, "2026-02-01")])
AGAIN = an_amendment(seats(3, 5, "2026-10-10"), number=3)


def ended(start: str, first=FIRST, end="2027-01-31"):
    return an_amendment(seats(2, -10, start, end, revises=1))


def lived(*syncs, now=SOLD, configuration=None):
    """Sync (orders, instant) one after the other; return the life and the last plan."""
    life = a_life(now=now, **({"configuration": configuration} if configuration else {}))
    for orders, instant in syncs:
        life.run_until(instant)
        life.sync(a_history(*orders), instant, {"backdated"})
    return life, life.plan


def last_phases(found, key="2026-02-01:1"):
    (schedule,) = [each for each in found.objects if each.key.endswith(key)]
    return [(phase.starts_at, phase.ends_at) for phase in schedule.phases]


def test_end_before_the_start_cancels_what_waits_to_begin():
    life, found = lived(((FIRST,), SOLD), ((FIRST, ended("2026-02-01")), SOLD + timedelta(days=1)))
    (step,) = found.steps
    assert step.action is StepAction.CANCEL_SCHEDULE
    assert dict(step.parameters) == {"invoice_now": False, "prorate": False}
    assert found.objects[0].ended_at == SOLD + timedelta(days=1)
    assert invoices_of(found) == []
    assert differences_of(found) == {}
    assert life.sync(life.history, SOLD + timedelta(days=2)).steps == ()
    life.run_until(at("2027-02-03"))
    assert in_process.billed_by_line(life.account) == {}


def test_contract_sold_and_ended_before_its_first_sync_makes_no_schedule():
    _, found = lived(((FIRST, ended("2026-02-01")), SOLD))
    assert found.objects == ()
    assert states_of(found) == [(OrderState.SYNCED, [])] * 2
    assert {step.action for step in found.steps} == {StepAction.CREATE_CUSTOMER, StepAction.CREATE_PRODUCT}
    assert differences_of(found) == {}


def test_end_on_the_start_day_credits_the_first_period():
    when = at("2026-02-01T09:00:00")
    life, found = lived(((FIRST,), SOLD), ((FIRST, ended("2026-02-01")), when))
    assert [step.action for step in found.steps] == [
        StepAction.CANCEL_SCHEDULE,
        StepAction.CREATE_CREDIT_NOTE,
    ]
    assert documents_of(found) == [("credit_note", "2026-02-01", -50000)]
    assert differences_of(found) == {}
    life.run_until(at("2027-02-03"))
    billed = in_process.billed_by_line(life.account)
    assert billed == {"802LINE001": 50000, "802LINE002": -50000}


def test_end_on_a_boundary_to_come_shortens_the_schedule():
    life, found = lived(((FIRST,), SOLD), ((FIRST, ended("2026-08-01")), at("2026-07-10")))
    assert [step.action for step in found.steps] == [StepAction.UPDATE_SCHEDULE]
    assert last_phases(found) == [(at("2026-02-01"), at("2026-08-01"))]
    assert documents_of(found) == []
    assert invoices_of(found)[-1] == ("2026-07-01", 50000)
    life.run_until(at("2027-02-03"))
    assert in_process.billed_by_line(life.account) == {"802LINE001": 6 * 50000}


def test_end_inside_a_period_that_is_not_billed_yet_bills_it_once_and_credits_its_rest():
    life, found = lived(((FIRST,), SOLD), ((FIRST, ended("2026-08-20")), at("2026-07-10")))
    schedule = found.objects[0]
    assert last_phases(found) == [
        (at("2026-02-01"), at("2026-08-01")),
        (at("2026-08-01"), at("2026-08-20")),
    ]
    assert [item.unit_amount_decimal for item in schedule.phases[-1].items] == ["0"]
    assert one_time_items_of(schedule.phases[-1]) == [("802LINE001", "cut", 50000)]
    assert documents_of(found) == [("credit_note", "2026-08-20", -19730)]
    assert found.wake_at == at("2026-08-20")
    life.run_until(at("2027-02-03"))
    assert in_process.billed_by_day(life.account)["2026-08-20", "802LINE002"] == -19730
    assert sum(in_process.billed_by_line(life.account).values()) == 600000 - 269730


def test_end_inside_a_billed_period_credits_its_rest():
    when = at("2026-08-20T10:00:00")
    _, found = lived(((FIRST,), SOLD), ((FIRST, ended("2026-08-20")), when))
    assert [step.action for step in found.steps] == [
        StepAction.CANCEL_SCHEDULE,
        StepAction.CREATE_CREDIT_NOTE,
    ]
    assert documents_of(found) == [("credit_note", "2026-08-20", -19730)]
    assert differences_of(found) == {}


def test_end_known_late_credits_every_period_billed_since():
    _, found = lived(((FIRST,), SOLD), ((FIRST, ended("2026-08-20")), at("2026-09-25T10:00:00")))
    credit = found.objects[-1]
    assert [(portion.amount_minor, portion.invoice_id is None) for portion in credit.portions] == [
        (50000, False),
        (19730, False),
    ]
    assert [item.amount_minor for item in credit.phases[0].one_time_items] == [-69730]


def test_end_of_an_annual_contract_leaves_the_cut_year_to_a_credit():
    yearly = {"months": 12, "default_term": "12", "entry": "600"}
    first = an_order([a_line(1, unit_price="1200", end="2028-01-31", **yearly)])
    half = a_line(
        2,
        quantity="-10",
        unit_price="300",
        total_price="-3000",
        start="2027-08-01",
        end="2028-01-31",
        revises="802LINE001",
        **yearly,
    )
    _, found = lived(((first,), SOLD), ((first, an_amendment(half)), at("2026-05-10")))
    assert invoices_of(found) == [
        ("2026-02-01", 600000),
        ("2027-02-01", 600000),
        ("2027-08-01", -300000),
    ]


@pytest.mark.parametrize("policy", ["next_invoice", "credit_note"])
def test_end_never_leaves_a_credit_on_the_subscription(policy):
    when = at("2026-07-20")
    _, found = lived(
        ((FIRST,), SOLD), ((FIRST, ended("2026-08-20")), when), configuration=a_policy(credits=policy)
    )
    riders = [item.kind for phase in found.objects[0].phases for item in phase.one_time_items]
    assert riders == ["cut"]
    assert documents_of(found) == [("credit_note", "2026-08-20", -19730)]


def test_swap_over_two_orders_of_one_day_is_no_end():
    instead = an_amendment(seats(3, 10, "2026-08-01", price="60"), number=3)
    _, found = lived(
        ((FIRST,), SOLD),
        ((FIRST, ended("2026-08-01"), instead), at("2026-07-10")),
    )
    assert last_phases(found) == [
        (at("2026-02-01"), at("2026-08-01")),
        (at("2026-08-01"), at("2027-02-01")),
    ]
    assert ("2026-08-01", 60000) in invoices_of(found)


def test_line_added_while_the_ended_schedule_still_runs_lengthens_it():
    end = ended("2026-08-01")
    _, found = lived(
        ((FIRST,), SOLD), ((FIRST, end), at("2026-07-10")), ((FIRST, end, AGAIN), at("2026-07-15"))
    )
    (schedule, head) = found.objects
    assert last_phases(found) == [
        (at("2026-02-01"), at("2026-08-01")),
        (at("2026-08-01"), at("2026-10-10")),
        (at("2026-10-10"), at("2027-02-01")),
    ]
    placeholder = schedule.phases[1].items
    assert [(item.order_item_ids, item.unit_amount_decimal) for item in placeholder] == [((), "0")]
    assert documents_of(found) == [("invoice", "2026-10-10", 18080)]
    assert head.kind == "invoice"


@pytest.mark.parametrize(
    ("known", "ending"), [("2026-07-10", "completed by itself"), ("2026-08-10", "cancelled late")]
)
def test_line_added_after_the_end_gets_a_schedule_on_the_same_anchor(known, ending):
    end = ended("2026-08-01")
    life, found = lived(((FIRST,), SOLD), ((FIRST, end), at(known)), ((FIRST, end, AGAIN), at("2026-09-15")))
    schedules = [each for each in found.objects if each.kind == "schedule"]
    assert [each.key.rpartition("QUOTE1:")[2] for each in schedules] == ["2026-02-01:1", "2026-02-01:2"]
    assert schedules[1].phases[0].starts_at == at("2026-10-01")
    assert schedules[1].anchor_at == at("2026-10-01")
    assert found.steps[-1].action is StepAction.CREATE_SCHEDULE
    assert life.sync(life.history, at("2026-09-16")).steps == ()
    life.run_until(at("2027-02-03"))
    assert in_process.billed_by_line(life.account)["802LINE003"] == 18080 + 3 * 25000


@pytest.mark.parametrize(
    ("known", "invoices"),
    [
        ("2026-09-10", [("2026-09-15", 13150), ("2026-09-30", 25000), ("2026-10-31", 25000)]),
        ("2026-10-20", [("2026-10-20", 38150), ("2026-10-31", 25000), ("2026-11-30", 25000)]),
    ],
)
def test_line_added_after_the_end_keeps_the_31st(known, invoices):
    first = an_order([seats(1, 10, "2026-01-31", "2027-01-30")])
    end = ended("2026-05-31", end="2027-01-30")
    again = an_amendment(seats(3, 5, "2026-09-15", "2027-01-30"), number=3)
    life, found = lived(((first,), SOLD), ((first, end), at("2026-06-10")), ((first, end, again), at(known)))
    (schedule,) = [each for each in found.objects if each.key.endswith(":2026-01-31:2")]
    assert schedule.phases[0].starts_at == at("2026-08-31")
    after_the_credit = [each for each in invoices_of(found) if each[0] > "2026-06-10"]
    assert after_the_credit[:3] == invoices
    life.run_until(at("2027-02-03"))
    assert in_process.billed_by_day(life.account) == in_process.forecast_by_day(life.plan)


def test_line_added_after_the_end_whose_time_is_over_is_one_invoice():
    end = ended("2026-08-01")
    gone = an_amendment(seats(3, 5, "2026-10-10", "2026-12-20"), number=3)
    life, found = lived(
        ((FIRST,), SOLD), ((FIRST, end), at("2026-08-10")), ((FIRST, end, gone), at("2027-03-15"))
    )
    assert documents_of(found)[-1] == ("invoice", "2027-03-15", 59040)
    assert [each.kind for each in found.objects] == ["schedule", "credit", "invoice"]
    assert life.sync(life.history, at("2027-03-16")).steps == ()


def test_schedule_that_starts_with_nothing_to_bill_makes_no_first_invoice():
    end = ended("2026-08-01")
    soon = an_amendment(seats(3, 5, "2026-09-20"), number=3)
    _, found = lived(
        ((FIRST,), SOLD), ((FIRST, end), at("2026-07-10")), ((FIRST, end, soon), at("2026-09-15"))
    )
    added = found.objects[1]
    assert added.settled == ()
    assert added.phases[0].proration_behavior == "none"
    (create,) = [step for step in found.steps if step.action is StepAction.CREATE_SCHEDULE]
    assert create.expected_total_minor is None


def test_line_added_and_taken_back_costs_nothing_and_keeps_its_instant():
    added = an_amendment(seats(3, 5, "2026-06-10"), number=3)
    back = an_amendment(seats(4, -5, "2026-06-10", revises=3), number=4)
    life, found = lived(((FIRST,), SOLD), ((FIRST, added, back), at("2026-05-05")))
    assert documents_of(found) == []
    assert differences_of(found) == {}
    again = life.sync(life.history, at("2026-05-06"))
    assert again.steps == ()
    assert states_of(again) == [(OrderState.UNCHANGED, [])] * 3
    late = lived(((FIRST,), SOLD), ((FIRST, added, back), at("2026-06-25")))[1]
    assert documents_of(late) == []
    assert differences_of(late) == {}


def test_order_for_which_nothing_is_sent_is_kept_with_the_units_it_took():
    life, found = lived(((FIRST, ended("2026-02-01")), SOLD))
    assert found.objects == ()
    assert [entry.order_id for entry in found.record.orders] == ["801ORDER1", "801ORDER2"]
    assert {entry.executed_at for entry in found.record.orders} == {SOLD}
    assert [(take.reduced_id, take.units) for take in found.record.taken] == [("802LINE001", 10)]
    again = life.sync(life.history, at("2026-03-01"))
    assert (again.record, again.steps) == (None, ())
    assert states_of(again) == [(OrderState.UNCHANGED, [])] * 2
    more = an_amendment(seats(3, 2, "2026-04-01"), number=3)
    found = life.sync(a_history(FIRST, ended("2026-02-01"), more), at("2026-03-02"))
    assert invoices_of(found)[0] == ("2026-04-01", 10000)
    assert differences_of(found) == {}
    assert [(take.reduced_id, take.units) for take in found.objects[0].taken] == [("802LINE001", 10)]
    assert life.sync(life.history, at("2026-03-03")).steps == ()
