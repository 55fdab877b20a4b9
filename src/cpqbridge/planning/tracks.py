"""A track: the runs that share one subscription schedule and its anchor (B5.6, B5.7, B9).

The contract's first anchor is its earliest start. A line longer than monthly whose own dates are whole cycles
but off that anchor gets a track anchored at its own start; everything else stays on the contract's anchor.
Lines of all frequencies share a track, as every frequency of CPQ is a multiple of the shorter ones; by the
policy `frequencies: split` each has its own. Evergreen lines have tracks of their own. A track holds as many
items as Stripe's schedules do; a line never changes it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta

from cpqbridge.domain.billing import BillingObject
from cpqbridge.domain.dates import MONTHS_PER_YEAR, Cycle, add_months, midnight
from cpqbridge.domain.order import Order
from cpqbridge.planning.limits import MAXIMUM_ITEMS
from cpqbridge.planning.runs import Run

EVERGREEN_MONTHS_LEFT = 12
"""With how many months left an evergreen schedule is planned further (B8.1)."""


@dataclass(slots=True, kw_only=True)
class Track:
    """The runs of one schedule; `sent` is the schedule as Stripe was given it last, None before that.

    `horizon` is up to where an evergreen one is planned, None for lines that end; `usage_until` up to when it
    goes on, although nothing is left to serve, so that Stripe bills what was used.
    """

    key: str
    anchor: date
    sent: BillingObject | None = None
    runs: list[Run] = field(default_factory=list)
    horizon: date | None = None
    usage_until: datetime | None = None

    @property
    def starts_on(self) -> date:
        """Return the first day of the schedule: a boundary with the anchor's own day of the month."""
        if self.sent is not None:
            return self.sent.anchor_at.date()
        longest = max(run.pieces.cycle.months for run in self.runs)
        return aligned_start(Cycle(self.anchor, longest), min(run.begins_at for run in self.runs).date())

    @property
    def ends_at(self) -> datetime:
        """Return when its last unit is gone; the start where none is ever served."""
        start = midnight(self.starts_on)
        served = max((run.over_at for run in self.runs if run.over_at > run.begins_at), default=start)
        return max(served, self.usage_until or served)

    @property
    def goes_on(self) -> bool:
        """Return whether it is evergreen and not ended."""
        return self.horizon is not None and self.ends_at >= midnight(self.horizon)

    @property
    def planned_again_at(self) -> datetime:
        """Return when an evergreen schedule is to be planned further."""
        return midnight(add_months(self.horizon or self.anchor, -EVERGREEN_MONTHS_LEFT))

    @property
    def cuts(self) -> Mapping[int, date]:
        """Return, by months of a cycle, its last boundary before an end that lies inside its period.

        Nothing that renews there has a price any more: Stripe would bill it cut to the end.
        """
        if self.goes_on:
            return {}
        end = self.ends_at
        found = {}
        for months in {run.pieces.cycle.months for run in self.runs}:
            boundary = Cycle(self.anchor, months).at_or_before(end.date())
            if midnight(boundary) != end:
                found[months] = boundary
        return found

    def boundary_after(self, day: date) -> date:
        """Return the first boundary after `day` of any line's cycle."""
        return min(run.pieces.cycle.after(day) for run in self.runs)

    def renews_before(self, day: date) -> bool:
        """Return whether the period of an item that was there before ends with `day`, used or not.

        Only then Stripe makes an invoice on that day, and bills on it also what begins then.
        """
        at = midnight(day)
        before = [run for run in self.runs if run.begins_at < at <= run.item_over_at]
        return any(
            run.pieces.cycle.holds(day)
            for run in before or [standing_in(self.runs, at - timedelta(seconds=1))]
        )

    def makes_invoice_on(self, day: date) -> bool:
        """Return whether Stripe makes an invoice on `day`: a period ends and another begins, or it starts."""
        if day == self.starts_on:
            return True
        at = midnight(day)
        after = [run for run in self.runs if run.begins_at <= at < run.item_over_at]
        begins = any(run.pieces.cycle.holds(day) for run in after or [standing_in(self.runs, at)])
        return begins and self.renews_before(day)

    def invoice_after(self, day: date) -> date | None:
        """Return the first day after `day` on which Stripe makes an invoice, None up to the end."""
        end = self.ends_at
        while midnight(day := self.boundary_after(day)) < end:
            if self.makes_invoice_on(day):
                return day
        return None

    def earliest(self, order: Order) -> datetime:
        """Return 00:00 UTC of the earliest first day of the order's lines on this track."""
        return min(run.begins_at for run in self.runs if run.order is order)

    def is_usable(self, at: datetime) -> bool:
        """Return whether the schedule can still be changed at this instant: not ended, not cancelled."""
        if self.sent is None:
            return True
        return self.sent.ended_at is None and self.sent.phases[-1].ends_at > at

    def has_place(self, start: date, end: date, months: int) -> bool:
        """Return whether one more item fits from `start` up to, not including, `end`.

        Its cycle must be that of the subscription, whose anchor is the day the schedule began.
        """
        if self.sent is not None and not Cycle(self.anchor, months).holds(self.starts_on):
            return False
        inside = [run for run in self.runs if run.pieces.start < end and run.pieces.end > start]
        if len(inside) < MAXIMUM_ITEMS:
            return True
        points = {start, *(run.pieces.start for run in inside if run.pieces.start > start)}
        return all(
            sum(1 for run in inside if run.pieces.start <= day < run.pieces.end) < MAXIMUM_ITEMS
            for day in points
        )


