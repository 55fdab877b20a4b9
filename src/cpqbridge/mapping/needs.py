"""What must be read from Salesforce for one contract: objects, fields, and paths through relationships."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from cpqbridge.mapping.configuration import Configuration
from cpqbridge.mapping.fields import (
    LINE_COUPON_OBJECT,
    ORDER_COUPON_OBJECT,
    SYNC_RECORD_OBJECT,
    CouponFields,
    OurFields,
    SyncRecordFields,
)
from cpqbridge.mapping.original_quotes import original_quote_paths

CONSUMPTION_OBJECT = "SBQQ__OrderItemConsumptionSchedule__c"
CONSUMPTION_RATE_OBJECT = "SBQQ__OrderItemConsumptionRate__c"
PRODUCT_CONSUMPTION_OBJECT = "ProductConsumptionSchedule"
PRODUCT_RATE_OBJECT = "ConsumptionRate"
"""The tiers of a product's own schedule: read by the ids of schedules, where lines have none of their own."""
SEGMENT_LABEL = "SBQQ__QuoteLine__r.SBQQ__SegmentLabel__c"
"""What people call a segment of a ramp; CPQ keeps it on the quote line only."""

_QUOTE = "SBQQ__Quote__r"
_ADDRESS = ("Street", "City", "State", "PostalCode", "Country", "CountryCode")


@dataclass(frozen=True, slots=True, kw_only=True)
class ObjectNeeds:
    """The field paths to read of one object, seen from it.

    A `required` path that the org lacks or hides is a configuration error; an `optional` one is left out of
    the query and counts as empty. `optional_object` tells that the org may lack the whole object.
    `parent` is, for the objects of `RawContract.extra`, the path to the record they belong to.
    """

    object_name: str
    required: tuple[str, ...]
    optional: tuple[str, ...] = ()
    optional_object: bool = False
    parent: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class FieldNeeds:
    """The needs of all objects by name; `Order`, `OrderItem` and `Contract` are always among them."""

    objects: Mapping[str, ObjectNeeds]

    def of(self, object_name: str) -> ObjectNeeds:
        """Return the needs of one object."""
        return self.objects[object_name]

    @property
    def bare(self) -> FieldNeeds:
        """Return the needs of orders, their lines and their contract alone."""
        return FieldNeeds(objects={name: self.of(name) for name in ("Contract", "Order", "OrderItem")})

    @property
    def extra(self) -> tuple[ObjectNeeds, ...]:
        """Return the objects that go into `RawContract.extra`, by name."""
        return tuple(self.objects[name] for name in sorted(self.objects) if self.objects[name].parent)


def field_needs(configuration: Configuration) -> FieldNeeds:
    """Return everything that the configuration makes necessary, paths sorted."""
    ours = OurFields(configuration.mapping.salesforce_prefix)
    custom = _custom_paths(configuration)
    needs = (
        _object("Order", {*_ORDER_REQUIRED, *custom["Order"]}, {*_ORDER_OPTIONAL, *_our_order_fields(ours)}),
        _object(
            "OrderItem", {*_ITEM_REQUIRED, *custom["OrderItem"]}, {*_ITEM_OPTIONAL, *_our_item_fields(ours)}
        ),
        ObjectNeeds(
            object_name="Contract",
            required=("Id", "SBQQ__Quote__c"),
            optional=("ContractNumber", "CurrencyIsoCode", "EndDate", "SBQQ__Order__c", "StartDate"),
            optional_object=True,
        ),
        *_EXTRA,
        _PRODUCT_RATES,
    )
    return FieldNeeds(objects={need.object_name: need for need in needs})


def _custom_paths(configuration: Configuration) -> dict[str, tuple[str, ...]]:
    """Return the paths of the mapping section by the object they are read from."""
    found: dict[str, set[str]] = {"Order": set(), "OrderItem": set()}
    for rules in configuration.mapping.objects.values():
        for rule in rules.values():
            if rule.source is not None:
                found[rule.source.object_name].add(rule.source.text)
    return {name: tuple(paths) for name, paths in found.items()}


def _our_order_fields(ours: OurFields) -> tuple[str, ...]:
    return (
        ours.stripe_id,
        ours.stripe_link,
        ours.sync_status,
        ours.sync_message,
        ours.skip_past_initial_invoices,
        f"Account.{ours.stripe_id}",
        f"Account.{ours.stripe_link}",
    )


def _our_item_fields(ours: OurFields) -> tuple[str, ...]:
    return (
        ours.stripe_id,
        ours.stripe_link,
        ours.skip_line_item,
        *(f"{parent}.{name}" for parent in _ITEM_PARENTS for name in (ours.stripe_id, ours.stripe_link)),
    )


def _extra(name: str, parent: str, *fields: str, optional: tuple[str, ...] = ()) -> ObjectNeeds:
    return ObjectNeeds(
        object_name=name,
        required=("Id", parent, *fields),
        optional=optional,
        optional_object=True,
        parent=parent,
    )


