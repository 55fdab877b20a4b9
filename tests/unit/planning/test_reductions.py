"""Amendments that take away: from which lines, at which prices, and what cannot be taken."""

from __future__ import annotations

from decimal import Decimal

import pytest
from tests.simulation import in_process
from tests.unit.planning.builders import (
    a_history,
    a_life,
    a_line,
    a_one_time_line,
    an_amendment,
    an_order,
    at,
    differences_of,
    documents_of,
    invoices_of,
    one_time_items_of,
    seats,
    states_of,
)

from cpqbridge.domain.order import OrderLine
from cpqbridge.domain.refusal import OrderState

SOLD = at("2026-01-28T09:00:00")
FIRST = an_order([seats(1, 10, "2026-02-01")])
MORE = an_amendment(seats(2, 2, "2026-05-13", revises=1))


def fewer(units: int, start="2026-08-20", end="2027-01-31", *, number=3, **changes):
    return an_amendment(seats(number, -units, start, end, revises=1), number=number, **changes)


def synced(*orders, when=SOLD, **history):
    return a_life(now=when).sync(a_history(*orders, **history), when)


def taken_of(found) -> list[tuple[str, str, int]]:
    return [
        (take.reducing_id[-1], take.reduced_id[-1], take.units)
        for wanted in found.objects
        for take in wanted.taken
    ]


def the_refusal(found, place=-1):
    outcome = found.outcomes[place]
    (refusal,) = outcome.refusals
    assert outcome.state is refusal.state
    return refusal


def test_reduction_takes_full_cycles_at_the_line_s_price_and_credits_the_rest():
    found = synced(FIRST, fewer(3))
    credit = next(item for phase in found.objects[0].phases for item in phase.one_time_items)
    assert (credit.kind, credit.amount_minor) == ("credit", -5919)
    assert (credit.period_start.isoformat(), credit.period_end.isoformat()) == ("2026-08-20", "2026-09-01")
    assert invoices_of(found)[6:9] == [
        ("2026-08-01", 50000),
        ("2026-09-01", 50000 - 15000 - 5919),
        ("2026-10-01", 35000),
    ]
    assert [(take.reducing_id, take.reduced_id, take.amount_minor) for take in found.taken] == [
        ("802LINE003", "802LINE001", 75000)
    ]
    assert [(proof.sold_minor, proof.billed_minor) for proof in found.proof] == [
        (600000, 600000),
        (-80919, -80919),
    ]


def test_reduction_takes_the_newest_addition_first():
    assert taken_of(synced(FIRST, MORE, fewer(3))) == [("3", "1", 1), ("3", "2", 2)]


def test_reduction_leaves_lines_that_end_on_another_day():
    shorter = an_amendment(seats(2, 2, "2026-05-13", "2026-12-31", revises=1))
    assert taken_of(synced(FIRST, shorter, fewer(3))) == [("3", "1", 3)]
    assert taken_of(synced(FIRST, shorter, fewer(2, end="2026-12-31"))) == [("3", "2", 2)]


def test_reduction_leaves_lines_that_start_after_it():
    later = an_amendment(seats(2, 2, "2026-09-13", revises=1))
    assert taken_of(synced(FIRST, later, fewer(3))) == [("3", "1", 3)]


@pytest.mark.parametrize(("last", "state"), [("2027-01-28", "synced"), ("2027-01-27", "held")])
def test_ends_up_to_three_days_apart_are_the_same(last, state):
    found = synced(FIRST, fewer(3, end=last))
    assert found.outcomes[-1].state == state


def test_reduction_across_end_dates_is_held_with_the_dates():
    shorter = an_amendment(seats(2, 2, "2026-05-13", "2026-12-31", revises=1))
    refusal = the_refusal(synced(FIRST, shorter, fewer(3, end="2026-12-31")))
    assert (refusal.code, refusal.state) == ("reduction_across_ends", OrderState.HELD)
    assert refusal.message.endswith(
        "takes 3 units away from 2026-08-20 on and ends on 2026-12-31, but the units it could take end on "
        "2026-12-31, 2027-01-31."
    )


def test_reduction_below_zero_is_refused_and_the_first_order_goes_on():
    found = synced(FIRST, fewer(11))
    refusal = the_refusal(found)
    assert (refusal.code, refusal.field) == ("reduction_below_zero", "Quantity")
    assert refusal.message.endswith("takes 11 units away from 2026-08-20 on, 1 more than there are.")
    assert found.outcomes[0].state is OrderState.SYNCED
    assert taken_of(found) == []


def test_units_are_taken_once_by_the_lines_of_one_order():
    twice = an_amendment(
        seats(3, -6, "2026-08-20", revises=1), seats(4, -5, "2026-08-20", revises=1), number=3
    )
    refusal = the_refusal(synced(FIRST, twice))
    assert (refusal.code, refusal.record_id) == ("reduction_below_zero", "802LINE004")
    enough = an_amendment(
        seats(3, -6, "2026-08-20", revises=1), seats(4, -4, "2026-08-20", revises=1), number=3
    )
    assert taken_of(synced(FIRST, enough)) == [("3", "1", 6), ("4", "1", 4)]


