"""Many orders on a live connection: late rows, a bad record among good ones, and notices again and again.

`make test` runs a few; `--whole`, as in `make soak`, a thousand.
"""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from random import Random

import pytest
from tests.faults.live import Live, live
from tests.simulation.in_process import listed

from cpqbridge.mapping.raw import OrderNotice
from cpqbridge.sync.notices import Notices

SEED = 2026
MINUTES_LATE = 10


def count_of(pytestconfig: pytest.Config, *, sample: int, whole: int) -> int:
    return whole if pytestconfig.getoption("--whole") else sample


def test_rows_that_are_seen_ten_minutes_after_their_stamp_are_found(
    tmp_path: Path, pytestconfig: pytest.Config
) -> None:
    chance = Random(SEED)
    with live(tmp_path, count_of(pytestconfig, sample=8, whole=200)) as world:
        world.org.faults.plan("lag", seconds_max=MINUTES_LATE * 60.0, times=1_000_000)
        unseen = []
        for order_id in world.sides.order_ids:
            world.activate(order_id)
            if chance.random() < 0.5:
                world.turn(chance.uniform(0.1, 3))
                unseen.append(world.org.commits.waiting)
        for _ in range(MINUTES_LATE + 1):
            world.turn()
        assert max(unseen) > 0, "nothing was late"
        assert world.org.commits.waiting == 0
        assert world.states() == {"synced": len(world.sides.order_ids)}
        world.assert_one_of_each()


def test_a_bad_record_stops_its_own_contract_only(tmp_path: Path, pytestconfig: pytest.Config) -> None:
    count = count_of(pytestconfig, sample=12, whole=1000)
    with live(tmp_path, count) as world:
        bad = world.sides.order_ids[count // 2]
        (line, *_) = world.lines_of(bad)
        world.org.update("OrderItem", str(line["Id"]), {"SBQQ__BillingFrequency__c": "Invoice Plan"})
        for order_id in world.sides.order_ids:
            world.activate(order_id)
        world.turn()
        assert world.states() == {"synced": count - 1, "refused": 1}
        (refused,) = [each for each in world.standings() if each.state.value == "refused"]
        assert (refused.order_id, refused.record_id) == (bad, line["Id"])
        assert refused.field == "SBQQ__BillingFrequency__c"
        assert refused.fix
        assert len(list(listed(world.account, "/v1/subscription_schedules"))) == count - 1
        shown = Counter(order["Stripe_Sync_Status__c"] for order in world.org.records("Order"))
        assert shown == {"Synced": count - 1, "Refused": 1}


def test_notices_again_and_again_in_any_order_write_nothing_more(
    tmp_path: Path, pytestconfig: pytest.Config
) -> None:
    chance = Random(SEED)
    with live(tmp_path, count_of(pytestconfig, sample=5, whole=100)) as world:
        for order_id in world.sides.order_ids:
            world.activate(order_id)
        found = list(world.opened.open(None).salesforce.qualifying_orders(since=None))
        notices = [notice for notice in found for _ in range(chance.randint(1, 10))]
        chance.shuffle(notices)
        for notice in notices:
            give(world, notice)
        world.wait()
        assert world.states() == {"synced": len(found)}
        # Contracts worked on at once may ask for the same product; all but one are told that it is there.
        created = Counter(path for _, path, status in world.sides.stripe_writes() if status == 200)
        assert created["/v1/subscription_schedules"] == len(found)
        assert created["/v1/customers"] == len(found)
        assert created["/v1/products"] == len(world.sides.objects("product"))
        writes = len(world.sides.stripe_writes()), len(world.sides.salesforce_writes())
        chance.shuffle(notices)
        for notice in notices:
            give(world, notice)
        world.wait()
        assert (len(world.sides.stripe_writes()), len(world.sides.salesforce_writes())) == writes
        world.assert_one_of_each()


def give(world: Live, notice: OrderNotice) -> None:
    """Give notice of an order, as several processes and events at once might."""
    Notices(world.opened).take(1, [notice], because="the test says so")


@pytest.mark.parametrize("side", ["salesforce", "stripe"])
def test_a_side_that_is_down_is_waited_for(tmp_path: Path, side: str) -> None:
    with live(tmp_path, 3) as world:
        first, *others = world.sides.order_ids
        world.activate(first)
        world.turn()
        hosted = world.sides.hosted_salesforce if side == "salesforce" else world.sides.hosted_stripe
        assert hosted is not None
        with hosted.refusing():
            for order_id in others:
                world.activate(order_id)
            for _ in range(3):
                world.turn()
            assert world.states()["synced"] == 1
        world.converge()
        assert world.states() == {"synced": 3}
        world.assert_one_of_each()


def test_a_poll_that_loses_its_place_finds_all_the_same(tmp_path: Path) -> None:
    with live(tmp_path, 7) as world:
        for order_id in world.sides.order_ids:
            world.activate(order_id)
        world.org.faults.plan("query_locator", path="*/query/01g*", skip=1)
        world.org.faults.plan("html", path="*/query/01g*", skip=2)
        world.org.faults.plan("short_pages", rows=2, path="*/query*", times=1_000_000)
        world.converge()
        struck = Counter(each["kind"] for each in world.org.faults.told()["struck"])
        assert (struck["query_locator"], struck["html"]) == (1, 1)
        assert world.states() == {"synced": 7}
        world.assert_one_of_each()
