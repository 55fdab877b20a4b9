"""The proof: what every order line was sold for beside what its invoices come to (B12.3)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from cpqbridge.domain.billing import BillingObject, OneTimeItem, Proof, TakenAmount
from cpqbridge.domain.money import major_text, rounded_minor
from cpqbridge.domain.order import Order, OrderLine
from cpqbridge.domain.refusal import OrderState, Refusal
from cpqbridge.planning.contract import Contract
from cpqbridge.planning.items import credit_minor, reduced_minor
from cpqbridge.planning.runs import Run

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


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """What a contract's orders say of their lines, beside what is billed.

    `dropped` are credits that are never made, by order line; `adjustments` what later lines take from a line,
    less what it takes from others; `lost` what somebody stopped in Stripe before it was billed, `off` what
    coupons took off (all in minor units).
    """

    contract: Contract
    dropped: Mapping[str, int]
    taken: tuple[TakenAmount, ...]
    adjustments: Mapping[str, int]
    lost: Mapping[str, int]
    off: Mapping[str, int]

    @staticmethod
    def of(
        contract: Contract,
        dropped: Iterable[OneTimeItem],
        objects: Iterable[BillingObject],
        *,
        off: Mapping[str, int],
    ) -> Evidence:
        """Return the evidence of a contract; `dropped` are the credits that are never made."""
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
        amounts: Counter[str] = Counter()
        for item in dropped:
            amounts[item.order_item_id] += item.amount_minor + item.off_minor
        lost: Counter[str] = Counter()
        for wanted in objects:
            lost.update(dict(wanted.lost))
        return Evidence(
            contract=contract,
            dropped=amounts,
            taken=taken,
            adjustments=adjustments,
            lost=lost,
            off=off,
        )

    def prove(self, order: Order, billed: Mapping[str, int]) -> Iterator[Proof]:
        """Yield the proof of each line of an order; `billed` are raw sums per line of all its bills."""
        for line in order.lines:
            sold = rounded_minor(line.total_price, order.currency)
            proven = billed.get(line.order_item_id, 0) + self.adjustments.get(line.order_item_id, 0)
            yield Proof(
                order_item_id=line.order_item_id,
                order_id=order.order_id,
                currency=order.currency,
                sold_minor=sold,
                billed_minor=proven,
                reason=self._reason(line, sold, proven - sold),
            )

    def _reason(self, line: OrderLine, sold_minor: int, difference_minor: int) -> str | None:
        """Return why billed and sold differ; a coupon is the reason where nothing else is."""
        off = self.off.get(line.order_item_id, 0)
        without = self.reason_for(line, sold_minor, difference_minor + off)
        return "discount" if off and without in (None, "rounding") else without

    def reason_for(self, line: OrderLine, sold_minor: int, difference_minor: int) -> str | None:
        """Return why billed and sold differ, None when they do not; any gap without a name is a mismatch.

        Rounding explains at most half a minor unit for each charge, and nothing on a line whose head or tail
        takes the remainder. What usage comes to is not known before, so a metered line always has its reason.
        """
        if line.metered:
            return "metered"
        if difference_minor == 0:
            return None
        run = self.contract.runs.get(line.order_item_id)
        reduction = next((each for each in self.contract.reductions if each.line is line), None)
        if run.pieces.by_formula if run is not None else reduction is not None and reduction.by_formula:
            return self._formula_reason(line, run, sold_minor + difference_minor)
        unbilled = self.lost.get(line.order_item_id, 0)
        if run is None:
            return self._reason_without_run(line, sold_minor, difference_minor + unbilled)
        if run.pieces.free_until is not None and not (unbilled or run.skipped_minor):
            off = abs(difference_minor + run.pieces.free_minor) * 2
            return "trial" if off <= (0 if run.pieces.exact else run.pieces.cycles) else MISMATCH
        unbilled += run.skipped_minor + run.pieces.free_minor
        charges = 0 if run.pieces.exact else run.pieces.cycles
        if abs(difference_minor + unbilled) * 2 > charges:
            return MISMATCH
        if not unbilled:
            return "rounding"
        return "past_skipped" if run.order.skip_past_initial_invoices else "billed_elsewhere"

    def _formula_reason(self, line: OrderLine, run: Run | None, proven_minor: int) -> str:
        """Return the reason of a line whose `TotalPrice` is not used.

        That of an evergreen line is for a month, while it is billed up to its horizon. What is proven must be
        what its pieces come to, less what was never billed by us.
        """
        unbilled = self.lost.get(line.order_item_id, 0)
        if run is not None:
            expected = run.pieces.terms.sold_minor - run.skipped_minor
        else:
            reduction = next(each for each in self.contract.reductions if each.line is line)
            expected = credit_minor(reduction, self.contract.rules) - reduction.taken_minor
            expected -= self.dropped.get(line.order_item_id, 0)
        # Tiers count the lines of a lineage together, so one that ends moves the amounts of the others.
        if proven_minor + unbilled != expected and line.tiers is None:
            return MISMATCH
        return "evergreen" if line.evergreen else "custom_price"

    def _reason_without_run(self, line: OrderLine, sold_minor: int, difference_minor: int) -> str:
        """Return the reason of a reduction or one-time line."""
        reduction = next((each for each in self.contract.reductions if each.line is line), None)
        if reduction is not None and reduction.free_takes:
            difference_minor += sold_minor - reduced_minor(reduction, self.contract.rules)
            if not difference_minor:
                return "trial"
        cutover = self.contract.cutover
        is_before = cutover is not None and line.starts_on < cutover
        dropped = self.dropped.get(line.order_item_id)
        if dropped is not None and difference_minor == -dropped:
            if is_before:
                return "billed_elsewhere"
            return "past_skipped" if self._is_of_skipped_time(line) else "credit_policy"
        if difference_minor in (0, -sold_minor) and (is_before or not difference_minor):
            return "billed_elsewhere"
        return MISMATCH

    def _is_of_skipped_time(self, line: OrderLine) -> bool:
        reductions = (each for each in self.contract.reductions if each.line is line)
        return any(
            each.unbilled_before is not None and line.starts_on < each.unbilled_before for each in reductions
        )


def skipped_proofs(order: Order) -> Iterator[Proof]:
    """Yield the proof of each line of an order that is left out on purpose: nothing is billed of it here."""
    for line in order.skipped_lines:
        yield Proof(
            order_item_id=line.order_item_id,
            order_id=order.order_id,
            currency=order.currency,
            sold_minor=rounded_minor(line.total_price, order.currency),
            billed_minor=0,
            reason="skipped",
        )


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
