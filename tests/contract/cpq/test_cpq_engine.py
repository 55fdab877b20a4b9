from datetime import UTC, date, datetime
from decimal import Decimal

import pytest

from cpqbridge_sim.salesforce.cpq import Change, CpqError, Line, Tier, UsageSchedule

D = date.fromisoformat
AT = datetime(2026, 1, 28, 15, 4, 5, tzinfo=UTC)
FEB = D("2026-02-01")


def prices(items):
    return [(str(item["UnitPrice"]), str(item["TotalPrice"])) for item in items]


def test_one_time_line_is_neither_prorated_nor_recurring(shop):
    (item,) = shop.items(shop.sell([Line(product=shop.onboarding, quantity=2)], FEB, term=36))
    assert prices([item]) == [("750.0", "1500.0")]
    assert item["SBQQ__ProrateMultiplier__c"] == 1
    assert item["EndDate"] is None
    for field in ("SubscriptionPricing", "SubscriptionType", "DefaultSubscriptionTerm", "BillingFrequency"):
        assert item[f"SBQQ__{field}__c"] is None


def test_order_without_subscriptions_gives_no_contract(shop):
    order = shop.cpq.activate(shop.draft([Line(product=shop.onboarding)], FEB), at=AT)
    assert shop.cpq.contracts(order) == []
    assert "Contract" not in shop.cpq.records()


def test_end_date_beats_term_and_line_beats_quote(shop):
    lines = [
        Line(product=shop.seat),
        Line(product=shop.seat, end=D("2026-04-30")),
        Line(product=shop.seat, start=D("2026-03-01")),
    ]
    items = shop.items(shop.sell(lines, FEB, term=36, end=D("2026-07-31")))
    assert [(item["ServiceDate"], item["EndDate"]) for item in items] == [
        ("2026-02-01", "2026-07-31"),
        ("2026-02-01", "2026-04-30"),
        ("2026-03-01", "2026-07-31"),
    ]
    assert [item["SBQQ__ProrateMultiplier__c"] for item in items] == [6, 3, 5]


def test_a_term_gives_whole_months_whatever_the_setting_counts(new_shop):
    shop = new_shop(precision="day")
    start = D("2027-03-01")
    by_term, by_date = (
        shop.items(shop.sell([Line(product=shop.seat)], start, **length))[0]
        for length in ({"term": 12}, {"end": D("2028-02-29")})
    )
    assert by_term["EndDate"] == by_date["EndDate"] == "2028-02-29"
    assert (str(by_term["UnitPrice"]), str(by_date["UnitPrice"])) == ("600.0", "601.64")


def test_line_without_length_or_with_reversed_dates_is_refused(shop):
    with pytest.raises(CpqError, match="neither an end date nor a term"):
        shop.draft([Line(product=shop.seat)], FEB)
    with pytest.raises(CpqError, match="before it starts"):
        shop.draft([Line(product=shop.seat)], FEB, end=D("2026-01-31"))


def test_product_without_price_in_the_currency_is_refused(shop):
    with pytest.raises(CpqError, match="no EUR entry for Seat"):
        shop.draft([Line(product=shop.seat)], FEB, term=12, currency="EUR")


def test_unit_price_scale_keeps_more_decimals_and_total_is_in_currency(new_shop):
    shop = new_shop(unit_price_scale=6)
    (item,) = shop.items(
        shop.sell([Line(product=shop.seat, quantity=2)], D("2026-05-13"), end=D("2027-01-31"))
    )
    assert prices([item]) == [("431.232877", "862.47")]


def test_multiplier_scale_rounds_the_field_and_not_the_price(new_shop):
    shop = new_shop(multiplier_scale=4)
    (item,) = shop.items(shop.sell([Line(product=shop.seat)], D("2026-05-13"), end=D("2027-01-31")))
    assert str(item["SBQQ__ProrateMultiplier__c"]) == "8.6247"
    assert str(item["UnitPrice"]) == "431.23"


