"""The sales desk over HTTP: what each verb writes, what it refuses, and its pages without scripts."""

import re
from datetime import UTC, datetime
from random import Random

import pytest
from tests.contract.salesforce_sim.simulated_org import CONTRACT, LINE_1, NOW, ORDER_1, error_of

from cpqbridge_sim.salesforce.cpq import PRECISIONS, SAMPLE_NOW, random_org, sample_org
from cpqbridge_sim.salesforce.desk.opening import inferred_precision
from cpqbridge_sim.salesforce.org import Org
from cpqbridge_sim.salesforce.server import create_app

DESK = "/_sim/cpq"
HTML = {"Accept": "text/html,application/xhtml+xml"}
RECORDS = sample_org()


@pytest.fixture
def sample():
    org = Org(SAMPLE_NOW)
    org.load(RECORDS)
    return org


@pytest.fixture(scope="module")
def untouched():
    """A sample org for the tests that write nothing."""
    org = Org(SAMPLE_NOW)
    org.load(RECORDS)
    return org


@pytest.fixture
def desk(sample, serve):
    return Desk(serve(sample, token=""))


class Desk:
    """Short calls to the desk of a served org."""

    def __init__(self, rest):
        self.rest = rest

    def post(self, verb, **document):
        return self.rest.call("POST", f"{DESK}/{verb}", json=document)

    def do(self, verb, **document):
        answer = self.post(verb, **document)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def refused(self, verb, **document):
        answer = self.post(verb, **document)
        assert error_of(answer) == (400, "CPQ_REFUSED")
        return answer.json()[0]["message"]

    def form(self, verb, **fields):
        return self.rest.call("POST", f"{DESK}/{verb}", data=fields, headers=HTML)

    def page(self, path=""):
        answer = self.rest.get(f"{DESK}{path}", headers=HTML)
        assert answer.status_code == 200
        assert "<script" not in answer.text
        return answer.text


def order_named(org, name):
    return next(order for order in org.records("Order") if order["Name"] == name)


def lines(document):
    return [
        (line["quantity"], line["start"], line["end"], line["unit_price"], line["total"])
        for line in document["order"]["lines"]
    ]


def items_of(org, order_id):
    return [item for item in org.records("OrderItem") if item["OrderId"] == order_id]


def test_amendment_over_http_gives_the_numbers_of_the_design(org, serve):
    desk = Desk(serve(org, token=""))
    org.update("Contract", CONTRACT, {"SBQQ__Order__c": ORDER_1})
    made = desk.do(
        "amend", contract=CONTRACT, lines=[{"line": LINE_1, "by": 1}], start="2026-12-20", activate=True
    )
    # One whole month and twelve days to 31 January: (1 + 12 × 12/365) × 50.00.
    assert lines(made) == [(1.0, "2026-12-20", "2027-01-31", 69.73, 69.73)]
    order = org.record("Order", made["order"]["id"])
    assert (order["Status"], order["StatusCode"], order["Type"]) == ("Activated", "Activated", "Amendment")
    assert made["contracts"][0]["orders"][-1]["number"] == "00000131"


def test_quote_makes_a_draft_and_activation_its_contract(desk, sample):
    made = desk.do(
        "quote",
        account="Baden Trading",
        start="2026-12-01",
        lines=[{"product": "Seat", "quantity": 3}, {"product": "Onboarding", "quantity": 1, "price": 500}],
    )
    assert lines(made) == [
        (3.0, "2026-12-01", "2027-11-30", 600.0, 1800.0),
        (1.0, "2026-12-01", None, 500.0, 500.0),
    ]
    assert (made["order"]["status"], made["order"]["kind"], made["contracts"]) == ("Draft", "Quote", [])
    activated = desk.do("activate", order=made["order"]["number"])
    assert (activated["order"]["status"], activated["order"]["total"]) == ("Activated", 2300.0)
    (contract,) = activated["contracts"]
    assert (contract["start"], contract["end"]) == ("2026-12-01", "2027-11-30")
    assert [(line["product"], line["left"]) for line in contract["lines"]] == [("Seat", 3), ("Onboarding", 1)]
    stored = sample.record("Contract", contract["id"])
    assert stored["SBQQ__Order__c"] == made["order"]["id"]
    assert (
        desk.refused("activate", order=made["order"]["id"])
        == f"Order {made['order']['number']} is activated already."
    )


