"""What the vendor refuses and a careless connector might send; each of these was once accepted or crashed."""

import pytest
from tests.contract.stripe_sim.stripe_driver import Api, at, day, items, phase

from cpqbridge_sim.stripe.form import decode

MONTHLY = {"interval": "month"}


def product(api: Api, name: str = "prod_a") -> str:
    return api.post("/v1/products", {"id": name, "name": "A"})["id"]


def one_time(unit: int, **params) -> dict:
    return {"price_data": {"currency": "usd", "product": "prod_a", "unit_amount": unit}, **params}


@pytest.mark.parametrize(
    ("params", "param"),
    [
        ({"percent_off": 5, "duration": "repeating", "duration_in_months": 0}, "duration_in_months"),
        ({"percent_off": 5, "max_redemptions": 0}, "max_redemptions"),
        ({"percent_off": 5, "applies_to": {"products": ["nope"]}}, "applies_to[products][0]"),
        ({"amount_off": 5, "currency": "zzz"}, "currency"),
    ],
)
def test_coupons_that_could_never_work(api, params, param):
    assert api.refused("POST", "/v1/coupons", params)["param"] == param


def test_only_known_currencies_and_addresses(api):
    product(api)
    price = {"product": "prod_a", "unit_amount": 5}
    assert api.refused("POST", "/v1/prices", {"currency": "zzz", **price})["param"] == "currency"
    assert api.post("/v1/prices", {"currency": "USD", **price})["currency"] == "usd"
    refused = api.refused("POST", "/v1/customers", {"email": "no address"})
    assert refused["code"] == "email_invalid"
    assert api.refused("POST", "/v1/customers", {"tax": {"ip_address": "1.2.3.4"}})["param"] == "tax"


def test_a_discount_names_one_thing(api):
    api.coupon(id="c1", percent_off=10)
    two = {"discounts": [{"coupon": "c1", "discount": "di_x"}], "items": items(api.price(5))}
    refused = api.refused(
        "POST",
        "/v1/subscription_schedules",
        {"customer": api.customer(), "phases": [{**two, "end_date": at(2027, 1, 1)}]},
    )
    assert refused["param"] == "phases[0][discounts][0]"


@pytest.mark.parametrize(
    ("extra", "param"),
    [
        ({"description": "x" * 501}, "phases[0][description]"),
        (
            {
                "add_invoice_items": [
                    one_time(
                        5,
                        period={
                            "start": {"type": "timestamp", "timestamp": at(2026, 2, 1)},
                            "end": {"type": "timestamp", "timestamp": at(2026, 1, 1)},
                        },
                    )
                ]
            },
            "phases[0][add_invoice_items][0][period][end][timestamp]",
        ),
        (
            {"invoice_settings": {"custom_fields": [{"name": "n" * 41, "value": "v"}]}},
            "phases[0][invoice_settings][custom_fields][0][name]",
        ),
    ],
)
def test_phases_that_are_refused(api, extra, param):
    product(api)
    body = {"customer": api.customer(), "phases": [phase(api.price(100), end=at(2027, 1, 1), **extra)]}
    assert api.refused("POST", "/v1/subscription_schedules", body)["param"] == param


def test_an_inline_price_stays_with_its_object_even_when_activated(api):
    product(api)
    terms = {"currency": "usd", "product": "prod_a", "unit_amount": 5, "recurring": MONTHLY}
    schedule = api.schedule(
        {"items": [{"price_data": terms}], "end_date": at(2027, 1, 1)}, start=at(2026, 1, 1)
    )
    price = schedule["phases"][0]["items"][0]["price"]
    api.post(f"/v1/prices/{price}", {"active": True})
    body = {"customer": api.customer(), "items": items(price)}
    assert api.refused("POST", "/v1/subscriptions", body)["param"] == "items[0][price]"


