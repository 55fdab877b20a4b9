"""Planning with what the store and Stripe know: the pure planner is given what concerns the contract."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from datetime import date, datetime
from typing import Any

from sqlalchemy import Connection as Transaction

from cpqbridge.domain.billing import (
    BilledInvoice,
    BillingObject,
    BillingState,
    Plan,
    Step,
    StepAction,
    Touched,
)
from cpqbridge.domain.order import OrderHistory
from cpqbridge.domain.parameters import fingerprint
from cpqbridge.domain.refusal import OrderState
from cpqbridge.domain.schedule_standing import ENDED
from cpqbridge.domain.usage import UsageSpan
from cpqbridge.planning.plan import plan_contract
from cpqbridge.store import findings, intents, links, objects, order_holds, usage
from cpqbridge.store.database import Store
from cpqbridge.store.findings import FindingState
from cpqbridge.sync.adoption import TAKEOVER, Search, Shown
from cpqbridge.sync.find_again import KEY_METADATA
from cpqbridge.sync.ports import OpenConnection
from cpqbridge.sync.touched import what_was_touched

_ON_SCHEDULE = frozenset({StepAction.UPDATE_SCHEDULE, StepAction.CANCEL_SCHEDULE})


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanRequest:
    """What to plan. `as_of` is the present instant; `preview_order_id` plans a draft as if activated.

    `released` are codes of holds that a person released; `cutover` is the first day that is billed here of a
    contract that is taken over. `restores` and `cancels` are what `cpqbridge.sync.task.Task` says of them.
    """

    history: OrderHistory
    as_of: datetime
    released: Collection[str] = ()
    preview_order_id: str | None = None
    cutover: date | None = None
    restores: Collection[str] = ()
    cancels: Collection[str] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanMade:
    """A plan, and what was found again behind ids that orders show (`cpqbridge.sync.adoption`).

    `usage_elsewhere` is what other contracts of the customer were known to bill by usage.
    """

    plan: Plan
    found: Shown
    usage_elsewhere: tuple[UsageSpan, ...]


def make_plan(store: Store, opened: OpenConnection, request: PlanRequest) -> PlanMade:
    """Return the contract's plan against what exists. Nothing is written.

    Which prices a contract needs, which schedules change and whether a credit is due is known only once it
    is planned, so the plan is made again with what the store or Stripe say about these. Stripe is asked for
    no more than that: ids that records show and the store does not know, schedules that are to be changed,
    and the contract's invoices when a credit note is due.
    """
    planning = _Planning(store, opened, unless_held(store, opened, request))
    planning.learn_links()
    found = planning.look_at_shown()
    planning.learn_prices()
    planning.ask_stripe()
    planning.cancel_duplicates()
    return PlanMade(plan=planning.plan, found=found, usage_elsewhere=planning.usage_elsewhere)


def unless_held(store: Store, opened: OpenConnection, request: PlanRequest) -> PlanRequest:
    """Return the request with the hold that a person put on the contract, unless it is released."""
    history = request.history
    if order_holds.HELD_BY_PERSON in request.released:
        return request
    with store.read() as transaction:
        hold = order_holds.find(transaction, connection_id=opened.connection_id, root_id=history.root_id)
    if hold is None:
        return request
    held = (order_holds.refusal(hold, order_id=order.order_id) for order in history.orders if order.activated)
    return replace(request, history=replace(history, refusals=(*history.refusals, *held)))


class _Planning:
    """A plan and the state it was made against; whatever is learned more leads to another plan."""

    def __init__(self, store: Store, opened: OpenConnection, request: PlanRequest) -> None:
        self._store = store
        self._opened = opened
        self._request = request
        self._state = self._known_state()
        self.plan = self._made()

    @property
    def usage_elsewhere(self) -> tuple[UsageSpan, ...]:
        """Return what other contracts of the customer bill by usage."""
        return self._state.usage_elsewhere

    def learn_links(self) -> None:
        """Plan again when the store turns out to know some of what would be created."""
        wanted = [step.key for step in self.plan.steps if step.key not in self._state.links]
        if not wanted:
            return
        with self._store.read() as transaction:
            found = links.load(transaction, connection_id=self._opened.connection_id, keys=wanted)
        if found:
            self._know(replace(self._state, links={**self._state.links, **found}))

    def look_at_shown(self) -> Shown:
        """Plan again with what stands behind ids that orders show and the store does not know."""
        search = Search(
            stripe=self._opened.stripe,
            history=self._request.history,
            plan_then=self._plan_then,
            released=TAKEOVER in self._request.released,
        )
        found = search.look(self.plan, self._state)
        if found is None:
            return Shown()
        history, state = found.added_to(self._request.history, self._state)
        self._request = replace(self._request, history=history)
        self._know(state)
        return found

    def learn_prices(self) -> None:
        """Plan again with the prices that Salesforce records name, where one is to be created."""
        if not any(step.action is StepAction.CREATE_PRICE for step in self.plan.steps):
            return
        lines = (line for order in self._request.history.orders for line in order.lines)
        shown = {line.displayed_price_id for line in lines if line.displayed_price_id}
        with self._store.read() as transaction:
            # One that we made ourselves is found by its key, or it is not the one that is wanted.
            known = links.of_stripe_ids(
                transaction, connection_id=self._opened.connection_id, stripe_ids=shown
            )
        unknown = frozenset(shown) - {link.stripe_id for link in known}
        if unknown:
            prices = self._opened.stripe.verified_prices(unknown)
            self._know(replace(self._state, verified_prices=prices))

    def ask_stripe(self) -> None:
        """Plan again with what Stripe says about schedules that are changed and about invoices to credit."""
        looked_at: set[str] = set()
        restores = [key for key in sorted(self._request.restores) if key in self._state.objects]
        while True:
            to_read = [step.key for step in self.plan.steps if self._is_to_be_read(step, looked_at)]
            to_read += [key for key in restores if key not in looked_at and key not in to_read]
            if to_read:
                looked_at |= set(to_read)
                self._learn_touched(to_read)
            elif self.plan.needs_invoices and self._state.invoices is None:
                self._know(replace(self._state, invoices=self._invoices()))
            else:
                return

    def _is_to_be_read(self, step: Step, looked_at: Collection[str]) -> bool:
        is_known = step.key in self._state.links and step.key in self._state.objects
        return step.action in _ON_SCHEDULE and is_known and step.key not in looked_at

    def cancel_duplicates(self) -> None:
        """Add the cancellation of each schedule that stands beside the linked one under the same key.

        It is looked at once more: one that is not ours, or the only one that bills, is never cancelled.
        """
        for stripe_id in sorted(self._request.cancels):
            found = self._opened.stripe.find_shown(stripe_id)
            if found is None or not self._is_duplicate(found):
                continue
            body: dict[str, object] = {"invoice_now": False, "prorate": False}
            step = Step(
                key=f"extra:{self._request.history.root_id}:{stripe_id}",
                action=StepAction.CANCEL_SCHEDULE,
                parameters=body,
                fingerprint=fingerprint(body),
                summary=f"Cancel the subscription schedule {stripe_id}: another one bills the same",
                target=stripe_id,
            )
            self.plan = replace(self.plan, steps=(*self.plan.steps, step))

    def _is_duplicate(self, found: Mapping[str, Any]) -> bool:
        metadata, root_id = found.get("metadata") or {}, self._request.history.root_id
        link = self._state.links.get(str(metadata.get(KEY_METADATA)))
        if link is None or metadata.get("salesforce_root_id") != root_id or found.get("status") in ENDED:
            return False
        if link.stripe_id == found["id"]:
            return False
        return not self._opened.stripe.schedule_standing(link.stripe_id).ended

    def _learn_touched(self, keys: Collection[str]) -> None:
        touched, discounts, since = {}, {}, {}
        for key in keys:
            standing = self._opened.stripe.schedule_standing(self._state.links[key].stripe_id)
            sent = self._state.objects[key]
            what = what_was_touched(sent, standing, at=self._request.as_of)
            if what is not None:
                touched[key] = self._with_finding(what, standing.schedule_id)
            if standing.discounts:
                discounts[key] = standing.discounts
            began = standing.current_phase_starts_at
            if began is not None and began not in {phase.starts_at for phase in sent.phases}:
                since[key] = began
        if touched or discounts or since:
            self._know(
                replace(
                    self._state,
                    touched={**self._state.touched, **touched},
                    discounts={**self._state.discounts, **discounts},
                    running_since={**self._state.running_since, **since},
                )
            )

    def _with_finding(self, touched: Touched, schedule_id: str) -> Touched:
        """Return a change with the finding under which a person accepted it, so that the hold names it."""
        with self._store.read() as transaction:
            accepted = findings.of_connection(
                transaction,
                connection_id=self._opened.connection_id,
                states=(FindingState.ACCEPTED,),
                root_id=self._request.history.root_id,
            )
        for each in accepted:
            if each.subject == schedule_id:
                note = f" (finding {each.finding_id}, accepted: {each.reason})"
                return replace(touched, words=touched.words + note)
        return touched

    def _invoices(self) -> tuple[BilledInvoice, ...]:
        """Return the contract's invoices, oldest first, of every customer that it was billed to."""
        history = self._request.history
        line_ids = {line.order_item_id for order in history.orders for line in order.lines}
        for sent in self._state.objects.values():
            line_ids |= {line.order_item_id for line in sent.lines}
            line_ids |= {item.order_item_id for phase in sent.phases for item in phase.one_time_items}
        with self._store.read() as transaction:
            customers = intents.customers_of(
                transaction, connection_id=self._opened.connection_id, root_id=history.root_id
            )
        link = self._state.links.get(f"customer:{history.account.account_id}")
        if link is not None:
            customers |= {link.stripe_id}
        found = [
            invoice
            for customer_id in sorted(customers)
            for invoice in self._opened.stripe.contract_invoices(
                customer_id=customer_id, order_item_ids=line_ids
            )
        ]
        return tuple(sorted(found, key=lambda invoice: (invoice.created_at, invoice.invoice_id)))

    def _know(self, state: BillingState) -> None:
        self._state = state
        self.plan = self._made()

    def _made(self) -> Plan:
        request = self._request
        return plan_contract(
            request.history,
            self._state,
            self._opened.configuration,
            as_of=request.as_of,
            released=frozenset(request.released),
            preview_order_id=request.preview_order_id,
            cutover=request.cutover,
            restores=request.restores,
        )

    def _plan_then(self, history: OrderHistory, at: datetime) -> Plan:
        """Return the plan of a history as of `at` from nothing; its holds were released then."""
        state, configuration = BillingState(), self._opened.configuration
        plan = plan_contract(history, state, configuration, as_of=at)
        held = frozenset(
            refusal.code
            for outcome in plan.outcomes
            if outcome.state is OrderState.HELD
            for refusal in outcome.refusals
        )
        return plan_contract(history, state, configuration, as_of=at, released=held) if held else plan

    def _known_state(self) -> BillingState:
        history = self._request.history
        connection_id = self._opened.connection_id
        keys = {f"customer:{history.account.account_id}"}
        keys |= {f"product:{product_id}" for product_id in history.products}
        with self._store.read() as transaction:
            sent = objects.of_contract(transaction, connection_id=connection_id, root_id=history.root_id)
            keys |= {line.price_key for each in sent.values() for line in each.lines if line.price_key}
            known = links.load(transaction, connection_id=connection_id, keys=keys)
            known |= links.of_contract(transaction, connection_id=connection_id, root_id=history.root_id)
            record = objects.record(transaction, connection_id=connection_id, root_id=history.root_id)
            recent_cancels = intents.cancels_since(
                transaction,
                connection_id=connection_id,
                since=self._request.as_of - intents.CANCELS_COUNT_FOR,
            )
            renewed = self._renewed(transaction)
            beside = usage.elsewhere(
                transaction,
                connection_id=connection_id,
                account_id=history.account.account_id,
                root_id=history.root_id,
            )
        return BillingState(
            links=known,
            objects=sent,
            record=record,
            recent_cancels=recent_cancels,
            renewed=renewed,
            usage_elsewhere=beside,
        )

    def _renewed(self, transaction: Transaction) -> dict[str, BillingObject]:
        """Return the schedules of the contract that this one renews, by key."""
        renewed = self._request.history.renewed
        if renewed is None or renewed.root_id is None:
            return {}
        sent = objects.of_contract(
            transaction, connection_id=self._opened.connection_id, root_id=renewed.root_id
        )
        return {key: each for key, each in sent.items() if each.kind == "schedule"}
