"""The CPQ engine: price book, quote, order, activation, contract, amendment, renewal, termination."""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from typing import Any, Unpack

from cpqbridge_sim.salesforce.cpq.amending import (
    amendment_lines,
    new_lines,
    renewal_lines,
    termination_changes,
)
from cpqbridge_sim.salesforce.cpq.catalog import Catalog
from cpqbridge_sim.salesforce.cpq.contracting import FIRST_CONTRACT_NUMBER, Contracting
from cpqbridge_sim.salesforce.cpq.dates import ONE_DAY, add_months, last_day_of_term
from cpqbridge_sim.salesforce.cpq.model import (
    Account,
    Amount,
    Changes,
    Contract,
    Coupon,
    CpqError,
    Line,
    Order,
    OrderLine,
    Product,
    ProductOptions,
    Quote,
    Record,
    Segment,
)
from cpqbridge_sim.salesforce.cpq.ordering import FIRST_ORDER_NUMBER, Ordering, OrderOptions
from cpqbridge_sim.salesforce.cpq.pricing import PackageOptions, PackageSettings, QuoteSpan
from cpqbridge_sim.salesforce.cpq.quoting import QuoteOptions, Quoting
from cpqbridge_sim.salesforce.cpq.table import RecordTable

_MONTHS_OF_SEGMENT = {"Year": 12, "Quarter": 3, "Month": 1}


