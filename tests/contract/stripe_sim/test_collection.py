"""Collection: payment methods that succeed, fail or are missing, retries, reminders, and what is paid how."""

import pytest
from tests.contract.stripe_sim.stripe_driver import at, day, items, phase

from cpqbridge_sim.stripe.collection_settings import CollectionSettings

FAILING = "pm_card_chargeCustomerFail"
METHODS = "/v1/payment_methods"


def kinds(api, kind: str) -> list[str]:
    return [day(event["created"]) for event in api.get("/v1/events", {"type": kind, "limit": 100})["data"]][
        ::-1
    ]


class TestPaymentMethods:
    def test_a_test_card_is_attached_charged_and_detached(self, api):
        customer = api.post("/v1/customers", {})["id"]
        method = api.post(f"{METHODS}/pm_card_visa/attach", {"customer": customer})
        assert (method["customer"], method["card"]["last4"]) == (customer, "4242")
        default = {"invoice_settings": {"default_payment_method": method["id"]}}
        api.post(f"/v1/customers/{customer}", default)
        assert api.get(METHODS, {"customer": customer})["data"] == [method]
        assert api.get(f"/v1/customers/{customer}/payment_methods/{method['id']}") == method
        subscription = api.subscribe(*items(api.price(500)), customer=customer)
        assert subscription["status"] == "active"
        assert api.post(f"{METHODS}/{method['id']}/detach")["customer"] is None
        settings = api.get(f"/v1/customers/{customer}")["invoice_settings"]
        assert settings["default_payment_method"] is None
        api.refused("POST", f"{METHODS}/{method['id']}/detach")
        api.go(2026, 2, 2)
        assert [invoice["status"] for invoice in api.invoices()] == ["paid", "open"]

    def test_a_card_is_made_from_a_token_and_described(self, api):
        details = {"name": "Ada", "address": {"city": "Bern"}}
        body = {"type": "card", "card": {"token": "tok_mastercard"}, "billing_details": details}
        method = api.post(METHODS, {**body, "metadata": {"a": "b"}})
        assert (method["card"]["brand"], method["metadata"], method["customer"]) == (
            "mastercard",
            {"a": "b"},
            None,
        )
        path = f"{METHODS}/{method['id']}"
        api.refused("POST", path, {"metadata": {"a": ""}})
        api.post(f"{path}/attach", {"customer": api.customer()})
        changed = api.post(path, {"metadata": {"a": ""}, "billing_details": {"name": ""}})
        assert (changed["metadata"], changed["billing_details"]["name"]) == ({}, None)
        assert changed["billing_details"]["address"]["city"] == "Bern"
        refused = api.refused("POST", f"{path}/attach", {"customer": api.customer()})
        assert refused["param"] == "payment_method"

    def test_a_card_that_declines_is_not_attached(self, api):
        body = {"customer": api.customer()}
        error = api.refused("POST", f"{METHODS}/pm_card_visa_chargeDeclined/attach", body, status=402)
        assert error["code"] == "card_declined"
        assert len(api.get(METHODS, body)["data"]) == 1

    @pytest.mark.parametrize(
        ("body", "param"),
        [
            ({"type": "sepa_debit"}, "type"),
            ({"type": "card", "card": {"number": "4242424242424242"}}, "card[token]"),
            ({"type": "card", "card": {"token": "tok_nope"}}, "card[token]"),
        ],
    )
    def test_methods_that_are_refused(self, api, body, param):
        assert api.refused("POST", METHODS, body)["param"] == param

    def test_only_the_customers_own_method_is_its_default(self, api):
        foreign = api.get(METHODS, {"customer": api.customer()})["data"][0]["id"]
        customer = api.customer()
        for name in (foreign, "pm_nope"):
            settings = {"default_payment_method": name}
            for path, body, param in (
                (f"customers/{customer}", {"invoice_settings": settings}, "invoice_settings"),
                ("subscriptions", {"items": items(api.price(5)), **settings}, "default_payment_method"),
                ("invoices", settings, "default_payment_method"),
            ):
                named = {} if path.startswith("customers") else {"customer": customer}
                assert api.refused("POST", f"/v1/{path}", {**body, **named})["param"].startswith(param)
        phases = [phase(api.price(5), end=at(2027, 1, 1), default_payment_method=foreign)]
        body = {"customer": customer, "phases": phases}
        refused = api.refused("POST", "/v1/subscription_schedules", body)
        assert refused["param"] == "phases[0][default_payment_method]"

    def test_the_nearest_method_is_charged(self, api):
        # Invoice before subscription before customer.
        customer = api.customer(payment_method=FAILING)
        schedule = api.schedule(
            phase(api.price(500), end=at(2026, 3, 1), default_payment_method="pm_card_visa"),
            phase(api.price(500), end=at(2027, 1, 1), default_payment_method=FAILING),
            start=at(2026, 1, 1),
            customer=customer,
        )
        api.go(2026, 3, 1)
        draft = api.invoices()[-1]
        api.post(f"/v1/invoices/{draft['id']}", {"default_payment_method": "pm_card_mastercard"})
        api.go(2026, 4, 2)
        assert [invoice["status"] for invoice in api.invoices()] == ["paid", "paid", "paid", "open"]
        assert api.get(f"/v1/subscriptions/{schedule['subscription']}")["status"] == "past_due"

    def test_a_live_account_knows_no_test_cards(self, api_at):
        api = api_at(2026, 1, 1, live=True)
        key = {"api_key": "sk_live_x"}
        customer = api.post("/v1/customers", {}, **key)["id"]
        body = {"invoice_settings": {"default_payment_method": "pm_card_visa"}}
        assert api.account.request("POST", f"/v1/customers/{customer}", body, **key)[0] == 400


