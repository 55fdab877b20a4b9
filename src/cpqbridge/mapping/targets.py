"""The Stripe parameters that can be mapped, with their types and limits.

Lengths: Stripe API reference and its 2023 specification, as collected in the design notes (stripe.md 2.2,
read 20 Nov 2026). Parameters that the planner computes (items, dates, customer, prices) are not among them.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

METADATA = "metadata."
METADATA_KEY_LIMIT = 40
METADATA_VALUE_LIMIT = 500
RESERVED_METADATA = "salesforce_"
"""Metadata keys that begin with this are ours: what was billed is found again by them (B4.3)."""

_GENERIC_LIMIT = 5000
_METADATA_KEY = re.compile(rf"[^\[\]]{{1,{METADATA_KEY_LIMIT}}}")


class Kind(StrEnum):
    """What a parameter holds."""

    TEXT = "text"
    CHOICE = "choice"
    TRUE_FALSE = "true or false"
    WHOLE_NUMBER = "a whole number"
    PERCENT = "a number"
    AMOUNT = "an amount in major units (10.50)"
    DATE = "a date, or a date-time at midnight"
    PAYMENT_TERM = "a payment term"


@dataclass(frozen=True, slots=True)
class Target:
    """One parameter: texts are cut to `limit` characters; a choice is one of `choices`."""

    kind: Kind
    limit: int = _GENERIC_LIMIT
    choices: tuple[str, ...] = ()
    required: bool = False


def _text(limit: int = _GENERIC_LIMIT, *, required: bool = False) -> Target:
    return Target(Kind.TEXT, limit, required=required)


def _choice(*choices: str) -> Target:
    return Target(Kind.CHOICE, choices=choices)


def _address(prefix: str) -> dict[str, Target]:
    parts = ("line1", "line2", "city", "state", "postal_code", "country")
    return {f"{prefix}address.{part}": _text() for part in parts}


_METADATA_TARGET = _text(METADATA_VALUE_LIMIT)
_TRUE_FALSE = Target(Kind.TRUE_FALSE)
_COLLECTION = _choice("charge_automatically", "send_invoice")
_PAYMENT_TERM = Target(Kind.PAYMENT_TERM)

TARGETS: Mapping[str, Mapping[str, Target]] = {
    "customer": {
        "name": _text(256, required=True),
        "description": _text(),
        "email": _text(512),
        "phone": _text(20),
        **_address(""),
        "shipping.name": _text(),
        "shipping.phone": _text(20),
        **_address("shipping."),
        "tax_exempt": _choice("none", "exempt", "reverse"),
        "invoice_prefix": _text(12),
        "invoice_settings.default_payment_method": _text(),
        "invoice_settings.footer": _text(),
    },
    "product": {
        "name": _text(required=True),
        "description": _text(40_000),
        "unit_label": _text(12),
        "statement_descriptor": _text(22),
        "tax_code": _text(),
        "url": _text(),
        "shippable": _TRUE_FALSE,
    },
    "price": {
        "nickname": _text(),
        "tax_behavior": _choice("exclusive", "inclusive", "unspecified"),
        "unit_amount_decimal": Target(Kind.AMOUNT),
        "recurring.meter": _text(),
    },
    "coupon": {
        "name": _text(40),
        "percent_off": Target(Kind.PERCENT),
        "amount_off": Target(Kind.AMOUNT),
        "currency": _text(3),
        "duration": Target(Kind.CHOICE, choices=("once", "repeating", "forever"), required=True),
        "duration_in_months": Target(Kind.WHOLE_NUMBER),
        "max_redemptions": Target(Kind.WHOLE_NUMBER),
    },
    "subscription_schedule": {
        "end_behavior": _choice("cancel", "release"),
        "default_settings.collection_method": _COLLECTION,
        "default_settings.description": _text(500),
        "default_settings.default_payment_method": _text(),
        "default_settings.invoice_settings.days_until_due": _PAYMENT_TERM,
        "default_settings.automatic_tax.enabled": _TRUE_FALSE,
        "default_settings.on_behalf_of": _text(),
    },
    "subscription": {
        "description": _text(500),
        "collection_method": _COLLECTION,
        "days_until_due": _PAYMENT_TERM,
        "default_payment_method": _text(),
        "automatic_tax.enabled": _TRUE_FALSE,
        "trial_end": Target(Kind.DATE),
    },
    "phase": {
        "description": _text(500),
        "default_payment_method": _text(),
        "automatic_tax.enabled": _TRUE_FALSE,
        "trial_end": Target(Kind.DATE),
    },
    "phase_item": {},
    "invoice": {
        "description": _text(1500),
        "footer": _text(),
        "statement_descriptor": _text(22),
        "default_payment_method": _text(),
        "automatic_tax.enabled": _TRUE_FALSE,
    },
}


def target(stripe_object: str, parameter: str) -> Target | None:
    """Return what `parameter` of `stripe_object` holds, None where there is no such parameter to map.

    Raises:
        ValueError: a metadata key is too long, has brackets, or is one of ours; the message says which.
    """
    if not parameter.startswith(METADATA):
        return TARGETS[stripe_object].get(parameter)
    key = parameter.removeprefix(METADATA)
    if not _METADATA_KEY.fullmatch(key):
        raise ValueError(f"a metadata key has 1 to {METADATA_KEY_LIMIT} characters and no square brackets")
    if key.startswith(RESERVED_METADATA):
        raise ValueError(f"metadata keys that begin with {RESERVED_METADATA!r} are written by cpqbridge")
    return _METADATA_TARGET
