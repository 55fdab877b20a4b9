"""Customers, products, prices, coupons and pending items: their own rules."""

import pytest
from tests.contract.stripe_sim.stripe_driver import at, items, phase

MONTHLY = {"recurring": {"interval": "month"}}
PRICE = {"currency": "usd", "product_data": {"name": "Pro"}}


@pytest.mark.parametrize(
    ("params", "param"),
    [
        ({**PRICE}, "unit_amount"),
        ({**PRICE, "unit_amount": 1, "unit_amount_decimal": "1"}, "unit_amount"),
        ({**PRICE, "unit_amount": -1}, "unit_amount"),
        ({**PRICE, "unit_amount_decimal": "1.1234567890123"}, "unit_amount_decimal"),
        ({**PRICE, "unit_amount": 10**13}, "unit_amount"),
        ({**PRICE, "currency": "dollars", "unit_amount": 1}, "currency"),
        ({**PRICE, "currency": "kwd", "unit_amount": 1001}, "unit_amount"),
        ({**PRICE, "unit_amount": 1, "product": "p"}, "product"),
        ({**PRICE, "unit_amount": 1, "recurring": {"interval": "month", "interval_count": 37}}, "recurring[interval_count]"),
        ({**PRICE, "unit_amount": 1, "recurring": {"interval": "week", "interval_count": 157}}, "recurring[interval_count]"),
        ({**PRICE, "unit_amount": 1, "recurring": {"interval": "month", "interval_count": 0}}, "recurring[interval_count]"),
        ({**PRICE, "unit_amount": 1, "recurring": {"interval": "decade"}}, "recurring[interval]"),
    ],
)  # fmt: skip
def test_prices_that_are_refused(api, params, param):
    assert api.refused("POST", "/v1/prices", params)["param"] == param


def test_a_price_shows_its_amount_in_both_ways(api):
    whole = api.post("/v1/prices", {**PRICE, **MONTHLY, "unit_amount_decimal": "1200.0"})
    part = api.post("/v1/prices", {**PRICE, "unit_amount_decimal": "0.125"})
    assert (whole["unit_amount"], whole["unit_amount_decimal"], whole["type"]) == (1200, "1200", "recurring")
    assert (part["unit_amount"], part["unit_amount_decimal"], part["type"]) == (None, "0.125", "one_time")


def test_a_price_can_change_little(api):
    price = api.price(100)
    path = f"/v1/prices/{price}"
    changed = api.post(path, {"nickname": "Seat", "lookup_key": "k", "active": False, "metadata": {"a": "1"}})
    assert (changed["nickname"], changed["lookup_key"], changed["active"]) == ("Seat", "k", False)
    assert api.refused("POST", path, {"unit_amount": 5})["code"] == "parameter_unknown"
    assert api.get("/v1/prices", {"active": True})["data"] == []


def test_a_product_with_prices_cannot_be_deleted(api):
    product = api.get(f"/v1/prices/{api.price(100)}")["product"]
    api.refused("DELETE", f"/v1/products/{product}")
    assert api.get("/v1/products", {"ids": [product], "active": True})["data"][0]["id"] == product


@pytest.mark.parametrize(
    ("params", "param"),
    [
        ({"percent_off": 0}, "percent_off"),
        ({"percent_off": "100.5"}, "percent_off"),
        ({"amount_off": 100}, "currency"),
        ({"amount_off": 0, "currency": "usd"}, "amount_off"),
        ({"percent_off": 10, "amount_off": 10, "currency": "usd"}, "percent_off"),
        ({"percent_off": 10, "duration": "repeating"}, "duration_in_months"),
        ({"percent_off": 10, "duration_in_months": 3}, "duration_in_months"),
        ({"percent_off": 10, "redeem_by": at(2031, 2, 1)}, "redeem_by"),
        ({"percent_off": 10, "name": "n" * 41}, "name"),
        ({"percent_off": 10, "currency_options": {"eur": {"amount_off": 1}}}, "currency_options"),
    ],
)
def test_coupons_that_are_refused(api, params, param):
    assert api.refused("POST", "/v1/coupons", params)["param"] == param


def test_a_coupon_counts_its_redemptions(api):
    coupon = api.coupon(id="c", percent_off=10, duration="forever", max_redemptions=1)
    assert api.post("/v1/coupons/c", {"name": "Ten", "metadata": {"a": "1"}})["name"] == "Ten"
    discounts = [{"coupon": coupon}]
    api.subscribe(*items(api.price(100)), discounts=discounts)
    params = {"customer": api.customer(), "items": items(api.price(100)), "discounts": discounts}
    assert "maximum redemptions" in api.refused("POST", "/v1/subscriptions", params)["message"]
    assert [body["id"] for body in api.get("/v1/coupons")["data"]] == ["c"]
    other = api.coupon(percent_off=10)
    assert api.call("DELETE", f"/v1/coupons/{other}")["deleted"] is True


def test_a_fixed_coupon_never_takes_more_than_there_is(api):
    coupon = api.coupon(amount_off=5000, duration="forever")
    api.subscribe(*items(api.price(300), api.price(200)), discounts=[{"coupon": coupon}])
    assert api.totals() == [0]


