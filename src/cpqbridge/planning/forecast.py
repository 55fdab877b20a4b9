"""Which invoices a plan will produce, on which dates, to the cent.

This is the planner's own model of Stripe: a priced item bills a whole period on each boundary it is there
for, one-time items wait for the next invoice of their schedule, and what still waits at the end is invoiced
then.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from fractions import Fraction

from cpqbridge.domain.billing import (
    BillingObject,
    ForecastInvoice,
    InvoiceLine,
    OneTimeItem,
    Phase,
)
from cpqbridge.domain.dates import Cycle, midnight
from cpqbridge.domain.money import round_half_up


@dataclass(frozen=True, slots=True, kw_only=True)
class _Moment:
    """An instant on which an invoice is made, and the periods it bills from `phase`."""

    at: datetime
    periods: tuple[tuple[date, date], ...]
    phase: Phase | None


def forecast_object(
    wanted: BillingObject, *, instant: datetime, product_names: Mapping[str, str]
) -> tuple[ForecastInvoice, ...]:
    """Return the invoices of one schedule or own invoice, oldest first; `instant` is when it was executed."""
    if wanted.kind == "invoice":
        own = tuple(_one_time_line(item) for item in wanted.phases[0].one_time_items)
        return (_invoice(wanted, instant.date(), own),)
    moments = list(_moments(wanted, instant))
    waiting = [(_due_at(phase, wanted, instant), phase) for phase in wanted.phases]
    invoices = []
    previous: datetime | None = None
    for moment in moments:
        lines = [] if moment.phase is None else _period_lines(moment.phase, moment.periods, product_names)
        for due_at, phase in waiting:
            if due_at <= moment.at and (previous is None or due_at > previous):
                lines.extend(_one_time_line(item) for item in phase.one_time_items)
        previous = moment.at
        if lines:
            invoices.append(_invoice(wanted, moment.at.date(), tuple(lines)))
    return tuple(invoices)


def _invoice(wanted: BillingObject, on: date, lines: tuple[InvoiceLine, ...]) -> ForecastInvoice:
    return ForecastInvoice(object_key=wanted.key, on=on, currency=wanted.currency, lines=lines)


def _due_at(phase: Phase, wanted: BillingObject, instant: datetime) -> datetime:
    """Return from when on the phase's one-time items are on the next invoice."""
    return max(phase.starts_at, instant) if phase is wanted.phases[0] else phase.starts_at


def _moments(wanted: BillingObject, instant: datetime) -> Iterator[_Moment]:
    """Yield every instant at which Stripe makes an invoice for the schedule, in order."""
    phases = wanted.phases
    start, end = phases[0].starts_at, phases[-1].ends_at
    months = phases[0].items[0].interval_count
    cycle = Cycle(wanted.anchor_at.date(), months)
    boundaries = list(cycle.within(start.date(), end.date()))
    if start <= instant:
        begun = [day for day in boundaries if midnight(day) <= instant]
        periods = tuple((day, cycle.after(day)) for day in begun)
        yield _Moment(at=instant, periods=periods, phase=phases[0])
        boundaries = boundaries[len(begun) :]
    for day in boundaries:
        at = midnight(day)
        phase = next(phase for phase in phases if phase.starts_at <= at < phase.ends_at)
        yield _Moment(at=at, periods=((day, cycle.after(day)),), phase=phase)
    yield _Moment(at=end, periods=(), phase=None)


def _period_lines(
    phase: Phase, periods: Iterable[tuple[date, date]], product_names: Mapping[str, str]
) -> list[InvoiceLine]:
    lines = []
    for item in phase.items:
        amount = round_half_up(Fraction(Decimal(item.unit_amount_decimal)) * item.quantity)
        lines += [
            InvoiceLine(
                amount_minor=amount,
                period_start=start,
                period_end=end,
                description=f"{item.quantity} x {product_names[item.product_id]}",
                shares=tuple((order_item_id, amount) for order_item_id in item.order_item_ids[:1]),
            )
            for start, end in periods
        ]
    return lines


def _one_time_line(item: OneTimeItem) -> InvoiceLine:
    return InvoiceLine(
        amount_minor=item.amount_minor,
        period_start=item.period_start,
        period_end=item.period_end,
        description=item.description,
        shares=((item.order_item_id, item.amount_minor),),
    )
