"""Periods that are billed ahead of time, `billing_schedules`; amounts in cents."""

import pytest
from tests.contract.stripe_sim.stripe_driver import at, day, items, lines_of, metered, phase


def months(count: int) -> list[dict]:
    duration = {"interval": "month", "interval_count": count}
    return [{"bill_until": {"type": "duration", "duration": duration}}]


def until(moment: int, *prices: str) -> list[dict]:
    entry: dict = {"bill_until": {"type": "timestamp", "timestamp": moment}}
    if prices:
        entry["applies_to"] = [{"type": "price", "price": price} for price in prices]
    return [entry]


def test_t53_three_months_are_billed_at_once_and_the_fourth_when_it_begins(api):
    subscription = api.subscribe(*items(api.price(1000)), billing_schedules=months(3))
    entry = subscription["billing_schedules"][0]
    assert entry["bill_until"] == {
        "computed_timestamp": at(2026, 4, 1),
        "duration": {"interval": "month", "interval_count": 3},
        "timestamp": None,
        "type": "duration",
    }
    item = subscription["items"]["data"][0]
    assert (day(item["billed_until"]), day(item["current_period_end"])) == ("2026-04-01", "2026-02-01")
    assert lines_of(api.invoices()[0]) == [
        (1000, "2026-01-01", "2026-02-01"),
        (1000, "2026-02-01", "2026-03-01"),
        (1000, "2026-03-01", "2026-04-01"),
    ]
    api.go(2026, 3, 15)
    item = api.get(f"/v1/subscriptions/{subscription['id']}")["items"]["data"][0]
    assert (day(item["current_period_start"]), day(item["current_period_end"])) == (
        "2026-03-01",
        "2026-04-01",
    )
    api.go(2026, 5, 1)
    assert api.dated() == [("2026-01-01", 3000), ("2026-04-01", 1000), ("2026-05-01", 1000)]


def test_t54_what_is_left_of_a_commitment_is_the_fee_for_leaving_early(api):
    subscription = api.subscribe(*items(api.price(1000)))
    path = f"/v1/subscriptions/{subscription['id']}"
    api.go(2026, 9, 10)
    leaving = api.post(path, {"billing_schedules": until(at(2027, 1, 1)), "cancel_at": "max_billed_until"})
    assert leaving["cancel_at"] == at(2027, 1, 1)
    api.go(2027, 3, 1)
    assert api.dated()[8:] == [("2026-09-01", 1000), ("2026-10-01", 3000)]
    assert api.get(path)["status"] == "canceled"


def test_periods_ahead_are_invoiced_in_the_request_with_always_invoice(api):
    subscription = api.subscribe(*items(api.price(1000)))
    api.go(2026, 9, 10)
    api.post(
        f"/v1/subscriptions/{subscription['id']}",
        {
            "billing_schedules": until(at(2027, 1, 1)),
            "cancel_at": "max_billed_until",
            "proration_behavior": "always_invoice",
        },
    )
    ahead = api.invoices()[-1]
    assert (ahead["total"], ahead["status"]) == (3000, "paid")
    api.go(2027, 3, 1)
    assert api.dated()[9:] == [("2026-09-10", 3000)]


def test_only_the_named_items_are_billed_ahead(api):
    seats, extra = api.price(1000), api.price(50)
    subscription = api.subscribe(*items(seats, extra), billing_schedules=until(at(2026, 3, 1), extra))
    assert [item["billed_until"] for item in subscription["items"]["data"]] == [None, at(2026, 3, 1)]
    api.go(2026, 3, 1)
    assert api.totals() == [1100, 1000, 1050]


def test_items_that_do_not_cycle_before_the_end_are_left_alone(api):
    subscription = api.subscribe(
        *items(api.price(1000), api.price(12000, "year")), billing_schedules=months(2)
    )
    assert [item["billed_until"] for item in subscription["items"]["data"]] == [at(2026, 3, 1), None]
    assert api.totals() == [14000]


def test_an_end_inside_a_period_leaves_the_rest_to_the_renewal(api):
    api.subscribe(*items(api.price(2800)), billing_schedules=until(at(2026, 2, 15)))
    assert api.totals() == [4200]
    api.go(2026, 3, 1)
    assert api.dated() == [("2026-01-01", 4200), ("2026-02-01", 1400), ("2026-03-01", 2800)]


def test_a_change_gives_back_all_that_was_billed_ahead(api):
    subscription = api.subscribe(*items(api.price(3100)), billing_schedules=months(3))
    item = subscription["items"]["data"][0]["id"]
    api.go(2026, 1, 16)
    changed = api.post(
        f"/v1/subscriptions/{subscription['id']}",
        {"items": [{"id": item, "quantity": 2}], "billing_schedules": ""},
    )
    assert changed["items"]["data"][0]["billed_until"] is None
    pending = api.get("/v1/invoiceitems", {"pending": True})["data"][::-1]
    assert [body["amount"] for body in pending] == [-1600, -3100, -3100, 3200]
    api.go(2026, 3, 1)
    assert api.totals() == [9300, -4600 + 6200, 6200]


