"""Processes that are killed at a boundary: real ones, from a fork server that has everything imported."""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable, Sequence
from datetime import datetime
from pathlib import Path

import pytest

EVERY = 3
"""A turn kills at every third kind of boundary; tests that start at another one are others' complement."""

CONTEXT = multiprocessing.get_context("forkserver")
CONTEXT.set_forkserver_preload(["tests.faults.crash_child"])


def run_child(
    target: Callable[..., None], home: Path, order_id: str, kill_at: int, *, now: datetime
) -> int | None:
    """Run a function of `crash_child` in a process of its own and return how that ended."""
    process = CONTEXT.Process(target=target, args=(home, now, order_id, kill_at))
    process.start()
    process.join(90)
    if process.is_alive():
        process.kill()
        process.join()
    exit_code = process.exitcode
    process.close()
    return exit_code


def places_to_kill(names: Sequence[str], config: pytest.Config, *, start: int = 0) -> dict[int, str]:
    """Return boundaries at which a process is to be killed, by their numbers from 1.

    With `--whole` these are all; else one of each kind, of which every third is the turn's. In-process stops
    at all of them are in `test_crash_matrix`.
    """
    numbered = dict(enumerate(names, start=1))
    if config.getoption("--whole"):
        return numbered
    of_kind = {name.partition(" ")[0]: place for place, name in numbered.items()}
    chosen = sorted(of_kind.values())[(config.getoption("--turn") + start) % EVERY :: EVERY]
    return {place: numbered[place] for place in chosen}
