"""A group of lines becomes the phases of a subscription schedule.

Every span between two break points is a phase; a phase never prorates. The one exception is the first phase
of a schedule whose start lies before the execution instant: it holds the lines that start at the anchor and
is told to create prorations, so that Stripe bills each elapsed and the running period once at full price.
Every other line already effective is one catch-up item on that first invoice (B6.3, B6.8).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from itertools import pairwise

from cpqbridge.domain.billing import OneTimeItem, Phase, PhaseItem
from cpqbridge.domain.dates import midnight
from cpqbridge.planning.pieces import LinePieces, Piece
from cpqbridge.planning.timeline import Group

FIRST_PHASE_LASTS = timedelta(minutes=10)
CALLED_WITHIN = timedelta(minutes=30)
"""How long after a plan its last call may be answered: ten minutes until it begins, and its retries."""
KIND_WORDS = {
    "head": "first part of a period",
    "tail": "last part of a period",
    "catch_up": "from the start to the next period",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupPhases:
    """The phases of one schedule; `start` is its anchor, `skipped_minor` what was left out per order line."""

    start: date
    phases: tuple[Phase, ...]
    skipped_minor: Mapping[str, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Naming:
    """How items are named: price keys by order line, product names by product id."""

    price_keys: Mapping[str, str]
    product_names: Mapping[str, str]

    def describe(self, line: LinePieces, kind: str) -> str:
        """Return what an invoice line for a piece of this line says."""
        name = self.product_names[line.line.product_id]
        units = f"{line.line.quantity.normalize():f} x " if line.line.quantity != 1 else ""
        return f"{units}{name} ({KIND_WORDS[kind]})"


def priced_item(line: LinePieces, naming: Naming) -> PhaseItem:
    """Return the line as a recurring item at its price."""
    return PhaseItem(
        product_id=line.line.product_id,
        order_item_ids=(line.line.order_item_id,),
        price_key=naming.price_keys[line.line.order_item_id],
        unit_amount_decimal=line.price.text,
        interval_count=line.cycle.months,
        quantity=line.terms.quantity,
        parameters=line.line.item_parameters,
    )


def zero_item(line: LinePieces, *, placeholder: bool = False) -> PhaseItem:
    """Return a zero-priced item for a line whose partial period is billed one time, or a bare placeholder."""
    return PhaseItem(
        product_id=line.line.product_id,
        order_item_ids=() if placeholder else (line.line.order_item_id,),
        price_key=None,
        unit_amount_decimal="0",
        interval_count=line.cycle.months,
        quantity=1,
        parameters={} if placeholder else line.line.item_parameters,
    )


def piece_item(line: LinePieces, piece: Piece, naming: Naming) -> OneTimeItem:
    """Return a head or tail as the one-time item that bills it."""
    return OneTimeItem(
        order_item_id=line.line.order_item_id,
        product_id=line.line.product_id,
        kind=piece.kind,
        amount_minor=piece.amount_minor,
        period_start=piece.start,
        period_end=piece.end,
        description=naming.describe(line, piece.kind),
    )


def _items_on(group: Group, day: date, naming: Naming) -> tuple[PhaseItem, ...]:
    """Return the items from `day` on until the next break point."""
    items = [
        priced_item(line, naming) if line.renews_after(day) else zero_item(line)
        for line in group.lines
        if line.start <= day < line.end
    ]
    return tuple(items) or (zero_item(_nearest(group, day), placeholder=True),)


def _nearest(group: Group, day: date) -> LinePieces:
    """Return the line whose product stands for a span without lines: the next one to start, else the last."""
    return next((line for line in group.lines if line.start > day), group.lines[-1])


def _pieces_from(group: Group, day: date, naming: Naming) -> tuple[OneTimeItem, ...]:
    return tuple(
        piece_item(line, piece, naming)
        for line in group.lines
        for piece in line.pieces
        if piece.start == day and piece.kind != "cycle"
    )


def _phase(
    starts_at: datetime,
    ends_at: datetime,
    items: tuple[PhaseItem, ...],
    one_time: tuple[OneTimeItem, ...],
    *,
    order_ids: tuple[str, ...],
    proration: str = "none",
) -> Phase:
    return Phase(
        starts_at=starts_at,
        ends_at=ends_at,
        proration_behavior=proration,
        items=items,
        one_time_items=one_time,
        order_ids=order_ids,
    )


def _spans(points: Sequence[datetime]) -> list[tuple[datetime, datetime]]:
    return list(pairwise(points))


def future_phases(
    group: Group,
    riders: tuple[OneTimeItem, ...],
    naming: Naming,
    order_ids: tuple[str, ...],
    *,
    instant: datetime,
) -> GroupPhases:
    """Return the phases of a group that starts after the execution instant; `riders` join the first phase.

    A start that may have passed when the call is made, or made again, creates prorations too, so that its
    running period is billed and not given away.
    """
    begins_soon = midnight(group.cycle.anchor) <= instant + CALLED_WITHIN
    points = [midnight(day) for day in sorted(group.break_points())]
    phases = []
    for number, (lower, upper) in enumerate(_spans(points)):
        day = lower.date()
        one_time = _pieces_from(group, day, naming) + (riders if number == 0 else ())
        phases.append(
            _phase(
                lower,
                upper,
                _items_on(group, day, naming),
                one_time,
                order_ids=order_ids,
                proration="create_prorations" if begins_soon and number == 0 else "none",
            )
        )
    return GroupPhases(start=group.cycle.anchor, phases=tuple(phases), skipped_minor={})


def _renews_from(line: LinePieces, start: date, instant: datetime) -> bool:
    """Return whether the first phase itself bills the line: whole cycles from `start` past the instant."""
    begun = line.start <= start and line.full_from <= start
    return begun and line.renews_after(instant.date())


def _catch_up(
    line: LinePieces, instant: datetime, naming: Naming, *, skip_past: bool
) -> tuple[OneTimeItem, int]:
    """Return one item for what is owed up to the first boundary after the instant, and what is skipped."""
    owed = [piece for piece in line.pieces if midnight(piece.start) <= instant]
    skipped = [piece for piece in owed if skip_past and midnight(piece.end) <= instant]
    billed = [piece for piece in owed if piece not in skipped]
    later = sum(piece.amount_minor for piece in line.pieces if midnight(piece.start) > instant)
    skipped_minor = sum(piece.amount_minor for piece in skipped)
    return OneTimeItem(
        order_item_id=line.line.order_item_id,
        product_id=line.line.product_id,
        kind="catch_up",
        amount_minor=line.terms.sold_minor - later - skipped_minor,
        period_start=billed[0].start if billed else line.start,
        period_end=billed[-1].end if billed else line.start,
        description=naming.describe(line, "catch_up"),
    ), skipped_minor


def running_phases(
    group: Group,
    riders: tuple[OneTimeItem, ...],
    naming: Naming,
    order_ids: tuple[str, ...],
    *,
    instant: datetime,
    skip_past: bool,
) -> GroupPhases:
    """Return the phases of a group that starts at or before the execution instant and has not ended.

    With `skip_past` the schedule starts at the running cycle, so that cycles that have ended are not billed.
    """
    anchor = group.cycle.anchor
    start = group.cycle.at_or_before(instant.date()) if skip_past else anchor
    first = tuple(line for line in group.lines if _renews_from(line, start, instant))
    skipped: dict[str, int] = {}
    catch_ups: list[OneTimeItem] = []
    for line in group.lines:
        if midnight(line.start) > instant:
            continue
        if line in first:
            skipped[line.line.order_item_id] = sum(
                piece.amount_minor for piece in line.pieces if piece.start < start
            )
            continue
        item, left_out = _catch_up(line, instant, naming, skip_past=skip_past)
        skipped[line.line.order_item_id] = left_out
        if item.period_end > item.period_start:
            catch_ups.append(item)
    items = tuple(priced_item(line, naming) for line in first)
    later = sorted(midnight(day) for day in group.break_points() if midnight(day) > instant)
    breather = min(
        instant.replace(microsecond=0) + FIRST_PHASE_LASTS,
        later[0],
        midnight(group.cycle.after(instant.date())),
    )
    if items and items == _items_on(group, instant.date(), naming):
        breather = later[0]
    phases = [
        _phase(
            midnight(start),
            breather,
            items or (zero_item(_nearest(group, instant.date()), placeholder=True),),
            (*catch_ups, *riders),
            order_ids=order_ids,
            proration="create_prorations",
        )
    ]
    points = sorted({breather, *later})
    for lower, upper in _spans(points):
        day = lower.date()
        one_time = _pieces_from(group, day, naming) if lower == midnight(day) and lower > instant else ()
        phases.append(_phase(lower, upper, _items_on(group, day, naming), one_time, order_ids=order_ids))
    return GroupPhases(
        start=start,
        phases=tuple(phases),
        skipped_minor={key: value for key, value in skipped.items() if value},
    )
