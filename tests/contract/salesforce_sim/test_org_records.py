from datetime import timedelta

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
)

from cpqbridge_sim.salesforce.metadata import parse_field
from cpqbridge_sim.salesforce.org import Org

KEY = f"{ORDER_1}|{ORDER_1}"
SYNC_RECORD = "sobjects/Stripe_Sync_Record__c/Key__c/" + KEY.replace("|", "%7C")


def stamp_of(rest: Rest, name: str, record_id: str) -> str:
    return rest.get(f"sobjects/{name}/{record_id}?fields=SystemModstamp").json()["SystemModstamp"]


def test_versions_are_listed_without_a_token(org, serve):
    rest = serve(org, token="")
    versions = rest.get("/services/data/").json()
    assert versions[-1] == {"label": "Winter '27", "url": DATA, "version": "68.0"}
    assert versions[-3]["label"] == "Spring '26"
    assert rest.usage(rest.get("/services/data/")) == 0


@pytest.mark.parametrize("header", ["", "Bearer", "Basic abc", "token-1"])
def test_request_without_a_bearer_token_is_refused(org, serve, header):
    rest = serve(org, token="")
    answer = rest.get("query", params={"q": "SELECT Id FROM Order"}, headers={"Authorization": header})
    assert answer.status_code == 401
    assert answer.json() == [{"message": "Session expired or invalid", "errorCode": "INVALID_SESSION_ID"}]


def test_request_with_a_token_not_on_the_list_is_refused(serve):
    org = Org(NOW, tokens={"good"})
    assert error_of(serve(org, token="bad").get("limits")) == (401, "INVALID_SESSION_ID")
    assert serve(org, token="good").get("limits").status_code == 200


def test_retired_and_future_versions_are_refused(rest):
    assert error_of(rest.get("/services/data/v30.0/limits")) == (410, "UNSUPPORTED_API_VERSION")
    assert error_of(rest.get("/services/data/v99.0/limits")) == (404, "NOT_FOUND")
    assert rest.get("/services/data/v66.0/limits").status_code == 200


@pytest.mark.parametrize(
    "path",
    [
        "/",
        "/services/",
        "/services/oauth2/token",
        f"{DATA}/jobs/query",
        f"{DATA}/metadata/deployRequest",
        f"{DATA}/composite/graph",
        f"{DATA}/sobjects/Nope__c",
        f"{DATA}/sobjects/Order/{ORDER_1}/OrderItems/x",
        "/_sim/nope",
    ],
)
def test_unknown_paths_are_not_found(rest, path):
    assert error_of(rest.get(path)) == (404, "NOT_FOUND")


def test_sign_in_page_that_is_not_simulated_is_not_found_with_a_form_either(rest):
    form = {"access_token": "token-1"}
    assert error_of(rest.call("POST", "/services/oauth2/singleaccess", data=form)) == (404, "NOT_FOUND")


def test_session_comes_before_the_body(org, serve):
    rest = serve(org, token="")
    answer = rest.call("PATCH", f"sobjects/Order/{ORDER_1}", content=b"{")
    assert error_of(answer) == (401, "INVALID_SESSION_ID")


def test_request_with_a_broken_body_counts(rest):
    before = rest.usage(rest.get("limits"))
    assert rest.usage(rest.call("PATCH", f"sobjects/Order/{ORDER_1}", content=b"{")) == before + 1


def test_every_answer_has_the_limits_and_the_org_s_date(rest):
    for path in ("limits", "nowhere", "query"):
        answer = rest.get(path)
        assert answer.headers["date"] == "Fri, 20 Nov 2026 10:00:00 GMT"
        assert answer.headers["sforce-limit-info"].endswith("/115000")


def test_resources_are_listed(rest):
    assert rest.get("").json()["sobjects"] == f"{DATA}/sobjects"
    names = [item["name"] for item in rest.get("sobjects").json()["sobjects"]]
    assert {"Order", "SBQQ__Quote__c", "Stripe_Sync_Record__c"} <= set(names)
    assert rest.get("sobjects/order").json()["objectDescribe"]["keyPrefix"] == "801"


