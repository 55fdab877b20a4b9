"""The preview of an order as text for people: state, refusals, phases, invoices by date, proof."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from cpqbridge.cli.output import table
from cpqbridge.domain.billing import Plan
from cpqbridge.domain.refusal import Refusal
from cpqbridge.sync.documents import plan_document
from cpqbridge.sync.plan_rows import (
    PhaseRows,
    ScheduleRows,
    labelled_names,
    schedule_rows,
    sight_texts,
    wake_text,
)
from cpqbridge.sync.proof_words import reason_fix, reason_text

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


def preview_text(
    plan: Plan, *, order_id: str, order_number: str, numbers: Mapping[str, str] | None = None
) -> str:
    """Return the whole preview of one order as lines of text; `numbers` are other orders' numbers by id."""
    known = {**(numbers or {}), order_id: order_number}
    document = plan_document(plan, order_id=order_id)
    own = {wanted.key for wanted in plan.objects if order_id in wanted.order_ids}
    planned = zip(plan.forecast, document["invoices"], strict=True)
    invoices = [invoice for forecast, invoice in planned if forecast.object_key in own]
    mine = {proof.order_item_id for proof in plan.proof if proof.order_id == order_id}
    proof = [line for line in document["proof"] if line["order_item_id"] in mine]
    outcome = next((each for each in plan.outcomes if each.order_id == order_id), None)
    names = labelled_names(plan)
    parts = [
        f"Order {order_number} ({order_id}) {_STATE_WORDS[document['state']]}.",
        refusals_text(outcome.refusals if outcome else ()),
        "\n".join(f"Note: {warning}" for warning in plan.warnings),
        _siblings_text(document["orders"], order_id, known),
        *(_schedule_text(each, known) for each in schedule_rows(plan, order_id=order_id)),
        _invoices_text(invoices),
        "\n".join(sight_texts(plan, order_id=order_id)),
        wake_text(plan),
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
    fixes = dict.fromkeys(line["reason"] for line in proof if line["reason"])
    return "\n".join(
        [
            "Proof",
            table(rows, numbers=frozenset({2, 3, 4})),
            *_taken_texts(proof, names),
            *(f"  {reason}: {reason_text(reason)}. What to do: {reason_fix(reason)}" for reason in fixes),
        ]
    )


def _taken_texts(proof: Iterable[Mapping[str, Any]], names: Mapping[str, str]) -> Iterator[str]:
    """Yield a sentence for each amount that counts in the proof but stands on no invoice."""
    for line in proof:
        for each in line["taken"]:
            other = names.get(each["order_item_id"], each["order_item_id"])
            what = "taken from" if each["amount"].startswith("-") else "taken away by"
            yield f"  {line['order_item_id']}: {each['amount']} of it on no invoice, {what} {other}."


def _siblings_text(orders: Iterable[Mapping[str, Any]], order_id: str, numbers: Mapping[str, str]) -> str:
    others = [
        f"{numbers.get(each['order_id'], each['order_id'])} ({each['state']})"
        for each in orders
        if each["order_id"] != order_id
    ]
    return f"Other orders of the contract: {', '.join(others)}." if others else ""


def _schedule_text(schedule: ScheduleRows, numbers: Mapping[str, str]) -> str:
    rows: list[Sequence[str]] = [("From", "Until", "What", "Quantity", "Amount", "", "Every", "Changed by")]
    for phase in schedule.phases:
        rows += list(_phase_lines(phase, schedule.currency.upper(), numbers))
    credits_text = [f"  {text}" for text in schedule.credits]
    return "\n".join([schedule.heading, *credits_text, table(rows, numbers=frozenset({3, 4}))])


def _phase_lines(phase: PhaseRows, currency: str, numbers: Mapping[str, str]) -> Iterator[Sequence[str]]:
    changed_by = ", ".join(numbers.get(each, each) for each in phase.changed_by)
    for place, row in enumerate(phase.rows):
        start, end, orders = ("", "", "") if place else (phase.start, phase.end, changed_by)
        every = f"{row.every} (free trial)" if phase.is_trial else row.every
        yield (start, end, row.name, row.quantity, row.amount, currency, every, orders)
        for remark in row.remarks:
            yield ("", "", f"  {remark}", "", "", "", "", "")
    for remark in phase.remarks:
        yield ("", "", f"{remark} (on all of it)", "", "", "", "", "")


def _invoices_text(invoices: Sequence[Mapping[str, Any]]) -> str:
    if not invoices:
        return ""
    rows: list[Sequence[str]] = [("Date", "", "Total", "", "Lines")]
    for invoice in invoices:
        lines = "; ".join(
            f"{line['description']} {line['amount']}{_off_text(line)}" for line in invoice["lines"]
        )
        kind = invoice["kind"].replace("_", " ")
        rows.append((invoice["date"], kind, invoice["total"], invoice["currency"].upper(), lines))
    return "Invoices and credits\n" + table(rows, numbers=frozenset({2}))


def _off_text(line: Mapping[str, Any]) -> str:
    """Return what coupons took off a line, in brackets; empty where they took nothing."""
    return f" (coupons: {line['off']} off)" if "off" in line else ""


def _steps_text(steps: Sequence[Mapping[str, Any]]) -> str:
    if not steps:
        return ""
    return "Calls to Stripe\n" + "\n".join(
        f"  {number}. {step['summary']}" for number, step in enumerate(steps, start=1)
    )
