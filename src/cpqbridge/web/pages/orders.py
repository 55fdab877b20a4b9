"""The list of orders, one page per order, and a rehearsal's report where there is one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fastapi.responses import HTMLResponse
from starlette.exceptions import HTTPException
from starlette.responses import Response

from cpqbridge.domain.ids import salesforce_id
from cpqbridge.store.views import OrderDetail, OrderView
from cpqbridge.web.ask import Ask, Page
from cpqbridge.web.order_pages import OrderFacts, order_facts, order_row, state_counts
from cpqbridge.web.report_page import report_page
from cpqbridge.web.site import Site

PAGE_SIZE = 100
_MOST_PAGES = 100_000


def add(site: Site) -> None:
    """Register the pages."""
    document = site.demo.report.as_document() if site.demo.report else None
    reported = {plan.root_id: plan for plan in site.demo.report.plans.values()} if site.demo.report else {}
    views = site.service.views

    def told(view: OrderView) -> Mapping[str, Any] | None:
        """Return the report's document, None for a contract that was changed after the report."""
        known = reported.get(view.plan.root_id) if view.plan else None
        if known is None or view.plan is None:
            return document
        orders = {outcome.order_id for outcome in known.outcomes}
        is_newer = view.plan.executed_at > known.executed_at
        has_more = any(outcome.order_id not in orders for outcome in view.plan.outcomes)
        return None if is_newer or has_more else document

    @site.get("/orders")
    def orders(ask: Ask) -> Page:
        number = _page_number(ask.query.text("page"))
        found = views.page(offset=(number - 1) * PAGE_SIZE, limit=PAGE_SIZE)
        rows = [
            order_row(view, label=site.demo.label(view.standing.order_id), report=told(view))
            for view in found.orders
        ]
        return Page(
            "orders.html",
            {
                "orders": rows,
                "counts": state_counts(row.state for row in rows),
                "previous": number - 1 if number > 1 else None,
                "following": number + 1 if number * PAGE_SIZE < found.total else None,
            },
        )

    @site.get("/orders/{order_id}")
    def order(ask: Ask) -> Page:
        detail = views.detail(_full_id(ask.path["order_id"]))
        if detail is None:
            raise HTTPException(404)
        label = site.demo.label(detail.view.standing.order_id)
        report = told(detail.view)
        return Page(
            "order.html",
            {
                "order": order_row(detail.view, label=label, report=report),
                "page": _facts(ask, detail, report),
            },
        )

    @site.get("/report")
    def report(ask: Ask) -> Response:
        if site.demo.report is None:
            raise HTTPException(404)
        return HTMLResponse(report_page(site.demo.report, standalone=False, today=ask.now.date()))


def _facts(ask: Ask, detail: OrderDetail, report: Mapping[str, Any] | None) -> OrderFacts:
    plan, views = detail.view.plan, ask.service.views
    missing = views.missing_phases(
        detail.view.connection.connection_id, now=ask.now, root_ids=[detail.view.standing.root_id]
    )
    return order_facts(
        detail,
        report=report,
        numbers=views.numbers([each.order_id for each in plan.outcomes]) if plan else {},
        today=ask.now.date(),
        alerts=tuple(each.text for each in missing),
    )


def _page_number(text: str) -> int:
    """Return the page that was asked for; anything that is no page is the first."""
    return min(int(text), _MOST_PAGES) if text.isdecimal() and text.isascii() and int(text) else 1


def _full_id(text: str) -> str:
    try:
        return salesforce_id(text)
    except ValueError:
        raise HTTPException(404) from None
