"""The page of one order: its contract in time, plan beside Stripe, invoices, proof, history, actions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any
from urllib.parse import quote

from starlette.exceptions import HTTPException

from cpqbridge.domain.ids import salesforce_id
from cpqbridge.domain.money import major_text
from cpqbridge.domain.refusal import OrderState
from cpqbridge.errors import CpqbridgeError
from cpqbridge.store.users import Role
from cpqbridge.store.views import OrderStanding, OrderView
from cpqbridge.sync.dashboard import page_of
from cpqbridge.sync.order_now import DatedInvoice, OrderNow, OrderNowReader
from cpqbridge.sync.order_story import OrderStories, OrderStory
from cpqbridge.sync.plan_difference import compared
from cpqbridge.sync.releases import TAKEOVER, releasable
from cpqbridge.web.ask import Ask, Page
from cpqbridge.web.order_pages import order_facts, order_row
from cpqbridge.web.plan_pages import KIND_WORDS
from cpqbridge.web.site import Site

_TRIED_AGAIN = frozenset({OrderState.FAILED, OrderState.REFUSED})


@dataclass(frozen=True, slots=True, kw_only=True)
class Action:
    """Something a person can do from here: a link to the page that shows its plan and asks."""

    label: str
    address: str
    sign: str
    kind: str = "neutral"


@dataclass(frozen=True, slots=True, kw_only=True)
class ContractOrder:
    """An order of the contract with its kind in words."""

    standing: OrderStanding
    kind: str
    is_this: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class InvoiceNow:
    """A line of the table of planned and real invoices; amounts are texts in major units, empty for none."""

    date: str
    kind: str
    currency: str
    planned: str
    billed: str
    number: str
    status: str
    address: str
    verdict: str


def add(site: Site) -> None:
    """Register the pages."""
    document = site.demo.report.as_document() if site.demo.report else None
    reported = {plan.root_id: plan for plan in site.demo.report.plans.values()} if site.demo.report else {}

    def told(view: OrderView) -> Mapping[str, Any] | None:
        """Return the report's document, None for a contract that was changed after the report."""
        known = reported.get(view.plan.root_id) if view.plan else None
        if known is None or view.plan is None:
            return document
        orders = {outcome.order_id for outcome in known.outcomes}
        is_newer = view.plan.executed_at > known.executed_at
        has_more = any(outcome.order_id not in orders for outcome in view.plan.outcomes)
        return None if is_newer or has_more else document

    @site.get("/orders/{order_id}", role=Role.VIEWER)
    def order(ask: Ask) -> Page:
        story = _story(ask)
        return Page("order.html", _context(ask, story, told(story.detail.view)))

    @site.get("/orders/{order_id}/now", role=Role.VIEWER)
    def now(ask: Ask) -> Page:
        story = _story(ask)
        view = story.detail.view
        context: dict[str, object] = {
            "order": order_row(view, label=site.demo.label(view.standing.order_id)),
            "zone": view.connection.facts.time_zone,
            "trouble": None,
            "now": None,
            "invoices": (),
        }
        try:
            found = OrderNowReader(ask.service).of(story.detail)
        except CpqbridgeError as error:
            # Asked from within the order's page, so the rest of it stays.
            return Page("order_now.html", {**context, "trouble": error}, fragment="fragments/order_now.html")
        invoices = _invoices(found, view)
        context |= {"now": found, "invoices": invoices}
        return Page("order_now.html", context, fragment="fragments/order_now.html")


def _story(ask: Ask) -> OrderStory:
    try:
        order_id = salesforce_id(ask.path["order_id"])
    except ValueError:
        raise HTTPException(404) from None
    story = OrderStories(ask.service).of(order_id)
    if story is None:
        raise HTTPException(404)
    return story


def _context(ask: Ask, story: OrderStory, report: Mapping[str, Any] | None) -> dict[str, object]:
    view, views = story.detail.view, ask.service.views
    standing, plan = view.standing, view.plan
    missing = views.missing_phases(view.connection.connection_id, now=ask.now, root_ids=[standing.root_id])
    facts = order_facts(
        story.detail,
        report=report,
        numbers={each.order_id: each.order_number for each in story.contract},
        today=ask.now.date(),
        alerts=tuple(each.text for each in missing),
    )
    is_under_way = standing.state is OrderState.QUEUED or ask.query.text("under_way") == "yes"
    return {
        "actions": _actions(ask, story),
        "compared": compared(plan, story.sent) if plan is not None else (),
        "contract": _contract(story),
        "is_under_way": is_under_way,
        "order": order_row(view, label=ask.site.demo.label(standing.order_id)),
        "page": facts,
        "story": story,
        "zone": view.connection.facts.time_zone,
    }


def _actions(ask: Ask, story: OrderStory) -> list[Action]:
    """Return what the person may do with the order as it stands, the most likely first."""
    standing, connection = story.detail.view.standing, story.detail.view.connection
    own = f"/orders/{standing.order_id}"
    preview = f"/orders/preview?order={standing.order_id}&connection={quote(connection.name)}"
    look = Action(label="Preview", address=preview, sign="preview")
    if ask.user is None or not ask.user.role.covers(Role.OPERATOR):
        return [look]
    is_held = story.hold is not None or standing.code in releasable()
    release = Action(
        label="Take over" if standing.code == TAKEOVER else "Release",
        address=f"{own}/release",
        sign="play",
        kind="brand",
    )
    sync = Action(
        label="Try again" if standing.state in _TRIED_AGAIN else "Sync", address=f"{own}/sync", sign="sync"
    )
    hold = Action(label="Hold", address=f"{own}/hold", sign="pause")
    return [*([release] if is_held else []), sync, look, *([] if story.hold is not None else [hold])]


def _contract(story: OrderStory) -> list[ContractOrder]:
    plan = story.detail.view.plan
    kinds = {each.order_id: each.kind for each in plan.outcomes} if plan is not None else {}
    places = {order_id: place for place, order_id in enumerate(kinds)}
    ordered = sorted(
        story.contract, key=lambda each: (places.get(each.order_id, len(places)), each.order_number)
    )
    return [
        ContractOrder(
            standing=each,
            kind=KIND_WORDS[kind] if (kind := kinds.get(each.order_id)) else "",
            is_this=each.order_id == story.detail.view.standing.order_id,
        )
        for each in ordered
    ]


def _invoices(now: OrderNow, view: OrderView) -> list[InvoiceNow]:
    return [_invoice(each, view, now.at.date()) for each in now.invoices]


def _invoice(each: DatedInvoice, view: OrderView, today: date) -> InvoiceNow:
    billed = each.billed
    return InvoiceNow(
        date=each.on.isoformat(),
        kind="Credit" if each.kind == "credit" else "Invoice",
        currency=each.currency,
        planned="" if each.planned_minor is None else major_text(each.planned_minor, each.currency),
        billed="" if billed is None else major_text(billed.total_minor, each.currency),
        number="" if billed is None else billed.number or billed.stripe_id,
        status="" if billed is None else billed.status,
        address="" if billed is None else page_of(billed.stripe_id, view.connection.facts) or "",
        verdict=_verdict(each, today),
    )


def _verdict(each: DatedInvoice, today: date) -> str:
    if each.billed is not None:
        if not each.differs:
            return "as planned"
        return "not planned" if each.planned_minor is None else "differs"
    if each.differs:
        return "not in Stripe"
    return "to come" if each.on > today else "not sent yet"
