"""Invoices of usage: backdated, late, discounted, previewed; amounts in cents.

Expectations follow docs.stripe.com/billing/subscriptions/usage-based/manage-billing-setup,
docs.stripe.com/billing/subscriptions/usage-based/configure-grace-period and
docs.stripe.com/billing/subscriptions/billing-mode/compare.
"""

import pytest
from tests.contract.stripe_sim.stripe_driver import Api, at, items, lines_of, metered, phase_of

START, END = at(2026, 1, 1), at(2027, 1, 1)


@pytest.fixture
def customer(api) -> str:
    return api.customer()


@pytest.fixture
def meter(api) -> str:
    return api.meter()


def finalized(api: Api, invoice: dict) -> dict:
    return api.post(f"/v1/invoices/{invoice['id']}/finalize")


class TestBackdating:
    def backdated(self, api_at, mode: str, **params) -> tuple[Api, dict]:
        """Made on 6 March as of 1 February: 100 GB in February, 150 GB in March so far; 10 cents each."""
        api = api_at(2026, 3, 6)
        customer, meter = api.customer(), api.meter()
        for value, moment in ((100, at(2026, 2, 5)), (150, at(2026, 3, 5)), (9, at(2026, 1, 31))):
            api.use(customer, value, timestamp=moment)
        calls = metered(api.metered(10, meter))
        terms = {"backdate_start_date": at(2026, 2, 1), "billing_mode": {"type": mode}, **params}
        return api, api.subscribe(*calls, customer=customer, **terms)

    def test_flexible_bills_every_past_period_on_the_first_invoice(self, api_at):
        api, _ = self.backdated(api_at, "flexible")
        assert [lines_of(invoice) for invoice in api.invoices()] == [[(1000, "2026-02-01", "2026-03-01")]]
        api.go(2026, 4, 1)
        assert lines_of(api.invoices()[-1]) == [(1500, "2026-03-01", "2026-04-01")]

    def test_classic_bills_all_of_it_when_the_running_period_ends(self, api_at):
        api, _ = self.backdated(api_at, "classic")
        assert api.totals() == [0]
        api.go(2026, 4, 1)
        assert lines_of(api.invoices()[-1]) == [(2500, "2026-02-01", "2026-04-01")]

    def test_without_prorations_the_past_is_free(self, api_at):
        api, _ = self.backdated(api_at, "flexible", proration_behavior="none")
        assert api.invoices() == []
        api.go(2026, 4, 1)
        assert api.totals() == [1500]


class TestLateUsage:
    def test_usage_counts_until_its_invoice_is_final(self, api, customer, meter):
        api.subscribe(*metered(api.metered(10, meter)), customer=customer)
        api.use(customer, 4)
        api.go(2026, 2, 1)
        assert api.totals() == [40]
        api.use(customer, 6, timestamp=at(2026, 1, 31))
        api.go(2026, 2, 1, 1)
        (invoice,) = api.invoices()
        assert (invoice["status"], invoice["total"], invoice["amount_due"]) == ("paid", 100, 100)
        api.use(customer, 50, timestamp=at(2026, 1, 31))
        api.go(2026, 3, 1, 1)
        assert api.totals() == [100, 0]

    def test_more_tiers_may_be_touched(self, api, customer, meter):
        price = api.tiered((5, 10), ("inf", 8), recurring={"usage_type": "metered", "meter": meter})
        api.subscribe(*items(api.price(1000)), *metered(price), customer=customer)
        api.go(2026, 2, 1)
        draft = api.invoices()[-1]
        kept = [line["id"] for line in draft["lines"]["data"] if line["amount"] == 1000]
        api.use(customer, 7, timestamp=at(2026, 1, 31))
        final = finalized(api, draft)
        assert sorted(line["amount"] for line in final["lines"]["data"]) == [16, 50, 1000]
        assert kept[0] in [line["id"] for line in final["lines"]["data"]]
        assert final["lines"]["total_count"] == 3

    def test_a_fixed_discount_is_shared_anew(self, api, customer, meter):
        coupon = api.coupon(amount_off=300, duration="once")
        entries = [*items(api.price(1000)), *metered(api.metered(10, meter))]
        api.schedule(
            phase_of(*entries, end=at(2026, 2, 1)),
            phase_of(*entries, end=END, discounts=[{"coupon": coupon}]),
            start=START,
            customer=customer,
        )
        api.go(2026, 2, 1)
        api.use(customer, 200, timestamp=at(2026, 1, 31))
        draft = api.invoices()[-1]
        assert draft["total"] == 700
        assert finalized(api, draft)["total"] == 2700
        api.go(2026, 3, 2)
        assert api.totals()[-1] == 1000

    def test_a_percentage_follows_the_usage(self, api, customer, meter):
        coupon = api.coupon(percent_off=25, duration="once")
        api.subscribe(*metered(api.metered(10, meter)), customer=customer, discounts=[{"coupon": coupon}])
        api.go(2026, 2, 1)
        draft = api.invoices()[-1]
        assert draft["total"] == 0
        api.use(customer, 40, timestamp=at(2026, 1, 31))
        assert finalized(api, draft)["total"] == 300


