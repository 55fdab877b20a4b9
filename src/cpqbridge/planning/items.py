"""What stands on an invoice or a schedule for a run: recurring items, zero-priced ones, one-time items."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from decimal import Decimal
from fractions import Fraction

from cpqbridge.domain.billing import OneTimeItem, PhaseItem
from cpqbridge.domain.dates import day_after, midnight
from cpqbridge.domain.money import amount_step_minor, round_half_up, rounded_minor, to_minor
from cpqbridge.domain.order import Order, OrderLine
from cpqbridge.domain.pricing import DiscountTerms
from cpqbridge.planning.credited_discounts import off_credit_minor
from cpqbridge.planning.discounts import Discounts
from cpqbridge.planning.pieces import CutRules, Piece
from cpqbridge.planning.reductions import Lineages, Reduction
from cpqbridge.planning.runs import Run
from cpqbridge.planning.tracks import standing_in

Cuts = Mapping[int, date]
"""By months of a cycle, the boundary from which on nothing that renews has a price (see `Track.cuts`)."""

_MergingKey = tuple[tuple[str, ...], tuple[DiscountTerms, ...]]

KIND_WORDS = {
    "head": "first part of a period",
    "tail": "last part of a period",
    "cut": "last period",
    "catch_up": "from the start to the next period",
    "credit": "no longer used",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Naming:
    """How items are named: product names by product id."""

    product_names: Mapping[str, str]

    def describe(self, line: OrderLine, kind: str, units: int | None = None) -> str:
        """Return what an invoice line of this kind says; `units` where they are not the line's quantity."""
        name = self.product_names[line.product_id]
        quantity = abs(line.quantity).normalize() if units is None else units
        prefix = f"{Decimal(quantity):f} x " if quantity != 1 else ""
        words = KIND_WORDS.get(kind)
        return f"{prefix}{name} ({words})" if words else f"{prefix}{name}"


@dataclass(frozen=True, slots=True, kw_only=True)
class ItemRules:
    """How runs become items: whether lines of one lineage are merged (B3.6), and what coupons reduce them."""

    merged: bool
    lineages: Lineages
    discounts: Discounts


def is_priced(run: Run, instant: datetime, cuts: Cuts) -> bool:
    """Return whether the run's item has its price from `instant` on: a full cycle is running or to come.

    From the cut of its cycle on, the last boundary before an end inside a period, it has none.
    """
    if run.line.metered:
        return True
    if run.price_key is None or not run.pieces.renews_after(instant.date()):
        return False
    cut_on = cuts.get(run.pieces.cycle.months)
    return cut_on is None or instant < midnight(cut_on)


def phase_items(
    runs: Sequence[Run],
    instant: datetime,
    *,
    cuts: Cuts,
    rules: ItemRules,
    coupons_on: date | None = None,
) -> tuple[PhaseItem, ...]:
    """Return the items of the runs that are alive from `instant` on; the placeholder where there are none.

    Their coupons are those in force on `coupons_on`, else on the instant's own date.
    """
    day = coupons_on or instant.date()
    priced: dict[_MergingKey, list[tuple[Run, int]]] = {}
    items: list[PhaseItem | _MergingKey] = []
    for run in runs:
        units = 1 if run.line.metered else run.units_after(instant)
        if not (run.begins_at <= instant < run.item_over_at and units > 0):
            continue
        if not is_priced(run, instant, cuts):
            items.append(zero_item(run))
            continue
        coupons = rules.discounts.on_item(run, day)
        key = (_merging_key(run, rules), () if _counts_together(run) else coupons)
        if key not in priced:
            items.append(key)
        priced.setdefault(key, []).append((run, units))
    found = tuple(
        _priced_item(priced[each], rules.discounts, day) if isinstance(each, tuple) else each
        for each in items
    )
    return found or (zero_item(standing_in(runs, instant), placeholder=True),)


