"""The queries that export an org for `rehearse`, one file per object, as the Salesforce CLI runs them."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

NEEDED_OBJECTS = ("Order", "OrderItem", "Product2", "PricebookEntry", "Account", "SBQQ__Quote__c")
"""Without one of these there is nothing to bill."""

_FIELDS: Mapping[str, str] = MappingProxyType(
    {
        "Order": "Id,OrderNumber,Status,StatusCode,Type,EffectiveDate,EndDate,ActivatedDate,AccountId,"
        "OpportunityId,BillToContactId,Pricebook2Id,TotalAmount,Description,SBQQ__PaymentTerm__c,"
        "SBQQ__Contracted__c,SBQQ__Quote__c,SystemModstamp",
        "OrderItem": "Id,OrderId,OrderItemNumber,Product2Id,PricebookEntryId,Quantity,UnitPrice,ListPrice,"
        "TotalPrice,ServiceDate,EndDate,SBQQ__Status__c,SBQQ__Activated__c,SBQQ__QuoteLine__c,"
        "SBQQ__Contract__c,SBQQ__ContractAction__c,SBQQ__RevisedOrderProduct__c,SBQQ__OrderedQuantity__c,"
        "SBQQ__QuotedQuantity__c,SBQQ__QuotedListPrice__c,SBQQ__DefaultSubscriptionTerm__c,"
        "SBQQ__SubscriptionTerm__c,SBQQ__ProrateMultiplier__c,SBQQ__SubscriptionPricing__c,"
        "SBQQ__SubscriptionType__c,SBQQ__ProductSubscriptionType__c,SBQQ__BillingFrequency__c,"
        "SBQQ__BillingType__c,SBQQ__ChargeType__c,SBQQ__PriceDimension__c,SBQQ__DimensionType__c,"
        "SBQQ__SegmentIndex__c,SBQQ__SegmentKey__c,SBQQ__QuoteLine__r.SBQQ__SegmentLabel__c,SBQQ__BlockPrice__c,"
        "SBQQ__TerminatedDate__c,SystemModstamp",
        "Product2": "Id,Name,ProductCode,Description,IsActive,SBQQ__BillingFrequency__c,SystemModstamp",
        "PricebookEntry": "Id,Product2Id,Pricebook2Id,UnitPrice,IsActive,SystemModstamp",
        "Account": "Id,Name,Description,Phone,BillingStreet,BillingCity,BillingState,BillingPostalCode,"
        "BillingCountry,ShippingStreet,ShippingCity,ShippingState,ShippingPostalCode,ShippingCountry,"
        "SystemModstamp",
        "SBQQ__Quote__c": "Id,Name,SBQQ__Type__c,SBQQ__StartDate__c,SBQQ__EndDate__c,"
        "SBQQ__SubscriptionTerm__c,SBQQ__MasterContract__c,SBQQ__PrimaryContact__c,SBQQ__Account__c,"
        "SystemModstamp",
        "Contact": "Id,FirstName,LastName,Email,AccountId,SystemModstamp",
        "Opportunity": "Id,Name,SBQQ__AmendedContract__c,SBQQ__RenewedContract__c,SBQQ__PrimaryQuote__c,"
        "SystemModstamp",
        "Contract": "Id,ContractNumber,AccountId,Status,StartDate,EndDate,ContractTerm,SBQQ__Quote__c,"
        "SBQQ__Order__c,SBQQ__Opportunity__c,SBQQ__Evergreen__c,SystemModstamp",
        "SBQQ__OrderItemConsumptionSchedule__c": "Id,SBQQ__OrderItem__c,SBQQ__Type__c,"
        "SBQQ__RatingMethod__c,SBQQ__UnitOfMeasure__c",
        "SBQQ__OrderItemConsumptionRate__c": "Id,SBQQ__OrderItemConsumptionSchedule__c,"
        "SBQQ__LowerBound__c,SBQQ__UpperBound__c,SBQQ__Price__c,SBQQ__PricingMethod__c,"
        "SBQQ__ProcessingOrder__c",
        "ProductConsumptionSchedule": "Id,ProductId,ConsumptionScheduleId",
        "ConsumptionSchedule": "Id,Name,Type,RatingMethod,UnitOfMeasure,IsActive",
        "ConsumptionRate": "Id,ConsumptionScheduleId,LowerBound,UpperBound,Price,PricingMethod,"
        "ProcessingOrder",
        "Order_Stripe_Coupon__c": "Id,Name,Percent_Off__c,Amount_Off__c,Currency__c,Duration__c,"
        "Duration_In_Months__c,Max_Redemptions__c",
        "Order_Stripe_Coupon_Association__c": "Id,Order__c,Order_Stripe_Coupon__c,CreatedDate",
        "Order_Item_Stripe_Coupon_Association__c": "Id,Order_Item__c,Order_Stripe_Coupon__c,CreatedDate",
    }
)

COUPON_OBJECTS = tuple(name for name in _FIELDS if "Stripe_Coupon" in name)
"""The connector's own objects, which an org has only once it uses its coupons; nobody misses them."""

OPTIONAL_OBJECTS = tuple(name for name in _FIELDS if name not in {*NEEDED_OBJECTS, *COUPON_OBJECTS})
"""What else is used when it is there; a file that is absent counts as an org without the object."""

_ABSENT_MEANS: Mapping[str, str] = MappingProxyType(
    {
        "Contact": "e-mail addresses to send invoices to are only those nested in other records",
        "Opportunity": "amendments and renewals are told by quotes and by opportunities nested in orders",
        "Contract": "contracts are called by their first order, and known by their lines alone",
        "SBQQ__OrderItemConsumptionSchedule__c": "no line has price tiers of its own",
        "SBQQ__OrderItemConsumptionRate__c": "no line has price tiers of its own",
        "ProductConsumptionSchedule": "no product has price tiers",
        "ConsumptionSchedule": "no product has price tiers",
        "ConsumptionRate": "no product has price tiers",
    }
)


def export_command(object_name: str) -> str:
    """Return the Salesforce CLI command that writes the object's file into the current folder."""
    query = " ".join(("SELECT", _FIELDS.get(object_name, "Id"), "FROM", object_name))
    return f'sf data query --json --query "{query}" > {object_name}.json'


def exported_fields(object_name: str) -> frozenset[str]:
    """Return the fields that the object's query asks for."""
    return frozenset(_FIELDS[object_name].split(","))


def absent_note(object_name: str) -> str:
    """Return what it means for the report that the export has no file of this object."""
    return f"The export has no {object_name}.json, so {_ABSENT_MEANS[object_name]}."


def all_commands() -> str:
    """Return every command with remarks, as `rehearse --queries` prints them."""
    return "\n".join(
        [
            "# Run these in an empty folder, then: cpqbridge rehearse FOLDER",
            "# Add --target-org ALIAS to each when it is not your default org.",
            "# In an org with several currencies add CurrencyIsoCode to every list of fields, and add the",
            "# custom fields that your configuration file names.",
            "# Set SF_ORG_MAX_QUERY_LIMIT when an object has more than 10,000 records.",
            "",
            "# Needed:",
            *(export_command(name) for name in NEEDED_OBJECTS),
            "",
            "# Used when they are there:",
            *(export_command(name) for name in OPTIONAL_OBJECTS),
            "",
            "# In orgs that have the coupon objects of the connector:",
            *(export_command(name) for name in COUPON_OBJECTS),
        ]
    )
