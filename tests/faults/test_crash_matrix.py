"""Stopped at any boundary, gone on with a minute, a day or a month later: always the same end.

`make test` stops every scenario at a few of its boundaries, others each day; `--whole` stops at all of them.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.faults.crash_matrix import AWAY, Matrix
from tests.faults.crash_scenarios import ALL
from tests.faults.worlds import World, hosted_world


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    with hosted_world() as hosted:
        yield hosted


@pytest.mark.parametrize("name", ALL)
def test_baseline(name: str, world: World, tmp_path: Path) -> None:
    t = time.perf_counter()
    matrix = Matrix(world, ALL[name], tmp_path)
    t1 = time.perf_counter()
    kept = matrix.kept_at_every_boundary(worker=False)
    t2 = time.perf_counter()
    print()
    for word, away in AWAY.items():
        a = matrix.end_without_a_stop(away)
        b = matrix.end_of_late_work(away)
        print(name, word, "A", a.held, sum(a.by_day.values()), "B", b.held, sum(b.by_day.values()), a.by_line == b.by_line, a.by_day == b.by_day)
    print(len(kept), t1 - t, t2 - t1, time.perf_counter() - t2)
