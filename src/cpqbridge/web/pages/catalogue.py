"""Every component of the pages with examples, for whoever builds or checks a page."""

from __future__ import annotations

from datetime import UTC, datetime

from cpqbridge.domain.refusal import OrderState
from cpqbridge.store.users import Role
from cpqbridge.web.ask import Ask, Page
from cpqbridge.web.site import Site


def add(site: Site) -> None:
    """Register the page."""

    @site.get("/components", role=Role.VIEWER)
    def components(_ask: Ask) -> Page:
        return Page(
            "catalogue.html",
            {
                "states": [state.value for state in OrderState],
                "at": datetime(2026, 2, 1, 12, 30, tzinfo=UTC),
            },
        )

    @site.get("/components/loaded", role=Role.VIEWER)
    def loaded(_ask: Ask) -> Page:
        return Page("catalogue_loaded.html", fragment="fragments/loaded.html")
