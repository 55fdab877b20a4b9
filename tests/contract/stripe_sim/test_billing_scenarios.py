"""Rows of the scenario table in the project's notes on Stripe, by their numbers; amounts in cents."""

from datetime import UTC, datetime
from itertools import pairwise

import pytest
from tests.contract.stripe_sim.stripe_driver import Api, at, items, phase

from cpqbridge_sim.stripe.account import Account
from cpqbridge_sim.stripe.assumptions import Assumptions


def test_t01_a_year_of_months_bills_twelve_times_and_ends_without_an_invoice(api):
    schedule = api.schedule(phase(api.price(10000), end=at(2027, 1, 1)), start=at(2026, 1, 1))
    api.go(2027, 2, 1)
    dated = api.dated()
    assert len(dated) == 12
    assert dated[-1] == ("2026-12-01", 10000)
    assert sum(api.totals()) == 120000
    subscription = api.get(f"/v1/subscriptions/{schedule['subscription']}")
    assert subscription["status"] == "canceled"
    assert subscription["ended_at"] == at(2027, 1, 1)
    assert api.get(f"/v1/subscription_schedules/{schedule['id']}")["status"] == "completed"


def test_t02_month_ends_return_to_the_day_of_the_anchor(api_at):
    api = api_at(2026, 1, 31)
    api.schedule(phase(api.price(10000), end=at(2026, 7, 31)), start=at(2026, 1, 31))
    api.go(2026, 6, 1)
    assert [d for d, _ in api.dated()] == [
        "2026-01-31",
        "2026-02-28",
        "2026-03-31",
        "2026-04-30",
        "2026-05-31",
    ]


def test_t03_leap_days(api_at):
    api = api_at(2028, 1, 31)
    api.schedule(phase(api.price(100), end=at(2028, 4, 30)), start=at(2028, 1, 31))
    api.go(2028, 4, 1)
    assert [d for d, _ in api.dated()] == ["2028-01-31", "2028-02-29", "2028-03-31"]
    yearly = api_at(2028, 2, 29)
    yearly.schedule(phase(yearly.price(100, "year"), end=at(2033, 2, 28)), start=at(2028, 2, 29))
    yearly.go(2032, 6, 1)
    assert [d for d, _ in yearly.dated()] == [
        "2028-02-29",
        "2029-02-28",
        "2030-02-28",
        "2031-02-28",
        "2032-02-29",
    ]


def half_period_change(api, before: int, after: int, *, fraction_left: tuple[int, int]) -> list[int]:
    """The proration amounts of a price change in a 30-day June with this part of it left."""
    subscription = api.subscribe(*items(api.price(before)))
    item = subscription["items"]["data"][0]["id"]
    start, length = at(2026, 6, 1), 30 * 86400
    moment = start + length - length * fraction_left[0] // fraction_left[1]
    params = {
        "items": [{"id": item, "price": api.price(after)}],
        "proration_date": moment,
    }
    api.post(f"/v1/subscriptions/{subscription['id']}", params)
    pending = api.get("/v1/invoiceitems", {"pending": True})["data"]
    return [body["amount"] for body in reversed(pending)]


def test_t04_a_change_half_way(api_at):
    assert half_period_change(api_at(2026, 6, 1), 1000, 2000, fraction_left=(1, 2)) == [-500, 1000]


@pytest.mark.parametrize(
    ("before", "after", "expected"), [(2000, 1000, [-667, 333]), (1000, 2000, [-333, 667])]
)
def test_t06_a_change_with_a_third_left(api_at, before, after, expected):
    assert half_period_change(api_at(2026, 6, 1), before, after, fraction_left=(1, 3)) == expected


def test_t05_the_vendors_own_preview_sample():

    start, change, end = 1596749288, 1598982148, 1599427688
    api = Api(Account(datetime.fromtimestamp(start, UTC)))
    subscription = api.subscribe(*items(api.price(1000)))
    item = subscription["items"]["data"][0]
    assert item["current_period_end"] == end
    api.account.advance(datetime.fromtimestamp(change, UTC))
    new_price = api.price(3252)
    preview = api.post(
        "/v1/invoices/create_preview",
        {
            "subscription": subscription["id"],
            "subscription_details": {"items": [{"id": item["id"], "price": new_price}]},
        },
    )
    assert [line["amount"] for line in preview["lines"]["data"]] == [-166, 541, 3252]
    assert preview["total"] == 3627
    assert api.totals() == [1000], "a preview leaves nothing behind"


