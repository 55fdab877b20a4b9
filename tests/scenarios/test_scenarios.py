"""Raw Salesforce records to the whole plan, folder by folder; `--accept` writes the plans anew.

An accepted plan is not enough: the story's own arithmetic, what CPQ sold, and the simulated Stripe account
each have to agree with it.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from dataclasses import replace
from decimal import Decimal

import pytest
from tests.scenarios import golden
from tests.simulation import in_process

from cpqbridge.domain.billing import BillingState
from cpqbridge.domain.refusal import OrderState
from cpqbridge.domain.refusal_catalog import REFUSAL_CATALOG
from cpqbridge.planning.plan import plan_contract
from cpqbridge.planning.proof import REASONS
from cpqbridge_sim.stripe.account import Account

EVERY = pytest.mark.parametrize("name", golden.names())


def test_there_are_scenarios():
    assert len(golden.names()) >= 26


@EVERY
def test_plan_is_the_accepted_one(name, request):
    scenario = golden.load(name)
    document = scenario.document()
    if request.config.getoption("--accept"):
        text = golden.readable(document) + "\n"
        (scenario.folder / "plan.json").write_text(text, encoding="utf-8")
    assert json.loads(json.dumps(document)) == scenario.accepted()


@EVERY
def test_story_names_its_rules_and_every_bill(name):
    scenario = golden.load(name)
    assert re.search(r"\bB\d", scenario.story()), "a story names the rules it is about"
    accepted = scenario.accepted()
    told = golden.told_bills(scenario.story())
    if accepted["state"] in ("synced", "unchanged"):
        assert told == golden.bills(accepted)
    else:
        codes = {refusal["code"] for refusal in accepted["refusals"]}
        assert accepted["steps"] == []
        assert codes <= REFUSAL_CATALOG.keys()
        assert all(f"`{code}`" in scenario.story() for code in codes), "the story names what stops the order"


@EVERY
def test_invoices_sum_to_what_cpq_sold(name):
    scenario = golden.load(name)
    accepted = scenario.accepted()
    billed: Counter[str] = Counter()
    for invoice in accepted["invoices"]:
        lines = [Decimal(line["amount"]) for line in invoice["lines"]]
        assert sum(lines) == Decimal(invoice["total"])
        for line in invoice["lines"]:
            for share in line["shares"]:
                billed[share["order_item_id"]] += Decimal(share["amount"])
    sold = scenario.sold()
    for proof in accepted["proof"]:
        assert Decimal(proof["sold"]) == sold[proof["order_item_id"]]
        assert Decimal(proof["billed"]) == billed[proof["order_item_id"]]
        if proof["reason"] is None:
            assert Decimal(proof["difference"]) == 0
        else:
            assert proof["reason"] in REASONS
    assert set(billed) <= {proof["order_item_id"] for proof in accepted["proof"]}


@EVERY
def test_simulated_account_bills_the_forecast(name):
    scenario = golden.load(name)
    plan = scenario.plan()
    if not plan.steps:
        return
    account = Account(now=plan.executed_at)
    existing = _make_what_exists(scenario, account)
    plan = scenario.plan(existing)
    state = in_process.carry_out(plan, account, known=existing.links)
    in_process.run_to_the_end(plan, account)

    sold_until = max(phase.ends_at for wanted in plan.objects for phase in wanted.phases).date().isoformat()
    billed = in_process.billed_by_day(account)
    if any(wanted.end_behavior == "release" for wanted in plan.objects):
        billed = {(day, line): amount for (day, line), amount in billed.items() if day < sold_until}
    assert billed == in_process.forecast_by_day(plan)
    by_line: Counter[str] = Counter()
    for (_, order_item_id), amount in billed.items():
        by_line[order_item_id] += amount
    assert by_line == {line.order_item_id: line.billed_minor for line in plan.proof if line.billed_minor}
    again = plan_contract(
        scenario.history(),
        state,
        scenario.configuration,
        as_of=account.now,
        released=scenario.released,
        preview_order_id=scenario.order_id if scenario.preview else None,
    )
    assert again.steps == ()
    assert {outcome.state for outcome in again.outcomes} == {OrderState.UNCHANGED}


def _make_what_exists(scenario, account) -> BillingState:
    """Make in the account what the scenario says is linked already, and return its links with real ids."""
    fresh = scenario.plan(BillingState(executed_at=scenario.state.executed_at))
    steps = tuple(step for step in fresh.steps if step.key in scenario.state.links)
    made = in_process.carry_out(replace(fresh, steps=steps), account)
    return replace(scenario.state, links=made.links)
