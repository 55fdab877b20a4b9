"""Finding the orders of live connections: the poll, the nightly sweep, and new tries of what failed.

The stamps that standings keep say what was looked at; the cursor only says how far back Salesforce is asked.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from cpqbridge.domain.refusal import OrderState
from cpqbridge.errors import CpqbridgeError, InvariantError, PausedError
from cpqbridge.mapping.configuration import Configuration, configuration_document
from cpqbridge.mapping.qualifying import FILTERED_OUT
from cpqbridge.mapping.raw import OrderNotice, WatchedGroup
from cpqbridge.salesforce.changes import GROUPS_AT_ONCE, IDS_PER_QUERY
from cpqbridge.store import cursors, noticed, polls, timers, watches
from cpqbridge.store.connections import Connection
from cpqbridge.store.noticed import Due
from cpqbridge.sync.allowance import Purpose
from cpqbridge.sync.notices import Notices
from cpqbridge.sync.ports import OpenConnection
from cpqbridge.sync.wake import contract_notice

if TYPE_CHECKING:
    from cpqbridge.sync.service import SyncService

SWEEP_REACH = timedelta(days=3)
"""How far back the nightly sweep looks, whatever the polls saw. Source: the project's design
notes, salesforce.md 3.1 (20 Nov 2026)."""

TRIES_AT_ONCE = 500
_NO_MATTER = ("live", "poll_seconds", "api_share", "record_retention")
_NEEDS_SOMEBODY = (OrderState.HELD, OrderState.REFUSED, OrderState.FAILED)


class Finder:
    """Finds what is to be synced and gives notice of it."""

    def __init__(self, service: SyncService) -> None:
        """Find for the connections of `service`; keep it, since polls look at watched records in turns."""
        self._service = service
        self._store = service.store
        self._places: dict[int, int] = {}

    def poll(self, opened: OpenConnection) -> int:
        """Give notice of what changed since the last poll; return how many contracts were queued.

        The cursor moves when all is stored, to the org's own time at the first answer: a poll that is cut off
        is simply done again. How it went is stored for whoever asks (`cpqbridge.store.polls`).

        Raises:
            CpqbridgeError: Salesforce could not be asked, or refuses the filter.
        """
        try:
            return self._poll(opened)
        except (InvariantError, PausedError):
            raise
        except CpqbridgeError as error:
            now = self._service.clock_of(opened.connection).now()
            with self._store.write() as transaction:
                polls.keep_failed(transaction, connection_id=opened.connection_id, error=error, at=now)
            raise

    def sweep(self, opened: OpenConnection) -> int:
        """Look three days back, whatever the polls saw; return how many contracts were queued.

        Orders that are known here are found too when they no longer qualify or were deleted.
        """
        since = self._service.clock_of(opened.connection).now() - SWEEP_REACH
        notices = Notices(self._service)
        count, qualifying = 0, set[str]()
        for page in opened.salesforce.changes(since=since):
            qualifying.update(notice.order_id for notice in page.notices)
            count += notices.take(
                opened.connection_id, self._news(opened.connection_id, page.notices), because="sweep"
            )
        stamps = opened.salesforce.stamps_since(since)
        left = {order_id: stamp for order_id, stamp in stamps.items() if order_id not in qualifying}
        return count + notices.take(
            opened.connection_id, self._left(opened.connection_id, left), because="sweep"
        )

    def try_again(self, connection: Connection) -> int:
        """Queue contracts whose orders are due for another try; return how many were queued.

        Tries are for what failed and may pass, and for what was noticed and then forgotten by the queue.
        """
        connection_id = connection.connection_id
        now = self._service.clock_of(connection).now()
        with self._store.read() as transaction:
            due = noticed.due(transaction, connection_id=connection_id, at=now, limit=TRIES_AT_ONCE)
        return self._take_due(connection_id, due, because="new try")

    def queue_again(self, connection: Connection) -> int:
        """Queue what stands as queued and does not wait there; return how much was, for a worker's begin."""
        with self._store.read() as transaction:
            due = noticed.queued(transaction, connection_id=connection.connection_id)
        return self._take_due(connection.connection_id, due, because="worker begins")

    def wake(self, connection: Connection) -> int:
        """Queue every contract whose timer is due; return how many timers were.

        The timer stands until the sync has planned what comes after it, and is tried again later if that
        does not happen (`cpqbridge.store.timers`).
        """
        connection_id = connection.connection_id
        now = self._service.clock_of(connection).now()
        with self._store.read() as transaction:
            due = timers.upcoming(transaction, connection_id=connection_id, until=now)
        self._take_due(
            connection_id,
            [Due(order_id=timer.order_id, root_id=timer.root_id) for timer in due],
            because="timer",
            # What falls due was sold and begun long ago.
            purpose=Purpose.WORK,
        )
        if due:
            with self._store.write() as transaction:
                for timer in due:
                    timers.claim(transaction, connection_id=connection_id, timer=timer, at=now)
        return len(due)

    def _take_due(
        self,
        connection_id: int,
        due: Iterable[Due],
        *,
        because: str,
        purpose: Purpose = Purpose.BACKGROUND,
    ) -> int:
        with self._store.read() as transaction:
            found = [
                contract_notice(
                    transaction, connection_id=connection_id, root_id=each.root_id, order_id=each.order_id
                )
                for each in due
            ]
        known = [notice for notice in found if notice is not None]
        return Notices(self._service).take(connection_id, known, because=because, purpose=purpose)

    def _poll(self, opened: OpenConnection) -> int:
        connection_id = opened.connection_id
        mark = _mark(opened.configuration)
        with self._store.read() as transaction:
            since = cursors.orders_since(transaction, connection_id=connection_id)
            last = polls.find(transaction, connection_id=connection_id)
        is_same = last is not None and last.configuration == mark
        # With other filters or another start date orders qualify that were saved long ago.
        since = since if is_same else None
        notices = Notices(self._service)
        count, answered_at = 0, None
        watched = self._watched_now(connection_id)
        for number, page in enumerate(opened.salesforce.changes(since=since, watched=watched)):
            if number == 0:
                answered_at = page.answered_at
                count += self._look_again(connection_id, page.stamps, notices)
            news = self._news(connection_id, page.notices)
            count += notices.take(connection_id, news, because="poll")
        if last is not None and not is_same:
            count += self._after_other_configuration(connection_id, notices)
        self._keep_poll(opened, mark, answered_at)
        return count

    def _watched_now(self, connection_id: int) -> Sequence[WatchedGroup]:
        """Return the groups of watched records whose turn it is, so that a poll stays one call."""
        with self._store.read() as transaction:
            groups = watches.groups(transaction, connection_id=connection_id, size=IDS_PER_QUERY)
        if len(groups) <= GROUPS_AT_ONCE:
            return groups
        place = self._places.get(connection_id, 0) % len(groups)
        self._places[connection_id] = place + GROUPS_AT_ONCE
        return (*groups[place:], *groups[:place])[:GROUPS_AT_ONCE]

    def _keep_poll(self, opened: OpenConnection, mark: str, answered_at: datetime | None) -> None:
        now = self._service.clock_of(opened.connection).now()
        connection_id = opened.connection_id
        with self._store.write() as transaction:
            polls.keep_good(transaction, connection_id=connection_id, configuration=mark, at=now)
            if answered_at is not None:
                cursors.move(
                    transaction, connection_id=connection_id, name=cursors.ORDERS, instant=answered_at
                )

    def _news(self, connection_id: int, notices: Iterable[OrderNotice]) -> list[OrderNotice]:
        """Return those that were neither read nor noticed as they are now."""
        by_id = {notice.order_id: notice for notice in notices}
        with self._store.read() as transaction:
            known = noticed.known(transaction, connection_id=connection_id, order_ids=by_id)
        return [
            notice
            for order_id, notice in by_id.items()
            if order_id not in known or notice.modified_at not in known[order_id].stamps
        ]

    def _left(self, connection_id: int, stamps: Mapping[str, str]) -> list[OrderNotice]:
        """Return notices of known orders among these that changed since they were read or noticed.

        They keep the stamp, so that they are noticed once.
        """
        with self._store.read() as transaction:
            known = noticed.known(transaction, connection_id=connection_id, order_ids=stamps)
            return [
                replace(notice, modified_at=stamps[order_id])
                for order_id, order in known.items()
                if stamps[order_id] not in order.stamps
                for notice in [
                    contract_notice(
                        transaction, connection_id=connection_id, root_id=order.root_id, order_id=order_id
                    )
                ]
                if notice is not None
            ]

    def _look_again(self, connection_id: int, stamps: Mapping[str, str], notices: Notices) -> int:
        """Give notice of contracts that wait for a record that changed."""
        if not stamps:
            return 0
        with self._store.read() as transaction:
            found = watches.contracts_with_news(transaction, connection_id=connection_id, stamps=stamps)
        if not found:
            return 0
        count = notices.take_contracts(connection_id, found, because="watched record")
        with self._store.write() as transaction:
            watches.keep_stamps(transaction, connection_id=connection_id, root_ids=found, stamps=stamps)
        return count

    def _after_other_configuration(self, connection_id: int, notices: Notices) -> int:
        """Give notice of everything that needs somebody: the configuration may have been what was wrong.

        What filters left out is looked at again too, since it was read before and is no news.
        """
        with self._store.read() as transaction:
            needing = noticed.roots_in_states(
                transaction, connection_id=connection_id, states=_NEEDS_SOMEBODY
            )
            left_out = noticed.roots_with_codes(transaction, connection_id=connection_id, codes=FILTERED_OUT)
        found = sorted({*needing, *left_out})
        return notices.take_contracts(connection_id, found, because="configuration")


def _mark(configuration: Configuration) -> str:
    """Return a mark that differs when other orders may be found, or the same ones may be billed otherwise."""
    document = configuration_document(configuration)
    settings = document["sync"]
    if isinstance(settings, dict):
        document["sync"] = {name: value for name, value in settings.items() if name not in _NO_MATTER}
    return hashlib.sha256(json.dumps(document, sort_keys=True, default=str).encode()).hexdigest()
