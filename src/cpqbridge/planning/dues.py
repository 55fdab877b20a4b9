"""Dues: what is charged or credited once, and at which instant it falls due (B6.5, B6.6, B6.8).

A head falls due on its first day, a catch-up when its order is executed, a credit on the first day without
the units or, late, when its order is executed. Each is one item of one order line.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from cpqbridge.domain.billing import OneTimeItem
from cpqbridge.domain.dates import midnight
from cpqbridge.domain.order import LineKind, Order
from cpqbridge.planning.contract import Contract, OneTimeLine
from cpqbridge.planning.discounts import Discounts
from cpqbridge.planning.items import Naming, catch_up_item, credit_items, one_time_item, piece_item
from cpqbridge.planning.reductions import Reduction
from cpqbridge.planning.tracks import Track


@dataclass(frozen=True, slots=True, kw_only=True)
class Due:
    """One item that falls due at `at` (aware UTC); `track` is the schedule it may ride on.

    `unbilled` tells that it makes up for time that was not billed by us. Mostly that is a credit, but
    rounded prices can outweigh it.
    """

    item: OneTimeItem
    at: datetime
    track: Track | None
    unbilled: bool = False

    @property
    def is_credit(self) -> bool:
        """Return whether it is the credit of a reduction."""
        return self.item.kind == "credit" and self.item.amount_minor < 0


def dues_of(contract: Contract, naming: Naming, discounts: Discounts) -> Iterator[Due]:
    """Yield every due of the contract, placed already or not, in no particular order."""
    currency = contract.rules.currency
    for run in contract.runs.values():
        track = contract.track_of(run)
        caught_up = catch_up_item(run, naming, discounts)
        if caught_up is not None:
            yield Due(item=caught_up, at=run.executed_at, track=track)
        for piece in run.to_come():
            if piece.kind == "head" and run.amount_minor(piece):
                yield Due(
                    item=piece_item(run, piece, naming, discounts), at=midnight(piece.start), track=track
                )
    for reduction in contract.reductions:
        before = reduction.unbilled_before
        for item in credit_items(reduction, rules=contract.rules, naming=naming, discounts=discounts):
            unbilled = before is not None and item.period_start < before
            at, reduced_on = _credited_at(contract, reduction)
            yield Due(item=item, at=at, track=reduced_on, unbilled=unbilled)
    for each in contract.one_time:
        if contract.cutover is not None and each.line.starts_on < contract.cutover:
            continue
        item = one_time_item(each.line, each.order, currency=currency, naming=naming, discounts=discounts)
        if item.amount_minor or item.off_minor:
            at, riding_on = _one_time_at(contract, each)
            yield Due(item=item, at=at, track=riding_on)


def _credited_at(contract: Contract, reduction: Reduction) -> tuple[datetime, Track]:
    """Return when a credit falls due, and on which schedule it may ride: one that goes on, if any does."""
    executed = (take.executed_at for _, take in reduction.takes)
    at = max(midnight(reduction.line.starts_on), *executed)
    tracks = [contract.track_of(run) for run, _ in reduction.takes]
    return at, next((track for track in tracks if track.ends_at > at), tracks[0])


def _one_time_at(contract: Contract, each: OneTimeLine) -> tuple[datetime, Track | None]:
    """Return when a one-time line falls due, and on which schedule it may ride.

    Those of the contract's first order ride on the first phase of its schedule (B5.4); one that starts before
    any recurring line, and an order without recurring lines, is billed when it is executed.
    """
    if each.order is contract.orders[0]:
        track = _first_track(contract, each.order)
        if track is None or midnight(each.line.starts_on) < track.earliest(each.order):
            return each.executed_at, None
        return max(midnight(track.starts_on), each.executed_at), track
    at = max(midnight(each.line.starts_on), each.executed_at)
    alive = (track for track in contract.tracks if track.runs and track.ends_at > at)
    return at, min(alive, key=_age, default=None)


def _age(track: Track) -> tuple[bool, str]:
    """Return what ranks new schedules after those that were sent, which stand in order of their making.

    New ones will stand by their keys once they are sent, so they do already now.
    """
    return (track.sent is None, track.key if track.sent is None else "")


def _first_track(contract: Contract, order: Order) -> Track | None:
    recurring = [
        line
        for line in order.lines
        if line.kind is LineKind.RECURRING and line.order_item_id in contract.runs
    ]
    if not recurring:
        return None
    first = min(recurring, key=lambda line: (line.starts_on, line.order_item_id))
    return contract.track_of(contract.runs[first.order_item_id])
