"""Contracts that random lives found a fault with, each cut down to what made it fail, lived to the end."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from datetime import UTC, date, datetime
from decimal import Decimal

import pytest
from hypothesis import given, settings
from tests.simulation import test_contract_lives as lives
from tests.simulation.cpq_desk import Desk, Offer
from tests.simulation.histories import MANY_LINES, contract_stories
from tests.simulation.stories import Payer, Story

from cpqbridge.domain.order import OrderKind, Tier, TiersMode, TierTable
from cpqbridge.mapping.configuration import default_configuration
from cpqbridge.mapping.policies import (
    CreditsPolicy,
    FrequenciesPolicy,
    ProratePrecision,
    ProrationPolicy,
    RoundingPolicy,
)


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def day(text: str) -> date:
    return date.fromisoformat(text)


def a_desk(months: int = 1, *, precision: str = "monthly_daily", currency: str = "usd") -> Desk:
    return Desk(precision=precision, currency=currency, months=months, multipliers="none")


def an_offer(number: int, price: str, *, months: int = 12, discount: int = 0) -> Offer:
    return Offer(number=number, price=Decimal(price), months=months, discount=discount)


def lived(
    desk: Desk, *syncs: tuple[str, int], payer: Payer = "nobody", cutover: date | None = None, **policy
) -> tuple[str, lives.Lived]:
    """Live what was sold and return how it ended; `syncs` are instants with how many orders are known."""
    configuration = default_configuration()
    precision = ProratePrecision(desk.precision)
    configuration = replace(
        configuration,
        policy=replace(
            configuration.policy, prorate_precision=precision, prorate_precision_confirmed=True, **policy
        ),
        caps=replace(configuration.caps, backdated_periods=10_000),
    )
    ids = [order.order_id for order in desk.orders]
    story = Story(
        history=desk.history(),
        configuration=configuration,
        syncs=tuple((at(instant), frozenset(ids[:count])) for instant, count in syncs),
        payer=payer,
        cutover=cutover,
        until=max((each.end for each in desk.subscriptions if each.offer.evergreen), default=None),
    )
    return lives.check(story), lives.live(story, story.syncs)


def billed(found: lives.Lived) -> Counter[str]:
    """Return what was billed in all, by order line, in minor units; zero sums left out."""
    sums: Counter[str] = Counter()
    for movement in lives.movements(found.account):
        sums[",".join(movement.order_item_ids)] += movement.amount
    return Counter({line_id: amount for line_id, amount in sums.items() if amount})


def test_line_taken_back_before_its_first_day_is_not_billed_by_a_later_timer():
    """Its own schedule was never made, so nothing in Stripe remembers when it was taken back."""
    desk = a_desk(3)
    desk.sell(an_offer(1, "120"), 5, day("2024-02-29"), day("2024-11-29"))
    gone = desk.sell(an_offer(2, "90"), 6, day("2024-04-06"), day("2025-01-06"))
    desk.sell(an_offer(3, "60"), 1, day("2024-05-16"), day("2024-08-18"))
    desk.activate(OrderKind.INITIAL, day("2024-02-29"), at("2024-02-26T10:00"))
    desk.reduce(gone, 6, day("2024-03-17"))
    desk.activate(OrderKind.AMENDMENT, day("2024-03-17"), at("2024-03-17T15:30"))
    end, found = lived(desk, ("2024-03-18T15:30", 2), credits=CreditsPolicy.NONE)
    assert end == lives.LIVED
    assert not billed(found).keys() & {gone.line.order_item_id, "802LINE004"}


def test_contract_ended_before_it_began_leaves_only_what_is_billed_once():
    desk = a_desk()
    seats = desk.sell(an_offer(1, "80.39", months=1), 36, day("2020-07-01"), day("2021-01-01"))
    desk.activate(OrderKind.INITIAL, day("2020-07-01"), at("2020-05-22T15:30"))
    desk.reduce(seats, 9, day("2020-07-01"))
    setup = desk.charge_once(Decimal("198.91"), 1, day("2020-07-01"))
    desk.activate(OrderKind.AMENDMENT, day("2020-07-01"), at("2020-05-27T10:00"))
    desk.reduce(seats, 27, day("2020-07-01"))
    desk.activate(OrderKind.AMENDMENT, day("2020-07-01"), at("2020-05-27T15:30"))
    end, found = lived(desk, ("2020-06-16T10:01:30", 3), credits=CreditsPolicy.NONE)
    assert end == lives.LIVED
    assert billed(found) == {setup.line.order_item_id: 19_891}


def test_first_phase_that_ends_with_the_contract_is_sent_once():
    desk = a_desk(6, precision="month", currency="eur")
    desk.sell(an_offer(1, "50", months=1), 38, day("2028-06-01"), day("2028-06-03"))
    desk.activate(OrderKind.INITIAL, day("2028-06-01"), at("2028-06-02T23:53:20"))
    end, found = lived(desk, ("2028-06-02T23:54:50", 1))
    assert end == lives.LIVED
    assert billed(found) == {"802LINE001": 190_000}


def test_break_points_of_a_line_taken_back_split_no_first_phase():
    desk = a_desk(precision="calendar_monthly_daily")
    desk.sell(an_offer(1, "65.36", months=1), 11, day("2032-10-31"), day("2034-10-31"))
    gone = desk.sell(an_offer(2, "12"), 5, day("2032-10-31"), day("2034-08-09"))
    desk.activate(OrderKind.INITIAL, day("2032-10-31"), at("2032-10-30T23:59:59"))
    desk.reduce(gone, 5, day("2032-10-31"))
    desk.activate(OrderKind.AMENDMENT, day("2032-10-31"), at("2032-10-31T00:00:59"))
    end, found = lived(desk, ("2032-10-31T00:01:29", 2))
    assert end == lives.LIVED
    assert billed(found).keys() == {"802LINE001"}


def test_contract_keeps_its_anchor_when_only_another_schedule_was_made():
    desk = a_desk(3, precision="month")
    seats = desk.sell(an_offer(1, "485.14", months=1), 2, day("2023-01-18"), day("2023-12-03"))
    desk.activate(OrderKind.INITIAL, day("2023-01-18"), at("2023-01-18T23:59:59"))
    desk.terminate(day("2023-01-23"))
    desk.activate(OrderKind.AMENDMENT, day("2023-01-23"), at("2023-01-23T00:00:01"))
    more = desk.sell(an_offer(22, "3", months=1), 34, day("2023-02-07"), day("2023-05-07"))
    desk.activate(OrderKind.AMENDMENT, day("2023-02-07"), at("2023-01-24T00:00"))
    desk.reduce(more, 28, day("2023-02-07"))
    desk.activate(OrderKind.AMENDMENT, day("2023-02-07"), at("2023-01-29T23:59:59"))
    end, found = lived(desk, ("2023-01-27T23:59:59", 3), ("2023-01-30T00:01:29", 4))
    assert end == lives.LIVED
    assert billed(found)[more.line.order_item_id] == 5_400
    assert seats.units == 0


def test_contract_whose_first_order_is_over_goes_on_with_its_amendments():
    desk = a_desk(12)
    desk.sell(an_offer(1, "120"), 2, day("2030-09-01"), day("2030-12-14"))
    desk.activate(OrderKind.INITIAL, day("2030-09-01"), at("2030-10-23T00:00"))
    desk.sell(an_offer(2, "24"), 2, day("2030-12-13"), day("2032-12-13"))
    desk.activate(OrderKind.AMENDMENT, day("2030-12-13"), at("2030-12-12T23:59:59"))
    end, found = lived(desk, ("2030-12-21T23:53:20", 2))
    assert end == lives.LIVED
    assert billed(found)["802LINE002"] == 9_600


def skipping(*, policy: ProrationPolicy) -> tuple[str, lives.Lived]:
    desk = a_desk()
    seats = desk.sell(an_offer(1, "50", months=1), 10, day("2026-02-01"), day("2027-02-01"))
    order = desk.activate(OrderKind.INITIAL, day("2026-02-01"), at("2026-01-28T10:00"))
    desk.orders[0] = replace(order, skip_past_initial_invoices=True)
    desk.reduce(seats, 3, day("2026-04-01"))
    desk.activate(OrderKind.AMENDMENT, day("2026-04-01"), at("2026-03-28T10:00"))
    return lived(desk, ("2026-09-25T10:00", 2), proration=policy)


def test_time_that_was_skipped_is_not_given_back_either():
    """Ten seats are billed from 1 September on, less three seats for September, which were gone in April."""
    end, found = skipping(policy=ProrationPolicy.INVOICE_NOW)
    assert end == lives.LIVED
    assert billed(found) == {"802LINE001": 50_000 + 4 * 35_000, "802LINE002": -15_000}
    reasons = {proof.order_item_id: proof.reason for proof in found.plan.proof}
    assert reasons == {"802LINE001": "past_skipped", "802LINE002": "past_skipped"}


def test_reduction_takes_the_addition_that_starts_last_though_another_came_in_later():
    desk = a_desk()
    first = desk.sell(an_offer(22, "4.58", months=1), 2, day("2032-03-07"), day("2033-05-27"))
    desk.activate(OrderKind.INITIAL, day("2032-03-07"), at("2032-02-07T23:53:20"))
    last = desk.sell(first.offer, 4, day("2033-05-26"), day("2033-05-27"), raises=first)
    desk.activate(OrderKind.AMENDMENT, day("2033-05-26"), at("2032-02-27T00:00:01"))
    middle = desk.sell(first.offer, 2, day("2032-06-27"), day("2033-05-27"), raises=first)
    desk.activate(OrderKind.AMENDMENT, day("2032-06-27"), at("2032-04-18T00:00:01"))
    desk.reduce(first, 2, day("2032-03-27"))
    desk.reduce(last, 4, day("2032-03-27"))
    desk.reduce(middle, 2, day("2032-03-27"))
    desk.activate(OrderKind.AMENDMENT, day("2032-03-27"), at("2032-06-17T00:00:01"))
    end, _ = lived(desk, ("2032-03-18T00:01:31", 2), ("2032-06-17T00:01:31", 4))
    assert end == lives.LIVED


def test_first_invoice_below_zero_is_a_credit():
    """Stripe would give up the draft of a contract that ends within the hour."""
    desk = a_desk(precision="day")
    desk.sell(an_offer(1, "0"), 1, day("2026-12-31"), day("2027-01-02"))
    desk.charge_once(Decimal("-225.68"), 1, day("2026-12-31"))
    desk.activate(OrderKind.INITIAL, day("2026-12-31"), at("2026-12-31T10:00"))
    end, found = lived(desk, ("2027-01-01T23:54:50", 1))
    assert end == lives.LIVED
    assert billed(found) == {"802LINE002": -22_568}


def taken_back_in_two_steps() -> Desk:
    """Two seats from 20 February, one taken back in good time, the other a week late."""
    desk = a_desk(precision="month", currency="eur")
    desk.sell(an_offer(1, "0.80", months=1), 11, day("2031-02-01"), day("2032-06-19"))
    seats = desk.sell(an_offer(2, "1200", months=1), 2, day("2031-02-20"), day("2032-03-31"))
    desk.activate(OrderKind.INITIAL, day("2031-02-01"), at("2030-12-23T00:00:01"))
    for instant in ("2031-02-07T15:30", "2031-02-27T15:30"):
        desk.reduce(seats, 1, day("2031-02-20"))
        desk.activate(OrderKind.AMENDMENT, day("2031-02-08"), at(instant))
    return desk


def test_line_taken_back_in_two_steps_sums_to_nothing():
    desk = taken_back_in_two_steps()
    syncs = (("2031-01-12T23:54:50", 1), ("2031-02-08T15:30", 2), ("2031-02-27T15:31:30", 3))
    end, found = lived(desk, *syncs, proration=ProrationPolicy.NEXT_INVOICE)
    assert end == lives.LIVED
    assert sum(amount for line_id, amount in billed(found).items() if line_id != "802LINE001") == 0


def test_order_that_was_put_off_keeps_the_units_it_took():
    """Its units come with an order that follows it; a reduction that is executed later may not have them."""
    desk = a_desk(3, precision="day")
    seats = desk.sell(an_offer(1, "1.87", months=1), 24, day("2032-08-15"), day("2033-09-21"))
    desk.activate(OrderKind.INITIAL, day("2032-08-15"), at("2032-08-14T10:00"))
    some = desk.sell(an_offer(22, "1200", months=1), 10, day("2033-05-15"), day("2033-09-21"))
    desk.activate(OrderKind.AMENDMENT, day("2033-05-15"), at("2032-08-15T23:59:59"))
    more = desk.sell(some.offer, 35, day("2033-05-15"), day("2033-09-21"), raises=some)
    desk.activate(OrderKind.AMENDMENT, day("2033-05-15"), at("2033-03-03T23:53:20"))
    desk.reduce(seats, 2, day("2033-03-03"))
    desk.reduce(more, 35, day("2033-03-03"))
    desk.activate(OrderKind.AMENDMENT, day("2033-03-03"), at("2033-03-03T23:54:20"))
    desk.reduce(some, 10, day("2033-05-15"))
    desk.activate(OrderKind.AMENDMENT, day("2033-05-15"), at("2033-03-03T23:55:20"))
    end, found = lived(
        desk, ("2032-08-16T00:01:29", 2), ("2033-03-03T23:54:50", 4), ("2033-03-03T23:56:50", 5)
    )
    assert end == lives.LIVED
    sold = {some.line.order_item_id, more.line.order_item_id}
    assert not sold & billed(found).keys()


def test_first_settlement_that_is_a_credit_does_not_wait_for_the_next_invoice():
    desk = a_desk(precision="month", currency="eur")
    seats = desk.sell(an_offer(1, "1100.88"), 5, day("2028-02-29"), day("2029-02-28"))
    goodwill = desk.charge_once(Decimal("-1176.36"), 1, day("2028-02-29"))
    desk.activate(OrderKind.INITIAL, day("2028-02-29"), at("2028-02-28T23:53:20"))
    more = desk.sell(seats.offer, 5, day("2028-02-29"), day("2029-02-28"), raises=seats)
    desk.activate(OrderKind.AMENDMENT, day("2028-02-29"), at("2028-02-29T23:52:20"))
    end, found = lived(desk, ("2028-02-29T23:53:20", 2))
    assert end == lives.LIVED
    assert billed(found) == {
        seats.line.order_item_id: 550_440,
        goodwill.line.order_item_id: -117_636,
        more.line.order_item_id: 550_440,
    }


def test_line_that_revises_a_later_one_has_its_price():
    desk = a_desk(3)
    seats = desk.sell(an_offer(1, "1200", discount=10), 30, day("2033-03-03"), day("2033-12-03"))
    desk.activate(OrderKind.INITIAL, day("2033-03-03"), at("2033-03-20T10:00"))
    more = desk.sell(seats.offer, 5, day("2033-06-18"), day("2033-12-03"), raises=seats)
    desk.activate(OrderKind.AMENDMENT, day("2033-06-18"), at("2033-05-19T23:59:59"))
    desk.sell(seats.offer, 3, day("2033-06-18"), day("2033-12-03"), raises=more)
    desk.activate(OrderKind.AMENDMENT, day("2033-03-03"), at("2033-06-08T23:53:20"))
    end, _ = lived(
        desk, ("2033-03-20T10:01:30", 1), ("2033-06-08T23:54:50", 3), rounding=RoundingPolicy.TRUE_UP
    )
    assert end == lives.LIVED


def test_what_rides_on_one_of_two_new_schedules_stays_on_it():
    desk = a_desk(precision="month")
    desk.sell(an_offer(1, "50", months=1), 1, day("2020-01-01"), day("2021-01-01"))
    desk.sell(replace(an_offer(2, "50", months=1), every=12), 1, day("2020-01-01"), day("2021-01-01"))
    setup = desk.charge_once(Decimal("0.01"), 1, day("2020-01-01"))
    desk.activate(OrderKind.INITIAL, day("2020-01-01"), at("2019-11-22T00:00"))
    desk.give_back(setup, 1, day("2020-01-01"))
    desk.activate(OrderKind.AMENDMENT, day("2020-01-01"), at("2019-11-22T00:01"))
    end, _ = lived(desk, ("2019-11-22T00:01:30", 2), frequencies=FrequenciesPolicy.SPLIT)
    assert end == lives.LIVED


def test_tail_that_begins_where_nothing_renews_is_billed_by_itself():
    """Stripe makes no invoice for it: the other line renews every six months."""
    desk = a_desk(6, currency="jpy")
    desk.sell(an_offer(1, "28829", months=1), 4, day("2034-10-31"), day("2035-02-03"))
    desk.activate(OrderKind.INITIAL, day("2034-10-31"), at("2034-10-08T10:00"))
    offer = replace(an_offer(2, "120000", months=1), every=3)
    short = desk.sell(offer, 4, day("2035-01-31"), day("2035-02-03"))
    desk.activate(OrderKind.AMENDMENT, day("2035-01-31"), at("2034-12-09T23:59:59"))
    end, found = lived(desk, ("2034-12-10T00:01:29", 2))
    assert end == lives.LIVED
    assert billed(found)[short.line.order_item_id] == 47_344


@pytest.mark.parametrize("kind", [{"custom": Decimal("132.11")}, {"evergreen": True}], ids=str)
def test_line_of_a_given_price_that_was_never_served_is_given_back_though_it_was_billed(kind):
    desk = a_desk(6, precision="month")
    desk.until = day("2027-12-14")
    offer = replace(an_offer(1, "38.73"), **kind)
    seats = desk.sell(offer, 4, day("2025-12-14"), day("2026-12-14"))
    desk.activate(OrderKind.INITIAL, day("2025-12-14"), at("2025-12-14T10:00"))
    desk.reduce(seats, 4, day("2025-12-14"))
    desk.activate(OrderKind.AMENDMENT, day("2025-12-14"), at("2026-02-12T10:00"))
    end, found = lived(desk, ("2025-12-14T10:01:30", 1), ("2026-02-12T10:01:30", 2))
    assert end == lives.LIVED
    assert sum(billed(found).values()) == 0


def test_reduction_of_skipped_time_is_not_charged_where_rounding_outweighs_it():
    desk = a_desk(precision="calendar_monthly_daily")
    seats = desk.sell(an_offer(1, "0.58"), 12, day("2021-06-28"), day("2022-06-28"))
    order = desk.activate(OrderKind.INITIAL, day("2021-06-28"), at("2021-06-28T23:59:59"))
    desk.orders[0] = replace(order, skip_past_initial_invoices=True)
    desk.reduce(seats, 2, day("2021-08-26"))
    desk.activate(OrderKind.AMENDMENT, day("2021-08-26"), at("2021-08-27T00:00"))
    end, found = lived(desk, ("2021-09-05T00:00", 2), credits=CreditsPolicy.CREDIT_NOTE)
    assert end == lives.LIVED
    assert sum(billed(found).values()) == 10 * 48


def test_credits_of_one_day_on_an_invoice_that_is_paid_in_part_add_up():
    """The customer's balance pays a part of the invoice that both credits are for."""
    desk = a_desk(12, precision="calendar_monthly_daily", currency="jpy")
    gone = desk.sell(an_offer(2, "43742"), 3, day("2021-06-28"), day("2023-10-03"))
    some = desk.sell(an_offer(3, "499"), 2, day("2021-06-28"), day("2024-06-28"))
    desk.sell(replace(an_offer(4, "9022"), every=3), 4, day("2021-06-28"), day("2023-10-28"))
    desk.activate(OrderKind.INITIAL, day("2021-06-28"), at("2021-06-28T23:59:59"))
    seats = desk.sell(an_offer(21, "5000", months=1), 1, day("2021-07-06"), day("2024-06-28"))
    desk.activate(OrderKind.AMENDMENT, day("2021-07-06"), at("2021-07-03T00:00:01"))
    desk.reduce(gone, 3, day("2021-06-28"))
    desk.activate(OrderKind.AMENDMENT, day("2021-06-28"), at("2021-07-24T00:00:59"))
    desk.reduce(seats, 1, day("2022-07-20"))
    desk.activate(OrderKind.AMENDMENT, day("2022-07-20"), at("2022-03-03T15:30:29"))
    desk.reduce(some, 2, day("2022-07-20"))
    desk.activate(OrderKind.AMENDMENT, day("2022-07-20"), at("2022-02-09T00:00:01"))
    end, _ = lived(
        desk,
        ("2021-07-04T00:00:01", 2),
        ("2021-07-24T00:05:59", 3),
        ("2022-03-03T16:30:29", 5),
        credits=CreditsPolicy.CREDIT_NOTE,
        proration=ProrationPolicy.NEXT_INVOICE,
        payer="transfer",
    )
    assert end == lives.LIVED


