"""Telling people of trouble: it is raised once, told again when there is news, reminded daily, and ended.

Any process may look, also one that only shows pages: what it finds is compared with the store in one writing
transaction, so that nothing is told twice. Sending has a thread of its own and never waits for a sync.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

import structlog
from sqlalchemy import Connection as Transaction

from cpqbridge.clock import monotonic_seconds
from cpqbridge.errors import CpqbridgeError
from cpqbridge.store import alert_channels, alert_messages, alerts
from cpqbridge.store.alert_channels import AlertChannel
from cpqbridge.store.alert_messages import AlertMessage
from cpqbridge.store.alerts import Alert, Trouble
from cpqbridge.store.connections import Connection
from cpqbridge.sync import liveness
from cpqbridge.sync.alert_conditions import Moment, is_idle, judge, listed
from cpqbridge.sync.alert_kinds import REMINDED_AFTER, TOLD_AGAIN_AFTER, WORDS, AlertKind
from cpqbridge.sync.alert_sending import Sending
from cpqbridge.sync.org_time import in_zone

if TYPE_CHECKING:
    from cpqbridge.sync.service import SyncService

LOOK_SECONDS = 20.0
PHASES_SECONDS = 600.0
"""How often missing phases are looked for, which reads every contract."""

SEND_LIFE = timedelta(minutes=5)
"""After so long a message that a process began to send and did not finish is sent by another."""

WAITS = tuple(timedelta(minutes=minutes) for minutes in (1, 5, 15, 60, 180, 360, 720))
"""How long a message waits after each try in vain; after the last one it is given up."""

STOP_SECONDS = 2.0

log = structlog.get_logger(__name__)


class AlertWatch:
    """Looks for trouble and sends what is to be told, in a thread of its own; one per process."""

    def __init__(self, service: SyncService, *, sending: Sending | None = None) -> None:
        """Prepare; nothing is looked at yet."""
        self._service = service
        self._sending = sending or Sending(service)
        self._stopped = threading.Event()
        self._thread: threading.Thread | None = None
        self._idle_at: dict[int, datetime] = {}
        self._phases_at: float | None = None

    def start(self) -> None:
        """Look at once, which tells of the time when nothing ran, then go on in a thread."""
        self._turn(sends=False)
        self._thread = threading.Thread(target=self._run, name="cpqbridge-alerts", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """End the thread; a message under way is sent again by another process if it did not get through."""
        self._stopped.set()
        if self._thread is not None:
            self._thread.join(STOP_SECONDS)

    def look(self) -> None:
        """Compare what is wrong now with what was known, and store what is to be told."""
        workers = liveness.workers(self._service.store.home)
        now = monotonic_seconds()
        with_phases = self._phases_at is None or now - self._phases_at >= PHASES_SECONDS
        if with_phases:
            self._phases_at = now
        for connection in self._service.connections():
            connection_id = connection.connection_id
            sync = self._service.configuration(connection.name).sync
            if is_idle(self._service, connection, sync):
                self._idle_at[connection_id] = self._service.clock_of(connection).now()
            with self._service.store.read() as transaction:
                lasting = alerts.open_alerts(transaction, connection_id=connection_id)
            moment = Moment(
                workers=workers,
                idle_at=self._idle_at.get(connection_id),
                lasting=frozenset(each.kind for each in lasting),
                with_phases=with_phases,
            )
            found = judge(self._service, connection, sync, moment)
            if found or lasting:
                left_out = frozenset() if with_phases else frozenset({AlertKind.PHASE_MISSING})
                self._settle(connection, {each.kind: each for each in found}, left_out)

    def send_due(self) -> int:
        """Send the messages whose time has come; return how many got through."""
        now, sent = self._service.clock.now(), 0
        failed: set[int] = set()
        while not self._stopped.is_set():
            with self._service.store.read() as transaction:
                due = [
                    each for each in alert_messages.due(transaction, at=now) if each.channel_id not in failed
                ]
            if not due:
                return sent
            for message in due:
                if self._send(message):
                    sent += 1
                else:
                    failed.add(message.channel_id)
        return sent

    def _run(self) -> None:
        self._turn()
        while not self._stopped.wait(LOOK_SECONDS):
            self._turn()

    def _turn(self, *, sends: bool = True) -> None:
        """Do what is due; no problem ends the thread."""
        try:
            self.look()
            if sends:
                self.send_due()
        except Exception:
            if not self._stopped.is_set():
                log.exception("alerts_not_looked_at")

    def _settle(
        self, connection: Connection, found: Mapping[str, Trouble], left_out: frozenset[AlertKind]
    ) -> None:
        """Begin, keep and end the troubles of a connection; those left out were not looked for."""
        now = self._service.clock.now()
        with self._service.store.write() as transaction:
            channels = [each for each in alert_channels.list_all(transaction) if each.is_active]
            telling = _Telling(transaction=transaction, connection=connection, channels=channels, now=now)
            known = alerts.open_alerts(transaction, connection_id=connection.connection_id)
            for alert in known:
                if alert.kind in found:
                    telling.go_on(alert, found[alert.kind])
                elif alert.kind not in left_out:
                    telling.end(alert)
            for kind in sorted(set(found) - {each.kind for each in known}):
                telling.begin(found[kind])

    def _send(self, message: AlertMessage) -> bool:
        """Send a message unless another process does; return whether the channel may be used on."""
        store, now = self._service.store, self._service.clock.now()
        with store.write() as transaction:
            if not alert_messages.claim(transaction, message, until=now + SEND_LIFE):
                return False
        try:
            self._sending.send(message.channel_id, subject=message.subject, text=message.text)
        except CpqbridgeError as error:
            self._note_failed(message, error)
            return False
        with store.write() as transaction:
            alert_messages.note_sent(transaction, message_id=message.message_id, at=now)
            alert_channels.note_sent(transaction, channel_id=message.channel_id, at=now)
        log.info("alert_sent", channel=message.channel_id, message=message.message_id)
        return True

    def _note_failed(self, message: AlertMessage, error: CpqbridgeError) -> None:
        """Keep why a message did not get through; a refusal may pass too, once the channel is corrected."""
        log.warning("alert_not_sent", channel=message.channel_id, code=error.code, problem=error.message)
        wait = WAITS[message.attempts] if message.attempts < len(WAITS) else None
        next_at = None if wait is None else self._service.clock.now() + wait
        with self._service.store.write() as transaction:
            alert_messages.note_failed(
                transaction, message_id=message.message_id, error=str(error), next_at=next_at
            )
            alert_channels.note_failed(transaction, channel_id=message.channel_id, error=str(error))


@contextmanager
def watching_over(service: SyncService) -> Iterator[AlertWatch]:
    """Look for trouble and tell of it for the length of the block."""
    watch = AlertWatch(service)
    watch.start()
    try:
        yield watch
    finally:
        watch.stop()


@dataclass(frozen=True, slots=True, kw_only=True)
class _Telling:
    """What is told of a connection's troubles, and to which channels, in one transaction."""

    transaction: Transaction
    connection: Connection
    channels: Sequence[AlertChannel]
    now: datetime

    def begin(self, trouble: Trouble) -> None:
        """Tell of a trouble that is new."""
        alert = alerts.begin(
            self.transaction, trouble, connection_id=self.connection.connection_id, at=self.now
        )
        self._tell(alert, "", f"{trouble.message}\nWhat to do: {trouble.fix}")
        log.warning(
            "alert_raised", connection=self.connection.name, kind=trouble.kind, problem=trouble.message
        )

    def go_on(self, alert: Alert, trouble: Trouble) -> None:
        """Tell what is new of a trouble that lasts, or remind of it, where it is time."""
        new = {key: text for key, text in trouble.items.items() if key not in alert.items}
        told = dict(trouble.items)
        told_at, reminded_at = alert.told_at, alert.reminded_at
        if new and self.now - alert.told_at >= TOLD_AGAIN_AFTER:
            text = f"{len(new)} more: {listed(new)}.\n{trouble.message}\nWhat to do: {trouble.fix}"
            self._tell(alert, f" ({len(new)} more)", text)
            told_at = reminded_at = self.now
        else:
            told = {key: text for key, text in told.items() if key not in new}
        if self.now - reminded_at >= REMINDED_AFTER:
            since = in_zone(alert.raised_at, self.connection)
            text = f"Still so since {since}.\n{trouble.message}\nWhat to do: {trouble.fix}"
            self._tell(alert, " (reminder)", text)
            reminded_at = self.now
        is_same = (alert.message, alert.fix) == (trouble.message, trouble.fix)
        if not is_same or told != alert.items or reminded_at != alert.reminded_at:
            alerts.keep(
                self.transaction,
                trouble,
                alert_id=alert.alert_id,
                items=told,
                told_at=told_at,
                reminded_at=reminded_at,
            )

    def end(self, alert: Alert) -> None:
        """Tell that a trouble is over."""
        alerts.end(self.transaction, alert_id=alert.alert_id, at=self.now)
        since = in_zone(alert.raised_at, self.connection)
        self._tell(alert, " (solved)", f"Solved: this is over. It began at {since}: {alert.message}")
        log.info("alert_ended", connection=self.connection.name, kind=alert.kind)

    def _tell(self, alert: Alert, mark: str, text: str) -> None:
        title = WORDS[AlertKind(alert.kind)].title
        mode = "" if self.connection.facts.live_mode else " [test mode]"
        subject = f"{self.connection.name}{mode}: {title}{mark}"
        for channel in self.channels:
            if not wants(channel, alert.kind, self.connection.connection_id):
                continue
            address = str(channel.settings.get("app_url") or "")
            link = f"\nOpen: {address}{WORDS[AlertKind(alert.kind)].path}" if address else ""
            alert_messages.put(
                self.transaction,
                place=(self.connection.connection_id, alert.alert_id, channel.channel_id),
                subject=subject,
                text=f"{subject}\n{text}{link}\n{in_zone(self.now, self.connection)}, cpqbridge",
                at=self.now,
            )


def wants(channel: AlertChannel, kind: str, connection_id: int) -> bool:
    """Return whether a channel is to be told of this kind of trouble of this connection."""
    kinds, connection_ids = channel.settings.get("kinds"), channel.settings.get("connections")
    return (kinds is None or kind in kinds) and (connection_ids is None or connection_id in connection_ids)
