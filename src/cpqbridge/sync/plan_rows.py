"""The phases, invoices and credits of a plan as rows that people read, with the names of what is billed."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from cpqbridge.domain.billing import BillingObject, CreditPortion, Phase, PhaseItem, Plan, PlannedLine
from cpqbridge.domain.money import major_text
from cpqbridge.sync.documents import credit_parts
from cpqbridge.sync.plan_words import discount_text, interval_text, moment_text, price_text, tiers_texts

GOES_ON = "goes on"
_NOTHING = "nothing recurring in this time"
_DESTINATIONS = {
    "unpaid_invoice": "off what is still to be paid of invoice {invoice}",
    "balance": "to the customer's balance, for what was paid of invoice {invoice}",
    "refund": "to be refunded by a person, for what was paid of invoice {invoice}",
    "outside": "settled outside Stripe, for what was paid of invoice {invoice}",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class PhaseRow:
    """One recurring item or one-time item of a phase; `amount` is in major units, or says how it is priced.

    `remarks` are sentences that belong below it: its tiers, where its price is from, its coupons.
    """

    name: str
    quantity: str
    amount: str
    every: str
    remarks: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class PhaseRows:
    """One phase; `changed_by` are the ids of the orders that shape it and did not shape the one before.

    `end` is GOES_ON for the last phase of evergreen lines. `is_trial` tells that nothing in it is billed,
    `remarks` are the coupons on all of it.
    """

    start: str
    end: str
    changed_by: tuple[str, ...]
    rows: tuple[PhaseRow, ...]
    is_trial: bool = False
    remarks: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ScheduleRows:
    """A schedule, own invoice or credit with the rows of its phases in order, and where a credit goes.

    `key` is the key of its link. `heading` is a sentence; times are UTC.
    """

    key: str
    kind: str
    heading: str
    currency: str
    order_ids: tuple[str, ...]
    phases: tuple[PhaseRows, ...]
    credits: tuple[str, ...] = ()


def line_names(plan: Plan) -> dict[str, str]:
    """Return what each order line is called, by order item id."""
    return {line.order_item_id: line.name for line in plan.lines}


def labelled_names(plan: Plan) -> dict[str, str]:
    """Return what each order line is called, with its segment of a ramp, by order item id."""
    return {line.order_item_id: _labelled(line) for line in plan.lines}


def schedule_rows(plan: Plan, *, order_id: str | None = None) -> tuple[ScheduleRows, ...]:
    """Return what the plan makes for one order, or for the whole contract, in the plan's order."""
    lines = {line.order_item_id: line for line in plan.lines}
    return tuple(
        ScheduleRows(
            key=wanted.key,
            kind=wanted.kind,
            heading=_heading(wanted, plan),
            currency=wanted.currency,
            order_ids=wanted.order_ids,
            phases=tuple(_phase_rows(wanted, plan, lines)),
            credits=tuple(_credit_texts(wanted)),
        )
        for wanted in plan.objects
        if order_id is None or order_id in wanted.order_ids
    )


def goes_on(plan: Plan, wanted: BillingObject) -> bool:
    """Return whether a schedule is one of evergreen lines that nobody has ended (B8.1)."""
    if wanted.kind != "schedule" or wanted.end_behavior != "release" or wanted.ended_at is not None:
        return False
    evergreen = {line.order_item_id for line in plan.lines if line.evergreen}
    return any(not evergreen.isdisjoint(item.order_item_ids) for item in wanted.phases[-1].items)


def sight_texts(plan: Plan, *, order_id: str | None = None) -> tuple[str, ...]:
    """Return what the invoices of a plan leave out, of one order or the whole contract, in sentences."""
    shown = [each for each in plan.objects if order_id is None or order_id in each.order_ids]
    found = []
    ends = [each.phases[-1].ends_at for each in shown if goes_on(plan, each)]
    if ends:
        found.append(
            "An evergreen subscription goes on until it is ended; its invoices are shown up to "
            f"{moment_text(max(ends))}."
        )
    items = (item for each in shown for phase in each.phases for item in phase.items)
    if any(item.metered for item in items):
        found.append("Usage is billed after each period on top of this: what is used is not known before.")
    return tuple(found)


def wake_text(plan: Plan) -> str:
    """Return when the contract is looked at again without a new order, empty when never."""
    if plan.wake_at is None:
        return ""
    return f"cpqbridge goes on with this contract by itself on {moment_text(plan.wake_at)}."


