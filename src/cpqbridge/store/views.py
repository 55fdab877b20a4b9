"""What the pages and lists show: orders with their last plan and the Stripe objects made for them."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import Connection as Transaction
from sqlalchemy import select

from cpqbridge.domain.billing import Link, Plan
from cpqbridge.store import connections, links, plans
from cpqbridge.store.connections import Connection
from cpqbridge.store.database import Store
from cpqbridge.store.plans import OrderStanding
from cpqbridge.store.tables import order_states


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderView:
    """One order that was seen, and the last plan of its contract (None when there was none)."""

    connection: Connection
    standing: OrderStanding
    plan: Plan | None


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderDetail:
    """One order with the Stripe objects that were made for its contract, its customer among them."""

    view: OrderView
    links: tuple[Link, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderPage:
    """A part of the list of all orders; `total` counts those on all parts."""

    orders: tuple[OrderView, ...]
    total: int


class OrderViews:
    """Reads orders for pages and lists; writes nothing."""

    def __init__(self, store: Store) -> None:
        """Read from `store`."""
        self._store = store

    def page(self, *, offset: int = 0, limit: int = 100) -> OrderPage:
        """Return orders by connection name and order number, `limit` of them from `offset` on."""
        with self._store.read() as transaction:
            found = [
                (connection, standing)
                for connection in connections.list_all(transaction)
                for standing in plans.standings(transaction, connection_id=connection.connection_id)
            ]
            shown = found[offset : offset + limit]
            loaded: dict[tuple[int, int | None], Plan | None] = {}
            views = [_view(transaction, connection, standing, loaded) for connection, standing in shown]
        return OrderPage(orders=tuple(views), total=len(found))

    def detail(self, order_id: str) -> OrderDetail | None:
        """Return the order with this 18-character id, None when it was never seen."""
        with self._store.read() as transaction:
            connection_id = transaction.execute(
                select(order_states.c.connection_id).where(order_states.c.order_id == order_id)
            ).scalar()
            if connection_id is None:
                return None
            connection = connections.get(transaction, connection_id=connection_id)
            standing = plans.standings(transaction, connection_id=connection_id, order_id=order_id)[0]
            view = _view(transaction, connection, standing, {})
            found = links.of_contract(transaction, connection_id=connection_id, root_id=standing.root_id)
            if view.plan is not None:
                customer = f"customer:{view.plan.account_id}"
                found |= links.load(transaction, connection_id=connection_id, keys=[customer])
        return OrderDetail(view=view, links=tuple(found[key] for key in sorted(found)))


def _view(
    transaction: Transaction,
    connection: Connection,
    standing: OrderStanding,
    loaded: dict[tuple[int, int | None], Plan | None],
) -> OrderView:
    place = (connection.connection_id, standing.plan_id)
    if place not in loaded:
        loaded[place] = (
            None
            if standing.plan_id is None
            else plans.load_plan(
                transaction, connection_id=connection.connection_id, plan_id=standing.plan_id
            )
        )
    return OrderView(connection=connection, standing=standing, plan=loaded[place])
