import json
from datetime import timedelta
from decimal import Decimal

import pytest
from tests.contract.salesforce_sim.simulated_org import (
    CONTRACT,
    NOW,
    ORDER_1,
    ORDER_2,
    ORDER_3,
    error_of,
    section_5,
)

from cpqbridge_sim.salesforce.cpq import SAMPLE_NOW, sample_org, write_directory
from cpqbridge_sim.salesforce.errors import LoadError
from cpqbridge_sim.salesforce.ids import checksum, long_id
from cpqbridge_sim.salesforce.org import Org

ACCOUNT = "001Qy00000BdNrTIAV"


def loaded(**records) -> Org:
    org = Org(NOW)
    org.load(records)
    return org


def write(folder, name, content) -> None:
    text = content if isinstance(content, str) else json.dumps(content, default=str)
    (folder / f"{name}.json").write_text(text, encoding="utf-8")


@pytest.mark.parametrize(
    ("short", "ending"), [("001D000000IqhSL", "IAZ"), ("801Qy00000AbCdE", "IAV"), ("00DQy000004TeSt", "MAK")]
)
def test_long_ids_end_in_the_checksum(short, ending):
    assert checksum(short) == ending
    assert long_id(short) == short + ending
    assert long_id(short + ending) == short + ending


def test_record_numbers_and_lookups_are_normalised(org):
    line = org.record("OrderItem", "802Qy00000LiNe4")
    assert line["Id"] == "802Qy00000LiNe4IAF"
    assert line["SBQQ__ProrateMultiplier__c"] == Decimal("8.624657534246575")
    short = loaded(Order=[{"Id": ORDER_1[:15], "AccountId": ACCOUNT[:15]}], Account=[{"Id": ACCOUNT}])
    assert short.record("Order", ORDER_1)["AccountId"] == ACCOUNT


def test_id_with_a_wrong_checksum_keeps_its_form_and_is_found_by_either(serve):
    org = loaded(
        Order=[{"Id": "801Qy00000AbC01XXX", "AccountId": "001Qy00000BdNrT"}],
        Account=[{"Id": "001Qy00000BdNrTAAA"}],
    )
    rest = serve(org)
    row = rest.rows("SELECT Id, Account.Id FROM Order WHERE Id = '801Qy00000AbC01'")[0]
    assert (row["Id"], row["Account"]["Id"]) == ("801Qy00000AbC01XXX", "001Qy00000BdNrTAAA")


def test_nested_parent_fills_gaps_of_its_own_record_and_never_overwrites():
    nested = {"Id": ORDER_1, "AccountId": ACCOUNT, "Account": {"Name": "Nested", "Phone": "1"}}
    org = loaded(Order=[nested], Account=[{"Id": ACCOUNT, "Name": "Own"}])
    account = org.record("Account", ACCOUNT)
    assert (account["Name"], account["Phone"]) == ("Own", "1")


def test_nested_parent_takes_its_id_from_attributes():
    url = f"/services/data/v68.0/sobjects/Account/{ACCOUNT}"
    org = loaded(
        Order=[{"Id": ORDER_1, "Account": {"attributes": {"type": "Account", "url": url}, "Name": "A"}}]
    )
    assert org.record("Order", ORDER_1)["AccountId"] == ACCOUNT
    assert org.record("Account", ACCOUNT)["Name"] == "A"


def test_nested_parents_without_any_id_become_one_record_when_equal():
    orders = [{"Id": ORDER_1, "Account": {"Name": "A"}}, {"Id": ORDER_2, "Account": {"Name": "A"}}]
    org = loaded(Order=[*orders, {"Id": ORDER_3, "Account": {"Name": "B"}}])
    first, second, third = (org.record("Order", order)["AccountId"] for order in (ORDER_1, ORDER_2, ORDER_3))
    assert first == second != third
    assert org.record("Account", third)["Name"] == "B"


def test_nested_parents_nest(serve):
    quote = {"SBQQ__PrimaryContact__r": {"Id": "003Qy0000000001", "Email": "a@b.example"}}
    org = loaded(Order=[{"Id": ORDER_1, "SBQQ__Quote__c": "a0zQy00000QuT01", "SBQQ__Quote__r": quote}])
    row = serve(org).rows("SELECT SBQQ__Quote__r.SBQQ__PrimaryContact__r.Email FROM Order")[0]
    assert row["SBQQ__Quote__r"]["SBQQ__PrimaryContact__r"]["Email"] == "a@b.example"


