"""What was billed, taken from Stripe's invoices: shares, states that count, and the proof against them."""

import csv
import io
from datetime import UTC, datetime

import pytest

from cpqbridge.cli.report_text import report_text
from cpqbridge.domain.billing import Proof, TakenAmount
from cpqbridge.domain.pricing import PriceTier, TieredPrice
from cpqbridge.domain.refusal import OrderState
from cpqbridge.sync.report import Calls, Report, ReportedOrder, proof_against
from cpqbridge.sync.report_csv import write_csv
from cpqbridge.sync.report_invoices import billed_by_order_item, billed_documents
from cpqbridge.sync.report_shares import credit_shares, line_shares, with_taken

CREATED = int(datetime(2026, 2, 1, 23, 59, tzinfo=UTC).timestamp())
SEAT, SUPPORT = "802Qy00000LiNe1IAF", "802Qy00000LiNe2IAF"


def a_line(amount, owner=SEAT, **changes):
    metadata = {"salesforce_order_item_id": owner} if owner else {}
    line = {
        "id": f"il_{amount}_{owner}",
        "amount": amount,
        "description": "10 x Seat",
        "period": {"start": 1769904000, "end": 1772323200},
        "metadata": metadata,
    }
    return {**line, **changes}


def an_invoice(*lines, **changes):
    invoice = {
        "id": "in_1",
        "number": "A-0001",
        "status": "open",
        "created": CREATED,
        "currency": "usd",
        "total": sum(line["amount"] for line in lines),
        "lines": {"data": list(lines)},
    }
    return {**invoice, **changes}


def documents_of(*invoices, notes=(), credits_given=()):
    return billed_documents(
        invoices,
        notes,
        contract_of_line={SEAT: "800A", SUPPORT: "800B"},
        balance_transactions=credits_given,
    )


def a_note(invoice_line, amount, **changes):
    note = {
        "id": "cn_1",
        "number": "A-0001-CN-01",
        "status": "issued",
        "invoice": "in_1",
        "created": CREATED,
        "currency": "usd",
        "total": amount,
        "lines": {"data": [{"id": "cnli_1", "amount": amount, "invoice_line_item": invoice_line["id"]}]},
    }
    return {**note, **changes}


def a_balance_transaction(amount, **metadata):
    return {
        "id": "cbtxn_1",
        "amount": amount,
        "created": CREATED,
        "currency": "usd",
        "description": "3 x Seat",
        "metadata": metadata,
    }


def a_proof(sold, billed, reason=None):
    return Proof(
        order_item_id=SEAT,
        order_id="801",
        currency="usd",
        sold_minor=sold,
        billed_minor=billed,
        reason=reason,
    )


def test_invoice_becomes_a_document_with_dates_in_utc():
    document = documents_of(an_invoice(a_line(50000)))[0].as_document()
    assert document == {
        "contract": "800A",
        "kind": "invoice",
        "number": "A-0001",
        "date": "2026-02-01",
        "currency": "usd",
        "total": "500.00",
        "lines": [
            {
                "kind": "cycle",
                "amount": "500.00",
                "period_start": "2026-02-01",
                "period_end": "2026-03-01",
                "description": "10 x Seat",
                "shares": [{"order_item_id": SEAT, "amount": "500.00"}],
            }
        ],
    }


@pytest.mark.parametrize("status", ["void", "uncollectible"])
def test_invoice_without_effect_is_left_out(status):
    assert documents_of(an_invoice(a_line(50000), status=status)) == ()


def test_line_of_several_order_lines_is_shared_out_to_the_cent():
    documents = documents_of(an_invoice(a_line(1001, f"{SEAT},{SUPPORT}")))
    assert billed_by_order_item(documents) == {SEAT: 501, SUPPORT: 500}


def test_line_that_names_no_order_line_has_no_share():
    document = documents_of(an_invoice(a_line(0, owner="")))[0]
    assert document.contract is None
    assert document.lines[0].shares == ()


def test_credit_note_takes_away_from_the_order_line_of_its_invoice_line():
    line = a_line(50000)
    note = a_note(line, 5919)
    documents = documents_of(an_invoice(line), notes=[note])
    assert billed_by_order_item(documents) == {SEAT: 44081}
    assert [document.as_document()["total"] for document in documents] == ["500.00", "-59.19"]
    assert documents_of(an_invoice(line), notes=[{**note, "status": "void"}]) == documents_of(
        an_invoice(line)
    )


