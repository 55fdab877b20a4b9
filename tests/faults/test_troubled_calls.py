"""Lost answers, refusals, changed orders, two at once: what becomes of one order when a call goes wrong."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from tests.faults.two_sides import NOW, TOKEN, TwoSides, connect, move_everything_to, service, two_sides

from cpqbridge.clock import SettableClock
from cpqbridge.domain.billing import StepAction
from cpqbridge.errors import (
    AccessLostError,
    ConfigurationError,
    CpqbridgeError,
    OutcomeUnknownError,
    RecordError,
    TransientError,
)
from cpqbridge.store import intents, lanes, plans
from cpqbridge.sync.lanes import LaneKeeper
from cpqbridge.sync.liveness import mark_once
from cpqbridge.sync.ports import StripeSide
from cpqbridge.sync.run_steps import RunParts, RunSteps
from cpqbridge.sync.service import SyncService
from cpqbridge.sync.task import Task
from cpqbridge.sync.workflow import run_contract

ACTIONS = (
    StepAction.CREATE_CUSTOMER,
    StepAction.CREATE_PRODUCT,
    StepAction.CREATE_PRICE,
    StepAction.CREATE_SCHEDULE,
)
KINDS = ("customer", "product", "price", "subscription_schedule")


@dataclass
class TroubledStripe:
    """The real account side with something wrong for one action."""

    real: StripeSide
    action: StepAction
    trouble: Callable[[Callable[[], Mapping[str, Any]]], Mapping[str, Any]]
    keys: list[str] = field(default_factory=list)

    def perform(self, action, parameters, *, target, idempotency_key):
        def call() -> Mapping[str, Any]:
            return self.real.perform(action, parameters, target=target, idempotency_key=idempotency_key)

        if action is not self.action:
            return call()
        self.keys.append(idempotency_key)
        return self.trouble(call)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.real, name)


def answer_lost(call):
    call()
    raise OutcomeUnknownError("The answer was lost.", code="stripe_outcome_unknown")


def request_lost(_call):
    raise OutcomeUnknownError("The answer was lost.", code="stripe_outcome_unknown")


def refused(_call):
    raise RecordError(
        "Stripe refused the request: no.",
        code="stripe_refused",
        request_link="https://dashboard.stripe.com/r",
    )


def busy(_call):
    raise TransientError("Stripe is busy.", code="stripe_rate_limit")


class DirectSteps:
    """Runs steps without recording them."""

    def step(self, _name: str, function: Callable[[], dict]) -> dict:
        return function()


@dataclass
class Setting:
    home: Path
    sides: TwoSides
    clock: SettableClock
    service: SyncService

    def run(self, **wrong: Any) -> dict[str, Any]:
        """Sync the order with parts of the connection replaced; steps are not recorded."""
        opened = self.service.open(None)
        notice = opened.salesforce.find_order(wrong.pop("order_id", self.sides.order_id))
        task = Task(
            connection_id=opened.connection_id, notice=notice, released=wrong.pop("released", frozenset())
        )
        boundary = wrong.pop("boundary", lambda _name: None)
        steps = wrong.pop("steps", DirectSteps())
        mark = mark_once(self.home)
        keeper = LaneKeeper(self.service.store, mark)
        try:
            with keeper.hold(
                connection_id=1, root_id=task.root_id, workflow_id="w", patience_seconds=1
            ) as lane:
                parts = RunParts(
                    store=self.service.store,
                    opened=replace(opened, **wrong),
                    clock=self.clock,
                    wait=lambda _seconds: None,
                    boundary=boundary,
                )
                return run_contract(RunSteps(parts, task, lane), steps)
        finally:
            keeper.stop()
            mark.release()

    def move_everything_to(self, instant: datetime) -> None:
        move_everything_to(instant, self.sides, self.clock)

    def first_start(self) -> float:
        """Return the instant the order's service begins, in Unix seconds."""
        starts = min(item["ServiceDate"] for item in self.sides.org.records("OrderItem"))
        return datetime.fromisoformat(f"{starts}T00:00:00+00:00").timestamp()

    def troubled(self, action: StepAction, trouble: Callable[..., Any]) -> TroubledStripe:
        return TroubledStripe(real=self.service.open(None).stripe, action=action, trouble=trouble)

    def standing(self, order_id: str | None = None):
        asked = order_id or self.sides.order_id
        with self.service.store.read() as transaction:
            (found,) = plans.standings(transaction, connection_id=1, order_id=asked)
        return found

    def counts(self) -> dict[str, int]:
        return {kind: len(self.sides.objects(kind)) for kind in KINDS}

    def unsettled(self) -> int:
        with self.service.store.read() as transaction:
            return len(intents.unsettled(transaction, connection_id=1, root_id=self.standing().root_id))


