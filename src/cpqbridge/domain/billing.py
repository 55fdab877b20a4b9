"""What Stripe holds for a contract as far as we made it, and the plan towards what it should hold."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from enum import StrEnum

from cpqbridge.domain.money import charge_minor
from cpqbridge.domain.order import OrderKind, Parameters
from cpqbridge.domain.pricing import DiscountTerms, TieredPrice
from cpqbridge.domain.refusal import OrderState, Refusal
from cpqbridge.domain.usage import UsageSpan


@dataclass(frozen=True, slots=True, kw_only=True)
class Link:
    """A Stripe object we made or adopted, under the key that finds it again.

    Keys: `customer:<account id>`, `product:<product id>`, `meter:<product id>`, `coupon:<coupon id>`,
    `price:<lookup key>`, `schedule:<root id>:<anchor>:<n>`, `invoice:<root id>:<order id>:<day>` (its lines
    under `invoice_lines:…`, its finalisation under `invoice_final:…`), and `credit_note:<root id>:<order
    id>:<day>:<n>` for each part of a credit. `fingerprint` is the hash of the parameters last sent; equal
    fingerprints mean there is nothing to write.
    """

    key: str
    stripe_id: str
    fingerprint: str


@dataclass(frozen=True, slots=True, kw_only=True)
class BilledLine:
    """One line of an invoice as Stripe has it (minor units); `creditable_minor` is what no credit note took.

    Both are net of `off_minor`, what discounts took off the line. `kind` and `period_start` are its identity
    where it is a one-time charge; a cycle has the kind cycle.
    """

    line_id: str
    order_item_ids: tuple[str, ...]
    kind: str
    period_start: date
    amount_minor: int
    creditable_minor: int
    off_minor: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class BilledInvoice:
    """An invoice of a contract as Stripe has it (minor units), read when a credit note is due.

    `creditable_minor` is the total less the credit notes issued so far, `unpaid_minor` what is still to be
    paid of it. `final_at` is when a draft becomes final, None on one that is final.
    """

    invoice_id: str
    status: str
    created_at: datetime
    total_minor: int
    creditable_minor: int
    unpaid_minor: int
    final_at: datetime | None
    lines: tuple[BilledLine, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Ref:
    """The Stripe id that the link under `key` will have once its step is done."""

    key: str


class StepAction(StrEnum):
    """What one step asks of Stripe; one call each."""

    CREATE_CUSTOMER = "create_customer"
    UPDATE_CUSTOMER = "update_customer"
    CREATE_PRODUCT = "create_product"
    UPDATE_PRODUCT = "update_product"
    CREATE_METER = "create_meter"
    CREATE_COUPON = "create_coupon"
    CREATE_PRICE = "create_price"
    CREATE_SCHEDULE = "create_schedule"
    UPDATE_SCHEDULE = "update_schedule"
    CANCEL_SCHEDULE = "cancel_schedule"
    CREATE_INVOICE = "create_invoice"
    ADD_INVOICE_LINES = "add_invoice_lines"
    FINALIZE_INVOICE = "finalize_invoice"
    CREATE_CREDIT_NOTE = "create_credit_note"
    CREDIT_BALANCE = "credit_balance"


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One call to Stripe. `parameters` is the nested body; `Ref` values are filled in while applying.

    `key` is the link the outcome is stored under; `target` the Stripe id (or Ref) a call acts on.
    `expected_total_minor`, where set, is what the resulting invoice must sum to. `object_key`, where set,
    names the object of the plan that stands as planned once this call is answered.
    """

    key: str
    action: StepAction
    parameters: Mapping[str, object]
    fingerprint: str
    summary: str
    target: str | Ref | None = None
    expected_total_minor: int | None = None
    object_key: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PhaseItem:
    """One recurring item of a phase. `unit_amount_decimal` is in minor units, as Stripe writes it.

    `units` are the units of each order line, in the order of `order_item_ids`; they sum to `quantity`. An
    item with `tiers` is priced by them; a `metered` one by what its customer uses, after each period.
    """

    product_id: str
    order_item_ids: tuple[str, ...]
    price_key: str | None
    unit_amount_decimal: str
    interval_count: int
    quantity: int
    units: tuple[int, ...] = ()
    interval: str = "month"
    tiers: TieredPrice | None = None
    metered: bool = False
    discounts: tuple[DiscountTerms, ...] = ()
    parameters: Parameters = field(default_factory=dict)

    def charge_minor(self, units: int) -> int:
        """Return what one invoice line of so many units comes to; usage is not known before (0)."""
        if self.metered:
            return 0
        if self.tiers is not None:
            return self.tiers.charge_minor(units)
        return charge_minor(self.unit_amount_decimal, units)

    @property
    def unused_minor(self) -> int:
        """Return what a period comes to without any usage, in minor units; 0 where nothing is metered."""
        return self.tiers.unused_minor if self.metered and self.tiers is not None else 0