def test_evergreen_subscription_ends_on_the_very_day_up_to_which_it_was_planned():
    desk = a_desk(3)
    desk.until = day("2024-07-24")
    seats = desk.sell(replace(an_offer(1, "90", months=1), evergreen=True), 8, day("2021-03-01"), desk.until)
    desk.activate(OrderKind.INITIAL, day("2021-03-01"), at("2021-02-09T15:30"))
    desk.reduce(seats, 8, day("2023-03-01"))
    desk.activate(OrderKind.AMENDMENT, day("2023-03-01"), at("2021-09-08T10:00"))
    end, found = lived(desk, ("2021-02-09T15:31:31", 1), ("2021-10-23T10:00", 2))
    assert end == lives.LIVED
    assert sum(billed(found).values()) == 24 * 8 * 9000


def test_evergreen_subscription_from_a_leap_day_is_planned_on_and_on():
    desk = a_desk(12)
    desk.until = day("2036-08-07")
    seats = desk.sell(replace(an_offer(1, "33.33"), evergreen=True), 2, day("2032-02-29"), desk.until)
    desk.activate(OrderKind.INITIAL, day("2032-02-29"), at("2032-02-20T15:30"))
    end, found = lived(desk, ("2032-02-20T15:31:30", 1))
    assert end == lives.LIVED
    assert billed(found) == {seats.line.order_item_id: 5 * 6666}


