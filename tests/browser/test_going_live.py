"""From the org's fields over a dry run to going live, as an admin lives it; with and without scripts."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from playwright.sync_api import expect
from tests.browser.conftest import PHONE, BrowserApp

AT = "/connections/test"


@pytest.mark.parametrize("scripts", [True, False])
def test_a_dry_run_tells_what_would_be_billed_and_then_it_goes_live(
    make_app: Callable[..., BrowserApp], scripts: bool
) -> None:
    app = make_app(count=3, scripts=scripts)
    page = app.go(f"{AT}/setup/fields")
    expect(page.get_by_text("The org has everything.")).to_be_visible()

    app.go(f"{AT}/setup/dry-run")
    page.get_by_label("Orders activated in the last").fill("30")
    page.get_by_role("button", name="Begin").click()
    if not scripts:
        for _ in range(20):
            if page.get_by_role("heading", name="What would happen").count():
                break
            page.get_by_role("link", name="Look again").click()
    expect(page.get_by_role("heading", name="What would happen")).to_be_visible()
    expect(page.locator("#dry-run")).to_contain_text("18,000.00 USD")
    assert app.sides is not None
    assert (app.sides.stripe_writes(), app.sides.salesforce_writes()) == ([], [])

    app.go(f"{AT}/setup/go-live")
    page.get_by_label("Start date").fill("2026-01-01")
    page.get_by_text("Live now").click()
    page.get_by_role("button", name="Show what would happen").click()
    expect(page.get_by_text("3 orders at most")).to_be_visible()
    page.get_by_role("button", name="Go live").click()
    expect(page.get_by_text("Activated orders are synced by themselves.")).to_be_visible()
    assert app.service.configuration(None).sync.live
    assert app.errors == []


@pytest.mark.parametrize(("viewport", "scheme"), [(None, "light"), (PHONE, "dark")])
def test_every_page_of_it_can_be_used_by_everybody(
    make_app: Callable[..., BrowserApp], viewport: dict[str, int] | None, scheme: str
) -> None:
    app = make_app(count=2, viewport=viewport, color_scheme=scheme)
    app.go(f"{AT}/health")
    app.assert_accessible()
    app.page.get_by_role("button", name="Run all checks").click()
    expect(app.page.get_by_role("row", name="Rights of the Stripe key")).to_be_visible()
    app.assert_accessible()
    assert app.sides is not None
    app.sides.org.object_type("Order").hidden = frozenset({"Stripe_Sync_Message__c"})
    app.sides.org.update("Order", app.sides.order_id, {"SBQQ__Quote__c": None})
    app.go(f"{AT}/setup/fields")
    app.assert_accessible()
    app.go(f"{AT}/setup/dry-run")
    app.assert_accessible()
    app.page.get_by_role("button", name="Begin").click()
    expect(app.page.get_by_role("heading", name="What would not be billed, and why")).to_be_visible()
    app.assert_accessible()
    app.go(f"{AT}/setup/go-live")
    app.assert_accessible()
    app.page.get_by_role("button", name="Show what would happen").click()
    expect(app.page.get_by_role("heading", name="What will happen")).to_be_visible()
    app.assert_accessible()
    width = app.page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
    assert width <= 1
    assert app.errors == []
