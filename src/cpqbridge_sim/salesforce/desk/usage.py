"""The consumption schedules of the org's products."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING

from cpqbridge_sim.salesforce.cpq.model import Tier, UsageSchedule
from cpqbridge_sim.salesforce.desk.lookups import record_at, records_where

if TYPE_CHECKING:
    from cpqbridge_sim.salesforce.org import Org
    from cpqbridge_sim.salesforce.values import Record


def usage_of(org: Org, product_id: str) -> UsageSchedule | None:
    """The active consumption schedule of a product, None where it has none."""
    for link in records_where(org, "ProductConsumptionSchedule", "ProductId", product_id):
        schedule = record_at(org, "ConsumptionSchedule", link.get("ConsumptionScheduleId"))
        if schedule is not None and schedule.get("IsActive") is not False:
            schedule_id = str(schedule["Id"])
            rates = records_where(org, "ConsumptionRate", "ConsumptionScheduleId", schedule_id)
            return UsageSchedule(
                tiers=tuple(_tier(each) for each in sorted(rates, key=_processing_order)),
                kind=str(schedule.get("Type") or "Slab"),
                unit=str(schedule.get("UnitOfMeasure") or "Each"),
                record_id=schedule_id,
            )
    return None


def _tier(rate: Record) -> Tier:
    upper = rate.get("UpperBound")
    return Tier(
        lower=int(_number(rate, "LowerBound")),
        upper=None if upper is None else int(_number(rate, "UpperBound")),
        price=_number(rate, "Price"),
        method=str(rate.get("PricingMethod") or "PerUnit"),
    )


def _processing_order(rate: Record) -> Decimal:
    return _number(rate, "ProcessingOrder")


def _number(rate: Record, field: str) -> Decimal:
    value = rate.get(field)
    return Decimal(value) if isinstance(value, (int, Decimal)) else Decimal(0)
