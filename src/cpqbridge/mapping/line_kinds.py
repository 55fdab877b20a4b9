"""What kind of line an order product is (B2): recurring or not, how often, and what sets it apart."""

from __future__ import annotations

from dataclasses import dataclass

from cpqbridge.domain.order import LineKind
from cpqbridge.mapping.records import RecordReader
from cpqbridge.mapping.spans import LINE_TERM

FREQUENCIES = {"monthly": 1, "quarterly": 3, "semiannual": 6, "annual": 12}
"""Months per billing period by the picklist value in lower case (B2.5); empty means monthly."""


_BILLING_TYPE = "SBQQ__BillingType__c"
_FREQUENCY = "SBQQ__BillingFrequency__c"


@dataclass(frozen=True, slots=True)
class Nature:
    """What kind of line it is; `months` is None on lines that do not recur."""

    kind: LineKind
    months: int | None


def line_nature(reader: RecordReader) -> Nature | None:
    """Return what B2 makes of the line, None (with a refusal) where its type or frequency is not known."""
    before = reader.findings.count()
    subscription_type = reader.text("SBQQ__SubscriptionType__c")
    recurring = (
        reader.text("SBQQ__SubscriptionPricing__c") is not None
        or subscription_type is not None
        or reader.number(LINE_TERM) is not None
        or reader.text(_FREQUENCY) is not None
    )
    months = _frequency(reader) if recurring else None
    metered = _metered(reader, recurring=recurring)
    segment = (
        reader.text("SBQQ__SegmentKey__c") is not None and reader.number("SBQQ__SegmentIndex__c") is not None
    )
    if reader.findings.count() > before:
        return None
    if metered:
        return Nature(LineKind.METERED, months)
    if segment:
        return Nature(LineKind.RAMP, months)
    if subscription_type is not None and subscription_type.lower() == "evergreen":
        return Nature(LineKind.EVERGREEN, months)
    return Nature(LineKind.RECURRING if recurring else LineKind.ONE_TIME, months)


def _frequency(reader: RecordReader) -> int | None:
    given = reader.text(_FREQUENCY)
    if given is None:
        return FREQUENCIES["monthly"]
    months = FREQUENCIES.get(given.lower())
    if months is None:
        reader.refuse("frequency_unknown", f"has the billing frequency {given}.", field=_FREQUENCY)
    return months


def _metered(reader: RecordReader, *, recurring: bool) -> bool:
    billing_type = reader.text(_BILLING_TYPE)
    if billing_type is None or billing_type.lower() == "advance":
        return False
    if billing_type.lower() == "arrears" and recurring:
        return True
    kind = "" if recurring else " but does not recur"
    reader.refuse("billing_type_unknown", f"has the billing type {billing_type}{kind}.", field=_BILLING_TYPE)
    return False
