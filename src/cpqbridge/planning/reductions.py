"""Which lines a reduction takes its units from: its lineage, newest addition first, same end (B6.1)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from fractions import Fraction
from itertools import takewhile

from cpqbridge.domain.dates import day_after
from cpqbridge.domain.order import LineKind, Order, OrderHistory, OrderLine
from cpqbridge.domain.refusal import OrderState, Refusal
from cpqbridge.planning.proration import term_months
from cpqbridge.planning.runs import Run, Take

SAME_END_WITHIN = timedelta(days=3)
"""Ends this far apart are the same: a month that lacks the start's day moves them (B6.10)."""


@dataclass(slots=True, kw_only=True)
class Reduction:
    """A negative recurring line and the takes by which it is carried out."""

    line: OrderLine
    order: Order
    takes: list[tuple[Run, Take]] = field(default_factory=list)

    @property
    def by_formula(self) -> bool:
        """Return whether it reduces lines whose period has a given price, so that its total is not used."""
        return any(run.pieces.by_formula for run, _ in self.takes)

    @property
    def free_takes(self) -> list[tuple[Run, Take]]:
        """Return the takes of units that are still free by a trial when it begins."""
        since = self.line.starts_on
        return [
            (run, take)
            for run, take in self.takes
            if run.pieces.free_until is not None and run.pieces.free_until > since
        ]

    @property
    def free_minor(self) -> int:
        """Return what these units are billed after the trial as if they stayed, in minor units."""
        return sum(_sold_minor(run, take) for run, take in self.free_takes)

    def unused_share_minor(self, precision: str) -> Fraction:
        """Return what the time in the running period that is no longer used is worth, unrounded (B8.2)."""
        total = Fraction(0)
        for run, take in self.takes:
            if not run.pieces.pieces:
                # An evergreen line that was taken back before anything was billed of it.
                continue
            reached = (piece.start for piece in run.to_come() if take.reaches(piece))
            end = min(reached, default=run.pieces.end)
            per_unit = run.pieces.monthly_minor / run.pieces.terms.quantity
            since = max(self.line.starts_on, run.pieces.start)
            total += per_unit * take.units * term_months(since, end, precision)
        return total

    @property
    def taken_minor(self) -> int:
        """Return what all takes take from pieces to come, in minor units."""
        return sum(run.taken_minor(take) for run, take in self.takes)

    @property
    def unbilled_before(self) -> date | None:
        """Return the day before which its lines were not billed by us, None where they were (B1.8, B5.5)."""
        return max((run.billed_from for run, _ in self.takes if run.billed_from is not None), default=None)

    def billed_since_minor(self, cutover: date) -> int:
        """Return what was billed for its units, in minor units, in periods from `cutover` on.

        They had begun when it was executed, so they were billed as if nothing followed.
        """
        return sum(_billed_minor(run, take, cutover) for run, take in self.takes)


def _sold_minor(run: Run, taking: Take) -> int:
    """Return what all pieces of a run come to with the units of one take less without them."""
    earlier = list(takewhile(lambda take: take is not taking, run.takes))
    total = 0
    for piece in run.pieces.pieces:
        before = run.pieces.terms.quantity
        before -= sum(take.units for take in earlier if take.effective_on <= piece.start)
        total += run.pieces.amount_minor(piece, before)
        total -= run.pieces.amount_minor(piece, before - taking.units)
    return total


def _billed_minor(run: Run, taking: Take, since: date) -> int:
    """Return what was billed for the units of one take from `since` on, though they were gone by then."""
    earlier = list(takewhile(lambda take: take is not taking, run.takes))
    total = 0
    for piece in run.pieces.pieces:
        gone = piece.start >= max(since, taking.effective_on)
        if not gone or run.skips(piece) or (run.is_to_come(piece) and taking.reaches(piece)):
            continue
        before = run.pieces.terms.quantity
        before -= sum(take.units for take in earlier if take.effective_on <= piece.start)
        total += run.pieces.amount_minor(piece, before)
        total -= run.pieces.amount_minor(piece, before - taking.units)
    return total


@dataclass(frozen=True, slots=True, kw_only=True)
class Lineages:
    """To which first line every line of a history goes back (B2.6)."""

    roots: Mapping[str, str]
    orders: tuple[Order, ...] = ()

    @staticmethod
    def of(history: OrderHistory) -> Lineages:
        """Return the lineages of all lines, activated or not."""
        revises = {line.order_item_id: line.revises for order in history.orders for line in order.lines}
        roots = {}
        for order_item_id in revises:
            root, seen = order_item_id, {order_item_id}
            while (parent := revises.get(root)) is not None and parent not in seen:
                root = parent
                seen.add(parent)
            roots[order_item_id] = root
        return Lineages(roots=roots, orders=history.orders)

    def root(self, line: OrderLine) -> str:
        """Return the id of the first line of the lineage."""
        return self.roots.get(line.order_item_id, line.order_item_id)

    def coming(self, line: OrderLine, order: Order) -> Order | None:
        """Return an order that is not activated yet and adds units to the line's lineage before it starts."""
        root = self.root(line)
        for other in self.orders:
            if other.activated or other.order_id == order.order_id or other.effective_on > line.starts_on:
                continue
            if any(self._adds(each, root) for each in other.lines):
                return other
        return None

    def _adds(self, line: OrderLine, root: str) -> bool:
        return line.kind is LineKind.RECURRING and line.quantity > 0 and self.root(line) == root


@dataclass(frozen=True, slots=True, kw_only=True)
class Attribution:
    """The units a reduction takes from each run, or why it cannot be carried out."""

    units: tuple[tuple[Run, int], ...] = ()
    refusal: Refusal | None = None


