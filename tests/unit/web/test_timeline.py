"""The time line picture: bars that add up per product, dots by day, words for those who do not see it."""

from dataclasses import replace
from datetime import date

import pytest
from tests.unit.web.a_plan import SEAT, a_phase, a_plan, a_schedule, an_item, at

from cpqbridge.domain.billing import PhaseItem
from cpqbridge.sync.documents import plan_document
from cpqbridge.web.timeline import WIDTH, timeline


def picture(plan=None, **changes):
    plan = plan or a_plan()
    return timeline(plan, plan_document(plan, order_id="801NEW")["invoices"], **changes)


def bars_of(line):
    return [(bar.start, bar.end, bar.quantity) for row in line.rows for bar in row.bars]


def test_bars_show_the_quantity_of_a_product_over_all_its_lines():
    line = picture()
    assert [row.name for row in line.rows] == ["Seat"]
    assert bars_of(line) == [
        ("2026-02-01", "2026-05-13", "10"),
        ("2026-05-13", "2026-08-20", "12"),
        ("2026-08-20", "2027-02-01", "9"),
    ]
    assert line.rows[0].bars[0].price == "50.00 a month"


def test_bars_follow_each_other_without_gap_and_stay_inside():
    bars = picture().rows[0].bars
    assert [round(bar.x + bar.width, 1) for bar in bars[:-1]] == [bar.x for bar in bars[1:]]
    assert bars[-1].x + bars[-1].width <= WIDTH


def test_bars_say_quantity_and_price_as_far_as_there_is_room():
    labels = [bar.label for bar in picture().rows[0].bars]
    assert labels == ["10 × 50.00 a month", "12 × 50.00 a month", "9 × 50.00 a month"]
    many = a_schedule(
        phases=tuple(
            a_phase(f"2026-{month:02}-01", f"2026-{month + 1:02}-01", an_item(month), orders=())
            for month in range(1, 12)
        )
    )
    assert {bar.label for bar in picture(a_plan(objects=(many,))).rows[0].bars} <= {
        str(month) for month in range(1, 12)
    }


def test_equal_neighbours_are_one_bar_and_lines_of_two_schedules_count_together():
    split = a_schedule(
        phases=(
            a_phase("2026-02-01", "2026-02-02", an_item(10), orders=()),
            a_phase("2026-02-02", "2027-02-01", an_item(10), orders=()),
        )
    )
    other = replace(split, key="schedule:a0q:2026-02-01:2", phases=(split.phases[1],))
    assert bars_of(picture(a_plan(objects=(split,)))) == [("2026-02-01", "2027-02-01", "10")]
    assert bars_of(picture(a_plan(objects=(split, other)))) == [
        ("2026-02-01", "2026-02-02", "10"),
        ("2026-02-02", "2027-02-01", "20"),
    ]


def test_schedule_that_was_ended_is_drawn_up_to_its_end():
    line = picture(a_plan(objects=(a_schedule(ended_at=at("2026-06-01")),)))
    assert bars_of(line)[-1] == ("2026-05-13", "2026-06-01", "12")


def test_item_that_only_keeps_a_place_is_shown_as_last_part_and_a_placeholder_not_at_all():
    stub = PhaseItem(
        product_id="01tSEAT",
        order_item_ids=(SEAT,),
        price_key=None,
        unit_amount_decimal="0",
        interval_count=1,
        quantity=1,
    )
    placeholder = replace(stub, order_item_ids=())
    schedule = a_schedule(
        phases=(
            a_phase("2026-02-01", "2026-12-01", an_item(10), orders=()),
            a_phase("2026-12-01", "2026-12-15", stub, orders=()),
            a_phase("2026-12-15", "2027-02-01", placeholder, orders=()),
        )
    )
    line = picture(a_plan(objects=(schedule,)))
    assert bars_of(line)[1:] == [("2026-12-01", "2026-12-15", "last part")]
    assert line.rows[0].bars[1].kind == "stub"


def test_dots_tell_credits_from_invoices_and_past_from_future():
    line = picture(today=date(2026, 8, 19))
    assert [(dot.day, dot.amount, dot.is_credit, dot.to_come) for dot in line.dots] == [
        ("2026-02-01", "500.00", False, False),
        ("2026-05-13", "62.46", False, False),
        ("2026-06-01", "100.00", False, False),
        ("2026-08-19", "-59.19", True, False),
        ("2026-09-01", "450.00", False, True),
    ]
    assert line.today == "2026-08-19"
    assert line.today_x == line.dots[3].x


def test_invoices_of_one_day_are_one_dot_and_empty_ones_none():
    documents = [
        {"kind": "invoice", "number": number, "date": "2026-02-01", "total": total, "currency": "usd"}
        for number, total in (("A-1", "1000.50"), ("A-2", "0.50"), ("A-3", "0.00"))
    ]
    (dot,) = timeline(a_plan(), documents).dots
    assert (dot.amount, dot.words) == ("1,001.00", "Invoice A-1, Invoice A-2")


def test_labels_never_overlap():
    documents = [
        {"kind": "invoice", "number": None, "date": f"2026-{month:02}-{day:02}", "total": f"{month}.{day:02}"}
        | {"currency": "usd"}
        for month in range(2, 13)
        for day in (1, 4, 9, 20)
    ]
    labels = [(dot.label_y, dot.x) for dot in timeline(a_plan(), documents).dots if dot.label]
    assert labels
    for place, (lane, x) in enumerate(labels):
        assert all(other != lane or abs(x - at_x) >= 80 for other, at_x in labels[place + 1 :])


@pytest.mark.parametrize("today", [date(2020, 1, 1), date(2030, 1, 1), None])
def test_today_outside_the_picture_is_not_marked(today):
    assert picture(today=today).today_x is None


def test_nothing_planned_and_nothing_billed_makes_no_picture():
    assert picture(a_plan(objects=(), forecast=(), taken=())) is None


def test_contract_of_one_day_and_of_many_years_has_ticks_that_fit():
    day = a_schedule(phases=(a_phase("2026-02-01", "2026-02-02", an_item(1), orders=()),))
    years = a_schedule(phases=(a_phase("2020-01-01", "2040-01-01", an_item(1), orders=()),))
    assert [tick.label for tick in picture(a_plan(objects=(day,), forecast=())).ticks] == ["Feb 2026"]
    ticks = picture(a_plan(objects=(years,), forecast=())).ticks
    assert [tick.label for tick in ticks[:2]] == ["2020", "2022"]
    assert ticks[-1].label == ""
    assert len(ticks) <= 12


def test_description_says_what_the_picture_shows():
    text = picture().description
    assert (
        text == "From 2026-02-01 to 2027-02-01: Seat; 4 invoices and 1 credit. The table below says the same."
    )
