"""What the order list and the order page show, worked out from the stored plans and a rehearsal's report."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from dataclasses import field as default
from datetime import date, datetime
from typing import Any

from cpqbridge.domain.billing import Link, Plan
from cpqbridge.domain.money import major_text
from cpqbridge.domain.refusal import OrderState
from cpqbridge.store.views import FoundOrder, OrderDetail, OrderView
from cpqbridge.sync.dashboard import BALANCE_TRANSACTION, dashboard_address
from cpqbridge.sync.documents import plan_document
from cpqbridge.sync.explain import ExplainedLine, explained
from cpqbridge.sync.plan_rows import ScheduleRows, labelled_names, schedule_rows, sight_texts, wake_text
from cpqbridge.web.site import OrderLabel
from cpqbridge.web.timeline import Timeline, timeline

_BILLED = frozenset({OrderState.SYNCED, OrderState.UNCHANGED})
_CONTRACT_PREFIX = "800"
_LINK_WORDS = {
    "customer": "customer",
    "schedule": "subscription schedule",
    "invoice": "invoice",
    "credit_note": "credit note",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderRow:
    """One line of the order list; amounts are texts in major units, empty where nothing is billed."""

    order_id: str
    order_number: str
    customer: str
    purpose: str
    state: str
    code: str
    message: str
    sold: str = ""
    billed: str = ""
    difference: str = ""
    currency: str = ""
    mismatch: bool = False
    contract: str = ""
    connection_id: int = 0
    changed_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class StripeId:
    """One Stripe object of the contract; `address` is its Dashboard page, None where there is none.

    `key` is that of its link.
    """

    key: str
    label: str
    stripe_id: str
    address: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderFacts:
    """Everything the order page shows below its heading.

    `is_billed` is False where the plan only says what would be billed if nothing stopped the order;
    `billed_by_stripe` is True where the invoices are Stripe's own. `explained` says by order line how it
    comes to its amount as planned. `numbers` are order numbers by id, `names` what order lines are called,
    `waits` says when something more happens by itself, and `sight` what the invoices leave out.
    """

    contract: str
    connection: str
    fix: str
    record: str
    field: str
    request_link: str | None
    salesforce_link: str | None
    contract_link: str | None
    proof: list[Mapping[str, Any]] = default(default_factory=list)
    explained: Mapping[str, ExplainedLine] = default(default_factory=dict)
    schedules: tuple[ScheduleRows, ...] = ()
    invoices: list[Mapping[str, Any]] = default(default_factory=list)
    names: Mapping[str, str] = default(default_factory=dict)
    numbers: Mapping[str, str] = default(default_factory=dict)
    timeline: Timeline | None = None
    waits: str = ""
    sight: tuple[str, ...] = ()
    alerts: tuple[str, ...] = ()
    stripe_ids: list[StripeId] = default(default_factory=list)
    is_billed: bool = False
    billed_by_stripe: bool = False


def order_row(view: OrderView, *, label: OrderLabel) -> OrderRow:
    """Return the heading of an order's page: its names and where it stands, without amounts."""
    standing = view.standing
    return OrderRow(
        order_id=standing.order_id,
        order_number=standing.order_number,
        customer=label.customer or (view.plan.account_name if view.plan else ""),
        purpose=label.purpose,
        state=standing.state.value,
        code=standing.code,
        message=standing.message,
        contract=standing.contract_key,
        connection_id=view.connection.connection_id,
        changed_at=standing.updated_at,
    )


def listed_row(found: FoundOrder, *, label: OrderLabel) -> OrderRow:
    """Return an order's line in the list, by what its last plan said."""
    row = OrderRow(
        order_id=found.order_id,
        order_number=found.order_number,
        customer=label.customer or found.account_name,
        purpose=label.purpose,
        state=found.state.value,
        code=found.code,
        message=found.message,
        contract=found.contract_key,
        connection_id=found.connection_id,
        changed_at=found.updated_at,
    )
    sold, billed = found.sold_minor, found.billed_minor
    if found.state not in _BILLED or sold is None or billed is None:
        return row
    return replace(
        row,
        sold=major_text(sold, found.currency),
        billed=major_text(billed, found.currency),
        difference=major_text(billed - sold, found.currency),
        currency=found.currency,
        mismatch=found.is_mismatch,
    )


