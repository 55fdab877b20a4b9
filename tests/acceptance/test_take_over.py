"""A contract that was billed elsewhere goes on here from a day on (B1.8), with real processes on both sides."""

import json
import urllib.request
from dataclasses import dataclass

import pytest
from tests.acceptance.conftest import Shell

NOW = "2026-11-20T09:00:00Z"
# Ten seats since February, two more since May, three fewer since August; all activated in September.
FIRST, ADDED, REDUCED = "00000247", "00000248", "00000249"
LET_GO = ("--release", "takeover", "--cutover", "2026-12-01")


@dataclass
class Box:
    shell: Shell
    org: str
    account: str
    amendment: str

    def states(self, *more: str) -> dict[str, tuple[str, str | None]]:
        ended = self.shell.run("order", "sync", FIRST, "--json", *more)
        assert ended.code in {0, 1}, ended.err
        return {each["order_number"]: (each["state"], each["code"]) for each in ended.document["orders"]}

    def preview(self, order: str, *more: str) -> dict:
        return self.shell.run("order", "preview", order, "--json", *more).document

    def invoices(self) -> list[tuple[str, int]]:
        """Return day and total of every invoice once the contract is over."""
        body = json.dumps({"now": "2027-06-01T00:00:00Z"}).encode()
        request = urllib.request.Request(f"{self.account}/_sim/clock", data=body, method="POST")
        urllib.request.urlopen(request).close()
        with urllib.request.urlopen(f"{self.account}/_sim/state") as answer:
            found = json.load(answer)["invoice"]
        return [(each["lines"]["data"][0]["period"]["start"], each["total"]) for each in found]


@pytest.fixture
def box(shell, tmp_path):
    """Return a connection that bills what is activated from November on, and an amendment of today."""
    shell.environment["CPQBRIDGE_NOW"] = NOW
    org = shell.start_sandbox("salesforce", "--now", NOW)
    account = shell.start_sandbox("stripe", "--now", NOW)
    configuration = tmp_path / "configuration.yaml"
    configuration.write_text("version: 1\nsync: {start_date: 2026-11-01}\n")
    sides = ("--salesforce-url", org, "--salesforce-token", "any", "--stripe-key", "sk_test_any")
    added = shell.run(
        "connection", "add", "--name", "box", *sides, "--stripe-api-base", account, "--config", configuration
    )
    assert added.code == 0, added.err
    change = ("--product", "Seat:+4", "--start", "2026-11-20", "--activate")
    amended = shell.run("sandbox", "cpq", "amend", FIRST, *change, "--org-url", org, "--json")
    return Box(shell, org, account, amended.document["order"]["number"])


def test_running_contract_is_held_until_somebody_names_the_day_and_billed_from_it_on(box):
    assert box.states()[FIRST] == ("held", "takeover")
    text = box.shell.run("order", "sync", FIRST).out
    assert f"cpqbridge order sync {FIRST} --release takeover --cutover DATE" in text

    # The credit is for time that was billed elsewhere; somebody gives it there.
    assert box.states(*LET_GO) == {
        FIRST: ("synced", None),
        ADDED: ("synced", None),
        REDUCED: ("held", "credit_needs_person"),
        box.amendment: ("waiting", "waiting_for_order"),
    }
    assert box.states("--release", "credit_needs_person") == {
        FIRST: ("unchanged", None),
        ADDED: ("unchanged", None),
        REDUCED: ("synced", None),
        box.amendment: ("synced", None),
    }
    assert set(box.states().values()) == {("unchanged", None)}

    proofs = [box.preview(order)["proof"] for order in (FIRST, ADDED, REDUCED, box.amendment)]
    lines = {line["order_item_id"]: line for document in proofs for line in document}.values()
    said = [(line["sold"], line["billed"], line["reason"]) for line in lines]
    assert said == [
        ("6000.00", "1000.00", "billed_elsewhere"),
        ("862.46", "200.00", "billed_elsewhere"),
        ("-809.19", "-300.00", "billed_elsewhere"),
        ("478.92", "400.00", "billed_elsewhere"),
    ]
    december, january = 1796083200, 1798761600
    assert box.invoices() == [(december, 65000), (january, 65000)]


def test_preview_shows_what_a_take_over_would_bill_and_writes_nothing(box):
    assert box.preview(FIRST)["state"] == "held"
    shown = box.preview(FIRST, *LET_GO)
    assert shown["state"] == "synced"
    assert [invoice["date"] for invoice in shown["invoices"]] == ["2026-12-01", "2027-01-01"]
    assert box.states()[FIRST] == ("held", "takeover")


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (("--release", "takeover"), "needs its cut-over date"),
        (("--cutover", "2026-12-01"), "for a take-over only"),
        (("--release", "backdated", "--cutover", "2026-12-01"), "--release takeover"),
        (("--release", "takeover", "--cutover", "2026-12-32"), "'2026-12-32' is not a cut-over date"),
        (("--release", "takeover", "--cutover", "9999-12-31"), "between 1990-01-01 and 2150-01-01"),
        (("--release", "takeover", "--cutover", ""), "is not a cut-over date"),
    ],
)
def test_take_over_without_its_day_and_day_without_take_over_end_with_two(shell, options, says):
    for verb in ("sync", "preview"):
        ended = shell.run("order", verb, FIRST, *options)
        assert ended.code == 2
        assert says in ended.err
        assert "What to do:" in ended.err
