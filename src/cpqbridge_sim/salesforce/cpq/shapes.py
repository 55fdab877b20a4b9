"""The fields of each record CPQ writes, from priced lines. Names: salesforce.md 4.1 of the design notes."""

from decimal import Decimal

from cpqbridge_sim.salesforce.cpq.dates import last_day_of_term
from cpqbridge_sim.salesforce.cpq.model import (
    Contract,
    Order,
    OrderLine,
    PricedLine,
    Product,
    Quote,
    Record,
)
from cpqbridge_sim.salesforce.cpq.pricing import PackageSettings
from cpqbridge_sim.salesforce.cpq.rounding import round_half_up, unscaled_number, whole_number

_ORDER_TYPES = {"Quote": "New", "Amendment": "Amendment", "Renewal": "Renewal"}


def product_record(product: Product) -> Record:
    return {
        "Name": product.name,
        "Description": product.description,
        "ProductCode": product.code,
        "IsActive": True,
        "QuantityUnitOfMeasure": product.unit,
        "SBQQ__SubscriptionTerm__c": whole_number(product.default_term),
        "SBQQ__SubscriptionPricing__c": product.pricing,
        "SBQQ__SubscriptionType__c": product.subscription_type if product.is_recurring else None,
        "SBQQ__BillingFrequency__c": product.frequency if product.is_recurring else None,
        "SBQQ__BillingType__c": product.billing_type if product.is_recurring else None,
        "SBQQ__ChargeType__c": product.charge_type,
        "SBQQ__PricingMethod__c": product.pricing_method,
        "SBQQ__SubscriptionPercent__c": product.percent,
        "SBQQ__AssetAmendmentBehavior__c": "Allow Refund" if product.refundable else "Default",
    }


def opportunity_record(quote: Quote) -> Record:
    contract_id = quote.contract.record_id if quote.contract else None
    words = {"Quote": "New business", "Amendment": "Amendment", "Renewal": "Renewal"}
    return {
        "Name": f"{quote.account.name} - {words[quote.kind]}",
        "AccountId": quote.account.record_id,
        "StageName": "Closed Won",
        "CloseDate": quote.start,
        "SBQQ__PrimaryQuote__c": quote.record_id,
        "SBQQ__AmendedContract__c": contract_id if quote.kind == "Amendment" else None,
        "SBQQ__RenewedContract__c": contract_id if quote.kind == "Renewal" else None,
        "SBQQ__Renewal__c": quote.kind == "Renewal",
        "SBQQ__Ordered__c": False,
        "SBQQ__Contracted__c": False,
    }


def quote_record(quote: Quote, name: str) -> Record:
    return {
        "Name": name,
        "SBQQ__Type__c": quote.kind,
        "SBQQ__Status__c": "Approved",
        "SBQQ__Primary__c": True,
        "SBQQ__Ordered__c": False,
        "SBQQ__StartDate__c": quote.start,
        "SBQQ__EndDate__c": quote.end,
        "SBQQ__SubscriptionTerm__c": whole_number(quote.term),
        "SBQQ__PaymentTerms__c": quote.payment_term,
        "SBQQ__BillingFrequency__c": None,
        "SBQQ__Account__c": quote.account.record_id,
        "SBQQ__Opportunity2__c": quote.opportunity_id,
        "SBQQ__PrimaryContact__c": quote.account.contact_id,
        # A renewal quote names the old contract too, so a reader has to look at the type as well.
        "SBQQ__MasterContract__c": quote.contract.record_id if quote.contract else None,
        "SBQQ__OrderBy__c": None,
        "SBQQ__OrderByQuoteLineGroup__c": False,
        "SBQQ__ContractingMethod__c": quote.contracting_method,
        "SBQQ__LineItemsGrouped__c": False,
    }