def order_facts(
    detail: OrderDetail,
    *,
    report: Mapping[str, Any] | None,
    numbers: Mapping[str, str] | None = None,
    today: date | None = None,
    alerts: tuple[str, ...] = (),
) -> OrderFacts:
    """Return what the order page shows; invoices come from the report where there is one.

    Args:
        detail: The order with its plan and links.
        report: The document of a rehearsal, where the pages belong to one.
        numbers: Order numbers by id, as far as they are known.
        today: The day to mark in the picture, UTC.
        alerts: What is wrong with the contract in Stripe.
    """
    view, plan = detail.view, detail.view.plan
    standing, facts = view.standing, view.connection.facts
    common = OrderFacts(
        contract=standing.contract_key,
        connection=view.connection.name,
        fix=standing.fix,
        record=standing.record_id,
        field=standing.field,
        request_link=standing.request_link,
        salesforce_link=None if facts.simulated else f"{facts.salesforce_url}/{standing.order_id}",
        contract_link=None
        if facts.simulated or not standing.contract_key.startswith(_CONTRACT_PREFIX)
        else f"{facts.salesforce_url}/{standing.contract_key}",
        numbers=numbers or {},
        stripe_ids=[
            _stripe_id(link, view)
            for link in detail.links
            if not link.key.startswith(("invoice_lines:", "invoice_final:"))
        ],
        is_billed=standing.state in _BILLED,
        alerts=alerts,
    )
    return common if plan is None else _with_plan(common, plan, standing.order_id, report=report, today=today)


def _with_plan(
    facts: OrderFacts, plan: Plan, order_id: str, *, report: Mapping[str, Any] | None, today: date | None
) -> OrderFacts:
    document = plan_document(plan, order_id=order_id)
    proof = _proof(plan, order_id, report)
    billed = [each for each in (report or {}).get("invoices", ()) if each["contract"] == plan.contract_key]
    lines = {line["order_item_id"] for line in proof}
    return replace(
        facts,
        proof=proof,
        explained={each.line.order_item_id: each for each in explained(plan, order_id=order_id)},
        schedules=schedule_rows(plan, order_id=order_id),
        invoices=_of_lines(billed, lines) or invoices_of(plan, order_id, document),
        names=labelled_names(plan),
        timeline=timeline(plan, billed or document["invoices"], today=today),
        waits=wake_text(plan),
        sight=sight_texts(plan, order_id=order_id),
        billed_by_stripe=bool(_of_lines(billed, lines)),
    )


def invoices_of(plan: Plan, order_id: str, document: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """Return the invoices and credits, of a plan's document, of the objects that an order shapes."""
    own = {wanted.key for wanted in plan.objects if order_id in wanted.order_ids}
    pairs = zip(plan.forecast, document["invoices"], strict=True)
    return [invoice for forecast, invoice in pairs if forecast.object_key in own]


def state_counts(states: Iterable[str]) -> list[dict[str, Any]]:
    """Return how many orders are in each state, the most frequent first."""
    return [{"state": state, "number": number} for state, number in Counter(states).most_common()]


def _proof(plan: Plan | None, order_id: str, report: Mapping[str, Any] | None) -> list[Mapping[str, Any]]:
    for order in (report or {}).get("orders", ()):
        if order["order_id"] == order_id and order["proof"]:
            return list(order["proof"])
    if plan is None:
        return []
    mine = {proof.order_item_id for proof in plan.proof if proof.order_id == order_id}
    document = plan_document(plan, order_id=order_id)
    return [line for line in document["proof"] if line["order_item_id"] in mine]


def _of_lines(invoices: Iterable[Mapping[str, Any]], order_item_ids: set[str]) -> list[Mapping[str, Any]]:
    return [
        invoice
        for invoice in invoices
        if any(
            share["order_item_id"] in order_item_ids for line in invoice["lines"] for share in line["shares"]
        )
    ]


def _stripe_id(link: Link, view: OrderView) -> StripeId:
    kind = link.key.partition(":")[0]
    is_balance = link.stripe_id.startswith(BALANCE_TRANSACTION)
    return StripeId(
        key=link.key,
        label="credit on the customer's balance" if is_balance else _LINK_WORDS.get(kind, kind),
        stripe_id=link.stripe_id,
        address=dashboard_address(link, view.connection.facts),
    )
