"""Which orders were noticed and when they are to be tried next; columns of the orders' standings.

An order is noticed before its contract is put on the queue. The notice holds until a run of the contract has
ended and said so here, so whatever is lost on the way is found again by the time of its next try.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, and_, or_, select, update
from sqlalchemy import Connection as Transaction
from sqlalchemy.dialects.sqlite import insert as upsert

from cpqbridge.domain.refusal import OrderState
from cpqbridge.store.tables import order_states

PATIENCE = timedelta(minutes=10)
"""How long a noticed order is left to the queue before it is put there again."""

WAITS = (
    timedelta(minutes=2),
    timedelta(minutes=5),
    timedelta(minutes=15),
    timedelta(minutes=30),
    *[timedelta(hours=1)] * 23,
)
"""The waits before the first, second, ... new try, together a day; after them an order waits `LATER_WAIT`."""

LATER_WAIT = timedelta(hours=6)

OWN_WRITE = timedelta(minutes=2)
"""How long after a run a new stamp of its order is taken for the run's own write-back."""

_AT_ONCE = 500
_NAME_LENGTH = 255


@dataclass(frozen=True, slots=True, kw_only=True)
class NoticedOrder:
    """An order that is to be synced; `stamp` is its SystemModstamp as noticed, empty when not known."""

    order_id: str
    order_number: str
    root_id: str
    contract_key: str
    stamp: str
    account_name: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Due:
    """An order of a contract that is to be tried now."""

    order_id: str
    root_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Tries:
    """How often an order was tried without success since it last changed, and when it is tried next."""

    attempts: int = 0
    next_try_at: datetime | None = None

    def after_failure(self, *, at: datetime, wait_at_least: timedelta = timedelta(0)) -> Tries:
        """Return what holds after one more try failed at `at`."""
        wait = WAITS[self.attempts] if self.attempts < len(WAITS) else LATER_WAIT
        return Tries(attempts=self.attempts + 1, next_try_at=at + max(wait, wait_at_least))


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """A known order: its contract, the stamps with which it was read and noticed last, and its last change.

    `updated_at` is when its standing last changed, aware UTC.
    """

    root_id: str
    stamps: frozenset[str]
    updated_at: datetime

    def was_changed(self, stamp: str) -> bool:
        """Return whether a stamp tells of a change by somebody else.

        What is saved right after a run is most likely what the run wrote itself; it is looked at all
        the same.
        """
        try:
            saved_at = datetime.fromisoformat(stamp)
        except ValueError:
            return stamp not in self.stamps
        return stamp not in self.stamps and saved_at > self.updated_at + OWN_WRITE


def known(transaction: Transaction, *, connection_id: int, order_ids: Collection[str]) -> Mapping[str, Known]:
    """Return what is known of these orders by id, without those that nobody noticed yet."""
    found: dict[str, Known] = {}
    ordered = sorted(order_ids)
    for offset in range(0, len(ordered), _AT_ONCE):
        rows = transaction.execute(
            select(
                order_states.c.order_id,
                order_states.c.root_id,
                order_states.c.modified_at,
                order_states.c.noticed_stamp,
                order_states.c.updated_at,
            ).where(
                order_states.c.connection_id == connection_id,
                order_states.c.order_id.in_(ordered[offset : offset + _AT_ONCE]),
            )
        )
        for row in rows:
            found[row.order_id] = Known(
                root_id=row.root_id,
                stamps=frozenset({row.modified_at, row.noticed_stamp}),
                updated_at=row.updated_at,
            )
    return found


def note(
    transaction: Transaction, *, connection_id: int, orders: Collection[NoticedOrder], at: datetime
) -> None:
    """Keep that orders were noticed: an unknown one is queued, a known one stays as it stands.

    One that somebody changed since it was tried begins anew with counting tries.
    """
    known_orders = known(
        transaction, connection_id=connection_id, order_ids=[each.order_id for each in orders]
    )
    for order in orders:
        present = known_orders.get(order.order_id)
        if present is None:
            _insert(transaction, connection_id=connection_id, order=order, at=at)
            continue
        values: dict[str, object] = {"next_try_at": at + PATIENCE}
        if order.stamp:
            values["noticed_stamp"] = order.stamp
            if present.was_changed(order.stamp):
                values["attempts"] = 0
        transaction.execute(
            update(order_states)
            .where(order_states.c.connection_id == connection_id, order_states.c.order_id == order.order_id)
            .values(values)
        )


