"""What the platform and CPQ do around orders: numbers, activation, totals, and locks after activation."""

from __future__ import annotations

from decimal import ROUND_HALF_UP, Decimal
from typing import TYPE_CHECKING

from cpqbridge_sim.salesforce.errors import ApiError
from cpqbridge_sim.salesforce.values import shortest

if TYPE_CHECKING:
    from cpqbridge_sim.salesforce.metadata import ObjectType
    from cpqbridge_sim.salesforce.org import Org
    from cpqbridge_sim.salesforce.values import Record

ACTIVATED = "Activated"
_CENT = Decimal("0.01")
_NUMBERS = {"Order": "OrderNumber", "OrderItem": "OrderItemNumber", "Contract": "ContractNumber"}
# Status changes activation itself; contracting an activated order is how CPQ makes its contract.
_OPEN_ON_ACTIVATED_ORDER = frozenset({"Status", "SBQQ__Contracted__c"})


def defaults(item: ObjectType, serial: int) -> Record:
    """Values a new record gets before its own fields: checkboxes false, numbers in sequence."""
    record: Record = {}
    for described in item.fields.values():
        if described.type == "boolean":
            record[described.name] = False
        elif described.number_format:
            record[described.name] = f"{described.number_format}{serial:06d}"
    if item.name in _NUMBERS:
        record[_NUMBERS[item.name]] = f"{serial:08d}"
    if item.name == "Order":
        record["StatusCode"] = "Draft"
    return record


def is_activated(order: Record | None) -> bool:
    """True for an order whose StatusCode says so; labels of Status can be renamed."""
    return order is not None and order.get("StatusCode") == ACTIVATED


def check_new(org: Org, object_name: str, record: Record) -> None:
    """Refuse an order that is created activated, and a new line on an activated order.

    Raises:
        ApiError: FAILED_ACTIVATION (an assumption) or FIELD_INTEGRITY_EXCEPTION.
    """
    if object_name == "Order":
        check_status(org, str(record.get("Status")))
    if object_name == "Order" and _status_code(org, str(record.get("Status"))) == ACTIVATED:
        raise ApiError(400, "FAILED_ACTIVATION", "An order is created as a draft.", ("Status",))
    if object_name == "OrderItem":
        check_line_set(org, object_name, record)


def check_status(org: Org, status: str) -> None:
    """Refuse a label that is neither shipped nor on any order: labels of Status can be renamed.

    Raises:
        ApiError: INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST.
    """
    if status not in {"Draft", ACTIVATED} and not org.store.table("Order").ids_where("Status", [status]):
        text = f"Status: bad value for restricted picklist field: {status}"
        raise ApiError(400, "INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST", text, ("Status",))


def check_activation(org: Org, object_name: str, record: Record, changes: Record) -> None:
    """Refuse a status the org does not have, and to activate an order without lines.

    Raises:
        ApiError: INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST, FAILED_ACTIVATION (an assumption).
    """
    status = changes.get("Status")
    if object_name != "Order" or status is None:
        return
    check_status(org, str(status))
    if is_activated(record):
        return
    if _status_code(org, str(status)) == ACTIVATED and not _lines(org, str(record["Id"])):
        raise ApiError(400, "FAILED_ACTIVATION", "An order must have at least one product.", ("Status",))


def check_locks(org: Org, object_name: str, record: Record, changes: Record) -> None:
    """Refuse what nobody may change on an activated order or its lines.

    Custom fields of the customer or of ours stay open to users with Edit Activated Orders; standard and CPQ
    fields do not. Giving a field the value it has is no change.

    Raises:
        ApiError: FIELD_INTEGRITY_EXCEPTION, or INSUFFICIENT_ACCESS_OR_READONLY without the right (the codes
            are assumptions, to be confirmed on a sandbox).
    """
    if object_name not in {"Order", "OrderItem"}:
        return
    order = record if object_name == "Order" else _order_of(org, record)
    if not is_activated(order):
        return
    if not org.edit_activated_orders and set(changes) - {"Status"}:
        raise ApiError(403, "INSUFFICIENT_ACCESS_OR_READONLY", "insufficient access rights on object id")
    changed = {name for name, value in changes.items() if record.get(name) != value}
    if object_name == "Order":
        changed -= _OPEN_ON_ACTIVATED_ORDER
    locked = sorted(name for name in changed if not name.endswith("__c") or name.startswith("SBQQ__"))
    if locked:
        raise ApiError(
            400,
            "FIELD_INTEGRITY_EXCEPTION",
            f"The order is activated; these fields can't be changed: {', '.join(locked)}",
            tuple(locked),
        )
    status = changes.get("Status")
    if (
        object_name == "Order"
        and status not in {None, record.get("Status")}
        and record.get("SBQQ__Contracted__c")
    ):
        raise ApiError(
            400, "FIELD_INTEGRITY_EXCEPTION", "A contracted order can't be deactivated.", ("Status",)
        )


