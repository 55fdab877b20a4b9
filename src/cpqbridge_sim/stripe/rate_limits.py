"""The limiter in front of the API, off unless asked for (docs.stripe.com/rate-limits, read 20 Nov 2026)."""

import time
from collections.abc import Callable
from dataclasses import dataclass

from cpqbridge_sim.stripe.errors import StripeApiError

_ENDPOINT_PER_SECOND = 25
_TEST_PER_SECOND = 25
_LIVE_PER_SECOND = 100
_METER_EVENTS_PER_SECOND = 1000
_METER_EVENTS = "/v1/billing/meter_events"


@dataclass(slots=True)
class _Bucket:
    tokens: float
    at: float


class RateLimiter:
    """Token buckets of one second's worth: one for all requests, one for each endpoint.

    Args:
        live: the account's mode, which decides how many requests a second it may make.
        clock: seconds that only grow; the machine's when not given, because a client waits in real time.
    """

    def __init__(self, *, live: bool, clock: Callable[[], float] = time.monotonic) -> None:
        self._account_per_second = _LIVE_PER_SECOND if live else _TEST_PER_SECOND
        self._clock = clock
        self._buckets: dict[str, _Bucket] = {}

    def check(self, endpoint: str) -> None:
        """Count one request; `endpoint` is its method and path pattern.

        Raises:
            StripeApiError: 429 `rate_limit` with the header that says which limit it was.
        """
        if endpoint.endswith(_METER_EVENTS):
            limits = [(endpoint, _METER_EVENTS_PER_SECOND, "endpoint-rate")]
        else:
            limits = [
                ("", self._account_per_second, "global-rate"),
                (endpoint, _ENDPOINT_PER_SECOND, "endpoint-rate"),
            ]
        now = self._clock()
        for name, per_second, reason in limits:
            if self._refilled(name, per_second, now).tokens < 1:
                raise too_many(reason)
        for name, _, _ in limits:
            self._buckets[name].tokens -= 1

    def _refilled(self, name: str, per_second: int, now: float) -> _Bucket:
        bucket = self._buckets.setdefault(name, _Bucket(per_second, now))
        bucket.tokens = min(per_second, bucket.tokens + (now - bucket.at) * per_second)
        bucket.at = now
        return bucket


def too_many(reason: str) -> StripeApiError:
    """What the limiter answers; without a `Retry-After`, as the vendor."""
    return StripeApiError(
        "Request rate limit exceeded. You can learn more about rate limits here "
        "https://docs.stripe.com/rate-limits.",
        status=429,
        code="rate_limit",
        headers={"Stripe-Rate-Limited-Reason": reason},
    )
