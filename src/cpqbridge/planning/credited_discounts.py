"""What coupons took off the time that a reduction gives back: credits are net of it (B11.3).

Each period counts as it was billed. What a fixed amount reduces keeps it, as far as what is left is enough.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from fractions import Fraction
from itertools import takewhile

from cpqbridge.domain.billing import OneTimeItem
from cpqbridge.domain.money import round_half_up
from cpqbridge.planning.discounts import Discounts, share_of_period
from cpqbridge.planning.pieces import Piece
from cpqbridge.planning.reductions import Reduction
from cpqbridge.planning.runs import Run, Take

Billed = tuple[Run, Piece]


def off_credit_minor(discounts: Discounts, reduction: Reduction, credit: OneTimeItem) -> int:
    """Return what coupons took off the time that a credit is for, in minor units (negative).

    That is what they took off each period it lies in: off whole ones for the units that are gone, off that in
    which it begins for the rest, which lines share by what their units were worth.
    """
    if not discounts.redemptions:
        return 0
    off, rest = Fraction(0), Fraction(-credit.amount_minor)
    begun: list[tuple[Fraction, Fraction]] = []
    taken: list[tuple[Fraction, Fraction]] = []
    for run, take in reduction.takes:
        for piece in run.pieces.pieces:
            if piece.end <= credit.period_start:
                continue
            value = Fraction(piece.amount_minor * take.units, run.pieces.terms.quantity)
            if not take.reaches(piece) and credit.period_start <= piece.start:
                rest -= value
                off += value * _part_off(discounts, (run, piece), take)
            if piece.start <= credit.period_start:
                unused = value * (piece.end - credit.period_start).days / (piece.end - piece.start).days
                share = (unused, _part_off(discounts, (run, piece), take))
                (taken if take.reaches(piece) else begun).append(share)
    # Where all is gone in whole periods, only what rounding leaves is credited or charged.
    shares = begun or taken
    worth = sum(unused for unused, _ in shares)
    if worth:
        off += rest * sum(unused * part for unused, part in shares) / worth
    return -round_half_up(off)


def _part_off(discounts: Discounts, billed: Billed, take: Take) -> Fraction:
    """Return which part of what a take takes from a piece coupons had taken off."""
    every = (each for reduction in discounts.contract.reductions for _, each in reduction.takes)
    before = {id(each) for each in takewhile(lambda each: each is not take, every)}
    after = before | {id(take)}
    gross = _gross_minor(billed, before) - _gross_minor(billed, after)
    if not gross:
        return Fraction(0)
    together = _beside(discounts, billed)
    net = Fraction(_net_minor(discounts, [billed], before) - _net_minor(discounts, [billed], after))
    whole, left = (_net_minor(discounts, together, gone) for gone in (before, after))
    if whole != left:
        # A fixed amount stays with what is left, as far as that is enough for it.
        off = _off_together(discounts, together, whole) - _off_together(discounts, together, left)
        net -= net * off / (whole - left)
    return 1 - net / gross


def _gross_minor(billed: Billed, gone: Collection[int]) -> int:
    """Return what a piece comes to without the units of some takes (by `id()`), before coupons."""
    run, piece = billed
    units = sum(each.units for each in run.takes if id(each) in gone and each.effective_on < piece.end)
    return run.pieces.amount_minor(piece, run.pieces.terms.quantity - units)


def _net_minor(discounts: Discounts, together: Sequence[Billed], gone: Collection[int]) -> int:
    """Return what pieces come to without the units of some takes, less all but the orders' fixed amounts."""
    total = 0
    for run, piece in together:
        amount = _gross_minor((run, piece), gone)
        total += amount - discounts.off_piece_minor(run, piece, amount)
    return total


def _off_together(discounts: Discounts, together: Sequence[Billed], amount_minor: int) -> int:
    run, piece = together[0]
    share = max(share_of_period(*each) for each in together)
    track = discounts.contract.track_of(run)
    return discounts.off_renewals_minor(track, piece.start, amount_minor, share)


def _beside(discounts: Discounts, billed: Billed) -> list[Billed]:
    """Return all that an order's fixed amount reduces with a piece, the piece included; else nothing.

    That is what one invoice of the schedule renews. The one that is made with the schedule bills every period
    begun by then. Last parts of periods count where nothing renews beside them.
    """
    run, piece = billed
    if _is_billed_apart(run, piece):
        return []
    together = [
        (other, each)
        for other in discounts.contract.track_of(run).runs
        for each in other.pieces.pieces
        if not (_is_billed_apart(other, each) or other.skips(each))
        and other.billed_at(each) == run.billed_at(piece)
    ]
    renewing = [(other, each) for other, each in together if each.kind == "cycle"]
    if renewing and piece.kind != "cycle":
        return []
    return renewing or together


def _is_billed_apart(run: Run, piece: Piece) -> bool:
    return piece.kind == "head" or piece in run.caught_up
