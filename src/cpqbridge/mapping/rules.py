"""The data mapper's rules (B10.1): which Salesforce field or fixed value fills which Stripe parameter."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from types import MappingProxyType

from cpqbridge.mapping.paths import parse_path

FixedValue = str | bool | int | Decimal

# Where the paths of each Stripe object start: the record that is read, and the way from it to the source.
_SOURCES: Mapping[str, tuple[str, tuple[str, ...]]] = MappingProxyType(
    {
        "customer": ("Order", ("Account",)),
        "product": ("OrderItem", ("Product2",)),
        "price": ("OrderItem", ("PricebookEntry",)),
        "coupon": ("Order", ()),
        "subscription_schedule": ("Order", ()),
        "subscription": ("Order", ()),
        "phase": ("Order", ()),
        "phase_item": ("OrderItem", ()),
        "invoice": ("Order", ()),
    }
)

MAX_RELATIONSHIPS = 5
"""How many to-one relationships one path may follow (SOQL, "Relationship query limits", 20 Nov 2026)."""

STRIPE_OBJECTS = tuple(_SOURCES)
"""The Stripe objects that can be mapped, as the configuration file names them."""


@dataclass(frozen=True, slots=True)
class SourcePath:
    """A field path seen from the record that is read: `object_name` is Order or OrderItem."""

    object_name: str
    steps: tuple[str, ...]

    @property
    def text(self) -> str:
        """Return the steps as SOQL writes them."""
        return ".".join(self.steps)


@dataclass(frozen=True, slots=True, kw_only=True)
class MappedValue:
    """One rule: either a field (`source`, with `path` as the admin typed it) or a fixed `value`."""

    path: str | None = None
    source: SourcePath | None = None
    value: FixedValue | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class MappingRules:
    """All rules of a connection: Stripe object -> parameter (dot path) -> rule."""

    salesforce_prefix: str = ""
    objects: Mapping[str, Mapping[str, MappedValue]] = field(default_factory=dict)

    def of(self, stripe_object: str) -> Mapping[str, MappedValue]:
        """Return the rules of one Stripe object by parameter."""
        return self.objects.get(stripe_object, {})


def field_rule(stripe_object: str, path: str) -> MappedValue:
    """Return the rule that fills a parameter of `stripe_object` from `path`.

    Raises:
        ValueError: the path is malformed, follows a to-many relationship, or too many relationships.
    """
    return MappedValue(path=path, source=resolve(stripe_object, path))


def resolve(stripe_object: str, path: str) -> SourcePath:
    """Return where `path` starts: at the object's own source, or at the order with `Order.` in front.

    A price's path starts at the price book entry, or at the order product with `OrderItem.` in front.

    Raises:
        ValueError: as `field_rule`.
    """
    steps = parse_path(path)
    object_name, base = _SOURCES[stripe_object]
    own_name = base[-1] if base else object_name
    # Salesforce ignores the case of names.
    first = steps[0].lower() if len(steps) > 1 else ""
    if first == "order":
        found = SourcePath("Order", steps[1:])
    elif first == "orderitem" and stripe_object == "price":
        found = SourcePath("OrderItem", steps[1:])
    elif first == own_name.lower():
        found = SourcePath(object_name, (*base, *steps[1:]))
    else:
        found = SourcePath(object_name, (*base, *steps))
    if len(found.steps) - 1 > MAX_RELATIONSHIPS:
        raise ValueError(f"{found.text!r} follows more than five relationships from {found.object_name}")
    return found
