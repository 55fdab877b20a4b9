"""Typed reading of one raw record; what does not fit becomes a refusal of the order."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, datetime
from decimal import Decimal
from typing import TypeVar

from cpqbridge.domain.ids import salesforce_id
from cpqbridge.mapping import values
from cpqbridge.mapping.findings import Findings
from cpqbridge.mapping.paths import follow
from cpqbridge.mapping.raw import RawRecord

T = TypeVar("T")


def record_id_at(record: RawRecord, path: str) -> str | None:
    """Return the id at `path` with 18 characters, None where there is none or it is not a text.

    An id with a wrong checksum stays as it is: it names its record in messages.
    """
    value = follow(record, path.split("."))
    if not isinstance(value, str) or not value.strip():
        return None
    try:
        return salesforce_id(value.strip())
    except ValueError:
        return value.strip()


class RecordReader:
    """Reads the fields of one record of an order; `path` is a dot path, `name` calls the record by a word."""

    def __init__(
        self, record: RawRecord, *, record_id: str, order_id: str, findings: Findings, name: str
    ) -> None:
        """Read `record`; refusals name `record_id` and stop `order_id`."""
        self.record = record
        self.record_id = record_id
        self.order_id = order_id
        self.findings = findings
        self.name = name

    def of(self, record: RawRecord, record_id: str, name: str) -> RecordReader:
        """Return a reader of another record of the same order; its refusals name that record."""
        return RecordReader(
            record, record_id=record_id, order_id=self.order_id, findings=self.findings, name=name
        )

    def refuse(self, code: str, message: str, *, field: str, fix: str = "") -> None:
        """Add a refusal about this record; the record's name stands before `message`."""
        self.findings.refuse(
            code,
            f"{self.name} {message}",
            order_id=self.order_id,
            record_id=self.record_id,
            field=field,
            fix=fix,
        )

    def raw(self, path: str) -> object:
        """Return the raw value at `path`."""
        return follow(self.record, path.split("."))

    def text(self, path: str) -> str | None:
        """Return a text, None where empty."""
        return self._read(path, values.as_text, None)

    def number(self, path: str) -> Decimal | None:
        """Return a number, None where empty."""
        return self._read(path, values.as_decimal, None)

    def day(self, path: str) -> date | None:
        """Return a calendar date, None where empty."""
        return self._read(path, values.as_date, None)

    def instant(self, path: str) -> datetime | None:
        """Return an aware UTC instant, None where empty."""
        return self._read(path, values.as_instant, None)

    def ticked(self, path: str) -> bool:
        """Return a check box; empty is false."""
        return self._read(path, values.as_boolean, default=False)

    def record_id_at(self, path: str) -> str | None:
        """Return the id of another record, None where empty."""
        if self.text(path) is None:
            return None
        return record_id_at(self.record, path)

    def _read(self, path: str, convert: Callable[[object], T], default: T) -> T:
        try:
            return convert(self.raw(path))
        except values.UnreadableValueError as error:
            fix = f"Correct {path} in Salesforce."
            self.refuse("value_type", f"has a wrong value in {path}: {error}.", field=path, fix=fix)
            return default
