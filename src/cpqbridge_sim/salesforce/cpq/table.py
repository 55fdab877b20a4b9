"""The records of the org under construction, by object, with the platform's three stamps."""

from collections.abc import Callable
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

from cpqbridge_sim.salesforce.cpq.ids import RecordIds
from cpqbridge_sim.salesforce.cpq.model import Record
from cpqbridge_sim.salesforce.cpq.rounding import field_number

_STAMPS = ("CreatedDate", "LastModifiedDate", "SystemModstamp")


def stamp(at: datetime) -> str:
    """Return an instant as the REST API writes it: UTC, milliseconds, an offset without a colon."""
    if at.tzinfo is None:
        raise ValueError(f"An instant needs a time zone, {at} has none.")
    return f"{at.astimezone(UTC):%Y-%m-%dT%H:%M:%S}.{at.microsecond // 1000:03d}+0000"


class RecordTable:
    """Adds and edits records; what it returns is what REST would show, with `None` for empty fields."""

    def __init__(self, clock: Callable[[], datetime], *, currency_by_default: str | None) -> None:
        self._clock = clock
        self._currency_by_default = currency_by_default
        self._ids = RecordIds()
        self._records: dict[str, dict[str, Record]] = {}

    def next_id(self, sobject: str) -> str:
        """Return an id for a record that is added later."""
        return self._ids.next(sobject)

    def add(
        self, sobject: str, fields: Record, *, record_id: str | None = None, currency: str | None = None
    ) -> str:
        """Add a record and return its id; `currency` shows only in an org with several currencies."""
        identifier = record_id or self.next_id(sobject)
        record: Record = {"Id": identifier, **{name: field_value(value) for name, value in fields.items()}}
        if self._currency_by_default is not None:
            record["CurrencyIsoCode"] = currency or self._currency_by_default
        record.update(dict.fromkeys(_STAMPS, stamp(self._clock())))
        self._records.setdefault(sobject, {})[identifier] = record
        return identifier

    def edit(self, sobject: str, record_id: str, fields: Record, *, at: datetime | None = None) -> None:
        """Set fields of a record as an administrator would, and move its stamps.

        Raises:
            KeyError: there is no such record.
        """
        record = self._records[sobject][record_id]
        record.update({name: field_value(value) for name, value in fields.items()})
        record["LastModifiedDate"] = record["SystemModstamp"] = stamp(at or self._clock())

    def get(self, sobject: str, record_id: str) -> Record:
        """Return a copy of one record."""
        return dict(self._records[sobject][record_id])

    def records(self) -> dict[str, list[Record]]:
        """Return copies of all records by object; those of one object all have the same fields."""
        result: dict[str, list[Record]] = {}
        for sobject, by_id in self._records.items():
            names = list(dict.fromkeys(name for record in by_id.values() for name in record))
            ordered = [name for name in names if name not in _STAMPS] + list(_STAMPS)
            result[sobject] = [{name: record.get(name) for name in ordered} for record in by_id.values()]
        return result


def field_value(value: Any) -> Any:
    """Return a value as it stands in a record: dates and instants as text, numbers with REST's digits."""
    if isinstance(value, datetime):
        return stamp(value)
    if isinstance(value, date):
        return value.isoformat()
    return field_number(value) if isinstance(value, Decimal) else value
