"""What Salesforce is told: ids, links, status, one Sync Record per order, and nothing twice (B12.1, B12.2)."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal

import pytest
from tests.unit.mapping.records import (
    ACCOUNT,
    AMENDMENT,
    CONFIGURATION,
    COUPON,
    ORDER,
    ROOT,
    SEATS,
    SETUP,
    a_contract,
    a_line_coupon,
    a_one_time_item,
    an_amendment,
    an_item,
    an_order,
    an_order_coupon,
)

from cpqbridge.domain.billing import BillingObject, CreditPortion, ExecutedOrder, Link
from cpqbridge.domain.refusal import OrderState
from cpqbridge.mapping.fields import (
    LINE_COUPON_OBJECT,
    ORDER_COUPON_OBJECT,
    SYNC_RECORD_OBJECT,
    CouponFields,
    OurFields,
    SyncRecordFields,
)
from cpqbridge.mapping.history import order_history
from cpqbridge.mapping.stripe_objects import StripeObjects, dashboard_base, keys_by_order
from cpqbridge.mapping.write_back import OrderResult, write_back_records

SEAT, ENTRY = "01tQy00000PrD01IAF", "01uQy00000PbE01IAF"
SCHEDULE_KEY, INVOICE_KEY = f"schedule:{ROOT}:2026-02-01:1", f"invoice:{ROOT}:{ORDER}:2026-02-01"
BASE = dashboard_base(live_mode=False)
PRICE_KEY = f"price:cpqbridge:{ENTRY}:usd:5000:month:1:licensed:1"
LINKS = {
    f"customer:{ACCOUNT}": "cus_1",
    f"product:{SEAT}": "prod_1",
    PRICE_KEY: "price_1",
    SCHEDULE_KEY: "sub_sched_1",
}
NOW = datetime(2026, 2, 1, tzinfo=UTC)
SYNCED = OrderResult(order_id=ORDER, state=OrderState.SYNCED)
REFUSED = OrderResult(
    order_id=ORDER,
    state=OrderState.REFUSED,
    message="No e-mail.",
    fix="Add one.",
    code="no_email",
    request_link="https://dashboard.stripe.com/test/logs/req_1",
)


def everything(prefix=""):
    ours = OurFields(prefix)
    shown = {ours.stripe_id, ours.stripe_link}
    return {
        "Account": frozenset(shown),
        "Product2": frozenset(shown),
        "PricebookEntry": frozenset(shown),
        "OrderItem": frozenset(shown),
        "Order": frozenset({*shown, ours.sync_status, ours.sync_message}),
        SYNC_RECORD_OBJECT: frozenset(SyncRecordFields.ALL),
        CouponFields.OBJECT: frozenset({CouponFields.STRIPE_ID}),
    }


def written(
    raw=None,
    results=(SYNCED,),
    links=None,
    price_keys=None,
    prefix="",
    writable=None,
    object_keys=None,
    coupon_keys=None,
):
    raw = a_contract() if raw is None else raw
    links = LINKS if links is None else links
    records = write_back_records(
        raw,
        order_history(raw, CONFIGURATION),
        results,
        StripeObjects(
            links={
                key: Link(key=key, stripe_id=stripe_id, fingerprint="") for key, stripe_id in links.items()
            },
            links_base=BASE,
            price_keys={SEATS: PRICE_KEY} if price_keys is None else price_keys,
            object_keys={ORDER: (SCHEDULE_KEY,)} if object_keys is None else object_keys,
            coupon_keys=coupon_keys or {},
        ),
        fields=OurFields(prefix),
        writable=everything(prefix) if writable is None else writable,
    )
    assert [(r.object_name, r.record_id) for r in records] == sorted(
        (r.object_name, r.record_id) for r in records
    )
    return {(record.object_name, record.record_id): dict(record.fields) for record in records}


def after(raw, records):
    """Return the contract as it is read once `records` have been written."""

    def told(object_name, record_id, present):
        return {**(present or {}), **records.get((object_name, record_id), {})}

    orders = [
        told("Order", order["Id"], order) | {"Account": told("Account", order["AccountId"], order["Account"])}
        for order in raw.orders
    ]
    items = [
        told("OrderItem", item["Id"], item)
        | {
            "Product2": told("Product2", item["Product2Id"], item["Product2"]),
            "PricebookEntry": told("PricebookEntry", item["PricebookEntryId"], item["PricebookEntry"]),
        }
        for item in raw.items
    ]
    syncs = {record["Key__c"]: record for record in raw.extra.get(SYNC_RECORD_OBJECT, ())}
    for (object_name, key), fields in records.items():
        if object_name == SYNC_RECORD_OBJECT:
            syncs[key] = {**syncs.get(key, {}), "Key__c": key, **fields}
    return a_contract(orders=orders, items=items, extra={SYNC_RECORD_OBJECT: tuple(syncs.values())})


def test_write_back_when_order_is_synced_shows_ids_links_and_status():
    assert written() == {
        ("Account", ACCOUNT): {"Stripe_ID__c": "cus_1", "Stripe_Link__c": f"{BASE}/customers/cus_1"},
        ("Order", ORDER): {
            "Stripe_ID__c": "sub_sched_1",
            "Stripe_Link__c": f"{BASE}/subscription_schedules/sub_sched_1",
            "Stripe_Sync_Status__c": "Synced",
        },
        ("OrderItem", SEATS): {"Stripe_ID__c": "price_1", "Stripe_Link__c": f"{BASE}/prices/price_1"},
        ("PricebookEntry", ENTRY): {"Stripe_ID__c": "price_1", "Stripe_Link__c": f"{BASE}/prices/price_1"},
        ("Product2", SEAT): {"Stripe_ID__c": "prod_1", "Stripe_Link__c": f"{BASE}/products/prod_1"},
        (SYNC_RECORD_OBJECT, f"{ORDER}|{ORDER}"): {
            "Order__c": ORDER,
            "Record_Id__c": ORDER,
            "Record_Object__c": "Order",
            "Status__c": "Success",
            "Resolved__c": True,
        },
    }


def test_write_back_when_sync_record_is_upserted_names_its_key_field():
    records = write_back_records(
        a_contract(),
        order_history(a_contract(), CONFIGURATION),
        [SYNCED],
        StripeObjects(links={}, links_base=BASE),
        fields=OurFields(),
        writable=everything(),
    )
    assert [(record.object_name, record.external_id_field) for record in records] == [
        ("Order", None),
        (SYNC_RECORD_OBJECT, "Key__c"),
    ]


def test_write_back_when_everything_stands_already_writes_nothing():
    raw = after(a_contract(), written())
    assert written(raw) == {}
    assert written(raw, [OrderResult(order_id=ORDER, state=OrderState.UNCHANGED)]) == {}


def test_write_back_when_order_is_refused_shows_why_and_no_id():
    found = written(results=[REFUSED], links={}, price_keys={})
    assert found == {
        ("Order", ORDER): {
            "Stripe_Sync_Status__c": "Refused",
            "Stripe_Sync_Message__c": "No e-mail. Add one.",
        },
        (SYNC_RECORD_OBJECT, f"{ORDER}|{ORDER}"): {
            "Order__c": ORDER,
            "Record_Id__c": ORDER,
            "Record_Object__c": "Order",
            "Status__c": "Refused",
            "Message__c": "No e-mail.",
            "Action__c": "Add one.",
            "Docs_Link__c": "https://github.com/cpqbridge/cpqbridge/blob/main/docs/reference/errors.md#no_email",
            "Request_Link__c": "https://dashboard.stripe.com/test/logs/req_1",
        },
    }
    assert written(after(a_contract(), found), [REFUSED], links={}, price_keys={}) == {}


def test_write_back_when_refusal_is_about_a_line_names_that_record():
    result = OrderResult(order_id=ORDER, state=OrderState.HELD, message="x", record_id="802000000000001AAA")
    fields = written(results=[result])[SYNC_RECORD_OBJECT, f"{ORDER}|{ORDER}"]
    assert (fields["Record_Id__c"], fields["Record_Object__c"]) == ("802000000000001AAA", "OrderItem")


def test_write_back_when_order_succeeds_after_an_error_resolves_its_record():
    raw = after(a_contract(), written(results=[REFUSED], links={}, price_keys={}))
    found = written(raw)
    assert found["Order", ORDER]["Stripe_Sync_Message__c"] is None
    assert found[SYNC_RECORD_OBJECT, f"{ORDER}|{ORDER}"] == {
        "Status__c": "Success",
        "Message__c": None,
        "Action__c": None,
        "Docs_Link__c": None,
        "Request_Link__c": None,
        "Resolved__c": True,
    }
    assert written(after(raw, found)) == {}


def test_write_back_when_order_is_skipped_or_queued_leaves_it_alone():
    for state in (OrderState.SKIPPED, OrderState.QUEUED):
        assert written(results=[OrderResult(order_id=ORDER, state=state)], links={}, price_keys={}) == {}


def test_write_back_when_fields_are_not_writable_leaves_them_out():
    only_id = {"Account": frozenset({"Stripe_ID__c"})}
    assert written(writable=only_id) == {("Account", ACCOUNT): {"Stripe_ID__c": "cus_1"}}
    assert written(writable={}) == {}


def test_write_back_when_org_uses_a_prefix_writes_prefixed_fields():
    found = written(prefix="Acme_")
    assert found["Account", ACCOUNT] == {
        "Acme_Stripe_ID__c": "cus_1",
        "Acme_Stripe_Link__c": f"{BASE}/customers/cus_1",
    }
    assert found["Order", ORDER]["Acme_Stripe_Sync_Status__c"] == "Synced"


def test_write_back_when_order_has_only_one_time_lines_shows_its_invoice():
    raw = a_contract(items=[a_one_time_item()])
    links = {INVOICE_KEY: "in_1", SCHEDULE_KEY: "sub_sched_1"}
    found = written(raw, links=links, price_keys={}, object_keys={ORDER: (SCHEDULE_KEY, INVOICE_KEY)})
    assert found["Order", ORDER]["Stripe_ID__c"] == "in_1"
    assert found["Order", ORDER]["Stripe_Link__c"] == f"{BASE}/invoices/in_1"
    ridden = written(raw, links={SCHEDULE_KEY: "sub_sched_1"}, price_keys={})
    assert ridden["Order", ORDER]["Stripe_ID__c"] == "sub_sched_1"


AMENDED = {
    SCHEDULE_KEY: "sub_sched_1",
    f"schedule:{ROOT}:2026-05-13:2": "sub_sched_2",
    f"invoice:{ROOT}:{AMENDMENT}:2026-05-13": "in_7",
    f"credit_note:{ROOT}:{AMENDMENT}:2026-05-13:1": "cn_1",
    f"credit_note:{ROOT}:{AMENDMENT}:2026-05-13:2": "cbtxn_1",
}


def test_write_back_when_an_amendment_shaped_several_objects_shows_the_first_and_names_the_others():
    raw = a_contract(
        orders=[an_order(), an_amendment()], items=[an_item(), an_item(Id=SETUP, OrderId=AMENDMENT)]
    )
    results = [SYNCED, OrderResult(order_id=AMENDMENT, state=OrderState.SYNCED)]
    keys = {ORDER: (SCHEDULE_KEY,), AMENDMENT: (*list(AMENDED)[2:], *list(AMENDED)[:2], "invoice:unmade")}
    found = written(raw, results, links=AMENDED, price_keys={}, object_keys=keys)
    assert found["Order", ORDER]["Stripe_ID__c"] == "sub_sched_1"
    assert "Stripe_Sync_Message__c" not in found["Order", ORDER]
    text = (
        f"Also in Stripe: subscription schedule {BASE}/subscription_schedules/sub_sched_2, "
        f"invoice {BASE}/invoices/in_7, credit note {BASE}/credit_notes/cn_1, "
        "credit on the customer's balance cbtxn_1"
    )
    assert found["Order", AMENDMENT] == {
        "Stripe_ID__c": "sub_sched_1",
        "Stripe_Link__c": f"{BASE}/subscription_schedules/sub_sched_1",
        "Stripe_Sync_Status__c": "Synced",
        "Stripe_Sync_Message__c": text,
    }
    assert found[SYNC_RECORD_OBJECT, f"{AMENDMENT}|{AMENDMENT}"]["Message__c"] == text
    again = after(raw, found)
    assert written(again, results, links=AMENDED, price_keys={}, object_keys=keys) == {}


def test_write_back_when_only_the_balance_was_credited_names_it_and_shows_no_id():
    key = f"credit_note:{ROOT}:{ORDER}:2026-05-13:1"
    found = written(links={key: "cbtxn_1"}, price_keys={}, object_keys={ORDER: (key,)})
    assert found["Order", ORDER] == {
        "Stripe_Sync_Status__c": "Synced",
        "Stripe_Sync_Message__c": "Also in Stripe: credit on the customer's balance cbtxn_1",
    }


def test_write_back_when_an_order_waits_names_nothing_it_shaped_before():
    result = OrderResult(order_id=ORDER, state=OrderState.HELD, message="Look at it.")
    found = written(results=[result])
    assert found["Order", ORDER] == {
        "Stripe_Sync_Status__c": "Held",
        "Stripe_Sync_Message__c": "Look at it.",
    }


def an_object(key, *order_ids, portions=()):
    executed = tuple(ExecutedOrder(order_id=each, executed_at=NOW, fingerprint="") for each in order_ids)
    return BillingObject(
        key=key,
        kind="schedule",
        currency="usd",
        phases=(),
        end_behavior="cancel",
        collection_method="send_invoice",
        days_until_due=30,
        anchor_at=NOW,
        orders=executed,
        portions=portions,
    )


def test_keys_by_order_when_objects_have_several_orders_and_portions():
    credit = an_object(
        "credit:1", AMENDMENT, portions=(CreditPortion(key="note:1", invoice_id="in_1", amount_minor=5),)
    )
    assert keys_by_order([an_object("schedule:1", ORDER, AMENDMENT), credit]) == {
        ORDER: ("schedule:1",),
        AMENDMENT: ("credit:1", "note:1", "schedule:1"),
    }


def test_write_back_when_there_are_two_orders_writes_one_sync_record_each():
    raw = a_contract(orders=[an_order(), an_amendment()])
    results = [SYNCED, OrderResult(order_id=AMENDMENT, state=OrderState.WAITING, message="Waits.")]
    found = written(raw, results)
    assert found["Order", AMENDMENT] == {
        "Stripe_Sync_Status__c": "Waiting",
        "Stripe_Sync_Message__c": "Waits.",
    }
    keys = [record_id for object_name, record_id in found if object_name == SYNC_RECORD_OBJECT]
    assert keys == [f"{ORDER}|{ORDER}", f"{AMENDMENT}|{AMENDMENT}"]


def test_entry_when_price_is_the_lines_own_or_a_duplicate_is_left_alone():
    own = f"price:cpqbridge:{SEATS}:usd:5000:month:1:licensed:1"
    second = PRICE_KEY[:-1] + "2"
    for key in (own, second):
        found = written(links={key: "price_9"}, price_keys={SEATS: key})
        assert found["OrderItem", SEATS]["Stripe_ID__c"] == "price_9"
        assert ("PricebookEntry", ENTRY) not in found


def test_entry_when_two_frequencies_share_it_shows_the_products_own():
    quarterly = PRICE_KEY.replace("5000:month:1", "15000:month:3")
    ids = [SEATS, SETUP]
    for by_quarter, by_month in (ids, ids[::-1]):
        items = [
            an_item(Id=by_quarter, SBQQ__BillingFrequency__c="Quarterly"),
            an_item(Id=by_month, Product2={"Name": "Seat", "SBQQ__BillingFrequency__c": "Monthly"}),
        ]
        links = {quarterly: "price_q", PRICE_KEY: "price_m"}
        keys = {by_quarter: quarterly, by_month: PRICE_KEY}
        found = written(a_contract(items=items), links=links, price_keys=keys)
        assert found["PricebookEntry", ENTRY]["Stripe_ID__c"] == "price_m"


def test_entry_when_it_shows_a_price_already_is_not_overwritten_by_another_frequency():
    quarterly = PRICE_KEY.replace("5000:month:1", "15000:month:3")
    entry = {"UnitPrice": Decimal(50), "Stripe_ID__c": "price_m"}
    item = an_item(SBQQ__BillingFrequency__c="Quarterly", PricebookEntry=entry)
    found = written(a_contract(items=[item]), links={quarterly: "price_q"}, price_keys={SEATS: quarterly})
    assert ("PricebookEntry", ENTRY) not in found
    assert found["OrderItem", SEATS]["Stripe_ID__c"] == "price_q"


def test_write_back_when_sync_records_were_not_read_writes_them_only_with_a_new_status():
    first = written(results=[REFUSED], links={}, price_keys={})
    raw = after(a_contract(), first)
    unread = a_contract(orders=raw.orders, items=raw.items)
    assert written(unread, [REFUSED], links={}, price_keys={}) == {}
    assert (SYNC_RECORD_OBJECT, f"{ORDER}|{ORDER}") in written(unread)


def test_dashboard_when_live_has_no_test_in_its_address():
    assert dashboard_base(live_mode=True) == "https://dashboard.stripe.com"
    assert BASE == "https://dashboard.stripe.com/test"


@pytest.mark.parametrize(
    ("shows", "expected"),
    [
        (None, {"Stripe_ID__c": "cpqbridge-1"}),
        ("cpqbridge-0", {"Stripe_ID__c": "cpqbridge-1"}),
        ("cpqbridge-1", None),
    ],
)
def test_write_back_when_a_coupon_is_in_use_shows_its_id_on_its_record(shows, expected):
    on_order = an_order_coupon(coupon={CouponFields.STRIPE_ID: shows})
    on_line = a_line_coupon(coupon={CouponFields.STRIPE_ID: shows})
    key = "coupon:cpqbridge-1"
    found = written(
        raw=a_contract(extra={ORDER_COUPON_OBJECT: (on_order,), LINE_COUPON_OBJECT: (on_line,)}),
        links=LINKS | {key: "cpqbridge-1"},
        coupon_keys={COUPON: key, "a2FQy0000NotMade": "coupon:cpqbridge-2"},
    )
    coupons = {place: values for place, values in found.items() if place[0] == CouponFields.OBJECT}
    assert coupons == ({} if expected is None else {(CouponFields.OBJECT, COUPON): expected})
