"""How fast Stripe is called: below its limits, by all processes of a store together.

A process takes a handful of tokens from the store at a time and forgets what it did not use in a moment, so
that the store is asked once for several calls.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass

from cpqbridge.clock import Clock, SystemClock, monotonic_seconds
from cpqbridge.domain.calls import Call, CallEnd
from cpqbridge.store import rate_buckets
from cpqbridge.store.database import Store
from cpqbridge.store.rate_buckets import Rate

LIVE_PER_SECOND = 80
SANDBOX_PER_SECOND = 20
ENDPOINT_PER_SECOND = 20
"""Four fifths of what Stripe allows an account (100 in live mode, 25 in a sandbox) and each endpoint (25).
Source: docs.stripe.com/rate-limits, as restated in the project's design notes, 4.2 (20 Nov 2026)."""

HANDFUL = 5
HANDFUL_SECONDS = 0.25
_RATE_REASONS = frozenset({"global-rate", "endpoint-rate"})
_GROUPS_OF_TWO = frozenset({"billing", "test_helpers"})
_NO_IDS = frozenset({"create_preview", "search", "upcoming"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """How many calls a second: of the whole account, and of each endpoint where that is less.

    `scope` names account and mode, which is what Stripe counts by.
    """

    scope: str
    per_second: int
    endpoint_per_second: int


def pace_of(account_id: str, *, live: bool, per_second: int | None) -> Pace:
    """Return the pace for an account and mode: `per_second` in all, or what suits Stripe's own limits."""
    chosen = per_second or (LIVE_PER_SECOND if live else SANDBOX_PER_SECOND)
    return Pace(
        scope=f"{account_id}:{'live' if live else 'test'}",
        per_second=chosen,
        endpoint_per_second=min(ENDPOINT_PER_SECOND, chosen),
    )


@dataclass(slots=True)
class _Hand:
    """Tokens that were taken and not used yet."""

    count: int
    until: float


class Pacer:
    """Lets the calls of this process to one account through, when it is their turn."""

    def __init__(
        self,
        store: Store,
        pace: Pace,
        *,
        wait: Callable[[float], object],
        told: Callable[[float], object] = lambda _seconds: None,
        clock: Clock | None = None,
    ) -> None:
        """Take nothing yet.

        Args:
            store: where the buckets are.
            pace: how fast.
            wait: waits for so many seconds.
            told: told of each wait, in seconds.
            clock: the machine's unless a test hands in another.
        """
        self._store = store
        self._pace = pace
        self._wait = wait
        self._told = told
        self._clock = clock or SystemClock()
        self._guard = threading.Lock()
        self._hands: dict[str, _Hand] = {}

    def before(self, call: Call) -> None:
        """Wait until the call may begin."""
        endpoint = endpoint_of(call)
        if self._has_one(endpoint):
            return
        with self._store.write_lightly() as transaction:
            taken = rate_buckets.take(
                transaction, self._rates(endpoint), wanted=HANDFUL, at=self._clock.now()
            )
        with self._guard:
            self._hands[endpoint] = _Hand(taken.count - 1, monotonic_seconds() + HANDFUL_SECONDS)
        if taken.wait_seconds > 0:
            self._told(taken.wait_seconds)
            self._wait(taken.wait_seconds)

    def after(self, end: CallEnd) -> None:
        """Slow down where Stripe says that it was called too fast, perhaps by somebody else."""
        if end.rate_limit not in _RATE_REASONS:
            return
        endpoint = endpoint_of(end.call)
        with self._guard:
            self._hands.clear()
        with self._store.write_lightly() as transaction:
            rate_buckets.drain(transaction, self._rates(endpoint), at=self._clock.now())

    def _has_one(self, endpoint: str) -> bool:
        with self._guard:
            hand = self._hands.get(endpoint)
            if hand is None or hand.count < 1 or monotonic_seconds() >= hand.until:
                return False
            hand.count -= 1
            return True

    def _rates(self, endpoint: str) -> tuple[Rate, ...]:
        pace = self._pace
        whole = Rate(scope=pace.scope, per_second=pace.per_second, burst=_burst(pace.per_second))
        if pace.endpoint_per_second >= pace.per_second:
            return (whole,)
        own = Rate(
            scope=f"{pace.scope} {endpoint}",
            per_second=pace.endpoint_per_second,
            burst=_burst(pace.endpoint_per_second),
        )
        return (whole, own)


def endpoint_of(call: Call) -> str:
    """Return method and path of a call to Stripe without ids, as Stripe's limits count."""
    parts = call.path.strip("/").split("/")
    place = 3 if parts[1:2] and parts[1] in _GROUPS_OF_TWO else 2
    if len(parts) > place and parts[place] not in _NO_IDS:
        parts[place] = "{id}"
    return f"{call.method} /{'/'.join(parts)}"


def _burst(per_second: int) -> int:
    # Half a second's worth: with the handfuls of a few processes it is below what Stripe lets pass at once.
    return max(1, per_second // 2)
