"""The data mapper: shipped defaults, rules over them, limits, and what comes out for Stripe (B4, B10)."""

from __future__ import annotations

from datetime import date
from decimal import Decimal

import pytest
from tests.unit.mapping.records import (
    ACCOUNT,
    AMENDMENT,
    ORDER,
    SEATS,
    a_one_time_item,
    an_amendment,
    an_item,
    an_order,
    codes,
    configured,
    history_of,
    only_refusal,
)

from cpqbridge.errors import ConfigurationError
from cpqbridge.mapping.configuration import configuration_document
from cpqbridge.mapping.fields import OurFields
from cpqbridge.mapping.findings import Findings
from cpqbridge.mapping.mapper import Mapper, Owner
from cpqbridge.mapping.needs import field_needs
from cpqbridge.mapping.rules import STRIPE_OBJECTS, MappedValue, MappingRules

PRODUCT = "01tQy00000PrD01IAF"


def mapped(stripe_object: str, rules: dict, **parts):
    return history_of(configuration=configured(mapping={stripe_object: rules}), **parts)


def customer(**account) -> dict:
    history = history_of(orders=[an_order(account=account)])
    assert codes(history) == []
    return dict(history.account.parameters)


def test_customer_when_account_is_complete_has_all_defaults():
    found = customer(
        Description="Trades.",
        Phone="+41 56 1",
        BillingStreet="Badstrasse 1\r\n2. Stock\nHof",
        BillingCity="Baden",
        BillingState="AG",
        BillingPostalCode="5400",
        BillingCountry="Switzerland",
        ShippingStreet="Lager 3",
        ShippingCountry="Germany",
        ShippingCountryCode="DE",
    )
    assert found == {
        "name": "Baden Trading",
        "description": "Trades.",
        "phone": "+41 56 1",
        "email": "rosa@baden.example",
        "address.line1": "Badstrasse 1",
        "address.line2": "2. Stock, Hof",
        "address.city": "Baden",
        "address.state": "AG",
        "address.postal_code": "5400",
        "address.country": "CH",
        "shipping.name": "Baden Trading",
        "shipping.phone": "+41 56 1",
        "shipping.address.line1": "Lager 3",
        "shipping.address.line2": None,
        "shipping.address.city": None,
        "shipping.address.state": None,
        "shipping.address.postal_code": None,
        "shipping.address.country": "DE",
    }


def test_customer_when_addresses_are_empty_clears_them_as_a_whole():
    found = customer()
    assert found["address"] is None
    assert found["shipping"] is None
    assert not [name for name in found if name.startswith(("address.", "shipping."))]


def test_customer_when_country_is_not_known_leaves_it_out_and_says_so():
    history = history_of(
        orders=[an_order(account={"BillingCity": "Cair Paravel", "BillingCountry": "Narnia"})]
    )
    assert history.account.parameters["address.country"] is None
    assert "Narnia" in history.warnings[0]


def test_customer_when_texts_are_too_long_cuts_them_and_says_so():
    history = history_of(orders=[an_order(account={"Name": "x" * 300, "Phone": "0" * 25})])
    assert history.account.parameters["name"] == "x" * 256
    assert history.account.parameters["phone"] == "0" * 20
    assert history.warnings == (
        f"Account {ACCOUNT}: Account.Name has 300 characters; Stripe gets the first 256.",
        f"Account {ACCOUNT}: Account.Phone has 25 characters; Stripe gets the first 20.",
    )


def test_email_when_order_has_a_bill_to_contact_is_theirs():
    order = an_order(BillToContact={"Email": "bill@baden.example"})
    assert history_of(orders=[order]).account.email == "bill@baden.example"


def test_email_when_nobody_has_one_is_none():
    history = history_of(orders=[an_order(quote={"SBQQ__PrimaryContact__r": None})])
    assert history.account.email is None
    assert "email" not in history.account.parameters  # what another order gave is never cleared


def test_email_when_an_amendment_has_no_contact_stays_the_first_orders():
    amendment = an_amendment()
    amendment["SBQQ__Quote__r"]["SBQQ__PrimaryContact__r"] = None
    assert history_of(orders=[an_order(), amendment], items=[]).account.email == "rosa@baden.example"


def test_email_when_it_is_none_is_refused():
    refusal = only_refusal(history_of(orders=[an_order(BillToContact={"Email": "call me"})]))
    assert (refusal.code, refusal.record_id, refusal.field) == ("value_type", ACCOUNT, "BillToContact.Email")


def test_rule_when_its_field_is_filled_or_empty_wins_over_the_default():
    rules = {"email": {"field": "Order.Finance__r.Email"}}
    order = an_order(Finance__r={"Email": "cfo@baden.example"})
    assert mapped("customer", rules, orders=[order]).account.email == "cfo@baden.example"
    assert mapped("customer", rules, orders=[an_order(Finance__r=None)]).account.email is None


