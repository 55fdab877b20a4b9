"""Random new orders through planner and simulator over their whole life: billed equals forecast to the cent."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal
from fractions import Fraction

from hypothesis import given, settings
from hypothesis import strategies as st
from tests.simulation import in_process
from tests.simulation.movements import prorations
from tests.unit.planning.builders import a_history, a_line, a_one_time_line, a_policy, an_order

from cpqbridge.domain.dates import add_months, midnight
from cpqbridge.domain.money import currency_decimals
from cpqbridge.domain.refusal import OrderState
from cpqbridge.planning.proration import PRECISIONS, term_months
from cpqbridge_sim.stripe.account import Account

CURRENCIES = ("usd", "usd", "usd", "eur", "jpy", "kwd")


@st.composite
def line_dates(draw, contract_start: date, contract_end: date, months: int):
    """Most lines run with the contract; some have a start or an end of their own."""
    start, end = contract_start, contract_end
    kind = draw(st.sampled_from(["same", "same", "later", "sooner", "both", "whole"]))
    length = (contract_end - contract_start).days
    if kind in ("later", "both") and length > 1:
        start += timedelta(days=draw(st.integers(1, length - 1)))
    if kind in ("sooner", "both") and (end - start).days > 1:
        end -= timedelta(days=draw(st.integers(1, (end - start).days - 1)))
    if kind == "whole":
        start = min(start + timedelta(days=draw(st.integers(0, 60))), contract_end - timedelta(days=1))
        end = add_months(start, months * draw(st.integers(1, 3)))
    return start, end


@st.composite
def sold_orders(draw):
    """An order as CPQ would sell it, its policy, and when it is synced."""
    months = draw(st.sampled_from([1, 1, 3, 6, 12]))
    start = draw(st.dates(min_value=date(2020, 1, 1), max_value=date(2037, 12, 31)))
    if draw(st.booleans()):
        start = add_months(start.replace(day=1), 1) - timedelta(days=draw(st.integers(0, 2)))
    if draw(st.integers(0, 3)):
        end = add_months(start, draw(st.sampled_from([12, 12, 24, 36, 6, 15])))
    else:
        end = start + timedelta(days=draw(st.integers(1, 900)))
    precision = draw(st.sampled_from(PRECISIONS))
    currency = draw(st.sampled_from(CURRENCIES))
    step = Decimal(1).scaleb(-currency_decimals(currency))
    lines = []
    for number in range(1, draw(st.integers(1, 5)) + 1):
        first, last = draw(line_dates(start, end, months)) if number > 1 else (start, end)
        listed = step * draw(st.integers(0, 300_000))
        default_term = draw(st.sampled_from([1, 12]))
        exact = Fraction(listed) * term_months(first, last, precision) / default_term
        discount = draw(st.sampled_from([0, 0, 0, 10, 33]))
        exact = exact * (100 - discount) / 100
        unit = (Decimal(exact.numerator) / Decimal(exact.denominator)).quantize(step, ROUND_HALF_UP)
        lines.append(
            a_line(
                number,
                quantity=str(draw(st.integers(1, 40))),
                unit_price=str(unit),
                start=first.isoformat(),
                end=(last - timedelta(days=1)).isoformat(),
                months=months,
                entry=str(listed),
                default_term=str(default_term),
            )
        )
    if draw(st.booleans()):
        lines.append(
            a_one_time_line(9, total=str(step * draw(st.integers(-5000, 90_000))), start=start.isoformat())
        )
    offset = draw(st.sampled_from([-40, -1, 0, 0, 0, 1, 17, 33, 100]))
    second = draw(st.sampled_from([0, 1, 36_000, 86_000, 86_399]))
    instant = datetime(start.year, start.month, start.day, tzinfo=UTC) + timedelta(
        days=offset, seconds=second
    )
    skip = draw(st.integers(0, 5)) == 0
    order = an_order(lines, currency=currency, skip_past_initial_invoices=skip)
    policy = a_policy(
        prorate_precision=precision, rounding=draw(st.sampled_from(["report", "report", "true_up"]))
    )
    return order, policy, instant


@settings(max_examples=300)
@given(sold_orders())
def test_what_is_billed_is_what_was_forecast_and_sold(case):
    order, configuration, instant = case
    history = a_history(order)
    life = in_process.Life(Account(now=instant), configuration)
    plan = life.sync(history, instant, released={"backdated", "contract_over"})
    outcome = plan.outcomes[0]
    if outcome.state is not OrderState.SYNCED:
        # Charges of a few fils end in 0, so that what they leave to the last one can be out of bounds.
        assert order.currency == "kwd"
        assert {refusal.code for refusal in outcome.refusals} <= {"amount_step", "remainder_out_of_bounds"}
        return
    life.run_until(instant + timedelta(seconds=30))
    again = life.sync(history, instant + timedelta(minutes=1))
    assert again.steps == ()
    last = max(line.ends_on or line.starts_on for line in order.lines)
    life.run_until(max(midnight(last), life.account.now) + timedelta(days=3))

    plan = life.plan
    assert in_process.billed_by_day(life.account) == in_process.forecast_by_day(plan)
    by_line = in_process.billed_by_line(life.account)
    for proof in plan.proof:
        assert by_line[proof.order_item_id] == proof.billed_minor
        assert proof.reason in {None, "rounding", "past_skipped"}
        if configuration.policy.rounding == "true_up" and proof.reason == "rounding":
            raise AssertionError("true_up leaves no rounding")
    assert prorations(life.account) == []
    assert [outcome.state for outcome in again.outcomes] == [OrderState.UNCHANGED]
