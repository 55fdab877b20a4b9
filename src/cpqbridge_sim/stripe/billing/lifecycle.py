"""The event loop of one subscription and its schedule: start, phase changes, renewals, ends."""

import heapq
from typing import Any

from cpqbridge_sim.stripe.billing.collection import (
    give_up_invoice,
    invoice_due,
    retry,
    stop_collecting,
    will_be_due,
)
from cpqbridge_sim.stripe.billing.collection_pause import resume_collection
from cpqbridge_sim.stripe.billing.finalization import finalize
from cpqbridge_sim.stripe.billing.invoicing import (
    check_line_count,
    invoice_departed_usage,
    subscription_invoice,
)
from cpqbridge_sim.stripe.billing.items import first_lines, new_item, subscription_end
from cpqbridge_sim.stripe.billing.lines import LineDraft
from cpqbridge_sim.stripe.billing.notices import expiring, upcoming
from cpqbridge_sim.stripe.billing.pauses import enter_pause, expire_resumption
from cpqbridge_sim.stripe.billing.payment_methods import payment_method
from cpqbridge_sim.stripe.billing.payments import subscription_of
from cpqbridge_sim.stripe.billing.pending_interval import bill_pending
from cpqbridge_sim.stripe.billing.phases import (
    bill_phase_items,
    enter_phase,
    item_terms,
    phase_discounts,
    phase_invoice_items,
)
from cpqbridge_sim.stripe.billing.planned_pauses import plan_pauses, run_planned
from cpqbridge_sim.stripe.billing.prebilling import renewal_lines
from cpqbridge_sim.stripe.billing.proration import credit_unused, forget_future_debits
from cpqbridge_sim.stripe.billing.settling import settle
from cpqbridge_sim.stripe.billing.subscription_body import new_subscription
from cpqbridge_sim.stripe.billing.trial_changes import settle_free_invoice
from cpqbridge_sim.stripe.billing.trials import announce_end, start_trial, trial_after
from cpqbridge_sim.stripe.billing.usage import close_ended_usage, close_usage
from cpqbridge_sim.stripe.billing.waking import active_schedule, sleep_until_next
from cpqbridge_sim.stripe.state import AccountState
from cpqbridge_sim.stripe.store import Body

START_PRIORITY = 1
EXPIRY_PRIORITY = 4
INCOMPLETE_SECONDS = 23 * 3600
_WOKEN = {
    "schedule.start": "subscription_schedule",
    "subscription": "subscription",
    "subscription.expire": "subscription",
    "subscription.pending_items": "subscription",
    "subscription.trial_notice": "subscription",
    "subscription.collect": "subscription",
    "schedule.pause": "subscription_schedule",
    "schedule.resume": "subscription_schedule",
    "invoice.resumption": "invoice",
    "invoice.finalize": "invoice",
    "invoice.due": "invoice",
    "invoice.retry": "invoice",
    "invoice.will_be_due": "invoice",
    "schedule.expiring": "subscription_schedule",
    "subscription.upcoming": "subscription",
}
ENDED = frozenset({"canceled", "incomplete_expired"})


def wake(state: AccountState, kind: str, identifier: str, at: int) -> None:
    """Do the work that falls due on one object; stale wake-ups do nothing."""
    body = state.store.get(_WOKEN[kind], identifier)
    if body is None:
        return
    if kind == "schedule.start" and body["status"] == "not_started" and body["phases"][0]["start_date"] <= at:
        start_schedule(state, body, at=at)
    elif kind == "subscription":
        process_subscription(state, body, at=at)
    elif body["object"] == "invoice":
        _wake_invoice(state, kind, body, at=at)
    elif kind in ("schedule.pause", "schedule.resume"):
        run_planned(state, body, kind, at=at)
    elif kind == "subscription.collect":
        resume_collection(state, body, at=at)
    elif kind == "subscription.pending_items":
        bill_pending(state, body, at=at)
    elif kind == "subscription.trial_notice":
        announce_end(state, body, at=at)
    elif kind == "subscription.expire":
        expire(state, body, at=at)
    elif kind == "schedule.expiring":
        expiring(state, body, at=at)
    elif kind == "subscription.upcoming":
        upcoming(state, body, run=run_until)


