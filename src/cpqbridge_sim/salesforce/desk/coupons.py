"""The coupons of the org: those of quotes and quote lines, and whether an order has its copies yet."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from cpqbridge_sim.salesforce.cpq.model import Coupon
from cpqbridge_sim.salesforce.desk.lookups import record_at, records_where

if TYPE_CHECKING:
    from collections.abc import Iterable

    from cpqbridge_sim.salesforce.org import Org
    from cpqbridge_sim.salesforce.values import Record

QUOTE_COUPON: Final = "Quote_Stripe_Coupon__c"
_COPIED: Final = (
    "Name",
    "Percent_Off__c",
    "Amount_Off__c",
    "Duration__c",
    "Duration_In_Months__c",
    "Max_Redemptions__c",
    "Currency__c",
)


def coupon_of(record: Record) -> Coupon:
    """The coupon of a Quote_Stripe_Coupon__c record, with what an order's copy of it has."""
    return Coupon(record_id=str(record["Id"]), fields={name: record.get(name) for name in _COPIED})


def quote_coupons(org: Org, quote_id: str) -> tuple[Coupon, ...]:
    """The coupons of a whole quote, in the order they were associated."""
    return _tied(org, records_where(org, "Quote_Stripe_Coupon_Association__c", "Quote__c", quote_id))


def quote_line_coupons(org: Org, quote_line_id: str) -> tuple[Coupon, ...]:
    """The coupons of one quote line, in the order they were associated."""
    found = records_where(org, "Quote_Line_Stripe_Coupon_Association__c", "Quote_Line__c", quote_line_id)
    return _tied(org, found)


def has_order_coupons(org: Org, order_id: str, items: Iterable[Record]) -> bool:
    """Whether coupons were copied onto an order or its lines already: it was activated before."""
    on_order = records_where(org, "Order_Stripe_Coupon_Association__c", "Order__c", order_id)
    return bool(on_order) or any(
        records_where(org, "Order_Item_Stripe_Coupon_Association__c", "Order_Item__c", str(item["Id"]))
        for item in items
    )


def _tied(org: Org, associations: Iterable[Record]) -> tuple[Coupon, ...]:
    named = (record_at(org, QUOTE_COUPON, each.get(QUOTE_COUPON)) for each in associations)
    return tuple(coupon_of(record) for record in named if record is not None)
