"""The contract history of the project's design notes (salesforce.md, section 5), rehearsed as it stands."""

from decimal import Decimal

import pytest
from tests.acceptance.an_export import a_line, a_one_time_line, write_export

from cpqbridge.domain.ids import salesforce_id

CONTRACT = "800Qy000002CnTr"
FIRST, SECOND, THIRD = "801Qy00000AbC01", "801Qy00000AbC02", "801Qy00000AbC03"
SEAT, SUPPORT, ONBOARDING = "01tQy00000PrD01", "01tQy00000PrD02", "01tQy00000PrD03"


def an_order(order_id, number, *, kind, starts, activated, total, opportunity, amends=None):
    quote = f"a0zQy00000QuT{order_id[-2:]}"
    return {
        "Id": order_id,
        "OrderNumber": number,
        "Status": "Activated",
        "StatusCode": "Activated",
        "Type": kind,
        "EffectiveDate": starts,
        "EndDate": "2027-01-31",
        "ActivatedDate": activated,
        "AccountId": "001Qy00000BdNrT",
        "OpportunityId": opportunity,
        "TotalAmount": total,
        "SBQQ__PaymentTerm__c": "Net 30",
        "SBQQ__Contracted__c": True,
        "SBQQ__Quote__c": quote,
        "SystemModstamp": activated,
        "Account": {"Name": "Baden Trading"},
        "Opportunity": {"SBQQ__AmendedContract__c": amends, "SBQQ__RenewedContract__c": None},
        "SBQQ__Quote__r": {
            "SBQQ__Type__c": "Amendment" if amends else "Quote",
            "SBQQ__StartDate__c": starts,
            "SBQQ__EndDate__c": "2027-01-31" if amends else None,
            "SBQQ__SubscriptionTerm__c": None if amends else 12.0,
            "SBQQ__MasterContract__c": amends,
            "SBQQ__PrimaryContact__r": {"Id": "003Qy00000CoN01", "Email": "billing@baden.example"},
        },
    }


def a_seat_line(item_id, order_id, quantity, unit_price, total, starts, multiplier, **changes):
    return a_line(
        item_id,
        order_id,
        Product2Id=SEAT,
        PricebookEntryId="01uQy00000PbE01",
        Quantity=quantity,
        UnitPrice=unit_price,
        ListPrice=50.0,
        TotalPrice=total,
        ServiceDate=starts,
        EndDate="2027-01-31",
        SBQQ__ProrateMultiplier__c=multiplier,
        SBQQ__OrderedQuantity__c=quantity,
        SBQQ__Contract__c=CONTRACT,
        Product2={"Name": "Seat"},
        PricebookEntry={"UnitPrice": 50.0},
        **changes,
    )


