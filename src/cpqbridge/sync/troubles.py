"""What stops or endangers a whole connection, so that looking at single orders would not help."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from cpqbridge.store import alerts, pauses, polls
from cpqbridge.store.alerts import Alert
from cpqbridge.store.connections import Connection
from cpqbridge.store.pauses import EVERYTHING
from cpqbridge.sync import liveness
from cpqbridge.sync.alert_kinds import WORDS, AlertKind
from cpqbridge.sync.audience import Audience, audience_of

if TYPE_CHECKING:
    from cpqbridge.sync.service import SyncService

_FROM_ALERTS = {
    AlertKind.NOTHING_RAN: Audience.PLATFORM,
    AlertKind.QUEUE_STUCK: Audience.PLATFORM,
    AlertKind.PHASE_MISSING: Audience.FINANCE,
    AlertKind.API_CALLS_LOW: Audience.SALESFORCE_ADMIN,
    AlertKind.EVENTS_SILENT: Audience.PLATFORM,
}
"""Alerts about a whole connection that are not told here in words of their own, and whom they are for."""

ACCESS_LOST, PAUSED, POLL_FAILS, NO_WORKER = "access_lost", "paused", "poll_fails", "no_worker"


@dataclass(frozen=True, slots=True, kw_only=True)
class Trouble:
    """One trouble of a connection (empty: of everything): what is wrong, what to do, and who can do it.

    `path` is the page of ours on which it is solved.
    """

    kind: str
    connection: str
    title: str
    message: str
    fix: str
    audience: Audience
    path: str


def troubles(service: SyncService) -> tuple[Trouble, ...]:
    """Return what is wrong with whole connections now, of the store only; no side is asked."""
    known = service.connections()
    found = [trouble for connection in known for trouble in _of_connection(service, connection)]
    return (*_of_everything(service, known), *found)


def _of_everything(service: SyncService, known: tuple[Connection, ...]) -> Iterator[Trouble]:
    with service.store.read() as transaction:
        pause = pauses.standing(transaction).get(EVERYTHING)
    if pause is not None:
        yield Trouble(
            kind=PAUSED,
            connection="",
            title="Everything is paused",
            message=pauses.waits_because(pause),
            fix="Resume it when whatever was the reason is over; what waits then goes on by itself.",
            audience=Audience.PLATFORM,
            path="/activity",
        )
    is_live = any(service.configuration(each.name).sync.live for each in known)
    if is_live and not any(each.alive for each in liveness.workers(service.store.home)):
        yield Trouble(
            kind=NO_WORKER,
            connection="",
            title="No worker runs",
            message="Nothing is synced by itself: no worker of this home runs on this machine.",
            fix="Start `cpqbridge serve` or `cpqbridge worker`, and let your system start it at boot.",
            audience=Audience.PLATFORM,
            path="/activity",
        )


def _of_connection(service: SyncService, connection: Connection) -> Iterator[Trouble]:
    health = f"/connections/{connection.name}/health"
    if connection.access_lost is not None:
        yield Trouble(
            kind=ACCESS_LOST,
            connection=connection.name,
            title="Access was lost",
            message=connection.access_lost,
            fix="Connect that side again; until then nothing of this connection is synced.",
            audience=Audience.PLATFORM,
            path=health,
        )
    with service.store.read() as transaction:
        standing = pauses.standing(transaction)
        poll = polls.find(transaction, connection_id=connection.connection_id)
    pause = standing.get(pauses.scope_of(connection.connection_id))
    if pause is not None:
        yield Trouble(
            kind=PAUSED,
            connection=connection.name,
            title="The connection is paused",
            message=pauses.waits_because(pause),
            fix="Resume it when whatever was the reason is over; what waits then goes on by itself.",
            audience=Audience.PLATFORM,
            path="/activity",
        )
    if poll is not None and poll.code and connection.access_lost is None:
        yield Trouble(
            kind=POLL_FAILS,
            connection=connection.name,
            title="Looking for orders fails",
            message=poll.message,
            fix=poll.fix,
            audience=audience_of(poll.code),
            path=health,
        )
    with service.store.read() as transaction:
        lasting = alerts.open_alerts(transaction, connection_id=connection.connection_id)
    yield from (_told(connection, each) for each in lasting if each.kind in _FROM_ALERTS)


def _told(connection: Connection, alert: Alert) -> Trouble:
    kind = AlertKind(alert.kind)
    return Trouble(
        kind=kind,
        connection=connection.name,
        title=WORDS[kind].title,
        message=alert.message,
        fix=alert.fix,
        audience=_FROM_ALERTS[kind],
        path=WORDS[kind].path,
    )
