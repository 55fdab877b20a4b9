"""Checks over all orders of one contract."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from cpqbridge.domain.order import Order, OrderKind
from cpqbridge.mapping.findings import Findings
from cpqbridge.mapping.orders import CURRENCY
from cpqbridge.mapping.qualifying import FILTERED_OUT
from cpqbridge.mapping.raw import RawRecord
from cpqbridge.mapping.records import record_id_at


def check_contract(orders: Sequence[Order], records: Mapping[str, RawRecord], findings: Findings) -> None:
    """Refuse what contradicts itself over the orders of one contract; `orders` are in effective order."""
    _check_quotes(orders, records, findings)
    _check_currencies(orders, findings)
    _check_initial(orders, findings)


def _check_quotes(orders: Sequence[Order], records: Mapping[str, RawRecord], findings: Findings) -> None:
    """Refuse a contract whose first orders come from several quotes."""
    first = [order for order in orders if order.kind is not OrderKind.AMENDMENT]
    quotes = {record_id_at(records[order.order_id], "SBQQ__Quote__c") for order in first} - {None}
    for order in first if len(quotes) > 1 else ():
        findings.refuse(
            "several_quotes",
            f"The orders of the contract come from {len(quotes)} original quotes.",
            order_id=order.order_id,
            record_id=order.order_id,
            field="SBQQ__Quote__c",
        )


def _check_currencies(orders: Sequence[Order], findings: Findings) -> None:
    """Refuse orders whose currency differs from the first one's (B3.7); drafts decide nothing."""
    known = [order for order in orders if order.currency]
    first = next((order for order in known if order.activated), known[0] if known else None)
    for order in known:
        if first is None or order.currency == first.currency:
            continue
        changed = order.kind is not OrderKind.INITIAL
        findings.refuse(
            "currency_changed" if changed else "currency_mixed",
            f"Order {order.order_number} is in {order.currency.upper()}, "
            f"order {first.order_number} of the same contract in {first.currency.upper()}.",
            order_id=order.order_id,
            record_id=order.order_id,
            field=CURRENCY,
        )


def _check_initial(orders: Sequence[Order], findings: Findings) -> None:
    """Refuse amendments whose initial order is not there, or outside the filter."""
    left_out = {refusal.order_id for refusal in findings.refusals if refusal.code in FILTERED_OUT}
    first = [order for order in orders if order.kind is not OrderKind.AMENDMENT]
    if any(order.order_id not in left_out for order in first):
        return
    found = "was not found"
    if first:
        found = f"{first[0].order_number} is outside the filter"
    for order in orders:
        if order.kind is OrderKind.AMENDMENT and order.activated:
            findings.refuse(
                "initial_order_filtered",
                f"Order {order.order_number} is an amendment; its initial order {found}.",
                order_id=order.order_id,
                record_id=order.order_id,
                field="Opportunity.SBQQ__AmendedContract__c",
            )
