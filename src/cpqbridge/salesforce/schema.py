"""What the integration user may see of the org: objects, their fields, and where lookups lead."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from cpqbridge.errors import RecordError
from cpqbridge.salesforce.client import SUBREQUEST_LIMIT, SalesforceClient, Subrequest

_ABSENT_STATUSES = frozenset({400, 404})
_ABSENT_CODES = frozenset({"NOT_FOUND", "INVALID_TYPE"})
_LONGEST_PATH = 6


@dataclass(frozen=True, slots=True, kw_only=True)
class FieldSchema:
    """One field of an object, as describe shows it.

    `kind` is describe's type (`currency`, `reference`, …), `scale` its decimals, `length` in characters;
    `relationship` is the name that leads through a lookup, `targets` the objects it leads to. `label` is what
    people see in the org.
    """

    name: str
    kind: str
    label: str = ""
    scale: int = 0
    length: int = 0
    updateable: bool = False
    createable: bool = False
    relationship: str | None = None
    targets: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ObjectSchema:
    """One object, its fields by name, and its child lists.

    `children` names the list of records of another object that point here: `Object.Lookup` -> list name.
    `label` is what people see in the org.
    """

    name: str
    label: str = ""
    fields: Mapping[str, FieldSchema] = field(default_factory=dict)
    children: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class OrgSchema:
    """The objects that were asked for: those the org has, and the names of those it has not."""

    objects: Mapping[str, ObjectSchema] = field(default_factory=dict)
    absent: frozenset[str] = frozenset()

    def has_object(self, object_name: str) -> bool:
        """Return whether the user may see the object."""
        return object_name in self.objects

    def field(self, object_name: str, path: str) -> FieldSchema | None:
        """Return the field at the end of a path like `Account.Name`, None where it cannot be read.

        A lookup that leads to several kinds of object is followed into those that were described; the
        field must exist in one of them.
        """
        names = path.split(".")
        if len(names) > _LONGEST_PATH:
            return None
        return self._field_at([object_name], names)

    def targets(self, object_name: str, path: str) -> frozenset[str]:
        """Return the objects that the lookups along a path lead to, as far as they were described."""
        described = self.objects.get(object_name)
        first, _, rest = path.partition(".")
        if described is None or not rest:
            return frozenset()
        found: set[str] = set()
        for entry in described.fields.values():
            if entry.relationship == first:
                found.update(entry.targets)
        return frozenset(found).union(*(self.targets(target, rest) for target in found))

    def merged(self, other: OrgSchema) -> OrgSchema:
        """Return what both schemas know."""
        return OrgSchema(objects={**self.objects, **other.objects}, absent=self.absent | other.absent)

    def child_list(self, object_name: str, child_name: str, lookup: str) -> str | None:
        """Return the name of the list of `child_name` records whose `lookup` points to the object."""
        described = self.objects.get(object_name)
        return described.children.get(f"{child_name}.{lookup}") if described else None

    def has(self, object_name: str, path: str) -> bool:
        """Return whether the user may read the field at the end of `path`."""
        return self.field(object_name, path) is not None

    @property
    def is_multi_currency(self) -> bool:
        """Return whether the org keeps a currency on every record."""
        return self.has("Order", "CurrencyIsoCode")

    def writable(self) -> dict[str, frozenset[str]]:
        """Return the names of the fields the user may update, by object."""
        return {
            name: frozenset(entry.name for entry in described.fields.values() if entry.updateable)
            for name, described in self.objects.items()
        }

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for keeping in our store."""
        return {
            "objects": {
                name: {
                    "label": described.label,
                    "fields": [_field_to_list(described.fields[key]) for key in sorted(described.fields)],
                    "children": dict(sorted(described.children.items())),
                }
                for name, described in sorted(self.objects.items())
            },
            "absent": sorted(self.absent),
        }

    @classmethod
    def from_dict(cls, stored: Mapping[str, Any]) -> OrgSchema:
        """Return the schema that `to_dict` made."""
        return cls(
            objects={
                name: ObjectSchema(
                    name=name,
                    label=described.get("label", ""),
                    fields={entry.name: entry for entry in map(_field_from_list, described["fields"])},
                    children=described["children"],
                )
                for name, described in stored["objects"].items()
            },
            absent=frozenset(stored["absent"]),
        )

    def _field_at(self, object_names: Sequence[str], names: Sequence[str]) -> FieldSchema | None:
        first, rest = names[0], names[1:]
        for object_name in object_names:
            described = self.objects.get(object_name)
            if described is None:
                continue
            if not rest and first in described.fields:
                return described.fields[first]
            for entry in described.fields.values() if rest else ():
                if entry.relationship == first:
                    found = self._field_at(entry.targets, rest)
                    if found is not None:
                        return found
        return None


