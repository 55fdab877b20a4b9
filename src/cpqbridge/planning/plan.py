"""The planner: an order history and what Stripe holds become one plan, complete before the first write."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import replace
from datetime import date, datetime

from cpqbridge.domain.billing import BillingState, OrderOutcome, Plan, PlannedLine
from cpqbridge.domain.order import LineKind, Order, OrderHistory, OrderLine
from cpqbridge.domain.refusal import OrderState
from cpqbridge.mapping.configuration import Configuration
from cpqbridge.planning.acceptance import Acceptance, Verdict
from cpqbridge.planning.build import Build
from cpqbridge.planning.request import Request
from cpqbridge.planning.safety import NEVER_RELEASED
from cpqbridge.planning.tracks import going_on


def plan_contract(
    history: OrderHistory,
    state: BillingState,
    configuration: Configuration,
    *,
    as_of: datetime,
    released: Collection[str] = frozenset(),
    preview_order_id: str | None = None,
    cutover: date | None = None,
    restores: Collection[str] = frozenset(),
) -> Plan:
    """Return the whole plan for one contract.

    Args:
        history: every order of the contract as the mapper read it.
        state: what exists in Stripe for it, through our links and objects as they were sent last.
        configuration: mapping and policies of the connection.
        as_of: the present instant, aware UTC; what was executed before keeps its own instant.
        released: codes of holds a person has released for this run.
        preview_order_id: the order somebody looks at: a draft is planned as if it were activated now, and a
            held one is shown as it would be carried out, as long as nothing else is to be done.
        cutover: the first day we bill, for a contract that was billed elsewhere before (B1.8).
        restores: the keys of schedules that are put back to what was sold where `state.touched` tells that
            somebody changed them.
    """
    objects = {key: going_on(sent, as_of) for key, sent in state.objects.items()}
    request = Request(
        history=history,
        state=replace(state, objects=objects),
        configuration=configuration,
        as_of=as_of,
        released=frozenset(released) - NEVER_RELEASED,
        cutover=cutover,
        restores=frozenset(restores),
    )
    acceptance = Acceptance(request, preview_order_id=preview_order_id)
    verdict = acceptance.verdict()
    build = Build(request, verdict)
    shown: Build | None = None
    # Each round stops one more order, or leaves the contract as it is, so the rounds come to an end.
    while stops := build.stops():
        shown = shown or build
        acceptance.stop(stops)
        verdict = acceptance.verdict()
        build = Build(request, verdict)
    looking = preview_order_id is not None or not verdict.accepted
    return _plan(request, verdict, build, shown if looking else None)


def _plan(request: Request, verdict: Verdict, build: Build, shown: Build | None) -> Plan:
    """Return the plan: what is accepted, or, where nothing of that is to be done, the sight of what waits."""
    history = request.history
    steps = build.steps()
    sight = build if steps or shown is None else shown
    outcomes = tuple(
        replace(
            verdict.outcomes.get(order.order_id)
            or OrderOutcome(
                order_id=order.order_id,
                state=OrderState.SYNCED if build.changes(order) else OrderState.UNCHANGED,
            ),
            kind=order.kind,
        )
        for order in history.orders
    )
    return Plan(
        root_id=history.root_id,
        contract_key=history.contract_key,
        account_id=history.account.account_id,
        account_name=str(history.account.parameters.get("name") or ""),
        executed_at=request.as_of,
        outcomes=outcomes,
        objects=sight.objects,
        steps=steps,
        forecast=sight.forecast,
        proof=sight.proof,
        taken=sight.evidence.taken,
        lines=tuple(_lines(history)),
        warnings=(*history.warnings, *sight.warnings()),
        record=build.record,
        wake_at=build.wake_at,
        needs_invoices=build.needs_invoices,
    )


def _lines(history: OrderHistory) -> Iterator[PlannedLine]:
    for order in history.orders:
        for line in order.lines:
            yield PlannedLine(
                order_item_id=line.order_item_id,
                order_id=line.order_id,
                name=_name(history, line),
                segment=(line.segment.label or str(line.segment.index)) if line.segment else "",
                evergreen=line.evergreen,
                metered=line.metered,
                tiered=line.tiers is not None,
                custom_price=line.custom_price is not None,
                free_until=_free_until(order, line),
            )
        for skipped in order.skipped_lines:
            yield PlannedLine(
                order_item_id=skipped.order_item_id,
                order_id=order.order_id,
                name=skipped.product_name or skipped.order_item_id,
            )


def _name(history: OrderHistory, line: OrderLine) -> str:
    product = history.products.get(line.product_id)
    name = product.name if product is not None else line.product_name or line.product_id
    return f"reduction of {name}" if line.quantity < 0 and line.revises is not None else name


def _free_until(order: Order, line: OrderLine) -> date | None:
    ends_on = order.trial_ends_on
    if ends_on is None or line.kind is LineKind.ONE_TIME or ends_on <= line.starts_on:
        return None
    return ends_on


def line_price_keys(plan: Plan) -> Mapping[str, str]:
    """Return the link key of each order line's price, for lines that have one."""
    return {
        line.order_item_id: line.price_key
        for wanted in plan.objects
        for line in wanted.lines
        if line.price_key is not None
    }
