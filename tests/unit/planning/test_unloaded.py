"""Somebody is told two cycles before Stripe would go on with the last phase it was given (B7.3)."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta

import pytest
from tests.unit.planning.builders import a_line, at, plan

from cpqbridge.domain.dates import add_months
from cpqbridge.planning.unloaded import missing_phase_at

FIRST = date(2026, 2, 1)


def a_schedule():
    """Twelve phases of a month each, of which Stripe is given ten; the eleventh begins in December."""
    starts = [add_months(FIRST, number) for number in range(13)]
    lines = [
        a_line(
            number + 1,
            quantity=str(number + 1),
            unit_price="50",
            start=starts[number].isoformat(),
            end=(starts[number + 1] - timedelta(days=1)).isoformat(),
        )
        for number in range(12)
    ]
    (schedule,) = plan(*lines).objects
    return schedule


def by_the_year(schedule):
    phases = (
        replace(phase, items=tuple(replace(item, interval_count=12) for item in phase.items))
        for phase in schedule.phases
    )
    return replace(schedule, phases=tuple(phases))


@pytest.mark.parametrize(
    ("schedule", "now", "told"),
    [
        (a_schedule(), "2026-09-30T23:59:59", False),
        (a_schedule(), "2026-10-01", True),
        # Two of these cycles would be before the timer is even due, on 1 August; it has an hour.
        (by_the_year(a_schedule()), "2026-08-01T00:59:59", False),
        (by_the_year(a_schedule()), "2026-08-01T01:00:00", True),
        (replace(a_schedule(), ended_at=at("2026-09-01")), "2026-11-01", False),
        (replace(a_schedule(), loaded=None), "2026-11-01", False),
    ],
)
def test_phase_that_is_missing_is_told_from_two_cycles_before_it_on(schedule, now, told):
    assert missing_phase_at(schedule, at(now)) == (at("2026-12-01") if told else None)
