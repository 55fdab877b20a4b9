"""What changed in an org: orders that qualify, and single records that somebody waits for."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from cpqbridge.errors import ConfigurationError, CpqbridgeError
from cpqbridge.mapping.raw import GONE, OrderNotice, RawRecord, WatchedGroup
from cpqbridge.salesforce.client import (
    QUERY_LIMIT,
    Answer,
    SalesforceClient,
    Subrequest,
    checked_page,
    query_path,
)
from cpqbridge.salesforce.family import Family
from cpqbridge.salesforce.notices import notice_from, notice_query, text_at
from cpqbridge.salesforce.pages import records_of
from cpqbridge.salesforce.qualification import Qualification, blamed
from cpqbridge.salesforce.roots import with_roots
from cpqbridge.salesforce.schema import OrgSchema
from cpqbridge.salesforce.soql import datetime_literal, one_of, select

IDS_PER_QUERY = 500
GROUPS_AT_ONCE = QUERY_LIMIT - 1
"""How many groups of watched records go along with a query of orders in one call."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What to look for: orders that qualify, saved at or after `since`, activated from `activated_since` on.

    Both instants (aware) are left out where they are None. `watched` are further records to look at, whenever
    they were saved: up to four groups of up to 500 ids of one object.
    """

    qualification: Qualification
    since: datetime | None
    activated_since: datetime | None = None
    watched: Sequence[WatchedGroup] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangesPage:
    """Some of what changed. `stamps` are those of the watched records by id (REST's text, or `GONE`).

    `answered_at` is when the org answered by its own clock (aware), None when it did not say. `next_page`
    leads to the next page, None on the last one.
    """

    notices: tuple[OrderNotice, ...]
    stamps: Mapping[str, str]
    answered_at: datetime | None
    next_page: str | None


class Changes:
    """Asks an org what changed: one call for each page of orders, the first with up to four more queries."""

    def __init__(self, client: SalesforceClient, schema: OrgSchema) -> None:
        """Ask over `client`; `schema` says what the org has."""
        self._client = client
        self._schema = schema
        self._family = Family(schema)

    def first(self, wanted: Wanted) -> ChangesPage:
        """Return the first page, with the stamps of the watched records; one call.

        With `since` orders come in the order they were saved, without it in the order they were activated,
        drafts last.

        Raises:
            ConfigurationError: Salesforce cannot read the condition or the filter (code `filter_refused`).
        """
        asked = [group for group in wanted.watched if self._schema.has(group.object_name, "SystemModstamp")]
        soql = self._orders_query(wanted)
        try:
            page, stamps = self._together(soql, asked) if asked else (self._client.query(soql), {})
        except CpqbridgeError as error:
            raise blamed(error, wanted.qualification) from error
        return self._page(page, stamps, self._client.server_time)

    def next(self, next_page: str) -> ChangesPage:
        """Return a further page of orders, one call."""
        page = self._client.next_page(next_page)
        return self._page(page, {}, self._client.server_time)

    def all_orders(self, since: datetime) -> Mapping[str, str]:
        """Return the stamp of every order saved or deleted since, by id; one call for each 2,000.

        They need not qualify. `since` is aware and belongs to the span.
        """
        where = f"SystemModstamp >= {datetime_literal(since)}"
        page = self._client.query(
            select(["Id", "SystemModstamp"], "Order", where=where, order_by="Id"), with_deleted=True
        )
        return _stamps_of(records_of(self._client, page))

    def count(self, wanted: Wanted) -> int:
        """Return how many orders `first` and the pages after it would give, one call.

        Raises:
            ConfigurationError: Salesforce cannot read the condition or the filter (code `filter_refused`).
        """
        where = " AND ".join(_conditions(wanted))
        try:
            counted = self._client.query(select(["COUNT()"], "Order", where=where))
        except CpqbridgeError as error:
            raise blamed(error, wanted.qualification) from error
        return int(counted.get("totalSize") or 0)

    def _orders_query(self, wanted: Wanted) -> str:
        conditions = _conditions(wanted)
        first = "SystemModstamp ASC" if wanted.since is not None else "ActivatedDate ASC NULLS LAST"
        return notice_query(self._schema, conditions, order_by=f"{first}, Id ASC")

    def _together(self, soql: str, asked: Sequence[WatchedGroup]) -> tuple[Mapping[str, Any], dict[str, str]]:
        soqls = [
            soql,
            *(
                select(["Id", "SystemModstamp"], group.object_name, where=one_of("Id", group.record_ids))
                for group in asked
            ),
        ]
        parts = [
            Subrequest(method="GET", path=query_path(each), reference=f"query_{number}")
            for number, each in enumerate(soqls)
        ]
        first, *others = self._client.composite(parts, writes=False)
        if not first.is_success:
            raise first.failure(writes=False)
        stamps: dict[str, str] = {}
        for group, answer in zip(asked, others, strict=True):
            stamps |= self._stamps(group, answer)
        return checked_page(first.body), stamps

    def _stamps(self, group: WatchedGroup, answer: Answer) -> dict[str, str]:
        """Return the stamp of each record; of an object that our user may no longer see nothing is known."""
        if answer.is_success:
            found = _stamps_of(records_of(self._client, checked_page(answer.body)))
            return {record_id: found.get(record_id, GONE) for record_id in group.record_ids}
        error = answer.failure(writes=False)
        if isinstance(error, ConfigurationError):
            return {}
        raise error

    def _page(
        self, page: Mapping[str, Any], stamps: Mapping[str, str], answered_at: datetime | None
    ) -> ChangesPage:
        notices = with_roots(self._client, self._family, [notice_from(row) for row in page["records"]])
        return ChangesPage(
            notices=tuple(notices),
            stamps=stamps,
            answered_at=answered_at,
            next_page=None if page["done"] else str(page.get("nextRecordsUrl")),
        )


def _conditions(wanted: Wanted) -> list[str]:
    conditions = wanted.qualification.conditions()
    if wanted.since is not None:
        conditions.append(f"SystemModstamp >= {datetime_literal(wanted.since)}")
    if wanted.activated_since is not None:
        conditions.append(f"ActivatedDate >= {datetime_literal(wanted.activated_since)}")
    return conditions


def _stamps_of(rows: Iterable[RawRecord]) -> dict[str, str]:
    return {text_at(row, "Id") or "": text_at(row, "SystemModstamp") or "" for row in rows}
