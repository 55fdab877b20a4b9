"""Which invoices a plan will produce, on which dates, to the cent.

This is the planner's own model of Stripe: a priced item bills a whole period on each boundary it is there
for, and what rides on a phase is on the invoice of its first day. What was invoiced before a change is kept
with the object and never computed again.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import date, datetime

from cpqbridge.domain.billing import (
    BillingObject,
    ForecastInvoice,
    InvoiceLine,
    OneTimeItem,
    Phase,
    PhaseItem,
)
from cpqbridge.domain.dates import Cycle, day_after, midnight
from cpqbridge.planning.discounts import reduced, spread
from cpqbridge.planning.usage_charges import Charge, cycle_of, usage_charges

Period = tuple[date, date]


def forecast_object(
    wanted: BillingObject, *, product_names: Mapping[str, str]
) -> tuple[ForecastInvoice, ...]:
    """Return the invoices of one schedule, own invoice or credit over its whole life, oldest first."""
    if wanted.kind != "schedule":
        lines = tuple(_one_time_line(item) for item in wanted.phases[0].one_time_items)
        kind = "credit_note" if wanted.kind == "credit" else "invoice"
        return (_document(wanted, wanted.anchor_at, lines, kind=kind),)
    return (*wanted.settled, *_to_come(wanted, product_names))


def settled_by(
    wanted: BillingObject, at: datetime, *, product_names: Mapping[str, str]
) -> tuple[ForecastInvoice, ...]:
    """Return the invoices a schedule has made up to and including `at`."""
    whole = forecast_object(wanted, product_names=product_names)
    return tuple(invoice for invoice in whole if invoice.at <= at)


def first_invoice(
    wanted: BillingObject, at: datetime, *, product_names: Mapping[str, str]
) -> tuple[ForecastInvoice, ...]:
    """Return the invoice that is made with a schedule that began before `at`, if there is one."""
    first = wanted.phases[0]
    if first.starts_at > at or first.proration_behavior != "create_prorations":
        return ()
    found: list[tuple[PhaseItem, InvoiceLine]] = []
    for item in first.items:
        cycle = cycle_of(wanted, item)
        begun = cycle.within(first.starts_at.date(), day_after(at.date()))
        periods = [(day, cycle.after(day)) for day in begun]
        found += [(item, line) for line in _item_lines(item, periods, product_names)]
    used = (
        each for ended, some in usage_charges(wanted, product_names).items() if ended <= at for each in some
    )
    charges = [each for each in used if each[1].amount_minor]
    lines = _net([*charges, *((item, line, first.discounts) for item, line in found)])
    lines += [_one_time_line(item) for item in first.one_time_items]
    return (_document(wanted, at, tuple(lines)),)


def _to_come(wanted: BillingObject, product_names: Mapping[str, str]) -> Iterator[ForecastInvoice]:
    """Yield an invoice for each boundary after the last change on which a period ends and another begins."""
    if wanted.ended_at is not None or wanted.sent_at is None:
        return
    used = usage_charges(wanted, product_names)
    before: Phase | None = None
    for phase in wanted.phases:
        if phase.ends_at > wanted.sent_at and not phase.trial:
            cycles = _cycles(wanted, phase) | (_cycles(wanted, before) if before else set())
            first, last = phase.starts_at.date(), day_after(phase.ends_at.date())
            for day in sorted({day for cycle in cycles for day in cycle.within(first, last)}):
                at = midnight(day)
                if not (wanted.sent_at < at and phase.starts_at <= at < phase.ends_at):
                    continue
                running = before if at == phase.starts_at else phase
                if (
                    running is None
                    or running.trial
                    or any(cycle.holds(day) for cycle in _cycles(wanted, running))
                ):
                    yield from _boundary_invoice(wanted, phase, day, product_names, used=used.get(at))
        before = phase
    last_lines = _net([each for each in used.get(wanted.phases[-1].ends_at, ()) if each[1].amount_minor])
    if last_lines and wanted.end_behavior == "cancel":
        yield _document(wanted, wanted.phases[-1].ends_at, tuple(last_lines))


def _cycles(wanted: BillingObject, phase: Phase) -> set[Cycle]:
    """Return the cycles of a phase's items, each once."""
    anchor = wanted.anchor_at.date()
    return {Cycle(anchor, months) for months in {item.interval_count for item in phase.items}}