def standing_in(runs: Sequence[Run], instant: datetime) -> Run:
    """Return the run whose product stands for a span without lines: the next one to start, else the last.

    Of those that start together it is the one with the shortest period, so that each may begin on a boundary.
    """
    coming = [run for run in runs if run.begins_at > instant]
    return min(coming, key=lambda run: (run.begins_at, run.pieces.cycle.months), default=runs[-1])


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


def anchor_for(start: date, end: date, main: Cycle, anchors: Iterable[date]) -> date:
    """Return the anchor of a line from `start` up to, not including, `end`; `main` is the contract's cycle.

    A line that has whole cycles of its own gets its start, unless it fits another anchor that is there.
    """
    if not is_own_series(start, end, main):
        return main.anchor
    others = (Cycle(anchor, main.months) for anchor in anchors)
    fitting = (cycle.anchor for cycle in others if cycle.holds(start) and cycle.holds(end))
    return next(fitting, start)


EVERGREEN_MARK = "e"
_MONTHS_MARK = "m"


def track_prefix(root_id: str, anchor: date, *, evergreen: bool, months: int | None) -> str:
    """Return how the keys of schedules begin that may hold the same lines; `months` where all are alike."""
    kind = (EVERGREEN_MARK if evergreen else "") + (f"{months}{_MONTHS_MARK}" if months else "")
    return f"schedule:{root_id}:{anchor.isoformat()}:{kind}"


def track_key(prefix: str, others: Iterable[str]) -> str:
    """Return the key of one more schedule: the number tells it from the others with that prefix."""
    taken = sum(1 for key in others if key.startswith(prefix) and key.removeprefix(prefix).isdigit())
    return f"{prefix}{taken + 1}"


def anchor_of(key: str) -> date:
    """Return the anchor that a schedule's key names."""
    return date.fromisoformat(key.split(":")[2])


def is_evergreen(key: str) -> bool:
    """Return whether a schedule's key names one for evergreen lines."""
    return key.split(":")[3].startswith(EVERGREEN_MARK)


def going_on(sent: BillingObject, at: datetime) -> BillingObject:
    """Return an evergreen schedule that was released since nobody planned it further, with what goes on.

    Stripe bills its subscription as it was, so it counts as planned up to a boundary far enough away.
    """
    ended = sent.kind != "schedule" or sent.ended_at is not None or sent.end_behavior != "release"
    if ended or not is_evergreen(sent.key) or sent.phases[-1].ends_at > at:
        return sent
    far = add_months(at.date(), EVERGREEN_MONTHS_LEFT + MONTHS_PER_YEAR)
    end = Cycle(anchor_of(sent.key), MONTHS_PER_YEAR).at_or_after(far)
    last = replace(sent.phases[-1], ends_at=midnight(end))
    return replace(sent, phases=(*sent.phases[:-1], last))
