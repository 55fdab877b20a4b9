"""What is to be sent to which channel, tried again until it got through, by one process at a time."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from sqlalchemy import Connection as Transaction
from sqlalchemy import RowMapping, insert, select, update

from cpqbridge.store.app_tables import alert_channels, alert_messages


class MessageState(StrEnum):
    """Where a message stands."""

    WAITING = "waiting"
    SENT = "sent"
    GIVEN_UP = "given up"


@dataclass(frozen=True, slots=True, kw_only=True)
class AlertMessage:
    """One message to one channel; times are aware UTC.

    `attempts` counts the tries that began, `next_at` is when it is tried next, or when another process may
    take it up that finds it left behind. `error` says why the last try was in vain.
    """

    message_id: int
    connection_id: int
    alert_id: int
    channel_id: int
    subject: str
    text: str
    state: MessageState
    attempts: int
    created_at: datetime
    next_at: datetime
    sent_at: datetime | None
    error: str


def put(
    transaction: Transaction, *, place: tuple[int, int, int], subject: str, text: str, at: datetime
) -> None:
    """Store a message to be sent from now on; `place` is connection, alert and channel."""
    connection_id, alert_id, channel_id = place
    transaction.execute(
        insert(alert_messages).values(
            connection_id=connection_id,
            alert_id=alert_id,
            channel_id=channel_id,
            subject=subject,
            text=text,
            state=MessageState.WAITING.value,
            attempts=0,
            created_at=at,
            next_at=at,
            error="",
        )
    )


def due(transaction: Transaction, *, at: datetime) -> tuple[AlertMessage, ...]:
    """Return of each channel that is switched on the oldest waiting message, where its time has come.

    Messages of a channel go out in their order: what is over is not told before what began.
    """
    rows = transaction.execute(
        select(alert_messages)
        .join(alert_channels, alert_channels.c.channel_id == alert_messages.c.channel_id)
        .where(alert_messages.c.state == MessageState.WAITING.value, alert_channels.c.is_active.is_(True))
        .order_by(alert_messages.c.channel_id, alert_messages.c.message_id)
    ).mappings()
    first: dict[int, AlertMessage] = {}
    for row in rows:
        first.setdefault(row["channel_id"], _message(row))
    return tuple(each for each in first.values() if each.next_at <= at)


def claim(transaction: Transaction, message: AlertMessage, *, until: datetime) -> bool:
    """Return whether the caller is the one to send it now; nobody else takes it up before `until`."""
    outcome = transaction.execute(
        update(alert_messages)
        .where(
            alert_messages.c.message_id == message.message_id,
            alert_messages.c.state == MessageState.WAITING.value,
            alert_messages.c.attempts == message.attempts,
        )
        .values(attempts=message.attempts + 1, next_at=until)
    )
    return outcome.rowcount == 1


def note_sent(transaction: Transaction, *, message_id: int, at: datetime) -> None:
    """Note that a message got through."""
    _update(transaction, message_id, state=MessageState.SENT.value, sent_at=at, error="")


def note_failed(transaction: Transaction, *, message_id: int, error: str, next_at: datetime | None) -> None:
    """Note why a try was in vain and when the next one is; without a next one it is given up."""
    if next_at is None:
        _update(transaction, message_id, state=MessageState.GIVEN_UP.value, error=error)
    else:
        _update(transaction, message_id, next_at=next_at, error=error)


def latest(transaction: Transaction, *, limit: int, offset: int = 0) -> tuple[AlertMessage, ...]:
    """Return messages of all channels, newest first."""
    query = select(alert_messages).order_by(alert_messages.c.message_id.desc()).limit(limit).offset(offset)
    return tuple(_message(row) for row in transaction.execute(query).mappings())


def _update(transaction: Transaction, message_id: int, **values: object) -> None:
    transaction.execute(
        update(alert_messages).where(alert_messages.c.message_id == message_id).values(**values)
    )


def _message(row: RowMapping) -> AlertMessage:
    return AlertMessage(**{**row, "state": MessageState(row["state"])})