class TestDiscounts:
    def test_a_percentage_reduces_usage(self, api, customer, meter):
        coupon = api.coupon(percent_off=25, duration="forever")
        api.subscribe(*metered(api.metered(10, meter)), customer=customer, discounts=[{"coupon": coupon}])
        api.use(customer, 40)
        api.go(2026, 2, 1)
        assert api.totals() == [300]

    def test_a_coupon_of_the_item_and_one_of_the_subscription(self, api, customer, meter):
        half, fifth = (api.coupon(percent_off=off, duration="forever") for off in (50, 20))
        entry = {"price": api.metered(10, meter), "discounts": [{"coupon": half}]}
        api.subscribe(entry, customer=customer, discounts=[{"coupon": fifth}])
        api.use(customer, 100)
        api.go(2026, 2, 1)
        assert api.totals() == [400]

    def test_a_once_coupon_waits_for_the_first_invoice(self, api, customer, meter):
        coupon = api.coupon(percent_off=25, duration="once")
        api.subscribe(*metered(api.metered(10, meter)), customer=customer, discounts=[{"coupon": coupon}])
        for month in (1, 2):
            api.use(customer, 40)
            api.go(2026, month + 1, 1)
        assert api.totals() == [300, 400]

    def test_usage_that_is_cut_off_is_billed_net_of_percentages(self, api, customer, meter):
        half, fixed = (
            api.coupon(percent_off=50, duration="forever"),
            api.coupon(amount_off=70, duration="forever"),
        )
        entries = [*items(api.price(1000)), *metered(api.metered(10, meter))]
        discounts = [{"coupon": half}, {"coupon": fixed}]
        subscription = api.subscribe(*entries, customer=customer, discounts=discounts)
        api.use(customer, 40)
        api.go(2026, 1, 16)
        gone = [{"id": subscription["items"]["data"][1]["id"], "deleted": True}]
        api.post(f"/v1/subscriptions/{subscription['id']}", {"items": gone})
        (pending,) = api.get("/v1/invoiceitems", {"pending": True})["data"]
        assert (pending["amount"], pending["discountable"], pending["proration"]) == (200, False, False)
        assert pending["quantity"] == 40
        api.go(2026, 2, 1)
        assert api.totals()[-1] == 200 + 1000 - 500 - 70


class TestPreviews:
    def test_a_preview_shows_the_usage_so_far(self, api, customer, meter):
        entries = [*items(api.price(1000)), *metered(api.metered(10, meter))]
        subscription = api.subscribe(*entries, customer=customer)
        api.use(customer, 7)
        api.go(2026, 1, 16)
        asked = {"subscription": subscription["id"]}
        preview = api.post("/v1/invoices/create_preview", asked)
        assert preview["total"] == 1070
        api.use(customer, 5)
        assert api.post("/v1/invoices/create_preview", asked)["total"] == 1120
        api.go(2026, 2, 1)
        assert api.totals()[-1] == 1120

    def test_a_preview_of_a_removal_bills_the_usage_so_far(self, api, customer, meter):
        entries = [*items(api.price(1000)), *metered(api.metered(10, meter))]
        subscription = api.subscribe(*entries, customer=customer)
        api.use(customer, 7)
        api.go(2026, 1, 16)
        gone = [{"id": subscription["items"]["data"][1]["id"], "deleted": True}]
        details = {"items": gone, "proration_behavior": "always_invoice"}
        asked = {"subscription": subscription["id"], "subscription_details": details}
        assert api.post("/v1/invoices/create_preview", asked)["total"] == 70
        assert api.get("/v1/invoiceitems")["data"] == []

    def test_a_schedule_of_usage_alone_previews_its_first_bill(self, api, customer, meter):
        calls = metered(api.metered(10, meter))
        api.use(customer, 7)
        details = {"phases": [{"items": calls, "end_date": END, "start_date": START}]}
        asked = {"customer": customer, "schedule_details": details}
        preview = api.post("/v1/invoices/create_preview", asked)
        assert lines_of(preview) == [(70, "2026-01-01", "2026-02-01")]


