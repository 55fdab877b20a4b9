"""Schedules: shape rules, phase changes, updates and ends."""

from dataclasses import replace

import pytest
from tests.contract.stripe_sim.stripe_driver import at, items, phase

from cpqbridge_sim.stripe.assumptions import Assumptions

SCHEDULES = "/v1/subscription_schedules"


def refused_schedule(api, *phases, **params) -> dict:
    values = {"customer": api.customer(), "start_date": at(2026, 1, 1), "phases": list(phases), **params}
    return api.refused("POST", SCHEDULES, values)


def inline(product: str, unit: int, **params) -> dict:
    terms = {"currency": "usd", "product": product, "unit_amount": unit, "recurring": {"interval": "month"}}
    return {"price_data": terms, **params}


def test_phases_must_follow_each_other(api):
    price = api.price(100)
    later = phase(price, end=at(2026, 9, 1), start_date=at(2026, 3, 1))
    error = refused_schedule(api, phase(price, end=at(2026, 2, 1)), later)
    assert error["param"] == "phases[1][start_date]"
    error = refused_schedule(api, phase(price, end=at(2025, 2, 1)))
    assert error["param"] == "phases[0][end_date]"


def test_duration_and_end_date_exclude_each_other(api):
    price = api.price(100)
    both = phase(price, end=at(2026, 2, 1), duration={"interval": "month"})
    assert refused_schedule(api, both)["param"] == "phases[0][duration]"


def test_durations_keep_the_day_of_the_anchor(api_at):
    api = api_at(2026, 1, 31)
    price = api.price(100)
    month = {"items": items(price), "duration": {"interval": "month", "interval_count": 1}}
    schedule = api.schedule(month, month, {"items": items(price)}, start=at(2026, 1, 31))
    assert [p["end_date"] for p in schedule["phases"]] == [at(2026, 2, 28), at(2026, 3, 31), at(2026, 4, 30)]


def test_a_schedule_needs_days_until_due_only_when_it_sends_invoices(api):
    plain = phase(api.price(100), end=at(2027, 1, 1))
    message = "you must specify 'days_until_due'"
    settings = {"default_settings": {"collection_method": "send_invoice"}}
    assert message in refused_schedule(api, plain, **settings)["message"]
    sent = {**plain, "collection_method": "send_invoice"}
    assert message in refused_schedule(api, sent)["message"]
    days = {"invoice_settings": {"days_until_due": 10}}
    assert "can only specify" in refused_schedule(api, {**plain, **days})["message"]
    api.schedule({**sent, **days}, start=at(2026, 1, 1))


def test_changed_default_settings_take_effect_at_once(api):
    price = api.price(100)
    schedule = api.schedule(phase(price, end=at(2027, 1, 1)), start=at(2026, 1, 1))
    path = f"{SCHEDULES}/{schedule['id']}"
    days = {"invoice_settings": {"days_until_due": 5}}
    assert "can only specify" in api.refused("POST", path, {"default_settings": days})["message"]
    sent = {"collection_method": "send_invoice", **days}
    changed = api.post(path, {"default_settings": sent})
    assert changed["default_settings"]["invoice_settings"]["days_until_due"] == 5
    api.go(2026, 2, 1)
    assert api.invoices()[1]["due_date"] == at(2026, 2, 6)
    back = api.post(path, {"default_settings": {"collection_method": "charge_automatically"}})
    assert back["default_settings"]["invoice_settings"]["days_until_due"] is None


def test_currencies_do_not_mix(api):
    usd = api.price(100)
    cad = api.price(100, currency="cad")
    error = refused_schedule(api, phase(usd, cad, end=at(2027, 1, 1)))
    assert error["param"] == "phases[0][items][1][price]"
    customer = api.customer()
    api.schedule(phase(usd, end=at(2027, 1, 1)), start=at(2026, 1, 1), customer=customer)
    values = {"customer": customer, "phases": [phase(cad, end=at(2027, 1, 1))]}
    assert "cannot combine currencies" in api.refused("POST", SCHEDULES, values)["message"]


def test_one_time_and_recurring_prices_have_their_own_places(api):
    recurring, single = api.price(100), api.one_time(100)
    assert refused_schedule(api, phase(single, end=at(2027, 1, 1)))["param"] == "phases[0][items][0][price]"
    wrong = phase(recurring, end=at(2027, 1, 1), add_invoice_items=[{"price": recurring}])
    assert refused_schedule(api, wrong)["param"] == "phases[0][add_invoice_items][0][price]"


