"""Raw Salesforce records to the whole plan, folder by folder; `--accept` writes the plans anew.

An accepted plan is not enough: the story's own arithmetic, what CPQ sold, and the simulated Stripe account
each have to agree with it.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from decimal import Decimal

import pytest
from tests.scenarios import golden
from tests.simulation import in_process
from tests.simulation.movements import prorations

from cpqbridge.domain.refusal import OrderState
from cpqbridge.domain.refusal_catalog import REFUSAL_CATALOG
from cpqbridge.planning.proof import REASONS

EVERY = pytest.mark.parametrize("name", golden.names())
CARRIED_OUT = {OrderState.SYNCED, OrderState.UNCHANGED}


def test_there_are_scenarios():
    assert len(golden.names()) >= 140


@EVERY
def test_plan_is_the_accepted_one(name, request):
    scenario = golden.load(name)
    document = scenario.document()
    file = scenario.folder / "plan.json"
    is_new = not file.exists() or json.loads(json.dumps(document)) != scenario.accepted()
    if is_new and request.config.getoption("--accept"):
        text = golden.readable(document) + "\n"
        file.write_text(text, encoding="utf-8")
    assert json.loads(json.dumps(document)) == scenario.accepted()


@EVERY
def test_story_names_its_rules_every_bill_and_what_stops_an_order(name):
    scenario = golden.load(name)
    story = scenario.story()
    assert re.search(r"\bB\d", story), "a story names the rules it is about"
    assert golden.told_bills(story) == golden.made(scenario.lived.account)
    plans = (*scenario.lived.earlier, scenario.lived.told, *scenario.lived.later)
    outcomes = [outcome for plan in plans for outcome in plan.outcomes]
    codes = {refusal.code for outcome in outcomes for refusal in outcome.refusals}
    assert codes <= REFUSAL_CATALOG.keys()
    assert all(f"`{code}`" in story for code in codes), "the story names what stops an order"


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
        line_id = proof["order_item_id"]
        taken = sum(Decimal(each["amount"]) for each in proof["taken"])
        assert Decimal(proof["sold"]) == sold[line_id]
        assert Decimal(proof["billed"]) == billed[line_id] + taken
        assert Decimal(proof["difference"]) == Decimal(proof["billed"]) - sold[line_id]
        assert proof["reason"] in REASONS or Decimal(proof["difference"]) == 0
    # A contract with drift is left as it stands, and nothing is proven of it.
    assert not accepted["proof"] or set(billed) <= {proof["order_item_id"] for proof in accepted["proof"]}


@EVERY
def test_simulated_account_bills_the_forecast(name):
    scenario = golden.load(name)
    lived = scenario.lived
    billed = in_process.billed_by_day(lived.account)
    schedules = [wanted for wanted in lived.last.objects if wanted.kind == "schedule"]
    if any(wanted.end_behavior == "release" for wanted in schedules):
        # What Stripe goes on billing by itself was not sold, and what is still to come it has not billed yet.
        sold_until = max(phase.ends_at for wanted in schedules for phase in wanted.phases)
        until = min(sold_until, lived.account.now).date().isoformat()
    else:
        until = "9999"
    if any(outcome.state in CARRIED_OUT for outcome in lived.last.outcomes):
        forecast = in_process.forecast_by_day(lived.last)
        used = scenario.metered()
        together = _tiered_together(lived.last)
        assert _joined(_before(_without(billed, used), until), together) == _joined(
            _before(_without(forecast, used), until), together
        )
        # What is used is not known before, so a plan forecasts what is due without any.
        unused = _before({key: amount for key, amount in forecast.items() if key[1] in used}, until)
        assert all(amount <= billed.get(key, 0) for key, amount in unused.items())
        if not scenario.usage:
            assert unused == _before({key: each for key, each in billed.items() if key[1] in used}, until)
    assert not billed or lived.last.objects
    assert prorations(lived.account) == []


def _tiered_together(plan):
    """Return the first line of each item whose lines are priced by tiers together, by all of its lines.

    What of such an item is for which line is our own count; Stripe bills the item.
    """
    items = (item for wanted in plan.objects for phase in wanted.phases for item in phase.items)
    return {each: item.order_item_ids[0] for item in items if item.tiers for each in item.order_item_ids}


def _without(billed, line_ids):
    return {key: amount for key, amount in billed.items() if key[1] not in line_ids}


def _joined(billed, together):
    joined: Counter[tuple[str, str]] = Counter()
    for (day, order_item_id), amount in billed.items():
        joined[day, together.get(order_item_id, order_item_id)] += amount
    return joined


def _before(billed, until):
    return Counter({key: amount for key, amount in billed.items() if key[0] < until})


@EVERY
def test_second_sync_at_the_same_instant_does_nothing(name):
    for again in golden.load(name).lived.again:
        assert again.steps == ()
        assert OrderState.SYNCED not in {outcome.state for outcome in again.outcomes}
