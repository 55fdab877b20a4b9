"""Sending one message through a channel, as it is stored."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from cpqbridge.store import alert_channels
from cpqbridge.store.alert_channels import AlertChannel
from cpqbridge.sync.sending_mail import MailServer, Security, send_mail
from cpqbridge.sync.sending_webhook import post_text

if TYPE_CHECKING:
    from cpqbridge.sync.service import SyncService

MAIL, WEBHOOK = "mail", "webhook"


class Sending:
    """Sends through stored channels; tests hand in senders that keep what they are given."""

    def __init__(
        self,
        service: SyncService,
        *,
        mail: Callable[..., str] = send_mail,
        post: Callable[..., str] = post_text,
    ) -> None:
        """Send nothing yet."""
        self._service = service
        self._mail = mail
        self._post = post

    def send(self, channel_id: int, *, subject: str, text: str) -> str:
        """Send a text; return what the other side answered, in words for people.

        Raises:
            ConfigurationError: the channel is gone, its secret cannot be opened, or it is refused.
            TransientError: the other side does not answer.
        """
        with self._service.store.read() as transaction:
            channel = alert_channels.get(transaction, channel_id=channel_id)
            secret = alert_channels.open_secret(self._service.store, transaction, channel_id=channel_id)
        if channel.kind == MAIL:
            return self._mail(mail_server(channel, secret), subject=f"cpqbridge: {subject}", text=text)
        return self._post(secret, text, allows_loopback=is_simulated_home(self._service))


def mail_server(channel: AlertChannel, password: str) -> MailServer:
    """Return the mail server of a channel."""
    settings: Mapping[str, Any] = channel.settings
    return MailServer(
        host=settings["host"],
        port=settings["port"],
        security=Security(settings["security"]),
        user=settings["user"],
        password=password,
        sender=settings["sender"],
        recipients=tuple(settings["recipients"]),
    )


def is_simulated_home(service: SyncService) -> bool:
    """Return whether there are connections and all of them are simulated: then messages may stay here."""
    known = service.connections()
    return bool(known) and all(each.facts.simulated for each in known)