@pytest.mark.parametrize(("mode", "expected"), [("flexible", [-333, 333]), ("classic", [-667, 333])])
def test_t09_what_was_never_billed_is_not_credited_in_flexible_mode(api_at, mode, expected):
    api = api_at(2026, 4, 1)
    cheap, dear = api.price(1000), api.price(2000)
    subscription = api.subscribe(*items(cheap), billing_mode={"type": mode})
    path, item = f"/v1/subscriptions/{subscription['id']}", subscription["items"]["data"][0]["id"]
    api.go(2026, 4, 11)
    api.post(path, {"items": [{"id": item, "price": dear}], "proration_behavior": "none"})
    api.go(2026, 4, 21)
    api.post(path, {"items": [{"id": item, "price": cheap}], "proration_behavior": "always_invoice"})
    invoice = api.invoices()[-1]
    assert [line["amount"] for line in invoice["lines"]["data"]] == expected
    assert invoice["total"] == sum(expected)


@pytest.mark.parametrize(("mode", "credit"), [("flexible", -417), ("classic", -250)])
def test_t10_a_fixed_discount_shared_over_two_items(api_at, mode, credit):
    api = api_at(2026, 6, 1)
    subscription = api.subscribe(
        *items(api.price(1000), api.price(2000)),
        discounts=[{"coupon": api.coupon(amount_off=500, duration="forever")}],
        billing_mode={"type": mode},
    )
    lines = api.invoices()[0]["lines"]["data"]
    assert [line["discount_amounts"][0]["amount"] for line in lines] == [166, 334]
    api.go(2026, 6, 16)
    item = subscription["items"]["data"][0]["id"]
    api.post(f"/v1/subscriptions/{subscription['id']}", {"items": [{"id": item, "deleted": True}]})
    assert [body["amount"] for body in api.get("/v1/invoiceitems", {"pending": True})["data"]] == [credit]


def test_t11_a_price_change_on_a_boundary_makes_no_prorations(api):
    api.schedule(
        phase(api.price(10000), end=at(2026, 7, 1)),
        phase(api.price(12000), end=at(2027, 1, 1)),
        start=at(2026, 1, 1),
    )
    api.go(2027, 1, 2)
    assert api.totals() == [10000] * 6 + [12000] * 6
    lines = [line for invoice in api.invoices() for line in invoice["lines"]["data"]]
    assert not any(line["parent"]["subscription_item_details"]["proration"] for line in lines)


@pytest.mark.parametrize(
    ("behavior", "expected"),
    [
        ("create_prorations", [("2026-01-01", 3000), ("2026-02-01", 7549)]),
        ("always_invoice", [("2026-01-01", 3000), ("2026-01-16", 1549), ("2026-02-01", 6000)]),
        ("none", [("2026-01-01", 3000), ("2026-02-01", 6000)]),
    ],
)
def test_t12_to_t14_a_change_in_mid_month(api, behavior, expected):
    api.schedule(
        phase(api.price(3000), end=at(2026, 1, 16)),
        phase(api.price(6000), end=at(2026, 3, 1), proration_behavior=behavior),
        start=at(2026, 1, 1),
    )
    api.go(2026, 2, 2)
    assert api.dated() == expected


def test_t16_annual_and_monthly_on_one_subscription(api):
    prices = api.price(120000, "year"), api.price(1000)
    api.schedule(phase(*prices, end=at(2028, 1, 1)), start=at(2026, 1, 1))
    api.go(2027, 1, 1)
    assert api.totals() == [121000] + [1000] * 11 + [121000]


def test_t17_quarterly_and_monthly(api_at):
    api = api_at(2024, 1, 1)
    api.schedule(
        phase(api.price(10000, "month", 3), api.price(1500), end=at(2025, 1, 1)), start=at(2024, 1, 1)
    )
    api.go(2024, 4, 1)
    assert api.totals() == [11500, 1500, 1500, 11500]


