"""Trying again: what is tried again, how often, and how long is waited between."""

from __future__ import annotations

import random

import pytest

from cpqbridge.errors import (
    AccessLostError,
    ConfigurationError,
    ConflictError,
    CpqbridgeError,
    InvariantError,
    OutcomeUnknownError,
    RecordError,
    TransientError,
)
from cpqbridge.sync.retry import LONGEST_WAIT_SECONDS, Retries


class Script:
    """Fails with each error in turn, then returns 'done'; notes how often it ran."""

    def __init__(self, *errors: Exception) -> None:
        self.errors = list(errors)
        self.calls = 0

    def __call__(self) -> str:
        self.calls += 1
        if self.errors:
            raise self.errors.pop(0)
        return "done"


class HighestDraw(random.Random):
    """Draws the upper bound, so that waits are the ceilings."""

    def uniform(self, a: float, b: float) -> float:
        assert a == 0
        return b


def run(script: Script, *, attempts: int = 5) -> tuple[str, list[float]]:
    waits: list[float] = []
    retries = Retries(sleep=waits.append, random_source=HighestDraw(), attempts=attempts)
    return retries.call(script), waits


def test_call_when_it_works_is_made_once_without_a_wait() -> None:
    script = Script()
    assert run(script) == ("done", [])
    assert script.calls == 1


def test_call_when_errors_pass_waits_twice_as_long_each_time() -> None:
    script = Script(TransientError("a"), OutcomeUnknownError("b"), TransientError("c"), TransientError("d"))
    assert run(script) == ("done", [0.5, 1.0, 2.0, 4.0])
    assert script.calls == 5


def test_call_when_errors_stay_raises_the_last_after_all_attempts() -> None:
    last = OutcomeUnknownError("last")
    script = Script(TransientError("a"), TransientError("b"), last)
    with pytest.raises(OutcomeUnknownError) as caught:
        run(script, attempts=3)
    assert caught.value is last
    assert script.calls == 3


@pytest.mark.parametrize(
    "error",
    [
        AccessLostError("x"),
        ConfigurationError("x"),
        ConflictError("x"),
        CpqbridgeError("x"),
        InvariantError("x"),
        RecordError("x"),
        ValueError("x"),
    ],
)
def test_call_when_the_error_does_not_pass_is_not_repeated(error: Exception) -> None:
    script = Script(error)
    with pytest.raises(type(error)):
        run(script)
    assert script.calls == 1


def test_call_when_a_wait_is_asked_for_comes_on_top_of_the_jitter() -> None:
    assert run(Script(TransientError("x", retry_after_seconds=7))) == ("done", [7.5])
    assert run(Script(TransientError("x", retry_after_seconds=-3))) == ("done", [0.5])


def test_call_when_the_wait_asked_for_is_long_gives_the_work_back() -> None:
    script = Script(TransientError("x", retry_after_seconds=LONGEST_WAIT_SECONDS + 1))
    with pytest.raises(TransientError):
        run(script)
    assert script.calls == 1


def test_call_when_many_attempts_waits_at_most_the_ceiling() -> None:
    _, waits = run(Script(*[TransientError("x")] * 9), attempts=10)
    assert max(waits) == LONGEST_WAIT_SECONDS


def test_call_when_jitter_is_drawn_stays_between_nothing_and_the_ceiling() -> None:
    waits: list[float] = []
    retries = Retries(sleep=waits.append, random_source=random.Random(7))
    retries.call(Script(*[TransientError("x")] * 4))
    assert all(0 <= wait <= ceiling for wait, ceiling in zip(waits, [0.5, 1, 2, 4], strict=True))
    assert len(set(waits)) == 4


def test_call_when_no_attempts_are_allowed_says_so() -> None:
    with pytest.raises(ValueError, match="attempts"):
        run(Script(), attempts=0)
