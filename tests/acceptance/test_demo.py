"""`cpqbridge demo`: the sample org, synced, proven and shown."""

import json
import socket
import time
import urllib.parse
import urllib.request
from collections import Counter, defaultdict
from dataclasses import dataclass
from decimal import Decimal

import pytest
from tests.acceptance.conftest import Shell, Visitor

from cpqbridge_sim.salesforce.cpq import sample_org

REASONS = {"rounding", "skipped", "past_skipped", "evergreen", "discount", "custom_price", "trial"}
PATIENCE_SECONDS = 40


@pytest.fixture(scope="module")
def demo(tmp_path_factory):
    shell = Shell(tmp_path_factory.mktemp("demo") / "home")
    return shell.run("demo", "--once", "--json")


def test_demo_ends_well_with_one_document(demo):
    assert demo.code == 0
    assert set(demo.document) == {"version", "notes", "calls", "orders", "invoices", "connections"}
    assert demo.document["connections"][0]["simulated"] is True


def test_demo_shows_every_kind_of_order(demo):
    orders = demo.document["orders"]
    assert len({order["contract"] for order in orders}) >= 12
    states = {order["state"] for order in orders}
    assert {"synced", "refused", "held", "skipped"} <= states
    assert "failed" not in states
    codes = {order["code"] for order in orders}
    assert {"no_quote", "payment_term_unknown", "no_email", "quantity_not_whole", "not_activated"} <= codes
    assert all(order["message"] and order["code"] for order in orders if order["state"] == "refused")


def test_every_line_of_a_synced_order_is_proven(demo):
    for order in demo.document["orders"]:
        assert bool(order["proof"]) == (order["state"] == "synced")
        for line in order["proof"]:
            difference = Decimal(line["billed"]) - Decimal(line["sold"])
            assert Decimal(line["difference"]) == difference
            if line["reason"] != "metered":
                assert (line["reason"] is None) == (difference == 0)
                assert line["reason"] is None or line["reason"] in REASONS


def test_proof_is_the_sum_of_the_invoices(demo):
    shares = defaultdict(Decimal)
    totals = defaultdict(Decimal)
    for invoice in demo.document["invoices"]:
        totals[invoice["contract"]] += Decimal(invoice["total"])
        for line in invoice["lines"]:
            for share in line["shares"]:
                shares[share["order_item_id"]] += Decimal(share["amount"])
    billed = defaultdict(Decimal)
    for order in demo.document["orders"]:
        for line in order["proof"]:
            taken = sum(Decimal(each["amount"]) for each in line["taken"])
            assert Decimal(line["billed"]) == shares.pop(line["order_item_id"], 0) + taken
            billed[order["contract"]] += Decimal(line["billed"])
    assert not any(shares.values())
    assert {contract: total for contract, total in totals.items() if total} == {
        contract: total for contract, total in billed.items() if total
    }


def test_orders_of_known_things_take_few_calls(demo):
    synced = [order for order in demo.document["orders"] if order["state"] == "synced"]
    kinds = {order["OrderNumber"]: order["Type"] for order in sample_org()["Order"]}
    calls = defaultdict(list)
    for order in synced:
        calls[kinds[order["order_number"]]].append((order["calls"]["stripe"], order["calls"]["salesforce"]))
    # A customer of its own and a schedule of known prices; a schedule read and changed.
    assert min(calls["New"]) == (2, 4)
    assert Counter(calls["Amendment"]).most_common(1)[0][0] == (2, 4)
    assert max(salesforce for each in calls.values() for _, salesforce in each) <= 5


def test_taken_port_is_said_before_any_work(shell):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        ended = shell.run("demo", "--port", str(port))
    assert ended.code == 2
    assert str(port) in ended.err
    assert "--port" in ended.err


@dataclass(frozen=True)
class Running:
    """A demo that serves its pages: its shell, and the addresses of the pages and of the CPQ desk."""

    shell: Shell
    pages: str
    desk: str
    visitor: Visitor

    @property
    def org(self):
        return self.desk.removesuffix("/_sim/cpq")

    def page(self, path):
        return self.visitor.page(path)

    def order_at_desk(self, order_id):
        with urllib.request.urlopen(f"{self.desk}/orders/{order_id}") as answer:
            return json.load(answer)

    def done_at_desk(self, *arguments):
        ended = self.shell.run("sandbox", "cpq", *arguments, "--activate", "--org-url", self.org, "--json")
        assert ended.code == 0, ended.err
        return ended.document["order"]

    def synced(self, order_id):
        """The order as the desk shows it once the connector has told the org about it."""
        return eventually(lambda: (order := self.order_at_desk(order_id))["sync_status"] and order)