def test_reduction_of_units_that_a_draft_would_add_waits_for_it():
    draft = an_amendment(seats(2, 2, "2026-05-13", revises=1), activated=False)
    found = synced(FIRST, draft, fewer(12))
    refusal = the_refusal(found)
    assert (refusal.code, refusal.state) == ("waiting_for_units", OrderState.WAITING)
    assert "order 00000102, which is not activated yet" in refusal.message
    assert synced(FIRST, MORE, fewer(12)).outcomes[-1].state is OrderState.SYNCED


@pytest.mark.parametrize(
    "draft",
    [
        an_amendment(seats(2, 2, "2026-08-21", revises=1), activated=False),
        an_amendment(seats(2, 2, "2026-05-13"), activated=False),
        an_amendment(seats(2, -2, "2026-05-13", revises=1), activated=False),
        an_amendment(a_one_time_line(2, start="2026-05-13", revises="802LINE001"), activated=False),
    ],
)
def test_draft_that_brings_no_units_in_time_is_not_waited_for(draft):
    assert the_refusal(synced(FIRST, draft, fewer(12))).code == "reduction_below_zero"


def test_reduction_waits_for_nothing_that_is_a_later_sale():
    later = an_amendment(seats(4, 5, "2026-10-01", revises=1), number=4, activated=False)
    assert the_refusal(synced(FIRST, fewer(12), later), 1).code == "reduction_below_zero"


def test_reduction_of_units_of_another_lineage_is_refused():
    other = an_amendment(seats(2, 5, "2026-05-13"))
    assert the_refusal(synced(FIRST, other, fewer(12))).code == "reduction_below_zero"


def test_lines_that_name_each_other_in_a_ring_are_one_lineage_without_end():
    one = seats(1, 5, "2026-02-01", revises=2)
    found = synced(an_order([one]), an_amendment(seats(2, -1, "2026-08-20", revises=1)))
    assert states_of(found)[0] == (OrderState.REFUSED, ["reduction_below_zero"])
    found = synced(
        FIRST,
        an_amendment(seats(2, 5, "2026-05-13", revises=3), number=2),
        an_amendment(seats(3, -5, "2026-08-20", revises=2), number=3),
    )
    assert the_refusal(found).code == "reduction_below_zero"


def test_reduction_of_a_block_price_is_held():
    block = an_order([a_line(quantity="30", unit_price="100", total_price="1200", entry=None)])
    refusal = the_refusal(synced(block, fewer(3)))
    assert (refusal.code, refusal.state) == ("reduction_of_block_price", OrderState.HELD)
    assert "802LINE001" in refusal.message


def test_units_once_taken_stay_taken_from_the_same_lines():
    life = a_life(now=SOLD)
    found = life.sync(a_history(FIRST, fewer(3)), SOLD)
    assert taken_of(found) == [("3", "1", 3)]
    found = life.sync(a_history(FIRST, MORE, fewer(3)), at("2026-02-10T09:00:00"))
    assert taken_of(found) == [("3", "1", 3)]
    found = life.sync(
        a_history(FIRST, MORE, fewer(3), fewer(9, "2026-10-01", number=4)), at("2026-02-11T09:00:00")
    )
    assert taken_of(found) == [("3", "1", 3), ("4", "1", 7), ("4", "2", 2)]
    assert found.objects[0].phases[-1].ends_at == at("2026-10-01")


def test_reductions_of_one_line_round_in_the_order_of_their_execution():
    third = an_order([a_line(quantity="10", unit_price="100", total_price="1000", entry=None)])
    amendments = [
        an_amendment(
            a_line(
                number,
                quantity="-3",
                unit_price=price,
                total_price=total,
                start=f"2026-0{number}-01",
                entry=None,
                revises="802LINE001",
            ),
            number=number,
        )
        for number, price, total in ((5, "75", "-225"), (6, "66.67", "-200"), (7, "58.33", "-175"))
    ]
    found = synced(third, *amendments)
    by_reducing = {each.reducing_id[-1]: each.amount_minor for each in found.taken}
    cycle = [round(Decimal("833.333333333333") * units) for units in (10, 7, 4, 1)]
    assert cycle == [8333, 5833, 3333, 833]
    assert by_reducing == {"5": 9 * 2500, "6": 8 * 2500, "7": 7 * 2500}
    assert differences_of(found) == {"802LINE001": (-4, "rounding")}


def test_reduction_of_a_tail_leaves_the_share_of_the_units():
    first = an_order([seats(1, 10, "2026-02-01", "2026-09-20")])
    found = synced(first, fewer(3, "2026-07-01", "2026-09-20"))
    whole = synced(first)
    tail = one_time_items_of(whole.objects[0].phases[-1])[0][2]
    assert tail == 32880
    last = one_time_items_of(found.objects[0].phases[-1])
    assert last == [("802LINE001", "tail", 23016)]
    assert differences_of(found) == {}
    assert found.objects[0].phases[-1].one_time_items[0].description.startswith("7 x Seat")


