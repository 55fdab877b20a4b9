"""Stopped at any boundary, gone on with a minute, a day or a month later: always the same end.

`make test` stops every scenario at a few of its boundaries, `--turn N` at others; `--whole` stops at all of them,
which takes an hour.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.faults.crash_matrix import AWAY, Matrix, is_explained_by_time
from tests.faults.crash_scenarios import ALL
from tests.faults.worlds import WAIT_SECONDS, World, hosted_world

from cpqbridge.domain.refusal import OrderState

STRIDE, WORKERS_STRIDE = 13, 17
"""Of so many stops one is gone on with in `make test`; primes, so that every turn brings other triples."""

MOST_STOPS = 1000


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    with hosted_world() as hosted:
        yield hosted


def sample(name: str, turn: int) -> tuple[bool, str]:
    """Return how the work is done that is stopped, and how long all is away: another pair each turn."""
    number = list(ALL).index(name) + turn
    return number % 2 == 0, list(AWAY)[number % len(AWAY)]


@pytest.mark.parametrize("name", ALL)
def test_it_ends_the_same_wherever_it_was_stopped(
    name: str, world: World, tmp_path: Path, pytestconfig: pytest.Config
) -> None:
    whole, turn = pytestconfig.getoption("--whole"), pytestconfig.getoption("--turn")
    matrix = Matrix(world, ALL[name], tmp_path)
    worker, word = sample(name, turn)
    ways = [(worker, word)] if not whole else [(False, away) for away in AWAY] + [(True, word)]
    for worker, word in ways:
        stride = 1 if whole else WORKERS_STRIDE if worker else STRIDE
        numbers = range(turn % stride, MOST_STOPS, stride)
        stops = matrix.stops(worker=worker, chosen=numbers.__contains__)
        assert stops or not whole
        expected, late = matrix.end_without_a_stop(AWAY[word]), None
        assert matrix.sold_minor() in {None, sum(expected.by_line.values())}
        for stop in stops:
            try:
                found = matrix.end_after(stop, AWAY[word], worker=worker)
                if found != expected:
                    late = late or matrix.end_of_late_work(AWAY[word])
                    assert is_explained_by_time(found, expected, late), (found, expected, late)
            except BaseException as error:
                error.add_note(f"stopped at {stop.names}, gone on with by a worker: {worker}, after {word}")
                raise


class Stopped(BaseException):
    """Everything ends here; nothing that only an error is caught by sees it."""


@pytest.mark.parametrize("name", ["one line", "a charge and a credit of two orders", "a charge falls due"])
def test_it_ends_the_same_when_a_stop_is_injected(
    name: str, world: World, tmp_path: Path, pytestconfig: pytest.Config
) -> None:
    """The same by an exception, after which the service and its engine are closed and opened anew."""
    matrix = Matrix(world, ALL[name], tmp_path)
    seen: list[str] = []
    matrix.interrupt(seen.append)
    numbers = range(len(seen))
    if not pytestconfig.getoption("--whole"):
        numbers = numbers[pytestconfig.getoption("--turn") % STRIDE :: STRIDE]
    expected = matrix.end_without_a_stop(AWAY["a minute"])
    for number in numbers:
        left = iter(range(number))

        def boundary(place: str, left: Iterator[int] = left) -> None:
            if next(left, None) is None:
                raise Stopped(place)

        with pytest.raises(Stopped) as stop:
            matrix.interrupt(boundary)
        assert matrix.end_of_what_is_there(AWAY["a minute"]) == expected, stop.value


def test_a_worker_takes_over_what_a_dead_command_left(
    world: World, tmp_path: Path, pytestconfig: pytest.Config
) -> None:
    turn = pytestconfig.getoption("--turn")
    matrix = Matrix(world, ALL["seats added and billed now"], tmp_path)
    stops = matrix.stops(worker=False, chosen=lambda number: number == 3 + turn % 12)
    expected = matrix.end_without_a_stop(AWAY["a minute"])
    assert len(stops) == 1
    for stop in stops:
        world.go_on(stop, tmp_path / f"taken over {stop.names[0].replace('/', ' ')}")
        with world.service(worker=True) as opened:
            assert opened.engine().take_over_from_the_dead() == 1
            assert opened.engine().take_over_from_the_dead() == 0
            deadline = time.monotonic() + WAIT_SECONDS
            while not all(each.state is OrderState.SYNCED for each in opened.list_orders(None)):
                assert time.monotonic() < deadline, opened.list_orders(None)
                time.sleep(0.05)
        assert matrix.end_of_what_is_there(AWAY["a minute"]) == expected