def test_new_customer_needs_an_email(desk, sample):
    said = desk.refused("quote", account="Brandneu AG", lines=[{"product": "Seat", "quantity": 1}])
    assert "no Account 'Brandneu AG'" in said
    assert "email" in said
    made = desk.do(
        "quote", account="Brandneu AG", email="ap@neu.example", lines=[{"product": "Seat", "quantity": 1}]
    )
    order = sample.record("Order", made["order"]["id"])
    assert sample.record("Contact", order["BillToContactId"])["Email"] == "ap@neu.example"
    assert order["EffectiveDate"] == "2026-11-20"


def test_every_record_of_an_amendment_is_written_and_linked(desk, sample):
    first = order_named(sample, "Ten seats for a year")
    (line,) = items_of(sample, first["Id"])
    made = desk.do(
        "amend",
        contract=first["OrderNumber"],
        lines=[{"line": line["Id"], "by": "+2"}],
        add=[{"product": "Premium Support", "quantity": 1, "end": "2027-06-30"}],
        start="2026-12-13",
        activate=True,
    )
    order = sample.record("Order", made["order"]["id"])
    quote = sample.record("SBQQ__Quote__c", order["SBQQ__Quote__c"])
    opportunity = sample.record("Opportunity", order["OpportunityId"])
    assert opportunity["SBQQ__AmendedContract__c"] == line["SBQQ__Contract__c"]
    assert (quote["SBQQ__Type__c"], quote["SBQQ__MasterContract__c"]) == (
        "Amendment",
        line["SBQQ__Contract__c"],
    )
    more, new = items_of(sample, order["Id"])
    assert more["SBQQ__RevisedOrderProduct__c"] == line["Id"]
    assert new["SBQQ__RevisedOrderProduct__c"] is None
    assert (new["ServiceDate"], new["EndDate"]) == ("2026-12-13", "2027-06-30")
    assert str(more["SBQQ__ProrateMultiplier__c"]).startswith("1.6246575")
    assert {item["SBQQ__Contract__c"] for item in (more, new)} == {line["SBQQ__Contract__c"]}
    for item in (more, new):
        assert (
            sample.record("SBQQ__Subscription__c", item["SBQQ__Subscription__c"])["SBQQ__OrderProduct__c"]
            == item["Id"]
        )
        assert (
            sample.record("SBQQ__QuoteLine__c", item["SBQQ__QuoteLine__c"])["SBQQ__Quote__c"] == quote["Id"]
        )
    assert order["CurrencyIsoCode"] == "USD"
    assert sample.record("Contract", line["SBQQ__Contract__c"])["EndDate"] == "2027-06-30"


def test_every_save_is_later_than_every_one_before_so_that_a_poll_sees_it(desk, sample):
    first = order_named(sample, "Ten seats for a year")
    stamps = []
    for _ in range(3):
        made = desk.do("amend", contract=first["Id"], products=[{"product": "Seat", "by": 1}], activate=True)
        order = sample.record("Order", made["order"]["id"])
        assert order["SystemModstamp"] > order["CreatedDate"] >= "2026-11-20T09:00:00.000+0000"
        stamps += [order["ActivatedDate"], order["SystemModstamp"]]
    assert stamps == sorted(set(stamps))
    unchanged = sample.record("Order", first["Id"])
    assert unchanged["SystemModstamp"] == first["SystemModstamp"]


