"""The door of a demo: one button for each role; no other home has it."""

from __future__ import annotations

from cpqbridge.store.users import Role
from cpqbridge.sync.demo_entry import enter_demo
from cpqbridge.web.ask import Ask, Redirect
from cpqbridge.web.session import begun, role_of
from cpqbridge.web.site import Site


def add(site: Site) -> None:
    """Register the door where the app shows a demo."""
    if not site.demo.is_open:
        return

    @site.post("/demo/enter", role=Role.VIEWER, open_to_all=True)
    def enter(ask: Ask) -> Redirect:
        entered = enter_demo(site.service, role_of(ask.form.text("role")))
        return Redirect("/", cookies=(begun(site, entered),))