@pytest.mark.parametrize(
    ("currency", "price", "expected"),
    [("JPY", 1440, "1031.0"), ("KWD", "15.37", "11.005"), ("USD", 100, "71.6")],
)
def test_unit_prices_have_the_decimals_of_their_currency(new_shop, currency, price, expected):
    shop = new_shop(multi_currency=True)
    product = shop.cpq.product("Archive", default_term=12)
    shop.cpq.price(product, price, currency=currency)
    order = shop.sell([Line(product=product)], D("2026-05-13"), end=D("2027-01-30"), currency=currency)
    assert str(shop.items(order)[0]["UnitPrice"]) == expected
    record = shop.cpq.record("Order", order.record_id)
    assert record["CurrencyIsoCode"] == currency
    assert {each["CurrencyIsoCode"] for each in shop.items(order)} == {currency}


def test_single_currency_org_has_no_currency_field(shop):
    shop.sell([Line(product=shop.seat)], FEB, term=12)
    records = shop.cpq.records()
    assert not [
        name for rows in records.values() for row in rows for name in row if name == "CurrencyIsoCode"
    ]


def test_discount_and_special_price_are_inside_the_unit_price(shop):
    lines = [
        Line(product=shop.seat, discount=15),
        Line(product=shop.seat, price="39.99", discount=Decimal("12.5")),
    ]
    items = shop.items(shop.sell(lines, FEB, term=12))
    assert prices(items) == [("510.0", "510.0"), ("419.9", "419.9")]
    assert [item["ListPrice"] for item in items] == [50, 50]


def test_block_price_ignores_the_quantity(shop):
    order = shop.sell([Line(product=shop.support, quantity=40, block_price=900)], FEB, term=12)
    (item,) = shop.items(order)
    assert (item["Quantity"], *prices([item])[0]) == (40, "900.0", "900.0")
    assert item["SBQQ__BlockPrice__c"] == shop.cpq.records()["SBQQ__BlockPrice__c"][0]["Id"]
    (ended,) = shop.items(shop.cpq.terminate(order.contracts[0], at=D("2026-08-01")))
    assert (ended["Quantity"], *prices([ended])[0]) == (-40, "450.0", "-450.0")
    with pytest.raises(CpqError, match="block-priced"):
        shop.cpq.amend(order.contracts[0], start=FEB, changes=[Change(line=order.lines[0], by=-1)])


def test_percent_of_total_is_a_share_of_what_it_covers(shop):
    success = shop.product("Success", 0, pricing="Percent Of Total", percent=Decimal(20))
    everything = Line(product=success)
    only_support = Line(product=success, covers=(2,))
    lines = [everything, Line(product=shop.seat, quantity=10), Line(product=shop.support), only_support]
    items = shop.items(shop.sell(lines, FEB, term=6))
    # Seats are 6,000.00 and support 1,200.00 a year; both percentages are for half a year.
    assert prices(items)[0] == ("720.0", "720.0")
    assert prices(items)[3] == ("120.0", "120.0")
    assert items[0]["SBQQ__SubscriptionPricing__c"] == "Percent Of Total"


def test_bundle_options_are_free_and_linked(shop):
    lines = [
        Line(product=shop.support),
        Line(product=shop.seat, bundled=True, required_by=0),
        Line(product=shop.onboarding, required_by=1),
    ]
    suite, option, nested = shop.items(shop.sell(lines, FEB, term=12))
    assert prices([option]) == [("0.0", "0.0")]
    assert option["SBQQ__RequiredBy__c"] == option["SBQQ__BundleRoot__c"] == suite["Id"]
    assert (nested["SBQQ__RequiredBy__c"], nested["SBQQ__BundleRoot__c"]) == (option["Id"], suite["Id"])


