"""What a sales representative types in, and the handles the engine gives back for it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from fractions import Fraction
from typing import Any, Literal, TypedDict

Record = dict[str, Any]
Amount = Decimal | int | str
Frequency = Literal["Monthly", "Quarterly", "Semiannual", "Annual"]
QuoteKind = Literal["Quote", "Amendment", "Renewal"]


class CpqError(ValueError):
    """CPQ would not let a user do this; the text says what and why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tier:
    """One consumption rate: the price from `lower` to `upper`, both included (None is open).

    Both bounds are quantities that still belong to the rate (Salesforce Help, Consumption Rate Fields: the
    lowest and the highest quantity of usage for the rate, read 21 Nov 2026).
    """

    lower: int
    upper: int | None
    price: Decimal
    method: str = "PerUnit"


@dataclass(frozen=True, slots=True, kw_only=True)
class UsageSchedule:
    """A consumption schedule of a usage product: `Slab` prices each band, `Range` the whole quantity.

    CPQ copies it onto order products while *Enable Usage Based Pricing* is on in the package settings;
    `is_copied` False stands for an org where that was off, so that only the product names the schedule.
    """

    tiers: tuple[Tier, ...]
    kind: str = "Slab"
    unit: str = "Each"
    is_copied: bool = True
    record_id: str = ""


class ProductOptions(TypedDict, total=False):
    """The billing fields of a product; what is absent is blank."""

    description: str
    code: str
    default_term: int | None
    pricing: str | None
    subscription_type: str | None
    frequency: str | None
    billing_type: str | None
    charge_type: str
    pricing_method: str
    percent: Decimal | None
    unit: str
    refundable: bool
    usage: UsageSchedule | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Product:
    """A product of the catalog; `default_term` is the months its list price is for, None the blank field."""

    record_id: str
    name: str
    description: str | None = None
    code: str | None = None
    default_term: int | None = 12
    pricing: str | None = "Fixed Price"
    subscription_type: str | None = "Renewable"
    frequency: str | None = "Monthly"
    billing_type: str | None = "Advance"
    charge_type: str = "Recurring"
    pricing_method: str = "List"
    percent: Decimal | None = None
    unit: str = "Each"
    refundable: bool = False
    usage: UsageSchedule | None = None

    @property
    def is_recurring(self) -> bool:
        """Whether the product is a subscription; others become assets."""
        return self.pricing is not None

    @property
    def is_evergreen(self) -> bool:
        """Whether the product is a subscription without an end."""
        return self.is_recurring and self.subscription_type == "Evergreen"


@dataclass(frozen=True, slots=True, kw_only=True)
class Coupon:
    """A Quote Stripe Coupon record."""

    record_id: str
    fields: Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Segment:
    """The place of a line in a ramp (MDQ): the same key for all segments of a ramp, the index from 1."""

    key: str
    index: int
    label: str
    kind: str
    dimension_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """A new quote line.

    `price` replaces the list price of one default term; `discount` is a percentage off it. `block_price` is
    the price of the whole quantity for one default term. `covers` and `required_by` are positions in the
    list of lines: what a percent-of-total line is computed from (None: all other lines), and the bundle a
    line belongs to. `fields` are set on the order product as they are.
    """

    product: Product
    quantity: Decimal | int = 1
    start: date | None = None
    end: date | None = None
    term: int | None = None
    price: Amount | None = None
    discount: Decimal | int = 0
    frequency: str | None = None
    block_price: Amount | None = None
    covers: tuple[int, ...] | None = None
    required_by: int | None = None
    bundled: bool = False
    segment: Segment | None = None
    coupons: tuple[Coupon, ...] = ()
    fields: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """An account and its one contact, who has an e-mail address or not."""

    record_id: str
    name: str
    contact_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PricedLine:
    """A quote line after the price waterfall; quantity and total are differences on an amendment.

    `list_price` and `net_price` are for one default term, `unit_price` for the line's own time. `entry_id`
    is the price book entry it was sold with, None for what the price book has now.
    """

    line: Line
    quote_line_id: str
    start: date
    end: date | None
    term: int | None
    quantity: Decimal
    list_price: Decimal
    net_price: Fraction
    multiplier: Fraction
    unit_price: Decimal
    total: Decimal
    prior_quantity: Decimal = Decimal(0)
    action: str = "New"
    revises: "OrderLine | None" = None
    terminated_on: date | None = None
    entry_id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Quote:
    """A primary quote with its priced lines."""

    record_id: str
    kind: QuoteKind
    account: Account
    currency: str
    opportunity_id: str | None
    start: date
    end: date | None
    term: int | None
    payment_term: str | None
    contracting_method: str
    lines: tuple[PricedLine, ...]
    coupons: tuple[Coupon, ...] = ()
    contract: "Contract | None" = None


@dataclass(slots=True, kw_only=True, eq=False)
class OrderLine:
    """An order product. `lineage` is the line it revises in the end, or itself."""

    record_id: str
    order_id: str
    priced: PricedLine
    subscription_id: str | None = None

    @property
    def lineage(self) -> "OrderLine":
        """The first line of the lineage."""
        return self.priced.revises.lineage if self.priced.revises else self

    @property
    def reduces(self) -> "OrderLine":
        """The line that added the units a difference takes away; of a line that adds units itself."""
        revised = self.priced.revises
        return revised.reduces if revised is not None and self.priced.quantity < 0 else self


@dataclass(slots=True, kw_only=True, eq=False)
class Order:
    """An order and its lines in the order of the quote."""

    record_id: str
    number: str
    quote: Quote
    lines: tuple[OrderLine, ...]
    is_activated: bool = False
    has_coupons: bool = False
    contracts: "list[Contract]" = field(default_factory=list)


@dataclass(slots=True, kw_only=True, eq=False)
class Contract:
    """A contract with every contracted line of its history, amendments included."""

    record_id: str
    quote: Quote
    is_evergreen: bool
    start: date
    end: date | None
    lines: list[OrderLine]
    orders: list[Order]

    def lineages(self) -> list[OrderLine]:
        """The first lines of all lineages, in the order they were contracted."""
        return [line for line in self.lines if line.lineage is line]

    def quantity(self, lineage: OrderLine) -> Decimal:
        """The quantity left of a lineage after all contracted amendments."""
        return sum((line.priced.quantity for line in self.lines if line.lineage is lineage), Decimal(0))

    def remaining(self) -> dict[OrderLine, Decimal]:
        """The quantity left of each line that added units, zeros too, in the order they were contracted.

        A reduction takes from the line it revises; what that one lacks comes off its lineage, newest first.
        """
        left: dict[OrderLine, Decimal] = {}
        for line in self.lines:
            if line.lineage is line or line.priced.quantity >= 0:
                left[line] = line.priced.quantity
                continue
            taken = -line.priced.quantity
            newest_first = [other for other in left if other.lineage is line.lineage][::-1]
            for other in sorted(newest_first, key=lambda each: each is not line.reduces):
                units = min(taken, max(left[other], Decimal(0)))
                left[other] -= units
                taken -= units
        return left


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """A change of the quantity of a contracted line by so many units, up or down."""

    line: OrderLine
    by: Decimal | int


Changes = Sequence[Change | Line]
