"""What finding orders keeps: notices and new tries, watched records, and how the last poll went."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from cpqbridge.domain.refusal import OrderState
from cpqbridge.errors import ConfigurationError, TransientError
from cpqbridge.mapping.raw import GONE, WatchedGroup
from cpqbridge.store import connections, noticed, plans, polls, watches
from cpqbridge.store.connections import ConnectionFacts, ConnectionSecrets
from cpqbridge.store.database import Store, open_store
from cpqbridge.store.noticed import PATIENCE, NoticedOrder, Tries
from cpqbridge.store.plans import OrderStanding

NOW = datetime(2026, 11, 20, 9, tzinfo=UTC)
FACTS = ConnectionFacts(
    org_id="00D000000000001AAA",
    org_name="Org",
    time_zone="UTC",
    multi_currency=False,
    salesforce_url="https://acme.my.salesforce.com",
    stripe_account_id="acct_1",
    stripe_account_name="Account",
    stripe_api_base=None,
    live_mode=False,
    simulated=False,
)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    opened = open_store(tmp_path, synchronous="OFF")
    secrets = ConnectionSecrets(salesforce_token="t", stripe_key="sk_test_1")
    with opened.write() as transaction:
        connections.add(opened, transaction, name="one", facts=FACTS, secrets=secrets, at=NOW)
    yield opened
    opened.close()


def stamp(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%S.000+0000")


def an_order(order_id: str = "801A", *, saved_at: datetime | None = NOW) -> NoticedOrder:
    return NoticedOrder(
        order_id=order_id,
        order_number="100",
        root_id="Q1",
        contract_key="800",
        stamp=stamp(saved_at) if saved_at else "",
    )


def note(store: Store, *orders: NoticedOrder, at: datetime = NOW) -> None:
    with store.write() as transaction:
        noticed.note(transaction, connection_id=1, orders=orders, at=at)


def standing_of(store: Store, order_id: str = "801A") -> OrderStanding:
    with store.read() as transaction:
        (found,) = plans.standings(transaction, connection_id=1, order_id=order_id)
    return found


def tries_of(store: Store, order_id: str = "801A") -> Tries:
    with store.read() as transaction:
        return noticed.of_contract(transaction, connection_id=1, root_id="Q1")[order_id]


def due_at(store: Store, at: datetime) -> list[str]:
    with store.read() as transaction:
        return [each.order_id for each in noticed.due(transaction, connection_id=1, at=at, limit=10)]


def test_a_new_order_is_queued_and_due_again_when_nobody_took_it(store: Store) -> None:
    note(store, an_order())
    assert standing_of(store).state is OrderState.QUEUED
    assert due_at(store, NOW + PATIENCE - timedelta(seconds=1)) == []
    assert due_at(store, NOW + PATIENCE) == ["801A"]


def test_a_notice_of_a_known_order_leaves_its_state_alone(store: Store) -> None:
    note(store, an_order())
    with store.write() as transaction:
        known = standing_of(store)
        synced = type(known)(
            **{name: getattr(known, name) for name in known.__slots__} | {"state": OrderState.SYNCED}
        )
        plans.save_standing(transaction, connection_id=1, standing=synced)
        noticed.save(transaction, connection_id=1, tries={"801A": Tries()})
    note(store, an_order(saved_at=NOW + timedelta(hours=1)), at=NOW + timedelta(hours=1))
    assert standing_of(store) == synced
    assert tries_of(store).next_try_at == NOW + timedelta(hours=1) + PATIENCE


@pytest.mark.parametrize(
    ("saved_at", "attempts"),
    [
        (None, 3),
        (NOW, 3),
        (NOW + timedelta(seconds=90), 3),
        (NOW + timedelta(minutes=3), 0),
    ],
)
def test_tries_count_from_the_last_change_that_was_not_our_own(
    store: Store, saved_at: datetime | None, attempts: int
) -> None:
    note(store, an_order())
    with store.write() as transaction:
        noticed.save(transaction, connection_id=1, tries={"801A": Tries(attempts=3, next_try_at=NOW)})
    note(store, an_order(saved_at=saved_at))
    assert tries_of(store).attempts == attempts


def test_waits_grow_to_an_hour_for_a_day_and_then_are_six_hours() -> None:
    tried, waits = Tries(), []
    for _ in range(29):
        tried = tried.after_failure(at=NOW)
        assert tried.next_try_at is not None
        waits.append((tried.next_try_at - NOW) / timedelta(minutes=1))
    assert waits[:6] == [2, 5, 15, 30, 60, 60]
    assert timedelta(hours=23) < sum(waits[:27]) * timedelta(minutes=1) < timedelta(hours=25)
    assert waits[27:] == [360, 360]


def test_a_wait_that_was_asked_for_comes_first_where_it_is_longer() -> None:
    asked = timedelta(minutes=10)
    assert Tries().after_failure(at=NOW, wait_at_least=asked).next_try_at == NOW + asked
    assert Tries(attempts=3).after_failure(at=NOW, wait_at_least=asked).next_try_at == (
        NOW + timedelta(minutes=30)
    )


def test_a_queued_order_that_nobody_noticed_is_due_after_a_while(store: Store) -> None:
    note(store, an_order())
    with store.write() as transaction:
        noticed.save(transaction, connection_id=1, tries={"801A": Tries()})
    assert due_at(store, NOW + PATIENCE - timedelta(seconds=1)) == []
    assert due_at(store, NOW + PATIENCE) == ["801A"]
    with store.read() as transaction:
        assert [each.order_id for each in noticed.queued(transaction, connection_id=1)] == ["801A"]


def test_known_orders_are_found_also_when_there_are_many(store: Store) -> None:
    orders = [an_order(f"801{number:04}") for number in range(1100)]
    note(store, *orders)
    with store.read() as transaction:
        found = noticed.known(
            transaction, connection_id=1, order_ids=[*(each.order_id for each in orders), "unknown"]
        )
        assert noticed.roots_in_states(
            transaction, connection_id=1, states=[OrderState.QUEUED, OrderState.HELD]
        ) == ("Q1",)
    assert len(found) == 1100
    assert stamp(NOW) in found["8010007"].stamps


def watch(store: Store, root_id: str, baseline: str, **records: set[str]) -> None:
    with store.write() as transaction:
        watches.replace(transaction, connection_id=1, root_id=root_id, records=records, stamp=baseline)


def news(store: Store, **stamps: str) -> tuple[str, ...]:
    with store.write() as transaction:
        found = watches.contracts_with_news(transaction, connection_id=1, stamps=stamps)
        watches.keep_stamps(transaction, connection_id=1, root_ids=found, stamps=stamps)
    return found


def test_a_watched_record_is_news_once_for_each_time_it_changes_or_goes(store: Store) -> None:
    before, later = stamp(NOW - timedelta(hours=1)), stamp(NOW + timedelta(hours=1))
    watch(store, "Q1", stamp(NOW), Account={"001A"}, Product2={"01tA"})
    watch(store, "Q2", stamp(NOW), Account={"001A"})
    assert news(store, **{"001A": before, "01tA": stamp(NOW)}) == ()
    assert news(store, **{"001A": later}) == ("Q1", "Q2")
    assert news(store, **{"001A": later}) == ()
    assert news(store, **{"01tA": GONE}) == ("Q1",)
    assert news(store, **{"01tA": GONE}) == ()
    assert news(store, **{"01tA": before}) == ("Q1",), "it was restored"


def test_watches_that_go_on_keep_what_was_looked_at(store: Store) -> None:
    later = stamp(NOW + timedelta(hours=1))
    watch(store, "Q1", stamp(NOW), Account={"001A"}, Contact={"003A"})
    assert news(store, **{"001A": later}) == ("Q1",)
    watch(store, "Q1", stamp(NOW), Account={"001A"}, Product2={"01tA"})
    assert news(store, **{"001A": later}) == ()
    with store.read() as transaction:
        assert watches.of_contract(transaction, connection_id=1, root_id="Q1") == {
            "Account": {"001A"},
            "Product2": {"01tA"},
        }
    watch(store, "Q1", stamp(NOW))
    with store.read() as transaction:
        assert watches.groups(transaction, connection_id=1, size=500) == ()


def test_watched_records_come_in_groups_of_one_object_each_record_once(store: Store) -> None:
    watch(store, "Q1", "", Account={"001A", "001B", "001C"}, Product2={"01tA"})
    watch(store, "Q2", "", Account={"001A"})
    with store.read() as transaction:
        assert watches.groups(transaction, connection_id=1, size=2) == (
            WatchedGroup(object_name="Account", record_ids=("001A", "001B")),
            WatchedGroup(object_name="Account", record_ids=("001C",)),
            WatchedGroup(object_name="Product2", record_ids=("01tA",)),
        )


def test_a_failed_poll_keeps_when_the_last_good_one_was(store: Store) -> None:
    with store.write() as transaction:
        assert polls.find(transaction, connection_id=1) is None
        polls.keep_failed(transaction, connection_id=1, error=TransientError("no", code="first"), at=NOW)
        first = polls.find(transaction, connection_id=1)
        polls.keep_good(transaction, connection_id=1, configuration="c", at=NOW)
        error = ConfigurationError("text", code="filter_refused", fix="do")
        polls.keep_failed(transaction, connection_id=1, error=error, at=NOW + timedelta(minutes=1))
        found = polls.find(transaction, connection_id=1)
    assert first is not None
    assert (first.code, first.succeeded_at) == ("first", None)
    assert found is not None
    assert (found.code, found.message, found.fix) == ("filter_refused", "text", "do")
    assert (found.succeeded_at, found.configuration) == (NOW, "c")
    assert not found.is_good
