"""Orders with their lines, as Salesforce has them (B1, B5.3)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date

from cpqbridge.domain.order import LineKind, Order, OrderKind, OrderLine
from cpqbridge.mapping.configuration import Configuration
from cpqbridge.mapping.coupons import CouponLinks, read_coupons
from cpqbridge.mapping.fields import OurFields
from cpqbridge.mapping.findings import Findings
from cpqbridge.mapping.lines import LineContext, read_lines, skipped_lines
from cpqbridge.mapping.mapper import DefaultValue, Mapper, Owner
from cpqbridge.mapping.paths import follow
from cpqbridge.mapping.payment_terms import days_until_due
from cpqbridge.mapping.qualifying import Qualified, order_number, order_reader
from cpqbridge.mapping.raw import RawRecord
from cpqbridge.mapping.records import RecordReader, record_id_at
from cpqbridge.mapping.revisions import Revisions
from cpqbridge.mapping.spans import OrderDates
from cpqbridge.mapping.tiers import ConsumptionSchedules
from cpqbridge.mapping.values import FIRST_YEAR

QUOTE = "SBQQ__Quote__r"
PAYMENT_TERM = "SBQQ__PaymentTerm__c"
CURRENCY = "CurrencyIsoCode"

# An order without any date is refused; this only gives it a place in the sequence.
_UNKNOWN_DATE = date(FIRST_YEAR, 1, 1)
_SCHEDULE = "subscription_schedule"
_SUBSCRIPTION = "subscription"
_DAYS_PARAMETER = {
    _SCHEDULE: "default_settings.invoice_settings.days_until_due",
    _SUBSCRIPTION: "days_until_due",
}
_COLLECTION_PARAMETER = {
    _SCHEDULE: "default_settings.collection_method",
    _SUBSCRIPTION: "collection_method",
}
_TRIAL = "trial_end"


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderContext:
    """What the orders of one contract share."""

    configuration: Configuration
    ours: OurFields
    mapper: Mapper
    findings: Findings
    multi_currency: bool
    qualified: Mapping[str, Qualified] = field(default_factory=dict)
    multiplier_decimals: int | None = None
    schedules: ConsumptionSchedules = field(default_factory=ConsumptionSchedules)
    coupons: CouponLinks = field(default_factory=CouponLinks)
    revisions: Revisions = field(default_factory=Revisions)
    ticks_activated: bool = False


def order_kind(order: RawRecord) -> OrderKind:
    """Return what an order is in its history (B1.3); orgs rename the values of `Order.Type`, so not by it."""
    quote_type = follow(order, (QUOTE, "SBQQ__Type__c"))
    amended = record_id_at(order, "Opportunity.SBQQ__AmendedContract__c")
    master = record_id_at(order, f"{QUOTE}.SBQQ__MasterContract__c")
    kind = quote_type.strip().lower() if isinstance(quote_type, str) else ""
    if amended is not None or (kind == "amendment" and master is not None):
        return OrderKind.AMENDMENT
    return OrderKind.RENEWAL if kind == "renewal" else OrderKind.INITIAL


def read_order(record: RawRecord, order_id: str, items: Sequence[RawRecord], context: OrderContext) -> Order:
    """Return one order with its lines; what is wrong with it goes to the findings."""
    reader = order_reader(record, order_id, context.findings)
    _check_quote(reader)
    kind, qualified = order_kind(record), context.qualified.get(order_id, Qualified())
    currency = _currency(reader, context)
    dates = OrderDates(
        quote_starts_on=reader.day(f"{QUOTE}.SBQQ__StartDate__c"),
        quote_ends_on=reader.day(f"{QUOTE}.SBQQ__EndDate__c"),
        quote_term=reader.number(f"{QUOTE}.SBQQ__SubscriptionTerm__c"),
        effective_on=reader.day("EffectiveDate"),
        amends=kind is OrderKind.AMENDMENT,
    )
    lines = LineContext(
        order=record,
        order_id=order_id,
        order_kind=kind,
        activated=qualified.activated,
        currency=currency,
        dates=dates,
        ours=context.ours,
        mapper=context.mapper,
        findings=context.findings,
        multiplier_decimals=context.multiplier_decimals,
        schedules=context.schedules,
        coupons=context.coupons,
        revisions=context.revisions,
        ticks_activated=context.ticks_activated,
    )
    return _order(reader, items, context, lines=lines, qualified=qualified)


def _order(
    reader: RecordReader,
    items: Sequence[RawRecord],
    context: OrderContext,
    *,
    lines: LineContext,
    qualified: Qualified,
) -> Order:
    owner = Owner(record_id=reader.record_id, name=reader.name, order_ids=(reader.record_id,))
    record, mapper = reader.record, context.mapper
    taken = frozenset(_DAYS_PARAMETER.values())
    schedule = mapper.fill(_SCHEDULE, {}, owner, order=record, without=taken)
    subscription = mapper.fill(_SUBSCRIPTION, {}, owner, order=record, without=taken)
    phase = mapper.fill("phase", {}, owner, order=record)
    of_phase, of_subscription = phase.pop(_TRIAL, None), subscription.pop(_TRIAL, None)
    trial = of_phase or of_subscription
    billed = read_lines(items, lines)
    days, subscription_days = _both_days(reader, context, billed, (schedule, subscription))
    modified_at = follow(record, ("SystemModstamp",))
    return Order(
        order_id=reader.record_id,
        order_number=order_number(record, reader.record_id),
        kind=lines.order_kind,
        activated=qualified.activated,
        activated_at=qualified.activated_at,
        effective_on=_effective_on(reader, lines.dates),
        lines=billed,
        currency=lines.currency,
        days_until_due=days,
        subscription_days_until_due=subscription_days,
        skip_past_initial_invoices=reader.ticked(context.ours.skip_past_initial_invoices),
        end_behavior=str(schedule.pop("end_behavior", "cancel")),
        trial_ends_on=trial if isinstance(trial, date) else None,
        coupons=read_coupons(
            reader,
            context.coupons.of_orders.get(reader.record_id, ()),
            order=record,
            mapper=mapper,
            currency=lines.currency,
        ),
        skipped_lines=skipped_lines(items, context.revisions),
        modified_at=modified_at if isinstance(modified_at, str) else "",
        before_start_date=qualified.before_start_date,
        displayed_stripe_id=reader.text(context.ours.stripe_id),
        schedule_parameters=schedule,
        phase_parameters=phase,
        subscription_parameters=subscription,
        invoice_parameters=mapper.fill("invoice", {}, owner, order=record),
    )


def _check_quote(reader: RecordReader) -> None:
    """Refuse an order without a quote, or with one that cannot be read: only it tells what the order is."""
    quote_id = record_id_at(reader.record, "SBQQ__Quote__c")
    if quote_id is None:
        reader.refuse("no_quote", "does not come from a CPQ quote.", field="SBQQ__Quote__c")
    elif reader.raw(QUOTE) is None:
        reader.refuse(
            "record_unreadable",
            f"comes from quote {quote_id}, which was not found.",
            field="SBQQ__Quote__c",
            fix="Let the connection's user see the quote; for an export, export SBQQ__Quote__c again.",
        )


def _currency(reader: RecordReader, context: OrderContext) -> str:
    """Return the order's currency in lower case (B3.7); empty, with a refusal, where there is none."""
    if not context.multi_currency:
        if context.configuration.currency is None:
            reader.refuse(
                "currency_missing",
                "has no currency: the org has a single one, and the connection does not say which.",
                field="currency",
                fix="Set `currency` in the configuration, or with --currency.",
            )
        return context.configuration.currency or ""
    before = reader.findings.count()
    given = reader.text(CURRENCY)
    if given is None:
        if reader.findings.count() == before:
            reader.refuse("currency_missing", "has no currency.", field=CURRENCY)
        return ""
    if len(given) != len("usd") or not (given.isascii() and given.isalpha()):
        reader.refuse("value_type", f"has {given!r} as currency.", field=CURRENCY)
        return ""
    return given.lower()