def test_more_than_twenty_items_are_refused(api):
    prices = [api.price(100) for _ in range(21)]
    assert "maximum 20 items" in refused_schedule(api, phase(*prices, end=at(2027, 1, 1)))["message"]


def test_a_negative_quantity_is_refused_and_zero_is_not(api):
    price = api.price(100)
    error = refused_schedule(api, phase(price, end=at(2027, 1, 1), quantity=-1))
    assert error["code"] == "parameter_invalid_integer"
    api.schedule(phase(price, end=at(2027, 1, 1), quantity=0), start=at(2026, 1, 1))
    assert api.totals() == [0]


def test_classic_wants_one_interval(api):
    mixed = phase(api.price(100), api.price(100, "year"), end=at(2027, 1, 1))
    assert refused_schedule(api, mixed, billing_mode={"type": "classic"})["param"] == "phases[0][items]"


def test_backdating_beyond_250_lines_is_refused(api):
    daily = phase(api.price(100, "day"), end=at(2027, 1, 1))
    error = refused_schedule(api, daily, start_date=at(2025, 1, 1))
    assert "250" in error["message"]
    assert api.invoices() == []


def test_an_inline_price_is_archived_and_cannot_be_named_elsewhere(api):
    product = api.post("/v1/products", {"name": "Pro"})["id"]
    schedule = api.schedule(
        {"items": [inline(product, 500)], "end_date": at(2027, 1, 1)}, start=at(2026, 1, 1)
    )
    price = schedule["phases"][0]["items"][0]["price"]
    assert api.get(f"/v1/prices/{price}")["active"] is False
    assert api.get("/v1/prices")["data"] == []
    assert "inactive" in refused_schedule(api, phase(price, end=at(2027, 1, 1)))["message"]
    again = [phase(price, end=at(2026, 8, 1), start_date=at(2026, 1, 1))]
    api.post(f"{SCHEDULES}/{schedule['id']}", {"phases": again})


@pytest.mark.parametrize(("prorated", "expected"), [(True, [-258, 258]), (False, [])])
def test_equal_inline_prices_over_a_cut_in_mid_period(api_at, prorated, expected):
    assumptions = replace(Assumptions(), equal_inline_prices_are_prorated=prorated)
    api = api_at(2026, 1, 1, assumptions=assumptions)
    product = api.post("/v1/products", {"name": "Pro"})["id"]
    item = inline(product, 500)
    schedule = api.schedule(
        {"items": [item], "end_date": at(2026, 1, 16)},
        {"items": [item], "end_date": at(2027, 1, 1)},
        start=at(2026, 1, 1),
    )
    path = f"/v1/subscriptions/{schedule['subscription']}"
    before = api.get(path)["items"]["data"][0]["id"]
    api.go(2026, 1, 17)
    assert api.get(path)["items"]["data"][0]["id"] == before
    pending = api.get("/v1/invoiceitems", {"pending": True})["data"]
    assert [body["amount"] for body in pending[::-1]] == expected


def test_a_quantity_change_credits_and_bills_the_whole_item(api_at):
    api = api_at(2026, 4, 1)
    price = api.price(1000)
    schedule = api.schedule(
        phase(price, end=at(2026, 4, 16), quantity=2),
        phase(price, end=at(2027, 4, 1), quantity=3, proration_behavior="always_invoice"),
        start=at(2026, 4, 1),
    )
    before = api.get(f"/v1/subscriptions/{schedule['subscription']}")["items"]["data"][0]
    api.go(2026, 4, 16)
    invoice = api.invoices()[-1]
    lines = invoice["lines"]["data"]
    assert [(line["amount"], line["description"]) for line in lines] == [
        (-1000, "Unused time on 2 × Seat after 16 Apr 2026"),
        (1500, "Remaining time on 3 × Seat after 16 Apr 2026"),
    ]
    first = api.invoices()[0]
    details = lines[0]["parent"]["subscription_item_details"]
    assert details["subscription_item"] == before["id"]
    assert details["proration_details"]["credited_items"] == {
        "invoice": first["id"],
        "invoice_line_items": [first["lines"]["data"][0]["id"]],
    }
    assert not any(line["discountable"] for line in lines)
    assert lines[0]["pricing"]["unit_amount_decimal"] is None
    assert (invoice["status"], invoice["billing_reason"]) == ("draft", "subscription_update")
    after = api.get(f"/v1/subscriptions/{schedule['subscription']}")["items"]["data"][0]
    assert (after["id"], after["quantity"]) == (before["id"], 3)
    assert after["current_period_end"] == before["current_period_end"]


