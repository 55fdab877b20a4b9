"""The pages: a list of orders, one page per order, and a rehearsal's report where there is one.

Nothing changes on a GET, there are no scripts, and only this machine is answered. Beside the pages there is
one address for Stripe's events.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

from fastapi import FastAPI, Query, Request, Response
from fastapi.responses import HTMLResponse, JSONResponse
from fastapi.staticfiles import StaticFiles
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.middleware.trustedhost import TrustedHostMiddleware

from cpqbridge.clock import Clock, SystemClock
from cpqbridge.domain.ids import salesforce_id
from cpqbridge.errors import EventRefusedError
from cpqbridge.logs import unexpected
from cpqbridge.store.views import OrderDetail, OrderView, OrderViews
from cpqbridge.sync.report import Report
from cpqbridge.web.health import Health, add_health
from cpqbridge.web.order_pages import OrderFacts, OrderLabel, order_facts, order_row, state_counts
from cpqbridge.web.rendering import render
from cpqbridge.web.report_page import report_page

PAGE_SIZE = 100
HOOK_PATH = "/hooks/stripe"
EVENT_BYTES = 2**20
"""The longest event that is taken in; Stripe's are a few kilobytes."""

TakeEvent = Callable[[bytes, str], None]
_NO_SECRET = "event_no_secret"  # noqa: S105 - the code of an error
PageNumber = Annotated[int, Query(alias="page", ge=1, le=100_000)]
_OWN_HOSTS = ["127.0.0.1", "localhost", "[::1]"]
_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; style-src 'self'; img-src 'self'; base-uri 'none'; "
    "form-action 'self'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cache-Control": "no-store",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """What the pages show: the stored orders; a demo adds names, an introduction and what was billed.

    `take_event` takes in body and signature of an event of Stripe or raises EventRefusedError; without it
    no events are taken. `health` answers for the process. `clock` says which day the pictures mark as
    today. `desk_url` is the address of the CPQ desk of a demo's org.
    """

    orders: OrderViews
    labels: Mapping[str, OrderLabel] = field(default_factory=dict)
    introduction: str = ""
    report: Report | None = None
    take_event: TakeEvent | None = None
    health: Health | None = None
    clock: Clock = field(default_factory=SystemClock)
    desk_url: str = ""


def create_app(shown: Shown) -> FastAPI:
    """Return the app that serves the pages."""
    app = FastAPI(title="cpqbridge", docs_url=None, redoc_url=None, openapi_url=None)
    app.add_middleware(TrustedHostMiddleware, allowed_hosts=_OWN_HOSTS)
    app.middleware("http")(_with_headers)
    app.mount("/static", StaticFiles(directory=Path(__file__).parent / "static"))
    document = shown.report.as_document() if shown.report else None
    reported = {plan.root_id: plan for plan in shown.report.plans.values()} if shown.report else {}
    has_report = shown.report is not None

    def page(template: str, *, status: int = 200, **context: object) -> HTMLResponse:
        return HTMLResponse(render(template, has_report=has_report, **context), status_code=status)

    def told(view: OrderView) -> Mapping[str, Any] | None:
        """Return the report's document, None for a contract that was changed after the report."""
        known = reported.get(view.plan.root_id) if view.plan else None
        if known is None or view.plan is None:
            return document
        orders = {outcome.order_id for outcome in known.outcomes}
        is_newer = view.plan.executed_at > known.executed_at
        has_more = any(outcome.order_id not in orders for outcome in view.plan.outcomes)
        return None if is_newer or has_more else document

    @app.get("/")
    def orders(number: PageNumber = 1) -> HTMLResponse:
        found = shown.orders.page(offset=(number - 1) * PAGE_SIZE, limit=PAGE_SIZE)
        rows = [
            order_row(view, label=_label(shown, view.standing.order_id), report=told(view))
            for view in found.orders
        ]
        return page(
            "orders.html",
            orders=rows,
            counts=state_counts(row.state for row in rows),
            introduction=shown.introduction,
            desk_url=shown.desk_url,
            previous=number - 1 if number > 1 else None,
            following=number + 1 if number * PAGE_SIZE < found.total else None,
        )

    @app.get("/orders/{order_id}")
    def order(order_id: str) -> HTMLResponse:
        detail = shown.orders.detail(_full_id(order_id))
        if detail is None:
            raise HTTPException(404)
        label = _label(shown, detail.view.standing.order_id)
        report = told(detail.view)
        return page(
            "order.html",
            order=order_row(detail.view, label=label, report=report),
            page=_facts(shown, detail, report),
        )

    @app.get("/report")
    def report() -> HTMLResponse:
        if shown.report is None:
            raise HTTPException(404)
        return HTMLResponse(report_page(shown.report, standalone=False, today=shown.clock.now().date()))

    _add_stripe_hook(app, shown.take_event)
    add_health(app, shown.health)
    _add_problem_pages(app, page)
    return app


