"""Coupons stacked and over time; expected amounts are worked out in the comments."""

import pytest
from tests.contract.stripe_sim.stripe_driver import at, items, phase

SCHEDULES = "/v1/subscription_schedules"


def per_line(invoice: dict) -> list[list[int]]:
    return [[entry["amount"] for entry in line["discount_amounts"]] for line in invoice["lines"]["data"]]


def test_percent_and_amount_on_two_lines_over_three_phases(api):
    # A 1000, B 2000 with 25 % of its own: 500 off, 1500 left.
    # Phase 1: 10 % takes 100 and 150 (900 and 1350 left), then 500 over 2250: floor(500 * 900 / 2250) = 200
    # and the rest 300. 700 + 1050 = 1750.
    # Phase 2, the other way round: 500 over 2500 takes 200 and 300, then 10 % of 800 and 1200: 720 + 1080.
    # Phase 3 names none: 3000.
    tenth = {"coupon": api.coupon(percent_off=10, duration="forever")}
    fixed = {"coupon": api.coupon(amount_off=500, duration="forever")}
    quarter = {"coupon": api.coupon(percent_off=25, duration="forever")}
    a, b = api.price(1000), api.price(2000)
    reduced = [{"price": a}, {"price": b, "discounts": [quarter]}]
    api.schedule(
        {"items": reduced, "end_date": at(2026, 3, 1), "discounts": [tenth, fixed]},
        {"items": reduced, "end_date": at(2026, 5, 1), "discounts": [fixed, tenth]},
        phase(a, b, end=at(2026, 7, 1)),
        start=at(2026, 1, 1),
    )
    api.go(2026, 7, 2)
    assert api.totals() == [1750, 1750, 1800, 1800, 3000, 3000]
    first, third = api.invoices()[0], api.invoices()[2]
    assert per_line(first) == [[100, 200], [500, 150, 300]]
    assert per_line(third) == [[200, 80], [500, 300, 120]]
    assert (first["subtotal"], third["subtotal"]) == (2500, 2500)
    assert sorted(entry["amount"] for entry in first["total_discount_amounts"]) == [250, 500, 500]


def test_a_fixed_amount_larger_than_what_is_left_takes_only_that(api):
    # 300 and 100; 80 % leaves 60 and 20; 500 off takes 60 and 20; 10 % of nothing is nothing.
    coupons = [
        api.coupon(percent_off=80, duration="forever"),
        api.coupon(amount_off=500, duration="forever"),
        api.coupon(percent_off=10, duration="forever"),
    ]
    api.subscribe(
        *items(api.price(300), api.price(100)), discounts=[{"coupon": coupon} for coupon in coupons]
    )
    assert per_line(api.invoices()[0]) == [[240, 60], [80, 20]]
    assert api.totals() == [0]


@pytest.fixture
def reduced(api):
    """A schedule of 1000 a month with a coupon in its first phase, to March; returns it and a second phase's
    way to name the coupon or the running discount."""

    def make(**coupon) -> tuple[dict, dict, dict]:
        named = {"coupon": api.coupon(percent_off=50, **coupon)}
        price = api.price(1000)
        schedule = api.schedule(
            phase(price, end=at(2026, 3, 1), discounts=[named]),
            phase(price, end=at(2027, 1, 1)),
            start=at(2026, 1, 1),
        )
        (running,) = api.account.all_objects()["discount"]
        return schedule, named, {"discount": running["id"]}

    return make


def resend(api, schedule: dict, *second: dict) -> None:
    """The same two phases, the second with these discounts."""
    phases = [
        {
            "items": items(body["items"][0]["price"]),
            "start_date": body["start_date"],
            "end_date": body["end_date"],
            "discounts": [{"coupon": entry["coupon"]} for entry in body["discounts"]],
        }
        for body in schedule["phases"]
    ]
    phases[1]["discounts"] = list(second)
    api.post(f"{SCHEDULES}/{schedule['id']}", {"phases": phases})
    api.go(2026, 7, 1)