def test_child_list_becomes_child_records():
    children = {"totalSize": 1, "done": True, "records": [{"Id": "802Qy0000000001", "Quantity": 2}]}
    org = loaded(Order=[{"Id": ORDER_1, "OrderItems": children}])
    assert org.record("OrderItem", "802Qy0000000001")["OrderId"] == ORDER_1


def test_compound_address_becomes_its_parts():
    org = loaded(Account=[{"Id": ACCOUNT, "BillingAddress": {"city": "Baden", "postalCode": "76530"}}])
    account = org.record("Account", ACCOUNT)
    assert (account["BillingCity"], account["BillingPostalCode"]) == ("Baden", "76530")


def test_unknown_fields_are_described_by_their_values(org):
    order = {
        "Id": ORDER_1,
        "Flag__c": True,
        "Amount__c": Decimal("1.5"),
        "Day__c": "2026-02-01",
        "Moment__c": "2026-02-01T00:00:00.000+0000",
        "Words__c": "a",
        "Story__c": "x" * 300,
        "Empty__c": None,
        "Partner__c": "a1XQy0000000001",
        "Partner__r": {"attributes": {"type": "Partner__c"}, "Name": "P"},
    }
    org.load({"Order": [order]})
    fields = org.metadata.find("Order").fields
    kinds = {name: fields[name].type for name in order if name.endswith("__c")}
    assert kinds == {
        "Flag__c": "boolean",
        "Amount__c": "double",
        "Day__c": "date",
        "Moment__c": "datetime",
        "Words__c": "string",
        "Story__c": "textarea",
        "Empty__c": "string",
        "Partner__c": "reference",
    }
    assert org.record("Partner__c", "a1XQy0000000001")["Name"] == "P"


def test_status_code_when_not_exported_follows_from_status():
    org = loaded(Order=[{"Id": ORDER_1, "Status": "Activated"}, {"Id": ORDER_2, "Status": "Draft"}])
    assert org.record("Order", ORDER_1)["StatusCode"] == "Activated"
    assert org.record("Order", ORDER_2)["StatusCode"] == "Draft"


def test_status_code_when_empty_follows_from_status():
    org = loaded(Order=[{"Id": ORDER_1, "Status": "Activated", "StatusCode": None}])
    assert org.record("Order", ORDER_1)["StatusCode"] == "Activated"


def test_unknown_field_of_mixed_values_and_choices_without_quotes_become_text():
    org = loaded(
        Order=[
            {"Id": ORDER_1, "Odd__c": 1, "Odder__c": 1, "SBQQ__PaymentTerm__c": 45},
            {"Id": ORDER_2, "Odd__c": "x", "Odder__c": True},
            {"Id": "801Qy00000AbC99", "Odd__c": True},
        ]
    )
    assert org.record("Order", ORDER_1)["SBQQ__PaymentTerm__c"] == "45"
    assert [org.record("Order", each)["Odd__c"] for each in (ORDER_1, "801Qy00000AbC99")] == ["1", "true"]
    assert [org.record("Order", each)["Odder__c"] for each in (ORDER_1, ORDER_2)] == ["1", "true"]


@pytest.mark.parametrize(
    ("record", "parts"),
    [
        ({"OrderNumber": "1"}, ["Order, record 1", "no Id", "Select Id"]),
        ({"Id": "short"}, ["Order, record 1", 'Id is "short"', "15 or 18"]),
        ({"Id": 5}, ["Id is 5", "15 or 18"]),
        ("text", ["Order, record 1", 'it is "text"']),
        ({"Id": ORDER_1, "TotalAmount": "12.50"}, [ORDER_1, 'TotalAmount is "12.50"', "number"]),
        ({"Id": ORDER_1, "TotalAmount": True}, ["TotalAmount is true", "number"]),
        ({"Id": ORDER_1, "TotalAmount": Decimal("1e30")}, ["TotalAmount", "18 digits"]),
        ({"Id": ORDER_1, "TotalAmount": Decimal("NaN")}, ["TotalAmount", "18 digits"]),
        ({"Id": ORDER_1, "SBQQ__Contracted__c": "yes"}, ['SBQQ__Contracted__c is "yes"', "true or false"]),
        ({"Id": ORDER_1, "EffectiveDate": "1 Feb"}, ['EffectiveDate is "1 Feb"', "2026-02-01"]),
        ({"Id": ORDER_1, "EffectiveDate": "2026-02-30"}, ["EffectiveDate", "date"]),
        ({"Id": ORDER_1, "ActivatedDate": "soon"}, ['ActivatedDate is "soon"', "date-time"]),
        ({"Id": ORDER_1, "OrderNumber": 7}, ["OrderNumber is 7", "text"]),
        ({"Id": ORDER_1, "AccountId": "nobody"}, ['AccountId is "nobody"', "15 or 18"]),
        ({"Id": ORDER_1, "Thing": {"a": 1}}, ["Thing is an object", "no relationship"]),
        ({"Id": ORDER_1, "Type": ["a"]}, ["Type is a list"]),
        ({"Id": ORDER_1, "Nopes": {"records": []}}, ["Nopes", "child list"]),
    ],
)
def test_record_when_wrong_is_refused_with_object_record_and_field(record, parts):
    org = Org(NOW)
    with pytest.raises(LoadError) as caught:
        org.load({"Account": [{"Id": ACCOUNT}], "Order": [record]})
    for part in parts:
        assert part in str(caught.value)
    assert org.record("Account", ACCOUNT) is None