@dataclass(frozen=True, slots=True, kw_only=True)
class OneTimeItem:
    """One charge or credit (minor units, credits negative) for `period_start` up to, without, `period_end`.

    `kind` is its part in the line: head, tail, cut (a cycle the end cuts), catch_up, credit or one_time; with
    the order line and `period_start` it is the charge's identity (B6.2). `off_minor` is what coupons took
    off: the amount is net.
    """

    order_item_id: str
    order_id: str
    product_id: str
    kind: str
    amount_minor: int
    period_start: date
    period_end: date
    description: str
    off_minor: int = 0

    @property
    def identity(self) -> tuple[str, str, date]:
        """Return what tells this charge from every other: order line, kind, period start."""
        return self.order_item_id, self.kind, self.period_start


@dataclass(frozen=True, slots=True, kw_only=True)
class Phase:
    """Constant items from `starts_at` up to, not including, `ends_at` (aware UTC); free in a trial."""

    starts_at: datetime
    ends_at: datetime
    proration_behavior: str
    items: tuple[PhaseItem, ...]
    one_time_items: tuple[OneTimeItem, ...]
    order_ids: tuple[str, ...]
    trial: bool = False
    discounts: tuple[DiscountTerms, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class InvoiceLine:
    """One line of an invoice, net of coupons (minor units); `shares` says how much is for which order line.

    `kind` is cycle for a recurring item's period, else that of the one-time item. `off` says what coupons
    took off for which order line.
    """

    amount_minor: int
    period_start: date
    period_end: date
    description: str
    shares: tuple[tuple[str, int], ...]
    kind: str = "cycle"
    off: tuple[tuple[str, int], ...] = ()

    @property
    def off_minor(self) -> int:
        """Return what coupons took off the whole line, in minor units."""
        return sum(amount_minor for _, amount_minor in self.off)


@dataclass(frozen=True, slots=True, kw_only=True)
class ForecastInvoice:
    """An invoice (or, with negative lines, a credit note) that is made at `at` (aware UTC) by a plan."""

    object_key: str
    at: datetime
    currency: str
    lines: tuple[InvoiceLine, ...]
    kind: str = "invoice"

    @property
    def on(self) -> date:
        """Return the UTC date of its creation."""
        return self.at.date()

    @property
    def total_minor(self) -> int:
        """Return the sum of the lines in minor units, before tax."""
        return sum(line.amount_minor for line in self.lines)


@dataclass(frozen=True, slots=True, kw_only=True)
class ExecutedOrder:
    """An order as it shaped an object: when (its execution instant, B6.8), and the hash of what was sold.

    `drops_credits` tells that the policy `credits: none` was in force then; `cutover` is the first day we
    bill of a contract that was billed elsewhere before (B1.8).
    """

    order_id: str
    executed_at: datetime
    fingerprint: str
    drops_credits: bool = False
    cutover: date | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class BilledOrderLine:
    """What an object keeps of an order line for life: its price, and how its time before was billed.

    `unit_amount_decimal` is the price of one unit for one period (minor units), or `tiers` are. `carried`
    tells that the object's own first invoice bills the line's periods begun by then, `leads` that its first
    cycle was billed by itself, because nothing renewed on its day. `billed_from` is the first day that is
    billed at all (None: its start).
    """

    order_item_id: str
    unit_amount_decimal: str
    price_key: str | None
    tiers: TieredPrice | None = None
    carried: bool = False
    leads: bool = False
    billed_from: date | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class TakenUnits:
    """Units that a reducing order line takes from one line it reduces; never attributed anew (B6.1)."""

    reducing_id: str
    reduced_id: str
    units: int


@dataclass(frozen=True, slots=True, kw_only=True)
class CreditPortion:
    """A part of a credit: on the lines of one invoice, or (`invoice_id` None) on the customer's balance.

    `unpaid_minor` shrinks what is still to be paid, the rest was paid already. `lines` are amounts by line
    id, before the discounts that lie on the lines, as Stripe wants them told.
    """

    key: str
    invoice_id: str | None
    amount_minor: int
    unpaid_minor: int = 0
    lines: tuple[tuple[str, int], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class BillingObject:
    """A schedule, own invoice or credit that should exist, or as it was sent last.

    `kind` is schedule, invoice or credit; the latter two have one phase, whose one-time items they bill, and
    are made at `anchor_at`. `made_at` and `sent_at` are the instants at which a schedule was made and changed
    last, and `settled` is what it had invoiced by the latter, which nothing changes any more. `loaded` is how
    many of its phases Stripe was given (None: all), `ended_at` when it was cancelled. `target` is where the
    paid part of a credit goes. `past` is how its phases ran until the last change, `lost` what somebody
    stopped in Stripe before it was billed, by order line (minor units).
    """

    key: str
    kind: str
    currency: str
    phases: tuple[Phase, ...]
    end_behavior: str
    collection_method: str
    days_until_due: int | None
    anchor_at: datetime
    billing_mode: str = "flexible"
    orders: tuple[ExecutedOrder, ...] = ()
    lines: tuple[BilledOrderLine, ...] = ()
    taken: tuple[TakenUnits, ...] = ()
    settled: tuple[ForecastInvoice, ...] = ()
    past: tuple[Phase, ...] = ()
    made_at: datetime | None = None
    sent_at: datetime | None = None
    ended_at: datetime | None = None
    loaded: int | None = None
    portions: tuple[CreditPortion, ...] = ()
    target: str = "balance"
    lost: tuple[tuple[str, int], ...] = ()

    @property
    def order_ids(self) -> tuple[str, ...]:
        """Return the ids of the orders that shaped it, oldest first."""
        return tuple(order.order_id for order in self.orders)

    @property
    def lived(self) -> tuple[Phase, ...]:
        """Return its phases as they ran and will run: a changed one is two, before and after the change."""
        if not self.past:
            return self.phases
        changed_at = self.past[-1].ends_at
        coming = (phase for phase in self.phases if phase.ends_at > changed_at and self.ended_at is None)
        return (
            *self.past,
            *(replace(phase, starts_at=max(phase.starts_at, changed_at)) for phase in coming),
        )

    def lived_until(self, at: datetime) -> tuple[Phase, ...]:
        """Return its phases as they ran until `at`."""
        begun = (phase for phase in self.lived if phase.starts_at < at)
        return tuple(replace(phase, ends_at=min(phase.ends_at, at)) for phase in begun)


@dataclass(frozen=True, slots=True, kw_only=True)
class ContractRecord:
    """Orders that were carried out although nothing was sent for them, and the units they took.

    They take effect later, by themselves, or come to nothing; their instant counts all the same (B6.8).
    """

    orders: tuple[ExecutedOrder, ...] = ()
    taken: tuple[TakenUnits, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Touched:
    """What somebody else did to a schedule in Stripe, in plain words (B6.13).

    `is_over` tells that it ended there before its time, at `ended_at` as far as that is known; `goes_on` is
    the subscription that bills on without it. `marks` are its parts, the same on every day.
    """

    words: str
    is_over: bool = False
    ended_at: datetime | None = None
    goes_on: str | None = None
    marks: tuple[str, ...] = field(default=(), compare=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class RunningDiscount:
    """A discount that a subscription has in Stripe: of which coupon, on which item (None: on all of it).

    `order_item_ids` are the order lines of the item, as its metadata joins them; `ends_at` is when its months
    are over (aware UTC), None without an end.
    """

    discount_id: str
    coupon_id: str
    order_item_ids: str | None = None
    ends_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class BillingState:
    """What exists for one contract: links by key, and its objects as they were sent last, by key.

    `verified_prices` are prices named by a Salesforce record that were read from Stripe: price id -> its
    parameters (`product`, `currency`, `unit_amount_decimal`, `interval`, `interval_count`, `usage_type`,
    `active`). `invoices` are the contract's invoices in Stripe, None where they were not read; `touched`
    says, by object key, what somebody else did to a schedule in Stripe. `recent_cancels` counts the schedules
    the connection cancelled in the last hour, `renewed` are the schedules of the contract this one renews.
    `discounts` are those that run in Stripe, by object key, as far as they were read; `running_since` is when
    the running phase of a schedule began there, by object key, where that is not as it was sent.
    `usage_elsewhere` is what other contracts of the customer bill by usage.
    """

    links: Mapping[str, Link] = field(default_factory=dict)
    objects: Mapping[str, BillingObject] = field(default_factory=dict)
    verified_prices: Mapping[str, Parameters] = field(default_factory=dict)
    invoices: tuple[BilledInvoice, ...] | None = None
    touched: Mapping[str, Touched] = field(default_factory=dict)
    record: ContractRecord = ContractRecord()
    recent_cancels: int = 0
    renewed: Mapping[str, BillingObject] = field(default_factory=dict)
    discounts: Mapping[str, tuple[RunningDiscount, ...]] = field(default_factory=dict)
    running_since: Mapping[str, datetime] = field(default_factory=dict)
    usage_elsewhere: tuple[UsageSpan, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Proof:
    """What one order line was sold for beside what all invoices bill for it (minor units).

    `difference_minor` is billed less sold; `reason` is one of B12.3's closed list, None when there is none.
    """

    order_item_id: str
    order_id: str
    currency: str
    sold_minor: int
    billed_minor: int
    reason: str | None

    @property
    def difference_minor(self) -> int:
        """Return billed less sold, in minor units."""
        return self.billed_minor - self.sold_minor


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderOutcome:
    """What the plan does with one order; `kind` is None in plans of before it was kept."""

    order_id: str
    state: OrderState
    refusals: tuple[Refusal, ...] = ()
    kind: OrderKind | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedLine:
    """An order line as people know it: what it is called, and what about it a plan's amounts do not show.

    `segment` is the label or number of its segment of a ramp, empty for other lines; `free_until` the first
    day after a trial, None without one. `custom_price` tells that a field of its own holds its price.
    """

    order_item_id: str
    order_id: str
    name: str
    segment: str = ""
    evergreen: bool = False
    metered: bool = False
    tiered: bool = False
    custom_price: bool = False
    free_until: date | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class TakenAmount:
    """What a reducing line takes from the future charges of the line it reduces, in minor units.

    The proof charges the reduced line as if nothing followed, and the reducing one with minus this amount.
    """

    reducing_id: str
    reduced_id: str
    amount_minor: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """Everything that will be done for one contract, complete before the first write.

    `outcomes` has every order of the history once, `lines` every line of them that can be billed;
    `executed_at` is the instant the plan counts as carried out at, kept with each object that is made or
    changed by it (B6.8); `record` is to be kept with the plan for orders that change none (None: as it was).
    `wake_at` is the next instant at which something is to be done that no order triggers; `needs_invoices`
    tells that a credit note is due and the contract's invoices were not read.
    """

    root_id: str
    contract_key: str
    account_id: str
    executed_at: datetime
    outcomes: tuple[OrderOutcome, ...]
    objects: tuple[BillingObject, ...]
    steps: tuple[Step, ...]
    forecast: tuple[ForecastInvoice, ...]
    proof: tuple[Proof, ...]
    taken: tuple[TakenAmount, ...] = ()
    lines: tuple[PlannedLine, ...] = ()
    warnings: tuple[str, ...] = ()
    account_name: str = ""
    record: ContractRecord | None = None
    wake_at: datetime | None = None
    needs_invoices: bool = False
