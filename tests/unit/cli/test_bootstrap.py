"""CPQBRIDGE_NOW is for simulated connections only."""

from datetime import UTC, datetime

import pytest

from cpqbridge.bootstrap import open_service
from cpqbridge.errors import ConfigurationError
from cpqbridge.settings import Settings
from cpqbridge.store import connections
from cpqbridge.store.connections import ConnectionFacts, ConnectionSecrets
from cpqbridge.store.database import open_store

NOW = datetime(2026, 11, 20, tzinfo=UTC)


def keep_connection(home, *, simulated):
    facts = ConnectionFacts(
        org_id="00DQy000004TeStMAK",
        org_name="Larkfield",
        time_zone="UTC",
        multi_currency=False,
        salesforce_url="https://larkfield.my.salesforce.com",
        stripe_account_id="acct_1",
        stripe_account_name="Larkfield",
        stripe_api_base=None,
        live_mode=False,
        simulated=simulated,
    )
    store = open_store(home)
    with store.write() as transaction:
        connections.add(
            store,
            transaction,
            name="box",
            facts=facts,
            secrets=ConnectionSecrets(salesforce_token="t", stripe_key="sk_test_1"),
            at=NOW,
        )
    store.close()


def test_now_is_refused_while_a_connection_is_real(tmp_path):
    keep_connection(tmp_path, simulated=False)
    with (
        pytest.raises(ConfigurationError, match="CPQBRIDGE_NOW") as caught,
        open_service(Settings(home=tmp_path, now=NOW)),
    ):
        pass
    assert "box" in caught.value.message


def test_now_is_the_clock_of_simulated_connections(tmp_path):
    keep_connection(tmp_path, simulated=True)
    with open_service(Settings(home=tmp_path, now=NOW)) as service:
        assert service.clock_of(service.connections()[0]).now() == NOW


def test_without_now_real_connections_are_opened(tmp_path):
    keep_connection(tmp_path, simulated=False)
    with open_service(Settings(home=tmp_path)) as service:
        assert [connection.name for connection in service.connections()] == ["box"]
