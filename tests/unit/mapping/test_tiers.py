"""Consumption schedules become price tiers (B3.5); what Stripe could not hold is refused (B13)."""

from __future__ import annotations

from decimal import Decimal

import pytest
from tests.unit.mapping.records import (
    OWN_SCHEDULE,
    PRODUCT_SCHEDULE,
    SEATS,
    a_contract,
    a_one_time_item,
    a_product_rate,
    a_product_schedule,
    an_item,
    an_order,
    an_own_rate,
    an_own_schedule,
    codes,
    configured,
    history_of,
    only_refusal,
)

from cpqbridge.domain.order import Tier, TiersMode, TierTable
from cpqbridge.mapping.tiers import product_schedule_ids

SCHEDULES = "SBQQ__OrderItemConsumptionSchedule__c"
RATES = "SBQQ__OrderItemConsumptionRate__c"
OF_PRODUCT = {
    "ProductConsumptionSchedule": (a_product_schedule(),),
    "ConsumptionRate": (a_product_rate(), a_product_rate(1000, "0.60")),
}


def own(*rates, **changes):
    return {SCHEDULES: (an_own_schedule(**changes),), RATES: rates or (an_own_rate(),)}


def tiers_of(extra, **parts):
    history = history_of(extra=extra, **parts)
    assert codes(history) == []
    return history.orders[0].lines[0].tiers


def test_tiers_when_the_line_has_a_slab_are_graduated_and_sorted_with_the_open_one_last():
    extra = own(an_own_rate(), an_own_rate(500, "0.70"), an_own_rate(Decimal("100.0"), "0"))
    assert tiers_of(extra) == TierTable(
        mode=TiersMode.GRADUATED,
        tiers=(
            Tier(up_to=100, unit_price=Decimal(0)),
            Tier(up_to=500, unit_price=Decimal("0.70")),
            Tier(up_to=None, unit_price=Decimal("0.50")),
        ),
    )


def test_tiers_when_the_schedule_is_a_range_are_by_volume():
    assert tiers_of(own(SBQQ__Type__c="Range")).mode is TiersMode.VOLUME


@pytest.mark.parametrize("method", ["FlatFee", "Flat Fee", "flat fee"])
def test_tier_when_it_is_a_flat_fee_is_charged_once(method):
    tiers = tiers_of(own(an_own_rate(price="90", SBQQ__PricingMethod__c=method))).tiers
    assert tiers == (Tier(up_to=None, flat_price=Decimal(90)),)


def test_tier_when_its_method_is_spelt_with_a_space_is_per_unit():
    tiers = tiers_of(own(an_own_rate(SBQQ__PricingMethod__c="Per Unit"))).tiers
    assert tiers == (Tier(up_to=None, unit_price=Decimal("0.50")),)


def test_tier_when_its_upper_bound_is_given_still_holds_that_unit():
    assert tiers_of(own(an_own_rate(100), an_own_rate())).tiers[0].up_to == 100


def test_tiers_when_the_line_has_none_are_those_of_its_product():
    table = tiers_of(OF_PRODUCT)
    assert table == TierTable(
        mode=TiersMode.VOLUME,
        tiers=(
            Tier(up_to=1000, unit_price=Decimal("0.60")),
            Tier(up_to=None, unit_price=Decimal("0.40")),
        ),
    )


def test_tiers_when_the_line_has_its_own_are_not_those_of_its_product():
    assert tiers_of(OF_PRODUCT | own()).mode is TiersMode.GRADUATED


def test_tiers_when_the_products_schedule_is_not_active_are_none():
    inactive = a_product_schedule(
        ConsumptionSchedule={"Type": "Range", "RatingMethod": "Tier", "IsActive": False}
    )
    assert tiers_of({"ProductConsumptionSchedule": (inactive,)}) is None


def test_tiers_when_there_is_no_schedule_or_the_line_does_not_recur_are_none():
    assert tiers_of({}) is None
    one_time = a_one_time_item(Product2Id="01tQy00000PrD01IAF")
    assert tiers_of(OF_PRODUCT, items=[one_time]) is None