def _add_stripe_hook(app: FastAPI, take_event: TakeEvent | None) -> None:
    @app.post(HOOK_PATH)
    async def stripe_hook(request: Request) -> JSONResponse:
        if take_event is None:
            return _not_taken(404, "No events are taken here.", "Send them to cpqbridge serve.")
        payload = await _event_body(request)
        if payload is None:
            return _not_taken(
                413, f"The body is longer than {EVENT_BYTES} bytes.", "Send one event of Stripe as it came."
            )
        signature = ",".join(request.headers.getlist("Stripe-Signature"))
        try:
            await run_in_threadpool(take_event, payload, signature)
        except EventRefusedError as error:
            return _not_taken(404 if error.code == _NO_SECRET else 400, error.message, error.fix)
        return JSONResponse({"received": True})


async def _event_body(request: Request) -> bytes | None:
    """Return the body, None when it is too long for an event; then it is not read to its end."""
    payload = bytearray()
    async for chunk in request.stream():
        payload += chunk
        if len(payload) > EVENT_BYTES:
            return None
    return bytes(payload)


def _not_taken(status: int, message: str, fix: str) -> JSONResponse:
    return JSONResponse({"error": message, "fix": fix}, status_code=status)


def _add_problem_pages(app: FastAPI, page: Callable[..., HTMLResponse]) -> None:
    @app.exception_handler(HTTPException)
    def problem(request: Request, error: HTTPException) -> Response:
        if request.url.path == HOOK_PATH:
            return _not_taken(error.status_code, f"{request.method} is not for this address.", "Use POST.")
        return page(
            "problem.html",
            status=error.status_code,
            title="Not found" if error.status_code == 404 else "This page cannot be shown",  # noqa: PLR2004
            message="There is nothing under this address."
            if error.status_code == 404  # noqa: PLR2004
            else "The request was refused.",
            fix="The order may not have been synced or seen yet.",
        )

    @app.exception_handler(Exception)
    def broken(request: Request, error: Exception) -> Response:
        if request.url.path == HOOK_PATH:
            return _not_taken(
                500,
                f"The event could not be stored (id {unexpected(error)}).",
                "Stripe sends it again by itself; the log says more under this id.",
            )
        return page(
            "problem.html",
            status=500,
            title="Something went wrong",
            message=f"This page could not be made (id {unexpected(error)}).",
            fix="Nothing was changed. Report the id together with the entry in the log.",
        )


def _facts(shown: Shown, detail: OrderDetail, report: Mapping[str, Any] | None) -> OrderFacts:
    plan = detail.view.plan
    return order_facts(
        detail,
        report=report,
        numbers=shown.orders.numbers([each.order_id for each in plan.outcomes]) if plan else {},
        today=shown.clock.now().date(),
        alerts=_alerts(shown, detail.view),
    )


def _alerts(shown: Shown, view: OrderView) -> tuple[str, ...]:
    missing = shown.orders.missing_phases(
        view.connection.connection_id, now=shown.clock.now(), root_ids=[view.standing.root_id]
    )
    return tuple(each.text for each in missing)


def _label(shown: Shown, order_id: str) -> OrderLabel:
    return shown.labels.get(order_id, OrderLabel())


def _full_id(text: str) -> str:
    try:
        return salesforce_id(text)
    except ValueError:
        raise HTTPException(404) from None


async def _with_headers(request: Request, call: Callable[[Request], Awaitable[Response]]) -> Response:
    response = await call(request)
    response.headers.update(_HEADERS)
    return response
