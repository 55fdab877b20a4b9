"""Tiered prices and packages: what a quantity costs, the lines it makes, and how it is prorated."""

import pytest
from tests.contract.stripe_sim.stripe_driver import at, phase

from cpqbridge_sim.stripe.assumptions import Assumptions

FONTS = ((5, 700), (10, 650), ("inf", 600))
# The example of docs.stripe.com/subscriptions/pricing-models/tiered-pricing with flat amounts.
WITH_FLAT = ((5, 500, 1000), (10, 400, 2000), (15, 300, 3000), (20, 200, 4000), ("inf", 100, 5000))
TIERED = {
    "currency": "usd",
    "product_data": {"name": "Pro"},
    "recurring": {"interval": "month"},
    "billing_scheme": "tiered",
    "tiers_mode": "graduated",
    "tiers": [{"up_to": 5, "unit_amount": 700}, {"up_to": "inf", "unit_amount": 600}],
}
FLAT = {"currency": "usd", "product_data": {"name": "Pro"}, "unit_amount": 1}


def lines_of(api) -> list[dict]:
    return api.invoices()[-1]["lines"]["data"]


def tiers(*bounds: object) -> dict:
    return {**TIERED, "tiers": [{"up_to": bound, "unit_amount": 1} for bound in bounds]}


@pytest.mark.parametrize(
    ("params", "param"),
    [
        ({**TIERED, "unit_amount": 5}, "unit_amount"),
        ({**TIERED, "unit_amount_decimal": "5"}, "unit_amount_decimal"),
        ({**TIERED, "transform_quantity": {"divide_by": 5, "round": "up"}}, "transform_quantity"),
        ({name: value for name, value in TIERED.items() if name != "tiers"}, "tiers"),
        ({name: value for name, value in TIERED.items() if name != "tiers_mode"}, "tiers_mode"),
        ({name: value for name, value in TIERED.items() if name != "recurring"}, "billing_scheme"),
        ({**TIERED, "tiers_mode": "stairs"}, "tiers_mode"),
        (tiers(5, 10), "tiers[1][up_to]"),
        (tiers(5, 5, "inf"), "tiers[1][up_to]"),
        (tiers(5, 3, "inf"), "tiers[1][up_to]"),
        (tiers(0, "inf"), "tiers[0][up_to]"),
        (tiers("inf", "inf"), "tiers[0][up_to]"),
        ({**TIERED, "tiers": [{"up_to": "inf"}]}, "amount"),
        ({**TIERED, "tiers": [{"up_to": "inf", "unit_amount": 1, "unit_amount_decimal": "1"}]}, "tiers[0][unit_amount]"),
        ({**TIERED, "tiers": [{"up_to": "inf", "flat_amount": 1, "flat_amount_decimal": "1"}]}, "tiers[0][flat_amount]"),
        ({**TIERED, "tiers": [{"up_to": "inf", "unit_amount": -1}]}, "tiers[0][unit_amount]"),
        ({**TIERED, "tiers": [{"up_to": "inf", "unit_amount_decimal": "1.1234567890123"}]}, "tiers[0][unit_amount_decimal]"),
        ({**FLAT, "tiers": TIERED["tiers"]}, "tiers"),
        ({**FLAT, "tiers_mode": "volume"}, "tiers_mode"),
        ({**FLAT, "transform_quantity": {"divide_by": 0, "round": "up"}}, "transform_quantity[divide_by]"),
        ({**FLAT, "transform_quantity": {"divide_by": 2}}, "transform_quantity[round]"),
    ],
)  # fmt: skip
def test_tiers_that_are_refused(api, params, param):
    assert api.refused("POST", "/v1/prices", params)["param"] == param


def test_tiers_show_only_to_who_asks_for_them(api):
    price = api.post("/v1/prices", TIERED)
    assert "tiers" not in price
    assert (price["unit_amount"], price["unit_amount_decimal"]) == (None, None)
    assert (price["billing_scheme"], price["tiers_mode"]) == ("tiered", "graduated")
    first = {"flat_amount": None, "flat_amount_decimal": None, "unit_amount": 700, "unit_amount_decimal": "700", "up_to": 5}  # fmt: skip
    asked = api.get(f"/v1/prices/{price['id']}", {"expand": ["tiers"]})["tiers"]
    assert asked[0] == first
    assert asked[1]["up_to"] is None
    listed = api.get("/v1/prices", {"expand": ["data.tiers"]})["data"][0]
    assert listed["tiers"] == asked
    schedule = api.schedule(phase(price["id"], end=at(2027, 1, 1)), start=at(2026, 1, 1))
    path = f"/v1/subscription_schedules/{schedule['id']}"
    shown = api.get(path, {"expand": ["phases.items.price.tiers"]})
    assert shown["phases"][0]["items"][0]["price"]["tiers"] == asked
    subscription = api.get(f"/v1/subscriptions/{schedule['subscription']}")
    assert "tiers" not in subscription["items"]["data"][0]["price"]
    event = api.get("/v1/events", {"type": "price.created"})["data"][0]
    assert "tiers" not in event["data"]["object"]


