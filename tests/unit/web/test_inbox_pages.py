"""The pages of the inbox: causes with what to do, chosen orders tried anew, releases shown before they count."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from pathlib import Path

import pytest
from tests.app_people import client_of
from tests.faults.finding import Setting, finding
from tests.faults.test_inbox import a_standing, keep
from tests.faults.two_sides import NOW, two_sides

from cpqbridge.domain.refusal import OrderState
from cpqbridge.store.users import Role
from cpqbridge.sync.inbox import Inbox
from cpqbridge.web.pages.inbox import PAGE_SIZE, address
from cpqbridge.web.site import Site


@pytest.fixture
def setting(tmp_path: Path) -> Iterator[Setting]:
    with two_sides(2) as sides, finding(tmp_path, sides) as made:
        made.service.engine()
        yield made


@pytest.fixture
def site(setting: Setting) -> Site:
    return Site(setting.service, clock=setting.clock)


def refused(setting: Setting) -> str:
    """Let both orders be refused; return the address of their cause."""
    org = setting.sides.org
    for line in org.records("OrderItem"):
        org.update("OrderItem", line["Id"], {"SBQQ__BillingFrequency__c": "Fortnightly"})
    setting.poll()
    (cause,) = Inbox(setting.service).list().needed
    return address(cause)


def test_an_empty_inbox_says_that_nobody_is_needed(site: Site) -> None:
    answer = client_of(site, Role.VIEWER).get("/inbox")
    assert answer.status_code == 200
    assert "Nobody is needed" in answer.text


def test_causes_say_what_to_do_and_only_operators_may_retry(setting: Setting, site: Site) -> None:
    path = refused(setting)
    shown = client_of(site, Role.VIEWER).get("/inbox").text
    assert "2 orders need somebody" in shown
    assert '<span class="count">2<' in client_of(site, Role.VIEWER).get("/orders").text
    assert "Billing frequency not understood" in shown
    assert "Choose one of the four frequencies" in shown
    assert "RevOps" in shown
    assert "Retry all" not in shown
    assert "Choose order" not in client_of(site, Role.VIEWER).get(path).text
    assert "Retry all" in client_of(site, Role.OPERATOR).get("/inbox").text
    part = client_of(site, Role.VIEWER).get("/inbox", headers={"HX-Request": "true"}).text
    assert "<html" not in part
    assert "hx-trigger" in part


def test_ticked_orders_are_tried_anew_and_none_ticked_is_said(setting: Setting, site: Site) -> None:
    path = refused(setting)
    client = client_of(site, Role.OPERATOR)
    retry = path.partition("?")[0] + "/retry"
    nothing = client.post(retry, data={"connection": "test", "which": "some"})
    assert nothing.status_code == 422
    assert "No order is ticked" in nothing.text
    org = setting.sides.org
    for line in org.records("OrderItem"):
        org.update("OrderItem", line["Id"], {"SBQQ__BillingFrequency__c": "Monthly"})
    chosen = setting.sides.order_ids[0]
    answer = client.post(retry, data={"connection": "test", "which": "some", "order": chosen})
    assert (answer.status_code, answer.headers["location"]) == (303, "/inbox")
    setting.settled()
    assert setting.states()[chosen] == "synced"
    assert "1 order of 1 contract" in client.get(path).text
    client.post(retry, data={"connection": "test", "which": "all"})
    setting.settled()
    assert "No order has this any more" in client.get(path).text
    assert client.post(retry, data={"connection": "test", "which": "all"}).status_code == 422


def test_long_causes_come_in_pages_and_texts_are_escaped(setting: Setting, site: Site) -> None:
    keep(
        setting.service,
        *(
            a_standing(number, message="<script>", updated_at=NOW + timedelta(seconds=number))
            for number in range(PAGE_SIZE + 1)
        ),
    )
    (cause,) = Inbox(setting.service).list().needed
    client = client_of(site, Role.OPERATOR)
    first, last = client.get(address(cause)).text, client.get(address(cause, page=2)).text
    assert f"1 to {PAGE_SIZE} of {PAGE_SIZE + 1}" in first
    assert f"{PAGE_SIZE + 1} to {PAGE_SIZE + 1} of {PAGE_SIZE + 1}" in last
    assert "00000050" in last
    assert "00000049" not in last
    assert "<script>" not in first.replace('<script src="/static/htmx', "")
    assert client.get(address(cause, page=99)).text.count("00000050") >= 1


def test_what_goes_on_by_itself_is_told_apart(setting: Setting, site: Site) -> None:
    waiting = {"state": OrderState.WAITING, "code": "waiting_for_order", "fix": "Solve order 00000001 first."}
    keep(setting.service, a_standing(1, **waiting))
    shown = client_of(site, Role.OPERATOR).get("/inbox").text
    assert "Going on by themselves" in shown
    assert "Retry all" not in shown


def held(setting: Setting) -> str:
    """Let both orders be held by a cap; return the address of their cause."""
    known = setting.service.configuration("test")
    capped = replace(known, caps=replace(known.caps, bill_per_order=Decimal(100)))
    setting.service.apply_configuration("test", capped)
    setting.poll()
    (cause,) = Inbox(setting.service).list().needed
    assert cause.group.code == "cap_bill_per_order"
    return address(cause)


def test_a_release_of_several_shows_the_money_first_and_does_exactly_that(
    setting: Setting, site: Site
) -> None:
    path = held(setting)
    base = path.partition("?")[0]
    client = client_of(site, Role.OPERATOR)
    shown = client.get(path).text
    assert "Release the ticked ones" in shown
    assert f"/orders/{setting.sides.order_ids[0]}/release?code=cap_bill_per_order" in shown
    query = "&".join(["connection=test", *(f"order={each}" for each in setting.sides.order_ids)])
    asked = client.get(f"{base}/release?{query}")
    assert asked.status_code == 200, asked.text
    assert "Release 2 contracts?" in asked.text
    assert asked.text.count("6,000.00") >= 2
    assert setting.states() == dict.fromkeys(setting.sides.order_ids, "held")
    marks = re.findall(r'name="mark" value="([0-9a-f]+)"', asked.text)
    orders = re.findall(r'name="order" value="(\w+)"', asked.text)
    data = {"connection": "test", "order": orders, "mark": [marks[0], "0" * 64]}
    answer = client.post(f"{base}/release", data=data)
    assert answer.status_code == 303
    setting.settled()
    assert setting.states() == {orders[0]: "synced", orders[1]: "held"}
    assert client.post(f"{base}/release", data={"connection": "test"}).status_code == 422
    assert client.get(f"{base}/release?connection=test").status_code == 422
    # Product and price are there by now, made for the first one; what is billed is still what was shown.
    client.post(f"{base}/release", data={"connection": "test", "order": orders[1], "mark": marks[1]})
    setting.settled()
    assert setting.states() == dict.fromkeys(orders, "synced")


def test_a_viewer_cannot_retry_or_release(setting: Setting, site: Site) -> None:
    base = refused(setting).partition("?")[0]
    client = client_of(site, Role.VIEWER)
    assert client.post(f"{base}/retry", data={"which": "all"}).status_code == 403
    assert client.get(f"{base}/release").status_code == 403
    assert client.post(f"{base}/release").status_code == 403
