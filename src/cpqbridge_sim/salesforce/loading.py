"""Takes in records as exports show them, and says precisely what is wrong with those it cannot take."""

from __future__ import annotations

import json
import re
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from cpqbridge_sim.salesforce import values
from cpqbridge_sim.salesforce.errors import LoadError
from cpqbridge_sim.salesforce.ids import SHORT_LENGTH, IdRegistry, looks_like_id
from cpqbridge_sim.salesforce.metadata import MIXED, infer_field, relationship_name

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from cpqbridge_sim.salesforce.metadata import Field, ObjectType
    from cpqbridge_sim.salesforce.org import Org
    from cpqbridge_sim.salesforce.values import Record, Value

_OBJECT_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,79}")
_HINT = "Export the object again with `sf data query --json`, or correct the file."
_UNNAMED_PREFIX = "a99"
SHOWN_CHARACTERS = 60


def read_directory(path: Path) -> dict[str, list[Mapping[str, Any]]]:
    """Read every `<SObject>.json` of a directory into records by object.

    Raises:
        LoadError: No directory, no such file in it, or a file that is no export.
    """
    if not path.is_dir():
        raise LoadError(
            f"{path} is no directory. Name the folder that holds Order.json and the other exports."
        )
    files = sorted(path.glob("*.json"))
    if not files:
        raise LoadError(f"{path} holds no .json file. Put one <SObject>.json per object into it.")
    return {file.stem: _read_file(file) for file in files}


def _read_file(file: Path) -> list[Mapping[str, Any]]:
    if _OBJECT_NAME.fullmatch(file.stem) is None:
        raise LoadError(
            f"{file.name}: the name is no object's name. Call it <SObject>.json, or move it away."
        )
    try:
        text = file.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise LoadError(f"{file.name}: the file cannot be read as UTF-8 text ({error}). {_HINT}") from error
    if not text.strip():
        raise LoadError(f"{file.name}: the file is empty. {_HINT}")
    try:
        content = values.parse_json(text)
    except json.JSONDecodeError as error:
        raise LoadError(
            f"{file.name}: no valid JSON in line {error.lineno}, column {error.colno}: {error.msg}. {_HINT}"
        ) from error
    except ValueError as error:
        raise LoadError(f"{file.name}: no valid JSON: {error}. {_HINT}") from error
    return _records_of(file.name, content)


def _records_of(name: str, content: Any) -> list[Mapping[str, Any]]:
    if isinstance(content, dict):
        if content.get("status") not in {None, Decimal(0)} and "result" not in content:
            message = content.get("message") or "no message"
            raise LoadError(f"{name}: it holds a failed export ({message}). {_HINT}")
        content = content.get("result", content)
        if isinstance(content, dict):
            if content.get("done") is False:
                raise LoadError(f"{name}: the export stopped after its first page. {_HINT}")
            content = content.get("records")
    if not isinstance(content, list):
        raise LoadError(f"{name}: it holds no list of records. {_HINT}")
    return content


def convert(ids: IdRegistry, field: Field, value: Any, *, where: str) -> Value:
    """A JSON value as the org stores it for a field; empty text becomes None.

    Args:
        ids: The org's ids, to which lookups are fitted.
        field: The field's description.
        value: Text, boolean, number or None.
        where: Object and record, for the error.

    Raises:
        LoadError: The value has another type than the field.
    """
    if value is None or value == "":
        return None
    fitting: Value = None
    expected = f"{field.type} value"
    if field.type == "boolean":
        fitting = value if isinstance(value, bool) else None
        expected = "true or false"
    elif field.is_number:
        fitting = _number(field, value)
        expected = "whole number" if field.type == "int" else "number of at most 18 digits before the point"
    elif field.type == "date":
        fitting = value if isinstance(value, str) and values.is_date(value) else None
        expected = "date such as 2026-02-01"
    elif field.type == "datetime":
        moment = values.parse_datetime(value) if isinstance(value, str) else None
        fitting = values.datetime_text(moment) if moment is not None else None
        expected = "date-time such as 2026-01-28T15:04:05.000+0000"
    elif field.type in {"id", "reference"}:
        fitting = ids.resolve(value) if looks_like_id(value) else None
        expected = "id of 15 or 18 letters and digits"
    else:
        fitting = value if isinstance(value, str) else _as_text(field, value)
        expected = f"text ({field.type})"
    if fitting is None:
        raise LoadError(f"{where}: {field.name} is {_shown(value)}; expected: {expected}. {_HINT}")
    return fitting


