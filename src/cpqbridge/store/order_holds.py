"""Holds that people put on contracts: until one is lifted, nothing of the contract is carried out."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection as Transaction
from sqlalchemy import delete, select
from sqlalchemy.dialects.sqlite import insert as upsert

from cpqbridge.domain.refusal import OrderState, Refusal
from cpqbridge.store.app_tables import order_holds

HELD_BY_PERSON = "held_by_person"
"""The code of orders of a contract that a person holds; releasing the code lifts the hold."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderHold:
    """A hold on the contract `root_id`: put on it at `order_id`, why, by whom, and when (aware UTC)."""

    root_id: str
    order_id: str
    reason: str
    actor: str
    held_at: datetime

    @property
    def words(self) -> str:
        """Return who holds the contract since when and why, in a sentence."""
        return f"{self.actor} holds the contract since {self.held_at:%Y-%m-%d %H:%M} UTC: {self.reason}"


def refusal(hold: OrderHold, *, order_id: str) -> Refusal:
    """Return what a hold says against an order of its contract."""
    return Refusal(
        code=HELD_BY_PERSON,
        message=f"{hold.words.rstrip('.')}.",
        record_id=hold.order_id,
        field="",
        fix=f"Ask {hold.actor}, then release the order.",
        order_id=order_id,
        state=OrderState.HELD,
    )


def put(transaction: Transaction, *, connection_id: int, hold: OrderHold) -> None:
    """Store a hold; one that stands already is replaced."""
    values = {"order_id": hold.order_id, "reason": hold.reason, "actor": hold.actor, "held_at": hold.held_at}
    transaction.execute(
        upsert(order_holds)
        .values(connection_id=connection_id, root_id=hold.root_id, **values)
        .on_conflict_do_update(index_elements=["connection_id", "root_id"], set_=values)
    )


def find(transaction: Transaction, *, connection_id: int, root_id: str) -> OrderHold | None:
    """Return the hold on a contract, None where there is none."""
    row = (
        transaction.execute(
            select(
                order_holds.c.root_id,
                order_holds.c.order_id,
                order_holds.c.reason,
                order_holds.c.actor,
                order_holds.c.held_at,
            ).where(order_holds.c.connection_id == connection_id, order_holds.c.root_id == root_id)
        )
        .mappings()
        .first()
    )
    return None if row is None else OrderHold(**row)


def lift(transaction: Transaction, *, connection_id: int, root_id: str) -> bool:
    """Delete the hold on a contract; return whether there was one."""
    result = transaction.execute(
        delete(order_holds).where(
            order_holds.c.connection_id == connection_id, order_holds.c.root_id == root_id
        )
    )
    return bool(result.rowcount)
