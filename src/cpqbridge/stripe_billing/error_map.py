"""The closed map from the SDK's errors to ours. What is not in it stops the record it is about.

Source: docs.stripe.com, "Error handling", "Error codes", "Advanced error handling", as restated in the
project's design notes, sections 2.1 and 4 (20 Nov 2026).
"""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

import httpx2
import stripe

from cpqbridge.domain.retry_after import asked_wait_seconds
from cpqbridge.errors import (
    AccessLostError,
    CpqbridgeError,
    InvariantError,
    OutcomeUnknownError,
    RecordError,
    TransientError,
)
from cpqbridge.stripe_billing.error_codes import (
    ALREADY_EXISTS,
    CUSTOMER_CURRENCY,
    GONE,
    MISSING,
    REFUSED,
    REPEATED_ERROR,
)

_NEVER_SENT = (httpx2.ConnectError, httpx2.ConnectTimeout, httpx2.PoolTimeout, httpx2.ProxyError)
_REFUSED = frozenset({HTTPStatus.BAD_REQUEST, HTTPStatus.PAYMENT_REQUIRED, HTTPStatus.NOT_FOUND})
# The refusal has no code of its own.
_MIXED_CURRENCIES = "combine currencies on a single customer"
_RATE_LIMITED = "stripe-rate-limited-reason"
# A subscription takes ten new invoices a minute. Source: "Rate limits" (design notes, stripe.md 4.2).
_OBJECT_LIMIT_SECONDS = 60.0
_AGAIN = "It is tried again by itself, with the same idempotency key."


def error_for(error: stripe.StripeError, *, writes: bool, secret: str) -> CpqbridgeError:
    """Return our error for one of the SDK's.

    Args:
        error: What the SDK raised.
        writes: Whether the request may have changed something (POST, DELETE).
        secret: The API key, taken out of every text.
    """
    details = _details(error)
    said = _said(error, details, secret)
    status = error.http_status or 0
    if isinstance(error, stripe.APIConnectionError):
        return _connection_error(error, said, writes=writes)
    if isinstance(error, stripe.IdempotencyError) or details.get("type") == "idempotency_error":
        return InvariantError(
            f"Stripe knows this idempotency key with other parameters: {said}.",
            code="stripe_idempotency",
            fix="This is a mistake of cpqbridge; report this text.",
            request_link=_link(details),
        )
    if status in {HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN}:
        return _access_lost(status, said, details)
    if status in {HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.CONFLICT} or details.get("code") == "rate_limit":
        code = "stripe_conflict" if status == HTTPStatus.CONFLICT else "stripe_rate_limit"
        return TransientError(
            f"Stripe is busy: {said}.",
            code="stripe_locked" if details.get("code") == "lock_timeout" else code,
            retry_after_seconds=_retry_after_seconds(error),
            fix=_AGAIN,
        )
    if status in _REFUSED:
        return _refused(said, details, writes=writes)
    # An unreadable success is as bad as a lost answer: with the same key Stripe repeats it.
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR or HTTPStatus.OK <= status < HTTPStatus.MULTIPLE_CHOICES:
        if writes and _is_replay(error):
            return _repeated_error(status, said)
        return _server_error(status, said, writes=writes, retry_after_seconds=_retry_after_seconds(error))
    return RecordError(
        f"Stripe answered in a way cpqbridge does not know: {said} ({type(error).__name__}, HTTP {status}).",
        code="stripe_unexpected",
        field=_param(details),
        fix="Nothing was guessed; report this text.",
        request_link=_link(details),
    )


def _connection_error(error: stripe.APIConnectionError, said: str, *, writes: bool) -> CpqbridgeError:
    if isinstance(error.__cause__, _NEVER_SENT):
        return TransientError(
            f"Stripe cannot be reached ({said}).",
            code="stripe_unreachable",
            fix="Check the network and the API address, then try again; a worker does so by itself.",
        )
    if writes:
        return OutcomeUnknownError(
            f"The answer of Stripe was lost ({said}); whether it wrote is not known.",
            code="stripe_outcome_unknown",
            fix=_AGAIN,
        )
    return TransientError(f"The answer of Stripe was lost ({said}).", code="stripe_unavailable", fix=_AGAIN)


