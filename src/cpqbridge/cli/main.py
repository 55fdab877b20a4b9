"""The `cpqbridge` command: all nouns together, and the one place where errors become exit codes."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, NoReturn

import typer

from cpqbridge import __version__
from cpqbridge.cli import (
    config,
    connection,
    demo,
    order,
    pause,
    reconcile,
    rehearse,
    sandbox,
    serve,
    status,
    user,
)
from cpqbridge.cli.output import warn
from cpqbridge.cli.runtime import ExitCode, Runtime
from cpqbridge.errors import ConfigurationError, CpqbridgeError, InvariantError

application = typer.Typer(
    name="cpqbridge",
    help="Turns activated Salesforce CPQ orders into Stripe Billing, exact to the cent.",
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    add_completion=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
application.add_typer(connection.application, name="connection")
application.add_typer(order.application, name="order")
application.add_typer(config.application, name="config")
application.add_typer(sandbox.application, name="sandbox")
application.add_typer(user.application, name="user")
application.command("serve")(serve.serve)
application.command("worker")(serve.worker)
application.command("status")(status.status)
application.command("pause")(pause.pause)
application.command("resume")(pause.resume)
application.command("reconcile")(reconcile.reconcile)
application.command("rehearse")(rehearse.rehearse)
application.command("demo")(demo.demo)


def _show_version(wanted: bool) -> None:
    if wanted:
        print(f"cpqbridge {__version__}")
        raise typer.Exit


@application.callback()
def _root(
    version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Hold the options that come before the noun."""


def main(arguments: Sequence[str] | None = None, *, runtime: Runtime | None = None) -> int:
    """Run one command and return its exit code; nothing is raised.

    Args:
        arguments: The words after `cpqbridge`; those of the process when None.
        runtime: Where the command gets its parts from.
    """
    words = list(sys.argv[1:] if arguments is None else arguments)
    try:
        application(words, prog_name="cpqbridge", obj=runtime or Runtime())
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else ExitCode.DONE
    except InvariantError as error:
        return _our_bug(error)
    except CpqbridgeError as error:
        warn(error.message, fix=error.fix, request_link=error.request_link)
        return ExitCode.USAGE_OR_INPUT if isinstance(error, ConfigurationError) else ExitCode.NEEDS_SOMEONE
    except Exception as error:  # noqa: BLE001 - the last line: people get an id, the log gets the trace
        return _our_bug(error)
    return ExitCode.DONE


def run() -> NoReturn:
    """Run the command of this process and end the process with its exit code."""
    sys.exit(main())


def _our_bug(error: Exception) -> int:
    from cpqbridge.logs import log_path, unexpected  # noqa: PLC0415

    if log_path() is None:
        _start_log()
    error_id = unexpected(error)
    warn(
        f"Something went wrong inside cpqbridge that is not your fault (id {error_id}).",
        fix=f"Nothing you stored is lost. Report the id together with its entry in {log_path()}.",
    )
    return ExitCode.OUR_BUG


def _start_log() -> None:
    from cpqbridge.logs import configure_logging  # noqa: PLC0415
    from cpqbridge.settings import load_settings  # noqa: PLC0415

    try:
        home = load_settings().home
    except ConfigurationError:
        home = Path(tempfile.mkdtemp(prefix="cpqbridge-log-"))
    configure_logging(home)
