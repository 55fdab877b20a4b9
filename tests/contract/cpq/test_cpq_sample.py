from datetime import date, datetime
from decimal import Decimal
from fractions import Fraction

import pytest

from cpqbridge_sim.salesforce.cpq import SAMPLE_NOW, sample_org
from cpqbridge_sim.salesforce.cpq.ids import KEY_PREFIXES, long_id
from cpqbridge_sim.salesforce.cpq.proration import months_in_span


@pytest.fixture(scope="module")
def org():
    return sample_org()


@pytest.fixture(scope="module")
def lines_of(org):
    names = {order["Id"]: order["Name"] for order in org["Order"]}
    lines = {}
    for item in org["OrderItem"]:
        lines.setdefault(names[item["OrderId"]], []).append(item)
    return lines


def test_sample_is_the_same_at_every_call(org):
    assert sample_org() == org


def test_sample_has_more_than_enough_contracts(org):
    assert len(org["Contract"]) >= 16
    assert SAMPLE_NOW.tzinfo is not None


def test_every_order_tells_its_story(org):
    names = [order["Name"] for order in org["Order"]]
    assert len(set(names)) == len(names)
    assert all(len(name) <= 80 for name in names)
    assert all(len(order["Description"]) > 20 for order in org["Order"])
    assert len({order["OrderNumber"] for order in org["Order"]}) == len(names)


def test_ids_are_right_unique_and_every_look_up_is_kept(org):
    ids = {}
    for sobject, records in org.items():
        for record in records:
            assert long_id(record["Id"]) == record["Id"]
            assert record["Id"].startswith(KEY_PREFIXES[sobject])
            assert ids.setdefault(record["Id"], sobject) == sobject
    assert len(ids) == sum(len(records) for records in org.values())
    for records in org.values():
        for record in records:
            for name, value in record.items():
                looks_like_an_id = isinstance(value, str) and len(value) == 18 and value[3:6] == "Qy0"
                assert not looks_like_an_id or value in ids, name


def test_nothing_happened_after_now(org):
    for records in org.values():
        for record in records:
            for field in ("CreatedDate", "SystemModstamp", "ActivatedDate"):
                text = record.get(field)
                assert text is None or datetime.strptime(text, "%Y-%m-%dT%H:%M:%S.%f%z") < SAMPLE_NOW


def test_totals_add_up_to_the_order(org):
    for order in org["Order"]:
        lines = [item for item in org["OrderItem"] if item["OrderId"] == order["Id"]]
        assert order["TotalAmount"] == sum(item["TotalPrice"] for item in lines)


def test_recurring_prices_follow_from_dates(org):
    """Each termed line of the org, from its own fields: price of a default term times its length."""
    checked = 0
    for item in org["OrderItem"]:
        if item["SBQQ__SubscriptionType__c"] != "Renewable":
            continue
        start, end = (date.fromisoformat(item[field]) for field in ("ServiceDate", "EndDate"))
        months = months_in_span("monthly_daily", start, end)
        length = months / Fraction(item["SBQQ__DefaultSubscriptionTerm__c"] or 12)
        exact = Fraction(item["SBQQ__UnproratedNetPrice__c"]) * length
        half_a_unit = Fraction(1, 2 if item["CurrencyIsoCode"] == "JPY" else 200)
        assert abs(Fraction(item["UnitPrice"]) - exact) <= half_a_unit
        if item["SBQQ__BlockPrice__c"] is None:
            assert item["TotalPrice"] == item["UnitPrice"] * item["Quantity"]
        checked += 1
    assert checked > 60