def _number(field: Field, value: Any) -> Value:
    if isinstance(value, bool) or not isinstance(value, (int, float, Decimal)):
        return None
    number = Decimal(str(value))
    if values.too_large(number):
        return None
    if field.type != "int":
        return number
    return int(number) if number == number.to_integral_value() else None


def _as_text(field: Field, value: Any) -> str | None:
    """The text of a value without quotes, None where the field is plain text and the value is not.

    A choice may read 45 instead of "45", and nobody knows what a field of mixed values is meant to hold.
    """
    if isinstance(value, bool):
        return str(value).lower() if field.type == MIXED else None
    wanted = field.type in {MIXED, "picklist"} and isinstance(value, (int, float, Decimal))
    return format(values.shortest(Decimal(str(value))), "f") if wanted else None


def _shown(value: Any) -> str:
    text = json.dumps(value, default=str)
    return text if len(text) <= SHOWN_CHARACTERS else f"{text[:SHOWN_CHARACTERS]}..."


class _Pending:
    """The records of one object while they are gathered: own ones, and parts seen nested in others."""

    def __init__(self) -> None:
        self.own: dict[str, tuple[str, dict[str, Any]]] = {}
        self.nested: dict[str, tuple[str, dict[str, Any]]] = {}

    def merged(self) -> dict[str, tuple[str, dict[str, Any]]]:
        """All records by short id, each with the id as given; an own record wins over its nested parts."""
        both: dict[str, tuple[str, dict[str, Any]]] = {}
        for short in [*self.own, *(short for short in self.nested if short not in self.own)]:
            given, fields = self.own.get(short) or self.nested[short]
            both[short] = (given, {**self.nested.get(short, ("", {}))[1], **fields})
        return both


