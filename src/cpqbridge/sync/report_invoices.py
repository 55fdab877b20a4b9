"""Invoices and credits as Stripe returns them become those of a report, shared out to order lines."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any

from cpqbridge.domain.billing import InvoiceLine
from cpqbridge.domain.money import major_text
from cpqbridge.domain.pricing import TieredPrice
from cpqbridge.sync.documents import invoice_line_document
from cpqbridge.sync.report_shares import (
    Shares,
    StripeObject,
    credit_shares,
    credited_items,
    line_shares,
    order_items,
    tiered_shares,
)

CREDIT_BALANCE = "credit_balance"
_OURS = "cpqbridge_key"
_KIND = "salesforce_kind"
_WITHOUT_EFFECT = frozenset({"void", "uncollectible", "deleted"})


@dataclass(frozen=True, slots=True, kw_only=True)
class BilledDocument:
    """One invoice or credit that counts; amounts are minor units, negative on a credit.

    `kind` is invoice, credit_note, or credit_balance for a credit we put on the customer's balance. `on` is
    the UTC date of its creation. `contract` is None when no line names an order line we know.
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
    tiers: Mapping[str, TieredPrice] | None = None,
    balance_transactions: Iterable[StripeObject] = (),
) -> tuple[BilledDocument, ...]:
    """Return what was really billed, oldest first.

    Void and uncollectible invoices are left out with their credit notes, and so is every balance transaction
    that we did not make: Stripe writes one of its own for each credit note on a paid invoice.

    Args:
        invoices: Invoices with all their lines, as the API returns them.
        credit_notes: Credit notes with all their lines.
        contract_of_line: The contract of each order line (order item id).
        renewed_from: For order lines that renew by themselves, the first day that was not sold. What is
            billed for later is an invoice of the contract, but no share of the order line.
        tiers: The prices of order lines that are priced by tiers.
        balance_transactions: Customer balance transactions.
    """
    known = _Known(contract_of_line=contract_of_line, renewed_from=renewed_from or {}, tiers=tiers or {})
    listed = list(invoices)
    void = {invoice["id"] for invoice in listed if invoice.get("status") in _WITHOUT_EFFECT}
    seen = [invoice for invoice in listed if invoice["id"] not in void]
    lines = {line["id"]: line for invoice in seen for line in _lines(invoice)}
    found = [_invoice(invoice, known) for invoice in seen]
    found += [
        _credit_note(note, lines, known)
        for note in credit_notes
        if note.get("status") not in _WITHOUT_EFFECT and note.get("invoice") not in void
    ]
    found += [
        _balance_credit(transaction, known)
        for transaction in balance_transactions
        if (transaction.get("metadata") or {}).get(_OURS)
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
    """What is known of order lines: contract, tiers, and from when on they only renew by themselves."""

    contract_of_line: Mapping[str, str]
    renewed_from: Mapping[str, date]
    tiers: Mapping[str, TieredPrice]

    def contract(self, owners: Iterable[str]) -> str | None:
        """Return the contract of the first owner that has one."""
        return next(
            (self.contract_of_line[owner] for owner in owners if owner in self.contract_of_line), None
        )

    def shares(self, lines: Sequence[StripeObject]) -> list[Shares]:
        """Return the shares of each line of an invoice; those of one tiered item are shared out together."""
        found = [line_shares(_net_amount(line), line) for line in lines]
        groups: defaultdict[tuple[object, ...], list[int]] = defaultdict(list)
        for place, line in enumerate(lines):
            owners = order_items(line)
            if len(owners) > 1 and owners[0] in self.tiers and _KIND not in line["metadata"]:
                groups[owners, *_period(line)].append(place)
        for places in groups.values():
            first = lines[places[0]]
            amounts = [_net_amount(lines[place]) for place in places]
            together = tiered_shares(amounts, first, self.tiers[order_items(first)[0]])
            for place, shares in zip(places, together, strict=True):
                found[place] = shares
        return found

    def sold(self, shares: Shares, start: date) -> Shares:
        """Return the shares of order lines that were sold for a period that begins on `start`."""
        ends = self.renewed_from
        return tuple((owner, amount) for owner, amount in shares if owner not in ends or start < ends[owner])


def _invoice(invoice: StripeObject, known: _Known) -> BilledDocument:
    lines = _lines(invoice)
    return BilledDocument(
        contract=known.contract(owner for line in lines for owner in order_items(line)),
        kind="invoice",
        stripe_id=invoice["id"],
        number=invoice.get("number"),
        on=_utc_date(invoice["created"]),
        currency=invoice["currency"],
        total_minor=invoice["total"],
        status=str(invoice.get("status")),
        lines=tuple(
            _line(
                line,
                amount_minor=_net_amount(line),
                shares=shares,
                created=invoice["created"],
                known=known,
            )
            for line, shares in zip(lines, known.shares(lines), strict=True)
        ),
    )


def _credit_note(note: StripeObject, invoiced: Mapping[str, StripeObject], known: _Known) -> BilledDocument:
    """Return a credit note; it belongs to the order lines it states itself, else to those it credits.

    The order line that reduced something is credited, not the one whose invoice line carries the credit.
    """
    lines = _lines(note)
    credited = [invoiced.get(line.get("invoice_line_item") or "", line) for line in lines]
    amounts = [-_net_amount(line) for line in lines]
    if credited_items(note):
        shares = credit_shares(amounts, note)
    else:
        shares = tuple(line_shares(amount, line) for amount, line in zip(amounts, credited, strict=True))
    owners = [owner for owner, _ in credited_items(note)]
    owners += [owner for line in credited for owner in order_items(line)]
    return BilledDocument(
        contract=known.contract(owners),
        kind="credit_note",
        stripe_id=note["id"],
        number=note.get("number"),
        on=_utc_date(note["created"]),
        currency=note["currency"],
        total_minor=-note["total"],
        status=str(note.get("status")),
        lines=tuple(
            _line(line, amount_minor=amount, shares=share, created=note["created"], known=known)
            for line, amount, share in zip(lines, amounts, shares, strict=True)
        ),
    )


def _balance_credit(transaction: StripeObject, known: _Known) -> BilledDocument:
    amount_minor = int(transaction["amount"])
    (shares,) = credit_shares([amount_minor], transaction)
    return BilledDocument(
        contract=known.contract(owner for owner, _ in credited_items(transaction)),
        kind=CREDIT_BALANCE,
        stripe_id=transaction["id"],
        number=None,
        on=_utc_date(transaction["created"]),
        currency=transaction["currency"],
        total_minor=amount_minor,
        status="issued",
        lines=(
            _line(
                transaction,
                amount_minor=amount_minor,
                shares=shares,
                created=transaction["created"],
                known=known,
            ),
        ),
    )


def _line(
    line: StripeObject, *, amount_minor: int, shares: Shares, created: int, known: _Known
) -> InvoiceLine:
    period: StripeObject | None = line.get("period")
    start = _utc_date(period["start"] if period else created)
    kind = (line.get("metadata") or {}).get(_KIND)
    return InvoiceLine(
        amount_minor=amount_minor,
        period_start=start,
        period_end=_utc_date(period["end"] if period else created),
        description=line.get("description") or "",
        shares=known.sold(shares, start),
        kind=kind or ("cycle" if amount_minor >= 0 else "credit"),
    )


def _period(line: StripeObject) -> tuple[object, object]:
    period: StripeObject = line.get("period") or {}
    return period.get("start"), period.get("end")


def _net_amount(line: StripeObject) -> int:
    """Return what a line comes to less its discounts; a credit note's line tells them as one sum."""
    if line.get("discount_amount") is not None:
        return int(line["amount"]) - int(line["discount_amount"])
    discounts = line.get("discount_amounts") or ()
    return int(line["amount"]) - sum(int(discount["amount"]) for discount in discounts)


def _lines(invoice: StripeObject) -> Sequence[StripeObject]:
    lines: Sequence[StripeObject] = (invoice.get("lines") or {}).get("data") or ()
    return lines


def _utc_date(timestamp: int) -> date:
    return datetime.fromtimestamp(timestamp, UTC).date()
