"""Tax rates: on which lines they come, what they come to, and that changing them moves no money by itself."""

import pytest
from tests.contract.stripe_sim.stripe_driver import at, items, phase

RATES = "/v1/tax_rates"


def rate(api, percentage: str = "20", *, inclusive: bool = False, **params) -> str:
    params = {"display_name": "VAT", "percentage": percentage, "inclusive": inclusive, **params}
    return api.post(RATES, params)["id"]


def taxes(line: dict) -> list[tuple[int, int]]:
    return [(entry["amount"], entry["taxable_amount"]) for entry in line["taxes"]]


@pytest.mark.parametrize(
    ("params", "param"),
    [
        ({"percentage": "100.5"}, "percentage"),
        ({"percentage": "-1"}, "percentage"),
        ({"percentage": "7.12345"}, "percentage"),
        ({"percentage": "seven"}, "percentage"),
    ],
)
def test_rates_that_are_refused(api, params, param):
    body = {"display_name": "VAT", "inclusive": False, **params}
    assert api.refused("POST", RATES, body)["param"] == param


def test_a_rate_changes_all_but_its_percentage(api):
    identifier = rate(api, "7.7", country="CH", metadata={"a": "1"})
    changed = api.post(f"{RATES}/{identifier}", {"active": False, "display_name": "MWST"})
    assert (changed["percentage"], changed["active"], changed["display_name"]) == (7.7, False, "MWST")
    assert changed["metadata"] == {"a": "1"}
    error = api.refused("POST", f"{RATES}/{identifier}", {"percentage": "8"})
    assert error["code"] == "parameter_unknown"
    live = rate(api)
    listed = api.get(RATES, {"active": True})["data"]
    assert [body["id"] for body in listed] == [live]
    assert api.get(f"{RATES}/{identifier}")["inclusive"] is False


def test_an_exclusive_tax_comes_on_top_of_each_line_after_discounts(api):
    # Lines 1005 and 333, 10 % off: 1005 - 101 = 904 and 333 - 33 = 300 (100.5 and 33.3 rounded).
    # 19 % of them is 171.76 -> 172 and 57.00 -> 57. Subtotal 1338, net 1204, total 1204 + 229 = 1433.
    api.subscribe(
        *items(api.price(1005), api.price(333)),
        discounts=[{"coupon": api.coupon(percent_off=10, duration="forever")}],
        default_tax_rates=[rate(api, "19")],
    )
    invoice = api.invoices()[0]
    assert [taxes(line) for line in invoice["lines"]["data"]] == [[(172, 904)], [(57, 300)]]
    assert invoice["subtotal"] == invoice["subtotal_excluding_tax"] == 1338
    assert (invoice["total_excluding_tax"], invoice["total"], invoice["amount_due"]) == (1204, 1433, 1433)
    (total,) = invoice["total_taxes"]
    assert (total["amount"], total["taxable_amount"], total["tax_behavior"]) == (229, 1204, "exclusive")
    assert invoice["default_tax_rates"][0]["percentage"] == 19.0


def test_an_inclusive_tax_is_a_part_of_the_amount(api):
    # 1190 holds 190 at 19 %; with 10 % off 1071 holds 171.
    vat = rate(api, "19", inclusive=True)
    coupon = api.coupon(percent_off=10, duration="once")
    api.subscribe(*items(api.price(1190)), default_tax_rates=[vat], discounts=[{"coupon": coupon}])
    api.go(2026, 2, 1)
    first, second = api.invoices()
    names = ("subtotal", "subtotal_excluding_tax", "total", "total_excluding_tax")
    assert [first[name] for name in names] == [1190, 1000, 1071, 900]
    assert [second[name] for name in names] == [1190, 1000, 1190, 1000]
    assert taxes(first["lines"]["data"][0]) == [(171, 1071)]


def test_several_rates_are_rounded_one_by_one(api):
    # 5 % and 9.975 % of 999: 49.95 -> 50 and 99.65 -> 100. Inclusive 10 % and 15 %: 1000 * 10/125 and 15/125.
    both = [rate(api, "5"), rate(api, "9.975")]
    inside = [rate(api, "10", inclusive=True), rate(api, "15", inclusive=True)]
    api.subscribe(
        {"price": api.price(999), "tax_rates": both}, {"price": api.price(1000), "tax_rates": inside}
    )
    invoice = api.invoices()[0]
    assert [taxes(line) for line in invoice["lines"]["data"]] == [
        [(50, 999), (100, 999)],
        [(80, 1000), (120, 1000)],
    ]
    assert (invoice["total"], invoice["total_excluding_tax"]) == (1999 + 150, 1999 - 200)


