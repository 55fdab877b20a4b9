"""Which lines run together: the groups that become schedules, and where their items change.

A group has one anchor and one frequency. A line longer than monthly whose own dates are whole cycles but off
the anchor gets a group of its own, anchored at its start; everything else stays on the contract's anchor and
has head and tail there (B5.6).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

from cpqbridge.domain.dates import Cycle, day_after
from cpqbridge.domain.order import OrderLine
from cpqbridge.planning.pieces import LinePieces, cut


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """Lines that share one schedule, sorted by start and id."""

    cycle: Cycle
    lines: tuple[LinePieces, ...]

    @property
    def end(self) -> date:
        """Return the day after the last day of service of any line."""
        return max(line.end for line in self.lines)

    def break_points(self) -> set[date]:
        """Return every date on which an item begins, ends, or becomes a zero-priced one."""
        dates: set[date] = set()
        for line in self.lines:
            dates |= {line.start, line.end}
            if line.end > line.full_until > line.start:
                dates.add(line.full_until)
        return dates


def _end(line: OrderLine) -> date:
    if line.ends_on is None:
        raise ValueError(f"line {line.order_item_id} has no end date")
    return day_after(line.ends_on)


def _months(line: OrderLine) -> int:
    if line.frequency_months is None:
        raise ValueError(f"line {line.order_item_id} has no billing frequency")
    return line.frequency_months


def _is_own_series(line: OrderLine, main: Cycle) -> bool:
    if main.months == 1 or main.holds(line.starts_on):
        return False
    return Cycle(line.starts_on, main.months).holds(_end(line))


def _fits(line: OrderLine, cycle: Cycle) -> bool:
    return cycle.holds(line.starts_on) and cycle.holds(_end(line))


def group_lines(
    lines: Sequence[OrderLine], *, currency: str, precision: str, true_up: bool = False
) -> tuple[Group, ...]:
    """Return recurring lines of one frequency as groups, the contract's own anchor first.

    The contract's anchor is the earliest start; the groups after it follow by anchor.
    """
    ordered = sorted(lines, key=lambda line: (line.starts_on, line.order_item_id))
    cycles = [Cycle(ordered[0].starts_on, _months(ordered[0]))]
    members: list[list[OrderLine]] = [[]]
    for line in ordered:
        place = 0
        if _is_own_series(line, cycles[0]):
            place = next((n for n in range(1, len(cycles)) if _fits(line, cycles[n])), len(cycles))
        if place == len(cycles):
            cycles.append(Cycle(line.starts_on, cycles[0].months))
            members.append([])
        members[place].append(line)
    return tuple(
        Group(
            cycle=cycle,
            lines=tuple(
                cut(line, cycle, currency=currency, precision=precision, true_up=true_up) for line in group
            ),
        )
        for cycle, group in zip(cycles, members, strict=True)
    )
