"""Orders and contracts of the org as the desk shows them: to programs as JSON, to people on its pages."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any

from cpqbridge_sim.salesforce.cpq.pricing import PackageSettings
from cpqbridge_sim.salesforce.desk.handles import Handles, is_activated
from cpqbridge_sim.salesforce.desk.lookups import live_records, record_at, records_where
from cpqbridge_sim.salesforce.desk.org_table import org_currency
from cpqbridge_sim.salesforce.desk.sales import contract_ids_of

if TYPE_CHECKING:
    from cpqbridge_sim.salesforce.cpq.model import Contract, OrderLine
    from cpqbridge_sim.salesforce.org import Org
    from cpqbridge_sim.salesforce.values import Record, Value

Document = dict[str, Any]


def order_document(org: Org, order: Record) -> Document:
    """An order with its lines, and what the connector wrote back to it."""
    items = records_where(org, "OrderItem", "OrderId", str(order["Id"]))
    items.sort(key=lambda item: (str(item.get("OrderItemNumber")), str(item["Id"])))
    return {
        **order_summary(org, order),
        "lines": [_item_document(org, item) for item in items],
    }


def order_summary(org: Org, order: Record) -> Document:
    """An order without its lines."""
    quote = record_at(org, "SBQQ__Quote__c", order.get("SBQQ__Quote__c")) or {}
    account = record_at(org, "Account", order.get("AccountId")) or {}
    return {
        "id": order["Id"],
        "number": order.get("OrderNumber"),
        "name": order.get("Name") or "",
        "account": account.get("Name") or "",
        "kind": quote.get("SBQQ__Type__c") or "",
        "is_draft": not is_activated(order),
        "status": order.get("Status"),
        "start": order.get("EffectiveDate"),
        "end": order.get("EndDate"),
        "activated_at": order.get("ActivatedDate"),
        "total": order.get("TotalAmount"),
        "currency": order.get("CurrencyIsoCode") or org_currency(org),
        "contracts": list(contract_ids_of(org, order)),
        "sync_status": _ours(order, "Stripe_Sync_Status__c"),
        "sync_message": _ours(order, "Stripe_Sync_Message__c"),
        "stripe_id": _ours(order, "Stripe_ID__c"),
    }


def contract_document(org: Org, record: Record) -> Document | None:
    """A contract with what is left of its lines; None for one without contracted lines."""
    settings = PackageSettings(currency=org_currency(org))
    contract = Handles(org, settings).contract_or_none(record)
    if contract is None:
        return None
    left = contract.remaining()
    return {
        "id": record["Id"],
        "number": record.get("ContractNumber"),
        "account": contract.quote.account.name,
        "currency": contract.quote.currency,
        "start": contract.start.isoformat(),
        "end": contract.end.isoformat() if contract.end else None,
        "lines": [_line_document(line, units) for line, units in left.items()],
        "orders": _orders_of(org, contract),
    }


def contract_documents(org: Org) -> list[Document]:
    """Every contract that can be worked on, the newest number first."""
    records = sorted(live_records(org, "Contract"), key=lambda each: str(each.get("ContractNumber")))
    found = (contract_document(org, record) for record in reversed(records))
    return [document for document in found if document is not None]


def draft_documents(org: Org) -> list[Document]:
    """Every draft order that comes from a CPQ quote, the newest number first."""
    drafts = [
        order
        for order in live_records(org, "Order")
        if not is_activated(order) and order.get("SBQQ__Quote__c")
    ]
    drafts.sort(key=lambda order: str(order.get("OrderNumber")), reverse=True)
    return [order_summary(org, order) for order in drafts]


def _orders_of(org: Org, contract: Contract) -> list[Document]:
    """The orders of a contract and the drafts that would change it, oldest first."""
    ids = dict.fromkeys(line.order_id for line in contract.lines)
    for opportunity in records_where(org, "Opportunity", "SBQQ__AmendedContract__c", contract.record_id):
        for order in records_where(org, "Order", "OpportunityId", str(opportunity["Id"])):
            ids.setdefault(str(order["Id"]))
    records = (record_at(org, "Order", order_id) for order_id in ids)
    return [order_summary(org, order) for order in records if order is not None]


def _line_document(line: OrderLine, units: Decimal) -> Document:
    priced = line.priced
    product = priced.line.product
    return {
        "id": line.record_id,
        "product": product.name,
        "left": units,
        "start": priced.start.isoformat(),
        "end": priced.end.isoformat() if priced.end else None,
        "price": priced.line.price,
        "price_months": product.default_term or 12,
        "is_recurring": product.is_recurring,
        "is_reducible": product.is_recurring or product.refundable,
        "billed": priced.line.frequency if product.is_recurring else None,
    }


def _item_document(org: Org, item: Record) -> Document:
    product = record_at(org, "Product2", item.get("Product2Id")) or {}
    return {
        "id": item["Id"],
        "product": product.get("Name") or "",
        "quantity": item.get("Quantity"),
        "start": item.get("ServiceDate"),
        "end": item.get("EndDate"),
        "unit_price": item.get("UnitPrice"),
        "total": item.get("TotalPrice"),
        "multiplier": item.get("SBQQ__ProrateMultiplier__c"),
        "revises": item.get("SBQQ__RevisedOrderProduct__c"),
    }


def _ours(record: Record, name: str) -> Value:
    """A field of the connector, whatever prefix the org has put in front of its name."""
    return next((value for field, value in record.items() if field.endswith(name) and value), None)
