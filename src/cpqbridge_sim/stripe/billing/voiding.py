"""Voiding an invoice, which gives an applied balance back."""

from cpqbridge_sim.stripe.billing.finalization import move_balance
from cpqbridge_sim.stripe.billing.payments import cancel_payment
from cpqbridge_sim.stripe.state import AccountState
from cpqbridge_sim.stripe.store import Body


def void_invoice(state: AccountState, invoice: Body, *, at: int) -> None:
    """Take a finalized invoice back as if it had never been."""
    customer = state.store.get("customer", invoice["customer"]) or {}
    applied = invoice["ending_balance"] - invoice["starting_balance"]
    if applied:
        move_balance(
            state,
            customer,
            -applied,
            kind="unapplied_from_invoice",
            currency=invoice["currency"],
            invoice=invoice,
        )
    invoice["status"] = "void"
    invoice["status_transitions"]["voided_at"] = at
    invoice["next_payment_attempt"] = None
    cancel_payment(state, invoice, at=at)
    state.emit("invoice.voided", invoice)
