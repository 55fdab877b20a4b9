"""Raw records as REST returns them, with defaults: say only what a test is about."""

from __future__ import annotations

from decimal import Decimal

from cpqbridge.mapping.configuration import Configuration, parse_configuration
from cpqbridge.mapping.history import order_history
from cpqbridge.mapping.raw import RawContract

ROOT = "a0zQy00000QuT01IAF"
CONTRACT = "800Qy000002CnTrIAK"
ACCOUNT = "001Qy00000BdNrTIAV"
ORDER = "801Qy00000AbC01IAF"
AMENDMENT = "801Qy00000AbC02IAF"
RENEWAL = "801Qy00000AbC09IAF"
NEW_ROOT = "a0zQy00000QuT09IAF"
SEATS = "802Qy00000LiNe1IAF"
ADDED = "802Qy00000LiNe4IAF"
SETUP = "802Qy00000LiNe3IAF"
OWN_SCHEDULE = "a0nQy00000CoN01IAF"
PRODUCT_SCHEDULE = "0o1Qy00000CoN01IAF"
COUPON = "a2FQy00000CoU01IAF"

CONFIGURATION = parse_configuration({"currency": "usd"})


def configured(**sections) -> Configuration:
    return parse_configuration({"currency": "usd", **sections})


def an_account(**changes) -> dict:
    return {"attributes": {"type": "Account"}, "Name": "Baden Trading", **changes}


def a_quote(**changes) -> dict:
    return {
        "SBQQ__Type__c": "Quote",
        "SBQQ__StartDate__c": "2026-02-01",
        "SBQQ__EndDate__c": None,
        "SBQQ__SubscriptionTerm__c": Decimal("12.0"),
        "SBQQ__MasterContract__c": None,
        "SBQQ__PrimaryContact__r": {"Email": "rosa@baden.example"},
        **changes,
    }


def an_order(*, account=None, quote=None, **changes) -> dict:
    return {
        "Id": ORDER,
        "OrderNumber": "00000101",
        "StatusCode": "Activated",
        "EffectiveDate": "2026-02-01",
        "EndDate": "2027-01-31",
        "ActivatedDate": "2026-01-28T15:04:05.000+0000",
        "AccountId": ACCOUNT,
        "OpportunityId": "006Qy00000OpP01IAF",
        "SBQQ__PaymentTerm__c": "Net 30",
        "SBQQ__Quote__c": ROOT,
        "SystemModstamp": "2026-01-28T15:06:11.000+0000",
        "Account": an_account(**(account or {})),
        "Opportunity": {"SBQQ__AmendedContract__c": None},
        "SBQQ__Quote__r": a_quote(**(quote or {})),
        **changes,
    }


def an_amendment(**changes) -> dict:
    return an_order(
        Id=AMENDMENT,
        OrderNumber="00000117",
        EffectiveDate="2026-05-13",
        ActivatedDate="2026-05-12T09:30:00.000+0000",
        SBQQ__Quote__c="a0zQy00000QuT02IAF",
        Opportunity={"SBQQ__AmendedContract__c": CONTRACT},
        quote={
            "SBQQ__Type__c": "Amendment",
            "SBQQ__StartDate__c": "2026-05-13",
            "SBQQ__EndDate__c": "2027-01-31",
            "SBQQ__SubscriptionTerm__c": None,
            "SBQQ__MasterContract__c": CONTRACT,
        },
        **changes,
    )


def a_renewal(**changes) -> dict:
    return an_order(
        **{
            "Id": RENEWAL,
            "OrderNumber": "00000201",
            "EffectiveDate": "2027-02-01",
            "ActivatedDate": "2027-01-20T10:00:00.000+0000",
            "SBQQ__Quote__c": NEW_ROOT,
            "Opportunity": {
                "SBQQ__AmendedContract__c": None,
                "SBQQ__RenewedContract__c": CONTRACT,
                "SBQQ__RenewedContract__r": {"SBQQ__Quote__c": ROOT},
            },
            "quote": {"SBQQ__Type__c": "Renewal", "SBQQ__StartDate__c": "2027-02-01"},
            **changes,
        }
    )


