"""Somebody changes a price in Stripe in mid-contract: the proof from invoices shows it, to the cent."""

from __future__ import annotations

from datetime import timedelta

from tests.simulation import in_process
from tests.unit.planning.builders import (
    BEFORE,
    CONFIGURATION,
    a_history,
    a_line,
    a_one_time_line,
    an_order,
    at,
)

from cpqbridge.domain.billing import StepAction
from cpqbridge.domain.dates import midnight
from cpqbridge.sync.report import MISMATCH, proof_against
from cpqbridge.sync.report_invoices import billed_by_order_item, billed_documents
from cpqbridge_sim.stripe.account import Account

AFTER = at("2027-03-01")
LINES = (
    a_line(1),
    a_line(2, quantity="2", unit_price="431.23", start="2026-05-13"),
    a_one_time_line(start="2026-02-01"),
)


def proofs_from_invoices(planned, account):
    """Return the proof of each order line as a rehearsal makes it, from what the API says was billed."""
    invoices = [
        invoice | {"lines": {"data": invoice["all_lines"]}} for invoice in in_process.invoices_of(account)
    ]
    contracts = {proof.order_item_id: planned.contract_key for proof in planned.proof}
    billed = billed_by_order_item(billed_documents(invoices, (), contract_of_line=contracts))
    return {proof.order_item_id: proof_against(proof, billed) for proof in planned.proof}


def a_life():
    """Return a contract whose first order has just been synced."""
    life = in_process.Life(Account(now=BEFORE), CONFIGURATION)
    life.sync(a_history(an_order(list(LINES))), BEFORE)
    return life


def test_untouched_account_bills_what_the_proof_says():
    life = a_life()
    life.run_until(AFTER)
    found = proofs_from_invoices(life.plan, life.account)
    assert {key: (proof.difference_minor, proof.reason) for key, proof in found.items()} == {
        "802LINE001": (0, None),
        "802LINE002": (0, None),
        "802LINE009": (0, None),
    }


def test_altered_price_shows_as_a_mismatch_of_its_line_only():
    life = a_life()
    first_price = next(step.key for step in life.plan.steps if step.action is StepAction.CREATE_PRICE)
    life.run_until(midnight(LINES[1].starts_on) + timedelta(days=30))
    price_id = life.state.links[first_price].stripe_id
    in_process.alter_price(life.account, price_id, unit_amount=5001)
    life.run_until(AFTER)

    found = proofs_from_invoices(life.plan, life.account)
    # Seven of the twelve invoices of ten seats come after 12 June: July to January, 10 cents too much each.
    assert (found["802LINE001"].difference_minor, found["802LINE001"].reason) == (70, MISMATCH)
    assert (found["802LINE001"].sold_minor, found["802LINE001"].billed_minor) == (600000, 600070)
    assert found["802LINE002"].reason is None
    assert found["802LINE009"].reason is None
