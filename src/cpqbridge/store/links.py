"""Links: which Stripe object stands for what, and the fingerprint of what was last sent for it."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from sqlalchemy import Connection as Transaction
from sqlalchemy import delete, select, union_all
from sqlalchemy.dialects.sqlite import insert as upsert

from cpqbridge.domain.billing import Link
from cpqbridge.store.tables import links

_CHUNK = 500
CONTRACT_KINDS = ("schedule", "invoice", "invoice_lines", "invoice_final", "credit_note")
"""Kinds whose keys name the contract: `<kind>:<root id>:…`."""


def save(transaction: Transaction, *, connection_id: int, link: Link, at: datetime) -> None:
    """Store a link, or replace the one under the same key."""
    values = {
        "object_kind": link.key.partition(":")[0],
        "stripe_id": link.stripe_id,
        "fingerprint": link.fingerprint,
        "updated_at": at,
    }
    statement = upsert(links).values(connection_id=connection_id, key=link.key, **values)
    transaction.execute(statement.on_conflict_do_update(index_elements=["connection_id", "key"], set_=values))


def forget(transaction: Transaction, *, connection_id: int, stripe_ids: Iterable[str]) -> None:
    """Drop the links to customers, products and prices that Stripe does not have (any more)."""
    transaction.execute(
        delete(links).where(
            links.c.connection_id == connection_id,
            links.c.stripe_id.in_(list(stripe_ids)),
            links.c.object_kind.not_in(CONTRACT_KINDS),
        )
    )


def drop(transaction: Transaction, *, connection_id: int, stripe_id: str) -> None:
    """Drop the links to one object that is to be made anew, of a contract's too."""
    transaction.execute(
        delete(links).where(links.c.connection_id == connection_id, links.c.stripe_id == stripe_id)
    )


def load(transaction: Transaction, *, connection_id: int, keys: Iterable[str]) -> dict[str, Link]:
    """Return the links that exist under these keys."""
    wanted = sorted(set(keys))
    found: dict[str, Link] = {}
    for start in range(0, len(wanted), _CHUNK):
        rows = transaction.execute(
            select(links.c.key, links.c.stripe_id, links.c.fingerprint).where(
                links.c.connection_id == connection_id, links.c.key.in_(wanted[start : start + _CHUNK])
            )
        )
        found |= {
            row.key: Link(key=row.key, stripe_id=row.stripe_id, fingerprint=row.fingerprint) for row in rows
        }
    return found


def of_stripe_ids(
    transaction: Transaction, *, connection_id: int, stripe_ids: Iterable[str]
) -> tuple[Link, ...]:
    """Return the links to these Stripe objects by key; one object may stand under several."""
    wanted = sorted(set(stripe_ids))
    found: list[Link] = []
    for start in range(0, len(wanted), _CHUNK):
        rows = transaction.execute(
            select(links.c.key, links.c.stripe_id, links.c.fingerprint).where(
                links.c.connection_id == connection_id,
                links.c.stripe_id.in_(wanted[start : start + _CHUNK]),
            )
        )
        found += [Link(key=row.key, stripe_id=row.stripe_id, fingerprint=row.fingerprint) for row in rows]
    return tuple(sorted(found, key=lambda link: link.key))


def of_contract(transaction: Transaction, *, connection_id: int, root_id: str) -> dict[str, Link]:
    """Return the links whose keys name the contract: its schedules, invoices and credits."""
    prefixes = [f"{kind}:{root_id}:" for kind in CONTRACT_KINDS]
    # Ranges instead of LIKE, and a select for each: of one with OR, all links of the connection are read.
    ranges = [
        select(links.c.key, links.c.stripe_id, links.c.fingerprint).where(
            links.c.connection_id == connection_id, links.c.key.between(prefix, prefix + "\U0010ffff")
        )
        for prefix in prefixes
    ]
    rows = transaction.execute(union_all(*ranges))
    return {row.key: Link(key=row.key, stripe_id=row.stripe_id, fingerprint=row.fingerprint) for row in rows}
