"""The invoices of a contract as Stripe has them, with what can still be credited on each line."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import date
from typing import Any

from cpqbridge.domain.billing import BilledInvoice, BilledLine
from cpqbridge.stripe_billing.client import StripeBilling
from cpqbridge.stripe_billing.reader import instant

_ORDER_ITEMS = "salesforce_order_item_id"
_KIND = "salesforce_kind"
_PERIOD_START = "salesforce_period_start"
_CYCLE = "cycle"
_GIVEN_UP = frozenset({"void", "uncollectible"})

StripeObject = Mapping[str, Any]


def contract_invoices(
    client: StripeBilling, *, customer_id: str, order_item_ids: Collection[str]
) -> tuple[BilledInvoice, ...]:
    """Return the customer's invoices with a line for one of these order lines, drafts too, oldest first.

    Void and uncollectible ones are left out. One call for a hundred invoices and one for each invoice of more
    than ten lines; one more for a hundred credit notes where one of these invoices has any, and one for a
    hundred schedules where a subscription's line does not name its order lines itself.
    """
    invoices = [
        invoice
        for invoice in client.list_invoices(customer_id=customer_id, drafts=True)
        if invoice.get("status") not in _GIVEN_UP
    ]
    lines = [line for invoice in invoices for line in lines_of(invoice)]
    schedules: tuple[StripeObject, ...] = ()
    if any(_of_subscription(line) and not names_its_order_lines(line) for line in lines):
        schedules = tuple(client.list_schedules(customer_id=customer_id))
    wanted = frozenset(order_item_ids)
    found = [
        (invoice, named)
        for invoice in reversed(invoices)
        for named in [[(line, identity_of(line, schedules)) for line in lines_of(invoice)]]
        if any(wanted.intersection(_order_items(identity)) for _, identity in named)
    ]
    notes: tuple[StripeObject, ...] = ()
    if any(credited_before(invoice) for invoice, _ in found):
        notes = tuple(client.list_credit_notes(customer_id=customer_id))
    return tuple(_billed_invoice(invoice, named, notes) for invoice, named in found)


def _billed_invoice(
    invoice: StripeObject, named: Iterable[tuple[StripeObject, StripeObject]], notes: Iterable[StripeObject]
) -> BilledInvoice:
    issued = [
        note for note in notes if _id(note.get("invoice")) == invoice["id"] and note.get("status") != "void"
    ]
    credited: Counter[str] = Counter()
    for note in issued:
        for line in lines_of(note):
            net = int(line["amount"]) - int(line.get("discount_amount") or 0)
            credited[str(line.get("invoice_line_item"))] += net
    draft = invoice.get("status") == "draft"
    final_at = invoice.get("automatically_finalizes_at") if draft else None
    return BilledInvoice(
        invoice_id=str(invoice["id"]),
        status=str(invoice.get("status")),
        created_at=instant(invoice["created"]),
        total_minor=int(invoice["total"]),
        creditable_minor=max(0, int(invoice["total"]) - sum(int(note["total"]) for note in issued)),
        unpaid_minor=int(invoice.get("amount_remaining") or 0),
        final_at=None if final_at is None else instant(final_at),
        lines=tuple(_billed_line(line, identity, credited) for line, identity in named),
    )


def _billed_line(line: StripeObject, identity: StripeObject, credited: Mapping[str, int]) -> BilledLine:
    # A credit note gives back no more than was charged, which is net of coupons.
    off = sum(int(each["amount"]) for each in line.get("discount_amounts") or ())
    amount = int(line["amount"]) - off
    return BilledLine(
        line_id=str(line["id"]),
        order_item_ids=_order_items(identity),
        kind=str(identity.get(_KIND) or _CYCLE),
        period_start=_period_start(line, identity),
        amount_minor=amount,
        creditable_minor=max(0, amount - credited.get(str(line["id"]), 0)),
        off_minor=off,
    )


def identity_of(line: StripeObject, schedules: Iterable[StripeObject]) -> StripeObject:
    """Return the metadata that names an invoice line's order lines: its own, else its schedule's item's.

    Source: docs.stripe.com/api/invoice-line-item/object, read 20 Nov 2026: the metadata of a subscription's
    line reflects the subscription's, not the subscription item's. The item is found by its price in the phase
    in which the billed period begins.
    """
    own = _metadata(line)
    if names_its_order_lines(line) or not _of_subscription(line):
        return own
    subscription = _id(_subscription_details(line).get("subscription"))
    price = _id(((line.get("pricing") or {}).get("price_details") or {}).get("price"))
    start = line["period"]["start"]
    for schedule in schedules:
        driven = _id(schedule.get("subscription") or schedule.get("released_subscription"))
        if subscription is None or driven != subscription:
            continue
        begun = [phase for phase in schedule.get("phases") or () if phase["start_date"] <= start]
        for item in begun[-1].get("items") or () if begun else ():
            if _id(item.get("price")) == price:
                return _metadata(item)
    return own


def _period_start(line: StripeObject, identity: StripeObject) -> date:
    told = str(identity.get(_PERIOD_START) or "")
    try:
        return date.fromisoformat(told)
    except ValueError:
        return instant(line["period"]["start"]).date()


def credited_before(invoice: StripeObject) -> bool:
    """Return whether an invoice has a credit note."""
    return any(
        invoice.get(name) for name in ("pre_payment_credit_notes_amount", "post_payment_credit_notes_amount")
    )


def names_its_order_lines(line: StripeObject) -> bool:
    """Return whether an invoice line names its order lines itself."""
    return bool(_metadata(line).get(_ORDER_ITEMS))


def _order_items(identity: StripeObject) -> tuple[str, ...]:
    named = str(identity.get(_ORDER_ITEMS) or "")
    return tuple(part.strip() for part in named.split(",") if part.strip())


def _of_subscription(line: StripeObject) -> bool:
    details = _subscription_details(line)
    return bool(details.get("subscription_item")) and not details.get("invoice_item")


def _subscription_details(line: StripeObject) -> StripeObject:
    found: StripeObject = (line.get("parent") or {}).get("subscription_item_details") or {}
    return found


def _metadata(found: StripeObject) -> StripeObject:
    metadata: StripeObject = found.get("metadata") or {}
    return metadata


def lines_of(found: StripeObject) -> Sequence[StripeObject]:
    """Return the lines of an invoice or credit note as far as they were read."""
    lines: Sequence[StripeObject] = (found.get("lines") or {}).get("data") or ()
    return lines


def _id(value: Any) -> str | None:
    shown = value.get("id") if isinstance(value, Mapping) else value
    return shown if isinstance(shown, str) else None