def records():
    return {
        "Order": [
            an_order(
                FIRST,
                "00000101",
                kind="New",
                starts="2026-02-01",
                activated="2026-01-28T15:04:05.000+0000",
                total=7950.0,
                opportunity="006Qy00000OpP01",
            ),
            an_order(
                SECOND,
                "00000117",
                kind="Amendment",
                starts="2026-05-13",
                activated="2026-05-12T09:30:00.000+0000",
                total=862.46,
                opportunity="006Qy00000OpP02",
                amends=CONTRACT,
            ),
            an_order(
                THIRD,
                "00000130",
                kind="Amendment",
                starts="2026-08-20",
                activated="2026-08-19T16:45:00.000+0000",
                total=-809.19,
                opportunity="006Qy00000OpP03",
                amends=CONTRACT,
            ),
        ],
        "OrderItem": [
            a_seat_line("802Qy00000LiNe1", FIRST, 10.0, 600.0, 6000.0, "2026-02-01", 12.0),
            a_line(
                "802Qy00000LiNe2",
                FIRST,
                Product2Id=SUPPORT,
                PricebookEntryId="01uQy00000PbE02",
                UnitPrice=1200.0,
                ListPrice=1200.0,
                TotalPrice=1200.0,
                ServiceDate="2026-02-01",
                EndDate="2027-01-31",
                SBQQ__DefaultSubscriptionTerm__c=12.0,
                SBQQ__ProrateMultiplier__c=1.0,
                SBQQ__BillingFrequency__c="Annual",
                SBQQ__Contract__c=CONTRACT,
            ),
            a_one_time_line(
                "802Qy00000LiNe3",
                FIRST,
                Product2Id=ONBOARDING,
                PricebookEntryId="01uQy00000PbE03",
                UnitPrice=750.0,
                ListPrice=750.0,
                TotalPrice=750.0,
                ServiceDate="2026-02-01",
            ),
            a_seat_line(
                "802Qy00000LiNe4",
                SECOND,
                2.0,
                431.23,
                862.46,
                "2026-05-13",
                8.624657534246575,
                SBQQ__ContractAction__c="Quantity Increase",
                SBQQ__RevisedOrderProduct__c="802Qy00000LiNe1",
                SBQQ__SubscriptionTerm__c=None,
            ),
            a_seat_line(
                "802Qy00000LiNe5",
                THIRD,
                -3.0,
                269.73,
                -809.19,
                "2026-08-20",
                5.394520547945205,
                SBQQ__ContractAction__c="Quantity Decrease",
                SBQQ__RevisedOrderProduct__c="802Qy00000LiNe1",
                SBQQ__SubscriptionTerm__c=None,
            ),
        ],
        "Account": [{"Id": "001Qy00000BdNrT", "Name": "Baden Trading"}],
        "Contract": [
            {
                "Id": CONTRACT,
                "AccountId": "001Qy00000BdNrT",
                "Status": "Activated",
                "StartDate": "2026-02-01",
                "EndDate": "2027-01-31",
                "SBQQ__Quote__c": "a0zQy00000QuT01",
                "SBQQ__Order__c": FIRST,
            }
        ],
        "Opportunity": [
            {"Id": f"006Qy00000OpP0{n}", "SBQQ__AmendedContract__c": amends}
            for n, amends in ((1, None), (2, CONTRACT), (3, CONTRACT))
        ],
        "Product2": [
            {"Id": SEAT, "Name": "Seat"},
            {"Id": SUPPORT, "Name": "Premium Support"},
            {"Id": ONBOARDING, "Name": "Onboarding"},
        ],
        "PricebookEntry": [
            {"Id": f"01uQy00000PbE0{n}", "Product2Id": product, "UnitPrice": price}
            for n, product, price in ((1, SEAT, 50.0), (2, SUPPORT, 1200.0), (3, ONBOARDING, 750.0))
        ],
        "SBQQ__Quote__c": [
            {"Id": "a0zQy00000QuT01", "SBQQ__Type__c": "Quote"},
            {"Id": "a0zQy00000QuT02", "SBQQ__Type__c": "Amendment"},
            {"Id": "a0zQy00000QuT03", "SBQQ__Type__c": "Amendment"},
        ],
    }


@pytest.fixture
def rehearsed(shell, tmp_path):
    def run(content):
        return shell.run("rehearse", write_export(tmp_path / "export", content), "--json").document

    return run


def test_history_as_it_stands_is_billed_to_the_cent(rehearsed):
    document = rehearsed(records())
    orders = {order["order_id"]: order for order in document["orders"]}
    assert [orders[salesforce_id(order_id)]["state"] for order_id in (FIRST, SECOND, THIRD)] == ["synced"] * 3
    assert {order["contract"] for order in document["orders"]} == {salesforce_id(CONTRACT)}
    billed = [(invoice["date"], invoice["total"]) for invoice in document["invoices"]]
    assert billed == [
        # Ten seats, the support of a year, and the onboarding.
        ("2026-02-01", "2450.00"),
        ("2026-03-01", "500.00"),
        ("2026-04-01", "500.00"),
        ("2026-05-01", "500.00"),
        # Two seats more: their head on its own day, then eight full months.
        ("2026-05-13", "62.46"),
        ("2026-06-01", "600.00"),
        ("2026-07-01", "600.00"),
        ("2026-08-01", "600.00"),
        # Three seats fewer: the credit of 59.19 is absorbed by the next invoice.
        ("2026-09-01", "390.81"),
        ("2026-10-01", "450.00"),
        ("2026-11-01", "450.00"),
        ("2026-12-01", "450.00"),
        ("2027-01-01", "450.00"),
    ]
    proofs = [line for order in document["orders"] for line in order["proof"]]
    assert [line["billed"] for line in proofs] == ["6000.00", "1200.00", "750.00", "862.46", "-809.19"]
    assert {line["difference"] for line in proofs} == {"0.00"}
    assert sum(Decimal(total) for _, total in billed) == Decimal("8003.27")
