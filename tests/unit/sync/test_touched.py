"""A schedule in Stripe beside the one that was sent: what counts as somebody's change, and what does not."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pytest

from cpqbridge.domain.billing import BillingObject, OneTimeItem, Phase, PhaseItem, Touched
from cpqbridge.domain.pricing import DiscountTerms, PriceTier, TieredPrice
from cpqbridge.domain.schedule_standing import ScheduleStanding, StandingItem, StandingPhase
from cpqbridge.sync.touched import what_was_touched


def day(month: int, number: int = 1, year: int = 2026) -> datetime:
    return datetime(year, month, number, tzinfo=UTC)


PRICE = "50.00 USD every month"
TEN = f"10 x {PRICE}"
START, CHANGE, END = day(2), day(5), day(2, year=2027)
HEAD = OneTimeItem(
    order_item_id="802B",
    order_id="801B",
    product_id="01t",
    kind="head",
    amount_minor=6246,
    period_start=date(2026, 5, 1),
    period_end=date(2026, 6, 1),
    description="Seat",
)
HEAD_METADATA = {
    "salesforce_order_item_id": "802B",
    "salesforce_kind": "head",
    "salesforce_period_start": "2026-05-01",
}


def item(quantity: int, amount: str = "5000", months: int = 1) -> PhaseItem:
    return PhaseItem(
        product_id="01t",
        order_item_ids=("802",),
        price_key="price:k",
        unit_amount_decimal=amount,
        interval_count=months,
        quantity=quantity,
    )


def phase(starts_at: datetime, ends_at: datetime, *items: PhaseItem, charges=()) -> Phase:
    return Phase(
        starts_at=starts_at,
        ends_at=ends_at,
        proration_behavior="none",
        items=items,
        one_time_items=charges,
        order_ids=("801",),
    )


SENT = BillingObject(
    key="schedule:Q1:2026-02-01:1",
    kind="schedule",
    currency="usd",
    phases=(phase(START, CHANGE, item(10)), phase(CHANGE, END, item(10), item(2), charges=(HEAD,))),
    end_behavior="cancel",
    collection_method="send_invoice",
    days_until_due=30,
    anchor_at=START,
)


def standing_item(
    quantity: int | None, amount: str | None = "5000", interval: str = "month", count: int = 1
) -> StandingItem:
    return StandingItem(
        price_id="price_1",
        product_id="prod_1",
        unit_amount_decimal=amount,
        interval=interval,
        interval_count=count,
        quantity=quantity,
        metadata={},
    )


def standing_phase(starts_at: datetime, ends_at: datetime, *items: StandingItem, charges=()) -> StandingPhase:
    return StandingPhase(starts_at=starts_at, ends_at=ends_at, items=items, one_time_metadata=charges)


FIRST = standing_phase(START, CHANGE, standing_item(10))
SECOND = standing_phase(CHANGE, END, standing_item(2), standing_item(10), charges=(HEAD_METADATA,))


def standing(*phases: StandingPhase, status: str = "active", end_behavior: str = "cancel"):
    return ScheduleStanding(
        schedule_id="sub_sched_1",
        status=status,
        end_behavior=end_behavior,
        subscription_id="sub_1",
        current_phase_starts_at=None,
        phases=phases or (FIRST, SECOND),
        metadata={},
    )


@pytest.mark.parametrize("at", [day(1), START, day(3, 15), CHANGE, day(1, 31, 2027)])
def test_a_schedule_as_it_was_sent_is_not_touched_at_any_time(at: datetime) -> None:
    assert what_was_touched(SENT, standing(), at=at) is None


@pytest.mark.parametrize(
    "found",
    [
        # Past phases are gone, or what they hold is history.
        standing(SECOND),
        standing(standing_phase(START, CHANGE, standing_item(99)), SECOND),
        # The running phase is cut in two, and its charges are made.
        standing(
            FIRST,
            standing_phase(CHANGE, day(9), standing_item(2), standing_item(10)),
            standing_phase(day(9), END, standing_item(10), standing_item(2)),
        ),
    ],
)
def test_time_that_has_passed_and_other_cuts_are_no_change(found: ScheduleStanding) -> None:
    assert what_was_touched(SENT, found, at=day(7)) is None


def test_what_stripe_writes_in_another_way_is_no_change() -> None:
    sent = replace(SENT, phases=(phase(START, END, item(1, "120000.50", months=12)),))
    found = standing(standing_phase(START, END, standing_item(None, "120000.5", "year")))
    assert what_was_touched(sent, found, at=day(3)) is None


@pytest.mark.parametrize(
    ("status", "at", "text"),
    [
        ("canceled", day(7), "it was cancelled, although it was to run until 2027-02-01"),
        ("released", day(7), "it was released, although it was to run until 2027-02-01"),
        ("missing", day(7), "this Stripe account does not have it, although it was to run until 2027-02-01"),
        ("completed", END, None),
        ("released", END, "it was released"),
    ],
)
def test_a_schedule_that_ended_is_touched_unless_it_ran_to_its_end(
    status: str, at: datetime, text: str | None
) -> None:
    ended = replace(standing(status=status), ended_at=day(6))
    goes_on = "sub_1" if status == "released" else None
    expected = Touched(words=text, is_over=True, ended_at=day(6), goes_on=goes_on) if text else None
    assert what_was_touched(SENT, ended, at=at) == expected


def test_a_schedule_without_an_end_that_nothing_planned_further_goes_on_without_it() -> None:
    endless = replace(SENT, key="schedule:Q1:2026-02-01:e1", end_behavior="release")
    released = replace(standing(status="released"), ended_at=END)
    assert what_was_touched(endless, released, at=END) == Touched(
        words="it was released on 2027-02-01, since nothing planned it further in time",
        is_over=True,
        goes_on="sub_1",
    )


def test_a_schedule_that_was_to_be_released_or_cancelled_by_us_is_not_touched() -> None:
    renewing = replace(SENT, end_behavior="release")
    assert what_was_touched(renewing, standing(status="released"), at=END) is None
    cancelled = replace(SENT, ended_at=day(6))
    assert what_was_touched(cancelled, standing(status="canceled"), at=day(7)) is None


@pytest.mark.parametrize(
    ("found", "text"),
    [
        (
            standing(FIRST, standing_phase(CHANGE, END, standing_item(12), charges=(HEAD_METADATA,))),
            f"from 2026-05-01 on it bills 12 x {PRICE} instead of 2 x {PRICE} and {TEN}",
        ),
        (
            standing(standing_phase(START, CHANGE, standing_item(10, "4500")), SECOND),
            f"from 2026-03-15 on it bills 10 x 45.00 USD every month instead of {TEN}",
        ),
        (
            standing(standing_phase(START, CHANGE, standing_item(10, None)), SECOND),
            f"from 2026-03-15 on it bills 10 x another price every month instead of {TEN}",
        ),
        (
            standing(standing_phase(START, CHANGE), SECOND),
            f"from 2026-03-15 on it bills nothing instead of {TEN}",
        ),
        (
            standing(FIRST, standing_phase(CHANGE, day(8), *SECOND.items, charges=(HEAD_METADATA,))),
            "it ends on 2026-08-01 instead of 2027-02-01",
        ),
        (
            standing(FIRST, replace(SECOND, one_time_metadata=())),
            "its one-time charges on 2026-05-01 are others",
        ),
        (standing(end_behavior="release"), "it ends with release instead of cancel"),
    ],
)
def test_what_bills_otherwise_from_now_on_is_said(found: ScheduleStanding, text: str) -> None:
    assert what_was_touched(SENT, found, at=day(3, 15)) == Touched(words=text)


def test_a_schedule_that_was_loaded_in_part_runs_to_the_end_with_its_last_loaded_phase() -> None:
    sent = replace(SENT, loaded=1)
    loaded = standing(standing_phase(START, END, standing_item(10)))
    assert what_was_touched(sent, loaded, at=day(3)) is None
    assert what_was_touched(SENT, loaded, at=day(3)) is not None
    assert what_was_touched(sent, standing(), at=day(3)) is not None


def test_a_schedule_that_has_not_begun_is_compared_from_its_start() -> None:
    later = standing(standing_phase(START + timedelta(days=1), CHANGE, standing_item(10)), SECOND)
    assert what_was_touched(SENT, later, at=day(1)) is not None
    assert what_was_touched(SENT, later, at=START + timedelta(days=1)) is None


OFF = DiscountTerms(key="coupon:cpqbridge-ten", name="Ten", percent_off="10", amount_off_minor=None)


def test_usage_has_no_quantity_however_many_lines_it_is_for() -> None:
    used = replace(item(2), metered=True)
    sent = replace(SENT, phases=(phase(START, END, used),))
    found = standing(standing_phase(START, END, standing_item(None)))
    assert what_was_touched(sent, found, at=day(3)) is None


def test_tiers_are_told_by_the_lookup_key_of_their_price() -> None:
    tiers = TieredPrice(
        mode="volume", tiers=(PriceTier(up_to=None, unit_amount_decimal="1", flat_amount_decimal="0"),)
    )
    sent = replace(SENT, phases=(phase(START, END, replace(item(10), tiers=tiers)),))
    same = replace(standing_item(10, None), lookup_key="k")
    assert what_was_touched(sent, standing(standing_phase(START, END, same)), at=day(3)) is None
    other = standing(standing_phase(START, END, replace(same, lookup_key="cpqbridge:other")))
    assert what_was_touched(sent, other, at=day(3)) == Touched(
        words="from 2026-03-01 on it bills other tiers"
    )


@pytest.mark.parametrize(
    ("on_phase", "on_item", "words"),
    [
        (("cpqbridge-ten",), ("cpqbridge-ten",), None),
        ((), ("cpqbridge-ten",), "from 2026-03-01 on other coupons reduce it"),
        (("cpqbridge-ten",), (), "from 2026-03-01 on other coupons reduce it"),
        (("cpqbridge-ten", "theirs"), ("cpqbridge-ten",), "from 2026-03-01 on other coupons reduce it"),
    ],
)
def test_coupons_are_compared_on_phase_and_item(
    on_phase: tuple[str, ...], on_item: tuple[str, ...], words: str | None
) -> None:
    sold = replace(phase(START, END, replace(item(10), discounts=(OFF,))), discounts=(OFF,))
    found = standing_phase(START, END, replace(standing_item(10), coupons=on_item))
    touched = what_was_touched(
        replace(SENT, phases=(sold,)), standing(replace(found, coupons=on_phase)), at=day(3)
    )
    assert touched == (None if words is None else Touched(words=words))


def test_a_trial_that_ends_earlier_or_was_added_is_said() -> None:
    free = replace(phase(START, CHANGE, item(10)), trial=True)
    sent = replace(SENT, phases=(free, SENT.phases[1]))
    in_trial = replace(FIRST, trial_ends_at=CHANGE)
    assert what_was_touched(sent, standing(in_trial, SECOND), at=day(3)) is None
    ended = what_was_touched(sent, standing(FIRST, SECOND), at=day(3))
    assert ended == Touched(words="from 2026-03-01 on it is not in a trial")
    added = what_was_touched(SENT, standing(in_trial, SECOND), at=day(3))
    assert added == Touched(words="from 2026-03-01 on it is in a trial")


def test_a_change_has_the_same_marks_on_every_day_less_those_of_time_that_passed() -> None:
    found = standing(
        standing_phase(START, CHANGE, standing_item(11)), standing_phase(CHANGE, END, standing_item(13))
    )
    early, late, later = (what_was_touched(SENT, found, at=day(*at)) for at in ((3, 3), (4, 20), (6, 1)))
    assert early is not None
    assert late is not None
    assert later is not None
    assert early.words != late.words
    assert early.marks == late.marks
    assert set(later.marks) < set(early.marks)
