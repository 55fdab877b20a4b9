"""`cpqbridge status`: how everything stands, and what to do next."""

from __future__ import annotations

import typer

from cpqbridge.cli.output import JsonOption, answer, document
from cpqbridge.cli.runtime import ExitCode, service_of


def status(context: typer.Context, as_json: JsonOption = False) -> None:
    """Say how everything stands and what to do next, without asking Salesforce or Stripe.

    Ends with 1 when somebody is needed.
    """
    from cpqbridge.sync.status import look  # noqa: PLC0415 - the other commands need none of it
    from cpqbridge.sync.status_words import status_document, status_text  # noqa: PLC0415

    with service_of(context) as service:
        found = look(service)
    if as_json:
        document(status_document(found))
    else:
        answer(status_text(found))
    if found.needs_someone:
        raise typer.Exit(ExitCode.NEEDS_SOMEONE)
