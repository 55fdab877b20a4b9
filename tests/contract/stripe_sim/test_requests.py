"""Parameters, errors, idempotency, listing and expansion of the simulated account."""

from datetime import UTC, datetime, timedelta

import pytest
from tests.contract.stripe_sim.stripe_driver import at, items, phase

from cpqbridge_sim.stripe.account import Account
from cpqbridge_sim.stripe.form import decode

SCHEDULES = "/v1/subscription_schedules"


@pytest.mark.parametrize(
    ("path", "params", "code", "param"),
    [
        (SCHEDULES, {"phases": [{"items": [], "iterations": 12}]}, "parameter_unknown", "phases[0][iterations]"),
        (SCHEDULES, {"phases": [{"items": [{"coupon": "x"}]}]}, "parameter_unknown", "phases[0][items][0][coupon]"),
        (SCHEDULES, {"phases": [{"metadata": {"a": "b"}}]}, "parameter_missing", "phases[0][items]"),
        (SCHEDULES, {"start_date": "2.4"}, "parameter_invalid_integer", "start_date"),
        (SCHEDULES, {"phases": [{"items": [{"quantity": "2.4"}]}]}, "parameter_invalid_integer", "phases[0][items][0][quantity]"),
        (SCHEDULES, {"end_behavior": "stop"}, None, "end_behavior"),
        (SCHEDULES, {"customer": ""}, "parameter_invalid_empty", "customer"),
        (SCHEDULES, {"phases": "x"}, None, "phases"),
        ("/v1/customers", {"metadata": {"k" * 41: "v"}}, None, f"metadata[{'k' * 41}]"),
        ("/v1/customers", {"metadata": {"k": "v" * 501}}, None, "metadata[k]"),
        ("/v1/customers", {"metadata": {str(n): "v" for n in range(51)}}, None, "metadata"),
        ("/v1/customers", {"name": "n" * 257}, None, "name"),
        ("/v1/prices", {"currency": "usd", "unit_amount": 1}, "parameter_missing", "product"),
        ("/v1/prices", {"currency": "usd", "product": "nope", "unit_amount": 1}, "resource_missing", "product"),
        ("/v1/invoices/create_preview", {}, "parameter_missing", "customer"),
    ],
)  # fmt: skip
def test_a_bad_parameter_is_named_by_its_path(api, path, params, code, param):
    error = api.refused("POST", path, params)
    assert (error["type"], error.get("code"), error["param"]) == ("invalid_request_error", code, param)


def test_t58_iterations_are_gone(api):
    phases = [{**phase(api.price(1), end=at(2027, 1, 1)), "iterations": 12}]
    error = api.refused("POST", SCHEDULES, {"customer": api.customer(), "phases": phases})
    assert error["code"] == "parameter_unknown"
    assert error["message"] == "Received unknown parameter: phases[0][iterations]"


def test_a_wrong_word_names_the_choices(api):
    error = api.refused("POST", SCHEDULES, {"phases": [{"items": [{}], "proration_behavior": "maybe"}]})
    assert error["message"] == (
        "Invalid phases[0][proration_behavior]: must be one of always_invoice, create_prorations, or none"
    )


def test_form_text_decodes_into_nested_values():
    text = "a[b][0][c]=1&a[b][1][c]=2&expand[]=x&expand[]=y&m[k]=&e=%C3%A9"
    assert decode(text) == {
        "a": {"b": [{"c": "1"}, {"c": "2"}]},
        "expand": ["x", "y"],
        "m": {"k": ""},
        "e": "é",
    }


def test_an_empty_string_unsets(api):
    terms = {"id": "p1", "name": "Pro", "description": "Seats", "metadata": {"a": "1", "b": "2"}}
    path = f"/v1/products/{api.post('/v1/products', terms)['id']}"
    assert api.post(path, {"description": "", "metadata": {"a": ""}})["metadata"] == {"b": "2"}
    changed = api.post(path, {"metadata": ""})
    assert (changed["description"], changed["metadata"]) == (None, {})
    assert api.refused("POST", path, {"name": ""})["code"] == "parameter_invalid_empty"


@pytest.mark.parametrize("key", [None, "", "sk_test_", "sk_live_abc", "nonsense"])
def test_a_key_that_is_no_test_key_answers_401(account, key):
    status, body = account.request("GET", "/v1/account", api_key=key)
    assert (status, body["error"]["type"]) == (401, "invalid_request_error")


def test_only_the_named_keys_are_accepted():
    account = Account(datetime(2026, 1, 1, tzinfo=UTC), keys={"rk_test_one"})
    assert account.request("GET", "/v1/account", api_key="rk_test_one")[0] == 200
    assert account.request("GET", "/v1/account", api_key="rk_test_two")[0] == 401


def test_a_live_account_takes_live_keys_only_and_says_so():
    account = Account(datetime(2026, 1, 1, tzinfo=UTC), live=True)
    assert account.request("POST", "/v1/customers", {}, api_key="sk_test_x")[0] == 401
    assert account.request("POST", "/v1/customers", {}, api_key="sk_live_x")[1]["livemode"] is True


