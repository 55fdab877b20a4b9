from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cpqbridge.domain.dates import (
    Cycle,
    add_months,
    day_after,
    day_before,
    midnight,
    timestamp,
    whole_months,
)
from cpqbridge.domain.ids import is_salesforce_id, salesforce_id
from cpqbridge.domain.money import (
    currency_decimals,
    major_text,
    round_half_up,
    rounded_minor,
    unit_amount_text,
)
from cpqbridge.domain.schedule_standing import ScheduleStanding

DATES = st.dates(min_value=date(2000, 1, 1), max_value=date(2060, 12, 31))
INTERVALS = st.sampled_from([1, 3, 6, 12])


@pytest.mark.parametrize(
    ("short", "full"),
    [
        ("001D000000IqhSL", "001D000000IqhSLIAZ"),
        ("801Qy00000AbCdE", "801Qy00000AbCdEIAV"),
        ("00DQy000004TeSt", "00DQy000004TeStMAK"),
    ],
)
def test_id_of_fifteen_characters_gets_its_checksum(short, full):
    assert salesforce_id(short) == full
    assert salesforce_id(full) == full


@pytest.mark.parametrize("text", ["", "801", "801Qy00000AbCdEIAA", "801Qy00000AbC!E", "8" * 17, "é" * 15])
def test_id_that_is_none_is_refused(text):
    with pytest.raises(ValueError):
        salesforce_id(text)
    assert not is_salesforce_id(text)


def test_id_check_of_another_type_says_no():
    assert not is_salesforce_id(None)
    assert is_salesforce_id("001D000000IqhSL")


@given(st.text(alphabet="abcXYZ019", min_size=15, max_size=15))
def test_id_checksum_tells_letter_case_apart(short):
    assert salesforce_id(salesforce_id(short)) == salesforce_id(short)
    if short.swapcase() != short:
        assert salesforce_id(short)[15:] != salesforce_id(short.swapcase())[15:]


@pytest.mark.parametrize(
    ("value", "expected"),
    [("0.5", 1), ("-0.5", -1), ("1.4999", 1), ("2.5", 3), ("-2.5", -3), ("0", 0), ("-0.49", 0)],
)
def test_rounding_takes_halves_away_from_zero(value, expected):
    assert round_half_up(Decimal(value)) == expected


@given(st.fractions())
def test_rounding_is_never_further_than_half(value):
    assert abs(round_half_up(value) - value) * 2 <= 1


@pytest.mark.parametrize(
    ("minor", "currency", "text"),
    [
        (86246, "usd", "862.46"),
        (-5, "usd", "-0.05"),
        (0, "eur", "0.00"),
        (120, "jpy", "120"),
        (-1234, "kwd", "-1.234"),
    ],
)
def test_major_text_shows_the_currency_decimals(minor, currency, text):
    assert major_text(minor, currency) == text


@given(st.integers(min_value=-(10**15), max_value=10**15), st.sampled_from(["usd", "jpy", "kwd", "EUR"]))
def test_major_text_comes_back_as_the_same_minor_units(minor, currency):
    assert rounded_minor(Decimal(major_text(minor, currency)), currency) == minor
    assert currency_decimals(currency) in (0, 2, 3)


@pytest.mark.parametrize(
    ("minor", "text"),
    [
        (Fraction(5000), "5000"),
        (Fraction(10000, 12), "833.333333333333"),
        (Fraction(2, 3), "0.666666666667"),
        (Fraction(0), "0"),
        (Fraction(15, 2), "7.5"),
    ],
)
def test_unit_amount_has_at_most_twelve_decimals(minor, text):
    assert unit_amount_text(minor) == text


@pytest.mark.parametrize(
    ("day", "months", "expected"),
    [
        ("2026-01-31", 1, "2026-02-28"),
        ("2028-01-31", 1, "2028-02-29"),
        ("2026-01-31", 3, "2026-04-30"),
        ("2028-02-29", 12, "2029-02-28"),
        ("2026-03-31", -1, "2026-02-28"),
    ],
)
def test_months_are_clipped_to_the_month(day, months, expected):
    assert add_months(date.fromisoformat(day), months) == date.fromisoformat(expected)


def test_months_beyond_the_calendar_are_an_overflow():
    with pytest.raises(OverflowError):
        add_months(date(9999, 12, 1), 1)


@given(DATES, DATES, INTERVALS)
def test_cycle_boundaries_enclose_every_day(anchor, day, months):
    cycle = Cycle(anchor, months)
    before, after = cycle.at_or_before(day), cycle.after(day)
    assert before <= day < after
    assert cycle.holds(before)
    assert cycle.holds(after)
    assert cycle.at_or_after(day) == (day if cycle.holds(day) else after)


@given(DATES, DATES, DATES, INTERVALS)
def test_cycle_within_yields_each_boundary_once(anchor, one, other, months):
    start, end = sorted((one, other))
    found = list(Cycle(anchor, months).within(start, end))
    assert found == sorted(set(found))
    assert all(start <= day < end for day in found)
    assert Cycle(anchor, months).at_or_after(start) == (
        found[0] if found else Cycle(anchor, months).at_or_after(end)
    )


def test_cycle_counts_from_the_original_anchor():
    cycle = Cycle(date(2026, 1, 31), 1)
    assert [cycle.boundary(k).isoformat() for k in range(5)] == [
        "2026-01-31",
        "2026-02-28",
        "2026-03-31",
        "2026-04-30",
        "2026-05-31",
    ]


@given(DATES, st.integers(min_value=0, max_value=500))
def test_whole_months_fit_and_one_more_does_not(start, days):
    end = start + timedelta(days=days)
    whole = whole_months(start, end)
    assert add_months(start, whole) <= end < add_months(start, whole + 1)


def test_whole_months_of_a_span_backwards_are_none():
    assert whole_months(date(2026, 5, 1), date(2026, 3, 1)) == 0


def test_midnight_is_utc_and_timestamps_are_whole_seconds():
    assert midnight(date(2026, 2, 1)) == datetime(2026, 2, 1, tzinfo=UTC)
    assert timestamp(datetime(2026, 2, 1, 0, 0, 0, 999999, tzinfo=UTC)) == 1769904000


@given(DATES)
def test_the_day_before_the_day_after_is_the_day(day):
    assert day_before(day_after(day)) == day
    assert day_after(day) - day == timedelta(days=1)


@pytest.mark.parametrize(
    ("status", "ended"),
    [
        ("not_started", False),
        ("active", False),
        ("released", True),
        ("canceled", True),
        ("completed", True),
        ("missing", True),
    ],
)
def test_schedule_has_ended_when_nothing_can_be_changed_on_it(status, ended):
    standing = ScheduleStanding(
        schedule_id="sub_sched_1",
        status=status,
        end_behavior="cancel",
        subscription_id=None,
        current_phase_starts_at=None,
        phases=(),
        metadata={},
    )
    assert standing.ended is ended
