"""A track becomes the phases of its subscription schedule, made anew or changed while it runs (B6.3).

Every span between two break points is a phase, and a phase never prorates. The one exception is the first
phase of a schedule whose start lies before the call: it holds the lines that start with the schedule and is
told to create prorations, so that Stripe bills each elapsed and the running period once at full price.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from itertools import pairwise

from cpqbridge.domain.billing import BillingObject, OneTimeItem, Phase, PhaseItem
from cpqbridge.domain.dates import midnight
from cpqbridge.domain.pricing import DiscountTerms
from cpqbridge.planning.items import ItemRules, phase_items, zero_item
from cpqbridge.planning.limits import MAXIMUM_PHASES
from cpqbridge.planning.tracks import Track, standing_in

FIRST_PHASE_LASTS = timedelta(minutes=10)
CALLED_WITHIN = timedelta(minutes=30)
"""How long after a plan its last call may be answered: ten minutes until it begins, and its retries."""

LOADED_AGAIN_BELOW = 5
"""With how many loaded phases left a longer timetable gets its next ones (B7.3)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Timetable:
    """What a track needs besides its runs: items that ride on phases, and how items are formed.

    `first` rides on the invoice that is made with the schedule, `riders` on phases by their first day.
    """

    track: Track
    rules: ItemRules
    first: tuple[OneTimeItem, ...]
    riders: Mapping[date, Sequence[OneTimeItem]]
    now: datetime

    def created(self) -> tuple[Phase, ...]:
        """Return the phases of a schedule that is made now; the track has not ended."""
        start = midnight(self.track.starts_on)
        if start > self.now:
            phases = self._later(start)
            if start <= self.now + CALLED_WITHIN:
                return (_prorating(phases[0]), *phases[1:])
            return (*self._trial(phases[0]), *phases)
        return self._running()

    def _trial(self, first: Phase) -> tuple[Phase, ...]:
        """Return the phase of a trial, with the items that are billed after it; none without one (B5.3)."""
        free = [run for run in self.track.runs if run.pieces.free_until == first.starts_at.date()]
        if not free:
            return ()
        begins = midnight(min(run.line.starts_on for run in free))
        return (replace(first, starts_at=begins, ends_at=first.starts_at, one_time_items=(), trial=True),)

    def updated(self, sent: BillingObject) -> tuple[Phase, ...]:
        """Return the phases of a schedule as it should go on.

        Past ones are as they were, the running one keeps its start and gets the present items, then come new
        ones.
        """
        place = current_phase(sent, self.now)
        past, running = sent.phases[:place], sent.phases[place]
        if running.trial:
            phases = self._later(running.ends_at)
            return (*past, replace(running, items=phases[0].items, order_ids=phases[0].order_ids), *phases)
        if running.starts_at > self.now:
            return (*past, *self._later(running.starts_at))
        if place == 0 and self._is_first_of_two(running, sent):
            # Its elapsed time was billed when it was made; an update never prorates (B6.3).
            settled = replace(running, proration_behavior="none")
            goes_on = running.ends_at < self.track.ends_at
            return (settled, *self._later(running.ends_at)) if goes_on else (settled,)
        points = self._points(self.now)
        present = replace(
            running,
            ends_at=points[0],
            items=self._items(self.now),
            proration_behavior="none",
            discounts=self._discounts(self.now),
        )
        return (*past, *_merged((present, *self._spans(points))))

    def _running(self) -> tuple[Phase, ...]:
        """Return the phases of a schedule that began before it is made."""
        track = self.track
        carried = [replace(run, takes=[]) for run in track.runs if run.carried]
        items = (
            phase_items(carried, self.now, cuts={}, rules=self.rules, coupons_on=track.starts_on)
            if carried
            else (zero_item(standing_in(track.runs, self.now), placeholder=True),)
        )
        points = self._points(self.now)
        breather = min(
            self.now.replace(microsecond=0) + FIRST_PHASE_LASTS,
            points[0],
            midnight(track.boundary_after(self.now.date())),
        )
        discounts = self._discounts(midnight(track.starts_on))
        goes_on = same_items(items, self._items(self.now)) and discounts == self._discounts(self.now)
        if goes_on:
            breather = points[0]
        bills = bool(carried or self.first)
        first = Phase(
            starts_at=midnight(track.starts_on),
            ends_at=breather,
            proration_behavior="create_prorations" if bills else "none",
            items=items,
            one_time_items=self.first,
            order_ids=self._order_ids(items, self.first, self.now),
            discounts=discounts,
        )
        later = self._later(breather) if breather < track.ends_at else ()
        # A short first phase keeps its end, whatever follows: it is a break point for ever (B6.8).
        return _merged((first, *later)) if goes_on else (first, *later)

    def _is_first_of_two(self, running: Phase, sent: BillingObject) -> bool:
        """Return whether the phase is the short first one, whose end is a break point for ever (B6.8)."""
        made_at = sent.made_at or sent.anchor_at
        return running.ends_at <= min(made_at + FIRST_PHASE_LASTS, self.track.ends_at)

    def _later(self, start: datetime) -> tuple[Phase, ...]:
        return _merged(self._spans([start, *self._points(start)]))

    def _spans(self, points: Sequence[datetime]) -> tuple[Phase, ...]:
        phases = []
        for lower, upper in pairwise(points):
            items = self._items(lower)
            begins_day = lower == midnight(lower.date())
            one_time = tuple(self.riders.get(lower.date(), ())) if begins_day else ()
            phases.append(
                Phase(
                    starts_at=lower,
                    ends_at=upper,
                    proration_behavior="none",
                    items=items,
                    one_time_items=one_time,
                    order_ids=self._order_ids(items, one_time, lower),
                    discounts=self._discounts(lower),
                )
            )
        return tuple(phases)

    def _items(self, instant: datetime) -> tuple[PhaseItem, ...]:
        return phase_items(self.track.runs, instant, cuts=self.track.cuts, rules=self.rules)

    def _discounts(self, instant: datetime) -> tuple[DiscountTerms, ...]:
        return self.rules.discounts.on_phase(self.track, instant.date())

    def _points(self, after: datetime) -> list[datetime]:
        """Return every instant after `after` at which items change or something rides, and the end."""
        track = self.track
        points = {midnight(day) for day, items in self.riders.items() if items}
        for run in track.runs:
            points |= {run.begins_at, run.item_over_at}
            points |= {take.begins_at for take in run.takes}
            if run.pieces.end > run.pieces.full_until > run.pieces.start:
                points.add(midnight(run.pieces.full_until))
        points |= {midnight(day) for day in (*track.cuts.values(), *self.rules.discounts.edges(track))}
        end = track.ends_at
        return [*sorted(point for point in points if after < point < end), end]

    def _order_ids(
        self, items: Sequence[PhaseItem], one_time: Sequence[OneTimeItem], instant: datetime
    ) -> tuple[str, ...]:
        """Return the orders that shaped the phase, oldest first (B6.4)."""
        shown = {order_item_id for item in items for order_item_id in item.order_item_ids}
        found: dict[str, None] = {}
        for run in self.track.runs:
            if run.line.order_item_id in shown:
                found[run.order.order_id] = None
                found |= {take.order.order_id: None for take in run.takes if take.begins_at <= instant}
        found |= {item.order_id: None for item in one_time}
        return tuple(found) or (self.track.runs[0].order.order_id,)


