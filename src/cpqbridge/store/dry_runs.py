"""Dry runs: what a sync of the recent orders would do, with how far each has come and what it found."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import Connection as Transaction
from sqlalchemy import Row, delete, insert, select, update

from cpqbridge.errors import ConfigurationError
from cpqbridge.store.app_tables import dry_runs

KEPT = 10
"""How many dry runs of a connection are kept; the oldest go."""


class DryRunState(StrEnum):
    """How far a dry run has come. One that was cut off by the end of its process is stopped."""

    RUNNING = "running"
    DONE = "done"
    STOPPED = "stopped"
    FAILED = "failed"


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredDryRun:
    """A dry run; times are aware UTC, by the machine's clock. `document` is that of `sync.dry_run`.

    `result` is what it found, None while it runs and in lists: it may be long.
    """

    dry_run_id: int
    connection_id: int
    state: DryRunState
    document: Mapping[str, Any]
    actor: str
    started_at: datetime
    finished_at: datetime | None
    result: Mapping[str, Any] | None = None


def begin(
    transaction: Transaction, *, connection_id: int, document: Mapping[str, Any], actor: str, at: datetime
) -> int:
    """Store a dry run that begins now and return its id.

    Raises:
        ConfigurationError: one of the connection runs already (code `dry_run_runs`).
    """
    running = select(dry_runs.c.dry_run_id).where(
        dry_runs.c.connection_id == connection_id, dry_runs.c.state == DryRunState.RUNNING
    )
    if transaction.execute(running).first() is not None:
        raise ConfigurationError(
            "A dry run of this connection is under way.",
            code="dry_run_runs",
            fix="Wait for its end, or stop it.",
        )
    made = transaction.execute(
        insert(dry_runs).values(
            connection_id=connection_id,
            state=DryRunState.RUNNING,
            document=dict(document),
            actor=actor,
            started_at=at,
        )
    ).inserted_primary_key
    kept = (
        select(dry_runs.c.dry_run_id)
        .where(dry_runs.c.connection_id == connection_id)
        .order_by(dry_runs.c.dry_run_id.desc())
        .limit(KEPT)
    )
    transaction.execute(
        delete(dry_runs).where(dry_runs.c.connection_id == connection_id, dry_runs.c.dry_run_id.not_in(kept))
    )
    return int(made[0]) if made else 0


def note(transaction: Transaction, *, dry_run_id: int, document: Mapping[str, Any]) -> bool:
    """Replace the document of a dry run that runs; return whether it still does."""
    changed = transaction.execute(
        update(dry_runs)
        .where(dry_runs.c.dry_run_id == dry_run_id, dry_runs.c.state == DryRunState.RUNNING)
        .values(document=dict(document))
    )
    return changed.rowcount == 1


def end(
    transaction: Transaction,
    *,
    dry_run_id: int,
    state: DryRunState,
    document: Mapping[str, Any],
    at: datetime,
    result: Mapping[str, Any] | None = None,
) -> bool:
    """End a dry run that runs; return whether it did: one that ended otherwise stays as it is."""
    changed = transaction.execute(
        update(dry_runs)
        .where(dry_runs.c.dry_run_id == dry_run_id, dry_runs.c.state == DryRunState.RUNNING)
        .values(
            state=state,
            document=dict(document),
            result=None if result is None else dict(result),
            finished_at=at,
        )
    )
    return changed.rowcount == 1


def of_connection(transaction: Transaction, *, connection_id: int) -> tuple[StoredDryRun, ...]:
    """Return a connection's dry runs without their results, newest first."""
    rows = transaction.execute(
        select(*(column for column in dry_runs.c if column is not dry_runs.c.result))
        .where(dry_runs.c.connection_id == connection_id)
        .order_by(dry_runs.c.dry_run_id.desc())
    )
    return tuple(_stored(row, None) for row in rows)


def find(transaction: Transaction, *, connection_id: int, dry_run_id: int) -> StoredDryRun | None:
    """Return a connection's dry run with its result, None when there is none with this id."""
    row = transaction.execute(
        select(dry_runs).where(dry_runs.c.connection_id == connection_id, dry_runs.c.dry_run_id == dry_run_id)
    ).first()
    return None if row is None else _stored(row, row.result)


def _stored(row: Row[Any], result: Mapping[str, Any] | None) -> StoredDryRun:
    return StoredDryRun(
        dry_run_id=row.dry_run_id,
        connection_id=row.connection_id,
        state=DryRunState(row.state),
        document=row.document,
        actor=row.actor,
        started_at=row.started_at,
        finished_at=row.finished_at,
        result=result,
    )