def test_a_phase_that_names_the_discount_goes_on_counting_its_months(api, reduced):
    schedule, _, running = reduced(duration="repeating", duration_in_months=3)
    resend(api, schedule, running)
    assert api.totals() == [500, 500, 500, 1000, 1000, 1000, 1000]
    assert api.get(f"/v1/subscriptions/{schedule['subscription']}")["discounts"] == []


def test_a_phase_that_names_the_coupon_redeems_it_anew(api, reduced):
    schedule, coupon, _ = reduced(duration="repeating", duration_in_months=3)
    resend(api, schedule, coupon)
    assert api.totals() == [500, 500, 500, 500, 500, 1000, 1000]
    assert api.get(f"/v1/coupons/{coupon['coupon']}")["times_redeemed"] == 2


def test_a_phase_without_discounts_ends_them(api, reduced):
    schedule, _, _ = reduced(duration="forever")
    resend(api, schedule)
    assert api.totals() == [500, 500, 1000, 1000, 1000, 1000, 1000]


def test_a_forever_discount_may_go_on_beside_a_new_one(api, reduced):
    # 50 % of 1000 leaves 500, less 100.
    schedule, _, running = reduced(duration="forever")
    resend(api, schedule, running, {"coupon": api.coupon(amount_off=100, duration="once")})
    assert api.totals() == [500, 500, 400, 500, 500, 500, 500]


@pytest.mark.parametrize(("again", "third"), [(False, 1000), (True, 500)])
def test_a_once_coupon_is_used_up_but_may_be_redeemed_again(api, reduced, again, third):
    schedule, coupon, running = reduced(duration="once")
    resend(api, schedule, coupon if again else running)
    assert api.totals()[:4] == [500, 1000, third, 1000]


def test_the_running_phase_may_name_its_discount_instead_of_its_coupon(api, reduced):
    schedule, coupon, running = reduced(duration="repeating", duration_in_months=2)
    price = schedule["phases"][0]["items"][0]["price"]
    path = f"{SCHEDULES}/{schedule['id']}"
    api.go(2026, 1, 20)
    for named in (running, coupon):
        body = phase(price, end=at(2026, 7, 1), start_date=at(2026, 1, 1), discounts=[named])
        api.post(path, {"phases": [body]})
    # Naming the discount kept it, naming the coupon again redeemed it anew on 20 January: to 20 March.
    api.go(2026, 5, 1)
    assert api.totals() == [500, 500, 500, 1000, 1000]


def test_discounts_of_items_follow_their_phase(api):
    half = {"coupon": api.coupon(percent_off=50, duration="repeating", duration_in_months=3)}
    price, other = api.price(1000), api.price(10)
    first = {"items": [{"price": price, "discounts": [half]}, {"price": other}], "end_date": at(2026, 2, 1)}
    schedule = api.schedule(first, phase(price, other, end=at(2026, 9, 1)), start=at(2026, 1, 1))
    (running,) = [body["id"] for body in api.account.all_objects()["discount"]]
    kept = {"price": price, "discounts": [{"discount": running}]}
    phases = [
        {**first, "start_date": at(2026, 1, 1)},
        # The order of the items does not matter.
        {"items": [{"price": other}, kept], "end_date": at(2026, 3, 1)},
        {"items": [{"price": price, "discounts": [half]}, {"price": other}], "end_date": at(2026, 4, 1)},
        phase(price, other, end=at(2026, 6, 1)),
    ]
    api.post(f"{SCHEDULES}/{schedule['id']}", {"phases": phases})
    api.go(2026, 6, 2)
    assert api.totals() == [510, 510, 510, 1010, 1010]


