"""Collecting an open invoice: charged at once and tried again, or sent and reminded of.

Source: docs.stripe.com/billing/revenue-recovery/smart-retries and docs.stripe.com/billing/collection-method,
read 20 Nov 2026.
"""

from cpqbridge_sim.stripe.billing.payment_methods import charges, payment_method
from cpqbridge_sim.stripe.billing.payments import (
    CHARGE_MAX,
    mark_uncollectible,
    minimum_charge,
    pay_in_full,
    set_delinquent,
    subscription_of,
)
from cpqbridge_sim.stripe.state import AccountState
from cpqbridge_sim.stripe.store import Body

DUE_PRIORITY = 6
_SECONDS_PER_DAY = 86_400


def collect(state: AccountState, invoice: Body, *, at: int) -> None:
    """Send a finalized invoice, or try to charge it."""
    if invoice["collection_method"] == "send_invoice":
        state.emit("invoice.sent", invoice)
        _plan_reminders(state, invoice, at=at)
    elif can_charge(state, invoice):
        _count_attempt(invoice)
        pay_in_full(state, invoice, at=at)
    else:
        _count_attempt(invoice)
        charge_failed(state, invoice, at=at)


def _plan_reminders(state: AccountState, invoice: Body, *, at: int) -> None:
    due, days = invoice["due_date"], state.collection.notice_before_due_days
    if due is None or due < at:
        return
    state.wake_at(due, priority=DUE_PRIORITY, kind="invoice.due", body=invoice)
    if days is not None and due - days * _SECONDS_PER_DAY > at:
        notice = due - days * _SECONDS_PER_DAY
        state.wake_at(notice, priority=DUE_PRIORITY, kind="invoice.will_be_due", body=invoice)


def _count_attempt(invoice: Body) -> None:
    invoice["attempted"] = True
    invoice["attempt_count"] += 1
    invoice["next_payment_attempt"] = None


def can_charge(state: AccountState, invoice: Body) -> bool:
    """Whether a payment method stands ready that does not decline, and one charge can carry the amount."""
    amount = invoice["amount_remaining"]
    if not minimum_charge(invoice["currency"]) <= amount <= CHARGE_MAX:
        return False
    return charges(state, _method_of(state, invoice))


def _method_of(state: AccountState, invoice: Body) -> str | None:
    return payment_method(state, invoice["customer"], subscription_of(state, invoice), invoice)


def charge_failed(state: AccountState, invoice: Body, *, at: int) -> None:
    """An attempt failed: tell so, hold it against the subscription and plan the next one.

    Retries of invoices of no subscription are a setting of their own, which is off; a subscription that has
    not begun is not tried again either.
    """
    set_delinquent(state, invoice, delinquent=True)
    subscription = subscription_of(state, invoice)
    if subscription is not None and subscription["status"] != "incomplete":
        _plan_retry(state, invoice, at=at)
    state.emit("invoice.payment_failed", invoice)
    if subscription is not None and subscription["status"] == "active":
        subscription["status"] = "past_due"
        state.emit("customer.subscription.updated", subscription)


def _plan_retry(state: AccountState, invoice: Body, *, at: int) -> None:
    """The next attempt by the account's schedule; after the last one the invoice is given up at once."""
    days, done = state.collection.retry_after_days, invoice["attempt_count"]
    if not invoice["auto_advance"]:
        return
    following = at
    if done <= len(days):
        following = at + days[done - 1] * _SECONDS_PER_DAY
        invoice["next_payment_attempt"] = following
    state.wake_at(following, priority=DUE_PRIORITY, kind="invoice.retry", body=invoice)


def retry(state: AccountState, invoice: Body, *, at: int) -> bool:
    """Try an open invoice again when this attempt is due; returns whether it has to be given up instead.

    Without a payment method the attempt counts, but nothing is charged and nothing is told.
    """
    if invoice["status"] != "open" or not invoice["auto_advance"]:
        return False
    if invoice["attempt_count"] > len(state.collection.retry_after_days):
        return invoice["next_payment_attempt"] is None
    if invoice["next_payment_attempt"] != at:
        return False
    _count_attempt(invoice)
    if can_charge(state, invoice):
        pay_in_full(state, invoice, at=at)
    elif _method_of(state, invoice) is None:
        _plan_retry(state, invoice, at=at)
    else:
        charge_failed(state, invoice, at=at)
    return False


def give_up_invoice(state: AccountState, invoice: Body, *, at: int) -> str | None:
    """Give up after the last failed attempt; returns what the account's settings make of the subscription."""
    invoice["auto_advance"] = False
    if state.collection.invoice_after_retries == "uncollectible":
        mark_uncollectible(state, invoice, at=at)
    subscription = subscription_of(state, invoice)
    if subscription is None or subscription["status"] != "past_due":
        return None
    wanted = state.collection.subscription_after_retries
    if wanted == "unpaid":
        subscription["status"] = "unpaid"
        state.emit("customer.subscription.updated", subscription)
    return wanted


def stop_collecting(state: AccountState, subscription: Body) -> None:
    """A subscription that is canceled takes the open invoices out of automatic collection."""
    for invoice in state.store.of_customer("invoice", subscription["customer"]):
        charged = invoice["collection_method"] == "charge_automatically"
        if invoice["status"] == "open" and charged and subscription_of(state, invoice) is subscription:
            invoice["auto_advance"] = False
            invoice["next_payment_attempt"] = None


def will_be_due(state: AccountState, invoice: Body) -> None:
    """Remind of an unpaid invoice ahead of its due date."""
    if invoice["status"] == "open":
        state.emit("invoice.will_be_due", invoice)


def invoice_due(state: AccountState, invoice: Body) -> None:
    """What happens when the due date of an unpaid invoice passes."""
    if invoice["status"] != "open":
        return
    set_delinquent(state, invoice, delinquent=True)
    state.emit("invoice.overdue", invoice)
    subscription = subscription_of(state, invoice)
    overdue = state.assumptions.overdue_invoice_makes_past_due
    if overdue and subscription is not None and subscription["status"] == "active":
        subscription["status"] = "past_due"
        state.emit("customer.subscription.updated", subscription)
