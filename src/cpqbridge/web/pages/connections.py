"""The connections: the list, how a new one begins, and the page of each."""

from __future__ import annotations

from http import HTTPStatus
from urllib.parse import quote

from cpqbridge.errors import ConfigurationError
from cpqbridge.store.users import Role
from cpqbridge.store.views import Connection
from cpqbridge.sync.setup import SetUp
from cpqbridge.sync.setup_progress import Progress, SetupProgress, Step
from cpqbridge.web.ask import Ask, Page, Redirect
from cpqbridge.web.navigation import mode_of
from cpqbridge.web.set_up_frame import LABELS, connection_address, setup_address
from cpqbridge.web.site import Site

_PARTS = (
    ("mapping", "Data mapping", "Which field of Salesforce fills which parameter of Stripe."),
    ("preferences", "Preferences", "Start date, filters, policies, time zone, shares of API calls."),
    ("versions", "Versions", "Who changed mapping and preferences, when and how."),
    ("health", "Health", "Whether both sides let cpqbridge in and have what it needs."),
)


def add(site: Site) -> None:
    """Register the pages."""

    @site.get("/connections")
    def listed(ask: Ask) -> Page:
        rows = [_row(ask, each) for each in ask.service.connections()]
        return Page(
            "connections.html",
            {"rows": rows, "unfinished": SetUp(ask.service, ask.site.demo.simulated).unfinished()},
        )

    @site.get("/connections/new", role=Role.ADMIN)
    def new(_ask: Ask) -> Page:
        return _new_page()

    @site.post("/connections/new", role=Role.ADMIN)
    def begin(ask: Ask) -> Page | Redirect:
        name = ask.form.text("name")
        try:
            begun = SetUp(ask.service, ask.site.demo.simulated).begin(name)
        except ConfigurationError as error:
            return _new_page(name, error)
        return Redirect(setup_address(begun, Step.SALESFORCE))

    @site.get("/connections/{name}")
    def connection(ask: Ask) -> Page | Redirect:
        progress = SetupProgress(ask.service).of(ask.path["name"])
        if progress.connection is None:
            return Redirect("/connections", notice=f"{progress.name} is not connected yet.")
        return _connection_page(ask, progress, progress.connection)


def _row(ask: Ask, connection: Connection) -> dict[str, object]:
    progress = SetupProgress(ask.service).of(connection.name)
    return {
        "connection": connection,
        "address": connection_address(connection.name),
        "mode": mode_of(connection),
        "next_step": LABELS[progress.next_step] if progress.next_step else "",
        "is_live": Step.GO_LIVE in progress.done,
    }


def _new_page(name: str = "", error: ConfigurationError | None = None) -> Page:
    return Page(
        "connection_new.html",
        {"name": name, "error": error},
        status=HTTPStatus.OK if error is None else HTTPStatus.UNPROCESSABLE_ENTITY,
    )


def _connection_page(ask: Ask, progress: Progress, connection: Connection) -> Page:
    state = SetUp(ask.service, ask.site.demo.simulated).state(connection.name)
    address = connection_address(connection.name)
    registered = {route.path for route in ask.site.routes}
    parts = [
        (label, f"{address}/{quote(part)}", text)
        for part, label, text in _PARTS
        if f"/connections/{{name}}/{part}" in registered
    ]
    return Page(
        "connection.html",
        {
            "connection": connection,
            "state": state,
            "address": address,
            "mode": mode_of(connection),
            "parts": parts,
            "is_live": Step.GO_LIVE in progress.done,
            "next_step": LABELS[progress.next_step] if progress.next_step else "",
        },
    )
