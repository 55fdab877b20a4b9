import pytest
from tests.contract.salesforce_sim.simulated_org import (
    CONTRACT,
    DATA,
    LINE_1,
    NOW,
    ORDER_1,
    ORDER_2,
    Rest,
    error_of,
    soql_part,
)

from cpqbridge_sim.salesforce.org import Org

COLLECTION = "composite/sobjects"
SYNC_RECORDS = "composite/sobjects/Stripe_Sync_Record__c/Key__c"


def order(record_id: str, **fields) -> dict:
    return {"attributes": {"type": "Order"}, "Id": record_id, **fields}


def sync_record(key: str, **fields) -> dict:
    return {"attributes": {"type": "Stripe_Sync_Record__c"}, "Key__c": key, **fields}


def stripe_ids(rest: Rest) -> dict[str, str | None]:
    return {row["Id"]: row["Stripe_ID__c"] for row in rest.rows("SELECT Id, Stripe_ID__c FROM Order")}


def results(answer, name: str) -> dict:
    return next(part for part in answer.json()["compositeResponse"] if part["referenceId"] == name)


def test_write_back_in_one_call_saves_fields_and_sync_records(rest):
    fields = [
        {"attributes": {"type": "Account"}, "Id": "001Qy00000BdNrTIAV", "Stripe_ID__c": "cus_1"},
        order(
            ORDER_1, Stripe_ID__c="sub_sched_1", Stripe_Sync_Status__c="Synced", Stripe_Sync_Message__c=None
        ),
        {"attributes": {"type": "OrderItem"}, "Id": LINE_1, "Stripe_ID__c": "price_1"},
        {"attributes": {"type": "PricebookEntry"}, "Id": "01uQy00000PbE01IAF", "Stripe_ID__c": "price_1"},
    ]
    record = sync_record(f"{ORDER_1}|{ORDER_1}", Order__c=ORDER_1, Status__c="Success", Message__c="")
    answer = rest.composite(
        {
            "method": "PATCH",
            "referenceId": "fields",
            "url": f"{DATA}/{COLLECTION}",
            "body": {"allOrNone": False, "records": fields},
        },
        {
            "method": "PATCH",
            "referenceId": "records",
            "url": f"{DATA}/{SYNC_RECORDS}",
            "body": {"allOrNone": False, "records": [record]},
        },
    )
    assert [item["success"] for item in results(answer, "fields")["body"]] == [True] * 4
    saved = results(answer, "records")["body"]
    assert saved == [{"id": saved[0]["id"], "success": True, "created": True, "errors": []}]
    assert stripe_ids(rest)[ORDER_1] == "sub_sched_1"
    assert rest.usage(answer) == 1


def test_reference_in_an_encoded_query_may_be_encoded_too(rest):
    first = soql_part("contract", f"SELECT SBQQ__Quote__c FROM Contract WHERE Id = '{CONTRACT}'")
    for reference in (
        "@{contract.records[0].SBQQ__Quote__c}",
        "%40%7Bcontract.records%5B0%5D.SBQQ__Quote__c%7D",
    ):
        second = {
            "method": "GET",
            "referenceId": "orders",
            "url": f"{DATA}/query?q=SELECT+Id+FROM+Order+WHERE+SBQQ__Quote__c=%27{reference}%27",
        }
        answer = rest.composite(first, second)
        assert [row["Id"] for row in results(answer, "orders")["body"]["records"]] == [ORDER_1]


def test_reference_in_a_body_keeps_the_value_s_type(rest):
    answer = rest.composite(
        {
            "method": "POST",
            "referenceId": "account",
            "url": f"{DATA}/sobjects/Account",
            "body": {"Name": "New"},
        },
        {
            "method": "POST",
            "referenceId": "record",
            "url": f"{DATA}/{COLLECTION}",
            "body": {
                "records": [
                    sync_record("k", Message__c="account @{account.id}", Resolved__c="@{account.success}")
                ]
            },
        },
        {"method": "GET", "referenceId": "again", "url": f"{DATA}/sobjects/Account/@{{account.id}}"},
    )
    account = results(answer, "account")
    assert account["httpHeaders"] == {"Location": f"{DATA}/sobjects/Account/{account['body']['id']}"}
    assert results(answer, "again")["body"]["Name"] == "New"
    row = rest.rows("SELECT Message__c, Resolved__c FROM Stripe_Sync_Record__c")[0]
    assert (row["Message__c"], row["Resolved__c"]) == (f"account {account['body']['id']}", True)


def test_reference_when_null_missing_or_unknown_fails_that_part_and_its_dependants_only(rest):
    answer = rest.composite(
        soql_part("order", f"SELECT SBQQ__PaymentTerm__c FROM Order WHERE Id = '{ORDER_2}'"),
        soql_part(
            "empty",
            "SELECT Id FROM Order WHERE SBQQ__PaymentTerm__c = '@{order.records[0].SBQQ__PaymentTerm__c}'",
        ),
        soql_part("after", "SELECT Id FROM Order WHERE Id = '@{empty.records[0].Id}'"),
        soql_part("beyond", "SELECT Id FROM Order WHERE Id = '@{order.records[7].Id}'"),
        soql_part("other", "SELECT COUNT() FROM Order"),
    )
    parts = {part["referenceId"]: part for part in answer.json()["compositeResponse"]}
    assert [part["httpStatusCode"] for part in parts.values()] == [200, 400, 400, 400, 200]
    for name in ("empty", "after", "beyond"):
        assert parts[name]["body"][0]["errorCode"] == "PROCESSING_HALTED"
        assert parts[name]["body"][0]["message"].startswith("Invalid reference specified. No value for")


