"""The report as one file, and the order page: complete, escaped, usable without scripts."""

import re
from dataclasses import replace
from datetime import UTC, date, datetime
from html.parser import HTMLParser

import pytest
from tests.unit.web.a_plan import (
    FEWER,
    MORE,
    NEW,
    SEAT,
    SEAT_FEWER,
    SEAT_MORE,
    a_bill,
    a_plan,
    a_proof,
    a_schedule,
    at,
)

from cpqbridge.cli.preview_text import preview_text
from cpqbridge.domain.billing import Link
from cpqbridge.domain.refusal import OrderState
from cpqbridge.store.connections import Connection, ConnectionFacts
from cpqbridge.store.views import OrderDetail, OrderStanding, OrderView
from cpqbridge.sync.order_story import OrderStory
from cpqbridge.sync.plan_difference import compared
from cpqbridge.sync.report import MISMATCH, Calls, Report, ReportedOrder
from cpqbridge.sync.report_invoices import BilledDocument
from cpqbridge.web.navigation import Navigation
from cpqbridge.web.order_pages import OrderLabel, order_facts, order_row
from cpqbridge.web.pages.order import ContractOrder
from cpqbridge.web.rendering import render
from cpqbridge.web.report_page import report_page
from cpqbridge.web.site import Demo

AROUND = {"navigation": Navigation(), "user": None, "notice": "", "demo": Demo()}
VOID = {"img", "input", "use", "meta", "link", "br", "line", "rect", "circle", "path"}
NUMBERS = {NEW: "00000101", MORE: "00000117", FEWER: "00000130"}


class Outline(HTMLParser):
    """Reads a page: every tag closed, ids once, links inside the page."""

    def __init__(self, page):
        super().__init__()
        self.open, self.ids, self.targets, self.tags = [], [], [], set()
        self.feed(page)

    def handle_starttag(self, tag, attributes):
        self.tags.add(tag)
        if tag not in VOID:
            self.open.append(tag)
        for name, value in attributes:
            if name == "id":
                self.ids.append(value)
            if name in {"href", "src"}:
                self.targets.append(value)
            assert not name.startswith("on"), name

    def handle_endtag(self, tag):
        if tag not in VOID:
            assert self.open.pop() == tag


def a_document(invoice, contract="800A", number="A-1"):
    return BilledDocument(
        contract=contract,
        kind=invoice.kind,
        stripe_id="in_1",
        number=number,
        on=invoice.on,
        currency=invoice.currency,
        total_minor=invoice.total_minor,
        status="paid",
        lines=invoice.lines,
    )


def an_order(order_id=NEW, *, proof=(), **changes):
    order = ReportedOrder(
        order_id=order_id,
        order_number=NUMBERS.get(order_id, order_id),
        contract="800A",
        state=OrderState.SYNCED,
        code=None,
        message=None,
        customer="Baden Trading",
        purpose="ten seats",
        proof=proof,
    )
    return replace(order, **changes)


def a_report(*orders, **changes):
    plan = a_plan()
    synced = (
        an_order(NEW, proof=plan.proof[:1]),
        an_order(MORE, proof=plan.proof[1:2]),
        an_order(FEWER, proof=plan.proof[2:], taken=plan.taken),
    )
    report = Report(
        notes=("A note.",),
        calls=Calls(salesforce=3, stripe=9),
        orders=orders or synced,
        invoices=tuple(a_document(each) for each in plan.forecast),
        plans={"800A": plan},
    )
    return replace(report, **changes)


def page_of(report, **options):
    return report_page(report, standalone=True, today=date(2026, 8, 19), **options)


def test_standalone_report_needs_nothing_from_elsewhere():
    outline = Outline(page_of(a_report()))
    assert outline.open == []
    assert not outline.tags & {"script", "link", "img", "iframe"}
    assert len(outline.ids) == len(set(outline.ids))
    assert all(target.startswith("#") and target[1:] in outline.ids for target in outline.targets)


def test_report_shows_sold_billed_and_the_time_line_of_each_contract():
    page = page_of(a_report())
    assert re.search(r'<td class="amount">6,053.27</td>\s*<td class="amount">6,053.27</td>', page)
    assert "Time line of contract 800A" in page
    assert "The same as a table" in page
    assert "-500.00 of it on no invoice: taken from" in page


def test_report_groups_what_was_not_billed_by_cause_with_its_title_and_what_to_do():
    orders = [
        an_order(
            f"801{number}",
            state=OrderState.HELD,
            code="takeover",
            message=f"Contract {number} began before.",
            fix=f"Agree on a day for {number}.",
            contract=f"800{number}",
        )
        for number in (1, 2)
    ]
    page = page_of(a_report(*orders, invoices=(), plans={}))
    assert "Take-over needed: 2 orders" in page
    assert "Agree on a day for 2." in page
    assert "No contract was billed." in page


def test_report_of_no_orders_says_so():
    page = page_of(a_report(invoices=(), plans={}, notes=(), orders=()))
    assert "0 orders went through" in page
    assert "Nothing was billed." in page


@pytest.mark.parametrize(
    "text", ["<script>alert(1)</script>", '"><img src=x onerror=alert(1)>', "{{ 7 * 7 }}"]
)
def test_names_are_shown_as_they_are_and_never_become_markup(text):
    order = an_order(
        customer=text, purpose=text * 40, proof=(a_proof(SEAT, NEW, 1),), line_names={SEAT: text}
    )
    plan = a_plan(forecast=(a_bill("2026-02-01", 50000, text=f"10 x {text}"),))
    bill = replace(a_document(plan.forecast[0]), number=text)
    page = page_of(a_report(order, invoices=(bill,), plans={"800A": plan}, notes=(text,)))
    assert not Outline(page).tags & {"script", "img"}
    assert "49" not in page.partition("<main")[2].partition("Contracts")[0]


