"""People of the app for tests: signed in without the slow hash of a password."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

from fastapi.testclient import TestClient

from cpqbridge.clock import SystemClock
from cpqbridge.store import sessions, users
from cpqbridge.store.users import Role, User
from cpqbridge.sync.accounts import new_token
from cpqbridge.web.app import create_app
from cpqbridge.web.guarding import session_cookie
from cpqbridge.web.site import Site

OWN = "http://127.0.0.1"


def session_of(
    site: Site, role: Role, name: str = "", *, into: Callable[[str, str], object] | None = None
) -> User:
    """Make a person of a role, or find them by name, and a session; `into` is told the cookie."""
    now = SystemClock().now()
    name = name or f"the {role.value}"
    token = new_token()
    with site.service.store.write() as transaction:
        user = users.by_name(transaction, name) or users.add(transaction, name=name, role=role, at=now)
        ends = now + timedelta(days=1)
        sessions.add(transaction, token=token, user_id=user.user_id, at=now, expires_at=ends)
    if into is not None:
        into(session_cookie(site), token)
    return user


def client_of(site: Site, role: Role | None) -> TestClient:
    """Return a client of the app of `site` that is signed in (None: is not), sends the app's own origin and
    follows no redirect."""
    client = TestClient(create_app(site), base_url=OWN, headers={"Origin": OWN}, follow_redirects=False)
    if role is not None:
        session_of(site, role, into=client.cookies.set)
    return client
