"""Phases that Stripe was not given in time: it would go on with the last one it has (B7.3)."""

from __future__ import annotations

from datetime import datetime, timedelta

from cpqbridge.domain.billing import BillingObject
from cpqbridge.domain.dates import add_months, midnight
from cpqbridge.planning.timetable import load_again_at

ALERT_CYCLES = 2
"""How many of the shortest cycles before such a phase somebody is told."""

_TIME_TO_LOAD = timedelta(hours=1)
"""How long the timer that loads phases has before its delay counts as trouble."""


def missing_phase_at(sent: BillingObject, now: datetime) -> datetime | None:
    """Return when a phase begins that Stripe was not given, from two cycles before it on; else None.

    Args:
        sent: a schedule as Stripe was given it last.
        now: the present instant, aware UTC.
    """
    due = load_again_at(sent.phases, sent.loaded)
    if due is None or sent.loaded is None or sent.ended_at is not None:
        return None
    begins = sent.phases[sent.loaded].starts_at
    months = min(item.interval_count for item in sent.phases[sent.loaded - 1].items)
    alert = midnight(add_months(begins.date(), -ALERT_CYCLES * months))
    return begins if now >= max(alert, due + _TIME_TO_LOAD) else None
