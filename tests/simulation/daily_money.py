"""What a contract earns per order line and day, and what must have been billed of it by the end of each day.

A third calculator, slow and obvious, that shares nothing with the planner or the simulator. It knows a
history, the precision and when the connector learned of each order. Whole minor units, ends exclusive.

*Money of a positive line* (B5.6): a head, full cycles from the contract's anchor at the per-period price, a
tail; the partial pieces share what `TotalPrice` leaves, so that the days of a line sum to `TotalPrice`. A
line without partial pieces sums to its charges: at most half a minor unit per charge beside `TotalPrice`.

*Money of a reduction* (B6.6): minus the cycles and the tail of the units it takes, newest addition first, from
its start on; the rest of its own `TotalPrice` is the credit, for its start up to the next boundary. So it sums
to its `TotalPrice` exactly.

*Billing in advance* then says what was billed by the end of a day: every piece that has begun, of every order
the connector knew by then. Nothing more and nothing less, but for what waits for the next invoice by policy,
credits that policy drops, and the cut of a cycle that a known termination shortens before it is billed.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, time, timedelta
from fractions import Fraction

from tests.acceptance.slow_calculator import (
    DAY,
    DECIMALS,
    Cut,
    SoldLine,
    anchor_of,
    cut,
    half_up,
    months_later,
    whole_months,
)

from cpqbridge.domain.order import LineKind, Order, OrderHistory, OrderKind, OrderLine
from cpqbridge.mapping.configuration import Configuration
from cpqbridge.mapping.policies import CreditsPolicy, ItemsPolicy, Policy, ProrationPolicy, RoundingPolicy

Sync = tuple[datetime, frozenset[str]]
SECOND = timedelta(seconds=1)


@dataclass(frozen=True, kw_only=True)
class Stretch:
    """Money earned evenly over the days from `start` up to, without, `end`; billed in advance at `start`."""

    kind: str
    start: date
    end: date
    amount: int


@dataclass(frozen=True, kw_only=True)
class LineMoney:
    """The money of one order line: `missed` is what its charges miss `TotalPrice` by.

    That is its `rounding`, less what is skipped or was billed by somebody else.
    `slack` is what the rules leave open in all, `slack_per_cycle` what they leave open in each cycle.
    """

    line_id: str
    order_id: str
    root_id: str
    kind: LineKind
    reduces: bool
    start: date
    end: date
    anchor: date
    months: int
    stretches: tuple[Stretch, ...]
    missed: int = 0
    rounding: int = 0
    slack: int = 0
    slack_per_cycle: int = 0

    @property
    def total(self) -> int:
        return sum(stretch.amount for stretch in self.stretches)

    def daily(self) -> Iterator[tuple[date, Fraction]]:
        """Yield each day of the line with what it earns."""
        for stretch in self.stretches:
            days = (stretch.end - stretch.start).days
            for number in range(days):
                yield stretch.start + DAY * number, Fraction(stretch.amount, days)

    def begun(self, day: date) -> int:
        """Return the money of all stretches that have begun by the end of `day`."""
        return sum(stretch.amount for stretch in self.stretches if stretch.start <= day)

    def last_boundary(self, day: date) -> date:
        """Return the last cycle boundary that is not after `day`, the anchor where there is none."""
        count = 0
        while months_later(self.anchor, (count + 1) * self.months) <= day:
            count += 1
        return months_later(self.anchor, count * self.months)

    def next_boundary(self, day: date) -> date:
        """Return the first cycle boundary after `day`."""
        count = 0
        while months_later(self.anchor, count * self.months) <= day:
            count += 1
        return months_later(self.anchor, count * self.months)


@dataclass(frozen=True, kw_only=True)
class Movement:
    """Money that moved in Stripe: an invoice line, or (negative) a part of a credit.

    `order_item_ids` are the order lines it names; several only where the items of a lineage are merged. The
    period (end exclusive) is None on a credit, which names none.
    """

    at: datetime
    amount: int
    order_item_ids: tuple[str, ...]
    kind: str
    period_start: date | None
    period_end: date | None


@dataclass(frozen=True, kw_only=True)
class ContractMoney:
    """The money of all lines by id, and the day on which each order was carried out.

    `served` tells that anything is there for at least a day.
    """

    lines: Mapping[str, LineMoney]
    entered: Mapping[str, date]
    served: bool


@dataclass(frozen=True, kw_only=True)
class _Taken:
    """Units that a line of an order takes from another line, from the day `since` on."""

    since: date
    units: int
    order_id: str
    line_id: str


@dataclass(kw_only=True)
class _Held:
    """A positive line with the units taken from it, in the order of execution."""

    line: OrderLine
    money: LineMoney
    whole: Cut
    taken: list[_Taken] = field(default_factory=list)

    @property
    def left(self) -> int:
        return int(self.line.quantity) - sum(taken.units for taken in self.taken)

    @property
    def is_annulled(self) -> bool:
        """Return whether all units were taken away on or before the first day."""
        return not self.left and all(taken.since <= self.line.starts_on for taken in self.taken)


def contract_money(
    history: OrderHistory,
    configuration: Configuration,
    syncs: Sequence[Sync],
    *,
    cutover: date | None = None,
) -> ContractMoney:
    """Return the money of every line of orders that the connector carried out at one of its runs.

    What begins before `cutover` is billed elsewhere, also a period that reaches beyond it (B1.8).
    A line that was taken back whole before anything was billed of it is told again as one that has no
    cycles: it and its reductions come to what their totals differ by.
    """
    told = _told(history, configuration, syncs, _Known(cutover=cutover))
    annulled = frozenset(
        line_id
        for line_id, found in told.held.items()
        if found.is_annulled and _is_unbilled(found, told.entered)
    )
    if annulled:
        told = _told(history, configuration, syncs, _Known(cutover=cutover, annulled=annulled))
    entered = {order_id: instant.date() for order_id, instant in told.entered.items()}
    known = {line_id: line for line_id, line in told.money.items() if line.order_id in entered}
    served = any(not found.is_annulled for found in told.held.values() if found.line.order_id in entered)
    return ContractMoney(lines=known, entered=entered, served=served)


@dataclass(frozen=True, kw_only=True)
class _Known:
    """What is known before a history is told: the first day we bill, and which lines are never billed."""

    cutover: date | None = None
    annulled: Collection[str] = ()


@dataclass(frozen=True, kw_only=True)
class _Told:
    """A history as far as it was carried out, with the instants of that."""

    held: Mapping[str, _Held]
    money: Mapping[str, LineMoney]
    entered: Mapping[str, datetime]


def _is_unbilled(found: _Held, entered: Mapping[str, datetime]) -> bool:
    """Return whether every unit was known to be taken away before any of it was billed."""
    sold_at = entered[found.line.order_id]
    begins_at = datetime.combine(found.line.starts_on, time(), UTC)
    return all(entered[taken.order_id] < max(begins_at, sold_at + SECOND) for taken in found.taken)


def _told(
    history: OrderHistory, configuration: Configuration, syncs: Sequence[Sync], before: _Known
) -> _Told:
    lines = {line.order_item_id: line for order in history.orders for line in order.lines}
    firsts = [
        line.starts_on
        for order in history.orders
        if order.kind is not OrderKind.AMENDMENT
        for line in order.lines
        if line.kind is LineKind.RECURRING
    ]
    first = min(firsts, default=history.orders[0].effective_on)
    held: dict[str, _Held] = {}
    for line in lines.values():
        if line.kind is LineKind.RECURRING and line.quantity > 0:
            _hold(
                line, lines, held, _Setting(first, history.orders[0].currency, configuration, before.annulled)
            )
    money = {line_id: found.money for line_id, found in held.items()}
    entered: dict[str, datetime] = {}
    billed_from: dict[str, date] = {}
    for instant, order_ids in syncs:
        coming = [
            order for order in history.orders if order.order_id in order_ids and order.order_id not in entered
        ]
        carried_out, money_of_reductions = _carried_out(coming, lines, held, entered.keys())
        money |= money_of_reductions
        known = entered.keys() | {order.order_id for order in carried_out}
        scheduled = {
            found.money.anchor
            for line_id, found in held.items()
            if found.line.order_id in entered and line_id not in before.annulled
        }
        billed_from |= {
            line.order_item_id: _billed_from(held[line.order_item_id].money, order, instant, before)
            for order in carried_out
            for line in order.lines
            if line.order_item_id in held
        }
        for line_id, reduced in money_of_reductions.items():
            unbilled_until = max(
                billed_from[found.line.order_item_id]
                for found in held.values()
                if any(taken.line_id == line_id for taken in found.taken)
            )
            money[line_id] = _ours(reduced, unbilled_until)
        for order in carried_out:
            entered[order.order_id] = instant
            for line in order.lines:
                found = held.get(line.order_item_id)
                if found is not None:
                    start = _schedule_start(found.money.anchor, held, billed_from)
                    ends = _service_end(found.money.anchor, held, known)
                    carried = (
                        order.kind is not OrderKind.AMENDMENT
                        and billed_from[line.order_item_id] <= start
                        and found.money.anchor not in scheduled
                        and ends >= found.money.next_boundary(instant.date())
                    )
                    ours = _ours(found.money, billed_from[line.order_item_id])
                    money[line.order_item_id] = _executed(ours, instant, carried=carried)
                elif line.kind is LineKind.ONE_TIME:
                    once = _once(line, lines, order, first)
                    money[line.order_item_id] = _ours(once, before.cutover or once.start)
    return _Told(held=held, money=money, entered=entered)


def _carried_out(
    orders: Sequence[Order],
    lines: Mapping[str, OrderLine],
    held: Mapping[str, _Held],
    known: Collection[str],
) -> tuple[list[Order], dict[str, LineMoney]]:
    """Return the orders, which became known together, in the order they are carried out; and their reductions.

    They come in effective order. One that takes units of a later one, which a line's own start can make
    (B1.5), is put off until the others are in.
    """
    done: list[Order] = []
    money: dict[str, LineMoney] = {}
    waiting = list(orders)
    while waiting:
        put_off = []
        for order in waiting:
            there = {*known, order.order_id, *(other.order_id for other in done)}
            reduced = _reductions(order, lines, held, known=there)
            if reduced is None:
                put_off.append(order)
                continue
            done.append(order)
            money |= reduced
        # The plan says that all of them were carried out, so their units must be somewhere.
        assert len(put_off) < len(waiting), [order.order_id for order in put_off]
        waiting = put_off
    return done, money


def _service_end(anchor: date, held: Mapping[str, _Held], known: Collection[str]) -> date:
    """Return the first day without service on the boundaries of `anchor`, as far as these orders say."""
    ends = [anchor]
    for found in held.values():
        if found.money.anchor == anchor and found.money.order_id in known and not found.is_annulled:
            gone = max((taken.since for taken in found.taken), default=found.money.end)
            ends.append(found.money.end if found.left else min(gone, found.money.end))
    return max(ends)


@dataclass(frozen=True)
class _Setting:
    first: date
    currency: str
    configuration: Configuration
    annulled: Collection[str]


def root_of(line: OrderLine, lines: Mapping[str, OrderLine]) -> str:
    """Return the first line of the lineage (B2.6)."""
    while line.revises is not None and line.revises in lines:
        line = lines[line.revises]
    return line.order_item_id


def sold_line(line: OrderLine) -> SoldLine:
    """Return a recurring line as the slow calculator takes it."""
    assert line.ends_on is not None
    assert line.entry_unit_price is not None
    end = line.ends_on + DAY
    months = whole_months(line.starts_on, end)
    said = line.prorate_multiplier
    # CPQ takes a typed term as it is (salesforce.md 4.5); its multiplier then says whole months.
    typed = (
        said is not None
        and months > 0
        and months_later(line.starts_on, months) == end
        and abs(Fraction(said) * Fraction(line.default_term_months) - months) < Fraction(1, 1000)
    )
    return SoldLine(
        item_id=line.order_item_id,
        product_id=line.product_id,
        start=line.starts_on,
        end=end,
        quantity=int(line.quantity),
        unit_price=Fraction(line.unit_price),
        total=Fraction(line.total_price),
        list_price=Fraction(line.entry_unit_price),
        list_months=int(line.default_term_months),
        typed_term=typed,
    )


def _hold(
    line: OrderLine, lines: Mapping[str, OrderLine], held: dict[str, _Held], setting: _Setting
) -> _Held:
    """Work out a positive line, after the one it revises, whose price it may share (B3.3)."""
    if line.order_item_id in held:
        return held[line.order_item_id]
    revised = None
    if line.revises is not None and line.revises in lines:
        revised = _hold(lines[line.revises], lines, held, setting).whole.price
    sold, policy = sold_line(line), setting.configuration.policy
    assert sold.end is not None
    assert line.frequency_months is not None
    anchor = anchor_of(sold, setting.first, line.frequency_months)
    whole = cut(
        sold,
        anchor,
        line.frequency_months,
        currency=setting.currency,
        precision=str(policy.prorate_precision),
        revised=revised,
    )
    stretches = [
        Stretch(kind=piece.kind, start=piece.start, end=piece.end, amount=piece.amount)
        for piece in whole.pieces
    ]
    if line.order_item_id in setting.annulled:
        total = minor_total(line, setting.currency)
        stretches = [Stretch(kind="whole", start=sold.start, end=sold.end, amount=total)]
    rounding = sum(stretch.amount for stretch in stretches) - minor_total(line, setting.currency)
    if rounding and policy.rounding is RoundingPolicy.TRUE_UP:
        # The last charge takes the difference, and is shared out like a tail from then on.
        stretches[-1] = replace(stretches[-1], kind="tail", amount=stretches[-1].amount - rounding)
        rounding = 0
    money = LineMoney(
        line_id=line.order_item_id,
        order_id=line.order_id,
        root_id=root_of(line, lines),
        kind=LineKind.RECURRING,
        reduces=False,
        start=sold.start,
        end=sold.end,
        anchor=anchor,
        months=line.frequency_months,
        stretches=tuple(stretches),
        missed=rounding,
        rounding=rounding,
        # Stripe rounds the sum of merged lines once, instead of each line.
        slack_per_cycle=1 if policy.items is ItemsPolicy.MERGED else 0,
    )
    held[line.order_item_id] = _Held(line=line, money=money, whole=whole)
    return held[line.order_item_id]


def minor_total(line: OrderLine, currency: str) -> int:
    """Return a line's `TotalPrice` in minor units."""
    return half_up(Fraction(line.total_price) * 10 ** DECIMALS[currency])


