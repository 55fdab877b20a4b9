"""Orders as lists show them: searched, filtered by state, sorted, and read page by page or all at once."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import ColumnElement, RowMapping, Select, and_, func, or_, select, true, update
from sqlalchemy import Connection as Transaction

from cpqbridge.domain.billing import Plan
from cpqbridge.domain.ids import is_salesforce_id, salesforce_id
from cpqbridge.domain.refusal import OrderState
from cpqbridge.store.tables import order_states

PAGE_SIZE = 50
_NAME_LENGTH = 255
_LARGEST_MINOR = 2**63 - 1
_ROWS_AT_ONCE = 500
_MISMATCH = "proof_mismatch"
_BEGINS_LIKE_AN_ID = re.compile(r"80[01]|a\d", re.IGNORECASE)
"""How ids of contracts, orders and quotes begin, and hardly a customer's name of 15 letters."""


class OrderSort(StrEnum):
    """What a list is sorted by; ties are broken by order number or id, so that pages never overlap."""

    NUMBER = "number"
    ACCOUNT = "account"
    STATE = "state"
    CHANGED = "changed"


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderSearch:
    """Which orders to list.

    `text` is an order, contract or original quote id (15 or 18 characters), or a part of an order number or
    of an account's name in any case; empty for all. `states` empty means every state, `connection_id` None
    every connection. `offset` counts rows from 0.
    """

    text: str = ""
    states: frozenset[OrderState] = frozenset()
    connection_id: int | None = None
    sort: OrderSort = OrderSort.NUMBER
    is_descending: bool = False
    offset: int = 0
    limit: int = PAGE_SIZE


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundOrder:
    """One order in a list. Amounts are minor units by the plan it was last part of, None without one.

    `billed_minor` is what all invoices of its life bill for its lines, `is_mismatch` tells that they do not
    add up to what was sold for no reason that is known.
    """

    connection_id: int
    order_id: str
    order_number: str
    contract_key: str
    account_name: str
    state: OrderState
    code: str
    message: str
    fix: str
    updated_at: datetime
    currency: str
    sold_minor: int | None
    billed_minor: int | None
    is_mismatch: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundOrders:
    """A page of a list: its rows, how many rows match in all, and how many of any state match the text."""

    rows: tuple[FoundOrder, ...]
    total: int
    by_state: Mapping[OrderState, int]


def search(transaction: Transaction, wanted: OrderSearch) -> FoundOrders:
    """Return one page of the orders that match."""
    counts = transaction.execute(
        select(order_states.c.state, func.count())
        .where(*_found_by_text(wanted))
        .group_by(order_states.c.state)
    )
    by_state = {OrderState(state): int(number) for state, number in counts}
    total = sum(number for state, number in by_state.items() if not wanted.states or state in wanted.states)
    rows: tuple[FoundOrder, ...] = ()
    if wanted.offset < total:
        found = transaction.execute(_sorted(wanted, only_page=True))
        rows = tuple(_found(row) for row in found.mappings())
    return FoundOrders(rows=rows, total=total, by_state=by_state)


def every(transaction: Transaction, wanted: OrderSearch) -> Iterator[FoundOrder]:
    """Yield every order that matches, whatever `offset` and `limit` say, as they stood at the first one."""
    found = transaction.execution_options(yield_per=_ROWS_AT_ONCE).execute(_sorted(wanted, only_page=False))
    for row in found.mappings():
        yield _found(row)


def news(transaction: Transaction, *, connection_id: int, plan: Plan) -> Mapping[str, Mapping[str, object]]:
    """Return what a plan says of its orders that lists do not show yet, by order id."""
    shown = select(
        order_states.c.order_id,
        order_states.c.account_name,
        order_states.c.currency,
        order_states.c.sold_minor,
        order_states.c.billed_minor,
        order_states.c.is_mismatch,
    ).where(order_states.c.connection_id == connection_id, order_states.c.root_id == plan.root_id)
    found: dict[str, Mapping[str, object]] = {}
    for row in transaction.execute(shown).mappings():
        values = _told_by(plan, row["order_id"])
        if any(row[name] != value for name, value in values.items()):
            found[row["order_id"]] = values
    return found


