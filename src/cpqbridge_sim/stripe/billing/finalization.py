"""From draft to the end of an invoice: number, balance, collection.

Source: docs.stripe.com/billing/invoices, read 20 Nov 2026.
"""

from cpqbridge_sim.stripe.billing.collection import collect
from cpqbridge_sim.stripe.billing.invoicing import count_usage_again, recount
from cpqbridge_sim.stripe.billing.payments import (
    mark_paid,
    mark_uncollectible,
    minimum_charge,
    open_payment,
    subscription_of,
)
from cpqbridge_sim.stripe.state import AccountState
from cpqbridge_sim.stripe.store import Body


def finalize(state: AccountState, invoice: Body, *, at: int) -> None:
    """Give a draft its number, settle the customer's balance and go on to collect it."""
    customer = state.store.get("customer", invoice["customer"]) or {}
    invoice["starting_balance"] = customer["balance"]
    count_usage_again(state, invoice)
    recount(state, invoice)
    sequence = customer["next_invoice_sequence"]
    customer["next_invoice_sequence"] = sequence + 1
    invoice["number"] = f"{customer['invoice_prefix']}-{sequence:04d}"
    invoice["status"] = "open"
    invoice["effective_at"] = at
    invoice["automatically_finalizes_at"] = None
    invoice["status_transitions"]["finalized_at"] = at
    invoice["hosted_invoice_url"] = f"https://invoice.stripe.com/i/{state.account_id}/{invoice['id']}"
    invoice["invoice_pdf"] = f"https://pay.stripe.com/invoice/{state.account_id}/{invoice['id']}/pdf"
    _settle_balance(state, invoice, customer)
    state.emit("invoice.finalized", invoice)
    if invoice["amount_due"] == 0:
        _close_without_payment(state, invoice, at=at)
        return
    open_payment(state, invoice, at=at)
    if invoice["auto_advance"]:
        collect(state, invoice, at=at)


def _is_credit_of_ended(state: AccountState, invoice: Body) -> bool:
    if invoice["total"] >= 0 or not state.assumptions.credit_only_final_invoice_is_uncollectible:
        return False
    subscription = subscription_of(state, invoice)
    return subscription is not None and subscription["status"] == "canceled"


def _settle_balance(state: AccountState, invoice: Body, customer: Body) -> None:
    start, total = invoice["starting_balance"], invoice["total"]
    if _is_credit_of_ended(state, invoice):
        invoice["ending_balance"] = start
        invoice["amount_due"] = invoice["amount_remaining"] = 0
        return
    due = total + start
    minimum = minimum_charge(invoice["currency"])
    if due <= 0 or due < minimum:
        invoice["ending_balance"] = due
        invoice["amount_due"] = invoice["amount_remaining"] = 0
    else:
        invoice["ending_balance"] = 0
    change = invoice["ending_balance"] - start
    if change:
        kind = "invoice_too_small" if 0 < due < minimum else "applied_to_invoice"
        move_balance(state, customer, change, kind=kind, currency=invoice["currency"], invoice=invoice)


def move_balance(  # noqa: PLR0913 - keyword-only facts of one transaction
    state: AccountState,
    customer: Body,
    amount: int,
    *,
    kind: str,
    currency: str,
    invoice: Body | None = None,
    credit_note: Body | None = None,
    description: str | None = None,
    metadata: dict[str, str] | None = None,
) -> Body:
    """Add to the customer's balance (negative = the customer's credit) with its transaction."""
    customer["balance"] += amount
    if customer["currency"] is None:
        customer["currency"] = currency
    state.emit("customer.updated", customer)
    return state.store.add(
        {
            "id": state.identifiers.new("cbtxn"),
            "object": "customer_balance_transaction",
            "amount": amount,
            "checkout_session": None,
            "created": state.time_of(customer["id"]),
            "credit_note": None if credit_note is None else credit_note["id"],
            "currency": currency,
            "customer": customer["id"],
            "customer_account": None,
            "description": description,
            "ending_balance": customer["balance"],
            "invoice": None if invoice is None else invoice["id"],
            "livemode": state.livemode,
            "metadata": metadata or {},
            "type": kind,
        }
    )


def _close_without_payment(state: AccountState, invoice: Body, *, at: int) -> None:
    invoice["next_payment_attempt"] = None
    if _is_credit_of_ended(state, invoice):
        mark_uncollectible(state, invoice, at=at, reason="subscription_canceled")
        return
    invoice["attempted"] = True
    mark_paid(state, invoice, at=at)
