import time
from datetime import UTC, datetime
from decimal import Decimal

import pytest
from tests.contract.salesforce_sim.simulated_org import (
    CONTRACT,
    DATA,
    LINE_1,
    NOW,
    ORDER_1,
    ORDER_2,
    ORDER_3,
    Rest,
    error_of,
    section_5,
    soql_part,
)

from cpqbridge_sim.salesforce.metadata import parse_field
from cpqbridge_sim.salesforce.org import Org

OF_CONTRACT = (
    f"Opportunity.SBQQ__AmendedContract__c='{CONTRACT}' OR (SBQQ__Quote__r.SBQQ__MasterContract__c='{CONTRACT}' AND "
    "SBQQ__Quote__r.SBQQ__Type__c='Amendment') OR SBQQ__Quote__c='@{contract.records[0].SBQQ__Quote__c}'"
)
HISTORY = {
    "contract": "SELECT Id,ContractNumber,AccountId,Status,StartDate,EndDate,ContractTerm,SBQQ__Quote__c,"
    "SBQQ__Order__c,SBQQ__Opportunity__c,SBQQ__Evergreen__c,SystemModstamp FROM Contract "
    f"WHERE Id='{CONTRACT}'",
    "orders": "SELECT Id,OrderNumber,Status,StatusCode,Type,EffectiveDate,EndDate,ActivatedDate,AccountId,"
    "OpportunityId,Pricebook2Id,TotalAmount,SBQQ__PaymentTerm__c,SBQQ__Contracted__c,SBQQ__Quote__c,"
    "SystemModstamp,Account.Name,Account.Phone,Account.BillingStreet,Account.BillingCity,Account.BillingState,"
    "Account.BillingPostalCode,Account.BillingCountry,Opportunity.SBQQ__AmendedContract__c,"
    "Opportunity.SBQQ__RenewedContract__c,Opportunity.SBQQ__PrimaryQuote__c,SBQQ__Quote__r.Name,"
    "SBQQ__Quote__r.SBQQ__Type__c,SBQQ__Quote__r.SBQQ__StartDate__c,SBQQ__Quote__r.SBQQ__EndDate__c,"
    "SBQQ__Quote__r.SBQQ__SubscriptionTerm__c,SBQQ__Quote__r.SBQQ__MasterContract__c,"
    "SBQQ__Quote__r.SBQQ__PrimaryContact__r.Email FROM Order WHERE "
    f"{OF_CONTRACT} ORDER BY EffectiveDate,ActivatedDate,Id",
    "items": "SELECT Id,OrderId,OrderItemNumber,Product2Id,PricebookEntryId,Quantity,UnitPrice,ListPrice,"
    "TotalPrice,ServiceDate,EndDate,SBQQ__ProrateMultiplier__c,SBQQ__RevisedOrderProduct__c,Product2.Name,"
    "Product2.Description,Product2.ProductCode,PricebookEntry.UnitPrice,PricebookEntry.SystemModstamp,"
    "SBQQ__QuoteLine__r.SBQQ__SegmentLabel__c FROM OrderItem WHERE "
    + OF_CONTRACT.replace("Opportunity.", "Order.Opportunity.")
    .replace(" SBQQ__Q", " Order.SBQQ__Q")
    .replace("(SBQQ__Q", "(Order.SBQQ__Q")
    + " ORDER BY OrderId,OrderItemNumber",
    "tiers": "SELECT Id,SBQQ__OrderItem__c,SBQQ__Type__c,SBQQ__RatingMethod__c,SBQQ__UnitOfMeasure__c,"
    "(SELECT SBQQ__LowerBound__c,SBQQ__UpperBound__c,SBQQ__Price__c,SBQQ__PricingMethod__c,"
    "SBQQ__ProcessingOrder__c FROM SBQQ__OrderItemConsumptionRates__r ORDER BY SBQQ__ProcessingOrder__c) "
    "FROM SBQQ__OrderItemConsumptionSchedule__c WHERE SBQQ__OrderItem__r.Order.SBQQ__Quote__c="
    "'@{contract.records[0].SBQQ__Quote__c}'",
    "subs": "SELECT Id,SBQQ__OrderProduct__c,SBQQ__RevisedSubscription__c,SBQQ__RootId__c,SBQQ__Quantity__c,"
    "SBQQ__StartDate__c,SBQQ__EndDate__c,SBQQ__TerminatedDate__c FROM SBQQ__Subscription__c "
    f"WHERE SBQQ__Contract__c='{CONTRACT}'",
}
OTHER_QUERIES = [
    "SELECT Id, ContractNumber FROM Contract WHERE SBQQ__Quote__c='a0zQy00000QuT01IAF'",
    "SELECT ProductId, ConsumptionSchedule.Type FROM ProductConsumptionSchedule WHERE ProductId IN ('01tQy00000PrD01')",
    "SELECT Id, Price FROM ConsumptionRate WHERE ConsumptionScheduleId IN ('0o1Qy0000000001AAA')",
    "SELECT Id, SystemModstamp, SBQQ__Quote__c, Opportunity.SBQQ__AmendedContract__c FROM Order",
    "SELECT Id, OrganizationType, IsSandbox, InstanceName, TimeZoneSidKey, DefaultLocaleSidKey FROM Organization",
]
POLL = (
    "SELECT Id, SystemModstamp, ActivatedDate, SBQQ__Quote__c, SBQQ__Quote__r.SBQQ__Type__c,\n"
    "       SBQQ__Quote__r.SBQQ__MasterContract__c, OpportunityId, Opportunity.SBQQ__AmendedContract__c,\n"
    "       Opportunity.SBQQ__RenewedContract__c\n"
    "FROM Order WHERE SystemModstamp >= 2026-01-28T15:06:11Z AND StatusCode = 'Activated' AND "
    "(TotalAmount > 0)\nORDER BY SystemModstamp ASC, Id ASC"
)


