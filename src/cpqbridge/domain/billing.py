"""What Stripe holds for a contract as far as we made it, and the plan towards what it should hold."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from enum import StrEnum

from cpqbridge.domain.order import Parameters
from cpqbridge.domain.refusal import OrderState, Refusal


@dataclass(frozen=True, slots=True, kw_only=True)
class Link:
    """A Stripe object we made or adopted, under the key that finds it again.

    Keys: `customer:<account id>`, `product:<product id>`, `price:<lookup key>`,
    `schedule:<root id>:<n>`, `invoice:<root id>:<order id>`, `invoice_lines:<root id>:<order id>`.
    `fingerprint` is the hash of the parameters last sent; equal fingerprints mean there is nothing to write.
    """

    key: str
    stripe_id: str
    fingerprint: str


@dataclass(frozen=True, slots=True, kw_only=True)
class BillingState:
    """What exists for one contract: links by key, and the execution instant of each order (aware UTC).

    `verified_prices` are prices named by a Salesforce record that were read from Stripe:
    price id -> its parameters (`product`, `currency`, `unit_amount_decimal`, `interval`,
    `interval_count`, `usage_type`, `active`).
    """

    links: Mapping[str, Link] = field(default_factory=dict)
    executed_at: Mapping[str, datetime] = field(default_factory=dict)
    verified_prices: Mapping[str, Parameters] = field(default_factory=dict)


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
    CREATE_PRICE = "create_price"
    CREATE_SCHEDULE = "create_schedule"
    CREATE_INVOICE = "create_invoice"
    ADD_INVOICE_LINES = "add_invoice_lines"


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One call to Stripe. `parameters` is the nested body; `Ref` values are filled in while applying.

    `key` is the link the outcome is stored under; `target` the Stripe id (or Ref) a call acts on.
    `expected_total_minor`, where set, is what the resulting invoice must sum to.
    """

    key: str
    action: StepAction
    parameters: Mapping[str, object]
    fingerprint: str
    summary: str
    target: str | Ref | None = None
    expected_total_minor: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PhaseItem:
    """One recurring item of a phase. `unit_amount_decimal` is in minor units, as Stripe writes it."""

    product_id: str
    order_item_ids: tuple[str, ...]
    price_key: str | None
    unit_amount_decimal: str
    interval_count: int
    quantity: int
    interval: str = "month"
    parameters: Parameters = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class OneTimeItem:
    """One charge or credit (minor units, credits negative) for `period_start` up to, without, `period_end`.

    `kind` is its part in the line: head, tail, cycle, catch_up or one_time.
    """

    order_item_id: str
    product_id: str
    kind: str
    amount_minor: int
    period_start: date
    period_end: date
    description: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Phase:
    """Constant items from `starts_at` up to, not including, `ends_at` (aware UTC)."""

    starts_at: datetime
    ends_at: datetime
    proration_behavior: str
    items: tuple[PhaseItem, ...]
    one_time_items: tuple[OneTimeItem, ...]
    order_ids: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class BillingObject:
    """A schedule or invoice that should exist. `kind` is schedule or invoice (an invoice has one phase)."""

    key: str
    kind: str
    order_ids: tuple[str, ...]
    currency: str
    phases: tuple[Phase, ...]
    end_behavior: str
    collection_method: str
    days_until_due: int | None
    anchor_at: datetime
    billing_mode: str = "flexible"


@dataclass(frozen=True, slots=True, kw_only=True)
class InvoiceLine:
    """One line of a coming invoice; `shares` says how much belongs to which order line (minor units)."""

    amount_minor: int
    period_start: date
    period_end: date
    description: str
    shares: tuple[tuple[str, int], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ForecastInvoice:
    """An invoice a plan will produce on `on` (UTC date of its creation)."""

    object_key: str
    on: date
    currency: str
    lines: tuple[InvoiceLine, ...]

    @property
    def total_minor(self) -> int:
        """Return the sum of the lines in minor units, before tax."""
        return sum(line.amount_minor for line in self.lines)


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
    """What the plan does with one order."""

    order_id: str
    state: OrderState
    refusals: tuple[Refusal, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """Everything that will be done for one contract, complete before the first write.

    `outcomes` has every order of the history once; `executed_at` is the instant the plan counts as carried
    out at, stored with it and reused for ever (B6.8).
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
    warnings: tuple[str, ...] = ()
    account_name: str = ""
