"""What CPQ writes when somebody sells, adds, reduces or ends: order lines priced by its documented formulas.

Prices follow salesforce.md 4.5: UnitPrice = list × (1 - discount) × M, rounded half up to the currency, with
M = T ÷ P and T the term in months by the package's proration setting; TotalPrice = UnitPrice × quantity. Lines
of an amendment are deltas: a reduction has one line for each subscription it reduces, with a positive
UnitPrice for the time from its own start to that subscription's end, and a negative quantity. All ends here
are exclusive; the order lines carry the last day, as Salesforce does.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import date, datetime
from decimal import Context, Decimal
from fractions import Fraction

from tests.acceptance.slow_calculator import DAY, DECIMALS, rounded, term, whole_months

from cpqbridge.domain.order import (
    Account,
    LineKind,
    Order,
    OrderHistory,
    OrderKind,
    OrderLine,
    Product,
    Segment,
)

# The API gives a stored double, which carries 15 digits.
_DOUBLE = Context(prec=15)


@dataclass(frozen=True, kw_only=True)
class Offer:
    """A product as the price book lists it (`price` for `months`), less a discount in percent.

    It is billed `every` so many months, None: as the desk's contract is. An `evergreen` one is sold without
    end, at its price for a month. `custom` is the price of a unit for a billing period that a field of its own
    holds.
    """

    number: int
    price: Decimal
    months: int = 1
    discount: int = 0
    every: int | None = None
    evergreen: bool = False
    custom: Decimal | None = None

    @property
    def monthly(self) -> Fraction:
        return Fraction(self.price) * (100 - self.discount) / 100 / self.months


@dataclass(kw_only=True)
class Subscription:
    """What contracting makes of a positive line: `units` of it are left, as of the last activated order."""

    line: OrderLine
    offer: Offer
    root_id: str
    end: date
    units: int

    @property
    def start(self) -> date:
        return self.line.starts_on


@dataclass(kw_only=True)
class Purchase:
    """A one-time line of which `units` were not given back."""

    line: OrderLine
    units: int


@dataclass(frozen=True, kw_only=True)
class Revision:
    """An order's change of a line: by how many units (negative: fewer), from which day."""

    order_id: str
    line_id: str
    units: int
    on: date


def _total(price: Decimal, units: int) -> Decimal:
    # A free line that is reduced has the total 0, not the -0 that decimals know.
    return price * units if price else price


def exact_decimal(value: Fraction, decimals: int) -> Decimal:
    """Return a number that has at most so many decimals."""
    scaled = value * 10**decimals
    assert scaled.denominator == 1
    return Decimal(scaled.numerator).scaleb(-decimals)


