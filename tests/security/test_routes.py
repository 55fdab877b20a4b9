"""Every address of the app for everybody: who is not signed in, and each role."""

from __future__ import annotations

import html
import re
from urllib.parse import urljoin, urlsplit

import pytest
from starlette.routing import Mount, Route
from tests.security.conftest import House

from cpqbridge.store import users
from cpqbridge.store.users import Role

OPEN_TO_ALL = {
    ("GET", "/sign-in"),
    ("POST", "/sign-in"),
    ("GET", "/welcome/{token}"),
    ("POST", "/welcome/{token}"),
}
FOR_MACHINES = {"/static", "/hooks/stripe", "/healthz", "/readyz", "/metrics"}
"""Addresses that show no order and no person; events carry a signature of their own."""

VIEWERS_CHANGE = {"/sign-out", "/account/password", "/account/sign-out-everywhere"}
"""What everybody may change: their own session and password."""

OPERATORS_CHECK = {
    "/connections/{name}/health",
    "/connections/{name}/setup/dry-run",
    "/connections/{name}/setup/dry-run/{dry_run}/stop",
}
"""What operators do with a connection: it asks both sides and changes neither, nor how it is set up."""

ENDS_SESSION = {"/sign-out", "/account/sign-out-everywhere"}
"""Who did this is sent to the sign-in page because it worked."""

FOR_ADMINS = ("/people", "/alerts", "/connections/new")
"""Beginnings of addresses under which everything is for admins."""


def test_only_signing_in_is_open_to_all(empty: House) -> None:
    found = {(route.method, route.path) for route in empty.site.routes if route.role is None}
    assert found == OPEN_TO_ALL


def test_every_address_of_the_app_is_a_page_or_for_machines(empty: House) -> None:
    pages = {route.path for route in empty.site.routes}
    served = {route.path for route in empty.app.routes if isinstance(route, Route | Mount)}
    assert served - pages == FOR_MACHINES
    assert pages <= served


def test_viewers_change_nothing_but_their_own(empty: House) -> None:
    changing = {
        route.path for route in empty.site.routes if route.method == "POST" and route.role is Role.VIEWER
    }
    assert changing == VIEWERS_CHANGE


def test_connections_are_changed_by_admins_only(empty: House) -> None:
    by_operators = {
        route.path
        for route in empty.site.routes
        if route.method == "POST" and route.path.startswith("/connections") and route.role is not Role.ADMIN
    }
    assert by_operators == OPERATORS_CHECK


def test_people_alerts_and_new_connections_are_for_admins(empty: House) -> None:
    low = [
        (route.method, route.path)
        for route in empty.site.routes
        if route.path.startswith(FOR_ADMINS) and route.role is not Role.ADMIN
    ]
    assert low == []


@pytest.mark.parametrize("role", [None, *Role], ids=str)
def test_each_role_gets_what_is_declared_for_it_and_nothing_else(empty: House, role: Role | None) -> None:
    wrong = []
    for route in empty.site.routes:
        answer = empty.client(role).request(route.method, empty.address(route))
        to_sign_in = answer.headers.get("location", "").startswith("/sign-in")
        if route.path in ENDS_SESSION and "Max-Age=0" in answer.headers.get("set-cookie", ""):
            to_sign_in = False
        may = route.role is None or (role is not None and role.covers(route.role))
        if may:
            # An empty form or an id that nobody has is refused too, but by the page and in its own words.
            as_declared = not to_sign_in and answer.status_code not in {401, 403} and answer.status_code < 500
        elif role is None:
            as_declared = answer.status_code == 303 and to_sign_in
        else:
            as_declared = answer.status_code == 403 and "Not for your role" in answer.text
        if not as_declared:
            wrong.append((route.method, route.path, answer.status_code))
    assert wrong == []


