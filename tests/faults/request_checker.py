"""What must hold for all requests that were ever sent, whatever went wrong on the way.

Reads the request logs of both simulators, oldest first, and says what breaks a promise:

- after an unknown outcome the next request about that step is the same call under the same key, within
  23 hours of its first, or a read that settles it; never a new key before that;
- a key always comes with the same call and the same body;
- what adds something (a create, lines, a finalisation, a credit) has its effect once;
- a failing step is sent at most nine times within an hour: once, and eight tries again;
- what an answer asked to wait is waited;
- nothing is written to Salesforce that stands there already.
"""

from __future__ import annotations

import json
from collections import defaultdict, deque
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from cpqbridge_sim.request_log import LoggedRequest

KEY_LIFE = timedelta(hours=23)
SENDS_AN_HOUR = 9
HOUR = timedelta(hours=1)
# The clocks of the logs show whole seconds.
GRAIN = timedelta(seconds=1)
SERVER_ERRORS = 500
PASSING = frozenset({0, 409, 429})
CUT_OFF = ("refused", "reset", "timeout", "cut", "html")
_COLLECTIONS = frozenset(
    {
        "/v1/customers",
        "/v1/products",
        "/v1/prices",
        "/v1/coupons",
        "/v1/billing/meters",
        "/v1/subscription_schedules",
        "/v1/invoices",
        "/v1/credit_notes",
    }
)
_ADDING = ("/add_lines", "/finalize", "/balance_transactions")
_TAKING_BACK = ("/void", "/cancel")
_NAMED_BY = ("id", "lookup_key", "event_name")
_NAMED_IN_METADATA = ("cpqbridge_key", "salesforce_account_id")
_NOT_VALUES = frozenset({"attributes", "Id", "Key__c"})


def problems(*, stripe: Sequence[LoggedRequest], salesforce: Sequence[LoggedRequest]) -> list[str]:
    """Return what breaks a promise, each with the number of the request that does; none when all holds."""
    return [
        *(f"Stripe {problem}" for problem in _of_stripe(stripe)),
        *(f"Salesforce {problem}" for problem in _of_salesforce(salesforce)),
    ]


def _of_stripe(log: Sequence[LoggedRequest]) -> Iterator[str]:
    yield from _changed_under_a_key(log)
    yield from _guessed(log)
    yield from _done_twice(log)
    yield from _sent_too_often(log)
    yield from _not_waited(log)


def _of_salesforce(log: Sequence[LoggedRequest]) -> Iterator[str]:
    yield from _sent_too_often(log)
    yield from _not_waited(log)
    yield from _written_again(log)


def is_unknown(entry: LoggedRequest) -> bool:
    """Return whether whoever sent a write cannot know from the answer whether it happened."""
    return (
        entry.method == "POST"
        and not entry.path.endswith("/composite")
        and (entry.status == 0 or entry.status >= SERVER_ERRORS or _is_cut_off(entry))
    )


def _is_cut_off(entry: LoggedRequest) -> bool:
    return entry.fault is not None and entry.fault.split(" ")[0] in CUT_OFF


def _is_failure(entry: LoggedRequest) -> bool:
    return entry.status in PASSING or entry.status >= SERVER_ERRORS or _is_cut_off(entry)


def _had_effect(entry: LoggedRequest) -> bool:
    if entry.fault is not None and entry.fault.endswith("after"):
        return True
    return entry.status == 200 and not _is_cut_off(entry)


def _changed_under_a_key(log: Sequence[LoggedRequest]) -> Iterator[str]:
    first: dict[str, LoggedRequest] = {}
    for entry in log:
        if entry.idempotency_key is None:
            continue
        before = first.setdefault(entry.idempotency_key, entry)
        if (before.method, before.path, before.parameters) != (entry.method, entry.path, entry.parameters):
            yield f"{entry.number}: another call than {before.number} under the same key ({_named(entry)})"
        if _at(entry) - _at(before) > KEY_LIFE:
            yield f"{entry.number}: the key of {before.number} is older than 23 hours ({_named(entry)})"


def _guessed(log: Sequence[LoggedRequest]) -> Iterator[str]:
    """Yield calls under a new key while the outcome of the one before is not known."""
    open_calls: dict[tuple[str, str], LoggedRequest] = {}
    for entry in log:
        if entry.method == "GET":
            # A read that itself fails settles nothing.
            if not _is_failure(entry):
                open_calls = {step: call for step, call in open_calls.items() if _kind(call) != _kind(entry)}
            continue
        if entry.method != "POST":
            continue
        step = step_of(entry)
        before = open_calls.get(step)
        if before is not None and before.idempotency_key != entry.idempotency_key:
            yield f"{entry.number}: the outcome of {before.number} was not known ({_named(entry)})"
        if is_unknown(entry):
            open_calls[step] = entry
        elif not _is_failure(entry):
            open_calls.pop(step, None)


