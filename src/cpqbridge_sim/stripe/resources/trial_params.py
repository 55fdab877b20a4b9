"""Reading the trial of a request: every rule about it before anything is billed."""

from collections.abc import Collection, Mapping
from typing import Any

from cpqbridge_sim.stripe.errors import StripeApiError, invalid, not_simulated
from cpqbridge_sim.stripe.periods import add_months
from cpqbridge_sim.stripe.resources.call import only
from cpqbridge_sim.stripe.state import AccountState
from cpqbridge_sim.stripe.store import Body

TRIAL_PARAMS = frozenset({"trial_end", "trial_from_plan", "trial_period_days", "trial_settings"})
_DAYS_MAX = 730
_MONTHS_MAX = 24
_SECONDS_PER_DAY = 86_400


def phase_trial_end(
    phase: Mapping[str, Any], *, path: str, bounds: tuple[int, int], now: int, known: Collection[int]
) -> int | None:
    """When the trial of a phase with these bounds ends; an end that is `known` may lie in the past."""
    if phase.get("trial") and "trial_end" in phase:
        raise invalid("You may only specify one of these parameters: trial, trial_end.", f"{path}[trial]")
    if phase.get("trial"):
        return bounds[1]
    end = phase.get("trial_end")
    if end is None or end == "now":
        return None if end is None else now
    if end in known:
        return int(end)
    if end <= now:
        raise _in_the_past(end, f"{path}[trial_end]")
    if not bounds[0] < end <= bounds[1]:
        raise invalid("The trial of a phase must end within the phase.", f"{path}[trial_end]")
    return int(end)


def check_backdated_trial(state: AccountState, end: int | None, *, start: int, now: int) -> None:
    """A trial of something that starts in the past."""
    if end is not None and start < now and not state.assumptions.backdated_trial_covers_its_past:
        raise invalid("A trial cannot be combined with a start in the past.", "trial_end")


def created_trial_end(params: Mapping[str, Any], *, start: int, now: int) -> int | None:
    """The end of the trial that a new subscription asks for."""
    _check_plan(params)
    days = params.get("trial_period_days")
    if days is not None and "trial_end" in params:
        raise invalid(
            "You may only specify one of these parameters: trial_end, trial_period_days.", "trial_end"
        )
    if days is not None:
        if days < 0:
            raise invalid(f"Invalid non-negative integer: {days}", "trial_period_days")
        if days > _DAYS_MAX:
            raise invalid(f"The trial period can be at most {_DAYS_MAX} days.", "trial_period_days")
        return now + days * _SECONDS_PER_DAY if days else None
    if params.get("trial_end") in (None, "now"):
        return None
    return _checked_end(int(params["trial_end"]), now=now, anchor=max(start, now))


def updated_trial_end(subscription: Body, params: Mapping[str, Any], *, now: int) -> int | None:
    """The end of the trial that an update asks for, None when it says nothing about one."""
    _check_plan(params)
    if "trial_end" not in params:
        return None
    if subscription["status"] == "paused":
        raise invalid("Resume the subscription before giving it a trial.", "trial_end")
    if params["trial_end"] == "now":
        return now
    if subscription["billing_schedules"]:
        raise invalid("A subscription with billing schedules takes no trial.", "trial_end")
    return _checked_end(int(params["trial_end"]), now=now, anchor=now)


def set_trial_settings(subscription: Body, params: Mapping[str, Any]) -> None:
    """Keep what shall happen when a trial ends; what is not sent stays as it is."""
    wanted = (params.get("trial_settings") or {}).get("end_behavior") or {}
    only(
        wanted,
        {"billing_cycle_anchor", "missing_payment_method"},
        path="trial_settings[end_behavior]",
    )
    kept = subscription["trial_settings"]["end_behavior"]
    subscription["trial_settings"] = {"end_behavior": {**kept, **wanted}}


def _check_plan(params: Mapping[str, Any]) -> None:
    if params.get("trial_from_plan"):
        raise not_simulated("`trial_from_plan`", "trial_from_plan")


def _checked_end(end: int, *, now: int, anchor: int) -> int:
    if end <= now:
        raise _in_the_past(end, "trial_end")
    if end > add_months(anchor, _MONTHS_MAX):
        raise invalid("A trial can be at most two years long.", "trial_end")
    return end


def _in_the_past(end: int, param: str) -> StripeApiError:
    return invalid(
        "The parameter `trial_end` expects a unix timestamp representing a date and time in the future. "
        f"You specified the value `{end}` which is in the past.",
        param,
    )
