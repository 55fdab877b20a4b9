from collections import Counter
from datetime import date
from decimal import Decimal
from fractions import Fraction
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cpqbridge_sim.salesforce.cpq import PRECISIONS, random_org
from cpqbridge_sim.salesforce.cpq.proration import months_in_span


def test_a_seed_gives_the_same_org_for_ever():
    one, other = (random_org(Random(7), contracts=20) for _ in range(2))
    assert one == other
    assert one != random_org(Random(8), contracts=20)


@given(st.integers(0, 2**32), st.sampled_from(PRECISIONS))
@settings(max_examples=40)
def test_random_orders_are_of_the_kinds_that_go_through(seed, precision):
    org = random_org(Random(seed), contracts=4, precision=precision)
    assert org.precision == precision
    assert {order["StatusCode"] for order in org.records["Order"]} == {"Activated"}
    assert len([order for order in org.records["Order"] if order["Type"] == "New"]) == 4
    for order in org.records["Order"]:
        lines = [item for item in org.records["OrderItem"] if item["OrderId"] == order["Id"]]
        assert lines
        recurring = [item for item in lines if item["SBQQ__SubscriptionPricing__c"]]
        assert len({item["SBQQ__BillingFrequency__c"] for item in recurring}) <= 1
        assert {item["CurrencyIsoCode"] for item in lines} == {order["CurrencyIsoCode"]}
        for item in lines:
            assert item["Quantity"] > 0 or item["SBQQ__RevisedOrderProduct__c"]
            assert item["Quantity"] % 1 == 0
            assert item["Quantity"] != 0
            assert item["UnitPrice"] >= 0
            assert item["TotalPrice"] == item["UnitPrice"] * item["Quantity"]


@pytest.mark.parametrize("precision", PRECISIONS)
def test_prices_and_multipliers_of_ending_lines_agree_with_their_dates(precision):
    org = random_org(Random(11), contracts=60, precision=precision)
    partial = 0
    for item in org.records["OrderItem"]:
        # A typed term is whole months by definition; only end dates are counted by the setting.
        if item["EndDate"] is None or item["SBQQ__SubscriptionTerm__c"] is not None:
            continue
        start, end = (date.fromisoformat(item[field]) for field in ("ServiceDate", "EndDate"))
        assert date(2020, 1, 1) <= start <= end <= date(2040, 12, 31)
        months = months_in_span(precision, start, end)
        multiplier = months / Fraction(item["SBQQ__DefaultSubscriptionTerm__c"] or 12)
        assert abs(multiplier - Fraction(item["SBQQ__ProrateMultiplier__c"])) < Fraction(1, 10**12)
        partial += months.denominator != 1
    assert partial or precision == "month"


def test_dates_that_hurt_are_common():
    org = random_org(Random(5), contracts=300, currencies=["USD"])
    starts = [date.fromisoformat(order["EffectiveDate"]) for order in org.records["Order"]]
    assert sum(start.day >= 29 for start in starts) > 60
    assert sum((start.month, start.day) == (2, 29) for start in starts) > 20
    assert "CurrencyIsoCode" not in org.records["Order"][0]
    assert any(item["SBQQ__ChargeType__c"] == "One-Time" for item in org.records["OrderItem"])
    assert Decimal(0) not in {item["TotalPrice"] for item in org.records["OrderItem"]}


def test_changes_of_every_kind_come_by_chance_and_never_go_below_zero():
    org = random_org(Random(17), contracts=200).records
    kinds = Counter(order["Type"] for order in org["Order"])
    assert kinds["New"] == 200
    assert kinds["Amendment"] > 200
    assert kinds["Renewal"] > 10
    items = {item["Id"]: item for item in org["OrderItem"]}
    actions = Counter(item["SBQQ__ContractAction__c"] for item in items.values())
    assert min(actions[each] for each in ("Quantity Increase", "Quantity Decrease", "Renew")) > 10
    assert sum(item["SBQQ__TerminatedDate__c"] is not None for item in items.values()) > 50
    left = Counter()
    for item in items.values():
        root = item
        while root["SBQQ__RevisedOrderProduct__c"]:
            root = items[root["SBQQ__RevisedOrderProduct__c"]]
        left[root["Id"]] += item["Quantity"]
    assert min(left.values()) == 0
    backdated = [
        o for o in org["Order"] if o["Type"] == "Amendment" and o["EffectiveDate"] < o["ActivatedDate"][:10]
    ]
    ahead = [
        o for o in org["Order"] if o["Type"] == "Amendment" and o["EffectiveDate"] > o["ActivatedDate"][:10]
    ]
    assert min(len(backdated), len(ahead)) > 20


def test_org_without_changes_has_one_order_for_each_contract():
    org = random_org(Random(17), contracts=30, most_changes=0).records
    assert {order["Type"] for order in org["Order"]} == {"New"}
    assert len(org["Order"]) == 30