def test_wrong_method_says_which_are_allowed(rest):
    answer = rest.call("PUT", f"sobjects/Order/{ORDER_1}")
    assert error_of(answer) == (405, "METHOD_NOT_ALLOWED")
    assert "PATCH" in answer.json()[0]["message"]
    assert error_of(rest.call("POST", "query")) == (405, "METHOD_NOT_ALLOWED")


def test_record_is_read_whole_or_by_fields_with_a_short_or_long_id(rest):
    whole = rest.get(f"sobjects/Order/{ORDER_1[:15]}").json()
    assert whole["Id"] == ORDER_1
    assert whole["attributes"]["url"] == f"{DATA}/sobjects/Order/{ORDER_1}"
    assert whole["Skip_Past_Initial_Invoices__c"] is False
    some = rest.get(f"sobjects/Order/{ORDER_1}?fields=OrderNumber,Account.Name").json()
    assert some["OrderNumber"] == "00000101"
    assert some["Account"]["Name"] == "Baden Trading"
    assert error_of(rest.get(f"sobjects/Order/{ORDER_1}?fields=Nope")) == (400, "INVALID_FIELD")


def test_record_when_unknown_or_deleted_is_not_found(rest):
    assert error_of(rest.get("sobjects/Order/801Qy0000099999")) == (404, "NOT_FOUND")
    assert error_of(rest.get("sobjects/Order/nonsense")) == (404, "NOT_FOUND")
    rest.call("DELETE", f"sobjects/Contract/{CONTRACT}")
    assert error_of(rest.get(f"sobjects/Contract/{CONTRACT}")) == (404, "NOT_FOUND")


def test_patch_of_a_deleted_record_says_so(rest):
    assert rest.call("DELETE", f"sobjects/Contract/{CONTRACT}").status_code == 204
    assert error_of(rest.patch(f"sobjects/Contract/{CONTRACT}", {"ContractTerm": 1})) == (
        404,
        "ENTITY_IS_DELETED",
    )


def test_patch_answers_empty_and_moves_the_stamp_even_when_nothing_changes(rest):
    stamps = [stamp_of(rest, "Order", ORDER_1)]
    for _ in range(2):
        answer = rest.patch(f"sobjects/Order/{ORDER_1}", {"Stripe_ID__c": "sub_sched_1"})
        assert (answer.status_code, answer.content) == (204, b"")
        stamps.append(stamp_of(rest, "Order", ORDER_1))
    assert stamps == sorted(set(stamps))
    assert stamps[-1] >= "2026-11-20T10:00:00.000+0000"


def test_patch_leaves_absent_fields_and_clears_null_ones(rest):
    rest.patch(f"sobjects/Order/{ORDER_1}", {"Stripe_ID__c": "a", "Stripe_Link__c": "b"})
    rest.patch(f"sobjects/Order/{ORDER_1}", {"Stripe_ID__c": None})
    row = rest.rows(f"SELECT Stripe_ID__c, Stripe_Link__c FROM Order WHERE Id = '{ORDER_1}'")[0]
    assert (row["Stripe_ID__c"], row["Stripe_Link__c"]) == (None, "b")


@pytest.mark.parametrize(
    ("fields", "code", "names"),
    [
        ({"Nope__c": 1}, "INVALID_FIELD", ["Nope__c"]),
        ({"TotalAmount": 5}, "INVALID_FIELD_FOR_INSERT_UPDATE", ["TotalAmount"]),
        ({"Id": ORDER_1}, "INVALID_FIELD", ["Id"]),
        ({"Stripe_ID__c": "x" * 256}, "STRING_TOO_LONG", ["Stripe_ID__c"]),
        ({"Stripe_ID__c": 5}, "JSON_PARSER_ERROR", None),
        ({"Stripe_ID__c": {"a": 1}}, "JSON_PARSER_ERROR", None),
        ({"Skip_Past_Initial_Invoices__c": "true"}, "JSON_PARSER_ERROR", None),
        ({"EndDate": "31.01.2027"}, "JSON_PARSER_ERROR", None),
        ({"EffectiveDate": None}, "REQUIRED_FIELD_MISSING", ["EffectiveDate"]),
        ({"AccountId": "001Qy0000000001"}, "INVALID_CROSS_REFERENCE_KEY", ["AccountId"]),
        ({"AccountId": "nobody"}, "MALFORMED_ID", ["AccountId"]),
        ({"SBQQ__RenewalTerm__c": 1e9}, "NUMBER_OUTSIDE_VALID_RANGE", ["SBQQ__RenewalTerm__c"]),
    ],
)
def test_patch_when_a_value_does_not_fit_names_the_field(rest, fields, code, names):
    answer = rest.patch(f"sobjects/Order/{ORDER_1}", fields)
    assert error_of(answer) == (400, code)
    assert answer.json()[0].get("fields") == names


