"""What every page gets: who may come in, notices, fragments, plain words when something goes wrong."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.app_people import OWN, client_of
from tests.faults.two_sides import NOW, service

from cpqbridge.errors import ConfigurationError
from cpqbridge.store import connections
from cpqbridge.store.connections import ConnectionFacts, ConnectionSecrets
from cpqbridge.store.users import Role
from cpqbridge.web.app import FORM_BYTES
from cpqbridge.web.ask import Ask, Fields, Page, Redirect
from cpqbridge.web.site import Demo, Site


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    with service(tmp_path) as opened:
        made = Site(opened)

        @made.get("/trial")
        def trial(ask: Ask) -> Page:
            return Page("catalogue_loaded.html", fragment="fragments/loaded.html")

        @made.post("/trial", role=Role.OPERATOR)
        def change(ask: Ask) -> Redirect:
            return Redirect("/trial", notice=f"Hello {ask.form.text('name')} <b>, from {ask.actor}")

        @made.get("/trial/refused")
        def refused(ask: Ask) -> Page:
            raise ConfigurationError("The field is <empty>.", code="trial", fix="Fill it in.")

        @made.get("/trial/broken")
        def broken(ask: Ask) -> Page:
            raise ZeroDivisionError("secret detail")

        yield made


def test_who_is_not_signed_in_signs_in_first_and_comes_back(site):
    client = client_of(site, None)
    answer = client.get("/trial?page=2")
    assert (answer.status_code, answer.headers["location"]) == (303, "/sign-in?next=%2Ftrial%3Fpage%3D2")
    assert client.post("/trial").headers["location"] == "/sign-in"
    fragment = client.get("/trial", headers={"HX-Request": "true"})
    assert (fragment.status_code, fragment.headers["hx-redirect"]) == (401, "/sign-in")


def test_a_lower_role_is_told_which_one_it_takes(site):
    answer = client_of(site, Role.VIEWER).post("/trial")
    assert answer.status_code == 403
    assert "this is for operators" in answer.text


def test_a_form_of_another_site_changes_nothing(site):
    client = client_of(site, Role.ADMIN)
    for origin in ("https://evil.example", "null", "http://127.0.0.1:9"):
        assert client.post("/trial", headers={"Origin": origin}).status_code == 403
    del client.headers["Origin"]
    assert client.post("/trial").status_code == 403
    assert client.post("/trial", headers={"Sec-Fetch-Site": "cross-site"}).status_code == 403
    assert client.post("/trial", headers={"Sec-Fetch-Site": "same-origin"}).status_code == 303


def test_behind_a_proxy_the_public_address_is_the_own_one(site):
    site.public_url = "https://bridge.example"
    client = client_of(site, Role.ADMIN)
    proxied = {"Host": "bridge.example", "Origin": "https://bridge.example"}
    # Over https the cookie is bound to the host, and a test client of plain http would not send it.
    cookie = {"Cookie": "; ".join(f"{name}={value}" for name, value in client.cookies.items())}
    answer = client.post("/trial", headers={**proxied, **cookie}, content="name=Ann")
    assert answer.status_code == 303
    assert all("secure" in each.lower() for each in answer.headers.get_list("set-cookie"))
    assert client.get("/trial", headers={"Host": "other.example"}).status_code == 400


def test_a_notice_is_shown_once_and_escaped(site):
    client = client_of(site, Role.OPERATOR)
    assert client.post("/trial", data={"name": "Ann"}).status_code == 303
    assert "Hello Ann &lt;b&gt;, from the operator" in client.get("/trial").text
    assert "Hello Ann" not in client.get("/trial").text


def test_htmx_gets_the_part_alone(site):
    client = client_of(site, Role.VIEWER)
    part = client.get("/trial", headers={"HX-Request": "true"}).text
    assert "<html" not in part
    assert part.strip() in client.get("/trial").text


def test_a_form_that_is_too_long_or_no_text_is_refused(site):
    client = client_of(site, Role.OPERATOR)
    for body in (b"name=" + b"x" * FORM_BYTES, b"name=\xff", b"&".join([b"a=1"] * 5001)):
        answer = client.post("/trial", content=body)
        assert answer.status_code == 413
        assert "Nothing was changed" in answer.text


def test_our_errors_say_what_to_do_and_others_give_an_id_only(site):
    client = client_of(site, Role.VIEWER)
    answer = client.get("/trial/refused")
    assert answer.status_code == 422
    assert "The field is &lt;empty&gt;." in answer.text
    assert "Fill it in." in answer.text
    with pytest.raises(ZeroDivisionError):
        client.get("/trial/broken")
    quiet = client_of(site, Role.VIEWER)
    quiet._transport.raise_server_exceptions = False
    told = quiet.get("/trial/broken")
    assert told.status_code == 500
    assert "Report the id" in told.text
    assert "secret detail" not in told.text
    assert "default-src 'none'" in told.headers["content-security-policy"]


def test_every_answer_has_the_headers_also_errors_and_files(site):
    client = client_of(site, Role.VIEWER)
    for path in ("/trial", "/trial/refused", "/nothing", "/static/app.css", "/sign-in", "/healthz"):
        headers = client.get(path).headers
        assert "default-src 'none'" in headers["content-security-policy"], path
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["referrer-policy"] == "same-origin"
    assert "max-age" in client.get("/static/app.css").headers["cache-control"]
    assert client.get("/trial").headers["cache-control"] == "no-store"


def test_fields_keep_every_value_and_the_last_one_counts():
    fields = Fields.parsed("a=1&a=2&b=+x+&c=")
    assert (fields["a"], fields.many("a"), fields.text("b"), fields.text("c")) == ("2", ("1", "2"), "x", "")
    assert fields.text("missing") == ""
    assert dict(fields) == {"a": "2", "b": " x ", "c": ""}


def test_own_origin_is_where_the_app_was_asked(site):
    assert client_of(site, Role.VIEWER).get("/trial", headers={"Origin": OWN}).status_code == 200


def test_a_demo_lets_people_in_by_role_and_no_other_home_does(tmp_path):
    with service(tmp_path) as opened:
        demo = client_of(Site(opened, demo=Demo(is_open=True)), None)
        answer = demo.post("/demo/enter", data={"role": "operator"})
        assert (answer.status_code, answer.headers["location"]) == (303, "/")
        assert "Demo operator" in demo.get("/components").text
        assert demo.post("/demo/enter", data={"role": "owner"}).status_code == 422
        assert client_of(Site(opened), None).post("/demo/enter", data={"role": "admin"}).status_code == 404


def test_a_demo_with_a_real_connection_lets_nobody_in(tmp_path):
    with service(tmp_path) as opened:
        facts = ConnectionFacts(
            org_id="00D000000000001AAA",
            org_name="Acme",
            time_zone="UTC",
            multi_currency=False,
            salesforce_url="https://acme.my.salesforce.com",
            stripe_account_id="acct_1",
            stripe_account_name="Acme",
            stripe_api_base=None,
            live_mode=False,
            simulated=False,
        )
        secrets = ConnectionSecrets(salesforce_token="t", stripe_key="sk_test_x")
        with opened.store.write() as transaction:
            connections.add(opened.store, transaction, name="real", facts=facts, secrets=secrets, at=NOW)
        answer = client_of(Site(opened, demo=Demo(is_open=True)), None).post(
            "/demo/enter", data={"role": "admin"}
        )
        assert answer.status_code == 422
        assert "set-cookie" not in answer.headers
