"""Reading an org export: every bad input is an error that names the file and says what to do."""

import json
from decimal import Decimal

import pytest

from cpqbridge.cli.export_directory import read_export
from cpqbridge.cli.export_queries import NEEDED_OBJECTS, OPTIONAL_OBJECTS
from cpqbridge.errors import ConfigurationError

ORDER = {"Id": "801Qy00000AbC01IAF", "OrderNumber": "00000101"}


@pytest.fixture
def folder(tmp_path):
    for name in NEEDED_OBJECTS:
        (tmp_path / f"{name}.json").write_text("[]")
    return tmp_path


def refusal_of(folder):
    with pytest.raises(ConfigurationError) as caught:
        read_export(folder)
    return caught.value


def test_export_with_cli_answers_and_plain_lists_is_read(folder):
    (folder / "Order.json").write_text(
        json.dumps({"status": 0, "result": {"totalSize": 1, "done": True, "records": [ORDER]}})
    )
    (folder / "Account.json").write_text(json.dumps([{"Id": "001Qy00000BdNrT"}]))
    export = read_export(folder)
    assert export.records["Order"] == [ORDER]
    assert export.records["Account"] == [{"Id": "001Qy00000BdNrT"}]


def test_numbers_are_read_exactly(folder):
    text = (
        '[{"Id": "802Qy00000LiNe1IAF", "UnitPrice": 431.23, "SBQQ__ProrateMultiplier__c": 8.624657534246575}]'
    )
    (folder / "OrderItem.json").write_text(text)
    item = read_export(folder).records["OrderItem"][0]
    assert item["UnitPrice"] == Decimal("431.23")
    assert str(item["SBQQ__ProrateMultiplier__c"]) == "8.624657534246575"


def test_absent_optional_objects_are_noted(folder):
    notes = read_export(folder).notes
    assert len(notes) == len(OPTIONAL_OBJECTS)
    assert any("Contract.json" in text for text in notes)


def test_powershell_output_in_utf_16_is_read(folder):
    (folder / "Order.json").write_bytes(json.dumps([ORDER]).encode("utf-16"))
    assert read_export(folder).records["Order"] == [ORDER]


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("package.json", '{"name": "tools"}'),
        ("tsconfig.json", '["a"]'),
        ("Lead.json", "{"),
        ("Region__c.json", '[{"Name": "no Id"}]'),
        ("my notes.json", "[]"),
    ],
)
def test_file_that_is_no_export_of_what_is_read_is_noted_and_left_out(folder, name, content):
    (folder / name).write_text(content)
    export = read_export(folder)
    assert set(export.records) == set(NEEDED_OBJECTS)
    assert [note for note in export.notes if note.startswith("Ignored: ") and name in note]


def test_hidden_files_are_passed_by(folder):
    (folder / "._Order.json").write_bytes(b"\x00\x05\x16\x07")
    assert not any("._Order" in note for note in read_export(folder).notes)


@pytest.mark.parametrize("name", NEEDED_OBJECTS)
def test_missing_needed_file_names_the_query(folder, name):
    (folder / f"{name}.json").unlink()
    error = refusal_of(folder)
    assert f"{name}.json" in error.message
    assert "sf data query --json" in error.fix
    assert f"FROM {name}" in error.fix


def test_missing_file_with_another_format_says_so(folder):
    (folder / "Order.json").rename(folder / "Order.csv")
    assert "Order.csv" in refusal_of(folder).message


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "is empty"),
        (b"  \n", "is empty"),
        (b'[{"Id": "801Qy00000AbC01IAF",]', "is not valid JSON"),
        (b"\xff\xfeA", "is not"),
        (b"42", "holds a number"),
        (b'"text"', "holds a text"),
        (b"{}", "has no list of records"),
        (b'{"result": []}', "has no list of records"),
        (b'{"result": {"records": 3}}', "holds a number"),
        (b'[["Id"]]', "holds a list as record 1"),
        (b"[{}]", "whose Id is missing"),
        (b'[{"Id": 5}]', "not a Salesforce id"),
        (b'[{"Id": "801Qy00000AbC01XXX"}]', "not a Salesforce id"),
        (b'[{"Id": "801Qy00000AbC01IAF", "TotalAmount": NaN}]', "no Salesforce field"),
        (b'[{"Id": "801Qy00000AbC01IAF", "TotalAmount": 1e999999999}]', "no Salesforce field"),
        (b'[{"Id": "801Qy00000AbC01IAF", "TotalAmount": ' + b"9" * 5000 + b"}]", "no Salesforce field"),
        (b"[" * 100_000, "nested too deeply"),
        (b'{"status": 1, "name": "INVALID_FIELD", "message": "No such column"}', "No such column"),
        (
            b'{"status": 0, "result": {"totalSize": 2, "done": false, "records": [{"Id": "801Qy00000AbC01IAF"}]}}',
            "cut short",
        ),
    ],
)
def test_bad_file_is_named_with_its_fix(folder, content, says):
    (folder / "Order.json").write_bytes(content)
    error = refusal_of(folder)
    assert "Order.json" in error.message
    assert says in error.message
    assert "FROM Order" in error.fix


def test_folder_that_is_none_is_refused(tmp_path):
    error = refusal_of(tmp_path / "nothing")
    assert "is not a folder" in error.message
    assert "--queries" in error.fix


def test_fewer_records_than_announced_is_noted(folder):
    (folder / "Order.json").write_text(json.dumps({"result": {"totalSize": 3, "records": [ORDER]}}))
    assert any("3 records but holds 1" in text for text in read_export(folder).notes)
