"""Random contracts with coupons through planner and simulated account over their whole life.

100 contracts, or as many as the Hypothesis profile or `--examples` asks for.
"""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest
from hypothesis import event, given, settings
from hypothesis import strategies as st
from tests.simulation import daily_checks, daily_money, in_process
from tests.simulation.coupon_money import net_money
from tests.simulation.histories import contract_stories
from tests.simulation.movements import movements, prorations
from tests.simulation.stories import Story
from tests.simulation.test_contract_lives import live, looked_at

from cpqbridge.domain.order import Coupon, CouponDuration
from cpqbridge.mapping.policies import ItemsPolicy
from cpqbridge.planning.proof import REASONS

EXAMPLES = 50 if settings.get_current_profile_name() == "steady" else settings.default.max_examples
SECONDS_EACH = 1


@st.composite
def _coupons(draw, currency: str, *, fixed: bool, once: bool = True) -> tuple[Coupon, ...]:
    """Return no coupon, one, or two that stack."""
    durations = [each for each in CouponDuration if once or each is not CouponDuration.ONCE]
    found = []
    for _ in range(draw(st.sampled_from([0, 0, 1, 1, 2]))):
        number = draw(st.integers(1, 4))
        duration = draw(st.sampled_from(durations))
        is_fixed = fixed and draw(st.booleans())
        percent = draw(st.sampled_from(["10", "33.333", "50", "100"]))
        amount = draw(st.sampled_from(["5", "12", "9999"]))
        months = draw(st.sampled_from([1, 2, 5, 13]))
        found.append(
            Coupon(
                coupon_id=f"a2f{number}",
                name=f"Coupon {number}",
                duration=duration,
                percent_off=None if is_fixed else Decimal(percent),
                amount_off=Decimal(amount) if is_fixed else None,
                currency=currency if is_fixed else None,
                duration_in_months=months if duration is CouponDuration.REPEATING else None,
            )
        )
    return tuple(found)


@st.composite
def coupon_stories(draw) -> Story:
    """Return a contract with coupons on some of its orders and lines.

    Fixed ones lie on lines of contracts that nothing is taken from: else it is not told by a line alone what
    they took off. One for the first invoice lies on single orders with one frequency, for the same reason.
    """
    story = draw(contract_stories())
    lines = [line for order in story.history.orders for line in order.lines]
    reduces = any(line.quantity < 0 for line in lines)
    alone = len(story.history.orders) == 1
    alike = len({line.frequency_months for line in lines if line.frequency_months}) == 1
    currency = story.history.orders[0].currency
    orders = []
    for order in story.history.orders:
        own = tuple(
            replace(line, coupons=draw(_coupons(currency, fixed=not reduces))) for line in order.lines
        )
        coupons = draw(_coupons(currency, fixed=False, once=alone and alike))
        orders.append(replace(order, lines=own, coupons=coupons))
    policy = replace(story.configuration.policy, items=ItemsPolicy.SEPARATE)
    return replace(
        story,
        history=replace(story.history, orders=tuple(orders)),
        configuration=replace(story.configuration, policy=policy),
    )


@pytest.mark.timeout(120 + EXAMPLES * SECONDS_EACH)
@settings(max_examples=EXAMPLES)
@given(coupon_stories())
def test_contracts_with_coupons_are_billed_net_of_them(story):
    lived = live(story, story.syncs)
    event("lived" if lived.done else "stopped")
    if not lived.done:
        return
    account = lived.account
    until = looked_at(story)
    billed = in_process.billed_by_day(account)
    forecast = in_process.forecast_by_day(lived.plan, until=until)
    assert billed == forecast, (story, billed - forecast, forecast - billed)
    assert prorations(account) == []
    gross = daily_money.contract_money(
        story.history, story.configuration, lived.carried_out, cutover=story.cutover, until=until
    )
    net = net_money(story.history, gross)
    problems = daily_checks.wrong_totals(net, movements(account), story.configuration)
    assert not problems, (story, problems)
    entered = [proof for proof in lived.plan.proof if proof.order_id in gross.entered]
    assert all(proof.reason in (None, *REASONS) for proof in entered)