def test_credits_never_exceed_what_was_billed_over_several_changes(api_at):
    api = api_at(2026, 4, 1)
    prices = [api.price(unit) for unit in (3000, 6000, 1500)]
    api.schedule(
        phase(prices[0], end=at(2026, 4, 11)),
        phase(prices[1], end=at(2026, 4, 21)),
        phase(prices[2], end=at(2026, 6, 1)),
        start=at(2026, 4, 1),
    )
    api.go(2026, 5, 2)
    lines = api.invoices()[1]["lines"]["data"]
    assert [line["amount"] for line in lines] == [-2000, 4000, -2000, 500, 1500]


def test_an_added_item_is_free_until_the_next_boundary_without_prorations(api):
    a, b = api.price(1000), api.price(500)
    api.schedule(
        phase(a, end=at(2026, 1, 16)),
        phase(a, b, end=at(2026, 2, 16), proration_behavior="none"),
        phase(a, end=at(2026, 4, 1), proration_behavior="create_prorations"),
        start=at(2026, 1, 1),
    )
    api.go(2026, 3, 2)
    # B is free until 1 February, billed for it, and credited 13 of 28 days.
    assert api.dated() == [("2026-01-01", 1000), ("2026-02-01", 1500), ("2026-03-01", 1000 - 232)]


def test_a_phase_start_anchor_moves_every_item(api):
    a, b = api.price(3100), api.price(36500, "year")
    api.schedule(
        phase(a, b, end=at(2026, 1, 16)),
        phase(a, b, end=at(2027, 1, 16), billing_cycle_anchor="phase_start"),
        start=at(2026, 1, 1),
    )
    api.go(2026, 2, 16)
    invoice = api.invoices()[1]
    assert [line["amount"] for line in invoice["lines"]["data"]] == [-1600, -35000, 3100, 36500]
    assert invoice["created"] == at(2026, 1, 16)
    assert api.dated()[2] == ("2026-02-16", 3100)


def test_classic_moves_the_anchor_when_the_interval_changes(api):
    api.schedule(
        phase(api.price(3100), end=at(2026, 1, 16)),
        phase(api.price(36500, "year"), end=at(2027, 1, 16)),
        start=at(2026, 1, 1),
        billing_mode={"type": "classic"},
    )
    api.go(2026, 1, 16)
    assert api.dated()[1] == ("2026-01-16", 36500 - 1600)


def test_the_end_is_known_to_the_subscription_and_cuts_the_first_period(api):
    schedule = api.schedule(phase(api.price(3100), end=at(2026, 1, 16)), start=at(2026, 1, 1))
    subscription = api.get(f"/v1/subscriptions/{schedule['subscription']}")
    assert subscription["cancel_at"] == at(2026, 1, 16)
    assert subscription["items"]["data"][0]["current_period_end"] == at(2026, 1, 16)
    assert api.totals() == [1500]
    api.schedule(phase(api.price(3100), end=at(2026, 1, 16), proration_behavior="none"), start=at(2026, 1, 1))
    assert api.totals() == [1500, 3100]


def test_pending_items_are_invoiced_at_the_end(api):
    a, b = api.price(3100), api.price(6200)
    api.schedule(phase(a, end=at(2026, 1, 16)), phase(a, b, end=at(2026, 2, 1)), start=at(2026, 1, 1))
    api.go(2026, 2, 2)
    assert api.dated() == [("2026-01-01", 3100), ("2026-02-01", 3200)]


