"""Events as Stripe sends them: only what is signed with the endpoint's secret is believed."""

from __future__ import annotations

from typing import Any

import stripe


def signed_event(payload: bytes, signature: str, *, secret: str) -> dict[str, Any] | None:
    """Return the event in a request's body, None where it is none of Stripe's.

    The signature must fit the body and be at most five minutes old by the machine's clock.
    Source: docs.stripe.com/webhooks/signature, as restated in the project's design notes (20 Nov 2026).

    Args:
        payload: the body as it was received.
        signature: the header `Stripe-Signature`.
        secret: the signing secret of the endpoint (`whsec_…`).
    """
    try:
        event: dict[str, Any] = stripe.Webhook.construct_event(payload, signature, secret).to_dict()
    except (stripe.SignatureVerificationError, ValueError, AttributeError):
        # The library reads a body that is JSON, but no object, without a check of its own.
        return None
    return event
