"""The list of orders and the pages of one order, asked for as a browser asks for them."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator
from datetime import date
from pathlib import Path

import pytest
from tests.app_people import client_of
from tests.faults.two_sides import TwoSides, connect, one_line_orders, service, two_sides

from cpqbridge.store.users import Role
from cpqbridge.sync.service import SyncService
from cpqbridge.web.site import Demo, OrderLabel, Site

HTMX = {"HX-Request": "true"}


@pytest.fixture(scope="module")
def sides() -> Iterator[TwoSides]:
    with two_sides(records=one_line_orders(3, contracted=True)) as hosted:
        yield hosted


@pytest.fixture(scope="module")
def opened(tmp_path_factory: pytest.TempPathFactory, sides: TwoSides) -> Iterator[SyncService]:
    with service(tmp_path_factory.mktemp("home")) as started:
        connect(started, sides)
        started.sync(None, sides.order_ids[0])
        started.sync(None, sides.order_ids[1])
        yield started


@pytest.fixture
def site(opened: SyncService) -> Site:
    return Site(opened)


@pytest.fixture
def viewer(site: Site):
    return client_of(site, Role.VIEWER)


@pytest.fixture
def operator(site: Site):
    return client_of(site, Role.OPERATOR)


def mark_in(page: str) -> str:
    return re.search(r'name="mark" value="(\w+)"', page)[1]


# The list


def test_list_shows_every_order_with_its_customer_state_and_amounts(viewer, sides) -> None:
    page = viewer.get("/orders").text
    assert "Customer 0" in page
    assert page.count("6,000.00") == 4
    assert f'href="/orders/{sides.order_id}"' in page
    assert "1 to 2 of 2" in page


def test_list_finds_filters_and_sorts_by_links(viewer) -> None:
    assert "Customer 0" not in viewer.get("/orders?q=customer+1").text
    assert "No order matches" in viewer.get("/orders?q=nobody").text
    assert "No order matches" in viewer.get("/orders?state=held").text
    page = viewer.get("/orders?sort=account&order=desc&state=synced").text
    assert page.index("Customer 1") < page.index("Customer 0")
    assert 'aria-sort="descending"' in page
    assert "/orders?state=synced&amp;sort=state" in page


@pytest.mark.parametrize(
    "query", ["page=0", "page=x", "page=99999999999999999999", "sort=x&order=x", "state=x", "connection=x"]
)
def test_list_asked_for_nonsense_is_still_a_list(viewer, query) -> None:
    assert viewer.get(f"/orders?{query}").status_code == 200


def test_list_is_refreshed_without_the_rest_of_the_page(viewer) -> None:
    part = viewer.get("/orders?q=customer", headers=HTMX).text
    assert "<html" not in part
    assert 'hx-get="/orders?q=customer"' in part


def test_list_as_csv_has_what_was_found_and_no_formulas(viewer, site) -> None:
    answer = viewer.get("/orders.csv?q=customer+1&page=7")
    assert answer.headers["content-type"] == "text/csv; charset=utf-8"
    head, row = csv.reader(io.StringIO(answer.content.decode("utf-8-sig")))
    found = dict(zip(head, row, strict=True))
    assert (found["account"], found["state"], found["sold"], found["billed"]) == (
        "Customer 1",
        "synced",
        "6000.00",
        "6000.00",
    )


def test_list_of_an_empty_home_says_what_to_do(tmp_path: Path) -> None:
    with service(tmp_path) as empty:
        page = client_of(Site(empty), Role.VIEWER).get("/orders").text
    assert "Nothing is connected yet" in page


def test_a_demo_names_its_orders(opened, sides) -> None:
    labels = {sides.order_id: OrderLabel(customer="Larkfield", purpose="ten seats")}
    demo = Demo(labels=labels, introduction="The sample org.", desk_url="http://127.0.0.1:1/desk")
    page = client_of(Site(opened, demo=demo), Role.VIEWER).get("/orders").text
    for text in ("Larkfield", "ten seats", "The sample org.", "http://127.0.0.1:1/desk"):
        assert text in page


# One order


def test_order_page_shows_plan_proof_invoices_history_and_what_one_may_do(viewer, operator, sides) -> None:
    page = viewer.get(f"/orders/{sides.order_id[:15]}").text
    for text in ("Time line of the contract", "Plan beside Stripe", "Stays", "Proof: sold and billed"):
        assert text in page
    assert "Invoices as planned" in page
    assert "sub_sched_" in page
    assert "Create" in page
    assert f"/orders/{sides.order_id}/sync" not in page
    assert f"/orders/{sides.order_id}/hold" in operator.get(f"/orders/{sides.order_id}").text


@pytest.mark.parametrize("order_id", ["801000000000009AAA", "nonsense", "801"])
@pytest.mark.parametrize("rest", ["", "/now", "/hold"])
def test_an_order_that_is_not_there_is_not_found(operator, order_id, rest) -> None:
    assert operator.get(f"/orders/{order_id}{rest}").status_code == 404


def test_order_now_compares_the_plan_with_what_stripe_and_salesforce_say(viewer, sides) -> None:
    page = viewer.get(f"/orders/{sides.order_id}/now").text
    assert page.count("To come") == 12
    assert "Synced" in page
    assert "Success, resolved" in page
    part = viewer.get(f"/orders/{sides.order_id}/now", headers=HTMX).text
    assert "<html" not in part


def test_preview_shows_a_known_order_and_explains_an_unknown_one(viewer, sides) -> None:
    assert "Order number or id" in viewer.get("/orders/preview").text
    page = viewer.get(f"/orders/preview?order={sides.order()['OrderNumber']}").text
    assert "Planned just now" in page
    assert "Nothing: no call is made to Stripe" in page
    answer = viewer.get("/orders/preview?order=%3Cb%3E")
    assert answer.status_code == 404
    assert "There is no order &#39;&lt;b&gt;&#39;" in answer.text


def test_an_activated_order_is_synced_after_its_plan_was_shown(operator, sides, opened) -> None:
    order_id = sides.order_ids[2]
    page = operator.get(f"/orders/{order_id}/sync").text
    assert "2 calls to Stripe" in page
    before = sides.stripe_writes()
    stale = operator.post(f"/orders/{order_id}/sync", data={"mark": "another"})
    assert stale.status_code == 409
    assert "so nothing was done" in stale.text
    assert sides.stripe_writes() == before
    answer = operator.post(f"/orders/{order_id}/sync", data={"mark": mark_in(page)})
    assert (answer.status_code, answer.headers["location"]) == (303, f"/orders/{order_id}")
    shown = operator.get(f"/orders/{order_id}").text
    assert "is synced." in shown
    assert "the operator" in shown


def test_a_contract_is_held_with_a_reason_and_released_with_its_plan(operator, sides) -> None:
    address = f"/orders/{sides.order_ids[1]}"
    refused = operator.post(f"{address}/hold", data={"reason": " "})
    assert refused.status_code == 422
    assert "needs a reason" in refused.text
    assert operator.post(f"{address}/hold", data={"reason": "a <b> dispute"}).status_code == 303
    page = operator.get(address).text
    assert "a &lt;b&gt; dispute" in page
    assert f'href="{address}/release"' in page
    assert "Held by a person" in operator.get(f"{address}/release").text
    assert "What holds it" in operator.post(f"{address}/release", data={"mark": "x"}).text
    shown = operator.get(f"{address}/release?code=held_by_person").text
    done = operator.post(f"{address}/release", data={"code": "held_by_person", "mark": mark_in(shown)})
    assert done.status_code == 303
    assert "is synced" in operator.get(address).text


def test_a_take_over_asks_for_its_first_day(operator, sides) -> None:
    address = f"/orders/{sides.order_id}/release"
    answer = operator.get(f"{address}?code=takeover")
    assert answer.status_code == 422
    assert "needs the first day" in answer.text
    assert "This is no day" in operator.get(f"{address}?code=takeover&cutover=soon").text
    assert operator.get(f"{address}?code=takeover&cutover=2026-06-01").status_code == 200
    assert operator.get(f"{address}?code=nonsense").status_code == 422


@pytest.mark.parametrize("step", ["sync", "release", "hold"])
def test_viewers_change_nothing(viewer, sides, step) -> None:
    assert viewer.get(f"/orders/{sides.order_id}/{step}").status_code == 403
    assert viewer.post(f"/orders/{sides.order_id}/{step}", data={"reason": "x"}).status_code == 403


def test_amendments_of_the_contract_are_listed_in_the_order_they_take_effect(operator, sides, opened) -> None:
    amendment = sides.amend([(0, "2")], start=date(2026, 3, 1))
    opened.sync(None, amendment)
    page = operator.get(f"/orders/{sides.order_id}").text
    assert f'<a href="/orders/{amendment}">' in page
    assert "amendment" in page
