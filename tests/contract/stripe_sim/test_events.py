"""What the account tells of: which events, in which order, and what each says was there before."""

from datetime import UTC, datetime

import pytest
from tests.contract.stripe_sim.stripe_driver import Api, at, day, items, phase

from cpqbridge_sim.stripe.collection_settings import CollectionSettings

SCHEDULES = "/v1/subscription_schedules"


def events(api: Api, *types: str) -> list[dict]:
    """All events of these types, oldest first."""
    page = api.get("/v1/events", {"limit": 100, **({"types": list(types)} if types else {})})
    assert not page["has_more"]
    return page["data"][::-1]


def kinds(api: Api, *types: str) -> list[str]:
    return [event["type"] for event in events(api, *types)]


def last(api: Api, kind: str) -> dict:
    return events(api, kind)[-1]


def test_an_update_says_what_was_there_before(api):
    customer = api.customer(name="Acme", metadata={"a": "1", "b": "2"})
    api.post(f"/v1/customers/{customer}", {"name": "Acme Ltd", "metadata": {"b": "3", "c": "4"}})
    event = last(api, "customer.updated")
    assert event["data"]["object"]["name"] == "Acme Ltd"
    assert event["data"]["previous_attributes"] == {"name": "Acme", "metadata": {"b": "2", "c": None}}
    assert "previous_attributes" not in last(api, "customer.created")["data"]


def test_an_update_that_changes_nothing_is_no_event(api):
    customer = api.customer(name="Acme")
    api.post(f"/v1/customers/{customer}", {"name": "Acme"})
    assert kinds(api, "customer.*") == ["customer.created"]


def test_a_list_that_changed_is_shown_as_a_whole(api):
    first, second = api.price(100), api.price(200)
    subscription = api.subscribe(*items(first, second))
    found = [item["id"] for item in subscription["items"]["data"]]
    body = {"items": [{"id": found[0], "quantity": 2}], "proration_behavior": "none"}
    api.post(f"/v1/subscriptions/{subscription['id']}", body)
    before = last(api, "customer.subscription.updated")["data"]["previous_attributes"]
    assert [(item["id"], item["quantity"]) for item in before["items"]["data"]] == [
        (found[0], 1),
        (found[1], 1),
    ]


def test_catalogue_objects_tell_of_themselves(api):
    api.post("/v1/products", {"id": "p", "name": "Pro"})
    api.post("/v1/products/p", {"name": "Plus"})
    price = api.price(100, product="p")
    api.post(f"/v1/prices/{price}", {"active": False})
    coupon = api.coupon(id="half", percent_off=50)
    api.post(f"/v1/coupons/{coupon}", {"name": "Half"})
    api.call("DELETE", f"/v1/coupons/{coupon}")
    assert kinds(api) == [
        "product.created",
        "product.updated",
        "price.created",
        "price.updated",
        "coupon.created",
        "coupon.updated",
        "coupon.deleted",
    ]
    assert last(api, "price.updated")["data"]["previous_attributes"] == {"active": True}


def test_a_contract_from_start_to_end(api):
    api.schedule(phase(api.price(3100), end=at(2026, 1, 20)), start=at(2026, 1, 1))
    api.go(2026, 1, 21)
    told = [(day(event["created"]), event["type"]) for event in events(api) if "price" not in event["type"]]
    assert told[3:] == [
        ("2026-01-01", "subscription_schedule.created"),
        ("2026-01-01", "invoice.created"),
        ("2026-01-01", "customer.subscription.created"),
        ("2026-01-01", "subscription_schedule.updated"),
        ("2026-01-01", "invoice.finalized"),
        ("2026-01-01", "invoice.updated"),
        ("2026-01-01", "invoice_payment.paid"),
        ("2026-01-01", "invoice.paid"),
        ("2026-01-01", "invoice.payment_succeeded"),
        ("2026-01-01", "invoice.updated"),
        ("2026-01-13", "subscription_schedule.expiring"),
        ("2026-01-20", "subscription_schedule.completed"),
        ("2026-01-20", "customer.subscription.deleted"),
    ]
    paid = last(api, "invoice.updated")["data"]
    assert paid["previous_attributes"]["status"] == "open"
    assert paid["previous_attributes"]["status_transitions"] == {"paid_at": None}
    assert paid["object"]["status"] == "paid"


def test_a_schedule_tells_seven_days_before_its_end_wherever_that_is_moved(api):
    price = api.price(3100)
    schedule = api.schedule(phase(price, end=at(2026, 3, 1)), start=at(2026, 1, 1))
    api.go(2026, 2, 1)
    later = {**phase(price, end=at(2026, 5, 1)), "start_date": at(2026, 1, 1)}
    api.post(f"{SCHEDULES}/{schedule['id']}", {"phases": [later]})
    api.go(2026, 5, 2)
    expiring = events(api, "subscription_schedule.expiring")
    assert [day(event["created"]) for event in expiring] == ["2026-04-24"]
    assert expiring[0]["data"]["object"]["status"] == "active"


