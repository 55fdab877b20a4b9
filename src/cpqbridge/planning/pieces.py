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
from cpqbridge.domain.order import OrderLine, TierTable
from cpqbridge.planning.prices import (
    PeriodPrice,
    Terms,
    custom_price,
    in_steps,
    line_terms,
    period_price,
    tier_price,
    usage_price,
)
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
    formula's share. `below` are units of the line's lineage that its tiers count before its own. `exact`
    tells that a head or tail takes the remainder, so that nothing is left to rounding.
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
    currency: str
    amount_step: int
    exact: bool
    below: int = 0
    out_of_bounds: Piece | None = None

    def amount_minor(self, piece: Piece, units: int) -> int:
        """Return what a piece comes to when only `units` of the ordered units are left in it.

        A cycle is price times units, rounded half up once; a head or tail its share, rounded half up.
        """
        if units == self.terms.quantity:
            return piece.amount_minor
        if self.price.tiers is not None:
            return self.price.charge_minor(self.below + units) - self.price.charge_minor(self.below)
        if piece.kind == "cycle":
            return self.price.charge_minor(units)
        share = Fraction(piece.amount_minor * units, self.terms.quantity * self.amount_step)
        return round_half_up(share) * self.amount_step

    @property
    def cycles(self) -> int:
        """Return the number of full cycles."""
        return sum(1 for piece in self.pieces if piece.kind == "cycle")

    def renews_after(self, day: date) -> bool:
        """Return whether a full cycle is still running or to come on `day`; usage counts to the end."""
        if self.line.metered:
            return day < self.end
        return self.full_from < self.full_until and day < self.full_until

    @property
    def free_until(self) -> date | None:
        """Return the first day after a trial, None without one."""
        return self.start if self.start > self.line.starts_on else None

    @property
    def free_minor(self) -> int:
        """Return what `TotalPrice` was lowered by for a trial, in minor units; 0 without one."""
        if self.free_until is None or self.by_formula:
            return 0
        return line_terms(self.line, self.currency).sold_minor - self.terms.sold_minor

    @property
    def by_formula(self) -> bool:
        """Return whether the price of a period is given, so that `TotalPrice` is not used (B3.9, B8.1)."""
        line = self.line
        return line.evergreen or line.metered or line.tiers is not None or line.custom_price is not None

    @property
    def starts_on_boundary(self) -> bool:
        """Return whether the line begins on a boundary, with a full cycle or its tail."""
        first = next(iter(self.pieces), None)
        return first is not None and first.kind != "head" and first.start == self.start


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


@dataclass(frozen=True, slots=True, kw_only=True)
class Bounds:
    """What of a line is billed, and up to where.

    `horizon` is the boundary up to which an evergreen line is planned, `free_until` the first day after a
    trial. `below` are the units of the line's lineage before its own, for tiers. `kept` is the price the line
    was given before, which it keeps for life; `revised` that of the line it revises.
    """

    horizon: date | None = None
    free_until: date | None = None
    below: int = 0
    kept: PeriodPrice | None = None
    revised: PeriodPrice | None = None


_NO_BOUNDS = Bounds()


