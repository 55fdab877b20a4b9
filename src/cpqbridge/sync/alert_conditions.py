"""What is wrong with a connection right now, read from the store only; no side is asked."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING

from sqlalchemy import Connection as Transaction

from cpqbridge.mapping.policies import EventsWay, SyncSettings
from cpqbridge.planning.proof import MISMATCH
from cpqbridge.store import api_usage, connections, cursors, findings, overview, polls
from cpqbridge.store.alerts import Trouble
from cpqbridge.store.connections import Connection
from cpqbridge.store.overview import OrderInNeed
from cpqbridge.sync.alert_kinds import (
    LOOKING_FAILS_AFTER,
    NOTHING_RAN_AFTER,
    QUEUED_TOO_LONG,
    SILENT_AFTER,
    AlertKind,
)
from cpqbridge.sync.liveness import SeenWorker
from cpqbridge.sync.org_time import in_zone
from cpqbridge.sync.standings import NOT_WRITTEN

if TYPE_CHECKING:
    from cpqbridge.sync.service import SyncService

POLLS_MISSED = 5
"""So many polls may be missed before nothing counts as having run, where that is the longer time."""

_LOW, _LOW_AGAIN = Decimal("0.9"), Decimal("0.8")
"""Share of what background work may use that raises the alert, and below which it is over."""

_NAMED_AT_MOST = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Moment:
    """What is known beside the store when a connection is judged.

    `idle_at` is when it was last seen paused, stopped or not live (aware UTC), `lasting` the kinds of trouble
    that last. `with_phases` says whether to look for missing phases too, which reads every contract.
    """

    workers: tuple[SeenWorker, ...]
    idle_at: datetime | None
    lasting: frozenset[str]
    with_phases: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class _Case:
    """A connection, how it is configured, and the instant of its clock (aware UTC) at which it is judged."""

    transaction: Transaction
    connection: Connection
    sync: SyncSettings
    now: datetime
    is_idle: bool

    @property
    def connection_id(self) -> int:
        return self.connection.connection_id


def is_idle(service: SyncService, connection: Connection, sync: SyncSettings) -> bool:
    """Return whether nobody expects the connection to look for orders: paused, stopped or not live."""
    return (
        connection.access_lost is not None
        or service.gate.pause_of(connection.connection_id) is not None
        or not sync.live
    )


def judge(
    service: SyncService, connection: Connection, sync: SyncSettings, moment: Moment
) -> tuple[Trouble, ...]:
    """Return what is wrong with a connection, configured like this, now: at most one trouble of each kind."""
    now = service.clock_of(connection).now()
    paused = service.gate.pause_of(connection.connection_id) is not None
    with service.store.read() as transaction:
        case = _Case(
            transaction=transaction,
            connection=connection,
            sync=sync,
            now=now,
            is_idle=is_idle(service, connection, sync),
        )
        found = [
            *_access(case),
            *_orders(case),
            *_looking(case, moment),
            *(() if paused or connection.access_lost is not None else _queue(case)),
            *_differences(case),
            *_api_calls(case, moment),
            *_events(case),
        ]
    if moment.with_phases:
        found += _phases(service, connection, now)
    return tuple(found)


def _access(case: _Case) -> Iterator[Trouble]:
    if case.connection.access_lost is not None:
        yield _trouble(
            AlertKind.ACCESS_LOST,
            f"The connection has stopped: {case.connection.access_lost}",
            "Give it new access on its page, then check it; it goes on by itself where it stopped.",
        )


def _orders(case: _Case) -> Iterator[Trouble]:
    needed = overview.orders_in_need(case.transaction, connection_id=case.connection_id)
    not_told = {
        **overview.synced_with_code(case.transaction, connection_id=case.connection_id, code=NOT_WRITTEN),
        **{order_id: each for order_id, each in needed.items() if each.code == NOT_WRITTEN},
    }
    mismatched = {order_id: each for order_id, each in needed.items() if each.code == MISMATCH}
    others = {order_id: each for order_id, each in needed.items() if each.code not in {NOT_WRITTEN, MISMATCH}}
    yield from _about_orders(
        AlertKind.ORDERS_NEED_SOMEONE,
        others,
        "Orders wait for somebody",
        "The inbox says for each cause what to do.",
    )
    yield from _about_orders(
        AlertKind.SALESFORCE_NOT_TOLD,
        not_told,
        "Salesforce did not take everything about orders that are billed",
        "The inbox says what Salesforce answered; often a field or a permission is missing.",
    )
    yield from _about_orders(
        AlertKind.PROOF_MISMATCH,
        mismatched,
        "What is billed differs from what was sold",
        "Compare the orders' invoices with their lines; nothing more is sent for them meanwhile.",
    )


def _about_orders(
    kind: AlertKind, orders: Mapping[str, OrderInNeed], what: str, fix: str
) -> Iterator[Trouble]:
    if orders:
        items = {
            order_id: f"{each.order_number} ({each.code or each.state})" for order_id, each in orders.items()
        }
        yield Trouble(kind=kind, message=f"{what}: {listed(items)}.", fix=fix, items=items)


def _looking(case: _Case, moment: Moment) -> Iterator[Trouble]:
    if case.is_idle:
        return
    poll = polls.find(case.transaction, connection_id=case.connection_id)
    configured_at = connections.configured_at(case.transaction, connection_id=case.connection_id)
    began_at = _latest(configured_at, case.connection.checked_at, moment.idle_at)
    tried_at = _latest(poll.polled_at if poll else None, began_at)
    patience = max(NOTHING_RAN_AFTER, timedelta(seconds=POLLS_MISSED * case.sync.poll_seconds))
    if case.now - tried_at > patience:
        is_alive = any(each.alive for each in moment.workers)
        yield _trouble(
            AlertKind.NOTHING_RAN,
            f"Nobody has looked for orders since {_shown(tried_at, case)}.",
            "A worker lives but does not turn: look into its log, then stop and start it."
            if is_alive
            else "No worker runs on this machine: start `cpqbridge serve` or `cpqbridge worker`.",
        )
    elif poll is not None and poll.code:
        good_at = _latest(poll.succeeded_at, began_at)
        if case.now - good_at > LOOKING_FAILS_AFTER:
            yield _trouble(
                AlertKind.LOOKING_FAILS,
                f"Looking for orders fails since {_shown(good_at, case)}: {poll.message}",
                poll.fix or "It is tried again by itself.",
            )


def _queue(case: _Case) -> Iterator[Trouble]:
    oldest = overview.oldest_queued_at(case.transaction, connection_id=case.connection_id)
    if oldest is not None and case.now - oldest > QUEUED_TOO_LONG:
        yield _trouble(
            AlertKind.QUEUE_STUCK,
            f"An order is queued since {_shown(oldest, case)}.",
            "See that a worker runs; with one running, look into its log for that order.",
        )


def _differences(case: _Case) -> Iterator[Trouble]:
    found = findings.open_subjects(case.transaction, connection_id=case.connection_id)
    if found:
        many = "difference is" if len(found) == 1 else "differences are"
        yield Trouble(
            kind=AlertKind.DIFFERENCES_FOUND,
            message=f"{len(found)} open {many} between what was sold and what Stripe bills.",
            fix="Look at each: fix it, or accept it with a reason.",
            items={str(finding_id): subject for finding_id, subject in found.items()},
        )


def _api_calls(case: _Case, moment: Moment) -> Iterator[Trouble]:
    usage = api_usage.find(case.transaction, connection_id=case.connection_id)
    if usage is None or not usage.allowed:
        return
    share = _LOW_AGAIN if AlertKind.API_CALLS_LOW in moment.lasting else _LOW
    if usage.used >= share * case.sync.api_share * usage.allowed:
        yield _trouble(
            AlertKind.API_CALLS_LOW,
            f"The org has used {usage.used:,} of its {usage.allowed:,} API calls of 24 hours; background "
            f"work waits from {case.sync.api_share:.0%} on.",
            "See which integration uses them (Setup, System Overview). Work that waits goes on by itself.",
        )


def _events(case: _Case) -> Iterator[Trouble]:
    if case.sync.events is not EventsWay.WEBHOOK:
        return
    added = connections.webhook_secrets_added_at(case.transaction, connection_id=case.connection_id)
    missed_at = _cursor(case, cursors.EVENTS_MISSED)
    heard_at = _cursor(case, cursors.EVENTS_HEARD)
    if not added or missed_at is None or missed_at < _latest(added[0], heard_at):
        return
    if case.now - _latest(added[0], heard_at) > SILENT_AFTER:
        heard = f"brought none since {_shown(heard_at, case)}" if heard_at else "never brought one"
        yield _trouble(
            AlertKind.EVENTS_SILENT,
            f"Events were found by asking Stripe, and the webhook has {heard}.",
            "See in Stripe (Workbench, Webhooks) what became of the deliveries; compare the signing secret.",
        )


def _phases(service: SyncService, connection: Connection, now: datetime) -> Iterator[Trouble]:
    found = service.views.missing_phases(connection.connection_id, now=now)
    if found:
        items = {each.root_id: f"{each.root_id} from {each.begins_at:%Y-%m-%d}" for each in found}
        yield Trouble(
            kind=AlertKind.PHASE_MISSING,
            message=f"Stripe was not given the next part of contracts: {listed(items)}. Without it Stripe "
            "goes on with the part before.",
            fix="See why these contracts are not synced (worker, access, holds), and sync them.",
            items=items,
        )


def listed(items: Mapping[str, str]) -> str:
    """Return the first of the items with how many more there are."""
    named = ", ".join(list(items.values())[:_NAMED_AT_MOST])
    more = len(items) - _NAMED_AT_MOST
    return f"{named} and {more} more" if more > 0 else named


def _trouble(kind: AlertKind, message: str, fix: str) -> Trouble:
    return Trouble(kind=kind, message=message, fix=fix, items={})


def _cursor(case: _Case, name: str) -> datetime | None:
    return cursors.read(case.transaction, connection_id=case.connection_id, name=name)


def _latest(*instants: datetime | None) -> datetime:
    return max(each for each in instants if each is not None)


def _shown(instant: datetime, case: _Case) -> str:
    return in_zone(instant, case.connection)
