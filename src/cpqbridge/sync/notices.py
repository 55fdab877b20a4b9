"""The one entry for whatever says that a contract is to be looked at: polls, timers, events, people, push.

A notice names a contract and carries no data: the sync reads everything fresh.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

import structlog

from cpqbridge.mapping.raw import OrderNotice
from cpqbridge.store import connections, noticed
from cpqbridge.store.noticed import NoticedOrder
from cpqbridge.sync.allowance import Purpose
from cpqbridge.sync.durable import partition_of
from cpqbridge.sync.task import Task, root_of
from cpqbridge.sync.wake import contract_notice

if TYPE_CHECKING:
    from cpqbridge.sync.service import SyncService

log = structlog.get_logger(__name__)


class Notices:
    """Stores notices, collapses those of one contract, and puts contracts on the queue.

    One instance serves one occasion: it asks once which contracts wait already, since whatever waits then
    will see all that was noticed before.
    """

    def __init__(self, service: SyncService) -> None:
        """Take notices for the connections of `service`; nothing is asked yet."""
        self._service = service
        self._queued: set[str] | None = None

    def take(
        self,
        connection_id: int,
        notices: Sequence[OrderNotice],
        *,
        because: str,
        purpose: Purpose = Purpose.BACKGROUND,
    ) -> int:
        """Make sure that the contracts of these orders are synced; return how many were put on the queue.

        Every order is stored before its contract is queued. A contract that waits already is not queued
        twice; one that a run is working on is queued once more. `because` is for the log,
        `purpose` says for whom the org is called.
        """
        if not notices:
            return 0
        with self._service.store.read() as transaction:
            connection = connections.get(transaction, connection_id=connection_id)
        now = self._service.clock_of(connection).now()
        with self._service.store.write() as transaction:
            orders = [_noticed(notice) for notice in notices]
            noticed.note(transaction, connection_id=connection_id, orders=orders, at=now)
        count = 0
        for notice in {root_of(each): each for each in reversed(notices)}.values():
            count += self.queue(Task(connection_id=connection_id, notice=notice, purpose=purpose))
        if count:
            log.info("contracts_queued", connection=connection.name, because=because, contracts=count)
        return count

    def take_contracts(
        self,
        connection_id: int,
        root_ids: Iterable[str],
        *,
        because: str,
        purpose: Purpose = Purpose.BACKGROUND,
    ) -> int:
        """Do the same for contracts that are known here, by their root ids; others are passed over."""
        with self._service.store.read() as transaction:
            found = [
                contract_notice(transaction, connection_id=connection_id, root_id=root_id)
                for root_id in sorted(set(root_ids))
            ]
        known = [notice for notice in found if notice is not None]
        return self.take(connection_id, known, because=because, purpose=purpose)

    def queue(self, task: Task) -> bool:
        """Put a run on the queue unless its contract waits there; return whether it was put there."""
        engine = self._service.engine()
        if self._queued is None:
            self._queued = set(engine.waiting_partitions())
        document = task.as_document()
        partition = partition_of(document)
        if partition in self._queued:
            return False
        engine.enqueue(document, root_id=task.root_id, partition=partition)
        self._queued.add(partition)
        return True


def _noticed(notice: OrderNotice) -> NoticedOrder:
    return NoticedOrder(
        order_id=notice.order_id,
        order_number=notice.order_number,
        root_id=root_of(notice),
        contract_key=notice.contract_id or notice.order_id,
        stamp=notice.modified_at,
        account_name=notice.account_name,
    )
