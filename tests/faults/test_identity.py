"""A connection works only with the org, the account and the mode that it was made with."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import delete, update
from tests.faults.two_sides import TwoSides, connect, service, two_sides

from cpqbridge.domain.refusal import OrderState
from cpqbridge.errors import AccessLostError, ConfigurationError
from cpqbridge.store.tables import connections, schema_caches
from cpqbridge.sync.identity import require_same
from cpqbridge.sync.service import SyncService
from cpqbridge.sync.task import Task, root_of


def asked(sides: TwoSides) -> tuple[int, int]:
    """How often the org and the account were asked who they are."""
    orgs = [
        entry
        for entry in sides.org_log.after()
        if "FROM Organization" in str(entry["parameters"].get("q", ""))
    ]
    accounts = [entry for entry in sides.account.log.after() if entry["path"] == "/v1/account"]
    return len(orgs), len(accounts)


def made(home: Path, sides: TwoSides) -> None:
    with service(home) as opened:
        connect(opened, sides)


def stopped_because(opened: SyncService) -> str:
    (connection,) = opened.connections()
    return connection.access_lost or ""


def test_each_process_asks_each_side_once(tmp_path: Path) -> None:
    with two_sides(2) as sides:
        made(tmp_path, sides)
        before = asked(sides)
        with service(tmp_path) as opened:
            for order_id in sides.order_ids:
                assert opened.sync(None, order_id).order.state is OrderState.SYNCED
            opened.apply_configuration(None, opened.configuration(None))
            opened.preview(None, sides.order_id)
        orgs, accounts = asked(sides)
        assert (orgs - before[0], accounts - before[1]) == (1, 1)


def test_the_process_that_connected_need_not_ask_again(tmp_path: Path) -> None:
    with two_sides() as sides, service(tmp_path) as opened:
        connect(opened, sides)
        before = asked(sides)
        opened.sync(None, sides.order_id)
        assert asked(sides) == before


@pytest.mark.parametrize("side", ["org", "account"])
def test_another_side_is_sent_nothing_and_the_connection_stops(tmp_path: Path, side: str) -> None:
    with two_sides() as sides:
        made(tmp_path, sides)
        made_with = {"org_id": "00DOther0000000EAA"} if side == "org" else {"stripe_account_id": "acct_other"}
        writes = sides.stripe_writes()
        with service(tmp_path) as opened:
            with opened.store.write() as transaction:
                transaction.execute(update(connections).values(made_with))
            with pytest.raises(AccessLostError) as caught:
                opened.sync(None, sides.order_id)
            assert caught.value.code == ("wrong_org" if side == "org" else "wrong_account")
            assert next(iter(made_with.values())) in stopped_because(opened)
            assert sides.stripe_writes() == writes
            # Salesforce, where it is the right side, is told why the order waits.
            assert bool(sides.salesforce_writes()) is (side == "account")
            with pytest.raises(ConfigurationError):
                opened.check_connection(None)
            assert stopped_because(opened)


def test_a_run_from_the_queue_that_cannot_even_open_stops_the_connection(tmp_path: Path) -> None:
    with two_sides() as sides:
        made(tmp_path, sides)
        with service(tmp_path) as opened:
            notice = opened.open(None).salesforce.find_order(sides.order_id)
            assert notice is not None
        with service(tmp_path) as opened:
            with opened.store.write() as transaction:
                transaction.execute(update(connections).values(org_id="00DOther0000000EAA"))
                # What is known of its fields is too old, so the org is asked when it is opened.
                transaction.execute(delete(schema_caches))
            result = opened.engine().run_now(
                Task(connection_id=1, notice=notice).as_document(), root_id=root_of(notice)
            )
            assert result["error"]["code"] == "wrong_org"
            assert "00DOther0000000EAA" in stopped_because(opened)


def test_a_worker_reads_nothing_of_another_org(tmp_path: Path) -> None:
    with two_sides() as sides:
        with service(tmp_path) as opened:
            connect(opened, sides, live_sync=True)
        with service(tmp_path) as opened:
            with opened.store.write() as transaction:
                transaction.execute(update(connections).values(org_id="00DOther0000000EAA"))
            before = sides.org_log.count
            opened.start_worker()
            until = time.monotonic() + 20
            while not stopped_because(opened) and time.monotonic() < until:
                time.sleep(0.05)
            opened.stop_worker()
            assert "00DOther0000000EAA" in stopped_because(opened)
            new = sides.org_log.after(before)
            assert {entry["parameters"].get("q") for entry in new} == {"SELECT Id FROM Organization"}
            assert sides.stripe_writes() == []


def test_it_goes_on_when_the_right_side_is_back_and_somebody_checks(tmp_path: Path) -> None:
    with two_sides() as sides:
        made(tmp_path, sides)
        right, sides.account.state.account_id = sides.account.state.account_id, "acct_another"
        with service(tmp_path) as opened:
            with pytest.raises(AccessLostError):
                opened.sync(None, sides.order_id)
            sides.account.state.account_id = right
            assert opened.check_connection(None).access_lost is None
            assert opened.sync(None, sides.order_id).order.state is OrderState.SYNCED


def test_a_key_of_the_other_mode_is_not_used(tmp_path: Path) -> None:
    with two_sides() as sides:
        made(tmp_path, sides)
        with service(tmp_path) as opened:
            with opened.store.write() as transaction:
                transaction.execute(update(connections).values(live_mode=True))
            before = sides.account.log.count
            with pytest.raises(AccessLostError) as caught:
                opened.sync(None, sides.order_id)
            assert caught.value.code == "wrong_mode"
            assert sides.account.log.count == before
            assert "test mode" in stopped_because(opened)


def test_a_refreshed_sandbox_is_explained(tmp_path: Path) -> None:
    with two_sides() as sides, service(tmp_path) as opened:
        connect(opened, sides)
        facts = replace(
            opened.connections()[0].facts, salesforce_url="https://acme--uat.sandbox.my.salesforce.com"
        )
        with pytest.raises(ConfigurationError, match="refreshed") as caught:
            require_same(facts, replace(facts, org_id="00DOther0000000EAA"))
        assert caught.value.code == "wrong_org"
