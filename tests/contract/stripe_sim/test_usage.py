"""Metered items: usage is billed in arrears, never prorated; amounts in cents.

Expectations follow docs.stripe.com/billing/subscriptions/usage-based/manage-billing-setup and
docs.stripe.com/billing/subscriptions/billing-mode/compare.
"""

import pytest
from tests.contract.stripe_sim.stripe_driver import at, day, items, lines_of, metered, phase, phase_of

CLASSIC = {"billing_mode": {"type": "classic"}}
SCHEDULES = "/v1/subscription_schedules"
START, END = at(2026, 1, 1), at(2027, 1, 1)


@pytest.fixture
def customer(api) -> str:
    return api.customer()


@pytest.fixture
def meter(api) -> str:
    return api.meter()


class TestArrears:
    def test_usage_is_billed_when_its_period_is_over(self, api, customer, meter):
        subscription = api.subscribe(*metered(api.metered(10, meter)), customer=customer)
        assert (subscription["status"], subscription["latest_invoice"]) == ("active", None)
        assert subscription["items"]["data"][0]["quantity"] is None
        assert api.invoices() == []
        api.use(customer, 30)
        api.go(2026, 1, 20)
        api.use(customer, 12)
        api.go(2026, 2, 1)
        (invoice,) = api.invoices()
        assert (invoice["billing_reason"], invoice["total"]) == ("subscription_cycle", 420)
        assert lines_of(invoice) == [(420, "2026-01-01", "2026-02-01")]
        line = invoice["lines"]["data"][0]
        assert (line["quantity"], line["quantity_decimal"]) == (42, "42")
        assert line["description"] == "42 \N{MULTIPLICATION SIGN} Seat (at $0.10 / month)"
        details = line["parent"]["subscription_item_details"]
        assert (details["proration"], details["subscription_item"]) == (
            False,
            subscription["items"]["data"][0]["id"],
        )

    def test_it_stands_beside_the_coming_period_of_licensed_items(self, api, customer, meter):
        entries = [*items(api.price(1000)), *metered(api.metered(10, meter))]
        api.schedule(phase_of(*entries, end=END), start=START, customer=customer)
        api.use(customer, 7)
        api.go(2026, 2, 1)
        first, second = api.invoices()
        assert lines_of(first) == [(1000, "2026-01-01", "2026-02-01")]
        assert sorted(lines_of(second)) == [
            (70, "2026-01-01", "2026-02-01"),
            (1000, "2026-02-01", "2026-03-01"),
        ]

    def test_renewals_show_a_line_even_without_usage(self, api, customer, meter):
        api.subscribe(*metered(api.metered(10, meter)), customer=customer)
        api.go(2026, 2, 2)
        (invoice,) = api.invoices()
        assert lines_of(invoice) == [(0, "2026-01-01", "2026-02-01")]
        assert (invoice["total"], invoice["status"]) == (0, "paid")

    def test_classic_announces_a_metered_item_with_a_line_of_0(self, api, customer, meter):
        api.subscribe(*metered(api.metered(10, meter)), customer=customer, **CLASSIC)
        api.use(customer, 7)
        api.go(2026, 2, 1)
        first, second = api.invoices()
        assert lines_of(first) == [(0, "2026-01-01", "2026-02-01")]
        assert lines_of(second) == [(70, "2026-01-01", "2026-02-01")]

    def test_events_before_the_period_do_not_count(self, api, customer, meter):
        api.use(customer, 100, timestamp=at(2025, 12, 31))
        api.use(customer, 1)
        api.subscribe(*metered(api.metered(10, meter)), customer=customer)
        api.go(2026, 2, 1)
        assert api.totals() == [10]

    def test_the_boundary_belongs_to_the_period_that_begins(self, api, customer, meter):
        api.subscribe(*metered(api.metered(10, meter)), customer=customer)
        api.go(2026, 1, 31)
        api.use(customer, 1, timestamp=at(2026, 1, 31))
        api.go(2026, 2, 1)
        api.use(customer, 5, timestamp=at(2026, 2, 1))
        api.go(2026, 3, 1)
        assert api.totals() == [10, 50]

    @pytest.mark.parametrize(
        ("formula", "expected"), [("sum", [90, 50]), ("count", [20, 10]), ("last", [60, 50])]
    )
    def test_every_period_is_counted_by_the_formula(self, api, customer, formula, expected):
        api.subscribe(*metered(api.metered(10, api.meter(formula=formula))), customer=customer)
        for value, month, day_of_month in ((3, 1, 5), (6, 1, 6), (5, 2, 5)):
            api.go(2026, month, day_of_month)
            api.use(customer, value)
        api.go(2026, 3, 1)
        assert api.totals() == expected

    def test_decimal_usage_is_exact_and_rounded_once(self, api, customer, meter):
        api.subscribe(*metered(api.metered("0.125", meter)), customer=customer)
        for value in ("10.4", "0.2", "9.4"):
            api.use(customer, value)
        api.go(2026, 2, 1)
        line = api.invoices()[0]["lines"]["data"][0]
        assert (line["amount"], line["quantity"], line["quantity_decimal"]) == (3, 20, "20")

    def test_a_negative_balance_of_usage_bills_nothing(self, api, customer, meter):
        api.subscribe(*metered(api.metered(10, meter)), customer=customer)
        api.use(customer, 3)
        api.use(customer, -8)
        api.go(2026, 2, 1)
        line = api.invoices()[0]["lines"]["data"][0]
        assert (line["amount"], line["quantity"]) == (0, 0)

    def test_tiers_count_by_the_usage_of_a_period(self, api, customer, meter):
        recurring = {"usage_type": "metered", "meter": meter}
        price = api.tiered((100, 0), (1000, 5), ("inf", 2, 500), recurring=recurring)
        api.subscribe(*metered(price), customer=customer)
        api.use(customer, 1200)
        api.go(2026, 2, 1)
        api.use(customer, 40)
        api.go(2026, 3, 1)
        first, second = api.invoices()
        assert [(line["amount"], line["quantity"]) for line in first["lines"]["data"]] == [
            (0, 100),
            (4500, 900),
            (900, 200),
        ]
        assert [(line["amount"], line["quantity"]) for line in second["lines"]["data"]] == [(0, 40)]

    def test_packages_count_by_the_usage_of_a_period(self, api, customer, meter):
        # 150 minutes of a car at 10.00 for every hour begun: 30.00.
        price = api.metered(1000, meter, transform_quantity={"divide_by": 60, "round": "up"})
        api.subscribe(*metered(price), customer=customer)
        api.use(customer, 100)
        api.use(customer, 50)
        api.go(2026, 2, 1)
        assert api.totals() == [3000]

    def test_items_of_other_intervals_have_periods_of_their_own(self, api, customer, meter):
        storage = api.meter("storage", "last")
        entries = [
            *items(api.price(120000, "year")),
            *metered(api.metered(10, meter), api.metered(100, storage, "month", 3)),
        ]
        api.subscribe(*entries, customer=customer)
        for month in (1, 2, 3):
            api.go(2026, month, 15)
            api.use(customer, month)
            api.use(customer, 10 * month, "storage")
        api.go(2026, 4, 1)
        assert api.totals() == [120000, 10, 20, 30 + 3000]
        assert sorted(lines_of(api.invoices()[-1])) == [
            (30, "2026-03-01", "2026-04-01"),
            (3000, "2026-01-01", "2026-04-01"),
        ]

    def test_two_customers_of_one_meter_pay_their_own(self, api, customer, meter):
        price, other = api.metered(10, meter), api.customer()
        for subscriber in (customer, other):
            api.subscribe(*metered(price), customer=subscriber)
        api.use(customer, 1)
        api.use(other, 2)
        api.go(2026, 2, 1)
        assert (api.totals(customer=customer), api.totals(customer=other)) == ([10], [20])

    def test_a_canceled_event_is_not_billed(self, api, customer, meter):
        api.subscribe(*metered(api.metered(10, meter)), customer=customer)
        api.use(customer, 5, identifier="e1")
        api.use(customer, 2)
        cancel = {"event_name": "calls", "type": "cancel", "cancel": {"identifier": "e1"}}
        api.post("/v1/billing/meter_event_adjustments", cancel)
        api.go(2026, 2, 1)
        assert api.totals() == [20]

    def test_an_inactive_meter_still_bills_what_it_was_told(self, api, customer, meter):
        api.subscribe(*metered(api.metered(10, meter)), customer=customer)
        api.use(customer, 5)
        api.post(f"/v1/billing/meters/{meter}/deactivate")
        api.go(2026, 2, 1)
        assert api.totals() == [50]


