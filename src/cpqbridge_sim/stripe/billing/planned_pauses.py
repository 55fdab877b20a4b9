"""The pause, and perhaps the resumption, that a schedule plans for its subscription.

Source: the SDK's texts of `pause_schedules`, stripe 16.1.0. Phases go on changing while it is paused.
"""

from cpqbridge_sim.stripe.billing.pauses import pause, resume, why_not_paused
from cpqbridge_sim.stripe.state import AccountState
from cpqbridge_sim.stripe.store import Body

# Before or after the subscription's own work of the same instant.
_BEFORE, _AFTER = 1, 3
_SCHEDULED = "scheduled"


def plan_pauses(state: AccountState, schedule: Body) -> None:
    """Wake the schedule for what its entry plans; what is due already happens at once."""
    now = state.time_of(schedule["customer"])
    priority = _BEFORE if state.assumptions.planned_pause_precedes_renewal else _AFTER
    for entry in schedule["pause_schedules"]:
        for kind, step, when in _steps(entry):
            if step["status"]["type"] == _SCHEDULED and when > now:
                state.wake_at(when, priority=priority, kind=kind, body=schedule)
            elif step["status"]["type"] == _SCHEDULED and schedule["status"] == "active":
                run_planned(state, schedule, kind, at=now)


def _steps(entry: Body) -> list[tuple[str, Body, int]]:
    steps = [("schedule.pause", entry["pause"], entry["pause"]["pause_at"])]
    if entry["resume"] is not None:
        steps.append(("schedule.resume", entry["resume"], entry["resume"]["resume_at"]))
    return steps


def run_planned(state: AccountState, schedule: Body, kind: str, *, at: int) -> None:
    """Pause or resume as planned; a wake-up of a plan that was changed since does nothing."""
    subscription = state.store.get("subscription", schedule["subscription"])
    if schedule["status"] != "active" or subscription is None:
        return
    for entry in schedule["pause_schedules"]:
        for name, step, when in _steps(entry):
            if name == kind and when <= at and step["status"]["type"] == _SCHEDULED:
                run = _pause if kind == "schedule.pause" else _resume
                run(state, subscription, step, at=at)
                state.emit("subscription_schedule.updated", schedule)


def _pause(state: AccountState, subscription: Body, step: Body, *, at: int) -> None:
    refusal = why_not_paused(subscription, at=at)
    if refusal is not None:
        step["status"] = {"error": {"code": None, "message": refusal}, "type": "error"}
        return
    bill_for = step["settings"]["bill_for"]
    unused = bill_for["unused_time_from"]["type"]
    pause(
        state,
        subscription,
        at=at,
        unused_from="now" if unused == "pause_at" else unused,
        bills_usage=bill_for["outstanding_usage_through"]["type"] != "none",
        invoices=step["settings"]["invoicing_behavior"] == "invoice",
    )
    step["status"] = {"error": None, "type": "succeeded"}


def _resume(state: AccountState, subscription: Body, step: Body, *, at: int) -> None:
    if subscription["status"] != "paused":
        message = "You can only resume subscriptions that are paused."
        step["status"] = {"error": {"code": None, "message": message}, "type": "error"}
        return
    settings = step["settings"]
    resume(
        state,
        subscription,
        at=at,
        new_cycle=settings["billing_cycle_anchor"] == "resume_at",
        behavior=settings["proration_behavior"],
        on_success=settings["payment_behavior"] == "resume_on_payment_success",
    )
    done = subscription["status"] != "paused"
    step["status"] = {"error": None, "type": "succeeded" if done else "pending"}
