"""The durable engine: order within a second, partitions, restarts, take-over."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
from pathlib import Path

import pytest
from sqlalchemy import text

from cpqbridge.errors import ConfigurationError
from cpqbridge.sync.durable import DATABASE_FILE, DurableEngine, EngineOptions, partition_of
from cpqbridge.sync.liveness import mark_once, mark_worker

TASK = {"connection_id": 1, "root_id": "Q1", "order_id": "O1"}


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path


def start(home: Path, run, *, listens: bool) -> DurableEngine:
    mark = mark_worker(home) if listens else mark_once(home)
    return DurableEngine(EngineOptions(home=home, mark=mark, listens=listens), run)


def test_run_now_answers_with_the_result_of_the_run(home: Path) -> None:
    def run(task, run_id, steps):
        first = steps.step("one", lambda: {"answer": 1})
        return {"task": task["order_id"], "first": first["answer"], "named": "Q1" in run_id}

    engine = start(home, run, listens=False)
    try:
        assert engine.run_now(TASK, root_id="Q1") == {"task": "O1", "first": 1, "named": True}
    finally:
        engine.stop()


def test_a_damaged_engine_database_is_said_and_a_new_one_is_made_in_its_place(home: Path) -> None:
    file = home / DATABASE_FILE
    file.write_bytes(b"no database at all" * 100)
    mark = mark_once(home)
    with pytest.raises(ConfigurationError) as caught:
        DurableEngine(EngineOptions(home=home, mark=mark, listens=False), lambda *_: {})
    assert caught.value.code == "database_unusable"
    assert str(file) in caught.value.message
    file.rename(home / "damaged")
    DurableEngine(EngineOptions(home=home, mark=mark, listens=False), lambda *_: {}).stop()
    mark.release()


def test_the_engine_database_stamps_below_a_second(home: Path) -> None:
    engine = start(home, lambda task, run_id, steps: {}, listens=False)
    try:
        for _ in range(5):
            engine.run_now(TASK, root_id="Q1")
        with engine._engine.begin() as connection:
            stamps = [
                row[0]
                for row in connection.execute(
                    text("SELECT created_at FROM workflow_status ORDER BY created_at")
                )
            ]
            precise = connection.execute(text("SELECT unixepoch('subsec')")).scalar()
    finally:
        engine.stop()
    assert any(stamp % 1000 for stamp in stamps), "whole seconds only: the clock functions are not in use"
    assert abs(precise - time.time()) < 60


def test_one_partition_runs_one_at_a_time_in_order_and_others_meanwhile(home: Path) -> None:
    running: list[str] = []
    together: list[tuple[str, ...]] = []
    ended: list[str] = []
    guard = threading.Lock()

    def run(task, run_id, steps):
        with guard:
            running.append(task["root_id"])
            together.append(tuple(running))
        time.sleep(0.15)
        with guard:
            running.remove(task["root_id"])
            ended.append(task["order_id"])
        return {}

    engine = start(home, run, listens=True)
    try:
        runs = []
        for number in range(3):
            for root in ("Q1", "Q2"):
                task = {"connection_id": 1, "root_id": root, "order_id": f"{root}-{number}"}
                runs.append(engine.enqueue(task, root_id=root, partition=partition_of(task)))
        for run_id in runs:
            engine.wait(run_id, timeout_seconds=20)
    finally:
        engine.stop()
    assert all(len(set(names)) == len(names) for names in together)
    assert any(len(names) == 2 for names in together)
    assert [each for each in ended if each.startswith("Q1")] == ["Q1-0", "Q1-1", "Q1-2"]


def append(path: Path) -> dict:
    with path.open("a") as file:
        file.write("x")
    return {}


CHILD = textwrap.dedent(
    """
    import os, sys, time
    from pathlib import Path
    from cpqbridge.sync.durable import DurableEngine, EngineOptions, partition_of
    from cpqbridge.sync.liveness import mark_once, mark_worker
    home, kind = Path(sys.argv[1]), sys.argv[2]
    def run(task, run_id, steps):
        steps.step("one", lambda: (home / "one").write_text("x") and {})
        (home / "waiting").touch()
        time.sleep(60)
        return {}
    mark = mark_worker(home) if kind == "worker" else mark_once(home)
    engine = DurableEngine(EngineOptions(home=home, mark=mark, listens=kind == "worker"), run)
    task = {"connection_id": 1, "root_id": "Q1", "order_id": "O1"}
    if kind == "worker":
        engine.enqueue(task, root_id="Q1", partition=partition_of(task))
        time.sleep(60)
    else:
        engine.run_now(task, root_id="Q1")
    """
)


def killed_in_the_middle(home: Path, kind: str) -> None:
    child = subprocess.Popen([sys.executable, "-c", CHILD, str(home), kind])
    try:
        deadline = time.monotonic() + 30
        while not (home / "waiting").exists():
            assert time.monotonic() < deadline
            time.sleep(0.02)
        os.kill(child.pid, signal.SIGKILL)
    finally:
        child.kill()
        child.wait()


@pytest.mark.parametrize("kind", ["worker", "once"])
def test_the_run_of_a_killed_process_is_finished_by_the_next_worker(home: Path, kind: str) -> None:
    killed_in_the_middle(home, kind)
    seen = threading.Event()

    def run(task, run_id, steps):
        steps.step("one", lambda: append(home / "one"))
        seen.set()
        return {"order": task["order_id"]}

    engine = start(home, run, listens=True)
    try:
        engine.take_over_from_the_dead()
        assert seen.wait(20)
    finally:
        engine.stop()
    # A run from the queue goes on after its recorded step; one started directly begins anew.
    assert (home / "one").read_text() == ("x" if kind == "worker" else "xx")


def test_the_work_of_another_dead_worker_is_taken_over_and_of_a_living_one_is_not(home: Path) -> None:
    other = mark_worker(home)
    child_home = home
    assert other.name == "worker-1"
    other.release()
    killed_in_the_middle(child_home, "worker")
    occupied = mark_worker(home)
    seen = threading.Event()

    def run(task, run_id, steps):
        seen.set()
        return {}

    engine = start(home, run, listens=True)
    try:
        assert engine.take_over_from_the_dead() == 0, "worker-1 has a living holder again"
        occupied.release()
        assert engine.take_over_from_the_dead() == 1
        assert seen.wait(20)
    finally:
        engine.stop()
