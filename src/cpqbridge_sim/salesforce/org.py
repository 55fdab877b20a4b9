"""One simulated Salesforce org: its records, its clock and its switches."""

from __future__ import annotations

import threading
from collections import deque
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from cpqbridge_sim.fault_plan import FaultPlan, Target
from cpqbridge_sim.salesforce import order_rules, values
from cpqbridge_sim.salesforce.commits import Commits
from cpqbridge_sim.salesforce.errors import LoadError
from cpqbridge_sim.salesforce.faults import KINDS, refusal_of
from cpqbridge_sim.salesforce.ids import IdRegistry, long_id, looks_like_id, numbered_id
from cpqbridge_sim.salesforce.loading import Loader, convert, read_directory
from cpqbridge_sim.salesforce.metadata import Metadata
from cpqbridge_sim.salesforce.query import Queries
from cpqbridge_sim.salesforce.replay import Replay
from cpqbridge_sim.salesforce.store import Store

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping
    from pathlib import Path

    from cpqbridge_sim.salesforce.cpq.proration import Precision
    from cpqbridge_sim.salesforce.metadata import ObjectType
    from cpqbridge_sim.salesforce.values import Record

DAILY_LIMIT = 115_000
USAGE_WINDOW = timedelta(hours=24)
ORGANIZATION_ID = long_id("00DSm000000CpqB")
USER_ID = long_id("005Sm000000User")
_USER_PERMISSIONS = "10yQy0000000001IAA"
_STAMP_STEP = timedelta(milliseconds=1)


