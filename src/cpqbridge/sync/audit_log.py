"""The audit log for people: who did what and when, and what was different afterwards."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from cpqbridge.store import audit
from cpqbridge.store.audit import AuditWanted
from cpqbridge.sync.spreadsheet import as_text, csv_bytes

if TYPE_CHECKING:
    from cpqbridge.sync.service import SyncService

__all__ = ["AuditLog", "AuditWanted", "Change", "LoggedEntry", "changes_of"]

NAMES_AMONG = 10_000
"""Filters offer the names and actions of so many of the newest entries."""

MOST_ROWS = 20_000
"""Rows of one CSV file; a filter by time gets the rest."""

_AT_ONCE = 1000
_HEAD = ("at_utc", "connection", "actor", "action", "subject", "what", "before", "after")


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """What stands at a dotted path before and after, in words; empty where there is nothing."""

    path: str
    before: str
    after: str


@dataclass(frozen=True, slots=True, kw_only=True)
class LoggedEntry:
    """One thing that was done; `words` name the action, `connection` is its name, empty without one."""

    audit_id: int
    at: datetime
    actor: str
    action: str
    words: str
    connection: str
    time_zone: str
    subject: str
    detail: tuple[Change, ...]
    changes: tuple[Change, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class LogPage:
    """Some entries, newest first, and the id to go on before; None at the end."""

    entries: tuple[LoggedEntry, ...]
    next_before: int | None


class AuditLog:
    """Reads the audit log of a home."""

    def __init__(self, service: SyncService) -> None:
        """Read from the service's store."""
        self._service = service

    def page(self, wanted: AuditWanted, *, limit: int, before_id: int | None = None) -> LogPage:
        """Return entries, newest first."""
        with self._service.store.read() as transaction:
            found = audit.page(transaction, wanted, limit=limit + 1, before_id=before_id)
        known = {each.connection_id: each for each in self._service.connections()}
        entries = []
        for audit_id, entry in found[:limit]:
            connection = known.get(entry.connection_id or 0)
            entries.append(
                LoggedEntry(
                    audit_id=audit_id,
                    at=entry.at,
                    actor=entry.actor,
                    action=entry.action,
                    words=action_words(entry.action),
                    connection=connection.name if connection else "",
                    time_zone=connection.facts.time_zone if connection else "UTC",
                    subject=entry.subject,
                    detail=changes_of(None, entry.detail),
                    changes=changes_of(entry.before, entry.after),
                )
            )
        return LogPage(
            entries=tuple(entries), next_before=entries[-1].audit_id if len(found) > limit else None
        )

    def names(self) -> tuple[tuple[str, ...], tuple[tuple[str, str], ...]]:
        """Return who acted of late, and the actions of late with their words."""
        with self._service.store.read() as transaction:
            actors, actions = audit.names(transaction, among=NAMES_AMONG)
        return actors, tuple((each, action_words(each)) for each in actions)

    def csv(self, wanted: AuditWanted) -> bytes:
        """Return entries as a table, one row for each change, newest first; see `MOST_ROWS`."""
        return csv_bytes([_HEAD, *self._rows(wanted)])

    def _rows(self, wanted: AuditWanted) -> Iterator[tuple[str | None, ...]]:
        count, before_id, goes_on = 0, None, True
        while goes_on:
            page = self.page(wanted, limit=_AT_ONCE, before_id=before_id)
            for entry in page.entries:
                for row in _rows_of(entry):
                    yield row
                    count += 1
            before_id = page.next_before
            goes_on = before_id is not None and count < MOST_ROWS


def changes_of(before: Mapping[str, object] | None, after: Mapping[str, object] | None) -> tuple[Change, ...]:
    """Return what differs between two documents by dotted path, sorted; everything where one is missing."""
    old, new = dict(_flat(before or {})), dict(_flat(after or {}))
    return tuple(
        Change(path=path, before=old.get(path, ""), after=new.get(path, ""))
        for path in sorted({*old, *new})
        if old.get(path) != new.get(path)
    )


def action_words(action: str) -> str:
    """Return an action in words: order_held becomes "Order held"."""
    return action.replace("_", " ").capitalize()


def _flat(value: object, path: str = "") -> Iterator[tuple[str, str]]:
    """Yield the leaves of a document with their paths; lists of plain values stay together."""
    if isinstance(value, Mapping) and value:
        for name, item in value.items():
            yield from _flat(item, f"{path}.{name}" if path else str(name))
    elif isinstance(value, list | tuple) and any(isinstance(each, Mapping) for each in value):
        for place, item in enumerate(value):
            yield from _flat(item, f"{path}.{place}")
    elif path:
        yield path, _words(value)


def _words(value: object) -> str:
    if value is None:
        return "none"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list | tuple):
        return ", ".join(_words(each) for each in value) or "nothing"
    if isinstance(value, Mapping):
        return "nothing"
    return value if isinstance(value, str) else json.dumps(value)


def _rows_of(entry: LoggedEntry) -> Iterator[tuple[str | None, ...]]:
    first = (
        entry.at.astimezone(UTC).isoformat(timespec="seconds"),
        as_text(entry.connection),
        as_text(entry.actor),
        entry.action,
        as_text(entry.subject),
    )
    for change in (*entry.detail, *entry.changes) or (Change(path="", before="", after=""),):
        yield (*first, as_text(change.path), as_text(change.before), as_text(change.after))
