"""Readings about tiers and usage, each switch both ways."""

import pytest
from tests.contract.stripe_sim.stripe_driver import at, phase


def test_lines_of_tiers_and_credits(both):
    def story(api):
        price = api.tiered((5, 700), ("inf", 600))
        phases = [
            phase(price, quantity=number, end=end)
            for number, end in ((7, at(2026, 1, 16)), (8, at(2027, 1, 1)))
        ]
        api.schedule(*phases, start=at(2026, 1, 1))
        api.go(2026, 1, 17)
        return len(api.get("/v1/invoiceitems", {"pending": True})["data"])

    assert both("tiers_are_credited_together", story) == (2, 3)


def test_usage_of_the_last_month_of_a_coupon(both):
    def story(api):
        customer = api.customer()
        coupon = api.coupon(percent_off=50, duration="repeating", duration_in_months=1)
        entries = [{"price": api.metered(10, api.meter())}]
        api.subscribe(*entries, customer=customer, discounts=[{"coupon": coupon}])
        api.use(customer, 10)
        api.go(2026, 2, 1)
        return api.totals()

    assert both("usage_is_discounted_by_its_period", story) == ([50], [100])


def test_backdated_usage_of_the_running_period(both):
    def story(api):
        customer = api.customer()
        entries = [{"price": api.metered(10, api.meter())}]
        api.use(customer, 10, timestamp=at(2026, 1, 2))
        api.subscribe(*entries, customer=customer, backdate_start_date=at(2026, 1, 1))
        api.use(customer, 7)
        api.go(2026, 2, 1)
        return api.totals()

    usual, turned = both("backdated_usage_waits_for_its_period", story, start=(2026, 1, 10))
    assert (usual, turned) == ([170], [100, 70])


@pytest.mark.parametrize("payload", [{"stripe_customer_id": "cus_nope", "value": "1"}, {"value": "much"}])
def test_meter_events_that_make_no_sense(both, payload):
    def story(api):
        customer, meter = api.customer(), api.meter()
        event = {"event_name": "calls", "payload": {"stripe_customer_id": customer, **payload}}
        status, _ = api.account.request("POST", "/v1/billing/meter_events", event)
        asked = {"customer": customer, "start_time": at(2026, 1, 1), "end_time": at(2026, 2, 1)}
        (summary,) = api.get(f"/v1/billing/meters/{meter}/event_summaries", asked)["data"]
        return status, summary["aggregated_value"]

    assert both("bad_meter_events_are_refused", story) == ((400, 0), (200, 0))
