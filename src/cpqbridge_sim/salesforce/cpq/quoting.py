"""Quotes: the opportunity, the quote and its priced lines."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import date
from typing import TypedDict

from cpqbridge_sim.salesforce.cpq import shapes
from cpqbridge_sim.salesforce.cpq.catalog import Catalog
from cpqbridge_sim.salesforce.cpq.model import (
    Account,
    Contract,
    Coupon,
    Line,
    PricedLine,
    Quote,
    QuoteKind,
)
from cpqbridge_sim.salesforce.cpq.pricing import PackageSettings, QuoteSpan, price_lines
from cpqbridge_sim.salesforce.cpq.table import RecordTable

SINGLE_CONTRACT = "Single Contract"
BY_END_DATE = "By Subscription End Date"


class QuoteOptions(TypedDict, total=False):
    """What can be typed into the header of a quote; an end date beats a term."""

    end: date | None
    term: int | None
    currency: str
    payment_term: str | None
    contracting_method: str
    coupons: tuple[Coupon, ...]
    with_opportunity: bool


def _usual_method(lines: Sequence[Line]) -> str:
    """Return the contracting method a user chooses: a single contract cannot hold evergreen and others."""
    kinds = {line.product.is_evergreen for line in lines if line.product.is_recurring}
    return BY_END_DATE if len(kinds) > 1 else SINGLE_CONTRACT


class Quoting:
    """Adds approved primary quotes."""

    def __init__(
        self, table: RecordTable, catalog: Catalog, settings: PackageSettings, *, count: int
    ) -> None:
        self._table = table
        self._catalog = catalog
        self._settings = settings
        self._count = count

    def next_line_id(self) -> str:
        """Return an id for a quote line."""
        return self._table.next_id("SBQQ__QuoteLine__c")

    def new(self, account: Account, start: date, lines: Sequence[Line], options: QuoteOptions) -> Quote:
        """Add a quote for new business."""
        currency = options.get("currency", self._settings.currency)
        span = QuoteSpan(start=start, end=options.get("end"), term=options.get("term"))
        quote = Quote(
            record_id=self._table.next_id("SBQQ__Quote__c"),
            kind="Quote",
            account=account,
            currency=currency,
            opportunity_id=(
                self._table.next_id("Opportunity") if options.get("with_opportunity", True) else None
            ),
            start=start,
            end=span.end,
            term=span.term,
            payment_term=options.get("payment_term", "Net 30"),
            contracting_method=options.get("contracting_method", _usual_method(lines)),
            lines=self._priced(lines, span, currency),
            coupons=options.get("coupons", ()),
        )
        self._write(quote)
        return quote

    def for_contract(
        self,
        kind: QuoteKind,
        contract: Contract,
        span: QuoteSpan,
        *,
        lines: Sequence[Line],
        old: Sequence[PricedLine] = (),
    ) -> Quote:
        """Add an amendment or renewal quote: the differences of old lines first, then new lines."""
        original = contract.quote
        new = self._priced(lines, span, original.currency)
        if kind == "Renewal":
            new = tuple(replace(line, action="Renew") for line in new)
        quote = Quote(
            record_id=self._table.next_id("SBQQ__Quote__c"),
            kind=kind,
            account=original.account,
            currency=original.currency,
            opportunity_id=self._table.next_id("Opportunity") if original.opportunity_id else None,
            start=span.start,
            end=span.end,
            term=span.term,
            payment_term=original.payment_term,
            contracting_method=original.contracting_method,
            lines=(*old, *new),
            contract=contract,
        )
        self._write(quote)
        return quote

    def _priced(self, lines: Sequence[Line], span: QuoteSpan, currency: str) -> tuple[PricedLine, ...]:
        return price_lines(
            lines,
            span,
            currency=currency,
            settings=self._settings,
            list_price_of=lambda product: self._catalog.list_price(product, currency),
            next_id=self.next_line_id,
        )

    def _write(self, quote: Quote) -> None:
        self._count += 1
        currency = quote.currency
        if quote.opportunity_id is not None:
            self._table.add(
                "Opportunity",
                shapes.opportunity_record(quote),
                record_id=quote.opportunity_id,
                currency=currency,
            )
        record = shapes.quote_record(quote, f"Q-{self._count:05d}")
        self._table.add("SBQQ__Quote__c", record, record_id=quote.record_id, currency=currency)
        for line in quote.lines:
            record = shapes.quote_line_record(line, quote, settings=self._settings)
            self._table.add("SBQQ__QuoteLine__c", record, record_id=line.quote_line_id, currency=currency)
        self._associate_coupons(quote)

    def _associate_coupons(self, quote: Quote) -> None:
        for coupon in quote.coupons:
            fields = {"Quote__c": quote.record_id, "Quote_Stripe_Coupon__c": coupon.record_id}
            self._table.add("Quote_Stripe_Coupon_Association__c", fields, currency=quote.currency)
        for line in quote.lines:
            for coupon in line.line.coupons:
                fields = {"Quote_Line__c": line.quote_line_id, "Quote_Stripe_Coupon__c": coupon.record_id}
                self._table.add("Quote_Line_Stripe_Coupon_Association__c", fields, currency=quote.currency)
