"""What the order list and the order page show, worked out from the stored plans and a rehearsal's report."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from dataclasses import field as default
from datetime import date
from typing import Any

from cpqbridge.domain.billing import Link, Plan
from cpqbridge.domain.money import major_text
from cpqbridge.domain.refusal import OrderState
from cpqbridge.store.views import OrderDetail, OrderView
from cpqbridge.sync.dashboard import BALANCE_TRANSACTION, dashboard_address
from cpqbridge.sync.documents import plan_document
from cpqbridge.sync.explain import ExplainedLine, explained
from cpqbridge.sync.plan_rows import ScheduleRows, labelled_names, schedule_rows, sight_texts, wake_text
from cpqbridge.web.site import OrderLabel
from cpqbridge.web.timeline import Timeline, timeline

MISMATCH = "proof_mismatch"
_BILLED = frozenset({OrderState.SYNCED, OrderState.UNCHANGED})
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Sibling:
    """An order of the same contract, in the order in which they take effect; `state` is the plan's."""

    order_id: str
    order_number: str
    state: str


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
    proof: list[Mapping[str, Any]] = default(default_factory=list)
    explained: Mapping[str, ExplainedLine] = default(default_factory=dict)
    schedules: tuple[ScheduleRows, ...] = ()
    invoices: list[Mapping[str, Any]] = default(default_factory=list)
    names: Mapping[str, str] = default(default_factory=dict)
    numbers: Mapping[str, str] = default(default_factory=dict)
    siblings: tuple[Sibling, ...] = ()
    timeline: Timeline | None = None
    waits: str = ""
    sight: tuple[str, ...] = ()
    alerts: tuple[str, ...] = ()
    stripe_ids: list[StripeId] = default(default_factory=list)
    is_billed: bool = False
    billed_by_stripe: bool = False


def order_row(view: OrderView, *, label: OrderLabel, report: Mapping[str, Any] | None) -> OrderRow:
    """Return the order's line in the list; what was billed comes from the report where there is one."""
    standing = view.standing
    proof = _proof(view.plan, standing.order_id, report) if standing.state in _BILLED else []
    return OrderRow(
        order_id=standing.order_id,
        order_number=standing.order_number,
        customer=label.customer or (view.plan.account_name if view.plan else ""),
        purpose=label.purpose,
        state=standing.state.value,
        code=standing.code,
        message=standing.message,
        **_sums(proof),
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
        invoices=_of_lines(billed, lines) or _planned_invoices(plan, order_id, document),
        names=labelled_names(plan),
        siblings=_siblings(plan, order_id, facts.numbers),
        timeline=timeline(plan, billed or document["invoices"], today=today),
        waits=wake_text(plan),
        sight=sight_texts(plan, order_id=order_id),
        billed_by_stripe=bool(_of_lines(billed, lines)),
    )


def _siblings(plan: Plan, order_id: str, numbers: Mapping[str, str]) -> tuple[Sibling, ...]:
    return tuple(
        Sibling(
            order_id=each.order_id,
            order_number=numbers.get(each.order_id, each.order_id),
            state=each.state.value,
        )
        for each in plan.outcomes
        if each.order_id != order_id
    )


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


def _sums(proof: list[Mapping[str, Any]]) -> dict[str, Any]:
    if not proof:
        return {}
    currency = proof[0]["currency"]
    sold, billed = (sum(_minor(line[name]) for line in proof) for name in ("sold", "billed"))
    return {
        "currency": currency,
        "sold": major_text(sold, currency),
        "billed": major_text(billed, currency),
        "difference": major_text(billed - sold, currency),
        "mismatch": any(line["reason"] == MISMATCH for line in proof),
    }


def _minor(text: str) -> int:
    """Return a decimal string as minor units; the document writes every amount with all its decimals."""
    return int(text.replace(".", ""))


def _of_lines(invoices: Iterable[Mapping[str, Any]], order_item_ids: set[str]) -> list[Mapping[str, Any]]:
    return [
        invoice
        for invoice in invoices
        if any(
            share["order_item_id"] in order_item_ids for line in invoice["lines"] for share in line["shares"]
        )
    ]


def _planned_invoices(plan: Plan, order_id: str, document: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    own = {wanted.key for wanted in plan.objects if order_id in wanted.order_ids}
    pairs = zip(plan.forecast, document["invoices"], strict=True)
    return [invoice for forecast, invoice in pairs if forecast.object_key in own]


def _stripe_id(link: Link, view: OrderView) -> StripeId:
    kind = link.key.partition(":")[0]
    is_balance = link.stripe_id.startswith(BALANCE_TRANSACTION)
    return StripeId(
        key=link.key,
        label="credit on the customer's balance" if is_balance else _LINK_WORDS.get(kind, kind),
        stripe_id=link.stripe_id,
        address=dashboard_address(link, view.connection.facts),
    )