def test_t18_an_annual_item_added_on_a_monthly_boundary(api):
    monthly, annual = api.price(1000), api.price(120000, "year")
    api.schedule(
        phase(monthly, end=at(2026, 7, 1)),
        phase(monthly, annual, end=at(2028, 1, 1)),
        start=at(2026, 1, 1),
    )
    api.go(2027, 1, 1)
    assert api.dated()[6] == ("2026-07-01", 61493)
    assert api.dated()[-1] == ("2027-01-01", 121000)


def test_t18_an_added_item_may_start_a_year_of_its_own_when_assumed_so(api_at):
    api = api_at(2026, 1, 1, assumptions=Assumptions(added_item_aligns_to_anchor=False))
    monthly, annual = api.price(1000), api.price(120000, "year")
    api.schedule(
        phase(monthly, end=at(2026, 7, 1)),
        phase(monthly, annual, end=at(2028, 7, 1)),
        start=at(2026, 1, 1),
    )
    api.go(2027, 7, 1)
    assert ("2026-07-01", 121000) in api.dated()
    assert api.dated()[-1] == ("2027-07-01", 121000)


def test_t19_an_item_for_part_of_the_year(api):
    a, b = api.price(10000), api.price(5000)
    api.schedule(
        phase(a, end=at(2026, 4, 15)),
        phase(a, b, end=at(2026, 10, 15)),
        phase(a, end=at(2027, 1, 1)),
        start=at(2026, 1, 1),
    )
    api.go(2027, 1, 2)
    dated = dict(api.dated())
    assert (dated["2026-05-01"], dated["2026-11-01"]) == (17667, 7258)
    assert sum(api.totals()) == 149925


def test_t20_a_released_schedule_goes_on_with_its_last_items(api):
    evergreen, termed = api.price(2000), api.price(8000)
    schedule = api.schedule(
        phase(evergreen, termed, end=at(2027, 1, 1)),
        phase(evergreen, end=at(2027, 2, 1)),
        start=at(2026, 1, 1),
        end_behavior="release",
    )
    api.go(2027, 6, 1)
    assert api.totals() == [10000] * 12 + [2000] * 6
    released = api.get(f"/v1/subscription_schedules/{schedule['id']}")
    assert (released["status"], released["subscription"]) == ("released", None)
    subscription = api.get(f"/v1/subscriptions/{released['released_subscription']}")
    assert (subscription["status"], subscription["schedule"]) == ("active", None)


def test_t22_the_last_period_is_billed_cut_to_the_end(api_at):
    api = api_at(2026, 1, 15)
    api.schedule(phase(api.price(10000), end=at(2026, 3, 1)), start=at(2026, 1, 15))
    api.go(2026, 4, 1)
    assert api.dated() == [("2026-01-15", 10000), ("2026-02-15", 5000)]
    line = api.invoices()[1]["lines"]["data"][0]
    assert line["period"] == {"start": at(2026, 2, 15), "end": at(2026, 3, 1)}


def test_t23_a_future_start_waits(api):
    schedule = api.schedule(phase(api.price(10000), end=at(2027, 1, 11)), start=at(2026, 1, 11))
    assert (schedule["status"], schedule["subscription"]) == ("not_started", None)
    assert schedule["current_phase"] is None
    assert api.invoices() == []
    api.go(2026, 1, 11)
    started = api.get(
        f"/v1/subscription_schedules/{schedule['id']}", {"expand": ["subscription.latest_invoice"]}
    )
    assert started["status"] == "active"
    invoice = started["subscription"]["latest_invoice"]
    assert (invoice["status"], invoice["total"]) == ("draft", 10000)
    assert invoice["billing_reason"] == "subscription_create"
    assert invoice["automatically_finalizes_at"] == at(2026, 1, 11, 1)


