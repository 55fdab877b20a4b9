"""The health page of a connection: every check with what to do, run again on request."""

from __future__ import annotations

from urllib.parse import quote

from cpqbridge.store.users import Role
from cpqbridge.sync.checks import CheckState, HealthChecks
from cpqbridge.sync.going_live import GoingLive
from cpqbridge.web.ask import Ask, Page, Redirect
from cpqbridge.web.site import Site

_PLACES = {
    "fields": ("/setup/fields", "Open the fields"),
    "stripe": ("/setup/stripe", "Open the Stripe step"),
    "preferences": ("/preferences", "Open the preferences"),
}
_KINDS = {
    CheckState.OK: ("Fine", "success"),
    CheckState.WARNING: ("Look at it", "warning"),
    CheckState.PROBLEM: ("Problem", "error"),
    CheckState.UNKNOWN: ("Not known", "neutral"),
}


def add(site: Site) -> None:
    """Register the pages."""

    @site.get("/connections/{name}/health", role=Role.VIEWER)
    def show(ask: Ask) -> Page:
        name = ask.path["name"]
        standing = GoingLive(ask.service).standing(name)
        address = f"/connections/{quote(name, safe='')}"
        roles = {route.path: route.role for route in site.routes if route.method == "GET"}
        places = {
            key: (address + path, label)
            for key, (path, label) in _PLACES.items()
            if _may_open(ask, roles.get(f"/connections/{{name}}{path}"))
        }
        context = {
            "name": name,
            "address": address,
            "health": HealthChecks(ask.service).last(name),
            "standing": standing,
            "zone": standing.time_zone,
            "kinds": _KINDS,
            "places": places,
            "may": ask.user is not None and ask.user.role.covers(Role.OPERATOR),
        }
        return Page("health.html", context)

    @site.post("/connections/{name}/health", role=Role.OPERATOR)
    def check(ask: Ask) -> Redirect:
        name = ask.path["name"]
        if ask.form.text("go_on"):
            ask.service.check_connection(name)
        health = HealthChecks(ask.service).run(name)
        problems = sum(each.state is CheckState.PROBLEM for each in health.checks)
        notice = f"{len(health.checks)} checks were made; problems: {problems}."
        return Redirect(f"/connections/{quote(name, safe='')}/health", notice=notice)


def _may_open(ask: Ask, role: Role | None) -> bool:
    return role is not None and ask.user is not None and ask.user.role.covers(role)
