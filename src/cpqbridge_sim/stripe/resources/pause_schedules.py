"""Reading `pause_schedules[]` of a schedule request.

Source: the SDK's texts of `pause_schedules`, stripe 16.1.0: one entry; what an update of it leaves out stays.
"""

from collections.abc import Mapping
from typing import Any

from cpqbridge_sim.stripe.errors import StripeApiError, invalid, missing
from cpqbridge_sim.stripe.periods import Interval, add_months
from cpqbridge_sim.stripe.state import AccountState
from cpqbridge_sim.stripe.store import Body

_NAME = "pause_schedules"
_PAUSE_DEFAULTS = {
    "bill_for": {
        "outstanding_usage_through": {"type": "pause_at"},
        "unused_time_from": {"type": "pause_at"},
    },
    "invoicing_behavior": "pending_invoice_item",
    "type": "subscription",
}
_RESUME_DEFAULTS = {
    "billing_cycle_anchor": "resume_at",
    "payment_behavior": "resume_on_payment_success",
    "proration_behavior": "create_prorations",
}


def read_pause_schedules(
    state: AccountState, schedule: Body, value: Any, *, send_invoice: bool, now: int
) -> list[Body]:
    """The entries a schedule shall have; `schedule` is as it was, with its own entries."""
    entries = value or []
    if not entries:
        return []
    if len(entries) > 1:
        raise invalid("Only one pause schedule is supported.", _NAME)
    if schedule["billing_mode"]["type"] == "classic" or send_invoice:
        raise invalid(
            "Pausing needs `billing_mode[type]=flexible` and `collection_method=charge_automatically`.", _NAME
        )
    entry, known = entries[0], {body["key"]: body for body in schedule["pause_schedules"]}
    if "key" in entry and known and entry["key"] not in known:
        raise invalid(f"No such pause schedule: '{entry['key']}'", f"{_NAME}[0][key]")
    old = known.get(entry.get("key"))
    key = entry.get("key") or state.identifiers.new("sub_sched_pause")
    pause = _pause(entry.get("pause"), None if old is None else old["pause"], now=now)
    resume = None if old is None else old["resume"]
    if "resume" in entry:
        resume = _resume(entry["resume"], resume, pause_at=pause["pause_at"]) if entry["resume"] else None
    return [{"key": key, "pause": pause, "resume": resume}]


def _pause(value: Mapping[str, Any] | None, old: Body | None, *, now: int) -> Body:
    if value is None and old is not None:
        return old
    path = f"{_NAME}[0][pause]"
    if value is None or ("pause_at" not in value and old is None):
        raise missing(path if value is None else f"{path}[pause_at]")
    if old is not None and old["status"]["type"] != "scheduled":
        raise invalid("This pause has happened already.", path)
    at = 0 if old is None else old["pause_at"]
    if "pause_at" in value:
        given = value["pause_at"]
        at = now if given["type"] == "now" else _timestamp(given, f"{path}[pause_at]", after=now)
    defaults = _PAUSE_DEFAULTS if old is None else old["settings"]
    return {
        "pause_at": at,
        "settings": _merged(defaults, value.get("settings") or {}),
        "status": {"error": None, "type": "scheduled"},
    }


def _resume(value: Mapping[str, Any], old: Body | None, *, pause_at: int) -> Body:
    path = f"{_NAME}[0][resume]"
    if "resume_at" not in value and old is None:
        raise missing(f"{path}[resume_at]")
    if old is not None and old["status"]["type"] != "scheduled":
        raise invalid("This resumption has happened already.", path)
    at = 0 if old is None else old["resume_at"]
    if "resume_at" in value:
        given = value["resume_at"]
        if given["type"] == "duration":
            at = _after(given, f"{path}[resume_at]", start=pause_at)
        else:
            at = _timestamp(given, f"{path}[resume_at]", after=pause_at)
    defaults = _RESUME_DEFAULTS if old is None else old["settings"]
    return {
        "resume_at": at,
        "settings": _merged(defaults, value.get("settings") or {}),
        "status": {"error": None, "type": "scheduled"},
    }


def _timestamp(given: Mapping[str, Any], path: str, *, after: int) -> int:
    if "timestamp" not in given:
        raise missing(f"{path}[timestamp]")
    if given["timestamp"] <= after:
        raise _too_early(path)
    return int(given["timestamp"])


def _too_early(path: str) -> StripeApiError:
    return invalid("A pause lies in the future, and its resumption after it.", f"{path}[timestamp]")


def _after(given: Mapping[str, Any], path: str, *, start: int) -> int:
    if "duration" not in given:
        raise missing(f"{path}[duration]")
    duration = given["duration"]
    length = Interval(unit=duration["interval"], count=duration.get("interval_count", 1))
    if length.count < 1:
        raise invalid("`interval_count` must be at least 1.", f"{path}[duration][interval_count]")
    return start + length.seconds if length.seconds else add_months(start, length.months)


def _merged(defaults: Mapping[str, Any], given: Mapping[str, Any]) -> Body:
    return {
        name: _merged(value, given.get(name) or {}) if isinstance(value, Mapping) else given.get(name, value)
        for name, value in defaults.items()
    }
