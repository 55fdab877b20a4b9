"""A renewal brings what the contract it renews still serves, and until when (B6.12)."""

from __future__ import annotations

from datetime import date
from decimal import Decimal

import pytest
from tests.unit.mapping.records import (
    ADDED,
    AMENDMENT,
    CONTRACT,
    NEW_ROOT,
    ORDER,
    RENEWAL,
    ROOT,
    SEATS,
    a_contract,
    a_one_time_item,
    a_renewal,
    an_amendment,
    an_item,
    an_order,
    codes,
    configured,
)

from cpqbridge.domain.order import OrderKind
from cpqbridge.mapping.history import order_history
from cpqbridge.mapping.raw import RawContract

TAKEN = "802Qy00000LiNe7IAF"
END = date(2027, 1, 31)


def renewing(old: RawContract | None, configuration=None, **changes):
    renewed_line = an_item(
        Id="802Qy00000LiNe9IAF", OrderId=RENEWAL, ServiceDate="2027-02-01", EndDate="2028-01-31"
    )
    raw = RawContract(
        root_id=NEW_ROOT, contract=None, orders=(a_renewal(**changes),), items=(renewed_line,), renewed=old
    )
    return order_history(raw, configuration or configured())


def an_old(*items, amendments=(), **parts):
    found = [an_amendment(), *amendments] if items[1:] or amendments else []
    return a_contract(orders=[an_order(), *found], items=list(items), **parts)


def a_change(quantity: int, *, start: str = "2026-05-13", **changes) -> dict:
    return an_item(
        **{
            "Id": ADDED if quantity > 0 else TAKEN,
            "OrderId": AMENDMENT,
            "Quantity": Decimal(quantity),
            "ServiceDate": start,
            "SBQQ__RevisedOrderProduct__c": SEATS,
            "TotalPrice": Decimal(100 * quantity),
            **changes,
        }
    )


def served(history) -> list[tuple[str, Decimal, date]]:
    return [(line.order_item_id, line.quantity, line.ends_on) for line in history.renewed.lines]


def test_renewal_when_the_old_contract_is_read_has_its_lines_and_end():
    history = renewing(an_old(an_item(), a_one_time_item()))
    assert history.orders[0].kind is OrderKind.RENEWAL
    assert codes(history) == []
    assert history.warnings == ()
    renewed = history.renewed
    assert (renewed.contract_id, renewed.root_id, renewed.ends_on) == (CONTRACT, ROOT, END)
    (line,) = renewed.lines
    assert (line.order_item_id, line.product_id, line.product_name) == (SEATS, "01tQy00000PrD01IAF", "Seat")
    assert (line.quantity, line.total) == (10, 6000)
    assert (line.starts_on, line.ends_on) == (date(2026, 2, 1), END)


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ([a_change(2)], [(SEATS, 10, END), (ADDED, 2, END)]),
        # The newest addition goes first, and what stays of the first line is its own.
        ([a_change(2), a_change(-3, start="2026-05-13")], [(SEATS, 9, END), (SEATS, 1, date(2026, 5, 12))]),
        # Of two lines that begin on one day the later order's is the newer.
        (
            [a_change(2, start="2026-02-01"), a_change(-3, start="2026-02-01")],
            [(SEATS, 9, END)],
        ),
        # Until the day before it takes effect the units are served.
        (
            [a_change(-3, start="2026-12-01")],
            [(SEATS, 3, date(2026, 11, 30)), (SEATS, 7, END)],
        ),
        ([a_change(-10, start="2026-02-01")], []),
        ([a_change(-10, start="2026-08-01")], [(SEATS, 10, date(2026, 7, 31))]),
        # Lines with the reduction's own end go first, though others are newer.
        (
            [a_change(2, EndDate="2026-12-31"), a_change(-3, start="2026-06-01")],
            [(SEATS, 3, date(2026, 5, 31)), (SEATS, 7, END), (ADDED, 2, date(2026, 12, 31))],
        ),
        # More than there is takes what there is.
        ([a_change(-30, start="2026-02-01")], []),
    ],
)
def test_renewed_lines_when_amended_are_the_units_still_served(changes, expected):
    found = served(renewing(an_old(an_item(), *changes)))
    assert sorted(found) == sorted(expected)
    assert found == sorted(found, key=lambda each: (each[0], each[2]))


