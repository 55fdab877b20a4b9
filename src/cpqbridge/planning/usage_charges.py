"""What periods by usage come to though nothing was used, and which coupons reduce them (B2.2, B11)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from cpqbridge.domain.billing import BillingObject, InvoiceLine, Phase, PhaseItem
from cpqbridge.domain.dates import Cycle, day_after, midnight
from cpqbridge.domain.pricing import DiscountTerms

Charge = tuple[PhaseItem, InvoiceLine, tuple[DiscountTerms, ...]]
"""A line of an invoice with its item and the discounts of the whole schedule in its time."""

_AN_INSTANT = timedelta(seconds=1)


def cycle_of(wanted: BillingObject, item: PhaseItem) -> Cycle:
    """Return the boundaries of an item, counted from the schedule's first day."""
    return Cycle(wanted.anchor_at.date(), item.interval_count)


def usage_charges(wanted: BillingObject, product_names: Mapping[str, str]) -> dict[datetime, list[Charge]]:
    """Return what usage comes to without any, by the instant at which its periods end.

    An item's period begins on a boundary, or when the item does inside a period; it ends with the last phase
    at the latest. What was used is not known before.
    """
    found: dict[datetime, list[Charge]] = {}
    since: dict[tuple[str, ...], datetime] = {}
    ends_at = wanted.phases[-1].ends_at
    for phase in wanted.lived:
        metered = [item for item in phase.items if item.metered]
        since = {
            item.order_item_ids: since.get(item.order_item_ids, phase.starts_at)
            for item in metered
            if not phase.trial
        }
        for item in metered if not phase.trial else ():
            cycle = cycle_of(wanted, item)
            days = cycle.within(day_after(phase.starts_at.date()), day_after(phase.ends_at.date()))
            instants = [midnight(day) for day in days]
            if phase.ends_at == ends_at and ends_at not in instants:
                instants.append(ends_at)
            for at in instants:
                start = since[item.order_item_ids]
                since[item.order_item_ids] = at
                line = InvoiceLine(
                    amount_minor=item.unused_minor,
                    period_start=start.date(),
                    period_end=at.date(),
                    description=f"Usage of {product_names[item.product_id]}",
                    shares=((item.order_item_ids[0], item.unused_minor),),
                )
                own = tuple(each for each in item.discounts if _is_left(each, wanted, phase, at, bearer=item))
                shared = tuple(
                    each for each in phase.discounts if _is_left(each, wanted, phase, at, bearer=None)
                )
                if at == phase.ends_at:
                    shared = tuple(_former(shared, wanted))
                found.setdefault(at, []).append((replace(item, discounts=own), line, shared))
    return found


def _is_left(
    terms: DiscountTerms, wanted: BillingObject, phase: Phase, at: datetime, *, bearer: PhaseItem | None
) -> bool:
    """Return whether a discount of a phase is not used up by an invoice before `at`.

    One for a single invoice is by the phase's first; each phase that names a coupon redeems it. `bearer` is
    the item that has it, None where the whole phase does.
    """
    # All that was over when the schedule was made is on its first invoice.
    if not terms.once or (wanted.made_at is not None and at <= wanted.made_at):
        return True
    ran = [each for each in wanted.past[-1:] if each.ends_at == phase.starts_at]
    for each in (phase, *ran):
        until = min(each.ends_at, at)
        for item in each.items:
            if bearer is not None and item.order_item_ids != bearer.order_item_ids:
                continue
            bears = any(other.key == terms.key for other in (each if bearer is None else item).discounts)
            days = cycle_of(wanted, item).within(each.starts_at.date(), day_after(until.date()))
            # Usage is invoiced when its period ends, all else when it begins.
            first = each.starts_at + _AN_INSTANT if item.metered else each.starts_at
            if bears and any(first <= midnight(day) < until for day in days):
                return False
    return True


def _former(shared: Sequence[DiscountTerms], wanted: BillingObject) -> Iterator[DiscountTerms]:
    """Yield the discounts of a phase that is over, a fixed amount as one beside that of the next phase.

    Stripe redeems a coupon for each phase that names it, and usage keeps the discount under which it ran, so
    that both come off one invoice. A phase that was sent while the discount ran names the discount itself; of
    equal ones, as many as ran.

    Source: the project's design notes on Stripe, 3.4 and 3.6 (read 21 Nov 2026).
    """
    running = Counter(wanted.past[-1].discounts if wanted.past else ())
    for terms in shared:
        names_it = running[terms] > 0
        running[terms] -= 1
        if terms.amount_off_minor is None or names_it:
            yield terms
        else:
            yield replace(terms, key=f"{terms.key}:former")
