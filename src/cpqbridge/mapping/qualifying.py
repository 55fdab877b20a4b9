"""Which orders of a contract are ours to bill (B1.1), and which of them ask for a take-over (B1.8)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date, datetime

from cpqbridge.domain.dates import day_of
from cpqbridge.mapping.configuration import Configuration
from cpqbridge.mapping.filter_names import ACCOUNT_FILTER
from cpqbridge.mapping.findings import Findings
from cpqbridge.mapping.paths import follow
from cpqbridge.mapping.raw import RawContract, RawRecord
from cpqbridge.mapping.records import RecordReader

ACTIVATED = "activated"
ACCOUNT_FILTERED_OUT = "account_filtered_out"
FILTERED_OUT = frozenset({"filtered_out", ACCOUNT_FILTERED_OUT})
"""The codes of orders that a filter leaves out."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Qualified:
    """The qualifying condition's answer for one order; `activated_at` is aware UTC, None where unknown."""

    activated: bool = False
    activated_at: datetime | None = None
    before_start_date: bool = False


def order_number(record: RawRecord, order_id: str) -> str:
    """Return what people call the order: its number, its id where it has none."""
    number = follow(record, ("OrderNumber",))
    return number if isinstance(number, str) and number.strip() else order_id


def order_reader(record: RawRecord, order_id: str, findings: Findings) -> RecordReader:
    """Return a reader of the order's own fields."""
    name = f"Order {order_number(record, order_id)}"
    return RecordReader(record, record_id=order_id, order_id=order_id, findings=findings, name=name)


def qualified_orders(
    records: Mapping[str, RawRecord],
    configuration: Configuration,
    findings: Findings,
    asked: RawContract,
) -> dict[str, Qualified]:
    """Return which orders qualify, by id, with a refusal for each activated one that does not.

    `asked` has Salesforce's answers. An order from before the start date qualifies beside one from after it:
    their contract is billed here from then on, and it takes a person to say from which day.
    """
    found = {
        order_id: _qualified(order_reader(record, order_id, findings), configuration, asked)
        for order_id, record in records.items()
    }
    start = configuration.sync.start_date
    if start is None or any(each.activated and not each.before_start_date for each in found.values()):
        return found
    for order_id, each in found.items():
        if each.before_start_date:
            reader = order_reader(records[order_id], order_id, findings)
            _refuse_early(reader, each.activated_at, start, configuration.policy.time_zone)
            found[order_id] = replace(each, activated=False)
    return found


def _qualified(reader: RecordReader, configuration: Configuration, asked: RawContract) -> Qualified:
    qualifying_ids, of_accounts = asked.qualifying_order_ids, asked.passing.get(ACCOUNT_FILTER)
    activated_at = reader.instant("ActivatedDate")
    status = reader.text("StatusCode")
    by_status = configuration.filters.activated is None or (status or "").lower() == ACTIVATED
    if qualifying_ids is not None and reader.record_id not in qualifying_ids:
        if by_status:
            reader.refuse("filtered_out", "does not meet the connection's filter.", field="StatusCode")
        return Qualified(activated_at=activated_at)
    if of_accounts is not None and reader.record_id not in of_accounts:
        if by_status:
            reader.refuse(
                ACCOUNT_FILTERED_OUT, "belongs to an account outside filters.Account.", field="AccountId"
            )
        return Qualified(activated_at=activated_at)
    since = configuration.activated_since
    return Qualified(
        activated=by_status or qualifying_ids is not None,
        activated_at=activated_at,
        before_start_date=since is not None and activated_at is not None and activated_at < since,
    )


def _refuse_early(reader: RecordReader, activated_at: datetime | None, start: date, time_zone: str) -> None:
    day = "" if activated_at is None else f" on {day_of(activated_at, time_zone)}"
    reader.refuse(
        "before_start_date",
        f"was activated{day}, before the connection's start date {start}.",
        field="ActivatedDate",
    )
