"""Idempotency keys of POST requests (docs.stripe.com/api/idempotent_requests, read 20 Nov 2026)."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from cpqbridge_sim.stripe.errors import StripeApiError

_LIFETIME_SECONDS = 24 * 3600
_KEY_LENGTH_MAX = 255


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredAnswer:
    """The first answer under a key."""

    method: str
    path: str
    fingerprint: str
    status: int
    body: dict[str, Any]
    request_id: str
    created_at: int


class IdempotencyKeys:
    """Answers by key; a key is new again 24 hours after its first use."""

    def __init__(self) -> None:
        self._answers: dict[str, StoredAnswer] = {}

    def find(self, key: str, *, method: str, path: str, fingerprint: str, now: int) -> StoredAnswer | None:
        """The stored answer of the same request.

        Raises:
            StripeApiError: `idempotency_error` when the key was used for another request.
        """
        if len(key) > _KEY_LENGTH_MAX:
            raise StripeApiError(
                f"The idempotency key can have at most {_KEY_LENGTH_MAX} characters.",
                kind="idempotency_error",
            )
        stored = self._answers.get(key)
        if stored is None or now - stored.created_at >= _LIFETIME_SECONDS:
            return None
        if (stored.method, stored.path) != (method, path):
            raise StripeApiError(
                "Keys for idempotent requests can only be used for the same endpoint they were first used "
                f"for ('{path}' vs '{stored.path}'). Try using a key other than '{key}' if you meant to "
                "execute a different request.",
                kind="idempotency_error",
            )
        if stored.fingerprint != fingerprint:
            raise StripeApiError(
                "Keys for idempotent requests can only be used with the same parameters they were first used "
                f"with. Try using a key other than '{key}' if you meant to execute a different request.",
                kind="idempotency_error",
            )
        return stored

    def keep(self, key: str, answer: StoredAnswer) -> None:
        """Remember the answer of a request that began executing."""
        self._answers[key] = answer


def fingerprint_of(params: Mapping[str, Any]) -> str:
    """A digest of parameters that does not depend on their order."""
    text = json.dumps(_plain(params), sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(name): _plain(entry) for name, entry in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(entry) for entry in value]
    return str(value).lower() if isinstance(value, bool) else str(value)
