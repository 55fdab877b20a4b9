"""Free trials: of schedules' phases and of subscriptions of their own; amounts in cents."""

import pytest
from tests.contract.stripe_sim.stripe_driver import at, day, items, phase

SCHEDULES = "/v1/subscription_schedules"
DAY = 86_400


def events(api, kind: str) -> list[str]:
    return [day(event["created"]) for event in api.get("/v1/events", {"type": kind})["data"][::-1]]


def lines(invoice: dict) -> list[tuple[str, int]]:
    return [(line["description"], line["amount"]) for line in invoice["lines"]["data"]]


def spans(invoice: dict) -> list[tuple[str, str]]:
    return [(day(line["period"]["start"]), day(line["period"]["end"])) for line in invoice["lines"]["data"]]


@pytest.mark.parametrize("way", ["phase_trial_end", "direct_trial_end", "direct_days"])
def test_t28_a_trial_is_free_and_its_end_is_the_anchor(api, way):
    price = api.price(10000)
    if way == "phase_trial_end":
        schedule = api.schedule(
            phase(price, end=at(2027, 1, 15), trial_end=at(2026, 1, 15)), start=at(2026, 1, 1)
        )
        path = f"/v1/subscriptions/{schedule['subscription']}"
    else:
        trial = {"trial_end": at(2026, 1, 15)} if way == "direct_trial_end" else {"trial_period_days": 14}
        path = f"/v1/subscriptions/{api.subscribe(*items(price), **trial)['id']}"
    subscription = api.get(path)
    assert (subscription["status"], subscription["billing_cycle_anchor"]) == ("trialing", at(2026, 1, 15))
    assert (subscription["trial_start"], subscription["trial_end"]) == (at(2026, 1, 1), at(2026, 1, 15))
    assert subscription["items"]["data"][0]["current_period_end"] == at(2026, 1, 15)
    first = api.invoices()[0]
    assert (first["total"], first["status"], first["billing_reason"]) == (0, "paid", "subscription_create")
    assert lines(first) == [("Free trial for 1 × Seat", 0)]
    assert spans(first) == [("2026-01-01", "2026-01-15")]
    api.go(2026, 1, 20)
    assert events(api, "customer.subscription.trial_will_end") == ["2026-01-12"]
    api.go(2026, 3, 1)
    assert api.dated() == [("2026-01-01", 0), ("2026-01-15", 10000), ("2026-02-15", 10000)]
    assert spans(api.invoices()[1]) == [("2026-01-15", "2026-02-15")]
    assert api.invoices()[1]["billing_reason"] == "subscription_cycle"
    assert api.get(path)["status"] == "active"


def test_t29_a_trial_before_an_explicit_anchor_is_followed_by_a_part_of_a_period(api_at):
    api = api_at(2026, 6, 15)
    api.subscribe(*items(api.price(3000)), trial_end=at(2026, 6, 22), billing_cycle_anchor=at(2026, 7, 1))
    api.go(2026, 8, 1)
    assert api.dated() == [("2026-06-15", 0), ("2026-06-22", 900), ("2026-07-01", 3000), ("2026-08-01", 3000)]


def test_a_trial_that_outlasts_the_anchor_leads_into_the_next_period(api_at):
    api = api_at(2026, 6, 28)
    api.subscribe(*items(api.price(3100)), trial_period_days=7, billing_cycle_anchor=at(2026, 7, 1))
    api.go(2026, 8, 1)
    assert api.dated() == [("2026-06-28", 0), ("2026-07-05", 2700), ("2026-08-01", 3100)]


def test_a_whole_phase_can_be_a_trial(api):
    price = api.price(10000)
    schedule = api.schedule(
        phase(price, end=at(2026, 1, 15), trial=True),
        phase(price, end=at(2026, 4, 15)),
        start=at(2026, 1, 1),
    )
    assert [body["trial_end"] for body in schedule["phases"]] == [at(2026, 1, 15), None]
    api.go(2026, 5, 1)
    assert api.dated() == [
        ("2026-01-01", 0),
        ("2026-01-15", 10000),
        ("2026-02-15", 10000),
        ("2026-03-15", 10000),
    ]


def test_a_price_by_tiers_is_as_free_as_any(api):
    price = api.tiered((5, 700, 300), ("inf", 600))
    api.schedule(phase(price, end=at(2026, 4, 1), trial_end=at(2026, 2, 1)), start=at(2026, 1, 1))
    assert [line["amount"] for line in api.invoices()[0]["lines"]["data"]] == [0]
    api.go(2026, 2, 2)
    assert [invoice["total"] for invoice in api.invoices()] == [0, 1000]


