"""`cpqbridge demo`: the sample org, synced, proven and shown."""

import socket
import urllib.request
from collections import defaultdict
from decimal import Decimal

import pytest
from tests.acceptance.conftest import Shell

REASONS = {"rounding", "skipped", "past_skipped"}


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
            assert Decimal(line["billed"]) == shares.pop(line["order_item_id"], 0)
            billed[order["contract"]] += Decimal(line["billed"])
    assert not any(shares.values())
    assert {contract: total for contract, total in totals.items() if total} == {
        contract: total for contract, total in billed.items() if total
    }


def test_new_order_of_known_things_takes_two_calls_to_stripe(demo):
    calls = [order["calls"] for order in demo.document["orders"] if order["state"] == "synced"]
    assert min(call["stripe"] for call in calls) == 2
    assert max(call["salesforce"] for call in calls) == 4


def test_taken_port_is_said_before_any_work(shell):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        ended = shell.run("demo", "--port", str(port))
    assert ended.code == 2
    assert str(port) in ended.err
    assert "--port" in ended.err


def test_pages_are_served_with_a_strict_policy_and_end_cleanly(shell):
    process = shell.start("demo", "--port", "0")
    assert process.stderr is not None
    said = iter(process.stderr.readline, "")
    address = next(line for line in said if "http://" in line).split()[1]
    with urllib.request.urlopen(address) as answer:
        page = answer.read().decode()
        policy = answer.headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert "<script" not in page
    assert "style=" not in page
    assert "Ten seats for a year" in page
    link = page.split('href="/orders/')[1].split('"')[0]
    with urllib.request.urlopen(f"{address}/orders/{link}") as answer:
        order = answer.read().decode()
    for said_there in ("Proof", "Phases", "Invoices as Stripe made them", "sub_sched_", "cus_", "801"):
        assert said_there in order
    with urllib.request.urlopen(f"{address}/report") as answer:
        assert "What was not billed, by cause" in answer.read().decode()
    process.terminate()
    assert process.wait(timeout=20) == 0