def test_a_schedule_of_a_few_days_never_expires_soon(api):
    api.schedule(phase(api.price(100, "day"), end=at(2026, 1, 6)), start=at(2026, 1, 1))
    api.go(2026, 1, 7)
    assert kinds(api, "subscription_schedule.expiring") == []


def test_canceled_and_released_schedules(api):
    price = api.price(3100)
    first = api.schedule(phase(price, end=at(2027, 1, 1)), start=at(2026, 1, 1))
    second = api.schedule(phase(price, end=at(2027, 1, 1)), start=at(2026, 1, 1))
    api.post(f"{SCHEDULES}/{first['id']}/cancel")
    api.post(f"{SCHEDULES}/{second['id']}/release")
    assert last(api, "subscription_schedule.canceled")["data"]["object"]["id"] == first["id"]
    assert last(api, "customer.subscription.deleted")["data"]["object"]["status"] == "canceled"
    assert last(api, "subscription_schedule.released")["data"]["object"]["id"] == second["id"]
    before = last(api, "customer.subscription.updated")["data"]["previous_attributes"]
    assert before == {"cancel_at": at(2027, 1, 1), "schedule": second["id"]}


def test_the_next_invoice_is_told_of_where_the_account_wishes(api_at):
    api = api_at(2026, 1, 1, collection=CollectionSettings(notice_before_renewal_days=3))
    subscription = api.subscribe(*items(api.price(3100)))
    api.go(2026, 2, 27)
    told = events(api, "invoice.upcoming")
    assert [day(event["created"]) for event in told] == ["2026-01-29", "2026-02-26"]
    draft = told[0]["data"]["object"]
    assert (draft["status"], draft["total"], "id" in draft) == ("draft", 3100, False)
    assert draft["parent"]["subscription_details"]["subscription"] == subscription["id"]
    assert len(api.invoices()) == 2


def test_invoices_that_are_sent_are_not_told_of_before(api_at):
    api = api_at(2026, 1, 1, collection=CollectionSettings(notice_before_renewal_days=3))
    api.subscribe(*items(api.price(3100)), collection_method="send_invoice", days_until_due=10)
    api.go(2026, 3, 10)
    assert kinds(api, "invoice.upcoming") == []


def test_steps_of_an_invoice_update_it(api):
    customer = api.customer(payment_method="pm_card_chargeCustomerFail")
    terms = {"customer": customer, "collection_method": "send_invoice", "days_until_due": 9}
    for step in ("void", "mark_uncollectible"):
        api.post("/v1/invoiceitems", {"customer": customer, "amount": 500, "currency": "usd"})
        made = api.post("/v1/invoices", {**terms, "pending_invoice_items_behavior": "include"})["id"]
        api.post(f"/v1/invoices/{made}/finalize")
        api.post(f"/v1/invoices/{made}/{step}")
    steps = kinds(api, "invoice.*")
    assert steps == [
        "invoice.created",
        "invoice.finalized",
        "invoice.updated",
        "invoice.voided",
        "invoice.updated",
        "invoice.created",
        "invoice.finalized",
        "invoice.updated",
        "invoice.marked_uncollectible",
        "invoice.updated",
    ]


def test_a_declined_payment_is_an_event_although_the_request_is_refused(api):
    customer = api.customer(payment_method="pm_card_chargeCustomerFail")
    api.post("/v1/invoiceitems", {"customer": customer, "amount": 500, "currency": "usd"})
    made = api.post("/v1/invoices", {"customer": customer, "pending_invoice_items_behavior": "include"})["id"]
    api.post(f"/v1/invoices/{made}/finalize", {"auto_advance": False})
    assert api.refused("POST", f"/v1/invoices/{made}/pay", status=402)["type"] == "card_error"
    assert kinds(api, "invoice.payment_failed") == ["invoice.payment_failed"]
    assert api.get(f"/v1/invoices/{made}")["attempt_count"] == 1


def test_a_balance_that_moves_updates_the_customer_once(api):
    customer = api.customer()
    path = f"/v1/customers/{customer}/balance_transactions"
    api.post(path, {"amount": -500, "currency": "usd"})
    api.post(f"/v1/customers/{customer}", {"balance": -700, "metadata": {"a": "b"}})
    before = [event["data"]["previous_attributes"] for event in events(api, "customer.updated")]
    assert before == [{"balance": 0, "currency": None}, {"balance": -500, "metadata": {"a": None}}]


