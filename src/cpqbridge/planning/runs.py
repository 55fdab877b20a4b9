"""A run: a positive order line with its pieces as if nothing followed, and what is taken of it (B6.1, B6.6).

Everything a contract bills comes from its runs: pieces still to come are billed by the schedule, pieces begun
when the order was executed by its first invoice or by one catch-up item.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date, datetime
from itertools import takewhile

from cpqbridge.domain.dates import day_after, midnight
from cpqbridge.domain.order import Order, OrderLine
from cpqbridge.planning.pieces import LinePieces, Piece


@dataclass(slots=True, kw_only=True)
class Take:
    """Units that a reducing line takes from a run from `effective_on` on; executed at `executed_at`."""

    line: OrderLine
    order: Order
    units: int
    executed_at: datetime

    @property
    def effective_on(self) -> date:
        """Return the first day without the units."""
        return self.line.starts_on

    @property
    def begins_at(self) -> datetime:
        """Return from when on the units are gone: the first day, or the execution where that was later."""
        return max(midnight(self.effective_on), self.executed_at)

    def reaches(self, piece: Piece) -> bool:
        """Return whether the piece is billed without the units.

        What begins before the effective day keeps them, and so does what had begun when the order was
        executed: it was billed already, and the credit makes up for it.
        """
        return piece.start >= self.effective_on and midnight(piece.start) > self.executed_at


@dataclass(slots=True, kw_only=True)
class Run:
    """A positive recurring line while it is billed.

    `executed_at` is the instant of its order, `carried` tells that the schedule's own first invoice bills
    what had begun by then, `leads` that its first cycle is billed as a head; `billed_from` is the first day
    that is billed at all. `takes` are in order of execution.
    """

    order: Order
    pieces: LinePieces
    executed_at: datetime
    carried: bool = False
    leads: bool = False
    billed_from: date | None = None
    price_key: str | None = None
    takes: list[Take] = field(default_factory=list)

    @property
    def line(self) -> OrderLine:
        """Return the order line."""
        return self.pieces.line

    @property
    def units_left(self) -> int:
        """Return the units that no reduction has taken, at whatever date."""
        return self.pieces.terms.quantity - sum(take.units for take in self.takes)

    @property
    def begins_at(self) -> datetime:
        """Return 00:00 UTC of the first day of service that is billed by us."""
        return midnight(max(self.pieces.start, self.billed_from or self.pieces.start))

    @property
    def over_at(self) -> datetime:
        """Return from when on no unit is left: the end of the line, or the take of the last unit."""
        end = midnight(self.pieces.end)
        if self.units_left > 0:
            return end
        return min(end, max(take.begins_at for take in self.takes))

    @property
    def item_over_at(self) -> datetime:
        """Return up to when the line has an item on its schedule, where that does not end before.

        Stripe bills usage when its period ends and drops that of an item which is taken away before, so a
        metered item stays until the period is over.
        """
        over = self.over_at
        if not self.line.metered or over <= self.begins_at:
            return over
        day = over.date() if over == midnight(over.date()) else day_after(over.date())
        return midnight(self.pieces.cycle.at_or_after(day))

    @property
    def is_annulled(self) -> bool:
        """Return whether every unit was taken away on or before the first day."""
        return self.units_left <= 0 and all(take.effective_on <= self.pieces.start for take in self.takes)

    def skips(self, piece: Piece) -> bool:
        """Return whether the piece is not billed by us: skipped, or billed elsewhere."""
        return self.billed_from is not None and piece.start < self.billed_from

    def is_to_come(self, piece: Piece) -> bool:
        """Return whether the piece had not begun when the order was executed, and is billed by us."""
        return midnight(piece.start) > self.executed_at and not self.skips(piece)

    def units_after(self, instant: datetime) -> int:
        """Return the units of the subscription item from `instant` on, until something changes."""
        return self.pieces.terms.quantity - sum(
            take.units for take in self.takes if take.begins_at <= instant
        )

    def units_billed(self, piece: Piece) -> int:
        """Return with how many units a piece to come is billed."""
        return self.pieces.terms.quantity - sum(take.units for take in self.takes if take.reaches(piece))

    def amount_minor(self, piece: Piece) -> int:
        """Return what a piece to come is billed at, in minor units."""
        return self.pieces.amount_minor(piece, self.units_billed(piece))

    def billed_at(self, piece: Piece) -> datetime:
        """Return when a piece is billed: on its first day, or when its order was executed after that."""
        return max(midnight(piece.start), self.executed_at)

    def to_come(self) -> Iterator[Piece]:
        """Yield the pieces that had not begun when the order was executed, in order."""
        return (piece for piece in self.pieces.pieces if self.is_to_come(piece))

    @property
    def skipped_minor(self) -> int:
        """Return what of the line is not billed by us, in minor units."""
        return sum(piece.amount_minor for piece in self.pieces.pieces if self.skips(piece))

    @property
    def caught_up(self) -> tuple[Piece, ...]:
        """Return the pieces that one catch-up item bills: begun when executed, and not carried."""
        if self.carried:
            return ()
        return tuple(
            piece
            for piece in self.pieces.pieces
            if midnight(piece.start) <= self.executed_at and not self.skips(piece)
        )

    @property
    def catch_up_minor(self) -> int:
        """Return the amount of the catch-up item: `TotalPrice` less what is to come or not ours to bill."""
        later = sum(piece.amount_minor for piece in self.to_come())
        return self.pieces.terms.sold_minor - later - self.skipped_minor

    def taken_minor(self, taking: Take) -> int:
        """Return what one take takes from the pieces to come, at the prices of this line, in minor units.

        Each piece counts its amount before less its amount after, in the order of execution.
        """
        total = 0
        for piece in self.to_come():
            if not taking.reaches(piece):
                continue
            earlier = takewhile(lambda take: take is not taking, self.takes)
            gone = sum(take.units for take in earlier if take.reaches(piece))
            before = self.pieces.terms.quantity - gone
            after = before - taking.units
            total += self.pieces.amount_minor(piece, before) - self.pieces.amount_minor(piece, after)
        return total
