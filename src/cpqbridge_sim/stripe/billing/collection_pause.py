"""Invoices that are made while the collection of a subscription's payments is paused.

Source: docs.stripe.com/billing/subscriptions/pause-payment, stored copy of 2026.
"""

from typing import Any

from cpqbridge_sim.stripe.billing.payments import mark_uncollectible
from cpqbridge_sim.stripe.billing.voiding import void_invoice
from cpqbridge_sim.stripe.state import AccountState
from cpqbridge_sim.stripe.store import Body

_PRIORITY = 1


def pause_collection(state: AccountState, subscription: Body, value: Any) -> None:
    """Pause the collection of later invoices, or (with an empty value) resume it."""
    if not value:
        subscription["pause_collection"] = None
        return
    resumes_at = value.get("resumes_at")
    subscription["pause_collection"] = {"behavior": value["behavior"], "resumes_at": resumes_at}
    if resumes_at is not None:
        state.wake_at(resumes_at, priority=_PRIORITY, kind="subscription.collect", body=subscription)


def resume_collection(state: AccountState, subscription: Body, *, at: int) -> None:
    """Collect again when the time for it has come."""
    paused = subscription["pause_collection"]
    if paused is not None and paused["resumes_at"] is not None and paused["resumes_at"] <= at:
        subscription["pause_collection"] = None
        state.emit("customer.subscription.updated", subscription)


def keeps_drafts(subscription: Body) -> bool:
    """Whether invoices of this subscription stay drafts for now."""
    return bool((subscription["pause_collection"] or {}).get("behavior") == "keep_as_draft")


def settle_uncollected(state: AccountState) -> None:
    """Void or give up the finalized invoices that shall not be collected; the balance may have paid some."""
    for invoice_id, behavior in list(state.uncollected.items()):
        invoice = state.store.get("invoice", invoice_id)
        if invoice is not None and invoice["status"] == "draft":
            continue
        del state.uncollected[invoice_id]
        if invoice is None or invoice["status"] != "open":
            continue
        at = state.time_of(invoice["customer"])
        if behavior == "void":
            void_invoice(state, invoice, at=at)
        else:
            mark_uncollectible(state, invoice, at=at)