def test_decimal_quantity_and_negative_one_time_line(shop):
    lines = [Line(product=shop.seat, quantity=Decimal("2.5")), Line(product=shop.onboarding, price="-33.335")]
    order = shop.sell(lines, FEB, term=12)
    assert prices(shop.items(order)) == [("600.0", "1500.0"), ("-33.34", "-33.34")]
    assert shop.cpq.record("Order", order.record_id)["TotalAmount"] == Decimal("1466.66")


def test_activation_sets_stamps_and_deactivation_takes_them_back(shop):
    order = shop.draft([Line(product=shop.seat)], FEB, term=12)
    assert shop.cpq.record("Order", order.record_id)["StatusCode"] == "Draft"
    shop.cpq.activate(order, at=AT)
    record = shop.cpq.record("Order", order.record_id)
    assert (record["Status"], record["StatusCode"]) == ("Activated", "Activated")
    assert record["ActivatedDate"] == record["SystemModstamp"] == "2026-01-28T15:04:05.000+0000"
    with pytest.raises(CpqError, match="activated already"):
        shop.cpq.activate(order, at=AT)
    shop.cpq.deactivate(order, at=AT)
    assert shop.cpq.record("Order", order.record_id)["ActivatedDate"] is None
    assert shop.items(order)[0]["SBQQ__Activated__c"] is False


def test_contracted_order_cannot_be_deactivated_or_contracted_again(shop):
    order = shop.sell([Line(product=shop.seat)], FEB, term=12)
    with pytest.raises(CpqError, match="cannot be deactivated"):
        shop.cpq.deactivate(order, at=AT)
    with pytest.raises(CpqError, match="contracted already"):
        shop.cpq.contract(order)


def test_draft_cannot_be_contracted(shop):
    with pytest.raises(CpqError, match="not activated"):
        shop.cpq.contract(shop.draft([Line(product=shop.seat)], FEB, term=12))


def test_contracts_by_end_date_and_by_kind(shop):
    workspace = shop.product("Workspace", 25, subscription_type="Evergreen", default_term=1)
    lines = [
        Line(product=shop.seat),
        Line(product=shop.seat, end=D("2026-07-31")),
        Line(product=workspace),
        Line(product=shop.onboarding),
    ]
    order = shop.sell(lines, FEB, term=12, contracting_method="By Subscription End Date")
    records = shop.cpq.records()["Contract"]
    assert [(each["EndDate"], each["SBQQ__Evergreen__c"]) for each in records] == [
        ("2027-01-31", False),
        ("2026-07-31", False),
        (None, True),
    ]
    assert [item["SBQQ__Contract__c"] for item in shop.items(order)] == [
        *(each["Id"] for each in records),
        None,
    ]


def test_evergreen_is_priced_for_one_unit_and_has_no_end(shop):
    yearly = shop.product("Workspace", 120, subscription_type="Evergreen", default_term=12)
    order = shop.sell([Line(product=yearly, quantity=3)], FEB, term=12)
    (item,) = shop.items(order)
    assert prices([item]) == [("10.0", "30.0")]
    assert (item["EndDate"], item["SBQQ__SubscriptionTerm__c"]) == (None, 1)
    assert str(item["SBQQ__ProrateMultiplier__c"]) == "0.08333333333333333"
    ended = shop.cpq.terminate(order.contracts[0], at=D("2026-06-01"))
    (difference,) = shop.items(ended)
    assert (difference["Quantity"], *prices([difference])[0]) == (-3, "10.0", "-30.0")
    assert (difference["ServiceDate"], difference["EndDate"]) == ("2026-06-01", None)
    assert difference["SBQQ__TerminatedDate__c"] == "2026-06-01"
    with pytest.raises(CpqError, match="not renewed"):
        shop.cpq.renew(order.contracts[0])


