"""Where each order of a contract stands, from the plan and from what became of its steps."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime

from cpqbridge.domain.billing import OrderOutcome, Plan, Step
from cpqbridge.domain.order import OrderHistory
from cpqbridge.domain.refusal import OrderState
from cpqbridge.errors import (
    AccessLostError,
    ConflictError,
    CpqbridgeError,
    OutcomeUnknownError,
    TransientError,
)
from cpqbridge.salesforce.writer import WriteFailure
from cpqbridge.store.plans import OrderStanding
from cpqbridge.sync.references import refs_of

FIRST_INVOICE_DIFFERS = "first_invoice_differs"
"""The code of orders with an invoice that is not the planned one; releasing the code accepts it."""

CREDIT_REFUSED = "credit_refused"
"""The code of orders of whose credit Stripe refused a part; other parts of it may have been made."""

CAP_CANCELS = "cap_cancels"
"""The code of orders whose schedule is not cancelled now, since so many were within an hour."""

NOT_WRITTEN = "write_back_failed"
"""The code of orders that are billed rightly but whose ids or status Salesforce did not take."""

_PASSING = (AccessLostError, ConflictError, OutcomeUnknownError, TransientError)
"""Errors after which the same may succeed by itself; lost access once somebody renewed it."""

_HALF_DONE = frozenset({FIRST_INVOICE_DIFFERS, CREDIT_REFUSED})
_BILLABLE = (OrderState.SYNCED, OrderState.UNCHANGED)
_DOUBT_FIX = (
    "Look at the invoice in Stripe before it is finalised, compare it with the order's preview, and release "
    f"{FIRST_INVOICE_DIFFERS} when it is right."
)


def planned_standings(
    plan: Plan, history: OrderHistory, *, doubted: Mapping[str, str], at: datetime
) -> tuple[OrderStanding, ...]:
    """Return where every order stands once the plan is carried out; `doubted` are texts by order id."""
    return tuple(
        _doubted(standing, doubted.get(outcome.order_id)) if outcome.state in _BILLABLE else standing
        for outcome in plan.outcomes
        for standing in [_standing(outcome, plan, history, at=at)]
    )


def carried_out(
    standing: OrderStanding, *, refused: CpqbridgeError | None, doubt: str | None, at: datetime
) -> OrderStanding:
    """Return the standing of an order whose steps were all begun: synced, refused by Stripe, or in doubt."""
    if refused is not None:
        state = OrderState.FAILED if refused.code in _HALF_DONE else OrderState.REFUSED
        state = OrderState.HELD if refused.code == CAP_CANCELS else state
        return failed_standing(standing, refused, state=state, at=at)
    return _doubted(replace(standing, state=OrderState.SYNCED, retryable=False, updated_at=at), doubt)


def not_told(standing: OrderStanding, error: CpqbridgeError, *, at: datetime) -> OrderStanding:
    """Return the standing of an order that is billed while Salesforce could not be told of it."""
    failed = failed_standing(standing, error, state=OrderState.FAILED, at=at)
    text = f"Stripe is up to date, but Salesforce could not be told: {error.message}"
    return replace(failed, code=NOT_WRITTEN, message=text)


def not_written(
    standings: Iterable[OrderStanding], failures: Sequence[WriteFailure]
) -> tuple[OrderStanding, ...]:
    """Return the standings that have to say that Salesforce did not take all that was to be shown there.

    What is billed is not touched by it; an order that has something worse to say keeps saying that.
    """
    first = failures[0]
    more = f" ({len(failures)} records in all)" if len(failures) > 1 else ""
    text = (
        f"Stripe is up to date, but Salesforce did not take {first.object_name} {first.record_id}{more}: "
        f"{first.message}."
    )
    return tuple(
        replace(
            standing,
            code=NOT_WRITTEN,
            message=text.replace("..", "."),
            fix=f"{first.fix} Then sync the order again.",
            record_id=first.record_id,
            field=", ".join(first.fields),
            retryable=all(failure.retryable for failure in failures),
        )
        for standing in standings
        if standing.state is OrderState.SYNCED
    )


def failed_standing(
    standing: OrderStanding, error: CpqbridgeError, *, state: OrderState, at: datetime
) -> OrderStanding:
    """Return the standing of an order that an error stopped."""
    return replace(
        standing,
        state=state,
        code=error.code,
        message=error.message,
        fix=error.fix,
        record_id=error.record_id or standing.order_id,
        field=error.field or "",
        request_link=error.request_link,
        retryable=isinstance(error, _PASSING),
        updated_at=at,
    )


def _doubted(standing: OrderStanding, doubt: str | None) -> OrderStanding:
    if doubt is None:
        return standing
    return replace(
        standing,
        state=OrderState.FAILED,
        code=FIRST_INVOICE_DIFFERS,
        message=doubt,
        fix=_DOUBT_FIX,
        record_id=standing.order_id,
    )


def says_the_same(one: OrderStanding | None, other: OrderStanding) -> bool:
    """Return whether two standings say the same to people, whenever and by which plan they were found."""
    if one is None:
        return False
    return replace(
        one, plan_id=other.plan_id, updated_at=other.updated_at, modified_at=other.modified_at
    ) == (other)


def orders_of_step(plan: Plan, key: str) -> frozenset[str]:
    """Return the orders that cannot be billed without the step under `key`.

    Of a schedule that several orders shaped, these are the ones that are new in this plan, all of them where
    none is. A step that nothing else of the plan needs (an update of a customer whose schedule stands
    already) concerns every order of the contract that is billed.
    """
    needing = {key}
    order_ids: set[str] = set()
    for step in plan.steps:
        if step.key in needing or refs_of(step) & needing:
            needing.add(step.key)
            order_ids |= order_ids_of(plan, step.key)
    billed = {outcome.order_id: outcome.state for outcome in plan.outcomes if outcome.state in _BILLABLE}
    fresh = frozenset(each for each in order_ids if billed.get(each) is OrderState.SYNCED)
    return fresh or frozenset(order_ids or billed)


def concerns_only(plan: Plan, key: str, order_ids: Collection[str]) -> bool:
    """Return whether the step under `key` bills nothing but some of these orders."""
    if not order_ids or not order_ids_of(plan, key):
        return False
    return orders_of_step(plan, key) <= frozenset(order_ids)


def orders_begun(plan: Plan) -> frozenset[str]:
    """Return the orders of which something is carried out by this plan, also long after they were synced."""
    if not plan.steps:
        return frozenset()
    fresh = frozenset(each.order_id for each in plan.outcomes if each.state is OrderState.SYNCED)
    begun = set(fresh)
    for step in plan.steps:
        own = order_ids_of(plan, step.key)
        if not own & fresh:
            begun |= own
    return frozenset(begun or (each.order_id for each in plan.outcomes if each.state in _BILLABLE))


def needs_one_of(step: Step, keys: Iterable[str]) -> bool:
    """Return whether the step cannot be carried out without the links under `keys`."""
    return bool(refs_of(step) & frozenset(keys))


def order_ids_of(plan: Plan, key: str) -> frozenset[str]:
    """Return the orders that shaped the object that the step under `key` makes, changes, fills or credits."""
    keys = {step.object_key for step in plan.steps if step.key == key and step.object_key is not None}
    keys.add(object_key_of(key))
    return frozenset(
        order_id
        for wanted in plan.objects
        if wanted.key in keys or any(portion.key == key for portion in wanted.portions)
        for order_id in wanted.order_ids
    )


def object_key_of(key: str) -> str:
    """Return the key of the object a step's link belongs to: an invoice's lines and end are the invoice's."""
    kind, _, rest = key.partition(":")
    return f"invoice:{rest}" if kind in {"invoice_lines", "invoice_final"} else key


def _standing(outcome: OrderOutcome, plan: Plan, history: OrderHistory, *, at: datetime) -> OrderStanding:
    order = history.order(outcome.order_id)
    state = OrderState.SYNCED if outcome.state is OrderState.UNCHANGED else outcome.state
    standing = OrderStanding(
        order_id=outcome.order_id,
        order_number=order.order_number if order else outcome.order_id,
        root_id=plan.root_id,
        contract_key=plan.contract_key,
        state=state,
        modified_at=order.modified_at if order else "",
        updated_at=at,
    )
    reasons = [refusal for refusal in outcome.refusals if refusal.state is outcome.state]
    if not reasons:
        return standing
    first = reasons[0]
    return replace(
        standing,
        code=first.code,
        message=" ".join(dict.fromkeys(reason.message for reason in reasons)),
        fix=" ".join(dict.fromkeys(reason.fix for reason in reasons)),
        record_id=first.record_id,
        field=first.field,
    )
