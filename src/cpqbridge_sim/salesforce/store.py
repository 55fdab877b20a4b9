"""Records of the org in memory, with look-ups by field value and undo."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from cpqbridge_sim.salesforce.values import Record, Value


def index_key(value: Value) -> Value:
    """What a value is filed under: text without regard to case, all else as it is."""
    return value.casefold() if isinstance(value, str) else value


class Table:
    """The records of one object. A stored record is never changed in place, only replaced."""

    def __init__(self) -> None:
        self.records: dict[str, Record] = {}
        self._indexes: dict[str, dict[Value, set[str]]] = {}

    def put(self, record_id: str, record: Record | None) -> Record | None:
        """Store, replace or (with None) take away a record; what was there before comes back."""
        before = self.records.get(record_id)
        for field_name, index in self._indexes.items():
            if before is not None:
                index[index_key(before.get(field_name))].discard(record_id)
            if record is not None:
                index.setdefault(index_key(record.get(field_name)), set()).add(record_id)
        if record is None:
            self.records.pop(record_id, None)
        else:
            self.records[record_id] = record
        return before

    def ids_where(self, field_name: str, wanted: Iterable[Value]) -> set[str]:
        """Ids of all records, deleted ones too, whose field has one of the values, case ignored."""
        index = self._indexes.get(field_name)
        if index is None:
            index = self._indexes[field_name] = {}
            for record_id, record in self.records.items():
                index.setdefault(index_key(record.get(field_name)), set()).add(record_id)
        found: set[str] = set()
        for value in wanted:
            found |= index.get(index_key(value), set())
        return found


class Store:
    """All tables of the org, and the undo that all-or-none requests need."""

    def __init__(self) -> None:
        self._tables: dict[str, Table] = {}
        self._journal: list[tuple[str, str, Record | None]] = []
        self._open_savepoints = 0

    def table(self, object_name: str) -> Table:
        """The table of an object; an empty one when nothing was stored yet."""
        return self._tables.setdefault(object_name, Table())

    def names(self) -> list[str]:
        """Objects with at least one record, sorted."""
        return sorted(name for name, table in self._tables.items() if table.records)

    def get(self, object_name: str, record_id: str) -> Record | None:
        """A record by its 18-character id, deleted ones too."""
        return self.table(object_name).records.get(record_id)

    def put(self, object_name: str, record_id: str, record: Record) -> None:
        """Store a record; inside a savepoint this can be undone."""
        before = self.table(object_name).put(record_id, record)
        if self._open_savepoints:
            self._journal.append((object_name, record_id, before))

    @contextmanager
    def savepoint(self) -> Iterator[Savepoint]:
        """Everything put inside can be undone with the savepoint's `undo`; savepoints nest."""
        self._open_savepoints += 1
        try:
            yield Savepoint(self, len(self._journal))
        finally:
            self._open_savepoints -= 1
            if not self._open_savepoints:
                self._journal.clear()

    def changed_since(self, length: int) -> dict[tuple[str, str], Record | None]:
        """What was put since the journal had this length, by object and id, with what was there before."""
        changed: dict[tuple[str, str], Record | None] = {}
        for object_name, record_id, before in self._journal[length:]:
            changed.setdefault((object_name, record_id), before)
        return changed

    def undo_to(self, length: int) -> None:
        """Take back every put since the journal had this length."""
        while len(self._journal) > length:
            object_name, record_id, before = self._journal.pop()
            self.table(object_name).put(record_id, before)


class Savepoint:
    """A point in a request to which the org can go back."""

    def __init__(self, store: Store, journal_length: int) -> None:
        self._store = store
        self._journal_length = journal_length

    def undo(self) -> None:
        """Take back everything stored since this savepoint was opened."""
        self._store.undo_to(self._journal_length)

    def changed(self) -> dict[tuple[str, str], Record | None]:
        """What was stored since then, by object and id, with what was there before."""
        return self._store.changed_since(self._journal_length)
