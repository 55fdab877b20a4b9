"""`cpqbridge pause` and `cpqbridge resume`: everything stopped at once, and gone on with."""

from __future__ import annotations

from typing import Annotated

import typer

from cpqbridge.cli.output import JsonOption, answer, document
from cpqbridge.cli.runtime import service_of

ConnectionOption = Annotated[
    str | None, typer.Option("--connection", help="Only this connection; everything without it.")
]
ReasonOption = Annotated[str, typer.Option("--reason", help="Why; shown wherever something waits.")]


def pause(
    context: typer.Context,
    connection: ConnectionOption = None,
    reason: ReasonOption = "",
    as_json: JsonOption = False,
) -> None:
    """Stop everything at once: from now on no call to Salesforce or Stripe begins."""
    from cpqbridge.sync.pausing import Pausing  # noqa: PLC0415 - the other commands need none of it

    with service_of(context) as service:
        made = Pausing(service).pause(connection, reason=reason)
    if as_json:
        document(
            {"version": 1, "paused": True, "connection": connection, "reason": made.reason}
            | {"paused_at": made.paused_at.isoformat()}
        )
        return
    what = "Everything" if connection is None else connection
    named = "" if connection is None else f" --connection {connection}"
    answer(
        f"{what} is paused. A call under way ends and is recorded; no other begins.\n"
        f"To go on where it stopped: cpqbridge resume{named}"
    )


def resume(context: typer.Context, connection: ConnectionOption = None, as_json: JsonOption = False) -> None:
    """Go on after a pause: what it stopped goes on by itself where a worker runs."""
    from cpqbridge.sync.pausing import Pausing  # noqa: PLC0415 - the other commands need none of it

    with service_of(context) as service:
        was_paused = Pausing(service).resume(connection)
    if as_json:
        document({"version": 1, "paused": False, "connection": connection, "was_paused": was_paused})
    elif was_paused:
        answer("It goes on: a running worker takes up what waits within seconds.")
    else:
        answer("Nothing was paused.")
