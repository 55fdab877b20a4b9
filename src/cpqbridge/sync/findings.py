"""Findings of a reconciliation: one difference each between what was sold, what was sent, and what bills."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date
from enum import StrEnum
from typing import Any

from cpqbridge.domain.money import major_text
from cpqbridge.store.findings import MARKS, SeenFinding, StoredFinding

__all__ = [
    "Finding",
    "FindingKind",
    "Remedy",
    "StoredFinding",
    "amount_text",
    "finding_document",
    "fingerprint_of",
]


class FindingKind(StrEnum):
    """What is different; the list is closed (docs/reference/reconcile.md)."""

    MISSING = "missing"
    EXTRA = "extra"
    CHANGED_IN_STRIPE = "changed_in_stripe"
    EDITED_IN_SALESFORCE = "edited_in_salesforce"
    AMOUNT_DIFFERS = "amount_differs"
    NOT_SHOWN = "not_shown"
    LINK_BROKEN = "link_broken"
    UNREADABLE = "unreadable"


class Remedy(StrEnum):
    """What `--fix` does about a finding: sync the contract, put a schedule back, cancel one, or nothing."""

    SYNC = "sync"
    RESTORE = "restore"
    CANCEL = "cancel"
    BY_HAND = "by_hand"


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One difference. `subject` is the record or object it is about, unique in its contract and kind.

    `order_ids` are the orders concerned, `stripe_id` the object to look at (None: there is none). `found` and
    `wanted` say what is and what should be; `found_minor` and `wanted_minor` are both in minor units of
    `currency`, None where it is not about an amount. `marks` are the parts of the difference, the same on
    every day. `key` is the link key of the schedule it is about, `billed_on` the UTC date of its invoice,
    `numbers` are order numbers by id.
    """

    kind: FindingKind
    root_id: str
    contract_key: str
    subject: str
    found: str
    wanted: str
    fix: str
    marks: tuple[str, ...]
    order_ids: tuple[str, ...] = ()
    stripe_id: str | None = None
    found_minor: int | None = None
    wanted_minor: int | None = None
    currency: str = ""
    remedy: Remedy = Remedy.BY_HAND
    key: str = ""
    billed_on: date | None = None
    numbers: Mapping[str, str] = field(default_factory=dict)

    def as_document(self, *, link: str | None) -> dict[str, Any]:
        """Return it as it is stored and shown; `link` is the Dashboard's page of the object."""
        return {
            "kind": self.kind.value,
            "root_id": self.root_id,
            "contract": self.contract_key,
            "subject": self.subject,
            "orders": list(self.order_ids),
            "order_numbers": [self.numbers.get(order_id, order_id) for order_id in self.order_ids],
            "stripe_id": self.stripe_id,
            "link": link,
            "found": self.found,
            "wanted": self.wanted,
            "found_minor": self.found_minor,
            "wanted_minor": self.wanted_minor,
            "currency": self.currency or None,
            "fix": self.fix,
            "remedy": self.remedy.value,
            "key": self.key,
            MARKS: list(self.marks),
        }

    def as_seen(self, *, link: str | None, reason: str) -> SeenFinding:
        """Return it as the store keeps it; with a `reason` it is accepted from the start."""
        return SeenFinding(
            root_id=self.root_id,
            kind=self.kind.value,
            subject=self.subject,
            fingerprint=fingerprint_of(self.marks),
            document=self.as_document(link=link),
            reason=reason,
        )


def fingerprint_of(marks: Iterable[str]) -> str:
    """Return the hash that stands for a difference: equal ones are the same difference."""
    return hashlib.sha256("\n".join(sorted(marks)).encode()).hexdigest()


def finding_document(stored: StoredFinding) -> dict[str, Any]:
    """Return a stored finding as it stands in the JSON document."""
    said = {name: value for name, value in stored.document.items() if name != "key"}
    return {
        "finding": stored.finding_id,
        "state": stored.state.value,
        "reason": stored.reason or None,
        "accepted_by": stored.accepted_by or None,
        "accepted_at": stored.accepted_at.isoformat() if stored.accepted_at else None,
        **said,
        "fingerprint": stored.fingerprint,
        "first_seen_at": stored.first_seen_at.isoformat(),
        "last_seen_at": stored.last_seen_at.isoformat(),
        "closed_at": stored.closed_at.isoformat() if stored.closed_at else None,
    }


def amount_text(document: Mapping[str, Any], name: str) -> str:
    """Return an amount of a finding's document in major units, empty where it has none."""
    amount = document.get(name)
    currency = document.get("currency")
    return major_text(int(amount), str(currency)) if amount is not None and currency else ""
