"""What was billed beside what should have been: which document is blamed, and what balances is silent."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from cpqbridge.domain.billing import BillingObject, Phase, PhaseItem
from cpqbridge.sync.reconcile_amounts import BilledContract, BilledRecords

AT = datetime(2026, 4, 10, tzinfo=UTC)
MADE = datetime(2026, 1, 20, tzinfo=UTC)
START, END = datetime(2026, 2, 1, tzinfo=UTC), datetime(2027, 2, 1, tzinfo=UTC)
SCHEDULE = BillingObject(
    key="schedule:Q1:2026-02-01:1",
    kind="schedule",
    currency="usd",
    phases=(
        Phase(
            starts_at=START,
            ends_at=END,
            proration_behavior="none",
            items=(
                PhaseItem(
                    product_id="01t",
                    order_item_ids=("802A", "802B"),
                    price_key="price:k",
                    unit_amount_decimal="3333",
                    interval_count=1,
                    quantity=3,
                    units=(1, 2),
                ),
            ),
            one_time_items=(),
            order_ids=("801",),
        ),
    ),
    end_behavior="cancel",
    collection_method="send_invoice",
    days_until_due=30,
    anchor_at=START,
    made_at=MADE,
    sent_at=MADE,
)


def stamp(instant: datetime) -> int:
    return int(instant.timestamp())


def line(line_id: str, amount: int, start: datetime, **changes: Any) -> dict[str, Any]:
    return {
        "id": line_id,
        "amount": amount,
        "description": "3 x Seat",
        "period": {"start": stamp(start), "end": stamp(start.replace(month=start.month + 1))},
        "metadata": {"salesforce_order_item_id": "802A,802B", "salesforce_units": "1,2"},
        **changes,
    }


def invoice(month: int, amount: int = 9_999, **changes: Any) -> dict[str, Any]:
    start = datetime(2026, month, 1, tzinfo=UTC)
    return {
        "id": f"in_{month}",
        "number": f"A-{month}",
        "created": stamp(start),
        "currency": "usd",
        "status": "open",
        "total": amount,
        "metadata": {},
        "lines": {"data": [line(f"il_{month}", amount, start)]},
        **changes,
    }


def note(amount: int, **changes: Any) -> dict[str, Any]:
    return {
        "id": "cn_1",
        "number": "A-3-CN",
        "created": stamp(AT),
        "currency": "usd",
        "status": "issued",
        "invoice": "in_3",
        "total": amount,
        "metadata": {},
        "lines": {"data": [{"id": "cnli_1", "amount": amount, "invoice_line_item": "il_3"}]},
        **changes,
    }


BILLED = (invoice(2), invoice(3), invoice(4))


def found(*invoices: dict[str, Any], at: datetime = AT, **records: Any) -> list[tuple[str, str, int, int]]:
    contract = BilledContract(
        root_id="Q1",
        contract_key="800",
        sent=(SCHEDULE,),
        product_names={"01t": "Seat"},
        records=BilledRecords(invoices=invoices, **records),
        at=at,
        subscription_ids=frozenset({"sub_1"}),
    )
    return [
        (each.kind.value, each.subject, each.found_minor or 0, each.wanted_minor or 0)
        for each in contract.findings()
    ]


def test_what_was_billed_as_sold_is_silent_and_a_missing_invoice_is_named_by_its_day() -> None:
    assert found(*BILLED) == []
    assert found(*BILLED[:2]) == [("missing", f"{SCHEDULE.key}@2026-04-01", 0, 9_999)]


def test_an_invoice_that_is_due_just_now_is_waited_for() -> None:
    in_time = datetime(2026, 4, 1, 2, tzinfo=UTC)
    assert found(*BILLED[:2], at=in_time) == []
    assert found(*BILLED, at=in_time) == []
    assert found(*BILLED[:2], at=in_time.replace(hour=4)) != []


def test_lines_that_share_an_item_are_compared_together() -> None:
    others = {"salesforce_order_item_id": "802A,802B", "salesforce_units": "2,1"}
    shared = invoice(
        3, lines={"data": [line("il_3", 9_999, datetime(2026, 3, 1, tzinfo=UTC), metadata=others)]}
    )
    assert found(BILLED[0], shared, BILLED[2]) == []


def test_a_credit_note_by_hand_that_gives_back_what_was_too_much_is_silent() -> None:
    dear = invoice(3, 12_000)
    assert found(BILLED[0], dear, BILLED[2]) == [("amount_differs", "in_3", 12_000, 9_999)]
    assert found(BILLED[0], dear, BILLED[2], credit_notes=(note(2_001),)) == []
    assert found(*BILLED, credit_notes=(note(2_001),)) == [("changed_in_stripe", "cn_1", -2_001, 0)]
    assert found(*BILLED, credit_notes=(note(2_001, status="void"),)) == []


def test_a_credit_of_ours_counts_net_of_the_discounts_on_its_lines() -> None:
    credit = note(
        500,
        metadata={"cpqbridge_key": "credit_note:Q1:801:2026-04-10:1", "salesforce_credits": "802A:-500"},
        lines={
            "data": [
                {"id": "cnli_1", "amount": 700, "discount_amount": 200, "invoice_line_item": "il_3"},
            ]
        },
    )
    dear = invoice(3, 10_499)
    assert found(BILLED[0], dear, BILLED[2], credit_notes=(credit,)) == []
    void = {**credit, "status": "void"}
    assert found(*BILLED, credit_notes=(void,)) == []
    # A dear invoice whose credit somebody voided is dear again.
    assert found(BILLED[0], dear, BILLED[2], credit_notes=(void,)) == [("changed_in_stripe", "cn_1", 0, -500)]


def test_what_no_order_line_names_on_an_invoice_or_before_the_next_one_is_told() -> None:
    foreign = line("il_x", 2_500, datetime(2026, 3, 1, tzinfo=UTC), metadata={}, description="Setup")
    march = invoice(3)
    march = {**march, "lines": {"data": [*march["lines"]["data"], foreign]}}
    item = {
        "id": "ii_1",
        "amount": 1_500,
        "description": "Travel",
        "metadata": {},
        "parent": {"subscription_details": {"subscription": "sub_1"}},
    }
    elsewhere = {**item, "id": "ii_2", "parent": {"subscription_details": {"subscription": "sub_2"}}}
    assert found(BILLED[0], march, BILLED[2], pending=(item, elsewhere)) == [
        ("changed_in_stripe", "in_3:lines", 2_500, 0),
        ("extra", "ii_1", 1_500, 0),
    ]


def test_usage_is_not_compared() -> None:
    (phase,) = SCHEDULE.phases
    metered = replace(SCHEDULE, phases=(replace(phase, items=(replace(phase.items[0], metered=True),)),))
    contract = BilledContract(
        root_id="Q1",
        contract_key="800",
        sent=(metered,),
        product_names={"01t": "Seat"},
        records=BilledRecords(invoices=(invoice(3, 4_711),)),
        at=AT,
    )
    assert list(contract.findings()) == []
