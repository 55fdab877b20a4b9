"""The phases of a plan as rows that people read, with the names of what is billed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal

from cpqbridge.domain.billing import BillingObject, Phase, Plan
from cpqbridge.domain.money import currency_decimals, major_text
from cpqbridge.sync.documents import instant_text

_MONTHS_PER_YEAR = 12
_NOTHING = "nothing recurring in this time"


@dataclass(frozen=True, slots=True, kw_only=True)
class PhaseRow:
    """One recurring item or one-time item of a phase; `amount` is in major units."""

    start: str
    end: str
    name: str
    quantity: str
    amount: str
    every: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ScheduleRows:
    """A schedule or own invoice with the rows of its phases in order; times are ISO text in UTC."""

    kind: str
    start: str
    end: str
    end_behavior: str
    collection_method: str
    days_until_due: int | None
    currency: str
    phases: tuple[tuple[PhaseRow, ...], ...]


def line_names(plan: Plan) -> dict[str, str]:
    """Return what each order line is called, by order item id, as far as the plan bills it."""
    names: dict[str, str] = {}
    for wanted in plan.objects:
        for phase in wanted.phases:
            for one_time in phase.one_time_items:
                names.setdefault(one_time.order_item_id, one_time.description)
    quantities = {
        order_item_id: item.quantity
        for wanted in plan.objects
        for phase in wanted.phases
        for item in phase.items
        if item.price_key is not None
        for order_item_id in item.order_item_ids
    }
    for invoice in plan.forecast:
        for line in invoice.lines:
            for order_item_id, _ in line.shares:
                prefix = f"{quantities.get(order_item_id, '')} x "
                if line.description.startswith(prefix) and not line.description.endswith(")"):
                    names[order_item_id] = line.description.removeprefix(prefix)
    return names


def schedule_rows(plan: Plan, *, order_id: str) -> tuple[ScheduleRows, ...]:
    """Return what the plan makes for one order, in the plan's order."""
    names = line_names(plan)
    return tuple(
        ScheduleRows(
            kind=wanted.kind,
            start=instant_text(wanted.phases[0].starts_at),
            end=instant_text(wanted.phases[-1].ends_at),
            end_behavior=wanted.end_behavior,
            collection_method=wanted.collection_method,
            days_until_due=wanted.days_until_due,
            currency=wanted.currency,
            phases=tuple(_phase_rows(phase, wanted, names) for phase in wanted.phases),
        )
        for wanted in plan.objects
        if order_id in wanted.order_ids
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


def _phase_rows(phase: Phase, wanted: BillingObject, names: Mapping[str, str]) -> tuple[PhaseRow, ...]:
    start, end = instant_text(phase.starts_at), instant_text(phase.ends_at)
    rows = [
        PhaseRow(
            start=start,
            end=end,
            name=", ".join(names.get(each, each) for each in item.order_item_ids) or _NOTHING,
            quantity=str(item.quantity),
            amount=price_text(item.unit_amount_decimal, wanted.currency),
            every=interval_text(item.interval_count),
        )
        for item in phase.items
    ]
    rows += [
        PhaseRow(
            start=start,
            end=end,
            name=item.description,
            quantity="",
            amount=major_text(item.amount_minor, wanted.currency),
            every="once",
        )
        for item in phase.one_time_items
    ]
    return tuple(rows)