def test_history_in_one_composite_call_gives_the_numbers_of_section_5(rest):
    answer = rest.composite(*(soql_part(name, soql) for name, soql in HISTORY.items()))
    parts = {part["referenceId"]: part for part in answer.json(parse_float=Decimal)["compositeResponse"]}
    assert [part["httpStatusCode"] for part in parts.values()] == [200] * 5, answer.text
    orders = parts["orders"]["body"]["records"]
    items = parts["items"]["body"]["records"]
    assert [(row["Id"], row["TotalAmount"]) for row in orders] == [
        (ORDER_1, Decimal("7950.0")),
        (ORDER_2, Decimal("862.46")),
        (ORDER_3, Decimal("-809.19")),
    ]
    assert sum(row["TotalAmount"] for row in orders) == Decimal("8003.27")
    assert [(row["Quantity"], row["UnitPrice"], row["TotalPrice"]) for row in items] == [
        (10, 600, 6000),
        (1, 1200, 1200),
        (1, 750, 750),
        (2, Decimal("431.23"), Decimal("862.46")),
        (-3, Decimal("269.73"), Decimal("-809.19")),
    ]
    assert items[3]["SBQQ__ProrateMultiplier__c"] == Decimal("8.624657534246575")
    assert orders[0]["Account"]["Name"] == "Baden Trading"
    assert items[0]["Product2"]["Name"] == "Seat"
    assert parts["tiers"]["body"]["records"] == []
    assert rest.usage(answer) == 1


def test_numbers_keep_their_exact_digits_in_the_answer(rest):
    text = rest.query(
        f"SELECT UnitPrice, SBQQ__ProrateMultiplier__c FROM OrderItem WHERE OrderId='{ORDER_2}'"
    ).text
    assert '"UnitPrice":431.23,' in text
    assert '"SBQQ__ProrateMultiplier__c":8.624657534246575}' in text
    assert '"TotalAmount":7950.0}' in rest.query(f"SELECT TotalAmount FROM Order WHERE Id='{ORDER_1}'").text


