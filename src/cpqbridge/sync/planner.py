"""Planning with what the store knows: the pure planner is given the links that concern the contract."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace
from datetime import datetime

from cpqbridge.domain.billing import BillingState, Plan, StepAction
from cpqbridge.domain.order import OrderHistory
from cpqbridge.planning.plan import plan_contract
from cpqbridge.store import links, plans
from cpqbridge.store.database import Store
from cpqbridge.sync.adoption import TAKEOVER, Shown, look_at_shown
from cpqbridge.sync.ports import OpenConnection


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanRequest:
    """What to plan. `as_of` is the present instant; `preview_order_id` plans a draft as if activated."""

    history: OrderHistory
    as_of: datetime
    released: Collection[str] = ()
    preview_order_id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanMade:
    """A plan, and what was found again behind ids that orders show (`cpqbridge.sync.adoption`)."""

    plan: Plan
    found: Shown


def make_plan(store: Store, opened: OpenConnection, request: PlanRequest) -> PlanMade:
    """Return the contract's plan against what exists.

    Which prices a contract needs is known only once it is planned, so the plan is made again when the store
    turns out to know some of what the first one would create. Stripe is asked only for what a Salesforce
    record shows and the store does not know. Nothing is written.
    """
    state = _known_state(store, opened, request.history)
    plan = _plan(opened, request, state)
    wanted = [step.key for step in plan.steps if step.key not in state.links]
    if wanted:
        with store.read() as transaction:
            found = links.load(transaction, connection_id=opened.connection_id, keys=wanted)
        if found:
            state = replace(state, links={**state.links, **found})
            plan = _plan(opened, request, state)
    shown = look_at_shown(opened.stripe, request.history, plan, released=TAKEOVER in request.released)
    if shown is not None:
        history, state = shown.added_to(request.history, state)
        request = replace(request, history=history)
        plan = _plan(opened, request, state)
    unknown = _displayed_prices(request.history, plan, state)
    if unknown:
        state = replace(state, verified_prices=opened.stripe.verified_prices(unknown))
        plan = _plan(opened, request, state)
    return PlanMade(plan=plan, found=shown or Shown())


def _plan(opened: OpenConnection, request: PlanRequest, state: BillingState) -> Plan:
    return plan_contract(
        request.history,
        state,
        opened.configuration,
        as_of=request.as_of,
        released=frozenset(request.released),
        preview_order_id=request.preview_order_id,
    )


def _known_state(store: Store, opened: OpenConnection, history: OrderHistory) -> BillingState:
    keys = [f"customer:{history.account.account_id}"]
    keys += [f"product:{product_id}" for product_id in history.products]
    connection_id = opened.connection_id
    with store.read() as transaction:
        known = links.load(transaction, connection_id=connection_id, keys=keys)
        known |= links.of_contract(transaction, connection_id=connection_id, root_id=history.root_id)
        instants = plans.instants(transaction, connection_id=connection_id, root_id=history.root_id)
    return BillingState(links=known, executed_at=instants)


def _displayed_prices(history: OrderHistory, plan: Plan, state: BillingState) -> frozenset[str]:
    if not any(step.action is StepAction.CREATE_PRICE for step in plan.steps):
        return frozenset()
    displayed = {line.displayed_price_id for order in history.orders for line in order.lines}
    linked = {link.stripe_id for link in state.links.values()}
    return frozenset(price_id for price_id in displayed if price_id and price_id not in linked)