def test_record_that_appears_twice_is_refused_unless_equal():
    assert loaded(Account=[{"Id": ACCOUNT, "Name": "A"}] * 2).record("Account", ACCOUNT)["Name"] == "A"
    with pytest.raises(LoadError, match="appears twice"):
        loaded(Account=[{"Id": ACCOUNT, "Name": "A"}, {"Id": ACCOUNT, "Name": "B"}])


def test_directory_in_all_three_shapes_is_loaded(tmp_path, serve):
    records = section_5()
    write(
        tmp_path,
        "Contract",
        {"status": 0, "result": {"records": records["Contract"], "totalSize": 1, "done": True}},
    )
    (tmp_path / "Order.json").write_text(
        json.dumps({"records": records["Order"]}, default=float), encoding="utf-8-sig"
    )
    write(tmp_path, "orderitem", json.dumps(records["OrderItem"], default=float))
    (tmp_path / "notes.txt").write_text("ignored", encoding="utf-8")
    org = Org(NOW)
    counts = org.load_directory(tmp_path)
    assert (counts["Contract"], counts["Order"], counts["OrderItem"]) == (1, 3, 5)
    rest = serve(org)
    text = rest.query("SELECT UnitPrice, SBQQ__ProrateMultiplier__c FROM OrderItem WHERE Quantity = 2").text
    assert '"UnitPrice":431.23,"SBQQ__ProrateMultiplier__c":8.624657534246575}' in text


def test_directory_without_an_object_gives_an_org_without_it(tmp_path, serve):
    write(tmp_path, "Order", [{"Id": ORDER_1, "OpportunityId": "006Qy00000OpP01", "AccountId": ACCOUNT}])
    write(tmp_path, "Account", [])
    org = Org(NOW)
    org.load_directory(tmp_path)
    rest = serve(org)
    assert error_of(rest.query("SELECT Id FROM Opportunity")) == (400, "INVALID_TYPE")
    assert error_of(rest.query("SELECT Opportunity.Name FROM Order")) == (400, "INVALID_FIELD")
    assert error_of(rest.get("sobjects/Opportunity/describe")) == (404, "NOT_FOUND")
    fields = {field["name"]: field for field in rest.get("sobjects/Order/describe").json()["fields"]}
    assert fields["OpportunityId"]["relationshipName"] is None
    assert fields["AccountId"]["relationshipName"] == "Account"
    assert rest.rows("SELECT OpportunityId, Account.Name FROM Order")[0]["Account"] is None
    assert rest.ids("SELECT Id FROM Account") == []
    assert rest.patch("sobjects/Stripe_Sync_Record__c/Key__c/a", {"Order__c": ORDER_1}).status_code == 201
    assert len(rest.ids("SELECT Id FROM Organization")) == 1


@pytest.mark.parametrize(
    ("name", "content", "part"),
    [
        ("Order", "", "Order.json: the file is empty"),
        ("Order", "[{]", "Order.json: no valid JSON in line 1, column 3"),
        ("Order", '[{"Id": NaN}]', "Order.json: no valid JSON: NaN"),
        ("Order", "[" * 100_000, "nested too deeply"),
        ("Order", "5", "Order.json: it holds no list of records"),
        ("Order", "{}", "Order.json: it holds no list of records"),
        ("Order", {"status": 1, "message": "No such column"}, "a failed export (No such column)"),
        ("Order", {"status": 0, "result": {"records": [], "done": False}}, "stopped after its first page"),
        ("my order", "[]", "the name is no object's name"),
    ],
)
def test_file_when_wrong_is_refused_with_its_name_and_what_to_do(tmp_path, name, content, part):
    write(tmp_path, name, content)
    with pytest.raises(LoadError) as caught:
        Org(NOW).load_directory(tmp_path)
    assert part in str(caught.value)


