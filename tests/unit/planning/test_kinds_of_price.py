"""What a period costs where `TotalPrice` is not used: tiers, usage, and prices that a field holds."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from decimal import Decimal
from fractions import Fraction

import pytest
from tests.simulation import in_process
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

from cpqbridge.domain.billing import BillingState, PhaseItem
from cpqbridge.domain.dates import Cycle
from cpqbridge.domain.order import Coupon, CouponDuration, Tier, TiersMode, TierTable
from cpqbridge.domain.pricing import PriceTier, TieredPrice
from cpqbridge.domain.refusal import OrderState
from cpqbridge.domain.usage import UsageSpan
from cpqbridge.mapping.policies import ProrationPolicy
from cpqbridge.planning.pieces import Bounds, CutRules, cut
from cpqbridge.planning.plan import plan_contract
from cpqbridge.planning.prices import line_terms, usage_price
from cpqbridge.planning.usage import usage_spans

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


BY_USAGE = TierTable(
    mode=TiersMode.GRADUATED,
    tiers=(
        Tier(up_to=10, unit_price=Decimal(1), flat_price=Decimal(12)),
        Tier(up_to=None, unit_price=Decimal(2)),
    ),
)


def usage(number=1, **changes):
    """Usage whose first tier has a flat amount of 12.00 a period."""
    return a_line(number, **{"quantity": "1", "metered": True, "tiers": BY_USAGE, **changes})


def lived(*orders, synced_at):
    """Return a contract's life after its last day, synced once for each instant, with one order more each."""
    life = a_life()
    for count, instant in enumerate(synced_at, start=1):
        life.run_until(instant)
        life.sync(a_history(*orders[:count]), instant, frozenset({"backdated"}))
    life.run_until(at("2027-03-01"))
    return life


@pytest.mark.parametrize(
    ("lines", "synced_on", "bills"),
    [
        ([usage()], "2026-01-28", 12),
        ([usage(end="2026-05-14")], "2026-01-28", 4),
        ([usage(start="2026-02-10")], "2026-01-28", 12),
        ([usage(), a_line(2)], "2026-04-10", 11),
        ([usage(months=12), a_line(2, quantity="2")], "2026-01-28", 1),
    ],
)
def test_flat_amount_of_usage_is_forecast_for_each_period(lines, synced_on, bills):
    life = lived(an_order(lines), synced_at=[at(f"{synced_on}T09:00:00")])
    forecast = in_process.forecast_by_day(life.plan)
    assert in_process.billed_by_day(life.account) == forecast
    assert sum(1 for (_, line_id) in forecast if line_id == "802LINE001") == bills


def test_flat_amount_of_usage_is_reduced_by_the_coupons_of_its_own_time():
    coupon = Coupon(
        coupon_id="a2f1",
        name="Half",
        duration=CouponDuration.REPEATING,
        duration_in_months=3,
        percent_off=Decimal(50),
    )
    amount = replace(coupon, name="Ten", percent_off=None, amount_off=Decimal(10), currency="usd")
    sold = an_order([replace(usage(), coupons=(coupon,)), a_line(2)], coupons=(amount,))
    life = lived(sold, synced_at=[BEFORE])
    assert in_process.billed_by_day(life.account) == in_process.forecast_by_day(life.plan)
    billed = in_process.billed_by_day(life.account)
    days = [f"2026-0{month}-01" for month in (3, 4, 5, 6)]
    assert [billed[day, "802LINE001"] for day in days] == [589, 589, 0, 1200]


def test_part_of_a_period_rides_on_an_invoice_that_bills_usage_alone():
    seats_end = a_line(2, quantity="3", end="2026-08-31", unit_price="350")
    added = a_line(3, quantity="2", start="2026-08-20", end="2026-08-31", unit_price="20")
    metered = a_line(1, quantity="1", metered=True)
    orders = [an_order([metered, seats_end]), an_amendment(added)]
    late = a_policy(proration=ProrationPolicy.NEXT_INVOICE)
    life = a_life(configuration=late)
    life.sync(a_history(orders[0]), BEFORE)
    life.run_until(at("2026-08-10"))
    found = life.sync(a_history(*orders), at("2026-08-10"))
    assert [state for state, _ in states_of(found)] == [OrderState.UNCHANGED, OrderState.SYNCED]
    life.run_until(at("2027-03-01"))
    billed = in_process.billed_by_day(life.account)
    assert billed["2026-09-01", "802LINE003"] == 4000
    assert billed == in_process.forecast_by_day(life.plan)