class TestTrials:
    def test_usage_of_a_trial_is_free(self, api, customer, meter):
        subscription = api.subscribe(
            *metered(api.metered(10, meter)), customer=customer, trial_end=at(2026, 1, 15)
        )
        assert (subscription["status"], api.invoices()) == ("trialing", [])
        api.use(customer, 10)
        api.go(2026, 1, 15)
        api.use(customer, 3)
        api.go(2026, 2, 15)
        first, second = api.invoices()
        assert lines_of(first) == [(0, "2026-01-01", "2026-01-15")]
        assert first["lines"]["data"][0]["description"] == "Free trial for 10 \N{MULTIPLICATION SIGN} Seat"
        assert lines_of(second) == [(30, "2026-01-15", "2026-02-15")]

    def test_a_trial_that_ends_early_is_free_until_then(self, api, customer, meter):
        calls = metered(api.metered(10, meter))
        subscription = api.subscribe(*calls, customer=customer, trial_end=at(2026, 1, 15))
        api.use(customer, 10)
        api.go(2026, 1, 11)
        api.post(f"/v1/subscriptions/{subscription['id']}", {"trial_end": "now"})
        assert lines_of(api.invoices()[-1]) == [(0, "2026-01-01", "2026-01-11")]
        api.use(customer, 3)
        api.go(2026, 2, 11)
        assert lines_of(api.invoices()[-1]) == [(30, "2026-01-11", "2026-02-11")]

    def test_a_trial_that_begins_later_bills_the_usage_before_it(self, api, customer, meter):
        subscription = api.subscribe(*metered(api.metered(10, meter)), customer=customer)
        api.use(customer, 4)
        api.go(2026, 1, 11)
        api.post(f"/v1/subscriptions/{subscription['id']}", {"trial_end": at(2026, 1, 21)})
        assert lines_of(api.invoices()[-1]) == [(40, "2026-01-01", "2026-01-11")]
        api.use(customer, 100)
        api.go(2026, 1, 21)
        assert lines_of(api.invoices()[-1]) == [(0, "2026-01-11", "2026-01-21")]

    def test_tiers_of_a_trial_are_free_too(self, api, customer, meter):
        price = api.tiered((5, 10, 500), ("inf", 8), recurring={"usage_type": "metered", "meter": meter})
        coupon = api.coupon(percent_off=50, duration="once")
        discounts = [{"coupon": coupon}]
        terms = {"customer": customer, "trial_end": at(2026, 1, 15), "discounts": discounts}
        api.subscribe({"price": price}, **terms)
        api.use(customer, 7)
        api.go(2026, 2, 15)
        assert api.totals() == [0, 250]


class TestTaxes:
    def tax(self, api, percentage: str) -> str:
        params = {"display_name": "VAT", "inclusive": False, "percentage": percentage}
        return api.post("/v1/tax_rates", params)["id"]

    def test_usage_is_taxed_by_the_phase_that_begins(self, api, customer, meter):
        ten, twenty = self.tax(api, "10"), self.tax(api, "20")
        price = api.metered(10, meter)
        api.schedule(
            phase_of({"price": price, "tax_rates": [ten]}, end=at(2026, 2, 1)),
            phase_of({"price": price, "tax_rates": [twenty]}, end=END),
            start=START,
            customer=customer,
        )
        api.use(customer, 100)
        api.go(2026, 2, 1)
        assert api.totals() == [1200]

    def test_late_usage_is_taxed_as_well(self, api, customer, meter):
        entry = {"price": api.metered(10, meter), "tax_rates": [self.tax(api, "10")]}
        api.subscribe(entry, customer=customer)
        api.use(customer, 10)
        api.go(2026, 2, 1)
        api.use(customer, 10, timestamp=at(2026, 1, 31))
        draft = api.invoices()[-1]
        assert draft["total"] == 110
        assert finalized(api, draft)["total"] == 220

    def test_usage_that_is_cut_off_keeps_its_rates(self, api, customer, meter):
        entries = [
            *items(api.price(1000)),
            {"price": api.metered(10, meter), "tax_rates": [self.tax(api, "10")]},
        ]
        subscription = api.subscribe(*entries, customer=customer)
        api.use(customer, 40)
        gone = [{"id": subscription["items"]["data"][1]["id"], "deleted": True}]
        api.go(2026, 1, 16)
        params = {"items": gone, "proration_behavior": "always_invoice"}
        api.post(f"/v1/subscriptions/{subscription['id']}", params)
        assert api.totals()[-1] == 440