def keep_plan(transaction: Transaction, *, connection_id: int, plan: Plan) -> None:
    """Keep what a plan says of the known orders of its contract."""
    for order_id, values in news(transaction, connection_id=connection_id, plan=plan).items():
        transaction.execute(
            update(order_states)
            .where(order_states.c.connection_id == connection_id, order_states.c.order_id == order_id)
            .values(**values)
        )


def _told_by(plan: Plan, order_id: str) -> dict[str, object]:
    proofs = [proof for proof in plan.proof if proof.order_id == order_id]
    return {
        "account_name": plan.account_name[:_NAME_LENGTH],
        "currency": proofs[0].currency if proofs else "",
        "sold_minor": _storable(sum(proof.sold_minor for proof in proofs)) if proofs else None,
        "billed_minor": _storable(sum(proof.billed_minor for proof in proofs)) if proofs else None,
        "is_mismatch": any(proof.reason == _MISMATCH for proof in proofs),
    }


def _storable(minor: int) -> int | None:
    """Return an amount that a database can hold; of a nonsensical one, which no order is billed, nothing."""
    return minor if abs(minor) <= _LARGEST_MINOR else None


def _sorted(wanted: OrderSearch, *, only_page: bool) -> Select[Any]:
    """Return the query for the rows: the keys of a page are found by an index alone, its rows after that."""
    columns = order_states.c
    by_number = (columns.order_number, columns.order_id)
    sorted_by: dict[OrderSort, tuple[ColumnElement[Any], ...]] = {
        OrderSort.NUMBER: by_number,
        OrderSort.ACCOUNT: (columns.account_name, columns.order_id),
        OrderSort.STATE: (columns.state, *by_number),
        OrderSort.CHANGED: (columns.updated_at, columns.order_id),
    }
    order = [key.desc() if wanted.is_descending else key.asc() for key in sorted_by[wanted.sort]]
    query = select(*(columns[name] for name in FoundOrder.__slots__)).order_by(*order)
    conditions = [*_found_by_text(wanted), *_in_states(wanted)]
    if not only_page:
        return query.where(*conditions)
    keys = select(columns.connection_id, columns.order_id).where(*conditions).order_by(*order)
    page = keys.offset(wanted.offset).limit(wanted.limit).subquery()
    return query.join(
        page,
        and_(columns.connection_id == page.c.connection_id, columns.order_id == page.c.order_id),
    )


def _in_states(wanted: OrderSearch) -> list[ColumnElement[bool]]:
    if not wanted.states:
        return []
    column: ColumnElement[str] = order_states.c.state
    if wanted.sort in {OrderSort.ACCOUNT, OrderSort.CHANGED}:
        # As an expression, so that rows are read in their order by its index instead of being sorted.
        column = func.coalesce(column, "")
    return [column.in_(sorted(state.value for state in wanted.states))]


def _found_by_text(wanted: OrderSearch) -> list[ColumnElement[bool]]:
    columns, text = order_states.c, wanted.text.strip()
    conditions: list[ColumnElement[bool]] = []
    if wanted.connection_id is not None:
        # An expression for the same reason as in `_in_states`.
        conditions.append(func.coalesce(columns.connection_id, 0) == wanted.connection_id)
    if is_salesforce_id(text) and _BEGINS_LIKE_AN_ID.match(text):
        whole = salesforce_id(text)
        conditions.append(
            or_(columns.order_id == whole, columns.contract_key == whole, columns.root_id == whole)
        )
    elif text:
        conditions.append(
            or_(
                columns.order_number.contains(text, autoescape=True),
                columns.account_name.icontains(text, autoescape=True),
            )
        )
    return conditions or [true()]


def _found(row: RowMapping) -> FoundOrder:
    return FoundOrder(**{**row, "state": OrderState(row["state"])})