def test_a_past_phase_cannot_be_changed(api):
    first, second = api.price(100), api.price(200)
    schedule = api.schedule(
        phase(first, end=at(2026, 2, 1)), phase(second, end=at(2026, 4, 1)), start=at(2026, 1, 1)
    )
    api.go(2026, 2, 10)
    path = f"/v1/subscription_schedules/{schedule['id']}"
    running = {**phase(second, end=at(2026, 5, 1)), "start_date": at(2026, 2, 1)}

    def sent(past: dict) -> dict:
        return {"phases": [{**past, "start_date": at(2026, 1, 1)}, running]}

    for changed, param in (
        (phase(second, end=at(2026, 2, 1)), "phases[0][items]"),
        (phase(first, end=at(2026, 2, 1), quantity=2), "phases[0][items]"),
        (phase(first, end=at(2026, 2, 2)), "phases[0][end_date]"),
    ):
        assert api.refused("POST", path, sent(changed))["param"] == param
    kept = api.post(path, sent(phase(first, end=at(2026, 2, 1))))
    assert [entry["end_date"] for entry in kept["phases"]] == [at(2026, 2, 1), at(2026, 5, 1)]


def test_a_one_time_item_of_a_boundary_phase_covers_the_period_that_begins(api):
    product(api)
    charge = {"add_invoice_items": [one_time(500)]}
    price = api.price(100)
    api.schedule(
        phase(price, end=at(2026, 2, 1)),
        phase(price, end=at(2026, 3, 15), **charge),
        phase(price, end=at(2026, 5, 11), **charge),
        start=at(2026, 1, 1),
    )
    api.go(2026, 4, 2)
    lines = [line for invoice in api.invoices() for line in invoice["lines"]["data"] if line["amount"] == 500]
    spans = [(day(line["period"]["start"]), day(line["period"]["end"])) for line in lines]
    assert spans == [("2026-02-01", "2026-03-01"), ("2026-03-01", "2026-04-01")]


def test_lines_may_bring_their_product_and_must_make_sense(api):
    product(api)
    invoice = api.post("/v1/invoices", {"customer": api.customer()})["id"]
    path = f"/v1/invoices/{invoice}/add_lines"
    new = {"currency": "usd", "unit_amount": -700, "product_data": {"name": "Fee", "metadata": {"a": "1"}}}
    line = api.post(path, {"lines": [{"price_data": new}]})["lines"]["data"][0]
    made = api.get(f"/v1/products/{line['pricing']['price_details']['product']}")
    assert (line["amount"], line["description"], made["name"], made["metadata"]) == (
        -700,
        "Fee",
        "Fee",
        {"a": "1"},
    )
    for entry, param in (
        ({"price_data": {"currency": "usd", "unit_amount": 5}}, "lines[0][price_data][product]"),
        ({"price_data": {**new, "product": "prod_a"}}, "lines[0][price_data][product]"),
        ({"amount": 5, "quantity": 2}, "lines[0][quantity]"),
        (one_time(5, period={"start": 9, "end": 8}), "lines[0][period][end]"),
    ):
        assert api.refused("POST", path, {"lines": [entry]})["param"] == param


@pytest.mark.parametrize(
    ("extra", "param"),
    [
        ({"days_until_due": 4, "due_date": at(2026, 3, 1)}, "due_date"),
        ({"days_until_due": 4, "custom_fields": [{"name": "a", "value": "b"}] * 5}, "custom_fields"),
        (
            {"days_until_due": 4, "custom_fields": [{"name": "a", "value": "b" * 141}]},
            "custom_fields[0][value]",
        ),
    ],
)
def test_invoices_that_are_refused(api, extra, param):
    body = {"customer": api.customer(), "collection_method": "send_invoice", **extra}
    assert api.refused("POST", "/v1/invoices", body)["param"] == param


def test_questions_that_contradict_themselves(api):
    assert api.refused("GET", "/v1/events", {"type": "a", "types": ["b"]})["param"] == "type"
    both = {"schedule": "sub_sched_x", "subscription": "sub_x"}
    assert api.refused("POST", "/v1/invoices/create_preview", both)["param"] == "schedule"


