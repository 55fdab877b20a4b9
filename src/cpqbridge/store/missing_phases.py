"""Contracts of which Stripe lacks a phase that begins soon, or has begun."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection as Transaction
from sqlalchemy import func, select

from cpqbridge.planning.unloaded import missing_phase_at
from cpqbridge.store.plan_codec import decode_object
from cpqbridge.store.tables import billing_objects


@dataclass(frozen=True, slots=True, kw_only=True)
class MissingPhase:
    """A phase of the contract `root_id` that Stripe was not given; it begins at `begins_at` (aware UTC)."""

    root_id: str
    key: str
    begins_at: datetime

    @property
    def text(self) -> str:
        """Return what is wrong, and what to do."""
        return (
            f"Alert: Stripe was not given the phase that begins on {self.begins_at:%Y-%m-%d}, and would go "
            "on with the one before. See why the contract is not synced (worker, access, holds), and sync it."
        )


def missing_phases(
    transaction: Transaction,
    *,
    connection_id: int,
    now: datetime,
    root_ids: Collection[str] | None = None,
) -> tuple[MissingPhase, ...]:
    """Return what Stripe lacks at `now` (aware UTC), by contract; of all contracts unless they are named."""
    query = select(billing_objects.c.root_id, billing_objects.c.key, billing_objects.c.document).where(
        billing_objects.c.connection_id == connection_id,
        func.json_extract(billing_objects.c.document, "$.loaded").is_not(None),
    )
    if root_ids is not None:
        query = query.where(billing_objects.c.root_id.in_(sorted(root_ids)))
    found = []
    for row in transaction.execute(query.order_by(billing_objects.c.root_id, billing_objects.c.key)):
        begins_at = missing_phase_at(decode_object(row.document), now)
        if begins_at is not None:
            found.append(MissingPhase(root_id=row.root_id, key=row.key, begins_at=begins_at))
    return tuple(found)