def quote_line_record(line: PricedLine, quote: Quote, *, settings: PackageSettings) -> Record:
    segment = line.line.segment
    full = line.prior_quantity + line.quantity
    net_price = settings.unit_price(line.net_price, quote.currency)
    return {
        "SBQQ__Quote__c": quote.record_id,
        "SBQQ__Product__c": line.line.product.record_id,
        "SBQQ__Quantity__c": full,
        "SBQQ__PriorQuantity__c": line.prior_quantity if line.revises else None,
        "SBQQ__EffectiveQuantity__c": line.quantity,
        "SBQQ__UpgradedSubscription__c": line.revises.subscription_id if line.revises else None,
        "SBQQ__Existing__c": line.revises is not None,
        "SBQQ__ListPrice__c": line.list_price,
        "SBQQ__Discount__c": Decimal(line.line.discount) if line.line.discount else None,
        "SBQQ__RegularPrice__c": net_price,
        "SBQQ__CustomerPrice__c": net_price,
        "SBQQ__PartnerPrice__c": net_price,
        "SBQQ__NetPrice__c": line.unit_price,
        "SBQQ__NetTotal__c": line.total,
        "SBQQ__EffectiveStartDate__c": line.start,
        "SBQQ__EffectiveEndDate__c": line.end,
        "SBQQ__EffectiveSubscriptionTerm__c": whole_number(line.term),
        "SBQQ__SubscriptionPercent__c": line.line.product.percent,
        "SBQQ__SegmentIndex__c": whole_number(segment.index) if segment else None,
        "SBQQ__SegmentKey__c": segment.key if segment else None,
        "SBQQ__SegmentLabel__c": segment.label if segment else None,
    }


def order_record(order: Order) -> Record:
    quote = order.quote
    ends = [line.priced.end for line in order.lines if line.priced.end]
    return {
        "OrderNumber": order.number,
        "Name": None,
        "Description": None,
        "Status": "Draft",
        "StatusCode": "Draft",
        "Type": _ORDER_TYPES[quote.kind],
        "EffectiveDate": quote.start,
        "EndDate": max(ends, default=quote.end),
        "ActivatedDate": None,
        "AccountId": quote.account.record_id,
        "BillToContactId": quote.account.contact_id,
        "OpportunityId": quote.opportunity_id,
        "ContractId": None,
        "TotalAmount": sum((line.priced.total for line in order.lines), Decimal(0)),
        "IsReductionOrder": False,
        "SBQQ__Quote__c": quote.record_id,
        "SBQQ__PaymentTerm__c": quote.payment_term,
        "SBQQ__Contracted__c": False,
        "SBQQ__ContractingMethod__c": quote.contracting_method,
        "SBQQ__PriceCalcStatus__c": "Completed",
        "SBQQ__RenewalTerm__c": Decimal(12),
        "Skip_Past_Initial_Invoices__c": False,
    }


def order_item_record(line: OrderLine, *, settings: PackageSettings, currency: str) -> Record:
    priced = line.priced
    product = priced.line.product
    multiplier = unscaled_number(priced.multiplier)
    if settings.multiplier_scale is not None:
        multiplier = round_half_up(priced.multiplier, settings.multiplier_scale)
    return {
        "OrderId": line.order_id,
        "Product2Id": product.record_id,
        "Quantity": priced.quantity,
        "UnitPrice": priced.unit_price,
        "ListPrice": priced.list_price,
        "TotalPrice": priced.total,
        "ServiceDate": priced.start,
        "EndDate": priced.end,
        "OriginalOrderItemId": None,
        "SBQQ__Status__c": "Draft",
        "SBQQ__Activated__c": False,
        "SBQQ__QuoteLine__c": priced.quote_line_id,
        "SBQQ__Subscription__c": None,
        "SBQQ__Asset__c": None,
        "SBQQ__Contract__c": None,
        "SBQQ__ContractAction__c": priced.action,
        "SBQQ__RevisedOrderProduct__c": priced.revises.record_id if priced.revises else None,
        "SBQQ__QuotedQuantity__c": priced.quantity,
        "SBQQ__OrderedQuantity__c": priced.quantity,
        "SBQQ__QuotedListPrice__c": priced.list_price,
        "SBQQ__UnproratedNetPrice__c": settings.unit_price(priced.net_price, currency),
        "SBQQ__ProrateMultiplier__c": multiplier,
        "SBQQ__TerminatedDate__c": priced.terminated_on,
        **_subscription_fields(priced, product),
        **_structure_fields(priced),
        "Skip_Line_Item__c": False,
        **priced.line.fields,
    }


