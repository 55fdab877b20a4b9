"""Mapping a field in the browser and seeing it in Stripe, with scripts and without."""

from __future__ import annotations

import pytest
from tests.browser.conftest import PHONE


def mapper_of(app) -> str:
    return f"/connections/{app.service.connections()[0].name}/mapping/customer"


@pytest.mark.parametrize("scripts", [True, False])
def test_an_admin_maps_a_field_tries_it_and_stripe_gets_it(make_app, scripts) -> None:
    app = make_app(scripts=scripts)
    page = app.go(mapper_of(app))
    row = page.locator("#row-description")
    row.get_by_role("button", name="Choose a field").click()
    page.get_by_label("Search by label").fill("order number")
    page.get_by_role("button", name="Search").click()
    page.get_by_role("button", name="Choose Order.OrderNumber", exact=True).click()
    page.get_by_label("New key").fill("region")
    page.get_by_role("button", name="Add the key").click()
    page.get_by_label("What fills metadata.region").select_option("A fixed value")
    page.get_by_label("fixed value of metadata.region").fill("EMEA")
    number = app.sides.order()["OrderNumber"]
    page.get_by_label("Order", exact=True).fill(number)
    page.get_by_role("button", name="Try").first.click()
    assert "Stripe gets" in row.inner_text()
    assert '"region": "EMEA"' in page.locator("pre.document").inner_text()
    assert row.locator(".sent").inner_text() == number
    assert app.sides.objects("customer") == []
    page.get_by_label("Why").fill("Finance asked for it")
    page.get_by_role("button", name="Save").first.click()
    assert "Saved as version 2" in page.locator("main").inner_text()
    app.do(lambda: app.service.sync(None, app.sides.order_id))
    (customer,) = app.sides.objects("customer")
    assert (customer["description"], customer["metadata"]["region"]) == (number, "EMEA")
    app.go(f"{mapper_of(app).rsplit('/', 2)[0]}/versions")
    assert "Finance asked for it" in page.locator("main").inner_text()
    assert app.errors == []


@pytest.mark.parametrize(
    ("color_scheme", "viewport"), [("light", None), ("dark", PHONE)], ids=["light desk", "dark phone"]
)
def test_the_mapper_can_be_used_by_everybody(make_app, color_scheme, viewport) -> None:
    app = make_app(color_scheme=color_scheme, viewport=viewport)
    page = app.go(f"{mapper_of(app)}?order={app.sides.order_id}")
    app.assert_accessible()
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
    page.locator("#row-name").get_by_role("button", name="Choose a field").click()
    app.assert_accessible()
    page.get_by_role("button", name="Back without choosing").click()
    page.get_by_label("What fills name").select_option("A field")
    page.get_by_label("fixed value of name").fill("Account.Naame")
    page.get_by_role("button", name="Save").first.click()
    assert "Did you mean Name?" in page.locator("#row-name").inner_text()
    app.assert_accessible()
    for path in ("versions", "versions/1"):
        app.go(f"{mapper_of(app).rsplit('/', 2)[0]}/{path}")
        app.assert_accessible()
