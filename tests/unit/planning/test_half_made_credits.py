"""A credit of which a part was made: the rest goes where it still can, whatever became of the invoices."""

from __future__ import annotations

from dataclasses import replace

from tests.unit.planning.builders import a_history, a_life, a_policy, an_amendment, an_order, at, seats

from cpqbridge.domain.billing import BillingState, Plan, StepAction
from cpqbridge.planning.plan import plan_contract

FIRST = an_order([seats(1, 10, "2026-02-01")])
FEWER = an_amendment(seats(2, -8, "2026-07-01", revises=1))
HISTORY = a_history(FIRST, FEWER)
NOW = at("2026-08-20T08:00:00")


def half_made() -> tuple[BillingState, Plan]:
    """Return a credit of 800.00, 500.00 of it made on August's invoice, and the plan it was made by."""
    life = a_life(now=at("2026-01-28T09:00:00"), configuration=a_policy(credits="credit_note"))
    life.sync(a_history(FIRST), at("2026-01-28T09:00:00"))
    life.run_until(NOW)
    made = life.sync(HISTORY, NOW)
    (credit,) = [each for each in made.objects if each.kind == "credit"]
    assert [portion.amount_minor for portion in credit.portions] == [50000, 30000]
    left = {key: link for key, link in life.state.links.items() if key != credit.portions[1].key}
    return replace(life.state, links=left, invoices=None), made


def planned(state: BillingState, made: Plan) -> Plan:
    found = plan_contract(HISTORY, state, a_policy(credits="credit_note"), as_of=made.executed_at)
    assert {step.action for step in found.steps} <= {
        StepAction.CREATE_CREDIT_NOTE,
        StepAction.CREDIT_BALANCE,
    }
    return found


def test_rest_of_a_credit_asks_for_the_invoices_before_it_is_shared_out():
    state, made = half_made()
    assert planned(state, made).needs_invoices
    read = replace(state, invoices=())
    assert not planned(read, made).needs_invoices


def test_rest_of_a_credit_that_no_invoice_carries_goes_to_the_balance():
    state, made = half_made()
    found = planned(replace(state, invoices=()), made)
    (credit,) = [each for each in found.objects if each.kind == "credit"]
    (before,) = [each for each in made.objects if each.kind == "credit"]
    assert credit.portions[0] == before.portions[0]
    assert (credit.portions[1].invoice_id, credit.portions[1].amount_minor) == (None, 30000)
    assert credit.portions[1].key == before.portions[1].key
    assert [step.key for step in found.steps] == [before.portions[1].key]


def test_whole_credit_asks_for_nothing():
    state, made = half_made()
    (credit,) = [each for each in made.objects if each.kind == "credit"]
    link = next(iter(state.links.values()))
    whole = {**state.links, credit.portions[1].key: replace(link, key=credit.portions[1].key)}
    found = planned(replace(state, links=whole), made)
    assert not found.needs_invoices
    assert found.steps == ()