def test_rates_of_products_are_needed_only_where_a_line_has_no_schedule_of_its_own():
    assert product_schedule_ids(a_contract(extra=OF_PRODUCT)) == (PRODUCT_SCHEDULE,)
    assert product_schedule_ids(a_contract(extra=OF_PRODUCT | own())) == ()
    assert product_schedule_ids(a_contract(items=[a_one_time_item()], extra=OF_PRODUCT)) == ()


@pytest.mark.parametrize(
    ("extra", "code", "record_id", "field"),
    [
        ({SCHEDULES: (an_own_schedule(), an_own_schedule(Id="a0n2"))}, "several", SEATS, SCHEDULES),
        (own(SBQQ__Type__c="Tower"), "pricing_method_unknown", OWN_SCHEDULE, "SBQQ__Type__c"),
        (own(SBQQ__Type__c=None), "pricing_method_unknown", OWN_SCHEDULE, "SBQQ__Type__c"),
        (
            own(SBQQ__RatingMethod__c="Attribute"),
            "pricing_method_unknown",
            OWN_SCHEDULE,
            "SBQQ__RatingMethod__c",
        ),
        (
            own(an_own_rate(Id="a0m1", SBQQ__PricingMethod__c="Package")),
            "pricing_method_unknown",
            "a0m1",
            "SBQQ__PricingMethod__c",
        ),
        (
            own(an_own_rate(Decimal("1.5"), Id="a0m1"), an_own_rate()),
            "tier_bound_not_whole",
            "a0m1",
            "SBQQ__UpperBound__c",
        ),
        (own(an_own_rate(0, Id="a0m1"), an_own_rate()), "tier_bound", "a0m1", "SBQQ__UpperBound__c"),
        (
            own(an_own_rate(5), an_own_rate(5, Id="a0m1"), an_own_rate()),
            "tier_bound_not_whole",
            OWN_SCHEDULE,
            "SBQQ__UpperBound__c",
        ),
        (own(an_own_rate(5)), "tiers_open", OWN_SCHEDULE, "SBQQ__UpperBound__c"),
        (own(an_own_rate(), an_own_rate(Id="a0m1")), "tiers_open", OWN_SCHEDULE, "SBQQ__UpperBound__c"),
        ({SCHEDULES: (an_own_schedule(),)}, "tiers_open", OWN_SCHEDULE, "SBQQ__UpperBound__c"),
        (own(an_own_rate(Id="a0m1", SBQQ__Price__c=None)), "unit_price_empty", "a0m1", "SBQQ__Price__c"),
        (own(an_own_rate(Id="a0m1", price="-1")), "price_negative", "a0m1", "SBQQ__Price__c"),
        (own(an_own_rate(Id="a0m1", CurrencyIsoCode="EUR")), "currency_mixed", "a0m1", "CurrencyIsoCode"),
        (
            OF_PRODUCT | {"ConsumptionRate": (a_product_rate(Id="0o21", PricingMethod="x"),)},
            "pricing_method_unknown",
            "0o21",
            "PricingMethod",
        ),
    ],
)
def test_tiers_when_they_cannot_be_billed_are_refused(extra, code, record_id, field):
    refusal = only_refusal(history_of(extra=extra))
    assert refusal.code.startswith(code)
    assert (refusal.record_id, refusal.field) == (record_id, field)
    assert refusal.message.startswith(f"Order line {SEATS} (Seat)")


def test_tiers_when_in_the_currency_of_a_multi_currency_order_are_read():
    history = history_of(
        orders=[an_order(CurrencyIsoCode="EUR")],
        items=[an_item(CurrencyIsoCode="EUR")],
        extra=own(an_own_rate(CurrencyIsoCode="EUR")),
        configuration=configured(),
    )
    assert codes(history) == []
    assert history.orders[0].lines[0].tiers is not None


def test_metered_line_when_it_has_no_prices_is_billed_by_its_tiers():
    usage = {"SBQQ__BillingType__c": "Arrears", "Quantity": Decimal(1), "UnitPrice": None, "TotalPrice": None}
    history = history_of(items=[an_item(**usage)], extra=own())
    assert codes(history) == []
    (line,) = history.orders[0].lines
    assert (line.metered, line.unit_price, line.total_price) == (True, 0, 0)
