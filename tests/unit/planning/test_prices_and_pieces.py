from __future__ import annotations

from datetime import date, timedelta
from decimal import ROUND_HALF_UP, Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.planning.builders import a_line

from cpqbridge.domain.dates import Cycle, add_months
from cpqbridge.planning.pieces import Bounds, CutRules, cut
from cpqbridge.planning.prices import line_terms
from cpqbridge.planning.proration import PRECISIONS, term_months
from cpqbridge.planning.tracks import aligned_start, anchor_for

FEBRUARY = date(2026, 2, 1)


def pieces_of(line, *, anchor=FEBRUARY, currency="usd", precision="monthly_daily", true_up=False, **prices):
    rules = CutRules(currency=currency, precision=precision, true_up=true_up)
    return cut(line, Cycle(anchor, line.frequency_months), rules, Bounds(**prices))


@pytest.mark.parametrize(
    ("unit_price", "months", "end", "currency", "text"),
    [
        ("1440", 1, "2027-01-31", "usd", "12000"),
        ("120", 12, "2027-01-31", "usd", "12000"),
        ("240", 3, "2028-01-31", "usd", "3000"),
        ("200", 6, "2028-01-31", "usd", "5000"),
        ("100", 1, "2027-01-31", "usd", "833.333333333333"),
        ("1440", 1, "2027-01-31", "jpy", "120"),
    ],
)
def test_own_price_is_the_unit_price_by_period(unit_price, months, end, currency, text):
    line = a_line(quantity="1", unit_price=unit_price, months=months, end=end, entry=None)
    price = pieces_of(line, currency=currency).price
    assert (price.text, price.from_entry) == (text, False)


def test_price_book_price_is_reused_when_it_gives_the_unit_price():
    line = a_line(quantity="2", unit_price="431.23", start="2026-05-13")
    price = pieces_of(line).price
    assert (price.text, price.from_entry) == ("5000", True)


def test_price_book_price_of_a_year_is_reused_for_a_quarter():
    line = a_line(quantity="1", unit_price="240", months=3, end="2028-01-31", entry="120", default_term="12")
    assert pieces_of(line).price.text == "3000"
    assert pieces_of(line).price.from_entry


def test_unit_price_with_more_decimals_is_compared_at_its_own_scale():
    exact = a_line(quantity="1", unit_price="431.232877", start="2026-05-13", total_price="431.23")
    off = a_line(quantity="1", unit_price="431.231999", start="2026-05-13", total_price="431.23")
    assert pieces_of(exact).price.from_entry
    assert not pieces_of(off).price.from_entry


def test_discounted_line_gets_a_price_of_its_own():
    price = pieces_of(a_line(unit_price="540")).price
    assert (price.text, price.from_entry) == ("4500", False)


def test_reused_price_that_misses_the_total_gives_way_to_the_lines_own():
    line = a_line(quantity="1", unit_price="601.64", start="2027-03-01", end="2028-02-29")
    found = pieces_of(line, anchor=date(2027, 3, 1), precision="day")
    assert (found.price.text, found.price.from_entry) == ("5013.666666666667", False)
    assert [piece.amount_minor for piece in found.pieces] == [5014] * 12


def test_reused_price_may_miss_the_total_by_half_a_cent_for_each_charge():
    found = pieces_of(a_line(quantity="1", unit_price="100.02", entry="100.02", default_term="12"))
    assert (found.price.text, found.price.from_entry) == ("833.5", True)
    assert sum(piece.amount_minor for piece in found.pieces) == 10002 + 6


def test_added_seats_have_a_head_and_full_cycles():
    found = pieces_of(a_line(quantity="2", unit_price="431.23", start="2026-05-13"))
    assert [(piece.kind, piece.amount_minor) for piece in found.pieces] == [("head", 6246)] + [
        ("cycle", 10000)
    ] * 8
    assert (found.full_from, found.full_until) == (date(2026, 6, 1), date(2027, 2, 1))
    assert found.exact
    assert found.out_of_bounds is None


def test_line_within_one_cycle_is_one_head():
    line = a_line(quantity="1", unit_price="16.44", start="2026-05-10", end="2026-05-19")
    assert [(piece.kind, piece.amount_minor) for piece in pieces_of(line).pieces] == [("head", 1644)]


def test_line_that_ends_inside_its_first_cycle_is_one_tail():
    line = a_line(quantity="1", unit_price="16.44", start="2026-05-01", end="2026-05-10")
    found = pieces_of(line)
    assert [(piece.kind, piece.amount_minor) for piece in found.pieces] == [("tail", 1644)]
    assert found.full_from == found.full_until == date(2026, 5, 1)


def test_head_and_tail_share_the_remainder_by_their_days():
    line = a_line(quantity="1", unit_price="98.63", start="2026-02-20", end="2026-04-18")
    found = pieces_of(line)
    assert [(piece.kind, piece.start.isoformat()) for piece in found.pieces] == [
        ("head", "2026-02-20"),
        ("cycle", "2026-03-01"),
        ("tail", "2026-04-01"),
    ]
    head, cycle, tail = (piece.amount_minor for piece in found.pieces)
    assert head + cycle + tail == 9863
    assert tail == round(Fraction((9863 - cycle) * 18, 27))


@pytest.mark.parametrize("unit_price", ["433.97", "900"])
def test_a_price_that_is_merely_unusual_keeps_its_pieces_in_bounds(unit_price):
    """The line's own price follows its unit price, so head and cycles stay in proportion."""
    found = pieces_of(a_line(quantity="1", unit_price=unit_price, start="2026-05-13"))
    assert found.out_of_bounds is None


