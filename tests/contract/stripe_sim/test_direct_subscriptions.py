"""Subscriptions without a schedule: their items, ends, anchors, modes and ways to be paid; amounts in cents."""

from datetime import UTC, datetime

import pytest
from tests.contract.stripe_sim.stripe_driver import at, day, items

ITEMS = "/v1/subscription_items"


def pending(api) -> list[int]:
    return [body["amount"] for body in api.get("/v1/invoiceitems", {"pending": True})["data"][::-1]]


def test_an_item_is_added_changed_and_taken_away_at_its_own_address(api):
    subscription = api.subscribe(*items(api.price(3100)))
    api.go(2026, 1, 16)
    added = api.post(
        ITEMS, {"subscription": subscription["id"], "price": api.price(6200), "metadata": {"line": "2"}}
    )
    assert (added["object"], added["quantity"], added["metadata"]) == ("subscription_item", 1, {"line": "2"})
    changed = api.post(f"{ITEMS}/{added['id']}", {"quantity": 2})
    assert (changed["id"], changed["quantity"]) == (added["id"], 2)
    assert pending(api) == [3200, -3200, 6400]
    gone = api.call("DELETE", f"{ITEMS}/{added['id']}", {"proration_behavior": "always_invoice"})
    assert gone == {"id": added["id"], "object": "subscription_item", "deleted": True}
    assert api.totals() == [3100, 0]
    assert api.refused("GET", f"{ITEMS}/{added['id']}", status=404)["message"].startswith("Invalid")


def test_refused_changes_of_items(api):
    price = api.price(100)
    subscription = api.subscribe(*items(price))
    item = subscription["items"]["data"][0]["id"]
    assert "at least one" in api.refused("DELETE", f"{ITEMS}/{item}")["message"]
    assert api.refused("POST", f"{ITEMS}/si_nope", {"quantity": 2}, status=404).get("code") is None
    assert api.refused("DELETE", f"{ITEMS}/si_nope", status=404).get("code") is None
    error = api.refused("POST", ITEMS, {"subscription": subscription["id"], "price": price})
    assert (error["param"], "is already using" in error["message"]) == ("price", True)
    error = api.refused("POST", ITEMS, {"subscription": "sub_nope", "price": price})
    assert (error["code"], error["param"]) == ("resource_missing", "subscription")
    assert api.refused("POST", ITEMS, {"price": price})["code"] == "parameter_missing"
    api.call("DELETE", f"/v1/subscriptions/{subscription['id']}")
    params = {"subscription": subscription["id"], "price": api.price(1)}
    assert api.refused("POST", ITEMS, params, status=404)["param"] == "subscription"


def test_migrating_to_flexible_billing_is_a_one_way_street(api):
    subscription = api.subscribe(*items(api.price(3100)), billing_mode={"type": "classic"})
    path = f"/v1/subscriptions/{subscription['id']}"
    item = subscription["items"]["data"][0]["id"]
    api.go(2026, 1, 11)
    api.post(path, {"items": [{"id": item, "quantity": 2}]})
    api.go(2026, 1, 21)
    migrated = api.post(f"{path}/migrate", {"billing_mode": {"type": "flexible"}})
    assert (migrated["billing_mode"]["type"], migrated["billing_mode"]["updated_at"]) == (
        "flexible",
        at(2026, 1, 21),
    )
    api.post(path, {"items": [{"id": item, "quantity": 1}]})
    # What was billed twice for one item since the 11th is given back once: 2 x 3100 for 11 of 31 days.
    assert pending(api) == [-2100, 4200, -2200, 1100]
    error = api.refused("POST", f"{path}/migrate", {"billing_mode": {"type": "flexible"}})
    assert "already" in error["message"]


def test_a_scheduled_subscription_does_not_migrate(api):
    schedule = api.schedule(
        {"items": items(api.price(100)), "end_date": at(2027, 1, 1)},
        start=at(2026, 1, 1),
        billing_mode={"type": "classic"},
    )
    path = f"/v1/subscriptions/{schedule['subscription']}/migrate"
    error = api.refused("POST", path, {"billing_mode": {"type": "flexible"}})
    assert error["message"] == (
        f"You cannot migrate a subscription that is already attached to a schedule: `{schedule['id']}`."
    )


