"""Whatever is sent, the account answers with an object or an error of its own, never with a crash."""

from datetime import UTC, datetime
from decimal import Decimal

from hypothesis import given, settings
from hypothesis import strategies as st
from tests.contract.stripe_sim.stripe_driver import Api, at, items, phase

from cpqbridge_sim.stripe.account import Account
from cpqbridge_sim.stripe.parameter_tree import Node, fields_of, parameters_named
from cpqbridge_sim.stripe.routes import endpoints

IDS = [
    "customer",
    "price",
    "product",
    "coupon",
    "invoice",
    "invoiceitem",
    "subscription",
    "subscription_schedule",
    "discount",
    "credit_note",
    "billing.meter",
    "tax_rate",
    "promotion_code",
    "payment_method",
    "invoice_payment",
]


def furnished() -> tuple[Account, dict[str, list[str]]]:
    """An account with at least one object of every kind."""
    api = Api(Account(datetime(2026, 1, 1, tzinfo=UTC)))
    coupon = api.coupon(id="half", percent_off=50, duration="forever")
    api.post("/v1/promotion_codes", {"promotion": {"type": "coupon", "coupon": coupon}, "code": "HALF"})
    vat = {"display_name": "VAT", "percentage": "19", "inclusive": False}
    taxed = {"default_tax_rates": [api.post("/v1/tax_rates", vat)["id"]]}
    itemized = {"type": "flexible", "flexible": {"proration_discounts": "itemized"}}
    price, setup = api.price(1000), api.one_time(300)
    schedule = api.schedule(
        phase(price, end=at(2026, 6, 1), discounts=[{"coupon": coupon}]),
        phase(price, end=at(2027, 1, 1), quantity=2, add_invoice_items=[{"price": setup}]),
        start=at(2026, 1, 1),
        billing_mode=itemized,
    )
    subscription = api.subscribe(*items(api.price(500, "year"), price), **taxed)
    api.post("/v1/invoiceitems", {"customer": schedule["customer"], "amount": 5, "currency": "usd"})
    api.post("/v1/invoices", {"customer": schedule["customer"]})
    paid = subscription["latest_invoice"]
    api.post("/v1/credit_notes", {"invoice": paid, "amount": 100, "credit_amount": 100})
    metered = {"price": api.metered(10, api.meter())}
    api.subscribe(metered, {"price": api.tiered((5, 100, 1000), ("inf", 50)), "quantity": 7})
    api.use(schedule["customer"], 5, identifier="mev_known")
    api.post("/v1/test_helpers/test_clocks", {"frozen_time": at(2026, 1, 1)})
    bodies = api.account.all_objects()
    ids = {kind: [body["id"] for body in bodies[kind]] for kind in IDS}
    lines = [line["id"] for invoice in bodies["invoice"] for line in invoice["lines"]["data"]]
    ids["line"] = lines
    ids["item"] = [item["id"] for item in subscription["items"]["data"]]
    return api.account, ids


_, KNOWN = furnished()
WORDS = st.sampled_from(
    [identifier for group in KNOWN.values() for identifier in group]
    + [
        "calls",
        "mev_known",
        "usd",
        "eur",
        "",
        "nope",
        "now",
        "1",
        "data.customer",
        "latest_invoice",
        "pm_card_visa",
        "x" * 300,
    ]
)
NUMBERS = st.one_of(
    st.integers(-5, 40), st.sampled_from([at(2026, 1, 16), at(2026, 9, 1), at(2025, 11, 1), 10**15])
)
DECIMALS = st.sampled_from([Decimal("0.333"), Decimal(-2), Decimal("1e-13"), Decimal(50), "nan"])


def value(node: Node, depth: int):
    choices = []
    if node.literals:
        choices.append(st.sampled_from(node.literals))
    if node.text or node.clearable:
        choices.append(WORDS)
    if node.integer:
        choices.append(NUMBERS)
    if node.decimal:
        choices.append(DECIMALS)
    if node.boolean:
        choices.append(st.booleans())
    if node.mapping is not None:
        choices.append(
            st.dictionaries(st.sampled_from(["a", "b", "stripe_customer_id", "value"]), WORDS, max_size=2)
        )
    if node.objects and depth:
        choices.append(parameters(node.objects[0], depth - 1))
    if node.item is not None and depth:
        choices.append(st.lists(value(node.item, depth - 1), max_size=3))
    return st.one_of(choices) if choices else WORDS


@st.composite
def parameters(draw, kind: type, depth: int = 4):
    known = fields_of(kind)
    chosen = draw(st.sets(st.sampled_from(sorted(known)), max_size=5)) if known else set()
    chosen |= {name for name, field in known.items() if field.required}
    chosen |= {
        name for name in ("customer", "phases", "items", "invoice") if name in known and draw(st.booleans())
    }
    return {name: draw(value(known[name].node, depth)) for name in sorted(chosen)}


@st.composite
def requests(draw):
    route = draw(st.sampled_from(endpoints()))
    groups = {"customers": "customer", "billing": "billing.meter", "subscription_items": "item"}
    kind = groups.get(route.path.split("/")[2], route.path.split("/")[2].removesuffix("s"))
    path = route.path
    for _ in range(route.path.count("{}")):
        path = path.replace("{}", draw(st.sampled_from([*KNOWN.get(kind, []), "nope"])), 1)
    return route.method, path, draw(parameters(parameters_named(route.params)))


@settings(max_examples=150)
@given(st.lists(requests(), min_size=1, max_size=4))
def test_any_request_is_answered(drawn):
    account, _ = furnished()
    for method, path, params in drawn:
        status, body = account.request(method, path, params)
        assert status in (200, 400, 402, 404), body
        assert ("error" in body) == (status != 200)
    account.advance(datetime(2026, 10, 5, tzinfo=UTC))
