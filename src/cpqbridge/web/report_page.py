"""The report of a rehearsal as one page for people in finance: totals, contracts, causes."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from typing import Any

from cpqbridge.domain.billing import Proof
from cpqbridge.domain.money import major_text
from cpqbridge.domain.refusal import OrderState
from cpqbridge.sync.documents import proof_document
from cpqbridge.sync.report import Report, ReportedOrder
from cpqbridge.web.order_pages import state_counts
from cpqbridge.web.rendering import counted, render, stylesheet

_BILLED = frozenset({OrderState.SYNCED, OrderState.UNCHANGED})


def report_page(report: Report, *, standalone: bool) -> str:
    """Return the report as HTML; a standalone page carries its style and no links to other pages."""
    return render(
        "rehearsal.html",
        style=stylesheet() if standalone else None,
        has_report=True,
        summary=_summary(report),
        counts=state_counts(order.state.value for order in report.orders),
        totals=_totals(proof for order in report.orders for proof in order.proof),
        reasons=_reasons(report),
        causes=_causes(report),
        contracts=_contracts(report),
        notes=report.notes,
    )


def _summary(report: Report) -> str:
    kinds = Counter(invoice.kind for invoice in report.invoices)
    made = counted(kinds["invoice"], "invoice")
    if kinds["credit_note"]:
        made += f" and {counted(kinds['credit_note'], 'credit note')}"
    return (
        f"{counted(len(report.orders), 'order')} went through a simulated Stripe account, which made {made} "
        f"until the end of every contract. It took {report.calls.salesforce} calls to Salesforce and "
        f"{report.calls.stripe} to Stripe. Nothing was sent to a real account."
    )


def _totals(proofs: Iterable[Proof]) -> list[dict[str, str]]:
    sold: Counter[str] = Counter()
    billed: Counter[str] = Counter()
    for proof in proofs:
        sold[proof.currency] += proof.sold_minor
        billed[proof.currency] += proof.billed_minor
    return [
        {
            "currency": currency,
            "sold": major_text(sold[currency], currency),
            "billed": major_text(billed[currency], currency),
            "difference": major_text(billed[currency] - sold[currency], currency),
        }
        for currency in sorted(sold)
    ]


def _reasons(report: Report) -> list[dict[str, Any]]:
    found = Counter(proof.reason for order in report.orders for proof in order.proof if proof.reason)
    return [{"reason": reason, "number": number} for reason, number in sorted(found.items())]


def _causes(report: Report) -> list[dict[str, Any]]:
    groups: defaultdict[tuple[str, str], list[ReportedOrder]] = defaultdict(list)
    for order in report.orders:
        if order.state not in _BILLED:
            groups[order.state.value, order.code or ""].append(order)
    ordered = sorted(groups.items(), key=lambda item: (-len(item[1]), item[0]))
    return [
        {"state": state, "code": code, "orders": orders, "fix": _one_fix(orders)}
        for (state, code), orders in ordered
    ]


def _one_fix(orders: Iterable[ReportedOrder]) -> str:
    """Return what is to be done when it is the same for all orders, else nothing."""
    fixes = {order.fix for order in orders}
    return fixes.pop() if len(fixes) == 1 else ""


def _contracts(report: Report) -> list[dict[str, Any]]:
    groups: defaultdict[str, list[ReportedOrder]] = defaultdict(list)
    for order in report.orders:
        groups[order.contract].append(order)
    return [_contract(report, name, orders) for name, orders in groups.items() if _is_billed(orders)]


def _is_billed(orders: Iterable[ReportedOrder]) -> bool:
    return any(order.state in _BILLED for order in orders)


def _contract(report: Report, name: str, orders: list[ReportedOrder]) -> dict[str, Any]:
    invoices = [invoice for invoice in report.invoices if invoice.contract == name]
    return {
        "name": name,
        "customer": next((order.customer for order in orders if order.customer), ""),
        "orders": [_order(order) for order in orders],
        "names": {key: value for order in orders for key, value in order.line_names.items()},
        "invoices": [invoice.as_document() for invoice in invoices],
        "totals": _totals(proof for order in orders for proof in order.proof),
    }


def _order(order: ReportedOrder) -> Mapping[str, Any]:
    return {
        "order_number": order.order_number,
        "state": order.state.value,
        "purpose": order.purpose,
        "proof": [proof_document(proof) for proof in order.proof],
    }