def test_discounts_are_taken_off_the_line():
    line = a_line(50000, discount_amounts=[{"amount": 12500}])
    assert billed_by_order_item(documents_of(an_invoice(line))) == {SEAT: 37500}


TIERS = (
    PriceTier(up_to=5, unit_amount_decimal="5000", flat_amount_decimal="0"),
    PriceTier(up_to=None, unit_amount_decimal="4000", flat_amount_decimal="0"),
)


@pytest.mark.parametrize(
    ("mode", "amounts", "shares"),
    [
        # 3 units at 50.00, then 2 at 50.00 and 2 at 40.00: Stripe has a line for each tier.
        ("graduated", (25000, 8000), [{SEAT: 15000, SUPPORT: 10000}, {SUPPORT: 8000}]),
        # All 7 at 40.00; 3 alone would cost 150.00, so the other 4 add 130.00.
        ("volume", (28000,), [{SEAT: 15000, SUPPORT: 13000}]),
        # The same with a tenth off: each share is lowered with the line.
        ("volume", (25200,), [{SEAT: 13500, SUPPORT: 11700}]),
    ],
)
def test_lines_of_a_tiered_item_are_shared_out_as_tiers_count(mode, amounts, shares):
    metadata = {"salesforce_order_item_id": f"{SEAT},{SUPPORT}", "salesforce_units": "3,4"}
    price = TieredPrice(mode=mode, tiers=TIERS)
    invoice = an_invoice(*(a_line(amount, metadata=metadata) for amount in amounts))
    (document,) = billed_documents(
        [invoice], (), contract_of_line={SEAT: "800A"}, tiers={SEAT: price, SUPPORT: price}
    )
    assert [dict(line.shares) for line in document.lines] == shares


def test_proof_of_a_line_by_usage_is_whatever_was_used():
    found = proof_against(a_proof(0, 0, "metered"), {SEAT: 9000})
    assert (found.difference_minor, found.reason) == (9000, "metered")


@pytest.mark.parametrize(
    ("proof", "billed", "difference", "reason"),
    [
        (a_proof(600000, 600000), 600000, 0, None),
        (a_proof(10000, 9996, "rounding"), 9996, -4, "rounding"),
        (a_proof(10000, 9996, "rounding"), 10000, 0, None),
        (a_proof(600000, 600000), 600001, 1, "proof_mismatch"),
        (a_proof(10000, 9996, "rounding"), 9995, -5, "proof_mismatch"),
    ],
)
def test_proof_stands_on_what_was_billed(proof, billed, difference, reason):
    found = proof_against(proof, {SEAT: billed})
    assert (found.difference_minor, found.reason) == (difference, reason)


def test_tables_hold_the_report_and_no_formulas(tmp_path):
    order = ReportedOrder(
        order_id="801",
        order_number="+1",
        contract="800A",
        state=OrderState.SYNCED,
        code=None,
        message=None,
        customer="=HYPERLINK(1)",
        proof=(a_proof(50000, 50000),),
    )
    invoices = documents_of(an_invoice(a_line(50000)))
    report = Report(notes=(), calls=Calls(), orders=(order,), invoices=invoices)
    paths = write_csv(report, tmp_path / "tables")
    assert [path.name for path in paths] == ["orders.csv", "proof.csv", "invoices.csv", "invoice_lines.csv"]
    tables = [list(csv.reader(io.StringIO(path.read_text(encoding="utf-8-sig")))) for path in paths]
    assert (tables[0][1][1], tables[0][1][3]) == ("'+1", "'=HYPERLINK(1)")
    assert tables[1][1] == ["801", SEAT, "usd", "500.00", "500.00", "0.00", ""]
    assert tables[2][1][-1] == "500.00"
    assert tables[3][1][-2:] == [SEAT, "500.00"]


