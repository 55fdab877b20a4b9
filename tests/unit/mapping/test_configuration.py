"""The configuration file (B14): every value read, every mistake named with a suggestion, and back again."""

from __future__ import annotations

import json
from dataclasses import fields
from datetime import date
from decimal import Decimal

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from cpqbridge.errors import ConfigurationError
from cpqbridge.mapping.configuration import (
    Configuration,
    configuration_document,
    default_configuration,
    parse_configuration,
)
from cpqbridge.mapping.policies import Caps, Filters, Policy, ProratePrecision, SyncSettings
from cpqbridge.mapping.rules import SourcePath

FULL = """
version: 1
sync: {live: true, start_date: 2026-01-01, poll_seconds: 30, api_share: 0.5, record_retention: 500, history_days: 40, audit_days: 400}
currency: EUR
filters: {Order: "Region__c = 'EMEA'", Account: "a = 1", Product2: "b = 1", PricebookEntry: "c = 1", activated: "Live__c = true"}
policy:
  time_zone: Europe/Zurich
  prorate_precision: day
  items: merged
  proration: next_invoice
  credits: credit_note
  credit_target: refund
  evergreen_credits: prorate
  rounding: true_up
  coterminate: required
  quantity: fold
  frequencies: split
  multiplier_mismatch: warn
  overlap: both
caps: {bill_per_order: 1000.50, cancels_per_hour: 3, backdated_periods: 4}
mapping:
  salesforce_prefix: Acme_
  customer: {email: {field: Order.BillToContact.Email}, metadata.region: {value: EMEA}}
  subscription_schedule: {end_behavior: {value: release}}
  price: {unit_amount_decimal: {field: OrderItem.Price__c}, metadata.list: {field: Pricebook2.Name}}
"""


def test_parse_when_file_is_empty_returns_the_defaults():
    assert parse_configuration(None) == parse_configuration({}) == default_configuration()
    assert default_configuration().policy.prorate_precision is ProratePrecision.MONTHLY_DAILY
    assert not default_configuration().policy.prorate_precision_confirmed
    assert default_configuration().filters.activated == "StatusCode = 'Activated'"


def test_parse_when_everything_is_set_reads_every_value():
    found = parse_configuration(yaml.safe_load(FULL))
    assert found.sync == SyncSettings(
        live=True,
        start_date=date(2026, 1, 1),
        poll_seconds=30,
        api_share=Decimal("0.5"),
        record_retention=500,
        history_days=40,
        audit_days=400,
    )
    assert found.currency == "eur"
    assert found.filters == Filters(
        order="Region__c = 'EMEA'",
        account="a = 1",
        product="b = 1",
        pricebook_entry="c = 1",
        activated="Live__c = true",
    )
    defaults = Policy()
    untouched = [
        item.name
        for item in fields(Policy)
        if getattr(found.policy, item.name) == getattr(defaults, item.name)
    ]
    assert untouched == []
    assert found.caps == Caps(bill_per_order=Decimal("1000.5"), cancels_per_hour=3, backdated_periods=4)
    assert found.mapping.salesforce_prefix == "Acme_"
    assert found.mapping.of("customer")["email"].source == SourcePath("Order", ("BillToContact", "Email"))
    assert found.mapping.of("customer")["metadata.region"].value == "EMEA"
    assert found.mapping.of("price")["unit_amount_decimal"].source == SourcePath("OrderItem", ("Price__c",))
    assert found.mapping.of("price")["metadata.list"].source == SourcePath(
        "OrderItem", ("PricebookEntry", "Pricebook2", "Name")
    )


def test_document_when_written_and_parsed_again_is_the_same():
    for configuration in (default_configuration(), parse_configuration(yaml.safe_load(FULL))):
        document = configuration_document(configuration)
        assert parse_configuration(yaml.safe_load(yaml.safe_dump(document))) == configuration
        assert parse_configuration(json.loads(json.dumps(document))) == configuration


def test_precision_when_named_as_the_default_counts_as_confirmed():
    found = parse_configuration({"policy": {"prorate_precision": "monthly_daily"}})
    assert found.policy.prorate_precision_confirmed
    assert parse_configuration(configuration_document(found)) == found


def test_activated_condition_when_null_is_removed():
    found = parse_configuration({"filters": {"activated": None}})
    assert found.filters.activated is None
    assert parse_configuration(configuration_document(found)) == found


