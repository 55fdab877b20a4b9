"""What an admin does about alerts: channels added, changed, tried out, switched off, deleted."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection as Transaction

from cpqbridge.errors import ConfigurationError, CpqbridgeError
from cpqbridge.store import alert_channels, alert_messages, alerts, audit
from cpqbridge.store.alert_channels import AlertChannel, ChannelValues
from cpqbridge.store.alert_messages import AlertMessage
from cpqbridge.store.alerts import Alert
from cpqbridge.store.audit import AuditEntry
from cpqbridge.sync.alert_kinds import AlertKind
from cpqbridge.sync.alert_sending import MAIL, WEBHOOK, Sending, is_simulated_home
from cpqbridge.sync.sending_mail import Security
from cpqbridge.sync.sending_webhook import require_webhook_address

if TYPE_CHECKING:
    from cpqbridge.sync.service import SyncService

__all__ = ["AlertChannel", "AlertSettings", "ChannelInput", "TryOutcome"]

_ADDRESS = re.compile(r"[^@\s,;<>\"]+@[^@\s,;<>\"]+")
_HOST = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9.:-]*[A-Za-z0-9])?")
_LAST_PORT = 65_535
_LONGEST_NAME = 80
_MOST_RECIPIENTS = 50
TEST_SUBJECT = "a test"
TEST_TEXT = "This is a test of cpqbridge. Alerts will come through this channel; nothing is to be done."


@dataclass(frozen=True, slots=True, kw_only=True)
class ChannelInput:
    """What a person typed of a channel. An empty `secret` (password or address) keeps the stored one.

    `kinds` and `connection_ids` name what the channel is told of; None is everything. `app_url` is the
    address of these pages, for links.
    """

    kind: str
    name: str
    secret: str = field(default="", repr=False)
    host: str = ""
    port: str = ""
    security: str = Security.STARTTLS.value
    user: str = ""
    sender: str = ""
    recipients: str = ""
    kinds: Sequence[str] | None = None
    connection_ids: Sequence[int] | None = None
    app_url: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class TryOutcome:
    """Whether a test message got through, and what the other side answered or what to do."""

    is_sent: bool
    words: str


class AlertSettings:
    """The channels of a home, and what went through them."""

    def __init__(self, service: SyncService, *, sending: Sending | None = None) -> None:
        """Work on the service's store."""
        self._service = service
        self._sending = sending or Sending(service)

    def channels(self) -> tuple[AlertChannel, ...]:
        """Return every channel by name."""
        with self._service.store.read() as transaction:
            return alert_channels.list_all(transaction)

    def channel(self, channel_id: int) -> AlertChannel:
        """Return one channel.

        Raises:
            ConfigurationError: there is none of this id.
        """
        with self._service.store.read() as transaction:
            return alert_channels.get(transaction, channel_id=channel_id)

    def troubles(self, *, limit: int = 50) -> tuple[Alert, ...]:
        """Return the newest troubles, those that last and those that are over, newest first."""
        with self._service.store.read() as transaction:
            return alerts.latest(transaction, limit=limit)

    def messages(self, *, limit: int, offset: int = 0) -> tuple[AlertMessage, ...]:
        """Return what was or is to be sent, newest first."""
        with self._service.store.read() as transaction:
            return alert_messages.latest(transaction, limit=limit, offset=offset)

    def add(self, given: ChannelInput) -> AlertChannel:
        """Store a new channel, switched on.

        Raises:
            ConfigurationError: a field is wrong; it is named.
        """
        values = self._values(given, present=None)
        store, now = self._service.store, self._service.clock.now()
        with store.write() as transaction:
            made = alert_channels.add(store, transaction, values, secret=given.secret, at=now)
            self._note(transaction, "alert_channel_added", made, after=_shown(made))
        return made

    def change(self, channel_id: int, given: ChannelInput) -> AlertChannel:
        """Replace what is said of a channel.

        Raises:
            ConfigurationError: a field is wrong; it is named.
        """
        present = self.channel(channel_id)
        values = self._values(given, present=present)
        store = self._service.store
        secret = given.secret or ("" if present.kind == MAIL and not given.user else None)
        with store.write() as transaction:
            made = alert_channels.change(store, transaction, values, channel_id=channel_id, secret=secret)
            after = {**_shown(made), **({"secret": "replaced"} if given.secret else {})}
            self._note(transaction, "alert_channel_changed", made, before=_shown(present), after=after)
        return made

    def switch(self, channel_id: int, *, is_active: bool) -> AlertChannel:
        """Switch a channel on or off; off, it is told of nothing."""
        with self._service.store.write() as transaction:
            before = alert_channels.get(transaction, channel_id=channel_id)
            alert_channels.switch(transaction, channel_id=channel_id, is_active=is_active)
            made = alert_channels.get(transaction, channel_id=channel_id)
            self._note(transaction, "alert_channel_changed", made, before=_shown(before), after=_shown(made))
        return made

    def remove(self, channel_id: int) -> AlertChannel:
        """Delete a channel, its secret and the log of what it was sent; return what it was."""
        with self._service.store.write() as transaction:
            present = alert_channels.get(transaction, channel_id=channel_id)
            alert_channels.remove(transaction, channel_id=channel_id)
            self._note(transaction, "alert_channel_removed", present, before=_shown(present))
        return present

    def test(self, channel_id: int) -> TryOutcome:
        """Send a test message now, and say what came of it."""
        channel = self.channel(channel_id)
        now = self._service.clock.now()
        try:
            words = self._sending.send(channel_id, subject=TEST_SUBJECT, text=TEST_TEXT)
        except CpqbridgeError as error:
            outcome = TryOutcome(is_sent=False, words=str(error))
        else:
            outcome = TryOutcome(is_sent=True, words=words)
        with self._service.store.write() as transaction:
            if outcome.is_sent:
                alert_channels.note_sent(transaction, channel_id=channel_id, at=now)
            else:
                alert_channels.note_failed(transaction, channel_id=channel_id, error=outcome.words)
            self._note(transaction, "alert_channel_tested", channel, detail={"sent": outcome.is_sent})
        return outcome

    def _values(self, given: ChannelInput, *, present: AlertChannel | None) -> ChannelValues:
        kind = present.kind if present else given.kind
        name = " ".join(given.name.split())
        if not name or len(name) > _LONGEST_NAME:
            raise _wrong("name", f"The name is empty or longer than {_LONGEST_NAME} characters.", "Name it.")
        settings = {
            "kinds": _kinds(given.kinds),
            "connections": None if given.connection_ids is None else sorted(set(given.connection_ids)),
            "app_url": given.app_url,
        }
        if kind == MAIL:
            settings |= _mail_settings(given, present)
        elif kind == WEBHOOK:
            settings |= self._webhook_settings(given, present)
        else:
            raise _wrong("kind", f"There is no kind of channel {kind!r}.", "Choose mail or webhook.")
        return ChannelValues(kind=kind, name=name, settings=settings)

    def _webhook_settings(self, given: ChannelInput, present: AlertChannel | None) -> Mapping[str, Any]:
        if present is not None and not given.secret:
            return {"host": present.settings["host"]}
        parts = require_webhook_address(
            given.secret.strip(), allows_loopback=is_simulated_home(self._service)
        )
        return {"host": parts.hostname}

    def _note(
        self,
        transaction: Transaction,
        action: str,
        channel: AlertChannel,
        *,
        detail: Mapping[str, object] | None = None,
        before: Mapping[str, object] | None = None,
        after: Mapping[str, object] | None = None,
    ) -> None:
        entry = AuditEntry(
            connection_id=None,
            at=self._service.clock.now(),
            action=action,
            subject=channel.name,
            detail=detail or {},
            before=before,
            after=after,
        )
        audit.record(transaction, entry)


