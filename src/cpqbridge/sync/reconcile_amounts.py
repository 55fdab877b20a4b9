"""What a contract has billed in Stripe beside what its objects should have billed by now, to the minor unit.

Whether money differs is decided per order line, over all invoices and credits together; only where it does,
single invoices are looked at, to say which of them it is. So an invoice that Stripe cuts or dates in its own
way is no finding, and no cent is left out. What is due later is not looked at here: the schedules say that.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from functools import cached_property
from typing import Any

from cpqbridge.domain.billing import BillingObject, ForecastInvoice
from cpqbridge.domain.money import major_text
from cpqbridge.planning.forecast import billed_by_line, forecast_object
from cpqbridge.sync.findings import Finding, FindingKind
from cpqbridge.sync.report_invoices import BilledDocument, billed_by_order_item, billed_documents
from cpqbridge.sync.report_shares import order_items
from cpqbridge.sync.sold_terms import metered_lines, renewed_from, tiers_by_line

StripeObject = Mapping[str, Any]
Identity = tuple[str, str, date]
"""What tells a charge from every other: order line, kind, first day of its time (B6.2)."""

Amounts = tuple[int, int]
"""What is and what should be, in minor units."""

LATE_BY = timedelta(hours=3)
"""How late Stripe may make an invoice: within about an hour of the boundary, and some room.
Source: docs.stripe.com/billing/subscriptions/billing-cycle, as restated in design notes, 20 Nov 2026."""

_OURS = "cpqbridge_key"
_ROOT = "salesforce_root_id"
_GIVEN_UP = {"void": "was voided", "uncollectible": "was marked uncollectible"}
_BY_HAND = "Past billing is not changed by itself. "


@dataclass(frozen=True, slots=True, kw_only=True)
class BilledRecords:
    """What Stripe has of the customers of a contract, as the API returns it; other contracts' too."""

    invoices: tuple[StripeObject, ...] = ()
    credit_notes: tuple[StripeObject, ...] = ()
    balance_transactions: tuple[StripeObject, ...] = ()
    pending: tuple[StripeObject, ...] = ()


