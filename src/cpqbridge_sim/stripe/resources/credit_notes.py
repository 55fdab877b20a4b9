"""Credit notes: the only correction of a finalized invoice."""

from collections import Counter
from collections.abc import Mapping, Sequence
from fractions import Fraction
from typing import Any

from cpqbridge_sim.stripe.billing.finalization import move_balance
from cpqbridge_sim.stripe.billing.payments import follow_remaining, pay_in_full
from cpqbridge_sim.stripe.billing.taxes import (
    exclusive_tax,
    inclusive_tax,
    read_tax_rates,
    share_of_taxes,
    taxes_on,
    total_taxes,
)
from cpqbridge_sim.stripe.errors import invalid, missing, no_such
from cpqbridge_sim.stripe.resources.call import (
    Call,
    customer_of,
    list_answer,
    metadata_of,
    only,
    path_object,
    update_metadata,
)
from cpqbridge_sim.stripe.resources.invoices import candidates
from cpqbridge_sim.stripe.rounding import round_half_up
from cpqbridge_sim.stripe.state import AccountState
from cpqbridge_sim.stripe.store import Body

_CREATE = frozenset(
    {
        "amount",
        "credit_amount",
        "email_type",
        "invoice",
        "lines",
        "memo",
        "metadata",
        "out_of_band_amount",
        "reason",
        "refund_amount",
    }
)
_GIVEN_BACK = ("credit_amount", "refund_amount", "out_of_band_amount")
_LINE = frozenset(
    {
        "amount",
        "description",
        "invoice_line_item",
        "metadata",
        "quantity",
        "tax_rates",
        "type",
        "unit_amount",
        "unit_amount_decimal",
    }
)


def create(call: Call) -> Body:
    """`POST /v1/credit_notes`: lowers an open invoice, or gives back on a paid one."""
    state, params = call.state, call.params
    only(params, _CREATE)
    invoice = state.store.get("invoice", params["invoice"])
    if invoice is None:
        raise no_such("invoice", params["invoice"], param="invoice")
    if invoice["status"] not in ("open", "paid", "uncollectible"):
        raise invalid(
            "You can only create a credit note for an open, paid or uncollectible invoice.", "invoice"
        )
    lines = _lines(state, invoice, params.get("lines", []))
    amount = _amount(params, lines)
    before, after = _split(invoice, params, amount)
    _check_refund(state, invoice, params)
    note = _new_note(call, invoice, lines, amount=amount, before=before, after=after)
    _settle(state, invoice, note, params)
    state.emit("credit_note.created", note)
    return note


def _amount(params: Mapping[str, Any], lines: list[Body]) -> int:
    total = sum(line["amount"] - line["discount_amount"] + exclusive_tax(line["taxes"]) for line in lines)
    if not lines and "amount" not in params:
        raise missing("amount")
    if lines and params.get("amount", total) != total:
        raise invalid("The `amount` must equal the sum of the lines.", "amount")
    amount = params.get("amount", total)
    if amount <= 0:
        raise invalid("The amount of a credit note must be greater than 0.", "amount")
    return int(amount)


def _split(invoice: Body, params: Mapping[str, Any], amount: int) -> tuple[int, int]:
    """The part that lowers what is still to be paid, and the rest, which is given back.

    Source: docs.stripe.com/api/credit_notes/create, read 20 Nov 2026.
    """
    credited = invoice["pre_payment_credit_notes_amount"] + invoice["post_payment_credit_notes_amount"]
    if amount > invoice["total"] - credited:
        raise invalid(
            f"The credit note amount {amount} is greater than what remains of the invoice "
            f"({invoice['total'] - credited}).",
            "amount",
        )
    before = min(amount, invoice["amount_remaining"])
    given = {name: params[name] for name in _GIVEN_BACK if params.get(name)}
    if any(value < 0 for value in given.values()) or sum(given.values()) != amount - before:
        raise invalid(
            "The sum of credit_amount, refund_amount and out_of_band_amount must equal the credit note's "
            f"post_payment_amount ({amount - before}).",
            next(iter(given), "credit_amount"),
        )
    return before, amount - before


def _check_refund(state: AccountState, invoice: Body, params: Mapping[str, Any]) -> None:
    charged = state.charged.get(invoice["id"], 0)
    if params.get("refund_amount", 0) > charged:
        raise invalid(
            f"The refund is greater than what was charged for the invoice and not refunded yet ({charged}).",
            "refund_amount",
        )


