"""`add_lines`, `update_lines` and `remove_lines` of draft invoices."""

from collections.abc import Mapping
from typing import Any

from cpqbridge_sim.stripe.billing.discounts import check_discounts, redeem
from cpqbridge_sim.stripe.billing.invoicing import recount
from cpqbridge_sim.stripe.billing.lines import invoice_item_line, product_name
from cpqbridge_sim.stripe.billing.proration import new_invoice_item
from cpqbridge_sim.stripe.billing.taxes import read_tax_rates, remember_rates
from cpqbridge_sim.stripe.errors import invalid, no_such
from cpqbridge_sim.stripe.resources.call import Call, cleared, metadata_of, only
from cpqbridge_sim.stripe.resources.invoice_edit import (
    append_lines,
    reapply_invoice_discounts,
    refuse_discounted,
    require_draft,
)
from cpqbridge_sim.stripe.resources.invoice_items import checked_period, line_cost
from cpqbridge_sim.stripe.resources.invoices import retrieve
from cpqbridge_sim.stripe.state import AccountState
from cpqbridge_sim.stripe.store import Body

_ADD = frozenset(
    {
        "amount",
        "description",
        "discountable",
        "discounts",
        "invoice_item",
        "metadata",
        "period",
        "price_data",
        "pricing",
        "quantity",
        "quantity_decimal",
        "tax_rates",
    }
)
_UPDATE = frozenset({"amount", "description", "discountable", "id", "metadata", "period", "tax_rates"})


def add(call: Call) -> Body:
    """`POST /v1/invoices/{id}/add_lines`: pending invoice items or new lines."""
    only(call.params, {"lines", "invoice_metadata"})
    invoice = _editable(call)
    items = [
        _line_item(call.state, invoice, entry, f"lines[{index}]")
        for index, entry in enumerate(call.params["lines"])
    ]
    append_lines(call.state, invoice, [invoice_item_line(item) for item in items])
    return _changed(call, invoice)


def _line_item(state: AccountState, invoice: Body, entry: Mapping[str, Any], path: str) -> Body:
    only(entry, _ADD, path=path)
    if "invoice_item" in entry:
        item = state.store.get("invoiceitem", entry["invoice_item"])
        if item is None or item["customer"] != invoice["customer"]:
            raise no_such("invoiceitem", entry["invoice_item"], param=f"{path}[invoice_item]")
        if item["invoice"] is not None:
            raise invalid("This invoice item is already on an invoice.", f"{path}[invoice_item]")
        return item
    check_discounts(
        state,
        entry.get("discounts") or [],
        param=f"{path}[discounts]",
        at=invoice["created"],
        currency=invoice["currency"],
        customer_id=invoice["customer"],
    )
    cost = line_cost(state, {"currency": invoice["currency"], **_priced(entry)}, path=path)
    tax_rates = read_tax_rates(state, entry.get("tax_rates"), path=f"{path}[tax_rates]")
    start, end = checked_period(entry, invoice["created"], path=path)
    item = new_invoice_item(
        state,
        customer_id=invoice["customer"],
        description=cleared(entry.get("description")) or product_name(state, cost["price"]) or None,
        start=start,
        end=end,
        discountable=entry.get("discountable", cost["amount"] >= 0),
        metadata=metadata_of(entry.get("metadata")),
        tax_rates=tax_rates,
        **cost,
    )
    item["discounts"] = redeem(
        state,
        entry.get("discounts") or [],
        start=invoice["created"],
        customer_id=invoice["customer"],
        invoice_item_id=item["id"],
    )
    return item


def _priced(entry: Mapping[str, Any]) -> dict[str, Any]:
    names = ("amount", "price_data", "pricing", "quantity", "quantity_decimal")
    return {name: entry[name] for name in names if name in entry}


def update(call: Call) -> Body:
    """`POST /v1/invoices/{id}/update_lines`."""
    only(call.params, {"lines", "invoice_metadata"})
    invoice = _editable(call)
    for index, entry in enumerate(call.params["lines"]):
        path = f"lines[{index}]"
        only(entry, _UPDATE, path=path)
        line = _line_of(invoice, entry["id"], path)
        if "amount" in entry:
            _refuse_item_line(line, f"{path}[amount]")
        checked_period(entry, invoice["created"], path=path)
        for name in ("amount", "description", "discountable", "period"):
            if name in entry:
                line[name] = cleared(entry[name])
        line["subtotal"] = line["amount"]
        if "tax_rates" in entry:
            rates = read_tax_rates(call.state, entry["tax_rates"], path=f"{path}[tax_rates]")
            remember_rates(call.state, line, rates)
        if entry.get("metadata"):
            merged = {**line["metadata"], **entry["metadata"]}
            line["metadata"] = {key: value for key, value in merged.items() if value != ""}
    return _changed(call, invoice)


def remove(call: Call) -> Body:
    """`POST /v1/invoices/{id}/remove_lines`: the items behind are deleted, or wait again."""
    only(call.params, {"lines", "invoice_metadata"})
    invoice, state = _editable(call), call.state
    for index, entry in enumerate(call.params["lines"]):
        line = _line_of(invoice, entry["id"], f"lines[{index}]")
        _refuse_item_line(line, f"lines[{index}][id]")
        invoice["lines"]["data"].remove(line)
        details = line["parent"]["invoice_item_details"] or line["parent"]["subscription_item_details"] or {}
        item = state.store.get("invoiceitem", details.get("invoice_item"))
        if item is None:
            continue
        item["invoice"] = None
        if entry["behavior"] == "unassign":
            state.pending.setdefault(item["customer"], {})[item["id"]] = item
        else:
            state.store.remove(item)
    return _changed(call, invoice)


def _refuse_item_line(line: Body, param: str) -> None:
    if line["parent"]["subscription_item_details"] is not None:
        raise invalid("The amount of a subscription item's line cannot be changed.", param)


def _editable(call: Call) -> Body:
    invoice = retrieve(call)
    require_draft(invoice)
    refuse_discounted(invoice)
    return invoice


def _line_of(invoice: Body, identifier: str, path: str) -> Body:
    for line in invoice["lines"]["data"]:
        if line["id"] == identifier:
            found: Body = line
            return found
    raise no_such("line item", identifier, param=f"{path}[id]")


def _changed(call: Call, invoice: Body) -> Body:
    if invoice["parent"] is None:
        reapply_invoice_discounts(call.state, invoice)
    recount(call.state, invoice)
    metadata = call.params.get("invoice_metadata")
    if metadata:
        merged = {**invoice["metadata"], **metadata}
        invoice["metadata"] = {key: value for key, value in merged.items() if value != ""}
    call.state.emit("invoice.updated", invoice)
    return invoice
