"""Records of Salesforce whose change may heal an order that needs somebody.

A watch keeps the stamp (SystemModstamp, REST's text) up to which its record was looked at: only what is newer
is news.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from itertools import groupby

from sqlalchemy import Connection as Transaction
from sqlalchemy import delete, select, update
from sqlalchemy.dialects.sqlite import insert as upsert

from cpqbridge.mapping.raw import GONE, WatchedGroup
from cpqbridge.store.tables import watches

_AT_ONCE = 500


def replace(
    transaction: Transaction,
    *,
    connection_id: int,
    root_id: str,
    records: Mapping[str, Collection[str]],
    stamp: str,
) -> None:
    """Watch these records (ids by object) for a contract and no others; those watched before go on.

    News of the others is what is newer than `stamp`.
    """
    wanted = {(name, record_id) for name, ids in records.items() for record_id in ids}
    present = _of_contract(transaction, connection_id=connection_id, root_id=root_id)
    for name, record_id in sorted(present - wanted):
        transaction.execute(
            delete(watches).where(
                watches.c.connection_id == connection_id,
                watches.c.root_id == root_id,
                watches.c.object_name == name,
                watches.c.record_id == record_id,
            )
        )
    added = [
        {
            "connection_id": connection_id,
            "root_id": root_id,
            "object_name": name,
            "record_id": record_id,
            "stamp": stamp,
        }
        for name, record_id in sorted(wanted - present)
    ]
    if added:
        transaction.execute(upsert(watches).on_conflict_do_nothing(), added)


def of_contract(
    transaction: Transaction, *, connection_id: int, root_id: str
) -> Mapping[str, frozenset[str]]:
    """Return the ids of what is watched for a contract by object name."""
    found: dict[str, set[str]] = {}
    for name, record_id in _of_contract(transaction, connection_id=connection_id, root_id=root_id):
        found.setdefault(name, set()).add(record_id)
    return {name: frozenset(ids) for name, ids in found.items()}


def groups(transaction: Transaction, *, connection_id: int, size: int) -> tuple[WatchedGroup, ...]:
    """Return every watched record of a connection once, in groups of up to `size` of one object, sorted."""
    rows = transaction.execute(
        select(watches.c.object_name, watches.c.record_id)
        .where(watches.c.connection_id == connection_id)
        .distinct()
        .order_by(watches.c.object_name, watches.c.record_id)
    ).all()
    found = {
        name: tuple(row.record_id for row in of_object)
        for name, of_object in groupby(rows, key=lambda row: row.object_name)
    }
    return tuple(
        WatchedGroup(object_name=name, record_ids=ids[offset : offset + size])
        for name, ids in found.items()
        for offset in range(0, len(ids), size)
    )


def contracts_with_news(
    transaction: Transaction, *, connection_id: int, stamps: Mapping[str, str]
) -> tuple[str, ...]:
    """Return the sorted root ids of contracts for which a record changed; `stamps` are by record id."""
    found: set[str] = set()
    ordered = sorted(stamps)
    for offset in range(0, len(ordered), _AT_ONCE):
        ids = ordered[offset : offset + _AT_ONCE]
        rows = transaction.execute(
            select(watches.c.root_id, watches.c.record_id, watches.c.stamp).where(
                watches.c.connection_id == connection_id, watches.c.record_id.in_(ids)
            )
        )
        found.update(row.root_id for row in rows if _is_news(row.stamp, stamps[row.record_id]))
    return tuple(sorted(found))


def keep_stamps(
    transaction: Transaction, *, connection_id: int, root_ids: Collection[str], stamps: Mapping[str, str]
) -> None:
    """Store that these contracts were noticed for these states of records (stamps by record id)."""
    roots = sorted(root_ids)
    for offset in range(0, len(roots), _AT_ONCE):
        for record_id, stamp in sorted(stamps.items()):
            transaction.execute(
                update(watches)
                .where(
                    watches.c.connection_id == connection_id,
                    watches.c.record_id == record_id,
                    watches.c.root_id.in_(roots[offset : offset + _AT_ONCE]),
                )
                .values(stamp=stamp)
            )


def _is_news(known: str, seen: str) -> bool:
    """Return whether a stamp tells of a change; text order is time order, and `GONE` comes last."""
    return seen > known or (known == GONE and seen != GONE)


def _of_contract(transaction: Transaction, *, connection_id: int, root_id: str) -> set[tuple[str, str]]:
    rows = transaction.execute(
        select(watches.c.object_name, watches.c.record_id).where(
            watches.c.connection_id == connection_id, watches.c.root_id == root_id
        )
    )
    return {(row.object_name, row.record_id) for row in rows}
