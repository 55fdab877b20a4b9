"""Subscriptions that stand still: no periods, no invoices, no prorations until they are resumed.

Source: docs.stripe.com/billing/subscriptions/pause, stored copy of 2026, and the SDK's texts, stripe 16.1.0.
"""

from cpqbridge_sim.stripe.billing.finalization import finalize
from cpqbridge_sim.stripe.billing.invoicing import subscription_invoice
from cpqbridge_sim.stripe.billing.items import next_lines, subscription_end
from cpqbridge_sim.stripe.billing.lines import LineDraft
from cpqbridge_sim.stripe.billing.proration import (
    credit_unused,
    debit_remaining,
    forget_future_debits,
    natural_period,
)
from cpqbridge_sim.stripe.billing.trials import trial_after
from cpqbridge_sim.stripe.billing.usage import count_from, leave_metered
from cpqbridge_sim.stripe.billing.voiding import void_invoice
from cpqbridge_sim.stripe.billing.waking import sleep_until_next
from cpqbridge_sim.stripe.state import AccountState, Resumption
from cpqbridge_sim.stripe.store import Body

_PRIORITY = 4
# How long the invoice of a resumption may wait: without an attempt to pay it, and when payment is retried.
_ATTEMPT_SECONDS = 23 * 3600
_RETRY_SECONDS = 365 * 86_400
_NOT_RUNNING = ("canceled", "incomplete", "incomplete_expired", "paused")


def why_not_paused(subscription: Body, *, at: int) -> str | None:
    """What stands against pausing a subscription, None when nothing does."""
    if subscription["status"] in _NOT_RUNNING:
        return f"You cannot pause a subscription that is {subscription['status']}."
    if subscription["billing_mode"]["type"] == "classic":
        return "You can only pause subscriptions with `billing_mode[type]=flexible`."
    if subscription["collection_method"] == "send_invoice":
        return "You can only pause subscriptions with `collection_method=charge_automatically`."
    if trial_after(subscription, at) is not None:
        return "You cannot pause a subscription in a trial."
    return None


def enter_pause(state: AccountState, subscription: Body, *, at: int, reason: str) -> None:
    """Show a subscription as paused from now on."""
    subscription["status"] = "paused"
    subscription["status_details"] = {
        "paused": {"subscription": {"type": reason}, "transitioned_at": at, "type": "subscription"}
    }
    state.emit_all(("customer.subscription.paused", "customer.subscription.updated"), subscription)


def pause(
    state: AccountState,
    subscription: Body,
    *,
    at: int,
    unused_from: str,
    bills_usage: bool,
    invoices: bool,
) -> Body | None:
    """Cut the running periods at `at`, give back what is unused, and stand still.

    `unused_from` is `now`, `item_current_period_start` or `none`; without `bills_usage` the usage of the
    running period is dropped. With `invoices` what this made goes on an invoice at once, which is returned;
    otherwise it waits for the resumption.
    """
    for item in state.subscription_items(subscription):
        leave_metered(state, subscription, item, at=at, prorate=bills_usage, transition=False)
        if unused_from != "none":
            since = item["current_period_start"] if unused_from == "item_current_period_start" else at
            credit_unused(state, subscription, item, at=since)
        forget_future_debits(state, item, at=at)
        item["current_period_end"] = max(at, item["current_period_start"])
    invoice = None
    if invoices:
        invoice = subscription_invoice(state, subscription, [], at=at, reason="subscription_update")
    if invoice is not None:
        finalize(state, invoice, at=at)
    enter_pause(state, subscription, at=at, reason="pause_requested")
    return invoice


def resume(
    state: AccountState,
    subscription: Body,
    *,
    at: int,
    new_cycle: bool,
    behavior: str,
    on_success: bool,
    prorated_from: int | None = None,
) -> Body | None:
    """Let a paused subscription run again, once its resumption invoice, if there is one, is settled.

    With `new_cycle` every item is billed anew from `at`; otherwise periods go on at the old anchor and what
    is left of them is prorated by `behavior`. `on_success` charges in this moment and waits for success.
    """
    anchor, periods = subscription["billing_cycle_anchor"], _periods(state, subscription)
    if new_cycle:
        invoice = _begin_cycle(state, subscription, at=at)
    else:
        since = at if prorated_from is None else prorated_from
        invoice = _go_on(state, subscription, at=at, behavior=behavior, prorated_from=since)
    if invoice is None:
        _activate(state, subscription, at=at)
        return None
    expires_at = at + (_RETRY_SECONDS if on_success else _ATTEMPT_SECONDS)
    state.resumptions[invoice["id"]] = Resumption(
        subscription_id=subscription["id"],
        at=at,
        anchor=subscription["billing_cycle_anchor"],
        periods=_periods(state, subscription),
        on_success=on_success,
        expires_at=expires_at,
    )
    subscription["billing_cycle_anchor"] = anchor
    _set_periods(state, subscription, periods)
    subscription["pending_update"] = {
        "billing_cycle_anchor": at if new_cycle else None,
        "expires_at": expires_at,
        "subscription_items": None,
        "trial_end": None,
        "trial_from_plan": None,
    }
    invoice["auto_advance"] = on_success
    finalize(state, invoice, at=at)
    state.wake_at(expires_at, priority=_PRIORITY, kind="invoice.resumption", body=invoice)
    settle_resumptions(state)
    return invoice


