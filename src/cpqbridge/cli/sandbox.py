"""`cpqbridge sandbox`: a simulated Salesforce org or Stripe account of your own, and CPQ's desk."""

from __future__ import annotations

import json
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cpqbridge.cli import sandbox_cpq
from cpqbridge.cli.output import answer, note
from cpqbridge.clock import SystemClock, parse_instant
from cpqbridge.errors import ConfigurationError

if TYPE_CHECKING:
    from cpqbridge_sim.salesforce.cpq.proration import Precision

application = typer.Typer(
    help="Start a simulated Salesforce org or Stripe account.", no_args_is_help=True, rich_markup_mode=None
)

application.add_typer(sandbox_cpq.application, name="cpq")

PortOption = Annotated[
    int, typer.Option("--port", min=0, max=65535, help="Port on 127.0.0.1; 0 takes any free one.")
]
NowOption = Annotated[
    str | None,
    typer.Option("--now", help="Date or time at which its clock starts; the machine's if left out."),
]


@application.command("salesforce")
def salesforce(  # noqa: PLR0917 - each is one option of the command
    port: PortOption,
    data: Annotated[
        Path | None, typer.Option("--data", help="Folder with an org export; the sample org if left out.")
    ] = None,
    now: NowOption = None,
    token: Annotated[
        str | None, typer.Option("--token", help="The only access token accepted; any if left out.")
    ] = None,
    precision: Annotated[
        str | None,
        typer.Option(
            "--precision", help="CPQ's Subscription Prorate Precision; else the one its lines show."
        ),
    ] = None,
) -> None:
    """Serve a simulated Salesforce org with CPQ until interrupted."""
    from cpqbridge_sim.salesforce.cpq.sample import sample_org  # noqa: PLC0415
    from cpqbridge_sim.salesforce.errors import LoadError  # noqa: PLC0415
    from cpqbridge_sim.salesforce.org import Org  # noqa: PLC0415
    from cpqbridge_sim.salesforce.server import create_app  # noqa: PLC0415

    org = Org(_starting_at(now), tokens={token} if token else None)
    try:
        if data is None:
            org.load(sample_org())
        else:
            org.load_directory(data)
    except LoadError as error:
        raise ConfigurationError(str(error), code="export_file", fix="Then start again.") from None
    org.prorate_precision = _known_precision(precision)
    _serve(create_app(org), port=port, system="salesforce")


@application.command("stripe")
def stripe(
    port: PortOption,
    now: NowOption = None,
    key: Annotated[
        str | None, typer.Option("--key", help="The only API key accepted; any test key if left out.")
    ] = None,
) -> None:
    """Serve a simulated Stripe account until interrupted."""
    from cpqbridge_sim.stripe.account import Account  # noqa: PLC0415
    from cpqbridge_sim.stripe.server import create_app  # noqa: PLC0415

    account = Account(_starting_at(now), keys={key} if key else None)
    _serve(create_app(account), port=port, system="stripe")


def _serve(app: Any, *, port: int, system: str) -> None:
    from cpqbridge_sim.hosting import PortTakenError, serve_forever  # noqa: PLC0415

    def ready(url: str) -> None:
        answer(json.dumps({"system": system, "url": url}))
        note(f"Simulated {system} is ready at {url}. Press Ctrl+C to stop.")

    try:
        serve_forever(app, port=port, on_ready=ready)
    except PortTakenError:
        raise port_taken(port) from None


def _known_precision(wanted: str | None) -> Precision | None:
    from cpqbridge_sim.salesforce.cpq.proration import PRECISIONS  # noqa: PLC0415

    if wanted is None:
        return None
    for precision in PRECISIONS:
        if precision == wanted:
            return precision
    raise ConfigurationError(
        f"--precision is {wanted!r}, which CPQ does not have.",
        code="precision_unknown",
        field="--precision",
        fix=f"Choose one of {', '.join(PRECISIONS)}.",
    )


def port_taken(port: int) -> ConfigurationError:
    """Return the error that says that a port is taken and how to choose another one."""
    return ConfigurationError(
        f"Port {port} on 127.0.0.1 is taken by another program.",
        code="port_taken",
        field="--port",
        fix="Stop that program, or choose another port with --port (0 takes any free one).",
    )


def _starting_at(now: str | None) -> datetime:
    return parse_instant(now, name="--now") if now else SystemClock().now()
