"""Whether this process can do its work: what a supervisor asks before it sends work or starts it anew."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sqlalchemy.exc import DBAPIError

from cpqbridge.clock import monotonic_seconds
from cpqbridge.errors import ConfigurationError

if TYPE_CHECKING:
    from cpqbridge.sync.service import SyncService

SILENT_SECONDS = 120.0
"""How long a worker's loop may take to turn once before it counts as stuck."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Readiness:
    """Whether the process is ready, and each thing that was looked at: `ok`, or what is wrong."""

    is_ready: bool
    checks: Mapping[str, str]


def readiness(service: SyncService, *, works: bool) -> Readiness:
    """Return whether the process can do its work now; `works` says that it should have a running worker.

    A pause does not matter: a person asked for it, and pages and events are still served.
    """
    checks = {"database": _database(service)}
    if works:
        checks["worker"] = _worker(service)
    return Readiness(is_ready=set(checks.values()) == {"ok"}, checks=checks)


def _database(service: SyncService) -> str:
    try:
        service.store.check()
    except ConfigurationError as error:
        return error.code
    except DBAPIError:
        return "does not answer"
    return "ok"


def _worker(service: SyncService) -> str:
    if service.turned_at is None:
        return "not started"
    silent_seconds = monotonic_seconds() - service.turned_at
    return "ok" if silent_seconds < SILENT_SECONDS else f"silent for {silent_seconds:.0f} s"