def test_composite_all_or_none_when_one_fails_saves_nothing(rest):
    def patch(name: str, fields: dict) -> dict:
        return {
            "method": "PATCH",
            "referenceId": name,
            "url": f"{DATA}/sobjects/Order/{ORDER_1}",
            "body": fields,
        }

    parts = [
        patch("good", {"Stripe_ID__c": "x"}),
        patch("bad", {"Nope__c": 1}),
        patch("late", {"Stripe_ID__c": "y"}),
    ]
    answer = rest.composite(*parts, all_or_none=True)
    assert answer.status_code == 200
    codes = {
        part["referenceId"]: (part["httpStatusCode"], part["body"][0]["errorCode"])
        for part in answer.json()["compositeResponse"]
    }
    assert codes == {
        "good": (400, "PROCESSING_HALTED"),
        "bad": (400, "INVALID_FIELD"),
        "late": (400, "PROCESSING_HALTED"),
    }
    assert stripe_ids(rest)[ORDER_1] is None
    assert rest.composite(*parts).json()["compositeResponse"][0]["httpStatusCode"] == 204
    assert stripe_ids(rest)[ORDER_1] == "y"


def test_composite_limits_are_25_parts_and_5_queries(rest):
    count = [soql_part(f"q{number}", "SELECT COUNT() FROM Order") for number in range(6)]
    assert error_of(rest.composite(*count)) == (400, "LIMIT_EXCEEDED")
    assert rest.composite(*count[:5]).status_code == 200
    reads = [
        {"method": "GET", "referenceId": f"r{number}", "url": f"{DATA}/sobjects/Order/{ORDER_1}"}
        for number in range(26)
    ]
    assert error_of(rest.composite(*reads)) == (400, "LIMIT_EXCEEDED")
    assert rest.composite(*reads[:25]).status_code == 200


@pytest.mark.parametrize(
    "part",
    [
        {"method": "GET", "url": f"{DATA}/limits"},
        {"method": "GET", "url": f"{DATA}/limits", "referenceId": "not valid"},
        {"method": "GET", "referenceId": "a"},
        "text",
    ],
)
def test_composite_when_a_part_is_malformed_is_refused_whole(rest, part):
    assert rest.composite(part).status_code == 400


def test_composite_reference_ids_are_used_once(rest):
    part = {"method": "GET", "referenceId": "a", "url": f"{DATA}/limits"}
    assert error_of(rest.composite(part, part)) == (400, "INVALID_INPUT")


@pytest.mark.parametrize(
    "url", ["/services/data/v60.0/limits", f"{DATA}/composite", "https://elsewhere.example/"]
)
def test_composite_part_stays_inside_its_version(rest, url):
    answer = rest.composite({"method": "GET", "referenceId": "a", "url": url})
    assert results(answer, "a")["httpStatusCode"] == 400


def test_composite_query_that_fails_says_why_in_its_part(rest):
    answer = rest.composite(
        soql_part("bad", "SELECT Nope FROM Order"), soql_part("good", "SELECT Id FROM Order")
    )
    assert results(answer, "bad")["body"][0]["errorCode"] == "INVALID_FIELD"
    assert results(answer, "good")["httpStatusCode"] == 200


def test_batch_counts_each_part_and_commits_each(rest):
    parts = [
        {"method": "PATCH", "url": f"v68.0/sobjects/Order/{ORDER_1}", "richInput": {"Stripe_ID__c": "x"}},
        {"method": "PATCH", "url": f"v68.0/sobjects/Order/{ORDER_1}", "richInput": {"Nope": "x"}},
        *({"method": "GET", "url": "v68.0/limits"} for _ in range(3)),
    ]
    answer = rest.call("POST", "composite/batch", json={"batchRequests": parts})
    assert rest.usage(answer) == 5
    assert answer.json()["hasErrors"] is True
    assert [part["statusCode"] for part in answer.json()["results"]] == [204, 400, 200, 200, 200]
    assert stripe_ids(rest)[ORDER_1] == "x"
    halted = rest.call("POST", "composite/batch", json={"haltOnError": True, "batchRequests": parts[1:3]})
    assert [part["statusCode"] for part in halted.json()["results"]] == [400, 412]