@pytest.mark.parametrize(("customer", "named"), [("Baden", "  101 Baden: Wait."), ("", "  101: Wait.")])
def test_text_names_the_order_and_its_customer_where_known(customer, named):
    order = ReportedOrder(
        order_id="801",
        order_number="101",
        contract="800A",
        state=OrderState.WAITING,
        code="waiting_for_order",
        message="Wait.",
        customer=customer,
        proof=(),
    )
    text = report_text(Report(notes=(), calls=Calls(), orders=(order,), invoices=()))
    assert named in text.splitlines()


def test_what_renews_after_the_sold_term_is_the_contracts_but_no_share_of_the_line():
    sold = an_invoice(a_line(50000))
    renewed = an_invoice(a_line(50000, period={"start": 1772323200, "end": 1775001600}), id="in_2")
    documents = billed_documents(
        (sold, renewed),
        (),
        contract_of_line={SEAT: "800A"},
        renewed_from={SEAT: datetime(2026, 3, 1, tzinfo=UTC).date()},
    )
    assert [document.contract for document in documents] == ["800A", "800A"]
    assert [document.total_minor for document in documents] == [50000, 50000]
    assert billed_by_order_item(documents) == {SEAT: 50000}


def test_item_of_several_lines_is_shared_out_by_their_units():
    line = a_line(6000, f"{SEAT},{SUPPORT}")
    line["metadata"]["salesforce_units"] = "10,2"
    assert billed_by_order_item(documents_of(an_invoice(line))) == {SEAT: 5000, SUPPORT: 1000}


@pytest.mark.parametrize(
    ("units", "shares"),
    [
        ("10,2", [835, 166]),
        ("0,2", [1001]),
        ("10", [501, 500]),
        ("ten,2", [501, 500]),
        ("0,0", [501, 500]),
        ("-1,3", [501, 500]),
        ("", [501, 500]),
    ],
)
def test_units_that_do_not_divide_or_do_not_fit_still_share_everything(units, shares):
    metadata = {"salesforce_order_item_id": "a,b", "salesforce_units": units}
    assert [amount for _, amount in line_shares(1001, {"metadata": metadata})] == shares


def test_credit_note_belongs_to_the_reducing_line_it_names_not_to_the_line_it_credits():
    line = a_line(50000)
    note = a_note(line, 5919, metadata={"salesforce_credits": f"{SUPPORT}:-5919"})
    documents = documents_of(an_invoice(line), notes=[note])
    assert billed_by_order_item(documents) == {SEAT: 50000, SUPPORT: -5919}
    assert documents[1].lines[0].kind == "credit"


def test_credit_that_nets_a_charge_is_shared_by_the_amounts_it_states():
    metadata = {"salesforce_credits": "charge:6246,first:-10000", "salesforce_credits_2": "second:-10919"}
    shares = credit_shares([-10000, -4673], {"metadata": metadata})
    assert shares == (
        (("charge", 6246), ("first", -10000), ("second", -6246)),
        (("second", -4673),),
    )
    assert [sum(amount for _, amount in each) for each in shares] == [-10000, -4673]


def test_credit_whose_stated_amounts_do_not_come_to_it_is_nobodys():
    metadata = {"salesforce_credits": "a:-1,b:-1,c:much"}
    assert credit_shares([-10], {"metadata": metadata}) == ((),)


def test_credit_on_the_balance_counts_when_we_made_it():
    ours = a_balance_transaction(-919, cpqbridge_key="credit_note:a:b:c:2", salesforce_credits=f"{SEAT}:-919")
    stripes = a_balance_transaction(-5000)
    (document,) = documents_of(credits_given=[ours, stripes])
    assert (document.kind, document.total_minor, document.contract) == ("credit_balance", -919, "800A")
    assert billed_by_order_item([document]) == {SEAT: -919}


@pytest.mark.parametrize("status", ["void", "uncollectible"])
def test_credit_note_on_an_invoice_without_effect_takes_nothing_away(status):
    line = a_line(50000)
    assert documents_of(an_invoice(line, status=status), notes=[a_note(line, 5919)]) == ()


def test_what_a_reduction_takes_counts_for_both_lines_and_leaves_the_sum():
    billed = {SEAT: 525000, SUPPORT: -5919}
    counted = with_taken(billed, [TakenAmount(reducing_id=SUPPORT, reduced_id=SEAT, amount_minor=75000)])
    assert counted == {SEAT: 600000, SUPPORT: -80919}
    assert sum(counted.values()) == sum(billed.values())
