"""Writes an org export of ordinary one-line orders, each of an account of its own, for `rehearse`."""

import json
from pathlib import Path

PREFIXES = {
    "Account": "001",
    "Contact": "003",
    "Order": "801",
    "OrderItem": "802",
    "Product2": "01t",
    "PricebookEntry": "01u",
    "SBQQ__Quote__c": "a0q",
}


def record_id(object_name: str, number: int) -> str:
    """Return a 15-character id, the same for the same number."""
    return f"{PREFIXES[object_name]}{number:012d}"


def one_line_order(number: int) -> dict[str, dict[str, object]]:
    """Return the records of one order of 10 seats at 50.00 a month for a year, one per object."""
    ids = {name: record_id(name, number) for name in PREFIXES}
    shared = {"Product2": record_id("Product2", 1), "PricebookEntry": record_id("PricebookEntry", 1)}
    ids |= shared
    stamp = f"2026-01-{1 + number % 28:02d}T09:{number % 60:02d}:00.000+0000"
    dates = {"start": "2026-02-01", "end": "2027-01-31"}
    return {
        "Account": {"Id": ids["Account"], "Name": f"Customer {number}"},
        "Contact": {
            "Id": ids["Contact"],
            "AccountId": ids["Account"],
            "Email": f"billing{number}@example.com",
        },
        "Product2": {"Id": ids["Product2"], "Name": "Seat", "ProductCode": "SEAT"},
        "PricebookEntry": {"Id": ids["PricebookEntry"], "Product2Id": ids["Product2"], "UnitPrice": 50.0},
        "SBQQ__Quote__c": {
            "Id": ids["SBQQ__Quote__c"],
            "Name": f"Q-{number:05d}",
            "SBQQ__Type__c": "Quote",
            "SBQQ__StartDate__c": dates["start"],
            "SBQQ__EndDate__c": dates["end"],
            "SBQQ__SubscriptionTerm__c": 12.0,
            "SBQQ__PrimaryContact__c": ids["Contact"],
        },
        "Order": {
            "Id": ids["Order"],
            "OrderNumber": f"{number:08d}",
            "Status": "Activated",
            "StatusCode": "Activated",
            "Type": "New",
            "EffectiveDate": dates["start"],
            "ActivatedDate": stamp,
            "SystemModstamp": stamp,
            "AccountId": ids["Account"],
            "SBQQ__Quote__c": ids["SBQQ__Quote__c"],
            "SBQQ__PaymentTerm__c": "Net 30",
        },
        "OrderItem": {
            "Id": ids["OrderItem"],
            "OrderId": ids["Order"],
            "OrderItemNumber": f"{number:010d}",
            "Product2Id": ids["Product2"],
            "PricebookEntryId": ids["PricebookEntry"],
            "Quantity": 10.0,
            "UnitPrice": 600.0,
            "ListPrice": 50.0,
            "TotalPrice": 6000.0,
            "ServiceDate": dates["start"],
            "EndDate": dates["end"],
            "SBQQ__SubscriptionPricing__c": "Fixed Price",
            "SBQQ__SubscriptionType__c": "Renewable",
            "SBQQ__BillingFrequency__c": "Monthly",
            "SBQQ__BillingType__c": "Advance",
            "SBQQ__DefaultSubscriptionTerm__c": 1.0,
            "SBQQ__SubscriptionTerm__c": 12.0,
            "SBQQ__ProrateMultiplier__c": 12.0,
            "SBQQ__Activated__c": True,
        },
    }


def write_export(directory: Path, orders: int) -> None:
    """Write the files of so many orders; the product and its price are shared."""
    objects: dict[str, dict[str, dict[str, object]]] = {name: {} for name in PREFIXES}
    for number in range(1, orders + 1):
        for name, record in one_line_order(number).items():
            objects[name][str(record["Id"])] = record
    for name, records in objects.items():
        listing = {
            "status": 0,
            "result": {"records": list(records.values()), "totalSize": len(records), "done": True},
        }
        (directory / f"{name}.json").write_text(json.dumps(listing))
