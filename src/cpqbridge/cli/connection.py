"""`cpqbridge connection`: one Salesforce org and one Stripe account, made, listed and checked."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from cpqbridge.cli.configuration_file import read_configuration
from cpqbridge.cli.documents import connection_document
from cpqbridge.cli.live import live
from cpqbridge.cli.output import JsonOption, answer, document, note, table
from cpqbridge.cli.rehearse import DEFAULT_CURRENCY
from cpqbridge.cli.runtime import service_of
from cpqbridge.cli.secret_input import SecretInput
from cpqbridge.cli.webhook import webhook
from cpqbridge.mapping.configuration import Configuration, currency_code, default_configuration

application = typer.Typer(help="Connect orgs and accounts.", no_args_is_help=True, rich_markup_mode=None)
application.command("live")(live)
application.command("webhook")(webhook)

SECRET_HELP = "'-' reads it from standard input, '@FILE' from a file."  # noqa: S105 - a help text


@application.command("add")
def add(  # noqa: PLR0913, PLR0917 - each is one option of the command
    context: typer.Context,
    name: Annotated[str, typer.Option("--name", help="What to call the connection.")],
    salesforce_url: Annotated[
        str, typer.Option("--salesforce-url", help="The org's own address, https://NAME.my.salesforce.com.")
    ],
    salesforce_token: Annotated[
        str, typer.Option("--salesforce-token", help=f"Access token of the org. {SECRET_HELP}")
    ],
    stripe_key: Annotated[
        str, typer.Option("--stripe-key", help=f"Secret or restricted key of the account. {SECRET_HELP}")
    ],
    stripe_api_base: Annotated[
        str | None, typer.Option("--stripe-api-base", help="Address of a simulated Stripe account.")
    ] = None,
    currency: Annotated[
        str | None, typer.Option("--currency", help="Currency of an org that has only one; usd if left out.")
    ] = None,
    config: Annotated[Path | None, typer.Option("--config", help="Configuration file (YAML).")] = None,
    live: Annotated[
        bool, typer.Option("--live", help="The key is a live one: this connection bills real customers.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Make a connection after checking both sides."""
    secrets = SecretInput()
    token = secrets.read(salesforce_token, option="--salesforce-token")
    key = secrets.read(stripe_key, option="--stripe-key")
    configuration = _configuration(config, currency)
    with service_of(context) as service:
        made = service.add_connection(
            name=name,
            salesforce_url=salesforce_url,
            salesforce_token=token,
            stripe_key=key,
            stripe_api_base=stripe_api_base,
            configuration=configuration,
            live=live,
        )
        unwritten = service.fields_not_written(made.name)
    _tell_unwritten(unwritten)
    if as_json:
        document({"version": 1, "connection": connection_document(made)})
        return
    facts = made.facts
    mode = "live" if facts.live_mode else "test"
    answer(
        f"Connected {made.name}: {facts.org_name} ({facts.org_id}) to {facts.stripe_account_name} "
        f"({facts.stripe_account_id}, {mode} mode{', simulated' if facts.simulated else ''})."
    )
    if not facts.multi_currency:
        note(f"The org has one currency; orders are billed in {(configuration.currency or '').upper()}.")


@application.command("list")
def list_connections(context: typer.Context, as_json: JsonOption = False) -> None:
    """List the connections."""
    with service_of(context) as service:
        found = service.connections()
    if as_json:
        document({"version": 1, "connections": [connection_document(each) for each in found]})
        return
    if not found:
        answer("There is no connection yet. Make one with: cpqbridge connection add --help")
        return
    rows = [("Name", "Org", "Salesforce", "Stripe account", "Mode", "State")]
    rows += [
        (
            each.name,
            each.facts.org_name,
            each.facts.salesforce_url,
            f"{each.facts.stripe_account_name} ({each.facts.stripe_account_id})",
            ("live" if each.facts.live_mode else "test") + (", simulated" if each.facts.simulated else ""),
            each.access_lost or "ok",
        )
        for each in found
    ]
    answer(table(rows))


@application.command("check")
def check(  # noqa: PLR0917 - each is one option of the command
    context: typer.Context,
    name: Annotated[str | None, typer.Argument(help="The connection; needed when there are several.")] = None,
    salesforce_token: Annotated[
        str | None,
        typer.Option("--salesforce-token", help=f"Fresh token that replaces the stored one. {SECRET_HELP}"),
    ] = None,
    stripe_key: Annotated[
        str | None,
        typer.Option("--stripe-key", help=f"Other key that replaces the stored one. {SECRET_HELP}"),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Check that both sides still let us in and are the ones that were connected."""
    secrets = SecretInput()
    token = secrets.read(salesforce_token, option="--salesforce-token") if salesforce_token else None
    key = secrets.read(stripe_key, option="--stripe-key") if stripe_key else None
    with service_of(context) as service:
        checked = service.check_connection(name, salesforce_token=token, stripe_key=key)
        unwritten = service.fields_not_written(checked.name)
    _tell_unwritten(unwritten)
    if as_json:
        document({"version": 1, "connection": connection_document(checked)})
    else:
        answer(f"{checked.name}: both sides answer and are the ones that were connected.")


def _tell_unwritten(fields: tuple[str, ...]) -> None:
    if fields:
        note(
            f"Nothing will be written to {', '.join(fields)}: the org lacks them or the integration user may "
            "not edit them. Add them and give its permission set edit access, or correct "
            "mapping.salesforce_prefix; orders are billed all the same."
        )


def _configuration(config: Path | None, currency: str | None) -> Configuration:
    configuration = read_configuration(config) if config else default_configuration()
    given = currency_code(currency, "--currency") or configuration.currency or DEFAULT_CURRENCY
    return replace(configuration, currency=given)