def _merging_key(run: Run, rules: ItemRules) -> tuple[str, ...]:
    """Return what lines of one item share; a price with parts of a minor unit is never shared.

    Stripe rounds an item once, so that lines with such a price would no longer sum to their own charges.
    Tiers count the units of a lineage together, so its lines are always one item (B3.5).
    """
    line, price = run.line, run.pieces.price
    if _counts_together(run):
        return (rules.lineages.root(line), line.product_id, price.words)
    if not rules.merged or Fraction(price.text).denominator != 1:
        return (line.order_item_id,)
    return (rules.lineages.root(line), line.product_id, price.text)


def _counts_together(run: Run) -> bool:
    """Return whether the lines of its lineage are one item, because tiers count them together (B3.5)."""
    return run.pieces.price.tiers is not None and not run.line.metered


def _priced_item(members: Sequence[tuple[Run, int]], discounts: Discounts, day: date) -> PhaseItem:
    """Return one item for its members; a coupon of any of them reduces all of it."""
    first = members[0][0]
    coupons: list[DiscountTerms] = []
    for run, _ in members:
        coupons += [terms for terms in discounts.on_item(run, day) if run is first or terms not in coupons]
    return PhaseItem(
        product_id=first.line.product_id,
        order_item_ids=tuple(run.line.order_item_id for run, _ in members),
        price_key=first.price_key,
        unit_amount_decimal=first.pieces.price.text,
        interval_count=first.pieces.cycle.months,
        quantity=sum(units for _, units in members),
        units=tuple(units for _, units in members),
        tiers=first.pieces.price.tiers,
        metered=first.line.metered,
        discounts=tuple(coupons),
        parameters=first.line.item_parameters,
    )


def zero_item(run: Run, *, placeholder: bool = False) -> PhaseItem:
    """Return a zero-priced item for a run whose partial period is billed one time, or a bare placeholder."""
    return PhaseItem(
        product_id=run.line.product_id,
        order_item_ids=() if placeholder else (run.line.order_item_id,),
        price_key=None,
        unit_amount_decimal="0",
        interval_count=run.pieces.cycle.months,
        quantity=1,
        units=() if placeholder else (1,),
        parameters={} if placeholder else run.line.item_parameters,
    )


def piece_item(
    run: Run, piece: Piece, naming: Naming, discounts: Discounts, *, kind: str | None = None
) -> OneTimeItem:
    """Return a piece to come as the one-time item that bills its units left, net of coupons."""
    units = run.units_billed(piece)
    whole = units == run.pieces.terms.quantity
    amount = run.amount_minor(piece)
    off = discounts.off_piece_minor(run, piece, amount)
    return OneTimeItem(
        order_item_id=run.line.order_item_id,
        order_id=run.order.order_id,
        product_id=run.line.product_id,
        kind=kind or piece.kind,
        amount_minor=amount - off,
        period_start=piece.start,
        period_end=piece.end,
        description=naming.describe(run.line, kind or piece.kind, None if whole else units),
        off_minor=off,
    )


def catch_up_item(run: Run, naming: Naming, discounts: Discounts) -> OneTimeItem | None:
    """Return what is owed up to the first boundary after the execution, net of coupons; None for nothing."""
    owed = run.caught_up
    if not owed or not run.catch_up_minor:
        return None
    rounding = run.catch_up_minor - sum(piece.amount_minor for piece in owed)
    off = sum(
        discounts.off_piece_minor(run, piece, piece.amount_minor + (0 if place else rounding))
        for place, piece in enumerate(owed)
    )
    return OneTimeItem(
        order_item_id=run.line.order_item_id,
        order_id=run.order.order_id,
        product_id=run.line.product_id,
        kind="catch_up",
        amount_minor=run.catch_up_minor - off,
        off_minor=off,
        period_start=owed[0].start,
        period_end=owed[-1].end,
        description=naming.describe(run.line, "catch_up"),
    )


def credit_items(
    reduction: Reduction, *, rules: CutRules, naming: Naming, discounts: Discounts
) -> Iterator[OneTimeItem]:
    """Yield the credit of a reduction, net of what coupons took off its time, where that was billed by us."""
    since = reduction.unbilled_before
    for item in _gross_credits(reduction, rules=rules, naming=naming):
        ours = since is None or item.period_start >= since
        off = off_credit_minor(discounts, reduction, item) if ours else 0
        yield replace(item, amount_minor=item.amount_minor - off, off_minor=off)