class Desk:
    """One contract at a CPQ desk; every call stands for what a sales person does on one quote.

    `multipliers` says how the org shows CPQ's multiplier: full, short (four decimals) or none. Orders are
    written in the order of their activation; what is left of a line is judged then, as CPQ does. `until` is
    up to when what is sold without end is looked at.
    """

    def __init__(
        self,
        *,
        precision: str,
        currency: str,
        months: int,
        multipliers: str = "full",
        until: date = date.max,
    ) -> None:
        self.precision, self.currency, self.months = precision, currency, months
        self.multipliers, self.until = multipliers, until
        self.subscriptions: list[Subscription] = []
        self.purchases: list[Purchase] = []
        self.orders: list[Order] = []
        self.revisions: list[Revision] = []
        self._pending: list[OrderLine] = []
        self._line_count = 0

    @property
    def alive(self) -> list[Subscription]:
        """Return the subscriptions with units left, in the order they were sold."""
        return [subscription for subscription in self.subscriptions if subscription.units]

    def sell(
        self,
        offer: Offer,
        units: int,
        start: date,
        end: date,
        *,
        typed_term: bool = False,
        raises: Subscription | None = None,
        segment: Segment | None = None,
    ) -> Subscription:
        """Add units: of a new lineage, or (`raises`) more units of a line, at its price and to its end."""
        end = max(self.until, start + DAY) if offer.evergreen else end
        revises = raises.line.order_item_id if raises else None
        line = self._recurring(offer, units, start, end, typed_term=typed_term, revises=revises)
        line = replace(line, segment=raises.line.segment if raises else segment)
        self.write(line)
        if raises:
            self._note(line, raises.line)
        made = Subscription(
            line=line,
            offer=offer,
            root_id=raises.root_id if raises else line.order_item_id,
            end=end,
            units=units,
        )
        self.subscriptions.append(made)
        return made

    def reduce(
        self, subscription: Subscription, units: int, on: date, *, revises_first: bool = False
    ) -> OrderLine:
        """Take units away from `on`, or from the line's own later start."""
        line = self.priced(subscription, -units, on)
        if revises_first:
            line = replace(line, revises=subscription.root_id)
        self.write(line)
        subscription.units -= units
        self._note(line, subscription.line)
        return line

    def priced(self, subscription: Subscription, delta: int, on: date) -> OrderLine:
        """Return the line that changes a subscription from `on`, without putting it on the quote."""
        revises = subscription.line.order_item_id
        start = max(on, subscription.start)
        line = self._recurring(subscription.offer, delta, start, subscription.end, revises=revises)
        return replace(line, segment=subscription.line.segment)

    def write(self, line: OrderLine) -> None:
        """Put a line on the quote."""
        self._pending.append(line)

    def terminate(self, on: date) -> None:
        """Reduce everything to zero; lines that ended by then are no longer shown on the quote."""
        for subscription in self.alive:
            if subscription.end > on:
                self.reduce(subscription, subscription.units, on)

    def charge_once(self, price: Decimal, units: int, start: date) -> Purchase:
        made = Purchase(line=self._one_time(price, units, start), units=units)
        self.write(made.line)
        self.purchases.append(made)
        return made

    def give_back(self, purchase: Purchase, units: int, on: date) -> OrderLine:
        """Reduce a one-time line (Asset Amendment Behavior: Allow Refund)."""
        purchase.units -= units
        sold = purchase.line
        line = self._one_time(sold.unit_price, -units, max(on, sold.starts_on), revises=sold.order_item_id)
        self.write(line)
        self._note(line, sold)
        return line

    def activate(
        self,
        kind: OrderKind,
        effective_on: date,
        activated_at: datetime,
        *,
        days_until_due: int | None = 30,
        trial_ends_on: date | None = None,
    ) -> Order:
        """Make and activate the order of what is on the quote; it is billed from the end of the trial on."""
        order = Order(
            order_id=self._order_id,
            order_number=f"{100 + len(self.orders):08}",
            kind=kind,
            activated=True,
            activated_at=activated_at,
            effective_on=effective_on,
            lines=tuple(self._pending),
            currency=self.currency,
            days_until_due=days_until_due,
            subscription_days_until_due=days_until_due,
            trial_ends_on=trial_ends_on,
        )
        self._pending = []
        self.orders.append(order)
        return order

    def history(self) -> OrderHistory:
        """Return the contract as the mapper reads it: orders in effective order (B1.5)."""
        products = {line.product_id: line.product_name for order in self.orders for line in order.lines}
        return OrderHistory(
            root_id="a0qQUOTE1",
            contract_key="800CONTRACT1",
            account=Account(
                account_id="001ACCOUNT1",
                displayed_customer_id=None,
                email="billing@baden.example",
                parameters={"name": "Baden Trading", "email": "billing@baden.example"},
            ),
            orders=in_effective_order(self.orders),
            products={
                product_id: Product(
                    product_id=product_id, displayed_product_id=None, name=name, parameters={}
                )
                for product_id, name in products.items()
            },
        )

    @property
    def _order_id(self) -> str:
        return f"801ORDER{len(self.orders) + 1:02}"

    def _line_id(self) -> str:
        self._line_count += 1
        return f"802LINE{self._line_count:03}"

    def _recurring(
        self,
        offer: Offer,
        units: int,
        start: date,
        end: date,
        *,
        typed_term: bool = False,
        revises: str | None = None,
    ) -> OrderLine:
        # Given a term, CPQ takes it as it is; given dates, the package setting decides.
        months = Fraction(whole_months(start, end)) if typed_term else term(start, end, self.precision)
        if offer.evergreen:
            months = Fraction(1)
        decimals = DECIMALS[self.currency]
        unit_price = exact_decimal(rounded(offer.monthly * months, decimals), decimals)
        return OrderLine(
            order_item_id=self._line_id(),
            order_id=self._order_id,
            kind=LineKind.RECURRING,
            product_id=f"01tPRODUCT{offer.number:02}",
            pricebook_entry_id=f"01uENTRY{offer.number:02}",
            product_name=f"Product {offer.number}",
            quantity=Decimal(units),
            unit_price=unit_price,
            total_price=_total(unit_price, units),
            starts_on=start,
            ends_on=None if offer.evergreen else end - DAY,
            frequency_months=offer.every or self.months,
            default_term_months=Decimal(offer.months),
            prorate_multiplier=self._multiplier(months / offer.months),
            multiplier_decimals=4 if self.multipliers == "short" else None,
            entry_unit_price=offer.price,
            revises=revises,
            evergreen=offer.evergreen,
            custom_price=offer.custom,
        )

    def _one_time(self, price: Decimal, units: int, start: date, *, revises: str | None = None) -> OrderLine:
        return OrderLine(
            order_item_id=self._line_id(),
            order_id=self._order_id,
            kind=LineKind.ONE_TIME,
            product_id="01tSETUP",
            pricebook_entry_id="01uSETUP",
            product_name="Onboarding",
            quantity=Decimal(units),
            unit_price=price,
            total_price=_total(price, units),
            starts_on=start,
            ends_on=None,
            revises=revises,
        )

    def _note(self, line: OrderLine, changed: OrderLine) -> None:
        self.revisions.append(
            Revision(
                order_id=line.order_id,
                line_id=changed.order_item_id,
                units=int(line.quantity),
                on=line.starts_on,
            )
        )

    def _multiplier(self, value: Fraction) -> Decimal | None:
        if self.multipliers == "none":
            return None
        if self.multipliers == "short":
            return exact_decimal(rounded(value, 4), 4)
        return _DOUBLE.divide(Decimal(value.numerator), Decimal(value.denominator))


def in_effective_order(orders: list[Order]) -> tuple[Order, ...]:
    return tuple(sorted(orders, key=lambda order: (order.effective_on, order.activated_at, order.order_id)))