def test_an_unknown_version_or_address_is_refused(account):
    assert account.request("GET", "/v1/account", stripe_version="2024-06-20")[0] == 400
    assert account.request("GET", "/v1/account", stripe_version="2026-10-28.endive")[0] == 200
    status, body = account.request("GET", "/v1/invoices/upcoming/lines/x")
    assert (status, body["error"]["type"]) == (404, "invalid_request_error")


def test_an_unknown_id_in_the_path_is_404_and_in_the_body_400(api):
    error = api.refused("GET", "/v1/prices/price_nope", status=404)
    assert (error["code"], error["param"]) == ("resource_missing", "id")
    phases = [phase("price_nope", end=at(2027, 1, 1))]
    error = api.refused("POST", SCHEDULES, {"customer": api.customer(), "phases": phases})
    assert (error["code"], error["param"]) == ("resource_missing", "phases[0][items][0][price]")
    assert error["message"] == "No such price: 'price_nope'"
    error = api.refused("POST", SCHEDULES, {"customer": "cus_nope", "phases": phases}, status=404)
    assert error["param"] == "customer"


def test_t57_a_key_replays_even_a_business_refusal_for_a_day(api):
    params = {"id": "p1", "name": "Pro"}
    first = api.post("/v1/products", params, idempotency_key="k1")
    again = api.account.respond("POST", "/v1/products", params, idempotency_key="k1", api_key="sk_test_x")
    assert again.body == first
    assert again.headers["Idempotent-Replayed"] == "true"
    assert again.headers["Original-Request"].startswith("req_")
    assert len(api.get("/v1/products")["data"]) == 1
    status, body = api.account.request("POST", "/v1/products", {**params, "name": "X"}, idempotency_key="k1")
    assert (status, body["error"]["type"]) == (400, "idempotency_error")
    status, body = api.account.request("POST", "/v1/customers", {"name": "X"}, idempotency_key="k1")
    assert (status, body["error"]["type"]) == (400, "idempotency_error")
    refused = api.account.request("POST", "/v1/products", params, idempotency_key="k2")
    assert refused[1]["error"]["code"] == "resource_already_exists"
    api.call("DELETE", "/v1/products/p1")
    assert api.account.request("POST", "/v1/products", params, idempotency_key="k2") == refused
    api.account.advance(api.account.now + timedelta(hours=24))
    assert api.post("/v1/products", params, idempotency_key="k2")["id"] == "p1"


def test_a_refused_parameter_does_not_use_up_its_key(api):
    assert api.account.request("POST", "/v1/customers", {"nme": "x"}, idempotency_key="k")[0] == 400
    assert api.post("/v1/customers", {"name": "x"}, idempotency_key="k")["name"] == "x"


def test_a_refused_request_leaves_nothing_behind(api):
    data = {"currency": "usd", "product": "nope", "unit_amount": 1, "recurring": {"interval": "month"}}
    good = {
        "items": [
            {"price_data": {**data, "product": api.post("/v1/products", {"id": "p", "name": "P"})["id"]}}
        ]
    }
    customer = api.customer()
    before = api.account.all_objects()
    phases = [
        {**good, "end_date": at(2027, 1, 1)},
        {"items": [{"price_data": data}], "end_date": at(2028, 1, 1)},
    ]
    api.refused("POST", SCHEDULES, {"customer": customer, "phases": phases})
    assert api.account.all_objects() == before


def test_lists_page_by_cursor_and_refuse_a_bad_limit(api):
    made = [api.customer() for _ in range(4)]
    page = api.get("/v1/customers", {"limit": 2, "starting_after": made[3]})
    assert [body["id"] for body in page["data"]] == [made[2], made[1]]
    assert page["has_more"] is True
    back = api.get("/v1/customers", {"limit": 2, "ending_before": made[0]})
    assert [body["id"] for body in back["data"]] == [made[2], made[1]]
    assert api.refused("GET", "/v1/customers", {"limit": 101})["param"] == "limit"
    assert api.refused("GET", "/v1/customers", {"per_page": 1})["code"] == "parameter_unknown"


def test_expansion_goes_four_levels_deep(api):
    schedule = api.schedule(phase(api.price(100), end=at(2027, 1, 1)), start=at(2026, 1, 1))
    paths = ["subscription.latest_invoice.customer", "phases.items.price.product"]
    shown = api.get(f"{SCHEDULES}/{schedule['id']}", {"expand": paths})
    assert shown["subscription"]["latest_invoice"]["customer"]["object"] == "customer"
    assert shown["phases"][0]["items"][0]["price"]["product"]["object"] == "product"
    listed = api.get("/v1/invoices", {"expand": ["data.parent.subscription_details.subscription.schedule"]})
    parent = listed["data"][0]["parent"]["subscription_details"]["subscription"]
    assert parent["schedule"]["id"] == schedule["id"]
    api.refused("GET", f"{SCHEDULES}/{schedule['id']}", {"expand": ["a.b.c.d.e"]})
    error = api.refused("GET", f"{SCHEDULES}/{schedule['id']}", {"expand": ["customer.nothing"]})
    assert error["message"] == "This property cannot be expanded (customer.nothing)."


