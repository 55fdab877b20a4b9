"""Plans that wait for a person: everything is computed, but the numbers deserve a look first."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from fractions import Fraction

from cpqbridge.domain.billing import BillingObject, Touched
from cpqbridge.domain.dates import add_months, day_after, midnight
from cpqbridge.domain.money import major_text, round_half_up, rounded_minor, to_minor
from cpqbridge.domain.order import LineKind, Order, OrderKind, OrderLine, RenewedLine
from cpqbridge.domain.refusal import OrderState, Refusal
from cpqbridge.mapping.configuration import Configuration
from cpqbridge.mapping.policies import OverlapPolicy, Policy
from cpqbridge.planning.contract import Contract
from cpqbridge.planning.items import credit_minor
from cpqbridge.planning.pieces import MONTHS_PER_DAY, TOLERATED_DAYS, LinePieces, outside
from cpqbridge.planning.proration import line_term, multiplier_fits, term_months
from cpqbridge.planning.reductions import Reduction
from cpqbridge.planning.runs import Run
from cpqbridge.planning.tracks import is_evergreen

MAXIMUM_INVOICE_LINES = 250
_MONTHS_COUNTED = 12
LATE = frozenset({"contract_over", "too_many_lines", "backdated"})
"""Holds by the time that has passed; they concern what is still missing of a half-made order too."""
NEVER_RELEASED = frozenset(
    {
        "too_many_lines",
        "changed_after_sync",
        "left_out_after_sync",
        "order_gone",
        "reduction_across_ends",
        "reduction_of_block_price",
    }
    | {"unbilled_time_taken_back"}
)
"""Holds that stand although somebody releases them: the data does not say what to do instead."""
RELEASED_THOUGH_REFUSED = frozenset({"schedule_ended_in_stripe"})
"""Refusals that a person can release, as holds can be."""


def _hold(order: Order, code: str, message: str, *, record_id: str, field: str, fix: str) -> Refusal:
    return Refusal(
        code=code,
        message=message,
        record_id=record_id,
        field=field,
        fix=fix,
        order_id=order.order_id,
        state=OrderState.HELD,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """What is looked at before an order is carried out: the contract with the order taken in."""

    contract: Contract
    configuration: Configuration

    def late_holds(self, order: Order) -> Iterator[Refusal]:
        """Yield why what is still missing of a half-made order should be looked at: time has passed."""
        return (hold for hold in self.holds(order) if hold.code in LATE)

    def holds(self, order: Order) -> Iterator[Refusal]:
        """Yield every reason why a person should look at the order before it is billed."""
        runs = [run for run in self.contract.runs.values() if run.order is order]
        for run in runs:
            yield from self._line_holds(order, run.pieces)
        for reduction in self.contract.reductions:
            if reduction.order is order:
                yield from self._credit_holds(order, reduction)
        yield from self._elapsed_holds(order, runs)
        yield from self._cap_holds(order, runs)
        yield from self._overlap_holds(order)
        yield from self._renewed_itself_holds(order)

    def changes(self, order: Order, wanted: BillingObject, *, cancels: int) -> Iterator[Refusal]:
        """Yield why a schedule should not be changed for the order as it stands in Stripe.

        `cancels` is 0 where it is not to be cancelled, else how many schedules the plan cancels in all.

        One that somebody ended there need not be cancelled, but where it missed a charge since, there is
        nothing to credit the reduction against. Where its subscription goes on without it, both would bill.
        """
        state = self.contract.state
        touched = state.touched.get(wanted.key)
        if wanted.key in self.contract.restores and touched is not None and touched.goes_on is None:
            # It is put back because a person asked for exactly that.
            touched = None
        if touched is not None and not touched.is_over:
            yield _changed(order, touched)
        elif touched is not None and touched.goes_on is not None:
            yield _released(order, touched, cancels=bool(cancels))
        elif touched is not None and not cancels:
            yield _ended(order, touched)
        elif touched is not None and wanted.lost != state.objects[wanted.key].lost:
            yield _unbilled(order, touched)
        cap = self.configuration.caps.cancels_per_hour
        if cancels and state.recent_cancels + cancels > cap:
            yield _hold(
                order,
                "cap_cancels",
                f"Order {order.order_number} cancels {cancels} subscription schedules at once, and "
                f"{state.recent_cancels} were cancelled within the last hour; the cap is {cap} an hour.",
                record_id=order.order_id,
                field="",
                fix="Check that so many terminations are meant, then release the order; or raise "
                "`caps.cancels_per_hour`.",
            )

    def _line_holds(self, order: Order, pieces: LinePieces) -> Iterator[Refusal]:
        policy, line = self.configuration.policy, pieces.line
        if policy.multiplier_mismatch == "hold" and not multiplier_fits(line, policy.prorate_precision):
            yield _multiplier_hold(order, line, policy)
        if pieces.out_of_bounds is not None:
            piece = pieces.out_of_bounds
            yield _hold(
                order,
                "remainder_out_of_bounds",
                f"{line.words} would bill "
                f"{major_text(piece.amount_minor, order.currency)} "
                f"for {piece.start} to {piece.end}, far from that time's share.",
                record_id=line.order_item_id,
                field="TotalPrice",
                fix="Check unit price, total price and dates of the line, then release the order.",
            )

    def _credit_holds(self, order: Order, reduction: Reduction) -> Iterator[Refusal]:
        policy, line = self.configuration.policy, reduction.line
        if policy.multiplier_mismatch == "hold" and not multiplier_fits(line, policy.prorate_precision):
            yield _multiplier_hold(order, line, policy)
        credit = credit_minor(reduction, self.contract.rules)
        cutover = self.contract.cutover
        elsewhere = credit
        if cutover is not None:
            elsewhere += reduction.billed_since_minor(cutover)
        if elsewhere and cutover is not None and line.starts_on < cutover:
            yield _hold(
                order,
                "credit_needs_person",
                f"{line.words} gives {major_text(elsewhere, order.currency)} back for time from "
                f"{line.starts_on} on that was billed elsewhere, before {cutover}.",
                record_id=line.order_item_id,
                field="ServiceDate",
                fix="Give that credit where the time was billed, then release the order; no credit is made "
                "for it in Stripe.",
            )
        if reduction.by_formula:
            return
        strays, share = credit_strays(reduction, credit, policy.prorate_precision)
        if strays:
            yield _hold(
                order,
                "remainder_out_of_bounds",
                f"{line.words} takes {major_text(reduction.taken_minor, order.currency)} from later charges, "
                f"which leaves {major_text(credit, order.currency)} to credit; that time's share is "
                f"{major_text(share, order.currency)}.",
                record_id=line.order_item_id,
                field="TotalPrice",
                fix="Check unit price, total price and dates of the line, then release the order.",
            )

    def _elapsed_holds(self, order: Order, runs: Sequence[Run]) -> Iterator[Refusal]:
        now, today = self.contract.as_of, self.contract.today
        late = [run for run in runs if run.executed_at == now and run.begins_at <= now]
        if not late:
            return
        over = all(midnight(run.pieces.end) <= now for run in self.contract.runs.values())
        if order.kind is not OrderKind.AMENDMENT and over:
            yield _hold(
                order,
                "contract_over",
                f"All service of order {order.order_number} ended before {now:%Y-%m-%d}; nothing is left to "
                "schedule.",
                record_id=order.order_id,
                field="EffectiveDate",
                fix="Release the order to bill it on one invoice of its own, if it was never billed.",
            )
            return
        earliest = min(run.begins_at.date() for run in late)
        elapsed = max(_elapsed_periods(run, today) for run in late)
        if elapsed > self.configuration.caps.backdated_periods:
            yield _hold(
                order,
                "backdated",
                f"Order {order.order_number} started on {earliest}: {elapsed} billing periods have "
                "passed and would be billed at once.",
                record_id=order.order_id,
                field="EffectiveDate",
                fix="Release the order to bill them, set Skip_Past_Initial_Invoices__c to leave them out, "
                "or raise `caps.backdated_periods`.",
            )
        carried = sum(_elapsed_periods(run, now.date()) + 1 for run in late if run.carried)
        if carried + len(late) > MAXIMUM_INVOICE_LINES:
            yield _hold(
                order,
                "too_many_lines",
                f"The first invoice of order {order.order_number} would have more than "
                f"{MAXIMUM_INVOICE_LINES} lines.",
                record_id=order.order_id,
                field="EffectiveDate",
                fix="Set Skip_Past_Initial_Invoices__c on the order and bill the past by hand.",
            )

    def _cap_holds(self, order: Order, runs: Sequence[Run]) -> Iterator[Refusal]:
        cap, code = self.configuration.caps.bill_per_order, order.currency.upper()
        charged = {run.line.order_item_id: _charged_minor(run) for run in runs}
        total = sum(
            charged.get(line.order_item_id, rounded_minor(line.total_price, order.currency))
            for line in order.lines
        )
        if cap is not None and total > to_minor(cap, order.currency):
            yield _hold(
                order,
                "cap_bill_per_order",
                f"Order {order.order_number} bills {major_text(total, order.currency)} "
                f"{code} in all, more than the cap of {cap} {code}.",
                record_id=order.order_id,
                field="TotalAmount",
                fix="Check the order, then release it; or raise `caps.bill_per_order`.",
            )

    def _renewed_itself_holds(self, order: Order) -> Iterator[Refusal]:
        """Yield a hold where a subscription that renews by itself would run beside the order (B6.12)."""
        now = self.contract.as_of
        running = [
            sent
            for sent in self.contract.state.objects.values()
            if _renews_itself(sent) and sent.phases[-1].ends_at <= now
        ]
        if order.kind is OrderKind.RENEWAL:
            running += [sent for sent in self.contract.state.renewed.values() if _renews_itself(sent)]
        if any(sent.ended_at is None for sent in running):
            yield _hold(
                order,
                "released_schedule",
                f"Order {order.order_number} changes or renews a contract whose subscription renews by "
                "itself in Stripe; both would bill.",
                record_id=order.order_id,
                field="EffectiveDate",
                fix=f"End that subscription in Stripe on {order.effective_on}, then release the order.",
            )

    def _overlap_holds(self, order: Order) -> Iterator[Refusal]:
        """Yield a hold for a renewal whose lines run beside those of the contract it renews (B6.12)."""
        renewed = self.contract.history.renewed
        if order.kind is not OrderKind.RENEWAL or renewed is None:
            return
        if self.configuration.policy.overlap == OverlapPolicy.BOTH:
            return
        for line in order.lines:
            for old in renewed.lines:
                if old.product_id == line.product_id and _overlap(line, old):
                    yield _overlap_hold(order, line, old, self.configuration.policy)
                    return


def _renews_itself(sent: BillingObject) -> bool:
    """Return whether a subscription goes on after its term; an evergreen one has none."""
    return sent.kind == "schedule" and sent.end_behavior == "release" and not is_evergreen(sent.key)


def _charged_minor(run: Run) -> int:
    """Return what a line bills in all; one without an end what it bills in its first twelve months.

    `TotalPrice` is not what bills where a price of our own does, and of an evergreen line it is one period.
    """
    pieces = run.pieces
    if not run.line.evergreen and run.line.custom_price is None:
        return rounded_minor(run.line.total_price, run.order.currency)
    until = add_months(pieces.start, _MONTHS_COUNTED) if run.line.evergreen else pieces.end
    return sum(piece.amount_minor for piece in pieces.pieces if piece.start < until)


def _elapsed_periods(run: Run, today: date) -> int:
    """Return how many of the run's billing periods have passed since it began to be billed by us."""
    cycle = run.pieces.cycle
    return cycle.index_at_or_before(today) - cycle.index_at_or_before(run.begins_at.date())


