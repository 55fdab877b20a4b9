"""Changing the lines of a draft invoice."""

from collections.abc import Sequence
from typing import Any

from cpqbridge_sim.stripe.billing.discounts import apply_discounts
from cpqbridge_sim.stripe.billing.invoicing import check_line_count, put_lines, recount
from cpqbridge_sim.stripe.billing.lines import LineDraft, invoice_item_line
from cpqbridge_sim.stripe.errors import invalid, not_simulated
from cpqbridge_sim.stripe.state import AccountState
from cpqbridge_sim.stripe.store import Body


def require_draft(invoice: Body) -> None:
    """Finalized invoices are corrected by credit notes, not edited."""
    if invoice["status"] != "draft":
        raise invalid(
            "Finalized invoices can't be updated in this way", invoice["id"], "invoice_not_editable"
        )


def append_invoice_item(state: AccountState, invoice: Body, invoice_item: Body) -> None:
    """Put one invoice item on a draft."""
    append_lines(state, invoice, [invoice_item_line(invoice_item)])


def append_lines(state: AccountState, invoice: Body, lines: list[LineDraft]) -> None:
    """Append lines with their own discounts to a draft."""
    require_draft(invoice)
    refuse_discounted(invoice)
    check_line_count(len(invoice["lines"]["data"]) + len(lines))
    for line in lines:
        if line.currency != invoice["currency"] and invoice["lines"]["data"]:
            raise invalid(
                f"The currency of the invoice item ({line.currency}) does not match that of the invoice "
                f"({invoice['currency']}).",
                "currency",
            )
        invoice["currency"] = line.currency
    apply_discounts(state, lines, [], at=invoice["created"])
    put_lines(state, invoice, lines)
    if invoice["parent"] is None:
        reapply_invoice_discounts(state, invoice)


def refuse_discounted(invoice: Body) -> None:
    """A subscription's discounts were shared out when the draft was made; sharing again is not modelled."""
    if invoice["parent"] is not None and invoice["discounts"]:
        raise not_simulated("Changing the lines of a discounted subscription draft", "lines")


def reapply_invoice_discounts(state: AccountState, invoice: Body, *, earlier: Sequence[str] = ()) -> None:
    """Share the discounts of a manual draft over its lines anew, after the lines' own.

    `earlier` are discounts that the invoice no longer has.
    """
    shared = {*invoice["discounts"], *earlier}
    drafts: list[LineDraft] = []
    for body in invoice["lines"]["data"]:
        draft = _draft_of(body)
        draft.discount_amounts = [
            (entry["discount"], entry["amount"])
            for entry in body["discount_amounts"]
            if entry["discount"] not in shared
        ]
        draft.discounts = []
        drafts.append(draft)
    apply_discounts(state, drafts, invoice["discounts"], at=invoice["created"])
    for body, draft in zip(invoice["lines"]["data"], drafts, strict=True):
        body["discount_amounts"] = [
            {"amount": amount, "discount": discount} for discount, amount in draft.discount_amounts
        ]
        body["pretax_credit_amounts"] = [{**entry, "type": "discount"} for entry in body["discount_amounts"]]
    recount(state, invoice)


def _draft_of(body: Body) -> LineDraft:
    details = (body["pricing"] or {}).get("price_details")
    price: dict[str, Any] | None = None
    if details is not None:
        price = {"id": details["price"], "product": details["product"]}
    return LineDraft(
        amount=body["amount"],
        currency=body["currency"],
        description=body["description"],
        period_start=body["period"]["start"],
        period_end=body["period"]["end"],
        price=price,
        quantity=body["quantity"],
        discountable=body["discountable"],
        metadata=body["metadata"],
    )