_COUPON_OPTIONAL = ("CreatedDate", f"{CouponFields.RELATIONSHIP}.{CouponFields.STRIPE_ID}")
_COUPON_FIELDS = tuple(f"{CouponFields.RELATIONSHIP}.{name}" for name in CouponFields.ALL)

_EXTRA = (
    _extra(CONSUMPTION_OBJECT, "SBQQ__OrderItem__c", "SBQQ__RatingMethod__c", "SBQQ__Type__c"),
    _extra(
        CONSUMPTION_RATE_OBJECT,
        "SBQQ__OrderItemConsumptionSchedule__c",
        "SBQQ__Price__c",
        "SBQQ__PricingMethod__c",
        "SBQQ__UpperBound__c",
        optional=("CurrencyIsoCode",),
    ),
    _extra(
        PRODUCT_CONSUMPTION_OBJECT,
        "ProductId",
        "ConsumptionScheduleId",
        "ConsumptionSchedule.RatingMethod",
        "ConsumptionSchedule.Type",
        optional=("ConsumptionSchedule.IsActive",),
    ),
    _extra(
        SYNC_RECORD_OBJECT,
        SyncRecordFields.ORDER,
        optional=tuple(name for name in SyncRecordFields.ALL if name != SyncRecordFields.ORDER),
    ),
    _extra(ORDER_COUPON_OBJECT, "Order__c", CouponFields.LOOKUP, *_COUPON_FIELDS, optional=_COUPON_OPTIONAL),
    _extra(
        LINE_COUPON_OBJECT, "Order_Item__c", CouponFields.LOOKUP, *_COUPON_FIELDS, optional=_COUPON_OPTIONAL
    ),
)

_PRODUCT_RATES = ObjectNeeds(
    object_name=PRODUCT_RATE_OBJECT,
    required=("ConsumptionScheduleId", "Id", "Price", "PricingMethod", "UpperBound"),
    optional=("CurrencyIsoCode",),
    optional_object=True,
)


def _object(name: str, required: set[str], optional: set[str]) -> ObjectNeeds:
    return ObjectNeeds(
        object_name=name, required=tuple(sorted(required)), optional=tuple(sorted(optional - required))
    )


_ITEM_PARENTS = ("Product2", "PricebookEntry")

_ORDER_REQUIRED = (
    "Id",
    "OrderNumber",
    "StatusCode",
    "EffectiveDate",
    "ActivatedDate",
    "AccountId",
    "SystemModstamp",
    "SBQQ__PaymentTerm__c",
    "SBQQ__Quote__c",
    "Account.Name",
    f"{_QUOTE}.SBQQ__Type__c",
    f"{_QUOTE}.SBQQ__StartDate__c",
    f"{_QUOTE}.SBQQ__EndDate__c",
    f"{_QUOTE}.SBQQ__SubscriptionTerm__c",
    f"{_QUOTE}.SBQQ__MasterContract__c",
)

_ORDER_OPTIONAL = (
    "CurrencyIsoCode",
    "EndDate",
    "OpportunityId",
    "Opportunity.SBQQ__AmendedContract__c",
    # The original quote of an amendment or a renewal, in the same row as the order itself.
    *original_quote_paths("Opportunity.SBQQ__AmendedContract__r"),
    *original_quote_paths(f"{_QUOTE}.SBQQ__MasterContract__r"),
    "Opportunity.SBQQ__RenewedContract__c",
    *original_quote_paths("Opportunity.SBQQ__RenewedContract__r"),
    f"{_QUOTE}.SBQQ__PrimaryContact__r.Email",
    "BillToContact.Email",
    "Account.Description",
    "Account.Phone",
    *(f"Account.{kind}{part}" for kind in ("Billing", "Shipping") for part in _ADDRESS),
)

# A hidden field would count as empty and bill something else: what prices and dates hang on is required.
_ITEM_REQUIRED = (
    "Id",
    "OrderId",
    "Product2Id",
    "PricebookEntryId",
    "Quantity",
    "UnitPrice",
    "TotalPrice",
    "ServiceDate",
    "EndDate",
    "SBQQ__BillingFrequency__c",
    "SBQQ__BillingType__c",
    "SBQQ__DefaultSubscriptionTerm__c",
    "SBQQ__ProrateMultiplier__c",
    "SBQQ__RevisedOrderProduct__c",
    "SBQQ__SegmentIndex__c",
    "SBQQ__SegmentKey__c",
    "SBQQ__SubscriptionPricing__c",
    "SBQQ__SubscriptionTerm__c",
    "SBQQ__SubscriptionType__c",
    "Product2.Name",
    "PricebookEntry.UnitPrice",
)

_ITEM_OPTIONAL = (
    "CurrencyIsoCode",
    "IsDeleted",
    "OrderItemNumber",
    "PricebookEntry.CurrencyIsoCode",
    "Product2.Description",
    "Product2.SBQQ__BillingFrequency__c",
    "SBQQ__Activated__c",
    "SBQQ__Contract__c",
    "SBQQ__Contract__r.SBQQ__Quote__c",
    SEGMENT_LABEL,
    "SBQQ__Status__c",
)
