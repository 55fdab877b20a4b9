"""Intents: what is about to be sent to Stripe, committed before the call, settled after it.

An intent in state `sent` has no known outcome: the call may or may not have happened. It is repeated with
the same idempotency key, or its object is looked for, before anything else is planned for its contract.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal

from sqlalchemy import Connection as Transaction
from sqlalchemy import Row, and_, func, insert, or_, select, update

from cpqbridge.domain.billing import BillingObject, StepAction
from cpqbridge.store.plan_codec import decode_object, encode_object
from cpqbridge.store.tables import intents

CANCELS_COUNT_FOR = timedelta(hours=1)
"""The span of `caps.cancels_per_hour`."""

IntentState = Literal["sent", "done", "failed"]


@dataclass(frozen=True, slots=True, kw_only=True)
class NewIntent:
    """One call to come; `parameters` and `target` have every id filled in.

    `sends` is the object that stands as it says once the call has happened, None where the call makes none.
    """

    root_id: str
    step_key: str
    action: StepAction
    fingerprint: str
    target: str | None
    parameters: Mapping[str, object]
    expected_total_minor: int | None
    sends: BillingObject | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Doubt:
    """What of an outcome is not as planned, and the orders that had shaped the object by then.

    `order_ids` is empty where the call sent no object.
    """

    step_key: str
    text: str
    order_ids: frozenset[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Intent:
    """A stored intent. `generation` rises after each definitive failure, and with it the key changes."""

    intent_id: int
    content: NewIntent
    generation: int
    idempotency_key: str
    state: IntentState
    created_at: datetime


def open_intent(
    transaction: Transaction, *, connection_id: int, namespace: str, content: NewIntent, at: datetime
) -> Intent:
    """Return the unsettled intent for exactly this call, or store a new one.

    `namespace` names org and account, so that equal records of two orgs never share an idempotency key.
    """
    same = (
        intents.c.connection_id == connection_id,
        intents.c.root_id == content.root_id,
        intents.c.step_key == content.step_key,
        intents.c.fingerprint == content.fingerprint,
    )
    row = transaction.execute(select(intents).where(*same, intents.c.state == "sent")).first()
    if row is not None:
        return _intent(row)
    generation = transaction.execute(select(func.max(intents.c.generation)).where(*same)).scalar()
    generation = 0 if generation is None else int(generation) + 1
    key = _idempotency_key(namespace, content, generation)
    values = {
        "connection_id": connection_id,
        "root_id": content.root_id,
        "step_key": content.step_key,
        "action": content.action.value,
        "fingerprint": content.fingerprint,
        "generation": generation,
        "idempotency_key": key,
        "target": content.target,
        "parameters": content.parameters,
        "expected_total_minor": content.expected_total_minor,
        "object": None if content.sends is None else encode_object(content.sends),
        "state": "sent",
        "created_at": at,
    }
    result = transaction.execute(insert(intents).values(values))
    primary = result.inserted_primary_key
    return Intent(
        intent_id=int(primary[0]) if primary else 0,
        content=content,
        generation=generation,
        idempotency_key=key,
        state="sent",
        created_at=at,
    )


def is_open_elsewhere(transaction: Transaction, *, connection_id: int, root_id: str, step_key: str) -> bool:
    """Return whether another contract's call under the same key has no known outcome."""
    found = transaction.execute(
        select(intents.c.intent_id).where(
            intents.c.connection_id == connection_id,
            intents.c.step_key == step_key,
            intents.c.root_id != root_id,
            intents.c.state == "sent",
        )
    )
    return found.first() is not None


def unsettled(transaction: Transaction, *, connection_id: int, root_id: str) -> tuple[Intent, ...]:
    """Return the contract's intents without a known outcome, oldest first."""
    rows = transaction.execute(
        select(intents)
        .where(
            intents.c.connection_id == connection_id,
            intents.c.root_id == root_id,
            intents.c.state == "sent",
        )
        .order_by(intents.c.intent_id)
    )
    return tuple(_intent(row) for row in rows)


def finish(
    transaction: Transaction, *, intent_id: int, stripe_id: str, doubt: str | None, at: datetime
) -> None:
    """Record that the call happened and which object it made or changed.

    `doubt` says what of the outcome is not as planned and must be looked at by a person.
    """
    transaction.execute(
        update(intents)
        .where(intents.c.intent_id == intent_id)
        .values(state="done", stripe_id=stripe_id, error=doubt, finished_at=at)
    )


