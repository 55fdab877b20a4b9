"""Whatever an org or an export holds, reading it ends in a history with refusals, never in a crash."""

from __future__ import annotations

import copy
from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st
from tests.unit.mapping.records import (
    ORDER,
    SEATS,
    a_contract,
    a_line_coupon,
    a_product_rate,
    a_product_schedule,
    a_renewal,
    an_amendment,
    an_item,
    an_order,
    an_order_coupon,
    an_own_rate,
    an_own_schedule,
    configured,
)

from cpqbridge.domain.billing import BillingState
from cpqbridge.domain.dates import midnight
from cpqbridge.domain.order import OrderHistory
from cpqbridge.domain.refusal_catalog import REFUSAL_CATALOG
from cpqbridge.mapping.fields import OurFields
from cpqbridge.mapping.history import order_history
from cpqbridge.mapping.needs import field_needs
from cpqbridge.mapping.raw import RawContract
from cpqbridge.mapping.stripe_objects import StripeObjects
from cpqbridge.mapping.write_back import OrderResult, write_back_records
from cpqbridge.planning.plan import plan_contract

CONFIGURATION = configured(
    sync={"start_date": "2026-01-01"},
    mapping={
        "customer": {"metadata.a": {"field": "A__c"}, "tax_exempt": {"field": "Order.Tax__c"}},
        "price": {"unit_amount_decimal": {"field": "OrderItem.Price__c"}},
        "phase_item": {"metadata.b": {"field": "Product2.B__c"}},
        "phase": {"trial_end": {"field": "Trial__c"}},
        "subscription_schedule": {"default_settings.collection_method": {"field": "Collection__c"}},
    },
)
NEEDS = field_needs(CONFIGURATION)

values = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.integers(min_value=-(10**40), max_value=10**40)
    | st.decimals()
    | st.floats()
    | st.text(max_size=12)
    | st.sampled_from(
        [
            *("2026-02-01", "2199-12-31", "1970-01-01", "2026-01-28T15:04:05.000+0000", ORDER, SEATS),
            *("Net 30", "Monthly", "Evergreen", "Arrears", "Activated", "Amendment", "Renewal", "USD"),
            *(Decimal("0.0"), Decimal("1E-30"), Decimal(-3)),
        ]
    )
    | st.lists(st.integers(), max_size=2)
    | st.dictionaries(st.text(max_size=3), st.none(), max_size=1)
)


def paths_of(object_name: str) -> list[str]:
    need = NEEDS.of(object_name)
    return [*need.required, *need.optional, need.required[0].split(".")[0]]


@st.composite
def spoiled(draw, build, object_name):
    """A good record with some of its fields replaced, at any depth."""
    record = copy.deepcopy(build)
    for _ in range(draw(st.integers(min_value=0, max_value=4))):
        *relationships, last = draw(st.sampled_from(paths_of(object_name))).split(".")
        place = record
        for name in relationships:
            if not isinstance(place.get(name), dict):
                place[name] = {}
            place = place[name]
        place[last] = draw(values)
    return record


GOOD_EXTRA = {
    "SBQQ__OrderItemConsumptionSchedule__c": an_own_schedule(),
    "SBQQ__OrderItemConsumptionRate__c": an_own_rate(),
    "ProductConsumptionSchedule": a_product_schedule(),
    "ConsumptionRate": a_product_rate(),
    "Order_Stripe_Coupon_Association__c": an_order_coupon(),
    "Order_Item_Stripe_Coupon_Association__c": a_line_coupon(),
    "Stripe_Sync_Record__c": {"Id": "a2SQy00000SyN01IAF", "Key__c": "k", "Order__c": ORDER},
}

old_contracts = st.builds(
    lambda order, items, contract: RawContract(
        root_id="a0y", contract=contract, orders=(order,), items=tuple(items)
    ),
    spoiled(an_order(), "Order"),
    st.lists(spoiled(an_item(), "OrderItem"), max_size=2),
    st.none() | st.dictionaries(st.sampled_from(["Id", "EndDate"]), values, max_size=2),
)

contracts = st.builds(
    lambda orders, items, contract, extra, renewed: RawContract(
        root_id="a0z",
        contract=contract,
        orders=tuple(orders),
        items=tuple(items),
        extra=extra,
        renewed=renewed,
    ),
    st.lists(
        st.one_of(spoiled(each, "Order") for each in (an_order(), an_amendment(), a_renewal())), max_size=3
    ),
    st.lists(spoiled(an_item(), "OrderItem"), max_size=3),
    st.none() | st.dictionaries(st.sampled_from(["Id", "x"]), values, max_size=2),
    st.fixed_dictionaries(
        {},
        optional={
            name: st.lists(spoiled(record, name), max_size=2).map(tuple)
            for name, record in GOOD_EXTRA.items()
        },
    ),
    st.none() | old_contracts,
)


@given(contracts)
def test_history_when_records_hold_anything_names_what_is_wrong(raw):
    history = order_history(raw, CONFIGURATION)
    assert isinstance(history, OrderHistory)
    order_ids = {order.order_id for order in history.orders}
    for refusal in history.refusals:
        assert refusal.code in REFUSAL_CATALOG
        assert refusal.message
        assert refusal.fix
        assert refusal.order_id in order_ids | {""}
    for order in history.orders:
        assert order.lines == tuple(sorted(order.lines, key=lambda line: line.order_item_id))
        assert {line.product_id for line in order.lines} <= set(history.products)


@given(contracts)
def test_history_when_mapped_twice_or_reordered_is_the_same(raw):
    again = copy.deepcopy(raw)
    assert order_history(raw, CONFIGURATION) == order_history(again, CONFIGURATION)


junk_records = st.dictionaries(st.sampled_from(paths_of("Order") + paths_of("OrderItem")), values, max_size=5)


@given(st.lists(junk_records, max_size=3), st.lists(junk_records, max_size=3))
def test_history_when_records_are_pure_junk_still_answers(orders, items):
    raw = RawContract(root_id="", contract=None, orders=tuple(orders), items=tuple(items))
    assert isinstance(order_history(raw, CONFIGURATION), OrderHistory)


@given(contracts)
def test_plan_and_write_back_when_records_hold_anything_do_not_crash(raw):
    history = order_history(raw, CONFIGURATION)
    as_of = midnight(history.orders[0].effective_on) if history.orders else midnight(an_as_of())
    plan = plan_contract(history, BillingState(), CONFIGURATION, as_of=as_of)
    stopped = {refusal.order_id for refusal in history.refusals}
    for outcome in plan.outcomes:
        assert outcome.order_id not in stopped or outcome.refusals
    write_back_records(
        raw,
        history,
        [OrderResult(order_id=outcome.order_id, state=outcome.state) for outcome in plan.outcomes],
        StripeObjects(links={}, links_base=""),
        fields=OurFields(),
        writable={},
    )


def an_as_of():
    return order_history(a_contract(), CONFIGURATION).orders[0].effective_on
