"""Subscriptions that stand still, and subscriptions whose money is not collected; amounts in cents."""

import pytest
from tests.contract.stripe_sim.stripe_driver import at, day, items, metered, phase

SCHEDULES = "/v1/subscription_schedules"


def running(api, unit: int = 3100, **params) -> str:
    """The address of a monthly subscription since 1 January, on 16 January."""
    subscription = api.subscribe(*items(api.price(unit)), **params)
    api.go(2026, 1, 16)
    return f"/v1/subscriptions/{subscription['id']}"


def pending(api) -> list[int]:
    return [body["amount"] for body in api.get("/v1/invoiceitems", {"pending": True})["data"][::-1]]


def kinds(api) -> list[str]:
    return [event["type"] for event in api.get("/v1/events", {"limit": 100})["data"]]


def test_a_paused_subscription_credits_what_is_unused_and_bills_nothing(api):
    path = running(api)
    paused = api.post(f"{path}/pause", {"type": "subscription"})
    assert paused["status"] == "paused"
    assert paused["status_details"] == {
        "paused": {
            "subscription": {"type": "pause_requested"},
            "transitioned_at": at(2026, 1, 16),
            "type": "subscription",
        }
    }
    assert paused["items"]["data"][0]["current_period_end"] == at(2026, 1, 16)
    assert pending(api) == [-1600]
    assert {"customer.subscription.paused", "customer.subscription.updated"} <= set(kinds(api))
    api.go(2026, 5, 1)
    assert api.totals() == [3100]


@pytest.mark.parametrize(
    ("bill_for", "credit"), [("now", [-1600]), ("item_current_period_start", [-3100]), ("none", [])]
)
def test_from_when_a_pause_gives_back(api, bill_for, credit):
    path = running(api)
    api.post(f"{path}/pause", {"bill_for": {"unused_time_from": {"type": bill_for}}})
    assert pending(api) == credit


def test_a_pause_can_invoice_at_once(api):
    path = running(api)
    paused = api.post(f"{path}/pause", {"invoicing_behavior": "invoice"})
    invoice = api.invoices()[-1]
    assert (invoice["total"], invoice["status"], pending(api)) == (-1600, "paid", [])
    assert api.get(f"/v1/customers/{paused['customer']}")["balance"] == -1600


def test_resuming_begins_a_new_cycle_and_waits_to_be_paid(api):
    path = running(api)
    api.post(f"{path}/pause", {"bill_for": {"unused_time_from": {"type": "none"}}})
    api.go(2026, 3, 10)
    waiting = api.post(f"{path}/resume", {"expand": ["latest_invoice"]})
    invoice = waiting["latest_invoice"]
    assert (waiting["status"], invoice["status"], invoice["total"]) == ("paused", "open", 3100)
    assert waiting["billing_cycle_anchor"] == at(2026, 1, 1)
    assert waiting["pending_update"]["billing_cycle_anchor"] == at(2026, 3, 10)
    api.post(f"/v1/invoices/{invoice['id']}/pay")
    resumed = api.get(path)
    assert (resumed["status"], resumed["status_details"]) == ("active", None)
    assert (resumed["billing_cycle_anchor"], resumed["pending_update"]) == (at(2026, 3, 10), None)
    assert day(resumed["items"]["data"][0]["current_period_end"]) == "2026-04-10"
    assert "customer.subscription.resumed" in kinds(api)
    api.go(2026, 4, 10)
    assert api.dated() == [("2026-01-01", 3100), ("2026-03-10", 3100), ("2026-04-10", 3100)]


def test_resuming_on_payment_takes_the_money_in_the_request(api):
    path = running(api)
    api.post(f"{path}/pause")
    api.go(2026, 3, 10)
    resumed = api.post(f"{path}/resume", {"payment_behavior": "resume_on_payment_success"})
    assert resumed["status"] == "active"
    # The credit of the pause is on the invoice of the new cycle.
    assert api.dated() == [("2026-01-01", 3100), ("2026-03-10", 1500)]


def test_a_resumption_that_nobody_pays_is_void_after_23_hours(api):
    path = running(api)
    api.post(f"{path}/pause", {"bill_for": {"unused_time_from": {"type": "none"}}})
    api.go(2026, 3, 10)
    api.post(f"{path}/resume")
    api.go(2026, 3, 11)
    body = api.get(path)
    assert (api.invoices()[-1]["status"], body["status"], body["pending_update"]) == ("void", "paused", None)
    api.go(2026, 6, 1)
    assert len(api.invoices()) == 2


