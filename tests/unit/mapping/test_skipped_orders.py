"""Orders that the connection leaves out say why, through mapper and planner."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from tests.unit.mapping.records import ORDER, an_item, an_order, configured, history_of

from cpqbridge.domain.billing import BillingState, Link
from cpqbridge.domain.refusal import OrderState
from cpqbridge.planning.plan import plan_contract

AS_OF = datetime(2026, 1, 29, tzinfo=UTC)
LATER = configured(sync={"start_date": "2026-01-29"})
PLAIN = configured()


@pytest.mark.parametrize(
    ("order", "configuration", "qualifying", "code"),
    [
        ({}, LATER, None, "before_start_date"),
        ({}, PLAIN, frozenset(), "filtered_out"),
        ({"StatusCode": "Draft", "ActivatedDate": None}, PLAIN, None, "not_activated"),
    ],
)
def test_order_when_left_out_is_skipped_with_its_reason(order, configuration, qualifying, code):
    history = history_of(
        orders=[an_order(**order)],
        items=[an_item(SBQQ__Status__c=None)],
        configuration=configuration,
        qualifying_order_ids=qualifying,
    )
    plan = plan_contract(history, BillingState(), configuration, as_of=AS_OF)
    (outcome,) = plan.outcomes
    assert (outcome.order_id, outcome.state) == (ORDER, OrderState.SKIPPED)
    assert [refusal.code for refusal in outcome.refusals] == [code]
    assert plan.steps == ()


def test_order_when_billed_before_the_start_date_moved_is_left_alone():
    history = history_of(configuration=LATER)
    key = f"schedule:{history.root_id}:2026-02-01"
    state = BillingState(links={key: Link(key=key, stripe_id="sub_sched_1", fingerprint="x")})
    (outcome,) = plan_contract(history, state, LATER, as_of=AS_OF).outcomes
    assert outcome.state is OrderState.SKIPPED
