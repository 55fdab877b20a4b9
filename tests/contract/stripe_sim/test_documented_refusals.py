"""The vendor's documented rules about requests, one by one, with the texts where they are known."""

import pytest
from tests.contract.stripe_sim.stripe_driver import Api, at, items, phase

SCHEDULES = "/v1/subscription_schedules"
SUBSCRIPTIONS = "/v1/subscriptions"


def schedule_of(api: Api, *phases: dict, **params) -> dict:
    return {"customer": api.customer(), "phases": list(phases), **params}


def subscription_of(api: Api, *entries: dict, **params) -> dict:
    return {"customer": api.customer(), "items": list(entries), **params}


@pytest.mark.parametrize(
    ("path", "params", "message", "code", "param"),
    [
        ("/v1/customers", {"coupon": "c"}, "Received unknown parameter: coupon", "parameter_unknown", "coupon"),
        (SUBSCRIPTIONS, {"items": [{"current_period_end": 1}]}, "Received unknown parameter: items[0][current_period_end]", "parameter_unknown", "items[0][current_period_end]"),
        (SUBSCRIPTIONS, {"coupon": "c"}, "Received unknown parameter: coupon", "parameter_unknown", "coupon"),
        (SCHEDULES, {"phases": [{"metadata": {"a": "b"}}]}, "Missing required param: phases[0][items].", "parameter_missing", "phases[0][items]"),
        (SUBSCRIPTIONS, {"items": [{"price": "p"}]}, "Missing required param: customer.", "parameter_missing", "customer"),
        (SCHEDULES, {"phases": [{"items": [{"quantity": "2.4"}]}]}, "Invalid integer: 2.4", "parameter_invalid_integer", "phases[0][items][0][quantity]"),
        (SCHEDULES, {"start_date": "soon"}, "Invalid integer: soon", "parameter_invalid_integer", "start_date"),
        (SUBSCRIPTIONS, {"collection_method": "cash"}, "Invalid collection_method: must be one of charge_automatically or send_invoice", None, "collection_method"),
    ],
)  # fmt: skip
def test_texts_about_parameters(api, path, params, message, code, param):
    error = api.refused("POST", path, params)
    assert (error["message"], error.get("code"), error["param"]) == (message, code, param)
    assert error["type"] == "invalid_request_error"
    assert error["request_log_url"].startswith("https://dashboard.stripe.com/")
    if code:
        assert error["doc_url"] == f"https://stripe.com/docs/error-codes/{code.replace('_', '-')}"


def test_the_old_preview_is_gone(api):
    assert api.refused("GET", "/v1/invoices/upcoming", status=404)["type"] == "invalid_request_error"


@pytest.mark.parametrize(
    ("method", "path", "params", "names"),
    [
        ("GET", "/v1/events", {"type": "a", "types": ["b"]}, "type, types"),
        ("GET", SCHEDULES, {"canceled_at": 5, "scheduled": True}, "canceled_at, scheduled"),
        (
            "GET",
            "/v1/customers",
            {"starting_after": "a", "ending_before": "b"},
            "starting_after, ending_before",
        ),
    ],
)
def test_parameters_that_exclude_each_other(api, method, path, params, names):
    error = api.refused(method, path, params)
    assert error["message"] == f"You may only specify one of these parameters: {names}."


def test_a_price_stands_once_among_the_items_of_a_subscription(api):
    price = api.price(100)
    text = f"Cannot create a Subscription with multiple Subscription Items with the same Price: {price}"
    for path, body, param in (
        (SUBSCRIPTIONS, subscription_of(api, *items(price, price)), "plan"),
        (SCHEDULES, schedule_of(api, phase(price, price, end=at(2027, 1, 1))), "plan"),
    ):
        error = api.refused("POST", path, body)
        assert (error["message"], error["param"]) == (text, param)


def test_a_price_cannot_be_added_beside_itself(api):
    price = api.price(100)
    subscription = api.subscribe(*items(price))
    (item,) = subscription["items"]["data"]
    error = api.refused("POST", f"{SUBSCRIPTIONS}/{subscription['id']}", {"items": items(price)})
    assert error["message"].startswith(
        f"A new item with Price {price} can't be added to this Subscription because an existing Subscription "
        f"Item {item['id']} is already using that Price."
    )


