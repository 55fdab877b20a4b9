from __future__ import annotations

from datetime import date, timedelta
from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.planning.builders import a_line, a_one_time_line

from cpqbridge.domain.dates import add_months
from cpqbridge.domain.money import rounded_minor
from cpqbridge.planning.proration import (
    PRECISIONS,
    infer_precision,
    multiplier_fits,
    scale_of,
    term_months,
)

DATES = st.dates(min_value=date(2000, 1, 1), max_value=date(2060, 12, 31))

# Source: the worked table of Salesforce's four settings in the project's design notes (4.5), 50.00 a month.
TABLE = [
    ("2026-02-01", "2027-01-31", "600.00 600.00 600.00 600.00"),
    ("2026-05-13", "2027-01-31", "450.00 433.97 431.23 430.65"),
    ("2026-08-20", "2027-01-31", "300.00 271.23 269.73 269.35"),
    ("2027-03-01", "2028-02-29", "600.00 601.64 600.00 600.00"),
    ("2026-11-16", "2026-12-15", "50.00 49.32 50.00 49.19"),
]
COLUMNS = ("month", "day", "monthly_daily", "calendar_monthly_daily")


@pytest.mark.parametrize(("start", "end", "amounts"), TABLE)
def test_term_gives_the_amounts_of_the_worked_table(start, end, amounts):
    first, last = date.fromisoformat(start), date.fromisoformat(end) + timedelta(days=1)
    for precision, amount in zip(COLUMNS, amounts.split(), strict=True):
        computed = rounded_minor(50 * term_months(first, last, precision), "usd")
        assert computed == rounded_minor(Decimal(amount), "usd"), precision


def test_term_of_an_unknown_precision_is_an_error():
    with pytest.raises(ValueError, match="lunar"):
        term_months(date(2026, 1, 1), date(2026, 2, 2), "lunar")


@given(DATES, st.sampled_from(PRECISIONS))
def test_term_of_nothing_is_zero(day, precision):
    assert term_months(day, day, precision) == 0
    assert term_months(day, day - timedelta(days=9), precision) == 0


@given(DATES, st.integers(min_value=1, max_value=60), st.sampled_from(["month", "monthly_daily"]))
def test_whole_months_count_as_themselves(start, months, precision):
    assert term_months(start, add_months(start, months), precision) == months


@given(DATES, st.integers(1, 800), st.integers(1, 800), st.sampled_from(["day", "calendar_monthly_daily"]))
def test_day_and_calendar_add_up(start, first, second, precision):
    middle, end = start + timedelta(days=first), start + timedelta(days=first + second)
    whole = term_months(start, end, precision)
    assert term_months(start, middle, precision) + term_months(middle, end, precision) == whole


@given(DATES, st.integers(1, 1500), st.sampled_from(PRECISIONS))
def test_no_precision_is_far_from_the_days(start, days, precision):
    term = term_months(start, start + timedelta(days=days), precision)
    assert abs(term - Fraction(days * 12, 365)) < Fraction(7, 5)


@pytest.mark.parametrize("multiplier", ["8.624657534246575", "8.6247", "8.62466", "8.6246575342"])
def test_multiplier_of_any_scale_fits_its_dates(multiplier):
    line = a_line(start="2026-05-13", unit_price="431.23", multiplier=multiplier)
    assert multiplier_fits(line, "monthly_daily")
    assert not multiplier_fits(line, "day")


def test_multiplier_with_a_known_scale_is_compared_at_that_scale():
    line = a_line(start="2026-05-13", multiplier="8.62", multiplier_decimals=2)
    assert multiplier_fits(line, "monthly_daily")
    assert not multiplier_fits(a_line(start="2026-05-13", multiplier="8.62"), "monthly_daily")


def test_multiplier_counts_default_terms():
    line = a_line(start="2026-05-13", default_term="12", multiplier="0.718721461187215")
    assert multiplier_fits(line, "monthly_daily")


def test_multiplier_that_says_nothing_fits():
    assert multiplier_fits(a_line(), "day")
    assert multiplier_fits(a_line(ends_on=None, multiplier="3"), "day")


@pytest.mark.parametrize(
    ("precision", "multiplier"),
    [
        ("month", "9"),
        ("day", "8.67945205479452"),
        ("monthly_daily", "8.624657534246575"),
        ("calendar_monthly_daily", "8.612903225806452"),
    ],
)
def test_precision_is_inferred_from_a_partial_month(precision, multiplier):
    lines = [a_line(), a_line(2, start="2026-05-13", multiplier=multiplier), a_one_time_line()]
    inferred = infer_precision(lines)
    assert inferred is not None
    assert (inferred.precision, inferred.fitting, inferred.telling) == (precision, 1, 1)
    assert inferred.votes == {each: int(each == precision) for each in PRECISIONS}


def test_precision_is_not_inferred_from_lines_that_cannot_tell():
    whole = a_line(multiplier="12")
    odd = a_line(2, start="2026-05-13", multiplier="3.3")
    evergreen = a_line(3, start="2026-05-13", multiplier="9", evergreen=True, ends_on=None)
    assert infer_precision([whole, odd, evergreen, a_line(4, ends_on=None, multiplier="1")]) is None


@pytest.mark.parametrize(
    ("value", "scale"), [("600", 0), ("431.23", 2), ("1E+2", 0), ("0.10", 1), ("NaN", 0)]
)
def test_scale_counts_the_decimals_that_matter(value, scale):
    assert scale_of(Decimal(value)) == scale