ONE_OF_EACH = dict.fromkeys(KINDS, 1)


@pytest.fixture
def setting(tmp_path: Path) -> Iterator[Setting]:
    clock = SettableClock(NOW)
    with two_sides() as sides, service(tmp_path, clock=clock) as opened:
        connect(opened, sides)
        yield Setting(home=tmp_path, sides=sides, clock=clock, service=opened)


@pytest.mark.parametrize("action", ACTIONS)
def test_a_lost_answer_is_settled_with_the_same_key(setting: Setting, action: StepAction) -> None:
    stripe = setting.troubled(action, answer_lost)
    result = setting.run(stripe=stripe)
    assert result["states"] == {setting.sides.order_id: "failed"}
    assert (setting.standing().retryable, setting.unsettled()) == (True, 1)
    assert setting.sides.order()["Stripe_Sync_Status__c"] == "Failed"
    again = setting.troubled(action, lambda call: call())
    assert setting.run(stripe=again)["states"] == {setting.sides.order_id: "synced"}
    assert again.keys == stripe.keys
    assert (setting.counts(), setting.unsettled()) == (ONE_OF_EACH, 0)
    assert setting.sides.order()["Stripe_Sync_Status__c"] == "Synced"


@pytest.mark.parametrize("action", ACTIONS)
def test_a_lost_answer_is_looked_for_when_the_key_has_run_out(setting: Setting, action: StepAction) -> None:
    stripe = setting.troubled(action, answer_lost)
    setting.run(stripe=stripe)
    setting.clock.set(NOW + timedelta(hours=30))
    again = setting.troubled(action, lambda call: call())
    assert setting.run(stripe=again)["states"] == {setting.sides.order_id: "synced"}
    assert again.keys == []
    assert setting.counts() == ONE_OF_EACH


@pytest.mark.parametrize("action", ACTIONS)
def test_a_lost_request_is_made_anew_when_the_key_has_run_out(setting: Setting, action: StepAction) -> None:
    stripe = setting.troubled(action, request_lost)
    setting.run(stripe=stripe)
    setting.clock.set(NOW + timedelta(hours=30))
    again = setting.troubled(action, lambda call: call())
    assert setting.run(stripe=again)["states"] == {setting.sides.order_id: "synced"}
    assert len(again.keys) == 1
    assert again.keys != stripe.keys
    assert setting.counts() == ONE_OF_EACH


@pytest.mark.parametrize(("trouble", "calls"), [(request_lost, 1), (answer_lost, 0)])
def test_a_schedule_whose_start_has_passed_is_looked_for_and_planned_anew(
    setting: Setting, trouble: Callable[..., Any], calls: int
) -> None:
    """Repeated as it was, without prorations, it would give its first period away."""
    begins_at = datetime.fromtimestamp(setting.first_start(), UTC)
    setting.move_everything_to(begins_at - timedelta(hours=2))
    setting.run(stripe=setting.troubled(StepAction.CREATE_SCHEDULE, trouble))
    setting.move_everything_to(begins_at + timedelta(hours=2))
    again = setting.troubled(StepAction.CREATE_SCHEDULE, lambda call: call())
    assert setting.run(stripe=again)["states"] == {setting.sides.order_id: "synced"}
    assert (len(again.keys), setting.counts()) == (calls, ONE_OF_EACH)
    (invoice,) = setting.sides.objects("invoice")
    assert invoice["total"] > 0