def test_the_same_price_may_return_in_another_phase_and_inline_prices_never_collide(api):
    product = api.post("/v1/products", {"name": "Pro"})["id"]
    inline = {
        "price_data": {
            "currency": "usd",
            "product": product,
            "unit_amount": 5,
            "recurring": {"interval": "month"},
        }
    }
    price = api.price(100)
    made = api.schedule(
        {"items": [inline, inline, *items(price)], "end_date": at(2026, 2, 1)},
        phase(price, end=at(2026, 3, 1)),
        start=at(2026, 1, 1),
    )
    assert len({item["price"] for item in made["phases"][0]["items"]}) == 3


def test_one_currency_for_all_items(api):
    dollars, canadian = api.price(100), api.price(100, currency="cad")
    error = api.refused("POST", SUBSCRIPTIONS, subscription_of(api, *items(canadian, dollars)))
    assert error["param"] == "items[1][price]"
    assert error["message"].startswith(
        "This `price` has `currency=usd`, but other items use `currency=cad`. All items must have pricing in the "
        "same currency."
    )
    subscription = api.subscribe(*items(canadian))
    error = api.refused("POST", f"{SUBSCRIPTIONS}/{subscription['id']}", {"items": items(dollars)})
    assert error["message"] == (
        "The price specified only supports `usd`. This doesn't match the expected currency: `cad`."
    )


ALLOWED = [
    ["1 month", "3 month"],
    ["1 month", "1 year"],
    ["1 day", "1 week"],
    ["1 day", "3 month"],
    ["1 day", "2 year"],
    ["2 week", "4 week"],
    ["2 month", "4 month", "6 month"],
]
REFUSED = [
    ["2 month", "3 month"],
    ["4 month", "6 month"],
    ["1 week", "1 month"],
    ["2 day", "1 week"],
    ["5 month", "1 year"],
]


def prices_of(api: Api, intervals: list[str]) -> list[str]:
    found = [interval.split() for interval in intervals]
    return [api.price(100, unit, int(count)) for count, unit in found]


@pytest.mark.parametrize("intervals", ALLOWED, ids=" with ".join)
def test_intervals_that_go_together(api, intervals):
    api.subscribe(*items(*prices_of(api, intervals)))
    api.subscribe(*items(*reversed(prices_of(api, intervals))))


@pytest.mark.parametrize("intervals", REFUSED, ids=" with ".join)
def test_intervals_that_do_not(api, intervals):
    prices = prices_of(api, intervals)
    api.refused("POST", SUBSCRIPTIONS, subscription_of(api, *items(*prices)))
    api.refused("POST", SUBSCRIPTIONS, subscription_of(api, *items(*reversed(prices))))
    api.refused("POST", SCHEDULES, schedule_of(api, phase(*prices, end=at(2027, 1, 1))))
    running = api.subscribe(*items(prices[0]))
    api.refused("POST", f"{SUBSCRIPTIONS}/{running['id']}", {"items": items(prices[1])})


def test_classic_mode_has_one_interval(api):
    body = subscription_of(
        api, *items(*prices_of(api, ["1 month", "1 year"])), billing_mode={"type": "classic"}
    )
    assert api.refused("POST", SUBSCRIPTIONS, body)["message"] == (
        "Currency and interval fields must match across all plans on this subscription. Found mismatch in "
        "interval field."
    )


def test_recurring_and_one_time_prices_have_their_places(api):
    once, monthly = api.one_time(100), api.price(100)
    add = {"add_invoice_items": [{"price": monthly}]}
    for path, body, param in (
        (SUBSCRIPTIONS, subscription_of(api, *items(once)), "items[0][price]"),
        (SUBSCRIPTIONS, subscription_of(api, *items(monthly), **add), "add_invoice_items[0][price]"),
        (SCHEDULES, schedule_of(api, phase(once, end=at(2027, 1, 1))), "phases[0][items][0][price]"),
        (SCHEDULES, schedule_of(api, phase(monthly, end=at(2027, 1, 1), **add)), "phases[0][add_invoice_items][0][price]"),
    ):  # fmt: skip
        assert api.refused("POST", path, body)["param"] == param


