"""Records of Salesforce whose change may heal an order that needs somebody.

Each state of a record (its SystemModstamp) is looked at once: what was told before is no news.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping

from sqlalchemy import Connection as Transaction
from sqlalchemy import delete, select, update
from sqlalchemy.dialects.sqlite import insert as upsert

from cpqbridge.store.tables import watches

_AT_ONCE = 500


def replace(
    transaction: Transaction, *, connection_id: int, root_id: str, records: Mapping[str, Collection[str]]
) -> None:
    """Watch these records (ids by object) for a contract and no others; those watched before go on."""
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
            "stamp": "",
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


def by_object(transaction: Transaction, *, connection_id: int) -> Mapping[str, tuple[str, ...]]:
    """Return every watched record of a connection once: sorted ids by object name, sorted too."""
    rows = transaction.execute(
        select(watches.c.object_name, watches.c.record_id)
        .where(watches.c.connection_id == connection_id)
        .distinct()
        .order_by(watches.c.object_name, watches.c.record_id)
    )
    found: dict[str, list[str]] = {}
    for row in rows:
        found.setdefault(row.object_name, []).append(row.record_id)
    return {name: tuple(ids) for name, ids in found.items()}


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
        found.update(row.root_id for row in rows if row.stamp != stamps[row.record_id])
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


def _of_contract(transaction: Transaction, *, connection_id: int, root_id: str) -> set[tuple[str, str]]:
    rows = transaction.execute(
        select(watches.c.object_name, watches.c.record_id).where(
            watches.c.connection_id == connection_id, watches.c.root_id == root_id
        )
    )
    return {(row.object_name, row.record_id) for row in rows}