def _heading(wanted: BillingObject, plan: Plan) -> str:
    if wanted.kind == "schedule":
        return _schedule_heading(wanted, plan)
    total = sum(item.amount_minor for phase in wanted.phases for item in phase.one_time_items)
    amount = f"{major_text(abs(total), wanted.currency)} {wanted.currency.upper()}"
    made = "to be made on" if wanted.anchor_at > plan.executed_at else "made on"
    if wanted.kind == "credit":
        return f"Credit of {amount}, {made} {moment_text(wanted.anchor_at)}."
    return f"Invoice of {amount}, {made} {moment_text(wanted.anchor_at)}; {_collection(wanted)}."


def _schedule_heading(wanted: BillingObject, plan: Plan) -> str:
    start, end = moment_text(wanted.phases[0].starts_at), moment_text(wanted.phases[-1].ends_at)
    if goes_on(plan, wanted):
        return (
            f"Evergreen schedule from {start}; {_collection(wanted)}; it goes on until it is ended, "
            f"planned and shown up to {end}."
        )
    ended = f" It was ended on {moment_text(wanted.ended_at)}." if wanted.ended_at else ""
    return (
        f"Schedule from {start} until {end}; {_collection(wanted)}; at its end: {wanted.end_behavior}.{ended}"
    )


def _collection(wanted: BillingObject) -> str:
    if wanted.collection_method == "send_invoice":
        return f"invoices are sent, due after {wanted.days_until_due} days"
    return "charged automatically"


def _credit_texts(wanted: BillingObject) -> Iterator[str]:
    for portion in wanted.portions:
        for destination, amount_minor in credit_parts(portion, wanted.target).items():
            amount = f"{major_text(amount_minor, wanted.currency)} {wanted.currency.upper()}"
            yield f"{amount} {_destination(portion, destination)}"
    if wanted.kind == "credit" and not wanted.portions:
        yield "Which invoices carry it is settled when it is made."


def _destination(portion: CreditPortion, destination: str) -> str:
    if portion.invoice_id is None:
        return "to the customer's balance; no invoice of the contract can carry it"
    return _DESTINATIONS[destination].format(invoice=portion.invoice_id)


def _phase_rows(wanted: BillingObject, plan: Plan, lines: Mapping[str, PlannedLine]) -> Iterator[PhaseRows]:
    before: frozenset[str] = frozenset()
    has_end = not goes_on(plan, wanted)
    for phase in wanted.phases:
        yield PhaseRows(
            start=moment_text(phase.starts_at),
            end=moment_text(phase.ends_at) if has_end or phase is not wanted.phases[-1] else GOES_ON,
            changed_by=tuple(order_id for order_id in phase.order_ids if order_id not in before),
            rows=tuple(_rows(phase, wanted.currency, lines)),
            is_trial=phase.trial,
            remarks=tuple(discount_text(terms, wanted.currency) for terms in phase.discounts),
        )
        before = frozenset(phase.order_ids)


def _rows(phase: Phase, currency: str, lines: Mapping[str, PlannedLine]) -> Iterator[PhaseRow]:
    for item in phase.items:
        known = [lines[each] for each in item.order_item_ids if each in lines]
        yield PhaseRow(
            name=_item_name(item, lines) or _NOTHING,
            quantity="by usage" if item.metered else str(item.quantity),
            amount="by tiers" if item.tiers else price_text(item.unit_amount_decimal, currency),
            every=interval_text(item.interval_count) + (", after it" if item.metered else ""),
            remarks=tuple(_remarks(item, currency, known)),
        )
    for one_time in phase.one_time_items:
        yield PhaseRow(
            name=one_time.description,
            quantity="",
            amount=major_text(one_time.amount_minor, currency),
            every="once",
            remarks=_net_remarks(one_time.off_minor, currency),
        )


def _labelled(line: PlannedLine) -> str:
    return f"{line.name} (segment {line.segment})" if line.segment else line.name


def _item_name(item: PhaseItem, lines: Mapping[str, PlannedLine]) -> str:
    """Return what the item's lines are called, each name once, with the segments of a ramp."""
    names = (_labelled(lines[each]) if each in lines else each for each in item.order_item_ids)
    return ", ".join(dict.fromkeys(names))


def _remarks(item: PhaseItem, currency: str, lines: Iterable[PlannedLine]) -> Iterator[str]:
    if item.tiers is not None:
        yield from tiers_texts(item.tiers, currency)
    elif any(line.custom_price for line in lines):
        yield "price from a field of its own"
    for terms in item.discounts:
        yield discount_text(terms, currency)


def _net_remarks(off_minor: int, currency: str) -> tuple[str, ...]:
    """Return what coupons took off a one-time item, in words; nothing where they took nothing."""
    if not off_minor:
        return ()
    what = "taken off by coupons already" if off_minor > 0 else "taken off the credit for coupons"
    return (f"{major_text(abs(off_minor), currency)} {what}",)
