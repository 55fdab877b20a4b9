"""Connections, links, intents, lanes, plans: one row's rules each."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest
from sqlalchemy import text
from tests.a_connection import FACTS

from cpqbridge.domain.billing import (
    BilledOrderLine,
    BillingObject,
    CreditPortion,
    ExecutedOrder,
    ForecastInvoice,
    InvoiceLine,
    Link,
    OneTimeItem,
    OrderOutcome,
    Phase,
    PhaseItem,
    Plan,
    Proof,
    Ref,
    Step,
    StepAction,
    TakenAmount,
    TakenUnits,
)
from cpqbridge.domain.refusal import OrderState, Refusal
from cpqbridge.errors import ConfigurationError, ConflictError, InvariantError
from cpqbridge.store import connections, cursors, intents, lanes, links, objects, plans, timers
from cpqbridge.store.connections import ConnectionSecrets
from cpqbridge.store.database import Store, open_store
from cpqbridge.store.intents import NewIntent
from cpqbridge.store.lanes import Claim
from cpqbridge.store.plan_codec import decode_object, decode_plan, encode_object, encode_plan
from cpqbridge.store.plans import OrderStanding
from cpqbridge.store.views import OrderViews

NOW = datetime(2026, 2, 1, 12, tzinfo=UTC)
SECRETS = ConnectionSecrets(salesforce_token="00D!token", stripe_key="sk_test_secret")


@pytest.fixture
def store(tmp_path: Path):
    opened = open_store(tmp_path)
    yield opened
    opened.close()


@pytest.fixture
def connection_id(store: Store) -> int:
    return add(store, "one").connection_id


def add(store: Store, name: str, **facts: object) -> connections.Connection:
    with store.write() as transaction:
        return connections.add(
            store, transaction, name=name, facts=replace(FACTS, **facts), secrets=SECRETS, at=NOW
        )


# Connections


def test_a_connection_comes_back_with_its_secrets_sealed(store: Store, connection_id: int) -> None:
    with store.read() as transaction:
        found = connections.find(transaction, None)
        assert (found.name, found.facts, found.created_at) == ("one", FACTS, NOW)
        assert connections.open_secrets(store, transaction, connection_id=connection_id) == SECRETS
        raw = str(transaction.execute(text("SELECT * FROM connections")).all())
    assert "sk_test_secret" not in raw
    assert "00D!token" not in raw
    assert "sk_test_secret" not in repr(SECRETS)


def test_a_name_or_a_pair_of_sides_is_connected_once(store: Store, connection_id: int) -> None:
    with pytest.raises(ConfigurationError) as caught:
        add(store, "one", org_id="00D000000000002AAA")
    assert caught.value.code == "connection_name_taken"
    with pytest.raises(ConfigurationError) as caught:
        add(store, "two")
    assert caught.value.code == "connection_exists"
    with pytest.raises(ConfigurationError) as caught:
        add(store, " ", org_id="00D000000000002AAA")
    assert caught.value.code == "connection_name"


def test_a_connection_is_named_when_there_are_several(store: Store) -> None:
    with store.read() as transaction, pytest.raises(ConfigurationError) as caught:
        connections.find(transaction, None)
    assert caught.value.code == "connection_missing"
    add(store, "one")
    add(store, "two", org_id="00D000000000002AAA")
    with store.read() as transaction:
        assert connections.find(transaction, "two").name == "two"
        with pytest.raises(ConfigurationError) as caught:
            connections.find(transaction, None)
        assert caught.value.code == "connection_unclear"
        with pytest.raises(ConfigurationError, match="one, two") as caught:
            connections.find(transaction, "three")
        assert caught.value.code == "connection_unknown"


def test_a_new_configuration_forgets_what_was_known_of_the_org(store: Store, connection_id: int) -> None:
    with store.write() as transaction:
        connections.save_schema_cache(transaction, connection_id=connection_id, document={"a": 1}, at=NOW)
    with store.read() as transaction:
        assert connections.schema_cache(transaction, connection_id=connection_id) == ({"a": 1}, NOW)
        before = connections.version(transaction, connection_id=connection_id)
    with store.write() as transaction:
        connections.save_configuration(
            transaction, connection_id=connection_id, document={"version": 1}, at=NOW
        )
    with store.read() as transaction:
        assert connections.schema_cache(transaction, connection_id=connection_id) is None
        assert connections.configuration(transaction, connection_id=connection_id) == {"version": 1}
        assert connections.version(transaction, connection_id=connection_id) != before


def test_lost_access_is_kept_until_a_check(store: Store, connection_id: int) -> None:
    with store.write() as transaction:
        connections.mark_access_lost(transaction, connection_id=connection_id, message="expired")
        assert connections.get(transaction, connection_id=connection_id).access_lost == "expired"
        connections.mark_checked(transaction, connection_id=connection_id, facts=FACTS, at=NOW)
        assert connections.get(transaction, connection_id=connection_id).access_lost is None


# Links


def link(key: str, stripe_id: str = "x_1", fingerprint: str = "f") -> Link:
    return Link(key=key, stripe_id=stripe_id, fingerprint=fingerprint)


def test_links_are_found_by_key_and_by_contract_within_their_connection(
    store: Store, connection_id: int
) -> None:
    other = add(store, "two", org_id="00D000000000002AAA").connection_id
    keys = [
        "customer:001A",
        "schedule:Q1:2026-01-01",
        "invoice:Q1:801",
        "invoice_lines:Q1:801",
        "invoice_final:Q1:801",
        "credit_note:Q1:801:2026-02-01:1",
        "schedule:Q11:x",
    ]
    with store.write() as transaction:
        for key in keys:
            links.save(transaction, connection_id=connection_id, link=link(key), at=NOW)
        links.save(transaction, connection_id=other, link=link("customer:001A", "cus_other"), at=NOW)
        links.save(transaction, connection_id=connection_id, link=link("customer:001A", "cus_2", "g"), at=NOW)
    with store.read() as transaction:
        found = links.load(transaction, connection_id=connection_id, keys=["customer:001A", "nothing"])
        assert found == {"customer:001A": link("customer:001A", "cus_2", "g")}
        own = links.of_contract(transaction, connection_id=connection_id, root_id="Q1")
        assert set(own) == set(keys[1:6])
        many = [f"k{number}" for number in range(1200)]
        assert links.load(transaction, connection_id=connection_id, keys=many) == {}


def test_links_are_found_by_what_they_lead_to(store: Store, connection_id: int) -> None:
    with store.write() as transaction:
        for key, stripe_id in (("price:b", "price_1"), ("price:a", "price_1"), ("price:c", "price_2")):
            links.save(transaction, connection_id=connection_id, link=link(key, stripe_id), at=NOW)
        found = links.of_stripe_ids(
            transaction, connection_id=connection_id, stripe_ids=["price_1", "price_9"]
        )
    assert [each.key for each in found] == ["price:a", "price:b"]


# Objects


def test_an_object_comes_back_as_it_was_sent_last(store: Store, connection_id: int) -> None:
    first, second = an_object(), replace(an_object(), ended_at=NOW)
    with store.write() as transaction:
        for sent in (first, second, replace(an_object(), key="invoice:Q1:801:2026-02-01")):
            objects.save(transaction, connection_id=connection_id, root_id="Q1", sent=sent, at=NOW)
        objects.save(transaction, connection_id=connection_id, root_id="Q2", sent=first, at=NOW)
    with store.read() as transaction:
        found = objects.of_contract(transaction, connection_id=connection_id, root_id="Q1")
        assert list(found) == ["invoice:Q1:801:2026-02-01", "schedule:Q1:x"]
        assert found["schedule:Q1:x"] == second
        assert objects.of_contract(transaction, connection_id=connection_id + 1, root_id="Q1") == {}


@pytest.mark.parametrize("document", [{}, {"$": "BillingObject"}, {"$": "tuple", "value": []}])
def test_a_document_that_is_no_object_is_our_bug(document: dict) -> None:
    with pytest.raises(InvariantError):
        decode_object(document)
    assert decode_object(encode_object(an_object())) == an_object()


# Timers


def put_timer(store: Store, connection_id: int, due_at: datetime | None, root_id: str = "Q1") -> None:
    with store.write() as transaction:
        timers.put(transaction, connection_id=connection_id, root_id=root_id, order_id="801", due_at=due_at)


def upcoming(store: Store, connection_id: int, until: datetime | None = None) -> list[str]:
    with store.read() as transaction:
        found = timers.upcoming(transaction, connection_id=connection_id, until=until)
    return [timer.root_id for timer in found]


def test_timers_come_due_oldest_first_and_can_be_deleted(store: Store, connection_id: int) -> None:
    put_timer(store, connection_id, NOW + timedelta(days=2))
    put_timer(store, connection_id, NOW + timedelta(days=1), "Q2")
    assert upcoming(store, connection_id) == ["Q2", "Q1"]
    assert upcoming(store, connection_id, NOW + timedelta(days=1)) == ["Q2"]
    put_timer(store, connection_id, NOW)
    assert upcoming(store, connection_id, NOW) == ["Q1"]
    put_timer(store, connection_id, None)
    put_timer(store, connection_id, None)
    assert upcoming(store, connection_id) == ["Q2"]


def test_a_claimed_timer_is_put_off_for_longer_each_time_and_never_lost(
    store: Store, connection_id: int
) -> None:
    put_timer(store, connection_id, NOW)
    waits = []
    for _ in range(12):
        with store.write() as transaction:
            (timer,) = timers.upcoming(transaction, connection_id=connection_id)
            timers.claim(transaction, connection_id=connection_id, timer=timer, at=NOW)
            (claimed,) = timers.upcoming(transaction, connection_id=connection_id)
        assert claimed.due_at == NOW
        waits.append(claimed.next_at - NOW)
    assert waits[:3] == [timedelta(minutes=2), timedelta(minutes=4), timedelta(minutes=8)]
    assert waits[-1] == timedelta(hours=6)


def test_setting_a_timer_to_the_same_instant_keeps_its_waits(store: Store, connection_id: int) -> None:
    put_timer(store, connection_id, NOW)
    with store.write() as transaction:
        (timer,) = timers.upcoming(transaction, connection_id=connection_id)
        timers.claim(transaction, connection_id=connection_id, timer=timer, at=NOW)
    put_timer(store, connection_id, NOW)
    assert upcoming(store, connection_id, NOW) == []
    later = NOW + timedelta(hours=1)
    put_timer(store, connection_id, later)
    with store.write() as transaction:
        timers.claim(transaction, connection_id=connection_id, timer=timer, at=NOW)
        found = timers.find(transaction, connection_id=connection_id, root_id="Q1")
    assert found is not None
    assert (found.attempts, found.next_at) == (0, later)


# Intents


def content(**values: object) -> NewIntent:
    return NewIntent(
        **{
            "root_id": "Q1",
            "step_key": "customer:001A",
            "action": StepAction.CREATE_CUSTOMER,
            "fingerprint": "f",
            "target": None,
            "parameters": {"name": "A"},
            "expected_total_minor": None,
            **values,
        }
    )


def open_intent(store: Store, connection_id: int, namespace: str = "org:acct", **values: object):
    with store.write() as transaction:
        return intents.open_intent(
            transaction, connection_id=connection_id, namespace=namespace, content=content(**values), at=NOW
        )


def test_an_open_intent_is_used_again_with_its_key(store: Store, connection_id: int) -> None:
    first = open_intent(store, connection_id)
    assert open_intent(store, connection_id) == first
    with store.read() as transaction:
        assert intents.unsettled(transaction, connection_id=connection_id, root_id="Q1") == (first,)


def test_a_definitive_failure_changes_the_key_and_what_is_sent_does_too(
    store: Store, connection_id: int
) -> None:
    first = open_intent(store, connection_id)
    with store.write() as transaction:
        intents.fail(transaction, intent_id=first.intent_id, error="no", at=NOW)
    second = open_intent(store, connection_id)
    assert (second.generation, first.generation) == (1, 0)
    keys = {first.idempotency_key, second.idempotency_key}
    keys.add(open_intent(store, connection_id, fingerprint="g").idempotency_key)
    keys.add(open_intent(store, connection_id, step_key="customer:001B").idempotency_key)
    keys.add(open_intent(store, connection_id, root_id="Q2").idempotency_key)
    keys.add(open_intent(store, connection_id, namespace="org2:acct", root_id="Q3").idempotency_key)
    assert len(keys) == 6
    assert all(len(key) <= 255 for key in keys)


def test_an_outcome_not_as_planned_is_kept_until_it_is_accepted(store: Store, connection_id: int) -> None:
    intent = open_intent(store, connection_id, step_key="schedule:Q1:x", sends=an_object())
    with store.write() as transaction:
        intents.finish(transaction, intent_id=intent.intent_id, stripe_id="s", doubt="differs", at=NOW)
        assert intents.unsettled(transaction, connection_id=connection_id, root_id="Q1") == ()
        (doubt,) = intents.doubts(transaction, connection_id=connection_id, root_id="Q1")
        assert (doubt.step_key, doubt.text, doubt.order_ids) == ("schedule:Q1:x", "differs", {"801"})
        intents.accept_doubts(transaction, connection_id=connection_id, root_id="Q1")
        assert intents.doubts(transaction, connection_id=connection_id, root_id="Q1") == ()


def test_an_intent_keeps_the_object_it_sends(store: Store, connection_id: int) -> None:
    open_intent(store, connection_id, step_key="schedule:Q1:x", sends=an_object())
    with store.read() as transaction:
        (found,) = intents.unsettled(transaction, connection_id=connection_id, root_id="Q1")
    assert found.content.sends == an_object()


def test_the_customers_of_a_contract_are_those_its_schedules_and_invoices_were_made_for(
    store: Store, connection_id: int
) -> None:
    def made(action: StepAction, customer: str, *, done: bool = True, root_id: str = "Q1") -> None:
        intent = open_intent(
            store,
            connection_id,
            step_key=f"{action}:{customer}",
            action=action,
            parameters={"customer": customer},
            root_id=root_id,
        )
        if done:
            with store.write() as transaction:
                intents.finish(transaction, intent_id=intent.intent_id, stripe_id="s", doubt=None, at=NOW)

    made(StepAction.CREATE_SCHEDULE, "cus_1")
    made(StepAction.CREATE_INVOICE, "cus_2")
    made(StepAction.CREATE_INVOICE, "cus_3", done=False)
    made(StepAction.CREATE_SCHEDULE, "cus_4", root_id="Q2")
    with store.read() as transaction:
        found = intents.customers_of(transaction, connection_id=connection_id, root_id="Q1")
    assert found == {"cus_1", "cus_2"}


def test_cancellations_are_counted_for_their_connection_from_an_instant_on(
    store: Store, connection_id: int
) -> None:
    other = add(store, "two", org_id="00D000000000002AAA").connection_id
    for number, (at, owner) in enumerate(
        ((NOW, connection_id), (NOW + timedelta(hours=1), connection_id), (NOW + timedelta(hours=1), other))
    ):
        intent = open_intent(store, owner, step_key=f"s{number}", action=StepAction.CANCEL_SCHEDULE)
        with store.write() as transaction:
            intents.finish(transaction, intent_id=intent.intent_id, stripe_id="s", doubt=None, at=at)
    open_intent(store, connection_id, step_key="s9", action=StepAction.CANCEL_SCHEDULE)
    with store.read() as transaction:
        assert intents.cancels_since(transaction, connection_id=connection_id, since=NOW) == 1


# Lanes


def claim(owner: str) -> Claim:
    return Claim(owner=owner, host="h", process_id=1, workflow_id="w", lease=timedelta(seconds=60))


def take(store: Store, connection_id: int, owner: str, at: datetime = NOW, dead: tuple[str, ...] = ()):
    with store.write() as transaction:
        return lanes.take(
            transaction,
            connection_id=connection_id,
            root_id="Q1",
            claim=claim(owner),
            at=at,
            dead_owners=dead,
        )


def test_a_lane_has_one_owner_until_it_is_left_runs_out_or_its_owner_is_dead(
    store: Store, connection_id: int
) -> None:
    first = take(store, connection_id, "a")
    assert first is not None
    assert take(store, connection_id, "b") is None
    second = take(store, connection_id, "b", dead=("a",))
    assert second is not None
    third = take(store, connection_id, "c", at=NOW + timedelta(seconds=61))
    assert third is not None
    with store.write() as transaction:
        lanes.leave(transaction, first)
        assert lanes.held(transaction) == (third,)
        lanes.leave(transaction, third)
        assert lanes.held(transaction) == ()
    fourth = take(store, connection_id, "a")
    assert fourth is not None
    assert [lane.fence for lane in (first, second, third, fourth)] == [1, 2, 3, 4]


def test_who_lost_a_lane_may_not_write_any_more(store: Store, connection_id: int) -> None:
    first = take(store, connection_id, "a")
    assert first is not None
    with store.write() as transaction:
        lanes.require(transaction, first)
        assert lanes.renew(transaction, first, expires_at=NOW + timedelta(seconds=90))
    assert take(store, connection_id, "b", at=NOW + timedelta(seconds=80)) is None
    assert take(store, connection_id, "b", at=NOW + timedelta(seconds=91)) is not None
    with store.write() as transaction:
        assert not lanes.renew(transaction, first, expires_at=NOW + timedelta(hours=1))
        with pytest.raises(ConflictError) as caught:
            lanes.require(transaction, first)
    assert caught.value.code == "lane_lost"


# Plans and standings


def an_object() -> BillingObject:
    item = PhaseItem(
        product_id="01t",
        order_item_ids=("802",),
        price_key="price:k",
        unit_amount_decimal="5000",
        interval_count=1,
        quantity=10,
        units=(10,),
        parameters={"metadata.x": True, "n": Decimal("1.50")},
    )
    rider = OneTimeItem(
        order_item_id="802",
        order_id="801",
        product_id="01t",
        kind="one_time",
        amount_minor=-5,
        period_start=date(2026, 2, 1),
        period_end=date(2026, 3, 1),
        description="d",
    )
    phase = Phase(
        starts_at=NOW,
        ends_at=NOW + timedelta(days=365),
        proration_behavior="none",
        items=(item,),
        one_time_items=(rider,),
        order_ids=("801",),
    )
    return BillingObject(
        key="schedule:Q1:x",
        kind="schedule",
        currency="usd",
        phases=(phase,),
        end_behavior="cancel",
        collection_method="send_invoice",
        days_until_due=30,
        anchor_at=NOW,
        orders=(ExecutedOrder(order_id="801", executed_at=NOW, fingerprint="f", drops_credits=True),),
        lines=(
            BilledOrderLine(
                order_item_id="802",
                unit_amount_decimal="5000",
                price_key="price:k",
                carried=True,
                billed_from=date(2026, 2, 1),
            ),
        ),
        taken=(TakenUnits(reducing_id="803", reduced_id="802", units=2),),
        settled=(a_forecast(),),
        sent_at=NOW,
        loaded=1,
        portions=(
            CreditPortion(
                key="credit_note:Q1:801:2026-02-01:1",
                invoice_id="in_1",
                amount_minor=5,
                unpaid_minor=3,
                lines=(("il_1", 5),),
            ),
        ),
    )


def a_forecast() -> ForecastInvoice:
    line = InvoiceLine(
        amount_minor=1,
        period_start=date(2026, 2, 1),
        period_end=date(2026, 3, 1),
        description="é",
        shares=(("802", 1),),
    )
    return ForecastInvoice(object_key="schedule:Q1:x", at=NOW, currency="usd", lines=(line,))


def plan() -> Plan:
    refusal = Refusal(
        code="c", message="m", record_id="r", field="f", fix="x", order_id="802", state=OrderState.HELD
    )
    step = Step(
        key="schedule:Q1:x",
        action=StepAction.CREATE_SCHEDULE,
        parameters={
            "customer": Ref(key="customer:001"),
            "phases": [{"items": [{"price": Ref(key="price:k")}]}],
        },
        fingerprint="f",
        summary="s",
        target=Ref(key="t"),
        expected_total_minor=0,
        object_key="schedule:Q1:x",
    )
    return Plan(
        root_id="Q1",
        contract_key="800",
        account_id="001",
        executed_at=NOW,
        outcomes=(
            OrderOutcome(order_id="801", state=OrderState.SYNCED),
            OrderOutcome(order_id="802", state=OrderState.HELD, refusals=(refusal,)),
        ),
        objects=(an_object(),),
        steps=(step,),
        forecast=(a_forecast(),),
        proof=(
            Proof(
                order_item_id="802", order_id="801", currency="usd", sold_minor=1, billed_minor=2, reason=None
            ),
        ),
        taken=(TakenAmount(reducing_id="803", reduced_id="802", amount_minor=7),),
        warnings=("w",),
        wake_at=NOW + timedelta(days=3),
    )


def test_a_plan_comes_back_exactly(store: Store, connection_id: int) -> None:
    with store.write() as transaction:
        plan_id = plans.save_plan(transaction, connection_id=connection_id, plan=plan(), at=NOW)
    with store.read() as transaction:
        assert plans.load_plan(transaction, connection_id=connection_id, plan_id=plan_id) == plan()
        assert plans.made_at(transaction, plan_id=plan_id) == NOW
        assert plans.load_plan(transaction, connection_id=connection_id + 1, plan_id=plan_id) is None


@pytest.mark.parametrize("document", [{}, {"$": "Plan"}, {"$": "Nothing"}, {"$": "tuple", "value": []}])
def test_a_document_that_is_no_plan_is_our_bug(document: dict) -> None:
    with pytest.raises(InvariantError):
        decode_plan(document)


def test_a_plan_cannot_hold_what_cannot_be_written() -> None:
    with pytest.raises(InvariantError):
        encode_plan(replace(plan(), warnings=(object(),)))


def standing(order_id: str = "801000000000001AAA", **values: object) -> OrderStanding:
    return OrderStanding(
        **{
            "order_id": order_id,
            "order_number": "100",
            "root_id": "Q1",
            "contract_key": "800",
            "state": OrderState.SYNCED,
            "modified_at": "m",
            "updated_at": NOW,
            **values,
        }
    )


def test_a_standing_is_replaced_and_found_by_contract_and_order(store: Store, connection_id: int) -> None:
    with store.write() as transaction:
        for each in (
            standing(),
            standing("801000000000002AAA", root_id="Q2", order_number="099"),
            standing(state=OrderState.REFUSED, code="c", message="m", retryable=True),
        ):
            plans.save_standing(transaction, connection_id=connection_id, standing=each)
    with store.read() as transaction:
        found = plans.standings(transaction, connection_id=connection_id)
        assert [each.order_number for each in found] == ["099", "100"]
        assert found[1] == standing(state=OrderState.REFUSED, code="c", message="m", retryable=True)
        assert plans.standings(transaction, connection_id=connection_id, root_id="Q2") == found[:1]
        assert plans.standings(transaction, connection_id=connection_id, order_id="nothing") == ()


def test_a_cursor_moves(store: Store, connection_id: int) -> None:
    with store.write() as transaction:
        assert cursors.read(transaction, connection_id=connection_id, name="orders") is None
        cursors.move(transaction, connection_id=connection_id, name="orders", instant=NOW)
        cursors.move(transaction, connection_id=connection_id, name="orders", instant=NOW + timedelta(1))
        assert cursors.read(transaction, connection_id=connection_id, name="orders") == NOW + timedelta(1)


# Views


def test_views_show_an_order_with_its_plan_and_links(store: Store, connection_id: int) -> None:
    views = OrderViews(store)
    with store.write() as transaction:
        plan_id = plans.save_plan(transaction, connection_id=connection_id, plan=plan(), at=NOW)
        for key in ("customer:001", "schedule:Q1:x", "price:k"):
            links.save(transaction, connection_id=connection_id, link=link(key), at=NOW)
        for number in range(3):
            plans.save_standing(
                transaction,
                connection_id=connection_id,
                standing=standing(f"80100000000000{number}AAA", order_number=str(number), plan_id=plan_id),
            )
    detail = views.detail("801000000000002AAA")
    assert detail is not None
    assert detail.view.plan == plan()
    assert detail.view.connection.name == "one"
    assert [each.key for each in detail.links] == ["customer:001", "schedule:Q1:x"]
    assert views.detail("801000000000009AAA") is None