def test_items_sent_in_another_order_keep_their_discounts(api):
    half = {"coupon": api.coupon(percent_off=50, duration="once")}
    a, b = api.price(1000), api.price(10)
    entries = [{"price": a, "discounts": [half]}, {"price": b}]
    schedule = api.schedule({"items": entries, "end_date": at(2027, 1, 1)}, start=at(2026, 1, 1))
    sent = {"items": entries[::-1], "start_date": at(2026, 1, 1), "end_date": at(2027, 1, 1)}
    api.post(f"{SCHEDULES}/{schedule['id']}", {"phases": [sent]})
    api.go(2026, 2, 1)
    assert api.totals() == [510, 1010]


def test_a_one_time_item_has_discounts_of_its_own_before_those_of_the_phase(api):
    # Setup 1000 less 100 is 900, half of it 450; the seat 200 is halved to 100.
    setup = {
        "price": api.one_time(1000),
        "discounts": [{"coupon": api.coupon(amount_off=100, duration="once")}],
    }
    whole = [{"coupon": api.coupon(percent_off=50, duration="once")}]
    api.schedule(
        phase(api.price(200), end=at(2027, 1, 1), add_invoice_items=[setup], discounts=whole),
        start=at(2026, 1, 1),
    )
    assert per_line(api.invoices()[0]) == [[100, 450], [100]]
    assert api.totals() == [550]


def test_discounts_of_an_invoice_can_change_while_it_is_a_draft(api):
    # Line 1000 with 10 % of its own: 900. Half of it: 450. Then 100 off instead: 800. Then none: 900.
    customer = api.customer()
    invoice = api.post(
        "/v1/invoices",
        {"customer": customer, "discounts": [{"coupon": api.coupon(percent_off=50, duration="once")}]},
    )["id"]
    own = {"coupon": api.coupon(percent_off=10, duration="once")}
    path = f"/v1/invoices/{invoice}"
    api.post(f"{path}/add_lines", {"lines": [{"amount": 1000, "discounts": [own]}]})
    fixed = {"coupon": api.coupon(amount_off=100, duration="once")}
    totals = [api.get(path)["total"]]
    totals.append(api.post(path, {"discounts": [fixed]})["total"])
    totals.append(api.post(path, {"discounts": ""})["total"])
    assert totals == [450, 800, 900]


def test_discounts_of_a_pending_item_can_change(api):
    customer = api.customer()
    waiting = {"customer": customer, "amount": 1000, "currency": "usd"}
    path = f"/v1/invoiceitems/{api.post('/v1/invoiceitems', waiting)['id']}"
    api.post(path, {"discounts": [{"coupon": api.coupon(percent_off=30, duration="once")}]})
    body = {"customer": customer, "pending_invoice_items_behavior": "include"}
    assert api.post("/v1/invoices", body)["total"] == 700


@pytest.mark.parametrize(
    ("shown", "debit", "credit", "subtotal", "listed"),
    [
        ("included", (700, [0]), (-233, [0]), 700, []),
        ("itemized", (1000, [100, 200]), (-333, [-33, -67]), 900, [100, 200]),
    ],
)
def test_prorations_show_their_discounts_as_the_billing_mode_says(
    api_at, shown, debit, credit, subtotal, listed
):
    # The vendor's example: 10.00 for half a month, 10 % of the item's own, 2.00 (half of 4.00) of the whole
    # subscription's: 7.00. Ten days later a third of it is left: -3.33, -3.00, -2.33.
    api = api_at(2026, 6, 1)
    mode = {"type": "flexible", "flexible": {"proration_discounts": shown}}
    subscription = api.subscribe(
        *items(api.price(0)),
        discounts=[{"coupon": api.coupon(amount_off=400, duration="forever")}],
        billing_mode=mode,
    )
    assert subscription["billing_mode"] == mode
    path, item = f"/v1/subscriptions/{subscription['id']}", subscription["items"]["data"][0]["id"]
    tenth = [{"coupon": api.coupon(percent_off=10, duration="forever")}]
    api.go(2026, 6, 16)
    changed = {"id": item, "price": api.price(2000), "discounts": tenth}
    api.post(path, {"items": [changed], "proration_behavior": "always_invoice"})
    invoice = api.invoices()[-1]
    assert [line["amount"] for line in invoice["lines"]["data"]] == [debit[0]]
    assert per_line(invoice) == [debit[1]]
    assert (invoice["total"], invoice["subtotal"]) == (700, subtotal)
    assert [entry["amount"] for entry in invoice["total_discount_amounts"]] == listed
    api.go(2026, 6, 26)
    api.post(path, {"items": [{"id": item, "deleted": True}, {"price": api.price(0)}]})
    (given_back,) = [
        body for body in api.get("/v1/invoiceitems", {"pending": True})["data"] if body["amount"] < 0
    ]
    assert (given_back["amount"], given_back["net_amount"]) == (credit[0], -233)
    details = [entry["amount"] for entry in given_back["proration_details"]["discount_amounts"]]
    assert details == ([0, 0] if shown == "included" else credit[1])
    api.go(2026, 7, 1)
    assert per_line(api.invoices()[-1])[0] == credit[1]
    assert api.totals()[-1] == -233


