"""Meters, coupons and tiered prices: lost answers, taken names, deleted ones, kills, and a troubled vendor."""

from __future__ import annotations

import json
import signal
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from tests.faults import crash_child, kinds
from tests.faults.kills import EVERY, run_child
from tests.faults.test_troubled_calls import Setting, answer_lost, refused, request_lost
from tests.faults.two_sides import NOW, TwoSides, connect, service, two_sides

from cpqbridge.clock import SettableClock
from cpqbridge.domain.billing import StepAction
from cpqbridge_sim.fault_plan import planned_of

ACTIONS = (StepAction.CREATE_METER, StepAction.CREATE_COUPON, StepAction.CREATE_PRICE)
PATHS = {
    "meter": "/v1/billing/meters",
    "coupon": "/v1/coupons",
    "price": "/v1/prices",
    "schedule": "/v1/subscription_schedules",
}
ONE_OF_EACH = {
    "customer": 1,
    "product": 2,
    "price": 2,
    "billing.meter": 1,
    "coupon": 1,
    "subscription_schedule": 1,
}


@contextmanager
def set_up(
    home: Path, records: kinds.Records | None = None, *, mapping: Mapping[str, object] | None = None
) -> Iterator[Setting]:
    clock = SettableClock(NOW)
    with (
        two_sides(records=records or kinds.usage_under_a_coupon()) as sides,
        service(home, clock=clock) as opened,
    ):
        connect(opened, sides, mapping=mapping)
        yield Setting(home=home, sides=sides, clock=clock, service=opened)


@pytest.fixture
def setting(tmp_path: Path) -> Iterator[Setting]:
    with set_up(tmp_path) as made:
        yield made


def counts(sides: TwoSides) -> dict[str, int]:
    return {kind: len(sides.objects(kind)) for kind in ONE_OF_EACH}


def state(setting: Setting, **wrong: Any) -> str:
    return str(setting.run(**wrong)["states"][setting.sides.order_id])


def make(setting: Setting, path: str, **parameters: Any) -> dict[str, Any]:
    status, body = setting.sides.account.request("POST", path, parameters)[:2]
    assert status == 200, body
    return body


@pytest.mark.parametrize("action", ACTIONS)
@pytest.mark.parametrize(
    ("trouble", "hours", "calls", "same_key"),
    [(answer_lost, 0, 1, True), (answer_lost, 30, 0, False), (request_lost, 30, 1, False)],
)
def test_what_was_lost_is_made_once(
    setting: Setting,
    action: StepAction,
    trouble: Callable[..., Any],
    hours: int,
    calls: int,
    same_key: bool,
) -> None:
    first = setting.troubled(action, trouble)
    assert state(setting, stripe=first) == "failed"
    setting.clock.set(NOW + timedelta(hours=hours))
    again = setting.troubled(action, lambda call: call())
    assert state(setting, stripe=again) == "synced"
    # The other price of the order is made once as well.
    others = 1 if action is StepAction.CREATE_PRICE else 0
    assert len(again.keys) == calls + others
    assert (first.keys[0] in again.keys) == same_key
    assert counts(setting.sides) == ONE_OF_EACH
    assert state(setting) == "unchanged"


def test_a_lost_home_adopts_meter_coupon_and_prices_although_the_product_has_another_name(
    setting: Setting, tmp_path: Path
) -> None:
    assert state(setting, stripe=setting.troubled(StepAction.CREATE_SCHEDULE, refused)) == "refused"
    for product in setting.sides.org.records("Product2"):
        setting.sides.org.update("Product2", product["Id"], {"Name": f"{product['Name']} 2"})
    with service(tmp_path / "another", clock=setting.clock) as opened:
        connect(opened, setting.sides)
        # Stripe remembers the keys of one day; the new home has other ones.
        setting.clock.set(NOW + timedelta(hours=1))
        assert opened.sync(None, setting.sides.order_id).order.state.value == "synced"
        assert opened.sync(None, setting.sides.order_id).order.state.value == "unchanged"
    assert counts(setting.sides) == ONE_OF_EACH