def test_a_first_invoice_that_is_found_later_is_compared_all_the_same(setting: Setting) -> None:
    setting.move_everything_to(NOW + timedelta(days=10))
    setting.run(stripe=setting.troubled(StepAction.CREATE_SCHEDULE, answer_lost))
    setting.move_everything_to(NOW + timedelta(days=12))
    assert setting.run()["states"] == {setting.sides.order_id: "synced"}
    (invoice,) = setting.sides.objects("invoice")
    assert invoice["total"] == 50000


def test_a_first_invoice_that_others_followed_is_not_compared(setting: Setting) -> None:
    setting.move_everything_to(NOW + timedelta(days=10))
    setting.run(stripe=setting.troubled(StepAction.CREATE_SCHEDULE, answer_lost))
    setting.move_everything_to(NOW + timedelta(days=40))
    assert setting.run()["states"] == {setting.sides.order_id: "synced"}
    assert [each["total"] for each in setting.sides.objects("invoice")] == [50000, 50000]


def test_a_lost_answer_is_settled_although_the_order_changed_since(setting: Setting) -> None:
    setting.run(stripe=setting.troubled(StepAction.CREATE_SCHEDULE, answer_lost))
    item = setting.sides.org.records("OrderItem")[0]
    setting.sides.org.update("OrderItem", item["Id"], {"Quantity": 11, "TotalPrice": 6600})
    assert setting.run()["states"] == {setting.sides.order_id: "held"}
    assert setting.standing().code == "changed_after_sync"
    assert setting.counts() == ONE_OF_EACH


@pytest.mark.parametrize("action", ACTIONS)
def test_a_refusal_ends_the_order_and_a_later_sync_tries_with_a_new_key(
    setting: Setting, action: StepAction
) -> None:
    stripe = setting.troubled(action, refused)
    assert setting.run(stripe=stripe)["states"] == {setting.sides.order_id: "refused"}
    standing = setting.standing()
    assert (standing.code, standing.request_link) == ("stripe_refused", "https://dashboard.stripe.com/r")
    assert setting.counts()["subscription_schedule"] == 0
    order = setting.sides.order()
    assert order["Stripe_Sync_Status__c"] == "Refused"
    assert "Stripe refused" in order["Stripe_Sync_Message__c"]
    again = setting.troubled(action, lambda call: call())
    assert setting.run(stripe=again)["states"] == {setting.sides.order_id: "synced"}
    assert len(again.keys) == 1
    assert again.keys != stripe.keys
    assert setting.counts() == ONE_OF_EACH
    assert not setting.sides.order().get("Stripe_Sync_Message__c")


def test_a_busy_stripe_fails_the_order_for_now(setting: Setting) -> None:
    assert setting.run(stripe=setting.troubled(StepAction.CREATE_PRICE, busy))["states"] == {
        setting.sides.order_id: "failed"
    }
    assert (setting.standing().code, setting.standing().retryable) == ("stripe_rate_limit", True)
    assert setting.run()["states"] == {setting.sides.order_id: "synced"}


def test_a_first_invoice_that_differs_is_an_alarm_until_a_person_accepts_it(setting: Setting) -> None:
    setting.move_everything_to(NOW + timedelta(days=10))

    def one_cent_more(call):
        made = dict(call())
        invoice = made["subscription"]["latest_invoice"]
        changed = {name: invoice[name] + 1 for name in ("subtotal", "total")}
        if isinstance(invoice.get("total_excluding_tax"), int):
            changed["total_excluding_tax"] = invoice["total_excluding_tax"] + 1
        made["subscription"] = {**made["subscription"], "latest_invoice": {**invoice, **changed}}
        return made

    stripe = setting.troubled(StepAction.CREATE_SCHEDULE, one_cent_more)
    for _ in range(2):
        assert setting.run(stripe=stripe)["states"] == {setting.sides.order_id: "failed"}
        assert setting.standing().code == "first_invoice_differs"
        assert "50000" in setting.standing().message
        assert "50001" in setting.standing().message
    assert len(stripe.keys) == 1
    assert setting.sides.order()["Stripe_Sync_Status__c"] == "Failed"
    released = frozenset({"first_invoice_differs"})
    assert setting.run(released=released)["states"] == {setting.sides.order_id: "synced"}
    assert setting.run()["states"] == {setting.sides.order_id: "unchanged"}


