"""The random histories are what CPQ would write, and the slow money of a contract is right on its example."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given, settings
from tests.acceptance.slow_calculator import DAY, DECIMALS, rounded, term
from tests.simulation import daily_checks, daily_money, line_money
from tests.simulation.cpq_desk import Desk, Offer
from tests.simulation.histories import contract_stories
from tests.simulation.stories import known

from cpqbridge.domain.order import LineKind, OrderKind
from cpqbridge.mapping.configuration import default_configuration
from cpqbridge.mapping.policies import CreditsPolicy, ProrationPolicy

SPANS = {
    # salesforce.md 4.5: 50.00 for a month by month, day, monthly_daily and calendar_monthly_daily.
    ("2026-02-01", "2027-01-31"): ("600.00", "600.00", "600.00", "600.00"),
    ("2026-05-13", "2027-01-31"): ("450.00", "433.97", "431.23", "430.65"),
    ("2026-08-20", "2027-01-31"): ("300.00", "271.23", "269.73", "269.35"),
    ("2027-03-01", "2028-02-29"): ("600.00", "601.64", "600.00", "600.00"),
    ("2026-11-16", "2026-12-15"): ("50.00", "49.32", "50.00", "49.19"),
}
PRECISIONS = ("month", "day", "monthly_daily", "calendar_monthly_daily")


@pytest.mark.parametrize("span", SPANS)
@pytest.mark.parametrize("precision", PRECISIONS)
def test_each_precision_prices_the_spans_of_the_document(span, precision):
    first, last = (date.fromisoformat(text) for text in span)
    desk = Desk(precision=precision, currency="usd", months=1)
    sold = desk.sell(Offer(number=1, price=Decimal(50)), 1, first, last + DAY)
    assert sold.line.unit_price == Decimal(SPANS[span][PRECISIONS.index(precision)])


def base_example(*, credits_policy: str = "next_invoice", proration: str = "invoice_now"):
    """Return 10 seats, 2 more from 13 May, 3 fewer from 20 August, and their configuration."""
    desk = Desk(precision="monthly_daily", currency="usd", months=1)
    first, last = date(2026, 2, 1), date(2027, 2, 1)
    seats = desk.sell(Offer(number=1, price=Decimal(50)), 10, first, last)
    desk.activate(OrderKind.INITIAL, first, datetime(2026, 1, 28, 15, tzinfo=UTC))
    desk.sell(seats.offer, 2, date(2026, 5, 13), last, raises=seats)
    desk.activate(OrderKind.AMENDMENT, date(2026, 5, 13), datetime(2026, 5, 12, 9, tzinfo=UTC))
    desk.reduce(seats, 3, date(2026, 8, 20))
    desk.activate(OrderKind.AMENDMENT, date(2026, 8, 20), datetime(2026, 8, 19, 16, tzinfo=UTC))
    configuration = default_configuration()
    policy = replace(
        configuration.policy,
        credits=CreditsPolicy(credits_policy),
        proration=ProrationPolicy(proration),
    )
    return desk.history(), replace(configuration, policy=policy)


def test_example_of_the_document_comes_out():
    history, _ = base_example()
    lines = [line for order in history.orders for line in order.lines]
    assert [line.total_price for line in lines] == [Decimal("6000.00"), Decimal("862.46"), Decimal("-809.19")]
    assert [line.unit_price for line in lines] == [Decimal("600.00"), Decimal("431.23"), Decimal("269.73")]
    assert lines[1].prorate_multiplier == Decimal("8.62465753424658")
    assert lines[2].revises == lines[1].revises == lines[0].order_item_id


def test_subscription_that_starts_later_is_reduced_from_its_own_start():
    desk = Desk(precision="monthly_daily", currency="usd", months=1)
    later = desk.sell(Offer(number=1, price=Decimal(50)), 4, date(2026, 6, 1), date(2027, 2, 1))
    assert desk.reduce(later, 4, date(2026, 3, 1)).starts_on == date(2026, 6, 1)
    assert desk.alive == []


@settings(max_examples=150)
@given(contract_stories())
def test_every_line_follows_the_formulas(story):
    precision = str(story.configuration.policy.prorate_precision)
    for order in story.history.orders:
        assert order.lines
        for line in order.lines:
            assert line.total_price == line.unit_price * line.quantity
            assert line.order_id == order.order_id
            if line.kind is LineKind.ONE_TIME:
                continue
            sold = line_money.sold_line(line, story.until)
            months = Fraction(1) if line.evergreen else term(sold.start, sold.end, precision)
            whole = round(months) if sold.typed_term else months
            listed = sold.list_price / sold.list_months
            prices = {
                rounded(listed * span * (100 - discount) / 100, DECIMALS[order.currency])
                for span in (months, whole)
                for discount in (0, 10, 25, 33, 100)
            }
            assert sold.unit_price in prices
            assert line.evergreen if line.ends_on is None else line.starts_on <= line.ends_on
            assert line.starts_on >= order.effective_on


@settings(max_examples=150)
@given(contract_stories())
def test_orders_and_syncs_make_a_history(story):
    orders = story.history.orders
    keys = [(order.effective_on, order.activated_at, order.order_id) for order in orders]
    assert keys == sorted(keys)
    assert sum(order.kind is not OrderKind.AMENDMENT for order in orders) in (1, 2)
    activated = {order.order_id: order.activated_at for order in orders}
    for instant, ids in story.syncs:
        assert ids == {order_id for order_id, at in activated.items() if at <= instant}
        seen = {order.order_id: order.activated for order in known(story, ids).orders}
        assert {order_id for order_id, done in seen.items() if done} == ids
        assert seen.keys() - ids <= story.drafts
    assert [instant for instant, _ in story.syncs] == sorted(instant for instant, _ in story.syncs)
    assert story.syncs[-1][1] == activated.keys()
    assert all(order.order_id in story.describe() for order in orders)


@settings(max_examples=300)
@given(contract_stories())
def test_units_never_fall_below_zero_unless_planted(story):
    """Each lineage holds, on each day, and after each activation, what is taken from it."""
    if story.planted not in (None, "contract_over"):
        return
    lines = {line.order_item_id: line for order in story.history.orders for line in order.lines}
    days = {line.starts_on for line in lines.values()}
    by_activation = sorted(story.history.orders, key=lambda order: order.activated_at)
    for known_ids in [{order.order_id for order in by_activation}, *(ids for _, ids in story.syncs)]:
        for day in days:
            units: Counter[str] = Counter()
            for line in lines.values():
                if line.order_id in known_ids and line.starts_on <= day:
                    units[line_money.root_of(line, lines)] += int(line.quantity)
            if known_ids & story.drafts != story.drafts:
                continue
            assert all(count >= 0 for count in units.values())


def money_of(story):
    return daily_money.contract_money(story.history, story.configuration, story.syncs, until=story.until)


@settings(max_examples=60)
@given(contract_stories())
def test_days_of_a_line_sum_to_what_it_was_sold_for(story):
    if story.planted not in (None, "contract_over"):
        return
    lines = {line.order_item_id: line for order in story.history.orders for line in order.lines}
    money = money_of(story)
    # A reduction that waits for a draft is carried out when the draft is activated, at the last sync at most.
    assert money.lines.keys() == lines.keys()
    currency = story.history.orders[0].currency
    for line_id, line in money.lines.items():
        days = Counter[date]()
        for day, earned in line.daily():
            days[day] += earned
        assert sum(days.values(), Fraction(0)) == line.total
        assert all(line.start <= day < line.end for day in days)
        if lines[line_id].evergreen or lines[line_id].custom_price is not None:
            continue
        assert line.total == line_money.minor_total(lines[line_id], currency) + line.missed
        charges = sum(stretch.kind == "cycle" for stretch in line.stretches)
        # Where a part is skipped, or billed elsewhere, fewer charges are left than were rounded.
        assert abs(line.rounding) * 2 <= charges or line.missed != line.rounding


def billed_in_advance(money):
    """Return the movements of a connector that bills each stretch on the day it begins."""
    return [
        daily_checks.Movement(
            at=datetime(*max(stretch.start, money.entered[line.order_id]).timetuple()[:3], tzinfo=UTC),
            amount=stretch.amount,
            order_item_ids=(line.line_id,),
            kind=stretch.kind,
            period_start=stretch.start,
            period_end=stretch.end,
        )
        for line in money.lines.values()
        for stretch in line.stretches
        if stretch.start <= money.last_day
    ]


def problems(money, movements, configuration):
    return (
        daily_checks.wrong_totals(money, movements, configuration)
        + daily_checks.wrong_days(money, movements, configuration)
        + daily_checks.outside_terms(money, movements)
    )


@settings(max_examples=150)
@given(contract_stories())
def test_billing_each_stretch_in_advance_is_what_must_be_billed(story):
    if story.planted not in (None, "contract_over"):
        return
    money = money_of(story)
    assert problems(money, billed_in_advance(money), story.configuration) == []


def whole_at(history, day):
    return [(day, frozenset(order.order_id for order in history.orders))]


def test_first_sync_with_amendments_in_force_bills_the_sum_of_the_example():
    """B6.8: 4,000.00 + 462.46 - 209.19 = 4,253.27 on 25 September, where all of it is due at once."""
    history, configuration = base_example(credits_policy="credit_note")
    instant = datetime(2026, 9, 25, 10, tzinfo=UTC)
    money = daily_money.contract_money(history, configuration, whole_at(history, instant))
    due = [line.begun(instant.date()) for line in money.lines.values()]
    assert due == [400000, 46246, -20919]
    # The newest units go first: both of the addition, then one of the first line.
    taken = [(stretch.kind, stretch.amount) for stretch in money.lines["802LINE003"].stretches]
    assert taken == [("credit", -5919), *[("cycle", -10000)] * 5, *[("cycle", -5000)] * 5]
    head = money.lines["802LINE002"].stretches[0]
    assert (head.kind, head.start, head.end, head.amount) == (
        "head",
        date(2026, 5, 13),
        date(2026, 6, 1),
        6246,
    )


@pytest.mark.parametrize(
    "spoil",
    [
        lambda movement: replace(movement, amount=movement.amount + 1),
        lambda movement: replace(movement, at=movement.at + timedelta(days=4)),
        lambda movement: replace(movement, at=movement.at - timedelta(days=1)),
        lambda movement: replace(movement, period_end=movement.period_end + timedelta(days=400)),
        lambda movement: replace(movement, order_item_ids=()),
        lambda movement: replace(movement, order_item_ids=("802NOBODY",)),
    ],
    ids=["a cent more", "four days late", "a day early", "after the term", "nameless", "foreign"],
)
def test_wrong_charge_is_found(spoil):
    history, configuration = base_example()
    syncs = [
        (order.activated_at, frozenset(other.order_id for other in history.orders[: number + 1]))
        for number, order in enumerate(history.orders)
    ]
    money = daily_money.contract_money(history, configuration, syncs)
    right = billed_in_advance(money)
    assert problems(money, right, configuration) == []
    for number in (3, 12, 15):
        wrong = [*right[:number], spoil(right[number]), *right[number + 1 :]]
        assert problems(money, wrong, configuration) != [], right[number]


@pytest.mark.parametrize(
    ("credits_policy", "proration", "credited_on", "fits"),
    [
        ("next_invoice", "invoice_now", date(2026, 9, 1), True),
        ("next_invoice", "invoice_now", date(2026, 9, 2), False),
        ("credit_note", "invoice_now", date(2026, 8, 20), True),
        ("credit_note", "invoice_now", date(2026, 9, 1), False),
        ("none", "invoice_now", None, True),
        ("next_invoice", "invoice_now", None, False),
    ],
)
def test_credit_may_wait_for_the_next_invoice_or_be_dropped_by_policy(
    credits_policy, proration, credited_on, fits
):
    history, configuration = base_example(credits_policy=credits_policy, proration=proration)
    money = daily_money.contract_money(
        history, configuration, whole_at(history, datetime(2026, 1, 28, 16, tzinfo=UTC))
    )
    movements = []
    for movement in billed_in_advance(money):
        if movement.kind != "credit":
            movements.append(movement)
        elif credited_on is not None:
            at = datetime(*credited_on.timetuple()[:3], tzinfo=UTC)
            movements.append(replace(movement, at=at))
    assert (problems(money, movements, configuration) == []) is fits