def test_what_is_refused_shows_nothing_of_the_page(connected: House) -> None:
    order = connected.sides.order()["OrderNumber"]
    for path in ("/orders", f"/orders/{connected.sides.order_id}"):
        assert order not in connected.client(None).get(path, follow_redirects=True).text
        assert order in connected.client(Role.VIEWER).get(path).text


def fits(pattern: str, path: str) -> bool:
    """Whether a route of this pattern answers at the path: /alerts/{channel_id} does at /alerts/new too."""
    return re.fullmatch(re.sub(r"{\w+}", "[^/]+", pattern), path) is not None


def test_no_other_method_comes_past_a_route(empty: House) -> None:
    wrong = []
    clients = {role: empty.client(role) for role in (None, Role.ADMIN)}
    for path in sorted({empty.address(route) for route in empty.site.routes}):
        known = {route.method for route in empty.site.routes if fits(route.path, path)}
        for method in ("HEAD", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "POST", "GET"):
            if method in known or (method == "HEAD" and "GET" in known):
                continue
            for role, client in clients.items():
                answer = client.request(method, path)
                if answer.status_code not in {303, 404, 405} or (role and answer.status_code == 303):
                    wrong.append((method, path, role, answer.status_code))
    assert wrong == []


def test_head_is_for_whom_get_is(empty: House) -> None:
    client = empty.client(None)
    for route in empty.site.routes:
        if route.method == "GET" and route.role is not None:
            assert client.head(empty.address(route)).status_code == 303, route.path


def test_a_session_of_somebody_who_left_is_worth_nothing(own: House) -> None:
    client = own.client(Role.ADMIN)
    assert client.get("/account").status_code == 200
    with own.site.service.store.write() as transaction:
        person = users.by_name(transaction, "the admin")
        users.set_active(transaction, person.user_id, is_active=False)
    assert client.get("/account").status_code == 303


def test_only_a_demo_has_a_door_without_a_password(own: House) -> None:
    assert own.client(None).post("/demo/enter", data={"role": "admin"}).status_code == 404
    assert "/demo/enter" not in own.client(None).get("/sign-in").text


@pytest.mark.parametrize("role", list(Role))
def test_no_page_offers_what_its_reader_may_not_do_or_what_is_not_there(connected: House, role: Role) -> None:
    offered, wrong = 0, set()
    client = connected.client(role)
    for page in connected.site.routes:
        if page.method != "GET" or (page.role is not None and not role.covers(page.role)):
            continue
        text = client.get(connected.address(page)).text
        for method, target in offers(text):
            path = urlsplit(urljoin(connected.address(page), html.unescape(target))).path
            # The first route that fits answers, as in the app itself.
            found = [
                each for each in connected.site.routes if each.method == method and fits(each.path, path)
            ]
            offered += len(found)
            if not found and path not in FOR_MACHINES:
                wrong.add((page.path, method, f"{path} is nowhere"))
            if found and found[0].role is not None and not role.covers(found[0].role):
                wrong.add((page.path, method, found[0].path))
    assert offered > 100
    assert "\n".join(map(str, sorted(wrong))) == ""


def offers(text: str) -> list[tuple[str, str]]:
    """What a page lets its reader ask of this app: links and forms, with methods."""
    links = [("GET", href) for href in re.findall(r'<a\b[^>]*\bhref="(/[^"]*)"', text)]
    # A form without a button only frames what it shows.
    forms = [
        (method.upper(), action)
        for head, body in re.findall(r"(<form\b[^>]*>)(.*?)</form>", text, re.DOTALL)
        if "<button" in body
        for method in re.findall(r'\bmethod="(\w+)"', head)
        for action in re.findall(r'\baction="([^"]*)"', head)
    ]
    buttons = [("POST", action) for action in re.findall(r'\bformaction="([^"]*)"', text)]
    asked = [(name.upper(), path) for name, path in re.findall(r'\bhx-(get|post)="([^"]*)"', text)]
    return links + forms + buttons + asked
