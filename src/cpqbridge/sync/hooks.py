"""Stripe's events taken in: a genuine one puts the contract it names on the queue, and its data is not used.

An event that comes twice, late or never does no harm: timers do the same, and a sync does what is due once.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

import structlog

from cpqbridge.stripe_billing.webhooks import signed_event
from cpqbridge.sync.notices import Notices
from cpqbridge.sync.task import Task
from cpqbridge.sync.wake import contract_notice, contract_of_event

if TYPE_CHECKING:
    from cpqbridge.sync.service import SyncService

log = structlog.get_logger(__name__)


class StripeHook:
    """Takes in the events of one endpoint; a worker of the same home carries out what they begin."""

    def __init__(self, service: SyncService, secret: str) -> None:
        """Believe what is signed with `secret`."""
        self._service = service
        self._secret = secret

    def take(self, payload: bytes, signature: str) -> bool:
        """Queue the contract that an event names, where it is known; return whether the event is genuine."""
        event = signed_event(payload, signature, secret=self._secret)
        if event is None:
            log.warning("event_not_genuine", length_bytes=len(payload))
            return False
        tasks = list(self._tasks(event))
        notices = Notices(self._service)
        for task in tasks:
            notices.take(task.connection_id, [task.notice], because="event of Stripe")
        log.info("event_taken", type=event.get("type"), stripe_event=event.get("id"), contracts=len(tasks))
        return True

    def _tasks(self, event: Mapping[str, Any]) -> Iterator[Task]:
        for connection in self._service.connections():
            connection_id = connection.connection_id
            with self._service.store.read() as transaction:
                root_id = contract_of_event(transaction, event, connection_id=connection_id)
                if root_id is None or connection.access_lost is not None:
                    continue
                notice = contract_notice(transaction, connection_id=connection_id, root_id=root_id)
            if notice is not None:
                yield Task(connection_id=connection_id, notice=notice)
