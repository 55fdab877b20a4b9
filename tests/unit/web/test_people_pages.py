"""Signing in, the page behind a one-time link, one's own account, and the list of people."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from argon2 import PasswordHasher
from fastapi.testclient import TestClient
from tests.app_people import OWN, client_of
from tests.faults.two_sides import service

from cpqbridge.store import audit
from cpqbridge.store.users import Role
from cpqbridge.sync.accounts import Accounts
from cpqbridge.sync.passwords import Passwords
from cpqbridge.sync.people import People
from cpqbridge.web.app import create_app
from cpqbridge.web.guarding import session_cookie
from cpqbridge.web.site import Site

GOOD = "four plain words here"
OTHER = "quite another sentence"


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    with service(tmp_path) as opened:
        made = Site(opened)
        quick = PasswordHasher(time_cost=1, memory_cost=64, parallelism=1)
        made.accounts = Accounts(opened, passwords=Passwords(quick))
        yield made


@pytest.fixture
def app(site: Site):
    return create_app(site)


def browser(app) -> TestClient:
    return TestClient(app, base_url=OWN, headers={"Origin": OWN}, follow_redirects=False)


def first_admin(site: Site, app) -> TestClient:
    client = browser(app)
    token = site.accounts.first_link()
    form = {"name": "Ada", "password": GOOD, "again": GOOD}
    assert client.post(f"/welcome/{token}", data=form).status_code == 303
    return client


def link_on(page: str) -> str:
    found = re.search(r'aria-label="The link">http://127\.0\.0\.1(/welcome/[\w-]+)<', page)
    assert found, page
    return found.group(1)


def test_the_first_link_signs_in_and_works_once(site, app) -> None:
    token = site.accounts.first_link()
    client = browser(app)
    page = client.get(f"/welcome/{token}").text
    assert "you become the admin" in page
    form = {"name": "Ada", "password": GOOD, "again": GOOD}
    answer = client.post(f"/welcome/{token}", data=form)
    assert (answer.status_code, answer.headers["location"]) == (303, "/")
    assert client.get("/people").status_code == 200
    with site.service.store.read() as transaction:
        made = audit.latest(transaction, connection_id=None, limit=5)
    assert {entry.actor for entry in made} == {"Ada"}
    again = browser(app).post(f"/welcome/{token}", data=form)
    assert again.status_code == 422
    assert "This link does not work" in again.text


@pytest.mark.parametrize(
    ("form", "said"),
    [
        ({"name": "", "password": GOOD, "again": GOOD}, "This cannot be a name."),
        ({"name": "Ada", "password": "short", "again": "short"}, "12 to 200 characters"),
        ({"name": "Ada", "password": GOOD, "again": OTHER}, "The two passwords differ."),
        ({"name": "Ada", "password": "Ada Ada Ada Ada", "again": "Ada Ada Ada Ada"}, "one of the first"),
    ],
)
def test_the_welcome_page_says_at_the_field_what_is_wrong(site, app, form, said: str) -> None:
    token = site.accounts.first_link()
    answer = browser(app).post(f"/welcome/{token}", data=form)
    assert answer.status_code == 422
    at_field = re.search(r'<div class="slds-form-element__help"[^>]*>([^<]*)', answer.text)
    assert at_field
    assert said in at_field.group(1)
    assert form["password"] not in answer.text
    assert site.accounts.welcome(token)


def test_signing_in_goes_on_where_one_wanted_to_go(site, app) -> None:
    first_admin(site, app)
    client = browser(app)
    asked = client.get("/people?x=1")
    assert asked.headers["location"] == "/sign-in?next=%2Fpeople%3Fx%3D1"
    assert 'name="next" value="/people?x=1"' in client.get(asked.headers["location"]).text
    answer = client.post("/sign-in", data={"name": "ada", "password": GOOD, "next": "/people?x=1"})
    assert answer.headers["location"] == "/people?x=1"
    assert client.get("/sign-in?next=/account").headers["location"] == "/account"


def test_a_wrong_password_is_refused_and_then_blocked(site, app) -> None:
    first_admin(site, app)
    client = browser(app)
    for _ in range(5):
        answer = client.post("/sign-in", data={"name": "Ada", "password": OTHER})
        assert answer.status_code == 422
        assert "Name and password do not fit." in answer.text
        assert OTHER not in answer.text
    blocked = client.post("/sign-in", data={"name": "Ada", "password": GOOD})
    assert blocked.status_code == 429
    assert "Wait 30 seconds" in blocked.text
    assert session_cookie(site) not in client.cookies


def test_signing_out_ends_the_session_on_both_ends(site, app) -> None:
    client = first_admin(site, app)
    token = client.cookies[session_cookie(site)]
    assert client.post("/sign-out").headers["location"] == "/sign-in"
    assert session_cookie(site) not in client.cookies
    assert client.get("/account", headers={"Cookie": f"{session_cookie(site)}={token}"}).status_code == 303


def test_a_new_password_ends_the_other_sessions(site, app) -> None:
    here = first_admin(site, app)
    elsewhere = browser(app)
    elsewhere.post("/sign-in", data={"name": "Ada", "password": GOOD})
    wrong = here.post("/account/password", data={"old": OTHER, "password": OTHER})
    assert (wrong.status_code, "not your present password" in wrong.text) == (422, True)
    assert here.post("/account/password", data={"old": GOOD, "password": OTHER}).status_code == 303
    assert "Your password is changed" in here.get("/account").text
    assert elsewhere.get("/account").status_code == 303


def test_signing_out_everywhere_ends_every_session(site, app) -> None:
    here, elsewhere = first_admin(site, app), browser(app)
    elsewhere.post("/sign-in", data={"name": "Ada", "password": GOOD})
    here.post("/account/sign-out-everywhere")
    assert [each.get("/account").status_code for each in (here, elsewhere)] == [303, 303]


def test_an_admin_invites_somebody_who_signs_in_with_that_role(site, app) -> None:
    admin, grace = first_admin(site, app), browser(app)
    shown = admin.post("/people", data={"name": "Grace", "role": "operator"})
    link = link_on(shown.text)
    assert link not in admin.get("/people").text
    assert "You sign in as <strong>Grace</strong> with the role operator" in grace.get(link).text
    assert grace.post(link, data={"name": "Eve", "password": GOOD, "again": GOOD}).status_code == 303
    assert 'Grace <span class="quiet">(operator)' in grace.get("/account").text
    assert grace.get("/people").status_code == 403
    with site.service.store.read() as transaction:
        made = audit.latest(transaction, connection_id=None, limit=3)
    assert [(entry.actor, entry.action) for entry in made[:2]] == [
        ("Grace", "password_chosen"),
        ("Ada", "user_added"),
    ]


@pytest.mark.parametrize(
    ("form", "said"),
    [
        ({"name": "Ada", "role": "viewer"}, "somebody called Ada already"),
        ({"name": "<b>", "role": "viewer"}, "This cannot be a name."),
        ({"name": "Grace", "role": "boss"}, "There is no such role."),
        ({}, "There is no such role."),
    ],
)
def test_an_invitation_that_cannot_be_made_says_so_at_the_field(site, app, form, said: str) -> None:
    admin = first_admin(site, app)
    answer = admin.post("/people", data=form)
    assert answer.status_code == 422
    assert said in answer.text
    assert len(People(site.service).everybody()) == 1


def test_an_admin_changes_a_role_and_lets_somebody_go_and_come_back(site, app) -> None:
    admin, grace = first_admin(site, app), browser(app)
    link = link_on(admin.post("/people", data={"name": "Grace", "role": "viewer"}).text)
    grace.post(link, data={"password": GOOD, "again": GOOD})
    person = People(site.service).of_name("Grace")
    own = f"/people/{person.user_id}"
    assert "Grace" in admin.get(own).text
    admin.post(f"{own}/role", data={"role": "operator"})
    assert "Grace is operator now." in admin.get("/people").text
    assert grace.get("/account").status_code == 303
    assert "signed out everywhere at once" in admin.get(f"{own}/disable").text
    admin.post(f"{own}/disable")
    refused = grace.post("/sign-in", data={"name": "Grace", "password": GOOD})
    assert "Name and password do not fit." in refused.text
    assert admin.post(f"{own}/link").status_code == 422
    admin.post(f"{own}/enable")
    assert grace.post("/sign-in", data={"name": "Grace", "password": GOOD}).status_code == 303


def test_the_last_admin_stays_one(site, app) -> None:
    admin = first_admin(site, app)
    own = f"/people/{People(site.service).of_name('Ada').user_id}"
    for answer in (admin.post(f"{own}/role", data={"role": "viewer"}), admin.post(f"{own}/disable")):
        assert answer.status_code == 422
        assert "Ada is the last admin." in answer.text
    assert admin.get("/people").status_code == 200


@pytest.mark.parametrize("path", ["/people/999", "/people/x", "/people/-1", "/people/²"])
def test_nobody_of_that_number_is_not_found(site, path: str) -> None:
    assert client_of(site, Role.ADMIN).get(path).status_code == 404
