"""The phases, invoices and credits of a plan as rows that people read, with the names of what is billed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, time
from decimal import Decimal

from cpqbridge.domain.billing import BillingObject, CreditPortion, Phase, PhaseItem, Plan
from cpqbridge.domain.money import currency_decimals, major_text
from cpqbridge.sync.documents import credit_parts

_MONTHS_PER_YEAR = 12
_NOTHING = "nothing recurring in this time"
_DESTINATIONS = {
    "unpaid_invoice": "off what is still to be paid of invoice {invoice}",
    "balance": "to the customer's balance, for what was paid of invoice {invoice}",
    "refund": "to be refunded by a person, for what was paid of invoice {invoice}",
    "outside": "settled outside Stripe, for what was paid of invoice {invoice}",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class PhaseRow:
    """One recurring item or one-time item of a phase; `amount` is in major units."""

    name: str
    quantity: str
    amount: str
    every: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PhaseRows:
    """One phase; `changed_by` are the ids of the orders that shape it and did not shape the one before."""

    start: str
    end: str
    changed_by: tuple[str, ...]
    rows: tuple[PhaseRow, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ScheduleRows:
    """A schedule, own invoice or credit with the rows of its phases in order, and where a credit goes.

    `heading` is a sentence; times are UTC.
    """

    kind: str
    heading: str
    currency: str
    order_ids: tuple[str, ...]
    phases: tuple[PhaseRows, ...]
    credits: tuple[str, ...] = ()


def line_names(plan: Plan) -> dict[str, str]:
    """Return what each order line is called, by order item id, as far as the plan bills it."""
    names: dict[str, str] = {}
    for wanted in plan.objects:
        for phase in wanted.phases:
            for one_time in phase.one_time_items:
                names.setdefault(one_time.order_item_id, one_time.description)
    names |= dict(_recurring_names(plan))
    for each in plan.taken:
        reduced = names.get(each.reduced_id)
        if reduced:
            # A credit is described with its units and its kind; the line it reduces has the plain name.
            names[each.reducing_id] = f"reduction of {reduced}"
    return names


def schedule_rows(plan: Plan, *, order_id: str | None = None) -> tuple[ScheduleRows, ...]:
    """Return what the plan makes for one order, or for the whole contract, in the plan's order."""
    names = line_names(plan)
    return tuple(
        ScheduleRows(
            kind=wanted.kind,
            heading=_heading(wanted, plan.executed_at),
            currency=wanted.currency,
            order_ids=wanted.order_ids,
            phases=tuple(_phase_rows(wanted, names)),
            credits=tuple(_credit_texts(wanted)),
        )
        for wanted in plan.objects
        if order_id is None or order_id in wanted.order_ids
    )


def wake_text(plan: Plan) -> str:
    """Return when the contract is looked at again without a new order, empty when never."""
    if plan.wake_at is None:
        return ""
    return f"cpqbridge goes on with this contract by itself on {moment_text(plan.wake_at)}."


def moment_text(instant: datetime) -> str:
    """Return an aware instant as its date, with the time of day in UTC where it is not midnight."""
    utc = instant.astimezone(UTC)
    return (
        f"{utc:%Y-%m-%d}" if utc.timetz() == time.min.replace(tzinfo=UTC) else f"{utc:%Y-%m-%d %H:%M:%S} UTC"
    )


def interval_text(months: int) -> str:
    """Return how often a price is billed, in words."""
    if months % _MONTHS_PER_YEAR == 0:
        years = months // _MONTHS_PER_YEAR
        return "year" if years == 1 else f"{years} years"
    return "month" if months == 1 else f"{months} months"


def price_text(unit_amount_decimal: str, currency: str) -> str:
    """Return a price in minor units as text in major units, with at least the currency's decimals."""
    decimals = currency_decimals(currency)
    value = Decimal(unit_amount_decimal).scaleb(-decimals)
    text = f"{value:f}"
    missing = decimals - len(text.partition(".")[2])
    if missing <= 0:
        return text
    return text + ("" if "." in text else ".") + "0" * missing


def is_stub(item: PhaseItem) -> bool:
    """Return whether the item only keeps a place: it recurs at zero, and its time is billed once or not."""
    return item.price_key is None and not Decimal(item.unit_amount_decimal)


def _recurring_names(plan: Plan) -> Iterator[tuple[str, str]]:
    """Yield what the invoices call each order line that recurs, without the units in front."""
    quantities: dict[str, set[int]] = {}
    for item in (item for wanted in plan.objects for phase in wanted.lived for item in phase.items):
        if not is_stub(item):
            for order_item_id in item.order_item_ids:
                quantities.setdefault(order_item_id, set()).add(item.quantity)
    for line in (line for invoice in plan.forecast for line in invoice.lines):
        for order_item_id, _ in line.shares:
            prefixes = [f"{quantity} x " for quantity in quantities.get(order_item_id, ())]
            found = next((each for each in prefixes if line.description.startswith(each)), None)
            if found and line.kind == "cycle":
                yield order_item_id, line.description.removeprefix(found)


def _heading(wanted: BillingObject, executed_at: datetime) -> str:
    if wanted.kind == "schedule":
        ended = f" It was ended on {moment_text(wanted.ended_at)}." if wanted.ended_at else ""
        return (
            f"Schedule from {moment_text(wanted.phases[0].starts_at)} until "
            f"{moment_text(wanted.phases[-1].ends_at)}; {_collection(wanted)}; "
            f"at its end: {wanted.end_behavior}.{ended}"
        )
    total = sum(item.amount_minor for phase in wanted.phases for item in phase.one_time_items)
    amount = f"{major_text(abs(total), wanted.currency)} {wanted.currency.upper()}"
    made = "to be made on" if wanted.anchor_at > executed_at else "made on"
    if wanted.kind == "credit":
        return f"Credit of {amount}, {made} {moment_text(wanted.anchor_at)}."
    return f"Invoice of {amount}, {made} {moment_text(wanted.anchor_at)}; {_collection(wanted)}."


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


def _phase_rows(wanted: BillingObject, names: Mapping[str, str]) -> Iterator[PhaseRows]:
    before: frozenset[str] = frozenset()
    for phase in wanted.phases:
        yield PhaseRows(
            start=moment_text(phase.starts_at),
            end=moment_text(phase.ends_at),
            changed_by=tuple(order_id for order_id in phase.order_ids if order_id not in before),
            rows=tuple(_rows(phase, wanted.currency, names)),
        )
        before = frozenset(phase.order_ids)


def _rows(phase: Phase, currency: str, names: Mapping[str, str]) -> Iterator[PhaseRow]:
    for item in phase.items:
        yield PhaseRow(
            name=", ".join(names.get(each, each) for each in item.order_item_ids) or _NOTHING,
            quantity="by usage" if item.metered else str(item.quantity),
            amount="by tiers" if item.tiers is not None else price_text(item.unit_amount_decimal, currency),
            every=interval_text(item.interval_count),
        )
    for one_time in phase.one_time_items:
        yield PhaseRow(
            name=one_time.description,
            quantity="",
            amount=major_text(one_time.amount_minor, currency),
            every="once",
        )
