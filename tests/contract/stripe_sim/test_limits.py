"""Every row of the limits in the project's notes on Stripe (2.2): what is just allowed, and what is not."""

import pytest
from tests.contract.stripe_sim.stripe_driver import Api, at, items, phase

from cpqbridge_sim.stripe.collection_settings import CollectionSettings

SCHEDULES = "/v1/subscription_schedules"
SUBSCRIPTIONS = "/v1/subscriptions"


@pytest.fixture
def stock(api: Api) -> Api:
    """An account with a product `p`, a coupon `c` and an open invoice item."""
    api.post("/v1/products", {"id": "p", "name": "Pro"})
    api.coupon(id="c", percent_off=5)
    return api


def metadata(count: int, *, key: int = 3, value: int = 1) -> dict[str, str]:
    return {f"{number:0{key}d}": "v" * value for number in range(count)}


@pytest.mark.parametrize(
    ("path", "body", "param"),
    [
        ("products", {"name": "P", "metadata": metadata(50, key=40, value=500)}, None),
        ("products", {"name": "P", "metadata": metadata(51)}, "metadata"),
        ("products", {"name": "P", "metadata": {"k" * 41: "v"}}, f"metadata[{'k' * 41}]"),
        ("products", {"name": "P", "metadata": {"k": "v" * 501}}, "metadata[k]"),
        ("products", {"name": "P", "metadata": {"a[b": "v"}}, "metadata[a[b]"),
        ("products", {"name": "P", "description": "d" * 40_000}, None),
        ("products", {"name": "P", "description": "d" * 40_001}, "description"),
        ("products", {"name": "P", "unit_label": "u" * 12}, None),
        ("products", {"name": "P", "unit_label": "u" * 13}, "unit_label"),
        ("products", {"name": "P", "statement_descriptor": "s" * 22}, None),
        ("products", {"name": "P", "statement_descriptor": "s" * 23}, "statement_descriptor"),
        ("products", {"name": "P", "statement_descriptor": "s" * 4}, "statement_descriptor"),
        ("products", {"name": "n" * 5001}, "name"),
        ("customers", {"name": "n" * 256, "email": f"{'e' * 508}@x.y", "phone": "1" * 20}, None),
        ("customers", {"name": "n" * 257}, "name"),
        ("customers", {"email": f"{'e' * 509}@x.y"}, "email"),
        ("customers", {"phone": "1" * 21}, "phone"),
        ("coupons", {"percent_off": 100, "name": "n" * 40, "redeem_by": at(2031, 1, 1)}, None),
        ("coupons", {"percent_off": 0}, "percent_off"),
        ("coupons", {"percent_off": "100.01"}, "percent_off"),
        ("coupons", {"percent_off": 5, "name": "n" * 41}, "name"),
        ("coupons", {"percent_off": 5, "redeem_by": at(2031, 1, 1) + 1}, "redeem_by"),
        ("test_helpers/test_clocks", {"frozen_time": 5, "name": "n" * 300}, None),
        ("test_helpers/test_clocks", {"frozen_time": 5, "name": "n" * 301}, "name"),
        (
            "promotion_codes",
            {"promotion": {"type": "coupon", "coupon": "c"}, "code": "c" * 500},
            None,
        ),
        (
            "promotion_codes",
            {"promotion": {"type": "coupon", "coupon": "c"}, "code": "c" * 501},
            "code",
        ),
    ],
)
def test_texts_metadata_and_coupons(stock, path, body, param):
    status, answer = stock.account.request("POST", f"/v1/{path}", body)
    assert (status, (answer.get("error") or {}).get("param")) == (200 if param is None else 400, param)


