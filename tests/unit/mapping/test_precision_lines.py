"""Which order products can show how an org counts months."""

from __future__ import annotations

from decimal import Decimal

import pytest

from cpqbridge.mapping.precision_lines import lines_that_tell_precision


@pytest.mark.parametrize(
    "changes",
    [
        {"EndDate": None},
        {"EndDate": "9999-12-31"},
        {"ServiceDate": 5},
        {"SBQQ__ProrateMultiplier__c": None},
        {"SBQQ__ProrateMultiplier__c": "NaN"},
        {"SBQQ__ProrateMultiplier__c": "a lot"},
        {"SBQQ__ProrateMultiplier__c": True},
        {"ServiceDate": "13 May"},
        {"SBQQ__SubscriptionPricing__c": None},
        {"SBQQ__SegmentKey__c": "K1"},
    ],
)
def test_only_lines_with_dates_and_a_multiplier_tell_the_precision(changes):
    line = {
        "Id": "802Qy00000LiNe1",
        "OrderId": "801Qy00000AbC01",
        "ServiceDate": "2026-05-13",
        "EndDate": "2027-01-31",
        "SBQQ__ProrateMultiplier__c": Decimal("8.624657534246575"),
        "SBQQ__DefaultSubscriptionTerm__c": 1,
        "SBQQ__SubscriptionPricing__c": "Fixed Price",
    }
    assert len(lines_that_tell_precision([line])) == 1
    assert lines_that_tell_precision([{**line, **changes}]) == []


def test_the_scale_of_the_field_goes_along_where_it_is_known():
    item = {
        "ServiceDate": "2026-05-13",
        "EndDate": "2027-01-31",
        "SBQQ__ProrateMultiplier__c": "8.62",
        "SBQQ__SubscriptionPricing__c": "Fixed Price",
    }
    (line,) = lines_that_tell_precision([item], multiplier_decimals=2)
    assert (line.multiplier_decimals, line.default_term_months, line.order_item_id) == (2, 12, "")