@pytest.mark.parametrize("soql", OTHER_QUERIES)
def test_queries_of_the_specification_are_understood(rest, soql):
    assert rest.query(soql).status_code == 200


def test_poll_query_filters_by_stamp_and_orders_by_it(rest):
    assert rest.ids(POLL) == [ORDER_1, ORDER_2]
    later = POLL.replace("2026-01-28T15:06:11Z", "2026-01-28T15:06:12Z")
    assert rest.ids(later) == [ORDER_2]


def test_dates_and_datetimes_have_the_form_of_the_api(rest):
    row = rest.rows(f"SELECT EffectiveDate, ActivatedDate FROM Order WHERE Id = '{ORDER_1[:15]}'")[0]
    assert row["EffectiveDate"] == "2026-02-01"
    assert row["ActivatedDate"] == "2026-01-28T15:04:05.000+0000"


def test_rows_name_their_type_and_address(rest):
    row = rest.rows(f"SELECT id, account.name FROM order WHERE id='{ORDER_1}'")[0]
    assert row["attributes"] == {"type": "Order", "url": f"{DATA}/sobjects/Order/{ORDER_1}"}
    assert list(row) == ["attributes", "Id", "Account"]
    assert row["Account"]["attributes"]["type"] == "Account"


def test_pages_when_rows_exceed_the_batch_carry_a_locator_until_done(serve):
    org = Org(NOW)
    org.load({"Account": [{"Id": f"001{number:012d}", "Name": f"A{number}"} for number in range(4500)]})
    rest = serve(org)
    header = {"Sforce-Query-Options": "batchSize=2000"}
    page = rest.query("SELECT Id FROM Account", headers=header).json()
    sizes, ids = [], []
    while True:
        assert page["totalSize"] == 4500
        sizes.append(len(page["records"]))
        ids += [row["Id"] for row in page["records"]]
        if page["done"]:
            break
        assert page["nextRecordsUrl"].startswith(f"{DATA}/query/01g")
        assert page["nextRecordsUrl"].endswith(f"-{sum(sizes)}")
        page = rest.get(page["nextRecordsUrl"]).json()
    assert sizes == [2000, 2000, 500]
    assert len(set(ids)) == 4500


def test_locator_when_used_by_another_session_or_made_up_is_refused(serve):
    org = Org(NOW)
    org.load({"Account": [{"Id": f"001{number:012d}"} for number in range(300)]})
    first = serve(org)
    other = Rest(str(first.http.base_url), "token-2")
    page = first.query("SELECT Id FROM Account", headers={"Sforce-Query-Options": "batchSize=200"}).json()
    assert error_of(other.get(page["nextRecordsUrl"])) == (400, "INVALID_QUERY_LOCATOR")
    assert error_of(first.get("query/01gXXXXXXXXXXXX-200")) == (400, "INVALID_QUERY_LOCATOR")
    assert len(first.get(page["nextRecordsUrl"]).json()["records"]) == 100
    for place in ("300", "-1", "9" * 5000):
        moved = page["nextRecordsUrl"].removesuffix("200") + place
        assert error_of(first.get(moved)) == (400, "INVALID_QUERY_LOCATOR")
    other.http.close()


def test_batch_size_when_out_of_range_is_only_a_wish(serve):
    org = Org(NOW)
    org.load({"Account": [{"Id": f"001{number:012d}"} for number in range(300)]})
    rest = serve(org)
    for wish, rows in (("5", 200), ("9" * 5000, 300), ("x", 300)):
        header = {"Sforce-Query-Options": f"batchSize={wish}"}
        assert len(rest.query("SELECT Id FROM Account", headers=header).json()["records"]) == rows


