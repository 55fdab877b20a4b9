"""What a plan is asked for."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime

from cpqbridge.domain.billing import BillingState
from cpqbridge.domain.order import OrderHistory
from cpqbridge.mapping.configuration import Configuration


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """One contract to plan at `as_of` (aware UTC); see `cpqbridge.planning.plan.plan_contract`.

    `restores` are the keys of schedules that are put back to what was sold, as a person asked for.
    """

    history: OrderHistory
    state: BillingState
    configuration: Configuration
    as_of: datetime
    released: frozenset[str]
    cutover: date | None = None
    restores: frozenset[str] = frozenset()