@pytest.fixture
def failing(api_at):
    """A monthly subscription of 1000 whose second invoice cannot be charged, under these settings."""

    def make(**settings):
        api = api_at(2026, 1, 1, collection=CollectionSettings(**settings))
        schedule = api.schedule(phase(api.price(1000), end=at(2027, 1, 1)), start=at(2026, 1, 1))
        api.go(2026, 1, 2)
        default = {"invoice_settings": {"default_payment_method": FAILING}}
        api.post(f"/v1/customers/{schedule['customer']}", default)
        return api, schedule

    return make


def mend(api, schedule: dict) -> None:
    default = {"invoice_settings": {"default_payment_method": "pm_card_visa"}}
    api.post(f"/v1/customers/{schedule['customer']}", default)


def status(api, schedule: dict) -> str:
    return api.get(f"/v1/subscriptions/{schedule['subscription']}")["status"]


def test_a_failed_charge_is_tried_again_by_the_accounts_schedule(failing):
    api, schedule = failing(retry_after_days=(3, 5))
    api.go(2026, 2, 1, 2)
    invoice = api.invoices()[-1]
    assert (invoice["status"], invoice["attempt_count"], invoice["next_payment_attempt"]) == (
        "open",
        1,
        at(2026, 2, 4, 1),
    )
    assert status(api, schedule) == "past_due"
    assert api.get(f"/v1/customers/{schedule['customer']}")["delinquent"] is True
    api.go(2026, 2, 5)
    mend(api, schedule)
    api.go(2026, 2, 10)
    invoice = api.invoices()[-1]
    assert (invoice["status"], invoice["attempt_count"], invoice["next_payment_attempt"]) == ("paid", 3, None)
    assert kinds(api, "invoice.payment_failed") == ["2026-02-01", "2026-02-04"]
    assert status(api, schedule) == "active"
    assert api.get(f"/v1/customers/{schedule['customer']}")["delinquent"] is False


@pytest.mark.parametrize(
    ("settings", "becomes", "invoice"),
    [
        ({}, "past_due", "open"),
        ({"subscription_after_retries": "unpaid"}, "unpaid", "open"),
        ({"subscription_after_retries": "cancel"}, "canceled", "open"),
        ({"invoice_after_retries": "uncollectible"}, "past_due", "uncollectible"),
    ],
)
def test_after_the_last_attempt_the_settings_decide(failing, settings, becomes, invoice):
    api, schedule = failing(retry_after_days=(3, 5, 7), **settings)
    api.go(2026, 2, 16, 0)
    assert status(api, schedule) == "past_due"
    api.go(2026, 2, 16, 2)
    assert kinds(api, "invoice.payment_failed") == ["2026-02-01", "2026-02-04", "2026-02-09", "2026-02-16"]
    assert status(api, schedule) == becomes
    failed = api.invoices()[1]
    assert (failed["status"], failed["auto_advance"], failed["next_payment_attempt"]) == (
        invoice,
        False,
        None,
    )