@pytest.mark.parametrize(
    ("terms", "param"),
    [
        ({"unit_amount": 0}, None),
        ({"unit_amount": -1}, "unit_amount"),
        ({"unit_amount": 999_999_999_999}, None),
        ({"unit_amount": 1_000_000_000_000}, "unit_amount"),
        ({"unit_amount_decimal": "0.123456789012"}, None),
        ({"unit_amount_decimal": "0.1234567890123"}, "unit_amount_decimal"),
        ({"unit_amount": 5, "lookup_key": "k" * 200}, None),
        ({"unit_amount": 5, "lookup_key": "k" * 201}, "lookup_key"),
        *(
            (
                {"unit_amount": 5, "recurring": {"interval": unit, "interval_count": count}},
                None if fits else "recurring[interval_count]",
            )
            for unit, count, fits in (
                ("year", 3, True),
                ("year", 4, False),
                ("month", 36, True),
                ("month", 37, False),
                ("week", 156, True),
                ("week", 157, False),
                ("month", 0, False),
            )
        ),
    ],
)
def test_prices(stock, terms, param):
    body = {"currency": "usd", "product": "p", **terms}
    status, answer = stock.account.request("POST", "/v1/prices", body)
    assert (status, (answer.get("error") or {}).get("param")) == (200 if param is None else 400, param)


@pytest.mark.parametrize(
    ("terms", "param"),
    [
        ({"amount": -5}, None),
        ({"unit_amount_decimal": "-5", "quantity": 0}, None),
        ({"unit_amount_decimal": "5", "quantity": -1}, "quantity"),
        ({"unit_amount_decimal": "5", "quantity_decimal": "0.123456789012"}, None),
        ({"unit_amount_decimal": "5", "quantity_decimal": "0.1234567890123"}, "quantity_decimal"),
        ({"unit_amount_decimal": "5", "quantity_decimal": "-1"}, "quantity_decimal"),
        ({"price_data": {"currency": "usd", "product": "p", "unit_amount": -5}}, None),
    ],
)
def test_invoice_items(stock, terms, param):
    body = {"customer": stock.customer(), "currency": "usd", **terms}
    status, answer = stock.account.request("POST", "/v1/invoiceitems", body)
    assert (status, (answer.get("error") or {}).get("param")) == (200 if param is None else 400, param)


@pytest.mark.parametrize(
    ("extra", "param"),
    [
        ({"description": "d" * 1500, "custom_fields": [{"name": "n" * 40, "value": "v" * 140}] * 4}, None),
        ({"description": "d" * 1501}, "description"),
        ({"custom_fields": [{"name": "n", "value": "v"}] * 5}, "custom_fields"),
        ({"custom_fields": [{"name": "n" * 41, "value": "v"}]}, "custom_fields[0][name]"),
        ({"custom_fields": [{"name": "n", "value": "v" * 141}]}, "custom_fields[0][value]"),
    ],
)
def test_texts_of_invoices(stock, extra, param):
    body = {"customer": stock.customer(), **extra}
    status, answer = stock.account.request("POST", "/v1/invoices", body)
    assert (status, (answer.get("error") or {}).get("param")) == (200 if param is None else 400, param)


def test_descriptions_of_subscriptions_and_schedules(api):
    customer, price = api.customer(), api.price(5)
    api.subscribe(*items(price), description="d" * 500)
    body = {"customer": customer, "items": items(price), "description": "d" * 501}
    assert api.refused("POST", SUBSCRIPTIONS, body)["param"] == "description"
    for settings, terms, param in (
        ({"description": "d" * 500}, {"description": "d" * 500}, None),
        ({"description": "d" * 501}, {}, "default_settings[description]"),
        ({}, {"description": "d" * 501}, "phases[0][description]"),
    ):
        phases = [phase(price, end=at(2027, 1, 1), **terms)]
        schedule = {"customer": customer, "phases": phases, "default_settings": settings}
        status, answer = api.account.request("POST", SCHEDULES, schedule)
        assert (status, (answer.get("error") or {}).get("param")) == (400 if param else 200, param)


