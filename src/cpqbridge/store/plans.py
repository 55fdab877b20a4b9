"""Plans and what they did: the plan itself, and where every order stands."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from sqlalchemy import Connection as Transaction
from sqlalchemy import RowMapping, func, insert, or_, select, update
from sqlalchemy.dialects.sqlite import insert as upsert

from cpqbridge.domain.billing import Plan
from cpqbridge.domain.causes import cause_of
from cpqbridge.domain.refusal import OrderState
from cpqbridge.store.plan_codec import decode_plan, encode_plan
from cpqbridge.store.tables import order_states, plans

PlanState = Literal["planned", "done", "failed"]


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderStanding:
    """Where one order stands and why; `code`, `message` and `fix` are empty when nothing is wrong.

    `modified_at` is the order's stamp in Salesforce when it was last read; `retryable` tells that the same
    may succeed later by itself.
    """

    order_id: str
    order_number: str
    root_id: str
    contract_key: str
    state: OrderState
    modified_at: str
    updated_at: datetime
    code: str = ""
    message: str = ""
    fix: str = ""
    record_id: str = ""
    field: str = ""
    request_link: str | None = None
    retryable: bool = False
    plan_id: int | None = None


def save_plan(transaction: Transaction, *, connection_id: int, plan: Plan, at: datetime) -> int:
    """Store the plan before anything of it is carried out; return its id."""
    result = transaction.execute(
        insert(plans).values(
            connection_id=connection_id,
            root_id=plan.root_id,
            document=encode_plan(plan),
            state="planned",
            created_at=at,
        )
    )
    primary = result.inserted_primary_key
    return int(primary[0]) if primary else 0


def load_plan(transaction: Transaction, *, connection_id: int, plan_id: int) -> Plan | None:
    """Return the stored plan, None when there is none of that id in this connection."""
    document = transaction.execute(
        select(plans.c.document).where(plans.c.plan_id == plan_id, plans.c.connection_id == connection_id)
    ).scalar()
    return None if document is None else decode_plan(document)


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptPlan:
    """A plan that was kept because something was to be done: when, what, and how it ended (aware UTC).

    `finished_at` is None while it is carried out, and of a plan that only noted where orders stand.
    """

    plan_id: int
    state: str
    made_at: datetime
    finished_at: datetime | None
    summaries: tuple[str, ...]


def latest(transaction: Transaction, *, connection_id: int, root_id: str, limit: int) -> tuple[KeptPlan, ...]:
    """Return the newest plans of a contract, newest first, with the summaries of their steps."""
    rows = transaction.execute(
        select(plans)
        .where(plans.c.connection_id == connection_id, plans.c.root_id == root_id)
        .order_by(plans.c.plan_id.desc())
        .limit(limit)
    )
    return tuple(
        KeptPlan(
            plan_id=row.plan_id,
            state=row.state,
            made_at=row.created_at,
            finished_at=row.finished_at,
            summaries=tuple(step.summary for step in decode_plan(row.document).steps),
        )
        for row in rows
    )


def made_at(transaction: Transaction, *, plan_id: int) -> datetime:
    """Return when the stored plan was made, aware UTC."""
    found: datetime = transaction.execute(
        select(plans.c.created_at).where(plans.c.plan_id == plan_id)
    ).scalar_one()
    return found


def sold_before(transaction: Transaction, *, connection_id: int, root_id: str) -> dict[str, dict[str, int]]:
    """Return what the lines of each order were sold for by the newest plan that billed the order.

    In minor units, by order and order line.
    """
    rows = transaction.execute(
        select(plans.c.document)
        .where(plans.c.connection_id == connection_id, plans.c.root_id == root_id)
        .order_by(plans.c.plan_id.desc())
    )
    found: dict[str, dict[str, int]] = {}
    for document in rows.scalars():
        proven: dict[str, dict[str, int]] = {}
        billed = (proof for proof in decode_plan(document).proof if proof.reason != "skipped")
        for proof in billed:
            proven.setdefault(proof.order_id, {})[proof.order_item_id] = proof.sold_minor
        found = proven | found
    return found


def finish_plan(transaction: Transaction, *, plan_id: int, state: PlanState, at: datetime) -> None:
    """Record how carrying out the plan ended."""
    transaction.execute(update(plans).where(plans.c.plan_id == plan_id).values(state=state, finished_at=at))


def save_standing(transaction: Transaction, *, connection_id: int, standing: OrderStanding) -> None:
    """Store where an order stands, replacing what was there."""
    values: dict[str, Any] = {name: getattr(standing, name) for name in OrderStanding.__slots__}
    values["state"] = standing.state.value
    values["cause"] = cause_of(
        code=standing.code, field=standing.field, message=standing.message, fix=standing.fix
    )
    statement = upsert(order_states).values(connection_id=connection_id, **values)
    transaction.execute(
        statement.on_conflict_do_update(index_elements=["connection_id", "order_id"], set_=values)
    )


def standings(
    transaction: Transaction, *, connection_id: int, root_id: str | None = None, order_id: str | None = None
) -> tuple[OrderStanding, ...]:
    """Return where orders stand, by order number; all of the connection unless narrowed."""
    query = select(order_states).where(order_states.c.connection_id == connection_id)
    if root_id is not None:
        query = query.where(order_states.c.root_id == root_id)
    if order_id is not None:
        query = query.where(order_states.c.order_id == order_id)
    rows = transaction.execute(query.order_by(order_states.c.order_number, order_states.c.order_id))
    return tuple(_standing(row) for row in rows.mappings())


def roots(transaction: Transaction, *, connection_id: int) -> dict[str, str]:
    """Return the contracts of a connection that were ever seen: the number of an order by root id."""
    rows = transaction.execute(
        select(order_states.c.root_id, func.min(order_states.c.order_number))
        .where(order_states.c.connection_id == connection_id)
        .group_by(order_states.c.root_id)
    )
    return {root_id: str(number) for root_id, number in rows}


def root_of_contract(transaction: Transaction, *, connection_id: int, contract: str) -> str | None:
    """Return the root id of a contract by its id or root id, None where it was never seen."""
    return transaction.execute(
        select(order_states.c.root_id)
        .where(
            order_states.c.connection_id == connection_id,
            or_(order_states.c.contract_key == contract, order_states.c.root_id == contract),
        )
        .limit(1)
    ).scalar()


def _standing(row: RowMapping) -> OrderStanding:
    values = {name: row[name] for name in OrderStanding.__slots__}
    return OrderStanding(**{**values, "state": OrderState(values["state"])})
