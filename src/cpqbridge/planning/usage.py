"""What is billed for usage or by tiers: what cannot be, and what people should know (B2.2, B3.5, B6.5)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta

from cpqbridge.domain.billing import BillingObject
from cpqbridge.domain.dates import add_months, midnight
from cpqbridge.domain.order import Order
from cpqbridge.domain.refusal import Refusal
from cpqbridge.planning.contract import Contract
from cpqbridge.planning.runs import Run


def metered_twice(order: Order, contract: Contract) -> Iterator[Refusal]:
    """Yield a refusal for a metered line beside another of its product: both would bill the same usage.

    A line that ended inside a period counts until the period is over, as its usage is billed only then.

    Source: Stripe, "Usage-based billing": a meter counts for every price on it (design notes, 1.3).
    """
    metered = [run for run in contract.runs.values() if run.line.metered]
    for run in metered:
        if run.order is not order:
            continue
        for other in metered:
            same = other is not run and other.line.product_id == run.line.product_id
            if same and other.begins_at < run.item_over_at and run.begins_at < other.item_over_at:
                yield Refusal(
                    code="metered_twice",
                    message=f"{run.line.words} and {other.line.words} bill the usage of one product at the "
                    "same time, so that it would be billed twice.",
                    record_id=run.line.order_item_id,
                    field="Product2Id",
                    fix="Start this line when the last billing period of the other is over, or sell another "
                    "product.",
                    order_id=order.order_id,
                )
                break


def first_invoice_has_usage(wanted: BillingObject, at: datetime) -> bool:
    """Return whether a schedule made at `at` invoices at once the usage of a period that is over.

    What was used is not known here, and tiers may ask a flat amount even where nothing was.
    """
    first = wanted.phases[0]
    begun = first.starts_at.date()
    return any(
        item.metered and midnight(add_months(begun, item.interval_count)) <= at for item in first.items
    )


def unbilled_parts(runs: Iterable[Run]) -> Iterator[str]:
    """Yield a sentence for each part of a period that a line priced by tiers does not bill (B6.5)."""
    for run in runs:
        pieces = run.pieces
        if pieces.price.tiers is None or run.line.metered:
            continue
        for start, end in ((pieces.start, pieces.full_from), (pieces.full_until, pieces.end)):
            if start < end:
                yield (
                    f"{run.line.words} is priced by tiers, which bill whole periods only: {start} to "
                    f"{end - timedelta(days=1)} is not billed."
                )