def test_an_archived_price_is_refused_and_an_inactive_product_too(api):
    price = api.price(100)
    api.post(f"/v1/prices/{price}", {"active": False})
    error = api.refused("POST", SUBSCRIPTIONS, subscription_of(api, *items(price)))
    assert error["message"].startswith("The price specified is inactive.")
    assert error["param"] == "items[0][price]"


def test_a_new_price_of_an_item_starts_at_one_unit_unless_told(api):
    first, second, third = api.price(100), api.price(200), api.price(300)
    path = f"{SUBSCRIPTIONS}/{api.subscribe(*items(first, quantity=7))['id']}"
    item = api.get(path)["items"]["data"][0]["id"]
    changed = api.post(path, {"items": [{"id": item, "price": second}]})
    assert changed["items"]["data"][0]["quantity"] == 1
    changed = api.post(path, {"items": [{"id": item, "price": third, "quantity": 4}]})
    assert changed["items"]["data"][0]["quantity"] == 4
    made = api.schedule({"items": [{"price": first}], "end_date": at(2027, 1, 1)}, start=at(2026, 1, 1))
    assert made["phases"][0]["items"][0]["quantity"] == 1


WITHOUT = "If invoice collection method is 'send_invoice', you must specify 'days_until_due'."
BESIDE = "You can only specify 'days_until_due' if invoice collection method is 'send_invoice'."


def test_days_until_due_belong_to_invoices_that_are_sent(api):
    price = api.price(100)
    item, end = items(price), at(2027, 1, 1)
    for params, text in (
        ({"collection_method": "send_invoice"}, WITHOUT),
        ({"days_until_due": 5}, BESIDE),
    ):
        assert api.refused("POST", SUBSCRIPTIONS, subscription_of(api, *item, **params))["message"] == text
        error = api.refused("POST", "/v1/invoices", {"customer": api.customer(), **params})
        assert error["message"].startswith(text.removesuffix("."))
    for settings, text in (
        ({"collection_method": "send_invoice"}, WITHOUT),
        ({"invoice_settings": {"days_until_due": 5}}, BESIDE),
    ):
        in_phase = schedule_of(api, phase(price, end=end, **settings))
        by_default = schedule_of(api, phase(price, end=end), default_settings=settings)
        for body in (in_phase, by_default):
            assert api.refused("POST", SCHEDULES, body)["message"] == text


def test_without_a_payment_method_a_subscription_needs_leave_and_a_schedule_does_not(api):
    customer = api.post("/v1/customers")["id"]
    price, free = api.price(100), api.price(0)
    error = api.refused("POST", SUBSCRIPTIONS, {"customer": customer, "items": items(price)})
    assert error["code"] == "resource_missing"
    assert error["message"].startswith("This customer has no attached payment source")
    incomplete = {"customer": customer, "items": items(price), "payment_behavior": "default_incomplete"}
    assert api.post(SUBSCRIPTIONS, incomplete)["status"] == "incomplete"
    assert api.post(SUBSCRIPTIONS, {"customer": customer, "items": items(free)})["status"] == "active"
    made = api.schedule(phase(price, end=at(2027, 1, 1)), start=at(2026, 1, 1), customer=customer)
    (draft,) = api.invoices(subscription=made["subscription"])
    assert draft["status"] == "draft"
    api.go(2026, 1, 2)
    assert api.get(f"/v1/invoices/{draft['id']}")["status"] == "open"


@pytest.mark.parametrize(
    ("second", "param"),
    [
        ({"start_date": at(2026, 3, 2), "end_date": at(2026, 4, 1)}, "phases[1][start_date]"),
        ({"start_date": at(2026, 2, 27), "end_date": at(2026, 4, 1)}, "phases[1][start_date]"),
        ({"end_date": at(2026, 3, 1)}, "phases[1][end_date]"),
        ({"end_date": at(2026, 4, 1), "duration": {"interval": "month"}}, "phases[1][duration]"),
    ],
    ids=["gap", "overlap", "no time", "two ends"],
)
def test_phases_follow_each_other_and_have_one_end(api, second, param):
    price = api.price(100)
    path = f"{SCHEDULES}/{api.schedule(phase(price, end=at(2026, 3, 1)), start=at(2026, 1, 1))['id']}"
    first = {**phase(price, end=at(2026, 3, 1)), "start_date": at(2026, 1, 1)}
    body = {"phases": [first, {"items": items(price), **second}]}
    error = api.refused("POST", path, body)
    assert (error["type"], error.get("code"), error["param"]) == ("invalid_request_error", None, param)


