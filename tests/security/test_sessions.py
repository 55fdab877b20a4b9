"""Sessions and their cookies, where signing in leads, host names, and what a stranger can find out."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from fastapi.testclient import TestClient
from tests.app_people import OWN
from tests.faults.two_sides import service
from tests.security.conftest import GOOD, House, house_of

from cpqbridge.store.users import Role
from cpqbridge.web.app import create_app
from cpqbridge.web.guarding import session_cookie
from cpqbridge.web.session import local_address

ELSEWHERE = [
    "https://evil.example",
    "//evil.example",
    "///evil.example",
    "/\\evil.example",
    "\\\\evil.example",
    "/\t/evil.example",
    "/\n/evil.example",
    "\t//evil.example",
    "/ /evil.example",
    "javascript:alert(1)",
    "data:text/html,x",
    "http:evil.example",
    "http:///evil.example",
    "evil.example",
    "@evil.example",
    "",
    "/\x00//evil.example",
    "/\u2028/evil.example",
    "//[",
    "/sign-out",
    "/sign-in?next=/sign-in",
    "/welcome/x",
]


@pytest.fixture
def house(own: House) -> House:
    """A home whose first admin is Ada."""
    own.site.accounts.accept(_invite(own, "Ada", Role.ADMIN), name="", password=GOOD)
    return own


def _invite(house: House, name: str, role: Role) -> str:
    page = house.client(Role.ADMIN).post("/people", data={"name": name, "role": role.value}).text
    return re.search(r"/welcome/([\w-]+)", page).group(1)


def sign_in(client: TestClient, **form: str):
    return client.post("/sign-in", data={"name": "Ada", "password": GOOD} | form)


# Cookies.


def test_a_session_that_was_given_before_is_not_taken_over(house: House) -> None:
    client = house.client(None)
    client.cookies.set(session_cookie(house.site), "chosen-by-somebody-else", domain="127.0.0.1", path="/")
    assert sign_in(client).status_code == 303
    stranger = house.client(None)
    fixed = {"Cookie": f"{session_cookie(house.site)}=chosen-by-somebody-else"}
    assert stranger.get("/account", headers=fixed).status_code == 303


def test_signing_in_again_gives_a_new_session_and_ends_the_old_one(house: House) -> None:
    client = house.client(None)
    sign_in(client)
    old = client.cookies[session_cookie(house.site)]
    sign_in(client)
    new = client.cookies[session_cookie(house.site)]
    assert old != new
    assert len(new) >= 43
    kept = {"Cookie": f"{session_cookie(house.site)}={old}"}
    assert house.client(None).get("/account", headers=kept).status_code == 303


def test_the_cookie_is_for_this_app_only(house: House) -> None:
    (cookie,) = sign_in(house.client(None)).headers.get_list("set-cookie")
    parts = {part.strip().lower() for part in cookie.split(";")[1:]}
    assert {"httponly", "path=/", "samesite=lax", "max-age=604800"} <= parts
    assert not [part for part in parts if part.startswith("domain")]
    assert cookie.startswith("cpqbridge_session=")


def test_over_https_the_cookie_is_bound_to_the_host(house: House) -> None:
    house.site.public_url = "https://bridge.example"
    client = TestClient(create_app(house.site), base_url="https://bridge.example", follow_redirects=False)
    client.headers["Origin"] = "https://bridge.example"
    (cookie,) = sign_in(client).headers.get_list("set-cookie")
    parts = {part.strip().lower() for part in cookie.split(";")[1:]}
    assert cookie.startswith("__Host-cpqbridge_session=")
    assert {"secure", "httponly", "path=/", "samesite=lax"} <= parts
    assert not [part for part in parts if part.startswith("domain")]
    assert client.get("/account").status_code == 200
    token = client.cookies["__Host-cpqbridge_session"]
    planted = {"Cookie": f"cpqbridge_session={token}"}
    assert house.client(None).get("/account", headers=planted).status_code in {303, 400}


def test_a_token_is_no_password_and_a_link_is_no_session(house: House) -> None:
    link = _invite(house, "Grace", Role.ADMIN)
    for value in (link, "", "x" * 5000, "%00", "' OR 1=1 --"):
        planted = {"Cookie": f"{session_cookie(house.site)}={value}"}
        assert house.client(None).get("/account", headers=planted).status_code == 303


# Where signing in leads.


@pytest.mark.parametrize("wanted", ELSEWHERE, ids=repr)
def test_signing_in_never_leads_elsewhere(house: House, wanted: str) -> None:
    assert local_address(wanted) == "/"
    client = house.client(None)
    assert sign_in(client, next=wanted).headers["location"] == "/"
    # Who is signed in already is sent on at once.
    assert client.get("/sign-in", params={"next": wanted}).headers["location"] == "/"


@pytest.mark.parametrize("wanted", ["/orders", "/orders?state=held&page=2", "/orders/801x#line", "/a//b"])
def test_signing_in_leads_on_inside_the_app(house: House, wanted: str) -> None:
    assert sign_in(house.client(None), next=wanted).headers["location"] == wanted


# Host names.


@pytest.mark.parametrize(
    "host", ["evil.example", "127.0.0.1.evil.example", "evil.example:8080", "localhost.evil.example", ""]
)
def test_another_host_name_is_not_answered(house: House, host: str) -> None:
    for path in ("/sign-in", "/people", "/static/app.css", "/healthz"):
        assert house.client(Role.ADMIN).get(path, headers={"Host": host}).status_code == 400


@pytest.mark.parametrize("name", ["X-Forwarded-Host", "Forwarded", "X-Host", "X-Original-Host"])
def test_a_link_is_made_for_the_address_of_the_app(house: House, name: str) -> None:
    form = {"name": "Grace", "role": "viewer"}
    page = house.client(Role.ADMIN).post("/people", data=form, headers={name: "evil.example"}).text
    assert "evil.example" not in page
    assert f"{OWN}/welcome/" in page


# What a stranger can find out.


def test_a_known_name_and_an_unknown_one_get_the_same_answers(house: House) -> None:
    answers = []
    for name in ("Ada", "Bob"):
        client = house.client(None)
        tries = [sign_in(client, name=name, password="not the right one") for _ in range(7)]
        said = [re.sub(rf'value="{name}"', 'value=""', each.text) for each in tries]
        answers.append(
            [(each.status_code, text, sorted(each.headers)) for each, text in zip(tries, said, strict=True)]
        )
    assert answers[0] == answers[1]
    assert [status for status, _, _ in answers[0]] == [422] * 5 + [429] * 2


def test_an_address_that_tries_many_names_is_blocked_whatever_it_says_it_is(house: House) -> None:
    statuses = []
    for number in range(22):
        client = TestClient(house.app, base_url=OWN, client=("203.0.113.9", 4000 + number))
        client.headers |= {"Origin": OWN, "X-Forwarded-For": f"198.51.100.{number}"}
        statuses.append(sign_in(client, name=f"Name {number}", password="not the right one").status_code)
    assert statuses == [422] * 20 + [429] * 2
    assert sign_in(house.client(None)).status_code == 303


def test_links_that_do_not_work_do_not_say_why(house: House) -> None:
    used = _invite(house, "Grace", Role.VIEWER)
    house.site.accounts.accept(used, name="", password=GOOD)
    pages = [house.client(None).get(f"/welcome/{token}").text for token in (used, "never-made", "x" * 43)]
    assert len(set(pages)) == 1


def test_who_is_not_signed_in_sees_no_name_connection_or_place(connected: House) -> None:
    for path in ("/sign-in", "/nothing", "/welcome/x"):
        page = connected.client(None).get(path).text
        assert "the admin" not in page
        assert "/orders" not in page
        assert ">test" not in page


def test_everything_is_signed_in_again_after_a_restart_or_not_at_all(tmp_path: Path) -> None:
    with service(tmp_path) as opened:
        house = house_of(opened)
        client = house.client(Role.VIEWER)
        cookie = {"Cookie": "; ".join(f"{name}={value}" for name, value in client.cookies.items())}
        assert client.get("/account").status_code == 200
    with service(tmp_path) as opened:
        again = house_of(opened)
        assert again.client(None).get("/account", headers=cookie).status_code == 200
