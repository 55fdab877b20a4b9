"""At most eight tries again of a step an hour, over runs and processes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from cpqbridge.clock import SettableClock
from cpqbridge.errors import OutcomeUnknownError, RecordError, TransientError
from cpqbridge.store import connections
from cpqbridge.store.connections import ConnectionFacts, ConnectionSecrets
from cpqbridge.store.database import Store, open_store
from cpqbridge.sync.retry import Retries
from cpqbridge.sync.try_book import SENDS_AN_HOUR, TryBook

AT = datetime(2026, 11, 21, 12, tzinfo=UTC)
FACTS = ConnectionFacts(
    org_id="00D000000000001AAA",
    org_name="Org",
    time_zone="UTC",
    multi_currency=False,
    salesforce_url="http://127.0.0.1:1",
    stripe_account_id="acct_1",
    stripe_account_name="Account",
    stripe_api_base="http://127.0.0.1:2",
    live_mode=False,
    simulated=True,
)


class Failing:
    """Fails for as long as it is told to; counts its calls."""

    def __init__(self, error: Exception | None) -> None:
        self.error = error
        self.calls = 0

    def __call__(self) -> str:
        self.calls += 1
        if self.error is not None:
            raise self.error
        return "done"


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    opened = open_store(tmp_path, synchronous="OFF")
    with opened.write() as transaction:
        connections.add(
            opened,
            transaction,
            name="test",
            facts=FACTS,
            secrets=ConnectionSecrets(salesforce_token="t", stripe_key="k"),
            at=AT,
        )
    yield opened
    opened.close()


def run(retries: Retries, call: Callable[[], object], step: str = "step") -> str:
    """Return the code of the error that the call ended with, empty when it went well."""
    try:
        retries.call(call, step=step)
    except (TransientError, OutcomeUnknownError, RecordError) as error:
        return error.code
    return ""


def retries_of(store: Store, clock: SettableClock) -> Retries:
    book = TryBook(store, connection_id=1, clock=clock)
    return Retries(sleep=lambda _seconds: None, book=book)


def test_a_call_that_keeps_failing_is_sent_nine_times_an_hour_at_most(store: Store) -> None:
    clock = SettableClock(AT)
    call = Failing(TransientError("busy", code="busy"))
    ended = []
    for minute in range(60):
        clock.set(AT + timedelta(minutes=minute))
        # Each turn is another process: nothing is remembered but in the store.
        ended.append(run(retries_of(store, clock), call))
    assert call.calls == SENDS_AN_HOUR
    assert ended[:5] == ["busy"] * 5
    assert set(ended[5:]) == {"too_many_tries"}


def test_the_first_run_tries_five_times_and_each_later_one_once(store: Store) -> None:
    clock = SettableClock(AT)
    call = Failing(OutcomeUnknownError("lost"))
    counts = []
    for _ in range(3):
        run(retries_of(store, clock), call)
        counts.append(call.calls)
    assert counts == [5, 6, 7]


def test_too_many_tries_say_until_when(store: Store) -> None:
    clock = SettableClock(AT)
    call = Failing(TransientError("busy"))
    for _ in range(5):
        run(retries_of(store, clock), call)
    clock.set(AT + timedelta(minutes=20))
    with pytest.raises(TransientError) as caught:
        retries_of(store, clock).call(call, step="step")
    assert (caught.value.code, caught.value.retry_after_seconds) == ("too_many_tries", 2400)
    assert "13:00" in caught.value.fix
    clock.set(AT + timedelta(minutes=60))
    assert run(retries_of(store, clock), call) != "too_many_tries"


@pytest.mark.parametrize("answer", [None, RecordError("refused", code="refused")])
def test_a_call_that_is_answered_begins_anew(store: Store, answer: Exception | None) -> None:
    clock = SettableClock(AT)
    call = Failing(TransientError("busy"))
    for _ in range(4):
        run(retries_of(store, clock), call)
    call.error = answer
    run(retries_of(store, clock), call)
    call.error, call.calls = TransientError("busy"), 0
    run(retries_of(store, clock), call)
    assert call.calls == 5


def test_other_steps_are_not_held_up(store: Store) -> None:
    clock = SettableClock(AT)
    for _ in range(6):
        run(retries_of(store, clock), Failing(TransientError("busy")))
    other = Failing(None)
    assert run(retries_of(store, clock), other, step="other") == ""


def test_what_was_not_sent_is_not_counted(store: Store) -> None:
    clock = SettableClock(AT)
    waits = Failing(TransientError("waits", code="api_share_used", retry_after_seconds=300))
    for _ in range(12):
        assert run(retries_of(store, clock), waits) == "api_share_used"
    assert waits.calls == 12
    call = Failing(TransientError("busy"))
    run(retries_of(store, clock), call)
    assert call.calls == 5


def test_the_table_forgets_what_is_over(store: Store) -> None:
    clock = SettableClock(AT)
    for number in range(3):
        clock.set(AT + timedelta(hours=2 * number))
        run(retries_of(store, clock), Failing(TransientError("busy")), step=f"step {number}")
    with store.read() as transaction:
        rows = transaction.exec_driver_sql("SELECT step FROM tries").scalars().all()
    assert rows == ["step 2"]