def meter_of_another(setting: Setting) -> dict[str, Any]:
    """Make a meter that counts how often, under the name we would report usage by."""
    (product,) = (each for each in setting.sides.org.records("Product2") if each["Name"] == "Messages")
    return make(
        setting,
        PATHS["meter"],
        display_name="Calls",
        event_name=f"cpqbridge_{product['Id']}",
        default_aggregation={"formula": "count"},
    )


def test_a_meter_that_counts_otherwise_is_not_taken_until_it_is_out_of_the_way(setting: Setting) -> None:
    theirs = meter_of_another(setting)
    for _ in range(2):
        assert state(setting) == "refused"
        standing = setting.standing()
        assert standing.code == "stripe_refused"
        assert "An active meter with the event name" in standing.message
        assert "It is not the one this record needs" in standing.message
        assert "`price.recurring.meter`" in standing.fix
        assert "deactivate it" in standing.fix
    assert counts(setting.sides)["subscription_schedule"] == 0
    make(setting, f"{PATHS['meter']}/{theirs['id']}/deactivate")
    assert state(setting) == "synced"
    ours = next(each for each in setting.sides.objects("billing.meter") if each["status"] == "active")
    (metered,) = (each for each in setting.sides.objects("price") if each["recurring"]["meter"])
    assert metered["recurring"]["meter"] == ours["id"] != theirs["id"]


def test_a_foreign_meter_is_not_taken_for_a_lost_one(setting: Setting) -> None:
    """Found by its name after the key ran out, it is looked at all the same."""
    assert state(setting, stripe=setting.troubled(StepAction.CREATE_METER, request_lost)) == "failed"
    meter_of_another(setting)
    setting.clock.set(NOW + timedelta(hours=30))
    assert state(setting) == "refused"
    assert "It is not the one this record needs" in setting.standing().message


def coupon_id_of(tmp_path: Path) -> str:
    """Return the id that our coupon gets, from a connection of its own."""
    with set_up(tmp_path / "first") as other:
        assert state(other) == "synced"
        (coupon,) = other.sides.objects("coupon")
        assert coupon["id"].startswith("cpqbridge-")
        return str(coupon["id"])


@pytest.mark.parametrize(
    ("theirs", "taken"),
    [
        ({"percent_off": 10, "duration": "forever"}, True),
        ({"percent_off": 20, "duration": "forever"}, False),
        ({"percent_off": 10, "duration": "once"}, False),
        ({"amount_off": 10, "currency": "usd", "duration": "forever"}, False),
    ],
)
def test_a_coupon_under_our_id_is_taken_when_it_grants_the_same(
    setting: Setting, tmp_path: Path, theirs: dict[str, Any], taken: bool
) -> None:
    found = coupon_id_of(tmp_path)
    make(setting, PATHS["coupon"], id=found, name="Theirs", **theirs)
    if taken:
        assert state(setting) == "synced"
        assert counts(setting.sides) == ONE_OF_EACH
        return
    assert state(setting) == "refused"
    assert "Coupon already exists" in setting.standing().message
    assert "delete it there if nothing uses it, or rename" in setting.standing().fix
    assert counts(setting.sides)["subscription_schedule"] == 0
    setting.sides.account.request("DELETE", f"{PATHS['coupon']}/{found}", {})
    assert state(setting) == "synced"


def test_a_coupon_that_was_deleted_in_stripe_is_made_anew_by_the_next_sync(tmp_path: Path) -> None:
    shop = kinds.Shop()
    orders = [shop.sell(kinds.Line(product=shop.seat), coupons=(shop.loyal,)) for _ in range(2)]
    with set_up(tmp_path, shop.records(*orders)) as setting:
        first, second = setting.sides.order_ids
        assert setting.service.sync(None, first).order.state.value == "synced"
        (coupon,) = setting.sides.objects("coupon")
        setting.sides.account.request("DELETE", f"{PATHS['coupon']}/{coupon['id']}", {})
        refused_once = setting.service.sync(None, second).order
        assert (refused_once.state.value, refused_once.code) == ("refused", "stripe_refused")
        assert refused_once.fix == "It was deleted in Stripe. Sync again: it is made anew."
        assert setting.service.sync(None, second).order.state.value == "synced"
        assert len(setting.sides.objects("coupon")) == 1
        # Stripe keeps the discount that ran from the one that was deleted.
        assert setting.service.sync(None, first).order.state.value == "unchanged"


