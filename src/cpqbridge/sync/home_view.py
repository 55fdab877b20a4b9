"""How the home stands, for the pages people open in the morning: from the store, no side is asked."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING

from cpqbridge.clock import SystemClock
from cpqbridge.mapping.policies import SyncSettings
from cpqbridge.store import alerts, api_usage, call_hours, overview, pauses, polls, run_hours
from cpqbridge.store.alerts import Trouble
from cpqbridge.store.api_usage import KnownUsage
from cpqbridge.store.connections import Connection
from cpqbridge.store.pauses import EVERYTHING, Pause
from cpqbridge.store.polls import PollOutcome
from cpqbridge.store.run_hours import RunHour, added, seconds_within
from cpqbridge.sync import liveness
from cpqbridge.sync.activity import RESULTS
from cpqbridge.sync.alert_conditions import Moment, judge
from cpqbridge.sync.alert_kinds import AlertKind
from cpqbridge.sync.durable import QueueDepth, queue_depth
from cpqbridge.sync.liveness import SeenWorker
from cpqbridge.sync.status import SILENT

if TYPE_CHECKING:
    from cpqbridge.sync.service import SyncService

HALF, MOST = 0.5, 0.95
_NEXT_TIMERS = 5
_HOUR = timedelta(hours=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Hour:
    """The runs of an hour that began at `at` (aware UTC), by what came of them."""

    at: datetime
    runs: Mapping[str, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class SideCalls:
    """The requests to a side in the time shown, and how many of them failed."""

    side: str
    calls: int
    failures: int


@dataclass(frozen=True, slots=True, kw_only=True)
class NextTimer:
    """An order whose contract is looked at again by itself at `due_at` (aware UTC)."""

    order_id: str
    order_number: str
    due_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class ConnectionNow:
    """One connection at `at` (aware UTC, by its own clock).

    `half_seconds` and `most_seconds` are within how many seconds of being seen half and 95 % of the runs were
    done; None without runs, infinity beyond an hour. `troubles` are what somebody should look at.
    """

    connection: Connection
    at: datetime
    live: bool
    api_share: Decimal
    pause: Pause | None
    parked: int
    poll: PollOutcome | None
    usage: KnownUsage | None
    by_state: Mapping[str, int]
    needs_someone: int
    differences: int
    oldest_queued_at: datetime | None
    timers: tuple[NextTimer, ...]
    hours: tuple[Hour, ...]
    half_seconds: float | None
    most_seconds: float | None
    calls: tuple[SideCalls, ...]
    troubles: tuple[Trouble, ...]

    @property
    def runs(self) -> int:
        """Return how many runs ended in the time shown."""
        return sum(sum(hour.runs.values()) for hour in self.hours)

    @property
    def is_paused_by_itself(self) -> bool:
        """Return whether the pause is of this connection and not of everything."""
        return self.pause is not None and self.pause.scope != EVERYTHING


@dataclass(frozen=True, slots=True, kw_only=True)
class HomeNow:
    """The whole home at `at` (aware UTC, by the machine's clock)."""

    at: datetime
    connections: tuple[ConnectionNow, ...]
    queue: QueueDepth
    workers: tuple[SeenWorker, ...]
    everything_paused: Pause | None

    @property
    def working(self) -> tuple[SeenWorker, ...]:
        """Return the workers that live and turn."""
        return tuple(each for each in self.workers if each.alive and self.at - each.turned_at <= SILENT)

    @property
    def needs_someone(self) -> int:
        """Return how many orders wait for somebody."""
        return sum(each.needs_someone for each in self.connections)

    @property
    def is_well(self) -> bool:
        """Return whether nobody is needed."""
        return not any(each.troubles or each.pause for each in self.connections)


def look_at_home(service: SyncService, *, hours: int) -> HomeNow:
    """Return how everything stands, with the activity of so many hours up to now."""
    workers = liveness.workers(service.store.home)
    with service.store.read() as transaction:
        everything = pauses.standing(transaction).get(EVERYTHING)
    return HomeNow(
        at=SystemClock().now(),
        connections=tuple(_look(service, each, workers, hours) for each in service.connections()),
        queue=queue_depth(service.store.home),
        workers=workers,
        everything_paused=everything,
    )


def _look(
    service: SyncService, connection: Connection, workers: tuple[SeenWorker, ...], hours: int
) -> ConnectionNow:
    connection_id, now = connection.connection_id, service.clock_of(connection).now()
    first = now.replace(minute=0, second=0, microsecond=0) - (hours - 1) * _HOUR
    settings = service.configuration(connection.name).sync
    troubles = _troubles(service, connection, settings, workers)
    with service.store.read() as transaction:
        ran = run_hours.since(transaction, connection_id=connection_id, at=first)
        called = call_hours.since(transaction, connection_id=connection_id, at=first)
        buckets: dict[str, int] = {}
        for each in ran:
            buckets = added(buckets, each.by_bucket)
        return ConnectionNow(
            connection=connection,
            at=now,
            live=settings.live,
            api_share=settings.api_share,
            pause=service.gate.pause_of(connection_id),
            parked=pauses.count_parked(transaction, connection_id=connection_id),
            poll=polls.find(transaction, connection_id=connection_id),
            usage=api_usage.find(transaction, connection_id=connection_id),
            by_state=overview.orders_by_state(transaction, connection_id=connection_id),
            needs_someone=_items(troubles, _OF_ORDERS),
            differences=_items(troubles, (AlertKind.DIFFERENCES_FOUND,)),
            oldest_queued_at=overview.oldest_queued_at(transaction, connection_id=connection_id),
            timers=tuple(
                NextTimer(order_id=order_id, order_number=number, due_at=due_at)
                for order_id, number, due_at in overview.next_timers(
                    transaction, connection_id=connection_id, limit=_NEXT_TIMERS
                )
            ),
            hours=_by_hour(ran, first, hours),
            half_seconds=seconds_within(buckets, HALF),
            most_seconds=seconds_within(buckets, MOST),
            calls=tuple(
                SideCalls(
                    side=side,
                    calls=sum(each.calls for each in called if each.side == side),
                    failures=sum(each.failures for each in called if each.side == side),
                )
                for side in ("salesforce", "stripe")
            ),
            troubles=troubles,
        )


_OF_ORDERS = (AlertKind.ORDERS_NEED_SOMEONE, AlertKind.PROOF_MISMATCH, AlertKind.SALESFORCE_NOT_TOLD)


def _troubles(
    service: SyncService, connection: Connection, sync: SyncSettings, workers: tuple[SeenWorker, ...]
) -> tuple[Trouble, ...]:
    """Return what is wrong now; missing phases as last looked for, since that reads every contract."""
    with service.store.read() as transaction:
        lasting = alerts.open_alerts(transaction, connection_id=connection.connection_id)
    kinds = frozenset(each.kind for each in lasting)
    moment = Moment(workers=workers, idle_at=None, lasting=kinds, with_phases=False)
    phases = tuple(
        Trouble(kind=each.kind, message=each.message, fix=each.fix, items=each.items)
        for each in lasting
        if each.kind == AlertKind.PHASE_MISSING
    )
    return (*judge(service, connection, sync, moment), *phases)


def _items(troubles: Iterable[Trouble], kinds: tuple[AlertKind, ...]) -> int:
    return sum(len(each.items) for each in troubles if each.kind in kinds)


def _by_hour(ran: Iterable[RunHour], first: datetime, hours: int) -> tuple[Hour, ...]:
    runs: dict[datetime, dict[str, int]] = {}
    for each in ran:
        runs.setdefault(each.hour_at, {})[each.result] = each.runs
    return tuple(
        Hour(at=at, runs={result: runs.get(at, {}).get(result, 0) for result in RESULTS})
        for at in (first + place * _HOUR for place in range(hours))
    )
