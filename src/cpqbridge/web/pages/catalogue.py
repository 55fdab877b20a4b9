"""Every component of the pages with examples, for whoever builds or checks a page."""

from __future__ import annotations

from datetime import UTC, datetime

from cpqbridge.domain.refusal import OrderState
from cpqbridge.store.users import Role
from cpqbridge.sync.activity import RESULTS
from cpqbridge.sync.home_view import Hour
from cpqbridge.sync.mapping_draft import DraftRule, How
from cpqbridge.sync.mapping_sheet import MappingRow
from cpqbridge.web.ask import Ask, Page
from cpqbridge.web.charts import hour_bars
from cpqbridge.web.site import Site

_MAPPING_ROWS = (
    MappingRow(
        parameter="name",
        meaning="Full name of the customer; stands on invoices.",
        holds="text, at most 256 characters",
        choices=(),
        required=True,
        default="Name",
        rule=DraftRule(),
        read="Acme",
        sent="Acme",
    ),
    MappingRow(
        parameter="metadata.region",
        meaning="A key of your own that stays beside the object in Stripe.",
        holds="text, at most 500 characters",
        choices=(),
        required=False,
        default="",
        rule=DraftRule(How.FIELD, "Regoin__c"),
        problem="Account has no field Regoin__c, or hides it from the integration user.",
        fix="Did you mean Region__c?",
    ),
)


def add(site: Site) -> None:
    """Register the page."""

    @site.get("/components", role=Role.VIEWER)
    def components(_ask: Ask) -> Page:
        at = datetime(2026, 2, 1, 12, 30, tzinfo=UTC)
        counts = ((3, 0, 0), (8, 2, 1), (0, 0, 0), (5, 1, 0))
        hours = [Hour(at=at, runs=dict(zip(RESULTS, each, strict=True))) for each in counts]
        return Page(
            "catalogue.html",
            {
                "states": [state.value for state in OrderState],
                "at": at,
                "mapping_rows": _MAPPING_ROWS,
                "hours": hours,
                "drawn": hour_bars(hours),
            },
        )

    @site.get("/components/loaded", role=Role.VIEWER)
    def loaded(_ask: Ask) -> Page:
        return Page("catalogue_loaded.html", fragment="fragments/loaded.html")
