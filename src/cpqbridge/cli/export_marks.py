"""What a rehearsal does not take from an export: marks of a real Stripe account, and deleted records.

A rehearsal bills everything anew on a simulated account that is empty. Ids that an order shows would make it
look as if somebody else billed it already.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from cpqbridge.mapping.fields import SYNC_RECORD_OBJECT, OurFields

Records = Mapping[str, Sequence[Mapping[str, Any]]]
Kept = dict[str, list[dict[str, Any]]]


def without_marks(
    records: Records, *, prefix: str
) -> tuple[dict[str, list[dict[str, Any]]], tuple[str, ...]]:
    """Return the records with the values of our fields emptied and deleted records left out, and notes.

    `prefix` stands in front of our fields, as `mapping.salesforce_prefix` says. The given records stay as
    they are.
    """
    ours = OurFields(prefix)
    names = frozenset({ours.stripe_id, ours.stripe_link, ours.sync_status, ours.sync_message})
    kept: Kept = {}
    marked: Counter[str] = Counter()
    deleted: Counter[str] = Counter()
    for object_name, rows in records.items():
        if object_name == SYNC_RECORD_OBJECT:
            marked[object_name] += len(rows)
            continue
        kept[object_name] = []
        for row in rows:
            if row.get("IsDeleted") is True:
                deleted[object_name] += 1
                continue
            marked[object_name] += any(row.get(name) for name in names)
            kept[object_name].append(_emptied(row, names))
    return kept, (*_marked_notes(marked), *_deleted_notes(deleted))


def _emptied(row: Mapping[str, Any], names: frozenset[str]) -> dict[str, Any]:
    """Return the record without the values of `names`, also in the records nested in it."""
    return {
        name: None if name in names else _emptied(value, names) if isinstance(value, Mapping) else value
        for name, value in row.items()
    }


def _marked_notes(marked: Counter[str]) -> tuple[str, ...]:
    if not any(marked.values()):
        return ()
    text = (
        f"Stripe ids and sync marks in the export ({_counted(marked)}) were ignored: a rehearsal bills "
        "everything anew on an empty account."
    )
    return (text,)


def _deleted_notes(deleted: Counter[str]) -> tuple[str, ...]:
    return (f"Deleted records in the export ({_counted(deleted)}) were left out.",) if deleted else ()


def _counted(found: Counter[str]) -> str:
    return ", ".join(f"{name} {count}" for name, count in sorted(found.items()) if count)