def test_an_order_saved_while_it_is_planned_is_planned_again(setting: Setting) -> None:
    seen: list[str] = []

    def save_at_first_plan(name: str) -> None:
        seen.append(name)
        if name == "plan kept" and seen.count(name) == 1:
            item = setting.sides.org.records("OrderItem")[0]
            setting.sides.org.update("OrderItem", item["Id"], {"Quantity": 20, "TotalPrice": 12000})
            setting.sides.org.update("Order", setting.sides.order_id, {"Description": "Twenty after all"})

    assert setting.run(boundary=save_at_first_plan)["states"] == {setting.sides.order_id: "synced"}
    assert seen.count("plan kept") == 2
    (schedule,) = setting.sides.objects("subscription_schedule")
    assert schedule["phases"][0]["items"][0]["quantity"] == 20


def test_an_order_that_keeps_changing_is_left_for_later(setting: Setting) -> None:
    def save(name: str) -> None:
        if name == "plan kept":
            setting.sides.org.update("Order", setting.sides.order_id, {"Description": "again"})

    assert setting.run(boundary=save)["states"] == {setting.sides.order_id: "failed"}
    assert (setting.standing().code, setting.standing().retryable) == ("keeps_changing", True)
    assert setting.sides.stripe_writes() == []


def test_records_salesforce_does_not_take_are_said_and_billing_stands(setting: Setting) -> None:
    setting.sides.org.edit_activated_orders = False
    report = setting.service.sync(None, setting.sides.order_id)
    assert report.order.state.value == "synced"
    assert report.order.code == "write_back_failed"
    assert setting.counts() == ONE_OF_EACH
    setting.sides.org.edit_activated_orders = True
    assert setting.service.sync(None, setting.sides.order_id).order.code == ""
    assert setting.sides.order()["Stripe_Sync_Status__c"] == "Synced"
    assert setting.service.sync(None, setting.sides.order_id).order.state.value == "unchanged"


class DeafSalesforce:
    """The real org side whose writes fail as a whole."""

    def __init__(self, real: Any, error: CpqbridgeError) -> None:
        self._real = real
        self._error = error

    def write(self, _records, *, root_id):
        raise self._error

    def __getattr__(self, name: str) -> Any:
        return getattr(self._real, name)


def test_a_salesforce_that_cannot_be_told_leaves_the_order_to_be_tried_again(setting: Setting) -> None:
    opened = setting.service.open(None)
    deaf = DeafSalesforce(
        opened.salesforce, TransientError("Salesforce is down.", code="salesforce_unavailable")
    )
    result = setting.run(salesforce=deaf)
    assert result["states"] == {setting.sides.order_id: "failed"}
    standing = setting.standing()
    assert (standing.code, standing.retryable) == ("write_back_failed", True)
    assert "Stripe is up to date" in standing.message
    assert setting.run()["states"] == {setting.sides.order_id: "synced"}
    assert setting.counts() == ONE_OF_EACH


def test_a_lost_lane_stops_a_run_before_its_next_call(setting: Setting) -> None:
    """A paused process that wakes up after somebody else took over does nothing more."""

    def pause(name: str) -> None:
        if name.startswith("intent product"):
            with setting.service.store.write() as transaction:
                (lane,) = lanes.held(transaction)
                claim = lanes.Claim(
                    owner="other", host="h", process_id=1, workflow_id="x", lease=timedelta(seconds=60)
                )
                taken = lanes.take(
                    transaction,
                    connection_id=1,
                    root_id=lane.root_id,
                    claim=claim,
                    at=NOW,
                    dead_owners=[lane.owner],
                )
                assert taken is not None

    result = setting.run(boundary=pause)
    assert result["error"]["code"] == "lane_lost"
    assert setting.counts() == {**dict.fromkeys(KINDS, 0), "customer": 1, "product": 1}
    with setting.service.store.read() as transaction:
        (lane,) = lanes.held(transaction)
        assert lane.owner == "other"
        assert len(intents.unsettled(transaction, connection_id=1, root_id=lane.root_id)) == 1
    assert setting.sides.order().get("Stripe_Sync_Status__c") is None


