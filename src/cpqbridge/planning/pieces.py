"""A line as its pieces: head, full cycles, tail (B5.6).

Full cycles are billed by the recurring item; head and tail are billed as one-time items that take the
remainder, so that the pieces always sum to `TotalPrice`. Pieces are computed as if nothing followed.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass, replace
from datetime import date
from fractions import Fraction
from itertools import pairwise

from cpqbridge.domain.dates import Cycle, day_after
from cpqbridge.domain.money import amount_step_minor, round_half_up
from cpqbridge.domain.order import OrderLine
from cpqbridge.planning.prices import PeriodPrice, Terms, line_terms, period_price
from cpqbridge.planning.proration import line_term, term_months

TOLERATED_DAYS = 4
MONTHS_PER_DAY = Fraction(12, 365)


@dataclass(frozen=True, slots=True, kw_only=True)
class Piece:
    """A part of a line: head, cycle or tail, for `[start, end)`, in minor units."""

    kind: str
    start: date
    end: date
    amount_minor: int


@dataclass(frozen=True, slots=True, kw_only=True)
class LinePieces:
    """A recurring line cut at the boundaries of its cycle.

    `full_from` and `full_until` bound the full cycles (equal when there are none); from `full_until` on the
    line is a zero-priced item. `monthly_minor` is what a month of the whole line costs, `amount_step` of how
    many minor units one-time amounts are multiples, `out_of_bounds` the piece that strays too far from its
    formula's share. `exact` tells that a head or tail takes the remainder, so that nothing is left to
    rounding.
    """

    line: OrderLine
    terms: Terms
    price: PeriodPrice
    cycle: Cycle
    start: date
    end: date
    full_from: date
    full_until: date
    pieces: tuple[Piece, ...]
    monthly_minor: Fraction
    amount_step: int
    exact: bool
    out_of_bounds: Piece | None = None

    def amount_minor(self, piece: Piece, units: int) -> int:
        """Return what a piece comes to when only `units` of the ordered units are left in it.

        A cycle is price times units, rounded half up once; a head or tail its share, rounded half up.
        """
        if units == self.terms.quantity:
            return piece.amount_minor
        if piece.kind == "cycle":
            return self.price.charge_minor(units)
        share = Fraction(piece.amount_minor * units, self.terms.quantity * self.amount_step)
        return round_half_up(share) * self.amount_step

    @property
    def cycles(self) -> int:
        """Return the number of full cycles."""
        return sum(1 for piece in self.pieces if piece.kind == "cycle")

    def renews_after(self, day: date) -> bool:
        """Return whether a full cycle is still running or to come on `day`."""
        return self.full_from < self.full_until and day < self.full_until

    @property
    def starts_with_cycle(self) -> bool:
        """Return whether the line begins on a boundary, with a full cycle."""
        return bool(self.pieces) and self.pieces[0].kind == "cycle"


@dataclass(frozen=True, slots=True, kw_only=True)
class CutRules:
    """By what every line of a contract is cut into pieces.

    With `true_up` the last cycle of a line that rounding would leave short or over is billed as a tail that
    takes the difference; with `credits_evergreen` a reduction of an evergreen line gives the rest of the
    running period back.
    """

    currency: str
    precision: str
    true_up: bool = False
    credits_evergreen: bool = False


def cut(
    line: OrderLine,
    cycle: Cycle,
    rules: CutRules,
    *,
    horizon: date | None = None,
    kept: PeriodPrice | None = None,
    revised: PeriodPrice | None = None,
) -> LinePieces:
    """Return the pieces of a recurring line on the boundaries of `cycle`.

    `horizon` is the boundary up to which an evergreen line is planned. `kept` is the price the line was given
    before, which it keeps for life; `revised` that of the line it revises.
    """
    if line.evergreen and horizon is not None:
        return _cut_evergreen(line, cycle, rules, horizon=horizon, kept=kept, revised=revised)
    currency = rules.currency
    if line.ends_on is None:
        raise ValueError(f"line {line.order_item_id} has no end date")
    start, end = line.starts_on, day_after(line.ends_on)
    full_from = min(cycle.at_or_after(start), end)
    full_until = max(cycle.at_or_before(end), full_from)
    bounds = [*cycle.within(full_from, full_until), full_until]
    cycles = len(bounds) - 1
    term = line_term(line, rules.precision)
    terms = line_terms(line, currency)
    partial = full_from > start or end > full_until
    price = kept or period_price(
        line, terms, currency=currency, term=term, cycles=cycles, partial=partial, revised=revised
    )
    charge = price.charge_minor(terms.quantity)
    remainder = terms.sold_minor - charge * cycles
    if rules.true_up and not partial and remainder:
        bounds.pop()
        full_until = bounds[-1]
        remainder += charge
    head_days, tail_days = (full_from - start).days, (end - full_until).days
    step = amount_step_minor(currency)
    share = Fraction(remainder * tail_days, max(head_days + tail_days, 1))
    tail = round_half_up(share / step) * step if head_days else round_half_up(share)
    pieces: list[Piece] = []
    if head_days:
        pieces.append(Piece(kind="head", start=start, end=full_from, amount_minor=remainder - tail))
    for lower, upper in pairwise(bounds):
        pieces.append(Piece(kind="cycle", start=lower, end=upper, amount_minor=charge))
    if tail_days:
        pieces.append(Piece(kind="tail", start=full_until, end=end, amount_minor=tail))
    monthly = terms.unit_minor * terms.quantity / term
    return LinePieces(
        line=line,
        terms=terms,
        price=price,
        cycle=cycle,
        start=start,
        end=end,
        full_from=full_from,
        full_until=full_until,
        pieces=tuple(pieces),
        monthly_minor=monthly,
        amount_step=step,
        exact=bool(head_days or tail_days),
        out_of_bounds=next(_strays(pieces, terms, monthly, rules.precision), None),
    )


def _cut_evergreen(
    line: OrderLine,
    cycle: Cycle,
    rules: CutRules,
    *,
    horizon: date,
    kept: PeriodPrice | None,
    revised: PeriodPrice | None,
) -> LinePieces:
    """Return the pieces of an evergreen line up to its horizon (B8.1, B8.2).

    `UnitPrice` is the price of a month. A head is its time's share by the formula; what the line was sold for
    counts as the sum of its pieces.
    """
    currency, start = rules.currency, line.starts_on
    full_from = min(cycle.at_or_after(start), horizon)
    bounds = [*cycle.within(full_from, horizon), horizon]
    terms = line_terms(line, currency)
    price = kept or period_price(
        line, terms, currency=currency, term=Fraction(1), cycles=0, partial=True, revised=revised
    )
    charge = price.charge_minor(terms.quantity)
    monthly = Fraction(price.text) * terms.quantity / cycle.months
    step = amount_step_minor(currency)
    pieces = []
    if full_from > start:
        share = min(monthly * term_months(start, full_from, rules.precision), Fraction(charge))
        amount = round_half_up(share / step) * step
        pieces.append(Piece(kind="head", start=start, end=full_from, amount_minor=amount))
    for lower, upper in pairwise(bounds):
        pieces.append(Piece(kind="cycle", start=lower, end=upper, amount_minor=charge))
    return LinePieces(
        line=line,
        terms=replace(terms, sold_minor=sum(piece.amount_minor for piece in pieces)),
        price=price,
        cycle=cycle,
        start=start,
        end=horizon,
        full_from=full_from,
        full_until=horizon,
        pieces=tuple(pieces),
        monthly_minor=monthly,
        amount_step=step,
        exact=True,
    )


def whole(pieces: LinePieces) -> LinePieces:
    """Return the line as one piece of its `TotalPrice`, as it counts where nothing of it is ever served.

    An evergreen line then has no price to speak of.
    """
    if pieces.line.evergreen:
        return replace(pieces, pieces=(), terms=replace(pieces.terms, sold_minor=0))
    sold = pieces.terms.sold_minor
    only = Piece(kind="head", start=pieces.start, end=pieces.end, amount_minor=sold)
    return replace(pieces, pieces=(only,), exact=True)


def with_first_cycle_as_head(pieces: LinePieces) -> LinePieces:
    """Return the line with its first full cycle billed by itself, as a head of the same amount."""
    first, *others = pieces.pieces
    return replace(
        pieces, pieces=(replace(first, kind="head"), *others), full_from=min(first.end, pieces.full_until)
    )


def _strays(pieces: list[Piece], terms: Terms, monthly: Fraction, precision: str) -> Iterator[Piece]:
    """Yield the heads and tails that miss their formula's share by more than is tolerated."""
    cycles = sum(1 for piece in pieces if piece.kind == "cycle")
    days = monthly if precision == "month" else monthly * TOLERATED_DAYS * MONTHS_PER_DAY
    bound = abs(days) + Fraction(terms.quantity + cycles, 2)
    for piece in pieces:
        if piece.kind == "cycle":
            continue
        shares = [
            monthly * term_months(piece.start, piece.end, each) for each in (precision, "monthly_daily")
        ]
        if outside(piece.amount_minor, shares) > bound:
            yield piece


def outside(amount_minor: int, shares: Collection[Fraction]) -> Fraction:
    """Return by how much an amount lies outside the shares that formulas give it, in minor units.

    Where the precision counts a day over whole months as a month of its own, the pieces of a line count more
    months than the line does, so the daily count is asked too.
    """
    return max(min(shares) - amount_minor, amount_minor - max(shares), Fraction(0))
