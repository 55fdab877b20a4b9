"""Findings in words for people who look at a page: what each kind means, and what can be done about one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from cpqbridge.store.findings import StoredFinding
from cpqbridge.sync.findings import FindingKind, Remedy


@dataclass(frozen=True, slots=True)
class KindWords:
    """A kind of finding: a title, and what it means for the money."""

    title: str
    meaning: str


KIND_WORDS: Mapping[str, KindWords] = {
    FindingKind.MISSING: KindWords("Not billed", "Something was sold that Stripe does not bill."),
    FindingKind.EXTRA: KindWords("Billed without a sale", "Stripe bills something that no order sold."),
    FindingKind.CHANGED_IN_STRIPE: KindWords(
        "Changed in Stripe", "Somebody changed by hand in Stripe what was made from the orders."
    ),
    FindingKind.EDITED_IN_SALESFORCE: KindWords(
        "Edited after billing", "An order is not any more what was billed for it."
    ),
    FindingKind.AMOUNT_DIFFERS: KindWords(
        "Amount differs", "An invoice, or an order line over all invoices, comes to another amount."
    ),
    FindingKind.NOT_SHOWN: KindWords(
        "Not shown in Salesforce", "Billing is right, but Salesforce does not show how it is."
    ),
    FindingKind.LINK_BROKEN: KindWords(
        "Link broken", "A record shows an object of Stripe that is not the one that is billed."
    ),
    FindingKind.UNREADABLE: KindWords("Not compared", "The contract could not be read; the others were."),
}
"""The words of every kind."""

_REMEDIES: Mapping[str, str] = {
    Remedy.SYNC: "The contract is synced: what is missing is made or written.",
    Remedy.RESTORE: "The schedule is put back as it was sold, from now on; what was billed stays.",
    Remedy.CANCEL: "The second schedule is cancelled without a proration; what it billed stays.",
}
_ON_A_PAGE = (("`--fix` does", "the button below does"), ("with `--fix`", "and fix it here"))


def kind_words(kind: str) -> KindWords:
    """Return the words of a kind."""
    return KIND_WORDS[FindingKind(kind)]


def what_to_do(finding: StoredFinding) -> str:
    """Return what to do about a finding, for a page with a button instead of a command's option."""
    text = str(finding.document["fix"])
    for option, button in _ON_A_PAGE:
        text = text.replace(option, button)
    return text


def remedy_text(finding: StoredFinding) -> str:
    """Return what a fix of the finding does, empty where only a person can put it right."""
    return _REMEDIES.get(Remedy(finding.document["remedy"]), "")


def is_fixable(finding: StoredFinding) -> bool:
    """Return whether a sync can put the finding right."""
    return Remedy(finding.document["remedy"]) is not Remedy.BY_HAND
