"""Orders are sold, changed and ended while a share of all requests of both sides fails: it ends as if none had.

`make test` runs a sample; `--whole`, as in `make soak`, more orders, more seeds and higher rates.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, date, datetime
from pathlib import Path

import pytest
from tests.faults.live import Live, live

from cpqbridge.sync.reconcile import Reconciler

AUGUST = datetime(2026, 8, 20, 8, tzinfo=UTC)
THE_END = datetime(2027, 2, 20, tzinfo=UTC)
# So much is done while requests still fail.
LEAST_SYNCED = 0.3
# Long enough apart that what failed is tried anew while requests still fail.
NEW_TRIES = (2, 6, 12, 20, 30)
SAMPLE = {"orders": 5, "runs": ((1, 0.2),)}
WHOLE = {"orders": 40, "runs": ((2, 0.05), (3, 0.1), (4, 0.2), (5, 0.2), (6, 0.4))}


def sell(world: Live) -> None:
    """Activate all orders and change every second before it starts."""
    for number, order_id in enumerate(world.sides.order_ids):
        world.activate(order_id)
        if number % 2:
            world.turn()
            world.amend(order_id, 2, start=date(2026, 4, 1) if number % 4 == 1 else date(2026, 5, 13))
    for minutes in NEW_TRIES:
        world.turn(minutes)


def change(world: Live) -> None:
    """Add inside a month that is billed, take away from a boundary on, and end one contract."""
    first, *others = world.sides.order_ids
    world.terminate(first, start=date(2026, 9, 1))
    for number, order_id in enumerate(others):
        if number % 2:
            world.amend(order_id, -3, start=date(2026, 9, 1))
        else:
            world.amend(order_id, 4, start=date(2026, 8, 13))
        if number % 3 == 0:
            world.turn()
    for minutes in NEW_TRIES:
        world.turn(minutes)


def lived(world: Live, *, seed: int = 0, rate: float = 0.0) -> tuple[Mapping[str, int], int]:
    """Return what was billed per order line in the end, and how many faults struck."""
    struck = 0
    for instant, part in ((None, sell), (AUGUST, change)):
        if instant is not None:
            world.live_until(instant)
        world.trouble(seed=seed, rate=rate)
        part(world)
        states = world.states()
        assert states["synced"] >= sum(states.values()) * LEAST_SYNCED, states
        struck += world.calm()
        world.converge()
        world.assert_one_of_each()
        assert Reconciler(world.opened).run(None).open == ()
    world.live_until(THE_END)
    world.turn()
    return world.billed(), struck


def numbered(world: Live, billed: Mapping[str, int]) -> dict[tuple[str, int], int]:
    """Return amounts by the line's order and its place there: ids depend on the order of requests."""
    places = {}
    for order in world.org.records("Order"):
        for place, line in enumerate(world.lines_of(str(order["Id"]))):
            places[line["Id"]] = (f"{order['AccountId']} {order['EffectiveDate']}", place)
    return {places[line]: amount for line, amount in billed.items()}


def runs(pytestconfig: pytest.Config) -> dict:
    return WHOLE if pytestconfig.getoption("--whole") else SAMPLE


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory, pytestconfig: pytest.Config) -> dict:
    """What is billed when nothing fails."""
    with live(tmp_path_factory.mktemp("undisturbed"), runs(pytestconfig)["orders"]) as world:
        billed, struck = lived(world)
        assert struck == 0
        assert sum(billed.values()) == world.sold()
        return numbered(world, billed)


def test_faults_on_every_request_change_nothing_of_what_is_billed(
    tmp_path: Path, undisturbed: dict, pytestconfig: pytest.Config
) -> None:
    chosen = runs(pytestconfig)
    for seed, rate in chosen["runs"]:
        with live(tmp_path / str(seed), chosen["orders"]) as world:
            billed, struck = lived(world, seed=seed, rate=rate)
            assert struck > 0
            assert world.broken_promises() == [], (seed, rate)
            assert numbered(world, billed) == undisturbed, (seed, rate)
            shown = {order["Stripe_Sync_Status__c"] for order in world.org.records("Order")}
            assert shown == {"Synced"}, (seed, rate)
