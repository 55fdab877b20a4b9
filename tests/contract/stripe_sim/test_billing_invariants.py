"""What must hold for every schedule, over drawn ones."""

import time
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st
from tests.contract.stripe_sim.stripe_driver import Api, at, phase

from cpqbridge_sim.stripe.account import Account
from cpqbridge_sim.stripe.periods import add_months

START = datetime(2026, 1, 1, tzinfo=UTC)


@st.composite
def contracts(draw):
    """A year or two of monthly items whose quantities change on drawn days, all prorated."""
    start = START + timedelta(days=draw(st.integers(0, 60)))
    length = draw(st.integers(20, 500))
    cuts = sorted(draw(st.sets(st.integers(1, length - 1), max_size=4)))
    bounds = [start + timedelta(days=day) for day in (0, *cuts, length)]
    units = draw(st.lists(st.integers(1, 99999), min_size=1, max_size=3))
    behavior = st.sampled_from(["create_prorations", "always_invoice"])
    phases = []
    for begin, end in pairwise(bounds):
        alive = draw(st.sets(st.integers(0, len(units) - 1), min_size=1))
        quantities = {index: draw(st.integers(0, 7)) for index in sorted(alive)}
        phases.append((begin, end, quantities, draw(behavior)))
    return units, phases


def begun(units, phases) -> Api:
    """An account with the schedule of a contract, whose clock has not moved yet."""
    api = Api(Account(START))
    prices = [api.price(unit) for unit in units]
    bodies = [
        {
            "items": [
                {"price": prices[index], "quantity": quantity, "metadata": {"unit": str(index)}}
                for index, quantity in quantities.items()
            ],
            "end_date": int(end.timestamp()),
            "proration_behavior": behavior,
        }
        for _, end, quantities, behavior in phases
    ]
    api.schedule(*bodies, start=int(phases[0][0].timestamp()))
    return api


def run(units, phases) -> Api:
    """The same, moved beyond the end of the contract."""
    api = begun(units, phases)
    api.account.advance(phases[-1][1] + timedelta(days=2))
    return api


def owed(units, phases) -> dict[str, Fraction]:
    """What each item costs by the second, month by month from the start of the contract."""
    anchor, last = int(phases[0][0].timestamp()), int(phases[-1][1].timestamp())
    result = {str(index): Fraction(0) for index in range(len(units))}
    for begin, end, quantities, _ in phases:
        for month in range(40):
            first, following = add_months(anchor, month), add_months(anchor, month + 1)
            shared = min(int(end.timestamp()), following, last) - max(int(begin.timestamp()), first)
            if shared > 0:
                for index, quantity in quantities.items():
                    result[str(index)] += Fraction(units[index] * quantity * shared, following - first)
    return result


@given(contracts())
def test_debits_and_credits_add_up_to_the_time_weighted_price(contract):
    units, phases = contract
    api = run(units, phases)
    lines = [line for invoice in api.invoices() for line in invoice["lines"]["data"]]
    for unit, exact in owed(units, phases).items():
        mine = [line for line in lines if line["metadata"]["unit"] == unit]
        assert abs(sum(line["amount"] for line in mine) - exact) <= Fraction(len(mine), 2)


@given(contracts())
def test_invoices_add_up_and_never_bill_past_the_end(contract):
    units, phases = contract
    api = run(units, phases)
    end = int(phases[-1][1].timestamp())
    for invoice in api.invoices():
        lines = invoice["lines"]["data"]
        assert invoice["total"] == sum(line["amount"] for line in lines)
        assert all(line["period"]["start"] < line["period"]["end"] <= end for line in lines)
        assert invoice["status"] in ("paid", "uncollectible")
    assert api.get("/v1/invoiceitems", {"pending": True})["data"] == []
    assert all(body["status"] == "completed" for body in api.get("/v1/subscription_schedules")["data"])


@settings(max_examples=20)
@given(contracts())
def test_the_same_requests_make_the_same_objects(contract):
    assert run(*contract).account.all_objects() == run(*contract).account.all_objects()


@settings(max_examples=20)
@given(contracts())
def test_small_steps_of_the_clock_end_where_one_long_step_does(contract):
    units, phases = contract
    whole = run(units, phases)
    stepped = begun(units, phases)
    last = phases[-1][1] + timedelta(days=2)
    while stepped.account.now < last:
        stepped.account.advance(min(stepped.account.now + timedelta(hours=31), last))
    assert stepped.account.all_objects() == whole.account.all_objects()


def test_three_years_of_months_take_at_most_fifty_milliseconds():
    def seconds() -> float:
        api = Api(Account(START))
        api.schedule(phase(api.price(100), api.price(200), end=at(2029, 1, 1)), start=at(2026, 1, 1))
        begun = time.process_time()
        api.go(2029, 1, 2)
        taken = time.process_time() - begun
        assert len(api.invoices()) == 36
        return taken

    # The processor's time, and the best of a few runs: other work on the machine must not decide.
    assert min(seconds() for _ in range(5)) <= 0.05