def test_reduction_by_product_spreads_newest_first_and_termination_takes_all(desk, sample):
    first = order_named(sample, "Ten seats for a year")
    for by in (2, 5, -6):
        made = desk.do("amend", contract=first["Id"], products=[{"product": "Seat", "by": by}], activate=True)
    assert [line[0] for line in lines(made)] == [-5.0, -1.0]
    ended = desk.do("terminate", contract=first["Id"], start="2026-12-01", activate=True)
    assert [line[:2] for line in lines(ended)] == [(-1.0, "2026-12-01"), (-10.0, "2026-12-01")]
    assert {line["left"] for line in ended["contracts"][0]["lines"]} == {0}
    assert "nothing is renewed" in desk.refused("renew", contract=first["Id"])
    again = desk.do("amend", contract=first["Id"], add=[{"product": "Seat", "quantity": 4}], activate=True)
    assert lines(again)[0][:3] == (4.0, "2026-11-20", "2027-01-31")


def test_renewal_early_and_on_time(desk, sample):
    first = order_named(sample, "Ten seats for a year")
    contract = items_of(sample, first["Id"])[0]["SBQQ__Contract__c"]
    early = desk.do("renew", contract=contract, start="2026-12-15", term=24)
    assert lines(early) == [(10.0, "2026-12-15", "2028-12-14", 1200.0, 12000.0)]
    on_time = desk.do("renew", contract=contract, activate=True)
    assert lines(on_time) == [(10.0, "2027-02-01", "2028-01-31", 600.0, 6000.0)]
    assert on_time["contracts"][0]["id"] != contract
    order = sample.record("Order", on_time["order"]["id"])
    assert sample.record("Opportunity", order["OpportunityId"])["SBQQ__RenewedContract__c"] == contract
    assert sample.record("SBQQ__Quote__c", order["SBQQ__Quote__c"])["SBQQ__Type__c"] == "Renewal"


def test_price_of_a_discounted_line_is_kept_to_the_cent(desk, sample):
    first = order_named(sample, "A discount")
    made = desk.do("amend", contract=first["Id"], products=[{"product": "Seat", "by": 1}], start="2026-12-01")
    assert lines(made)[0][3:] == (255.0, 255.0)


def test_line_that_is_not_billed_stays_so_in_an_amendment(desk, sample):
    first = order_named(sample, "A line we do not bill")
    skipped = next(item for item in items_of(sample, first["Id"]) if item["Skip_Line_Item__c"])
    made = desk.do("amend", contract=first["Id"], lines=[{"line": skipped["Id"], "by": 1}])
    assert items_of(sample, made["order"]["id"])[0]["Skip_Line_Item__c"] is True


def test_amendment_that_was_overtaken_cannot_be_activated(desk, sample):
    first = order_named(sample, "Ten seats for a year")
    draft = desk.do("amend", contract=first["Id"], products=[{"product": "Seat", "by": -8}])
    desk.do("amend", contract=first["Id"], products=[{"product": "Seat", "by": -5}], activate=True)
    assert "5 left by now" in desk.refused("activate", order=draft["order"]["number"])
    assert sample.record("Order", draft["order"]["id"])["Status"] == "Draft"


