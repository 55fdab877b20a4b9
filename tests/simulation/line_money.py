"""The money of one order line, and how it changes with what is known of it, and when.

*Money of a positive line* (B5.6): a head, full cycles from the contract's anchor at the per-period price, a
tail; the partial pieces share what `TotalPrice` leaves, so that the days of a line sum to `TotalPrice`. A
line without partial pieces sums to its charges: at most half a minor unit per charge beside `TotalPrice`.

*Money of a reduction* (B6.6): minus the stretches of the units it takes from its start on; the rest of its own
`TotalPrice` is the credit, for its start up to the next boundary. So it sums to its `TotalPrice` exactly.

Whole minor units, ends exclusive.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from fractions import Fraction
from itertools import pairwise

from tests.acceptance.slow_calculator import (
    DAY,
    DECIMALS,
    Cut,
    Piece,
    SoldLine,
    anchor_of,
    cut,
    half_up,
    months_later,
    period_price,
    rounded,
    term,
    whole_months,
)

from cpqbridge.domain.order import LineKind, OrderLine
from cpqbridge.mapping.configuration import Configuration
from cpqbridge.mapping.policies import FrequenciesPolicy, ItemsPolicy, RoundingPolicy

Series = tuple[date, int | None, bool]
"""Lines with the same anchor that end, or do not; by the policy `frequencies: split` with the same months."""

SEEN_BEYOND = timedelta(days=60)
"""How long after the day up to which they are looked at lines without end are worked out."""


@dataclass(frozen=True, kw_only=True)
class Stretch:
    """Money earned evenly over the days from `start` up to, without, `end`; billed in advance at `start`.

    `shares` says from which lines a reduction has it, in which proportion.
    """

    kind: str
    start: date
    end: date
    amount: int
    shares: tuple[tuple[str, Fraction], ...] = ()


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
    series: Series
    months: int
    stretches: tuple[Stretch, ...]
    missed: int = 0
    rounding: int = 0
    slack: int = 0
    slack_per_cycle: int = 0

    @property
    def anchor(self) -> date:
        return self.series[0]

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

    def next_boundary(self, day: date, months: int | None = None) -> date:
        """Return the first boundary after `day` of the line's cycle, or of one of `months`."""
        count, months = 0, months or self.months
        while months_later(self.anchor, count * months) <= day:
            count += 1
        return months_later(self.anchor, count * months)


@dataclass(frozen=True, kw_only=True)
class Taken:
    """Units that a line of an order takes from another line, from the day `since` on.

    `stretches` are minus what these units would have had.
    """

    since: date
    units: int
    order_id: str
    line_id: str
    stretches: tuple[Stretch, ...]


@dataclass(kw_only=True)
class Held:
    """A positive line with the units taken from it, in the order of execution."""

    line: OrderLine
    money: LineMoney
    whole: Cut
    taken: list[Taken] = field(default_factory=list)

    @property
    def left(self) -> int:
        return int(self.line.quantity) - sum(taken.units for taken in self.taken)

    @property
    def by_formula(self) -> bool:
        """Return whether the price of a period is given, so that `TotalPrice` does not count (B3.9, B8.1)."""
        line = self.line
        return line.evergreen or line.custom_price is not None or line.tiers is not None

    @property
    def periods(self) -> tuple[Stretch, ...]:
        """Return the whole periods of the line, none of one that is never billed."""
        return tuple(stretch for stretch in self.money.stretches if stretch.kind == "cycle")

    @property
    def is_annulled(self) -> bool:
        """Return whether all units were taken away on or before the first day."""
        return not self.left and all(taken.since <= self.money.start for taken in self.taken)


@dataclass(frozen=True, kw_only=True)
class Terms:
    """What holds for all lines of a contract: first day, currency, policies, and which lines are never billed.

    `until` is the day up to which lines without end are looked at, `trials` are the first days of orders that
    are billed.
    """

    first: date
    currency: str
    configuration: Configuration
    annulled: Collection[str]
    until: date | None
    trials: Mapping[str, date]

    @property
    def precision(self) -> str:
        return str(self.configuration.policy.prorate_precision)