def test_renewed_line_when_it_is_cut_costs_its_share_by_days():
    history = renewing(an_old(an_item(), a_change(-5, start="2026-03-01")))
    kept, cut = sorted(history.renewed.lines, key=lambda line: line.ends_on, reverse=True)
    assert (kept.quantity, kept.total) == (5, 3000)
    assert cut.ends_on == date(2026, 2, 28)
    assert abs(cut.total - Decimal(3000) * 28 / 365) < Decimal("1e-20")


def test_renewed_lines_when_a_later_reduction_follows_an_earlier_one_take_other_units():
    changes = [
        a_change(-4, start="2026-06-01"),
        a_change(-6, start="2026-09-01", Id="802Qy00000LiNe8IAF"),
    ]
    assert served(renewing(an_old(an_item(), *changes))) == [
        (SEATS, 4, date(2026, 5, 31)),
        (SEATS, 6, date(2026, 8, 31)),
    ]


def test_renewed_lines_when_the_family_has_other_contracts_are_those_of_this_one():
    other = an_item(Id=ADDED, SBQQ__Contract__c="800Qy000009OtHrIAK")
    unsaid = an_item(Id=TAKEN, SBQQ__Contract__c=None)
    old = a_contract(orders=[an_order()], items=[an_item(), other, unsaid])
    assert [order_item_id for order_item_id, _, _ in served(renewing(old))] == [SEATS, TAKEN]


def test_renewed_lines_when_an_order_is_a_draft_leave_it_out_and_keep_what_is_not_ours_to_bill():
    draft = a_contract(orders=[an_order(StatusCode="Draft")], items=[an_item(SBQQ__Status__c="Draft")])
    assert renewing(draft).renewed.lines == ()
    filtered = a_contract(qualifying_order_ids=frozenset())
    assert len(renewing(filtered).renewed.lines) == 1
    early = configured(sync={"start_date": "2026-12-01"})
    assert len(renewing(a_contract(), early).renewed.lines) == 1


def test_renewed_contract_when_nothing_is_served_ends_as_it_says():
    old = a_contract(items=[], contract={"Id": CONTRACT, "EndDate": "2027-01-31"})
    assert renewing(old).renewed.ends_on == END
    for unreadable in ({"Id": CONTRACT, "EndDate": 7}, {"Id": CONTRACT}):
        assert renewing(a_contract(items=[], contract=unreadable)).renewed.ends_on is None


def test_renewed_contract_when_it_cannot_be_read_is_named_with_a_warning():
    history = renewing(None)
    assert history.renewed.contract_id == CONTRACT
    assert (history.renewed.root_id, history.renewed.lines) == (None, ())
    assert CONTRACT in history.warnings[0]
    unreadable = renewing(a_contract(items=[an_item(UnitPrice=None)]))
    assert CONTRACT in unreadable.warnings[0]
    assert codes(unreadable) == []


@pytest.mark.parametrize(
    ("changes", "contract_id"),
    [
        ({"Opportunity": None, "quote": {"SBQQ__Type__c": "Renewal"}}, None),
        (
            {
                "Opportunity": None,
                "quote": {"SBQQ__Type__c": "Renewal", "SBQQ__MasterContract__c": CONTRACT},
            },
            CONTRACT,
        ),
        ({"quote": {"SBQQ__Type__c": "Quote"}}, None),
    ],
)
def test_renewed_contract_when_only_the_quote_tells(changes, contract_id):
    renewed = renewing(None, **changes).renewed
    assert (renewed.contract_id if renewed else None) == contract_id


def test_history_when_it_renews_nothing_has_no_renewed_contract():
    assert order_history(a_contract(), configured()).renewed is None
    assert ORDER not in codes(renewing(None))
