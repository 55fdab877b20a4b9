"""What a call made or found, beside what it was to make."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

from cpqbridge.domain.billing import StepAction
from cpqbridge.store.intents import NewIntent

_LATER = "subscription_cycle"
"""Why Stripe made an invoice that is not the first one of its subscription."""


def is_what_was_wanted(content: NewIntent, found: Mapping[str, Any]) -> bool:
    """Return whether an object found under our chosen id or lookup key is what the call would have made."""
    wanted = content.parameters
    if content.action is StepAction.CREATE_PRODUCT:
        return found.get("id") == wanted.get("id") and found.get("active") is not False
    if content.action is StepAction.CREATE_COUPON:
        return found.get("valid") is not False and _grants(found) == _grants(wanted)
    if content.action is StepAction.CREATE_METER:
        # Its name is for people, and the product may have another one by now.
        counts = {name: wanted.get(name) for name in ("event_name", "default_aggregation")}
        return found.get("status") == "active" and holds_all(found, counts)
    if content.action is StepAction.CREATE_PRICE:
        recurring = cast("Mapping[str, object]", wanted.get("recurring") or {})
        found_recurring = found.get("recurring") or {}
        return (
            found.get("active") is not False
            and _id_of(found.get("product")) == wanted.get("product")
            and found.get("currency") == wanted.get("currency")
            # Tiers are told apart by the lookup key, which holds their hash.
            and found.get("tiers_mode") == wanted.get("tiers_mode")
            and _number_text(found.get("unit_amount_decimal"))
            == _number_text(wanted.get("unit_amount_decimal"))
            and all(found_recurring.get(name) == value for name, value in recurring.items())
        )
    return False


def _grants(coupon: Mapping[str, Any]) -> list[str]:
    """Return what a coupon takes off, and for how long."""
    numbers = (_number_text(coupon.get(name)) for name in ("percent_off", "amount_off"))
    return [*numbers, *(str(coupon.get(name)) for name in ("currency", "duration", "duration_in_months"))]


def _id_of(value: Any) -> Any:
    return value.get("id") if isinstance(value, Mapping) else value


def _number_text(value: object) -> str:
    text = format(value, "f") if not isinstance(value, str) and value is not None else str(value)
    return text.rstrip("0").rstrip(".") if "." in text else text


def holds_all(found: Any, wanted: object) -> bool:
    """Return whether everything that `wanted` names stands in `found` like this; what else it has is left."""
    if isinstance(wanted, Mapping):
        return isinstance(found, Mapping) and all(
            holds_all(found.get(name), value) for name, value in wanted.items()
        )
    return bool(found == wanted)


def invoice_doubt(content: NewIntent, made: Mapping[str, Any]) -> str | None:
    """Return how the invoice that a call made or filled differs from the plan, before tax (B6.3).

    A schedule that is found long after the call may have later invoices; these are not compared.
    """
    expected = content.expected_total_minor
    if content.action is StepAction.CREATE_SCHEDULE:
        invoice = _latest_invoice(made)
        if invoice is not None and invoice.get("billing_reason") == _LATER:
            return None
    elif content.action is StepAction.ADD_INVOICE_LINES:
        invoice = made
    else:
        return None
    actual = invoice_total_minor(invoice) if invoice is not None else None
    if expected is None or actual == expected or (actual is None and expected == 0):
        return None
    said = "no invoice" if actual is None else f"one of {actual}"
    return f"The first invoice was planned to be {expected} minor units before tax, but Stripe made {said}."


def _latest_invoice(made: Mapping[str, Any]) -> Mapping[str, Any] | None:
    subscription = made.get("subscription")
    invoice = subscription.get("latest_invoice") if isinstance(subscription, Mapping) else None
    return invoice if isinstance(invoice, Mapping) else None


def invoice_total_minor(invoice: Mapping[str, Any]) -> int | None:
    """Return what an invoice comes to before tax, in minor units, None where it does not say."""
    for name in ("total_excluding_tax", "subtotal", "total"):
        if isinstance(invoice.get(name), int):
            return int(invoice[name])
    return None
