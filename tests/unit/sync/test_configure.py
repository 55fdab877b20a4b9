"""Versions of a configuration: every save makes one, none is overwritten unseen, and any can come back."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from alembic import command
from alembic.config import Config
from sqlalchemy import create_engine, text
from tests.a_connection import FACTS

from cpqbridge.clock import SettableClock
from cpqbridge.errors import ConfigurationError
from cpqbridge.mapping.configuration import default_configuration, parse_configuration
from cpqbridge.store import audit, configuration_versions, connections, upgrade
from cpqbridge.store.connections import ConnectionSecrets
from cpqbridge.store.database import DATABASE_FILE, Store, open_store
from cpqbridge.sync.acting import acting_as
from cpqbridge.sync.configure import Configure, save_version
from cpqbridge.sync.service import ServiceOptions, SyncService

NOW = datetime(2026, 2, 1, 12, tzinfo=UTC)
FIRST = replace(default_configuration(), currency="usd")


@pytest.fixture
def clock() -> SettableClock:
    return SettableClock(NOW)


@pytest.fixture
def store(tmp_path: Path):
    opened = open_store(tmp_path)
    yield opened
    opened.close()


@pytest.fixture
def configure(store: Store, clock: SettableClock):
    service = SyncService(store, ServiceOptions(clock=clock))
    with store.write() as transaction:
        connection = connections.add(
            store,
            transaction,
            name="one",
            facts=FACTS,
            secrets=ConnectionSecrets(salesforce_token="token", stripe_key="sk_test_x"),
            at=NOW,
        )
        save_version(transaction, connection, FIRST, at=NOW)
    yield Configure(service)
    service.close()


def capped(cancels_per_hour: int = 20, **caps: object):
    return parse_configuration({"currency": "usd", "caps": {"cancels_per_hour": cancels_per_hour, **caps}})


def test_a_save_is_a_version_with_author_time_and_reason(
    configure: Configure, clock: SettableClock, store: Store
) -> None:
    clock.set(NOW + timedelta(hours=1))
    with acting_as("ana"):
        made = configure.save("one", capped(5), based_on=1, reason=" fewer is safer ")
    newest, first = configure.versions("one")
    assert (made, newest.version, newest.actor, newest.reason) == (2, 2, "ana", "fewer is safer")
    assert newest.created_at == NOW + timedelta(hours=1)
    assert (newest.is_newest, first.is_newest) == (True, False)
    (change,) = newest.changes
    assert (change.path, change.before, change.after) == (
        "caps.cancels_per_hour",
        20,
        5,
    )
    with store.read() as transaction:
        (entry,) = audit.latest(transaction, connection_id=1, limit=5)
    assert (entry.action, entry.actor, entry.detail["version"]) == ("configuration_applied", "ana", 2)
    assert entry.before == {"caps.cancels_per_hour": 20}
    assert entry.after == {"caps.cancels_per_hour": 5}


def test_a_save_that_changes_nothing_makes_no_version(configure: Configure) -> None:
    assert configure.save("one", FIRST, based_on=1) == 1
    assert [each.version for each in configure.versions("one")] == [1]


def test_a_save_on_top_of_an_old_version_is_refused_and_says_who_changed_what(configure: Configure) -> None:
    with acting_as("ana"):
        configure.save("one", capped(7), based_on=1)
    with pytest.raises(ConfigurationError) as caught:
        configure.save("one", capped(bill_per_order=9), based_on=1)
    assert caught.value.code == "configuration_changed_meanwhile"
    assert "ana changed caps.cancels_per_hour meanwhile" in caught.value.message
    assert configure.current("one").version == 2
    assert configure.save("one", capped(bill_per_order=9), based_on=2) == 3


def test_without_a_base_a_save_always_counts(configure: Configure) -> None:
    configure.save(None, capped(7), based_on=1)
    assert configure.save(None, FIRST) == 3
    assert configure.current(None).configuration == FIRST


def test_a_long_list_of_versions_is_read_in_parts(configure: Configure) -> None:
    for limit in (1, 2, 3):
        configure.save("one", capped(limit))
    assert [each.version for each in configure.versions("one", limit=2)] == [4, 3]
    third, second = configure.versions("one", up_to=3, limit=2)
    assert (third.version, third.is_newest) == (3, False)
    assert [(change.before, change.after) for change in second.changes] == [(20, 1)]


def test_an_old_version_comes_back_as_a_new_one(configure: Configure) -> None:
    configure.save("one", capped(7), based_on=1)
    assert configure.restore("one", 1, based_on=2) == 3
    assert configure.current("one").configuration == FIRST
    assert configure.versions("one")[0].reason == "Version 1 was put back in force."
    assert configure.difference("one", 1, 3) == ()
    (change,) = configure.difference("one", 2, 3)
    assert change.path == "caps.cancels_per_hour"


def test_a_version_that_never_was_is_refused(configure: Configure) -> None:
    for call in (lambda: configure.version("one", 9), lambda: configure.restore("one", 9)):
        with pytest.raises(ConfigurationError) as caught:
            call()
        assert caught.value.code == "configuration_version_unknown"


def test_a_connection_without_versions_gets_its_first_one(configure: Configure, store: Store) -> None:
    with store.write() as transaction:
        transaction.execute(text("DELETE FROM configuration_versions"))
    assert configure.current("one").version == 0
    assert configure.versions("one") == ()
    assert configure.save("one", capped(7), based_on=0) == 1


def test_the_upgrade_keeps_what_was_in_force_as_the_first_version(tmp_path: Path) -> None:
    engine = create_engine(f"sqlite:///{tmp_path / DATABASE_FILE}")
    config = Config()
    config.set_main_option("script_location", str(Path(upgrade.__file__).parent / "migrations"))
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "0002")
        connection.execute(
            text(
                "INSERT INTO connections (connection_id, name, org_id, org_name, time_zone, multi_currency, "
                "salesforce_url, stripe_account_id, stripe_account_name, live_mode, simulated, "
                "salesforce_token, stripe_key, created_at, checked_at) VALUES "
                "(7, 'old', 'o', 'o', 'UTC', 0, 'u', 'a', 'a', 0, 1, 't', 'k', :at, :at)"
            ),
            {"at": NOW.isoformat(timespec="microseconds")},
        )
        connection.execute(
            text("INSERT INTO configurations VALUES (7, :document, :at)"),
            {"document": '{"currency":"eur"}', "at": NOW.isoformat(timespec="microseconds")},
        )
    engine.dispose()
    store = open_store(tmp_path)
    try:
        with store.read() as transaction:
            found = configuration_versions.get(transaction, connection_id=7, version=1)
    finally:
        store.close()
    assert (found.document, found.created_at) == ({"currency": "eur"}, NOW)
