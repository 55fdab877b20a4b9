"""Where alerts are sent to: mail servers and webhooks. Passwords and webhook addresses are encrypted."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection as Transaction
from sqlalchemy import delete, insert, select, update

from cpqbridge.errors import ConfigurationError
from cpqbridge.store.app_tables import alert_channels
from cpqbridge.store.database import Store

_NO_CONNECTION = 0
"""Channels belong to the home, and connection ids begin at 1."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AlertChannel:
    """One channel; times are aware UTC. `kind` is mail or webhook, `settings` plain JSON without a secret.

    `last_error` says why the last message did not get through, empty when it did.
    """

    channel_id: int
    kind: str
    name: str
    settings: Mapping[str, Any]
    is_active: bool
    created_at: datetime
    last_sent_at: datetime | None
    last_error: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ChannelValues:
    """What a person says of a channel."""

    kind: str
    name: str
    settings: Mapping[str, Any]


def list_all(transaction: Transaction) -> tuple[AlertChannel, ...]:
    """Return every channel by name."""
    query = select(*(alert_channels.c[name] for name in AlertChannel.__slots__))
    rows = transaction.execute(query.order_by(alert_channels.c.name, alert_channels.c.channel_id))
    return tuple(AlertChannel(**row) for row in rows.mappings())


def get(transaction: Transaction, *, channel_id: int) -> AlertChannel:
    """Return a channel.

    Raises:
        ConfigurationError: there is none of this id.
    """
    for channel in list_all(transaction):
        if channel.channel_id == channel_id:
            return channel
    raise ConfigurationError(
        "This alert channel does not exist any more.",
        code="alert_channel_unknown",
        field="channel",
        fix="Look at the list of channels: somebody may have deleted it.",
    )


def add(
    store: Store, transaction: Transaction, values: ChannelValues, *, secret: str, at: datetime
) -> AlertChannel:
    """Store a channel, switched on, with its password or address encrypted."""
    statement = insert(alert_channels).values(
        kind=values.kind,
        name=values.name,
        settings=dict(values.settings),
        target="",
        is_active=True,
        created_at=at,
        last_error="",
    )
    channel_id = int(transaction.execute(statement.returning(alert_channels.c.channel_id)).scalar_one())
    _put_secret(store, transaction, channel_id, secret)
    return get(transaction, channel_id=channel_id)


def change(
    store: Store, transaction: Transaction, values: ChannelValues, *, channel_id: int, secret: str | None
) -> AlertChannel:
    """Replace what is said of a channel; its secret only where one is given."""
    transaction.execute(
        update(alert_channels)
        .where(alert_channels.c.channel_id == channel_id)
        .values(name=values.name, settings=dict(values.settings), last_error="")
    )
    if secret is not None:
        _put_secret(store, transaction, channel_id, secret)
    return get(transaction, channel_id=channel_id)


def switch(transaction: Transaction, *, channel_id: int, is_active: bool) -> None:
    """Switch a channel on or off."""
    _update(transaction, channel_id, is_active=is_active)


def remove(transaction: Transaction, *, channel_id: int) -> None:
    """Delete a channel with the messages to it."""
    transaction.execute(delete(alert_channels).where(alert_channels.c.channel_id == channel_id))


def note_sent(transaction: Transaction, *, channel_id: int, at: datetime) -> None:
    """Note that a message got through."""
    _update(transaction, channel_id, last_sent_at=at, last_error="")


def note_failed(transaction: Transaction, *, channel_id: int, error: str) -> None:
    """Note why a message did not get through."""
    _update(transaction, channel_id, last_error=error)


def open_secret(store: Store, transaction: Transaction, *, channel_id: int) -> str:
    """Return a channel's password or address in clear text, empty where it needs none.

    Raises:
        ConfigurationError: the secret key is not the one it was stored with.
    """
    sealed: str = transaction.execute(
        select(alert_channels.c.target).where(alert_channels.c.channel_id == channel_id)
    ).scalar_one()
    return store.vault.decrypt(sealed, connection_id=_NO_CONNECTION, field=_field(channel_id))


def _put_secret(store: Store, transaction: Transaction, channel_id: int, secret: str) -> None:
    sealed = store.vault.encrypt(secret, connection_id=_NO_CONNECTION, field=_field(channel_id))
    _update(transaction, channel_id, target=sealed)


def _update(transaction: Transaction, channel_id: int, **values: object) -> None:
    transaction.execute(
        update(alert_channels).where(alert_channels.c.channel_id == channel_id).values(**values)
    )


def _field(channel_id: int) -> str:
    return f"alert_channel:{channel_id}"
