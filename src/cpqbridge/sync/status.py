"""How everything stands, for people and for watching: read from the store only, no side is asked."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING

from cpqbridge.clock import Clock, SystemClock
from cpqbridge.store import api_usage, overview, pauses, polls
from cpqbridge.store.api_usage import KnownUsage
from cpqbridge.store.connections import Connection
from cpqbridge.store.overview import OrderCounts, OrderInNeed
from cpqbridge.store.pauses import Pause
from cpqbridge.store.polls import PollOutcome
from cpqbridge.sync import liveness
from cpqbridge.sync.durable import QueueDepth, queue_depth
from cpqbridge.sync.liveness import SeenWorker

if TYPE_CHECKING:
    from cpqbridge.sync.service import SyncService

LONG_QUEUED = timedelta(minutes=15)
"""An order that is queued for longer, while nothing is paused, deserves a look."""

SILENT = timedelta(minutes=2)
"""A worker that lives but did not turn for so long is stuck."""

_NAMED_AT_MOST = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class ConnectionStatus:
    """How one connection stands at `at`; times are aware UTC, by the connection's clock.

    `alerts` are phases that Stripe was not given in time, `lost` contracts that were worked on without an
    order being shown (there are none), `parked` runs that wait for the end of a pause.
    """

    name: str
    at: datetime
    live: bool
    orders: OrderCounts
    in_need: tuple[OrderInNeed, ...]
    pause: Pause | None
    access_lost: str | None
    last_poll: PollOutcome | None
    usage: KnownUsage | None
    api_share: Decimal
    timers_overdue: int
    next_timer_at: datetime | None
    events: Mapping[str, int]
    findings: Mapping[str, int]
    alerts: tuple[str, ...]
    unsettled_calls: int
    parked: int
    oldest_queued_at: datetime | None
    lost: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Status:
    """How everything stands at `at` (aware UTC, by the machine's clock).

    `what_to_do` is what people should do next, most urgent first; empty when nobody is needed.
    """

    at: datetime
    connections: tuple[ConnectionStatus, ...]
    queue: QueueDepth
    workers: tuple[SeenWorker, ...]
    dead_with_work: tuple[str, ...]
    what_to_do: tuple[str, ...]

    @property
    def needs_someone(self) -> bool:
        """Return whether a person should do something."""
        return bool(self.what_to_do)


def look(service: SyncService, *, machine_clock: Clock | None = None) -> Status:
    """Return how everything stands now."""
    at = (machine_clock or SystemClock()).now()
    depth, workers = queue_depth(service.store.home), liveness.workers(service.store.home)
    dead = tuple(each.name for each in workers if not each.alive and each.name in depth.workers)
    connections = tuple(_look_at(service, connection) for connection in service.connections())
    return Status(
        at=at,
        connections=connections,
        queue=depth,
        workers=workers,
        dead_with_work=dead,
        what_to_do=(
            *_about_workers(connections, depth, workers, at),
            *(advice for each in connections for advice in _about(each)),
        ),
    )


def _look_at(service: SyncService, connection: Connection) -> ConnectionStatus:
    connection_id, now = connection.connection_id, service.clock_of(connection).now()
    settings = service.configuration(connection.name).sync
    with service.store.read() as transaction:
        overdue, next_timer_at = overview.timers_due(transaction, connection_id=connection_id, at=now)
        return ConnectionStatus(
            name=connection.name,
            at=now,
            live=settings.live,
            orders=overview.order_counts(transaction, connection_id=connection_id),
            in_need=overview.in_need(transaction, connection_id=connection_id, limit=_NAMED_AT_MOST),
            pause=service.gate.pause_of(connection_id),
            access_lost=connection.access_lost,
            last_poll=polls.find(transaction, connection_id=connection_id),
            usage=api_usage.find(transaction, connection_id=connection_id),
            api_share=settings.api_share,
            timers_overdue=overdue,
            next_timer_at=next_timer_at,
            events=overview.events_by_state(transaction, connection_id=connection_id),
            findings=overview.findings_by_state(transaction, connection_id=connection_id),
            alerts=tuple(each.text for each in service.views.missing_phases(connection_id, now=now)),
            unsettled_calls=overview.unsettled_calls(transaction, connection_id=connection_id),
            parked=pauses.count_parked(transaction, connection_id=connection_id),
            oldest_queued_at=overview.oldest_queued_at(transaction, connection_id=connection_id),
            lost=overview.contracts_without_orders(transaction, connection_id=connection_id),
        )


def _about_workers(
    connections: tuple[ConnectionStatus, ...],
    depth: QueueDepth,
    workers: tuple[SeenWorker, ...],
    at: datetime,
) -> Iterator[str]:
    alive = [each for each in workers if each.alive]
    live = [each.name for each in connections if each.live and each.pause is None]
    waits = depth.waiting + depth.running + sum(each.timers_overdue + each.parked for each in connections)
    if not alive and (live or waits):
        why = f"{', '.join(live)} should sync by itself" if live else f"{_counted(waits, 'contract')} waiting"
        yield f"No worker runs on this machine, and {why}: start `cpqbridge serve` or `cpqbridge worker`."
    for each in alive:
        if at - each.turned_at > SILENT:
            yield (
                f"{each.name} lives but has done nothing since {each.turned_at:%Y-%m-%d %H:%M:%S} UTC: look "
                "into its log, then stop and start it; nothing is done twice."
            )


def _about(status: ConnectionStatus) -> Iterator[str]:
    name, orders = status.name, status.orders
    if not orders.adds_up or status.lost:
        yield (
            f"{name}: the numbers do not add up ({orders.seen} orders seen, {orders.open} open, "
            f"{orders.done} done, {orders.needs_someone} need someone; contracts without an order: "
            f"{', '.join(status.lost[:_NAMED_AT_MOST]) or 'none'}). Report this text; `cpqbridge reconcile` "
            "compares every contract."
        )
    if status.access_lost is not None:
        yield f"{name}: access was lost ({status.access_lost}) Renew it with `cpqbridge connection check`."
    if status.pause is not None:
        named = "" if status.pause.scope == pauses.EVERYTHING else f" --connection {name}"
        yield f"{name}: {pauses.waits_because(status.pause)} Go on with `cpqbridge resume{named}`."
    if status.last_poll is not None and status.last_poll.code:
        poll = status.last_poll
        yield f"{name}: looking for orders fails ({poll.code}): {poll.message} {poll.fix}".rstrip()
    yield from (f"{name}: {alert}" for alert in status.alerts)
    if orders.needs_someone:
        named = ", ".join(f"{each.order_number} ({each.code or each.state})" for each in status.in_need)
        more = "" if orders.needs_someone <= len(status.in_need) else ", …"
        yield (
            f"{name}: somebody is needed for {_counted(orders.needs_someone, 'order')}: {named}{more}. "
            "`cpqbridge order list` says what to do about each."
        )
    open_findings = status.findings.get("open", 0)
    if open_findings:
        yield f"{name}: {_counted(open_findings, 'open difference')}; see `cpqbridge reconcile`."
    oldest = status.oldest_queued_at
    if status.pause is None and oldest is not None and status.at - oldest > LONG_QUEUED:
        yield (
            f"{name}: an order is queued since {oldest:%Y-%m-%d %H:%M} UTC. With a worker running, look into "
            "its log for that order; `cpqbridge order sync` does it at once."
        )


def _counted(count: int, what: str) -> str:
    return f"{count} {what}" if count == 1 else f"{count} {what}s"
