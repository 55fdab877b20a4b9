"""The door of a demo: one button for each role; no other home has it."""

from __future__ import annotations

from cpqbridge.errors import ConfigurationError
from cpqbridge.store.users import Role
from cpqbridge.sync.accounts import LONGEST
from cpqbridge.sync.demo_entry import enter_demo
from cpqbridge.web.ask import Ask, Cookie, Redirect
from cpqbridge.web.guarding import session_cookie
from cpqbridge.web.site import Site


def add(site: Site) -> None:
    """Register the door where the app shows a demo."""
    if not site.demo.is_open:
        return

    @site.post("/demo/enter", role=Role.VIEWER, open_to_all=True)
    def enter(ask: Ask) -> Redirect:
        wanted = ask.form.text("role")
        if wanted not in list(Role):
            raise ConfigurationError(
                f"There is no role {wanted!r}.",
                code="role_unknown",
                field="role",
                fix=f"Choose one of {', '.join(Role)}.",
            )
        entered = enter_demo(site.service, Role(wanted))
        cookie = Cookie(name=session_cookie(site), value=entered.token, seconds=int(LONGEST.total_seconds()))
        return Redirect("/", cookies=(cookie,))