@pytest.mark.parametrize(
    ("soql", "code", "text"),
    [
        ("SELECT Nope__c FROM Order", "INVALID_FIELD", "No such column 'Nope__c' on entity 'Order'."),
        ("SELECT Id FROM Order WHERE Account.Nope = 'x'", "INVALID_FIELD", "on entity 'Account'."),
        ("SELECT Nope.Name FROM Order", "INVALID_FIELD", "Didn't understand relationship 'Nope'"),
        ("SELECT Id FROM Nope__c", "INVALID_TYPE", "sObject type 'Nope__c' is not supported."),
        ("SELECT Id, (SELECT Id FROM Nopes) FROM Order", "INVALID_TYPE", "relationship 'Nopes'"),
        ("SELECT Id FROMM Order", "MALFORMED_QUERY", "unexpected token: 'FROMM'"),
        ("SELECT Id FROM Order WHERE Name = 'O'Neil'", "MALFORMED_QUERY", "unexpected token"),
        ("SELECT Id FROM Order WHERE Name = 'x' OR Name = 'y' AND Name = 'z'", "MALFORMED_QUERY", "'AND'"),
        ("SELECT Id FROM Order WHERE EffectiveDate = 2026-02-30", "MALFORMED_QUERY", "2026-02-30"),
        ("SELECT Id FROM Order WHERE EffectiveDate = TODAY", "MALFORMED_QUERY", "TODAY"),
        ("SELECT Id FROM Order OFFSET 5", "MALFORMED_QUERY", "OFFSET"),
        (
            "SELECT Id FROM Order WHERE EffectiveDate = '2026-02-01'",
            "INVALID_FIELD",
            "not be enclosed in quotes",
        ),
        ("SELECT Id FROM Order WHERE Name = 5", "INVALID_FIELD", "should be enclosed in quotes"),
        ("SELECT Id FROM Order WHERE TotalAmount = '5'", "INVALID_FIELD", "must be of type currency"),
        ("SELECT Id FROM Order WHERE Id = 'abc'", "INVALID_QUERY_FILTER_OPERATOR", "invalid ID field: abc"),
        ("SELECT Id FROM Order WHERE Id LIKE '801%'", "INVALID_QUERY_FILTER_OPERATOR", "LIKE"),
        ("SELECT Id FROM Order WHERE SBQQ__Contracted__c > true", "INVALID_QUERY_FILTER_OPERATOR", ">"),
        ("SELECT Id FROM Order WHERE Stripe_Sync_Message__c = 'x'", "INVALID_FIELD", "can not be filtered"),
        ("SELECT Id, Id FROM Order", "INVALID_FIELD", "duplicate field selected: Id"),
        ("SELECT FIELDS(ALL) FROM Order", "MALFORMED_QUERY", "LIMIT"),
        ("SELECT FIELDS(CUSTOM) FROM Order LIMIT 201", "MALFORMED_QUERY", "LIMIT"),
        ("SELECT Status FROM Order GROUP BY Type", "MALFORMED_QUERY", "grouped"),
        (
            "SELECT Id FROM OrderItem WHERE Quantity = 1 OR OrderId IN (SELECT Id FROM Order)",
            "MALFORMED_QUERY",
            "Semi join",
        ),
        (
            "SELECT Id FROM Account WHERE Parent.Parent.Parent.Parent.Parent.Parent.Name = 'x'",
            "MALFORMED_QUERY",
            "5 levels",
        ),
    ],
)
def test_query_when_wrong_is_refused_with_code_and_text(rest, soql, code, text):
    answer = rest.query(soql)
    assert error_of(answer) == (400, code)
    assert text in answer.json()[0]["message"]


def test_query_when_six_levels_down_is_refused(serve):
    org = Org(NOW)
    item = org.metadata.find("Account")
    item.add(parse_field("Boss__c", "reference(Account) children=Staff__r"))
    soql = "SELECT Id FROM Staff__r"
    for level in range(4):
        soql = f"SELECT Id, ({soql}) FROM {'Account' if level == 3 else 'Staff__r'}"
    rest = serve(org)
    assert rest.query(soql).status_code == 200
    deeper = f"SELECT Id, ({soql.replace('FROM Account', 'FROM Staff__r')}) FROM Account"
    assert error_of(rest.query(deeper)) == (400, "MALFORMED_QUERY")


