"""What stands between the network and every page: headers, own origins only, who is signed in."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from urllib.parse import quote, unquote, urlsplit

from fastapi import Request, Response
from starlette.concurrency import run_in_threadpool

from cpqbridge.clock import SystemClock
from cpqbridge.store.users import User
from cpqbridge.web.ask import Cookie
from cpqbridge.web.site import Site

OWN_HOSTS = ("127.0.0.1", "localhost", "[::1]")
NOTICE = "cpqbridge_notice"
_NOTICE_SECONDS = 60
_SESSION = "cpqbridge_session"
HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; "
    "img-src 'self' data:; font-src 'self'; connect-src 'self'; base-uri 'none'; "
    "form-action 'self'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    # With no-referrer a browser sends the origin `null` with our own forms, which looks like a foreign one.
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=()",
    "Cache-Control": "no-store",
}
"""On every answer; files that never change under their address may be kept."""

_KEPT = "public, max-age=86400"


def session_cookie(site: Site) -> str:
    """Return the name of the cookie that holds the session; over https browsers bind it to this host."""
    return f"__Host-{_SESSION}" if is_secure(site) else _SESSION


def is_secure(site: Site) -> bool:
    """Return whether people reach the app by https."""
    return site.public_url.startswith("https://")


def allowed_hosts(site: Site) -> list[str]:
    """Return the host names the app answers to: this machine's and the public one."""
    public = urlsplit(site.public_url).hostname
    return [*OWN_HOSTS, *([public] if public else [])]


def origin_of(site: Site, request: Request) -> str:
    """Return scheme and host of the app as people reach it."""
    return site.public_url or f"{request.url.scheme}://{request.url.netloc}"


def is_from_own_page(site: Site, request: Request) -> bool:
    """Return whether a browser says that a page of this app sent the request.

    Browsers send `Origin` with every form and `Sec-Fetch-Site` with everything; what sends neither is no
    browser with a person's session. Source: Fetch standard, "Origin header"; Fetch Metadata (Nov 2026).
    """
    origin = request.headers.get("Origin")
    if origin is None:
        return request.headers.get("Sec-Fetch-Site") == "same-origin"
    return origin in {f"{request.url.scheme}://{request.url.netloc}", origin_of(site, request)}


async def with_headers(request: Request, call: Callable[[Request], Awaitable[Response]]) -> Response:
    """Answer a request with the headers that every answer carries."""
    response = await call(request)
    response.headers.update(HEADERS)
    if request.url.path.startswith("/static/") and response.status_code in {200, 304}:
        response.headers["Cache-Control"] = _KEPT
    return response


async def signed_in(site: Site, request: Request) -> User | None:
    """Return who sent the request by its session, None when nobody is signed in."""
    token = request.cookies.get(session_cookie(site))
    if not token:
        return None
    # Sessions live by the machine's clock, also in a simulated world.
    return await run_in_threadpool(site.accounts.user_of, token, SystemClock().now())


def set_cookies(site: Site, response: Response, cookies: tuple[Cookie, ...]) -> None:
    """Add cookies that scripts cannot read and other sites cannot send."""
    for cookie in cookies:
        response.set_cookie(
            cookie.name,
            cookie.value,
            max_age=cookie.seconds,
            path="/",
            secure=is_secure(site),
            httponly=True,
            samesite="lax",
        )


def notice_cookie(text: str) -> Cookie:
    """Return the cookie that carries a notice to the next page."""
    return Cookie(name=NOTICE, value=quote(text), seconds=_NOTICE_SECONDS)


def notice_of(request: Request) -> str:
    """Return the notice that the last page left, empty when there is none."""
    return unquote(request.cookies.get(NOTICE, ""))
