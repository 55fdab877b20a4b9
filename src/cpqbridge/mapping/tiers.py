"""Consumption schedules as price tiers (B3.5): those of the order product, else those of its product."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal

from cpqbridge.domain.order import Tier, TiersMode, TierTable
from cpqbridge.mapping.needs import (
    CONSUMPTION_OBJECT,
    CONSUMPTION_RATE_OBJECT,
    PRODUCT_CONSUMPTION_OBJECT,
    PRODUCT_RATE_OBJECT,
)
from cpqbridge.mapping.paths import follow
from cpqbridge.mapping.raw import RawContract, RawRecord
from cpqbridge.mapping.records import RecordReader, record_id_at

_MODES = {"slab": TiersMode.GRADUATED, "range": TiersMode.VOLUME}
_PER_UNIT, _FLAT_FEE = "perunit", "flatfee"
_TIER_RATING = "tier"
_SCHEDULE = "ConsumptionSchedule"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Names:
    """What the fields of a schedule and of its rates are called."""

    kind: str
    rating: str
    upper: str
    price: str
    method: str


_OWN = _Names(
    kind="SBQQ__Type__c",
    rating="SBQQ__RatingMethod__c",
    upper="SBQQ__UpperBound__c",
    price="SBQQ__Price__c",
    method="SBQQ__PricingMethod__c",
)
_OF_PRODUCT = _Names(
    kind=f"{_SCHEDULE}.Type",
    rating=f"{_SCHEDULE}.RatingMethod",
    upper="UpperBound",
    price="Price",
    method="PricingMethod",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Schedule:
    """One consumption schedule as it was read, and its rates."""

    schedule_id: str
    record: RawRecord
    rates: Sequence[RawRecord]
    names: _Names


@dataclass(frozen=True, slots=True, kw_only=True)
class ConsumptionSchedules:
    """The consumption schedules of a contract: those of order products and of products, by their ids."""

    own: Mapping[str, Sequence[_Schedule]] = field(default_factory=dict)
    of_products: Mapping[str, Sequence[_Schedule]] = field(default_factory=dict)


def consumption_schedules(raw: RawContract) -> ConsumptionSchedules:
    """Return the schedules of all lines; those that are not active are sold to nobody and left out."""
    own_rates = _by_id(raw, CONSUMPTION_RATE_OBJECT, "SBQQ__OrderItemConsumptionSchedule__c")
    product_rates = _by_id(raw, PRODUCT_RATE_OBJECT, "ConsumptionScheduleId")
    own, of_products = defaultdict(list), defaultdict(list)
    for record in raw.extra.get(CONSUMPTION_OBJECT, ()):
        line_id, schedule_id = record_id_at(record, "SBQQ__OrderItem__c"), record_id_at(record, "Id")
        if line_id is not None and schedule_id is not None:
            rates = own_rates.get(schedule_id, ())
            own[line_id].append(_Schedule(schedule_id=schedule_id, record=record, rates=rates, names=_OWN))
    for record in _active(raw):
        product_id = record_id_at(record, "ProductId")
        schedule_id = record_id_at(record, "ConsumptionScheduleId")
        if product_id is not None and schedule_id is not None:
            rates = product_rates.get(schedule_id, ())
            of_products[product_id].append(
                _Schedule(schedule_id=schedule_id, record=record, rates=rates, names=_OF_PRODUCT)
            )
    return ConsumptionSchedules(own=own, of_products=of_products)


def product_schedule_ids(raw: RawContract) -> tuple[str, ...]:
    """Return the ids of the products' schedules whose rates are needed: lines have none of their own."""
    known = consumption_schedules(raw)
    bare = {
        record_id_at(item, "Product2Id") for item in raw.items if record_id_at(item, "Id") not in known.own
    }
    found = {
        schedule.schedule_id
        for product_id in bare & known.of_products.keys()
        for schedule in known.of_products[product_id or ""]
    }
    return tuple(sorted(found))


def _by_id(raw: RawContract, object_name: str, lookup: str) -> dict[str, list[RawRecord]]:
    found: dict[str, list[RawRecord]] = defaultdict(list)
    for record in raw.extra.get(object_name, ()):
        parent_id = record_id_at(record, lookup)
        if parent_id is not None:
            found[parent_id].append(record)
    return found


def _active(raw: RawContract) -> list[RawRecord]:
    records = raw.extra.get(PRODUCT_CONSUMPTION_OBJECT, ())
    return [record for record in records if follow(record, (_SCHEDULE, "IsActive")) is not False]


