"""`cpqbridge rehearse` on exports that were not written for it."""

import csv
import io
import json
from decimal import Decimal

import pytest
from tests.acceptance import an_export
from tests.acceptance.an_export import small_export, write_export
from tests.acceptance.conftest import Shell

from cpqbridge.domain.ids import salesforce_id

SECTIONS = {"version", "notes", "calls", "orders", "invoices"}
ORDER_KEYS = {"order_id", "order_number", "contract", "state", "code", "message", "calls", "proof"}


@pytest.fixture
def folder(tmp_path):
    return write_export(tmp_path / "export", small_export())


@pytest.fixture(scope="module")
def document(tmp_path_factory):
    """The report of the small export, rehearsed once."""
    place = tmp_path_factory.mktemp("small")
    folder = write_export(place / "export", small_export())
    ended = Shell(place / "home").run("rehearse", folder, "--json")
    assert ended.code == 0
    return ended.document


def order_of(document, order_id):
    return next(each for each in document["orders"] if each["order_id"] == salesforce_id(order_id))


def invoices_of(document, order_id):
    contract = order_of(document, order_id)["contract"]
    return [(each["date"], each["total"]) for each in document["invoices"] if each["contract"] == contract]


def proof_of(document, order_id):
    return [
        (each["sold"], each["billed"], each["difference"], each["reason"])
        for each in order_of(document, order_id)["proof"]
    ]


def change(folder, name, place, **changes):
    path = folder / f"{name}.json"
    content = json.loads(path.read_text())
    records = content["result"]["records"] if isinstance(content, dict) else content
    records[place].update(changes)
    path.write_text(json.dumps(content))


def test_small_export_is_billed_to_the_cent(document):
    assert set(document) == SECTIONS
    assert document["version"] == 1
    assert all(set(order) == ORDER_KEYS for order in document["orders"])
    assert [order["state"] for order in document["orders"]] == [
        "synced",
        "synced",
        "synced",
        "refused",
        "skipped",
    ]

    months = [(2026, month) for month in range(1, 13)]
    assert invoices_of(document, an_export.MONTHLY_ORDER) == [
        (f"{year}-{month:02}-15", "60.00") for year, month in months
    ]
    assert invoices_of(document, an_export.TAIL_ORDER) == [
        ("2026-03-01", "160.00"),
        *((f"2026-{month:02}-01", "60.00") for month in range(4, 13)),
        ("2027-01-01", "39.46"),
    ]
    assert invoices_of(document, an_export.YEARLY_ORDER) == [
        ("2026-05-01", "1200.00"),
        ("2027-05-01", "1200.00"),
    ]
    assert proof_of(document, an_export.MONTHLY_ORDER) == [("720.00", "720.00", "0.00", None)]
    assert proof_of(document, an_export.TAIL_ORDER) == [
        ("639.46", "639.46", "0.00", None),
        ("100.00", "100.00", "0.00", None),
    ]
    assert proof_of(document, an_export.YEARLY_ORDER) == [("2400.00", "2400.00", "0.00", None)]


def test_report_says_what_was_refused_assumed_and_called(document):
    refused = order_of(document, an_export.NO_QUOTE_ORDER)
    assert (refused["state"], refused["code"], refused["proof"]) == ("refused", "no_quote", [])
    assert order_of(document, an_export.DRAFT_ORDER)["code"] == "not_activated"
    notes = " ".join(document["notes"])
    for said in ("Contract.json", "Opportunity.json", "monthly_daily", "USD"):
        assert said in notes
    first = order_of(document, an_export.MONTHLY_ORDER)["calls"]
    assert first["stripe"] == 4
    for side in ("salesforce", "stripe"):
        assert document["calls"][side] == sum(order["calls"][side] for order in document["orders"])


def test_lines_and_shares_add_up_to_every_invoice(document):
    for invoice in document["invoices"]:
        lines = invoice["lines"]
        assert sum(Decimal(line["amount"]) for line in lines) == Decimal(invoice["total"])
        for line in lines:
            assert sum(Decimal(share["amount"]) for share in line["shares"]) == Decimal(line["amount"])


def test_as_of_syncs_everything_at_once(shell, folder):
    document = shell.run("rehearse", folder, "--json", "--as-of", "2026-02-10").document
    assert order_of(document, an_export.TAIL_ORDER)["code"] == "not_activated"
    assert invoices_of(document, an_export.MONTHLY_ORDER)[0] == ("2026-02-10", "60.00")
    assert proof_of(document, an_export.MONTHLY_ORDER) == [("720.00", "720.00", "0.00", None)]


