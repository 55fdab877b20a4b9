"""The choices an admin has for one connection: sync, filters, policy and caps (B14), with their defaults."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from enum import StrEnum

DEFAULT_ACTIVATED_CONDITION = "StatusCode = 'Activated'"


class ProratePrecision(StrEnum):
    """The package setting that says how CPQ counts months (salesforce.md 4.5)."""

    MONTH = "month"
    DAY = "day"
    MONTHLY_DAILY = "monthly_daily"
    CALENDAR_MONTHLY_DAILY = "calendar_monthly_daily"


class ItemsPolicy(StrEnum):
    """Whether each positive line is its own Stripe item (B3.6)."""

    SEPARATE = "separate"
    MERGED = "merged"


class ProrationPolicy(StrEnum):
    """When one-time items of a phase off the boundary are invoiced (B6.7)."""

    INVOICE_NOW = "invoice_now"
    NEXT_INVOICE = "next_invoice"


class CreditsPolicy(StrEnum):
    """Where the credit of a reduction goes (B6.6)."""

    NEXT_INVOICE = "next_invoice"
    CREDIT_NOTE = "credit_note"
    NONE = "none"


class EvergreenCredits(StrEnum):
    """Whether a reduction of an evergreen line gives the rest of the running period back (B8.2)."""

    NONE = "none"
    PRORATE = "prorate"


class CreditTarget(StrEnum):
    """Where the paid part of a credit note goes (B6.6)."""

    BALANCE = "balance"
    REFUND = "refund"
    OUTSIDE = "outside"


class RoundingPolicy(StrEnum):
    """What happens to what Stripe's rounding leaves (B12.3)."""

    REPORT = "report"
    TRUE_UP = "true_up"


class CoterminatePolicy(StrEnum):
    """Whether amendments must end with the contract (B6.10)."""

    ANY = "any"
    REQUIRED = "required"


class QuantityPolicy(StrEnum):
    """What happens to decimal quantities (B3.8)."""

    REFUSE = "refuse"
    FOLD = "fold"


class FrequenciesPolicy(StrEnum):
    """What happens to lines of different billing frequencies (B9)."""

    MIXED = "mixed"
    SPLIT = "split"
    REFUSE = "refuse"


class MultiplierPolicy(StrEnum):
    """What happens when CPQ's multiplier contradicts the dates (B3.1)."""

    HOLD = "hold"
    WARN = "warn"


class OverlapPolicy(StrEnum):
    """What happens when a renewal overlaps the old contract (B6.12)."""

    HOLD = "hold"
    BOTH = "both"


class EventsWay(StrEnum):
    """How Stripe's events come in: by webhook, by lists of those since the last look, or not at all."""

    WEBHOOK = "webhook"
    POLL = "poll"
    OFF = "off"


@dataclass(frozen=True, slots=True, kw_only=True)
class SyncSettings:
    """When and how fast a connection syncs.

    `start_date` is the first calendar date whose activations count (None: all). `api_share` is the share of
    the org's daily API calls from which background work waits, above 0 up to 1. `stripe_rate` is how many
    calls a second the Stripe account takes (None: what suits Stripe's own limits). `record_retention` is how
    many Sync Records are kept, `history_days` and `audit_days` for how long finished work and the audit are.
    """

    live: bool = False
    start_date: date | None = None
    poll_seconds: int = 60
    api_share: Decimal = Decimal("0.6")
    stripe_rate: int | None = None
    record_retention: int = 10_000
    history_days: int = 90
    audit_days: int = 730
    events: EventsWay = EventsWay.WEBHOOK
    events_poll_seconds: int = 300


@dataclass(frozen=True, slots=True, kw_only=True)
class Filters:
    """SOQL conditions typed by an admin, without WHERE; None means no condition.

    `activated` is B1.1's condition; the file removes it with `activated: null`.
    """

    order: str | None = None
    account: str | None = None
    product: str | None = None
    pricebook_entry: str | None = None
    activated: str | None = DEFAULT_ACTIVATED_CONDITION


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """How the connection decides where the data leave a choice.

    `prorate_precision_confirmed` tells whether the file names the precision; where it does not, the value
    is only the default and may be replaced by an inferred one. `time_zone` is an IANA name.
    """

    time_zone: str = "UTC"
    prorate_precision: ProratePrecision = ProratePrecision.MONTHLY_DAILY
    prorate_precision_confirmed: bool = False
    items: ItemsPolicy = ItemsPolicy.SEPARATE
    proration: ProrationPolicy = ProrationPolicy.INVOICE_NOW
    credits: CreditsPolicy = CreditsPolicy.NEXT_INVOICE
    credit_target: CreditTarget = CreditTarget.BALANCE
    evergreen_credits: EvergreenCredits = EvergreenCredits.NONE
    rounding: RoundingPolicy = RoundingPolicy.REPORT
    coterminate: CoterminatePolicy = CoterminatePolicy.ANY
    quantity: QuantityPolicy = QuantityPolicy.REFUSE
    frequencies: FrequenciesPolicy = FrequenciesPolicy.MIXED
    multiplier_mismatch: MultiplierPolicy = MultiplierPolicy.HOLD
    overlap: OverlapPolicy = OverlapPolicy.HOLD


@dataclass(frozen=True, slots=True, kw_only=True)
class Caps:
    """Safety limits (B13). `bill_per_order` is in major units of the order's currency, None for no limit.

    `backdated_periods` is how many elapsed billing periods may be billed without being asked (B5.5).
    """

    bill_per_order: Decimal | None = None
    cancels_per_hour: int = 20
    backdated_periods: int = 1