class TestQuantities:
    """What is metered has no quantity, wherever it is named."""

    def test_when_a_subscription_is_made(self, api, customer, meter):
        entry = {"price": api.metered(10, meter), "quantity": 1}
        params = {"customer": customer, "items": [entry]}
        error = api.refused("POST", "/v1/subscriptions", params)
        assert error["param"] == "items[0][quantity]"
        assert error["message"] == "You cannot set the quantity for metered plans."

    def test_when_a_schedule_is_made_or_changed(self, api, customer, meter):
        price = api.metered(10, meter)
        schedule = api.schedule(phase_of({"price": price}, end=END), start=START, customer=customer)
        assert schedule["phases"][0]["items"][0]["quantity"] is None
        wrong = phase_of({"price": price, "quantity": 2}, end=END)
        path = f"{SCHEDULES}/{schedule['id']}"
        changed = {"phases": [{**wrong, "start_date": START}]}
        for target, params in ((path, changed), (SCHEDULES, {"customer": customer, "phases": [wrong]})):
            assert api.refused("POST", target, params)["param"] == "phases[0][items][0][quantity]"

    def test_when_a_subscription_is_changed(self, api, customer, meter):
        subscription = api.subscribe(*metered(api.metered(10, meter)), customer=customer)
        item = subscription["items"]["data"][0]["id"]
        path = f"/v1/subscriptions/{subscription['id']}"
        entries = [{"id": item, "quantity": 2}]
        assert api.refused("POST", path, {"items": entries})["param"] == "items[0][quantity]"
        entries = [{"price": api.metered(20, meter), "quantity": 2}]
        assert api.refused("POST", path, {"items": entries})["param"] == "items[0][quantity]"

    def test_inline_prices_have_neither_tiers_nor_meters(self, api, customer, meter):
        terms = {"currency": "usd", "product": "prod_x", "unit_amount": 1}
        recurring = {"interval": "month"}
        for extra, unknown in (
            ({"recurring": {**recurring, "meter": meter}}, "recurring][meter"),
            ({"recurring": {**recurring, "usage_type": "metered"}}, "recurring][usage_type"),
            ({"recurring": recurring, "billing_scheme": "tiered"}, "billing_scheme"),
        ):
            entries = [{"price_data": {**terms, **extra}}]
            error = api.refused("POST", "/v1/subscriptions", {"customer": customer, "items": entries})
            assert error["code"] == "parameter_unknown"
            assert error["param"] == f"items[0][price_data][{unknown}]"


