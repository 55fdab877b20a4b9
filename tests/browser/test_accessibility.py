"""Every page of the app in Chromium: axe-core finds nothing serious, no script fails, nothing runs off."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

import pytest
from tests.browser.conftest import DESKTOP, PHONE, BrowserApp

PLACES: Mapping[str, str] = {
    "/orders/{order_id}": "/orders/{order}",
    "/connections/{name}/mapping": "/connections/test/mapping",
    "/connections/{name}/mapping/{object}": "/connections/test/mapping/phase_item",
    "/connections/{name}/setup/mapping": "/connections/test/setup/mapping",
    "/connections/{name}/versions": "/connections/test/versions",
    "/connections/{name}/versions/{version}": "/connections/test/versions/1",
    "/people/{user_id}": "/people/1",
    "/people/{user_id}/disable": "/people/1/disable",
    "/welcome/{token}": "/welcome/no-such-link",
}
"""A real address for each path with placeholders; a route without one fails the test."""

NO_PAGES = re.compile(r"\.(csv|json|zip|yaml)$")


def addresses(app: BrowserApp) -> Iterator[tuple[str, str]]:
    assert app.sides is not None
    for route in app.site.routes:
        if route.method != "GET" or NO_PAGES.search(route.path):
            continue
        known = PLACES.get(route.path, route.path)
        assert known == route.path or "{" in route.path
        address = known.replace("{order}", app.sides.order_id)
        assert "{" not in address, f"test_accessibility.py needs an address for {route.path}"
        yield route.path, address


@pytest.mark.parametrize(
    ("viewport", "color_scheme"), [(DESKTOP, "light"), (PHONE, "dark")], ids=["desk-light", "phone-dark"]
)
def test_every_page_is_accessible(make_app, viewport, color_scheme):
    app = make_app(count=2, viewport=viewport, color_scheme=color_scheme)
    assert app.sides is not None
    app.do(lambda: app.service.sync(None, app.sides.order_id))
    # The second order is refused, so that the inbox and its order page have something to say.
    second = app.sides.order_ids[1]
    line = next(each for each in app.sides.org.records("OrderItem") if each["OrderId"] == second)
    app.sides.org.update("OrderItem", line["Id"], {"SBQQ__BillingFrequency__c": "Invoice Plan"})
    app.do(lambda: app.service.sync(None, second))
    wide = []
    for _, address in addresses(app):
        app.go(address)
        app.page.wait_for_load_state("networkidle")
        app.assert_accessible()
        too_wide = "document.documentElement.scrollWidth > document.documentElement.clientWidth"
        if app.page.evaluate(too_wide):
            wide.append(address)
    assert wide == []
    assert app.errors == []