def test_strict_ends_with_zero_when_nothing_needs_anybody(shell, tmp_path):
    records = small_export()
    records["Order"] = records["Order"][:1]
    records["OrderItem"] = records["OrderItem"][:1]
    folder = write_export(tmp_path / "one", records)
    assert shell.run("rehearse", folder, "--strict").code == 0


def test_text_is_for_people_and_strict_ends_with_one(shell, folder):
    ended = shell.run("rehearse", folder, "--strict")
    assert ended.code == 1
    assert "5 orders: 3 synced, 1 refused, 1 skipped." in ended.out
    assert "3859.46  3859.46" in ended.out
    assert "Refused (no_quote): 1 order" in ended.out


def test_another_currency_is_taken_from_the_option(shell, folder):
    document = shell.run("rehearse", folder, "--json", "--currency", "EUR").document
    assert {invoice["currency"] for invoice in document["invoices"]} == {"eur"}
    assert not any("No currency" in note for note in document["notes"])


def test_configuration_file_decides(shell, folder, tmp_path):
    config = tmp_path / "config.yaml"
    config.write_text(
        "filters: {Order: \"OrderNumber != '00000101'\"}\npolicy: {prorate_precision: monthly_daily}\n"
    )
    document = shell.run("rehearse", folder, "--json", "--config", config).document
    left_out = order_of(document, an_export.MONTHLY_ORDER)
    assert left_out["state"] == "skipped"
    assert left_out["code"] == "filtered_out"
    assert not any("inferred" in note for note in document["notes"])


def test_html_stands_alone_and_tables_are_written(shell, folder, tmp_path):
    html, tables = tmp_path / "report.html", tmp_path / "tables"
    ended = shell.run("rehearse", folder, "--html", html, "--csv", tables)
    assert ended.code == 0
    page = html.read_text()
    assert "details > summary" in page
    assert 'rel="stylesheet"' not in page
    assert "<script" not in page
    for said in ("Baden Trading", "3,859.46", "no_quote", "Contract.json"):
        assert said in page
    rows = list(csv.DictReader(io.StringIO((tables / "proof.csv").read_text(encoding="utf-8-sig"))))
    assert sum(Decimal(row["billed"]) for row in rows) == Decimal("3859.46")
    assert {path.name for path in tables.iterdir()} == {
        "orders.csv",
        "proof.csv",
        "invoices.csv",
        "invoice_lines.csv",
    }


def test_lists_that_are_empty_make_an_empty_report(shell, tmp_path):
    folder = write_export(tmp_path / "empty", {name: [] for name in small_export()})
    ended = shell.run("rehearse", folder, "--json")
    assert ended.code == 0
    assert ended.document["orders"] == []


def test_missing_object_ends_with_two_and_its_query(shell, folder):
    (folder / "PricebookEntry.json").unlink()
    ended = shell.run("rehearse", folder, "--json")
    assert ended.code == 2
    assert ended.out == ""
    assert "PricebookEntry.json" in ended.err
    assert "FROM PricebookEntry" in ended.err


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("Order", ""),
        ("Order", "{"),
        ("OrderItem", "[1, 2]"),
        ("Product2", '{"status": 1, "message": "expired access/refresh token"}'),
        ("Account", '[{"Id": "001Qy00000BdNrT", "Name": 1e999999}]'),
    ],
)
def test_file_that_is_no_export_ends_with_two(shell, folder, name, content):
    (folder / f"{name}.json").write_text(content)
    ended = shell.run("rehearse", folder)
    assert ended.code == 2
    assert f"{name}.json" in ended.err
    assert f"FROM {name}" in ended.err


@pytest.mark.parametrize(
    ("name", "changes"),
    [
        ("OrderItem", {"Quantity": "three"}),
        ("OrderItem", {"ServiceDate": "15 January"}),
        ("OrderItem", {"UnitPrice": [1]}),
        ("OrderItem", {"TotalPrice": 10**30}),
        ("Order", {"ActivatedDate": "soon"}),
        ("Order", {"ActivatedDate": 5}),
        ("Order", {"AccountId": "nobody"}),
    ],
)
def test_value_of_the_wrong_type_ends_with_two_and_names_it(shell, folder, name, changes):
    change(folder, name, 0, **changes)
    ended = shell.run("rehearse", folder)
    assert ended.code == 2
    assert next(iter(changes)) in ended.err
    assert "What to do:" in ended.err


