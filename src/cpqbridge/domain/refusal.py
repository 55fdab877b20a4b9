"""Why an order is not billed: refusals and holds, with the closed list of their codes."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class OrderState(StrEnum):
    """Where an order stands; every order that was seen is in exactly one of these."""

    QUEUED = "queued"
    SYNCED = "synced"
    UNCHANGED = "unchanged"
    WAITING = "waiting"
    SKIPPED = "skipped"
    HELD = "held"
    REFUSED = "refused"
    FAILED = "failed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """One reason why an order cannot go on by itself.

    `state` tells what it means: refused (the data must change), held (a person must decide),
    waiting (another order comes first) or skipped (it is not ours to bill).
    """

    code: str
    message: str
    record_id: str
    field: str
    fix: str
    order_id: str
    state: OrderState = OrderState.REFUSED
