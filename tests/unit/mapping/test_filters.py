"""Filters on accounts, products and price book entries, and the date on which an order was activated."""

from __future__ import annotations

from decimal import Decimal

import pytest
from tests.unit.mapping.records import ORDER, SEATS, an_item, an_order, configured, history_of

from cpqbridge.domain.refusal import OrderState
from cpqbridge.mapping.qualifying import FILTERED_OUT

OTHER = "802Qy00000LiNe2IAF"


def codes(history):
    return [(each.code, each.order_id, each.state) for each in history.refusals]


def test_order_when_its_account_meets_the_filter_counts():
    history = history_of(passing={"filters.Account": frozenset({ORDER})})
    assert (history.orders[0].activated, history.refusals) == (True, ())


def test_order_when_its_account_is_outside_the_filter_is_left_out_by_name():
    history = history_of(passing={"filters.Account": frozenset()})
    assert history.orders[0].activated is False
    assert codes(history) == [("account_filtered_out", ORDER, OrderState.SKIPPED)]
    assert "filters.Account" in history.refusals[0].message
    assert history.refusals[0].code in FILTERED_OUT


def test_draft_when_its_account_is_outside_the_filter_is_a_draft():
    draft = an_order(StatusCode="Draft", ActivatedDate=None)
    history = history_of(orders=[draft], passing={"filters.Account": frozenset()})
    assert (history.orders[0].activated, history.refusals) == (False, ())


@pytest.mark.parametrize("setting", ["filters.Product2", "filters.PricebookEntry"])
def test_line_when_outside_a_filter_is_left_out_with_what_it_was_sold_for(setting):
    items = [an_item(), an_item(Id=OTHER, TotalPrice=120.5, Product2={"Name": "Support"})]
    history = history_of(items=items, passing={setting: frozenset({SEATS})})
    (order,) = history.orders
    assert [line.order_item_id for line in order.lines] == [SEATS]
    (skipped,) = order.skipped_lines
    assert (skipped.order_item_id, skipped.left_out_by) == (OTHER, setting)
    assert (skipped.total_price, skipped.product_name) == (Decimal("120.5"), "Support")
    assert history.refusals == ()


@pytest.mark.parametrize(("total", "product"), [("no number", {"Name": 5}), (None, None)])
def test_line_when_left_out_hinders_nobody_by_what_it_holds(total, product):
    items = [an_item(), an_item(Id=OTHER, TotalPrice=total, Product2=product, SBQQ__BillingFrequency__c="?")]
    history = history_of(items=items, passing={"filters.Product2": frozenset({SEATS})})
    assert history.refusals == ()
    assert history.orders[0].skipped_lines[0].total_price == 0


def test_line_with_quantity_0_is_ignored_whatever_a_filter_says():
    items = [an_item(), an_item(Id=OTHER, Quantity=0)]
    history = history_of(items=items, passing={"filters.Product2": frozenset({SEATS})})
    assert (len(history.orders[0].lines), history.orders[0].skipped_lines) == (1, ())


def test_line_when_left_out_by_a_filter_may_not_change_one_that_is_billed():
    reduction = an_item(Id=OTHER, Quantity=-1, TotalPrice=-600, SBQQ__RevisedOrderProduct__c=SEATS)
    history = history_of(items=[an_item(), reduction], passing={"filters.PricebookEntry": frozenset({SEATS})})
    assert codes(history) == [("filter_splits_line", ORDER, OrderState.REFUSED)]
    both = history_of(items=[an_item(), reduction], passing={"filters.PricebookEntry": frozenset()})
    assert (codes(both), both.orders[0].skipped_line_ids) == ([], (SEATS, OTHER))


def test_line_when_skipped_by_its_box_may_change_one_that_is_billed():
    reduction = an_item(
        Id=OTHER, Quantity=-1, TotalPrice=-600, SBQQ__RevisedOrderProduct__c=SEATS, Skip_Line_Item__c=True
    )
    assert codes(history_of(items=[an_item(), reduction])) == []


def test_line_when_left_out_and_circular_is_left_out():
    items = [
        an_item(SBQQ__RevisedOrderProduct__c=OTHER),
        an_item(Id=OTHER, SBQQ__RevisedOrderProduct__c=SEATS),
    ]
    history = history_of(items=items, passing={"filters.Product2": frozenset({SEATS})})
    assert "filter_splits_line" not in {each.code for each in history.refusals}


@pytest.mark.parametrize(
    ("zone", "activated", "counts"),
    [
        ("UTC", "2026-01-28T23:59:59.000+0000", False),
        ("UTC", "2026-01-29T00:00:00.000+0000", True),
        ("Pacific/Auckland", "2026-01-28T10:59:59.000+0000", False),
        ("Pacific/Auckland", "2026-01-28T11:00:00.000+0000", True),
        ("America/New_York", "2026-01-29T04:59:59.000+0000", False),
        ("America/New_York", "2026-01-29T05:00:00.000+0000", True),
    ],
)
def test_start_date_begins_at_midnight_of_the_connections_time_zone(zone, activated, counts):
    configuration = configured(sync={"start_date": "2026-01-29"}, policy={"time_zone": zone})
    history = history_of(orders=[an_order(ActivatedDate=activated)], configuration=configuration)
    assert history.orders[0].activated is counts
    assert [each.code for each in history.refusals] == ([] if counts else ["before_start_date"])
    if not counts:
        assert "on 2026-01-28," in history.refusals[0].message
