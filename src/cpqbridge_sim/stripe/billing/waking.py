"""When a subscription is looked at next."""

from cpqbridge_sim.stripe.billing.items import subscription_end
from cpqbridge_sim.stripe.billing.notices import await_notices
from cpqbridge_sim.stripe.state import AccountState
from cpqbridge_sim.stripe.store import Body

PROCESS_PRIORITY = 2


def active_schedule(state: AccountState, subscription: Body) -> Body | None:
    """The schedule that drives a subscription now."""
    schedule = state.store.get("subscription_schedule", subscription["schedule"])
    return schedule if schedule is not None and schedule["status"] == "active" else None


def sleep_until_next(state: AccountState, subscription: Body) -> None:
    """Wake this subscription at its next boundary, phase change or end; a paused one has no boundaries."""
    times: list[int] = []
    if subscription["status"] != "paused":
        times += [item["current_period_end"] for item in state.subscription_items(subscription)]
    schedule = active_schedule(state, subscription)
    if schedule is not None:
        times.append(schedule["current_phase"]["end_date"])
    end = subscription_end(state, subscription)
    if end is not None:
        times.append(end)
    if times:
        state.wake_at(min(times), priority=PROCESS_PRIORITY, kind="subscription", body=subscription)
    await_notices(state, subscription, schedule)
