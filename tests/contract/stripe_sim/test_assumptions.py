"""Every reading of undocumented behaviour can be turned round, one switch at a time."""

from dataclasses import fields
from pathlib import Path

from tests.contract.stripe_sim.stripe_driver import at, items, phase

from cpqbridge_sim.stripe.assumptions import Assumptions

SCHEDULES = "/v1/subscription_schedules"


def test_a_credit_of_an_ended_subscription(both):
    def story(api):
        schedule = api.schedule(phase(api.price(3100), end=at(2027, 1, 1)), start=at(2026, 1, 1))
        api.go(2026, 1, 16)
        api.post(f"{SCHEDULES}/{schedule['id']}/cancel")
        api.go(2026, 1, 17)
        return api.invoices()[-1]["status"], api.get(f"/v1/customers/{schedule['customer']}")["balance"]

    usual, turned = both("credit_only_final_invoice_is_uncollectible", story)
    assert (usual, turned) == (("uncollectible", 0), ("paid", -1600))


def test_ties_of_ordinary_lines(both):
    def story(api):
        api.subscribe(*items(api.price("1000.5")))
        return api.totals()

    assert both("ordinary_line_ties_round_up", story) == ([1001], [1000])


def test_ties_of_percent_discounts(both):
    def story(api):
        coupon = api.coupon(percent_off=50, duration="forever")
        api.subscribe(*items(api.price(1001)), discounts=[{"coupon": coupon}])
        return api.totals()

    assert both("percent_discount_ties_round_up", story) == ([500], [501])


def two_inline_phases(api, *units: int) -> dict:
    product = api.post("/v1/products", {"name": "Pro"})["id"]
    terms = {"currency": "usd", "product": product, "recurring": {"interval": "month"}}
    ends = (at(2026, 1, 16), at(2027, 1, 1))
    phases = [
        {"items": [{"price_data": {**terms, "unit_amount": unit}}], "end_date": end}
        for unit, end in zip(units, ends, strict=True)
    ]
    return api.schedule(*phases, start=at(2026, 1, 1))


def test_inline_prices_by_position(both):
    def story(api):
        path = f"/v1/subscriptions/{two_inline_phases(api, 3100, 6200)['subscription']}"
        before = api.get(path)["items"]["data"][0]["id"]
        api.go(2026, 1, 17)
        return api.get(path)["items"]["data"][0]["id"] == before

    assert both("inline_prices_match_by_position", story) == (True, False)


def test_equal_inline_prices(both):
    def story(api):
        two_inline_phases(api, 3100, 3100)
        api.go(2026, 1, 17)
        return len(api.get("/v1/invoiceitems", {"pending": True})["data"])

    assert both("equal_inline_prices_are_prorated", story) == (2, 0)


def test_what_always_invoice_takes_along(both):
    def story(api):
        a, b, setup = api.price(3100), api.price(6200), api.one_time(100)
        schedule = api.schedule(
            phase(a, end=at(2026, 1, 16)),
            phase(
                a,
                b,
                end=at(2027, 1, 1),
                proration_behavior="always_invoice",
                add_invoice_items=[{"price": setup}],
            ),
            start=at(2026, 1, 1),
        )
        waiting = {"customer": schedule["customer"], "amount": 7, "currency": "usd"}
        api.post("/v1/invoiceitems", waiting)
        api.go(2026, 1, 16)
        return api.invoices()[-1]["total"]

    assert both("always_invoice_sweeps_pending", story) == (3307, 3300)


def test_the_state_of_a_schedule_that_ended(both):
    def story(api):
        schedule = api.schedule(phase(api.price(100), end=at(2026, 2, 1)), start=at(2026, 1, 1))
        api.go(2026, 2, 1)
        return api.get(f"{SCHEDULES}/{schedule['id']}")["status"]

    assert both("canceling_end_completes_schedule", story) == ("completed", "canceled")


