"""Subscriptions without a schedule."""

import pytest
from tests.contract.stripe_sim.stripe_driver import at, items, phase


def test_a_charged_subscription_is_paid_in_the_request(api):
    subscription = api.subscribe(*items(api.price(1000)), expand=["latest_invoice"])
    invoice = subscription["latest_invoice"]
    assert (subscription["status"], invoice["status"], invoice["amount_paid"]) == ("active", "paid", 1000)
    assert invoice["billing_reason"] == "subscription_create"
    assert (invoice["period_start"], invoice["period_end"]) == (at(2026, 1, 1), at(2026, 1, 1))


def test_a_sent_subscription_starts_with_a_draft_that_has_its_due_date(api):
    subscription = api.subscribe(
        *items(api.price(1000)),
        collection_method="send_invoice",
        days_until_due=30,
        expand=["latest_invoice"],
    )
    invoice = subscription["latest_invoice"]
    assert (subscription["status"], invoice["status"], invoice["number"]) == ("active", "draft", None)
    assert invoice["due_date"] == at(2026, 1, 31)


def test_without_a_payment_method_creation_is_refused_unless_incomplete(api):
    customer = api.post("/v1/customers", {})["id"]
    params = {"customer": customer, "items": items(api.price(1000))}
    assert api.refused("POST", "/v1/subscriptions", params)["code"] == "resource_missing"
    assert api.invoices() == []
    subscription = api.post("/v1/subscriptions", {**params, "payment_behavior": "default_incomplete"})
    assert subscription["status"] == "incomplete"
    api.go(2026, 1, 2)
    assert api.get(f"/v1/subscriptions/{subscription['id']}")["status"] == "incomplete_expired"


def test_paying_completes_an_incomplete_subscription(api):
    customer = api.post("/v1/customers", {})["id"]
    params = {"customer": customer, "items": items(api.price(1000)), "payment_behavior": "default_incomplete"}
    subscription = api.post("/v1/subscriptions", params)
    api.post(f"/v1/invoices/{subscription['latest_invoice']}/pay", {"paid_out_of_band": True})
    assert api.get(f"/v1/subscriptions/{subscription['id']}")["status"] == "active"


@pytest.mark.parametrize(
    ("behavior", "expected"),
    [
        ("create_prorations", [("2026-01-01", 484), ("2026-01-16", 1000)]),
        ("none", [("2026-01-16", 1000)]),
    ],
)
def test_a_later_anchor_bills_the_first_part(api, behavior, expected):
    api.subscribe(*items(api.price(1000)), billing_cycle_anchor=at(2026, 1, 16), proration_behavior=behavior)
    api.go(2026, 1, 16)
    assert api.dated() == expected


def test_an_anchor_beyond_the_next_billing_date_is_refused(api):
    params = {"customer": api.customer(), "items": items(api.price(1000))}
    error = api.refused("POST", "/v1/subscriptions", {**params, "billing_cycle_anchor": at(2026, 3, 1)})
    assert "cannot be later than next natural billing date" in error["message"]


def test_a_new_price_resets_the_quantity_unless_it_is_sent(api):
    subscription = api.subscribe({"price": api.price(1000), "quantity": 3})
    item, path = subscription["items"]["data"][0]["id"], f"/v1/subscriptions/{subscription['id']}"
    changed = api.post(path, {"items": [{"id": item, "price": api.price(900)}]})
    assert changed["items"]["data"][0]["quantity"] == 1
    assert changed["items"]["data"][0]["id"] == item


def test_a_price_in_use_cannot_be_added_again(api):
    price = api.price(1000)
    subscription = api.subscribe(*items(price))
    error = api.refused("POST", f"/v1/subscriptions/{subscription['id']}", {"items": [{"price": price}]})
    assert "is already using that Price" in error["message"]