class TestUpdates:
    def test_a_change_of_the_current_phase_is_prorated_now(self, api_at):
        api = api_at(2026, 4, 1)
        cheap, dear = api.price(1000), api.price(2000)
        schedule = api.schedule(phase(cheap, end=at(2027, 4, 1)), start=at(2026, 4, 1))
        path = f"{SCHEDULES}/{schedule['id']}"
        api.go(2026, 4, 16)
        changed = phase(dear, end=at(2027, 4, 1), start_date=at(2026, 4, 1))
        api.post(path, {"phases": [changed], "proration_behavior": "always_invoice"})
        assert api.dated()[1] == ("2026-04-16", 500)
        api.post(path, {"phases": [changed], "proration_behavior": "always_invoice"})
        assert len(api.invoices()) == 2, "sending the same again changes nothing"

    def test_one_time_items_of_the_current_phase_bill_once(self, api):
        price, setup = api.price(1000), api.one_time(700)
        first = phase(price, end=at(2027, 1, 1), add_invoice_items=[{"price": setup}])
        schedule = api.schedule(first, start=at(2026, 1, 1))
        assert api.totals() == [1700]
        path = f"{SCHEDULES}/{schedule['id']}"
        more = {**first, "start_date": at(2026, 1, 1)}
        api.post(path, {"phases": [more]})
        more["add_invoice_items"] = [{"price": setup}, {"price": setup, "metadata": {"n": "2"}}]
        api.post(path, {"phases": [more]})
        api.go(2026, 2, 2)
        assert api.totals() == [1700, 1700]

    def test_discounts_of_the_current_phase_are_not_redeemed_again(self, api):
        coupon = api.coupon(percent_off=50, duration="repeating", duration_in_months=2)
        first = phase(api.price(1000), end=at(2027, 1, 1), discounts=[{"coupon": coupon}])
        schedule = api.schedule(first, start=at(2026, 1, 1))
        api.go(2026, 1, 20)
        changed = {**first, "start_date": at(2026, 1, 1), "metadata": {"a": "b"}}
        api.post(f"{SCHEDULES}/{schedule['id']}", {"phases": [changed]})
        api.go(2026, 4, 2)
        assert api.totals() == [500, 500, 1000, 1000]
        assert api.get(f"/v1/coupons/{coupon}")["times_redeemed"] == 1

    def test_an_earlier_end_credits_what_was_billed_beyond_it(self, api_at):
        api = api_at(2026, 4, 1)
        price = api.price(3000)
        schedule = api.schedule(phase(price, end=at(2027, 4, 1)), start=at(2026, 4, 1))
        api.go(2026, 4, 5)
        cut = phase(price, end=at(2026, 4, 11), start_date=at(2026, 4, 1))
        changed = api.post(f"{SCHEDULES}/{schedule['id']}", {"phases": [cut]})
        assert changed["current_phase"]["end_date"] == at(2026, 4, 11)
        api.go(2026, 5, 2)
        assert api.dated() == [("2026-04-01", 3000), ("2026-04-11", -2000)]
        assert api.get(f"/v1/subscriptions/{schedule['subscription']}")["status"] == "canceled"

    def test_a_later_end_bills_the_rest_of_a_cut_period(self, api_at):
        api = api_at(2026, 4, 1)
        price = api.price(3000)
        schedule = api.schedule(phase(price, end=at(2026, 4, 11)), start=at(2026, 4, 1))
        assert api.totals() == [1000]
        api.go(2026, 4, 5)
        longer = phase(price, end=at(2026, 6, 1), start_date=at(2026, 4, 1))
        api.post(f"{SCHEDULES}/{schedule['id']}", {"phases": [longer]})
        api.go(2026, 6, 2)
        assert sum(api.totals()) == 6000

    def test_the_current_phase_may_end_now(self, api_at):
        api = api_at(2026, 4, 1)
        cheap, dear = api.price(3000), api.price(6000)
        schedule = api.schedule(phase(cheap, end=at(2027, 4, 1)), start=at(2026, 4, 1))
        api.go(2026, 4, 16)
        phases = [
            {"items": items(cheap), "start_date": at(2026, 4, 1), "end_date": "now"},
            phase(dear, end=at(2027, 4, 1), proration_behavior="always_invoice"),
        ]
        changed = api.post(f"{SCHEDULES}/{schedule['id']}", {"phases": phases})
        assert changed["current_phase"]["start_date"] == at(2026, 4, 16)
        assert api.dated()[1] == ("2026-04-16", 1500)

    def test_an_update_without_a_start_date_cannot_be_anchored(self, api):
        price = api.price(100)
        schedule = api.schedule(phase(price, end=at(2027, 1, 1)), start=at(2026, 1, 1))
        error = api.refused(
            "POST", f"{SCHEDULES}/{schedule['id']}", {"phases": [phase(price, end=at(2027, 1, 1))]}
        )
        assert "missing at least one phase with a `start_date`" in error["message"]

    def test_past_phases_may_be_left_out_or_sent_along(self, api):
        price = api.price(100)
        phases = [phase(price, end=at(2026, 3, 1)), phase(price, end=at(2026, 6, 1))]
        schedule = api.schedule(*phases, start=at(2026, 1, 1))
        path = f"{SCHEDULES}/{schedule['id']}"
        api.go(2026, 3, 15)
        current = phase(price, end=at(2026, 8, 1), start_date=at(2026, 3, 1))
        left_out = api.post(path, {"phases": [current]})
        assert [p["start_date"] for p in left_out["phases"]] == [at(2026, 1, 1), at(2026, 3, 1)]
        whole = [phase(price, end=at(2026, 3, 1), start_date=at(2026, 1, 1)), current]
        assert api.post(path, {"phases": whole})["phases"] == left_out["phases"]
        late = [phase(price, end=at(2026, 3, 10), start_date=at(2026, 3, 1))]
        assert "in the past" in api.refused("POST", path, {"phases": late})["message"]

    def test_parameters_left_out_of_a_sent_phase_are_unset(self, api):
        price = api.price(100)
        first = phase(price, end=at(2027, 1, 1), description="Hello", metadata={"a": "1"})
        schedule = api.schedule(first, start=at(2026, 1, 1))
        again = phase(price, end=at(2027, 1, 1), start_date=at(2026, 1, 1))
        changed = api.post(f"{SCHEDULES}/{schedule['id']}", {"phases": [again]})
        assert (changed["phases"][0]["description"], changed["phases"][0]["metadata"]) == (None, {})


