"""Signing in and out, and the page behind a one-time link where people choose their password."""

from __future__ import annotations

from http import HTTPStatus

from cpqbridge.errors import ConfigurationError, CpqbridgeError, TransientError
from cpqbridge.store.users import Role
from cpqbridge.web.ask import Ask, Page, Redirect
from cpqbridge.web.guarding import session_cookie
from cpqbridge.web.session import begun, ended, local_address
from cpqbridge.web.site import Site


def add(site: Site) -> None:
    """Register the pages."""

    @site.get("/sign-in", open_to_all=True)
    def sign_in(ask: Ask) -> Page | Redirect:
        if ask.user is not None:
            return Redirect(local_address(ask.query.text("next")))
        return _sign_in_page(ask.query.text("next"))

    @site.post("/sign-in", role=Role.VIEWER, open_to_all=True)
    def sign_in_now(ask: Ask) -> Page | Redirect:
        wanted, name = local_address(ask.form.text("next")), ask.form.text("name")
        try:
            session = site.accounts.sign_in(
                name,
                ask.form.get("password", ""),
                address=ask.client,
                replaces=ask.cookies.get(session_cookie(site), ""),
            )
        except TransientError as error:
            return _sign_in_page(wanted, name=name, error=error, status=HTTPStatus.TOO_MANY_REQUESTS)
        except ConfigurationError as error:
            return _sign_in_page(wanted, name=name, error=error, status=HTTPStatus.UNPROCESSABLE_ENTITY)
        return Redirect(wanted, cookies=(begun(site, session),))

    @site.post("/sign-out", role=Role.VIEWER)
    def sign_out(ask: Ask) -> Redirect:
        site.accounts.sign_out(ask.cookies.get(session_cookie(site), ""))
        return Redirect("/sign-in", notice="You are signed out.", cookies=(ended(site),))

    @site.get("/welcome/{token}", open_to_all=True)
    def welcome(ask: Ask) -> Page:
        return _welcome_page(site, ask.path["token"])

    @site.post("/welcome/{token}", role=Role.VIEWER, open_to_all=True)
    def accept(ask: Ask) -> Page | Redirect:
        token, name, password = ask.path["token"], ask.form.text("name"), ask.form.get("password", "")
        try:
            _require_same(password, ask.form.get("again", ""))
            session = site.accounts.accept(token, name=name, password=password)
        except ConfigurationError as error:
            # Where it is the link itself, there is no form to show it in.
            if not error.field:
                raise
            return _welcome_page(site, token, name=name, error=error)
        notice = f"Welcome, {session.user.name}."
        return Redirect("/", notice=notice, cookies=(begun(site, session),))


def _sign_in_page(
    wanted: str, *, name: str = "", error: CpqbridgeError | None = None, status: int = HTTPStatus.OK
) -> Page:
    return Page("sign_in.html", {"wanted": wanted, "name": name, "error": error}, status=status)


def _welcome_page(site: Site, token: str, *, name: str = "", error: ConfigurationError | None = None) -> Page:
    found = site.accounts.welcome(token)
    return Page(
        "welcome.html",
        {"welcome": found, "token": token, "name": name, "error": error},
        status=HTTPStatus.OK if error is None else HTTPStatus.UNPROCESSABLE_ENTITY,
    )


def _require_same(password: str, again: str) -> None:
    if password != again:
        raise ConfigurationError(
            "The two passwords differ.",
            code="password_differs",
            field="again",
            fix="Type the same password twice.",
        )
