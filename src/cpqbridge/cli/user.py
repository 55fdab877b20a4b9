"""`cpqbridge user`: who may use the app, for whoever has a command line on the machine."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated

import typer

from cpqbridge.cli.output import JsonOption, answer, document, table
from cpqbridge.cli.runtime import service_of
from cpqbridge.domain.people import Role, User

if TYPE_CHECKING:
    from cpqbridge.sync.people import MadeLink

application = typer.Typer(
    help="Say who may use the app in the browser.", no_args_is_help=True, rich_markup_mode=None
)

DEFAULT_URL = "http://127.0.0.1:8080"

NameArgument = Annotated[str, typer.Argument(help="The person's name.")]
UrlOption = Annotated[str, typer.Option("--url", help="Where the app is opened in the browser.")]


@application.command("list")
def list_(context: typer.Context, as_json: JsonOption = False) -> None:
    """List everybody with role and last sign-in."""
    from cpqbridge.sync.people import People  # noqa: PLC0415 - the other commands need none of it

    with service_of(context) as service:
        everybody = People(service).everybody()
    if as_json:
        document({"version": 1, "users": [_document(user) for user in everybody]})
    elif everybody:
        head = ("name", "role", "state", "signed in")
        answer(table([head, *(_row(user) for user in everybody)]))
    else:
        answer("There is nobody yet. `cpqbridge serve` prints a link that makes the first admin.")


@application.command("add")
def add(  # noqa: PLR0917 - each is one option of the command
    context: typer.Context,
    name: NameArgument,
    role: Annotated[
        Role, typer.Option("--role", help="viewer looks, operator acts, admin sets up.")
    ] = Role.VIEWER,
    url: UrlOption = DEFAULT_URL,
    as_json: JsonOption = False,
) -> None:
    """Invite a person: print a link, once, by which they choose a password."""
    from cpqbridge.sync.people import People  # noqa: PLC0415 - the other commands need none of it

    with service_of(context) as service:
        made = People(service).invite(name, role)
    _tell_link(made, url=url, as_json=as_json)


@application.command("link")
def link(
    context: typer.Context, name: NameArgument, url: UrlOption = DEFAULT_URL, as_json: JsonOption = False
) -> None:
    """Print a link, once, by which a person chooses a new password; also for an admin who is locked out."""
    from cpqbridge.sync.people import People  # noqa: PLC0415 - the other commands need none of it

    with service_of(context) as service:
        people = People(service)
        made = people.make_link(people.of_name(name))
    _tell_link(made, url=url, as_json=as_json)


@application.command("disable")
def disable(context: typer.Context, name: NameArgument, as_json: JsonOption = False) -> None:
    """Let a person no longer sign in, and end their sessions."""
    from cpqbridge.sync.people import People  # noqa: PLC0415 - the other commands need none of it

    with service_of(context) as service:
        people = People(service)
        people.disable(people.of_name(name))
        user = people.of_name(name)
    if as_json:
        document({"version": 1, "user": _document(user)})
        return
    answer(f"{user.name} may no longer sign in.")


def welcome_url(url: str, token: str) -> str:
    """Return the address of a one-time link."""
    return f"{url.rstrip('/')}/welcome/{token}"


def _tell_link(made: MadeLink, *, url: str, as_json: bool) -> None:
    address = welcome_url(url, made.token)
    if as_json:
        ends = made.expires_at.isoformat()
        document({"version": 1, "user": _document(made.user), "link": address, "expires_at": ends})
        return
    answer(
        f"{made.user.name} ({made.user.role}) chooses a password here, once, until "
        f"{made.expires_at:%Y-%m-%d %H:%M} UTC:\n{address}"
    )


def _document(user: User) -> Mapping[str, object]:
    return {
        "name": user.name,
        "role": user.role.value,
        "is_active": user.is_active,
        "has_password": user.has_password,
        "signed_in_at": user.signed_in_at.isoformat() if user.signed_in_at else None,
    }


def _row(user: User) -> tuple[str, str, str, str]:
    state = "active" if user.has_password else "invited"
    signed_in = f"{user.signed_in_at:%Y-%m-%d %H:%M} UTC" if user.signed_in_at else "never"
    return user.name, user.role.value, state if user.is_active else "disabled", signed_in
