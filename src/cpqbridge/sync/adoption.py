"""What an order shows in Salesforce but our store does not know: ours from a lost home, or somebody else's.

Making a second schedule beside the one an order shows would bill it twice. So the shown object is looked at
before anything is made. One of ours is linked again, with what was sent for it worked out anew; this is only
possible while nothing changed it since, and is compared with Stripe. Everything else holds the order for a
person (B1.8), and an id this account does not have is passed by with a warning.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from cpqbridge.domain.billing import BillingObject, BillingState, Link, Plan, StepAction
from cpqbridge.domain.order import Order, OrderHistory
from cpqbridge.domain.refusal import OrderState, Refusal
from cpqbridge.sync.outcomes import invoice_total_minor
from cpqbridge.sync.ports import StripeSide
from cpqbridge.sync.standings import object_key_of
from cpqbridge.sync.touched import what_was_touched

TAKEOVER = "takeover"
_ENDED = frozenset({"canceled", "released", "void"})
_MAKING = frozenset({StepAction.CREATE_SCHEDULE, StepAction.CREATE_INVOICE})
_CREDITING = frozenset({StepAction.CREATE_CREDIT_NOTE, StepAction.CREDIT_BALANCE})
_ONE_PLAN = timedelta(minutes=10)
"""What one plan makes is made within this time (`cpqbridge.sync.run_steps`)."""

PlanThen = Callable[[OrderHistory, datetime], Plan]
"""Plans a history as of an instant as if nothing of it existed; holds count as released."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """What was found behind the ids that orders show: links and objects to keep, refusals, warnings."""

    links: Mapping[str, Link] = field(default_factory=dict)
    objects: Mapping[str, BillingObject] = field(default_factory=dict)
    refusals: tuple[Refusal, ...] = ()
    warnings: tuple[str, ...] = ()

    def added_to(self, history: OrderHistory, state: BillingState) -> tuple[OrderHistory, BillingState]:
        """Return history and state with what was found."""
        return (
            replace(
                history,
                refusals=(*history.refusals, *self.refusals),
                warnings=(*history.warnings, *self.warnings),
            ),
            replace(
                state,
                links={**state.links, **self.links},
                objects={**state.objects, **self.objects},
            ),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Search:
    """Where to look for what a contract's orders show.

    With `released` what is found and cannot be linked no longer holds its order.
    """

    stripe: StripeSide
    history: OrderHistory
    plan_then: PlanThen
    released: bool

    def look(self, plan: Plan, state: BillingState) -> Shown | None:
        """Return what stands behind ids that orders show and the store does not know.

        They are looked at while nothing of the contract is known, and when the plan makes something for their
        orders. None where there is nothing to look at.
        """
        makes = {step.key for step in plan.steps if step.action in _MAKING}
        linked = {link.stripe_id for link in state.links.values()}
        made_for = {
            order_id for wanted in plan.objects if wanted.key in makes for order_id in wanted.order_ids
        }
        concerned = [
            order
            for order in self.history.orders
            if order.displayed_stripe_id
            and order.displayed_stripe_id not in linked
            and (order.order_id in made_for or (order.activated and not state.objects))
        ]
        if not concerned:
            return None
        found = Shown()
        for order in concerned:
            if order.displayed_stripe_id not in {link.stripe_id for link in found.links.values()}:
                found = _joined(found, self._look_at(order))
        return found

    def _look_at(self, order: Order) -> Shown:
        shown_id = order.displayed_stripe_id or ""
        shown = self.stripe.find_shown(shown_id)
        if shown is None:
            text = f"Order {order.order_number} shows {shown_id}, which this Stripe account does not have; "
            return Shown(warnings=(f"{text}it is billed anew.",))
        if not _is_ours(shown, self.history.root_id) or shown.get("status") in _ENDED:
            return self._held(order, "which cpqbridge did not make for it or which has been ended there")
        made = {
            str(each["metadata"]["cpqbridge_key"]): each
            for each in self.stripe.made_for(customer_id=_customer_id(shown))
            if _is_ours(each, self.history.root_id) and each.get("status") != "void"
        }
        found = self._remembered(made)
        return self._held(order, found) if isinstance(found, str) else found

    def _held(self, order: Order, what: str) -> Shown:
        return Shown() if self.released else Shown(refusals=(_takeover(order, what),))

    def _remembered(self, made: Mapping[str, Mapping[str, Any]]) -> Shown | str:
        """Return links and objects of what we made, or why what was sent for it cannot be worked out."""
        named = {order_id for each in made.values() for order_id in _order_ids(each)}
        orders = tuple(order for order in self.history.orders if order.order_id in named)
        stamps = [_created_at(each) for each in made.values()]
        activated = [order.activated_at for order in orders if order.activated_at is not None]
        if max([*stamps, *activated]) - min(stamps) > _ONE_PLAN:
            return "whose contract was changed after its first sync"
        plan = self.plan_then(replace(self.history, orders=orders), min(stamps))
        objects = {wanted.key: wanted for wanted in plan.objects if wanted.key in made}
        if objects.keys() != made.keys() or any(step.action in _CREDITING for step in plan.steps):
            return "for which cpqbridge made more than the orders it names tell"
        for key, wanted in objects.items():
            if (difference := self._difference(wanted, made[key])) is not None:
                return difference
        return Shown(links=_links(plan, made), objects=objects)

    def _difference(self, wanted: BillingObject, found: Mapping[str, Any]) -> str | None:
        """Return what of an object is not as the plan of its time has it."""
        if wanted.kind == "schedule":
            standing = self.stripe.schedule_standing(str(found["id"]))
            touched = what_was_touched(wanted, standing, at=_created_at(found))
            return None if touched is None else f"which is not as cpqbridge first made it: {touched.words}"
        total_minor = sum(item.amount_minor for phase in wanted.phases for item in phase.one_time_items)
        if _has_lines(found) and invoice_total_minor(found) != total_minor:
            return f"for which invoice {found['id']} has other lines than planned"
        return None


def _links(plan: Plan, made: Mapping[str, Mapping[str, Any]]) -> dict[str, Link]:
    links = {}
    for step in plan.steps:
        found = made.get(object_key_of(step.key))
        if found is None:
            continue
        lacks_lines = step.action is StepAction.ADD_INVOICE_LINES and not _has_lines(found)
        is_draft = step.action is StepAction.FINALIZE_INVOICE and found.get("status") == "draft"
        if not lacks_lines and not is_draft:
            links[step.key] = Link(key=step.key, stripe_id=str(found["id"]), fingerprint=step.fingerprint)
    return links


def _order_ids(found: Mapping[str, Any]) -> Iterator[str]:
    """Yield the orders that a schedule's phases, or an invoice, name."""
    yield str(found["metadata"].get("salesforce_order_id", ""))
    for phase in found.get("phases") or ():
        yield from str((phase.get("metadata") or {}).get("salesforce_order_ids", "")).split(",")


