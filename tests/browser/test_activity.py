"""The morning look: overview, activity, alerts and audit log in a real browser."""

from __future__ import annotations

import pytest
from tests.browser.conftest import DESKTOP, PHONE, BrowserApp
from tests.unit.sync.receivers import webhook

from cpqbridge.sync.activity import recording

PAGES = ("/", "/activity", "/activity/pause", "/alerts", "/alerts/new?kind=mail", "/alerts/1", "/audit")


def wide(app: BrowserApp) -> bool:
    return app.page.evaluate("document.documentElement.scrollWidth > document.documentElement.clientWidth")


def test_operator_looks_in_the_morning_pauses_and_goes_on(make_app):
    app = make_app(count=2)
    with recording(app.service):
        app.do(lambda: app.service.sync(None, app.sides.order_ids[0]))
    page = app.go("/")
    page.get_by_text("All is well: nobody is needed.").wait_for()
    page.get_by_role("link", name="syncs in 24 hours").click()
    page.get_by_role("img", name="Syncs per hour").wait_for()
    page.get_by_role("link", name="Pause everything").click()
    page.get_by_label("Why").fill("Year end closing")
    page.get_by_role("button", name="Pause everything").click()
    page.get_by_text("Everything is paused").wait_for()
    app.go("/").get_by_text("Year end closing").wait_for()
    page.get_by_role("link", name="Resume").click()
    page.get_by_role("button", name="Resume everything").click()
    page.get_by_text("Everything goes on.").wait_for()
    app.go("/audit").get_by_role("rowheader", name="Resumed").wait_for()
    assert app.errors == []


def test_admin_adds_a_webhook_and_tries_it_also_without_scripts(make_app):
    app = make_app(scripts=False)
    with webhook() as taker:
        page = app.go("/alerts")
        page.get_by_role("link", name="Add webhook").click()
        page.get_by_label("Name").fill("Billing chat")
        page.get_by_label("Address of the webhook").fill(taker.url)
        page.get_by_role("button", name="Save").click()
        page.get_by_role("button", name="Send a test").click()
        page.get_by_text("The test was sent.").wait_for()
        assert "This is a test of cpqbridge" in taker.texts[0]
        page.get_by_role("link", name="Delete").click()
        page.get_by_role("button", name="Delete").click()
        page.get_by_text("Nobody is told yet.").wait_for()


@pytest.mark.parametrize("color_scheme", ["light", "dark"])
def test_pages_of_activity_are_accessible_on_a_desk_and_on_a_phone(make_app, color_scheme):
    app = make_app(color_scheme=color_scheme)
    app.sides.org.update("Order", app.sides.order_id, {"SBQQ__Quote__c": None})
    with recording(app.service):
        app.do(lambda: app.service.sync(None, app.sides.order_id))
    with webhook() as taker:
        page = app.go("/alerts/new?kind=webhook")
        page.get_by_label("Name").fill("Billing chat")
        page.get_by_label("Address of the webhook").fill(taker.url)
        page.get_by_role("button", name="Save").click()
    for viewport in (DESKTOP, PHONE):
        app.page.set_viewport_size(viewport)
        for path in PAGES:
            app.go(path)
            app.assert_accessible()
            assert not wide(app), path
    assert app.errors == []
