"""The worked contract history of the design notes (salesforce.md 5), rebuilt call by call."""

import json
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path

import pytest

from cpqbridge_sim.salesforce.cpq import Change, Cpq, Line

EXPECTED = json.loads((Path(__file__).parent / "section_5.json").read_text(), parse_float=Decimal)


def _at(text):
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@pytest.fixture(scope="module")
def records():
    # Section 5 has one line per lineage on an amendment, with the sum of its subscriptions.
    cpq = Cpq(precision="monthly_daily", amendment_shows="lineage")
    baden = cpq.account("Baden Trading", email="ap@baden.example")
    seat = cpq.product("Seat", default_term=1, frequency="Monthly")
    support = cpq.product("Premium Support", default_term=12, frequency="Annual")
    onboarding = cpq.product("Onboarding", pricing=None, default_term=None)
    for product, amount in ((seat, 50), (support, 1200), (onboarding, 750)):
        cpq.price(product, amount)
    quote = cpq.quote(
        baden,
        start=date(2026, 2, 1),
        term=12,
        payment_term="Net 30",
        lines=[Line(product=seat, quantity=10), Line(product=support), Line(product=onboarding)],
    )
    first = cpq.activate(cpq.order(quote, number="00000101"), at=_at("2026-01-28T15:04:05"))
    contract = cpq.contract(first, at=_at("2026-01-28T15:06:11"))
    for number, start, by, at in (
        ("00000117", date(2026, 5, 13), 2, "2026-05-12T09:30:00"),
        ("00000130", date(2026, 8, 20), -3, "2026-08-19T16:45:00"),
    ):
        change = Change(line=first.lines[0], by=by)
        order = cpq.amend(contract, start=start, changes=[change], number=number)
        cpq.contract(cpq.activate(order, at=_at(at)), at=_at(at))
    return cpq.records()


def _by_id(records, sobject):
    return {record["Id"]: record for record in records[sobject]}


def _joined(records, sobject, record):
    """Return a record with the parents that the queries of section 5 ask for."""
    parents = {
        "Order": {
            "Account": ("AccountId", "Account"),
            "Opportunity": ("OpportunityId", "Opportunity"),
            "SBQQ__Quote__r": ("SBQQ__Quote__c", "SBQQ__Quote__c"),
        },
        "OrderItem": {
            "Product2": ("Product2Id", "Product2"),
            "PricebookEntry": ("PricebookEntryId", "PricebookEntry"),
        },
    }[sobject]
    return record | {
        name: _by_id(records, parent)[record[field]] for name, (field, parent) in parents.items()
    }


def _assert_same(expected, actual, ids):
    """Compare what section 5 shows; its ids may be other ids, but one for one."""
    for name, value in expected.items():
        if name == "attributes":
            continue
        if isinstance(value, dict):
            _assert_same(value, actual[name], ids)
        elif isinstance(value, str) and len(value) == 18 and value[3:5] == "Qy":
            assert ids.setdefault(value, actual[name]) == actual[name], name
            assert value[:3] == actual[name][:3], name
        else:
            assert (name, actual[name]) == (name, value)
            assert str(actual[name]) == str(value), name


def test_every_value_of_section_5_comes_out(records):
    ids = {}
    for kind, sobject in (("orders", "Order"), ("items", "OrderItem")):
        shown = EXPECTED[kind]["records"]
        assert EXPECTED[kind]["totalSize"] == len(shown) == len(records[sobject])
        for expected, record in zip(shown, records[sobject], strict=True):
            _assert_same(expected, _joined(records, sobject, record), ids)
    assert len(set(ids.values())) == len(ids)


def test_left_out_fields_have_the_shape_of_the_first_line(records):
    contract_id = records["Contract"][0]["Id"]
    for item in records["OrderItem"]:
        assert set(item) == set(records["OrderItem"][0])
        assert item["SBQQ__Status__c"] == "Activated"
        assert item["SBQQ__Activated__c"] is True
        assert item["SBQQ__Contract__c"] == contract_id


def test_order_totals_add_up(records):
    assert sum(order["TotalAmount"] for order in records["Order"]) == Decimal("8003.27")
    assert sum(item["TotalPrice"] for item in records["OrderItem"]) == Decimal("8003.27")


def test_subscriptions_are_linked_to_their_first(records):
    root, _, increase, decrease = records["SBQQ__Subscription__c"]
    assert root["SBQQ__RevisedSubscription__c"] is None
    assert increase["SBQQ__RevisedSubscription__c"] == decrease["SBQQ__RevisedSubscription__c"] == root["Id"]
    assert [each["SBQQ__Quantity__c"] for each in (root, increase, decrease)] == [10, 2, -3]


def test_amendment_quote_shows_the_total_and_the_difference(records):
    lines = [
        line
        for line in records["SBQQ__QuoteLine__c"]
        if line["SBQQ__Existing__c"] and line["SBQQ__EffectiveQuantity__c"]
    ]
    assert [
        (line["SBQQ__PriorQuantity__c"], line["SBQQ__Quantity__c"], line["SBQQ__EffectiveQuantity__c"])
        for line in lines
    ] == [(10, 12, 2), (12, 9, -3)]