def test_a_second_trial_phase_goes_on_free(api):
    cheap, dear = api.price(1000), api.price(2000)
    api.schedule(
        phase(cheap, end=at(2026, 1, 15), trial=True),
        phase(dear, end=at(2026, 2, 1), trial=True),
        phase(dear, end=at(2026, 3, 1)),
        start=at(2026, 1, 1),
    )
    api.go(2026, 4, 1)
    assert api.dated() == [("2026-01-01", 0), ("2026-01-15", 0), ("2026-02-01", 2000)]


def test_the_item_of_a_trial_may_change_when_it_ends(api):
    cheap, dear = api.price(1000), api.price(2000)
    api.schedule(
        phase(cheap, end=at(2026, 1, 15), trial=True),
        phase(dear, end=at(2026, 2, 15)),
        start=at(2026, 1, 1),
    )
    api.go(2026, 3, 1)
    assert api.dated() == [("2026-01-01", 0), ("2026-01-15", 2000)]


def test_a_later_trial_phase_gives_unused_time_back(api):
    price = api.price(3100)
    schedule = api.schedule(
        phase(price, end=at(2026, 1, 16)),
        phase(price, end=at(2026, 2, 1), trial=True),
        phase(price, end=at(2026, 4, 1)),
        start=at(2026, 1, 1),
    )
    api.go(2026, 1, 17)
    path = f"/v1/subscriptions/{schedule['subscription']}"
    assert (api.get(path)["status"], api.get(path)["trial_start"]) == ("trialing", at(2026, 1, 16))
    invoice = api.invoices()[-1]
    assert [amount for _, amount in lines(invoice)] == [-1600, 0]
    assert api.get(f"/v1/customers/{schedule['customer']}")["balance"] == -1600
    api.go(2026, 5, 1)
    assert api.dated() == [
        ("2026-01-01", 3100),
        ("2026-01-16", -1600),
        ("2026-02-01", 3100),
        ("2026-03-01", 3100),
    ]


def test_a_once_coupon_waits_for_the_first_invoice_that_costs(api):
    coupon = api.coupon(percent_off=50, duration="once")
    subscription = api.subscribe(
        *items(api.price(10000)), trial_period_days=14, discounts=[{"coupon": coupon}]
    )
    assert len(subscription["discounts"]) == 1
    api.go(2026, 2, 15)
    assert api.totals() == [0, 5000, 10000]
    assert api.get(f"/v1/subscriptions/{subscription['id']}")["discounts"] == []


def test_one_time_items_of_a_trial_are_billed_at_once(api):
    price, setup = api.price(10000), api.one_time(2500)
    schedule = api.schedule(
        phase(
            price,
            end=at(2026, 3, 15),
            trial_end=at(2026, 1, 15),
            add_invoice_items=[{"price": setup}],
        ),
        start=at(2026, 1, 1),
    )
    first = api.invoices()[0]
    assert (first["status"], first["total"]) == ("draft", 2500)
    assert sorted(spans(first)) == [("2026-01-01", "2026-01-15")] * 2
    api.go(2026, 1, 16)
    assert api.totals() == [2500, 10000]
    direct = api.subscribe(
        *items(price),
        customer=schedule["customer"],
        trial_period_days=14,
        add_invoice_items=[{"price": setup}],
        expand=["latest_invoice"],
    )
    assert (direct["status"], direct["latest_invoice"]["amount_paid"]) == ("trialing", 2500)


def test_a_trial_is_ended_early(api):
    subscription = api.subscribe(*items(api.price(10000)), trial_period_days=14)
    path = f"/v1/subscriptions/{subscription['id']}"
    api.go(2026, 1, 5)
    ended = api.post(path, {"trial_end": "now", "expand": ["latest_invoice"]})
    assert (ended["status"], ended["billing_cycle_anchor"]) == ("active", at(2026, 1, 5))
    assert ended["trial_end"] == at(2026, 1, 5)
    assert (ended["latest_invoice"]["status"], ended["latest_invoice"]["total"]) == ("paid", 10000)
    assert events(api, "customer.subscription.trial_will_end") == ["2026-01-05"]
    api.go(2026, 2, 10)
    assert api.dated() == [("2026-01-01", 0), ("2026-01-05", 10000), ("2026-02-05", 10000)]