def eventually(look):
    until = time.monotonic() + PATIENCE_SECONDS
    while not (found := look()):
        assert time.monotonic() < until
        time.sleep(0.2)
    return found


@pytest.fixture(scope="module")
def running(tmp_path_factory):
    shell = Shell(tmp_path_factory.mktemp("running") / "home")
    process = shell.start("demo", "--port", "0")
    assert process.stderr is not None
    desk = ""
    for line in iter(process.stderr.readline, ""):
        if "Play the sales person" in line:
            desk = line.split("person: ")[1].split()[0]
        if line.startswith("Open http://"):
            pages = line.split()[1]
            visitor = Visitor(pages)
            visitor.send("/demo/enter", role="viewer")
            yield Running(shell=shell, pages=pages, desk=desk, visitor=visitor)
            break
    process.terminate()
    process.communicate(timeout=20)
    assert process.returncode == 0


def test_pages_are_served_with_a_strict_policy(running):
    with urllib.request.urlopen(running.pages) as answer:
        page = answer.read().decode()
        policy = answer.headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert "Come in as" in page
    page = running.page("/orders")
    assert "style=" not in page
    assert "Ten seats for a year" in page
    link = page.split('href="/orders/801')[1].split('"')[0]
    order = running.page(f"/orders/801{link}")
    for said_there in ("Proof", "Phases", "Invoices as Stripe made them", "sub_sched_", "cus_", "801"):
        assert said_there in order
    assert "What was not billed, by cause" in running.page("/report")


def test_first_page_leads_to_the_desk_and_the_desk_back(running):
    assert f'href="{running.desk}"' in running.page("/")
    request = urllib.request.Request(running.desk, headers={"Accept": "text/html"})
    with urllib.request.urlopen(request) as answer:
        desk = answer.read().decode()
    assert "Baden Trading" in desk
    assert f'href="{running.pages}/"' in desk


def test_amendment_at_the_desk_arrives_in_stripe_by_itself(running):
    made = running.done_at_desk("amend", "00000101", "--product", "Seat:+3", "--start", "2026-12-10")
    order = running.synced(made["id"])
    assert order["sync_status"] == "Synced"
    assert order["stripe_id"].startswith("sub_sched_")
    page = running.page(f"/orders/{made['id']}")
    # Three seats for 22 of 31 days of December, and for January: 258.48 in all, of which 150.00 in January.
    for said_there in ("Baden Trading", "108.48", "258.48", "Invoices as planned"):
        assert said_there in page
    assert "Invoices as planned" in running.page(f"/orders/{first_order(running)}")


def first_order(running):
    """The id of order 00000101 as the list has it."""
    return running.page("/orders").split(">00000101<")[0].rpartition('href="/orders/')[2].split('"')[0]


def test_buttons_alone_end_a_contract_and_time_moves_on(running):
    made = running.done_at_desk("quote", "Baden Trading", "--add", "Seat:2", "--start", "2026-11-25")
    contract = running.synced(made["id"])["contracts"][0]
    form = {"contract": contract, "start": "2026-12-28", "activate": "on"}
    sent = urllib.request.Request(
        f"{running.desk}/terminate", data=urllib.parse.urlencode(form).encode(), method="POST"
    )
    with urllib.request.urlopen(sent) as answer:
        ended = json.load(answer)
    assert running.synced(ended["id"])["sync_status"] == "Synced"
    clock = urllib.request.Request(f"{running.desk}/clock", data=b"day=2026-12-29", method="POST")
    with urllib.request.urlopen(clock) as answer:
        assert answer.status == 200
    address = f"/orders/{first_order(running)}"
    assert eventually(lambda: "today, 2026-12-29" in running.page(address))
    taken_back = [line["quantity"] for line in running.order_at_desk(ended["id"])["lines"]]
    assert taken_back == [-2.0]
