"""What must hold for all tiers and all usage, over drawn ones."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st
from tests.contract.stripe_sim.stripe_driver import Api, items

from cpqbridge_sim.stripe.account import Account

START = datetime(2026, 1, 1, tzinfo=UTC)


@st.composite
def tier_lists(draw):
    bounds = sorted(draw(st.sets(st.integers(1, 30), min_size=0, max_size=4)))
    amounts = st.one_of(st.none(), st.integers(0, 1000))
    tiers = []
    for bound in (*bounds, "inf"):
        unit, flat = draw(amounts), draw(amounts)
        tiers.append((bound, 7 if unit is None and flat is None else unit, flat))
    return tiers


def one_by_one(tiers, quantity: int, mode: str) -> int:
    """What a quantity costs, counted unit by unit."""

    def tier_of(unit: int) -> tuple:
        return next(tier for tier in tiers if tier[0] == "inf" or unit <= tier[0])

    if mode == "volume":
        _, unit, flat = tier_of(max(quantity, 1))
        return quantity * (unit or 0) + (flat or 0)
    touched = [tier_of(unit) for unit in range(1, quantity + 1)]
    flats = {id(tier): tier[2] or 0 for tier in (touched or [tiers[0]])}
    return sum(tier[1] or 0 for tier in touched) + sum(flats.values())


@given(tier_lists(), st.integers(0, 60), st.sampled_from(["graduated", "volume"]))
def test_tiers_cost_what_counting_unit_by_unit_says(tiers, quantity, mode):
    api = Api(Account(START))
    api.subscribe({"price": api.tiered(*tiers, mode=mode), "quantity": quantity})
    (invoice,) = api.invoices()
    lines = invoice["lines"]["data"]
    assert invoice["total"] == one_by_one(tiers, quantity, mode)
    assert sum(line["quantity"] for line in lines) == quantity


@st.composite
def metered_contracts(draw):
    """Phases that begin on drawn days, each with one of two prices of a meter, and events on drawn hours."""
    length = draw(st.integers(10, 200))
    cuts = sorted(draw(st.sets(st.integers(1, length - 1), max_size=4)))
    count = draw(st.sampled_from([1, 3]))
    phases = [
        (end, draw(st.integers(0, 1)), draw(st.sampled_from(["create_prorations", "always_invoice"])))
        for _, end in pairwise((0, *cuts, length))
    ]
    hours = st.integers(0, length * 24 + 100)
    events = draw(st.lists(st.tuples(hours, st.integers(0, 10**6)), max_size=12))
    return phases, count, sorted(events)


@given(metered_contracts())
def test_all_usage_of_a_contract_is_billed_once(contract):
    phases, count, events = contract
    api = Api(Account(START))
    customer, meter = api.customer(), api.meter()
    prices = [api.metered(1, meter, "month", count) for _ in range(2)]
    seats = items(api.price(100))
    bodies = [
        {
            "items": [*seats, {"price": prices[index]}],
            "end_date": int((START + timedelta(days=end)).timestamp()),
            "proration_behavior": behavior,
        }
        for end, index, behavior in phases
    ]
    api.schedule(*bodies, start=int(START.timestamp()), customer=customer)
    end = START + timedelta(days=phases[-1][0])
    exact = Fraction(0)
    for hour, thousandths in events:
        moment = START + timedelta(hours=hour)
        api.account.advance(max(moment, api.account.now))
        api.use(customer, str(Decimal(thousandths) / 1000))
        exact += Fraction(thousandths, 1000) if moment < end else 0
    api.account.advance(max(end, api.account.now) + timedelta(days=2))
    lines = [line for invoice in api.invoices() for line in invoice["lines"]["data"]]
    used = [line for line in lines if line["pricing"]["price_details"]["price"] in prices]
    assert sum(Fraction(line["quantity_decimal"]) for line in used) == exact
    assert abs(sum(line["amount"] for line in used) - exact) <= Fraction(len(used), 2)
    periods = sorted((line["period"]["start"], line["period"]["end"]) for line in used)
    assert all(first[1] <= second[0] for first, second in pairwise(periods))
    assert periods[-1][1] == int(end.timestamp())
    assert api.get("/v1/invoiceitems", {"pending": True})["data"] == []