def test_patch_of_a_hidden_field_is_an_unknown_field(serve):
    org = Org(NOW, hidden_fields={"Account": ["Stripe_ID__c"]})
    org.load({"Account": [{"Id": "001000000000001"}]})
    answer = serve(org).patch("sobjects/Account/001000000000001", {"Stripe_ID__c": "cus_1"})
    assert error_of(answer) == (400, "INVALID_FIELD")
    assert answer.json()[0]["fields"] == ["Stripe_ID__c"]


def test_restricted_picklist_and_email_are_checked(rest):
    coupon = rest.call("POST", "sobjects/Quote_Stripe_Coupon__c", json={"Duration__c": "sometimes"})
    assert error_of(coupon) == (400, "INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST")
    contact = rest.call("POST", "sobjects/Contact", json={"LastName": "B", "Email": "nobody"})
    assert error_of(contact) == (400, "INVALID_EMAIL_ADDRESS")


@pytest.mark.parametrize(
    ("body", "kind", "expected"),
    [
        (b"{", "application/json", (400, "JSON_PARSER_ERROR")),
        (b"[1]", "application/json", (400, "JSON_PARSER_ERROR")),
        (b'{"Stripe_ID__c": NaN}', "application/json", (400, "JSON_PARSER_ERROR")),
        (b"\xff\xfe", "application/json", (400, "JSON_PARSER_ERROR")),
        (b"[" * 100_000, "application/json", (400, "JSON_PARSER_ERROR")),
        (b'{"a":' * 60 + b"1" + b"}" * 60, "application/json", (400, "JSON_PARSER_ERROR")),
        (b"Stripe_ID__c=x", "application/x-www-form-urlencoded", (415, "UNSUPPORTED_MEDIA_TYPE")),
    ],
)
def test_body_when_no_record_is_refused(rest, body, kind, expected):
    answer = rest.call("PATCH", f"sobjects/Order/{ORDER_1}", content=body, headers={"Content-Type": kind})
    assert error_of(answer) == expected


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (12, "VALUE_NUMBER 12"),
        (True, "VALUE_TRUE"),
        (False, "VALUE_FALSE"),
        ({"a": 1}, "START_OBJECT"),
        (["a"], "START_ARRAY"),
    ],
)
def test_value_of_the_wrong_kind_is_named_as_json_names_it(rest, value, shown):
    answer = rest.patch(f"sobjects/Order/{ORDER_1}", {"Stripe_ID__c": value}).json()
    assert (
        answer[0]["message"] == f"Cannot deserialize instance of string from {shown} for field Stripe_ID__c"
    )


def test_create_answers_the_new_id_and_its_address(rest):
    answer = rest.call("POST", "sobjects/Account", json={"Name": "New"})
    assert answer.status_code == 201
    created = answer.json()
    assert created == {"id": created["id"], "success": True, "errors": []}
    assert len(created["id"]) == 18
    assert answer.headers["location"] == f"{DATA}/sobjects/Account/{created['id']}"
    assert rest.get(answer.headers["location"]).json()["Name"] == "New"
    assert error_of(rest.call("POST", "sobjects/Account", json={})) == (400, "REQUIRED_FIELD_MISSING")


def test_upsert_creates_then_updates_by_external_id(rest):
    first = rest.patch(SYNC_RECORD, {"Order__c": ORDER_1[:15], "Status__c": "Success"})
    assert first.status_code == 201
    record_id = first.json()["id"]
    assert first.json() == {"id": record_id, "success": True, "errors": [], "created": True}
    second = rest.patch(SYNC_RECORD, {"Status__c": "Failed"})
    assert (second.status_code, second.json()["created"], second.json()["id"]) == (200, False, record_id)
    row = rest.get(SYNC_RECORD).json()
    assert (row["Key__c"], row["Order__c"], row["Status__c"]) == (KEY, ORDER_1, "Failed")
    assert row["Name"].startswith("SR-")


