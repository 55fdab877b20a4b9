"""Which orders of a contract a plan covers, in which state, and what a second run sees."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import pytest
from tests.simulation import in_process
from tests.unit.planning.builders import (
    BEFORE,
    CONFIGURATION,
    a_history,
    a_line,
    a_one_time_line,
    a_policy,
    an_amendment,
    an_order,
    at,
    invoices_of,
    plan,
    seats,
    states_of,
)

from cpqbridge.domain.billing import BillingState, Link, Proof, Ref, StepAction
from cpqbridge.domain.order import SkippedLine
from cpqbridge.domain.refusal import OrderState, Refusal
from cpqbridge.planning.plan import line_price_keys, plan_contract
from cpqbridge.planning.proof import mismatches
from cpqbridge_sim.stripe.account import Account

LATE = at("2026-09-25T08:00:00")

A_SKIPPED_LINE = SkippedLine(
    order_item_id="802LINE001", total_price=Decimal("12.50"), left_out_by="Skip_Line_Item__c"
)


def planned(*orders, **options):
    options = {"state": BillingState(), "as_of": BEFORE} | options
    state, as_of = options.pop("state"), options.pop("as_of")
    return plan_contract(a_history(*orders), state, CONFIGURATION, as_of=as_of, **options)


def an_addition(number: int, **changes):
    line = seats(number, 1, f"2026-{number:02}-01")
    return an_amendment(line, number=number, **changes)


def the_state_with_a_shown_price(**difference) -> BillingState:
    """A product we made, and the price that the Salesforce record shows as Stripe has it."""
    link = Link(key="product:01tSEAT", stripe_id="prod_seat", fingerprint="x")
    price = {
        "product": "prod_seat",
        "currency": "usd",
        "unit_amount_decimal": "5000",
        "interval": "month",
        "interval_count": 1,
        "usage_type": "licensed",
        "active": True,
    }
    return BillingState(links={link.key: link}, verified_prices={"price_shown": price | difference})


def test_amendments_wait_for_a_refused_initial_order():
    found = planned(an_order([a_line(quantity="2.5")]), an_addition(3), an_addition(4))
    assert states_of(found) == [
        (OrderState.REFUSED, ["quantity_not_whole"]),
        (OrderState.WAITING, ["waiting_for_order"]),
        (OrderState.WAITING, ["waiting_for_order"]),
    ]
    assert "order 00000101" in found.outcomes[2].refusals[0].message
    assert found.steps == ()
    assert found.objects == ()


def test_draft_amendment_is_ignored_and_blocks_nothing():
    found = planned(an_order(), an_addition(3, activated=False), an_addition(4))
    assert states_of(found) == [
        (OrderState.SYNCED, []),
        (OrderState.SKIPPED, ["not_activated"]),
        (OrderState.SYNCED, []),
    ]
    assert [step.action for step in found.steps][-1] is StepAction.CREATE_SCHEDULE
    assert {proof.order_item_id for proof in found.proof} == {"802LINE001", "802LINE004"}


def test_order_without_lines_is_skipped_and_says_so():
    found = planned(an_order([]))
    assert states_of(found) == [(OrderState.SKIPPED, ["nothing_to_bill"])]
    assert (found.steps, found.forecast, found.proof) == ((), (), ())


def test_order_whose_lines_are_all_skipped_is_done():
    found = planned(replace(an_order([]), skipped_lines=(A_SKIPPED_LINE,)))
    assert states_of(found) == [(OrderState.UNCHANGED, [])]
    assert (found.steps, found.forecast) == ((), ())
    assert [(each.sold_minor, each.billed_minor, each.reason) for each in found.proof] == [
        (1250, 0, "skipped")
    ]


def test_order_that_lost_its_lines_after_sync_is_held():
    state = in_process.carry_out(plan(), Account(now=BEFORE))
    assert states_of(planned(an_order([]), state=state)) == [(OrderState.HELD, ["changed_after_sync"])]


def test_draft_beside_a_synced_order_of_its_quote_is_just_a_draft():
    state = in_process.carry_out(plan(), Account(now=BEFORE))
    draft = an_order(order_id="801ORDER2", order_number="00000102", activated=False)
    found = planned(an_order(), draft, state=state)
    assert states_of(found)[1] == (OrderState.SKIPPED, ["not_activated"])
    synced = planned(an_order(activated=False), draft, state=state)
    assert states_of(synced)[0] == (OrderState.HELD, ["changed_after_sync"])


def test_refusal_of_the_mapper_stops_its_order_only():
    refusal = Refusal(
        code="no_quote", message="No quote.", record_id="801X", field="f", fix="x", order_id="801ORDER1"
    )
    history = a_history(an_order(), refusals=(refusal,))
    found = plan_contract(history, BillingState(), CONFIGURATION, as_of=BEFORE)
    assert states_of(found) == [(OrderState.REFUSED, ["no_quote"])]
    other = a_history(an_order(), refusals=(replace(refusal, order_id="801OTHER"),))
    assert plan_contract(other, BillingState(), CONFIGURATION, as_of=BEFORE).steps


def test_order_outside_the_filter_says_so_and_stops_no_other():
    refusal = Refusal(
        code="filtered_out",
        message="Outside the filter.",
        record_id="801ORDER1",
        field="StatusCode",
        fix="x",
        order_id="801ORDER1",
        state=OrderState.SKIPPED,
    )
    outside = an_order(activated=False)
    history = a_history(outside, an_order(order_id="801ORDER2"), refusals=(refusal,))
    found = plan_contract(history, BillingState(), CONFIGURATION, as_of=BEFORE)
    assert states_of(found) == [(OrderState.SKIPPED, ["filtered_out"]), (OrderState.SYNCED, [])]
    assert history.order("801ORDER1") is outside
    assert history.order("801UNKNOWN") is None


def test_order_keeps_its_execution_instant():
    first = planned(an_order(), as_of=LATE, released={"backdated"})
    state = in_process.carry_out(first, Account(now=LATE))
    later = LATE + timedelta(days=40)
    found = planned(an_order(), an_addition(3, activated=False), state=state, as_of=later)
    assert found.executed_at == later
    assert [entry.executed_at for entry in found.objects[0].orders] == [LATE]
    assert found.objects == first.objects


def test_run_that_made_no_schedule_does_not_give_the_first_period_away():
    first = plan()
    account = Account(now=BEFORE)
    state = in_process.carry_out(replace(first, steps=first.steps[:-1]), account)
    assert state.objects == {}
    resumed_at = at("2026-02-02T09:00:00")
    account.advance(resumed_at)
    found = planned(an_order(), state=state, as_of=resumed_at)
    assert [step.action for step in found.steps] == [StepAction.CREATE_SCHEDULE]
    in_process.carry_out(found, account, state)
    in_process.run_to_the_end(found, account)
    assert in_process.billed_by_line(account) == {"802LINE001": 600000}


def test_second_run_after_two_schedules_and_an_invoice_changes_nothing():
    lines = [
        a_line(1, months=12, end="2028-01-31", unit_price="1200", entry="600", default_term="12"),
        a_line(2, months=12, start="2026-06-15", end="2027-06-14", entry="600", default_term="12"),
        a_one_time_line(start="2026-01-15"),
    ]
    first = plan(*lines)
    account = Account(now=BEFORE)
    state = in_process.carry_out(first, account)
    assert [wanted.kind for wanted in first.objects] == ["schedule", "schedule", "invoice"]
    again = plan(*lines, state=state, as_of=BEFORE + timedelta(days=200))
    assert again.steps == ()
    assert again.outcomes[0].state is OrderState.UNCHANGED
    assert again.forecast == first.forecast


def test_half_made_order_gets_only_what_is_missing():
    lines = [
        a_line(1, months=12, end="2028-01-31", unit_price="1200", entry="600", default_term="12"),
        a_line(2, months=12, start="2026-06-15", end="2027-06-14", entry="600", default_term="12"),
        a_one_time_line(start="2026-01-15"),
    ]
    first = plan(*lines)
    assert [step.action for step in first.steps[-3:]] == [
        StepAction.CREATE_SCHEDULE,
        StepAction.CREATE_INVOICE,
        StepAction.ADD_INVOICE_LINES,
    ]
    for done in range(len(first.steps) + 1):
        account = Account(now=BEFORE)
        state = in_process.carry_out(replace(first, steps=first.steps[:done]), account)
        again = plan(*lines, state=state)
        assert [step.key for step in again.steps] == [step.key for step in first.steps[done:]]
        assert again.forecast == first.forecast


def test_own_invoice_without_a_payment_term_is_charged_automatically():
    found = plan(a_one_time_line(), days_until_due=None)
    draft = next(step for step in found.steps if step.action is StepAction.CREATE_INVOICE)
    assert draft.parameters["collection_method"] == "charge_automatically"
    assert "days_until_due" not in draft.parameters


def test_displayed_price_is_used_when_stripe_says_it_is_the_wanted_one():
    lines = [a_line(1, displayed_price_id="price_shown"), a_line(2)]
    first_key = line_price_keys(plan(*lines))["802LINE001"]
    found = plan(*lines, state=the_state_with_a_shown_price())
    made = [step for step in found.steps if step.action is StepAction.CREATE_PRICE]
    assert [step.key for step in made] == [first_key[:-1] + "2"]
    assert made[0].parameters["metadata"]["salesforce_original_stripe_price_id"] == "price_shown"
    items = found.steps[-1].parameters["phases"][0]["items"]
    assert items[0]["price"] == "price_shown"
    assert isinstance(items[1]["price"], Ref)


@pytest.mark.parametrize(
    "difference",
    [{"unit_amount_decimal": "5001"}, {"active": False}, {"product": "prod_other"}, {"interval_count": 3}],
)
def test_displayed_price_that_is_another_one_is_not_used(difference):
    found = plan(a_line(displayed_price_id="price_shown"), state=the_state_with_a_shown_price(**difference))
    assert StepAction.CREATE_PRICE in [step.action for step in found.steps]


def test_displayed_price_needs_a_product_we_know():
    state = replace(the_state_with_a_shown_price(), links={})
    found = plan(a_line(displayed_price_id="price_shown"), state=state)
    assert StepAction.CREATE_PRICE in [step.action for step in found.steps]


def test_ids_on_the_records_are_updated_not_made_again():
    history = a_history()
    history = replace(
        history,
        account=replace(history.account, displayed_customer_id="cus_shown"),
        products={
            key: replace(product, displayed_product_id="prod_shown")
            for key, product in history.products.items()
        },
    )
    steps = plan_contract(history, BillingState(), CONFIGURATION, as_of=BEFORE).steps
    assert [(step.action, step.target) for step in steps[:2]] == [
        (StepAction.UPDATE_CUSTOMER, "cus_shown"),
        (StepAction.UPDATE_PRODUCT, "prod_shown"),
    ]


def test_changed_customer_is_updated_and_billing_stays():
    state = in_process.carry_out(plan(), Account(now=BEFORE))
    history = a_history()
    moved = replace(history, account=replace(history.account, parameters={"name": "Baden Trading AG"}))
    found = plan_contract(moved, state, CONFIGURATION, as_of=BEFORE)
    assert [step.action for step in found.steps] == [StepAction.UPDATE_CUSTOMER]


@pytest.mark.parametrize(
    "changes",
    [
        {"quantity": "11"},
        {"unit_price": "601"},
        {"total_price": "5999"},
        {"start": "2026-02-02"},
        {"end": "2027-01-30"},
        {"months": 3},
        {"product_id": "01tSETUP"},
    ],
)
def test_anything_sold_that_changes_after_the_sync_is_held(changes):
    state = in_process.carry_out(plan(), Account(now=BEFORE))
    found = plan(a_line(**changes), state=state)
    assert states_of(found) == [(OrderState.HELD, ["changed_after_sync"])]
    assert found.steps == ()


def test_catch_up_and_head_bill_what_is_owed_now_and_later():
    extra = a_line(2, quantity="2", unit_price="431.23", start="2026-05-13")
    assert invoices_of(plan(a_line(), extra))[3:6] == [
        ("2026-05-01", 50000),
        ("2026-05-13", 6246),
        ("2026-06-01", 60000),
    ]
    waiting = plan(a_line(), extra, configuration=a_policy(proration="next_invoice"))
    assert invoices_of(waiting)[4] == ("2026-06-01", 66246)
    late = plan(a_line(), extra, as_of=LATE, released=("backdated",))
    assert invoices_of(late)[0] == ("2026-09-25", 446246)
    assert late.steps[-1].expected_total_minor == 446246


def test_late_line_whose_periods_ended_is_skipped_only_as_far_as_they_ended():
    gone = a_line(2, quantity="1", unit_price="129.59", start="2026-02-01", end="2026-04-18")
    found = plan(a_line(), gone, as_of=LATE, skip_past_initial_invoices=True)
    assert [(proof.billed_minor, proof.reason) for proof in found.proof] == [
        (5 * 50000, "past_skipped"),
        (0, "past_skipped"),
    ]


def test_bill_that_does_not_come_to_what_was_sold_fails_the_order():
    wrong = Proof(
        order_item_id="802LINE001",
        order_id="801ORDER1",
        currency="usd",
        sold_minor=600000,
        billed_minor=550000,
        reason="proof_mismatch",
    )
    (refusal,) = mismatches([wrong, replace(wrong, reason="rounding")])
    assert refusal.state is OrderState.FAILED
    assert "6000.00" in refusal.message
    assert "5500.00" in refusal.message


def test_policy_true_up_ends_on_the_cent():
    line = a_line(quantity="1", unit_price="100", entry="100", default_term="12")
    found = plan(line, configuration=a_policy(rounding="true_up"))
    assert invoices_of(found)[-1] == ("2027-01-01", 837)
    assert found.proof[0].reason is None


def test_link_of_another_contract_is_not_taken_for_ours():
    link = Link(key="schedule:a0qOTHER:2026-02-01:1", stripe_id="sub_sched_1", fingerprint="x")
    found = plan(state=BillingState(links={link.key: link}))
    assert found.outcomes[0].state is OrderState.SYNCED
