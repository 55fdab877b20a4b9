"""What a person can do about their own account: a new password, and ending every session."""

from __future__ import annotations

from http import HTTPStatus

from cpqbridge.errors import ConfigurationError, CpqbridgeError, InvariantError, TransientError
from cpqbridge.store.users import Role, User
from cpqbridge.web.ask import Ask, Page, Redirect
from cpqbridge.web.session import begun, ended
from cpqbridge.web.site import Site


def add(site: Site) -> None:
    """Register the pages."""

    @site.get("/account")
    def account(_ask: Ask) -> Page:
        return Page("account.html", {"error": None})

    @site.post("/account/password", role=Role.VIEWER)
    def change_password(ask: Ask) -> Page | Redirect:
        try:
            session = site.accounts.change_password(
                _person(ask),
                old=ask.form.get("old", ""),
                new=ask.form.get("password", ""),
                address=ask.client,
            )
        except TransientError as error:
            return _refused(error, HTTPStatus.TOO_MANY_REQUESTS)
        except ConfigurationError as error:
            return _refused(error, HTTPStatus.UNPROCESSABLE_ENTITY)
        return Redirect(
            "/account",
            notice="Your password is changed. Everywhere else you are signed out.",
            cookies=(begun(site, session),),
        )

    @site.post("/account/sign-out-everywhere", role=Role.VIEWER)
    def sign_out_everywhere(ask: Ask) -> Redirect:
        site.accounts.sign_out_everywhere(_person(ask))
        return Redirect("/sign-in", notice="You are signed out everywhere.", cookies=(ended(site),))


def _person(ask: Ask) -> User:
    if ask.user is None:
        raise InvariantError("A page for people was shown to nobody.", code="nobody_signed_in")
    return ask.user


def _refused(error: CpqbridgeError, status: int) -> Page:
    return Page("account.html", {"error": error}, status=status)
