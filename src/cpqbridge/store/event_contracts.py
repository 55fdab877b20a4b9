"""Which contracts an event of Stripe is about, by what is stored of them."""

from __future__ import annotations

import json
from collections.abc import Iterable
from datetime import UTC, datetime

from sqlalchemy import Connection as Transaction
from sqlalchemy import and_, exists, func, or_, select

from cpqbridge.domain.billing import StepAction
from cpqbridge.domain.refusal import OrderState
from cpqbridge.store import links
from cpqbridge.store.tables import billing_objects, intents, order_states
from cpqbridge.store.tables import links as links_table

_FOR_CUSTOMERS = (StepAction.CREATE_SCHEDULE.value, StepAction.CREATE_INVOICE.value)
_STOPPED = (OrderState.REFUSED.value, OrderState.FAILED.value)
_CUSTOMER = "customer:"


def known(transaction: Transaction, *, connection_id: int, root_id: str) -> bool:
    """Return whether an order of this contract was ever seen."""
    return bool(
        transaction.execute(
            select(
                exists().where(
                    order_states.c.connection_id == connection_id, order_states.c.root_id == root_id
                )
            )
        ).scalar()
    )


def linked(
    transaction: Transaction, *, connection_id: int, stripe_ids: Iterable[str]
) -> dict[str, frozenset[str]]:
    """Return the contracts, by object, whose schedules, own invoices or credit notes these objects are."""
    found: dict[str, frozenset[str]] = {}
    for link in links.of_stripe_ids(transaction, connection_id=connection_id, stripe_ids=stripe_ids):
        kind, root_id = [*link.key.split(":"), ""][:2]
        if kind in links.CONTRACT_KINDS:
            found[link.stripe_id] = found.get(link.stripe_id, frozenset()) | {root_id}
    return found


def customers(transaction: Transaction, *, connection_id: int, stripe_ids: Iterable[str]) -> frozenset[str]:
    """Return which of the objects are customers of ours."""
    found = links.of_stripe_ids(transaction, connection_id=connection_id, stripe_ids=stripe_ids)
    return frozenset(link.stripe_id for link in found if link.key.startswith(_CUSTOMER))


def of_customers(
    transaction: Transaction, *, connection_id: int, customer_ids: Iterable[str]
) -> frozenset[str]:
    """Return the contracts that these customers of ours were billed for."""
    rows = transaction.execute(
        select(intents.c.root_id).where(
            intents.c.connection_id == connection_id,
            intents.c.action.in_(_FOR_CUSTOMERS),
            func.json_extract(intents.c.parameters, "$.customer").in_(sorted(customer_ids)),
        )
    )
    return frozenset(rows.scalars())


def refused_calls(transaction: Transaction, *, connection_id: int) -> tuple[tuple[str, str], ...]:
    """Return the calls that Stripe refused of contracts that stand still: contract, and what the call said.

    What it said is JSON, so that an id stands in quotation marks there.
    """
    same = and_(
        intents.c.connection_id == order_states.c.connection_id, intents.c.root_id == order_states.c.root_id
    )
    rows = transaction.execute(
        select(intents.c.root_id, intents.c.parameters, intents.c.target)
        .distinct()
        .select_from(order_states)
        .join(intents, same)
        .where(
            order_states.c.connection_id == connection_id,
            order_states.c.state.in_(_STOPPED),
            intents.c.state == "failed",
        )
    )
    return tuple((row.root_id, json.dumps([row.parameters, row.target])) for row in rows)


def call_state(transaction: Transaction, *, connection_id: int, request_key: str) -> str | None:
    """Return the state of our call with this idempotency key, None where we made none with it."""
    found: str | None = transaction.execute(
        select(intents.c.state).where(
            intents.c.connection_id == connection_id, intents.c.idempotency_key == request_key
        )
    ).scalar()
    return found


def first_linked_at(transaction: Transaction, *, connection_id: int) -> datetime | None:
    """Return since when a contract of the connection may be in Stripe, None while nothing was sent there."""
    found: datetime | None = transaction.execute(
        select(func.min(links_table.c.updated_at)).where(
            links_table.c.connection_id == connection_id,
            links_table.c.object_kind.in_(links.CONTRACT_KINDS),
        )
    ).scalar()
    return found


def running_since(transaction: Transaction, *, connection_id: int, since: datetime) -> tuple[str, ...]:
    """Return the contracts, sorted, with a schedule that ran after `since` (aware UTC) or still runs."""
    document = billing_objects.c.document
    last_end = func.json_extract(document, "$.phases.value[#-1].ends_at.value")
    rows = transaction.execute(
        select(billing_objects.c.root_id)
        .distinct()
        .where(
            billing_objects.c.connection_id == connection_id,
            func.json_extract(document, "$.kind") == "schedule",
            func.json_extract(document, "$.ended_at").is_(None),
            or_(
                func.json_extract(document, "$.end_behavior") == "release",
                last_end > since.astimezone(UTC).isoformat(),
            ),
        )
        .order_by(billing_objects.c.root_id)
    )
    return tuple(rows.scalars())