def test_rule_when_value_is_fixed_or_case_differs_is_applied():
    rules = {
        "metadata.region": {"value": "EMEA"},
        "metadata.vip": {"field": "vip__C"},
        "metadata.score": {"field": "Score__c"},
        "tax_exempt": {"field": "Tax__c"},
    }
    account = {"VIP__c": False, "Score__c": Decimal("0.0"), "Tax__c": "Reverse"}
    found = mapped("customer", rules, orders=[an_order(account=account)]).account.parameters
    assert found["metadata.region"] == "EMEA"
    assert found["metadata.vip"] == "false"
    assert found["metadata.score"] == "0"
    assert found["tax_exempt"] == "reverse"


def test_rule_when_stripe_has_no_such_parameter_is_passed_by():
    rules = MappingRules(objects={"customer": {"shoe_size": MappedValue(value="44")}})
    owner = Owner(record_id=ACCOUNT, name="Account", order_ids=(ORDER,))
    assert Mapper(rules, Findings()).fill("customer", {}, owner, order=an_order()) == {}


def test_rule_when_value_does_not_fit_refuses_and_names_the_field():
    rules = {"tax_exempt": {"field": "Tax__c"}}
    refusal = only_refusal(mapped("customer", rules, orders=[an_order(account={"Tax__c": "sometimes"})]))
    assert (refusal.code, refusal.field, refusal.order_id) == ("value_type", "Tax__c", ORDER)
    assert "none, exempt, reverse" in refusal.message


def test_customer_when_several_orders_are_activated_follows_the_latest():
    rules = {"metadata.po": {"field": "Order.PoNumber"}}
    draft = an_amendment() | {"Id": "801Qy00000AbC09IAF", "StatusCode": "Draft", "PoNumber": "draft"}
    orders = [an_order(PoNumber="one"), an_amendment(PoNumber="two"), draft]
    found = mapped("customer", rules, orders=orders, items=[])
    assert found.account.parameters["metadata.po"] == "two"


def test_order_path_of_customer_and_product_when_an_amendment_is_backdated_follows_the_last_activated():
    rules = {"metadata.po": {"field": "Order.PoNumber"}}
    backdated = an_amendment(PoNumber="two")
    backdated["SBQQ__Quote__r"]["SBQQ__StartDate__c"] = "2026-01-15"
    items = [an_item(), an_item(Id="802Qy00000LiNe4IAF", OrderId=AMENDMENT)]
    history = history_of(
        orders=[an_order(PoNumber="one"), backdated],
        items=items,
        configuration=configured(mapping={"customer": rules, "product": rules}),
    )
    assert history.orders[0].order_id == AMENDMENT
    assert history.account.parameters["metadata.po"] == "two"
    assert history.products[PRODUCT].parameters["metadata.po"] == "two"


def test_product_when_rules_exist_takes_them_from_product_and_order():
    rules = {"unit_label": {"field": "Unit__c"}, "metadata.po": {"field": "Order.PoNumber"}}
    item = an_item(
        Product2={"Name": "Seat", "Description": "d" * 40_001, "Unit__c": "seat", "Stripe_ID__c": "prod_1"}
    )
    history = mapped("product", rules, orders=[an_order(PoNumber="7")], items=[item])
    product = history.products[PRODUCT]
    assert (product.name, product.displayed_product_id) == ("Seat", "prod_1")
    assert product.parameters == {
        "name": "Seat",
        "description": "d" * 40_000,
        "unit_label": "seat",
        "metadata.po": "7",
    }
    assert "first 40000" in history.warnings[0]


def test_price_and_item_when_rules_exist_take_them_from_entry_and_line():
    rules = {
        "price": {"nickname": {"field": "Label__c"}, "metadata.line": {"field": "OrderItem.Tag__c"}},
        "phase_item": {"metadata.tag": {"field": "Tag__c"}, "metadata.none": {"field": "None__c"}},
    }
    item = an_item(Tag__c="t1", PricebookEntry={"UnitPrice": Decimal(50), "Label__c": "List"})
    history = history_of(items=[item], configuration=configured(mapping=rules))
    line = history.orders[0].lines[0]
    assert line.price_parameters == {"nickname": "List", "metadata.line": "t1"}
    assert line.item_parameters == {"metadata.tag": "t1"}
    assert line.custom_price is None


