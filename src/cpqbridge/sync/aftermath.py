"""What is kept at the end of a run beside where its orders stand: when to try again, and what to watch.

A run cut off before this was kept is continued by the engine, or begun anew when its notice is due.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from sqlalchemy import Connection as Transaction

from cpqbridge.domain.refusal import OrderState
from cpqbridge.errors import CpqbridgeError, TransientError
from cpqbridge.mapping.qualifying import ACCOUNT_FILTERED_OUT
from cpqbridge.mapping.raw import RawContract
from cpqbridge.store import cursors, lanes, noticed, objects, plans, watches
from cpqbridge.store.database import Store
from cpqbridge.store.lanes import Lane
from cpqbridge.store.noticed import Tries
from cpqbridge.store.plans import OrderStanding
from cpqbridge.sync.allowance import WAITS_FOR_CALLS
from cpqbridge.sync.watching import records_read

ORDER_GONE = "order_gone"
"""The code of orders that Salesforce no longer shows."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EndOfRun:
    """How a run ended: at `at` (aware UTC), by `error` or by itself, with what it read in this process.

    `asked_for` is the order that it was begun for.
    """

    at: datetime
    error: CpqbridgeError | None
    raw: RawContract | None
    asked_for: str


def needs_somebody(standing: OrderStanding) -> bool:
    """Return whether an order goes on only when a person changes or decides something."""
    return standing.state in {OrderState.HELD, OrderState.REFUSED} or (
        standing.state is OrderState.FAILED and not standing.retryable
    )


def keep_end(store: Store, lane: Lane, end: EndOfRun) -> None:
    """Store when the contract's orders are tried next, what is watched for them, and which are gone.

    Nothing is written where nothing differs.
    """
    connection_id, root_id = lane.connection_id, lane.root_id
    with store.read() as transaction:
        changes = _changes(transaction, lane, end)
    if changes.is_empty:
        return
    with store.write() as transaction:
        lanes.require(transaction, lane)
        for standing in changes.gone:
            plans.save_standing(transaction, connection_id=connection_id, standing=standing)
        noticed.save(transaction, connection_id=connection_id, tries=changes.tries)
        if changes.watched is not None:
            watches.replace(
                transaction,
                connection_id=connection_id,
                root_id=root_id,
                records=changes.watched,
                stamp=_looked_at(transaction, connection_id),
            )


def _looked_at(transaction: Transaction, connection_id: int) -> str:
    """Return the stamp (REST's text) of what this run certainly saw: rows become visible late."""
    since = cursors.orders_since(transaction, connection_id=connection_id)
    return "" if since is None else since.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.000+0000")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Changes:
    gone: tuple[OrderStanding, ...]
    tries: Mapping[str, Tries]
    watched: Mapping[str, Collection[str]] | None

    @property
    def is_empty(self) -> bool:
        return not self.gone and not self.tries and self.watched is None


def _changes(transaction: Transaction, lane: Lane, end: EndOfRun) -> _Changes:
    connection_id, root_id = lane.connection_id, lane.root_id
    before = plans.standings(transaction, connection_id=connection_id, root_id=root_id)
    gone = _gone(transaction, before, lane, end)
    standings = [gone.get(each.order_id, each) for each in before]
    known = noticed.of_contract(transaction, connection_id=connection_id, root_id=root_id)
    wanted = {each.order_id: _next_try(each, known[each.order_id], end) for each in standings}
    return _Changes(
        gone=tuple(gone.values()),
        tries={order_id: each for order_id, each in wanted.items() if each != known[order_id]},
        watched=_watched(transaction, standings, lane, end),
    )


def _next_try(standing: OrderStanding, tried: Tries, end: EndOfRun) -> Tries:
    if not (standing.retryable or standing.state is OrderState.QUEUED):
        return Tries()
    asked_seconds = end.error.retry_after_seconds if isinstance(end.error, TransientError) else None
    asked = timedelta(seconds=asked_seconds or 0)
    if end.error is not None and end.error.code in WAITS_FOR_CALLS:
        # The org has no calls left for now, which says nothing of the order: its waits do not grow.
        return replace(Tries().after_failure(at=end.at, wait_at_least=asked), attempts=tried.attempts)
    return tried.after_failure(at=end.at, wait_at_least=asked)


def _gone(
    transaction: Transaction, standings: Collection[OrderStanding], lane: Lane, end: EndOfRun
) -> dict[str, OrderStanding]:
    """Return the new standings of orders that the contract, read in full, no longer has."""
    if end.raw is None or end.error is not None:
        return {}
    present = {str(row.get("Id")) for row in end.raw.orders}
    missing = [each for each in standings if each.order_id not in present and each.code != ORDER_GONE]
    if not missing:
        return {}
    sent = objects.of_contract(transaction, connection_id=lane.connection_id, root_id=lane.root_id)
    record = objects.record(transaction, connection_id=lane.connection_id, root_id=lane.root_id)
    billed = {order_id for each in sent.values() for order_id in each.order_ids}
    billed |= {entry.order_id for entry in record.orders}
    return {each.order_id: _gone_standing(each, each.order_id in billed, end.at) for each in missing}


def _gone_standing(standing: OrderStanding, is_billed: bool, at: datetime) -> OrderStanding:
    if is_billed:
        state = OrderState.HELD
        message = "is gone from Salesforce after it was synced; what Stripe bills was left as it was."
        fix = "Restore the order in Salesforce, or end or correct the subscription in Stripe by hand."
    else:
        state = OrderState.SKIPPED
        message = "is gone from Salesforce, and nothing was billed for it."
        fix = "Nothing to do. If it should be there, let the connection's user see it, or restore it."
    return replace(
        standing,
        state=state,
        code=ORDER_GONE,
        message=f"Order {standing.order_number} {message}",
        fix=fix,
        record_id=standing.order_id,
        field="",
        request_link=None,
        retryable=False,
        updated_at=at,
    )


def _watched(
    transaction: Transaction, standings: Collection[OrderStanding], lane: Lane, end: EndOfRun
) -> Mapping[str, Collection[str]] | None:
    """Return what to watch for the contract from now on, None to leave it as it is."""
    present = watches.of_contract(transaction, connection_id=lane.connection_id, root_id=lane.root_id)
    needing = any(needs_somebody(each) for each in standings)
    # An account may meet the filter later, without any order being saved.
    is_left_out = any(each.code == ACCOUNT_FILTERED_OUT for each in standings)
    if not needing and not is_left_out:
        wanted: Mapping[str, Collection[str]] = {}
    elif end.raw is not None:
        read = records_read(end.raw)
        wanted = {name: ids for name, ids in read.items() if needing or name == "Account"}
    else:
        wanted = present or {"Order": frozenset({end.asked_for})}
    return None if wanted == present else wanted