def an_item(**changes) -> dict:
    return {
        "Id": SEATS,
        "OrderId": ORDER,
        "Product2Id": "01tQy00000PrD01IAF",
        "PricebookEntryId": "01uQy00000PbE01IAF",
        "Quantity": Decimal("10.0"),
        "UnitPrice": Decimal("600.0"),
        "TotalPrice": Decimal("6000.0"),
        "ServiceDate": "2026-02-01",
        "EndDate": "2027-01-31",
        "SBQQ__Status__c": "Activated",
        "SBQQ__RevisedOrderProduct__c": None,
        "SBQQ__DefaultSubscriptionTerm__c": Decimal("1.0"),
        "SBQQ__SubscriptionTerm__c": Decimal("12.0"),
        "SBQQ__ProrateMultiplier__c": Decimal("12.0"),
        "SBQQ__SubscriptionPricing__c": "Fixed Price",
        "SBQQ__SubscriptionType__c": "Renewable",
        "SBQQ__BillingFrequency__c": "Monthly",
        "SBQQ__BillingType__c": "Advance",
        "SBQQ__SegmentIndex__c": None,
        "SBQQ__SegmentKey__c": None,
        "SBQQ__Contract__c": CONTRACT,
        "Product2": {"Name": "Seat"},
        "PricebookEntry": {"UnitPrice": Decimal("50.0")},
        **changes,
    }


def a_one_time_item(**changes) -> dict:
    return {
        "Id": SETUP,
        "OrderId": ORDER,
        "Product2Id": "01tQy00000PrD03IAF",
        "PricebookEntryId": "01uQy00000PbE03IAF",
        "Quantity": Decimal("1.0"),
        "UnitPrice": Decimal("750.0"),
        "TotalPrice": Decimal("750.0"),
        "ServiceDate": "2026-02-01",
        "EndDate": None,
        "Product2": {"Name": "Onboarding"},
        "PricebookEntry": {"UnitPrice": Decimal("750.0")},
        **changes,
    }


def an_own_schedule(**changes) -> dict:
    return {
        "Id": OWN_SCHEDULE,
        "SBQQ__OrderItem__c": SEATS,
        "SBQQ__Type__c": "Slab",
        "SBQQ__RatingMethod__c": "Tier",
        **changes,
    }


def an_own_rate(upper=None, price="0.50", **changes) -> dict:
    return {
        "Id": f"a0mQy00000{'open' if upper is None else upper}",
        "SBQQ__OrderItemConsumptionSchedule__c": OWN_SCHEDULE,
        "SBQQ__UpperBound__c": upper,
        "SBQQ__Price__c": Decimal(price),
        "SBQQ__PricingMethod__c": "PerUnit",
        **changes,
    }


def a_product_schedule(**changes) -> dict:
    return {
        "Id": "0o3Qy00000PcS01IAF",
        "ProductId": "01tQy00000PrD01IAF",
        "ConsumptionScheduleId": PRODUCT_SCHEDULE,
        "ConsumptionSchedule": {"Type": "Range", "RatingMethod": "Tier", "IsActive": True},
        **changes,
    }


def a_product_rate(upper=None, price="0.40", **changes) -> dict:
    return {
        "Id": f"0o2Qy00000{'open' if upper is None else upper}",
        "ConsumptionScheduleId": PRODUCT_SCHEDULE,
        "UpperBound": upper,
        "Price": Decimal(price),
        "PricingMethod": "PerUnit",
        **changes,
    }


def an_order_coupon(*, coupon=None, **changes) -> dict:
    return {"Id": "a2GQy00000CoA01IAF", "Order__c": ORDER, **_association(coupon or {}), **changes}


def a_line_coupon(*, coupon=None, **changes) -> dict:
    return {"Id": "a2HQy00000CoA01IAF", "Order_Item__c": SEATS, **_association(coupon or {}), **changes}


def _association(coupon) -> dict:
    return {
        "CreatedDate": "2026-01-28T15:04:06.000+0000",
        "Order_Stripe_Coupon__c": COUPON,
        "Order_Stripe_Coupon__r": {
            "Name": "Welcome",
            "Percent_Off__c": Decimal("20.0"),
            "Amount_Off__c": None,
            "Currency__c": None,
            "Duration__c": "forever",
            "Duration_In_Months__c": None,
            "Max_Redemptions__c": None,
            **coupon,
        },
    }


def a_contract(*, orders=None, items=None, contract=None, **changes) -> RawContract:
    return RawContract(
        root_id=ROOT,
        contract={"Id": CONTRACT} if contract is None else contract,
        orders=tuple([an_order()] if orders is None else orders),
        items=tuple([an_item()] if items is None else items),
        **changes,
    )


def history_of(*, configuration=CONFIGURATION, **parts):
    return order_history(a_contract(**parts), configuration, multiplier_decimals=4)


def codes(history) -> list[str]:
    return [refusal.code for refusal in history.refusals]


def only_refusal(history):
    (refusal,) = history.refusals
    return refusal
