"""What was done on purpose, by whom and when: connections, configurations, people, pauses."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from contextvars import ContextVar
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import Connection as Transaction
from sqlalchemy import insert, select

from cpqbridge.store.tables import audit

NOBODY = "cpqbridge"
"""The actor of what the program does by itself."""

current_actor: ContextVar[str] = ContextVar("cpqbridge_actor", default=NOBODY)
"""Who acts here and now; set by `cpqbridge.sync.acting.acting_as`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditEntry:
    """One thing that was done; `detail`, `before` and `after` hold plain JSON values and never a secret.

    `actor` is the name of the person, "command line" or "cpqbridge"; whoever acts now unless it is given.
    """

    connection_id: int | None
    at: datetime
    action: str
    subject: str
    detail: Mapping[str, object]
    actor: str = field(default_factory=current_actor.get)
    before: Mapping[str, object] | None = None
    after: Mapping[str, object] | None = None


def record(transaction: Transaction, entry: AuditEntry) -> None:
    """Append an entry."""
    transaction.execute(
        insert(audit).values(
            connection_id=entry.connection_id,
            at=entry.at,
            action=entry.action,
            subject=entry.subject,
            detail=dict(entry.detail),
            actor=entry.actor,
            before=_plain(entry.before),
            after=_plain(entry.after),
        )
    )


def latest(transaction: Transaction, *, connection_id: int | None, limit: int) -> tuple[AuditEntry, ...]:
    """Return the newest entries, newest first; of all connections when `connection_id` is None."""
    query = select(audit).order_by(audit.c.audit_id.desc()).limit(limit)
    if connection_id is not None:
        query = query.where(audit.c.connection_id == connection_id)
    return tuple(entry_of(row) for row in transaction.execute(query))


def of_subjects(
    transaction: Transaction, *, connection_id: int, subjects: Collection[str], limit: int
) -> tuple[AuditEntry, ...]:
    """Return the newest entries of a connection about any of these subjects, newest first."""
    rows = transaction.execute(
        select(audit)
        .where(audit.c.connection_id == connection_id, audit.c.subject.in_(sorted(subjects)))
        .order_by(audit.c.audit_id.desc())
        .limit(limit)
    )
    return tuple(entry_of(row) for row in rows)


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditWanted:
    """Which entries to show; empty and None leave nothing out. Times are aware UTC, `until` is open."""

    actor: str = ""
    action: str = ""
    connection_id: int | None = None
    since: datetime | None = None
    until: datetime | None = None


def page(
    transaction: Transaction, wanted: AuditWanted, *, limit: int, before_id: int | None = None
) -> tuple[tuple[int, AuditEntry], ...]:
    """Return entries with their ids, newest first, those older than `before_id` where it is given."""
    query = select(audit).order_by(audit.c.audit_id.desc()).limit(limit)
    same = ("actor", wanted.actor), ("action", wanted.action), ("connection_id", wanted.connection_id)
    for name, value in same:
        if value:
            query = query.where(audit.c[name] == value)
    if wanted.since is not None:
        query = query.where(audit.c.at >= wanted.since)
    if wanted.until is not None:
        query = query.where(audit.c.at < wanted.until)
    if before_id is not None:
        query = query.where(audit.c.audit_id < before_id)
    return tuple((row.audit_id, entry_of(row)) for row in transaction.execute(query))


def names(transaction: Transaction, *, among: int) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return who acted and what was done among the newest entries, each sorted."""
    newest = select(audit.c.actor, audit.c.action).order_by(audit.c.audit_id.desc()).limit(among).subquery()
    actors = transaction.execute(select(newest.c.actor).distinct()).scalars()
    found = {each for each in actors if each}
    actions = transaction.execute(select(newest.c.action).distinct()).scalars()
    return tuple(sorted(found)), tuple(sorted(actions))


def entry_of(row: Any) -> AuditEntry:
    """Return the entry of a row of the table `audit`."""
    return AuditEntry(
        connection_id=row.connection_id,
        at=row.at,
        action=row.action,
        subject=row.subject,
        detail=row.detail,
        actor=row.actor,
        before=row.before,
        after=row.after,
    )


def _plain(values: Mapping[str, object] | None) -> dict[str, object] | None:
    return None if values is None else dict(values)