def test_upsert_key_is_case_sensitive(rest):
    rest.patch("sobjects/Stripe_Sync_Record__c/Key__c/abc", {})
    assert rest.patch("sobjects/Stripe_Sync_Record__c/Key__c/ABC", {}).json()["created"] is True


def test_upsert_when_update_only_or_field_is_no_external_id_is_not_found(rest):
    assert error_of(rest.patch(SYNC_RECORD + "?updateOnly=true", {})) == (404, "NOT_FOUND")
    assert error_of(rest.patch("sobjects/Order/OrderNumber/00000101", {})) == (404, "NOT_FOUND")
    assert error_of(rest.patch(SYNC_RECORD, {"Key__c": KEY})) == (400, "INVALID_FIELD")


def test_upsert_when_two_records_match_changes_nothing(org, rest):
    org.metadata.find("Account").add(parse_field("Legacy__c", "string(20) external"))
    org.load({"Account": [{"Id": f"00100000000000{n}", "Legacy__c": "A1", "Phone": "0"} for n in (1, 2)]})
    answer = rest.patch("sobjects/Account/Legacy__c/a1", {"Phone": "1"})
    assert answer.status_code == 300
    assert answer.json() == [f"{DATA}/sobjects/Account/00100000000000{n}AAA" for n in (1, 2)]
    assert {row["Phone"] for row in rest.rows("SELECT Phone FROM Account WHERE Legacy__c = 'A1'")} == {"0"}


def test_duplicate_of_a_unique_field_names_the_other_record(rest):
    created = rest.call("POST", "sobjects/Stripe_Sync_Record__c", json={"Key__c": "k"}).json()["id"]
    answer = rest.call("POST", "sobjects/Stripe_Sync_Record__c", json={"Key__c": "k"})
    assert error_of(answer) == (400, "DUPLICATE_VALUE")
    assert answer.json()[0]["message"].endswith(f"record with id: {created[:15]}")


def test_line_of_an_activated_order_is_locked_but_for_custom_fields(rest):
    for fields in (
        {"Quantity": 11},
        {"UnitPrice": 1.5},
        {"ServiceDate": "2026-03-01"},
        {"SBQQ__BillingType__c": "Arrears"},
    ):
        answer = rest.patch(f"sobjects/OrderItem/{LINE_1}", fields)
        assert error_of(answer) == (400, "FIELD_INTEGRITY_EXCEPTION")
        assert answer.json()[0]["fields"] == list(fields)
    assert rest.patch(f"sobjects/OrderItem/{LINE_1}", {"Stripe_ID__c": "price_1"}).status_code == 204
    assert rest.patch(f"sobjects/OrderItem/{LINE_1}", {"Quantity": 10}).status_code == 204
    assert error_of(rest.call("DELETE", f"sobjects/OrderItem/{LINE_1}")) == (400, "FIELD_INTEGRITY_EXCEPTION")
    assert error_of(rest.call("DELETE", f"sobjects/Order/{ORDER_1}")) == (400, "FIELD_INTEGRITY_EXCEPTION")


def test_activated_order_without_the_right_to_edit_is_read_only(serve):
    org = Org(NOW, edit_activated_orders=False)
    org.load({"Order": [{"Id": ORDER_1, "StatusCode": "Activated"}, {"Id": ORDER_2, "StatusCode": "Draft"}]})
    rest = serve(org)
    answer = rest.patch(f"sobjects/Order/{ORDER_1}", {"Stripe_ID__c": "x"})
    assert error_of(answer) == (403, "INSUFFICIENT_ACCESS_OR_READONLY")
    assert rest.patch(f"sobjects/Order/{ORDER_2}", {"Stripe_ID__c": "x"}).status_code == 204