def _billed_from(line: LineMoney, order: Order, instant: datetime, before: _Known) -> date:
    """Return the first day of a line that is ours to bill, as its order says that becomes known at `instant`."""
    if before.cutover is not None and line.start < before.cutover:
        return before.cutover
    running = line.last_boundary(instant.date())
    if order.skip_past_initial_invoices and running > line.start and line.line_id not in before.annulled:
        return running
    return line.start


def _ours(line: LineMoney, billed_from: date) -> LineMoney:
    """Return a line without what begins before a day."""
    later = tuple(stretch for stretch in line.stretches if stretch.start >= billed_from)
    left_out = line.total - sum(stretch.amount for stretch in later)
    return replace(line, stretches=later, missed=line.missed - left_out)


def _schedule_start(anchor: date, held: Mapping[str, _Held], billed_from: Mapping[str, date]) -> date:
    """Return when a schedule for these lines starts: on the last boundary with the anchor's own day.

    Nothing of it was made before, or the answer does not matter.
    """
    on_it = [line_id for line_id in billed_from if held[line_id].money.anchor == anchor]
    first = min((billed_from[line_id] for line_id in on_it), default=anchor)
    months = next((held[line_id].money.months for line_id in on_it), 1)
    starts = [anchor]
    count = 1
    while (day := months_later(anchor, count * months)) <= first:
        starts += [day] if day.day == anchor.day else []
        count += 1
    return starts[-1]


