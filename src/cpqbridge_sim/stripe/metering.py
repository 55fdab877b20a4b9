"""The usage that meters were told, and what of it waits to be billed; no prices here.

Source: docs.stripe.com/billing/subscriptions/usage-based, read 21 Nov 2026. Times are Unix seconds in UTC.
"""

import bisect
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from fractions import Fraction
from typing import Any

_WINDOW_SECONDS = {"hour": 3600, "day": 86_400}


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class UsageEvent:
    """One meter event: when it happened, when it was received (as a running number too), and its value."""

    timestamp: int
    number: int
    received_at: int = field(compare=False)
    identifier: str = field(compare=False)
    value: Fraction = field(compare=False)


# Compared and hashed by identity: each stretch is cut off once.
@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ClosedUsage:
    """A stretch `[start, end)` of a metered item that is over, at the terms under which it ran.

    `subscription_discounts` are those the subscription had then, `is_free` says that it was a trial.
    """

    item_id: str
    subscription_id: str
    customer_id: str
    price: Mapping[str, Any]
    start: int
    end: int
    metadata: Mapping[str, str]
    item_discounts: tuple[str, ...]
    subscription_discounts: tuple[str, ...]
    tax_rates: tuple[dict[str, Any], ...]
    is_free: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class BilledUsage:
    """The usage on one draft invoice, to be counted again when it finalizes.

    `discount_ids` are the subscription's discounts that were shared out on it, `used_ids` the `once` ones
    among them that this used up, at `at`.
    """

    at: int
    discount_ids: tuple[str, ...]
    used_ids: tuple[str, ...]
    # Each stretch with the quantity it was billed at and the ids of its lines.
    lines: tuple[tuple[ClosedUsage, Fraction, tuple[str, ...]], ...]


@dataclass(slots=True, kw_only=True)
class UsageBook:
    """All meter events by customer and meter, and the usage that was cut off but not invoiced yet."""

    events: dict[str, dict[str, list[UsageEvent]]] = field(default_factory=dict)
    # When each identifier was received last, by event name.
    identifiers: dict[tuple[str, str], int] = field(default_factory=dict)
    # From when the usage of an item counts, where that is not the start of its current period.
    since: dict[str, int] = field(default_factory=dict)
    # Closed usage by subscription: its next invoice takes it up.
    closed: dict[str, list[ClosedUsage]] = field(default_factory=dict)
    # By invoice, while it is a draft.
    drafts: dict[str, BilledUsage] = field(default_factory=dict)
    _count: int = 0

    def record(self, customer_id: str, meter_id: str, event: UsageEvent) -> None:
        """Keep an event; its `number` is given here, in order of receipt."""
        self._count += 1
        events = self.events.setdefault(customer_id, {}).setdefault(meter_id, [])
        bisect.insort(events, replace(event, number=self._count))

    def find(self, meter_id: str, identifier: str) -> tuple[str, UsageEvent] | None:
        """The customer and the event of an identifier; the one received last when it was used again."""
        found = [
            (event.number, customer_id, event)
            for customer_id, by_meter in self.events.items()
            for event in by_meter.get(meter_id, [])
            if event.identifier == identifier
        ]
        if not found:
            return None
        _, customer_id, event = max(found)
        return customer_id, event

    def cancel(self, customer_id: str, meter_id: str, event: UsageEvent) -> None:
        """Take an event out of what is counted."""
        self.events[customer_id][meter_id].remove(event)

    def between(self, customer_id: str, meter_id: str, start: int, end: int) -> Sequence[UsageEvent]:
        """The events of `[start, end)` by time, those of one second in order of receipt."""
        events = self.events.get(customer_id, {}).get(meter_id, [])
        first = bisect.bisect_left(events, start, key=lambda event: event.timestamp)
        return events[first : bisect.bisect_left(events, end, key=lambda event: event.timestamp)]

    def fork(self, customer_id: str) -> "UsageBook":
        """A copy with the usage of one customer."""
        other = UsageBook(since=dict(self.since), drafts=dict(self.drafts), _count=self._count)
        other.closed = {key: list(value) for key, value in self.closed.items()}
        by_meter = self.events.get(customer_id, {})
        other.events[customer_id] = {meter_id: list(events) for meter_id, events in by_meter.items()}
        return other


def aggregated(meter: Mapping[str, Any], events: Sequence[UsageEvent]) -> Fraction:
    """What events amount to by the meter's formula; a negative sum stays negative.

    A meter with an `event_time_window` is told totals: of each window only what was received last counts.
    """
    counted = _last_of_each_window(meter["event_time_window"], events)
    formula = meter["default_aggregation"]["formula"]
    if formula == "count":
        return Fraction(len(counted))
    if formula == "last":
        return counted[-1].value if counted else Fraction(0)
    return sum((event.value for event in counted), Fraction(0))


def _last_of_each_window(window: str | None, events: Sequence[UsageEvent]) -> Sequence[UsageEvent]:
    if window is None:
        return events
    latest: dict[int, UsageEvent] = {}
    for event in events:
        number = event.timestamp // _WINDOW_SECONDS[window]
        if number not in latest or event.number > latest[number].number:
            latest[number] = event
    return sorted(latest.values())


def by_window(window: str, events: Sequence[UsageEvent]) -> dict[int, list[UsageEvent]]:
    """Events by the start of the UTC hour or day they fall in, oldest first; empty windows are left out."""
    seconds = _WINDOW_SECONDS[window]
    result: dict[int, list[UsageEvent]] = {}
    for event in events:
        result.setdefault(event.timestamp - event.timestamp % seconds, []).append(event)
    return result
