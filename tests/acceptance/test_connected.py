"""Connections, previews and syncs with real processes on both sides."""

import csv
import io
import json
import urllib.error
import urllib.request
from decimal import Decimal
from pathlib import Path

import pytest
from tests.acceptance.conftest import Shell, Visitor

NOW = "2026-11-20T09:00:00Z"
NEW_ORDER, DRAFT_ORDER, BAD_ORDER = "00000103", "00000162", "00000157"


def start_both(shell):
    """Start a simulated org and account in processes of their own; the environment fits their clock."""
    org = shell.start_sandbox("salesforce", "--token", "right-token", "--now", NOW)
    account = shell.start_sandbox("stripe", "--now", NOW)
    return org, account


@pytest.fixture
def sandbox(shell):
    """Return the addresses of an org and an account that nothing else uses."""
    shell.environment["CPQBRIDGE_NOW"] = NOW
    return start_both(shell)


@pytest.fixture(scope="module")
def shared(tmp_path_factory):
    """Return a home that is connected, and both addresses, for tests that leave each other alone."""
    shell = Shell(tmp_path_factory.mktemp("shared") / "home")
    shell.environment["CPQBRIDGE_NOW"] = NOW
    both = start_both(shell)
    assert connect(shell, both).code == 0
    yield shell, both
    shell.stop()


@pytest.fixture
def connected(shared):
    """Return the shared home."""
    return shared[0]


@pytest.fixture
def addresses(shared):
    """Return the addresses of the shared org and account."""
    return shared[1]


def connect(shell, sandbox, *more, token="right-token", key="sk_test_abc"):
    org, account = sandbox
    return shell.run(
        "connection",
        "add",
        "--name",
        "box",
        "--salesforce-url",
        org,
        "--salesforce-token",
        "-",
        "--stripe-key",
        key,
        "--stripe-api-base",
        account,
        *more,
        given=f"{token}\n",
    )


def requests_of(address):
    """What was asked of a side, but for who it is: each process asks that once, apart from any sync."""
    with urllib.request.urlopen(f"{address}/_sim/requests") as answer:
        return [each for each in json.load(answer)["requests"] if each["path"] != "/v1/account"]


def org_state(org):
    with urllib.request.urlopen(f"{org}/_sim/state") as answer:
        return json.load(answer)["objects"]


def org_record(org, object_name, record_id):
    return next(record for record in org_state(org)[object_name] if record["Id"] == record_id)


def test_connection_is_made_listed_and_checked_without_a_secret_in_clear_text(shell, addresses):
    made = connect(shell, addresses, "--json", key="sk_test_verysecret")
    assert made.code == 0
    connection = made.document["connection"]
    assert (connection["simulated"], connection["mode"]) == (True, "test")
    assert shell.run("connection", "list", "--json").document["connections"] == [connection]
    assert shell.run("connection", "check").code == 0
    again = connect(shell, addresses)
    assert again.code == 2
    assert "box" in again.err
    for path in shell.home.rglob("*"):
        if path.is_file():
            content = path.read_bytes()
            assert b"right-token" not in content
            assert b"sk_test_verysecret" not in content
    assert (shell.home / "secret.key").stat().st_mode & 0o777 == 0o600


def test_order_is_previewed_synced_told_and_then_left_alone(shell, sandbox):
    org, account = sandbox
    connect(shell, sandbox)
    before = len(requests_of(account))
    preview = shell.run("order", "preview", NEW_ORDER, "--json").document
    assert set(preview) >= {
        "version",
        "order_id",
        "contract",
        "state",
        "refusals",
        "schedules",
        "steps",
        "invoices",
        "proof",
    }
    assert len(requests_of(account)) == before
    assert preview["schedules"][0]["phases"][0]["items"][0]["unit_amount_decimal"] == "5000"

    synced = shell.run("order", "sync", NEW_ORDER, "--json")
    assert synced.code == 0
    assert [order["state"] for order in synced.document["orders"]] == ["synced"]
    calls = requests_of(account)[before:]
    assert len(calls) == len(preview["steps"]) == 4
    order = org_record(org, "Order", preview["order_id"])
    assert order["Stripe_ID__c"].startswith("sub_sched_")
    assert order["Stripe_Sync_Status__c"] == "Synced"
    assert order["Stripe_Link__c"].endswith(order["Stripe_ID__c"])
    assert len(org_state(org)["Stripe_Sync_Record__c"]) == 1

    told = org_state(org)
    again = shell.run("order", "sync", NEW_ORDER, "--json")
    assert [each["state"] for each in again.document["orders"]] == ["unchanged"]
    assert len(requests_of(account)) == before + 4
    assert org_state(org) == told