def test_field_missing_names_the_place_in_the_query(rest):
    message = rest.query("SELECT Id,\n Nope FROM Order").json()[0]["message"]
    assert message.startswith("\n Nope FROM Order\n ^\nERROR at Row:2:Column:2\nNo such column 'Nope'")


def test_hidden_field_when_queried_does_not_exist(serve):
    org = Org(NOW, hidden_fields={"Order": {"Stripe_ID__c"}})
    rest = serve(org)
    assert error_of(rest.query("SELECT Stripe_ID__c FROM Order")) == (400, "INVALID_FIELD")


def test_datetime_when_plus_is_not_encoded_becomes_a_space_and_fails(rest):
    raw = "SELECT+Id+FROM+Order+WHERE+SystemModstamp>=2026-02-01T00:00:00{}01:00"
    assert error_of(rest.get(f"query?q={raw.format('+')}")) == (400, "MALFORMED_QUERY")
    assert rest.get(f"query?q={raw.format('%2B')}").status_code == 200


def test_uri_when_above_16000_bytes_is_too_long(rest):
    assert error_of(rest.query("SELECT Id FROM Order WHERE Name = '" + "x" * 16_000 + "'"))[0] == 414


def test_long_query_travels_inside_a_composite(rest):
    ids = ",".join(f"'{ORDER_1}'" for _ in range(900))
    part = soql_part("long", f"SELECT Id FROM Order WHERE Id IN ({ids})")
    answer = rest.composite(part).json()["compositeResponse"][0]
    assert answer["httpStatusCode"] == 200
    assert answer["body"]["totalSize"] == 1


def test_child_list_when_empty_is_null_and_otherwise_a_result(rest):
    rows = rest.rows(
        "SELECT Id, (SELECT Id FROM Stripe_Sync_Records__r), (SELECT Id FROM OrderItems ORDER BY Id DESC LIMIT 2) "
        f"FROM Order WHERE Id = '{ORDER_1}'"
    )
    assert rows[0]["Stripe_Sync_Records__r"] is None
    assert rows[0]["OrderItems"]["totalSize"] == 2
    assert rows[0]["OrderItems"]["done"] is True
    assert [row["Id"][:15] for row in rows[0]["OrderItems"]["records"]] == [
        "802Qy00000LiNe3",
        "802Qy00000LiNe2",
    ]


def test_parent_when_lookup_is_empty_is_null(serve):
    org = Org(NOW)
    org.load({"Order": [{"Id": ORDER_1, "OpportunityId": None}]})
    row = serve(org).rows("SELECT Opportunity.SBQQ__AmendedContract__c, Account.Parent.Name FROM Order")[0]
    assert row["Opportunity"] is None
    assert row["Account"] is None


def test_deleted_record_is_only_in_query_all(rest):
    rest.call("DELETE", "sobjects/Contract/" + CONTRACT)
    assert rest.ids("SELECT Id FROM Contract") == []
    assert rest.rows("SELECT Id, IsDeleted FROM Contract", "queryAll")[0]["IsDeleted"] is True


