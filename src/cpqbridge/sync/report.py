"""The report of a rehearsal: what happened to each order and what every invoice really says (version 1)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from cpqbridge.domain.billing import Plan, Proof, TakenAmount
from cpqbridge.domain.refusal import OrderState
from cpqbridge.sync.documents import DOCUMENT_VERSION, proof_document
from cpqbridge.sync.report_invoices import BilledDocument

MISMATCH = "proof_mismatch"
_BY_USAGE = "metered"
NEEDS_SOMEONE = frozenset({OrderState.REFUSED, OrderState.HELD, OrderState.FAILED})


@dataclass(frozen=True, slots=True, kw_only=True)
class Calls:
    """How many API requests each side answered."""

    salesforce: int = 0
    stripe: int = 0

    def since(self, earlier: Calls) -> Calls:
        """Return how many came after `earlier`."""
        return Calls(salesforce=self.salesforce - earlier.salesforce, stripe=self.stripe - earlier.stripe)

    def plus(self, other: Calls) -> Calls:
        """Return the sum of both."""
        return Calls(salesforce=self.salesforce + other.salesforce, stripe=self.stripe + other.stripe)

    def as_document(self) -> dict[str, int]:
        """Return them as they stand in the report."""
        return {"salesforce": self.salesforce, "stripe": self.stripe}


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportedOrder:
    """One order of the export and what became of it.

    `customer`, `purpose` (the order's own description) and `line_names` (by order item id) are for people.
    `taken` is what reductions take from lines of the contract; no invoice shows it.
    """

    order_id: str
    order_number: str
    contract: str
    state: OrderState
    code: str | None
    message: str | None
    fix: str = ""
    customer: str = ""
    purpose: str = ""
    calls: Calls = field(default_factory=Calls)
    proof: tuple[Proof, ...] = ()
    taken: tuple[TakenAmount, ...] = ()
    line_names: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """Everything a rehearsal found, with amounts in minor units until it becomes a document.

    `plans` is the last plan of each contract by its key, for the pictures of the page; the document has none.
    """

    notes: tuple[str, ...]
    calls: Calls
    orders: tuple[ReportedOrder, ...]
    invoices: tuple[BilledDocument, ...]
    plans: Mapping[str, Plan] = field(default_factory=dict)

    @property
    def needs_someone(self) -> bool:
        """Return whether an order is refused, held or failed."""
        return any(order.state in NEEDS_SOMEONE for order in self.orders)

    def as_document(self) -> dict[str, Any]:
        """Return the report as the JSON document, version 1."""
        return {
            "version": DOCUMENT_VERSION,
            "notes": list(self.notes),
            "calls": self.calls.as_document(),
            "orders": [_order_document(order) for order in self.orders],
            "invoices": [invoice.as_document() for invoice in self.invoices],
        }


def proof_against(proof: Proof, billed: Mapping[str, int]) -> Proof:
    """Return one order line's proof with `billed` taken from invoices (minor units by order item id).

    `billed` counts as proofs do: see `report_shares.with_taken`.

    The plan's reason stands where its difference came true, and for usage; any other gap is a mismatch.
    """
    actual = billed.get(proof.order_item_id, 0)
    is_as_planned = actual == proof.billed_minor or proof.reason == _BY_USAGE
    reason = proof.reason if is_as_planned else MISMATCH
    return Proof(
        order_item_id=proof.order_item_id,
        order_id=proof.order_id,
        currency=proof.currency,
        sold_minor=proof.sold_minor,
        billed_minor=actual,
        reason=None if actual == proof.sold_minor and reason != _BY_USAGE else reason,
    )


def _order_document(order: ReportedOrder) -> dict[str, Any]:
    return {
        "order_id": order.order_id,
        "order_number": order.order_number,
        "contract": order.contract,
        "state": order.state.value,
        "code": order.code,
        "message": order.message,
        "calls": order.calls.as_document(),
        "proof": [proof_document(proof, taken=order.taken) for proof in order.proof],
    }