def _executed(line: LineMoney, instant: datetime, *, carried: bool) -> LineMoney:
    """Return a line as it is when it became known then: one that runs already has no rounding left.

    Its time so far is one item, `TotalPrice` less the pieces to come (B6.8). Only lines of a first order that
    start with their schedule and renew after the instant are billed by the schedule's own first invoice
    instead, unless that one is made already, or would end within the running period (`carried`).
    """
    begun = [stretch for stretch in line.stretches if _midnight(stretch.start) <= instant]
    renews = any(stretch.kind == "cycle" and stretch.end > instant.date() for stretch in line.stretches)
    on_boundary = all(stretch.kind != "head" for stretch in begun)
    if not begun or (carried and renews and on_boundary):
        return line
    first, *others = line.stretches
    first = replace(first, amount=first.amount - line.rounding)
    return replace(line, stretches=(first, *others), missed=line.missed - line.rounding, rounding=0)


def _midnight(day: date) -> datetime:
    return datetime.combine(day, time(), UTC)


def _once(line: OrderLine, lines: Mapping[str, OrderLine], order: Order, first: date) -> LineMoney:
    amount = minor_total(line, order.currency)
    end = line.starts_on + DAY
    months = next((other.frequency_months for other in lines.values() if other.frequency_months), 1)
    return LineMoney(
        line_id=line.order_item_id,
        order_id=order.order_id,
        root_id=root_of(line, lines),
        kind=LineKind.ONE_TIME,
        reduces=line.quantity < 0,
        start=line.starts_on,
        end=end,
        anchor=first,
        months=months,
        stretches=(Stretch(kind="one_time", start=line.starts_on, end=end, amount=amount),),
    )


