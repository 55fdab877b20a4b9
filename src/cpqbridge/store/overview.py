"""Numbers over everything that was seen: they must add up."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Select, and_, func, not_, or_, select, union
from sqlalchemy import Connection as Transaction

from cpqbridge.domain.refusal import OrderState
from cpqbridge.store.tables import (
    billing_objects,
    findings,
    intents,
    order_states,
    parked_runs,
    plans,
    stripe_events,
    timers,
)

PATIENT_TRIES = 5
"""After so many tries in vain, about two hours, a failed order needs someone although it is tried further."""

_DONE = (OrderState.SYNCED, OrderState.UNCHANGED, OrderState.SKIPPED)
_OPEN = (OrderState.QUEUED, OrderState.WAITING)
_MAY_NEED_SOMEONE = (OrderState.HELD, OrderState.REFUSED, OrderState.FAILED)


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderCounts:
    """How many orders of a connection were seen, and where they are; open + done + needs someone = seen."""

    seen: int
    open: int
    done: int
    needs_someone: int
    by_state: Mapping[str, int]

    @property
    def adds_up(self) -> bool:
        """Return whether every order that was seen is accounted for, once."""
        parts = self.open + self.done + self.needs_someone
        return self.seen == parts == sum(self.by_state.values())


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderInNeed:
    """An order that needs someone, and why."""

    order_number: str
    state: str
    code: str


def order_counts(transaction: Transaction, *, connection_id: int) -> OrderCounts:
    """Return the connection's orders counted by what they ask of people."""
    mine = order_states.c.connection_id == connection_id
    states = order_states.c.state
    is_open = states.in_([state.value for state in _OPEN]) | is_tried_again()
    is_done = states.in_([state.value for state in _DONE])
    row = transaction.execute(
        select(
            func.count(),
            func.count().filter(is_open),
            func.count().filter(is_done),
            func.count().filter(needs_someone()),
        ).where(mine)
    ).one()
    by_state = transaction.execute(select(states, func.count()).where(mine).group_by(states))
    return OrderCounts(
        seen=int(row[0]),
        open=int(row[1]),
        done=int(row[2]),
        needs_someone=int(row[3]),
        by_state={state.value: 0 for state in OrderState} | {name: int(count) for name, count in by_state},
    )


def in_need(transaction: Transaction, *, connection_id: int, limit: int) -> tuple[OrderInNeed, ...]:
    """Return the orders that need someone, those that wait longest first, at most `limit`."""
    rows = transaction.execute(
        select(order_states.c.order_number, order_states.c.state, order_states.c.code)
        .where(order_states.c.connection_id == connection_id, needs_someone())
        .order_by(order_states.c.updated_at, order_states.c.order_number)
        .limit(limit)
    )
    return tuple(_in_need(row) for row in rows)


def orders_by_state(transaction: Transaction, *, connection_id: int) -> Mapping[str, int]:
    """Return how many orders are in each state; the same as `order_counts` says, from an index alone."""
    states = order_states.c.state
    rows = transaction.execute(
        select(states, func.count()).where(order_states.c.connection_id == connection_id).group_by(states)
    )
    return {state.value: 0 for state in OrderState} | {name: int(count) for name, count in rows}


def next_timers(
    transaction: Transaction, *, connection_id: int, limit: int
) -> tuple[tuple[str, str, datetime], ...]:
    """Return order id, order number and due time (aware UTC) of the timers that are tried next."""
    rows = transaction.execute(
        select(timers.c.order_id, order_states.c.order_number, timers.c.due_at)
        .outerjoin(
            order_states,
            and_(
                order_states.c.connection_id == timers.c.connection_id,
                order_states.c.order_id == timers.c.order_id,
            ),
        )
        .where(timers.c.connection_id == connection_id)
        .order_by(timers.c.next_at)
        .limit(limit)
    )
    return tuple((row.order_id, row.order_number or row.order_id, row.due_at) for row in rows)


def orders_in_need(transaction: Transaction, *, connection_id: int) -> Mapping[str, OrderInNeed]:
    """Return every order that needs someone by id, by order number."""
    # The states are named apart, so that the index on them is used: most orders are in none of these.
    rows = transaction.execute(
        select(
            order_states.c.order_id, order_states.c.order_number, order_states.c.state, order_states.c.code
        ).where(
            order_states.c.connection_id == connection_id,
            order_states.c.state.in_([state.value for state in _MAY_NEED_SOMEONE]),
            needs_someone(),
        )
    )
    found = [(row.order_id, _in_need(row)) for row in rows]
    return dict(sorted(found, key=lambda each: (each[1].order_number, each[0])))


