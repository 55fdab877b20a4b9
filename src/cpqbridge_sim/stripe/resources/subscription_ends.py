"""`cancel_at` and `cancel_at_period_end` of a subscription without a schedule.

Source: docs.stripe.com/api/subscriptions/update, read 20 Nov 2026.
"""

from collections.abc import Mapping
from typing import Any

from cpqbridge_sim.stripe.billing.prebilling import billed_ahead_until, covered_until
from cpqbridge_sim.stripe.errors import invalid
from cpqbridge_sim.stripe.resources.schedule_update import cut_to_end
from cpqbridge_sim.stripe.state import AccountState
from cpqbridge_sim.stripe.store import Body

CANCEL_WORDS = frozenset({"cancel_at", "cancel_at_period_end"})


def check_end(params: Mapping[str, Any], *, now: int) -> None:
    """Refuse an end in the past, and two ends at once."""
    if params.get("cancel_at_period_end") and params.get("cancel_at"):
        raise invalid(
            "You may only specify one of these parameters: cancel_at, cancel_at_period_end.", "cancel_at"
        )
    cancel_at = params.get("cancel_at")
    if isinstance(cancel_at, int) and cancel_at <= now:
        raise invalid("`cancel_at` must be in the future.", "cancel_at")


def set_end(
    state: AccountState, subscription: Body, params: Mapping[str, Any], *, prorate: bool, now: int
) -> list[Body]:
    """Set, move or take back the end of a subscription; returns the credits for what lies behind it."""
    if not CANCEL_WORDS & set(params):
        return []
    if params.get("cancel_at") == "" or params.get("cancel_at_period_end") is False:
        subscription["cancel_at"] = None
        subscription["cancel_at_period_end"] = False
        subscription["canceled_at"] = None
    cancel_at = params.get("cancel_at")
    if isinstance(cancel_at, int):
        subscription["cancel_at"] = cancel_at
    set_period_end_cancel(state, subscription, params)
    if subscription["cancel_at"] is not None:
        subscription["canceled_at"] = now
    return cut_to_end(state, subscription, prorate=prorate)


def set_period_end_cancel(state: AccountState, subscription: Body, params: Mapping[str, Any]) -> None:
    """`cancel_at_period_end` and the words of `cancel_at` that name a period end."""
    ends = [item["current_period_end"] for item in state.subscription_items(subscription)]
    word = params.get("cancel_at")
    if word == "max_billed_until":
        items = state.subscription_items(subscription)
        subscription["cancel_at"] = max(
            max(covered_until(item), billed_ahead_until(subscription, item)) for item in items
        )
    if word in ("min_period_end", "max_period_end"):
        subscription["cancel_at"] = min(ends) if word == "min_period_end" else max(ends)
    if params.get("cancel_at_period_end"):
        subscription["cancel_at"] = min(ends)
        subscription["cancel_at_period_end"] = True
