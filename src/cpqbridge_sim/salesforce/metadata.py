"""The org's objects and fields: shipped descriptions, fields seen in data, and who sees what.

The files in `schema/` name each field with a short notation: `type(arguments) flags`, for example
`currency(18,2) required`, `picklist(Draft|Activated)`, `reference(Account) children=Orders`. Arguments are
the length of text, the digits and scale of numbers, the values of picklists or the target of a lookup.
`restricted` is a picklist that takes no other value, `autonumber` a text the org fills in. `children` names
the list of these records as seen from the target; without it the target has no such list.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field, replace
from importlib import resources
from typing import TYPE_CHECKING, Any

from cpqbridge_sim.salesforce import values

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping

SYNC_RECORD = "Stripe_Sync_Record__c"
ALWAYS_PRESENT = frozenset({"Organization", "UserPermissionAccess", SYNC_RECORD})
LONG_TEXT = 255
MIXED = "anyType"
TEXT_TYPES = frozenset(
    {
        "string",
        "textarea",
        "picklist",
        "multipicklist",
        "url",
        "email",
        "phone",
        "autonumber",
        "id",
        "reference",
    }
)
NUMBER_TYPES = frozenset({"currency", "double", "percent", "int"})
_NOTATION = re.compile(r"(\w+)(?:\(([^)]*)\))?((?: \S+)*)")
_SYSTEM_FIELDS = {
    "Id": "id readonly",
    "IsDeleted": "boolean readonly",
    "CreatedDate": "datetime readonly",
    "CreatedById": "reference(User) readonly",
    "LastModifiedDate": "datetime readonly",
    "LastModifiedById": "reference(User) readonly",
    "SystemModstamp": "datetime readonly",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Field:
    """One field of an object as describe shows it."""

    name: str
    type: str
    length: int = 0
    precision: int = 0
    scale: int = 0
    required: bool = False
    createable: bool = True
    updateable: bool = True
    calculated: bool = False
    external_id: bool = False
    unique: bool = False
    case_sensitive: bool = False
    restricted: bool = False
    values: tuple[str, ...] = ()
    target: str | None = None
    relationship: str | None = None
    children: str | None = None
    number_format: str = ""

    @property
    def custom(self) -> bool:
        """True for fields somebody added to the org."""
        return self.name.endswith("__c")

    @property
    def filterable(self) -> bool:
        """False for long text, which no WHERE clause may name."""
        return not (self.type == "textarea" and self.length > LONG_TEXT)

    @property
    def is_number(self) -> bool:
        """True for currency, double, percent and int."""
        return self.type in NUMBER_TYPES

    @property
    def is_text(self) -> bool:
        """True for every type whose values are text, ids among them, but not dates."""
        return self.type in TEXT_TYPES


def relationship_name(field_name: str) -> str | None:
    """The name under which a lookup's record is reached: `AccountId` -> `Account`, `X__c` -> `X__r`."""
    if field_name.endswith("__c"):
        return f"{field_name[:-1]}r"
    if field_name.endswith("Id") and len(field_name) > len("Id"):
        return field_name[: -len("Id")]
    return None


def parse_field(name: str, notation: str) -> Field:
    """Read one field in the notation of the schema files (see the module's text)."""
    match = _NOTATION.fullmatch(notation)
    if match is None:
        raise ValueError(f"schema of {name}: cannot read {notation!r}")
    kind, arguments, flags = match.group(1), match.group(2) or "", match.group(3).split()
    children = next((flag[len("children=") :] for flag in flags if flag.startswith("children=")), None)
    readonly = kind == "autonumber" or not {"readonly", "formula"}.isdisjoint(flags)
    base = Field(
        name=name,
        type=kind,
        required="required" in flags,
        createable=not readonly,
        updateable=not readonly and "createonly" not in flags,
        calculated="formula" in flags,
        external_id="external" in flags,
        unique="unique" in flags,
        case_sensitive="casesensitive" in flags,
        children=None if children == "none" else children,
    )
    return _with_arguments(base, arguments)


def _with_arguments(base: Field, arguments: str) -> Field:
    if base.type in {"id", "reference"}:
        target = arguments or None
        return replace(
            base,
            length=18,
            target=target,
            relationship=relationship_name(base.name) if target else None,
        )
    if base.type in {"currency", "double", "percent"}:
        digits, _, scale = arguments.partition(",")
        return replace(base, precision=int(digits or 18), scale=int(scale or 0))
    if base.type == "int":
        return replace(base, precision=int(arguments or 9))
    if base.type in {"picklist", "multipicklist", "restricted"}:
        return replace(
            base,
            type="picklist" if base.type == "restricted" else base.type,
            length=LONG_TEXT,
            restricted=base.type == "restricted",
            values=tuple(arguments.split("|")) if arguments else (),
        )
    if base.type == "autonumber":
        return replace(base, type="string", length=80, number_format=arguments)
    return replace(base, length=int(arguments or LONG_TEXT) if base.is_text else 0)


@dataclass(slots=True, kw_only=True)
class ObjectType:
    """One object with its fields; names are found without regard to case, as the API does.

    Attributes:
        hidden: Fields that field-level security keeps from the connector's user.
    """

    name: str
    key_prefix: str
    fields: dict[str, Field] = field(default_factory=dict)
    hidden: frozenset[str] = frozenset()
    _by_lower: dict[str, Field] = field(default_factory=dict)

    @property
    def custom(self) -> bool:
        """True for objects of the CPQ package, of ours, or of the customer."""
        return self.name.endswith("__c")

    def add(self, added: Field) -> None:
        """Put in a field; an existing one of that name is replaced."""
        self.fields[added.name] = added
        self._by_lower[added.name.lower()] = added

    def find(self, name: str) -> Field | None:
        """The visible field of that name."""
        found = self._by_lower.get(name.lower())
        return None if found is None or found.name in self.hidden else found

    def lookup(self, relationship: str) -> Field | None:
        """The visible lookup field behind a relationship name."""
        wanted = relationship.lower()
        for candidate in self.visible():
            if candidate.relationship is not None and candidate.relationship.lower() == wanted:
                return candidate
        return None

    def visible(self) -> Iterator[Field]:
        """Every field the connector's user may see."""
        return (item for item in self.fields.values() if item.name not in self.hidden)


