"""What is billed for usage or by tiers: what cannot be, and what people should know (B2.2, B3.5, B6.5)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from datetime import datetime, timedelta

from cpqbridge.domain.billing import BillingObject
from cpqbridge.domain.dates import add_months, midnight
from cpqbridge.domain.order import Order, OrderHistory, OrderLine
from cpqbridge.domain.refusal import Refusal
from cpqbridge.domain.usage import UsageSpan
from cpqbridge.planning.contract import Contract
from cpqbridge.planning.runs import Run
from cpqbridge.planning.steps import METER_PARAMETER


def metered_twice(order: Order, contract: Contract) -> Iterator[Refusal]:
    """Yield a refusal for a metered line beside another that counts the same: both would bill that usage.

    The other is a line of the contract or of another one of its customer. A line that ended inside a period
    counts until the period is over, as its usage is billed only then.

    Source: Stripe, "Usage-based billing": a meter counts for every price on it (design notes, 1.3).
    """
    metered = [run for run in contract.runs.values() if run.line.metered]
    spans = [_span(run, contract.history) for run in metered]
    for run, own in zip(metered, spans, strict=True):
        if run.order is not order:
            continue
        beside = [other for other, span in zip(metered, spans, strict=True) if own.overlaps(span)]
        others = [other.line.words for other in beside if other is not run]
        others += [
            f"contract {span.contract_key} of the same customer"
            for span in contract.state.usage_elsewhere
            if own.overlaps(span)
        ]
        if others:
            yield Refusal(
                code="metered_twice",
                message=f"{run.line.words} and {others[0]} bill the usage of one product at the same time, "
                "so that it would be billed twice.",
                record_id=run.line.order_item_id,
                field="Product2Id",
                fix="Start this line when the last billing period of the other is over, or sell another "
                "product.",
                order_id=order.order_id,
            )


def usage_spans(history: OrderHistory, objects: Iterable[BillingObject]) -> tuple[UsageSpan, ...]:
    """Return from when to when a contract with these objects bills the usage of which meters."""
    lines = {line.order_item_id: line for order in history.orders for line in order.lines}
    found: dict[tuple[str, datetime], UsageSpan] = {}
    for wanted in objects:
        for phase in wanted.phases:
            for item in phase.items:
                line = lines.get(item.order_item_ids[0]) if item.metered else None
                if line is None or (wanted.ended_at is not None and wanted.ended_at <= phase.starts_at):
                    continue
                goes_on = wanted.end_behavior == "release" and phase is wanted.phases[-1]
                ends_at = None if goes_on and wanted.ended_at is None else wanted.ended_at or phase.ends_at
                span = UsageSpan(
                    meter=_meter(line),
                    contract_key=history.contract_key or history.root_id,
                    starts_at=phase.starts_at,
                    ends_at=ends_at,
                )
                found[span.meter, span.starts_at] = span
    return tuple(_joined(found[key] for key in sorted(found)))


def _joined(spans: Iterable[UsageSpan]) -> Iterator[UsageSpan]:
    """Yield the spans, sorted by meter and start, those that go on from each other as one."""
    last: UsageSpan | None = None
    for span in spans:
        if last is not None and last.meter == span.meter and last.ends_at == span.starts_at:
            last = replace(last, ends_at=span.ends_at)
            continue
        if last is not None:
            yield last
        last = span
    if last is not None:
        yield last


def _span(run: Run, history: OrderHistory) -> UsageSpan:
    goes_on = run.line.evergreen and run.units_left > 0
    return UsageSpan(
        meter=_meter(run.line),
        contract_key=history.contract_key or history.root_id,
        starts_at=run.begins_at,
        ends_at=None if goes_on else run.item_over_at,
    )


def _meter(line: OrderLine) -> str:
    """Return what counts the usage of a line: the meter that is mapped, else its product's own."""
    return str(line.price_parameters.get(METER_PARAMETER) or line.product_id)


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