def _reductions(
    order: Order, lines: Mapping[str, OrderLine], held: Mapping[str, _Held], *, known: Collection[str]
) -> dict[str, LineMoney] | None:
    """Return the money of an order's reductions; None, and nothing taken, where units are missing."""
    found: dict[str, LineMoney] = {}
    takes: list[tuple[_Held, _Taken]] = []
    for line in order.lines:
        if line.kind is not LineKind.RECURRING or line.quantity > 0:
            continue
        missing, stretches = -int(line.quantity), []
        for target in _newest_first(line, lines, held, known):
            units = min(missing, target.left)
            if units:
                stretches += _taken(target, line.starts_on, units)
                taken = _Taken(
                    since=line.starts_on,
                    units=units,
                    order_id=order.order_id,
                    line_id=line.order_item_id,
                )
                target.taken.append(taken)
                takes.append((target, taken))
                missing -= units
                nearest = target
        if missing:
            for target, taken in takes:
                target.taken.remove(taken)
            return None
        found[line.order_item_id] = _reduction_money(line, order, nearest.money, stretches)
    return found


def _newest_first(
    line: OrderLine, lines: Mapping[str, OrderLine], held: Mapping[str, _Held], known: Collection[str]
) -> list[_Held]:
    root = root_of(line, lines)
    able = [
        target
        for target in held.values()
        if target.money.root_id == root
        and target.line.order_id in known
        and target.line.starts_on <= line.starts_on
        and target.line.ends_on == line.ends_on
    ]
    # `held` follows the effective order, so of two lines from one day the later one counts as newer.
    ranked = sorted(enumerate(able), key=lambda pair: (pair[1].line.starts_on, pair[0]), reverse=True)
    return [target for _, target in ranked]


