"""Credit notes, refunds and the customer's balance: every way to give money back."""

import pytest
from tests.contract.stripe_sim.stripe_driver import at, phase

NOTES = "/v1/credit_notes"


def an_invoice(api, *amounts: int, customer: str | None = None, **params) -> dict:
    """A final invoice with a line per amount, to be paid within ten days unless said otherwise."""
    settings = {"collection_method": "send_invoice", "days_until_due": 10, **params}
    draft = api.post("/v1/invoices", {"customer": customer or api.customer(), **settings})
    path = f"/v1/invoices/{draft['id']}"
    api.post(f"{path}/add_lines", {"lines": [{"amount": amount} for amount in amounts]})
    return api.post(f"{path}/finalize")


def credited(invoice: dict, index: int, amount: int) -> dict:
    line = invoice["lines"]["data"][index]["id"]
    return {"type": "invoice_line_item", "invoice_line_item": line, "amount": amount}


def balance(api, invoice: dict) -> int:
    return api.get(f"/v1/customers/{invoice['customer']}")["balance"]


@pytest.fixture
def paid(api) -> dict:
    """An invoice of 1000 and 250 that was charged to a card."""
    api.schedule(phase(api.price(1000), api.price(250), end=at(2027, 1, 1)), start=at(2026, 1, 1))
    api.go(2026, 1, 2)
    return api.invoices()[0]


def test_an_open_invoice_is_lowered_and_nothing_given_back(api):
    invoice = an_invoice(api, 500, 300)
    note = api.post(NOTES, {"invoice": invoice["id"], "lines": [credited(invoice, 0, 120)]})
    assert (note["type"], note["pre_payment_amount"], note["post_payment_amount"]) == ("pre_payment", 120, 0)
    left = api.get(f"/v1/invoices/{invoice['id']}")
    assert (left["amount_remaining"], left["amount_due"], left["total"]) == (680, 680, 800)
    assert left["pre_payment_credit_notes_amount"] == 120
    assert balance(api, invoice) == 0


def test_a_note_beyond_what_remains_gives_the_rest_back(api):
    customer = api.customer(balance=-200)
    invoice = an_invoice(api, 500, customer=customer)
    assert (invoice["amount_due"], balance(api, invoice)) == (300, 0)
    params = {"invoice": invoice["id"], "lines": [credited(invoice, 0, 400)]}
    assert api.refused("POST", NOTES, params)["param"] == "credit_amount"
    api.refused("POST", NOTES, {**params, "credit_amount": 400})
    note = api.post(NOTES, {**params, "credit_amount": 100})
    assert (note["type"], note["pre_payment_amount"], note["post_payment_amount"]) == ("mixed", 300, 100)
    assert balance(api, invoice) == -100
    assert api.get(f"/v1/invoices/{invoice['id']}")["status"] == "paid"


def test_an_unpaid_invoice_gives_nothing_back(api):
    invoice = an_invoice(api, 500)
    params = {"invoice": invoice["id"], "lines": [credited(invoice, 0, 100)], "credit_amount": 100}
    assert api.refused("POST", NOTES, params)["param"] == "credit_amount"


def test_what_is_given_back_may_be_split_three_ways(api, paid):
    params = {"invoice": paid["id"], "lines": [credited(paid, 0, 900)]}
    parts = {"credit_amount": 200, "refund_amount": 300, "out_of_band_amount": 400}
    note = api.post(NOTES, {**params, **parts})
    assert (note["type"], note["out_of_band_amount"]) == ("post_payment", 400)
    assert [refund["amount_refunded"] for refund in note["refunds"]] == [300]
    assert balance(api, paid) == -200
    (moved,) = api.get(f"/v1/customers/{paid['customer']}/balance_transactions")["data"]
    assert (moved["amount"], moved["type"], moved["credit_note"]) == (-200, "credit_note", note["id"])
    assert note["customer_balance_transaction"] == moved["id"]
    refund = api.get(f"{NOTES}/{note['id']}", {"expand": ["refunds.refund"]})["refunds"][0]["refund"]
    assert (refund["amount"], refund["status"]) == (300, "succeeded")


def test_only_what_was_charged_is_refunded(api, paid):
    api.post(NOTES, {"invoice": paid["id"], "lines": [credited(paid, 0, 900)], "refund_amount": 900})
    other = an_invoice(api, 500)
    api.post(f"/v1/invoices/{other['id']}/pay", {"paid_out_of_band": True})
    params = {"invoice": other["id"], "lines": [credited(other, 0, 500)]}
    assert api.refused("POST", NOTES, {**params, "refund_amount": 500})["param"] == "refund_amount"
    api.post(NOTES, {**params, "out_of_band_amount": 500})