def _subscription_fields(priced: PricedLine, product: Product) -> Record:
    """What makes a line recurring; all of it is blank on a one-time line."""
    if not product.is_recurring:
        blank = dict.fromkeys(
            (
                "SBQQ__DefaultSubscriptionTerm__c",
                "SBQQ__SubscriptionTerm__c",
                "SBQQ__SubscriptionPricing__c",
                "SBQQ__SubscriptionType__c",
                "SBQQ__ProductSubscriptionType__c",
                "SBQQ__BillingFrequency__c",
                "SBQQ__BillingType__c",
            )
        )
        return {**blank, "SBQQ__ChargeType__c": "One-Time"}
    return {
        "SBQQ__DefaultSubscriptionTerm__c": whole_number(product.default_term),
        "SBQQ__SubscriptionTerm__c": whole_number(priced.term),
        "SBQQ__SubscriptionPricing__c": product.pricing,
        "SBQQ__SubscriptionType__c": product.subscription_type,
        "SBQQ__ProductSubscriptionType__c": product.subscription_type,
        "SBQQ__BillingFrequency__c": priced.line.frequency or product.frequency,
        "SBQQ__BillingType__c": product.billing_type,
        "SBQQ__ChargeType__c": product.charge_type,
    }


def _structure_fields(priced: PricedLine) -> Record:
    segment = priced.line.segment
    return {
        "SBQQ__PriceDimension__c": segment.dimension_id if segment else None,
        "SBQQ__DimensionType__c": segment.kind if segment else None,
        "SBQQ__SegmentIndex__c": whole_number(segment.index) if segment else None,
        "SBQQ__SegmentKey__c": segment.key if segment else None,
        "SBQQ__RequiredBy__c": None,
        "SBQQ__BundleRoot__c": None,
        "SBQQ__BlockPrice__c": None,
        "SBQQ__DiscountSchedule__c": None,
    }


def contract_record(contract: Contract, order: Order, name: str) -> Record:
    months = contract.quote.term
    return {
        "ContractNumber": name,
        "AccountId": contract.quote.account.record_id,
        "Status": "Activated",
        "StatusCode": "Activated",
        "StartDate": contract.start,
        "EndDate": contract.end,
        "ContractTerm": months if contract.end == _term_end(contract) else None,
        "SBQQ__Quote__c": contract.quote.record_id,
        "SBQQ__Order__c": order.record_id,
        "SBQQ__Opportunity__c": contract.quote.opportunity_id,
        "SBQQ__Evergreen__c": contract.is_evergreen,
        "SBQQ__AmendmentStartDate__c": None,
        "SBQQ__AmendmentRenewalBehavior__c": "Latest End Date",
        "SBQQ__RenewalQuoted__c": False,
        "SBQQ__RenewalTerm__c": whole_number(months),
        "SBQQ__RenewalOpportunity__c": None,
    }


def subscription_record(line: OrderLine, contract: Contract) -> Record:
    priced = line.priced
    segment = priced.line.segment
    lineage = line.lineage
    revised = priced.revises
    return {
        "SBQQ__Contract__c": contract.record_id,
        "SBQQ__Account__c": contract.quote.account.record_id,
        "SBQQ__Product__c": priced.line.product.record_id,
        "SBQQ__Quantity__c": priced.quantity,
        "SBQQ__OrderProduct__c": line.record_id,
        "SBQQ__QuoteLine__c": priced.quote_line_id,
        "SBQQ__RevisedSubscription__c": revised.subscription_id if revised is not None else None,
        "SBQQ__RootId__c": lineage.subscription_id if lineage is not line else None,
        "SBQQ__SubscriptionStartDate__c": priced.start,
        "SBQQ__SubscriptionEndDate__c": priced.end,
        "SBQQ__StartDate__c": priced.start,
        "SBQQ__EndDate__c": priced.end,
        "SBQQ__TerminatedDate__c": priced.terminated_on,
        "SBQQ__NetPrice__c": priced.unit_price,
        "SBQQ__SegmentIndex__c": whole_number(segment.index) if segment else None,
        "SBQQ__SegmentKey__c": segment.key if segment else None,
    }


def _term_end(contract: Contract) -> object:
    term = contract.quote.term
    return last_day_of_term(contract.start, term) if term else None