def _access_lost(status: int, said: str, details: Mapping[str, Any]) -> AccessLostError:
    if status == HTTPStatus.FORBIDDEN:
        return AccessLostError(
            f"The Stripe key lacks a permission: {said}.",
            code="stripe_permission",
            fix="Give the restricted key this permission in the Dashboard, or connect with another key.",
            request_link=_link(details),
        )
    return AccessLostError(
        f"Stripe does not accept the key: {said}.",
        code="stripe_access_lost",
        fix="Give it a valid key; a connection takes one with: cpqbridge connection check --stripe-key -",
        request_link=_link(details),
    )


def _refused(said: str, details: Mapping[str, Any], *, writes: bool) -> RecordError:
    if _MIXED_CURRENCIES in said.lower():
        return RecordError(
            f"Stripe bills the customer of this order in another currency: {said}.",
            code=CUSTOMER_CURRENCY,
            field=_param(details),
            fix="Use another account for this currency, or end the other billing first.",
            request_link=_link(details),
        )
    code = REFUSED
    if details.get("code") == "resource_already_exists":
        code = ALREADY_EXISTS
    elif details.get("code") == "resource_missing":
        code = GONE if writes else MISSING
    return RecordError(
        f"Stripe refused the request: {said}.",
        code=code,
        field=_param(details),
        fix="Look at Stripe's text and at the request in the Dashboard; correct the record and sync again.",
        request_link=_link(details),
    )


def _server_error(
    status: int, said: str, *, writes: bool, retry_after_seconds: float | None
) -> CpqbridgeError:
    if writes:
        return OutcomeUnknownError(
            f"Stripe failed while it was writing (HTTP {status}): {said}.",
            code="stripe_outcome_unknown",
            retry_after_seconds=retry_after_seconds,
            fix=_AGAIN,
        )
    return TransientError(
        f"Stripe is not available (HTTP {status}): {said}.",
        code="stripe_unavailable",
        retry_after_seconds=retry_after_seconds,
        fix="It is tried again by itself; status.stripe.com tells more.",
    )


def _repeated_error(status: int, said: str) -> CpqbridgeError:
    return OutcomeUnknownError(
        f"Stripe keeps answering this call with the error it met at first (HTTP {status}): {said}.",
        code=REPEATED_ERROR,
        fix="What came of it is looked for in Stripe; where nothing did, it is called anew by itself.",
    )


def _is_replay(error: stripe.StripeError) -> bool:
    """Return whether the answer is one that Stripe keeps under the idempotency key.

    Source: API reference, "Idempotent requests" (design notes, stripe.md 4.1, 20 Nov 2026).
    """
    return str((error.headers or {}).get("idempotent-replayed", "")).lower() == "true"


def _details(error: stripe.StripeError) -> Mapping[str, Any]:
    """Return the `error` object of the answer; empty when the answer was no JSON of Stripe's."""
    body = error.json_body
    found = body.get("error") if isinstance(body, dict) else None
    return found if isinstance(found, dict) else {}


def _said(error: stripe.StripeError, details: Mapping[str, Any], secret: str) -> str:
    """Return what Stripe said on one line, without the key and without bodies that are not Stripe's."""
    text = details.get("message") or details.get("code")
    if text is None:
        known = isinstance(error, stripe.APIConnectionError) or error.http_status is None
        text = error.user_message if known else "the answer is not one of Stripe's"
    line = " ".join(str(text or "no reason was given").split()).rstrip(".")
    return line.replace(secret, "…") if secret else line


def _param(details: Mapping[str, Any]) -> str | None:
    param = details.get("param")
    return param if isinstance(param, str) else None


def _link(details: Mapping[str, Any]) -> str | None:
    link = details.get("request_log_url")
    return link if isinstance(link, str) and link.startswith("https://") else None


def _retry_after_seconds(error: stripe.StripeError) -> float | None:
    """Return the wait that Stripe asked for, or that its limit on one object takes, in seconds."""
    headers = error.headers or {}
    asked = asked_wait_seconds(str(headers.get("retry-after", "")), str(headers.get("date", "")))
    of_one_object = headers.get(_RATE_LIMITED) == "resource-specific"
    return _OBJECT_LIMIT_SECONDS if asked is None and of_one_object else asked