def test_past_phases_do_not_count(api):
    price = api.price(100)
    ends = [at(2026 + month // 12, month % 12 + 1, 1) for month in range(1, 13)]
    schedule = api.schedule(*(phase(price, end=end) for end in ends[:10]), start=at(2026, 1, 1))
    path = f"{SCHEDULES}/{schedule['id']}"

    def sent(count: int) -> dict:
        """All phases from the beginning, the first with its start."""
        phases = [phase(price, end=end) for end in ends[:count]]
        return {"phases": [{**phases[0], "start_date": at(2026, 1, 1)}, *phases[1:]]}

    api.refused("POST", path, sent(11))
    api.go(2026, 2, 2)
    running = {**phase(price, end=ends[1]), "start_date": at(2026, 2, 1)}
    later = [phase(price, end=end) for end in ends[2:]]
    api.refused("POST", path, {"phases": [running, *later]})
    assert len(api.post(path, {"phases": [running, *later[:-1]]})["phases"]) == 11


def test_twenty_items_of_one_currency(api):
    prices = [api.price(1) for _ in range(21)]
    customer = api.customer()
    for path, body in (
        ("subscriptions", {"items": []}),
        ("subscriptions", {"items": items(*prices)}),
        ("subscription_schedules", {"phases": [phase(*prices, end=at(2027, 1, 1))]}),
        ("subscription_schedules", {"phases": [{"items": [], "end_date": at(2027, 1, 1)}]}),
    ):
        refused = api.refused("POST", f"/v1/{path}", {"customer": customer, **body})
        assert refused["param"] in ("items", "phases[0][items]")
    subscription = api.subscribe(*items(*prices[:20]), customer=customer)
    path = f"{SUBSCRIPTIONS}/{subscription['id']}"
    assert "maximum 20 items" in api.refused("POST", path, {"items": items(prices[20])})["message"]
    euros = api.price(1, currency="eur")
    body = {"customer": api.customer(), "items": items(prices[0], euros)}
    assert api.refused("POST", SUBSCRIPTIONS, body)["param"] == "items[1][price]"


def test_twenty_one_time_items(api):
    setup, price = {"price": api.one_time(5)}, api.price(5)
    body = {"customer": api.customer(), "items": items(price)}
    phases = [phase(price, end=at(2027, 1, 1), add_invoice_items=[setup] * 21)]
    error = api.refused("POST", SCHEDULES, {"customer": body["customer"], "phases": phases})
    assert error["param"] == "phases[0][add_invoice_items]"
    error = api.refused("POST", SUBSCRIPTIONS, {**body, "add_invoice_items": [setup] * 21})
    assert error["param"] == "add_invoice_items"
    api.post(SUBSCRIPTIONS, {**body, "add_invoice_items": [setup] * 20})
    assert len(api.invoices()[0]["lines"]["data"]) == 21


def test_two_hundred_and_fifty_lines(api_at):
    api = api_at(2026, 1, 1)
    customer = api.customer()
    invoice = api.post("/v1/invoices", {"customer": customer})["id"]
    path = f"/v1/invoices/{invoice}/add_lines"
    api.post(path, {"lines": [{"amount": 1}] * 250})
    api.refused("POST", path, {"lines": [{"amount": 1}]})
    item = {"customer": customer, "invoice": invoice, "amount": 1, "currency": "usd"}
    api.refused("POST", "/v1/invoiceitems", item)
    # 250 weeks back are 250 lines, one more is refused.
    body = {"customer": customer, "items": items(api.price(5, "week"))}
    week = 7 * 86_400
    for weeks, accepted in ((250, True), (251, False)):
        start = at(2026, 1, 1) - weeks * week + 1
        status, _ = api.account.request("POST", SUBSCRIPTIONS, {**body, "backdate_start_date": start})
        assert (status == 200) == accepted


def test_five_hundred_subscriptions_of_one_customer(api):
    customer, price = api.customer(), api.price(5)
    terms = [phase(price, end=at(2027, 1, 1))]
    waiting = {"customer": customer, "start_date": at(2026, 6, 1), "phases": terms}
    for _ in range(250):
        api.subscribe(*items(price), customer=customer)
        last = api.post(SCHEDULES, waiting)
    for path, body in ((SCHEDULES, waiting), (SUBSCRIPTIONS, {"customer": customer, "items": items(price)})):
        assert api.refused("POST", path, body)["code"] == "customer_max_subscriptions"
    api.post(f"{SCHEDULES}/{last['id']}/cancel")
    api.subscribe(*items(price), customer=customer)


@pytest.mark.parametrize(("amount", "code"), [(100_000_000, "amount_too_large"), (99_999_999, None)])
def test_one_charge_has_eight_digits(api, amount, code):
    customer = api.customer()
    body = {"customer": customer, "amount": amount, "currency": "usd"}
    api.post("/v1/invoiceitems", body)
    named = {"customer": customer, "pending_invoice_items_behavior": "include"}
    invoice = api.post("/v1/invoices", named)
    assert invoice["total"] == amount
    status, answer = api.account.request("POST", f"/v1/invoices/{invoice['id']}/pay", {})
    assert (status, (answer.get("error") or {}).get("code")) == (400 if code else 200, code)


def test_lists_and_expansion(api):
    for limit, accepted in ((0, False), (1, True), (100, True), (101, False)):
        assert (api.account.request("GET", "/v1/prices", {"limit": limit})[0] == 200) == accepted
    api.refused("GET", "/v1/invoices", {"expand": ["data.a.b.c.d.e"]})


@pytest.fixture
def churned(api_at):
    """A subscription in an account that limits churn."""
    api = api_at(2026, 1, 1, collection=CollectionSettings(limits_churn=True))
    subscription = api.subscribe(*items(api.price(100)))
    return api, f"{SUBSCRIPTIONS}/{subscription['id']}", subscription["items"]["data"][0]["id"]


def resize(item: str, quantity: int, **params) -> dict:
    return {"items": [{"id": item, "quantity": quantity}], **params}


def test_ten_new_invoices_a_minute_and_twenty_a_day(churned):
    api, path, item = churned
    now = {"proration_behavior": "always_invoice"}
    for quantity in range(2, 11):
        api.post(path, resize(item, quantity, **now))
    answer = api.account.respond("POST", path, resize(item, 50, **now), api_key="sk_test_x")
    assert (answer.status, answer.body["error"]["code"]) == (429, "rate_limit")
    assert answer.headers["Stripe-Rate-Limited-Reason"] == "resource-specific"
    api.post(path, resize(item, 11))
    api.go(2026, 1, 1, 1)
    for quantity in range(12, 22):
        api.post(path, resize(item, quantity, **now))
    api.go(2026, 1, 1, 2)
    anchored = {"billing_cycle_anchor": {"type": "now"}}
    for body in (resize(item, 50, **now), anchored):
        api.refused("POST", path, body, status=429)
    waiting = {"customer": api.invoices()[0]["customer"], "amount": 5, "currency": "usd"}
    api.post("/v1/invoiceitems", waiting)
    api.refused("POST", "/v1/invoices", {"subscription": path.rpartition("/")[2]}, status=429)
    # What the clock makes is not refused, and a day later there is room again.
    api.go(2026, 2, 1, 2)
    api.post(path, resize(item, 22, **now))


def test_two_hundred_quantity_updates_an_hour(churned):
    api, path, item = churned
    for quantity in range(2, 202):
        api.post(path, resize(item, quantity))
    api.refused("POST", path, resize(item, 500), status=429)
    api.post(path, {"metadata": {"a": "b"}})
    api.go(2026, 1, 1, 1)
    api.post(path, resize(item, 500))


def test_a_schedule_is_limited_as_its_subscription_is(api_at):
    api = api_at(2026, 1, 1, collection=CollectionSettings(limits_churn=True))
    price = api.price(3100)
    schedule = api.schedule(phase(price, end=at(2027, 1, 1)), start=at(2026, 1, 1))
    path = f"{SCHEDULES}/{schedule['id']}"

    def sent(quantity: int) -> dict:
        terms = phase(price, end=at(2027, 1, 1), quantity=quantity, start_date=at(2026, 1, 1))
        return {"phases": [terms], "proration_behavior": "always_invoice"}

    for quantity in range(2, 11):
        api.post(path, sent(quantity))
    api.refused("POST", path, sent(50), status=429)


def test_churn_is_not_limited_unless_asked_for(api):
    subscription = api.subscribe(*items(api.price(100)))
    path, item = f"{SUBSCRIPTIONS}/{subscription['id']}", subscription["items"]["data"][0]["id"]
    for quantity in range(2, 26):
        api.post(path, resize(item, quantity, proration_behavior="always_invoice"))
    assert len(api.invoices()) == 25
