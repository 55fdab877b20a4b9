"""Billing periods counted from an anchor (docs.stripe.com/billing/subscriptions/billing-cycle, 20 Nov 2026).

All instants are whole Unix seconds in UTC; periods are half open, `[start, end)`.
"""

import calendar
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

_SECONDS_PER_DAY = 86_400
_DAYS = {"day": 1, "week": 7}
_MONTHS = {"month": 1, "year": 12}


@dataclass(frozen=True, slots=True, kw_only=True)
class Interval:
    """A billing interval such as 3 months."""

    unit: str
    count: int

    @classmethod
    def of_price(cls, price: Mapping[str, Any]) -> "Interval":
        """The interval of a recurring price body."""
        recurring = price["recurring"]
        return cls(unit=recurring["interval"], count=recurring["interval_count"])

    @property
    def months(self) -> int:
        """Length in months; 0 for days and weeks."""
        return _MONTHS.get(self.unit, 0) * self.count

    @property
    def seconds(self) -> int:
        """Length in seconds; 0 for months and years, whose length varies."""
        return _DAYS.get(self.unit, 0) * self.count * _SECONDS_PER_DAY

    @property
    def sort_key(self) -> int:
        """Approximate length in seconds, to find the shortest of several."""
        return self.seconds or self.months * 30 * _SECONDS_PER_DAY


@lru_cache(maxsize=65536)
def add_months(instant: int, months: int) -> int:
    """The instant this many months later, the day clamped to the length of its month, time of day kept."""
    moment = datetime.fromtimestamp(instant, UTC)
    index = moment.year * 12 + moment.month - 1 + months
    year, month = divmod(index, 12)
    day = min(moment.day, calendar.monthrange(year, month + 1)[1])
    return int(moment.replace(year=year, month=month + 1, day=day).timestamp())


def boundary(anchor: int, interval: Interval, number: int) -> int:
    """Boundary `number` (of any sign) counted from the anchor; always restarts from the anchor's day."""
    if interval.seconds:
        return anchor + number * interval.seconds
    return add_months(anchor, number * interval.months)


def boundary_after(anchor: int, interval: Interval, instant: int) -> int:
    """The first boundary strictly after the instant."""
    return boundary(anchor, interval, _number_at(anchor, interval, instant) + 1)


def boundary_at_or_before(anchor: int, interval: Interval, instant: int) -> int:
    """The last boundary that is not after the instant."""
    return boundary(anchor, interval, _number_at(anchor, interval, instant))


@lru_cache(maxsize=4096)
def period_at(anchor: int, interval: Interval, instant: int) -> tuple[int, int]:
    """The period that holds the instant."""
    number = _number_at(anchor, interval, instant)
    return boundary(anchor, interval, number), boundary(anchor, interval, number + 1)


def _number_at(anchor: int, interval: Interval, instant: int) -> int:
    if interval.seconds:
        return (instant - anchor) // interval.seconds
    start = datetime.fromtimestamp(anchor, UTC)
    moment = datetime.fromtimestamp(instant, UTC)
    months = (moment.year - start.year) * 12 + moment.month - start.month
    number = months // interval.months
    while boundary(anchor, interval, number) > instant:
        number -= 1
    while boundary(anchor, interval, number + 1) <= instant:
        number += 1
    return number


def compatible(intervals: "list[Interval]", *, mixed: bool) -> bool:
    """Whether items of these intervals may share a subscription.

    Classic subscriptions want one interval; flexible ones want every interval to be a whole multiple of the
    shortest (docs.stripe.com/billing/subscriptions/mixed-interval, 20 Nov 2026).
    """
    if not mixed:
        return len({(interval.unit, interval.count) for interval in intervals}) <= 1
    shortest = min(intervals, key=lambda interval: interval.sort_key)
    return all(_is_multiple(interval, shortest) for interval in intervals)


def _is_multiple(interval: Interval, shortest: Interval) -> bool:
    if bool(interval.seconds) == bool(shortest.seconds):
        length = interval.seconds or interval.months
        return length % (shortest.seconds or shortest.months) == 0
    return shortest.seconds == _SECONDS_PER_DAY


def day_text(instant: int) -> str:
    """A day as the vendor writes it on invoice lines: `16 Jan 2026`."""
    return f"{datetime.fromtimestamp(instant, UTC):%d %b %Y}"
