"""The mapper against both simulated sides: fields found, rules tried on an order, and saved."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.faults.two_sides import connect, service, two_sides

from cpqbridge.errors import ConfigurationError
from cpqbridge.mapping.field_fit import Fit
from cpqbridge.sync.configure import Configure
from cpqbridge.sync.map_fields import MapFields
from cpqbridge.sync.mapping_draft import DraftRule, How


@pytest.fixture(scope="module")
def sides():
    with two_sides(2) as opened:
        yield opened


@pytest.fixture
def mapper(sides, tmp_path: Path):
    with service(tmp_path) as opened:
        connect(opened, sides)
        yield MapFields(opened, None)


def row(sheet, parameter):
    return next(each for each in sheet.rows if each.parameter == parameter)


def field(path):
    return DraftRule(How.FIELD, path)


def value(text):
    return DraftRule(How.VALUE, text)


def test_an_order_shows_what_each_parameter_reads_and_what_stripe_is_sent(mapper, sides) -> None:
    writes = (len(sides.stripe_writes()), len(sides.salesforce_writes()))
    draft = {"description": field("Account.Name"), "metadata.region": value("EMEA")}
    sheet = mapper.sheet("customer", draft, order=sides.order()["OrderNumber"])
    assert (row(sheet, "name").read, row(sheet, "name").sent) == ("Customer 0", "Customer 0")
    assert (row(sheet, "description").read, row(sheet, "description").sent) == ("Customer 0", "Customer 0")
    assert row(sheet, "metadata.region").sent == "EMEA"
    assert row(sheet, "email").sent == "billing0@customer.example"
    assert row(sheet, "tax_exempt").sent is None
    (customer,) = sheet.objects
    assert customer.body["metadata"]["region"] == "EMEA"
    assert (sheet.is_changed, sheet.problems, sheet.refusals) == (True, 0, ())
    assert (len(sides.stripe_writes()), len(sides.salesforce_writes())) == writes


@pytest.mark.parametrize(
    ("stripe_object", "parameter", "rule", "sent"),
    [
        ("product", "unit_label", value("seat"), "seat"),
        ("price", "nickname", field("OrderItem.SBQQ__BillingFrequency__c"), "Monthly"),
        ("subscription_schedule", "end_behavior", value("release"), "release"),
        ("subscription_schedule", "default_settings.description", field("Name"), "Order 0"),
        ("phase", "metadata.number", field("OrderNumber"), None),
        ("phase_item", "metadata.seats", field("Quantity"), "10"),
    ],
)
def test_every_object_of_an_order_can_be_tried(mapper, sides, stripe_object, parameter, rule, sent) -> None:
    sheet = mapper.sheet(stripe_object, {parameter: rule}, order=sides.order_id)
    found = row(sheet, parameter)
    assert found.problem == ""
    assert found.sent == (sent or sides.order()["OrderNumber"])
    assert sheet.objects


def test_a_synced_order_still_shows_the_whole_object(mapper, sides) -> None:
    mapper._service.sync(None, sides.order_ids[1])
    sheet = mapper.sheet("subscription_schedule", order=sides.order_ids[1])
    assert row(sheet, "end_behavior").sent == "cancel"


def test_a_required_value_that_is_empty_is_refused_at_its_row(mapper, sides) -> None:
    sheet = mapper.sheet("customer", {"name": field("Account.Fax")}, order=sides.order_id)
    assert "has no Account.Fax" in row(sheet, "name").problem or "no field Fax" in row(sheet, "name").problem
    sheet = mapper.sheet("customer", {"name": field("Description")}, order=sides.order_id)
    assert "has no Description" in row(sheet, "name").problem
    assert row(sheet, "name").fix
    assert sheet.refusals == ()
    assert sheet.objects == ()


def test_mistakes_stand_at_their_rows_and_nothing_is_tried(mapper, sides) -> None:
    draft = {
        "phone": field("Account..Phone"),
        "tax_exempt": value("sometimes"),
        "name": field("Naame"),
        "email": DraftRule(How.DEFAULT, "typed"),
        "metadata.salesforce_x": value("1"),
    }
    sheet = mapper.sheet("customer", draft, order=sides.order_id)
    assert sheet.trial is None
    assert {each.parameter for each in sheet.rows if each.problem} == draft.keys()
    assert row(sheet, "name").fix == "Did you mean Name?"
    with pytest.raises(ConfigurationError):
        mapper.save("customer", draft, based_on=1)


def test_a_saved_sheet_is_a_version_of_that_object_alone(mapper) -> None:
    mapper.save("product", {"unit_label": value("seat")}, based_on=1)
    assert mapper.save("customer", {"metadata.a": value("b")}, based_on=2, reason="asked for") == 3
    versions = Configure(mapper._service).versions(None)
    assert [change.path for change in versions[0].changes] == ["mapping.customer.metadata.a"]
    sheet = mapper.sheet("product")
    assert row(sheet, "unit_label").rule == value("seat")
    assert (sheet.is_changed, sheet.configured.version) == (False, 3)
    assert mapper.save("customer", {}, based_on=3) == 4
    assert not mapper.sheet("customer").configured.configuration.mapping.of("customer")


@pytest.mark.parametrize(
    ("stripe_object", "parameter", "text"),
    [
        ("coupon", "percent_off", "12.5"),
        ("coupon", "max_redemptions", "3"),
        ("product", "shippable", "false"),
        ("phase", "trial_end", "2026-03-01"),
        ("subscription", "days_until_due", "Net 30"),
    ],
)
def test_a_fixed_value_comes_back_as_it_was_typed(mapper, stripe_object, parameter, text) -> None:
    mapper.save(stripe_object, {parameter: value(text)}, based_on=1)
    assert row(mapper.sheet(stripe_object), parameter).rule == value(text)


def test_the_picker_shows_a_record_and_what_it_leads_to(mapper) -> None:
    choice = mapper.fields("customer", "tax_exempt")
    paths = {each.path: each for each in choice.fields}
    assert paths["Name"].fit is Fit.DEPENDS
    assert paths["Name"].label == "Account → Name"
    assert choice.relationships[0].path == "Order"
    deeper = mapper.fields("customer", "name", at="Order.BillToContact")
    assert [label for _, label in deeper.trail] == ["Account", "Order", "Bill To Contact"]
    assert "Order.BillToContact.Email" in {each.path for each in deeper.fields}
    assert mapper.fields("customer", "name", at="Nowhere.At.All").at == ""


def test_the_picker_finds_by_label_and_by_path_and_puts_what_fits_first(mapper) -> None:
    found = [each.path for each in mapper.fields("customer", "email", search="contact email").fields]
    assert "Order.BillToContact.Email" in found
    numbers = [each.path for each in mapper.fields("customer", "email", search="order number").fields]
    assert numbers[0] == "Order.OrderNumber"
    dates = mapper.fields("phase", "trial_end", search="date").fields
    assert "EffectiveDate" in {each.path for each in dates}
    assert dates[0].fit is not Fit.NEVER
    assert mapper.fields("phase", "trial_end", search="no such thing at all").fields == ()


def test_an_unknown_object_is_refused(mapper) -> None:
    with pytest.raises(ConfigurationError) as caught:
        mapper.sheet("refund")
    assert caught.value.code == "mapping_object_unknown"
