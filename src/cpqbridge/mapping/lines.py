"""Order products as order lines (B2, B3 as far as Salesforce says it, B5.2)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from decimal import Decimal

from cpqbridge.domain.order import OrderKind, OrderLine, SkippedLine
from cpqbridge.mapping.coupons import CouponLinks, read_coupons
from cpqbridge.mapping.fields import OurFields
from cpqbridge.mapping.findings import Findings
from cpqbridge.mapping.line_kinds import Nature, line_nature
from cpqbridge.mapping.mapper import DefaultValue, Mapper, Owner
from cpqbridge.mapping.paths import follow
from cpqbridge.mapping.raw import RawRecord
from cpqbridge.mapping.records import RecordReader, record_id_at
from cpqbridge.mapping.revisions import Revisions, check_left_out, revised_line
from cpqbridge.mapping.spans import OrderDates, Span, one_time_span, recurring_span
from cpqbridge.mapping.tiers import ConsumptionSchedules, tier_table
from cpqbridge.mapping.values import UnreadableValueError, as_decimal

ACTIVATED_BOX = "SBQQ__Activated__c"
_CUSTOM_PRICE = "unit_amount_decimal"
_DEFAULT_TERM_MONTHS = Decimal(12)
_DRAFTS = frozenset({"draft", "drafted"})


@dataclass(frozen=True, slots=True, kw_only=True)
class LineContext:
    """What the lines of one order share, and what other objects say about lines.

    `schedules` are consumption schedules, `coupons` associations of coupons, `revisions` which lines of the
    contract are skipped or changed.
    `ticks_activated` tells that lines of the contract have SBQQ__Activated__c ticked.
    """

    order: RawRecord
    order_id: str
    order_kind: OrderKind
    activated: bool
    currency: str
    dates: OrderDates
    ours: OurFields
    mapper: Mapper
    findings: Findings
    multiplier_decimals: int | None = None
    schedules: ConsumptionSchedules = field(default_factory=ConsumptionSchedules)
    coupons: CouponLinks = field(default_factory=CouponLinks)
    revisions: Revisions = field(default_factory=Revisions)
    ticks_activated: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class _Prices:
    """The numbers of a line, as CPQ stored them."""

    unit_price: Decimal
    total_price: Decimal


def read_lines(items: Iterable[RawRecord], context: LineContext) -> tuple[OrderLine, ...]:
    """Return the lines of one order that are billed, by id; what cannot be read is refused.

    Skipped lines and lines with quantity 0 are left out (B1.6).
    """
    lines: dict[str, OrderLine] = {}
    seen = set[str]()
    for item in items:
        order_item_id = record_id_at(item, "Id")
        if order_item_id is None:
            context.findings.refuse(
                "record_unreadable",
                "An order product of the order has no usable Id.",
                order_id=context.order_id,
                record_id=context.order_id,
                field="OrderItem.Id",
            )
            continue
        if order_item_id in seen:
            continue
        seen.add(order_item_id)
        product_name = follow(item, ("Product2", "Name"))
        named = f" ({product_name})" if isinstance(product_name, str) and product_name else ""
        reader = RecordReader(
            item,
            record_id=order_item_id,
            order_id=context.order_id,
            findings=context.findings,
            name=f"Order line {order_item_id}{named}",
        )
        if order_item_id in context.revisions.skipped:
            check_left_out(reader, context.revisions)
            continue
        line = _read_line(reader, context)
        if line is not None:
            lines[order_item_id] = line
    return tuple(lines[order_item_id] for order_item_id in sorted(lines))


def skipped_lines(items: Iterable[RawRecord], revisions: Revisions) -> tuple[SkippedLine, ...]:
    """Return the lines of one order that are left out on purpose, by id."""
    found: dict[str, SkippedLine] = {}
    for item in items:
        order_item_id = record_id_at(item, "Id")
        if order_item_id is None or order_item_id not in revisions.skipped:
            continue
        name = follow(item, ("Product2", "Name"))
        found[order_item_id] = SkippedLine(
            order_item_id=order_item_id,
            total_price=_total_shown(item),
            left_out_by=revisions.skipped[order_item_id],
            product_name=name if isinstance(name, str) else "",
        )
    return tuple(found[order_item_id] for order_item_id in sorted(found))


def _total_shown(item: RawRecord) -> Decimal:
    """Return what a line was sold for that is not billed; what cannot be read hinders nobody."""
    try:
        return as_decimal(item.get("TotalPrice")) or Decimal(0)
    except UnreadableValueError:
        return Decimal(0)


def _read_line(reader: RecordReader, context: LineContext) -> OrderLine | None:
    before = context.findings.count()
    reader.ticked(context.ours.skip_line_item)
    quantity = reader.number("Quantity")
    if quantity == 0 and context.findings.count() == before:
        return None
    if quantity is None and context.findings.count() == before:
        reader.refuse("value_type", "has no quantity.", field="Quantity")
    if context.activated:
        _check_activated(reader, context)
    _check_currency(reader, context)
    nature = line_nature(reader)
    prices = _prices(reader, metered=nature is not None and nature.metered)
    span = _span(reader, context, nature) if nature is not None else None
    revises = revised_line(
        reader,
        context.revisions,
        kind=context.order_kind,
        quantity=quantity,
        recurs=nature is not None and nature.months is not None,
    )
    line = None
    if quantity is not None and nature is not None and prices is not None and span is not None:
        line = _line(
            reader, context, nature=nature, quantity=quantity, prices=prices, span=span, revises=revises
        )
        _check_metered(reader, line)
    return line if context.findings.count() == before else None


def _line(
    reader: RecordReader,
    context: LineContext,
    *,
    nature: Nature,
    quantity: Decimal,
    prices: _Prices,
    span: Span,
    revises: str | None,
) -> OrderLine:
    order_item_id = reader.record_id
    owner = Owner(record_id=order_item_id, name=reader.name, order_ids=(context.order_id,))
    price = context.mapper.fill("price", {}, owner, order=context.order, item=reader.record)
    custom_price = _custom_price(
        reader, context, price.pop(_CUSTOM_PRICE, None), recurs=nature.months is not None
    )
    product_id = _needed_id(reader, "Product2Id")
    default_term = reader.number("SBQQ__DefaultSubscriptionTerm__c")
    tiers = None
    if nature.months is not None:
        tiers = tier_table(reader, context.schedules, product_id=product_id, currency=context.currency)
    return OrderLine(
        order_item_id=order_item_id,
        order_id=context.order_id,
        kind=nature.kind,
        product_id=product_id,
        pricebook_entry_id=_needed_id(reader, "PricebookEntryId"),
        quantity=quantity,
        unit_price=prices.unit_price,
        total_price=prices.total_price,
        starts_on=span.starts_on,
        ends_on=span.ends_on,
        frequency_months=nature.months,
        default_term_months=_DEFAULT_TERM_MONTHS if default_term is None else default_term,
        prorate_multiplier=reader.number("SBQQ__ProrateMultiplier__c"),
        multiplier_decimals=context.multiplier_decimals,
        entry_unit_price=reader.number("PricebookEntry.UnitPrice"),
        revises=revises,
        metered=nature.metered,
        evergreen=nature.evergreen,
        segment=nature.segment,
        tiers=tiers,
        coupons=read_coupons(
            reader,
            context.coupons.of_lines.get(order_item_id, ()),
            order=context.order,
            mapper=context.mapper,
            currency=context.currency,
        ),
        custom_price=custom_price,
        displayed_price_id=reader.text(context.ours.stripe_id)
        or reader.text(f"PricebookEntry.{context.ours.stripe_id}"),
        price_parameters=price,
        item_parameters=context.mapper.fill("phase_item", {}, owner, order=context.order, item=reader.record),
        product_name=reader.text("Product2.Name") or "",
    )


def _needed_id(reader: RecordReader, field_name: str) -> str:
    found = reader.record_id_at(field_name)
    if found is None:
        reader.refuse("record_unreadable", f"has no {field_name}.", field=field_name)
    return found or ""


def _check_activated(reader: RecordReader, context: LineContext) -> None:
    """Refuse a line of an activated order that is deleted, or says itself that it is not activated (B1.6).

    An empty check box says so only where other lines have it ticked: Salesforce answers false also for a box
    that was never filled.
    """
    if reader.ticked("IsDeleted"):
        reader.refuse("line_not_activated", "is deleted.", field="IsDeleted")
        return
    status, ticked = reader.text("SBQQ__Status__c"), reader.ticked(ACTIVATED_BOX)
    # An org may have renamed the choices; then the box beside them tells.
    told_by_box = ticked and status is not None and status.lower() not in _DRAFTS
    if status is not None and status.lower() != "activated" and not told_by_box:
        reader.refuse("line_not_activated", f"has the status {status}.", field="SBQQ__Status__c")
    elif status is None and not ticked and context.ticks_activated:
        reader.refuse("line_not_activated", "is not activated.", field=ACTIVATED_BOX)


def _check_currency(reader: RecordReader, context: LineContext) -> None:
    for path in ("CurrencyIsoCode", "PricebookEntry.CurrencyIsoCode"):
        found = reader.text(path)
        if found is not None and context.currency and found.lower() != context.currency:
            reader.refuse(
                "currency_mixed",
                f"is in {found.upper()} ({path}), its order in {context.currency.upper()}.",
                field=path,
            )


def _check_metered(reader: RecordReader, line: OrderLine) -> None:
    if line.metered and line.quantity > 1:
        reader.refuse(
            "metered_quantity", f"is billed by usage but has quantity {line.quantity}.", field="Quantity"
        )


def _custom_price(
    reader: RecordReader, context: LineContext, found: object, *, recurs: bool
) -> Decimal | None:
    """Return the price of one unit for one billing period, in major units, where a field holds it (B3.9)."""
    if not isinstance(found, Decimal):
        return None
    if not recurs:
        reader.findings.warn(f"{reader.name} does not recur: its custom price of {found:f} is not used.")
        return None
    if found < 0:
        source = context.mapper.raw(
            "price", _CUSTOM_PRICE, DefaultValue("", None), order=context.order, item=reader.record
        )
        reader.refuse("price_negative", f"has the custom price {found:f}.", field=source.field)
    return found


def _prices(reader: RecordReader, *, metered: bool) -> _Prices | None:
    """Return the line's prices; a metered line without any is billed by its tiers alone."""
    before = reader.findings.count()
    found = {}
    for name in ("UnitPrice", "TotalPrice"):
        value = reader.number(name)
        if value is None and reader.raw(name) is None and not metered:
            reader.refuse("unit_price_empty", f"has no {name}.", field=name)
        found[name] = value or Decimal(0)
    if reader.findings.count() > before:
        return None
    return _Prices(unit_price=found["UnitPrice"], total_price=found["TotalPrice"])


def _span(reader: RecordReader, context: LineContext, nature: Nature) -> Span | None:
    if nature.months is None:
        return one_time_span(reader, context.dates)
    return recurring_span(reader, context.dates, months=nature.months, open_ended=nature.evergreen)
