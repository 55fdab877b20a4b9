"""The short row that tells which order is meant and which contract it belongs to."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime

from cpqbridge.mapping.original_quotes import original_quote, original_quote_paths
from cpqbridge.mapping.raw import OrderNotice, RawRecord
from cpqbridge.salesforce.schema import OrgSchema
from cpqbridge.salesforce.soql import select

AMENDED_CONTRACT = "Opportunity.SBQQ__AmendedContract__c"
MASTER_CONTRACT = "SBQQ__Quote__r.SBQQ__MasterContract__c"
AMENDED_ROOT = "Opportunity.SBQQ__AmendedContract__r.SBQQ__Quote__c"
MASTER_ROOT = "SBQQ__Quote__r.SBQQ__MasterContract__r.SBQQ__Quote__c"
QUOTE_TYPE = "SBQQ__Quote__r.SBQQ__Type__c"
AMENDMENT_TYPE = "Amendment"

_AMENDED = "Opportunity.SBQQ__AmendedContract__r"
_MASTER = "SBQQ__Quote__r.SBQQ__MasterContract__r"
_REQUIRED = ("Id", "OrderNumber", "StatusCode", "ActivatedDate", "SystemModstamp")
ACCOUNT_NAME = "Account.Name"
_OPTIONAL = (
    ACCOUNT_NAME,
    "SBQQ__Quote__c",
    QUOTE_TYPE,
    MASTER_CONTRACT,
    *original_quote_paths(_MASTER),
    "OpportunityId",
    AMENDED_CONTRACT,
    *original_quote_paths(_AMENDED),
)


def notice_fields(schema: OrgSchema) -> tuple[str, ...]:
    """Return the select list of a notice, as far as the org has the fields."""
    return (*_REQUIRED, *(path for path in _OPTIONAL if schema.has("Order", path)))


def notice_query(schema: OrgSchema, conditions: Sequence[str], *, order_by: str) -> str:
    """Return the query for the notices of orders that meet all conditions."""
    return select(notice_fields(schema), "Order", where=" AND ".join(conditions), order_by=order_by)


def notice_from(row: RawRecord) -> OrderNotice:
    """Return the notice of one row; what the row does not tell is None.

    An order is an amendment when its opportunity amends a contract, else when its quote is of type
    Amendment and names a master contract (B1.3). `contract_id` is set for amendments only; the original
    quote of every other order is its own.
    """
    amended = text_at(row, AMENDED_CONTRACT)
    is_amendment_quote = (text_at(row, QUOTE_TYPE) or "").casefold() == AMENDMENT_TYPE.casefold()
    contract_id = amended or (text_at(row, MASTER_CONTRACT) if is_amendment_quote else None)
    quote_id = text_at(row, "SBQQ__Quote__c")
    root = original_quote(row, _AMENDED if amended else _MASTER) if contract_id else quote_id
    return OrderNotice(
        order_id=text_at(row, "Id") or "",
        order_number=text_at(row, "OrderNumber") or "",
        quote_id=quote_id,
        root_quote_id=root,
        contract_id=contract_id,
        status_code=text_at(row, "StatusCode") or "",
        activated_at=_instant(text_at(row, "ActivatedDate")),
        modified_at=text_at(row, "SystemModstamp") or "",
        account_name=text_at(row, ACCOUNT_NAME) or "",
    )


def text_at(row: RawRecord, path: str) -> str | None:
    """Return the text at the end of a path, None where the path ends early, is empty or holds no text."""
    value: object = row
    for name in path.split("."):
        if not isinstance(value, Mapping):
            return None
        value = value.get(name)
    return value if isinstance(value, str) and value else None


def distinct(values: Iterable[str | None]) -> tuple[str, ...]:
    """Return the values without None, sorted, each once."""
    return tuple(sorted({value for value in values if value}))


def _instant(text: str | None) -> datetime | None:
    if text is None:
        return None
    try:
        parsed = datetime.fromisoformat(text)
    except ValueError:
        return None
    return parsed.astimezone(UTC) if parsed.tzinfo else parsed.replace(tzinfo=UTC)
