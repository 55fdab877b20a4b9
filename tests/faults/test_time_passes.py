"""Service begins, a key runs out, or a day ends between a plan and its calls: the first period is still billed."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from tests.faults.crash_scenarios import something_once
from tests.faults.test_troubled_calls import ONE_OF_EACH, Setting, answer_lost, request_lost
from tests.faults.two_sides import NOW, connect, service, two_sides

from cpqbridge.clock import SettableClock
from cpqbridge.domain.billing import StepAction
from cpqbridge.errors import RecordError
from cpqbridge.store import objects
from cpqbridge.sync.durable import JsonObject
from cpqbridge_sim.salesforce.cpq.engine import Cpq
from cpqbridge_sim.salesforce.cpq.model import Line

THE_DAY_BEFORE = datetime(2026, 1, 31, 12, tzinfo=UTC)
SERVICE_BEGINS = datetime(2026, 2, 1, tzinfo=UTC)
AFTER_THE_END = datetime(2028, 6, 1, tzinfo=UTC)


class Killed(BaseException):
    """The process ends here."""


class RecordedSteps:
    """Steps that were recorded before a restart answer the same after it."""

    def __init__(self) -> None:
        self.answers: list[JsonObject] = []
        self._next = 0

    def restart(self) -> None:
        self._next = 0

    def step(self, _name: str, function: Callable[[], JsonObject]) -> JsonObject:
        if self._next == len(self.answers):
            self.answers.append(function())
        self._next += 1
        return self.answers[self._next - 1]


@pytest.fixture
def setting(tmp_path: Path) -> Iterator[Setting]:
    clock = SettableClock(NOW)
    with two_sides() as sides, service(tmp_path, clock=clock) as opened:
        connect(opened, sides)
        found = Setting(home=tmp_path, sides=sides, clock=clock, service=opened)
        found.move_everything_to(THE_DAY_BEFORE)
        yield found


def killed_at(setting: Setting, place: str, *, steps: Any = None) -> None:
    def boundary(name: str) -> None:
        if name.startswith(place):
            raise Killed

    with pytest.raises(Killed):
        setting.run(boundary=boundary, **({"steps": steps} if steps else {}))


def billed(setting: Setting) -> list[int]:
    setting.sides.account.advance(AFTER_THE_END)
    return [invoice["total"] for invoice in setting.sides.objects("invoice")]


@pytest.mark.parametrize("lost", [request_lost, answer_lost])
def test_a_schedule_whose_call_was_lost_before_service_began_bills_every_period(
    setting: Setting, lost: Callable[..., Any]
) -> None:
    setting.run(stripe=setting.troubled(StepAction.CREATE_SCHEDULE, lost))
    setting.move_everything_to(SERVICE_BEGINS + timedelta(hours=1))
    assert setting.run()["states"] == {setting.sides.order_id: "synced"}
    assert setting.counts() == ONE_OF_EACH
    assert billed(setting) == [50000] * 12


@pytest.mark.parametrize("away", [timedelta(minutes=13), timedelta(hours=3), timedelta(days=3)])
def test_a_run_that_is_continued_after_service_began_bills_every_period(
    setting: Setting, away: timedelta
) -> None:
    setting.move_everything_to(SERVICE_BEGINS - timedelta(minutes=12))
    steps = RecordedSteps()
    killed_at(setting, "intent schedule", steps=steps)
    setting.move_everything_to(setting.clock.now() + away)
    steps.restart()
    assert setting.run(steps=steps)["states"] == {setting.sides.order_id: "synced"}
    assert setting.counts() == ONE_OF_EACH
    assert billed(setting) == [50000] * 12


def test_a_run_that_is_continued_when_the_key_has_run_out_makes_nothing_twice(setting: Setting) -> None:
    steps = RecordedSteps()
    killed_at(setting, "answer customer", steps=steps)
    setting.move_everything_to(setting.clock.now() + timedelta(hours=50))
    steps.restart()
    assert setting.run(steps=steps)["states"] == {setting.sides.order_id: "synced"}
    assert setting.counts() == ONE_OF_EACH


def test_a_run_that_is_continued_after_the_account_changed_makes_no_second_customer(
    setting: Setting,
) -> None:
    steps = RecordedSteps()
    killed_at(setting, "answer customer", steps=steps)
    setting.move_everything_to(setting.clock.now() + timedelta(hours=1))
    account_id = setting.sides.order()["AccountId"]
    setting.sides.org.update("Account", account_id, {"Name": "Renamed meanwhile"})
    steps.restart()
    assert setting.run(steps=steps)["states"] == {setting.sides.order_id: "synced"}
    assert setting.counts() == ONE_OF_EACH
    assert [customer["name"] for customer in setting.sides.objects("customer")] == ["Renamed meanwhile"]


def test_a_plan_does_not_outlive_its_day(setting: Setting) -> None:
    setting.move_everything_to(SERVICE_BEGINS - timedelta(minutes=3))
    seen: list[str] = []

    def boundary(name: str) -> None:
        seen.append(name)
        if name == "stamps read" and seen.count(name) == 1:
            setting.move_everything_to(SERVICE_BEGINS + timedelta(minutes=1))

    assert setting.run(boundary=boundary)["states"] == {setting.sides.order_id: "synced"}
    assert seen.count("plan kept") == 2
    assert billed(setting) == [50000] * 12


def test_a_first_phase_that_ended_before_its_call_is_planned_again(setting: Setting) -> None:
    """The plan was made before midnight, the call is answered after it."""
    setting.move_everything_to(datetime(2026, 2, 28, 23, 58, tzinfo=UTC))

    def late(call: Callable[[], Any]) -> Any:
        if setting.clock.now() < datetime(2026, 3, 1, tzinfo=UTC):
            setting.move_everything_to(datetime(2026, 3, 1, 0, 1, tzinfo=UTC))
            raise RecordError("Stripe refused the request: the phase is past.", code="stripe_refused")
        return call()

    stripe = setting.troubled(StepAction.CREATE_SCHEDULE, late)
    released = frozenset({"backdated"})
    assert setting.run(stripe=stripe, released=released)["states"] == {setting.sides.order_id: "synced"}
    assert billed(setting) == [100000] + [50000] * 10


def test_the_instant_a_schedule_was_made_at_is_kept(setting: Setting) -> None:
    killed_at(setting, "plan kept")
    later = SERVICE_BEGINS + timedelta(days=9)
    setting.move_everything_to(later)
    assert setting.run()["states"] == {setting.sides.order_id: "synced"}
    with setting.service.store.read() as transaction:
        kept = objects.of_contract(transaction, connection_id=1, root_id=setting.standing().root_id)
    instants = [(entry.order_id, entry.executed_at) for sent in kept.values() for entry in sent.orders]
    assert instants == [(setting.sides.order_id, later)]


def quarterly_lines_with_an_anchor_each() -> tuple[dict[str, list[dict[str, Any]]], tuple[str, ...]]:
    cpq = Cpq(clock=lambda: NOW)
    product = cpq.product("Support", frequency="Quarterly", default_term=1)
    cpq.price(product, 100)
    account = cpq.account("Two Anchors", email="billing@two.example")
    lines = [
        Line(product=product),
        Line(product=product, start=date(2026, 3, 1), end=date(2026, 11, 30)),
    ]
    order = cpq.order(cpq.quote(account, start=date(2026, 2, 1), lines=lines, term=12), name="Two anchors")
    cpq.activate(order, at=NOW)
    return cpq.records(), (order.record_id,)


@pytest.fixture
def half_made(tmp_path: Path) -> Iterator[Setting]:
    """An order with two schedules, cut off when the first one was made."""
    clock = SettableClock(NOW)
    records = quarterly_lines_with_an_anchor_each()
    with two_sides(records=records) as sides, service(tmp_path, clock=clock) as opened:
        connect(opened, sides)
        found = Setting(home=tmp_path, sides=sides, clock=clock, service=opened)
        killed_at(found, "outcome schedule")
        assert found.counts()["subscription_schedule"] == 1
        yield found


@pytest.mark.parametrize("months_late", [0, 1, 2, 5])
def test_a_second_schedule_that_is_made_late_bills_every_period(half_made: Setting, months_late: int) -> None:
    half_made.move_everything_to(datetime(2026, 2 + months_late, 4, 8, tzinfo=UTC))
    released = frozenset({"backdated"})
    assert half_made.run(released=released)["states"] == {half_made.sides.order_id: "synced"}
    assert half_made.counts()["subscription_schedule"] == 2
    assert half_made.run()["states"] == {half_made.sides.order_id: "unchanged"}
    assert sum(billed(half_made)) == 120000 + 90000


def test_a_second_schedule_that_would_bill_several_periods_at_once_is_held(half_made: Setting) -> None:
    half_made.move_everything_to(datetime(2026, 9, 4, tzinfo=UTC))
    assert half_made.run()["states"] == {half_made.sides.order_id: "held"}
    assert half_made.standing().code == "backdated"


@pytest.mark.parametrize(
    ("late", "code"),
    [
        # The first schedule still runs, so what is over of the order is only late.
        (datetime(2026, 12, 15, tzinfo=UTC), "backdated"),
        (datetime(2027, 6, 1, tzinfo=UTC), "contract_over"),
    ],
)
def test_a_second_schedule_whose_service_is_over_is_left_to_a_person(
    half_made: Setting, late: datetime, code: str
) -> None:
    half_made.move_everything_to(late)
    for _ in range(2):
        assert half_made.run()["states"] == {half_made.sides.order_id: "held"}
        assert half_made.standing().code == code
    assert half_made.counts()["subscription_schedule"] == 1


@pytest.mark.parametrize("place", ["outcome invoice:", "intent invoice_lines:"])
def test_lines_of_an_invoice_that_became_final_empty_are_billed_on_another(
    tmp_path: Path, place: str
) -> None:
    """A draft of one-time lines advances by itself after an hour; the stop was longer."""
    clock = SettableClock(NOW)
    with two_sides(records=something_once()) as sides, service(tmp_path, clock=clock) as opened:
        connect(opened, sides)
        setting = Setting(home=tmp_path, sides=sides, clock=clock, service=opened)
        killed_at(setting, place)
        setting.move_everything_to(NOW + timedelta(hours=50))
        assert setting.run()["states"] == {sides.order_id: "synced"}
        empty, billed_once = sorted(sides.objects("invoice"), key=lambda invoice: invoice["created"])
        assert (empty["status"], empty["total"], empty["lines"]["data"]) == ("paid", 0, [])
        assert billed_once["total"] > 0
        assert setting.sides.order()["Stripe_ID__c"] == billed_once["id"]
        assert setting.run()["states"] == {sides.order_id: "unchanged"}
