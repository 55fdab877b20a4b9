"""The org's calls: who may use how much, and when waiting work looks again."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from decimal import Decimal
from pathlib import Path

import pytest
from tests.unit.sync.test_try_book import AT, FACTS

from cpqbridge.clock import SettableClock
from cpqbridge.domain.calls import ApiUsage
from cpqbridge.errors import TransientError
from cpqbridge.store import api_usage, connections
from cpqbridge.store.connections import ConnectionSecrets
from cpqbridge.store.database import Store, open_store
from cpqbridge.sync.allowance import OrgAllowance, Purpose, calling_for, going_on


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    opened = open_store(tmp_path, synchronous="OFF")
    secrets = ConnectionSecrets(salesforce_token="t", stripe_key="k")
    with opened.write() as transaction:
        connections.add(opened, transaction, name="test", facts=FACTS, secrets=secrets, at=AT)
    yield opened
    opened.close()


def allowance(store: Store, clock: SettableClock, share: str = "0.6") -> OrgAllowance:
    return OrgAllowance(store, connection_id=1, share=Decimal(share), clock=clock)


def lets_through(one: OrgAllowance, purpose: Purpose) -> bool:
    with calling_for(purpose):
        try:
            one.require()
        except TransientError as error:
            if error.code == "api_share_used" and 0 < (error.retry_after_seconds or 0) <= 300:
                return False
            raise
    return True


def test_before_the_first_answer_everything_goes_through(store: Store) -> None:
    one = allowance(store, SettableClock(AT))
    assert all(lets_through(one, purpose) for purpose in Purpose)


@pytest.mark.parametrize(
    ("used", "expected"),
    [
        (599, {Purpose.PERSON, Purpose.WORK, Purpose.BACKGROUND}),
        (600, {Purpose.PERSON, Purpose.WORK}),
        (949, {Purpose.PERSON, Purpose.WORK}),
        (950, {Purpose.PERSON}),
        (1200, {Purpose.PERSON}),
    ],
)
def test_each_purpose_has_its_share(store: Store, used: int, expected: set[Purpose]) -> None:
    clock = SettableClock(AT)
    allowance(store, clock).note(ApiUsage(used=used, allowed=1000))
    # Another process knows it too.
    other = allowance(store, clock)
    assert {purpose for purpose in Purpose if lets_through(other, purpose)} == expected


def test_one_call_every_five_minutes_looks_again(store: Store) -> None:
    clock = SettableClock(AT)
    one = allowance(store, clock)
    one.note(ApiUsage(used=700, allowed=1000))
    assert not lets_through(one, Purpose.BACKGROUND)
    for minutes in (5, 10):
        clock.set(AT + timedelta(minutes=minutes))
        assert [lets_through(one, Purpose.BACKGROUND) for _ in range(3)] == [True, False, False]
    clock.set(AT + timedelta(minutes=15))
    assert lets_through(one, Purpose.BACKGROUND)
    one.note(ApiUsage(used=400, allowed=1000))
    assert all(lets_through(one, Purpose.BACKGROUND) for _ in range(3))


def test_usage_is_stored_only_when_it_moved(store: Store) -> None:
    clock = SettableClock(AT)
    one = allowance(store, clock)

    def stored() -> int:
        with store.read() as transaction:
            known = api_usage.find(transaction, connection_id=1)
        assert known is not None
        return known.used

    one.note(ApiUsage(used=100, allowed=10_000))
    one.note(ApiUsage(used=149, allowed=10_000))
    assert stored() == 100
    one.note(ApiUsage(used=150, allowed=10_000))
    assert stored() == 150
    clock.set(AT + timedelta(minutes=5))
    one.note(ApiUsage(used=151, allowed=10_000))
    assert stored() == 151


def test_a_share_that_is_reached_is_stored_at_once(store: Store) -> None:
    one = allowance(store, SettableClock(AT))
    one.note(ApiUsage(used=5999, allowed=10_000))
    assert lets_through(one, Purpose.BACKGROUND)
    one.note(ApiUsage(used=6000, allowed=10_000))
    assert not lets_through(one, Purpose.BACKGROUND)


def test_begun_work_of_the_background_uses_the_reserve_and_a_persons_stays_a_persons(store: Store) -> None:
    one = allowance(store, SettableClock(AT))
    one.note(ApiUsage(used=700, allowed=1000))
    with calling_for(Purpose.BACKGROUND), going_on():
        one.require()
    one.note(ApiUsage(used=1000, allowed=1000))
    with calling_for(Purpose.PERSON), going_on():
        one.require()
    with calling_for(Purpose.BACKGROUND), going_on(), pytest.raises(TransientError):
        one.require()
