"""Letting go of finished work: what nobody reads any more is deleted by its age, a little at a time."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import ColumnElement, Table, and_, delete, func, or_, select

from cpqbridge.domain.billing import StepAction
from cpqbridge.domain.refusal import OrderState
from cpqbridge.store import events
from cpqbridge.store.database import Store
from cpqbridge.store.tables import audit, findings, intents, order_states, plans

ROWS_AT_ONCE = 500
"""Rows deleted in one transaction, so that nobody waits long for it."""

ROWS_A_TURN = 20_000
"""Rows of one table deleted in one go; what is left goes the next time."""

_NAME_CUSTOMERS = (StepAction.CREATE_SCHEDULE.value, StepAction.CREATE_INVOICE.value)
_CLOSED = ("gone", "fixed")
_SETTLED = (OrderState.SYNCED.value, OrderState.UNCHANGED.value, OrderState.SKIPPED.value)


def prune_history(store: Store, *, connection_id: int, before: datetime) -> int:
    """Delete what of a connection ended before `before` (aware UTC); return how many rows.

    These are plans that no order shows, calls that ended, events of Stripe that were dealt with, and closed
    findings. Kept at any age are what a later sync or a person still needs: links and objects, each order's
    own plan, calls without a known outcome or with a doubt nobody accepted, the newest call that names a
    contract's customer, and the calls of contracts with an order that is not done.
    """
    shown = select(order_states.c.plan_id).where(
        order_states.c.connection_id == connection_id, order_states.c.plan_id.is_not(None)
    )
    old_plans = and_(
        plans.c.connection_id == connection_id, plans.c.created_at < before, plans.c.plan_id.not_in(shown)
    )
    count = _delete(store, plans, plans.c.plan_id, old_plans)
    count += _delete(store, intents, intents.c.intent_id, _old_intents(connection_id, before))
    old_findings = and_(
        findings.c.connection_id == connection_id,
        findings.c.state.in_(_CLOSED),
        findings.c.closed_at < before,
    )
    count += _delete(store, findings, findings.c.finding_id, old_findings)
    with store.write() as transaction:
        count += events.prune(transaction, connection_id=connection_id, older_than=before)
    return count


def prune_audit(store: Store, *, connection_id: int | None, before: datetime) -> int:
    """Delete audit entries made before `before` (aware UTC); None is those of no connection."""
    of_connection = (
        audit.c.connection_id.is_(None) if connection_id is None else audit.c.connection_id == connection_id
    )
    return _delete(store, audit, audit.c.audit_id, and_(of_connection, audit.c.at < before))


def _old_intents(connection_id: int, before: datetime) -> ColumnElement[bool]:
    unsettled_orders = select(order_states.c.root_id).where(
        order_states.c.connection_id == connection_id, order_states.c.state.not_in(_SETTLED)
    )
    customer = func.json_extract(intents.c.parameters, "$.customer")
    newest_of_customers = (
        select(func.max(intents.c.intent_id))
        .where(
            intents.c.connection_id == connection_id,
            intents.c.state == "done",
            intents.c.action.in_(_NAME_CUSTOMERS),
        )
        .group_by(intents.c.root_id, customer)
    )
    without_a_doubt = and_(intents.c.state == "done", intents.c.error.is_(None))
    return and_(
        intents.c.connection_id == connection_id,
        intents.c.finished_at < before,
        or_(without_a_doubt, intents.c.state == "failed"),
        intents.c.intent_id.not_in(newest_of_customers),
        intents.c.root_id.not_in(unsettled_orders),
    )


def _delete(store: Store, table: Table, key: ColumnElement[int], where: ColumnElement[bool]) -> int:
    """Delete the oldest rows that meet the condition, which is asked once and without a lock."""
    with store.read() as transaction:
        found = select(key).where(where).order_by(key).limit(ROWS_A_TURN)
        ids = list(transaction.execute(found).scalars())
    for start in range(0, len(ids), ROWS_AT_ONCE):
        with store.write() as transaction:
            transaction.execute(delete(table).where(key.in_(ids[start : start + ROWS_AT_ONCE])))
    return len(ids)
