"""What amendments, terminations and renewals of a contract with a history write (salesforce.md 4.3 and 4.4)."""

from datetime import date
from decimal import Decimal
from fractions import Fraction

import pytest

from cpqbridge_sim.salesforce.cpq import PRECISIONS, Change, CpqError, Line
from cpqbridge_sim.salesforce.cpq.amending import product_changes
from cpqbridge_sim.salesforce.cpq.proration import months_in_span

D = date.fromisoformat
FEB = D("2026-02-01")


def rows(items):
    return [
        (
            int(item["Quantity"]),
            item["ServiceDate"],
            item["EndDate"],
            str(item["UnitPrice"]),
            str(item["TotalPrice"]),
        )
        for item in items
    ]


@pytest.fixture
def grown(shop):
    """Ten seats from February, two more from May, five more from August, all to the end of January."""
    first = shop.sell([Line(product=shop.seat, quantity=10)], FEB, term=12)
    contract = first.contracts[0]
    additions = []
    for start, by in (("2026-05-01", 2), ("2026-08-01", 5)):
        order = shop.cpq.amend(contract, start=D(start), changes=[Change(line=first.lines[0], by=by)])
        shop.close(order)
        additions.append(order)
    return contract, first, *additions


def test_reduction_over_several_additions_is_one_line_each_newest_first(shop, grown):
    contract, first, second, third = grown
    changes = product_changes(contract, shop.seat.record_id, Decimal(-8), D("2026-10-01"))
    order = shop.cpq.amend(contract, start=D("2026-10-01"), changes=changes)
    items = shop.items(order)
    assert rows(items) == [
        (-5, "2026-10-01", "2027-01-31", "200.0", "-1000.0"),
        (-2, "2026-10-01", "2027-01-31", "200.0", "-400.0"),
        (-1, "2026-10-01", "2027-01-31", "200.0", "-200.0"),
    ]
    reduced = [third.lines[0], second.lines[0], first.lines[0]]
    assert [item["SBQQ__RevisedOrderProduct__c"] for item in items] == [line.record_id for line in reduced]
    assert [item["SBQQ__TerminatedDate__c"] for item in items] == ["2026-10-01", "2026-10-01", None]
    shop.close(order)
    assert list(contract.remaining().values()) == [9, 0, 0]
    subscriptions = {each["Id"]: each for each in shop.cpq.records()["SBQQ__Subscription__c"]}
    own = [subscriptions[line.subscription_id] for line in order.lines]
    assert [each["SBQQ__RevisedSubscription__c"] for each in own] == [
        line.subscription_id for line in reduced
    ]
    assert {each["SBQQ__RootId__c"] for each in own} == {first.lines[0].subscription_id}
    assert subscriptions[third.lines[0].subscription_id]["SBQQ__TerminatedDate__c"] == "2026-10-01"
    assert subscriptions[first.lines[0].subscription_id]["SBQQ__TerminatedDate__c"] is None


def test_each_subscription_goes_down_to_zero_and_no_further(shop, grown):
    contract, first, second, _ = grown
    with pytest.raises(CpqError, match=f"2 left on order product {second.lines[0].record_id}"):
        shop.cpq.amend(contract, start=FEB, changes=[Change(line=second.lines[0], by=-3)])
    with pytest.raises(CpqError, match="Seat has 17 left"):
        product_changes(contract, shop.seat.record_id, Decimal(-18), FEB)
    with pytest.raises(CpqError, match="nothing left of product"):
        product_changes(contract, shop.support.record_id, Decimal(1), FEB)
    shop.close(shop.cpq.amend(contract, start=FEB, changes=[Change(line=first.lines[0], by=-10)]))
    with pytest.raises(CpqError, match="0 left"):
        shop.cpq.amend(contract, start=FEB, changes=[Change(line=first.lines[0], by=-1)])


