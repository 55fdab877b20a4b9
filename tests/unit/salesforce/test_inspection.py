"""What an admin asks an org: counts of what filters meet, and the lines that tell how CPQ counts months."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from tests.unit.salesforce.fake_org import answering, page, querying, refusal
from tests.unit.salesforce.test_reader import a_contract_schema

from cpqbridge.errors import ConfigurationError, InvariantError, RecordError
from cpqbridge.mapping.policies import Filters
from cpqbridge.salesforce.inspection import Inspection
from cpqbridge.salesforce.schema import OrgSchema

FILTERS = Filters(order="Type = 'New'", account="Type = 'Customer'", product="Id != null")


def asked_for(setting: str, filters: Filters = FILTERS) -> list[str]:
    asked: list[str] = []

    def run(soql: str) -> dict[str, Any]:
        asked.append(soql)
        return page() | {"totalSize": 7}

    found = Inspection(querying(run).client(), a_contract_schema()).count(filters, setting)
    assert found.matching == 7
    return [found.object_name, *asked]


def test_orders_are_counted_together_with_what_counts_as_activated() -> None:
    assert asked_for("filters.Order") == [
        "Order",
        "SELECT COUNT() FROM Order WHERE Id != null AND (StatusCode = 'Activated') AND (Type = 'New')",
    ]
    assert asked_for("filters.activated") == [
        "Order",
        "SELECT COUNT() FROM Order WHERE Id != null AND (StatusCode = 'Activated')",
    ]


def test_a_filter_on_a_parent_is_counted_there_and_tried_from_the_child() -> None:
    assert asked_for("filters.Account") == [
        "Account",
        "SELECT COUNT() FROM Account WHERE Id != null AND (Type = 'Customer')",
        "SELECT Id FROM Order WHERE Id != null AND (Account.Type = 'Customer') LIMIT 1",
    ]
    assert (
        asked_for("filters.Product2")[2]
        == "SELECT Id FROM OrderItem WHERE Id != null AND (Product2Id != null) LIMIT 1"
    )


def test_a_filter_that_the_org_cannot_read_is_blamed_on_its_own_setting() -> None:
    org = answering(400, refusal("INVALID_FIELD", "No such column 'Typo__c' on entity 'Account'."))
    filters = Filters(order="Typo__c = 1", account="Typo__c = 1")
    with pytest.raises(ConfigurationError) as caught:
        Inspection(org.client(), a_contract_schema()).count(filters, "filters.Account")
    assert (caught.value.code, caught.value.field) == ("filter_refused", "filters.Account")


def test_an_answer_without_a_number_is_not_taken_for_none() -> None:
    org = answering(200, {"done": True, "records": []})
    with pytest.raises((RecordError, InvariantError)):
        Inspection(org.client(), a_contract_schema()).count(FILTERS, "filters.Order")


def test_lines_are_not_asked_for_where_the_org_lacks_a_field_that_tells() -> None:
    org = answering(500, "never asked")
    assert Inspection(org.client(), OrgSchema()).precision_items() == ()
    assert org.requests == []


def test_the_newest_lines_with_dates_and_a_multiplier_are_asked_for() -> None:
    asked: list[str] = []

    def run(soql: str) -> dict[str, Any]:
        asked.append(soql)
        return page({"Id": "802", "SBQQ__ProrateMultiplier__c": 8.5})

    (item,) = Inspection(querying(run).client(), a_contract_schema()).precision_items()
    assert item["SBQQ__ProrateMultiplier__c"] == Decimal("8.5")
    assert asked[0].endswith("ORDER BY CreatedDate DESC LIMIT 2000")
    assert "SBQQ__ProrateMultiplier__c != null" in asked[0]
