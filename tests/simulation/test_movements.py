"""What moved in the simulated account is read whole: charges, credit notes, credits on the balance."""

from __future__ import annotations

from datetime import UTC, date, datetime

from tests.simulation.movements import movements, settled_invoices

from cpqbridge_sim.stripe.account import Account

NOW = datetime(2026, 3, 1, tzinfo=UTC)
PERIOD = {"start": 1_772_323_200, "end": 1_775_001_600}


def post(account, path, **params):
    status, body = account.request("POST", path, params)
    assert status == 200, body
    return body


def an_invoice(account, customer, *, amount, order_item_id, final=True):
    invoice = post(
        account,
        "/v1/invoices",
        customer=customer["id"],
        auto_advance=False,
        collection_method="send_invoice",
        days_until_due=30,
    )
    line = {
        "amount": amount,
        "description": "Seats",
        "period": PERIOD,
        "metadata": {"salesforce_order_item_id": order_item_id, "salesforce_kind": "head"},
    }
    post(account, f"/v1/invoices/{invoice['id']}/add_lines", lines=[line])
    if final:
        post(account, f"/v1/invoices/{invoice['id']}/finalize")
    return invoice


def test_charges_and_credits_name_their_order_lines():
    account = Account(now=NOW)
    customer = post(account, "/v1/customers", name="Baden Trading", email="billing@baden.example")
    invoice = an_invoice(account, customer, amount=5000, order_item_id="802A,802B")
    voided = an_invoice(account, customer, amount=700, order_item_id="802A")
    post(account, f"/v1/invoices/{voided['id']}/void")
    draft = an_invoice(account, customer, amount=900, order_item_id="802C", final=False)
    post(
        account,
        "/v1/credit_notes",
        invoice=invoice["id"],
        amount=1200,
        metadata={"salesforce_credits": "802D:-1000,802E:-200"},
    )
    transactions = f"/v1/customers/{customer['id']}/balance_transactions"
    stated = {"salesforce_credits": "802D:-300", "salesforce_credits_2": "802F:-5"}
    post(account, transactions, amount=-305, currency="usd", metadata=stated)
    post(account, transactions, amount=-99, currency="usd")

    found = movements(account)
    assert {(movement.order_item_ids, movement.kind, movement.amount) for movement in found} == {
        (("802A", "802B"), "head", 5000),
        (("802C",), "head", 900),
        (("802D",), "credit", -1000),
        (("802E",), "credit", -200),
        (("802D",), "credit", -300),
        (("802F",), "credit", -5),
    }
    charge = next(movement for movement in found if movement.amount == 5000)
    assert (charge.at, charge.period_start, charge.period_end) == (NOW, date(2026, 3, 1), date(2026, 4, 1))
    settled = settled_invoices(account)
    assert draft["id"] not in settled
    assert [amount for _, amount in settled[invoice["id"]]] == [5000]


def test_credit_that_states_less_than_it_gives_names_nobody():
    account = Account(now=NOW)
    customer = post(account, "/v1/customers", name="Baden Trading", email="billing@baden.example")
    invoice = an_invoice(account, customer, amount=5000, order_item_id="802A")
    stated = {"salesforce_credits": "802D:-1000"}
    post(account, "/v1/credit_notes", invoice=invoice["id"], amount=1200, metadata=stated)
    credit = movements(account)[-1]
    assert (credit.amount, credit.order_item_ids) == (-1200, ())
