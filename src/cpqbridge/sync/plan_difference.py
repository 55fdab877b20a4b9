"""A plan beside what stands in Stripe by our own record of it: what is the same, what comes, what goes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum

from cpqbridge.domain.billing import BillingObject, Plan
from cpqbridge.sync.plan_rows import ScheduleRows, schedule_rows


class Mark(StrEnum):
    """How a row of a plan relates to Stripe."""

    SAME = "same"
    NEW = "new"
    GONE = "gone"


@dataclass(frozen=True, slots=True, kw_only=True)
class ComparedRow:
    """An item of a phase: `start` to, without, `end` (UTC); texts as `cpqbridge.sync.plan_rows` writes them.

    `mark` says whether it stands in Stripe and stays, is to come, or is to go.
    """

    mark: Mark
    start: str
    end: str
    name: str
    quantity: str
    amount: str
    every: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ComparedObject:
    """A schedule, own invoice or credit with its rows; `heading` is a sentence, `key` that of its link.

    `mark` is NEW where Stripe has nothing of it, GONE where the plan has it no more, else SAME; `changes`
    tells that any row differs.
    """

    key: str
    kind: str
    heading: str
    mark: Mark
    rows: tuple[ComparedRow, ...]

    @property
    def changes(self) -> bool:
        """Return whether something of it is to come or to go."""
        return any(row.mark is not Mark.SAME for row in self.rows)


def compared(plan: Plan, sent: Mapping[str, BillingObject]) -> tuple[ComparedObject, ...]:
    """Return every object of a contract, wanted ones first, in the plan's order.

    Args:
        plan: What the contract should have.
        sent: What Stripe was sent last, by key.
    """
    wanted = {each.key: each for each in schedule_rows(plan)}
    standing = {each.key: each for each in schedule_rows(replace(plan, objects=tuple(sent.values())))}
    return tuple(_compared(wanted.get(key), standing.get(key)) for key in dict.fromkeys([*wanted, *standing]))


def _compared(wanted: ScheduleRows | None, standing: ScheduleRows | None) -> ComparedObject:
    shown = wanted or standing
    if shown is None:
        raise ValueError("one of both is needed")
    after, before = Counter(_rows(wanted)), Counter(_rows(standing))
    rows = [
        *(_marked(row, Mark.SAME) for row in (after & before).elements()),
        *(_marked(row, Mark.NEW) for row in (after - before).elements()),
        *(_marked(row, Mark.GONE) for row in (before - after).elements()),
    ]
    mark = Mark.GONE if wanted is None else Mark.NEW if standing is None else Mark.SAME
    return ComparedObject(
        key=shown.key,
        kind=shown.kind,
        heading=shown.heading,
        mark=mark,
        rows=tuple(sorted(rows, key=lambda row: (row.start, row.name, row.mark != Mark.GONE, row.end))),
    )


def _rows(shown: ScheduleRows | None) -> Iterator[tuple[str, ...]]:
    for phase in shown.phases if shown else ():
        for row in phase.rows:
            yield phase.start, phase.end, row.name, row.quantity, row.amount, row.every


def _marked(row: tuple[str, ...], mark: Mark) -> ComparedRow:
    start, end, name, quantity, amount, every = row
    return ComparedRow(
        mark=mark, start=start, end=end, name=name, quantity=quantity, amount=amount, every=every
    )
