"""Requests that are still being worked on: no second one may use their key or their object."""

from collections.abc import Iterator
from contextlib import contextmanager

from cpqbridge_sim.stripe.errors import StripeApiError

# `/v1/GROUP/ID`, or one more where the group has two words; the empty part before the first slash counts.
_OBJECT_PARTS = 4
_LONG_GROUPS = ("billing", "test_helpers")
_ACTIONS = ("create_preview",)


class InFlight:
    """Idempotency keys and objects in use (docs.stripe.com/rate-limits and /api/idempotent_requests)."""

    def __init__(self) -> None:
        self._keys: set[str] = set()
        self._objects: set[str] = set()

    def check(self, key: str | None, method: str, path: str) -> None:
        """Refuse what has to wait for another request.

        Raises:
            StripeApiError: 409 for a key, 429 `lock_timeout` for an object.
        """
        if key is not None and key in self._keys:
            raise key_in_use(key)
        if method != "GET" and _object(path) in self._objects:
            raise lock_timeout()

    @contextmanager
    def held(self, key: str | None, method: str, path: str) -> Iterator[None]:
        """Keep the key of a request, and the object it changes, in use for as long as the block lasts.

        Raises:
            StripeApiError: as `check`.
        """
        self.check(key, method, path)
        changed = None if method == "GET" else _object(path)
        keys = set() if key is None else {key}
        objects = set() if changed is None else {changed}
        self._keys |= keys
        self._objects |= objects
        try:
            yield
        finally:
            self._keys -= keys
            self._objects -= objects


def _object(path: str) -> str | None:
    parts = path.split("/")
    count = _OBJECT_PARTS + (1 if parts[2:3] and parts[2] in _LONG_GROUPS else 0)
    return "/".join(parts[:count]) if len(parts) >= count and parts[count - 1] not in _ACTIONS else None


def key_in_use(key: str) -> StripeApiError:
    """The answer to a second request with a key while the first is running; the key may be tried again."""
    return StripeApiError(
        "There is currently another in-progress request using this Idempotent Key (that probably means you "
        "submitted twice, and the other request is still going through): "
        f"{key}. Please try again later.",
        status=409,
        code="idempotency_key_in_use",
    )


def lock_timeout() -> StripeApiError:
    """The answer while another request has the object: 429 that does not come from the limiter.

    The SDK's source says that the vendor advises to retry in this case (`Stripe-Should-Retry`).
    """
    return StripeApiError(
        "This object cannot be accessed right now because another API request or Stripe process is currently "
        "accessing it. If you see this error intermittently, retry the request.",
        status=429,
        code="lock_timeout",
        headers={"Stripe-Should-Retry": "true"},
    )
