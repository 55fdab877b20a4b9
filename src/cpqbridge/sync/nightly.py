"""What a worker does once a night for each live connection, by the connection's own clock and time zone."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

import structlog

from cpqbridge.store import cursors
from cpqbridge.sync.finding import Finder
from cpqbridge.sync.housekeeping import Housekeeping
from cpqbridge.sync.ports import OpenConnection
from cpqbridge.sync.reconcile import Reconciler

if TYPE_CHECKING:
    from cpqbridge.sync.service import SyncService

BEGINS = time(hour=2)
"""When the night's work begins, local time of `policy.time_zone`."""

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class NightlyJob:
    """Work to be done once a night. `name` is short; what `run` returns is a number for the log."""

    name: str
    run: Callable[[OpenConnection], int]


def nightly_jobs(service: SyncService) -> tuple[NightlyJob, ...]:
    """Return the jobs of a night in the order they are done."""
    return (
        NightlyJob(name="sweep", run=Finder(service).sweep),
        NightlyJob(name="reconcile", run=Reconciler(service).nightly),
        NightlyJob(name="sync records", run=Housekeeping(service).prune_sync_records),
    )


class Night:
    """Does the jobs that were not done yet since the last night began."""

    def __init__(self, service: SyncService, jobs: Sequence[NightlyJob] | None = None) -> None:
        """Prepare; `jobs` are those of `nightly_jobs` unless others are given."""
        self._service = service
        self._jobs = nightly_jobs(service) if jobs is None else tuple(jobs)

    def due(self, opened: OpenConnection) -> tuple[NightlyJob, ...]:
        """Return the jobs to be done now. A connection's first night is the one after it is seen first."""
        now = self._service.clock_of(opened.connection).now()
        began = night_began(now, opened.configuration.policy.time_zone)
        found = []
        for job in self._jobs:
            with self._service.store.read() as transaction:
                done_at = cursors.read(transaction, connection_id=opened.connection_id, name=_cursor(job))
            if done_at is None:
                self._keep_done(opened, job, now)
            elif done_at < began:
                found.append(job)
        return tuple(found)

    def work(self, opened: OpenConnection, jobs: Sequence[NightlyJob]) -> None:
        """Do these jobs; one that fails is due again, and the ones after it are not done before it."""
        for job in jobs:
            began = self._service.clock_of(opened.connection).now()
            count = job.run(opened)
            self._keep_done(opened, job, began)
            log.info("nightly_job_done", connection=opened.connection.name, job=job.name, count=count)

    def _keep_done(self, opened: OpenConnection, job: NightlyJob, at: datetime) -> None:
        with self._service.store.write() as transaction:
            cursors.move(transaction, connection_id=opened.connection_id, name=_cursor(job), instant=at)


def night_began(now: datetime, time_zone: str) -> datetime:
    """Return when the last night's work was to begin, at `now` or before (both aware, UTC)."""
    local = now.astimezone(ZoneInfo(time_zone))
    begin = datetime.combine(local.date(), BEGINS, tzinfo=local.tzinfo)
    if begin > local:
        begin = datetime.combine(local.date() - timedelta(days=1), BEGINS, tzinfo=local.tzinfo)
    return begin.astimezone(UTC)


def _cursor(job: NightlyJob) -> str:
    return f"night {job.name}"
