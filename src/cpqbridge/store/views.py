"""What pages and lists show: orders with their plans, read in one go."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime

from sqlalchemy import select

from cpqbridge.domain.billing import Link, Plan
from cpqbridge.domain.refusal import OrderState
from cpqbridge.store import connections, links, order_lists, pauses, plans
from cpqbridge.store.connections import Connection
from cpqbridge.store.database import Store
from cpqbridge.store.missing_phases import MissingPhase, missing_phases
from cpqbridge.store.order_lists import FoundOrder, FoundOrders, OrderSearch, OrderSort
from cpqbridge.store.pauses import Pause
from cpqbridge.store.plans import OrderStanding
from cpqbridge.store.tables import order_states

__all__ = [
    "Connection",
    "FoundOrder",
    "FoundOrders",
    "MissingPhase",
    "OrderDetail",
    "OrderSearch",
    "OrderSort",
    "OrderStanding",
    "OrderView",
    "OrderViews",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderView:
    """One order, the plan it was last part of (None when there never was one), and its connection."""

    standing: OrderStanding
    plan: Plan | None
    connection: Connection


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderDetail:
    """One order and the Stripe objects of its contract by key: schedules, invoices, credits.

    `OrderViews.detail` puts the customer in front.
    """

    view: OrderView
    links: tuple[Link, ...]


class OrderViews:
    """Reads orders for showing them."""

    def __init__(self, store: Store) -> None:
        """Read from `store`."""
        self._store = store

    def search(self, wanted: OrderSearch) -> FoundOrders:
        """Return one page of a list of orders; in a pause, what is queued says what it waits for."""
        with self._store.read() as transaction:
            paused = pauses.standing(transaction)
            found = order_lists.search(transaction, wanted)
        return replace(found, rows=tuple(_told(row, paused) for row in found.rows))

    def every(self, wanted: OrderSearch) -> Iterator[FoundOrder]:
        """Yield every order of a list, all from one moment; the database is read while it is iterated."""
        with self._store.read() as transaction:
            paused = pauses.standing(transaction)
            for row in order_lists.every(transaction, wanted):
                yield _told(row, paused)

    def connections(self) -> tuple[Connection, ...]:
        """Return all connections by name."""
        with self._store.read() as transaction:
            return connections.list_all(transaction)

    def of_connection(self, connection_id: int) -> tuple[OrderDetail, ...]:
        """Return every order of a connection by order number, each with its contract's newest plan."""
        with self._store.read() as transaction:
            known = {each.connection_id: each for each in connections.list_all(transaction)}
            found = plans.standings(transaction, connection_id=connection_id)
            newest: dict[str, Plan] = {}
            for plan_id in sorted({each.plan_id for each in found if each.plan_id is not None}):
                plan = plans.load_plan(transaction, connection_id=connection_id, plan_id=plan_id)
                if plan is not None:
                    newest[plan.root_id] = plan
            own = {
                root_id: links.of_contract(transaction, connection_id=connection_id, root_id=root_id)
                for root_id in newest
            }
        return tuple(
            OrderDetail(
                view=OrderView(
                    standing=each,
                    plan=newest.get(each.root_id) if each.plan_id is not None else None,
                    connection=known[connection_id],
                ),
                links=tuple(own.get(each.root_id, {}).values()),
            )
            for each in found
        )

    def missing_phases(
        self, connection_id: int, *, now: datetime, root_ids: Collection[str] | None = None
    ) -> tuple[MissingPhase, ...]:
        """Return the phases that Stripe should have been given; see `store.missing_phases`."""
        with self._store.read() as transaction:
            return missing_phases(transaction, connection_id=connection_id, now=now, root_ids=root_ids)

    def numbers(self, order_ids: Collection[str]) -> Mapping[str, str]:
        """Return the order numbers of those of these orders that were ever seen, by id."""
        with self._store.read() as transaction:
            rows = transaction.execute(
                select(order_states.c.order_id, order_states.c.order_number).where(
                    order_states.c.order_id.in_(sorted(order_ids))
                )
            )
            return {row.order_id: row.order_number for row in rows}

    def detail(self, order_id: str) -> OrderDetail | None:
        """Return one order by its 18-character id, None when it was never seen."""
        with self._store.read() as transaction:
            for connection in connections.list_all(transaction):
                connection_id = connection.connection_id
                found = plans.standings(transaction, connection_id=connection_id, order_id=order_id)
                if not found:
                    continue
                pause = pauses.of_connection(pauses.standing(transaction), connection_id)
                standing, plan = pauses.told(found[0], pause), None
                if standing.plan_id is not None:
                    plan = plans.load_plan(transaction, connection_id=connection_id, plan_id=standing.plan_id)
                own = links.of_contract(transaction, connection_id=connection_id, root_id=standing.root_id)
                customer = f"customer:{plan.account_id}" if plan is not None else ""
                first = links.load(transaction, connection_id=connection_id, keys=[customer])
                return OrderDetail(
                    view=OrderView(standing=standing, plan=plan, connection=connection),
                    links=(*first.values(), *(own[key] for key in sorted(own))),
                )
        return None


def _told(row: FoundOrder, paused: Mapping[str, Pause]) -> FoundOrder:
    pause = pauses.of_connection(paused, row.connection_id)
    if pause is None or row.state is not OrderState.QUEUED:
        return row
    return replace(row, message=pauses.waits_because(pause), fix=pauses.GOES_ON)
