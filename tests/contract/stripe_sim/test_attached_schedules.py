"""Schedules put on a running subscription, let go of it, and changed beside it."""

import pytest
from tests.contract.stripe_sim.stripe_driver import at, day, items, phase

SCHEDULES = "/v1/subscription_schedules"


def attached(api, subscription: dict) -> dict:
    return api.post(SCHEDULES, {"from_subscription": subscription["id"]})


def sent(body: dict) -> dict:
    """A phase as clients send back what they read of it."""
    entries = [
        {
            "price": item["price"],
            "quantity": item["quantity"],
            "metadata": item["metadata"],
            "discounts": [{"discount": entry["discount"]} for entry in item["discounts"]],
        }
        for item in body["items"]
    ]
    result = {"items": entries, "start_date": body["start_date"], "end_date": body["end_date"]}
    if body["discounts"]:
        result["discounts"] = [{"discount": entry["discount"]} for entry in body["discounts"]]
    if body["trial_end"] is not None:
        result["trial_end"] = body["trial_end"]
    return result


def extended(api, schedule: dict, *later: dict, **params) -> dict:
    phases = [sent(schedule["phases"][-1]), *later]
    return api.post(f"{SCHEDULES}/{schedule['id']}", {"phases": phases, **params})


def test_attaching_and_one_update_bill_nothing_again_and_keep_items_and_anchor(api):
    price, dear = api.price(1000), api.price(3000)
    coupon = api.coupon(percent_off=10, duration="forever")
    subscription = api.subscribe(
        {"price": price, "quantity": 2, "metadata": {"line": "1"}}, discounts=[{"coupon": coupon}]
    )
    path, item = f"/v1/subscriptions/{subscription['id']}", subscription["items"]["data"][0]["id"]
    api.go(2026, 3, 10)
    extended(api, attached(api, subscription), phase(dear, end=at(2026, 6, 1)), end_behavior="cancel")
    now = api.get(path)
    assert (now["items"]["data"][0]["id"], now["billing_cycle_anchor"]) == (item, at(2026, 1, 1))
    assert (now["discounts"], now["status"]) == (subscription["discounts"], "active")
    assert api.get("/v1/invoiceitems", {"pending": True})["data"] == []
    api.go(2026, 7, 1)
    assert api.totals() == [1800, 1800, 1800, 3000, 3000]


def test_an_attached_schedule_that_is_left_alone_lets_go_at_the_end_of_the_period(api):
    subscription = api.subscribe(*items(api.price(1000)))
    schedule = attached(api, subscription)
    api.go(2026, 2, 2)
    after = api.get(f"{SCHEDULES}/{schedule['id']}")
    assert (after["status"], after["released_subscription"]) == ("released", subscription["id"])
    assert api.totals() == [1000, 1000]


def test_a_released_subscription_takes_another_schedule(api):
    price = api.price(1000)
    first = api.schedule(phase(price, end=at(2026, 3, 1)), start=at(2026, 1, 1), end_behavior="release")
    api.go(2026, 3, 15)
    subscription = api.get(f"/v1/subscriptions/{first['subscription']}")
    assert (subscription["schedule"], subscription["status"]) == (None, "active")
    second = attached(api, subscription)
    assert second["phases"][0]["start_date"] == at(2026, 3, 1)
    extended(api, second, phase(price, end=at(2026, 6, 1), quantity=3), end_behavior="cancel")
    again = api.get(f"/v1/subscriptions/{subscription['id']}")
    assert again["schedule"] == second["id"]
    assert again["items"]["data"][0]["id"] == subscription["items"]["data"][0]["id"]
    api.go(2026, 7, 1)
    assert api.totals() == [1000, 1000, 1000, 3000, 3000]


def test_a_schedule_released_by_hand_can_be_followed_by_another(api):
    price = api.price(3100)
    first = api.schedule(phase(price, end=at(2027, 1, 1)), start=at(2026, 1, 1))
    api.go(2026, 1, 16)
    api.post(f"{SCHEDULES}/{first['id']}/release")
    subscription = api.get(f"/v1/subscriptions/{first['subscription']}")
    assert subscription["cancel_at"] is None
    second = attached(api, subscription)
    body = {**sent(second["phases"][0]), "items": items(price, quantity=2)}
    api.post(f"{SCHEDULES}/{second['id']}", {"phases": [body]})
    pending = api.get("/v1/invoiceitems", {"pending": True})["data"]
    assert sorted(entry["amount"] for entry in pending) == [-1600, 3200]


@pytest.mark.parametrize(("keeps", "cancel_at", "count"), [(True, at(2026, 3, 1), 2), (False, None, 4)])
def test_releasing_can_keep_the_end(api, keeps, cancel_at, count):
    schedule = api.schedule(phase(api.price(100), end=at(2026, 3, 1)), start=at(2026, 1, 1))
    api.post(f"{SCHEDULES}/{schedule['id']}/release", {"preserve_cancel_date": keeps})
    assert api.get(f"/v1/subscriptions/{schedule['subscription']}")["cancel_at"] == cancel_at
    api.go(2026, 4, 1)
    assert len(api.invoices()) == count


def test_the_end_of_a_subscription_is_that_of_the_schedule_made_from_it(api):
    subscription = api.subscribe(*items(api.price(1000)), cancel_at=at(2026, 3, 1))
    schedule = attached(api, subscription)
    assert (schedule["end_behavior"], schedule["phases"][0]["end_date"]) == ("cancel", at(2026, 3, 1))
    api.go(2026, 5, 1)
    assert api.totals() == [1000, 1000]
    assert api.get(f"/v1/subscriptions/{subscription['id']}")["status"] == "canceled"


