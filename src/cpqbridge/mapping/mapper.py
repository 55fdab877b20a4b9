"""The data mapper (B10): shipped defaults and the admin's rules become Stripe parameters."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from cpqbridge.mapping.conversion import UnfitValueError, converted
from cpqbridge.mapping.findings import Findings
from cpqbridge.mapping.paths import follow_any_case
from cpqbridge.mapping.raw import RawRecord
from cpqbridge.mapping.rules import MappedValue, MappingRules
from cpqbridge.mapping.targets import Target, target

_NO_RECORD: RawRecord = {}


@dataclass(frozen=True, slots=True)
class DefaultValue:
    """What a parameter is without a rule: a raw value and the field it was read from."""

    field: str
    value: object


@dataclass(frozen=True, slots=True, kw_only=True)
class Owner:
    """The record whose parameters are filled: `name` calls it, `order_ids` stop when it cannot be."""

    record_id: str
    name: str
    order_ids: tuple[str, ...]


class Mapper:
    """Fills the parameters of Stripe objects; the records are those of the order being synced."""

    def __init__(self, rules: MappingRules, findings: Findings) -> None:
        """Fill by `rules`; what does not fit goes to `findings`."""
        self._rules = rules
        self._findings = findings

    def raw(
        self,
        stripe_object: str,
        parameter: str,
        default: DefaultValue,
        *,
        order: RawRecord,
        item: RawRecord = _NO_RECORD,
    ) -> DefaultValue:
        """Return what fills one parameter before it is converted: the rule's value, else the default's."""
        rule = self._rules.of(stripe_object).get(parameter)
        return default if rule is None else _ruled(rule, stripe_object, parameter, order=order, item=item)

    def fill(
        self,
        stripe_object: str,
        defaults: Mapping[str, DefaultValue],
        owner: Owner,
        *,
        order: RawRecord,
        item: RawRecord = _NO_RECORD,
        keep_empty: bool = False,
        without: frozenset[str] = frozenset(),
    ) -> dict[str, object]:
        """Return the parameters by dot path, converted and cut to Stripe's limits, sorted.

        A rule wins over a default, also when its field is empty. With `keep_empty` an empty value is kept as
        None, which clears it in Stripe when the object is updated; else it is left out. Parameters in
        `without` are not looked at. Empty required values and values that do not fit are refusals.
        """
        filled: dict[str, object] = {}
        for parameter in sorted({*defaults, *self._rules.of(stripe_object)} - without):
            wanted = target(stripe_object, parameter)
            if wanted is None:
                continue
            default = defaults.get(parameter, DefaultValue("", None))
            source = self.raw(stripe_object, parameter, default, order=order, item=item)
            value = self._value(wanted, source, owner)
            if value is not None or keep_empty:
                filled[parameter] = value
        return filled

    def _value(self, wanted: Target, source: DefaultValue, owner: Owner) -> object:
        try:
            value = converted(wanted, source.value)
        except UnfitValueError as error:
            message = f"{owner.name} has a wrong value in {source.field}: {error}."
            self._refuse("value_type", message, source, owner)
            return None
        if value is None and wanted.required:
            self._refuse("required_empty", f"{owner.name} has no {source.field}.", source, owner)
        if isinstance(value, str) and len(value) > wanted.limit:
            self._findings.warn(
                f"{owner.name}: {source.field} has {len(value)} characters; "
                f"Stripe gets the first {wanted.limit}."
            )
            return value[: wanted.limit]
        return value

    def _refuse(self, code: str, message: str, source: DefaultValue, owner: Owner) -> None:
        for order_id in owner.order_ids:
            self._findings.refuse(
                code, message, order_id=order_id, record_id=owner.record_id, field=source.field
            )


def _ruled(
    rule: MappedValue, stripe_object: str, parameter: str, *, order: RawRecord, item: RawRecord
) -> DefaultValue:
    if rule.source is None:
        return DefaultValue(f"mapping.{stripe_object}.{parameter}", rule.value)
    record = order if rule.source.object_name == "Order" else item
    return DefaultValue(rule.path or rule.source.text, follow_any_case(record, rule.source.steps))