@pytest.mark.parametrize("stripe_object", STRIPE_OBJECTS)
def test_order_path_when_saved_for_any_object_is_kept_checked_and_read(stripe_object):
    rule = {"metadata.po": {"field": "Order.Owner.Team__c"}}
    configuration = configured(mapping={stripe_object: rule})
    assert configuration_document(configuration)["mapping"][stripe_object] == rule
    assert "Owner.Team__c" in field_needs(configuration).of("Order").required
    for wrong in ("Order.OrderItems.Quantity", "Order.Owner__c.Name", "Order.Owner__r", "Order."):
        with pytest.raises(ConfigurationError) as caught:
            configured(mapping={stripe_object: {"metadata.po": {"field": wrong}}})
        assert caught.value.code == "configuration_path"
        assert caught.value.field == f"mapping.{stripe_object}.metadata.po.field"


def test_order_path_when_mapped_for_every_object_fills_each_from_its_own_order():
    rules = {name: {"metadata.po": {"field": "Order.PoNumber"}} for name in STRIPE_OBJECTS}
    history = history_of(
        orders=[an_order(PoNumber="one"), an_amendment(PoNumber="two")],
        items=[an_item(), an_item(Id="802Qy00000LiNe4IAF", OrderId=AMENDMENT)],
        configuration=configured(mapping=rules),
    )
    assert codes(history) == []
    for order, number in zip(history.orders, ("one", "two"), strict=True):
        wanted = {"metadata.po": number}
        (line,) = order.lines
        assert line.price_parameters == line.item_parameters == wanted
        assert order.schedule_parameters == order.phase_parameters == order.invoice_parameters == wanted


def test_order_path_when_its_value_does_not_fit_names_it_as_typed():
    rules = {"unit_amount_decimal": {"field": "Order.Price__c"}}
    refusal = only_refusal(mapped("price", rules, orders=[an_order(Price__c="cheap")]))
    assert (refusal.code, refusal.field, refusal.record_id) == ("value_type", "Order.Price__c", SEATS)


def test_custom_price_when_mapped_is_kept_apart():
    rules = {"unit_amount_decimal": {"field": "OrderItem.Price__c"}}
    line = mapped("price", rules, items=[an_item(Price__c=Decimal("12.50"))]).orders[0].lines[0]
    assert (line.custom_price, line.price_parameters) == (Decimal("12.50"), {})


def test_order_when_schedule_phase_and_invoice_are_mapped_carries_them():
    rules = {
        "subscription_schedule": {
            "end_behavior": {"value": "release"},
            "metadata.po": {"field": "PoNumber"},
            "default_settings.description": {"field": "Description"},
        },
        "phase": {"description": {"value": "Phase"}, "trial_end": {"field": "Trial__c"}},
        "invoice": {"footer": {"value": "Thanks"}},
    }
    order = an_order(PoNumber="7", Description="d" * 501, Trial__c="2026-03-01")
    history = history_of(orders=[order], configuration=configured(mapping=rules))
    (found,) = history.orders
    assert found.end_behavior == "release"
    assert found.schedule_parameters == {"metadata.po": "7", "default_settings.description": "d" * 500}
    assert found.phase_parameters == {"description": "Phase"}
    assert found.trial_ends_on == date(2026, 3, 1)
    assert found.invoice_parameters == {"footer": "Thanks"}


DAYS = "default_settings.invoice_settings.days_until_due"
COLLECTION = "default_settings.collection_method"


@pytest.mark.parametrize(
    ("rules", "order", "days"),
    [
        ({}, {"SBQQ__PaymentTerm__c": None}, None),
        ({DAYS: {"field": "Term__c"}}, {"Term__c": "Net 45"}, 45),
        ({DAYS: {"value": 10}}, {}, 10),
        ({COLLECTION: {"value": "charge_automatically"}}, {}, None),
        ({COLLECTION: {"value": "send_invoice"}}, {}, 30),
    ],
)
def test_days_until_due_when_mapped(rules, order, days):
    history = mapped("subscription_schedule", rules, orders=[an_order(**order)])
    assert codes(history) == []
    assert history.orders[0].days_until_due == days
    assert history.orders[0].schedule_parameters == {}


def test_days_until_due_when_invoices_are_sent_without_a_term_is_refused():
    order = an_order(SBQQ__PaymentTerm__c=None)
    history = mapped("subscription_schedule", {COLLECTION: {"value": "send_invoice"}}, orders=[order])
    assert codes(history) == ["payment_term_unknown"]


EVERGREEN = {"SBQQ__SubscriptionType__c": "Evergreen", "EndDate": None}
CHARGED = {"collection_method": {"value": "charge_automatically"}}


