"""Pauses a person set, of everything or of one connection, and the runs that wait for their end."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from sqlalchemy import Connection as Transaction
from sqlalchemy import delete, func, select
from sqlalchemy.dialects.sqlite import insert as upsert

from cpqbridge.domain.refusal import OrderState
from cpqbridge.store.plans import OrderStanding
from cpqbridge.store.tables import parked_runs, pauses

EVERYTHING = "everything"
GOES_ON = "Go on with `cpqbridge resume`; what was begun or waits then goes on by itself."


@dataclass(frozen=True, slots=True, kw_only=True)
class Pause:
    """What is paused (`scope`), why (may be empty), and since when (aware UTC)."""

    scope: str
    reason: str
    paused_at: datetime


def scope_of(connection_id: int) -> str:
    """Return the scope of a pause of one connection."""
    return f"connection:{connection_id}"


def waits_because(pause: Pause) -> str:
    """Return why nothing happens, in a sentence."""
    what = "Everything" if pause.scope == EVERYTHING else "The connection"
    why = f" ({pause.reason})" if pause.reason else ""
    return f"{what} is paused since {pause.paused_at:%Y-%m-%d %H:%M} UTC{why}."


def of_connection(known: Mapping[str, Pause], connection_id: int) -> Pause | None:
    """Return the pause that stops a connection, that of everything first; None when it may work."""
    return known.get(EVERYTHING) or known.get(scope_of(connection_id))


def told(standing: OrderStanding, pause: Pause | None) -> OrderStanding:
    """Return where an order stands: in a pause, what is queued waits for its end and says so."""
    if pause is None or standing.state is not OrderState.QUEUED:
        return standing
    return replace(standing, message=waits_because(pause), fix=GOES_ON)


def put(transaction: Transaction, pause: Pause) -> None:
    """Store a pause; one that stands already keeps its time and takes the new reason."""
    transaction.execute(
        upsert(pauses)
        .values(scope=pause.scope, reason=pause.reason, paused_at=pause.paused_at)
        .on_conflict_do_update(index_elements=["scope"], set_={"reason": pause.reason})
    )


def lift(transaction: Transaction, *, scope: str) -> None:
    """Delete the pause of this scope."""
    transaction.execute(delete(pauses).where(pauses.c.scope == scope))


def standing(transaction: Transaction) -> Mapping[str, Pause]:
    """Return every pause by scope."""
    rows = transaction.execute(select(pauses.c.scope, pauses.c.reason, pauses.c.paused_at)).mappings()
    return {row["scope"]: Pause(**row) for row in rows}


def park(
    transaction: Transaction, *, connection_id: int, root_id: str, task: Mapping[str, Any], at: datetime
) -> None:
    """Keep the run of a contract that a pause stopped.

    One of the contract that waits already stays, unless a person released something for the new one.
    """
    values = {"task": dict(task), "parked_at": at}
    statement = upsert(parked_runs).values(connection_id=connection_id, root_id=root_id, **values)
    keys = ["connection_id", "root_id"]
    if task.get("released"):
        transaction.execute(statement.on_conflict_do_update(index_elements=keys, set_=values))
    else:
        transaction.execute(statement.on_conflict_do_nothing(index_elements=keys))


def parked(transaction: Transaction, *, connection_id: int) -> tuple[Mapping[str, Any], ...]:
    """Return the tasks of the runs that wait, oldest first."""
    rows = transaction.execute(
        select(parked_runs.c.task)
        .where(parked_runs.c.connection_id == connection_id)
        .order_by(parked_runs.c.parked_at, parked_runs.c.root_id)
    )
    return tuple(row.task for row in rows)


def count_parked(transaction: Transaction, *, connection_id: int) -> int:
    """Return how many runs wait."""
    return int(
        transaction.execute(
            select(func.count()).select_from(parked_runs).where(parked_runs.c.connection_id == connection_id)
        ).scalar_one()
    )


def is_parked(transaction: Transaction, *, connection_id: int, root_id: str) -> bool:
    """Return whether a run of the contract waits."""
    found = transaction.execute(
        select(parked_runs.c.root_id).where(
            parked_runs.c.connection_id == connection_id, parked_runs.c.root_id == root_id
        )
    )
    return found.first() is not None


def unpark(transaction: Transaction, *, connection_id: int, root_id: str) -> None:
    """Forget that a run of the contract waits: it is queued, or the contract was synced."""
    transaction.execute(
        delete(parked_runs).where(
            parked_runs.c.connection_id == connection_id, parked_runs.c.root_id == root_id
        )
    )