class TestPriceChanges:
    def changed(self, api, customer, meter, *, mode: str, **params) -> list[dict]:
        """1000 calls at 0.10 per 100 on 5 January, on the 15th 0.15 per 100, 500 calls on the 20th."""
        before, after = api.metered("0.1", meter), api.metered("0.15", meter)
        subscription = api.subscribe(*metered(before), customer=customer, billing_mode={"type": mode})
        api.go(2026, 1, 5)
        api.use(customer, 1000)
        api.go(2026, 1, 15)
        item = subscription["items"]["data"][0]["id"]
        change = {"items": [{"id": item, "price": after}], **params}
        api.post(f"/v1/subscriptions/{subscription['id']}", change)
        api.go(2026, 1, 20)
        api.use(customer, 500)
        api.go(2026, 2, 1)
        return api.invoices()

    def test_t37_flexible_bills_usage_at_the_price_of_its_time(self, api, customer, meter):
        (invoice,) = self.changed(api, customer, meter, mode="flexible")
        assert invoice["total"] == 175
        assert sorted(lines_of(invoice)) == [
            (75, "2026-01-15", "2026-02-01"),
            (100, "2026-01-01", "2026-01-15"),
        ]

    def test_t37_classic_bills_only_what_came_after_the_change(self, api, customer, meter):
        invoices = self.changed(api, customer, meter, mode="classic")
        assert [invoice["total"] for invoice in invoices] == [0, 75]

    def test_flexible_drops_the_usage_so_far_without_prorations(self, api, customer, meter):
        (invoice,) = self.changed(api, customer, meter, mode="flexible", proration_behavior="none")
        assert lines_of(invoice) == [(75, "2026-01-15", "2026-02-01")]

    def test_flexible_invoices_it_at_once_if_asked(self, api, customer, meter):
        params = {"proration_behavior": "always_invoice"}
        now, later = self.changed(api, customer, meter, mode="flexible", **params)
        assert (day(now["created"]), lines_of(now)) == ("2026-01-15", [(100, "2026-01-01", "2026-01-15")])
        assert later["total"] == 75

    @pytest.mark.parametrize("mode", ["classic", "flexible"])
    def test_a_new_anchor_bills_usage_at_the_former_price(self, api, customer, meter, mode):
        params = {"billing_cycle_anchor": {"type": "now"}, "proration_behavior": "none"}
        invoices = self.changed(api, customer, meter, mode=mode, **params)
        assert lines_of(invoices[-1]) == [(100, "2026-01-01", "2026-01-15")]
        api.go(2026, 2, 15)
        assert lines_of(api.invoices()[-1]) == [(75, "2026-01-15", "2026-02-15")]

    def test_a_metered_item_may_become_licensed_and_back(self, api, customer, meter):
        calls, seats = api.metered(10, meter), api.price(3100)
        subscription = api.subscribe(*metered(calls), customer=customer)
        path = f"/v1/subscriptions/{subscription['id']}"
        item = subscription["items"]["data"][0]["id"]
        api.use(customer, 4)
        api.go(2026, 1, 11)
        body = api.post(path, {"items": [{"id": item, "price": seats}]})
        assert body["items"]["data"][0]["quantity"] == 1
        api.go(2026, 1, 21)
        body = api.post(path, {"items": [{"id": item, "price": calls}]})
        assert body["items"]["data"][0]["quantity"] is None
        api.use(customer, 6)
        api.go(2026, 2, 1)
        # 4 calls, 21 of 31 days of seats less 11 of them, and 6 calls.
        assert sorted(lines_of(api.invoices()[0])) == [
            (-1100, "2026-01-21", "2026-02-01"),
            (40, "2026-01-01", "2026-01-11"),
            (60, "2026-01-21", "2026-02-01"),
            (2100, "2026-01-11", "2026-02-01"),
        ]


