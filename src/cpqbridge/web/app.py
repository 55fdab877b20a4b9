"""The app: pages for people, an address for Stripe's events, and answers for supervisors.

Nothing changes on a GET. Every page says which role it is for; see `cpqbridge.web.site`.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from urllib.parse import quote

from fastapi import FastAPI, Request, Response
from fastapi.responses import HTMLResponse, RedirectResponse
from fastapi.staticfiles import StaticFiles
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.middleware.trustedhost import TrustedHostMiddleware

from cpqbridge.errors import AccessLostError, CpqbridgeError, InvariantError
from cpqbridge.logs import unexpected
from cpqbridge.store.users import User
from cpqbridge.sync.acting import acting_as
from cpqbridge.web.ask import Ask, Cookie, Fields, Page, Redirect
from cpqbridge.web.guarding import (
    HEADERS,
    NOTICE,
    allowed_hosts,
    is_from_own_page,
    notice_cookie,
    notice_of,
    origin_of,
    set_cookies,
    signed_in,
    with_headers,
)
from cpqbridge.web.health import Health, add_health
from cpqbridge.web.hook import HOOK_PATH, TakeEvent, add_stripe_hook, hook_problem
from cpqbridge.web.navigation import navigation
from cpqbridge.web.pages import PAGES
from cpqbridge.web.rendering import render
from cpqbridge.web.site import Route, Site

FORM_BYTES = 2**20
"""The longest form that is taken in."""

_NO_FORM = Fields()


@dataclass(frozen=True, slots=True, kw_only=True)
class Outside:
    """What asks the app besides people: Stripe's events, and supervisors.

    `take_event` takes in body and signature of an event of Stripe or raises EventRefusedError; without it
    no events are taken. `health` answers for the process.
    """

    take_event: TakeEvent | None = None
    health: Health | None = None


def create_app(site: Site, outside: Outside | None = None) -> FastAPI:
    """Return the app that serves every page of `site`, registered by this call."""
    outside = outside or Outside()
    app = FastAPI(title="cpqbridge", docs_url=None, redoc_url=None, openapi_url=None)
    app.add_middleware(TrustedHostMiddleware, allowed_hosts=allowed_hosts(site))
    app.middleware("http")(with_headers)
    app.mount("/static", StaticFiles(directory=Path(__file__).parent / "static"))
    for add in PAGES:
        add(site)
    for route in site.routes:
        app.router.add_route(route.path, _endpoint(site, route), methods=[route.method])
    add_stripe_hook(app, outside.take_event)
    add_health(app, outside.health)
    _add_problem_pages(app, site)
    return app


def _endpoint(site: Site, route: Route) -> Callable[[Request], Awaitable[Response]]:
    async def endpoint(request: Request) -> Response:
        if route.method == "POST" and not is_from_own_page(site, request):
            return _problem(site, request, None, _FOREIGN)
        user = await signed_in(site, request)
        if route.role is not None and user is None:
            return _sign_in_first(request)
        if route.role is not None and user is not None and not user.role.covers(route.role):
            return _problem(site, request, user, _not_for(route, user))
        form = await _form(request) if route.method == "POST" else _NO_FORM
        if form is None:
            return _problem(site, request, user, _TOO_LONG)
        return await run_in_threadpool(_answered, site, route, request, _ask(site, request, user, form))

    return endpoint


def _ask(site: Site, request: Request, user: User | None, form: Fields) -> Ask:
    return Ask(
        site=site,
        user=user,
        method=request.method,
        path=request.path_params,
        address=request.url.path,
        query=Fields.parsed(request.url.query),
        form=form,
        cookies=request.cookies,
        client=request.client.host if request.client else "",
        origin=origin_of(site, request),
        now=site.clock.now(),
        is_fragment=request.headers.get("HX-Request") == "true",
    )


def _answered(site: Site, route: Route, request: Request, ask: Ask) -> Response:
    try:
        with acting_as(ask.actor):
            answer = route.handler(ask)
    except (InvariantError, AccessLostError) as error:
        return _problem(site, request, ask.user, _of(error, HTTPStatus.SERVICE_UNAVAILABLE))
    except CpqbridgeError as error:
        return _problem(site, request, ask.user, _of(error, HTTPStatus.UNPROCESSABLE_ENTITY))
    if isinstance(answer, Response):
        return answer
    if isinstance(answer, Redirect):
        response: Response = RedirectResponse(answer.to, status_code=HTTPStatus.SEE_OTHER)
        notice = (notice_cookie(answer.notice),) if answer.notice else ()
        set_cookies(site, response, (*answer.cookies, *notice))
        return response
    return _shown(site, request, ask.user, answer)


def _shown(site: Site, request: Request, user: User | None, page: Page) -> HTMLResponse:
    if request.headers.get("HX-Request") == "true" and page.fragment:
        content = render(page.fragment, user=user, demo=site.demo, **page.context)
        return HTMLResponse(content, status_code=page.status)
    notice = notice_of(request)
    content = render(
        page.template,
        user=user,
        notice=notice,
        demo=site.demo,
        navigation=navigation(site, user, request.url.path),
        **page.context,
    )
    response = HTMLResponse(content, status_code=page.status)
    # A fragment shows no notice, so it leaves it for the page.
    set_cookies(site, response, (*page.cookies, *((Cookie(name=NOTICE, seconds=0),) if notice else ())))
    return response


def _sign_in_first(request: Request) -> Response:
    wanted = request.url.path + (f"?{request.url.query}" if request.url.query else "")
    address = f"/sign-in?next={quote(wanted, safe='')}" if request.method == "GET" else "/sign-in"
    response = RedirectResponse(address, status_code=HTTPStatus.SEE_OTHER)
    if request.headers.get("HX-Request") == "true":
        # HTMX would put the sign-in page into the middle of the one that is open.
        response = RedirectResponse(address, status_code=HTTPStatus.UNAUTHORIZED)
        response.headers["HX-Redirect"] = "/sign-in"
    return response


async def _form(request: Request) -> Fields | None:
    """Return the form that was sent, None when it is too long or cannot be read."""
    payload = bytearray()
    async for chunk in request.stream():
        payload += chunk
        if len(payload) > FORM_BYTES:
            return None
    try:
        return Fields.parsed(payload.decode())
    except ValueError:
        return None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Problem:
    status: int
    title: str
    message: str
    fix: str
    code: str = ""


_FOREIGN = _Problem(
    status=HTTPStatus.FORBIDDEN,
    title="Not sent from this app",
    message="Your browser says that this request came from another site, so nothing was changed.",
    fix="Open the page here and try again. Behind a proxy, CPQBRIDGE_PUBLIC_URL must be the address in your "
    "browser.",
)
_TOO_LONG = _Problem(
    status=HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    title="The form cannot be read",
    message=f"It is longer than {FORM_BYTES // 1024} KiB or is not a form of this app. Nothing was changed.",
    fix="Go back and try again with less text.",
)
_NOT_FOUND = _Problem(
    status=HTTPStatus.NOT_FOUND,
    title="Not found",
    message="There is nothing under this address.",
    fix="It may have been removed, or not been seen yet.",
)


def _not_for(route: Route, user: User) -> _Problem:
    needed = route.role.value if route.role is not None else ""
    return _Problem(
        status=HTTPStatus.FORBIDDEN,
        title="Not for your role",
        message=f"You are signed in as {user.name} with the role {user.role.value}; this is for {needed}s.",
        fix="Ask an admin to do it, or to give you the role.",
    )


def _of(error: CpqbridgeError, status: int) -> _Problem:
    return _Problem(
        status=status, title="This did not work", message=error.message, fix=error.fix, code=error.code
    )


def _problem(site: Site, request: Request, user: User | None, problem: _Problem) -> HTMLResponse:
    page = Page("problem.html", {"problem": problem}, status=problem.status)
    return _shown(site, request, user, page)


def _add_problem_pages(app: FastAPI, site: Site) -> None:
    @app.exception_handler(HTTPException)
    async def problem(request: Request, error: HTTPException) -> Response:
        if request.url.path == HOOK_PATH:
            return hook_problem(error.status_code, f"{request.method} is not for this address.", "Use POST.")
        user = await signed_in(site, request)
        known = _NOT_FOUND
        if error.status_code != HTTPStatus.NOT_FOUND:
            known = _Problem(
                status=error.status_code,
                title="This page cannot be shown",
                message="The request was refused.",
                fix="Go back and open the page again.",
            )
        return await run_in_threadpool(_problem, site, request, user, known)

    @app.exception_handler(Exception)
    def broken(request: Request, error: Exception) -> Response:
        if request.url.path == HOOK_PATH:
            return hook_problem(
                500,
                f"The event could not be stored (id {unexpected(error)}).",
                "Stripe sends it again by itself; the log says more under this id.",
            )
        told = _Problem(
            status=500,
            title="Something went wrong",
            message=f"This page could not be made (id {unexpected(error)}).",
            fix="Report the id together with the entry in the log.",
        )
        # This handler stands outside of the one that adds the headers to all others.
        return HTMLResponse(render("broken.html", problem=told), status_code=500, headers=HEADERS)
