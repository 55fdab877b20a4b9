"""The preview of an order as text for people: state, refusals, phases, invoices by date, proof."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from cpqbridge.cli.output import table
from cpqbridge.domain.billing import Plan
from cpqbridge.domain.refusal import Refusal
from cpqbridge.sync.documents import plan_document
from cpqbridge.sync.plan_rows import PhaseRow, ScheduleRows, line_names, schedule_rows

_STATE_WORDS = {
    "synced": "would be synced",
    "unchanged": "is synced and unchanged",
    "waiting": "waits for another order",
    "skipped": "is not billed",
    "held": "is held for a person",
    "refused": "is refused",
    "failed": "failed",
    "queued": "is queued",
}


def preview_text(plan: Plan, *, order_id: str, order_number: str) -> str:
    """Return the whole preview of one order as lines of text."""
    document = plan_document(plan, order_id=order_id)
    own = {wanted.key for wanted in plan.objects if order_id in wanted.order_ids}
    planned = zip(plan.forecast, document["invoices"], strict=True)
    invoices = [invoice for forecast, invoice in planned if forecast.object_key in own]
    mine = {proof.order_item_id for proof in plan.proof if proof.order_id == order_id}
    proof = [line for line in document["proof"] if line["order_item_id"] in mine]
    outcome = next((each for each in plan.outcomes if each.order_id == order_id), None)
    names = line_names(plan)
    parts = [
        f"Order {order_number} ({order_id}) {_STATE_WORDS[document['state']]}.",
        refusals_text(outcome.refusals if outcome else ()),
        "\n".join(f"Note: {warning}" for warning in plan.warnings),
        *(_schedule_text(each) for each in schedule_rows(plan, order_id=order_id)),
        _invoices_text(invoices),
        proof_text(proof, names),
        _steps_text(document["steps"]),
    ]
    return "\n\n".join(part for part in parts if part)


def refusals_text(refusals: Iterable[Refusal]) -> str:
    """Return each reason why an order does not go on, with its fix."""
    lines = []
    for refusal in refusals:
        where = f" [{refusal.record_id}{'.' + refusal.field if refusal.field else ''}]"
        lines.append(f"{refusal.state.value.capitalize()}: {refusal.message}{where} ({refusal.code})")
        if refusal.fix:
            lines.append(f"  What to do: {refusal.fix}")
    return "\n".join(lines)


def proof_text(proof: Sequence[Mapping[str, Any]], names: Mapping[str, str]) -> str:
    """Return sold beside billed for each order line."""
    if not proof:
        return ""
    rows = [("Order line", "", "Sold", "Billed", "Difference", "", "Reason")]
    rows += [
        (
            line["order_item_id"],
            names.get(line["order_item_id"], ""),
            line["sold"],
            line["billed"],
            line["difference"],
            line["currency"].upper(),
            line["reason"] or "",
        )
        for line in proof
    ]
    return "Proof\n" + table(rows, numbers=frozenset({2, 3, 4}))


def _schedule_text(schedule: ScheduleRows) -> str:
    due = (
        f"invoices are sent, due after {schedule.days_until_due} days"
        if schedule.collection_method == "send_invoice"
        else "charged automatically"
    )
    heading = f"{schedule.kind.capitalize()} from {_time(schedule.start)} until {_time(schedule.end)}, {due}"
    rows: list[Sequence[str]] = [("From", "Until", "What", "Quantity", "Amount", "", "Every")]
    for phase in schedule.phases:
        rows += list(_phase_lines(phase, schedule.currency.upper()))
    return f"{heading}\n{table(rows, numbers=frozenset({3, 4}))}"


def _phase_lines(phase: Sequence[PhaseRow], currency: str) -> Iterator[Sequence[str]]:
    for place, row in enumerate(phase):
        span = ("", "") if place else (_time(row.start), _time(row.end))
        yield (*span, row.name, row.quantity, row.amount, currency, row.every)


def _invoices_text(invoices: Sequence[Mapping[str, Any]]) -> str:
    if not invoices:
        return ""
    rows: list[Sequence[str]] = [("Date", "Total", "", "Lines")]
    for invoice in invoices:
        lines = "; ".join(f"{line['description']} {line['amount']}" for line in invoice["lines"])
        rows.append((invoice["date"], invoice["total"], invoice["currency"].upper(), lines))
    return "Invoices\n" + table(rows, numbers=frozenset({1}))


def _steps_text(steps: Sequence[Mapping[str, Any]]) -> str:
    if not steps:
        return ""
    return "Calls to Stripe\n" + "\n".join(
        f"  {number}. {step['summary']}" for number, step in enumerate(steps, start=1)
    )


def _time(text: str) -> str:
    day, _, time = text.partition("T")
    return day if time == "00:00:00Z" else f"{day} {time}"
