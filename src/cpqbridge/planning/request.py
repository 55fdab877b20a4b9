"""What a plan is asked for."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime

from cpqbridge.domain.billing import BillingState
from cpqbridge.domain.order import OrderHistory
from cpqbridge.mapping.configuration import Configuration


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """One contract to plan at `as_of` (aware UTC); see `cpqbridge.planning.plan.plan_contract`."""

    history: OrderHistory
    state: BillingState
    configuration: Configuration
    as_of: datetime
    released: frozenset[str]
    cutover: date | None = None