def test_lines_of_several_frequencies_that_are_taken_over_begin_on_the_cutover():
    desk = a_desk(12)
    desk.sell(an_offer(1, "343.02"), 5, day("2031-09-26"), day("2032-09-26"))
    seats = desk.sell(replace(an_offer(2, "60"), every=3), 2, day("2031-09-26"), day("2032-09-26"))
    order = desk.activate(OrderKind.INITIAL, day("2031-09-26"), at("2031-09-27T23:59:59"))
    desk.orders[0] = replace(order, before_start_date=True)
    end, found = lived(desk, ("2031-11-30T15:36:29", 1), cutover=day("2031-12-26"))
    assert end == lives.LIVED
    assert billed(found) == {seats.line.order_item_id: 3 * 3000}


def test_duplicate_price_has_its_original_though_no_phase_needs_that_one():
    """The first line of the product ends within its only period, which is therefore billed once."""
    desk = a_desk(12, precision="calendar_monthly_daily")
    desk.sell(an_offer(6, "246.69"), 25, day("2033-01-28"), day("2035-01-28"))
    short = desk.sell(an_offer(7, "246.69"), 22, day("2033-03-20"), day("2036-03-20"))
    desk.sell(short.offer, 3, day("2033-07-02"), day("2035-01-28"))
    desk.activate(OrderKind.INITIAL, day("2033-01-28"), at("2033-03-02T23:59:59"))
    desk.reduce(short, 22, day("2034-01-28"))
    desk.activate(OrderKind.AMENDMENT, day("2034-01-28"), at("2033-03-03T00:00:59"))
    end, _ = lived(desk, ("2033-03-03T00:03:29", 2))
    assert end == lives.LIVED


