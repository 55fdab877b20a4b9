"""The records that an order that needs somebody depends on: all that were read for its contract."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from cpqbridge.domain.ids import is_salesforce_id, salesforce_id
from cpqbridge.mapping.raw import RawContract

_ATTRIBUTES = "attributes"
_ORDER = "Order"
_OBJECT_OF_PREFIX = {
    "001": "Account",
    "003": "Contact",
    "006": "Opportunity",
    "01t": "Product2",
    "01u": "PricebookEntry",
    "800": "Contract",
    "801": _ORDER,
    "802": "OrderItem",
}
"""Source: Salesforce Help, "Standard Field Record ID Prefix Decoder"; these are the same in all orgs."""


def records_read(raw: RawContract) -> Mapping[str, frozenset[str]]:
    """Return the ids of all records that were read for a contract, by object name.

    Orders that qualify are left out: polls find their changes, and ours. Rows name
    themselves and the records their relationships lead to; a plain reference to a standard object is known
    by the prefix of its id.
    """
    found: dict[str, set[str]] = {}
    rows = [*raw.orders, *raw.items, *([raw.contract] if raw.contract is not None else [])]
    rows += [row for of_object in raw.extra.values() for row in of_object]
    for row in rows:
        for object_name, record_id in _records_in(row):
            found.setdefault(object_name, set()).add(record_id)
    if raw.renewed is not None:
        for object_name, ids in records_read(raw.renewed).items():
            found.setdefault(object_name, set()).update(ids)
    found.get(_ORDER, set()).difference_update(raw.qualifying_order_ids or ())
    return {name: frozenset(ids) for name, ids in sorted(found.items()) if ids}


def _records_in(row: Mapping[str, object]) -> Iterator[tuple[str, str]]:
    attributes = row.get(_ATTRIBUTES)
    if isinstance(attributes, Mapping):
        named, url = attributes.get("type"), attributes.get("url")
        if isinstance(named, str) and isinstance(url, str):
            record_id = url.rpartition("/")[2]
            if is_salesforce_id(record_id):
                yield named, salesforce_id(record_id)
    for name, value in row.items():
        if isinstance(value, Mapping) and name != _ATTRIBUTES:
            yield from _records_in(value)
        elif isinstance(value, str) and name.endswith("Id") and is_salesforce_id(value):
            object_name = _OBJECT_OF_PREFIX.get(value[:3])
            if object_name is not None:
                yield object_name, salesforce_id(value)
