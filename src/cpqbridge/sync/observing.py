"""Telling what happens: who counts is handed in, and every request is let through or stopped here."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import structlog
from sqlalchemy.exc import DBAPIError

from cpqbridge.domain.calls import Call, CallEnd
from cpqbridge.sync.allowance import OrgAllowance
from cpqbridge.sync.pacing import Pacer
from cpqbridge.sync.pausing import PauseGate

log = structlog.get_logger(__name__)

_SERVER_ERROR = 500
_TROUBLE = frozenset({None, 401, 403, 429})
"""Answers that are no news about a record: none at all, no access, too many calls."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunEnd:
    """How a run over one contract of a connection ended.

    `result` is done, paused, stopped, or the code of the error that stopped it. `needs_someone` says whether
    it left an order refused or held. `seconds` is how long it took, `seconds_since_seen` how long ago its
    contract was put on the queue.
    """

    connection_id: int
    result: str
    needs_someone: bool
    seconds: float
    seconds_since_seen: float


class Observer(Protocol):
    """Is told what happens, by several threads at once; does not raise. Texts are of small closed sets."""

    def call_ended(self, end: CallEnd, *, connection_id: int) -> None:
        """One request of a connection to a side ended."""
        ...

    def tried_again(self, *, code: str) -> None:
        """A request is made once more after an error of this code."""
        ...

    def waited(self, *, reason: str, seconds: float) -> None:
        """Something waited so long for a rate limit or an allowance."""
        ...

    def run_ended(self, end: RunEnd) -> None:
        """A run over one contract ended."""
        ...

    def polled(self, *, connection: str, outcome: str) -> None:
        """A poll of a connection ended: ok, or the code of its error."""
        ...


class Observers:
    """Passes on what happens to everybody who wants to know; nobody at first."""

    def __init__(self) -> None:
        """Know nobody yet."""
        self._known: tuple[Observer, ...] = ()

    def add(self, observer: Observer) -> None:
        """Tell this one too from now on."""
        self._known = (*self._known, observer)

    def call_ended(self, end: CallEnd, *, connection_id: int) -> None:
        """Pass it on."""
        for observer in self._known:
            observer.call_ended(end, connection_id=connection_id)

    def tried_again(self, *, code: str) -> None:
        """Pass it on."""
        for observer in self._known:
            observer.tried_again(code=code)

    def waited(self, *, reason: str, seconds: float) -> None:
        """Pass it on."""
        for observer in self._known:
            observer.waited(reason=reason, seconds=seconds)

    def run_ended(self, end: RunEnd) -> None:
        """Pass it on."""
        for observer in self._known:
            observer.run_ended(end)

    def polled(self, *, connection: str, outcome: str) -> None:
        """Pass it on."""
        for observer in self._known:
            observer.polled(connection=connection, outcome=outcome)


@dataclass(frozen=True, slots=True, kw_only=True)
class ConnectionWatch:
    """Stands between a connection's clients and the network: gate and limits before, log and counts after."""

    connection_id: int
    gate: PauseGate
    observer: Observer
    allowance: OrgAllowance
    pacer: Pacer | None = None

    def before(self, call: Call) -> None:
        """Let the request through when it is its turn.

        Raises:
            PausedError: the connection is paused.
            TransientError: the org has no calls left for this work (code `api_share_used`).
        """
        self.gate.require_open(self.connection_id)
        if call.side == "salesforce":
            self.allowance.require()
        elif self.pacer is not None:
            self.pacer.before(call)
            # It may have waited, and a pause may have come meanwhile.
            self.gate.require_open(self.connection_id)

    def after(self, end: CallEnd) -> None:
        """Write the request down and count it."""
        call = end.call
        tell = log.warning if end.status in _TROUBLE or (end.status or 0) >= _SERVER_ERROR else log.debug
        tell(
            "call",
            side=call.side,
            method=call.method,
            path=call.path,
            status=end.status,
            seconds=round(end.seconds, 4),
            request_id=end.request_id or None,
            idempotency_key=call.idempotency_key or None,
        )
        self.observer.call_ended(end, connection_id=self.connection_id)
        try:
            if end.usage is not None:
                self.allowance.note(end.usage)
            if self.pacer is not None and call.side == "stripe":
                self.pacer.after(end)
        except DBAPIError as error:
            # The next answer says it again.
            log.warning("limits_not_noted", problem=str(error.orig))