def test_file_that_is_no_text_and_folders_without_files_are_refused(tmp_path):
    with pytest.raises(LoadError, match=r"no \.json file"):
        Org(NOW).load_directory(tmp_path)
    with pytest.raises(LoadError, match="is no directory"):
        Org(NOW).load_directory(tmp_path / "missing")
    (tmp_path / "Order.json").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(LoadError, match="cannot be read as UTF-8"):
        Org(NOW).load_directory(tmp_path)


def test_replay_shows_orders_as_drafts_until_the_clock_reaches_their_activation(serve):
    start = NOW.replace(month=2, day=1)
    org = Org(start, replay=True)
    org.load(section_5())
    rest = serve(org)

    def activated() -> list[str]:
        return rest.ids("SELECT Id FROM Order WHERE StatusCode = 'Activated' ORDER BY EffectiveDate")

    assert activated() == [ORDER_1]
    draft = rest.rows(
        "SELECT Status, ActivatedDate, SystemModstamp, (SELECT SBQQ__Status__c, SBQQ__Activated__c FROM OrderItems) "
        f"FROM Order WHERE Id = '{ORDER_2}'"
    )[0]
    assert (draft["Status"], draft["ActivatedDate"]) == ("Draft", None)
    assert draft["SystemModstamp"] <= "2026-02-01T10:00:00.000+0000"
    assert draft["OrderItems"]["records"][0]["SBQQ__Status__c"] == "Draft"
    assert rest.patch(f"sobjects/Order/{ORDER_2}", {"Stripe_ID__c": "kept"}).status_code == 204
    org.set_clock(NOW.replace(month=5, day=12, hour=9, minute=29))
    assert activated() == [ORDER_1]
    org.set_clock(NOW.replace(month=5, day=12, hour=9, minute=30))
    assert activated() == [ORDER_1, ORDER_2]
    shown = org.record("Order", ORDER_2)
    assert shown["SystemModstamp"] == shown["ActivatedDate"] == "2026-05-12T09:30:00.000+0000"
    assert shown["Stripe_ID__c"] == "kept"
    org.set_clock(NOW)
    assert activated() == [ORDER_1, ORDER_2, ORDER_3]


def test_without_replay_the_clock_hides_nothing():
    org = Org(NOW.replace(month=2, day=1))
    org.load(section_5())
    assert org.record("Order", ORDER_3)["StatusCode"] == "Activated"


def test_clock_moves_forward_only_and_needs_a_zone(org):
    org.set_clock(NOW + timedelta(days=1))
    with pytest.raises(ValueError, match="only moves forward"):
        org.set_clock(NOW)
    with pytest.raises(ValueError, match="time zone"):
        org.set_clock(NOW.replace(tzinfo=None))


def test_admin_update_ignores_locks_and_moves_the_stamp(org):
    before = org.record("OrderItem", "802Qy00000LiNe1")["SystemModstamp"]
    org.update(
        "OrderItem", "802Qy00000LiNe1", {"UnitPrice": Decimal("599.99"), "TotalPrice": Decimal("5999.9")}
    )
    after = org.record("OrderItem", "802Qy00000LiNe1")
    assert (after["UnitPrice"], after["TotalPrice"]) == (Decimal("599.99"), Decimal("5999.9"))
    assert after["SystemModstamp"] > before
    with pytest.raises(LoadError, match="has no field Nope"):
        org.update("Order", ORDER_1, {"Nope": 1})
    with pytest.raises(LoadError, match="has no Order 801"):
        org.update("Order", "801Qy0000099999", {"Type": "x"})
    with pytest.raises(LoadError, match="no object Nope"):
        org.record("Nope", ORDER_1)
    assert org.record("Contract", CONTRACT)["ContractTerm"] == 12


def test_admin_insert_makes_a_record_of_its_own(org):
    record_id = org.insert("Account", {"Name": "Inserted"})
    assert org.record("Account", record_id)["Name"] == "Inserted"
    assert [row["Name"] for row in org.records("Account")] == ["Baden Trading", "Inserted"]


def test_sample_org_is_loaded_whole_and_from_its_export(tmp_path, serve):
    records = sample_org()
    write_directory(records, tmp_path)
    direct, exported = Org(SAMPLE_NOW), Org(SAMPLE_NOW)
    assert direct.load(records) == exported.load_directory(tmp_path)
    soql = (
        "SELECT Id, TotalAmount, Account.Name, (SELECT Id, UnitPrice FROM OrderItems) FROM Order ORDER BY Id"
    )
    assert serve(direct).query(soql).text == serve(exported).query(soql).text
