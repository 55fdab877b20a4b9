"""The engine's handles of what is in the org already: products, accounts, lines, contracts and orders."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from decimal import Decimal
from fractions import Fraction
from typing import TYPE_CHECKING, Any, Final

from cpqbridge_sim.salesforce.cpq.model import (
    Account,
    Contract,
    CpqError,
    Line,
    Order,
    OrderLine,
    PricedLine,
    Product,
    Quote,
    QuoteKind,
    Segment,
)
from cpqbridge_sim.salesforce.cpq.quoting import SINGLE_CONTRACT
from cpqbridge_sim.salesforce.desk.coupons import has_order_coupons, quote_coupons, quote_line_coupons
from cpqbridge_sim.salesforce.desk.lookups import record_at, records_where
from cpqbridge_sim.salesforce.desk.usage import usage_of

if TYPE_CHECKING:
    from collections.abc import Iterable

    from cpqbridge_sim.salesforce.cpq.pricing import PackageSettings
    from cpqbridge_sim.salesforce.org import Org
    from cpqbridge_sim.salesforce.values import Record

ACTIVATED: Final = "Activated"
_KINDS: Final[dict[str, QuoteKind]] = {"amendment": "Amendment", "renewal": "Renewal"}
_NO_DATE: Final = date.min


class Handles:
    """Makes each handle once, so that lines of one contract know each other."""

    def __init__(self, org: Org, settings: PackageSettings) -> None:
        self._org = org
        self._settings = settings
        self._lines: dict[str, OrderLine] = {}

    def product(self, record: Record) -> Product:
        """The product of a Product2 record."""
        term = record.get("SBQQ__SubscriptionTerm__c")
        return Product(
            record_id=str(record["Id"]),
            name=str(record.get("Name") or record["Id"]),
            default_term=int(term) if isinstance(term, (int, Decimal)) else None,
            pricing=_text(record, "SBQQ__SubscriptionPricing__c"),
            subscription_type=_text(record, "SBQQ__SubscriptionType__c"),
            frequency=_text(record, "SBQQ__BillingFrequency__c"),
            billing_type=_text(record, "SBQQ__BillingType__c"),
            charge_type=_text(record, "SBQQ__ChargeType__c") or "Recurring",
            pricing_method=_text(record, "SBQQ__PricingMethod__c") or "List",
            percent=_number(record, "SBQQ__SubscriptionPercent__c"),
            refundable=record.get("SBQQ__AssetAmendmentBehavior__c") == "Allow Refund",
            usage=usage_of(self._org, str(record["Id"])),
        )

    def account(self, record: Record, contact_id: str | None = None) -> Account:
        """The account of an Account record, with this contact or else its first one."""
        account_id = str(record["Id"])
        contacts = records_where(self._org, "Contact", "AccountId", account_id)
        first = str(contacts[0]["Id"]) if contacts else ""
        return Account(record_id=account_id, name=str(record.get("Name")), contact_id=contact_id or first)

    def line(self, item: Record) -> OrderLine:
        """The line of an OrderItem record."""
        item_id = str(item["Id"])
        if item_id not in self._lines:
            revised = record_at(self._org, "OrderItem", item.get("SBQQ__RevisedOrderProduct__c"))
            self._lines[item_id] = OrderLine(
                record_id=item_id,
                order_id=str(item["OrderId"]),
                priced=self._priced(item, None if revised is None else self.line(revised)),
                subscription_id=_text(item, "SBQQ__Subscription__c"),
            )
        return self._lines[item_id]

    def contract(self, record: Record) -> Contract:
        """The contract of a Contract record, with all its contracted lines, oldest order first.

        Raises:
            CpqError: no order product names it, so nobody knows what it is about.
        """
        contract_id = str(record["Id"])
        items = self._contracted_items(record)
        if not items:
            raise CpqError(f"Contract {record.get('ContractNumber')} has no contracted order product.")
        lines = [self.line(item) for _, item in items]
        return Contract(
            record_id=contract_id,
            quote=self.quote(self._first_order(record, items[0][0]), contract=None),
            is_evergreen=bool(record.get("SBQQ__Evergreen__c")),
            start=_date(record, "StartDate") or min(line.priced.start for line in lines),
            end=None if record.get("SBQQ__Evergreen__c") else _date(record, "EndDate") or _latest_end(lines),
            lines=lines,
            orders=[],
        )

    def order(self, record: Record) -> Order:
        """The order of an Order record, with the contract it amends or renews.

        Raises:
            CpqError: the order does not come from a CPQ quote.
        """
        items = records_where(self._org, "OrderItem", "OrderId", str(record["Id"]))
        items.sort(key=_place)
        kind = self._kind(record)
        contract_id = self._amended(record, kind)
        amended = record_at(self._org, "Contract", contract_id)
        if kind == "Amendment" and amended is None:
            raise CpqError(f"Order {record.get('OrderNumber')} amends a contract that is not there.")
        contract = self.contract(amended) if kind == "Amendment" and amended is not None else None
        order_id = str(record["Id"])
        return Order(
            record_id=order_id,
            number=str(record.get("OrderNumber")),
            quote=self.quote(record, contract=contract),
            lines=tuple(self.line(item) for item in items),
            is_activated=is_activated(record),
            has_coupons=has_order_coupons(self._org, order_id, items),
        )

    def quote(self, order: Record, *, contract: Contract | None) -> Quote:
        """The quote behind an order, without its lines.

        Raises:
            CpqError: the order does not come from a CPQ quote, or has no account.
        """
        record = self._quote_record(order)
        account = record_at(self._org, "Account", order.get("AccountId"))
        if account is None:
            raise CpqError(f"Order {order.get('OrderNumber')} has no account.")
        term = _number(record, "SBQQ__SubscriptionTerm__c")
        return Quote(
            record_id=str(record["Id"]),
            kind=self._kind(order),
            account=self.account(account, _text(order, "BillToContactId")),
            currency=str(order.get("CurrencyIsoCode") or self._settings.currency),
            opportunity_id=_text(order, "OpportunityId"),
            start=_date(record, "SBQQ__StartDate__c") or _date(order, "EffectiveDate") or _NO_DATE,
            end=_date(record, "SBQQ__EndDate__c"),
            term=None if term is None else int(term),
            payment_term=_text(order, "SBQQ__PaymentTerm__c") or _text(record, "SBQQ__PaymentTerms__c"),
            contracting_method=_text(record, "SBQQ__ContractingMethod__c") or SINGLE_CONTRACT,
            lines=(),
            coupons=quote_coupons(self._org, str(record["Id"])),
            contract=contract,
        )

    def contract_or_none(self, record: Record) -> Contract | None:
        """The same as `contract`, None for a contract that nobody can work on."""
        try:
            return self.contract(record)
        except CpqError:
            return None

    def _contracted_items(self, contract: Record) -> list[tuple[Record, Record]]:
        """The order products of a contract with their activated orders, oldest first.

        Those that name no contract count too where their order began or amends this one and no other.
        """
        contract_id = str(contract["Id"])
        found = {
            str(item["Id"]): item
            for item in records_where(self._org, "OrderItem", "SBQQ__Contract__c", contract_id)
        }
        for order_id in self._family(contract):
            items = records_where(self._org, "OrderItem", "OrderId", order_id)
            if {item.get("SBQQ__Contract__c") for item in items} <= {None, contract_id}:
                found |= {str(item["Id"]): item for item in items}
        pairs = [
            (order, item)
            for item in found.values()
            if (order := record_at(self._org, "Order", item.get("OrderId"))) is not None
            and is_activated(order)
        ]
        return sorted(pairs, key=lambda pair: (*_age(pair[0]), *_place(pair[1])))

    def _family(self, contract: Record) -> list[str]:
        opportunities = records_where(
            self._org, "Opportunity", "SBQQ__AmendedContract__c", str(contract["Id"])
        )
        amending = [
            str(order["Id"])
            for opportunity in opportunities
            for order in records_where(self._org, "Order", "OpportunityId", str(opportunity["Id"]))
        ]
        first = contract.get("SBQQ__Order__c")
        return [str(first), *amending] if first else amending

    def _first_order(self, contract: Record, otherwise: Record) -> Record:
        return record_at(self._org, "Order", contract.get("SBQQ__Order__c")) or otherwise

    def _quote_record(self, order: Record) -> Record:
        record = record_at(self._org, "SBQQ__Quote__c", order.get("SBQQ__Quote__c"))
        if record is None:
            raise CpqError(f"Order {order.get('OrderNumber')} does not come from a CPQ quote.")
        return record

    def _kind(self, order: Record) -> QuoteKind:
        kind = _text(self._quote_record(order), "SBQQ__Type__c") or ""
        opportunity = record_at(self._org, "Opportunity", order.get("OpportunityId")) or {}
        if opportunity.get("SBQQ__AmendedContract__c"):
            return "Amendment"
        return _KINDS.get(kind.lower(), "Quote")

    def _amended(self, order: Record, kind: QuoteKind) -> object:
        opportunity = record_at(self._org, "Opportunity", order.get("OpportunityId")) or {}
        by_opportunity = opportunity.get("SBQQ__AmendedContract__c")
        by_quote = self._quote_record(order).get("SBQQ__MasterContract__c")
        return (by_opportunity or by_quote) if kind == "Amendment" else None

    def _priced(self, item: Record, revised: OrderLine | None) -> PricedLine:
        product = self._sold_product(item)
        currency = str(item.get("CurrencyIsoCode") or self._settings.currency)
        multiplier = _number(item, "SBQQ__ProrateMultiplier__c") or Decimal(1)
        term, block = _number(item, "SBQQ__SubscriptionTerm__c"), item.get("SBQQ__BlockPrice__c")
        net_price = revised.priced.net_price if revised else self._net_price(item, multiplier, currency)
        start = _date(item, "ServiceDate") or _NO_DATE
        line = Line(
            product=product,
            quantity=_number(item, "Quantity") or Decimal(0),
            start=start,
            end=_date(item, "EndDate"),
            price=_decimal(net_price),
            frequency=_text(item, "SBQQ__BillingFrequency__c"),
            block_price=_decimal(net_price) if block else None,
            segment=self._segment(item),
            coupons=quote_line_coupons(self._org, str(item.get("SBQQ__QuoteLine__c"))),
            # A line that is not billed stays so, whatever an amendment does to its quantity.
            fields={name: value for name, value in item.items() if name.endswith("Skip_Line_Item__c")},
        )
        return PricedLine(
            line=line,
            quote_line_id=_text(item, "SBQQ__QuoteLine__c") or "",
            start=start,
            end=_date(item, "EndDate"),
            term=None if term is None else int(term),
            quantity=_number(item, "Quantity") or Decimal(0),
            list_price=_number(item, "ListPrice") or Decimal(0),
            net_price=net_price,
            multiplier=Fraction(multiplier),
            unit_price=_number(item, "UnitPrice") or Decimal(0),
            total=_number(item, "TotalPrice") or Decimal(0),
            action=_text(item, "SBQQ__ContractAction__c") or "New",
            revises=revised,
            terminated_on=_date(item, "SBQQ__TerminatedDate__c"),
            entry_id=_text(item, "PricebookEntryId"),
        )

    def _sold_product(self, item: Record) -> Product:
        """The product as it was sold on a line, whatever the catalog says of it by now."""
        record = record_at(self._org, "Product2", item.get("Product2Id")) or {"Id": item.get("Product2Id")}
        term = _number(item, "SBQQ__DefaultSubscriptionTerm__c")
        return replace(
            self.product(record),
            default_term=None if term is None else int(term),
            pricing=_text(item, "SBQQ__SubscriptionPricing__c"),
            subscription_type=_text(item, "SBQQ__SubscriptionType__c"),
            frequency=_text(item, "SBQQ__BillingFrequency__c"),
            billing_type=_text(item, "SBQQ__BillingType__c"),
            charge_type=_text(item, "SBQQ__ChargeType__c") or "Recurring",
        )

    def _net_price(self, item: Record, multiplier: Decimal, currency: str) -> Fraction:
        """The price of one default term: the first that the records name and that gives the unit price."""
        unit_price = Fraction(_number(item, "UnitPrice") or Decimal(0))
        quote_line = record_at(self._org, "SBQQ__QuoteLine__c", item.get("SBQQ__QuoteLine__c")) or {}
        discount = Fraction(_number(quote_line, "SBQQ__Discount__c") or Decimal(0))
        candidates = [
            Fraction(_number(item, "ListPrice") or Decimal(0)) * (100 - discount) / 100,
            Fraction(_number(item, "SBQQ__UnproratedNetPrice__c") or Decimal(0)),
        ]
        for candidate in candidates:
            if Fraction(self._settings.unit_price(candidate * Fraction(multiplier), currency)) == unit_price:
                return candidate
        return unit_price / Fraction(multiplier)

    def _segment(self, item: Record) -> Segment | None:
        index, key = _number(item, "SBQQ__SegmentIndex__c"), _text(item, "SBQQ__SegmentKey__c")
        if index is None or key is None:
            return None
        return Segment(
            key=key,
            index=int(index),
            label="",
            kind=_text(item, "SBQQ__DimensionType__c") or "Year",
            dimension_id=_text(item, "SBQQ__PriceDimension__c") or "",
        )


def is_activated(order: Record) -> bool:
    """Whether an order is activated; labels of Status can be renamed, its code cannot."""
    return order.get("StatusCode") == ACTIVATED


def _age(order: Record) -> tuple[str, str]:
    return str(order.get("ActivatedDate") or ""), str(order["Id"])


def _place(item: Record) -> tuple[str, str]:
    return str(item.get("OrderItemNumber")), str(item["Id"])


def _latest_end(lines: Iterable[OrderLine]) -> date | None:
    return max((line.priced.end for line in lines if line.priced.end is not None), default=None)


def _text(record: Record, field: str) -> str | None:
    value = record.get(field)
    return value if isinstance(value, str) and value else None


def _number(record: Record, field: str) -> Decimal | None:
    value: Any = record.get(field)
    if not isinstance(value, (int, Decimal)) or isinstance(value, bool):
        return None
    # REST writes 10.0; people and the engine's messages say 10.
    return Decimal(int(value)) if value == int(value) else Decimal(value)


def _date(record: Record, field: str) -> date | None:
    text = _text(record, field)
    return date.fromisoformat(text) if text else None


def _decimal(number: Fraction) -> Decimal:
    return Decimal(number.numerator) / Decimal(number.denominator)
