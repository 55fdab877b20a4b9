"""Troubles of the way to a simulated system and back.

Both simulators share what a fault is. Which requests it waits for is in `fault_plan`, what each vendor
answers in its own `faults` module, how a connection breaks in `wire`.

`before` means that the request never reached the API, so that nothing happened. `after` means that it did its
work and the answer was lost or another one came.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, fields
from typing import Any

# The header a request may carry: `server_error; status=503; when=after`.
HEADER = "Sim-Fault"
BEFORE, AFTER = "before", "after"
_SECONDS_MAX = 86_400.0
_SERVER_ERROR = 500
LAG = "lag"


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """What a kind of fault allows; the first status and the first reason are what it has by itself.

    Attributes:
        moments: whether it may strike after the effect too.
        is_wire: no answer of the API comes at all, or not a whole one.
        is_record: it refuses the save of a record rather than the whole request.
    """

    statuses: tuple[int, ...] = ()
    reasons: tuple[str, ...] = ()
    moments: bool = False
    is_wire: bool = False
    is_record: bool = False


KINDS: Mapping[str, Kind] = {
    "latency": Kind(),
    "refused": Kind(is_wire=True),
    "reset": Kind(moments=True, is_wire=True),
    "timeout": Kind(moments=True, is_wire=True),
    "cut": Kind(statuses=(200, 201), moments=True, is_wire=True),
    "html": Kind(statuses=(502, 503, 200), moments=True, is_wire=True),
    "bad_request": Kind(statuses=(400,)),
    "unauthorized": Kind(statuses=(401,)),
    "forbidden": Kind(statuses=(403,)),
    "not_found": Kind(statuses=(404,)),
    "conflict": Kind(statuses=(409,)),
    "rate_limit": Kind(
        statuses=(429,),
        reasons=(
            "global-rate",
            "endpoint-concurrency",
            "endpoint-rate",
            "global-concurrency",
            "resource-specific",
        ),
    ),
    "lock_timeout": Kind(statuses=(429,)),
    "server_error": Kind(statuses=(500, 502, 503, 504), moments=True),
    "request_limit": Kind(statuses=(403,), reasons=("total", "concurrent")),
    "query_timeout": Kind(statuses=(400,)),
    "query_locator": Kind(statuses=(400,)),
    "short_pages": Kind(),
    "row_lock": Kind(statuses=(400,), is_record=True),
    "validation": Kind(statuses=(400,), is_record=True),
    "flow": Kind(statuses=(400,), is_record=True),
    "trigger": Kind(statuses=(400,), is_record=True),
    LAG: Kind(),
}


def one_of(name: str, value: Any, known: Collection[Any]) -> None:
    """Check a value by name.

    Raises:
        ValueError: it is none of those known.
    """
    if value not in known:
        raise ValueError(f"`{name}` must be one of {', '.join(map(str, known))}.")


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """One trouble.

    Attributes:
        kind: a name of `KINDS`; each simulator knows its own share of them.
        when: `before` or `after` the request is executed, for kinds that have both.
        status: the HTTP status, where the kind has several; None for the kind's own.
        reason: which limit was reached; empty for the kind's own.
        seconds: how long `latency` or `timeout` lasts, how long after a `refused` request no connection is
            taken, and by how much of the clock's time `lag` hides a save.
        seconds_max: with `latency` and `lag`, the upper bound of a range that starts at `seconds`.
        retry_after: what the header `Retry-After` says, in seconds, if it is sent.
        should_retry: what the header `Stripe-Should-Retry` says, if it is sent.
        stored: whether the idempotency key replays this error; None for what the vendor does.
        message: the text of the error, where it is not the vendor's usual one.
        rows: how many rows a page has, with `short_pages`.
    """

    kind: str
    when: str = BEFORE
    status: int | None = None
    reason: str = ""
    seconds: float = 0.0
    seconds_max: float | None = None
    retry_after: int | None = None
    should_retry: bool | None = None
    stored: bool | None = None
    message: str = ""
    rows: int = 1

    def __post_init__(self) -> None:
        one_of("kind", self.kind, KINDS)
        known = KINDS[self.kind]
        one_of("when", self.when, (BEFORE, AFTER) if known.moments else (BEFORE,))
        if self.status is not None:
            one_of("status", self.status, known.statuses)
        if self.reason:
            one_of("reason", self.reason, known.reasons)
        if not 0 <= self.seconds <= (self.seconds_max or self.seconds) <= _SECONDS_MAX:
            raise ValueError(f"`seconds` must lie between 0 and `seconds_max`, at most {_SECONDS_MAX:g}.")
        if self.rows < 1:
            raise ValueError("`rows` must be at least 1.")

    @property
    def is_wire(self) -> bool:
        """Whether the client gets no answer of the API, or not a whole one."""
        return KINDS[self.kind].is_wire

    @property
    def answer_status(self) -> int:
        """The HTTP status of the answer; 0 where there is none."""
        statuses = KINDS[self.kind].statuses
        return self.status or (statuses[0] if statuses else 0)

    @property
    def answer_reason(self) -> str:
        """Which limit was reached; empty for kinds without."""
        reasons = KINDS[self.kind].reasons
        return self.reason or (reasons[0] if reasons else "")

    @property
    def is_stored(self) -> bool:
        """Whether an idempotency key replays this error rather than the true answer."""
        if self.stored is not None:
            return self.stored
        vendor_failed = self.kind == "server_error" and self.answer_status == _SERVER_ERROR
        return vendor_failed and self.when == AFTER

    @property
    def words(self) -> str:
        """Kind, moment and status in short, as request logs show it."""
        moment = f" {self.when}" if KINDS[self.kind].moments else ""
        status = f" {self.status}" if self.status is not None else ""
        return f"{self.kind}{status}{moment}"


NO_FAULT = Fault(kind="latency")


class LostAnswerError(Exception):
    """The client gets no whole answer of the API; `fault` says what it gets instead.

    `answer` is the true answer, where there is one of which a part arrives.
    """

    def __init__(self, fault: Fault, answer: Any = None) -> None:
        super().__init__("The answer of the API was lost on its way.")
        self.fault = fault
        self.answer = answer


def fault_of(values: Mapping[str, Any]) -> Fault:
    """A fault from plain values, which may be text.

    Raises:
        ValueError: a name or a value is not known.
    """
    known = {entry.name for entry in fields(Fault)}
    if "kind" not in values or not set(values) <= known:
        raise ValueError(f"A fault has a `kind` and perhaps {', '.join(sorted(known - {'kind'}))}.")
    read = dict(values)
    for name, number in (("status", int), ("retry_after", int), ("rows", int)):
        if read.get(name) is not None:
            read[name] = number(read[name])
    for name in ("seconds", "seconds_max"):
        if read.get(name) is not None:
            read[name] = float(read[name])
    for name in ("should_retry", "stored"):
        if isinstance(read.get(name), str):
            one_of(name, read[name], ("true", "false"))
            read[name] = read[name] == "true"
    return Fault(**read)


def fault_of_header(text: str, kinds: Collection[str]) -> Fault:
    """The fault of a request's header, for example `server_error; status=503; when=after`.

    Raises:
        ValueError: a name or a value is not known, or the kind is none of `kinds`.
    """
    kind, *rest = (part.strip() for part in text.split(";"))
    one_of("kind", kind, sorted(kinds))
    named = (part.partition("=") for part in rest)
    return fault_of({"kind": kind, **{name.strip(): value.strip() for name, _, value in named}})