TABLE = TierTable(
    mode=TiersMode.GRADUATED,
    tiers=(Tier(up_to=5, unit_price=Decimal(12)), Tier(up_to=None, unit_price=Decimal(3))),
)


def test_units_of_a_tiered_line_that_was_over_when_they_became_known_come_after_those_there():
    desk = a_desk()
    seats = desk.sell(replace(an_offer(1, "12"), tiers=TABLE), 6, day("2033-08-17"), day("2033-12-17"))
    desk.sell(an_offer(2, "1200"), 1, day("2033-08-17"), day("2034-08-17"))
    desk.activate(OrderKind.INITIAL, day("2033-08-17"), at("2033-08-16T10:00"))
    late = desk.sell(seats.offer, 2, day("2033-08-17"), day("2033-12-17"), raises=seats)
    desk.activate(OrderKind.AMENDMENT, day("2033-08-17"), at("2034-04-16T00:00"))
    end, found = lived(desk, ("2033-08-16T10:01:30", 1), ("2034-04-16T00:01:30", 2))
    assert end == lives.LIVED
    assert billed(found)[late.line.order_item_id] == 4 * 2 * 300


@pytest.mark.parametrize(
    ("kind", "back"), [({"tiers": TABLE}, 2 * 1500), ({"custom": Decimal(31)}, 2 * 6200)], ids=str
)
def test_periods_that_began_without_the_units_are_given_back_as_they_were_billed(kind, back):
    """A month of 31 days is more than a twelfth of a year, but no more was billed for it."""
    desk = a_desk(precision="day")
    seats = desk.sell(replace(an_offer(1, "12"), **kind), 6, day("2033-07-01"), day("2034-07-01"))
    desk.activate(OrderKind.INITIAL, day("2033-07-01"), at("2033-06-16T10:00"))
    desk.reduce(seats, 2, day("2033-07-01"))
    desk.activate(OrderKind.AMENDMENT, day("2033-07-01"), at("2033-08-16T10:00"))
    end, found = lived(desk, ("2033-06-16T10:01:30", 1), ("2033-08-16T10:01:30", 2))
    assert end == lives.LIVED
    moved = lives.movements(found.account)
    assert sum(movement.amount for movement in moved if movement.kind == "credit") == -back


