"""Counting runs and requests by the hour, for the pages: added up in memory, stored every few seconds."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import TYPE_CHECKING

import structlog
from sqlalchemy.exc import DBAPIError, NoResultFound

from cpqbridge.clock import Clock, SystemClock
from cpqbridge.domain.calls import CallEnd
from cpqbridge.store import call_hours, connections, run_hours
from cpqbridge.store.call_hours import CallHour
from cpqbridge.store.connections import Connection
from cpqbridge.store.database import Store
from cpqbridge.store.run_hours import RunHour
from cpqbridge.sync.observing import RunEnd

if TYPE_CHECKING:
    from cpqbridge.sync.service import SyncService

STORED_EVERY_SECONDS = 3.0
DONE, NEEDS_SOMEONE, FAILED, PAUSED = "done", "needs someone", "failed", "paused"
RESULTS = (DONE, NEEDS_SOMEONE, FAILED)
"""What runs are counted as; those that a pause or a stop cut off go on later and are counted then."""

_GOES_ON = frozenset({PAUSED, "stopped", "lane_lost"})
_FAILED_FROM = 400

log = structlog.get_logger(__name__)


class ActivityRecorder:
    """An `Observer` that keeps hours in the store; close it at the end, else the last seconds are lost.

    What cannot be stored is kept for the next time, so that a busy database holds up no run.
    """

    def __init__(
        self,
        store: Store,
        *,
        clock_of: Callable[[Connection], Clock] | None = None,
        every_seconds: float = STORED_EVERY_SECONDS,
    ) -> None:
        """Count nothing yet; `clock_of` gives the clock that a connection lives by, else the machine's."""
        self._store = store
        self._clock_of = clock_of or (lambda _connection: SystemClock())
        self._clocks: dict[int, Clock] = {}
        self._every_seconds = every_seconds
        self._guard = threading.Lock()
        self._storing = threading.Lock()
        self._timer: threading.Timer | None = None
        self._is_closed = False
        self._runs: Counter[tuple[int, datetime, str, str]] = Counter()
        self._calls: Counter[tuple[int, datetime, str]] = Counter()
        self._failures: Counter[tuple[int, datetime, str]] = Counter()

    def call_ended(self, end: CallEnd, *, connection_id: int) -> None:
        """Count a request; one without an answer, or that was refused, is a failure."""
        place = (connection_id, self._hour(connection_id), end.call.side)
        with self._guard:
            self._calls[place] += 1
            self._failures[place] += end.status is None or end.status >= _FAILED_FROM
            self._wake()

    def run_ended(self, end: RunEnd) -> None:
        """Count a run, by what came of it and by how long its contract had waited."""
        if end.result in _GOES_ON:
            return
        result = FAILED if end.result != DONE else NEEDS_SOMEONE if end.needs_someone else DONE
        bucket = run_hours.bucket_of(end.seconds_since_seen)
        place = (end.connection_id, self._hour(end.connection_id), result, bucket)
        with self._guard:
            self._runs[place] += 1
            self._wake()

    def tried_again(self, *, code: str) -> None:
        """Count nothing."""

    def waited(self, *, reason: str, seconds: float) -> None:
        """Count nothing."""

    def polled(self, *, connection: str, outcome: str) -> None:
        """Count nothing: the last poll is in the store."""

    def flush(self) -> None:
        """Store what was counted since the last time."""
        with self._storing:
            with self._guard:
                runs, self._runs = self._runs, Counter()
                calls, self._calls = self._calls, Counter()
                failures, self._failures = self._failures, Counter()
                self._timer = None
            if not runs and not calls:
                return
            try:
                with self._store.write_lightly() as transaction:
                    run_hours.add(transaction, _run_hours(runs))
                    call_hours.add(transaction, _call_hours(calls, failures))
            except DBAPIError as error:
                log.warning("activity_not_stored", problem=str(error.orig))
                with self._guard:
                    self._runs.update(runs)
                    self._calls.update(calls)
                    self._failures.update(failures)

    def close(self) -> None:
        """Store the rest; what happens after this is not counted."""
        with self._guard:
            self._is_closed = True
            timer = self._timer
        if timer is not None:
            timer.cancel()
        self.flush()

    def _wake(self) -> None:
        """Make sure that what was counted is stored soon; the guard is held."""
        if self._timer is None and not self._is_closed:
            self._timer = threading.Timer(self._every_seconds, self.flush)
            self._timer.name = "cpqbridge-activity"
            self._timer.daemon = True
            self._timer.start()

    def _hour(self, connection_id: int) -> datetime:
        clock = self._clocks.get(connection_id)
        if clock is None:
            try:
                with self._store.read() as transaction:
                    connection = connections.get(transaction, connection_id=connection_id)
            except (NoResultFound, DBAPIError):
                return _hour_of(SystemClock())
            clock = self._clocks[connection_id] = self._clock_of(connection)
        return _hour_of(clock)


@contextmanager
def recording(service: SyncService) -> Iterator[None]:
    """Count what a service does for the length of the block."""
    recorder = ActivityRecorder(service.store, clock_of=service.clock_of)
    service.observers.add(recorder)
    try:
        yield
    finally:
        recorder.close()


def _hour_of(clock: Clock) -> datetime:
    return clock.now().replace(minute=0, second=0, microsecond=0)


def _run_hours(counted: Counter[tuple[int, datetime, str, str]]) -> list[RunHour]:
    by_place: dict[tuple[int, datetime, str], dict[str, int]] = {}
    for (connection_id, hour_at, result, bucket), runs in sorted(counted.items()):
        by_place.setdefault((connection_id, hour_at, result), {})[bucket] = runs
    return [
        RunHour(
            connection_id=connection_id,
            hour_at=hour_at,
            result=result,
            runs=sum(by_bucket.values()),
            by_bucket=by_bucket,
        )
        for (connection_id, hour_at, result), by_bucket in by_place.items()
    ]


def _call_hours(
    calls: Counter[tuple[int, datetime, str]], failures: Counter[tuple[int, datetime, str]]
) -> list[CallHour]:
    return [
        CallHour(
            connection_id=place[0], hour_at=place[1], side=place[2], calls=count, failures=failures[place]
        )
        for place, count in sorted(calls.items())
    ]