def test_re_anchoring_now_credits_and_bills_anew(api):
    subscription = api.subscribe(*items(api.price(3100)))
    api.go(2026, 1, 16)
    changed = api.post(f"/v1/subscriptions/{subscription['id']}", {"billing_cycle_anchor": {"type": "now"}})
    assert changed["billing_cycle_anchor"] == at(2026, 1, 16)
    invoice = api.invoices()[-1]
    assert [line["amount"] for line in invoice["lines"]["data"]] == [-1600, 3100]
    assert (invoice["billing_reason"], invoice["status"]) == ("subscription_update", "paid")


def test_deleting_gives_nothing_back_unless_asked(api):
    subscription = api.subscribe(*items(api.price(3100)))
    api.go(2026, 1, 16)
    path = f"/v1/subscriptions/{subscription['id']}"
    api.post(path, {"items": [{"price": api.price(100)}]})
    deleted = api.call("DELETE", path)
    assert deleted["status"] == "canceled"
    api.go(2026, 3, 1)
    assert api.totals() == [3100]
    assert api.get("/v1/invoiceitems", {"pending": True})["data"] == []
    assert api.refused("DELETE", path, status=404)["code"] == "resource_missing"


def test_deleting_with_both_flags_ends_in_an_uncollectible_credit(api):
    subscription = api.subscribe(*items(api.price(3100)))
    api.go(2026, 1, 16)
    api.call("DELETE", f"/v1/subscriptions/{subscription['id']}", {"prorate": True, "invoice_now": True})
    api.go(2026, 1, 17)
    assert [(i["total"], i["status"]) for i in api.invoices()] == [(3100, "paid"), (-1600, "uncollectible")]


def test_deleting_with_prorate_alone_leaves_a_pending_credit(api):
    subscription = api.subscribe(*items(api.price(3100)))
    api.go(2026, 1, 16)
    api.call("DELETE", f"/v1/subscriptions/{subscription['id']}", {"prorate": True})
    pending = api.get("/v1/invoiceitems", {"pending": True})["data"]
    assert [body["amount"] for body in pending] == [-1600]


def test_cancel_at_cuts_the_running_period(api):
    subscription = api.subscribe(*items(api.price(3100)))
    path = f"/v1/subscriptions/{subscription['id']}"
    api.post(path, {"cancel_at": at(2026, 1, 16)})
    api.go(2026, 1, 20)
    assert api.dated() == [("2026-01-01", 3100), ("2026-01-16", -1600)]
    assert api.get(path)["status"] == "canceled"


def test_cancel_at_period_end_stops_the_renewal(api):
    subscription = api.subscribe(*items(api.price(3100)))
    path = f"/v1/subscriptions/{subscription['id']}"
    assert api.post(path, {"cancel_at_period_end": True})["cancel_at"] == at(2026, 2, 1)
    api.go(2026, 3, 1)
    assert api.totals() == [3100]


def test_a_credit_on_a_running_subscription_moves_the_balance(api_at):
    api = api_at(2026, 6, 1)
    subscription = api.subscribe(*items(api.price(2000)))
    api.go(2026, 6, 16)
    item = subscription["items"]["data"][0]["id"]
    api.post(
        f"/v1/subscriptions/{subscription['id']}",
        {"items": [{"id": item, "price": api.price(1000)}], "proration_behavior": "always_invoice"},
    )
    invoice = api.invoices()[-1]
    assert (invoice["total"], invoice["amount_due"], invoice["status"]) == (-500, 0, "paid")
    assert api.get(f"/v1/customers/{subscription['customer']}")["balance"] == -500
    api.go(2026, 7, 1, 1)
    assert api.invoices()[-1]["amount_due"] == 500


def test_canceled_subscriptions_are_listed_only_when_asked_for(api):
    customer = api.customer()
    subscription = api.subscribe(*items(api.price(100)), customer=customer)
    api.call("DELETE", f"/v1/subscriptions/{subscription['id']}")
    assert api.get("/v1/subscriptions", {"customer": customer})["data"] == []
    assert len(api.get("/v1/subscriptions", {"customer": customer, "status": "all"})["data"]) == 1


