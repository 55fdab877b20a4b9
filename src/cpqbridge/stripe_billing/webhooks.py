"""Events as Stripe sends them: only what is signed with one of the endpoint's secrets is believed."""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Iterable
from datetime import datetime
from typing import Any

TOLERANCE_SECONDS = 300
"""How far a signature's stamp may lie in the past or in the future.
Source: docs.stripe.com/webhooks/signature, as restated in the project's design notes (20 Nov 2026)."""

SIGNATURE_CHARACTERS = 2000
"""The longest header that is looked at; a stamp and two signatures are 150 characters."""

_SCHEME = "v1"
_STAMP = "t"
_STAMP_DIGITS = 12


def is_signed(payload: bytes, signature: str, *, secrets: Iterable[str], now: datetime) -> bool:
    """Return whether a body is signed with one of the secrets, by a stamp at most five minutes from `now`.

    While a secret is being replaced, Stripe signs with the old and the new one; one that fits is enough.

    Args:
        payload: the body as it was received.
        signature: the header `Stripe-Signature`, `t=<Unix seconds>,v1=<hexadecimal>[,v1=…]`.
        secrets: the signing secrets of the endpoint (`whsec_…`).
        now: the machine's time, aware.
    """
    stamp, signatures = _parts(signature)
    if stamp is None or abs(now.timestamp() - int(stamp)) > TOLERANCE_SECONDS:
        return False
    signed = stamp.encode() + b"." + payload
    for secret in secrets:
        expected = hmac.new(secret.encode(), signed, hashlib.sha256).hexdigest().encode()
        if any(hmac.compare_digest(expected, each) for each in signatures):
            return True
    return False


def event_of(payload: bytes) -> dict[str, Any] | None:
    """Return the event in a body, None where it is none with an id, a type and a time of its own."""
    try:
        event = json.loads(payload)
    except (ValueError, RecursionError):
        return None
    if not isinstance(event, dict) or event.get("object") != "event":
        return None
    created = event.get("created")
    named = all(isinstance(event.get(name), str) and event[name] for name in ("id", "type"))
    return event if named and isinstance(created, int) and not isinstance(created, bool) else None


def _parts(signature: str) -> tuple[str | None, tuple[bytes, ...]]:
    """Return the stamp and the signatures of a header; no stamp where it is not exactly one whole number."""
    if len(signature) > SIGNATURE_CHARACTERS:
        return None, ()
    pairs = [part.strip().partition("=") for part in signature.split(",")]
    stamps = [value for name, _, value in pairs if name == _STAMP]
    signatures = tuple(
        value.encode("utf-8", "surrogateescape") for name, _, value in pairs if name == _SCHEME
    )
    stamp = stamps[0] if len(stamps) == 1 and len(stamps[0]) <= _STAMP_DIGITS else ""
    return (stamp if stamp.isascii() and stamp.isdecimal() else None), signatures