def test_change_of_a_reducing_line_means_the_line_it_reduces(shop, grown):
    contract, _, second, _ = grown
    start = D("2026-09-01")
    less = shop.cpq.amend(contract, start=start, changes=[Change(line=second.lines[0], by=-1)])
    shop.close(less)
    again = shop.cpq.amend(contract, start=start, changes=[Change(line=less.lines[0], by=-1)])
    assert shop.items(again)[0]["SBQQ__RevisedOrderProduct__c"] == second.lines[0].record_id
    shop.close(again)
    assert list(contract.remaining().values()) == [10, 0, 5]


def test_sum_that_revises_the_first_line_comes_off_its_lineage(new_shop):
    shop = new_shop(amendment_shows="lineage")
    first = shop.sell([Line(product=shop.seat, quantity=4)], FEB, term=12)
    contract = first.contracts[0]
    for by in (3, 2, -6):
        change = Change(line=first.lines[0], by=by)
        shop.close(shop.cpq.amend(contract, start=D("2026-03-01"), changes=[change]))
    assert list(contract.remaining().values()) == [0, 3, 0]
    assert contract.quantity(first.lines[0]) == 3


def test_more_units_of_a_product_go_to_the_newest_line_that_runs(shop, grown):
    contract, *_, third = grown
    (change,) = product_changes(contract, shop.seat.record_id, Decimal(4), D("2026-10-01"))
    assert change.line is third.lines[0]
    (item,) = shop.items(shop.cpq.amend(contract, start=D("2026-10-01"), changes=[change]))
    assert rows([item]) == [(4, "2026-10-01", "2027-01-31", "200.0", "800.0")]


def test_line_that_starts_later_keeps_its_start_when_it_is_reduced(shop, grown):
    contract, *_, third = grown
    (item,) = shop.items(
        shop.cpq.amend(contract, start=D("2026-07-15"), changes=[Change(line=third.lines[0], by=-2)])
    )
    assert rows([item]) == [(-2, "2026-08-01", "2027-01-31", "300.0", "-600.0")]


def test_swap_ends_one_product_and_starts_another_without_a_link(shop, grown):
    contract, *_ = grown
    changes = product_changes(contract, shop.seat.record_id, Decimal(-17), D("2026-11-01"))
    order = shop.cpq.amend(
        contract,
        start=D("2026-11-01"),
        changes=[*changes, Line(product=shop.support, quantity=2, frequency="Monthly")],
    )
    items = shop.items(order)
    assert [int(item["Quantity"]) for item in items] == [-5, -2, -10, 2]
    assert items[-1]["SBQQ__RevisedOrderProduct__c"] is None
    assert rows(items)[-1] == (2, "2026-11-01", "2027-01-31", "300.0", "600.0")


@pytest.mark.parametrize(
    ("at", "totals"),
    [
        ("2026-02-01", ["-1500.0", "-900.0", "-6000.0"]),
        ("2026-05-01", ["-1500.0", "-900.0", "-4500.0"]),
        # Three months and twenty-two days: 3.723288 times 50.00 are 186.16 a seat.
        ("2026-10-10", ["-930.8", "-372.32", "-1861.6"]),
        ("2027-01-31", ["-8.2", "-3.28", "-16.4"]),
    ],
)
def test_termination_on_the_start_or_later_brings_every_subscription_to_zero(shop, grown, at, totals):
    contract, *_ = grown
    order = shop.cpq.terminate(contract, at=D(at))
    assert [str(item["TotalPrice"]) for item in shop.items(order)] == totals
    assert all(item["SBQQ__TerminatedDate__c"] == item["ServiceDate"] for item in shop.items(order))
    shop.close(order)
    assert set(contract.remaining().values()) == {0}
    with pytest.raises(CpqError, match="nothing to order"):
        shop.cpq.terminate(contract, at=D(at))


def test_contract_that_has_not_begun_is_amended_and_ended_from_its_start(shop):
    start = D("2027-06-01")
    first = shop.sell([Line(product=shop.seat, quantity=3)], start, term=12)
    contract = first.contracts[0]
    more = shop.cpq.amend(contract, start=start, changes=[Change(line=first.lines[0], by=2)])
    assert rows(shop.items(more)) == [(2, "2027-06-01", "2028-05-31", "600.0", "1200.0")]
    shop.close(more)
    with pytest.raises(CpqError, match="before its contract"):
        shop.cpq.terminate(contract, at=D("2027-05-31"))
    ended = shop.cpq.terminate(contract, at=start)
    assert [item["TotalPrice"] for item in shop.items(ended)] == [-1200, -1800]


