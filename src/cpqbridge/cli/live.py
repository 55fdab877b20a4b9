"""`cpqbridge connection live`: whether a worker looks for orders by itself."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import typer

from cpqbridge.cli.output import JsonOption, answer, document
from cpqbridge.cli.runtime import service_of


class Switch(StrEnum):
    """On or off."""

    ON = "on"
    OFF = "off"


def live(
    context: typer.Context,
    switch: Annotated[Switch, typer.Argument(help="on or off.", show_default=False)],
    name: Annotated[str | None, typer.Argument(help="The connection; needed when there are several.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Switch on or off that a worker looks for activated orders by itself (sync.live).

    Off, what was begun is still finished, and single orders can be synced by hand.
    """
    from cpqbridge.sync.live import switch_live  # noqa: PLC0415 - the other commands need none of it

    with service_of(context) as service:
        switched = switch_live(service, name, on=switch is Switch.ON)
    if as_json:
        document(
            {
                "version": 1,
                "connection": switched.name,
                "live": switched.is_live,
                "was_live": switched.was_live,
                "start_date": switched.start_date.isoformat() if switched.start_date else None,
                "poll_seconds": switched.poll_seconds,
                "worker_runs": switched.worker_runs,
            }
        )
        return
    if not switched.is_live:
        answer(f"{switched.name} is not live: no order is looked for. What was begun is finished.")
        return
    since = f"activated on or after {switched.start_date}" if switched.start_date else "whenever activated"
    answer(
        f"{switched.name} is live: a worker looks for orders every {switched.poll_seconds} s, {since}."
        + ("" if switched.worker_runs else "\nNo worker runs on this machine: start `cpqbridge serve`.")
    )