def test_forecast_is_what_the_simulated_account_bills(shell, sandbox):
    _, account = sandbox
    connect(shell, sandbox)
    preview = shell.run("order", "preview", NEW_ORDER, "--json").document
    shell.run("order", "sync", NEW_ORDER)
    body = json.dumps({"now": "2028-06-01T00:00:00Z"}).encode()
    urllib.request.urlopen(urllib.request.Request(f"{account}/_sim/clock", data=body, method="POST")).close()
    with urllib.request.urlopen(f"{account}/_sim/state") as answer:
        invoices = json.load(answer)["invoice"]
    assert [f"{invoice['total'] / 100:.2f}" for invoice in invoices] == [
        invoice["total"] for invoice in preview["invoices"]
    ]


KINDS = {
    "Olive Hotels": "a coupon for ever, and an amendment",
    "Linden Energy": "usage with a flat fee beside seats",
    "Elder Housing": "two ramps beside seats, and two amendments",
}


@pytest.mark.parametrize("customer", KINDS)
def test_order_of_every_kind_and_its_amendments_are_synced_and_then_left_alone(
    connected, addresses, customer
):
    org, account = addresses
    (account_id,) = (each["Id"] for each in org_state(org)["Account"] if each["Name"] == customer)
    orders = [each for each in org_state(org)["Order"] if each["AccountId"] == account_id]
    number = min(each["OrderNumber"] for each in orders)
    ended = connected.run("order", "sync", number, "--release", "backdated", "--json")
    assert ended.code == 0, ended.document
    assert {each["state"] for each in ended.document["orders"]} == {"synced"}
    assert len(ended.document["orders"]) == len(orders)
    for order in orders:
        shown = org_record(org, "Order", order["Id"])
        assert shown["Stripe_Sync_Status__c"] == "Synced"
        assert shown["Stripe_ID__c"].startswith(("sub_sched_", "in_"))
    before, told = len(requests_of(account)), org_state(org)
    later = {"CPQBRIDGE_NOW": "2026-11-20T09:20:00Z"}
    again = connected.run("order", "sync", number, "--json", environment=later)
    assert {each["state"] for each in again.document["orders"]} == {"unchanged"}
    assert (len(requests_of(account)), org_state(org)) == (before, told)


def test_draft_order_has_a_preview_and_is_not_synced(connected):
    preview = connected.run("order", "preview", DRAFT_ORDER, "--json").document
    assert preview["schedules"]
    assert preview["invoices"]
    synced = connected.run("order", "sync", DRAFT_ORDER, "--json")
    assert synced.document["orders"][0]["code"] == "not_activated"


def test_refused_order_ends_with_one_and_is_told_in_salesforce(connected, addresses):
    org, _ = addresses
    ended = connected.run("order", "sync", BAD_ORDER, "--json")
    assert ended.code == 1
    refused = ended.document["orders"][0]
    assert (refused["state"], refused["code"]) == ("refused", "payment_term_unknown")
    order = org_record(org, "Order", refused["order_id"])
    assert order["Stripe_Sync_Status__c"] == "Refused"
    assert refused["message"][:40] in order["Stripe_Sync_Message__c"]
    text = connected.run("order", "preview", BAD_ORDER)
    assert "What to do:" in text.out


def test_held_order_goes_on_when_it_is_released(connected):
    held = connected.run("order", "sync", "00000104", "--json")
    assert held.code == 1
    code = held.document["orders"][0]["code"]
    released = connected.run("order", "sync", "00000104", "--release", code, "--json")
    assert released.code == 0
    assert released.document["orders"][0]["state"] == "synced"


@pytest.mark.parametrize(
    ("code", "says"),
    [
        ("backdatd", "Did you mean 'backdated'? Codes that can be: backdated, "),
        ("too_many_lines", "'too_many_lines' is not a code that can be released"),
        ("reduction_of_block_price", "Codes that can be: "),
        ("payment_term_unknown", "schedule_ended_in_stripe, takeover"),
        ("", "takeover"),
    ],
)
def test_release_of_what_cannot_be_released_is_an_error_that_says_what_can(connected, code, says):
    ended = connected.run("order", "sync", "00000105", "--release", code)
    assert ended.code == 2
    assert says in ended.err


