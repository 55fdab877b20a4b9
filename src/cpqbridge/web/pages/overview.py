"""The first page: is all well, and what needs somebody."""

from __future__ import annotations

from cpqbridge.store.users import Role
from cpqbridge.sync.alert_kinds import WORDS
from cpqbridge.sync.home_view import look_at_home
from cpqbridge.web.ask import Ask, Page
from cpqbridge.web.charts import hour_bars, seconds_words
from cpqbridge.web.navigation import mode_of
from cpqbridge.web.site import Site

HOURS = 24


def add(site: Site) -> None:
    """Register the page."""

    @site.get("/")
    def overview(ask: Ask) -> Page:
        home = look_at_home(ask.service, hours=HOURS)
        role = ask.user.role if ask.user is not None else Role.VIEWER
        return Page(
            "overview.html",
            {
                "home": home,
                "charts": {each.connection.name: hour_bars(each.hours) for each in home.connections},
                "words": seconds_words,
                "trouble_words": WORDS,
                "mode_of": mode_of,
                "may_operate": role.covers(Role.OPERATOR),
                "may_set_up": role.covers(Role.ADMIN),
            },
            fragment="fragments/overview.html",
        )
