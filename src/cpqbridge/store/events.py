"""Stripe's events, each stored once by its id: what it is called and what it names, never its data.

An event waits until a worker has looked which contracts it names.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from sqlalchemy import Connection as Transaction
from sqlalchemy import delete, func, select, update
from sqlalchemy.dialects.sqlite import insert as put

from cpqbridge.store.tables import stripe_events

_CHUNK = 500


class EventState(StrEnum):
    """What became of an event: it waits, its contracts were noticed, or there was nothing to do for it."""

    WAITING = "waiting"
    NOTICED = "noticed"
    OWN = "own"
    IGNORED = "ignored"


@dataclass(frozen=True, slots=True, kw_only=True)
class StripeEvent:
    """An event of Stripe without its data.

    `created_at` is Stripe's own stamp (aware UTC). `root_id` is the contract that metadata of ours names,
    `stripe_ids` what else it is about. `was_asked` tells that a call or a person caused it and not time;
    `request_key` is the idempotency key of that call, None where it had none.
    """

    event_id: str
    type: str
    created_at: datetime
    root_id: str | None = None
    stripe_ids: tuple[str, ...] = ()
    was_asked: bool = False
    request_key: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class WaitingEvent:
    """A stored event that nobody has looked at; `received_at` is by the connection's clock (aware UTC)."""

    event: StripeEvent
    received_at: datetime


def keep(
    transaction: Transaction,
    *,
    connection_id: int,
    events: Sequence[StripeEvent],
    at: datetime,
    state: EventState = EventState.WAITING,
) -> int:
    """Store the events that are not stored yet; return how many were new."""
    if not events:
        return 0
    statement = put(stripe_events).on_conflict_do_nothing(index_elements=["connection_id", "event_id"])
    rows = [
        {
            "connection_id": connection_id,
            "event_id": event.event_id,
            "type": event.type,
            "created_at": event.created_at,
            "received_at": at,
            "names": {"root": event.root_id, "ids": list(event.stripe_ids), "asked": event.was_asked},
            "request_key": event.request_key,
            "state": state.value,
        }
        for event in events
    ]
    return transaction.execute(statement, rows).rowcount


def waiting(transaction: Transaction, *, connection_id: int, limit: int) -> tuple[WaitingEvent, ...]:
    """Return at most `limit` events that wait, those that came first first."""
    rows = transaction.execute(
        select(stripe_events)
        .where(
            stripe_events.c.connection_id == connection_id, stripe_events.c.state == EventState.WAITING.value
        )
        .order_by(stripe_events.c.received_at, stripe_events.c.event_id)
        .limit(limit)
    )
    return tuple(
        WaitingEvent(
            event=StripeEvent(
                event_id=row.event_id,
                type=row.type,
                created_at=row.created_at,
                root_id=row.names["root"],
                stripe_ids=tuple(row.names["ids"]),
                was_asked=row.names["asked"],
                request_key=row.request_key,
            ),
            received_at=row.received_at,
        )
        for row in rows
    )


def settle(
    transaction: Transaction,
    *,
    connection_id: int,
    event_ids: Iterable[str],
    state: EventState,
    root_id: str | None = None,
) -> None:
    """Record what became of these events; `root_id` is the contract where they named exactly one."""
    wanted = sorted(event_ids)
    for start in range(0, len(wanted), _CHUNK):
        transaction.execute(
            update(stripe_events)
            .where(
                stripe_events.c.connection_id == connection_id,
                stripe_events.c.event_id.in_(wanted[start : start + _CHUNK]),
            )
            .values(state=state.value, root_id=root_id)
        )


def counts(transaction: Transaction, *, connection_id: int) -> dict[EventState, int]:
    """Return how many events are stored in each state, 0 included."""
    rows = transaction.execute(
        select(stripe_events.c.state, func.count())
        .where(stripe_events.c.connection_id == connection_id)
        .group_by(stripe_events.c.state)
    )
    found = {EventState(state): number for state, number in rows}
    return {state: found.get(state, 0) for state in EventState}


def last_received_at(transaction: Transaction, *, connection_id: int) -> datetime | None:
    """Return when the connection's newest event was stored (aware UTC), None without any."""
    found: datetime | None = transaction.execute(
        select(func.max(stripe_events.c.received_at)).where(stripe_events.c.connection_id == connection_id)
    ).scalar()
    return found


def prune(transaction: Transaction, *, connection_id: int, older_than: datetime) -> int:
    """Delete what was received before `older_than` (aware UTC) and does not wait; return how many.

    Keep them for longer than the 30 days for which Stripe lists events: one that is listed again after it was
    deleted here begins one more sync, which finds nothing to do.
    """
    result = transaction.execute(
        delete(stripe_events).where(
            stripe_events.c.connection_id == connection_id,
            stripe_events.c.received_at < older_than,
            stripe_events.c.state != EventState.WAITING.value,
        )
    )
    return result.rowcount