def _wake_invoice(state: AccountState, kind: str, invoice: Body, *, at: int) -> None:
    if kind == "invoice.finalize":
        if invoice["status"] == "draft" and invoice["automatically_finalizes_at"] == at:
            finalize(state, invoice, at=at)
    elif kind == "invoice.retry":
        if retry(state, invoice, at=at):
            give_up(state, invoice, at=at)
    elif kind == "invoice.will_be_due":
        will_be_due(state, invoice)
    elif kind == "invoice.resumption":
        expire_resumption(state, invoice, at=at)
    else:
        invoice_due(state, invoice)


def give_up(state: AccountState, invoice: Body, *, at: int) -> None:
    """All attempts to charge an invoice failed: do what the account's settings say then."""
    becomes = give_up_invoice(state, invoice, at=at)
    subscription = subscription_of(state, invoice)
    if becomes != "cancel" or subscription is None:
        return
    cancel_schedule_of(state, subscription, at=at, event="subscription_schedule.aborted")
    subscription["cancellation_details"]["reason"] = "payment_failed"
    cancel_now(state, subscription, at=at, invoice_now=False, prorate=False)


def cancel_schedule_of(
    state: AccountState, subscription: Body, *, at: int, event: str = "subscription_schedule.canceled"
) -> None:
    """A schedule ends together with a subscription that is canceled beside it.

    Of one that ends because nobody paid another event tells (docs.stripe.com/api/events/types, 20 Nov 2026).
    """
    schedule = state.store.get("subscription_schedule", subscription["schedule"])
    if schedule is not None:
        schedule["status"] = "canceled"
        schedule["canceled_at"] = at
        schedule["current_phase"] = None
        state.emit(event, schedule)


def expire(state: AccountState, subscription: Body, *, at: int) -> None:
    """A first invoice that stays unpaid for 23 hours ends an incomplete subscription."""
    if subscription["status"] != "incomplete":
        return
    subscription["status"] = "incomplete_expired"
    subscription["ended_at"] = at
    invoice = state.store.get("invoice", subscription["latest_invoice"])
    if invoice is not None and invoice["status"] == "open":
        invoice["status"] = "void"
        invoice["status_transitions"]["voided_at"] = at
        state.emit("invoice.voided", invoice)
    state.emit("customer.subscription.updated", subscription)


def start_schedule(state: AccountState, schedule: Body, *, at: int) -> Body:
    """Create the subscription of a schedule's first phase with its first invoice."""
    phase = schedule["phases"][0]
    start = phase["start_date"]
    subscription = new_subscription(state, schedule=schedule, phase=phase, start=start, at=at)
    schedule["status"] = "active"
    schedule["subscription"] = subscription["id"]
    schedule["current_phase"] = {"start_date": start, "end_date": phase["end_date"]}
    refresh_cancel_at(state, subscription)
    if phase["trial_end"] is not None and phase["trial_end"] > start:
        start_trial(state, subscription, start=start, end=phase["trial_end"])
    subscription["discounts"] = phase_discounts(state, subscription, phase, start=start)
    lines: list[LineDraft] = []
    for entry in phase["items"]:
        item = new_item(state, subscription, item_terms(state, entry), start=start)
        lines += first_lines(
            state, subscription, item, start=start, now=at, behavior=phase["proration_behavior"]
        )
    check_line_count(len(lines) + len(phase["add_invoice_items"]))
    bill_phase_items(state, subscription, phase, phase_invoice_items(phase))
    invoice = subscription_invoice(state, subscription, lines, at=at, reason="subscription_create")
    settle_free_invoice(state, subscription, invoice, at=at)
    state.emit("customer.subscription.created", subscription)
    state.emit("subscription_schedule.updated", schedule)
    sleep_until_next(state, subscription)
    plan_pauses(state, schedule)
    return subscription