def assert_same_end(home: Path, sides: TwoSides) -> list[str]:
    result = json.loads((home / "result.json").read_text())
    assert set(result["states"].values()) <= {"synced", "unchanged"}
    assert (result["again"], result["nothing_to_do"]) == ("unchanged", True)
    assert counts(sides) == ONE_OF_EACH
    assert sides.order()["Stripe_Sync_Status__c"] == "Synced"
    return list(result["boundaries"])


@pytest.mark.timeout(240)
def test_a_sync_that_is_killed_around_meter_and_coupon_ends_the_same(
    tmp_path: Path, pytestconfig: pytest.Config
) -> None:
    home = tmp_path / "counted"
    with two_sides(records=kinds.usage_under_a_coupon()) as sides:
        with service(home) as opened:
            connect(opened, sides)
        assert run_child(crash_child.sync_once, home, sides.order_id, crash_child.NEVER, now=NOW) == 0
        boundaries = assert_same_end(home, sides)
    around = {
        place: name
        for place, name in enumerate(boundaries, start=1)
        if " meter:" in name or " coupon:" in name or ":tiers" in name
    }
    assert len(around) >= 6
    if not pytestconfig.getoption("--whole"):
        around = dict(list(around.items())[pytestconfig.getoption("--turn") % EVERY :: EVERY])
    for kill_at, name in around.items():
        home = tmp_path / str(kill_at)
        with two_sides(records=kinds.usage_under_a_coupon()) as sides:
            with service(home) as opened:
                connect(opened, sides)
            assert (
                run_child(crash_child.sync_once, home, sides.order_id, kill_at, now=NOW) == -signal.SIGKILL
            ), name
            assert run_child(crash_child.sync_once, home, sides.order_id, crash_child.NEVER, now=NOW) == 0, (
                name
            )
            assert_same_end(home, sides)


TROUBLES = [
    {"kind": "conflict"},
    {"kind": "lock_timeout"},
    {"kind": "rate_limit", "reason": "endpoint-rate"},
    {"kind": "server_error", "status": 500, "when": "before"},
    {"kind": "server_error", "status": 503, "when": "after"},
    {"kind": "reset", "when": "after"},
]


@pytest.mark.parametrize("what", PATHS)
@pytest.mark.parametrize("trouble", TROUBLES, ids=lambda each: "-".join(map(str, each.values())))
def test_troubles_of_the_vendor_that_pass_are_not_noticed(
    setting: Setting, what: str, trouble: dict[str, Any]
) -> None:
    setting.sides.account.faults.add(
        planned_of({"method": "POST", "path": PATHS[what], "times": 2, **trouble})
    )
    report = setting.service.sync(None, setting.sides.order_id)
    assert report.order.state.value == "synced"
    statuses = [status for _, path, status in setting.sides.stripe_writes() if path == PATHS[what]]
    assert len([status for status in statuses if status != 200]) == 2
    assert counts(setting.sides) == ONE_OF_EACH
    assert setting.service.sync(None, setting.sides.order_id).order.state.value == "unchanged"


@pytest.mark.parametrize("what", PATHS)
def test_an_error_that_the_vendor_keeps_under_the_key_is_settled_by_looking(
    setting: Setting, what: str
) -> None:
    """A 500 after the work was done is what the key answers for a day; what was made is found at once."""
    setting.sides.account.faults.add(
        planned_of({"method": "POST", "path": PATHS[what], "kind": "server_error", "when": "after"})
    )
    assert setting.service.sync(None, setting.sides.order_id).order.state.value == "synced"
    assert counts(setting.sides) == ONE_OF_EACH
