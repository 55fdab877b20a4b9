"""Orders: the order products of a quote, activation and deactivation."""

from collections.abc import Collection, Mapping
from datetime import datetime
from typing import Any, TypedDict

from cpqbridge_sim.salesforce.cpq import consumption, shapes
from cpqbridge_sim.salesforce.cpq.catalog import Catalog
from cpqbridge_sim.salesforce.cpq.model import Coupon, CpqError, Order, OrderLine, Quote, UsageSchedule
from cpqbridge_sim.salesforce.cpq.pricing import PackageSettings
from cpqbridge_sim.salesforce.cpq.table import RecordTable

FIRST_ORDER_NUMBER = 101


class OrderOptions(TypedDict, total=False):
    """The part of an order that does not come from the quote; `fields` are set as they are."""

    name: str
    description: str
    number: str
    fields: Mapping[str, Any]


class Ordering:
    """Adds draft orders, activates them, and puts them back to draft."""

    def __init__(
        self, table: RecordTable, catalog: Catalog, settings: PackageSettings, *, next_number: int
    ) -> None:
        self._table = table
        self._catalog = catalog
        self._settings = settings
        self._next_number = next_number
        self._order_coupons: dict[str, str] = {}

    def order(self, quote: Quote, *, only: Collection[int] | None, options: OrderOptions) -> Order:
        """Add a draft order with the lines of a quote, or only those at some positions.

        Raises:
            CpqError: no line is left to order, or the order number is not a number.
        """
        order_id = self._table.next_id("Order")
        lines = tuple(
            OrderLine(record_id=self._table.next_id("OrderItem"), order_id=order_id, priced=line)
            for position, line in enumerate(quote.lines)
            if (only is None or position in only)
            and (line.quantity or not line.revises or self._settings.zero_quantity_lines)
        )
        if not lines:
            raise CpqError("There is nothing to order: the quote has no changed line.")
        order = Order(
            record_id=order_id, number=self._number(options.get("number")), quote=quote, lines=lines
        )
        record = {
            **shapes.order_record(order),
            "Pricebook2Id": self._catalog.price_book_id,
            "Name": options.get("name"),
            "Description": options.get("description"),
            **options.get("fields", {}),
        }
        self._table.add("Order", record, record_id=order_id, currency=quote.currency)
        for position, line in enumerate(lines, start=1):
            self._add_line(order, line, position)
        self._table.edit("SBQQ__Quote__c", quote.record_id, {"SBQQ__Ordered__c": True})
        if quote.opportunity_id is not None:
            self._table.edit("Opportunity", quote.opportunity_id, {"SBQQ__Ordered__c": True})
        return order

    def activate(self, order: Order, at: datetime, without: Collection[OrderLine]) -> None:
        """Activate an order and its lines; coupons are copied onto them.

        Raises:
            CpqError: the order is active already.
        """
        if order.is_activated:
            raise CpqError(f"Order {order.number} is activated already.")
        order.is_activated = True
        activated = {"Status": "Activated", "StatusCode": "Activated", "ActivatedDate": at}
        self._table.edit("Order", order.record_id, activated, at=at)
        for line in order.lines:
            if line not in without:
                fields = {"SBQQ__Status__c": "Activated", "SBQQ__Activated__c": True}
                self._table.edit("OrderItem", line.record_id, fields, at=at)
        if not order.has_coupons:
            order.has_coupons = True
            self._copy_coupons(order)

    def deactivate(self, order: Order, at: datetime) -> None:
        """Put an order back to draft.

        Raises:
            CpqError: the order is a draft, or is contracted.
        """
        if not order.is_activated or self._table.get("Order", order.record_id)["SBQQ__Contracted__c"]:
            raise CpqError(f"Order {order.number} is a draft or contracted, and cannot be deactivated.")
        order.is_activated = False
        draft = {"Status": "Draft", "StatusCode": "Draft", "ActivatedDate": None}
        self._table.edit("Order", order.record_id, draft, at=at)
        for line in order.lines:
            fields = {"SBQQ__Status__c": "Draft", "SBQQ__Activated__c": False}
            self._table.edit("OrderItem", line.record_id, fields, at=at)

    def _number(self, wanted: str | None) -> str:
        number = wanted if wanted is not None else f"{self._next_number:08d}"
        if not number.isdecimal():
            raise CpqError(f"An order number has digits only, not {number!r}.")
        self._next_number = int(number) + 1
        return number

    def _add_line(self, order: Order, line: OrderLine, position: int) -> None:
        currency = order.quote.currency
        record = {
            **shapes.order_item_record(line, settings=self._settings, currency=currency),
            **self._bundle_fields(order, line),
            "OrderItemNumber": f"{int(order.number):06d}{position:04d}",
            "PricebookEntryId": line.priced.entry_id
            or self._catalog.entry_id(line.priced.line.product, currency),
        }
        if line.priced.line.block_price is not None:
            record["SBQQ__BlockPrice__c"] = self._catalog.block_price(line.priced.line, currency)
        self._table.add("OrderItem", record, record_id=line.record_id, currency=currency)
        usage = line.priced.line.product.usage
        if usage is not None and usage.is_copied:
            self._copy_schedule(usage, line, currency)

    def _bundle_fields(self, order: Order, line: OrderLine) -> dict[str, str]:
        """Return the parent and the top of the bundle a line belongs to, where they are on the order."""
        if line.priced.line.required_by is None:
            return {}
        new_lines = [priced for priced in order.quote.lines if priced.revises is None]
        ordered = {id(each.priced): each for each in order.lines}
        by_position = {
            position: ordered[id(priced)]
            for position, priced in enumerate(new_lines)
            if id(priced) in ordered
        }
        parent = by_position.get(_position(line.priced.line.required_by))
        if parent is None:
            return {}
        root = parent
        while (above := by_position.get(_position(root.priced.line.required_by))) is not None:
            root = above
        return {"SBQQ__RequiredBy__c": parent.record_id, "SBQQ__BundleRoot__c": root.record_id}

    def _copy_schedule(self, usage: UsageSchedule, line: OrderLine, currency: str) -> None:
        fields = consumption.schedule_record(usage, on_order_item=line.record_id)
        schedule_id = self._table.add("SBQQ__OrderItemConsumptionSchedule__c", fields, currency=currency)
        for order, tier in enumerate(usage.tiers, start=1):
            fields = consumption.rate_record(tier, order, schedule_id, on_order_item=True)
            self._table.add("SBQQ__OrderItemConsumptionRate__c", fields, currency=currency)

    def _copy_coupons(self, order: Order) -> None:
        currency = order.quote.currency
        for coupon in order.quote.coupons:
            fields = {"Order__c": order.record_id, "Order_Stripe_Coupon__c": self._order_coupon(coupon)}
            self._table.add("Order_Stripe_Coupon_Association__c", fields, currency=currency)
        for line in order.lines:
            for coupon in line.priced.line.coupons:
                fields = {
                    "Order_Item__c": line.record_id,
                    "Order_Stripe_Coupon__c": self._order_coupon(coupon),
                }
                self._table.add("Order_Item_Stripe_Coupon_Association__c", fields, currency=currency)

    def _order_coupon(self, coupon: Coupon) -> str:
        """Return the copy of a quote's coupon, made when first asked for."""
        if coupon.record_id not in self._order_coupons:
            self._order_coupons[coupon.record_id] = self._table.add(
                "Order_Stripe_Coupon__c",
                {**coupon.fields, "Quote_Stripe_Coupon__c": coupon.record_id},
            )
        return self._order_coupons[coupon.record_id]


def _position(required_by: int | None) -> int:
    return -1 if required_by is None else required_by