@pytest.mark.parametrize(("step", "status"), [("void", "paused"), ("mark_uncollectible", "active")])
def test_what_becomes_of_a_resumption_by_what_becomes_of_its_invoice(api, step, status):
    path = running(api)
    api.post(f"{path}/pause")
    invoice = api.post(f"{path}/resume")["latest_invoice"]
    api.post(f"/v1/invoices/{invoice}/{step}")
    assert api.get(path)["status"] == status


@pytest.mark.parametrize(
    ("behavior", "status"),
    [("resume_on_payment_attempt", "past_due"), ("resume_on_payment_success", "paused")],
)
def test_a_resumption_whose_payment_fails(api, behavior, status):
    path = running(api)
    body = api.post(f"{path}/pause", {"bill_for": {"unused_time_from": {"type": "none"}}})
    failing = {"invoice_settings": {"default_payment_method": "pm_card_chargeCustomerFail"}}
    api.post(f"/v1/customers/{body['customer']}", failing)
    invoice = api.post(f"{path}/resume", {"payment_behavior": behavior})["latest_invoice"]
    if behavior == "resume_on_payment_attempt":
        api.refused("POST", f"/v1/invoices/{invoice}/pay", status=402)
    assert api.get(path)["status"] == status


@pytest.mark.parametrize(
    ("behavior", "waiting", "totals"),
    [
        ("create_prorations", [2200], [3100, 5300]),
        ("none", [], [3100, 3100]),
    ],
)
def test_resuming_with_the_anchor_unchanged(api, behavior, waiting, totals):
    path = running(api)
    api.post(f"{path}/pause", {"bill_for": {"unused_time_from": {"type": "none"}}})
    api.go(2026, 3, 10)
    resumed = api.post(
        f"{path}/resume",
        {"billing_cycle_anchor": {"type": "unchanged"}, "proration_behavior": behavior},
    )
    item = resumed["items"]["data"][0]
    assert (resumed["status"], day(item["current_period_start"])) == ("active", "2026-03-01")
    assert (day(item["current_period_end"]), pending(api)) == ("2026-04-01", waiting)
    api.go(2026, 4, 1)
    assert api.totals() == totals


def test_resuming_with_the_anchor_unchanged_and_an_invoice_at_once(api):
    path = running(api)
    api.post(f"{path}/pause", {"bill_for": {"unused_time_from": {"type": "none"}}})
    api.go(2026, 3, 10)
    params = {"billing_cycle_anchor": {"type": "unchanged"}, "proration_behavior": "always_invoice"}
    resumed = api.post(f"{path}/resume", {**params, "payment_behavior": "resume_on_payment_success"})
    assert resumed["status"] == "active"
    api.go(2026, 4, 1)
    assert api.dated() == [("2026-01-01", 3100), ("2026-03-10", 2200), ("2026-04-01", 3100)]


def test_changes_while_paused_make_no_prorations(api):
    path = running(api)
    item = api.post(f"{path}/pause")["items"]["data"][0]["id"]
    api.post(path, {"items": [{"id": item, "quantity": 2}, {"price": api.price(100)}]})
    assert pending(api) == [-1600]
    assert api.totals() == [3100]
    api.post(f"{path}/resume", {"payment_behavior": "resume_on_payment_success"})
    assert api.totals() == [3100, 6300 - 1600]


def test_a_paused_subscription_still_ends_when_it_should(api):
    path = running(api, cancel_at=at(2026, 3, 1))
    api.post(f"{path}/pause", {"bill_for": {"unused_time_from": {"type": "none"}}})
    api.go(2026, 3, 2)
    assert api.get(path)["status"] == "canceled"
    assert api.totals() == [3100]


def test_a_trial_that_paused_without_a_payment_method_is_resumed(api):
    customer = api.post("/v1/customers", {})["id"]
    pause = {"end_behavior": {"missing_payment_method": "pause"}}
    subscription = api.subscribe(
        *items(api.price(3100)), customer=customer, trial_period_days=14, trial_settings=pause
    )
    path = f"/v1/subscriptions/{subscription['id']}"
    api.go(2026, 2, 1)
    assert api.get(path)["status"] == "paused"
    card = {"invoice_settings": {"default_payment_method": "pm_card_visa"}}
    api.post(f"/v1/customers/{customer}", card)
    invoice = api.post(f"{path}/resume")["latest_invoice"]
    api.post(f"/v1/invoices/{invoice}/pay")
    assert (api.get(path)["status"], api.dated()[-1]) == ("active", ("2026-02-01", 3100))


