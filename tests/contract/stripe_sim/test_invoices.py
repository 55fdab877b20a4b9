"""Stand-alone invoices, their lines and steps, and credit notes."""

import pytest
from tests.contract.stripe_sim.stripe_driver import at, items, phase


def one_off(api, *amounts: int, **params) -> dict:
    """A draft with one item per amount."""
    customer = params.pop("customer", None) or api.customer()
    invoice = api.post("/v1/invoices", {"customer": customer, **params})
    for amount in amounts:
        item = {"customer": customer, "invoice": invoice["id"], "amount": amount, "currency": "usd"}
        api.post("/v1/invoiceitems", item)
    return api.get(f"/v1/invoices/{invoice['id']}")


def test_pending_items_wait_until_an_invoice_asks_for_them(api):
    customer = api.customer()
    terms = {"customer": customer, "currency": "usd"}
    api.post("/v1/invoiceitems", {**terms, "amount": 500, "description": "Visit"})
    api.post("/v1/invoiceitems", {**terms, "unit_amount_decimal": "1234.56", "quantity_decimal": "0.333333"})
    assert api.post("/v1/invoices", {"customer": customer})["total"] == 0
    params = {"customer": customer, "pending_invoice_items_behavior": "include"}
    invoice = api.post("/v1/invoices", params)
    assert [line["amount"] for line in invoice["lines"]["data"]] == [500, 412]
    assert api.get("/v1/invoiceitems", {"pending": True})["data"] == []


def test_an_item_without_subscription_joins_the_next_subscription_invoice(api):
    subscription = api.subscribe(*items(api.price(1000)))
    terms = {"customer": subscription["customer"], "currency": "usd"}
    api.post("/v1/invoiceitems", {**terms, "amount": 500})
    api.post("/v1/invoiceitems", {**terms, "amount": 70, "subscription": subscription["id"]})
    api.go(2026, 2, 1)
    assert api.totals() == [1000, 1570]


def test_a_draft_without_auto_advance_stays_a_draft(api):
    draft = one_off(api, 500)
    other = one_off(api, 700, auto_advance=True)
    api.go(2026, 1, 2)
    assert api.get(f"/v1/invoices/{draft['id']}")["status"] == "draft"
    assert api.get(f"/v1/invoices/{other['id']}")["status"] == "paid"


def test_lines_are_added_changed_and_removed_while_it_is_a_draft(api):
    draft = one_off(api, 500)
    path = f"/v1/invoices/{draft['id']}"
    product = api.post("/v1/products", {"name": "Setup"})["id"]
    added = api.post(
        f"{path}/add_lines",
        {
            "lines": [
                {"amount": 300, "description": "Extra", "metadata": {"n": "1"}},
                {"price_data": {"currency": "usd", "product": product, "unit_amount": 20}, "quantity": 3},
            ]
        },
    )
    lines = added["lines"]["data"]
    assert [line["amount"] for line in lines] == [500, 300, 60]
    changed = api.post(f"{path}/update_lines", {"lines": [{"id": lines[1]["id"], "amount": 310}]})
    assert changed["total"] == 870
    gone = {
        "lines": [
            {"id": lines[0]["id"], "behavior": "unassign"},
            {"id": lines[2]["id"], "behavior": "delete"},
        ]
    }
    assert api.post(f"{path}/remove_lines", gone)["total"] == 310
    assert [body["amount"] for body in api.get("/v1/invoiceitems", {"pending": True})["data"]] == [500]
    listed = api.get(f"{path}/lines")["data"]
    assert [(line["amount"], line["metadata"]) for line in listed] == [(310, {"n": "1"})]


def test_a_finalized_invoice_is_closed_to_changes(api):
    draft = one_off(api, 500, collection_method="send_invoice", days_until_due=10)
    path = f"/v1/invoices/{draft['id']}"
    final = api.post(f"{path}/finalize")
    assert (final["status"], final["due_date"]) == ("open", at(2026, 1, 11))
    assert final["number"].endswith("-0001")
    error = api.refused("POST", f"{path}/add_lines", {"lines": [{"amount": 1}]})
    assert error["code"] == "invoice_not_editable"
    assert api.refused("POST", path, {"days_until_due": 3})["code"] == "invoice_not_editable"
    assert api.post(path, {"metadata": {"a": "1"}})["metadata"] == {"a": "1"}
    api.refused("POST", f"{path}/finalize")


def test_voiding_gives_an_applied_balance_back(api):
    customer = api.customer(balance=-200)
    draft = one_off(api, 500, customer=customer, collection_method="send_invoice", days_until_due=10)
    path = f"/v1/invoices/{draft['id']}"
    assert api.post(f"{path}/finalize")["amount_due"] == 300
    assert api.get(f"/v1/customers/{customer}")["balance"] == 0
    assert api.post(f"{path}/void")["status"] == "void"
    assert api.get(f"/v1/customers/{customer}")["balance"] == -200
    assert "isn't open" in api.refused("POST", f"{path}/void")["message"]


