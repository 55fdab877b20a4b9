"""What cannot be planned: refusals of the planner, each naming record, field, reason and fix (B13)."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date

from cpqbridge.domain.dates import day_after
from cpqbridge.domain.order import LineKind, Order, OrderHistory, OrderKind, OrderLine
from cpqbridge.domain.refusal import Refusal
from cpqbridge.mapping.configuration import Configuration
from cpqbridge.mapping.policies import CoterminatePolicy, FrequenciesPolicy
from cpqbridge.planning.reductions import SAME_END_WITHIN

EARLIEST = date(1990, 1, 1)
LATEST = date(2150, 1, 1)


def _refuse(order: Order, code: str, message: str, *, record_id: str, field: str, fix: str) -> Refusal:
    return Refusal(
        code=code, message=message, record_id=record_id, field=field, fix=fix, order_id=order.order_id
    )


def order_refusals(order: Order, history: OrderHistory, configuration: Configuration) -> Iterator[Refusal]:
    """Yield every reason why the order cannot be billed, from its own data."""
    yield from _trial_refusals(order)
    sent = order.days_until_due is not None or order.subscription_days_until_due is not None
    if sent and not history.account.email:
        yield _refuse(
            order,
            "no_email",
            f"Order {order.order_number} is paid by invoice, but no e-mail address is known for its account.",
            record_id=history.account.account_id,
            field="BillToContact.Email",
            fix="Give the order a bill-to contact, or its quote a primary contact, with an e-mail address.",
        )
    for line in order.lines:
        yield from _line_refusals(order, line, configuration)
    if configuration.policy.frequencies == FrequenciesPolicy.REFUSE:
        yield from _frequency_refusals(order, history)
    if configuration.policy.coterminate == CoterminatePolicy.REQUIRED:
        yield from _coterminate_refusals(order, history)


def _line_refusals(order: Order, line: OrderLine, configuration: Configuration) -> Iterator[Refusal]:
    record_id = line.order_item_id
    if line.revises is not None and order.kind is not OrderKind.AMENDMENT:
        yield _refuse(
            order,
            "reduction_below_zero",
            f"{line.words} revises line {line.revises}, but its order is not an amendment.",
            record_id=record_id,
            field="SBQQ__RevisedOrderProduct__c",
            fix="Make the change as an amendment of the contract, or clear the field.",
        )
    yield from _value_refusals(order, line, configuration)


def _value_refusals(order: Order, line: OrderLine, configuration: Configuration) -> Iterator[Refusal]:
    record_id, recurring = line.order_item_id, line.kind is LineKind.RECURRING
    reduces = order.kind is OrderKind.AMENDMENT and line.quantity < 0
    if recurring and (
        line.unit_price < 0
        or (line.total_price > 0 if reduces else line.total_price < 0 or line.quantity < 0)
    ):
        yield _refuse(
            order,
            "price_negative",
            f"{line.words} recurs and has quantity {line.quantity}, unit price {line.unit_price} "
            f"and total {line.total_price}; none of them may be negative on a new order.",
            record_id=record_id,
            field="TotalPrice",
            fix="Give the discount on the line it belongs to, or sell the credit as a one-time line.",
        )
    whole = line.quantity == line.quantity.to_integral_value()
    if recurring and not whole and (configuration.policy.quantity != "fold" or line.quantity < 0):
        yield _refuse(
            order,
            "quantity_not_whole",
            f"{line.words} has quantity {line.quantity}; Stripe bills whole units.",
            record_id=record_id,
            field="Quantity",
            fix="Sell a whole quantity, or set the policy `quantity: fold` to bill 1 at the line's total.",
        )
    if recurring and line.default_term_months <= 0:
        yield _refuse(
            order,
            "value_type",
            f"{line.words} has a default subscription term of {line.default_term_months} months.",
            record_id=record_id,
            field="SBQQ__DefaultSubscriptionTerm__c",
            fix="Enter how many months the list price is for, or leave the field empty for 12.",
        )
    yield from _date_refusals(order, line)


def _date_refusals(order: Order, line: OrderLine) -> Iterator[Refusal]:
    record_id = line.order_item_id
    last = line.ends_on or line.starts_on
    if not (EARLIEST <= line.starts_on <= LATEST and EARLIEST <= last <= LATEST):
        yield _refuse(
            order,
            "value_type",
            f"{line.words} runs from {line.starts_on} to {last}; "
            f"dates must lie between {EARLIEST} and {LATEST}.",
            record_id=record_id,
            field="ServiceDate" if not EARLIEST <= line.starts_on <= LATEST else "EndDate",
            fix="Correct the date on the order line.",
        )
    elif line.kind is LineKind.RECURRING and line.ends_on is None and not line.evergreen:
        yield _refuse(
            order,
            "term_not_whole",
            f"{line.words} recurs but has no end date, and no whole term to compute one from.",
            record_id=record_id,
            field="EndDate",
            fix="Enter the end date on the order line or on its quote.",
        )
    elif line.ends_on is not None and day_after(line.ends_on) <= line.starts_on:
        yield _refuse(
            order,
            "dates_disagree",
            f"{line.words} starts on {line.starts_on} but ends on {line.ends_on}.",
            record_id=record_id,
            field="EndDate",
            fix="Correct the dates on the order line.",
        )


def _charged_lines(order: Order) -> list[OrderLine]:
    return [line for line in order.lines if line.kind is LineKind.RECURRING and line.quantity > 0]


def _trial_refusals(order: Order) -> Iterator[Refusal]:
    """Yield a refusal where a trial's end would start lines of several frequencies anew (B5.3)."""
    free = [
        line
        for line in _charged_lines(order)
        if order.trial_ends_on is not None and line.starts_on < order.trial_ends_on
    ]
    known = sorted({line.frequency_months or 1 for line in free})
    if len(known) > 1:
        every = " and ".join(str(months) for months in known)
        yield _refuse(
            order,
            "trial_with_frequencies",
            f"Order {order.order_number} has a trial until {order.trial_ends_on} and lines billed every "
            f"{every} months.",
            record_id=order.order_id,
            field="trial_end",
            fix="Give the lines one frequency, or empty the field that is mapped to the trial's end.",
        )