class Metadata:
    """All objects of one org, those it does not have among them."""

    def __init__(
        self,
        *,
        field_prefix: str = "",
        hidden_fields: Mapping[str, Collection[str]] | None = None,
    ) -> None:
        self._objects: dict[str, ObjectType] = {}
        self._present: set[str] | None = None
        self._hidden = {name: frozenset(fields) for name, fields in (hidden_fields or {}).items()}
        self.multi_currency = False
        for file_name in ("standard.json", "cpq.json", "stripe.json"):
            own = file_name == "stripe.json"
            self._read(_schema_file(file_name), field_prefix if own else "")

    def _read(self, described: dict[str, Any], prefix: str) -> None:
        for name, description in described.items():
            item = self._objects.get(name.lower())
            if item is None:
                item = self.add_object(name, description["prefix"])
                prefix_here = ""
            else:
                prefix_here = prefix
            for field_name, notation in description["fields"].items():
                item.add(parse_field(prefix_here + field_name, notation))

    def add_object(self, name: str, key_prefix: str) -> ObjectType:
        """Describe a further object with nothing but the system fields (and a Name for custom ones)."""
        item = ObjectType(name=name, key_prefix=key_prefix, hidden=self._hidden.get(name, frozenset()))
        for field_name, notation in _SYSTEM_FIELDS.items():
            item.add(parse_field(field_name, notation))
        if item.custom:
            item.add(parse_field("Name", "string(80)"))
        if self.multi_currency:
            item.add(parse_field("CurrencyIsoCode", "picklist"))
        self._objects[name.lower()] = item
        return item

    def enable_multi_currency(self) -> None:
        """Give every object the field CurrencyIsoCode, as a multi-currency org has it."""
        self.multi_currency = True
        for item in self._objects.values():
            item.add(parse_field("CurrencyIsoCode", "picklist"))

    def limit_to(self, names: Iterable[str]) -> None:
        """From now on the org has only these objects, the org record and our own sync record."""
        self._present = {name.lower() for name in (*names, *ALWAYS_PRESENT)}

    def make_present(self, name: str) -> None:
        """The org has this object after all."""
        if self._present is not None:
            self._present.add(name.lower())

    def described(self, name: str) -> ObjectType | None:
        """The object of that name, whether the org has it or not."""
        return self._objects.get(name.lower())

    def find(self, name: str) -> ObjectType | None:
        """The object of that name if the org has it."""
        if self._present is not None and name.lower() not in self._present:
            return None
        return self._objects.get(name.lower())

    def all(self) -> list[ObjectType]:
        """Every object the org has, by name."""
        found = (item for item in self._objects.values() if self.find(item.name) is not None)
        return sorted(found, key=lambda item: item.name)

    def by_prefix(self, record_id: str) -> ObjectType | None:
        """The object whose key prefix a record id starts with."""
        return next((item for item in self._objects.values() if item.key_prefix == record_id[:3]), None)

    def parent(self, item: ObjectType, relationship: str) -> tuple[Field, ObjectType] | None:
        """The lookup field and the object it leads to; None also when the org lacks the target."""
        lookup = item.lookup(relationship)
        target = self.find(lookup.target) if lookup is not None and lookup.target is not None else None
        return None if lookup is None or target is None else (lookup, target)

    def children(self, parent: ObjectType) -> Iterator[tuple[str, ObjectType, Field]]:
        """Each child list of an object: its relationship name, the child object, the child's lookup field."""
        for item in self.all():
            for lookup in item.visible():
                if lookup.target == parent.name and lookup.children is not None:
                    yield lookup.children, item, lookup

    def child(self, parent: ObjectType, relationship: str) -> tuple[ObjectType, Field] | None:
        """The child object and its lookup field behind a child relationship name."""
        wanted = relationship.lower()
        for name, item, lookup in self.children(parent):
            if name.lower() == wanted:
                return item, lookup
        return None


def infer_field(name: str, seen: Iterable[Any], target: str | None) -> Field:
    """Describe a field the schema does not know by the values seen in it.

    Args:
        name: The field's name in the data.
        seen: Its values as parsed JSON; empty ones are passed over.
        target: The object a lookup of that name leads to, when the data shows one.
    """
    present = [value for value in seen if value is not None]
    if target is not None:
        return parse_field(name, f"reference({target})")
    if present and all(isinstance(value, bool) for value in present):
        return parse_field(name, "boolean")
    if present and all(not isinstance(value, (bool, str)) for value in present):
        return parse_field(name, "double(18,2)")
    texts = [value for value in present if isinstance(value, str)]
    if len(texts) < len(present):
        return parse_field(name, MIXED)
    if texts and all(values.is_date(text) for text in texts):
        return parse_field(name, "date")
    if texts and all(values.parse_datetime(text) is not None for text in texts):
        return parse_field(name, "datetime")
    longest = max((len(text) for text in texts), default=0)
    return parse_field(name, f"textarea({longest})" if longest > LONG_TEXT else "string(255)")


def _schema_file(name: str) -> dict[str, Any]:
    text = resources.files("cpqbridge_sim.salesforce").joinpath("schema", name).read_text(encoding="utf-8")
    described: dict[str, Any] = json.loads(text)
    return described
