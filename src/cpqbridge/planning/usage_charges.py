"""What periods by usage come to though nothing was used, and which coupons reduce them (B2.2, B11)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime

from cpqbridge.domain.billing import BillingObject, InvoiceLine, Phase, PhaseItem
from cpqbridge.domain.dates import Cycle, day_after, midnight
from cpqbridge.domain.pricing import DiscountTerms

Charge = tuple[PhaseItem, InvoiceLine, tuple[DiscountTerms, ...]]
"""A line of an invoice with its item and the discounts of the whole schedule in its time."""


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

    One for a single invoice is by the first of the phases that it lies on. `bearer` is the item that has it,
    None where the whole phase does.
    """
    # All that was over when the schedule was made is on its first invoice.
    if not terms.once or (wanted.made_at is not None and at <= wanted.made_at):
        return True
    ran = wanted.past[-1:]
    if any(_uses_up(each, terms, wanted, at, bearer=bearer) for each in ran):
        # It does not run any more: a phase that names it later redeems it anew.
        return phase.starts_at > ran[0].ends_at and not _uses_up(phase, terms, wanted, at, bearer=bearer)
    together: Sequence[Phase] = (phase,)
    if any(_bears(each, item, terms, bearer) for each in ran for item in each.items):
        # What is sent while a discount runs names the discount, so that all phases to come share it.
        together = tuple(
            each for each in wanted.lived[len(wanted.past) :] if each.starts_at <= phase.starts_at
        )
    return not any(_uses_up(each, terms, wanted, at, bearer=bearer) for each in together)


def _uses_up(
    phase: Phase, terms: DiscountTerms, wanted: BillingObject, at: datetime, *, bearer: PhaseItem | None
) -> bool:
    """Return whether an invoice before `at` of what runs in a phase bears the discount there."""
    for item in phase.items:
        days = cycle_of(wanted, item).within(phase.starts_at.date(), day_after(phase.ends_at.date()))
        instants = [midnight(day) for day in days if midnight(day) < at]
        # Usage is invoiced when its period ends, all else when it begins.
        billed = any(
            phase.starts_at < each <= phase.ends_at
            if item.metered
            else phase.starts_at <= each < phase.ends_at
            for each in instants
        )
        if billed and _bears(phase, item, terms, bearer):
            return True
    return False


def _bears(phase: Phase, item: PhaseItem, terms: DiscountTerms, bearer: PhaseItem | None) -> bool:
    """Return whether a coupon lies on an item in a phase: on itself where it is `bearer`, else on all."""
    if bearer is not None and item.order_item_ids != bearer.order_item_ids:
        return False
    return any(each.key == terms.key for each in (phase if bearer is None else item).discounts)


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
