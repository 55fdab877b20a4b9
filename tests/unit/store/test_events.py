"""Stripe's events as they are stored: once by id, looked at once, kept for a while."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import text

from cpqbridge.domain.billing import Link
from cpqbridge.errors import ConfigurationError
from cpqbridge.store import connections, event_contracts, events, links
from cpqbridge.store.connections import ConnectionFacts, ConnectionSecrets
from cpqbridge.store.database import Store, open_store
from cpqbridge.store.events import EventState, StripeEvent

NOW = datetime(2026, 2, 1, 12, tzinfo=UTC)


@pytest.fixture
def store(tmp_path: Path):
    opened = open_store(tmp_path, synchronous="OFF")
    for number in (1, 2):
        with opened.write() as transaction:
            connections.add(
                opened,
                transaction,
                name=f"connection {number}",
                facts=ConnectionFacts(
                    org_id=f"00D00000000000{number}AAA",
                    org_name="Org",
                    time_zone="UTC",
                    multi_currency=False,
                    salesforce_url="https://acme.my.salesforce.com",
                    stripe_account_id="acct_1",
                    stripe_account_name="Acme",
                    stripe_api_base=None,
                    live_mode=False,
                    simulated=True,
                ),
                secrets=ConnectionSecrets(salesforce_token="t", stripe_key="k"),
                at=NOW,
            )
    yield opened
    opened.close()


def an_event(number: int, **changes: object) -> StripeEvent:
    values = {"event_id": f"evt_{number}", "type": "invoice.paid", "created_at": NOW, **changes}
    return StripeEvent(**values)


def kept(store: Store, *numbers: int, connection_id: int = 1, at: datetime = NOW, **more: object) -> int:
    with store.write() as transaction:
        return events.keep(
            transaction,
            connection_id=connection_id,
            events=[an_event(number) for number in numbers],
            at=at,
            **more,
        )


def waiting(store: Store, *, limit: int = 100) -> list[str]:
    with store.read() as transaction:
        return [each.event.event_id for each in events.waiting(transaction, connection_id=1, limit=limit)]


def counted(store: Store) -> dict[str, int]:
    with store.read() as transaction:
        return {state.value: number for state, number in events.counts(transaction, connection_id=1).items()}


def test_an_event_when_kept_again_stays_as_it_was(store: Store) -> None:
    assert kept(store, 1, 2) == 2
    with store.write() as transaction:
        events.settle(
            transaction, connection_id=1, event_ids=["evt_1"], state=EventState.NOTICED, root_id="r"
        )
    assert kept(store, 1, 2, 3, at=NOW + timedelta(days=1)) == 1
    assert waiting(store) == ["evt_2", "evt_3"]
    assert kept(store, 1, connection_id=2) == 1
    assert counted(store) == {"waiting": 2, "noticed": 1, "own": 0, "ignored": 0}


def test_what_waits_when_read_is_what_was_kept_in_the_order_it_came(store: Store) -> None:
    full = an_event(9, root_id="r", stripe_ids=("in_1", "cus_1"), request_key="key")
    with store.write() as transaction:
        events.keep(transaction, connection_id=1, events=[full], at=NOW + timedelta(seconds=1))
    kept(store, 5)
    assert waiting(store) == ["evt_5", "evt_9"]
    assert waiting(store, limit=1) == ["evt_5"]
    with store.read() as transaction:
        assert events.waiting(transaction, connection_id=1, limit=9)[1].event == full
        assert events.last_received_at(transaction, connection_id=1) == NOW + timedelta(seconds=1)
        assert events.last_received_at(transaction, connection_id=2) is None


def test_pruning_takes_what_is_old_and_done_only(store: Store) -> None:
    kept(store, 1, at=NOW - timedelta(days=40))
    kept(store, 2, at=NOW - timedelta(days=40), state=EventState.IGNORED)
    kept(store, 3, at=NOW - timedelta(days=39), state=EventState.IGNORED)
    kept(store, 4, connection_id=2, at=NOW - timedelta(days=40), state=EventState.IGNORED)
    with store.write() as transaction:
        assert events.prune(transaction, connection_id=1, older_than=NOW - timedelta(days=39)) == 1
    assert counted(store) == {"waiting": 1, "noticed": 0, "own": 0, "ignored": 1}


def test_signing_secrets_are_encrypted_and_bound_to_their_connection(store: Store) -> None:
    def given(secret: str, *, keeps_old: bool, connection_id: int = 1) -> None:
        with store.write() as transaction:
            connections.add_webhook_secret(
                store,
                transaction,
                connection_id=connection_id,
                secret=secret,
                keeps_old=keeps_old,
                at=NOW,
            )

    def opened() -> dict[int, tuple[str, ...]]:
        with store.read() as transaction:
            return connections.open_webhook_secrets(store, transaction)

    given("whsec_a", keeps_old=False)
    given("whsec_b", keeps_old=True)
    given("whsec_z", keeps_old=True, connection_id=2)
    assert opened() == {1: ("whsec_b", "whsec_a"), 2: ("whsec_z",)}
    for number in range(9):
        given(f"whsec_{number}", keeps_old=True)
    assert opened()[1] == ("whsec_8", "whsec_7", "whsec_6", "whsec_5", "whsec_4")
    given("whsec_c", keeps_old=False)
    assert opened() == {1: ("whsec_c",), 2: ("whsec_z",)}
    with store.write() as transaction:
        assert len(connections.webhook_secrets_added_at(transaction, connection_id=1)) == 1
        rows = transaction.execute(text("SELECT secret FROM webhook_secrets")).scalars().all()
        assert not any("whsec" in row for row in rows)
        transaction.execute(text("UPDATE webhook_secrets SET connection_id = 3 - connection_id"))
    with pytest.raises(ConfigurationError):
        opened()


def test_finding_a_contract_by_an_object_reads_an_index(store: Store) -> None:
    with store.write() as transaction:
        for number in range(3):
            link = Link(key=f"schedule:root{number}:2026-02-01:0", stripe_id=f"s{number}", fingerprint="")
            links.save(transaction, connection_id=1, link=link, at=NOW + timedelta(days=number))
        assert event_contracts.linked(transaction, connection_id=1, stripe_ids=["s1", "x"]) == {
            "s1": {"root1"}
        }
        assert event_contracts.linked(transaction, connection_id=2, stripe_ids=["s1"]) == {}
        assert event_contracts.first_linked_at(transaction, connection_id=1) == NOW
        assert event_contracts.first_linked_at(transaction, connection_id=2) is None
        plan = transaction.execute(
            text("EXPLAIN QUERY PLAN SELECT key FROM links WHERE connection_id = 1 AND stripe_id IN ('a')")
        ).all()
    assert "ix_links_connection_id_stripe_id" in str(plan)
