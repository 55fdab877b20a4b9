"""What people live through with the inbox and with reconciliation, in a real browser."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal

import pytest
from playwright.sync_api import expect
from tests.browser.conftest import PHONE, BrowserApp
from tests.faults.finding import wait_until
from tests.faults.two_sides import is_idle

from cpqbridge.store.users import Role
from cpqbridge.sync.finding import Finder

MAY = datetime(2026, 5, 12, 9, tzinfo=UTC)
FREQUENCY = "SBQQ__BillingFrequency__c"


def polled(app: BrowserApp) -> None:
    """Let the app look for orders once, as a live connection does by itself, and do what it finds."""

    def poll() -> None:
        Finder(app.service).poll(app.service.open(None))
        wait_until(lambda: is_idle(app.service))

    app.do(poll)


def changed_in_salesforce(app: BrowserApp, frequency: str) -> None:
    for line in app.sides.org.records("OrderItem"):
        app.sides.org.update("OrderItem", line["Id"], {FREQUENCY: frequency})


@pytest.mark.parametrize("viewport", [None, PHONE], ids=["desk", "phone"])
def test_a_refused_order_is_fixed_in_salesforce_and_disappears_by_itself(make_app, viewport) -> None:
    app = make_app(live_sync=True, role=Role.VIEWER, viewport=viewport)
    changed_in_salesforce(app, "Fortnightly")
    polled(app)
    page = app.go("/inbox")
    expect(page.get_by_role("heading", name="1 order needs somebody")).to_be_visible()
    app.assert_accessible()
    page.get_by_role("link", name="Billing frequency not understood").click()
    expect(page.get_by_text("Choose one of the four frequencies").first).to_be_visible()
    expect(page.get_by_role("link", name="Record in Salesforce")).to_be_visible()
    app.assert_accessible()
    page.get_by_role("link", name="Inbox", exact=False).first.click()
    # The sales person corrects the line; the page that is still open sees to itself.
    changed_in_salesforce(app, "Monthly")
    polled(app)
    page.evaluate("window.dispatchEvent(new Event('focus'))")
    expect(page.get_by_text("Nobody is needed")).to_be_visible()
    assert len(app.sides.objects("subscription_schedule")) == 1
    assert app.errors == []


def test_an_operator_ticks_orders_and_tries_them_anew(make_app) -> None:
    app = make_app(count=2, live_sync=True, role=Role.OPERATOR, color_scheme="dark")
    changed_in_salesforce(app, "Fortnightly")
    polled(app)
    page = app.go("/inbox")
    page.get_by_role("link", name="Billing frequency not understood").click()
    changed_in_salesforce(app, "Monthly")
    page.get_by_role("checkbox").first.check()
    app.assert_accessible()
    # What is ticked stays ticked when the list is loaded anew.
    with page.expect_response(lambda answer: "/inbox/" in answer.url):
        page.evaluate("window.dispatchEvent(new Event('focus'))")
    expect(page.get_by_role("checkbox").first).to_be_checked()
    page.get_by_role("button", name="Retry the ticked ones").click()
    expect(page.get_by_text("1 contract put on the queue")).to_be_visible()
    app.do(lambda: wait_until(lambda: is_idle(app.service)))
    page.reload()
    expect(page.get_by_role("heading", name="1 order needs somebody")).to_be_visible()
    assert app.errors == []


def test_held_orders_are_released_together_after_a_look_at_the_money(make_app) -> None:
    app = make_app(count=2, live_sync=True, role=Role.OPERATOR, viewport=PHONE)
    known = app.service.configuration("test")
    capped = replace(known, caps=replace(known.caps, bill_per_order=Decimal(100)))
    app.do(lambda: app.service.apply_configuration("test", capped))
    polled(app)
    page = app.go("/inbox")
    page.get_by_role("link", name="Bills more than the cap").click()
    for box in page.get_by_role("checkbox").all():
        box.check()
    page.get_by_role("button", name="Release the ticked ones").click()
    expect(page.get_by_role("heading", name="Release 2 contracts?")).to_be_visible()
    expect(page.get_by_role("cell", name="6,000.00").first).to_be_visible()
    app.assert_accessible()
    page.get_by_role("button", name="Release them").click()
    expect(page.get_by_text("2 contracts released")).to_be_visible()
    app.do(lambda: wait_until(lambda: is_idle(app.service)))
    page.reload()
    expect(page.get_by_text("Nobody is needed")).to_be_visible()
    assert len(app.sides.objects("subscription_schedule")) == 2
    assert app.errors == []


def test_a_change_by_hand_in_stripe_is_found_and_put_right(make_app) -> None:
    app = make_app(worker=True, role=Role.OPERATOR)
    order_id = app.sides.order_id
    app.do(lambda: app.service.sync(None, order_id))
    app.move_to(MAY)
    (subscription,) = app.sides.objects("subscription")
    change = {"items": [{"id": subscription["items"]["data"][0]["id"], "quantity": 3}]}
    path = f"/v1/subscriptions/{subscription['id']}"
    app.sides.account.request("POST", path, {**change, "proration_behavior": "none"})
    page = app.go("/reconcile")
    expect(page.get_by_text("Nothing was compared yet")).to_be_visible()
    app.assert_accessible()
    page.get_by_role("button", name="Compare all now").click()
    # The worker compares; the finding appears without anybody touching the page.
    expect(page.get_by_text("it bills 3 x 50.00 USD every month instead of 10 x 50.00")).to_be_visible()
    app.assert_accessible()
    page.get_by_role("table", name="Findings").get_by_role("link").first.click()
    app.assert_accessible()
    page.get_by_role("link", name="Fix: show the plan").click()
    expect(page.get_by_text("Nothing was sent yet")).to_be_visible()
    app.assert_accessible()
    page.get_by_role("button", name="Carry this out").click()
    expect(page.get_by_text("Stripe bills what was sold").first).to_be_visible()
    (schedule,) = app.sides.objects("subscription_schedule")
    assert {item["quantity"] for phase in schedule["phases"][1:] for item in phase["items"]} == {10}
    assert app.errors == []