class TestItemsThatComeAndGo:
    def test_an_item_added_in_mid_period_counts_from_then_on(self, api, customer, meter):
        subscription = api.subscribe(*items(api.price(1000)), customer=customer)
        api.use(customer, 100)
        api.go(2026, 1, 16)
        added = {"items": metered(api.metered(10, meter)), "proration_behavior": "always_invoice"}
        api.post(f"/v1/subscriptions/{subscription['id']}", added)
        api.use(customer, 3)
        assert len(api.invoices()) == 1
        api.go(2026, 2, 1)
        assert sorted(lines_of(api.invoices()[-1])) == [
            (30, "2026-01-16", "2026-02-01"),
            (1000, "2026-02-01", "2026-03-01"),
        ]

    def test_classic_shows_it_with_a_line_of_0_where_it_invoices(self, api, customer, meter):
        subscription = api.subscribe(*items(api.price(1000)), customer=customer, **CLASSIC)
        api.go(2026, 1, 16)
        added = {"items": metered(api.metered(10, meter)), "proration_behavior": "always_invoice"}
        api.post(f"/v1/subscriptions/{subscription['id']}", added)
        assert lines_of(api.invoices()[-1]) == [(0, "2026-01-16", "2026-02-01")]

    @pytest.mark.parametrize(
        ("mode", "behavior", "dated"),
        [
            ("flexible", "create_prorations", [("2026-02-01", 1040)]),
            ("flexible", "always_invoice", [("2026-01-16", 40), ("2026-02-01", 1000)]),
            ("flexible", "none", [("2026-02-01", 1000)]),
            ("classic", "create_prorations", [("2026-02-01", 1000)]),
            ("classic", "always_invoice", [("2026-02-01", 1000)]),
        ],
    )
    def test_removal_by_an_update(self, api, customer, meter, mode, behavior, dated):
        entries = [*items(api.price(1000)), *metered(api.metered(10, meter))]
        subscription = api.subscribe(*entries, customer=customer, billing_mode={"type": mode})
        api.use(customer, 4)
        api.go(2026, 1, 16)
        gone = [{"id": subscription["items"]["data"][1]["id"], "deleted": True}]
        change = {"items": gone, "proration_behavior": behavior}
        api.post(f"/v1/subscriptions/{subscription['id']}", change)
        api.use(customer, 50)
        api.go(2026, 2, 1)
        assert api.dated()[1:] == dated

    @pytest.mark.parametrize("flat", [None, 500])
    def test_what_was_not_used_is_not_billed_but_for_its_flat_amount(self, api, customer, meter, flat):
        recurring = {"usage_type": "metered", "meter": meter}
        entries = [*items(api.price(1000)), *metered(api.tiered(("inf", 10, flat), recurring=recurring))]
        subscription = api.subscribe(*entries, customer=customer)
        item = subscription["items"]["data"][1]["id"]
        api.go(2026, 1, 16)
        api.call("DELETE", f"/v1/subscription_items/{item}", {"proration_behavior": "always_invoice"})
        assert api.totals()[1:] == ([] if flat is None else [flat])

    def test_single_items_follow_the_same_rules(self, api, customer, meter):
        subscription = api.subscribe(*items(api.price(1000)), customer=customer)
        params = {"subscription": subscription["id"], "price": api.metered(10, meter)}
        wrong = {**params, "quantity": 1}
        assert "metered" in api.refused("POST", "/v1/subscription_items", wrong)["message"]
        item = api.post("/v1/subscription_items", params)
        assert item["quantity"] is None
        path = f"/v1/subscription_items/{item['id']}"
        assert "metered" in api.refused("POST", path, {"quantity": 2})["message"]
        api.use(customer, 4)
        api.go(2026, 1, 16)
        api.post(path, {"price": api.metered(20, meter)})
        api.use(customer, 3)
        api.go(2026, 1, 20)
        api.call("DELETE", path, {"clear_usage": True})
        api.go(2026, 2, 1)
        assert api.totals() == [1000, 40 + 60 + 1000]


