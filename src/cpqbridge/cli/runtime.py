"""What a command works with: settings, the opened service, and the codes it ends with."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from enum import IntEnum
from typing import TYPE_CHECKING

import typer

from cpqbridge.settings import LogFormat, Settings, load_settings

if TYPE_CHECKING:
    from cpqbridge.sync.service import SyncService


class ExitCode(IntEnum):
    """How every command ends."""

    DONE = 0
    NEEDS_SOMEONE = 1
    USAGE_OR_INPUT = 2
    OUR_BUG = 3


@contextmanager
def _open_service(settings: Settings) -> Iterator[SyncService]:
    # The service brings the database and the workflow engine along, which costs a second to load.
    from cpqbridge.bootstrap import open_service  # noqa: PLC0415

    with open_service(settings) as service:
        yield service


@dataclass(frozen=True, slots=True, kw_only=True)
class Runtime:
    """Where a command gets its parts from; tests hand in others."""

    settings: Callable[[], Settings] = load_settings
    open_service: Callable[[Settings], AbstractContextManager[SyncService]] = field(default=_open_service)


def runtime_of(context: typer.Context) -> Runtime:
    """Return the parts this command was started with."""
    runtime = context.find_root().obj
    return runtime if isinstance(runtime, Runtime) else Runtime()


@contextmanager
def service_of(context: typer.Context, *, is_service: bool = False) -> Iterator[SyncService]:
    """Open the service with the settings of this process and close it again.

    With `is_service` standard error takes the log in the form of `CPQBRIDGE_LOG_FORMAT`: such a process runs
    for long, and in a container nobody reads its files.
    """
    from cpqbridge.logs import configure_logging  # noqa: PLC0415
    from cpqbridge.sync.acting import COMMAND_LINE, NOBODY, acting_as  # noqa: PLC0415 - loads the database
    from cpqbridge.sync.activity import recording  # noqa: PLC0415 - as above

    runtime = runtime_of(context)
    settings = runtime.settings()
    as_json = is_service and settings.log_format == LogFormat.JSON
    configure_logging(settings.home, level=settings.log_level, json_to_stderr=as_json)
    actor = NOBODY if is_service else COMMAND_LINE
    with runtime.open_service(settings) as service, acting_as(actor), recording(service):
        yield service
