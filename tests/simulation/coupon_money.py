"""What coupons leave of a contract's money, told from dates, prices and coupons alone.

A calculator of its own, which shares nothing with planner or simulator: it takes what `daily_money` says that
every line earns, stretch by stretch, and takes off each coupon that holds.

*When a coupon holds*: from the first day of its line, or of its order's first line, for ever, for months by
the calendar, or up to the second invoice that it sees. A stretch is judged by its first day; what was billed
before the coupon was known stays as it was. *What it takes off*: a percentage of each stretch, rounded half
up; a line's own fixed amount of every period, and by days of a part of one. Those of the line come first.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import date, datetime
from fractions import Fraction

from tests.acceptance.slow_calculator import DECIMALS, half_up, months_later
from tests.simulation.daily_money import ContractMoney
from tests.simulation.line_money import LineMoney, Stretch, midnight

from cpqbridge.domain.order import Coupon, CouponDuration, LineKind, Order, OrderHistory


@dataclass(frozen=True, kw_only=True)
class Granted:
    """A coupon from `start` up to, without, `end` (None: for ever), known from an instant on.

    It is of one line (`line_id`), else of everything that the contract bills again and again.
    """

    coupon: Coupon
    start: date
    end: date | None
    known_at: datetime
    line_id: str | None


def net_money(history: OrderHistory, money: ContractMoney) -> ContractMoney:
    """Return the contract's money less what coupons take off; `slack` also is what rounding leaves open."""
    told = _Telling(history, money)
    return replace(money, lines={line_id: told.net(line) for line_id, line in money.lines.items()})


def second_renewal(anchor: date, months: int, start: date, known: date) -> date:
    """Return the renewal after the first one that comes on or after `start`, or was made up when known."""
    count = 0
    while months_later(anchor, count * months) < start:
        count += 1
    while months_later(anchor, (count + 1) * months) <= known:
        count += 1
    return months_later(anchor, (count + 1) * months)


