"""Every page of the app in Chromium: axe-core finds nothing serious, no script fails, nothing runs off."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

import pytest
from tests.browser.conftest import DESKTOP, PHONE, BrowserApp

from cpqbridge.domain.refusal import OrderState
from cpqbridge.sync.alert_settings import AlertSettings, ChannelInput
from cpqbridge.sync.inbox import Inbox
from cpqbridge.sync.order_actions import OrderActions
from cpqbridge.sync.reconcile import Reconciler

NO_PAGES = re.compile(r"\.(csv|json|zip|yaml)$")
# Pages whose record is not made here say so in plain words; that is looked at all the same.
MAY_BE_MISSING = {"/welcome/{token}", "/salesforce/callback", "/report"}


def addresses(app: BrowserApp, values: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    for route in app.site.routes:
        if route.method == "GET" and not NO_PAGES.search(route.path):
            yield route.path, re.sub(r"{(\w+)(:path)?}", lambda found: values[found[1]], route.path)


@pytest.mark.timeout(300)
@pytest.mark.parametrize(
    ("viewport", "color_scheme"), [(DESKTOP, "light"), (PHONE, "dark")], ids=["desk-light", "phone-dark"]
)
def test_every_page_is_accessible(make_app, viewport, color_scheme):
    app = make_app(count=3, viewport=viewport, color_scheme=color_scheme)
    assert app.sides is not None
    first, second, third = app.sides.order_ids
    app.do(lambda: app.service.sync(None, first))
    # The second order is refused, so that the inbox and its order page have something to say.
    line = next(each for each in app.sides.org.records("OrderItem") if each["OrderId"] == second)
    app.sides.org.update("OrderItem", line["Id"], {"SBQQ__BillingFrequency__c": "Invoice Plan"})
    app.do(lambda: app.service.sync(None, second))
    # The third was never synced, which a comparison finds; and somebody is told of trouble.
    finding, *_ = app.do(lambda: Reconciler(app.service).run(None)).open
    mail = ChannelInput(
        kind="mail", name="Ops", host="127.0.0.1", port="587", sender="a@b.example", recipients="c@d.example"
    )
    channel = app.do(lambda: AlertSettings(app.service).add(mail))
    app.do(lambda: OrderActions(app.service).hold(third, reason="Waits for the signature."))
    groups = app.do(lambda: Inbox(app.service).list().needed)
    cause = next(each.group.cause for each in groups if each.group.state is OrderState.HELD)
    values = {
        "order_id": first,
        "user_id": "1",
        "token": "no-such-link",
        "name": "test",
        "object": "customer",
        "version": "1",
        "cause": cause,
        "finding_id": str(finding.finding_id),
        "channel_id": str(channel.channel_id),
        "dry_run": "1",
    }
    wide, odd = [], []
    asked = {"/inbox/{cause}/release": f"?connection=test&order={third}"}
    for path, address in addresses(app, values):
        answer = app.page.goto(f"{app.url}{address}{asked.get(path, '')}")
        assert answer is not None
        if answer.status != 200 and path not in MAY_BE_MISSING:
            odd.append((answer.status, address))
        app.assert_accessible()
        too_wide = "document.documentElement.scrollWidth > document.documentElement.clientWidth"
        if app.page.evaluate(too_wide):
            wide.append(address)
    assert odd == [], odd
    assert wide == []
    assert app.errors == []