def test_a_line_is_credited_once_by_all_notes_together(api, paid):
    first = {"invoice": paid["id"], "lines": [credited(paid, 1, 200)], "credit_amount": 200}
    api.post(NOTES, first)
    error = api.refused("POST", NOTES, {**first, "lines": [credited(paid, 1, 51)], "credit_amount": 51})
    assert error["param"] == "lines[0][amount]"
    twice = [credited(paid, 0, 600), credited(paid, 0, 401)]
    error = api.refused("POST", NOTES, {"invoice": paid["id"], "lines": twice, "credit_amount": 1001})
    assert error["param"] == "lines[1][amount]"
    api.post(NOTES, {"invoice": paid["id"], "lines": [credited(paid, 1, 50)], "credit_amount": 50})


def test_a_void_note_frees_its_line(api):
    invoice = an_invoice(api, 500)
    params = {"invoice": invoice["id"], "lines": [credited(invoice, 0, 400)]}
    note = api.post(NOTES, params)
    api.refused("POST", NOTES, params)
    api.post(f"{NOTES}/{note['id']}/void")
    api.post(NOTES, params)


@pytest.mark.parametrize("amount", [0, -5, 501])
def test_a_line_is_credited_within_its_amount(api, amount):
    invoice = an_invoice(api, 500)
    params = {"invoice": invoice["id"], "lines": [credited(invoice, 0, amount)]}
    assert api.refused("POST", NOTES, params)["param"] == "lines[0][amount]"


def test_drafts_and_void_invoices_are_not_credited(api):
    draft = api.post("/v1/invoices", {"customer": api.customer()})
    api.post(f"/v1/invoices/{draft['id']}/add_lines", {"lines": [{"amount": 500}]})
    assert api.refused("POST", NOTES, {"invoice": draft["id"], "amount": 1})["param"] == "invoice"
    final = an_invoice(api, 500)
    api.post(f"/v1/invoices/{final['id']}/void")
    assert api.refused("POST", NOTES, {"invoice": final["id"], "amount": 1})["param"] == "invoice"


def test_notes_are_listed_by_customer_invoice_and_time(api):
    one, other = an_invoice(api, 500), an_invoice(api, 500)
    first = api.post(NOTES, {"invoice": one["id"], "lines": [credited(one, 0, 10)]})
    api.go(2026, 1, 2)
    second = api.post(NOTES, {"invoice": other["id"], "lines": [credited(other, 0, 10)]})

    def listed(**filters) -> list[str]:
        return [note["id"] for note in api.get(NOTES, filters)["data"]]

    assert listed() == [second["id"], first["id"]]
    assert listed(customer=one["customer"]) == listed(invoice=one["id"]) == [first["id"]]
    assert listed(created={"gt": at(2026, 1, 1)}) == [second["id"]]


def test_the_balance_moves_by_transactions_that_are_listed(api):
    customer = api.customer()
    path = f"/v1/customers/{customer}/balance_transactions"
    metadata = {"cpqbridge_key": "k"}
    credit = api.post(path, {"amount": -500, "currency": "usd", "metadata": metadata})
    assert (credit["amount"], credit["type"], credit["ending_balance"]) == (-500, "adjustment", -500)
    assert credit["metadata"] == metadata
    assert api.refused("POST", path, {"amount": -1, "currency": "eur"})["param"] == "currency"
    invoice = an_invoice(api, 200, customer=customer)
    assert (invoice["status"], balance(api, invoice)) == ("paid", -300)
    moved = api.get(path)["data"]
    assert [(body["amount"], body["type"]) for body in moved] == [
        (200, "applied_to_invoice"),
        (-500, "adjustment"),
    ]
    assert api.get(path, {"invoice": invoice["id"]})["data"] == moved[:1]
    assert api.get(f"{path}/{credit['id']}") == credit


def test_answers_show_the_first_ten_lines(api):
    invoice = an_invoice(api, *range(1, 13))
    shown = api.get(f"/v1/invoices/{invoice['id']}")["lines"]
    assert (len(shown["data"]), shown["has_more"], shown["total_count"]) == (10, True, 12)
    assert len(api.get(f"/v1/invoices/{invoice['id']}/lines", {"limit": 100})["data"]) == 12
    entries = [{"type": "custom_line_item", "quantity": 1, "unit_amount": 1, "description": "x"}] * 11
    note = api.post(NOTES, {"invoice": invoice["id"], "lines": entries})
    assert (len(note["lines"]["data"]), note["lines"]["has_more"]) == (10, True)
    assert len(api.get(f"{NOTES}/{note['id']}/lines", {"limit": 100})["data"]) == 11