def _shown(channel: AlertChannel) -> Mapping[str, object]:
    """Return a channel for the audit, without its secret."""
    return {
        "kind": channel.kind,
        "name": channel.name,
        "is_active": channel.is_active,
        **{key: value for key, value in channel.settings.items() if key != "app_url"},
    }


def _kinds(given: Sequence[str] | None) -> list[str] | None:
    if given is None:
        return None
    known = {kind.value for kind in AlertKind}
    if not given or not set(given) <= known:
        raise _wrong("kinds", "No kind of alert is chosen.", "Choose at least one, or all.")
    return [kind.value for kind in AlertKind if kind.value in given]


def _mail_settings(given: ChannelInput, present: AlertChannel | None) -> Mapping[str, Any]:
    host, user = given.host.strip(), given.user.strip()
    if not _HOST.fullmatch(host):
        raise _wrong(
            "host", "The mail server's name is missing or not a name.", "Write it like mail.example.com."
        )
    port = given.port.strip()
    if not port.isdecimal() or not 1 <= int(port) <= _LAST_PORT:
        raise _wrong("port", "The port is no number of 1 to 65535.", "587 with STARTTLS, 465 with TLS.")
    if given.security not in {each.value for each in Security}:
        raise _wrong("security", "This encryption is not known.", "Choose STARTTLS, TLS or none.")
    sender = given.sender.strip()
    if not _ADDRESS.fullmatch(sender):
        raise _wrong("sender", "The sender is no mail address.", "Write it like alerts@example.com.")
    recipients = [each for each in re.split(r"[\s,;]+", given.recipients) if each]
    wrong = [each for each in recipients if not _ADDRESS.fullmatch(each)]
    if wrong or not recipients or len(recipients) > _MOST_RECIPIENTS:
        what = f"{wrong[0]!r} is no mail address." if wrong else "There are no recipients, or too many."
        raise _wrong("recipients", what, f"Give 1 to {_MOST_RECIPIENTS} addresses, one a line.")
    if user and not given.secret and not _is_same_server(present, host, int(port), user):
        # A stored password goes to nobody but the server it was given for.
        raise _wrong("secret", "The password of this user is missing.", "Give it again for this server.")
    return {
        "host": host,
        "port": int(port),
        "security": given.security,
        "user": user,
        "sender": sender,
        "recipients": recipients,
    }


def _is_same_server(present: AlertChannel | None, host: str, port: int, user: str) -> bool:
    if present is None:
        return False
    before = present.settings
    return (before["host"], before["port"], before["user"]) == (host, port, user)


def _wrong(field_name: str, message: str, fix: str) -> ConfigurationError:
    return ConfigurationError(message, code="alert_channel_value", field=field_name, fix=fix)
