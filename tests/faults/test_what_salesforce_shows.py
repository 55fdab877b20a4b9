"""What records show after a sync of each kind: ids of schedules, prices and coupons, and nothing twice."""

from __future__ import annotations

from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

from tests.faults import kinds
from tests.faults.test_meters_and_coupons import set_up
from tests.faults.test_troubled_calls import Setting

from cpqbridge_sim.salesforce.cpq.model import Line

MAY = datetime(2026, 5, 12, 9, tzinfo=UTC)


def synced(setting: Setting, order_id: str | None = None) -> list[str]:
    """Sync an order; return which objects were written in Salesforce."""
    before = len(setting.sides.salesforce_writes())
    report = setting.service.sync(None, order_id or setting.sides.order_id)
    assert report.order.state.value in {"synced", "unchanged"}, report.order.message
    parts = setting.sides.salesforce_writes()[before:]
    return sorted({record["attributes"]["type"] for part in parts for record in part["body"]["records"]})


def shown(setting: Setting, name: str) -> list[str | None]:
    return [record.get("Stripe_ID__c") for record in setting.sides.org.records(name)]


def prices(setting: Setting, **of: Any) -> list[str]:
    found = setting.sides.objects("price")
    return [each["id"] for each in found if all(each[name] == value for name, value in of.items())]


def test_a_coupon_shows_its_stripe_id_in_the_same_composite_call(tmp_path: Path) -> None:
    shop = kinds.Shop()
    sold = (
        shop.sell(Line(product=shop.seat, coupons=(shop.launch,)), coupons=(shop.loyal,)),
        shop.sell(Line(product=shop.seat), coupons=(shop.loyal,)),
    )
    with set_up(tmp_path, shop.records(*sold)) as setting:
        composites = [e for e in setting.sides.org_log.after() if e["path"].endswith("/composite")]
        assert "Order_Stripe_Coupon__c" in synced(setting)
        after = [e for e in setting.sides.org_log.after() if e["path"].endswith("/composite")]
        writing = [
            each
            for each in after[len(composites) :]
            if any(part["method"] == "PATCH" for part in each["parameters"]["compositeRequest"])
        ]
        assert len(writing) == 1
        names = {each["id"]: each["name"] for each in setting.sides.objects("coupon")}
        coupons = setting.sides.org.records("Order_Stripe_Coupon__c")
        assert {names[each["Stripe_ID__c"]] for each in coupons} == {"Loyal", "Launch"}
        assert all(names[each["Stripe_ID__c"]] == each["Name"] for each in coupons)
        # The other order has the same coupon record, which shows the id already.
        assert "Order_Stripe_Coupon__c" not in synced(setting, setting.sides.order_ids[1])
        assert [synced(setting, each) for each in setting.sides.order_ids] == [[], []]


def test_a_coupon_whose_terms_are_edited_shows_the_other_coupon(tmp_path: Path) -> None:
    shop = kinds.Shop()
    sold = [shop.sell(Line(product=shop.seat), coupons=(shop.loyal,)) for _ in range(2)]
    with set_up(tmp_path, shop.records(*sold)) as setting:
        first, second = setting.sides.order_ids
        synced(setting, first)
        (coupon,) = setting.sides.org.records("Order_Stripe_Coupon__c")
        setting.sides.org.update("Order_Stripe_Coupon__c", coupon["Id"], {"Percent_Off__c": 15})
        synced(setting, second)
        (fifteen,) = (each["id"] for each in setting.sides.objects("coupon") if each["percent_off"] == 15)
        assert shown(setting, "Order_Stripe_Coupon__c") == [fifteen]


def test_every_schedule_of_an_order_is_named(tmp_path: Path) -> None:
    with set_up(tmp_path, kinds.with_and_without_an_end()) as setting:
        synced(setting)
        order = setting.sides.order()
        termed, endless = sorted(
            setting.sides.objects("subscription_schedule"), key=lambda each: each["end_behavior"]
        )
        assert order["Stripe_ID__c"] == termed["id"]
        assert order["Stripe_Link__c"].endswith(f"/subscription_schedules/{termed['id']}")
        assert order["Stripe_Sync_Message__c"] == (
            "Also in Stripe: subscription schedule "
            f"https://dashboard.stripe.com/test/subscription_schedules/{endless['id']}"
        )
        assert synced(setting) == []


def test_lines_of_one_tiered_item_show_its_one_price(tmp_path: Path) -> None:
    with set_up(tmp_path, kinds.licences()) as setting:
        synced(setting)
        setting.move_everything_to(MAY)
        added = setting.sides.amend([(0, "5")], start=date(2026, 5, 20))
        synced(setting, added)
        (price,) = prices(setting)
        assert shown(setting, "OrderItem") == [price, price]
        entries = [each for each in shown(setting, "PricebookEntry") if each]
        assert entries == [price]
        assert synced(setting, added) == []


def test_orders_with_tiers_of_their_own_do_not_take_turns_on_the_price_book_entry(tmp_path: Path) -> None:
    shop = kinds.Shop()
    sold = [shop.sell(Line(product=shop.licence, quantity=8)) for _ in range(2)]
    rates = shop.cpq.records()["SBQQ__OrderItemConsumptionRate__c"]
    shop.cpq.edit("SBQQ__OrderItemConsumptionRate__c", rates[-1]["Id"], SBQQ__Price__c=30)
    with set_up(tmp_path, shop.records(*sold)) as setting:
        first, second = setting.sides.order_ids
        synced(setting, first)
        synced(setting, second)
        assert len(prices(setting)) == 2
        assert sorted(shown(setting, "OrderItem")) == sorted(prices(setting))
        assert [synced(setting, each) for each in (first, second, first)] == [[], [], []]


def test_usage_shows_the_price_that_counts_it(tmp_path: Path) -> None:
    with set_up(tmp_path, kinds.usage_under_a_coupon()) as setting:
        synced(setting)
        (metered,) = prices(setting, billing_scheme="tiered")
        assert shown(setting, "OrderItem")[1] == metered
        assert metered in shown(setting, "PricebookEntry")