def test_a_per_unit_price_has_no_tiers_to_show(api):
    assert "tiers" not in api.get(f"/v1/prices/{api.price(100)}", {"expand": ["tiers"]})


def test_t32_graduated_tiers_make_one_line_each(api):
    api.subscribe({"price": api.tiered(*FONTS), "quantity": 12})
    lines = lines_of(api)
    assert [(line["amount"], line["quantity"]) for line in lines] == [(3500, 5), (3250, 5), (1200, 2)]
    assert api.totals() == [7950]
    assert lines[1]["description"] == "5 \N{MULTIPLICATION SIGN} Font (Tier 2 at $6.50 / month)"
    assert [line["pricing"]["unit_amount_decimal"] for line in lines] == ["700", "650", "600"]
    assert len({line["parent"]["subscription_item_details"]["subscription_item"] for line in lines}) == 1


@pytest.mark.parametrize(
    ("mode", "quantity", "expected"),
    [
        ("graduated", 1, [700]),
        ("graduated", 5, [3500]),
        ("graduated", 6, [3500, 650]),
        ("graduated", 20, [3500, 3250, 6000]),
        ("volume", 1, [700]),
        ("volume", 5, [3500]),
        ("volume", 6, [3900]),
        ("volume", 20, [12000]),
        ("volume", 25, [15000]),
    ],
)
def test_the_vendors_example_of_tiers(api, mode, quantity, expected):
    api.subscribe({"price": api.tiered(*FONTS, mode=mode), "quantity": quantity})
    assert [line["amount"] for line in lines_of(api)] == expected


@pytest.mark.parametrize(
    ("mode", "quantity", "total"),
    [("volume", 12, 6600), ("graduated", 12, 11100), ("volume", 0, 1000), ("graduated", 0, 1000)],
)
def test_the_vendors_example_of_flat_amounts(api, mode, quantity, total):
    api.subscribe({"price": api.tiered(*WITH_FLAT, mode=mode), "quantity": quantity})
    assert api.totals() == [total]


def test_a_tier_may_cost_nothing_but_its_flat_amount(api):
    api.subscribe({"price": api.tiered((10, None, 5000), ("inf", 7)), "quantity": 12})
    assert [(line["amount"], line["quantity"]) for line in lines_of(api)] == [(5000, 10), (14, 2)]


def test_every_tier_is_rounded_by_itself(api):
    terms = {**TIERED, "tiers": [{"up_to": 1, "unit_amount_decimal": "0.5"}, {"up_to": "inf", "unit_amount_decimal": "0.5"}]}  # fmt: skip
    price = api.post("/v1/prices", terms)["id"]
    api.subscribe({"price": price, "quantity": 2})
    assert [line["amount"] for line in lines_of(api)] == [1, 1]


def test_t34_packages_are_counted_whole(api):
    price = api.price(1000, transform_quantity={"divide_by": 5, "round": "up"})
    api.subscribe({"price": price, "quantity": 7})
    assert api.totals() == [2000]
    assert lines_of(api)[0]["quantity"] == 7


@pytest.mark.parametrize(
    ("direction", "quantity", "total"),
    [("up", 1, 1000), ("up", 10, 2000), ("up", 0, 0), ("down", 9, 1000), ("down", 4, 0)],
)
def test_packages_round_as_the_price_says(api, direction, quantity, total):
    price = api.price(1000, transform_quantity={"divide_by": 5, "round": direction})
    api.subscribe({"price": price, "quantity": quantity})
    assert api.totals() == [total]


def test_packages_of_a_one_time_price(api):
    terms = {"currency": "usd", "unit_amount": 1000, "product_data": {"name": "Crate"}}
    price = api.post("/v1/prices", {**terms, "transform_quantity": {"divide_by": 5, "round": "up"}})["id"]
    customer = api.customer()
    api.subscribe(
        {"price": api.price(0)}, customer=customer, add_invoice_items=[{"price": price, "quantity": 7}]
    )
    item = api.post("/v1/invoiceitems", {"customer": customer, "pricing": {"price": price}, "quantity": 11})
    assert (api.totals(), item["amount"]) == ([2000], 3000)