@pytest.mark.parametrize(("through", "totals"), [("now", [50 + 20]), ("none", [20])])
def test_usage_of_a_pause_is_never_billed(api, through, totals):
    customer, meter = api.customer(), api.meter()
    subscription = api.subscribe(*metered(api.metered(10, meter)), customer=customer)
    path = f"/v1/subscriptions/{subscription['id']}"
    api.go(2026, 1, 10)
    api.use(customer, 5)
    api.go(2026, 1, 16)
    api.post(f"{path}/pause", {"bill_for": {"outstanding_usage_through": {"type": through}}})
    api.use(customer, 700)
    api.go(2026, 1, 20)
    unchanged = {"billing_cycle_anchor": {"type": "unchanged"}}
    assert api.post(f"{path}/resume", unchanged)["status"] == "active"
    api.use(customer, 2)
    api.go(2026, 2, 1, 2)
    assert api.totals() == totals


def test_what_cannot_be_paused(api):
    price = api.price(3100)
    sent = api.subscribe(*items(price), collection_method="send_invoice", days_until_due=10)
    classic = api.subscribe(*items(price), billing_mode={"type": "classic"})
    trial = api.subscribe(*items(price), trial_period_days=10)
    schedule = api.schedule(phase(price, end=at(2027, 1, 1)), start=at(2026, 1, 1))
    again = api.subscribe(*items(price))
    api.post(f"/v1/subscriptions/{again['id']}/pause")
    refused = [sent["id"], classic["id"], trial["id"], schedule["subscription"], again["id"]]
    for identifier in refused:
        assert "pause" in api.refused("POST", f"/v1/subscriptions/{identifier}/pause")["message"]
    assert "paused" in api.refused("POST", f"/v1/subscriptions/{sent['id']}/resume")["message"]


def test_a_pause_is_previewed_only_through_its_resumption(api):
    path = running(api)
    api.post(f"{path}/pause", {"bill_for": {"unused_time_from": {"type": "none"}}})
    params = {"subscription": path.rsplit("/", 1)[1], "subscription_details": {"resume_at": "now"}}
    assert api.post("/v1/invoices/create_preview", params)["total"] == 3100
    assert api.get(path)["status"] == "paused"
    assert api.totals() == [3100]


# Pauses that a schedule plans


def planned(api, pause: dict, resume: dict | None = None, **params) -> dict:
    entry = {"pause": pause} | ({} if resume is None else {"resume": resume})
    return api.schedule(
        phase(api.price(3100), end=at(2027, 1, 1)),
        start=at(2026, 1, 1),
        pause_schedules=[entry],
        **params,
    )


def test_a_schedule_pauses_and_resumes_its_subscription(api):
    schedule = planned(
        api,
        {"pause_at": {"type": "timestamp", "timestamp": at(2026, 2, 1)}},
        {"resume_at": {"type": "duration", "duration": {"interval": "month", "interval_count": 2}}},
    )
    entry = schedule["pause_schedules"][0]
    assert (entry["pause"]["pause_at"], entry["resume"]["resume_at"]) == (at(2026, 2, 1), at(2026, 4, 1))
    assert entry["pause"]["status"] == {"error": None, "type": "scheduled"}
    assert entry["pause"]["settings"]["invoicing_behavior"] == "pending_invoice_item"
    assert entry["resume"]["settings"] == {
        "billing_cycle_anchor": "resume_at",
        "payment_behavior": "resume_on_payment_success",
        "proration_behavior": "create_prorations",
    }
    path = f"/v1/subscriptions/{schedule['subscription']}"
    api.go(2026, 3, 1)
    assert api.get(path)["status"] == "paused"
    api.go(2026, 5, 2)
    assert api.get(path)["status"] == "active"
    assert api.dated() == [("2026-01-01", 3100), ("2026-04-01", 3100), ("2026-05-01", 3100)]
    statuses = api.get(f"{SCHEDULES}/{schedule['id']}")["pause_schedules"][0]
    assert (statuses["pause"]["status"]["type"], statuses["resume"]["status"]["type"]) == (
        "succeeded",
        "succeeded",
    )