def test_paid_invoices_cannot_be_voided(api):
    draft = one_off(api, 500)
    path = f"/v1/invoices/{draft['id']}"
    assert api.post(f"{path}/pay")["status"] == "paid"
    assert api.refused("POST", f"{path}/void")["message"] == "Invoices with `paid` payments cannot be voided."
    api.refused("POST", f"{path}/pay")


def test_a_declined_card_answers_402(api):
    customer = api.post("/v1/customers", {"payment_method": "pm_card_chargeCustomerFail"})["id"]
    draft = one_off(api, 500, customer=customer)
    error = api.refused("POST", f"/v1/invoices/{draft['id']}/pay", status=402)
    assert (error["type"], error["code"]) == ("card_error", "card_declined")


def test_sending_finalizes_and_giving_up_closes(api):
    draft = one_off(api, 500, collection_method="send_invoice", days_until_due=10)
    path = f"/v1/invoices/{draft['id']}"
    assert api.post(f"{path}/send")["status"] == "open"
    assert api.post(f"{path}/mark_uncollectible")["status"] == "uncollectible"
    charged = one_off(api, 500)
    api.refused("POST", f"/v1/invoices/{charged['id']}/send")


def test_a_discount_of_the_whole_invoice_is_shared_anew_when_lines_come(api):
    coupon = api.coupon(amount_off=500, duration="once")
    draft = one_off(api, 1000, 2000, discounts=[{"coupon": coupon}])
    assert [line["discount_amounts"][0]["amount"] for line in draft["lines"]["data"]] == [166, 334]
    assert draft["total"] == 2500


def test_a_deleted_draft_frees_its_items(api):
    draft = one_off(api, 500)
    api.call("DELETE", f"/v1/invoices/{draft['id']}")
    assert len(api.get("/v1/invoiceitems", {"pending": True})["data"]) == 1
    subscription = api.subscribe(*items(api.price(1000)))
    api.refused("DELETE", f"/v1/invoices/{subscription['latest_invoice']}")


class TestCreditNotes:
    @pytest.fixture
    def paid(self, api):
        api.schedule(phase(api.price(1000), api.price(250), end=at(2027, 1, 1)), start=at(2026, 1, 1))
        api.go(2026, 1, 2)
        return api.invoices()[0]

    def test_a_paid_invoice_is_credited_to_the_balance(self, api, paid):
        line = paid["lines"]["data"][0]["id"]
        lines = [{"type": "invoice_line_item", "invoice_line_item": line, "amount": 400}]
        note = api.post(
            "/v1/credit_notes",
            {"invoice": paid["id"], "lines": lines, "credit_amount": 400, "metadata": {"why": "x"}},
        )
        assert (note["total"], note["type"], note["number"]) == (
            400,
            "post_payment",
            f"{paid['number']}-CN-01",
        )
        assert api.get(f"/v1/customers/{paid['customer']}")["balance"] == -400
        assert api.get(f"/v1/invoices/{paid['id']}")["post_payment_credit_notes_amount"] == 400
        assert api.get("/v1/credit_notes", {"invoice": paid["id"]})["data"] == [note]
        listed = api.get(f"/v1/credit_notes/{note['id']}/lines")["data"]
        assert [(entry["amount"], entry["invoice_line_item"]) for entry in listed] == [(400, line)]

    def test_what_is_given_back_must_add_up(self, api, paid):
        api.refused("POST", "/v1/credit_notes", {"invoice": paid["id"], "amount": 400, "credit_amount": 300})
        api.refused(
            "POST", "/v1/credit_notes", {"invoice": paid["id"], "amount": 1251, "credit_amount": 1251}
        )
        params = {"invoice": paid["id"], "amount": 1000, "out_of_band_amount": 1000}
        api.post("/v1/credit_notes", params)
        api.refused("POST", "/v1/credit_notes", params)

    def test_an_open_invoice_is_lowered_and_raised_again_by_voiding(self, api):
        draft = one_off(api, 500, collection_method="send_invoice", days_until_due=10)
        path = f"/v1/invoices/{draft['id']}"
        api.refused("POST", "/v1/credit_notes", {"invoice": draft["id"], "amount": 100})
        api.post(f"{path}/finalize")
        note = api.post("/v1/credit_notes", {"invoice": draft["id"], "amount": 100})
        assert (note["type"], api.get(path)["amount_remaining"]) == ("pre_payment", 400)
        assert api.post(f"/v1/credit_notes/{note['id']}/void")["status"] == "void"
        assert api.get(path)["amount_remaining"] == 500
        api.post("/v1/credit_notes", {"invoice": draft["id"], "amount": 500})
        assert api.get(path)["status"] == "paid"


def test_t31_fractional_quantities(api):
    subscription = api.subscribe({"price": api.price("199.9"), "quantity": 24})
    assert api.totals() == [4798]
    terms = {"customer": subscription["customer"], "currency": "usd"}
    third = {**terms, "unit_amount_decimal": "123456", "quantity_decimal": "0.333333"}
    item = api.post("/v1/invoiceitems", third)
    assert (item["amount"], item["quantity_decimal"]) == (41152, "0.333333")