def test_two_syncs_at_once_make_one_schedule(setting: Setting) -> None:
    states: list[str] = []
    setting.service.engine()

    def sync() -> None:
        states.append(setting.service.sync(None, setting.sides.order_id).order.state.value)

    threads = [threading.Thread(target=sync) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(states) == ["synced", "unchanged", "unchanged", "unchanged"]
    assert setting.counts() == ONE_OF_EACH


def test_lost_access_stops_the_connection_until_it_is_checked(setting: Setting) -> None:
    setting.service.sync(None, setting.sides.order_id)
    setting.sides.org.tokens = {"another token"}
    with pytest.raises(AccessLostError):
        setting.service.sync(None, setting.sides.order_id)
    with pytest.raises(AccessLostError):
        setting.service.check_connection(None)
    setting.sides.org.tokens = {TOKEN}
    assert setting.service.check_connection(None).access_lost is None


def test_an_unknown_order_is_a_clear_error(setting: Setting) -> None:
    with pytest.raises(ConfigurationError) as caught:
        setting.service.sync(None, "801000000000000AAA")
    assert caught.value.code == "order_unknown"


def another_home(setting: Setting, tmp_path: Path):
    return service(tmp_path / "another", clock=setting.clock)


def test_a_lost_home_finds_everything_again_and_makes_nothing_twice(setting: Setting, tmp_path: Path) -> None:
    setting.service.sync(None, setting.sides.order_id)
    setting.clock.set(NOW + timedelta(days=3))
    with another_home(setting, tmp_path) as opened:
        connect(opened, setting.sides)
        setting.service.close()
        states = [opened.sync(None, setting.sides.order_id).order.state.value for _ in range(3)]
    assert states[-1] == "unchanged"
    assert setting.counts() == ONE_OF_EACH
    assert setting.sides.order()["Stripe_ID__c"] == setting.sides.objects("subscription_schedule")[0]["id"]


def test_taken_ids_and_lookup_keys_are_adopted_when_they_are_what_is_needed(
    setting: Setting, tmp_path: Path
) -> None:
    setting.run(stripe=setting.troubled(StepAction.CREATE_SCHEDULE, refused))
    setting.clock.set(NOW + timedelta(days=3))
    with another_home(setting, tmp_path) as opened:
        connect(opened, setting.sides)
        assert opened.sync(None, setting.sides.order_id).order.state.value == "synced"
        assert opened.sync(None, setting.sides.order_id).order.state.value == "unchanged"
    assert setting.counts() == ONE_OF_EACH


def test_an_order_that_shows_somebody_elses_subscription_is_held(setting: Setting) -> None:
    setting.sides.org.update("Order", setting.sides.order_id, {"Stripe_ID__c": "sub_1Elsewhere"})
    report = setting.service.sync(None, setting.sides.order_id)
    assert (report.order.state.value, report.order.code) == ("held", "takeover")
    assert setting.sides.stripe_writes() == []
    released = setting.service.sync(None, setting.sides.order_id, released=frozenset({"takeover"}))
    assert released.order.state.value == "synced"


def test_an_order_that_shows_what_the_account_does_not_have_is_billed_with_a_warning(
    setting: Setting,
) -> None:
    setting.sides.org.update("Order", setting.sides.order_id, {"Stripe_ID__c": "sub_sched_1Gone"})
    plan = setting.service.preview(None, setting.sides.order_id).plan
    assert any("sub_sched_1Gone" in text for text in plan.warnings)
    assert setting.service.sync(None, setting.sides.order_id).order.state.value == "synced"


def test_an_unexpected_error_reaches_the_caller_and_the_order_says_so(tmp_path: Path) -> None:
    planted = True

    def boundary(name: str) -> None:
        if planted and name.startswith("intent price"):
            raise RuntimeError("planted")

    with two_sides() as sides, service(tmp_path, boundary=boundary) as opened:
        connect(opened, sides)
        with pytest.raises(RuntimeError, match="planted"):
            opened.sync(None, sides.order_id)
        (found,) = opened.list_orders(None)
        assert (found.state.value, found.code) == ("failed", "unexpected")
        planted = False
        assert opened.sync(None, sides.order_id).order.state.value == "synced"
        assert {kind: len(sides.objects(kind)) for kind in KINDS} == ONE_OF_EACH
