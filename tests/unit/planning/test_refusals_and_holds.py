"""What is refused or held before anything is sent, and what the message tells."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta
from decimal import Decimal

import pytest
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
    differences_of,
    documents_of,
    invoices_of,
    plan,
    seats,
    states_of,
)

from cpqbridge.domain.billing import BillingState
from cpqbridge.domain.dates import Cycle, add_months
from cpqbridge.domain.refusal import OrderState
from cpqbridge.domain.refusal_catalog import REFUSAL_CATALOG
from cpqbridge.planning.pieces import CutRules, cut
from cpqbridge.planning.plan import plan_contract
from cpqbridge.planning.proration import line_term, term_months

LATE = at("2026-09-25T08:00:00")
LONG = "2026-02-01", "2066-02-10"


def only_refusal(found):
    (refusal,) = found.outcomes[0].refusals
    assert found.steps == ()
    assert refusal.state is REFUSAL_CATALOG[refusal.code].state
    assert found.outcomes[0].state is refusal.state
    assert refusal.message.endswith(".")
    assert refusal.fix
    return refusal


@pytest.mark.parametrize(
    ("changes", "code", "field"),
    [
        ({"revises": "802OTHER"}, "reduction_below_zero", "SBQQ__RevisedOrderProduct__c"),
        ({"unit_price": "-5"}, "price_negative", "TotalPrice"),
        ({"quantity": "-1"}, "price_negative", "TotalPrice"),
        ({"quantity": "1.5"}, "quantity_not_whole", "Quantity"),
        ({"default_term": "0"}, "value_type", "SBQQ__DefaultSubscriptionTerm__c"),
        ({"start": "1960-01-01"}, "value_type", "ServiceDate"),
        ({"end": "2190-01-01"}, "value_type", "EndDate"),
        ({"ends_on": None}, "term_not_whole", "EndDate"),
        ({"start": "2026-06-01", "end": "2026-03-31"}, "dates_disagree", "EndDate"),
    ],
)
def test_line_that_cannot_be_billed_is_refused_with_its_field(changes, code, field):
    line = a_line(**changes)
    refusal = only_refusal(plan(line))
    assert (refusal.code, refusal.field) == (code, field)
    assert refusal.record_id == line.order_item_id
    assert line.order_item_id in refusal.message


def test_trial_of_lines_of_several_frequencies_is_refused():
    both = a_line(1), a_line(2, months=12)
    refusal = only_refusal(plan(*both, trial_ends_on=date(2026, 3, 1)))
    assert (refusal.code, refusal.field) == ("trial_with_frequencies", "trial_end")
    assert "every 1 and 12 months" in refusal.message
    assert plan(*both, trial_ends_on=date(2026, 1, 1)).steps, "a trial that is over before any line begins"


def test_other_frequency_is_refused_only_where_the_policy_asks_for_one():
    both = a_line(1), a_line(2, months=12)
    assert plan(*both).steps
    refusal = only_refusal(plan(*both, configuration=a_policy(frequencies="refuse")))
    assert (refusal.code, refusal.field) == ("frequencies_mixed", "SBQQ__BillingFrequency__c")
    assert refusal.record_id == "802LINE002"
    assert plan(a_line(1), a_line(2), configuration=a_policy(frequencies="refuse")).steps


def test_negative_one_time_line_is_no_refusal():
    assert plan(a_line(), a_one_time_line(total="-100")).steps


def test_invoice_that_is_sent_needs_an_address():
    history = a_history()
    history = replace(history, account=replace(history.account, email=None))
    found = plan_contract(history, BillingState(), CONFIGURATION, as_of=BEFORE)
    assert only_refusal(found).code == "no_email"
    automatic = replace(history, orders=(an_order(days_until_due=None),))
    assert plan_contract(automatic, BillingState(), CONFIGURATION, as_of=BEFORE).steps


def test_one_time_lines_fit_twenty_on_a_phase_and_more_on_an_own_invoice():
    once = [a_one_time_line(number) for number in range(10, 31)]
    assert [wanted.kind for wanted in plan(a_line(), *once[:20]).objects] == ["schedule"]
    assert [wanted.kind for wanted in plan(a_line(), *once).objects] == ["schedule", "invoice"]
    assert plan(*once).steps
    many = [a_one_time_line(number) for number in range(10, 261)]
    assert plan(*many[:250]).steps
    assert only_refusal(plan(*many)).code == "too_many_items"


@pytest.mark.parametrize(
    "line",
    [a_line(unit_price="120000000000"), a_one_time_line(total="10000000000")],
)
def test_amount_that_stripe_cannot_take_is_refused(line):
    refusal = only_refusal(plan(line))
    assert (refusal.code, refusal.field) == ("amount_too_large", "TotalPrice")


@pytest.mark.parametrize(
    ("line", "amount"),
    [
        (a_line(unit_price="126.0125", entry="10.501"), "105.125"),
        (a_one_time_line(total="7.505"), "7.505"),
    ],
)
def test_amount_in_dinars_must_end_in_zero(line, amount):
    refusal = only_refusal(plan(line, currency="kwd"))
    assert refusal.code == "amount_step"
    assert f" {amount} KWD for " in refusal.message
    assert refusal.message.endswith(" multiples of 0.010 KWD.")


@pytest.mark.parametrize(
    ("line", "charge", "last"),
    [
        (a_line(unit_price="126.012", entry="10.501"), 105000, 105120),
        (a_line(unit_price="100", entry=None), 83300, 83700),
    ],
)
def test_price_in_dinars_ends_in_zero_and_the_last_cycle_makes_up(line, charge, last):
    billed = [total for _, total in invoices_of(plan(line, currency="kwd"))]
    assert billed == [charge] * 11 + [last]


def test_head_and_tail_in_dinars_end_in_zero_when_their_sum_does():
    line = a_line(quantity="1", unit_price="198.630", start="2026-02-20", end="2026-04-18", entry="100")
    found = cut(line, Cycle(date(2026, 2, 1), 1), CutRules(currency="kwd", precision="monthly_daily"))
    assert [piece.amount_minor for piece in found.pieces] == [32880, 100000, 65750]


def test_order_above_the_cap_is_held_until_released():
    capped = replace(CONFIGURATION, caps=replace(CONFIGURATION.caps, bill_per_order=Decimal("5999.99")))
    assert only_refusal(plan(configuration=capped)).code == "cap_bill_per_order"
    assert plan(configuration=capped, released=("cap_bill_per_order",)).steps
    exact = replace(CONFIGURATION, caps=replace(CONFIGURATION.caps, bill_per_order=Decimal(6000)))
    assert plan(configuration=exact).steps


@pytest.mark.parametrize(("day", "held"), [("2026-03-31", False), ("2026-04-01", True)])
def test_more_than_one_elapsed_period_is_held(day, held):
    found = plan(as_of=at(f"{day}T23:59:59"))
    assert (found.outcomes[0].state is OrderState.HELD) is held


def test_first_invoice_longer_than_stripe_makes_it_is_held_for_good():
    line = a_line(unit_price="18000", end="2056-01-31")
    found = plan(line, as_of=at("2047-02-01T00:00:00"), released=("backdated", "too_many_lines"))
    assert only_refusal(found).code == "too_many_lines"
    assert only_refusal(plan(a_line(), as_of=LATE)).code == "backdated"


def test_skipping_the_past_from_a_clipped_boundary_keeps_the_billing_day():
    line = a_line(start="2026-01-31", end="2027-01-30")
    found = plan(line, as_of=at("2026-03-15T00:00:00"), skip_past_initial_invoices=True)
    assert invoices_of(found)[:3] == [("2026-03-15", 50000), ("2026-03-31", 50000), ("2026-04-30", 50000)]
    assert found.objects[0].phases[0].starts_at == at("2026-01-31")
    assert [(proof.difference_minor, proof.reason) for proof in found.proof] == [(-50000, "past_skipped")]


def test_remainder_far_from_its_share_is_held_until_released():
    start, end = map(date.fromisoformat, LONG)
    term = term_months(start, end, "day")
    value = str(round(Decimal((50 * term).numerator) / Decimal((50 * term).denominator), 2))
    line = a_line(quantity="1", unit_price=value, end=(end - timedelta(days=1)).isoformat())
    found = plan(line, configuration=a_policy(prorate_precision="day"))
    refusal = only_refusal(found)
    assert refusal.code == "remainder_out_of_bounds"
    assert "far from that time's share" in refusal.message
    released = plan(
        line, configuration=a_policy(prorate_precision="day"), released=("remainder_out_of_bounds",)
    )
    assert released.proof[0].difference_minor == 0


def test_multiplier_that_contradicts_the_dates_is_held_or_named():
    line = a_line(start="2026-05-13", unit_price="450", multiplier="9")
    refusal = only_refusal(plan(line))
    assert (refusal.code, refusal.field) == ("multiplier_mismatch", "SBQQ__ProrateMultiplier__c")
    assert "8.6247 months" in refusal.message
    warned = plan(line, a_line(2, start="2026-05-13"), configuration=a_policy(multiplier_mismatch="warn"))
    assert [text for text in warned.warnings if "802LINE001" in text and "8.6247" in text]
    assert len(warned.warnings) == 1


def test_line_without_an_end_date_is_an_error_of_ours():
    with pytest.raises(ValueError, match="no end date"):
        line_term(a_line(ends_on=None), "day")


def test_long_contract_stays_in_bounds_by_whole_months():
    end = add_months(date(2026, 2, 1), 480) + timedelta(days=8)
    term = term_months(date(2026, 2, 1), end + timedelta(days=1), "monthly_daily")
    value = str(round(Decimal((50 * term).numerator) / Decimal((50 * term).denominator), 2))
    assert plan(a_line(quantity="1", unit_price=value, end=end.isoformat())).steps


def test_contract_that_is_over_is_billed_on_one_invoice_once_released():
    lines, over = [a_line(), a_one_time_line()], at("2027-03-01T09:00:00")
    held = only_refusal(plan(*lines, as_of=over))
    assert held.code == "contract_over"
    released = plan(*lines, as_of=over, released=["contract_over"])
    assert states_of(released) == [(OrderState.SYNCED, [])]
    assert documents_of(released) == [("invoice", "2027-03-01", 675000)]
    assert [wanted.kind for wanted in released.objects] == ["invoice"]


def test_held_order_is_shown_as_it_would_be_carried_out():
    held = plan(as_of=LATE)
    assert only_refusal(held).code == "backdated"
    assert held.forecast == plan(as_of=LATE, released=["backdated"]).forecast
    assert [proof.difference_minor for proof in held.proof] == [0]


@pytest.mark.parametrize(
    ("zone", "instant", "elapsed"),
    [
        ("UTC", "2026-04-01T02:00:00", 2),
        ("America/New_York", "2026-04-01T02:00:00", 1),
        ("UTC", "2026-03-31T12:00:00", 1),
        ("Pacific/Auckland", "2026-03-31T12:00:00", 2),
    ],
)
def test_periods_that_have_passed_are_counted_where_the_day_is_that_of_the_time_zone(zone, instant, elapsed):
    found = plan(as_of=at(instant), configuration=a_policy(time_zone=zone))
    codes = [refusal.code for outcome in found.outcomes for refusal in outcome.refusals]
    assert codes == (["backdated"] if elapsed > 1 else [])


def test_cap_counts_what_an_order_takes_away():
    capped = replace(CONFIGURATION, caps=replace(CONFIGURATION.caps, bill_per_order=Decimal(6000)))
    swap = an_amendment(seats(2, -10, "2026-08-01", revises=1), seats(3, 20, "2026-08-01"))
    history = a_history(an_order([a_line()]), swap)
    found = plan_contract(history, BillingState(), capped, as_of=BEFORE)
    assert states_of(found) == [(OrderState.SYNCED, [])] * 2


def test_every_order_above_the_cap_is_held_however_many_there_are():
    capped = replace(CONFIGURATION, caps=replace(CONFIGURATION.caps, bill_per_order=Decimal(1)))
    orders = [
        an_order([seats(number, 1, "2026-02-01")], order_id=f"801ORDER{number:03}") for number in range(1, 71)
    ]
    found = plan_contract(a_history(*orders), BillingState(), capped, as_of=BEFORE)
    assert states_of(found) == [(OrderState.HELD, ["cap_bill_per_order"])] * 70
    assert found.steps == ()


def a_reduction(**changes):
    return an_amendment(replace(seats(2, -3, "2026-08-20", revises=1), **changes))


@pytest.mark.parametrize("total", ["-780", "-840"])
def test_credit_far_from_its_share_is_held_until_released(total):
    history = a_history(an_order([a_line()]), a_reduction(total_price=Decimal(total)))
    found = plan_contract(history, BillingState(), CONFIGURATION, as_of=BEFORE)
    assert states_of(found)[1] == (OrderState.HELD, ["remainder_out_of_bounds"])
    message = found.outcomes[1].refusals[0].message
    assert f"leaves {int(total) + 750}.00 to credit; that time's share is -59.18" in message
    released = plan_contract(
        history, BillingState(), CONFIGURATION, as_of=BEFORE, released={"remainder_out_of_bounds"}
    )
    assert differences_of(released) == {}


@pytest.mark.parametrize("total", ["-790.80", "-828"])
def test_credit_within_four_days_of_its_share_goes_on(total):
    history = a_history(an_order([a_line()]), a_reduction(total_price=Decimal(total)))
    found = plan_contract(history, BillingState(), CONFIGURATION, as_of=BEFORE)
    assert states_of(found)[1] == (OrderState.SYNCED, [])


def test_credit_in_whole_months_may_miss_its_share_by_a_month():
    precision = a_policy(prorate_precision="month")
    for total, state in (("-900", OrderState.SYNCED), ("-1060", OrderState.HELD)):
        history = a_history(an_order([a_line()]), a_reduction(total_price=Decimal(total)))
        found = plan_contract(history, BillingState(), precision, as_of=BEFORE)
        assert found.outcomes[1].state is state


def test_multiplier_of_a_reduction_that_contradicts_its_dates_is_held():
    history = a_history(
        an_order([a_line()]),
        a_reduction(prorate_multiplier=Decimal(4), default_term_months=Decimal(1)),
    )
    found = plan_contract(history, BillingState(), CONFIGURATION, as_of=BEFORE)
    assert states_of(found)[1] == (OrderState.HELD, ["multiplier_mismatch"])


@pytest.mark.parametrize(
    ("start", "state"),
    [("1990-01-01", OrderState.SYNCED), ("1989-12-31", OrderState.REFUSED)],
)
def test_first_day_that_is_taken_is_that_of_1990(start, state):
    assert plan(a_one_time_line(start=start)).outcomes[0].state is state


@pytest.mark.parametrize(
    ("end", "state"), [("2150-01-01", OrderState.SYNCED), ("2150-01-02", OrderState.REFUSED)]
)
def test_last_day_that_is_taken_is_the_first_of_2150(end, state):
    line = a_line(quantity="1", unit_price="100", start="2149-02-01", end=end, entry=None)
    assert plan(line).outcomes[0].state is state


@pytest.mark.parametrize(
    ("line", "currency", "cap", "amount"),
    [
        (a_line(unit_price="50", evergreen=True, ends_on=None), "usd", "5999.99", "6000.00"),
        (a_line(custom_price=Decimal(60)), "usd", "7199.99", "7200.00"),
        (a_line(unit_price="600"), "jpy", "5999.5", "6000"),
        (a_line(unit_price="600"), "kwd", "5999.9995", "6000.000"),
        (a_one_time_line(total="6000"), "usd", "5999.99", "6000.00"),
    ],
)
def test_cap_counts_what_is_billed_in_every_kind_of_line_and_currency(line, currency, cap, amount):
    capped = replace(CONFIGURATION, caps=replace(CONFIGURATION.caps, bill_per_order=Decimal(cap)))
    refusal = only_refusal(plan(line, currency=currency, configuration=capped))
    assert refusal.code == "cap_bill_per_order"
    code = currency.upper()
    assert f"bills {amount} {code} in all, more than the cap of {cap} {code}" in refusal.message
    enough = replace(CONFIGURATION, caps=replace(CONFIGURATION.caps, bill_per_order=Decimal(amount)))
    assert plan(line, currency=currency, configuration=enough).steps