def test_a_fixed_coupon_reduces_its_own_currency_only(api):
    product(api)
    coupon = [{"coupon": api.coupon(amount_off=500, currency="eur", duration="forever")}]
    price, customer = api.price(5000), api.customer()
    for path, body, param in (
        (
            "subscription_schedules",
            {"phases": [phase(price, end=at(2027, 1, 1), discounts=coupon)]},
            "phases[0]",
        ),
        ("subscriptions", {"items": items(price), "discounts": coupon}, ""),
        ("subscriptions", {"items": [{"price": price, "discounts": coupon}]}, "items[0]"),
        ("invoiceitems", {"amount": 5000, "currency": "usd", "discounts": coupon}, ""),
        ("invoices", {"currency": "usd", "discounts": coupon}, ""),
    ):
        refused = api.refused("POST", f"/v1/{path}", {"customer": customer, **body})
        assert refused["param"] == (f"{param}[discounts]" if param else "discounts") + "[0][coupon]"


@pytest.mark.parametrize(
    ("extra", "param"),
    [
        ({"currency": "eur"}, "items[0][price]"),
        ({"cancel_at": at(2026, 9, 1), "cancel_at_period_end": True}, "cancel_at"),
    ],
)
def test_subscriptions_that_are_refused(api, extra, param):
    body = {"customer": api.customer(), "items": items(api.price(5)), **extra}
    assert api.refused("POST", "/v1/subscriptions", body)["param"] == param


def test_a_trial_on_an_item_is_refused(api):
    item = {"price": api.price(5), "current_trial": {"trial_offer": "to_x"}}
    body = {"customer": api.customer(), "items": [item]}
    assert api.refused("POST", "/v1/subscriptions", body)["param"] == "items[0][current_trial]"


def test_another_account_is_refused(api, account):
    own = account.respond("GET", "/v1/account", {}, api_key="sk_test_x").body["id"]
    for name, status in ((own, 200), ("acct_other", 403)):
        answer = account.respond("GET", "/v1/account", {}, api_key="sk_test_x", stripe_account=name)
        assert answer.status == status


def test_digits_may_be_names_of_metadata(api):
    made = api.post("/v1/customers", decode("metadata[2026]=a&metadata[0]=b&preferred_locales[3]=en"))
    assert (made["metadata"], made["preferred_locales"]) == ({"0": "b", "2026": "a"}, ["en"])


def test_one_charge_has_at_most_eight_digits(api):
    customer = api.customer()
    api.schedule(phase(api.price(100_000_000), end=at(2026, 2, 1)), start=at(2026, 1, 1), customer=customer)
    api.go(2026, 1, 2)
    invoice = api.invoices()[0]
    assert (invoice["status"], invoice["attempt_count"]) == ("open", 1)
    path = f"/v1/invoices/{invoice['id']}/pay"
    assert api.refused("POST", path)["code"] == "amount_too_large"
    assert api.post(path, {"paid_out_of_band": True})["status"] == "paid"


def test_a_declined_first_charge_leaves_the_subscription_incomplete(api):
    customer = api.customer(payment_method="pm_card_chargeCustomerFail")
    body = {"customer": customer, "items": items(api.price(500))}
    refused = api.refused(
        "POST", "/v1/subscriptions", {**body, "payment_behavior": "error_if_incomplete"}, status=402
    )
    assert refused["type"] == "card_error"
    subscription = api.post("/v1/subscriptions", {**body, "expand": ["latest_invoice"]})
    assert (subscription["status"], subscription["latest_invoice"]["status"]) == ("incomplete", "open")
    api.go(2026, 1, 3)
    assert api.get("/v1/subscriptions", {"status": "all"})["data"][0]["status"] == "incomplete_expired"


def test_a_default_price_belongs_to_its_product(api):
    product(api)
    other = api.price(5)
    for price in ("price_nope", other):
        assert (
            api.refused("POST", "/v1/products/prod_a", {"default_price": price})["param"] == "default_price"
        )
