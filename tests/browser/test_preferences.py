"""An admin sets preferences: filters are counted, a mistake is shown at its field, a risky change asks."""

from __future__ import annotations

import pytest
from tests.browser.conftest import DESKTOP, PHONE

PAGE = "/connections/test/preferences"


def test_an_admin_narrows_what_is_billed_and_sees_what_it_does(make_app):
    app = make_app(count=2)
    app.do(lambda: app.service.sync(None, app.sides.order_ids[0]))
    page = app.go(PAGE)
    page.get_by_label("Orders", exact=True).fill("OrderNumber LIKE '%' LIMIT 5")
    page.get_by_role("button", name="Check the filters").click()
    page.get_by_text("has 'LIMIT' where AND, OR or the end should stand").wait_for()
    page.get_by_label("Orders", exact=True).fill("OrderNumber = '00000101'")
    page.get_by_role("button", name="Check the filters").click()
    page.get_by_text("1 order matches now.").wait_for()
    page.get_by_role("button", name="Take the org's: ").click()
    page.get_by_text("By credit note", exact=False).first.wait_for()
    page.get_by_text("Always by credit note").click()
    page.get_by_label("Why (optional)").fill("Pilot")
    page.get_by_role("button", name="Save").click()
    page.get_by_role("heading", name="Save these preferences?").wait_for()
    app.assert_accessible()
    page.get_by_role("button", name="Save for all of them").click()
    page.get_by_text("The preferences are saved as version 2.").wait_for()
    found = app.do(lambda: app.service.configuration(None))
    assert (found.filters.order, found.policy.credits.value) == ("OrderNumber = '00000101'", "credit_note")
    assert app.errors == []


@pytest.mark.parametrize("color_scheme", ["light", "dark"])
@pytest.mark.parametrize("viewport", [DESKTOP, PHONE], ids=["desk", "phone"])
def test_the_page_is_accessible(make_app, viewport, color_scheme):
    app = make_app(viewport=viewport, color_scheme=color_scheme)
    page = app.go(PAGE)
    app.assert_accessible()
    wide = page.evaluate("document.documentElement.scrollWidth > document.documentElement.clientWidth")
    assert not wide
    page.get_by_label("Seconds between two looks").fill("often")
    page.get_by_role("button", name="Save").click()
    page.get_by_text("1 field needs another value.").wait_for()
    app.assert_accessible()
