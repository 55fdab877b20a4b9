"""What is read from and written to Salesforce, as plain values without meaning yet."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

RawRecord = Mapping[str, object]
"""One record as REST returns it: numbers as int or Decimal, to-one relationships as nested mappings."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RawContract:
    """All records of one contract (B1.4), read fresh.

    `root_id` is the id of the original quote (the order's own id where it has no quote). `contract` is None
    while CPQ has made none. `extra` holds further objects by name (`ObjectNeeds.object_name`); an object that
    the org lacks or that was not read has no key. `qualifying_order_ids` are the orders that meet the
    connection's condition and filter, as Salesforce answered it; None where it was not asked. `passing` says
    for each further filter that the connection has, by setting (`filters.Account`), which orders or order
    products meet it, by id.
    `org_url` is the address of the org without a slash at the end, for links to records. `renewed` has the
    records of the contract that an order renews, without `extra`; its `contract` is that very one.
    """

    root_id: str
    contract: RawRecord | None
    orders: tuple[RawRecord, ...]
    items: tuple[RawRecord, ...]
    extra: Mapping[str, tuple[RawRecord, ...]] = field(default_factory=dict)
    qualifying_order_ids: frozenset[str] | None = None
    passing: Mapping[str, frozenset[str]] = field(default_factory=dict)
    org_url: str = ""
    renewed: RawContract | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderNotice:
    """What a poll row or a look-up says about one order; times are aware UTC, `modified_at` is REST's text.

    `root_quote_id` is the contract's original quote where the row already tells it, `account_name` what the
    customer is called.
    """

    order_id: str
    order_number: str
    quote_id: str | None
    root_quote_id: str | None
    contract_id: str | None
    status_code: str
    activated_at: datetime | None
    modified_at: str
    account_name: str = ""


GONE = "gone"
"""Stands for the stamp of a record that can no longer be seen: deleted, or hidden from our user."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WatchedGroup:
    """Records of one object whose changes somebody waits for."""

    object_name: str
    record_ids: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class WriteBackRecord:
    """Fields to set on one Salesforce record; None clears a field.

    With `external_id_field` the record is upserted by that field, and `record_id` is the field's value.
    """

    object_name: str
    record_id: str
    fields: Mapping[str, object]
    external_id_field: str | None = None