def _lines(state: AccountState, invoice: Body, entries: Sequence[Mapping[str, Any]]) -> list[Body]:
    """The lines of a note; all notes together credit a line of the invoice at most once."""
    taken: Counter[str] = Counter()
    for note in state.store.of_customer("credit_note", invoice["customer"]):
        if note["invoice"] == invoice["id"] and note["status"] != "void":
            for earlier in note["lines"]["data"]:
                taken[earlier["invoice_line_item"]] += earlier["amount"]
    amounts = {line["id"]: line["amount"] for line in invoice["lines"]["data"]}
    found: list[Body] = []
    for index, entry in enumerate(entries):
        line = _line(state, invoice, entry, f"lines[{index}]")
        source = line["invoice_line_item"]
        taken[source] += line["amount"]
        if source is not None and taken[source] > amounts[source]:
            raise invalid(
                f"The credit notes of this invoice would credit more than line {source} bills.",
                f"lines[{index}][amount]",
            )
        found.append(line)
    return found


def _line(state: AccountState, invoice: Body, entry: Mapping[str, Any], path: str) -> Body:
    only(entry, _LINE, path=path)
    line: Body = {
        "id": state.identifiers.new("cnli"),
        "object": "credit_note_line_item",
        "amount": 0,
        "description": entry.get("description"),
        "discount_amount": 0,
        "discount_amounts": [],
        "invoice_line_item": None,
        "livemode": state.livemode,
        "metadata": metadata_of(entry.get("metadata")),
        "pretax_credit_amounts": [],
        "quantity": entry.get("quantity"),
        "tax_rates": [],
        "taxes": [],
        "type": entry["type"],
        "unit_amount": entry.get("unit_amount"),
        "unit_amount_decimal": None,
    }
    if entry["type"] == "invoice_line_item":
        return _credited_line(invoice, entry, line, path)
    if "unit_amount" not in entry and "unit_amount_decimal" not in entry:
        raise missing(f"{path}[unit_amount]")
    unit = Fraction(entry.get("unit_amount_decimal", entry.get("unit_amount")))
    line["amount"] = round_half_up(unit * entry.get("quantity", 1))
    line["unit_amount_decimal"] = str(entry.get("unit_amount_decimal", entry.get("unit_amount")))
    line["tax_rates"] = read_tax_rates(state, entry.get("tax_rates"), path=f"{path}[tax_rates]")
    line["taxes"] = taxes_on(
        state, line["amount"], line["tax_rates"], exemption=invoice["customer_tax_exempt"]
    )
    return line


def _credited_line(invoice: Body, entry: Mapping[str, Any], line: Body, path: str) -> Body:
    if entry.get("tax_rates"):
        raise invalid(
            "`tax_rates` is only valid for a line of type `custom_line_item`.", f"{path}[tax_rates]"
        )
    wanted = entry.get("invoice_line_item")
    if wanted is None:
        raise missing(f"{path}[invoice_line_item]")
    source = next((body for body in invoice["lines"]["data"] if body["id"] == wanted), None)
    if source is None:
        raise no_such("invoice line item", wanted, param=f"{path}[invoice_line_item]")
    if "amount" in entry:
        amount = entry["amount"]
    elif "quantity" in entry and source["quantity"]:
        amount = round_half_up(Fraction(source["amount"] * entry["quantity"], source["quantity"]))
    else:
        amount = source["amount"]
    if not 0 < amount <= source["amount"]:
        raise invalid(
            "The amount must be greater than 0 and at most that of the invoice line.", f"{path}[amount]"
        )
    discount = sum(part["amount"] for part in source["discount_amounts"])
    share = round_half_up(Fraction(discount * amount, source["amount"]))
    line.update(
        amount=amount,
        description=line["description"] or source["description"],
        discount_amount=share,
        invoice_line_item=wanted,
        metadata={**source["metadata"], **line["metadata"]},
        taxes=share_of_taxes(source["taxes"], amount, source["amount"]),
    )
    return line


