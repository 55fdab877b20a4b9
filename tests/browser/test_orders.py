"""Orders in a browser: looked up, previewed, synced, held, released; readable for everybody."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest
from tests.browser.conftest import DESKTOP, PHONE
from tests.faults.two_sides import NOW, one_line_orders

from cpqbridge.store.users import Role


def test_what_a_draft_is_previewed_with_is_what_its_first_invoice_comes_to(make_app) -> None:
    app = make_app(drafts=True, role=Role.OPERATOR)
    number = app.sides.order()["OrderNumber"]
    app.go("/orders")
    app.page.get_by_text("No order has been synced yet").wait_for()
    app.page.get_by_role("link", name="Preview an order").first.click()
    app.page.get_by_label("Order number or id").fill(number)
    app.page.get_by_role("button", name="Show what it would bill").click()
    app.page.get_by_text("This order is not activated.").wait_for()
    first = app.page.locator("summary", has_text="2026-02-01").first.inner_text()
    previewed = re.search(r"([\d,]+\.\d\d) USD", first)[1]
    assert app.sides.stripe_writes() == []

    app.sides.org.update("Order", app.sides.order_id, {"Status": "Activated"})
    app.page.get_by_role("button", name="Show what it would bill").click()
    app.page.get_by_role("link", name="Sync it").click()
    app.page.get_by_role("button", name="Sync now").click()
    app.page.get_by_text(f"Order {number} is synced.").wait_for()
    app.do(lambda: app.move_to(NOW + timedelta(days=5)))
    (invoice, *_) = sorted(app.sides.objects("invoice"), key=lambda each: each["created"])
    assert previewed == f"{invoice['total'] / 100:,.2f}" == "500.00"

    app.page.get_by_role("link", name="Ask both now").click()
    app.page.get_by_text("Read at").wait_for()
    row = app.page.get_by_role("row", name=re.compile("2026-02-01"))
    assert row.get_by_text("As planned").is_visible()
    assert app.errors == []


def test_an_order_is_found_held_with_a_reason_and_released(make_app) -> None:
    app = make_app(count=3, role=Role.OPERATOR)
    app.do(lambda: [app.service.sync(None, each) for each in app.sides.order_ids])
    app.go("/orders")
    app.page.get_by_label("Search").type("customer 1")
    app.page.get_by_text("1 to 1 of 1", exact=True).wait_for()
    app.page.locator("#orders-found tbody th a").click()
    app.page.get_by_role("link", name="Hold", exact=True).click()
    app.page.get_by_label("Reason").fill("the customer disputes the price")
    app.page.get_by_role("button", name="Hold the contract").click()
    app.page.get_by_text("The contract is held; Salesforce shows it.").wait_for()
    assert app.sides.order(app.sides.order_ids[1])["Stripe_Sync_Status__c"] == "Held"
    app.page.get_by_role("link", name="Release").click()
    app.page.get_by_text("Held by a person").click()
    app.page.get_by_role("button", name="Show the plan without what is ticked").click()
    app.page.get_by_role("button", name="Release and sync now").click()
    app.page.get_by_text("is synced").first.wait_for()
    assert app.sides.order(app.sides.order_ids[1])["Stripe_Sync_Status__c"] == "Synced"
    assert app.errors == []


def test_sales_people_look_an_order_up_without_scripts(make_app) -> None:
    app = make_app(role=Role.VIEWER, scripts=False)
    app.do(lambda: app.service.sync(None, app.sides.order_id))
    app.go("/orders")
    app.page.get_by_label("Search").fill("customer 0")
    app.page.get_by_role("button", name="Search").click()
    app.page.locator("#orders-found tbody th a").click()
    app.page.get_by_role("link", name="Ask both now").click()
    app.page.get_by_text("Read at").wait_for()


@pytest.mark.parametrize(
    ("viewport", "color_scheme"), [(DESKTOP, "light"), (PHONE, "dark")], ids=["desk", "phone"]
)
def test_pages_of_orders_are_accessible(make_app, viewport, color_scheme) -> None:
    app = make_app(records=one_line_orders(2, contracted=True), viewport=viewport, color_scheme=color_scheme)
    app.do(lambda: app.service.sync(None, app.sides.order_id))
    own = f"/orders/{app.sides.order_id}"
    other = app.sides.order_ids[1]
    for path in (
        "/orders",
        own,
        f"{own}/now",
        f"{own}/hold",
        f"{own}/release?code=takeover",
        f"/orders/{other}/sync",
    ):
        app.go(path)
        app.assert_accessible()
        assert not app.page.evaluate(
            "document.documentElement.scrollWidth > document.documentElement.clientWidth"
        ), path
    # A refused form answers with an error status, which Chromium notes.
    assert [each for each in app.errors if "422" not in each] == []
