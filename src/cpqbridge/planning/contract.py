"""The whole contract, rebuilt from its orders: executed ones as they were, new ones as of now (B6.2).

Orders are taken in one after the other. What was sent says when an order was executed, which schedule a line
is on, at which price, and from which lines a reduction took its units; only what nothing was sent of is
decided now.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta

from cpqbridge.domain.billing import BilledOrderLine, BillingObject, BillingState, ExecutedOrder, TakenUnits
from cpqbridge.domain.dates import MONTHS_PER_YEAR, Cycle, add_months, day_after, day_of, midnight
from cpqbridge.domain.order import LineKind, Order, OrderHistory, OrderKind, OrderLine
from cpqbridge.domain.refusal import Refusal
from cpqbridge.planning.pieces import Bounds, CutRules, cut, whole, with_first_piece_as_head
from cpqbridge.planning.prices import PeriodPrice
from cpqbridge.planning.reductions import (
    Lineages,
    Reduction,
    attribute,
    newness,
    not_there_yet,
    one_time_below_zero,
    units_reduced,
)
from cpqbridge.planning.runs import Run, Take
from cpqbridge.planning.steps import owner_of_price
from cpqbridge.planning.tracks import (
    EVERGREEN_MONTHS_LEFT,
    Track,
    anchor_for,
    anchor_of,
    is_evergreen,
    track_key,
    track_prefix,
)

RunUnits = list[tuple[Run, int]]

EVERGREEN_MONTHS = 24
"""How far an evergreen schedule is planned when it is made or changed; Stripe goes on after that as well."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OneTimeLine:
    """A one-time line with its order; `executed_at` is the instant of the order."""

    line: OrderLine
    order: Order
    executed_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class SentFacts:
    """What the objects sent so far say, by schedule key and record."""

    entries: Mapping[tuple[str, str], ExecutedOrder]
    orders: Mapping[str, ExecutedOrder]
    documented: Mapping[str, ExecutedOrder]
    lines: Mapping[str, tuple[str, BilledOrderLine]]
    taken: Mapping[str, tuple[tuple[str, TakenUnits], ...]]

    @staticmethod
    def of(state: BillingState) -> SentFacts:
        """Return what is known of a contract; an order's first execution is the one that counts for it."""
        entries: dict[tuple[str, str], ExecutedOrder] = {}
        orders: dict[str, ExecutedOrder] = {}
        documented: dict[str, ExecutedOrder] = {}
        lines: dict[str, tuple[str, BilledOrderLine]] = {}
        taken: dict[str, tuple[tuple[str, TakenUnits], ...]] = {}
        for each in sorted(state.objects.values(), key=lambda each: each.key):
            for entry in each.orders:
                entries[each.key, entry.order_id] = entry
                if each.kind != "schedule":
                    documented.setdefault(entry.order_id, entry)
                known = orders.get(entry.order_id)
                if known is None or entry.executed_at < known.executed_at:
                    orders[entry.order_id] = entry
            lines |= {line.order_item_id: (each.key, line) for line in each.lines}
            for take in each.taken:
                taken[take.reducing_id] = (*taken.get(take.reducing_id, ()), (each.key, take))
        # Own invoices are a plan's last calls, so they tell of every order that was executed with theirs:
        # what has no schedule by then needed none.
        finished = {entry.executed_at for entry in documented.values()}
        documented |= {
            entry.order_id: entry
            for entry in orders.values()
            if entry.executed_at in finished and entry.order_id not in documented
        }
        for entry in state.record.orders:
            documented.setdefault(entry.order_id, entry)
            orders.setdefault(entry.order_id, entry)
        for take in state.record.taken:
            if all(known != take for _, known in taken.get(take.reducing_id, ())):
                taken[take.reducing_id] = (*taken.get(take.reducing_id, ()), ("", take))
        return SentFacts(entries=entries, orders=orders, documented=documented, lines=lines, taken=taken)


