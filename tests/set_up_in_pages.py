"""Setting a connection up through the app's pages, with a plain client in place of a browser."""

from __future__ import annotations

import re
from html import unescape
from urllib.parse import parse_qsl, urlsplit

import httpx2
from fastapi.testclient import TestClient
from tests.faults.two_sides import TwoSides

from cpqbridge.store import users
from cpqbridge.store.users import Role
from cpqbridge.sync.service import SyncService
from cpqbridge.sync.setup import SetUp
from cpqbridge.sync.setup_book import SimulatedSides
from cpqbridge.sync.setup_salesforce import AppGiven, SetupSalesforce
from cpqbridge.sync.setup_stripe import SetupStripe, StripeGiven
from cpqbridge.web.site import Demo, Site
from cpqbridge_sim.salesforce.oauth_settings import CLIENT_ID, CLIENT_SECRET

APP = {"environment": "simulated", "client_id": CLIENT_ID, "client_secret": CLIENT_SECRET}


def simulated_site(opened, sides, **options) -> Site:
    """The site of a service whose pages may connect the simulators of `sides`."""
    simulated = SimulatedSides(salesforce_url=sides.salesforce_url, stripe_url=sides.stripe_url)
    return Site(opened, demo=Demo(simulated=simulated), **options)


def begin(client: TestClient, name: str = "trial") -> str:
    """Begin a set-up; the address of its first step comes back."""
    answer = client.post("/connections/new", data={"name": name})
    assert answer.status_code == 303, answer.text
    return answer.headers["location"]


def link_to_salesforce(client: TestClient, name: str = "trial", **changed: str) -> str:
    """Give the app; the address that leads on to Salesforce comes back."""
    answer = client.post(f"/connections/{name}/setup/salesforce", data=APP | changed)
    assert answer.status_code == 200, answer.text
    found = re.search(r'href="([^"]+/services/oauth2/authorize[^"]+)"', answer.text)
    assert found is not None
    return unescape(found[1])


def decide(address: str, decision: str = "allow") -> str:
    """Log in at the simulated org and decide; the callback's path and query come back."""
    with httpx2.Client() as browser:
        page = browser.get(address)
        if page.status_code == 200:
            key = re.search(r'name="request" value="([^"]+)"', page.text)[1]
            origin = "{0.scheme}://{0.netloc}".format(urlsplit(address))
            page = browser.post(
                f"{origin}/services/oauth2/authorize", data={"request": key, "decision": decision}
            )
        assert page.status_code == 302, page.text
    back = urlsplit(page.headers["location"])
    assert back.path == "/salesforce/callback"
    return f"{back.path}?{back.query}"


def sign_in(client: TestClient, name: str = "trial", decision: str = "allow", **changed: str):
    """Go to Salesforce and back; the app's answer comes back."""
    return client.get(decide(link_to_salesforce(client, name, **changed), decision))


def give_key(client: TestClient, key: str = "rk_test_simulated", name: str = "trial", **changed: str):
    """Give the Stripe key; the app's answer comes back."""
    data = {"stripe_key": key, "currency": "usd", "account": "simulated"} | changed
    return client.post(f"/connections/{name}/setup/stripe", data=data)


def connect_signed_in(opened: SyncService, sides: TwoSides, name: str = "trial") -> None:
    """Make a connection that signed in to the simulated org, without pages."""
    simulated = SimulatedSides(salesforce_url=sides.salesforce_url, stripe_url=sides.stripe_url)
    with opened.store.write() as transaction:
        found = users.by_name(transaction, "Ann")
        person = found or users.add(transaction, name="Ann", role=Role.ADMIN, at=opened.clock.now())
    SetUp(opened, simulated).begin(name)
    step = SetupSalesforce(opened, simulated)
    given = AppGiven(my_domain="", **APP)
    callback = "http://127.0.0.1/salesforce/callback"
    address = step.authorize(name, given, user_id=person.user_id, redirect_url=callback)
    back = dict(parse_qsl(urlsplit(decide(address)).query))
    returned = step.returned(back["state"], user_id=person.user_id)
    assert step.finish(returned, back["code"]) is False
    key = StripeGiven(stripe_key="rk_test_simulated", currency="usd", is_simulated=True)
    SetupStripe(opened, simulated).connect(name, key)
