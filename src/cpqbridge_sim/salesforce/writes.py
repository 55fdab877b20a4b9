"""Saving records for a user: every field is checked as the platform checks it, then rules run."""

from __future__ import annotations

import re
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Context, Decimal
from typing import TYPE_CHECKING, Any

from cpqbridge_sim.salesforce import order_rules, values
from cpqbridge_sim.salesforce.errors import ApiError, LoadError, not_found
from cpqbridge_sim.salesforce.ids import SHORT_LENGTH, looks_like_id
from cpqbridge_sim.salesforce.loading import convert

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cpqbridge_sim.salesforce.metadata import Field, ObjectType
    from cpqbridge_sim.salesforce.org import Org
    from cpqbridge_sim.salesforce.values import Record, Value

_EMAIL = re.compile(r"[^@\s]+@[^@\s]+\.[^@\s.]+")
_EXACT = Context(prec=60)


@dataclass(frozen=True, slots=True, kw_only=True)
class Saved:
    """The outcome of a save that went through."""

    record_id: str
    created: bool


class SeveralMatchesError(Exception):
    """An external id fits more than one record; nothing was saved."""

    def __init__(self, ids: list[str]) -> None:
        super().__init__(f"{len(ids)} records match")
        self.ids = ids


class Writer:
    """Creates, changes and deletes records under the rules of one org."""

    def __init__(self, org: Org) -> None:
        self._org = org

    def create(self, item: ObjectType, body: Mapping[str, Any]) -> Saved:
        """Save a new record.

        Raises:
            ApiError: A field or rule refuses it.
        """
        self._org.check_save(item.name, "")
        record = self._checked(item, body, creating=True)
        self._unique(item, record, own_id=None)
        order_rules.check_new(self._org, item.name, record)
        return Saved(record_id=self._org.save_new(item, record), created=True)

    def update(self, item: ObjectType, record_id: str, body: Mapping[str, Any]) -> Saved:
        """Save changes to a record; keys that are absent stay, null clears.

        Raises:
            ApiError: NOT_FOUND, ENTITY_IS_DELETED (both 404), or what a field or rule refuses.
        """
        long_form, before = self.existing(item, record_id)
        self._org.check_save(item.name, long_form)
        changes = self._checked(item, body, creating=False)
        self._unique(item, changes, own_id=long_form)
        order_rules.check_locks(self._org, item.name, before, changes)
        order_rules.check_activation(self._org, item.name, before, changes)
        order_rules.save(self._org, item.name, long_form, changes)
        return Saved(record_id=long_form, created=False)

    def delete(self, item: ObjectType, record_id: str) -> Saved:
        """Put a record, and the lines of an order, into the recycle bin.

        Raises:
            ApiError: NOT_FOUND, ENTITY_IS_DELETED, or a lock of an activated order.
        """
        long_form, before = self.existing(item, record_id)
        self._org.check_save(item.name, long_form)
        order_rules.check_line_set(self._org, item.name, before)
        if item.name == "Order":
            lines = self._org.store.table("OrderItem")
            for line_id in sorted(lines.ids_where("OrderId", [long_form])):
                self._bin("OrderItem", line_id)
        self._bin(item.name, long_form)
        return Saved(record_id=long_form, created=False)

    def _bin(self, object_name: str, record_id: str) -> None:
        record = self._org.store.table(object_name).records[record_id]
        stamps = self._org.modification(self._org.commit_stamp())
        self._org.store.put(object_name, record_id, {**record, "IsDeleted": True, **stamps})

    def upsert(
        self,
        item: ObjectType,
        field: Field,
        value: Any,
        *,
        body: Mapping[str, Any],
        update_only: bool = False,
    ) -> Saved:
        """Change the record an external id names, or create it.

        Raises:
            SeveralMatchesError: The value fits several records.
            ApiError: As for create and update; NOT_FOUND with `update_only` and no record.
        """
        matches = self.matches(item, field, value)
        if len(matches) > 1:
            raise SeveralMatchesError(matches)
        if matches:
            return self.update(item, matches[0], body)
        if update_only or field.type == "id":
            raise not_found()
        return self.create(item, {**body, field.name: value})

    def matches(self, item: ObjectType, field: Field, value: Any) -> list[str]:
        """Ids of live records whose external id has the value; case counts where the field says so."""
        if field.type == "id":
            found = self._org.ids.resolve(value) if looks_like_id(value) else ""
            return [found] if self._live(item, found) else []
        table = self._org.store.table(item.name)
        candidates = sorted(table.ids_where(field.name, [value]))
        return [
            record_id
            for record_id in candidates
            if self._live(item, record_id)
            and (not field.case_sensitive or table.records[record_id].get(field.name) == value)
        ]

    def external_field(self, item: ObjectType, name: str) -> Field:
        """The external id field, or Id, of that name.

        Raises:
            ApiError: NOT_FOUND when the object has no such field or it is no external id.
        """
        field = item.find(name)
        if field is None or not (field.external_id or field.type == "id"):
            raise not_found(f"Provided external ID field does not exist or is not accessible: {name}")
        return field

    def existing(self, item: ObjectType, record_id: str) -> tuple[str, Record]:
        """The 18-character id and the record.

        Raises:
            ApiError: NOT_FOUND for an unknown id, ENTITY_IS_DELETED for a deleted one (both 404).
        """
        long_form = self._org.ids.resolve(record_id) if looks_like_id(record_id) else record_id
        record = self._org.store.get(item.name, long_form)
        if record is None:
            raise not_found()
        if record.get("IsDeleted"):
            raise ApiError(404, "ENTITY_IS_DELETED", "entity is deleted")
        return long_form, record

    def _live(self, item: ObjectType, record_id: str) -> bool:
        record = self._org.store.get(item.name, record_id)
        return record is not None and not record.get("IsDeleted")

    def _checked(self, item: ObjectType, body: Mapping[str, Any], *, creating: bool) -> Record:
        fields = self._writable(item, body, creating=creating)
        record = {field.name: self._fitted(field, value) for field, value in fields}
        missing = tuple(
            field.name
            for field in item.fields.values()
            if field.required and record.get(field.name) is None and (creating or field.name in record)
        )
        if missing:
            raise ApiError(
                400, "REQUIRED_FIELD_MISSING", f"Required fields are missing: [{', '.join(missing)}]", missing
            )
        return record

    def _writable(
        self, item: ObjectType, body: Mapping[str, Any], *, creating: bool
    ) -> list[tuple[Field, Any]]:
        fields: list[tuple[Field, Any]] = []
        read_only: list[str] = []
        for name, value in body.items():
            if name == "attributes":
                continue
            field = item.find(name)
            if field is None:
                raise ApiError(
                    400, "INVALID_FIELD", f"No such column '{name}' on sobject of type {item.name}", (name,)
                )
            if not (field.createable if creating else field.updateable):
                read_only.append(field.name)
            fields.append((field, value))
        if read_only:
            raise ApiError(
                400,
                "INVALID_FIELD_FOR_INSERT_UPDATE",
                f"Unable to create/update fields: {', '.join(read_only)}. Please check the security settings "
                "of this field and verify that it is read/write for your profile or permission set.",
                tuple(read_only),
            )
        return fields

    def _fitted(self, field: Field, value: Any) -> Value:
        """A value as it is stored, or the platform's own complaint about it."""
        if field.type == "reference" and isinstance(value, str) and value:
            return self._reference(field, value)
        if field.is_number and isinstance(value, Decimal):
            return _scaled(field, value)
        try:
            fitted = convert(self._org.ids, field, value, where=field.name)
        except LoadError:
            raise ApiError(
                400,
                "JSON_PARSER_ERROR",
                f"Cannot deserialize instance of {field.type} from {values.json_token(value)} "
                f"for field {field.name}",
            ) from None
        if isinstance(fitted, str):
            _check_text(field, fitted)
        return fitted

    def _reference(self, field: Field, value: str) -> str:
        if not looks_like_id(value):
            raise ApiError(
                400, "MALFORMED_ID", f"{field.name}: id value of incorrect type: {value}", (field.name,)
            )
        found = self._org.ids.resolve(value)
        target = self._org.metadata.find(field.target) if field.target is not None else None
        if target is not None and not self._live(target, found):
            raise ApiError(400, "INVALID_CROSS_REFERENCE_KEY", "invalid cross reference id", (field.name,))
        return found

    def _unique(self, item: ObjectType, record: Record, *, own_id: str | None) -> None:
        for field in item.fields.values():
            value = record.get(field.name)
            if not field.unique or value is None:
                continue
            others = [match for match in self.matches(item, field, value) if match != own_id]
            if others:
                raise ApiError(
                    400,
                    "DUPLICATE_VALUE",
                    f"duplicate value found: {field.name} duplicates value on record with id: "
                    f"{others[0][:SHORT_LENGTH]}",
                )


def _scaled(field: Field, number: Decimal) -> Value:
    if values.too_large(number) or abs(number) >= Decimal(10) ** (field.precision - field.scale):
        raise ApiError(
            400,
            "NUMBER_OUTSIDE_VALID_RANGE",
            f"{field.name}: value outside of valid range on numeric field: {str(number)[:40]}",
            (field.name,),
        )
    rounded = number.quantize(Decimal(1).scaleb(-field.scale), ROUND_HALF_UP, context=_EXACT)
    return int(rounded) if field.type == "int" else values.shortest(rounded)


def _check_text(field: Field, text: str) -> None:
    if field.length and len(text) > field.length:
        raise ApiError(
            400,
            "STRING_TOO_LONG",
            f"{field.name}: data value too large: {text[:100]} (max length={field.length})",
            (field.name,),
        )
    if field.restricted and text not in field.values:
        raise ApiError(
            400,
            "INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST",
            f"{field.name}: bad value for restricted picklist field: {text}",
            (field.name,),
        )
    if field.type == "email" and _EMAIL.fullmatch(text) is None:
        raise ApiError(
            400, "INVALID_EMAIL_ADDRESS", f"{field.name}: invalid email address: {text}", (field.name,)
        )