def test_the_discount_of_a_subscription_is_deleted(api):
    coupon = api.coupon(percent_off=50, duration="forever")
    subscription = api.subscribe(*items(api.price(1000)), discounts=[{"coupon": coupon}])
    path = f"/v1/subscriptions/{subscription['id']}/discount"
    assert api.call("DELETE", path) == {
        "id": subscription["discounts"][0],
        "object": "discount",
        "deleted": True,
    }
    api.go(2026, 2, 1)
    assert api.totals() == [500, 1000]
    assert api.refused("DELETE", path, status=404)["code"] == "resource_missing"


# Anchors


@pytest.mark.parametrize(
    ("start", "config", "unit", "anchor", "first_full"),
    [
        ((2026, 1, 10), {"day_of_month": 15}, ("month", 1), "2026-01-15", "2026-01-15"),
        ((2026, 1, 10), {"day_of_month": 5}, ("month", 1), "2026-02-05", "2026-02-05"),
        ((2026, 2, 10), {"day_of_month": 31}, ("month", 1), "2026-03-31", "2026-02-28"),
        # The vendor's own example: two months, from February, on the 31st.
        ((2026, 2, 10), {"day_of_month": 31}, ("month", 2), "2026-08-31", "2026-02-28"),
        ((2026, 3, 10), {"month": 7, "day_of_month": 1}, ("year", 1), "2026-07-01", "2026-07-01"),
        ((2026, 8, 10), {"month": 7, "day_of_month": 1}, ("year", 1), "2027-07-01", "2027-07-01"),
    ],
)
def test_the_anchor_as_a_day_of_the_month(api_at, start, config, unit, anchor, first_full):
    api = api_at(*start)
    subscription = api.subscribe(*items(api.price(10000, *unit)), billing_cycle_anchor_config=config)
    assert day(subscription["billing_cycle_anchor"]) == anchor
    assert subscription["billing_cycle_anchor_config"] == {
        "day_of_month": config["day_of_month"],
        "hour": None,
        "minute": None,
        "month": config.get("month"),
        "second": None,
    }
    assert day(subscription["items"]["data"][0]["current_period_end"]) == first_full


def test_the_time_of_day_of_a_configured_anchor(api):
    config = {"day_of_month": 15, "hour": 12, "minute": 30, "second": 1}
    subscription = api.subscribe(*items(api.price(10000)), billing_cycle_anchor_config=config)
    anchor = datetime.fromtimestamp(subscription["billing_cycle_anchor"], UTC)
    assert anchor == datetime(2026, 1, 15, 12, 30, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    ("params", "unit", "param"),
    [
        ({"billing_cycle_anchor": at(2026, 1, 5)}, "month", "billing_cycle_anchor"),
        ({"backdate_start_date": at(2025, 12, 5)}, "month", "billing_cycle_anchor_config"),
        ({}, "week", "billing_cycle_anchor_config"),
        ({"billing_cycle_anchor_config": {"day_of_month": 32}}, "month", "billing_cycle_anchor_config[day_of_month]"),
        ({"billing_cycle_anchor_config": {"day_of_month": 30, "month": 2}}, "year", "billing_cycle_anchor_config[day_of_month]"),
        ({"billing_cycle_anchor_config": {"day_of_month": 1, "hour": 24}}, "month", "billing_cycle_anchor_config[hour]"),
    ],
)  # fmt: skip
def test_refused_configured_anchors(api, params, unit, param):
    body = {"customer": api.customer(), "items": items(api.price(100, unit))}
    body |= {"billing_cycle_anchor_config": {"day_of_month": 15}, **params}
    assert api.refused("POST", "/v1/subscriptions", body)["param"] == param


# Ends


def test_the_ends_of_periods_as_ends_of_a_subscription(api):
    def ends(**params) -> str:
        prices = items(api.price(1000), api.price(12000, "year"))
        return day(api.subscribe(*prices, **params)["cancel_at"])

    assert ends(cancel_at="min_period_end") == "2026-02-01"
    assert ends(cancel_at="max_period_end") == "2027-01-01"
    assert ends(cancel_at_period_end=True) == "2026-02-01"


def test_an_end_can_be_taken_back(api):
    subscription = api.subscribe(*items(api.price(1000)), cancel_at_period_end=True)
    path = f"/v1/subscriptions/{subscription['id']}"
    kept = api.post(path, {"cancel_at_period_end": False})
    assert (kept["cancel_at"], kept["cancel_at_period_end"], kept["canceled_at"]) == (None, False, None)
    api.go(2026, 2, 2)
    assert api.totals() == [1000, 1000]