@pytest.mark.parametrize(
    ("verb", "document", "says"),
    [
        ("quote", {"account": "Baden Trading", "lines": []}, "lines is empty"),
        ("quote", {"account": "Baden Trading", "lines": [{"product": "Seat", "quantity": 0}]}, "above 0"),
        ("quote", {"account": "Baden Trading", "lines": [{"product": "Seat", "quantity": -1}]}, "above 0"),
        ("quote", {"account": "Baden Trading", "lines": [{"product": "Sat", "quantity": 1}]}, "mean 'Seat'"),
        ("quote", {"account": "Baden Trading", "lines": [{"product": "API Calls", "quantity": 2}]}, "usage"),
        ("quote", {"account": "Baden Trading", "lines": 5}, "list of objects"),
        ("quote", {"account": 5, "lines": [{"product": "Seat", "quantity": 1}]}, "account must be text"),
        ("quote", {"lines": [{"product": "Seat", "quantity": 1}]}, "account is missing"),
        (
            "quote",
            {"account": "Baden Trading", "lines": [{"product": "Seat", "quantity": 1}], "start": "32 May"},
            "no date such as",
        ),
        (
            "quote",
            {"account": "Baden Trading", "lines": [{"product": "Seat", "quantity": 1}], "term": 0},
            "whole months from 1",
        ),
        (
            "quote",
            {
                "account": "Baden Trading",
                "lines": [{"product": "Seat", "quantity": 1}],
                "start": "2026-12-01",
                "end": "2026-11-30",
            },
            "before it starts",
        ),
        (
            "quote",
            {
                "account": "Baden Trading",
                "lines": [{"product": "Seat", "quantity": 1, "frequency": "Weekly"}],
            },
            "Monthly, Quarterly",
        ),
        (
            "quote",
            {"account": "Baden Trading", "lines": [{"product": "Seat", "quantity": 1}], "currency": "CHF"},
            "no CHF entry",
        ),
        ("amend", {"contract": "00000101", "lines": [{"line": "x", "by": 1}]}, "no OrderItem 'x'"),
        ("amend", {"contract": "00000101"}, "nothing to change"),
        ("amend", {"contract": "00000101", "products": [{"product": "Seat", "by": 0}]}, "other than 0"),
        ("amend", {"contract": "00000101", "products": [{"product": "Seat", "by": -99}]}, "10 left"),
        ("amend", {"contract": "00000101", "products": [{"product": "Seat", "by": "NaN"}]}, "no number"),
        (
            "amend",
            {"contract": "00000101", "products": [{"product": "Seat", "by": 1}], "start": "2026-01-31"},
            "before its contract",
        ),
        (
            "amend",
            {"contract": "00000101", "products": [{"product": "Seat", "by": 1}], "start": "2027-02-01"},
            "nothing left of product",
        ),
        (
            "amend",
            {"contract": "00000101", "products": [{"product": "Seat", "by": 1}], "start": "9999-01-01"},
            "outside the years",
        ),
        ("amend", {"contract": "00000101", "quantity": 1}, "quantity: not known here"),
        ("amend", {"contract": "99999999", "products": [{"product": "Seat", "by": 1}]}, "neither a contract"),
        ("terminate", {"contract": "00000101", "start": "2027-02-01"}, "ends on 2027-01-31"),
        ("terminate", {"contract": "00000101", "refund_assets": "yes"}, "true or false"),
        ("renew", {"contract": "00000101", "start": "2025-01-01"}, "before its contract"),
        ("activate", {"order": "99999999"}, "no Order '99999999'"),
        ("activate", {}, "order is missing"),
    ],
)
def test_what_cannot_be_is_said_and_nothing_is_written(untouched, serve, verb, document, says):
    before = untouched.state()["objects"]
    assert says in Desk(serve(untouched, token="")).refused(verb, **document)
    assert untouched.state()["objects"] == before


def test_contract_and_order_of_one_number_must_be_told_apart(desk, sample):
    first = order_named(sample, "Ten seats for a year")
    other = sample.records("Contract")[-1]
    sample.update("Contract", other["Id"], {"ContractNumber": first["OrderNumber"]})
    assert "names several contracts" in desk.refused("terminate", contract=first["OrderNumber"])


def test_order_of_several_contracts_asks_which_one(desk, sample):
    order = order_named(sample, "Two contracts from one order")
    said = desk.refused("terminate", contract=order["OrderNumber"])
    ids = re.findall(r"800\w{15}", said)
    assert len(ids) == 2
    desk.do("amend", contract=ids[0], products=[{"product": "Seat", "by": 1}])


def test_order_nobody_contracted_is_contracted_first_and_a_draft_is_not(desk, sample):
    order = order_named(sample, "A line left behind")
    made = desk.do("amend", contract=order["Id"], products=[{"product": "Seat", "by": 1}], activate=True)
    assert made["contracts"][0]["orders"][0]["id"] == order["Id"]
    draft = order_named(sample, "A draft")
    assert "not activated" in desk.refused(
        "amend", contract=draft["Id"], products=[{"product": "Seat", "by": 1}]
    )


