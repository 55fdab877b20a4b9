"""Updates and cancellations that say what to do about prorations, as the connector sends them (B6.3)."""

import pytest
from tests.contract.stripe_sim.stripe_driver import at, items, phase

SCHEDULES = "/v1/subscription_schedules"
NONE = {"proration_behavior": "none"}
START = at(2026, 1, 1)


def changed(api, schedule: dict, *phases: dict, **params) -> dict:
    path = f"{SCHEDULES}/{schedule['id']}"
    return api.post(path, {"phases": list(phases), "proration_behavior": "none", **params})


def running(*prices: str, end: int, quantity: int = 1, **params) -> dict:
    return phase(*prices, end=end, quantity=quantity, start_date=START, **NONE, **params)


def status_of(api, schedule: dict) -> tuple[str, str]:
    schedule = api.get(f"{SCHEDULES}/{schedule['id']}")
    return schedule["status"], api.get(f"/v1/subscriptions/{schedule['subscription']}")["status"]


class TestBeforeTheStart:
    def test_everything_may_be_replaced(self, api):
        one, other = api.price(1000), api.price(300)
        schedule = api.schedule(phase(one, end=at(2026, 8, 1)), start=at(2026, 2, 1))
        first = phase(other, end=at(2026, 4, 1), start_date=at(2026, 3, 1), **NONE)
        made = changed(api, schedule, first, phase(one, end=at(2026, 5, 1), **NONE))
        assert (made["status"], made["subscription"]) == ("not_started", None)
        api.go(2026, 2, 2)
        assert api.invoices() == []
        api.go(2026, 6, 1)
        assert api.dated() == [("2026-03-01", 300), ("2026-04-01", 1000)]

    def test_the_start_may_come_sooner(self, api):
        price = api.price(1000)
        schedule = api.schedule(phase(price, end=at(2026, 8, 1)), start=at(2026, 6, 1))
        changed(api, schedule, phase(price, end=at(2026, 4, 1), start_date=at(2026, 2, 1), **NONE))
        api.go(2026, 9, 1)
        assert api.dated() == [("2026-02-01", 1000), ("2026-03-01", 1000)]


class TestTheRunningPhase:
    def test_items_change_now_without_money(self, api):
        seat, extra, gone = api.price(1000), api.price(500), api.price(70)
        schedule = api.schedule(phase(seat, gone, end=at(2026, 4, 1)), start=START)
        api.go(2026, 1, 16)
        changed(api, schedule, running(seat, extra, end=at(2026, 4, 1), quantity=3))
        subscription = api.get(f"/v1/subscriptions/{schedule['subscription']}")
        assert [(item["price"]["id"], item["quantity"]) for item in subscription["items"]["data"]] == [
            (seat, 3),
            (extra, 3),
        ]
        assert api.get("/v1/invoiceitems", {"pending": True})["data"] == []
        api.go(2026, 4, 2)
        assert api.totals() == [1070, 4500, 4500]

    def test_without_the_word_it_is_prorated(self, api):
        price = api.price(3100)
        schedule = api.schedule(phase(price, end=at(2026, 4, 1)), start=START)
        api.go(2026, 1, 16)
        path = f"{SCHEDULES}/{schedule['id']}"
        api.post(path, {"phases": [running(price, end=at(2026, 4, 1), quantity=2)]})
        pending = api.get("/v1/invoiceitems", {"pending": True})["data"]
        assert sorted(item["amount"] for item in pending) == [-1600, 3200]

    def test_its_start_stays(self, api):
        price = api.price(1000)
        schedule = api.schedule(phase(price, end=at(2026, 4, 1)), start=START)
        api.go(2026, 1, 16)
        moved = phase(price, end=at(2026, 4, 1), start_date=at(2026, 1, 16))
        error = api.refused("POST", f"{SCHEDULES}/{schedule['id']}", {"phases": [moved], **NONE})
        assert error["message"] == "You can not modify the start date of the current phase."

    def test_an_end_inside_the_running_period_gives_nothing_back(self, api):
        price = api.price(3100)
        schedule = api.schedule(phase(price, end=at(2026, 4, 1)), start=START)
        api.go(2026, 1, 16)
        changed(api, schedule, running(price, end=at(2026, 1, 20)))
        assert status_of(api, schedule) == ("active", "active")
        api.go(2026, 5, 1)
        assert api.totals() == [3100]
        assert status_of(api, schedule) == ("completed", "canceled")

    def test_an_end_inside_a_later_period_cuts_that_periods_bill(self, api):
        price = api.price(2800)
        schedule = api.schedule(phase(price, end=at(2026, 6, 1)), start=START)
        api.go(2026, 1, 16)
        changed(api, schedule, running(price, end=at(2026, 2, 15)))
        api.go(2026, 6, 1)
        assert api.dated() == [("2026-01-01", 2800), ("2026-02-01", 1400)]

    def test_waiting_one_time_items_survive_an_update_without_them(self, api):
        price, setup = api.price(1000), api.one_time(700)
        first = phase(price, end=at(2026, 1, 10), **NONE)
        second = phase(price, end=at(2026, 4, 1), add_invoice_items=[{"price": setup}], **NONE)
        schedule = api.schedule(first, second, start=START)
        api.go(2026, 1, 12)
        assert len(api.get("/v1/invoiceitems", {"pending": True})["data"]) == 1
        again = phase(price, end=at(2026, 3, 1), start_date=at(2026, 1, 10), **NONE)
        changed(api, schedule, again)
        api.go(2026, 4, 1)
        assert api.totals() == [1000, 1700]