def test_a_canceled_subscription_takes_its_schedule_along_and_bills_no_more(failing):
    api, schedule = failing(retry_after_days=(), subscription_after_retries="cancel")
    api.go(2026, 4, 1)
    assert len(api.invoices()) == 2
    canceled = api.get(f"/v1/subscriptions/{schedule['subscription']}")
    assert (canceled["status"], canceled["cancellation_details"]["reason"]) == ("canceled", "payment_failed")
    assert canceled["canceled_at"] == at(2026, 2, 1, 1)
    assert api.get(f"/v1/subscription_schedules/{schedule['id']}")["status"] == "canceled"


def test_an_unpaid_subscription_makes_drafts_until_its_last_invoice_is_paid(failing):
    api, schedule = failing(retry_after_days=(1,), subscription_after_retries="unpaid")
    api.go(2026, 4, 2)
    shown = [(invoice["status"], invoice["auto_advance"]) for invoice in api.invoices()]
    assert shown == [("paid", True), ("open", False), ("draft", False), ("draft", False)]
    mend(api, schedule)
    second, _, last = api.invoices()[1:]
    api.post(f"/v1/invoices/{last['id']}/pay")
    assert status(api, schedule) == "active"
    api.post(f"/v1/invoices/{second['id']}/pay")
    api.go(2026, 5, 2)
    assert [invoice["status"] for invoice in api.invoices()] == ["paid", "paid", "draft", "paid", "paid"]


def test_only_the_latest_invoice_makes_a_subscription_active_again(failing):
    api, schedule = failing(retry_after_days=())
    api.go(2026, 3, 2)
    mend(api, schedule)
    older, newer = api.invoices()[1:]
    api.post(f"/v1/invoices/{older['id']}/pay")
    assert status(api, schedule) == "past_due"
    api.post(f"/v1/invoices/{newer['id']}/pay", {"paid_out_of_band": True})
    assert status(api, schedule) == "active"


def test_without_any_payment_method_retries_count_but_are_not_made(api_at):
    api = api_at(2026, 1, 1, collection=CollectionSettings(retry_after_days=(1, 1)))
    customer = api.post("/v1/customers", {})["id"]
    api.schedule(phase(api.price(1000), end=at(2027, 1, 1)), start=at(2026, 1, 1), customer=customer)
    api.go(2026, 1, 5)
    (invoice,) = api.invoices()
    assert (invoice["status"], invoice["attempt_count"], invoice["auto_advance"]) == ("open", 3, False)
    assert kinds(api, "invoice.payment_failed") == ["2026-01-01"]


def test_invoices_of_no_subscription_are_not_tried_again(api):
    customer = api.customer(payment_method=FAILING)
    body = {"customer": customer, "auto_advance": True, "pending_invoice_items_behavior": "include"}
    api.post("/v1/invoiceitems", {"customer": customer, "amount": 500, "currency": "usd"})
    api.post("/v1/invoices", body)
    api.go(2026, 2, 1)
    (invoice,) = api.invoices()
    assert (invoice["status"], invoice["attempt_count"], invoice["next_payment_attempt"]) == ("open", 1, None)


def test_what_a_person_tries_after_the_first_attempt_does_not_count(failing):
    api, _ = failing(retry_after_days=(7,))
    api.go(2026, 2, 1, 2)
    path = f"/v1/invoices/{api.invoices()[-1]['id']}"
    api.refused("POST", f"{path}/pay", status=402)
    tried = api.get(path)
    assert (tried["attempt_count"], tried["next_payment_attempt"]) == (1, at(2026, 2, 8, 1))
    assert len(kinds(api, "invoice.payment_failed")) == 2