@dataclass(frozen=True, kw_only=True)
class BilledContract:
    """One contract: its objects as they were sent last, and the records of its customers.

    `at` is the instant at which they were read (aware UTC). `subscription_ids` are those its schedules drive,
    `elsewhere` the order lines that belong to other contracts of the same customers.
    """

    root_id: str
    contract_key: str
    sent: tuple[BillingObject, ...]
    product_names: Mapping[str, str]
    records: BilledRecords
    at: datetime
    subscription_ids: frozenset[str] = frozenset()

    def findings(self) -> Iterator[Finding]:
        """Yield every difference in what was billed so far, and what waits for the next invoice."""
        account = _Account(billed=self._billed, expected=self._expected, contract=self)
        yield from account.findings(self._given_up(), self._notes_by_hand, self._void_notes)
        for invoice in self._counted:
            yield from self._foreign_lines(invoice)
        yield from self._pending()

    @cached_property
    def line_ids(self) -> frozenset[str]:
        """Return every order line that its objects bill."""
        found = {line.order_item_id for each in self.sent for line in each.lines}
        for each in self.sent:
            for phase in (*each.phases, *each.past):
                found |= {item.order_item_id for item in phase.one_time_items}
                found |= {line_id for item in phase.items for line_id in item.order_item_ids}
        return frozenset(found)

    @cached_property
    def metered(self) -> frozenset[str]:
        """Return the order lines whose amounts nobody knows before."""
        return metered_lines(self.sent)

    @cached_property
    def shared(self) -> Mapping[str, str]:
        """Return, for order lines that share an item of a schedule, the one that stands for them together.

        An invoice line names all of them, and how much of it is for which is not said to the cent.
        """
        found: dict[str, str] = {}
        for each in self.sent:
            for phase in (*each.phases, *each.past):
                for item in phase.items:
                    together = {found.get(line_id, line_id) for line_id in item.order_item_ids}
                    first = min(together, default="")
                    found |= {line_id: first for line_id, old in found.items() if old in together}
                    found |= dict.fromkeys(item.order_item_ids, first)
        return found

    @property
    def currency(self) -> str:
        """Return the currency of the contract, empty where nothing was sent."""
        return self.sent[0].currency if self.sent else ""

    def orders_of(self, line_ids: Iterable[str]) -> tuple[str, ...]:
        """Return the orders of these lines as far as their charges name them, sorted."""
        wanted = frozenset(line_ids)
        return tuple(
            sorted(
                {
                    item.order_id
                    for each in self.sent
                    for phase in each.phases
                    for item in phase.one_time_items
                    if item.order_item_id in wanted
                }
                or {order_id for each in self.sent for order_id in each.order_ids}
            )
        )

    @cached_property
    def _invoices(self) -> tuple[StripeObject, ...]:
        return tuple(each for each in self.records.invoices if self._is_ours(each))

    @cached_property
    def _counted(self) -> tuple[StripeObject, ...]:
        return tuple(each for each in self._invoices if each.get("status") not in _GIVEN_UP)

    @cached_property
    def _notes(self) -> tuple[StripeObject, ...]:
        ours = {each["id"] for each in self._invoices}
        return tuple(each for each in self.records.credit_notes if _id(each.get("invoice")) in ours)

    @cached_property
    def _notes_by_hand(self) -> tuple[BilledDocument, ...]:
        by_hand = [each for each in self._notes if not (each.get("metadata") or {}).get(_OURS)]
        counted = {each["id"] for each in self._counted}
        return self._documents(self._counted, [each for each in by_hand if _id(each["invoice"]) in counted])[
            1
        ]

    @cached_property
    def _void_notes(self) -> tuple[BilledDocument, ...]:
        void = [
            {**each, "status": "issued"}
            for each in self._notes
            if each.get("status") == "void" and (each.get("metadata") or {}).get(_OURS)
        ]
        return self._documents(self._counted, void)[1]

    @cached_property
    def _billed(self) -> tuple[BilledDocument, ...]:
        invoices, notes = self._documents(self._counted, self._notes)
        return (*invoices, *notes)

    def _given_up(self) -> Iterator[tuple[str, tuple[BilledDocument, ...]]]:
        """Yield, for each invoice that counts no more, words for it and what it had billed."""
        for each in self._invoices:
            words = _GIVEN_UP.get(str(each.get("status")))
            if words is not None:
                notes = [note for note in self._notes if _id(note.get("invoice")) == each["id"]]
                invoices, credited = self._documents([{**each, "status": "paid"}], notes)
                yield f"Invoice {each.get('number') or each['id']} {words}", (*invoices, *credited)

    def _documents(
        self, invoices: Iterable[StripeObject], notes: Iterable[StripeObject]
    ) -> tuple[tuple[BilledDocument, ...], tuple[BilledDocument, ...]]:
        """Return invoices, and credits of both kinds, shared out to order lines."""
        found = billed_documents(
            invoices,
            notes,
            contract_of_line=dict.fromkeys(self.line_ids, self.root_id),
            renewed_from=renewed_from(self.sent),
            tiers=tiers_by_line(self.sent),
            balance_transactions=self.records.balance_transactions,
        )
        ours = [each for each in found if each.contract == self.root_id]
        return (
            tuple(each for each in ours if each.kind == "invoice"),
            tuple(each for each in ours if each.kind != "invoice"),
        )

    @cached_property
    def _expected(self) -> tuple[ForecastInvoice, ...]:
        """Return what should have been billed by now; what is due just now only where it is there."""
        due = [
            invoice
            for each in self.sent
            for invoice in forecast_object(each, product_names=self.product_names)
            if invoice.at <= self.at
        ]
        there = {
            (owner, line.kind, line.period_start)
            for document in self._billed
            for line in document.lines
            for owner, _ in line.shares
        }
        return tuple(
            invoice
            for invoice in due
            if invoice.at <= self.at - LATE_BY
            or invoice.kind != "invoice"
            or any(key in there for key, _ in _identities(invoice))
        )

    def _is_ours(self, invoice: StripeObject) -> bool:
        details = ((invoice.get("parent") or {}).get("subscription_details")) or {}
        named = [(each.get("metadata") or {}).get(_ROOT) for each in (invoice, details)]
        if self.root_id in named or _id(details.get("subscription")) in self.subscription_ids:
            return True
        lines = (invoice.get("lines") or {}).get("data") or ()
        return any(self.line_ids.intersection(order_items(line)) for line in lines)

    def _foreign_lines(self, invoice: StripeObject) -> Iterator[Finding]:
        """Yield a finding where an invoice of the contract bills something that no order line names."""
        lines = (invoice.get("lines") or {}).get("data") or ()
        foreign = [line for line in lines if line["amount"] and not order_items(line)]
        if not foreign:
            return
        total = sum(int(line["amount"]) for line in foreign)
        what = ", ".join(sorted({str(line.get("description") or line["id"]) for line in foreign}))
        yield self.finding(
            FindingKind.CHANGED_IN_STRIPE,
            subject=f"{invoice['id']}:lines",
            stripe_id=str(invoice["id"]),
            found=f"Invoice {invoice['id']} also bills what no order sold: {what}",
            wanted="only what the orders sold",
            amounts=(total, 0),
            fix=f"{_BY_HAND}Credit these lines in Stripe, or accept them.",
        )

    def _pending(self) -> Iterator[Finding]:
        """Yield a finding for each item by hand that the next invoice of a subscription of ours takes in."""
        for item in self.records.pending:
            details = ((item.get("parent") or {}).get("subscription_details")) or {}
            named = _id(details.get("subscription") or item.get("subscription"))
            if named in self.subscription_ids and not order_items(item) and item.get("amount"):
                yield self.finding(
                    FindingKind.EXTRA,
                    subject=str(item["id"]),
                    stripe_id=named,
                    found=f"The next invoice of {named} also bills {item.get('description') or item['id']}",
                    wanted="only what the orders sold",
                    amounts=(int(item["amount"]), 0),
                    fix="Delete the pending item in Stripe before the next invoice, or accept it.",
                )

    def finding(
        self,
        kind: FindingKind,
        *,
        subject: str,
        found: str,
        wanted: str,
        amounts: Amounts,
        fix: str,
        stripe_id: str | None = None,
        line_ids: Iterable[str] = (),
    ) -> Finding:
        """Return a finding about an amount: (is, should be) in minor units."""
        is_minor, should_minor = amounts
        return Finding(
            kind=kind,
            root_id=self.root_id,
            contract_key=self.contract_key,
            subject=subject,
            order_ids=self.orders_of(line_ids),
            stripe_id=stripe_id,
            found=found,
            wanted=wanted,
            found_minor=is_minor,
            wanted_minor=should_minor,
            currency=self.currency,
            fix=fix,
            marks=(f"{kind.value} {is_minor} {should_minor}",),
        )


