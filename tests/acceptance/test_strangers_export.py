"""`cpqbridge rehearse` on strangers' exports: every invoice is worked out again, slowly, from the rules."""

import csv
import io
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from decimal import Decimal
from fractions import Fraction
from typing import Any

import pytest
from tests.acceptance.an_export import SEAT, SEAT_ENTRY, a_line, a_one_time_line, an_order, write_export
from tests.acceptance.conftest import Shell
from tests.acceptance.slow_calculator import DECIMALS, anchor_of, billed
from tests.acceptance.strangers import Habits, Stranger

from cpqbridge.domain.ids import salesforce_id

STRANGERS = {
    "several currencies, short multipliers": Habits(
        seed=7,
        precision="day",
        currencies=("usd", "eur", "jpy"),
        has_currency_field=True,
        multiplier_decimals=4,
        nested=True,
    ),
    "lists, nulls, six decimals, translated states": Habits(
        seed=12,
        precision="calendar_monthly_daily",
        currencies=("eur",),
        price_decimals=6,
        answer_of_the_cli=False,
        full_of_nulls=True,
        status={"Status": "Aktiviert", "StatusCode": None},
    ),
    "yen without multipliers": Habits(
        seed=31, precision="month", currencies=("jpy",), multiplier_decimals=None, nested=True
    ),
}


def rehearsed(shell, folder, habits, *more):
    currency = () if habits.has_currency_field else ("--currency", habits.currencies[0])
    ended = shell.run("rehearse", folder, "--json", *currency, *more)
    assert ended.code == 0, ended.err
    return ended.document


def check_order(order, sold, invoices, *, precision, synced_at):
    """Compare one synced order with the slow calculator: by line, by day, reasons, calls."""
    by_line, by_day = billed(
        sold.lines,
        sold.months,
        currency=sold.currency,
        precision=precision,
        synced_on=synced_at.date(),
    )
    minor = 10 ** DECIMALS[sold.currency]
    proofs = {proof["order_item_id"]: proof for proof in order["proof"]}
    assert proofs.keys() == {salesforce_id(line.item_id) for line in sold.lines}
    for line in sold.lines:
        proof = proofs[salesforce_id(line.item_id)]
        assert Fraction(proof["sold"]) == line.total
        assert Fraction(proof["billed"]) * minor == by_line[line.item_id]
        assert Fraction(proof["difference"]) == Fraction(proof["billed"]) - Fraction(proof["sold"])
        assert proof["reason"] == ("rounding" if Fraction(proof["difference"]) else None)
    found: Counter[date] = Counter()
    for invoice in invoices:
        found[date.fromisoformat(invoice["date"])] += Fraction(invoice["total"]) * minor
    assert {day: total for day, total in found.items() if total} == {
        day: total for day, total in by_day.items() if total
    }
    assert order["calls"]["stripe"] <= most_calls(sold)
    assert order["calls"]["salesforce"] == 4


def most_calls(sold):
    """Return a customer, products, prices and schedules, and an own invoice with its lines and its end."""
    recurring = [line for line in sold.lines if not line.one_time]
    first = min((line.start for line in recurring), default=date.max)
    alone = any(line.one_time and line.start < first for line in sold.lines)
    schedules = {anchor_of(line, first, sold.months) for line in recurring}
    products = {line.product_id for line in sold.lines}
    return 1 + len(products) + len(recurring) + len(schedules) + (3 if alone else 0)


@pytest.mark.parametrize("name", STRANGERS)
def test_every_invoice_of_a_stranger_is_what_the_rules_say(shell, tmp_path, name):
    habits = STRANGERS[name]
    stranger = Stranger(habits, orders=10)
    document = rehearsed(shell, stranger.write(tmp_path / "export"), habits)
    precision = habits.precision if habits.multiplier_decimals else "monthly_daily"
    noted = f"inferred as {precision}" if habits.multiplier_decimals else "the default, was used"
    assert any(noted in note for note in document["notes"])
    assert any("package.json" in note for note in document["notes"])
    sold = {salesforce_id(order_id): each for order_id, each in stranger.sold.items()}
    assert {order["order_id"] for order in document["orders"]} == sold.keys()
    synced = [order for order in document["orders"] if order["state"] == "synced"]
    assert len(synced) >= len(sold) - 2, Counter(order["code"] for order in document["orders"])
    for order in synced:
        own = [invoice for invoice in document["invoices"] if invoice["contract"] == order["contract"]]
        each = sold[order["order_id"]]
        check_order(order, each, own, precision=precision, synced_at=each.activated_at)


