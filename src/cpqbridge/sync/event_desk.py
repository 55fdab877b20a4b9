"""A worker's work on Stripe's events: which contracts they name, and which events never arrived.

An event is looked at after it was stored, by whichever worker comes first. What an own call caused is left
alone as soon as that call's answer is stored: everything that it changed is known then. Where the answer is
missing after a while, the contract is looked at after all, and the call is settled first.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

import structlog
from sqlalchemy import Connection as Transaction

from cpqbridge.clock import monotonic_seconds
from cpqbridge.errors import AccessLostError, CpqbridgeError, PausedError
from cpqbridge.mapping.policies import EventsWay
from cpqbridge.store import cursors, event_contracts, events
from cpqbridge.store.connections import Connection
from cpqbridge.store.events import EventState, WaitingEvent
from cpqbridge.sync.contracts_of_events import ContractsOfEvents
from cpqbridge.sync.event_names import CATALOGUE_EVENTS, CONTRACT_EVENTS, HEARD, named
from cpqbridge.sync.notices import Notices
from cpqbridge.sync.ports import OpenConnection
from cpqbridge.sync.reconcile import Reconciler

if TYPE_CHECKING:
    from cpqbridge.sync.service import SyncService

AT_ONCE = 1000
"""How many events are looked at in one go."""

OWN_CALL_LIFE = timedelta(minutes=5)
"""How long an event of an own call waits for that call's answer."""

OVERLAP = timedelta(minutes=15)
"""How far back a list of events begins before the newest one known."""

LISTED_FOR = timedelta(days=30)
"""How long Stripe lists an event. Source: docs.stripe.com/api/events/list (read 21 Nov 2026)."""

CATCH_UP_SECONDS = 3600.0
"""How often events that a webhook did not bring are looked for; those of rare kinds always."""

AGAIN_SECONDS = 60.0
"""How long after a list was tried it may be tried again, at the earliest."""

COMPARED_AT_ONCE = 20
"""How many contracts that somebody touched in Stripe are compared in one go, a few calls each."""

_LISTS = ("tried", "contracts", "catalogue")
_SEEN, _SEEN_CATALOGUE = "stripe_events", "stripe_catalogue"
_LISTED = "stripe_listed"
_PERMISSION = "stripe_permission"

log = structlog.get_logger(__name__)


