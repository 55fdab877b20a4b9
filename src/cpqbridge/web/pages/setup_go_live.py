"""The set-up step "go live": the start date, now or later, and what would happen first, before it does."""

from __future__ import annotations

from datetime import date
from http import HTTPStatus
from urllib.parse import quote

from cpqbridge.errors import ConfigurationError, CpqbridgeError
from cpqbridge.store.users import Role
from cpqbridge.sync.checks import HealthChecks
from cpqbridge.sync.dry_run import DryRuns
from cpqbridge.sync.going_live import GoingLive, Outlook
from cpqbridge.sync.setup_progress import Step
from cpqbridge.web.ask import Ask, Page, Redirect
from cpqbridge.web.pages.setup_step import step_context
from cpqbridge.web.site import Site


def add(site: Site) -> None:
    """Register the pages."""

    @site.get("/connections/{name}/setup/go-live", role=Role.VIEWER)
    def show(ask: Ask) -> Page:
        return _form(ask)

    @site.post("/connections/{name}/setup/go-live", role=Role.ADMIN)
    def ask_first(ask: Ask) -> Page:
        try:
            start_date = _start_date(ask.form.text("start_date"))
            outlook = GoingLive(ask.service).outlook(ask.path["name"], start_date)
        except CpqbridgeError as error:
            return _form(ask, error=error)
        return _confirm(ask, start_date, outlook)

    @site.post("/connections/{name}/setup/go-live/confirm", role=Role.ADMIN)
    def switch(ask: Ask) -> Page | Redirect:
        name = ask.path["name"]
        on = ask.form.text("live") == "now"
        based_on = ask.form.text("based_on")
        try:
            done = GoingLive(ask.service).switch(
                name,
                on=on,
                start_date=_start_date(ask.form.text("start_date")),
                based_on=int(based_on) if based_on.isascii() and based_on.isdecimal() else 0,
            )
        except CpqbridgeError as error:
            return _form(ask, error=error)
        notice = "The connection is live: orders are synced by themselves." if on else "Kept; it is not live."
        if on and not done.worker_runs:
            notice = "The connection is live, but no worker runs on this machine: start one."
        return Redirect(f"/connections/{quote(name, safe='')}/setup/go-live", notice=notice)


def _form(ask: Ask, *, error: CpqbridgeError | None = None) -> Page:
    frame = step_context(ask, Step.GO_LIVE)
    standing = GoingLive(ask.service).standing(ask.path["name"])
    is_sent = ask.method == "POST"
    context = {
        **frame,
        "health": HealthChecks(ask.service).last(ask.path["name"]),
        "dry_run": DryRuns(ask.service).latest(ask.path["name"]),
        "start_date": ask.form.text("start_date") if is_sent else (standing.start_date or ""),
        "live": ask.form.text("live") if is_sent else ("now" if standing.is_live else "later"),
        "error": error,
    }
    status = HTTPStatus.UNPROCESSABLE_ENTITY if error else HTTPStatus.OK
    return Page("setup_go_live.html", context, status=status)


def _confirm(ask: Ask, start_date: date | None, outlook: Outlook) -> Page:
    context = {
        **step_context(ask, Step.GO_LIVE),
        "start_date": start_date,
        "live": ask.form.text("live"),
        "outlook": outlook,
    }
    return Page("setup_go_live_confirm.html", context)


def _start_date(text: str) -> date | None:
    if not text:
        return None
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise ConfigurationError(
            f"The start date is {text!r}, which is no date.",
            code="start_date",
            field="start_date",
            fix="Write it like 2026-11-20, or leave it empty for all orders.",
        ) from None
