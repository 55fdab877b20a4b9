"""The mark of a plan: equal where two plans do and bill the same, whenever they were made."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator

from cpqbridge.domain.billing import Plan, StepAction

PLAN_CHANGED = "plan_changed"
"""The code of the error that ends a run whose plan is not the one that was shown."""

_SHARED = frozenset(
    {
        StepAction.CREATE_CUSTOMER,
        StepAction.UPDATE_CUSTOMER,
        StepAction.CREATE_PRODUCT,
        StepAction.UPDATE_PRODUCT,
        StepAction.CREATE_METER,
        StepAction.CREATE_COUPON,
        StepAction.CREATE_PRICE,
    }
)


def plan_mark(plan: Plan) -> str:
    """Return the mark: of the orders' outcomes, the calls, and every document to the day and the cent.

    Instants inside calls (the end of a first phase) move with the clock and are left out: of what they lead
    to, the invoices, everything counts. Customers, products, prices, meters and coupons are shared by
    contracts: whether another one made them meanwhile bills nothing else, so which prices are used counts and
    not who makes them.
    """
    text = json.dumps(list(_parts(plan)), separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def _parts(plan: Plan) -> Iterator[object]:
    yield plan.root_id
    for outcome in plan.outcomes:
        yield [outcome.order_id, outcome.state.value, sorted(each.code for each in outcome.refusals)]
    for step in plan.steps:
        if step.action not in _SHARED:
            yield [step.key, step.action.value]
    for wanted in plan.objects:
        yield [wanted.key, sorted(line.price_key for line in wanted.lines if line.price_key is not None)]
    for invoice in plan.forecast:
        yield [
            invoice.kind,
            invoice.on.isoformat(),
            invoice.currency,
            [
                [line.amount_minor, line.period_start.isoformat(), line.period_end.isoformat(), line.shares]
                for line in invoice.lines
            ],
        ]
    for proof in plan.proof:
        yield [proof.order_item_id, proof.sold_minor, proof.billed_minor, proof.reason]