def test_a_subscription_can_begin_to_itemize_but_not_end_it(api):
    subscription = api.subscribe(*items(api.price(100)))
    path = f"/v1/subscriptions/{subscription['id']}/migrate"

    def mode(shown: str) -> dict:
        return {"billing_mode": {"type": "flexible", "flexible": {"proration_discounts": shown}}}

    api.refused("POST", path, mode("included"))
    assert api.post(path, mode("itemized"))["billing_mode"]["flexible"] == {"proration_discounts": "itemized"}
    for shown in ("included", "itemized"):
        api.refused("POST", path, mode(shown))


def test_how_discounts_are_shown_moves_no_money(api_at):
    def totals(shown: str) -> list[int]:
        api = api_at(2026, 1, 1)
        coupons = [
            {"coupon": api.coupon(percent_off="33.333", duration="forever")},
            {"coupon": api.coupon(amount_off=777, duration="forever")},
        ]
        prices = [api.price(unit) for unit in (1999, 2347, 3571)]
        own = [{"coupon": api.coupon(percent_off="12.5", duration="forever")}]
        phases = [
            {
                "items": [{"price": price, "quantity": count, "discounts": own} for price in alive],
                "end_date": end,
                "discounts": coupons,
                "proration_behavior": behavior,
            }
            for alive, count, end, behavior in (
                (prices[:2], 1, at(2026, 1, 13), "create_prorations"),
                (prices, 2, at(2026, 2, 17), "always_invoice"),
                (prices[1:], 1, at(2026, 3, 23), "create_prorations"),
            )
        ]
        mode = {"type": "flexible", "flexible": {"proration_discounts": shown}}
        api.schedule(*phases, start=at(2026, 1, 1), billing_mode=mode)
        api.go(2026, 4, 2)
        for invoice in api.invoices():
            taken = sum(entry["amount"] for entry in invoice["total_discount_amounts"])
            assert invoice["total"] == sum(line["amount"] for line in invoice["lines"]["data"]) - taken
        return api.totals()

    assert totals("included") == totals("itemized")


def test_a_fixed_discount_reduces_a_proration_by_the_share_of_what_it_covers(api_at):
    # 600 off product A only; half of June: B pays 1500 in full, A (2000 - 600) / 2 = 700.
    api = api_at(2026, 6, 1)
    product = api.post("/v1/products", {"name": "A"})["id"]
    coupon = api.coupon(amount_off=600, duration="forever", applies_to={"products": [product]})
    free, a, b = api.price(0), api.price(2000, product=product), api.price(3000)
    discounts = [{"coupon": coupon}]
    api.schedule(
        phase(free, end=at(2026, 6, 16), discounts=discounts),
        phase(free, a, b, end=at(2027, 6, 1), discounts=discounts, proration_behavior="always_invoice"),
        start=at(2026, 6, 1),
    )
    api.go(2026, 7, 1)
    assert api.totals() == [0, 2200, 4400]


