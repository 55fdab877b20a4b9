"""Renewals beside the contract they renew, amendments that must end with it, orders of one quote."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from decimal import Decimal

import pytest
from tests.unit.planning.builders import (
    BEFORE,
    CONFIGURATION,
    a_history,
    a_life,
    a_line,
    a_one_time_line,
    a_policy,
    an_amendment,
    an_order,
    at,
    differences_of,
    invoices_of,
    seats,
    states_of,
)

from cpqbridge.domain.billing import BillingState
from cpqbridge.domain.order import OrderKind, RenewedContract, RenewedLine
from cpqbridge.domain.refusal import OrderState
from cpqbridge.planning.plan import plan_contract

FIRST = an_order([seats(1, 10, "2026-02-01")])


def old_seats(**changes) -> RenewedContract:
    line = RenewedLine(
        order_item_id="802OLD",
        product_id="01tSEAT",
        product_name="Seat",
        quantity=Decimal(8),
        starts_on=date(2025, 3, 1),
        ends_on=date(2026, 2, 28),
        total=Decimal(4800),
    )
    return RenewedContract(
        contract_id="800OLD", root_id="a0qOLD", ends_on=line.ends_on, lines=(replace(line, **changes),)
    )


def renewing(
    *lines, renewed=None, configuration=CONFIGURATION, released=(), state=None, kind=OrderKind.RENEWAL
):
    order = an_order(list(lines) or [seats(1, 10, "2026-02-01")], kind=kind)
    history = a_history(order, renewed=renewed or old_seats())
    return plan_contract(
        history,
        state or BillingState(),
        configuration,
        as_of=BEFORE,
        released=frozenset(released),
    )


def test_renewal_that_overlaps_is_held_with_what_both_would_bill():
    found = renewing()
    (outcome,) = found.outcomes
    (refusal,) = outcome.refusals
    assert (refusal.code, refusal.field) == ("overlap", "ServiceDate")
    assert "until 2026-02-28: about 400.00 USD would be billed twice" in refusal.message
    assert found.steps == ()
    assert states_of(renewing(released=["overlap"])) == [(OrderState.SYNCED, [])]
    assert states_of(renewing(configuration=a_policy(overlap="both"))) == [(OrderState.SYNCED, [])]


def test_renewal_is_held_once_however_many_lines_overlap():
    found = renewing(seats(1, 10, "2026-02-01"), seats(2, 5, "2026-02-01"))
    assert states_of(found) == [(OrderState.HELD, ["overlap"])]


@pytest.mark.parametrize(
    ("line", "renewed"),
    [
        (seats(1, 10, "2026-03-01"), old_seats()),
        (seats(1, 10, "2026-02-01"), old_seats(product_id="01tSETUP")),
        (seats(1, 10, "2026-02-01"), old_seats(starts_on=date(2026, 2, 2))),
        (a_one_time_line(1, product_id="01tSEAT"), old_seats()),
    ],
)
def test_renewal_that_does_not_run_beside_the_same_product_goes_on(line, renewed):
    assert states_of(renewing(line, renewed=renewed)) == [(OrderState.SYNCED, [])]


def test_order_that_is_no_renewal_is_never_held_for_an_overlap():
    assert states_of(renewing(kind=OrderKind.INITIAL)) == [(OrderState.SYNCED, [])]


def test_renewal_of_a_contract_that_renews_itself_is_held():
    released_at_its_end = an_order([seats(1, 10, "2025-02-01", "2026-01-31")], end_behavior="release")
    old = a_life(now=at("2025-01-28"))
    old.sync(a_history(released_at_its_end), at("2025-01-28"))
    state = replace(BillingState(), renewed=old.state.objects)
    found = renewing(state=state, renewed=old_seats(ends_on=date(2026, 1, 31)))
    assert states_of(found) == [(OrderState.HELD, ["released_schedule"])]
    assert "End that subscription in Stripe on 2026-02-01" in found.outcomes[0].refusals[0].fix
    ended = {key: replace(each, ended_at=BEFORE) for key, each in old.state.objects.items()}
    calm = renewing(state=replace(state, renewed=ended), renewed=old_seats(ends_on=date(2026, 1, 31)))
    assert states_of(calm) == [(OrderState.SYNCED, [])]


def test_amendment_after_the_contract_renewed_itself_is_held():
    first = an_order([seats(1, 10, "2026-02-01")], end_behavior="release")
    life = a_life()
    life.sync(a_history(first), BEFORE)
    life.run_until(at("2027-03-01"))
    more = an_amendment(seats(2, 1, "2027-04-01", "2027-12-31"))
    found = life.sync(a_history(first, more), at("2027-03-01"))
    assert states_of(found)[1] == (OrderState.HELD, ["released_schedule"])


def test_policy_coterminate_refuses_another_end():
    strict = a_policy(coterminate="required")
    other = an_amendment(seats(2, 2, "2026-05-13", "2026-12-31"))
    found = a_life(configuration=strict).sync(a_history(FIRST, other), BEFORE)
    assert states_of(found)[1] == (OrderState.REFUSED, ["coterminate_required"])
    refusal = found.outcomes[1].refusals[0]
    assert "802LINE002 ends on 2026-12-31, its contract on 2027-01-31" in refusal.message
    assert states_of(a_life().sync(a_history(FIRST, other), BEFORE))[1] == (OrderState.SYNCED, [])


@pytest.mark.parametrize(
    "amendment",
    [
        an_amendment(seats(2, 2, "2026-05-13")),
        an_amendment(seats(2, 2, "2026-05-13", "2027-01-28")),
        an_amendment(seats(2, -2, "2026-05-13", "2027-01-29", revises=1)),
        an_amendment(a_one_time_line(2, start="2026-05-13")),
    ],
)
def test_policy_coterminate_lets_the_same_end_through(amendment):
    life = a_life(configuration=a_policy(coterminate="required"))
    assert states_of(life.sync(a_history(FIRST, amendment), BEFORE))[1] == (OrderState.SYNCED, [])


def test_policy_coterminate_asks_nothing_of_a_contract_without_an_end():
    fees = an_order([a_one_time_line(1)])
    life = a_life(configuration=a_policy(coterminate="required"))
    found = life.sync(a_history(fees, an_amendment(seats(2, 2, "2026-05-13"))), BEFORE)
    assert states_of(found) == [(OrderState.SYNCED, [])] * 2


def test_orders_of_one_quote_are_billed_together():
    second = an_order([seats(2, 3, "2026-02-01")], order_id="801ORDER2", order_number="00000102")
    found = a_life().sync(a_history(FIRST, second), BEFORE)
    assert states_of(found) == [(OrderState.SYNCED, [])] * 2
    assert invoices_of(found)[0] == ("2026-02-01", 65000)
    assert [entry.order_id for entry in found.objects[0].orders] == ["801ORDER1", "801ORDER2"]


def test_order_of_one_quote_goes_on_beside_one_that_is_refused():
    second = an_order([seats(2, 3, "2026-02-01")], order_id="801ORDER2", order_number="00000102")
    refused = an_order([a_line(1, quantity="2.5")])
    found = a_life().sync(a_history(refused, second), BEFORE)
    assert [state for state, _ in states_of(found)] == [OrderState.REFUSED, OrderState.SYNCED]
    assert differences_of(found) == {}


def test_other_frequency_in_one_contract_goes_by_the_policy():
    yearly = an_amendment(a_line(2, months=12, start="2026-05-01", unit_price="450"))
    assert states_of(a_life().sync(a_history(FIRST, yearly), BEFORE))[1] == (OrderState.SYNCED, [])
    strict = a_life(configuration=a_policy(frequencies="refuse"))
    (refusal,) = strict.sync(a_history(FIRST, yearly), BEFORE).outcomes[1].refusals
    assert refusal.code == "frequencies_mixed"
    assert "every 12 months, other lines of its contract every 1" in refusal.message


def test_policy_coterminate_counts_only_what_is_activated_as_first_sold():
    draft = an_order(
        [seats(5, 1, "2026-02-01", "2027-06-30")], order_id="801ORDER5", order_number="5", activated=False
    )
    more = an_amendment(seats(2, 2, "2026-05-13"))
    strict = a_life(configuration=a_policy(coterminate="required"))
    found = strict.sync(a_history(FIRST, draft, more), BEFORE)
    assert states_of(found)[2] == (OrderState.SYNCED, [])


def test_amendment_while_the_contract_has_not_renewed_itself_yet_goes_on():
    first = an_order([seats(1, 10, "2026-02-01")], end_behavior="release")
    life = a_life()
    life.sync(a_history(first), BEFORE)
    found = life.sync(a_history(first, an_amendment(seats(2, 1, "2026-04-01"))), at("2026-03-01"))
    assert states_of(found)[1] == (OrderState.SYNCED, [])
    assert found.objects[0].end_behavior == "release"
