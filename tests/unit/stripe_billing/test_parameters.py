"""Parameters Stripe would refuse are found before the call, with the path Stripe would name."""

from __future__ import annotations

from decimal import Decimal
from types import MappingProxyType
from typing import Any

import pytest

from cpqbridge.domain.billing import Ref, StepAction
from cpqbridge.errors import InvariantError
from cpqbridge.stripe_billing.parameters import checked_parameters


def an_item(**changes: Any) -> dict[str, Any]:
    item = {
        "price_data": {
            "currency": "usd",
            "product": "prod_1",
            "recurring": {"interval": "month", "interval_count": 3},
            "unit_amount_decimal": "833.333333333333",
        },
        "quantity": 2,
        "metadata": {"salesforce_order_item_id": "802A"},
    }
    return {key: value for key, value in (item | changes).items() if value is not None}


def a_schedule(*items: dict[str, Any], **changes: Any) -> dict[str, Any]:
    phase = {
        "items": tuple(items) or (an_item(),),
        "end_date": 1_780_000_000,
        "proration_behavior": "none",
        "add_invoice_items": [
            {
                "price_data": {"currency": "usd", "product": "prod_1", "unit_amount": -6246},
                "period": {
                    "start": {"type": "timestamp", "timestamp": 1},
                    "end": {"type": "timestamp", "timestamp": 2},
                },
            }
        ],
    }
    return {
        "customer": "cus_1",
        "start_date": 1_770_000_000,
        "end_behavior": "cancel",
        "billing_mode": {"type": "flexible"},
        "default_settings": {"collection_method": "send_invoice", "invoice_settings": {"days_until_due": 30}},
        "phases": (phase,),
        **changes,
    }


GOOD = {
    StepAction.CREATE_CUSTOMER: {
        "name": "Acme",
        "email": "a@b.c",
        "address": {"line1": "1 Street"},
        "metadata": {"a": "b"},
    },
    StepAction.UPDATE_CUSTOMER: {
        "name": "Acme",
        "shipping": {"name": "Acme", "address": {"city": "X"}},
        "phone": "",
    },
    StepAction.CREATE_PRODUCT: {"id": "prod_1", "name": "Seats", "description": "d"},
    StepAction.UPDATE_PRODUCT: {"name": "Seats", "description": ""},
    StepAction.CREATE_COUPON: {
        "id": "cpqbridge-1",
        "name": "Welcome",
        "percent_off": "20",
        "duration": "repeating",
        "duration_in_months": 3,
    },
    StepAction.CREATE_METER: {
        "display_name": "Calls",
        "event_name": "cpqbridge_01t1",
        "default_aggregation": {"formula": "sum"},
    },
    StepAction.CREATE_PRICE: {
        "currency": "usd",
        "product_data": {"id": "prod_1", "name": "Seats", "metadata": {"a": "b"}},
        "recurring": {"interval": "month", "interval_count": 1, "usage_type": "licensed"},
        "unit_amount_decimal": Decimal("4999.5"),
        "lookup_key": "cpqbridge:1",
    },
    StepAction.CREATE_SCHEDULE: a_schedule(),
    StepAction.CREATE_INVOICE: {
        "customer": "cus_1",
        "auto_advance": True,
        "days_until_due": 30,
        "collection_method": "send_invoice",
    },
    StepAction.UPDATE_SCHEDULE: {
        "proration_behavior": "none",
        "end_behavior": "release",
        "phases": [{"items": [an_item()], "start_date": 1, "end_date": 2, "proration_behavior": "none"}],
    },
    StepAction.CANCEL_SCHEDULE: {"prorate": False, "invoice_now": False},
    StepAction.FINALIZE_INVOICE: {"auto_advance": True},
    StepAction.CREATE_CREDIT_NOTE: {
        "invoice": "in_1",
        "lines": [{"type": "invoice_line_item", "invoice_line_item": "il_1", "amount": 5}],
        "credit_amount": 5,
        "metadata": {"cpqbridge_key": "credit_note:801:802:2026-01-01:1"},
    },
    StepAction.CREDIT_BALANCE: {"amount": -5, "currency": "usd", "metadata": {"cpqbridge_key": "k"}},
    StepAction.ADD_INVOICE_LINES: {
        "lines": [
            {"amount": -5, "description": "x", "period": {"start": 1, "end": 2}, "metadata": {"a": "b"}}
        ]
    },
}