def test_a_fixed_coupon_may_know_several_currencies(api):
    coupon = api.coupon(amount_off=500, duration="forever", currency_options={"eur": {"amount_off": 400}})
    for currency, total in (("usd", 1500), ("eur", 1600)):
        price = api.price(2000, currency=currency)
        subscription = api.subscribe(*items(price), discounts=[{"coupon": coupon}])
        assert api.totals(subscription=subscription["id"]) == [total]
    api.post(f"/v1/coupons/{coupon}", {"currency_options": {"gbp": {"amount_off": 300}}})
    pounds = api.subscribe(*items(api.price(2000, currency="gbp")), discounts=[{"coupon": coupon}])
    assert api.totals(subscription=pounds["id"]) == [1700]
    body = {"items": items(api.price(5, currency="sek")), "discounts": [{"coupon": coupon}]}
    refused = api.refused("POST", "/v1/subscriptions", {"customer": api.customer(), **body})
    assert refused["param"] == "discounts[0][coupon]"


@pytest.mark.parametrize(
    ("options", "param"),
    [
        ({"usd": {"amount_off": 5}}, "currency_options[usd]"),
        ({"eur": {"amount_off": 0}}, "currency_options[eur][amount_off]"),
        ({"zzz": {"amount_off": 5}}, "currency_options[zzz]"),
    ],
)
def test_currency_options_that_are_refused(api, options, param):
    body = {"amount_off": 5, "currency": "usd", "currency_options": options}
    assert api.refused("POST", "/v1/coupons", body)["param"] == param


def test_a_coupon_says_whether_it_is_still_valid(api):
    used = api.coupon(percent_off=10, max_redemptions=1)
    late = api.coupon(percent_off=10, redeem_by=at(2026, 2, 1))
    assert [api.get(f"/v1/coupons/{name}")["valid"] for name in (used, late)] == [True, True]
    api.subscribe(*items(api.price(100)), discounts=[{"coupon": used}])
    api.go(2026, 2, 1)
    assert [body["valid"] for body in api.get("/v1/coupons")["data"]] == [False, False]
    body = {"customer": api.customer(), "items": items(api.price(100)), "discounts": [{"coupon": late}]}
    assert api.refused("POST", "/v1/subscriptions", body)["code"] == "coupon_expired"


def test_a_deleted_coupon_lives_on_in_its_discounts(api):
    api.coupon(id="half", percent_off=50, duration="forever")
    subscription = api.subscribe(*items(api.price(1000)), discounts=[{"coupon": "half"}])
    api.call("DELETE", "/v1/coupons/half")
    body = {"customer": api.customer(), "items": items(api.price(5)), "discounts": [{"coupon": "half"}]}
    assert api.refused("POST", "/v1/subscriptions", body)["code"] == "resource_missing"
    # The id is free again, for a coupon that the running discount knows nothing of.
    api.coupon(id="half", percent_off=10, duration="forever")
    preview = api.post("/v1/invoices/create_preview", {"subscription": subscription["id"]})
    assert preview["total"] == 500
    api.call("DELETE", "/v1/coupons/half")
    api.go(2026, 2, 1)
    assert api.totals() == [500, 500]
    path = f"/v1/subscriptions/{subscription['id']}"
    shown = api.get(path, {"expand": ["discounts.source.coupon"]})["discounts"][0]
    assert shown["source"]["coupon"]["percent_off"] == 50.0


def test_another_customers_discount_cannot_be_used(api):
    api.subscribe(*items(api.price(5)), discounts=[{"coupon": api.coupon(percent_off=5, duration="forever")}])
    (foreign,) = [body["id"] for body in api.account.all_objects()["discount"]]
    body = {"items": items(api.price(5)), "discounts": [{"discount": foreign}]}
    refused = api.refused("POST", "/v1/subscriptions", {"customer": api.customer(), **body})
    assert refused["param"] == "discounts[0][discount]"
    error = api.refused(
        "POST",
        SCHEDULES,
        {"customer": api.customer(), "phases": [{**body, "end_date": at(2027, 1, 1)}]},
    )
    assert error["param"] == "phases[0][discounts][0][discount]"


