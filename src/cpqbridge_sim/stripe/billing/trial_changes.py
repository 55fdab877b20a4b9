"""Trials that begin, move or end on a running subscription.

Source: docs.stripe.com/billing/subscriptions/billing-cycle, stored copy of May 2026: a trial on a running
subscription gives unused time back and makes its end the anchor.
"""

from cpqbridge_sim.stripe.billing.finalization import finalize
from cpqbridge_sim.stripe.billing.items import subscription_end
from cpqbridge_sim.stripe.billing.phases import move_anchor
from cpqbridge_sim.stripe.billing.trials import keeps_anchor, move_trial_end, start_trial, trial_after
from cpqbridge_sim.stripe.state import AccountState
from cpqbridge_sim.stripe.store import Body


def change_trial(state: AccountState, subscription: Body, end: int, *, at: int, prorate: bool) -> bool:
    """Let the trial end at `end`; returns whether every item starts a new period now, to be billed.

    An `end` that is not in the future ends a running trial at once and does nothing else.
    """
    running = bool(subscription["status"] == "trialing")
    if end <= at:
        if running:
            _end_now(state, subscription, at=at)
        return running
    if running:
        _move_end(state, subscription, end=end)
        return False
    anchor = subscription["billing_cycle_anchor"]
    move_anchor(state, subscription, at=at, prorate=prorate)
    start_trial(state, subscription, start=at, end=end, anchor=anchor if keeps_anchor(subscription) else None)
    return True


def _end_now(state: AccountState, subscription: Body, *, at: int) -> None:
    anchor, end = subscription["billing_cycle_anchor"], subscription["trial_end"]
    move_anchor(state, subscription, at=at, prorate=False)
    # An anchor of its own, be it kept or set apart from the trial's end, is not moved by that end.
    if keeps_anchor(subscription) or anchor != end:
        subscription["billing_cycle_anchor"] = anchor
    subscription["trial_end"] = at
    subscription["status"] = "active"
    state.emit("customer.subscription.trial_will_end", subscription)


def _move_end(state: AccountState, subscription: Body, *, end: int) -> None:
    anchor, before = subscription["billing_cycle_anchor"], subscription["trial_end"]
    move_trial_end(state, subscription, end=end, anchor=None if anchor == before else anchor)
    last = subscription_end(state, subscription)
    for item in state.subscription_items(subscription):
        item["current_period_end"] = end if last is None else min(end, last)


def settle_free_invoice(state: AccountState, subscription: Body, invoice: Body | None, *, at: int) -> None:
    """An invoice of a trial that asks for nothing is paid as soon as it is made."""
    if invoice is None or invoice["total"] or not state.assumptions.trial_invoice_is_paid_at_once:
        return
    if invoice["status"] == "draft" and trial_after(subscription, at) is not None:
        finalize(state, invoice, at=at)