def test_a_planned_pause_is_changed_and_cleared(api):
    schedule = planned(api, {"pause_at": {"type": "timestamp", "timestamp": at(2026, 2, 10)}})
    path, key = f"{SCHEDULES}/{schedule['id']}", schedule["pause_schedules"][0]["key"]
    later = {"pause_at": {"type": "timestamp", "timestamp": at(2026, 3, 10)}}
    changed = api.post(path, {"pause_schedules": [{"key": key, "pause": later}]})
    assert changed["pause_schedules"][0]["pause"]["pause_at"] == at(2026, 3, 10)
    api.go(2026, 2, 11)
    assert api.get(f"/v1/subscriptions/{schedule['subscription']}")["status"] == "active"
    assert api.post(path, {"pause_schedules": ""})["pause_schedules"] == []
    api.go(2026, 4, 1)
    assert api.totals() == [3100] * 4


def test_a_schedule_can_pause_at_once(api):
    schedule = planned(api, {"pause_at": {"type": "now"}})
    assert api.get(f"/v1/subscriptions/{schedule['subscription']}")["status"] == "paused"


@pytest.mark.parametrize(
    ("params", "entry", "param"),
    [
        ({"billing_mode": {"type": "classic"}}, {}, "pause_schedules"),
        ({"default_settings": {"collection_method": "send_invoice", "invoice_settings": {"days_until_due": 3}}}, {}, "pause_schedules"),
        ({}, {"pause_at": {"type": "timestamp"}}, "pause_schedules[0][pause][pause_at][timestamp]"),
        ({}, {"pause_at": {"type": "timestamp", "timestamp": 1000}}, "pause_schedules[0][pause][pause_at][timestamp]"),
    ],
)  # fmt: skip
def test_refused_planned_pauses(api, params, entry, param):
    pause = {"pause_at": {"type": "timestamp", "timestamp": at(2026, 2, 1)}, **entry}
    body = {"customer": api.customer(), "phases": [phase(api.price(100), end=at(2027, 1, 1))], **params}
    body["pause_schedules"] = [{"pause": pause}]
    assert api.refused("POST", SCHEDULES, body)["param"] == param
    body["pause_schedules"] *= 2
    assert api.refused("POST", SCHEDULES, body)["param"] == "pause_schedules"


# Collection only


@pytest.mark.parametrize(
    ("behavior", "status"),
    [("keep_as_draft", "draft"), ("mark_uncollectible", "uncollectible"), ("void", "void")],
)
def test_invoices_while_collection_is_paused(api, behavior, status):
    path = running(api)
    body = api.post(path, {"pause_collection": {"behavior": behavior, "resumes_at": at(2026, 3, 15)}})
    assert body["status"] == "active"
    assert body["pause_collection"] == {"behavior": behavior, "resumes_at": at(2026, 3, 15)}
    api.go(2026, 4, 2)
    assert [invoice["status"] for invoice in api.invoices()] == ["paid", status, status, "paid"]
    assert api.get(path)["pause_collection"] is None
    if behavior == "keep_as_draft":
        kept = api.invoices()[1]
        assert (kept["auto_advance"], kept["automatically_finalizes_at"]) == (False, None)
        api.post(f"/v1/invoices/{kept['id']}", {"auto_advance": True})
        api.go(2026, 4, 2, 2)
        assert api.invoices()[1]["status"] == "paid"


def test_an_uncollectible_invoice_uses_the_balance_first(api):
    path = running(api)
    customer = api.post(path, {"pause_collection": {"behavior": "mark_uncollectible"}})["customer"]
    params = {"amount": -3100, "currency": "usd"}
    api.post(f"/v1/customers/{customer}/balance_transactions", params)
    api.go(2026, 3, 2)
    assert [invoice["status"] for invoice in api.invoices()] == ["paid", "paid", "uncollectible"]


def test_voiding_gives_the_balance_back_and_older_invoices_are_collected(api):
    path = running(api)
    api.go(2026, 2, 1)
    customer = api.post(path, {"pause_collection": {"behavior": "void"}})["customer"]
    params = {"amount": -5000, "currency": "usd"}
    api.post(f"/v1/customers/{customer}/balance_transactions", params)
    api.go(2026, 4, 2)
    # The invoice of 1 February was a draft already; it takes 3100 of the 5000.
    assert [invoice["status"] for invoice in api.invoices()] == ["paid", "paid", "void", "void"]
    assert api.get(f"/v1/customers/{customer}")["balance"] == -1900
    api.post(path, {"pause_collection": ""})
    api.go(2026, 5, 2)
    assert (api.invoices()[-1]["status"], api.invoices()[-1]["amount_paid"]) == ("paid", 1200)