def test_kinds_of_new_orders_are_all_there(org, lines_of):
    items = org["OrderItem"]
    orders = org["Order"]
    assert {item["SBQQ__BillingFrequency__c"] for item in items} >= {
        "Monthly",
        "Quarterly",
        "Semiannual",
        "Annual",
        "Weekly",
        None,
    }
    assert {item["SBQQ__DefaultSubscriptionTerm__c"] for item in items} >= {1, 3, 12, None}
    assert {order["CurrencyIsoCode"] for order in orders} == {"USD", "EUR", "JPY", "KWD"}
    assert {order["SBQQ__PaymentTerm__c"] for order in orders} > {None, "Net 30", "Due on Receipt (old)"}
    assert any(order["Skip_Past_Initial_Invoices__c"] for order in orders)
    assert any(item["Skip_Line_Item__c"] for item in items)
    assert [str(item["TotalPrice"]) for item in lines_of["A goodwill credit"]] == ["6000.0", "-200.0"]
    assert [str(item["UnitPrice"]) for item in lines_of["Lines off the monthly boundary"]] == [
        "600.0",
        "431.23",
        "692.6",
    ]
    assert [str(item["UnitPrice"]) for item in lines_of["A percentage of the total"]] == ["600.0", "1200.0"]
    assert [str(item["UnitPrice"]) for item in lines_of["A bundle"]] == ["2400.0", "0.0", "0.0"]
    (block,) = lines_of["A block price"]
    assert block["TotalPrice"] != block["UnitPrice"] * block["Quantity"]
    (month_end,) = lines_of["Anchored at the end of a month"]
    assert (month_end["ServiceDate"], month_end["EndDate"]) == ("2026-01-31", "2027-01-30")
    (leap,) = lines_of["Starts on a leap day"]
    assert (leap["ServiceDate"], leap["EndDate"]) == ("2028-02-29", "2029-02-27")


def test_histories_are_linked_to_their_contract(org, lines_of):
    (increase,) = lines_of["Two more seats"]
    (decrease,) = lines_of["Three seats fewer"]
    (root,) = lines_of["Seats that grow and shrink"]
    assert (str(increase["TotalPrice"]), str(decrease["TotalPrice"])) == ("862.46", "-809.19")
    assert increase["SBQQ__RevisedOrderProduct__c"] == decrease["SBQQ__RevisedOrderProduct__c"] == root["Id"]
    amended = {each["Id"]: each["SBQQ__AmendedContract__c"] for each in org["Opportunity"]}
    orders = {order["Name"]: order for order in org["Order"]}
    for name in ("Two more seats", "Three seats fewer"):
        assert amended[orders[name]["OpportunityId"]] == root["SBQQ__Contract__c"]
    out, new = lines_of["A swap"]
    assert (out["Quantity"], new["Quantity"]) == (-10, 10)
    assert lines_of["A termination"][0]["SBQQ__TerminatedDate__c"] == "2026-10-10"
    assert lines_of["A renewal"][0]["SBQQ__ContractAction__c"] == "Renew"
    assert lines_of["Evergreen"][0]["EndDate"] is None
    assert [item["SBQQ__SegmentIndex__c"] for item in lines_of["A ramp over three years"]] == [1, 2, 3]
    assert lines_of["Usage in tiers"][1]["SBQQ__BillingType__c"] == "Arrears"
    assert len({item["SBQQ__Contract__c"] for item in lines_of["Two contracts from one order"]}) == 2


def test_troubles_are_all_there(org, lines_of):
    orders = {order["Name"]: order for order in org["Order"]}
    quotes = {quote["Id"]: quote for quote in org["SBQQ__Quote__c"]}
    emails = {contact["Id"]: contact["Email"] for contact in org["Contact"]}
    assert orders["A draft"]["StatusCode"] == "Draft"
    assert orders["No CPQ quote"]["SBQQ__Quote__c"] is None
    assert orders["No CPQ quote"]["StatusCode"] == "Activated"
    lonely = orders["No e-mail address"]
    assert emails[lonely["BillToContactId"]] is None
    assert emails[quotes[lonely["SBQQ__Quote__c"]]["SBQQ__PrimaryContact__c"]] is None
    assert [item["SBQQ__Activated__c"] for item in lines_of["A line left behind"]] == [True, False]
    assert lines_of["Half a seat"][0]["Quantity"] == Decimal("2.5")
    assert lines_of["A subscription with a negative price"][1]["UnitPrice"] < 0
    assert orders["A trial"]["Trial_End_Date__c"] == "2026-11-30"


def deltas(lines):
    return [(int(line["Quantity"]), line["ServiceDate"], str(line["TotalPrice"])) for line in lines]


