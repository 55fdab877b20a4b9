"""The one table of our own names in Salesforce (salesforce.md 2.5 and 6)."""

from __future__ import annotations

from dataclasses import dataclass

SYNC_RECORD_OBJECT = "Stripe_Sync_Record__c"
ORDER_COUPON_OBJECT = "Order_Stripe_Coupon_Association__c"
LINE_COUPON_OBJECT = "Order_Item_Stripe_Coupon_Association__c"


@dataclass(frozen=True, slots=True)
class OurFields:
    """Names of the fields we add to the customer's objects; `prefix` stands in front of each of them.

    Our own objects and the fields on them carry no prefix: nobody else adds fields there.
    """

    prefix: str = ""

    @property
    def stripe_id(self) -> str:
        """Return the field on Account, Product2, PricebookEntry, Order, OrderItem that shows a Stripe id."""
        return f"{self.prefix}Stripe_ID__c"

    @property
    def stripe_link(self) -> str:
        """Return the field beside `stripe_id` that links to Stripe's Dashboard."""
        return f"{self.prefix}Stripe_Link__c"

    @property
    def sync_status(self) -> str:
        """Return the status field on Order."""
        return f"{self.prefix}Stripe_Sync_Status__c"

    @property
    def sync_message(self) -> str:
        """Return the field on Order with the last message."""
        return f"{self.prefix}Stripe_Sync_Message__c"

    @property
    def skip_past_initial_invoices(self) -> str:
        """Return the check box on Order that leaves out cycles which have ended (B5.5)."""
        return f"{self.prefix}Skip_Past_Initial_Invoices__c"

    @property
    def skip_line_item(self) -> str:
        """Return the check box on OrderItem that leaves the line out (B1.6)."""
        return f"{self.prefix}Skip_Line_Item__c"

    def written(self) -> tuple[tuple[str, str], ...]:
        """Return every field that is written after a sync, with its object."""
        shown = ("Account", "Order", "OrderItem", "PricebookEntry", "Product2")
        return (
            *((name, field) for name in shown for field in (self.stripe_id, self.stripe_link)),
            ("Order", self.sync_status),
            ("Order", self.sync_message),
            *((SYNC_RECORD_OBJECT, field) for field in SyncRecordFields.ALL),
        )


class SyncRecordFields:
    """Names of the fields of the Sync Record object."""

    KEY = "Key__c"
    ORDER = "Order__c"
    RECORD_ID = "Record_Id__c"
    RECORD_OBJECT = "Record_Object__c"
    STATUS = "Status__c"
    MESSAGE = "Message__c"
    ACTION = "Action__c"
    DOCS_LINK = "Docs_Link__c"
    REQUEST_LINK = "Request_Link__c"
    RESOLVED = "Resolved__c"

    ALL = (KEY, ORDER, RECORD_ID, RECORD_OBJECT, STATUS, MESSAGE, ACTION, DOCS_LINK, REQUEST_LINK, RESOLVED)


class CouponFields:
    """Names of the coupon object on orders, and how an association of it leads there.

    `STRIPE_ID` is written after a sync, where the org has it; `ALL` are read.
    """

    OBJECT = "Order_Stripe_Coupon__c"
    LOOKUP = "Order_Stripe_Coupon__c"
    RELATIONSHIP = "Order_Stripe_Coupon__r"
    NAME = "Name"
    PERCENT_OFF = "Percent_Off__c"
    AMOUNT_OFF = "Amount_Off__c"
    CURRENCY = "Currency__c"
    DURATION = "Duration__c"
    DURATION_IN_MONTHS = "Duration_In_Months__c"
    MAX_REDEMPTIONS = "Max_Redemptions__c"
    STRIPE_ID = "Stripe_ID__c"

    ALL = (NAME, PERCENT_OFF, AMOUNT_OFF, CURRENCY, DURATION, DURATION_IN_MONTHS, MAX_REDEMPTIONS)