def due(
    transaction: Transaction, *, connection_id: int, at: datetime, limit: int | None = None
) -> tuple[Due, ...]:
    """Return the orders whose next try is due at `at` or before, the longest waiting first, `limit` at most.

    A queued order that nobody noticed (its sync was asked for and cut off) is due after `PATIENCE`.
    """
    forgotten = and_(
        order_states.c.state == OrderState.QUEUED.value,
        order_states.c.next_try_at.is_(None),
        order_states.c.updated_at <= at - PATIENCE,
    )
    return _due(transaction, connection_id, or_(order_states.c.next_try_at <= at, forgotten), limit=limit)


def queued(transaction: Transaction, *, connection_id: int) -> tuple[Due, ...]:
    """Return every order that is queued, the longest waiting first."""
    return _due(transaction, connection_id, order_states.c.state == OrderState.QUEUED.value, limit=None)


def of_contract(transaction: Transaction, *, connection_id: int, root_id: str) -> Mapping[str, Tries]:
    """Return the tries of a contract's orders by order id."""
    rows = transaction.execute(
        select(order_states.c.order_id, order_states.c.attempts, order_states.c.next_try_at).where(
            order_states.c.connection_id == connection_id, order_states.c.root_id == root_id
        )
    )
    return {row.order_id: Tries(attempts=row.attempts, next_try_at=row.next_try_at) for row in rows}


def save(transaction: Transaction, *, connection_id: int, tries: Mapping[str, Tries]) -> None:
    """Store the tries of orders by order id."""
    for order_id, each in tries.items():
        transaction.execute(
            update(order_states)
            .where(order_states.c.connection_id == connection_id, order_states.c.order_id == order_id)
            .values(attempts=each.attempts, next_try_at=each.next_try_at)
        )


def roots_in_states(
    transaction: Transaction, *, connection_id: int, states: Iterable[OrderState]
) -> tuple[str, ...]:
    """Return the sorted root ids of contracts with an order in one of these states."""
    rows = transaction.execute(
        select(order_states.c.root_id)
        .where(
            order_states.c.connection_id == connection_id,
            order_states.c.state.in_(sorted(state.value for state in states)),
        )
        .distinct()
        .order_by(order_states.c.root_id)
    )
    return tuple(row.root_id for row in rows)


def roots_with_codes(
    transaction: Transaction, *, connection_id: int, codes: Iterable[str]
) -> tuple[str, ...]:
    """Return the sorted root ids of contracts with an order that stands there for one of these codes."""
    rows = transaction.execute(
        select(order_states.c.root_id)
        .where(order_states.c.connection_id == connection_id, order_states.c.code.in_(sorted(codes)))
        .distinct()
        .order_by(order_states.c.root_id)
    )
    return tuple(row.root_id for row in rows)


def _insert(transaction: Transaction, *, connection_id: int, order: NoticedOrder, at: datetime) -> None:
    """Store an order that nobody knew, in queue; somebody else may have done so by now."""
    statement = upsert(order_states).values(
        connection_id=connection_id,
        order_id=order.order_id,
        order_number=order.order_number,
        root_id=order.root_id,
        contract_key=order.contract_key,
        account_name=order.account_name[:_NAME_LENGTH],
        state=OrderState.QUEUED.value,
        code="",
        message="",
        fix="",
        record_id="",
        field="",
        retryable=False,
        modified_at="",
        updated_at=at,
        next_try_at=at + PATIENCE,
        noticed_stamp=order.stamp,
    )
    transaction.execute(statement.on_conflict_do_nothing())


def _due(
    transaction: Transaction, connection_id: int, condition: ColumnElement[bool], *, limit: int | None
) -> tuple[Due, ...]:
    rows = transaction.execute(
        select(order_states.c.order_id, order_states.c.root_id)
        .where(order_states.c.connection_id == connection_id, condition)
        .order_by(order_states.c.next_try_at, order_states.c.order_id)
        .limit(limit)
    )
    return tuple(Due(order_id=row.order_id, root_id=row.root_id) for row in rows)
