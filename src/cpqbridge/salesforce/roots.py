"""The original quotes of contracts that are known by their ids only (B1.4)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from cpqbridge.mapping.raw import OrderNotice
from cpqbridge.salesforce.client import SalesforceClient
from cpqbridge.salesforce.family import Family
from cpqbridge.salesforce.notices import distinct
from cpqbridge.salesforce.pages import all_rows

_IDS_PER_QUERY = 500


def roots_of(client: SalesforceClient, family: Family, contract_ids: Sequence[str]) -> dict[str, str]:
    """Return the original quote by contract id, as far as the lines of the org tell it.

    No call without an id, mostly one with some; one more for each step from a contract that an amendment made
    to the one it amended.
    """
    roots: dict[str, str] = {}
    parents: dict[str, str] = {}
    asked: set[str] = set()
    while new := sorted({*contract_ids, *parents.values()} - asked):
        asked.update(new)
        for offset in range(0, len(new), _IDS_PER_QUERY):
            soqls = family.root_queries(new[offset : offset + _IDS_PER_QUERY])
            rows = [row for answered in all_rows(client, soqls) for row in answered]
            roots |= family.roots_from(rows)
            parents |= {
                made: amended for made, amended in family.parents_from(rows).items() if made not in roots
            }
    found = {contract_id: _root(contract_id, roots, parents) for contract_id in contract_ids}
    return {contract_id: root for contract_id, root in found.items() if root is not None}


def with_roots(client: SalesforceClient, family: Family, notices: Sequence[OrderNotice]) -> list[OrderNotice]:
    """Return the notices with the original quote of amendments whose row does not tell it; mostly no call."""
    open_ids = distinct(notice.contract_id for notice in notices if notice.root_quote_id is None)
    roots = roots_of(client, family, open_ids)
    return [
        replace(notice, root_quote_id=notice.root_quote_id or roots.get(notice.contract_id or ""))
        for notice in notices
    ]


def _root(contract_id: str, roots: Mapping[str, str], parents: Mapping[str, str]) -> str | None:
    place: str | None = contract_id
    for _ in range(len(parents) + 1):
        if place is None or place in roots:
            break
        place = parents.get(place)
    return roots.get(place) if place is not None else None