def test_a_first_attempt_by_hand_starts_the_schedule(failing):
    api, schedule = failing(retry_after_days=(7,))
    api.go(2026, 2, 1)
    path = f"/v1/invoices/{api.invoices()[-1]['id']}"
    error = api.refused("POST", f"{path}/pay", status=402)
    assert error["code"] == "card_declined"
    tried = api.get(path)
    assert (tried["status"], tried["attempt_count"], tried["next_payment_attempt"]) == (
        "open",
        1,
        at(2026, 2, 8),
    )
    assert status(api, schedule) == "past_due"
    assert api.post(f"{path}/pay", {"payment_method": "pm_card_visa"})["status"] == "paid"
    api.go(2026, 2, 9)
    assert api.get(path)["attempt_count"] == 1


def test_canceling_stops_the_attempts(failing):
    api, schedule = failing()
    api.go(2026, 2, 1, 2)
    api.call("DELETE", f"/v1/subscriptions/{schedule['subscription']}")
    mend(api, schedule)
    api.go(2026, 3, 1)
    invoice = api.invoices()[-1]
    assert (invoice["status"], invoice["attempt_count"], invoice["auto_advance"]) == ("open", 1, False)


def test_a_sent_invoice_is_reminded_of_before_and_when_it_is_due(api_at):
    api = api_at(2026, 1, 1, collection=CollectionSettings(notice_before_due_days=7))
    sent = {"collection_method": "send_invoice", "days_until_due": 30}
    subscription = api.subscribe(*items(api.price(1000)), **sent)
    short = api.subscribe(*items(api.price(1000)), **{**sent, "days_until_due": 5})
    api.go(2026, 1, 1, 1)
    path = f"/v1/invoices/{subscription['latest_invoice']}"
    api.post(f"{path}/send")
    assert len(kinds(api, "invoice.sent")) == 3
    api.go(2026, 1, 31)
    assert kinds(api, "invoice.will_be_due") == ["2026-01-24"]
    assert kinds(api, "invoice.overdue") == ["2026-01-06", "2026-01-31"]
    assert api.get(f"/v1/customers/{short['customer']}")["delinquent"] is True
    invoice = api.get(path)
    assert (invoice["status"], invoice["attempt_count"], invoice["next_payment_attempt"]) == ("open", 0, None)


def test_a_paid_invoice_is_reminded_of_no_more(api_at):
    api = api_at(2026, 1, 1, collection=CollectionSettings(notice_before_due_days=7))
    sent = {"collection_method": "send_invoice", "days_until_due": 30}
    subscription = api.subscribe(*items(api.price(1000)), **sent)
    api.go(2026, 1, 2)
    api.post(f"/v1/invoices/{subscription['latest_invoice']}/pay", {"paid_out_of_band": True})
    api.go(2026, 1, 31, 12)
    assert kinds(api, "invoice.will_be_due") == kinds(api, "invoice.overdue") == []


class TestInvoicePayments:
    PATH = "/v1/invoice_payments"

    def test_a_charge_is_one_payment(self, api):
        api.subscribe(*items(api.price(1000)))
        (invoice,) = api.invoices()
        (payment,) = api.get(self.PATH, {"invoice": invoice["id"]})["data"]
        assert (payment["status"], payment["amount_paid"], payment["is_default"]) == ("paid", 1000, True)
        assert payment["status_transitions"] == {"canceled_at": None, "paid_at": at(2026, 1, 1)}
        assert api.get(f"{self.PATH}/{payment['id']}") == payment
        expanded = api.get(f"/v1/invoices/{invoice['id']}", {"expand": ["payments"]})
        assert expanded["payments"]["data"] == [payment]
        assert "payments" not in invoice

    def test_an_open_payment_follows_what_remains(self, api):
        sent = {"collection_method": "send_invoice", "days_until_due": 30}
        subscription = api.subscribe(*items(api.price(1000)), **sent)
        api.go(2026, 1, 2)
        invoice = subscription["latest_invoice"]
        note = api.post("/v1/credit_notes", {"invoice": invoice, "amount": 300})
        (payment,) = api.get(self.PATH, {"status": "open"})["data"]
        assert (payment["amount_requested"], payment["amount_paid"]) == (700, None)
        api.post(f"/v1/credit_notes/{note['id']}/void")
        assert api.get(f"{self.PATH}/{payment['id']}")["amount_requested"] == 1000
        by_intent = {"type": "payment_intent", "payment_intent": payment["payment"]["payment_intent"]}
        assert [body["id"] for body in api.get(self.PATH, {"payment": by_intent})["data"]] == [payment["id"]]

    @pytest.mark.parametrize("step", ["pay", "void", "credit"])
    def test_a_payment_that_is_no_longer_needed_is_canceled(self, api, step):
        sent = {"collection_method": "send_invoice", "days_until_due": 30}
        invoice = api.subscribe(*items(api.price(1000)), **sent)["latest_invoice"]
        api.go(2026, 1, 2)
        if step == "credit":
            api.post("/v1/credit_notes", {"invoice": invoice, "amount": 1000})
        else:
            body = {"paid_out_of_band": True} if step == "pay" else {}
            api.post(f"/v1/invoices/{invoice}/{step}", body)
        (payment,) = api.get(self.PATH)["data"]
        assert (payment["status"], payment["amount_paid"]) == ("canceled", None)
        shown = api.get(f"/v1/invoices/{invoice}")
        assert shown["amount_paid_off_stripe"] == (1000 if step == "pay" else 0)
        assert shown["amount_overpaid"] == 0

    def test_nothing_due_needs_no_payment(self, api):
        customer = api.customer(balance=-5000)
        api.subscribe(*items(api.price(1000)), customer=customer)
        assert api.invoices()[0]["status"] == "paid"
        assert api.get(self.PATH)["data"] == []