def test_an_earlier_end_gives_back_what_lies_behind_it(api):
    subscription = api.subscribe(*items(api.price(3100)), billing_schedules=months(3))
    api.post(f"/v1/subscriptions/{subscription['id']}", {"cancel_at": at(2026, 2, 1)})
    api.go(2026, 2, 2)
    assert api.totals() == [9300, -6200]


def test_a_percent_coupon_reduces_periods_ahead(api):
    coupon = api.coupon(percent_off=10, duration="forever")
    api.subscribe(*items(api.price(1000)), billing_schedules=months(3), discounts=[{"coupon": coupon}])
    assert api.totals() == [2700]


def test_a_preview_shows_periods_ahead(api):
    subscription = api.subscribe(*items(api.price(1000)))
    details = {"billing_schedules": months(3), "proration_behavior": "always_invoice"}
    params = {"subscription": subscription["id"], "subscription_details": details}
    assert api.post("/v1/invoices/create_preview", params)["total"] == 2000


def refused(api, *entries: dict, **params) -> dict:
    body = {"customer": api.customer(), "items": list(entries), **params}
    return api.refused("POST", "/v1/subscriptions", body)


@pytest.mark.parametrize(
    ("schedules", "param"),
    [
        (until(at(2026, 1, 20)), "billing_schedules[0][bill_until]"),
        (months(61), "billing_schedules[0][bill_until]"),
        (months(51), "billing_schedules"),
        ([{"bill_until": {"type": "timestamp"}}], "billing_schedules[0][bill_until][timestamp]"),
        ([{"bill_until": {"type": "duration"}}], "billing_schedules[0][bill_until][duration]"),
        (until(at(2026, 4, 1), "price_nope"), "billing_schedules[0][applies_to][0][price]"),
    ],
)
def test_refused_ends_and_items(api, schedules, param):
    assert refused(api, *items(api.price(100)), billing_schedules=schedules)["param"] == param
    assert api.invoices() == []


def test_refused_subscriptions(api):
    price = api.price(100)
    amount = api.coupon(amount_off=10, duration="forever")
    months_only = api.coupon(percent_off=10, duration="repeating", duration_in_months=2)
    for params in (
        {"billing_mode": {"type": "classic"}},
        {"discounts": [{"coupon": amount}]},
        {"discounts": [{"coupon": months_only}]},
        {"trial_period_days": 10},
        {"cancel_at": at(2026, 2, 15)},
    ):
        error = refused(api, *items(price), billing_schedules=months(3), **params)
        assert error["param"].startswith("billing_schedules")
    usage = api.metered(10, api.meter())
    assert refused(api, *metered(usage), billing_schedules=months(3))["param"] == "billing_schedules"
    mixed = [*items(price), *metered(usage)]
    named = refused(api, *mixed, billing_schedules=until(at(2026, 4, 1), usage))
    assert named["param"] == "billing_schedules[0][applies_to][0][price]"
    schedule = api.schedule(phase(price, end=at(2027, 1, 1)), start=at(2026, 1, 1))
    path = f"/v1/subscriptions/{schedule['subscription']}"
    assert api.refused("POST", path, {"billing_schedules": months(3)})["param"] == "billing_schedules"
    ahead = api.subscribe(*items(price), billing_schedules=months(3))
    path = f"/v1/subscriptions/{ahead['id']}"
    error = api.refused("POST", path, {"discounts": [{"coupon": amount}]})
    assert error["param"] == "discounts"
    assert api.refused("POST", path, {"trial_end": at(2026, 1, 9)})["param"] == "trial_end"
    error = api.refused("POST", "/v1/subscription_schedules", {"from_subscription": ahead["id"]})
    assert error["param"] == "from_subscription"


def test_the_latest_billed_date_is_a_period_end_where_nothing_is_billed_ahead(api):
    prices = items(api.price(1000), api.price(12000, "year"))
    subscription = api.subscribe(*prices, cancel_at="max_billed_until")
    assert day(subscription["cancel_at"]) == "2027-01-01"


def test_usage_is_never_billed_ahead(api):
    customer, meter = api.customer(), api.meter()
    mixed = [*items(api.price(1000)), *metered(api.metered(10, meter))]
    subscription = api.subscribe(*mixed, customer=customer, billing_schedules=months(2))
    assert [item["billed_until"] for item in subscription["items"]["data"]] == [at(2026, 3, 1), None]
    api.go(2026, 1, 10)
    api.use(customer, 5)
    api.go(2026, 2, 1, 2)
    assert api.totals() == [2000, 50]
