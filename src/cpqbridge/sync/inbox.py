"""The inbox: what needs somebody, by cause, with what to do about it; and new tries of what was solved."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from cpqbridge.domain.refusal_catalog import REFUSAL_CATALOG
from cpqbridge.errors import ConfigurationError
from cpqbridge.mapping.write_back import ERRORS_PAGE
from cpqbridge.store import audit, connections, inbox
from cpqbridge.store.audit import AuditEntry
from cpqbridge.store.connections import Connection
from cpqbridge.store.inbox import CausedOrder, CauseGroup
from cpqbridge.store.noticed import PATIENCE
from cpqbridge.sync.allowance import Purpose
from cpqbridge.sync.audience import Audience, audience_of
from cpqbridge.sync.notices import Notices
from cpqbridge.sync.releases import TAKEOVER, releasable

if TYPE_CHECKING:
    from cpqbridge.sync.service import SyncService

__all__ = ["Cause", "CausedOrder", "Inbox", "InboxList", "Retried"]

COUNTED_AT_MOST = 1000
"""The count in the navigation goes no further, so that it costs little however much there is."""

QUEUED_AT_ONCE = 200
"""So many contracts are put on the queue at once; where there are more, a worker takes them in turns."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cause:
    """A cause with the orders of one connection that have it, in words.

    `title` and `meaning` are general, `fix` is what to do: the orders' own advice where it is the same for
    all, else the general one. `message` is what one of the orders says. `is_releasable` tells that a person
    may let the orders through; `is_released_alone` that this takes more than a click for each.
    """

    connection: Connection
    group: CauseGroup
    title: str
    meaning: str
    fix: str
    audience: Audience

    @property
    def record_url(self) -> str:
        """Return the page of the one record to change in Salesforce; empty where there are several."""
        return record_url(self.connection, self.group.record_id)

    @property
    def docs_url(self) -> str:
        """Return where the code is explained."""
        return f"{ERRORS_PAGE}#{self.group.code}"

    @property
    def is_releasable(self) -> bool:
        """Return whether a person may let the orders through."""
        return self.group.code in releasable()

    @property
    def is_released_alone(self) -> bool:
        """Return whether each order is released on its own page only."""
        return self.group.code == TAKEOVER


@dataclass(frozen=True, slots=True, kw_only=True)
class InboxList:
    """The causes that need somebody, and those of orders that go on by themselves."""

    needed: tuple[Cause, ...]
    waiting: tuple[Cause, ...]

    @property
    def orders(self) -> int:
        """Return how many orders need somebody."""
        return sum(each.group.orders for each in self.needed)


@dataclass(frozen=True, slots=True, kw_only=True)
class Retried:
    """How many contracts are tried anew; `is_later` where a worker takes them from the list in turns."""

    contracts: int
    is_later: bool = False


class Inbox:
    """Lists what needs somebody, and tries it anew."""

    def __init__(self, service: SyncService) -> None:
        """Work on the service's store; nothing is read yet."""
        self._service = service
        self._store = service.store

    def count(self) -> int:
        """Return how many orders of all connections need somebody, at most `COUNTED_AT_MOST`."""
        with self._store.read() as transaction:
            return inbox.count(transaction, limit=COUNTED_AT_MOST)

    def list(self) -> InboxList:
        """Return every cause of every connection, those with the most orders first."""
        with self._store.read() as transaction:
            known = {each.connection_id: each for each in connections.list_all(transaction)}
            needed, waiting = inbox.groups(transaction), inbox.groups(transaction, waiting=True)
        return InboxList(
            needed=tuple(_cause(known, each) for each in needed),
            waiting=tuple(_cause(known, each) for each in waiting),
        )

    def cause(self, name: str | None, cause: str) -> Cause | None:
        """Return one cause of a connection, None where no order has it any more.

        Raises:
            ConfigurationError: there is no such connection.
        """
        with self._store.read() as transaction:
            connection = connections.find(transaction, name)
            group = inbox.group(transaction, connection_id=connection.connection_id, cause=cause)
        return None if group is None else _cause({connection.connection_id: connection}, group)

    def orders(self, cause: Cause, *, offset: int, limit: int) -> tuple[CausedOrder, ...]:
        """Return `limit` orders of a cause after the first `offset`, the longest waiting first."""
        with self._store.read() as transaction:
            return inbox.orders_of(
                transaction,
                connection_id=cause.connection.connection_id,
                cause=cause.group.cause,
                offset=offset,
                limit=limit,
            )

    def retry(self, name: str | None, cause: str, order_ids: Collection[str] | None) -> Retried:
        """Sync the contracts of a cause anew; only those of `order_ids` unless that is None.

        Raises:
            ConfigurationError: there is no such connection, or no order of these has the cause any more.
            PausedError: the connection is paused.
        """
        with self._store.read() as transaction:
            connection = connections.find(transaction, name)
            connection_id = connection.connection_id
            found = inbox.contracts_of(
                transaction, connection_id=connection_id, cause=cause, order_ids=order_ids
            )
        if not found:
            raise _nothing_left()
        self._service.gate.require_open(connection_id)
        is_later = len(found) > QUEUED_AT_ONCE
        now = self._service.clock_of(connection).now()
        with self._store.write() as transaction:
            inbox.plan_next_try(
                transaction,
                connection_id=connection_id,
                cause=cause,
                root_ids=None if order_ids is None else found,
                # What is put on the queue now is looked for again only if the queue forgets it.
                at=now if is_later else now + PATIENCE,
            )
            audit.record(
                transaction,
                AuditEntry(
                    connection_id=connection_id,
                    at=now,
                    action="orders_retried",
                    subject=connection.name,
                    detail={"cause": cause, "contracts": len(found)},
                ),
            )
        if not is_later:
            # What somebody chose is tried even when the org has few calls left.
            purpose = Purpose.BACKGROUND if order_ids is None else Purpose.PERSON
            Notices(self._service).take_contracts(connection_id, found, because="inbox", purpose=purpose)
        return Retried(contracts=len(found), is_later=is_later)


def record_url(connection: Connection, record_id: str) -> str:
    """Return the page of a record in Salesforce, empty without one."""
    return f"{connection.facts.salesforce_url.rstrip('/')}/{record_id}" if record_id else ""


def _cause(known: Mapping[int, Connection], group: CauseGroup) -> Cause:
    entry = REFUSAL_CATALOG.get(group.code)
    general = entry.fix if entry is not None else ""
    return Cause(
        connection=known[group.connection_id],
        group=group,
        title=entry.title if entry is not None else _title(group.code),
        meaning=entry.meaning if entry is not None else "",
        fix=group.fix if group.is_one_fix and group.fix else general or group.fix,
        audience=audience_of(group.code),
    )


def _title(code: str) -> str:
    return code.replace("_", " ").capitalize() if code else "No reason was kept"


def _nothing_left() -> ConfigurationError:
    return ConfigurationError(
        "None of these orders stands under this cause any more.",
        code="cause_gone",
        fix="Nothing to do: look at the inbox for what is left.",
    )