def test_an_incomplete_subscription_takes_metadata_only_and_ends_when_it_is_canceled(api):
    customer = api.post("/v1/customers", {})["id"]
    params = {"customer": customer, "items": items(api.price(1000)), "payment_behavior": "default_incomplete"}
    subscription = api.post("/v1/subscriptions", params)
    path = f"/v1/subscriptions/{subscription['id']}"
    assert api.post(path, {"metadata": {"a": "b"}})["metadata"] == {"a": "b"}
    assert api.refused("POST", path, {"items": items(api.price(1))})["param"] == "items"
    assert api.call("DELETE", path)["status"] == "incomplete_expired"
    assert api.invoices()[0]["status"] == "void"


# Pending items


def test_pending_items_are_billed_at_an_interval_of_their_own(api):
    subscription = api.subscribe(
        *items(api.price(12000, "year")), pending_invoice_item_interval={"interval": "month"}
    )
    assert subscription["pending_invoice_item_interval"] == {"interval": "month", "interval_count": 1}
    assert day(subscription["next_pending_invoice_item_invoice"]) == "2026-02-01"
    api.go(2026, 1, 10)
    params = {"customer": subscription["customer"], "currency": "usd", "amount": 500}
    api.post("/v1/invoiceitems", {**params, "subscription": subscription["id"]})
    api.go(2026, 4, 2)
    assert api.dated() == [("2026-01-01", 12000), ("2026-02-01", 500)]
    assert api.invoices()[-1]["billing_reason"] == "automatic_pending_invoice_item_invoice"
    path = f"/v1/subscriptions/{subscription['id']}"
    assert day(api.get(path)["next_pending_invoice_item_invoice"]) == "2026-05-01"
    cleared = api.post(path, {"pending_invoice_item_interval": ""})
    assert cleared["next_pending_invoice_item_invoice"] is None
    api.post("/v1/invoiceitems", {**params, "subscription": subscription["id"]})
    api.go(2027, 1, 1)
    assert api.dated()[2:] == [("2027-01-01", 12500)]


def test_a_pending_interval_is_at_most_a_year(api):
    params = {"customer": api.customer(), "items": items(api.price(100))}
    params["pending_invoice_item_interval"] = {"interval": "month", "interval_count": 13}
    error = api.refused("POST", "/v1/subscriptions", params)
    assert error["param"] == "pending_invoice_item_interval[interval_count]"


# Payment of updates


def with_a_card_that_fails(api) -> tuple[str, str]:
    """A subscription that was paid once, and whose card declines from now on."""
    subscription = api.subscribe(*items(api.price(3100)))
    failing = {"invoice_settings": {"default_payment_method": "pm_card_chargeCustomerFail"}}
    api.post(f"/v1/customers/{subscription['customer']}", failing)
    api.go(2026, 1, 16)
    return f"/v1/subscriptions/{subscription['id']}", subscription["items"]["data"][0]["id"]


def test_an_update_that_cannot_be_paid_can_be_an_error_that_changes_nothing(api):
    path, item = with_a_card_that_fails(api)
    change = {"items": [{"id": item, "quantity": 2}], "proration_behavior": "always_invoice"}
    error = api.refused("POST", path, {**change, "payment_behavior": "error_if_incomplete"}, status=402)
    assert error["type"] == "card_error"
    body = api.get(path)
    assert (body["status"], body["items"]["data"][0]["quantity"], api.totals()) == ("active", 1, [3100])
    assert pending(api) == []
    error = api.refused("POST", path, {**change, "payment_behavior": "pending_if_incomplete"})
    assert "not simulated" in error["message"]


@pytest.mark.parametrize(("behavior", "attempts"), [("allow_incomplete", 1), ("default_incomplete", 0)])
def test_an_update_that_is_not_paid_makes_past_due(api, behavior, attempts):
    path, item = with_a_card_that_fails(api)
    change = {"items": [{"id": item, "quantity": 2}], "proration_behavior": "always_invoice"}
    body = api.post(path, {**change, "payment_behavior": behavior, "expand": ["latest_invoice"]})
    invoice = body["latest_invoice"]
    assert (body["status"], invoice["status"], invoice["attempt_count"]) == ("past_due", "open", attempts)


@pytest.mark.parametrize("behavior", ["error_if_incomplete", "pending_if_incomplete"])
def test_an_update_that_is_paid_needs_no_excuse(api, behavior):
    subscription = api.subscribe(*items(api.price(3100)))
    api.go(2026, 1, 16)
    change = {"items": items(api.price(6200)), "proration_behavior": "always_invoice"}
    api.post(f"/v1/subscriptions/{subscription['id']}", {**change, "payment_behavior": behavior})
    assert api.totals() == [3100, 3200]
