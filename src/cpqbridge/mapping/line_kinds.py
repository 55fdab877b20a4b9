"""What kind of line an order product is (B2): recurring or not, how often, and what sets it apart."""

from __future__ import annotations

from dataclasses import dataclass

from cpqbridge.domain.order import LineKind, Segment
from cpqbridge.mapping.needs import SEGMENT_LABEL
from cpqbridge.mapping.records import RecordReader
from cpqbridge.mapping.spans import LINE_TERM

FREQUENCIES = {"monthly": 1, "quarterly": 3, "semiannual": 6, "annual": 12}
"""Months per billing period by the picklist value in lower case (B2.5); empty means monthly."""


_BILLING_TYPE = "SBQQ__BillingType__c"
_FREQUENCY = "SBQQ__BillingFrequency__c"
_SEGMENT_INDEX = "SBQQ__SegmentIndex__c"


@dataclass(frozen=True, slots=True)
class Nature:
    """What kind of line it is; `months` is None on lines that do not recur."""

    months: int | None
    metered: bool = False
    evergreen: bool = False
    segment: Segment | None = None

    @property
    def kind(self) -> LineKind:
        """Return whether the line recurs."""
        return LineKind.ONE_TIME if self.months is None else LineKind.RECURRING


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
    segment = _segment(reader)
    if reader.findings.count() > before:
        return None
    evergreen = subscription_type is not None and subscription_type.lower() == "evergreen"
    return Nature(months, metered=metered, evergreen=evergreen, segment=segment)


def _segment(reader: RecordReader) -> Segment | None:
    """Return which segment of a ramp the line is (B2.4); None where key or index is empty."""
    key, index = reader.text("SBQQ__SegmentKey__c"), reader.number(_SEGMENT_INDEX)
    if key is None or index is None:
        return None
    if index < 0 or index != index.to_integral_value():
        message = f"has the segment index {index:f}, which is not a whole number."
        reader.refuse("value_type", message, field=_SEGMENT_INDEX)
        return None
    return Segment(key=key, index=int(index), label=reader.text(SEGMENT_LABEL) or "")


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
