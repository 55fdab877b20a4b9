"""From draft to the end of an invoice: number, balance, collection.

Source: docs.stripe.com/billing/invoices, read 20 Nov 2026.
"""

from cpqbridge_sim.stripe.billing.invoicing import DUE_PRIORITY, count_usage_again, recount
from cpqbridge_sim.stripe.billing.trials import trial_after
from cpqbridge_sim.stripe.state import AccountState
from cpqbridge_sim.stripe.store import Body

# Minimum charge by currency in minor units (docs.stripe.com/currencies, about 0.50 USD); others count as 50.
_MINIMUM_CHARGE = {
    "gbp": 30, "dkk": 250, "hkd": 400, "sek": 300, "nok": 300, "mxn": 1000, "pln": 200, "czk": 1500,
    "huf": 17500, "ron": 200, "bgn": 100, "myr": 200, "thb": 1000, "aed": 200,
}  # fmt: skip
_MINIMUM_CHARGE_DEFAULT = 50
# One charge has at most eight digits (docs.stripe.com/currencies); invoices may be larger.
CHARGE_MAX = 99_999_999
FAILING_METHOD = "pm_card_chargeCustomerFail"


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
    elif invoice["auto_advance"]:
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
    minimum = _MINIMUM_CHARGE.get(invoice["currency"], _MINIMUM_CHARGE_DEFAULT)
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
    _paid(state, invoice, at=at)


def _paid(state: AccountState, invoice: Body, *, at: int) -> None:
    invoice["status"] = "paid"
    invoice["status_transitions"]["paid_at"] = at
    invoice["next_payment_attempt"] = None
    state.emit_all(("invoice.paid", "invoice.payment_succeeded"), invoice)
    subscription = subscription_of(state, invoice)
    if subscription is not None and subscription["status"] in ("incomplete", "past_due"):
        subscription["status"] = "active" if trial_after(subscription, at) is None else "trialing"
        state.emit("customer.subscription.updated", subscription)


def mark_uncollectible(state: AccountState, invoice: Body, *, at: int, reason: str | None = None) -> None:
    """Give an invoice up."""
    invoice["status"] = "uncollectible"
    invoice["status_transitions"]["marked_uncollectible_at"] = at
    invoice["next_payment_attempt"] = None
    if reason is not None:
        invoice["status_details"] = {"uncollectible": {"reason": reason}}
    state.emit("invoice.marked_uncollectible", invoice)


def collect(state: AccountState, invoice: Body, *, at: int) -> None:
    """Send an open invoice, or try to charge it."""
    if invoice["collection_method"] == "send_invoice":
        state.emit("invoice.sent", invoice)
        if invoice["due_date"] is not None and invoice["due_date"] >= at:
            state.wake_at(invoice["due_date"], priority=DUE_PRIORITY, kind="invoice.due", body=invoice)
        return
    invoice["attempted"] = True
    invoice["attempt_count"] += 1
    invoice["next_payment_attempt"] = None
    if can_charge(state, invoice):
        pay_in_full(state, invoice, at=at)
        return
    state.emit("invoice.payment_failed", invoice)
    subscription = subscription_of(state, invoice)
    if subscription is not None and subscription["status"] == "active":
        subscription["status"] = "past_due"
        state.emit("customer.subscription.updated", subscription)


def can_charge(state: AccountState, invoice: Body) -> bool:
    """Whether a payment method stands ready that does not decline, and one charge can carry the amount."""
    if invoice["amount_remaining"] > CHARGE_MAX:
        return False
    method = payment_method(state, invoice["customer"], subscription_of(state, invoice))
    return method is not None and method != FAILING_METHOD


def payment_method(state: AccountState, customer_id: str, subscription: Body | None) -> str | None:
    """The method that would be charged: the subscription's, else the customer's default."""
    if subscription is not None and subscription["default_payment_method"]:
        return str(subscription["default_payment_method"])
    customer = state.store.get("customer", customer_id) or {}
    method = (customer.get("invoice_settings") or {}).get("default_payment_method")
    found = method or customer.get("default_source")
    return None if found is None else str(found)


def pay_in_full(state: AccountState, invoice: Body, *, at: int, out_of_band: bool = False) -> None:
    """Settle what remains, by a charge that can be refunded unless it was paid `out_of_band`."""
    if not out_of_band:
        state.charged[invoice["id"]] = state.charged.get(invoice["id"], 0) + invoice["amount_remaining"]
    invoice["amount_paid"] += invoice["amount_remaining"]
    invoice["amount_remaining"] = 0
    _paid(state, invoice, at=at)


def invoice_due(state: AccountState, invoice: Body) -> None:
    """What happens when the due date of an unpaid invoice passes."""
    if invoice["status"] != "open":
        return
    state.emit("invoice.overdue", invoice)
    subscription = subscription_of(state, invoice)
    overdue = state.assumptions.overdue_invoice_makes_past_due
    if overdue and subscription is not None and subscription["status"] == "active":
        subscription["status"] = "past_due"
        state.emit("customer.subscription.updated", subscription)


def subscription_of(state: AccountState, invoice: Body) -> Body | None:
    """The subscription an invoice belongs to."""
    details = (invoice["parent"] or {}).get("subscription_details") or {}
    return state.store.get("subscription", details.get("subscription"))