def test_t24_a_start_in_the_past_bills_every_elapsed_period_now(api_at):
    api = api_at(2026, 3, 10)
    api.schedule(phase(api.price(10000), end=at(2027, 1, 1)), start=at(2026, 1, 1))
    api.go(2026, 4, 1)
    assert api.dated() == [("2026-03-10", 30000), ("2026-04-01", 10000)]
    periods = [line["period"] for line in api.invoices()[0]["lines"]["data"]]
    starts = [at(2026, 1, 1), at(2026, 2, 1), at(2026, 3, 1), at(2026, 4, 1)]
    assert periods == [{"start": s, "end": e} for s, e in pairwise(starts)]


def test_backdating_without_prorations_leaves_the_past_free(api_at):
    api = api_at(2026, 3, 10)
    api.schedule(phase(api.price(10000), end=at(2027, 1, 1), proration_behavior="none"), start=at(2026, 1, 1))
    api.go(2026, 4, 2)
    assert api.dated() == [("2026-04-01", 10000)]


def test_backdating_of_the_first_of_two_phases(api_at):
    api = api_at(2026, 3, 10)
    api.schedule(
        phase(api.price(10000), end=at(2026, 7, 1)),
        phase(api.price(12000), end=at(2027, 1, 1)),
        start=at(2026, 1, 1),
    )
    api.go(2027, 1, 2)
    assert sum(api.totals()) == 6 * 10000 + 6 * 12000
    error = api.refused(
        "POST",
        "/v1/subscription_schedules",
        {
            "customer": api.customer(),
            "start_date": at(2026, 1, 1),
            "phases": [phase(api.price(1), end=at(2026, 2, 1)), phase(api.price(1), end=at(2027, 2, 1))],
        },
    )
    assert error["param"] == "phases[0][end_date]"


@pytest.mark.parametrize(
    ("start", "anchor", "expected"),
    [((2026, 2, 15), (2026, 3, 1), 5000), ((2026, 1, 15), (2026, 2, 1), 5484)],
)
def test_t25_classic_backdating_measures_an_imagined_period(api_at, start, anchor, expected):
    api = api_at(start[0], start[1], 20)
    api.subscribe(
        *items(api.price(10000)),
        backdate_start_date=at(*start),
        billing_cycle_anchor=at(*anchor),
        billing_mode={"type": "classic"},
    )
    assert api.totals() == [expected]


def test_flexible_backdating_with_an_anchor_of_its_own(api_at):
    api = api_at(2026, 10, 15)
    api.subscribe(
        *items(api.price(10000)), backdate_start_date=at(2026, 9, 1), billing_cycle_anchor=at(2026, 11, 1)
    )
    api.go(2026, 11, 1)
    assert api.dated() == [("2026-10-15", 20000), ("2026-11-01", 10000)]


def test_t27_coupon_months_count_from_the_backdated_start(api_at):
    api = api_at(2026, 2, 20)
    coupon = api.coupon(percent_off=50, duration="repeating", duration_in_months=2)
    api.schedule(
        phase(api.price(10000), end=at(2027, 1, 1), discounts=[{"coupon": coupon}]), start=at(2026, 1, 1)
    )
    api.go(2026, 3, 1)
    first = api.invoices()[0]
    assert (first["subtotal"], first["total"]) == (20000, 10000)
    assert api.dated()[1] == ("2026-03-01", 10000)


def test_t36_a_one_time_item_joins_the_next_invoice_of_its_phase(api):
    price, setup = api.price(10000), api.one_time(25000)
    api.schedule(
        phase(price, end=at(2026, 2, 10)),
        phase(price, end=at(2027, 1, 1), add_invoice_items=[{"price": setup, "metadata": {"line": "7"}}]),
        start=at(2026, 1, 1),
    )
    api.go(2026, 3, 1)
    assert api.dated() == [("2026-01-01", 10000), ("2026-02-01", 10000), ("2026-03-01", 35000)]
    line = api.invoices()[2]["lines"]["data"][0]
    assert line["metadata"] == {"line": "7"}
    assert line["parent"]["type"] == "invoice_item_details"


