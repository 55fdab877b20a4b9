"""The fields of an org that a mapped parameter can be filled from, found by label, name and path."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from cpqbridge.mapping.field_fit import Fit, fit_of
from cpqbridge.mapping.parameter_words import OBJECT_WORDS
from cpqbridge.mapping.rules import resolve
from cpqbridge.mapping.targets import Target
from cpqbridge.salesforce.schema import FieldSchema, OrgSchema
from cpqbridge.sync.mapping_check import described_along
from cpqbridge.sync.ports import SalesforceSide

MOST_FIELDS = 100
"""How many fields one page of the picker shows; a search finds the others."""

_ID_FIELD = "Id"


@dataclass(frozen=True, slots=True, kw_only=True)
class PickableField:
    """One field: its path as a rule names it, labels on the way to it, and whether its type fits."""

    path: str
    label: str
    field_type: str
    fit: Fit


@dataclass(frozen=True, slots=True, kw_only=True)
class PickableRelationship:
    """A lookup that can be followed: its path, its label, and what it leads to."""

    path: str
    label: str
    leads_to: str


@dataclass(frozen=True, slots=True, kw_only=True)
class FieldChoice:
    """What the picker shows at one place.

    `trail` are the places on the way here, as path and label; `more` tells how many fields are not shown.
    """

    at: str
    trail: tuple[tuple[str, str], ...]
    fields: tuple[PickableField, ...]
    relationships: tuple[PickableRelationship, ...]
    more: int


@dataclass(frozen=True, slots=True, kw_only=True)
class _Place:
    """A record that paths reach: the path to it, labels on the way, the objects that may stand there."""

    path: str
    labels: tuple[str, ...]
    objects: tuple[str, ...]

    def field_path(self, name: str) -> str:
        return f"{self.path}.{name}" if self.path else name


class FieldPicker:
    """The fields that one Stripe object of one connection can be filled from."""

    def __init__(self, salesforce: SalesforceSide, stripe_object: str) -> None:
        """Ask the org for nothing yet."""
        self._salesforce = salesforce
        self._stripe_object = stripe_object

    def choice(self, wanted: Target, *, at: str = "", search: str = "") -> FieldChoice:
        """Return the fields at a place: "" is the object's own record, else a path like `Account.Owner`.

        With `search` the fields of the place and of every record one lookup away whose label, name or path
        has all its words; those that fit come first. Where `at` leads nowhere it is the own record.

        Raises:
            CpqbridgeError: the org had to be asked for its fields, and did not answer.
        """
        place, trail, schema = self._place(at)
        words = search.lower().split()
        places = [place]
        if words:
            near = self._near(place, schema)
            schema = self._salesforce.describe({name for each in near for name in each.objects})
            places += near
        found = [
            each for one in places for each in self._fields(one, schema, wanted) if _has_words(each, words)
        ]
        found.sort(key=lambda each: (each.fit is Fit.NEVER, each.path.count("."), each.label, each.path))
        return FieldChoice(
            at=place.path,
            trail=trail,
            fields=tuple(found[:MOST_FIELDS]),
            relationships=() if words else self._relationships(place, schema),
            more=max(0, len(found) - MOST_FIELDS),
        )

    def _place(self, at: str) -> tuple[_Place, tuple[tuple[str, str], ...], OrgSchema]:
        """Return the record that `at` leads to, the way to it, and a schema that knows it."""
        own = OBJECT_WORDS[self._stripe_object].source
        try:
            source = resolve(self._stripe_object, f"{at}.{_ID_FIELD}" if at else _ID_FIELD)
        except ValueError:
            return self._place("")
        schema = described_along(self._salesforce, [source])
        place = _Place(path="", labels=(_label_of(schema, own),), objects=(own,))
        trail = [("", place.labels[0])]
        for step in at.split(".") if at else ():
            following = next(
                (
                    each
                    for each in (*self._roots(place, schema), *_lookups(place, schema))
                    if each.path.split(".")[-1] == step
                ),
                None,
            )
            if following is None:
                return self._place("")
            place = following
            trail.append((place.path, place.labels[-1]))
        return place, tuple(trail), schema

    def _near(self, place: _Place, schema: OrgSchema) -> list[_Place]:
        """Return the records one lookup away; from the own record also those of the order's lookups."""
        roots = tuple(self._roots(place, schema))
        beyond = [each for root in roots for each in _lookups(root, schema)]
        return [each for each in (*roots, *_lookups(place, schema), *beyond) if self._is_allowed(each)]

    def _roots(self, place: _Place, schema: OrgSchema) -> Iterator[_Place]:
        """Yield the other records that a path may start at: the order, for a price also the order line."""
        if place.path:
            return
        own = OBJECT_WORDS[self._stripe_object].source
        names = ["Order"] if own != "Order" else []
        if self._stripe_object == "price":
            names.append("OrderItem")
        for name in names:
            yield _Place(path=name, labels=(_label_of(schema, name),), objects=(name,))

    def _is_allowed(self, place: _Place) -> bool:
        try:
            resolve(self._stripe_object, place.field_path(_ID_FIELD))
        except ValueError:
            return False
        return True

    def _relationships(self, place: _Place, schema: OrgSchema) -> tuple[PickableRelationship, ...]:
        found = [
            PickableRelationship(path=each.path, label=each.labels[-1], leads_to=" or ".join(each.objects))
            for each in _lookups(place, schema)
            if self._is_allowed(each)
        ]
        roots = [
            PickableRelationship(
                path=each.path, label=f"{each.labels[-1]} being synced", leads_to=each.objects[0]
            )
            for each in self._roots(place, schema)
        ]
        return (*roots, *sorted(found, key=lambda each: (each.label, each.path)))

    def _fields(self, place: _Place, schema: OrgSchema, wanted: Target) -> Iterator[PickableField]:
        seen: set[str] = set()
        for name in place.objects:
            described = schema.objects.get(name)
            for entry in described.fields.values() if described is not None else ():
                if entry.name not in seen:
                    seen.add(entry.name)
                    yield PickableField(
                        path=place.field_path(entry.name),
                        label=" → ".join((*place.labels, entry.label or entry.name)),
                        field_type=entry.kind,
                        fit=fit_of(wanted.kind, entry.kind, decimals=entry.scale),
                    )


def _lookups(place: _Place, schema: OrgSchema) -> Iterator[_Place]:
    for name in place.objects:
        described = schema.objects.get(name)
        for entry in described.fields.values() if described is not None else ():
            if entry.relationship and entry.targets:
                yield _Place(
                    path=place.field_path(entry.relationship),
                    labels=(*place.labels, _lookup_label(entry)),
                    objects=entry.targets,
                )


def _lookup_label(entry: FieldSchema) -> str:
    return (entry.label or entry.name).removesuffix(" ID").removesuffix(" Id")


def _label_of(schema: OrgSchema, object_name: str) -> str:
    described = schema.objects.get(object_name)
    return (described.label if described is not None else "") or object_name


def _has_words(found: PickableField, words: Sequence[str]) -> bool:
    text = f"{found.label} {found.path}".lower()
    return all(word in text for word in words)