def test_order_without_quote_is_not_cpqs_business(desk, sample):
    order = order_named(sample, "No CPQ quote")
    sample.update("Order", order["Id"], {"Status": "Draft"})
    assert "does not come from a CPQ quote" in desk.refused("activate", order=order["Id"])


def test_org_of_an_export_without_cpq_objects_says_what_is_missing(tmp_path, serve):
    org = Org(NOW)
    org.metadata.limit_to(["Order", "OrderItem", "Account"])
    org.load({"Order": [], "OrderItem": [], "Account": []})
    desk = Desk(serve(org, token=""))
    assert "This org has no Product2" in desk.refused("activate", order="1")


def test_objects_the_org_lacks_are_left_out(serve):
    org = Org(SAMPLE_NOW)
    lacking = ("SBQQ__QuoteLine__c", "SBQQ__Subscription__c")
    records = {name: rows for name, rows in RECORDS.items() if name not in lacking}
    org.metadata.limit_to(records)
    org.load(records)
    desk = Desk(serve(org, token=""))
    made = desk.do("amend", contract="00000101", products=[{"product": "Seat", "by": 1}], activate=True)
    assert made["order"]["status"] == "Activated"
    assert org.metadata.find("SBQQ__QuoteLine__c") is None


@pytest.mark.parametrize("precision", PRECISIONS)
def test_precision_of_the_org_is_found_from_its_lines_or_set(precision, serve):
    org = Org(datetime(2041, 1, 1, tzinfo=UTC))
    org.load(random_org(Random(3), contracts=30, precision=precision).records)
    assert inferred_precision(org) == precision
    empty = Org(NOW)
    assert inferred_precision(empty) == "monthly_daily"
    if precision != "month":
        return
    sample = Org(SAMPLE_NOW)
    sample.load(RECORDS)
    sample.prorate_precision = "month"
    made = Desk(serve(sample, token="")).do(
        "amend", contract="00000101", products=[{"product": "Seat", "by": 1}], start="2027-01-31"
    )
    assert lines(made)[0][3] == 50.0


def test_every_contract_of_the_sample_can_be_read_and_ended(desk, sample):
    contracts = desk.rest.get(DESK).json()
    assert len(contracts) == len(sample.records("Contract"))
    ended = 0
    for contract in contracts:
        alive = [line for line in contract["lines"] if line["left"] and line["is_recurring"]]
        start = max([contract["start"], "2026-11-20", *(line["start"] for line in alive)])
        if not alive or (contract["end"] and start > contract["end"]):
            continue
        made = desk.do("terminate", contract=contract["id"], start=start, activate=True)
        assert all(line["quantity"] < 0 or line["total"] >= 0 for line in made["order"]["lines"])
        ended += 1
    assert ended > 40


def test_unknown_paths_and_methods_are_not_found(desk):
    assert error_of(desk.post("cancel")) == (404, "NOT_FOUND")
    assert error_of(desk.rest.get(f"{DESK}/contracts/800000000000000AAA")) == (404, "NOT_FOUND")
    assert error_of(desk.rest.call("DELETE", DESK)) == (404, "NOT_FOUND")


def test_body_that_is_no_object_is_refused(desk):
    for content in (b"[]", b"{", b'"x"'):
        assert error_of(desk.rest.call("POST", f"{DESK}/amend", content=content)) == (
            400,
            "JSON_PARSER_ERROR",
        )


def test_pages_lead_from_the_contracts_to_an_amendment(desk, sample):
    index = desk.page()
    assert "Helvetia Optics" in index
    assert "Draft orders" in index
    first = order_named(sample, "Ten seats for a year")
    (line,) = items_of(sample, first["Id"])
    contract = line["SBQQ__Contract__c"]
    page = desk.page(f"/contracts/{contract}")
    assert f'name="line.{line["Id"]}"' in page
    sent = desk.form(
        "amend",
        contract=contract,
        start="2026-12-01",
        end="",
        activate="on",
        **{f"line.{line['Id']}": "-3", "new.0.product": "", "new.0.quantity": ""},
    )
    assert sent.status_code == 303
    made = desk.rest.get(sent.headers["Location"], headers=HTML)
    assert "-300.00" in made.text
    assert "Activated" in made.text
    assert "Refresh" not in made.headers