def features(story: Story) -> set[str]:
    """Return what is rare about a story."""
    many = len({line.segment for line in story.history.orders[0].lines if line.segment}) > 10
    first = [order for order in story.history.orders if order.kind is not OrderKind.AMENDMENT]
    renewed = story.history.renewed
    return story.kinds | {
        name
        for name, is_so in {
            "many segments": many,
            str(story.configuration.policy.frequencies): True,
            "many lines": len(first[0].lines) >= MANY_LINES,
            "two first orders": len(first) == 2,
            "skipped": any(order.skip_past_initial_invoices for order in first),
            "billed elsewhere": story.cutover is not None,
            "renewal": renewed is not None,
            "renewal beside": renewed is not None and bool(renewed.lines),
            "draft": bool(story.drafts),
            story.payer: True,
            str(story.configuration.policy.credit_target): True,
            str(story.planted): True,
        }.items()
        if is_so
    }


def test_stories_have_all_that_is_rare():
    seen: Counter[str] = Counter()

    @settings(max_examples=800, derandomize=True, database=None)
    @given(contract_stories())
    def one(story):
        seen.update(features(story))

    one()
    wanted = "many lines,two first orders,skipped,billed elsewhere,renewal,renewal beside,draft,card,transfer"
    wanted += ",nobody,balance,refund,outside,None,overlap,contract_over,reduction_below_zero"
    wanted += ",quantity_not_whole,coterminate_required,many segments,evergreen,evergreen beside termed"
    wanted += ",evergreen reduced,ramp,ramp amended,custom price,trial,tiers,tiers changed,frequencies mixed,mixed,split"
    assert set(wanted.split(",")) <= seen.keys(), seen
