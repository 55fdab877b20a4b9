"""The first sync of a contract that began before it: what the first invoice bills, and what follows (B6.8)."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta
from decimal import Decimal

import pytest
from tests.simulation import in_process
from tests.unit.planning.builders import (
    CONFIGURATION,
    a_history,
    a_life,
    a_one_time_line,
    a_policy,
    an_amendment,
    an_order,
    at,
    differences_of,
    documents_of,
    invoices_of,
    one_time_items_of,
    plan,
    seats,
    states_of,
)

from cpqbridge.domain.billing import BillingState, StepAction
from cpqbridge.domain.order import OrderHistory
from cpqbridge.domain.refusal import OrderState
from cpqbridge.planning.plan import plan_contract
from cpqbridge_sim.stripe.account import Account

LATE = at("2026-09-25T08:00:00")
FIRST = an_order([seats(1, 10, "2026-02-01")])
MORE = an_amendment(seats(2, 2, "2026-05-13"), number=2)
FEWER = an_amendment(seats(3, -3, "2026-08-20", revises=1), number=3)
EVERYTHING = frozenset({"backdated", "takeover", "credit_needs_person", "contract_over"})


def first_sync(*orders, when=LATE, **options):
    life = a_life(now=when, **options)
    return life, life.sync(a_history(*orders), when, EVERYTHING)


def test_amendments_in_force_are_settled_on_the_first_invoice():
    life, found = first_sync(FIRST, MORE, FEWER)
    assert states_of(found) == [(OrderState.SYNCED, [])] * 3
    assert invoices_of(found) == [("2026-09-25", 425327)] + [
        (day, 45000) for day in ("2026-10-01", "2026-11-01", "2026-12-01", "2027-01-01")
    ]
    (schedule,) = found.objects
    first, second = schedule.phases
    assert (first.starts_at, first.ends_at) == (at("2026-02-01"), LATE + timedelta(minutes=10))
    assert [item.quantity for item in first.items] == [10]
    assert one_time_items_of(first) == [
        ("802LINE002", "catch_up", 46246),
        ("802LINE003", "credit", -20919),
    ]
    assert first.proration_behavior == "create_prorations"
    assert [item.quantity for item in second.items] == [7, 2]
    assert second.proration_behavior == "none"
    assert found.steps[-1].expected_total_minor == 425327
    assert differences_of(found) == {}
    life.run_until(at("2027-02-03"))
    assert in_process.billed_by_day(life.account) == in_process.forecast_by_day(life.plan)


def test_end_of_the_first_phase_stays_a_break_point():
    life, found = first_sync(FIRST, MORE, FEWER)
    (first, second) = found.objects[0].phases
    again = an_amendment(seats(4, 1, "2026-11-01"), number=4)
    soon = LATE + timedelta(minutes=4)
    found = life.sync(a_history(FIRST, MORE, FEWER, again), soon)
    phases = found.objects[0].phases
    assert phases[0] == replace(first, proration_behavior="none")
    assert (phases[1].starts_at, phases[1].ends_at) == (second.starts_at, at("2026-11-01"))
    found = life.sync(life.history, LATE + timedelta(days=2))
    assert found.steps == ()
    assert invoices_of(found)[:3] == [("2026-09-25", 425327), ("2026-10-01", 45000), ("2026-11-01", 50000)]


def test_order_synced_on_its_start_day_has_one_phase():
    found = plan(as_of=at("2026-02-01T15:00:00"))
    (phase,) = found.objects[0].phases
    assert (phase.starts_at, phase.ends_at) == (at("2026-02-01"), at("2027-02-01"))
    assert phase.proration_behavior == "create_prorations"


@pytest.mark.parametrize(
    ("when", "behavior"),
    [("2026-01-31T23:29:59", "none"), ("2026-01-31T23:30:00", "create_prorations")],
)
def test_call_that_may_be_answered_after_the_start_bills_what_has_begun_by_then(when, behavior):
    found = plan(as_of=at(when))
    assert found.objects[0].phases[0].proration_behavior == behavior
    assert invoices_of(found)[0] == ("2026-02-01", 50000)


def test_first_phase_ends_with_the_period_where_that_is_sooner():
    when = at("2026-09-30T23:55:00")
    _, found = first_sync(FIRST, MORE, when=when)
    assert [phase.starts_at for phase in found.objects[0].phases] == [at("2026-02-01"), at("2026-10-01")]
    assert invoices_of(found)[:2] == [("2026-09-30", 446246), ("2026-10-01", 60000)]


def test_first_phase_ends_with_the_next_change_where_that_is_sooner():
    when = at("2026-09-19T23:55:00")
    later = an_amendment(seats(4, 1, "2026-09-20"), number=4)
    life, found = first_sync(FIRST, MORE, later, when=when)
    assert [phase.starts_at for phase in found.objects[0].phases] == [at("2026-02-01"), at("2026-09-20")]
    assert [day for _, day, _ in documents_of(found)] == ["2026-09-20"]
    life.run_until(at("2027-02-03"))
    assert in_process.billed_by_day(life.account) == in_process.forecast_by_day(life.plan)


def test_first_order_whose_lines_all_ended_leaves_a_placeholder_for_what_follows():
    gone = an_order([seats(1, 10, "2026-02-01", "2026-07-31")])
    _, found = first_sync(gone, MORE)
    schedule = found.objects[0]
    assert [(item.order_item_ids, item.unit_amount_decimal) for item in schedule.phases[0].items] == [
        ((), "0")
    ]
    assert one_time_items_of(schedule.phases[0]) == [
        ("802LINE001", "catch_up", 300000),
        ("802LINE002", "catch_up", 46246),
    ]
    assert invoices_of(found)[:2] == [("2026-09-25", 346246), ("2026-10-01", 10000)]


def test_line_of_the_first_order_that_starts_later_is_one_item():
    both = an_order([seats(1, 10, "2026-02-01"), seats(2, 4, "2026-05-13")])
    _, found = first_sync(both)
    assert one_time_items_of(found.objects[0].phases[0]) == [("802LINE002", "catch_up", 92492)]
    assert invoices_of(found)[0] == ("2026-09-25", 400000 + 92492)


def test_more_items_than_a_phase_holds_get_an_own_invoice():
    many = [an_amendment(seats(n, 1, "2026-05-13"), number=n) for n in range(2, 15)]
    fees = [a_one_time_line(n, total="10") for n in range(50, 60)]
    _, found = first_sync(an_order([seats(1, 10, "2026-02-01"), *fees]), *many)
    kinds = {invoice.object_key.partition(":")[0] for invoice in found.forecast}
    assert kinds == {"schedule", "invoice"}
    assert sum(total for day, total in invoices_of(found) if day == "2026-09-25") == (
        400000 + 10000 + 13 * 23123
    )
    assert differences_of(found) == {}


def test_end_inside_the_running_period_is_never_prorated():
    ends = an_amendment(seats(2, -10, "2026-09-28", revises=1))
    life, found = first_sync(FIRST, ends)
    assert {phase.proration_behavior for phase in found.objects[0].phases[1:]} <= {"none"}
    carried = [line.carried for line in found.objects[0].lines]
    assert carried == [False]
    assert one_time_items_of(found.objects[0].phases[0]) == [("802LINE001", "catch_up", 400000)]
    assert documents_of(found) == [("credit_note", "2026-09-28", -6580)]
    life.run_until(at("2027-02-03"))
    assert in_process.billed_by_day(life.account) == in_process.forecast_by_day(life.plan)


def test_contract_that_is_over_with_its_amendments_is_one_invoice():
    over = at("2027-03-01T09:00:00")
    held = plan_contract(
        a_history(FIRST, MORE, FEWER), BillingState(), CONFIGURATION, as_of=over, released=frozenset()
    )
    assert states_of(held)[0] == (OrderState.HELD, ["contract_over"])
    _, found = first_sync(FIRST, MORE, FEWER, when=over)
    total = 600000 + 86246 - 80919
    assert documents_of(found) == [("invoice", "2027-03-01", total)]
    assert differences_of(found) == {}
    assert [step.action for step in found.steps][-3:] == [
        StepAction.CREATE_INVOICE,
        StepAction.ADD_INVOICE_LINES,
        StepAction.FINALIZE_INVOICE,
    ]


def test_skipped_past_leaves_out_what_ended_and_bills_the_running_period():
    order = replace(FIRST, skip_past_initial_invoices=True)
    _, found = first_sync(order)
    assert invoices_of(found)[:2] == [("2026-09-25", 50000), ("2026-10-01", 50000)]
    assert differences_of(found) == {"802LINE001": (-350000, "past_skipped")}
    assert found.objects[0].phases[0].starts_at == at("2026-09-01")


def test_skipping_on_the_start_day_skips_nothing():
    found = plan(as_of=at("2026-02-01T15:00:00"), skip_past_initial_invoices=True)
    assert differences_of(found) == {}
    before = plan(as_of=at("2026-01-20"), skip_past_initial_invoices=True)
    assert differences_of(before) == {}


def before_the_start_date(*amendments) -> OrderHistory:
    return a_history(replace(FIRST, before_start_date=True), *amendments)


def taken_over(*amendments, released=EVERYTHING, cutover=date(2026, 9, 1), state=None, when=LATE):
    return plan_contract(
        before_the_start_date(*amendments),
        state or BillingState(),
        CONFIGURATION,
        as_of=when,
        released=released,
        cutover=cutover,
    )


@pytest.mark.parametrize(
    ("released", "cutover"), [(frozenset(), date(2026, 9, 1)), (frozenset({"takeover"}), None)]
)
def test_contract_billed_elsewhere_waits_for_a_cut_over_day(released, cutover):
    found = taken_over(MORE, released=released, cutover=cutover)
    assert states_of(found) == [
        (OrderState.HELD, ["takeover"]),
        (OrderState.WAITING, ["waiting_for_order"]),
    ]
    assert "`--release takeover --cutover`" in found.outcomes[0].refusals[0].fix
    assert found.steps == ()


def test_taken_over_contract_bills_nothing_from_before_the_cut_over():
    found = taken_over(MORE)
    assert invoices_of(found)[:2] == [("2026-09-25", 60000), ("2026-10-01", 60000)]
    assert found.objects[0].phases[0].starts_at == at("2026-09-01")
    assert differences_of(found) == {
        "802LINE001": (-350000, "billed_elsewhere"),
        "802LINE002": (-36246, "billed_elsewhere"),
    }
    assert {line.billed_from for line in found.objects[0].lines} == {date(2026, 9, 1)}


def test_cut_over_is_kept_with_what_was_sent():
    first = taken_over()
    account = Account(now=LATE)
    state = in_process.carry_out(first, account)
    later = LATE + timedelta(days=10)
    found = taken_over(MORE, state=state, released=frozenset(), cutover=None, when=later)
    assert states_of(found) == [(OrderState.UNCHANGED, []), (OrderState.SYNCED, [])]
    assert differences_of(found)["802LINE002"] == (-36246, "billed_elsewhere")


def test_cut_over_to_come_bills_nothing_until_then():
    found = taken_over(cutover=date(2026, 11, 1))
    assert invoices_of(found) == [("2026-11-01", 50000), ("2026-12-01", 50000), ("2027-01-01", 50000)]
    assert found.objects[0].phases[0].starts_at == at("2026-11-01")


def test_credit_for_time_billed_elsewhere_is_held_for_a_person():
    found = taken_over(FEWER, released=EVERYTHING - {"credit_needs_person"})
    assert states_of(found)[1] == (OrderState.HELD, ["credit_needs_person"])
    # The days before the cut-over; September's three seats are billed here and credited here.
    assert "-59.19" in found.outcomes[1].refusals[0].message
    released = taken_over(FEWER)
    assert differences_of(released)["802LINE003"] == (5919, "billed_elsewhere")
    assert invoices_of(released)[0] == ("2026-09-25", 50000 - 15000)
    assert documents_of(released) == []


def test_one_time_line_from_before_the_cut_over_is_billed_elsewhere():
    fee = an_amendment(a_one_time_line(9, start="2026-03-01"))
    found = taken_over(fee)
    assert differences_of(found)["802LINE009"] == (-75000, "billed_elsewhere")
    ours = taken_over(an_amendment(a_one_time_line(9, start="2026-09-01")))
    assert invoices_of(ours)[0] == ("2026-09-25", 50000 + 75000)


def test_policy_next_invoice_settles_the_first_sync_at_once_as_well():
    _, found = first_sync(FIRST, MORE, FEWER, configuration=a_policy(proration="next_invoice"))
    assert invoices_of(found)[0] == ("2026-09-25", 425327)


def test_fee_from_before_the_service_is_not_put_on_a_schedule_with_the_rest():
    first = an_order(
        [seats(1, 10, "2026-02-01"), seats(2, 4, "2026-05-13"), a_one_time_line(9, start="2026-01-15")]
    )
    _, found = first_sync(first, configuration=a_policy(proration="next_invoice"))
    assert documents_of(found) == [("invoice", "2026-09-25", 92492 + 75000)]
    assert ("2026-09-25", 400000) in invoices_of(found)
    assert differences_of(found) == {}


def fewer_from(start: str, *, total: str | None = None):
    line = seats(3, -3, start, revises=1)
    return an_amendment(line if total is None else replace(line, total_price=Decimal(total)), number=3)


@pytest.mark.parametrize(
    ("start", "ours", "elsewhere"),
    [("2026-08-20", 15000, 5919), ("2026-08-01", 15000, 15000), ("2026-09-10", 10848, 0)],
)
def test_credit_over_the_cut_over_is_split_between_us_and_who_billed_before(start, ours, elsewhere):
    found = taken_over(fewer_from(start))
    assert invoices_of(found)[:2] == [("2026-09-25", 50000 - ours), ("2026-10-01", 35000)]
    expected = {"802LINE003": (elsewhere, "billed_elsewhere")} if elsewhere else {}
    assert differences_of(found) == expected | {"802LINE001": (-350000, "billed_elsewhere")}


def test_credit_all_of_which_was_billed_by_us_needs_nobody():
    without = EVERYTHING - {"credit_needs_person"}
    found = taken_over(fewer_from("2026-08-31", total="-750"), released=without)
    assert states_of(found)[1] == (OrderState.SYNCED, [])
    assert invoices_of(found)[0] == ("2026-09-25", 35000)
    after = taken_over(fewer_from("2026-09-10"), released=without)
    assert states_of(after)[1] == (OrderState.SYNCED, [])


def test_reduction_before_a_cut_over_to_come_leaves_nothing_for_us_to_credit():
    found = taken_over(fewer_from("2026-08-20"), when=at("2026-08-25"))
    assert [total for _, total in invoices_of(found)] == [35000] * 5
    assert differences_of(found)["802LINE003"] == (5919, "billed_elsewhere")