def test_items_of_a_canceled_subscription_are_gone(api):
    subscription = api.subscribe(*items(api.price(100)))
    api.call("DELETE", f"/v1/subscriptions/{subscription['id']}")
    path = f"/v1/subscriptions/{subscription['id']}"
    error = api.refused("POST", path, {"items": [{"price": api.price(1)}]}, status=404)
    assert (error["code"], error["param"]) == ("resource_missing", "subscription")
    assert api.refused("GET", "/v1/subscription_items/si_nope", status=404).get("code") is None


def test_a_test_clock_advances_at_most_two_intervals_and_only_forward(api):
    clock = api.post("/v1/test_helpers/test_clocks", {"frozen_time": at(2026, 6, 1)})
    path = f"/v1/test_helpers/test_clocks/{clock['id']}"
    customer = api.customer(test_clock=clock["id"])
    schedule = api.schedule(
        phase(api.price(100), end=at(2027, 6, 1)), start=at(2026, 6, 1), customer=customer
    )
    assert schedule["test_clock"] == clock["id"]
    api.refused("POST", f"{path}/advance", {"frozen_time": at(2026, 6, 1)})
    api.refused("POST", f"{path}/advance", {"frozen_time": at(2026, 8, 2)})
    api.post(f"{path}/advance", {"frozen_time": at(2026, 8, 1)})
    assert api.get("/v1/subscriptions")["data"] == []
    assert len(api.get("/v1/subscriptions", {"test_clock": clock["id"]})["data"]) == 1
    assert len(api.get("/v1/subscriptions", {"customer": customer})["data"]) == 1
    api.go(2030, 1, 1)
    assert [d for d, _ in api.dated()] == ["2026-06-01", "2026-07-01", "2026-08-01"]
    assert api.get("/v1/customers")["data"] == []
    api.call("DELETE", path)
    assert api.refused("GET", f"/v1/customers/{customer}", status=404)["code"] == "resource_missing"
    assert api.invoices() == []


def test_classic_starts_a_new_cycle_when_the_interval_changes(api):
    subscription = api.subscribe(*items(api.price(3100)), billing_mode={"type": "classic"})
    api.go(2026, 1, 16)
    item = subscription["items"]["data"][0]["id"]
    yearly = api.price(36500, "year")
    changed = api.post(f"/v1/subscriptions/{subscription['id']}", {"items": [{"id": item, "price": yearly}]})
    assert changed["billing_cycle_anchor"] == at(2026, 1, 16)
    assert api.totals() == [3100, 36500 - 1600]


def test_flexible_never_moves_the_anchor_by_itself(api):
    subscription = api.subscribe(*items(api.price(3100)))
    api.go(2026, 1, 16)
    item = subscription["items"]["data"][0]["id"]
    yearly = api.price(36500, "year")
    changed = api.post(f"/v1/subscriptions/{subscription['id']}", {"items": [{"id": item, "price": yearly}]})
    assert changed["billing_cycle_anchor"] == at(2026, 1, 1)
    assert changed["items"]["data"][0]["current_period_end"] == at(2027, 1, 1)
    pending = api.get("/v1/invoiceitems", {"pending": True})["data"]
    assert [body["amount"] for body in pending[::-1]] == [-1600, 35000]


def test_a_preview_takes_extra_items(api):
    subscription = api.subscribe(*items(api.price(1000)))
    extra = [{"price": api.one_time(250), "quantity": 2}, {"amount": -100, "currency": "usd"}]
    preview = api.post(
        "/v1/invoices/create_preview", {"subscription": subscription["id"], "invoice_items": extra}
    )
    assert [line["amount"] for line in preview["lines"]["data"]] == [500, -100, 1000]
    canceled = {"subscription": subscription["id"], "subscription_details": {"cancel_now": True}}
    api.go(2026, 1, 16, 12)
    assert api.post("/v1/invoices/create_preview", canceled)["total"] == -500
