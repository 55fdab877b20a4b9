"""What changed in an org: orders that qualify, and single records that somebody waits for."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any

from cpqbridge.errors import ConfigurationError, CpqbridgeError
from cpqbridge.mapping.raw import OrderNotice, RawRecord
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
from cpqbridge.salesforce.soql import datetime_literal, day_start_literal, one_of, select

IDS_PER_QUERY = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What to look for: orders that qualify, saved at or after `since`, activated on or after `start_date`.

    Both bounds are left out where they are None; `start_date` begins at 00:00:00 UTC. `watched` are ids of
    further records by object name, asked for with the same `since`.
    """

    qualification: Qualification
    since: datetime | None
    start_date: date | None = None
    watched: Mapping[str, Collection[str]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangesPage:
    """Some of what changed. `stamps` are the watched records that did: SystemModstamp (REST's text) by id.

    `answered_at` is when the org answered by its own clock (aware), None when it did not say. `next_page`
    leads to the next page, None on the last one.
    """

    notices: tuple[OrderNotice, ...]
    stamps: Mapping[str, str]
    answered_at: datetime | None
    next_page: str | None


class Changes:
    """Asks an org what changed. One call for a page of orders with the first four queries of records."""

    def __init__(self, client: SalesforceClient, schema: OrgSchema) -> None:
        """Ask over `client`; `schema` says what the org has."""
        self._client = client
        self._schema = schema
        self._family = Family(schema)

    def first(self, wanted: Wanted) -> ChangesPage:
        """Return the first page, and every watched record that changed.

        One call with up to 2,000 watched records of few objects, one more for each further five queries of up
        to 500 ids each.

        With `since` orders come in the order they were saved, without it in the order they were activated,
        drafts last.

        Raises:
            ConfigurationError: Salesforce cannot read the condition or the filter (code `filter_refused`).
        """
        asked = self._watch_queries(wanted)
        soql = self._orders_query(wanted)
        try:
            page, stamps = (
                self._together(soql, asked[: QUERY_LIMIT - 1]) if asked else (self._client.query(soql), {})
            )
        except CpqbridgeError as error:
            raise blamed(error, wanted.qualification) from error
        answered_at = self._client.server_time
        for offset in range(QUERY_LIMIT - 1, len(asked), QUERY_LIMIT):
            parts = _parts(asked[offset : offset + QUERY_LIMIT])
            stamps |= self._stamps(self._client.composite(parts, writes=False))
        return self._page(page, stamps, answered_at)

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

    def _orders_query(self, wanted: Wanted) -> str:
        conditions = wanted.qualification.conditions()
        if wanted.since is not None:
            conditions.append(f"SystemModstamp >= {datetime_literal(wanted.since)}")
        if wanted.start_date is not None:
            conditions.append(f"ActivatedDate >= {day_start_literal(wanted.start_date)}")
        first = "SystemModstamp ASC" if wanted.since is not None else "ActivatedDate ASC NULLS LAST"
        return notice_query(self._schema, conditions, order_by=f"{first}, Id ASC")

    def _watch_queries(self, wanted: Wanted) -> list[str]:
        found = []
        for name, ids in sorted(wanted.watched.items()):
            if not self._schema.has(name, "SystemModstamp"):
                continue
            ordered = sorted(ids)
            for offset in range(0, len(ordered), IDS_PER_QUERY):
                where = one_of("Id", ordered[offset : offset + IDS_PER_QUERY])
                if wanted.since is not None:
                    where += f" AND SystemModstamp >= {datetime_literal(wanted.since)}"
                found.append(select(["Id", "SystemModstamp"], name, where=where, order_by="Id"))
        return found

    def _together(self, soql: str, asked: Sequence[str]) -> tuple[Mapping[str, Any], dict[str, str]]:
        first, *others = self._client.composite(_parts([soql, *asked]), writes=False)
        if not first.is_success:
            raise first.failure(writes=False)
        return checked_page(first.body), self._stamps(others)

    def _stamps(self, answers: Sequence[Answer]) -> dict[str, str]:
        """Return the stamps in the answers; an object that the user may no longer see has none."""
        stamps: dict[str, str] = {}
        for answer in answers:
            if answer.is_success:
                stamps |= _stamps_of(records_of(self._client, checked_page(answer.body)))
                continue
            error = answer.failure(writes=False)
            if not isinstance(error, ConfigurationError):
                raise error
        return stamps

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


def _parts(soqls: Sequence[str]) -> list[Subrequest]:
    return [
        Subrequest(method="GET", path=query_path(soql), reference=f"query_{number}")
        for number, soql in enumerate(soqls)
    ]


def _stamps_of(rows: Iterable[RawRecord]) -> dict[str, str]:
    return {text_at(row, "Id") or "": text_at(row, "SystemModstamp") or "" for row in rows}
