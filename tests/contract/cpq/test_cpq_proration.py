"""The table of the design notes (salesforce.md 4.5) and the laws the four settings obey."""

from datetime import date, timedelta
from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from cpqbridge_sim.salesforce.cpq import PRECISIONS, Cpq, Line
from cpqbridge_sim.salesforce.cpq.dates import add_months, last_day_of_term, whole_months
from cpqbridge_sim.salesforce.cpq.proration import months_in_span, prorate_multiplier
from cpqbridge_sim.salesforce.cpq.rounding import field_number, round_half_up, unscaled_number

D = date.fromisoformat
WORKED = [
    (
        "2026-02-01",
        "2027-01-31",
        (12, 0, 365),
        ["600.00/1200.00", "600.00/1200.00", "600.00/1200.00", "600.00/1200.00"],
    ),
    (
        "2026-05-13",
        "2027-01-31",
        (8, 19, 264),
        ["450.00/900.00", "433.97/867.95", "431.23/862.47", "430.65/861.29"],
    ),
    (
        "2026-08-20",
        "2027-01-31",
        (5, 12, 165),
        ["300.00/600.00", "271.23/542.47", "269.73/539.45", "269.35/538.71"],
    ),
    (
        "2027-03-01",
        "2028-02-29",
        (12, 0, 366),
        ["600.00/1200.00", "601.64/1203.29", "600.00/1200.00", "600.00/1200.00"],
    ),
    (
        "2026-11-16",
        "2026-12-15",
        (1, 0, 30),
        ["50.00/100.00", "49.32/98.63", "50.00/100.00", "49.19/98.39"],
    ),
]


@pytest.mark.parametrize("worked", WORKED)
@pytest.mark.parametrize("precision", PRECISIONS)
def test_worked_table(precision, worked):
    start, end, counts, prices = worked
    assert (*whole_months(D(start), D(end)), (D(end) - D(start)).days + 1) == counts
    cpq = Cpq(precision=precision)
    seat = cpq.product("Seat", default_term=1)
    support = cpq.product("Support", default_term=12, frequency="Annual")
    cpq.price(seat, 50)
    cpq.price(support, 1200)
    quote = cpq.quote(
        cpq.account("Baden Trading"),
        start=D(start),
        end=D(end),
        lines=[Line(product=seat), Line(product=support)],
    )
    unit_prices = [f"{line.unit_price:.2f}" for line in quote.lines]
    assert unit_prices == prices[PRECISIONS.index(precision)].split("/")


def test_worked_multipliers():
    monthly_daily = months_in_span("monthly_daily", D("2026-05-13"), D("2027-01-31"))
    assert round_half_up(prorate_multiplier(monthly_daily, Decimal(1)), 9) == Decimal("8.624657534")
    assert round_half_up(prorate_multiplier(monthly_daily, None), 9) == Decimal("0.718721461")
    assert unscaled_number(monthly_daily) == Decimal("8.624657534246575")


def test_sources_own_examples():
    # 35 months over a default term of 12, and 830 days over 365, from the vendor's article.
    start = D("2026-01-01")
    months = months_in_span("month", start, last_day_of_term(start, 35))
    assert round_half_up(prorate_multiplier(months, Decimal(12)), 4) == Decimal("2.9167")
    days = months_in_span("day", start, start + timedelta(days=829))
    assert round_half_up(prorate_multiplier(days, Decimal(12)), 4) == Decimal("2.2740")
    assert months_in_span("month", start, last_day_of_term(start, 12) + timedelta(days=3)) == 13


days_of_this_century = st.dates(D("2020-01-01"), D("2045-12-31"))
spans = st.tuples(days_of_this_century, st.integers(0, 2000)).map(
    lambda pair: (pair[0], pair[0] + timedelta(days=pair[1]))
)


@given(spans, st.data())
@pytest.mark.parametrize("precision", ["day", "calendar_monthly_daily"])
def test_adjacent_spans_add_up(precision, span, data):
    start, end = span
    assume(start < end)
    cut = data.draw(st.dates(start, end - timedelta(days=1)))
    parts = months_in_span(precision, start, cut) + months_in_span(precision, cut + timedelta(days=1), end)
    assert parts == months_in_span(precision, start, end)


@given(spans, st.integers(1, 40))
def test_monthly_daily_adds_up_where_cut_on_a_whole_month(span, months):
    start, end = span
    assume(start.day <= 28)
    cut = add_months(start, months)
    assume(cut <= end)
    parts = months + months_in_span("monthly_daily", cut, end)
    assert parts == months_in_span("monthly_daily", start, end)


@given(days_of_this_century, st.integers(1, 10))
@pytest.mark.parametrize("precision", ["month", "monthly_daily"])
def test_whole_years_are_whole(precision, start, years):
    assert months_in_span(precision, start, last_day_of_term(start, 12 * years)) == 12 * years


@given(days_of_this_century, st.integers(1, 60))
def test_whole_months_of_a_term_leave_no_days(start, months):
    assert whole_months(start, last_day_of_term(start, months)) == (months, 0)


@given(st.integers(2020, 2045), st.integers(1, 12), st.integers(1, 60))
def test_calendar_counts_whole_calendar_months(year, month, months):
    start = date(year, month, 1)
    assert months_in_span("calendar_monthly_daily", start, last_day_of_term(start, months)) == months


@given(spans)
def test_settings_stay_within_a_month_of_each_other(span):
    lengths = {precision: months_in_span(precision, *span) for precision in PRECISIONS}
    assert lengths["month"] >= lengths["monthly_daily"] > lengths["month"] - 1
    assert abs(lengths["calendar_monthly_daily"] - lengths["monthly_daily"]) < 1


def test_month_end_start_is_clipped():
    assert add_months(D("2026-01-31"), 1) == D("2026-02-28")
    assert add_months(D("2026-01-31"), 2) == D("2026-03-31")
    assert add_months(D("2028-02-29"), 12) == D("2029-02-28")
    assert whole_months(D("2026-01-31"), D("2026-02-27")) == (1, 0)


def test_a_span_that_ends_before_it_starts_is_an_error():
    with pytest.raises(ValueError, match="before it starts"):
        whole_months(D("2026-02-01"), D("2026-01-31"))


@pytest.mark.parametrize(
    ("value", "places", "expected"),
    [
        ("2.345", 2, "2.35"),
        ("-2.345", 2, "-2.35"),
        ("0.5", 0, "1"),
        ("1234.5674", 3, "1234.567"),
        ("-0.001", 2, "0.00"),
    ],
)
def test_round_half_up(value, places, expected):
    assert str(round_half_up(Fraction(value), places)) == expected


@given(st.fractions(), st.integers(0, 12))
def test_round_half_up_is_off_by_half_a_unit_at_most(value, places):
    assert abs(Fraction(round_half_up(value, places)) - value) <= Fraction(1, 2 * 10**places)


@pytest.mark.parametrize(
    ("value", "expected"), [("600.00", "600.0"), ("431.23", "431.23"), ("1E+3", "1000.0"), ("0E-8", "0.0")]
)
def test_field_number_has_the_digits_of_rest(value, expected):
    assert str(field_number(Decimal(value))) == expected
