"""Orders edited after their sync, objects half made, and schedules that somebody touched in Stripe."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest
from tests.simulation import in_process
from tests.unit.planning.builders import (
    BEFORE,
    CONFIGURATION,
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
    plan,
    seats,
    states_of,
)

from cpqbridge.domain.billing import BillingState, StepAction, Touched
from cpqbridge.domain.refusal import OrderState, Refusal
from cpqbridge.planning.plan import plan_contract
from cpqbridge_sim.stripe.account import Account

FIRST = an_order([seats(1, 10, "2026-02-01")])
MORE = an_amendment(seats(2, 2, "2026-05-13"), number=2)
LATER = an_amendment(seats(3, 5, "2026-09-01"), number=3)
JULY = at("2026-07-10T09:00:00")


def synced(*orders, now=BEFORE):
    life = a_life(now=now)
    life.sync(a_history(*orders), now)
    return life


def planned(state, *orders, when=BEFORE, released=frozenset(), restores=frozenset(), **history):
    return plan_contract(
        a_history(*orders, **history),
        state,
        CONFIGURATION,
        as_of=when,
        released=released,
        restores=restores,
    )


def test_edited_amendment_freezes_the_contract_and_later_ones_wait():
    life = synced(FIRST, MORE)
    edited = replace(MORE, lines=(replace(MORE.lines[0], quantity=MORE.lines[0].quantity + 1),))
    found = planned(life.state, FIRST, edited, LATER)
    assert states_of(found) == [
        (OrderState.UNCHANGED, []),
        (OrderState.HELD, ["changed_after_sync"]),
        (OrderState.WAITING, ["waiting_for_order"]),
    ]
    assert found.steps == ()
    assert found.wake_at is None
    assert found.objects == tuple(life.state.objects.values())


def test_frozen_contract_keeps_what_it_bills_in_view():
    life = synced(FIRST)
    edited = replace(FIRST, lines=(replace(FIRST.lines[0], quantity=FIRST.lines[0].quantity + 1),))
    found = planned(life.state, edited)
    assert found.forecast == life.plan.forecast
    assert found.proof == ()
    later = planned(life.state, edited, released=frozenset({"changed_after_sync"}))
    assert states_of(later) == [(OrderState.HELD, ["changed_after_sync"])]


def test_billed_order_that_is_deactivated_or_left_out_now_is_held_with_what_follows():
    life = synced(FIRST)
    away = replace(FIRST, activated=False)
    assert states_of(planned(life.state, away)) == [(OrderState.HELD, ["changed_after_sync"])]
    left_out = Refusal(
        code="filtered_out",
        message="Outside the filter.",
        record_id="801ORDER1",
        field="Status",
        fix="x",
        order_id="801ORDER1",
        state=OrderState.SKIPPED,
    )
    named = planned(life.state, away, MORE, refusals=(left_out,))
    assert states_of(named) == [
        (OrderState.HELD, ["left_out_after_sync"]),
        (OrderState.WAITING, ["waiting_for_order"]),
    ]
    assert named.steps == ()


def test_synced_order_that_became_refused_stops_what_follows():
    life = synced(FIRST)
    refusal = Refusal(
        code="accounts_differ",
        message="Two accounts.",
        record_id="801ORDER1",
        field="AccountId",
        fix="x",
        order_id="801ORDER1",
    )
    found = planned(life.state, FIRST, MORE, refusals=(refusal,))
    assert states_of(found) == [
        (OrderState.REFUSED, ["accounts_differ"]),
        (OrderState.WAITING, ["waiting_for_order"]),
    ]


def test_policy_or_address_of_today_does_not_stop_what_was_carried_out():
    life = synced(FIRST, MORE)
    history = a_history(FIRST, MORE)
    silent = replace(history, account=replace(history.account, email=None))
    strict = a_policy(coterminate="required")
    found = plan_contract(silent, life.state, strict, as_of=at("2026-03-01"), released=frozenset())
    assert states_of(found) == [(OrderState.UNCHANGED, []), (OrderState.UNCHANGED, [])]
    assert found.wake_at == at("2026-05-13")


def test_order_that_is_gone_from_salesforce_leaves_stripe_as_it_was():
    life = synced(FIRST, MORE)
    found = planned(life.state, FIRST, LATER)
    assert states_of(found) == [
        (OrderState.UNCHANGED, []),
        (OrderState.HELD, ["changed_after_sync"]),
    ]
    assert "a synced order is gone" in found.outcomes[1].refusals[0].message
    assert found.steps == ()
    assert found.objects == tuple(life.state.objects.values())


def test_amendment_without_its_first_order_is_refused():
    found = planned(BillingState(), MORE)
    assert states_of(found) == [(OrderState.REFUSED, ["order_line_not_found"])]


def test_amendment_of_a_draft_waits_for_it():
    found = planned(BillingState(), replace(FIRST, activated=False), MORE)
    assert states_of(found)[1] == (OrderState.WAITING, ["waiting_for_order"])


@pytest.mark.parametrize("done", [1, 2])
def test_own_invoice_half_made_is_completed_as_it_was_sent(done):
    fee = an_order([a_one_time_line(start="2026-01-15")])
    changed_later = an_amendment(a_one_time_line(8, total="80", start="2026-01-20"), number=2)
    first = planned(BillingState(), fee)
    account = Account(now=BEFORE)
    keys = [step.key for step in first.steps]
    begun = keys.index(next(key for key in keys if key.startswith("invoice:")))
    state = in_process.carry_out(replace(first, steps=first.steps[: begun + done]), account)
    later = at("2026-01-29")
    found = planned(state, fee, changed_later, when=later)
    assert documents_of(found) == [("invoice", "2026-01-28", 75000), ("invoice", "2026-01-29", 8000)]
    completing = [step for step in found.steps if step.key in keys]
    assert [step.key for step in completing] == keys[begun + done :]
    assert [(step.parameters, step.fingerprint) for step in completing] == [
        (step.parameters, step.fingerprint) for step in first.steps[begun + done :]
    ]


def test_credit_half_made_is_completed_with_its_other_portions():
    life = synced(FIRST)
    ended = an_amendment(seats(2, -10, "2026-05-20", revises=1), number=2)
    life.run_until(JULY)
    history = a_history(FIRST, ended)
    life.history = history
    state = replace(life.state, invoices=life.invoices())
    first = plan_contract(history, state, CONFIGURATION, as_of=JULY)
    credits_ = [step for step in first.steps if step.action is StepAction.CREATE_CREDIT_NOTE]
    assert len(credits_) == 3
    state = in_process.carry_out(replace(first, steps=first.steps[:-2]), life.account, life.state)
    again = plan_contract(history, state, CONFIGURATION, as_of=at("2026-07-11"))
    assert [step.key for step in again.steps] == [step.key for step in credits_[1:]]
    assert [outcome.state for outcome in again.outcomes] == [OrderState.UNCHANGED, OrderState.SYNCED]


def touched(*orders, when=JULY, first=FIRST, released=(), restores=False, **touch):
    """Plan after somebody touched the first schedule in Stripe; with `restores` to put it back."""
    life = synced(first)
    life.run_until(when)
    (key,) = life.state.objects
    state = replace(life.state, touched={key: Touched(words="it was cancelled", **touch)})
    back = frozenset({key} if restores else ())
    return planned(state, first, *orders, when=when, released=frozenset(released), restores=back)


ENDED = {"is_over": True, "ended_at": at("2026-06-10")}


def test_touched_schedule_stops_nothing_while_nothing_is_to_be_changed():
    assert states_of(touched(**ENDED)) == [(OrderState.UNCHANGED, [])]
    assert states_of(touched()) == [(OrderState.UNCHANGED, [])]


def test_schedule_changed_in_stripe_holds_the_order_that_would_write_over_it():
    found = touched(LATER)
    assert states_of(found)[1] == (OrderState.HELD, ["schedule_changed_in_stripe"])
    assert found.steps == ()
    released = touched(LATER, released=["schedule_changed_in_stripe"])
    assert [step.action for step in released.steps][-1] is StepAction.UPDATE_SCHEDULE


def test_schedule_ended_in_stripe_refuses_the_order_that_would_change_it():
    found = touched(LATER, **ENDED)
    assert states_of(found)[1] == (OrderState.REFUSED, ["schedule_ended_in_stripe"])
    assert "it was cancelled" in found.outcomes[1].refusals[0].message
    assert found.steps == ()


def test_reduction_of_time_that_an_ended_schedule_never_billed_is_left_to_a_person():
    ended = an_amendment(seats(2, -10, "2026-07-05", revises=1))
    # July fell due on the first, after somebody had ended the schedule on 10 June.
    found = touched(ended, released=["unbilled_time_taken_back"], **ENDED)
    assert states_of(found)[1] == (OrderState.HELD, ["unbilled_time_taken_back"])
    assert found.steps == ()


def test_termination_of_a_schedule_that_was_just_ended_in_stripe_goes_through():
    ended = an_amendment(seats(2, -10, "2026-07-05", revises=1))
    found = touched(ended, is_over=True, ended_at=at("2026-07-04"))
    assert states_of(found)[1][0] is OrderState.SYNCED
    assert StepAction.CANCEL_SCHEDULE in [step.action for step in found.steps]


RESTART = ["schedule_ended_in_stripe"]


def test_schedule_ended_in_stripe_is_restarted_from_the_next_period_on():
    found = touched(LATER, released=RESTART, **ENDED)
    assert [step.action for step in found.steps] == [StepAction.CREATE_PRICE, StepAction.CREATE_SCHEDULE]
    body = found.steps[-1].parameters
    assert body["start_date"] == int(at("2026-08-01").timestamp())
    assert [phase["proration_behavior"] for phase in body["phases"]] == ["none", "none"]
    # July fell due between the end in Stripe and the restart, and is never made up for.
    assert [day for day, _ in invoices_of(found)][4:7] == ["2026-06-01", "2026-08-01", "2026-09-01"]
    assert differences_of(found) == {"802LINE001": (-50000, "billed_elsewhere")}


def test_restart_of_a_contract_from_the_31st_keeps_its_billing_day():
    first = an_order([seats(1, 10, "2026-01-31", "2027-01-30")])
    more = an_amendment(seats(2, 2, "2026-10-31", "2027-01-30"))
    in_september = at("2026-09-10T09:00:00")
    found = touched(
        more, first=first, when=in_september, released=RESTART, is_over=True, ended_at=at("2026-09-01")
    )
    body = found.steps[-1].parameters
    assert body["start_date"] == int(at("2026-08-31").timestamp())
    placeholder = body["phases"][0]
    assert placeholder["end_date"] == int(at("2026-09-30").timestamp())
    assert placeholder["items"][0]["price_data"]["unit_amount_decimal"] == "0"
    assert placeholder["items"][0]["metadata"]["salesforce_kind"] == "placeholder"


def test_restart_with_no_period_left_makes_no_schedule():
    more = an_amendment(seats(2, 2, "2027-01-10"))
    found = touched(more, when=at("2027-01-05"), released=RESTART, is_over=True, ended_at=at("2026-12-10"))
    assert [step for step in found.steps if step.object_key is not None] == []
    assert documents_of(found) == [("invoice", "2027-01-10", 7232)]


def test_restart_without_a_known_end_loses_nothing_that_fell_due():
    found = touched(LATER, released=RESTART, is_over=True)
    assert differences_of(found) == {}


ENDLESS = an_order([a_line(1, quantity="10", unit_price="50", evergreen=True, ends_on=None)])
ADDED = an_amendment(
    a_line(2, quantity="2", unit_price="50", start="2030-04-01", evergreen=True, ends_on=None)
)
IN_2030 = at("2030-03-12T09:00:00")
GOES_ON = Touched(words="it was released on 2028-02-01", is_over=True, goes_on="sub_1")


def unplanned(*orders, touch=None, released=()):
    """Plan an evergreen contract whose schedule was released years ago."""
    life = synced(ENDLESS)
    (key,) = life.state.objects
    state = replace(life.state, touched={} if touch is None else {key: touch})
    return planned(state, ENDLESS, *orders, when=IN_2030, released=frozenset(released))


def test_evergreen_schedule_that_was_released_years_ago_counts_as_planned_further():
    found = unplanned()
    assert states_of(found) == [(OrderState.UNCHANGED, [])]
    (schedule,) = found.objects
    assert schedule.phases[-1].ends_at == at("2033-02-01")
    assert found.wake_at == at("2032-02-01")


def test_change_of_a_released_evergreen_schedule_waits_for_a_person_who_ends_the_subscription():
    found = unplanned(ADDED, touch=GOES_ON)
    assert states_of(found)[1] == (OrderState.REFUSED, ["schedule_ended_in_stripe"])
    assert (
        "have sub_1 cancelled in Stripe at the end of its running period" in found.outcomes[1].refusals[0].fix
    )
    restarted = unplanned(ADDED, touch=GOES_ON, released=RESTART)
    assert [step.action for step in restarted.steps][-1] is StepAction.CREATE_SCHEDULE
    assert restarted.steps[-1].parameters["start_date"] == int(at("2030-04-01").timestamp())


def test_end_of_a_released_evergreen_schedule_waits_for_a_person_who_ends_the_subscription():
    gone = a_line(
        2,
        quantity="-10",
        unit_price="50",
        start="2030-03-12",
        evergreen=True,
        ends_on=None,
        revises="802LINE001",
    )
    found = unplanned(an_amendment(gone), touch=GOES_ON)
    assert states_of(found)[1] == (OrderState.REFUSED, ["schedule_ended_in_stripe"])
    assert "Have sub_1 cancelled in Stripe on 2030-03-12" in found.outcomes[1].refusals[0].fix


def test_running_phase_that_somebody_split_keeps_the_start_it_has_in_stripe():
    life = synced(FIRST)
    life.run_until(JULY)
    (key,) = life.state.objects
    split_at = at("2026-07-03T12:00:00")
    state = replace(life.state, running_since={key: split_at})
    (update,) = (
        step
        for step in planned(state, FIRST, LATER, when=JULY).steps
        if step.action is StepAction.UPDATE_SCHEDULE
    )
    assert update.parameters["phases"][0]["start_date"] == int(split_at.timestamp())


def test_cancellations_above_the_cap_are_held():
    life = synced(FIRST)
    ended = an_amendment(seats(2, -10, "2026-02-01", revises=1), number=2)
    full = replace(life.state, recent_cancels=CONFIGURATION.caps.cancels_per_hour)
    found = planned(full, FIRST, ended)
    assert states_of(found)[1] == (OrderState.HELD, ["cap_cancels"])
    room = replace(full, recent_cancels=CONFIGURATION.caps.cancels_per_hour - 1)
    assert planned(room, FIRST, ended).steps
    assert planned(full, FIRST, ended, released=frozenset({"cap_cancels"})).steps
    assert states_of(planned(full, FIRST, MORE))[1] == (OrderState.SYNCED, [])


def test_preview_of_a_draft_shows_it_as_if_it_were_activated():
    draft = replace(MORE, activated=False)
    history = a_history(FIRST, draft)
    found = plan_contract(
        history, BillingState(), CONFIGURATION, as_of=BEFORE, preview_order_id=draft.order_id
    )
    assert states_of(found) == [(OrderState.SYNCED, [])] * 2
    assert documents_of(found) == [("invoice", "2026-05-13", 6246)]
    assert states_of(plan())[0] == (OrderState.SYNCED, [])


def test_bill_that_does_not_add_up_stops_its_order_and_what_follows():
    life = synced(FIRST)
    life.run_until(JULY)
    life.sync(a_history(FIRST, LATER), JULY)
    (key,) = life.state.objects
    schedule = life.state.objects[key]
    first, *others = schedule.settled
    line = replace(first.lines[0], shares=(("802LINE001", 40000),))
    wrong = replace(schedule, settled=(replace(first, lines=(line,)), *others))
    state = replace(life.state, objects={key: wrong})
    found = planned(state, FIRST, LATER, when=at("2026-07-11"))
    assert states_of(found) == [(OrderState.FAILED, ["proof_mismatch"]), (OrderState.UNCHANGED, [])]
    newer = an_amendment(seats(4, 1, "2026-10-01"), number=4)
    found = planned(state, FIRST, LATER, newer, when=at("2026-07-11"))
    assert states_of(found) == [
        (OrderState.FAILED, ["proof_mismatch"]),
        (OrderState.UNCHANGED, []),
        (OrderState.WAITING, ["waiting_for_order"]),
    ]
    assert "sold for 6000.00 but would be billed 5900.00" in found.outcomes[0].refusals[0].message
    assert found.steps == ()


def test_credit_that_does_not_add_up_stops_its_order_and_what_follows():
    life = synced(FIRST)
    fewer = an_amendment(seats(2, -3, "2026-05-20", revises=1), number=2)
    life.run_until(JULY)
    life.sync(a_history(FIRST, fewer), JULY)
    objects = dict(life.state.objects)
    (key,) = [key for key in objects if key.startswith("credit:")]
    phase = objects[key].phases[0]
    item = replace(phase.one_time_items[0], amount_minor=phase.one_time_items[0].amount_minor + 100)
    objects[key] = replace(objects[key], phases=(replace(phase, one_time_items=(item,)),))
    newer = an_amendment(seats(4, 1, "2026-10-01"), number=4)
    found = planned(replace(life.state, objects=objects), FIRST, fewer, newer, when=at("2026-07-11"))
    assert states_of(found)[1:] == [
        (OrderState.FAILED, ["proof_mismatch"]),
        (OrderState.WAITING, ["waiting_for_order"]),
    ]
    assert found.outcomes[1].refusals[0].record_id == "802LINE002"


def test_restart_keeps_what_rides_on_a_phase_that_is_still_to_begin():
    tail = an_order([seats(1, 10, "2026-02-01", "2026-08-20")])
    more = an_amendment(seats(2, 2, "2026-09-01"), number=2)
    found = touched(more, first=tail, released=RESTART, **ENDED)
    phases = found.steps[-1].parameters["phases"]
    assert phases[0]["add_invoice_items"][0]["metadata"]["salesforce_kind"] == "tail"
    assert ("2026-08-01", one_time_of(found)) in invoices_of(found)


def one_time_of(found) -> int:
    (item,) = [item for phase in found.objects[0].phases for item in phase.one_time_items]
    return item.amount_minor


def test_reference_changed_after_the_sync_freezes_the_contract():
    fees = an_order([seats(1, 10, "2026-02-01"), a_one_time_line(9)])
    yearly = {"months": 12, "default_term": "12", "entry": "600"}
    first = replace(fees, lines=(a_line(1, unit_price="1200", end="2028-01-31", **yearly), fees.lines[1]))
    own = a_line(2, unit_price="600", start="2026-06-15", end="2027-06-14", **yearly)
    back = a_one_time_line(8, total="-750", start="2026-06-15", quantity=Decimal(-1), revises="802LINE009")
    life = synced(first, an_amendment(own, back))
    moved = an_amendment(own, replace(back, revises="802GONE"))
    found = planned(life.state, first, moved)
    assert states_of(found) == [
        (OrderState.UNCHANGED, []),
        (OrderState.REFUSED, ["reduction_below_zero"]),
    ]
    assert found.steps == ()


def test_link_to_the_record_is_told_where_the_org_is_known():
    found = planned(BillingState(), FIRST, org_url="https://baden.example")
    metadata = [step.parameters["metadata"] for step in found.steps]
    assert [each[name] for each in metadata for name in each if name.endswith("_link")] == [
        "https://baden.example/001ACCOUNT1",
        "https://baden.example/01tSEAT",
        "https://baden.example/01uSEAT",
        "https://baden.example/801ORDER1",
    ]


def test_schedule_changed_in_stripe_holds_the_order_that_ends_it():
    gone = an_amendment(seats(2, -10, "2026-07-05", revises=1))
    assert states_of(touched(gone))[1] == (OrderState.HELD, ["schedule_changed_in_stripe"])


def test_other_first_order_waits_for_a_frozen_contract():
    life = synced(FIRST)
    second = an_order([seats(5, 3, "2026-02-01")], order_id="801ORDER5", order_number="5")
    edited = replace(FIRST, days_until_due=15)
    found = planned(life.state, edited, second)
    assert states_of(found) == [
        (OrderState.HELD, ["changed_after_sync"]),
        (OrderState.WAITING, ["waiting_for_order"]),
    ]


def test_phase_takes_its_parameters_from_the_newest_order_that_shaped_it():
    first = replace(FIRST, phase_parameters={"description": "first", "metadata.team": "one"})
    more = replace(MORE, phase_parameters={"description": "more"})
    found = planned(BillingState(), first, more)
    phases = found.steps[-1].parameters["phases"]
    assert [phase["description"] for phase in phases] == ["first", "more"]
    assert phases[0]["metadata"] == {
        "team": "one",
        "salesforce_order_ids": "801ORDER1",
        "salesforce_root_id": "a0qQUOTE1",
    }


def test_payment_method_is_asked_for_once():
    first = replace(FIRST, days_until_due=None)
    life = synced(first)
    (warning,) = life.plan.warnings
    assert "00000101 has no payment term" in warning
    assert planned(life.state, first).warnings == ()


def test_cancellations_of_one_order_are_counted_together():
    endless = a_line(2, unit_price="50", evergreen=True, ends_on=None)
    both = an_order([a_line(1), endless])
    state = synced(both).state
    assert len(state.objects) == 2
    ended = an_amendment(
        seats(3, -10, "2026-02-01", revises=1),
        replace(
            endless,
            order_item_id="802LINE004",
            quantity=Decimal(-10),
            total_price=Decimal(-500),
            revises="802LINE002",
        ),
        number=2,
    )
    most = CONFIGURATION.caps.cancels_per_hour
    assert planned(replace(state, recent_cancels=most - 2), both, ended).steps
    found = planned(replace(state, recent_cancels=most - 1), both, ended)
    assert states_of(found)[1] == (OrderState.HELD, ["cap_cancels"])
    assert "cancels 2 subscription schedules at once" in found.outcomes[1].refusals[0].message


def test_schedule_changed_in_stripe_is_put_back_when_a_person_asks_for_it():
    found = touched(restores=True)
    assert [step.action for step in found.steps] == [StepAction.UPDATE_SCHEDULE]
    assert states_of(found) == [(OrderState.UNCHANGED, [])]
    assert [item["quantity"] for item in found.steps[0].parameters["phases"][0]["items"]] == [10]
    # The same may be put back again another day; then it is another call.
    again = touched(restores=True, when=at("2026-07-11T09:00:00"))
    assert again.steps[0].fingerprint != found.steps[0].fingerprint


def test_schedule_ended_in_stripe_is_restarted_when_a_person_asks_for_it():
    found = touched(restores=True, **ENDED)
    assert [step.action for step in found.steps] == [StepAction.CREATE_SCHEDULE]
    assert found.steps[0].parameters["start_date"] == int(at("2026-08-01").timestamp())


def test_schedule_whose_subscription_goes_on_is_not_put_back_beside_it():
    assert touched(restores=True, is_over=True, goes_on="sub_1").steps == ()


def test_amendment_beside_what_is_put_back_is_carried_out_with_it():
    found = touched(LATER, restores=True)
    assert states_of(found)[1] == (OrderState.SYNCED, [])
    assert found.steps[-1].action is StepAction.UPDATE_SCHEDULE


def test_schedule_that_stands_as_sold_needs_nothing_to_be_put_back():
    life = synced(FIRST)
    (key,) = life.state.objects
    assert planned(life.state, FIRST, restores=frozenset({key})).steps == ()
