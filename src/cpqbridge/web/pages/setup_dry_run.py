"""The set-up step "dry run": begun, watched, left and come back to; what it found, and all of it as CSV."""

from __future__ import annotations

from http import HTTPStatus
from urllib.parse import quote

from starlette.exceptions import HTTPException
from starlette.responses import Response

from cpqbridge.errors import ConfigurationError
from cpqbridge.store.users import Role
from cpqbridge.sync.dry_run import DEFAULT_DAYS, DryRun, DryRuns, DryRunState
from cpqbridge.sync.setup_progress import Step
from cpqbridge.web.ask import Ask, Page, Redirect
from cpqbridge.web.pages.setup_step import step_context
from cpqbridge.web.site import Site

_SHOWN_ORDERS = 200
_STATES = {
    DryRunState.RUNNING: ("Under way", "neutral"),
    DryRunState.DONE: ("Done", "success"),
    DryRunState.STOPPED: ("Stopped", "warning"),
    DryRunState.FAILED: ("Failed", "error"),
}


def add(site: Site) -> None:
    """Register the pages."""

    @site.get("/connections/{name}/setup/dry-run", role=Role.VIEWER)
    def show(ask: Ask) -> Page:
        return _page(ask)

    @site.post("/connections/{name}/setup/dry-run", role=Role.OPERATOR)
    def begin(ask: Ask) -> Page | Redirect:
        name, days = ask.path["name"], ask.form.text("days")
        try:
            if not (days.isascii() and days.isdecimal() and len(days) < 5):  # noqa: PLR2004 - no number of days is longer
                days = "0"
            DryRuns(ask.service).start(name, days=int(days))
        except ConfigurationError as error:
            return _page(ask, error=error)
        return Redirect(_address(name))

    @site.post("/connections/{name}/setup/dry-run/{dry_run}/stop", role=Role.OPERATOR)
    def stop(ask: Ask) -> Redirect:
        name = ask.path["name"]
        ended = DryRuns(ask.service).stop(name, _number(ask))
        notice = "The dry run was stopped." if ended else "The dry run had ended already."
        return Redirect(_address(name), notice=notice)

    @site.get("/connections/{name}/setup/dry-run/{dry_run}/orders.csv", role=Role.VIEWER)
    def as_csv(ask: Ask) -> Response:
        try:
            found = DryRuns(ask.service).find(ask.path["name"], _number(ask))
        except ConfigurationError as error:
            raise HTTPException(HTTPStatus.NOT_FOUND) from error
        if found.result is None:
            raise HTTPException(HTTPStatus.NOT_FOUND)
        file_name = f"dry-run-{found.dry_run_id}.csv"
        return Response(
            found.result.as_csv(),
            media_type="text/csv; charset=utf-8",
            headers={"Content-Disposition": f'attachment; filename="{file_name}"'},
        )


def _page(ask: Ask, *, error: ConfigurationError | None = None) -> Page:
    name = ask.path["name"]
    known = DryRuns(ask.service)
    runs = known.all(name)
    wanted = ask.query.text("run")
    asked = next((each for each in runs if str(each.dry_run_id) == wanted), runs[0] if runs else None)
    shown = known.find(name, asked.dry_run_id) if asked is not None else None
    context = {
        **step_context(ask, Step.DRY_RUN),
        "runs": runs,
        "run": shown,
        "is_running": bool(runs) and runs[0].state is DryRunState.RUNNING,
        "states": _STATES,
        "shown_orders": _shown_orders(shown),
        "days": ask.form.text("days") or str(DEFAULT_DAYS),
        "error": error,
    }
    return Page(
        "setup_dry_run.html",
        context,
        status=HTTPStatus.UNPROCESSABLE_ENTITY if error else HTTPStatus.OK,
        fragment="fragments/dry_run.html",
    )


def _shown_orders(run: DryRun | None) -> object:
    return run.result.orders[:_SHOWN_ORDERS] if run is not None and run.result is not None else ()


def _address(name: str) -> str:
    return f"/connections/{quote(name, safe='')}/setup/dry-run"


def _number(ask: Ask) -> int:
    text = ask.path["dry_run"]
    if not (text.isascii() and text.isdecimal()):
        raise HTTPException(HTTPStatus.NOT_FOUND)
    return int(text)
