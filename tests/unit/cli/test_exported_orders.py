"""What a rehearsal takes from the export, and that the queries export what the mapper needs."""

from datetime import UTC, datetime
from decimal import Decimal

import pytest

from cpqbridge.cli.export_queries import exported_fields
from cpqbridge.cli.exported_orders import exported_orders, stamp_notes
from cpqbridge.errors import ConfigurationError
from cpqbridge.mapping.configuration import default_configuration
from cpqbridge.mapping.fields import OurFields
from cpqbridge.mapping.needs import field_needs

SHORT, LONG = "801Qy00000AbC01", "801Qy00000AbC01IAF"


def records(*orders, items=()):
    return {"Order": orders, "OrderItem": items, "Account": [{"Id": "001Qy00000BdNrT", "Name": "Baden"}]}


def test_orders_come_by_activation_and_drafts_last():
    given = records(
        {"Id": "801Qy00000AbC03", "OrderNumber": "3", "ActivatedDate": None},
        {"Id": "801Qy00000AbC02", "OrderNumber": "2", "ActivatedDate": "2026-02-02T01:00:00.000+0100"},
        {"Id": SHORT, "OrderNumber": "1", "ActivatedDate": "2026-02-02T00:30:00.000+0000"},
    )
    orders = exported_orders(given)
    assert [order.order_number for order in orders] == ["2", "1", "3"]
    assert orders[0].activated_at == datetime(2026, 2, 2, tzinfo=UTC)


def test_order_that_stands_twice_is_one():
    orders = exported_orders(records({"Id": SHORT}, {"Id": LONG}))
    assert [order.order_id for order in orders] == [LONG]


def test_lines_customer_and_purpose_are_found_by_either_form_of_id():
    order = exported_orders(
        records(
            {"Id": LONG, "AccountId": "001Qy00000BdNrT", "Name": "Seats", "CurrencyIsoCode": "EUR"},
            items=[{"Id": "802Qy00000LiNe1", "OrderId": SHORT, "TotalPrice": Decimal("862.46")}],
        )
    )[0]
    assert (order.customer, order.purpose, order.currency) == ("Baden", "Seats", "eur")
    assert order.line_totals == {"802Qy00000LiNe1IAF": Decimal("862.46")}


def test_stamp_that_is_no_time_names_the_order():
    with pytest.raises(ConfigurationError, match="ActivatedDate of order 7"):
        exported_orders(records({"Id": SHORT, "OrderNumber": "7", "ActivatedDate": "soon"}))


@pytest.mark.parametrize("stamp", ["0001-01-28T10:00:00Z", "9999-12-31T23:59:59Z"])
def test_stamp_that_no_clock_can_show_moves_none(stamp):
    assert exported_orders(records({"Id": SHORT, "ActivatedDate": stamp}))[0].activated_at is None


def test_activated_order_without_a_stamp_is_noted():
    assert (
        "00000101"
        in stamp_notes(records({"Id": SHORT, "OrderNumber": "00000101", "StatusCode": "Activated"}))[0]
    )
    assert stamp_notes(records({"Id": SHORT, "StatusCode": "Draft"})) == ()


RELATIONS = {
    "Account": "Account",
    "BillToContact": "Contact",
    "ConsumptionSchedule": "ConsumptionSchedule",
    "Opportunity": "Opportunity",
    "Order": "Order",
    "Order_Stripe_Coupon__r": "Order_Stripe_Coupon__c",
    "PricebookEntry": "PricebookEntry",
    "Product2": "Product2",
    "SBQQ__AmendedContract__r": "Contract",
    "SBQQ__Contract__r": "Contract",
    "SBQQ__MasterContract__r": "Contract",
    "SBQQ__PrimaryContact__r": "Contact",
    "SBQQ__Quote__r": "SBQQ__Quote__c",
    "SBQQ__RenewedContract__r": "Contract",
}
NOT_EXPORTED = {"Stripe_Sync_Record__c"}
NOT_IN_EVERY_ORG = {"CurrencyIsoCode", "BillingCountryCode", "ShippingCountryCode", "IsDeleted"}


def unexported(object_name, paths):
    """Return the paths whose last field the query of its object does not ask for."""
    missing = set()
    for path in paths:
        if path in exported_fields(object_name):
            continue
        *relations, field = path.split(".")
        owner = object_name
        for relation in relations:
            owner = RELATIONS[relation]
        if field not in exported_fields(owner):
            missing.add(field)
    return missing


@pytest.mark.parametrize("name", sorted(set(field_needs(default_configuration()).objects) - NOT_EXPORTED))
def test_queries_ask_for_every_field_that_is_read(name):
    configuration = default_configuration()
    needs = field_needs(configuration).of(name)
    ours = OurFields(configuration.mapping.salesforce_prefix)
    known = {getattr(ours, each) for each in dir(ours) if not each.startswith("_")}
    assert unexported(name, needs.required) == set()
    assert unexported(name, needs.optional) - NOT_IN_EVERY_ORG <= known
