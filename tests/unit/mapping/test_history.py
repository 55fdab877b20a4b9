"""Raw records become an order history (B1, B2, B5.2, B5.3)."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal

import pytest
from tests.unit.mapping.records import (
    ACCOUNT,
    ADDED,
    AMENDMENT,
    CONTRACT,
    ORDER,
    ROOT,
    SEATS,
    SETUP,
    a_contract,
    a_one_time_item,
    an_amendment,
    an_item,
    an_order,
    codes,
    configured,
    history_of,
    only_refusal,
)

from cpqbridge.domain.ids import salesforce_id
from cpqbridge.domain.order import LineKind, OrderKind, Segment
from cpqbridge.domain.refusal import OrderState
from cpqbridge.domain.refusal_catalog import REFUSAL_CATALOG
from cpqbridge.mapping.configuration import default_configuration
from cpqbridge.mapping.history import order_history


def the_line(**changes):
    history = history_of(items=[an_item(**changes)])
    assert codes(history) == []
    ((line,),) = [order.lines for order in history.orders]
    return line


def the_refusal(**changes):
    return only_refusal(history_of(items=[an_item(**changes)]))


def test_history_when_all_is_well_has_order_line_account_and_product():
    history = history_of(items=[an_item(), a_one_time_item()])
    assert (history.root_id, history.contract_key, codes(history)) == (ROOT, CONTRACT, [])
    (order,) = history.orders
    assert (order.order_id, order.order_number, order.kind) == (ORDER, "00000101", OrderKind.INITIAL)
    assert order.activated
    assert order.activated_at == datetime(2026, 1, 28, 15, 4, 5, tzinfo=UTC)
    assert (order.effective_on, order.currency, order.days_until_due) == (date(2026, 2, 1), "usd", 30)
    assert order.modified_at == "2026-01-28T15:06:11.000+0000"
    seats, setup = order.lines
    assert (seats.order_item_id, seats.kind, seats.frequency_months) == (SEATS, LineKind.RECURRING, 1)
    assert (seats.quantity, seats.unit_price, seats.total_price) == (10, 600, 6000)
    assert (seats.starts_on, seats.ends_on) == (date(2026, 2, 1), date(2027, 1, 31))
    assert (seats.default_term_months, seats.prorate_multiplier, seats.multiplier_decimals) == (1, 12, 4)
    assert seats.entry_unit_price == 50
    assert (setup.order_item_id, setup.kind, setup.frequency_months) == (SETUP, LineKind.ONE_TIME, None)
    assert (setup.starts_on, setup.ends_on, setup.default_term_months) == (date(2026, 2, 1), None, 12)
    assert (history.account.account_id, history.account.email) == (ACCOUNT, "rosa@baden.example")
    assert [product.name for product in history.products.values()] == ["Seat", "Onboarding"]


def test_history_when_records_come_in_any_order_is_the_same():
    items = [an_item(), a_one_time_item(), an_item(Id=ADDED, OrderId=AMENDMENT)]
    orders = [an_order(), an_amendment()]
    assert history_of(orders=orders, items=items) == history_of(orders=orders[::-1], items=items[::-1])


def test_history_when_ids_are_short_or_repeated_has_each_record_once():
    order, item = {"Id": ORDER[:15]}, {"Id": SEATS[:15], "OrderId": ORDER[:15]}
    history = history_of(orders=[an_order(**order)] * 2, items=[an_item(**item)] * 2)
    assert len(history.orders) == 1
    assert len(history.orders[0].lines) == 1
    assert history.orders[0].order_id == salesforce_id(ORDER[:15])


def test_history_when_optional_fields_were_never_exported_counts_them_as_empty():
    order = {
        name: value for name, value in an_order().items() if name not in {"Opportunity", "OpportunityId"}
    }
    kept = {
        "Id",
        "OrderId",
        "Product2Id",
        "PricebookEntryId",
        "Quantity",
        "UnitPrice",
        "TotalPrice",
        "Product2",
    }
    item = {name: value for name, value in an_item().items() if name in kept}
    history = history_of(orders=[order], items=[item])
    assert codes(history) == []
    assert history.orders[0].lines[0].kind is LineKind.ONE_TIME


def test_order_when_draft_is_mapped_but_not_activated():
    history = history_of(
        orders=[an_order(StatusCode="Draft", ActivatedDate=None)], items=[an_item(SBQQ__Status__c="Draft")]
    )
    (order,) = history.orders
    assert codes(history) == []
    assert not order.activated
    assert order.activated_at is None
    assert len(order.lines) == 1


@pytest.mark.parametrize(
    ("changes", "kind"),
    [
        ({}, OrderKind.INITIAL),
        ({"Type": "Amendment"}, OrderKind.INITIAL),
        ({"Opportunity": {"SBQQ__AmendedContract__c": CONTRACT}}, OrderKind.AMENDMENT),
        (
            {
                "OpportunityId": None,
                "Opportunity": None,
                "quote": {"SBQQ__Type__c": "Amendment", "SBQQ__MasterContract__c": CONTRACT},
            },
            OrderKind.AMENDMENT,
        ),
        ({"quote": {"SBQQ__Type__c": "Renewal", "SBQQ__MasterContract__c": CONTRACT}}, OrderKind.RENEWAL),
        ({"quote": {"SBQQ__Type__c": "Re-Quote"}}, OrderKind.INITIAL),
    ],
)
def test_order_kind_when_read_follows_opportunity_and_quote_not_type(changes, kind):
    assert history_of(orders=[an_order(**changes)]).orders[0].kind is kind


def test_orders_when_several_come_by_start_then_activation_then_id():
    first = an_order()
    later = an_amendment()
    sooner = an_amendment() | {"Id": "801Qy00000AbC09IAF", "ActivatedDate": "2026-05-01T09:30:00.000+0000"}
    history = history_of(orders=[later, sooner, first])
    assert [order.order_id for order in history.orders] == [ORDER, "801Qy00000AbC09IAF", AMENDMENT]


def test_contract_key_when_there_is_no_contract_is_the_first_order():
    item = an_item(SBQQ__Contract__c=None)
    assert order_history(a_contract(items=[item], contract={}), configured()).contract_key == ORDER
    assert (
        history_of(items=[an_item(SBQQ__Contract__c="800Qy000001AAAAIAK")]).contract_key
        == "800Qy000001AAAAIAK"
    )


def test_line_when_skipped_is_left_out_and_named():
    history = history_of(items=[an_item(Skip_Line_Item__c=True, UnitPrice=None), a_one_time_item()])
    assert codes(history) == []
    assert [line.order_item_id for line in history.orders[0].lines] == [SETUP]
    assert history.orders[0].skipped_line_ids == (SEATS,)


def test_line_when_it_changes_a_skipped_line_is_refused():
    added = an_item(Id=ADDED, OrderId=AMENDMENT, SBQQ__RevisedOrderProduct__c=SEATS)
    history = history_of(orders=[an_order(), an_amendment()], items=[an_item(Skip_Line_Item__c=True), added])
    refusal = only_refusal(history)
    assert (refusal.code, refusal.order_id, refusal.record_id) == ("revises_skipped_line", AMENDMENT, ADDED)


LATER_LINE = "802Qy00000LiNe6IAF"


def a_change(**changes):
    """Return a line of the amendment that adds two seats."""
    return an_item(**{"Id": ADDED, "OrderId": AMENDMENT, "SBQQ__RevisedOrderProduct__c": SEATS, **changes})


def a_changed_history(*changes, **parts):
    return history_of(orders=[an_order(), an_amendment()], items=[an_item(), *changes], **parts)


def test_line_when_it_takes_units_away_keeps_its_sign_and_the_line_it_changes():
    reduction = a_change(Quantity=Decimal("-3.0"), UnitPrice=Decimal("269.73"), TotalPrice=Decimal("-809.19"))
    history = a_changed_history(reduction)
    (line,) = history.orders[1].lines
    assert codes(history) == []
    assert (line.quantity, line.unit_price, line.total_price) == (-3, Decimal("269.73"), Decimal("-809.19"))
    assert line.revises == SEATS


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"SBQQ__RevisedOrderProduct__c": "802Qy00000GoNe9IAF"}, "reduction_unknown_line"),
        ({"SBQQ__RevisedOrderProduct__c": ADDED}, "reduction_unknown_line"),
        ({"SBQQ__RevisedOrderProduct__c": None, "Quantity": Decimal(-1)}, "reduction_unknown_line"),
        ({"SBQQ__RevisedOrderProduct__c": 7}, "value_type"),
    ],
)
def test_line_when_what_it_changes_is_not_known_is_refused(changes, code):
    refusal = only_refusal(a_changed_history(a_change(**changes)))
    assert (refusal.code, refusal.order_id, refusal.record_id) == (code, AMENDMENT, ADDED)
    assert refusal.field == "SBQQ__RevisedOrderProduct__c"


def test_line_when_it_takes_away_once_and_names_no_line_is_a_credit():
    credit = a_one_time_item(
        OrderId=AMENDMENT, Quantity=Decimal(-1), TotalPrice=Decimal(-750), SBQQ__RevisedOrderProduct__c=None
    )
    history = a_changed_history(credit)
    assert codes(history) == []
    assert history.orders[1].lines[0].revises is None


def test_line_when_two_change_each_other_refuses_both_and_the_one_behind_stays():
    circle = [a_change(SBQQ__RevisedOrderProduct__c=LATER_LINE), a_change(Id=LATER_LINE)]
    circle[1]["SBQQ__RevisedOrderProduct__c"] = ADDED
    behind = a_change(Id=SETUP, SBQQ__RevisedOrderProduct__c=ADDED)
    history = a_changed_history(*circle, behind)
    assert [(found.code, found.record_id) for found in history.refusals] == [
        ("reduction_unknown_line", ADDED),
        ("reduction_unknown_line", LATER_LINE),
    ]
    assert [line.revises for line in history.orders[1].lines] == [ADDED]


def test_line_when_the_one_it_changes_has_quantity_zero_changes_the_one_behind():
    unchanged = a_change(Quantity=Decimal("0.0"))
    change = a_change(Id=LATER_LINE, SBQQ__RevisedOrderProduct__c=ADDED)
    history = a_changed_history(unchanged, change)
    assert codes(history) == []
    assert [line.revises for line in history.orders[1].lines] == [SEATS]
    skipped = history_of(
        orders=[an_order(), an_amendment()], items=[an_item(Skip_Line_Item__c=True), unchanged, change]
    )
    assert codes(skipped) == ["revises_skipped_line"]


@pytest.mark.parametrize(
    ("quantity", "expected"), [(Decimal(2), []), (Decimal(-2), ["reduction_below_zero"])]
)
def test_line_when_nothing_stands_behind_a_line_with_quantity_zero(quantity, expected):
    items = [an_item(Quantity=Decimal(0)), a_change(Quantity=quantity)]
    history = history_of(orders=[an_order(), an_amendment()], items=items)
    assert codes(history) == expected
    assert [line.revises for line in history.orders[1].lines] == ([] if expected else [None])


def test_line_when_the_one_it_changes_is_refused_is_kept():
    history = history_of(orders=[an_order(), an_amendment()], items=[an_item(UnitPrice=None), a_change()])
    assert [(found.code, found.order_id) for found in history.refusals] == [("unit_price_empty", ORDER)]
    assert [line.revises for line in history.orders[1].lines] == [SEATS]


def test_line_of_a_renewal_when_it_names_a_line_of_the_old_contract_begins_anew():
    order = an_order(quote={"SBQQ__Type__c": "Renewal"})
    named = {"SBQQ__RevisedOrderProduct__c": "802Qy00000GoNe9IAF"}
    history = history_of(orders=[order], items=[an_item(**named)])
    assert codes(history) == []
    assert history.orders[0].lines[0].revises is None
    reduced = history_of(orders=[order], items=[an_item(**named, Quantity=Decimal(-1))])
    assert codes(reduced) == ["reduction_unknown_line"]


def test_line_of_an_amendment_when_its_term_is_stale_ends_with_its_quote():
    change = a_change(EndDate=None, ServiceDate="2026-05-13", SBQQ__SubscriptionTerm__c=Decimal(12))
    history = a_changed_history(change)
    assert codes(history) == []
    assert history.orders[1].lines[0].ends_on == date(2027, 1, 31)


def test_line_when_quantity_is_zero_is_ignored_and_when_price_is_zero_is_kept():
    free = a_one_time_item(UnitPrice=Decimal(0), TotalPrice=Decimal(0))
    history = history_of(items=[an_item(Quantity=Decimal("0.0"), UnitPrice=None), free])
    assert codes(history) == []
    assert [line.order_item_id for line in history.orders[0].lines] == [SETUP]


@pytest.mark.parametrize(
    ("frequency", "months"), [(None, 1), ("Monthly", 1), ("Quarterly", 3), ("Semiannual", 6), ("annual", 12)]
)
def test_line_when_it_recurs_has_the_months_of_its_frequency(frequency, months):
    line = the_line(SBQQ__BillingFrequency__c=frequency)
    assert (line.kind, line.frequency_months) == (LineKind.RECURRING, months)


def test_line_when_nothing_sets_it_apart_is_neither_metered_nor_evergreen_nor_of_a_ramp():
    line = the_line(SBQQ__SegmentKey__c="k")
    assert (line.metered, line.evergreen, line.segment) == (False, False, None)


def test_line_when_billed_in_arrears_is_metered():
    assert the_line(SBQQ__BillingType__c="Arrears", Quantity=Decimal(1)).metered


def test_line_when_its_type_says_evergreen_has_no_end():
    line = the_line(SBQQ__SubscriptionType__c="Evergreen", EndDate=None)
    assert line.evergreen
    assert line.ends_on is None


def test_line_when_evergreen_but_with_an_end_date_has_none_and_that_is_said():
    history = history_of(items=[an_item(SBQQ__SubscriptionType__c="Evergreen")])
    assert codes(history) == []
    assert history.orders[0].lines[0].ends_on is None
    assert history.warnings == (
        f"Order line {SEATS} (Seat) is evergreen: its end on 2027-01-31 is not used.",
    )


def test_line_when_evergreen_and_metered_or_without_recurrence_of_its_segment_is_each_of_it():
    metered = the_line(
        SBQQ__SubscriptionType__c="evergreen",
        SBQQ__BillingType__c="Arrears",
        Quantity=Decimal(1),
        EndDate=None,
    )
    assert (metered.metered, metered.evergreen) == (True, True)
    one_time = the_line(**NOT_RECURRING, SBQQ__SegmentKey__c="k", SBQQ__SegmentIndex__c=Decimal(1))
    assert one_time.kind is LineKind.ONE_TIME
    assert one_time.segment == Segment(key="k", index=1)


def test_line_when_it_has_segment_key_and_index_is_of_a_ramp():
    segment = {"SBQQ__SegmentKey__c": "k", "SBQQ__SegmentIndex__c": Decimal("2.0")}
    assert the_line(**segment).segment == Segment(key="k", index=2)
    labelled = the_line(**segment, SBQQ__QuoteLine__r={"SBQQ__SegmentLabel__c": "Year 2"})
    assert labelled.segment == Segment(key="k", index=2, label="Year 2")


SEGMENT_INDEX = "SBQQ__SegmentIndex__c"
NOT_RECURRING = {
    "SBQQ__SubscriptionPricing__c": None,
    "SBQQ__SubscriptionType__c": None,
    "SBQQ__SubscriptionTerm__c": None,
    "SBQQ__BillingFrequency__c": None,
}


@pytest.mark.parametrize(
    "marker",
    [
        {"SBQQ__SubscriptionPricing__c": "Fixed Price"},
        {"SBQQ__SubscriptionType__c": "Renewable"},
        {"SBQQ__SubscriptionTerm__c": Decimal(12)},
        {"SBQQ__BillingFrequency__c": "Monthly"},
    ],
)
def test_line_when_any_sign_of_a_subscription_is_set_recurs(marker):
    assert the_line(**NOT_RECURRING).kind is LineKind.ONE_TIME
    assert the_line(**NOT_RECURRING | marker).kind is LineKind.RECURRING


@pytest.mark.parametrize(
    ("changes", "code", "field"),
    [
        ({"SBQQ__BillingFrequency__c": "Invoice Plan"}, "frequency_unknown", "SBQQ__BillingFrequency__c"),
        ({"SBQQ__BillingFrequency__c": "Weekly"}, "frequency_unknown", "SBQQ__BillingFrequency__c"),
        ({"SBQQ__BillingType__c": "Sometimes"}, "billing_type_unknown", "SBQQ__BillingType__c"),
        (NOT_RECURRING | {"SBQQ__BillingType__c": "Arrears"}, "billing_type_unknown", "SBQQ__BillingType__c"),
        ({"SBQQ__BillingType__c": "Arrears"}, "metered_quantity", "Quantity"),
        ({"SBQQ__SegmentKey__c": "k", "SBQQ__SegmentIndex__c": Decimal("1.5")}, "value_type", SEGMENT_INDEX),
        ({"SBQQ__SegmentKey__c": "k", "SBQQ__SegmentIndex__c": Decimal(-1)}, "value_type", SEGMENT_INDEX),
        ({"UnitPrice": None}, "unit_price_empty", "UnitPrice"),
        ({"TotalPrice": None}, "unit_price_empty", "TotalPrice"),
        ({"UnitPrice": "cheap"}, "value_type", "UnitPrice"),
        ({"Quantity": "ten"}, "value_type", "Quantity"),
        ({"Quantity": None}, "value_type", "Quantity"),
        ({"Quantity": Decimal("1E+30")}, "value_type", "Quantity"),
        ({"ServiceDate": "soon"}, "value_type", "ServiceDate"),
        ({"Skip_Line_Item__c": "yes"}, "value_type", "Skip_Line_Item__c"),
        ({"PricebookEntry": {"UnitPrice": []}}, "value_type", "PricebookEntry.UnitPrice"),
        ({"SBQQ__Status__c": "Draft"}, "line_not_activated", "SBQQ__Status__c"),
        ({"IsDeleted": True}, "line_not_activated", "IsDeleted"),
        ({"Product2Id": None}, "record_unreadable", "Product2Id"),
        ({"EndDate": "2026-01-31"}, "dates_disagree", "EndDate"),
        ({"Product2": {"Name": " "}}, "required_empty", "Product2.Name"),
        ({"Product2": None}, "required_empty", "Product2.Name"),
    ],
)
def test_line_when_something_is_wrong_is_refused_by_name(changes, code, field):
    refusal = the_refusal(**changes)
    assert (refusal.code, refusal.field, refusal.order_id) == (code, field, ORDER)
    assert refusal.record_id in {SEATS, "01tQy00000PrD01IAF"}
    assert refusal.message.endswith(".")
    assert refusal.fix
    assert refusal.state is REFUSAL_CATALOG[code].state


def test_line_when_one_is_refused_the_others_stay_in_the_history():
    history = history_of(items=[an_item(UnitPrice=None), a_one_time_item()])
    assert [line.order_item_id for line in history.orders[0].lines] == [SETUP]
    assert codes(history) == ["unit_price_empty"]


def test_line_when_its_box_is_empty_counts_only_beside_ticked_ones():
    empty = {"SBQQ__Status__c": None, "SBQQ__Activated__c": False}
    assert codes(history_of(items=[an_item(**empty)])) == []
    ticked = a_one_time_item(SBQQ__Activated__c=True)
    refusal = only_refusal(history_of(items=[an_item(**empty), ticked]))
    assert (refusal.code, refusal.field, refusal.record_id) == (
        "line_not_activated",
        "SBQQ__Activated__c",
        SEATS,
    )


@pytest.mark.parametrize(("status", "expected"), [("Aktiviert", []), ("Drafted", ["line_not_activated"])])
def test_line_when_its_status_is_renamed_goes_by_its_box(status, expected):
    assert codes(history_of(items=[an_item(SBQQ__Status__c=status, SBQQ__Activated__c=True)])) == expected
    unticked = an_item(SBQQ__Status__c=status, SBQQ__Activated__c=False)
    assert codes(history_of(items=[unticked])) == ["line_not_activated"]


def test_line_when_a_refused_one_comes_twice_stays_refused():
    assert codes(history_of(items=[an_item(Product2Id=None)] * 2)) == ["record_unreadable"]
    mixed = history_of(items=[an_item(Product2Id=None), an_item()])
    assert mixed.orders[0].lines == ()


def test_line_when_it_has_no_id_refuses_its_order():
    refusal = the_refusal(Id=None)
    assert (refusal.code, refusal.record_id) == ("record_unreadable", ORDER)


@pytest.mark.parametrize(
    ("item", "quote", "order", "expected"),
    [
        ({"ServiceDate": "2026-03-01"}, {}, {}, ("2026-03-01", "2027-01-31")),
        ({"ServiceDate": None}, {}, {}, ("2026-02-01", "2027-01-31")),
        ({"ServiceDate": None}, {"SBQQ__StartDate__c": None}, {}, ("2026-02-01", "2027-01-31")),
        ({"EndDate": None}, {"SBQQ__EndDate__c": "2027-01-31"}, {}, ("2026-02-01", "2027-01-31")),
        ({"EndDate": None}, {}, {}, ("2026-02-01", "2027-01-31")),
        ({"EndDate": None, "SBQQ__SubscriptionTerm__c": None}, {}, {}, ("2026-02-01", "2027-01-31")),
        ({"EndDate": None, "SBQQ__SubscriptionTerm__c": Decimal(6)}, {}, {}, ("2026-02-01", "2026-07-31")),
        (
            {"ServiceDate": "2026-01-31", "EndDate": None, "SBQQ__SubscriptionTerm__c": Decimal(1)},
            {},
            {},
            ("2026-01-31", "2026-02-27"),
        ),
        # The line's own dates win over a term that says something else (stale on amendments).
        ({"SBQQ__SubscriptionTerm__c": Decimal(24)}, {}, {}, ("2026-02-01", "2027-01-31")),
        # An end date beats a term that has decimals, and one with the same number of charges.
        ({"EndDate": None}, {"SBQQ__EndDate__c": "2027-01-15"}, {}, ("2026-02-01", "2027-01-15")),
        (
            {"EndDate": None, "SBQQ__SubscriptionTerm__c": Decimal("11.5")},
            {"SBQQ__EndDate__c": "2027-01-15"},
            {},
            ("2026-02-01", "2027-01-15"),
        ),
        # Two starts with the same number of charges: the quote's counts.
        (
            {"ServiceDate": None, "EndDate": None},
            {},
            {"EffectiveDate": "2026-02-10"},
            ("2026-02-01", "2027-01-31"),
        ),
    ],
)
def test_dates_when_sources_agree_follow_line_quote_term(item, quote, order, expected):
    history = history_of(orders=[an_order(quote=quote, **order)], items=[an_item(**item)])
    assert codes(history) == []
    line = history.orders[0].lines[0]
    assert (line.starts_on.isoformat(), line.ends_on.isoformat()) == expected


@pytest.mark.parametrize(
    ("item", "quote", "order", "code"),
    [
        ({"EndDate": None}, {"SBQQ__EndDate__c": "2027-06-30"}, {}, "dates_disagree"),
        ({"ServiceDate": None}, {}, {"EffectiveDate": "2026-06-01"}, "dates_disagree"),
        ({"EndDate": None, "SBQQ__SubscriptionTerm__c": Decimal("11.5")}, {}, {}, "term_not_whole"),
        ({"EndDate": None, "SBQQ__SubscriptionTerm__c": Decimal(0)}, {}, {}, "term_not_whole"),
        ({"EndDate": None, "SBQQ__SubscriptionTerm__c": Decimal(10**9)}, {}, {}, "term_not_whole"),
        (
            {"EndDate": None, "SBQQ__SubscriptionTerm__c": None},
            {"SBQQ__SubscriptionTerm__c": None},
            {},
            "dates_missing",
        ),
        ({"EndDate": None}, {"SBQQ__EndDate__c": "2025-01-31"}, {}, "dates_disagree"),
    ],
)
def test_dates_when_sources_disagree_or_lack_are_refused(item, quote, order, code):
    history = history_of(orders=[an_order(quote=quote, **order)], items=[an_item(**item)])
    assert codes(history) == [code]


@pytest.mark.parametrize(
    ("item", "code"),
    [
        (an_item(ServiceDate=None), "dates_missing"),
        (a_one_time_item(ServiceDate=None), "dates_missing"),
        (a_one_time_item(EndDate="2026-01-31"), "dates_disagree"),
    ],
)
def test_line_when_it_has_no_date_or_ends_before_it_starts_is_refused(item, code):
    order = an_order(EffectiveDate=None, quote={"SBQQ__StartDate__c": None})
    history = history_of(orders=[order], items=[item])
    assert (code, item["Id"]) in {(found.code, found.record_id) for found in history.refusals}


def test_order_when_it_has_no_date_at_all_is_refused_and_kept():
    order = an_order(EffectiveDate=None, quote={"SBQQ__StartDate__c": None})
    history = history_of(orders=[order], items=[])
    assert codes(history) == ["dates_missing"]
    assert len(history.orders) == 1


@pytest.mark.parametrize(
    ("changes", "code", "field"),
    [
        ({"SBQQ__Quote__c": None}, "no_quote", "SBQQ__Quote__c"),
        ({"SBQQ__Quote__r": None}, "record_unreadable", "SBQQ__Quote__c"),
        ({"SBQQ__PaymentTerm__c": "Due on Receipt"}, "payment_term_unknown", "SBQQ__PaymentTerm__c"),
        ({"account": {"Name": ""}}, "required_empty", "Account.Name"),
        ({"AccountId": None}, "required_empty", "AccountId"),
        ({"ActivatedDate": "yesterday"}, "value_type", "ActivatedDate"),
        ({"EffectiveDate": 20260201}, "value_type", "EffectiveDate"),
        ({"CurrencyIsoCode": None}, "currency_missing", "CurrencyIsoCode"),
        ({"CurrencyIsoCode": "dollars"}, "value_type", "CurrencyIsoCode"),
        ({"Skip_Past_Initial_Invoices__c": "no"}, "value_type", "Skip_Past_Initial_Invoices__c"),
    ],
)
def test_order_when_something_is_wrong_is_refused_by_name(changes, code, field):
    refusal = only_refusal(history_of(orders=[an_order(**changes)]))
    assert (refusal.code, refusal.field, refusal.order_id) == (code, field, ORDER)
    assert refusal.state is OrderState.REFUSED
    assert refusal.fix


def test_currency_when_org_has_one_comes_from_the_configuration():
    refusal = only_refusal(history_of(configuration=default_configuration()))
    assert (refusal.code, refusal.field) == ("currency_missing", "currency")
    assert "--currency" in refusal.fix


def test_currency_when_org_has_several_comes_from_the_order():
    order = an_order(CurrencyIsoCode="CHF")
    history = history_of(
        orders=[order], items=[an_item(CurrencyIsoCode="CHF")], configuration=configured(currency="usd")
    )
    assert codes(history) == []
    assert history.orders[0].currency == "chf"


def test_currency_when_a_line_or_its_entry_differs_is_mixed():
    order = an_order(CurrencyIsoCode="CHF")
    for item in (
        an_item(CurrencyIsoCode="EUR"),
        an_item(PricebookEntry={"UnitPrice": 50, "CurrencyIsoCode": "EUR"}),
    ):
        refusal = only_refusal(history_of(orders=[order], items=[item]))
        assert refusal.code == "currency_mixed"
        assert "EUR" in refusal.message


def test_currency_when_an_amendment_differs_is_changed():
    orders = [an_order(CurrencyIsoCode="CHF"), an_amendment(CurrencyIsoCode="EUR")]
    refusal = only_refusal(history_of(orders=orders, items=[]))
    assert (refusal.code, refusal.order_id) == ("currency_changed", AMENDMENT)


def test_orders_when_quotes_or_accounts_differ_are_refused():
    other = an_order() | {
        "Id": "801Qy00000AbC07IAF",
        "OrderNumber": "7",
        "SBQQ__Quote__c": "a0zQy00000QuT07IAF",
    }
    assert codes(history_of(orders=[an_order(), other], items=[])) == ["several_quotes"] * 2
    moved = an_amendment() | {"AccountId": "001Qy00000OtherIAV"}
    refusal = only_refusal(history_of(orders=[an_order(), moved], items=[]))
    assert (refusal.code, refusal.order_id) == ("accounts_differ", AMENDMENT)


def test_order_when_activated_before_the_start_date_is_skipped():
    refusal = only_refusal(history_of(configuration=configured(sync={"start_date": "2026-01-29"})))
    assert (refusal.code, refusal.state) == ("before_start_date", OrderState.SKIPPED)
    history = history_of(configuration=configured(sync={"start_date": "2026-01-28"}))
    assert codes(history) == []
    assert history.orders[0].activated


def test_order_when_from_before_the_start_date_asks_for_a_take_over_beside_a_later_one():
    orders = [an_order(), an_amendment()]
    history = history_of(orders=orders, configuration=configured(sync={"start_date": "2026-03-01"}))
    assert codes(history) == []
    assert [(order.activated, order.before_start_date) for order in history.orders] == [
        (True, True),
        (True, False),
    ]


@pytest.mark.parametrize(
    "later", [{"StatusCode": "Draft", "ActivatedDate": None}, {"ActivatedDate": "2026-02-27T23:00:00.000Z"}]
)
def test_order_when_no_later_one_is_activated_stays_before_the_start_date(later):
    orders = [an_order(), an_amendment() | later]
    history = history_of(orders=orders, configuration=configured(sync={"start_date": "2026-02-28"}))
    first, second = history.orders
    assert not first.activated
    assert first.before_start_date
    assert not second.activated
    assert set(codes(history)) == {"before_start_date"}
    assert ORDER in {refusal.order_id for refusal in history.refusals}


def test_order_when_outside_the_filter_is_skipped_and_its_amendments_are_refused():
    history = history_of(
        orders=[an_order(), an_amendment()],
        items=[],
        qualifying_order_ids=frozenset({AMENDMENT}),
    )
    found = {refusal.order_id: (refusal.code, refusal.state) for refusal in history.refusals}
    assert found == {
        ORDER: ("filtered_out", OrderState.SKIPPED),
        AMENDMENT: ("initial_order_filtered", OrderState.REFUSED),
    }
    assert not history.orders[0].activated


def test_order_when_condition_is_replaced_qualifies_by_salesforces_answer():
    draft = an_order(StatusCode="Draft")
    assert history_of(orders=[draft], qualifying_order_ids=frozenset({ORDER})).orders[0].activated
    free = configured(filters={"activated": None})
    assert history_of(orders=[draft], configuration=free).orders[0].activated
    other = history_of(orders=[draft], qualifying_order_ids=frozenset())
    assert codes(other) == []
    assert not other.orders[0].activated


def test_amendment_when_no_initial_order_is_there_is_refused():
    refusal = only_refusal(history_of(orders=[an_amendment()], items=[]))
    assert (refusal.code, refusal.order_id) == ("initial_order_filtered", AMENDMENT)


def test_amendment_when_its_initial_order_is_a_draft_is_left_to_the_planner():
    draft = an_order(StatusCode="Draft", ActivatedDate=None)
    history = history_of(orders=[draft, an_amendment()], items=[an_item(SBQQ__Status__c="Draft")])
    assert codes(history) == []
    assert [order.activated for order in history.orders] == [False, True]


def test_amendment_when_a_draft_or_filtered_out_is_there_but_not_activated():
    draft = an_amendment() | {"StatusCode": "Draft", "ActivatedDate": None}
    found = history_of(orders=[an_order(), draft], items=[])
    assert codes(found) == []
    assert [order.activated for order in found.orders] == [True, False]
    filtered = history_of(
        orders=[an_order(), an_amendment()], items=[], qualifying_order_ids=frozenset({ORDER})
    )
    assert [(each.code, each.order_id) for each in filtered.refusals] == [("filtered_out", AMENDMENT)]
    assert [order.activated for order in filtered.orders] == [True, False]


def test_draft_when_it_comes_first_decides_neither_currency_nor_account():
    draft = an_amendment() | {
        "StatusCode": "Draft",
        "ActivatedDate": None,
        "SBQQ__Quote__r": {"SBQQ__Type__c": "Amendment", "SBQQ__StartDate__c": "2026-01-01"},
        "AccountId": "001Qy00000OtherIAV",
        "CurrencyIsoCode": "EUR",
    }
    history = history_of(orders=[an_order(CurrencyIsoCode="CHF"), draft], items=[])
    assert history.orders[0].order_id == AMENDMENT
    assert history.account.account_id == ACCOUNT
    assert {(found.code, found.order_id) for found in history.refusals} == {
        ("accounts_differ", AMENDMENT),
        ("currency_changed", AMENDMENT),
    }


def test_fields_when_org_uses_a_prefix_are_read_with_it():
    configuration = configured(mapping={"salesforce_prefix": "Acme_"})
    item = an_item(Acme_Stripe_ID__c="price_1", Stripe_ID__c="price_2")
    order = an_order(Acme_Skip_Past_Initial_Invoices__c=True, account={"Acme_Stripe_ID__c": "cus_1"})
    history = history_of(orders=[order], items=[item], configuration=configuration)
    assert history.orders[0].skip_past_initial_invoices
    assert history.orders[0].lines[0].displayed_price_id == "price_1"
    assert history.account.displayed_customer_id == "cus_1"


def test_displayed_price_when_line_has_none_is_the_entrys():
    entry = {"UnitPrice": Decimal(50), "Stripe_ID__c": "price_9"}
    assert the_line(PricebookEntry=entry).displayed_price_id == "price_9"