def test_subscription_when_mapped_is_filled_from_its_order():
    rules = {"description": {"field": "PoNumber"}, "trial_end": {"field": "Trial__c"}, **CHARGED}
    order = an_order(PoNumber="7", Trial__c="2026-03-01T00:00:00.000+0000")
    history = mapped("subscription", rules, orders=[order], items=[an_item(**EVERGREEN)])
    (found,) = history.orders
    assert (codes(history), history.warnings) == ([], ())
    assert found.subscription_parameters == {"description": "7"}
    assert found.trial_ends_on == date(2026, 3, 1)
    assert (found.days_until_due, found.subscription_days_until_due) == (None, None)


def test_days_until_due_when_an_order_has_lines_of_both_kinds_are_those_of_each_object():
    items = [an_item(), an_item(Id="802Qy00000LiNe2IAF", **EVERGREEN)]
    (both,) = mapped("subscription", {"days_until_due": {"value": 10}}, items=items).orders
    assert (both.days_until_due, both.subscription_days_until_due) == (30, 10)
    (termed,) = mapped("subscription", CHARGED).orders
    assert (termed.days_until_due, termed.subscription_days_until_due) == (30, None)


@pytest.mark.parametrize("given", ["soon", "2026-03-01T10:00:00.000+0000", Decimal(3)])
@pytest.mark.parametrize("stripe_object", ["phase", "subscription"])
def test_trial_when_it_is_no_day_is_refused(stripe_object, given):
    order = an_order(Trial__c=given)
    refusal = only_refusal(mapped(stripe_object, {"trial_end": {"field": "Trial__c"}}, orders=[order]))
    assert (refusal.code, refusal.field, refusal.record_id) == ("value_type", "Trial__c", ORDER)


def test_custom_price_when_negative_is_refused():
    rules = {"unit_amount_decimal": {"field": "OrderItem.Price__c"}}
    refusal = only_refusal(mapped("price", rules, items=[an_item(Price__c=Decimal("-0.01"))]))
    assert (refusal.code, refusal.field, refusal.record_id) == ("price_negative", "OrderItem.Price__c", SEATS)


def test_custom_price_when_the_line_does_not_recur_is_left_out_and_said():
    rules = {"unit_amount_decimal": {"field": "OrderItem.Price__c"}}
    history = mapped("price", rules, items=[a_one_time_item(Price__c=Decimal(5))])
    assert history.orders[0].lines[0].custom_price is None
    assert [text.split(": ", maxsplit=1)[1] for text in history.warnings] == [
        "its custom price of 5 is not used."
    ]


def test_needs_when_nothing_is_mapped_cover_what_the_history_reads():
    needs = field_needs(configured())
    assert "SBQQ__BillingFrequency__c" in needs.of("OrderItem").required
    assert "Opportunity.SBQQ__AmendedContract__c" in needs.of("Order").optional
    assert "Stripe_ID__c" in needs.of("Order").optional
    assert needs.of("Contract").optional_object
    assert "Opportunity.SBQQ__RenewedContract__r.SBQQ__Quote__c" in needs.of("Order").optional
    assert (set(needs.bare.objects), needs.bare.extra) == ({"Contract", "Order", "OrderItem"}, ())
    written = {object_name for object_name, _ in OurFields().written()}
    assert {"Account", "Order", "Stripe_Sync_Record__c"} <= written
    assert [need.parent for need in needs.extra if need.object_name == "Stripe_Sync_Record__c"] == [
        "Order__c"
    ]
    for need in needs.objects.values():
        assert (
            list(need.required) == sorted(set(need.required)) or need.object_name == "Contract" or need.parent
        )
        assert not set(need.required) & set(need.optional)


def test_needs_when_fields_are_mapped_require_them_from_the_right_object():
    rules = {
        "salesforce_prefix": "Acme_",
        "customer": {"description": {"field": "Site"}, "email": {"field": "Order.BillToContact.Email"}},
        "price": {"nickname": {"field": "OrderItem.Label__c"}},
        "coupon": {"name": {"field": "Campaign__c"}},
        "product": {"metadata.x": {"value": "fixed"}},
    }
    needs = field_needs(configured(mapping=rules))
    assert {"Account.Site", "BillToContact.Email", "Campaign__c"} <= set(needs.of("Order").required)
    assert "BillToContact.Email" not in needs.of("Order").optional
    assert "Label__c" in needs.of("OrderItem").required
    assert "Acme_Skip_Line_Item__c" in needs.of("OrderItem").optional


def test_refusal_when_product_is_used_by_two_orders_stops_both():
    items = [
        an_item(Product2={"Name": None}),
        an_item(Id="802Qy00000LiNe4IAF", OrderId=AMENDMENT, Product2={"Name": None}),
    ]
    history = history_of(orders=[an_order(), an_amendment()], items=items)
    assert {refusal.order_id for refusal in history.refusals} == {ORDER, AMENDMENT}
    assert SEATS not in {refusal.record_id for refusal in history.refusals}
