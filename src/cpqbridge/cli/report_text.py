"""The report of a rehearsal as text for people: states, totals, what was not billed and why."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence

from cpqbridge.cli.output import table
from cpqbridge.domain.money import major_text
from cpqbridge.domain.refusal import OrderState
from cpqbridge.sync.report import Report, ReportedOrder

_BILLED = frozenset({OrderState.SYNCED, OrderState.UNCHANGED})


def report_text(report: Report) -> str:
    """Return the report as lines of text."""
    parts = [_summary(report), _totals_text(report), *_causes(report), _gaps(report), _notes(report.notes)]
    return "\n\n".join(part for part in parts if part)


def _summary(report: Report) -> str:
    states = Counter(order.state.value for order in report.orders)
    counts = ", ".join(f"{number} {state}" for state, number in states.most_common()) or "none"
    contracts = len({order.contract for order in report.orders})
    return (
        f"{len(report.orders)} orders: {counts}.\n"
        f"{contracts} contract{'' if contracts == 1 else 's'}, {len(report.invoices)} invoices and credits; "
        f"{report.calls.salesforce} calls to Salesforce, {report.calls.stripe} calls to Stripe "
        "(all simulated)."
    )


def _totals_text(report: Report) -> str:
    sold: Counter[str] = Counter()
    billed: Counter[str] = Counter()
    for proof in (proof for order in report.orders for proof in order.proof):
        sold[proof.currency] += proof.sold_minor
        billed[proof.currency] += proof.billed_minor
    if not sold:
        return ""
    rows = [("Synced orders", "Sold", "Billed", "Difference")]
    rows += [
        (
            currency.upper(),
            major_text(sold[currency], currency),
            major_text(billed[currency], currency),
            major_text(billed[currency] - sold[currency], currency),
        )
        for currency in sorted(sold)
    ]
    return table(rows, numbers=frozenset({1, 2, 3}))


def _causes(report: Report) -> list[str]:
    groups: defaultdict[tuple[str, str], list[ReportedOrder]] = defaultdict(list)
    for order in report.orders:
        if order.state not in _BILLED:
            groups[order.state.value, order.code or ""].append(order)
    ordered = sorted(groups.items(), key=lambda item: (-len(item[1]), item[0]))
    return [_cause(state, code, orders) for (state, code), orders in ordered]


def _cause(state: str, code: str, orders: Sequence[ReportedOrder]) -> str:
    lines = [f"{state.capitalize()} ({code}): {len(orders)} order{'s' if len(orders) > 1 else ''}"]
    for order in orders:
        named = f"{order.order_number} {order.customer}".strip()
        lines.append(f"  {named}: {order.message or ''}".rstrip())
    fixes = dict.fromkeys(order.fix for order in orders if order.fix)
    lines += [f"  What to do: {fix}" for fix in fixes]
    return "\n".join(lines)


def _gaps(report: Report) -> str:
    rows = [("Order", "Order line", "Difference", "", "Reason")]
    rows += [
        (
            order.order_number,
            proof.order_item_id,
            major_text(proof.difference_minor, proof.currency),
            proof.currency.upper(),
            proof.reason or "",
        )
        for order in report.orders
        for proof in order.proof
        if proof.difference_minor
    ]
    return "Lines billed other than sold\n" + table(rows, numbers=frozenset({2})) if len(rows) > 1 else ""


def _notes(notes: Sequence[str]) -> str:
    return "\n".join(f"Note: {text}" for text in notes)