@pytest.mark.parametrize(
    ("raw", "code", "path", "hint"),
    [
        ({"polici": {}}, "configuration_unknown_key", "polici", "'policy'"),
        ({"policy": {"item": "merged"}}, "configuration_unknown_key", "policy.item", "'items'"),
        ({"policy": {"items": "sepparate"}}, "configuration_value", "policy.items", "'separate'"),
        ({"policy": {"items": True}}, "configuration_value", "policy.items", "merged, separate"),
        (
            {"policy": {"time_zone": "Europe/Zurch"}},
            "configuration_value",
            "policy.time_zone",
            "Europe/Zurich",
        ),
        ({"policy": {"time_zone": "../etc/passwd"}}, "configuration_value", "policy.time_zone", "IANA"),
        ({"policy": []}, "configuration_value", "policy", "section"),
        ({"version": 2}, "configuration_value", "version", "1"),
        ({"version": True}, "configuration_value", "version", "1"),
        ({"currency": "dollars"}, "configuration_value", "currency", "usd"),
        ({"sync": {"live": "yes"}}, "configuration_value", "sync.live", "true or false"),
        ({"sync": {"start_date": "01/02/2026"}}, "configuration_value", "sync.start_date", "2026-01-31"),
        ({"sync": {"poll_seconds": 0}}, "configuration_value", "sync.poll_seconds", "from 1"),
        ({"sync": {"poll_seconds": True}}, "configuration_value", "sync.poll_seconds", "whole number"),
        ({"sync": {"api_share": 1.5}}, "configuration_value", "sync.api_share", "up to 1"),
        ({"sync": {"api_share": float("nan")}}, "configuration_value", "sync.api_share", "number"),
        ({"caps": {"bill_per_order": -1}}, "configuration_value", "caps.bill_per_order", "at least 0"),
        ({"caps": {"bill_per_order": "much"}}, "configuration_value", "caps.bill_per_order", "number"),
        ({"filters": {"order": "x"}}, "configuration_unknown_key", "filters.order", "'Order'"),
        ({"mapping": {"customr": {}}}, "configuration_unknown_key", "mapping.customr", "'customer'"),
        (
            {"mapping": {"salesforce_prefix": "a b"}},
            "configuration_value",
            "mapping.salesforce_prefix",
            "Acme_",
        ),
        (
            {"mapping": {"customer": {"emial": {"value": "x"}}}},
            "configuration_unknown_key",
            "mapping.customer.emial",
            "'email'",
        ),
        (
            {"mapping": {"subscription_schedule": {"phases": {"value": "x"}}}},
            "configuration_unknown_key",
            "mapping.subscription_schedule.phases",
            "Known here",
        ),
        (
            {"mapping": {"customer": {"metadata.salesforce_account_id": {"value": "x"}}}},
            "configuration_unknown_key",
            "mapping.customer.metadata.salesforce_account_id",
            "another",
        ),
        (
            {"mapping": {"customer": {"email": "Email__c"}}},
            "configuration_value",
            "mapping.customer.email",
            "{field: Email__c}",
        ),
        ({"caps": {"bill_per_order": True}}, "configuration_value", "caps.bill_per_order", "a number"),
        ({"caps": {"bill_per_order": float("inf")}}, "configuration_value", "caps.bill_per_order", "number"),
        ({"caps": {"bill_per_order": 10**5000}}, "configuration_value", "caps.bill_per_order", "a number"),
        ({"policy": {"time_zone": 7}}, "configuration_value", "policy.time_zone", "a text"),
        ({"sync": {"start_date": 7}}, "configuration_value", "sync.start_date", "a date"),
        ({"sync": {"start_date": "soon"}}, "configuration_value", "sync.start_date", "a date"),
        ({"sync": {"live": "on"}}, "configuration_value", "sync.live", "true or false"),
        (
            {"mapping": {"price": {"unit_amount_decimal": {"value": float("nan")}}}},
            "configuration_value",
            "mapping.price.unit_amount_decimal.value",
            "a number",
        ),
        ({"mapping": {"customer": {"email": {}}}}, "configuration_value", "mapping.customer.email", "field:"),
        (
            {"mapping": {"customer": {"email": {"fielt": "x"}}}},
            "configuration_unknown_key",
            "mapping.customer.email.fielt",
            "'field'",
        ),
        (
            {"mapping": {"customer": {"email": {"field": "a", "value": "b"}}}},
            "configuration_value",
            "mapping.customer.email",
            "field:",
        ),
        (
            {"mapping": {"customer": {"email": {"field": "Contacts.Email"}}}},
            "configuration_path",
            "mapping.customer.email.field",
            "dots",
        ),
        (
            {"mapping": {"customer": {"tax_exempt": {"value": "perhaps"}}}},
            "configuration_value",
            "mapping.customer.tax_exempt.value",
            "exempt",
        ),
        (
            {"mapping": {"customer": {"phone": {"value": "0" * 21}}}},
            "configuration_value",
            "mapping.customer.phone.value",
            "at most 20",
        ),
        (
            {"mapping": {"customer": {"name": {"value": None}}}},
            "configuration_value",
            "mapping.customer.name.value",
            "text",
        ),
    ],
)
def test_parse_when_something_is_wrong_names_path_and_suggests(raw, code, path, hint):
    with pytest.raises(ConfigurationError) as caught:
        parse_configuration(raw)
    assert caught.value.code == code
    assert caught.value.field == path
    assert hint in caught.value.fix


@pytest.mark.parametrize("raw", [[], "policy", 7, {1: 2}, {None: None}])
def test_parse_when_file_is_no_mapping_of_names_says_so(raw):
    with pytest.raises(ConfigurationError):
        parse_configuration(raw)


yaml_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=8)
    | st.dates()
    | st.sampled_from(["policy", "field", "value", "merged", "Name"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["policy", "mapping", "customer", "email", "items", "field", "value", "sync", "caps"]
            )
            | st.text(max_size=5),
            inner,
            max_size=3,
        )
    ),
    max_leaves=8,
)


@given(yaml_values)
def test_parse_when_anything_is_given_returns_or_refuses(raw):
    try:
        found = parse_configuration(raw)
    except ConfigurationError:
        return
    assert isinstance(found, Configuration)
    assert parse_configuration(yaml.safe_load(yaml.safe_dump(configuration_document(found)))) == found


@pytest.mark.parametrize("value", [12.5, "12.50", 7])
def test_a_fixed_number_can_be_read_back_from_what_is_stored(value) -> None:
    first = parse_configuration({"mapping": {"coupon": {"percent_off": {"value": value}}}})
    document = configuration_document(first)
    assert configuration_document(parse_configuration(document)) == document
    (rule,) = parse_configuration(document).mapping.of("coupon").values()
    assert rule.value == Decimal(str(value))


def test_a_fixed_number_that_is_none_is_refused() -> None:
    with pytest.raises(ConfigurationError) as caught:
        parse_configuration({"mapping": {"coupon": {"percent_off": {"value": "half"}}}})
    assert caught.value.field == "mapping.coupon.percent_off.value"