def tier_table(
    line: RecordReader, schedules: ConsumptionSchedules, *, product_id: str, currency: str
) -> TierTable | None:
    """Return the tiers of a line that recurs, None where it has none, or (with a refusal) no usable ones.

    Lower bounds, processing order and the schedule's own term are ignored. Prices are in major units.
    """
    found = schedules.own.get(line.record_id) or schedules.of_products.get(product_id) or ()
    if not found:
        return None
    if len(found) > 1:
        message = f"has {len(found)} consumption schedules."
        line.refuse("several_consumption_schedules", message, field=CONSUMPTION_OBJECT)
        return None
    (schedule,) = found
    before = line.findings.count()
    mode = _mode(line, schedule)
    tiers = [_tier(line, schedule, rate, currency=currency) for rate in schedule.rates]
    if mode is None or line.findings.count() > before:
        return None
    return _table(line, schedule, mode, [tier for tier in tiers if tier is not None])


def _mode(line: RecordReader, schedule: _Schedule) -> TiersMode | None:
    reader = line.of(schedule.record, schedule.schedule_id, f"{line.name}: consumption schedule")
    names, kind, rating = schedule.names, reader.text(schedule.names.kind), reader.text(schedule.names.rating)
    mode = _MODES.get((kind or "").lower())
    if mode is None:
        reader.refuse("pricing_method_unknown", f"has the type {kind or 'empty'}.", field=names.kind)
    if rating is not None and rating.lower() != _TIER_RATING:
        reader.refuse("pricing_method_unknown", f"has the rating method {rating}.", field=names.rating)
    return mode


def _tier(line: RecordReader, schedule: _Schedule, rate: RawRecord, *, currency: str) -> Tier | None:
    names, rate_id = schedule.names, record_id_at(rate, "Id") or schedule.schedule_id
    reader = line.of(rate, rate_id, f"{line.name}: tier {rate_id}")
    before = reader.findings.count()
    price, method = reader.number(names.price), reader.text(names.method)
    if price is None and reader.raw(names.price) is None:
        reader.refuse("unit_price_empty", "has no price.", field=names.price)
    elif price is not None and price < 0:
        reader.refuse("price_negative", f"has the price {price:f}.", field=names.price)
    how = (method or "").replace(" ", "").lower()
    if how not in {_PER_UNIT, _FLAT_FEE}:
        message = f"has the pricing method {method or 'empty'}."
        reader.refuse("pricing_method_unknown", message, field=names.method)
    given = reader.text("CurrencyIsoCode")
    if given is not None and currency and given.lower() != currency:
        message = f"is in {given.upper()}, its order in {currency.upper()}."
        reader.refuse("currency_mixed", message, field="CurrencyIsoCode")
    up_to = _last_unit(reader, names.upper)
    if reader.findings.count() > before:
        return None
    flat = how == _FLAT_FEE
    return Tier(up_to=up_to, unit_price=None if flat else price, flat_price=price if flat else None)


def _last_unit(reader: RecordReader, field_name: str) -> int | None:
    """Return the last unit that a tier holds, None for the open one.

    The upper bound itself still belongs to the tier, as Stripe's `up_to` does: it is "the highest quantity of
    usage for the consumption rate" (Salesforce Help, Consumption Rate Fields, read 21 Nov 2026).
    """
    bound: Decimal | None = reader.number(field_name)
    if bound is None:
        return None
    if bound != bound.to_integral_value():
        reader.refuse("tier_bound_not_whole", f"ends at {bound:f}.", field=field_name)
    elif bound < 1:
        reader.refuse("tier_bound_not_whole", f"ends at {bound:f}, before its first unit.", field=field_name)
    return int(bound)


def _table(line: RecordReader, schedule: _Schedule, mode: TiersMode, tiers: list[Tier]) -> TierTable | None:
    closed = sorted((tier for tier in tiers if tier.up_to is not None), key=lambda tier: tier.up_to or 0)
    last = [tier for tier in tiers if tier.up_to is None]
    bounds = [tier.up_to for tier in closed]
    reader = line.of(schedule.record, schedule.schedule_id, f"{line.name}: consumption schedule")
    if len(last) != 1:
        reader.refuse(
            "tiers_open", f"has {len(last)} tiers without an upper bound.", field=schedule.names.upper
        )
        return None
    twice = sorted({bound for bound in bounds if bound is not None and bounds.count(bound) > 1})
    if twice:
        message = f"has two tiers that end at {twice[0]}."
        reader.refuse("tier_bound_not_whole", message, field=schedule.names.upper)
        return None
    return TierTable(mode=mode, tiers=(*closed, *last))
