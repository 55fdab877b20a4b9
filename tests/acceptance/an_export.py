"""An org export written by hand: every record as an org would hold it, every amount worked out on paper."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

Record = dict[str, Any]

ACCOUNT = "001Qy00000BdNrT"
SEAT, SETUP, PLAN = "01tQy00000PrD01", "01tQy00000PrD02", "01tQy00000PrD03"
SEAT_ENTRY, SETUP_ENTRY, PLAN_ENTRY = "01uQy00000PbE01", "01uQy00000PbE02", "01uQy00000PbE03"
MONTHLY_ORDER, TAIL_ORDER, YEARLY_ORDER = "801Qy00000AbC01", "801Qy00000AbC02", "801Qy00000AbC03"
NO_QUOTE_ORDER, DRAFT_ORDER = "801Qy00000AbC04", "801Qy00000AbC05"


def a_line(item_id: str, order_id: str, **changes: Any) -> Record:
    """Return a monthly order line of one seat at 20.00, 15 January 2026 to 14 January 2027."""
    line = {
        "Id": item_id,
        "OrderId": order_id,
        "Product2Id": SEAT,
        "PricebookEntryId": SEAT_ENTRY,
        "Quantity": 1.0,
        "UnitPrice": 240.0,
        "ListPrice": 20.0,
        "TotalPrice": 240.0,
        "ServiceDate": "2026-01-15",
        "EndDate": "2027-01-14",
        "SBQQ__Status__c": "Activated",
        "SBQQ__Activated__c": True,
        "SBQQ__ContractAction__c": "New",
        "SBQQ__RevisedOrderProduct__c": None,
        "SBQQ__DefaultSubscriptionTerm__c": 1.0,
        "SBQQ__SubscriptionTerm__c": 12.0,
        "SBQQ__ProrateMultiplier__c": 12.0,
        "SBQQ__SubscriptionPricing__c": "Fixed Price",
        "SBQQ__SubscriptionType__c": "Renewable",
        "SBQQ__BillingFrequency__c": "Monthly",
        "SBQQ__BillingType__c": "Advance",
        "SBQQ__ChargeType__c": "Recurring",
        "SBQQ__SegmentIndex__c": None,
        "SBQQ__SegmentKey__c": None,
    }
    return {**line, **changes}


def a_one_time_line(item_id: str, order_id: str, **changes: Any) -> Record:
    """Return a one-time order line of 100.00 from 1 March 2026."""
    nothing = dict.fromkeys(
        (
            "EndDate",
            "SBQQ__DefaultSubscriptionTerm__c",
            "SBQQ__SubscriptionTerm__c",
            "SBQQ__SubscriptionPricing__c",
            "SBQQ__SubscriptionType__c",
            "SBQQ__BillingFrequency__c",
        )
    )
    one_time = {
        "Product2Id": SETUP,
        "PricebookEntryId": SETUP_ENTRY,
        "UnitPrice": 100.0,
        "ListPrice": 100.0,
        "TotalPrice": 100.0,
        "ServiceDate": "2026-03-01",
        "SBQQ__ProrateMultiplier__c": 1.0,
        "SBQQ__ChargeType__c": "One-Time",
    }
    return a_line(item_id, order_id, **{**nothing, **one_time, **changes})


def an_order(order_id: str, number: str, *, starts: str, activated: str | None, **changes: Any) -> Record:
    """Return an order of the one account, without a payment term."""
    order = {
        "attributes": {"type": "Order", "url": f"/services/data/v68.0/sobjects/Order/{order_id}"},
        "Id": order_id,
        "OrderNumber": number,
        "Status": "Activated" if activated else "Draft",
        "StatusCode": "Activated" if activated else "Draft",
        "Type": "New",
        "EffectiveDate": starts,
        "ActivatedDate": activated,
        "AccountId": ACCOUNT,
        "SBQQ__PaymentTerm__c": None,
        "SBQQ__Quote__c": f"a0zQy00000QuT{order_id[-2:]}",
        "SystemModstamp": activated or "2026-01-02T08:00:00.000+0000",
        "Account": {"attributes": {"type": "Account"}, "Name": "Baden Trading"},
    }
    return {**order, **changes}


def a_quote(order_id: str, starts: str) -> Record:
    """Return the quote that an order came from."""
    return {
        "Id": f"a0zQy00000QuT{order_id[-2:]}",
        "SBQQ__Type__c": "Quote",
        "SBQQ__StartDate__c": starts,
        "SBQQ__EndDate__c": None,
        "SBQQ__SubscriptionTerm__c": 12.0,
        "SBQQ__MasterContract__c": None,
    }


def small_export() -> dict[str, list[Record]]:
    """Return three orders that are billed, one without a quote, and a draft.

    Monthly: 3 x 20.00 from 15 January 2026 for a year. Tail: 2 x 30.00 from 1 March 2026 to 20 January 2027,
    ten months and twenty days: 10 + 20 x 12 / 365 = 10.657534 months, 319.73 a unit, 639.46 in all, so that
    the last twenty days cost 39.46; and 100.00 once. Yearly: 1,200.00 a year for two years.
    """
    orders = [
        an_order(
            MONTHLY_ORDER,
            "00000101",
            starts="2026-01-15",
            activated="2026-01-10T15:04:05.000+0000",
            SBQQ__PaymentTerm__c="Net 30",
            BillToContactId="003Qy00000CoN01",
            BillToContact={"attributes": {"type": "Contact"}, "Email": "billing@baden.example"},
        ),
        an_order(TAIL_ORDER, "00000102", starts="2026-03-01", activated="2026-03-01T09:30:00.000+0000"),
        an_order(YEARLY_ORDER, "00000103", starts="2026-05-01", activated="2026-04-20T07:00:00.000+0000"),
        an_order(
            NO_QUOTE_ORDER,
            "00000104",
            starts="2026-05-01",
            activated="2026-04-21T07:00:00.000+0000",
            SBQQ__Quote__c=None,
        ),
        an_order(DRAFT_ORDER, "00000105", starts="2026-06-01", activated=None),
    ]
    items = [
        a_line("802Qy00000LiNe1", MONTHLY_ORDER, Quantity=3.0, TotalPrice=720.0),
        a_line(
            "802Qy00000LiNe2",
            TAIL_ORDER,
            Quantity=2.0,
            UnitPrice=319.73,
            ListPrice=30.0,
            TotalPrice=639.46,
            ServiceDate="2026-03-01",
            EndDate="2027-01-20",
            SBQQ__SubscriptionTerm__c=None,
            SBQQ__ProrateMultiplier__c=10.657534246575342,
        ),
        a_one_time_line("802Qy00000LiNe3", TAIL_ORDER),
        a_line(
            "802Qy00000LiNe4",
            YEARLY_ORDER,
            Product2Id=PLAN,
            PricebookEntryId=PLAN_ENTRY,
            UnitPrice=2400.0,
            ListPrice=1200.0,
            TotalPrice=2400.0,
            ServiceDate="2026-05-01",
            EndDate="2028-04-30",
            SBQQ__DefaultSubscriptionTerm__c=12.0,
            SBQQ__SubscriptionTerm__c=24.0,
            SBQQ__ProrateMultiplier__c=2.0,
            SBQQ__BillingFrequency__c="Annual",
        ),
        a_line("802Qy00000LiNe5", NO_QUOTE_ORDER, ServiceDate="2026-05-01", EndDate="2027-04-30"),
        a_line(
            "802Qy00000LiNe6",
            DRAFT_ORDER,
            ServiceDate="2026-06-01",
            EndDate="2027-05-31",
            SBQQ__Status__c="Draft",
            SBQQ__Activated__c=False,
        ),
    ]
    starts = {
        MONTHLY_ORDER: "2026-01-15",
        TAIL_ORDER: "2026-03-01",
        YEARLY_ORDER: "2026-05-01",
        DRAFT_ORDER: "2026-06-01",
    }
    return {
        "Order": orders,
        "OrderItem": items,
        "Account": [{"Id": ACCOUNT, "Name": "Baden Trading", "BillingCountry": "CH"}],
        "Product2": [
            {"Id": SEAT, "Name": "Seat"},
            {"Id": SETUP, "Name": "Set-up"},
            {"Id": PLAN, "Name": "Plan"},
        ],
        "PricebookEntry": [
            {"Id": SEAT_ENTRY, "Product2Id": SEAT, "UnitPrice": 20.0},
            {"Id": SETUP_ENTRY, "Product2Id": SETUP, "UnitPrice": 100.0},
            {"Id": PLAN_ENTRY, "Product2Id": PLAN, "UnitPrice": 1200.0},
        ],
        "SBQQ__Quote__c": [a_quote(order_id, day) for order_id, day in starts.items()],
    }


def write_export(folder: Path, records: Mapping[str, Sequence[Record]]) -> Path:
    """Write an export: Order as the Salesforce CLI does, the rest as plain lists."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, rows in records.items():
        answer = {
            "status": 0,
            "result": {"totalSize": len(rows), "done": True, "records": rows},
            "warnings": [],
        }
        (folder / f"{name}.json").write_text(json.dumps(answer if name == "Order" else rows))
    return folder