def _new_note(call: Call, invoice: Body, lines: list[Body], *, amount: int, before: int, after: int) -> Body:
    state = call.state
    identifier = state.identifiers.new("cn")
    earlier = sum(
        1
        for note in state.store.of_customer("credit_note", invoice["customer"])
        if note["invoice"] == invoice["id"]
    )
    at = state.time_of(invoice["customer"])
    subtotal = sum(line["amount"] for line in lines) or amount
    taxes = total_taxes(lines)
    discounted = sum(line["discount_amount"] for line in lines)
    return state.store.add(
        {
            "id": identifier,
            "object": "credit_note",
            "amount": amount,
            "amount_shipping": 0,
            "created": at,
            "currency": invoice["currency"],
            "customer": invoice["customer"],
            "customer_account": None,
            "customer_balance_transaction": None,
            "discount_amount": discounted,
            "discount_amounts": [],
            "effective_at": at,
            "invoice": invoice["id"],
            "lines": {
                "object": "list",
                "data": lines,
                "has_more": False,
                "url": f"/v1/credit_notes/{identifier}/lines",
            },
            "livemode": state.livemode,
            "memo": call.params.get("memo"),
            "metadata": metadata_of(call.params.get("metadata")),
            "number": f"{invoice['number']}-CN-{earlier + 1:02d}",
            "out_of_band_amount": call.params.get("out_of_band_amount"),
            "pdf": f"https://pay.stripe.com/credit_notes/{state.account_id}/{identifier}/pdf",
            "post_payment_amount": after,
            "pre_payment_amount": before,
            "pretax_credit_amounts": [],
            "reason": call.params.get("reason"),
            "refunds": [],
            "shipping_cost": None,
            "status": "issued",
            "subtotal": subtotal,
            "subtotal_excluding_tax": subtotal - inclusive_tax(taxes),
            "total": amount,
            "total_excluding_tax": subtotal - discounted - inclusive_tax(taxes),
            "total_taxes": taxes,
            "type": _type(before, after),
            "voided_at": None,
        }
    )


def _type(before: int, after: int) -> str:
    if before and after:
        return "mixed"
    return "pre_payment" if before else "post_payment"


def _settle(state: AccountState, invoice: Body, note: Body, params: Mapping[str, Any]) -> None:
    invoice["pre_payment_credit_notes_amount"] += note["pre_payment_amount"]
    invoice["post_payment_credit_notes_amount"] += note["post_payment_amount"]
    if note["pre_payment_amount"]:
        invoice["amount_remaining"] -= note["pre_payment_amount"]
        invoice["amount_due"] -= note["pre_payment_amount"]
        follow_remaining(state, invoice)
        if invoice["amount_remaining"] == 0 and invoice["status"] == "open":
            pay_in_full(state, invoice, at=note["created"])
    if params.get("refund_amount"):
        note["refunds"] = [_refund(state, invoice, params["refund_amount"])]
    credit = params.get("credit_amount", 0)
    if credit:
        customer = customer_of(state, invoice["customer"])
        transaction = move_balance(
            state,
            customer,
            -credit,
            kind="credit_note",
            currency=invoice["currency"],
            invoice=invoice,
            credit_note=note,
        )
        note["customer_balance_transaction"] = transaction["id"]


def _refund(state: AccountState, invoice: Body, amount: int) -> Body:
    state.charged[invoice["id"]] -= amount
    refund = state.store.add(
        {
            "id": state.identifiers.new("re"),
            "object": "refund",
            "amount": amount,
            "created": state.time_of(invoice["customer"]),
            "currency": invoice["currency"],
            "livemode": state.livemode,
            "metadata": {},
            "reason": None,
            "status": "succeeded",
        }
    )
    return {
        "amount_refunded": amount,
        "payment_record_refund": None,
        "refund": refund["id"],
        "type": "refund",
    }


def retrieve(call: Call) -> Body:
    """`GET /v1/credit_notes/{id}`."""
    return path_object(call, "credit_note", "credit note")


def update(call: Call) -> Body:
    """`POST /v1/credit_notes/{id}`: memo and metadata."""
    note = retrieve(call)
    if "memo" in call.params:
        note["memo"] = call.params["memo"]
    update_metadata(note, call.params)
    call.state.emit("credit_note.updated", note)
    return note


def void(call: Call) -> Body:
    """`POST /v1/credit_notes/{id}/void`: only while its invoice is open."""
    state = call.state
    note = retrieve(call)
    invoice = state.store.get("invoice", note["invoice"]) or {}
    if note["status"] == "void":
        raise invalid("This credit note is already void.")
    if invoice["status"] != "open":
        raise invalid("You can only void a credit note whose invoice is open.")
    note["status"] = "void"
    note["voided_at"] = state.time_of(note["customer"])
    invoice["pre_payment_credit_notes_amount"] -= note["pre_payment_amount"]
    invoice["amount_remaining"] += note["pre_payment_amount"]
    invoice["amount_due"] += note["pre_payment_amount"]
    follow_remaining(state, invoice)
    state.emit("credit_note.voided", note)
    return note


def list_all(call: Call) -> Body:
    """`GET /v1/credit_notes`."""
    params = call.params
    data = [
        note
        for note in candidates(call, "credit_note", params.get("customer"))
        if all(note[name] == params[name] for name in ("customer", "invoice") if name in params)
    ]
    return list_answer(data, "/v1/credit_notes")


def list_lines(call: Call) -> Body:
    """`GET /v1/credit_notes/{id}/lines`."""
    note = retrieve(call)
    return list_answer(list(note["lines"]["data"]), f"/v1/credit_notes/{note['id']}/lines")