def test_held_order_says_how_to_go_on(shell, sandbox):
    connect(shell, sandbox)
    held = shell.run("order", "sync", "00000104")
    assert "cpqbridge order sync 00000104 --release backdated" in held.out


def test_orders_are_listed_with_where_they_stand(connected):
    connected.run("order", "sync", NEW_ORDER)
    orders = {
        each["order_number"]: each for each in connected.run("order", "list", "--json").document["orders"]
    }
    assert orders[NEW_ORDER]["state"] == "synced"
    assert orders["00000101"]["state"] == "queued"


def test_orders_are_a_table_for_a_spreadsheet_with_what_is_billed_and_to_come(shell, sandbox):
    connect(shell, sandbox)
    synced = shell.run("order", "sync", NEW_ORDER, "--json").document["orders"][0]
    rows = list(csv.DictReader(io.StringIO(shell.run("order", "list", "--csv").out.removeprefix("\ufeff"))))
    found = {row["order_number"]: row for row in rows}
    order = found[NEW_ORDER]
    assert (order["order_id"], order["state"], order["kind"]) == (synced["order_id"], "synced", "initial")
    amounts = [Decimal(order[name]) for name in ("billed_so_far", "to_come", "on_no_invoice")]
    assert sum(amounts) == Decimal(order["sold"]) > 0 == Decimal(order["difference"])
    assert order["stripe_ids"].startswith("sub_sched_")
    # Only a real account has a Dashboard.
    assert order["stripe_links"] == ""
    assert {row["sold"] for number, row in found.items() if number != NEW_ORDER} == {""}
    both = shell.run("order", "list", "--csv", "--json")
    assert (both.code, both.out) == (2, "")


def test_unknown_order_ends_with_two(connected):
    for unknown in ("99999999", "'; DELETE"):
        ended = connected.run("order", "preview", unknown)
        assert ended.code == 2
        assert "order number" in ended.err


def test_configuration_is_shown_applied_and_checked(connected, tmp_path):
    file = tmp_path / "config.yaml"
    file.write_text(connected.run("config", "show").out.replace("quantity: refuse", "quantity: fold"))
    assert connected.run("config", "apply", file).code == 0
    assert connected.run("config", "show", "--json").document["policy"]["quantity"] == "fold"
    for content, says in (
        ("policy: {quanttiy: fold}", "quantity"),
        ("policy: [", "YAML"),
        ("sync: 3", "sync"),
    ):
        file.write_text(content)
        ended = connected.run("config", "apply", file)
        assert ended.code == 2
        assert says in ended.err
    assert connected.run("config", "show", "--json").document["policy"]["quantity"] == "fold"


def test_a_configuration_goes_back_to_an_old_version(connected, tmp_path):
    before = connected.run("config", "show").out
    first = connected.run("config", "versions", "--json").document["versions"][0]["version"]
    file = tmp_path / "config.yaml"
    file.write_text(before.replace("history_days: 90", "history_days: 91"))
    assert connected.run("config", "apply", file, "--reason", "whole seats only").code == 0
    newest = connected.run("config", "versions", "--json").document["versions"][0]
    assert (newest["version"], newest["actor"], newest["reason"]) == (
        first + 1,
        "command line",
        "whole seats only",
    )
    assert newest["changes"] == [{"path": "sync.history_days", "before": 90, "after": 91}]
    assert "sync.history_days" in connected.run("config", "versions").out
    ended = connected.run("config", "restore", str(first), "--json")
    assert ended.document == {"version": 1, "restored": first, "made": first + 2}
    assert connected.run("config", "show").out == before
    assert connected.run("config", "restore", "99").code == 2


def test_a_mapped_field_that_the_org_lacks_is_not_applied(connected, tmp_path):
    file = tmp_path / "config.yaml"
    shown = connected.run("config", "show").out.replace(
        "mapping:\n", "mapping:\n  customer: {phone: {field: Fone}}\n"
    )
    file.write_text(shown)
    ended = connected.run("config", "apply", file)
    assert ended.code == 2
    assert "mapping.customer.phone: Account has no field Fone" in ended.err
    assert "Did you mean Phone?" in ended.err