class EventDesk:
    """Turns stored events into work, and lists the ones that never arrived; one per worker."""

    def __init__(
        self, service: SyncService, *, elapsed_seconds: Callable[[], float] = monotonic_seconds
    ) -> None:
        """Begin; the first look at each connection lists what was missed."""
        self._service = service
        self._elapsed_seconds = elapsed_seconds
        self._done_at: dict[tuple[int, str], float] = {}

    def tick(self, opened: OpenConnection) -> None:
        """See to the events that wait, and list those that never arrived where that is due."""
        self.work(opened.connection)
        settings = opened.configuration.sync
        if settings.events is EventsWay.OFF:
            return
        polls = settings.events is EventsWay.POLL
        every_seconds = float(settings.events_poll_seconds) if polls else CATCH_UP_SECONDS
        tried, contracts, catalogue = ((opened.connection_id, what) for what in _LISTS)
        if not (self._is_due(tried, AGAIN_SECONDS) and self._is_due(contracts, every_seconds)):
            return
        now = self._done_at[tried] = self._elapsed_seconds()
        with_catalogue = self._is_due(catalogue, CATCH_UP_SECONDS)
        if self.catch_up(opened, with_catalogue=with_catalogue) is None:
            return
        self._done_at[contracts] = now
        if with_catalogue:
            self._done_at[catalogue] = now

    def work(self, connection: Connection) -> int:
        """Notice the contracts that waiting events name; return how many were put on the queue.

        The events are settled after their contracts were queued: a crash between begins the syncs again.
        What somebody did in Stripe is compared with what was sold at once; what is left out here, or fails,
        the nightly reconciliation compares.
        """
        connection_id = connection.connection_id
        now = self._service.clock_of(connection).now()
        with self._service.store.read() as transaction:
            waiting = events.waiting(transaction, connection_id=connection_id, limit=AT_ONCE)
            if not waiting:
                return 0
            found = _outcomes(transaction, waiting, connection_id=connection_id, now=now)
        roots = sorted({root_id for outcome in found.values() for root_id in outcome.roots})
        count = Notices(self._service).take_contracts(connection_id, roots, because="event of Stripe")
        self._settle(connection_id, found)
        if found:
            log.info("events_seen", connection=connection.name, events=len(found), contracts=len(roots))
        touched = {root_id for outcome in found.values() if outcome.is_touched for root_id in outcome.roots}
        for root_id in sorted(touched)[:COMPARED_AT_ONCE]:
            self._compare(connection, root_id)
        return count

    def catch_up(self, opened: OpenConnection, *, with_catalogue: bool = True) -> int | None:
        """Store the events since the newest known one that never arrived; return how many there were.

        After a stop of a month or more Stripe no longer tells everything, and every contract that ran
        meanwhile is looked at. Nothing is asked for while no contract is in Stripe: then None comes back.
        """
        connection = opened.connection
        connection_id = connection.connection_id
        now = self._service.clock_of(connection).now()
        with self._service.store.read() as transaction:
            began_at = event_contracts.first_linked_at(transaction, connection_id=connection_id)
            listed_at = cursors.read(transaction, connection_id=connection_id, name=_LISTED)
        if began_at is None:
            return None
        try:
            new = self._list(opened, CONTRACT_EVENTS, _SEEN, began_at=began_at)
            if with_catalogue:
                new += self._list(opened, CATALOGUE_EVENTS, _SEEN_CATALOGUE, began_at=began_at)
        except AccessLostError as error:
            if error.code != _PERMISSION:
                raise
            # Timers and polls do the work without events, only later: no reason to stop the connection.
            log.warning("events_not_listed", connection=connection.name, problem=error.message, fix=error.fix)
            return 0
        last = listed_at or began_at
        if last < now - LISTED_FOR + OVERLAP:
            self._look_at_all(connection, since=last)
        with self._service.store.write() as transaction:
            cursors.move(transaction, connection_id=connection_id, name=_LISTED, instant=now)
            if new and (connection_id, _LISTS[1]) in self._done_at:
                # What the first list finds happened while nobody may have listened.
                cursors.move(
                    transaction, connection_id=connection_id, name=cursors.EVENTS_MISSED, instant=now
                )
        if new:
            log.info("events_caught_up", connection=connection.name, events=new)
        return new

    def _list(
        self, opened: OpenConnection, types: tuple[str, ...], cursor: str, *, began_at: datetime
    ) -> int:
        """Store what Stripe lists of these types since the newest known one; return how many were new.

        The cursor moves when all pages are stored: a list that was cut off is read again.
        """
        store, connection_id = self._service.store, opened.connection_id
        now = self._service.clock_of(opened.connection).now()
        with store.read() as transaction:
            seen = cursors.read(transaction, connection_id=connection_id, name=cursor)
        since = max((seen or began_at) - OVERLAP, now - LISTED_FOR)
        new, newest, after, more = 0, seen, None, True
        while more:
            page = opened.stripe.events_page(types, since=since, after=after)
            found = [named(event) for event in page.events]
            with store.write() as transaction:
                new += events.keep(transaction, connection_id=connection_id, events=found, at=now)
            newest = max([each.created_at for each in found] + ([newest] if newest else []), default=None)
            after = found[-1].event_id if found else None
            more = page.has_more and bool(found)
        if newest is not None and newest != seen:
            with store.write() as transaction:
                cursors.move(transaction, connection_id=connection_id, name=cursor, instant=newest)
        return new

    def _compare(self, connection: Connection, root_id: str) -> None:
        """Compare a contract with Stripe and keep what differs for a person."""
        try:
            Reconciler(self._service).run(connection.name, contract=root_id)
        except (AccessLostError, PausedError):
            raise
        except CpqbridgeError as error:
            log.warning(
                "contract_not_compared", connection=connection.name, contract=root_id, code=error.code
            )

    def _look_at_all(self, connection: Connection, *, since: datetime) -> None:
        with self._service.store.read() as transaction:
            roots = event_contracts.running_since(
                transaction, connection_id=connection.connection_id, since=since
            )
        Notices(self._service).take_contracts(connection.connection_id, roots, because="events too old")
        log.warning(
            "events_too_old_to_list",
            connection=connection.name,
            contracts=len(roots),
            since=since.isoformat(),
            what_to_do="Nothing: every contract that ran meanwhile is looked at.",
        )

    def _settle(self, connection_id: int, found: Mapping[str, _Outcome]) -> None:
        groups: dict[tuple[EventState, str | None], list[str]] = {}
        for event_id, outcome in found.items():
            only = next(iter(outcome.roots)) if len(outcome.roots) == 1 else None
            groups.setdefault((outcome.state, only), []).append(event_id)
        with self._service.store.write() as transaction:
            for (state, root_id), event_ids in groups.items():
                events.settle(
                    transaction,
                    connection_id=connection_id,
                    event_ids=event_ids,
                    state=state,
                    root_id=root_id,
                )

    def _is_due(self, what: tuple[int, str], every_seconds: float) -> bool:
        done_at = self._done_at.get(what)
        return done_at is None or self._elapsed_seconds() - done_at >= every_seconds


@dataclass(frozen=True, slots=True, kw_only=True)
class _Outcome:
    """What becomes of an event, the contracts to look at, and whether somebody touched them in Stripe."""

    state: EventState
    roots: frozenset[str] = frozenset()
    is_touched: bool = False


def _outcomes(
    transaction: Transaction, waiting: Sequence[WaitingEvent], *, connection_id: int, now: datetime
) -> dict[str, _Outcome]:
    """Return what becomes of each event that need not wait on."""
    contracts = ContractsOfEvents(transaction, [each.event for each in waiting], connection_id=connection_id)
    found: dict[str, _Outcome] = {}
    for each in waiting:
        event = each.event
        call = None
        if event.request_key is not None:
            call = event_contracts.call_state(
                transaction, connection_id=connection_id, request_key=event.request_key
            )
        if call == "sent" and now - each.received_at < OWN_CALL_LIFE:
            continue
        roots = contracts.of(event) if call != "done" and event.type in HEARD else frozenset()
        is_touched = event.was_asked and call is None and event.type not in CATALOGUE_EVENTS
        state = EventState.NOTICED if roots else EventState.IGNORED
        found[event.event_id] = _Outcome(
            state=EventState.OWN if call == "done" else state, roots=roots, is_touched=is_touched
        )
    return found
