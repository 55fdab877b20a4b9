"""`cpqbridge connection webhook`: secrets go in and are never seen again."""

from __future__ import annotations

import io
import json
import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import structlog
from tests.unit.store.test_events import NOW, an_event, store  # noqa: F401 - a fixture

from cpqbridge.cli.main import main
from cpqbridge.cli.runtime import Runtime
from cpqbridge.clock import SettableClock
from cpqbridge.settings import Settings
from cpqbridge.store import events
from cpqbridge.sync.event_names import HEARD
from cpqbridge.sync.service import ServiceOptions, SyncService

SECRET = "whsec_canary0123456789"
Run = Callable[..., tuple[int, str]]


@pytest.fixture
def run(store, tmp_path: Path, monkeypatch, capsys) -> Iterator[Run]:  # noqa: F811 - the fixture
    @contextmanager
    def open_service(_settings: Settings) -> Iterator[SyncService]:
        yield SyncService(store, ServiceOptions(clock=SettableClock(NOW)))

    runtime = Runtime(settings=lambda: Settings(home=tmp_path / "home"), open_service=open_service)

    def run(*words: str, given: str = "") -> tuple[int, str]:
        monkeypatch.setattr("sys.stdin", io.StringIO(given))
        code = main(["connection", "webhook", *words], runtime=runtime)
        said = capsys.readouterr()
        log = (tmp_path / "home" / "logs" / "cpqbridge.log").read_text() if code != 2 else ""
        assert "canary" not in said.out + said.err + log
        return code, said.out or said.err

    yield run
    root = logging.getLogger()
    for handler in list(root.handlers):
        if type(handler).__module__ != "_pytest.logging":
            root.removeHandler(handler)
            handler.close()
    structlog.reset_defaults()


def secrets_told(said: str) -> int:
    return len(json.loads(said)["secrets"])


def test_a_secret_when_given_is_stored_and_not_shown(run: Run, store) -> None:  # noqa: F811
    assert secrets_told(run("connection 1", "--json")[1]) == 0
    code, said = run("connection 1", "--secret", "-", "--json", given=f"{SECRET}\n")
    assert (code, secrets_told(said)) == (0, 1)
    assert secrets_told(run("connection 1", "--secret", f"{SECRET}2", "--keep-old", "--json")[1]) == 2
    assert secrets_told(run("connection 1", "--secret", f"{SECRET}3", "--json")[1]) == 1
    assert secrets_told(run("connection 2", "--json")[1]) == 0
    assert secrets_told(run("connection 1", "--remove", "--json")[1]) == 0
    with store.read() as transaction:
        rows = transaction.exec_driver_sql("SELECT action FROM audit ORDER BY audit_id").scalars().all()
    assert rows == ["webhook_secret_given"] * 3 + ["webhook_secret_removed"]


def test_what_is_shown_says_how_events_come_in_and_which_to_send(run: Run, store) -> None:  # noqa: F811
    with store.write() as transaction:
        events.keep(transaction, connection_id=1, events=[an_event(1)], at=NOW)
    code, said = run("connection 1")
    assert code == 0
    assert "0 signing secrets." in said
    assert "1 waiting" in said
    assert "POST /hooks/stripe" in said
    assert all(f"  {kind}\n" in f"{said}\n" for kind in HEARD)
    document = json.loads(run("connection 1", "--json")[1])
    assert document["stored"] == {"waiting": 1, "noticed": 0, "own": 0, "ignored": 0}
    assert (document["way"], document["last_event_at"]) == ("webhook", NOW.isoformat())


@pytest.mark.parametrize(
    "words",
    [
        ("--secret", "sk_test_canary"),
        ("--secret", SECRET, "--remove"),
        ("--keep-old",),
        ("--secret", "@/nowhere"),
        ("--secret", "-"),
    ],
)
def test_what_cannot_be_meant_is_refused(run: Run, words: tuple[str, ...]) -> None:
    code, said = run("connection 1", *words)
    assert code == 2
    assert "What to do:" in said