@pytest.mark.parametrize(("revised_line", "position"), [("first", 0), ("latest", 1)])
def test_third_difference_revises_the_first_or_the_latest_line(new_shop, revised_line, position):
    shop = new_shop(revised_line=revised_line, amendment_shows="lineage")
    first = shop.sell([Line(product=shop.seat, quantity=10)], FEB, term=12)
    contract = first.contracts[0]
    second = shop.cpq.amend(contract, start=D("2026-03-01"), changes=[Change(line=first.lines[0], by=2)])
    shop.close(second)
    third = shop.cpq.amend(contract, start=D("2026-04-01"), changes=[Change(line=second.lines[0], by=-12)])
    assert third.lines[0].lineage is first.lines[0]
    revised = (first.lines[0], second.lines[0])[position].record_id
    assert shop.items(third)[0]["SBQQ__RevisedOrderProduct__c"] == revised
    assert contract.quantity(first.lines[0]) == 12
    shop.close(third)
    assert contract.quantity(first.lines[0]) == 0


def test_amendment_keeps_old_prices_and_adds_lines_to_the_contract(shop):
    first = shop.sell([Line(product=shop.seat, quantity=10, discount=10)], FEB, term=12)
    shop.cpq.price(shop.seat, 70)
    changes = [Change(line=first.lines[0], by=1), Line(product=shop.seat, quantity=4)]
    order = shop.cpq.amend(first.contracts[0], start=D("2026-08-01"), changes=changes)
    old, new = shop.items(order)
    assert prices([old, new]) == [("270.0", "270.0"), ("420.0", "1680.0")]
    assert (old["SBQQ__ContractAction__c"], new["SBQQ__ContractAction__c"]) == ("Quantity Increase", "New")
    assert new["SBQQ__RevisedOrderProduct__c"] is None
    assert new["EndDate"] == "2027-01-31"
    assert shop.close(order) is first.contracts[0]
    quote = shop.cpq.records()["SBQQ__Quote__c"][1]
    assert (quote["SBQQ__Type__c"], quote["SBQQ__MasterContract__c"]) == (
        "Amendment",
        first.contracts[0].record_id,
    )


def test_new_line_of_an_amendment_may_outlive_the_contract(shop):
    first = shop.sell([Line(product=shop.seat)], FEB, term=12)
    line = Line(product=shop.seat, end=D("2027-06-30"))
    contract = shop.close(shop.cpq.amend(first.contracts[0], start=D("2026-08-01"), changes=[line]))
    assert contract.end == D("2027-06-30")
    assert shop.cpq.record("Contract", contract.record_id)["EndDate"] == "2027-06-30"


@pytest.mark.parametrize(
    ("start", "by", "message"),
    [
        ("2026-01-31", 1, "before its contract"),
        ("2026-03-01", -11, "cannot be changed"),
        ("2027-02-01", 1, "cannot be amended"),
    ],
)
def test_impossible_amendments_are_refused(shop, start, by, message):
    first = shop.sell([Line(product=shop.seat, quantity=10)], FEB, term=12)
    with pytest.raises(CpqError, match=message):
        shop.cpq.amend(first.contracts[0], start=D(start), changes=[Change(line=first.lines[0], by=by)])


def test_line_of_another_contract_cannot_be_changed(shop):
    first, other = (shop.sell([Line(product=shop.seat)], FEB, term=12) for _ in range(2))
    with pytest.raises(CpqError, match="not on contract"):
        shop.cpq.amend(first.contracts[0], start=FEB, changes=[Change(line=other.lines[0], by=1)])


def test_assets_are_reduced_only_where_the_product_allows_it(shop):
    device = shop.product("Device", 99, pricing=None, default_term=None, refundable=True)
    lines = [Line(product=shop.seat), Line(product=device, quantity=2), Line(product=shop.onboarding)]
    first = shop.sell(lines, FEB, term=12)
    order = shop.cpq.amend(
        first.contracts[0], start=D("2026-05-13"), changes=[Change(line=first.lines[1], by=-1)]
    )
    assert prices(shop.items(order)) == [("99.0", "-99.0")]
    with pytest.raises(CpqError, match="does not allow a refund"):
        shop.cpq.amend(first.contracts[0], start=FEB, changes=[Change(line=first.lines[2], by=-1)])