def _effective_on(reader: RecordReader, dates: OrderDates) -> date:
    """Return the first day of the order (B1.5): the quote's start, else the order's own."""
    if dates.quote_starts_on is not None:
        return dates.quote_starts_on
    if dates.effective_on is not None:
        return dates.effective_on
    reader.refuse("dates_missing", "has no start date, and neither has its quote.", field="EffectiveDate")
    return _UNKNOWN_DATE


def _both_days(
    reader: RecordReader,
    context: OrderContext,
    lines: Sequence[OrderLine],
    parameters: tuple[dict[str, object], dict[str, object]],
) -> tuple[int | None, int | None]:
    """Return the days until invoices of the order and of its evergreen subscription are due.

    How each is collected is taken out of its parameters. What is mapped for an object that the order does
    not have decides nothing.
    """
    collections = [
        values.pop(_COLLECTION_PARAMETER[name], None)
        for name, values in zip((_SCHEDULE, _SUBSCRIPTION), parameters, strict=True)
    ]
    recurring = [line.evergreen for line in lines if line.kind is LineKind.RECURRING]
    evergreen = None
    if any(recurring):
        evergreen = _days(reader, context, _SUBSCRIPTION, collection=collections[1])
        if all(recurring):
            return evergreen, evergreen
    return _days(reader, context, _SCHEDULE, collection=collections[0]), evergreen


def _days(
    reader: RecordReader, context: OrderContext, stripe_object: str, *, collection: object
) -> int | None:
    """Return the days until invoices are due, None to charge automatically (B5.3)."""
    source = context.mapper.raw(
        stripe_object,
        _DAYS_PARAMETER[stripe_object],
        DefaultValue(PAYMENT_TERM, reader.raw(PAYMENT_TERM)),
        order=reader.record,
    )
    try:
        days = days_until_due(source.value)
    except ValueError as error:
        reader.refuse(
            "payment_term_unknown", f"has a payment term that is not known: {error}.", field=source.field
        )
        return None
    if collection == "charge_automatically":
        return None
    if collection == "send_invoice" and days is None:
        reader.refuse(
            "payment_term_unknown",
            "has no payment term, but its invoices are to be sent.",
            field=source.field,
            fix="Choose a payment term like Net 30 on the order, or do not map collection_method.",
        )
    return days