def test_hundreds_of_contracts_are_reached_from_a_list_sorted_by_customer():
    orders = [
        an_order(f"801{number}", contract=f"800{number}", customer=f"Customer {300 - number:03}")
        for number in range(300)
    ]
    page = page_of(a_report(*orders, invoices=(), plans={}))
    outline = Outline(page)
    assert [target for target in outline.targets if "contract-" in target][:2] == [
        "#contract-1",
        "#contract-2",
    ]
    assert page.index("Customer 001") < page.index("Customer 300")


def a_detail(plan, order_id):
    standing = OrderStanding(
        order_id=order_id,
        order_number=NUMBERS[order_id],
        root_id="a0q",
        contract_key="800A",
        state=OrderState.SYNCED,
        modified_at="",
        updated_at=datetime(2026, 8, 19, tzinfo=UTC),
    )
    facts = ConnectionFacts(
        salesforce_url="https://acme.my.salesforce.com",
        org_id="00D",
        org_name="Acme",
        time_zone="UTC",
        multi_currency=False,
        stripe_account_id="acct_1",
        stripe_account_name="Acme",
        stripe_api_base=None,
        live_mode=True,
        simulated=False,
    )
    connection = Connection(
        connection_id=1,
        name="main",
        facts=facts,
        access_lost=None,
        created_at=at("2026-01-01"),
        checked_at=at("2026-01-01"),
    )
    links = ("schedule:a:1:1", "invoice_final:a:b:c", "credit_note:a:b:c:1", "credit_note:a:b:c:2")
    ids = ("sub_sched_1", "in_9", "cn_1", "cbtxn_1")
    return OrderDetail(
        view=OrderView(standing=standing, plan=plan, connection=connection),
        links=tuple(
            Link(key=key, stripe_id=found, fingerprint="") for key, found in zip(links, ids, strict=True)
        ),
    )


def order_page(order_id=FEWER, plan=None):
    plan = plan or a_plan()
    detail = a_detail(plan, order_id)
    contract = tuple(a_detail(plan, each).view.standing for each in (NEW, MORE, FEWER))
    sent = {each.key: each for each in plan.objects[:1]}
    return render(
        "order.html",
        order=order_row(detail.view, label=OrderLabel()),
        page=order_facts(detail, report=None, numbers=NUMBERS, today=date(2026, 8, 19)),
        story=OrderStory(
            detail=detail, contract=contract, sent=sent, hold=None, runs=(), entries=(), next_at=None
        ),
        contract=[
            ContractOrder(standing=each, kind="", is_this=each.order_id == order_id) for each in contract
        ],
        compared=compared(plan, sent),
        actions=[],
        is_under_way=False,
        zone="UTC",
        **AROUND,
    )


def test_order_page_says_which_order_changed_what_and_where_its_credit_goes():
    page = order_page()
    assert Outline(page).open == []
    assert "by order 00000101" in page
    assert "changed by order 00000117" in page
    assert "changed by order 00000130" in page
    assert "Credit of 59.19 USD, made on 2026-08-19 16:45:00 UTC." in page
    assert "30.00 USD off what is still to be paid of invoice in_aug" in page
    assert "20.00 USD to the customer&#39;s balance, for what was paid of invoice in_aug" in page
    assert "9.19 USD to the customer&#39;s balance; no invoice of the contract can carry it" in page
    assert "cpqbridge goes on with this contract by itself on 2026-08-20." in page
    assert f'<a href="/orders/{NEW}">00000101</a>' in page


def test_order_page_tells_what_stands_in_stripe_from_what_is_to_come():
    page = order_page()
    assert page.count("As planned") == 1
    assert page.count("To be made") == 2


def test_order_page_links_what_the_dashboard_has_a_page_for():
    page = order_page()
    assert "https://dashboard.stripe.com/credit_notes/cn_1" in page
    assert "cbtxn_1" in page
    assert "/cbtxn_1" not in page
    assert "in_9" not in page


def test_preview_text_says_the_same():
    text = preview_text(a_plan(), order_id=FEWER, order_number="00000130", numbers=NUMBERS)
    assert "Other orders of the contract: 00000101 (synced), 00000117 (synced)." in text
    assert re.search(r"2026-08-20 +2027-02-01 .* month +00000130", text)
    assert re.search(r"2026-08-19 +credit note +-59.19 +USD", text)
    assert f"{SEAT_FEWER}: -500.00 of it on no invoice, taken from" in text
    assert "30.00 USD off what is still to be paid of invoice in_aug" in text


def test_invoice_that_is_made_later_is_announced():
    early = replace(a_plan(), executed_at=at("2026-05-12T09:30"))
    text = preview_text(early, order_id=MORE, order_number="00000117")
    assert "Invoice of 62.46 USD, to be made on 2026-05-13; invoices are sent, due after 30 days." in text
    assert f"{SEAT_MORE}: 500.00 of it on no invoice, taken away by" in text


def test_refund_and_credit_outside_are_left_to_people():
    for target, words in (("refund", "to be refunded by a person"), ("outside", "settled outside Stripe")):
        plan = a_plan()
        changed = replace(plan, objects=(a_schedule(), replace(plan.objects[2], target=target)))
        assert f"20.00 USD {words}, for what was paid of invoice in_aug" in preview_text(
            changed, order_id=FEWER, order_number="1"
        )


def test_mismatch_stands_out_in_the_list_of_contracts():
    wrong = an_order(proof=(a_proof(SEAT, NEW, 100, billed=101, reason=MISMATCH),))
    assert 'class="amount off">0.01' in page_of(a_report(wrong)).partition("<section")[0]