def refresh_cancel_at(state: AccountState, subscription: Body) -> None:
    """Show the end of a schedule that cancels as the subscription's `cancel_at`."""
    if subscription["schedule"] is not None and state.assumptions.schedule_end_shows_as_cancel_at:
        subscription["cancel_at"] = subscription_end(state, subscription)


def process_subscription(state: AccountState, subscription: Body, *, at: int) -> None:
    """Everything that falls due on a subscription at this instant, in the vendor's order."""
    if subscription["status"] in ENDED:
        return
    if subscription["status"] == "paused":
        _process_paused(state, subscription, at=at)
        return
    items = state.subscription_items(subscription)
    ended_periods = [item for item in items if item["current_period_end"] <= at]
    period_start = min((item["current_period_start"] for item in ended_periods), default=at)
    renewal_due = bool(ended_periods)
    end = subscription_end(state, subscription)
    close_ended_usage(state, subscription, at=at)
    prorations: list[Body] | None = None
    schedule = active_schedule(state, subscription)
    if schedule is not None and schedule["current_phase"]["end_date"] <= at:
        following = next_phase(schedule)
        if following is None:
            finish_schedule(state, schedule, subscription, at=at)
        else:
            entry = enter_phase(state, schedule, subscription, following, at=at, renewal_due=renewal_due)
            invoice_departed_usage(state, subscription, at=at, period=(period_start, at))
            prorations = entry.invoiced_now
            renewal_due = renewal_due or entry.anchor_moved
    if end is not None and end <= at:
        end_subscription(state, subscription, at=at, period=(period_start, at))
        return
    if subscription["status"] == "trialing" and trial_after(subscription, at) is None:
        leave_trial(state, subscription, at=at)
        if subscription["status"] != "active":
            return
    if renewal_due:
        reason = "subscription_cycle" if ended_periods else "subscription_update"
        renew(state, subscription, at=at, reason=reason, period=(period_start, at))
    elif prorations:
        swept = None if state.assumptions.always_invoice_sweeps_pending else prorations
        subscription_invoice(state, subscription, [], at=at, reason="subscription_update", only_pending=swept)
    sleep_until_next(state, subscription)


def _process_paused(state: AccountState, subscription: Body, *, at: int) -> None:
    """A paused subscription bills nothing; its phases go on, and it ends when it should."""
    end = subscription_end(state, subscription)
    schedule = active_schedule(state, subscription)
    if schedule is not None and schedule["current_phase"]["end_date"] <= at:
        following = next_phase(schedule)
        if following is None:
            finish_schedule(state, schedule, subscription, at=at)
        else:
            free = {**following, "proration_behavior": "none"}
            enter_phase(state, schedule, subscription, free, at=at, renewal_due=False)
    if end is not None and end <= at:
        end_subscription(state, subscription, at=at)
    else:
        sleep_until_next(state, subscription)


def renew(
    state: AccountState, subscription: Body, *, at: int, reason: str, period: tuple[int, int]
) -> Body | None:
    """Bill the next period of every item whose period ends now, all on one invoice, with what is pending."""
    lines = [
        line
        for item in state.subscription_items(subscription)
        if item["current_period_end"] <= at
        for line in renewal_lines(state, subscription, item)
    ]
    invoice = subscription_invoice(state, subscription, lines, at=at, reason=reason, period=period)
    settle_free_invoice(state, subscription, invoice, at=at)
    state.emit("customer.subscription.updated", subscription)
    return invoice


def leave_trial(state: AccountState, subscription: Body, *, at: int) -> None:
    """The trial is over: `active`, or what its settings say when no payment method is there."""
    wish = subscription["trial_settings"]["end_behavior"]["missing_payment_method"]
    charges = subscription["collection_method"] == "charge_automatically"
    unpayable = charges and payment_method(state, subscription["customer"], subscription) is None
    if unpayable and wish == "cancel":
        end_subscription(state, subscription, at=at)
    elif unpayable and wish == "pause":
        enter_pause(state, subscription, at=at, reason="trial_end_without_payment_method")
    else:
        subscription["status"] = "active"


