"""What a direct change of a scheduled subscription does to its schedule.

Source: docs.stripe.com/billing/subscriptions/subscription-schedules, read 20 Nov 2026: the running phase is
split in two at that instant.
"""

from collections.abc import Mapping
from typing import Any

from cpqbridge_sim.stripe.billing.waking import active_schedule
from cpqbridge_sim.stripe.resources.schedule_update import current_phase
from cpqbridge_sim.stripe.resources.schedules import mirrored_phase
from cpqbridge_sim.stripe.state import AccountState
from cpqbridge_sim.stripe.store import Body

_SPLITTING = frozenset(
    {"add_invoice_items", "billing_cycle_anchor", "default_tax_rates", "discounts", "items", "trial_end"}
)
_MIRRORED = ("default_tax_rates", "discounts", "items", "trial", "trial_end")


def split_running_phase(
    state: AccountState, subscription: Body, params: Mapping[str, Any], *, at: int
) -> None:
    """Let the schedule of a subscription show what `params` changed on it from `at` on."""
    schedule = active_schedule(state, subscription)
    phase = None if schedule is None else current_phase(schedule)
    if schedule is None or phase is None or not _SPLITTING & set(params):
        return
    mirrored = mirrored_phase(state, subscription)
    changed = {name: mirrored[name] for name in _MIRRORED}
    if phase["start_date"] == at:
        phase.update(changed)
    else:
        rest = {**phase, **changed, "start_date": at, "add_invoice_items": [], "billing_cycle_anchor": None}
        if phase["trial_end"] is not None:
            phase["trial_end"] = min(phase["trial_end"], at)
        phase["end_date"] = at
        schedule["phases"].insert(schedule["phases"].index(phase) + 1, rest)
        schedule["current_phase"] = {"start_date": at, "end_date": rest["end_date"]}
    state.emit("subscription_schedule.updated", schedule)
