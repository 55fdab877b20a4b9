"""Finding records of the org by what people type: an id, a number or a name."""

from __future__ import annotations

from difflib import get_close_matches
from typing import TYPE_CHECKING

from cpqbridge_sim.salesforce.cpq.model import CpqError
from cpqbridge_sim.salesforce.ids import looks_like_id

if TYPE_CHECKING:
    from cpqbridge_sim.salesforce.org import Org
    from cpqbridge_sim.salesforce.values import Record

_SHOWN_MATCHES = 5


def live_records(org: Org, sobject: str) -> list[Record]:
    """Every record of an object that is not deleted, by id; none where the org lacks the object."""
    if org.metadata.find(sobject) is None:
        return []
    table = org.store.table(sobject)
    return [record for _, record in sorted(table.records.items()) if not record.get("IsDeleted")]


def records_where(org: Org, sobject: str, field: str, value: str) -> list[Record]:
    """The records of an object, by id, of which a field has a value and that are not deleted.

    None where the org lacks the object.
    """
    if org.metadata.find(sobject) is None:
        return []
    table = org.store.table(sobject)
    found = (table.records[record_id] for record_id in sorted(table.ids_where(field, [value])))
    return [record for record in found if not record.get("IsDeleted")]


def record_at(org: Org, sobject: str, record_id: object) -> Record | None:
    """The record an id names, None for no id, no record or a deleted one."""
    if not looks_like_id(record_id):
        return None
    found = org.store.get(sobject, org.ids.resolve(str(record_id)))
    return None if found is None or found.get("IsDeleted") else found


def found_records(org: Org, sobject: str, text: str, fields: tuple[str, ...]) -> list[Record]:
    """The records that an id, or the value of one of the fields, names; letter case does not count."""
    by_id = record_at(org, sobject, text)
    if by_id is not None:
        return [by_id]
    return [record for field in fields for record in records_where(org, sobject, field, text)]


def one_record(org: Org, sobject: str, text: str, fields: tuple[str, ...]) -> Record:
    """The one record that an id, or the value of one of the fields, names.

    Raises:
        CpqError: there is none, or there are several.
    """
    found = {str(record["Id"]): record for record in found_records(org, sobject, text, fields)}
    if len(found) > 1:
        raise CpqError(f"{text!r} names several records of {sobject}: {', '.join(found)}. Give the id.")
    if found:
        return next(iter(found.values()))
    known = [
        str(record[field]) for record in live_records(org, sobject) for field in fields if record.get(field)
    ]
    close = get_close_matches(text, dict.fromkeys(known), n=_SHOWN_MATCHES)
    hint = f" Did you mean {' or '.join(map(repr, close))}?" if close else ""
    raise CpqError(f"The org has no {sobject} {text!r}.{hint}")