def test_the_end_shown_on_the_subscription(both):
    def story(api):
        schedule = api.schedule(phase(api.price(3100), end=at(2026, 1, 16)), start=at(2026, 1, 1))
        return api.get(f"/v1/subscriptions/{schedule['subscription']}")["cancel_at"], api.totals()

    usual, turned = both("schedule_end_shows_as_cancel_at", story)
    assert (usual, turned) == ((at(2026, 1, 16), [1500]), (None, [1500]))


def test_a_phase_without_an_end(both):
    def story(api):
        params = {"customer": api.customer(), "phases": [{"items": items(api.price(100, "month", 3))}]}
        status, body = api.account.request("POST", SCHEDULES, params)
        return body["phases"][0]["end_date"] if status == 200 else body["error"]["param"]

    assert both("open_phase_lasts_one_interval", story) == (at(2026, 4, 1), "phases[0][end_date]")


def test_a_first_phase_wholly_in_the_past(both):
    def story(api):
        phases = [phase(api.price(100), end=at(2026, 2, 1)), phase(api.price(200), end=at(2027, 1, 1))]
        params = {"customer": api.customer(), "start_date": at(2026, 1, 1), "phases": phases}
        return api.account.request("POST", SCHEDULES, params)[0], api.totals()

    usual, turned = both("elapsed_first_phase_is_refused", story, start=(2026, 3, 10))
    assert (usual, turned) == ((400, []), (200, [100, 200, 200]))


def test_metadata_of_lines(both):
    def story(api):
        api.subscribe({"price": api.price(100), "metadata": {"a": "b"}}, metadata={"c": "d"})
        return api.invoices()[0]["lines"]["data"][0]["metadata"]

    assert both("line_metadata_copies_item", story) == ({"a": "b"}, {"c": "d"})


def test_lines_of_cut_periods(both):
    def story(api):
        api.schedule(phase(api.price(3100), end=at(2026, 1, 16)), start=at(2026, 1, 1))
        line = api.invoices()[0]["lines"]["data"][0]
        return line["parent"]["subscription_item_details"]["proration"], line["amount"]

    assert both("truncated_period_is_ordinary_line", story) == ((False, 1500), (True, 1500))


def test_a_once_coupon_and_prorations(both):
    def story(api):
        discounts = [{"coupon": api.coupon(percent_off=50, duration="once")}]
        api.schedule(
            phase(api.price(3100), end=at(2026, 1, 16)),
            phase(api.price(6200), end=at(2027, 1, 1), discounts=discounts),
            start=at(2026, 1, 1),
        )
        api.go(2026, 2, 1)
        return [line["amount"] for line in api.invoices()[1]["lines"]["data"]], api.totals()[1]

    usual, turned = both("once_coupon_reduces_prorations", story)
    assert usual == ([-1600, 3200, 6200], 4700)
    assert turned == ([-1600, 1600, 6200], 3100)


def resent(api, first: dict) -> list[int]:
    schedule = api.schedule(first, start=at(2026, 1, 1))
    api.post(f"{SCHEDULES}/{schedule['id']}", {"phases": [{**first, "start_date": at(2026, 1, 1)}]})
    api.go(2026, 2, 1)
    return api.totals()


def test_one_time_items_sent_again(both):
    def story(api):
        add = [{"price": api.one_time(70)}]
        return resent(api, phase(api.price(1000), end=at(2027, 1, 1), add_invoice_items=add))

    assert both("resent_invoice_items_bill_once", story) == ([1070, 1000], [1070, 1070])


def test_discounts_sent_again(both):
    def story(api):
        discounts = [{"coupon": api.coupon(percent_off=50, duration="once")}]
        return resent(api, phase(api.price(1000), end=at(2027, 1, 1), discounts=discounts))

    assert both("resent_discounts_redeem_once", story) == ([500, 1000], [500, 500])