def _overlap(line: OrderLine, old: RenewedLine) -> bool:
    return (
        line.kind is LineKind.RECURRING and line.starts_on <= old.ends_on and old.starts_on <= line.starts_on
    )


def _overlap_hold(order: Order, line: OrderLine, old: RenewedLine, policy: Policy) -> Refusal:
    end, precision = day_after(old.ends_on), policy.prorate_precision
    share = term_months(line.starts_on, end, precision) / term_months(old.starts_on, end, precision)
    amount = major_text(round_half_up(share * rounded_minor(old.total, order.currency)), order.currency)
    return _hold(
        order,
        "overlap",
        f"{line.words} begins on {line.starts_on} while the contract it renews still serves the same product "
        f"until {old.ends_on}: about {amount} {order.currency.upper()} would be billed twice.",
        record_id=line.order_item_id,
        field="ServiceDate",
        fix="Amend the old contract to zero from that day, so that its rest is credited; or release the "
        "order, or set `policy.overlap: both`, to bill both.",
    )


def _ended(order: Order, touched: Touched) -> Refusal:
    return Refusal(
        code="schedule_ended_in_stripe",
        message=f"Order {order.order_number} changes a subscription schedule that somebody ended in Stripe: "
        f"{touched.words}.",
        record_id=order.order_id,
        field="Stripe_ID__c",
        fix="To restart it, release schedule_ended_in_stripe: what is left is billed on a new schedule from "
        "the next period on. To adopt or ignore what was done, leave the order as it is and bill it by hand.",
        order_id=order.order_id,
    )


