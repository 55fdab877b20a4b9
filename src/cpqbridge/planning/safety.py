"""Plans that wait for a person: everything is computed, but the numbers deserve a look first."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from datetime import datetime
from decimal import Decimal
from fractions import Fraction

from cpqbridge.domain.dates import Cycle, day_before, midnight
from cpqbridge.domain.money import major_text, round_half_up, rounded_minor
from cpqbridge.domain.order import Order, OrderLine
from cpqbridge.domain.refusal import OrderState, Refusal
from cpqbridge.mapping.configuration import Configuration
from cpqbridge.mapping.policies import Policy
from cpqbridge.planning.proration import line_term, multiplier_fits
from cpqbridge.planning.timeline import Group

MAXIMUM_INVOICE_LINES = 250
NEVER_RELEASED = frozenset({"contract_over", "too_many_lines", "skip_past_month_end", "changed_after_sync"})
LATE = frozenset({"contract_over", "too_many_lines", "skip_past_month_end", "backdated"})
"""Holds by the time that has passed; they concern what is still missing of a half-made order too."""


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


def holds(
    order: Order, groups: Collection[Group], configuration: Configuration, *, instant: datetime
) -> Iterator[Refusal]:
    """Yield every reason why a person should look at the order before it is billed."""
    for group in groups:
        yield from _line_holds(order, group, configuration)
        yield from _elapsed_holds(order, group, configuration, instant=instant)
    cap = configuration.caps.bill_per_order
    total = sum(rounded_minor(line.total_price, order.currency) for line in order.lines)
    if cap is not None and total > rounded_minor(Decimal(cap), order.currency):
        yield _hold(
            order,
            "cap_bill_per_order",
            f"Order {order.order_number} bills {major_text(total, order.currency)} "
            f"{order.currency.upper()} in all, more than the cap of {cap}.",
            record_id=order.order_id,
            field="TotalAmount",
            fix="Check the order, then release it; or raise `caps.bill_per_order`.",
        )


def _line_holds(order: Order, group: Group, configuration: Configuration) -> Iterator[Refusal]:
    policy = configuration.policy
    for pieces in group.lines:
        line = pieces.line
        if policy.multiplier_mismatch == "hold" and not multiplier_fits(line, policy.prorate_precision):
            yield _hold(
                order,
                "multiplier_mismatch",
                _mismatch_text(line, policy),
                record_id=line.order_item_id,
                field="SBQQ__ProrateMultiplier__c",
                fix="Check the line's dates and `policy.prorate_precision`; or set "
                "`policy.multiplier_mismatch: warn` to bill by the dates.",
            )
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


def multiplier_warnings(groups: Collection[Group], policy: Policy) -> Iterator[str]:
    """Yield a sentence for each line that is billed by its dates although CPQ's multiplier differs (B3.1)."""
    if policy.multiplier_mismatch != "warn":
        return
    for line in (pieces.line for group in groups for pieces in group.lines):
        if not multiplier_fits(line, policy.prorate_precision):
            yield f"{_mismatch_text(line, policy)} It is billed by its dates."


def later_head_warnings(groups: Collection[Group], policy: Policy, *, instant: datetime) -> Iterator[str]:
    """Yield a sentence for each first part of a period that is not invoiced on its own day.

    Stripe adds it to the next invoice of its schedule; `invoice_now` for it comes with a later release.
    """
    if policy.proration != "invoice_now":
        return
    for group in groups:
        for line in group.lines:
            head = line.pieces[0]
            if head.kind == "head" and head.amount_minor and midnight(head.start) > instant:
                on = min(group.cycle.after(head.start), group.end)
                yield (
                    f"{line.line.words} starts inside a billing period: its part from {head.start} to "
                    f"{day_before(head.end)} is invoiced on {on}, with the next invoice."
                )


def _mismatch_text(line: OrderLine, policy: Policy) -> str:
    term = line_term(line, policy.prorate_precision)
    multiplier = line.prorate_multiplier or Decimal(0)
    return (
        f"{line.words} runs from {line.starts_on} to {line.ends_on}, which is {months_text(term)} months by "
        f"the prorate precision {policy.prorate_precision}, but CPQ's multiplier {multiplier} says "
        f"{months_text(multiplier * line.default_term_months)}."
    )


def _elapsed_holds(
    order: Order, group: Group, configuration: Configuration, *, instant: datetime
) -> Iterator[Refusal]:
    if midnight(group.cycle.anchor) > instant:
        return
    if midnight(group.end) <= instant:
        yield _hold(
            order,
            "contract_over",
            f"All service of order {order.order_number} that started on {group.cycle.anchor} "
            f"ended before {group.end}; nothing is left to schedule.",
            record_id=order.order_id,
            field="EffectiveDate",
            fix="Bill it by hand if it was never billed.",
        )
        return
    elapsed = group.cycle.index_at_or_before(instant.date())
    if order.skip_past_initial_invoices:
        yield from _skip_holds(order, group, instant=instant)
    elif elapsed > configuration.caps.backdated_periods:
        yield _hold(
            order,
            "backdated",
            f"Order {order.order_number} started on {group.cycle.anchor}: {elapsed} billing periods have "
            "passed and would be billed at once.",
            record_id=order.order_id,
            field="EffectiveDate",
            fix="Release the order to bill them, set Skip_Past_Initial_Invoices__c to leave them out, "
            "or raise `caps.backdated_periods`.",
        )
    if (elapsed + 1) * len(group.lines) > MAXIMUM_INVOICE_LINES:
        yield _hold(
            order,
            "too_many_lines",
            f"The first invoice of order {order.order_number} would have more than "
            f"{MAXIMUM_INVOICE_LINES} lines.",
            record_id=order.order_id,
            field="EffectiveDate",
            fix="Set Skip_Past_Initial_Invoices__c on the order and bill the past by hand.",
        )


def _skip_holds(order: Order, group: Group, *, instant: datetime) -> Iterator[Refusal]:
    """Yield a hold when a schedule begun at the running cycle would drift from the contract's anchor."""
    running = group.cycle.at_or_before(instant.date())
    restarted = Cycle(running, group.cycle.months)
    if any(not restarted.holds(day) for day in group.cycle.within(running, group.end)):
        yield _hold(
            order,
            "skip_past_month_end",
            f"Order {order.order_number} is billed from day {group.cycle.anchor.day} of the month; "
            f"the running period began on {running}, and one that begins there would not come back to it.",
            record_id=order.order_id,
            field="Skip_Past_Initial_Invoices__c",
            fix="Sync the order on a day whose period began on its own day of the month.",
        )


def months_text(months: Fraction | Decimal) -> str:
    """Return a number of months with four decimals, for people."""
    return f"{Decimal(round_half_up(Fraction(months) * 10**4)).scaleb(-4)}"
