"""What an event of Stripe names: contracts and objects by id. Nothing else of it is ever used."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

from cpqbridge.store.events import StripeEvent

CONTRACT_EVENTS = (
    "credit_note.created",
    "credit_note.voided",
    "customer.deleted",
    "customer.subscription.deleted",
    "customer.subscription.paused",
    "customer.subscription.resumed",
    "customer.subscription.updated",
    "invoice.created",
    "invoice.finalized",
    "invoice.marked_uncollectible",
    "invoice.paid",
    "invoice.payment_failed",
    "invoice.voided",
    "subscription_schedule.aborted",
    "subscription_schedule.canceled",
    "subscription_schedule.completed",
    "subscription_schedule.expiring",
    "subscription_schedule.released",
    "subscription_schedule.updated",
)
"""Events that are about one contract, or about its customer; as many as one list of events may name (20)."""

CATALOGUE_EVENTS = (
    "coupon.deleted",
    "coupon.updated",
    "price.deleted",
    "price.updated",
    "product.deleted",
    "product.updated",
)
"""Events about what contracts share; one may be the answer to what Stripe refused."""

HEARD = frozenset({*CONTRACT_EVENTS, *CATALOGUE_EVENTS})
"""The types of Stripe's events that may begin a sync; all others are kept as ignored."""

_ROOT = "salesforce_root_id"
_LONGEST_ID = 255
_LONGEST_TYPE = 80
# Where the object of an event names others, by id or in full.
_OTHERS = ("schedule", "invoice")


def named(event: Mapping[str, Any]) -> StripeEvent:
    """Return what an event names.

    Args:
        event: an event of `cpqbridge.stripe_billing.webhooks.event_of`, or one that was listed.
    """
    subject = _part(event, "data", "object")
    return StripeEvent(
        event_id=str(event["id"])[:_LONGEST_ID],
        type=str(event["type"])[:_LONGEST_TYPE],
        created_at=_instant(event["created"]),
        root_id=_root_id(subject),
        stripe_ids=tuple(dict.fromkeys(_ids(event, subject))),
        was_asked=_text(_part(event, "request").get("id")) is not None,
        request_key=_text(_part(event, "request").get("idempotency_key")),
    )


def _root_id(subject: Mapping[str, Any]) -> str | None:
    places = (("metadata",), ("parent", "subscription_details", "metadata"))
    return next((root for path in places if (root := _text(_part(subject, *path).get(_ROOT)))), None)


def _ids(event: Mapping[str, Any], subject: Mapping[str, Any]) -> Iterator[str]:
    kind = str(event["type"])
    own = _id_of(subject)
    if own is not None:
        yield own
    if kind in CATALOGUE_EVENTS:
        lookup_key = _text(subject.get("lookup_key"))
        if lookup_key is not None:
            yield lookup_key
        return
    for name in _OTHERS:
        other = _id_of(subject.get(name))
        if other is not None:
            yield other
    if kind.startswith("credit_note."):
        # One for the invoice of a subscription names nothing else that is known here.
        customer = _id_of(subject.get("customer"))
        if customer is not None:
            yield customer


def _id_of(value: object) -> str | None:
    """Return the id that a field of Stripe's names, whether or not the object stands there in full."""
    return _text(value.get("id") if isinstance(value, Mapping) else value)


def _text(value: object) -> str | None:
    return value if isinstance(value, str) and 0 < len(value) <= _LONGEST_ID else None


def _part(whole: Mapping[str, Any], *path: str) -> Mapping[str, Any]:
    """Return the object at the end of the path, an empty one where something else is on the way."""
    found: Any = whole
    for name in path:
        found = found.get(name) if isinstance(found, Mapping) else None
    return found if isinstance(found, Mapping) else {}


def _instant(seconds: int) -> datetime:
    try:
        return datetime.fromtimestamp(seconds, UTC)
    except (ValueError, OverflowError, OSError):
        return datetime.fromtimestamp(0, UTC)
