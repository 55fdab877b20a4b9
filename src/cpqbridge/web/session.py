"""The cookie of a session, and where people go on after signing in."""

from __future__ import annotations

from urllib.parse import urlsplit

from cpqbridge.errors import ConfigurationError
from cpqbridge.store.users import Role
from cpqbridge.sync.accounts import LONGEST, SignedIn
from cpqbridge.web.ask import Cookie
from cpqbridge.web.guarding import session_cookie
from cpqbridge.web.site import Site

START = "/"
_NOT_AGAIN = ("/sign-in", "/sign-out", "/welcome")


def begun(site: Site, session: SignedIn) -> Cookie:
    """Return the cookie by which a browser is signed in; it lasts no longer than the session."""
    return Cookie(name=session_cookie(site), value=session.token, seconds=int(LONGEST.total_seconds()))


def ended(site: Site) -> Cookie:
    """Return the cookie that makes a browser forget its session."""
    return Cookie(name=session_cookie(site), seconds=0)


def local_address(wanted: str) -> str:
    """Return the page of this app that somebody wanted, the overview when it is none.

    Everything that a browser may read as another site is none: a scheme, a host, and what browsers make a
    host of, like backslashes and left-out control characters.
    """
    is_plain = wanted.isprintable() and "\\" not in wanted and " " not in wanted
    if not is_plain or not wanted.startswith("/") or wanted.startswith("//"):
        return START
    try:
        parts = urlsplit(wanted)
    except ValueError:
        return START
    is_again = any(parts.path == each or parts.path.startswith(f"{each}/") for each in _NOT_AGAIN)
    return START if parts.scheme or parts.netloc or is_again else wanted


def role_of(text: str) -> Role:
    """Return the role that a form names.

    Raises:
        ConfigurationError: there is no such role.
    """
    try:
        return Role(text)
    except ValueError:
        raise ConfigurationError(
            "There is no such role.", code="role_unknown", field="role", fix="Choose one of the three."
        ) from None
