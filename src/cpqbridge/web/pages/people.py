"""Who may use the app: the list of people, inviting them, their roles, and letting them go."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from http import HTTPStatus

from starlette.exceptions import HTTPException

from cpqbridge.errors import ConfigurationError
from cpqbridge.store.users import Role, User
from cpqbridge.sync.people import MadeLink, People
from cpqbridge.web.ask import Ask, Page, Redirect
from cpqbridge.web.session import role_of
from cpqbridge.web.site import Site

ROLES = (
    (Role.VIEWER.value, "Viewer", "Looks at everything and changes nothing."),
    (Role.OPERATOR.value, "Operator", "Also syncs, retries, holds, releases, fixes, accepts and pauses."),
    (Role.ADMIN.value, "Admin", "Also sets up, maps, sets alerts, and says who may use the app."),
)
"""Each role with what it may do, the least first."""

_DIGITS = 9
"""Of a person's number in an address, at most."""


def add(site: Site) -> None:
    """Register the pages."""
    people = People(site.service)

    @site.get("/people", role=Role.ADMIN)
    def everybody(_ask: Ask) -> Page:
        return _list(people)

    @site.post("/people", role=Role.ADMIN)
    def invite(ask: Ask) -> Page:
        name, role = ask.form.text("name"), ask.form.text("role")
        try:
            made = people.invite(name, role_of(role))
        except ConfigurationError as error:
            return _list(people, name=name, role=role, error=error)
        return _link(ask, made)

    @site.get("/people/{user_id}", role=Role.ADMIN)
    def person(ask: Ask) -> Page:
        return _person(_asked_for(people, ask))

    @site.post("/people/{user_id}/role", role=Role.ADMIN)
    def changerole_of(ask: Ask) -> Page | Redirect:
        user = _asked_for(people, ask)
        try:
            role = role_of(ask.form.text("role"))
            people.change_role(user, role)
        except ConfigurationError as error:
            return _person(user, error=error)
        return Redirect("/people", notice=f"{user.name} is {role.value} now.")

    @site.post("/people/{user_id}/link", role=Role.ADMIN)
    def make_link(ask: Ask) -> Page:
        return _link(ask, people.make_link(_asked_for(people, ask)))

    _add_leaving(site, people)


def _add_leaving(site: Site, people: People) -> None:
    @site.get("/people/{user_id}/disable", role=Role.ADMIN)
    def disable(ask: Ask) -> Page:
        return Page("person_disable.html", {"person": _asked_for(people, ask)})

    def changing(change: Callable[[User], None], notice: str) -> Callable[[Ask], Page | Redirect]:
        def handler(ask: Ask) -> Page | Redirect:
            user = _asked_for(people, ask)
            try:
                change(user)
            except ConfigurationError as error:
                return _person(user, error=error)
            return Redirect("/people", notice=notice.format(user.name))

        return handler

    site.post("/people/{user_id}/disable", role=Role.ADMIN)(
        changing(people.disable, "{} may no longer sign in.")
    )
    site.post("/people/{user_id}/enable", role=Role.ADMIN)(changing(people.enable, "{} may sign in again."))


def _list(
    people: People, *, name: str = "", role: str = Role.VIEWER.value, error: ConfigurationError | None = None
) -> Page:
    context = {"people": people.everybody(), "roles": ROLES, "name": name, "role": role, "error": error}
    return Page("people.html", context, status=_status(error))


def _person(user: User, *, error: ConfigurationError | None = None) -> Page:
    context: Mapping[str, object] = {"person": user, "roles": ROLES, "error": error}
    return Page("person.html", context, status=_status(error))


def _link(ask: Ask, made: MadeLink) -> Page:
    """Return the page that shows a link, the only time it is shown."""
    context = {"person": made.user, "link": f"{ask.origin}/welcome/{made.token}", "until": made.expires_at}
    return Page("person_link.html", context)


def _status(error: ConfigurationError | None) -> int:
    return HTTPStatus.OK if error is None else HTTPStatus.UNPROCESSABLE_ENTITY


def _asked_for(people: People, ask: Ask) -> User:
    text = ask.path["user_id"]
    if not text.isascii() or not text.isdecimal() or len(text) > _DIGITS:
        raise HTTPException(HTTPStatus.NOT_FOUND)
    try:
        return people.of_id(int(text))
    except ConfigurationError:
        raise HTTPException(HTTPStatus.NOT_FOUND) from None
