"""Where each due goes: on a phase, on an invoice of its own, on a credit note (B6.6, B6.7, B6.8).

The dues of one order at one instant go together, and their sum decides whether they are a charge or a credit.
Nothing ever waits on a subscription: an item rides only on a phase that begins on a boundary, where Stripe
makes an invoice at once, so that no credit can be lost when a subscription ends.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta

from cpqbridge.domain.billing import OneTimeItem
from cpqbridge.domain.dates import midnight
from cpqbridge.mapping.policies import CreditsPolicy, Policy, ProrationPolicy
from cpqbridge.planning.contract import Contract
from cpqbridge.planning.discounts import Discounts
from cpqbridge.planning.dues import Due, dues_of
from cpqbridge.planning.items import Naming, piece_item
from cpqbridge.planning.limits import MAXIMUM_ONE_TIME_ITEMS
from cpqbridge.planning.tracks import Track

ABSORBED_WITHIN = timedelta(days=31)
"""How soon an invoice must come for a credit to wait for it (B6.6)."""

Identity = tuple[str, str, date]


@dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    """An invoice or credit note of its own: the dues of one order that fall due at `at` (aware UTC)."""

    order_id: str
    at: datetime
    items: tuple[OneTimeItem, ...]


@dataclass(slots=True, kw_only=True)
class Placed:
    """Where everything goes. `first` rides on schedules made now, `riders` on phases by their first day.

    `dropped` are credits that are never made, `free` is what coupons leave nothing of.
    """

    first: dict[str, list[OneTimeItem]] = field(default_factory=lambda: defaultdict(list))
    riders: dict[str, dict[date, list[OneTimeItem]]] = field(
        default_factory=lambda: defaultdict(lambda: defaultdict(list))
    )
    invoices: list[Document] = field(default_factory=list)
    credits: list[Document] = field(default_factory=list)
    dropped: list[OneTimeItem] = field(default_factory=list)
    free: list[OneTimeItem] = field(default_factory=list)


def place(
    contract: Contract,
    policy: Policy,
    naming: Naming,
    *,
    discounts: Discounts,
    done: Collection[Identity],
    drops_credits: Collection[str],
) -> Placed:
    """Return where every due goes that is not `done`; `drops_credits` are orders that get no credit."""
    placer = _Placer(contract, policy, discounts)
    for track in contract.tracks:
        placer.add_pieces(track, naming)
    bundles: dict[tuple[datetime, str], list[Due]] = defaultdict(list)
    for due in dues_of(contract, naming, discounts):
        if due.item.identity in done:
            continue
        if not due.item.amount_minor:
            placer.placed.free.append(due.item)
            continue
        if due.unbilled or (due.is_credit and due.item.order_id in drops_credits):
            placer.placed.dropped.append(due.item)
        elif due.at == contract.as_of and not contract.state.objects:
            # A contract that is synced for the first time settles everything past at once (B6.8).
            bundles[due.at, contract.orders[0].order_id].append(due)
        else:
            bundles[due.at, due.item.order_id].append(due)
    sequence = {order.order_id: number for number, order in enumerate(contract.orders)}
    for at, order_id in sorted(bundles, key=lambda key: (key[0], sequence[key[1]])):
        placer.add_bundle(order_id, at, bundles[at, order_id])
    return placer.placed


class _Placer:
    """Places one bundle after the other; what rides already counts for what the next may lean on."""

    def __init__(self, contract: Contract, policy: Policy, discounts: Discounts) -> None:
        self._discounts = discounts
        self._now = contract.as_of
        self._is_first = not contract.state.objects
        self._policy = policy
        self._charges: dict[str, dict[date, int]] = {}
        self._first: dict[str, int] = defaultdict(int)
        self.placed = Placed()

    def add_pieces(self, track: Track, naming: Naming) -> None:
        """Put tails, and cycles that the schedule's end cuts, on the phases that begin with them."""
        cuts = track.cuts
        riders = self.placed.riders[track.key]
        charges: dict[date, int] = defaultdict(int)
        renewing: dict[date, int] = defaultdict(int)
        for run in track.runs:
            if run.carried:
                begun = (piece for piece in run.pieces.pieces if midnight(piece.start) <= run.executed_at)
                self._first[track.key] += sum(
                    piece.amount_minor - self._discounts.off_piece_minor(run, piece, piece.amount_minor)
                    for piece in begun
                    if not run.skips(piece)
                )
            for piece in run.to_come():
                amount = run.amount_minor(piece)
                if piece.kind == "head" or not amount:
                    continue
                if piece.kind == "tail" or piece.start == cuts.get(run.pieces.cycle.months):
                    kind = "cut" if piece.kind == "cycle" else piece.kind
                    riders[piece.start].append(piece_item(run, piece, naming, self._discounts, kind=kind))
                else:
                    renewing[piece.start] += amount - self._discounts.off_piece_minor(run, piece, amount)
                charges[piece.start] += amount - self._discounts.off_piece_minor(run, piece, amount)
        for day, amount in renewing.items():
            charges[day] -= self._discounts.off_renewals_minor(track, day, amount)
        if track.runs:
            first = self._first[track.key]
            self._first[track.key] -= self._discounts.off_renewals_minor(track, track.starts_on, first)
        for day in riders.keys() - renewing:
            riders[day] = self._discounts.off_tails(track, day, riders[day])
        # What has begun rode on its phase already.
        for day in [day for day in riders if midnight(day) <= self._now]:
            del riders[day]
        self._charges[track.key] = charges

    def add_bundle(self, order_id: str, at: datetime, dues: Sequence[Due]) -> None:
        """Place the dues of one order at one instant."""
        items = tuple(sorted((due.item for due in dues), key=_invoice_order))
        total = sum(item.amount_minor for item in items)
        if at <= self._now and self._rides_first(dues):
            for due in dues:
                self.placed.first[_key(due)].append(due.item)
                self._first[_key(due)] += due.item.amount_minor
            return
        day = at.date()
        if at > self._now and at == midnight(day) and self._rides(dues, dict.fromkeys(_keys(dues), day)):
            return
        # What a first sync settles together would be told apart by the next one, so it does not wait.
        settles = self._is_first and at == self._now
        if not settles and self._may_wait(total, at, dues) and self._rides(dues, _next_invoices(dues, at)):
            return
        document = Document(order_id=order_id, at=at, items=items)
        (self.placed.credits if total < 0 else self.placed.invoices).append(document)

    def _may_wait(self, total: int, at: datetime, dues: Sequence[Due]) -> bool:
        """Return whether the policy lets these dues wait for the next boundary after `at`."""
        if total > 0:
            return self._policy.proration == ProrationPolicy.NEXT_INVOICE
        if self._policy.credits != CreditsPolicy.NEXT_INVOICE:
            return False
        days = _next_invoices(dues, at).values()
        return all(day is not None and midnight(day) - at <= ABSORBED_WITHIN for day in days)

    def _rides_first(self, dues: Sequence[Due]) -> bool:
        """Return whether all ride on the first invoices of schedules that are made now."""
        if any(due.track is None or not self._makes_invoice_now(due.track) for due in dues):
            return False
        sums = _sums(dues)
        if len(sums) > 1 and min(sums.values()) < 0:
            return False
        # A first invoice that would come out below zero is a credit (B6.6).
        if any(amount < 0 and self._first[key] + amount < 0 for key, amount in sums.items()):
            return False
        return all(
            len(self.placed.first[key]) + count <= MAXIMUM_ONE_TIME_ITEMS
            for key, count in _counts(dues).items()
        )

    def _makes_invoice_now(self, track: Track) -> bool:
        return track.sent is None and midnight(track.starts_on) <= self._now < track.ends_at

    def _rides(self, dues: Sequence[Due], days: Mapping[str, date | None]) -> bool:
        """Put the dues on the phases that begin on `days`, by schedule; return whether that was possible."""
        if any(due.track is None for due in dues):
            return False
        tracks = {due.track.key: due.track for due in dues if due.track is not None}
        counts = _counts(dues)
        chosen: dict[str, date] = {}
        for key, sum_minor in _sums(dues).items():
            track, day = tracks[key], days[key]
            fits = (
                day is not None
                and track.starts_on <= day
                and self._now < midnight(day) < track.ends_at
                and track.makes_invoice_on(day)
                and len(self.placed.riders[key][day]) + counts[key] <= MAXIMUM_ONE_TIME_ITEMS
            )
            if not fits or day is None or (sum_minor < 0 and not self._absorbs(key, day, sum_minor)):
                return False
            chosen[key] = day
        for due in dues:
            day = chosen[_key(due)]
            self.placed.riders[_key(due)][day].append(due.item)
            self._charges[_key(due)][day] += due.item.amount_minor
        return True

    def _absorbs(self, key: str, day: date, sum_minor: int) -> bool:
        absorbing = self._policy.credits == CreditsPolicy.NEXT_INVOICE
        return absorbing and self._charges[key].get(day, 0) + sum_minor >= 0


def _key(due: Due) -> str:
    return due.track.key if due.track is not None else ""


def _keys(dues: Iterable[Due]) -> list[str]:
    return [_key(due) for due in dues]


def _sums(dues: Iterable[Due]) -> dict[str, int]:
    sums: dict[str, int] = defaultdict(int)
    for due in dues:
        sums[_key(due)] += due.item.amount_minor
    return sums


def _counts(dues: Iterable[Due]) -> dict[str, int]:
    counts: dict[str, int] = defaultdict(int)
    for due in dues:
        counts[_key(due)] += 1
    return counts


def _next_invoices(dues: Iterable[Due], at: datetime) -> dict[str, date | None]:
    return {_key(due): due.track.invoice_after(at.date()) for due in dues if due.track is not None}


def _invoice_order(item: OneTimeItem) -> tuple[date, str, str]:
    return (item.period_start, item.order_item_id, item.kind)
