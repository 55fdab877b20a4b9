"""Where orders stand, worked out from a plan and what became of it."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from cpqbridge.domain.billing import (
    BillingObject,
    CreditPortion,
    ExecutedOrder,
    OrderOutcome,
    Plan,
    Ref,
    Step,
    StepAction,
)
from cpqbridge.domain.order import Account, OrderHistory
from cpqbridge.domain.refusal import OrderState, Refusal
from cpqbridge.errors import (
    AccessLostError,
    ConfigurationError,
    ConflictError,
    CpqbridgeError,
    InvariantError,
    OutcomeUnknownError,
    RecordError,
    TransientError,
)
from cpqbridge.mapping.raw import OrderNotice
from cpqbridge.salesforce.writer import WriteFailure
from cpqbridge.store.plans import OrderStanding
from cpqbridge.sync import standings
from cpqbridge.sync.error_record import error_document, error_from_document
from cpqbridge.sync.task import Task

NOW = datetime(2026, 2, 1, tzinfo=UTC)
HISTORY = OrderHistory(
    root_id="Q1",
    contract_key="800",
    account=Account(account_id="001", displayed_customer_id=None, email=None, parameters={}),
    orders=(),
    products={},
)


def step(key: str, *needs: str, action: StepAction = StepAction.CREATE_PRICE) -> Step:
    return Step(
        key=key,
        action=action,
        parameters={"needs": [Ref(key=need) for need in needs]},
        fingerprint="f",
        summary="",
    )


def wanted(key: str, *order_ids: str) -> BillingObject:
    return BillingObject(
        key=key,
        kind="schedule",
        currency="usd",
        phases=(),
        end_behavior="cancel",
        collection_method="send_invoice",
        days_until_due=30,
        anchor_at=NOW,
        orders=tuple(
            ExecutedOrder(order_id=order_id, executed_at=NOW, fingerprint="f") for order_id in order_ids
        ),
    )


def plan(
    steps: tuple[Step, ...] = (), *outcomes: OrderOutcome, objects: tuple[BillingObject, ...] = ()
) -> Plan:
    return Plan(
        root_id="Q1",
        contract_key="800",
        account_id="001",
        executed_at=NOW,
        outcomes=outcomes,
        objects=(wanted("schedule:Q1:a", "A"), wanted("invoice:Q1:B", "B"), *objects),
        steps=steps,
        forecast=(),
        proof=(),
    )


def outcome(order_id: str, state: OrderState, *refusals: Refusal) -> OrderOutcome:
    return OrderOutcome(order_id=order_id, state=state, refusals=refusals)


def refusal(code: str, state: OrderState = OrderState.REFUSED) -> Refusal:
    return Refusal(
        code=code,
        message=f"{code}.",
        record_id="802",
        field="F",
        fix=f"fix {code}.",
        order_id="A",
        state=state,
    )


def test_a_failed_step_concerns_the_orders_that_need_it_however_far() -> None:
    steps = (
        step("customer:1"),
        step("product:1"),
        step("price:1", "product:1"),
        step("schedule:Q1:a", "customer:1", "price:1"),
        step("invoice:Q1:B", "customer:1"),
        step("invoice_lines:Q1:B", "invoice:Q1:B"),
    )
    made = plan(steps, outcome("A", OrderState.SYNCED), outcome("B", OrderState.SYNCED))
    assert standings.orders_of_step(made, "product:1") == {"A"}
    assert standings.orders_of_step(made, "invoice_lines:Q1:B") == {"B"}
    assert standings.orders_of_step(made, "customer:1") == {"A", "B"}


def test_an_update_that_nothing_needs_concerns_every_billed_order() -> None:
    made = plan(
        (step("customer:1"),),
        outcome("A", OrderState.UNCHANGED),
        outcome("B", OrderState.SYNCED),
        outcome("C", OrderState.HELD),
    )
    assert standings.orders_of_step(made, "customer:1") == {"A", "B"}


def test_what_a_later_order_changes_on_a_schedule_concerns_that_order_only() -> None:
    changed = replace(wanted("schedule:Q1:s", "A", "B", "C"), key="schedule:Q1:s")
    steps = (step("schedule:Q1:s", action=StepAction.UPDATE_SCHEDULE),)
    later = plan(
        steps,
        outcome("A", OrderState.UNCHANGED),
        outcome("B", OrderState.SYNCED),
        outcome("C", OrderState.UNCHANGED),
        objects=(changed,),
    )
    assert standings.orders_of_step(later, "schedule:Q1:s") == {"B"}
    assert standings.orders_begun(later) == {"B"}
    due = plan(steps, *(outcome(each, OrderState.UNCHANGED) for each in "ABC"), objects=(changed,))
    assert standings.orders_of_step(due, "schedule:Q1:s") == {"A", "B", "C"}
    assert standings.orders_begun(due) == {"A", "B", "C"}


def test_the_parts_of_an_invoice_and_of_a_credit_concern_their_orders() -> None:
    portion = CreditPortion(key="credit_note:Q1:D:2026-02-01:2", invoice_id="in_1", amount_minor=5)
    credit = replace(wanted("credit:Q1:D", "D"), kind="credit", portions=(portion,))
    made = plan((step("invoice_final:Q1:B"), step(portion.key)), objects=(credit,))
    assert standings.order_ids_of(made, "invoice_final:Q1:B") == {"B"}
    assert standings.order_ids_of(made, portion.key) == {"D"}
    assert standings.order_ids_of(made, "customer:1") == frozenset()
    named = replace(step("credit_note:Q1:D:9"), object_key="credit:Q1:D")
    assert standings.order_ids_of(plan((named,), objects=(credit,)), named.key) == {"D"}


def test_nothing_is_begun_by_a_plan_without_steps() -> None:
    assert standings.orders_begun(plan((), outcome("A", OrderState.SYNCED))) == frozenset()
    renamed = plan((step("customer:1"),), outcome("A", OrderState.UNCHANGED))
    assert standings.orders_begun(renamed) == {"A"}


def test_a_refused_order_gets_no_further_call_of_its_own() -> None:
    steps = (step("schedule:Q1:a"), step("invoice:Q1:B"), step("customer:1"))
    made = plan(steps, outcome("A", OrderState.SYNCED), outcome("B", OrderState.SYNCED))
    assert not standings.concerns_only(made, "invoice:Q1:B", {"A"})
    assert standings.concerns_only(made, "invoice:Q1:B", {"A", "B"})
    assert not standings.concerns_only(made, "customer:1", {"A", "B"})
    assert not standings.concerns_only(made, "schedule:Q1:a", frozenset())


def test_an_invoice_that_is_not_finalised_for_its_total_is_no_refusal() -> None:
    error = RecordError("Differs.", code=standings.FIRST_INVOICE_DIFFERS)
    found = standings.carried_out(synced(), refused=error, doubt=None, at=NOW)
    assert (found.state, found.code) == (OrderState.FAILED, "first_invoice_differs")


def test_a_refused_order_says_all_its_reasons_of_that_state() -> None:
    made = plan(
        (),
        outcome(
            "A",
            OrderState.REFUSED,
            refusal("one"),
            refusal("two"),
            refusal("held", OrderState.HELD),
        ),
        outcome("B", OrderState.UNCHANGED),
    )
    first, second = standings.planned_standings(made, HISTORY, doubted={"B": "differs"}, at=NOW)
    assert (first.code, first.message, first.fix) == ("one", "one. two.", "fix one. fix two.")
    assert (second.state, second.code) == (OrderState.FAILED, "first_invoice_differs")


def test_a_doubt_does_not_hide_a_refusal() -> None:
    made = plan((), outcome("A", OrderState.HELD, refusal("held", OrderState.HELD)))
    (found,) = standings.planned_standings(made, HISTORY, doubted={"A": "differs"}, at=NOW)
    assert (found.state, found.code) == (OrderState.HELD, "held")


def synced(**values: object) -> OrderStanding:
    return OrderStanding(
        **{
            "order_id": "A",
            "order_number": "1",
            "root_id": "Q1",
            "contract_key": "800",
            "state": OrderState.SYNCED,
            "modified_at": "m",
            "updated_at": NOW,
            **values,
        }
    )


def test_standings_that_differ_only_in_when_say_the_same() -> None:
    later = synced(updated_at=NOW + timedelta(1), plan_id=5, modified_at="n")
    assert standings.says_the_same(synced(), later)
    assert not standings.says_the_same(synced(code="c"), later)
    assert not standings.says_the_same(None, later)


def test_what_salesforce_did_not_take_is_said_once_by_synced_orders() -> None:
    failure = WriteFailure(
        object_name="OrderItem",
        record_id="802",
        code="X",
        message="Locked.",
        fields=("Stripe_ID__c",),
        fix="Unlock it.",
        retryable=False,
    )
    (found,) = standings.not_written([synced(), synced(state=OrderState.HELD)], [failure, failure])
    assert found.state is OrderState.SYNCED
    assert found.code == "write_back_failed"
    assert found.message.endswith("OrderItem 802 (2 records in all): Locked.")


@pytest.mark.parametrize(
    ("error", "retryable"),
    [
        (TransientError("m", code="c", fix="f"), True),
        (OutcomeUnknownError("m", code="c", fix="f"), True),
        (ConflictError("m", code="c", fix="f"), True),
        (RecordError("m", code="c", record_id="r", field="x", fix="f", request_link="https://l"), False),
        (AccessLostError("m", code="c", fix="f"), True),
        (ConfigurationError("m", code="c", fix="f"), False),
        (InvariantError("m", code="c", fix="f"), False),
        (CpqbridgeError("m", code="c", fix="f"), False),
    ],
)
def test_an_error_survives_as_a_document_and_tells_whether_to_try_again(
    error: CpqbridgeError, retryable: bool
) -> None:
    back = error_from_document(error_document(error))
    assert type(back) is type(error)
    assert error_document(back) == error_document(error)
    failed = standings.failed_standing(synced(), back, state=OrderState.FAILED, at=NOW)
    assert failed.retryable is retryable
    assert failed.record_id == (error.record_id or "A")


def test_a_task_comes_back_as_it_was() -> None:
    notice = OrderNotice(
        order_id="801",
        order_number="1",
        quote_id="Q2",
        root_quote_id="Q1",
        contract_id="800",
        status_code="Activated",
        activated_at=NOW,
        modified_at="m",
    )
    task = Task(connection_id=1, notice=notice, released=frozenset({"backdated"}))
    assert Task.from_document(task.as_document()) == task
    assert task.root_id == "Q1"