def test_a_lines_own_rates_stand_before_the_default(api):
    general, reduced = rate(api, "20"), rate(api, "10")
    setup = {"price": api.one_time(300), "tax_rates": [reduced]}
    schedule = api.schedule(
        phase(api.price(1000), end=at(2027, 1, 1), default_tax_rates=[general], add_invoice_items=[setup]),
        start=at(2026, 1, 1),
    )
    waiting = {"customer": schedule["customer"], "amount": 50, "currency": "usd"}
    api.post("/v1/invoiceitems", {**waiting, "tax_rates": [reduced]})
    api.post("/v1/invoiceitems", waiting)
    api.go(2026, 2, 1)
    first, second = api.invoices()
    assert [taxes(line)[0] for line in first["lines"]["data"]] == [(30, 300), (200, 1000)]
    assert [taxes(line)[0] for line in second["lines"]["data"]] == [(5, 50), (10, 50), (200, 1000)]
    assert [entry["amount"] for entry in second["total_taxes"]] == [5, 210]
    assert schedule["phases"][0]["add_invoice_items"][0]["tax_rates"][0]["id"] == reduced


def test_a_phase_brings_its_own_rates_and_no_proration(api):
    old, new = rate(api, "19"), rate(api, "21")
    price = api.price(1000)
    schedule = api.schedule(
        phase(price, end=at(2026, 1, 16), default_tax_rates=[old]),
        {
            "items": [{"price": price, "tax_rates": [new]}],
            "end_date": at(2026, 3, 16),
            "default_tax_rates": [old],
        },
        phase(price, end=at(2027, 1, 1)),
        start=at(2026, 1, 1),
    )
    api.go(2026, 1, 17)
    assert api.get("/v1/invoiceitems", {"pending": True})["data"] == []
    item = api.get(f"/v1/subscriptions/{schedule['subscription']}")["items"]["data"][0]
    assert [entry["id"] for entry in item["tax_rates"]] == [new]
    api.go(2026, 4, 1)
    assert api.totals() == [1190, 1210, 1210, 1000]


def test_prorations_are_taxed_at_the_rates_of_their_item(api):
    # Half of January is given back and billed: -1500 and 3000, each with 20 % on it.
    vat = rate(api)
    schedule = api.schedule(
        {"items": [{"price": api.price(3100), "tax_rates": [vat]}], "end_date": at(2026, 1, 17)},
        {
            "items": [{"price": api.price(6200), "tax_rates": [vat]}],
            "end_date": at(2027, 1, 1),
            "proration_behavior": "always_invoice",
        },
        start=at(2026, 1, 1),
    )
    api.go(2026, 1, 17)
    invoice = api.invoices(subscription=schedule["subscription"])[-1]
    assert [(line["amount"], *taxes(line)) for line in invoice["lines"]["data"]] == [
        (-1500, (-300, -1500)),
        (3000, (600, 3000)),
    ]
    assert invoice["total"] == 1800


def test_changing_rates_of_a_subscription_counts_from_the_next_invoice(api):
    subscription = api.subscribe(*items(api.price(1000)))
    path, item = f"/v1/subscriptions/{subscription['id']}", subscription["items"]["data"][0]["id"]
    api.post(path, {"default_tax_rates": [rate(api, "10")]})
    api.go(2026, 2, 1)
    api.post(path, {"items": [{"id": item, "tax_rates": [rate(api, "5")]}]})
    api.go(2026, 3, 1)
    api.post(path, {"items": [{"id": item, "tax_rates": ""}], "default_tax_rates": ""})
    api.go(2026, 4, 1)
    assert api.totals() == [1000, 1100, 1050, 1000]


@pytest.mark.parametrize(("exempt", "reason"), [("exempt", "customer_exempt"), ("reverse", "reverse_charge")])
def test_an_exempt_customer_pays_no_tax(api, exempt, reason):
    customer = api.customer(tax_exempt=exempt)
    api.subscribe(*items(api.price(1000)), customer=customer, default_tax_rates=[rate(api)])
    invoice = api.invoices()[0]
    assert (invoice["total"], invoice["customer_tax_exempt"]) == (1000, exempt)
    assert invoice["total_taxes"][0]["taxability_reason"] == reason


def test_a_manual_invoice_takes_rates_until_it_is_finalized(api):
    vat, reduced = rate(api), rate(api, "5")
    invoice = api.post("/v1/invoices", {"customer": api.customer(), "default_tax_rates": [vat]})["id"]
    path = f"/v1/invoices/{invoice}"
    lines = [{"amount": 1000}, {"amount": 100, "tax_rates": [reduced]}]
    added = api.post(f"{path}/add_lines", {"lines": lines})
    assert added["total"] == 1200 + 105
    line = added["lines"]["data"][0]["id"]
    changed = api.post(f"{path}/update_lines", {"lines": [{"id": line, "tax_rates": [reduced]}]})
    assert changed["total"] == 1050 + 105
    api.post(f"{path}/update_lines", {"lines": [{"id": line, "tax_rates": ""}]})
    assert api.post(path, {"default_tax_rates": ""})["total"] == 1000 + 105
    api.post(f"{path}/finalize")
    assert api.refused("POST", path, {"default_tax_rates": [vat]})["code"] == "invoice_not_editable"


