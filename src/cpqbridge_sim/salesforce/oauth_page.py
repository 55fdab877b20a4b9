"""The pages of the simulated org's sign-in: one to log in and allow, one for what is wrong with the app."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

from cpqbridge_sim.salesforce.exchange import Answer

if TYPE_CHECKING:
    from collections.abc import Iterable

_SCOPE_WORDS = {
    "api": "Manage user data via APIs (api)",
    "refresh_token": "Perform requests at any time (refresh_token, offline_access)",
    "openid": "Access unique user identifiers (openid)",
}
_PAGE = """<!doctype html>
<html lang="en">
<head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title></head>
<body><main>{content}</main></body>
</html>
"""


def sign_in_page(
    *, org_name: str, username: str, key: str, scopes: Iterable[str], redirect_origin: str
) -> Answer:
    """The page on which a person logs in and allows or denies; the form leads back to `redirect_origin`."""
    asked = "".join(f"<li>{escape(_SCOPE_WORDS.get(each, each))}</li>" for each in scopes)
    content = f"""<h1>Log in to {escape(org_name)}</h1>
<p>This is the simulated org: no password is asked for.</p>
<form method="post" action="/services/oauth2/authorize">
<input type="hidden" name="request" value="{escape(key)}">
<p><label>Username <input name="username" value="{escape(username)}" readonly></label></p>
<p>cpqbridge asks to:</p>
<ul>{asked}</ul>
<p><button name="decision" value="allow">Allow</button>
<button name="decision" value="deny">Deny</button></p>
</form>"""
    return _page("Log in | simulated Salesforce", content, form_action=f"'self' {redirect_origin}")


def error_page(error: str, description: str) -> Answer:
    """The page that Salesforce shows in place of a sign-in when the app itself is wrong."""
    content = (
        "<h1>We can't authorize you because of an OAuth error.</h1>"
        f"<p>{escape(error)} : {escape(description)}</p>"
    )
    return _page("OAuth error | simulated Salesforce", content, status=400)


def _page(title: str, content: str, *, status: int = 200, form_action: str = "'none'") -> Answer:
    return Answer(
        status=status,
        content=_PAGE.format(title=escape(title), content=content),
        headers={
            "Content-Type": "text/html; charset=utf-8",
            "Content-Security-Policy": f"default-src 'none'; base-uri 'none'; frame-ancestors 'none'; "
            f"form-action {form_action}",
            "Cache-Control": "no-store",
        },
    )