def _gross_credits(reduction: Reduction, *, rules: CutRules, naming: Naming) -> Iterator[OneTimeItem]:
    """Yield the credit of a reduction (`credit_minor`); nothing where it is zero.

    Its time runs from the first day without the units to the first period that is billed without them. What
    of it is for time that we did not bill is an item of its own (B1.8).
    """
    line, since = reduction.line, reduction.unbilled_before
    amount = credit_minor(reduction, rules)
    whole = _credit_item(reduction, naming=naming, amount_minor=amount)
    nothing = reduction.by_formula and not amount
    if since is None or line.starts_on >= since or nothing:
        yield from [whole] if amount else []
        return
    ours = -reduction.billed_since_minor(since)
    if amount != ours:
        yield replace(whole, amount_minor=amount - ours, period_end=max(since, day_after(line.starts_on)))
    if ours:
        yield replace(
            whole,
            amount_minor=ours,
            period_start=since,
            period_end=max(whole.period_end, day_after(since)),
        )


def credit_minor(reduction: Reduction, rules: CutRules) -> int:
    """Return the credit of a reduction in minor units: its `TotalPrice` less what it takes (B6.6).

    Where the price of a period is given, it is what was billed for time without the units, rounded half up.
    Of an evergreen line it is given only by the policy `evergreen_credits` (B3.9, B8.2), or where all it
    reduces was gone from its first day on, as what is never served is never paid (B6.11). Tiers and usage
    give back nothing of a running period.
    """
    if not reduction.by_formula:
        return reduced_minor(reduction, rules) + reduction.taken_minor
    annulled = all(run.is_annulled for run, _ in reduction.takes)
    if reduction.line.evergreen and not rules.credits_evergreen and not annulled:
        return 0
    step = amount_step_minor(rules.currency)
    return -round_half_up(reduction.unused_minor(rules.precision) / step) * step


def reduced_minor(reduction: Reduction, rules: CutRules) -> int:
    """Return the `TotalPrice` of a reduction in minor units, without the share of a trial (B5.3).

    Units that are still free count as what they would have been billed after the trial: nothing of their time
    is left to credit then, whatever cents CPQ rounded. The others have their share of `TotalPrice`.
    """
    free = sum(take.units for _, take in reduction.free_takes)
    if not free:
        return rounded_minor(reduction.line.total_price, rules.currency)
    taken = sum(take.units for _, take in reduction.takes)
    paid = to_minor(reduction.line.total_price, rules.currency) * (taken - free) / taken
    return round_half_up(paid) - reduction.free_minor


def _credit_item(reduction: Reduction, *, naming: Naming, amount_minor: int) -> OneTimeItem:
    line = reduction.line
    reached = [piece.start for run, take in reduction.takes for piece in run.to_come() if take.reaches(piece)]
    end = day_after(line.ends_on) if line.ends_on else line.starts_on
    return OneTimeItem(
        order_item_id=line.order_item_id,
        order_id=reduction.order.order_id,
        product_id=line.product_id,
        kind="credit",
        amount_minor=amount_minor,
        period_start=line.starts_on,
        period_end=max(min(reached, default=end), day_after(line.starts_on)),
        description=naming.describe(line, "credit"),
    )


def one_time_item(
    line: OrderLine, order: Order, *, currency: str, naming: Naming, discounts: Discounts
) -> OneTimeItem:
    """Return a one-time line as the item that bills its `TotalPrice` once, net of coupons.

    A negative line is a credit; one that reduces a line sold before is the credit of a reduction (B6.6).
    """
    kind = "credit" if line.quantity < 0 and line.revises is not None else "one_time"
    sold = rounded_minor(line.total_price, currency)
    off = discounts.off_one_time_minor(line, order, sold)
    return OneTimeItem(
        order_item_id=line.order_item_id,
        order_id=order.order_id,
        product_id=line.product_id,
        kind=kind,
        amount_minor=sold - off,
        off_minor=off,
        period_start=line.starts_on,
        period_end=day_after(line.ends_on) if line.ends_on else line.starts_on,
        description=naming.describe(line, kind),
    )
