"""Coupons: what they reduce and from when to when, what credits give back of it (B11).

Ten seats at 50.00 a month from 1 February, 500.00 each month, unless a test says otherwise.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta
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

from cpqbridge.domain.billing import RunningDiscount
from cpqbridge.domain.order import Coupon, CouponDuration
from cpqbridge.domain.pricing import DiscountTerms
from cpqbridge.domain.refusal import OrderState
from cpqbridge.mapping.policies import CreditsPolicy, ItemsPolicy
from cpqbridge.planning.discounts import coupon_key, reduced, spread

HALF = {"percent_off": "50"}
THE_END = at("2027-03-15")


def a_coupon(*, percent_off=None, amount_off=None, months=None, once=False, name="Welcome", **changes):
    duration = CouponDuration.ONCE if once else CouponDuration.FOREVER
    coupon = Coupon(
        coupon_id="a2f1",
        name=name,
        duration=CouponDuration.REPEATING if months else duration,
        percent_off=None if percent_off is None else Decimal(percent_off),
        amount_off=None if amount_off is None else Decimal(amount_off),
        currency=None if amount_off is None else "usd",
        duration_in_months=months,
    )
    return replace(coupon, **changes)


def ten_seats(*coupons, on_line=(), **changes):
    return an_order([seats(1, 10, "2026-02-01", coupons=tuple(on_line))], coupons=coupons, **changes)


def lived(*syncs, configuration=CONFIGURATION, now=BEFORE):
    """Sync each (instant, orders known by then), run to the end, and check the forecast; return the life."""
    life = a_life(now=now, configuration=configuration)
    for instant, orders in syncs:
        life.run_until(instant)
        life.sync(a_history(*orders), instant)
    life.run_until(THE_END)
    assert in_process.billed_by_day(life.account) == in_process.forecast_by_day(life.plan)
    return life


def by_month(life) -> dict[str, int]:
    """Return what is billed and credited by UTC day, in minor units, without what comes to nothing."""
    found: dict[str, int] = {}
    for (day, _), amount in in_process.billed_by_day(life.account).items():
        found[day] = found.get(day, 0) + amount
    return {day: amount for day, amount in sorted(found.items()) if amount}


class TestWhenACouponHolds:
    def test_forever_on_every_invoice(self):
        planned = plan(a_line(), coupons=(a_coupon(percent_off="20"),))
        assert {total for _, total in invoices_of(planned)} == {40000}
        assert differences_of(planned) == {"802LINE001": (-120000, "discount")}

    def test_months_are_counted_from_the_first_day_and_judged_by_where_a_period_begins(self):
        line = seats(1, 10, "2026-02-01", coupons=(a_coupon(**HALF, months=3),))
        assert [total for _, total in invoices_of(plan(line))[:4]] == [25000, 25000, 25000, 50000]

    def test_a_line_that_starts_inside_a_period_counts_from_its_own_start(self):
        """One month from 13 May: the head of 62.46 and the period that begins on 1 June, not that of 13 June."""
        added = seats(2, 2, "2026-05-13", coupons=(a_coupon(**HALF, months=1),))
        life = lived((BEFORE, [ten_seats()]), (at("2026-05-10"), [ten_seats(), an_amendment(added)]))
        found = by_month(life)
        assert (found["2026-05-13"], found["2026-06-01"], found["2026-07-01"]) == (3123, 55000, 60000)

    def test_once_reduces_the_first_invoice_only(self):
        line = seats(1, 10, "2026-02-01", coupons=(a_coupon(**HALF, once=True),))
        assert [total for _, total in invoices_of(plan(line))[:3]] == [25000, 50000, 50000]

    def test_once_reduces_all_that_a_late_first_invoice_bills(self):
        order = ten_seats(a_coupon(**HALF, once=True))
        life = lived((at("2026-04-10"), [order]), now=at("2026-04-10"), configuration=_any_delay())
        found = by_month(life)
        assert (found["2026-04-10"], found["2026-05-01"]) == (75000, 50000)

    def test_a_coupon_that_begins_in_between_reduces_only_its_part_of_a_late_first_invoice(self):
        """Stripe would reduce all of it: the elapsed months are one sum instead, 500.00 and twice 250.00."""
        more = an_amendment(seats(2, 1, "2026-03-01"), coupons=(a_coupon(**HALF),))
        life = lived(
            (at("2026-04-10"), [ten_seats(), more]), now=at("2026-04-10"), configuration=_any_delay()
        )
        found = by_month(life)
        assert found["2026-04-10"] == 50000 + 2 * 25000 + 2 * 2500
        assert found["2026-05-01"] == 27500

    def test_what_was_billed_before_a_coupon_was_known_stays_as_it_was(self):
        more = an_amendment(
            seats(2, 1, "2026-05-01"), coupons=(a_coupon(**HALF),), activated_at=at("2026-06-10")
        )
        life = lived((BEFORE, [ten_seats()]), (at("2026-06-10"), [ten_seats(), more]))
        found = by_month(life)
        assert (found["2026-05-01"], found["2026-06-01"]) == (50000, 50000)
        assert (found["2026-06-10"], found["2026-07-01"]) == (5000, 27500)

    def test_an_order_that_only_reduces_gives_its_coupon_to_what_it_reduces(self):
        fewer = an_amendment(seats(2, -2, "2026-08-01", revises=1), coupons=(a_coupon(**HALF),))
        found = by_month(lived((BEFORE, [ten_seats(), fewer])))
        assert (found["2026-07-01"], found["2026-08-01"]) == (50000, 20000)


class TestEqualCoupons:
    def test_two_orders_share_one_stripe_coupon_and_each_keeps_its_months(self):
        """Half off for five months from February, and again from April: a quarter is left until June."""
        first = ten_seats(a_coupon(**HALF, months=5))
        more = an_amendment(seats(2, 1, "2026-04-01"), coupons=(a_coupon(**HALF, months=5),))
        life = lived((BEFORE, [first]), (at("2026-03-20"), [first, more]))
        assert len([key for key in life.state.links if key.startswith("coupon:")]) == 1
        found = by_month(life)
        assert [found[f"2026-{month:02}-01"] for month in range(2, 10)] == [
            *(25000, 25000),
            *(13750, 13750, 13750),
            *(27500, 27500),
            55000,
        ]

    def test_an_edited_coupon_is_another_one(self):
        coupon = a_coupon(percent_off="20")
        assert coupon_key(coupon) == coupon_key(
            replace(coupon, coupon_id="a2f9", percent_off=Decimal("20.00"))
        )
        for edited in (
            replace(coupon, percent_off=Decimal(21)),
            replace(coupon, name="Autumn"),
            a_coupon(percent_off="20", once=True),
            a_coupon(amount_off="20"),
        ):
            assert coupon_key(edited) != coupon_key(coupon)

    def test_an_edit_after_the_sync_is_drift_that_is_held(self):
        life = a_life()
        life.sync(a_history(ten_seats(a_coupon(percent_off="20"))), BEFORE)
        edited = ten_seats(a_coupon(percent_off="30"))
        planned = life.sync(a_history(edited), BEFORE + timedelta(days=1))
        assert states_of(planned) == [(OrderState.HELD, ["changed_after_sync"])]

    def test_a_discount_that_ends_inside_a_phase_is_not_named_in_it(self):
        """It belongs to an equal coupon that began earlier."""
        order = ten_seats(a_coupon(**HALF, months=5))
        life = a_life()
        life.sync(a_history(order), BEFORE)
        (key,) = life.state.objects
        coupon_id = next(link.stripe_id for name, link in life.state.links.items() if name[:7] == "coupon:")
        ending = RunningDiscount(discount_id="di_1", coupon_id=coupon_id, ends_at=at("2026-03-01"))
        going_on = replace(ending, discount_id="di_2", ends_at=at("2026-07-01"))
        life.history = a_history(order, an_amendment(seats(2, 1, "2026-05-01")))
        for running, named in (([ending], "coupon"), ([ending, going_on], "discount")):
            planned = life._planned(replace(life.state, discounts={key: tuple(running)}))
            step = next(step for step in planned.steps if step.action.value == "update_schedule")
            assert list(step.parameters["phases"][0]["discounts"][0]) == [named]


class TestItems:
    def test_lines_of_one_lineage_with_other_coupons_are_not_merged(self):
        order = ten_seats()
        more = an_amendment(seats(2, 5, "2026-05-01", revises=1, coupons=(a_coupon(**HALF),)))
        policy = a_policy(items=ItemsPolicy.MERGED)
        life = lived((BEFORE, [order, more]), configuration=policy)
        assert by_month(life)["2026-05-01"] == 50000 + 12500

    def test_lines_of_one_lineage_with_equal_coupons_are_merged(self):
        coupon = a_coupon(**HALF)
        order = ten_seats(on_line=[coupon])
        more = an_amendment(seats(2, 5, "2026-05-01", revises=1, coupons=(coupon,)))
        planned = a_life(configuration=a_policy(items=ItemsPolicy.MERGED)).sync(
            a_history(order, more), BEFORE
        )
        last = planned.objects[0].phases[-1]
        assert [item.order_item_ids for item in last.items] == [("802LINE001", "802LINE002")]
        assert len(last.items[0].discounts) == 1

    def test_a_late_line_for_nothing_is_not_credited_what_rounding_leaves(self):
        """12 x 8.33 are 99.96 of 100.00: the catch-up has four cents more, which are free as well."""
        line = a_line(quantity="1", unit_price="100", entry=None, coupons=(a_coupon(percent_off="100"),))
        late = at("2026-03-10")
        more = an_amendment(seats(2, 1, "2026-03-01"), coupons=(a_coupon(**HALF),))
        life = lived((late, [an_order([line]), more]), now=late, configuration=_any_delay())
        assert in_process.billed_by_line(life.account)["802LINE001"] == 0


class TestOneTimeLines:
    def test_own_coupons_come_first_then_those_of_the_order(self):
        line = a_one_time_line(total="100", coupons=(a_coupon(amount_off="20"),))
        planned = plan(line, coupons=(a_coupon(**HALF),))
        assert documents_of(planned) == [("invoice", "2026-01-28", 4000)]

    def test_a_fixed_amount_of_an_order_without_seats_is_spread_over_its_lines(self):
        lines = [a_one_time_line(8, total="100"), a_one_time_line(9, total="200")]
        planned = plan(*lines, coupons=(a_coupon(amount_off="50"),))
        assert documents_of(planned) == [("invoice", "2026-01-28", 25000)]
        assert differences_of(planned) == {
            "802LINE008": (-1666, "discount"),
            "802LINE009": (-3334, "discount"),
        }

    def test_a_fixed_amount_of_an_order_with_seats_is_for_its_subscription(self):
        planned = plan(seats(1, 10, "2026-02-01"), a_one_time_line(), coupons=(a_coupon(amount_off="50"),))
        assert invoices_of(planned)[0] == ("2026-02-01", 45000 + 75000)

    def test_a_credit_is_not_reduced(self):
        line = a_one_time_line(total="-100", coupons=(a_coupon(**HALF),))
        planned = plan(seats(1, 10, "2026-02-01"), line)
        assert invoices_of(planned)[0] == ("2026-02-01", 40000)


class TestCredits:
    def test_each_elapsed_period_is_given_back_as_it_was_billed(self):
        """-2 from 1 March, known on 20 June: March was free, April to June were not. 3 x 100.00."""
        order = ten_seats(a_coupon(percent_off="100", months=2))
        fewer = an_amendment(seats(2, -2, "2026-03-01", revises=1), activated_at=at("2026-06-20"))
        found = by_month(
            lived((BEFORE, [order]), (at("2026-06-20"), [order, fewer]), configuration=_credit_notes())
        )
        assert found["2026-06-20"] == -30000

    def test_a_head_that_was_reduced_is_given_back_reduced(self):
        """+2 from 13 May for 62.46, half of it billed; -2 from 20 May, 12 days of 19 of it and no more."""
        order = ten_seats()
        more = an_amendment(seats(2, 2, "2026-05-13", coupons=(a_coupon(**HALF),)))
        fewer = an_amendment(seats(3, -2, "2026-05-20", revises=2), number=3)
        whole = seats(3, -2, "2026-05-20")
        gross = int(whole.total_price * 100) + 8 * 10000
        found = by_month(
            lived(
                (BEFORE, [order]),
                (at("2026-05-10"), [order, more]),
                (at("2026-05-19"), [order, more, fewer]),
                configuration=_credit_notes(),
            )
        )
        assert found["2026-05-13"] == 3123
        assert found["2026-05-20"] in (gross // 2, gross // 2 + 1)

    def test_what_was_billed_before_a_coupon_was_known_is_given_back_in_full(self):
        order = ten_seats()
        more = an_amendment(
            seats(2, 1, "2026-05-01"), coupons=(a_coupon(**HALF),), activated_at=at("2026-06-10")
        )
        fewer = an_amendment(seats(3, -2, "2026-05-01", revises=1), number=3, activated_at=at("2026-06-20"))
        found = by_month(
            lived(
                (BEFORE, [order]),
                (at("2026-06-10"), [order, more]),
                (at("2026-06-20"), [order, more, fewer]),
                configuration=_credit_notes(),
            )
        )
        assert found["2026-06-20"] == -2 * 10000

    def test_units_of_two_lines_are_given_back_as_each_was_billed(self):
        """-10 from 16 May of 4 for nothing since 8 May and 10 at full price: only six of them were paid."""
        order = ten_seats()
        free = an_amendment(seats(2, 4, "2026-05-08", revises=1, coupons=(a_coupon(percent_off="100"),)))
        fewer = an_amendment(seats(3, -10, "2026-05-16", revises=1), number=3)
        gross = -int(seats(3, -10, "2026-05-16").total_price * 100) - 8 * 50000
        found = by_month(
            lived(
                (BEFORE, [order, free]),
                (at("2026-05-10"), [order, free, fewer]),
                configuration=_credit_notes(),
            )
        )
        # A day of a part of a period is worth a little more than one of a month (365 days to 12 months).
        assert found["2026-05-16"] == pytest.approx(-gross * 6 / 10, rel=0.01)

    @pytest.mark.parametrize("coupon", [a_coupon(percent_off="100"), a_coupon(amount_off="9999")])
    def test_what_was_free_is_not_given_back(self, coupon):
        order = ten_seats(coupon)
        fewer = an_amendment(seats(2, -10, "2026-05-16", revises=1))
        assert by_month(lived((BEFORE, [order]), (at("2026-05-10"), [order, fewer]))) == {}

    def test_a_fixed_amount_stays_with_what_is_left_and_goes_with_the_last_of_it(self):
        """100.00 off each invoice of 500.00: nothing of it goes with five seats, all of it with the rest."""
        order = ten_seats(a_coupon(amount_off="100"))
        some = an_amendment(seats(2, -5, "2026-05-16", revises=1))
        rest = an_amendment(seats(3, -5, "2026-05-16", revises=1), number=3)
        half = -int(seats(2, -5, "2026-05-16").total_price * 100) - 8 * 25000
        life = lived(
            (BEFORE, [order]), (at("2026-05-10"), [order, some, rest]), configuration=_credit_notes()
        )
        credited = {
            line_id: amount
            for (day, line_id), amount in in_process.billed_by_day(life.account).items()
            if day == "2026-05-16"
        }
        assert credited == {"802LINE002": -half, "802LINE003": -round(Fraction(half * 150, 250))}

    def test_a_credit_does_not_wait_for_an_invoice_that_a_fixed_amount_eats_up(self):
        """450.00 off 500.00; -3 from 20 August leave 350.00, so September cannot carry 59.19."""
        order = ten_seats(a_coupon(amount_off="450"))
        fewer = an_amendment(seats(2, -3, "2026-08-20", revises=1))
        life = lived((BEFORE, [order]), (at("2026-08-10"), [order, fewer]))
        found = by_month(life)
        # 50.00 of August were paid for 500.00; the amount stays with the seven seats as far as they reach.
        assert found["2026-08-20"] < 0
        assert "2026-09-01" not in found
        assert all(invoice["total"] >= 0 for invoice in in_process.invoices_of(life.account))

    def test_what_is_left_to_rounding_is_as_free_as_its_period(self):
        """-1 on a boundary: CPQ's total is a few cents less than the cycles it takes."""
        line = a_line(quantity="2", unit_price="100", entry=None, coupons=(a_coupon(percent_off="100"),))
        fewer = an_amendment(
            a_line(2, quantity="-1", unit_price="49.99", start="2026-08-01", entry=None, revises="802LINE001")
        )
        order = an_order([line])
        assert by_month(lived((BEFORE, [order]), (at("2026-07-10"), [order, fewer]))) == {}

    def test_a_cent_for_seats_that_cost_nothing_was_not_reduced(self):
        order = an_order([seats(1, 10, "2026-02-01", price="0")], coupons=(a_coupon(**HALF),))
        cent = seats(2, -3, "2026-08-20", price="0", revises=1, total_price="-0.01")
        life = lived((BEFORE, [order]), (at("2026-08-10"), [order, an_amendment(cent)]))
        assert by_month(life) == {"2026-08-20": -1}

    def test_a_last_part_beside_a_renewal_was_billed_in_full(self):
        """The fixed amount came off what renewed on 1 April; the tail beside it is given back as it is."""
        ending = seats(1, 10, "2026-02-01", "2026-04-14")
        order = an_order([ending, seats(2, 10, "2026-02-01")], coupons=(a_coupon(amount_off="100"),))
        fewer = an_amendment(seats(3, -10, "2026-04-08", "2026-04-14", revises=1))
        life = lived((BEFORE, [order]), (at("2026-04-05"), [order, fewer]), configuration=_credit_notes())
        found = by_month(life)
        assert found["2026-04-01"] == 50000 - 10000 + int(ending.total_price * 100) - 2 * 50000
        assert found["2026-04-08"] == int(fewer.lines[0].total_price * 100)

    def test_what_begins_after_the_units_are_gone_counts_whole(self):
        """-10 of a line from 8 May and one from 1 June, known on 10 July: the latter's months are free."""
        order = ten_seats()
        later = an_amendment(seats(2, 4, "2026-06-01", revises=1, coupons=(a_coupon(percent_off="100"),)))
        fewer = an_amendment(seats(3, -4, "2026-06-10", revises=1), number=3, activated_at=at("2026-07-10"))
        life = lived(
            (BEFORE, [order, later]),
            (at("2026-07-10"), [order, later, fewer]),
            configuration=_credit_notes(),
        )
        assert "2026-07-10" not in by_month(life)

    def test_the_last_part_of_a_period_is_given_back_less_the_fixed_amounts_share(self):
        """Ends on 14 April: the tail of 14 days is billed less its share of 100.00, and so is what goes of it."""
        line = seats(1, 10, "2026-02-01", "2026-04-14")
        order = an_order([line], coupons=(a_coupon(amount_off="100"),))
        fewer = an_amendment(
            seats(2, -10, "2026-04-08", "2026-04-14", revises=1), activated_at=at("2026-04-05")
        )
        life = lived((BEFORE, [order]), (at("2026-04-05"), [order, fewer]), configuration=_credit_notes())
        found = by_month(life)
        tail, credit = found["2026-04-01"], found["2026-04-08"]
        gross = int(line.total_price * 100) - 2 * 50000
        assert tail == gross - 4667
        assert credit == -round(Fraction(int(-fewer.lines[0].total_price * 100) * tail, gross))