def units_reduced(line: OrderLine) -> int:
    """Return how many units a negative line takes away."""
    return int(-line.quantity)


def attribute(
    line: OrderLine,
    order: Order,
    lineage: Sequence[Run],
    *,
    wanted: int,
    lineages: Lineages,
    spent: Mapping[int, int],
) -> Attribution:
    """Return from which runs `wanted` units are taken.

    `lineage` are the runs of the line's lineage, oldest addition first; `spent` are units that other lines of
    the same order take already, by the run's `id()`.
    """
    # A line is served from its own start on, though a trial may make it free until later (B5.3).
    begun = [
        (run, run.units_left - spent.get(id(run), 0))
        for run in lineage
        if run.line.starts_on <= line.starts_on
    ]
    taken: list[tuple[Run, int]] = []
    missing = wanted
    # A line's own start decides which addition is the newest, then its activation (B1.5).
    for run, left in sorted(begun, key=lambda each: newness(each[0]), reverse=True):
        if missing and left > 0 and _same_end(run, line):
            if run.pieces.terms.folded:
                return Attribution(refusal=_block_price(line, order, run))
            units = min(left, missing)
            taken.append((run, units))
            missing -= units
    if missing:
        return Attribution(refusal=_Shortage(line, order, wanted, missing).refusal(begun, lineages))
    return Attribution(units=tuple(taken))


def newness(run: Run) -> tuple[date, datetime, str, str]:
    """Return by what runs of one lineage are ranked; a draft that is looked at counts as activated now."""
    line, order = run.line, run.order
    return line.starts_on, order.activated_at or run.executed_at, order.order_id, line.order_item_id


def _same_end(run: Run, line: OrderLine) -> bool:
    if run.line.evergreen or line.evergreen:
        return run.line.evergreen and line.evergreen
    return line.ends_on is not None and abs(run.pieces.end - day_after(line.ends_on)) <= SAME_END_WITHIN


def _block_price(line: OrderLine, order: Order, run: Run) -> Refusal:
    return Refusal(
        code="reduction_of_block_price",
        message=f"{line.words} reduces {run.line.words}, which is billed as one block at its total, not per "
        "unit; what a unit less costs is not in the data.",
        record_id=line.order_item_id,
        field="Quantity",
        fix="Replace the block: reduce the whole line in Stripe by hand and sell the new quantity as a line "
        "of its own.",
        order_id=order.order_id,
        state=OrderState.HELD,
    )


@dataclass(frozen=True, slots=True)
class _Shortage:
    """A reduction of `wanted` units of which `missing` are not there on lines with the same end."""

    line: OrderLine
    order: Order
    wanted: int
    missing: int

    def refusal(self, begun: Sequence[tuple[Run, int]], lineages: Lineages) -> Refusal:
        """Return why: the units are still to come, on lines with other ends, or were never sold.

        `begun` are the lines of the lineage that have started, with the units that are left of them.
        """
        line = self.line
        base = f"{line.words} takes {self.wanted} units away from {line.starts_on} on"
        coming = lineages.coming(line, self.order)
        if coming is not None:
            return self._refusal(
                "waiting_for_units",
                f"{base}, {self.missing} more than are sold so far; order {coming.order_number}, which is "
                "not activated yet, adds some before that.",
                field="Quantity",
                fix=f"Activate order {coming.order_number} first, or correct the quantity.",
                state=OrderState.WAITING,
            )
        if sum(left for _, left in begun) >= self.wanted:
            ends = ", ".join(sorted({_last_day(run.pieces.end) for run, left in begun if left}))
            return self._refusal(
                "reduction_across_ends",
                f"{base} and ends on {line.ends_on}, but the units it could take end on {ends}.",
                field="EndDate",
                fix="Reduce the lines that end on those dates, each with a line that ends on its date.",
                state=OrderState.HELD,
            )
        return self._refusal(
            "reduction_below_zero",
            f"{base}, {self.missing} more than there are.",
            field="Quantity",
            fix="Correct the quantity, or activate the order that sold the missing units.",
        )

    def _refusal(
        self, code: str, message: str, *, field: str, fix: str, state: OrderState = OrderState.REFUSED
    ) -> Refusal:
        return Refusal(
            code=code,
            message=message,
            record_id=self.line.order_item_id,
            field=field,
            fix=fix,
            order_id=self.order.order_id,
            state=state,
        )


def not_there_yet(line: OrderLine, order: Order) -> Refusal:
    """Return why a reduction waits whose units were attributed to a line that was not taken in yet."""
    return Refusal(
        code="waiting_for_units",
        message=f"{line.words} reduces a line of an order that comes after its own.",
        record_id=line.order_item_id,
        field="SBQQ__RevisedOrderProduct__c",
        fix="Restore the order that sold the units, or its activation.",
        order_id=order.order_id,
        state=OrderState.WAITING,
    )


def _last_day(end: date) -> str:
    return (end - timedelta(days=1)).isoformat()


def one_time_below_zero(
    line: OrderLine, order: Order, others: Iterable[OrderLine], lineages: Lineages
) -> Refusal | None:
    """Return a refusal when a reduction of a one-time line takes more units than were sold.

    `others` are all one-time lines accepted so far, reductions included.
    """
    root = lineages.root(line)
    left = sum(other.quantity for other in others if lineages.root(other) == root)
    if left + line.quantity >= 0:
        return None
    return Refusal(
        code="reduction_below_zero",
        message=f"{line.words} takes {-line.quantity} units away, but only {left} are there.",
        record_id=line.order_item_id,
        field="Quantity",
        fix="Correct the quantity of the order line.",
        order_id=order.order_id,
    )
