"""What a period costs where `TotalPrice` is not used: tiers, usage, and prices that a field holds."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from decimal import Decimal
from fractions import Fraction

import pytest
from tests.unit.planning.builders import (
    BEFORE,
    CONFIGURATION,
    a_history,
    a_life,
    a_line,
    a_policy,
    an_amendment,
    an_order,
    at,
    invoices_of,
    plan,
    states_of,
)

from cpqbridge.domain.billing import PhaseItem
from cpqbridge.domain.dates import Cycle
from cpqbridge.domain.order import Tier, TiersMode, TierTable
from cpqbridge.domain.pricing import PriceTier, TieredPrice
from cpqbridge.domain.refusal import OrderState
from cpqbridge.planning.pieces import Bounds, CutRules, cut
from cpqbridge.planning.plan import plan_contract
from cpqbridge.planning.prices import line_terms, usage_price

TIERS = (
    PriceTier(up_to=5, unit_amount_decimal="5000", flat_amount_decimal="0"),
    PriceTier(up_to=10, unit_amount_decimal="0", flat_amount_decimal="10000"),
    PriceTier(up_to=None, unit_amount_decimal="3000", flat_amount_decimal="0"),
)
RULES = CutRules(currency="usd", precision="monthly_daily")


@pytest.mark.parametrize(
    ("quantity", "graduated", "volume"),
    [
        (-1, 0, 0),
        (0, 0, 0),
        (1, 5000, 5000),
        (5, 25000, 25000),
        (6, 35000, 10000),
        (10, 35000, 10000),
        (11, 38000, 33000),
    ],
)
def test_tiers_price_each_unit_by_its_own_or_all_by_the_one_they_reach(quantity, graduated, volume):
    assert TieredPrice(mode="graduated", tiers=TIERS).charge_minor(quantity) == graduated
    assert TieredPrice(mode="volume", tiers=TIERS).charge_minor(quantity) == volume


def test_each_tier_that_is_reached_is_an_invoice_line():
    assert TieredPrice(mode="graduated", tiers=TIERS).charges_minor(11) == (25000, 10000, 3000)
    assert TieredPrice(mode="graduated", tiers=TIERS).charges_minor(5) == (25000,)
    assert TieredPrice(mode="volume", tiers=TIERS).charges_minor(11) == (33000,)


def test_item_by_usage_comes_to_nothing_before_it_is_used():
    item = PhaseItem(
        product_id="01tSEAT",
        order_item_ids=("802LINE001",),
        price_key="price:x:1",
        unit_amount_decimal="50",
        interval_count=1,
        quantity=1,
        metered=True,
    )
    assert item.charge_minor(1000) == 0


@pytest.mark.parametrize(
    ("changes", "text", "from_entry"),
    [
        ({"unit_price": "6"}, "50", True),
        ({"unit_price": "4.80"}, "40", False),
        ({"unit_price": "6", "entry": None}, "50", False),
        ({"unit_price": "6", "entry": "0.60"}, "50", False),
    ],
)
def test_price_of_usage_is_the_price_book_s_where_the_line_was_sold_at_it(changes, text, from_entry):
    line = a_line(**{"quantity": "1", "entry": "0.50", "metered": True, **changes})
    price = usage_price(line, "usd", Fraction(12))
    assert (price.text, price.from_entry) == (text, from_entry)


@pytest.mark.parametrize(
    ("synced_on", "compared"), [("2026-02-01", True), ("2026-02-28", True), ("2026-03-01", False)]
)
def test_first_invoice_is_compared_unless_it_bills_usage_of_a_period_that_is_over(synced_on, compared):
    lines = [a_line(1), a_line(2, quantity="1", unit_price="6", entry="0.50", metered=True)]
    found = plan(*lines, as_of=at(f"{synced_on}T09:00:00"), released=["backdated"])
    assert (found.steps[-1].expected_total_minor is not None) == compared


def test_usage_has_no_pieces_and_keeps_its_price_for_life():
    line = a_line(quantity="1", unit_price="6", entry="0.50", metered=True)
    cycle = Cycle(date(2026, 2, 1), 1)
    first = cut(line, cycle, RULES)
    assert (first.pieces, first.terms.sold_minor, first.price.text) == ((), 0, "50")
    raised = a_line(quantity="1", unit_price="6", entry="0.80", metered=True)
    assert cut(raised, cycle, RULES, Bounds(kept=first.price)).price.text == "50"


def test_tiers_of_a_line_count_the_units_below_its_own():
    table = TierTable(
        mode=TiersMode.GRADUATED,
        tiers=(Tier(up_to=5, unit_price=Decimal(50)), Tier(up_to=None, unit_price=Decimal(40))),
    )
    line = a_line(quantity="3", tiers=table, start="2026-05-13")
    cycle = Cycle(date(2026, 2, 1), 1)
    alone, above = cut(line, cycle, RULES), cut(line, cycle, RULES, Bounds(below=4))
    assert {(piece.kind, piece.amount_minor) for piece in alone.pieces} == {("cycle", 15000)}
    assert {piece.amount_minor for piece in above.pieces} == {13000}
    assert (len(alone.pieces), alone.pieces[0].start) == (8, date(2026, 6, 1))
    assert not alone.starts_on_boundary
    assert above.amount_minor(above.pieces[0], 1) == 5000


def test_evergreen_line_by_tiers_is_billed_each_month_for_all_its_units():
    table = TierTable(
        mode=TiersMode.GRADUATED,
        tiers=(Tier(up_to=5, unit_price=Decimal(50)), Tier(up_to=None, unit_price=Decimal(40))),
    )
    found = plan(replace(a_line(quantity="7", tiers=table), evergreen=True, ends_on=None))
    assert invoices_of(found)[:2] == [("2026-02-01", 33000), ("2026-03-01", 33000)]


@pytest.mark.parametrize(("quantity", "units", "minor"), [("10", 10, 4500), ("2.5", 1, 11250)])
def test_custom_price_is_that_of_a_unit_and_folded_with_a_decimal_quantity(quantity, units, minor):
    line = a_line(quantity=quantity, custom_price=Decimal(45))
    terms = line_terms(line, "usd")
    assert (terms.quantity, terms.unit_minor, terms.folded) == (units, minor, units == 1)
    found = plan(line, configuration=a_policy(quantity="fold"))
    assert {invoice.total_minor for invoice in found.forecast} == {units * minor}
    assert found.proof[0].reason == "custom_price"


@pytest.mark.parametrize("changes", [{"custom_price": Decimal(45)}, {"evergreen": True, "unit_price": "50"}])
def test_bill_of_a_line_with_a_given_price_must_come_to_its_pieces(changes):
    sold = an_order([a_line(**changes)])
    life = a_life()
    life.sync(a_history(sold), BEFORE)
    life.run_until(at("2026-04-10"))
    life.sync(a_history(sold, an_amendment(a_line(2, start="2026-05-01", **changes))), at("2026-04-10"))
    ((key, schedule),) = life.state.objects.items()
    first, *others = schedule.settled
    line = replace(first.lines[0], shares=(("802LINE001", 40000),))
    wrong = replace(schedule, settled=(replace(first, lines=(line,)), *others))
    state = replace(life.state, objects={key: wrong})
    found = plan_contract(life.history, state, CONFIGURATION, as_of=at("2026-04-11"))
    assert states_of(found)[0] == (OrderState.FAILED, ["proof_mismatch"])