def test_an_unknown_customer(both):
    def story(api):
        return api.account.request("POST", "/v1/invoices", {"customer": "cus_nope"})[0]

    assert both("unknown_customer_is_404", story) == (404, 400)


def test_which_clock_ages_idempotency_keys(both):
    def story(api):
        first = api.post("/v1/customers", {}, idempotency_key="k")["id"]
        api.go(2026, 1, 3)
        return api.post("/v1/customers", {}, idempotency_key="k")["id"] == first

    assert both("idempotency_expires_by_account_time", story) == (False, True)


def test_overdue_invoices(both):
    def story(api):
        subscription = api.subscribe(
            *items(api.price(100)), collection_method="send_invoice", days_until_due=10
        )
        api.go(2026, 1, 12)
        return api.get(f"/v1/subscriptions/{subscription['id']}")["status"]

    assert both("overdue_invoice_makes_past_due", story) == ("active", "past_due")


def test_two_currencies_for_one_customer(both):
    def story(api):
        customer = api.customer()
        api.subscribe(*items(api.price(100)), customer=customer)
        params = {"customer": customer, "items": items(api.price(100, currency="eur"))}
        return api.account.request("POST", "/v1/subscriptions", params)[0]

    assert both("one_currency_per_customer", story) == (400, 200)


def free_trial(api) -> None:
    end = at(2026, 2, 1)
    api.schedule(phase(api.price(3100), end=at(2027, 1, 1), trial_end=end), start=at(2026, 1, 1))


def test_the_invoice_of_a_trial(both):
    def story(api):
        free_trial(api)
        return api.invoices()[0]["status"]

    assert both("trial_invoice_is_paid_at_once", story) == ("paid", "draft")


def test_changes_in_a_trial(both):
    def story(api):
        subscription = api.subscribe(*items(api.price(3100)), trial_end=at(2026, 2, 1))
        api.post(f"/v1/subscriptions/{subscription['id']}", {"items": items(api.price(100))})
        return api.totals()

    assert both("trial_changes_are_invoiced_at_once", story) == ([0, 0], [0])


def test_a_trial_and_a_start_in_the_past(both):
    def story(api):
        params = {"customer": api.customer(), "items": items(api.price(3100))}
        params |= {"backdate_start_date": at(2025, 12, 1), "trial_end": at(2026, 2, 1)}
        return api.account.request("POST", "/v1/subscriptions", params)[0], api.totals()

    assert both("backdated_trial_covers_its_past", story) == ((200, [0]), (400, []))


def test_a_planned_pause_at_the_instant_of_a_renewal(both):
    def story(api):
        pause = {"pause_at": {"type": "timestamp", "timestamp": at(2026, 2, 1)}}
        body = phase(api.price(3100), end=at(2027, 1, 1))
        api.schedule(body, start=at(2026, 1, 1), pause_schedules=[{"pause": pause}])
        api.go(2026, 2, 2)
        pending = api.get("/v1/invoiceitems", {"pending": True})["data"]
        return api.totals(), [entry["amount"] for entry in pending]

    assert both("planned_pause_precedes_renewal", story) == (([3100], []), ([3100, 3100], [-3100]))


def test_an_end_of_prebilling_inside_a_period(both):
    def story(api):
        end = {"type": "timestamp", "timestamp": at(2026, 2, 15)}
        params = {"customer": api.customer(), "items": items(api.price(2800))}
        params["billing_schedules"] = [{"bill_until": end}]
        return api.account.request("POST", "/v1/subscriptions", params)[0], api.totals()

    assert both("prebilling_may_end_inside_a_period", story) == ((200, [4200]), (400, []))


def test_every_switch_is_tried():
    # `added_item_aligns_to_anchor` has its test among the scenarios (T18).
    files = Path(__file__).parent.glob("test_assumptions*.py")
    tried = "".join(path.read_text() for path in files) + "added_item_aligns_to_anchor"
    assert [field.name for field in fields(Assumptions) if field.name not in tried] == []
