"""Nothing changes on a GET, and nothing for a form that another site sent."""

from __future__ import annotations

import pytest
from tests.app_people import OWN
from tests.security.conftest import House

from cpqbridge.store.users import Role

FOREIGN = {
    "another site": {"Origin": "https://evil.example"},
    "no origin": {},
    "null": {"Origin": "null"},
    "empty": {"Origin": ""},
    "another port": {"Origin": "http://127.0.0.1:9999"},
    "another scheme": {"Origin": "https://127.0.0.1"},
    "own name before another": {"Origin": "http://127.0.0.1.evil.example"},
    "own name as user": {"Origin": "http://127.0.0.1@evil.example"},
    "own with a path": {"Origin": f"{OWN}/"},
    "two": {"Origin": f"{OWN}, https://evil.example"},
    "another of this machine": {"Origin": "http://localhost"},
    "cross-site by metadata": {"Sec-Fetch-Site": "cross-site"},
    "same-site by metadata": {"Sec-Fetch-Site": "same-site"},
    "typed in": {"Sec-Fetch-Site": "none"},
    "another site beside good metadata": {"Origin": "https://evil.example", "Sec-Fetch-Site": "same-origin"},
    "referrer only": {"Referer": f"{OWN}/people"},
    "forwarded": {"Origin": "https://evil.example", "X-Forwarded-Host": "evil.example"},
}


@pytest.mark.parametrize("headers", FOREIGN.values(), ids=FOREIGN)
def test_no_form_of_another_site_is_taken(empty: House, headers: dict[str, str]) -> None:
    before = empty.contents()
    wrong = []
    client = empty.client(Role.ADMIN)
    del client.headers["Origin"]
    for route in empty.site.routes:
        if route.method == "GET":
            continue
        answer = client.request(route.method, empty.address(route), headers=headers)
        if answer.status_code != 403 or "Not sent from this app" not in answer.text:
            wrong.append((route.path, answer.status_code))
    assert wrong == []
    assert empty.contents() == before


def test_nothing_changes_on_a_get(connected: House) -> None:
    before = connected.contents()
    billed = connected.sides.stripe_writes()
    client = connected.client(Role.ADMIN)
    for route in connected.site.routes:
        if route.method == "GET":
            client.get(connected.address(route))
            after = connected.contents()
            assert after == before, (route.path, [name for name in after if after[name] != before.get(name)])
    assert connected.sides.stripe_writes() == billed


def test_no_answer_lets_another_site_read_it(empty: House) -> None:
    for path in ("/account", "/sign-in", "/healthz", "/static/app.css"):
        client = empty.client(Role.ADMIN, Origin="https://evil.example")
        for answer in (client.get(path), client.options(path)):
            assert not [name for name in answer.headers if name.startswith("access-control-")]