def test_a_trial_is_extended_and_shortened(api):
    subscription = api.subscribe(*items(api.price(10000)), trial_period_days=14)
    path = f"/v1/subscriptions/{subscription['id']}"
    api.go(2026, 1, 5)
    longer = api.post(path, {"trial_end": at(2026, 2, 1)})
    assert (longer["status"], longer["billing_cycle_anchor"]) == ("trialing", at(2026, 2, 1))
    shorter = api.post(path, {"trial_end": at(2026, 1, 20)})
    assert shorter["items"]["data"][0]["current_period_end"] == at(2026, 1, 20)
    assert shorter["trial_start"] == at(2026, 1, 1)
    api.go(2026, 2, 1)
    assert api.dated() == [("2026-01-01", 0), ("2026-01-20", 10000)]
    assert events(api, "customer.subscription.trial_will_end") == ["2026-01-17"]


@pytest.mark.parametrize(("behavior", "total"), [("create_prorations", -1600), ("none", 0)])
def test_a_trial_on_a_running_subscription_credits_unused_time(api, behavior, total):
    subscription = api.subscribe(*items(api.price(3100)))
    path = f"/v1/subscriptions/{subscription['id']}"
    api.go(2026, 1, 16)
    trialing = api.post(path, {"trial_end": at(2026, 2, 10), "proration_behavior": behavior})
    assert (trialing["status"], trialing["billing_cycle_anchor"]) == ("trialing", at(2026, 2, 10))
    api.go(2026, 3, 10)
    assert api.dated() == [
        ("2026-01-01", 3100),
        ("2026-01-16", total),
        ("2026-02-10", 3100),
        ("2026-03-10", 3100),
    ]


@pytest.mark.parametrize(("mode", "began"), [("flexible", at(2026, 3, 1)), ("classic", at(2026, 1, 1))])
def test_the_start_of_a_second_trial(api, mode, began):
    subscription = api.subscribe(
        *items(api.price(3100)), trial_end=at(2026, 2, 1), billing_mode={"type": mode}
    )
    api.go(2026, 3, 1)
    path = f"/v1/subscriptions/{subscription['id']}"
    assert api.post(path, {"trial_end": at(2026, 4, 1)})["trial_start"] == began


def test_classic_words_a_trial_in_its_own_way(api):
    api.subscribe(*items(api.price(3100)), trial_period_days=7, billing_mode={"type": "classic"})
    assert lines(api.invoices()[0]) == [("Trial period for Seat", 0)]


def test_an_item_added_in_a_trial_is_free_until_its_end(api):
    subscription = api.subscribe(*items(api.price(1000)), trial_period_days=14)
    api.go(2026, 1, 5)
    api.post(f"/v1/subscriptions/{subscription['id']}", {"items": items(api.price(2000))})
    added = api.invoices()[-1]
    assert (added["total"], added["status"]) == (0, "paid")
    assert lines(added) == [("Free trial for 1 × Seat", 0)]
    api.go(2026, 1, 16)
    assert api.totals() == [0, 0, 3000]


def test_a_trial_can_leave_the_anchor_where_it_was(api):
    unchanged = {"end_behavior": {"billing_cycle_anchor": "unchanged"}}
    subscription = api.subscribe(*items(api.price(3100)), trial_end=at(2026, 1, 16), trial_settings=unchanged)
    assert subscription["billing_cycle_anchor"] == at(2026, 1, 1)
    api.go(2026, 2, 1)
    assert api.dated() == [("2026-01-01", 0), ("2026-01-16", 1600), ("2026-02-01", 3100)]


@pytest.mark.parametrize(
    ("wish", "status", "totals"),
    [("create_invoice", "past_due", [0, 10000]), ("cancel", "canceled", [0]), ("pause", "paused", [0])],
)
def test_the_end_of_a_trial_without_a_payment_method(api, wish, status, totals):
    customer = api.post("/v1/customers", {})["id"]
    subscription = api.subscribe(
        *items(api.price(10000)),
        customer=customer,
        trial_period_days=14,
        trial_settings={"end_behavior": {"missing_payment_method": wish}},
    )
    assert subscription["trial_settings"]["end_behavior"]["missing_payment_method"] == wish
    api.go(2026, 2, 14)
    body = api.get(f"/v1/subscriptions/{subscription['id']}")
    assert (body["status"], api.totals()) == (status, totals)
    if wish == "pause":
        assert body["status_details"]["paused"]["subscription"]["type"] == "trial_end_without_payment_method"


def test_a_canceled_trial_bills_nothing(api):
    schedule = api.schedule(
        phase(api.price(10000), end=at(2027, 1, 1), trial_end=at(2026, 2, 1)), start=at(2026, 1, 1)
    )
    api.go(2026, 1, 10)
    api.post(f"{SCHEDULES}/{schedule['id']}/cancel")
    api.go(2026, 3, 1)
    assert api.totals() == [0]


