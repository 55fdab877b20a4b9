"""The proof: what every order line was sold for beside what its invoices come to (B12.3)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from cpqbridge.domain.billing import ForecastInvoice, OneTimeItem, Proof, TakenAmount
from cpqbridge.domain.money import major_text, rounded_minor
from cpqbridge.domain.order import Order
from cpqbridge.domain.refusal import OrderState, Refusal
from cpqbridge.planning.contract import Contract

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


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """What a contract's orders say of their lines, beside what is billed.

    `dropped` are credits that a policy drops (negative minor units), by order line; `adjustments` what later
    lines take from a line, less what it takes from others.
    """

    contract: Contract
    dropped: Mapping[str, int]
    taken: tuple[TakenAmount, ...]
    adjustments: Mapping[str, int]

    @staticmethod
    def of(contract: Contract, dropped: Iterable[OneTimeItem]) -> Evidence:
        """Return the evidence of a contract; `dropped` are the credits that are never made."""
        amounts: Counter[str] = Counter()
        for item in dropped:
            amounts[item.order_item_id] += item.amount_minor
        taken = tuple(
            TakenAmount(
                reducing_id=reduction.line.order_item_id,
                reduced_id=run.line.order_item_id,
                amount_minor=run.taken_minor(take),
            )
            for reduction in contract.reductions
            for run, take in reduction.takes
        )
        adjustments: Counter[str] = Counter()
        for each in taken:
            adjustments[each.reduced_id] += each.amount_minor
            adjustments[each.reducing_id] -= each.amount_minor
        return Evidence(contract=contract, dropped=amounts, taken=taken, adjustments=adjustments)

    def prove(self, order: Order, billed: Mapping[str, int]) -> Iterator[Proof]:
        """Yield the proof of each line of an order; `billed` are raw sums per line of all its bills."""
        for line in order.lines:
            order_item_id = line.order_item_id
            sold = rounded_minor(line.total_price, order.currency)
            proven = billed.get(order_item_id, 0) + self.adjustments.get(order_item_id, 0)
            yield Proof(
                order_item_id=order_item_id,
                order_id=order.order_id,
                currency=order.currency,
                sold_minor=sold,
                billed_minor=proven,
                reason=self.reason_for(order_item_id, proven - sold),
            )

    def reason_for(self, order_item_id: str, difference_minor: int) -> str | None:
        """Return why billed and sold differ, None when they do not; any gap without a name is a mismatch.

        Rounding explains at most half a minor unit for each charge, and nothing on a line whose head or tail
        takes the remainder.
        """
        if difference_minor == 0:
            return None
        run = self.contract.runs.get(order_item_id)
        if run is None:
            return "credit_policy" if difference_minor == -self.dropped.get(order_item_id, 0) else MISMATCH
        charges = 0 if run.pieces.exact else run.pieces.cycles
        if abs(difference_minor + run.skipped_minor) * 2 > charges:
            return MISMATCH
        if not run.skipped_minor:
            return "rounding"
        return "past_skipped" if run.order.skip_past_initial_invoices else "billed_elsewhere"


def mismatches(proofs: Iterable[Proof]) -> Iterator[Refusal]:
    """Yield a failure for each line whose bills would not sum to what was sold, for no reason we know."""
    for proof in proofs:
        if proof.reason == MISMATCH:
            yield Refusal(
                code=MISMATCH,
                message=f"Order line {proof.order_item_id} was sold for "
                f"{major_text(proof.sold_minor, proof.currency)} but would be billed "
                f"{major_text(proof.billed_minor, proof.currency)}; nothing was sent.",
                record_id=proof.order_item_id,
                field="TotalPrice",
                fix="Report this order to the maintainers with its rehearsal; bill it by hand meanwhile.",
                order_id=proof.order_id,
                state=OrderState.FAILED,
            )
