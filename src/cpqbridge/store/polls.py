"""How the last poll of each connection went, and with which configuration orders were looked for."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection as Transaction
from sqlalchemy import select
from sqlalchemy.dialects.sqlite import insert as upsert

from cpqbridge.errors import CpqbridgeError
from cpqbridge.store.tables import polls


@dataclass(frozen=True, slots=True, kw_only=True)
class PollOutcome:
    """The last poll; times are aware UTC by the connection's clock, `succeeded_at` is of the last good one.

    `code`, `message` and `fix` say why the last poll failed; they are empty after a good one.
    `configuration` is a mark of what decides which orders are found, as of the last good poll.
    """

    polled_at: datetime
    succeeded_at: datetime | None = None
    code: str = ""
    message: str = ""
    fix: str = ""
    configuration: str = ""

    @property
    def is_good(self) -> bool:
        """Return whether it found what there was."""
        return not self.code


def find(transaction: Transaction, *, connection_id: int) -> PollOutcome | None:
    """Return how the last poll went, None before the first."""
    row = (
        transaction.execute(
            select(*(polls.c[name] for name in PollOutcome.__slots__)).where(
                polls.c.connection_id == connection_id
            )
        )
        .mappings()
        .first()
    )
    return None if row is None else PollOutcome(**row)


def keep_good(transaction: Transaction, *, connection_id: int, configuration: str, at: datetime) -> None:
    """Store that a poll found what there was."""
    _save(
        transaction,
        connection_id,
        PollOutcome(polled_at=at, succeeded_at=at, configuration=configuration),
    )


def keep_failed(transaction: Transaction, *, connection_id: int, error: CpqbridgeError, at: datetime) -> None:
    """Store that a poll failed; when the last good one was stays known."""
    before = find(transaction, connection_id=connection_id)
    _save(
        transaction,
        connection_id,
        PollOutcome(
            polled_at=at,
            succeeded_at=before.succeeded_at if before else None,
            code=error.code,
            message=error.message,
            fix=error.fix,
            configuration=before.configuration if before else "",
        ),
    )


def _save(transaction: Transaction, connection_id: int, outcome: PollOutcome) -> None:
    values = {name: getattr(outcome, name) for name in PollOutcome.__slots__}
    statement = upsert(polls).values(connection_id=connection_id, **values)
    transaction.execute(statement.on_conflict_do_update(index_elements=["connection_id"], set_=values))