def check_line_set(org: Org, object_name: str, record: Record) -> None:
    """Refuse to add or remove lines of an activated order, or to delete the order itself."""
    order = (
        record if object_name == "Order" else _order_of(org, record) if object_name == "OrderItem" else None
    )
    if is_activated(order):
        text = "An activated order can't be deleted, and its order products can't be added or removed."
        raise ApiError(400, "FIELD_INTEGRITY_EXCEPTION", text)


def save(org: Org, object_name: str, record_id: str, changes: Record) -> None:
    """Store changes with new stamps and everything that follows from them; no checks."""
    table = org.store.table(object_name)
    before = table.records[record_id]
    derived: Record = {}
    if object_name == "Order" and "Status" in changes and changes["Status"] != before.get("Status"):
        derived = _activation(org, record_id, str(changes["Status"]))
    stamps = org.modification(org.commit_stamp())
    org.store.put(object_name, record_id, {**before, **derived, **changes, **stamps})
    if (
        object_name == "OrderItem"
        and {"Quantity", "UnitPrice"} & set(changes)
        and "TotalPrice" not in changes
    ):
        after_line_change(org, object_name, record_id)


def after_line_change(org: Org, object_name: str, record_id: str) -> None:
    """Compute a line's total, to the cent and half up, and its order's total anew."""
    if object_name != "OrderItem":
        return
    line = org.store.table(object_name).records[record_id]
    price, quantity = line.get("UnitPrice"), line.get("Quantity")
    if not isinstance(price, Decimal) or not isinstance(quantity, Decimal):
        return
    total = shortest((price * quantity).quantize(_CENT, ROUND_HALF_UP))
    org.store.put(object_name, record_id, {**line, "TotalPrice": total})
    order_id = str(line.get("OrderId"))
    order = org.store.get("Order", order_id)
    if order is not None:
        lines = _lines(org, order_id)
        amounts = [amount for item in lines if isinstance(amount := item.get("TotalPrice"), Decimal)]
        org.store.put("Order", order_id, {**order, "TotalAmount": shortest(sum(amounts, Decimal(0)))})


def _activation(org: Org, order_id: str, status: str) -> Record:
    activated = _status_code(org, status) == ACTIVATED
    for line in _lines(org, order_id):
        state: Record = {
            "SBQQ__Status__c": ACTIVATED if activated else "Draft",
            "SBQQ__Activated__c": activated,
        }
        stamps = org.modification(org.commit_stamp())
        org.store.put("OrderItem", str(line["Id"]), {**line, **state, **stamps})
    code = _status_code(org, status)
    return {"StatusCode": code, "ActivatedDate": org.commit_stamp() if activated else None}


def _status_code(org: Org, status: str) -> str:
    """The code behind a label of Status: as other orders of this org show it, else the label itself."""
    table = org.store.table("Order")
    for order_id in sorted(table.ids_where("Status", [status])):
        code = table.records[order_id].get("StatusCode")
        if isinstance(code, str):
            return code
    return status if status in {"Draft", ACTIVATED} else "Draft"


def _order_of(org: Org, line: Record) -> Record | None:
    return org.store.get("Order", str(line.get("OrderId")))


def _lines(org: Org, order_id: str) -> list[Record]:
    table = org.store.table("OrderItem")
    ids = sorted(table.ids_where("OrderId", [order_id]))
    return [table.records[line_id] for line_id in ids if not table.records[line_id].get("IsDeleted")]
