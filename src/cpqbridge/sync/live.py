"""Live sync switched on and off; a running worker sees it within a second."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import date
from typing import TYPE_CHECKING

from cpqbridge.store import connections
from cpqbridge.sync.liveness import workers

if TYPE_CHECKING:
    from cpqbridge.sync.service import SyncService


@dataclass(frozen=True, slots=True, kw_only=True)
class Switched:
    """What holds for a connection now; `start_date` (None: no limit) begins at midnight of its time zone.

    `worker_runs` tells whether a worker of the same home runs on this machine.
    """

    name: str
    is_live: bool
    was_live: bool
    start_date: date | None
    poll_seconds: int
    worker_runs: bool


def switch_live(service: SyncService, name: str | None, *, on: bool) -> Switched:
    """Set `sync.live` of a connection's configuration and leave the rest of it as it is.

    Raises:
        ConfigurationError: there is no such connection, or none was named and there are several.
    """
    configuration = service.configuration(name)
    settings = configuration.sync
    if settings.live != on:
        service.apply_configuration(name, replace(configuration, sync=replace(settings, live=on)))
    with service.store.read() as transaction:
        connection = connections.find(transaction, name)
    return Switched(
        name=connection.name,
        is_live=on,
        was_live=settings.live,
        start_date=settings.start_date,
        poll_seconds=settings.poll_seconds,
        worker_runs=any(each.alive for each in workers(service.store.home)),
    )