@pytest.mark.parametrize(
    ("condition", "orders"),
    [
        ("Type = 'AMENDMENT'", "23"),
        ("Type != 'Amendment'", "1"),
        ("SBQQ__PaymentTerm__c = null", "23"),
        ("SBQQ__PaymentTerm__c != null", "1"),
        ("SBQQ__PaymentTerm__c != 'Net 15'", "123"),
        ("TotalAmount < 0", "3"),
        ("TotalAmount >= 862.46", "12"),
        ("TotalAmount = 862.46", "2"),
        ("EffectiveDate > 2026-05-13", "3"),
        ("EffectiveDate <= 2026-05-13", "12"),
        ("ActivatedDate < 2026-05-12T11:30:00.000+02:00", "1"),
        ("ActivatedDate <= 2026-05-12T11:30:00.000+02:00", "12"),
        ("SBQQ__Contracted__c = true", "1"),
        ("SBQQ__Contracted__c = false", "23"),
        ("OrderNumber IN ('00000101', '00000130')", "13"),
        ("OrderNumber NOT IN ('00000101', '00000130')", "2"),
        ("NOT Type = 'New'", "23"),
        ("NOT (Type = 'New' OR TotalAmount < 0)", "2"),
        ("OrderNumber LIKE '%01__'", "123"),
        ("OrderNumber LIKE '0000011_'", "2"),
        (r"OrderNumber LIKE '0000011\_'", ""),
        ("Account.Name LIKE 'baden%'", "1"),
        ("Id IN (SELECT OrderId FROM OrderItem WHERE Quantity < 0)", "3"),
        ("Id NOT IN (SELECT OrderId FROM OrderItem WHERE Quantity < 0)", "12"),
        ("Order.Type = 'New'", "1"),
        (f"SBQQ__Quote__r.SBQQ__MasterContract__c = '{CONTRACT[:15]}' AND TotalAmount > 0", "2"),
    ],
)
def test_conditions_select_the_right_orders(rest, condition, orders):
    found = rest.ids(f"SELECT Id FROM Order WHERE {condition}")
    assert "".join(record_id[14] for record_id in found) == orders


@pytest.mark.parametrize(
    ("condition", "names"),
    [
        (r"Name = 'O\'Neil'", ["O'Neil"]),
        (r"Name = 'back\\slash'", ["back\\slash"]),
        (r"Name LIKE 'back\\%'", ["back\\slash"]),
        (r"Name LIKE '100\% sure'", ["100% sure"]),
        (r"Name LIKE '100% sure'", ["100% sure", "100 are sure"]),
        ("Name = ''", []),
        (r"Name = 'a\nb'", ["a\nb"]),
    ],
)
def test_strings_are_read_with_their_escapes(serve, condition, names):
    org = Org(NOW)
    texts = ["O'Neil", "back\\slash", "100% sure", "100 are sure", "a\nb"]
    org.load({"Account": [{"Id": f"001{n:012d}", "Name": text} for n, text in enumerate(texts)]})
    rest = serve(org)
    assert sorted(row["Name"] for row in rest.rows(f"SELECT Name FROM Account WHERE {condition}")) == sorted(
        names
    )


def test_order_by_places_empty_values_first_unless_told_otherwise(serve):
    org = Org(NOW)
    phones = ["b", None, "A", "c"]
    org.load({"Account": [{"Id": f"001{n:012d}", "Phone": phone} for n, phone in enumerate(phones)]})
    rest = serve(org)

    def phones_by(order: str) -> list[str | None]:
        return [row["Phone"] for row in rest.rows(f"SELECT Phone FROM Account ORDER BY Phone {order}")]

    assert phones_by("") == [None, "A", "b", "c"]
    assert phones_by("ASC NULLS LAST") == ["A", "b", "c", None]
    assert phones_by("DESC") == [None, "c", "b", "A"]
    assert phones_by("DESC NULLS LAST LIMIT 1") == ["c"]


def test_counts_and_groups(rest):
    answer = rest.query("SELECT COUNT() FROM Order WHERE TotalAmount > 0").json()
    assert answer == {"totalSize": 2, "done": True, "records": []}
    rows = rest.rows("SELECT Type, COUNT(Id) FROM Order GROUP BY Type")
    assert {row["Type"]: row["expr0"] for row in rows} == {"New": 1, "Amendment": 2}
    assert rows[0]["attributes"] == {"type": "AggregateResult"}
    assert rest.rows("SELECT COUNT(SBQQ__PaymentTerm__c) terms FROM Order")[0]["terms"] == 1


