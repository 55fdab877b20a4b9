"""What a rehearsal takes from the export itself: when orders were activated, and what people call them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from typing import Any

from cpqbridge.clock import parse_instant
from cpqbridge.domain.ids import is_salesforce_id, salesforce_id
from cpqbridge.errors import ConfigurationError
from cpqbridge.sync.rehearse import ExportedOrder

Records = Mapping[str, Sequence[Mapping[str, Any]]]
FIRST_INSTANT = datetime(1990, 1, 1, tzinfo=UTC)
LAST_INSTANT = datetime(2150, 1, 1, tzinfo=UTC)


def exported_orders(records: Records) -> tuple[ExportedOrder, ...]:
    """Return the orders of an export by activation stamp, those without one last, then by order number."""
    customers = {_id(record.get("Id")): str(record.get("Name") or "") for record in records["Account"]}
    prices: defaultdict[str, dict[str, Decimal]] = defaultdict(dict)
    for item in records["OrderItem"]:
        total = _decimal(item.get("TotalPrice"))
        prices[_id(item.get("OrderId"))][_id(item.get("Id"))] = total or Decimal(0)
    # An id may stand in the export twice, once with 15 and once with 18 characters.
    orders = {_id(record.get("Id")): _order(record, customers, prices) for record in records["Order"]}
    return tuple(
        sorted(
            orders.values(),
            key=lambda order: (
                order.activated_at is None,
                order.activated_at.timestamp() if order.activated_at else 0,
                order.order_number,
                order.order_id,
            ),
        )
    )


def stamp_notes(records: Records) -> tuple[str, ...]:
    """Return what the report should say about activated orders of which nobody knows when."""
    unknown = [
        str(record.get("OrderNumber") or record.get("Id"))
        for record in records["Order"]
        if record.get("StatusCode") == "Activated" and not record.get("ActivatedDate")
    ]
    if not unknown:
        return ()
    return (f"Activated without an ActivatedDate, so synced after all others: {', '.join(unknown)}.",)


def _order(
    record: Mapping[str, Any], customers: Mapping[str, str], prices: Mapping[str, Mapping[str, Decimal]]
) -> ExportedOrder:
    order_id = _id(record.get("Id"))
    number = str(record.get("OrderNumber") or order_id)
    stamp = record.get("ActivatedDate")
    purpose = ": ".join(str(record[name]) for name in ("Name", "Description") if record.get(name))
    currency = record.get("CurrencyIsoCode")
    return ExportedOrder(
        order_id=order_id,
        order_number=number,
        activated_at=_instant(stamp, f"ActivatedDate of order {number}") if stamp else None,
        customer=customers.get(_id(record.get("AccountId")), ""),
        purpose=purpose,
        currency=currency.lower() if isinstance(currency, str) else None,
        line_totals=prices.get(order_id, {}),
    )


def _id(value: object) -> str:
    return salesforce_id(value) if isinstance(value, str) and is_salesforce_id(value) else ""


def is_plausible(instant: datetime) -> bool:
    """Return whether an instant is one that a clock can be set to, and from which contracts can run."""
    return FIRST_INSTANT <= instant < LAST_INSTANT


def _instant(value: object, name: str) -> datetime | None:
    """Return a stamp, None for one at which nobody can have activated anything."""
    if not isinstance(value, str):
        raise ConfigurationError(
            f"{name} is {value!r:.40}, which is not a time.",
            code="export_file",
            field="Order.json",
            fix="Export Order.json again; times look like 2026-01-28T15:04:05.000+0000.",
        )
    instant = parse_instant(value, name=name)
    return instant if is_plausible(instant) else None


def _decimal(value: object) -> Decimal | None:
    if isinstance(value, bool) or not isinstance(value, int | Decimal | str):
        return None
    try:
        number = Decimal(value)
    except InvalidOperation:
        return None
    return number if number.is_finite() else None