def test_order_when_deactivated_edited_and_activated_again_has_a_new_activation(org, rest):
    org.update("Order", ORDER_2, {"Status": "Activated"})
    org.set_clock(NOW + timedelta(hours=1))
    line = rest.ids(f"SELECT Id FROM OrderItem WHERE OrderId = '{ORDER_2}'")[0]
    order = f"sobjects/Order/{ORDER_2}"
    assert rest.patch(order, {"Status": "Draft"}).status_code == 204
    draft = rest.get(order).json()
    assert (draft["StatusCode"], draft["ActivatedDate"]) == ("Draft", None)
    assert rest.patch(f"sobjects/OrderItem/{line}", {"Quantity": 3}).status_code == 204
    assert rest.patch(order, {"Status": "Activated"}).status_code == 204
    row = rest.rows(
        "SELECT Quantity, TotalPrice, SBQQ__Status__c, Order.StatusCode, Order.TotalAmount, Order.ActivatedDate "
        f"FROM OrderItem WHERE Id = '{line}'"
    )[0]
    assert (row["Quantity"], str(row["TotalPrice"]), row["SBQQ__Status__c"]) == (3, "1293.69", "Activated")
    assert (row["Order"]["StatusCode"], str(row["Order"]["TotalAmount"])) == ("Activated", "1293.69")
    assert row["Order"]["ActivatedDate"] > "2026-11-20T11:00"


def test_contracted_order_cannot_be_deactivated(org, rest):
    org.update("Order", ORDER_1, {"Status": "Activated"})
    answer = rest.patch(f"sobjects/Order/{ORDER_1}", {"Status": "Draft"})
    assert error_of(answer) == (400, "FIELD_INTEGRITY_EXCEPTION")


def test_status_the_org_does_not_have_is_refused(org, rest):
    answer = rest.patch(f"sobjects/Order/{ORDER_2}", {"Status": "Aktiviert"})
    assert error_of(answer) == (400, "INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST")
    born = rest.call("POST", "sobjects/Order", json={"Status": "Junk", "EffectiveDate": "2026-12-01"})
    assert error_of(born) == (400, "INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST")
    # A label that has been renamed shows on the org's own orders.
    org.update("Order", ORDER_1, {"Status": "Aktiviert", "StatusCode": "Activated"})
    assert rest.patch(f"sobjects/Order/{ORDER_2}", {"Status": "Aktiviert"}).status_code == 204


def test_order_without_lines_cannot_be_activated(rest):
    created = rest.call("POST", "sobjects/Order", json={"Status": "Draft", "EffectiveDate": "2026-12-01"})
    answer = rest.patch(f"sobjects/Order/{created.json()['id']}", {"Status": "Activated"})
    assert error_of(answer) == (400, "FAILED_ACTIVATION")
    born = rest.call("POST", "sobjects/Order", json={"Status": "Activated", "EffectiveDate": "2026-12-01"})
    assert error_of(born) == (400, "FAILED_ACTIVATION")


def test_patch_when_record_changed_since_the_given_date_is_refused(rest):
    before = {"If-Unmodified-Since": "Fri, 20 Nov 2026 09:00:00 GMT"}
    path = f"sobjects/Order/{ORDER_2}"
    assert rest.patch(path, {"Stripe_ID__c": "a"}).status_code == 204
    assert error_of(rest.patch(path, {"Stripe_ID__c": "b"}, headers=before)) == (412, "ENTITY_IS_MODIFIED")


def test_describe_shows_fields_children_and_what_the_connector_needs(rest):
    described = rest.get("sobjects/Order/describe").json()
    fields = {field["name"]: field for field in described["fields"]}
    assert described["keyPrefix"] == "801"
    assert fields["SBQQ__Quote__c"]["relationshipName"] == "SBQQ__Quote__r"
    assert fields["SBQQ__Quote__c"]["referenceTo"] == ["SBQQ__Quote__c"]
    assert (
        fields["TotalAmount"]["type"],
        fields["TotalAmount"]["scale"],
        fields["TotalAmount"]["updateable"],
    ) == (
        "currency",
        2,
        False,
    )
    assert "CurrencyIsoCode" not in fields
    assert {"relationshipName": "OrderItems", "childSObject": "OrderItem", "field": "OrderId"}.items() <= {
        key: value
        for child in described["childRelationships"]
        for key, value in child.items()
        if child["relationshipName"] == "OrderItems"
    }.items()
    key = next(
        field
        for field in rest.get("sobjects/Stripe_Sync_Record__c/describe").json()["fields"]
        if field["name"] == "Key__c"
    )
    assert (key["externalId"], key["unique"], key["caseSensitive"], key["length"]) == (True, True, True, 255)


