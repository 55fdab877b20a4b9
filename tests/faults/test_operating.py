"""The commands of whoever runs it: pause, resume and status, as a shell sees them, and what a pause survives."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from tests.faults.test_hooks import SECRET, event, signature
from tests.faults.test_pause import PausingAt, states, wait_until, waiting
from tests.faults.two_sides import NOW, TwoSides, connect, service, two_sides

from cpqbridge.cli.main import main
from cpqbridge.cli.runtime import Runtime
from cpqbridge.clock import SettableClock
from cpqbridge.domain.calls import Call
from cpqbridge.errors import PausedError
from cpqbridge.settings import Settings
from cpqbridge.store import events
from cpqbridge.store.database import open_store
from cpqbridge.sync.allowance import OrgAllowance
from cpqbridge.sync.hooks import StripeHook
from cpqbridge.sync.observing import ConnectionWatch, Observers
from cpqbridge.sync.pausing import PauseGate, Pausing
from cpqbridge.sync.service import SyncService
from cpqbridge.sync.worker import Worker

Shell = Callable[..., tuple[int, str, str]]


@pytest.fixture(scope="module")
def sides() -> Iterator[TwoSides]:
    with two_sides() as hosted:
        yield hosted


@pytest.fixture
def shell(tmp_path: Path, sides: TwoSides, capsys: pytest.CaptureFixture[str]) -> Shell:
    home = tmp_path / "home"

    @contextmanager
    def opened(_settings: Settings) -> Iterator[SyncService]:
        with service(home) as found:
            yield found

    with service(home) as first:
        connect(first, sides)
    runtime = Runtime(settings=lambda: Settings(home=home), open_service=opened)

    def run(*words: str) -> tuple[int, str, str]:
        code = main(words, runtime=runtime)
        said = capsys.readouterr()
        return code, said.out, said.err

    return run


def test_commands_pause_refuse_tell_and_go_on(shell: Shell, sides: TwoSides) -> None:
    assert shell("status")[0] == 0
    code, said, _ = shell("pause", "--reason", "month end", "--json")
    document = json.loads(said)
    assert (code, document["paused"], document["reason"]) == (0, True, "month end")
    code, said, error = shell("order", "sync", sides.order()["OrderNumber"])
    assert (code, said) == (1, "")
    assert "month end" in error
    assert "cpqbridge resume" in error
    code, said, _ = shell("status", "--json")
    (connection,) = json.loads(said)["connections"]
    assert (code, connection["pause"]["reason"]) == (1, "month end")
    assert connection["orders"]["adds_up"] is True
    code, _, error = shell("resume", "--connection", "test")
    assert (code, "everything is" in error) == (2, True)
    assert "goes on" in shell("resume")[1]
    assert json.loads(shell("resume", "--json")[1])["was_paused"] is False
    assert "goes on" not in shell("resume")[1]
    assert shell("status")[:1] == (0,)
    code, said, _ = shell("pause", "--connection", "test")
    assert "cpqbridge resume --connection test" in said
    assert shell("resume", "--connection", "test")[0] == 0


def test_what_a_pause_set_aside_outlives_the_process(tmp_path: Path) -> None:
    with two_sides() as sides:
        pausing = PausingAt(12, sides)
        with service(tmp_path, boundary=pausing) as opened:
            pausing.service = opened
            connect(opened, sides)
            opened.become_worker()
            with pytest.raises(PausedError):
                opened.sync(None, sides.order_id)
            assert waiting(opened) == 1
        with service(tmp_path) as opened:
            opened.become_worker()
            Worker(opened).tick()
            assert states(opened) == {sides.order_id: "queued"}
            Pausing(opened).resume(None)
            Worker(opened).tick()
            wait_until(lambda: states(opened) == {sides.order_id: "synced"})
            assert len(sides.objects("subscription_schedule")) == 1


def test_an_event_of_stripe_is_stored_in_a_pause_and_looked_at_after_it(
    tmp_path: Path, sides: TwoSides
) -> None:
    with service(tmp_path) as opened:
        connect(opened, sides)
        opened.become_worker()
        Pausing(opened).pause(None)
        body = json.dumps(event("invoice.created", id="in_1")).encode()
        StripeHook(opened, secrets=[SECRET]).take(body, signature(body))

        def stored() -> int:
            with opened.store.read() as transaction:
                counted = events.counts(transaction, connection_id=1)
            return counted[events.EventState.WAITING]

        Worker(opened).tick()
        assert stored() == 1
        Pausing(opened).resume(None)
        Worker(opened).tick()
        assert stored() == 0


def test_a_pause_that_comes_while_a_call_waits_its_turn_stops_it(tmp_path: Path, sides: TwoSides) -> None:
    class PausingPacer:
        """Somebody pauses while the call waits."""

        def before(self, _call: Call) -> None:
            Pausing(opened).pause(None)

    with service(tmp_path) as opened:
        connect(opened, sides)
        store = opened.store
        watch = ConnectionWatch(
            connection_id=1,
            gate=opened.gate,
            observer=Observers(),
            allowance=OrgAllowance(store, connection_id=1, share=1, clock=SettableClock(NOW)),
            pacer=PausingPacer(),
        )
        with pytest.raises(PausedError):
            watch.before(Call(side="stripe", method="POST", path="/v1/customers"))


def test_the_gate_costs_next_to_nothing(tmp_path: Path) -> None:
    store = open_store(tmp_path)
    reads = []

    class Counting:
        home = store.home

        def read(self) -> object:
            reads.append(1)
            return store.read()

    gate = PauseGate(Counting())
    for _ in range(2000):
        gate.require_open(1)
    store.close()
    assert len(reads) <= 20