@dataclass(slots=True, kw_only=True)
class Contract:
    """Runs, reductions and one-time lines of the orders taken in so far, on their tracks.

    What Stripe does follows from instants: its days begin at 00:00 UTC. `time_zone` decides which date it is
    where an order is sold: which cycle is still running and how many have passed.
    """

    history: OrderHistory
    state: BillingState
    rules: CutRules
    as_of: datetime
    cutover: date | None = None
    split_frequencies: bool = False
    time_zone: str = "UTC"
    restores: frozenset[str] = frozenset()
    sent: SentFacts = field(init=False)
    lineages: Lineages = field(init=False)
    tracks: list[Track] = field(default_factory=list)
    runs: dict[str, Run] = field(default_factory=dict)
    reductions: list[Reduction] = field(default_factory=list)
    one_time: list[OneTimeLine] = field(default_factory=list)
    orders: list[Order] = field(default_factory=list)
    _track_of: dict[str, Track] = field(default_factory=dict)
    _lineage: dict[str, list[Run]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Begin with the schedules that were sent, without any order."""
        self.sent = SentFacts.of(self.state)
        kept = (entry.cutover for entry in self.sent.orders.values() if entry.cutover is not None)
        self.cutover = next(kept, self.cutover)
        self.lineages = Lineages.of(self.history)
        for key, each in sorted(self.state.objects.items(), key=lambda item: _creation(item[1])):
            if each.kind == "schedule":
                horizon = self._horizon(anchor_of(key), each) if is_evergreen(key) else None
                self.tracks.append(Track(key=key, anchor=anchor_of(key), sent=each, horizon=horizon))

    @property
    def today(self) -> date:
        """Return the date of the present instant in the connection's time zone."""
        return day_of(self.as_of, self.time_zone)

    def executed_at(self, order: Order, track: Track | None = None) -> datetime:
        """Return the execution instant of an order, on one track where it is named; now for a new one."""
        if track is None:
            known = self.sent.orders.get(order.order_id)
        elif track.sent is not None:
            known = self.sent.entries.get((track.key, order.order_id))
        else:
            # Own invoices are made last, so an order with one has no schedule that is still missing.
            known = self.sent.documented.get(order.order_id)
        return known.executed_at if known is not None else self.as_of

    def track_of(self, run: Run) -> Track:
        """Return the track a run is on."""
        return self._track_of[run.line.order_item_id]

    def add(self, order: Order) -> tuple[Refusal, ...]:
        """Take in one order, or return why it cannot be; then nothing of it was taken in."""
        takes, refusals = self._attributed(order)
        refusals += self._one_time_refusals(order)
        if refusals:
            return tuple(refusals)
        self.orders.append(order)
        for line in sorted(order.lines, key=lambda line: (line.starts_on, line.order_item_id)):
            if line.kind is LineKind.ONE_TIME:
                at = self.executed_at(order)
                self.one_time.append(OneTimeLine(line=line, order=order, executed_at=at))
            elif line.quantity > 0:
                self._run(line, order)
        for line, units in takes:
            self._reduce(line, order, units)
        return ()

    def annul(self, first_billed: Mapping[str, datetime]) -> None:
        """Let lines that were taken back whole before anything was billed of them cost nothing.

        Such a line is one piece, its `TotalPrice`, as if it had been known in good time; so nothing is left
        of it but what the totals of its reductions differ by. `first_billed` is when each line was on an
        invoice or credit first; of a line that began before the cutover something was billed elsewhere.
        """
        for run in self.runs.values():
            if not run.is_annulled or run.line.order_item_id in first_billed:
                continue
            known_at = max(take.executed_at for take in run.takes)
            credited = (first_billed.get(take.line.order_item_id, known_at) for take in run.takes)
            elsewhere = self.cutover is not None and run.pieces.start < self.cutover
            if elsewhere or min(credited) < known_at:
                continue
            run.pieces, run.billed_from = whole(run.pieces), None
            before = midnight(run.pieces.start) - timedelta(seconds=1)
            run.executed_at = min(run.executed_at, before)
            for take in run.takes:
                take.executed_at = min(take.executed_at, before)

    def decide_first_invoices(self) -> None:
        """Decide for schedules that are yet to be made which lines their own first invoice bills.

        They are lines of a first order that start where the schedule does and renew past now. The schedule's
        end must not cut the running period, which Stripe would prorate, and no coupon may begin in between,
        which would reduce all of it. Later plans keep what was decided.
        """
        coupon_days = [self.coupons_from(order) for order in self.orders if order.coupons]
        for track in self.tracks:
            if track.sent is not None or not track.runs:
                continue
            start, today = track.starts_on, self.as_of.date()
            if midnight(start) > self.as_of:
                continue
            for run in track.runs:
                begun = run.begins_at <= midnight(start) and run.pieces.full_from <= start
                fresh = run.executed_at == self.as_of and run.order.kind is not OrderKind.AMENDMENT
                uncut = midnight(run.pieces.cycle.after(today)) <= track.ends_at
                last = run.pieces.cycle.at_or_before(today)
                even = not any(start < day <= last for day in coupon_days)
                run.carried = begun and fresh and uncut and even and run.pieces.renews_after(today)

    def bearers(self, order: Order) -> list[Run]:
        """Return the runs whose schedules bear an order's coupons: its own, else those it reduces."""
        own = [run for run in self.runs.values() if run.order is order]
        reducing = (each for each in self.reductions if each.order is order)
        return own or [run for reduction in reducing for run, _ in reduction.takes]

    def coupons_from(self, order: Order) -> date:
        """Return the first day on which the coupons of an order reduce what its contract renews."""
        starts = (run.pieces.start for run in self.bearers(order))
        return max(min(starts, default=order.effective_on), order.effective_on)

    def decide_ends_of_usage(self) -> None:
        """Let schedules whose last line is ended now go on until the period of what was used is over.

        Stripe drops the usage of a subscription that is cancelled without an invoice (B6.3, B6.11). None goes
        on beyond the line's own end, where it would have ended without the change.
        """
        for track in self.tracks:
            if track.sent is None or track.ends_at > self.as_of or not track.is_usable(self.as_of):
                continue
            used = (run for run in track.runs if run.line.metered and run.begins_at < self.as_of)
            ends = (min(run.item_over_at, midnight(run.pieces.end)) for run in used)
            until = max(ends, default=self.as_of)
            if until > self.as_of:
                track.usage_until = until

    def decide_heads(self) -> None:
        """Decide which lines begin on a boundary of theirs on which nothing of their schedule renews (B5.6).

        Stripe makes no invoice then, so that it would give the first cycle, or the tail, away: that is billed
        as a head. What was decided stands once the line has begun.
        """
        for track in self.tracks:
            for run in track.runs:
                begins = midnight(run.pieces.start)
                known = self.sent.lines.get(run.line.order_item_id)
                if run.carried or not run.pieces.starts_on_boundary or begins <= midnight(track.starts_on):
                    continue
                if begins <= self.as_of:
                    leads = known is not None and known[1].leads
                else:
                    leads = not track.renews_before(run.pieces.start)
                if leads:
                    run.leads, run.pieces = True, with_first_piece_as_head(run.pieces)

    def _horizon(self, anchor: date, sent: BillingObject | None) -> date:
        """Return up to where an evergreen schedule is planned: as it is, while that is far enough away."""
        orders = [order for order in self.history.orders if order.activated]
        starts = [line.starts_on for order in orders for line in order.lines if line.evergreen]
        latest = max([self.as_of.date(), *starts])
        if sent is not None and sent.end_behavior == "release":
            last = sent.phases[-1].ends_at.date()
            # Counted back from the horizon, as the timer is: 29 February has no day a year earlier.
            if latest < add_months(last, -EVERGREEN_MONTHS_LEFT):
                return last
        return Cycle(anchor, MONTHS_PER_YEAR).at_or_after(add_months(latest, EVERGREEN_MONTHS))

    def _main_cycle(self, order: Order, months: int) -> Cycle:
        opening = [each for each in self.history.orders if each.kind is not OrderKind.AMENDMENT]
        if self.tracks:
            # The contract's own anchor stands, though nothing may have been scheduled on it.
            known = [self.sent.orders[each.order_id] for each in opening if each.order_id in self.sent.orders]
            earliest = min((entry.executed_at for entry in known), default=None)
            first = {entry.order_id for entry in known if entry.executed_at == earliest}
            starts = _recurring_starts(each for each in opening if each.order_id in first)
            return Cycle(min([*starts, *(track.anchor for track in self.tracks)]), months)
        starts = _recurring_starts(each for each in opening if each.activated)
        starts += [billed_from(line, order) for line in order.lines if line.kind is LineKind.RECURRING]
        return Cycle(min(starts), months)

    def _attributed(
        self, order: Order
    ) -> tuple[list[tuple[OrderLine, list[tuple[Run, int]]]], list[Refusal]]:
        """Return the units each reducing line takes now, beside those it was given before."""
        found: list[tuple[OrderLine, RunUnits]] = []
        refusals: list[Refusal] = []
        spent: dict[int, int] = {}
        for line in sorted(order.lines, key=lambda line: line.order_item_id):
            if line.kind is not LineKind.RECURRING or line.quantity >= 0:
                continue
            known = [take for _, take in self.sent.taken.get(line.order_item_id, ())]
            if any(take.reduced_id not in self.runs for take in known):
                refusals.append(not_there_yet(line, order))
                continue
            units = [(self.runs[take.reduced_id], take.units) for take in known]
            for run, taken in units:
                spent[id(run)] = spent.get(id(run), 0) + taken
            wanted = units_reduced(line) - sum(taken for _, taken in units)
            attribution = attribute(
                line,
                order,
                self._lineage.get(self.lineages.root(line), ()),
                wanted=wanted,
                lineages=self.lineages,
                spent=spent,
            )
            if attribution.refusal is not None:
                refusals.append(attribution.refusal)
                continue
            units += attribution.units
            for run, taken in attribution.units:
                spent[id(run)] = spent.get(id(run), 0) + taken
            found.append((line, units))
        return found, refusals

    def _one_time_refusals(self, order: Order) -> list[Refusal]:
        accepted = [each.line for each in self.one_time]
        found = []
        for line in sorted(order.lines, key=lambda line: -line.quantity):
            if line.kind is not LineKind.ONE_TIME:
                continue
            if line.quantity < 0 and line.revises is not None:
                refusal = one_time_below_zero(line, order, accepted, self.lineages)
                found += [refusal] if refusal is not None else []
            accepted.append(line)
        return found

    def _reduce(self, line: OrderLine, order: Order, units: RunUnits) -> None:
        reduction = Reduction(line=line, order=order)
        # What was sent is known by schedule, what is new by age; later plans must not tell them apart.
        for run, taken in sorted(units, key=lambda each: newness(each[0]), reverse=True):
            track = self.track_of(run)
            at = self.executed_at(order, track)
            take = Take(line=line, order=order, units=taken, executed_at=at)
            run.takes.append(take)
            reduction.takes.append((run, take))
        self.reductions.append(reduction)

    def _run(self, line: OrderLine, order: Order) -> None:
        known = self.sent.lines.get(line.order_item_id)
        if known is not None:
            track = next(each for each in self.tracks if each.key == known[0])
        else:
            track = self._place(line, order)
        at = self.executed_at(order, track)
        revised = self.runs.get(line.revises or "")
        kept = _kept_price(known[1], line) if known is not None else None
        pieces = cut(
            line,
            Cycle(track.anchor, line.frequency_months or 1),
            self.rules,
            Bounds(
                horizon=track.horizon,
                free_until=order.trial_ends_on,
                below=self._units_below(line, order, track) if line.tiers is not None else 0,
                kept=kept,
                revised=revised.pieces.price if revised is not None else None,
            ),
        )
        run = Run(
            order=order,
            pieces=pieces,
            executed_at=at,
            carried=known is not None and known[1].carried,
            billed_from=known[1].billed_from if known is not None else self._billed_from(line, order, track),
            price_key=known[1].price_key if known is not None else None,
        )
        track.runs.append(run)
        self.runs[line.order_item_id] = run
        self._track_of[line.order_item_id] = track
        self._lineage.setdefault(self.lineages.root(line), []).append(run)

    def _units_below(self, line: OrderLine, order: Order, track: Track) -> int:
        """Return the units of the line's lineage that its first whole period counts before its own."""
        cycle = Cycle(track.anchor, line.frequency_months or 1)
        first = max(midnight(cycle.at_or_after(line.starts_on)), self.executed_at(order, track))
        if line.ends_on is not None:
            # Of a line that was over when it became known the last period counts.
            first = min(first, midnight(cycle.at_or_before(line.ends_on)))
        lineage = self._lineage.get(self.lineages.root(line), ())
        return sum(run.units_after(first) for run in lineage if run.begins_at <= first < run.over_at)

    def _billed_from(self, line: OrderLine, order: Order, track: Track) -> date | None:
        """Return the first day that is billed at all: past cycles may be skipped, or billed elsewhere."""
        if self.cutover is not None and line.starts_on < self.cutover:
            return self.cutover
        executed_at = self.executed_at(order, track)
        if order.skip_past_initial_invoices and midnight(line.starts_on) <= executed_at:
            cycle = Cycle(track.anchor, line.frequency_months or 1)
            running = cycle.at_or_before(day_of(executed_at, self.time_zone))
            return running if running > line.starts_on else None
        return None

    def _place(self, line: OrderLine, order: Order) -> Track:
        """Return the track of a new line: the first of its kind with room that is alive, else a new one."""
        start, months = billed_from(line, order), line.frequency_months or 1
        main = self._main_cycle(order, months)
        if line.evergreen:
            anchor, horizon = main.anchor, self._horizon(main.anchor, None)
            end = horizon
        else:
            end, horizon = day_after(line.ends_on or start), None
            anchor = anchor_for(start, end, main, dict.fromkeys(track.anchor for track in self.tracks))
        prefix = track_prefix(
            self.history.root_id,
            anchor,
            evergreen=line.evergreen,
            months=months if self.split_frequencies else None,
        )
        begins_on = max(start, self.cutover or start)
        for track in self.tracks:
            reachable = track.sent is None or track.starts_on <= begins_on
            alike = track.key.startswith(prefix) and track.key.removeprefix(prefix).isdigit()
            if alike and reachable and track.is_usable(self.as_of) and track.has_place(start, end, months):
                return track
        key = track_key(prefix, (track.key for track in self.tracks))
        track = Track(key=key, anchor=anchor, horizon=horizon)
        self.tracks.append(track)
        return track


def billed_from(line: OrderLine, order: Order) -> date:
    """Return the first day of a line that is not free: its start, or the end of its order's trial (B5.3)."""
    return max(line.starts_on, order.trial_ends_on or line.starts_on)


def _recurring_starts(orders: Iterable[Order]) -> list[date]:
    return [
        billed_from(line, order)
        for order in orders
        for line in order.lines
        if line.kind is LineKind.RECURRING and line.quantity > 0
    ]


def _creation(each: BillingObject) -> tuple[datetime, str]:
    return (min((entry.executed_at for entry in each.orders), default=each.anchor_at), each.key)


def _kept_price(known: BilledOrderLine, line: OrderLine) -> PeriodPrice:
    """Return the price a line was given when it was sent first."""
    owner_id = owner_of_price(known.price_key) if known.price_key else line.order_item_id
    return PeriodPrice(
        text=known.unit_amount_decimal,
        from_entry=owner_id == line.pricebook_entry_id,
        owner_id=owner_id,
        tiers=known.tiers,
    )