def test_describe_when_unchanged_is_304_until_a_field_is_added(org, rest):
    first = rest.get("sobjects/Order/describe")
    known = {"If-Modified-Since": first.headers["last-modified"]}
    again = rest.get("sobjects/Order/describe", headers=known)
    assert (again.status_code, again.content) == (304, b"")
    org.set_clock(NOW + timedelta(minutes=1))
    org.load({"Order": [{"Id": ORDER_1, "Region__c": "EMEA"}]})
    changed = rest.get("sobjects/Order/describe", headers=known)
    assert changed.status_code == 200
    assert {"name": "Region__c", "type": "string"}.items() <= changed.json()["fields"][-1].items()


def test_describe_of_an_absent_object_is_not_found(rest):
    assert error_of(rest.get("sobjects/Nope__c/describe")) == (404, "NOT_FOUND")


def test_our_fields_carry_the_prefix_of_the_org(serve):
    rest = serve(Org(NOW, field_prefix="Acme_"))
    assert rest.query("SELECT Acme_Stripe_ID__c, Acme_Stripe_Sync_Status__c FROM Order").status_code == 200
    assert error_of(rest.query("SELECT Stripe_ID__c FROM Order")) == (400, "INVALID_FIELD")
    assert rest.query("SELECT Key__c FROM Stripe_Sync_Record__c").status_code == 200


def test_limits_and_usage_roll_over_24_hours(serve):
    org = Org(NOW, daily_limit=3)
    rest = serve(org)
    assert rest.get("limits").json()["DailyApiRequests"] == {"Max": 3, "Remaining": 2}
    rest.get("limits")
    assert rest.usage(rest.get("limits")) == 3
    answer = rest.get("limits")
    assert error_of(answer) == (403, "REQUEST_LIMIT_EXCEEDED")
    assert answer.json()[0]["message"] == "TotalRequests Limit exceeded."
    assert rest.get("/services/oauth2/userinfo").status_code == 200
    org.set_clock(NOW + timedelta(hours=24))
    assert rest.usage(rest.get("limits")) == 1


def test_updated_and_deleted_list_ids_by_whole_minutes(org, rest):
    org.set_clock(NOW + timedelta(minutes=10))
    rest.patch(f"sobjects/Order/{ORDER_2}", {"Stripe_ID__c": "x"})
    rest.call("DELETE", f"sobjects/Contract/{CONTRACT}")
    org.set_clock(NOW + timedelta(minutes=20, seconds=30))
    window = "start=2026-11-20T10:01:30Z&end=2026-11-20T10:30:00%2B00:00"
    updated = rest.get(f"sobjects/Order/updated/?{window}").json()
    assert updated == {"ids": [ORDER_2], "latestDateCovered": "2026-11-20T10:20:00.000+0000"}
    deleted = rest.get(f"sobjects/Contract/deleted/?{window}").json()
    assert [row["id"] for row in deleted["deletedRecords"]] == [CONTRACT]
    assert rest.get(f"sobjects/Contract/updated?{window}").json()["ids"] == []


@pytest.mark.parametrize(
    "window",
    [
        "start=2026-10-01T00:00:00Z&end=2026-11-20T00:00:00Z",
        "start=2026-11-20T09:00:00Z&end=2026-11-20T09:00:40Z",
        "start=yesterday&end=2026-11-20T00:00:00Z",
        "",
    ],
)
def test_updated_when_the_window_is_wrong_is_refused(rest, window):
    assert error_of(rest.get(f"sobjects/Order/updated/?{window}")) == (400, "INVALID_REPLICATION_DATE")


def test_userinfo_and_organization_name_the_same_org(rest):
    told = rest.get("/services/oauth2/userinfo").json()
    row = rest.rows("SELECT Id, Name, OrganizationType, IsSandbox FROM Organization")[0]
    assert told["organization_id"] == row["Id"]
    assert row["IsSandbox"] is True
    assert len(row["Id"]) == 18