def _prorating(phase: Phase) -> Phase:
    return replace(phase, proration_behavior="create_prorations")


def _merged(phases: Sequence[Phase]) -> tuple[Phase, ...]:
    """Return the phases with those joined that only go on with the same items."""
    merged: list[Phase] = []
    for phase in phases:
        if merged and not phase.one_time_items and _bill_the_same(merged[-1], phase):
            merged[-1] = replace(merged[-1], ends_at=phase.ends_at)
        else:
            merged.append(phase)
    return tuple(merged)


def _bill_the_same(one: Phase, other: Phase) -> bool:
    return same_items(one.items, other.items) and one.discounts == other.discounts


def same_items(one: Sequence[PhaseItem], other: Sequence[PhaseItem]) -> bool:
    """Return whether the items bill the same; what else is known of them does not count."""
    return _billing(one) == _billing(other)


def _billing(items: Sequence[PhaseItem]) -> list[tuple[object, ...]]:
    return sorted(
        (
            item.order_item_ids,
            item.price_key or "",
            item.unit_amount_decimal,
            item.units,
            [terms.key for terms in item.discounts],
        )
        for item in items
    )


def current_phase(sent: BillingObject, now: datetime) -> int:
    """Return the place of the phase that runs at `now`, of the first one before the start."""
    return next(
        (place for place, phase in enumerate(sent.phases) if phase.ends_at > now), len(sent.phases) - 1
    )


def goes_on_the_same(sent: Sequence[Phase], wanted: Sequence[Phase], now: datetime) -> bool:
    """Return whether two timetables bill the same after `now`."""
    return _from_now(sent, now) == _from_now(wanted, now)


def _from_now(phases: Sequence[Phase], now: datetime) -> list[tuple[object, ...]]:
    rest: list[tuple[object, ...]] = []
    for phase in phases:
        if phase.ends_at <= now:
            continue
        starts_at = max(phase.starts_at, now)
        charges = sorted((*item.identity, item.amount_minor) for item in phase.one_time_items)
        rest.append(
            (
                starts_at,
                phase.ends_at,
                _billing(phase.items),
                phase.discounts,
                charges if phase.starts_at > now else [],
            )
        )
    return rest


def loaded_phases(phases: Sequence[Phase], sent: BillingObject | None, now: datetime) -> int | None:
    """Return how many of the phases Stripe is given: all (None), or as many as fit from the current one on.

    What was loaded stays loaded until fewer than `LOADED_AGAIN_BELOW` phases are left of it.
    """
    current = next((place for place, phase in enumerate(phases) if phase.ends_at > now), 0)
    if len(phases) - current <= MAXIMUM_PHASES:
        return None
    known = sent.loaded if sent is not None else None
    if known is not None and known - current >= LOADED_AGAIN_BELOW:
        return known
    return current + MAXIMUM_PHASES


def load_again_at(phases: Sequence[Phase], loaded: int | None) -> datetime | None:
    """Return when the next phases are to be loaded: as soon as too few are left; None when all are."""
    if loaded is None:
        return None
    return phases[loaded - LOADED_AGAIN_BELOW + 1].starts_at
