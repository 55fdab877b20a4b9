"""Plans and billing objects as JSON documents and back, without loss."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields, is_dataclass
from datetime import date, datetime
from decimal import Decimal
from enum import Enum
from typing import Any, TypeVar, cast

from cpqbridge.domain.billing import (
    BilledOrderLine,
    BillingObject,
    ContractRecord,
    CreditPortion,
    ExecutedOrder,
    ForecastInvoice,
    InvoiceLine,
    OneTimeItem,
    OrderOutcome,
    Phase,
    PhaseItem,
    Plan,
    PlannedLine,
    Proof,
    Ref,
    Step,
    StepAction,
    TakenAmount,
    TakenUnits,
)
from cpqbridge.domain.order import OrderKind
from cpqbridge.domain.pricing import DiscountTerms, PriceTier, TieredPrice
from cpqbridge.domain.refusal import OrderState, Refusal
from cpqbridge.errors import InvariantError

_CLASSES: dict[str, type[Any]] = {
    each.__name__: each
    for each in (
        BilledOrderLine,
        BillingObject,
        ContractRecord,
        CreditPortion,
        DiscountTerms,
        ExecutedOrder,
        ForecastInvoice,
        InvoiceLine,
        OneTimeItem,
        OrderOutcome,
        Phase,
        PhaseItem,
        Plan,
        PlannedLine,
        PriceTier,
        Proof,
        Ref,
        Refusal,
        Step,
        TakenAmount,
        TakenUnits,
        TieredPrice,
    )
}
_ENUMS: dict[str, type[Enum]] = {each.__name__: each for each in (OrderKind, OrderState, StepAction)}
_TAG = "$"

Decoded = TypeVar("Decoded", Plan, BillingObject, ContractRecord)


def encode_plan(plan: Plan) -> dict[str, Any]:
    """Return the plan as JSON values."""
    return cast("dict[str, Any]", _encode(plan))


def decode_plan(document: dict[str, Any]) -> Plan:
    """Return the plan that `encode_plan` was given.

    Raises:
        InvariantError: the document is no plan of a release we know.
    """
    return _decoded(document, Plan, "plan")


def encode_object(wanted: BillingObject) -> dict[str, Any]:
    """Return the object as JSON values."""
    return cast("dict[str, Any]", _encode(wanted))


def decode_object(document: dict[str, Any]) -> BillingObject:
    """Return the object that `encode_object` was given.

    Raises:
        InvariantError: the document is no object of a release we know.
    """
    return _decoded(document, BillingObject, "billing object")


def encode_record(record: ContractRecord) -> dict[str, Any]:
    """Return the record as JSON values."""
    return cast("dict[str, Any]", _encode(record))


def decode_record(document: dict[str, Any]) -> ContractRecord:
    """Return the record that `encode_record` was given.

    Raises:
        InvariantError: the document is no record of a release we know.
    """
    return _decoded(document, ContractRecord, "contract record")


def _decoded(document: dict[str, Any], wanted: type[Decoded], what: str) -> Decoded:
    try:
        found = _decode(document)
    except (KeyError, TypeError, ValueError) as error:
        raise _unreadable(f"A stored {what} cannot be read: {error!r}.") from error
    if not isinstance(found, wanted):
        raise _unreadable(f"A stored {what} is none.")
    return found


def _unreadable(text: str) -> InvariantError:
    return InvariantError(text, code="plan_unreadable", fix="Sync the order again.")


def _encode(value: object) -> Any:
    if isinstance(value, Enum):
        return {_TAG: type(value).__name__, "value": value.value}
    if value is None or isinstance(value, (bool, int, str)):
        return value
    if isinstance(value, datetime):
        return {_TAG: "instant", "value": value.isoformat()}
    if isinstance(value, date):
        return {_TAG: "day", "value": value.isoformat()}
    if isinstance(value, Decimal):
        return {_TAG: "decimal", "value": str(value)}
    if is_dataclass(value) and type(value).__name__ in _CLASSES:
        encoded = {each.name: _encode(getattr(value, each.name)) for each in fields(value)}
        return {_TAG: type(value).__name__, **encoded}
    if isinstance(value, tuple):
        return {_TAG: "tuple", "value": [_encode(each) for each in value]}
    if isinstance(value, list):
        return [_encode(each) for each in value]
    if hasattr(value, "items"):
        return {_TAG: "map", "value": [[str(key), _encode(each)] for key, each in value.items()]}
    raise InvariantError(f"A plan cannot hold a {type(value).__name__}.", code="plan_unwritable")


def _decode(value: Any) -> Any:
    if isinstance(value, list):
        return [_decode(each) for each in value]
    if not isinstance(value, dict):
        return value
    tag = value[_TAG]
    if tag in _CLASSES:
        return _CLASSES[tag](**{key: _decode(each) for key, each in value.items() if key != _TAG})
    inner = value["value"]
    if tag in _ENUMS:
        return _ENUMS[tag](inner)
    readers: dict[str, Callable[[Any], Any]] = {
        "instant": datetime.fromisoformat,
        "day": date.fromisoformat,
        "decimal": Decimal,
        "tuple": lambda items: tuple(_decode(each) for each in items),
        "map": lambda items: {key: _decode(each) for key, each in items},
    }
    return readers[tag](inner)
