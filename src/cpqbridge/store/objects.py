"""What Stripe was sent last of a contract's schedules, own invoices and credits.

An object is stored in the transaction that settles the call that sent it. Every later plan starts from these:
which orders shaped them and when, at which prices, and what they had invoiced by then.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import Connection as Transaction
from sqlalchemy import select
from sqlalchemy.dialects.sqlite import insert as upsert

from cpqbridge.domain.billing import BillingObject, ContractRecord
from cpqbridge.store.plan_codec import decode_object, decode_record, encode_object, encode_record
from cpqbridge.store.tables import billing_objects

_RECORD = "record"


def save(
    transaction: Transaction, *, connection_id: int, root_id: str, sent: BillingObject, at: datetime
) -> None:
    """Store an object of the contract, or replace the one under the same key."""
    place = {"connection_id": connection_id, "root_id": root_id, "key": sent.key}
    _put(transaction, place, {"document": encode_object(sent), "updated_at": at})


def save_record(
    transaction: Transaction, *, connection_id: int, root_id: str, record: ContractRecord, at: datetime
) -> None:
    """Store the contract's record of orders that change no object, or replace it."""
    place = {"connection_id": connection_id, "root_id": root_id, "key": _RECORD}
    _put(transaction, place, {"document": encode_record(record), "updated_at": at})


def record(transaction: Transaction, *, connection_id: int, root_id: str) -> ContractRecord:
    """Return the contract's record, an empty one where there is none."""
    document = transaction.execute(
        select(billing_objects.c.document).where(
            billing_objects.c.connection_id == connection_id,
            billing_objects.c.root_id == root_id,
            billing_objects.c.key == _RECORD,
        )
    ).scalar()
    return ContractRecord() if document is None else decode_record(document)


def of_contract(transaction: Transaction, *, connection_id: int, root_id: str) -> dict[str, BillingObject]:
    """Return the contract's objects by key."""
    rows = transaction.execute(
        select(billing_objects.c.key, billing_objects.c.document)
        .where(
            billing_objects.c.connection_id == connection_id,
            billing_objects.c.root_id == root_id,
            billing_objects.c.key != _RECORD,
        )
        .order_by(billing_objects.c.key)
    )
    return {row.key: decode_object(row.document) for row in rows}


def _put(transaction: Transaction, place: dict[str, Any], values: dict[str, Any]) -> None:
    statement = upsert(billing_objects).values(**place, **values)
    transaction.execute(statement.on_conflict_do_update(index_elements=list(place), set_=values))
