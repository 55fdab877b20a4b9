"""The pages that connect the two sides, against the simulators."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import update
from tests.app_people import client_of, session_of
from tests.faults.two_sides import NOW, TwoSides, connect, service, two_sides
from tests.set_up_in_pages import (
    begin,
    decide,
    give_key,
    link_to_salesforce,
    sign_in,
    simulated_site,
)

from cpqbridge.clock import SettableClock
from cpqbridge.domain.refusal import OrderState
from cpqbridge.store import audit, logins
from cpqbridge.store.app_tables import setups
from cpqbridge.store.users import Role
from cpqbridge.web.site import Site
from cpqbridge_sim.hosting import host
from cpqbridge_sim.salesforce.oauth_settings import CLIENT_SECRET
from cpqbridge_sim.stripe.account import Account
from cpqbridge_sim.stripe.server import create_app as create_account_app


@pytest.fixture
def sides() -> Iterator[TwoSides]:
    with two_sides() as hosted:
        hosted.org.tokens = frozenset()
        yield hosted


@pytest.fixture
def clock() -> SettableClock:
    return SettableClock(NOW)


@pytest.fixture
def site(tmp_path: Path, sides: TwoSides, clock: SettableClock) -> Iterator[Site]:
    with service(tmp_path, clock=clock) as opened:
        yield simulated_site(opened, sides)


@pytest.fixture
def client(site: Site) -> TestClient:
    return client_of(site, Role.ADMIN)


def connected(client: TestClient) -> None:
    begin(client)
    assert sign_in(client).status_code == 303
    assert give_key(client).headers["location"] == "/connections/trial/setup/fields"


def test_an_empty_list_says_what_to_do(client):
    page = client.get("/connections")
    assert "Nothing is connected yet" in page.text
    assert 'href="/connections/new"' in page.text


def test_from_nothing_to_the_first_synced_order(client, site, sides):
    step = begin(client)
    assert step == "/connections/trial/setup/salesforce"
    page = client.get(step).text
    assert "http://127.0.0.1/salesforce/callback" in page
    back = sign_in(client)
    assert (back.status_code, back.headers["location"]) == (303, "/connections/trial/setup/stripe")
    page = client.get("/connections/trial/setup/stripe").text
    assert "as connector@simulated.example" in page
    done = give_key(client)
    assert (done.status_code, done.headers["location"]) == (303, "/connections/trial/setup/fields")
    (connection,) = site.service.connections()
    assert (connection.name, connection.facts.simulated) == ("trial", True)
    assert site.service.configuration("trial").currency == "usd"
    assert site.service.sync("trial", sides.order_id).order.state is OrderState.SYNCED
    listed = client.get("/connections").text
    assert "Not live yet" in listed
    assert "Begun and not connected yet" not in listed
    assert "connector@simulated.example" in client.get("/connections/trial").text


def test_a_set_up_can_be_left_and_resumed(client, site, sides):
    begin(client)
    assert client.get("/connections/trial/setup").headers["location"].endswith("/setup/salesforce")
    sign_in(client)
    other = client_of(site, Role.ADMIN)
    assert other.get("/connections/trial/setup").headers["location"].endswith("/setup/stripe")
    assert "Signed in to" in other.get("/connections").text
    # The session ended over night; the sign-in renews it.
    sides.org.set_clock(NOW + timedelta(hours=20))
    assert give_key(other).status_code == 303
    assert site.service.connections()[0].name == "trial"


def test_the_steps_after_the_connection_are_passed_one_by_one(client):
    connected(client)
    assert client.get("/connections/trial/setup").headers["location"].endswith("/setup/fields")
    answer = client.post("/connections/trial/setup/fields/done")
    assert answer.headers["location"] == "/connections/trial/setup/mapping"
    assert client.get("/connections/trial/setup").headers["location"].endswith("/setup/mapping")
    assert client.post("/connections/trial/setup/nothing/done").status_code == 422


def test_stripe_comes_after_salesforce(client):
    begin(client)
    answer = client.get("/connections/trial/setup/stripe")
    assert answer.headers["location"] == "/connections/trial/setup/salesforce"
    assert "Connect Salesforce first" in give_key(client).text


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("", "1 to 80"),
        ("a/b", "address of a page"),
        ("new", "address of a page"),
        ("x" * 81, "1 to 80"),
        ("trial", "begun already"),
    ],
)
def test_a_name_that_cannot_be_is_refused_at_its_field(client, name, says):
    begin(client)
    answer = client.post("/connections/new", data={"name": name})
    assert answer.status_code == 422
    assert says in answer.text


def test_names_with_blanks_and_signs_stand_in_addresses(client):
    assert begin(client, "Our sandbox & more?") == (
        "/connections/Our%20sandbox%20%26%20more%3F/setup/salesforce"
    )
    assert client.get("/connections/Our%20sandbox%20%26%20more%3F/setup/salesforce").status_code == 200


@pytest.mark.parametrize(
    ("changed", "says"),
    [
        ({"environment": "", "client_id": "x"}, "which kind of org"),
        ({"environment": "my_domain"}, "not an https address"),
        ({"environment": "my_domain", "salesforce_url": "https://evil.example"}, "My Domain address"),
        ({"environment": "my_domain", "salesforce_url": "http://127.0.0.1:1"}, "address of this machine"),
        ({"environment": "my_domain", "salesforce_url": "https://10.0.0.1"}, "My Domain address"),
        ({"client_id": ""}, "consumer key is empty"),
        ({"client_secret": ""}, "consumer secret is empty"),
    ],
)
def test_what_cannot_be_is_told_at_its_field_and_keeps_what_was_typed(client, changed, says):
    begin(client)
    data = {"environment": "simulated", "client_id": "typed-key", "client_secret": "canary-1"} | changed
    answer = client.post("/connections/trial/setup/salesforce", data=data)
    assert answer.status_code == 422
    assert says in answer.text
    assert "canary-1" not in answer.text
    assert data["client_id"] in answer.text
    assert 'aria-invalid="true"' in answer.text or "slds-has-error" in answer.text


def test_a_stored_secret_is_kept_when_the_field_is_left_empty(client):
    begin(client)
    link_to_salesforce(client)
    page = client.get("/connections/trial/setup/salesforce").text
    assert CLIENT_SECRET not in page
    assert "Leave it empty to keep" in page
    assert sign_in(client, client_secret="").status_code == 303


@pytest.mark.parametrize(
    ("switches", "decision", "says"),
    [
        ({}, "deny", "Access was not allowed"),
        ({"installed": False}, "allow", "External Client App in your own org"),
        ({"approved": False}, "allow", "not approved to use the app"),
        ({"ip_restricted": True}, "allow", "login IP ranges"),
        ({"token_type": "DPoP"}, "allow", "DPoP"),
        ({"forged": True}, "allow", "signature"),
        ({"instance_url": "https://evil.example"}, "allow", "leads elsewhere"),
        ({"refuse": {"code": ["inactive_org", "inactive org"]}}, "allow", "locked, closed or suspended"),
        ({"refuse": {"code": ["<b>odd</b>", "new"]}}, "allow", "unknown reason"),
    ],
)
def test_a_refusal_of_salesforce_is_told_in_plain_words(client, site, sides, switches, decision, says):
    sides.org_oauth.settings.take(switches)
    begin(client)
    answer = sign_in(client, decision=decision)
    assert answer.status_code == 422
    assert says in answer.text
    assert "<b>odd" not in answer.text
    assert client.get("/connections/trial/setup").headers["location"].endswith("/setup/salesforce")


def test_a_wrong_secret_is_told_at_its_field(client):
    begin(client)
    answer = sign_in(client, client_secret="wrong")
    assert answer.status_code == 422
    assert "do not belong together" in answer.text
    assert answer.text.index("do not belong together") > answer.text.index('id="field-client_secret"')


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"key": "pk_test_x"}, "publishable key"),
        ({"key": "rk_test_x", "currency": ""}, "one currency"),
        ({"key": "rk_test_x", "currency": "dollars"}, "three letters"),
        ({"key": "sk_live_x"}, "bills real customers"),
    ],
)
def test_a_key_that_cannot_be_is_told_and_never_shown(client, given, says):
    begin(client)
    sign_in(client)
    answer = give_key(client, **given)
    assert answer.status_code == 422
    assert says in answer.text
    assert given["key"] not in answer.text


def test_a_live_key_connects_only_when_it_is_meant(client, site, sides):
    begin(client)
    sign_in(client)
    with host(create_account_app(Account(NOW, live=True))) as live:
        site.demo = simulated_site(site.service, replace(sides, stripe_url=live.url)).demo
        page = give_key(client, "sk_live_x").text
        assert 'name="is_live_meant"' in page
        assert "The org is a sandbox" in page
        assert site.service.connections() == ()
        assert give_key(client, "sk_live_x", is_live_meant="yes").status_code == 303
    assert site.service.connections()[0].facts.live_mode is True


def test_a_connection_signs_in_again_as_another_user_of_the_same_org(client, site, sides):
    connected(client)
    sides.org_oauth.tokens.revoke_all()
    with pytest.raises(Exception, match="revoked"):
        site.service.check_connection("trial")
    answer = sign_in(client, client_secret="")
    assert (answer.status_code, answer.headers["location"]) == (303, "/connections/trial")
    assert site.service.check_connection("trial").access_lost is None
    with site.service.store.read() as transaction:
        actions = [each.action for each in audit.latest(transaction, connection_id=None, limit=50)]
        assert logins.is_there(transaction, connection_id=1)
    assert "salesforce_reconnected" in actions
    assert client.get("/connections/trial/setup/salesforce").status_code == 200


def test_another_org_is_refused_saying_both_and_its_sign_in_is_given_back(client, site, sides):
    connected(client)
    with two_sides() as other:
        other.org.load({"Organization": [{"Id": "00DSm0000000Oth", "Name": "Other"}]})
        site.demo = simulated_site(site.service, other).demo
        answer = sign_in(client)
        assert answer.status_code == 422
        assert sides.org.organization_id in answer.text
        assert other.org.organization_id in answer.text
        assert all(each.ended for each in other.org_oauth.tokens.refresh_tokens.values())
    assert site.service.check_connection("trial").facts.org_id == sides.org.organization_id


def test_a_key_of_the_other_mode_is_refused_and_one_of_the_same_is_taken(client, site):
    connected(client)
    refused = client.post("/connections/trial/setup/stripe", data={"stripe_key": "sk_live_other"})
    assert refused.status_code == 422
    assert "live mode" in refused.text
    assert "test mode" in refused.text
    taken = client.post("/connections/trial/setup/stripe", data={"stripe_key": "sk_test_other"})
    assert taken.headers["location"] == "/connections/trial"


def test_a_connection_made_with_a_token_can_sign_in(client, site, sides):
    sides.org.tokens = None
    connect(site.service, sides)
    assert "with a token" in client.get("/connections/test").text
    assert sign_in(client, "test").headers["location"] == "/connections/test"
    assert "connector@simulated.example" in client.get("/connections/test").text


def test_a_set_up_that_is_given_up_gives_its_session_back(client, sides):
    begin(client)
    sign_in(client)
    answer = client.post("/connections/trial/setup/discard")
    assert answer.headers["location"] == "/connections"
    assert all(each.ended for each in sides.org_oauth.tokens.refresh_tokens.values())
    assert client.get("/connections/trial/setup").status_code == 422


def test_giving_up_never_takes_the_session_of_a_connection(client, site, sides):
    connected(client)
    # As a crash leaves it that came after the connection was made and before the set-up knew of it.
    with site.service.store.write() as transaction:
        transaction.execute(update(setups).values(connection_id=None))
    assert "Begun and not connected yet" not in client.get("/connections").text
    client.post("/connections/trial/setup/discard")
    assert not any(each.ended for each in sides.org_oauth.tokens.refresh_tokens.values())
    assert site.service.check_connection("trial").access_lost is None


def test_a_sign_in_is_answered_once_by_its_person_within_fifteen_minutes(client, site, clock):
    begin(client)
    back = decide(link_to_salesforce(client))
    other = client_of(site, None)
    assert other.get(back).headers["location"].startswith("/sign-in?next=")
    foreign = client_of(site, Role.ADMIN)
    session_of(site, Role.ADMIN, "another admin", into=foreign.cookies.set)
    assert "not begun by you" in foreign.get(back).text
    assert client.get(back).status_code == 303
    again = client.get(back)
    assert (again.status_code, "answered already" in again.text) == (422, True)
    late = decide(link_to_salesforce(client))
    clock.set(NOW + timedelta(minutes=15, seconds=1))
    assert "in the last 15 minutes" in client.get(late).text
    assert client.get("/salesforce/callback?state=&code=x").status_code == 422
    assert client.get("/salesforce/callback").status_code == 422


def test_a_state_stands_for_its_own_set_up(client, site, sides):
    begin(client, "one")
    begin(client, "two")
    back = decide(link_to_salesforce(client, "one"))
    assert client.get(back).headers["location"] == "/connections/one/setup/stripe"
    assert client.get("/connections/two/setup").headers["location"].endswith("/setup/salesforce")


def test_no_secret_is_on_disk_or_in_the_audit_log(client, site, tmp_path, sides):
    connected(client)
    given = [CLIENT_SECRET, "rk_test_simulated", *sides.org_oauth.tokens.refresh_tokens]
    given += list(sides.org_oauth.tokens.sessions)
    content = b"".join(path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())
    pages = "".join(
        client.get(path).text
        for path in ("/connections", "/connections/trial", "/connections/trial/setup/salesforce")
    )
    for secret in given:
        assert secret.encode() not in content
        assert secret not in pages