def test_as_of_a_day_everything_running_is_billed_up_to_it(shell, tmp_path):
    habits = Habits(seed=5, precision="monthly_daily", currencies=("usd",))
    stranger = Stranger(habits, orders=14)
    folder = stranger.write(tmp_path / "export")
    document = rehearsed(shell, folder, habits, "--as-of", "2026-08-31T13:00:00Z")
    sold = {salesforce_id(order_id): each for order_id, each in stranger.sold.items()}
    states = Counter((order["state"], order["code"]) for order in document["orders"])
    assert states.keys() <= {("synced", None), ("held", "backdated"), ("skipped", "not_activated")}
    assert states["synced", None] >= 3
    at = datetime(2026, 8, 31, 13, tzinfo=UTC)
    for order in document["orders"]:
        late = sold[order["order_id"]].activated_at > at
        assert late == (order["code"] == "not_activated")
        if order["state"] == "synced":
            own = [invoice for invoice in document["invoices"] if invoice["contract"] == order["contract"]]
            check_order(order, sold[order["order_id"]], own, precision=habits.precision, synced_at=at)


YEAR = {"ServiceDate": "2026-02-01", "EndDate": "2027-01-31"}
ONE_TIME = {"ServiceDate": "2026-02-01"}


@dataclass(frozen=True, kw_only=True)
class Odd:
    """An order that is odd in one way, and what must become of it; `billed` None means not at all."""

    lines: Sequence[Mapping[str, Any]] = (YEAR,)
    order: Mapping[str, Any] = field(default_factory=dict)
    quote: Mapping[str, Any] = field(default_factory=dict)
    account: Mapping[str, Any] = field(default_factory=dict)
    state: str = "synced"
    code: str | None = None
    billed: str | None = "240.00"


def stopped(state, code, **odd):
    return Odd(state=state, code=code, billed=None, **odd)


CREDIT = {**ONE_TIME, "Quantity": -1, "UnitPrice": 15, "TotalPrice": -15}
EMAIL = {"BillToContact": {"Email": "a@b.example"}}
ODD = {
    "plain": Odd(),
    "same product three times": Odd(lines=[YEAR] * 3, billed="720.00"),
    "free": Odd(lines=[{**YEAR, "UnitPrice": 0, "TotalPrice": 0}], billed="0.00"),
    "a credit once": Odd(lines=[YEAR, CREDIT], billed="225.00"),
    "block price": Odd(lines=[{**YEAR, "Quantity": 37, "TotalPrice": 1200}], billed="1200.00"),
    "a cent a year": Odd(lines=[{**YEAR, "UnitPrice": 0.01, "TotalPrice": 0.01}], billed="0.00"),
    "huge": Odd(lines=[{**YEAR, "Quantity": 10**6, "TotalPrice": 24 * 10**7}], billed="240000000.00"),
    "thirty one-time lines": Odd(lines=[ONE_TIME] * 30, billed="3000.00"),
    "thirty recurring lines": Odd(lines=[YEAR] * 30, billed="7200.00"),
    "marked by another Stripe account": Odd(
        order={"Stripe_ID__c": "sub_other", "Stripe_Sync_Status__c": "Synced"},
        lines=[{**YEAR, "Stripe_ID__c": "price_other"}],
        account={"Stripe_ID__c": "cus_other"},
    ),
    "renamed line state": Odd(lines=[{**YEAR, "SBQQ__Status__c": "Aktiviert"}]),
    "a deleted line": Odd(lines=[YEAR, {**YEAR, "IsDeleted": True}]),
    "payment term as a number": Odd(order={"SBQQ__PaymentTerm__c": 45, **EMAIL}),
    "no lines": stopped("skipped", "nothing_to_bill", lines=[]),
    "quote not exported": stopped(
        "refused", "record_unreadable", order={"SBQQ__Quote__c": "a0zQy00000NoNe1"}
    ),
    "account not exported": stopped("refused", "required_empty", order={"AccountId": "001Qy00000NoNe1"}),
    "renewal of nothing we know": Odd(quote={"SBQQ__Type__c": "Renewal"}),
    "amendment of nothing": stopped(
        "refused",
        "initial_order_filtered",
        quote={"SBQQ__Type__c": "Amendment", "SBQQ__MasterContract__c": "800Qy00000NoNe1"},
    ),
    "evergreen at the price of a year": stopped(
        "held", "multiplier_mismatch", lines=[{**YEAR, "SBQQ__SubscriptionType__c": "Evergreen"}]
    ),
    "ramp": Odd(lines=[{**YEAR, "SBQQ__SegmentKey__c": "k", "SBQQ__SegmentIndex__c": 1}]),
    "months late": stopped("held", "backdated", order={"ActivatedDate": "2026-05-03T10:00:00.000+0000"}),
    "invoices without address": stopped("refused", "no_email", order={"SBQQ__PaymentTerm__c": "Net 30"}),
    "<img src=x onerror=alert(1)>": Odd(account={"Name": '=HYPERLINK(1) 🚀 "O\'Brien" <script>'}),
    "=1+1": Odd(account={"Name": "L" * 5000}),
}


