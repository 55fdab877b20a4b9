"""Lists of orders: searched, filtered, sorted, paged, exported, and filled by plans."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from alembic import command
from alembic.config import Config
from sqlalchemy import text, update
from tests.unit.store.test_rows import NOW, add, standing
from tests.unit.web.a_plan import NEW, a_plan, a_proof

import cpqbridge.store
from cpqbridge.domain.ids import salesforce_id
from cpqbridge.domain.refusal import OrderState
from cpqbridge.store import order_lists, pauses, plans
from cpqbridge.store.database import DATABASE_FILE, Store, open_store
from cpqbridge.store.engine import WRITE_OPTION, open_engine, sqlite_url
from cpqbridge.store.order_lists import OrderSearch, OrderSort
from cpqbridge.store.pauses import EVERYTHING, Pause
from cpqbridge.store.tables import order_states
from cpqbridge.store.views import OrderViews

IDS = tuple(salesforce_id(f"80100000000000{number}") for number in range(4))
NUMBERS = ("00000101", "00000102", "00000103", "00000204")
ACCOUNTS = ("Baden Trading", "acme 100% Ltd", "Chandler", "Baden Trading")
STATES = (OrderState.SYNCED, OrderState.HELD, OrderState.QUEUED, OrderState.SYNCED)
CONTRACT = salesforce_id("800000000000007")


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    opened = open_store(tmp_path)
    yield opened
    opened.close()


@pytest.fixture
def views(store: Store) -> OrderViews:
    connection_id = add(store, "one").connection_id
    with store.write() as transaction:
        for place, (order_id, number, account) in enumerate(zip(IDS, NUMBERS, ACCOUNTS, strict=True)):
            each = standing(
                order_id,
                order_number=number,
                state=STATES[place],
                contract_key=CONTRACT if place == 2 else "800",
                updated_at=NOW - timedelta(days=place),
            )
            plans.save_standing(transaction, connection_id=connection_id, standing=each)
            transaction.execute(
                update(order_states).where(order_states.c.order_id == order_id).values(account_name=account)
            )
    return OrderViews(store)


def numbers(views: OrderViews, **wanted: object) -> list[str]:
    return [row.order_number for row in views.search(OrderSearch(**wanted)).rows]


@pytest.mark.parametrize(
    ("wanted", "found"),
    [
        ("", NUMBERS),
        ("0000010", NUMBERS[:3]),
        ("204", NUMBERS[3:]),
        ("baden", (NUMBERS[0], NUMBERS[3])),
        ("  BADEN ", (NUMBERS[0], NUMBERS[3])),
        ("100%", NUMBERS[1:2]),
        ("1_0", ()),
        (IDS[1], NUMBERS[1:2]),
        (IDS[1][:15], NUMBERS[1:2]),
        (CONTRACT, NUMBERS[2:3]),
        ("nobody", ()),
        ("' OR 1=1 --", ()),
    ],
)
def test_orders_are_found_by_number_id_account_and_contract(
    views: OrderViews, wanted: str, found: tuple[str, ...]
) -> None:
    assert numbers(views, text=wanted) == list(found)


@pytest.mark.parametrize(
    ("sort", "places"),
    [
        (OrderSort.NUMBER, (0, 1, 2, 3)),
        (OrderSort.ACCOUNT, (0, 3, 2, 1)),
        (OrderSort.STATE, (1, 2, 0, 3)),
        (OrderSort.CHANGED, (3, 2, 1, 0)),
    ],
)
def test_orders_are_sorted_both_ways(views: OrderViews, sort: OrderSort, places: tuple[int, ...]) -> None:
    expected = [NUMBERS[place] for place in places]
    assert numbers(views, sort=sort) == expected
    assert numbers(views, sort=sort, is_descending=True) == expected[::-1]


def test_states_filter_the_rows_and_are_counted_for_the_whole_search(views: OrderViews) -> None:
    found = views.search(OrderSearch(states=frozenset({OrderState.SYNCED}), limit=1, offset=1))
    assert [row.order_number for row in found.rows] == ["00000204"]
    assert found.total == 2
    assert found.by_state == {OrderState.SYNCED: 2, OrderState.HELD: 1, OrderState.QUEUED: 1}
    beyond = views.search(OrderSearch(text="baden", offset=50))
    assert (beyond.rows, beyond.total, beyond.by_state) == ((), 2, {OrderState.SYNCED: 2})


def test_orders_of_another_connection_are_left_out(views: OrderViews, store: Store) -> None:
    other = add(store, "two", org_id="00D000000000002AAA").connection_id
    assert numbers(views, connection_id=other) == []
    assert len(numbers(views, connection_id=other - 1)) == 4


def test_everything_found_is_read_in_one_go_and_what_waits_in_a_pause_says_so(
    views: OrderViews, store: Store
) -> None:
    with store.write() as transaction:
        pauses.put(transaction, Pause(scope=EVERYTHING, reason="month end", paused_at=NOW))
    rows = list(views.every(OrderSearch(limit=1, sort=OrderSort.CHANGED)))
    assert [row.order_number for row in rows] == list(NUMBERS[::-1])
    assert [bool("month end" in row.message) for row in rows] == [False, True, False, False]


def test_a_plan_fills_what_lists_show_and_writes_nothing_twice(store: Store) -> None:
    connection_id = add(store, "one").connection_id
    plan = replace(a_plan(), account_name="Baden " + "x" * 300)
    with store.write() as transaction:
        for outcome in plan.outcomes:
            each = standing(outcome.order_id, root_id=plan.root_id)
            plans.save_standing(transaction, connection_id=connection_id, standing=each)
        order_lists.keep_plan(transaction, connection_id=connection_id, plan=plan)
        assert not order_lists.news(transaction, connection_id=connection_id, plan=plan)
    row = next(each for each in OrderViews(store).search(OrderSearch()).rows if each.order_id == NEW)
    sold = sum(proof.sold_minor for proof in plan.proof if proof.order_id == NEW)
    assert (row.currency, row.sold_minor, row.billed_minor, row.is_mismatch) == ("usd", sold, sold, False)
    assert row.account_name == ("Baden " + "x" * 300)[:255]


def test_amounts_that_no_database_holds_are_left_out(store: Store) -> None:
    connection_id = add(store, "one").connection_id
    plan = a_plan(proof=(a_proof("802A", NEW, 10**30), a_proof("802B", NEW, 1)))
    with store.write() as transaction:
        plans.save_standing(
            transaction, connection_id=connection_id, standing=standing(NEW, root_id=plan.root_id)
        )
        order_lists.keep_plan(transaction, connection_id=connection_id, plan=plan)
    (row,) = OrderViews(store).search(OrderSearch()).rows
    assert (row.currency, row.sold_minor, row.billed_minor) == ("usd", None, None)


def test_a_home_of_an_earlier_release_shows_its_orders_at_once(tmp_path: Path) -> None:
    tmp_path.mkdir(exist_ok=True)
    engine = open_engine(sqlite_url(tmp_path / DATABASE_FILE), synchronous="OFF")
    with engine.execution_options(**{WRITE_OPTION: True}).begin() as connection:
        config = Config()
        folder = Path(cpqbridge.store.__file__).parent / "migrations"
        config.set_main_option("script_location", str(folder))
        config.attributes["connection"] = connection
        command.upgrade(config, "0002")
        connection.execute(text(_CONNECTION))
        plan = replace(a_plan(), account_name="Baden Trading")
        plan_id = plans.save_plan(connection, connection_id=1, plan=plan, at=NOW)
        for order_id, used in ((NEW, plan_id), ("801NEVER", None)):
            connection.execute(text(_ORDER), {"order_id": order_id, "plan_id": used})
    engine.dispose()
    store = open_store(tmp_path)
    never, new = sorted(OrderViews(store).search(OrderSearch()).rows, key=lambda each: each.account_name)
    store.close()
    assert (never.account_name, never.currency, never.sold_minor) == ("", "", None)
    sold = sum(proof.sold_minor for proof in plan.proof if proof.order_id == NEW)
    assert (new.account_name, new.currency, new.sold_minor, new.billed_minor, new.is_mismatch) == (
        "Baden Trading",
        "usd",
        sold,
        sold,
        False,
    )


_CONNECTION = """
INSERT INTO connections (connection_id, name, org_id, org_name, time_zone, multi_currency, salesforce_url,
    salesforce_token, stripe_account_id, stripe_account_name, stripe_key, live_mode, simulated, created_at,
    checked_at)
VALUES (1, 'one', '00D', 'Org', 'UTC', 0, 'u', 't', 'acct', 'A', 'k', 0, 1,
    '2026-02-01T12:00:00.000000+00:00', '2026-02-01T12:00:00.000000+00:00')
"""
_ORDER = """
INSERT INTO order_states (connection_id, order_id, order_number, root_id, contract_key, state, code, message,
    fix, record_id, field, retryable, plan_id, modified_at, updated_at)
VALUES (1, :order_id, '101', 'a0q', '800', 'synced', '', '', '', '', '', 0, :plan_id, '',
    '2026-02-01T12:00:00.000000+00:00')
"""
