"""What must have been billed of a contract's money by the end of each day, and what was billed instead.

Billing in advance: by the end of a day every piece that has begun is billed, of every order that was carried
out by then. Nothing more and nothing less, but for what waits for the next invoice by policy, credits that
policy drops, and the cut of a cycle that a known termination shortens before it is billed.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace
from datetime import date, datetime

from tests.acceptance.slow_calculator import DAY
from tests.simulation.daily_money import ContractMoney
from tests.simulation.line_money import LineMoney

from cpqbridge.domain.order import LineKind
from cpqbridge.mapping.configuration import Configuration
from cpqbridge.mapping.policies import CreditsPolicy, Policy, ProrationPolicy


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
class Bounds:
    """What must have been billed by the end of a day: at least `low`, at most `high`."""

    low: int = 0
    high: int = 0

    def __add__(self, other: Bounds) -> Bounds:
        return Bounds(low=self.low + other.low, high=self.high + other.high)


@dataclass(frozen=True, kw_only=True)
class _Whole:
    """What counts of all lines together: when the last one ends, and the months of the longest period."""

    over: date
    longest: int


def must_be_billed(
    money: ContractMoney, lines: Collection[LineMoney], configuration: Configuration, day: date
) -> Bounds:
    """Return the bounds of what these lines have been billed by the end of `day`.

    They are the same where nothing waits for an invoice, is dropped by policy or rounded with others.
    """
    reducing = {line.order_id for line in money.lines.values() if line.reduces}
    # Charges and credits of one order go on one invoice (B6.6), so that either may wait for the other.
    netted = reducing & {line.order_id for line in money.lines.values() if not line.reduces}
    whole = _Whole(
        over=max(line.end for line in money.lines.values()),
        longest=max(line.months for line in money.lines.values()),
    )
    policy = configuration.policy
    if not money.served and day > max(money.entered.values()) + DAY:
        # What ends on or before its first day is credited whatever the policy (B6.11), once all of it does.
        policy = replace(policy, credits=CreditsPolicy.CREDIT_NOTE)
    total = Bounds()
    for line in lines:
        known = money.entered[line.order_id]
        if day >= known:
            netting = line.order_id in netted
            total += _line_bounds(line, policy, day, known=known, whole=whole, netted=netting)
    return total


def _line_bounds(
    line: LineMoney, policy: Policy, day: date, *, known: date, whole: _Whole, netted: bool
) -> Bounds:
    """Return the bounds of one line, whose order the connector has known since the day `known`."""
    entered = max(line.start, known)
    # A line that is charged renews by itself; beside one that is reduced, or over by the time it is known, only
    # a line of a longer period may be left.
    months = whole.longest if line.reduces or line.end <= known else line.months
    next_invoice = day < min(line.next_boundary(entered, months), whole.over)
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
    for day in sorted(day for day in days if day <= money.last_day):
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
        bounds = must_be_billed(money, own, configuration, money.last_day)
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


def needless_invoices(money: ContractMoney, movements: Collection[Movement]) -> list[str]:
    """Return a sentence for each charge on a day on which nothing begins or ends, and no order came in."""
    days = set(money.entered.values())
    for line in money.lines.values():
        days |= {line.end, *(stretch.start for stretch in line.stretches)}
    charges = (each for each in movements if each.amount and each.period_start is not None)
    return [f"{each} is on a day of its own" for each in charges if each.at.date() not in days]
