"""What of the terms of sale decides how an invoice line is shared out to order lines."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date

from cpqbridge.domain.billing import BillingObject
from cpqbridge.domain.pricing import TieredPrice


def renewed_from(objects: Iterable[BillingObject]) -> dict[str, date]:
    """Return the end of what was sold for every order line of a schedule that renews by itself."""
    return {
        order_item_id: wanted.phases[-1].ends_at.date()
        for wanted in objects
        if wanted.end_behavior == "release"
        for item in wanted.phases[-1].items
        for order_item_id in item.order_item_ids
    }


def tiers_by_line(objects: Iterable[BillingObject]) -> dict[str, TieredPrice]:
    """Return the prices of order lines that are priced by tiers."""
    return {
        order_item_id: item.tiers
        for wanted in objects
        for phase in wanted.lived
        for item in phase.items
        if item.tiers is not None
        for order_item_id in item.order_item_ids
    }


def metered_lines(objects: Iterable[BillingObject]) -> frozenset[str]:
    """Return the order lines that are billed by what is used, which nobody knows before."""
    return frozenset(
        order_item_id
        for wanted in objects
        for phase in (*wanted.phases, *wanted.past)
        for item in phase.items
        if item.metered
        for order_item_id in item.order_item_ids
    )
