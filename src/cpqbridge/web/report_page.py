"""The report of a rehearsal as one page for people in finance: totals, contracts, causes."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from datetime import date
from typing import Any

from cpqbridge.domain.billing import Plan, Proof
from cpqbridge.domain.money import major_text
from cpqbridge.domain.refusal import OrderState
from cpqbridge.domain.refusal_catalog import REFUSAL_CATALOG
from cpqbridge.sync.documents import proof_document
from cpqbridge.sync.report import MISMATCH, Report, ReportedOrder
from cpqbridge.sync.report_invoices import BilledDocument
from cpqbridge.web.order_pages import state_counts
from cpqbridge.web.rendering import counted, render, stylesheet
from cpqbridge.web.timeline import timeline

_BILLED = frozenset({OrderState.SYNCED, OrderState.UNCHANGED})


def report_page(report: Report, *, standalone: bool, today: date | None = None) -> str:
    """Return the report as HTML; a standalone page carries its style and no links to other pages.

    `today` is the day the pictures mark, UTC.
    """
    contracts = _contracts(report, today)
    return render(
        "rehearsal.html",
        style=stylesheet() if standalone else None,
        has_report=True,
        summary=_summary(report),
        counts=state_counts(order.state.value for order in report.orders),
        contract_count=len({order.contract for order in report.orders}),
        totals=_totals(proof for order in report.orders for proof in order.proof),
        reasons=_reasons(report),
        causes=_causes(report),
        contracts=contracts,
        notes=report.notes,
    )


def _summary(report: Report) -> str:
    invoices = sum(invoice.kind == "invoice" for invoice in report.invoices)
    credits_made = len(report.invoices) - invoices
    made = counted(invoices, "invoice") + (f" and {counted(credits_made, 'credit')}" if credits_made else "")
    return (
        f"{counted(len(report.orders), 'order')} went through a simulated Stripe account, which made {made} "
        "until the end of every contract that has one. "
        f"It took {report.calls.salesforce} calls to Salesforce and {report.calls.stripe} to Stripe. "
        "Nothing was sent to a real account."
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
    found: defaultdict[tuple[str, str], list[Proof]] = defaultdict(list)
    for proof in (proof for order in report.orders for proof in order.proof if proof.reason):
        found[str(proof.reason), proof.currency].append(proof)
    return [
        {
            "reason": reason,
            "number": len(proofs),
            "currency": currency,
            "difference": major_text(sum(proof.difference_minor for proof in proofs), currency),
        }
        for (reason, currency), proofs in sorted(found.items())
    ]


def _causes(report: Report) -> list[dict[str, Any]]:
    groups: defaultdict[tuple[str, str], list[ReportedOrder]] = defaultdict(list)
    for order in report.orders:
        if order.state not in _BILLED:
            groups[order.state.value, order.code or ""].append(order)
    ordered = sorted(groups.items(), key=lambda item: (-len(item[1]), item[0]))
    return [_cause(state, code, orders) for (state, code), orders in ordered]


def _cause(state: str, code: str, orders: list[ReportedOrder]) -> dict[str, Any]:
    known = REFUSAL_CATALOG.get(code)
    return {
        "state": state,
        "code": code,
        "title": known.title if known else code.replace("_", " ").capitalize(),
        "meaning": known.meaning if known else "",
        "orders": orders,
        "fix": _one_fix(orders) or (known.fix if known else ""),
        "has_fixes": not _one_fix(orders) and any(order.fix for order in orders),
    }


def _one_fix(orders: Iterable[ReportedOrder]) -> str:
    """Return what is to be done when it is the same for all orders, else nothing."""
    fixes = {order.fix for order in orders}
    return fixes.pop() if len(fixes) == 1 else ""


def _contracts(report: Report, today: date | None) -> list[dict[str, Any]]:
    """Return the billed contracts by customer; `anchor` is where the page's list of contracts leads."""
    orders: defaultdict[str, list[ReportedOrder]] = defaultdict(list)
    for order in report.orders:
        orders[order.contract].append(order)
    invoices: defaultdict[str, list[BilledDocument]] = defaultdict(list)
    for invoice in report.invoices:
        if invoice.contract is not None:
            invoices[invoice.contract].append(invoice)
    billed = [name for name in orders if any(order.state in _BILLED for order in orders[name])]
    billed.sort(key=lambda name: (_customer(orders[name]).casefold(), name))
    return [
        _contract(name, orders[name], invoices=invoices[name], plan=report.plans.get(name), today=today)
        | {"anchor": f"contract-{place}"}
        for place, name in enumerate(billed, start=1)
    ]


def _contract(
    name: str,
    orders: list[ReportedOrder],
    *,
    invoices: list[BilledDocument],
    plan: Plan | None,
    today: date | None,
) -> dict[str, Any]:
    documents = [invoice.as_document() for invoice in invoices]
    return {
        "name": name,
        "customer": _customer(orders),
        "orders": [_order(order) for order in orders],
        "counts": state_counts(order.state.value for order in orders),
        "names": {key: value for order in orders for key, value in order.line_names.items()},
        "invoices": documents,
        "totals": _totals(proof for order in orders for proof in order.proof),
        "mismatch": any(proof.reason == MISMATCH for order in orders for proof in order.proof),
        "timeline": timeline(plan, documents, today=today) if plan else None,
    }


def _customer(orders: Iterable[ReportedOrder]) -> str:
    return next((order.customer for order in orders if order.customer), "")


def _order(order: ReportedOrder) -> Mapping[str, Any]:
    return {
        "order_number": order.order_number,
        "state": order.state.value,
        "purpose": order.purpose,
        "message": order.message or "",
        "proof": [proof_document(proof, taken=order.taken) for proof in order.proof],
    }
