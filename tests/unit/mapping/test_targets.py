"""What can be mapped exists in Stripe: the table is checked against the SDK's own typed parameters."""

from __future__ import annotations

from datetime import date
from decimal import Decimal

import pytest

from cpqbridge.domain.billing import StepAction
from cpqbridge.domain.parameters import merged, nested
from cpqbridge.mapping.conversion import UnfitValueError, converted
from cpqbridge.mapping.targets import TARGETS, Kind, Target, target
from cpqbridge.stripe_billing.parameters import checked_parameters

ITEM = {"price": "price_1", "quantity": 1}
PHASE = {"items": [ITEM], "end_date": 1}
CUSTOMER = {"shipping": {"name": "Baden", "address": {"line1": "Badstrasse 1"}}}
BASES = {
    "customer": [(StepAction.CREATE_CUSTOMER, CUSTOMER), (StepAction.UPDATE_CUSTOMER, CUSTOMER)],
    "product": [(StepAction.CREATE_PRODUCT, {"name": "Seat"}), (StepAction.UPDATE_PRODUCT, {})],
    "price": [
        (
            StepAction.CREATE_PRICE,
            {"currency": "usd", "recurring": {"interval": "month", "usage_type": "metered"}},
        )
    ],
    "subscription_schedule": [(StepAction.CREATE_SCHEDULE, {"phases": [PHASE]})],
    "phase": [(StepAction.CREATE_SCHEDULE, PHASE)],
    "phase_item": [(StepAction.CREATE_SCHEDULE, ITEM)],
    "invoice": [(StepAction.CREATE_INVOICE, {})],
}
SAMPLES = {
    Kind.TEXT: "text",
    Kind.TRUE_FALSE: True,
    Kind.WHOLE_NUMBER: 3,
    Kind.PAYMENT_TERM: 30,
    Kind.DATE: 1_767_225_600,
    Kind.AMOUNT: Decimal("12.5"),
}


def _sample(wanted: Target) -> list[object]:
    return list(wanted.choices) or [SAMPLES[wanted.kind]]


@pytest.mark.parametrize(
    ("stripe_object", "parameter"),
    [(name, parameter) for name in BASES for parameter in (*TARGETS[name], "metadata.cost.center")],
)
def test_target_when_in_the_table_is_taken_by_the_sdk(stripe_object, parameter):
    for action, base in BASES[stripe_object]:
        for value in _sample(target(stripe_object, parameter)):
            body = merged(base, nested({parameter: value}))
            if stripe_object == "phase":
                body = {"phases": [body]}
            if stripe_object == "phase_item":
                body = {"phases": [{**PHASE, "items": [body]}]}
            assert checked_parameters(action, body)


@pytest.mark.parametrize("parameter", sorted(TARGETS["customer"]))
def test_customer_parameter_when_cleared_by_an_empty_text_is_taken_by_the_sdk(parameter):
    if not TARGETS["customer"][parameter].choices:
        assert checked_parameters(StepAction.UPDATE_CUSTOMER, merged(CUSTOMER, nested({parameter: ""})))


@pytest.mark.parametrize(
    "parameter", ["description", "unit_label", "url", "tax_code", "statement_descriptor"]
)
def test_product_parameter_when_cleared_by_an_empty_text_is_taken_by_the_sdk(parameter):
    assert checked_parameters(StepAction.UPDATE_PRODUCT, {parameter: ""})


def test_address_when_cleared_as_a_whole_is_taken_by_the_sdk():
    assert checked_parameters(StepAction.UPDATE_CUSTOMER, {"address": "", "shipping": ""})


def test_target_when_metadata_key_is_not_allowed_says_why():
    for key in ("metadata.salesforce_x", "metadata.", "metadata.a[b]", "metadata." + "k" * 41):
        with pytest.raises(ValueError, match="metadata key"):
            target("customer", key)
    assert target("customer", "metadata.cost.center").limit == 500


TEXT = Target(Kind.TEXT)


@pytest.mark.parametrize(
    ("wanted", "raw", "expected"),
    [
        (TEXT, "  Baden ", "Baden"),
        (TEXT, " ", None),
        (TEXT, None, None),
        (TEXT, False, "false"),
        (TEXT, 0, "0"),
        (TEXT, Decimal("600.0"), "600"),
        (TEXT, Decimal("1.0E-4"), "0.0001"),
        (TEXT, Decimal("1E+3"), "1000"),
        (Target(Kind.TRUE_FALSE), False, False),
        (Target(Kind.TRUE_FALSE), "True", True),
        (Target(Kind.WHOLE_NUMBER), Decimal("3.0"), 3),
        (Target(Kind.DATE), "2026-03-01", date(2026, 3, 1)),
        (Target(Kind.DATE), "2026-03-01T00:00:00.000+0000", date(2026, 3, 1)),
        (Target(Kind.AMOUNT), Decimal("12.50"), Decimal("12.50")),
        (Target(Kind.CHOICE, choices=("none", "exempt")), "Exempt", "exempt"),
        (Target(Kind.PAYMENT_TERM), "Net 30", 30),
    ],
)
def test_converted_when_value_fits_has_the_parameters_form(wanted, raw, expected):
    assert converted(wanted, raw) == expected


@pytest.mark.parametrize(
    ("wanted", "raw", "says"),
    [
        (TEXT, ["a"], "a text"),
        (TEXT, Decimal("NaN"), "a text"),
        (Target(Kind.TRUE_FALSE), "perhaps", "true or false"),
        (Target(Kind.WHOLE_NUMBER), Decimal("3.5"), "a whole number"),
        (Target(Kind.DATE), "soon", "a date, or a date-time at midnight"),
        (Target(Kind.DATE), "2026-03-01T23:30:00.000+0000", "a date, or a date-time at midnight"),
        (Target(Kind.DATE), "2026-03-01T00:00:00", "a date, or a date-time at midnight"),
        (Target(Kind.AMOUNT), "12", "an amount in major units (10.50)"),
        (Target(Kind.CHOICE, choices=("none", "exempt")), True, "one of none, exempt"),
        (Target(Kind.PAYMENT_TERM), "whenever", "a payment term"),
    ],
)
def test_converted_when_value_does_not_fit_says_what_is_wanted(wanted, raw, says):
    with pytest.raises(UnfitValueError) as caught:
        converted(wanted, raw)
    assert caught.value.wanted == says
