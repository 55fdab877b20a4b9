"""How far the reconciliation of each connection has come, and who asked for the next one."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection as Transaction
from sqlalchemy import delete, select
from sqlalchemy.dialects.sqlite import insert as upsert

from cpqbridge.store.app_tables import reconciliation_requests
from cpqbridge.store.tables import reconciliations


@dataclass(frozen=True, slots=True, kw_only=True)
class Reconciliation:
    """How far a reconciliation has come; times are aware UTC, `finished_at` is None until it has ended.

    `contracts` of `total` were looked at. `last_place` is the place of the last one, in the order they are
    looked at. `problem` says what cut it off, and is empty otherwise.
    """

    started_at: datetime
    finished_at: datetime | None
    last_place: str
    contracts: int
    total: int = 0
    problem: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """A person's wish to have everything of a connection compared."""

    actor: str
    requested_at: datetime


def find(transaction: Transaction, *, connection_id: int) -> Reconciliation | None:
    """Return how far the last reconciliation of the whole connection came, None before the first."""
    row = (
        transaction.execute(
            select(*(reconciliations.c[name] for name in Reconciliation.__slots__)).where(
                reconciliations.c.connection_id == connection_id
            )
        )
        .mappings()
        .first()
    )
    return None if row is None else Reconciliation(**row)


def keep(transaction: Transaction, *, connection_id: int, state: Reconciliation) -> None:
    """Store how far the reconciliation of a connection has come."""
    values = {name: getattr(state, name) for name in Reconciliation.__slots__}
    statement = upsert(reconciliations).values(connection_id=connection_id, **values)
    transaction.execute(statement.on_conflict_do_update(index_elements=["connection_id"], set_=values))


def ask_for(transaction: Transaction, *, connection_id: int, request: Request) -> bool:
    """Store a request; return False where somebody asked already."""
    statement = upsert(reconciliation_requests).values(
        connection_id=connection_id, actor=request.actor, requested_at=request.requested_at
    )
    return bool(transaction.execute(statement.on_conflict_do_nothing()).rowcount)


def requested(transaction: Transaction, *, connection_id: int) -> Request | None:
    """Return who asked for a reconciliation that was not done yet, None when nobody did."""
    columns = reconciliation_requests.c
    row = transaction.execute(
        select(columns.actor, columns.requested_at).where(columns.connection_id == connection_id)
    ).first()
    return None if row is None else Request(actor=row.actor, requested_at=row.requested_at)


def answer(transaction: Transaction, *, connection_id: int) -> None:
    """Note that what was asked for was done, or could not be."""
    transaction.execute(
        delete(reconciliation_requests).where(reconciliation_requests.c.connection_id == connection_id)
    )