class _Account:
    """The balance of a contract per order line; each finding takes its part of the difference out of it."""

    def __init__(
        self,
        *,
        billed: Sequence[BilledDocument],
        expected: Sequence[ForecastInvoice],
        contract: BilledContract,
    ) -> None:
        self._contract = contract
        self._documents = [each for each in billed if each.kind == "invoice"]
        self._expected = [each for each in expected if each.kind == "invoice"]
        self._is = self._together(billed_by_order_item(billed))
        self._should = self._together(billed_by_line(expected))
        self._gap = {
            line_id: gap
            for line_id in (*self._is, *self._should)
            if line_id not in contract.metered
            and (gap := self._is.get(line_id, 0) - self._should.get(line_id, 0))
        }

    def findings(
        self,
        given_up: Iterable[tuple[str, tuple[BilledDocument, ...]]],
        notes_by_hand: Iterable[BilledDocument],
        void_notes: Iterable[BilledDocument],
    ) -> Iterator[Finding]:
        """Yield what explains the gaps, one document at a time, then what is left of each order line."""
        for words, documents in given_up:
            yield from self._undone(documents, words)
        for note in void_notes:
            yield from self._undone((note,), f"Credit {note.stripe_id} was voided")
        for note in notes_by_hand:
            yield from self._credited(note)
        yield from self._by_identity()
        for line_id in sorted(self._gap):
            if self._gap[line_id]:
                yield self._rest(line_id)

    def _undone(self, documents: tuple[BilledDocument, ...], words: str) -> Iterator[Finding]:
        """Yield a finding for what somebody took back, where the contract lacks it since."""
        shares = self._together(billed_by_order_item(documents))
        taken = {line_id: amount for line_id, amount in shares.items() if self._lacks(line_id, amount)}
        if not taken:
            return
        for line_id, amount in taken.items():
            self._gap[line_id] += amount
        total, stripe_id = sum(taken.values()), documents[0].stripe_id
        yield self._contract.finding(
            FindingKind.CHANGED_IN_STRIPE,
            subject=stripe_id,
            stripe_id=stripe_id,
            found=f"{words}: {self._text(total)} is not billed",
            wanted=f"{self._text(total)} for what was sold",
            amounts=(0, total),
            fix=f"{_BY_HAND}Bill it again in Stripe by hand if that is still to be paid, and accept this "
            "finding either way.",
            line_ids=taken,
        )

    def _lacks(self, line_id: str, amount_minor: int) -> bool:
        gap = self._gap.get(line_id, 0)
        return bool(amount_minor) and (gap <= -amount_minor if amount_minor > 0 else gap >= -amount_minor)

    def _credited(self, note: BilledDocument) -> Iterator[Finding]:
        """Yield a finding for a credit note by hand, unless it gives back what was billed too much."""
        shares = {
            line_id: amount
            for line_id, amount in self._together(billed_by_order_item([note])).items()
            if self._gap.get(line_id, 0) <= amount < 0
        }
        if not shares and any(line.shares for line in note.lines):
            return
        for line_id, amount in shares.items():
            self._gap[line_id] -= amount
        yield self._contract.finding(
            FindingKind.CHANGED_IN_STRIPE,
            subject=note.stripe_id,
            stripe_id=note.stripe_id,
            found=f"Credit note {note.number or note.stripe_id} over {self._text(-note.total_minor)} was "
            "made by hand",
            wanted="no credit that no order gives",
            amounts=(note.total_minor, 0),
            fix=f"{_BY_HAND}Void the credit note in Stripe if it is a mistake; else accept it.",
            line_ids=(owner for line in note.lines for owner, _ in line.shares),
        )

    def _by_identity(self) -> Iterator[Finding]:
        """Yield for each invoice what of it is not as it should be, where its order lines differ in sum."""
        expected: Counter[Identity] = Counter()
        invoice_of: dict[Identity, ForecastInvoice] = {}
        for invoice in self._expected:
            for key, amount in self._identities(invoice):
                expected[key] += amount
                invoice_of[key] = invoice
        billed: defaultdict[Identity, Counter[str]] = defaultdict(Counter)
        for document in self._documents:
            for key, amount in self._identities(document):
                billed[key][document.stripe_id] += amount
        by_invoice: defaultdict[int, dict[Identity, int]] = defaultdict(dict)
        by_document: defaultdict[str, dict[Identity, Amounts]] = defaultdict(dict)
        for key in sorted({*expected, *billed}):
            if not self._gap.get(key[0]) or expected[key] == billed[key].total():
                continue
            for stripe_id, amounts in _matched(billed[key], expected[key]).items():
                by_document[stripe_id][key] = amounts
            if key not in billed:
                by_invoice[self._expected.index(invoice_of[key])][key] = expected[key]
        for place, owed in sorted(by_invoice.items()):
            yield self._missing(self._expected[place], owed)
        documents = {each.stripe_id: each for each in self._documents}
        for stripe_id, wrong in sorted(by_document.items()):
            schedule = next((invoice_of[key].object_key for key in wrong if key in invoice_of), "")
            yield replace(self._wrong(documents[stripe_id], wrong), key=schedule)

    def _missing(self, invoice: ForecastInvoice, owed: Mapping[Identity, int]) -> Finding:
        total = sum(owed.values())
        for key, amount in owed.items():
            self._gap[key[0]] += amount
        found = self._contract.finding(
            FindingKind.MISSING,
            subject=f"{invoice.object_key}@{invoice.on.isoformat()}",
            found=f"There is no invoice of {invoice.on.isoformat()} over {self._text(total)}",
            wanted=f"{self._text(total)} billed on {invoice.on.isoformat()}",
            amounts=(0, total),
            fix=f"{_BY_HAND}Look in Stripe who deleted it or stopped the billing; bill it by hand if it is "
            "still to be paid, and accept this finding either way.",
            line_ids=(key[0] for key in owed),
        )
        return replace(found, key=invoice.object_key, billed_on=invoice.on)

    def _wrong(self, document: BilledDocument, wrong: Mapping[Identity, Amounts]) -> Finding:
        is_minor = sum(each[0] for each in wrong.values())
        should_minor = sum(each[1] for each in wrong.values())
        for key, (billed_minor, expected_minor) in wrong.items():
            self._gap[key[0]] -= billed_minor - expected_minor
        unwanted = not any(expected_minor for _, expected_minor in wrong.values())
        name = document.number or document.stripe_id
        found = self._contract.finding(
            FindingKind.EXTRA if unwanted else FindingKind.AMOUNT_DIFFERS,
            subject=document.stripe_id,
            stripe_id=document.stripe_id,
            found=f"Invoice {name} of {document.on.isoformat()} bills {self._text(is_minor)} "
            + ("that no order sold" if unwanted else "for what should be another amount"),
            wanted=f"{self._text(should_minor)} for these order lines",
            amounts=(is_minor, should_minor),
            fix=f"{_BY_HAND}Credit the difference in Stripe by hand, or accept it."
            if is_minor > should_minor
            else f"{_BY_HAND}Bill the difference in Stripe by hand, or accept it.",
            line_ids=(key[0] for key in wrong),
        )
        return replace(found, billed_on=document.on)

    def _rest(self, line_id: str) -> Finding:
        is_minor, should_minor = self._is.get(line_id, 0), self._should.get(line_id, 0)
        return self._contract.finding(
            FindingKind.AMOUNT_DIFFERS,
            subject=line_id,
            found=f"Order line {line_id} comes to {self._text(is_minor)} on all invoices and credits so far",
            wanted=f"{self._text(should_minor)} by now",
            amounts=(is_minor, should_minor),
            fix=f"{_BY_HAND}Compare the invoices and credits of the contract with "
            "`cpqbridge order preview`; put the difference right in Stripe by hand, or accept it.",
            line_ids=(line_id,),
        )

    def _together(self, amounts: Mapping[str, int]) -> Counter[str]:
        """Return amounts with those of order lines that share an item as one."""
        found: Counter[str] = Counter()
        for line_id, amount in amounts.items():
            found[self._contract.shared.get(line_id, line_id)] += amount
        return found

    def _identities(self, invoice: ForecastInvoice | BilledDocument) -> Iterator[tuple[Identity, int]]:
        shared = self._contract.shared
        return (((shared.get(key[0], key[0]), *key[1:]), amount) for key, amount in _identities(invoice))

    def _text(self, amount_minor: int) -> str:
        currency = self._contract.currency
        return f"{major_text(amount_minor, currency)} {currency.upper()}"


def _matched(billed: Mapping[str, int], expected_minor: int) -> dict[str, Amounts]:
    """Return what is wrong of the documents that bill one charge, by id: (is, should be) in minor units.

    Of several that bill the same, the first one that is right is the one that is wanted.
    """
    right = next((each for each, amount in billed.items() if amount == expected_minor), None)
    wanted = right or next(iter(billed), None)
    return {
        each: (amount, expected_minor if each == wanted else 0)
        for each, amount in billed.items()
        if each != right
    }


def _identities(invoice: ForecastInvoice | BilledDocument) -> Iterator[tuple[Identity, int]]:
    for line in invoice.lines:
        for owner, amount_minor in line.shares:
            yield (owner, line.kind, line.period_start), amount_minor


def _id(value: Any) -> str | None:
    found = value.get("id") if isinstance(value, Mapping) else value
    return found if isinstance(found, str) else None