def test_unchanged_lines_come_along_only_with_enable_zero_quantity(new_shop):
    for zero_quantity_lines, expected in ((False, [2]), (True, [2, 0])):
        shop = new_shop(zero_quantity_lines=zero_quantity_lines)
        first = shop.sell([Line(product=shop.seat, quantity=10), Line(product=shop.support)], FEB, term=12)
        order = shop.cpq.amend(first.contracts[0], start=FEB, changes=[Change(line=first.lines[0], by=2)])
        assert [item["Quantity"] for item in shop.items(order)] == expected


def test_amendment_that_changes_nothing_cannot_be_ordered(shop):
    first = shop.sell([Line(product=shop.seat)], FEB, term=12)
    with pytest.raises(CpqError, match="nothing to order"):
        shop.cpq.amend(first.contracts[0], start=FEB, changes=[])


def test_termination_ends_what_still_runs(shop):
    lines = [
        Line(product=shop.seat, quantity=10),
        Line(product=shop.seat, quantity=5, end=D("2026-03-31")),
        Line(product=shop.seat, quantity=3, start=D("2026-10-01"), end=D("2027-01-31")),
        Line(product=shop.onboarding),
    ]
    first = shop.sell(lines, FEB, term=12)
    items = shop.items(shop.cpq.terminate(first.contracts[0], at=D("2026-08-20")))
    assert [(item["Quantity"], item["ServiceDate"], str(item["TotalPrice"])) for item in items] == [
        (-10, "2026-08-20", "-2697.3"),
        (-3, "2026-10-01", "-600.0"),
    ]


def test_renewal_starts_the_day_after_and_makes_its_own_contract(shop):
    first = shop.sell([Line(product=shop.seat, quantity=10, discount=10)], FEB, term=12)
    contract = first.contracts[0]
    shop.close(shop.cpq.amend(contract, start=D("2026-05-13"), changes=[Change(line=first.lines[0], by=2)]))
    order = shop.cpq.renew(contract, term=12)
    (item,) = shop.items(order)
    assert (item["ServiceDate"], item["EndDate"], item["Quantity"]) == ("2027-02-01", "2028-01-31", 12)
    assert (item["SBQQ__ContractAction__c"], str(item["UnitPrice"])) == ("Renew", "540.0")
    opportunity = shop.cpq.record("Opportunity", order.quote.opportunity_id)
    assert opportunity["SBQQ__RenewedContract__c"] == contract.record_id
    assert opportunity["SBQQ__AmendedContract__c"] is None
    assert shop.close(order).record_id != contract.record_id
    assert shop.cpq.record("Contract", contract.record_id)["SBQQ__RenewalQuoted__c"] is True


def test_ramp_has_a_line_per_segment_and_past_segments_stay(shop):
    growth = shop.product("Growth", 1000, default_term=12, frequency="Annual")
    lines = shop.cpq.ramp(growth, start=D("2026-01-31"), segments=[(10, 1000), (20, 950), (30, 900)])
    order = shop.sell(lines, D("2026-01-31"), end=D("2029-01-30"))
    items = shop.items(order)
    assert [(item["ServiceDate"], item["EndDate"], str(item["TotalPrice"])) for item in items] == [
        ("2026-01-31", "2027-01-30", "10000.0"),
        ("2027-01-31", "2028-01-30", "19000.0"),
        ("2028-01-31", "2029-01-30", "27000.0"),
    ]
    assert [item["SBQQ__SegmentIndex__c"] for item in items] == [1, 2, 3]
    assert len({item["SBQQ__SegmentKey__c"] for item in items}) == 1
    changes = [Change(line=order.lines[1], by=5)]
    (difference,) = shop.items(shop.cpq.amend(order.contracts[0], start=D("2027-03-01"), changes=changes))
    assert difference["SBQQ__SegmentIndex__c"] == 2
    with pytest.raises(CpqError, match="cannot be amended"):
        shop.cpq.amend(order.contracts[0], start=D("2027-03-01"), changes=[Change(line=order.lines[0], by=1)])