class _Telling:
    def __init__(self, history: OrderHistory, money: ContractMoney) -> None:
        self._money = money
        known = [order for order in history.orders if order.order_id in money.entered]
        # Each coupon works on what the earlier ones left.
        self._orders = sorted(known, key=lambda order: money.instants[order.order_id])
        self._sold = {line.order_item_id: line for order in self._orders for line in order.lines}
        self._granted = [*self._on_lines(), *self._on_orders()]

    def net(self, line: LineMoney) -> LineMoney:
        """Return a line, or a reduction at what its units were billed for, less its coupons."""
        if line.kind is LineKind.ONE_TIME:
            return self._once(line)
        late = self._money.instants[line.order_id] >= midnight(line.start)
        # Late time is billed by the line or in one sum, which alone is free of rounding.
        stretches, slack = [], abs(line.rounding) if late else 0
        for stretch in line.stretches:
            left, parts = Fraction(0), []
            for line_id, share in stretch.shares or ((_only(line), Fraction(1)),):
                target = self._money.lines[line_id]
                granted = [*self._holding(target, stretch)]
                left += self._left(stretch, share * stretch.amount, target, granted)
                parts.append(self._left(stretch, Fraction(stretch.amount), target, granted))
                slack += self._rounded(line, granted, late=late)
                slack += self._once_per_invoice(line, stretch, granted) if late else 0
            stretches.append(replace(stretch, amount=half_up(left)))
            # How much of a credit is for which of several lines is nowhere said.
            slack += half_up(max(parts) - min(parts))
        return replace(line, stretches=tuple(stretches), slack=line.slack + slack)

    def _rounded(self, line: LineMoney, granted: list[Granted], *, late: bool) -> int:
        """Return what rounding leaves open: taken away, or late, it is not done stretch by stretch."""
        return 2 * len(granted) if line.reduces or late or self._is_reduced(line) else 0

    def _is_reduced(self, line: LineMoney) -> bool:
        return any(each.reduces and each.root_id == line.root_id for each in self._money.lines.values())

    def _left(
        self, stretch: Stretch, amount: Fraction, target: LineMoney, granted: list[Granted]
    ) -> Fraction:
        left = amount
        for each in granted:
            if each.coupon.percent_off is not None:
                left -= half_up(Fraction(each.coupon.percent_off) * left / 100)
            else:
                fixed = half_up(self._fixed(each.coupon) * self._part(stretch, target))
                left -= min(fixed, max(left, 0))
        return left

    def _once_per_invoice(self, line: LineMoney, stretch: Stretch, granted: list[Granted]) -> int:
        """Return what a schedule's first invoice leaves open: it takes a fixed amount once for all periods."""
        late = midnight(stretch.start) <= self._money.instants[line.order_id]
        fixed = (self._fixed(each.coupon) for each in granted if each.coupon.amount_off is not None)
        return half_up(sum(fixed, Fraction(0))) if late else 0

    def _part(self, stretch: Stretch, target: LineMoney) -> Fraction:
        """Return which part of a period a stretch of a line is, by days."""
        period = target.next_boundary(stretch.start)
        begun = target.last_boundary(stretch.start)
        return min(Fraction((stretch.end - stretch.start).days, (period - begun).days), Fraction(1))

    def _fixed(self, coupon: Coupon) -> Fraction:
        assert coupon.amount_off is not None
        return Fraction(coupon.amount_off) * 10 ** DECIMALS[self._orders[0].currency]

    def _holding(self, target: LineMoney, stretch: Stretch) -> Iterator[Granted]:
        """Yield the coupons that the line had on the period in which the stretch begins, its own first."""
        day = max(
            (each.start for each in target.stretches if each.start <= stretch.start),
            default=target.start,
        )
        entered = self._money.instants[target.order_id]
        for each in self._granted:
            holds = each.start <= day and (each.end is None or day < each.end)
            seen = entered >= each.known_at or midnight(day) > each.known_at
            if each.line_id in (None, target.line_id) and holds and seen:
                yield each

    def _once(self, line: LineMoney) -> LineMoney:
        """Return a one-time line less its own coupons, then its order's; credits are as they are."""
        order = next(order for order in self._orders if order.order_id == line.order_id)
        left = line.total
        if left > 0:
            for coupon in (*self._sold[line.line_id].coupons, *order.coupons):
                if coupon.percent_off is not None:
                    left -= half_up(Fraction(coupon.percent_off) * left / 100)
                elif coupon in self._sold[line.line_id].coupons:
                    left -= min(half_up(self._fixed(coupon)), left)
        return replace(line, stretches=tuple(replace(each, amount=left) for each in line.stretches))

    def _on_lines(self) -> Iterator[Granted]:
        for line in self._money.lines.values():
            if line.kind is LineKind.RECURRING and not line.reduces:
                known_at = self._money.instants[line.order_id]
                for coupon in self._sold[line.line_id].coupons:
                    renewal = second_renewal(line.anchor, line.months, line.start, known_at.date())
                    yield Granted(
                        coupon=coupon,
                        start=line.start,
                        end=_end(coupon, line.start, renewal),
                        known_at=known_at,
                        line_id=line.line_id,
                    )

    def _on_orders(self) -> Iterator[Granted]:
        positive = [
            line
            for line in self._money.lines.values()
            if line.kind is LineKind.RECURRING and not line.reduces
        ]
        for order in self._orders:
            own = [line for line in positive if line.order_id == order.order_id] or self._reduced_by(order)
            if not own:
                continue
            known_at = self._money.instants[order.order_id]
            first = min(own, key=lambda line: (line.start, line.line_id))
            start = max(first.start, order.effective_on)
            months = min(line.months for line in positive if line.series == first.series)
            renewal = second_renewal(first.anchor, months, start, known_at.date())
            if start <= known_at.date():
                # What had begun when it was known is billed at once, and that is the first invoice.
                renewal = first.next_boundary(known_at.date(), months)
            for coupon in order.coupons:
                yield Granted(
                    coupon=coupon,
                    start=start,
                    end=_end(coupon, start, renewal),
                    known_at=known_at,
                    line_id=None,
                )

    def _reduced_by(self, order: Order) -> list[LineMoney]:
        """Return the lines that an order reduces, of their lineages where nothing of them is left to reduce."""
        lines = self._money.lines.values()
        own = [line for line in lines if line.reduces and line.order_id == order.order_id]
        named = {line_id for line in own for each in line.stretches for line_id, _ in each.shares}
        roots = {line.root_id for line in own}
        reduced = [line for line in lines if line.kind is LineKind.RECURRING and not line.reduces]
        return [line for line in reduced if (line.line_id in named if named else line.root_id in roots)]


def _end(coupon: Coupon, start: date, renewal: date) -> date | None:
    if coupon.duration is CouponDuration.REPEATING:
        assert coupon.duration_in_months is not None
        return months_later(start, coupon.duration_in_months)
    return renewal if coupon.duration is CouponDuration.ONCE else None


def _only(line: LineMoney) -> str:
    """Return the line itself, or of a reduction of nothing that costs anything, the first it reduces."""
    return next((line_id for each in line.stretches for line_id, _ in each.shares), line.line_id)