class TestLaterPhases:
    def test_they_are_removed_and_added(self, api):
        one, two, three = api.price(1000), api.price(2000), api.price(3000)
        schedule = api.schedule(phase(one, end=at(2026, 2, 1)), phase(two, end=at(2026, 6, 1)), start=START)
        api.go(2026, 1, 16)
        made = changed(
            api,
            schedule,
            running(one, end=at(2026, 3, 1)),
            phase(three, end=at(2026, 4, 1), **NONE),
        )
        assert [p["end_date"] for p in made["phases"]] == [at(2026, 3, 1), at(2026, 4, 1)]
        api.go(2026, 6, 2)
        assert api.totals() == [1000, 1000, 3000]

    def test_a_cut_within_a_period_is_free_until_the_next(self, api):
        price = api.price(1000)
        schedule = api.schedule(phase(price, end=at(2026, 4, 1)), start=START)
        changed(
            api,
            schedule,
            running(price, end=at(2026, 1, 20)),
            phase(price, end=at(2026, 4, 1), quantity=5, **NONE),
        )
        api.go(2026, 4, 2)
        assert api.totals() == [1000, 5000, 5000]

    def test_ten_current_and_future_ones_fit_however_many_have_passed(self, api):
        price = api.price(100)

        def months(first: int, count: int) -> list[dict]:
            return [
                phase(price, end=at(2026 + month // 12, month % 12 + 1, 1), quantity=month, **NONE)
                for month in range(first, first + count)
            ]

        schedule = api.schedule(*months(1, 10), start=START)
        api.go(2026, 3, 15)
        current = {**months(3, 1)[0], "start_date": at(2026, 3, 1)}
        made = changed(api, schedule, current, *months(4, 9))
        assert len(made["phases"]) == 12
        api.refused("POST", f"{SCHEDULES}/{schedule['id']}", {"phases": [current, *months(4, 10)], **NONE})
        api.go(2027, 2, 1)
        assert api.totals() == [100 * month for month in range(1, 13)]


@pytest.mark.parametrize("status", ["released", "canceled", "completed"])
def test_an_ended_schedule_refuses_changes(api, status):
    price = api.price(1000)
    schedule = api.schedule(phase(price, end=at(2026, 2, 1)), start=START)
    path = f"{SCHEDULES}/{schedule['id']}"
    if status == "completed":
        api.go(2026, 2, 2)
    else:
        api.post(f"{path}/{'release' if status == 'released' else 'cancel'}")
    for address, params in (
        (path, {"phases": [running(price, end=at(2026, 3, 1))], **NONE}),
        (f"{path}/cancel", {"prorate": False, "invoice_now": False}),
    ):
        assert f"currently in the `{status}` status" in api.refused("POST", address, params)["message"]


def test_canceling_plainly_makes_no_invoice_and_leaves_charges_waiting(api):
    schedule = api.schedule(phase(api.price(1000), end=at(2027, 1, 1)), start=START)
    terms = {"customer": schedule["customer"], "currency": "usd", "subscription": schedule["subscription"]}
    api.post("/v1/invoiceitems", {**terms, "amount": -500})
    api.go(2026, 1, 16)
    made = api.post(f"{SCHEDULES}/{schedule['id']}/cancel", {"prorate": False, "invoice_now": False})
    assert (made["status"], made["canceled_at"]) == ("canceled", at(2026, 1, 16))
    assert status_of(api, schedule) == ("canceled", "canceled")
    api.go(2026, 6, 1)
    assert api.totals() == [1000]
    assert [item["amount"] for item in api.get("/v1/invoiceitems", {"pending": True})["data"]] == [-500]


def test_a_draft_of_its_first_hour_stays_as_it_is(api):
    price = api.price(1000)
    schedule = api.schedule(phase(price, end=at(2026, 4, 1)), start=START)
    changed(api, schedule, running(price, end=at(2026, 4, 1), quantity=2))
    (draft,) = api.invoices()
    assert (draft["status"], draft["total"]) == ("draft", 1000)
    api.go(2026, 2, 2)
    assert api.totals() == [1000, 2000]


def test_inline_prices_that_are_sent_again_move_no_money(api):
    product = api.post("/v1/products", {"name": "Seat"})["id"]
    inline = {
        "price_data": {
            "currency": "usd",
            "product": product,
            "unit_amount_decimal": "1000",
            "recurring": {"interval": "month"},
        },
        "quantity": 1,
    }
    schedule = api.schedule({"items": [inline], "end_date": at(2026, 4, 1), **NONE}, start=START)
    api.go(2026, 1, 16)
    again = {"items": [inline], "start_date": START, "end_date": at(2026, 4, 1), **NONE}
    changed(api, schedule, again)
    assert api.get("/v1/invoiceitems", {"pending": True})["data"] == []
    api.go(2026, 4, 2)
    assert api.totals() == [1000, 1000, 1000]


def test_metadata_of_items_follows_the_phase(api):
    price = api.price(1000)
    schedule = api.schedule(phase(price, end=at(2026, 4, 1)), start=START)
    marked = {**running(price, end=at(2026, 4, 1)), "items": [{**items(price)[0], "metadata": {"line": "1"}}]}
    changed(api, schedule, marked, metadata={"revision": "2"})
    api.go(2026, 2, 2)
    assert api.invoices()[1]["lines"]["data"][0]["metadata"] == {"line": "1"}
    assert api.get(f"{SCHEDULES}/{schedule['id']}")["metadata"] == {"revision": "2"}