def test_usage_line_copies_its_schedule(shop):
    tiers = (Tier(lower=1, upper=100, price=Decimal(0)), Tier(lower=101, upper=None, price=Decimal("0.125")))
    calls = shop.product(
        "Calls", 0, billing_type="Arrears", charge_type="Usage", usage=UsageSchedule(tiers=tiers, kind="Slab")
    )
    (item,) = shop.items(shop.sell([Line(product=calls)], FEB, term=12))
    records = shop.cpq.records()
    (schedule,) = records["SBQQ__OrderItemConsumptionSchedule__c"]
    assert (schedule["SBQQ__OrderItem__c"], schedule["SBQQ__Type__c"]) == (item["Id"], "Slab")
    rates = records["SBQQ__OrderItemConsumptionRate__c"]
    assert [
        (rate["SBQQ__LowerBound__c"], rate["SBQQ__UpperBound__c"], str(rate["SBQQ__Price__c"]))
        for rate in rates
    ] == [
        (1, 100, "0.0"),
        (101, None, "0.125"),
    ]
    assert [rate["UpperBound"] for rate in records["ConsumptionRate"]] == [100, None]


def test_coupons_are_copied_on_activation_once(shop):
    coupon = shop.cpq.coupon(Name="Launch", Percent_Off__c=Decimal(25), Duration__c="once")
    order = shop.draft([Line(product=shop.seat, coupons=(coupon,))], FEB, term=12, coupons=(coupon,))
    assert "Order_Stripe_Coupon__c" not in shop.cpq.records()
    for _ in range(2):
        shop.cpq.activate(order, at=AT)
        shop.cpq.deactivate(order, at=AT)
    records = shop.cpq.records()
    (copy,) = records["Order_Stripe_Coupon__c"]
    assert (copy["Name"], str(copy["Percent_Off__c"])) == ("Launch", "25.0")
    assert records["Order_Stripe_Coupon_Association__c"][0]["Order__c"] == order.record_id
    (line,) = records["Order_Item_Stripe_Coupon_Association__c"]
    assert (line["Order_Item__c"], line["Order_Stripe_Coupon__c"]) == (order.lines[0].record_id, copy["Id"])


def test_several_orders_of_one_quote(shop):
    lines = [Line(product=shop.seat), Line(product=shop.support)]
    quote = shop.cpq.quote(shop.account, start=FEB, lines=lines, term=12)
    first, second = shop.cpq.order(quote, only={0}), shop.cpq.order(quote, only={1})
    assert [len(first.lines), len(second.lines)] == [1, 1]
    assert (first.number, second.number) == ("00000101", "00000102")


def test_records_are_copies_of_one_shape(shop):
    shop.sell([Line(product=shop.seat, fields={"Custom__c": "x"}), Line(product=shop.seat)], FEB, term=12)
    records = shop.cpq.records()
    assert [item["Custom__c"] for item in records["OrderItem"]] == ["x", None]
    for rows in records.values():
        assert len({tuple(row) for row in rows}) == 1
    records["Order"][0]["Status"] = "changed"
    assert shop.cpq.records()["Order"][0]["Status"] == "Activated"


def test_amounts_are_never_floats(shop):
    shop.sell([Line(product=shop.seat)], FEB, term=12)
    for rows in shop.cpq.records().values():
        assert not [value for row in rows for value in row.values() if isinstance(value, float)]


def test_naive_instants_and_bad_order_numbers_are_refused(shop):
    order = shop.draft([Line(product=shop.seat)], FEB, term=12)
    with pytest.raises(ValueError, match="time zone"):
        shop.cpq.activate(order, at=datetime(2026, 1, 1))  # noqa: DTZ001 - the point of the test
    quote = order.quote
    with pytest.raises(CpqError, match="digits only"):
        shop.cpq.order(quote, number="12a")
