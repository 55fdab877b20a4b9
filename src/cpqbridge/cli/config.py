"""`cpqbridge config`: the configuration of a connection, shown and applied as one YAML file."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from cpqbridge.cli.configuration_file import configuration_text, read_configuration
from cpqbridge.cli.output import JsonOption, answer, document
from cpqbridge.cli.runtime import service_of
from cpqbridge.mapping.configuration import configuration_document

application = typer.Typer(
    help="Show or apply a connection's configuration.", no_args_is_help=True, rich_markup_mode=None
)

ConnectionOption = Annotated[
    str | None, typer.Option("--connection", help="The connection; needed when there are several.")
]


@application.command("show")
def show(context: typer.Context, connection: ConnectionOption = None, as_json: JsonOption = False) -> None:
    """Print the configuration in force, ready to be edited and applied."""
    with service_of(context) as service:
        configuration = service.configuration(connection)
    if as_json:
        document(configuration_document(configuration))
    else:
        answer(configuration_text(configuration).rstrip("\n"))


@application.command("apply")
def apply(  # noqa: PLR0917 - each is one option of the command
    context: typer.Context,
    file: Annotated[Path, typer.Argument(help="Configuration file (YAML).")],
    connection: ConnectionOption = None,
    reason: Annotated[
        str, typer.Option("--reason", help="Why, for whoever reads the list of versions.")
    ] = "",
    as_json: JsonOption = False,
) -> None:
    """Check a configuration file and put it in force, as a new version."""
    from cpqbridge.sync.configure import Configure  # noqa: PLC0415 - loads the database

    configuration = read_configuration(file)
    with service_of(context) as service:
        Configure(service).save(connection, configuration, reason=reason)
    if as_json:
        document(configuration_document(configuration))
    else:
        answer("The configuration is in force. Orders already synced keep their prices and schedules.")
