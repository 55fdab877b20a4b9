"""The records of a running org as the CPQ engine edits them: nothing is stored before a verb is done."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cpqbridge_sim.salesforce import values
from cpqbridge_sim.salesforce.cpq.table import RecordTable

if TYPE_CHECKING:
    from datetime import datetime

    from cpqbridge_sim.salesforce.cpq.model import Record
    from cpqbridge_sim.salesforce.org import Org

DEFAULT_CURRENCY = "USD"


def org_currency(org: Org) -> str:
    """The corporate currency: that of the org's own record, US dollars where it names none."""
    organization = org.store.table("Organization").records[org.organization_id]
    return str(organization.get("CurrencyIsoCode") or DEFAULT_CURRENCY)


class OrgTable(RecordTable):
    """Reads the org's records, and keeps what is added and edited until `save`."""

    def __init__(self, org: Org) -> None:
        by_default = org_currency(org) if org.metadata.multi_currency else None
        super().__init__(self.next_instant, currency_by_default=by_default)
        self._org = org

    def next_instant(self) -> datetime:
        """The instant of the next save, later than every one before."""
        instant = values.parse_datetime(self._org.commit_stamp())
        assert instant is not None, "the org writes stamps that it can read"
        return instant

    def next_id(self, sobject: str) -> str:
        """Return an id for a record that is added later."""
        described = self._org.metadata.described(sobject)
        return self._org.next_serial_id(described.key_prefix) if described else super().next_id(sobject)

    def edit(self, sobject: str, record_id: str, fields: Record, *, at: datetime | None = None) -> None:
        """Set fields of a record as an administrator would, and move its stamps."""
        kept = self._records.setdefault(sobject, {})
        if record_id not in kept:
            kept[record_id] = self.get(sobject, record_id)
        super().edit(sobject, record_id, fields, at=at)

    def get(self, sobject: str, record_id: str) -> dict[str, Any]:
        """Return a copy of one record, as edited so far.

        Raises:
            KeyError: there is no such record.
        """
        edited = self._records.get(sobject, {}).get(record_id)
        return dict(edited or self._org.store.table(sobject).records[record_id])

    def save(self) -> None:
        """Store everything that was added and edited, at once."""
        self._org.store_whole(self._records)