def odd_export():
    """Return one order per odd case, its name as order number."""
    records = {"Order": [], "OrderItem": [], "Account": [], "SBQQ__Quote__c": []}
    for place, (number, odd) in enumerate(ODD.items()):
        order_id, account_id, quote_id = (f"{prefix}Qy0000000{place:03}" for prefix in ("801", "001", "a0z"))
        changes = {"AccountId": account_id, "SBQQ__Quote__c": quote_id, **odd.order}
        order = an_order(
            order_id, number, starts="2026-02-01", activated="2026-01-28T15:04:05.000+0000", **changes
        )
        del order["Account"]
        records["Order"].append(order)
        for line_place, line in enumerate(odd.lines):
            make = a_line if "EndDate" in line else a_one_time_line
            records["OrderItem"].append(make(f"802Qy{line_place:04}{place:06}", order_id, **line))
        records["Account"].append({"Id": account_id, "Name": f"Customer {place}", **odd.account})
        records["SBQQ__Quote__c"].append({"Id": quote_id, "SBQQ__Type__c": "Quote", **odd.quote})
    products = {SEAT: (SEAT_ENTRY, 20), "01tQy00000PrD02": ("01uQy00000PbE02", 100)}
    records["Product2"] = [{"Id": product_id, "Name": f"=Product {product_id}"} for product_id in products]
    records["PricebookEntry"] = [
        {"Id": entry_id, "Product2Id": product_id, "UnitPrice": price}
        for product_id, (entry_id, price) in products.items()
    ]
    return records


@pytest.fixture(scope="module")
def odd(tmp_path_factory):
    """One rehearsal of all odd cases: the document, the page and the folder of tables."""
    folder = tmp_path_factory.mktemp("odd")
    shell = Shell(folder / "home")
    export = write_export(folder / "export", odd_export())
    ended = shell.run(
        "rehearse", export, "--json", "--strict", "--html", folder / "report.html", "--csv", folder / "tables"
    )
    assert ended.code == 1
    return ended.document, (folder / "report.html").read_text(), folder / "tables"


@pytest.mark.parametrize("number", ODD)
def test_odd_order_has_its_own_outcome_and_stops_no_other(odd, number):
    document, _, _ = odd
    wanted = ODD[number]
    order = next(order for order in document["orders"] if order["order_number"] == number)
    assert (order["state"], order["code"]) == (wanted.state, wanted.code)
    assert bool(order["message"]) == (wanted.code is not None)
    own = [invoice for invoice in document["invoices"] if invoice["contract"] == order["contract"]]
    if wanted.billed is None:
        assert (order["proof"], own, order["calls"]["stripe"]) == ([], [], 0)
        return
    assert order["calls"]["salesforce"] == 4
    assert sum(Decimal(proof["billed"]) for proof in order["proof"]) == Decimal(wanted.billed)
    assert sum(Decimal(invoice["total"]) for invoice in own) == Decimal(wanted.billed)
    for invoice in own:
        assert sum(Decimal(line["amount"]) for line in invoice["lines"]) == Decimal(invoice["total"])


def test_notes_tell_what_was_left_out_of_an_odd_export(odd):
    notes = " ".join(odd[0]["notes"])
    assert "Account 1, Order 1, OrderItem 1" in notes
    assert "Deleted records in the export (OrderItem 1)" in notes


def test_page_and_tables_make_nothing_of_what_records_say(odd):
    _, page, tables = odd
    assert "<img" not in page
    assert "<script" not in page
    assert "&lt;img src=x onerror=alert(1)&gt;" in page
    for path in tables.iterdir():
        for row in csv.reader(io.StringIO(path.read_text(encoding="utf-8-sig"))):
            assert not any(cell.startswith(("=", "+", "@")) for cell in row)


def test_as_of_a_moment_no_clock_shows_ends_with_two(shell, tmp_path):
    ended = shell.run("rehearse", write_export(tmp_path / "export", odd_export()), "--as-of", "9999-12-31")
    assert ended.code == 2
    assert "--as-of" in ended.err
