"""What Prometheus asks for: counted events of this process, and the state of the whole home.

No label holds an id of a record or a secret: their values are connection names and small closed sets.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from cpqbridge import __version__
from cpqbridge.clock import monotonic_seconds
from cpqbridge.domain.calls import CallEnd
from cpqbridge.sync.observing import RunEnd
from cpqbridge.sync.status import ConnectionStatus, Status, look

if TYPE_CHECKING:
    from cpqbridge.sync.service import SyncService

LOOK_SECONDS = 10.0
"""How long the numbers of the home are used before they are counted again."""

_CALL_BUCKETS = (0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)
_RUN_BUCKETS = (0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 900)
_TOO_MANY = 429
_REFUSED = 400
_BROKEN = 500


class Metrics:
    """The numbers of one process; an `Observer`, with a registry of its own."""

    def __init__(self, service: SyncService) -> None:
        """Count nothing yet; the home's state is read from the service's store when it is asked for."""
        self._registry = registry = CollectorRegistry(auto_describe=False)
        self._calls = Counter(
            "cpqbridge_calls", "Requests sent.", ["side", "method", "outcome"], registry=registry
        )
        self._call_seconds = Histogram(
            "cpqbridge_call_seconds",
            "How long a request took.",
            ["side"],
            buckets=_CALL_BUCKETS,
            registry=registry,
        )
        self._tries = Counter(
            "cpqbridge_new_tries", "Requests made once more, by error.", ["code"], registry=registry
        )
        self._waits = Counter(
            "cpqbridge_wait_seconds", "Time waited for limits.", ["reason"], registry=registry
        )
        self._runs = Counter("cpqbridge_runs", "Runs over one contract.", ["result"], registry=registry)
        self._run_seconds = Histogram(
            "cpqbridge_run_seconds", "How long a run took.", buckets=_RUN_BUCKETS, registry=registry
        )
        self._polls = Counter(
            "cpqbridge_polls", "Looks for orders.", ["connection", "outcome"], registry=registry
        )
        registry.register(_Home(service))

    def text(self) -> bytes:
        """Return all numbers in Prometheus's text format."""
        return generate_latest(self._registry)

    def call_ended(self, end: CallEnd, *, connection_id: int) -> None:  # noqa: ARG002 - no label names it
        """Count a request."""
        self._calls.labels(end.call.side, end.call.method, _outcome(end.status)).inc()
        self._call_seconds.labels(end.call.side).observe(end.seconds)

    def tried_again(self, *, code: str) -> None:
        """Count a new try."""
        self._tries.labels(code).inc()

    def waited(self, *, reason: str, seconds: float) -> None:
        """Add what was waited."""
        self._waits.labels(reason).inc(seconds)

    def run_ended(self, end: RunEnd) -> None:
        """Count a run."""
        self._runs.labels(end.result).inc()
        self._run_seconds.observe(end.seconds)

    def polled(self, *, connection: str, outcome: str) -> None:
        """Count a poll."""
        self._polls.labels(connection, outcome).inc()


def _outcome(status: int | None) -> str:
    if status is None:
        return "lost"
    if status == _TOO_MANY:
        return "too_many"
    if status >= _BROKEN:
        return "broken"
    return "refused" if status >= _REFUSED else "ok"


class _Home(Collector):
    """The state of the home, the same whichever of its processes is asked."""

    def __init__(self, service: SyncService) -> None:
        self._service = service
        self._guard = threading.Lock()
        self._seen: tuple[float, Status] | None = None

    def collect(self) -> Iterator[GaugeMetricFamily]:
        status = self._status()
        yield _gauge("build_info", "The release.", ["version"], [([__version__], 1)])
        queue = status.queue
        oldest = 0.0 if queue.oldest_at is None else (status.at - queue.oldest_at).total_seconds()
        yield _gauge("queue_waiting", "Runs that wait.", [], [([], queue.waiting)])
        yield _gauge("queue_running", "Runs under way.", [], [([], queue.running)])
        yield _gauge("queue_oldest_seconds", "How long the oldest run waits.", [], [([], oldest)])
        alive = sum(each.alive for each in status.workers)
        yield _gauge("workers_alive", "Workers that run on this machine.", [], [([], alive)])
        yield _gauge(
            "needs_someone",
            "1 when `cpqbridge status` names something to do.",
            [],
            [([], status.needs_someone)],
        )
        yield from _by_connection(status.connections)

    def _status(self) -> Status:
        with self._guard:
            now = monotonic_seconds()
            if self._seen is None or now - self._seen[0] >= LOOK_SECONDS:
                self._seen = (now, look(self._service))
            return self._seen[1]


def _by_connection(connections: tuple[ConnectionStatus, ...]) -> Iterator[GaugeMetricFamily]:
    for name, text, value_of in _OF_CONNECTION:
        values = [([each.name], value_of(each)) for each in connections]
        known = [(labels, value) for labels, value in values if value is not None]
        yield _gauge(name, text, ["connection"], known)
    for name, text, counts_of in _BY_STATE:
        yield _gauge(
            name,
            text,
            ["connection", "state"],
            [
                ([each.name, state], count)
                for each in connections
                for state, count in sorted(counts_of(each).items())
            ],
        )


def _last_good_poll(status: ConnectionStatus) -> float | None:
    poll = status.last_poll
    return None if poll is None or poll.succeeded_at is None else poll.succeeded_at.timestamp()


def _used(status: ConnectionStatus) -> float | None:
    return None if status.usage is None else status.usage.used


def _allowed(status: ConnectionStatus) -> float | None:
    return None if status.usage is None else status.usage.allowed


_OF_CONNECTION: tuple[tuple[str, str, Callable[[ConnectionStatus], float | None]], ...] = (
    ("orders_open", "Orders that are under way.", lambda each: each.orders.open),
    ("orders_done", "Orders that are done.", lambda each: each.orders.done),
    ("orders_needing_someone", "Orders that need someone.", lambda each: each.orders.needs_someone),
    ("live", "1 when it looks for orders by itself.", lambda each: each.live),
    ("paused", "1 in a pause.", lambda each: each.pause is not None),
    ("access_lost", "1 when a side no longer lets it in.", lambda each: each.access_lost is not None),
    ("last_poll_success_timestamp_seconds", "When the last good look for orders was.", _last_good_poll),
    ("api_calls_used", "API calls of the org, 24 hours.", _used),
    ("api_calls_allowed", "API calls it may make.", _allowed),
    ("timers_overdue", "Contracts whose day has come.", lambda each: each.timers_overdue),
    ("phases_missing", "Phases that Stripe was not given in time.", lambda each: len(each.alerts)),
    ("unsettled_calls", "Calls without a known outcome.", lambda each: each.unsettled_calls),
    ("parked_runs", "Runs that wait for the end of a pause.", lambda each: each.parked),
)
_BY_STATE: tuple[tuple[str, str, Callable[[ConnectionStatus], Mapping[str, int]]], ...] = (
    ("orders", "Orders seen, by state.", lambda each: each.orders.by_state),
    ("events", "Stored events of Stripe.", lambda each: each.events),
    ("findings", "Findings of reconcile.", lambda each: each.findings),
)


def _gauge(
    name: str, text: str, labels: list[str], values: list[tuple[list[str], float]]
) -> GaugeMetricFamily:
    family = GaugeMetricFamily(f"cpqbridge_{name}", text, labels=labels)
    for held, value in values:
        family.add_metric(held, float(value))
    return family