@pytest.mark.parametrize("action", StepAction)
def test_parameters_when_stripe_takes_them_pass_unchanged(action: StepAction) -> None:
    sent = checked_parameters(action, GOOD[action])
    assert sent.keys() == GOOD[action].keys()


def test_parameters_are_made_plain_for_the_wire() -> None:
    frozen = MappingProxyType({"lines": (MappingProxyType({"quantity_decimal": Decimal("1E+2")}),)})
    assert checked_parameters(StepAction.ADD_INVOICE_LINES, frozen) == {
        "lines": [{"quantity_decimal": "100"}]
    }


BAD_SCHEDULES = [
    (a_schedule(iterations=3), "iterations"),
    (a_schedule(an_item(colour="red")), "phases[0][items][0][colour]"),
    (a_schedule(an_item(), an_item(quantity="2")), "phases[0][items][1][quantity]"),
    (a_schedule(an_item(quantity=True)), "phases[0][items][0][quantity]"),
    (a_schedule(an_item(quantity=2.0)), "phases[0][items][0][quantity]"),
    (
        a_schedule(an_item(price_data={"currency": "usd", "recurring": {"interval": "month"}})),
        "phases[0][items][0][price_data][product]",
    ),
    (
        a_schedule(
            an_item(price_data={"currency": "usd", "product": "p", "recurring": {"interval": "fortnight"}})
        ),
        "phases[0][items][0][price_data][recurring][interval]",
    ),
    (a_schedule(an_item(metadata={"a": 3})), "phases[0][items][0][metadata][a]"),
    (a_schedule(an_item(metadata={"a": None})), "phases[0][items][0][metadata][a]"),
    (a_schedule(end_behavior="stop"), "end_behavior"),
    (a_schedule(customer=Ref(key="customer:1")), "customer"),
    (a_schedule(customer=None), "customer"),
    (a_schedule(start_date="tomorrow"), "start_date"),
    (a_schedule(phases=[]), "phases"),
    (a_schedule(phases=[{"items": []}]), "phases[0][items]"),
    (a_schedule(phases=[{}]), "phases[0][items]"),
    (a_schedule(api_key="sk_test_x"), "api_key"),
    (a_schedule(idempotency_key="x"), "idempotency_key"),
]


@pytest.mark.parametrize(("parameters", "path"), BAD_SCHEDULES, ids=[path for _, path in BAD_SCHEDULES])
def test_parameters_when_stripe_would_refuse_are_named_by_path(parameters: dict[str, Any], path: str) -> None:
    with pytest.raises(InvariantError) as caught:
        checked_parameters(StepAction.CREATE_SCHEDULE, parameters)
    assert (caught.value.code, caught.value.field) == ("stripe_parameters", path)
    assert path in caught.value.message


@pytest.mark.parametrize(
    "amount", [4.5, "4,5", "NaN", "Infinity", True, Decimal("NaN"), None, "", "1e", object()]
)
def test_amounts_when_not_exact_numbers_are_refused(amount: object) -> None:
    with pytest.raises(InvariantError) as caught:
        checked_parameters(StepAction.CREATE_PRICE, {"currency": "usd", "unit_amount_decimal": amount})
    assert caught.value.field == "unit_amount_decimal"


def test_required_parameter_when_absent_is_named() -> None:
    with pytest.raises(InvariantError) as caught:
        checked_parameters(StepAction.CREATE_PRICE, {"unit_amount": 5})
    assert caught.value.field == "currency"