def test_customers_change_balance_with_a_trace(api):
    customer = api.customer(name="Acme", email="a@example.com")
    path = f"/v1/customers/{customer}"
    api.post(f"{path}/balance_transactions", {"amount": -700, "currency": "usd", "description": "Goodwill"})
    api.post(path, {"balance": -200})
    listed = api.get(f"{path}/balance_transactions")["data"]
    assert [(entry["amount"], entry["ending_balance"]) for entry in listed] == [(500, -200), (-700, -700)]
    one = api.get(f"{path}/balance_transactions/{listed[1]['id']}")
    assert one["description"] == "Goodwill"
    wrong = {"amount": 1, "currency": "eur"}
    assert api.refused("POST", f"{path}/balance_transactions", wrong)["param"] == "currency"
    assert [body["id"] for body in api.get("/v1/customers", {"email": "a@example.com"})["data"]] == [customer]
    assert api.get("/v1/customers", {"email": "b@example.com"})["data"] == []


def test_a_deleted_customer_is_billed_no_more(api):
    customer = api.customer()
    schedule = api.schedule(
        phase(api.price(100), end=at(2027, 1, 1)), start=at(2026, 1, 1), customer=customer
    )
    assert api.call("DELETE", f"/v1/customers/{customer}")["deleted"] is True
    assert api.get(f"/v1/customers/{customer}")["deleted"] is True
    api.go(2026, 6, 1)
    assert [invoice["status"] for invoice in api.invoices()] == ["draft"]
    assert api.get(f"/v1/subscription_schedules/{schedule['id']}")["status"] == "canceled"


@pytest.mark.parametrize(
    ("params", "param"),
    [
        ({}, "amount"),
        ({"amount": 5}, "currency"),
        ({"amount": 5, "currency": "usd", "unit_amount_decimal": "5"}, "amount"),
        ({"unit_amount_decimal": "5"}, "currency"),
        ({"unit_amount_decimal": "5", "currency": "usd", "quantity": -1}, "quantity"),
        ({"unit_amount_decimal": "5", "currency": "usd", "quantity": 1, "quantity_decimal": "1"}, "quantity"),
        ({"unit_amount_decimal": "5", "currency": "usd", "quantity_decimal": "0.1234567890123"}, "quantity_decimal"),
        ({"pricing": {"price": "nope"}}, "pricing[price]"),
        ({"amount": 5, "currency": "usd", "period": {"start": 20, "end": 10}}, "period[end]"),
        ({"amount": 5, "currency": "usd", "subscription": "nope"}, "subscription"),
        ({"amount": 5, "currency": "usd", "invoice": "nope"}, "invoice"),
    ],
)  # fmt: skip
def test_invoice_items_that_are_refused(api, params, param):
    error = api.refused("POST", "/v1/invoiceitems", {"customer": api.customer(), **params})
    assert error["param"] == param


def test_a_pending_item_can_be_changed_and_deleted_until_it_is_invoiced(api):
    customer = api.customer()
    terms = {"customer": customer, "pricing": {"price": api.one_time(1234)}, "quantity": 2}
    item = api.post("/v1/invoiceitems", {**terms, "period": {"start": at(2026, 1, 1), "end": at(2026, 2, 1)}})
    assert (item["amount"], item["description"]) == (2468, "Setup")
    path = f"/v1/invoiceitems/{item['id']}"
    changed = api.post(path, {"amount": 1000, "description": "Less", "metadata": {"a": "1"}})
    assert (changed["amount"], changed["description"]) == (1000, "Less")
    other = api.post("/v1/invoiceitems", terms)
    assert api.call("DELETE", f"/v1/invoiceitems/{other['id']}")["deleted"] is True
    invoice = api.post("/v1/invoices", {"customer": customer, "pending_invoice_items_behavior": "include"})
    assert invoice["total"] == 1000
    assert api.get(path)["invoice"] == invoice["id"]
    assert "can no longer be changed" in api.refused("POST", path, {"amount": 1})["message"]
    assert "can no longer be changed" in api.refused("DELETE", path)["message"]


def test_a_manual_invoice_of_a_subscription_takes_what_is_pending(api):
    subscription = api.subscribe(*items(api.price(1000)))
    params = {"subscription": subscription["id"]}
    assert api.refused("POST", "/v1/invoices", params)["code"] == "invoice_no_subscription_line_items"
    item = {"customer": subscription["customer"], "amount": 5, "currency": "usd", **params}
    api.post("/v1/invoiceitems", item)
    invoice = api.post("/v1/invoices", params)
    assert (invoice["total"], invoice["billing_reason"]) == (5, "manual")


def test_lists_filter_by_time_and_state(api):
    api.schedule(phase(api.price(100), end=at(2026, 4, 1)), start=at(2026, 1, 1))
    api.go(2026, 3, 1)
    assert api.dated(created={"gte": at(2026, 2, 1), "lt": at(2026, 3, 1)}) == [("2026-02-01", 100)]
    assert len(api.invoices(created=at(2026, 2, 1))) == 1
    assert len(api.invoices(status="draft")) == 1
    assert len(api.invoices(status="paid")) == 2
    waiting = api.schedule(phase(api.price(100), end=at(2027, 4, 1)), start=at(2026, 6, 1))
    scheduled = api.get("/v1/subscription_schedules", {"scheduled": True})["data"]
    assert [body["id"] for body in scheduled] == [waiting["id"]]
    both = {"scheduled": True, "canceled_at": 1}
    assert "only specify one" in api.refused("GET", "/v1/subscription_schedules", both)["message"]