def synced_with_code(transaction: Transaction, *, connection_id: int, code: str) -> Mapping[str, OrderInNeed]:
    """Return the orders that are billed but still have this to say, by id."""
    rows = transaction.execute(
        select(
            order_states.c.order_id, order_states.c.order_number, order_states.c.state, order_states.c.code
        ).where(
            # Written so that the index on state and code is used: most orders are synced without a code.
            order_states.c.connection_id + 0 == connection_id,
            order_states.c.state == OrderState.SYNCED.value,
            order_states.c.code == code,
        )
    )
    return {row.order_id: _in_need(row) for row in rows}


def contracts_without_orders(transaction: Transaction, *, connection_id: int) -> tuple[str, ...]:
    """Return the root ids of contracts that were worked on but of which no order is shown; there are none."""
    roots: list[Select[tuple[str]]] = [
        select(table.c.root_id).where(table.c.connection_id == connection_id)
        for table in (plans, intents, timers, billing_objects, parked_runs)
    ]
    worked_on = union(*roots).subquery()
    shown = select(order_states.c.root_id).where(order_states.c.connection_id == connection_id)
    rows = transaction.execute(
        select(worked_on.c.root_id).where(worked_on.c.root_id.not_in(shown)).order_by(worked_on.c.root_id)
    )
    return tuple(row.root_id for row in rows)


def oldest_queued_at(transaction: Transaction, *, connection_id: int) -> datetime | None:
    """Return since when the order has been queued that is queued longest (aware UTC), None without one."""
    found: datetime | None = transaction.execute(
        select(func.min(order_states.c.updated_at)).where(
            order_states.c.connection_id == connection_id, order_states.c.state == OrderState.QUEUED.value
        )
    ).scalar()
    return found


def unsettled_calls(transaction: Transaction, *, connection_id: int) -> int:
    """Return how many calls have no known outcome."""
    return int(
        transaction.execute(
            select(func.count())
            .select_from(intents)
            .where(intents.c.connection_id == connection_id, intents.c.state == "sent")
        ).scalar_one()
    )


def events_by_state(transaction: Transaction, *, connection_id: int) -> Mapping[str, int]:
    """Return how many stored events of Stripe are in each state, those with none left out."""
    rows = transaction.execute(
        select(stripe_events.c.state, func.count())
        .where(stripe_events.c.connection_id == connection_id)
        .group_by(stripe_events.c.state)
    )
    return {state: int(count) for state, count in rows}


def findings_by_state(transaction: Transaction, *, connection_id: int) -> Mapping[str, int]:
    """Return how many findings of reconcile are in each state, those with none left out."""
    rows = transaction.execute(
        select(findings.c.state, func.count())
        .where(findings.c.connection_id == connection_id)
        .group_by(findings.c.state)
    )
    return {state: int(count) for state, count in rows}


def timers_due(transaction: Transaction, *, connection_id: int, at: datetime) -> tuple[int, datetime | None]:
    """Return how many timers were due at `at`, and when the first after it is (aware UTC)."""
    due = func.count().filter(timers.c.due_at <= at)
    following = func.min(timers.c.due_at).filter(timers.c.due_at > at)
    row = transaction.execute(select(due, following).where(timers.c.connection_id == connection_id)).one()
    return int(row[0]), row[1]


def _in_need(row: Any) -> OrderInNeed:
    return OrderInNeed(order_number=row.order_number, state=row.state, code=row.code)


def is_tried_again() -> ColumnElement[bool]:
    """Return the condition of orders that failed and may heal by themselves soon."""
    patient = and_(order_states.c.retryable, order_states.c.attempts < PATIENT_TRIES)
    return and_(order_states.c.state == OrderState.FAILED.value, patient)


def needs_someone() -> ColumnElement[bool]:
    """Return the condition of orders that go on only when a person does something."""
    failed = and_(order_states.c.state == OrderState.FAILED.value, not_(is_tried_again()))
    return or_(order_states.c.state.in_([OrderState.HELD.value, OrderState.REFUSED.value]), failed)