def _done_twice(log: Sequence[LoggedRequest]) -> Iterator[str]:
    """Yield calls that added the same a second time, under another key."""
    done: dict[tuple[str, str], LoggedRequest] = {}
    for entry in log:
        if entry.method == "DELETE" or entry.path.endswith(_TAKING_BACK):
            # What was taken back may be made anew.
            done.clear()
        if entry.path.endswith("/add_lines") and entry.status == 400 and entry.fault is None:
            # An invoice that takes no lines any more, since Stripe finalised it empty, may be made anew.
            refused = entry.path.split("/")[3]
            done = {what: call for what, call in done.items() if call.response.get("id") != refused}
        adds = entry.path in _COLLECTIONS or entry.path.endswith(_ADDING)
        if entry.method != "POST" or not adds or not _had_effect(entry):
            continue
        what = (entry.path, json.dumps(entry.parameters, sort_keys=True, default=str))
        before = done.setdefault(what, entry)
        if before.idempotency_key != entry.idempotency_key:
            yield f"{entry.number}: did what {before.number} had done already ({_named(entry)})"


def _sent_too_often(log: Sequence[LoggedRequest]) -> Iterator[str]:
    sent: dict[Any, deque[LoggedRequest]] = defaultdict(deque)
    for entry in log:
        call = _call(entry)
        lately = sent[call]
        while lately and _at(entry) - _at(lately[0]) >= HOUR:
            lately.popleft()
        lately.append(entry)
        if len(lately) > SENDS_AN_HOUR:
            yield f"{entry.number}: sent {len(lately)} times within an hour ({_named(entry)})"
        if not _is_failure(entry):
            lately.clear()


def _not_waited(log: Sequence[LoggedRequest]) -> Iterator[str]:
    asked: dict[Any, LoggedRequest] = {}
    for entry in log:
        call = _call(entry)
        before = asked.pop(call, None)
        if before is not None and before.retry_after_seconds is not None:
            earliest = _at(before) + timedelta(seconds=before.retry_after_seconds)
            if _at(entry) + GRAIN < earliest:
                yield f"{entry.number}: {before.number} asked to wait until {earliest} ({_named(entry)})"
        if entry.retry_after_seconds is not None:
            asked[call] = entry


def _written_again(log: Sequence[LoggedRequest]) -> Iterator[str]:
    """Yield records that are written with nothing but what was written there last and taken."""
    known: dict[str, dict[str, Any]] = defaultdict(dict)
    for entry in log:
        for record, is_taken in _records(entry):
            name = f"{record['attributes']['type']} {record.get('Id') or record.get('Key__c')}"
            values = {field: value for field, value in record.items() if field not in _NOT_VALUES}
            if values and all(
                known[name].get(field, _NOT_VALUES) == value for field, value in values.items()
            ):
                yield f"{entry.number}: {name} has these values already: {values}"
            if is_taken:
                known[name].update(values)
            else:
                for field in values:
                    known[name].pop(field, None)


def _records(entry: LoggedRequest) -> Iterator[tuple[Mapping[str, Any], bool]]:
    """Yield the records that a request writes, and whether the answer says that each was taken."""
    asked = entry.parameters.get("compositeRequest") or ()
    answered = entry.response if entry.fault is None and isinstance(entry.response, Mapping) else {}
    answers = answered.get("compositeResponse")
    for part, answer in zip(asked, answers or [{}] * len(asked), strict=True):
        if part["method"] == "PATCH":
            records = part["body"].get("records") or ()
            results = answer.get("body")
            if not isinstance(results, list) or len(results) != len(records):
                results = [{}] * len(records)
            yield from zip(records, (result.get("success") is True for result in results), strict=True)


def step_of(entry: LoggedRequest) -> tuple[str, str]:
    """Return what a call is about, the same under every key: its place and what names the thing it makes."""
    parameters = entry.parameters
    metadata = parameters.get("metadata") or {}
    names = [
        *(metadata.get(name) for name in _NAMED_IN_METADATA),
        *(parameters.get(name) for name in _NAMED_BY),
    ]
    return entry.path, next((str(name) for name in names if name), "")


def _call(entry: LoggedRequest) -> tuple[str, str, str]:
    """Return what makes two requests tries of one: the key, else all of it."""
    said = entry.idempotency_key or json.dumps(entry.parameters, sort_keys=True, default=str)
    return entry.method, entry.path, said


def _kind(entry: LoggedRequest) -> str:
    parts = entry.path.split("/")
    if parts[-1] == "balance_transactions":
        return parts[-1]
    return "/".join(parts[2:4]) if parts[2] == "billing" else parts[2]


def _named(entry: LoggedRequest) -> str:
    return f"{entry.method} {' '.join(step_of(entry))} at {entry.at}"


def _at(entry: LoggedRequest) -> datetime:
    return datetime.fromisoformat(entry.at)
