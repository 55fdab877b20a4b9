"""Everything that is stored about one order: its contract, what Stripe was sent, every run, who did what."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from cpqbridge.domain.billing import BillingObject
from cpqbridge.planning.tracks import going_on
from cpqbridge.store import audit, objects, order_holds, plans, timers
from cpqbridge.store.audit import AuditEntry
from cpqbridge.store.order_holds import OrderHold
from cpqbridge.store.plans import KeptPlan, OrderStanding
from cpqbridge.store.views import OrderDetail

if TYPE_CHECKING:
    from cpqbridge.sync.service import SyncService

RUNS = 20
ENTRIES = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderStory:
    """One order and its contract as stored; instants are aware UTC.

    `contract` are the orders of the contract by number, this one too, `sent` what Stripe was sent last by
    key. `runs` are the newest plans that were kept, newest first, `entries` what people did with the
    contract's orders. `next_at` is when the contract is looked at again by itself.
    """

    detail: OrderDetail
    contract: tuple[OrderStanding, ...]
    sent: Mapping[str, BillingObject]
    hold: OrderHold | None
    runs: tuple[KeptPlan, ...]
    entries: tuple[AuditEntry, ...]
    next_at: datetime | None


class OrderStories:
    """Reads stories; no side is asked."""

    def __init__(self, service: SyncService) -> None:
        """Read from the service's store."""
        self._service = service

    def of(self, order_id: str) -> OrderStory | None:
        """Return the story of an order by its 18-character id, None when it was never seen."""
        detail = self._service.views.detail(order_id)
        if detail is None:
            return None
        connection, root_id = detail.view.connection, detail.view.standing.root_id
        connection_id = connection.connection_id
        now = self._service.clock_of(connection).now()
        with self._service.store.read() as transaction:
            contract = plans.standings(transaction, connection_id=connection_id, root_id=root_id)
            sent = objects.of_contract(transaction, connection_id=connection_id, root_id=root_id)
            timer = timers.find(transaction, connection_id=connection_id, root_id=root_id)
            return OrderStory(
                detail=detail,
                contract=contract,
                sent={key: going_on(each, now) for key, each in sent.items()},
                hold=order_holds.find(transaction, connection_id=connection_id, root_id=root_id),
                runs=plans.latest(transaction, connection_id=connection_id, root_id=root_id, limit=RUNS),
                entries=audit.of_subjects(
                    transaction,
                    connection_id=connection_id,
                    subjects=_subjects(contract),
                    limit=ENTRIES,
                ),
                next_at=timer.due_at if timer is not None else None,
            )


def _subjects(contract: tuple[OrderStanding, ...]) -> frozenset[str]:
    """Return what entries about the contract may name it by."""
    found = ((each.order_number, each.order_id, each.contract_key, each.root_id) for each in contract)
    return frozenset(name for names in found for name in names if name)