def doubts(transaction: Transaction, *, connection_id: int, root_id: str) -> tuple[Doubt, ...]:
    """Return what nobody has accepted yet of outcomes that were not as planned, oldest first."""
    rows = transaction.execute(
        select(intents.c.step_key, intents.c.error, intents.c.object)
        .where(
            intents.c.connection_id == connection_id,
            intents.c.root_id == root_id,
            intents.c.state == "done",
            intents.c.error.is_not(None),
        )
        .order_by(intents.c.intent_id)
    )
    return tuple(
        Doubt(
            step_key=row.step_key,
            text=row.error,
            order_ids=frozenset(decode_object(row.object).order_ids if row.object else ()),
        )
        for row in rows
    )


def customers_of(transaction: Transaction, *, connection_id: int, root_id: str) -> frozenset[str]:
    """Return the Stripe customers that the contract's schedules and own invoices were made for."""
    rows = transaction.execute(
        select(intents.c.parameters).where(
            intents.c.connection_id == connection_id,
            intents.c.root_id == root_id,
            intents.c.state == "done",
            intents.c.action.in_([StepAction.CREATE_SCHEDULE.value, StepAction.CREATE_INVOICE.value]),
        )
    )
    return frozenset(str(row.parameters["customer"]) for row in rows if row.parameters.get("customer"))


def customer_of_contracts(transaction: Transaction, *, connection_id: int) -> dict[str, str]:
    """Return a Stripe customer that each contract was billed to, by root id."""
    rows = transaction.execute(
        select(intents.c.root_id, func.max(func.json_extract(intents.c.parameters, "$.customer")))
        .where(
            intents.c.connection_id == connection_id,
            intents.c.state == "done",
            intents.c.action.in_([StepAction.CREATE_SCHEDULE.value, StepAction.CREATE_INVOICE.value]),
        )
        .group_by(intents.c.root_id)
    )
    return {root_id: str(customer) for root_id, customer in rows if customer}


def cancels_since(transaction: Transaction, *, connection_id: int, since: datetime) -> int:
    """Return how many schedules the connection cancelled, or began to, after `since`."""
    return int(
        transaction.execute(
            select(func.count())
            .select_from(intents)
            .where(
                intents.c.connection_id == connection_id,
                intents.c.action == StepAction.CANCEL_SCHEDULE.value,
                or_(
                    and_(intents.c.state == "done", intents.c.finished_at > since),
                    and_(intents.c.state == "sent", intents.c.created_at > since),
                ),
            )
        ).scalar_one()
    )


def accept_doubts(transaction: Transaction, *, connection_id: int, root_id: str) -> None:
    """Drop the contract's doubts: a person has looked at them."""
    transaction.execute(
        update(intents)
        .where(
            intents.c.connection_id == connection_id,
            intents.c.root_id == root_id,
            intents.c.state == "done",
        )
        .values(error=None)
    )


def fail(transaction: Transaction, *, intent_id: int, error: str, at: datetime) -> None:
    """Record that Stripe refused the call for good: nothing was made."""
    transaction.execute(
        update(intents)
        .where(intents.c.intent_id == intent_id)
        .values(state="failed", error=error, finished_at=at)
    )


def call_of_key(idempotency_key: str) -> str:
    """Return what all generations of a call have in common."""
    return idempotency_key.rpartition("-")[0] or idempotency_key


def _idempotency_key(namespace: str, content: NewIntent, generation: int) -> str:
    what = (content.root_id, content.step_key, content.action.value, content.target or "")
    parts = (namespace, *what, content.fingerprint)
    digest = hashlib.sha256("\n".join(parts).encode()).hexdigest()
    return f"{digest}-{generation}"


def _intent(row: Row[Any]) -> Intent:
    return Intent(
        intent_id=row.intent_id,
        content=NewIntent(
            root_id=row.root_id,
            step_key=row.step_key,
            action=StepAction(row.action),
            fingerprint=row.fingerprint,
            target=row.target,
            parameters=row.parameters,
            expected_total_minor=row.expected_total_minor,
            sends=None if row.object is None else decode_object(row.object),
        ),
        generation=row.generation,
        idempotency_key=row.idempotency_key,
        state=row.state,
        created_at=row.created_at,
    )