def _released(order: Order, touched: Touched, *, cancels: bool) -> Refusal:
    how = (
        f"Have {touched.goes_on} cancelled in Stripe on {order.effective_on}, then release "
        "schedule_ended_in_stripe: nothing else is left to do there."
        if cancels
        else f"To restart it, have {touched.goes_on} cancelled in Stripe at the end of its running period, "
        "then release schedule_ended_in_stripe: a new schedule bills what is left from the next period on. "
        "To leave it as it is, bill the order by hand."
    )
    return Refusal(
        code="schedule_ended_in_stripe",
        message=f"Order {order.order_number} changes a subscription schedule that has ended in Stripe: "
        f"{touched.words}. Its subscription {touched.goes_on} goes on as it was.",
        record_id=order.order_id,
        field="Stripe_ID__c",
        fix=how,
        order_id=order.order_id,
    )


def _unbilled(order: Order, touched: Touched) -> Refusal:
    return _hold(
        order,
        "unbilled_time_taken_back",
        f"Order {order.order_number} takes back service that Stripe never billed: {touched.words}, and "
        "charges have fallen due since.",
        record_id=order.order_id,
        field="Stripe_ID__c",
        fix="Credit by hand what was billed for time after the order's start; nothing else is left to do in "
        "Stripe.",
    )


