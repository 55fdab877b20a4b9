"""From an empty home to the first synced order, as an admin would do it; also with scripts switched off."""

from __future__ import annotations

from datetime import timedelta

import pytest
from tests.browser.conftest import DESKTOP, PHONE, BrowserApp

from cpqbridge.sync.setup_book import SimulatedSides
from cpqbridge.web.site import Demo
from cpqbridge_sim.salesforce.oauth_settings import CLIENT_ID, CLIENT_SECRET


def on_an_empty_home(make_app, **options) -> BrowserApp:
    app = make_app(connected=False, **options)
    app.sides.org.tokens = frozenset()
    simulated = SimulatedSides(salesforce_url=app.sides.salesforce_url, stripe_url=app.sides.stripe_url)
    app.site.demo = Demo(simulated=simulated)
    return app


def begin(app: BrowserApp, name: str = "sandbox") -> None:
    page = app.go("/connections")
    page.get_by_role("link", name="Connect an org and an account").click()
    page.get_by_label("Name").fill(name)
    page.get_by_role("button", name="Begin").click()
    page.get_by_role("heading", name="Connect Salesforce").wait_for()


def to_salesforce(app: BrowserApp) -> None:
    page = app.page
    # The radio itself is drawn by its label.
    page.get_by_text("Simulated org", exact=True).click()
    page.get_by_label("Consumer key").fill(CLIENT_ID)
    page.get_by_label("Consumer secret").fill(CLIENT_SECRET)
    page.get_by_role("button", name="Save and go on").click()
    page.get_by_role("link", name="Continue to Salesforce").click()
    page.get_by_role("heading", name="Log in to").wait_for()


@pytest.mark.parametrize("scripts", [True, False], ids=["with scripts", "without scripts"])
def test_from_an_empty_home_to_the_first_synced_order(make_app, scripts):
    app = on_an_empty_home(make_app, scripts=scripts, worker=True)
    page = app.page
    begin(app)
    assert page.get_by_text(f"{app.url}/salesforce/callback").is_visible()
    to_salesforce(app)
    page.get_by_role("button", name="Allow").click()
    page.get_by_role("heading", name="Connect Stripe").wait_for()
    page.get_by_label("Restricted key").fill("rk_test_first")
    page.get_by_label("Currency of the org").fill("usd")
    page.get_by_role("button", name="Check and connect").click()
    for heading, following in (
        ("Check the org's fields", "Mapping"),
        ("Map data", "Preferences"),
        ("Set preferences", "Dry run"),
    ):
        page.get_by_role("heading", name=heading, level=1).wait_for()
        page.get_by_role("button", name=f"Next: {following}").click()
    page.get_by_role("heading", name="Try a dry run").wait_for()
    page.get_by_role("button", name="Next: Go live").click()
    page.get_by_text("Live now", exact=True).click()
    page.get_by_role("button", name="Show what would happen").click()
    page.get_by_role("button", name="Go live").click()
    page.get_by_text("The connection is live").wait_for()
    page.goto(f"{app.url}/connections")
    assert page.get_by_text("Syncs by itself").is_visible()
    app.move_to(app.clock.now() + timedelta(minutes=5))
    for _ in range(40):
        app.go("/orders")
        if page.get_by_text("Synced", exact=True).count():
            break
        page.wait_for_timeout(250)
    assert page.get_by_text("Synced", exact=True).first.is_visible()
    assert app.sides.order()["Stripe_Sync_Status__c"]
    assert app.errors == []


def test_a_refusal_at_salesforce_is_explained_and_the_set_up_resumed(make_app):
    app = on_an_empty_home(make_app)
    page = app.page
    begin(app)
    app.assert_accessible()
    to_salesforce(app)
    page.get_by_role("button", name="Deny").click()
    page.get_by_text("Access was not allowed on Salesforce's page").wait_for()
    app.assert_accessible()
    app.sides.org_oauth.settings.take({"installed": False})
    page.get_by_label("Consumer secret").fill(CLIENT_SECRET)
    page.get_by_role("button", name="Save and go on").click()
    app.assert_accessible()
    page.get_by_role("link", name="Continue to Salesforce").click()
    page.get_by_role("button", name="Allow").click()
    page.get_by_text("External Client App in your own org").wait_for()
    # Somebody comes back later, when the admin has put it in order.
    app.sides.org_oauth.settings.take({"installed": True})
    app.go("/connections").get_by_role("link", name="Go on").click()
    page.get_by_role("button", name="Save and go on").click()
    page.get_by_role("link", name="Continue to Salesforce").click()
    page.get_by_role("button", name="Allow").click()
    page.get_by_role("heading", name="Connect Stripe").wait_for()
    app.assert_accessible()
    page.get_by_label("Restricted key").fill("pk_test_wrong")
    page.get_by_label("Currency of the org").fill("usd")
    page.get_by_role("button", name="Check and connect").click()
    page.get_by_text("publishable key").wait_for()
    app.assert_accessible()
    assert app.errors == []


@pytest.mark.parametrize("color_scheme", ["light", "dark"])
@pytest.mark.parametrize("viewport", [DESKTOP, PHONE], ids=["desk", "phone"])
def test_the_pages_of_connections_are_accessible(make_app, viewport, color_scheme):
    app = make_app(viewport=viewport, color_scheme=color_scheme)
    for path in (
        "/connections",
        "/connections/new",
        "/connections/test",
        "/connections/test/setup/salesforce",
        "/connections/test/setup/stripe",
    ):
        page = app.go(path)
        app.assert_accessible()
        wide = page.evaluate("document.documentElement.scrollWidth > document.documentElement.clientWidth")
        assert not wide, path
