"""Invoices and credit notes as Stripe returns them become those of a report, shared out to order lines."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any

from cpqbridge.domain.billing import InvoiceLine
from cpqbridge.domain.money import major_text
from cpqbridge.sync.documents import invoice_line_document

ORDER_ITEM_KEY = "salesforce_order_item_id"
_WITHOUT_EFFECT = frozenset({"void", "uncollectible", "deleted"})

StripeObject = Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class BilledDocument:
    """One invoice or credit note that counts; amounts are minor units, negative on a credit note.

    `on` is the UTC date of its creation. `contract` is None when no line names an order line we know.
    """

    contract: str | None
    kind: str
    stripe_id: str
    number: str | None
    on: date
    currency: str
    total_minor: int
    status: str
    lines: tuple[InvoiceLine, ...]

    def as_document(self) -> dict[str, Any]:
        """Return it as it stands in the report's `invoices`."""
        return {
            "contract": self.contract,
            "kind": self.kind,
            "number": self.number,
            "date": self.on.isoformat(),
            "currency": self.currency,
            "total": major_text(self.total_minor, self.currency),
            "lines": [invoice_line_document(line, currency=self.currency) for line in self.lines],
        }


def billed_documents(
    invoices: Iterable[StripeObject],
    credit_notes: Iterable[StripeObject],
    *,
    contract_of_line: Mapping[str, str],
    renewed_from: Mapping[str, date] | None = None,
) -> tuple[BilledDocument, ...]:
    """Return what was really billed, oldest first; void and uncollectible invoices are left out.

    Args:
        invoices: Invoices with all their lines, as the API returns them.
        credit_notes: Credit notes with all their lines.
        contract_of_line: The contract of each order line (order item id).
        renewed_from: For order lines that renew by themselves, the first day that was not sold. What is
            billed for later is an invoice of the contract, but no share of the order line.
    """
    known = _Known(contract_of_line=contract_of_line, renewed_from=renewed_from or {})
    seen = [invoice for invoice in invoices if invoice.get("status") not in _WITHOUT_EFFECT]
    line_owners = {line["id"]: _order_items(line) for invoice in seen for line in _lines(invoice)}
    found = [_invoice(invoice, known) for invoice in seen]
    found += [
        _credit_note(note, line_owners, known)
        for note in credit_notes
        if note.get("status") not in _WITHOUT_EFFECT
    ]
    return tuple(
        sorted(found, key=lambda each: (each.on, each.contract or "", each.number or each.stripe_id))
    )


def billed_by_order_item(documents: Iterable[BilledDocument]) -> Counter[str]:
    """Return the sum of all shares per order line, in minor units."""
    billed: Counter[str] = Counter()
    for document in documents:
        for line in document.lines:
            for order_item_id, amount_minor in line.shares:
                billed[order_item_id] += amount_minor
    return billed


@dataclass(frozen=True, slots=True, kw_only=True)
class _Known:
    """What is known of order lines: their contract, and from when on they only renew by themselves."""

    contract_of_line: Mapping[str, str]
    renewed_from: Mapping[str, date]

    def contract(self, owners: Iterable[Sequence[str]]) -> str | None:
        """Return the contract of the first owner that has one."""
        named = (owner for each in owners for owner in each)
        return next((self.contract_of_line[owner] for owner in named if owner in self.contract_of_line), None)

    def was_sold(self, owner: str, start: date) -> bool:
        """Return whether a period that begins on `start` is one the order line was sold for."""
        end = self.renewed_from.get(owner)
        return end is None or start < end


def _invoice(invoice: StripeObject, known: _Known) -> BilledDocument:
    lines = tuple(
        _line(
            line,
            amount_minor=_net_amount(line),
            owners=_order_items(line),
            period=line.get("period"),
            created=invoice["created"],
            known=known,
        )
        for line in _lines(invoice)
    )
    return BilledDocument(
        contract=known.contract([_order_items(line) for line in _lines(invoice)]),
        kind="invoice",
        stripe_id=invoice["id"],
        number=invoice.get("number"),
        on=_utc_date(invoice["created"]),
        currency=invoice["currency"],
        total_minor=invoice["total"],
        status=str(invoice.get("status")),
        lines=lines,
    )


def _credit_note(
    note: StripeObject, line_owners: Mapping[str, tuple[str, ...]], known: _Known
) -> BilledDocument:
    owners = [
        line_owners.get(line.get("invoice_line_item") or "", ()) or _order_items(line)
        for line in _lines(note)
    ]
    lines = tuple(
        _line(
            line,
            amount_minor=-_net_amount(line),
            owners=named,
            period=line.get("period"),
            created=note["created"],
            known=known,
        )
        for line, named in zip(_lines(note), owners, strict=True)
    )
    return BilledDocument(
        contract=known.contract(owners),
        kind="credit_note",
        stripe_id=note["id"],
        number=note.get("number"),
        on=_utc_date(note["created"]),
        currency=note["currency"],
        total_minor=-note["total"],
        status=str(note.get("status")),
        lines=lines,
    )


def _line(
    line: StripeObject,
    *,
    amount_minor: int,
    owners: Sequence[str],
    period: StripeObject | None,
    created: int,
    known: _Known,
) -> InvoiceLine:
    start = _utc_date(period["start"] if period else created)
    return InvoiceLine(
        amount_minor=amount_minor,
        period_start=start,
        period_end=_utc_date(period["end"] if period else created),
        description=line.get("description") or "",
        shares=_shares(amount_minor, [owner for owner in owners if known.was_sold(owner, start)]),
    )


def _shares(amount_minor: int, owners: Sequence[str]) -> tuple[tuple[str, int], ...]:
    """Return the amount shared out evenly; the first owners take what does not divide."""
    if not owners:
        return ()
    share, rest = divmod(amount_minor, len(owners))
    return tuple((owner, share + (1 if place < rest else 0)) for place, owner in enumerate(owners))


def _net_amount(line: StripeObject) -> int:
    discounts = line.get("discount_amounts") or ()
    return int(line["amount"]) - sum(int(discount["amount"]) for discount in discounts)


def _order_items(line: StripeObject) -> tuple[str, ...]:
    named = (line.get("metadata") or {}).get(ORDER_ITEM_KEY) or ""
    return tuple(part.strip() for part in named.split(",") if part.strip())


def _lines(invoice: StripeObject) -> Sequence[StripeObject]:
    lines: Sequence[StripeObject] = (invoice.get("lines") or {}).get("data") or ()
    return lines


def _utc_date(timestamp: int) -> date:
    return datetime.fromtimestamp(timestamp, UTC).date()