def test_count_of_more_rows_than_a_page_is_done_at_once(serve):
    org = Org(NOW)
    org.load({"Account": [{"Id": f"001{number:012d}"} for number in range(300)]})
    header = {"Sforce-Query-Options": "batchSize=200"}
    answer = serve(org).query("SELECT COUNT() FROM Account", headers=header).json()
    assert answer == {"totalSize": 300, "done": True, "records": []}


def test_field_sets_show_what_they_name(rest):
    standard = rest.rows("SELECT FIELDS(STANDARD) FROM Order")[0]
    custom = rest.rows("SELECT FIELDS(CUSTOM) FROM Order LIMIT 200")[0]
    everything = rest.rows("SELECT FIELDS(ALL) FROM Order LIMIT 200")[0]
    assert "OrderNumber" in standard
    assert not any(name.endswith("__c") for name in standard)
    assert "Stripe_ID__c" in custom
    assert "OrderNumber" not in custom
    assert set(everything) == set(standard) | set(custom)


def test_multipicklists_are_searched_by_their_parts(serve):
    org = Org(NOW)
    org.metadata.find("Account").add(parse_field("Tags__c", "multipicklist(a|b|c)"))
    org.load(
        {"Account": [{"Id": f"001{n:012d}", "Tags__c": tags} for n, tags in enumerate(["a;b", "c", None])]}
    )
    rest = serve(org)
    assert len(rest.ids("SELECT Id FROM Account WHERE Tags__c INCLUDES ('a;b', 'x')")) == 1
    assert len(rest.ids("SELECT Id FROM Account WHERE Tags__c EXCLUDES ('c')")) == 2


def test_currency_field_exists_only_in_a_multi_currency_org(serve):
    assert error_of(serve(Org(NOW)).query("SELECT CurrencyIsoCode FROM Order")) == (400, "INVALID_FIELD")
    switched = serve(Org(NOW, multi_currency=True))
    assert switched.query("SELECT CurrencyIsoCode FROM Order").status_code == 200
    org = Org(NOW)
    org.load({"Order": [{"Id": ORDER_1, "CurrencyIsoCode": "EUR"}]})
    rest = serve(org)
    assert rest.rows("SELECT CurrencyIsoCode FROM Order")[0]["CurrencyIsoCode"] == "EUR"
    assert rest.query("SELECT CurrencyIsoCode FROM Account").status_code == 200


def test_index_follows_writes(rest):
    soql = "SELECT Id FROM Order WHERE Stripe_ID__c = 'sub_1'"
    assert rest.ids(soql) == []
    rest.patch(f"sobjects/Order/{ORDER_1}", {"Stripe_ID__c": "sub_1"})
    assert rest.ids(soql) == [ORDER_1]
    rest.patch(f"sobjects/Order/{ORDER_1}", {"Stripe_ID__c": "sub_2"})
    assert rest.ids(soql) == []


def test_history_query_stays_quick_among_a_thousand_orders(serve):
    records = section_5()
    for number in range(1000):
        records["Order"].append(
            {
                "Id": f"801{number:012d}",
                "SBQQ__Quote__c": f"a0z{number:012d}",
                "OpportunityId": f"006{number:012d}",
            }
        )
        for line in range(5):
            records["OrderItem"].append({"Id": f"802{number:08d}{line:04d}", "OrderId": f"801{number:012d}"})
    org = Org(datetime(2026, 11, 20, tzinfo=UTC))
    org.load(records)
    rest = serve(org)
    parts = [soql_part(name, soql) for name, soql in HISTORY.items()]
    rest.composite(*parts)
    started = time.perf_counter()
    for _ in range(20):
        rest.composite(*parts)
    assert (time.perf_counter() - started) / 20 < 0.1
    assert rest.ids(f"SELECT Id FROM OrderItem WHERE Id = '{LINE_1}'") == [LINE_1]