def test_amendments_of_every_kind_are_there(org, lines_of):
    assert deltas(lines_of["Six fewer over two additions"]) == [
        (-5, "2026-10-01", "-1250.0"),
        (-1, "2026-10-01", "-250.0"),
    ]
    orders = {order["Name"]: order for order in org["Order"]}
    ahead, late = (
        orders[name] for name in ("For December, signed in September", "For October, signed in October")
    )
    assert ahead["ActivatedDate"] < late["ActivatedDate"]
    assert ahead["EffectiveDate"] > late["EffectiveDate"]
    assert orders["Five weeks late"]["EffectiveDate"] < orders["Five weeks late"]["ActivatedDate"][:10]
    assert orders["In the morning"]["EffectiveDate"] == orders["In the afternoon"]["EffectiveDate"]
    planned = [
        orders[name]["EffectiveDate"] for name in ("Planned for January", "Planned anew for the same day")
    ]
    assert planned == ["2027-01-10"] * 2
    extra, longer = lines_of["Ten seats for a shooting"]
    assert (extra["EndDate"], longer["EndDate"]) == ("2026-10-25", "2027-08-31")
    back, training = lines_of["One reader back, two training days more"]
    assert (str(back["TotalPrice"]), back["EndDate"], str(training["TotalPrice"])) == (
        "-89.0",
        None,
        "1800.0",
    )
    assert {line["Skip_Line_Item__c"] for line in lines_of["Two more that are not billed"]} == {True, False}
    frequencies = {
        line["SBQQ__BillingFrequency__c"]
        for order in org["Order"]
        if order["Type"] == "Amendment"
        for line in lines_of[order["Name"]]
    }
    assert frequencies >= {"Monthly", "Quarterly", "Semiannual", "Annual", None}
    assert lines_of["Seven more in yen"][0]["CurrencyIsoCode"] == "JPY"
    assert len(lines_of["Twenty-four lines"]) == 24
    assert len({line["ServiceDate"] for line in lines_of["Thirteen phases"]}) == 13
    together = [order["ActivatedDate"] for name, order in orders.items() if name.startswith("Connected late")]
    assert len(together) == 3
    assert len(set(together)) == 1


def test_terminations_and_renewals_of_every_kind_are_there(org, lines_of):
    starts = {
        "Never mind": "2027-01-01",
        "Withdrawn": "2026-09-01",
        "Left at the end of a month": "2026-10-01",
        "Half a year back": "2026-09-15",
        "Notice": "2027-01-15",
        "Settled afterwards": "2026-07-10",
    }
    for name, start in starts.items():
        assert {line["SBQQ__TerminatedDate__c"] for line in lines_of[name]} == {start}
    gone, back = lines_of["Gone in August"], lines_of["Back in October"]
    assert gone[0]["SBQQ__Contract__c"] == back[0]["SBQQ__Contract__c"]
    assert back[0]["ServiceDate"] == "2026-10-05"
    renewals = {order["Name"]: order["EffectiveDate"] for order in org["Order"] if order["Type"] == "Renewal"}
    assert renewals == {
        "A renewal": "2026-12-01",
        "An early renewal": "2026-12-01",
        "A late renewal": "2026-10-01",
        "A renewal after the end": "2026-10-15",
        "A renewal in place of the rest": "2026-11-01",
    }


def test_amendments_name_what_they_revise_within_their_contract(org):
    items = {item["Id"]: item for item in org["OrderItem"]}
    revising = [item for item in items.values() if item["SBQQ__RevisedOrderProduct__c"]]
    for item in revising:
        revised = items[item["SBQQ__RevisedOrderProduct__c"]]
        assert item["SBQQ__Contract__c"] in {None, revised["SBQQ__Contract__c"]}
        assert (item["Product2Id"], item["EndDate"]) == (revised["Product2Id"], revised["EndDate"])
        assert item["Quantity"] < 0 or item["TotalPrice"] >= 0
    assert len(revising) > 40


