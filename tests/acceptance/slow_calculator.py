"""What an order line is billed and when, worked out slowly from its dates and `TotalPrice`.

Written from the rules alone (B3.1 to B3.3, B3.8, B5.6, B6.8), with day loops instead of formulas, so that the
product's arithmetic has somebody to disagree with. Amounts are whole minor units, ends are exclusive.
"""

import calendar
from collections import Counter
from dataclasses import dataclass
from datetime import date, timedelta
from fractions import Fraction
from itertools import pairwise

DECIMALS = {"usd": 2, "eur": 2, "jpy": 0}
DAY = timedelta(days=1)


@dataclass(frozen=True, kw_only=True)
class SoldLine:
    """A line as its order says it; prices in major units. `one_time` lines have neither end nor frequency.

    `sold_from` is its first day where the time up to `start` is free, and `sold` its total before that.
    """

    item_id: str
    product_id: str
    start: date
    end: date | None
    quantity: int
    unit_price: Fraction
    total: Fraction
    list_price: Fraction
    list_months: int
    typed_term: bool
    sold_from: date | None = None
    sold: Fraction | None = None

    @property
    def one_time(self) -> bool:
        return self.end is None


def half_up(value: Fraction) -> int:
    whole = int(abs(value) + Fraction(1, 2))
    return whole if value >= 0 else -whole


def rounded(value: Fraction, decimals: int) -> Fraction:
    return Fraction(half_up(value * 10**decimals), 10**decimals)


def months_later(day: date, months: int) -> date:
    year, month = divmod(day.year * 12 + day.month - 1 + months, 12)
    return date(year, month + 1, min(day.day, calendar.monthrange(year, month + 1)[1]))


def whole_months(start: date, end: date) -> int:
    months = 0
    while months_later(start, months + 1) <= end:
        months += 1
    return months


def term(start: date, end: date, precision: str) -> Fraction:
    if precision == "day":
        return Fraction((end - start).days * 12, 365)
    if precision == "calendar_monthly_daily":
        days = [start + DAY * n for n in range((end - start).days)]
        used = Counter((day.year, day.month) for day in days)
        return sum((Fraction(n, calendar.monthrange(*month)[1]) for month, n in used.items()), Fraction(0))
    months = whole_months(start, end)
    rest = (end - months_later(start, months)).days
    return Fraction(months + bool(rest)) if precision == "month" else months + Fraction(rest * 12, 365)


def stored_decimals(value: Fraction, currency: str) -> int:
    decimals = DECIMALS[currency]
    while (value * 10**decimals).denominator > 1:
        decimals += 1
    return decimals


@dataclass(frozen=True, kw_only=True)
class Piece:
    """A head, cycle or tail from `start` up to, without, `end`, in minor units."""

    kind: str
    start: date
    end: date
    amount: int


@dataclass(frozen=True, kw_only=True)
class Cut:
    """A line cut at its boundaries: the price of one unit for one period (minor units), and its pieces."""

    price: Fraction
    quantity: int
    pieces: tuple[Piece, ...]


def period_price(
    line: SoldLine,
    currency: str,
    months: int,
    *,
    span: Fraction,
    cycles: int,
    partial: bool,
    revised: Fraction | None = None,
) -> tuple[Fraction, int]:
    """Return price of a period and quantity: a price that leads to what was sold, else an own one.

    Tried are the list price, then `revised`, the price of a period of the line this one revises.
    """
    minor = 10 ** DECIMALS[currency]
    sold = half_up(line.total * minor)
    whole = line.total if line.sold is None else line.sold
    block = abs(half_up(line.unit_price * line.quantity * minor) - whole * minor) * 2 > 1
    quantity, unit = (1, whole) if block else (line.quantity, line.unit_price)
    for known in (line.list_price * months / line.list_months * minor, revised):
        if known is None or block:
            continue
        if rounded(known / minor * span / months, stored_decimals(unit, currency)) != unit:
            continue
        price = rounded(known, 12)
        if partial or abs(half_up(price * quantity) * cycles - sold) * 2 <= cycles:
            return price, quantity
    own = line.total / cycles / quantity if cycles and not partial else unit / span * months
    return rounded(own * minor, 12), quantity


def cut(
    line: SoldLine,
    anchor: date,
    months: int,
    *,
    currency: str,
    precision: str,
    revised: Fraction | None = None,
) -> Cut:
    """Return price, head, cycles and tail of a line, as if nothing followed."""
    assert line.end is not None
    start, end = line.start, line.end
    bounds = []
    day, count = anchor, 0
    while day <= end:
        bounds += [day] if day >= start else []
        count += 1
        day = months_later(anchor, count * months)
    sold = half_up(line.total * 10 ** DECIMALS[currency])
    head_days = (bounds[0] - start).days if bounds else (end - start).days
    tail_days = (end - bounds[-1]).days if bounds else 0
    cycles = max(len(bounds) - 1, 0)
    first = line.sold_from or start
    span = Fraction(whole_months(first, end)) if line.typed_term else term(first, end, precision)
    partial = bool(head_days or tail_days)
    price, quantity = period_price(
        line, currency, months, span=span, cycles=cycles, partial=partial, revised=revised
    )
    charge = half_up(price * quantity)
    rest = sold - charge * cycles
    tail = half_up(Fraction(rest * tail_days, head_days + tail_days)) if partial else 0
    found = (
        [Piece(kind="head", start=start, end=min([*bounds, end]), amount=rest - tail)] if head_days else []
    )
    found += [Piece(kind="cycle", start=first, end=last, amount=charge) for first, last in pairwise(bounds)]
    found += [Piece(kind="tail", start=bounds[-1], end=end, amount=tail)] if tail_days else []
    return Cut(price=price, quantity=quantity, pieces=tuple(found))


def anchor_of(line: SoldLine, first: date, months: int) -> date:
    """Return the first start, or the line's own where it is whole periods off the contract's boundaries."""
    assert line.end is not None

    def on_boundary(anchor: date, day: date) -> bool:
        return any(months_later(anchor, n * months) == day for n in range(100))

    own = months > 1 and not on_boundary(first, line.start) and on_boundary(line.start, line.end)
    return line.start if own else first


def billed(
    lines: list[SoldLine], months: int, *, currency: str, precision: str, synced_on: date
) -> tuple[Counter[str], Counter[date]]:
    """Return minor units by order line, and by the day of the invoice."""
    by_line: Counter[str] = Counter()
    by_day: Counter[date] = Counter()
    recurring = [line for line in lines if not line.one_time]
    first = min((line.start for line in recurring), default=None)
    for line in lines:
        sold = half_up(line.total * 10 ** DECIMALS[currency])
        if line.one_time:
            alone = first is None or line.start < first
            by_line[line.item_id] += sold
            by_day[synced_on if alone or first is None else max(first, synced_on)] += sold
            continue
        assert first is not None
        anchor = anchor_of(line, first, months)
        whole = cut(line, anchor, months, currency=currency, precision=precision)
        found = [(piece.start, piece.amount) for piece in whole.pieces]
        if anchor < line.start <= synced_on:
            # Already running beside the schedule's first lines: one item up to the next boundary.
            later = [piece for piece in found if piece[0] > synced_on]
            found = [(line.start, sold - sum(amount for _, amount in later)), *later]
        for day, amount in found:
            by_line[line.item_id] += amount
            # A cycle and a tail begin on a boundary, and a head is invoiced on its own day.
            by_day[max(day, synced_on)] += amount
    return by_line, by_day