def _taken(target: _Held, start: date, units: int) -> list[Stretch]:
    """Return minus what of the target's stretches the taken units would have had from `start` on.

    That is cycles and the tail, and the head where they are gone from the first day.
    """
    found = []
    quantity = int(target.line.quantity)
    for stretch in target.money.stretches:
        if stretch.start < start:
            continue
        gone = sum(taken.units for taken in target.taken if taken.since <= stretch.start)
        before, after = quantity - gone, quantity - gone - units
        unit = target.whole.price if stretch.kind == "cycle" else Fraction(stretch.amount, quantity)
        amount = half_up(unit * after) - half_up(unit * before)
        found.append(replace(stretch, amount=amount))
    return found


def _reduction_money(line: OrderLine, order: Order, target: LineMoney, taken: list[Stretch]) -> LineMoney:
    total = minor_total(line, order.currency)
    end = min(target.next_boundary(line.starts_on), target.end)
    credit = total - sum(stretch.amount for stretch in taken)
    return LineMoney(
        line_id=line.order_item_id,
        order_id=order.order_id,
        root_id=target.root_id,
        kind=LineKind.RECURRING,
        reduces=True,
        start=line.starts_on,
        end=target.end,
        anchor=target.anchor,
        months=target.months,
        stretches=(Stretch(kind="credit", start=line.starts_on, end=end, amount=credit), *taken),
    )


@dataclass(frozen=True, kw_only=True)
class Bounds:
    """What must have been billed by the end of a day: at least `low`, at most `high`."""

    low: int = 0
    high: int = 0

    def __add__(self, other: Bounds) -> Bounds:
        return Bounds(low=self.low + other.low, high=self.high + other.high)


def must_be_billed(
    money: ContractMoney, lines: Collection[LineMoney], configuration: Configuration, day: date
) -> Bounds:
    """Return the bounds of what these lines have been billed by the end of `day`.

    They are the same where nothing waits for an invoice, is dropped by policy or rounded with others.
    """
    over = max(line.end for line in money.lines.values())
    reducing = {line.order_id for line in money.lines.values() if line.reduces}
    # Charges and credits of one order go on one invoice (B6.6), so that either may wait for the other.
    netted = reducing & {line.order_id for line in money.lines.values() if not line.reduces}
    policy = configuration.policy
    if not money.served and day > max(money.entered.values()) + DAY:
        # What ends on or before its first day is credited whatever the policy (B6.11), once all of it does.
        policy = replace(policy, credits=CreditsPolicy.CREDIT_NOTE)
    total = Bounds()
    for line in lines:
        known = money.entered[line.order_id]
        if day >= known:
            netting = line.order_id in netted
            total += _line_bounds(line, policy, day, known=known, over=over, netted=netting)
    return total