def _has_lines(found: Mapping[str, Any]) -> bool:
    return bool((found.get("lines") or {}).get("data"))


def _is_ours(found: Mapping[str, Any], root_id: str) -> bool:
    metadata = found.get("metadata") or {}
    return metadata.get("salesforce_root_id") == root_id and bool(metadata.get("cpqbridge_key"))


def _customer_id(found: Mapping[str, Any]) -> str:
    customer = found.get("customer")
    return str(customer.get("id") if isinstance(customer, Mapping) else customer)


def _created_at(found: Mapping[str, Any]) -> datetime:
    return datetime.fromtimestamp(int(found["created"]), UTC)


def _joined(one: Shown, other: Shown) -> Shown:
    return Shown(
        links={**one.links, **other.links},
        objects={**one.objects, **other.objects},
        refusals=(*one.refusals, *other.refusals),
        warnings=(*one.warnings, *other.warnings),
    )


def _takeover(order: Order, what: str) -> Refusal:
    shown_id = order.displayed_stripe_id
    return Refusal(
        code=TAKEOVER,
        message=f"Order {order.order_number} shows {shown_id} of this Stripe account, {what}.",
        record_id=order.order_id,
        field="Stripe_ID__c",
        fix="Look at it in Stripe. When it no longer bills this order, clear the id on the order to bill all "
        "of it, or sync the order with `--release takeover --cutover` and the first day to bill.",
        order_id=order.order_id,
        state=OrderState.HELD,
    )