def _changed(order: Order, touched: Touched) -> Refusal:
    return _hold(
        order,
        "schedule_changed_in_stripe",
        f"Order {order.order_number} changes a subscription schedule that somebody changed in Stripe: "
        f"{touched.words}.",
        record_id=order.order_id,
        field="Stripe_ID__c",
        fix="Undo the change in Stripe, or release the order: then the schedule is written as it was sold.",
    )


def credit_strays(reduction: Reduction, credit_minor: int, precision: str) -> tuple[bool, int]:
    """Return whether a credit misses its formula's share by more than is tolerated, and that share (B5.6)."""
    shares = {precision: Fraction(0), "monthly_daily": Fraction(0)}
    bound = Fraction(0)
    for run, take in reduction.takes:
        pieces = run.pieces
        per_unit = pieces.monthly_minor / pieces.terms.quantity * take.units
        reached = [piece for piece in run.to_come() if take.reaches(piece)]
        end = min((piece.start for piece in reached), default=pieces.end)
        for each in shares:
            since = max(reduction.line.starts_on, pieces.start)
            shares[each] -= per_unit * term_months(since, end, each)
        days = per_unit if precision == "month" else per_unit * TOLERATED_DAYS * MONTHS_PER_DAY
        # CPQ rounded the unit prices of both lines, and a cycle is the difference of two rounded charges.
        bound += abs(days) + take.units + len(reached)
    return outside(credit_minor, shares.values()) > bound, round_half_up(shares[precision])


def _multiplier_hold(order: Order, line: OrderLine, policy: Policy) -> Refusal:
    return _hold(
        order,
        "multiplier_mismatch",
        _mismatch_text(line, policy),
        record_id=line.order_item_id,
        field="SBQQ__ProrateMultiplier__c",
        fix="Check the line's dates and `policy.prorate_precision`; or set "
        "`policy.multiplier_mismatch: warn` to bill by the dates.",
    )


def multiplier_warnings(lines: Iterable[OrderLine], policy: Policy) -> Iterator[str]:
    """Yield a sentence for each line that is billed by its dates although CPQ's multiplier differs (B3.1)."""
    if policy.multiplier_mismatch != "warn":
        return
    for line in lines:
        if not multiplier_fits(line, policy.prorate_precision):
            yield f"{_mismatch_text(line, policy)} It is billed by its dates."


def _mismatch_text(line: OrderLine, policy: Policy) -> str:
    multiplier = line.prorate_multiplier or Decimal(0)
    if line.evergreen:
        return (
            f"{line.words} is evergreen, so that its unit price is for one month, but CPQ's multiplier "
            f"{multiplier} says {months_text(multiplier * line.default_term_months)} months."
        )
    term = line_term(line, policy.prorate_precision)
    return (
        f"{line.words} runs from {line.starts_on} to {line.ends_on}, which is {months_text(term)} months by "
        f"the prorate precision {policy.prorate_precision}, but CPQ's multiplier {multiplier} says "
        f"{months_text(multiplier * line.default_term_months)}."
    )


def months_text(months: Fraction | Decimal) -> str:
    """Return a number of months with four decimals, for people."""
    return f"{Decimal(round_half_up(Fraction(months) * 10**4)).scaleb(-4)}"
