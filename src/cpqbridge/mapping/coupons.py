"""Coupons of orders and lines (B11.1), as the associations of the connector's own objects name them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal

from cpqbridge.domain.order import Coupon, CouponDuration
from cpqbridge.mapping.fields import LINE_COUPON_OBJECT, ORDER_COUPON_OBJECT, CouponFields
from cpqbridge.mapping.mapper import DefaultValue, Mapper, Owner
from cpqbridge.mapping.paths import follow
from cpqbridge.mapping.raw import RawContract, RawRecord
from cpqbridge.mapping.records import RecordReader, record_id_at

_MOST_PERCENT = 100
_PARAMETERS = {
    "name": CouponFields.NAME,
    "percent_off": CouponFields.PERCENT_OFF,
    "amount_off": CouponFields.AMOUNT_OFF,
    "currency": CouponFields.CURRENCY,
    "duration": CouponFields.DURATION,
    "duration_in_months": CouponFields.DURATION_IN_MONTHS,
    "max_redemptions": CouponFields.MAX_REDEMPTIONS,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class CouponLinks:
    """The associations of coupons by the order or order product they belong to."""

    of_orders: Mapping[str, Sequence[RawRecord]] = field(default_factory=dict)
    of_lines: Mapping[str, Sequence[RawRecord]] = field(default_factory=dict)


def coupon_links(raw: RawContract) -> CouponLinks:
    """Return the associations of a contract, those of each record in the order they were made."""
    return CouponLinks(
        of_orders=_by_parent(raw, ORDER_COUPON_OBJECT, "Order__c"),
        of_lines=_by_parent(raw, LINE_COUPON_OBJECT, "Order_Item__c"),
    )


def _by_parent(raw: RawContract, object_name: str, lookup: str) -> dict[str, list[RawRecord]]:
    found: dict[str, list[RawRecord]] = defaultdict(list)
    for record in sorted(raw.extra.get(object_name, ()), key=_made):
        parent_id = record_id_at(record, lookup)
        if parent_id is not None:
            found[parent_id].append(record)
    return found


def _made(association: RawRecord) -> tuple[str, str]:
    return str(association.get("CreatedDate") or ""), record_id_at(association, "Id") or ""


def read_coupons(
    owner: RecordReader, links: Sequence[RawRecord], *, order: RawRecord, mapper: Mapper, currency: str
) -> tuple[Coupon, ...]:
    """Return the coupons of an order or a line, each once; what Stripe could not hold is refused.

    `currency` is the order's, in lower case. Amounts are in major units.
    """
    coupons: dict[str, Coupon] = {}
    for link in links:
        coupon_id = record_id_at(link, CouponFields.LOOKUP)
        if coupon_id is None or not isinstance(link.get(CouponFields.RELATIONSHIP), Mapping):
            owner.refuse(
                "record_unreadable",
                f"has a coupon ({coupon_id or 'no id'}) that was not found.",
                field=CouponFields.LOOKUP,
            )
            continue
        if coupon_id in coupons:
            continue
        reader = owner.of(link, coupon_id, f"{owner.name}: coupon {coupon_id}")
        coupon = _coupon(reader, order=order, mapper=mapper, currency=currency)
        if coupon is not None:
            coupons[coupon_id] = coupon
    return tuple(coupons.values())


def _coupon(reader: RecordReader, *, order: RawRecord, mapper: Mapper, currency: str) -> Coupon | None:
    before = reader.findings.count()
    owner = Owner(record_id=reader.record_id, name=reader.name, order_ids=(reader.order_id,))
    defaults = {
        parameter: DefaultValue(
            f"{CouponFields.OBJECT}.{name}", follow(reader.record, (CouponFields.RELATIONSHIP, name))
        )
        for parameter, name in _PARAMETERS.items()
    }
    found = mapper.fill("coupon", defaults, owner, order=order)
    if reader.findings.count() > before:
        return None
    duration = CouponDuration(str(found.pop("duration")))
    name, given = found.pop("name", None), found.pop("currency", None)
    percent, amount = _decimal(found.pop("percent_off", None)), _decimal(found.pop("amount_off", None))
    months, redemptions = found.pop("duration_in_months", None), found.pop("max_redemptions", None)
    _check_amounts(reader, percent, amount)
    if amount is not None:
        _check_currency(reader, str(given or "").lower(), currency)
    if duration is CouponDuration.REPEATING:
        _check_count(reader, months, CouponFields.DURATION_IN_MONTHS, needed="repeats but has no months")
    _check_count(reader, redemptions, CouponFields.MAX_REDEMPTIONS)
    if reader.findings.count() > before:
        return None
    return Coupon(
        coupon_id=reader.record_id,
        name=str(name or ""),
        duration=duration,
        percent_off=percent,
        amount_off=amount,
        currency=currency if amount is not None else None,
        duration_in_months=_count(months) if duration is CouponDuration.REPEATING else None,
        max_redemptions=_count(redemptions),
        parameters=found,
    )


def _check_amounts(reader: RecordReader, percent: Decimal | None, amount: Decimal | None) -> None:
    if (percent is None) == (amount is None):
        which = "neither a percentage nor an amount" if percent is None else "both a percentage and an amount"
        reader.refuse("coupon_amounts", f"has {which}.", field=CouponFields.PERCENT_OFF)
    elif percent is not None and not 0 < percent <= _MOST_PERCENT:
        message = f"takes {percent:f} percent off; Stripe takes more than 0 and at most 100."
        reader.refuse("coupon_value", message, field=CouponFields.PERCENT_OFF)
    elif amount is not None and amount <= 0:
        reader.refuse("coupon_value", f"takes {amount:f} off.", field=CouponFields.AMOUNT_OFF)


def _check_currency(reader: RecordReader, given: str, currency: str) -> None:
    if not given:
        reader.refuse("coupon_amounts", "has an amount but no currency.", field=CouponFields.CURRENCY)
    elif currency and given != currency:
        message = f"is in {given.upper()}, its order in {currency.upper()}."
        reader.refuse("currency_mixed", message, field=CouponFields.CURRENCY)


def _check_count(reader: RecordReader, value: object, field_name: str, *, needed: str = "") -> None:
    if value is None and needed:
        reader.refuse("coupon_value", f"{needed}.", field=field_name)
    elif isinstance(value, int) and value < 1:
        reader.refuse("coupon_value", f"has {value} there; Stripe takes 1 or more.", field=field_name)


def _decimal(value: object) -> Decimal | None:
    return value if isinstance(value, Decimal) else None


def _count(value: object) -> int | None:
    return value if isinstance(value, int) else None
