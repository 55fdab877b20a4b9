"""Schedules of every kind beside what was sent: time alone is no change, and what people change is said."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest
from tests.faults import kinds
from tests.faults.test_meters_and_coupons import make, set_up
from tests.faults.test_troubled_calls import Setting

from cpqbridge.store.plans import OrderStanding

MAY = datetime(2026, 5, 12, 9, tzinfo=UTC)


@dataclass(frozen=True, kw_only=True)
class Kind:
    """What is sold, and which of its lines gets two more."""

    records: Callable[[], kinds.Records]
    line: int = 0
    mapping: Mapping[str, object] | None = None


KINDS = {
    "usage under a coupon": Kind(records=kinds.usage_under_a_coupon),
    "a coupon for six months": Kind(records=kinds.seats_at_launch),
    "tiers": Kind(records=kinds.licences),
    "without an end": Kind(records=kinds.without_an_end),
    "two schedules": Kind(records=kinds.with_and_without_an_end),
    "every frequency": Kind(records=kinds.every_frequency),
    "a trial": Kind(records=kinds.seats_after_a_trial, mapping=kinds.TRIAL_MAPPING),
}


def synced(setting: Setting) -> None:
    assert setting.service.sync(None, setting.sides.order_id).order.state.value == "synced"


def amended(setting: Setting, kind: Kind, *, start: date = date(2026, 5, 20)) -> OrderStanding:
    order_id = setting.sides.amend([(kind.line, "2")], start=start)
    return setting.service.sync(None, order_id).order


@pytest.mark.parametrize("name", KINDS)
def test_time_alone_changes_nothing(tmp_path: Path, name: str) -> None:
    with set_up(tmp_path, KINDS[name].records(), mapping=KINDS[name].mapping) as setting:
        synced(setting)
        for instant in (MAY, MAY.replace(month=6), MAY.replace(month=12)):
            setting.move_everything_to(instant)
            standing = amended(setting, KINDS[name], start=instant.replace(day=20).date())
            assert (standing.state.value, standing.code, standing.message) == ("synced", "", "")


def subscription_of(setting: Setting, place: int = 0) -> dict[str, Any]:
    return setting.sides.objects("subscription")[place]


def quantity(setting: Setting) -> None:
    subscription = subscription_of(setting)
    item = subscription["items"]["data"][0]
    change = {"items": [{"id": item["id"], "quantity": 3}], "proration_behavior": "none"}
    make(setting, f"/v1/subscriptions/{subscription['id']}", **change)


def other_tiers(setting: Setting) -> None:
    subscription = subscription_of(setting)
    item = subscription["items"]["data"][0]
    price = make(
        setting,
        "/v1/prices",
        currency="usd",
        product=item["price"]["product"],
        recurring={"interval": "month"},
        billing_scheme="tiered",
        tiers_mode="volume",
        tiers=[{"up_to": "inf", "unit_amount": 100}],
    )
    change = {
        "items": [{"id": item["id"], "price": price["id"], "quantity": 8}],
        "proration_behavior": "none",
    }
    make(setting, f"/v1/subscriptions/{subscription['id']}", **change)


def no_coupon(setting: Setting) -> None:
    path = f"/v1/subscriptions/{subscription_of(setting)['id']}"
    make(setting, path, discounts="", proration_behavior="none")


def one_more_coupon(setting: Setting) -> None:
    subscription = subscription_of(setting)
    coupon = make(setting, "/v1/coupons", percent_off=50, duration="forever")
    kept = [{"discount": each} for each in subscription["discounts"]]
    make(
        setting,
        f"/v1/subscriptions/{subscription['id']}",
        discounts=[*kept, {"coupon": coupon["id"]}],
        proration_behavior="none",
    )


def no_trial(setting: Setting) -> None:
    subscription = subscription_of(setting)
    change = {"trial_end": "now", "proration_behavior": "none"}
    make(setting, f"/v1/subscriptions/{subscription['id']}", **change)


CHANGES = [
    (
        "tiers",
        quantity,
        "from 2026-05-12 on it bills 3 x a price by tiers every month instead of 8 x a price",
    ),
    (
        "tiers",
        other_tiers,
        "from 2026-05-12 on it bills 8 x another price every month instead of 8 x a price",
    ),
    ("a coupon for six months", no_coupon, "from 2026-05-12 on other coupons reduce it"),
    ("usage under a coupon", no_coupon, "from 2026-05-12 on other coupons reduce it"),
    ("usage under a coupon", one_more_coupon, "from 2026-05-12 on other coupons reduce it"),
    ("every frequency", quantity, "from 2026-05-12 on it bills 3 x 50.00 USD every month and 1 x"),
    (
        "without an end",
        quantity,
        "from 2026-05-12 on it bills 3 x 30.00 USD every month instead of 4 x 30.00",
    ),
    ("a trial", no_trial, "from 2026-05-12 on it is not in a trial"),
]


@pytest.mark.parametrize(("name", "change", "words"), CHANGES)
def test_what_somebody_changed_in_stripe_is_held_with_what_it_is(
    tmp_path: Path, name: str, change: Callable[[Setting], None], words: str
) -> None:
    with set_up(tmp_path, KINDS[name].records(), mapping=KINDS[name].mapping) as setting:
        synced(setting)
        setting.move_everything_to(MAY)
        change(setting)
        standing = amended(setting, KINDS[name], start=date(2026, 8, 20))
        assert (standing.state.value, standing.code) == ("held", "schedule_changed_in_stripe")
        assert words in standing.message
        released = frozenset({standing.code})
        again = setting.service.sync(None, standing.order_id, released=released).order
        assert (again.state.value, again.message) == ("synced", "")
        assert setting.service.sync(None, standing.order_id).order.state.value == "unchanged"
        # What stands now is what was sold, also for the next change.
        setting.move_everything_to(MAY.replace(month=9))
        later = amended(setting, KINDS[name], start=date(2026, 9, 20))
        assert (later.state.value, later.code) == ("synced", "")


def test_a_split_that_changes_no_charge_is_no_change_and_stops_nothing(tmp_path: Path) -> None:
    with set_up(tmp_path, kinds.licences()) as setting:
        synced(setting)
        setting.move_everything_to(MAY)
        path = f"/v1/subscriptions/{subscription_of(setting)['id']}"
        coupon = make(setting, "/v1/coupons", percent_off=50, duration="forever")
        make(setting, path, discounts=[{"coupon": coupon["id"]}], proration_behavior="none")
        make(setting, path, discounts="", proration_behavior="none")
        (schedule,) = setting.sides.objects("subscription_schedule")
        assert schedule["current_phase"]["start_date"] == int(MAY.timestamp())
        standing = amended(setting, KINDS["tiers"])
        assert (standing.state.value, standing.code, standing.message) == ("synced", "", "")


@pytest.mark.parametrize(
    "act", [pytest.param("cancel", id="cancelled"), pytest.param("release", id="released")]
)
def test_a_schedule_without_an_end_that_somebody_ended_is_said(tmp_path: Path, act: str) -> None:
    with set_up(tmp_path, kinds.without_an_end()) as setting:
        synced(setting)
        setting.move_everything_to(MAY)
        (schedule,) = setting.sides.objects("subscription_schedule")
        settings = {"prorate": False, "invoice_now": False} if act == "cancel" else {}
        make(setting, f"/v1/subscription_schedules/{schedule['id']}/{act}", **settings)
        standing = amended(setting, KINDS["without an end"])
        assert (standing.state.value, standing.code) == ("refused", "schedule_ended_in_stripe")
        assert f"it was {act}" in standing.message


def test_an_update_names_the_discount_that_runs_and_its_months_go_on(tmp_path: Path) -> None:
    with set_up(tmp_path, kinds.seats_at_launch()) as setting:
        synced(setting)
        setting.move_everything_to(MAY)
        (running,) = subscription_of(setting)["discounts"]
        assert amended(setting, KINDS["a coupon for six months"]).state.value == "synced"
        (update,) = (
            entry["parameters"]
            for entry in setting.sides.account.log.after()
            if entry["method"] == "POST" and entry["path"].startswith("/v1/subscription_schedules/")
        )
        named = [phase.get("discounts") for phase in update["phases"]]
        assert named == [[{"discount": running}], [{"discount": running}], None]
        assert subscription_of(setting)["discounts"] == [running]
        setting.move_everything_to(datetime(2027, 3, 1, tzinfo=UTC))
        assert subscription_of(setting)["discounts"] == []
        (coupon,) = setting.sides.objects("coupon")
        assert coupon["duration_in_months"] == 6
        cycles = [
            (datetime.fromtimestamp(each["created"], UTC).month, each["total"])
            for each in setting.sides.objects("invoice")
            if "cpqbridge_key" not in each["metadata"]
        ]
        # Ten seats, twelve from June on; a quarter less up to the end of July.
        three_quarters = [*((month, 37500) for month in (2, 3, 4, 5)), (6, 45000), (7, 45000)]
        assert cycles == [*three_quarters, *((month, 60000) for month in (8, 9, 10, 11, 12, 1))]
