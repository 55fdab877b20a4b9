"""What people deleted or archived in Stripe is said, and there is a way on."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Any

import pytest
from tests.faults.two_sides import NOW, TwoSides, connect, service, two_sides

from cpqbridge.sync.service import SyncService
from cpqbridge_sim.salesforce.cpq.engine import Cpq
from cpqbridge_sim.salesforce.cpq.model import Line


def two_contracts_of_one_account() -> tuple[dict[str, list[dict[str, Any]]], tuple[str, ...]]:
    cpq = Cpq(clock=lambda: NOW)
    product = cpq.product("Seat", frequency="Monthly", default_term=1)
    cpq.price(product, 50)
    account = cpq.account("One Customer", email="billing@one.example")
    ids = []
    for month in (2, 3):
        quote = cpq.quote(account, start=date(2026, month, 1), lines=[Line(product=product)], term=12)
        order = cpq.order(quote, name=f"Order {month}")
        cpq.activate(order, at=NOW)
        ids.append(order.record_id)
    return cpq.records(), tuple(ids)


def refused(opened: SyncService, order_id: str) -> str:
    standing = opened.sync(None, order_id).order
    assert (standing.state.value, standing.code) == ("refused", "stripe_refused")
    return standing.fix


def delete_customer(sides: TwoSides) -> str:
    (customer,) = sides.objects("customer")
    status, _ = sides.account.request("DELETE", f"/v1/customers/{customer['id']}", {})
    assert status == 200
    return str(customer["id"])


@pytest.mark.parametrize("change", [{}, {"Name": "One Customer, renamed"}])
def test_an_account_whose_customer_was_deleted_gets_another_one(
    tmp_path: Path, change: dict[str, str]
) -> None:
    """The new customer is made once a person has cleared the id that the account shows."""
    with two_sides(records=two_contracts_of_one_account()) as sides, service(tmp_path) as opened:
        connect(opened, sides)
        first, second = sides.order_ids
        assert opened.sync(None, first).order.state.value == "synced"
        gone = delete_customer(sides)
        account_id = sides.order(first)["AccountId"]
        if change:
            sides.org.update("Account", account_id, change)
        for _ in range(2):
            assert "Clear Stripe_ID__c on the account" in refused(opened, second)
        sides.org.update("Account", account_id, {"Stripe_ID__c": None})
        assert opened.sync(None, second).order.state.value == "synced"
        shown = sides.org.record("Account", account_id)["Stripe_ID__c"]
        assert shown != gone
        schedules = {
            each["metadata"]["salesforce_order_id"]: each for each in sides.objects("subscription_schedule")
        }
        assert schedules[second]["customer"] == shown


def test_a_customer_id_that_the_account_never_had_is_said(tmp_path: Path) -> None:
    with two_sides() as sides, service(tmp_path) as opened:
        connect(opened, sides)
        account_id = sides.order()["AccountId"]
        sides.org.update("Account", account_id, {"Stripe_ID__c": "cus_ofAnotherAccount"})
        assert "put the right id there" in refused(opened, sides.order_id)
        assert sides.objects("subscription_schedule") == []
        sides.org.update("Account", account_id, {"Stripe_ID__c": None})
        assert opened.sync(None, sides.order_id).order.state.value == "synced"


def test_an_archived_price_of_ours_can_be_made_active_again(tmp_path: Path) -> None:
    with two_sides(2) as sides:
        with service(tmp_path / "one") as opened:
            connect(opened, sides)
            assert opened.sync(None, sides.order_ids[0]).order.state.value == "synced"
        (price,) = sides.objects("price")
        sides.account.request("POST", f"/v1/prices/{price['id']}", {"active": "false"})
        sides.account.advance(sides.account.now.replace(day=30))
        with service(tmp_path / "two") as opened:
            connect(opened, sides)
            assert "make it active again" in refused(opened, sides.order_ids[1])
            sides.account.request("POST", f"/v1/prices/{price['id']}", {"active": "true"})
            assert opened.sync(None, sides.order_ids[1]).order.state.value == "synced"
        assert len(sides.objects("price")) == 1


def test_a_customer_that_a_person_puts_on_the_account_takes_the_next_orders(tmp_path: Path) -> None:
    with two_sides(records=two_contracts_of_one_account()) as sides, service(tmp_path) as opened:
        connect(opened, sides)
        first, second = sides.order_ids
        assert opened.sync(None, first).order.state.value == "synced"
        _, other = sides.account.request("POST", "/v1/customers", {"name": "Merged"})
        sides.org.update("Account", sides.order(first)["AccountId"], {"Stripe_ID__c": other["id"]})
        assert opened.sync(None, second).order.state.value == "synced"
        customers = [schedule["customer"] for schedule in sides.objects("subscription_schedule")]
        assert customers.count(other["id"]) == 1
        assert sides.org.record("Account", sides.order(first)["AccountId"])["Stripe_ID__c"] == other["id"]
        assert opened.sync(None, second).order.state.value == "unchanged"