def test_a_trial_is_mirrored_and_goes_on(api):
    price = api.price(1000)
    subscription = api.subscribe(*items(price), trial_end=at(2026, 1, 15))
    schedule = attached(api, subscription)
    assert schedule["phases"][0]["trial_end"] == at(2026, 1, 15)
    extended(api, schedule, phase(price, end=at(2026, 3, 15)), end_behavior="cancel")
    assert api.totals() == [0]
    api.go(2026, 4, 1)
    assert api.dated()[1:] == [("2026-01-15", 1000), ("2026-02-15", 1000)]


def test_of_mixed_intervals_the_mirrored_phase_is_the_latest_start_to_the_earliest_end(api):
    subscription = api.subscribe(*items(api.price(1000), api.price(12000, "year")))
    api.go(2026, 3, 10)
    mirrored = attached(api, subscription)["phases"][0]
    assert (day(mirrored["start_date"]), day(mirrored["end_date"])) == ("2026-03-01", "2026-04-01")


def test_what_cannot_take_a_schedule(api):
    customer = api.post("/v1/customers", {})["id"]
    pause = {"end_behavior": {"missing_payment_method": "pause"}}
    paused = api.subscribe(
        *items(api.price(100)), customer=customer, trial_period_days=1, trial_settings=pause
    )
    unpaid = api.subscribe(*items(api.price(100)), customer=customer, payment_behavior="default_incomplete")
    api.go(2026, 1, 2)
    for subscription in (paused, unpaid):
        error = api.refused("POST", SCHEDULES, {"from_subscription": subscription["id"]})
        assert error["param"] == "from_subscription"
    assert api.refused("POST", SCHEDULES, {"from_subscription": "sub_nope"})["code"] == "resource_missing"


# Direct changes of a scheduled subscription.


def scheduled(api, *prices: str) -> tuple[dict, str]:
    schedule = api.schedule(
        phase(*prices, end=at(2026, 4, 1)),
        phase(*prices, end=at(2026, 7, 1), quantity=5),
        start=at(2026, 1, 1),
    )
    return schedule, f"/v1/subscriptions/{schedule['subscription']}"


def bounds(api, schedule: dict) -> list[tuple[str, str]]:
    phases = api.get(f"{SCHEDULES}/{schedule['id']}")["phases"]
    return [(day(body["start_date"]), day(body["end_date"])) for body in phases]


def test_a_direct_change_of_items_splits_the_running_phase(api):
    schedule, path = scheduled(api, api.price(3100))
    item = api.get(path)["items"]["data"][0]["id"]
    api.go(2026, 1, 16)
    api.post(path, {"items": [{"id": item, "quantity": 2}], "proration_behavior": "always_invoice"})
    assert bounds(api, schedule) == [
        ("2026-01-01", "2026-01-16"),
        ("2026-01-16", "2026-04-01"),
        ("2026-04-01", "2026-07-01"),
    ]
    after = api.get(f"{SCHEDULES}/{schedule['id']}")
    assert [body["items"][0]["quantity"] for body in after["phases"]] == [1, 2, 5]
    assert after["current_phase"] == {"start_date": at(2026, 1, 16), "end_date": at(2026, 4, 1)}
    api.go(2026, 5, 1)
    assert api.totals() == [3100, 1600, 6200, 6200, 15500, 15500]


def test_a_direct_discount_lasts_until_the_phase_ends(api):
    schedule, path = scheduled(api, api.price(1000))
    api.go(2026, 1, 16)
    coupon = api.coupon(percent_off=50, duration="forever")
    api.post(path, {"discounts": [{"coupon": coupon}]})
    assert len(bounds(api, schedule)) == 3
    api.go(2026, 4, 1)
    assert api.totals() == [1000, 500, 500, 5000]


def test_a_direct_one_time_item_is_billed_once(api):
    schedule, path = scheduled(api, api.price(1000))
    api.go(2026, 1, 16)
    api.post(path, {"add_invoice_items": [{"price": api.one_time(70)}]})
    assert len(bounds(api, schedule)) == 3
    api.go(2026, 4, 1)
    assert api.totals() == [1000, 1070, 1000, 5000]


def test_a_direct_trial_is_part_of_the_new_phase(api):
    schedule, path = scheduled(api, api.price(3100))
    api.go(2026, 1, 16)
    api.post(path, {"trial_end": at(2026, 2, 1), "proration_behavior": "none"})
    assert [body["trial_end"] for body in api.get(f"{SCHEDULES}/{schedule['id']}")["phases"]] == [
        None,
        at(2026, 2, 1),
        None,
    ]
    api.go(2026, 4, 1)
    assert api.totals() == [3100, 0, 3100, 3100, 15500]


def test_a_change_at_the_start_of_a_phase_changes_that_phase(api):
    schedule, path = scheduled(api, api.price(3100))
    item = api.get(path)["items"]["data"][0]["id"]
    api.post(path, {"items": [{"id": item, "quantity": 2}]})
    assert bounds(api, schedule) == [("2026-01-01", "2026-04-01"), ("2026-04-01", "2026-07-01")]


def test_what_a_split_made_can_be_sent_back(api):
    schedule, path = scheduled(api, api.price(3100))
    api.go(2026, 1, 16)
    api.post(path, {"items": items(api.price(100)), "proration_behavior": "none"})
    phases = api.get(f"{SCHEDULES}/{schedule['id']}")["phases"]
    api.post(f"{SCHEDULES}/{schedule['id']}", {"phases": [sent(body) for body in phases[1:]]})
    assert api.get("/v1/invoiceitems", {"pending": True})["data"] == []
    api.go(2026, 3, 1)
    assert api.totals() == [3100, 3200, 3200]