def test_line_that_begins_where_only_usage_renews_is_billed_once():
    yearly = a_line(1, quantity="2", months=12)
    monthly = a_line(3, quantity="3", start="2026-04-01", unit_price="500")
    life = lived(an_order([yearly, a_line(2, quantity="1", metered=True), monthly]), synced_at=[BEFORE])
    assert [state for state, _ in states_of(life.plan)] == [OrderState.SYNCED]
    assert in_process.billed_by_line(life.account)["802LINE003"] == 150_000
    assert in_process.billed_by_day(life.account) == in_process.forecast_by_day(life.plan)


def test_usage_that_ends_inside_its_last_period_ends_with_the_line_at_the_latest():
    sold = an_order([usage(months=12, end="2026-12-20")])
    back = an_amendment(
        usage(2, quantity="-1", start="2026-10-01", end="2026-12-20", months=12, revises="802LINE001")
    )
    life = lived(sold, back, synced_at=[BEFORE, at("2026-10-04")])
    assert in_process.billed_by_day(life.account) == {("2026-12-21", "802LINE001"): 1200}
    assert in_process.forecast_by_day(life.plan) == {("2026-12-21", "802LINE001"): 1200}


def a_span(meter="01tSEAT", starts="2026-02-01", ends="2026-05-01"):
    return UsageSpan(
        meter=meter, contract_key="800OTHER", starts_at=at(starts), ends_at=None if ends is None else at(ends)
    )


@pytest.mark.parametrize(
    ("other", "start", "codes"),
    [
        (a_span(), "2026-02-01", ["metered_twice"]),
        (a_span(), "2026-04-30", ["metered_twice"]),
        (a_span(), "2026-05-01", []),
        (a_span(ends=None), "2026-05-01", ["metered_twice"]),
        (a_span(starts="2027-02-01"), "2026-02-01", []),
        (a_span(meter="mtr_another"), "2026-02-01", []),
    ],
)
def test_usage_that_another_contract_of_the_customer_bills_is_refused(other, start, codes):
    found = plan(usage(start=start), state=BillingState(usage_elsewhere=(other,)))
    assert [code for _, found_codes in states_of(found) for code in found_codes] == codes


def test_usage_with_a_meter_of_its_own_is_beside_that_of_another_contract():
    line = usage(price_parameters={"recurring.meter": "mtr_ours"})
    assert states_of(plan(line, state=BillingState(usage_elsewhere=(a_span(),))))[0][1] == []
    other = a_span(meter="mtr_ours")
    assert states_of(plan(line, state=BillingState(usage_elsewhere=(other,))))[0][1] == ["metered_twice"]


def test_time_of_usage_is_told_with_its_meter_until_somebody_ends_it():
    sold = [usage(), usage(2, start="2026-08-01", end="2026-08-31", product_id="01tSETUP"), a_line(3)]
    found = plan(*sold)
    history = a_history(an_order(sold))
    spans = usage_spans(history, found.objects)
    assert [(span.meter, span.starts_at, span.ends_at) for span in spans] == [
        ("01tSEAT", at("2026-02-01"), at("2027-02-01")),
        ("01tSETUP", at("2026-08-01"), at("2026-09-01")),
    ]
    (schedule,) = found.objects
    cancelled = usage_spans(history, [replace(schedule, ended_at=at("2026-03-10"))])
    assert [(span.meter, span.ends_at) for span in cancelled] == [("01tSEAT", at("2026-03-10"))]
    ever = usage(evergreen=True, ends_on=None)
    (going_on,) = usage_spans(a_history(an_order([ever])), plan(ever).objects)
    assert going_on.ends_at is None
    assert usage_spans(a_history(), found.objects[1:]) == ()