def _frequency_refusals(order: Order, history: OrderHistory) -> Iterator[Refusal]:
    """Yield a refusal where the policy asks for one billing frequency, and the order brings another (B9)."""
    before = [
        line
        for other in history.orders
        if other.activated and other.kind is not OrderKind.AMENDMENT
        for line in _charged_lines(other)
    ]
    first = next((line.frequency_months for line in (*before, *_charged_lines(order))), None)
    for line in _charged_lines(order):
        if line.frequency_months != first:
            yield _refuse(
                order,
                "frequencies_mixed",
                f"{line.words} is billed every {line.frequency_months} months, other lines of its contract "
                f"every {first}; the policy asks for one frequency.",
                record_id=line.order_item_id,
                field="SBQQ__BillingFrequency__c",
                fix="Give the line the frequency of the others, or set `policy.frequencies: mixed`.",
            )


def _coterminate_refusals(order: Order, history: OrderHistory) -> Iterator[Refusal]:
    ends = [
        line.ends_on
        for other in history.orders
        if other.activated and other.kind is not OrderKind.AMENDMENT
        for line in _charged_lines(other)
        if line.ends_on is not None
    ]
    if order.kind is not OrderKind.AMENDMENT or not ends:
        return
    end = max(ends)
    for line in _charged_lines(order):
        if line.ends_on is not None and abs(line.ends_on - end) > SAME_END_WITHIN:
            yield _refuse(
                order,
                "coterminate_required",
                f"{line.words} ends on {line.ends_on}, its contract on {end}; the policy asks for one end.",
                record_id=line.order_item_id,
                field="EndDate",
                fix="End the line with the contract, or set `policy.coterminate: any`.",
            )
