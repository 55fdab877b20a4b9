"""The list of orders as rows and documents: what is billed, what is to come, where it is, and no formulas."""

import csv
import io
from dataclasses import replace

import pytest
from tests.unit.web.a_plan import FEWER, MORE, NEW, OWN, SCHEDULE, SEAT, a_plan, at

from cpqbridge.domain.billing import Link, OrderOutcome
from cpqbridge.domain.order import OrderKind
from cpqbridge.domain.refusal import OrderState
from cpqbridge.store.connections import Connection, ConnectionFacts
from cpqbridge.store.plans import OrderStanding
from cpqbridge.store.views import OrderDetail, OrderView
from cpqbridge.sync.order_list import COLUMNS, listed_order, order_rows
from cpqbridge.sync.spreadsheet import csv_bytes

NOW = at("2026-06-15")
LINKS = (
    Link(key=SCHEDULE, stripe_id="sub_sched_1", fingerprint="f"),
    Link(key=OWN, stripe_id="in_1", fingerprint="f"),
)


def a_connection():
    facts = ConnectionFacts(
        salesforce_url="https://acme.my.salesforce.com",
        org_id="00D",
        org_name="Acme",
        time_zone="UTC",
        multi_currency=False,
        stripe_account_id="acct_1",
        stripe_account_name="Acme",
        stripe_api_base=None,
        live_mode=False,
        simulated=False,
    )
    return Connection(
        connection_id=1, name="main", facts=facts, access_lost=None, created_at=NOW, checked_at=NOW
    )


def a_standing(order_id=NEW, **changes):
    standing = OrderStanding(
        order_id=order_id,
        order_number="00000100",
        root_id="a0q",
        contract_key="800A",
        state=OrderState.SYNCED,
        modified_at="",
        updated_at=NOW,
    )
    return replace(standing, **changes)


def listed(standing, plan=None, *, links=LINKS, connection=None):
    connection = connection or a_connection()
    plan = plan or a_plan()
    view = OrderView(standing=standing, plan=plan, connection=connection)
    return listed_order(standing, OrderDetail(view=view, links=links), connection=connection, now=NOW)


def test_amounts_when_lines_take_from_each_other_add_up_to_what_was_sold():
    found = {order_id: listed(a_standing(order_id)).amounts for order_id in (NEW, MORE, FEWER)}
    # The plan made by hand bills less than was sold; what counts is how the parts of each row add up.
    new, more, fewer = found[NEW], found[MORE], found[FEWER]
    assert (new.sold_minor, new.billed_so_far_minor, new.to_come_minor) == (600000, 50000, 45000)
    assert (more.billed_so_far_minor, more.to_come_minor, more.on_no_invoice_minor) == (16246, 0, 50000)
    assert (fewer.billed_so_far_minor, fewer.to_come_minor, fewer.on_no_invoice_minor) == (0, -5919, -75000)
    assert fewer.difference_minor == -5919 - 75000 + 80919 == 0
    assert sum(each.on_no_invoice_minor for each in found.values()) == 0


def test_order_that_was_never_synced_has_a_row_without_amounts():
    standing = a_standing(state=OrderState.QUEUED)
    order = listed_order(standing, None, connection=a_connection(), now=NOW)
    assert order.as_document()["amounts"] is None
    _, row = order_rows([order])
    assert dict(zip(COLUMNS, row, strict=True))["sold"] == ""


@pytest.mark.parametrize(
    ("state", "code", "is_billed"),
    [
        (OrderState.UNCHANGED, "", True),
        (OrderState.FAILED, "write_back_failed", True),
        (OrderState.FAILED, "proof_mismatch", False),
        (OrderState.HELD, "overlap", False),
    ],
)
def test_only_what_is_billed_has_amounts(state, code, is_billed):
    assert (listed(a_standing(state=state, code=code)).amounts is not None) == is_billed


def test_row_names_account_kind_schedule_and_page():
    plan = a_plan(
        account_name="Baden Trading",
        outcomes=(OrderOutcome(order_id=NEW, state=OrderState.SYNCED, kind=OrderKind.INITIAL),),
    )
    document = listed(a_standing(), plan).as_document()
    assert (document["account"], document["kind"], document["stripe_ids"]) == (
        "Baden Trading",
        "initial",
        ["sub_sched_1"],
    )
    assert document["stripe_links"] == [
        "https://dashboard.stripe.com/test/subscription_schedules/sub_sched_1"
    ]
    assert document["amounts"] == {
        "currency": "usd",
        "sold": "6000.00",
        "billed_so_far": "500.00",
        "to_come": "450.00",
        "on_no_invoice": "250.00",
        "difference": "-4800.00",
    }


def test_evergreen_order_says_up_to_when_it_is_counted():
    plan = a_plan()
    schedule = replace(plan.objects[0], end_behavior="release")
    lines = tuple(replace(line, evergreen=line.order_item_id == SEAT) for line in plan.lines)
    order = listed(a_standing(), replace(plan, objects=(schedule, *plan.objects[1:]), lines=lines))
    assert order.remarks == (
        "An evergreen subscription goes on until it is ended; its invoices are shown up to 2027-02-01.",
    )


def test_table_is_utf_8_with_line_ends_of_rfc_4180_and_without_formulas():
    orders = [
        listed(a_standing(message='=cmd|"/c calc"!A1\nÄ', fix="@x", code="c", state=OrderState.REFUSED)),
        listed(a_standing(FEWER)),
    ]
    table = csv_bytes(order_rows(orders))
    assert table.startswith("\ufefforder_number,".encode())
    assert table.endswith(b"\r\n")
    rows = list(csv.DictReader(io.StringIO(table.decode("utf-8-sig"), newline="")))
    assert rows[0]["message"] == '\'=cmd|"/c calc"!A1\nÄ'
    assert rows[0]["fix"] == "'@x"
    # Negative amounts are numbers and stay numbers.
    assert rows[1]["sold"] == "-809.19"
