"""Troubles of the way to the vendor and back, planned for coming requests or asked for by a header.

A plan is a list of faults; each waits for requests that it fits and is used up by them. `before` means that
the request never reached the API, so that nothing happened and nothing is stored under its key. `after` means
that it did its work and the answer was lost: a 500 is then what the key replays, as the vendor says of its
own errors, while a 502 to 504 comes from a machine in between, so that the key replays the true answer
(docs.stripe.com/api/idempotent_requests, read 20 Nov 2026).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from fnmatch import fnmatchcase
from typing import Any

from cpqbridge_sim.stripe.errors import StripeApiError
from cpqbridge_sim.stripe.in_flight import key_in_use, lock_timeout
from cpqbridge_sim.stripe.rate_limits import too_many

# The header a request may carry: `server_error; status=503; when=after`.
HEADER = "Sim-Fault"
KINDS = ("conflict", "latency", "lock_timeout", "rate_limit", "reset", "server_error", "timeout")
_REASONS = ("endpoint-concurrency", "endpoint-rate", "global-concurrency", "global-rate", "resource-specific")
_STATUSES = (500, 502, 503, 504)
_MOMENTS = ("before", "after")
# Only these two know a moment: the others are answers of the vendor in place of work, or no answer at all.
_LOSING = ("reset", "timeout")
_OWN_ERROR = 500
_SECONDS_MAX = 600.0


class LostAnswerError(Exception):
    """The client gets no answer: the connection breaks, at once or after `seconds` of silence."""

    def __init__(self, seconds: float) -> None:
        super().__init__("The connection was lost before an answer came.")
        self.seconds = seconds


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """One trouble of one request.

    Attributes:
        kind: one of `KINDS`; `latency` only delays, `timeout` stays silent and breaks the connection.
        when: `before` or `after` the request is executed; for `reset`, `server_error` and `timeout`.
        status: of a `server_error`.
        reason: of a `rate_limit`, as the header `Stripe-Rate-Limited-Reason` says it.
        seconds: how long `latency` or `timeout` lasts; during `latency` the request's key and object are in
            use.
        should_retry: what the header `Stripe-Should-Retry` says, if it is sent.
    """

    kind: str
    when: str = "before"
    status: int = _OWN_ERROR
    reason: str = "global-rate"
    seconds: float = 0.0
    should_retry: bool | None = None

    def __post_init__(self) -> None:
        choices: tuple[tuple[str, Any, tuple[Any, ...]], ...] = (
            ("kind", self.kind, KINDS),
            ("when", self.when, _MOMENTS),
            ("status", self.status, _STATUSES),
            ("reason", self.reason, _REASONS),
        )
        for name, value, known in choices:
            if value not in known:
                raise ValueError(f"`{name}` must be one of {', '.join(map(str, known))}.")
        if not 0 <= self.seconds <= _SECONDS_MAX:
            raise ValueError(f"`seconds` must lie between 0 and {_SECONDS_MAX:g}.")

    def strike_before(self, key: str | None) -> None:
        """Answer in place of the API.

        Raises:
            StripeApiError: the answer of the fault.
            LostAnswerError: there is none.
        """
        if self.kind == "conflict":
            raise self._marked(key_in_use(key or ""))
        if self.kind == "lock_timeout":
            raise self._marked(lock_timeout())
        if self.kind == "rate_limit":
            raise self._marked(too_many(self.reason))
        if self.when == "before":
            self._lose()

    def strike_after(self) -> None:
        """Lose the answer of a request that was executed.

        Raises:
            StripeApiError: another answer comes instead.
            LostAnswerError: none comes.
        """
        if self.when == "after":
            self._lose()

    @property
    def is_stored(self) -> bool:
        """Whether the key replays this error rather than the true answer."""
        return self.kind == "server_error" and self.when == "after" and self.status == _OWN_ERROR

    def _lose(self) -> None:
        if self.kind == "server_error":
            raise self._marked(server_error(self.status))
        if self.kind in _LOSING:
            raise LostAnswerError(self.seconds if self.kind == "timeout" else 0.0)

    def _marked(self, error: StripeApiError) -> StripeApiError:
        if self.should_retry is not None:
            error.headers["Stripe-Should-Retry"] = "true" if self.should_retry else "false"
        return error


NO_FAULT = Fault(kind="latency")


def server_error(status: int) -> StripeApiError:
    """An error of the vendor's side."""
    return StripeApiError("An unexpected error occurred.", status=status, kind="api_error")


def fault_of(values: Mapping[str, Any]) -> Fault:
    """A fault from plain values, which may be text.

    Raises:
        ValueError: a name or a value is not known.
    """
    known = {entry.name for entry in fields(Fault)}
    if "kind" not in values or not set(values) <= known:
        raise ValueError(f"A fault has a `kind` and perhaps {', '.join(sorted(known - {'kind'}))}.")
    read = dict(values)
    if "status" in read:
        read["status"] = int(read["status"])
    if "seconds" in read:
        read["seconds"] = float(read["seconds"])
    if isinstance(read.get("should_retry"), str):
        if read["should_retry"] not in ("true", "false"):
            raise ValueError("`should_retry` must be true or false.")
        read["should_retry"] = read["should_retry"] == "true"
    return Fault(**read)


def fault_of_header(text: str) -> Fault:
    """The fault of a request's header, for example `server_error; status=503; when=after`.

    Raises:
        ValueError: a name or a value is not known.
    """
    kind, *rest = (part.strip() for part in text.split(";"))
    named = (part.partition("=") for part in rest)
    return fault_of({"kind": kind, **{name.strip(): value.strip() for name, _, value in named}})


@dataclass(slots=True, kw_only=True)
class PlannedFault:
    """A fault for the requests that fit: `skip` of them pass, then it strikes `times` of them.

    `method` and `path` may hold `*`, for example `POST` and `/v1/subscription_schedules*`.
    """

    fault: Fault
    method: str = "*"
    path: str = "*"
    skip: int = 0
    times: int = 1


@dataclass(slots=True)
class FaultPlan:
    """The faults that still wait, in the order in which they are tried."""

    waiting: list[PlannedFault] = field(default_factory=list)

    def add(self, planned: PlannedFault) -> None:
        """Have a fault wait for its requests."""
        self.waiting.append(planned)

    def clear(self) -> None:
        """No more faults."""
        self.waiting.clear()

    def take(self, method: str, path: str) -> Fault | None:
        """The fault that strikes this request, if any; each request is counted by every fault it fits."""
        found: Fault | None = None
        for planned in list(self.waiting):
            if not (fnmatchcase(method, planned.method) and fnmatchcase(path, planned.path)):
                continue
            if planned.skip > 0:
                planned.skip -= 1
            elif found is None:
                found = planned.fault
                planned.times -= 1
                if planned.times <= 0:
                    self.waiting.remove(planned)
        return found


def planned_of(values: Mapping[str, Any]) -> PlannedFault:
    """A planned fault from plain values: `method`, `path`, `skip`, `times`, and those of the fault.

    Raises:
        ValueError: a name or a value is not known.
    """
    rest = dict(values)
    placing = {name: rest.pop(name) for name in ("method", "path", "skip", "times") if name in rest}
    for name in ("skip", "times"):
        if name in placing and not (isinstance(placing[name], int) and placing[name] >= 0):
            raise ValueError(f"`{name}` must be a count.")
    return PlannedFault(fault=fault_of(rest), **placing)
