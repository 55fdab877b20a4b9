"""The records of consumption schedules and their rates: the product's, and the copies on an order product."""

from cpqbridge_sim.salesforce.cpq.model import Record, Tier, UsageSchedule
from cpqbridge_sim.salesforce.cpq.rounding import whole_number


def schedule_record(usage: UsageSchedule, *, on_order_item: str | None = None) -> Record:
    """A consumption schedule, or its copy on an order product."""
    if on_order_item is None:
        return {
            "Name": f"{usage.unit} ({usage.kind})",
            "Type": usage.kind,
            "RatingMethod": "Tier",
            "UnitOfMeasure": usage.unit,
            "BillingTerm": 1,
            "BillingTermUnit": "Month",
            "IsActive": True,
            "MatchingAttribute": None,
        }
    return {
        "SBQQ__OrderItem__c": on_order_item,
        "SBQQ__ConsumptionSchedule__c": usage.record_id,
        "SBQQ__Type__c": usage.kind,
        "SBQQ__RatingMethod__c": "Tier",
        "SBQQ__UnitOfMeasure__c": usage.unit,
        "SBQQ__BillingTerm__c": whole_number(1),
        "SBQQ__BillingTermUnit__c": "Month",
        "SBQQ__MatchingAttribute__c": None,
    }


def rate_record(tier: Tier, order: int, schedule_id: str, *, on_order_item: bool) -> Record:
    """A consumption rate, or its copy on an order product."""
    if not on_order_item:
        return {
            "Name": f"From {tier.lower}",
            "ConsumptionScheduleId": schedule_id,
            "LowerBound": tier.lower,
            "UpperBound": tier.upper,
            "Price": tier.price,
            "PricingMethod": tier.method,
            "ProcessingOrder": order,
        }
    return {
        "SBQQ__OrderItemConsumptionSchedule__c": schedule_id,
        "SBQQ__LowerBound__c": whole_number(tier.lower),
        "SBQQ__UpperBound__c": whole_number(tier.upper),
        "SBQQ__Price__c": tier.price,
        "SBQQ__PricingMethod__c": tier.method,
        "SBQQ__ProcessingOrder__c": whole_number(order),
    }
