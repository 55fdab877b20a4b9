"""The order lines that can show how an org counts months (B3.1), from raw order products."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import date
from decimal import Decimal, InvalidOperation

from cpqbridge.domain.order import LineKind, OrderLine
from cpqbridge.mapping.records import record_id_at

PRECISION_FIELDS = (
    "Id",
    "OrderId",
    "ServiceDate",
    "EndDate",
    "SBQQ__DefaultSubscriptionTerm__c",
    "SBQQ__ProrateMultiplier__c",
    "SBQQ__SegmentKey__c",
    "SBQQ__SubscriptionPricing__c",
)
"""The fields of an order product that `lines_that_tell_precision` looks at."""

_DEFAULT_TERM = Decimal(12)


def lines_that_tell_precision(
    items: Iterable[Mapping[str, object]], *, multiplier_decimals: int | None = None
) -> list[OrderLine]:
    """Return the recurring lines whose own dates and multiplier can show the org's prorate precision.

    `multiplier_decimals` is the scale of the org's field, None where that is not known.
    """
    found = []
    for item in items:
        starts_on, ends_on = _date(item.get("ServiceDate")), _date(item.get("EndDate"))
        multiplier = _decimal(item.get("SBQQ__ProrateMultiplier__c"))
        recurring = item.get("SBQQ__SubscriptionPricing__c") and not item.get("SBQQ__SegmentKey__c")
        if starts_on and ends_on and ends_on < date.max and multiplier and multiplier > 0 and recurring:
            line = _line(item, starts_on, ends_on, multiplier)
            found.append(replace(line, multiplier_decimals=multiplier_decimals))
    return found


def _line(item: Mapping[str, object], starts_on: date, ends_on: date, multiplier: Decimal) -> OrderLine:
    return OrderLine(
        order_item_id=record_id_at(item, "Id") or "",
        order_id=record_id_at(item, "OrderId") or "",
        kind=LineKind.RECURRING,
        product_id="",
        pricebook_entry_id="",
        quantity=Decimal(1),
        unit_price=Decimal(0),
        total_price=Decimal(0),
        starts_on=starts_on,
        ends_on=ends_on,
        default_term_months=_decimal(item.get("SBQQ__DefaultSubscriptionTerm__c")) or _DEFAULT_TERM,
        prorate_multiplier=multiplier,
    )


def _date(value: object) -> date | None:
    try:
        return date.fromisoformat(value) if isinstance(value, str) else None
    except ValueError:
        return None


def _decimal(value: object) -> Decimal | None:
    """Return a number, also one that an export holds as text; None for anything else."""
    if isinstance(value, bool) or not isinstance(value, int | Decimal | str):
        return None
    try:
        number = Decimal(value)
    except InvalidOperation:
        return None
    return number if number.is_finite() else None
