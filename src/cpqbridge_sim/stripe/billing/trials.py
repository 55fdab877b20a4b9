"""Free trials: when one runs, how it begins, and the texts of its lines.

Source: docs.stripe.com/billing/subscriptions/trials/free-trials and
docs.stripe.com/billing/subscriptions/billing-mode/compare, stored copies of May and April 2026.
"""

from cpqbridge_sim.stripe.state import AccountState
from cpqbridge_sim.stripe.store import Body

NOTICE_PRIORITY = 7
_NOTICE_SECONDS = 3 * 86_400


def trial_after(subscription: Body, at: int) -> int | None:
    """The end of the trial that runs at this instant, None when none does."""
    end: int | None = subscription["trial_end"]
    return end if end is not None and end > at else None


def start_trial(
    state: AccountState, subscription: Body, *, start: int, end: int, anchor: int | None = None
) -> None:
    """Make `[start, end)` a trial; its end becomes the anchor unless another one is given or kept.

    Flexible subscriptions show the start of their latest trial, classic ones that of their first.
    """
    goes_on = subscription["status"] == "trialing"
    flexible = subscription["billing_mode"]["type"] == "flexible"
    if subscription["trial_start"] is None or (flexible and not goes_on):
        subscription["trial_start"] = start
    subscription["status"] = "trialing"
    move_trial_end(state, subscription, end=end, anchor=anchor)


def move_trial_end(state: AccountState, subscription: Body, *, end: int, anchor: int | None = None) -> None:
    """Let the trial end at another instant, and announce that three days ahead."""
    subscription["trial_end"] = end
    if anchor is not None:
        subscription["billing_cycle_anchor"] = anchor
    elif not keeps_anchor(subscription):
        subscription["billing_cycle_anchor"] = end
    at = end - _NOTICE_SECONDS
    if at <= state.time_of(subscription["customer"]):
        state.emit("customer.subscription.trial_will_end", subscription)
    else:
        state.wake_at(at, priority=NOTICE_PRIORITY, kind="subscription.trial_notice", body=subscription)


def announce_end(state: AccountState, subscription: Body, *, at: int) -> None:
    """Say that a trial ends in three days; a notice of an end that was moved since says nothing."""
    if subscription["status"] == "trialing" and subscription["trial_end"] == at + _NOTICE_SECONDS:
        state.emit("customer.subscription.trial_will_end", subscription)


def keeps_anchor(subscription: Body) -> bool:
    """Whether the end of a trial leaves the anchor where it is."""
    behavior = subscription["trial_settings"]["end_behavior"]
    return bool(behavior.get("billing_cycle_anchor") == "unchanged")


def trial_text(subscription: Body, name: str, quantity: int | None) -> str:
    """What a line of a trial says."""
    if subscription["billing_mode"]["type"] == "classic":
        return f"Trial period for {name}"
    return f"Free trial for {1 if quantity is None else quantity} \N{MULTIPLICATION SIGN} {name}"


def invoices_now(state: AccountState, subscription: Body, *, behavior: str, at: int) -> bool:
    """Whether what an item change made goes on an invoice of its own at once.

    A change in a trial does so even under `create_prorations`, with lines of amount 0.
    """
    if behavior == "create_prorations" and trial_after(subscription, at) is not None:
        return state.assumptions.trial_changes_are_invoiced_at_once
    return behavior == "always_invoice"
