"""Fails every test in which Stripe was asked for something that can prorate without being told what to do.

A plugin of the test session (`tests/conftest.py` names it): it observes the request logs of all simulated
accounts of this process, under xdist in each worker. Tests of the simulated account itself, and tests marked
`by_hand` because they play a person in Stripe's Dashboard, may ask for anything.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from cpqbridge_sim.request_log import LoggedRequest, observe

EXEMPT = Path(__file__).parent / "contract" / "stripe_sim"

_SCHEDULES = "/v1/subscription_schedules"
_SCHEDULE = re.compile(rf"{_SCHEDULES}/[^/]+")
_CANCEL = re.compile(rf"{_SCHEDULES}/[^/]+/cancel")
_SUBSCRIPTION = re.compile(r"/v1/subscriptions(/[^/]+)?")
_ITEM = re.compile(r"/v1/subscription_items(/[^/]+)?")

_ANSWERED_WITHIN = 30 * 60
"""How many seconds before a start a call is made as if it came after it: its answer may."""

_unsaid: list[str] = []
_judged = 0


def unsaid_in(request: LoggedRequest) -> list[str]:
    """Return what a request leaves open, or says other than B6.3 asks for, about prorations."""
    parameters = request.parameters
    if request.method == "POST" and request.path == _SCHEDULES:
        return _phases(parameters, billed_from=_elapsed_start(request))
    if request.method == "POST" and _SCHEDULE.fullmatch(request.path):
        return [*_says(parameters, "proration_behavior", "none"), *_phases(parameters, billed_from=None)]
    if request.method == "POST" and _CANCEL.fullmatch(request.path):
        return [*_says(parameters, "prorate", "false"), *_says(parameters, "invoice_now", "false")]
    if request.method == "DELETE" and _SUBSCRIPTION.fullmatch(request.path):
        return [*_says(parameters, "prorate", "false"), *_says(parameters, "invoice_now", "false")]
    of_subscription = _SUBSCRIPTION.fullmatch(request.path) or _ITEM.fullmatch(request.path)
    if request.method in {"POST", "DELETE"} and of_subscription:
        return _says(parameters, "proration_behavior", "none")
    return []


def can_prorate(request: LoggedRequest) -> bool:
    """Return whether a request is of a kind that can prorate."""
    patterns = (_SCHEDULE, _CANCEL, _SUBSCRIPTION, _ITEM)
    named = request.path == _SCHEDULES or any(pattern.fullmatch(request.path) for pattern in patterns)
    return request.method in {"POST", "DELETE"} and named


def judged_count() -> int:
    """Return how many requests that can prorate were seen so far in this process."""
    return _judged


def _elapsed_start(request: LoggedRequest) -> int | None:
    """Return the start of a schedule that may begin before the call is answered, whose time is to be billed."""
    start = str(request.parameters.get("start_date", ""))
    called_at = datetime.fromisoformat(request.at).timestamp()
    return int(start) if start.isdecimal() and int(start) < called_at + _ANSWERED_WITHIN else None


def _phases(parameters: Mapping[str, Any], *, billed_from: int | None) -> list[str]:
    said = []
    phases = parameters.get("phases") or ()
    entries = list(phases.values()) if isinstance(phases, Mapping) else list(phases)
    for index, phase in enumerate(entries):
        first = index == 0 and billed_from is not None
        allowed = ("none", "create_prorations") if first else ("none",)
        # What is no object says nothing; the account refuses it.
        stated = phase if isinstance(phase, Mapping) else {}
        said += _says(stated, "proration_behavior", *allowed, path=f"phases[{index}]")
    return said


def _says(parameters: Mapping[str, Any], name: str, *allowed: str, path: str = "") -> list[str]:
    where = f"{path}[{name}]" if path else name
    if name not in parameters:
        return [f"{where} is not said"]
    value = str(parameters[name]).lower()
    return [] if value in allowed else [f"{where} is {value}, not {' or '.join(allowed)}"]


def _note(request: LoggedRequest) -> None:
    global _judged  # noqa: PLW0603 - one count per process, like the list beside it
    if can_prorate(request):
        _judged += 1
        _unsaid.extend(f"{request.method} {request.path}: {text}" for text in unsaid_in(request))


def pytest_configure(config: pytest.Config) -> None:
    """Begin to observe."""
    config.addinivalue_line("markers", "by_hand: plays a person in Stripe, who may prorate")
    observe(_note)


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report(collector: pytest.Collector) -> Iterator[None]:
    """Forget what an exempt module asked for while it was imported; other modules' first test answers for it."""
    result = yield
    if collector.path.is_relative_to(EXEMPT):
        _unsaid.clear()
    return result


@pytest.hookimpl(wrapper=True)
def pytest_runtest_teardown(item: pytest.Item) -> Iterator[None]:
    """Fail the test, after its fixtures are gone, for what was left unsaid while it ran."""
    result = yield
    found = list(dict.fromkeys(_unsaid))
    _unsaid.clear()
    exempt = item.path.is_relative_to(EXEMPT) or item.get_closest_marker("by_hand") is not None
    if found and not exempt:
        pytest.fail("Requests that can prorate must say so (B6.3):\n" + "\n".join(found), pytrace=False)
    return result
