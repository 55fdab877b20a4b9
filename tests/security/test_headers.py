"""The headers of every answer: pages, errors, files, and what is for machines."""

from __future__ import annotations

import pytest
from tests.security.conftest import House

from cpqbridge.store.users import Role

WANTED = {
    "x-content-type-options": "nosniff",
    "referrer-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
}
POLICY = {
    "default-src": {"'none'"},
    "script-src": {"'self'"},
    "style-src": {"'self'"},
    "connect-src": {"'self'"},
    "base-uri": {"'none'"},
    "frame-ancestors": {"'none'"},
}


def assert_guarded(answer, where: object, *, is_kept: bool = False) -> None:
    for name, value in WANTED.items():
        assert answer.headers.get(name) == value, (where, name)
    policy = {
        directive.split()[0]: set(directive.split()[1:])
        for directive in answer.headers["content-security-policy"].split(";")
    }
    assert POLICY.items() <= policy.items(), where
    assert "'self'" in policy["form-action"], where
    everything = set().union(*policy.values())
    assert not {source for source in everything if source.startswith(("'unsafe", "*", "http:"))}, where
    assert ("no-store" in answer.headers["cache-control"]) is not is_kept, where
    assert "server" not in answer.headers


@pytest.mark.parametrize("role", [None, *Role], ids=str)
def test_every_page_and_every_refusal_has_them(connected: House, role: Role | None) -> None:
    client = connected.client(role)
    for route in connected.site.routes:
        if route.method == "GET":
            answer = client.get(connected.address(route))
            assert_guarded(answer, (route.path, role))
            if answer.headers.get("content-type", "").startswith("text/html"):
                assert answer.headers["content-type"] == "text/html; charset=utf-8"


def test_every_refused_form_has_them(empty: House) -> None:
    nobody, foreign = empty.client(None), empty.client(Role.ADMIN, Origin="https://evil.example")
    for route in empty.site.routes:
        if route.method == "POST":
            assert_guarded(nobody.post(empty.address(route)), route.path)
            assert_guarded(foreign.post(empty.address(route)), route.path)


@pytest.mark.parametrize(
    ("path", "status"),
    [("/nothing", 404), ("/people/999", 404), ("/static/nothing", 404), ("/hooks/stripe", 405)],
)
def test_errors_have_them(empty: House, path: str, status: int) -> None:
    answer = empty.client(Role.ADMIN).get(path)
    assert answer.status_code == status
    assert_guarded(answer, path)


def test_what_goes_wrong_inside_has_them_and_tells_nothing(own: House) -> None:
    client = own.client(Role.ADMIN)
    own.site.service.store.close()
    (own.site.service.store.home / "cpqbridge.sqlite3").rename(own.site.service.store.home / "gone")
    answer = client.get("/account")
    assert answer.status_code == 500
    assert_guarded(answer, "broken")
    assert "Traceback" not in answer.text
    assert "sqlite" not in answer.text.lower()


def test_a_form_too_long_and_a_strange_host_have_them(empty: House) -> None:
    client = empty.client(Role.ADMIN)
    answer = client.post("/people", content=b"name=" + b"x" * 2**21)
    assert answer.status_code == 413
    assert_guarded(answer, "413")
    answer = client.get("/account", headers={"Host": "evil.example"})
    assert answer.status_code == 400
    assert_guarded(answer, "host")


@pytest.mark.parametrize("path", ["/healthz", "/readyz", "/metrics"])
def test_what_is_for_machines_has_them(empty: House, path: str) -> None:
    assert_guarded(empty.client(None).get(path), path)


def test_files_have_them_and_may_be_kept(empty: House) -> None:
    for path in ("app.css", "slds/slds.css", "htmx/htmx.min.js", "mark.svg"):
        answer = empty.client(None).get(f"/static/{path}")
        assert answer.status_code == 200
        assert_guarded(answer, path, is_kept=True)


@pytest.mark.parametrize(
    "path", ["../app.py", "..%2fapp.py", "%2e%2e/app.py", "slds/../../app.py", "/etc/passwd"]
)
def test_no_file_outside_is_served(empty: House, path: str) -> None:
    assert empty.client(None).get(f"/static/{path}").status_code == 404
