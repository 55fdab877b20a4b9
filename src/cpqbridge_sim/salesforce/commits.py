"""Saves that others see later than their stamps say: a row is stamped when saved, not when committed.

Source: the design notes, section 3.1. A long transaction, such as an activation with CPQ's triggers, can
appear minutes later with an older `SystemModstamp`.
"""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    from cpqbridge_sim.salesforce.org import Org
    from cpqbridge_sim.salesforce.store import Savepoint
    from cpqbridge_sim.salesforce.values import Record

_STAMPS = ("LastModifiedDate", "SystemModstamp")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Waiting:
    visible_at: datetime
    sobject: str
    record_id: str
    changes: Record


class Commits:
    """Keeps back what `lag` faults say: a transaction's changes of the objects that the fault names."""

    def __init__(self, org: Org) -> None:
        self._org = org
        self._waiting: list[_Waiting] = []
        self._is_open = False

    @property
    def waiting(self) -> int:
        """How many changed records nobody sees yet."""
        return len(self._waiting)

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """What is stored inside is seen at once inside, and by others when it is committed."""
        if self._is_open:
            yield
            return
        self._is_open = True
        try:
            with self._org.store.savepoint() as whole:
                yield
                self._keep_back(whole)
        finally:
            self._is_open = False

    def commit_due(self) -> None:
        """Show what the clock has reached, the oldest first, on top of what was saved meanwhile."""
        due = [each for each in self._waiting if each.visible_at <= self._org.now]
        self._waiting = [each for each in self._waiting if each.visible_at > self._org.now]
        for each in sorted(due, key=lambda change: change.visible_at):
            current = self._org.store.get(each.sobject, each.record_id) or {}
            stamps = {
                name: max(str(each.changes[name]), str(current.get(name) or ""))
                for name in _STAMPS
                if each.changes.get(name)
            }
            self._org.store.put(each.sobject, each.record_id, {**current, **each.changes, **stamps})

    def _keep_back(self, whole: Savepoint) -> None:
        changed = whole.changed()
        lag = self._org.faults.take_lag([*changed], now=self._org.now)
        if lag is None:
            return
        visible_at = self._org.now + timedelta(seconds=self._org.faults.seconds_of(lag.fault))
        for (sobject, record_id), before in changed.items():
            table = self._org.store.table(sobject)
            after = table.records.get(record_id)
            fits = fnmatchcase(sobject, lag.sobject) and fnmatchcase(record_id, lag.record)
            if after is None or not fits:
                continue
            changes = {name: value for name, value in after.items() if (before or {}).get(name) != value}
            self._waiting.append(
                _Waiting(visible_at=visible_at, sobject=sobject, record_id=record_id, changes=changes)
            )
            table.put(record_id, before)