def test_form_sells_to_a_new_or_a_known_customer(desk, sample):
    account = order_named(sample, "Ten seats for a year")["AccountId"]
    product = next(each for each in sample.records("Product2") if each["Name"] == "Seat")["Id"]
    fields = {
        "account": account,
        "start": "2026-12-01",
        "term": "6",
        "new.0.product": product,
        "new.0.quantity": "2",
    }
    known = desk.form("quote", **fields, new_account="", email="left@over.example")
    new = desk.form("quote", **fields, new_account="Zwei GmbH", email="zwei@mail.example")
    orders = [desk.rest.get(each.headers["Location"]).json() for each in (known, new)]
    assert [order["account"] for order in orders] == ["Baden Trading", "Zwei GmbH"]
    assert [(order["is_draft"], order["total"]) for order in orders] == [(True, 600.0)] * 2
    activated = desk.form("activate", order=orders[0]["id"])
    assert activated.status_code == 303
    assert desk.rest.get(activated.headers["Location"]).json()["status"] == "Activated"


def test_form_that_cannot_be_carried_out_says_so_on_a_page(desk, sample):
    contract = items_of(sample, order_named(sample, "Ten seats for a year")["Id"])[0]["SBQQ__Contract__c"]
    refused = desk.form("terminate", contract=contract, start="2030-01-01")
    assert refused.status_code == 400
    assert "there is nothing to end on 2030-01-01" in refused.text
    assert f'href="{DESK}/contracts/{contract}"' in refused.text


def test_names_are_escaped_and_pages_allow_nothing_from_elsewhere(desk, sample):
    sample.update(
        "Account", order_named(sample, "Ten seats for a year")["AccountId"], {"Name": "<b>Evil</b> & Co"}
    )
    answer = desk.rest.get(DESK, headers=HTML)
    assert "<b>Evil" not in answer.text
    assert "&lt;b&gt;Evil&lt;/b&gt; &amp; Co" in answer.text
    assert "default-src 'none'" in answer.headers["Content-Security-Policy"]
    assert "style=" not in answer.text
    assert desk.rest.get(f"{DESK}/desk.css").headers["content-type"].startswith("text/css")


def test_form_of_another_site_is_refused(desk):
    url = str(desk.rest.http.base_url).rstrip("/")
    fields = {"order": "00000162"}
    refused = desk.rest.call(
        "POST", f"{DESK}/activate", data=fields, headers={"Origin": "http://evil.example"}
    )
    assert error_of(refused) == (403, "CROSS_ORIGIN")
    own = desk.rest.call("POST", f"{DESK}/activate", data=fields, headers={"Origin": url})
    assert own.status_code == 303


def test_clock_of_the_org_moves_forward_only(desk, sample):
    assert desk.form("clock", day="2026-12-24").headers["Location"] == DESK
    assert sample.now == datetime(2026, 12, 24, 9, tzinfo=UTC)
    back = desk.form("clock", day="2026-12-01")
    assert back.status_code == 400
    assert "does not go back" in back.text
    assert "day is missing" in desk.form("clock", day="").text


def test_page_of_an_order_waits_for_the_connector(sample, stage, serve):
    from cpqbridge_sim.salesforce.desk.resource import DeskOptions  # noqa: PLC0415

    desk = Desk(serve(sample, token=""))
    stage.app = create_app(sample, DeskOptions(connector_url="http://127.0.0.1:8080"))
    made = desk.do("amend", contract="00000101", products=[{"product": "Seat", "by": 1}], activate=True)
    path = f"{DESK}/orders/{made['order']['id']}"
    waiting = desk.rest.get(path, headers=HTML)
    assert waiting.headers["Refresh"] == "2"
    assert "has not seen this order yet" in waiting.text
    sample.update(
        "Order", made["order"]["id"], {"Stripe_Sync_Status__c": "Synced", "Stripe_ID__c": "sub_sched_1"}
    )
    done = desk.rest.get(path, headers=HTML)
    assert "Refresh" not in done.headers
    assert "sub_sched_1" in done.text
    assert f"http://127.0.0.1:8080/orders/{made['order']['id']}" in done.text


