"""The original quote of a contract: the one its family of orders is known by (B1.4)."""

from __future__ import annotations

from cpqbridge.mapping.paths import follow
from cpqbridge.mapping.raw import RawRecord

_AMENDMENT = "amendment"


def original_quote_paths(contract: str) -> tuple[str, str, str]:
    """Return the paths that `original_quote` reads; `contract` is the path to the contract."""
    quote = f"{contract}.SBQQ__Quote__r"
    return (
        f"{contract}.SBQQ__Quote__c",
        f"{quote}.SBQQ__Type__c",
        f"{quote}.SBQQ__MasterContract__r.SBQQ__Quote__c",
    )


def original_quote(record: RawRecord, contract: str) -> str | None:
    """Return the id of the original quote as Salesforce wrote it, None where the record does not tell it.

    A contract may be made by an amendment: evergreen and other subscriptions cannot share one (Salesforce
    Help, Guidelines for Evergreen Subscriptions, read 21 Nov 2026), so what an amendment adds of the other
    kind gets a contract of its own. Such a contract belongs to the family of the one that was amended.
    """
    own, kind, amended = (_text_at(record, path) for path in original_quote_paths(contract))
    made_by_amendment = kind is not None and kind.casefold() == _AMENDMENT
    return (amended or own) if made_by_amendment else own


def _text_at(record: RawRecord, path: str) -> str | None:
    value = follow(record, path.split("."))
    return value if isinstance(value, str) and value.strip() else None