def test_collection_when_one_record_is_bad_saves_the_others(rest):
    records = [
        order(ORDER_1, Stripe_ID__c="a"),
        order(ORDER_2, Nope__c="b"),
        order("801Qy0000099999", Stripe_ID__c="c"),
    ]
    answer = rest.patch(COLLECTION, {"records": records})
    assert answer.status_code == 200
    good, bad, unknown = answer.json()
    assert good == {"id": ORDER_1, "success": True, "errors": []}
    assert (bad["success"], bad["errors"][0]["statusCode"], bad["errors"][0]["fields"]) == (
        False,
        "INVALID_FIELD",
        ["Nope__c"],
    )
    assert unknown["errors"][0]["statusCode"] == "INVALID_CROSS_REFERENCE_KEY"
    assert stripe_ids(rest)[ORDER_1] == "a"


def test_collection_all_or_none_when_one_record_is_bad_saves_none(rest):
    records = [order(ORDER_1, Stripe_ID__c="a"), order(ORDER_2, Nope__c="b")]
    answer = rest.patch(COLLECTION, {"allOrNone": True, "records": records})
    assert answer.status_code == 200
    codes = [item["errors"][0]["statusCode"] for item in answer.json()]
    assert codes == ["ALL_OR_NONE_OPERATION_ROLLED_BACK", "INVALID_FIELD"]
    assert stripe_ids(rest)[ORDER_1] is None


def test_collection_of_201_records_is_refused(rest):
    records = [order(ORDER_1, Stripe_ID__c="a")] * 201
    assert error_of(rest.patch(COLLECTION, {"records": records})) == (400, "EXCEEDED_ID_LIMIT")
    assert error_of(rest.patch(SYNC_RECORDS, {"records": records})) == (400, "EXCEEDED_ID_LIMIT")


def test_collection_of_more_than_ten_runs_of_a_type_is_refused(rest):
    pair = [order(ORDER_1), {"attributes": {"type": "OrderItem"}, "Id": LINE_1}]
    assert error_of(rest.patch(COLLECTION, {"records": pair * 6})) == (400, "LIMIT_EXCEEDED")
    assert rest.patch(COLLECTION, {"records": pair * 5}).status_code == 200


def test_collection_creates_and_deletes(rest):
    records = [{"attributes": {"type": "Account"}, "Name": f"A{number}"} for number in range(2)]
    ids = [item["id"] for item in rest.call("POST", COLLECTION, json={"records": records}).json()]
    assert len(rest.ids("SELECT Id FROM Account WHERE Name LIKE 'A_'")) == 2
    answer = rest.call("DELETE", f"{COLLECTION}?ids={','.join(ids)}")
    assert [item["success"] for item in answer.json()] == [True, True]
    assert rest.ids("SELECT Id FROM Account WHERE Name LIKE 'A_'") == []


@pytest.mark.parametrize(
    ("record", "code"),
    [
        ({"Id": ORDER_1}, "INVALID_TYPE"),
        ({"attributes": {"type": "Nope"}, "Id": ORDER_1}, "INVALID_TYPE"),
        ({"attributes": {"type": "Order"}}, "MISSING_ARGUMENT"),
        ({"attributes": {"type": "Order"}, "Id": "nonsense"}, "MALFORMED_ID"),
        ("text", "INVALID_TYPE"),
    ],
)
def test_collection_record_when_malformed_fails_alone(rest, record, code):
    answer = rest.patch(COLLECTION, {"records": [record, order(ORDER_1, Stripe_ID__c="a")]})
    first, second = answer.json()
    assert first["errors"][0]["statusCode"] == code
    assert second["success"] is True


def test_collection_upsert_tells_created_from_updated_and_refuses_equal_keys(rest):
    first = rest.patch(SYNC_RECORDS, {"records": [sync_record("a", Order__c=ORDER_1)]}).json()
    assert first[0]["created"] is True
    second = rest.patch(
        SYNC_RECORDS, {"records": [sync_record("a", Status__c="Failed"), sync_record("b"), sync_record("b")]}
    ).json()
    assert (second[0]["created"], second[0]["id"]) == (False, first[0]["id"])
    assert [item["errors"][0]["statusCode"] for item in second[1:]] == ["DUPLICATE_VALUE"] * 2
    keyless = rest.patch(SYNC_RECORDS, {"records": [sync_record(None), order(ORDER_1, Key__c="z")]}).json()
    assert [item["errors"][0]["statusCode"] for item in keyless] == ["MISSING_ARGUMENT", "INVALID_TYPE"]


def test_retrieve_puts_null_in_the_place_of_unknown_records(rest):
    body = {"ids": [ORDER_2[:15], "801Qy0000099999", ORDER_1], "fields": ["OrderNumber", "Account.Name"]}
    rows = rest.call("POST", "composite/sobjects/Order", json=body).json()
    assert rows[1] is None
    assert [rows[0]["OrderNumber"], rows[2]["OrderNumber"]] == ["00000117", "00000101"]
    assert rows[2]["Account"]["Name"] == "Baden Trading"
    body["ids"] = [ORDER_1] * 2001
    assert error_of(rest.call("POST", "composite/sobjects/Order", json=body)) == (400, "EXCEEDED_ID_LIMIT")


def test_composite_is_not_reached_without_a_token(serve):
    rest = serve(Org(NOW), token="")
    assert error_of(rest.composite(soql_part("a", "SELECT Id FROM Order"))) == (401, "INVALID_SESSION_ID")