def test_reduction_inside_the_head_credits_its_rest():
    first = an_order([seats(1, 10, "2026-02-01"), seats(2, 4, "2026-05-13")])
    cut_short = an_amendment(seats(3, -1, "2026-05-20", revises=2), number=3)
    found = synced(first, cut_short)
    assert differences_of(found) == {}
    assert ("invoice", "2026-05-13", 12492) in documents_of(found)
    assert taken_of(found) == [("3", "2", 1)]


def test_swap_on_one_date_is_billed_as_its_difference():
    swap = an_amendment(
        seats(2, -10, "2026-08-20", revises=1), seats(3, 10, "2026-08-20", price="60", revises=1)
    )
    found = synced(FIRST, swap)
    assert documents_of(found) == [("invoice", "2026-08-20", 3940)]
    assert [(item.kind, item.amount_minor) for item in found.objects[-1].phases[0].one_time_items] == [
        ("credit", -19730),
        ("head", 23670),
    ]
    assert [phase.starts_at for phase in found.objects[0].phases] == [at("2026-02-01"), at("2026-08-20")]
    assert ("2026-09-01", 60000) in invoices_of(found)


def test_cheaper_swap_is_a_credit():
    swap = an_amendment(
        seats(2, -10, "2026-08-20", revises=1), seats(3, 10, "2026-08-20", price="40", revises=1)
    )
    found = synced(FIRST, swap)
    assert documents_of(found) == []
    assert ("2026-09-01", 40000 - 3950) in invoices_of(found)


def setup_fee(number: int, units: int, start: str, revises: int | None = None) -> OrderLine:
    return a_one_time_line(
        number,
        total=str(units * 250),
        start=start,
        quantity=Decimal(units),
        unit_price=Decimal(250),
        revises=revises and f"802LINE{revises:03}",
    )


def test_reduction_of_a_one_time_line_credits_its_total():
    first = an_order([seats(1, 10, "2026-02-01"), setup_fee(9, 3, "2026-02-01")])
    found = synced(first, an_amendment(setup_fee(8, -1, "2026-03-10", revises=9)))
    assert invoices_of(found)[:3] == [
        ("2026-02-01", 125000),
        ("2026-03-01", 50000),
        ("2026-04-01", 50000 - 25000),
    ]
    assert one_time_items_of(found.objects[0].phases[-1]) == [("802LINE008", "credit", -25000)]
    assert differences_of(found) == {}


def test_reduction_of_a_one_time_line_below_zero_is_refused():
    first = an_order([seats(1, 10, "2026-02-01"), setup_fee(9, 3, "2026-02-01")])
    refusal = the_refusal(synced(first, an_amendment(setup_fee(8, -4, "2026-03-10", revises=9))))
    assert (refusal.code, refusal.record_id) == ("reduction_below_zero", "802LINE008")
    assert "takes 4 units away, but only 3 are there" in refusal.message


def test_one_time_line_given_up_twice_in_one_order_is_refused():
    first = an_order([setup_fee(9, 3, "2026-02-01")])
    twice = an_amendment(setup_fee(7, -2, "2026-03-10", revises=9), setup_fee(8, -2, "2026-03-10", revises=9))
    assert the_refusal(synced(first, twice)).code == "reduction_below_zero"


def test_late_reduction_takes_nothing_back_that_was_billed():
    life = a_life(now=SOLD)
    life.sync(a_history(FIRST), SOLD)
    life.run_until(at("2026-09-25T08:00:00"))
    found = life.sync(a_history(FIRST, fewer(3)), at("2026-09-25T08:00:00"))
    assert invoices_of(found)[8] == ("2026-10-01", 35000 - 20919)
    credit = found.objects[0].phases[-1].one_time_items[0]
    assert (credit.kind, credit.amount_minor) == ("credit", -20919)
    assert (credit.period_start.isoformat(), credit.period_end.isoformat()) == ("2026-08-20", "2026-10-01")
    life.run_until(at("2027-02-03"))
    assert in_process.billed_by_line(life.account) == {
        "802LINE001": 600000 - 4 * 15000,
        "802LINE003": -20919,
    }


def test_order_may_reduce_units_of_one_that_comes_after_it():
    early = an_amendment(seats(2, -11, "2026-08-20", revises=1), number=2)
    adding = an_amendment(seats(3, 4, "2026-05-13", revises=1), number=3)
    life = a_life(now=SOLD)
    found = life.sync(a_history(FIRST, early, adding), SOLD)
    assert states_of(found) == [(OrderState.SYNCED, [])] * 3
    assert taken_of(found) == [("2", "1", 7), ("2", "3", 4)]
    again = life.sync(life.history, at("2026-02-10"))
    assert again.steps == ()
    assert states_of(again) == [(OrderState.UNCHANGED, [])] * 3


def test_more_of_a_one_time_line_is_a_charge():
    first = an_order([seats(1, 10, "2026-02-01"), setup_fee(9, 3, "2026-02-01")])
    found = synced(first, an_amendment(setup_fee(8, 2, "2026-03-10", revises=9)))
    assert documents_of(found) == [("invoice", "2026-03-10", 50000)]
    (item,) = found.objects[-1].phases[0].one_time_items
    assert item.kind == "one_time"
    assert differences_of(found) == {}