def test_an_event_names_the_request_that_caused_it_and_time_is_nobodys(api):
    answer = api.account.respond("POST", "/v1/customers", {}, api_key="sk_test_x", idempotency_key="order-1")
    made = last(api, "customer.created")
    assert made["request"] == {"id": answer.headers["Request-Id"], "idempotency_key": "order-1"}
    api.schedule(phase(api.price(100), end=at(2026, 2, 1)), start=at(2026, 1, 1))
    api.go(2026, 1, 2)
    assert last(api, "invoice.finalized")["request"] == {"id": None, "idempotency_key": None}


def test_a_test_clock_from_its_making_to_its_end(api):
    clock = api.post("/v1/test_helpers/test_clocks", {"frozen_time": at(2026, 1, 1)})["id"]
    customer = api.customer(test_clock=clock)
    api.subscribe(*items(api.price(100)), customer=customer)
    path = f"/v1/test_helpers/test_clocks/{clock}"
    api.post(f"{path}/advance", {"frozen_time": at(2026, 2, 2)})
    by_clock = events(api, "invoice.created")[-1]
    assert (day(by_clock["created"]), by_clock["request"]["id"]) == ("2026-02-01", None)
    api.call("DELETE", path)
    told = kinds(api, "test_helpers.test_clock.*")
    assert [kind.rpartition(".")[2] for kind in told] == ["created", "advancing", "ready", "deleted"]


def test_events_are_asked_for_by_type_and_time(api):
    api.post("/v1/customers")
    api.go(2026, 1, 2)
    api.post("/v1/customers")
    api.post("/v1/products", {"id": "p", "name": "Pro"})
    assert len(events(api)) == 3
    for asked, count in (
        ({"type": "product.*"}, 1),
        ({"type": "customer.created"}, 2),
        ({"types": ["customer.created", "product.created"]}, 3),
        ({"created": {"gte": at(2026, 1, 2)}}, 2),
        ({"created": {"lt": at(2026, 1, 2)}, "type": "customer.*"}, 1),
        ({"created": at(2026, 1, 1)}, 1),
        ({"delivery_success": True}, 3),
        ({"delivery_success": False}, 0),
    ):
        assert len(api.get("/v1/events", asked)["data"]) == count, asked
    assert api.refused("GET", "/v1/events", {"types": ["x"] * 21})["param"] == "types"


def test_events_are_kept_for_thirty_days(api):
    api.post("/v1/customers")
    api.go(2026, 1, 31)
    assert kinds(api) == ["customer.created"]
    path = f"/v1/events/{events(api)[0]['id']}"
    assert api.get(path)["type"] == "customer.created"
    api.account.advance(datetime(2026, 1, 31, 0, 0, 1, tzinfo=UTC))
    assert kinds(api) == []
    assert api.refused("GET", path, status=404)["code"] == "resource_missing"


@pytest.mark.parametrize("kind", ["invoice.updated", "customer.subscription.updated", "product.updated"])
def test_every_update_in_a_long_life_says_what_changed(api_at, kind):
    api = api_at(2026, 1, 1, collection=CollectionSettings(notice_before_renewal_days=7))
    product = api.post("/v1/products", {"id": "p", "name": "Pro"})["id"]
    price = api.price(3100, product=product)
    api.schedule(
        phase(price, end=at(2026, 1, 12)),
        phase(price, end=at(2026, 1, 29), quantity=2, metadata={"a": "b"}),
        start=at(2026, 1, 1),
    )
    api.post("/v1/products/p", {"description": "Seats"})
    api.go(2026, 1, 30)
    found = events(api, kind)
    assert found
    for event in found:
        object_now, before = event["data"]["object"], event["data"]["previous_attributes"]
        assert before
        assert all(object_now.get(name) != value for name, value in before.items())


def test_a_schedule_whose_subscription_nobody_pays_is_aborted(api_at):
    settings = CollectionSettings(retry_after_days=(1,), subscription_after_retries="cancel")
    api = api_at(2026, 1, 1, collection=settings)
    customer = api.customer(payment_method="pm_card_chargeCustomerFail")
    schedule = api.schedule(
        phase(api.price(3100), end=at(2027, 1, 1)), start=at(2026, 1, 1), customer=customer
    )
    api.go(2026, 1, 4)
    assert kinds(api, "subscription_schedule.aborted", "subscription_schedule.canceled") == [
        "subscription_schedule.aborted"
    ]
    aborted = last(api, "subscription_schedule.aborted")["data"]["object"]
    assert (aborted["id"], aborted["status"]) == (schedule["id"], "canceled")
