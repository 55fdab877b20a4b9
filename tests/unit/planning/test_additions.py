"""Amendments that add: what they bill now, what later, and when they are known late or in another order."""

from __future__ import annotations

from datetime import timedelta
from itertools import permutations

import pytest
from tests.simulation import in_process
from tests.unit.planning.builders import (
    a_history,
    a_life,
    a_line,
    a_one_time_line,
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

FIRST = an_order([seats(1, 10, "2026-02-01")])
ADDED = an_amendment(seats(2, 2, "2026-05-13"))
SOLD = at("2026-01-28T09:00:00")
IN_MAY = at("2026-05-02T09:00:00")


def after_the_first(amendment, *, when=IN_MAY, configuration=None, released=()):
    """Sync the first order before its start, and the amendment on top of it."""
    options = {"configuration": configuration} if configuration else {}
    life = a_life(now=SOLD, **options)
    life.sync(a_history(FIRST), SOLD)
    return life, life.sync(a_history(FIRST, amendment), when, released)


def test_seats_added_inside_a_cycle_bill_their_head_on_their_first_day():
    life, found = after_the_first(ADDED)
    assert states_of(found) == [(OrderState.UNCHANGED, []), (OrderState.SYNCED, [])]
    assert [step.action for step in found.steps] == [StepAction.CREATE_PRICE, StepAction.UPDATE_SCHEDULE]
    assert invoices_of(found)[3:7] == [
        ("2026-05-01", 50000),
        ("2026-05-13", 6246),
        ("2026-06-01", 60000),
        ("2026-07-01", 60000),
    ]
    assert differences_of(found) == {}
    assert found.wake_at == at("2026-05-13")
    life.run_until(at("2026-05-14"))
    assert [step.action for step in life.plan.steps] == [
        StepAction.CREATE_INVOICE,
        StepAction.ADD_INVOICE_LINES,
        StepAction.FINALIZE_INVOICE,
    ]
    life.run_until(at("2027-02-03"))
    assert in_process.billed_by_line(life.account) == {"802LINE001": 600000, "802LINE002": 86246}
    assert in_process.billed_by_day(life.account)["2026-05-13", "802LINE002"] == 6246


def test_head_that_may_wait_rides_on_the_next_boundary():
    _, found = after_the_first(ADDED, configuration=a_policy(proration="next_invoice"))
    assert documents_of(found) == []
    assert found.wake_at is None
    assert ("2026-06-01", 66246) in invoices_of(found)
    (schedule,) = found.objects
    assert [(phase.starts_at, one_time_items_of(phase)) for phase in schedule.phases] == [
        (at("2026-02-01"), []),
        (at("2026-05-13"), []),
        (at("2026-06-01"), [("802LINE002", "head", 6246)]),
    ]


def test_seats_added_on_a_boundary_have_no_head():
    _, found = after_the_first(an_amendment(seats(2, 2, "2026-06-01")))
    assert invoices_of(found)[3:5] == [("2026-05-01", 50000), ("2026-06-01", 60000)]
    assert documents_of(found) == []
    assert [phase.order_ids for phase in found.objects[0].phases] == [
        ("801ORDER1",),
        ("801ORDER1", "801ORDER2"),
    ]


def test_seats_that_end_before_the_contract_have_a_tail():
    _, found = after_the_first(an_amendment(seats(2, 2, "2026-05-13", "2026-09-20")))
    (tail,) = [item for phase in found.objects[0].phases for item in phase.one_time_items]
    assert (tail.kind, tail.period_start.isoformat(), tail.period_end.isoformat()) == (
        "tail",
        "2026-09-01",
        "2026-09-21",
    )
    assert documents_of(found) == [("invoice", "2026-05-13", 6153)]
    assert invoices_of(found)[8] == ("2026-09-01", 50000 + 6477)
    assert differences_of(found) == {}


def test_seats_that_outlast_the_contract_lengthen_the_schedule():
    _, found = after_the_first(an_amendment(seats(2, 2, "2026-05-13", "2027-05-12")))
    assert found.objects[0].phases[-1].ends_at == at("2027-05-13")
    assert invoices_of(found)[-4:] == [
        ("2027-02-01", 10000),
        ("2027-03-01", 10000),
        ("2027-04-01", 10000),
        ("2027-05-01", 3871),
    ]


def test_one_time_line_of_an_amendment_is_billed_on_its_day():
    life, found = after_the_first(an_amendment(a_one_time_line(start="2026-05-13")))
    assert documents_of(found) == [("invoice", "2026-05-13", 75000)]
    # Nothing is sent before its day, but it counts as carried out from now on.
    assert [step.action for step in found.steps] == [StepAction.CREATE_PRODUCT]
    assert [entry.order_id for entry in found.record.orders] == ["801ORDER2"]
    again = life.sync(life.history, at("2026-05-03T09:00:00"))
    assert states_of(again) == [(OrderState.UNCHANGED, [])] * 2
    _, found = after_the_first(an_amendment(a_one_time_line(start="2026-06-01")))
    assert documents_of(found) == []
    assert ("2026-06-01", 125000) in invoices_of(found)


def test_free_seats_inside_a_cycle_have_no_head():
    _, found = after_the_first(an_amendment(seats(2, 2, "2026-05-13", price="0")))
    assert documents_of(found) == []
    assert differences_of(found) == {}


def test_addition_known_late_bills_what_began_on_one_item():
    when = at("2026-06-10T09:30:00")
    life, found = after_the_first(ADDED, when=when)
    assert documents_of(found) == [("invoice", "2026-06-10", 16246)]
    (item,) = found.objects[-1].phases[0].one_time_items
    assert (item.kind, item.period_start.isoformat(), item.period_end.isoformat()) == (
        "catch_up",
        "2026-05-13",
        "2026-07-01",
    )
    assert [step.action for step in found.steps[-3:]] == [
        StepAction.CREATE_INVOICE,
        StepAction.ADD_INVOICE_LINES,
        StepAction.FINALIZE_INVOICE,
    ]
    assert found.steps[-1].expected_total_minor == 16246
    assert invoices_of(found)[-1] == ("2027-01-01", 60000)
    life.run_until(at("2027-02-03"))
    assert in_process.billed_by_line(life.account)["802LINE002"] == 86246


def test_addition_late_by_an_hour_is_late():
    _, found = after_the_first(an_amendment(seats(2, 2, "2026-06-01")), when=at("2026-06-01T01:00:00"))
    assert documents_of(found) == [("invoice", "2026-06-01", 10000)]


@pytest.mark.parametrize(("day", "held"), [("2026-06-30", False), ("2026-07-01", True)])
def test_addition_with_elapsed_cycles_is_held_above_the_threshold(day, held):
    _, found = after_the_first(ADDED, when=at(day))
    assert states_of(found)[1] == ((OrderState.HELD, ["backdated"]) if held else (OrderState.SYNCED, []))
    if held:
        assert found.steps == ()
        _, released = after_the_first(ADDED, when=at(day), released={"backdated"})
        assert documents_of(released) == [("invoice", day, 26246)]


def test_addition_whose_time_is_over_is_one_own_invoice():
    gone = an_amendment(seats(2, 2, "2026-05-13", "2026-06-20"))
    life, found = after_the_first(gone, when=at("2026-07-15T09:00:00"), released={"backdated"})
    assert documents_of(found) == [("invoice", "2026-07-15", 12630)]
    assert [len(phase.items) for phase in found.objects[0].phases] == [1]
    assert life.sync(a_history(FIRST, gone), at("2026-07-16T09:00:00")).steps == ()


THREE = (
    an_amendment(seats(2, 2, "2026-05-13"), number=2),
    an_amendment(seats(3, -3, "2026-08-20", revises=1), number=3),
    an_amendment(seats(4, 5, "2026-06-01"), number=4),
)


@pytest.mark.parametrize("arrival", list(permutations(range(3))))
def test_amendments_in_any_order_bill_what_all_at_once_bill(arrival):
    together = a_life(now=SOLD).sync(a_history(FIRST, *THREE), SOLD)
    life = a_life(now=SOLD)
    known = []
    for number, place in enumerate(arrival):
        known.append(place)
        orders = [THREE[each] for each in sorted(known)]
        found = life.sync(a_history(FIRST, *orders), SOLD + timedelta(hours=number))
    assert invoices_of(found) == invoices_of(together)
    assert differences_of(found) == {}


def test_several_at_once_bill_in_their_own_time():
    found = a_life(now=SOLD).sync(a_history(FIRST, *THREE), SOLD)
    assert documents_of(found) == [("invoice", "2026-05-13", 6246)]
    assert invoices_of(found)[4:10] == [
        ("2026-05-13", 6246),
        ("2026-06-01", 85000),
        ("2026-07-01", 85000),
        ("2026-08-01", 85000),
        ("2026-09-01", 85000 - 15000 - 5919),
        ("2026-10-01", 70000),
    ]


def test_amendments_of_one_day_stay_two_invoices_of_their_orders():
    again = an_amendment(seats(3, 1, "2026-05-13"), number=3)
    found = a_life(now=SOLD).sync(a_history(FIRST, ADDED, again), SOLD)
    assert documents_of(found) == [("invoice", "2026-05-13", 6246), ("invoice", "2026-05-13", 3123)]
    assert [phase.order_ids for phase in found.objects[0].phases] == [
        ("801ORDER1",),
        ("801ORDER1", "801ORDER2", "801ORDER3"),
    ]


def test_amendment_for_the_day_of_a_phase_not_started_replaces_it():
    life, found = after_the_first(ADDED)
    again = an_amendment(seats(3, 1, "2026-05-13"), number=3)
    found = life.sync(a_history(FIRST, ADDED, again), at("2026-05-03T09:00:00"))
    assert [len(phase.items) for phase in found.objects[0].phases] == [1, 3]
    life.run_until(at("2026-05-14"))
    billed = in_process.billed_by_day(life.account)
    assert billed["2026-05-13", "802LINE002"] == 6246
    assert billed["2026-05-13", "802LINE003"] == 3123


def test_earlier_amendment_known_later_changes_nothing_that_was_billed():
    later = an_amendment(seats(3, 5, "2026-06-01"), number=3)
    life, _ = after_the_first(later)
    found = life.sync(a_history(FIRST, ADDED, later), at("2026-06-20T09:00:00"))
    assert documents_of(found) == [("invoice", "2026-06-20", 16246)]
    assert differences_of(found) == {}
    assert life.sync(a_history(FIRST, ADDED, later), at("2026-06-20T09:05:00")).steps == ()


def test_annual_seats_off_the_anchor_get_their_own_schedule():
    yearly = {"months": 12, "default_term": "12", "entry": "600"}
    first = an_order([a_line(1, unit_price="1200", end="2028-01-31", **yearly)])
    own = an_amendment(a_line(2, unit_price="600", start="2026-06-15", end="2027-06-14", **yearly))
    netted = an_amendment(
        a_line(3, unit_price="600", start="2027-06-15", end="2028-06-14", **yearly), number=3
    )
    found = a_life(now=SOLD).sync(a_history(first, own, netted), SOLD)
    assert [(each.key.rpartition("QUOTE1:")[2], len(each.phases)) for each in found.objects] == [
        ("2026-02-01:1", 1),
        ("2026-06-15:1", 2),
    ]
    assert invoices_of(found) == [
        ("2026-02-01", 600000),
        ("2026-06-15", 600000),
        ("2027-02-01", 600000),
        ("2027-06-15", 600000),
    ]


def test_seats_taken_away_before_their_first_day_leave_no_break_in_the_timetable():
    never = an_amendment(seats(3, -2, "2026-05-13", revises=2), number=3)
    found = a_life(now=SOLD).sync(a_history(FIRST, ADDED, never), SOLD)
    assert [(phase.starts_at, phase.ends_at) for phase in found.objects[0].phases] == [
        (at("2026-02-01"), at("2027-02-01"))
    ]
    assert documents_of(found) == []
    assert differences_of(found) == {}


def test_free_line_with_an_own_end_bills_nothing_at_its_end():
    _, found = after_the_first(an_amendment(seats(2, 2, "2026-06-01", "2026-09-20", price="0")))
    assert [one_time_items_of(phase) for phase in found.objects[0].phases] == [[], [], [], []]
    assert differences_of(found) == {}


def test_free_one_time_line_is_billed_nowhere():
    _, found = after_the_first(an_amendment(a_one_time_line(total="0", start="2026-05-13")))
    assert documents_of(found) == []
    assert states_of(found)[1] == (OrderState.SYNCED, [])
    assert differences_of(found) == {}