def test_answers_are_copies(api):
    customer = api.get(f"/v1/customers/{api.customer(name='Acme')}")
    customer["name"] = "changed"
    assert api.get(f"/v1/customers/{customer['id']}")["name"] == "Acme"


def test_events_tell_what_happened_with_the_object_as_it_was(api):
    api.schedule(phase(api.price(100), end=at(2026, 1, 20)), start=at(2026, 1, 1))
    api.go(2026, 1, 21)
    events = api.get("/v1/events", {"limit": 100, "types": ["invoice.*", "subscription_schedule.completed"]})
    kinds = [event["type"] for event in reversed(events["data"])]
    assert kinds[:4] == ["invoice.created", "invoice.finalized", "invoice.updated", "invoice.paid"]
    assert kinds[-1] == "subscription_schedule.completed"
    created = events["data"][-1]
    assert created["data"]["object"]["status"] == "draft"
    assert api.get(f"/v1/events/{created['id']}") == created


@pytest.mark.parametrize(
    ("path", "params", "param"),
    [
        ("/v1/prices", {"currency": "usd", "product": "p", "billing_scheme": "tiered", "tiers_mode": "volume", "tiers": [{"up_to": "inf"}]}, "billing_scheme"),
        ("/v1/prices", {"currency": "usd", "product": "p", "unit_amount": 1, "currency_options": {"eur": {"unit_amount": 1}}}, "currency_options"),
        ("/v1/subscriptions", {"customer": "c", "on_behalf_of": "acct_1", "items": []}, "on_behalf_of"),
        ("/v1/customers", {"tax_id_data": [{"type": "eu_vat", "value": "x"}]}, "tax_id_data"),
    ],
)  # fmt: skip
def test_what_is_not_simulated_is_refused_loudly(api, path, params, param):
    error = api.refused("POST", path, params)
    assert "not simulated" in error["message"]
    assert error["param"] == param


def test_the_log_keeps_refused_requests_too(api):
    api.refused("POST", "/v1/customers", {"nme": "x"})
    api.customer(name="Acme")
    assert [entry["status"] for entry in api.account.log.after(0)] == [400, 200]
    assert [entry["number"] for entry in api.account.log.after(1)] == [2]
    assert api.account.log.count == 2


def test_duplicate_ids_and_lookup_keys(api):
    api.post("/v1/products", {"id": "p1", "name": "Pro"})
    assert api.refused("POST", "/v1/products", {"id": "p1", "name": "X"})["code"] == "resource_already_exists"
    first = api.price(100, lookup_key="k")
    terms = {"currency": "usd", "unit_amount": 1, "product": "p1", "lookup_key": "k"}
    assert api.refused("POST", "/v1/prices", terms)["code"] == "resource_already_exists"
    second = api.post("/v1/prices", {**terms, "transfer_lookup_key": True})["id"]
    assert [body["id"] for body in api.get("/v1/prices", {"lookup_keys": ["k"]})["data"]] == [second]
    assert api.get(f"/v1/prices/{first}")["lookup_key"] is None
    assert items(first)[0]["price"] == first


def test_a_product_may_bring_its_default_price(api):
    terms = {"currency": "usd", "unit_amount": 500, "recurring": {"interval": "month"}}
    product = api.post("/v1/products", {"id": "p1", "name": "Pro", "default_price_data": terms})
    price = api.get(f"/v1/prices/{product['default_price']}")
    assert (price["product"], price["unit_amount"]) == ("p1", 500)


def test_an_archived_price_or_product_is_refused_in_a_new_item(api):
    price = api.price(100)
    api.post(f"/v1/prices/{price}", {"active": False})
    params = {"customer": api.customer(), "phases": [phase(price, end=at(2027, 1, 1))]}
    assert "inactive" in api.refused("POST", SCHEDULES, params)["message"]
    other = api.price(100)
    api.post(f"/v1/products/{api.get(f'/v1/prices/{other}')['product']}", {"active": False})
    params["phases"] = [phase(other, end=at(2027, 1, 1))]
    assert api.refused("POST", SCHEDULES, params)["code"] == "product_inactive"


def test_an_expired_coupon_is_refused(api):
    coupon = api.coupon(id="c1", percent_off=10, duration="forever", redeem_by=at(2026, 2, 1))
    assert (
        api.refused("POST", "/v1/coupons", {"id": "c1", "percent_off": 1})["code"]
        == "resource_already_exists"
    )
    api.go(2026, 2, 1)
    phases = [phase(api.price(1), end=at(2027, 1, 1), discounts=[{"coupon": coupon}])]
    error = api.refused("POST", SCHEDULES, {"customer": api.customer(), "phases": phases})
    assert (error["code"], error["param"]) == ("coupon_expired", "phases[0][discounts][0][coupon]")
