"""No address that somebody types, or that an answer names, leads into the network of this machine."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from fastapi.testclient import TestClient
from tests.app_people import client_of, session_of
from tests.faults.two_sides import NOW, TwoSides, service, two_sides
from tests.set_up_in_pages import APP, begin, decide, link_to_salesforce, sign_in, simulated_site

from cpqbridge.clock import SettableClock
from cpqbridge.errors import ConfigurationError
from cpqbridge.store.users import Role
from cpqbridge.web.site import Site


@pytest.fixture
def inside() -> Iterator[tuple[str, list[object]]]:
    """A service of this machine that nobody outside may reach: its address, and who came."""
    came: list[object] = []
    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        while True:
            try:
                connection, who = listener.accept()
            except OSError:
                return
            came.append(who)
            connection.close()

    threading.Thread(target=serve, daemon=True).start()
    yield f"127.0.0.1:{listener.getsockname()[1]}", came
    listener.close()


@pytest.fixture
def sides() -> Iterator[TwoSides]:
    with two_sides() as hosted:
        yield hosted


@pytest.fixture
def site(tmp_path: Path, sides: TwoSides) -> Iterator[Site]:
    with service(tmp_path, clock=SettableClock(NOW)) as opened:
        yield simulated_site(opened, sides)


@pytest.fixture
def client(site: Site) -> TestClient:
    return client_of(site, Role.ADMIN)


@pytest.mark.parametrize(
    "typed",
    [
        "http://{inside}",
        "https://{inside}",
        "{inside}",
        "http://login.salesforce.com@{inside}",
        "https://acme.my.salesforce.com@{inside}",
        "http://{inside}#.my.salesforce.com",
        "http://{inside}?.my.salesforce.com",
        "http://{inside}/.my.salesforce.com",
        "http://localhost",
        "http://[::1]",
        "http://0.0.0.0",
        "http://2130706433",
        "http://169.254.169.254/latest/meta-data",
        "https://10.0.0.1",
        "https://metadata.google.internal",
        "file:///etc/passwd",
        "gopher://{inside}",
        "https://acme.my.salesforce.com:8443",
        "https://acme.my.salesforce.com.evil.example",
        "https://my.salesforce.com",
    ],
)
def test_a_typed_address_of_an_org_leads_to_salesforce_only(client, inside, typed):
    address, came = inside
    begin(client)
    given = APP | {"environment": "my_domain", "salesforce_url": typed.format(inside=address)}
    answer = client.post("/connections/trial/setup/salesforce", data=given)
    assert answer.status_code == 422
    assert "/services/oauth2/authorize" not in answer.text
    assert came == []


def test_simulators_that_are_not_named_cannot_be_chosen(tmp_path, inside):
    _, came = inside
    with service(tmp_path / "home", clock=SettableClock(NOW)) as opened:
        client = client_of(Site(opened), Role.ADMIN)
        begin(client)
        assert "Simulated org" not in client.get("/connections/trial/setup/salesforce").text
        answer = client.post("/connections/trial/setup/salesforce", data=APP)
        assert answer.status_code == 422
    assert came == []


@pytest.mark.parametrize(
    "named",
    [
        "http://169.254.169.254",
        "https://10.0.0.1",
        "https://evil.example",
        "https://acme.my.salesforce.com",
        "http://localhost:1",
        "http://user:secret@127.0.0.1",
        "",
    ],
)
def test_an_answer_of_a_sign_in_leads_no_further_than_it_came_from(client, site, sides, named):
    sides.org_oauth.settings.instance_url = named or "nothing"
    begin(client)
    answer = sign_in(client)
    assert answer.status_code == 422
    assert "leads elsewhere" in answer.text
    assert "secret" not in answer.text.partition("user:")[2][:40]
    assert site.service.connections() == ()


def test_a_session_is_not_moved_by_a_renewal_to_somewhere_else(client, site, sides):
    from tests.set_up_in_pages import connect_signed_in  # noqa: PLC0415

    connect_signed_in(site.service, sides)
    sides.org_oauth.settings.instance_url = "https://evil.example"
    sides.org_oauth.tokens.end_sessions()
    with pytest.raises(Exception, match="leads elsewhere"):
        site.service.sync("trial", sides.order_id)
    assert site.service.connections()[0].facts.salesforce_url == sides.salesforce_url


def test_only_the_simulated_account_or_stripe_itself_is_given_a_key(client, site, sides, inside):
    address, came = inside
    begin(client)
    sign_in(client)
    data = {"stripe_key": "sk_test_x", "currency": "usd", "account": f"http://{address}"}
    # Whatever else is sent means Stripe itself, which tests cannot reach.
    client._transport.raise_server_exceptions = False
    answer = client.post(
        "/connections/trial/setup/stripe", data=data | {"stripe_api_base": f"http://{address}"}
    )
    assert answer.status_code >= 400
    assert came == []
    assert site.service.connections() == ()


@pytest.mark.parametrize("given", ["https://evil.example", "http://10.0.0.1:9101", "nothing"])
def test_simulators_are_on_this_machine(given):
    from cpqbridge.settings import load_settings  # noqa: PLC0415

    with pytest.raises(ConfigurationError) as caught:
        load_settings(simulated_salesforce=given)
    assert caught.value.field == "CPQBRIDGE_SIMULATED_SALESFORCE"


def test_a_state_is_of_one_person_and_used_once(client, site):
    begin(client)
    back = decide(link_to_salesforce(client))
    stranger = client_of(site, None)
    session_of(site, Role.ADMIN, "another admin", into=stranger.cookies.set)
    refused = stranger.get(back)
    assert (refused.status_code, "not begun by you" in refused.text) == (422, True)
    viewer = client_of(site, Role.VIEWER)
    assert viewer.get(back).status_code == 403
    assert client.get(back).status_code == 303
    assert client.get(back).status_code == 422


@pytest.mark.parametrize("changed", ["state=", "state=x", "code=x"])
def test_a_callback_that_nobody_asked_for_changes_nothing(client, site, changed):
    begin(client)
    assert client.get(f"/salesforce/callback?{changed}").status_code == 422
    assert site.service.connections() == ()