class TestPhases:
    def run(self, api, customer, meter, *, cut: int, mode: str = "flexible", **params) -> list[dict]:
        """Seats all year; calls at 0.10 until the cut, then at 0.20; 4 calls before it and 6 after it."""
        seats = items(api.price(1000))
        first, second = metered(api.metered(10, meter)), metered(api.metered(20, meter))
        api.schedule(
            phase_of(*seats, *first, end=cut),
            phase_of(*seats, *second, end=END, **params),
            start=START,
            customer=customer,
            billing_mode={"type": mode},
        )
        api.use(customer, 4)
        api.go(2026, 2, 16)
        api.use(customer, 6)
        api.go(2026, 3, 1)
        return api.invoices()[1:]

    def test_flexible_bills_one_invoice_on_a_boundary(self, api, customer, meter):
        february, march = self.run(api, customer, meter, cut=at(2026, 2, 1))
        assert sorted(lines_of(february)) == [
            (40, "2026-01-01", "2026-02-01"),
            (1000, "2026-02-01", "2026-03-01"),
        ]
        assert sorted(lines_of(march)) == [
            (120, "2026-02-01", "2026-03-01"),
            (1000, "2026-03-01", "2026-04-01"),
        ]

    def test_classic_bills_two(self, api, customer, meter):
        usage, february, march = self.run(api, customer, meter, cut=at(2026, 2, 1), mode="classic")
        assert lines_of(usage) == [(40, "2026-01-01", "2026-02-01")]
        assert lines_of(february) == [(1000, "2026-02-01", "2026-03-01")]
        assert march["total"] == 1120

    def test_classic_bills_kept_usage_with_the_renewal(self, api, customer, meter):
        kept, left = metered(api.metered(10, meter)), metered(api.metered(20, meter))
        api.schedule(
            phase_of(*kept, *left, end=at(2026, 2, 1)),
            phase_of(*kept, end=END),
            start=START,
            customer=customer,
            **CLASSIC,
        )
        api.use(customer, 4)
        api.go(2026, 2, 1)
        assert api.totals() == [0, 80, 40]

    @pytest.mark.parametrize(
        ("behavior", "expected"),
        [
            ("create_prorations", [("2026-02-01", 1000 + 40)]),
            ("always_invoice", [("2026-01-16", 40), ("2026-02-01", 1000)]),
            ("none", [("2026-02-01", 1000)]),
        ],
    )
    def test_flexible_in_mid_period_follows_the_phase(self, api, customer, meter, behavior, expected):
        cut = at(2026, 1, 16)
        self.run(api, customer, meter, cut=cut, proration_behavior=behavior)
        assert api.dated()[1:] == [*expected, ("2026-03-01", 1120)]

    def test_classic_in_mid_period_invoices_the_usage_at_once(self, api, customer, meter):
        invoices = self.run(api, customer, meter, cut=at(2026, 1, 16), mode="classic")
        assert [(day(body["created"]), body["total"]) for body in invoices] == [
            ("2026-01-16", 40),
            ("2026-02-01", 1000),
            ("2026-03-01", 1120),
        ]

    def test_where_another_period_ends_it_is_a_line_whatever_the_phase_says(self, api, customer, meter):
        quarterly = metered(api.metered(10, meter, "month", 3))
        seats = items(api.price(1000))
        api.schedule(
            phase_of(*seats, *quarterly, end=at(2026, 2, 1)),
            phase_of(*seats, end=END, proration_behavior="none"),
            start=START,
            customer=customer,
        )
        api.use(customer, 4)
        api.go(2026, 2, 1)
        assert sorted(lines_of(api.invoices()[-1])) == [
            (40, "2026-01-01", "2026-02-01"),
            (1000, "2026-02-01", "2026-03-01"),
        ]

    def test_an_unchanged_item_runs_on_over_a_cut(self, api, customer, meter):
        calls = metered(api.metered(10, meter))
        api.schedule(
            phase_of(*items(api.price(1000)), *calls, end=at(2026, 1, 16)),
            phase_of(*items(api.price(2000)), *calls, end=END, proration_behavior="none"),
            start=START,
            customer=customer,
        )
        api.use(customer, 4)
        api.go(2026, 1, 20)
        api.use(customer, 6)
        api.go(2026, 2, 1)
        assert (100, "2026-01-01", "2026-02-01") in lines_of(api.invoices()[-1])

    def test_a_phase_that_moves_the_anchor_bills_the_usage_so_far(self, api, customer, meter):
        calls = metered(api.metered(10, meter))
        api.schedule(
            phase_of(*calls, end=at(2026, 1, 16)),
            phase_of(*calls, end=END, billing_cycle_anchor="phase_start", proration_behavior="none"),
            start=START,
            customer=customer,
        )
        api.use(customer, 4)
        api.go(2026, 2, 10)
        api.use(customer, 6)
        api.go(2026, 2, 16)
        assert [lines_of(invoice) for invoice in api.invoices()] == [
            [(40, "2026-01-01", "2026-01-16")],
            [(60, "2026-01-16", "2026-02-16")],
        ]

    def test_usage_keeps_the_discounts_of_its_phase(self, api, customer, meter):
        half, fifth = (api.coupon(percent_off=off, duration="forever") for off in (50, 20))
        calls = metered(api.metered(10, meter))
        seats = items(api.price(1000))
        api.schedule(
            phase_of(*seats, *calls, end=at(2026, 2, 1), discounts=[{"coupon": half}]),
            phase_of(*seats, *calls, end=END, discounts=[{"coupon": fifth}]),
            start=START,
            customer=customer,
        )
        api.use(customer, 100)
        api.go(2026, 2, 1)
        usage, seat = sorted(api.invoices()[-1]["lines"]["data"], key=lambda line: line["period"]["start"])
        assert [entry["amount"] for entry in usage["discount_amounts"]] == [500]
        assert [entry["amount"] for entry in seat["discount_amounts"]] == [200]


