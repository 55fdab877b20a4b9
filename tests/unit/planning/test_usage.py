"""Usage: what is billed of it without any, what it is reduced by, and who else bills it."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest
from tests.simulation import in_process
from tests.unit.planning.builders import (
    BEFORE,
    a_history,
    a_life,
    a_line,
    a_policy,
    an_amendment,
    an_order,
    at,
    plan,
    states_of,
)

from cpqbridge.domain.billing import BillingState
from cpqbridge.domain.order import Coupon, CouponDuration, Tier, TiersMode, TierTable
from cpqbridge.domain.refusal import OrderState
from cpqbridge.domain.usage import UsageSpan
from cpqbridge.mapping.policies import ProrationPolicy
from cpqbridge.planning.usage import usage_spans

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


def a_coupon(duration=CouponDuration.FOREVER, *, percent=None, amount=None, months=None):
    return Coupon(
        coupon_id="a2f1",
        name=f"{percent or amount} {duration.value}",
        duration=duration,
        duration_in_months=months,
        percent_off=percent and Decimal(percent),
        amount_off=amount and Decimal(amount),
        currency="usd" if amount else None,
    )


def usage_bills(life):
    """Return what usage is billed by day, which is also what was forecast."""
    billed = in_process.billed_by_day(life.account)
    assert billed == in_process.forecast_by_day(life.plan)
    return {day: amount for (day, line_id), amount in sorted(billed.items()) if line_id == "802LINE001"}


def test_flat_amount_of_usage_is_reduced_by_the_coupons_of_its_own_time():
    half = a_coupon(CouponDuration.REPEATING, percent=50, months=3)
    ten = a_coupon(CouponDuration.REPEATING, amount=10, months=3)
    sold = an_order([replace(usage(), coupons=(half,)), a_line(2)], coupons=(ten,))
    bills = usage_bills(lived(sold, synced_at=[BEFORE]))
    assert [bills.get(f"2026-0{month}-01", 0) for month in (3, 4, 5, 6)] == [589, 589, 0, 1200]


@pytest.mark.parametrize(
    ("beside", "synced_on", "first"),
    [([], "2026-01-28", [600, 1200]), ([a_line(2)], "2026-01-28", [1200, 1200])],
)
def test_coupon_for_one_invoice_reduces_usage_where_nothing_was_invoiced_before(beside, synced_on, first):
    once = a_coupon(CouponDuration.ONCE, percent=50)
    life = lived(an_order([usage(), *beside], coupons=(once,)), synced_at=[at(f"{synced_on}T09:00:00")])
    assert [*usage_bills(life).values()][:2] == first


def test_coupon_of_usage_for_one_invoice_reduces_the_first():
    once = a_coupon(CouponDuration.ONCE, percent=50)
    late = a_line(2, start="2026-04-01", unit_price="500")
    life = lived(an_order([replace(usage(), coupons=(once,)), a_line(3), late]), synced_at=[BEFORE])
    assert [*usage_bills(life).values()][:3] == [600, 1200, 1200]


def test_coupon_for_one_invoice_reduces_all_that_was_over_when_it_was_synced():
    once = a_coupon(CouponDuration.ONCE, percent=50)
    sold = an_order([usage(), a_line(2)], coupons=(once,))
    bills = usage_bills(lived(sold, synced_at=[at("2026-04-10T09:00:00")]))
    assert [*bills.values()][:2] == [1200, 1200]


@pytest.mark.parametrize(
    ("ends_on", "reduced_on"), [("2026-08-31", "2026-09-01"), ("2026-09-20", "2026-09-01")]
)
def test_coupon_for_one_invoice_is_used_up_by_the_usage_of_its_time(ends_on, reduced_on):
    """The quarterly seats of 11-01 are billed whole: 09-01 was the first invoice."""
    seats = a_line(2, months=3, unit_price="60")
    more = a_line(3, months=3, start="2026-08-20", unit_price="30")
    once = an_amendment(more, coupons=(a_coupon(CouponDuration.ONCE, percent=50),))
    sold = an_order([usage(end=ends_on, unit_price="70"), seats])
    life = lived(sold, once, synced_at=[BEFORE, at("2026-08-10T09:00:00")])
    bills = usage_bills(life)
    assert [day for day, amount in bills.items() if amount == 600] == [reduced_on]
    assert in_process.billed_by_day(life.account)["2026-11-01", "802LINE002"] == 15_000


def test_coupon_for_one_invoice_that_runs_when_a_phase_is_changed_is_used_up_once():
    """Redeemed on 08-20, it reduces the usage of 11-01; the phase from 12-21 on shares it and has none left."""
    yearly = a_line(2, months=12, end="2026-12-20", unit_price="500")
    sold = an_order([usage(months=3), yearly])
    once = a_coupon(CouponDuration.ONCE, percent=50)
    more = an_amendment(
        a_line(3, months=12, start="2026-08-20", end="2026-12-20", unit_price="200"), coupons=(once,)
    )
    third = an_amendment(
        a_line(4, months=12, start="2026-10-01", end="2026-12-20", unit_price="150"), number=3
    )
    instants = [BEFORE, at("2026-08-19T09:00:00"), at("2026-09-30T09:00:00")]
    bills = usage_bills(lived(sold, more, third, synced_at=instants))
    assert (bills["2026-11-01"], bills["2027-02-01"]) == (600, 1200)


def test_equal_coupon_for_one_invoice_of_a_later_order_is_redeemed_anew():
    """The first reduced the invoice of 09-01 and does not run any more; the second reduces that of 11-01."""
    once = a_coupon(CouponDuration.ONCE, percent=50)
    sold = an_order([usage(), a_line(2, months=12, unit_price="500")])
    more = an_amendment(a_line(3, months=12, start="2026-08-20", unit_price="200"), coupons=(once,))
    again = an_amendment(
        a_line(4, months=12, start="2026-10-20", unit_price="150"), number=3, coupons=(once,)
    )
    instants = [BEFORE, at("2026-08-10T09:00:00"), at("2026-09-10T09:00:00")]
    bills = usage_bills(lived(sold, more, again, synced_at=instants))
    assert [bills[f"2026-{month}-01"] for month in ("09", "10", "11", "12")] == [600, 1200, 600, 1200]


def test_coupon_of_usage_for_one_invoice_is_not_given_again_by_a_change():
    """Usage from 03-10 on is first billed on 05-01, for what ran by then; from there on it is whole."""
    once = a_coupon(CouponDuration.ONCE, percent=50)
    metered = replace(usage(months=3, start="2026-03-10"), coupons=(once,))
    more = an_amendment(a_line(3, start="2026-07-01", unit_price="350"))
    life = lived(an_order([metered, a_line(2)]), more, synced_at=[BEFORE, at("2026-06-04T09:00:00")])
    assert [*usage_bills(life).values()] == [600, 1200, 1200, 1200]


def test_coupon_for_one_invoice_reduces_usage_of_a_phase_that_begins_while_it_is_synced():
    once = a_coupon(CouponDuration.ONCE, percent=50)
    late = a_line(2, start="2026-04-01", unit_price="500")
    bills = usage_bills(lived(an_order([usage(), late], coupons=(once,)), synced_at=[at("2026-05-01")]))
    assert [*bills.values()][:3] == [1800, 600, 1200]


def test_equal_fixed_amounts_come_off_usage_each_as_often_as_it_was_redeemed():
    three = a_coupon(amount=3)
    sold = an_order([usage(end="2026-06-30", unit_price="60"), a_line(2)], coupons=(three,))
    more = an_amendment(a_line(3, start="2026-06-01", unit_price="400"), coupons=(three,))
    bills = usage_bills(lived(sold, more, synced_at=[BEFORE, at("2026-06-04T09:00:00")]))
    assert bills["2026-07-01"] < 1200 - 300


def test_fixed_amount_comes_off_usage_and_off_what_begins_with_a_phase_that_names_it_again():
    sold = an_order(
        [usage(), a_line(2), a_line(3, start="2026-04-01", unit_price="500")], coupons=(a_coupon(amount=13),)
    )
    bills = usage_bills(lived(sold, synced_at=[BEFORE]))
    assert "2026-04-01" not in bills


def test_fixed_amount_that_runs_comes_off_each_invoice_once_after_a_change():
    sold = an_order([usage(), a_line(2)], coupons=(a_coupon(amount=13),))
    more = an_amendment(a_line(3, start="2026-06-01", unit_price="400"))
    bills = usage_bills(lived(sold, more, synced_at=[BEFORE, at("2026-05-13T09:00:00")]))
    assert 1100 < bills["2026-06-01"] < 1200


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
