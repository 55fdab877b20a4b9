"""Calendar dates, cycle boundaries and the instants Stripe is told.

A span of service is written `[start, end)`: its first day, and the day after its last one.
"""

from __future__ import annotations

import calendar
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

MONTHS_PER_YEAR = 12
SHORTEST_MONTH_DAYS = 28


def add_months(day: date, months: int) -> date:
    """Return the date `months` later (negative: earlier), clipped to the length of that month.

    Source: Stripe, "Subscription billing cycle" (read 20 Nov 2026): 31 Jan + 1 month is 28 or 29 Feb.

    Raises:
        OverflowError: the result lies outside the years 1 to 9999.
    """
    index = day.year * MONTHS_PER_YEAR + day.month - 1 + months
    year, month = divmod(index, MONTHS_PER_YEAR)
    if not date.min.year <= year <= date.max.year:
        raise OverflowError(f"{day} + {months} months is not a date")
    if day.day > SHORTEST_MONTH_DAYS:
        return date(year, month + 1, min(day.day, calendar.monthrange(year, month + 1)[1]))
    return date(year, month + 1, day.day)


def day_after(day: date) -> date:
    """Return the next calendar date."""
    return day + timedelta(days=1)


def day_before(day: date) -> date:
    """Return the previous calendar date."""
    return day - timedelta(days=1)


# A plan asks for the same days again and again.
@lru_cache(maxsize=2**14)
def midnight(day: date) -> datetime:
    """Return 00:00:00 UTC of a calendar date: the instant that stands for it in Stripe (B5.2)."""
    return datetime.combine(day, time.min, tzinfo=UTC)


def day_begins(day: date, time_zone: str) -> datetime:
    """Return when a calendar date begins where people live by `time_zone`, an IANA name; aware UTC."""
    return datetime.combine(day, time.min, tzinfo=ZoneInfo(time_zone)).astimezone(UTC)


def day_of(instant: datetime, time_zone: str) -> date:
    """Return the calendar date of an aware instant where people live by `time_zone`, an IANA name."""
    return instant.astimezone(ZoneInfo(time_zone)).date()


def timestamp(instant: datetime) -> int:
    """Return whole Unix seconds of an aware instant, rounded down."""
    return int(instant.timestamp() // 1)


def whole_months(start: date, end: date) -> int:
    """Return how many whole months counted from `start` fit into `[start, end)`; 0 when `end` is earlier."""
    months = (end.year - start.year) * MONTHS_PER_YEAR + end.month - start.month
    if add_months(start, months) > end:
        months -= 1
    return max(months, 0)


@dataclass(frozen=True, slots=True)
class Cycle:
    """The boundaries every `months` from the original `anchor`, each clipped to the length of its month."""

    anchor: date
    months: int

    def boundary(self, index: int) -> date:
        """Return the boundary with this index; index 0 is the anchor."""
        return add_months(self.anchor, index * self.months)

    def index_at_or_before(self, day: date) -> int:
        """Return the index of the last boundary that is not after `day`."""
        distance = (day.year - self.anchor.year) * MONTHS_PER_YEAR + day.month - self.anchor.month
        index = distance // self.months
        return index if self.boundary(index) <= day else index - 1

    def at_or_before(self, day: date) -> date:
        """Return the last boundary that is not after `day`."""
        return self.boundary(self.index_at_or_before(day))

    def at_or_after(self, day: date) -> date:
        """Return the first boundary that is not before `day`."""
        index = self.index_at_or_before(day)
        found = self.boundary(index)
        return found if found == day else self.boundary(index + 1)

    def after(self, day: date) -> date:
        """Return the first boundary after `day`."""
        return self.boundary(self.index_at_or_before(day) + 1)

    def holds(self, day: date) -> bool:
        """Return whether `day` is one of the boundaries."""
        return self.at_or_before(day) == day

    def within(self, start: date, end: date) -> Iterator[date]:
        """Yield the boundaries in `[start, end)`, in order."""
        index = self.index_at_or_before(start)
        if self.boundary(index) < start:
            index += 1
        while (boundary := self.boundary(index)) < end:
            yield boundary
            index += 1