def test_t36_a_one_time_item_of_a_boundary_phase_is_billed_that_day(api):
    price, setup = api.price(10000), api.one_time(25000)
    api.schedule(
        phase(price, end=at(2026, 3, 1)),
        phase(price, end=at(2027, 1, 1), add_invoice_items=[{"price": setup}]),
        start=at(2026, 1, 1),
    )
    api.go(2026, 3, 1)
    assert api.dated()[-1] == ("2026-03-01", 35000)


def test_t38_at_most_ten_current_and_future_phases(api):
    price = api.price(100)
    ends = [at(2026 + (m // 12), m % 12 + 1, 1) for m in range(1, 12)]
    params = {"customer": api.customer(), "start_date": at(2026, 1, 1)}
    phases = [phase(price, end=end) for end in ends]
    api.refused("POST", "/v1/subscription_schedules", {**params, "phases": phases})
    api.post("/v1/subscription_schedules", {**params, "phases": phases[:10]})


def test_t39_less_than_the_smallest_charge_is_carried_to_the_next_invoice(api_at):
    api = api_at(2026, 6, 1)
    subscription = api.subscribe(*items(api.price(1000)))
    api.go(2026, 6, 16)
    params = {
        "items": [{"id": subscription["items"]["data"][0]["id"], "price": api.price(1002)}],
        "proration_behavior": "always_invoice",
    }
    api.post(f"/v1/subscriptions/{subscription['id']}", params)
    small = api.invoices()[-1]
    assert (small["total"], small["amount_due"], small["ending_balance"]) == (1, 0, 1)
    assert small["status"] == "paid"
    api.go(2026, 7, 2)
    following = api.invoices()[-1]
    assert (following["starting_balance"], following["amount_due"]) == (1, 1003)
    transactions = api.get(f"/v1/customers/{subscription['customer']}/balance_transactions")["data"]
    assert [entry["type"] for entry in transactions] == ["applied_to_invoice", "invoice_too_small"]


def test_t41_phase_metadata_is_merged_into_the_subscription(api):
    price = api.price(100)
    schedule = api.schedule(
        phase(price, end=at(2026, 2, 1), metadata={"a": "1", "b": "2"}),
        phase(price, end=at(2026, 3, 1), metadata={"b": "", "c": "3"}),
        start=at(2026, 1, 1),
        metadata={"own": "x"},
    )
    api.go(2026, 2, 1)
    assert api.get(f"/v1/subscriptions/{schedule['subscription']}")["metadata"] == {"a": "1", "c": "3"}
    assert api.get(f"/v1/subscription_schedules/{schedule['id']}")["metadata"] == {"own": "x"}


def test_t42_a_once_coupon_leaves_after_its_invoice(api):
    subscription = api.subscribe(
        *items(api.price(5000)), discounts=[{"coupon": api.coupon(percent_off=20, duration="once")}]
    )
    assert api.get(f"/v1/subscriptions/{subscription['id']}")["discounts"] == []
    api.go(2026, 2, 1)
    assert api.totals() == [4000, 5000]


def test_t43_the_same_price_twice_is_refused_but_two_of_one_product_are_not(api):
    product = api.post("/v1/products", {"name": "Pro"})["id"]
    one, other = api.price(100, product=product), api.price(200, product=product)
    params = {"customer": api.customer(), "start_date": "now"}
    error = api.refused(
        "POST", "/v1/subscription_schedules", {**params, "phases": [phase(one, one, end=at(2026, 2, 1))]}
    )
    assert error["param"] == "plan"
    api.post("/v1/subscription_schedules", {**params, "phases": [phase(one, other, end=at(2026, 2, 1))]})


@pytest.mark.parametrize(
    ("counts", "accepted"), [((2, 3), False), ((2, 4, 6), True), ((4, 6), False), ((1, 3), True)]
)
def test_t44_intervals_must_be_multiples_of_the_shortest(api, counts, accepted):
    prices = [api.price(100, "month", count) for count in counts]
    status, _ = api.account.request(
        "POST",
        "/v1/subscription_schedules",
        {
            "customer": api.customer(),
            "start_date": "now",
            "phases": [phase(*prices, end=at(2027, 1, 1))],
        },
    )
    assert status == (200 if accepted else 400)


def test_t45_an_annual_ramp(api):
    price = api.price(12000, "year")
    api.schedule(
        phase(price, end=at(2027, 1, 1), quantity=10),
        phase(price, end=at(2028, 1, 1), quantity=20),
        phase(price, end=at(2029, 1, 1), quantity=30),
        start=at(2026, 1, 1),
    )
    api.go(2029, 1, 2)
    assert api.totals() == [120000, 240000, 360000]


def test_t48_half_years(api):
    api.schedule(phase(api.price(60000, "month", 6), end=at(2027, 7, 1)), start=at(2026, 1, 1))
    api.go(2027, 7, 2)
    assert api.totals() == [60000] * 3


def test_t50_a_percentage_rounds_to_the_nearest_cent(api):
    coupon = api.coupon(percent_off="33.333", duration="forever")
    api.subscribe(*items(api.price(9999)), discounts=[{"coupon": coupon}])
    assert api.totals() == [6666]


@pytest.mark.parametrize(
    ("behavior", "expected"),
    [("create_prorations", ("2026-08-01", 2000)), ("always_invoice", ("2026-07-01", 1000))],
)
def test_t52_a_monthly_item_added_to_an_annual_plan(api, behavior, expected):
    annual, monthly = api.price(120000, "year"), api.price(1000)
    api.schedule(
        phase(annual, end=at(2026, 7, 1)),
        phase(annual, monthly, end=at(2027, 1, 1), proration_behavior=behavior),
        start=at(2026, 1, 1),
    )
    api.go(2026, 8, 1)
    assert api.dated()[1] == expected


def test_t55_canceling_half_way_leaves_an_uncollectible_credit(api_at):
    api = api_at(2026, 6, 1)
    schedule = api.schedule(phase(api.price(10000), end=at(2027, 6, 1)), start=at(2026, 6, 1))
    api.go(2026, 6, 16)
    canceled = api.post(f"/v1/subscription_schedules/{schedule['id']}/cancel")
    assert canceled["status"] == "canceled"
    api.go(2026, 6, 17)
    final = api.invoices()[-1]
    assert [line["amount"] for line in final["lines"]["data"]] == [-5000]
    assert (final["total"], final["status"]) == (-5000, "uncollectible")
    assert final["billing_reason"] == "subscription_cycle"
    assert api.get(f"/v1/customers/{schedule['customer']}")["balance"] == 0


def test_t59_a_sent_invoice_is_due_from_its_creation(api):
    api.schedule(
        phase(api.price(10000), end=at(2027, 1, 1)),
        start=at(2026, 1, 1),
        default_settings={"collection_method": "send_invoice", "invoice_settings": {"days_until_due": 30}},
    )
    draft = api.invoices()[0]
    assert (draft["status"], draft["number"], draft["due_date"]) == ("draft", None, at(2026, 1, 31))
    api.go(2026, 1, 1, 1)
    sent = api.invoices()[0]
    assert (sent["status"], sent["status_transitions"]["finalized_at"]) == ("open", at(2026, 1, 1, 1))
    assert sent["number"].endswith("-0001")
    assert sent["due_date"] == at(2026, 1, 31)


def test_t60_an_update_keeps_only_the_phases_it_sends(api):
    price = api.price(10000)
    schedule = api.schedule(
        phase(price, end=at(2026, 4, 1)),
        phase(price, end=at(2026, 7, 1)),
        phase(price, end=at(2027, 1, 1)),
        start=at(2026, 1, 1),
    )
    api.go(2026, 2, 10)
    path = f"/v1/subscription_schedules/{schedule['id']}"
    sent = [
        phase(price, end=at(2026, 4, 1), start_date=at(2026, 1, 1)),
        phase(price, end=at(2026, 9, 1)),
    ]
    changed = api.post(path, {"phases": sent})
    assert [p["end_date"] for p in changed["phases"]] == [at(2026, 4, 1), at(2026, 9, 1)]
    moved = [{**sent[0], "start_date": at(2026, 2, 1)}, sent[1]]
    error = api.refused("POST", path, {"phases": moved})
    assert error["message"] == "You can not modify the start date of the current phase."
    api.go(2027, 1, 1)
    assert api.totals() == [10000] * 8