def test_a_schedule_that_ends_inside_a_trial_never_bills(api):
    schedule = api.schedule(phase(api.price(100), end=at(2026, 1, 20), trial=True), start=at(2026, 1, 1))
    api.go(2026, 3, 1)
    assert api.totals() == [0]
    assert api.get(f"{SCHEDULES}/{schedule['id']}")["status"] == "completed"


def test_a_backdated_trial_is_free_from_its_start(api_at):
    api = api_at(2026, 1, 10)
    api.schedule(phase(api.price(3100), end=at(2027, 1, 20), trial_end=at(2026, 1, 20)), start=at(2026, 1, 1))
    assert spans(api.invoices()[0]) == [("2026-01-01", "2026-01-20")]
    api.go(2026, 2, 20)
    assert api.totals() == [0, 3100, 3100]


def test_mixed_intervals_all_wait_for_the_end_of_the_trial(api):
    subscription = api.subscribe(*items(api.price(1000), api.price(12000, "year")), trial_period_days=31)
    assert {item["current_period_end"] for item in subscription["items"]["data"]} == {at(2026, 2, 1)}
    api.go(2026, 3, 1)
    assert api.totals() == [0, 13000, 1000]


def updated(api, schedule: dict, *phases: dict, **params) -> dict:
    first = {**phases[0], "start_date": schedule["phases"][0]["start_date"]}
    return api.post(f"{SCHEDULES}/{schedule['id']}", {"phases": [first, *phases[1:]], **params})


def test_a_schedule_update_moves_a_running_trial(api):
    price = api.price(3100)
    schedule = api.schedule(phase(price, end=at(2027, 1, 1), trial_end=at(2026, 1, 15)), start=at(2026, 1, 1))
    path = f"/v1/subscriptions/{schedule['subscription']}"
    api.go(2026, 1, 5)
    updated(api, schedule, phase(price, end=at(2027, 1, 1), trial_end=at(2026, 2, 1)))
    assert api.get(path)["trial_end"] == at(2026, 2, 1)
    api.go(2026, 1, 20)
    assert api.totals() == [0]
    updated(api, schedule, phase(price, end=at(2027, 1, 1), trial_end="now"))
    assert (api.get(path)["status"], api.dated()[-1]) == ("active", ("2026-01-20", 3100))


def test_a_schedule_update_without_the_trial_ends_it_and_with_it_leaves_all_as_it_was(api):
    price = api.price(3100)
    first = phase(price, end=at(2027, 1, 1), trial_end=at(2026, 1, 15))
    schedule = api.schedule(first, start=at(2026, 1, 1))
    api.go(2026, 1, 5)
    updated(api, schedule, first)
    assert api.totals() == [0]
    api.go(2026, 1, 20)
    # The trial is over: its end may be sent again, or left out.
    updated(api, schedule, first)
    updated(api, schedule, phase(price, end=at(2027, 1, 1)))
    assert api.totals() == [0, 3100]
    other = api.schedule({**first, "trial_end": at(2026, 2, 15)}, start=at(2026, 1, 20))
    updated(api, other, phase(price, end=at(2027, 1, 1)))
    assert api.totals() == [0, 3100, 0, 3100]


def test_a_schedule_update_puts_a_trial_on_a_running_phase(api):
    price = api.price(3100)
    schedule = api.schedule(phase(price, end=at(2027, 1, 1)), start=at(2026, 1, 1))
    api.go(2026, 1, 16)
    updated(api, schedule, phase(price, end=at(2027, 1, 1), trial_end=at(2026, 2, 1)))
    assert api.get(f"/v1/subscriptions/{schedule['subscription']}")["status"] == "trialing"
    api.go(2026, 2, 2)
    assert api.dated() == [("2026-01-01", 3100), ("2026-01-16", -1600), ("2026-02-01", 3100)]


PAST = (
    "The parameter `trial_end` expects a unix timestamp representing a date and time in the future. "
    "You specified the value `1000` which is in the past."
)