def test_a_price_kept_from_a_shorter_count_of_months_leaves_a_tail_out_of_bounds():
    """Thirty years counted in days are a week longer than in months; the last days would carry it all."""
    start, end = date(2026, 2, 1), date(2056, 1, 20)
    term = term_months(start, end, "day")
    exact = 50 * term
    unit_price = str(round(Decimal(exact.numerator) / Decimal(exact.denominator), 2))
    line = a_line(quantity="1", unit_price=unit_price, end=(end - timedelta(days=1)).isoformat())
    found = pieces_of(line, precision="day")
    assert found.out_of_bounds == found.pieces[-1]
    assert found.out_of_bounds.kind == "tail"


def test_block_price_is_billed_as_one():
    terms = line_terms(a_line(quantity="30", unit_price="100", total_price="100"), "usd")
    assert (terms.quantity, terms.folded, terms.sold_minor) == (1, True, 10000)


def test_half_a_minor_unit_is_not_a_block_price():
    terms = line_terms(a_line(quantity="2", unit_price="431.232877", total_price="862.47"), "usd")
    assert (terms.quantity, terms.folded) == (2, False)


def test_true_up_bills_the_difference_with_the_last_cycle():
    line = a_line(quantity="1", unit_price="100", entry=None)
    plain, trued = pieces_of(line), pieces_of(line, true_up=True)
    assert sum(piece.amount_minor for piece in plain.pieces) == 9996
    assert sum(piece.amount_minor for piece in trued.pieces) == 10000
    assert trued.pieces[-1].kind == "tail"
    assert trued.pieces[-1].amount_minor == 837


def test_line_without_an_end_cannot_be_cut():
    with pytest.raises(ValueError, match="no end date"):
        pieces_of(a_line(ends_on=None))


def anchors_of(months, *spans):
    """Return the anchor each line gets, one line after the other."""
    main = Cycle(FEBRUARY, months)
    anchors = []
    for start, end in spans:
        anchors.append(anchor_for(date.fromisoformat(start), date.fromisoformat(end), main, anchors))
    return [anchor.isoformat() for anchor in anchors]


def test_annual_line_on_its_own_dates_gets_an_anchor_that_others_share():
    assert anchors_of(
        12,
        ("2026-02-01", "2028-02-01"),
        ("2026-06-15", "2027-06-15"),
        ("2026-06-15", "2028-06-15"),
        ("2027-06-15", "2028-06-15"),
        ("2026-06-15", "2028-02-01"),
        ("2026-08-15", "2027-08-15"),
    ) == ["2026-02-01", "2026-06-15", "2026-06-15", "2026-06-15", "2026-02-01", "2026-08-15"]


def test_monthly_line_on_its_own_dates_stays_on_the_anchor():
    assert anchors_of(1, ("2026-06-15", "2026-12-15")) == ["2026-02-01"]


@pytest.mark.parametrize(
    ("day", "start"),
    [("2026-03-15", "2026-01-31"), ("2026-03-31", "2026-03-31"), ("2026-06-30", "2026-05-31")],
)
def test_schedule_of_a_contract_from_the_31st_never_starts_in_a_shorter_month(day, start):
    cycle = Cycle(date(2026, 1, 31), 1)
    assert aligned_start(cycle, date.fromisoformat(day)) == date.fromisoformat(start)


@st.composite
def sold_lines(draw):
    """A line as CPQ would sell it: dates, precision, list price, quantity, unit price by the formula."""
    start = draw(st.dates(min_value=date(2020, 1, 1), max_value=date(2038, 12, 31)))
    months = draw(st.sampled_from([1, 3, 6, 12]))
    if draw(st.booleans()):
        end = add_months(start, draw(st.integers(1, 5)) * months)
    else:
        end = start + timedelta(days=draw(st.integers(1, 1500)))
    precision = draw(st.sampled_from(PRECISIONS))
    listed = Decimal(draw(st.integers(0, 200_000))).scaleb(-2)
    default_term = draw(st.sampled_from([1, 12]))
    term = term_months(start, end, precision)
    exact = Fraction(listed) * term / default_term
    unit = (Decimal(exact.numerator) / Decimal(exact.denominator)).quantize(Decimal("0.01"), ROUND_HALF_UP)
    line = a_line(
        quantity=str(draw(st.integers(1, 60))),
        unit_price=str(unit),
        start=start.isoformat(),
        end=(end - timedelta(days=1)).isoformat(),
        months=months,
        entry=str(listed),
        default_term=str(default_term),
    )
    anchor = start - timedelta(days=draw(st.sampled_from([0, 0, 1, 9, 30, 45, 200])))
    return line, Cycle(anchor, months), precision


@given(sold_lines())
def test_pieces_cover_the_term_and_sum_to_the_total(case):
    line, cycle, precision = case
    found = cut(line, cycle, CutRules(currency="usd", precision=precision))
    assert found.pieces[0].start == found.start
    assert found.pieces[-1].end == found.end
    for before, after in zip(found.pieces, found.pieces[1:], strict=False):
        assert before.end == after.start
    missed = abs(sum(piece.amount_minor for piece in found.pieces) - found.terms.sold_minor)
    assert missed == 0 if found.exact else missed * 2 <= found.cycles
    assert found.out_of_bounds is None


@given(sold_lines())
def test_true_up_leaves_nothing(case):
    line, cycle, precision = case
    found = cut(line, cycle, CutRules(currency="usd", precision=precision, true_up=True))
    assert sum(piece.amount_minor for piece in found.pieces) == found.terms.sold_minor
