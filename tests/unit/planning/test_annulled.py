"""Lines that were taken back whole on or before their first day (B6.11)."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from decimal import Decimal

import pytest
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
    plan,
    seats,
    states_of,
)

from cpqbridge.domain.billing import BillingState
from cpqbridge.domain.refusal import OrderState
from cpqbridge.mapping.policies import CreditsPolicy, ProrationPolicy
from cpqbridge.planning.plan import plan_contract

SOLD = at("2026-01-28T09:00:00")
LATE = at("2026-05-10T09:00:00")
FIRST = an_order([seats(1, 10, "2026-02-01"), seats(2, 3, "2026-02-01")])
BACK = an_amendment(seats(3, -3, "2026-02-01", revises=2))


@pytest.mark.parametrize("policy", list(CreditsPolicy))
@pytest.mark.parametrize("now", [SOLD, LATE])
def test_line_taken_back_before_the_first_sync_is_never_billed(now, policy):
    found = plan_contract(
        a_history(FIRST, BACK), BillingState(), a_policy(credits=policy), as_of=now, released={"backdated"}
    )
    lines = {line for invoice in found.forecast for each in invoice.lines for line, _ in each.shares}
    assert lines == {"802LINE001"}
    assert differences_of(found) == {}


def test_line_billed_already_is_credited():
    life = a_life(now=SOLD, configuration=a_policy(credits=CreditsPolicy.CREDIT_NOTE))
    life.sync(a_history(FIRST), SOLD)
    found = life.sync(a_history(FIRST, BACK), at("2026-02-10T09:00:00"))
    assert documents_of(found) == [("credit_note", "2026-02-10", -15_000)]


def test_line_that_began_before_the_cut_over_was_billed_elsewhere():
    found = plan_contract(
        a_history(FIRST, BACK),
        BillingState(),
        CONFIGURATION,
        as_of=LATE,
        released={"backdated"},
        cutover=date(2026, 5, 1),
    )
    assert states_of(found)[1] == (OrderState.HELD, ["credit_needs_person"])


def test_line_of_which_a_part_was_credited_before_is_not_billed_twice():
    """What the first reduction was credited stays, so the second one cannot be told from the start anew."""
    first = an_order([seats(1, 10, "2026-02-01"), seats(2, 3, "2026-02-20", price="33.33")])
    one = an_amendment(seats(3, -1, "2026-02-20", price="33.33", revises=2))
    rest = an_amendment(seats(4, -2, "2026-02-20", price="33.33", revises=2), number=3)
    life = a_life(now=SOLD, configuration=a_policy(proration=ProrationPolicy.NEXT_INVOICE))
    life.sync(a_history(first, one), at("2026-02-10T09:00:00"))
    life.run_until(at("2026-02-25T09:00:00"))
    found = life.sync(a_history(first, one, rest), at("2026-02-25T09:00:00"))
    lines = ("802LINE002", "802LINE003", "802LINE004")
    billed = [
        amount
        for invoice in found.forecast
        for each in invoice.lines
        for line, amount in each.shares
        if line in lines
    ]
    assert sum(billed) == 0
    assert {state for state, _ in states_of(found)} <= {OrderState.SYNCED, OrderState.UNCHANGED}


def test_first_invoice_below_zero_is_a_credit():
    found = plan(seats(1, 10, "2026-02-01"), a_one_time_line(total="-750"), as_of=at("2026-02-10T09:00:00"))
    assert documents_of(found) == [("credit_note", "2026-02-10", -75_000)]
    assert sorted(invoices_of(found))[:2] == [("2026-02-10", -75_000), ("2026-02-10", 50_000)]


def test_orders_that_change_each_others_lines_are_taken_as_they_come():
    """No order could be the first; what each brings itself is there all the same."""
    one = an_amendment(replace(seats(3, 1, "2026-03-01"), revises="802LINE004"))
    other = an_amendment(replace(seats(4, 1, "2026-03-01"), revises="802LINE003"), number=3)
    found = plan_contract(a_history(FIRST, one, other), BillingState(), CONFIGURATION, as_of=SOLD)
    assert [state for state, _ in states_of(found)] == [OrderState.SYNCED] * 3


def test_lines_over_before_the_first_sync_stay_as_they_were_billed():
    monthly = seats(2, 4, "2026-02-01", unit_price="50")
    ever = replace(monthly, ends_on=None, evergreen=True, total_price=Decimal(200))
    sold = an_order([seats(1, 10, "2026-02-01", price="0"), ever])
    gone = replace(
        ever,
        order_item_id="802LINE004",
        quantity=Decimal(-4),
        total_price=Decimal(-200),
        starts_on=date(2026, 4, 23),
        revises="802LINE002",
    )
    back = an_amendment(seats(3, -1, "2026-04-23", revises=1, price="0"), gone)
    life = a_life(now=LATE)
    first = life.sync(a_history(sold, back), LATE, {"backdated"})
    assert states_of(first) == [(OrderState.SYNCED, []), (OrderState.SYNCED, [])]
    life.run_until(at("2026-09-10"))
    later = life.sync(a_history(sold, back), at("2026-09-10"))
    assert [state for state, _ in states_of(later)] == [OrderState.UNCHANGED, OrderState.UNCHANGED]
    assert differences_of(later) == differences_of(first)