def test_release_keeps_the_subscription_and_drops_its_end(api):
    schedule = api.schedule(phase(api.price(100), end=at(2026, 2, 1)), start=at(2026, 1, 1))
    released = api.post(f"{SCHEDULES}/{schedule['id']}/release")
    assert (released["status"], released["released_subscription"]) == ("released", schedule["subscription"])
    subscription = api.get(f"/v1/subscriptions/{schedule['subscription']}")
    assert (subscription["schedule"], subscription["cancel_at"]) == (None, None)
    api.go(2026, 3, 2)
    assert api.totals() == [100, 100, 100]
    for verb in ("cancel", "release"):
        error = api.refused("POST", f"{SCHEDULES}/{schedule['id']}/{verb}")
        assert "currently in the `released` status" in error["message"]


def test_a_schedule_that_has_not_started_cancels_without_a_trace(api):
    schedule = api.schedule(phase(api.price(100), end=at(2027, 1, 1)), start=at(2026, 2, 1))
    assert api.post(f"{SCHEDULES}/{schedule['id']}/cancel")["status"] == "canceled"
    api.go(2026, 3, 1)
    assert api.invoices() == []


def test_canceling_without_prorating_gives_nothing_back(api):
    schedule = api.schedule(phase(api.price(100), end=at(2027, 1, 1)), start=at(2026, 1, 1))
    api.go(2026, 1, 16)
    api.post(f"{SCHEDULES}/{schedule['id']}/cancel", {"prorate": False})
    api.go(2026, 3, 1)
    assert api.totals() == [100]


def test_a_schedule_made_from_a_subscription_mirrors_it(api):
    price = api.price(1000)
    subscription = api.subscribe({"price": price, "quantity": 2, "metadata": {"line": "1"}})
    schedule = api.post(SCHEDULES, {"from_subscription": subscription["id"]})
    mirrored = schedule["phases"][0]
    assert (mirrored["start_date"], mirrored["end_date"]) == (at(2026, 1, 1), at(2026, 2, 1))
    assert (mirrored["items"][0]["price"], mirrored["items"][0]["quantity"]) == (price, 2)
    assert schedule["status"] == "active"
    api.refused("POST", SCHEDULES, {"from_subscription": subscription["id"]})
    path = f"{SCHEDULES}/{schedule['id']}"
    phases = [
        phase(price, end=at(2026, 2, 1), start_date=at(2026, 1, 1), quantity=2),
        phase(price, end=at(2026, 4, 1), quantity=5),
    ]
    api.post(path, {"phases": phases, "end_behavior": "cancel"})
    api.go(2026, 5, 1)
    assert api.totals() == [2000, 5000, 5000]