def test_rates_of_a_pending_item_can_change(api):
    waiting = {"customer": api.customer(), "amount": 1000, "currency": "usd", "tax_rates": [rate(api)]}
    path = f"/v1/invoiceitems/{api.post('/v1/invoiceitems', waiting)['id']}"
    changed = api.post(path, {"tax_rates": [rate(api, "5")]})
    assert [entry["percentage"] for entry in changed["tax_rates"]] == [5.0]
    assert api.post(path, {"tax_rates": ""})["tax_rates"] == []


def test_an_archived_rate_stays_where_it_is_and_comes_nowhere_new(api):
    vat = rate(api)
    price = api.price(1000)
    terms = phase(price, end=at(2027, 1, 1), default_tax_rates=[vat])
    schedule = api.schedule(terms, start=at(2026, 1, 1))
    api.post(f"{RATES}/{vat}", {"active": False})
    path = f"/v1/subscription_schedules/{schedule['id']}"
    api.post(path, {"phases": [{**terms, "start_date": at(2026, 1, 1)}]})
    api.go(2026, 2, 1)
    assert api.totals() == [1200, 1200]
    error = api.refused("POST", "/v1/subscription_schedules", {"customer": api.customer(), "phases": [terms]})
    assert error["param"] == "phases[0][default_tax_rates][0]"


def test_rates_that_no_line_can_have(api):
    inside, outside = rate(api, inclusive=True), rate(api)
    body = {"customer": api.customer(), "items": items(api.price(5))}
    for rates, param in (
        (["txr_nope"], "default_tax_rates[0]"),
        ([outside, outside], "default_tax_rates[1]"),
        ([outside, inside], "default_tax_rates"),
    ):
        refused = api.refused("POST", "/v1/subscriptions", {**body, "default_tax_rates": rates})
        assert refused["param"] == param


@pytest.fixture
def taxed(api) -> dict:
    """A paid invoice: 3000 less 10 % = 2700, 20 % on it = 540, total 3240."""
    api.subscribe(
        *items(api.price(1000), quantity=3),
        default_tax_rates=[rate(api)],
        discounts=[{"coupon": api.coupon(percent_off=10, duration="forever")}],
    )
    return api.invoices()[0]


def test_a_credited_line_takes_its_tax_along(api, taxed):
    # A third of the line: 1000 less 100, with 180 of tax: 1080.
    line = {"type": "invoice_line_item", "invoice_line_item": taxed["lines"]["data"][0]["id"], "quantity": 1}
    body = {"invoice": taxed["id"], "lines": [line], "credit_amount": 1080}
    note = api.post("/v1/credit_notes", body)
    assert (note["subtotal"], note["discount_amount"], note["total_excluding_tax"]) == (1000, 100, 900)
    assert (note["amount"], note["total"]) == (1080, 1080)
    assert [(entry["amount"], entry["taxable_amount"]) for entry in note["total_taxes"]] == [(180, 900)]
    line["quantity"] = 2
    api.post("/v1/credit_notes", {**body, "lines": [line], "credit_amount": 2160})
    assert api.get(f"/v1/customers/{taxed['customer']}")["balance"] == -3240


def test_a_custom_line_of_a_note_has_rates_of_its_own(api, taxed):
    custom = {"type": "custom_line_item", "unit_amount": 500, "quantity": 2, "tax_rates": [rate(api, "5")]}
    note = api.post("/v1/credit_notes", {"invoice": taxed["id"], "lines": [custom], "credit_amount": 1050})
    assert (note["amount"], note["total_excluding_tax"], note["total_taxes"][0]["amount"]) == (1050, 1000, 50)
    own = {"type": "invoice_line_item", "invoice_line_item": taxed["lines"]["data"][0]["id"]}
    refused = api.refused(
        "POST",
        "/v1/credit_notes",
        {"invoice": taxed["id"], "lines": [{**own, "tax_rates": [rate(api)]}], "credit_amount": 5},
    )
    assert refused["param"] == "lines[0][tax_rates]"


def test_a_preview_shows_taxes(api):
    details = {"items": items(api.price(1000)), "default_tax_rates": [rate(api)]}
    body = {"customer": api.customer(), "subscription_details": details}
    preview = api.post("/v1/invoices/create_preview", body)
    assert (preview["total"], preview["total_taxes"][0]["amount"]) == (1200, 200)


def test_a_schedule_made_from_a_subscription_keeps_its_rates(api):
    vat, reduced = rate(api), rate(api, "5")
    item = {"price": api.price(1000), "tax_rates": [reduced]}
    subscription = api.subscribe(item, default_tax_rates=[vat])
    made = api.post("/v1/subscription_schedules", {"from_subscription": subscription["id"]})
    mirrored = made["phases"][0]
    assert [entry["id"] for entry in mirrored["default_tax_rates"]] == [vat]
    assert [entry["id"] for entry in mirrored["items"][0]["tax_rates"]] == [reduced]