def test_several_amendments_of_one_day_build_on_each_other(shop):
    first = shop.sell([Line(product=shop.seat, quantity=10)], FEB, term=12)
    contract = first.contracts[0]
    day = D("2026-06-15")
    for by in (5, -5, 2):
        changes = product_changes(contract, shop.seat.record_id, Decimal(by), day)
        shop.close(shop.cpq.amend(contract, start=day, changes=changes))
    assert list(contract.remaining().values()) == [10, 0, 2]


def test_backdated_amendment_is_priced_from_its_start(shop):
    first = shop.sell([Line(product=shop.seat, quantity=10)], FEB, term=12)
    order = shop.cpq.amend(first.contracts[0], start=FEB, changes=[Change(line=first.lines[0], by=1)])
    assert rows(shop.items(order)) == [(1, "2026-02-01", "2027-01-31", "600.0", "600.0")]


def test_asset_is_given_back_at_its_price_and_is_not_terminated(shop):
    device = shop.product("Device", 99, pricing=None, default_term=None, refundable=True)
    first = shop.sell([Line(product=shop.seat), Line(product=device, quantity=2)], FEB, term=12)
    contract = first.contracts[0]
    changes = [Change(line=first.lines[1], by=-2)]
    order = shop.cpq.amend(contract, start=D("2026-05-13"), changes=changes)
    (item,) = shop.items(order)
    assert rows([item]) == [(-2, "2026-05-13", None, "99.0", "-198.0")]
    assert item["SBQQ__TerminatedDate__c"] is None
    both = shop.cpq.terminate(contract, at=D("2026-06-01"), refund_assets=True)
    assert [int(each["Quantity"]) for each in shop.items(both)] == [-1, -2]


@pytest.mark.parametrize(
    ("start", "expected"),
    [
        (None, ("2027-02-01", "2028-01-31")),
        ("2026-12-01", ("2026-12-01", "2027-11-30")),
        ("2027-03-15", ("2027-03-15", "2028-03-14")),
    ],
)
def test_renewal_begins_after_the_end_or_earlier_or_later(shop, grown, start, expected):
    contract, *_ = grown
    order = shop.cpq.renew(contract, start=start and D(start))
    (item,) = shop.items(order)
    assert rows([item]) == [(17, *expected, "600.0", "10200.0")]
    assert contract.end == D("2027-01-31")
    assert shop.close(order) is not contract


def test_what_cannot_be_renewed_is_said(shop, grown):
    contract, *_ = grown
    with pytest.raises(CpqError, match="before its contract"):
        shop.cpq.renew(contract, start=D("2026-01-31"))
    shop.close(shop.cpq.terminate(contract, at=D("2026-12-01")))
    with pytest.raises(CpqError, match="nothing is renewed"):
        shop.cpq.renew(contract)


@pytest.mark.parametrize("precision", PRECISIONS)
@pytest.mark.parametrize("day", ["2026-05-13", "2026-08-31", "2026-02-01", "2027-01-31"])
def test_differences_are_priced_by_the_precision_of_the_org(new_shop, precision, day):
    shop = new_shop(precision=precision)
    first = shop.sell([Line(product=shop.support, quantity=10)], FEB, term=12)
    start = D(day)
    for by in (3, -2):
        changes = product_changes(first.contracts[0], shop.support.record_id, Decimal(by), start)
        order = shop.cpq.amend(first.contracts[0], start=start, changes=changes)
        (item,) = shop.items(order)
        price = Fraction(1200) * months_in_span(precision, start, D("2027-01-31")) / 12
        assert abs(Fraction(item["UnitPrice"]) - price) <= Fraction(1, 200)
        assert item["TotalPrice"] == item["UnitPrice"] * by
        shop.close(order)