class TestEnds:
    @pytest.mark.parametrize("mode", ["classic", "flexible"])
    def test_the_end_on_a_boundary_makes_a_final_invoice(self, api, customer, meter, mode):
        entries = [*items(api.price(1000)), *metered(api.metered(10, meter))]
        schedule = api.schedule(
            phase_of(*entries, end=at(2026, 2, 1)),
            start=START,
            customer=customer,
            billing_mode={"type": mode},
        )
        api.use(customer, 4)
        api.go(2026, 2, 2)
        final = api.invoices()[-1]
        assert lines_of(final) == [(40, "2026-01-01", "2026-02-01")]
        assert api.get(f"/v1/subscriptions/{schedule['subscription']}")["status"] == "canceled"

    def test_the_end_in_mid_period_bills_what_was_used_and_no_less(self, api, customer, meter):
        api.schedule(
            phase_of(*metered(api.metered(10, meter)), end=at(2026, 2, 16)), start=START, customer=customer
        )
        api.go(2026, 2, 10)
        api.use(customer, 4)
        api.go(2026, 3, 10)
        assert [lines_of(invoice) for invoice in api.invoices()] == [
            [(0, "2026-01-01", "2026-02-01")],
            [(40, "2026-02-01", "2026-02-16")],
        ]

    def test_cancel_at_period_end(self, api, customer, meter):
        calls = metered(api.metered(10, meter))
        api.subscribe(*calls, customer=customer, cancel_at_period_end=True)
        api.use(customer, 4)
        api.go(2026, 2, 2)
        assert api.totals() == [40]

    @pytest.mark.parametrize(
        ("params", "expected"),
        [
            ({}, []),
            ({"invoice_now": True}, [40]),
            ({"prorate": True}, []),
            ({"invoice_now": True, "prorate": True}, [40]),
        ],
    )
    def test_deleting_bills_usage_only_with_invoice_now(self, api, customer, meter, params, expected):
        calls = metered(api.metered(10, meter))
        subscription = api.subscribe(*calls, customer=customer)
        api.use(customer, 4)
        api.go(2026, 1, 16)
        api.call("DELETE", f"/v1/subscriptions/{subscription['id']}", params)
        assert api.totals() == expected

    @pytest.mark.parametrize(
        ("params", "expected"),
        [({}, -1500 + 40), ({"prorate": False}, 40), ({"invoice_now": False}, None)],
    )
    def test_canceling_a_schedule_bills_usage_by_default(self, api, customer, meter, params, expected):
        # January 16 leaves 16 of 31 days: 2907 of seats give 1500 back.
        entries = [{"price": api.price("2906.25")}, *metered(api.metered(10, meter))]
        schedule = api.schedule(phase_of(*entries, end=END), start=START, customer=customer)
        api.use(customer, 4)
        api.go(2026, 1, 16)
        api.post(f"{SCHEDULES}/{schedule['id']}/cancel", params)
        assert api.totals()[1:] == ([] if expected is None else [expected])

    def test_releasing_lets_usage_run_on(self, api, customer, meter):
        calls = metered(api.metered(10, meter))
        schedule = api.schedule(phase_of(*calls, end=END), start=START, customer=customer)
        api.use(customer, 4)
        api.go(2026, 1, 16)
        api.post(f"{SCHEDULES}/{schedule['id']}/release")
        api.go(2026, 2, 1)
        assert api.totals() == [40]