class Org:
    """Records by object and 18-character id, with one clock that only the test moves.

    Every save gets its own `SystemModstamp`: the clock, or one millisecond after the last one while the clock
    stands still, so that a save always shows.

    Attributes:
        metadata: The objects and fields.
        store: The records.
        ids: Which 18-character form each id has.
        queries: Answers SOQL.
        lock: Held by the server during each request; hold it to change several things at once.
        edit_activated_orders: Whether the connector's user has the right of that name.
        prorate_precision: CPQ's setting of that name; None is the one that fits the org's lines.
        faults: Troubles planned for coming requests and saves.
        commits: Saves that others do not see yet.
        request: The request that is being answered; faults of parts and saves may name its method and path.
        page_rows: At most so many rows come on a page of a query; None for as many as the API gives.
    """

    def __init__(  # noqa: PLR0913 - each is one named switch of the org, and all have defaults
        self,
        now: datetime,
        *,
        field_prefix: str = "",
        replay: bool = False,
        multi_currency: bool = False,
        tokens: Collection[str] | None = None,
        daily_limit: int = DAILY_LIMIT,
        hidden_fields: Mapping[str, Collection[str]] | None = None,
        edit_activated_orders: bool = True,
        is_sandbox: bool = True,
    ) -> None:
        """Make an empty org that has every object of the shipped schema.

        Args:
            now: The clock's start; aware.
            field_prefix: Put in front of the names of our fields on standard objects (`Acme_`).
            replay: Show orders activated after the clock as drafts until the clock reaches them.
            multi_currency: Every object has CurrencyIsoCode; also switched on by data that has it.
            tokens: Access tokens that are accepted; None accepts every non-empty one.
            daily_limit: API calls in 24 hours before requests are refused.
            hidden_fields: Fields by object that field-level security hides from the connector.
            edit_activated_orders: The user may write our fields on activated orders and their lines.
            is_sandbox: What the organization's record says.
        """
        self.lock = threading.RLock()
        self._now = _aware(now)
        self._last_stamp = datetime.min.replace(tzinfo=UTC)
        self.metadata = Metadata(field_prefix=field_prefix, hidden_fields=hidden_fields)
        self.metadata_changed_at = self._now
        if multi_currency:
            self.metadata.enable_multi_currency()
        self.store = Store()
        self.ids = IdRegistry()
        self.queries = Queries(self)
        self.tokens = None if tokens is None else frozenset(tokens)
        self.daily_limit = daily_limit
        self.edit_activated_orders = edit_activated_orders
        self.prorate_precision: Precision | None = None
        self.faults = FaultPlan(KINDS)
        self.commits = Commits(self)
        self.request = Target()
        self.page_rows: int | None = None
        self._usage: deque[tuple[datetime, int]] = deque()
        self._serial = 0
        self._replay = Replay(self) if replay else None
        permissions = {"Id": _USER_PERMISSIONS, "PermissionsEditActivatedOrders": edit_activated_orders}
        self.load(
            {
                "Organization": [_organization(is_sandbox=is_sandbox)],
                "UserPermissionAccess": [permissions],
            }
        )

    @property
    def now(self) -> datetime:
        """The org's clock, aware, in UTC."""
        return self._now

    def set_clock(self, moment: datetime) -> None:
        """Move the clock forward; under replay, orders activated by then become activated.

        Raises:
            ValueError: The moment has no time zone or lies before the clock.
        """
        with self.lock:
            moment = _aware(moment)
            if moment < self._now:
                raise ValueError(f"The clock stands at {self._now.isoformat()} and only moves forward.")
            self._now = moment
            self.commits.commit_due()
            if self._replay is not None:
                with self.commits.transaction():
                    self._replay.reveal()

    @property
    def organization_id(self) -> str:
        """The 18-character id of the org's own record."""
        return next(iter(self.store.table("Organization").records))

    def commit_stamp(self) -> str:
        """The stamp of the next save, later than every one before."""
        self._last_stamp = max(self._now, self._last_stamp + _STAMP_STEP)
        return values.datetime_text(self._last_stamp)

    def load(self, records_by_object: Mapping[str, Iterable[Mapping[str, Any]]]) -> dict[str, int]:
        """Take in records as an export shows them; how many were stored per object comes back.

        Ids may have 15 or 18 characters. Parents nested in a record are merged into, or create, their own
        record; child lists become child records. Fields the schema does not know are added with a type
        inferred from their values. Dates without a record's own stamps count as saved now.

        Raises:
            LoadError: A record cannot be taken in; nothing of this call is then stored.
        """
        with self.lock, self.commits.transaction():
            counts = Loader(self).load(records_by_object)
            if counts.get("Organization"):
                self._keep_newest_organization()
            self.metadata_changed_at = self._now
            # Records without stamps of their own count as saved now; the next save shows as a later one.
            self._last_stamp = max(self._last_stamp, self._now)
            if self._replay is not None:
                self._replay.hide()
            return counts

    def _keep_newest_organization(self) -> None:
        """An org has one record of itself: the loaded one takes the place of the built-in one."""
        table = self.store.table("Organization")
        for record_id in list(table.records)[:-1]:
            table.put(record_id, None)

    def load_directory(self, path: Path) -> dict[str, int]:
        """Load every `<SObject>.json` of a directory; the org then has only the objects found there.

        Each file holds what `sf data query --json` writes, a REST query answer, or a plain list of records.

        Raises:
            LoadError: The directory or a file cannot be used; says which and what to do.
        """
        records = read_directory(path)
        with self.lock:
            self.metadata.limit_to(records)
            return self.load(records)

    def object_type(self, name: str) -> ObjectType:
        """The object of that name, for callers inside the process.

        Raises:
            LoadError: The org has no such object.
        """
        item = self.metadata.find(name)
        if item is None:
            raise LoadError(f"The org has no object {name}.")
        return item

    def record(self, object_name: str, record_id: str) -> Record | None:
        """A copy of a record with every field that has a value, deleted ones too; None when there is none."""
        with self.lock:
            item = self.object_type(object_name)
            found = self.store.get(item.name, self.ids.resolve(record_id))
            return None if found is None else dict(found)

    def records(self, object_name: str) -> list[Record]:
        """Copies of all records of an object that are not deleted, by id."""
        with self.lock:
            table = self.store.table(self.object_type(object_name).name)
            return [dict(row) for _, row in sorted(table.records.items()) if not row.get("IsDeleted")]

    def insert(self, object_name: str, fields: Mapping[str, Any]) -> str:
        """Create a record as an admin would, without locks or required fields; its new id comes back."""
        with self.lock, self.commits.transaction():
            item = self.object_type(object_name)
            return self.save_new(item, self._converted(item, fields))

    def update(self, object_name: str, record_id: str, fields: Mapping[str, Any]) -> None:
        """Change a record as an admin would: no locks, read-only fields too; its stamps move.

        Raises:
            LoadError: Object, record or field does not exist, or a value has the wrong type.
        """
        with self.lock, self.commits.transaction():
            item = self.object_type(object_name)
            long_form = self.ids.resolve(record_id) if looks_like_id(record_id) else record_id
            if self.store.get(item.name, long_form) is None:
                raise LoadError(f"The org has no {item.name} {record_id}.")
            changes = self._converted(item, fields)
            order_rules.save(self, item.name, long_form, changes)

    def store_whole(self, records_by_object: Mapping[str, Mapping[str, Mapping[str, Any]]]) -> None:
        """Store records made inside this process, by object and id, with the stamps that they bring.

        Objects and fields that the org does not have are left out.

        Raises:
            LoadError: A value has the wrong type; nothing is then stored.
        """
        with self.lock, self.commits.transaction():
            ready: list[tuple[str, str, Record]] = []
            for object_name, records in records_by_object.items():
                item = self.metadata.find(object_name)
                if item is None:
                    continue
                for record_id, fields in records.items():
                    known = {name: value for name, value in fields.items() if name in item.fields}
                    ready.append((item.name, record_id, self._converted(item, known)))
            for object_name, record_id, record in ready:
                before = self.store.get(object_name, record_id) or {"IsDeleted": False}
                stored = {**before, **record, "Id": self.ids.register(record_id)}
                self.store.put(object_name, record_id, stored)

    def _converted(self, item: ObjectType, fields: Mapping[str, Any]) -> Record:
        changes: Record = {}
        for name, value in fields.items():
            found = item.fields.get(name)
            if found is None:
                raise LoadError(f"{item.name} has no field {name}.")
            changes[name] = convert(self.ids, found, value, where=item.name)
        return changes

    def save_new(self, item: ObjectType, fields: Record) -> str:
        """Store a new record with id, numbers and stamps; no checks."""
        self._serial += 1
        record_id = self.ids.register(numbered_id(item.key_prefix, self._serial))
        record: Record = {
            "Id": record_id,
            **order_rules.defaults(item, self._serial),
            **fields,
            "IsDeleted": False,
            "CreatedById": USER_ID,
        }
        stamp = self.commit_stamp()
        record |= {"CreatedDate": stamp, **self.modification(stamp)}
        self.store.put(item.name, record_id, record)
        order_rules.after_line_change(self, item.name, record_id)
        return record_id

    def modification(self, stamp: str) -> Record:
        """The system fields that each save sets."""
        return {"LastModifiedDate": stamp, "LastModifiedById": USER_ID, "SystemModstamp": stamp}

    def check_save(self, object_name: str, record_id: str) -> None:
        """Let a planned fault refuse a save over the API; the id is empty for a new record.

        Raises:
            ApiError: One strikes.
        """
        fault = self.faults.take_for(
            replace(self.request, level="save", sobject=object_name, record=record_id, now=self._now)
        )
        error = None if fault is None else refusal_of(fault)
        if error is not None:
            raise error

    def next_serial_id(self, prefix: str) -> str:
        """A fresh id for records that came without one, and for query locators."""
        self._serial += 1
        return self.ids.register(numbered_id(prefix, self._serial))

    def count_calls(self, calls: int) -> None:
        """Add API calls to the rolling 24 hours of usage."""
        if calls:
            self._usage.append((self._now, calls))

    def usage(self) -> int:
        """API calls of the last 24 hours of simulated time."""
        while self._usage and self._usage[0][0] <= self._now - USAGE_WINDOW:
            self._usage.popleft()
        return sum(calls for _, calls in self._usage)

    def state(self) -> dict[str, Any]:
        """Everything the org holds, for `/_sim/state`: clock, usage, records by object."""
        with self.lock:
            return {
                "now": values.datetime_text(self._now),
                "usage": {"calls": self.usage(), "limit": self.daily_limit},
                "objects": {
                    name: [dict(row) for _, row in sorted(self.store.table(name).records.items())]
                    for name in self.store.names()
                },
            }


def _aware(moment: datetime) -> datetime:
    if moment.tzinfo is None:
        raise ValueError("The org's clock needs a moment with a time zone.")
    return moment.astimezone(UTC)


def _organization(*, is_sandbox: bool) -> dict[str, Any]:
    return {
        "Id": ORGANIZATION_ID,
        "Name": "Simulated org",
        "OrganizationType": "Enterprise Edition",
        "IsSandbox": is_sandbox,
        "InstanceName": "SIM1",
        "TimeZoneSidKey": "Europe/Berlin",
        "DefaultLocaleSidKey": "en_US",
        "LanguageLocaleKey": "en_US",
        "NamespacePrefix": None,
    }