def test_a_scheduled_subscription_refuses_a_direct_end(api):
    schedule = api.schedule(phase(api.price(100), end=at(2027, 1, 1)), start=at(2026, 1, 1))
    path = f"/v1/subscriptions/{schedule['subscription']}"
    error = api.refused("POST", path, {"cancel_at_period_end": True})
    assert "managed by the subscription schedule" in error["message"]
    assert api.post(path, {"metadata": {"a": "1"}})["metadata"] == {"a": "1"}


def test_coupons_on_items_and_phases_stack_in_their_order(api):
    price = api.price(10000)
    coupons = [
        api.coupon(percent_off=10, duration="forever"),
        api.coupon(amount_off=1000, duration="forever"),
    ]
    item = {"price": price, "quantity": 1, "discounts": [{"coupon": coupons[0]}]}
    api.schedule(
        {"items": [item], "end_date": at(2027, 1, 1), "discounts": [{"coupon": coupons[1]}]},
        start=at(2026, 1, 1),
    )
    api.go(2026, 2, 1)
    assert api.totals() == [8000, 8000]
    invoice = api.invoices()[0]
    assert [entry["amount"] for entry in invoice["total_discount_amounts"]] == [1000, 1000]
    # The SDK on `subtotal`: "Item discounts are already incorporated".
    assert invoice["subtotal"] == 9000


def test_a_coupon_for_one_product_leaves_the_others_alone(api):
    product = api.post("/v1/products", {"name": "Pro"})["id"]
    one, other = api.price(1000, product=product), api.price(1000)
    coupon = api.coupon(percent_off=50, duration="forever", applies_to={"products": [product]})
    api.schedule(phase(one, other, end=at(2027, 1, 1), discounts=[{"coupon": coupon}]), start=at(2026, 1, 1))
    assert api.totals() == [1500]


def test_a_proration_bills_and_credits_net_of_a_running_coupon(api_at):
    api = api_at(2026, 4, 1)
    coupon = api.coupon(percent_off=50, duration="forever")
    discounts = [{"coupon": coupon}]
    api.schedule(
        phase(api.price(1000), end=at(2026, 4, 16), discounts=discounts),
        phase(api.price(2000), end=at(2026, 6, 1), discounts=discounts),
        start=at(2026, 4, 1),
    )
    api.go(2026, 5, 2)
    lines = api.invoices()[1]["lines"]["data"]
    assert [line["amount"] for line in lines] == [-250, 500, 2000]
    # What is included in an amount already is named with 0.
    assert [[entry["amount"] for entry in line["discount_amounts"]] for line in lines[:2]] == [[0], [0]]
    assert api.totals() == [500, 1250]


def test_one_time_items_carry_period_metadata_and_discounts(api):
    product = api.post("/v1/products", {"name": "Setup"})["id"]
    terms = {"currency": "usd", "product": product}
    entries = [
        {
            "price_data": {**terms, "unit_amount": 1000},
            "metadata": {"order_item": "802"},
            "period": {"start": {"type": "phase_start"}, "end": {"type": "phase_end"}},
            "discounts": [{"coupon": api.coupon(percent_off=10, duration="once")}],
        },
        {"price_data": {**terms, "unit_amount": -300}, "quantity": 2},
        {
            "price_data": {**terms, "unit_amount_decimal": "12.5"},
            "discountable": False,
            "period": {
                "start": {"type": "timestamp", "timestamp": at(2026, 5, 1)},
                "end": {"type": "timestamp", "timestamp": at(2026, 6, 1)},
            },
        },
    ]
    coupon = api.coupon(percent_off=50, duration="forever")
    api.schedule(
        phase(api.price(2000), end=at(2027, 1, 1), add_invoice_items=entries, discounts=[{"coupon": coupon}]),
        start=at(2026, 1, 1),
    )
    invoice = api.invoices()[0]
    lines = invoice["lines"]["data"]
    assert [line["amount"] for line in lines] == [1000, -600, 13, 2000]
    assert [line["discountable"] for line in lines] == [True, False, False, True]
    assert lines[0]["period"] == {"start": at(2026, 1, 1), "end": at(2027, 1, 1)}
    assert lines[1]["period"] == {"start": at(2026, 1, 1), "end": at(2026, 2, 1)}
    assert lines[2]["period"] == {"start": at(2026, 5, 1), "end": at(2026, 6, 1)}
    assert lines[0]["metadata"] == {"order_item": "802"}
    # 1000 less 10 % less 50 %, minus 600, plus 13, and half of 2000.
    assert invoice["total"] == 450 - 600 + 13 + 1000


