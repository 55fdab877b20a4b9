"""What was sold: order lines, orders, and the history of one contract."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum

from cpqbridge.domain.refusal import Refusal

Parameters = Mapping[str, object]
"""Stripe parameters by dot path (`address.line1`, `metadata.region`), computed by the data mapper."""


class LineKind(StrEnum):
    """Whether a line recurs (B2.1)."""

    RECURRING = "recurring"
    ONE_TIME = "one_time"


class OrderKind(StrEnum):
    """What an order is in its contract's history (B1.3)."""

    INITIAL = "initial"
    AMENDMENT = "amendment"
    RENEWAL = "renewal"


class TiersMode(StrEnum):
    """How tiers price a quantity (B3.5): each unit by its own tier, or all by the tier they reach."""

    GRADUATED = "graduated"
    VOLUME = "volume"


@dataclass(frozen=True, slots=True, kw_only=True)
class Tier:
    """One tier of a consumption schedule: the last unit it holds, None for the open one.

    `unit_price` is for each unit in the tier, `flat_price` once when the tier is reached, in major units; one
    of them is None.
    """

    up_to: int | None
    unit_price: Decimal | None = None
    flat_price: Decimal | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class TierTable:
    """The price tiers of a line for one billing period, lowest first; exactly the last is open."""

    mode: TiersMode
    tiers: tuple[Tier, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Segment:
    """Which segment of a ramp a line is (B7): `index` from 1, `label` as people see it (may be empty)."""

    key: str
    index: int
    label: str = ""


class CouponDuration(StrEnum):
    """How long a coupon reduces invoices (B11)."""

    ONCE = "once"
    REPEATING = "repeating"
    FOREVER = "forever"


@dataclass(frozen=True, slots=True, kw_only=True)
class Coupon:
    """A coupon on an order or a line: `percent_off` in (0, 100], else `amount_off` in major units.

    `currency` belongs to `amount_off`. `coupon_id` is the Salesforce record on the order.
    `duration_in_months` is given for repeating ones only.
    """

    coupon_id: str
    name: str
    duration: CouponDuration
    percent_off: Decimal | None = None
    amount_off: Decimal | None = None
    currency: str | None = None
    duration_in_months: int | None = None
    max_redemptions: int | None = None
    parameters: Parameters = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderLine:
    """One order product as sold. Prices are in major units, exactly as CPQ stored them.

    `starts_on` is the first day of service, `ends_on` the last one (inclusive); None on an evergreen line and
    on a one-time line without dates. `default_term_months` is the length the list price is for (12 when CPQ
    has none). `metered` lines are billed for usage after each period and carry no quantity. `tiers` are those
    of its consumption schedule, `coupons` those of the line itself. `custom_price` is the price of one unit
    for one whole billing period, where a field of its own holds it (B3.9). `price_parameters` and
    `item_parameters` come from the data mapper.
    """

    order_item_id: str
    order_id: str
    kind: LineKind
    product_id: str
    pricebook_entry_id: str
    quantity: Decimal
    unit_price: Decimal
    total_price: Decimal
    starts_on: date
    ends_on: date | None
    frequency_months: int | None = None
    default_term_months: Decimal = Decimal(12)
    prorate_multiplier: Decimal | None = None
    multiplier_decimals: int | None = None
    entry_unit_price: Decimal | None = None
    revises: str | None = None
    metered: bool = False
    evergreen: bool = False
    segment: Segment | None = None
    tiers: TierTable | None = None
    coupons: tuple[Coupon, ...] = ()
    custom_price: Decimal | None = None
    displayed_price_id: str | None = None
    price_parameters: Parameters = field(default_factory=dict)
    item_parameters: Parameters = field(default_factory=dict)
    product_name: str = ""

    @property
    def words(self) -> str:
        """Return how messages name the line: by its id, and its product where that is known."""
        name = f" ({self.product_name})" if self.product_name else ""
        return f"Order line {self.order_item_id}{name}"


@dataclass(frozen=True, slots=True, kw_only=True)
class SkippedLine:
    """A line that is left out on purpose (B1.6): `left_out_by` is the check box, or the filter's setting.

    `total_price` is what it was sold for, in major units; 0 where that cannot be read.
    """

    order_item_id: str
    total_price: Decimal
    left_out_by: str
    product_name: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """One order of a contract. Lines that are skipped or have quantity 0 are already left out.

    `activated` is the qualifying condition's answer; `parameters` are those of the schedule, subscription
    or invoice; `days_until_due` None means that Stripe charges automatically, and so does
    `subscription_days_until_due` for the subscription of evergreen lines, which has a mapping of its own; an
    order of which nothing else recurs has it in both. `trial_ends_on` is the first
    day that is billed, None without a trial; `coupons` are those of the whole order. `before_start_date`
    tells that it was activated before the connection's start date: beside an activated order from after it
    the order stays `activated` and asks for a take-over (B1.8), alone it is not.
    """

    order_id: str
    order_number: str
    kind: OrderKind
    activated: bool
    activated_at: datetime | None
    effective_on: date
    lines: tuple[OrderLine, ...]
    currency: str
    days_until_due: int | None
    subscription_days_until_due: int | None = None
    skip_past_initial_invoices: bool = False
    end_behavior: str = "cancel"
    trial_ends_on: date | None = None
    coupons: tuple[Coupon, ...] = ()
    skipped_lines: tuple[SkippedLine, ...] = ()
    modified_at: str = ""
    before_start_date: bool = False
    displayed_stripe_id: str | None = None
    schedule_parameters: Parameters = field(default_factory=dict)
    phase_parameters: Parameters = field(default_factory=dict)
    subscription_parameters: Parameters = field(default_factory=dict)
    invoice_parameters: Parameters = field(default_factory=dict)

    @property
    def skipped_line_ids(self) -> tuple[str, ...]:
        """Return the ids of the lines that are left out on purpose."""
        return tuple(line.order_item_id for line in self.skipped_lines)


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """Who pays: the Salesforce account and the parameters of its Stripe customer."""

    account_id: str
    displayed_customer_id: str | None
    email: str | None
    parameters: Parameters


@dataclass(frozen=True, slots=True, kw_only=True)
class Product:
    """One product as it should stand in Stripe."""

    product_id: str
    displayed_product_id: str | None
    name: str
    parameters: Parameters


@dataclass(frozen=True, slots=True, kw_only=True)
class RenewedLine:
    """Units of a recurring line of a renewed contract that are served until the same day.

    `starts_on` and `ends_on` are the first and the last day, `quantity` is above 0. `total` is what these
    units were sold for over that time, in major units of the line's order; where a reduction ends them early,
    it is their share by days. A line of which several reductions take units stands here several times.
    """

    order_item_id: str
    product_id: str
    product_name: str
    quantity: Decimal
    starts_on: date
    ends_on: date
    total: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class RenewedContract:
    """The contract that a renewal renews, with all its activated amendments (B6.12).

    `root_id` is its original quote, None where that cannot be seen; `ends_on` the last day of its service.
    """

    contract_id: str
    root_id: str | None
    ends_on: date | None
    lines: tuple[RenewedLine, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderHistory:
    """The initial orders and every amendment of one contract, in effective order (B1.4, B1.5).

    `root_id` is the id of the original quote: it stands from the first day on, so lanes and links use it.
    `contract_key` is what people see: the contract's id, or the first order's id while CPQ has made none.
    `refusals` are what the mapper found; orders named by one carry no plan. `org_url` is the address records
    are linked to, without a slash at the end; empty leaves links out. `renewed` is the contract that this one
    renews, None where it renews none.
    """

    root_id: str
    contract_key: str
    account: Account
    orders: tuple[Order, ...]
    products: Mapping[str, Product]
    refusals: tuple[Refusal, ...] = ()
    warnings: tuple[str, ...] = ()
    org_url: str = ""
    renewed: RenewedContract | None = None

    def order(self, order_id: str) -> Order | None:
        """Return the order with this id, or None."""
        return next((order for order in self.orders if order.order_id == order_id), None)