def next_phase(schedule: Body) -> Body | None:
    """The phase that follows the current one."""
    end = schedule["current_phase"]["end_date"]
    following: Body | None = next((phase for phase in schedule["phases"] if phase["start_date"] >= end), None)
    return following


def finish_schedule(state: AccountState, schedule: Body, subscription: Body, *, at: int) -> None:
    """The last phase is over: release the subscription, or leave it to its end."""
    schedule["current_phase"] = None
    if schedule["end_behavior"] == "release":
        release_schedule(state, schedule, subscription, at=at)
        return
    completes = state.assumptions.canceling_end_completes_schedule
    schedule["status"] = "completed" if completes else "canceled"
    schedule["completed_at" if completes else "canceled_at"] = at
    state.emit("subscription_schedule.completed" if completes else "subscription_schedule.canceled", schedule)


def release_schedule(state: AccountState, schedule: Body, subscription: Body | None, *, at: int) -> None:
    """Let a subscription go on without its schedule."""
    schedule["status"] = "released"
    schedule["released_at"] = at
    schedule["current_phase"] = None
    if subscription is not None:
        schedule["released_subscription"] = subscription["id"]
        schedule["subscription"] = None
        subscription["schedule"] = None
    state.emit("subscription_schedule.released", schedule)


def end_subscription(
    state: AccountState, subscription: Body, *, at: int, period: tuple[int, int] | None = None
) -> None:
    """Cancel for good: no renewal; what is pending is invoiced."""
    subscription["status"] = "canceled"
    subscription["ended_at"] = at
    if subscription["canceled_at"] is None:
        subscription["canceled_at"] = at
    subscription_invoice(state, subscription, [], at=at, reason="subscription_cycle", period=period)
    state.emit("customer.subscription.deleted", subscription)


def cancel_now(state: AccountState, subscription: Body, *, at: int, invoice_now: bool, prorate: bool) -> None:
    """Cancel at once (docs.stripe.com/api/subscriptions/cancel, 20 Nov 2026).

    `invoice_now` bills usage so far, which is dropped otherwise. With neither flag pending prorations are
    dropped; `prorate` alone leaves a pending credit behind.
    """
    for item in state.subscription_items(subscription):
        if invoice_now:
            close_usage(state, subscription, item, at=at)
        if prorate:
            credit_unused(state, subscription, item, at=at)
        forget_future_debits(state, item, at=at)
    if not invoice_now and not prorate:
        for pending in list(state.pending_items(subscription["customer"], subscription["id"])):
            if pending["proration"]:
                state.store.remove(pending)
    subscription["status"] = "canceled"
    subscription["ended_at"] = subscription["canceled_at"] = at
    stop_collecting(state, subscription)
    if invoice_now:
        subscription_invoice(state, subscription, [], at=at, reason="subscription_cycle")
    state.emit("customer.subscription.deleted", subscription)


def run_until(state: AccountState, clock_id: str | None, until: int) -> None:
    """Run all due work of one clock in order and leave the clock at `until`."""
    request = state.current_request_id, state.current_idempotency_key
    state.current_request_id = state.current_idempotency_key = None
    queue: list[Any] = state.wakes.setdefault(clock_id, [])
    while queue and queue[0].at <= until:
        due = heapq.heappop(queue)
        _set_clock(state, clock_id, max(due.at, state.clock_time(clock_id)))
        wake(state, due.kind, due.object_id, due.at)
        settle(state)
    _set_clock(state, clock_id, until)
    state.current_request_id, state.current_idempotency_key = request


def _set_clock(state: AccountState, clock_id: str | None, at: int) -> None:
    clock = state.store.get("test_helpers.test_clock", clock_id)
    if clock is None:
        state.now = at
    else:
        clock["frozen_time"] = at