@pytest.mark.parametrize(
    ("balance", "price", "expected"),
    [
        # starting balance, total -> amount due, ending balance, type of the transaction
        (0, 1000, (1000, 0, None)),
        (-300, 1000, (700, 0, "applied_to_invoice")),
        (300, 1000, (1300, 0, "applied_to_invoice")),
        (-1000, 1000, (0, 0, "applied_to_invoice")),
        (-3000, 1000, (0, -2000, "applied_to_invoice")),
        (0, 49, (0, 49, "invoice_too_small")),
        (0, 50, (50, 0, None)),
        (-970, 1000, (0, 30, "invoice_too_small")),
        (20, 35, (55, 0, "applied_to_invoice")),
        (0, 0, (0, 0, None)),
    ],
)
def test_the_balance_meets_the_total(api, balance, price, expected):
    customer = api.customer(**({"balance": balance} if balance else {}))
    api.subscribe(*items(api.price(price)), customer=customer)
    (invoice,) = api.invoices()
    moved = [
        entry["type"]
        for entry in api.get(f"/v1/customers/{customer}/balance_transactions")["data"]
        if entry["invoice"] is not None
    ]
    assert (invoice["amount_due"], invoice["ending_balance"], moved[0] if moved else None) == expected
    assert invoice["starting_balance"] == balance
    assert invoice["status"] == "paid"
    assert api.get(f"/v1/customers/{customer}")["balance"] == expected[1]


def test_a_negative_invoice_of_no_subscription_becomes_credit(api):
    customer = api.customer()
    api.post("/v1/invoiceitems", {"customer": customer, "amount": -800, "currency": "usd"})
    body = {"customer": customer, "pending_invoice_items_behavior": "include"}
    invoice = api.post("/v1/invoices", body)["id"]
    paid = api.post(f"/v1/invoices/{invoice}/finalize")
    shown = (paid["status"], paid["total"], paid["amount_due"], paid["ending_balance"])
    assert shown == ("paid", -800, 0, -800)
    assert (paid["attempted"], paid["attempt_count"]) == (True, 0)
    api.subscribe(*items(api.price(1000)), customer=customer)
    assert api.invoices()[-1]["amount_due"] == 200


def test_a_lowered_invoice_may_be_too_small_to_charge(api):
    sent = {"collection_method": "send_invoice", "days_until_due": 30}
    subscription = api.subscribe(*items(api.price(1000)), **sent)
    api.go(2026, 1, 2)
    invoice = subscription["latest_invoice"]
    api.post("/v1/credit_notes", {"invoice": invoice, "amount": 960})
    assert api.refused("POST", f"/v1/invoices/{invoice}/pay")["code"] == "amount_too_small"
    assert api.post(f"/v1/invoices/{invoice}/pay", {"paid_out_of_band": True})["amount_paid"] == 40