def cut(line: OrderLine, cycle: Cycle, rules: CutRules, bounds: Bounds = _NO_BOUNDS) -> LinePieces:
    """Return the pieces of a recurring line on the boundaries of `cycle`.

    Raises:
        ValueError: the line has no end, and it is not evergreen with a horizon.
    """
    last = bounds.horizon if line.evergreen else line.ends_on and day_after(line.ends_on)
    if last is None:
        raise ValueError(f"line {line.order_item_id} has no end date")
    start = min(max(line.starts_on, bounds.free_until or line.starts_on), last)
    span = _Span(
        line=line,
        cycle=cycle,
        rules=rules,
        start=start,
        end=last,
        full_from=min(cycle.at_or_after(start), last),
        full_until=max(cycle.at_or_before(last), min(cycle.at_or_after(start), last)),
    )
    if line.metered:
        return span.by_usage(bounds)
    if line.tiers is not None:
        return span.by_tiers(line.tiers, bounds)
    if line.evergreen or line.custom_price is not None:
        return span.by_formula(bounds)
    return span.by_total(bounds)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Span:
    """What of a line is billed: `[start, end)`, with full cycles from `full_from` to `full_until`."""

    line: OrderLine
    cycle: Cycle
    rules: CutRules
    start: date
    end: date
    full_from: date
    full_until: date

    @property
    def _full_cycles(self) -> list[date]:
        return [*self.cycle.within(self.full_from, self.full_until), self.full_until]

    def by_total(self, bounds: Bounds) -> LinePieces:
        """Return the pieces that sum to `TotalPrice`: a head or tail takes the remainder (B5.6)."""
        line, rules = self.line, self.rules
        full_until, edges = self.full_until, self._full_cycles
        cycles = len(edges) - 1
        term = line_term(line, rules.precision)
        terms = self._without_free_time(line_terms(line, rules.currency), term)
        partial = self.full_from > self.start or self.end > full_until
        price = bounds.kept or period_price(
            line,
            terms,
            currency=rules.currency,
            term=term,
            cycles=cycles,
            partial=partial,
            revised=bounds.revised,
        )
        step = amount_step_minor(rules.currency)
        if bounds.kept is None:
            price = in_steps(price, line, step)
        charge = price.charge_minor(terms.quantity)
        remainder = terms.sold_minor - charge * cycles
        # A price in multiples may be off by more than rounding, so the last cycle makes up.
        if (rules.true_up or step > 1) and not partial and remainder and cycles:
            edges.pop()
            full_until = edges[-1]
            remainder += charge
        head_days, tail_days = (self.full_from - self.start).days, (self.end - full_until).days
        share = Fraction(remainder * tail_days, max(head_days + tail_days, 1))
        tail = round_half_up(share / step) * step if head_days else round_half_up(share)
        pieces = self._pieces(edges, charge, head=remainder - tail, tail=tail)
        monthly = terms.unit_minor * terms.quantity / term
        return LinePieces(
            line=line,
            terms=terms,
            price=price,
            cycle=self.cycle,
            start=self.start,
            end=self.end,
            full_from=self.full_from,
            full_until=full_until,
            pieces=pieces,
            monthly_minor=monthly,
            currency=self.rules.currency,
            amount_step=step,
            exact=bool(head_days or tail_days),
            out_of_bounds=next(_strays(pieces, terms, monthly, rules.precision), None),
        )

    def by_formula(self, bounds: Bounds) -> LinePieces:
        """Return the pieces at the price of a period: a head or tail is its time's share (B3.9, B8.2).

        What the line was sold for counts as the sum of its pieces.
        """
        line, currency, precision = self.line, self.rules.currency, self.rules.precision
        terms = line_terms(line, currency)
        price = bounds.kept or custom_price(line, terms)
        if price is None:
            price = period_price(
                line,
                terms,
                currency=currency,
                term=Fraction(1),
                cycles=0,
                partial=True,
                revised=bounds.revised,
            )
        charge = price.charge_minor(terms.quantity)
        monthly = Fraction(price.text) * terms.quantity / self.cycle.months
        step = amount_step_minor(currency)

        def share(start: date, end: date) -> int:
            months = min(term_months(start, end, precision), Fraction(self.cycle.months))
            return round_half_up(monthly * months / step) * step

        pieces = self._pieces(
            self._full_cycles,
            charge,
            head=share(self.start, self.full_from),
            tail=share(self.full_until, self.end),
        )
        return self._summed(terms, price, pieces, monthly_minor=monthly)

    def by_tiers(self, tiers: TierTable, bounds: Bounds) -> LinePieces:
        """Return the full cycles at what the line's units add to the tiers of its lineage (B3.5, B6.5)."""
        terms = line_terms(self.line, self.rules.currency)
        price = bounds.kept or tier_price(self.line, tiers, self.rules.currency)
        charge = price.charge_minor(bounds.below + terms.quantity) - price.charge_minor(bounds.below)
        pieces = self._pieces(self._full_cycles, charge, head=0, tail=0)
        cycles = tuple(piece for piece in pieces if piece.kind == "cycle")
        return self._summed(terms, price, cycles, below=bounds.below)

    def by_usage(self, bounds: Bounds) -> LinePieces:
        """Return a metered line, which has no pieces: what is used is billed after each period (B2.2)."""
        line, currency = self.line, self.rules.currency
        if bounds.kept is not None:
            price = bounds.kept
        elif line.tiers is not None:
            price = tier_price(line, line.tiers, currency)
        else:
            term = Fraction(1) if line.evergreen else line_term(line, self.rules.precision)
            price = usage_price(line, currency, term)
        terms = Terms(quantity=1, unit_minor=Fraction(0), total_minor=Fraction(0), folded=False)
        return self._summed(terms, price, ())

    def _summed(
        self,
        terms: Terms,
        price: PeriodPrice,
        pieces: tuple[Piece, ...],
        *,
        monthly_minor: Fraction = Fraction(0),
        below: int = 0,
    ) -> LinePieces:
        """Return pieces whose sum counts as what the line was sold for."""
        return LinePieces(
            line=self.line,
            terms=replace(terms, total_minor=Fraction(sum(piece.amount_minor for piece in pieces))),
            price=price,
            cycle=self.cycle,
            start=self.start,
            end=self.end,
            full_from=self.full_from,
            full_until=self.full_until,
            pieces=pieces,
            monthly_minor=monthly_minor,
            currency=self.rules.currency,
            amount_step=amount_step_minor(self.rules.currency),
            exact=True,
            below=below,
        )

    def _pieces(self, edges: list[date], charge: int, *, head: int, tail: int) -> tuple[Piece, ...]:
        pieces: list[Piece] = []
        if self.full_from > self.start:
            pieces.append(Piece(kind="head", start=self.start, end=self.full_from, amount_minor=head))
        for lower, upper in pairwise(edges):
            pieces.append(Piece(kind="cycle", start=lower, end=upper, amount_minor=charge))
        if self.end > edges[-1]:
            pieces.append(Piece(kind="tail", start=edges[-1], end=self.end, amount_minor=tail))
        return tuple(pieces)

    def _without_free_time(self, terms: Terms, term: Fraction) -> Terms:
        """Return the terms without the share of a trial, by the formula (B5.3)."""
        if self.start == self.line.starts_on:
            return terms
        free = term_months(self.line.starts_on, self.start, self.rules.precision) / term
        left = max(1 - free, Fraction(0)) if self.start < self.end else Fraction(0)
        return replace(terms, total_minor=terms.total_minor * left)


def whole(pieces: LinePieces) -> LinePieces:
    """Return the line as one piece of its `TotalPrice`, as it counts where nothing of it is ever served.

    An evergreen line then has no price to speak of.
    """
    if pieces.line.evergreen:
        return replace(pieces, pieces=(), terms=replace(pieces.terms, total_minor=Fraction(0)))
    sold = pieces.terms.sold_minor
    only = Piece(kind="head", start=pieces.start, end=pieces.end, amount_minor=sold)
    return replace(pieces, pieces=(only,), exact=True)


def with_first_piece_as_head(pieces: LinePieces) -> LinePieces:
    """Return the line with its first full cycle, or its tail, billed by itself: a head of the same amount."""
    first, *others = pieces.pieces
    return replace(
        pieces, pieces=(replace(first, kind="head"), *others), full_from=min(first.end, pieces.full_until)
    )


def _strays(pieces: Collection[Piece], terms: Terms, monthly: Fraction, precision: str) -> Iterator[Piece]:
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
