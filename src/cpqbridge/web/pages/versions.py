"""Versions of a connection's configuration: who changed what and why, and putting an old one back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus

from starlette.exceptions import HTTPException

from cpqbridge.errors import ConfigurationError
from cpqbridge.mapping.configuration_changes import Change
from cpqbridge.store.users import Role
from cpqbridge.sync.configure import Configure, ListedVersion
from cpqbridge.web.ask import Ask, Page, Redirect
from cpqbridge.web.set_up_frame import connection_address
from cpqbridge.web.site import Site

_DIGITS = 6
"""Nobody saves a configuration a million times."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangeRow:
    """One setting that differs, in words."""

    path: str
    before: str
    after: str


def add(site: Site) -> None:
    """Register the pages."""

    @site.get("/connections/{name}/versions", role=Role.VIEWER)
    def versions(ask: Ask) -> Page:
        configure, name = Configure(ask.service), ask.path["name"]
        asked = ask.query.text("up_to")
        found = configure.versions(name, up_to=_number(asked) if asked else None)
        older = found[-1].version - 1 if found else 0
        return Page("versions.html", {**_frame(ask), "versions": found, "older": older})

    @site.get("/connections/{name}/versions/{version}", role=Role.VIEWER)
    def version(ask: Ask) -> Page:
        return _version(ask)

    @site.post("/connections/{name}/versions/{version}", role=Role.ADMIN)
    def restore(ask: Ask) -> Page | Redirect:
        name, number = ask.path["name"], _asked_for(ask)
        base = ask.form.text("based_on")
        is_version = base.isascii() and base.isdecimal() and len(base) <= _DIGITS
        try:
            made = Configure(ask.service).restore(name, number, based_on=int(base) if is_version else 0)
        except ConfigurationError as error:
            return _version(ask, error=error)
        notice = f"Version {number} is in force again, as version {made}."
        return Redirect(f"{connection_address(name)}/versions", notice=notice)


def change_rows(changes: Sequence[Change]) -> tuple[ChangeRow, ...]:
    """Return changes in words, for a table."""
    return tuple(
        ChangeRow(path=each.path, before=value_text(each.before), after=value_text(each.after))
        for each in changes
    )


def value_text(value: object) -> str:
    """Return a value of a configuration in words: a rule by what fills it, nothing as "not set"."""
    if value is None:
        return "not set"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, Mapping):
        return ", ".join(f"{name} {value_text(inner)}" for name, inner in value.items()) or "not set"
    return str(value)


def _version(ask: Ask, *, error: ConfigurationError | None = None) -> Page:
    name, number = ask.path["name"], _asked_for(ask)
    configure = Configure(ask.service)
    current = configure.current(name)
    found = _listed(configure.versions(name, up_to=number, limit=1), number)
    back = configure.difference(name, current.version, number) if current.version != number else ()
    context = {
        **_frame(ask),
        "version": found,
        "current": current.version,
        "changes": change_rows(found.changes),
        "back": change_rows(back),
        "error": error,
        "can_restore": ask.user is not None and ask.user.role.covers(Role.ADMIN) and bool(back),
    }
    return Page("version.html", context, status=HTTPStatus.UNPROCESSABLE_ENTITY if error else HTTPStatus.OK)


def _listed(versions: Sequence[ListedVersion], number: int) -> ListedVersion:
    found = next((each for each in versions if each.version == number), None)
    if found is None:
        raise HTTPException(HTTPStatus.NOT_FOUND)
    return found


def _asked_for(ask: Ask) -> int:
    return _number(ask.path["version"])


def _number(text: str) -> int:
    if not text.isascii() or not text.isdecimal() or len(text) > _DIGITS:
        raise HTTPException(HTTPStatus.NOT_FOUND)
    return int(text)


def _frame(ask: Ask) -> dict[str, object]:
    name = ask.path["name"]
    zone = Configure(ask.service).current(name).connection.facts.time_zone
    return {"name": name, "connection_address": connection_address(name), "zone": zone}
