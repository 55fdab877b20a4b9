"""`cpqbridge sandbox cpq`: a sales person at a simulated org, and the connector that sees what was sold."""

import json
import urllib.request
from decimal import Decimal

import pytest
from tests.acceptance.conftest import Shell

NOW = "2026-11-20T09:00:00Z"


@pytest.fixture(scope="module")
def desk(tmp_path_factory):
    """A running sample org, and a shell that works at it."""
    shell = Shell(tmp_path_factory.mktemp("desk") / "home")
    shell.environment["CPQBRIDGE_NOW"] = NOW
    org = shell.start_sandbox("salesforce", "--now", NOW)
    yield Desk(shell, org)
    shell.stop()


class Desk:
    """The commands of the desk, at one org."""

    def __init__(self, shell, org):
        self.shell = shell
        self.org = org

    def run(self, *arguments):
        return self.shell.run("sandbox", "cpq", *arguments, "--org-url", self.org)

    def do(self, *arguments):
        ended = self.run(*arguments, "--json")
        assert ended.code == 0, ended.err
        return ended.document

    def records(self, name):
        with urllib.request.urlopen(f"{self.org}/_sim/state") as answer:
            return json.load(answer)["objects"][name]


def test_whole_life_of_a_contract_is_played_at_the_desk(desk):
    sold = desk.do(
        "quote", "Nova Bikes", "--email", "ap@nova.example", "--add", "Seat:10", "--start", "2026-12-01"
    )
    number = sold["order"]["number"]
    assert sold["order"]["status"] == "Draft"
    activated = desk.do("activate", number)
    assert activated["order"]["status"] == "Activated"
    (contract,) = activated["contracts"]
    line = activated["order"]["lines"][0]["id"]

    # Eight months and eighteen days at 50.00: 429.59 a seat.
    more = desk.do("amend", contract["id"], "--line", f"{line}:+2", "--start", "2027-03-13", "--activate")
    assert Decimal(more["order"]["lines"][0]["total"]) == Decimal("859.18")
    swap = desk.do(
        "amend",
        number,
        "--product",
        "Seat:-12",
        "--add",
        "Suite: Mobile App:3",
        "--start",
        "2027-06-01",
        "--activate",
    )
    assert [(each["product"], Decimal(each["quantity"])) for each in swap["order"]["lines"]] == [
        ("Seat", -2),
        ("Seat", -10),
        ("Suite: Mobile App", 3),
    ]
    renewed = desk.do("renew", contract["number"], "--term", "6")
    assert (renewed["order"]["kind"], renewed["order"]["start"]) == ("Renewal", "2027-12-01")
    ended = desk.do("terminate", number, "--start", "2027-08-15", "--activate")
    assert [Decimal(each["quantity"]) for each in ended["order"]["lines"]] == [-3]
    assert all(not Decimal(each["left"]) for each in ended["contracts"][0]["lines"])
    statuses = {order["OrderNumber"]: order["Status"] for order in desk.records("Order")}
    assert [statuses[each["order"]["number"]] for each in (sold, more, swap, renewed, ended)] == [
        "Activated",
        "Activated",
        "Activated",
        "Draft",
        "Activated",
    ]


def test_text_names_the_order_its_lines_and_what_comes_next(desk):
    ended = desk.run("amend", "00000101", "--product", "Seat:-3", "--start", "2026-12-20")
    assert ended.code == 0
    assert "(Amendment, Draft) of Baden Trading" in ended.out
    assert "-209.19" in ended.out
    assert "cpqbridge sandbox cpq activate 0000" in ended.out
    listed = desk.run("contracts").out
    assert "Baden Trading" in listed
    assert "Left" in listed


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("amend", "00000101", "--product", "Seat:-11"), "10 left"),
        (("amend", "00000101", "--product", "Seat"), "NAME:-3"),
        (("amend", "00000101", "--line", ":3"), "--line"),
        (("amend", "00000101"), "nothing to change"),
        (("amend", "nobody", "--product", "Seat:1"), "neither a contract nor an order"),
        (("terminate", "00000101", "--start", "2026-01-01"), "before its contract"),
        (("terminate", "00000101", "--start", "tomorrow"), "no date such as"),
        (("quote", "Baden Trading"), "lines is empty"),
        (("quote", "Baden Trading", "--add", "Seat:0"), "above 0"),
        (("activate", "12"), "no Order '12'"),
        (("renew", "00000101", "--term", "0"), "whole months"),
    ],
)
def test_what_cannot_be_ends_with_two_and_says_why(desk, arguments, says):
    ended = desk.run(*arguments)
    assert ended.code == 2
    assert says in ended.err
    assert not ended.out


def test_address_without_a_desk_is_named(desk, tmp_path):
    shell = Shell(tmp_path / "home")
    silent = shell.run("sandbox", "cpq", "contracts", "--org-url", "http://127.0.0.1:9")
    assert silent.code == 1
    assert "cpqbridge demo" in silent.err
    away = shell.run("sandbox", "cpq", "contracts", "--org-url", "https://example.com")
    assert away.code == 2
    account = shell.start_sandbox("stripe", "--now", NOW)
    other = shell.run("sandbox", "cpq", "contracts", "--org-url", account)
    shell.stop()
    assert other.code == 2
    assert "no simulated org" in other.err


def test_precision_of_a_sandbox_is_chosen_or_refused(tmp_path):
    shell = Shell(tmp_path / "home")
    refused = shell.run("sandbox", "salesforce", "--port", "0", "--precision", "weekly")
    assert refused.code == 2
    assert "monthly_daily" in refused.err
    org = shell.start_sandbox("salesforce", "--now", NOW, "--precision", "month")
    made = Desk(shell, org).do("amend", "00000101", "--product", "Seat:1", "--start", "2027-01-31")
    shell.stop()
    assert Decimal(made["order"]["total"]) == 50