def load_schema(client: SalesforceClient, object_names: Iterable[str]) -> OrgSchema:
    """Describe the objects and return what the user may see; one API call for each 25 objects.

    Raises:
        CpqbridgeError: A describe failed for another reason than that the org lacks the object.
    """
    names = sorted(set(object_names))
    objects: dict[str, ObjectSchema] = {}
    absent: set[str] = set()
    for offset in range(0, len(names), SUBREQUEST_LIMIT):
        chunk = names[offset : offset + SUBREQUEST_LIMIT]
        parts = [
            Subrequest(method="GET", path=f"/sobjects/{name}/describe", reference=f"describe_{number}")
            for number, name in enumerate(chunk)
        ]
        for name, answer in zip(chunk, client.composite(parts, writes=False), strict=True):
            if answer.is_success:
                objects[name] = _object_schema(name, answer.body)
            elif answer.status in _ABSENT_STATUSES and answer.problem_codes & _ABSENT_CODES:
                absent.add(name)
            else:
                raise answer.failure(writes=False)
    return OrgSchema(objects=objects, absent=frozenset(absent))


def _object_schema(name: str, body: Any) -> ObjectSchema:
    fields = body.get("fields") if isinstance(body, Mapping) else None
    if not isinstance(fields, list):
        raise RecordError(
            f"Salesforce described the object {name} without fields.",
            code="salesforce_unexpected",
            fix="Check that the address is an org's API.",
        )
    described = [_field_schema(entry) for entry in fields if isinstance(entry, Mapping) and "name" in entry]
    children = {
        f"{child.get('childSObject')}.{child.get('field')}": str(child["relationshipName"])
        for child in body.get("childRelationships") or ()
        if isinstance(child, Mapping) and child.get("relationshipName")
    }
    return ObjectSchema(
        name=name,
        label=str(body.get("label") or ""),
        fields={entry.name: entry for entry in described},
        children=children,
    )


def _field_schema(entry: Mapping[str, Any]) -> FieldSchema:
    return FieldSchema(
        name=str(entry["name"]),
        kind=str(entry.get("type") or "string"),
        label=str(entry.get("label") or ""),
        scale=int(entry.get("scale") or 0),
        length=int(entry.get("length") or 0),
        updateable=bool(entry.get("updateable")),
        createable=bool(entry.get("createable")),
        relationship=entry.get("relationshipName") or None,
        targets=tuple(str(target) for target in entry.get("referenceTo") or ()),
    )


def _field_to_list(entry: FieldSchema) -> list[Any]:
    """Return a field as a short list: an org has thousands of them."""
    flags = ("u" if entry.updateable else "") + ("c" if entry.createable else "")
    return [
        entry.name,
        entry.kind,
        entry.scale,
        entry.length,
        flags,
        entry.relationship,
        list(entry.targets),
        entry.label,
    ]


def _field_from_list(stored: Sequence[Any]) -> FieldSchema:
    # What an older release kept has no label at the end.
    name, kind, scale, length, flags, relationship, targets, *label = stored
    return FieldSchema(
        name=name,
        kind=kind,
        label=label[0] if label else "",
        scale=scale,
        length=length,
        updateable="u" in flags,
        createable="c" in flags,
        relationship=relationship,
        targets=tuple(targets),
    )