class Loader:
    """One load: gathers all records first, then describes new fields, then stores."""

    def __init__(self, org: Org) -> None:
        self._org = org
        self._pending: dict[str, _Pending] = {}
        self._targets: dict[tuple[str, str], str] = {}
        self._unnamed: dict[tuple[str, str], str] = {}

    def load(self, records_by_object: Mapping[str, Iterable[Mapping[str, Any]]]) -> dict[str, int]:
        """Take in all records, or none; how many were stored per object comes back."""
        for name, records in records_by_object.items():
            object_name = self._object_name(name)
            self._pending.setdefault(object_name, _Pending())
            for number, raw in enumerate(records, start=1):
                self._take_own(object_name, raw, f"{name}, record {number}")
        self._describe()
        ready = self._converted()
        for object_name, table in ready.items():
            self._org.metadata.make_present(object_name)
            for record_id, record in table.items():
                self._org.store.put(object_name, record_id, record)
        return {name: len(table) for name, table in ready.items()}

    def _object_name(self, name: str) -> str:
        known = self._org.metadata.described(name)
        return known.name if known is not None else name

    def _take_own(self, object_name: str, raw: Any, where: str) -> None:
        fields, given = self._split(object_name, raw, where)
        if given is None:
            raise LoadError(f"{where}: it has no Id. Select Id in the export's query.")
        own = self._pending.setdefault(object_name, _Pending()).own
        before = own.setdefault(given[:SHORT_LENGTH], (given, fields))
        if before[1] != fields:
            raise LoadError(f"{where}: {given} appears twice with different values. {_HINT}")

    def _split(self, object_name: str, raw: Any, where: str) -> tuple[dict[str, Any], str | None]:
        """A record's plain fields and its id; parents and children go to their own objects."""
        if not isinstance(raw, dict):
            raise LoadError(f"{where}: it is {_shown(raw)} instead of a record with fields. {_HINT}")
        given = self._given_id(raw, where)
        if given is not None:
            where = f"{where} ({given})"
        fields: dict[str, Any] = {}
        parents: dict[str, dict[str, Any]] = {}
        item = self._org.metadata.described(object_name)
        for key, value in raw.items():
            if key in {"attributes", "Id"}:
                continue
            if isinstance(value, dict):
                if "records" in value:
                    self._take_children(object_name, key, value, parent_id=given, where=where)
                elif key.endswith("Address") and "attributes" not in value:
                    fields |= {name: part for name, part in _address(key, value).items() if name not in raw}
                else:
                    parents[key] = value
            elif isinstance(value, list):
                raise LoadError(f"{where}: {key} is a list, which is no field's value. {_HINT}")
            elif not (value is None and (key == "CurrencyIsoCode" or self._is_relationship(item, key))):
                known = item.find(key) if item is not None else None
                fields[known.name if known is not None else key] = value
        for key, value in parents.items():
            self._take_parent(object_name, key, value, fields=fields, where=where)
        return fields, given

    def _given_id(self, raw: dict[str, Any], where: str) -> str | None:
        given = raw.get("Id")
        attributes = raw.get("attributes")
        if given is None and isinstance(attributes, dict):
            tail = str(attributes.get("url") or "").rpartition("/")[2]
            given = tail if looks_like_id(tail) else None
        if given is not None and not looks_like_id(given):
            raise LoadError(f"{where}: Id is {_shown(given)}; expected: 15 or 18 letters and digits. {_HINT}")
        return given

    def _is_relationship(self, item: ObjectType | None, key: str) -> bool:
        """True for the empty parent or child list of a record, which says nothing to store."""
        if item is not None and item.find(key) is not None:
            return False
        return key.endswith("__r") or (
            item is not None
            and (item.lookup(key) is not None or self._org.metadata.child(item, key) is not None)
        )

    def _take_parent(
        self, object_name: str, key: str, raw: dict[str, Any], *, fields: dict[str, Any], where: str
    ) -> None:
        lookup_name, target = self._lookup(object_name, key, raw, where)
        nested, given = self._split(target, raw, f"{where}, {key}")
        given = given or fields.get(lookup_name)
        if given is None:
            given = self._unnamed_id(target, nested)
        if not looks_like_id(given):
            raise LoadError(f"{where}: {lookup_name} is {_shown(given)}; expected: an id. {_HINT}")
        fields.setdefault(lookup_name, given)
        if fields[lookup_name] is None:
            fields[lookup_name] = given
        self._targets[object_name, lookup_name] = target
        kept = self._pending.setdefault(target, _Pending()).nested
        before = kept.get(given[:SHORT_LENGTH], (given, {}))
        kept[given[:SHORT_LENGTH]] = (before[0], {**before[1], **nested})

    def _lookup(self, object_name: str, key: str, raw: dict[str, Any], where: str) -> tuple[str, str]:
        """The lookup field and the object behind a nested record."""
        item = self._org.metadata.described(object_name)
        known = item.lookup(key) if item is not None else None
        attributes = raw.get("attributes")
        named = attributes.get("type") if isinstance(attributes, dict) else None
        if known is not None:
            return known.name, str(named or known.target)
        if key.endswith("__r"):
            return f"{key[:-1]}c", str(named or f"{key[:-1]}c")
        if named:
            return f"{key}Id", str(named)
        raise LoadError(
            f"{where}: {key} is an object, and the org knows no relationship of that name. {_HINT}"
        )

    def _unnamed_id(self, target: str, nested: dict[str, Any]) -> str:
        """One id for equal parents that came without any, so that they stay one record."""
        item = self._org.metadata.described(target)
        key = (target, json.dumps(nested, sort_keys=True, default=str))
        if key not in self._unnamed:
            prefix = item.key_prefix if item is not None else _UNNAMED_PREFIX
            self._unnamed[key] = self._org.next_serial_id(prefix)
        return self._unnamed[key]

    def _take_children(
        self, object_name: str, key: str, raw: dict[str, Any], *, parent_id: str | None, where: str
    ) -> None:
        item = self._org.metadata.described(object_name)
        known = self._org.metadata.child(item, key) if item is not None else None
        records = raw.get("records")
        if known is None or parent_id is None or not isinstance(records, list):
            raise LoadError(f"{where}: {key} is a child list the org does not know. {_HINT}")
        child, lookup = known
        for number, record in enumerate(records, start=1):
            filled = {lookup.name: parent_id, **record} if isinstance(record, dict) else record
            self._take_own(child.name, filled, f"{where}, {key} {number}")

    def _describe(self) -> None:
        """Add the objects and fields that only the data knows."""
        metadata = self._org.metadata
        if not metadata.multi_currency and any(
            "CurrencyIsoCode" in fields
            for pending in self._pending.values()
            for _, fields in [*pending.own.values(), *pending.nested.values()]
        ):
            metadata.enable_multi_currency()
        for object_name, pending in self._pending.items():
            records = pending.merged()
            item = self._org.metadata.described(object_name)
            if item is None:
                prefix = next(iter(records), _UNNAMED_PREFIX)[:3]
                item = self._org.metadata.add_object(object_name, prefix)
            seen: dict[str, list[Any]] = {}
            for _, fields in records.values():
                for name, value in fields.items():
                    seen.setdefault(name, []).append(value)
            for name, found in seen.items():
                if name not in item.fields:
                    target = self._targets.get((object_name, name)) if relationship_name(name) else None
                    item.add(infer_field(name, found, target))

    def _converted(self) -> dict[str, dict[str, Record]]:
        ids = self._org.ids
        merged = {name: pending.merged() for name, pending in self._pending.items()}
        for records in merged.values():
            for given, _ in records.values():
                ids.register(given)
        ready: dict[str, dict[str, Record]] = {}
        for object_name, records in merged.items():
            item = self._org.metadata.described(object_name)
            if item is None:
                continue
            table = ready.setdefault(object_name, {})
            for given, fields in records.values():
                record_id = ids.resolve(given)
                before = self._org.store.get(object_name, record_id) or {}
                converted = {
                    name: convert(ids, item.fields[name], value, where=f"{object_name} {given}")
                    for name, value in fields.items()
                }
                table[record_id] = self._completed(object_name, {**before, **converted, "Id": record_id})
        return ready

    def _completed(self, object_name: str, record: Record) -> Record:
        """Fill in what every record of a real org has: stamps, and the code behind an order's status."""
        now = values.datetime_text(self._org.now)
        created = record.get("CreatedDate") or record.get("SystemModstamp") or now
        modified = record.get("LastModifiedDate") or record.get("SystemModstamp") or created
        record |= {
            "IsDeleted": bool(record.get("IsDeleted")),
            "CreatedDate": created,
            "LastModifiedDate": modified,
            "SystemModstamp": record.get("SystemModstamp") or modified,
        }
        if object_name == "Order" and record.get("StatusCode") is None:
            activated = record.get("Status") == "Activated" or record.get("ActivatedDate") is not None
            record["StatusCode"] = "Activated" if activated else "Draft"
        return record


def _address(key: str, parts: dict[str, Any]) -> dict[str, Any]:
    """The single fields of a compound address: `BillingAddress.city` is `BillingCity`."""
    prefix = key[: -len("Address")]
    names = ("street", "city", "state", "postalCode", "country", "stateCode", "countryCode")
    return {f"{prefix}{name[0].upper()}{name[1:]}": parts[name] for name in names if name in parts}