def _boundary_invoice(
    wanted: BillingObject,
    phase: Phase,
    day: date,
    product_names: Mapping[str, str],
    *,
    used: Sequence[Charge] | None,
) -> Iterator[ForecastInvoice]:
    """Yield the invoice of a day on which a period has ended; none where nothing was used or begins.

    What was `used` before is on it too, reduced by what the phase bore in which it was.
    """
    begun = {cycle.months: cycle.after(day) for cycle in _cycles(wanted, phase) if cycle.holds(day)}
    found = [each for each in used or () if each[1].amount_minor]
    found += [
        (item, line, phase.discounts)
        for item in phase.items
        if item.interval_count in begun
        for line in _item_lines(item, [(day, begun[item.interval_count])], product_names)
    ]
    lines = _net(found)
    if (lines or used) and phase.starts_at == midnight(day):
        lines += [_one_time_line(item) for item in phase.one_time_items]
    if lines:
        yield _document(wanted, midnight(day), tuple(lines))


def _document(
    wanted: BillingObject, at: datetime, lines: tuple[InvoiceLine, ...], *, kind: str = "invoice"
) -> ForecastInvoice:
    return ForecastInvoice(object_key=wanted.key, at=at, currency=wanted.currency, lines=lines, kind=kind)


def _item_lines(
    item: PhaseItem, periods: Iterable[Period], product_names: Mapping[str, str]
) -> Iterator[InvoiceLine]:
    """Yield a line per period; Stripe rounds price times quantity once. Usage is not known before."""
    if item.metered:
        return
    amount, shares = item.charge_minor(item.quantity), tuple(_shares(item))
    for start, end in periods:
        yield InvoiceLine(
            amount_minor=amount,
            period_start=start,
            period_end=end,
            description=f"{item.quantity} x {product_names.get(item.product_id, item.product_id)}",
            shares=shares,
        )


def _net(found: Sequence[Charge]) -> list[InvoiceLine]:
    """Return the lines of one invoice less what coupons take off them."""
    if not any(shared or item.discounts for item, _, shared in found):
        return [line for _, line, _ in found]
    # Each tier of an item is a line of its own in Stripe, and its discounts are rounded by itself.
    parts = [(place, amount) for place, (item, _, _) in enumerate(found) for amount in _parts(item)]
    off = reduced(
        [amount for _, amount in parts],
        [found[place][1].period_start for place, _ in parts],
        own={item.order_item_ids: item.discounts for item, _, _ in found},
        bearers=[found[place][0].order_item_ids for place, _ in parts],
        shared=[found[place][2] for place, _ in parts],
    )
    taken = [0 for _ in found]
    for (place, _), part in zip(parts, off, strict=True):
        taken[place] += part
    return [_less(line, each) for (_, line, _), each in zip(found, taken, strict=True)]


def _parts(item: PhaseItem) -> tuple[int, ...]:
    """Return what each invoice line of an item comes to before coupons, in minor units."""
    if item.tiers is None or item.metered:
        return (item.charge_minor(item.quantity) + item.unused_minor,)
    return item.tiers.charges_minor(item.quantity)


def _less(line: InvoiceLine, off_minor: int) -> InvoiceLine:
    if not off_minor:
        return line
    parts = spread(off_minor, [amount for _, amount in line.shares])
    return replace(
        line,
        amount_minor=line.amount_minor - off_minor,
        shares=tuple((key, amount - part) for (key, amount), part in zip(line.shares, parts, strict=True)),
        off=tuple((key, part) for (key, _), part in zip(line.shares, parts, strict=True)),
    )


def _shares(item: PhaseItem) -> Iterator[tuple[str, int]]:
    """Yield what of an item's charge is for which order line; tiers count one line after the other."""
    below = 0
    for order_item_id, units in zip(item.order_item_ids, item.units, strict=True):
        if item.tiers is None:
            yield order_item_id, item.charge_minor(units)
        else:
            yield order_item_id, item.charge_minor(below + units) - item.charge_minor(below)
        below += units


def _one_time_line(item: OneTimeItem) -> InvoiceLine:
    return InvoiceLine(
        amount_minor=item.amount_minor,
        period_start=item.period_start,
        period_end=item.period_end,
        description=item.description,
        shares=((item.order_item_id, item.amount_minor),),
        kind=item.kind,
        off=((item.order_item_id, item.off_minor),) if item.off_minor else (),
    )


def off_by_line(invoices: Iterable[ForecastInvoice]) -> Counter[str]:
    """Return what coupons take off in all per order line, in minor units."""
    return _summed(line.off for invoice in invoices for line in invoice.lines)


def billed_by_line(invoices: Iterable[ForecastInvoice]) -> Counter[str]:
    """Return the sum of all shares per order line, in minor units."""
    return _summed(line.shares for invoice in invoices for line in invoice.lines)


def _summed(found: Iterable[Iterable[tuple[str, int]]]) -> Counter[str]:
    total: Counter[str] = Counter()
    for amounts in found:
        for order_item_id, amount_minor in amounts:
            total[order_item_id] += amount_minor
    return total