VALUES_THAT_CANNOT_BE_BILLED = (
    {"TotalPrice": 10**17},
    {"Quantity": 10**17},
    {"UnitPrice": -5.0},
    {"EndDate": "9999-12-31"},
    {"EndDate": "2020-01-01"},
    {"ServiceDate": None, "EndDate": None},
    {"SBQQ__ProrateMultiplier__c": 0},
    {"OrderId": "801Qy00000AbC99"},
    {"Product2Id": "01tQy00000PrD99"},
)


def test_value_that_cannot_be_billed_stops_only_its_order(shell, tmp_path):
    records = small_export()
    for number, changes in enumerate(VALUES_THAT_CANNOT_BE_BILLED, start=11):
        order_id = f"801Qy00000AbC{number}"
        starts = "2026-01-15"
        records["Order"].append(
            an_export.an_order(
                order_id, f"000002{number}", starts=starts, activated="2026-01-10T15:04:05.000+0000"
            )
        )
        records["OrderItem"].append(an_export.a_line(f"802Qy00000LiN{number}", order_id, **changes))
        records["SBQQ__Quote__c"].append(an_export.a_quote(order_id, starts))
    ended = shell.run("rehearse", write_export(tmp_path / "bad", records), "--json")
    assert ended.code == 0, ended.err
    good, bad = [], []
    for order in ended.document["orders"]:
        (bad if order["order_number"].startswith("000002") else good).append(order)
        assert order["state"] != "failed", order
        assert all(proof["reason"] != "proof_mismatch" for proof in order["proof"])
    assert len(bad) == len(VALUES_THAT_CANNOT_BE_BILLED)
    assert [order["state"] for order in good].count("synced") == 3


@pytest.mark.parametrize(
    "arguments",
    [
        ("--as-of", "yesterday"),
        ("--currency", "dollars"),
        ("--config", "/does/not/exist.yaml"),
        ("--html", "/does/not/exist/report.html"),
        ("--nonsense",),
    ],
)
def test_wrong_usage_ends_with_two(shell, folder, arguments):
    ended = shell.run("rehearse", folder, *arguments)
    assert ended.code == 2
    assert arguments[-1] in ended.err or arguments[0] in ended.err


def test_folder_is_asked_for(shell):
    ended = shell.run("rehearse")
    assert ended.code == 2
    assert "--queries" in ended.err


def test_queries_name_every_needed_object(shell):
    ended = shell.run("rehearse", "--queries")
    assert ended.code == 0
    for name in small_export():
        assert f"FROM {name}" in ended.out


def test_inferred_precision_is_the_one_that_is_used(shell, tmp_path):
    """Eleven days of 30.00 a month are 11 x 12 / 365 months by the day: 10.85; 11 / 30 months would be 11.00."""
    records = small_export()
    records["OrderItem"][1] |= {
        "UnitPrice": 10.85,
        "TotalPrice": 21.7,
        "ServiceDate": "2026-03-01",
        "EndDate": "2026-03-11",
        "SBQQ__ProrateMultiplier__c": 0.361643835616438,
    }
    records["OrderItem"][3] |= {
        # 731 days are 24.03 months by the day.
        "SBQQ__ProrateMultiplier__c": 2.002739726027397,
        "EndDate": "2028-04-30",
        "UnitPrice": 2403.29,
        "TotalPrice": 2403.29,
    }
    report = shell.run("rehearse", write_export(tmp_path / "by day", records), "--json").document
    assert any("inferred as day" in note for note in report["notes"])
    assert proof_of(report, an_export.TAIL_ORDER)[0] == ("21.70", "21.70", "0.00", None)


def test_nothing_is_left_in_the_home(shell, folder):
    assert shell.run("rehearse", folder, "--as-of", "2026-01-01").code == 0
    assert not shell.home.exists()


def test_orders_that_renew_by_themselves_are_proven_for_what_was_sold(shell, tmp_path):
    folder = write_export(tmp_path / "export", small_export())
    config = tmp_path / "release.yaml"
    config.write_text(
        "version: 1\nmapping:\n  subscription_schedule:\n    end_behavior: {value: release}\n",
        encoding="utf-8",
    )
    plain = shell.run("rehearse", folder, "--json").document
    renewing = shell.run("rehearse", folder, "--json", "--config", config).document
    assert [order["proof"] for order in renewing["orders"]] == [order["proof"] for order in plain["orders"]]
    assert len(renewing["invoices"]) > len(plain["invoices"])
    assert all(invoice["contract"] for invoice in renewing["invoices"])