def test_a_schedule_preview_is_the_invoice_that_comes(api):
    price = api.price(3000)
    schedule = api.schedule(phase(price, end=at(2027, 1, 1)), start=at(2026, 1, 1))
    before = api.account.all_objects()
    preview = api.post("/v1/invoices/create_preview", {"schedule": schedule["id"]})
    assert (preview["total"], preview["created"], preview["status"]) == (3000, at(2026, 2, 1), "draft")
    phases = [
        phase(price, end=at(2026, 1, 16), start_date=at(2026, 1, 1)),
        phase(price, end=at(2027, 1, 1), quantity=2, proration_behavior="always_invoice"),
    ]
    details = {"schedule": schedule["id"], "schedule_details": {"phases": phases}}
    preview = api.post("/v1/invoices/create_preview", details)
    assert (preview["total"], preview["created"]) == (3097 - 1548, at(2026, 1, 16))
    assert api.account.all_objects() == before
    api.post(f"{SCHEDULES}/{schedule['id']}", {"phases": phases})
    api.go(2026, 1, 16)
    assert api.invoices()[-1]["total"] == preview["total"]


def test_a_preview_of_a_new_schedule_needs_nothing_but_its_phases(api):
    details = {"phases": [phase(api.price(3000), end=at(2027, 1, 1))]}
    params = {"customer": api.customer(), "schedule_details": details}
    assert api.post("/v1/invoices/create_preview", params)["total"] == 3000
    assert api.invoices() == []


def test_nothing_to_preview_is_said(api):
    schedule = api.schedule(phase(api.price(3000), end=at(2026, 2, 1)), start=at(2026, 1, 1))
    api.go(2026, 1, 20)
    error = api.refused("POST", "/v1/invoices/create_preview", {"schedule": schedule["id"]}, status=404)
    assert error["code"] == "invoice_upcoming_none"


def test_lines_copy_the_metadata_of_their_item(api):
    item = {"price": api.price(100), "quantity": 2, "metadata": {"order_item": "802"}}
    schedule = api.schedule(
        {"items": [item], "end_date": at(2027, 1, 1), "metadata": {"order": "801"}}, start=at(2026, 1, 1)
    )
    invoice = api.invoices(subscription=schedule["subscription"])[0]
    line = invoice["lines"]["data"][0]
    assert line["metadata"] == {"order_item": "802"}
    assert line["quantity"] == 2
    assert line["pricing"]["price_details"]["price"] == item["price"]
    assert invoice["parent"]["subscription_details"]["metadata"] == {"order": "801"}
    subscription = api.get("/v1/subscription_items", {"subscription": schedule["subscription"]})
    assert subscription["data"][0]["metadata"] == {"order_item": "802"}


def test_without_a_payment_method_the_invoice_stays_open_and_billing_goes_on(api):
    customer = api.post("/v1/customers", {})["id"]
    schedule = api.schedule(
        phase(api.price(100), end=at(2027, 1, 1)), start=at(2026, 1, 1), customer=customer
    )
    api.go(2026, 2, 1, 2)
    assert [invoice["status"] for invoice in api.invoices()] == ["open", "open"]
    assert api.get(f"/v1/subscriptions/{schedule['subscription']}")["status"] == "past_due"


def test_customer_credit_is_used_up_by_invoices(api):
    customer = api.customer(balance=-1500)
    api.schedule(phase(api.price(1000), end=at(2026, 4, 1)), start=at(2026, 1, 1), customer=customer)
    api.go(2026, 4, 1)
    shown = [
        (i["starting_balance"], i["amount_due"], i["ending_balance"], i["status"]) for i in api.invoices()
    ]
    assert shown == [(-1500, 0, -500, "paid"), (-500, 500, 0, "paid"), (0, 1000, 0, "paid")]
