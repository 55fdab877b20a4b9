"""Every kind of call, struck by every kind of trouble, once and until it is given up: the same end, or it is said why.

`make test` takes some of the pairs, `--turn N` others; `--whole` takes all of them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from tests.faults.crash_matrix import End, Matrix, is_explained_by_time
from tests.faults.crash_scenarios import ALL
from tests.faults.worlds import World, hosted_world

from cpqbridge.domain.billing import StepAction
from cpqbridge.errors import CpqbridgeError

PAIRS_OF_A_DAY = 1
"""How many of the troubles strike each kind of call in `make test`."""

FOR_EVER = 10_000
SOON = timedelta(hours=2)
WHEN_KEYS_HAVE_RUN_OUT = timedelta(hours=25)
ROUNDS = 3


@dataclass(frozen=True, kw_only=True)
class Place:
    """Where a kind of call is made: the scenario, and which request it is; `skip` of those that fit pass.

    With `by_command` a person asks, as often as they like, and once here.
    """

    scenario: str
    path: str
    method: str = "POST"
    skip: int = 0
    by_command: bool = False


STRIPE = {
    StepAction.CREATE_CUSTOMER: Place(scenario="one line", path="/v1/customers"),
    StepAction.UPDATE_CUSTOMER: Place(scenario="customer exists", path="/v1/customers/*"),
    StepAction.CREATE_PRODUCT: Place(scenario="one line", path="/v1/products"),
    StepAction.UPDATE_PRODUCT: Place(scenario="seats added under another name", path="/v1/products/*"),
    StepAction.CREATE_METER: Place(scenario="metered with tiers and a coupon", path="/v1/billing/meters"),
    StepAction.CREATE_COUPON: Place(scenario="coupon for six months", path="/v1/coupons"),
    StepAction.CREATE_PRICE: Place(scenario="one line", path="/v1/prices"),
    StepAction.CREATE_SCHEDULE: Place(scenario="one line", path="/v1/subscription_schedules"),
    StepAction.UPDATE_SCHEDULE: Place(scenario="seats added ahead", path="/v1/subscription_schedules/*"),
    StepAction.CANCEL_SCHEDULE: Place(
        scenario="terminated inside a month", path="/v1/subscription_schedules/*/cancel"
    ),
    StepAction.CREATE_INVOICE: Place(scenario="seats added and billed now", path="/v1/invoices"),
    StepAction.ADD_INVOICE_LINES: Place(
        scenario="seats added and billed now", path="/v1/invoices/*/add_lines"
    ),
    StepAction.FINALIZE_INVOICE: Place(scenario="seats added and billed now", path="/v1/invoices/*/finalize"),
    StepAction.CREATE_CREDIT_NOTE: Place(
        scenario="seats removed with a credit note", path="/v1/credit_notes"
    ),
    StepAction.CREDIT_BALANCE: Place(
        scenario="seats removed with a credit to the balance", path="/v1/customers/*/balance_transactions"
    ),
    "read a schedule": Place(scenario="seats added ahead", method="GET", path="/v1/subscription_schedules/*"),
    "read invoices": Place(scenario="seats removed with a credit note", method="GET", path="/v1/invoices"),
}
QUERY, COMPOSITE = "/services/data/*/query*", "/services/data/*/composite"
SALESFORCE = {
    "find the order": Place(scenario="one line", method="GET", path=QUERY, by_command=True),
    "read the contract": Place(scenario="one line", path=COMPOSITE),
    "read the stamps": Place(scenario="one line", method="GET", path=QUERY),
    "write back": Place(scenario="one line", path=COMPOSITE, skip=1),
    "write back an amendment": Place(scenario="seats added ahead", path=COMPOSITE, skip=1),
}
BOTH_SIDES: tuple[Mapping[str, Any], ...] = (
    {"kind": "refused"},
    *({"kind": kind, "when": when} for kind in ("reset", "timeout", "cut") for when in ("before", "after")),
    *(
        {"kind": "html", "status": status, "when": when}
        for status in (200, 502, 503)
        for when in ("before", "after")
    ),
    {"kind": "bad_request"},
    {"kind": "unauthorized"},
    {"kind": "forbidden"},
    {"kind": "not_found"},
    {"kind": "conflict"},
    {"kind": "rate_limit"},
    {"kind": "rate_limit", "retry_after": 7},
    {"kind": "rate_limit", "retry_after": 300},
    {"kind": "server_error", "status": 500, "when": "before"},
    {"kind": "server_error", "status": 503, "when": "before"},
    {"kind": "server_error", "status": 503, "when": "before", "retry_after": 9},
    {"kind": "server_error", "status": 500, "when": "after"},
    {"kind": "server_error", "status": 503, "when": "after"},
    {"kind": "latency", "seconds": 0.02},
)
OF_STRIPE = (
    *BOTH_SIDES,
    {"kind": "lock_timeout"},
    {"kind": "server_error", "status": 500, "when": "before", "stored": True},
)
OF_SALESFORCE = (*BOTH_SIDES, {"kind": "request_limit"}, {"kind": "query_timeout"})
OF_SAVES = ("row_lock", "validation", "flow", "trigger")


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    with hosted_world() as hosted:
        yield hosted


@pytest.fixture(scope="module")
def matrices(world: World, tmp_path_factory: pytest.TempPathFactory) -> Matrices:
    return Matrices(world, tmp_path_factory.mktemp("faults"))


class Matrices:
    """The scenarios that are struck, each prepared once, with their ends."""

    def __init__(self, world: World, folder: Path) -> None:
        self._world = world
        self._folder = folder
        self._made: dict[str, Matrix] = {}
        self._ends: dict[tuple[str, timedelta], tuple[End, End]] = {}

    def of(self, name: str) -> Matrix:
        if name not in self._made:
            folder = self._folder / name
            folder.mkdir()
            self._made[name] = Matrix(self._world, ALL[name], folder)
        return self._made[name]

    def ends(self, name: str, away: timedelta) -> tuple[End, End]:
        """Return the end of what nothing struck, and of what is begun only after so long."""
        if (name, away) not in self._ends:
            matrix = self.of(name)
            self._ends[name, away] = matrix.end_without_a_stop(away), matrix.end_of_late_work(away)
        return self._ends[name, away]


def chosen(troubles: tuple[Any, ...], place: int, config: pytest.Config) -> list[Any]:
    """Return all troubles with `--whole`, else those whose turn it is at this place."""
    if config.getoption("--whole"):
        return list(troubles)
    step = max(1, len(troubles) // PAIRS_OF_A_DAY)
    return list(troubles[(config.getoption("--turn") + place) % step :: step])


def assert_same_end(matrices: Matrices, place: Place, side: str, trouble: Mapping[str, Any]) -> None:
    matrix = matrices.of(place.scenario)
    many_rounds = 1 if place.by_command else ROUNDS
    for times, rounds, away in ((1, 1, SOON), (FOR_EVER, many_rounds, WHEN_KEYS_HAVE_RUN_OUT)):
        expected, late = matrices.ends(place.scenario, away)

        def plan(world: World, times: int = times) -> None:
            plan_of = {"salesforce": world.org.faults, "stripe": world.account.faults}[side]
            if not plan_of.waiting:
                where = {"method": place.method, "path": place.path, "skip": place.skip}
                plan_of.plan(**trouble, **({} if "sobject" in trouble else where), times=times)

        try:
            found, told = matrix.end_after_trouble(plan, away, rounds=rounds, by_command=place.by_command)
            assert "unexpected" not in told
            assert found == expected or is_explained_by_time(found, expected, late), (found, expected)
        except BaseException as error:
            error.add_note(f"{trouble} at {place}, {times} times in {rounds} rounds")
            raise


@pytest.mark.parametrize("action", STRIPE)
def test_a_call_to_stripe_ends_the_same_after_every_trouble(
    action: str, matrices: Matrices, pytestconfig: pytest.Config
) -> None:
    for trouble in chosen(OF_STRIPE, list(STRIPE).index(action), pytestconfig):
        assert_same_end(matrices, STRIPE[action], "stripe", trouble)


@pytest.mark.parametrize("call", SALESFORCE)
def test_a_call_to_salesforce_ends_the_same_after_every_trouble(
    call: str, matrices: Matrices, pytestconfig: pytest.Config
) -> None:
    for trouble in chosen(OF_SALESFORCE, list(SALESFORCE).index(call), pytestconfig):
        assert_same_end(matrices, SALESFORCE[call], "salesforce", trouble)


@pytest.mark.parametrize("kind", OF_SAVES)
def test_a_save_that_salesforce_refuses_is_told_and_made_later(kind: str, matrices: Matrices) -> None:
    place = SALESFORCE["write back"]
    assert_same_end(matrices, place, "salesforce", {"kind": kind, "sobject": "Order"})


def test_a_poll_says_what_is_wrong_and_finds_every_order_afterwards(
    matrices: Matrices, world: World, pytestconfig: pytest.Config
) -> None:
    matrix = matrices.of("two contracts")
    with matrix.opened() as opened:
        side = opened.open(None).salesforce
        for trouble in chosen(OF_SALESFORCE, 0, pytestconfig):
            world.org.faults.plan(**trouble, method="GET", path=QUERY, times=FOR_EVER)
            told = None
            try:
                assert len(list(side.qualifying_orders(since=None))) == 2
            except CpqbridgeError as error:
                told = error
            assert (told is None) == (trouble["kind"] == "latency"), trouble
            assert told is None or (told.code and told.fix), trouble
            world.org.faults.clear()
            assert len(list(side.qualifying_orders(since=None))) == 2


def test_every_kind_of_step_is_struck() -> None:
    assert {each for each in STRIPE if isinstance(each, StepAction)} == set(StepAction)
