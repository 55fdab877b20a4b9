"""Items, their prices and slots, and how many schedules and phases a contract takes."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta

import pytest
from tests.simulation import in_process
from tests.unit.planning.builders import (
    a_history,
    a_life,
    a_line,
    a_policy,
    an_amendment,
    an_order,
    at,
    differences_of,
    documents_of,
    invoices_of,
    plan,
    seats,
)

from cpqbridge.domain.billing import StepAction
from cpqbridge.domain.dates import add_months
from cpqbridge.planning.billing_steps import joined
from cpqbridge.planning.plan import line_price_keys

SOLD = at("2026-01-28T09:00:00")
FIRST = an_order([seats(1, 10, "2026-02-01")])
MORE = an_amendment(seats(2, 2, "2026-05-13", revises=1))


def items_of(phase) -> list[tuple[str, tuple[int, ...], str]]:
    return [
        (",".join(each[-1] for each in item.order_item_ids), item.units, item.unit_amount_decimal)
        for item in phase.items
    ]


def slots_of(found) -> dict[str, str]:
    return {line_id[-2:]: key.rpartition(":")[2] for line_id, key in line_price_keys(found).items()}


def test_lines_of_one_price_get_prices_in_slots_of_their_own():
    found = a_life(now=SOLD).sync(a_history(FIRST, MORE), SOLD)
    assert slots_of(found) == {"01": "1", "02": "2"}
    original, duplicate = [step for step in found.steps if step.action is StepAction.CREATE_PRICE]
    assert "salesforce_duplicate" not in original.parameters["metadata"]
    assert duplicate.parameters["metadata"]["salesforce_original_stripe_price_id"].key == original.key


def test_line_keeps_its_price_when_lines_before_it_are_gone():
    life = a_life(now=SOLD)
    life.sync(a_history(FIRST, MORE), SOLD)
    gone = an_amendment(seats(3, -10, "2026-06-01", revises=1), number=3)
    again = an_amendment(seats(4, 4, "2026-07-01"), number=4)
    # The newest addition is taken first, so both lines lose units.
    found = life.sync(a_history(FIRST, MORE, gone, again), at("2026-02-10"))
    assert slots_of(found) == {"01": "1", "02": "2", "04": "3"}


def test_line_keeps_its_price_when_the_price_book_changes():
    life = a_life(now=SOLD)
    life.sync(a_history(FIRST), SOLD)
    dearer = an_order([replace(FIRST.lines[0], entry_unit_price=FIRST.lines[0].entry_unit_price * 2)])
    found = life.sync(a_history(dearer), at("2026-02-10"))
    assert found.steps == ()


def test_line_without_a_price_book_price_uses_that_of_the_line_it_revises():
    discounted = an_order([a_line(1, unit_price="540")])
    more = an_amendment(a_line(2, quantity="2", unit_price="270", start="2026-08-01", revises="802LINE001"))
    found = a_life(now=SOLD).sync(a_history(discounted, more), SOLD)
    keys = line_price_keys(found)
    assert keys["802LINE001"].split(":")[2] == "802LINE001"
    assert keys["802LINE002"] == keys["802LINE001"][:-1] + "2"
    block = an_amendment(
        a_line(2, quantity="2", unit_price="270", total_price="270", start="2026-08-01", revises="802LINE001")
    )
    found = a_life(now=SOLD).sync(a_history(discounted, block), SOLD)
    assert line_price_keys(found)["802LINE002"].split(":")[2] == "802LINE002"
    dearer = an_amendment(a_line(2, quantity="2", unit_price="360", start="2026-08-01", revises="802LINE001"))
    found = a_life(now=SOLD).sync(a_history(discounted, dearer), SOLD)
    assert line_price_keys(found)["802LINE002"].split(":")[2] == "802LINE002"


def test_line_that_is_all_head_needs_no_price():
    short = an_amendment(seats(2, 2, "2026-05-03", "2026-05-20"))
    found = a_life(now=SOLD).sync(a_history(FIRST, short), SOLD)
    assert slots_of(found) == {"01": "1"}
    assert [items_of(phase) for phase in found.objects[0].phases] == [
        [("1", (10,), "5000")],
        [("1", (10,), "5000"), ("2", (1,), "0")],
        [("1", (10,), "5000")],
    ]


def test_merged_lines_of_one_lineage_are_one_item_that_says_whose_units_it_has():
    found = a_life(now=SOLD, configuration=a_policy(items="merged")).sync(a_history(FIRST, MORE), SOLD)
    assert [items_of(phase) for phase in found.objects[0].phases] == [
        [("1", (10,), "5000")],
        [("1,2", (10, 2), "5000")],
    ]
    body = found.steps[-1].parameters["phases"][1]["items"][0]
    assert body["quantity"] == 12
    assert body["metadata"]["salesforce_order_item_id"] == "802LINE001,802LINE002"
    assert body["metadata"]["salesforce_order_id"] == "801ORDER1,801ORDER2"
    assert body["metadata"]["salesforce_units"] == "10,2"
    assert [step.action for step in found.steps].count(StepAction.CREATE_PRICE) == 1
    assert differences_of(found) == {}


@pytest.mark.parametrize(
    "other",
    [
        seats(2, 2, "2026-05-13"),
        seats(2, 2, "2026-05-13", revises=1, product_id="01tSETUP"),
        seats(2, 2, "2026-05-13", price="60", revises=1),
    ],
)
def test_lines_of_other_lineage_product_or_price_are_not_merged(other):
    life = a_life(now=SOLD, configuration=a_policy(items="merged"))
    found = life.sync(a_history(FIRST, an_amendment(other)), SOLD)
    assert len(found.objects[0].phases[-1].items) == 2


def test_prices_with_parts_of_a_cent_are_never_merged():
    third = an_order([a_line(1, quantity="2", unit_price="100", entry=None)])
    again = an_amendment(a_line(2, quantity="1", unit_price="100", entry=None, revises="802LINE001"))
    life = a_life(now=SOLD, configuration=a_policy(items="merged"))
    found = life.sync(a_history(third, again), SOLD)
    assert items_of(found.objects[0].phases[0]) == [
        ("1", (2,), "833.333333333333"),
        ("2", (1,), "833.333333333333"),
    ]


def test_merged_item_after_a_reduction_bills_each_line_its_own_units():
    fewer = an_amendment(seats(3, -3, "2026-08-01", revises=1), number=3)
    life = a_life(now=SOLD, configuration=a_policy(items="merged"))
    found = life.sync(a_history(FIRST, MORE, fewer), SOLD)
    assert items_of(found.objects[0].phases[-1]) == [("1", (9,), "5000")]
    assert differences_of(found) == {}
    life.run_until(at("2027-02-03"))
    assert in_process.billed_by_line(life.account)["802LINE001"] == 6 * 50000 + 6 * 45000


def test_more_than_twenty_lines_go_on_several_schedules_and_stay_there():
    first = an_order([seats(number, 1, "2026-02-01") for number in range(1, 46)])
    life = a_life(now=SOLD)
    found = life.sync(a_history(first), SOLD)
    assert [(each.key[-1], len(each.lines)) for each in found.objects] == [("1", 20), ("2", 20), ("3", 5)]
    assert differences_of(found) == {}
    more = an_amendment(seats(50, 1, "2026-05-01"))
    found = life.sync(a_history(first, more), at("2026-02-10"))
    assert [len(each.lines) for each in found.objects] == [20, 20, 6]
    assert [step.action for step in found.steps][-1] is StepAction.UPDATE_SCHEDULE
    assert {each.anchor_at for each in found.objects} == {at("2026-02-01")}


def test_line_takes_the_room_that_another_leaves_only_once_it_is_free():
    lines = [seats(number, 1, "2026-02-01") for number in range(1, 20)]
    leaving = seats(20, 1, "2026-02-01", "2026-06-30")
    first = an_order([*lines, leaving])
    life = a_life(now=SOLD)
    life.sync(a_history(first), SOLD)
    after = an_amendment(seats(30, 1, "2026-07-01"), number=3)
    found = life.sync(a_history(first, after), at("2026-02-10"))
    assert [len(each.lines) for each in found.objects] == [21]
    before = an_amendment(seats(31, 1, "2026-06-01"), number=4)
    found = life.sync(a_history(first, after, before), at("2026-02-11"))
    assert [len(each.lines) for each in found.objects] == [21, 1]
    assert max(len(phase.items) for phase in found.objects[0].phases) == 20


def test_schedule_added_in_mid_term_keeps_the_contract_s_anchor():
    first = an_order([seats(number, 1, "2026-01-31", "2027-01-30") for number in range(1, 21)])
    life = a_life(now=SOLD)
    life.sync(a_history(first), SOLD)
    more = an_amendment(seats(30, 1, "2026-06-30", "2027-01-30"))
    found = life.sync(a_history(first, more), at("2026-06-10"))
    added = found.objects[1]
    assert added.key.endswith(":2026-01-31:2")
    assert added.anchor_at == at("2026-05-31")
    assert [items_of(phase) for phase in added.phases] == [
        [("", (), "0")],
        [("0", (1,), "5023.428571428571")],
    ]
    life.run_until(at("2027-02-03"))
    assert in_process.billed_by_day(life.account) == in_process.forecast_by_day(life.plan)


def test_new_line_before_the_start_of_a_later_schedule_gets_its_own():
    first = an_order([seats(number, 1, "2026-06-01") for number in range(1, 21)])
    second = an_order(
        [replace(seats(30, 1, "2026-03-01"), order_id="801ORDER5")], order_id="801ORDER5", order_number="5"
    )
    life = a_life(now=SOLD)
    life.sync(a_history(first), SOLD)
    found = life.sync(a_history(first, second), at("2026-02-10"))
    assert [each.phases[0].starts_at for each in found.objects] == [at("2026-06-01"), at("2026-03-01")]
    assert differences_of(found) == {}


def ending_month_by_month(count: int):
    """A contract of which one line ends inside each of the first months: two phases for every line."""
    ends = [add_months(date(2026, 2, 15), month) for month in range(count)]
    others = [seats(number, 1, "2026-02-01", end.isoformat()) for number, end in enumerate(ends, 2)]
    return an_order([seats(1, 10, "2026-02-01", "2028-01-31"), *others])


def test_ten_phases_are_sent_at_once():
    first = an_order(
        [
            seats(number, 1, "2026-02-01", (add_months(date(2026, 1, 31), number)).isoformat())
            for number in range(1, 11)
        ]
    )
    found = plan(*first.lines)
    assert (len(found.objects[0].phases), found.objects[0].loaded, found.wake_at) == (10, None, None)


def test_more_than_ten_phases_are_loaded_as_time_goes_by():
    life = a_life(now=SOLD)
    found = life.sync(a_history(ending_month_by_month(14)), SOLD)
    (schedule,) = found.objects
    assert (len(schedule.phases), schedule.loaded) == (28, 10)
    body = found.steps[-1].parameters["phases"]
    assert len(body) == 10
    assert body[-1]["end_date"] == int(at("2028-02-01").timestamp())
    assert found.wake_at == schedule.phases[6].starts_at
    loaded = []
    while life.plan.wake_at is not None:
        early = life.sync(life.history, life.plan.wake_at - timedelta(days=1))
        assert early.steps == ()
        again = life.sync(life.history, life.plan.wake_at)
        assert [step.action for step in again.steps] == [StepAction.UPDATE_SCHEDULE]
        assert len(again.steps[0].parameters["phases"]) <= 10
        loaded.append(again.objects[0].loaded)
    assert loaded == [16, 22, None]
    life.run_until(at("2028-02-03"))
    assert in_process.billed_by_day(life.account) == in_process.forecast_by_day(life.plan)
    assert differences_of(life.plan) == {}


def test_amendment_of_a_long_timetable_loads_from_the_present_on():
    life = a_life(now=SOLD)
    life.sync(a_history(ending_month_by_month(14)), SOLD)
    more = an_amendment(seats(30, 1, "2026-05-01", "2028-01-31"))
    life.run_until(at("2026-04-20"))
    found = life.sync(a_history(ending_month_by_month(14), more), at("2026-04-20"))
    current = next(
        place for place, phase in enumerate(found.objects[0].phases) if phase.ends_at > at("2026-04-20")
    )
    assert found.objects[0].loaded == current + 10
    assert documents_of(found) == []
    assert differences_of(found) == {}


def test_orders_of_one_quote_share_one_anchor():
    second = an_order(
        [replace(seats(2, 3, "2026-03-10"), order_id="801ORDER2")], order_id="801ORDER2", order_number="2"
    )
    found = a_life(now=SOLD).sync(a_history(FIRST, second), SOLD)
    assert [each.key.rpartition("QUOTE1:")[2] for each in found.objects if each.kind == "schedule"] == [
        "2026-02-01:1"
    ]
    assert invoices_of(found)[1:4] == [
        ("2026-03-01", 50000),
        ("2026-03-10", 10848),
        ("2026-04-01", 65000),
    ]


def test_joined_ids_keep_the_newest_that_fit():
    ids = [f"801{number:015}" for number in range(40)]
    text = joined(ids)
    assert len(text) <= 500
    assert text.split(",") == ids[-26:]


def test_line_whose_price_alone_changes_is_another_item():
    swap = an_amendment(
        seats(2, -10, "2026-06-01", revises=1), seats(3, 10, "2026-06-01", price="60"), number=2
    )
    found = a_life(now=SOLD).sync(a_history(FIRST, swap), SOLD)
    assert [items_of(phase) for phase in found.objects[0].phases] == [
        [("1", (10,), "5000")],
        [("3", (10,), "6000")],
    ]


def test_zero_priced_item_says_which_line_it_stands_for():
    ending = an_order([seats(1, 10, "2026-02-01", "2026-05-20")])
    found = a_life(now=SOLD).sync(a_history(ending), SOLD)
    body = found.steps[-1].parameters["phases"][-1]["items"][0]
    assert body["quantity"] == 1
    assert body["metadata"] == {
        "salesforce_order_item_id": "802LINE001",
        "salesforce_order_id": "801ORDER1",
        "salesforce_units": "1",
    }
    assert body["price_data"]["recurring"] == {"interval": "month", "interval_count": 1}