def test_a_new_schedule_starts_now_unless_told(api):
    made = api.post(SCHEDULES, schedule_of(api, phase(api.price(100), end=at(2027, 1, 1))))
    assert (made["status"], made["phases"][0]["start_date"]) == ("active", at(2026, 1, 1))


def test_a_start_that_would_need_more_lines_than_an_invoice_holds_is_refused(api_at):
    api = api_at(2026, 9, 20)
    body = schedule_of(api, phase(api.price(100, "day"), end=at(2027, 1, 1)))
    api.refused("POST", SCHEDULES, {**body, "start_date": at(2026, 1, 1)})
    assert api.post(SCHEDULES, {**body, "start_date": at(2026, 1, 14)})["status"] == "active"
    assert api.get("/v1/invoices")["data"][0]["lines"]["total_count"] == 250


def test_the_running_phase_keeps_its_start_and_its_end_moves_only_ahead(api):
    price = api.price(100)
    path = f"{SCHEDULES}/{api.schedule(phase(price, end=at(2026, 6, 1)), start=at(2026, 1, 1))['id']}"
    api.go(2026, 3, 1)

    def sent(start: int, end: int | str) -> dict:
        return {"phases": [{"items": items(price), "start_date": start, "end_date": end}]}

    error = api.refused("POST", path, sent(at(2026, 1, 2), at(2026, 6, 1)))
    assert error["message"] == "You can not modify the start date of the current phase."
    assert api.refused("POST", path, sent(at(2026, 1, 1), at(2026, 2, 1)))["param"] == "phases[0][end_date]"
    error = api.refused("POST", path, {"phases": [phase(price, end=at(2026, 6, 1))]})
    assert error["message"] == (
        "The subscription schedule update is missing at least one phase with a `start_date` to anchor end dates "
        "to."
    )
    assert api.post(path, sent(at(2026, 1, 1), at(2026, 8, 1)))["phases"][0]["end_date"] == at(2026, 8, 1)
    ended = api.post(path, sent(at(2026, 1, 1), "now"))
    assert ended["phases"][0]["end_date"] == at(2026, 3, 1)


@pytest.mark.parametrize("verb", ["cancel", "release", "update"])
@pytest.mark.parametrize("status", ["canceled", "released", "completed"])
def test_a_schedule_that_is_over_cannot_be_changed(api, verb, status):
    schedule = api.schedule(phase(api.price(100), end=at(2026, 2, 1)), start=at(2026, 1, 1))
    path = f"{SCHEDULES}/{schedule['id']}"
    if status == "completed":
        api.go(2026, 2, 1)
    else:
        api.post(f"{path}/{ {'canceled': 'cancel', 'released': 'release'}[status] }")
    past = {"cancel": "canceled", "release": "released", "update": "updated"}[verb]
    error = api.refused("POST", path if verb == "update" else f"{path}/{verb}")
    assert error["message"] == (
        f"You cannot {verb} a subscription schedule that is currently in the `{status}` status. It must be in "
        f"`not_started, active` status to be {past}."
    )


def test_a_subscription_has_one_schedule_made_without_terms(api):
    price = api.price(100)
    subscription = api.subscribe(*items(price))["id"]
    body = {"from_subscription": subscription}
    for extra in (
        {"phases": [phase(price, end=at(2027, 1, 1))]},
        {"default_settings": {"description": "x"}},
        {"billing_mode": {"type": "flexible"}},
        {"end_behavior": "cancel"},
        {"customer": api.customer()},
    ):
        api.refused("POST", SCHEDULES, {**body, **extra})
    made = api.post(SCHEDULES, {**body, "metadata": {"a": "b"}, "expand": ["subscription"]})
    assert (made["metadata"], made["subscription"]["id"], len(made["phases"])) == (
        {"a": "b"},
        subscription,
        1,
    )
    api.refused("POST", SCHEDULES, body)