def test_configuration_of_the_reference_is_applied_and_shown(connected, tmp_path):
    reference = Path(__file__).parents[2] / "docs" / "reference" / "configuration.md"
    file = tmp_path / "config.yaml"
    file.write_text(reference.read_text().partition("```yaml\n")[2].partition("```")[0])
    assert connected.run("config", "apply", file).code == 0
    shown = connected.run("config", "show", "--json").document
    assert shown["sync"]["start_date"] == "2026-01-01"
    file.write_text(connected.run("config", "show").out)
    assert connected.run("config", "apply", file, "--json").document == shown


PASSWORD = "correct horse battery staple"


def serve(shell):
    process = shell.start("serve", "--port", "0", "--no-worker")
    said = iter(process.stderr.readline, "")
    return process, next(line for line in said if line.startswith("Open http")).split()[1]


@pytest.mark.parametrize(("secret", "status"), [("", 404), (" ", 404), ("whsec_of_the_endpoint", 400)])
def test_events_are_taken_with_a_signing_secret_only(connected, monkeypatch, secret, status):
    monkeypatch.setitem(connected.environment, "CPQBRIDGE_STRIPE_WEBHOOK_SECRET", secret)
    process, address = serve(connected)
    request = urllib.request.Request(f"{address}/hooks/stripe", data=b"{}", method="POST")
    with pytest.raises(urllib.error.HTTPError) as caught:
        urllib.request.urlopen(request)
    assert caught.value.code == status
    caught.value.close()
    process.terminate()
    assert process.wait(timeout=20) == 0


def test_pages_of_a_real_home_are_served(connected):
    connected.run("order", "sync", NEW_ORDER)
    link = connected.run("user", "add", "Vera", "--role", "viewer", "--json").document["link"]
    process, address = serve(connected)
    visitor = Visitor(address)
    assert "Sign in" in visitor.page("/orders")
    visitor.send(f"/welcome/{link.rpartition('/')[2]}", password=PASSWORD, again=PASSWORD)
    assert NEW_ORDER in visitor.page("/orders")
    with pytest.raises(urllib.error.HTTPError) as caught:
        visitor.page("/orders/801000000000000")
    assert caught.value.code == 404
    caught.value.close()
    process.terminate()
    assert process.wait(timeout=20) == 0


def test_wrong_token_is_said_without_showing_it(shell, addresses):
    ended = connect(shell, addresses, token="wrong-token")
    assert ended.code == 1
    assert "Salesforce" in ended.err
    assert "wrong-token" not in ended.err
    assert "What to do:" in ended.err


def test_dead_server_is_named(shell, addresses):
    _, account = addresses
    ended = connect(shell, ("http://127.0.0.1:9", account))
    assert ended.code == 1
    assert "127.0.0.1" in ended.err
    assert "What to do:" in ended.err


@pytest.mark.parametrize(
    ("more", "key", "says"),
    [
        ((), "sk_live_abc", "--live"),
        (("--live",), "sk_test_abc", "--live"),
        ((), "nonsense", "key"),
        (("--currency", "dollar"), "sk_test_abc", "--currency"),
    ],
)
def test_key_of_the_wrong_kind_is_refused(shell, addresses, more, key, says):
    ended = connect(shell, addresses, *more, key=key)
    assert ended.code == 2
    assert says in ended.err
    assert "sk_live_abc" not in ended.err


@pytest.mark.parametrize(
    "address",
    ["http://example.com", "https://example.com", "ftp://127.0.0.1", "http://10.0.0.1"],
)
def test_address_that_may_not_be_used_is_refused(shell, addresses, address):
    ended = connect(shell, (address, addresses[1]))
    assert ended.code == 2
    assert "What to do:" in ended.err


def test_without_a_connection_the_way_to_one_is_said(shell):
    ended = shell.run("order", "sync", NEW_ORDER)
    assert ended.code == 2
    assert "connection add" in ended.err


def test_live_sync_is_switched_on_and_off_and_the_rest_of_the_configuration_stays(connected):
    before = connected.run("config", "show").out
    switched = connected.run("connection", "live", "on", "--json")
    assert switched.code == 0
    assert (switched.document["live"], switched.document["was_live"]) == (True, False)
    assert switched.document["worker_runs"] is False
    told = connected.run("connection", "live", "on", "box")
    assert "box is live" in told.out
    assert "No worker runs" in told.out
    assert connected.run("connection", "live", "off").code == 0
    assert connected.run("config", "show").out == before
    assert connected.run("connection", "live", "on", "nobody").code == 2
