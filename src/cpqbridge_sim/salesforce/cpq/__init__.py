"""A small Salesforce CPQ: writes the records that the package itself would have written."""

from cpqbridge_sim.salesforce.cpq.engine import Cpq
from cpqbridge_sim.salesforce.cpq.export import write_directory
from cpqbridge_sim.salesforce.cpq.generate import RandomOrg, random_org
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
from cpqbridge_sim.salesforce.cpq.sample import SAMPLE_NOW, sample_org

__all__ = [
    "PRECISIONS",
    "SAMPLE_NOW",
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
    "RandomOrg",
    "Segment",
    "Tier",
    "UsageSchedule",
    "random_org",
    "sample_org",
    "write_directory",
]