def root_of(line: OrderLine, lines: Mapping[str, OrderLine]) -> str:
    """Return the first line of the lineage (B2.6)."""
    while line.revises is not None and line.revises in lines:
        line = lines[line.revises]
    return line.order_item_id


def sold_line(line: OrderLine, until: date | None = None) -> SoldLine:
    """Return a recurring line as the slow calculator takes it; one without end goes on to `until`."""
    assert line.entry_unit_price is not None
    end = until if line.ends_on is None else line.ends_on + DAY
    assert end is not None
    months = whole_months(line.starts_on, end)
    said = line.prorate_multiplier
    # CPQ takes a typed term as it is (salesforce.md 4.5); its multiplier then says whole months.
    typed = (
        said is not None
        and months > 0
        and not line.evergreen
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


def minor_total(line: OrderLine, currency: str) -> int:
    """Return a line's `TotalPrice` in minor units."""
    return half_up(Fraction(line.total_price) * 10 ** DECIMALS[currency])


def held_line(line: OrderLine, root_id: str, terms: Terms, *, revised: Fraction | None) -> Held:
    """Return a positive line as if nothing followed; `revised` is the price of the line it revises (B3.3)."""
    policy, months = terms.configuration.policy, line.frequency_months
    assert months is not None
    until = _seen_until(line, terms) if line.evergreen else None
    sold = without_trial(sold_line(line, until), line.order_id, terms)
    assert sold.end is not None
    anchor = terms.first if line.evergreen else anchor_of(sold, terms.first, months)
    given = line.evergreen or line.custom_price is not None or line.tiers is not None
    rules = {"currency": terms.currency, "precision": terms.precision, "revised": revised}
    if given:
        custom = Fraction(0) if line.tiers is not None else line.custom_price
        whole = formula_cut(sold, anchor, months, custom=custom, **rules)
    else:
        whole = cut(sold, anchor, months, **rules)
    stretches = [
        Stretch(kind=piece.kind, start=piece.start, end=piece.end, amount=piece.amount)
        for piece in whole.pieces
    ]
    total = half_up(sold.total * 10 ** DECIMALS[terms.currency])
    if given:
        total = sum(s.amount for s in stretches)
    if line.order_item_id in terms.annulled:
        # What has no end, or tiers, has no total either.
        whole_line = Stretch(kind="whole", start=sold.start, end=sold.end, amount=total)
        stretches, total = ([], 0) if line.evergreen or line.tiers else ([whole_line], total)
    rounding = sum(stretch.amount for stretch in stretches) - total
    if rounding and not given and policy.rounding is RoundingPolicy.TRUE_UP:
        # The last charge takes the difference, and is shared out like a tail from then on.
        stretches[-1] = replace(stretches[-1], kind="tail", amount=stretches[-1].amount - rounding)
        rounding = 0
    money = LineMoney(
        line_id=line.order_item_id,
        order_id=line.order_id,
        root_id=root_id,
        kind=LineKind.RECURRING,
        reduces=False,
        start=sold.start,
        end=sold.end,
        series=(anchor, months if policy.frequencies is FrequenciesPolicy.SPLIT else None, line.evergreen),
        months=months,
        stretches=tuple(stretches),
        missed=rounding + total - minor_total(line, terms.currency),
        rounding=rounding,
        # Stripe rounds the sum of merged lines once, instead of each line.
        slack_per_cycle=1 if policy.items is ItemsPolicy.MERGED else 0,
    )
    return Held(line=line, money=money, whole=whole)


def without_trial(sold: SoldLine, order_id: str, terms: Terms) -> SoldLine:
    """Return a line without the time that is free, and without its share of the total (B5.3)."""
    trial = terms.trials.get(order_id)
    assert sold.end is not None
    if trial is None or trial <= sold.start:
        return sold
    first, start = sold.start, min(trial, sold.end)
    whole = (
        Fraction(whole_months(first, sold.end)) if sold.typed_term else term(first, sold.end, terms.precision)
    )
    left = (
        max(1 - term(first, start, terms.precision) / whole, Fraction(0)) if start < sold.end else Fraction(0)
    )
    return replace(sold, start=start, total=sold.total * left, sold_from=first, sold=sold.total)


def _seen_until(line: OrderLine, terms: Terms) -> date:
    """Return the first boundary of a year from which on a line without end is not worked out."""
    assert terms.until is not None
    last, years = max(terms.until, line.starts_on) + SEEN_BEYOND, 1
    while months_later(terms.first, 12 * years) < last:
        years += 1
    return months_later(terms.first, 12 * years)


def formula_cut(
    line: SoldLine,
    anchor: date,
    months: int,
    *,
    currency: str,
    precision: str,
    custom: Fraction | Decimal | None,
    revised: Fraction | None = None,
) -> Cut:
    """Return price and pieces of a line whose price of a period is given: parts are their time's share.

    It is `custom`, in major units, else the price of a line without end, whose `UnitPrice` is for a month.
    """
    assert line.end is not None
    if custom is None:
        price, quantity = period_price(
            line, currency, months, span=Fraction(1), cycles=0, partial=True, revised=revised
        )
    else:
        price, quantity = rounded(Fraction(custom) * 10 ** DECIMALS[currency], 12), line.quantity
    bounds, count = [], 0
    while (day := months_later(anchor, count * months)) <= line.end:
        bounds += [day] if day >= line.start else []
        count += 1
    pieces = []
    for start, end in pairwise(sorted({line.start, *bounds, line.end})):
        kind = "cycle" if start in bounds and end in bounds else "tail" if start in bounds else "head"
        share = min(term(start, end, precision), Fraction(months)) / months
        amount = half_up(price * quantity * (1 if kind == "cycle" else share))
        pieces.append(Piece(kind=kind, start=start, end=end, amount=amount))
    return Cut(price=price, quantity=quantity, pieces=tuple(pieces))


def ours(line: LineMoney, billed_from: date) -> LineMoney:
    """Return a line without what begins before a day."""
    later = tuple(stretch for stretch in line.stretches if stretch.start >= billed_from)
    left_out = line.total - sum(stretch.amount for stretch in later)
    return replace(line, stretches=later, missed=line.missed - left_out)


def executed(line: LineMoney, instant: datetime, *, carried: bool) -> LineMoney:
    """Return a line as it is when it became known then: one that runs already has no rounding left.

    Its time so far is one item, `TotalPrice` less the pieces to come (B6.8). Only lines of a first order that
    start with their schedule and renew after the instant are billed by the schedule's own first invoice
    instead, unless that one is made already, or would end within the running period (`carried`).
    """
    begun = [stretch for stretch in line.stretches if midnight(stretch.start) <= instant]
    renews = any(stretch.kind == "cycle" and stretch.end > instant.date() for stretch in line.stretches)
    on_boundary = all(stretch.kind != "head" for stretch in begun)
    if not begun or (carried and renews and on_boundary):
        return line
    first, *others = line.stretches
    first = replace(first, amount=first.amount - line.rounding)
    return replace(line, stretches=(first, *others), missed=line.missed - line.rounding, rounding=0)


def midnight(day: date) -> datetime:
    return datetime.combine(day, time(), UTC)


def once(line: OrderLine, root_id: str, terms: Terms, *, months: int) -> LineMoney:
    """Return the money of a one-time line: all of it on its day."""
    end = line.starts_on + DAY
    amount = minor_total(line, terms.currency)
    return LineMoney(
        line_id=line.order_item_id,
        order_id=line.order_id,
        root_id=root_id,
        kind=LineKind.ONE_TIME,
        reduces=line.quantity < 0,
        start=line.starts_on,
        end=end,
        series=(terms.first, None, False),
        months=months,
        stretches=(Stretch(kind="one_time", start=line.starts_on, end=end, amount=amount),),
    )


def take(target: Held, line: OrderLine, units: int) -> list[Stretch]:
    """Let a reducing line take units; return minus what they would have had of the target's stretches.

    That is cycles and the tail from its start on, and the head where they are gone from the first day.
    """
    found = []
    quantity = int(target.line.quantity)
    for stretch in target.money.stretches:
        if stretch.start < line.starts_on:
            continue
        gone = sum(taken.units for taken in target.taken if taken.since <= stretch.start)
        before, after = quantity - gone, quantity - gone - units
        unit = target.whole.price if stretch.kind == "cycle" else Fraction(stretch.amount, quantity)
        amount = half_up(unit * after) - half_up(unit * before)
        found.append(replace(stretch, amount=amount, shares=((target.line.order_item_id, Fraction(1)),)))
    target.taken.append(
        Taken(
            since=line.starts_on,
            units=units,
            order_id=line.order_id,
            line_id=line.order_item_id,
            stretches=tuple(found),
        )
    )
    return found


def reduction(line: OrderLine, targets: Sequence[Held], taken: list[Stretch], terms: Terms) -> LineMoney:
    """Return the money of a reduction; of the time that is free for the lines it reduces it gives back nothing."""
    target = targets[-1].money
    worth = {
        held.line.order_item_id: held.whole.price * each.units / held.money.months
        for held in targets
        for each in held.taken
        # What is never billed is taken away whole: nothing of it is left to credit.
        if each.line_id == line.order_item_id and all(piece.kind != "whole" for piece in held.money.stretches)
    }
    units_worth = sum(worth.values())
    shares = tuple((line_id, value / units_worth) for line_id, value in worth.items()) if units_worth else ()
    end = min(target.next_boundary(line.starts_on), target.end)
    total = minor_total(line, terms.currency)
    missed = 0
    trials = [held.money.start for held in targets if held.money.start > held.line.starts_on]
    free = max((trial for trial in trials if trial > line.starts_on), default=None)
    if free is not None and line.ends_on is not None:
        over, precision = line.ends_on + DAY, terms.precision
        left = min(term(free, over, precision) / term(line.starts_on, over, precision), Fraction(1))
        missed = half_up(Fraction(line.total_price) * 10 ** DECIMALS[terms.currency] * left) - total
    credit = total + missed - sum(stretch.amount for stretch in taken)
    return LineMoney(
        line_id=line.order_item_id,
        order_id=line.order_id,
        root_id=target.root_id,
        kind=LineKind.RECURRING,
        reduces=True,
        start=line.starts_on,
        end=target.end,
        series=target.series,
        months=target.months,
        stretches=(
            Stretch(kind="credit", start=line.starts_on, end=end, amount=credit, shares=shares),
            *taken,
        ),
        missed=missed,
    )


def formula_reduction(
    money: LineMoney, targets: Collection[Held], instant: datetime, terms: Terms, *, gives_back: bool
) -> LineMoney:
    """Return the money of a reduction of lines whose price of a period is given, carried out at `instant`.

    It takes every piece that begins without the units, and the share of the running one by the formula; of
    lines without end only what is to come, unless the policy says otherwise (`gives_back`).
    """
    found, unused = [], Fraction(0)
    for target in targets:
        quantity, months = int(target.line.quantity), target.money.months
        for taken in target.taken:
            if taken.line_id != money.line_id:
                continue
            found += [s for s in taken.stretches if gives_back or midnight(s.start) > instant]
            for stretch in target.money.stretches if gives_back else ():
                if stretch.start < taken.since < stretch.end:
                    share = target.whole.price / months * term(taken.since, stretch.end, terms.precision)
                    unused += min(share, Fraction(stretch.amount, quantity)) * taken.units
    credit = replace(money.stretches[0], amount=-half_up(unused))
    return replace(money, stretches=(credit, *found))