def _line_bounds(
    line: LineMoney, policy: Policy, day: date, *, known: date, over: date, netted: bool
) -> Bounds:
    """Return the bounds of one line, whose order the connector has known since the day `known`."""
    entered = max(line.start, known)
    next_invoice = day < min(line.next_boundary(entered), over)
    # What is executed shortly before midnight, or waits for a draft to become final, is there a day later.
    waits = next_invoice or day <= entered + DAY
    late = _billed_apart(line, entered=entered, known=known)
    # Of tiny prices the rounding of what is taken can outweigh the credit, which then is a charge.
    if line.reduces and policy.credits is CreditsPolicy.CREDIT_NOTE and not netted and late <= 0:
        waits = day <= entered + DAY
    if line.kind is LineKind.ONE_TIME:
        dropped = line.reduces and policy.credits is CreditsPolicy.NONE
        amounts = [line.total, 0] if waits or dropped else [line.total]
        return Bounds(low=min(amounts), high=max(amounts))
    if day < entered:
        # A cycle that a known reduction cuts is billed without the part that the credit would give back.
        early = sum(
            s.amount for s in line.stretches if s.kind == "credit" and day >= line.last_boundary(line.start)
        )
        return Bounds(low=min(early, 0), high=0)
    due = line.begun(day)
    may_wait = policy.proration is ProrationPolicy.NEXT_INVOICE or netted or late < 0
    is_open = (waits or policy.credits is CreditsPolicy.NONE) if line.reduces else (waits and may_wait)
    low, high = (min(due, due - late), max(due, due - late)) if is_open else (due, due)
    begun_cycles = sum(1 for s in line.stretches if s.kind == "cycle" and s.start <= day)
    slack = line.slack + line.slack_per_cycle * begun_cycles
    return Bounds(low=low - slack, high=high + slack)


def _billed_apart(line: LineMoney, *, entered: date, known: date) -> int:
    """Return what is one item of its own: the partial piece, and what began before the order was known."""
    begun = [stretch for stretch in line.stretches if stretch.start <= entered]
    if line.reduces:
        begun = [stretch for stretch in begun if stretch.kind == "credit" or stretch.start <= known]
    return sum(stretch.amount for stretch in begun)


def wrong_days(
    money: ContractMoney, movements: Collection[Movement], configuration: Configuration
) -> list[str]:
    """Return a sentence for each day on whose end the contract was billed too much or too little."""
    days = {movement.at.date() for movement in movements}
    days |= {stretch.start for line in money.lines.values() for stretch in line.stretches}
    days |= set(money.entered.values())
    days |= {day + DAY * 2 for day in days}
    found = []
    for day in sorted(days):
        billed = sum(movement.amount for movement in movements if movement.at.date() <= day)
        bounds = must_be_billed(money, money.lines.values(), configuration, day)
        if not bounds.low <= billed <= bounds.high:
            found.append(f"by {day} {billed} is billed, not {bounds.low} to {bounds.high}")
    return found


def wrong_totals(
    money: ContractMoney, movements: Collection[Movement], configuration: Configuration
) -> list[str]:
    """Return a sentence for each lineage, and the contract, that is not billed what it was sold for."""
    roots = {line_id: line.root_id for line_id, line in money.lines.items()}
    found = [
        f"{movement} names no line of the contract"
        for movement in movements
        if movement.amount and not (movement.order_item_ids and set(movement.order_item_ids) <= roots.keys())
    ]
    if found:
        return found
    for root in sorted(set(roots.values())):
        own = [line for line in money.lines.values() if line.root_id == root]
        billed = sum(
            movement.amount
            for movement in movements
            if movement.order_item_ids and roots[movement.order_item_ids[0]] == root
        )
        bounds = must_be_billed(money, own, configuration, date.max)
        if not bounds.low <= billed <= bounds.high:
            found.append(f"lineage {root} is billed {billed}, not {bounds.low} to {bounds.high}")
    return found


def outside_terms(money: ContractMoney, movements: Collection[Movement]) -> list[str]:
    """Return a sentence for each charge or credit for days on which its line is not served."""
    found = []
    for movement in movements:
        own = [money.lines[line_id] for line_id in movement.order_item_ids if line_id in money.lines]
        served = [line for line in own if line.kind is LineKind.RECURRING]
        if not movement.amount or not served or movement.period_start is None:
            continue
        start, end = min(line.start for line in served), max(line.end for line in served)
        if movement.period_start < start or (movement.period_end or end) > end:
            found.append(f"{movement} is outside {start} to {end}")
    return found