@pytest.mark.parametrize(
    ("given", "param"),
    [
        ({"trial": True, "trial_end": at(2026, 1, 15)}, "phases[0][trial]"),
        ({"trial_end": at(2027, 1, 2)}, "phases[0][trial_end]"),
        ({"trial_end": 1000}, "phases[0][trial_end]"),
        ({"trial": True, "billing_cycle_anchor": "phase_start"}, "phases[0][billing_cycle_anchor]"),
    ],
)
def test_refused_trials_of_phases(api, given, param):
    body = phase(api.price(100), end=at(2027, 1, 1), **given)
    params = {"customer": api.customer(), "start_date": at(2026, 1, 1), "phases": [body]}
    error = api.refused("POST", SCHEDULES, params)
    assert error["param"] == param
    if given.get("trial_end") == 1000:
        assert error["message"] == PAST


def test_a_default_anchor_at_the_phase_start_does_not_go_with_a_trial(api):
    body = phase(api.price(100), end=at(2027, 1, 1), trial=True)
    settings = {"billing_cycle_anchor": "phase_start"}
    params = {"customer": api.customer(), "default_settings": settings, "phases": [body]}
    assert api.refused("POST", SCHEDULES, params)["param"] == "phases[0][trial]"


@pytest.mark.parametrize(
    ("given", "param"),
    [
        ({"trial_end": 1000}, "trial_end"),
        ({"trial_end": at(2028, 1, 3)}, "trial_end"),
        ({"trial_period_days": 731}, "trial_period_days"),
        ({"trial_period_days": -1}, "trial_period_days"),
        ({"trial_end": at(2026, 1, 5), "trial_period_days": 3}, "trial_end"),
        ({"trial_from_plan": True}, "trial_from_plan"),
    ],
)
def test_refused_trials_of_subscriptions(api, given, param):
    params = {"customer": api.customer(), "items": items(api.price(100)), **given}
    assert api.refused("POST", "/v1/subscriptions", params)["param"] == param


def test_a_trial_shorter_than_three_days_is_announced_at_once(api):
    api.subscribe(*items(api.price(100)), trial_period_days=2)
    assert events(api, "customer.subscription.trial_will_end") == ["2026-01-01"]


def test_a_preview_of_a_trial_shows_its_free_invoice_and_then_the_first_that_costs(api):
    price = api.price(3000)
    params = {"customer": api.customer(), "subscription_details": {"items": items(price)}}
    params["subscription_details"]["trial_end"] = at(2026, 1, 15)
    assert api.post("/v1/invoices/create_preview", params)["total"] == 0
    subscription = api.subscribe(*items(price), trial_end=at(2026, 1, 15))
    preview = api.post("/v1/invoices/create_preview", {"subscription": subscription["id"]})
    assert (preview["total"], day(preview["created"])) == (3000, "2026-01-15")


def test_a_preview_of_a_new_subscription_has_its_anchor_and_its_start(api):
    customer, price = api.customer(), api.price(3100)

    def total(**details) -> tuple[str, int]:
        params = {"customer": customer, "subscription_details": {"items": items(price), **details}}
        preview = api.post("/v1/invoices/create_preview", params)
        return day(preview["created"]), preview["total"]

    anchor = {"type": "timestamp", "timestamp": at(2026, 1, 16)}
    assert total(billing_cycle_anchor=anchor) == ("2026-01-01", 1500)
    assert total(billing_cycle_anchor={"type": "now"}) == ("2026-01-01", 3100)
    assert total(start_date=at(2026, 3, 1)) == ("2026-03-01", 3100)
    assert total(start_date=at(2025, 12, 1)) == ("2026-01-01", 6200)
    assert api.invoices() == []
    params = {"subscription": api.subscribe(*items(price))["id"]}
    params["subscription_details"] = {"billing_cycle_anchor": anchor}
    error = api.refused("POST", "/v1/invoices/create_preview", params)
    assert error["param"] == "subscription_details[billing_cycle_anchor]"


def test_a_preview_of_phases_may_name_the_end_of_a_trial_twice(api):
    end = at(2026, 1, 15)
    body = {**phase(api.price(3100), end=end), "trial": True, "trial_end": end}
    params = {"customer": api.customer(), "schedule_details": {"phases": [body]}}
    assert api.post("/v1/invoices/create_preview", params)["total"] == 0


def test_a_trial_of_a_later_phase_can_be_taken_away_before_it_begins(api):
    price = api.price(3100)
    schedule = api.schedule(
        phase(price, end=at(2026, 2, 1)),
        phase(price, end=at(2026, 4, 1), trial_end=at(2026, 3, 1)),
        start=at(2026, 1, 1),
    )
    api.go(2026, 1, 10)
    later = phase(price, end=at(2026, 4, 1), trial_end="now")
    updated(api, schedule, phase(price, end=at(2026, 2, 1)), later)
    api.go(2026, 4, 1)
    assert api.totals() == [3100, 3100, 3100]