def _fixed_clock() -> datetime:
    return datetime(2026, 1, 1, 9, tzinfo=UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class ExistingOrg:
    """An org to go on with: its records and catalog, how many quotes and contracts it has, its next order."""

    table: RecordTable
    catalog: Catalog
    quotes: int = 0
    contracts: int = FIRST_CONTRACT_NUMBER - 1
    next_order: int = FIRST_ORDER_NUMBER


class Cpq:
    """Writes records for one org. Deterministic: the same calls give the same records, ids included."""

    def __init__(
        self,
        *,
        clock: Callable[[], datetime] = _fixed_clock,
        org: ExistingOrg | None = None,
        **settings: Unpack[PackageOptions],
    ) -> None:
        """Begin with an empty org, whose records `clock` stamps, or go on with one that is there."""
        self.settings = PackageSettings(**settings)
        if org is None:
            currency = self.settings.currency
            by_default = currency if self.settings.multi_currency else None
            table = RecordTable(clock, currency_by_default=by_default)
            org = ExistingOrg(table=table, catalog=Catalog.of_new_org(table, currency=currency))
        self._table = org.table
        self._catalog = org.catalog
        self._quoting = Quoting(org.table, org.catalog, self.settings, count=org.quotes)
        self._ordering = Ordering(org.table, org.catalog, self.settings, next_number=org.next_order)
        self._contracting = Contracting(org.table, count=org.contracts)
        self._segment_key_count = 0

    def account(
        self, name: str, *, email: str | None = None, phone: str | None = None, country: str = "United States"
    ) -> Account:
        """Add an account with one contact."""
        return self._catalog.account(name, email=email, phone=phone, country=country)

    def product(self, name: str, **options: Unpack[ProductOptions]) -> Product:
        """Add a product; `pricing=None` makes it a one-time product."""
        return self._catalog.product(name, options)

    def price(self, product: Product, amount: Amount, *, currency: str | None = None) -> str:
        """Set the list price of one default term in a currency and return the price book entry's id."""
        return self._catalog.price(product, amount, currency)

    def coupon(self, **fields: Any) -> Coupon:
        """Add a Quote Stripe Coupon with these fields."""
        return self._catalog.coupon(fields)

    def ramp(
        self,
        product: Product,
        *,
        start: date,
        segments: Sequence[tuple[int, Amount]],
        kind: str = "Year",
        end: date | None = None,
        once: tuple[int, Amount] | None = None,
    ) -> list[Line]:
        """Return the lines of a ramp (MDQ): quantity and price of one default term for each segment.

        Segments are years, quarters or months; the last one stops at `end`, prorated, where it is given.
        `once` are quantity and price of the One-time dimension, of which a product has at most one.
        """
        months = _MONTHS_OF_SEGMENT[kind]
        spans = [
            (add_months(start, months * index), last_day_of_term(start, months * (index + 1)))
            for index in range(len(segments))
        ]
        if end is not None:
            spans[-1] = (spans[-1][0], end)
        lines = self._segments(
            product, kind, [(*span, *sold) for span, sold in zip(spans, segments, strict=True)]
        )
        if once is not None:
            lines.append(self._one_time_segment(product, lines, start, once))
        return lines

    def custom_ramp(self, product: Product, segments: Sequence[tuple[date, date, int, Amount]]) -> list[Line]:
        """Return the lines of a ramp with dates of its own: first and last day, quantity, price of a term."""
        return self._segments(product, "Custom", segments)

    def _segments(
        self, product: Product, kind: str, segments: Sequence[tuple[date, date, int, Amount]]
    ) -> list[Line]:
        self._segment_key_count += 1
        dimension_id = self._catalog.dimension(product, kind)
        return [
            Line(
                product=product,
                quantity=quantity,
                price=amount,
                start=begin,
                end=last,
                segment=Segment(
                    key=f"SK-{self._segment_key_count:05d}",
                    index=index,
                    label=f"{kind} {index}",
                    kind=kind,
                    dimension_id=dimension_id,
                ),
            )
            for index, (begin, last, quantity, amount) in enumerate(segments, start=1)
        ]

    def _one_time_segment(
        self, product: Product, lines: Sequence[Line], start: date, once: tuple[int, Amount]
    ) -> Line:
        """Return the one-time part of a ramp: the same product, but nothing in it recurs.

        That it is counted after the other segments is an assumption.
        """
        first = lines[0].segment
        assert first is not None, "a ramp's lines are segments"
        segment = replace(
            first,
            index=len(lines) + 1,
            label="One-time",
            kind="One-time",
            dimension_id=self._catalog.dimension(product, "One-time"),
        )
        sold_once = replace(product, pricing=None, default_term=None, charge_type="One-Time")
        return Line(product=sold_once, quantity=once[0], price=once[1], start=start, segment=segment)

    def quote(
        self, account: Account, *, start: date, lines: Sequence[Line], **options: Unpack[QuoteOptions]
    ) -> Quote:
        """Add an approved primary quote, its lines and its opportunity.

        Raises:
            CpqError: a line has no price, no length, or ends before it starts.
        """
        return self._quoting.new(account, start, lines, options)

    def order(
        self, quote: Quote, *, only: Collection[int] | None = None, **options: Unpack[OrderOptions]
    ) -> Order:
        """Add a draft order with the lines of a quote, or `only` those at some positions.

        Raises:
            CpqError: no line is left to order, or the order number is not a number.
        """
        return self._ordering.order(quote, only=only, options=options)

    def activate(self, order: Order, *, at: datetime, without: Collection[OrderLine] = ()) -> Order:
        """Activate an order and its lines, but for those in `without`; coupons are copied onto them.

        Raises:
            CpqError: the order is active already.
        """
        self._ordering.activate(order, at, without)
        return order

    def deactivate(self, order: Order, *, at: datetime) -> Order:
        """Put an order back to draft, which CPQ allows until it is contracted.

        Raises:
            CpqError: the order is a draft, or is contracted.
        """
        self._ordering.deactivate(order, at)
        return order

    def contracts(self, order: Order, *, at: datetime | None = None) -> list[Contract]:
        """Contract an activated order; an order without subscriptions gives no contract."""
        return self._contracting.contract(order, at)

    def contract(self, order: Order, *, at: datetime | None = None) -> Contract:
        """Contract an activated order and return the contract that ends last.

        Raises:
            CpqError: the order has no subscriptions, is not activated, or is contracted already.
        """
        contracts = self.contracts(order, at=at)
        if not contracts:
            raise CpqError(f"Order {order.number} has no subscription, so there is no contract.")
        return contracts[0]

    def amend(
        self, contract: Contract, *, start: date, changes: Changes, **options: Unpack[OrderOptions]
    ) -> Order:
        """Return the draft order of an amendment: differences of old lines, and new lines.

        New lines end with the contract unless they say otherwise.

        Raises:
            CpqError: the amendment starts before the contract, or a change is not possible.
        """
        if start < contract.start:
            raise CpqError(f"An amendment cannot start on {start}, before its contract on {contract.start}.")
        old = amendment_lines(
            contract, changes, start, settings=self.settings, next_id=self._quoting.next_line_id
        )
        span = QuoteSpan(start=start, end=contract.end, term=None)
        quote = self._quoting.for_contract("Amendment", contract, span, lines=new_lines(changes), old=old)
        return self.order(quote, **options)

    def terminate(
        self, contract: Contract, *, at: date, refund_assets: bool = False, **options: Unpack[OrderOptions]
    ) -> Order:
        """Return the draft order that brings all that runs on `at` to zero; `at` is no longer served."""
        changes = termination_changes(contract, at, refund_assets=refund_assets)
        return self.amend(contract, start=at, changes=changes, **options)

    def renew(
        self,
        contract: Contract,
        *,
        term: int = 12,
        start: date | None = None,
        **options: Unpack[OrderOptions],
    ) -> Order:
        """Return the draft order of a renewal: full quantities from the day after the contract's end.

        An earlier `start` does not shorten the old contract.

        Raises:
            CpqError: the contract is evergreen, nothing of it is left, or the renewal starts before it.
        """
        if start is not None and start < contract.start:
            raise CpqError(f"A renewal cannot start on {start}, before its contract on {contract.start}.")
        lines = renewal_lines(contract)
        begin = start or (contract.end or contract.start) + ONE_DAY
        span = QuoteSpan(start=begin, end=None, term=term)
        quote = self._quoting.for_contract("Renewal", contract, span, lines=lines)
        fields = {"SBQQ__RenewalQuoted__c": True, "SBQQ__RenewalOpportunity__c": quote.opportunity_id}
        self._table.edit("Contract", contract.record_id, fields)
        return self.order(quote, **options)

    def edit(self, sobject: str, record_id: str, *, at: datetime | None = None, **fields: Any) -> None:
        """Set fields of any record, as an administrator with every right would."""
        self._table.edit(sobject, record_id, fields, at=at)

    def record(self, sobject: str, record_id: str) -> Record:
        """Return a copy of one record."""
        return self._table.get(sobject, record_id)

    def records(self) -> dict[str, list[Record]]:
        """Return copies of all records by object; numbers are Decimals with the digits REST shows."""
        return self._table.records()