def test_a_discount_has_no_end_of_its_own_to_be_sent(api):
    entry = {"coupon": api.coupon(percent_off=5), "discount_end": {"type": "timestamp"}}
    body = {"customer": api.customer(), "items": items(api.price(5)), "discounts": [entry]}
    assert api.refused("POST", "/v1/subscriptions", body)["code"] == "parameter_unknown"


class TestPromotionCodes:
    PATH = "/v1/promotion_codes"

    def code(self, api, **params) -> dict:
        coupon = params.pop("coupon", None) or api.coupon(percent_off=20, duration="forever")
        return api.post(self.PATH, {"promotion": {"type": "coupon", "coupon": coupon}, **params})

    def test_a_code_redeems_its_coupon(self, api):
        code = self.code(api, code="SPRING", max_redemptions=1)
        named = [{"promotion_code": code["id"]}]
        subscription = api.subscribe(*items(api.price(1000)), discounts=named, expand=["discounts"])
        assert api.totals() == [800]
        assert subscription["discounts"][0]["promotion_code"] == code["id"]
        assert api.get(f"{self.PATH}/{code['id']}")["times_redeemed"] == 1
        assert api.get(f"/v1/coupons/{code['promotion']['coupon']}")["times_redeemed"] == 1
        body = {"customer": api.customer(), "items": items(api.price(5)), "discounts": named}
        assert api.refused("POST", "/v1/subscriptions", body)["param"] == "discounts[0][promotion_code]"

    def test_codes_that_cannot_be_redeemed(self, api):
        late = self.code(api, expires_at=at(2026, 1, 10))["id"]
        off = self.code(api, active=False)["id"]
        foreign = self.code(api, customer=api.customer())["id"]
        orphan = self.code(api, coupon=api.coupon(id="gone", percent_off=5))["id"]
        api.call("DELETE", "/v1/coupons/gone")
        api.go(2026, 1, 11)
        body = {"customer": api.customer(), "items": items(api.price(5))}
        for code in (late, off, foreign, orphan, "promo_nope"):
            named = {"discounts": [{"promotion_code": code}]}
            refused = api.refused("POST", "/v1/subscriptions", {**body, **named})
            assert refused["param"] == "discounts[0][promotion_code]"

    @pytest.mark.parametrize(
        ("params", "param"),
        [
            ({"code": "no spaces"}, "code"),
            ({"code": "c" * 501}, "code"),
            ({"code": "taken"}, "code"),
            ({"expires_at": at(2026, 3, 1)}, "expires_at"),
            ({"expires_at": at(2025, 3, 1)}, "expires_at"),
            ({"max_redemptions": 6}, "max_redemptions"),
            ({"restrictions": {"minimum_amount": 5}}, "restrictions"),
            ({"coupon": "nope"}, "promotion[coupon]"),
        ],
    )
    def test_codes_that_are_refused(self, api, params, param):
        self.code(api, code="TAKEN")
        api.coupon(id="five", percent_off=5, redeem_by=at(2026, 2, 1), max_redemptions=5)
        coupon = {"type": "coupon", "coupon": params.pop("coupon", "five")}
        assert api.refused("POST", self.PATH, {"promotion": coupon, **params})["param"] == param

    def test_codes_are_listed_and_switched_off(self, api):
        first = self.code(api, code="One", metadata={"a": "b"})
        self.code(api, code="Two")
        assert [body["id"] for body in api.get(self.PATH, {"code": "one"})["data"]] == [first["id"]]
        api.post(f"{self.PATH}/{first['id']}", {"active": False})
        assert [body["code"] for body in api.get(self.PATH, {"active": True})["data"]] == ["Two"]
        self.code(api, code="ONE")
        error = api.refused("POST", f"{self.PATH}/{first['id']}", {"active": True})
        assert error["code"] == "resource_already_exists"
