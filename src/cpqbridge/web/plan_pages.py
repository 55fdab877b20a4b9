"""A plan as pages show it before it is carried out: what becomes of orders, what is sent and billed."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from cpqbridge.domain.order import OrderKind
from cpqbridge.domain.refusal import OrderState, Refusal
from cpqbridge.domain.refusal_catalog import REFUSAL_CATALOG
from cpqbridge.sync.documents import plan_document
from cpqbridge.sync.explain import ExplainedLine, explained
from cpqbridge.sync.order_actions import Look
from cpqbridge.sync.plan_difference import ComparedObject, compared
from cpqbridge.sync.plan_rows import labelled_names, sight_texts, wake_text
from cpqbridge.web.order_pages import invoices_of
from cpqbridge.web.timeline import Timeline, timeline

KIND_WORDS = {
    OrderKind.INITIAL: "first order",
    OrderKind.AMENDMENT: "amendment",
    OrderKind.RENEWAL: "renewal",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedOrder:
    """An order of the contract: where it stands (empty: never seen) and where the plan leads it."""

    order_id: str
    order_number: str
    kind: str
    before: str
    after: str
    reasons: tuple[Refusal, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class HoldRow:
    """A hold that can be released; no message where the plan is made as if it were."""

    code: str
    title: str
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanPage:
    """What a page shows of a look at a plan; amounts are texts in major units.

    `invoices` are those of the order's own objects, `coming` how many of the contract's are dated from today
    on. `is_draft` tells that the order is not activated, so that the plan is what would happen if it were.
    """

    order_id: str
    order_number: str
    customer: str
    connection: str
    zone: str
    state: OrderState
    is_draft: bool
    is_known: bool
    orders: tuple[PlannedOrder, ...]
    holds: tuple[HoldRow, ...]
    steps: tuple[str, ...]
    compared: tuple[ComparedObject, ...]
    invoices: list[Mapping[str, Any]]
    proof: list[Mapping[str, Any]]
    explained: tuple[ExplainedLine, ...]
    names: Mapping[str, str]
    timeline: Timeline | None
    warnings: tuple[str, ...]
    sight: tuple[str, ...]
    waits: str
    mark: str


def plan_page(look: Look, *, chosen: Collection[str] = ()) -> PlanPage:
    """Return what is shown of a look; `chosen` are codes that a person wants to release, now or soon."""
    plan, order_id = look.plan, look.notice.order_id
    document = plan_document(plan, order_id=order_id)
    own = {proof.order_item_id for proof in plan.proof if proof.order_id == order_id}
    return PlanPage(
        order_id=order_id,
        order_number=look.notice.order_number,
        customer=plan.account_name,
        connection=look.connection.name,
        zone=look.connection.facts.time_zone,
        state=look.state,
        is_draft=look.is_draft,
        is_known=order_id in look.before,
        orders=_orders(look),
        holds=_holds(look, chosen),
        steps=tuple(step.summary for step in plan.steps),
        compared=compared(plan, look.sent),
        invoices=invoices_of(plan, order_id, document),
        proof=[line for line in document["proof"] if line["order_item_id"] in own],
        explained=explained(plan, order_id=order_id),
        names=labelled_names(plan),
        timeline=timeline(plan, document["invoices"], today=look.now.date()),
        warnings=plan.warnings,
        sight=sight_texts(plan, order_id=order_id),
        waits=wake_text(plan),
        mark=look.mark,
    )


def _orders(look: Look) -> tuple[PlannedOrder, ...]:
    return tuple(
        PlannedOrder(
            order_id=each.order_id,
            order_number=look.numbers.get(each.order_id, each.order_id),
            kind=KIND_WORDS[each.kind] if each.kind else "",
            before=look.before[each.order_id].value if each.order_id in look.before else "",
            after=each.state.value,
            reasons=tuple(reason for reason in each.refusals if reason.state is each.state),
        )
        for each in look.plan.outcomes
    )


def _holds(look: Look, chosen: Collection[str]) -> tuple[HoldRow, ...]:
    standing = {each.code: each.message for each in look.holds}
    return tuple(
        HoldRow(
            code=code,
            title=REFUSAL_CATALOG[code].title,
            message=standing.get(code, ""),
        )
        for code in sorted({*standing, *look.asked.released, *chosen})
    )
