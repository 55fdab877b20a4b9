"""A track: the runs that share one subscription schedule, with one anchor and one frequency (B5.6, B5.7).

The contract's first anchor is its earliest start. A line longer than monthly whose own dates are whole cycles
but off that anchor gets a track anchored at its own start; everything else stays on the contract's anchor. A
track holds as many items as Stripe's schedules do; a line never changes it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import date, datetime

from cpqbridge.domain.billing import BillingObject
from cpqbridge.domain.dates import Cycle, midnight
from cpqbridge.domain.order import Order
from cpqbridge.planning.limits import MAXIMUM_ITEMS
from cpqbridge.planning.runs import Run


@dataclass(slots=True, kw_only=True)
class Track:
    """The runs of one schedule; `sent` is the schedule as Stripe was given it last, None before that."""

    key: str
    cycle: Cycle
    sent: BillingObject | None = None
    runs: list[Run] = field(default_factory=list)

    @property
    def starts_on(self) -> date:
        """Return the first day of the schedule: a boundary with the anchor's own day of the month."""
        if self.sent is not None:
            return self.sent.phases[0].starts_at.date()
        return aligned_start(self.cycle, min(run.begins_at for run in self.runs).date())

    @property
    def ends_at(self) -> datetime:
        """Return when its last unit is gone; the start where none is ever served."""
        start = midnight(self.starts_on)
        return max((run.over_at for run in self.runs if run.over_at > run.begins_at), default=start)

    @property
    def cuts_on(self) -> date | None:
        """Return the last boundary before an end that lies inside a period, None for an end on a boundary."""
        end = self.ends_at
        boundary = self.cycle.at_or_before(end.date())
        return None if midnight(boundary) == end else boundary

    def earliest(self, order: Order) -> datetime:
        """Return 00:00 UTC of the earliest first day of the order's lines on this track."""
        return min(run.begins_at for run in self.runs if run.order is order)

    def is_usable(self, at: datetime) -> bool:
        """Return whether the schedule can still be changed at this instant: not ended, not cancelled."""
        if self.sent is None:
            return True
        return self.sent.ended_at is None and self.sent.phases[-1].ends_at > at

    def has_room(self, start: date, end: date) -> bool:
        """Return whether one more item fits from `start` up to, not including, `end`."""
        inside = [run for run in self.runs if run.pieces.start < end and run.pieces.end > start]
        if len(inside) < MAXIMUM_ITEMS:
            return True
        points = {start, *(run.pieces.start for run in inside if run.pieces.start > start)}
        return all(
            sum(1 for run in inside if run.pieces.start <= day < run.pieces.end) < MAXIMUM_ITEMS
            for day in points
        )


def aligned_start(cycle: Cycle, day: date) -> date:
    """Return the last boundary not after `day` whose day of the month is the anchor's own.

    A schedule that begins on a shorter month's last day would keep that day and drift from the anchor.
    """
    index = cycle.index_at_or_before(day)
    while (boundary := cycle.boundary(index)).day != cycle.anchor.day:
        index -= 1
    return boundary


def is_own_series(start: date, end: date, main: Cycle) -> bool:
    """Return whether a line longer than monthly has whole cycles of its own, off the contract's anchor."""
    if main.months == 1 or main.holds(start):
        return False
    return Cycle(start, main.months).holds(end)


def cycle_for(start: date, end: date, cycles: Iterable[Cycle]) -> Cycle:
    """Return the cycle of a line from `start` up to, not including, `end`; the first is the contract's.

    A new one is made for a line that has whole cycles of its own, unless it fits one that is there.
    """
    main, *others = cycles
    if not is_own_series(start, end, main):
        return main
    fitting = (cycle for cycle in others if cycle.holds(start) and cycle.holds(end))
    return next(fitting, Cycle(start, main.months))


def track_key(root_id: str, anchor: date, number: int) -> str:
    """Return the key of a schedule: the anchor's date, and a number where one schedule was not enough."""
    return f"schedule:{root_id}:{anchor.isoformat()}:{number}"


def anchor_of(key: str) -> date:
    """Return the anchor that a schedule's key names."""
    return date.fromisoformat(key.split(":")[2])


def distinct_cycles(tracks: Iterable[Track]) -> Iterator[Cycle]:
    """Yield the cycles of the tracks, each once, in order."""
    seen: set[Cycle] = set()
    for track in tracks:
        if track.cycle not in seen:
            seen.add(track.cycle)
            yield track.cycle