class TestProrations:
    """June has 30 days; the 16th leaves half of it."""

    def change(self, api, before: int, after: int, **params) -> list[dict]:
        subscription = api.subscribe({"price": api.tiered(*FONTS), "quantity": before})
        item = subscription["items"]["data"][0]["id"]
        api.go(2026, 6, 16)
        path = f"/v1/subscriptions/{subscription['id']}"
        api.post(path, {"items": [{"id": item, "quantity": after}], **params})
        pending = api.get("/v1/invoiceitems", {"pending": True})["data"]
        return pending[::-1]

    def test_the_total_of_the_tiers_is_prorated(self, api_at):
        # 12 cost 7950 and 20 cost 12750; half of each is credited and billed again, as one line.
        pending = self.change(api_at(2026, 6, 1), 12, 20)
        assert [body["amount"] for body in pending] == [-3975, 6375]
        assert len(pending[0]["proration_details"]["credited_items"]["invoice_line_items"]) == 3

    def test_one_by_one_if_that_is_how_it_is(self, api_at):
        pending = self.change(
            api_at(2026, 6, 1, assumptions=Assumptions(tiers_are_credited_together=False)), 12, 20
        )
        assert [body["amount"] for body in pending] == [-1750, -1625, -600, 6375]

    def test_a_volume_price_may_cost_less_for_more(self, api_at):
        api = api_at(2026, 6, 1)
        price = api.tiered(*FONTS, mode="volume")
        api.schedule(
            phase(price, quantity=5, end=at(2026, 6, 16)),
            phase(price, quantity=6, end=at(2026, 8, 1)),
            start=at(2026, 6, 1),
        )
        api.go(2026, 7, 1)
        assert [line["amount"] for line in lines_of(api)] == [-1750, 1950, 3900]

    def test_classic_credits_the_current_total(self, api_at):
        api = api_at(2026, 6, 1)
        price = api.tiered(*FONTS)
        api.schedule(
            phase(price, quantity=12, end=at(2026, 6, 16)),
            phase(price, quantity=20, end=at(2026, 8, 1)),
            start=at(2026, 6, 1),
            billing_mode={"type": "classic"},
        )
        api.go(2026, 7, 1)
        assert [line["amount"] for line in lines_of(api)] == [-3975, 6375, 3500, 3250, 6000]

    def test_a_cut_period_bills_part_of_every_tier(self, api_at):
        api = api_at(2026, 6, 1)
        api.schedule(phase(api.tiered(*FONTS), quantity=12, end=at(2026, 6, 16)), start=at(2026, 6, 1))
        assert [line["amount"] for line in lines_of(api)] == [1750, 1625, 600]

    def test_canceling_gives_the_unused_total_back(self, api_at):
        api = api_at(2026, 6, 1)
        schedule = api.schedule(
            phase(api.tiered(*FONTS), quantity=12, end=at(2027, 6, 1)), start=at(2026, 6, 1)
        )
        api.go(2026, 6, 16)
        api.post(f"/v1/subscription_schedules/{schedule['id']}/cancel")
        assert api.totals() == [7950, -3975]


def test_discounts_reduce_every_tier(api):
    coupon = api.coupon(percent_off=10, duration="forever")
    api.subscribe({"price": api.tiered(*FONTS), "quantity": 12}, discounts=[{"coupon": coupon}])
    assert [line["discount_amounts"][0]["amount"] for line in lines_of(api)] == [350, 325, 120]
    assert api.totals() == [7155]


def test_a_past_phase_with_tiers_may_be_sent_along(api):
    price = api.tiered(*FONTS)
    first = phase(price, quantity=2, end=at(2026, 2, 1))
    schedule = api.schedule(first, phase(price, quantity=3, end=at(2027, 1, 1)), start=at(2026, 1, 1))
    api.go(2026, 3, 1)
    sent = [
        {**first, "start_date": at(2026, 1, 1)},
        {**phase(price, quantity=4, end=at(2027, 1, 1)), "start_date": at(2026, 2, 1)},
    ]
    path = f"/v1/subscription_schedules/{schedule['id']}"
    assert len(api.post(path, {"phases": sent, "proration_behavior": "none"})["phases"]) == 2
    sent[0]["items"] = [{"price": api.tiered((5, 1), ("inf", 2)), "quantity": 2}]
    assert "ended" in api.refused("POST", path, {"phases": sent})["message"]


def test_a_line_shows_the_exact_quantity_of_its_invoice_item(api):
    customer = api.customer()
    terms = {
        "customer": customer,
        "currency": "usd",
        "unit_amount_decimal": "1000",
        "quantity_decimal": "2.75",
    }
    api.post("/v1/invoiceitems", terms)
    invoice = api.post("/v1/invoices", {"customer": customer, "pending_invoice_items_behavior": "include"})
    line = invoice["lines"]["data"][0]
    assert (line["amount"], line["quantity"], line["quantity_decimal"]) == (2750, 2, "2.75")


def test_backdated_tiers_bill_every_past_period(api_at):
    for mode, expected in (("flexible", [3500, 3250, 1200] * 2), ("classic", [7000, 6500, 2400])):
        api = api_at(2026, 2, 15)
        terms = {"backdate_start_date": at(2026, 1, 1), "billing_mode": {"type": mode}}
        api.subscribe({"price": api.tiered(*FONTS), "quantity": 12}, **terms)
        assert [line["amount"] for line in lines_of(api)] == expected
