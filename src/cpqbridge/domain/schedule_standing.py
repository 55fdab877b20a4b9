"""A subscription schedule as Stripe has it now, beside which the planner holds what was sent (B6.13)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from cpqbridge.domain.billing import RunningDiscount

MISSING = "missing"
"""The status of a schedule that the account does not have."""

ENDED = frozenset({"released", "canceled", "completed", MISSING})
"""The statuses of a schedule that cannot be changed any more."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StandingItem:
    """One recurring item of a phase; `unit_amount_decimal` is plain digits in minor units (None: tiers).

    `lookup_key` is that of its price, `coupons` are the ids of those that reduce it.
    """

    price_id: str
    product_id: str
    unit_amount_decimal: str | None
    interval: str | None
    interval_count: int | None
    quantity: int | None
    metadata: Mapping[str, str]
    lookup_key: str | None = None
    coupons: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class StandingPhase:
    """Constant items from `starts_at` up to, not including, `ends_at` (aware UTC).

    `one_time_metadata` is that of each one-time item, which holds its identity (B6.2). `coupons` are the ids
    of those that reduce everything in it; up to `trial_ends_at` it is free.
    """

    starts_at: datetime
    ends_at: datetime
    items: tuple[StandingItem, ...]
    one_time_metadata: tuple[Mapping[str, str], ...]
    coupons: tuple[str, ...] = ()
    trial_ends_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ScheduleStanding:
    """A schedule in Stripe: past, running and coming phases in order.

    `status` is not_started, active, released, canceled, completed or missing. `current_phase_starts_at` is
    None unless it is active; `ended_at` is when it was cancelled, released or completed. `subscription_id` is
    the subscription it drives, or drove until it was released. `discounts` are those that run on it.
    """

    schedule_id: str
    status: str
    end_behavior: str
    subscription_id: str | None
    current_phase_starts_at: datetime | None
    phases: tuple[StandingPhase, ...]
    metadata: Mapping[str, str]
    ended_at: datetime | None = None
    discounts: tuple[RunningDiscount, ...] = ()

    @property
    def ended(self) -> bool:
        """Return whether nothing can be changed on it any more."""
        return self.status in ENDED
