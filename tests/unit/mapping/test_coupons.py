"""Coupons of orders and lines (B11.1), and what Stripe could not hold of them (B13)."""

from __future__ import annotations

from decimal import Decimal

import pytest
from tests.unit.mapping.records import (
    COUPON,
    ORDER,
    SEATS,
    a_line_coupon,
    a_one_time_item,
    an_item,
    an_order,
    an_order_coupon,
    codes,
    configured,
    history_of,
    only_refusal,
)

from cpqbridge.domain.order import Coupon, CouponDuration

ON_ORDERS = "Order_Stripe_Coupon_Association__c"
ON_LINES = "Order_Item_Stripe_Coupon_Association__c"
TEN_OFF = {
    "Percent_Off__c": None,
    "Amount_Off__c": Decimal("10.00"),
    "Currency__c": "USD",
    "Duration__c": "repeating",
    "Duration_In_Months__c": Decimal("3.0"),
    "Max_Redemptions__c": Decimal("50.0"),
}


def on_order(**coupon):
    return {ON_ORDERS: (an_order_coupon(coupon=coupon),)}


def the_coupon(extra, **parts):
    history = history_of(extra=extra, **parts)
    assert codes(history) == []
    (coupon,) = history.orders[0].coupons
    return coupon


def test_coupon_when_on_the_order_is_the_orders_with_its_percentage():
    history = history_of(extra=on_order())
    (order,) = history.orders
    assert order.coupons == (
        Coupon(
            coupon_id=COUPON, name="Welcome", duration=CouponDuration.FOREVER, percent_off=Decimal("20.0")
        ),
    )
    assert [line.coupons for line in order.lines] == [()]


def test_coupon_when_on_a_line_is_that_lines_alone():
    history = history_of(items=[an_item(), a_one_time_item()], extra={ON_LINES: (a_line_coupon(),)})
    (order,) = history.orders
    assert order.coupons == ()
    assert {line.order_item_id: len(line.coupons) for line in order.lines} == {
        SEATS: 1,
        a_one_time_item()["Id"]: 0,
    }


def test_coupon_when_it_takes_an_amount_off_repeats_for_its_months():
    coupon = the_coupon(on_order(**TEN_OFF))
    assert (coupon.amount_off, coupon.currency, coupon.percent_off) == (Decimal("10.00"), "usd", None)
    assert coupon.duration is CouponDuration.REPEATING
    assert (coupon.duration_in_months, coupon.max_redemptions) == (3, 50)


def test_coupon_when_it_does_not_repeat_has_no_months_and_a_percentage_no_currency():
    coupon = the_coupon(on_order(Duration_In_Months__c=Decimal(3), Currency__c="EUR"))
    assert (coupon.duration_in_months, coupon.currency) == (None, None)


def test_coupons_when_several_come_in_the_order_they_were_associated_each_once():
    first = {"Order_Stripe_Coupon__c": "a2F2", "CreatedDate": "2026-01-01T00:00:00.000+0000"}
    links = (
        an_order_coupon(Id="a2G3"),
        an_order_coupon(Id="a2G2", Order_Stripe_Coupon__c="a2F3"),
        an_order_coupon(Id="a2G9", **first),
        an_order_coupon(Id="a2G1"),
    )
    for extra in ({ON_ORDERS: links}, {ON_ORDERS: links[::-1]}):
        order = history_of(extra=extra).orders[0]
        assert [coupon.coupon_id for coupon in order.coupons] == ["a2F2", COUPON, "a2F3"]


def test_coupon_when_mapped_takes_its_parameters_from_the_order():
    rules = {
        "name": {"field": "Campaign__c"},
        "metadata.region": {"value": "EMEA"},
        "max_redemptions": {"value": 5},
    }
    coupon = the_coupon(
        on_order(),
        orders=[an_order(Campaign__c="Spring")],
        configuration=configured(mapping={"coupon": rules}),
    )
    assert (coupon.name, coupon.max_redemptions) == ("Spring", 5)
    assert coupon.parameters == {"metadata.region": "EMEA"}


@pytest.mark.parametrize(
    ("coupon", "code", "field"),
    [
        ({"Percent_Off__c": None}, "coupon_amounts", "Percent_Off__c"),
        ({"Amount_Off__c": Decimal(5), "Currency__c": "USD"}, "coupon_amounts", "Percent_Off__c"),
        (TEN_OFF | {"Currency__c": None}, "coupon_amounts", "Currency__c"),
        (TEN_OFF | {"Currency__c": "EUR"}, "currency_mixed", "Currency__c"),
        (TEN_OFF | {"Amount_Off__c": Decimal(0)}, "coupon_value", "Amount_Off__c"),
        (TEN_OFF | {"Duration_In_Months__c": None}, "coupon_value", "Duration_In_Months__c"),
        (TEN_OFF | {"Duration_In_Months__c": Decimal(0)}, "coupon_value", "Duration_In_Months__c"),
        ({"Percent_Off__c": Decimal(0)}, "coupon_value", "Percent_Off__c"),
        ({"Percent_Off__c": Decimal("100.01")}, "coupon_value", "Percent_Off__c"),
        ({"Max_Redemptions__c": Decimal(-1)}, "coupon_value", "Max_Redemptions__c"),
        (
            {"Max_Redemptions__c": Decimal("1.5")},
            "value_type",
            "Order_Stripe_Coupon__c.Max_Redemptions__c",
        ),
        ({"Duration__c": "sometimes"}, "value_type", "Order_Stripe_Coupon__c.Duration__c"),
        ({"Duration__c": None}, "required_empty", "Order_Stripe_Coupon__c.Duration__c"),
    ],
)
def test_coupon_when_stripe_could_not_hold_it_is_refused(coupon, code, field):
    refusal = only_refusal(history_of(extra=on_order(**coupon)))
    assert (refusal.code, refusal.field, refusal.record_id) == (code, field, COUPON)
    assert refusal.message.startswith(f"Order 00000101: coupon {COUPON}")


def test_coupon_when_its_record_is_not_seen_is_refused():
    for change in ({"Order_Stripe_Coupon__r": None}, {"Order_Stripe_Coupon__c": None}):
        refusal = only_refusal(history_of(extra={ON_ORDERS: (an_order_coupon(**change),)}))
        assert (refusal.code, refusal.record_id) == ("record_unreadable", ORDER)


def test_coupon_when_it_takes_everything_off_is_taken():
    assert the_coupon(on_order(Percent_Off__c=Decimal(100))).percent_off == 100
