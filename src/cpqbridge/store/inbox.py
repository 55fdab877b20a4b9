"""Orders that do not go on by themselves, by cause: what the inbox lists."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, and_, func, not_, or_, select, update
from sqlalchemy import Connection as Transaction

from cpqbridge.domain.refusal import OrderState
from cpqbridge.store.overview import PATIENT_TRIES, is_tried_again, needs_someone
from cpqbridge.store.tables import order_states

NOT_TOLD = "write_back_failed"
"""The code of orders that are billed but that Salesforce does not show as they are."""

_AT_ONCE = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class CauseGroup:
    """Orders of one connection that one kind of action would solve.

    `record_id` is the record to change where it is the same one for all of them, else empty; `records` is how
    many there are. `message` and `fix` are one order's words, `is_one_message` and `is_one_fix` tell whether
    they are those of every order. `oldest_at` is since when the first of them stands so (aware UTC).
    """

    connection_id: int
    cause: str
    state: OrderState
    code: str
    field: str
    orders: int
    contracts: int
    records: int
    record_id: str
    oldest_at: datetime
    message: str
    is_one_message: bool
    fix: str
    is_one_fix: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class CausedOrder:
    """One order of a group, as it stands; `next_try_at` (aware UTC) is set where it is tried again."""

    order_id: str
    order_number: str
    root_id: str
    contract_key: str
    account_name: str
    state: OrderState
    code: str
    message: str
    fix: str
    record_id: str
    field: str
    request_link: str | None
    updated_at: datetime
    next_try_at: datetime | None


def count(transaction: Transaction, *, limit: int) -> int:
    """Return how many orders of all connections need somebody, counting no further than `limit`."""
    some = select(order_states.c.order_id).where(_needs_somebody()).limit(limit).subquery()
    return int(transaction.execute(select(func.count()).select_from(some)).scalar_one())


def groups(transaction: Transaction, *, waiting: bool = False) -> tuple[CauseGroup, ...]:
    """Return the causes of all connections, those with the most orders first.

    They are those that need somebody, or, with `waiting`, those that go on by themselves.
    """
    return _groups(transaction, _waits() if waiting else _needs_somebody())


def orders_of(
    transaction: Transaction, *, connection_id: int, cause: str, offset: int = 0, limit: int | None = None
) -> tuple[CausedOrder, ...]:
    """Return the orders of a cause, the longest waiting first: `limit` of them after the first `offset`."""
    rows = transaction.execute(
        select(*(order_states.c[name] for name in CausedOrder.__slots__))
        .where(_is_of(connection_id, cause))
        .order_by(order_states.c.updated_at, order_states.c.order_number, order_states.c.order_id)
        .offset(offset)
        .limit(limit)
    ).mappings()
    return tuple(CausedOrder(**{**row, "state": OrderState(row["state"])}) for row in rows)


def contracts_of(
    transaction: Transaction, *, connection_id: int, cause: str, order_ids: Collection[str] | None = None
) -> tuple[str, ...]:
    """Return the sorted root ids of the contracts of a cause; only of `order_ids` where they are given."""
    chosen = None if order_ids is None else sorted(order_ids)
    found: set[str] = set()
    for span in _spans(chosen):
        query = select(order_states.c.root_id).where(_is_of(connection_id, cause)).distinct()
        if span is not None:
            query = query.where(order_states.c.order_id.in_(span))
        found.update(transaction.execute(query).scalars())
    return tuple(sorted(found))


def group(transaction: Transaction, *, connection_id: int, cause: str) -> CauseGroup | None:
    """Return one cause of a connection, None where no order has it any more."""
    found = _groups(transaction, _is_of(connection_id, cause))
    return found[0] if found else None


def plan_next_try(
    transaction: Transaction,
    *,
    connection_id: int,
    cause: str,
    root_ids: Collection[str] | None,
    at: datetime,
) -> None:
    """Let the orders of a cause be tried at `at` (aware UTC); only of `root_ids` where they are given."""
    chosen = None if root_ids is None else sorted(root_ids)
    for span in _spans(chosen):
        query = update(order_states).where(_is_of(connection_id, cause)).values(next_try_at=at)
        if span is not None:
            query = query.where(order_states.c.root_id.in_(span))
        transaction.execute(query)


def _groups(transaction: Transaction, condition: ColumnElement[bool]) -> tuple[CauseGroup, ...]:
    columns = order_states.c
    message, fix = columns.message, columns.fix
    rows = transaction.execute(
        select(
            columns.connection_id,
            columns.cause,
            func.min(columns.state).label("state"),
            func.min(columns.code).label("code"),
            func.min(columns.field).label("field"),
            func.count().label("orders"),
            func.count(columns.root_id.distinct()).label("contracts"),
            func.count(columns.record_id.distinct()).label("records"),
            func.min(columns.record_id).label("record_id"),
            func.min(columns.updated_at).label("oldest_at"),
            func.min(message).label("message"),
            (func.min(message) == func.max(message)).label("is_one_message"),
            func.min(fix).label("fix"),
            (func.min(fix) == func.max(fix)).label("is_one_fix"),
        )
        .where(condition)
        .group_by(columns.connection_id, columns.cause)
    ).mappings()
    found = [
        CauseGroup(
            **{
                **row,
                "state": OrderState(row["state"]),
                "record_id": row["record_id"] if row["records"] == 1 else "",
                "is_one_message": bool(row["is_one_message"]),
                "is_one_fix": bool(row["is_one_fix"]),
            }
        )
        for row in rows
    ]
    return tuple(sorted(found, key=lambda each: (-each.orders, each.oldest_at, each.cause)))


def _spans(chosen: Sequence[str] | None) -> Iterator[Sequence[str] | None]:
    """Yield what fits into one statement each; None stands for everything."""
    if chosen is None:
        yield None
        return
    for begin in range(0, len(chosen), _AT_ONCE):
        yield chosen[begin : begin + _AT_ONCE]


def _is_of(connection_id: int, cause: str) -> ColumnElement[bool]:
    return and_(
        order_states.c.connection_id == connection_id,
        order_states.c.cause == cause,
        or_(_needs_somebody(), _waits()),
    )


def _needs_somebody() -> ColumnElement[bool]:
    columns = order_states.c
    is_patient = and_(columns.retryable, columns.attempts < PATIENT_TRIES)
    return or_(needs_someone(), and_(_not_told(), not_(is_patient)))


def _waits() -> ColumnElement[bool]:
    columns = order_states.c
    is_patient = and_(columns.retryable, columns.attempts < PATIENT_TRIES)
    is_waiting = columns.state == OrderState.WAITING.value
    return or_(is_waiting, is_tried_again(), and_(_not_told(), is_patient))


def _not_told() -> ColumnElement[bool]:
    """Return the condition of orders that are billed while Salesforce did not take what it is to show."""
    return and_(order_states.c.state == OrderState.SYNCED.value, order_states.c.code == NOT_TOLD)
