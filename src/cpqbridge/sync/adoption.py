"""What an order shows in Salesforce but our store does not know: ours from a lost home, or somebody else's.

Making a second schedule beside the one an order shows would bill it twice. So the shown object is looked at
before anything is made: one of ours is linked again, another one holds the order for a person (B1.8), and an
id this account does not have is passed by with a warning.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

from cpqbridge.domain.billing import BillingState, Link, Plan
from cpqbridge.domain.order import Order, OrderHistory
from cpqbridge.domain.refusal import OrderState, Refusal
from cpqbridge.sync.ports import StripeSide

TAKEOVER = "takeover"
_ENDED = frozenset({"canceled", "released", "void"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """What was found behind the ids that orders show: links to keep, instants, refusals, warnings."""

    links: Mapping[str, Link] = field(default_factory=dict)
    executed_at: Mapping[str, datetime] = field(default_factory=dict)
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
                executed_at={**self.executed_at, **state.executed_at},
            ),
        )


def look_at_shown(stripe: StripeSide, history: OrderHistory, plan: Plan, *, released: bool) -> Shown | None:
    """Return what stands behind the ids of orders for which the plan makes something; None without.

    With `released` an object that is not ours no longer holds its order.
    """
    makes = {step.key for step in plan.steps}
    concerned = [
        order
        for order in history.orders
        if order.displayed_stripe_id
        and any(wanted.key in makes for wanted in plan.objects if order.order_id in wanted.order_ids)
    ]
    if not concerned:
        return None
    found = Shown()
    for order in concerned:
        found = _joined(found, _look_at(stripe, history, plan, order, released=released))
    return found


def _look_at(stripe: StripeSide, history: OrderHistory, plan: Plan, order: Order, *, released: bool) -> Shown:
    shown_id = order.displayed_stripe_id or ""
    shown = stripe.find_shown(shown_id)
    if shown is None:
        text = f"Order {order.order_number} shows {shown_id}, which this Stripe account does not have; "
        return Shown(warnings=(f"{text}it is billed anew.",))
    if _is_ours(shown, history.root_id) and shown.get("status") not in _ENDED:
        made = {
            str(each["metadata"]["cpqbridge_key"]): each
            for each in stripe.made_for(customer_id=_customer_id(shown))
            if _is_ours(each, history.root_id)
        }
        return Shown(links=_links(plan, made), executed_at={order.order_id: _created_at(shown)})
    return Shown() if released else Shown(refusals=(_takeover(order, shown_id),))


def _links(plan: Plan, made: Mapping[str, Mapping[str, Any]]) -> dict[str, Link]:
    links = {}
    for step in plan.steps:
        is_lines = step.key.startswith("invoice_lines:")
        found = made.get(step.key.replace("invoice_lines:", "invoice:", 1))
        if found is None or (is_lines and not (found.get("lines") or {}).get("data")):
            continue
        links[step.key] = Link(key=step.key, stripe_id=str(found["id"]), fingerprint=step.fingerprint)
    return links


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
        executed_at={**one.executed_at, **other.executed_at},
        refusals=(*one.refusals, *other.refusals),
        warnings=(*one.warnings, *other.warnings),
    )


def _takeover(order: Order, shown_id: str) -> Refusal:
    return Refusal(
        code=TAKEOVER,
        message=f"Order {order.order_number} shows {shown_id} of this Stripe account, which cpqbridge did "
        "not make for it or which has been ended there.",
        record_id=order.order_id,
        field="Stripe_ID__c",
        fix="Look at it in Stripe. When it no longer bills this order, clear the id on the order or release "
        f"{TAKEOVER}, then sync again.",
        order_id=order.order_id,
        state=OrderState.HELD,
    )
