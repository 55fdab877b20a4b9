"""The set-up step "fields": what the org has and lacks, and our fields as a download."""

from __future__ import annotations

from starlette.responses import Response

from cpqbridge.errors import CpqbridgeError
from cpqbridge.store.users import Role
from cpqbridge.sync.checks import HealthChecks
from cpqbridge.sync.org_fields import FieldState, OrgChecks
from cpqbridge.sync.setup_progress import Step
from cpqbridge.web.ask import Ask, Page
from cpqbridge.web.pages.set_up import CALLBACK_PATH
from cpqbridge.web.pages.setup_step import step_context
from cpqbridge.web.site import Site

_KINDS = {
    FieldState.OK: ("There", "success"),
    FieldState.READ_ONLY: ("May not be written", "warning"),
    FieldState.HIDDEN: ("Missing or hidden", "error"),
    FieldState.UNKNOWN: ("Not known", "neutral"),
}


def add(site: Site) -> None:
    """Register the pages."""

    @site.get("/connections/{name}/setup/fields", role=Role.VIEWER)
    def fields(ask: Ask) -> Page:
        checks: OrgChecks | None = None
        error: CpqbridgeError | None = None
        frame = step_context(ask, Step.FIELDS)
        try:
            checks = HealthChecks(ask.service).fields(ask.path["name"])
        except CpqbridgeError as caught:
            error = caught
        return Page(
            "setup_fields.html",
            {**frame, "checks": checks, "error": error, "kinds": _KINDS, "optional": ("Optional", "neutral")},
        )

    @site.get("/connections/{name}/fields.zip", role=Role.VIEWER)
    def download(ask: Ask) -> Response:
        packed = HealthChecks(ask.service).package(
            ask.path["name"], callback_url=f"{ask.origin}{CALLBACK_PATH}"
        )
        return Response(
            packed,
            media_type="application/zip",
            headers={"Content-Disposition": 'attachment; filename="cpqbridge-salesforce.zip"'},
        )
