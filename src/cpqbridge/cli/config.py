"""`cpqbridge config`: a connection's configuration, shown and applied as one YAML file, and its versions."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer

from cpqbridge.cli.configuration_file import configuration_text, read_configuration
from cpqbridge.cli.output import JsonOption, answer, document, table
from cpqbridge.cli.runtime import service_of
from cpqbridge.mapping.configuration import configuration_document
from cpqbridge.mapping.policy_words import POLICY_WORDS, PolicyWords
from cpqbridge.mapping.sections import unknown_key

application = typer.Typer(
    help="Show or apply a connection's configuration, and go back to an old one.",
    no_args_is_help=True,
    rich_markup_mode=None,
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


@application.command("policies")
def policies(
    policy: Annotated[str | None, typer.Argument(help="One policy, like credits; all without it.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Explain the policies: what each value does, with an example in dates and money."""
    chosen = [words for words in POLICY_WORDS if policy in {None, words.name}]
    if not chosen:
        raise unknown_key("policy", policy, [words.name for words in POLICY_WORDS])
    if as_json:
        document({"version": 1, "policies": [_policy_document(words) for words in chosen]})
        return
    answer("\n\n".join(_policy_text(words) for words in chosen))


def _policy_document(words: PolicyWords) -> dict[str, Any]:
    options = [
        {name: value for name, value in asdict(option).items() if name != "scenario"}
        for option in words.options
    ]
    return {"name": words.name, "title": words.title, "question": words.question, "options": options}


def _policy_text(words: PolicyWords) -> str:
    lines = [f"policy.{words.name}: {words.question}"]
    for option in words.options:
        default = " (default)" if option is words.options[0] else ""
        lines += [
            f"  {option.value}{default}: {option.label}. {option.meaning}",
            f"    Example: {option.example}",
        ]
    return "\n".join(lines)


@application.command("versions")
def versions(
    context: typer.Context, connection: ConnectionOption = None, as_json: JsonOption = False
) -> None:
    """List the newest 50 versions of the configuration: who changed what, when and why."""
    from cpqbridge.sync.configure import Configure, version_document  # noqa: PLC0415 - loads the database

    with service_of(context) as service:
        listed = Configure(service).versions(connection)
    if as_json:
        document({"version": 1, "versions": [version_document(each) for each in listed]})
        return
    head = ("Version", "When (UTC)", "Who", "What changed", "Why")
    rows = [
        (
            str(each.version),
            f"{each.created_at:%Y-%m-%d %H:%M}",
            each.actor,
            ", ".join(change.path for change in each.changes) or "as shipped",
            each.reason,
        )
        for each in listed
    ]
    answer(table([head, *rows], numbers=frozenset({0})))


@application.command("restore")
def restore(
    context: typer.Context,
    version: Annotated[int, typer.Argument(help="The version to put back in force.")],
    connection: ConnectionOption = None,
    as_json: JsonOption = False,
) -> None:
    """Put an old version of the configuration back in force, as a new version."""
    from cpqbridge.sync.configure import Configure  # noqa: PLC0415 - loads the database

    with service_of(context) as service:
        made = Configure(service).restore(connection, version)
    if as_json:
        document({"version": 1, "restored": version, "made": made})
    else:
        answer(f"Version {version} is in force again, as version {made}.")
