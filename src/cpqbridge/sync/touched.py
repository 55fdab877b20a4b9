"""What somebody else did in Stripe to a schedule of ours, told from the schedule as it was sent last (B6.13).

Only what is still to come counts: time that has passed since is no change, and neither is how Stripe splits
or joins phases that hold the same items.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from cpqbridge.domain.billing import BillingObject, OneTimeItem, Phase, Touched
from cpqbridge.domain.dates import Cycle, midnight
from cpqbridge.domain.pricing import DiscountTerms
from cpqbridge.domain.schedule_standing import MISSING, ScheduleStanding, StandingPhase
from cpqbridge.planning.tracks import is_evergreen
from cpqbridge.sync.plan_words import interval_text, price_text

_MONTHS = {"month": 1, "year": 12}
_WORDS = {MISSING: "this Stripe account does not have it", "canceled": "it was cancelled"}


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class _Item:
    """What an item bills: minor units per unit (None: tiers), every so often, so many units.

    `tiers` is the lookup key of the price of one with tiers, which names them.
    """

    unit_amount: Decimal | None
    tiers: str
    interval: str
    interval_count: int
    quantity: int


_Items = Counter[_Item]
_Identities = frozenset[tuple[str, str, str]]
_Coupons = tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Span:
    """What is billed from `starts_at` up to, not including, `ends_at`; `charges` identify one-time items.

    `coupons` are those of everything, then those of each item that has some. Before `free_until` it is free.
    """

    starts_at: datetime
    ends_at: datetime
    items: _Items
    charges: _Identities
    coupons: tuple[_Coupons, ...] = ((),)
    free_until: datetime | None = None

    def is_free(self, point: datetime) -> bool:
        """Return whether nothing is billed at that instant because of a trial."""
        return self.free_until is not None and point < self.free_until


def what_was_touched(
    sent: BillingObject, standing: ScheduleStanding, *, at: datetime, charges_only: bool = False
) -> Touched | None:
    """Return what of a schedule is not as we sent it, None when all of it is.

    Args:
        sent: the schedule as it was sent last.
        standing: the schedule as Stripe has it.
        at: the instant it was read, aware UTC; what lies before is not compared.
        charges_only: whether a difference up to the next charge counts only where it has one. One that was
            put back waits for the next period, and what runs until then was billed before.
    """
    if sent.ended_at is not None and standing.status == "canceled":
        return None
    if standing.ended:
        return _how_it_ended(sent, standing, at)
    changes = tuple(_changes(sent, standing, at, charges_only=charges_only))
    if not changes:
        return None
    return Touched(words=changes[0].words, marks=tuple(change.mark for change in changes))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Change:
    """One thing that is not as it was sent: for people, and the same on every day."""

    words: str
    mark: str


def _changes(
    sent: BillingObject, standing: ScheduleStanding, at: datetime, *, charges_only: bool
) -> Iterator[_Change]:
    """Yield what is not as it was sent, what comes first first."""
    if standing.end_behavior != sent.end_behavior:
        words = f"it ends with {standing.end_behavior or 'nothing'} instead of {sent.end_behavior}"
        yield _Change(words=words, mark=words)
    wanted, found = _sent_spans(sent), _standing_spans(standing)
    if (end := found[-1].ends_at if found else at) != wanted[-1].ends_at:
        words = f"it ends on {_day(end)} instead of {_day(wanted[-1].ends_at)}"
        yield _Change(words=words, mark=words)
    points = sorted({at, *(span.starts_at for span in (*wanted, *found) if span.starts_at > at)})
    ends = {span.ends_at for span in (*wanted, *found)}
    for point in points:
        until = min((each for each in (*points, *ends) if each > point), default=point)
        one, other = _at(wanted, point), _at(found, point)
        if charges_only and point == at and not _charges_between(sent, (one, other), at, until):
            continue
        for what in _differences(sent, one, other, point):
            # A stretch of time is told by its end: its beginning moves with the day on which it is read.
            yield _Change(words=f"from {_day(point)} on {what}", mark=f"until {_day(until)} {what}")
        if point > at and _beginning(wanted, point) != _beginning(found, point):
            words = f"its one-time charges on {_day(point)} are others"
            yield _Change(words=words, mark=words)


def _charges_between(sent: BillingObject, spans: Iterable[_Span], after: datetime, before: datetime) -> bool:
    """Return whether a period of anything that is billed begins in between, or usage is counted there."""
    anchor = sent.anchor_at.date()
    return any(
        item.unit_amount is None
        or item.interval != "month"
        or (
            item.unit_amount != 0
            and midnight(Cycle(anchor, item.interval_count).after(after.date())) < before
        )
        for span in spans
        for item in span.items
    )


def _differences(sent: BillingObject, one: _Span, other: _Span, point: datetime) -> Iterator[str]:
    """Yield what differs between what was sent and what stands at an instant."""
    if one.items != other.items:
        billed, sold = _text(other.items, sent), _text(one.items, sent)
        yield "it bills " + ("other tiers" if billed == sold else f"{billed} instead of {sold}")
    if one.is_free(point) != other.is_free(point):
        yield f"it is {'in' if other.is_free(point) else 'not in'} a trial"
    if one.coupons != other.coupons:
        yield "other coupons reduce it"


def _how_it_ended(sent: BillingObject, standing: ScheduleStanding, at: datetime) -> Touched | None:
    ends_at = sent.phases[-1].ends_at
    as_planned = "released" if sent.end_behavior == "release" else "completed"
    goes_on = standing.subscription_id if standing.status == "released" else None
    if standing.status in {as_planned, "completed"} and ends_at <= at:
        if goes_on is None or not is_evergreen(sent.key):
            return None
        words = f"it was released on {_day(ends_at)}, since nothing planned it further in time"
        # What fell due since then was billed all the same, so that nothing of it is lost.
        return Touched(words=words, is_over=True, goes_on=goes_on, marks=(words,))
    text = _WORDS.get(standing.status, f"it was {standing.status}")
    words = text if ends_at <= at else f"{text}, although it was to run until {_day(ends_at)}"
    return Touched(
        words=words, is_over=True, ended_at=standing.ended_at, goes_on=goes_on, marks=(standing.status,)
    )


def _sent_spans(sent: BillingObject) -> tuple[_Span, ...]:
    """Return the phases as Stripe was given them: the last one loaded runs to the end (B7.3)."""
    given = sent.phases if sent.loaded is None else sent.phases[: sent.loaded]
    return tuple(
        _Span(
            starts_at=phase.starts_at,
            ends_at=sent.phases[-1].ends_at if phase is given[-1] else phase.ends_at,
            items=_sent_items(phase),
            charges=frozenset(map(_identity, phase.one_time_items)),
            coupons=_reducing(_ids(phase.discounts), (_ids(item.discounts) for item in phase.items)),
            free_until=phase.ends_at if phase.trial else None,
        )
        for phase in given
    )


def _sent_items(phase: Phase) -> _Items:
    return _counted(
        _Item(
            unit_amount=None if item.tiers is not None else Decimal(item.unit_amount_decimal),
            tiers="" if item.tiers is None else (item.price_key or "").removeprefix("price:"),
            interval=_interval(item.interval),
            interval_count=_count(item.interval, item.interval_count),
            quantity=1 if item.metered else item.quantity,
        )
        for item in phase.items
    )


def _ids(discounts: Iterable[DiscountTerms]) -> _Coupons:
    """Return the ids of coupons as `cpqbridge.planning.steps` chooses them: what their keys name."""
    return tuple(terms.key.partition(":")[2] for terms in discounts)


def _reducing(whole: _Coupons, items: Iterable[_Coupons]) -> tuple[_Coupons, ...]:
    return (tuple(sorted(whole)), *sorted(tuple(sorted(each)) for each in items if each))


def _identity(item: OneTimeItem) -> tuple[str, str, str]:
    return item.order_item_id, item.kind, item.period_start.isoformat()


def _standing_spans(standing: ScheduleStanding) -> tuple[_Span, ...]:
    return tuple(
        _Span(
            starts_at=phase.starts_at,
            ends_at=phase.ends_at,
            items=_standing_items(phase),
            charges=frozenset(
                (
                    metadata.get("salesforce_order_item_id", ""),
                    metadata.get("salesforce_kind", ""),
                    metadata.get("salesforce_period_start", ""),
                )
                for metadata in phase.one_time_metadata
            ),
            coupons=_reducing(phase.coupons, (item.coupons for item in phase.items)),
            free_until=phase.trial_ends_at,
        )
        for phase in standing.phases
    )


def _standing_items(phase: StandingPhase) -> _Items:
    return _counted(
        _Item(
            unit_amount=None if item.unit_amount_decimal is None else Decimal(item.unit_amount_decimal),
            tiers=(item.lookup_key or "") if item.unit_amount_decimal is None else "",
            interval=_interval(item.interval or ""),
            interval_count=_count(item.interval or "", item.interval_count or 0),
            # Stripe leaves out a quantity of 1; a metered item has none.
            quantity=1 if item.quantity is None else item.quantity,
        )
        for item in phase.items
    )


def _counted(items: Iterable[_Item]) -> _Items:
    return Counter(items)


def _interval(interval: str) -> str:
    return "month" if interval in _MONTHS else interval


def _count(interval: str, count: int) -> int:
    """Return how often in months where the interval is counted in months or years."""
    return count * _MONTHS.get(interval, 1)


def _at(spans: tuple[_Span, ...], point: datetime) -> _Span:
    """Return what is billed at an instant: nothing before, between and after the spans."""
    nothing = _Span(starts_at=point, ends_at=point, items=Counter(), charges=frozenset())
    return next((span for span in spans if span.starts_at <= point < span.ends_at), nothing)


def _beginning(spans: tuple[_Span, ...], point: datetime) -> _Identities:
    return next((span.charges for span in spans if span.starts_at == point), frozenset())


def _text(items: _Items, sent: BillingObject) -> str:
    texts = [
        f"{item.quantity} x {_price(item, sent.currency)}" for item in sorted(items.elements(), key=_order)
    ]
    return " and ".join(texts) or "nothing"


def _order(item: _Item) -> tuple[Decimal, int, int]:
    return item.unit_amount or Decimal(0), item.interval_count, item.quantity


def _price(item: _Item, currency: str) -> str:
    every = (
        interval_text(item.interval_count)
        if item.interval == "month"
        else f"{item.interval_count} {item.interval}"
    )
    if item.unit_amount is None:
        return f"{'a price by tiers' if item.tiers else 'another price'} every {every}"
    return f"{price_text(f'{item.unit_amount:f}', currency)} {currency.upper()} every {every}"


def _day(instant: datetime) -> str:
    return instant.date().isoformat()