def test_a_schedule_made_from_a_metered_subscription_mirrors_it(api, customer, meter):
    subscription = api.subscribe(*metered(api.metered(10, meter)), customer=customer)
    schedule = api.post(SCHEDULES, {"from_subscription": subscription["id"]})
    (entry,) = schedule["phases"][0]["items"]
    assert entry["quantity"] is None
    phases = [{**phase(entry["price"], end=END), "start_date": START, "items": [{"price": entry["price"]}]}]
    api.post(f"{SCHEDULES}/{schedule['id']}", {"phases": phases, "end_behavior": "cancel"})
    api.use(customer, 4)
    api.go(2026, 2, 1)
    assert api.totals() == [40]


def test_an_update_of_the_running_phase_leaves_usage_alone(api, customer, meter):
    calls = metered(api.metered(10, meter))
    schedule = api.schedule(
        phase_of(*calls, end=at(2026, 2, 1)), phase_of(*calls, end=END), start=START, customer=customer
    )
    api.use(customer, 4)
    api.go(2026, 2, 10)
    phases = [phase_of(*calls, end=at(2026, 2, 1), start_date=START), phase_of(*calls, end=END)]
    path = f"{SCHEDULES}/{schedule['id']}"
    phases[1]["items"] += items(api.price(2800))
    api.post(path, {"phases": phases, "proration_behavior": "none"})
    api.use(customer, 6)
    api.go(2026, 3, 1)
    assert api.totals() == [40, 60 + 2800]


def test_past_phases_sent_along_date_the_running_one(api, customer, meter):
    calls = metered(api.metered(10, meter))
    phases = [phase_of(*calls, end=at(2026, 2, 1)), phase_of(*calls, end=END)]
    schedule = api.schedule(*phases, start=START, customer=customer)
    api.go(2026, 2, 10)
    path = f"{SCHEDULES}/{schedule['id']}"
    sent = [{**phases[0], "start_date": START}, {**phases[1], "start_date": at(2026, 2, 2)}]
    assert api.refused("POST", path, {"phases": sent})["param"] == "phases[0][start_date]"
    del sent[1]["start_date"]
    assert api.post(path, {"phases": sent})["phases"][1]["start_date"] == at(2026, 2, 1)
