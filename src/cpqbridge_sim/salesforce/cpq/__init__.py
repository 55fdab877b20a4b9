"""A small Salesforce CPQ: writes the records that the package itself would have written."""

from cpqbridge_sim.salesforce.cpq.engine import Cpq
from cpqbridge_sim.salesforce.cpq.model import (
    Account,
    Change,
    Contract,
    Coupon,
    CpqError,
    Line,
    Order,
    OrderLine,
    Product,
    Quote,
    Segment,
    Tier,
    UsageSchedule,
)
from cpqbridge_sim.salesforce.cpq.proration import PRECISIONS, Precision

__all__ = [
    "PRECISIONS",
    "Account",
    "Change",
    "Contract",
    "Coupon",
    "Cpq",
    "CpqError",
    "Line",
    "Order",
    "OrderLine",
    "Precision",
    "Product",
    "Quote",
    "Segment",
    "Tier",
    "UsageSchedule",
]
