"""The signing secrets of a connection's webhook: given, replaced, taken away; never shown again."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from cpqbridge.errors import ConfigurationError
from cpqbridge.mapping.policies import EventsWay
from cpqbridge.store import audit, connections, events
from cpqbridge.store.audit import AuditEntry
from cpqbridge.store.events import EventState

if TYPE_CHECKING:
    from cpqbridge.sync.service import SyncService

_PREFIX = "whsec_"


@dataclass(frozen=True, slots=True, kw_only=True)
class WebhookStanding:
    """How a connection takes events: `way` is configured, `secrets_added_at` has one time per secret.

    `stored` counts events by what became of them; `last_event_at` is when the newest was stored, by the
    connection's clock. All times are aware UTC.
    """

    connection: str
    way: EventsWay
    secrets_added_at: tuple[datetime, ...]
    last_event_at: datetime | None
    stored: dict[EventState, int]


class WebhookSetup:
    """Looks after the signing secrets of a connection."""

    def __init__(self, service: SyncService) -> None:
        """Work on the connections of `service`."""
        self._service = service

    def standing(self, name: str | None) -> WebhookStanding:
        """Return how a connection takes events."""
        way = self._service.configuration(name).sync.events
        with self._service.store.read() as transaction:
            connection = connections.find(transaction, name)
            connection_id = connection.connection_id
            return WebhookStanding(
                connection=connection.name,
                way=way,
                secrets_added_at=connections.webhook_secrets_added_at(
                    transaction, connection_id=connection_id
                ),
                last_event_at=events.last_received_at(transaction, connection_id=connection_id),
                stored=events.counts(transaction, connection_id=connection_id),
            )

    def give(self, name: str | None, secret: str, *, keeps_old: bool) -> WebhookStanding:
        """Believe events that are signed with `secret`; with `keeps_old` the secrets before it too.

        Raises:
            ConfigurationError: it is no signing secret.
        """
        if not secret.startswith(_PREFIX):
            raise ConfigurationError(
                f"This is no signing secret of a webhook: those begin with {_PREFIX}.",
                code="webhook_secret",
                field="secret",
                fix="Copy it from the event destination in Stripe (Workbench, Webhooks, Signing secret).",
            )
        self._change(name, secret, keeps_old=keeps_old)
        return self.standing(name)

    def remove(self, name: str | None) -> WebhookStanding:
        """Forget every signing secret of the connection."""
        self._change(name, None, keeps_old=False)
        return self.standing(name)

    def _change(self, name: str | None, secret: str | None, *, keeps_old: bool) -> None:
        store = self._service.store
        with store.write() as transaction:
            connection = connections.find(transaction, name)
            connection_id, now = connection.connection_id, self._service.clock_of(connection).now()
            if secret is None:
                connections.remove_webhook_secrets(transaction, connection_id=connection_id)
            else:
                connections.add_webhook_secret(
                    store,
                    transaction,
                    connection_id=connection_id,
                    secret=secret,
                    keeps_old=keeps_old,
                    at=now,
                )
            audit.record(
                transaction,
                AuditEntry(
                    connection_id=connection_id,
                    at=now,
                    action="webhook_secret_removed" if secret is None else "webhook_secret_given",
                    subject=connection.name,
                    detail={} if secret is None else {"kept_old": keeps_old},
                ),
            )
