"""Every kind of difference is planted, found and nothing else, put right where it can be, and silent then."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from tests.faults import kinds
from tests.faults.test_meters_and_coupons import make, set_up
from tests.faults.test_troubled_calls import Setting

from cpqbridge.errors import ConfigurationError
from cpqbridge.store.findings import StoredFinding
from cpqbridge.sync.finding_desk import FindingDesk
from cpqbridge.sync.reconcile import Reconciler

MAY = datetime(2026, 5, 12, 9, tzinfo=UTC)
JULY = datetime(2026, 7, 12, 9, tzinfo=UTC)


def seats() -> kinds.Records:
    """Ten seats at 50.00 a month from 1 February for a year, billed by invoice."""
    shop = kinds.Shop()
    return shop.records(shop.sell(kinds.Line(product=shop.seat, quantity=10)))


@pytest.fixture
def setting(tmp_path: Path) -> Iterator[Setting]:
    with set_up(tmp_path, seats()) as made:
        yield made


def found(setting: Setting, **scope: Any) -> list[StoredFinding]:
    return list(Reconciler(setting.service).run(None, **scope).open)


def told(findings: list[StoredFinding]) -> list[tuple[str, int | None, int | None]]:
    return [(each.kind, each.document["found_minor"], each.document["wanted_minor"]) for each in findings]


def fixed(setting: Setting) -> list[StoredFinding]:
    """Put right what can be, and return what is open after it."""
    reconciler = Reconciler(setting.service)
    for fix in list(reconciler.fixes(None, found(setting))):
        reconciler.carry_out(None, fix)
    return found(setting)


def synced_until(setting: Setting, instant: datetime) -> None:
    assert setting.service.sync(None, setting.sides.order_id).order.state.value == "synced"
    assert found(setting) == []
    setting.move_everything_to(instant)
    assert found(setting) == []


def schedule_of(setting: Setting) -> dict[str, Any]:
    return setting.sides.objects("subscription_schedule")[0]


def three_seats(setting: Setting) -> None:
    (subscription,) = setting.sides.objects("subscription")
    change = {
        "items": [{"id": subscription["items"]["data"][0]["id"], "quantity": 3}],
        "proration_behavior": "none",
    }
    make(setting, f"/v1/subscriptions/{subscription['id']}", **change)


def cancelled(setting: Setting) -> None:
    path = f"/v1/subscription_schedules/{schedule_of(setting)['id']}/cancel"
    make(setting, path, prorate=False, invoice_now=False)


def invoices_of(setting: Setting) -> list[dict[str, Any]]:
    return sorted(setting.sides.objects("invoice"), key=lambda each: each["created"])


def test_an_order_that_was_never_synced_is_missing_with_its_amount_and_synced_by_a_fix(
    setting: Setting,
) -> None:
    (finding,) = found(setting)
    assert told([finding]) == [("missing", 0, 600_000)]
    assert "is not billed" in finding.document["found"]
    assert fixed(setting) == []
    assert len(setting.sides.objects("subscription_schedule")) == 1


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (three_seats, "it bills 3 x 50.00 USD every month instead of 10 x 50.00"),
        (cancelled, "it was cancelled, although it was to run until 2027-02-01"),
    ],
)
def test_a_schedule_changed_by_hand_is_named_and_put_back_as_sold_without_touching_the_past(
    setting: Setting, change: Callable[[Setting], None], words: str
) -> None:
    synced_until(setting, MAY)
    before = invoices_of(setting)
    change(setting)
    (finding,) = found(setting)
    assert (finding.kind, finding.document["remedy"]) == ("changed_in_stripe", "restore")
    assert words in finding.document["found"]
    assert fixed(setting) == []
    assert invoices_of(setting) == before
    # It bills what was sold from the next period on, to the end.
    setting.move_everything_to(datetime(2027, 3, 1, tzinfo=UTC))
    assert [each["total"] for each in invoices_of(setting)] == [50_000] * 12
    assert found(setting) == []


def test_the_same_change_made_twice_is_put_back_twice(setting: Setting) -> None:
    synced_until(setting, MAY)
    for minutes in (1, 2):
        setting.move_everything_to(MAY + timedelta(minutes=minutes))
        three_seats(setting)
        assert len(found(setting)) == 1
        assert fixed(setting) == []


def again_by_hand(setting: Setting) -> None:
    """Make the same schedule once more, as somebody does who copies it with its metadata."""
    original = schedule_of(setting)
    (phase,) = original["phases"]
    (item,) = phase["items"]
    make(
        setting,
        "/v1/subscription_schedules",
        customer=original["customer"],
        start_date=int(datetime(2026, 6, 1, tzinfo=UTC).timestamp()),
        end_behavior="cancel",
        metadata=original["metadata"],
        phases=[
            {
                "items": [{"price": item["price"], "quantity": 10, "metadata": item["metadata"]}],
                "end_date": phase["end_date"],
                "proration_behavior": "none",
                "metadata": phase["metadata"],
            }
        ],
    )


def test_a_second_schedule_of_a_contract_is_extra_and_cancelled_before_it_bills(setting: Setting) -> None:
    synced_until(setting, MAY)
    again_by_hand(setting)
    (finding,) = found(setting)
    assert (finding.kind, finding.document["remedy"]) == ("extra", "cancel")
    assert fixed(setting) == []
    assert sorted(each["status"] for each in setting.sides.objects("subscription_schedule")) == [
        "active",
        "canceled",
    ]
    setting.move_everything_to(JULY)
    assert found(setting) == []


def test_what_a_second_schedule_has_billed_is_told_and_left_to_a_person(setting: Setting) -> None:
    synced_until(setting, MAY)
    again_by_hand(setting)
    setting.move_everything_to(JULY)
    twice = [("extra", 50_000, 0)] * 2
    assert told(found(setting)) == [("extra", None, None), *twice]
    left = fixed(setting)
    assert told(left) == twice
    assert all("by hand" in each.document["fix"] for each in left)


def voided(setting: Setting) -> None:
    make(setting, f"/v1/invoices/{invoices_of(setting)[-1]['id']}/void")


def given_up(setting: Setting) -> None:
    make(setting, f"/v1/invoices/{invoices_of(setting)[-1]['id']}/mark_uncollectible")


def credited(setting: Setting) -> None:
    invoice = invoices_of(setting)[-1]
    line = {
        "type": "invoice_line_item",
        "invoice_line_item": invoice["lines"]["data"][0]["id"],
        "amount": 700,
    }
    make(setting, "/v1/credit_notes", invoice=invoice["id"], lines=[line])


@pytest.mark.parametrize(
    ("act", "amounts", "words"),
    [
        (voided, (0, 50_000), "was voided"),
        (given_up, (0, 50_000), "was marked uncollectible"),
        (credited, (-700, 0), "was made by hand"),
    ],
)
def test_a_bill_that_somebody_took_back_is_named_and_never_made_again_by_itself(
    setting: Setting, act: Callable[[Setting], None], amounts: tuple[int, int], words: str
) -> None:
    synced_until(setting, MAY)
    act(setting)
    (finding,) = found(setting)
    assert told([finding]) == [("changed_in_stripe", *amounts)]
    assert words in finding.document["found"]
    writes = setting.sides.stripe_writes()
    assert len(fixed(setting)) == 1
    assert setting.sides.stripe_writes() == writes
    FindingDesk(setting.service).accept(None, finding.finding_id, "Agreed with the customer")
    setting.move_everything_to(JULY)
    assert found(setting) == []


def test_what_a_changed_schedule_billed_stays_open_after_it_was_put_back(setting: Setting) -> None:
    synced_until(setting, MAY)
    three_seats(setting)
    setting.move_everything_to(JULY)
    assert sorted(told(found(setting))) == [
        ("amount_differs", 15_000, 50_000),
        ("amount_differs", 15_000, 50_000),
        ("changed_in_stripe", None, None),
    ]
    left = fixed(setting)
    assert told(left) == [("amount_differs", 15_000, 50_000)] * 2
    for each in left:
        FindingDesk(setting.service).accept(None, each.finding_id, "Billed by hand")
    setting.move_everything_to(datetime(2027, 3, 1, tzinfo=UTC))
    assert found(setting) == []


def test_an_accepted_change_stays_accepted_until_it_differs_and_is_held_by_the_next_amendment(
    setting: Setting,
) -> None:
    synced_until(setting, MAY)
    three_seats(setting)
    (finding,) = found(setting)
    with pytest.raises(ConfigurationError, match="with a reason"):
        FindingDesk(setting.service).accept(None, finding.finding_id, " ")
    FindingDesk(setting.service).accept(None, finding.finding_id, "Seven seats are on ice")
    # What it bills from then on is part of what was accepted.
    setting.move_everything_to(JULY)
    assert found(setting) == []
    order_id = setting.sides.amend([(0, "2")], start=date(2026, 8, 1))
    held = setting.service.sync(None, order_id).order
    assert (held.state.value, held.code) == ("held", "schedule_changed_in_stripe")
    assert f"finding {finding.finding_id}, accepted: Seven seats are on ice" in held.message
    (subscription,) = setting.sides.objects("subscription")
    assert subscription["items"]["data"][0]["quantity"] == 3
    # The held order is a finding, and so is the schedule once it is changed anew.
    assert [each.kind for each in found(setting)] == ["missing"]
    change = {"items": [{"id": subscription["items"]["data"][0]["id"], "quantity": 4}]}
    make(setting, f"/v1/subscriptions/{subscription['id']}", proration_behavior="none", **change)
    assert sorted(each.kind for each in found(setting)) == ["changed_in_stripe", "missing"]


def test_an_order_edited_after_it_was_billed_is_named_line_by_line(setting: Setting) -> None:
    synced_until(setting, MAY)
    (line,) = setting.sides.org.records("OrderItem")
    setting.sides.org.update("OrderItem", line["Id"], {"TotalPrice": 7200, "UnitPrice": 720})
    (finding,) = found(setting)
    assert told([finding]) == [("edited_in_salesforce", 720_000, 600_000)]
    assert f"line {line['Id']}: 7200.00 USD now, 6000.00 USD when it was billed" in finding.document["found"]
    assert [each.kind for each in fixed(setting)] == ["edited_in_salesforce"]
    setting.sides.org.update("OrderItem", line["Id"], {"TotalPrice": 6000, "UnitPrice": 600})
    assert found(setting) == []


def test_an_order_deleted_in_salesforce_that_goes_on_being_billed_is_extra(setting: Setting) -> None:
    synced_until(setting, MAY)
    setting.sides.org.update("Order", setting.sides.order_id, {"IsDeleted": True})
    (finding,) = found(setting)
    assert finding.kind == "extra"
    assert "is gone from Salesforce" in finding.document["found"]


def test_what_salesforce_does_not_show_is_written_again(setting: Setting) -> None:
    synced_until(setting, MAY)
    shown = setting.sides.order()["Stripe_ID__c"]
    setting.sides.org.update("Order", setting.sides.order_id, {"Stripe_ID__c": None})
    (finding,) = found(setting)
    assert finding.kind == "not_shown"
    assert fixed(setting) == []
    assert setting.sides.order()["Stripe_ID__c"] == shown
