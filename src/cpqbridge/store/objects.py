"""What Stripe was sent last of a contract's schedules, own invoices and credits.

An object is stored in the transaction that settles the call that sent it. Every later plan starts from these:
which orders shaped them and when, at which prices, and what they had invoiced by then.
"""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Connection as Transaction
from sqlalchemy import select
from sqlalchemy.dialects.sqlite import insert as upsert

from cpqbridge.domain.billing import BillingObject
from cpqbridge.store.plan_codec import decode_object, encode_object
from cpqbridge.store.tables import billing_objects


def save(
    transaction: Transaction, *, connection_id: int, root_id: str, sent: BillingObject, at: datetime
) -> None:
    """Store an object of the contract, or replace the one under the same key."""
    values = {"document": encode_object(sent), "updated_at": at}
    statement = upsert(billing_objects).values(
        connection_id=connection_id, root_id=root_id, key=sent.key, **values
    )
    transaction.execute(
        statement.on_conflict_do_update(index_elements=["connection_id", "root_id", "key"], set_=values)
    )


def of_contract(transaction: Transaction, *, connection_id: int, root_id: str) -> dict[str, BillingObject]:
    """Return the contract's objects by key."""
    rows = transaction.execute(
        select(billing_objects.c.key, billing_objects.c.document)
        .where(billing_objects.c.connection_id == connection_id, billing_objects.c.root_id == root_id)
        .order_by(billing_objects.c.key)
    )
    return {row.key: decode_object(row.document) for row in rows}
