"""What a rehearsal leaves out of an export."""

from cpqbridge.cli.export_marks import without_marks

ORDER = {
    "Id": "801Qy00000AbC01",
    "Stripe_ID__c": "sub_sched_1",
    "Stripe_Sync_Status__c": "Synced",
    "Account": {"Name": "Baden", "Stripe_ID__c": "cus_1"},
}


def test_marks_are_emptied_also_in_nested_records_and_noted():
    records, notes = without_marks(
        {"Order": [ORDER], "Account": [{"Id": "001", "Stripe_ID__c": None}]}, prefix=""
    )
    assert records["Order"] == [
        {
            "Id": "801Qy00000AbC01",
            "Stripe_ID__c": None,
            "Stripe_Sync_Status__c": None,
            "Account": {"Name": "Baden", "Stripe_ID__c": None},
        }
    ]
    assert len(notes) == 1
    assert "(Order 1)" in notes[0]
    assert ORDER["Stripe_ID__c"] == "sub_sched_1"


def test_marks_have_the_prefix_of_the_configuration():
    given = {"Id": "001", "Acme_Stripe_ID__c": "cus_1", "Stripe_ID__c": "of another tool"}
    records, notes = without_marks({"Account": [given]}, prefix="Acme_")
    assert records["Account"] == [{**given, "Acme_Stripe_ID__c": None}]
    assert len(notes) == 1


def test_sync_records_are_left_out():
    records, notes = without_marks({"Stripe_Sync_Record__c": [{"Id": "a01"}], "Order": []}, prefix="")
    assert records == {"Order": []}
    assert "Stripe_Sync_Record__c 1" in notes[0]


def test_deleted_records_are_left_out_and_noted():
    records, notes = without_marks(
        {"OrderItem": [{"Id": "802A", "IsDeleted": True}, {"Id": "802B", "IsDeleted": False}]}, prefix=""
    )
    assert [record["Id"] for record in records["OrderItem"]] == ["802B"]
    assert notes == ("Deleted records in the export (OrderItem 1) were left out.",)


def test_export_without_marks_gets_no_note():
    given = {"Order": [{"Id": "801", "OrderNumber": "1"}]}
    assert without_marks(given, prefix="") == (given, ())
