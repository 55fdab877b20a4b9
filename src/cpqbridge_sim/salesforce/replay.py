"""History played again: orders become activated when the clock reaches the stamp they carry."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from cpqbridge_sim.salesforce import values

if TYPE_CHECKING:
    from cpqbridge_sim.salesforce.org import Org
    from cpqbridge_sim.salesforce.values import Record

_ORDER_FIELDS = ("Status", "StatusCode", "ActivatedDate", "SBQQ__Contracted__c")
_ITEM_FIELDS = ("SBQQ__Status__c", "SBQQ__Activated__c")
_STAMPS = ("CreatedDate", "LastModifiedDate", "SystemModstamp")
_DRAFT_ORDER: Record = {
    "Status": "Draft",
    "StatusCode": "Draft",
    "ActivatedDate": None,
    "SBQQ__Contracted__c": False,
}
_DRAFT_ITEM: Record = {"SBQQ__Status__c": "Draft", "SBQQ__Activated__c": False}


@dataclass(slots=True, kw_only=True)
class _Hidden:
    activated_at: str
    order: Record
    items: dict[str, Record] = field(default_factory=dict)


class Replay:
    """Keeps back what activation will set, per order that lies in the clock's future."""

    def __init__(self, org: Org) -> None:
        self._org = org
        self._hidden: dict[str, _Hidden] = {}

    def hide(self) -> None:
        """Show every order activated after the clock as a draft, and no stamp later than the clock."""
        now = values.datetime_text(self._org.now)
        for name in self._org.store.names():
            table = self._org.store.table(name)
            for record_id, record in list(table.records.items()):
                late = {stamp: now for stamp in _STAMPS if str(record.get(stamp) or "") > now}
                if late:
                    table.put(record_id, {**record, **late})
        orders, items = self._org.store.table("Order"), self._org.store.table("OrderItem")
        for order_id, order in list(orders.records.items()):
            activated_at = order.get("ActivatedDate")
            if isinstance(activated_at, str) and activated_at > now:
                kept = {name: order.get(name) for name in _ORDER_FIELDS}
                self._hidden[order_id] = _Hidden(activated_at=activated_at, order=kept)
                orders.put(order_id, {**order, **_DRAFT_ORDER})
        for order_id, hidden in self._hidden.items():
            for item_id in sorted(items.ids_where("OrderId", [order_id]) - hidden.items.keys()):
                item = items.records[item_id]
                hidden.items[item_id] = {name: item.get(name) for name in _ITEM_FIELDS}
                items.put(item_id, {**item, **_DRAFT_ITEM})

    def reveal(self) -> None:
        """Activate every order whose stamp the clock has reached; the stamp becomes its SystemModstamp."""
        now = values.datetime_text(self._org.now)
        due = sorted((hidden.activated_at, order_id) for order_id, hidden in self._hidden.items())
        for activated_at, order_id in due:
            if activated_at > now:
                break
            hidden = self._hidden.pop(order_id)
            stamps = self._org.modification(activated_at)
            store = self._org.store
            order = store.table("Order").records[order_id]
            store.put("Order", order_id, {**order, **hidden.order, **stamps})
            for item_id, kept in hidden.items.items():
                item = store.table("OrderItem").records[item_id]
                store.put("OrderItem", item_id, {**item, **kept, **stamps})