def test_requests_to_the_desk_are_neither_logged_nor_counted(desk):
    desk.do("amend", contract="00000101", products=[{"product": "Seat", "by": 1}])
    assert desk.rest.get("/_sim/requests?counts=1").json() == {"count": 0}


def test_usage_is_sold_with_the_schedule_of_its_product(desk, sample):
    made = desk.do(
        "quote",
        account="Baden Trading",
        start="2026-12-01",
        lines=[{"product": "API Calls", "quantity": 1}, {"product": "Energy", "quantity": 1}],
        activate=True,
    )
    first, second = items_of(sample, made["order"]["id"])
    copies = {
        each["SBQQ__OrderItem__c"]: each for each in sample.records("SBQQ__OrderItemConsumptionSchedule__c")
    }
    bounds = {
        item["Id"]: [
            (rate["SBQQ__UpperBound__c"], rate["SBQQ__PricingMethod__c"])
            for rate in sample.records("SBQQ__OrderItemConsumptionRate__c")
            if rate["SBQQ__OrderItemConsumptionSchedule__c"] == copies[item["Id"]]["Id"]
        ]
        for item in (first, second)
    }
    assert bounds[first["Id"]] == [(10_000, "PerUnit"), (100_000, "PerUnit"), (None, "PerUnit")]
    assert bounds[second["Id"]] == [(500, "FlatFee"), (None, "PerUnit")]


def test_coupons_of_a_quote_are_copied_when_its_order_is_activated_later(desk, sample):
    made = desk.do(
        "quote",
        account="Baden Trading",
        start="2026-12-01",
        coupons=["Loyal customer"],
        lines=[{"product": "Seat", "quantity": 3, "coupons": ["Voucher", "Loyal customer"]}],
    )
    order_id = made["order"]["id"]
    (item,) = items_of(sample, order_id)

    def copies(of, lookup, record_id):
        coupons = {each["Id"]: each["Name"] for each in sample.records("Order_Stripe_Coupon__c")}
        return [
            coupons[each["Order_Stripe_Coupon__c"]]
            for each in sample.records(of)
            if each[lookup] == record_id
        ]

    on_order = ("Order_Stripe_Coupon_Association__c", "Order__c", order_id)
    on_line = ("Order_Item_Stripe_Coupon_Association__c", "Order_Item__c", item["Id"])
    assert copies(*on_order) == copies(*on_line) == []
    desk.do("activate", order=made["order"]["number"])
    assert copies(*on_order) == ["Loyal customer"]
    assert copies(*on_line) == ["Voucher", "Loyal customer"]
    refused = desk.refused(
        "quote",
        account="Baden Trading",
        coupons=["Nobody's"],
        lines=[{"product": "Seat", "quantity": 1}],
    )
    assert "no Quote_Stripe_Coupon__c" in refused


def test_evergreen_line_added_to_a_term_gets_a_contract_of_its_own_and_is_ended_alone(desk, sample):
    made = desk.do(
        "quote",
        account="Baden Trading",
        start="2026-12-01",
        lines=[{"product": "Seat", "quantity": 3}],
        activate=True,
    )
    added = desk.do(
        "amend",
        contract=made["contracts"][0]["id"],
        start="2027-01-01",
        add=[{"product": "Cloud Workspace", "quantity": 2}],
        activate=True,
    )
    endless = next(each for each in added["contracts"] if each["id"] != made["contracts"][0]["id"])
    ended = desk.do("terminate", contract=endless["id"], start="2027-03-01", activate=True)
    assert lines(ended) == [(-2.0, "2027-03-01", None, 25.0, -50.0)]
    assert sample.record("Contract", endless["id"])["SBQQ__Evergreen__c"] is True
