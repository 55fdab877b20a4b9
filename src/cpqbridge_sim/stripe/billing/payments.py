"""What is paid on an invoice, by whom it was tried, and the invoice payment that stands for it.

Source: docs.stripe.com/api/invoice-payment, read 20 Nov 2026.
"""

from cpqbridge_sim.stripe.billing.trials import trial_after
from cpqbridge_sim.stripe.state import AccountState
from cpqbridge_sim.stripe.store import Body

# One charge has at most eight digits (docs.stripe.com/currencies); invoices may be larger.
CHARGE_MAX = 99_999_999
# Minimum charge by currency in minor units (docs.stripe.com/currencies, about 0.50 USD); others count as 50.
_MINIMUM_CHARGE = {
    "gbp": 30, "dkk": 250, "hkd": 400, "sek": 300, "nok": 300, "mxn": 1000, "pln": 200, "czk": 1500,
    "huf": 17500, "ron": 200, "bgn": 100, "myr": 200, "thb": 1000, "aed": 200,
}  # fmt: skip
_MINIMUM_CHARGE_DEFAULT = 50
_PAYMENT_REVIVES = frozenset({"incomplete", "past_due", "unpaid"})


def minimum_charge(currency: str) -> int:
    """The smallest amount that can be charged in a currency, in minor units."""
    return _MINIMUM_CHARGE.get(currency, _MINIMUM_CHARGE_DEFAULT)


def subscription_of(state: AccountState, invoice: Body) -> Body | None:
    """The subscription an invoice belongs to."""
    details = (invoice["parent"] or {}).get("subscription_details") or {}
    return state.store.get("subscription", details.get("subscription"))


def open_payment(state: AccountState, invoice: Body, *, at: int) -> None:
    """The default payment that a finalized invoice with an amount due waits for."""
    payment = state.store.add(
        {
            "id": state.identifiers.new("inpay"),
            "object": "invoice_payment",
            "amount_paid": None,
            "amount_requested": invoice["amount_remaining"],
            "created": at,
            "currency": invoice["currency"],
            "invoice": invoice["id"],
            "is_default": True,
            "livemode": state.livemode,
            "payment": {
                "charge": None,
                "payment_intent": state.identifiers.new("pi"),
                "payment_record": None,
                "type": "payment_intent",
            },
            "status": "open",
            "status_transitions": {"canceled_at": None, "paid_at": None},
        }
    )
    state.open_payments[invoice["id"]] = payment


def follow_remaining(state: AccountState, invoice: Body) -> None:
    """Ask for what remains to be paid, after a credit note changed it."""
    payment = state.open_payments.get(invoice["id"])
    if payment is not None:
        payment["amount_requested"] = invoice["amount_remaining"]


def cancel_payment(state: AccountState, invoice: Body, *, at: int) -> None:
    """Nothing more will come by the default payment of an invoice."""
    payment = state.open_payments.pop(invoice["id"], None)
    if payment is not None:
        payment["status"] = "canceled"
        payment["status_transitions"]["canceled_at"] = at


def pay_in_full(state: AccountState, invoice: Body, *, at: int, out_of_band: bool = False) -> None:
    """Settle what remains, by a charge that can be refunded unless it was paid `out_of_band`."""
    remaining = invoice["amount_remaining"]
    if out_of_band:
        invoice["amount_paid_off_stripe"] += remaining
    else:
        state.charged[invoice["id"]] = state.charged.get(invoice["id"], 0) + remaining
    if out_of_band or not remaining:
        cancel_payment(state, invoice, at=at)
    else:
        _payment_succeeded(state, invoice, remaining, at=at)
    invoice["amount_paid"] += remaining
    invoice["amount_remaining"] = 0
    mark_paid(state, invoice, at=at)


def _payment_succeeded(state: AccountState, invoice: Body, amount: int, *, at: int) -> None:
    payment = state.open_payments.pop(invoice["id"], None)
    if payment is not None:
        payment["status"] = "paid"
        payment["amount_paid"] = payment["amount_requested"] = amount
        payment["status_transitions"]["paid_at"] = at
        state.emit("invoice_payment.paid", payment)


def mark_paid(state: AccountState, invoice: Body, *, at: int) -> None:
    """Close an invoice as paid; the latest one of a subscription that failed before makes that active."""
    invoice["status"] = "paid"
    invoice["status_transitions"]["paid_at"] = at
    invoice["next_payment_attempt"] = None
    state.emit_all(("invoice.paid", "invoice.payment_succeeded"), invoice)
    set_delinquent(state, invoice, delinquent=False)
    subscription = subscription_of(state, invoice)
    if subscription is None or subscription["status"] not in _PAYMENT_REVIVES:
        return
    if _is_latest(state, subscription, invoice):
        subscription["status"] = "active" if trial_after(subscription, at) is None else "trialing"
        state.emit("customer.subscription.updated", subscription)


def _is_latest(state: AccountState, subscription: Body, invoice: Body) -> bool:
    """Whether no later invoice of the subscription was finalized."""
    return not any(
        other["created"] > invoice["created"]
        and other["status_transitions"]["finalized_at"] is not None
        and subscription_of(state, other) is subscription
        for other in state.store.of_customer("invoice", invoice["customer"])
    )


def mark_uncollectible(state: AccountState, invoice: Body, *, at: int, reason: str | None = None) -> None:
    """Give an invoice up."""
    invoice["status"] = "uncollectible"
    invoice["status_transitions"]["marked_uncollectible_at"] = at
    invoice["next_payment_attempt"] = None
    if reason is not None:
        invoice["status_details"] = {"uncollectible": {"reason": reason}}
    state.emit("invoice.marked_uncollectible", invoice)


def set_delinquent(state: AccountState, invoice: Body, *, delinquent: bool) -> None:
    """Whether the customer's last news about an invoice were bad."""
    customer = state.store.get("customer", invoice["customer"])
    if customer is not None:
        customer["delinquent"] = delinquent