def test_ramps_of_every_kind_are_there(org, lines_of):
    kinds = {item["SBQQ__DimensionType__c"] for item in org["OrderItem"]}
    assert kinds == {"Year", "Quarter", "Month", "Custom", "One-time", None}
    assert len(lines_of["A ramp by the month"]) == 12
    assert [item["EndDate"] for item in lines_of["A ramp by the quarter"]] == [
        "2026-09-30",
        "2026-12-31",
        "2027-03-31",
        "2027-06-30",
    ]
    last = lines_of["A ramp over 39 months"][3]
    assert (last["ServiceDate"], last["EndDate"], str(last["UnitPrice"])) == (
        "2029-08-01",
        "2029-10-31",
        "25.0",
    )
    once = lines_of["A ramp with a part that is charged once"][2]
    assert (once["SBQQ__SubscriptionPricing__c"], once["SBQQ__SegmentIndex__c"], once["EndDate"]) == (
        None,
        3,
        None,
    )
    assert deltas(lines_of["All segments at once"]) == [
        (5, "2026-09-01", "2400.0"),
        (5, "2027-03-01", "4560.0"),
    ]
    assert deltas(lines_of["The end of a ramp"]) == [
        (-10, "2026-11-01", "-2500.0"),
        (-15, "2027-04-01", "-9000.0"),
    ]


def test_evergreen_of_every_kind_is_there(org, lines_of):
    assert deltas(lines_of["Evergreen, three more inside a month"]) == [(3, "2026-08-12", "75.0")]
    assert deltas(lines_of["Evergreen, brought to zero"]) == [(-4, "2026-09-20", "-100.0")]
    evergreen = [item for item in org["OrderItem"] if item["SBQQ__SubscriptionType__c"] == "Evergreen"]
    assert {item["EndDate"] for item in evergreen} == {None}
    assert {item["UnitPrice"] for item in evergreen} == {Decimal(25)}
    (seats,) = lines_of["A term that gets an evergreen line"]
    (added,) = lines_of["Evergreen added to a term"]
    (more,) = lines_of["More of what was added"]
    assert added["SBQQ__Contract__c"] == more["SBQQ__Contract__c"] != seats["SBQQ__Contract__c"]
    contracts = {each["Id"]: each for each in org["Contract"]}
    for item in org["OrderItem"]:
        contract = contracts.get(item["SBQQ__Contract__c"])
        if contract is not None and item["SBQQ__SubscriptionType__c"] is not None:
            assert contract["SBQQ__Evergreen__c"] is (item["SBQQ__SubscriptionType__c"] == "Evergreen")


def test_usage_and_coupons_of_every_kind_are_there(org, lines_of):
    copied = {each["SBQQ__OrderItem__c"] for each in org["SBQQ__OrderItemConsumptionSchedule__c"]}
    by_product = {each["ProductId"] for each in org["ProductConsumptionSchedule"]}
    (whole,) = lines_of["Usage by the whole volume"]
    assert whole["Id"] not in copied
    assert whole["Product2Id"] in by_product
    (plain,) = lines_of["Usage at one price"]
    assert (plain["SBQQ__BillingType__c"], plain["Product2Id"] in by_product) == ("Arrears", False)
    rates = org["SBQQ__OrderItemConsumptionRate__c"]
    assert {rate["SBQQ__PricingMethod__c"] for rate in rates} == {"PerUnit", "FlatFee"}
    assert {each["SBQQ__Type__c"] for each in org["SBQQ__OrderItemConsumptionSchedule__c"]} == {
        "Slab",
        "Range",
    }
    coupons = org["Order_Stripe_Coupon__c"]
    assert {each["Duration__c"] for each in coupons} == {"once", "repeating", "forever"}
    assert {each["Currency__c"] for each in coupons if each.get("Amount_Off__c")} == {"USD", "EUR"}
    assert len(org["Order_Stripe_Coupon_Association__c"]) == len(org["Quote_Stripe_Coupon_Association__c"])


def test_lines_of_several_frequencies_change_together(lines_of):
    changed = lines_of["Mixed frequencies, more of all"]
    assert {line["SBQQ__BillingFrequency__c"] for line in changed} == {"Monthly", "Quarterly", "Annual"}
    assert {line["ServiceDate"] for line in changed} == {"2026-08-20"}
    assert lines_of["A price in a field of its own"][0]["Billing_Price__c"] == Decimal("47.5")
