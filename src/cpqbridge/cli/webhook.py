"""`cpqbridge connection webhook`: the signing secret with which Stripe's events are believed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from cpqbridge.cli.output import JsonOption, answer, document
from cpqbridge.cli.runtime import service_of
from cpqbridge.cli.secret_input import SecretInput
from cpqbridge.errors import ConfigurationError

if TYPE_CHECKING:
    from cpqbridge.sync.webhook_setup import WebhookStanding

_ADDRESS = "/hooks/stripe"


def webhook(  # noqa: PLR0917 - each is one option of the command
    context: typer.Context,
    name: Annotated[str | None, typer.Argument(help="The connection; needed when there are several.")] = None,
    secret: Annotated[
        str | None,
        typer.Option(
            "--secret",
            help="Signing secret of the endpoint in Stripe (whsec_…). '-' reads it from standard input, "
            "'@FILE' from a file.",
        ),
    ] = None,
    keep_old: Annotated[
        bool,
        typer.Option("--keep-old", help="Go on believing the secrets before it too, while rolling."),
    ] = False,
    remove: Annotated[bool, typer.Option("--remove", help="Forget every secret of the connection.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Give a connection the signing secret of its webhook; without options show how it takes events."""
    if (secret is not None and remove) or (keep_old and secret is None):
        raise ConfigurationError(
            "--secret and --remove exclude each other, and --keep-old goes with --secret.",
            code="webhook_options",
            fix="Give --secret - [--keep-old], or --remove, or neither to see what is set.",
        )
    given = SecretInput().read(secret, option="--secret") if secret is not None else None
    with service_of(context) as service:
        from cpqbridge.sync.webhook_setup import WebhookSetup  # noqa: PLC0415 - only this command needs it

        setup = WebhookSetup(service)
        if given is not None:
            standing = setup.give(name, given, keeps_old=keep_old)
        elif remove:
            standing = setup.remove(name)
        else:
            standing = setup.standing(name)
    if as_json:
        document(_document(standing))
    else:
        only_looks = given is None and not remove
        answer("\n".join([*_lines(standing), *(_types() if only_looks else ())]))


def _document(standing: WebhookStanding) -> dict[str, object]:
    from cpqbridge.sync.event_names import HEARD  # noqa: PLC0415 - as above

    last = standing.last_event_at
    return {
        "version": 1,
        "connection": standing.connection,
        "way": standing.way.value,
        "address": _ADDRESS,
        "secrets": [{"added_at": each.isoformat()} for each in standing.secrets_added_at],
        "last_event_at": last.isoformat() if last else None,
        "stored": {state.value: number for state, number in standing.stored.items()},
        "types": sorted(HEARD),
    }


def _lines(standing: WebhookStanding) -> tuple[str, ...]:
    number = len(standing.secrets_added_at)
    since = f", the newest since {standing.secrets_added_at[0]:%Y-%m-%d %H:%M} UTC" if number else ""
    last = standing.last_event_at
    stored = ", ".join(f"{count} {state.value}" for state, count in standing.stored.items())
    return (
        f"{standing.connection}: {number} signing secret{'' if number == 1 else 's'}{since}.",
        f"Events come in by: {standing.way.value} (sync.events). Address for Stripe: POST {_ADDRESS}",
        f"Stored: {stored}. The last came {f'{last:%Y-%m-%d %H:%M} UTC' if last else 'never'}.",
    )


def _types() -> tuple[str, ...]:
    from cpqbridge.sync.event_names import HEARD  # noqa: PLC0415 - as above

    return ("Types to send:", *(f"  {kind}" for kind in sorted(HEARD)))
