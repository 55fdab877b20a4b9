"""The proof: what every order line was sold for beside what its invoices come to (B12.3)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping

from cpqbridge.domain.billing import ForecastInvoice, Proof
from cpqbridge.domain.money import rounded_minor
from cpqbridge.domain.order import OrderLine
from cpqbridge.planning.pieces import LinePieces

REASONS = (
    "rounding",
    "metered",
    "evergreen",
    "skipped",
    "credit_policy",
    "past_skipped",
    "billed_elsewhere",
    "multiplier",
    "custom_price",
    "trial",
    "discount",
)
MISMATCH = "proof_mismatch"


def billed_by_line(invoices: Iterable[ForecastInvoice]) -> Counter[str]:
    """Return the sum of all shares per order line, in minor units."""
    billed: Counter[str] = Counter()
    for invoice in invoices:
        for line in invoice.lines:
            for order_item_id, amount_minor in line.shares:
                billed[order_item_id] += amount_minor
    return billed


def reason_for(difference_minor: int, pieces: LinePieces | None, skipped_minor: int) -> str | None:
    """Return why billed and sold differ, None when they do not; any gap without a name is a mismatch.

    Rounding explains at most half a minor unit for each charge, and nothing on a line whose head or tail
    takes the remainder.
    """
    if difference_minor == 0:
        return None
    charges = 0 if pieces is None or pieces.exact else pieces.cycles
    unexplained = abs(difference_minor + skipped_minor) * 2
    if unexplained > charges:
        return MISMATCH
    return "past_skipped" if skipped_minor else "rounding"


def prove(
    lines: Iterable[OrderLine],
    invoices: Iterable[ForecastInvoice],
    *,
    currency: str,
    pieces: Mapping[str, LinePieces],
    skipped_minor: Mapping[str, int],
) -> tuple[Proof, ...]:
    """Return the proof of each order line, in the order given."""
    billed = billed_by_line(invoices)
    proofs = []
    for line in lines:
        sold = rounded_minor(line.total_price, currency)
        difference = billed[line.order_item_id] - sold
        proofs.append(
            Proof(
                order_item_id=line.order_item_id,
                order_id=line.order_id,
                currency=currency,
                sold_minor=sold,
                billed_minor=billed[line.order_item_id],
                reason=reason_for(
                    difference, pieces.get(line.order_item_id), skipped_minor.get(line.order_item_id, 0)
                ),
            )
        )
    return tuple(proofs)