class TestInvoiceArithmetic:
    def test_an_items_own_discounts_come_first_then_the_invoices_on_what_is_left(self):
        own = DiscountTerms(key="coupon:1", name="One", percent_off="10", amount_off_minor=None)
        all_of_it = replace(own, key="coupon:2", percent_off="50")
        day = date(2026, 2, 1)
        off = reduced([1000, 999], [day, day], own={1: [own]}, bearers=[1, 2], shared=[[all_of_it]] * 2)
        # 1000 - 100 = 900, half of it 450; of 999 half up 500.
        assert off == [550, 500]

    def test_equal_coupons_of_two_orders_stack(self):
        terms = DiscountTerms(key="coupon:1", name="One", percent_off=None, amount_off_minor=500)
        days = [date(2026, 2, 1)] * 2
        off = reduced([1000, 1000], days, own={}, bearers=[1, 2], shared=[[terms, terms]] * 2)
        assert off == [500, 500]

    def test_what_begins_after_the_end_is_not_reduced(self):
        terms = DiscountTerms(
            key="coupon:1", name="One", percent_off=None, amount_off_minor=500, until_on=date(2026, 3, 1)
        )
        days = [date(2026, 2, 1), date(2026, 3, 1)]
        assert reduced([1000, 1000], days, own={}, bearers=[1, 2], shared=[[terms]] * 2) == [500, 0]

    @pytest.mark.parametrize(
        ("amount", "weights", "shares"),
        [
            (500, [1000, 2000], [166, 334]),
            (500, [100, 1], [100, 1]),
            (7, [0, -3], [0, 0]),
            (3, [1, 1, 1], [1, 1, 1]),
        ],
    )
    def test_a_fixed_amount_is_spread_in_proportion_and_never_below_zero(self, amount, weights, shares):
        assert spread(amount, weights) == shares


def _any_delay():
    return replace(CONFIGURATION, caps=replace(CONFIGURATION.caps, backdated_periods=99))


def _credit_notes():
    return a_policy(credits=CreditsPolicy.CREDIT_NOTE)
