"""Running queries to their last page."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from cpqbridge.mapping.raw import RawRecord
from cpqbridge.salesforce.client import (
    QUERY_LIMIT,
    SalesforceClient,
    Subrequest,
    checked_page,
    query_path,
)


def all_rows(client: SalesforceClient, soqls: Sequence[str]) -> list[list[RawRecord]]:
    """Return the rows of each query, all pages. Five queries go in one call; each further page is one more.

    Raises:
        CpqbridgeError: One of the queries failed; nothing is returned by halves.
    """
    pages: list[Mapping[str, Any]] = []
    if len(soqls) == 1:
        pages.append(client.query(soqls[0]))
    else:
        for offset in range(0, len(soqls), QUERY_LIMIT):
            parts = [
                Subrequest(method="GET", path=query_path(soql), reference=f"query_{number}")
                for number, soql in enumerate(soqls[offset : offset + QUERY_LIMIT])
            ]
            for answer in client.composite(parts, writes=False):
                if not answer.is_success:
                    raise answer.failure(writes=False)
                pages.append(checked_page(answer.body))
    return [list(records_of(client, page)) for page in pages]


def records_of(client: SalesforceClient, page: Mapping[str, Any]) -> Iterator[RawRecord]:
    """Yield the records of a page and of all that follow it; only `done` ends it, never a short page."""
    while True:
        yield from page["records"]
        if page["done"]:
            return
        page = client.next_page(page.get("nextRecordsUrl"))