def test_a_schedule_alone_ends_its_subscription(api):
    schedule = api.schedule(phase(api.price(100), end=at(2027, 1, 1)), start=at(2026, 1, 1))
    path = f"{SUBSCRIPTIONS}/{schedule['subscription']}"
    text = (
        f"The subscription is managed by the subscription schedule `{schedule['id']}`, and updating any "
        "cancelation behavior directly is not allowed. Please update the schedule instead."
    )
    for change in ({"cancel_at_period_end": True}, {"cancel_at": at(2026, 9, 1)}, {"cancel_at": ""}):
        assert api.refused("POST", path, change)["message"] == text


def test_an_anchor_lies_before_the_next_natural_billing_date(api):
    body = subscription_of(api, *items(api.price(100)))
    error = api.refused("POST", SUBSCRIPTIONS, {**body, "billing_cycle_anchor": at(2026, 2, 2)})
    assert "cannot be later than next natural billing date" in error["message"]
    assert api.post(SUBSCRIPTIONS, {**body, "billing_cycle_anchor": at(2026, 2, 1)})


def test_a_proration_date_lies_in_the_running_period(api):
    subscription = api.subscribe(*items(api.price(100)))
    api.go(2026, 2, 10)
    item = subscription["items"]["data"][0]["id"]
    for moment in (at(2026, 1, 31), at(2026, 3, 2)):
        for path, body in (
            (f"{SUBSCRIPTIONS}/{subscription['id']}", {}),
            ("/v1/invoices/create_preview", None),
        ):
            change = {"items": [{"id": item, "quantity": 2}], "proration_date": moment}
            if body is None:
                change = {"subscription": subscription["id"], "subscription_details": change}
            assert "proration_date" in api.refused("POST", path, change)["param"]


def test_items_that_are_not_there(api):
    error = api.refused("GET", "/v1/subscription_items/si_nope", status=404)
    assert (error["message"], error.get("code")) == ("Invalid subscription_item id: si_nope", None)


def test_a_canceled_subscription_takes_no_changes(api):
    subscription = api.subscribe(*items(api.price(100)))
    path = f"{SUBSCRIPTIONS}/{subscription['id']}"
    api.call("DELETE", path)
    api.refused("POST", path, {"items": items(api.price(5))}, status=404)
    error = api.refused("DELETE", path, status=404)
    assert error["code"] == "resource_missing"


def test_a_finalized_invoice_changes_in_its_texts_only(api):
    invoice = api.invoices(subscription=api.subscribe(*items(api.price(100)))["id"])[0]["id"]
    path = f"/v1/invoices/{invoice}"
    line = {"lines": [{"amount": 5, "description": "x"}]}
    for tail, params in (
        ("", {"default_payment_method": "pm_card_visa"}),
        ("/add_lines", line),
        ("/remove_lines", {"lines": [{"id": "il_x", "behavior": "delete"}]}),
    ):
        assert api.refused("POST", path + tail, params)["code"] == "invoice_not_editable"
    assert api.post(path, {"metadata": {"a": "b"}, "auto_advance": False})["metadata"] == {"a": "b"}
    assert api.refused("POST", f"{path}/void")["message"] == "Invoices with `paid` payments cannot be voided."
    error = api.refused("POST", f"{path}/mark_uncollectible")
    assert error["message"] == "You can only pass in open invoices. This invoice isn't open."


def test_what_has_prices_stays_and_ids_are_taken_once(api):
    api.post("/v1/products", {"id": "p", "name": "Pro"})
    api.price(100, product="p", lookup_key="k")
    api.refused("DELETE", "/v1/products/p")
    coupon = api.coupon(id="c", percent_off=5, duration="forever")
    for path, body in (
        ("/v1/products", {"id": "p", "name": "Pro"}),
        ("/v1/coupons", {"id": coupon, "percent_off": 5}),
        ("/v1/prices", {"currency": "usd", "unit_amount": 5, "product": "p", "lookup_key": "k"}),
    ):
        assert api.refused("POST", path, body)["code"] == "resource_already_exists"


def test_five_hundred_subscriptions_are_enough(api):
    customer = api.customer()
    price = api.price(0)
    body = {"customer": customer, "items": items(price)}
    for _ in range(500):
        api.post(SUBSCRIPTIONS, body)
    assert api.refused("POST", SUBSCRIPTIONS, body)["code"] == "customer_max_subscriptions"
    plan = {"customer": customer, "phases": [phase(price, end=at(2027, 1, 1))]}
    assert api.refused("POST", SCHEDULES, plan)["code"] == "customer_max_subscriptions"