def _begin_cycle(state: AccountState, subscription: Body, *, at: int) -> Body | None:
    subscription["billing_cycle_anchor"] = at
    lines: list[LineDraft] = []
    for item in state.subscription_items(subscription):
        item["current_period_end"] = at
        lines += next_lines(state, subscription, item)
    return subscription_invoice(state, subscription, lines, at=at, reason="subscription_update")


def _go_on(
    state: AccountState, subscription: Body, *, at: int, behavior: str, prorated_from: int
) -> Body | None:
    made: list[Body] = []
    last = subscription_end(state, subscription)
    for item in state.subscription_items(subscription):
        start, end = natural_period(state, subscription, item, at)
        end = end if last is None else min(end, last)
        item["current_period_start"], item["current_period_end"] = start, end
        count_from(state, item, at=at)
        if behavior != "none":
            made += debit_remaining(state, subscription, item, at=prorated_from, end=end)
    if behavior != "always_invoice" or not made:
        return None
    return subscription_invoice(state, subscription, [], at=at, reason="subscription_update")


def settle_resumptions(state: AccountState) -> None:
    """Do what the fate of each resumption invoice asks for; most accounts have none."""
    for invoice_id, waiting in list(state.resumptions.items()):
        invoice = state.store.get("invoice", invoice_id) or {"status": "void"}
        subscription = state.store.get("subscription", waiting.subscription_id)
        if subscription is None or subscription["status"] != "paused":
            del state.resumptions[invoice_id]
        elif invoice["status"] in ("paid", "uncollectible"):
            _fulfil(state, subscription, invoice_id, status="active")
        elif invoice["status"] == "void":
            del state.resumptions[invoice_id]
            subscription["pending_update"] = None
            for item in state.subscription_items(subscription):
                forget_future_debits(state, item, at=waiting.at)
        elif invoice["attempt_count"] and not waiting.on_success:
            _fulfil(state, subscription, invoice_id, status="past_due")


def expire_resumption(state: AccountState, invoice: Body, *, at: int) -> None:
    """Void the invoice of a resumption that nobody paid in time; the subscription stays paused."""
    waiting = state.resumptions.get(invoice["id"])
    if waiting is not None and waiting.expires_at <= at and invoice["status"] == "open":
        void_invoice(state, invoice, at=at)
        settle_resumptions(state)


def _fulfil(state: AccountState, subscription: Body, invoice_id: str, *, status: str) -> None:
    waiting = state.resumptions.pop(invoice_id)
    subscription["billing_cycle_anchor"] = waiting.anchor
    _set_periods(state, subscription, waiting.periods)
    subscription["pending_update"] = None
    _activate(state, subscription, at=waiting.at, status=status)


def _activate(state: AccountState, subscription: Body, *, at: int, status: str = "active") -> None:
    subscription["status"] = status
    subscription["status_details"] = None
    for item in state.subscription_items(subscription):
        if item["current_period_end"] <= at:
            # An item that was added while the invoice waited gets the period that runs.
            item["current_period_start"], item["current_period_end"] = natural_period(
                state, subscription, item, at
            )
    state.emit_all(("customer.subscription.resumed", "customer.subscription.updated"), subscription)
    sleep_until_next(state, subscription)


def _periods(state: AccountState, subscription: Body) -> dict[str, tuple[int, int]]:
    return {
        item["id"]: (item["current_period_start"], item["current_period_end"])
        for item in state.subscription_items(subscription)
    }


def _set_periods(state: AccountState, subscription: Body, periods: dict[str, tuple[int, int]]) -> None:
    for item in state.subscription_items(subscription):
        if item["id"] in periods:
            item["current_period_start"], item["current_period_end"] = periods[item["id"]]
